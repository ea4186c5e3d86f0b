//! The treatment or scanner couch, in the projection over all slices.

mod solid;

pub(super) use solid::Solid;

use super::Image;
use crate::geometry::bits::Bits;
use rayon::prelude::*;

/// Denser than foam, HU: a couch's shell.
const SHELL_HU: f32 = -600.0;
/// The couch is in so large a share of the slices.
const PRESENT: f64 = 0.9;
/// Half the thickness below which something is thin, mm.
const HALF_THICKNESS_MM: f64 = 9.0;
/// A couch is at least so wide, mm.
const LEAST_WIDTH_MM: f64 = 150.0;
/// What is left of a couch on either side of a back that lies on it is at least so wide, mm.
const LEAST_PIECE_MM: f64 = 40.0;
/// Its mean row is not further above the patient's lowest, mm.
const NEAR_BACK_MM: f64 = 30.0;
/// More of the patient than this share never lies behind a couch: then it is none.
const BEHIND: f64 = 0.04;
/// As little of it where the couch was not seen for itself.
const BEHIND_BELOW_MATTRESS: f64 = 0.01;
/// Fewer slices say nothing about what is the same in all of them.
const LEAST_SLICES: usize = 8;

/// A couch that is not at the back is at least so wide, mm: a chest wall is not.
const LEAST_WIDTH_ELSEWHERE_MM: f64 = 300.0;
/// And its surface does not sag by more, mm.
const MOST_SAG_ELSEWHERE_MM: f64 = 30.0;

/// The couch begins so many voxels before its shell is seen: a shell's edge is blurred.
const EDGE: usize = 1;

/// Where the couch is, seen from the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Supine.
    Back,
    /// Prone.
    Front,
    /// Decubitus.
    Left,
    /// Decubitus.
    Right,
}

impl Side {
    const ALL: [Self; 4] = [Self::Back, Self::Front, Self::Left, Self::Right];

    /// The pixel (across the couch, towards the couch) of (x, y) in an image of nx by ny pixels.
    fn seen(self, [x, y]: [usize; 2], [nx, ny]: [usize; 2]) -> [usize; 2] {
        match self {
            Self::Back => [x, y],
            Self::Front => [x, ny - 1 - y],
            Self::Left => [y, x],
            Self::Right => [y, nx - 1 - x],
        }
    }

    /// The pixel (x, y) of (across, towards), of so many towards the couch: [`Self::seen`] undone.
    fn pixel(self, [across, at]: [usize; 2], towards: usize) -> [usize; 2] {
        match self {
            Self::Back => [across, at],
            Self::Front => [across, towards - 1 - at],
            Self::Left => [at, across],
            Self::Right => [towards - 1 - at, across],
        }
    }

    /// A pair of x and y as a pair of across and towards.
    fn pair<T>(self, [x, y]: [T; 2]) -> [T; 2] {
        match self {
            Self::Back | Self::Front => [x, y],
            Self::Left | Self::Right => [y, x],
        }
    }

    /// The projection as seen with the couch at the bottom.
    fn turned(self, bits: &Bits) -> Bits {
        let [nx, ny, _] = bits.size;
        let [across, towards] = self.pair([nx, ny]);
        let mut turned = Bits::new([across, towards, 1]);
        for (at, value) in bits.values.iter().enumerate() {
            let [u, v] = self.seen([at % nx, at / nx], [nx, ny]);
            turned.values[v * across + u] = *value;
        }
        turned
    }
}

/// Where the couch begins: everything at and behind its surface is not the patient.
pub(super) struct Couch {
    side: Side,
    /// The image's pixels along x and y.
    size: [usize; 2],
    /// For each column across the couch the pixel of its surface, counted towards it.
    surface: Vec<usize>,
}

impl Couch {
    /// Whether (x, y) is on or behind the couch's surface.
    pub(super) fn covers(&self, x: usize, y: usize) -> bool {
        self.depth(x, y).is_some()
    }

    /// Whether (x, y) is there, the blurred edge of its shell left out.
    pub(super) fn covers_surely(&self, x: usize, y: usize) -> bool {
        self.depth(x, y).is_some_and(|depth| depth >= EDGE)
    }

    /// How many pixels (x, y) is behind the surface; `None` before it.
    fn depth(&self, x: usize, y: usize) -> Option<usize> {
        let [across, towards] = self.side.seen([x, y], self.size);
        towards.checked_sub(self.surface[across])
    }
}

/// Finds the couch; `None` where there is none that is wide, thin and the same in all slices. It is
/// looked for at the back first: few patients lie otherwise.
pub(super) fn find(image: &Image<'_>) -> Option<Couch> {
    find_by(image, Seen::surface)
}

/// Finds the couch below a mattress, whose cover hides it from [`find`]: what lies on it belongs to the
/// mattress, a cushion.
pub(super) fn find_below_mattress(image: &Image<'_>) -> Option<Couch> {
    find_by(image, Seen::surface_below_mattress)
}

fn find_by(image: &Image<'_>, surface: impl Fn(&Seen) -> Option<Vec<usize>>) -> Option<Couch> {
    let [nx, ny, nz] = image.oriented.size;
    if nz < LEAST_SLICES {
        return None;
    }
    let (always, often) = projections(image)?;
    let [across_mm, towards_mm, _] = image.oriented.spacing_mm;
    Side::ALL.into_iter().find_map(|side| {
        let seen = Seen {
            always: side.turned(&always),
            often: side.turned(&often),
            spacing_mm: side.pair([across_mm, towards_mm]),
            is_back: side == Side::Back,
        };
        surface(&seen).map(|surface| Couch { side, size: [nx, ny], surface })
    })
}

/// The projections with the couch at the bottom.
struct Seen {
    /// Dense in nearly all slices.
    always: Bits,
    /// Dense in half of them.
    often: Bits,
    /// Across and towards the couch.
    spacing_mm: [f64; 2],
    is_back: bool,
}

impl Seen {
    fn pixels(&self, mm: f64, axis: usize) -> usize {
        super::voxels(mm, self.spacing_mm[axis])
    }

    fn radius(&self) -> [usize; 3] {
        [self.pixels(HALF_THICKNESS_MM, 0), self.pixels(HALF_THICKNESS_MM, 1), 0]
    }

    /// What is thin, behind the middle of the patient, wide, or part of something wide: a couch in
    /// contact with the back is in two pieces, left and right of it.
    fn pieces(&self) -> Vec<Vec<usize>> {
        let [nx, ny, _] = self.always.size;
        let radius = self.radius();
        let thick = self.always.eroded(radius).dilated(radius);
        let thin = Bits {
            size: self.always.size,
            values: self
                .always
                .values
                .iter()
                .zip(&thick.values)
                .map(|(always, thick)| *always && !thick)
                .collect(),
        };
        // The rows from a little above the patient's lowest on.
        let lowest = thick.values.iter().rposition(|value| *value).map_or(ny / 2, |at| at / nx);
        let behind_row = lowest.saturating_sub(self.pixels(NEAR_BACK_MM, 1));
        thin.pieces()
            .indices()
            .into_iter()
            .filter(|piece| piece.iter().map(|at| at / nx).sum::<usize>() >= behind_row * piece.len())
            .filter(|piece| extent(piece, nx) >= self.pixels(LEAST_PIECE_MM, 0))
            .filter(|piece| piece.len() <= extent(piece, nx) * self.pixels(2.0 * HALF_THICKNESS_MM, 1))
            .collect()
    }

    fn wide(&self) -> usize {
        self.pixels(if self.is_back { LEAST_WIDTH_MM } else { LEAST_WIDTH_ELSEWHERE_MM }, 0)
    }

    /// The couch's surface, column by column.
    fn surface(&self) -> Option<Vec<usize>> {
        let nx = self.always.size[0];
        let all = self.pieces().concat();
        if all.is_empty() || extent(&all, nx) < self.wide() {
            return None;
        }
        // The couch's upper side, column by column; a column seldom shows something else below it.
        let mut top: Vec<Option<usize>> = vec![None; nx];
        for at in all {
            let (x, y) = (at % nx, at / nx);
            top[x] = Some(top[x].map_or(y, |known: usize| known.min(y)));
        }
        self.surface_through(&top, BEHIND)
    }

    /// The surface of what is lowest in each column.
    fn surface_below_mattress(&self) -> Option<Vec<usize>> {
        let nx = self.always.size[0];
        let mut lowest: Vec<Option<usize>> = vec![None; nx];
        for at in self.pieces().concat() {
            let (x, y) = (at % nx, at / nx);
            lowest[x] = Some(lowest[x].map_or(y, |known: usize| known.max(y)));
        }
        let seen: Vec<usize> = (0..nx).filter(|x| lowest[*x].is_some()).collect();
        if extent(&seen, nx) < self.wide() || 2 * seen.len() < extent(&seen, nx) {
            return None;
        }
        // From the lower to the upper side of the shell.
        for (x, low) in lowest.iter_mut().enumerate() {
            if let Some(y) = low {
                while *y > 0 && self.always.values[(*y - 1) * nx + x] {
                    *y -= 1;
                }
            }
        }
        self.surface_through(&lowest, BEHIND_BELOW_MATTRESS)
    }

    /// The surface through the pixels seen, where nearly none of the patient is behind it.
    fn surface_through(&self, top: &[Option<usize>], most_behind: f64) -> Option<Vec<usize>> {
        let [nx, ny, _] = self.always.size;
        let radius = self.radius();
        let curve = Curve::fit(top, self.pixels(6.0, 1))?;
        if !self.is_back {
            let fitted = (0..nx).filter(|x| top[*x].is_some()).map(|x| curve.at(x));
            let (low, high) = fitted.fold((usize::MAX, 0), |(low, high), y| (low.min(y), high.max(y)));
            if high.saturating_sub(low) > self.pixels(MOST_SAG_ELSEWHERE_MM, 1) {
                return None;
            }
        }
        let surface: Vec<usize> = (0..nx)
            .map(|x| {
                let fitted = curve.at(x);
                let seen = top[x].filter(|seen| seen.abs_diff(fitted) <= self.pixels(12.0, 1));
                seen.unwrap_or(fitted).saturating_sub(EDGE).min(ny)
            })
            .collect();
        let solid = self.often.eroded(radius).dilated(radius);
        let solid = solid.values.iter().enumerate().filter(|(_, value)| **value);
        let (mut all, mut behind) = (0_usize, 0_usize);
        for (at, _) in solid {
            all += 1;
            behind += usize::from(at / nx >= surface[at % nx]);
        }
        #[expect(clippy::cast_precision_loss, reason = "pixel counts")]
        let too_much = behind as f64 > all as f64 * most_behind;
        (!too_much).then_some(surface)
    }
}

/// Pixels of the projection that are dense in nearly all slices, and in half of them; `None`
/// without any.
fn projections(image: &Image<'_>) -> Option<(Bits, Bits)> {
    let [nx, ny, nz] = image.oriented.size;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of slices"
    )]
    let least = (nz as f64 * PRESENT).ceil() as usize;
    let mut counts = vec![0_usize; nx * ny];
    counts.par_chunks_mut(nx).enumerate().for_each(|(y, row)| {
        for z in 0..nz {
            image.row(y, z, |x, hu| row[x] += usize::from(hu > SHELL_HU));
        }
    });
    let above = |least: usize| Bits {
        size: [nx, ny, 1],
        values: counts.iter().map(|count| *count >= least).collect(),
    };
    let always = above(least);
    always.values.contains(&true).then(|| (always, above(nz.div_ceil(2))))
}

fn extent(piece: &[usize], nx: usize) -> usize {
    let low = piece.iter().map(|at| at % nx).min().unwrap_or(0);
    let high = piece.iter().map(|at| at % nx).max().unwrap_or(0);
    high - low + 1
}

/// y = a + b x + c x^2 with x from -1 to 1 over the columns.
struct Curve {
    coefficients: nalgebra::Vector3<f64>,
    columns: f64,
}

impl Curve {
    /// Least squares, three rounds, without points further than `tolerance` from the last round's.
    #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
    fn fit(points: &[Option<usize>], tolerance: usize) -> Option<Self> {
        let columns = points.len() as f64;
        let mut curve: Option<Self> = None;
        for _ in 0..3 {
            let mut matrix = nalgebra::Matrix3::zeros();
            let mut right = nalgebra::Vector3::zeros();
            for (x, y) in points.iter().enumerate().filter_map(|(x, y)| Some((x, (*y)?))) {
                if curve.as_ref().is_some_and(|curve| curve.at(x).abs_diff(y) > 2 * tolerance.max(1)) {
                    continue;
                }
                let row = Self::row(x, columns);
                matrix += row * row.transpose();
                right += row * y as f64;
            }
            let coefficients = matrix.try_inverse()? * right;
            curve = Some(Self { coefficients, columns });
        }
        curve
    }

    #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
    fn row(x: usize, columns: f64) -> nalgebra::Vector3<f64> {
        let t = 2.0 * x as f64 / columns - 1.0;
        nalgebra::Vector3::new(1.0, t, t * t)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    fn at(&self, x: usize) -> usize {
        Self::row(x, self.columns).dot(&self.coefficients).round().clamp(0.0, 1e9) as usize
    }
}
