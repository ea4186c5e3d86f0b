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

/// The side of the square field of view, mm.
const FIELD_MM: f64 = 500.0;
/// The seed of the sample patient that the start screen and `demo` show.
pub const DEFAULT_SEED: u64 = 1;

/// How finely the patient is scanned: the field of view is 500 mm in any case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Pixels along a row and along a column of every slice; a multiple of 16.
    pub pixels: usize,
    /// The distance between slices, mm.
    pub slice_mm: f64,
}

impl Sampling {
    /// The bundled patient's: 512 x 512 at 3 mm.
    pub const FULL: Self = Self { pixels: 512, slice_mm: 3.0 };

    /// The distance between pixel centres, mm.
    #[must_use]
    pub fn pixel_mm(&self) -> f64 {
        FIELD_MM / self.pixels as f64
    }

    /// The patient position of a pixel's centre along x or y, mm.
    fn position_mm(&self, index: usize) -> f64 {
        (index as f64 - (self.pixels as f64 - 1.0) / 2.0) * self.pixel_mm()
    }
}

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
    build_sampled(seed, Sampling::FULL, progress)
}

/// Builds the individual of `seed`, scanned as finely as `sampling` says.
///
/// # Errors
/// As [`build`]; [`BuildError::Anatomy`] also for a sampling without pixels or slices.
pub fn build_sampled(
    seed: u64,
    sampling: Sampling,
    progress: &Progress,
) -> Result<SamplePatient, BuildError> {
    if sampling.pixels == 0 || !sampling.pixels.is_multiple_of(16) || !(sampling.slice_mm > 0.0) {
        return Err(BuildError::Anatomy(format!("{sampling:?} is no sampling")));
    }
    progress.set_step("Building the sample patient");
    let anatomy = anatomy::Anatomy::bundled().map_err(BuildError::Anatomy)?;
    let individual = individual::Individual::new(&anatomy, seed).map_err(BuildError::Anatomy)?;
    let [low_mm, high_mm] = individual.z_range_mm();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a metre of slices")]
    let slices = ((high_mm - low_mm) / sampling.slice_mm).ceil() as usize;
    let first_mm = sampling.position_mm(0);
    let step_mm = sampling.pixel_mm();
    // The origin of a scanner's table coordinates: near the shoulders, as on a real couch.
    let table_mm = (individual.shoulder_mm() / sampling.slice_mm).round() * sampling.slice_mm;
    let z0_mm = low_mm - table_mm;
    let grid = Grid::new(
        [sampling.pixels, sampling.pixels, slices],
        Point3::new(first_mm, first_mm, z0_mm),
        [Vector3::x() * step_mm, Vector3::y() * step_mm, Vector3::z() * sampling.slice_mm],
    )
    .ok_or_else(|| BuildError::Anatomy("no grid".to_owned()))?;
    let painted = paint::paint(&individual, sampling, slices, low_mm, progress)?;
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
        labels: LabelMap { grid, labels: painted.labels, names, unreviewed: false },
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

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;

    /// Below this an organ has fewer than a hundred voxels of [`COARSE`].
    const SMALL_CC: f64 = 14.0;
    const COARSE: Sampling = Sampling { pixels: 128, slice_mm: 9.0 };

    fn coarse(seed: u64) -> SamplePatient {
        build_sampled(seed, COARSE, &Progress::new()).unwrap()
    }

    /// Volume (cc) and centre (mm) of every organ by name.
    fn organs(patient: &SamplePatient) -> Vec<(String, f64, Point3)> {
        let grid = &patient.labels.grid;
        let [ni, nj, _] = grid.dims();
        let mut sums = vec![(0.0, Vector3::zeros()); patient.organs.len() + 1];
        for (n, label) in patient.labels.labels.iter().enumerate() {
            let at = [n % ni, n / ni % nj, n / (ni * nj)].map(|i| i as f64);
            sums[usize::from(*label)].0 += 1.0;
            sums[usize::from(*label)].1 += grid.patient_of(at).coords;
        }
        let cc = grid.voxel_volume_mm3() / 1000.0;
        patient
            .organs
            .iter()
            .map(|organ| {
                let (count, sum) = sums[usize::from(organ.label)];
                (organ.name.clone(), count * cc, Point3::from(sum / count.max(1.0)))
            })
            .collect()
    }

    #[test]
    fn the_same_seed_is_the_same_patient_and_another_is_not() {
        let (a, b, c) = (coarse(5), coarse(5), coarse(6));
        assert_eq!(a.series.volume.voxels, b.series.volume.voxels);
        assert_eq!(a.series.info.uid, b.series.info.uid);
        assert_ne!(a.series.volume.voxels, c.series.volume.voxels);
        assert_ne!(a.series.info.uid, c.series.info.uid);
        assert!(a.series.info.patient.synthetic);
    }

    #[test]
    fn every_organ_differs_from_person_to_person() {
        let people: Vec<_> = (0..20).map(|seed| organs(&coarse(seed))).collect();
        assert!(people[0].len() >= 24);
        for (n, (name, ..)) in people[0].iter().enumerate() {
            let volumes: Vec<f64> = people.iter().map(|person| person[n].1).collect();
            let mean = volumes.iter().sum::<f64>() / 20.0;
            // Smaller organs are a few voxels at this sampling: see the next test.
            if mean < SMALL_CC {
                continue;
            }
            let high = volumes.iter().copied().fold(0.0, f64::max);
            let low = volumes.iter().copied().fold(f64::INFINITY, f64::min);
            assert!((high - low) / mean >= 0.15, "{name}: {low:.1} to {high:.1} cc");
            let center = people.iter().fold(Vector3::zeros(), |sum, person| sum + person[n].2.coords) / 20.0;
            let away = people.iter().map(|person| (person[n].2.coords - center).norm()).fold(0.0, f64::max);
            assert!(away >= 5.0, "{name} moves {away:.1} mm");
        }
    }

    /// Volume (cc) and centre (mm) of an organ's own shape, by points 1.5 mm apart in the box around it:
    /// fine enough for a lens, and nothing else is computed.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small box")]
    fn small_organ(person: &individual::Individual, name: &str) -> (f64, Vector3) {
        const STEP_MM: f32 = 1.5;
        let part = person.parts.iter().find(|part| part.name == name).unwrap();
        let bounds = person.patient_bounds(&part.bounds.grown(1.0));
        let size = (bounds.high - bounds.low).map(|mm| (mm / STEP_MM).ceil() as usize);
        let slab = person.slab(part, f32::NEG_INFINITY, f32::INFINITY);
        let everywhere = shape::Ball { center: part.bounds.center(), radius: f32::INFINITY };
        let local = slab.within(everywhere).unwrap();
        let (mut count, mut sum) = (0.0, Vector3::zeros());
        for k in 0..size.z {
            let mut known = individual::Known::new(person, size.x * size.y);
            for node in 0..size.x * size.y {
                let voxel = shape::V3::new((node % size.x) as f32, (node / size.x) as f32, k as f32);
                let at = bounds.low + voxel * STEP_MM;
                if local.distance(person.atlas_of(at), node, &mut known) < 0.0 {
                    count += 1.0;
                    sum += at.cast::<f64>();
                }
            }
        }
        (count * f64::from(STEP_MM).powi(3) / 1000.0, sum / f64::max(count, 1.0))
    }

    #[test]
    fn small_organs_differ_from_person_to_person_too() {
        let anatomy = anatomy::Anatomy::bundled().unwrap();
        let coarse = organs(&coarse(0));
        let small: Vec<&str> =
            coarse.iter().filter(|(_, cc, _)| *cc < 1.5 * SMALL_CC).map(|(name, ..)| name.as_str()).collect();
        assert!(small.contains(&"Lens_L") && small.contains(&"Pituitary"), "{small:?}");
        let people: Vec<_> = (0..20)
            .into_par_iter()
            .map(|seed| {
                let person = individual::Individual::new(&anatomy, seed).unwrap();
                small.iter().map(|name| small_organ(&person, name)).collect::<Vec<_>>()
            })
            .collect();
        for (n, name) in small.iter().enumerate() {
            let found: Vec<(f64, Vector3)> = people.iter().map(|person| person[n]).collect();
            let mean = found.iter().map(|(cc, _)| cc).sum::<f64>() / 20.0;
            let high = found.iter().map(|(cc, _)| *cc).fold(0.0, f64::max);
            let low = found.iter().map(|(cc, _)| *cc).fold(f64::INFINITY, f64::min);
            let center = found.iter().map(|(_, at)| at).sum::<Vector3>() / 20.0;
            let away = found.iter().map(|(_, at)| (at - center).norm()).fold(0.0, f64::max);
            println!("{name}: {mean:.2} cc, {low:.2} to {high:.2}, {away:.1} mm");
            assert!(low > 0.0 && (high - low) / mean >= 0.15, "{name}: {low:.2} to {high:.2} cc");
            assert!(away >= 5.0, "{name} moves {away:.1} mm");
        }
    }

    #[test]
    fn every_organ_has_a_standard_name_and_a_sentence() {
        let standard: std::collections::HashSet<&str> = include_str!("../../assets/tg263.csv")
            .lines()
            .skip(1)
            .filter_map(|line| line.split(',').next())
            .collect();
        let anatomy = anatomy::Anatomy::bundled().unwrap();
        let organs = individual::Individual::new(&anatomy, DEFAULT_SEED).unwrap().organs();
        assert!(organs.len() >= 24);
        for organ in &organs {
            // The table has most pairs once, without their sides.
            let name = organ.name.strip_suffix("_L").or(organ.name.strip_suffix("_R")).unwrap_or(&organ.name);
            assert!(standard.contains(organ.name.as_str()) || standard.contains(name), "{}", organ.name);
            assert!(organ.sentence.len() > 20 && organ.sentence.ends_with('.'), "{}", organ.name);
        }
    }

    /// Fine enough for the optic nerves; ranges around what is usual in adults.
    #[test]
    fn organs_are_as_large_as_a_person_s() {
        let person = organs(
            &build_sampled(DEFAULT_SEED, Sampling { pixels: 256, slice_mm: 3.0 }, &Progress::new()).unwrap(),
        );
        for (organ, low_cc, high_cc) in [
            ("OpticNrv", 0.4, 2.5),
            ("Eye", 5.0, 9.0),
            ("Lens", 0.1, 0.5),
            ("Pituitary", 0.2, 1.5),
            ("Parotid", 8.0, 40.0),
            ("Glnd_Submand", 4.0, 13.0),
            ("Brainstem", 20.0, 50.0),
            ("Brain", 1000.0, 1600.0),
            ("Larynx", 15.0, 50.0),
            ("Glnd_Thyroid", 8.0, 35.0),
            ("SpinalCord", 8.0, 40.0),
            ("Lung", 900.0, 3000.0),
            ("Heart", 250.0, 900.0),
            ("Liver", 1000.0, 2200.0),
            ("Spleen", 80.0, 350.0),
            ("Kidney", 90.0, 250.0),
            ("Pancreas", 30.0, 120.0),
            ("Gallbladder", 8.0, 60.0),
            ("Prostate", 15.0, 60.0),
            ("Bladder", 80.0, 500.0),
        ] {
            let of_this = |(name, ..): &&(String, f64, Point3)| {
                name.strip_prefix(organ).is_some_and(|side| ["", "_L", "_R"].contains(&side))
            };
            let found: Vec<_> = person.iter().filter(of_this).collect();
            assert!(!found.is_empty(), "{organ}");
            for (name, cc, _) in found {
                assert!((low_cc..=high_cc).contains(cc), "{name}: {cc:.2} cc");
            }
        }
    }

    #[test]
    fn left_and_right_are_no_mirror_images() {
        let person = organs(&coarse(3));
        let named = |name: &str| person.iter().find(|organ| organ.0 == name).unwrap();
        for pair in ["Lung", "Bone_Pelvic", "Femur_Head", "Kidney"] {
            let (left, right) = (named(&format!("{pair}_L")), named(&format!("{pair}_R")));
            assert!(left.2.x > 0.0 && right.2.x < 0.0, "{pair} is on its side");
            assert!((left.1 / right.1 - 1.0).abs() > 0.002, "{pair}: {} and {} cc", left.1, right.1);
        }
    }

    #[test]
    fn tissues_have_their_hounsfield_values() {
        let patient = coarse(1);
        let Voxels::I16(hu) = &patient.series.volume.voxels else { panic!("whole HU") };
        let mean = |name: &str| {
            let label = patient.organs.iter().find(|organ| organ.name == name).unwrap().label;
            let values = patient.labels.labels.iter().zip(hu).filter(|(l, _)| **l == label);
            let (count, sum) = values.fold((0.0, 0.0), |(n, s), (_, v)| (n + 1.0, s + f64::from(*v)));
            sum / count
        };
        for (name, low, high) in [
            ("Lung_L", -900.0, -650.0),
            ("Liver", 85.0, 140.0),
            ("Brain", 10.0, 50.0),
            ("Bladder", -5.0, 30.0),
            ("Heart", 80.0, 160.0),
            ("Femur_Head_R", 200.0, 600.0),
        ] {
            let value = mean(name);
            assert!((low..=high).contains(&value), "{name}: {value:.0} HU");
        }
    }

    #[test]
    fn couch_and_mask_lie_outside_the_body() {
        let mut patient = coarse(2);
        let before = patient.series.volume.clone();
        add_couch_and_mask(&mut patient);
        let (Voxels::I16(before), Voxels::I16(after)) = (&before.voxels, &patient.series.volume.voxels)
        else {
            panic!("whole HU")
        };
        let changed: Vec<usize> = (0..after.len()).filter(|n| before[*n] != after[*n]).collect();
        assert!(changed.len() > 1000);
        assert!(changed.iter().all(|n| patient.labels.labels[*n] == 0));
    }
}
