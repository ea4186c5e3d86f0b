//! The bundled sample patient: a synthetic individual from head to pelvis, built from the anatomy
//! description in `assets/phantom/anatomy.toml`.
//!
//! Every seed is a different person: a smooth deformation of the whole body, and size, place and
//! thickness of each organ of their own, left and right apart. The same seed gives the same voxels
//! on every machine with IEEE arithmetic. Never a real patient, and marked so wherever it goes.

mod anatomy;
mod individual;
mod noise;
mod paint;
mod scene;
mod shape;

pub use scene::{add_couch_and_mask, organ_sentence};

use crate::geometry::{Grid, Plane, Point3, Vector3};
use crate::patient::{
    GenerationAlgorithm, ImageInstance, LabelMap, Mask, Modality, PatientInfo, Roi, RoiId, RoiType, Series,
    SeriesInfo, Slice, StructureSet, StudyInfo, Unit, Volume, Voxels, uid_from_seed,
};
use crate::progress::{Cancelled, Progress};
use std::sync::Arc;

/// Pixels along a row and along a column of every slice.
pub const PIXELS: usize = 512;
/// The distance between pixel centres, mm.
pub const PIXEL_MM: f64 = 500.0 / PIXELS as f64;
/// The distance between slices, mm.
pub const SLICE_MM: f64 = 3.0;
/// The seed of the sample patient that the start screen and `demo` show.
pub const DEFAULT_SEED: u64 = 1;

/// Why the sample patient could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The person asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The bundled anatomy description is damaged: a defect of the program.
    #[error("the anatomy description of the sample patient is damaged: {0}")]
    Anatomy(String),
}

/// One organ of the sample patient that the reference structure set holds.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleOrgan {
    /// Its value in the label map.
    pub label: u16,
    /// TG-263 name.
    pub name: String,
    /// RT ROI Interpreted Type.
    pub roi_type: RoiType,
    /// Display colour.
    pub color: [u8; 3],
    /// A sentence of anatomy for the learner.
    pub sentence: String,
}

/// The sample patient: image, and the truth about it.
#[derive(Debug, Clone)]
pub struct SamplePatient {
    /// The CT.
    pub series: Series,
    /// The organs, in label order.
    pub organs: Vec<SampleOrgan>,
    /// The label of every voxel on the CT's grid; where organs nest (brainstem in the head), the
    /// innermost one's.
    pub labels: LabelMap,
}

/// Builds the individual of `seed`, 512 x 512 at 3 mm from the crown to the thighs.
///
/// # Errors
/// [`BuildError::Cancelled`] when asked to stop; [`BuildError::Anatomy`] for a damaged description.
pub fn build(seed: u64, progress: &Progress) -> Result<SamplePatient, BuildError> {
    progress.set_step("Building the sample patient");
    let anatomy = anatomy::Anatomy::bundled().map_err(BuildError::Anatomy)?;
    let individual = individual::Individual::new(&anatomy, seed).map_err(BuildError::Anatomy)?;
    let [low_mm, high_mm] = individual.z_range_mm();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a metre of slices")]
    let slices = ((high_mm - low_mm) / SLICE_MM).ceil() as usize;
    let first_mm = -(PIXELS as f64 - 1.0) / 2.0 * PIXEL_MM;
    // The origin of a scanner's table coordinates: near the shoulders, as on a real couch.
    let table_mm = (individual.shoulder_mm() / SLICE_MM).round() * SLICE_MM;
    let z0_mm = low_mm - table_mm;
    let grid = Grid::new(
        [PIXELS, PIXELS, slices],
        Point3::new(first_mm, first_mm, z0_mm),
        [Vector3::x() * PIXEL_MM, Vector3::y() * PIXEL_MM, Vector3::z() * SLICE_MM],
    )
    .ok_or_else(|| BuildError::Anatomy("no grid".to_owned()))?;
    let painted = paint::paint(&individual, slices, low_mm, progress)?;
    let info = series_info(seed);
    let volume = Volume {
        slices: slice_planes(&grid, &info.uid),
        grid: grid.clone(),
        voxels: Voxels::I16(painted.hu),
        unit: Unit::Hu,
        native: None,
    };
    let organs = individual.organs();
    let names = organs.iter().map(|organ| (organ.label, organ.name.clone())).collect();
    Ok(SamplePatient {
        series: Series { info, volume: Arc::new(volume) },
        labels: LabelMap { grid, labels: painted.labels, names },
        organs,
    })
}

impl SamplePatient {
    /// The reference structures: the contours of every organ's voxels, and of the whole body.
    #[must_use]
    pub fn structures(&self) -> StructureSet {
        let volume = &self.series.volume;
        let mut masks = self.labels.masks();
        let dims = self.labels.grid.dims();
        let body = Mask {
            low: [0; 3],
            size: dims,
            voxels: self.labels.labels.iter().map(|label| *label > 0).collect(),
        };
        let rois = self.organs.iter().map(|organ| {
            let mask = if organ.roi_type == RoiType::External {
                body.clone()
            } else {
                masks.remove(&organ.label).unwrap_or_default()
            };
            let mut roi =
                Roi::new(RoiId(organ.label.into()), organ.label.into(), organ.name.clone(), organ.color);
            roi.roi_type = organ.roi_type.clone();
            roi.generation = GenerationAlgorithm::Automatic;
            roi.planes = mask.planes(volume);
            Arc::new(roi)
        });
        StructureSet {
            label: "Reference".to_owned(),
            patient: self.series.info.patient.clone(),
            frame_of_reference_uid: self.series.info.frame_of_reference_uid.clone(),
            series_uid: Some(self.series.info.uid.clone()),
            sop_instance_uid: None,
            rois: rois.collect(),
        }
    }
}

fn slice_planes(grid: &Grid, series_uid: &str) -> Vec<Slice> {
    (0..grid.dims()[2])
        .map(|k| {
            #[expect(clippy::cast_precision_loss, reason = "a few hundred slices")]
            let origin_mm = grid.patient_of([0.0, 0.0, k as f64]);
            Slice {
                plane: Plane::axial(origin_mm.z),
                origin_mm,
                instance: Some(ImageInstance {
                    sop_class_uid: "1.2.840.10008.5.1.4.1.1.2".into(),
                    sop_instance_uid: uid_from_seed(&format!("{series_uid} slice {k}")),
                    frame: None,
                }),
                missing: false,
            }
        })
        .collect()
}

fn series_info(seed: u64) -> SeriesInfo {
    let uid = |what: &str| uid_from_seed(&format!("Delineo sample patient {seed} {what}"));
    SeriesInfo {
        patient: PatientInfo {
            name: format!("Sample^Patient {seed}"),
            id: format!("SAMPLE-{seed}"),
            birth_date: "19700101".to_owned(),
            sex: "O".to_owned(),
            synthetic: true,
        },
        study: StudyInfo {
            uid: uid("study").to_string(),
            id: "1".to_owned(),
            date: "20260101".to_owned(),
            time: "120000".to_owned(),
            description: "Synthetic anatomy, not a person".to_owned(),
            ..StudyInfo::default()
        },
        uid: uid("series"),
        modality: Modality::Ct,
        description: "Synthetic head to pelvis 3 mm".to_owned(),
        number: Some(1),
        frame_of_reference_uid: Some(uid("frame of reference")),
        patient_position: Some("HFS".to_owned()),
        equipment: "Delineo sample patient".to_owned(),
    }
}
