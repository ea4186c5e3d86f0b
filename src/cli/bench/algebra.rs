//! Rows of `bench edit` for the algebra of structures: union, undo, and a margin beside SimpleITK's
//! distance map on the same organ in the same run.

use super::rows::{alone, shared_data};
use super::{BenchRow, median_seconds, python_number, python_with};
use crate::edit::algebra::{Margin, Region, SetRule, combined, expanded};
use crate::formats::nifti;
use crate::geometry::{Plane, Point3, Vector3};
use crate::patient::{Roi, RoiId, Series, StructureSet};
use crate::progress::Progress;
use crate::render::{OutlineCache, RoiMesher, SURFACE_MM, segments_of, surface_of_roi};
use crate::session::derive::{Order, Target};
use crate::session::study::Study;
use crate::session::{Command, Session};
use anyhow::{Context, anyhow};
use std::path::Path;
use std::sync::Arc;

/// SimpleITK's time on the same organ.
const PEER: &str = include_str!("../../../tests/python/simpleitk_margin_seconds.py");

/// VTK's time for the surface of the same organ.
const VTK: &str = include_str!("../../../tests/python/vtk_surface_seconds.py");

const MARGIN_MM: f64 = 5.0;

/// The liver in the chest's label map.
const LIVER: u16 = 5;

/// All rows; `series` and `set` are those of the gestures' benchmark.
///
/// # Errors
/// When the session refuses a step, or the shared data is there but cannot be read.
pub fn run(series: &Arc<Series>, set: &StructureSet) -> anyhow::Result<Vec<BenchRow>> {
    let mut rows = sets(series, set)?;
    rows.push(sagittal(series, set)?);
    if let Some(chest) = shared_data("chest") {
        rows.extend(liver(&chest)?);
    }
    Ok(rows)
}

/// The outlines of all structures on the next sagittal plane: a step of the wheel.
fn sagittal(series: &Series, set: &StructureSet) -> anyhow::Result<BenchRow> {
    let volume = Some(series.volume.as_ref());
    let mut at_mm = -60.0;
    let mut segments = 0;
    let plane = |x: f64| Plane::new(Point3::new(x, 0.0, 0.0), Vector3::y(), Vector3::z()).context("a plane");
    plane(at_mm)?;
    let mut cache = OutlineCache::default();
    let seconds = median_seconds(41, || {
        at_mm += 3.0;
        let Ok(view) = plane(at_mm) else { return };
        cache.cut(&set.rois, volume, &view);
        let outlines = set.rois.iter().map(|roi| cache.outline(roi, volume, &view));
        segments = outlines.map(|outline| segments_of(&outline.rings).len()).sum::<usize>();
    });
    let note = format!("{} structures, {segments} segments on the last", set.rois.len());
    Ok(alone("sagittal outlines for a step of the wheel", "ms", seconds * 1e3, note))
}

/// Union of two organs of 120 slices, and undo of it.
fn sets(series: &Arc<Series>, set: &StructureSet) -> anyhow::Result<Vec<BenchRow>> {
    let volume = &series.volume;
    let regions: Vec<Region> =
        set.rois.iter().take(2).map(|roi| Region::of_roi(roi, volume)).collect::<Result<_, _>>()?;
    let [first, second] = &regions[..] else { anyhow::bail!("two structures are needed") };
    // The second organ moved into the first.
    let moved: Vec<_> = second
        .slices()
        .map(|(index, own)| {
            let mut own = own.to_vec();
            let rings =
                own.iter_mut().flat_map(|piece| std::iter::once(&mut piece.outer).chain(&mut piece.holes));
            rings.flatten().for_each(|point| point.x -= 125.0);
            (index, own)
        })
        .collect();
    let moved = Region::from_slices(moved);
    let seconds = median_seconds(21, || {
        std::hint::black_box(combined(SetRule::Union, &[first, &moved]));
    });
    let note = format!("{} and {} points on 120 slices", first.vertex_count(), moved.vertex_count());
    let mut rows = vec![alone("union of two organs", "ms", seconds * 1e3, note)];

    let folder = tempfile::tempdir().context("no temporary folder for the journal")?;
    let mut session = Session::begin(Arc::clone(series), &[], folder.path());
    session.apply(Command::ImportStructureSet(Box::new(set.clone())))?;
    let id = session.structures().rois.first().context("a structure")?.id;
    let recipe = session.read_recipe("Organ_0 + 1 mm")?.recipe;
    let plan = session.plan("Margin", vec![Order { recipe, target: Target::Roi(id), keep: false }])?;
    let done = plan.run(&Progress::new())?;
    session.apply(done).map_err(|refusal| anyhow!("{refusal}"))?;
    let mut undo = Vec::new();
    for _ in 0..11 {
        let start = std::time::Instant::now();
        session.undo()?;
        undo.push(start.elapsed().as_secs_f64());
        session.redo()?;
    }
    let note = "a margin of an organ of 120 slices, with the journal".to_owned();
    rows.push(alone("undo of an operation", "ms", super::median(undo) * 1e3, note));
    session.close()?;
    Ok(rows)
}

/// 5 mm around the chest's liver, and its surface, whole and after a stroke.
fn liver(chest: &Path) -> anyhow::Result<[BenchRow; 3]> {
    let series = Study::open(&[chest.join("CT")], None, &Progress::new())?.series;
    let file = chest.join("labels.nii.gz");
    let labels = nifti::read_labels(&file, &Progress::new())?.on_grid(&series.volume.grid)?;
    let mask = labels.masks().remove(&LIVER).context("the label map has no liver")?;
    let mut roi = Roi::new(RoiId(1), 1, "Liver", [200, 80, 80]);
    roi.planes = mask.planes(&series.volume);
    let region = Region::of_roi(&roi, &series.volume)?;
    let all = (0, usize::MAX);
    let margin = Margin::uniform(MARGIN_MM);
    let mut points = 0;
    let rounds = 11;
    let seconds = median_seconds(rounds, || {
        let large = expanded(&region, &series.volume, margin, all, &Progress::new());
        points = large.map_or(0, |large| large.vertex_count());
    });
    let peer = python_with("SimpleITK").and_then(|python| {
        let arguments = [LIVER.to_string(), MARGIN_MM.to_string(), rounds.to_string()];
        let arguments: Vec<String> = std::iter::once(file.display().to_string()).chain(arguments).collect();
        python_number(&python, PEER, &arguments)
    });
    let mut triangles = 0;
    let surface_seconds = median_seconds(rounds, || {
        triangles = surface_of_roi(&roi, Some(&series.volume)).map_or(0, |surface| surface.indices.len() / 3);
    });
    // One slice moved by a millimetre, and back.
    let mut edited = roi.clone();
    let middle = edited.planes.len() / 2;
    let plane = Arc::make_mut(edited.planes.get_mut(middle).context("the liver has no contours")?);
    let rings =
        plane.polygons.iter_mut().flat_map(|piece| std::iter::once(&mut piece.outer).chain(&mut piece.holes));
    rings.flatten().for_each(|point| point.x += 1.0);
    let mut mesher = RoiMesher::default();
    let mut states = [&roi, &edited].into_iter().cycle();
    let mut again = || states.next().and_then(|own| mesher.surface(own, Some(&series.volume), &|| false));
    again().context("the surface was not made")?;
    let stroke_seconds = median_seconds(rounds, || drop(std::hint::black_box(again())));
    let vtk = python_with("vtk").and_then(|python| {
        let arguments = [file.display().to_string(), LIVER.to_string(), rounds.to_string()];
        python_number(&python, VTK, &arguments)
    });
    let row = |name: &str, seconds: f64, note: String| BenchRow {
        name: name.to_owned(),
        unit: "ms",
        ours: seconds * 1e3,
        peer: vtk.map(|seconds| seconds * 1e3),
        peer_name: if vtk.is_some() {
            "VTK flying edges, one thread or more".to_owned()
        } else {
            String::new()
        },
        note,
    };
    let note = format!("{triangles} triangles from contours, at {SURFACE_MM} mm");
    let of_surface = row("surface of the liver of the chest", surface_seconds, note);
    let note = "one slice changed; the peer makes all anew".to_owned();
    let of_stroke = row("surface of the liver after a stroke", stroke_seconds, note);
    let of_margin = BenchRow {
        name: "5 mm around the liver of the chest".to_owned(),
        unit: "ms",
        ours: seconds * 1e3,
        peer: peer.map(|seconds| seconds * 1e3),
        peer_name: if peer.is_some() { "SimpleITK distance map".to_owned() } else { String::new() },
        note: format!("{} points in, {points} out", region.vertex_count()),
    };
    Ok([of_margin, of_surface, of_stroke])
}
