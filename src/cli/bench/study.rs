//! `delineo bench study`: a whole study through a network of `TotalSegmentator`'s size, beside
//! nnunetv2 on the same cores in the same run: seconds and peak memory, files to label map.

use super::rows::shared_data;
use super::{BenchRow, python_with};
use anyhow::{Context, bail};
use std::path::Path;
use std::process::Command;

/// Makes the model (random weights) and the image, and is the peer.
const PEER: &str = include_str!("nnunet_study.py");

/// Background and 24 organs, as in `TotalSegmentator`'s sub-models.
const CLASSES: &str = "25";

/// Two rows, seconds and megabytes; none where the chest's images or a Python with nnunetv2 are
/// missing.
///
/// # Errors
/// When the model cannot be made, or either program fails.
pub(super) fn run() -> anyhow::Result<Vec<BenchRow>> {
    let Some(chest) = shared_data("chest/CT") else { return Ok(Vec::new()) };
    let Some(python) = python_with("nnunetv2") else {
        eprintln!("note: not measured, for no Python has nnunetv2 (set DELINEO_PYTHON)");
        return Ok(Vec::new());
    };
    let folder = tempfile::tempdir()?;
    let out = folder.path();
    let peer =
        |arguments: &[&std::ffi::OsStr]| last_line(Command::new(&python).args(["-c", PEER]).args(arguments));
    let model = peer(&["make".as_ref(), chest.as_ref(), out.as_ref(), CLASSES.as_ref()])?;
    let threads = rayon::current_num_threads().to_string();
    let ours = contour(&out.join("ct.nii.gz"), &model, &out.join("ours.nii.gz"))?;
    let theirs: serde_json::Value =
        serde_json::from_str(&peer(&["predict".as_ref(), out.as_ref(), model.as_ref(), threads.as_ref()])?)?;
    let row = |name: &str, unit, ours: &serde_json::Value, theirs: &serde_json::Value| {
        Ok::<_, anyhow::Error>(BenchRow {
            name: format!("chest 512x512x133, 3 mm, 6 stages, 25 classes: {name}"),
            unit,
            ours: ours.as_f64().context("no number of ours")?,
            peer: theirs.as_f64(),
            peer_name: "nnunetv2".to_owned(),
            note: format!("{threads} threads"),
        })
    };
    Ok(vec![
        row("files to label map", "s", &ours["seconds"]["total"], &theirs["seconds"])?,
        row("peak memory", "MB", &ours["peak_memory_mb"], &theirs["peak_mb"])?,
    ])
}

/// The program's own `contour` as a process of its own, for its own peak memory.
fn contour(image: &Path, model: &str, labels: &Path) -> anyhow::Result<serde_json::Value> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("contour").arg(image).args(["--model", model, "--device", "cpu", "--json", "--labels"]);
    let output = command.arg(labels).output()?;
    if !output.status.success() {
        bail!("contour: {}", String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("failed"));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What a program printed last; its last words on standard error when it fails.
fn last_line(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    let said = if output.status.success() { &output.stdout } else { &output.stderr };
    let text = String::from_utf8_lossy(said);
    let last = text.lines().last().unwrap_or("no output").to_owned();
    if output.status.success() { Ok(last) } else { bail!("nnunetv2: {last}") }
}
