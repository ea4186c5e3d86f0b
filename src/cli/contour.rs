//! `delineo contour`: organs by a network, or the body's outline, without a window.

use super::bar::with_bar;
use super::{WrongUsage, label_names, peak_memory_bytes, steps};
use crate::ai::nnunet::Model;
use crate::ai::{self, BodyExtent, ModelPackage, PredictOptions, Timings, memory};
use crate::device::DeviceChoice;
use crate::dicom::{WriteRtstructOptions, prepare_rtstruct};
use crate::formats::nifti;
use crate::new_file::{NewFile, WriteFileError, commit_all};
use crate::patient::{LabelMap, Mask, Modality, Roi, Series, StructureSet};
use crate::session::channels::{self, Base, Given};
use crate::session::descriptions::{By, Fitting, Line, fitting};
use crate::session::study::Study;
use anyhow::{Context, anyhow, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Instant;

/// The model id that means the classical external contour.
const BODY: &str = "body";

/// Contours organs: to an RTSTRUCT (unreviewed) and/or a label map.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The images: a folder or file of DICOM, or a NIfTI image.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// The model: its id (`delineo model list`), a package's folder, a training folder of nnU-Net, or
    /// `body`.
    #[arg(long, value_name = "ID|DIR")]
    model: String,
    /// The RTSTRUCT to write.
    #[arg(long, value_name = "FILE.dcm")]
    out: Option<PathBuf>,
    /// The label map to write, with the model's own numbers, on the images' grid.
    #[arg(long, value_name = "FILE.nii.gz")]
    labels: Option<PathBuf>,
    /// How far the body's outline goes: patient, immobilisation (masks, cushions, holders too) or
    /// couch (and the couch); with the model `body` only.
    #[arg(long, value_name = "EXTENT", value_parser = BodyExtent::from_str)]
    extent: Option<BodyExtent>,
    /// Only these organs, by name.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    rois: Vec<String>,
    /// The series to use where the images hold several.
    #[arg(long, value_name = "UID")]
    series: Option<String>,
    /// An input channel's images, where the model takes several: a path, or the UID of a series
    /// beside the images. Channel 0 is the images themselves; where it is given, they are the channel
    /// that is left. Contours lie on the images.
    #[arg(long, value_name = "N=PATH", value_parser = channel)]
    channel: Vec<(usize, PathBuf)>,
    /// Only this fold of a model of nnU-Net, by its number (or `all`); several times for several. All by
    /// default, whose mean is the result.
    #[arg(long, value_name = "N")]
    fold: Vec<String>,
    /// Leaves out mirroring, where the model asks for it.
    #[arg(long)]
    no_mirror: bool,
    /// The sliding window's step as a share of the patch (the model's own, mostly 0.5).
    #[arg(long, value_name = "0.5", value_parser = step)]
    step: Option<f64>,
    /// Also writes what a model of nnU-Net makes on the way to its labels into this folder: the network's
    /// input (preprocessed.npy), one tile's logits (tile_logits.npy), all logits (logits.npy), and what they
    /// are (steps.json). Runs the model once more.
    #[arg(long, value_name = "FOLDER")]
    steps_to: Option<PathBuf>,
    /// The tile of `--steps-to`, by its first voxel in the padded input (the middle one of the window).
    #[arg(long, value_name = "Z,Y,X", value_parser = steps::tile, requires = "steps_to")]
    tile: Option<[usize; 3]>,
    /// Where to run: auto (a real GPU if there is one, else the CPU), gpu, or cpu.
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = DeviceChoice::from_str)]
    device: DeviceChoice,
    /// Writes the label map of a series with uneven slices on evenly spaced ones.
    #[arg(long)]
    resample: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Overwrites existing files.
    #[arg(long)]
    force: bool,
}

fn step(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|step| (0.05..=1.0).contains(step)).ok_or_else(|| "use 0.05 to 1".to_owned())
}

fn channel(text: &str) -> Result<(usize, PathBuf), String> {
    let parsed = text.split_once('=').and_then(|(number, path)| Some((number.trim().parse().ok()?, path)));
    match parsed {
        Some((number, path)) if !path.is_empty() => Ok((number, PathBuf::from(path))),
        _ => Err("use a channel's number and a path, such as 1=pet".to_owned()),
    }
}

/// What was found, by a network or by the body's outline.
struct Found {
    rois: Vec<Roi>,
    labels: Option<LabelMap>,
    timings: Timings,
    device: String,
    warnings: Vec<String>,
    /// Bytes that the model was expected to take on the CPU.
    memory_estimate: Option<u64>,
    /// Files of the steps on the way, where asked for.
    steps: Vec<NewFile>,
}

/// Runs the command.
///
/// # Errors
/// When the images cannot be read, the model is not for them, or a file cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    check_outputs(args)?;
    // An unknown model is told before the images are read.
    let package = if args.model == BODY {
        if !args.fold.is_empty() {
            bail!("the model body is no network and has no folds; leave --fold out");
        }
        None
    } else {
        Some(ModelPackage::find(&args.model)?.with_folds(&args.fold)?)
    };
    if let Some(folder) = package.as_ref().and_then(|package| package.folder.as_ref())
        && Path::new(&args.model).is_dir()
        && folder != Path::new(&args.model)
    {
        eprintln!("using the model in {}", folder.display());
    }
    if let Some(package) = &package {
        check_needed(package)?;
    }
    let study =
        with_bar(|progress| Study::open(std::slice::from_ref(&args.path), args.series.as_deref(), progress))?;
    if let Some(choice) = &study.choice {
        eprintln!("{choice}; choose another with --series UID");
    }
    let read = started.elapsed().as_secs_f64();
    let series = &study.series;
    check_image(args, package.as_ref(), series)?;
    let mut found = match &package {
        None => contour_body(args, series),
        Some(package) => contour_organs(args, package, &study),
    }
    .with_context(|| format!("cannot contour these images: {}", args.path.display()))?;
    let before_writing = Instant::now();
    let mut warnings: Vec<String> = study.warnings.iter().map(ToString::to_string).collect();
    warnings.extend(found.warnings.iter().cloned());
    if found.rois.is_empty() {
        warnings.push("no organ of the model was found in the images".to_owned());
    }
    let steps = std::mem::take(&mut found.steps);
    warnings.extend(write(args, package.as_ref(), &study, &found, steps)?);
    let write = before_writing.elapsed().as_secs_f64();
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    let seconds = json!({
        "read": read,
        "preprocess": found.timings.preprocess,
        "infer": found.timings.infer,
        "postprocess": found.timings.postprocess,
        "write": write,
        "total": started.elapsed().as_secs_f64(),
    });
    if args.json {
        let rois: Vec<_> = found
            .rois
            .iter()
            .map(|roi| {
                json!({
                    "name": roi.name,
                    "volume_cc": roi.volume_cc(&series.volume),
                    "contours": contour_count(roi),
                    "confidence": roi.confidence.map(|all| json!({
                        "value": rounded(all.value),
                        "calibrated": all.calibrated,
                    })),
                    "slice_confidence": roi.slice_confidence().map(|(plane, value)| json!({
                        "slice_mm": (plane.plane.offset_mm() * 1e4).round() / 1e4,
                        "value": rounded(value),
                    })).collect::<Vec<_>>(),
                })
            })
            .collect();
        let document = json!({
            "model": package.as_ref().map_or(BODY, |package| &package.id),
            "device": found.device,
            "seconds": seconds,
            "memory_estimate_mb": found.memory_estimate.map(|bytes| (bytes as f64 / 1e6).round()),
            "peak_memory_mb": peak_memory_bytes().map(|bytes| (bytes as f64 / 1e6).round()),
            "rois": rois,
            "warnings": warnings,
        });
        outln!("{document:#}");
    } else {
        outln!("{:<24} {:>10} {:>9} {:>11}", "ROI", "volume cc", "contours", "confidence");
        for roi in &found.rois {
            let (volume_cc, contours) = (roi.volume_cc(&series.volume), contour_count(roi));
            outln!("{:<24} {volume_cc:>10.1} {contours:>9} {:>11}", roi.name, confidence_text(roi));
        }
        if found.rois.iter().any(|roi| roi.confidence.is_some_and(|all| !all.calibrated)) {
            eprintln!("confidence with * is uncalibrated: it orders contours, but promises no agreement");
        }
        eprintln!("{}, {:.1} s; unreviewed", found.device, started.elapsed().as_secs_f64());
        if args.out.is_none() && args.labels.is_none() && args.steps_to.is_none() {
            eprintln!(
                "nothing was written; give --out FILE.dcm or --labels FILE.nii.gz to keep the contours"
            );
        }
    }
    Ok(())
}

/// Refuses a model that looks where another has found its region, where that one, or the one that it needs
/// itself, is not there.
fn check_needed(package: &ModelPackage) -> anyhow::Result<()> {
    let mut own = package.clone();
    // A longer chain is refused when it runs.
    for _ in 0..2 {
        let Some(needed) = own.crops_on() else { break };
        own = own.beside(needed).map_err(|error| {
            anyhow!("the model {} looks where another has found its region: {error}", package.id)
        })?;
    }
    Ok(())
}

/// The confidence with two decimals, marked where it is not calibrated.
fn confidence_text(roi: &Roi) -> String {
    roi.confidence.map_or_else(
        || "-".to_owned(),
        |all| format!("{:.2}{}", all.value, if all.calibrated { "" } else { "*" }),
    )
}

fn rounded(share: f32) -> f64 {
    (f64::from(share) * 1e4).round() / 1e4
}

fn contour_count(roi: &Roi) -> usize {
    roi.planes.iter().flat_map(|plane| &plane.polygons).map(|polygon| polygon.rings().count()).sum()
}

fn check_outputs(args: &Args) -> anyhow::Result<()> {
    if args.steps_to.is_some() && args.model == BODY {
        bail!(WrongUsage("--steps-to is for models of nnU-Net, the model body is no network".to_owned()));
    }
    if let Some(out) =
        args.out.as_deref().filter(|out| !out.extension().is_some_and(|e| e.eq_ignore_ascii_case("dcm")))
    {
        let text = "an RTSTRUCT's name ends in .dcm (a label map goes to --labels)";
        bail!(WrongUsage(format!("{text}: {}", out.display())));
    }
    if let Some(labels) = args.labels.as_deref().filter(|path| !nifti::is_nifti_name(path)) {
        bail!(WrongUsage(format!("a label map's name ends in .nii or .nii.gz: {}", labels.display())));
    }
    if args.extent.is_some() && args.model != BODY {
        let text = "--extent is for --model body only, this model is";
        bail!(WrongUsage(format!("{text} {}", args.model)));
    }
    // What cannot be written is said now, not after minutes of work.
    if let Some(labels) = &args.labels {
        label_names::refuse_other_sidecar(labels)?;
    }
    let names = args.labels.as_deref().map(label_names::path_of);
    for path in [args.out.as_deref(), args.labels.as_deref(), names.as_deref()].into_iter().flatten() {
        drop(NewFile::create(path, args.force)?);
    }
    if let Some(folder) = &args.steps_to {
        let cannot = |error| WriteFileError::from_io(&error, folder);
        std::fs::create_dir_all(folder).map_err(cannot)?;
        for path in steps::paths(folder) {
            drop(NewFile::create(&path, args.force)?);
        }
    }
    Ok(())
}

fn check_image(args: &Args, package: Option<&ModelPackage>, series: &Series) -> anyhow::Result<()> {
    let path = args.path.display();
    if !args.channel.is_empty() && package.is_none_or(|package| package.nnunet.is_none()) {
        bail!(
            "the model {} has one input channel, the images themselves; leave --channel out: {path}",
            args.model
        );
    }
    let wanted = package.map_or("CT", |package| &package.modality);
    let have = &series.info.modality;
    // An image without a modality (NIfTI) is taken by its values, but for models of nnU-Net, which
    // take any values; they do not always tell what they are for.
    // Where channel 0 comes from elsewhere, the images may be any other.
    let unknown = matches!(have, Modality::Other(_))
        || wanted.is_empty()
        || args.channel.iter().any(|(number, _)| *number == 0)
        || (package.is_some_and(|package| package.nnunet.is_some()) && nifti::is_nifti_name(&args.path));
    if !unknown && have.code() != wanted {
        let several = package.is_some_and(|package| package.modalities().len() > 1);
        let or = if several { ", or say with --channel 0=PATH where those are" } else { "" };
        bail!(
            "the model {} is for {wanted}, these images are {}; choose another series with --series{or}: {path}",
            args.model,
            have.code()
        );
    }
    if args.labels.is_some() && series.volume.is_resampled() && !args.resample {
        bail!(
            "the slices are unevenly spaced, which a NIfTI label map cannot hold; \
             --resample writes it on evenly spaced slices: {path}"
        );
    }
    Ok(())
}

fn contour_organs(args: &Args, package: &ModelPackage, study: &Study) -> anyhow::Result<Found> {
    // Told once where there is a card, by the card.
    let model = package.nnunet.as_ref().filter(|_| package.card().is_none());
    let mut warnings = Vec::from_iter(model.and_then(Model::trainer_warning));
    let images = match &package.nnunet {
        None => Vec::new(),
        Some(model) => {
            let names = &model.dataset.channels;
            let given: Vec<(usize, Given)> =
                args.channel.iter().map(|(number, path)| (*number, Given::Path(path.clone()))).collect();
            let base = Base::of(study);
            let gathered = with_bar(|progress| channels::gather(base, names, &given, progress))?;
            warnings.extend(gathered.warnings);
            warnings.extend(gathered.contradicted.into_iter().map(|text| {
                let better = better(names, study);
                if better.is_empty() { text } else { format!("{text}; {better}") }
            }));
            gathered.images
        }
    };
    let options = PredictOptions {
        channels: images,
        device: args.device,
        rois: args.rois.clone(),
        label_map: args.labels.is_some(),
        step: args.step,
        no_mirror: args.no_mirror,
        ..PredictOptions::default()
    };
    let needed = memory::estimate_bytes(&study.series.volume, package, &options);
    let available = memory::available_bytes();
    let free = available.map_or(String::new(), |bytes| format!(", {} MB are free", bytes / 1_000_000));
    let all = peak_memory_bytes().map_or(String::new(), |own| {
        format!(", with the program and the images {} MB", own.saturating_add(needed) / 1_000_000)
    });
    eprintln!("on the CPU the model takes about {} MB of memory{all}{free}", needed / 1_000_000);
    let on_cpu = ai::engine::runs_on_cpu(args.device);
    if !on_cpu {
        let network = memory::graphics_network_bytes(package) / 1_000_000;
        eprintln!("on a graphics device the network takes about {network} MB");
        let graphics = memory::graphics_bytes(&study.series.volume, package) / 1_000_000;
        eprintln!("on a graphics device the model's sums take {graphics} MB at most, beside the network");
    }
    let beside = || memory::beside_graphics_bytes(&study.series.volume, package, &options);
    memory::check(if on_cpu { needed } else { beside() }, available).map_err(|text| {
        let names = package.nnunet.as_ref().map(Model::fold_names).unwrap_or_default();
        match names.as_slice() {
            [first, _, ..] => anyhow!("{text}, or run one of its {} folds with --fold {first}", names.len()),
            _ => anyhow!(text),
        }
    })?;
    let volume = &study.series.volume;
    let steps = match &args.steps_to {
        None => Vec::new(),
        Some(folder) => {
            let place = (folder.as_path(), args.tile, args.force);
            let (files, told) =
                with_bar(|progress| steps::prepare(volume, package, &options, place, progress))?;
            warnings.extend(told);
            files
        }
    };
    let found = with_bar(|progress| ai::predict(volume, package, &options, progress))?;
    warnings.extend(found.warnings);
    warnings.dedup();
    Ok(Found {
        steps,
        rois: found.rois,
        labels: found.labels,
        timings: found.timings,
        device: found.device,
        warnings,
        memory_estimate: Some(needed),
    })
}

/// Which other series are what a model's only channel says, where the open one is not.
fn better(names: &[String], study: &Study) -> String {
    let [name] = names else { return String::new() };
    let lines = Line::all(&study.library);
    let Fitting { by: By::Name, series } = fitting(name, &[], &lines) else { return String::new() };
    let told: Vec<String> = series.iter().map(|at| lines[*at].told()).collect();
    format!("choose with --series UID: {}", told.join(", "))
}

fn contour_body(args: &Args, series: &Series) -> anyhow::Result<Found> {
    if let Some(name) = args.rois.iter().find(|name| *name != "Body") {
        bail!("there is no organ {name}, only Body");
    }
    let started = Instant::now();
    let extent = args.extent.unwrap_or_default();
    let found = with_bar(|progress| ai::external_contour(&series.volume, extent, progress))?;
    let note = found.note(extent).map(str::to_owned);
    let roi = found.roi;
    let infer = started.elapsed().as_secs_f64();
    let labels = args.labels.as_ref().map(|_| {
        let mask = Mask::of_roi(&roi, &series.volume);
        let grid = &series.volume.grid;
        let [ni, nj, nk] = grid.dims();
        let mut labels = vec![0_u16; grid.len()];
        for (at, label) in labels.iter_mut().enumerate() {
            let voxel = [at % ni, at / ni % nj, at / (ni * nj)];
            *label = u16::from(voxel[2] < nk && mask.contains(voxel));
        }
        LabelMap { grid: grid.clone(), labels, names: vec![(1, roi.name.clone())], unreviewed: true }
    });
    let timings = Timings { preprocess: 0.0, infer, postprocess: started.elapsed().as_secs_f64() - infer };
    let device = format!("CPU ({} threads)", rayon::current_num_threads());
    let mut warnings = Vec::from_iter(note);
    if args.device == DeviceChoice::Gpu {
        warnings.push("the body is found on the processor, whatever --device says".to_owned());
    }
    Ok(Found { rois: vec![roi], labels, timings, device, warnings, memory_estimate: None, steps: Vec::new() })
}

/// Writes what was asked for, with the `files` that are made already, all of it or nothing; gives the warnings
/// of writing.
fn write(
    args: &Args,
    package: Option<&ModelPackage>,
    study: &Study,
    found: &Found,
    mut files: Vec<NewFile>,
) -> anyhow::Result<Vec<String>> {
    let mut warnings = Vec::new();
    let series = &study.series;
    if let Some(out) = &args.out {
        if found.rois.is_empty() {
            bail!("no organ of the model was found in the images, nothing is written: {}", out.display());
        }
        let set = StructureSet {
            label: package.map_or(BODY.to_owned(), |package| package.id.clone()),
            patient: series.info.patient.clone(),
            frame_of_reference_uid: series.info.frame_of_reference_uid.clone(),
            series_uid: Some(series.info.uid.clone()),
            sop_instance_uid: None,
            rois: found.rois.iter().cloned().map(Arc::new).collect(),
        };
        let options = WriteRtstructOptions {
            unreviewed_ai: true,
            force: args.force,
            ..WriteRtstructOptions::default()
        };
        let prepared = prepare_rtstruct(&set, series, out, &options)?;
        warnings.extend(prepared.written.warnings);
        files.push(prepared.file);
    }
    if let (Some(path), Some(labels)) = (&args.labels, &found.labels) {
        let like = nifti::is_nifti_name(&args.path).then_some(args.path.as_path());
        let model = package.map_or(BODY.to_owned(), |package| format!("{} {}", package.id, package.version));
        let text = format!("AI unreviewed ({model})");
        files.extend(label_names::prepare_labels_with_names(labels, path, like, &text, args.force)?);
    }
    commit_all(files)?;
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(more: &[&str]) -> Args {
        let line = ["delineo", "/images", "--model", "m"];
        Line::parse_from(line.iter().chain(more)).args
    }

    #[test]
    fn images_of_another_modality_are_taken_where_channel_0_is_given() {
        let training = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/nnunet/res2d/nnUNetTrainer__nnUNetPlans__2d");
        let mut package = ModelPackage::load(&training).unwrap();
        package.modality = "PT".to_owned();
        let model = package.nnunet.as_mut().unwrap();
        model.dataset.channels = vec!["PET".to_owned(), "CT".to_owned()];
        assert_eq!(package.modalities(), ["PT", "CT"]);
        let series = crate::session::fixture::axial_series();
        let told = |more: &[&str]| {
            check_image(&args(more), Some(&package), &series).map_err(|error| error.to_string())
        };
        let refused = told(&[]).unwrap_err();
        assert!(refused.contains("for PT") && refused.contains("--channel 0=PATH"), "{refused}");
        assert!(told(&["--channel", "1=/pet"]).is_err());
        assert_eq!(told(&["--channel", "0=/pet"]), Ok(()));
    }
}
