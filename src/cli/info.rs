//! `delineo info`: what lies in files and folders, and what is odd about it.

use super::bar::with_bar;
use crate::dicom::{DoseEntry, Library, SliceSpacing, StructureSetEntry, scan};
use crate::formats::nifti::{self, ReadImage};
use crate::patient::{DataWarning, Series};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Lists patients, studies, series, structure sets and doses, with every warning about the data.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// DICOM files or folders (searched recursively), or a NIfTI file.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When nothing that can be opened is found.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if let [path] = args.paths.as_slice()
        && path.is_file()
        && nifti::is_nifti_name(path)
    {
        let read = with_bar(|progress| nifti::read_image(path, progress))?;
        if args.json {
            outln!("{:#}", nifti_json(&read, path));
        } else {
            print_nifti(&read.series, path);
            print_warnings(&read.warnings);
        }
        return Ok(());
    }
    let library = with_bar(|progress| scan(&args.paths, progress))?;
    if args.json {
        outln!("{:#}", library_json(&library));
    } else {
        print_library(&library);
        print_warnings(&library.warnings);
    }
    Ok(())
}

fn library_json(library: &Library) -> Value {
    json!({
        "series": (0..library.series.len()).map(|index| series_json(library, index)).collect::<Vec<_>>(),
        "structure_sets": library.structure_sets.iter().map(structure_set_json).collect::<Vec<_>>(),
        "doses": library.doses.iter().map(dose_json).collect::<Vec<_>>(),
        "warnings": warnings_json(&library.warnings),
    })
}

fn warnings_json(warnings: &[DataWarning]) -> Value {
    warnings.iter().map(|warning| json!({"path": warning.path, "message": warning.message})).collect()
}

fn series_json(library: &Library, index: usize) -> Value {
    let entry = &library.series[index];
    let info = &entry.info;
    let [columns, rows, _] = entry.grid.dims();
    let [row, column] = entry.orientation();
    let orientation: Vec<f64> = row.iter().chain(column.iter()).map(|cosine| tidy(*cosine)).collect();
    let mut value = json!({
        "series_uid": &*info.uid,
        "series_key": library.series_key(index),
        "study_uid": info.study.uid,
        "patient_id": info.patient.id,
        "modality": info.modality.code(),
        "description": info.description,
        "slices": entry.slice_count(),
        "size": [columns, rows, entry.slices.len()],
        "spacing_mm": entry.grid.spacing_mm().map(tidy),
        "orientation": orientation,
        "origin_mm": <[f64; 3]>::from(entry.grid.origin_mm()).map(tidy),
        "frame_of_reference_uid": info.frame_of_reference_uid.as_deref(),
        "path": entry.path,
        "missing_slices": entry.missing_count(),
        "slice_spacing": match entry.spacing {
            SliceSpacing::Even => "even",
            SliceSpacing::WithMissing => "missing",
            SliceSpacing::Uneven => "uneven",
        },
        "unit": entry.unit.label(),
        "patient_position": info.patient_position,
        "synthetic": info.patient.synthetic,
    });
    if entry.spacing == SliceSpacing::Uneven {
        let offsets: Vec<f64> = entry.slices.iter().map(|slice| tidy(slice.plane.offset_mm())).collect();
        value["slice_offsets_mm"] = json!(offsets);
    }
    value
}

/// Hides the last digits that arithmetic left (a spacing of 2.9999999999999996).
fn tidy(value: f64) -> f64 {
    let rounded = (value * 1e9).round() / 1e9;
    if rounded == 0.0 { 0.0 } else { rounded }
}

fn structure_set_json(entry: &StructureSetEntry) -> Value {
    let rois: Vec<Value> = entry
        .rois
        .iter()
        .map(|roi| {
            json!({
                "number": roi.number,
                "name": roi.name,
                "type": roi.interpreted_type,
                "color": roi.color,
                "contours": roi.contours,
            })
        })
        .collect();
    json!({
        "sop_uid": &*entry.sop_instance_uid,
        "label": entry.label,
        "series_uid": entry.series_uid.as_deref(),
        "rois": rois,
        "patient_id": entry.patient.id,
        "study_uid": entry.study_uid,
        "frame_of_reference_uid": entry.frame_of_reference_uid.as_deref(),
        "path": entry.path,
    })
}

fn dose_json(entry: &DoseEntry) -> Value {
    json!({
        "sop_uid": &*entry.info.sop_instance_uid,
        "patient_id": entry.info.patient.id,
        "study_uid": entry.study_uid,
        "frame_of_reference_uid": entry.info.frame_of_reference_uid.as_deref(),
        "size": entry.size,
        "units": entry.units,
        "dose_type": entry.info.dose_type,
        "summation_type": entry.info.summation_type,
        "beam_number": entry.info.beam_number,
        "description": entry.info.description,
        "usable": entry.problem.is_none(),
        "path": entry.path,
    })
}

fn nifti_json(read: &ReadImage, path: &Path) -> Value {
    let grid = &read.series.volume.grid;
    let orientation: Vec<f64> =
        grid.direction(0).iter().chain(grid.direction(1).iter()).map(|cosine| tidy(*cosine)).collect();
    json!({
        "series": [{
            "series_uid": null,
            "study_uid": null,
            "patient_id": null,
            "modality": null,
            "description": null,
            "slices": grid.dims()[2],
            "size": grid.dims(),
            "spacing_mm": grid.spacing_mm().map(tidy),
            "orientation": orientation,
            "origin_mm": <[f64; 3]>::from(grid.origin_mm()).map(tidy),
            "frame_of_reference_uid": null,
            "path": path,
            "missing_slices": 0,
            "slice_spacing": "even",
            "unit": read.series.volume.unit.label(),
            "patient_position": null,
            "synthetic": false,
        }],
        "structure_sets": [],
        "doses": [],
        "warnings": warnings_json(&read.warnings),
    })
}

fn print_library(library: &Library) {
    let mut patient = None;
    let mut study = None;
    for (index, entry) in library.series.iter().enumerate() {
        let info = &entry.info;
        if patient != Some(&info.patient.id) {
            patient = Some(&info.patient.id);
            study = None;
            let synthetic = if info.patient.synthetic { " (synthetic)" } else { "" };
            outln!("Patient {}  {}{synthetic}", or_dash(&info.patient.id), info.patient.name);
        }
        if study != Some(&info.study.uid) {
            study = Some(&info.study.uid);
            let description = or_dash(&info.study.description);
            outln!("  Study {}  {description}  {}", or_dash(&info.study.date), info.study.uid);
        }
        let [columns, rows, _] = entry.grid.dims();
        let [x, y, z] = entry.grid.spacing_mm();
        let note = match entry.spacing {
            SliceSpacing::Even => String::new(),
            SliceSpacing::WithMissing => format!(", {} missing", entry.missing_count()),
            SliceSpacing::Uneven => ", unevenly spaced".to_owned(),
        };
        outln!(
            "    {} {}  {columns} x {rows} x {}{note}  {x:.3} x {y:.3} x {z:.3} mm  {}",
            info.modality.code(),
            or_dash(&info.description),
            entry.slice_count(),
            entry.unit.label()
        );
        outln!("      series {}", library.series_key(index).unwrap_or_default());
        outln!("      frame of reference {}", info.frame_of_reference_uid.as_deref().unwrap_or("-"));
        outln!("      {}", entry.path.display());
    }
    for entry in &library.structure_sets {
        outln!(
            "Structure set {}  {} ROIs  {}",
            or_dash(&entry.label),
            entry.rois.len(),
            entry.path.display()
        );
        for roi in &entry.rois {
            outln!("  {:>3}  {}  {}  {} contours", roi.number, roi.name, roi.interpreted_type, roi.contours);
        }
    }
    for entry in &library.doses {
        let [columns, rows, frames] = entry.size;
        outln!(
            "{}  {}  {columns} x {rows} x {frames}{}  {}",
            entry.info.title(),
            or_dash(&entry.units),
            if entry.problem.is_some() { "  cannot be used" } else { "" },
            entry.path.display()
        );
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn print_nifti(series: &Series, path: &Path) {
    let grid = &series.volume.grid;
    let [columns, rows, slices] = grid.dims();
    let [x, y, z] = grid.spacing_mm();
    outln!(
        "NIfTI  {columns} x {rows} x {slices}  {x:.3} x {y:.3} x {z:.3} mm  {}",
        series.volume.unit.label()
    );
    outln!("  {}", path.display());
}

fn print_warnings(warnings: &[DataWarning]) {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
}
