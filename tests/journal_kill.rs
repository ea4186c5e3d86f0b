//! A session killed at random points of a long script loses no completed edit and no undo step.
//!
//! The test runs its own binary as a child, which performs a deterministic script and says after
//! each step that it is complete. The parent kills it with SIGKILL after a random number of steps
//! (the child is then somewhere in a later one), resumes the session in its own process and
//! compares it with the same script performed without a journal. The next child goes on from there.

use delineo::geometry::{Grid, Plane, Point2, Point3, Polygon, Vector3};
use delineo::patient::{
    Guide, Modality, PatientInfo, Roi, RoiId, RoiPlane, RoiType, Series, SeriesInfo, Slice, StructureSet,
    StudyInfo, Unit, Volume, Voxels,
};
use delineo::session::{Command, JournalStatus, Neighbour, Session, catalog};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;

const FOLDER: &str = "DELINEO_TEST_JOURNAL_FOLDER";
const FIRST_STEP: &str = "DELINEO_TEST_FIRST_STEP";
const KILLS: u64 = 30;

/// The `SplitMix64` generator: the script and the kills are the same in every run.
fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn series() -> Arc<Series> {
    let steps = [Vector3::x(), Vector3::y(), Vector3::z() * 3.0];
    let grid = Grid::new([64, 64, 30], Point3::new(-32.0, -32.0, 0.0), steps).unwrap();
    let slices = (0..30)
        .map(|k| {
            let origin_mm = grid.patient_of([0.0, 0.0, f64::from(k)]);
            Slice { plane: Plane::axial(origin_mm.z), origin_mm, instance: None, missing: false }
        })
        .collect();
    let voxels = Voxels::I16(vec![0; grid.len()]);
    let info = SeriesInfo {
        patient: PatientInfo { id: "KILL".to_owned(), ..PatientInfo::default() },
        study: StudyInfo::default(),
        uid: "2.25.1".into(),
        modality: Modality::Ct,
        description: String::new(),
        number: None,
        frame_of_reference_uid: None,
        patient_position: None,
        equipment: String::new(),
    };
    Arc::new(Series { info, volume: Arc::new(Volume { grid, voxels, unit: Unit::Hu, slices, native: None }) })
}

fn circle(x: f64, y: f64, radius: f64) -> Polygon {
    let point = |i: u32| {
        let angle = f64::from(i) * std::f64::consts::TAU / 90.0;
        Point2::new(x + radius * angle.cos(), y + radius * angle.sin())
    };
    Polygon::from_outer((0..90).map(point).collect())
}

/// Step `number` of the script: edits, proposals, undo and redo, all from the state there is.
fn perform(session: &mut Session, number: u64) {
    let r = |salt: u64, below: u64| random(number * 16 + salt) % below;
    let index = |salt: u64, below: u64| usize::try_from(r(salt, below)).unwrap();
    let real = |salt: u64| f64::from(u32::try_from(r(salt, 1000)).unwrap()) / 100.0;
    let count = session.structures().rois.len() as u64;
    let roi = session.structures().rois.get(index(1, count.max(1))).map(Arc::clone);
    let slices = session.series().volume.slices.clone();
    let slice = index(2, 30);
    let plane = |slice: usize, polygons| RoiPlane::new(slices[slice].plane, None, polygons);
    let command = match (r(0, 22), roi) {
        (0, _) | (_, None) => Command::AddRoi {
            name: format!("Organ_{}", r(3, 1 << 40)),
            color: None,
            roi_type: RoiType::Organ,
        },
        (1..=9, Some(roi)) => {
            let planes = (slice..(slice + 1 + index(4, 4)).min(30))
                .map(|slice| plane(slice, vec![circle(real(5), real(6), 2.0 + real(7))]))
                .collect();
            Command::SetPlanes { roi: roi.id, gesture: "Brush", based_on: roi.revision, planes }
        }
        (10, Some(roi)) => Command::CopyFromSlice { roi: roi.id, slice, from: Neighbour::Above },
        (11, Some(roi)) => Command::ClearSlice { roi: roi.id, slice },
        (12, Some(roi)) => Command::SetLock { roi: roi.id, locked: !roi.locked },
        (13, Some(roi)) => Command::RenameRoi { roi: roi.id, name: format!("Name_{}", r(3, 1 << 40)) },
        (14, Some(roi)) if count > 6 => Command::DeleteRoi { roi: roi.id },
        (15, Some(_)) => {
            let mut made = Roi::new(RoiId(0), 0, format!("Model_{}", r(3, 3)), [1, 2, 3]);
            made.planes = (0..30).map(|k| Arc::new(plane(k, vec![circle(real(5), 0.0, 9.0)]))).collect();
            Command::AddProposals { rois: vec![made], model: "m".to_owned() }
        }
        (16, Some(_)) => Command::AcceptAllProposals,
        (17 | 18, Some(_)) => {
            let _ = session.undo();
            return;
        }
        (20, Some(roi)) => {
            let plane = Plane::new(Point3::new(real(8), 0.0, 0.0), Vector3::y(), Vector3::z()).unwrap();
            let polygons = vec![circle(real(5), real(6), 2.0 + real(7))];
            Command::PutGuide { roi: roi.id, guide: Guide { plane, polygons } }
        }
        (21, Some(roi)) if r(9, 4) == 0 => Command::ClearGuides { roi: roi.id },
        _ => {
            let _ = session.redo();
            return;
        }
    };
    let _ = session.apply(command);
}

/// Everything the journal promises: structures, names of the steps, which of them are undone.
#[derive(Debug, PartialEq)]
struct State {
    set: StructureSet,
    undo: Vec<String>,
    redo: Vec<String>,
}

fn state(session: &Session) -> State {
    let mut set = session.structures().clone();
    for roi in &mut set.rois {
        // Revisions stamp caches of one run of the program.
        Arc::make_mut(roi).revision = 0;
    }
    let history = session.history();
    State {
        set,
        undo: history.undo_names().map(str::to_owned).collect(),
        redo: history.redo_names().map(str::to_owned).collect(),
    }
}

/// The child: goes on with the session in the folder, for ever.
#[test]
#[ignore = "run by the other test as a child process"]
fn child() {
    let (Ok(folder), Ok(first)) = (std::env::var(FOLDER), std::env::var(FIRST_STEP)) else { return };
    let folder = Path::new(&folder);
    let mut session = match catalog(folder).resumable.first() {
        Some(found) => Session::resume(series(), &found.path).unwrap(),
        None => Session::begin(series(), &[], folder),
    };
    let mut out = std::io::stdout();
    for number in first.parse().unwrap()..u64::MAX {
        perform(&mut session, number);
        // On a machine so busy that a commit takes longer than a person is made to wait for it.
        while session.journal_status() == JournalStatus::Saving {
            std::thread::yield_now();
        }
        assert_eq!(session.journal_status(), JournalStatus::Saved);
        if writeln!(out, "done {number}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

fn start_child(folder: &Path, first: u64) -> Child {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST_STEP, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn every_completed_edit_survives_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let mut reference = Session::new(series());
    // The number of script steps that `reference` has performed.
    let mut performed = 0;
    let mut ended_inside = 0;
    for kill in 0..KILLS {
        let mut child = start_child(folder.path(), performed);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut complete = performed;
        let number_of = |line: &str| line.rsplit_once("done ").and_then(|(_, n)| n.parse::<u64>().ok());
        let wanted = performed + random(kill ^ 0xdead) % 60;
        while complete < wanted {
            let line = lines.next().expect("the child runs until it is killed");
            complete = number_of(&line).map_or(complete, |number| number + 1);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had said before it died counts as well.
        complete = lines.filter_map(|line| number_of(&line)).last().map_or(complete, |number| number + 1);

        while performed < complete {
            perform(&mut reference, performed);
            performed += 1;
        }
        let found = catalog(folder.path());
        assert!(found.unreadable.is_empty(), "kill {kill}: {found:?}");
        let Some(found) = found.resumable.first() else {
            assert!(reference.history().is_empty(), "kill {kill} lost the session");
            continue;
        };
        let mut resumed = Session::resume(series(), &found.path).unwrap();
        if state(&resumed) != state(&reference) {
            // The step in which it died may be complete without having been announced.
            perform(&mut reference, performed);
            performed += 1;
            ended_inside += 1;
        }
        let (got, wanted) = (state(&resumed), state(&reference));
        assert!(
            got == wanted,
            "kill {kill} after {performed} steps: {} steps done and {} undone instead of {} and {}; the structures {}",
            got.undo.len(),
            got.redo.len(),
            wanted.undo.len(),
            wanted.redo.len(),
            if got.set == wanted.set { "agree" } else { "differ" },
        );
        // The history is not only there, it works: back to the start and forth again.
        if kill % 5 == 4 {
            let mut steps = Vec::new();
            while resumed.undo().is_ok() {
                steps.push(state(&resumed));
            }
            assert!(resumed.structures().rois.is_empty());
            while let Some(step) = steps.pop() {
                assert!(state(&resumed) == step);
                resumed.redo().unwrap();
            }
            // Up to where the person was; what was undone before stays undone.
            while resumed.history().done() > reference.history().done() {
                resumed.undo().unwrap();
            }
            assert!(state(&resumed) == state(&reference));
        }
    }
    println!("{KILLS} kills over {performed} steps, {ended_inside} of them with a step not yet announced");
    assert!(performed > KILLS * 10, "the script was long");
}
