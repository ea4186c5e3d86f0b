//! The treatment or scanner couch, in the projection over all slices.

use super::Image;
use super::bits::Bits;
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
/// Fewer slices say nothing about what is the same in all of them.
const LEAST_SLICES: usize = 8;

/// Where the couch begins: everything at and behind its surface is not the patient.
pub(super) struct Couch {
    /// For each column x the y of the surface.
    surface: Vec<usize>,
}

impl Couch {
    /// Whether (x, y) is on or behind the couch's surface.
    pub(super) fn covers(&self, x: usize, y: usize) -> bool {
        y >= self.surface[x]
    }
}

/// Finds the couch; `None` where there is none that is wide, thin and the same in all slices.
pub(super) fn find(image: &Image<'_>) -> Option<Couch> {
    let [nx, ny, nz] = image.oriented.size;
    if nz < LEAST_SLICES {
        return None;
    }
    let (always, often) = projections(image)?;
    let pixels = |mm: f64, axis: usize| super::voxels(mm, image.oriented.spacing_mm[axis]);
    let radius = [pixels(HALF_THICKNESS_MM, 0), pixels(HALF_THICKNESS_MM, 1), 0];
    let thick = always.eroded(radius).dilated(radius);
    let thin = Bits {
        size: always.size,
        values: always.values.iter().zip(&thick.values).map(|(always, thick)| *always && !thick).collect(),
    };
    // A couch lies at the patient's back: the rows from a little above its lowest on.
    let lowest = thick.values.iter().rposition(|value| *value).map_or(ny / 2, |at| at / nx);
    let behind_row = lowest.saturating_sub(pixels(NEAR_BACK_MM, 1));
    // Behind the middle of the patient, wide, or part of something wide: a couch in contact with
    // the back is in two pieces, left and right of it.
    let wide = pixels(LEAST_WIDTH_MM, 0);
    let pieces: Vec<Vec<usize>> = thin
        .pieces()
        .into_iter()
        .filter(|piece| piece.iter().map(|at| at / nx).sum::<usize>() >= behind_row * piece.len())
        .filter(|piece| extent(piece, nx) >= pixels(LEAST_PIECE_MM, 0))
        .filter(|piece| piece.len() <= extent(piece, nx) * pixels(2.0 * HALF_THICKNESS_MM, 1))
        .collect();
    let all: Vec<usize> = pieces.into_iter().flatten().collect();
    if all.is_empty() || extent(&all, nx) < wide {
        return None;
    }
    // The couch's upper side, column by column; a column seldom shows something else below it.
    let mut top: Vec<Option<usize>> = vec![None; nx];
    for at in all {
        let (x, y) = (at % nx, at / nx);
        top[x] = Some(top[x].map_or(y, |known: usize| known.min(y)));
    }
    let curve = Curve::fit(&top, pixels(6.0, 1))?;
    // One voxel more: a shell's edge is blurred.
    let margin = 1;
    let surface = (0..nx)
        .map(|x| {
            let fitted = curve.at(x);
            let seen = top[x].filter(|seen| seen.abs_diff(fitted) <= pixels(12.0, 1));
            seen.unwrap_or(fitted).saturating_sub(margin).min(ny)
        })
        .collect();
    let couch = Couch { surface };
    let solid = often.eroded(radius).dilated(radius);
    let solid = solid.values.iter().enumerate().filter(|(_, value)| **value);
    let (mut all, mut behind) = (0_usize, 0_usize);
    for (at, _) in solid {
        all += 1;
        behind += usize::from(couch.covers(at % nx, at / nx));
    }
    #[expect(clippy::cast_precision_loss, reason = "pixel counts")]
    let too_much = behind as f64 > all as f64 * BEHIND;
    (!too_much).then_some(couch)
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
