//! The outline of a dose level on an image's slices.
//!
//! Traced from the dose itself, linear along each axis between its values, never from a dose that was
//! first put onto the image's voxels: where slices are parallel to the planes of the dose, on the rows
//! and columns of the dose and lines between them, along which the dose is exactly linear; else on a
//! lattice of half the finest distance between its values.

use crate::edit::algebra::Region;
use crate::edit::{VertexSet, without_slivers};
use crate::geometry::rasterise::Frame;
use crate::geometry::{OrientedBox, Plane, Point2, Polygon, Vector2, clip, trace};
use crate::patient::{Dose, Volume};
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;

/// A slice this near to the outermost plane of a dose that is parallel to it lies on it, mm: as
/// contours lie on slices.
const ON_PLANE_MM: f64 = 0.1;
/// Planes that lean less are parallel: 0.005 mm over half a metre.
const PARALLEL: f64 = 1e-5;
/// Cells of the dose are divided until lines of the lattice are no further apart than this, mm,
const LINES_MM: f64 = 1.0;
/// into no more parts than this.
const MOST_PARTS: usize = 4;
/// A slanted slice has at most about this many samples.
const MOST_SAMPLES: f64 = 1e6;

/// Which dose an outline follows.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum DoseLevel {
    /// A dose, Gy.
    Gy(f64),
    /// A part (1 is all) of the greatest dose of the grid.
    PartOfMaximum(f64),
    /// A part (1 is all) of the dose prescribed.
    PartOfPrescription {
        /// The part.
        part: f64,
        /// What is prescribed, Gy.
        prescription_gy: f64,
    },
}

impl DoseLevel {
    /// The dose, Gy, where the grid's greatest is `maximum_gy`.
    #[must_use]
    pub fn gy(self, maximum_gy: f64) -> f64 {
        match self {
            Self::Gy(gy) => gy,
            Self::PartOfMaximum(part) => part * maximum_gy,
            Self::PartOfPrescription { part, prescription_gy } => part * prescription_gy,
        }
    }
}

/// The name of an isodose by AAPM TG-263: `IDL_5000` for 50 Gy, in whole cGy.
#[must_use]
pub fn isodose_name(level_gy: f64) -> String {
    format!("IDL_{:.0}", level_gy * 100.0)
}

/// Where `dose` is `level_gy` or more, on the slices of `volume` and within `limit` (everywhere without
/// one). The outline runs where the dose passes the level, along the limit, and along the border of the
/// dose grid: nothing is known beyond the outermost values, and nothing there belongs. Empty for a level
/// that is not above 0. Missing slices are left out.
///
/// # Errors
/// [`Cancelled`] when someone asked to stop.
pub fn isodose(
    volume: &Volume,
    dose: &Dose,
    level_gy: f64,
    limit: Option<&Region>,
    progress: &Progress,
) -> Result<Region, Cancelled> {
    progress.set_step("Tracing the isodose");
    let Some(hot) = Hot::of(dose, level_gy) else { return Ok(Region::default()) };
    let pixel = volume.grid.spacing_mm();
    let thinnest_mm = 0.5 * pixel[0].max(pixel[1]).min(dose.lattice().finest_mm());
    let slices: Vec<(usize, Vec<Polygon>)> = volume
        .slices
        .par_iter()
        .enumerate()
        .filter(|(index, slice)| !slice.missing && limit.is_none_or(|limit| !limit.on(*index).is_empty()))
        .map(|(index, slice)| {
            progress.check()?;
            let outlines = hot.on(&slice.plane);
            let outlines = match limit {
                Some(limit) if !outlines.is_empty() => without_slivers(
                    &[],
                    &VertexSet::default(),
                    clip::intersection(&outlines, limit.on(index)),
                    thinnest_mm,
                ),
                _ => outlines,
            };
            Ok((index, outlines))
        })
        .collect::<Result<_, Cancelled>>()?;
    progress.set_fraction(1.0)?;
    Ok(Region::from_slices(slices))
}

/// The part of a dose where a level can be reached.
struct Hot<'a> {
    dose: &'a Dose,
    level_gy: f64,
    /// First and last column, row and plane: all values of at least the level and one more around them.
    /// Between values the dose is never above the greatest of those around.
    range: [[usize; 2]; 3],
    bounds: OrientedBox,
}

impl<'a> Hot<'a> {
    fn of(dose: &'a Dose, level_gy: f64) -> Option<Self> {
        if !(level_gy > 0.0 && level_gy <= dose.maximum_gy()) {
            return None;
        }
        let [columns, rows, planes] = dose.lattice().size();
        let mut range = [[usize::MAX, 0]; 3];
        for (line, values) in dose.values_gy().chunks(columns).enumerate() {
            let is_hot = |gy: &f32| f64::from(*gy) >= level_gy;
            let Some(first) = values.iter().position(is_hot) else { continue };
            let last = values.iter().rposition(is_hot).unwrap_or(first);
            for (own, [low, high]) in
                range.iter_mut().zip([[first, last], [line % rows; 2], [line / rows; 2]])
            {
                *own = [own[0].min(low), own[1].max(high)];
            }
        }
        if range[0][0] > range[0][1] {
            return None;
        }
        let range = [(range[0], columns), (range[1], rows), (range[2], planes)]
            .map(|([low, high], count)| [low.saturating_sub(1), (high + 1).min(count - 1)]);
        Some(Self { dose, level_gy, range, bounds: dose.lattice().between(range[0], range[1], range[2]) })
    }

    /// The outlines on a plane, in its coordinates.
    fn on(&self, plane: &Plane) -> Vec<Polygon> {
        let Some(section) = self.bounds.section(plane, ON_PLANE_MM) else { return Vec::new() };
        let across = self.dose.lattice().axes()[2];
        let is_parallel = across.dot(&plane.u()).hypot(across.dot(&plane.v())) < PARALLEL;
        let outlines =
            if is_parallel { self.along_planes(plane) } else { self.across_planes(plane, &section) };
        // Beyond the outermost values the lattice repeats them, so that outlines cross the border.
        let extent = self.dose.lattice().extent();
        let (low, high) = (extent.low(), extent.high());
        let is_beyond = |at: &Point2| {
            let own = extent.coordinates_of(plane.lift(*at));
            (0..2).any(|n| own[n] < low[n] - 1e-6 || own[n] > high[n] + 1e-6)
                || (!is_parallel && (own[2] < low[2] - 1e-6 || own[2] > high[2] + 1e-6))
        };
        if outlines.iter().flat_map(Polygon::rings).flatten().any(is_beyond) {
            clip::intersection(&outlines, &[section])
        } else {
            outlines
        }
    }

    /// On a plane parallel to those of the dose: its rows and columns, and lines between them.
    fn along_planes(&self, plane: &Plane) -> Vec<Polygon> {
        let lattice = self.dose.lattice();
        let [columns, rows] = [self.range[0], self.range[1]];
        let spacing = lattice.spacing_mm();
        let parts = spacing.map(|mm| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let parts = (mm / LINES_MM).ceil().clamp(1.0, MOST_PARTS as f64) as usize;
            parts
        });
        let offset_mm = lattice.place_of(plane.lift(Point2::origin()))[2];
        let (below, above, up) = lattice.planes_around(offset_mm);
        // The dose less the level at the columns and rows of the range.
        let width = columns[1] - columns[0] + 1;
        let depths: Vec<f64> = (rows[0]..=rows[1])
            .flat_map(|row| (columns[0]..=columns[1]).map(move |column| [column, row]))
            .map(|[column, row]| {
                let first = f64::from(self.dose.value(column, row, below));
                let second = f64::from(self.dose.value(column, row, above));
                first + (second - first) * up - self.level_gy
            })
            .collect();
        if depths.iter().all(|depth| *depth < 0.0) {
            return Vec::new();
        }
        let height = rows[1] - rows[0] + 1;
        // Each line of the lattice by the two of the dose around it; one more on every side.
        let lines = |count: usize, parts: usize| -> Vec<(usize, usize, f64)> {
            let last = (count - 1) * parts;
            let at = |n: usize| {
                let low = n / parts;
                (low, (low + 1).min(count - 1), (n % parts) as f64 / parts as f64)
            };
            std::iter::once(at(0)).chain((0..=last).map(at)).chain([at(last)]).collect()
        };
        let (across, down) = (lines(width, parts[0]), lines(height, parts[1]));
        let mut values = Vec::with_capacity(across.len() * down.len());
        for (low, high, part) in &down {
            for (left, right, along) in &across {
                let on = |row: usize| {
                    let (first, second) = (depths[left + width * row], depths[right + width * row]);
                    first + (second - first) * along
                };
                let (first, second) = (on(*low), on(*high));
                #[expect(clippy::cast_possible_truncation, reason = "the sign is what counts")]
                values.push((first + (second - first) * part) as f32);
            }
        }
        let step = |axis: usize| {
            let step = lattice.axes()[axis] * (spacing[axis] / parts[axis] as f64);
            Vector2::new(plane.u().dot(&step), plane.v().dot(&step))
        };
        let corner = lattice.point_at(
            columns[0] as f64 - 1.0 / parts[0] as f64,
            rows[0] as f64 - 1.0 / parts[1] as f64,
            offset_mm,
        );
        let size = [across.len(), down.len()];
        let Some(frame) = Frame::new(plane.project(corner), step(0), step(1), size) else {
            return Vec::new();
        };
        frame.map(&trace::field_slice(&values, size[0], size[1], 0.0), [0, 0])
    }

    /// On any other plane: samples around what the plane cuts out of the dose.
    fn across_planes(&self, plane: &Plane, section: &Polygon) -> Vec<Polygon> {
        let Some((low, high)) = section.bounds() else { return Vec::new() };
        let area = (high.x - low.x) * (high.y - low.y);
        let pitch = (self.dose.lattice().finest_mm() / 2.0).max((area / MOST_SAMPLES).sqrt());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the area")]
        let size = [0, 1].map(|n| ((high[n] - low[n]) / pitch).ceil() as usize + 3);
        let corner = Point2::new(low.x - pitch, low.y - pitch);
        let steps = [Vector2::new(pitch, 0.0), Vector2::new(0.0, pitch)];
        let Some(frame) = Frame::new(corner, steps[0], steps[1], size) else { return Vec::new() };
        let values: Vec<f32> = (0..size[1])
            .flat_map(|j| (0..size[0]).map(move |i| [i as f64, j as f64]))
            .map(|[i, j]| {
                let depth = self.dose.nearest(plane.lift(frame.point(i, j))) - self.level_gy;
                #[expect(clippy::cast_possible_truncation, reason = "the sign is what counts")]
                let depth = depth as f32;
                depth
            })
            .collect();
        frame.map(&trace::field_slice(&values, size[0], size[1], 0.0), [0, 0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Grid, Point3, Vector3};
    use crate::patient::{DoseInfo, DoseLattice, Slice, Unit, Voxels};
    use nalgebra::Rotation3;
    use std::f64::consts::PI;

    const CENTER: Point3 = Point3::new(3.0, -2.0, 40.0);

    /// A volume without values, `dims` voxels of `spacing` along turned axes around [`CENTER`].
    fn images(turn: Rotation3<f64>, dims: [usize; 3], spacing: [f64; 3]) -> Volume {
        let axes = [turn * Vector3::x(), turn * Vector3::y(), turn * Vector3::z()];
        let steps = [0, 1, 2].map(|n| axes[n] * spacing[n]);
        let half = |n: usize| steps[n] * ((dims[n] as f64 - 1.0) / 2.0);
        let grid = Grid::new(dims, CENTER - half(0) - half(1) - half(2), steps).unwrap();
        let slices = Slice::all_of(&grid);
        Volume { voxels: Voxels::I16(Vec::new()), grid, unit: Unit::Hu, slices, native: None }
    }

    /// A dose on turned axes around [`CENTER`], with planes at these distances from it.
    fn dose_of(
        turn: Rotation3<f64>,
        size: [usize; 2],
        spacing: [f64; 2],
        offsets: Vec<f64>,
        gy: impl Fn(Point3) -> f64,
    ) -> Dose {
        let axes = [turn * Vector3::x(), turn * Vector3::y()];
        let half = |n: usize| axes[n] * (spacing[n] * (size[n] as f64 - 1.0) / 2.0);
        let lattice =
            DoseLattice::new(size, CENTER - half(0) - half(1), axes, spacing, offsets.clone()).unwrap();
        let mut values = Vec::new();
        for offset in offsets {
            for row in 0..size[1] {
                for column in 0..size[0] {
                    #[expect(clippy::cast_possible_truncation, reason = "a dose")]
                    values.push(gy(lattice.point_at(column as f64, row as f64, offset)) as f32);
                }
            }
        }
        Dose::new(DoseInfo::default(), lattice, values).unwrap()
    }

    /// Falls by 2 Gy a mm from 90 Gy at the centre; never below 0.
    fn falling(at: Point3) -> f64 {
        (90.0 - 2.0 * (at - CENTER).norm()).max(0.0)
    }

    fn even(step: f64, count: i32) -> Vec<f64> {
        (-count..=count).map(|n| f64::from(n) * step).collect()
    }

    fn found(volume: &Volume, dose: &Dose, level: f64) -> Region {
        isodose(volume, dose, level, None, &Progress::new()).unwrap()
    }

    /// Asserts that the region is the ball of this radius: volume, and every vertex, within 1 %.
    fn is_ball(region: &Region, volume: &Volume, radius: f64) {
        let wanted = 4.0 / 3.0 * PI * radius.powi(3);
        let got = region.volume_mm3(volume);
        assert!((got / wanted - 1.0).abs() < 0.01, "{got} mm3 instead of {wanted}");
        let (mut worst, mut count) = (0.0_f64, 0);
        for (slice, polygons) in region.slices() {
            let plane = volume.slices[slice].plane;
            for at in polygons.iter().flat_map(Polygon::rings).flatten() {
                worst = worst.max(((plane.lift(*at) - CENTER).norm() / radius - 1.0).abs());
                count += 1;
            }
        }
        assert!(count > 500 && worst < 0.01, "{count} vertices, {worst} off");
    }

    #[test]
    fn a_dose_that_falls_with_the_distance_has_balls_for_isodoses() {
        let turn = Rotation3::from_euler_angles(0.4, -0.3, 0.6);
        let straight = Rotation3::identity();
        // The planes 1.5 to 3 mm apart, also not evenly.
        let uneven: Vec<f64> = (-21..=21).map(|n| f64::from(n) * 2.25 + 0.6 * f64::from(n % 2)).collect();
        for (of_images, of_dose, offsets) in [
            (straight, straight, even(2.5, 20)),
            (straight, straight, uneven.clone()),
            (turn, turn, even(2.5, 20)),
            (straight, turn, uneven),
            (Rotation3::from_euler_angles(0.0, 0.0, 0.5), straight, even(2.0, 24)),
            (Rotation3::from_euler_angles(PI, 0.0, 0.0), straight, even(2.0, 24)),
        ] {
            let volume = images(of_images, [96, 96, 48], [1.0, 1.0, 2.0]);
            let dose = dose_of(of_dose, [49, 44], [2.0, 2.2], offsets, falling);
            assert!(dose.maximum_gy() > 85.0);
            for level in [30.0, 50.0] {
                is_ball(&found(&volume, &dose, level), &volume, (90.0 - level) / 2.0);
            }
        }
    }

    #[test]
    fn nothing_lies_beyond_the_grid_and_the_outline_runs_along_its_border() {
        let straight = Rotation3::identity();
        let volume = images(straight, [60, 60, 30], [1.0, 1.0, 3.0]);
        // 31.5 x 20 x 24 mm of 10 Gy, between 6 and 14 Gy towards one side.
        let gy = |at: Point3| 10.0 + (at.x - CENTER.x) * 0.25;
        let dose = dose_of(straight, [22, 11], [1.5, 2.0], even(4.0, 3), gy);
        let all = found(&volume, &dose, 1.0);
        let on: Vec<usize> = all.slices().map(|(slice, _)| slice).collect();
        let height = |slice: usize| volume.slices[slice].plane.offset_mm() - CENTER.z;
        let wanted: Vec<usize> = (0..30).filter(|slice| height(*slice).abs() <= 12.0).collect();
        assert_eq!(on, wanted);
        for (_, polygons) in all.slices() {
            let area: f64 = polygons.iter().map(Polygon::area_mm2).sum();
            assert!((area - 31.5 * 20.0).abs() < 0.05, "{area}");
        }
        // The part of it from 10.1 Gy on: the outline is a straight line 0.4 mm beyond the middle.
        let half = found(&volume, &dose, 10.1);
        let area: f64 = half.on(wanted[2]).iter().map(Polygon::area_mm2).sum();
        assert!((area - 15.35 * 20.0).abs() < 0.05, "{area}");
        // The same seen from a turned image: as much of the box as its planes cut out.
        let turned = images(Rotation3::from_euler_angles(0.5, 0.2, 0.0), [80, 80, 60], [1.0, 1.0, 1.0]);
        let volume_mm3 = found(&turned, &dose, 1.0).volume_mm3(&turned);
        assert!((volume_mm3 / (31.5 * 20.0 * 24.0) - 1.0).abs() < 0.01, "{volume_mm3}");
        let extent = dose.lattice().extent();
        for (slice, polygons) in found(&turned, &dose, 10.0).slices() {
            for at in polygons.iter().flat_map(Polygon::rings).flatten() {
                let off = extent.coordinates_of(turned.slices[slice].plane.lift(*at));
                assert!((0..3).all(|n| off[n] > extent.low()[n] - 0.01 && off[n] < extent.high()[n] + 0.01));
            }
        }
    }

    #[test]
    fn a_limit_and_missing_slices_bound_it_and_senseless_levels_give_nothing() {
        let straight = Rotation3::identity();
        let mut volume = images(straight, [96, 96, 48], [1.0, 1.0, 2.0]);
        volume.slices[23].missing = true;
        let dose = dose_of(straight, [49, 44], [2.0, 2.2], even(2.5, 20), falling);
        let whole = found(&volume, &dose, 50.0);
        assert!(whole.on(23).is_empty() && !whole.on(22).is_empty());
        let ball = super::super::ball(&volume, CENTER + Vector3::x() * 20.0, 20.0);
        let cut = isodose(&volume, &dose, 50.0, Some(&ball), &Progress::new()).unwrap();
        for slice in 0..48 {
            let wanted: f64 =
                clip::intersection(whole.on(slice), ball.on(slice)).iter().map(Polygon::area_mm2).sum();
            let got: f64 = cut.on(slice).iter().map(Polygon::area_mm2).sum();
            assert!((got - wanted).abs() <= 0.02 * wanted + 1.0, "{got} instead of {wanted}");
        }
        for level in [0.0, -1.0, f64::NAN, 1000.0] {
            assert!(found(&volume, &dose, level).is_empty(), "{level}");
        }
        let stopped = Progress::new();
        stopped.cancel();
        assert!(isodose(&volume, &dose, 50.0, None, &stopped).is_err());
    }

    #[test]
    fn levels_are_told_in_three_ways_and_named_by_the_nomenclature() {
        assert_eq!(DoseLevel::Gy(50.0).gy(70.0), 50.0);
        assert_eq!(DoseLevel::PartOfMaximum(0.5).gy(70.0), 35.0);
        let part = DoseLevel::PartOfPrescription { part: 0.95, prescription_gy: 60.0 };
        assert!((part.gy(70.0) - 57.0).abs() < 1e-9);
        assert_eq!(isodose_name(50.0), "IDL_5000");
        assert_eq!(isodose_name(part.gy(70.0)), "IDL_5700");
        assert_eq!(isodose_name(50.4), "IDL_5040");
    }
}
