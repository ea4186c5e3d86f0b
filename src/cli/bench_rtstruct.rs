//! `bench rtstruct`: from an RTSTRUCT to a mask of every ROI, beside rt-utils on the same file in the
//! same run.

use crate::dicom::{WriteRtstructOptions, read_rtstruct, write_rtstruct};
use crate::formats::nifti;
use crate::patient::{Mask, Roi, RoiId, StructureSet};
use crate::progress::Progress;
use crate::session::study::Study;
use anyhow::{Context, anyhow};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

/// Medians of one run; rt-utils' are `None` where no Python has it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RtstructTimes {
    /// The number of ROIs.
    pub rois: usize,
    /// Reading the images and the RTSTRUCT, s.
    pub load_s: f64,
    /// All masks, s.
    pub masks_s: f64,
    /// rt-utils: reading the images and the RTSTRUCT, s.
    pub rt_utils_load_s: Option<f64>,
    /// rt-utils: all masks, s.
    pub rt_utils_masks_s: Option<f64>,
    /// rt-utils' time for the masks over ours, where ours includes reading the RTSTRUCT.
    pub masks_ratio: Option<f64>,
    /// rt-utils' time from files to masks over ours.
    pub total_ratio: Option<f64>,
}

/// Writes an RTSTRUCT of every `step`-th label of the label map at `labels` for the images in
/// `folder` and times reading it back into masks, `runs` times.
///
/// # Errors
/// When the images or labels cannot be read or the file cannot be written.
pub fn run(folder: &Path, labels: &Path, step: usize, runs: usize) -> anyhow::Result<RtstructTimes> {
    let folders = [folder.to_owned()];
    let series = Study::open(&folders, None, &Progress::new())?.series;
    let map = nifti::read_labels(labels, &Progress::new())?.on_grid(&series.volume.grid)?;
    let rois: Vec<Arc<Roi>> = map
        .masks()
        .into_iter()
        .step_by(step.max(1))
        .map(|(label, mask)| {
            let mut roi = Roi::new(RoiId(label.into()), label.into(), map.name_of(label), [200, 80, 80]);
            roi.planes = mask.planes(&series.volume);
            Arc::new(roi)
        })
        .collect();
    let count = rois.len();
    let set = StructureSet {
        label: "Benchmark".to_owned(),
        patient: series.info.patient.clone(),
        frame_of_reference_uid: series.info.frame_of_reference_uid.clone(),
        series_uid: Some(series.info.uid.clone()),
        sop_instance_uid: None,
        rois,
    };
    let scratch = tempfile::tempdir().context("no room for temporary files")?;
    let file = scratch.path().join("rtstruct.dcm");
    write_rtstruct(&set, &series, &file, &WriteRtstructOptions::default())?;
    drop((set, series, map));

    let (mut opened, mut parsed, mut filled) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs.max(1) {
        let start = Instant::now();
        let series = Study::open(&folders, None, &Progress::new())?.series;
        let images_at = start.elapsed().as_secs_f64();
        let read = read_rtstruct(&file, Some(&series))?;
        let contours_at = start.elapsed().as_secs_f64();
        let made: Vec<Mask> = read.set.rois.iter().map(|roi| Mask::of_roi(roi, &series.volume)).collect();
        let done = start.elapsed().as_secs_f64();
        anyhow::ensure!(made.iter().all(|mask| mask.count() > 0), "a structure has no voxel");
        opened.push(images_at);
        parsed.push(contours_at - images_at);
        filled.push(done - contours_at);
    }
    let (open_s, parse_s, masks_s) = (median(&mut opened), median(&mut parsed), median(&mut filled));
    let times = rt_utils(&file, folder);
    if let Err(reason) = &times {
        eprintln!("note: rt-utils was not timed: {reason:#}");
    }
    let theirs = |key: &str| times.as_ref().ok().and_then(|times| times[key].as_f64());
    let (load, all) = (theirs("load"), theirs("masks"));
    Ok(RtstructTimes {
        rois: count,
        load_s: open_s + parse_s,
        masks_s,
        rt_utils_load_s: load,
        rt_utils_masks_s: all,
        masks_ratio: all.map(|seconds| seconds / (parse_s + masks_s)),
        total_ratio: load.zip(all).map(|(load, all)| (load + all) / (open_s + parse_s + masks_s)),
    })
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// rt-utils' times, by `tests/python/rt_utils_seconds.py` with the Python of `DELINEO_PYTHON`.
fn rt_utils(file: &Path, folder: &Path) -> anyhow::Result<serde_json::Value> {
    const SCRIPT: &str = include_str!("../../tests/python/rt_utils_seconds.py");
    let python = std::env::var_os("DELINEO_PYTHON").unwrap_or_else(|| "/opt/readers/bin/python".into());
    let output = Command::new(&python)
        .args(["-c", SCRIPT])
        .args([file, folder])
        .output()
        .with_context(|| format!("no Python at {} (set DELINEO_PYTHON)", python.to_string_lossy()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(anyhow!("{}", said.lines().last().unwrap_or("Python failed").to_owned()));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
