//! The command line's contract as scripts rely on it: exit codes, one JSON document, the last line
//! on standard error, nothing overwritten.
#![allow(missing_docs, reason = "tests")]

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[path = "shared/ball.rs"]
mod ball;
#[path = "shared/dose.rs"]
mod dose;

fn delineo(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_delineo")).args(arguments).output().unwrap();
    assert!(!error_of(&output).contains("panicked"), "{arguments:?}: {}", error_of(&output));
    output
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// Exactly one document on standard output.
fn document(output: &Output) -> serde_json::Value {
    assert_eq!(code(output), 0, "{}", error_of(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Not done, and the last line says so with this in it.
fn refused(arguments: &[&str], part: &str) {
    let output = delineo(arguments);
    let said = error_of(&output);
    assert_eq!(code(&output), 1, "{arguments:?}: {said}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let last = said.trim_end().lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && last.contains(part), "{arguments:?}: {said}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_body_from_images_to_files_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let images = ball::write_ball(folder.path());
    let at = |name: &str| folder.path().join(name);
    let (rtstruct, labels) = (at("body.dcm"), at("body.nii.gz"));
    let info = document(&delineo(&["info", text(&images), "--json"]));
    assert_eq!(info["series"].as_array().unwrap().len(), 1);
    assert_eq!(info["series"][0]["modality"], "CT");

    let contour = [
        "contour",
        text(&images),
        "--model",
        "body",
        "--out",
        text(&rtstruct),
        "--labels",
        text(&labels),
        "--json",
        "--device",
        "cpu",
    ];
    let said = document(&delineo(&contour));
    assert_eq!(said["model"], "body");
    assert_eq!(said["rois"][0]["name"], "Body");
    assert!(said["seconds"]["total"].as_f64().unwrap() > 0.0);
    assert!(said["rois"][0]["contours"].as_u64().unwrap() >= 12);
    let names: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(at("body.json")).unwrap()).unwrap();
    assert_eq!(names, serde_json::json!({ "1": "Body" }));
    let mut header = [0; 348];
    flate2::read::GzDecoder::new(std::fs::File::open(&labels).unwrap()).read_exact(&mut header).unwrap();
    assert!(header[148..228].starts_with(b"AI unreviewed (body"), "the label map says so itself");
    // A second time nothing is overwritten.
    refused(&contour, "already exists");

    let compare = ["compare", text(&rtstruct), text(&labels), "--image", text(&images), "--json"];
    let report = document(&delineo(&compare));
    assert_eq!(report["rois"][0]["name"], "Body");
    assert_eq!(report["rois"][0]["dice"], 1.0);
    let table = delineo(&compare[..5]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("Body"));
}

#[test]
fn the_outline_of_the_body_goes_as_far_as_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let images = ball::write_ball(folder.path());
    let rois = |more: &[&str]| {
        let contour = ["contour", text(&images), "--model", "body", "--device", "cpu", "--json"];
        document(&delineo(&[&contour[..], more].concat()))
    };
    let patient = rois(&[]);
    assert_eq!(patient["rois"], rois(&["--extent", "patient"])["rois"]);
    let out = folder.path().join("wide.dcm");
    let wide = rois(&["--extent", "couch", "--out", text(&out)]);
    // There is neither mask nor couch, and that is said.
    let volume = |document: &serde_json::Value| document["rois"][0]["volume_cc"].as_f64().unwrap();
    assert!((volume(&wide) / volume(&patient) - 1.0).abs() < 0.01, "{wide}");
    let says = |document: &serde_json::Value| document["warnings"].to_string().contains("no couch");
    assert!(says(&wide) && !says(&patient), "{wide}");
    let series = ball::series();
    let set = delineo::dicom::read_rtstruct(&out, Some(&series)).unwrap().set;
    assert!(set.rois[0].description.starts_with("body with immobilisation and couch"));
    // Another word, another model.
    for arguments in [["body", "--extent", "table"], ["sample-body", "--extent", "couch"]] {
        let output = delineo(&[&["contour", text(&images), "--model"][..], &arguments].concat());
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(error_of(&output).contains("extent"), "{}", error_of(&output));
    }
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let words = folder.path().join("words");
    std::fs::create_dir(&words).unwrap();
    std::fs::write(words.join("notes.txt"), "no images").unwrap();
    let images = ball::write_ball(folder.path());
    for path in [&empty, &words] {
        refused(&["info", text(path)], text(path));
        refused(&["contour", text(path), "--model", "body"], text(path));
    }
    refused(&["info", "/no/such/folder"], "/no/such/folder");
    refused(&["contour", text(&images), "--model", "body", "--series", "1.2.3"], "1.2.3");
    refused(&["contour", text(&images), "--model", "nothing"], "nothing");
    refused(&["contour", text(&images), "--model", "body", "--fold", "0"], "no folds");
    refused(&["contour", text(&images), "--model", "head-neck", "--fold", "0"], "without folds");
    let odd = ["model", "import", text(folder.path()), "--orientation", "LAR"];
    assert_eq!(code(&delineo(&odd)), 2);
    let lost = folder.path().join("no/folder/x.dcm");
    refused(&["contour", text(&images), "--model", "body", "--out", text(&lost)], "x.dcm");
}

#[test]
fn wrong_usage_has_a_code_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let images = ball::write_ball(folder.path());
    let contour = ["contour", text(&images), "--model", "body", "--out", "x.nii"];
    let file = folder.path().join("x.dcm");
    std::fs::write(&file, "").unwrap();
    let two = ["compare", text(&file), text(&file)];
    let tolerance = ["compare", "a", "b", "--tolerance", "-1"];
    let picture = ["render", text(&images), "--view", "axial", "--out", "x.jpg"];
    let ending = ["convert", text(&file), "--image", text(&images), "--out", "x.txt"];
    let labels = ["convert", "a.nii.gz", "--image", text(&images), "--out", "b.nii.gz"];
    assert_eq!(code(&delineo(&["bench", "nonsense"])), 2);
    for arguments in [&picture[..], &ending, &labels] {
        let output = delineo(arguments);
        assert!(code(&output) == 2 && error_of(&output).starts_with("error: "), "{arguments:?}");
    }
    for arguments in [&["nonsense"][..], &["info"], &["contour", "x"], &contour, &two, &tolerance] {
        assert_eq!(code(&delineo(arguments)), 2, "{arguments:?}");
    }
}

/// The keys of an object, sorted.
fn keys(value: &serde_json::Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Whether an object has all of these keys (more may be added).
fn has_keys(value: &serde_json::Value, wanted: &[&str]) {
    let missing: Vec<_> = wanted.iter().filter(|key| value.get(key).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?} of {:?}", keys(value));
}

#[test]
fn every_document_has_the_keys_of_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let images = ball::write_ball(folder.path());
    let (out, labels) = (folder.path().join("body.dcm"), folder.path().join("body.nii.gz"));
    let contour =
        ["contour", text(&images), "--model", "body", "--out", text(&out), "--labels", text(&labels)];
    let contours = document(&delineo(&[&contour[..], &["--device", "gpu", "--json"]].concat()));
    has_keys(&contours, &["model", "device", "seconds", "peak_memory_mb", "rois", "warnings"]);
    has_keys(&contours["seconds"], &["read", "preprocess", "infer", "postprocess", "write", "total"]);
    has_keys(&contours["rois"][0], &["name", "volume_cc", "contours"]);
    let warnings = contours["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|said| said.as_str().unwrap().contains("on the processor")), "{warnings:?}");

    std::fs::rename(&out, images.join("body.dcm")).unwrap();
    let dose = dose::RtDose::new([-20.0, -20.0, -6.0], [9, 9], [5.0, 5.0], vec![0.0, 6.0, 12.0]);
    dose.filled(|_| 50.0).write(&images, "dose.dcm");
    let info = document(&delineo(&["info", text(&images), "--json"]));
    has_keys(&info, &["series", "structure_sets", "doses", "warnings"]);
    let series = [
        "series_uid",
        "study_uid",
        "patient_id",
        "modality",
        "description",
        "slices",
        "size",
        "spacing_mm",
        "orientation",
        "origin_mm",
        "frame_of_reference_uid",
        "path",
    ];
    has_keys(&info["series"][0], &series);
    assert_eq!(info["series"][0]["orientation"].as_array().unwrap().len(), 6);
    has_keys(&info["structure_sets"][0], &["sop_uid", "label", "series_uid", "rois"]);
    has_keys(&info["structure_sets"][0]["rois"][0], &["number", "name", "type", "color", "contours"]);
    let keys = ["sop_uid", "patient_id", "study_uid", "frame_of_reference_uid", "size", "units", "path"];
    has_keys(&info["doses"][0], &keys);
    has_keys(&info["doses"][0], &["dose_type", "summation_type", "beam_number", "description", "usable"]);
    assert_eq!(info["doses"][0]["usable"], true);
    // NIfTI: the same keys, and a word on what it was taken for.
    let nifti = document(&delineo(&["info", text(&labels), "--json"]));
    has_keys(&nifti["series"][0], &series);
    has_keys(&nifti["warnings"][0], &["path", "message"]);

    let rtstruct = images.join("body.dcm");
    let compare = ["compare", text(&rtstruct), text(&labels), "--image", text(&images), "--json"];
    let report = document(&delineo(&compare));
    has_keys(&report, &["tolerance_mm", "rois", "only_in_a", "only_in_b", "mean"]);
    has_keys(&report["mean"], &["dice", "surface_dice", "hd95_mm"]);
    let measures = ["dice", "surface_dice", "hd95_mm", "mean_distance_mm", "added_path_length_mm"];
    has_keys(&report["rois"][0], &measures);
    has_keys(&report["rois"][0], &["name", "volume_a_cc", "volume_b_cc"]);

    let models = document(&delineo(&["model", "list", "--json"]));
    let model =
        ["id", "title", "version", "organs", "modality", "license", "source", "training_data", "installed"];
    models["models"].as_array().unwrap().iter().for_each(|own| has_keys(own, &model));
}

#[test]
fn what_is_odd_about_the_images_is_said_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let images = ball::write_ball(folder.path());
    let at = |name: &str| folder.path().join(name);
    let (rtstruct, picture) = (at("body.dcm"), at("a.png"));
    let contour = ["contour", text(&images), "--model", "body", "--out", text(&rtstruct)];
    assert_eq!(code(&delineo(&contour)), 0);
    std::fs::remove_file(images.join("CT_0005.dcm")).unwrap();
    let (compare, convert) = (
        ["compare", text(&rtstruct), text(&rtstruct), "--image", text(&images), "--json"],
        ["convert", text(&rtstruct), "--image", text(&images), "--out", text(&at("a.nii.gz"))]
            .map(str::to_owned),
    );
    let convert: Vec<&str> = convert.iter().map(String::as_str).collect();
    let render = [
        "render",
        text(&images),
        "--view",
        "axial",
        "--size",
        "64x64",
        "--device",
        "cpu",
        "--out",
        text(&picture),
    ];
    for arguments in [&["info", text(&images)][..], &compare, &convert, &render] {
        let output = delineo(arguments);
        assert_eq!(code(&output), 0, "{}", error_of(&output));
        let said = error_of(&output) + &String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("CT_0004.dcm") && said.contains("missing"), "{arguments:?}: {said}");
        // No bar where nobody watches it.
        assert!(!error_of(&output).contains(['\r', '\u{1b}', '\u{2588}']), "{arguments:?}: {said}");
    }
    let report = document(&delineo(&compare));
    assert!(report["warnings"][0].as_str().unwrap().contains("CT_0004.dcm"), "{report}");
}

#[test]
fn a_series_is_chosen_by_its_uid() {
    use delineo::dicom::write_ct_series;
    let folder = tempfile::tempdir().unwrap();
    ball::write_ball(folder.path());
    let mut other = ball::series();
    other.info.uid = "2.25.99".into();
    other.info.study.uid = "2.25.98".into();
    let volume = std::sync::Arc::make_mut(&mut other.volume);
    for (n, slice) in volume.slices.iter_mut().enumerate() {
        slice.instance.as_mut().unwrap().sop_instance_uid = format!("2.25.9{n:03}").into();
        slice.missing = n > 8;
    }
    write_ct_series(&other, &folder.path().join("other"), &delineo::progress::Progress::new()).unwrap();
    let contours = |more: &[&str]| {
        let contour = ["contour", text(folder.path()), "--model", "body", "--json"];
        delineo(&[&contour[..], more].concat())
    };
    // Without a word the one with the most slices, and that is said.
    let unsaid = contours(&[]);
    assert!(error_of(&unsaid).contains("2.25.72"), "{}", error_of(&unsaid));
    assert_eq!(document(&unsaid)["rois"][0]["contours"], 12);
    for (uid, count) in [("2.25.72", 12), ("2.25.99", 9)] {
        let output = contours(&["--series", uid]);
        assert_eq!(document(&output)["rois"][0]["contours"], count, "{uid}");
    }
    assert_eq!(code(&contours(&["--series", "2.25.7"])), 1);
}

#[test]
fn both_files_of_contour_or_neither() {
    let folder = tempfile::tempdir().unwrap();
    let images = ball::write_ball(folder.path());
    let at = |name: &str| folder.path().join(name);
    let (out, labels, sidecar) = (at("body.dcm"), at("body.nii.gz"), at("body.json"));
    let contour =
        ["contour", text(&images), "--model", "body", "--out", text(&out), "--labels", text(&labels)];
    assert_eq!(code(&delineo(&contour)), 0);
    let before = [&out, &labels, &sidecar].map(|path| std::fs::read(path).unwrap());
    assert_eq!(code(&delineo(&[&contour[..], &["--force"]].concat())), 0);
    assert_ne!(std::fs::read(&out).unwrap(), before[0], "a new file has new UIDs");
    // Where the names cannot be written the RTSTRUCT stays.
    let kept = std::fs::read(&out).unwrap();
    std::fs::write(&sidecar, "[1, 2]").unwrap();
    refused(&[&contour[..], &["--force"]].concat(), "body.json");
    assert_eq!(std::fs::read(&out).unwrap(), kept);
    assert_eq!(std::fs::read(&labels).unwrap(), before[1]);
    assert_eq!(std::fs::read(&sidecar).unwrap(), b"[1, 2]");
}

/// The program where there is no graphics driver and no display.
fn without_graphics(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_delineo"))
        .args(arguments)
        .env("VK_DRIVER_FILES", "/nonexistent")
        .env("VK_ICD_FILENAMES", "/nonexistent")
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .output()
        .unwrap();
    assert!(!error_of(&output).contains("panicked"), "{arguments:?}: {}", error_of(&output));
    output
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_driver_or_a_display_it_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let images = ball::write_ball(folder.path());
    let picture = folder.path().join("a.png");
    let render = ["render", text(&images), "--view", "axial", "--size", "64x64", "--out", text(&picture)];
    let output = without_graphics(&render);
    assert_eq!(code(&output), 0, "{}", error_of(&output));
    assert!(error_of(&output).contains("drawn on CPU"), "{}", error_of(&output));
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
    let network = ["contour", text(&images), "--model", "head-neck", "--device", "gpu", "--json"];
    for (arguments, part) in [(&network[..], "graphics device"), (&["open", text(&images)], "display")] {
        let output = without_graphics(arguments);
        let said = error_of(&output);
        assert_eq!(code(&output), 1, "{arguments:?}: {said}");
        assert!(output.stdout.is_empty());
        let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].to_lowercase().contains(part), "{arguments:?}: {said}");
        assert_eq!(said.trim_end().lines().last(), errors.first().copied(), "{arguments:?}: {said}");
    }
}

#[test]
fn the_demonstration_does_the_whole_job() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let output = delineo(&["demo", "--out", text(&out)]);
    assert_eq!(code(&output), 0, "{}", error_of(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in ["axial", "sagittal", "coronal", "3d"] {
        let picture = out.join(format!("{name}.png"));
        assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"), "{name}");
        assert!(said.contains(text(&picture)), "{said}");
    }
    let device = said.lines().find_map(|line| line.strip_prefix("pictures drawn on:")).unwrap();
    assert!(!device.trim().is_empty(), "{said}");
    assert!(said.contains("synthetic") && said.contains("Not a cleared medical device"), "{said}");
    let progress = delineo::progress::Progress::new();
    let study = delineo::session::study::Study::open(&[out.join("CT")], None, &progress).unwrap();
    let read = |name: &str| delineo::dicom::read_rtstruct(&out.join(name), Some(&study.series)).unwrap().set;
    let (contours, reference) = (read("contours.dcm"), read("reference.dcm"));
    assert_eq!(contours.label, "AI unreviewed");
    assert!(contours.rois.len() >= 20 && reference.rois.len() >= 24);
    let liver = |set: &delineo::patient::StructureSet| {
        let roi = set.rois.iter().find(|roi| roi.name == "Liver").unwrap();
        delineo::patient::Mask::of_roi(roi, &study.series.volume)
    };
    assert!(delineo::metrics::dice(&liver(&contours), &liver(&reference)).unwrap() > 0.9);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_no_half_file() {
    let folder = tempfile::tempdir().unwrap();
    let images = ball::write_ball(folder.path());
    let at = |name: &str| folder.path().join(name);
    let (rtstruct, mount) = (at("body.dcm"), at("small"));
    assert_eq!(code(&delineo(&["contour", text(&images), "--model", "body", "--out", text(&rtstruct)])), 0);
    std::fs::create_dir(&mount).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16k", "tmpfs"]).arg(&mount).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("skipped: no right to mount a small disk");
        return;
    }
    let (labels, picture) = (mount.join("labels.nii"), mount.join("a.png"));
    let both = mount.join("both.dcm");
    let convert = ["convert", text(&rtstruct), "--image", text(&images), "--out", text(&labels)];
    let render = ["render", text(&images), "--view", "axial", "--device", "cpu", "--out", text(&picture)];
    let contour =
        ["contour", text(&images), "--model", "body", "--out", text(&both), "--labels", text(&labels)];
    let outputs = [&convert[..], &render, &contour].map(delineo);
    let series =
        delineo::dicom::write_ct_series(&ball::series(), &mount, &delineo::progress::Progress::new());
    let left = std::fs::read_dir(&mount).unwrap().count();
    let _ = Command::new("umount").arg(&mount).output();
    for output in &outputs {
        let said = error_of(output);
        assert_eq!(code(output), 1, "{said}");
        let last = said.trim_end().lines().last().unwrap_or_default();
        assert!(last.starts_with("error: ") && last.contains("the disk is full"), "{said}");
    }
    assert!(series.unwrap_err().to_string().contains("the disk is full"));
    assert_eq!(left, 0);
}

#[cfg(target_os = "linux")]
#[test]
fn nobody_reading_on_is_no_failure_and_a_full_disk_is_one() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_delineo"))
        .args(["model", "list", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", error_of(&output));
    assert!(error_of(&output).is_empty(), "{}", error_of(&output));

    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_delineo"))
        .args(["model", "list"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(code(&output), 1);
    assert!(error_of(&output).contains("cannot write to standard output"), "{}", error_of(&output));
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_nothing_half_done() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("sample");
    let child = Command::new(env!("CARGO_BIN_EXE_delineo"))
        .args(["sample", text(&target)])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let images = target.join("CT");
    let files = || std::fs::read_dir(&images).map_or(0, Iterator::count);
    let begun = std::time::Instant::now();
    while files() == 0 {
        assert!(begun.elapsed().as_secs() < 300, "no slice was written");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 1, "{}", error_of(&output));
    assert!(error_of(&output).trim_end().ends_with("error: cancelled"), "{}", error_of(&output));
    assert_eq!(files(), 0);
    assert!(!target.join("reference.dcm").exists());
}

/// A recipe of the smallest network, for the ball's body.
fn tiny_recipe() -> String {
    let pairs = [
        ("steps = 12", "steps = 20"),
        ("spacing_mm = [6.0, 6.0, 6.0]", "spacing_mm = [6.0, 8.0, 8.0]"),
        ("mirror_x = true", "mirror_x = false"),
        ("Lung_L", "Body"),
        ("Lung_R", "Heart"),
    ];
    let text = include_str!("../src/ai/train/tiny.toml").to_owned();
    pairs.iter().fold(text, |text, (from, to)| text.replace(from, to))
}

/// A patient: the ball as DICOM and its contour, approved or as the machine drew it.
fn write_patient(folder: &Path, name: &str, is_approved: bool) {
    use delineo::dicom::{WriteRtstructOptions, write_rtstruct};
    use delineo::patient::{Approval, StructureSet};
    std::fs::create_dir_all(folder).unwrap();
    ball::write_ball(folder);
    let series = ball::series();
    let mut body = delineo::ai::body_contour(&series.volume, &delineo::progress::Progress::new()).unwrap();
    body.name = name.into();
    if is_approved {
        body.approval = Approval::Accepted;
    }
    // Wholly inside the scan: the ball goes on above and below.
    body.planes.retain(|own| own.plane.offset_mm().abs() < 12.0);
    let set = StructureSet {
        label: "approved".into(),
        patient: series.info.patient.clone(),
        frame_of_reference_uid: series.info.frame_of_reference_uid.clone(),
        series_uid: Some(series.info.uid.clone()),
        sop_instance_uid: None,
        rois: vec![std::sync::Arc::new(body)],
    };
    let options =
        WriteRtstructOptions { unreviewed_ai: !is_approved, force: true, ..WriteRtstructOptions::default() };
    write_rtstruct(&set, &series, &folder.join("structures.dcm"), &options).unwrap();
}

#[test]
fn a_model_is_trained_on_approved_contours_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (recipe, data, out) = (at("recipe.toml"), at("data"), at("run"));
    std::fs::write(&recipe, tiny_recipe()).unwrap();
    let train = ["train", text(&recipe), "--data", text(&data), "--out", text(&out), "--device", "cpu"];
    refused(&train, "there is no such folder of patients");
    // The path is told of also where the recipe is missing.
    refused(&["train", "--data", text(&data), "--out", text(&out)], "there is no such folder of patients");
    // What a machine drew and nobody reviewed is nothing to learn from, and no name is to blame.
    write_patient(&data.join("one"), "BODY", false);
    refused(&train, "only unreviewed contours of Body");
    refused(&train, "the only patient to train on cannot be used");
    write_patient(&data.join("one"), "Kopf", true);
    refused(
        &train,
        "no organ of the model is outlined (names there: Kopf); give those that belong to one under [synonyms]",
    );

    for patient in ["one", "two", "three"] {
        write_patient(&data.join(patient), "BODY", true);
    }
    // A fourth is not used, and does not count. By this seed it is one to train on.
    std::fs::create_dir_all(data.join("four/ball")).unwrap();
    let said = document(&delineo(&[&train[..], &["--steps", "10", "--json"]].concat()));
    assert_eq!((&said["step"], &said["finished"]), (&10.into(), &true.into()));
    let said = document(&delineo(&[&train[..], &["--json"]].concat()));
    assert_eq!((&said["step"], &said["model"]), (&20.into(), &"tiny".into()));
    assert!(said["loss"].as_f64().unwrap() > 0.0 && said["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(said["validation"][0]["name"], "Body");
    assert_eq!(said["validation"][0]["patients"], 1);
    let log = std::fs::read_to_string(said["log"].as_str().unwrap()).unwrap();
    assert!(log.contains(r#"{"event":"started","step":10,"steps":20,"train":2,"valid":1"#), "{log}");
    assert!(log.contains("Heart"), "what was learnt from nobody is said: {log}");
    assert!(log.contains("four"), "who was left out is said: {log}");
    let card = std::fs::read_to_string(Path::new(said["package"].as_str().unwrap()).join("card.md")).unwrap();
    assert!(card.contains("2 patients for training, 1 others for validation"), "{card}");

    // The package contours, and can be trained further without a recipe.
    let package = said["package"].as_str().unwrap();
    let images = data.join("one");
    let contour = ["contour", text(&images), "--model", package, "--device", "cpu", "--json"];
    assert_eq!(document(&delineo(&contour))["model"], "tiny");
    let (further, steps) = (at("further"), ["--steps", "2", "--device", "cpu", "--json"]);
    let more = ["train", "--init", package, "--data", text(&data), "--out", text(&further)];
    assert_eq!(document(&delineo(&[&more[..], &steps].concat()))["model"], "tiny-tuned");

    // A misspelt key is an error, not a default.
    std::fs::write(&recipe, tiny_recipe().replace("hu_noise", "hu_nose")).unwrap();
    refused(&train, "hu_nose");
    assert_eq!(code(&delineo(&["train", "--data", text(&data), "--out", text(&out)])), 2);
}

#[test]
fn a_model_of_nnu_net_is_trained_further_on_a_folder_of_dicom() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (data, out) = (at("data"), at("run"));
    for patient in ["one", "two"] {
        write_patient(&data.join(patient), "A", true);
    }
    let model = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/nnunet/torchres/nnUNetTrainer__nnUNetPlans__3d_fullres");
    let train = ["train", "--init", text(&model), "--data", text(&data), "--out", text(&out)];
    let train = [&train[..], &["--device", "cpu", "--steps", "3", "--json"]].concat();
    refused(&[&train[..], &["--patch", "8,15,16"]].concat(), "[8, 15, 16]");
    refused(&[&train[..], &["--fold", "7"]].concat(), "has no fold 7; it has 0");
    let output = delineo(&[&train[..], &["--patch", "8,16,16"]].concat());
    let told = error_of(&output);
    assert!(told.contains("a step takes about") && told.contains("outlined in no patient"), "{told}");
    let said = document(&output);
    assert_eq!((&said["step"], &said["finished"]), (&3.into(), &true.into()));
    let package = said["package"].as_str().unwrap();
    let images = data.join("one");
    let contour = ["contour", text(&images), "--model", package, "--device", "cpu", "--json"];
    let found = document(&delineo(&contour));
    assert!(found["model"].as_str().unwrap().ends_with("-tuned"), "{found}");
}
