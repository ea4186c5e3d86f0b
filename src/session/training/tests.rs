//! Patients as clinics keep them: series beside series, structure sets beside structure sets.

use super::*;
use crate::ai::ModelPackage;
use crate::ai::train::loss::IGNORE;
use crate::dicom::{WriteRtstructOptions, write_ct_series, write_rtstruct};
use crate::formats::nifti;
use crate::geometry::{Grid, Point3, Vector3};
use crate::patient::{Approval, GenerationAlgorithm, LabelMap, Roi, RoiId, Series, StructureSet};
use crate::session::fixture::{plane_on, series_along, square};
use std::path::Path;
use std::sync::Arc;

/// The recipe that trains a fixture's model of nnU-Net further.
pub(super) fn recipe_of(training: &str) -> Recipe {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nnunet").join(training);
    Recipe::of_package(&ModelPackage::load(&folder).unwrap()).unwrap()
}

/// Four voxels in a row as a NIfTI file.
pub(super) fn write(folder: &Path, name: &str, labels: [u16; 4]) {
    let steps = [Vector3::x(), Vector3::y(), Vector3::z()];
    let grid = Grid::new([4, 1, 1], Point3::origin(), steps).unwrap();
    let map = LabelMap { grid, labels: labels.to_vec(), names: Vec::new(), unreviewed: false };
    std::fs::create_dir_all(folder).unwrap();
    nifti::write_labels(&map, &folder.join(name), None, "").unwrap();
}

#[test]
fn regions_lie_in_one_another_and_what_is_ignored_is_not_judged() {
    let folder = tempfile::tempdir().unwrap();
    let patient = folder.path().join("one");
    write(&patient, "image.nii.gz", [10, 20, 30, 40]);
    write(&patient, "labels.nii.gz", [0, 1, 3, 7]);
    let names = r#"{"1": "Whole", "3": "tip", "7": "ignore", "9": "else"}"#;
    std::fs::write(patient.join("labels.json"), names).unwrap();
    let recipe = recipe_of("aniso/nnUNetTrainer_250epochs__nnUNetPlans__3d_fullres");
    let training = TrainingFolder::open(folder.path(), &recipe, None).unwrap();
    let case = training.read("one", &Progress::new()).unwrap();
    assert_eq!(case.labels, [0, 0b001, 0b111, IGNORE]);
    // The core was not outlined: nobody knows how far it reaches.
    assert_eq!(case.known, [true, true, false, true]);
    assert_eq!(case.channels.len(), 1);
}

#[test]
fn each_channel_is_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let patient = folder.path().join("one");
    write(&patient, "image_0000.nii.gz", [1, 2, 3, 4]);
    write(&patient, "labels.nii.gz", [0, 1, 2, 0]);
    std::fs::write(patient.join("labels.json"), r#"{"1": "a", "2": "B"}"#).unwrap();
    let recipe = recipe_of("res2d/nnUNetTrainer__nnUNetPlans__2d");
    let training = TrainingFolder::open(folder.path(), &recipe, None).unwrap();
    let missing = training.read("one", &Progress::new()).unwrap_err();
    assert!(missing.contains("image_0001.nii.gz") && missing.contains("PET"), "{missing}");
    write(&patient, "image_0001.nii.gz", [5, 6, 7, 8]);
    let case = training.read("one", &Progress::new()).unwrap();
    let values: Vec<Vec<f32>> = case.channels.iter().map(|own| own.values.to_vec()).collect();
    assert_eq!(values, [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]);
    assert_eq!((case.labels, case.known), (vec![0, 1, 2, 0], vec![true, true, true, false]));
}

#[test]
fn the_split_is_the_seed_s_and_nobody_is_in_both() {
    let ids: Vec<String> = (0..20).map(|n| format!("p{n:02}")).collect();
    let (train, valid) = split(ids.clone(), 0.2, 1);
    assert_eq!((train.len(), valid.len()), (16, 4));
    assert!(valid.iter().all(|id| !train.contains(id)));
    assert_eq!(split(ids.clone(), 0.2, 1), (train, valid.clone()));
    assert_ne!(split(ids, 0.2, 2).1, valid);
    assert_eq!(split(vec!["a".into(), "b".into()], 0.2, 1).1.len(), 0);
}

/// The recipe of a model of nnU-Net that contours `a` and `b` on these images.
fn recipe_for(channels: &[&str]) -> Recipe {
    let mut recipe = recipe_of("torchres/nnUNetTrainer__nnUNetPlans__3d_fullres");
    recipe.nnunet.as_mut().unwrap().channels = channels.iter().map(|name| (*name).to_owned()).collect();
    recipe
}

/// A series of this UID with so many slices from z = 0 on.
fn series(uid: &str, slices: usize, distance_mm: f64) -> Series {
    let axes = [Vector3::x(), Vector3::y(), Vector3::z()];
    let mut series = series_along(axes, [100, 100, slices], [1.0, 1.0, distance_mm]);
    series.info.uid = uid.into();
    for (number, slice) in Arc::make_mut(&mut series.volume).slices.iter_mut().enumerate() {
        slice.instance.as_mut().unwrap().sop_instance_uid = format!("{uid}.{number}").into();
    }
    series
}

/// Writes a series as DICOM, of another modality than CT where wanted.
fn write_images(folder: &Path, series: &Series, modality: [u8; 2]) {
    std::fs::create_dir_all(folder).unwrap();
    for path in write_ct_series(series, folder, &Progress::new()).unwrap() {
        let mut bytes = std::fs::read(&path).unwrap();
        let tag = [0x08, 0x00, 0x60, 0x00];
        let at = bytes.windows(12).position(|own| own[..4] == tag && own[4..].windows(2).any(|w| w == b"CT"));
        let at = at.expect("the file states its modality");
        let text = at + 4 + bytes[at + 4..at + 12].windows(2).position(|own| own == b"CT").unwrap();
        bytes[text..text + 2].copy_from_slice(&modality);
        std::fs::write(&path, bytes).unwrap();
    }
}

/// Writes a structure set with a square of 20 mm for each name, on slices 5 to 9 of a series; its edges lie
/// midway between voxels.
fn write_set(path: &Path, series: &Series, rois: &[(&str, f64, Approval)]) {
    let roi = |(number, (name, x, approval)): (i32, &(&str, f64, Approval))| {
        let mut roi = Roi::new(RoiId(u64::try_from(number).unwrap()), number, *name, [200, 10, 10]);
        let drawn = |slice: usize| Arc::new(plane_on(series, slice, vec![square(*x + 0.5, 0.5, 20.0)]));
        roi.planes = (5..10).map(drawn).collect();
        roi.approval = *approval;
        if *approval == Approval::Proposal {
            roi.generation = GenerationAlgorithm::Automatic;
        }
        Arc::new(roi)
    };
    let set = StructureSet {
        label: "contours".into(),
        patient: series.info.patient.clone(),
        frame_of_reference_uid: series.info.frame_of_reference_uid.clone(),
        series_uid: Some(series.info.uid.clone()),
        sop_instance_uid: None,
        rois: (1..).zip(rois).map(roi).collect(),
    };
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_rtstruct(&set, series, path, &WriteRtstructOptions::default()).unwrap();
}

fn read_of(root: &Path, recipe: &Recipe) -> Result<Case, String> {
    TrainingFolder::open(root, recipe, None).unwrap().read("one", &Progress::new())
}

/// The first and last column and slice of a word.
fn reach(case: &Case, word: u16) -> [(usize, usize); 2] {
    let [ni, nj, _] = case.volume.grid.dims();
    let own = || case.labels.iter().enumerate().filter(|(_, own)| **own == word).map(|(place, _)| place);
    let range = |of: &dyn Fn(usize) -> usize| (own().map(of).min().unwrap(), own().map(of).max().unwrap());
    [range(&|place| place % ni), range(&|place| place / (ni * nj))]
}

const DONE: Approval = Approval::Accepted;

#[test]
fn a_label_map_that_nobody_reviewed_is_not_learnt() {
    let folder = tempfile::tempdir().unwrap();
    let patient = folder.path().join("one");
    write(&patient, "ct.nii.gz", [10, 20, 30, 40]);
    let steps = [Vector3::x(), Vector3::y(), Vector3::z()];
    let grid = Grid::new([4, 1, 1], Point3::origin(), steps).unwrap();
    let map = LabelMap { grid, labels: vec![0, 1, 1, 0], names: Vec::new(), unreviewed: true };
    nifti::write_labels(&map, &patient.join("labels.nii.gz"), None, "AI unreviewed (m 1)").unwrap();
    std::fs::write(patient.join("labels.json"), r#"{"1": "a"}"#).unwrap();
    let refused = read_of(folder.path(), &recipe_for(&["CT"])).unwrap_err();
    assert!(
        refused.starts_with("only unreviewed contours") && refused.contains("labels.nii.gz"),
        "{refused}"
    );
}

#[test]
fn accepted_contours_of_all_structure_sets_are_learnt_and_no_proposals() {
    let folder = tempfile::tempdir().unwrap();
    let (patient, images) = (folder.path().join("one"), series("2.25.41", 20, 3.0));
    write_images(&patient.join("CT"), &images, *b"CT");
    let proposals = [("a", -30.0, Approval::Proposal), ("b", -30.0, Approval::Proposal)];
    write_set(&patient.join("ai.dcm"), &images, &proposals);
    let recipe = recipe_for(&["CT"]);
    let refused = read_of(folder.path(), &recipe).unwrap_err();
    assert!(refused.starts_with("only unreviewed contours of a, b"), "{refused}");
    assert!(refused.contains("ai.dcm") && !refused.contains("synonyms"), "{refused}");

    write_set(&patient.join("organs.dcm"), &images, &[("A", 0.0, DONE), ("Rind", 0.0, DONE)]);
    let case = read_of(folder.path(), &recipe).unwrap();
    assert_eq!(case.known, [true, true, false]);
    let told = case.remarks.join("\n");
    assert!(told.contains("only unreviewed contours of b") && told.contains("ai.dcm"), "{told}");
    assert!(told.contains("not outlined: b; names that belong to no organ of the model: Rind"), "{told}");
    assert!(told.contains("organs.dcm") && !told.contains("will be exported"), "{told}");

    // The other label stands in a file of its own, which has the first one elsewhere, and more of them.
    write_set(&patient.join("targets.dcm"), &images, &[("b", 25.0, DONE), ("a", 10.0, DONE)]);
    let case = read_of(folder.path(), &recipe).unwrap();
    assert_eq!(case.known, [true; 3]);
    // Voxel 50 is x = 0, and the square goes from 0.5 to 20.5.
    assert_eq!(reach(&case, 1)[0].0, 51);
    assert_eq!(reach(&case, 2), [(66, 85), (5, 9)]);
    let told = case.remarks.join("\n");
    assert!(told.contains("A is taken from") && told.contains("targets.dcm"), "{told}");
    assert!(case.truncated.is_empty(), "{:?}", case.truncated);
}

#[test]
fn the_images_are_those_of_the_model_s_modality_that_contours_lie_on() {
    let folder = tempfile::tempdir().unwrap();
    let patient = folder.path().join("one");
    let (planning, diagnostic) = (series("2.25.41", 20, 3.0), series("2.25.42", 30, 3.0));
    let mr = series("2.25.43", 18, 3.0);
    write_images(&patient.join("planning"), &planning, *b"CT");
    write_set(&patient.join("planning.dcm"), &planning, &[("a", 0.0, DONE)]);
    let refused = read_of(folder.path(), &recipe_for(&["T1"])).unwrap_err();
    assert!(refused.contains("the model takes MR, here there is CT"), "{refused}");

    write_images(&patient.join("diagnostic"), &diagnostic, *b"CT");
    write_images(&patient.join("mr"), &mr, *b"MR");
    write_set(&patient.join("mr.dcm"), &mr, &[("b", 25.0, DONE)]);
    let of_ct = read_of(folder.path(), &recipe_for(&["CT"])).unwrap();
    assert_eq!((of_ct.volume.grid.dims()[2], of_ct.known), (20, vec![true, true, false]));
    let of_mr = read_of(folder.path(), &recipe_for(&["MR T1"])).unwrap();
    assert_eq!((of_mr.volume.grid.dims()[2], of_mr.known), (18, vec![true, false, true]));
    // Of both, the contours on either are learnt, on the planning CT.
    let of_both = read_of(folder.path(), &recipe_for(&["CT", "T1"])).unwrap();
    assert_eq!((of_both.volume.grid.dims()[2], of_both.channels.len()), (20, 2));
    assert_eq!(of_both.known, [true; 3]);
    assert_eq!(reach(&of_both, 2), [(66, 85), (5, 9)]);
}

#[test]
fn contours_of_the_same_frame_belong_to_images_with_a_new_uid() {
    let folder = tempfile::tempdir().unwrap();
    let patient = folder.path().join("one");
    // 20 slices 3 mm apart; the set was drawn on others, 2 mm apart from z = 10 to 18 mm.
    write_images(&patient.join("CT"), &series("2.25.41", 20, 3.0), *b"CT");
    let drawn_on = series("2.25.99", 29, 2.0);
    write_set(&patient.join("set.dcm"), &drawn_on, &[("a", 0.0, DONE)]);
    let recipe = recipe_for(&["CT"]);
    let case = read_of(folder.path(), &recipe).unwrap();
    assert_eq!(case.known, [true, true, false]);
    // From 9 to 19 mm there are the slices at 9 (on the edge), 12, 15 and 18 mm.
    let [(left, right), (low, high)] = reach(&case, 1);
    assert_eq!((right - left, high), (19, 6));
    assert!(low == 3 || low == 4, "{low}");
    assert!(case.remarks.iter().any(|told| told.contains("cut anew")), "{:?}", case.remarks);

    // A set of images that are there, but not the model's, is none of theirs.
    write_images(&patient.join("other"), &drawn_on, *b"MR");
    let refused = read_of(folder.path(), &recipe).unwrap_err();
    assert!(refused.contains("are of other images than the series 2.25.41"), "{refused}");
}

#[test]
fn what_reaches_the_end_of_the_scan_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let (patient, images) = (folder.path().join("one"), series("2.25.41", 10, 3.0));
    write_images(&patient.join("CT"), &images, *b"CT");
    // Slices 5 to 9 are the last five; the second reaches over the right edge too.
    write_set(&patient.join("set.dcm"), &images, &[("a", 0.0, DONE), ("b", 40.0, DONE)]);
    assert_eq!(read_of(folder.path(), &recipe_for(&["CT"])).unwrap().truncated, [1, 2]);
    let larger = series("2.25.42", 20, 3.0);
    let other = folder.path().join("two");
    write_images(&other.join("CT"), &larger, *b"CT");
    write_set(&other.join("set.dcm"), &larger, &[("a", 0.0, DONE), ("b", 42.0, DONE)]);
    let training = TrainingFolder::open(folder.path(), &recipe_for(&["CT"]), None).unwrap();
    assert_eq!(training.read("two", &Progress::new()).unwrap().truncated, [2]);
}

#[test]
fn patients_whose_names_match_nothing_are_left_out_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let (patient, images) = (folder.path().join("one"), series("2.25.41", 20, 3.0));
    write_images(&patient.join("CT"), &images, *b"CT");
    let recipe = recipe_for(&["CT"]);
    let refused = read_of(folder.path(), &recipe).unwrap_err();
    assert!(refused.contains("there is no RT Structure Set of the series 2.25.41 (CT)"), "{refused}");
    write_set(&patient.join("set.dcm"), &images, &[("Herz", 0.0, DONE), ("Leber", 10.0, DONE)]);
    let refused = read_of(folder.path(), &recipe).unwrap_err();
    assert!(refused.contains("Herz, Leber") && refused.contains("[synonyms]"), "{refused}");
    assert!(refused.ends_with("set.dcm"), "{refused}");

    let other = folder.path().join("two");
    write(&other, "ct.nii.gz", [1, 2, 3, 4]);
    write(&other, "labels.nii.gz", [0, 1, 2, 7]);
    let training = TrainingFolder::open(folder.path(), &recipe, None).unwrap();
    let nameless = training.read("two", &Progress::new()).unwrap_err();
    assert!(nameless.contains("labels.json") && nameless.contains("folder of all patients"), "{nameless}");
    // One file with the names serves all patients.
    std::fs::write(folder.path().join("labels.json"), r#"{"1": "a", "2": "Herz"}"#).unwrap();
    let case = training.read("two", &Progress::new()).unwrap();
    assert_eq!((&case.labels[..], &case.known[..]), (&[0, 1, 0, 0][..], &[true, true, false][..]));
    let told = case.remarks.join("\n");
    assert!(told.contains("not outlined: b; names that belong to no organ of the model: Herz, the value 7"));
    std::fs::write(folder.path().join("labels.json"), r#"{"1": "Leber", "2": "Herz"}"#).unwrap();
    let refused = training.read("two", &Progress::new()).unwrap_err();
    assert!(refused.contains("Leber, Herz") && refused.contains("[synonyms]"), "{refused}");
}

#[test]
fn a_data_set_in_nnu_net_s_own_layout_has_a_patient_a_case() {
    let folder = tempfile::tempdir().unwrap();
    let (images, labels) = (folder.path().join("imagesTr"), folder.path().join("labelsTr"));
    for case in ["x_001", "x_002"] {
        write(&images, &format!("{case}_0000.nii.gz"), [1, 2, 3, 4]);
        write(&labels, &format!("{case}.nii.gz"), [0, 1, 2, 3]);
    }
    let recipe = recipe_of("aniso/nnUNetTrainer_250epochs__nnUNetPlans__3d_fullres");
    let told = |text: &str| std::fs::write(folder.path().join("dataset.json"), text).unwrap();
    let open = || TrainingFolder::open(folder.path(), &recipe, None);
    assert!(open().unwrap_err().to_string().contains("dataset.json"));
    told(r#"{"channel_names": {"0": "PET"}, "labels": {"background": 0}, "file_ending": ".nii.gz"}"#);
    assert!(open().unwrap_err().to_string().contains("its channels are PET, the model's CT"));
    told(
        r#"{"channel_names": {"0": "CT"}, "file_ending": ".nii.gz",
            "labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "tip": [3]}}"#,
    );
    let training = open().unwrap();
    assert_eq!(training.train(), ["x_001", "x_002"]);
    let case = training.read("x_002", &Progress::new()).unwrap();
    assert_eq!((&case.labels[..], &case.known[..]), (&[0, 0b001, 0b011, 0b111][..], &[true; 4][..]));
    std::fs::remove_file(images.join("x_001_0000.nii.gz")).unwrap();
    let missing = training.read("x_001", &Progress::new()).unwrap_err();
    assert!(missing.contains("x_001_0000.nii.gz"), "{missing}");

    // Channels in another order are others.
    told(
        r#"{"channel_names": {"0": "T2", "1": "T1"}, "labels": {"background": 0, "a": 1}, "file_ending": ".nii.gz"}"#,
    );
    let swapped = TrainingFolder::open(folder.path(), &recipe_for(&["T1", "T2"]), None).unwrap_err();
    assert!(swapped.to_string().contains("its channels are T2, T1, the model's T1, T2"), "{swapped}");
    assert!(TrainingFolder::open(folder.path(), &recipe_for(&["T2w", "MR"]), None).is_ok());

    // Labels have one value each, as the first version of the file names them too.
    let recipe = recipe_for(&["CT"]);
    told(r#"{"modality": {"0": "CT"}, "labels": {"0": "background", "1": "b", "2": "a", "3": "ignore"}}"#);
    let training = TrainingFolder::open(folder.path(), &recipe, None).unwrap();
    let case = training.read("x_002", &Progress::new()).unwrap();
    assert_eq!((&case.labels[..], &case.known[..]), (&[0, 2, 1, IGNORE][..], &[true; 3][..]));
}

/// Gives a structure set, which is stored in implicit VR, this Structure Set Date.
fn date(path: &Path, date: [u8; 8]) {
    let mut bytes = std::fs::read(path).unwrap();
    let tag = [0x06, 0x30, 0x08, 0x00, 8, 0, 0, 0];
    let at = bytes.windows(8).position(|own| own == tag).expect("the file states its date") + 8;
    bytes[at..at + 8].copy_from_slice(&date);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn of_equal_structure_sets_the_newest_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (patient, images) = (folder.path().join("one"), series("2.25.41", 20, 3.0));
    write_images(&patient.join("CT"), &images, *b"CT");
    let (first, second) = (patient.join("first.dcm"), patient.join("second.dcm"));
    write_set(&first, &images, &[("a", 0.0, DONE)]);
    write_set(&second, &images, &[("a", 10.0, DONE)]);
    let recipe = recipe_for(&["CT"]);
    for (dates, left) in [([*b"20240101", *b"20250101"], 51), ([*b"20250102", *b"20250101"], 41)] {
        date(&first, dates[0]);
        date(&second, dates[1]);
        assert_eq!(reach(&read_of(folder.path(), &recipe).unwrap(), 1)[0].0, left, "{dates:?}");
    }
}

/// An MR series of a description, written for a patient.
fn described(patient: &Path, uid: &str, slices: usize, description: &str) -> Series {
    let mut series = series(uid, slices, 3.0);
    description.clone_into(&mut series.info.description);
    write_images(&patient.join(uid), &series, *b"MR");
    series
}

#[test]
fn series_of_one_modality_are_told_apart_by_their_descriptions() {
    let folder = tempfile::tempdir().unwrap();
    let patient = folder.path().join("one");
    let named = |uid: &str, slices, description: &str| described(&patient, uid, slices, description);
    let t1 = named("2.25.41", 20, "t1_vibe tra");
    write_set(&patient.join("set.dcm"), &t1, &[("a", 0.0, DONE)]);
    let recipe = recipe_for(&["T1", "T2"]);
    // One series is not both.
    let refused = read_of(folder.path(), &recipe).unwrap_err();
    assert!(refused.contains("the channel 1 (T2)") && refused.contains("t1_vibe tra"), "{refused}");
    named("2.25.42", 24, "T2W tse");
    let case = read_of(folder.path(), &recipe).unwrap();
    // The contours lie on the first, so the second is brought onto its voxels.
    assert_eq!((case.volume.grid.dims()[2], case.channels.len()), (20, 2));
    let told = case.remarks.join("\n");
    assert!(told.contains("0 (T1) is \"t1_vibe tra\" (MR, 2.25.41)"), "{told}");
    assert!(told.contains("1 (T2) is \"T2W tse\" (MR, 2.25.42)"), "{told}");

    // A second series of the same name makes it unclear; the remedy and both are said.
    named("2.25.43", 22, "T2 tse fs");
    let refused = read_of(folder.path(), &recipe).unwrap_err();
    for part in ["the channel 1 (T2)", "T2W tse", "T2 tse fs", "2.25.43", "--channel N=TEXT", "nnunet.series"]
    {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert!(!refused.contains("t1_vibe"), "{refused}");
    let with = |told: &[(usize, &str)]| {
        let mut recipe = recipe_for(&["T1", "T2"]);
        let told: Vec<(usize, String)> = told.iter().map(|(n, text)| (*n, (*text).to_owned())).collect();
        recipe.tell_series(&told).map(|()| recipe)
    };
    let case = read_of(folder.path(), &with(&[(1, "fs")]).unwrap()).unwrap();
    assert_eq!(case.channels.len(), 2);
    assert!(!case.remarks.join("\n").contains("1 (T2) is"), "what was told is not told back");
    // Of several texts the first counts that finds one.
    assert!(read_of(folder.path(), &with(&[(1, "dixon"), (1, "T2W")]).unwrap()).is_ok());
    let refused = read_of(folder.path(), &with(&[(1, "dixon")]).unwrap()).unwrap_err();
    assert!(refused.contains("told as \"dixon\"") && refused.contains("t1_vibe tra"), "{refused}");
    // Both cannot be the same one.
    let refused = read_of(folder.path(), &with(&[(0, "vibe"), (1, "t1")]).unwrap()).unwrap_err();
    assert!(refused.contains("would be the channels 0 (T1) and 1 (T2)"), "{refused}");
    let beyond = with(&[(2, "x")]).unwrap_err();
    assert!(beyond.contains("no channel 2; it has 0 (T1), 1 (T2)"), "{beyond}");
    // Of one channel what was told, or its name, chooses too, wherever the contours lie.
    let mut alone = recipe_for(&["T1"]);
    assert_eq!(read_of(folder.path(), &alone).unwrap().volume.grid.dims()[2], 20);
    alone.tell_series(&[(0, "2.25.43".to_owned())]).unwrap();
    assert!(read_of(folder.path(), &alone).unwrap_err().contains("2.25.43"));
    alone.tell_series(&[(0, "dixon".to_owned())]).unwrap();
    let refused = read_of(folder.path(), &alone).unwrap_err();
    assert!(
        refused.contains("what was told of the channel 0 (T1)") && refused.contains("T2 tse fs"),
        "{refused}"
    );
    let kept = Recipe::parse(&toml::to_string(&alone).unwrap()).unwrap();
    assert_eq!(kept.series(0), ["dixon"]);
}

#[test]
fn a_series_that_contradicts_the_name_is_refused_and_the_only_right_answer_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let patient = folder.path().join("one");
    let named = |uid: &str, slices, description: &str| described(&patient, uid, slices, description);
    let after = named("2.25.41", 20, "t1_vibe post gd");
    write_set(&patient.join("set.dcm"), &after, &[("a", 0.0, DONE)]);
    let with = |names: &[&str], told: &[(usize, &str)]| {
        let mut recipe = recipe_for(names);
        let told: Vec<(usize, String)> = told.iter().map(|(n, text)| (*n, (*text).to_owned())).collect();
        recipe.tell_series(&told).unwrap();
        recipe
    };
    let refused = |recipe: &Recipe| read_of(folder.path(), recipe).unwrap_err();
    // Of one channel and of several: what it is, and the remedy.
    for names in [&["T1"][..], &["T1", "FLAIR"]] {
        let refused = refused(&with(names, &[]));
        for part in ["0 (T1)", "\"t1_vibe post gd\"", "which is after contrast", "--channel N=TEXT"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
    }
    assert!(read_of(folder.path(), &with(&["T1"], &[(0, "gd")])).is_ok(), "a person's word holds");

    // T2 is the plain one, though FLAIR has the word; nobody asks.
    named("2.25.42", 24, "T2 FLAIR tra");
    named("2.25.43", 22, "T2 tse tra");
    let case = read_of(folder.path(), &with(&["T1ce", "T2"], &[])).unwrap();
    let told = case.remarks.join("\n");
    assert!(told.contains("1 (T2) is \"T2 tse tra\"") && told.contains("0 (T1ce) is"), "{told}");
    // The first can be any of three, also the open one; the others leave two of them, or one.
    let told = [(0, "t"), (1, "vibe")];
    let unclear = refused(&with(&["T1ce", "T2"], &told));
    assert!(unclear.contains("the channel 0 (T1ce, told as \"t\")"), "{unclear}");
    assert!(unclear.contains("2.25.42") && !unclear.contains("2.25.41"), "{unclear}");
    let case = read_of(folder.path(), &with(&["T1ce", "T2", "FLAIR"], &told)).unwrap();
    assert_eq!((case.channels.len(), case.volume.grid.dims()[2]), (3, 20));
    // Contours on a series that cannot be the channel are told with it, where another one can.
    named("2.25.44", 26, "t1_tse tra");
    let elsewhere = refused(&with(&["T1"], &[]));
    assert!(elsewhere.contains("are of other images than the series 2.25.44"), "{elsewhere}");
    assert!(
        elsewhere.contains("but of \"t1_vibe post gd\"") && elsewhere.contains("--channel"),
        "{elsewhere}"
    );
    // A series that is not told apart is taken by its modality alone, and that is said.
    let other = folder.path().join("two");
    let mut nameless = series("2.25.51", 20, 3.0);
    "series 7".clone_into(&mut nameless.info.description);
    write_images(&other.join("mr"), &nameless, *b"MR");
    write_set(&other.join("set.dcm"), &nameless, &[("a", 0.0, DONE)]);
    let training = TrainingFolder::open(folder.path(), &recipe_for(&["T1"]), None).unwrap();
    let case = training.read("two", &Progress::new()).unwrap();
    let told = case.remarks.join("\n");
    assert!(told.contains("by its modality alone") && told.contains("0 (T1) is \"series 7\""), "{told}");
}

#[test]
fn a_patient_whom_an_index_lists_twice_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let index = |ids: [&str; 2]| {
        let [a, b] = ids;
        let text = format!(
            r#"{{"labels": {{"1": "a"}}, "patients": [{{"id": "{a}", "split": "train"}}, {{"id": "{b}", "split": "valid"}}]}}"#
        );
        std::fs::write(folder.path().join("index.json"), text).unwrap();
        TrainingFolder::open(folder.path(), &recipe_for(&["CT"]), None)
    };
    let both = index(["one", "two"]).unwrap();
    assert_eq!((both.train(), both.valid()), (&["one".to_owned()][..], &["two".to_owned()][..]));
    let refused = index(["one", "one"]).unwrap_err().to_string();
    assert!(
        refused.contains("the patient one is there twice") && refused.contains("index.json"),
        "{refused}"
    );
}
