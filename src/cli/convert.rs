//! `delineo convert`: structures as contours or as a label map on the images' voxels.

use super::bar::with_bar;
use super::{WrongUsage, label_names};
use crate::dicom::{WriteRtstructOptions, read_rtstruct, write_rtstruct};
use crate::formats::nifti;
use crate::new_file::commit_all;
use crate::patient::{
    Approval, Color, GenerationAlgorithm, LabelMap, Mask, Roi, RoiId, Series, StructureSet, Volume,
};
use crate::session::study::Study;
use anyhow::{Context, bail};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Converts structures: RTSTRUCT (.dcm) to a NIfTI label map (.nii, .nii.gz) and back.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The RTSTRUCT or the label map to convert.
    input: PathBuf,
    /// The images that the structures belong to: a folder or file of DICOM, or a NIfTI image.
    #[arg(long, value_name = "PATH")]
    image: PathBuf,
    /// The file to write; its ending says what: .dcm an RTSTRUCT, .nii or .nii.gz a label map.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Only these structures, by name.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    rois: Vec<String>,
    /// The series to use where the images hold several.
    #[arg(long, value_name = "UID")]
    series: Option<String>,
    /// Writes the label map of a series with uneven slices on evenly spaced ones.
    #[arg(long)]
    resample: bool,
    /// Overwrites an existing file.
    #[arg(long)]
    force: bool,
}

/// What a file holds, by its name's ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rtstruct,
    LabelMap,
}

fn kind_of(path: &Path) -> anyhow::Result<Kind> {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if ends(&[".nii", ".nii.gz"]) {
        Ok(Kind::LabelMap)
    } else if ends(&[".seg.dcm", ".nrrd", ".stl", ".ply", ".obj"]) {
        bail!(
            "this kind of file is not supported yet; use .dcm (RTSTRUCT), .nii or .nii.gz: {}",
            path.display()
        )
    } else if ends(&[".dcm"]) {
        Ok(Kind::Rtstruct)
    } else {
        bail!(WrongUsage(format!(
            "the ending does not say what it is; use .dcm (RTSTRUCT), .nii or .nii.gz: {}",
            path.display()
        )))
    }
}

/// Runs the command.
///
/// # Errors
/// When a file cannot be read or written, or input and images do not belong together.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let to = kind_of(&args.out)?;
    // An RTSTRUCT may have any name.
    let from = kind_of(&args.input).unwrap_or(Kind::Rtstruct);
    if from == Kind::LabelMap && to == Kind::LabelMap {
        let text = "input and output are both label maps, nothing to convert";
        bail!(WrongUsage(format!("{text}: {}", args.input.display())));
    }
    if !args.input.is_file() {
        bail!("there is no such file; give an RTSTRUCT or a label map: {}", args.input.display());
    }
    let image = &args.image;
    let study =
        with_bar(|progress| Study::open(std::slice::from_ref(image), args.series.as_deref(), progress))?;
    if let Some(choice) = &study.choice {
        eprintln!("{choice}; choose another with --series UID");
    }
    for warning in &study.warnings {
        eprintln!("warning: {warning}");
    }
    let series = &study.series;
    if to == Kind::LabelMap && series.volume.is_resampled() && !args.resample {
        bail!(
            "the slices are unevenly spaced, which a NIfTI label map cannot hold; \
             --resample writes it on evenly spaced slices: {}",
            image.display()
        );
    }
    let mut set = read_structures(&args.input, series)?;
    keep_named(&mut set, &args.rois, &args.input)?;
    match to {
        Kind::Rtstruct => {
            let options = WriteRtstructOptions { force: args.force, ..WriteRtstructOptions::default() };
            let written = write_rtstruct(&set, series, &args.out, &options)?;
            for warning in written.warnings {
                eprintln!("warning: {warning}");
            }
        }
        Kind::LabelMap => {
            let (labels, remarks) = label_map_of(&set, &series.volume);
            for remark in remarks {
                eprintln!("warning: {remark}");
            }
            let like = nifti::is_nifti_name(image).then_some(image.as_path());
            let text =
                if labels.unreviewed { "AI unreviewed (Delineo label map)" } else { "Delineo label map" };
            commit_all(label_names::prepare_labels_with_names(&labels, &args.out, like, text, args.force)?)?;
        }
    }
    eprintln!("{} structures: {}", set.rois.len(), args.out.display());
    Ok(())
}

/// The structures of an RTSTRUCT or a label map on the slices of a series; warnings go to standard
/// error.
pub(super) fn read_structures(path: &Path, series: &Series) -> anyhow::Result<StructureSet> {
    // An RTSTRUCT may have any name.
    if kind_of(path).unwrap_or(Kind::Rtstruct) == Kind::Rtstruct {
        let read = read_rtstruct(path, Some(series))?;
        for warning in &read.warnings {
            eprintln!("warning: {warning}");
        }
        return Ok(read.set);
    }
    let mut labels = with_bar(|progress| nifti::read_labels(path, progress))?;
    if labels.names.is_empty() {
        labels.names = label_names::read(path);
    }
    let labels = labels
        .on_grid(&series.volume.grid)
        .with_context(|| format!("cannot put the labels on these images: {}", path.display()))?;
    Ok(structures_of(&labels, series))
}

/// Leaves only the ROIs of these names (all when there are none).
fn keep_named(set: &mut StructureSet, names: &[String], path: &Path) -> anyhow::Result<()> {
    for name in names {
        if set.roi_named(name).is_none() {
            let known: Vec<_> = set.rois.iter().map(|roi| roi.name.as_str()).collect();
            bail!("there is no structure {name}, only {}: {}", known.join(", "), path.display());
        }
    }
    if !names.is_empty() {
        set.rois.retain(|roi| names.contains(&roi.name));
    }
    if set.rois.is_empty() {
        bail!("there is no structure to convert: {}", path.display());
    }
    Ok(())
}

/// One label an ROI, 1 onwards in the set's order; where ROIs overlap the later one has the voxel,
/// and the remarks say which and how many.
fn label_map_of(set: &StructureSet, volume: &Volume) -> (LabelMap, Vec<String>) {
    let mut labels = vec![0_u16; volume.grid.len()];
    let mut names = Vec::new();
    let mut overlaps: BTreeMap<(u16, u16), usize> = BTreeMap::new();
    let mut remarks = Vec::new();
    let masks: Vec<Mask> = set.rois.par_iter().map(|roi| Mask::of_roi(roi, volume)).collect();
    for (label, (roi, mask)) in (1_u16..).zip(set.rois.iter().zip(masks)) {
        names.push((label, roi.name.clone()));
        if mask.count() == 0 {
            remarks.push(format!("{} has no voxel on these images", roi.name));
        }
        let [ni, nj, _] = mask.size;
        for (at, _) in mask.voxels.iter().enumerate().filter(|(_, inside)| **inside) {
            let voxel = [mask.low[0] + at % ni, mask.low[1] + at / ni % nj, mask.low[2] + at / (ni * nj)];
            let Some(index) = volume.grid.index_of(voxel) else { continue };
            if labels[index] != 0 {
                *overlaps.entry((labels[index], label)).or_default() += 1;
            }
            labels[index] = label;
        }
    }
    let name = |label: u16| &set.rois[usize::from(label) - 1].name;
    remarks.extend(overlaps.into_iter().map(|((earlier, later), count)| {
        let (earlier, later) = (name(earlier), name(later));
        format!("{earlier} and {later} overlap in {count} voxels: {later} has them")
    }));
    // One of them is enough: nobody has looked at the map as a whole.
    let unreviewed = set.rois.iter().any(|roi| roi.approval == Approval::Proposal);
    (LabelMap { grid: volume.grid.clone(), labels, names, unreviewed }, remarks)
}

/// The contours of every label on the series' slices.
fn structures_of(labels: &LabelMap, series: &Series) -> StructureSet {
    let rois = labels
        .masks()
        .into_par_iter()
        .map(|(label, mask)| {
            let number = i32::from(label);
            let mut roi = Roi::new(RoiId(u64::from(label)), number, labels.name_of(label), color_of(label));
            roi.generation = GenerationAlgorithm::Unknown;
            if labels.unreviewed {
                roi.generation = GenerationAlgorithm::Automatic;
                roi.approval = Approval::Proposal;
            }
            roi.planes = mask.planes(&series.volume);
            Arc::new(roi)
        })
        .collect();
    StructureSet {
        label: "Label map".to_owned(),
        patient: series.info.patient.clone(),
        frame_of_reference_uid: series.info.frame_of_reference_uid.clone(),
        series_uid: Some(series.info.uid.clone()),
        sop_instance_uid: None,
        rois,
    }
}

/// Colours that differ for neighbouring labels: the hue turns by the golden angle.
fn color_of(label: u16) -> Color {
    let hue = f64::from(label) * 0.618_034 % 1.0 * 6.0;
    [5.0, 3.0, 1.0].map(|shift| {
        let along = (shift + hue) % 6.0;
        let value = 0.95 - 0.7 * along.min(4.0 - along).clamp(0.0, 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
        {
            (value * 255.0).round() as u8
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_say_what_a_file_is() {
        assert_eq!(kind_of(Path::new("a/b.nii.gz")).unwrap(), Kind::LabelMap);
        assert_eq!(kind_of(Path::new("B.NII")).unwrap(), Kind::LabelMap);
        assert_eq!(kind_of(Path::new("rt.dcm")).unwrap(), Kind::Rtstruct);
        assert!(kind_of(Path::new("rt.seg.dcm")).is_err());
        assert!(kind_of(Path::new("rt.txt")).unwrap_err().is::<WrongUsage>());
    }

    #[test]
    fn neighbouring_labels_have_clearly_different_colors() {
        for label in 1..50 {
            let (a, b) = (color_of(label), color_of(label + 1));
            let distance: i32 = a.iter().zip(b).map(|(a, b)| (i32::from(*a) - i32::from(b)).abs()).sum();
            assert!(distance > 100, "{label}: {a:?} {b:?}");
        }
    }
}
