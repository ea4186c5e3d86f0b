//! Growing from a click: what hangs together with a point and has like values, as far as a path
//! through it of a given length leads and without squeezing through narrow necks.

mod edge;

use super::algebra::Region;
use super::gated::{bounded, smoothed, tissue_at};
use super::segment::{Source, inside};
use super::{SliceValues, ValueRange, Window};
use crate::geometry::{Point3, Polygon, clip, distance, trace};
use crate::patient::Volume;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Which values belong.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum GrowRange {
    /// Those of the tissue around the seed: `tolerance` spreads and up to half way to the tissue
    /// beyond; what grew ends in the middle of the edges beside it. Decided on values smoothed over
    /// 3 x 3 pixels.
    Similar {
        /// The number of spreads.
        tolerance: f32,
    },
    /// Fixed bounds in the image's unit (HU, SUV, Gy).
    Fixed(ValueRange),
    /// From this part (0 to 1) of the greatest value within reach of the seed: an isocontour.
    PartOfMaximum(f32),
}

/// How growing is held back.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Growth {
    /// Which values belong.
    pub range: GrowRange,
    /// The longest path from the seed, through what belongs, mm.
    pub reach_mm: f64,
    /// Necks narrower than this are not passed, mm; 0 passes all.
    pub neck_mm: f64,
}

/// What grew: the contours of each slice, in the coordinates of its plane, and the values used.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grown {
    /// By slice, in order; slices without contours are left out.
    pub slices: Vec<(usize, Vec<Polygon>)>,
    /// The range that was used; `None` when the seed lies outside the image.
    pub range: Option<ValueRange>,
}

/// A box of pixels through several slices.
struct Block {
    first: usize,
    window: Window,
    dims: [usize; 3],
    spacing_mm: [f64; 3],
    values: Vec<f32>,
}

impl Block {
    fn around(volume: &Volume, seed: Point3, reach_mm: f64, smooth: bool) -> Option<Self> {
        let base = volume.base_plane()?;
        let offset = base.normal().dot(&seed.coords);
        let at = |slice: &crate::patient::Slice| slice.plane.offset_mm();
        let first = volume.slices.partition_point(|slice| at(slice) < offset - reach_mm);
        let end = volume.slices.partition_point(|slice| at(slice) <= offset + reach_mm);
        let nearest = volume.nearest_slice(offset)?;
        let (first, end) = (first.min(nearest), end.max(nearest + 1));
        let home = SliceValues::of(volume, nearest)?;
        let window = home.window(volume.slices[nearest].plane.project(seed), reach_mm);
        if window.is_empty() {
            return None;
        }
        let values: Vec<f32> = (first..end)
            .into_par_iter()
            .flat_map_iter(|slice| {
                let values = SliceValues::of(volume, slice)
                    .map_or_else(|| vec![f32::NAN; window.len()], |own| own.values_in(&window));
                if smooth { smoothed(&values, window.size) } else { values }
            })
            .collect();
        let grid = volume.grid.spacing_mm();
        let through = if end - first > 1 {
            (at(&volume.slices[end - 1]) - at(&volume.slices[first])) / (end - first - 1) as f64
        } else {
            1.0
        };
        let dims = [window.size[0], window.size[1], end - first];
        Some(Self { first, window, dims, spacing_mm: [grid[0], grid[1], through], values })
    }

    fn index_of(&self, volume: &Volume, point: Point3) -> Option<usize> {
        let base = volume.base_plane()?;
        let slice = volume.nearest_slice(base.normal().dot(&point.coords))?;
        let values = SliceValues::of(volume, slice)?;
        let [i, j] = values.frame().index_of(volume.slices[slice].plane.project(point));
        let inside = |at: f64, low: usize, size: usize| {
            let at = at.round() - low as f64;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
            let index = (at >= 0.0 && at < size as f64).then_some(at as usize);
            index
        };
        let i = inside(i, self.window.low[0], self.dims[0])?;
        let j = inside(j, self.window.low[1], self.dims[1])?;
        let k = slice.checked_sub(self.first).filter(|k| *k < self.dims[2])?;
        Some(i + self.dims[0] * (j + self.dims[1] * k))
    }

    /// What of `reached` hangs together (26 neighbours) with the voxel `start`, or where that is not reached
    /// with the nearest one that is.
    fn together(&self, reached: &[bool], start: usize) -> Vec<bool> {
        let [nx, ny, nz] = self.dims;
        let place = |at: usize| [at % nx, at / nx % ny, at / (nx * ny)];
        let mut kept = vec![false; reached.len()];
        let own = place(start);
        let square = |at: usize| -> f64 {
            let off = |axis: usize| own[axis].abs_diff(place(at)[axis]) as f64 * self.spacing_mm[axis];
            (0..3).map(|axis| off(axis).powi(2)).sum()
        };
        let first = if reached[start] {
            Some(start)
        } else {
            let all = (0..reached.len()).filter(|at| reached[*at]);
            all.map(|at| (square(at), at)).min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, at)| at)
        };
        let mut open: Vec<usize> = first.into_iter().collect();
        open.iter().for_each(|at| kept[*at] = true);
        while let Some(at) = open.pop() {
            let [x, y, z] = place(at);
            for z in z.saturating_sub(1)..(z + 2).min(nz) {
                for y in y.saturating_sub(1)..(y + 2).min(ny) {
                    let row = nx * (y + ny * z);
                    for next in row + x.saturating_sub(1)..row + (x + 2).min(nx) {
                        if reached[next] && !kept[next] {
                            kept[next] = true;
                            open.push(next);
                        }
                    }
                }
            }
        }
        kept
    }

    /// The shortest path's length from `seed` to every voxel through those that are `open`, up to
    /// `reach_mm`; infinite beyond. Steps go to the 26 neighbours.
    fn paths(&self, open: &[bool], seed: usize, reach_mm: f64) -> Vec<f32> {
        let [nx, ny, nz] = self.dims;
        let mut length = vec![f32::INFINITY; open.len()];
        let mut heap = BinaryHeap::new();
        length[seed] = 0.0;
        heap.push(Step { length: 0.0, at: seed });
        let shifts: Vec<([i64; 3], f32)> = (0..27_i64)
            .filter(|n| *n != 13)
            .map(|n| {
                let by = [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1];
                let mm: f64 = by.iter().zip(self.spacing_mm).map(|(by, mm)| (*by as f64 * mm).powi(2)).sum();
                #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
                let mm = mm.sqrt() as f32;
                (by, mm)
            })
            .collect();
        #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
        let reach = reach_mm as f32;
        while let Some(Step { length: so_far, at }) = heap.pop() {
            if so_far > length[at] {
                continue;
            }
            let here = [at % nx, at / nx % ny, at / (nx * ny)];
            for (by, mm) in &shifts {
                let next = [0, 1, 2]
                    .map(|axis| here[axis].checked_add_signed(isize::try_from(by[axis]).unwrap_or(0)));
                let [Some(x), Some(y), Some(z)] = next else { continue };
                if x >= nx || y >= ny || z >= nz {
                    continue;
                }
                let to = x + nx * (y + ny * z);
                let total = so_far + mm;
                if open[to] && total <= reach && total < length[to] {
                    length[to] = total;
                    heap.push(Step { length: total, at: to });
                }
            }
        }
        length
    }
}

/// A voxel on the heap, the nearest first.
#[derive(Debug, PartialEq)]
struct Step {
    length: f32,
    at: usize,
}

impl Eq for Step {}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Step {
    fn cmp(&self, other: &Self) -> Ordering {
        other.length.total_cmp(&self.length).then_with(|| other.at.cmp(&self.at))
    }
}

/// Grows from `seed` (patient mm). The contours run where the values, linear between pixel
/// centres, leave the range; of alike tissue, half way between the values a few pixels inside and those
/// outside of them wherever there is an edge, also where it lies a few pixels beyond the range: so up to
/// six voxels beyond the reach are taken in, or given up again. What is cut off from the seed by that (from
/// the nearest voxel left, where the seed's own is given up) is left out. Missing slices are not crossed.
/// Nothing grows from a seed outside the image or whose own value does not belong.
///
/// Necks are kept shut as by an opening: only voxels at least half of `neck_mm` away from
/// everything that does not belong lead on, and what lies within that distance of them is added.
///
/// With a `limit` all of it stays in that region of the slices: paths do not leave it, what grows is cut
/// off at its outline, the greatest value is looked for in it, and nothing grows from beside it. Its
/// outline is no neck.
#[must_use]
pub fn grow(volume: &Volume, seed: Point3, growth: &Growth, limit: Option<&Region>) -> Grown {
    let smooth = matches!(growth.range, GrowRange::Similar { .. });
    let reach = growth.reach_mm.clamp(1.0, 300.0);
    let Some(block) = Block::around(volume, seed, reach, smooth) else { return Grown::default() };
    let Some(start) = block.index_of(volume, seed) else { return Grown::default() };
    let plane = block.window.len();
    let source = Source::own(volume);
    let held: Vec<bool> = match limit {
        None => vec![true; block.values.len()],
        Some(limit) => (block.first..block.first + block.dims[2])
            .into_par_iter()
            .flat_map_iter(|slice| inside(&source, slice, limit.on(slice), &block.window))
            .collect(),
    };
    let range = match growth.range {
        GrowRange::Fixed(range) => range,
        GrowRange::PartOfMaximum(part) => {
            let counts = block.values.iter().zip(&held).filter(|(value, held)| **held && value.is_finite());
            let greatest = counts.map(|(value, _)| *value).fold(0.0, f32::max);
            ValueRange { low: greatest * part, high: f32::MAX }
        }
        GrowRange::Similar { tolerance } => match tissue_at(volume, seed, 16.0, tolerance) {
            Some(range) => range,
            None => return Grown::default(),
        },
    };
    let grown = Grown { slices: Vec::new(), range: Some(range) };
    let belongs: Vec<bool> = block.values.par_iter().map(|value| range.depth(*value) >= 0.0).collect();
    if !belongs[start] || !held[start] {
        return grown;
    }
    let half = growth.neck_mm / 2.0;
    let reached: Vec<bool> = if half > 0.0 {
        let outside: Vec<bool> = belongs.iter().map(|own| !own).collect();
        let clearance = distance::to_nearest(&outside, block.dims, block.spacing_mm);
        #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
        let half = (half as f32).min(clearance[start]);
        let core: Vec<bool> = clearance.iter().zip(&held).map(|(mm, held)| *held && *mm >= half).collect();
        let lengths = block.paths(&core, start, reach);
        let led: Vec<bool> = lengths.iter().map(|mm| mm.is_finite()).collect();
        let from_core = distance::to_nearest(&led, block.dims, block.spacing_mm);
        let beside = from_core.iter().zip(&belongs).zip(&held);
        beside.map(|((mm, own), held)| *own && *held && *mm <= half).collect()
    } else {
        let open: Vec<bool> = belongs.iter().zip(&held).map(|(own, held)| *own && *held).collect();
        block.paths(&open, start, reach).iter().map(|mm| mm.is_finite()).collect()
    };
    let (reached, edges) = if smooth {
        let voxels = edge::Voxels {
            dims: block.dims,
            spacing_mm: block.spacing_mm,
            values: &block.values,
            belongs: &belongs,
            held: &held,
        };
        let (reached, edges) = voxels.ended_at_edges(reached);
        (block.together(&reached, start), Some(edges))
    } else {
        (reached, None)
    };
    // The outline is cut off at the limit exactly, not half way from the last pixel in it.
    let reached = if limit.is_some() { beyond(&reached, &belongs, &held, block.dims) } else { reached };
    let slices = (0..block.dims[2])
        .into_par_iter()
        .filter_map(|k| {
            let (values, reached) =
                (&block.values[k * plane..(k + 1) * plane], &reached[k * plane..(k + 1) * plane]);
            if !reached.contains(&true) {
                return None;
            }
            let depths: Vec<f32> = (k * plane..)
                .zip(values)
                .zip(reached)
                .map(|((at, value), reached)| {
                    let edge = edges.as_ref().map(|edges| edges[at]).filter(|depth| !depth.is_nan());
                    let depth = bounded(edge.unwrap_or_else(|| range.depth(*value)));
                    if *reached { depth.max(0.0) } else { -depth.abs().max(1e-6) }
                })
                .collect();
            let outlines = trace::field_slice(&depths, block.window.size[0], block.window.size[1], 0.0);
            let image = SliceValues::of(volume, block.first + k)?;
            let contours = image.frame().map(&outlines, block.window.low);
            let contours = match limit {
                Some(limit) => clip::intersection(&contours, limit.on(block.first + k)),
                None => contours,
            };
            (!contours.is_empty()).then_some((block.first + k, contours))
        })
        .collect();
    Grown { slices, ..grown }
}

/// What was reached, with the pixels just beyond the limit that belong as well.
fn beyond(reached: &[bool], belongs: &[bool], held: &[bool], [nx, ny, _]: [usize; 3]) -> Vec<bool> {
    let is_beside = |at: usize| {
        let (x, y, plane) = (at % nx, at / nx % ny, at / (nx * ny) * nx * ny);
        let columns = x.saturating_sub(1)..(x + 2).min(nx);
        (y.saturating_sub(1)..(y + 2).min(ny))
            .any(|row| reached[plane + row * nx..][columns.clone()].contains(&true))
    };
    (0..reached.len())
        .into_par_iter()
        .map(|at| reached[at] || (!held[at] && belongs[at] && is_beside(at)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Grid, Plane, Point2, Vector3};
    use crate::patient::{Slice, Unit, Voxels};
    use std::f64::consts::PI;

    /// 90 x 60 x 30 voxels of 1 x 1 x 2 mm from (0, 0, 0), SUV by position.
    fn volume(value: impl Fn(Point3) -> f64 + Sync) -> Volume {
        let steps = [Vector3::x(), Vector3::y(), Vector3::z() * 2.0];
        let grid = Grid::new([90, 60, 30], Point3::origin(), steps).unwrap();
        let voxels = (0..30)
            .flat_map(|k| (0..60).flat_map(move |j| (0..90).map(move |i| [i, j, k])))
            .map(|at: [i32; 3]| {
                #[expect(clippy::cast_possible_truncation, reason = "SUV")]
                let value = value(grid.patient_of(at.map(f64::from))) as f32;
                value
            })
            .collect();
        let slices = (0..30)
            .map(|k| {
                let origin_mm = grid.patient_of([0.0, 0.0, f64::from(k)]);
                Slice { plane: Plane::axial(origin_mm.z), origin_mm, instance: None, missing: false }
            })
            .collect();
        Volume { grid, voxels: Voxels::F32(voxels), unit: Unit::SuvBw, slices, native: None }
    }

    fn ball(at: Point3, x: f64, radius: f64) -> f64 {
        (at - Point3::new(x, 30.0, 30.0)).norm() - radius
    }

    fn volume_mm3(grown: &Grown) -> f64 {
        grown.slices.iter().flat_map(|(_, contours)| contours).map(Polygon::area_mm2).sum::<f64>() * 2.0
    }

    const SEED: Point3 = Point3::new(22.0, 30.0, 30.0);

    #[test]
    fn an_isocontour_of_a_hot_ball_has_the_radius_where_the_value_is_reached() {
        // SUV falls by 0.5 a mm from 10 in the middle.
        let pet = volume(|at| (10.0 - 0.5 * ball(at, 25.0, 0.0)).max(0.0));
        let growth = Growth { range: GrowRange::PartOfMaximum(0.41), reach_mm: 40.0, neck_mm: 0.0 };
        let grown = grow(&pet, SEED, &growth, None);
        let radius = (volume_mm3(&grown) * 3.0 / (4.0 * PI)).cbrt();
        assert!((radius - 0.59 * 10.0 / 0.5).abs() < 0.15, "{radius}");
        assert!((grown.range.unwrap().low - 4.1).abs() < 0.05);
        let fixed = ValueRange { low: 5.0, high: f32::MAX };
        let grown = grow(&pet, SEED, &Growth { range: GrowRange::Fixed(fixed), ..growth }, None);
        assert!(((volume_mm3(&grown) * 3.0 / (4.0 * PI)).cbrt() - 10.0).abs() < 0.15);
        let cold = Point3::new(70.0, 5.0, 5.0);
        assert!(
            grow(&pet, cold, &Growth { range: GrowRange::Fixed(fixed), ..growth }, None).slices.is_empty()
        );
    }

    #[test]
    fn what_is_cut_off_from_the_start_is_left_out() {
        let block = Block {
            first: 0,
            window: Window { low: [0, 0], size: [6, 2] },
            dims: [6, 2, 2],
            spacing_mm: [1.0, 1.0, 2.0],
            values: Vec::new(),
        };
        // Two columns joined across a corner and a slice, and one apart.
        let reached: Vec<bool> = (0..24).map(|at| [0, 13 + 6, 4, 5].contains(&at)).collect();
        let held = |start: usize| -> Vec<usize> {
            let kept = block.together(&reached, start);
            (0..24).filter(|at| kept[*at]).collect()
        };
        assert_eq!((held(0), held(19)), (vec![0, 19], vec![0, 19]));
        assert_eq!(held(5), vec![4, 5]);
        // From a start that is not reached itself: with the nearest.
        assert_eq!((held(3), held(6)), (vec![4, 5], vec![0, 19]));
        assert!(block.together(&[false; 24], 3).iter().all(|kept| !kept));
    }

    #[test]
    fn a_neck_and_a_reach_hold_growing_back() {
        // Two balls of 10 mm joined by a bridge 4 mm wide.
        let bridged = volume(|at| {
            let bridge = (at.y - 30.0).hypot(at.z - 30.0) - 2.0;
            let bridge = if (25.0..60.0).contains(&at.x) { bridge } else { 9.0 };
            let depth = ball(at, 25.0, 10.0).min(ball(at, 60.0, 10.0)).min(bridge);
            5.0 - 4.0 * depth.clamp(-1.0, 1.0)
        });
        let one = 4.0 / 3.0 * PI * 1000.0;
        let range = GrowRange::Fixed(ValueRange { low: 5.0, high: 99.0 });
        let all = volume_mm3(&grow(&bridged, SEED, &Growth { range, reach_mm: 80.0, neck_mm: 0.0 }, None));
        assert!(all > 2.0 * one, "{all}");
        let held = grow(&bridged, SEED, &Growth { range, reach_mm: 80.0, neck_mm: 7.0 }, None);
        let held = volume_mm3(&held);
        assert!((held / one - 1.0).abs() < 0.06, "{held} of {one}");
        let short = volume_mm3(&grow(&bridged, SEED, &Growth { range, reach_mm: 18.0, neck_mm: 0.0 }, None));
        assert!(short < 1.3 * one, "{short}");
        // Within one ball, neither leads over, however wide the neck may be; it ends at the limit.
        let ring: Vec<Point2> = (0..90)
            .map(|n| {
                let (sine, cosine) = (f64::from(n) * PI / 45.0).sin_cos();
                Point2::new(25.0 + 8.0 * cosine, 30.0 + 8.0 * sine)
            })
            .collect();
        let tube = Region::from_slices((0..30).map(|k| (k, vec![Polygon::from_outer(ring.clone())])));
        let growth = Growth { range, reach_mm: 80.0, neck_mm: 0.0 };
        let within = grow(&bridged, SEED, &growth, Some(&tube));
        // The ball of 10 mm in the tube of 8 mm: a sphere less the caps and the ring beside the tube.
        let wanted = 4.0 / 3.0 * PI * (1000.0 - 36.0_f64.powf(1.5));
        assert!((volume_mm3(&within) / wanted - 1.0).abs() < 0.04, "{} of {wanted}", volume_mm3(&within));
        let widest = within.slices.iter().flat_map(|(_, own)| own).flat_map(|own| &own.outer);
        assert!(widest.map(|at| (at.x - 25.0).hypot(at.y - 30.0)).fold(0.0, f64::max) < 8.0 + 1e-3);
        let beside = grow(&bridged, Point3::new(60.0, 30.0, 30.0), &growth, Some(&tube));
        assert!(beside.slices.is_empty());
        let similar = Growth { range: GrowRange::Similar { tolerance: 3.0 }, reach_mm: 80.0, neck_mm: 7.0 };
        let similar = volume_mm3(&grow(&bridged, SEED, &similar, None));
        assert!((similar / one - 1.0).abs() < 0.12, "{similar} of {one}");
    }
}
