//! Drawing and reshaping on the axial slice.

use crate::desk::{Desk, area, bounds, contains, near};
use crate::hand::line;
use crate::written::plain;
use delineo::geometry::Polygon;
use std::f64::consts::PI;

/// Brush, eraser, freehand, undo and redo, copy and paste, move and scale, a rectangle, knife, delete
/// contour, push, smooth, points, ruler, a lock.
pub fn draw(desk: &mut Desk) {
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
    desk.hand.key("e");
    desk.hand.keys(&["bracketleft"; 5]);
    let middle = line(from, to, 2)[1];
    desk.hand.click(middle);
    let [before, after] = desk.gesture("Eraser");
    assert_eq!((after.len(), after[0].holes.len()), (1, 1));
    let radius = ((area(&before) - area(&after)) / PI).sqrt();
    near("the eraser's radius, five steps below 8 mm", radius, 5.5, 0.1);
    desk.hand.keys(&["bracketright"; 5]);

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
