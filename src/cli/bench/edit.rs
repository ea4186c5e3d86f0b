//! `bench edit`: from pointer event to the changed slice's polygons and line buffer, on a study of
//! 512 x 512 x 200 voxels with 120 structures, with the journal running.

mod among;
mod between;
mod dense;
mod grow;
mod reshaping;

use crate::geometry::{Grid, Plane, Point2, Point3, Polygon, Vector3};
use crate::patient::{
    ImageInstance, Roi, RoiId, RoiPlane, Series, SeriesInfo, Slice, StructureSet, Unit, Volume, Voxels,
};
use crate::render::{rings_on_view, segments_of};
use crate::session::{Command, Session};
use crate::tools::{BrushMode, Modifiers, ToolEvent, ToolKind, Tools, ViewPlane};
use anyhow::{Context, anyhow};
use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Instant;

/// In-plane spacing and slice distance of the study, mm.
const SPACING_MM: [f64; 3] = [0.976_562_5, 0.976_562_5, 1.5];

/// The structures of the study that is measured.
const STRUCTURES: u32 = 120;

/// Times of one kind of event.
#[derive(Debug, Clone)]
pub struct EventTimes {
    /// The gesture and the event.
    pub event: &'static str,
    /// How many were timed.
    pub count: usize,
    /// Median, ms.
    pub p50_ms: f64,
    /// 99th percentile, ms.
    pub p99_ms: f64,
    /// The longest, ms.
    pub worst_ms: f64,
}

impl EventTimes {
    fn of(event: &'static str, mut times_ms: Vec<f64>) -> Self {
        times_ms.sort_by(f64::total_cmp);
        let at = |part: usize| times_ms.get(times_ms.len() * part / 100).or(times_ms.last()).copied();
        Self {
            event,
            count: times_ms.len(),
            p50_ms: at(50).unwrap_or_default(),
            p99_ms: at(99).unwrap_or_default(),
            worst_ms: times_ms.last().copied().unwrap_or_default(),
        }
    }
}

/// The list of what a release adds on the journal's thread.
const JOURNAL: &str = "the journal's thread, any release";

/// The times of a gesture, ms.
struct Times {
    moves: Vec<f64>,
    release: f64,
    /// Of the release, on the journal's thread.
    journal: f64,
}

/// The times of one kind of event, as they came.
struct Timed {
    name: &'static str,
    times_ms: Vec<f64>,
}

impl Timed {
    fn listed(self) -> EventTimes {
        EventTimes::of(self.name, self.times_ms)
    }
}

/// A gesture to be timed.
struct Gesture {
    kind: ToolKind,
    radius_mm: f64,
    view: ViewPlane,
    path: Vec<Point3>,
}

/// Milliseconds of CPU that this thread has used (Linux), or of the clock where the system does not
/// tell: on a busy machine the clock counts other programs' work.
fn cpu_ms(since: Instant) -> f64 {
    // Giving way makes the scheduler bring its account up to date.
    std::thread::yield_now();
    let account = std::fs::read_to_string("/proc/thread-self/schedstat");
    let nanoseconds = account.ok().and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| since.elapsed().as_secs_f64() * 1e3, |ns| ns * 1e-6)
}

/// Milliseconds of CPU that the journals' threads have used (Linux); 0 where the system does not tell.
fn journal_cpu_ms() -> f64 {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return 0.0 };
    let spent = |thread: std::path::PathBuf| -> Option<f64> {
        let name = std::fs::read_to_string(thread.join("comm")).ok()?;
        let account = std::fs::read_to_string(thread.join("schedstat")).ok()?;
        let nanoseconds = account.split_whitespace().next()?.parse::<f64>().ok()?;
        (name.trim_end() == "journal").then_some(nanoseconds * 1e-6)
    };
    threads.flatten().filter_map(|thread| spent(thread.path())).sum()
}

/// Times brush, eraser, ball and freehand gestures along the contours of a structure, and after them
/// those that reshape an outline; last, in lists of their own, gestures among neighbours that are in the
/// way, a whole structure that is moved, and gestures on one of 300,000 points. CPU time of all work but
/// the journal's, for none of it leaves the thread that is timed; the pointer events of a stroke and its
/// release (with tidying and the session) are listed apart and together. The journal's thread, which a release waits for, has a list of its own.
///
/// # Errors
/// When the temporary folder for the journal cannot be used.
pub fn measure() -> anyhow::Result<Vec<EventTimes>> {
    measure_with(STRUCTURES)
}

fn measure_with(count: u32) -> anyhow::Result<Vec<EventTimes>> {
    // A thread that is a pool of its own does alone what the window's would share out.
    let timed = std::thread::Builder::new().name("bench-edit".to_owned()).spawn(move || {
        let _pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build()?;
        measure_here(count)
    })?;
    timed.join().map_err(|_| anyhow!("a gesture ended in a panic; please report this"))?
}

fn measure_here(count: u32) -> anyhow::Result<Vec<EventTimes>> {
    let series = Arc::new(study()?);
    let (_folder, mut session) = begun(&series, structures(&series, count))?;

    let (mut all, mut journal, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    for (moves, releases, kind, across) in [
        ("brush: move", "brush: release", ToolKind::Brush, false),
        ("eraser: move", "eraser: release", ToolKind::Eraser, false),
        ("ball across slices: move", "ball across slices: release", ToolKind::Brush, true),
        ("freehand: move", "freehand: release", ToolKind::Freehand, false),
        ("slab across slices: move", "slab across slices: release", ToolKind::Freehand, true),
    ] {
        let (mut moving, mut releasing) = (Vec::new(), Vec::new());
        for number in 0..40_u32 {
            let gesture = gesture(kind, across, number)?;
            let times = perform(&mut session, &gesture)?;
            moving.extend(times.moves);
            releasing.push(times.release);
            journal.push(times.journal);
        }
        all.extend_from_slice(&moving);
        all.extend_from_slice(&releasing);
        lists.push(EventTimes::of(moves, moving));
        lists.push(EventTimes::of(releases, releasing));
    }
    session.close()?;
    lists.extend(reshaping::measure(count, &mut all, &mut journal)?);
    lists.push(EventTimes::of("all events", all));
    lists.extend(among::measure(count, &mut journal)?);
    lists.extend(dense::measure(count, &mut journal)?);
    lists.push(EventTimes::of(JOURNAL, journal));
    Ok(lists)
}

/// The rows of the algebra of structures, on the same study.
///
/// # Errors
/// When the session refuses a step, or the shared data is there but cannot be read.
pub fn algebra() -> anyhow::Result<Vec<super::BenchRow>> {
    let series = Arc::new(study()?);
    let set = structures(&series, STRUCTURES);
    super::algebra::run(&series, &set)
}

/// The rows of a whole organ from a few drawn slices.
///
/// # Errors
/// When the session refuses a step.
pub fn between() -> anyhow::Result<Vec<super::BenchRow>> {
    between::run()
}

/// The row of growing from a click.
///
/// # Errors
/// When the click grows nothing.
pub fn grow() -> anyhow::Result<Vec<super::BenchRow>> {
    grow::run()
}

/// Performs a gesture.
fn perform(session: &mut Session, gesture: &Gesture) -> anyhow::Result<Times> {
    played(&mut hand(gesture), session, gesture)
}

/// The tools with that of a gesture in hand, which adds.
fn hand(gesture: &Gesture) -> Tools {
    let mut tools = Tools::default();
    tools.choose(gesture.kind);
    tools.brush.set_radius_mm(gesture.radius_mm);
    tools.brush.set_mode(BrushMode::Add);
    tools
}

/// A session with these structures, the first of them selected, and the folder of its journal.
fn begun(series: &Arc<Series>, set: StructureSet) -> anyhow::Result<(tempfile::TempDir, Session)> {
    let folder = tempfile::tempdir().context("no temporary folder for the journal")?;
    let mut session = Session::begin(Arc::clone(series), &[], folder.path());
    session.apply(Command::ImportStructureSet(Box::new(set)))?;
    session.select(session.structures().rois.first().map(|roi| roi.id));
    Ok((folder, session))
}

/// Performs `count` gestures that `make` makes by their number, each with its tools, after hovering where
/// it begins: the lists of their moves and of their releases, with these names. The journal's times are
/// added to `journal`.
fn timed(
    session: &mut Session,
    names: [&'static str; 2],
    count: u32,
    journal: &mut Vec<f64>,
    make: impl Fn(u32) -> anyhow::Result<(Tools, Gesture)>,
) -> anyhow::Result<[Timed; 2]> {
    let before = session.history().done();
    let [mut moves, mut releases] = names.map(|name| Timed { name, times_ms: Vec::new() });
    for number in 0..count {
        let (mut tools, gesture) = make(number)?;
        let times = hovered_and_played(&mut tools, session, &gesture)?;
        moves.times_ms.extend(times.moves);
        releases.times_ms.push(times.release);
        journal.push(times.journal);
    }
    let edits = session.history().done() - before;
    anyhow::ensure!(edits >= count as usize / 2, "{edits} of {count} changed anything: {}", names[1]);
    Ok([moves, releases])
}

/// Performs a gesture after hovering where it begins; see [`played`].
fn hovered_and_played(tools: &mut Tools, session: &mut Session, gesture: &Gesture) -> anyhow::Result<Times> {
    let first = *gesture.path.first().context("a gesture without a path")?;
    tools.event(session, &gesture.view, ToolEvent::Hover(first, Modifiers::default()));
    played(tools, session, gesture)
}

/// Performs a gesture with these tools as they are set; see [`perform`].
fn played(tools: &mut Tools, session: &mut Session, gesture: &Gesture) -> anyhow::Result<Times> {
    let (first, last) = gesture.path.first().zip(gesture.path.last()).context("a gesture without a path")?;
    let begun = Instant::now();
    let mut moves = Vec::with_capacity(gesture.path.len());
    for (index, at) in gesture.path.iter().enumerate() {
        let event =
            if index == 0 { ToolEvent::Press(*first, Modifiers::default()) } else { ToolEvent::Drag(*at) };
        let start = cpu_ms(begun);
        tools.event(session, &gesture.view, event);
        let drawn = tools.preview().map_or(0, |preview| lines(&preview.planes, &gesture.view));
        moves.push(cpu_ms(begun) - start);
        std::hint::black_box(drawn);
    }
    let written = journal_cpu_ms();
    let start = cpu_ms(begun);
    let reaction = tools.event(session, &gesture.view, ToolEvent::Release(*last));
    if let Some(command) = reaction.command {
        let applied = session.apply(command).map_err(|refusal| anyhow!("{refusal}"))?;
        let planes: Vec<Arc<RoiPlane>> = applied
            .edit
            .iter()
            .flat_map(|edit| &edit.changes)
            .filter_map(|change| match change {
                crate::session::Change::Planes { planes, .. } => Some(planes),
                _ => None,
            })
            .flatten()
            .filter_map(|plane| plane.after.clone())
            .collect();
        std::hint::black_box(lines(&planes, &gesture.view));
    }
    let release = cpu_ms(begun) - start;
    Ok(Times { moves, release, journal: journal_cpu_ms() - written })
}

/// Makes the line buffers of changed planes, as far as the CPU does; how many segments.
fn lines(planes: &[Arc<RoiPlane>], view: &ViewPlane) -> usize {
    let view = &view.plane;
    planes.iter().map(|own| segments_of(&rings_on_view(&own.plane, &own.polygons, view)).len()).sum()
}

/// A stroke of some 40 events, each about 3 mm from the last, along the edge of the first structure.
fn gesture(kind: ToolKind, across: bool, number: u32) -> anyhow::Result<Gesture> {
    let start = f64::from(number) * 0.9;
    let z = 150.0 + f64::from(number % 20) * SPACING_MM[2];
    let point = |step: u32| {
        let angle = start + f64::from(step) * 0.07;
        let radius = 40.0 + 3.0 * (angle * 3.0).sin();
        (radius * angle.cos(), radius * angle.sin())
    };
    let (plane, path): (Plane, Vec<Point3>) = if across {
        let x = start.sin() * 20.0;
        let plane = Plane::new(Point3::new(x, 0.0, 0.0), Vector3::y(), Vector3::z());
        let path = (0..40).map(|step| {
            let (a, b) = point(step);
            Point3::new(x, a, 150.0 + b * 0.8)
        });
        (plane.context("a plane")?, path.collect())
    } else {
        let path = (0..40).map(|step| {
            let (x, y) = point(step);
            Point3::new(x, y, z)
        });
        (Plane::axial(z), path.collect())
    };
    let view = ViewPlane { plane, pixel_mm: 0.5 };
    Ok(Gesture { kind, radius_mm: 8.0, view, path })
}

/// An empty CT of 512 x 512 x 200 voxels.
fn study() -> anyhow::Result<Series> {
    study_of(0..0, |_, _| 0.0)
}

/// A CT of 512 x 512 x 200 voxels: `hu` says what stands on these slices at a patient position (x and
/// y, mm) of a slice; elsewhere 0.
fn study_of(drawn: std::ops::Range<usize>, hu: impl Fn(usize, Point2) -> f64) -> anyhow::Result<Series> {
    let steps = [Vector3::x() * SPACING_MM[0], Vector3::y() * SPACING_MM[1], Vector3::z() * SPACING_MM[2]];
    let grid = Grid::new([512, 512, 200], Point3::new(-250.0, -250.0, 0.0), steps).context("a grid")?;
    let slices = (0..200_u32)
        .map(|k| Slice {
            plane: Plane::axial(f64::from(k) * SPACING_MM[2]),
            origin_mm: grid.patient_of([0.0, 0.0, f64::from(k)]),
            instance: Some(ImageInstance {
                sop_class_uid: "1.2.840.10008.5.1.4.1.1.2".into(),
                sop_instance_uid: format!("2.25.{k}").into(),
                frame: None,
            }),
            missing: false,
        })
        .collect();
    let mut values = vec![0_i16; grid.len()];
    for k in drawn {
        for (at, value) in values[k * 512 * 512..(k + 1) * 512 * 512].iter_mut().enumerate() {
            let point = grid.patient_of([(at % 512) as f64, (at / 512) as f64, k as f64]);
            #[expect(clippy::cast_possible_truncation, reason = "HU")]
            let hu = hu(k, point.xy()).round() as i16;
            *value = hu;
        }
    }
    let voxels = Voxels::I16(values);
    let info = SeriesInfo::constructed("Benchmark");
    Ok(Series { info, volume: Arc::new(Volume { grid, voxels, unit: Unit::Hu, slices, native: None }) })
}

/// Wavy tubes of about 250 vertices a slice, each on 120 slices; the first stands in the middle.
fn structures(series: &Series, count: u32) -> StructureSet {
    let rois = (0..count).map(|number| {
        let (x, y) = if number == 0 {
            (0.0, 0.0)
        } else {
            let angle = f64::from(number) * TAU / 19.0;
            (angle.cos() * 150.0, angle.sin() * 150.0)
        };
        let mut roi = Roi::new(
            RoiId(u64::from(number) + 1),
            i32::try_from(number).unwrap_or(0) + 1,
            format!("Organ_{number}"),
            [200, 80, 80],
        );
        roi.planes = (40..160_u32)
            .map(|k| {
                let vertex = |i: u32| {
                    let angle = f64::from(i) * TAU / 250.0;
                    let radius = 40.0 + 3.0 * (angle * 3.0).sin() + (angle * 17.0 + f64::from(k)).sin();
                    let radius = if number == 0 { radius } else { radius * 0.5 };
                    Point2::new(x + radius * angle.cos(), y + radius * angle.sin())
                };
                let slice = &series.volume.slices[k as usize];
                let outline = Polygon::from_outer((0..250).map(vertex).collect());
                Arc::new(RoiPlane::new(slice.plane, slice.instance.clone(), vec![outline]))
            })
            .collect();
        Arc::new(roi)
    });
    StructureSet { rois: rois.collect(), patient: series.info.patient.clone(), ..StructureSet::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;

    #[test]
    fn work_shared_out_is_counted() {
        let spent = std::thread::spawn(|| {
            let _pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
            let here = std::thread::current().id();
            let begun = Instant::now();
            let start = cpu_ms(begun);
            let elsewhere = (0..64_u32)
                .into_par_iter()
                .filter(|n| {
                    std::hint::black_box(
                        (0..200_000_u64).fold(u64::from(*n), |sum, n| sum.rotate_left(3) ^ n),
                    );
                    std::thread::current().id() != here
                })
                .count();
            (elsewhere, cpu_ms(begun) - start)
        });
        let (elsewhere, spent_ms) = spent.join().unwrap();
        assert_eq!(elsewhere, 0);
        assert!(spent_ms > 0.0);
    }

    #[test]
    fn every_gesture_of_the_benchmark_edits_something() {
        let lists = measure_with(20).unwrap();
        for list in &lists {
            outln!("{list:?}");
        }
        let at = lists.iter().position(|list| list.event == "all events").unwrap();
        let (pairs, all, others) = (&lists[..at], &lists[at], &lists[at + 1..lists.len() - 1]);
        let journal = &lists[lists.len() - 1];
        assert_eq!((journal.event, journal.count), (JOURNAL, 12 * 40 + 5 * 20 + 2 + 6 * 20));
        assert_eq!((pairs.len(), others.len()), (2 * 12, 2 * 12));
        assert!(others.chunks(2).all(|pair| pair[1].count > 0 && pair[0].count == pair[1].count * 40));
        assert_eq!((all.event, all.count), ("all events", 12 * 40 * 41));
        assert!(pairs.chunks(2).all(|pair| (pair[0].count, pair[1].count) == (40 * 40, 40)));
    }
}
