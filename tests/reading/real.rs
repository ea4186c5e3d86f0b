//! Real images, compared with SimpleITK where a Python that has it is named by `DELINEO_PYTHON`.

use crate::{scanned, whole};
use delineo::dicom::{SeriesEntry, read_dose, read_series};
use delineo::formats::nifti::{read_image, read_labels};
use delineo::geometry::Point3;
use delineo::patient::{OUTSIDE_I16, Series, Unit};
use delineo::progress::Progress;
use std::path::{Path, PathBuf};
use std::process::Command;

fn data(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(part);
    if !path.exists() {
        println!("skipped: no shared data");
        return None;
    }
    Some(path)
}

fn read(entry: &SeriesEntry) -> Series {
    read_series(entry, &Progress::new()).unwrap().series
}

#[test]
fn the_chest_ct() {
    let Some(folder) = data("chest") else { return };
    let library = scanned(&folder);
    assert_eq!(library.series.len(), 1);
    assert_eq!(library.warnings, []);
    let series = read(&library.series[0]);
    let volume = &series.volume;
    assert_eq!(volume.grid.dims(), [512, 512, 133]);
    assert_eq!(volume.grid.spacing_mm(), [0.703_125, 0.703_125, 2.5]);
    assert_eq!(volume.grid.origin_mm(), Point3::new(-166.0, -171.699_997, -340.0));
    assert_eq!(series.info.patient_position.as_deref(), Some("FFS"));
    let values = whole(&volume.voxels);
    // The corners outside the round field of view, and nothing below air elsewhere.
    assert_eq!(values[0], OUTSIDE_I16);
    let outside = values.iter().filter(|value| **value == OUTSIDE_I16).count();
    assert!((0.15..0.25).contains(&(outside as f64 / values.len() as f64)), "{outside}");
    assert!(values.iter().all(|value| *value == OUTSIDE_I16 || *value >= -1024));
    // Its label map lies on the same grid, and the lungs are where the labels say.
    let labels = read_labels(&folder.join("labels.nii.gz"), &Progress::new()).unwrap();
    assert!(labels.grid.is_same(&volume.grid, 0.01));
    let of = |label: u16| {
        let chosen: Vec<f64> = labels
            .labels
            .iter()
            .zip(values)
            .filter(|(own, value)| **own == label && **value != OUTSIDE_I16)
            .map(|(_, value)| f64::from(*value))
            .collect();
        chosen.iter().sum::<f64>() / chosen.len() as f64
    };
    let names = std::fs::read_to_string(folder.join("labels.json")).unwrap();
    if let Some(lung) = label_named(&names, "lung_upper_lobe_left") {
        assert!(of(lung) < -600.0, "lung is {} HU", of(lung));
    }
}

fn label_named(json: &str, name: &str) -> Option<u16> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    let table = value.as_object()?;
    table.iter().find_map(|(key, value)| match (key.parse::<u16>(), value.as_u64()) {
        (Ok(label), _) if value.as_str() == Some(name) => Some(label),
        (_, Some(label)) if key == name => u16::try_from(label).ok(),
        _ => None,
    })
}

#[test]
fn pet_ct_and_mr_of_one_patient() {
    let Some(folder) = data("sarcoma-pet-mr/STS_005") else { return };
    let library = scanned(&folder);
    let units: Vec<Unit> = library.series.iter().map(|entry| entry.unit).collect();
    assert_eq!(units, [Unit::Hu, Unit::Arbitrary, Unit::SuvBw]);
    assert_eq!(library.warnings, []);
    assert_eq!(library.structure_sets.len(), 3);
    assert_eq!(library.structure_sets[0].rois[0].name, "GTV_Mass_CT");
    assert_eq!(library.structure_sets[0].rois[0].contours, 48);
    let frame = library.series[0].info.frame_of_reference_uid.clone();
    assert!(library.series.iter().all(|entry| entry.info.frame_of_reference_uid == frame));
    assert_eq!(library.structure_sets[0].frame_of_reference_uid, frame);
    let pet = read(&library.series[2]);
    let most = (0..pet.volume.voxels.len()).filter_map(|n| pet.volume.voxels.value(n)).fold(0.0, f32::max);
    assert!((1.0..60.0).contains(&most), "SUV up to {most}");
}

#[test]
fn nifti_and_dicom_of_one_patient_lie_together() {
    let (Some(dicom), Some(nifti)) =
        (data("head-neck-dicom/pt_222"), data("head-neck/valid/pt_222/ct.nii.gz"))
    else {
        return;
    };
    let from_dicom = read(&scanned(&dicom).series[0]);
    let from_nifti = read_image(&nifti, &Progress::new()).unwrap().series;
    // The NIfTI file runs from right to left and from front to back: the same voxels, other indices.
    let [ni, nj, nk] = from_dicom.volume.grid.dims();
    assert_eq!(from_nifti.volume.grid.dims(), [ni, nj, nk]);
    assert_eq!(from_nifti.volume.unit, Unit::Hu);
    let (own, other) = (whole(&from_dicom.volume.voxels), whole(&from_nifti.volume.voxels));
    for (index, value) in own.iter().enumerate() {
        let at = [index % ni, index / ni % nj, index / (ni * nj)];
        let mirrored = [ni - 1 - at[0], nj - 1 - at[1], at[2]];
        assert_eq!(*value, other[from_nifti.volume.grid.index_of(mirrored).unwrap()]);
        if index % 997 == 0 {
            let a = from_dicom.volume.grid.patient_of(at.map(|n| n as f64));
            let b = from_nifti.volume.grid.patient_of(mirrored.map(|n| n as f64));
            assert!((a - b).norm() < 0.01, "{a} {b}");
        }
    }
}

/// What SimpleITK says of every series under a path: size, some voxels' places, values.
const PEER: &str = r#"
import json, sys, SimpleITK as sitk, numpy as np
path, uid = sys.argv[1], sys.argv[2]
if uid:
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(path, uid))
else:
    image = sitk.ReadImage(path)
size = image.GetSize()
array = sitk.GetArrayFromImage(image).astype(np.float64)
rng = np.random.default_rng(1)
probes = []
for n in range(400):
    index = [int(rng.integers(0, s)) for s in size]
    point = image.TransformIndexToPhysicalPoint(index)
    probes.append({"point": list(point), "value": float(array[index[2], index[1], index[0]])})
corners = [list(image.TransformContinuousIndexToPhysicalPoint([a, b, c]))
           for a in (-0.5, size[0] - 0.5) for b in (-0.5, size[1] - 0.5) for c in (-0.5, size[2] - 0.5)]
print(json.dumps({"size": size, "probes": probes, "corners": corners, "sum": float(array[array >= -1024].sum())}))
"#;

fn python() -> Option<PathBuf> {
    let python = std::env::var_os("DELINEO_PYTHON").map_or("python3".into(), PathBuf::from);
    let ready = Command::new(&python).args(["-c", "import SimpleITK"]).output();
    if ready.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    crate::skip::skipped(&format!("no Python with SimpleITK at {} (set DELINEO_PYTHON)", python.display()));
    None
}

fn peer(path: &Path, uid: &str) -> Option<serde_json::Value> {
    let run = Command::new(python()?).arg("-c").arg(PEER).arg(path).arg(uid).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    Some(serde_json::from_slice(&run.stdout).unwrap())
}

fn numbers(value: &serde_json::Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// Size, half-voxel corners and values agree with SimpleITK.
fn assert_same(series: &Series, peer: &serde_json::Value) {
    let volume = &series.volume;
    let size: Vec<f64> = volume.grid.dims().iter().map(|n| *n as f64).collect();
    assert_eq!(size, numbers(&peer["size"]));
    let mut own = Vec::new();
    let ends = |n: f64| [-0.5, n - 0.5];
    for a in ends(size[0]) {
        for b in ends(size[1]) {
            for c in ends(size[2]) {
                own.push(volume.grid.patient_of([a, b, c]));
            }
        }
    }
    // SimpleITK may hold the slices in the other order: the corners are the same set.
    for corner in peer["corners"].as_array().unwrap() {
        let corner = Point3::from_slice(&numbers(corner));
        let nearest = own.iter().map(|point| (point - corner).norm()).fold(f64::INFINITY, f64::min);
        assert!(nearest < 0.01, "{corner} is {nearest} mm off");
    }
    for probe in peer["probes"].as_array().unwrap() {
        let point = Point3::from_slice(&numbers(&probe["point"]));
        let wanted = probe["value"].as_f64().unwrap();
        match volume.value_at(point) {
            Some(value) => assert!((f64::from(value) - wanted).abs() <= 1e-5 * wanted.abs(), "{point}"),
            None => assert!(wanted < -1024.0, "{point} is {wanted}"),
        }
    }
}

#[test]
fn places_and_values_agree_with_simpleitk() {
    for part in [
        "chest/CT",
        "head-neck-dicom/pt_222",
        "sarcoma-pet-mr/STS_005/CT",
        "sarcoma-pet-mr/STS_011/MR",
        "sarcoma-pet-mr/STS_005/PET",
    ] {
        let Some(folder) = data(part) else { return };
        let entry = &scanned(&folder).series[0];
        let Some(peer) = peer(&folder, &entry.info.uid) else { return };
        assert_same(&read(entry), &peer);
    }
    for part in ["abdomen/ct.nii.gz", "head-neck/valid/pt_222/ct.nii.gz"] {
        let Some(path) = data(part) else { return };
        let Some(peer) = peer(&path, "") else { return };
        assert_same(&read_image(&path, &Progress::new()).unwrap().series, &peer);
    }
}

#[test]
fn jpeg_2000_and_jpeg_of_gdcm_are_read_exactly() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/write_compressed.py");
    let Some(python) = python() else { return };
    for compressor in ["JPEG2000", "JPEG"] {
        let folder = tempfile::tempdir().unwrap();
        let run = Command::new(&python).arg(&script).arg(folder.path()).arg(compressor).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        for (name, shift) in [("signed.dcm", 1000), ("unsigned.dcm", 0)] {
            let series = read(&scanned(&folder.path().join(name)).series[0]);
            let wanted: Vec<i16> =
                (0..1200_i32).map(|n| ((n * n * 37 + n * 11) % 3000 - shift) as i16).collect();
            assert!(whole(&series.volume.voxels) == wanted, "{compressor} {name}");
            assert_eq!(series.volume.grid.origin_mm(), Point3::new(1.0, 2.0, 3.0));
            assert_eq!(series.volume.grid.spacing_mm()[..2], [2.0, 1.5]);
        }
    }
}

/// Doses of real plans, written as RT Dose by another program (32 bits, rows to the left).
#[test]
fn the_doses_of_three_plans_written_by_plastimatch() {
    let Some(patients) = data("head-neck/train") else { return };
    if Command::new("plastimatch").arg("--version").output().is_err() {
        crate::skip::skipped("plastimatch is not installed");
        return;
    }
    for patient in ["pt_2", "pt_4", "pt_13"] {
        let folder = tempfile::tempdir().unwrap();
        let (from, out) = (patients.join(patient), folder.path().join("plan"));
        let written = Command::new("plastimatch")
            .args(["convert", "--input"])
            .arg(from.join("ct.nii.gz"))
            .arg("--input-dose-img")
            .arg(from.join("dose.nii.gz"))
            .arg("--output-dicom")
            .arg(&out)
            .output()
            .unwrap();
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
        let library = scanned(&out);
        let series = read(&library.series[0]);
        assert_eq!((library.series.len(), library.doses.len()), (1, 1));
        let file = &library.doses[0].path;
        let dose = read_dose(file, Some(&series), &Progress::new()).unwrap();
        assert_eq!(dose.warnings, []);
        let truth = read_image(&from.join("dose.nii.gz"), &Progress::new()).unwrap().series.volume;
        let [nx, ny, nz] = truth.grid.dims();
        let (mut most, mut worst, mut known) = (0.0_f64, 0.0_f64, 0_u32);
        for (k, j, i) in (0..nz).flat_map(|k| (0..ny).flat_map(move |j| (0..nx).map(move |i| (k, j, i)))) {
            let at = truth.grid.patient_of([i, j, k].map(|n| n as f64));
            let wanted = f64::from(truth.value_at(at).unwrap());
            most = most.max(wanted);
            // The outermost values may lie a thousandth of a millimetre beyond what was written.
            if let Some(got) = dose.dose.at(at) {
                worst = worst.max((got - wanted).abs());
                known += 1;
            }
        }
        println!("{patient}: {most:.2} Gy at most, {known} values, worst {worst:.5} Gy off");
        assert!(f64::from(known) > 0.9 * (nx * ny * nz) as f64);
        assert!(most > 50.0 && worst < 0.02, "{patient}: {worst} Gy off");
    }
}
