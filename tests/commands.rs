//! The command line's contract as scripts rely on it: exit codes, one JSON document, the last line
//! on standard error, nothing overwritten.
#![allow(missing_docs, reason = "tests")]

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[path = "shared/ball.rs"]
mod ball;

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
    for arguments in [&["nonsense"][..], &["info"], &["contour", "x"], &contour, &two, &tolerance] {
        assert_eq!(code(&delineo(arguments)), 2, "{arguments:?}");
    }
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
fn write_patient(folder: &Path, is_approved: bool) {
    use delineo::dicom::{WriteRtstructOptions, write_rtstruct};
    use delineo::patient::{Approval, StructureSet};
    std::fs::create_dir_all(folder).unwrap();
    ball::write_ball(folder);
    let series = ball::series();
    let mut body = delineo::ai::body_contour(&series.volume, &delineo::progress::Progress::new()).unwrap();
    body.name = "BODY".into();
    if is_approved {
        body.approval = Approval::Accepted;
    }
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
    // What a machine drew and nobody reviewed is nothing to learn from.
    write_patient(&data.join("one"), false);
    refused(&train, "[synonyms]");

    for patient in ["one", "two", "three"] {
        write_patient(&data.join(patient), true);
    }
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
