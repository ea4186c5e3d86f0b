//! What goes by image values, and what lies between slices.

use crate::desk::{BALL_MM, Desk, area, ball_mm2, contains, near, on, z_of};
use crate::hand::{Pixel, line};
use std::f64::consts::PI;

/// A closed curve, a part of its outline replaced, live-wire, growing, a threshold, level tracing,
/// scribbles.
pub fn find(desk: &mut Desk) {
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
pub fn fill_between(desk: &mut Desk) {
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
