//! Every tool in the real window: under Xvfb, with real mouse and keyboard events, on slices and
//! structures of its own, checked by what comes into the journal and by the file that is exported.
//! Skipped, saying so, where Xvfb, xdotool or a Vulkan driver is missing.
//!
//! The window is opened twice, so that what was drawn is gone on with, and so that tools are tried
//! with other settings. What lies on the slices at either end of a gesture is read from a copy of the
//! journal, made while the window is open; where the slice lies in the window is told by the first
//! stroke.

use delineo::dicom::read_rtstruct;
use delineo::geometry::{Point2, Polygon};
use delineo::patient::{Roi, StructureSet};
use delineo::progress::Progress;
use delineo::session::study::Study;
use std::f64::consts::PI;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

#[path = "shared/ball.rs"]
mod ball;
#[path = "shared/hand.rs"]
mod hand;
#[path = "shared/display.rs"]
mod shared;
#[path = "shared/skip.rs"]
mod skip;
#[path = "shared/written.rs"]
mod written;

use hand::{Hand, PATIENCE, Pixel, line};
use written::{Written, plain};

/// The radius of the ball of water in the scan, mm.
const BALL_MM: f64 = 40.0;

/// The z of a slice of the scan, mm.
fn z_of(slice: usize) -> f64 {
    f64::from(u32::try_from(slice).unwrap()) * 3.0 - 16.5
}

/// The area of the ball on a slice, mm2.
fn ball_mm2(slice: usize) -> f64 {
    PI * (BALL_MM * BALL_MM - z_of(slice) * z_of(slice))
}

/// What a structure has on a slice.
fn on(set: &StructureSet, name: &str, slice: usize) -> Vec<Polygon> {
    let is_there = |offset: f64| (offset - z_of(slice)).abs() < 0.1;
    let roi = set.rois.iter().find(|roi| roi.name == name);
    let plane = roi.and_then(|roi| roi.planes.iter().find(|plane| is_there(plane.plane.offset_mm())));
    plane.map_or_else(Vec::new, |plane| plane.polygons.clone())
}

fn area(pieces: &[Polygon]) -> f64 {
    pieces.iter().map(Polygon::area_mm2).sum()
}

fn contains(pieces: &[Polygon], x: f64, y: f64) -> bool {
    pieces.iter().any(|piece| piece.contains(Point2::new(x, y)))
}

/// The corners of the box around the outer rings.
fn bounds(pieces: &[Polygon]) -> [Point2; 2] {
    let points = pieces.iter().flat_map(|piece| &piece.outer);
    let none = [Point2::new(f64::MAX, f64::MAX), Point2::new(f64::MIN, f64::MIN)];
    points.fold(none, |[low, high], point| [low.inf(point), high.sup(point)])
}

#[track_caller]
fn near(what: &str, got: f64, wanted: f64, by: f64) {
    assert!((got - wanted).abs() <= by, "{what}: {got:.2} instead of {wanted:.2}");
}

/// The window with a slice of the scan filling it, and what it has written.
struct Desk {
    hand: Hand,
    written: Written,
    /// The structures after every step so far, and its name.
    steps: Vec<(String, StructureSet)>,
    structure: &'static str,
    slice: usize,
    /// Where x = y = 0 lies, pixels.
    middle: [f64; 2],
    pixels_per_mm: f64,
}

impl Desk {
    fn at(&self, x: f64, y: f64) -> Pixel {
        let pixel = |middle: f64, mm: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "pixels of a window")]
            let pixel = (middle + mm * self.pixels_per_mm).round() as i32;
            pixel
        };
        (pixel(self.middle[0], x), pixel(self.middle[1], y))
    }

    /// Takes up a tool by its key and drags through the places, mm.
    fn drag(&mut self, key: &str, path: &[(f64, f64)], held: Option<&str>) {
        self.hand.key(key);
        let path: Vec<Pixel> = path
            .windows(2)
            .flat_map(|ends| line(self.at(ends[0].0, ends[0].1), self.at(ends[1].0, ends[1].1), 6))
            .collect();
        self.hand.drag(&path, held);
    }

    fn click(&mut self, x: f64, y: f64) {
        let at = self.at(x, y);
        self.hand.click(at);
    }

    /// Goes to a slice with the arrow keys.
    fn go_to(&mut self, slice: usize) {
        let key = if slice > self.slice { "Up" } else { "Down" };
        self.hand.keys(&vec![key; slice.abs_diff(self.slice)]);
        self.slice = slice;
    }

    /// Opens the settings of what goes by values, lets the axial view fill the window, and goes to the
    /// first slice.
    fn set_out(&mut self) {
        self.hand.point((400, 200));
        self.hand.key("shift+h");
        self.hand.key("Return");
        self.hand.keys(&["Next", "Next"]);
        self.slice = 0;
    }

    fn add(&mut self, name: &'static str) {
        self.hand.key("Insert");
        self.hand.type_text(name);
        self.hand.key("Return");
        self.structure = name;
        self.step(&format!("Add {name}"));
    }

    /// Waits for the next step, which must have this name; the structures before and after it.
    #[track_caller]
    fn step(&mut self, name: &str) -> [StructureSet; 2] {
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
    fn gesture(&mut self, gesture: &str) -> [Vec<Polygon>; 2] {
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
    fn take(&mut self, key: &str) {
        let start = Instant::now();
        while self.written.done().0 == self.steps.len() && start.elapsed() < PATIENCE {
            self.hand.key(key);
        }
    }

    /// Nothing more was done than is known.
    #[track_caller]
    fn nothing_happened(&mut self, what: &str) {
        self.hand.settle();
        assert_eq!(self.written.done().0, self.steps.len(), "{what} is no step");
    }
}

/// Writes the settings that tools start with.
fn prefer(data: &Path, tools: &str) {
    std::fs::create_dir_all(data).unwrap();
    std::fs::write(data.join("preferences.toml"), format!("[tools]\n{tools}\n")).unwrap();
}

/// Brush, eraser, freehand, undo and redo, copy and paste, move and scale, a rectangle, knife, delete
/// contour, push, smooth, points, ruler, a lock.
fn draw(desk: &mut Desk) {
    desk.add("Drawn");
    desk.set_out();

    // The first stroke tells where the slice lies: a capsule with the brush's radius of 8 mm.
    desk.hand.key("b");
    let (from, to) = ((450, 200), (800, 200));
    desk.hand.drag(&line(from, to, 6), None);
    let [_, stroke] = desk.gesture("Brush");
    let [low, high] = bounds(&stroke);
    let (left, length) = (low.x + 8.0, high.x - low.x - 16.0);
    desk.pixels_per_mm = f64::from(to.0 - from.0) / length;
    desk.middle = [f64::from(from.0) - left * desk.pixels_per_mm, 200.0 - (low.y + 8.0) * desk.pixels_per_mm];
    assert!((3.0..9.0).contains(&desk.pixels_per_mm), "{} pixels a mm", desk.pixels_per_mm);
    near("the stroke's width", high.y - low.y, 16.0, 0.1);
    near("the stroke", area(&stroke), PI * 64.0 + 16.0 * length, 4.0);
    assert_eq!(stroke.len(), 1);

    // A smaller eraser makes a hole.
    desk.hand.keys(&["e", "bracketleft", "bracketleft", "bracketleft"]);
    let middle = line(from, to, 2)[1];
    desk.hand.click(middle);
    let [before, after] = desk.gesture("Eraser");
    assert_eq!((after.len(), after[0].holes.len()), (1, 1));
    let radius = ((area(&before) - area(&after)) / PI).sqrt();
    assert!((3.0..6.5).contains(&radius), "the eraser has {radius} mm");
    desk.hand.keys(&["bracketright", "bracketright", "bracketright"]);

    // Freehand: a square of 30 mm.
    desk.go_to(1);
    desk.drag("f", &[(-50.0, -50.0), (-20.0, -50.0), (-20.0, -20.0), (-50.0, -20.0), (-50.0, -48.0)], None);
    let [_, square] = desk.gesture("Freehand");
    near("the square", area(&square), 900.0, 20.0);
    let known = desk.steps.len();
    desk.hand.key("ctrl+z");
    assert_eq!(desk.written.done().0, known - 1);
    assert!(plain(desk.written.session().structures()) == desk.steps[known - 2].1, "undone");
    desk.hand.key("ctrl+y");
    assert_eq!(desk.written.done().0, known);
    assert!(plain(desk.written.session().structures()) == desk.steps[known - 1].1, "done again");

    // Copied to the next slice, moved by 20 and 30 mm, scaled from 30 to 40 mm.
    desk.hand.key("shift+c");
    desk.go_to(2);
    desk.hand.key("shift+p");
    assert_eq!(desk.gesture("Paste contour")[1], square);
    desk.drag("shift+m", &[(-35.0, -35.0), (-15.0, -5.0)], None);
    let [_, moved] = desk.gesture("Move");
    let [from, to] = [bounds(&square), bounds(&moved)];
    near("moved to the left", to[0].x - from[0].x, 20.0, 0.4);
    near("moved to the back", to[1].y - from[1].y, 30.0, 0.4);
    near("moved", area(&moved), area(&square), 0.01);
    let corner = to[1];
    desk.drag("shift+m", &[(corner.x, corner.y), (corner.x + 10.0, corner.y + 10.0)], None);
    let [_, scaled] = desk.gesture("Scale");
    near("scaled", (area(&scaled) / area(&moved)).sqrt(), 4.0 / 3.0, 0.03);

    // A rectangle, cut in two; one half deleted.
    desk.go_to(3);
    desk.drag("s", &[(-30.0, -20.0), (30.0, 20.0)], None);
    near("the rectangle", area(&desk.gesture("Rectangle")[1]), 2400.0, 40.0);
    desk.drag("shift+x", &[(0.0, -35.0), (0.0, 35.0)], None);
    let [whole, halves] = desk.gesture("Cut with a line");
    assert_eq!((whole.len(), halves.len()), (1, 2));
    near("both halves", area(&halves), area(&whole), 30.0);
    desk.hand.key("d");
    desk.click(-15.0, 0.0);
    let [_, half] = desk.gesture("Delete contour");
    assert!(half.len() == 1 && contains(&half, 15.0, 0.0) && !contains(&half, -15.0, 0.0));

    // A square with one side pushed out and one corner smoothed.
    desk.go_to(4);
    desk.drag("s", &[(-20.0, -20.0), (20.0, 20.0)], None);
    desk.gesture("Rectangle");
    desk.drag("q", &[(16.0, 0.0), (28.0, 0.0)], None);
    let [before, pushed] = desk.gesture("Push");
    assert!(contains(&pushed, 23.0, 0.0) && area(&pushed) > area(&before) + 20.0);
    near("the other side", bounds(&pushed)[0].x, bounds(&before)[0].x, 0.001);
    desk.hand.key("t");
    let corner = [desk.at(20.0, -20.0), desk.at(20.0, -19.0)];
    desk.hand.drag(&corner, None);
    let [before, smooth] = desk.gesture("Smooth");
    // How far it reaches to the left and the front.
    let reach = |pieces: &[Polygon]| {
        pieces.iter().flat_map(|piece| &piece.outer).map(|point| point.x - point.y).fold(f64::MIN, f64::max)
    };
    let cut = reach(&before) - reach(&smooth);
    assert!((0.1..5.0).contains(&cut), "{cut} mm of the corner went");
    near("smoothed", area(&smooth), area(&before), 25.0);
    near("the other corner", bounds(&smooth)[1].y, bounds(&before)[1].y, 0.001);

    // A corner of a square dragged out by 10 and 10 mm adds side times 10.
    desk.go_to(5);
    desk.drag("s", &[(-20.0, -20.0), (20.0, 20.0)], None);
    let [_, square] = desk.gesture("Rectangle");
    desk.drag("shift+b", &[(20.0, 20.0), (30.0, 30.0)], None);
    let [_, dragged] = desk.gesture("Drag point");
    near("the dragged corner", area(&dragged) - area(&square), 400.0, 10.0);
    assert!(contains(&dragged, 28.0, 28.0));

    // A ruler changes nothing; neither does a brush on what is locked.
    desk.drag("m", &[(-30.0, 0.0), (30.0, 0.0)], None);
    desk.nothing_happened("a ruler");
    desk.hand.key("l");
    desk.step("Lock Drawn");
    desk.drag("b", &[(-40.0, 0.0), (40.0, 0.0)], None);
    desk.nothing_happened("a stroke on a locked structure");
    desk.hand.key("l");
    desk.step("Unlock Drawn");
}

/// A closed curve, a part of its outline replaced, live-wire, growing, a threshold, level tracing,
/// scribbles.
fn find(desk: &mut Desk) {
    desk.set_out();
    desk.go_to(6);
    desk.hand.key("s");
    for (x, y) in [(0.0, -25.0), (25.0, 0.0), (0.0, 25.0), (-25.0, 0.0)] {
        desk.click(x, y);
    }
    desk.hand.key("Return");
    let [_, curve] = desk.gesture("Curve");
    // Between the diamond of its anchors and the square around the circle through them.
    assert!(curve.len() == 1 && (1400.0..2500.0).contains(&area(&curve)), "{}", area(&curve));
    desk.drag("f", &[(0.0, -25.0), (25.0, -35.0), (35.0, -25.0), (25.0, 0.0)], None);
    let [before, replaced] = desk.gesture("Replace outline");
    assert!(!contains(&before, 27.0, -27.0) && contains(&replaced, 27.0, -27.0));
    assert!(replaced.len() == 1 && contains(&replaced, -15.0, 10.0) && !contains(&replaced, -24.0, 24.0));

    desk.go_to(7);
    desk.hand.key("shift+l");
    let radius = (BALL_MM * BALL_MM - z_of(7) * z_of(7)).sqrt();
    for (x, y) in [(0.0, -radius), (radius, 0.0), (0.0, radius), (-radius, 0.0)] {
        desk.click(x, y);
    }
    desk.hand.key("Return");
    near("live-wire", area(&desk.gesture("Live-wire")[1]), ball_mm2(7), 0.1 * ball_mm2(7));

    // In an image without noise what is alike ends where the smoothed edge begins, a voxel or two inside.
    desk.go_to(8);
    desk.hand.key("r");
    desk.click(5.0, 5.0);
    desk.take("a");
    let [_, grown] = desk.gesture("Grow");
    assert!(grown.len() == 1 && (0.75..1.02).contains(&(area(&grown) / ball_mm2(8))), "{}", area(&grown));

    desk.go_to(9);
    desk.hand.key("h");
    desk.take("a");
    let [_, found] = desk.gesture("Threshold");
    assert_eq!(found.len(), 1);
    near("threshold", area(&found), ball_mm2(9), 0.05 * ball_mm2(9));

    // The line of equal value half way down the edge of the ball.
    desk.go_to(10);
    desk.hand.key("shift+h");
    desk.click(38.0, 0.0);
    near("level tracing", area(&desk.gesture("Level tracing")[1]), ball_mm2(10), 0.06 * ball_mm2(10));

    desk.go_to(11);
    desk.drag("shift+j", &[(-25.0, 0.0), (25.0, 0.0)], None);
    let around = [(-50.0, -50.0), (50.0, -50.0), (50.0, 50.0), (-50.0, 50.0), (-50.0, -50.0)];
    let around: Vec<Pixel> = around
        .windows(2)
        .flat_map(|ends| line(desk.at(ends[0].0, ends[0].1), desk.at(ends[1].0, ends[1].1), 4))
        .collect();
    desk.hand.drag(&around, Some("ctrl"));
    desk.take("a");
    near("scribbles", area(&desk.gesture("Scribbles")[1]), ball_mm2(11), 0.1 * ball_mm2(11));
}

/// Two discs, and what lies between them.
fn fill_between(desk: &mut Desk) {
    desk.add("Between");
    desk.hand.key("b");
    for slice in [11, 7] {
        desk.go_to(slice);
        desk.click(0.0, 0.0);
        near("a disc", area(&desk.gesture("Brush")[1]), PI * 64.0, 2.0);
    }
    desk.hand.key("j");
    desk.take("shift+a");
    let [_, after] = desk.step("Between slices on Between");
    for slice in 0..12 {
        let wanted = if (7..12).contains(&slice) { PI * 64.0 } else { 0.0 };
        near("between", area(&on(&after, "Between", slice)), wanted, 4.0);
    }
}

#[test]
fn every_tool_draws_what_its_hand_does() {
    let Some((server, display)) = hand::desk() else { return };
    let folder = tempfile::tempdir().unwrap();
    let scan = ball::write_ball(folder.path());
    let (data, file) = (folder.path().join("data"), folder.path().join("tools.dcm"));
    let series = Arc::new(Study::open(std::slice::from_ref(&scan), None, &Progress::new()).unwrap().series);
    let written = Written { journals: data.join("journals"), copies: folder.path().to_owned(), series };

    prefer(&data, "shape_kind = \"Rectangle\"\npush_on_slice_only = true");
    let mut hand = Hand::open(&server, &display, &scan, &data);
    hand.wait_for("the scan", |title| title.contains("Test, Window"));
    hand.focus();
    let (steps, middle) = (Vec::new(), [0.0; 2]);
    let mut desk = Desk { hand, written, steps, structure: "Drawn", slice: 0, middle, pixels_per_mm: 1.0 };
    draw(&mut desk);
    desk.hand.quit();

    // Gone on with, with other settings.
    prefer(&data, "shape_kind = \"Spline\"\nfreehand_mode = \"Replace\"");
    desk.hand = Hand::open(&server, &display, &scan, &data);
    desk.hand.wait_for("the window", |title| !title.is_empty());
    desk.hand.focus();
    let start = Instant::now();
    while !desk.hand.title().contains("Test, Window") && start.elapsed() < PATIENCE {
        desk.hand.key("Return");
    }
    find(&mut desk);
    fill_between(&mut desk);

    desk.hand.key("ctrl+e");
    desk.hand.type_text(&file.display().to_string());
    desk.hand.key("Return");
    let start = Instant::now();
    while !file.exists() && start.elapsed() < PATIENCE {
        desk.hand.settle();
    }
    assert!(file.exists(), "no file came out");
    desk.hand.quit();

    // The file has what the last step left.
    let exported = read_rtstruct(&file, Some(&desk.written.series)).unwrap().set;
    let (_, last) = desk.steps.last().unwrap();
    assert_eq!(exported.rois.len(), 2);
    for roi in &last.rois {
        for slice in 0..12 {
            let [own, out] = [last, &exported].map(|set| on(set, &roi.name, slice));
            assert_eq!(own.len(), out.len(), "{} on slice {slice}", roi.name);
            near("exported", area(&out), area(&own), 0.01);
        }
    }
    assert_eq!(last.rois.iter().map(|roi| roi.planes.len()).collect::<Vec<_>>(), [12, 5]);

    // The journal takes every step back, to what it was, bit for bit.
    let mut session = desk.written.session();
    for (name, state) in desk.steps.iter().rev() {
        assert_eq!(session.undo_name(), Some(name.as_str()));
        assert!(plain(session.structures()) == *state, "before {name} is undone");
        session.undo().unwrap();
    }
    assert!(session.structures().rois.is_empty());
}
