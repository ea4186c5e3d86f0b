//! `delineo convert` as a person calls it: exit codes, messages, files.
#![allow(missing_docs, reason = "tests")]

mod shared;

use delineo::dicom::{WriteRtstructOptions, write_ct_series, write_rtstruct};
use delineo::formats::nifti;
use delineo::patient::{LabelMap, Mask, Series, StructureSet};
use delineo::progress::Progress;
use shared::{Lay, circle, disc_with_holes, empty_set, plane_on, roi, series};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

struct Case {
    folder: tempfile::TempDir,
    images: PathBuf,
    rtstruct: PathBuf,
    series: Series,
    set: StructureSet,
}

fn case(lay: &Lay) -> Case {
    let series = series("convert", lay);
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("ct");
    write_ct_series(&series, &images, &Progress::new()).unwrap();
    let piece = |x, y| vec![delineo::geometry::Polygon::from_outer(circle(x, y, 6.0, 30))];
    let planes = |x, y| (1..4).map(|k| plane_on(&series, k, piece(x, y))).collect();
    let rings = (1..4).map(|k| plane_on(&series, k, disc_with_holes())).collect();
    let rois = [
        roi(1, "Bladder_Wall", rings),
        roi(2, "Überlappung", planes(12.0, 12.0)),
        roi(3, "Rectum", planes(16.0, 12.0)),
    ];
    let set = StructureSet { rois: rois.into_iter().map(Arc::new).collect(), ..empty_set(&series) };
    let rtstruct = folder.path().join("rt.dcm");
    write_rtstruct(&set, &series, &rtstruct, &WriteRtstructOptions::default()).unwrap();
    Case { folder, images, rtstruct, series, set }
}

/// Exit code and what was said on standard error.
fn convert(input: &Path, images: Option<&Path>, out: &Path, more: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_delineo"));
    command.arg("convert").arg(input).arg("--out").arg(out).args(more);
    if let Some(images) = images {
        command.arg("--image").arg(images);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    (output.status.code().unwrap(), said)
}

#[test]
fn structures_to_labels_and_back() {
    for lay in [Lay::axial(), Lay::oblique()] {
        let case = case(&lay);
        let labels = case.folder.path().join("labels.nii.gz");
        let (code, said) = convert(&case.rtstruct, Some(&case.images), &labels, &[]);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("Überlappung and Rectum overlap in"), "{said}");
        let map = nifti::read_labels(&labels, &Progress::new()).unwrap();
        let map = map.on_grid(&case.series.volume.grid).unwrap();
        let masks = map.masks();
        let wanted = |index: usize| Mask::of_roi(&case.set.rois[index], &case.series.volume);
        let later = wanted(2);
        assert!(masks[&3].same_voxels(&later));
        assert!(masks[&2].same_voxels(&wanted(1).difference(&later)));

        // Back to contours: the same voxels under the same names.
        let back = case.folder.path().join("back.dcm");
        let (code, said) = convert(&labels, Some(&case.images), &back, &[]);
        assert_eq!(code, 0, "{said}");
        let read = delineo::dicom::read_rtstruct(&back, Some(&case.series)).unwrap().set;
        for (label, mask) in masks {
            let roi = &read.rois[usize::from(label) - 1];
            assert_eq!(roi.name, case.set.rois[usize::from(label) - 1].name);
            assert!(Mask::of_roi(roi, &case.series.volume).same_voxels(&mask), "{}", roi.name);
        }

        // One of them, by name.
        let one = case.folder.path().join("one.nii.gz");
        let (code, said) = convert(&case.rtstruct, Some(&case.images), &one, &["--rois", "Rectum"]);
        assert_eq!(code, 0, "{said}");
        let map = nifti::read_labels(&one, &Progress::new()).unwrap();
        assert_eq!(map.labels.iter().filter(|label| **label == 1).count(), later.count());
    }
}

#[test]
fn what_cannot_be_done_is_told_in_the_last_line() {
    let case = case(&Lay::axial());
    let at = |name: &str| case.folder.path().join(name);
    let images = Some(&*case.images);
    let refused = |input: &Path, images: Option<&Path>, out: &Path, more: &[&str], part: &str| {
        let (code, said) = convert(input, images, out, more);
        let last = said.trim_end().lines().last().unwrap_or_default().to_owned();
        assert_eq!(code, 1, "{said}");
        assert!(last.contains(part), "wanted \"{part}\": {said}");
    };
    let labels = at("labels.nii.gz");
    let (code, said) = convert(&case.rtstruct, None, &labels, &[]);
    assert!(code == 2 && said.contains("--image"), "wrong usage: {said}");
    refused(&case.rtstruct, Some(&case.rtstruct), &labels, &[], "no image series");
    refused(&at("none.dcm"), images, &labels, &[], "no such file");
    refused(&case.rtstruct, images, &labels, &["--rois", "Liver"], "no structure Liver, only Bladder_Wall");
    refused(&case.rtstruct, images, &at("labels.stl"), &[], "not supported yet");
    for nonsense in ["labels.txt", "labels"] {
        let (code, said) = convert(&case.rtstruct, images, &at(nonsense), &[]);
        assert!(code == 2 && said.contains(nonsense), "wrong usage: {said}");
    }
    refused(&case.rtstruct, images, &at("no/folder/labels.nii.gz"), &[], "labels.nii.gz");
    refused(&case.rtstruct, images, &case.rtstruct, &[], "already exists");
    assert_eq!(std::fs::read_dir(case.folder.path()).unwrap().count(), 2, "nothing left behind");

    // A label map of another size.
    let [ni, nj, nk] = case.series.volume.grid.dims();
    let grid = &case.series.volume.grid;
    let smaller = delineo::geometry::Grid::new(
        [ni - 1, nj, nk],
        grid.origin_mm(),
        [grid.step_mm(0), grid.step_mm(1), grid.step_mm(2)],
    )
    .unwrap();
    let map =
        LabelMap { labels: vec![1; smaller.len()], grid: smaller, names: Vec::new(), unreviewed: false };
    nifti::write_labels(&map, &labels, None, "test").unwrap();
    refused(&labels, images, &at("x.dcm"), &[], "63 x 48 x 12 voxels");
    refused(&case.rtstruct, images, &labels, &[], "already exists");
    let (code, said) = convert(&case.rtstruct, images, &labels, &["--force"]);
    assert_eq!(code, 0, "{said}");

    // Images of another frame of reference.
    let other = series("elsewhere", &Lay::axial());
    write_ct_series(&other, &at("other"), &Progress::new()).unwrap();
    refused(&case.rtstruct, Some(&at("other")), &at("y.nii.gz"), &[], "another frame of reference");
}

#[test]
fn what_nobody_reviewed_says_so_in_every_format() {
    use delineo::patient::{Approval, GenerationAlgorithm, Roi};
    let mut case = case(&Lay::axial());
    let at = |name: &str| case.folder.path().join(name);
    let images = Some(&*case.images);
    let approvals = |path: &Path| -> Vec<Approval> {
        let read = delineo::dicom::read_rtstruct(path, Some(&case.series)).unwrap().set;
        read.rois.iter().map(|roi| roi.approval).collect()
    };
    // Reviewed there and back.
    let (labels, back) = (at("labels.nii.gz"), at("back.dcm"));
    assert_eq!(convert(&case.rtstruct, images, &labels, &[]).0, 0);
    assert!(!nifti::read_labels(&labels, &Progress::new()).unwrap().unreviewed);
    assert_eq!(convert(&labels, images, &back, &[]).0, 0);
    assert!(approvals(&back).iter().all(|approval| *approval == Approval::Accepted));

    // One structure of the machine's among them.
    let mut one: Roi = Roi::clone(&case.set.rois[2]);
    one.generation = GenerationAlgorithm::Automatic;
    one.approval = Approval::Proposal;
    case.set.rois[2] = Arc::new(one);
    let unreviewed = at("unreviewed.dcm");
    write_rtstruct(&case.set, &case.series, &unreviewed, &WriteRtstructOptions::default()).unwrap();
    assert_eq!(approvals(&unreviewed), [Approval::Accepted, Approval::Accepted, Approval::Proposal]);
    let (labels, back) = (at("machine.nii.gz"), at("machine-back.dcm"));
    assert_eq!(convert(&unreviewed, images, &labels, &[]).0, 0);
    assert!(nifti::read_labels(&labels, &Progress::new()).unwrap().unreviewed);
    assert_eq!(convert(&labels, images, &back, &[]).0, 0);
    assert!(approvals(&back).iter().all(|approval| *approval == Approval::Proposal));
    let read = delineo::dicom::read_rtstruct(&back, Some(&case.series)).unwrap().set;
    assert_eq!(read.label, "AI unreviewed");
    assert!(read.rois.iter().all(|roi| roi.generation == GenerationAlgorithm::Automatic));
    // Of the reviewed ones alone the label map is reviewed.
    let some = at("some.nii.gz");
    assert_eq!(convert(&unreviewed, images, &some, &["--rois", "Bladder_Wall"]).0, 0);
    assert!(!nifti::read_labels(&some, &Progress::new()).unwrap().unreviewed);
}

#[test]
fn the_sidecar_of_another_program_is_not_overwritten() {
    let case = case(&Lay::axial());
    let at = |name: &str| case.folder.path().join(name);
    let sidecar = r#"{"Manufacturer": "x", "EchoTime": 0.03}"#;
    std::fs::write(at("seg.json"), sidecar).unwrap();
    for more in [&[][..], &["--force"]] {
        let (code, said) = convert(&case.rtstruct, Some(&case.images), &at("seg.nii.gz"), more);
        assert!(code == 1 && said.contains("seg.json"), "{said}");
        assert!(!at("seg.nii.gz").exists());
        assert_eq!(std::fs::read_to_string(at("seg.json")).unwrap(), sidecar);
    }
    // Our own is.
    std::fs::write(at("seg.json"), r#"{"1": "Heart"}"#).unwrap();
    let (code, said) = convert(&case.rtstruct, Some(&case.images), &at("seg.nii.gz"), &["--force"]);
    assert_eq!(code, 0, "{said}");
    assert!(std::fs::read_to_string(at("seg.json")).unwrap().contains("Rectum"));
}

#[test]
fn uneven_slices_need_a_word_of_consent() {
    let case = case(&Lay::uneven());
    let labels = case.folder.path().join("labels.nii.gz");
    let (code, said) = convert(&case.rtstruct, Some(&case.images), &labels, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("--resample") && !labels.exists(), "{said}");
    let (code, said) = convert(&case.rtstruct, Some(&case.images), &labels, &["--resample"]);
    assert_eq!(code, 0, "{said}");
    assert!(labels.exists());
}
