//! A dose distribution on its own grid, in Gy (PS3.3 C.8.8.3).
//!
//! A dose has a grid apart from the images': planes of rows and columns, which need not be evenly
//! spaced. It belongs to images by the frame of reference.

use super::{PatientInfo, Uid};
use crate::geometry::{OrientedBox, Point3, Vector3};

/// What a dose is, without its values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DoseInfo {
    /// SOP Instance UID.
    pub sop_instance_uid: Uid,
    /// Frame of Reference UID; `None` when it names none.
    pub frame_of_reference_uid: Option<Uid>,
    /// The patient.
    pub patient: PatientInfo,
    /// Dose Type (`PHYSICAL`, `EFFECTIVE`, `ERROR`) as stored.
    pub dose_type: String,
    /// Dose Summation Type (`PLAN`, `BEAM`, ...) as stored.
    pub summation_type: String,
    /// The number of the beam whose dose it is.
    pub beam_number: Option<i32>,
    /// Dose Comment, else Series Description.
    pub description: String,
}

impl DoseInfo {
    /// What a person calls it: "Plan dose", "Beam 2 dose, effective", with its description.
    #[must_use]
    pub fn title(&self) -> String {
        let words = self.summation_type.replace('_', " ").to_lowercase();
        let mut chars = words.chars();
        let of: String = chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect();
        let mut title = match (of.is_empty(), self.beam_number) {
            (true, _) => "Dose".to_owned(),
            (false, Some(beam)) => format!("{of} {beam} dose"),
            (false, None) => format!("{of} dose"),
        };
        if !matches!(self.dose_type.as_str(), "" | "PHYSICAL") {
            title.push_str(", ");
            title.push_str(&self.dose_type.to_lowercase());
        }
        if !self.description.is_empty() {
            title.push_str(" · ");
            title.push_str(&self.description);
        }
        title
    }
}

/// Where the values of a dose lie: rows and columns on parallel planes.
#[derive(Debug, Clone, PartialEq)]
pub struct DoseLattice {
    size: [usize; 3],
    origin_mm: Point3,
    axes: [Vector3; 3],
    spacing_mm: [f64; 2],
    offsets_mm: Vec<f64>,
}

impl DoseLattice {
    /// `columns` by `rows` values on each of the planes at `offsets_mm` from the first value's centre
    /// (of the plane at offset 0), along the cross product of the directions of rows and columns; the
    /// offsets grow. `None` when there is no value, directions are not perpendicular unit vectors, a
    /// spacing is not positive, or offsets do not grow by a hundredth of a millimetre at least.
    #[must_use]
    pub fn new(
        [columns, rows]: [usize; 2],
        origin_mm: Point3,
        [row, column]: [Vector3; 2],
        spacing_mm: [f64; 2],
        offsets_mm: Vec<f64>,
    ) -> Option<Self> {
        let axes = [row, column, row.cross(&column)];
        OrientedBox::new(axes, [0.0; 3], [1.0; 3])?;
        let grows = offsets_mm.windows(2).all(|pair| pair[1] - pair[0] >= 0.01);
        let is_finite = offsets_mm.iter().chain(origin_mm.iter()).all(|mm| mm.is_finite());
        let is_spaced = spacing_mm.iter().all(|mm| mm.is_finite() && *mm > 0.0);
        let size = [columns, rows, offsets_mm.len()];
        (grows && is_finite && is_spaced && !size.contains(&0)).then_some(Self {
            size,
            origin_mm,
            axes,
            spacing_mm,
            offsets_mm,
        })
    }

    /// The number of columns, rows and planes.
    #[must_use]
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    /// Unit vectors along a row, along a column, and from plane to plane.
    #[must_use]
    pub fn axes(&self) -> [Vector3; 3] {
        self.axes
    }

    /// The distance of values along a row and along a column, mm.
    #[must_use]
    pub fn spacing_mm(&self) -> [f64; 2] {
        self.spacing_mm
    }

    /// The planes' distances along the third axis from that of the first value given, mm, growing.
    #[must_use]
    pub fn offsets_mm(&self) -> &[f64] {
        &self.offsets_mm
    }

    /// The least distance between neighbouring values, mm.
    #[must_use]
    pub fn finest_mm(&self) -> f64 {
        let between = self.offsets_mm.windows(2).map(|pair| pair[1] - pair[0]);
        between.fold(self.spacing_mm[0].min(self.spacing_mm[1]), f64::min)
    }

    /// The patient position of a (fractional) index: columns, rows, and mm along the third axis.
    #[must_use]
    pub fn point_at(&self, column: f64, row: f64, offset_mm: f64) -> Point3 {
        self.origin_mm
            + self.axes[0] * (column * self.spacing_mm[0])
            + self.axes[1] * (row * self.spacing_mm[1])
            + self.axes[2] * offset_mm
    }

    /// The (fractional) column and row of a patient point, and its mm along the third axis.
    #[must_use]
    pub fn place_of(&self, point: Point3) -> [f64; 3] {
        let away = point - self.origin_mm;
        [
            self.axes[0].dot(&away) / self.spacing_mm[0],
            self.axes[1].dot(&away) / self.spacing_mm[1],
            self.axes[2].dot(&away),
        ]
    }

    /// The planes below and above an offset and how far it is on the way, 0 to 1; an end plane twice
    /// beyond it.
    #[must_use]
    pub fn planes_around(&self, offset_mm: f64) -> (usize, usize, f64) {
        let last = self.offsets_mm.len() - 1;
        let above = self.offsets_mm.partition_point(|own| *own <= offset_mm);
        match above.checked_sub(1) {
            None => (0, 0, 0.0),
            Some(below) if below == last => (last, last, 0.0),
            Some(below) => {
                let (low, high) = (self.offsets_mm[below], self.offsets_mm[above]);
                (below, above, (offset_mm - low) / (high - low))
            }
        }
    }

    /// The box from the first to the last value's centre along each axis.
    #[must_use]
    pub fn extent(&self) -> OrientedBox {
        let [columns, rows, planes] = self.size;
        self.between([0, columns - 1], [0, rows - 1], [0, planes - 1])
    }

    /// The box between the centres of the first and last of these columns, rows and planes.
    ///
    /// # Panics
    /// When there is no such plane.
    #[must_use]
    pub fn between(&self, columns: [usize; 2], rows: [usize; 2], planes: [usize; 2]) -> OrientedBox {
        let corner = |n: usize| {
            let point = self.point_at(columns[n] as f64, rows[n] as f64, self.offsets_mm[planes[n]]);
            self.axes.map(|axis| axis.dot(&point.coords))
        };
        OrientedBox::new(self.axes, corner(0), corner(1))
            .expect("axes are perpendicular and numbers finite: checked when the lattice was made")
    }
}

/// A dose distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct Dose {
    /// What it is.
    pub info: DoseInfo,
    lattice: DoseLattice,
    values_gy: Vec<f32>,
    maximum: usize,
}

impl Dose {
    /// A dose of these values, columns fastest, then rows, then planes. `None` when there is not one
    /// finite value for each place of the lattice.
    #[must_use]
    pub fn new(info: DoseInfo, lattice: DoseLattice, values_gy: Vec<f32>) -> Option<Self> {
        let fits = values_gy.len() == lattice.size.iter().product::<usize>();
        let maximum = values_gy
            .iter()
            .enumerate()
            .filter(|(_, gy)| gy.is_finite())
            .max_by(|a, b| a.1.total_cmp(b.1))
            .map(|(at, _)| at)?;
        (fits && values_gy.iter().all(|gy| gy.is_finite())).then_some(Self {
            info,
            lattice,
            values_gy,
            maximum,
        })
    }

    /// Where its values lie.
    #[must_use]
    pub fn lattice(&self) -> &DoseLattice {
        &self.lattice
    }

    /// Its values, Gy; columns fastest, then rows, then planes.
    #[must_use]
    pub fn values_gy(&self) -> &[f32] {
        &self.values_gy
    }

    /// The greatest value, Gy.
    #[must_use]
    pub fn maximum_gy(&self) -> f64 {
        f64::from(self.values_gy[self.maximum])
    }

    /// Where the greatest value is, patient mm.
    #[must_use]
    pub fn hottest(&self) -> Point3 {
        let [columns, rows, _] = self.lattice.size;
        let plane = self.lattice.offsets_mm[self.maximum / (columns * rows)];
        let (column, row) = ((self.maximum % columns) as f64, (self.maximum / columns % rows) as f64);
        self.lattice.point_at(column, row, plane)
    }

    /// The dose at a patient point, linear along each axis between the values around it, Gy; `None`
    /// beyond the outermost values.
    #[must_use]
    pub fn at(&self, point: Point3) -> Option<f64> {
        let extent = self.lattice.extent();
        let at = extent.coordinates_of(point);
        let (low, high) = (extent.low(), extent.high());
        // Rounding must not lose the outermost values.
        let is_inside = (0..3).all(|n| at[n] >= low[n] - 1e-6 && at[n] <= high[n] + 1e-6);
        is_inside.then(|| self.nearest(point))
    }

    /// As [`Self::at`]; beyond the outermost values that of the nearest point of the grid.
    #[must_use]
    pub fn nearest(&self, point: Point3) -> f64 {
        let [column, row, offset_mm] = self.lattice.place_of(point);
        let (below, above, up) = self.lattice.planes_around(offset_mm);
        let (x, y) = (step(column, self.lattice.size[0]), step(row, self.lattice.size[1]));
        let on = |plane: usize| {
            let value = |i: usize, j: usize| f64::from(self.value(i, j, plane));
            let along = |j: usize| value(x.0, j) + (value(x.1, j) - value(x.0, j)) * x.2;
            let (first, second) = (along(y.0), along(y.1));
            first + (second - first) * y.2
        };
        let first = on(below);
        if above == below { first } else { first + (on(above) - first) * up }
    }

    /// The value at a place of the lattice, Gy.
    ///
    /// # Panics
    /// When there is no such place.
    #[must_use]
    pub fn value(&self, column: usize, row: usize, plane: usize) -> f32 {
        let [columns, rows, _] = self.lattice.size;
        self.values_gy[column + columns * (row + rows * plane)]
    }
}

/// The indices around a fractional one of `count`, and how far it is from the first to the second.
fn step(at: f64, count: usize) -> (usize, usize, f64) {
    let at = at.clamp(0.0, (count - 1) as f64);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let first = at.floor() as usize;
    let part = at - first as f64;
    (first, (first + 1).min(count - 1), part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::Rotation3;

    #[test]
    fn a_linear_dose_is_met_everywhere_on_an_uneven_turned_grid_and_nowhere_else() {
        let turn = Rotation3::from_euler_angles(0.4, -0.3, 0.6);
        let directions = [turn * Vector3::x(), turn * Vector3::y()];
        let origin = Point3::new(-20.0, 5.0, 100.0);
        let offsets = vec![-3.0, 0.0, 2.0, 7.0];
        let lattice = DoseLattice::new([6, 5], origin, directions, [2.5, 3.0], offsets).unwrap();
        let field = |at: Point3| 40.0 + 0.3 * at.x - 0.2 * at.y + 0.1 * at.z;
        let mut values = Vec::new();
        for offset in lattice.offsets_mm().to_vec() {
            for row in 0..5_u8 {
                for column in 0..6_u8 {
                    #[expect(clippy::cast_possible_truncation, reason = "a dose")]
                    values.push(field(lattice.point_at(f64::from(column), f64::from(row), offset)) as f32);
                }
            }
        }
        assert!((lattice.finest_mm() - 2.0).abs() < 1e-12);
        let dose = Dose::new(DoseInfo::default(), lattice.clone(), values).unwrap();
        for (column, row, offset) in [(0.0, 0.0, -3.0), (4.9, 3.9, 6.9), (2.25, 1.5, 1.0), (5.0, 4.0, 7.0)] {
            let point = lattice.point_at(column, row, offset);
            assert!((dose.at(point).unwrap() - field(point)).abs() < 1e-4, "{column} {row} {offset}");
        }
        for (column, row, offset) in [(-0.1, 0.0, 0.0), (5.1, 0.0, 0.0), (1.0, 4.1, 0.0), (1.0, 1.0, 7.1)] {
            let point = lattice.point_at(column, row, offset);
            assert_eq!(dose.at(point), None, "{column} {row} {offset}");
            assert!(dose.nearest(point).is_finite());
        }
        assert!((f64::from(dose.value(5, 0, 3)) - field(lattice.point_at(5.0, 0.0, 7.0))).abs() < 1e-4);
        let most = dose.values_gy().iter().copied().fold(f32::MIN, f32::max);
        assert!((dose.maximum_gy() - f64::from(most)).abs() < 1e-9);
        assert!((dose.at(dose.hottest()).unwrap() - dose.maximum_gy()).abs() < 1e-4);
    }

    #[test]
    fn what_is_no_dose_is_none() {
        let directions = [Vector3::x(), Vector3::y()];
        let lattice =
            |offsets: Vec<f64>| DoseLattice::new([2, 2], Point3::origin(), directions, [1.0, 1.0], offsets);
        assert!(lattice(vec![]).is_none() && lattice(vec![0.0, 0.0]).is_none());
        assert!(lattice(vec![0.0, -1.0]).is_none());
        assert!(Dose::new(DoseInfo::default(), lattice(vec![0.0]).unwrap(), vec![1.0; 3]).is_none());
        assert!(Dose::new(DoseInfo::default(), lattice(vec![0.0]).unwrap(), vec![f32::NAN; 4]).is_none());
        // A single plane is a dose on that plane only.
        let plane = Dose::new(DoseInfo::default(), lattice(vec![0.0]).unwrap(), vec![2.0; 4]).unwrap();
        assert_eq!(plane.at(Point3::new(0.5, 0.5, 0.0)), Some(2.0));
        assert_eq!(plane.at(Point3::new(0.5, 0.5, 0.5)), None);
    }

    #[test]
    fn a_dose_is_called_by_what_it_sums() {
        let info = |summation: &str, kind: &str, beam, text: &str| DoseInfo {
            summation_type: summation.to_owned(),
            dose_type: kind.to_owned(),
            beam_number: beam,
            description: text.to_owned(),
            ..DoseInfo::default()
        };
        assert_eq!(info("PLAN", "PHYSICAL", None, "").title(), "Plan dose");
        assert_eq!(info("BEAM", "EFFECTIVE", Some(2), "AP").title(), "Beam 2 dose, effective · AP");
        assert_eq!(info("MULTI_PLAN", "PHYSICAL", None, "").title(), "Multi plan dose");
        assert_eq!(info("", "", None, "").title(), "Dose");
    }
}
