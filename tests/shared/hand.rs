//! A hand on the mouse and keyboard of the real window, which waits until the window has done what
//! was asked of it.
#![allow(dead_code, reason = "each test binary uses its own part")]

use crate::shared::{Running, display};
use crate::skip::skipped;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine with a software driver.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A place in the window, pixels from its upper left corner.
pub type Pixel = (i32, i32);

/// A straight way from one place to another in so many steps.
pub fn line(from: Pixel, to: Pixel, steps: i32) -> Vec<Pixel> {
    let at = |from: i32, to: i32, step: i32| from + (to - from) * step / steps;
    (0..=steps).map(|step| (at(from.0, to.0, step), at(from.1, to.1, step))).collect()
}

/// A display of its own for the window; `None`, said so, where a program, a Vulkan driver or a display is
/// missing.
pub fn desk() -> Option<(Running, String)> {
    if let Some(program) = missing_program() {
        skipped(&format!("no {program}"));
        return None;
    }
    if delineo::render::Gpu::headless(true).is_err() {
        skipped("no adapter");
        return None;
    }
    let display = display();
    if display.is_none() {
        skipped("Xvfb gives no display");
    }
    display
}

/// Whether the programs that it takes are installed, or which one is not.
fn missing_program() -> Option<&'static str> {
    let is_there = |program: &str| {
        Command::new("which").arg(program).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    ["Xvfb", "xdotool"].into_iter().find(|program| !is_there(program))
}

/// The program's window on a display, and a hand on mouse and keyboard there.
pub struct Hand {
    display: String,
    server: u32,
    pub window: Running,
}

impl Hand {
    /// Opens the program with a scan; what it keeps lies in `data`.
    pub fn open(server: &Running, display: &str, scan: &Path, data: &Path) -> Self {
        let window = Command::new(env!("CARGO_BIN_EXE_delineo"))
            .arg("open")
            .arg(scan)
            .env("DISPLAY", display)
            .env_remove("WAYLAND_DISPLAY")
            .env("DELINEO_DATA_DIR", data)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { display: display.to_owned(), server: server.0.id(), window: Running(window) }
    }

    /// Runs xdotool; what it says.
    pub fn xdotool<S: AsRef<str>>(&self, arguments: &[S]) -> String {
        let arguments = arguments.iter().map(AsRef::as_ref);
        let output = Command::new("xdotool").env("DISPLAY", &self.display).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The window's title; empty while there is none.
    pub fn title(&self) -> String {
        let windows = self.xdotool(&["search", "--name", "Delineo"]);
        windows
            .lines()
            .map(|id| self.xdotool(&["getwindowname", id]))
            .find(|name| !name.is_empty())
            .unwrap_or_default()
    }

    /// Waits for a title.
    pub fn wait_for(&mut self, what: &str, done: impl Fn(&str) -> bool) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE * 4 {
            let title = self.title();
            if done(&title) {
                self.settle();
                return;
            }
            assert!(matches!(self.window.0.try_wait(), Ok(None)), "the window closed before: {what}");
            sleep(Duration::from_millis(200));
        }
        panic!("waited in vain for {what}; the title is {:?}", self.title());
    }

    /// Gives the window the keyboard: there is no window manager to do it.
    pub fn focus(&mut self) {
        let windows = self.xdotool(&["search", "--name", "Delineo"]);
        for id in windows.lines() {
            self.xdotool(&["windowfocus", id]);
        }
        self.settle();
    }

    /// Waits until window and display have nothing left to do: a window that nobody touches takes no
    /// processor time.
    pub fn settle(&mut self) {
        let start = Instant::now();
        let both = [self.server, self.window.0.id()];
        let spent = || both.map(cpu_ticks);
        let (mut still, mut before) = (0, spent());
        while still < 3 && start.elapsed() < PATIENCE {
            sleep(Duration::from_millis(70));
            let now = spent();
            still = if now == before && !both.iter().any(|id| is_at_work(*id)) { still + 1 } else { 0 };
            before = now;
        }
    }

    /// Presses keys ("ctrl+k") one after the other.
    pub fn keys(&mut self, keys: &[&str]) {
        let mut arguments = vec!["key", "--delay", "40"];
        arguments.extend(keys);
        self.xdotool(&arguments);
        self.settle();
    }

    /// Presses a key.
    pub fn key(&mut self, key: &str) {
        self.keys(&[key]);
    }

    /// Types.
    pub fn type_text(&mut self, text: &str) {
        self.xdotool(&["type", "--delay", "20", text]);
        self.settle();
    }

    /// Moves the pointer there.
    pub fn point(&mut self, (x, y): Pixel) {
        self.xdotool(&["mousemove", &x.to_string(), &y.to_string()]);
        self.settle();
    }

    /// Presses the left button at the first place, goes by all others, lets go at the last; with a key
    /// held down, if one is named.
    pub fn drag(&mut self, path: &[Pixel], held: Option<&str>) {
        let mut arguments: Vec<String> = Vec::new();
        let mut say = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
        if let Some(key) = held {
            say(&["keydown", key, "sleep", "0.1"]);
        }
        for (index, (x, y)) in path.iter().enumerate() {
            say(&["mousemove", &x.to_string(), &y.to_string(), "sleep", "0.04"]);
            if index == 0 {
                say(&["mousedown", "1", "sleep", "0.04"]);
            }
        }
        say(&["mouseup", "1"]);
        if let Some(key) = held {
            say(&["sleep", "0.1", "keyup", key]);
        }
        self.xdotool(&arguments);
        self.settle();
    }

    /// Clicks with the left button.
    pub fn click(&mut self, at: Pixel) {
        self.point(at);
        self.drag(&[at], None);
    }

    /// The processor time that the window has used, s.
    pub fn cpu_seconds(&self) -> f64 {
        // In hundredths of a second.
        f64::from(u32::try_from(cpu_ticks(self.window.0.id())).unwrap()) / 100.0
    }

    /// Quits, and waits until the program has ended.
    pub fn quit(&mut self) {
        self.xdotool(&["key", "ctrl+q"]);
        let start = Instant::now();
        while matches!(self.window.0.try_wait(), Ok(None)) {
            assert!(start.elapsed() < PATIENCE, "the window does not close");
            sleep(Duration::from_millis(100));
        }
    }
}

/// What the system tells of a process or thread after its name: the state first.
fn fields(stat: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(stat).unwrap_or_default();
    text.rsplit(')').next().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// The processor time that a process has used, user and system, in ticks; 0 once it has ended.
fn cpu_ticks(id: u32) -> u64 {
    let fields = fields(Path::new(&format!("/proc/{id}/stat")));
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    ticks(11) + ticks(12)
}

/// Whether any thread of a process runs, or waits for a processor or a disk.
fn is_at_work(id: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    threads
        .map(|thread| fields(&thread.path().join("stat")))
        .any(|fields| fields.first().is_some_and(|state| matches!(state.as_str(), "R" | "D")))
}
