//! The main job in the real window: under Xvfb, with real mouse and keyboard events, checked by the
//! file that comes out. Skipped, saying so, where Xvfb, xdotool or a Vulkan driver is missing.

use delineo::dicom::read_rtstruct;
use delineo::geometry::{Point2, Point3};
use delineo::patient::{GenerationAlgorithm, Roi};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

#[path = "shared/ball.rs"]
mod ball;
#[path = "shared/display.rs"]
mod shared;
#[path = "shared/skip.rs"]
mod skip;

use shared::{Running, display};

fn is_there(program: &str) -> bool {
    Command::new("which").arg(program).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A hand on mouse and keyboard.
struct Hand {
    display: String,
}

impl Hand {
    fn xdotool(&self, arguments: &[&str]) -> String {
        let output = Command::new("xdotool").env("DISPLAY", &self.display).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn title(&self) -> String {
        let windows = self.xdotool(&["search", "--name", "Delineo"]);
        windows
            .lines()
            .map(|id| self.xdotool(&["getwindowname", id]))
            .find(|name| !name.is_empty())
            .unwrap_or_default()
    }

    fn wait_for(&self, what: &str, window: &mut Running, done: impl Fn(&str) -> bool) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_mins(4) {
            let title = self.title();
            if done(&title) {
                sleep(Duration::from_millis(500));
                return;
            }
            assert!(matches!(window.0.try_wait(), Ok(None)), "the window closed before: {what}");
            sleep(Duration::from_millis(300));
        }
        panic!("waited in vain for {what}; the title is {:?}", self.title());
    }

    /// Gives the window the keyboard: there is no window manager to do it.
    fn focus(&self) {
        let windows = self.xdotool(&["search", "--name", "Delineo"]);
        for id in windows.lines() {
            self.xdotool(&["windowfocus", id]);
        }
        sleep(Duration::from_millis(700));
    }

    /// Gives a busy machine with a software driver the time for a few frames.
    fn settle(&self) {
        sleep(Duration::from_secs(4));
    }

    fn key(&self, keys: &str) {
        self.xdotool(&["key", keys]);
        sleep(Duration::from_millis(700));
    }

    fn type_text(&self, text: &str) {
        self.xdotool(&["type", "--delay", "30", text]);
        sleep(Duration::from_millis(700));
    }

    fn drag(&self, from: (i32, i32), to: (i32, i32)) {
        let steps = 4;
        let at =
            |step: i32| (from.0 + (to.0 - from.0) * step / steps, from.1 + (to.1 - from.1) * step / steps);
        let go = |(x, y): (i32, i32)| {
            self.xdotool(&["mousemove", &x.to_string(), &y.to_string()]);
            sleep(Duration::from_millis(300));
        };
        go(from);
        self.xdotool(&["mousedown", "1"]);
        sleep(Duration::from_millis(300));
        (1..=steps).for_each(|step| go(at(step)));
        self.xdotool(&["mouseup", "1"]);
        self.settle();
    }
}

/// The processor time that a process has used, s.
fn cpu_seconds(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // After the name in parentheses: user and system time are the 12th and 13th field, in 1/100 s.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Whether an ROI has the patient point, which lies on one of its slices.
fn has(roi: &Roi, point: Point3) -> bool {
    roi.planes.iter().any(|plane| {
        plane.plane.distance_mm(point).abs() < 0.1 && {
            let at: Point2 = plane.plane.project(point);
            plane.polygons.iter().any(|polygon| polygon.contains(at))
        }
    })
}

#[test]
fn open_contour_accept_paint_undo_export() {
    for program in ["Xvfb", "xdotool"] {
        if !is_there(program) {
            skip::skipped(&format!("no {program}"));
            return;
        }
    }
    if delineo::render::Gpu::headless(true).is_err() {
        skip::skipped("no adapter");
        return;
    }
    let Some((_server, display)) = display() else {
        skip::skipped("Xvfb gives no display");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let scan = ball::write_ball(folder.path());
    let file = folder.path().join("window.dcm");
    let window = Command::new(env!("CARGO_BIN_EXE_delineo"))
        .arg("open")
        .arg(&scan)
        .env("DISPLAY", &display)
        .env_remove("WAYLAND_DISPLAY")
        .env("DELINEO_DATA_DIR", folder.path().join("data"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut window = Running(window);
    let hand = Hand { display };
    hand.wait_for("the scan", &mut window, |title| title.contains("Test, Window"));
    // The pictures of the first frames.
    sleep(Duration::from_secs(3));
    hand.focus();

    // Auto-contour: search, type, Enter. The proposal shows in the title.
    hand.key("ctrl+k");
    hand.settle();
    hand.type_text("contour with body");
    hand.settle();
    hand.key("Return");
    hand.wait_for("the proposal", &mut window, |title| title.contains("1 proposal"));

    // Accept all, asked once.
    hand.settle();
    hand.key("shift+a");
    hand.settle();
    hand.key("Return");
    hand.wait_for("the acceptance", &mut window, |title| !title.contains("proposal"));

    // The axial view alone: the middle of the slice is the middle of the view.
    hand.key("Home");
    hand.xdotool(&["mousemove", "400", "200"]);
    hand.settle();
    hand.key("Return");
    hand.settle();
    hand.key("b");
    hand.settle();
    // A stroke towards the patient's left that stays, then one to the front that is undone.
    hand.drag((735, 400), (1000, 400));
    hand.drag((735, 400), (735, 110));
    hand.key("ctrl+z");

    // A window that nobody touches costs nothing.
    hand.settle();
    let (before, watched) = (cpu_seconds(window.0.id()), Duration::from_secs(4));
    sleep(watched);
    let share = (cpu_seconds(window.0.id()) - before) / watched.as_secs_f64();
    assert!(share < 0.05, "the idle window takes {:.0} % of a processor", share * 100.0);

    // Export to a typed path.
    hand.key("ctrl+e");
    hand.settle();
    hand.type_text(&file.display().to_string());
    hand.settle();
    hand.key("Return");
    let start = Instant::now();
    while !file.exists() && start.elapsed() < Duration::from_mins(1) {
        sleep(Duration::from_millis(200));
    }
    hand.key("ctrl+q");
    assert!(file.exists(), "no file came out");

    let series = ball::series();
    let read = read_rtstruct(&file, Some(&series)).unwrap();
    assert_eq!(read.set.rois.len(), 1);
    let body = &read.set.rois[0];
    assert_eq!(body.name, "Body");
    assert_eq!(
        body.generation,
        GenerationAlgorithm::SemiAutomatic,
        "contoured by machine, corrected by hand"
    );
    assert_eq!(body.planes.len(), 12, "the ball is in every slice");
    let painted: Vec<f64> = body
        .planes
        .iter()
        .map(|plane| plane.plane.offset_mm())
        .filter(|z| has(body, Point3::new(45.0, 0.0, *z)))
        .collect();
    assert_eq!(painted.len(), 1, "the stroke to the patient's left is on one slice: {painted:?}");
    let undone = Point3::new(0.0, -46.0, painted[0]);
    assert!(!has(body, undone), "the stroke that was undone came out");
    assert!(has(body, Point3::new(0.0, 0.0, painted[0])));
}
