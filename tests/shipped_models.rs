//! The shipped models against the truth they are meant to find: outlines of clinics, the sample
//! patient's own organs, a couch that is no body. The floors lie a little below what the cards say.

mod shared;

use delineo::ai::{ModelPackage, PredictOptions, Prediction, body_mask, predict};
use delineo::device::DeviceChoice;
use delineo::dicom::{read_series, scan};
use delineo::formats::nifti;
use delineo::patient::{LabelMap, Volume};
use delineo::progress::Progress;
use std::collections::BTreeMap;

fn run(volume: &Volume, model: &str) -> Prediction {
    let package = ModelPackage::find(model).unwrap();
    let options = PredictOptions { device: DeviceChoice::Cpu, label_map: true, ..PredictOptions::default() };
    predict(volume, &package, &options, &Progress::new()).unwrap()
}

/// Dice of every named label of the truth that has voxels, found ones matched by name; both maps
/// lie on one grid.
fn dice(found: &Prediction, truth: &LabelMap) -> BTreeMap<String, f64> {
    let labels = found.labels.as_ref().unwrap();
    assert_eq!(labels.labels.len(), truth.labels.len());
    let number = |name: &str| {
        let roi = found.rois.iter().find(|roi| roi.name == name);
        roi.map_or(u16::MAX, |roi| u16::try_from(roi.number).unwrap())
    };
    let pairs: Vec<(u16, u16)> = truth.names.iter().map(|(own, name)| (*own, number(name))).collect();
    let mut counts = vec![[0_u32; 3]; pairs.len()];
    for (theirs, own) in labels.labels.iter().zip(&truth.labels) {
        for ([both, found, there], pair) in counts.iter_mut().zip(&pairs) {
            let (is_own, is_found) = (*own == pair.0, *theirs == pair.1);
            *both += u32::from(is_own && is_found);
            *found += u32::from(is_found);
            *there += u32::from(is_own);
        }
    }
    let counted = truth.names.iter().zip(counts).filter(|(_, [_, _, there])| *there > 0);
    counted
        .map(|((_, name), [both, found, there])| {
            (name.clone(), 2.0 * f64::from(both) / f64::from(found + there))
        })
        .collect()
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

fn mean(values: &BTreeMap<String, f64>) -> f64 {
    values.values().sum::<f64>() / as_f64(values.len())
}

#[test]
fn a_sample_patient_never_trained_on_is_contoured_well() {
    let patient = delineo::phantom::build(402, &Progress::new()).unwrap();
    let volume = &patient.series.volume;
    let found = run(volume, "sample-body");
    let voxel_cc = volume.grid.voxel_volume_mm3() / 1000.0;
    let mut truth = patient.labels.clone();
    let large = |label: u16| {
        let voxels = patient.labels.labels.iter().filter(|own| **own == label).count();
        as_f64(voxels) * voxel_cc > 5.0
    };
    truth.names.retain(|(label, name)| name != "Body" && large(*label));
    let dice = dice(&found, &truth);
    println!("mean {:.3} {dice:.3?}", mean(&dice));
    assert!(dice.len() >= 40, "{} organs above 5 cc", dice.len());
    assert!(dice.values().all(|own| *own > 0.5), "{dice:.3?}");
    assert!(mean(&dice) >= 0.875, "mean Dice {:.3}", mean(&dice));
}

#[test]
fn the_head_and_neck_is_contoured_as_clinics_do() {
    // Patients whose seven organs are all outlined, in label order.
    for (patient, least_mean) in [("pt_202", 0.70), ("pt_222", 0.70)] {
        let Some(ct) = shared::data(&format!("head-neck/valid/{patient}/ct.nii.gz")) else { return };
        let volume = nifti::read_image(&ct, &Progress::new()).unwrap().series.volume;
        let map = nifti::read_labels(&ct.with_file_name("labels.nii.gz"), &Progress::new()).unwrap();
        let mut truth = map.on_grid(&volume.grid).unwrap();
        let names =
            ["Brainstem", "SpinalCord", "Parotid_R", "Parotid_L", "Esophagus", "Larynx", "Bone_Mandible"];
        truth.names = (1..).zip(names.map(str::to_owned)).collect();
        let dice = dice(&run(&volume, "head-neck"), &truth);
        println!("{patient}: mean {:.3} {dice:.3?}", mean(&dice));
        assert!(mean(&dice) >= least_mean, "{patient}: mean Dice {:.3} {dice:.3?}", mean(&dice));
    }
}

#[test]
fn no_couch_is_body_on_a_chest() {
    let Some(labels) = shared::data("chest/labels.nii.gz") else { return };
    let library = scan(&[labels.with_file_name("CT")], &Progress::new()).unwrap();
    let series = read_series(&library.series[0], &Progress::new()).unwrap().series;
    let volume = &series.volume;
    let body = body_mask(volume, &Progress::new()).unwrap();
    let [ni, nj, _] = volume.grid.dims();
    // The upper edge of the couch's shell, measured in the pictures: bent, highest at the sides.
    let couch_y_mm = |x_mm: f64| 143.3 - 14.1 * ((x_mm - 13.3) / 137.1).powi(2);
    let place = |at: usize| volume.grid.patient_of([at % ni, at / ni % nj, at / (ni * nj)].map(as_f64));
    let inside = (0..body.len()).filter(|at| body[*at]);
    let couch = inside.clone().map(place).filter(|at| at.y > couch_y_mm(at.x)).count();
    assert_eq!(couch, 0, "voxels of the couch are body");
    // And the patient is: every organ that TotalSegmentator outlined lies in the body.
    let truth = nifti::read_labels(&labels, &Progress::new()).unwrap().on_grid(&volume.grid).unwrap();
    let outside = truth.labels.iter().zip(&body).filter(|(label, body)| **label != 0 && !**body).count();
    let organs = truth.labels.iter().filter(|label| **label != 0).count();
    assert!(outside * 10_000 < organs, "{outside} of {organs} voxels of organs are outside the body");
}
