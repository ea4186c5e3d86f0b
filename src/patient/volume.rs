//! A scalar image volume and the real slice planes it was made from.

use crate::geometry::{Grid, Plane, Point3};
use std::sync::Arc;

/// The stored value of an `i16` voxel outside the scanner's field of view (or of a missing slice).
/// In `f32` volumes the same is NaN.
pub const OUTSIDE_I16: i16 = i16::MIN;

/// Voxel values in the volume's [`Unit`], i fastest, then j, then k.
#[derive(Debug, Clone, PartialEq)]
pub enum Voxels {
    /// Whole values, such as HU; [`OUTSIDE_I16`] where there is none.
    I16(Vec<i16>),
    /// Fractional values, such as SUV; NaN where there is none.
    F32(Vec<f32>),
}

impl Voxels {
    /// The number of voxels.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::I16(values) => values.len(),
            Self::F32(values) => values.len(),
        }
    }

    /// Whether there is no voxel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at a memory index; `None` outside the scan.
    ///
    /// # Panics
    /// When `index` is not below [`Self::len`].
    #[must_use]
    pub fn value(&self, index: usize) -> Option<f32> {
        match self {
            Self::I16(values) => Some(values[index]).filter(|v| *v != OUTSIDE_I16).map(f32::from),
            Self::F32(values) => Some(values[index]).filter(|v| !v.is_nan()),
        }
    }
}

/// What a volume's values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Unit {
    /// Hounsfield units.
    Hu,
    /// Standardised uptake value by body weight, g/ml.
    SuvBw,
    /// Activity concentration, Bq/ml.
    BqPerMl,
    /// Dose, Gy.
    Gy,
    /// A scanner's own scale (MR), no unit.
    Arbitrary,
}

impl Unit {
    /// Whether values in it are the uptake of a tracer.
    #[must_use]
    pub fn is_uptake(self) -> bool {
        matches!(self, Self::SuvBw | Self::BqPerMl)
    }

    /// The unit as shown beside a number; empty where there is none.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Hu => "HU",
            Self::SuvBw => "SUV",
            Self::BqPerMl => "Bq/ml",
            Self::Gy => "Gy",
            Self::Arbitrary => "",
        }
    }

    /// A value as a number to read, with as many decimals as count in this unit: "−25", "4.13".
    #[must_use]
    pub fn number(self, value: f32) -> String {
        let decimals = if matches!(self, Self::SuvBw | Self::Gy) { 2 } else { 0 };
        signed(&format!("{value:.decimals$}"))
    }

    /// A value with its unit: "−25 HU".
    #[must_use]
    pub fn text(self, value: f32) -> String {
        format!("{} {}", self.number(value), self.label()).trim_end().to_owned()
    }
}

/// A number's text with a true minus sign, and without one for zero.
#[must_use]
pub fn signed(number: &str) -> String {
    match number.strip_prefix('-') {
        Some(zero) if zero.chars().all(|digit| matches!(digit, '0' | '.')) => zero.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => number.to_owned(),
    }
}

/// One real image plane of a series, where contours may lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// The plane of the voxel centres.
    pub plane: Plane,
    /// The patient position of the centre of the slice's first voxel, mm.
    pub origin_mm: Point3,
    /// The instance and frame that hold it; `None` when the image is not DICOM, and for a slice
    /// that is missing from the series.
    pub instance: Option<super::ImageInstance>,
    /// Whether the series lacks this slice: shown as missing, neither drawn on nor bridged.
    pub missing: bool,
}

impl Slice {
    /// The slices of a grid in its own order, without instances; none where its rows and columns span
    /// no plane.
    #[must_use]
    pub fn all_of(grid: &Grid) -> Vec<Self> {
        (0..grid.dims()[2])
            .filter_map(|k| {
                #[expect(clippy::cast_precision_loss, reason = "slice counts are small")]
                let origin_mm = grid.patient_of([0.0, 0.0, k as f64]);
                let plane = Plane::new(origin_mm, grid.step_mm(0), grid.step_mm(1))?;
                Some(Self { plane, origin_mm, instance: None, missing: false })
            })
            .collect()
    }
}

/// A scalar image: voxels on a regular grid plus the real slice planes, sorted along the grid's
/// slice normal (increasing [`Plane::offset_mm`]).
///
/// With even slices, `slices[k]` is the grid's plane k. With uneven slices the grid is a
/// resampling for display and networks ([`Volume::is_resampled`]) and `slices` are the truth that
/// contours lie on; `native` then holds the values on those planes.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// The regular grid of [`Self::voxels`].
    pub grid: Grid,
    /// The values on [`Self::grid`].
    pub voxels: Voxels,
    /// The unit of the values.
    pub unit: Unit,
    /// The real slice planes.
    pub slices: Vec<Slice>,
    /// With uneven slices: the values as stored, `dims[0] * dims[1]` for each of [`Self::slices`].
    pub native: Option<Arc<Voxels>>,
}

impl Volume {
    /// Whether the grid's planes are not the real slices.
    #[must_use]
    pub fn is_resampled(&self) -> bool {
        self.native.is_some()
    }

    /// The plane of slice 0 without its offset: every slice plane is `base_plane().at_offset(..)`.
    #[must_use]
    pub fn base_plane(&self) -> Option<Plane> {
        Plane::new(self.grid.origin_mm(), self.grid.step_mm(0), self.grid.step_mm(1))
    }

    /// The index into [`Self::slices`] of the slice within `tolerance_mm` of `offset_mm` along the
    /// slice normal, the nearest if there are several.
    #[must_use]
    pub fn slice_at(&self, offset_mm: f64, tolerance_mm: f64) -> Option<usize> {
        self.nearest_slice(offset_mm)
            .filter(|index| (self.slices[*index].plane.offset_mm() - offset_mm).abs() <= tolerance_mm)
    }

    /// The index of the slice nearest to `offset_mm` along the slice normal; `None` without slices.
    #[must_use]
    pub fn nearest_slice(&self, offset_mm: f64) -> Option<usize> {
        let after = self.slices.partition_point(|slice| slice.plane.offset_mm() < offset_mm);
        let distance = |index: usize| (self.slices[index].plane.offset_mm() - offset_mm).abs();
        match (after.checked_sub(1), (after < self.slices.len()).then_some(after)) {
            (Some(below), Some(above)) => {
                Some(if distance(below) <= distance(above) { below } else { above })
            }
            (below, above) => below.or(above),
        }
    }

    /// The thickness that slice `index` stands for: half the distance to the slice below plus half
    /// to the one above; at the ends the one neighbour counts twice. 1 mm for a single slice.
    ///
    /// The one rule for volumes in the program. `SliceThickness` is never used.
    ///
    /// # Panics
    /// When `index` is not a slice.
    #[must_use]
    pub fn slice_thickness_mm(&self, index: usize) -> f64 {
        let offset = |i: usize| self.slices[i].plane.offset_mm();
        let below = index.checked_sub(1).map(|i| offset(index) - offset(i));
        let above = (index + 1 < self.slices.len()).then(|| offset(index + 1) - offset(index));
        match (below, above) {
            (Some(below), Some(above)) => f64::midpoint(below, above),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => 1.0,
        }
    }

    /// The value at a patient position: of the nearest voxel of the slice it lies on, else of the
    /// nearest voxel of the grid; `None` outside the grid or the scan.
    ///
    /// On an uneven series the slice's own stored value, never one resampled from its neighbours.
    #[must_use]
    pub fn value_at(&self, point_mm: Point3) -> Option<f32> {
        if let Some(native) = &self.native
            && let Some(first) = self.slices.first()
            && let Some(index) = self.slice_at(first.plane.normal().dot(&point_mm.coords), ON_SLICE_MM)
        {
            let slice = &self.slices[index];
            let in_plane = self.grid.voxel_of(self.grid.origin_mm() + (point_mm - slice.origin_mm));
            let [columns, rows, _] = self.grid.dims();
            let (i, j) = (nearest(in_plane[0], columns)?, nearest(in_plane[1], rows)?);
            return native.value(i + columns * (j + rows * index));
        }
        let voxel = self.grid.voxel_of(point_mm);
        let dims = self.grid.dims();
        let mut at = [0; 3];
        for axis in 0..3 {
            at[axis] = nearest(voxel[axis], dims[axis])?;
        }
        self.voxels.value(self.grid.index_of(at)?)
    }
}

/// A position this near to a slice's plane lies on it, mm: as contours do.
const ON_SLICE_MM: f64 = 0.1;

/// The index nearest to a voxel coordinate, if it is one of `count`.
fn nearest(at: f64, count: usize) -> Option<usize> {
    let nearest = (at + 0.5).floor();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
    let index = (nearest >= 0.0).then_some(nearest as usize)?;
    (index < count).then_some(index)
}
