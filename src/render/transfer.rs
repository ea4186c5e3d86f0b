//! Transfer functions as tables, and where in a volume they show anything.
//!
//! The opacity of a step between two samples is the mean extinction over the values in between
//! (pre-integration: Engel, Kraus and Ertl, Graphics Hardware 2001, without attenuation within a
//! step), so that thin tissue borders make no rings however long the step.

use super::volume_scene::Knots;
use crate::patient::{Volume, Voxels};
use rayon::prelude::*;

/// The number of values of a table.
pub(super) const TABLE: usize = 256;
/// The edge of a brick of voxels that is skipped when nothing in it shows.
pub(super) const BRICK: usize = 8;

/// Extinction (per mm, last) and extinction times colour over the values `low..=high`.
#[derive(Debug, Clone)]
pub(super) struct TransferTable {
    pub low: f32,
    pub high: f32,
    /// What voxels without value, and all below it, count as.
    pub floor: f32,
    /// The gradient, per mm, from which on a place is lit as a surface.
    pub surface_gradient: f32,
    /// Running integrals in units of table places.
    pub integral: Vec<[f32; 4]>,
    pub at: Vec<[f32; 4]>,
}

impl TransferTable {
    /// `None` for fewer than two knots.
    pub fn new(knots: &Knots) -> Option<Self> {
        let (low, high) = (knots.first()?.0, knots.last()?.0);
        if knots.len() < 2 || high <= low {
            return None;
        }
        let at: Vec<[f32; 4]> = (0..TABLE)
            .map(|index| {
                #[expect(clippy::cast_precision_loss, reason = "below 256")]
                let value = low + (high - low) * index as f32 / (TABLE - 1) as f32;
                let next = knots.partition_point(|knot| knot.0 <= value).clamp(1, knots.len() - 1);
                let (a, b) = (&knots[next - 1], &knots[next]);
                let t = ((value - a.0) / (b.0 - a.0).max(1e-6)).clamp(0.0, 1.0);
                let extinction = a.2 + (b.2 - a.2) * t;
                let color = [0, 1, 2].map(|c| a.1[c] + (b.1[c] - a.1[c]) * t);
                [color[0] * extinction, color[1] * extinction, color[2] * extinction, extinction]
            })
            .collect();
        let mut sum = [0.0; 4];
        let mut integral = vec![sum];
        for pair in at.windows(2) {
            sum = [0, 1, 2, 3].map(|c| sum[c] + f32::midpoint(pair[0][c], pair[1][c]));
            integral.push(sum);
        }
        // The first values that show are where surfaces lie: one voxel from nothing to there.
        let visible = knots.iter().map(|knot| knot.0).take(4).fold(low, f32::max) - low;
        Some(Self { low, high, floor: low - visible, surface_gradient: visible * 0.12, integral, at })
    }

    fn place(&self, value: f32) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "255")]
        let last = (TABLE - 1) as f32;
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0) * last
    }

    /// The value up to which nothing shows.
    pub fn invisible_below(&self) -> f32 {
        if self.at[0][3] > 0.0 { f32::MIN } else { self.low }
    }

    /// Whether any value of `low..=high` shows.
    pub fn shows(&self, low: f32, high: f32) -> bool {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
        let (first, last) = (self.place(low).floor() as usize, self.place(high).ceil() as usize);
        self.at[first..=last].iter().any(|entry| entry[3] > 0.0)
    }
}

/// The least and greatest value of each brick of a volume, the next brick's first voxels included;
/// voxels without value count as the least number.
#[derive(Debug, Clone)]
pub(super) struct Bricks {
    pub dims: [usize; 3],
    pub ranges: Vec<(f32, f32)>,
}

impl Bricks {
    /// Of every `stride`th voxel.
    pub fn new(volume: &Volume, stride: usize) -> Self {
        let size = volume.grid.dims();
        let strided = size.map(|n| n.div_ceil(stride));
        let dims = strided.map(|n| n.div_ceil(BRICK).max(1));
        let ranges = (0..dims[1] * dims[2])
            .into_par_iter()
            .flat_map_iter(|row| {
                let (bj, bk) = (row % dims[1], row / dims[1]);
                let mut ranges = vec![(f32::MAX, f32::MIN); dims[0]];
                for k in bk * BRICK..=(bk * BRICK + BRICK).min(strided[2].saturating_sub(1)) {
                    for j in bj * BRICK..=(bj * BRICK + BRICK).min(strided[1].saturating_sub(1)) {
                        let start = size[0] * (j * stride + size[1] * k * stride);
                        widen(&mut ranges, &volume.voxels, start, strided[0], stride);
                    }
                }
                ranges
            })
            .collect();
        Self { dims, ranges }
    }

    /// 1 for each brick in which the table shows something, else 0.
    pub fn occupied(&self, table: &TransferTable) -> Vec<u8> {
        let shows = |&(low, high): &(f32, f32)| u8::from(low <= high && table.shows(low, high));
        self.ranges.iter().map(shows).collect()
    }
}

/// Takes one row of voxels into the ranges of its bricks.
fn widen(ranges: &mut [(f32, f32)], voxels: &Voxels, start: usize, count: usize, stride: usize) {
    for (brick, range) in ranges.iter_mut().enumerate() {
        let (from, to) = (brick * BRICK, (brick * BRICK + BRICK).min(count.saturating_sub(1)));
        match voxels {
            Voxels::I16(values) if stride == 1 => {
                let own = &values[start + from..=start + to];
                let (low, high) = own
                    .iter()
                    .fold((i16::MAX, i16::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
                *range = (range.0.min(f32::from(low)), range.1.max(f32::from(high)));
            }
            Voxels::I16(values) => {
                for i in from..=to {
                    let value = f32::from(values[start + i * stride]);
                    *range = (range.0.min(value), range.1.max(value));
                }
            }
            Voxels::F32(values) => {
                for i in from..=to {
                    let value = values[start + i * stride];
                    let value = if value.is_nan() { f32::MIN } else { value };
                    *range = (range.0.min(value), range.1.max(value));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_function_integrates_to_its_area() {
        let knots = vec![(0.0, [1.0, 0.5, 0.0], 2.0), (255.0, [1.0, 0.5, 0.0], 2.0)];
        let table = TransferTable::new(&knots).unwrap();
        assert!((table.integral[255][3] - 510.0).abs() < 0.01);
        assert!((table.integral[255][1] - 255.0).abs() < 0.01);
        assert!(table.shows(-50.0, -40.0), "below the first knot the first value holds");
    }

    #[test]
    fn nothing_shows_below_a_knot_of_zero() {
        let knots = vec![(100.0, [1.0; 3], 0.0), (200.0, [1.0; 3], 1.0)];
        let table = TransferTable::new(&knots).unwrap();
        assert!(!table.shows(-1000.0, 99.0));
        assert!(table.shows(-1000.0, 150.0));
        assert!(TransferTable::new(&Vec::new()).is_none());
    }
}
