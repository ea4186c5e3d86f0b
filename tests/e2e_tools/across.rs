//! Drawing and reshaping in the sagittal view, plain and turned: across the slices.
//!
//! Places there are (y, z) in mm of the patient, along the view and up.

use crate::desk::{Desk, area, bounds, near, on, z_of};
use crate::hand::{Pixel, line};
use delineo::patient::StructureSet;
use std::f64::consts::PI;

/// The radius of the round tools, mm.
const RADIUS_MM: f64 = 8.0;

/// How thick what is drawn across the slices is, mm.
const SLAB_MM: f64 = 10.0;

/// The areas on the twelve slices, mm2.
fn areas(set: &StructureSet, name: &str) -> [f64; 12] {
    std::array::from_fn(|slice| area(&on(set, name, slice)))
}

/// The radius and the z of the middle of a ball, from the areas of three slices next to each other of
/// which the middle one has the most.
fn ball_of(areas: [f64; 12]) -> (f64, f64) {
    let most = (1..11).max_by(|a, b| areas[*a].total_cmp(&areas[*b])).unwrap();
    let [below, here, above] = [most - 1, most, most + 1].map(|slice| areas[slice] / PI);
    // r2 = R2 - (z - c)2 on each.
    let step = z_of(1) - z_of(0);
    let center = z_of(most) + (above - below) / (4.0 * step);
    ((here + (z_of(most) - center).powi(2)).sqrt(), center)
}

/// The area of a ball's section, mm2.
fn disc_mm2(radius: f64, off: f64) -> f64 {
    PI * (radius * radius - off * off).max(0.0)
}

impl Desk {
    /// Where (y, z) lies in the sagittal view.
    fn up(&self, y: f64, z: f64) -> Pixel {
        self.at(y, -z)
    }

    fn way(&self, path: &[(f64, f64)]) -> Vec<Pixel> {
        let ends = path.windows(2);
        ends.flat_map(|ends| line(self.up(ends[0].0, ends[0].1), self.up(ends[1].0, ends[1].1), 8)).collect()
    }

    /// Waits for a gesture of this name, which changes no other structure; the areas before and after.
    #[track_caller]
    fn stroke(&mut self, gesture: &str) -> [[f64; 12]; 2] {
        let name = self.structure;
        let [before, after] = self.step(&format!("{gesture} on {name}"));
        let others = |set: &StructureSet| -> Vec<_> {
            set.rois.iter().filter(|roi| roi.name != name).cloned().collect()
        };
        assert!(others(&before) == others(&after), "{gesture} leaves other structures alone");
        [before, after].map(|set| areas(&set, name))
    }

    /// Drags with a tool and waits for what it does.
    #[track_caller]
    fn drawn(&mut self, key: &str, path: &[(f64, f64)], gesture: &str) -> [[f64; 12]; 2] {
        self.hand.key(key);
        let way = self.way(path);
        self.hand.drag(&way, None);
        self.stroke(gesture)
    }

    /// The last state of the structure in hand.
    fn last(&self) -> &StructureSet {
        &self.steps.last().unwrap().1
    }
}

/// Finds the scale of the sagittal view, which fills the window, with two balls.
fn measure(desk: &mut Desk) {
    let (first, second) = ((500, 390), (800, 390));
    desk.hand.key("b");
    desk.hand.click(first);
    let [_, one] = desk.stroke("Brush");
    let (radius, z) = ball_of(one);
    near("the ball's radius", radius, RADIUS_MM, 0.05);
    for (slice, got) in one.into_iter().enumerate() {
        near("the ball", got, disc_mm2(RADIUS_MM, z_of(slice) - z), 1.5);
    }
    let middle = (0..12).max_by(|a, b| one[*a].total_cmp(&one[*b])).unwrap();
    let y_of = |desk: &Desk, at: usize| {
        let [low, high] = bounds(&on(desk.last(), desk.structure, middle)[at..=at]);
        f64::midpoint(low.y, high.y)
    };
    let y = y_of(desk, 0);
    desk.hand.click(second);
    let [_, two] = desk.stroke("Brush");
    near("two balls", two[middle], one[middle] * 2.0, 0.5);
    let ends = [y_of(desk, 0), y_of(desk, 1)];
    let length = (ends[1] - ends[0]).abs();
    desk.pixels_per_mm = f64::from(second.0 - first.0) / length;
    desk.middle = [f64::from(first.0) - y * desk.pixels_per_mm, f64::from(first.1) + z * desk.pixels_per_mm];
}

/// Ball, slab, rectangle, knife, push, smooth, delete contour, move, points, ruler, in the sagittal view.
pub fn draw_across(desk: &mut Desk) {
    desk.add("Across");
    measure(desk);
    let (left, right) = (-25.0, 25.0);

    // A slab of 20 by 15 mm, and a rectangle beside it.
    let box_of = |y: f64, z: f64| {
        [
            (y - 10.0, z - 7.5),
            (y + 10.0, z - 7.5),
            (y + 10.0, z + 7.5),
            (y - 10.0, z + 7.5),
            (y - 10.0, z - 6.5),
        ]
    };
    desk.add("Slabs");
    let [_, slab] = desk.drawn("f", &box_of(left, 0.0), "Freehand");
    for (slice, got) in slab.into_iter().enumerate() {
        let wanted = if z_of(slice).abs() < 7.5 { 20.0 * SLAB_MM } else { 0.0 };
        near(&format!("the slab on slice {slice}"), got, wanted, 8.0);
    }
    let [_, both] = desk.drawn("s", &[(right - 10.0, -7.5), (right + 10.0, 7.5)], "Rectangle");
    for slice in 4..8 {
        near("the rectangle", both[slice] - slab[slice], 20.0 * SLAB_MM, 4.0);
    }

    // Cut along the feet-head axis: every slice of the slab has two pieces there.
    let [whole, cut] = desk.drawn("shift+x", &[(left, -14.0), (left, 14.0)], "Cut with a line");
    for slice in 4..8 {
        assert_eq!(on(desk.last(), "Slabs", slice).len(), 3, "slice {slice}");
        near("cut", cut[slice], whole[slice], 8.0);
    }
    // One of them deleted, on its slice.
    desk.hand.key("d");
    let at = desk.up(left - 5.0, z_of(5));
    desk.hand.click(at);
    let [before, after] = desk.stroke("Delete contour");
    for slice in 0..12 {
        let gone = if slice == 5 { 10.0 * SLAB_MM } else { 0.0 };
        near("deleted", before[slice] - after[slice], gone, 5.0);
    }

    // The top of the rectangle pushed up, onto slices that it was not on.
    let [before, pushed] = desk.drawn("q", &[(right, 4.0), (right, 12.0)], "Push");
    assert!(before[9] == 0.0 && pushed[9] > 10.0, "{pushed:?}");
    near("below the push", pushed[3], before[3], 0.01);
    // Rubbed smooth again: the bump goes, the volume stays.
    let rub = [(right - 12.0, 8.0), (right + 12.0, 8.0), (right - 12.0, 8.0), (right + 12.0, 8.0)];
    let [before, smooth] = desk.drawn("t", &rub, "Smooth");
    assert!(smooth != before);
    let [was, is] = [before, smooth].map(|areas| areas.iter().sum::<f64>());
    near("the volume", is / was, 1.0, 0.02);

    // A ruler and a locked structure.
    desk.hand.key("m");
    let way = desk.way(&[(left, 0.0), (right, 0.0)]);
    desk.hand.drag(&way, None);
    desk.nothing_happened("a ruler");
    desk.hand.key("l");
    desk.step("Lock Slabs");
    desk.hand.key("b");
    desk.hand.drag(&way, None);
    desk.nothing_happened("a stroke on a locked structure");
    desk.hand.key("l");
    desk.step("Unlock Slabs");

    // The eraser is a ball too.
    desk.add("Ball");
    desk.hand.key("b");
    let at = desk.up(0.0, 0.0);
    desk.hand.click(at);
    let [_, ball] = desk.stroke("Brush");
    desk.hand.key("e");
    desk.hand.keys(&["bracketleft"; 5]);
    desk.hand.click(at);
    let [_, hollow] = desk.stroke("Eraser");
    let taken: [f64; 12] = std::array::from_fn(|slice| ball[slice] - hollow[slice]);
    let (radius, z) = ball_of(taken);
    near("the eraser's radius, five steps below 8 mm", radius, 5.5, 0.1);
    for (slice, got) in taken.into_iter().enumerate() {
        near("the eraser's ball", got, disc_mm2(radius, z_of(slice) - z), 1.5);
    }
    desk.hand.keys(&["bracketright"; 5]);

    // The whole of it moved up by two slices, 6 mm, and 20 mm to the back.
    desk.hand.key("shift+m");
    let way = desk.way(&[(0.0, 6.0), (20.0, 12.0)]);
    desk.hand.drag(&way, None);
    let [before, moved] = desk.stroke("Move");
    for slice in 2..12 {
        near("moved up", moved[slice], before[slice - 2], 4.0);
    }
}

/// A ball and a slab in a sagittal view that is turned about the feet-head axis.
pub fn draw_turned(desk: &mut Desk) {
    desk.add("Turned");
    desk.hand.key("b");
    let at = desk.up(0.0, 0.0);
    desk.hand.click(at);
    let [_, ball] = desk.stroke("Brush");
    let (radius, z) = ball_of(ball);
    assert!((7.0..8.1).contains(&radius), "the ball has {radius} mm");
    for (slice, got) in ball.into_iter().enumerate() {
        near("the ball", got, disc_mm2(radius, z_of(slice) - z), 1.5);
    }
    let [before, after] = desk.drawn("s", &[(20.0, -7.5), (40.0, 7.5)], "Rectangle");
    for slice in 4..8 {
        near("the rectangle", after[slice] - before[slice], 20.0 * SLAB_MM, 4.0);
        // It stands at an angle to the patient's axes.
        let pieces = on(desk.last(), "Turned", slice);
        let slanted = pieces.iter().max_by(|a, b| a.area_mm2().total_cmp(&b.area_mm2())).unwrap();
        let [low, high] = bounds(std::slice::from_ref(slanted));
        let (sine, cosine) = 20.0_f64.to_radians().sin_cos();
        near("its width", high.x - low.x, 20.0 * sine + SLAB_MM * cosine, 0.5);
        near("its depth", high.y - low.y, 20.0 * cosine + SLAB_MM * sine, 0.5);
    }
}
