//! The other benchmarks as rows: reading, RTSTRUCT to masks, editing.

use super::{BenchRow, edit as editing, read as reading, rtstruct as structures};
use std::path::PathBuf;

/// A folder of the shared patient data, below `DELINEO_SHARED_DATA` or beside the project; `None`, with
/// a word on standard error, where it is not.
pub(super) fn shared_data(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("DELINEO_SHARED_DATA").filter(|root| !root.is_empty());
    let path = root.map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from).join(part);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("note: not measured, for there is no {}", path.display());
    None
}

/// A row without a peer.
pub(super) fn alone(name: &str, unit: &'static str, ours: f64, note: String) -> BenchRow {
    BenchRow { name: name.into(), unit, ours, peer: None, peer_name: String::new(), note }
}

fn beside(name: &str, ours: f64, peer: Option<f64>, peer_name: &str) -> BenchRow {
    let peer_name = if peer.is_some() { peer_name.to_owned() } else { String::new() };
    BenchRow { name: name.into(), unit: "s", ours, peer, peer_name, note: String::new() }
}

/// `bench read`: the chest series from files to voxels.
///
/// # Errors
/// When the shared data is there but cannot be read.
pub(super) fn read() -> anyhow::Result<Vec<BenchRow>> {
    let Some(chest) = shared_data("chest/CT") else { return Ok(Vec::new()) };
    let times = reading::run(&chest, 5)?;
    let name = "chest series, files to voxels";
    let mut rows = vec![
        beside(name, times.total_s, times.pydicom_s, "pydicom + numpy"),
        beside(name, times.total_s, times.simpleitk_s, "SimpleITK ImageSeriesReader"),
        beside("of which finding files and headers", times.scan_s, None, ""),
    ];
    if let Some(ratio) = times.peak_memory_ratio {
        rows.push(alone("peak memory over pixel data", "x", ratio, String::new()));
    }
    Ok(rows)
}

/// `bench rtstruct`: the chest's structures from an RTSTRUCT to masks.
///
/// # Errors
/// When the shared data is there but cannot be read.
pub(super) fn rtstruct() -> anyhow::Result<Vec<BenchRow>> {
    let Some(chest) = shared_data("chest") else { return Ok(Vec::new()) };
    let times = structures::run(&chest.join("CT"), &chest.join("labels.nii.gz"), 4, 5)?;
    let rows = [
        beside("RTSTRUCT to masks", times.masks_s, times.rt_utils_masks_s, "rt-utils (without its reading)"),
        beside(
            "images and RTSTRUCT to masks",
            times.load_s + times.masks_s,
            times.rt_utils_load_s.zip(times.rt_utils_masks_s).map(|(load, masks)| load + masks),
            "rt-utils",
        ),
    ];
    let note = format!("{} ROIs of the chest CT", times.rois);
    Ok(rows.map(|row| BenchRow { note: note.clone(), ..row }).into())
}

/// `bench edit`: from pointer event to polygons and line buffer.
///
/// # Errors
/// When the session refuses a gesture.
pub(super) fn edit() -> anyhow::Result<Vec<BenchRow>> {
    let mut rows: Vec<BenchRow> = editing::measure()?
        .into_iter()
        .map(|times| {
            let note =
                format!("{} events, median {:.2}, worst {:.2}", times.count, times.p50_ms, times.worst_ms);
            alone(&format!("{}, 99th percentile", times.event), "ms", times.p99_ms, note)
        })
        .collect();
    rows.extend(editing::between()?);
    rows.extend(editing::grow()?);
    rows.extend(editing::algebra()?);
    Ok(rows)
}
