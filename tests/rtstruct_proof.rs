//! Exports of real patients, proved by programs that share nothing with this one.
#![allow(missing_docs, reason = "tests")]

mod shared;

use delineo::dicom::{WriteRtstructOptions, read_rtstruct, write_rtstruct};
use delineo::formats::nifti;
use delineo::patient::{Mask, Roi, RoiId, Series, StructureSet};
use delineo::progress::Progress;
use delineo::session::study::Study;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn open(folder: &Path) -> Series {
    Study::open(&[folder.to_owned()], None, &Progress::new()).unwrap().series
}

/// Structures of a label map on the series' own voxels.
fn structures(series: &Series, labels: &Path) -> StructureSet {
    let labels = nifti::read_labels(labels, &Progress::new()).unwrap().on_grid(&series.volume.grid).unwrap();
    let rois = labels.masks().into_iter().map(|(label, mask)| {
        let mut roi = Roi::new(RoiId(label.into()), label.into(), format!("label_{label}"), [90, 200, 30]);
        roi.planes = mask.planes(&series.volume);
        let back = Mask::of_roi(&roi, &series.volume);
        assert!(back.same_voxels(&mask), "label {label}: mask -> contours -> mask is the identity");
        Arc::new(roi)
    });
    StructureSet { rois: rois.collect(), ..shared::empty_set(series) }
}

/// Hands our masks to the Python scripts (`tests/python/masks_file.py`).
fn write_masks(set: &StructureSet, series: &Series, path: &Path) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    for roi in &set.rois {
        let mask = Mask::of_roi(roi, &series.volume);
        let header = serde_json::json!({ "name": roi.name, "low": mask.low, "size": mask.size });
        writeln!(file, "{header}").unwrap();
        let bytes: Vec<u8> = mask.voxels.iter().map(|inside| u8::from(*inside)).collect();
        file.write_all(&bytes).unwrap();
    }
}

struct Exported {
    _folder: tempfile::TempDir,
    rtstruct: PathBuf,
    masks: PathBuf,
    series: Series,
    set: StructureSet,
}

fn export(images: &Path, labels: &Path) -> Exported {
    let series = open(images);
    let set = structures(&series, labels);
    let folder = tempfile::tempdir().unwrap();
    let (rtstruct, masks) = (folder.path().join("rt.dcm"), folder.path().join("masks"));
    write_rtstruct(&set, &series, &rtstruct, &WriteRtstructOptions::default()).unwrap();
    write_masks(&set, &series, &masks);
    Exported { _folder: folder, rtstruct, masks, series, set }
}

fn prove(images: &Path, labels: &Path) {
    let exported = export(images, labels);
    let read = read_rtstruct(&exported.rtstruct, Some(&exported.series)).unwrap();
    assert_eq!(read.set.rois.len(), exported.set.rois.len());
    for (a, b) in exported.set.rois.iter().zip(&read.set.rois) {
        assert_eq!(a.planes.len(), b.planes.len(), "{}", a.name);
        for (one, other) in a.planes.iter().zip(&b.planes) {
            let at = one.plane.offset_mm();
            assert_eq!((one.plane, &one.image), (other.plane, &other.image));
            assert_eq!(one.polygons.len(), other.polygons.len(), "{} at {at}", a.name);
            assert!(
                one.polygons.iter().all(|p| other.polygons.iter().any(|q| p.same_rings(q))),
                "{} at {at}: contours changed by writing and reading",
                a.name
            );
        }
    }
    if shared::program("dciodvfy").is_some() {
        assert_eq!(shared::dciodvfy_errors(&exported.rtstruct), Vec::<String>::new());
    }
    let Some(python) = shared::python() else { return };
    let arguments = [exported.rtstruct.as_os_str(), images.as_os_str(), exported.masks.as_os_str()];
    let said = shared::run_python(&python, "rtstruct_masks.py", &arguments);
    assert_eq!(said["errors"], serde_json::json!([]));
    let rois = said["rois"].as_array().unwrap();
    assert_eq!(rois.len(), exported.set.rois.len());
    for roi in rois {
        assert_eq!(roi["different"], 0, "{roi}");
        assert!(roi["voxels"].as_u64().unwrap() > 0, "{roi}");
    }
    // The other readers take long: only the structures that say something.
    let large = exported.rtstruct.with_file_name("large.dcm");
    let voxel_mm3 = exported.series.volume.grid.voxel_volume_mm3();
    let mut set = exported.set.clone();
    #[expect(clippy::cast_precision_loss, reason = "voxel counts are far below 2^52")]
    set.rois.retain(|roi| Mask::of_roi(roi, &exported.series.volume).count() as f64 * voxel_mm3 > 20_000.0);
    write_rtstruct(&set, &exported.series, &large, &WriteRtstructOptions::default()).unwrap();
    let arguments = [large.as_os_str(), images.as_os_str(), exported.masks.as_os_str()];
    for reader in ["plastimatch", "rt-utils"] {
        if reader == "plastimatch" && shared::program(reader).is_none() {
            continue;
        }
        let mut with_reader = vec![std::ffi::OsStr::new(reader)];
        with_reader.extend(arguments);
        let said = shared::run_python(&python, "other_readers.py", &with_reader);
        check_reader(reader, &said);
    }
}

/// Dice of at least 0.98 within the reader's own drawing rule: plastimatch draws as we do; rt-utils
/// paints the outline itself, which `tests/python/other_readers.py` leaves to us.
fn check_reader(reader: &str, said: &serde_json::Value) {
    let rois = said["rois"].as_array().unwrap();
    assert!(!rois.is_empty(), "{reader}");
    let mut worst: f64 = 1.0;
    for roi in rois {
        println!("{reader} {roi}");
        let key = if reader == "plastimatch" { "dice" } else { "dice_off_outline" };
        worst = worst.min(roi[key].as_f64().unwrap());
    }
    println!("{reader}: {} organs above 20 cc, worst Dice {worst:.4}", rois.len());
    assert!(worst >= 0.98, "{reader}: worst Dice {worst}");
}

#[test]
fn the_chest_with_89_structures_is_read_by_others_as_we_meant_it() {
    let Some(chest) = shared::data("chest") else { return };
    prove(&chest.join("CT"), &chest.join("labels.nii.gz"));
}

#[test]
fn head_and_neck_with_clinical_structures_is_read_by_others_as_we_meant_it() {
    let Some(data) = shared::data("head-neck-dicom") else { return };
    for patient in ["pt_222", "pt_236"] {
        let labels = data.join("../head-neck/valid").join(patient).join("labels.nii.gz");
        if labels.exists() {
            prove(&data.join(patient), &labels);
        }
    }
}
