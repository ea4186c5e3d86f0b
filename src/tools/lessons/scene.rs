//! What the lessons are given on: constructed images, seen in one plane.

use crate::geometry::{Grid, Plane, Point3, Vector3};
use crate::patient::{Dose, DoseInfo, DoseLattice, Series, SeriesInfo, Slice, Unit, Volume, Voxels};
use std::sync::Arc;

/// An image and the plane it is seen in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scene {
    /// An organ with a bright spot, in fat, on a slice.
    Organ,
    /// The organ seen from the side, across the slices.
    OrganAcross,
    /// The organ in a dose.
    Dose,
    /// A trunk on a couch, on a slice.
    Trunk,
    /// The trunk seen from the front, across the slices.
    TrunkAcross,
}

/// The dose at the middle, Gy.
const MOST_GY: f64 = 66.0;

impl Scene {
    /// Half the picture's width and height, mm.
    #[must_use]
    pub fn half_mm(self) -> [f64; 2] {
        if self.is_trunk() { [192.0, 128.0] } else { [48.0, 32.0] }
    }

    /// Half a pixel of the picture, and of the slices, mm.
    pub(super) fn pixel_mm(self) -> f64 {
        if self.is_trunk() { 2.0 } else { 0.5 }
    }

    /// The plane of the picture.
    #[must_use]
    pub fn plane(self) -> Plane {
        let axial = Plane::axial(0.0);
        match self {
            Self::Organ | Self::Dose | Self::Trunk => axial,
            Self::OrganAcross => Plane::new(Point3::origin(), Vector3::y(), -Vector3::z()).unwrap_or(axial),
            Self::TrunkAcross => {
                let middle = Point3::new(0.0, TRACHEA_Y, 0.0);
                Plane::new(middle, Vector3::x(), -Vector3::z()).unwrap_or(axial)
            }
        }
    }

    /// The values shown as black and as white, HU.
    #[must_use]
    pub fn window(self) -> [f64; 2] {
        if self.is_trunk() { [-1100.0, 650.0] } else { [-130.0, 210.0] }
    }

    /// The value at a place of the image, HU.
    #[must_use]
    pub fn value_at(self, point: Point3) -> f64 {
        if self.is_trunk() { trunk(point) } else { organ(point) }
    }

    /// The dose at a place, as a part of its maximum; 0 where the scene has none.
    #[must_use]
    pub fn dose_at(self, point: Point3) -> f64 {
        if self != Self::Dose {
            return 0.0;
        }
        let far = Vector3::new(point.x / 34.0, point.y / 25.0, point.z / 30.0).norm();
        1.0 / (1.0 + far.powi(6))
    }

    fn is_trunk(self) -> bool {
        matches!(self, Self::Trunk | Self::TrunkAcross)
    }

    /// The image, around the origin: 96 x 64 x 21 voxels of 1 x 1 x 3 mm, or of a trunk 128 x 86 x 64
    /// of 3 x 3 x 4 mm. `None` never.
    pub(super) fn series(self) -> Option<Series> {
        let (size, spacing) = if self.is_trunk() {
            ([128, 86, 64], Vector3::new(3.0, 3.0, 4.0))
        } else {
            ([96, 64, 21], Vector3::new(1.0, 1.0, 3.0))
        };
        let half = Vector3::from(size.map(|n| (n as f64 - 1.0) / 2.0)).component_mul(&spacing);
        let steps = [Vector3::x() * spacing.x, Vector3::y() * spacing.y, Vector3::z() * spacing.z];
        let grid = Grid::new(size, Point3::from(-half), steps)?;
        let mut values = Vec::with_capacity(grid.len());
        for k in 0..size[2] {
            for j in 0..size[1] {
                for i in 0..size[0] {
                    let value = self.value_at(grid.patient_of([i, j, k].map(|n| n as f64)));
                    #[expect(clippy::cast_possible_truncation, reason = "HU")]
                    values.push(value.round() as i16);
                }
            }
        }
        let slices = Slice::all_of(&grid);
        let volume = Volume { grid, voxels: Voxels::I16(values), unit: Unit::Hu, slices, native: None };
        Some(Series { info: SeriesInfo::constructed("Lesson"), volume: Arc::new(volume) })
    }

    /// The dose, on a grid of 2 mm; `None` where the scene has none.
    pub(super) fn dose(self) -> Option<Arc<Dose>> {
        if self != Self::Dose {
            return None;
        }
        let planes: Vec<f64> = (0..31).map(|n| f64::from(n) * 2.0).collect();
        let origin = Point3::new(-48.0, -32.0, -30.0);
        let lattice = DoseLattice::new([49, 33], origin, [Vector3::x(), Vector3::y()], [2.0, 2.0], planes)?;
        let mut values = Vec::new();
        for offset in lattice.offsets_mm() {
            for (row, column) in (0..33_u8).flat_map(|row| (0..49_u8).map(move |column| (row, column))) {
                let point = lattice.point_at(f64::from(column), f64::from(row), *offset);
                #[expect(clippy::cast_possible_truncation, reason = "a dose")]
                values.push((MOST_GY * self.dose_at(point)) as f32);
            }
        }
        Dose::new(DoseInfo::default(), lattice, values).map(Arc::new)
    }
}

/// From 0 to 1 across an edge a millimetre wide times `per_mm`.
fn edge(inside: f64) -> f64 {
    (0.5 + inside).clamp(0.0, 1.0)
}

/// An organ with a bright spot, in fat.
fn organ(at: Point3) -> f64 {
    let radius = Vector3::new(at.x / 26.0, at.y / 17.0, at.z / 24.0).norm();
    let spot = Vector3::new(at.x + 9.0, at.y - 1.0, at.z).norm();
    -70.0 + 120.0 * edge((1.0 - radius) * 17.0) + 130.0 * edge(6.0 - spot)
}

/// The trachea and its bifurcation lie in one plane from left to right, mm.
const TRACHEA_Y: f64 = -8.0;

/// A trunk on a couch: skin, fat, muscle, spine and ribs, lungs, trachea and main bronchi.
fn trunk(at: Point3) -> f64 {
    // Two shells of carbon around foam.
    let couch = (at.y - 114.0).abs();
    if couch < 9.0 && at.x.abs() < 180.0 {
        return if couch > 6.0 { -150.0 } else { -900.0 };
    }
    let radius = (at.x / 165.0).hypot(at.y / 103.0);
    let inside = edge((1.0 - radius) * 35.0);
    if inside == 0.0 {
        return -1000.0;
    }
    let mut value = -90.0 + 130.0 * edge((0.92 - radius) * 35.0);
    // Ribs run down and forward around the chest.
    let turn = at.y.atan2(at.x.abs()) * 9.0 + at.z / 9.0;
    if (radius - 0.85).abs() < 0.035 && turn.cos() > 0.45 {
        value = 550.0;
    }
    let spine = at.x.hypot(at.y - 68.0);
    if spine < 21.0 {
        value = if spine > 16.0 { 600.0 } else { 230.0 };
    }
    let side = at.x.abs();
    let lung = Vector3::new((side - 79.0) / 52.0, (at.y + 2.0) / 70.0, at.z / 112.0).norm();
    value += (-830.0 - value) * edge((1.0 - lung) * 20.0);
    let (radius, lumen) = airway(Point3::new(side, at.y, at.z));
    if radius < lumen + 3.0 {
        value = 40.0 - 1030.0 * edge((lumen - radius) / 2.0);
    }
    -1000.0 + (value + 1000.0) * inside
}

/// The distance from the middle of the nearest airway, and the radius of its lumen, mm; right and left
/// are alike.
fn airway(at: Point3) -> (f64, f64) {
    // Trachea, main bronchus, and two branches that end in the lung.
    let [top, carina, hilus] = [[0.0, 140.0], [0.0, 26.0], [50.0, -8.0]];
    let tubes =
        [(top, carina, 9.0), (carina, hilus, 7.0), (hilus, [84.0, 18.0], 5.0), (hilus, [72.0, -52.0], 5.0)];
    let distance = |from: [f64; 2], to: [f64; 2]| {
        let [x, z] = [to[0] - from[0], to[1] - from[1]];
        let along = ((at.x - from[0]) * x + (at.z - from[1]) * z) / (x * x + z * z);
        let along = along.clamp(0.0, 1.0);
        let [x, z] = [from[0] + along * x, from[1] + along * z];
        Vector3::new(at.x - x, at.y - TRACHEA_Y, at.z - z).norm()
    };
    let reached = tubes.map(|(from, to, lumen)| (distance(from, to), lumen));
    reached.into_iter().min_by(|a, b| (a.0 - a.1).total_cmp(&(b.0 - b.1))).unwrap_or((f64::INFINITY, 0.0))
}
