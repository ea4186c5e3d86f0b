//! No half-voxel shift: voxel centres, values and contours lie where SimpleITK says they do.
#![allow(
    missing_docs,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests on images of known size"
)]

mod shared;

use delineo::formats::nifti;
use delineo::geometry::{Point3, Vector3, ring_area};
use delineo::patient::{Roi, RoiId, Series};
use delineo::progress::Progress;
use delineo::session::study::Study;
use std::path::Path;

fn said(python: &Path, images: &Path, series: &Series, labels: Option<&Path>) -> serde_json::Value {
    let uid = if images.is_dir() { &*series.info.uid } else { "-" };
    let mut arguments = vec![images.as_os_str(), std::ffi::OsStr::new(uid)];
    arguments.extend(labels.map(Path::as_os_str));
    shared::run_python(python, "sitk_geometry.py", &arguments)
}

fn numbers(value: &serde_json::Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// Every voxel centre that SimpleITK names is one of ours, to a hundredth of a voxel, with its value.
fn check_voxels(series: &Series, said: &serde_json::Value) {
    let volume = &series.volume;
    assert_eq!(numbers(&said["size"]), volume.grid.dims().map(|n| n as f64));
    let voxels = said["voxels"].as_array().unwrap();
    assert!(voxels.len() > 100);
    let mut with_value = 0;
    for voxel in voxels.iter().map(numbers) {
        let at = volume.grid.voxel_of(Point3::new(voxel[0], voxel[1], voxel[2]));
        assert!(at.iter().all(|x| (x - x.round()).abs() < 0.01), "{voxel:?} is our voxel {at:?}");
        let index = volume.grid.index_of(at.map(|x| x.round().max(0.0) as usize)).unwrap();
        if let Some(value) = volume.voxels.value(index) {
            // SUV and Gy are scaled on purpose.
            if volume.unit == delineo::patient::Unit::Hu {
                assert!((f64::from(value) - voxel[3]).abs() < 1e-3, "{value} is not {}", voxel[3]);
                with_value += 1;
            }
        }
    }
    assert!(volume.unit != delineo::patient::Unit::Hu || with_value > 50);
}

/// The centre of mass of a label's contours, each slab by area and thickness, is that of its voxels:
/// to 0.15 voxels, for smoothing moves a mandible two voxels thin a little.
fn check_contours(series: &Series, labels: &Path, said: &serde_json::Value) {
    let volume = &series.volume;
    let map = nifti::read_labels(labels, &Progress::new()).unwrap().on_grid(&volume.grid).unwrap();
    let (mut checked, mut worst) = (0, 0.0_f64);
    for (label, mask) in map.masks() {
        let theirs = &said["labels"][label.to_string()];
        assert_eq!(theirs["voxels"].as_u64().unwrap() as usize, mask.count());
        if mask.count() < 500 {
            continue;
        }
        let mut roi = Roi::new(RoiId(1), 1, "Label", [0; 3]);
        roi.planes = mask.planes(volume);
        let (mut sum, mut weight) = (Vector3::zeros(), 0.0);
        for slab in roi.slabs(Some(volume)) {
            let thickness = slab.below_mm + slab.above_mm;
            for ring in slab.polygons.iter().flat_map(delineo::geometry::Polygon::rings) {
                // Triangles against the first vertex; holes count negative.
                for pair in ring[1..].windows(2) {
                    let triangle = [ring[0], pair[0], pair[1]];
                    let area = ring_area(&triangle) * thickness;
                    let middle = (triangle[0].coords + triangle[1].coords + triangle[2].coords) / 3.0;
                    sum += slab.plane.lift(middle.into()).coords * area;
                    weight += area;
                }
            }
        }
        let wanted = numbers(&theirs["centroid"]);
        let off = volume.grid.voxel_from_patient().matrix().fixed_view::<3, 3>(0, 0)
            * (sum / weight - Vector3::new(wanted[0], wanted[1], wanted[2]));
        worst = worst.max(off.abs().max());
        assert!(off.abs().max() < 0.15, "label {label} is off by {off:?} voxels");
        checked += 1;
    }
    println!("{checked} labels, centres of mass within {worst:.4} voxels");
    assert!(checked > 0);
}

fn open(path: &Path) -> Series {
    Study::open(&[path.to_owned()], None, &Progress::new()).unwrap().series
}

#[test]
fn a_dicom_ct_seen_from_the_feet_and_its_labels() {
    let (Some(images), Some(labels), Some(python)) =
        (shared::data("chest/CT"), shared::data("chest/labels.nii.gz"), shared::python_with("SimpleITK"))
    else {
        return;
    };
    let series = open(&images);
    let said = said(&python, &images, &series, Some(&labels));
    check_voxels(&series, &said);
    check_contours(&series, &labels, &said);
}

#[test]
fn a_nifti_ct_and_its_labels() {
    let (Some(images), Some(labels), Some(python)) = (
        shared::data("head-neck/valid/pt_201/ct.nii.gz"),
        shared::data("head-neck/valid/pt_201/labels.nii.gz"),
        shared::python_with("SimpleITK"),
    ) else {
        return;
    };
    let series = open(&images);
    let said = said(&python, &images, &series, Some(&labels));
    check_voxels(&series, &said);
    check_contours(&series, &labels, &said);
}

#[test]
fn ct_pet_and_mr_of_one_patient() {
    let (Some(folder), Some(python)) =
        (shared::data("sarcoma-pet-mr/STS_005"), shared::python_with("SimpleITK"))
    else {
        return;
    };
    let library = delineo::dicom::scan(&[folder], &Progress::new()).unwrap();
    for chosen in 0..library.series.len() {
        let study = Study::open_entry(library.clone(), chosen, None, &Progress::new()).unwrap();
        let entry = &library.series[chosen];
        let folder = entry.files().next().unwrap().parent().unwrap().to_owned();
        let said = said(&python, &folder, &study.series, None);
        println!("{} {}", study.series.info.modality.code(), said["size"]);
        check_voxels(&study.series, &said);
    }
}
