//! A structure set on the slices of another series.

use super::Exportable;
use crate::edit::algebra::{AlgebraError, resampled};
use crate::patient::{Approval, Roi, RoiPlane, Series, StructureSet};
use crate::progress::Progress;
use std::sync::Arc;

/// A set put onto other slices.
#[derive(Debug, Clone, PartialEq)]
pub struct Carried {
    /// The set, on the slices of the other series.
    pub set: StructureSet,
    /// What the person should know ("Liver lies on no slice of the other series").
    pub notes: Vec<String>,
}

impl Exportable {
    /// The set on the slices of `to`, a series in the same frame of reference: each structure is the
    /// section of what its contours on `from` stand for. Contours are new ones then: who approved them
    /// approved those on `from`, and recipes, confidence and imported coordinates stay there. What no
    /// slice of `to` meets, and structures without contours, are left out and noted.
    ///
    /// # Errors
    /// [`AlgebraError::Cancelled`].
    pub fn onto(&self, from: &Series, to: &Series, progress: &Progress) -> Result<Carried, AlgebraError> {
        let mut set = self.set.clone();
        set.series_uid = Some(to.info.uid.clone());
        set.sop_instance_uid = None;
        let (mut rois, mut notes) = (Vec::new(), Vec::new());
        let count = self.set.rois.len().max(1) as f64;
        for (n, roi) in self.set.rois.iter().enumerate() {
            let part = progress.part(n as f64 / count, (n + 1) as f64 / count);
            let region = resampled(roi, Some(&from.volume), &to.volume, &part)?;
            // Points and open contours bound no area and lie on no slice of either series.
            let loose = roi.source.iter().flat_map(|own| own.iter()).filter(|own| !own.bounds_area);
            let loose: Vec<_> = loose.cloned().collect();
            if region.is_empty() && loose.is_empty() {
                notes.push(format!("{} lies on no slice of the other series and was left out", roi.name));
                continue;
            }
            let planes = region.slices().map(|(index, polygons)| {
                let slice = &to.volume.slices[index];
                Arc::new(RoiPlane::new(slice.plane, slice.instance.clone(), polygons.to_vec()))
            });
            rois.push(Arc::new(Roi {
                planes: planes.collect(),
                source: (!loose.is_empty()).then(|| Arc::new(loose)),
                confidence: None,
                derivation: None,
                guides: Vec::new(),
                approval: Approval::Accepted,
                locked: false,
                ..Roi::clone(roi)
            }));
        }
        set.rois = rois;
        Ok(Carried { set, notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Vector3;
    use crate::session::Command;
    use crate::session::fixture::{axial_series, draw, id, series_along, session_with, square};

    #[test]
    fn a_box_keeps_its_shape_on_slices_of_another_distance_and_direction() {
        let mut session = session_with(axial_series(), &["Empty", "Box"]);
        for slice in 5..10 {
            session.apply(draw(&session, "Box", slice, vec![square(0.0, 0.0, 19.0)])).unwrap();
        }
        let roi = id(&session, "Box");
        session.apply(Command::SetApproval { roi, approval: Approval::Approved }).unwrap();
        let exportable = session.exportable();
        let carried = |mut to: Series| {
            to.info.uid = "2.25.77".into();
            let carried = exportable.onto(session.series(), &to, &Progress::new()).unwrap();
            assert_eq!(carried.set.series_uid.as_deref(), Some("2.25.77"));
            let [note] = &carried.notes[..] else { panic!("{:?}", carried.notes) };
            assert!(note.starts_with("Empty lies on no slice"), "{note}");
            let [own] = &carried.set.rois[..] else { panic!("{:?}", carried.set.rois) };
            assert_eq!((own.name.as_str(), own.approval, own.locked), ("Box", Approval::Accepted, false));
            for plane in &own.planes {
                let slice = &to.volume.slices[to.volume.slice_of(&plane.plane).unwrap()];
                assert_eq!(plane.image, slice.instance);
            }
            own.planes.clone()
        };
        // 19 x 19 mm from 13.5 to 28.5 mm.
        let (x, y, z) = (Vector3::x(), Vector3::y(), Vector3::z());
        let thin = carried(series_along([x, y, z], [100, 100, 29], [1.0, 1.0, 2.0]));
        let offsets: Vec<f64> = thin.iter().map(|own| own.plane.offset_mm()).collect();
        assert_eq!(offsets, [14.0, 16.0, 18.0, 20.0, 22.0, 24.0, 26.0, 28.0]);
        assert!(thin.iter().all(|own| (own.area_mm2() - 361.0).abs() < 1e-3));
        let sagittal = carried(series_along([y, z, x], [100, 60, 50], [1.0, 1.0, 3.0]));
        let offsets: Vec<f64> = sagittal.iter().map(|own| own.plane.offset_mm()).collect();
        assert_eq!(offsets, [-8.0, -5.0, -2.0, 1.0, 4.0, 7.0]);
        assert!(sagittal.iter().all(|own| (own.area_mm2() - 285.0).abs() < 1e-3));
    }
}
