//! What scanners and converters write where nothing was measured, and the circle of reconstruction.
//!
//! Where it is not marked as the outside it is often 0, which is water, or the value of air. Padding is
//!
//! - exactly one value in the four corners of all slices, and what hangs together with them of it: noise
//!   leaves no two corners alike;
//! - on each slice outside the convex hull of everything else: what is measured is a circle, or a box that
//!   was turned, so a phantom of that very value that touches the circle is none;
//! - no larger than that it leaves half of the image's width and of its height: a tank of water without
//!   noise stays a tank of water, whatever is in it;
//! - of a value that might be tissue, mostly beyond air, or beyond a circle: a body that fills the slices to
//!   their corners has neither around it.
//!
//! A body on an image whose outside was masked by such a value is none of these, and stays as it was read.

use super::{Image, OUTSIDE_HU, SKIN_HU};
use crate::geometry::bits::Bits;
use rayon::prelude::*;

/// What was measured takes at least one part in so many of the image's width and height.
const SPANS: usize = 2;
/// The border of a circle lies so near to it, voxels.
const ON_CIRCLE: f64 = 1.5;
/// So many parts of ten of it.
const MOST_OF_TEN: usize = 9;
/// Fewer pixels of a border say nothing of its shape.
const LEAST_BORDER: usize = 16;
/// So many slices tell of a circle that is the same on all.
const LOOKED_AT: usize = 32;

/// For each voxel, in memory order, whether it is padding; `None` where none is as dense as a body.
pub(super) fn find(image: &Image<'_>) -> Option<Vec<bool>> {
    let surround = Surround::of(image).filter(|surround| surround.value > SKIN_HU)?;
    let [nx, ny, nz] = image.oriented.size;
    let planes: Vec<(Bits, [usize; 2])> = (0..nz)
        .into_par_iter()
        .map(|z| {
            let padding = surround.on(z);
            // Pixels beside it, and those of them that are air.
            let mut beside = [0, 0];
            for at in (0..nx * ny).filter(|at| !padding.values[*at]) {
                if neighbours(at, [nx, ny]).any(|at| padding.values[at]) {
                    beside[0] += 1;
                    beside[1] += usize::from(surround.hu(at % nx, at / nx, z) < SKIN_HU);
                }
            }
            (padding, beside)
        })
        .collect();
    let field = measured(image, planes.iter().map(|(plane, _)| plane));
    let [beside, air] = [0, 1].map(|n| planes.iter().map(|(_, counts)| counts[n]).sum::<usize>());
    let is_padding = spans(&field) && (2 * air > beside || is_circle(&field, image));
    is_padding.then(|| image.in_memory_order(planes.iter().map(|(plane, _)| plane.values.as_slice())))
}

/// The circle of reconstruction, the same on all slices: for each pixel whether any of those looked at
/// measures it.
/// `None` where the scan's end is that of the image.
pub(super) fn circle(image: &Image<'_>) -> Option<Bits> {
    let surround = Surround::of(image)?;
    let [nx, ny, nz] = image.oriented.size;
    let none = || Bits::new([nx, ny, 1]);
    let join = |mut all: Bits, own: &Bits| {
        all.values.iter_mut().zip(&own.values).for_each(|(all, own)| *all |= own);
        all
    };
    let field = (0..nz)
        .into_par_iter()
        .step_by(nz.div_ceil(LOOKED_AT))
        .fold(none, |all, z| {
            let mut own = surround.on(z);
            own.values.iter_mut().for_each(|value| *value = !*value);
            join(all, &own)
        })
        .reduce(none, |all, own| join(all, &own));
    (spans(&field) && is_circle(&field, image)).then_some(field)
}

/// One value around what was measured.
struct Surround<'a> {
    image: &'a Image<'a>,
    value: f32,
}

impl<'a> Surround<'a> {
    /// `None` where the corners were measured.
    fn of(image: &'a Image<'a>) -> Option<Self> {
        let [nx, ny, nz] = image.oriented.size;
        let corners = [[0, 0], [nx - 1, 0], [0, ny - 1], [nx - 1, ny - 1]];
        let around = Self { image, value: OUTSIDE_HU };
        // On a slice that is missing all is outside.
        let value = (0..nz).map(|z| around.hu(0, 0, z)).find(|value| *value > OUTSIDE_HU);
        let around = Self { value: value.unwrap_or(OUTSIDE_HU), ..around };
        (0..nz).all(|z| corners.iter().all(|[x, y]| around.has(*x, *y, z))).then_some(around)
    }

    fn hu(&self, x: usize, y: usize, z: usize) -> f32 {
        self.image.hu(self.image.oriented.index([x, y, z]))
    }

    /// Whether a voxel has the value, or is marked as the outside.
    #[expect(clippy::float_cmp, reason = "padding is one and the same stored value")]
    fn has(&self, x: usize, y: usize, z: usize) -> bool {
        let hu = self.hu(x, y, z);
        hu == self.value || hu == OUTSIDE_HU
    }

    /// What surrounds all else on a slice: it hangs together with the corners, and no line between two
    /// measured pixels runs through it.
    fn on(&self, z: usize) -> Bits {
        let [nx, ny, _] = self.image.oriented.size;
        let mut alike = Bits::new([nx, ny, 1]);
        for (at, value) in alike.values.iter_mut().enumerate() {
            *value = self.has(at % nx, at / nx, z);
        }
        let mut corners = Bits::new([nx, ny, 1]);
        for at in [0, nx - 1, nx * (ny - 1), nx * ny - 1] {
            corners.values[at] = true;
        }
        let mut around = alike.connected_to(&corners);
        let rest = Bits { size: around.size, values: around.values.iter().map(|own| !own).collect() };
        for (own, within) in around.values.iter_mut().zip(&rest.hull_in_slices().values) {
            *own &= !within;
        }
        around
    }
}

/// The pixels that are measured on any slice.
fn measured<'b>(image: &Image<'_>, paddings: impl Iterator<Item = &'b Bits>) -> Bits {
    let [nx, ny, _] = image.oriented.size;
    let mut field = Bits::new([nx, ny, 1]);
    for padding in paddings {
        field.values.iter_mut().zip(&padding.values).for_each(|(field, padding)| *field |= !padding);
    }
    field
}

/// The pixels beside one.
fn neighbours(at: usize, [nx, ny]: [usize; 2]) -> impl Iterator<Item = usize> {
    let (x, y) = (at % nx, at / nx);
    let around = [(x > 0).then(|| at - 1), (y > 0).then(|| at - nx), (x + 1 < nx).then_some(at + 1)];
    around.into_iter().chain([(y + 1 < ny).then_some(at + nx)]).flatten()
}

/// Whether a field takes enough of the image's width and height to be a scan's.
fn spans(field: &Bits) -> bool {
    let [nx, ny, _] = field.size;
    let (mut low, mut high) = ([nx, ny], [0; 2]);
    for (at, _) in field.values.iter().enumerate().filter(|(_, own)| **own) {
        for (axis, own) in [at % nx, at / nx].into_iter().enumerate() {
            low[axis] = low[axis].min(own);
            high[axis] = high[axis].max(own + 1);
        }
    }
    [0, 1].iter().all(|axis| high[*axis].saturating_sub(low[*axis]) * SPANS >= field.size[*axis])
}

/// Whether the border of a field runs on one circle wherever the image does not end: the circle of least
/// squares (Kåsa 1976) through the border's pixels.
fn is_circle(field: &Bits, image: &Image<'_>) -> bool {
    let [nx, ny, _] = field.size;
    let [across_mm, down_mm, _] = image.oriented.spacing_mm;
    let is_border = |at: &usize| field.values[*at] && neighbours(*at, [nx, ny]).any(|at| !field.values[at]);
    #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
    let place = |at: usize| {
        let (x, y) = ((at % nx) as f64 - nx as f64 / 2.0, (at / nx) as f64 - ny as f64 / 2.0);
        nalgebra::Vector3::new(x * across_mm, y * down_mm, 1.0)
    };
    let border: Vec<_> = (0..nx * ny).filter(is_border).map(place).collect();
    if border.len() < LEAST_BORDER {
        return false;
    }
    let (mut matrix, mut right) = (nalgebra::Matrix3::zeros(), nalgebra::Vector3::zeros());
    for own in &border {
        matrix += own * own.transpose();
        right += own * own.xy().norm_squared();
    }
    let Some(inverse) = matrix.try_inverse() else { return false };
    let found = inverse * right;
    let middle = found.xy() / 2.0;
    let radius_mm = (found.z + middle.norm_squared()).max(0.0).sqrt();
    let near_mm = ON_CIRCLE * across_mm.max(down_mm);
    let is_near = |own: &&nalgebra::Vector3<f64>| ((own.xy() - middle).norm() - radius_mm).abs() <= near_mm;
    10 * border.iter().filter(is_near).count() >= MOST_OF_TEN * border.len()
}
