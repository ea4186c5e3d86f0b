//! A small CT that tests can write in no time: a ball of water in air.

use delineo::dicom::write_ct_series;
use delineo::geometry::{Grid, Plane, Point3, Vector3};
use delineo::patient::{
    ImageInstance, Modality, PatientInfo, Series, SeriesInfo, Slice, StudyInfo, Unit, Volume, Voxels,
};
use delineo::progress::Progress;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A ball of water in air, 64 x 64 x 12 voxels of 2 x 2 x 3 mm.
pub fn series() -> Series {
    let origin = Point3::new(-63.0, -63.0, -16.5);
    let grid = Grid::new([64, 64, 12], origin, [Vector3::x() * 2.0, Vector3::y() * 2.0, Vector3::z() * 3.0])
        .unwrap();
    let mut values = Vec::new();
    let mut slices = Vec::new();
    for k in 0..12_u32 {
        for j in 0..64_u32 {
            for i in 0..64_u32 {
                let at = grid.patient_of([f64::from(i), f64::from(j), f64::from(k)]);
                values.push(if at.coords.norm() < 40.0 { 30 } else { -1000 });
            }
        }
        let origin_mm = grid.patient_of([0.0, 0.0, f64::from(k)]);
        slices.push(Slice {
            plane: Plane::axial(origin_mm.z),
            origin_mm,
            instance: Some(ImageInstance {
                sop_class_uid: "1.2.840.10008.5.1.4.1.1.2".into(),
                sop_instance_uid: format!("2.25.7{k:03}").into(),
                frame: None,
            }),
            missing: false,
        });
    }
    Series {
        info: SeriesInfo {
            patient: PatientInfo {
                name: "Test^Window".into(),
                id: "W-1".into(),
                birth_date: "19700131".into(),
                sex: "O".into(),
                synthetic: true,
            },
            study: StudyInfo { uid: "2.25.71".into(), date: "20260102".into(), ..StudyInfo::default() },
            uid: "2.25.72".into(),
            modality: Modality::Ct,
            description: "Ball".into(),
            number: Some(1),
            frame_of_reference_uid: Some("2.25.73".into()),
            patient_position: Some("HFS".into()),
            equipment: String::new(),
        },
        volume: Arc::new(Volume { grid, voxels: Voxels::I16(values), unit: Unit::Hu, slices, native: None }),
    }
}

/// Writes the ball as DICOM below `folder`.
pub fn write_ball(folder: &Path) -> PathBuf {
    let path = folder.join("ball");
    std::fs::create_dir_all(&path).unwrap();
    write_ct_series(&series(), &path, &Progress::new()).unwrap();
    path
}
