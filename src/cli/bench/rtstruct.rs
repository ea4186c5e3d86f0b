//! `bench rtstruct`: from an RTSTRUCT to a mask of every ROI, beside rt-utils on the same file in the
//! same run.

use super::{median, python_json};
use crate::dicom::{WriteRtstructOptions, read_rtstruct, write_rtstruct};
use crate::formats::nifti;
use crate::patient::{Mask, Roi, RoiId, StructureSet};
use crate::progress::Progress;
use crate::session::study::Study;
use anyhow::Context;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// rt-utils' times on the same file.
const PEER: &str = include_str!("../../../tests/python/rt_utils_seconds.py");

/// Medians of one run; rt-utils' are `None` where no Python has it.
#[derive(Debug, Clone)]
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
    let (open_s, parse_s, masks_s) = (median(opened), median(parsed), median(filled));
    let rounds = runs.max(1).to_string();
    let times = python_json("rt_utils", PEER, &[file.as_os_str(), folder.as_os_str(), rounds.as_ref()]);
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
    })
}
