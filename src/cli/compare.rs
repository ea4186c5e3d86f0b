//! `delineo compare`: how alike the structures of two files are, ROI by ROI of the same name.

use super::bar::with_bar;
use super::{WrongUsage, label_names};
use crate::dicom::read_rtstruct;
use crate::formats::nifti;
use crate::metrics::{SurfaceDistances, added_path_length_mm, dice};
use crate::patient::{Mask, Series, StructureSet};
use crate::session::study::Study;
use anyhow::{Context, bail};
use rayon::prelude::*;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Compares every structure of A with the one of the same name in B.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An RTSTRUCT or a NIfTI label map (its names in a JSON file of the same name beside it).
    #[arg(value_name = "A")]
    a: PathBuf,
    /// What to compare it with; the added path length is what must be drawn to turn A into B.
    #[arg(value_name = "B")]
    b: PathBuf,
    /// The images that both belong to: a folder or file of DICOM, or a NIfTI image.
    #[arg(long, value_name = "PATH")]
    image: Option<PathBuf>,
    /// The series to use where the images hold several.
    #[arg(long, value_name = "UID")]
    series: Option<String>,
    /// How far apart surfaces may be and still agree, mm.
    #[arg(long, value_name = "MM", default_value_t = 2.0, value_parser = tolerance)]
    tolerance: f64,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

fn tolerance(text: &str) -> Result<f64, String> {
    let mm = text.parse().ok().filter(|mm: &f64| mm.is_finite() && *mm >= 0.0);
    mm.ok_or_else(|| "use a distance in mm, such as 2".to_owned())
}

/// Runs the command.
///
/// # Errors
/// When a file cannot be read, or the structures and images do not belong together.
pub fn run(args: &Args) -> anyhow::Result<()> {
    for path in [&args.a, &args.b] {
        if !path.is_file() {
            bail!("there is no such file; give an RTSTRUCT or a label map: {}", path.display());
        }
    }
    // A label map brings its own voxels.
    let voxels =
        args.image.as_ref().or([&args.a, &args.b].into_iter().find(|path| nifti::is_nifti_name(path)));
    let image = voxels.ok_or_else(|| {
        WrongUsage(format!(
            "contours are compared on the voxels of their images; name them with --image PATH: {}",
            args.a.display()
        ))
    })?;
    let study =
        with_bar(|progress| Study::open(std::slice::from_ref(image), args.series.as_deref(), progress))?;
    if let Some(choice) = &study.choice {
        eprintln!("{choice}; choose another with --series UID");
    }
    let mut warnings = Vec::new();
    if args.image.is_some() {
        warnings.extend(study.warnings.iter().map(ToString::to_string));
    }
    if study.series.volume.is_resampled() {
        warnings.push("the slices are unevenly spaced; masks are compared on evenly spaced ones".to_owned());
    }
    let a = structures(&args.a, &study.series, &mut warnings)?;
    let b = structures(&args.b, &study.series, &mut warnings)?;
    let mut report = compare(&a, &b, study.series.volume.grid.spacing_mm(), args.tolerance);
    if report.rois.is_empty() {
        warnings.push("no structure of the one has the name of a structure of the other".to_owned());
    }
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    report.warnings = warnings;
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_table(&report);
    }
    Ok(())
}

/// One structure to compare.
#[derive(Debug, Clone)]
struct Structure {
    name: String,
    mask: Mask,
    volume_cc: f64,
}

/// The structures of a file on the voxels of `series`.
fn structures(path: &Path, series: &Series, warnings: &mut Vec<String>) -> anyhow::Result<Vec<Structure>> {
    let volume = &series.volume;
    if nifti::is_nifti_name(path) {
        let mut labels = with_bar(|progress| nifti::read_labels(path, progress))?;
        if labels.names.is_empty() {
            labels.names = label_names::read(path);
        }
        let labels = labels
            .on_grid(&volume.grid)
            .with_context(|| format!("cannot put the labels on these images: {}", path.display()))?;
        let mut masks = labels.masks();
        // A name without a voxel is an empty structure.
        for (label, _) in &labels.names {
            masks.entry(*label).or_default();
        }
        let mut structures: Vec<Structure> = masks
            .into_iter()
            .filter(|(label, _)| *label != 0)
            .map(|(label, mask)| Structure {
                name: labels.name_of(label),
                volume_cc: mask.volume_cc(volume),
                mask,
            })
            .collect();
        keep_first_of_name(&mut structures, path, warnings);
        return Ok(structures);
    }
    let read = read_rtstruct(path, Some(series))?;
    warnings.extend(read.warnings.iter().map(ToString::to_string));
    let mut structures = structures_of_set(&read.set, series);
    keep_first_of_name(&mut structures, path, warnings);
    Ok(structures)
}

/// The structures of a set on the voxels of `series`.
fn structures_of_set(set: &StructureSet, series: &Series) -> Vec<Structure> {
    let volume = &series.volume;
    set.rois
        .par_iter()
        .map(|roi| Structure {
            name: roi.name.clone(),
            mask: Mask::of_roi(roi, volume),
            volume_cc: roi.volume_cc(volume),
        })
        .collect()
}

/// Compares two sets on the same images, structure by structure of the same name.
pub(super) fn compare_sets(a: &StructureSet, b: &StructureSet, series: &Series, tolerance_mm: f64) -> Report {
    let spacing_mm = series.volume.grid.spacing_mm();
    compare(&structures_of_set(a, series), &structures_of_set(b, series), spacing_mm, tolerance_mm)
}

fn keep_first_of_name(structures: &mut Vec<Structure>, path: &Path, warnings: &mut Vec<String>) {
    let names: Vec<String> = structures.iter().map(|own| own.name.clone()).collect();
    let mut at = 0;
    structures.retain(|own| {
        let first = !names[..at].contains(&own.name);
        at += 1;
        if !first {
            let text =
                format!("only the first structure named {:?} is compared: {}", own.name, path.display());
            warnings.push(text);
        }
        first
    });
}

/// The contract's document (shared with scripts): keys are stable.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    tolerance_mm: f64,
    rois: Vec<RoiReport>,
    only_in_a: Vec<String>,
    only_in_b: Vec<String>,
    mean: Means,
    warnings: Vec<String>,
}

/// One pair; null where a measure has no value: all when both are empty, the distances when one is.
#[derive(Debug, Serialize)]
struct RoiReport {
    name: String,
    dice: Option<f64>,
    surface_dice: Option<f64>,
    hd95_mm: Option<f64>,
    mean_distance_mm: Option<f64>,
    added_path_length_mm: Option<f64>,
    volume_a_cc: f64,
    volume_b_cc: f64,
}

/// Means over the pairs that have the value.
#[derive(Debug, Serialize)]
struct Means {
    dice: Option<f64>,
    surface_dice: Option<f64>,
    hd95_mm: Option<f64>,
}

fn compare(a: &[Structure], b: &[Structure], spacing_mm: [f64; 3], tolerance_mm: f64) -> Report {
    let named = |list: &'_ [Structure], name: &str| list.iter().position(|own| own.name == name);
    let pairs: Vec<(&Structure, &Structure)> =
        a.iter().filter_map(|own| Some((own, &b[named(b, &own.name)?]))).collect();
    let rois: Vec<RoiReport> =
        pairs.par_iter().map(|(a, b)| compare_pair(a, b, spacing_mm, tolerance_mm)).collect();
    let missing = |list: &[Structure], other: &[Structure]| {
        list.iter().filter(|own| named(other, &own.name).is_none()).map(|own| own.name.clone()).collect()
    };
    let mean = |value: fn(&RoiReport) -> Option<f64>| {
        let values: Vec<f64> = rois.iter().filter_map(value).collect();
        #[expect(clippy::cast_precision_loss, reason = "a handful of structures")]
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let mean = Means {
        dice: mean(|roi| roi.dice),
        surface_dice: mean(|roi| roi.surface_dice),
        hd95_mm: mean(|roi| roi.hd95_mm),
    };
    Report {
        tolerance_mm,
        mean,
        only_in_a: missing(a, b),
        only_in_b: missing(b, a),
        rois,
        warnings: Vec::new(),
    }
}

fn compare_pair(a: &Structure, b: &Structure, spacing_mm: [f64; 3], tolerance_mm: f64) -> RoiReport {
    let overlap = dice(&a.mask, &b.mask);
    let distances = SurfaceDistances::between(&a.mask, &b.mask, spacing_mm);
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    RoiReport {
        name: a.name.clone(),
        dice: overlap,
        surface_dice: distances.surface_dice(tolerance_mm),
        hd95_mm: finite(distances.hausdorff_mm(95.0)),
        mean_distance_mm: finite(distances.mean_mm()),
        added_path_length_mm: overlap.map(|_| added_path_length_mm(&b.mask, &a.mask, spacing_mm)),
        volume_a_cc: a.volume_cc,
        volume_b_cc: b.volume_cc,
    }
}

pub(super) fn print_table(report: &Report) {
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    let surface = format!("sDice {} mm", report.tolerance_mm);
    let width = report.rois.iter().map(|roi| roi.name.chars().count()).max().unwrap_or(0).max(4);
    outln!(
        "{:width$}  {:>6}  {:>11}  {:>8}  {:>8}  {:>9}  {:>9}  {:>9}",
        "ROI",
        "Dice",
        surface,
        "HD95 mm",
        "mean mm",
        "APL mm",
        "A cc",
        "B cc"
    );
    for roi in &report.rois {
        outln!(
            "{:width$}  {:>6}  {:>11}  {:>8}  {:>8}  {:>9}  {:>9.2}  {:>9.2}",
            roi.name,
            number(roi.dice, 4),
            number(roi.surface_dice, 4),
            number(roi.hd95_mm, 2),
            number(roi.mean_distance_mm, 2),
            number(roi.added_path_length_mm, 0),
            roi.volume_a_cc,
            roi.volume_b_cc
        );
    }
    outln!(
        "{:width$}  {:>6}  {:>11}  {:>8}",
        "mean",
        number(report.mean.dice, 4),
        number(report.mean.surface_dice, 4),
        number(report.mean.hd95_mm, 2)
    );
    for (file, names) in [("A", &report.only_in_a), ("B", &report.only_in_b)] {
        if !names.is_empty() {
            outln!("only in {file}: {}", names.join(", "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(name: &str, size: [usize; 3]) -> Structure {
        let mut mask = Mask::new([5, 5, 5], size);
        mask.voxels.fill(true);
        Structure { name: name.into(), mask, volume_cc: 1.0 }
    }

    #[test]
    fn the_document_has_the_contracts_keys_and_nulls() {
        let a =
            [block("Same", [4; 3]), block("Empty", [0; 3]), block("Gone", [2; 3]), block("Half", [4, 4, 2])];
        let b = [block("Half", [4; 3]), block("Empty", [0; 3]), block("Same", [4; 3]), block("New", [3; 3])];
        let report = serde_json::to_value(compare(&a, &b, [1.0; 3], 2.0)).unwrap();
        let keys = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let mut top = keys(&report);
        top.sort();
        assert_eq!(top, ["mean", "only_in_a", "only_in_b", "rois", "tolerance_mm", "warnings"]);
        assert_eq!(report["only_in_a"], serde_json::json!(["Gone"]));
        assert_eq!(report["only_in_b"], serde_json::json!(["New"]));
        let rois = report["rois"].as_array().unwrap();
        assert_eq!(rois.len(), 3);
        let mut own = keys(&rois[0]);
        own.sort();
        assert_eq!(
            own,
            [
                "added_path_length_mm",
                "dice",
                "hd95_mm",
                "mean_distance_mm",
                "name",
                "surface_dice",
                "volume_a_cc",
                "volume_b_cc"
            ]
        );
        assert_eq!(rois[0]["dice"], 1.0);
        assert!(
            rois[1]["dice"].is_null()
                && rois[1]["hd95_mm"].is_null()
                && rois[1]["added_path_length_mm"].is_null()
        );
        assert!((rois[2]["dice"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-12);
        assert!((report["mean"]["dice"].as_f64().unwrap() - 5.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn one_empty_side_has_overlap_zero_and_no_distance() {
        let report = compare(&[block("X", [4; 3])], &[block("X", [0; 3])], [1.0; 3], 2.0);
        assert_eq!((report.rois[0].dice, report.rois[0].surface_dice), (Some(0.0), Some(0.0)));
        assert_eq!((report.rois[0].hd95_mm, report.mean.hd95_mm), (None, None));
    }
}
