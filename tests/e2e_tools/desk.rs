//! The window with the scan in it, what the hand does there, and what came into the journal.

use crate::hand::{Hand, PATIENCE, Pixel, line};
use crate::shared::Running;
use crate::written::{Written, plain};
use delineo::geometry::{Point2, Polygon};
use delineo::patient::{Roi, StructureSet};
use std::f64::consts::PI;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Where the axial and the sagittal view lie among the four, pixels.
const AXIAL: Pixel = (400, 200);
const SAGITTAL: Pixel = (850, 600);

/// The radius of the ball of water in the scan, mm.
pub const BALL_MM: f64 = 40.0;

/// The z of a slice of the scan, mm.
pub fn z_of(slice: usize) -> f64 {
    f64::from(u32::try_from(slice).unwrap()) * 3.0 - 16.5
}

/// The area of the ball on a slice, mm2.
pub fn ball_mm2(slice: usize) -> f64 {
    PI * (BALL_MM * BALL_MM - z_of(slice) * z_of(slice))
}

/// What a structure has on a slice.
pub fn on(set: &StructureSet, name: &str, slice: usize) -> Vec<Polygon> {
    let is_there = |offset: f64| (offset - z_of(slice)).abs() < 0.1;
    let roi = set.rois.iter().find(|roi| roi.name == name);
    let plane = roi.and_then(|roi| roi.planes.iter().find(|plane| is_there(plane.plane.offset_mm())));
    plane.map_or_else(Vec::new, |plane| plane.polygons.clone())
}

pub fn area(pieces: &[Polygon]) -> f64 {
    pieces.iter().map(Polygon::area_mm2).sum()
}

pub fn contains(pieces: &[Polygon], x: f64, y: f64) -> bool {
    pieces.iter().any(|piece| piece.contains(Point2::new(x, y)))
}

/// The corners of the box around the outer rings.
pub fn bounds(pieces: &[Polygon]) -> [Point2; 2] {
    let points = pieces.iter().flat_map(|piece| &piece.outer);
    let none = [Point2::new(f64::MAX, f64::MAX), Point2::new(f64::MIN, f64::MIN)];
    points.fold(none, |[low, high], point| [low.inf(point), high.sup(point)])
}

#[track_caller]
pub fn near(what: &str, got: f64, wanted: f64, by: f64) {
    assert!((got - wanted).abs() <= by, "{what}: {got:.2} instead of {wanted:.2}");
}

/// The window with a slice of the scan filling it, and what it has written.
pub struct Desk {
    pub hand: Hand,
    pub written: Written,
    /// The structures after every step so far, and its name.
    pub steps: Vec<(String, StructureSet)>,
    pub structure: &'static str,
    pub slice: usize,
    /// Where x = y = 0 lies, pixels.
    pub middle: [f64; 2],
    pub pixels_per_mm: f64,
}

impl Desk {
    pub fn at(&self, x: f64, y: f64) -> Pixel {
        let pixel = |middle: f64, mm: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "pixels of a window")]
            let pixel = (middle + mm * self.pixels_per_mm).round() as i32;
            pixel
        };
        (pixel(self.middle[0], x), pixel(self.middle[1], y))
    }

    /// Takes up a tool by its key and drags through the places, mm.
    pub fn drag(&mut self, key: &str, path: &[(f64, f64)], held: Option<&str>) {
        self.hand.key(key);
        let path: Vec<Pixel> = path
            .windows(2)
            .flat_map(|ends| line(self.at(ends[0].0, ends[0].1), self.at(ends[1].0, ends[1].1), 6))
            .collect();
        self.hand.drag(&path, held);
    }

    pub fn click(&mut self, x: f64, y: f64) {
        let at = self.at(x, y);
        self.hand.click(at);
    }

    /// Goes to a slice with the arrow keys.
    pub fn go_to(&mut self, slice: usize) {
        let key = if slice > self.slice { "Up" } else { "Down" };
        self.hand.keys(&vec![key; slice.abs_diff(self.slice)]);
        self.slice = slice;
    }

    /// Lets a view fill the window: the one that lies at this place.
    fn fill_with(&mut self, place: Pixel) {
        self.hand.point(place);
        self.hand.key("Return");
    }

    /// Opens the settings of what goes by values, lets the axial view fill the window, and goes to the
    /// first slice.
    pub fn fill_with_axial(&mut self) {
        self.hand.point(AXIAL);
        self.hand.key("shift+h");
        self.fill_with(AXIAL);
        self.hand.keys(&["Next", "Next"]);
        self.slice = 0;
    }

    /// Lets the sagittal view fill the window.
    pub fn fill_with_sagittal(&mut self) {
        self.fill_with(SAGITTAL);
    }

    /// Turns the sagittal view, which fills the window, by 20 degrees about the feet-head axis.
    pub fn turn_sagittal(&mut self) {
        self.hand.key("Return");
        self.hand.point(AXIAL);
        self.hand.keys(&["ctrl+shift+Right"; 4]);
        self.fill_with_sagittal();
    }

    /// Does what the search finds for these words.
    pub fn choose(&mut self, words: &str) {
        self.hand.key("ctrl+k");
        self.hand.type_text(words);
        self.hand.key("Return");
    }

    /// Closes the window and opens it again with other settings, on the same scan and journal.
    pub fn open_again(&mut self, server: &Running, display: &str, scan: &Path, data: &Path, tools: &str) {
        self.hand.quit();
        prefer(data, tools);
        self.hand = Hand::open(server, display, scan, data);
        self.hand.wait_for("the window", |title| !title.is_empty());
        self.hand.focus();
        let start = Instant::now();
        while !self.hand.title().contains("Test, Window") && start.elapsed() < PATIENCE {
            self.hand.key("Return");
        }
    }

    pub fn add(&mut self, name: &'static str) {
        self.hand.key("Insert");
        self.hand.type_text(name);
        self.hand.key("Return");
        self.structure = name;
        self.step(&format!("Add {name}"));
    }

    /// Waits for the next step, which must have this name; the structures before and after it.
    #[track_caller]
    pub fn step(&mut self, name: &str) -> [StructureSet; 2] {
        let start = Instant::now();
        let before = self.steps.len();
        while self.written.done().0 == before && start.elapsed() < PATIENCE {
            self.hand.settle();
        }
        let done = self.written.done();
        assert_eq!(done, (before + 1, name.to_owned()), "after {:?}", self.steps.last().map(|step| &step.0));
        let after = plain(self.written.session().structures());
        let last = self.steps.last().map(|step| step.1.clone());
        self.steps.push((name.to_owned(), after.clone()));
        [last.unwrap_or_default(), after]
    }

    /// Waits for the next step, a gesture of this name that changes the slice shown and nothing else;
    /// what the structure had there before it, and has after.
    #[track_caller]
    pub fn gesture(&mut self, gesture: &str) -> [Vec<Polygon>; 2] {
        let (name, slice) = (self.structure, self.slice);
        let [before, after] = self.step(&format!("{gesture} on {name}"));
        for other in 0..12 {
            let same = on(&before, name, other) == on(&after, name, other);
            assert_eq!(same, other != slice, "{gesture} on slice {slice}: slice {other}");
        }
        let others = |set: &StructureSet| -> Vec<Arc<Roi>> {
            set.rois.iter().filter(|roi| roi.name != name).map(Arc::clone).collect()
        };
        assert_eq!(others(&before), others(&after), "{gesture} leaves other structures alone");
        [before, after].map(|set| on(&set, name, slice))
    }

    /// Accepts what is suggested, as soon as it is, with this key; waits for the step.
    pub fn take(&mut self, key: &str) {
        let start = Instant::now();
        while self.written.done().0 == self.steps.len() && start.elapsed() < PATIENCE {
            self.hand.key(key);
        }
    }

    /// Nothing more was done than is known.
    #[track_caller]
    pub fn nothing_happened(&mut self, what: &str) {
        self.hand.settle();
        assert_eq!(self.written.done().0, self.steps.len(), "{what} is no step");
    }
}

/// Writes the settings that tools start with.
pub fn prefer(data: &Path, tools: &str) {
    std::fs::create_dir_all(data).unwrap();
    std::fs::write(data.join("preferences.toml"), format!("[tools]\n{tools}\n")).unwrap();
}
