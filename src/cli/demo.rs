//! `delineo demo`: the main job on the sample patient, without a display or a GPU.

use super::bar::with_bar;
use super::compare::{compare_sets, print_table};
use super::render::Picture;
use super::sample;
use crate::ai::{ModelPackage, PredictOptions, body_contour, predict};
use crate::device::DeviceChoice;
use crate::dicom::{WriteRtstructOptions, read_rtstruct, write_rtstruct};
use crate::patient::{Series, StructureSet};
use crate::phantom;
use crate::render::{Painter, ViewKind, VolumeStyle, Window};
use crate::session::study::Study;
use crate::session::{Command, Session};
use crate::tools::{BrushTool, Modifiers, ToolEvent, ViewPlane};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// The model that the sample patient comes with.
const MODEL: &str = "sample-body";
/// The organ that the scripted stroke corrects.
const CORRECTED: &str = "Bladder";
/// Within this distance two surfaces count as the same, mm.
const TOLERANCE_MM: f64 = 3.0;

/// Contours the synthetic sample patient with AI, corrects, exports, checks and draws it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where everything is written.
    #[arg(long, default_value = "delineo-demo")]
    out: PathBuf,
    /// Which individual: every number is a different one.
    #[arg(long, default_value_t = phantom::DEFAULT_SEED)]
    seed: u64,
    /// Writes over the files of an earlier demonstration.
    #[arg(long)]
    force: bool,
}

/// Runs the command.
///
/// # Errors
/// When a step fails; the message says which and why.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let out = &args.out;
    sample::refuse_full_folder(out, args.force)?;
    let say = |text: &str| eprintln!("[{:5.1} s] {text}", started.elapsed().as_secs_f64());

    say("building the sample patient (synthetic, not a person)");
    let patient = with_bar(|progress| phantom::build(args.seed, progress))?;
    say("writing it as DICOM");
    let written = with_bar(|progress| sample::write(&patient, out, progress))?;
    drop(patient);

    say("reading it back");
    let study = with_bar(|progress| Study::open(std::slice::from_ref(&written.ct), None, progress))?;
    let series = Arc::new(study.series);

    say("contouring with AI");
    let mut session = Session::new(Arc::clone(&series));
    propose(&mut session, &series)?;

    say("accepting the proposals and correcting one with a brush stroke");
    session.apply(Command::AcceptAllProposals)?;
    let edit = correct(&mut session)?;

    say("exporting");
    let exported = out.join("contours.dcm");
    let options = WriteRtstructOptions { unreviewed_ai: true, force: args.force, ..Default::default() };
    write_rtstruct(&session.exportable().set, &series, &exported, &options)?;

    say("reading the export and comparing it with the reference");
    let contours = read_rtstruct(&exported, Some(&series))?.set;
    let reference = read_rtstruct(&written.reference, Some(&series))?.set;
    let report = compare_sets(&contours, &reference, &series, TOLERANCE_MM);

    say("drawing pictures");
    let pictures = draw(&series, &contours, out, args.force)?;

    print_table(&report);
    outln!();
    outln!("hand edit:            {edit}");
    outln!("CT series:            {}", written.ct.display());
    outln!("reference structures: {}", written.reference.display());
    outln!("exported contours:    {}", exported.display());
    for picture in &pictures.files {
        outln!("picture:              {}", picture.display());
    }
    outln!("pictures drawn on:    {}", pictures.device);
    outln!("This is synthetic anatomy for demonstration and teaching. Not a cleared medical device.");
    Ok(())
}

/// Adds the model's and the classical body contour's proposals.
fn propose(session: &mut Session, series: &Series) -> anyhow::Result<()> {
    let package = ModelPackage::find(MODEL)?;
    let options = PredictOptions { device: DeviceChoice::Auto, ..PredictOptions::default() };
    let prediction = with_bar(|progress| predict(&series.volume, &package, &options, progress))?;
    for warning in &prediction.warnings {
        eprintln!("warning: {warning}");
    }
    eprintln!("          {} organs on {}", prediction.rois.len(), prediction.device);
    let body = with_bar(|progress| body_contour(&series.volume, progress))?;
    session.apply(Command::AddProposals {
        rois: prediction.rois,
        model: format!("{MODEL} {}", package.version),
    })?;
    session.apply(Command::AddProposals { rois: vec![body], model: "body".to_owned() })?;
    Ok(())
}

/// Brushes a bulge onto one organ, as a person would with the mouse.
fn correct(session: &mut Session) -> anyhow::Result<String> {
    let found = session.structures().roi_named(CORRECTED).or_else(|| session.structures().rois.first());
    let Some(roi) = found.cloned() else { bail!("the model found no organ to correct") };
    let own = roi.planes.get(roi.planes.len() / 2).context("the organ to correct has no contour")?;
    let rim = own
        .polygons
        .iter()
        .flat_map(|polygon| polygon.outer.iter())
        .max_by(|a, b| a.x.total_cmp(&b.x))
        .context("the organ to correct has no contour")?;
    let view = ViewPlane { plane: own.plane, pixel_mm: 1.0 };
    let at = |dy: f64| own.plane.lift(crate::geometry::Point2::new(rim.x, rim.y + dy));
    session.select(Some(roi.id));
    let mut brush = BrushTool::default();
    brush.set_radius_mm(6.0);
    let mut command = None;
    for event in [
        ToolEvent::Press(at(-8.0), Modifiers::default()),
        ToolEvent::Drag(at(0.0)),
        ToolEvent::Drag(at(8.0)),
        ToolEvent::Release(at(8.0)),
    ] {
        command = brush.event(session, &view, event).command.or(command);
    }
    let applied = session.apply(command.context("the brush stroke did nothing")?)?;
    Ok(applied.edit.map_or_else(|| "none".to_owned(), |edit| edit.name.clone()))
}

struct Pictures {
    files: Vec<PathBuf>,
    device: String,
}

fn draw(series: &Series, structures: &StructureSet, out: &Path, force: bool) -> anyhow::Result<Pictures> {
    let mut painter = Painter::new(DeviceChoice::Auto)?;
    let picture = Picture {
        series,
        structures,
        at_mm: None,
        window: Window::for_volume(&series.volume),
        size_px: [1000, 1000],
    };
    let mut files = Vec::new();
    for (name, kind) in
        [("axial", ViewKind::Axial), ("sagittal", ViewKind::Sagittal), ("coronal", ViewKind::Coronal)]
    {
        let file = out.join(format!("{name}.png"));
        picture.slice(kind, &mut painter)?.write_png(&file, force)?;
        files.push(file);
    }
    let file = out.join("3d.png");
    picture.volume(VolumeStyle::Bone, &mut painter)?.write_png(&file, force)?;
    files.push(file);
    Ok(Pictures { files, device: painter.device() })
}
