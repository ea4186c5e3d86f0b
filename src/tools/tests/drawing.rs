//! Brush tips and reaches, shapes, push and smooth, between slices, overwriting.

use super::*;
use crate::edit::{GrowRange, ValueRange};
use crate::session::Overwrite;
use crate::tools::{BrushReach, BrushTip, ShapeKind};

fn slices_of(session: &Session) -> Vec<f64> {
    roi(session).planes.iter().map(|plane| plane.plane.offset_mm()).collect()
}

#[test]
fn the_adaptive_brush_stays_in_the_organ_in_every_view() {
    let mut session = session_with(cylinder(12.0, 3.0, [-100.0, 50.0]), &["Cord"]);
    let mut brush = tools(ToolKind::Brush, 20.0);
    brush.brush.set_tip(BrushTip::Adaptive { tolerance: 3.0 });
    drag(&mut brush, &mut session, &axial(9.0), KEYS, &[p(1.0, 0.0, 9.0)]);
    near(area_at(&session, 9.0), PI * 144.0, 0.03);
    assert_eq!(session.undo_name(), Some("Brush on Cord"));
    session.undo().unwrap();
    let path = line(p(0.0, 0.0, 21.0), p(0.0, 0.0, 36.0), 4);
    drag(&mut brush, &mut session, &sagittal(0.0), KEYS, &path);
    near(area_at(&session, 27.0), PI * 144.0, 0.03);
    session.undo().unwrap();
    let outside = line(p(30.0, 0.0, 9.0), p(-30.0, 0.0, 9.0), 40);
    brush.brush.set_radius_mm(4.0);
    drag(&mut brush, &mut session, &axial(9.0), KEYS, &outside);
    assert!(area_at(&session, 9.0) < 60.0 * 8.0 + 60.0, "each stamp keeps to its own side");
}

#[test]
fn a_brush_of_a_range_paints_only_such_values() {
    let mut session = session_with(cylinder(12.0, 3.0, [-100.0, 50.0]), &["Cord"]);
    let mut brush = tools(ToolKind::Brush, 10.0);
    brush.brush.set_tip(BrushTip::Range(ValueRange { low: -25.0, high: 300.0 }));
    drag(&mut brush, &mut session, &axial(9.0), KEYS, &line(p(-30.0, 0.0, 9.0), p(30.0, 0.0, 9.0), 9));
    // A disc of 12 mm between two chords 10 mm from its middle.
    let angle = (10.0_f64 / 12.0).acos();
    let wanted = PI * 144.0 - 2.0 * (144.0 * angle - 10.0 * 12.0 * angle.sin());
    near(area_at(&session, 9.0), wanted, 0.01);
}

#[test]
fn a_slab_and_a_ball_reach_the_neighbours_in_every_view() {
    let mut session = session_with(axial_series(), &["Liver"]);
    let mut brush = tools(ToolKind::Brush, 7.0);
    brush.brush.set_reach(BrushReach::Slab);
    brush.brush.set_thickness_mm(13.0);
    drag(&mut brush, &mut session, &axial(30.0), KEYS, &[p(0.0, 0.0, 30.0)]);
    assert_eq!(slices_of(&session), [24.0, 27.0, 30.0, 33.0, 36.0]);
    near(area_at(&session, 24.0), PI * 49.0, 0.01);
    session.undo().unwrap();
    drag(&mut brush, &mut session, &sagittal(4.0), KEYS, &[p(4.0, 0.0, 30.0)]);
    near(roi(&session).volume_cc(&session.series().volume), PI * 49.0 * 13.0 / 1000.0, 0.05);
    near(area_at(&session, 30.0), 14.0 * 13.0, 0.01);
    session.undo().unwrap();
    brush.brush.set_reach(BrushReach::Ball);
    drag(&mut brush, &mut session, &axial(30.0), KEYS, &[p(0.0, 0.0, 30.0)]);
    assert_eq!(slices_of(&session), [24.0, 27.0, 30.0, 33.0, 36.0]);
    near(area_at(&session, 36.0), PI * 13.0, 0.02);
}

#[test]
fn the_adaptive_slab_stays_in_the_organ_on_every_slice() {
    // Narrower from slice to slice, and at an end above z = 36.
    let radius = |z: f64| if z < 37.5 { 8.0 + z / 10.0 } else { 0.0 };
    let mut session = session_with(barrel(radius, 3.0, [-100.0, 50.0]), &["Cord"]);
    let mut brush = tools(ToolKind::Brush, 20.0);
    brush.brush.set_tip(BrushTip::Adaptive { tolerance: 3.0 });
    brush.brush.set_reach(BrushReach::Slab);
    brush.brush.set_thickness_mm(19.0);
    drag(&mut brush, &mut session, &axial(30.0), KEYS, &[p(1.0, 0.0, 30.0)]);
    assert_eq!(slices_of(&session), [21.0, 24.0, 27.0, 30.0, 33.0, 36.0]);
    for z in [21.0, 30.0, 36.0] {
        near(area_at(&session, z), PI * radius(z).powi(2), 0.04);
    }
    session.undo().unwrap();
    // Across the slices the slab is cut along the view: 12 mm thick, where the organ is wider.
    brush.brush.set_thickness_mm(12.0);
    drag(&mut brush, &mut session, &sagittal(0.0), KEYS, &[p(0.0, 0.0, 24.0)]);
    let (r, half) = (radius(24.0), 6.0_f64);
    let angle = (half / r).acos();
    near(area_at(&session, 24.0), PI * r * r - 2.0 * (r * r * angle - half * r * angle.sin()), 0.05);
}

#[test]
fn a_brush_of_a_range_can_look_at_the_second_series() {
    let mut session = session_with(cylinder(12.0, 3.0, [-100.0, 50.0]), &["Node"]);
    // A second image whose values rise to the left, on voxels of its own.
    let steps = [Vector3::x() * 4.0, Vector3::y() * 4.0, Vector3::z() * 5.0];
    let grid = crate::geometry::Grid::new([30, 30, 14], p(-58.0, -58.0, -3.0), steps).unwrap();
    #[expect(clippy::cast_possible_truncation, reason = "a few units")]
    let value = |n: usize| (10.0 + grid.patient_of([(n % 30) as f64, 0.0, 0.0]).x) as f32;
    let voxels = Voxels::F32((0..grid.len()).map(value).collect());
    let slices = crate::patient::Slice::all_of(&grid);
    let unit = crate::patient::Unit::SuvBw;
    let second = Arc::new(crate::patient::Volume { grid, voxels, unit, slices, native: None });
    let mut brush = tools(ToolKind::Brush, 8.0);
    brush.brush.set_tip(BrushTip::Range(ValueRange { low: -25.0, high: 300.0 }));
    brush.want_second(&session, true);
    let view = axial(9.0);
    // Without a second image it keeps to the first one's values.
    drag(&mut brush, &mut session, &view, KEYS, &[p(0.0, 0.0, 9.0)]);
    near(area_at(&session, 9.0), PI * 64.0, 0.01);
    session.undo().unwrap();
    brush.set_second_range(&session, ValueRange { low: 0.0, high: 1.0 });
    assert_eq!(brush.second().unwrap().range(), None, "there is nothing whose range it would be");
    brush.set_second(&session, Some(&second));
    drag(&mut brush, &mut session, &view, KEYS, &[p(0.0, 0.0, 9.0)]);
    near(area_at(&session, 9.0), PI * 64.0, 0.01);
    session.undo().unwrap();
    // The half with x above 0, also where the first image has other values, in every view.
    brush.set_second_range(&session, ValueRange { low: 10.0, high: 99.0 });
    drag(&mut brush, &mut session, &view, KEYS, &[p(0.0, 0.0, 9.0)]);
    near(area_at(&session, 9.0), PI * 32.0, 0.01);
    session.undo().unwrap();
    drag(&mut brush, &mut session, &sagittal(0.0), KEYS, &[p(0.0, 20.0, 30.0)]);
    near(area_at(&session, 30.0), PI * 32.0, 0.01);
    session.undo().unwrap();
    brush.want_second(&session, false);
    drag(&mut brush, &mut session, &view, KEYS, &[p(0.0, 0.0, 9.0)]);
    near(area_at(&session, 9.0), PI * 64.0, 0.01);
}

#[test]
fn a_pen_paints_as_wide_as_it_presses() {
    let mut session = session_with(axial_series(), &["Liver"]);
    let mut pen = tools(ToolKind::Brush, 12.0);
    let view = axial(9.0);
    let mut painted = |pressure: Option<f32>, z: f64| {
        pen.brush.set_pressure(pressure);
        drag(&mut pen, &mut session, &axial(z), KEYS, &[p(0.0, 0.0, z)]);
        (area_at(&session, z) / PI).sqrt()
    };
    near(painted(Some(0.0), 3.0), 4.0, 0.02);
    near(painted(Some(0.25), 6.0), 6.0, 0.02);
    near(painted(Some(0.5), 21.0), 8.0, 0.02);
    near(painted(Some(1.0), 12.0), 12.0, 0.02);
    near(painted(None, 15.0), 12.0, 0.02);
    // A finger: always a half.
    near(painted(Some(0.5), 24.0), 12.0, 0.02);
    near(painted(Some(f32::NAN), 18.0), 12.0, 0.02);
    // Harder along the way: from 8 mm across to 24 mm across.
    pen.brush.set_pressure(Some(0.0));
    pen.event(&session, &view, ToolEvent::Press(p(-20.0, 0.0, 9.0), KEYS));
    for step in 1..=40_u8 {
        pen.brush.set_pressure(Some(f32::from(step) / 40.0));
        pen.event(&session, &view, ToolEvent::Drag(p(f64::from(step) - 20.0, 0.0, 9.0)));
    }
    let done = pen.event(&session, &view, ToolEvent::Release(p(20.0, 0.0, 9.0)));
    session.apply(done.command.unwrap()).unwrap();
    // Two half discs, and a trapezium between them.
    let wanted = PI * (16.0 + 144.0) / 2.0 + 40.0 * (8.0 + 24.0) / 2.0;
    near(area_at(&session, 9.0), wanted, 0.04);
}

/// Presses and releases without moving; the command is applied.
fn click(
    tools: &mut Tools,
    session: &mut Session,
    view: &ViewPlane,
    at: Point3,
    keys: Modifiers,
) -> Reaction {
    tools.event(session, view, ToolEvent::Hover(at, keys));
    let pressed = tools.event(session, view, ToolEvent::Press(at, keys));
    assert_eq!(pressed.command, None);
    let mut reaction = tools.event(session, view, ToolEvent::Release(at));
    check(tools, session);
    if let Some(command) = reaction.command.clone() {
        held::apply(session, &command);
        roi(session).planes.iter().for_each(|plane| check_polygons(&plane.polygons));
    }
    reaction.message = reaction.message.or(pressed.message);
    reaction
}

#[test]
fn a_polygon_is_clicked_corrected_and_closed() {
    let mut session = session_with(axial_series(), &["Liver"]);
    let mut pen = tools(ToolKind::Shape, 1.0);
    let view = axial(9.0);
    for (x, y) in [(0.0, 0.0), (20.0, 0.0), (35.0, 10.0), (25.0, 20.0), (0.0, 20.0)] {
        assert_eq!(click(&mut pen, &mut session, &view, p(x, y, 9.0), KEYS).command, None);
    }
    assert!(pen.is_busy());
    assert_eq!(pen.anchors().len(), 5);
    // The third point goes, the fourth is dragged.
    click(&mut pen, &mut session, &view, p(35.0, 10.0, 9.0), CTRL);
    pen.event(&session, &view, ToolEvent::Press(p(25.0, 20.0, 9.0), KEYS));
    pen.event(&session, &view, ToolEvent::Drag(p(20.0, 20.0, 9.0)));
    pen.event(&session, &view, ToolEvent::Release(p(20.0, 20.0, 9.0)));
    let elsewhere = click(&mut pen, &mut session, &axial(12.0), p(5.0, 5.0, 12.0), KEYS);
    assert!(elsewhere.message.is_some_and(|text| text.contains("slice 4")));
    click(&mut pen, &mut session, &view, p(0.0, 0.0, 9.0), KEYS);
    near(area_at(&session, 9.0), 400.0, 1e-6);
    assert_eq!(session.undo_name(), Some("Polygon on Liver"));
    assert!(!pen.is_busy());
    // A hole, by Ctrl, closed with Enter.
    for (x, y) in [(5.0, 5.0), (10.0, 5.0), (10.0, 10.0), (5.0, 10.0)] {
        click(&mut pen, &mut session, &view, p(x, y, 9.0), CTRL);
    }
    let command = pen.finish(&session).command.unwrap();
    session.apply(command).unwrap();
    near(area_at(&session, 9.0), 375.0, 1e-6);
    click(&mut pen, &mut session, &view, p(50.0, 5.0, 9.0), KEYS);
    pen.event(&session, &view, ToolEvent::Escape);
    assert!(!pen.is_busy() && pen.line().is_empty());
}

#[test]
fn a_press_on_the_line_puts_an_anchor_between_two() {
    let mut session = session_with(axial_series(), &["Liver"]);
    let mut pen = tools(ToolKind::Shape, 1.0);
    for (view, to) in [(axial(9.0), axial(9.0).plane), (sagittal(2.0), sagittal(2.0).plane)] {
        let at = |x: f64, y: f64| to.lift(crate::geometry::Point2::new(x, y + 20.0));
        for (x, y) in [(0.0, 0.0), (20.0, 0.0), (20.0, 20.0), (0.0, 20.0)] {
            click(&mut pen, &mut session, &view, at(x, y), KEYS);
        }
        // Over the line the outline is shown as it is; a press there and a drag make a corner of it.
        pen.event(&session, &view, ToolEvent::Hover(at(10.0, 1.0), KEYS));
        assert_eq!(pen.line().len(), 4);
        pen.event(&session, &view, ToolEvent::Press(at(10.0, 1.0), KEYS));
        pen.event(&session, &view, ToolEvent::Drag(at(10.0, -10.0)));
        pen.event(&session, &view, ToolEvent::Release(at(10.0, -10.0)));
        let place = |pen: &Tools| pen.anchors().iter().position(|own| (own - at(10.0, -10.0)).norm() < 1e-9);
        assert_eq!((pen.anchors().len(), place(&pen)), (5, Some(1)));
        // What was clicked last is taken back, not what comes last.
        assert!(pen.take_back(&session));
        assert_eq!((pen.anchors().len(), place(&pen)), (4, None));
        pen.event(&session, &view, ToolEvent::Press(at(10.0, 0.0), KEYS));
        pen.event(&session, &view, ToolEvent::Drag(at(10.0, -10.0)));
        pen.event(&session, &view, ToolEvent::Release(at(10.0, -10.0)));
        // Away from the line: the next anchor.
        click(&mut pen, &mut session, &view, at(-10.0, 10.0), KEYS);
        assert_eq!(pen.anchors().len(), 6);
        assert!((pen.anchors()[5] - at(-10.0, 10.0)).norm() < 1e-9);
        let done = pen.finish(&session);
        session.apply(done.command.unwrap()).unwrap();
    }
    near(area_at(&session, 9.0), 400.0 + 100.0 + 100.0, 1e-6);
    // A curve: on its third leg.
    pen.shape.set_kind(ShapeKind::Spline);
    let view = axial(51.0);
    let ring = |step: f64| p(12.0 * (step * PI / 3.0).cos(), 12.0 * (step * PI / 3.0).sin(), 51.0);
    for step in 0..6_u32 {
        click(&mut pen, &mut session, &view, ring(f64::from(step)), KEYS);
    }
    pen.event(&session, &view, ToolEvent::Leave);
    click(&mut pen, &mut session, &view, ring(2.5), KEYS);
    assert_eq!(pen.anchors().len(), 7);
    assert!((pen.anchors()[3] - ring(2.5)).norm() < 1e-9);
    pen.event(&session, &view, ToolEvent::Escape);
}

#[test]
fn ellipse_rectangle_and_curve_in_their_own_view_and_across() {
    let mut session = session_with(axial_series(), &["Liver"]);
    let mut pen = tools(ToolKind::Shape, 1.0);
    pen.freehand.set_thickness_mm(9.0);
    pen.shape.set_kind(ShapeKind::Ellipse);
    drag(
        &mut pen,
        &mut session,
        &axial(9.0),
        KEYS,
        &[p(-10.0, -5.0, 9.0), p(0.0, 0.0, 9.0), p(10.0, 5.0, 9.0)],
    );
    near(area_at(&session, 9.0), PI * 50.0, 0.005);
    let square = Modifiers { shift: true, invert: true };
    pen.shape.set_kind(ShapeKind::Rectangle);
    drag(&mut pen, &mut session, &axial(9.0), square, &[p(-2.0, -2.0, 9.0), p(2.0, 1.0, 9.0)]);
    near(area_at(&session, 9.0), PI * 50.0 - 16.0, 0.005);
    drag(&mut pen, &mut session, &sagittal(20.0), KEYS, &[p(20.0, -10.0, 20.0), p(20.0, 10.0, 40.0)]);
    near(area_at(&session, 30.0), 20.0 * 9.0, 0.001);
    assert_eq!(session.undo_name(), Some("Rectangle on Liver"));
    pen.shape.set_kind(ShapeKind::Spline);
    for step in 0..6 {
        let angle = f64::from(step) * PI / 3.0;
        click(&mut pen, &mut session, &axial(51.0), p(12.0 * angle.cos(), 12.0 * angle.sin(), 51.0), KEYS);
    }
    let command = pen.finish(&session).command.unwrap();
    session.apply(command).unwrap();
    near(area_at(&session, 51.0), PI * 144.0, 0.03);
}

#[test]
fn push_moves_the_wall_and_its_neighbours_and_undo_brings_all_back() {
    let mut session = session_with(axial_series(), &["Liver"]);
    for slice in 2..8 {
        session.apply(draw(&session, "Liver", slice, vec![square(0.0, 0.0, 40.0)])).unwrap();
    }
    let before = session.structures().clone();
    let mut push = tools(ToolKind::Push, 10.0);
    let path = line(p(15.0, 0.0, 15.0), p(25.0, 0.0, 15.0), 12);
    drag(&mut push, &mut session, &axial(15.0), KEYS, &path);
    let grown: Vec<f64> = (2..8).map(|k| area_at(&session, f64::from(k) * 3.0) - 1600.0).collect();
    assert!(grown[3] > 40.0, "{grown:?}");
    assert!(grown[3] > grown[4] && grown[4] > 1.0 && grown[2] > 1.0, "{grown:?}");
    near(grown[2], grown[4], 0.01);
    assert_eq!(session.undo_name(), Some("Push on Liver"));
    session.undo().unwrap();
    assert_eq!(plain(session.structures()), plain(&before));
    push.mold.set_flat(true);
    drag(&mut push, &mut session, &axial(15.0), KEYS, &path);
    assert!(area_at(&session, 15.0) > 1640.0);
    assert_eq!(area_at(&session, 18.0), 1600.0);
    session.undo().unwrap();
    // In a sagittal view, pushed inward from the front.
    let path = line(p(0.0, -26.0, 15.0), p(0.0, -14.0, 15.0), 8);
    push.mold.set_flat(false);
    drag(&mut push, &mut session, &sagittal(0.0), KEYS, &path);
    assert!(area_at(&session, 15.0) < 1580.0);
}

#[test]
fn smoothing_takes_the_corner_and_leaves_the_rest() {
    let mut session = session_with(axial_series(), &["Liver"]);
    session.apply(draw(&session, "Liver", 3, vec![square(0.0, 0.0, 40.0)])).unwrap();
    let mut smooth = tools(ToolKind::Smooth, 6.0);
    drag(&mut smooth, &mut session, &axial(9.0), KEYS, &[p(20.0, 20.0, 9.0), p(20.0, 19.5, 9.0)]);
    let corners = &roi(&session).planes[0].polygons[0].outer;
    let far = |x: f64, y: f64| corners.iter().any(|c| c.x == x && c.y == y);
    assert!(far(-20.0, -20.0) && far(20.0, -20.0) && far(-20.0, 20.0) && !far(20.0, 20.0));
    near(area_at(&session, 9.0), 1600.0, 0.01);
    assert_eq!(session.undo_name(), Some("Smooth on Liver"));
}

#[test]
fn between_slices_follows_every_change_and_bridges_no_missing_slice() {
    let mut session = session_with(series_without(14), &["Liver"]);
    for (slice, side) in [(2, 30.0), (6, 10.0), (12, 10.0), (16, 10.0)] {
        session.apply(draw(&session, "Liver", slice, vec![square(0.0, 0.0, side)])).unwrap();
    }
    let mut tools = tools(ToolKind::Brush, 5.0);
    tools.between.set_on(true);
    assert!(tools.between.update(&session) && !tools.between.update(&session));
    let suggested = tools.between.suggestion().unwrap();
    assert_eq!(suggested.slices().collect::<Vec<_>>(), [3, 4, 5, 7, 8, 9, 10, 11]);
    assert_eq!(tools.between.note(), Some("A gap with a missing slice was left out."));
    assert!(suggested.shown().is_proposal());
    assert_eq!(roi(&session).planes.len(), 4, "nothing is taken over by itself");
    session.apply(suggested.command(Some(4)).unwrap()).unwrap();
    near(area_at(&session, 12.0), 400.0, 0.04);
    assert_eq!(session.undo_name(), Some("Between slices on Liver"));
    tools.between.update(&session);
    assert_eq!(tools.between.suggestion().unwrap().slices().collect::<Vec<_>>(), [3, 5, 7, 8, 9, 10, 11]);
    session.apply(tools.between.suggestion().unwrap().command(None).unwrap()).unwrap();
    near(area_at(&session, 9.0), 625.0, 0.04);
    near(area_at(&session, 27.0), 100.0, 0.01);
    tools.between.update(&session);
    assert!(tools.between.suggestion().is_none());
    session.undo().unwrap();
    session.undo().unwrap();
    assert_eq!(roi(&session).planes.len(), 4);
    let liver = id(&session, "Liver");
    session.apply(Command::SetLock { roi: liver, locked: true }).unwrap();
    tools.between.update(&session);
    assert!(tools.between.suggestion().is_none() && tools.between.note().is_some());
}

/// The ellipse with these half axes around a point of a view, as a path.
fn around(view: &ViewPlane, center: Point3, [a, b]: [f64; 2]) -> Vec<Point3> {
    let (u, v) = (view.plane.u(), view.plane.v());
    let at = |n: u32| {
        let angle = f64::from(n) * PI / 60.0;
        center + u * (a * angle.cos()) + v * (b * angle.sin())
    };
    (0..=120).map(at).collect()
}

fn coronal(y: f64) -> ViewPlane {
    ViewPlane { plane: Plane::new(p(0.0, y, 0.0), Vector3::x(), Vector3::z()).unwrap(), pixel_mm: 0.5 }
}

#[test]
fn outlines_drawn_across_the_slices_guide_the_shape_between_them() {
    let mut session = session_with(axial_series(), &["Liver"]);
    let center = p(0.0, 0.0, 30.0);
    let mut tools = tools(ToolKind::Freehand, 5.0);
    let path = around(&axial(30.0), center, [20.0, 15.0]);
    assert!(drag(&mut tools, &mut session, &axial(30.0), KEYS, &path).command.is_some());
    tools.between.set_on(true);
    let steps = session.history().done();
    for (view, axes) in [(sagittal(0.0), [15.0, 24.0]), (coronal(0.0), [20.0, 24.0])] {
        let path = around(&view, center, axes);
        let drawn = drag(&mut tools, &mut session, &view, KEYS, &path);
        assert!(matches!(drawn.command, Some(Command::PutGuide { .. })), "{drawn:?}");
        assert_eq!(session.undo_name(), Some("Guide outline on Liver"));
        tools.update(&session);
    }
    assert_eq!(session.history().done(), steps + 2, "each is an undo step");
    assert_eq!(roi(&session).planes.len(), 1, "a guide is no contour");
    assert_eq!(tools.between.guides(&session).map(<[_]>::len), Some(2));
    assert!(tools.cursor(&session).label.is_some_and(|label| label.ends_with("guide")));
    tools.between.settle(&session);
    let suggested = tools.suggestion().unwrap();
    assert_eq!(suggested.slices().collect::<Vec<_>>(), (3..18).filter(|k| *k != 10).collect::<Vec<_>>());
    // One slice: the rest stays as it is, without being worked out anew.
    let before: Vec<_> = suggested.shown().planes.iter().map(|plane| plane.polygons.clone()).collect();
    session.apply(suggested.command(Some(5)).unwrap()).unwrap();
    assert!(tools.between.update(&session) && !tools.between.is_waiting());
    let rest = tools.suggestion().unwrap();
    assert_eq!(rest.slices().count(), before.len() - 1);
    assert!(rest.shown().planes.iter().all(|plane| before.contains(&plane.polygons)));
    session.apply(rest.command(None).unwrap()).unwrap();
    assert_eq!(session.history().done(), steps + 4, "all at once is one step");
    assert_eq!(session.undo_name(), Some("Between slices on Liver"));
    let ball = 4.0 / 3.0 * PI * 20.0 * 15.0 * 24.0;
    near(roi(&session).volume_cc(&session.series().volume) * 1000.0, ball, 0.03);
    tools.between.update(&session);
    assert!(tools.suggestion().is_none() && !tools.between.is_waiting());
    session.undo().unwrap();
    tools.between.settle(&session);
    assert!(tools.suggestion().is_some(), "what was undone is suggested again");
    // A guide less, and back: the surface is worked out again.
    session.undo().unwrap();
    session.undo().unwrap();
    tools.between.settle(&session);
    assert_eq!(tools.between.guides(&session).map(<[_]>::len), Some(1));
    session.redo().unwrap();
    tools.between.settle(&session);
    assert_eq!(tools.suggestion().unwrap().slices().count(), before.len());
    assert!(!tools.between.update(&session) && !tools.between.is_waiting(), "nothing has changed");
}

#[test]
fn guides_are_cut_replaced_and_cleared_and_stay_with_their_structure() {
    let mut session = session_with(axial_series(), &["Liver", "Spleen"]);
    let mut tools = tools(ToolKind::Freehand, 5.0);
    tools.between.set_on(true);
    let view = sagittal(0.0);
    let center = p(0.0, 0.0, 30.0);
    drag(&mut tools, &mut session, &view, KEYS, &around(&view, center, [15.0, 24.0]));
    let area = |tools: &Tools, session: &Session| -> f64 {
        let guides = tools.between.guides(session).unwrap();
        guides.iter().flat_map(|guide| &guide.polygons).map(Polygon::area_mm2).sum()
    };
    let whole = PI * 15.0 * 24.0;
    near(area(&tools, &session), whole, 0.01);
    tools.between.settle(&session);
    assert!(tools.suggestion().is_none());
    assert!(tools.between.note().is_some_and(|note| note.starts_with("One direction")));
    // From outside across it: the half above is cut off.
    let half = [p(0.0, -40.0, 30.0), p(0.0, 40.0, 30.0), p(0.0, 40.0, 70.0), p(0.0, -40.0, 70.0)];
    drag(&mut tools, &mut session, &view, KEYS, &half);
    near(area(&tools, &session), whole / 2.0, 0.02);
    // With another structure selected there are none, and turning it off keeps them.
    session.select(Some(id(&session, "Liver")));
    assert_eq!(tools.between.guides(&session).map(<[_]>::len), Some(0));
    session.select(Some(id(&session, "Spleen")));
    tools.between.set_on(false);
    assert_eq!(tools.between.guides(&session), None);
    tools.between.set_on(true);
    near(area(&tools, &session), whole / 2.0, 0.02);
    // A rectangle takes what is left away; then there is no guide.
    tools.choose(ToolKind::Shape);
    tools.shape.set_kind(crate::tools::ShapeKind::Rectangle);
    drag(&mut tools, &mut session, &view, CTRL, &[p(0.0, -40.0, 0.0), p(0.0, 40.0, 60.0)]);
    assert_eq!(tools.between.guides(&session).map(<[_]>::len), Some(0));
    // To cut where there is nothing is no gesture.
    let nothing = drag(&mut tools, &mut session, &view, CTRL, &[p(0.0, -40.0, 0.0), p(0.0, 40.0, 60.0)]);
    assert_eq!(nothing, Reaction::default());
    drag(&mut tools, &mut session, &view, KEYS, &[p(0.0, -10.0, 10.0), p(0.0, 10.0, 40.0)]);
    near(area(&tools, &session), 600.0, 0.01);
    let spleen = id(&session, "Spleen");
    session.apply(Command::ClearGuides { roi: spleen }).unwrap();
    assert!(area(&tools, &session) == 0.0);
    assert_eq!(session.undo_name(), Some("Clear guide outlines on Spleen"));
    // They come back change by change, as contours do, and forth again.
    let states = [600.0, 0.0, whole / 2.0, whole, 0.0];
    for wanted in states {
        session.undo().unwrap();
        assert!((area(&tools, &session) - wanted).abs() <= 0.02 * wanted);
    }
    assert_eq!(session.undo_name(), Some("Add Spleen"));
    for wanted in states.into_iter().rev().skip(1).chain([0.0]) {
        session.redo().unwrap();
        assert!((area(&tools, &session) - wanted).abs() <= 0.02 * wanted);
    }
    // Turned off, undo takes them back all the same.
    drag(&mut tools, &mut session, &view, KEYS, &[p(0.0, -10.0, 10.0), p(0.0, 10.0, 40.0)]);
    tools.between.set_on(false);
    assert_eq!(roi(&session).guides.len(), 1);
    session.undo().unwrap();
    assert!(roi(&session).guides.is_empty());
    // A locked structure refuses a guide as it does a contour.
    tools.between.set_on(true);
    session.apply(Command::SetLock { roi: spleen, locked: true }).unwrap();
    let refused = drag(&mut tools, &mut session, &view, KEYS, &[p(0.0, -10.0, 10.0), p(0.0, 10.0, 40.0)]);
    assert_eq!(refused.command, None);
    assert!(refused.message.is_some_and(|message| message.starts_with("Spleen is locked")));
    session.undo().unwrap();
    // Off, the same drag acts on a slab again.
    tools.between.set_on(false);
    let drawn = drag(&mut tools, &mut session, &view, KEYS, &[p(0.0, -10.0, 10.0), p(0.0, 10.0, 40.0)]);
    assert!(drawn.command.is_some() && !roi(&session).planes.is_empty());
}

#[test]
fn what_may_be_overwritten_is_asked_at_one_gate() {
    let shapes = |overwrite: Overwrite, lock: bool, hide: bool| {
        let mut session = session_with(axial_series(), &["Liver", "Kidney_R"]);
        session.select(Some(id(&session, "Liver")));
        session.apply(draw(&session, "Liver", 3, vec![square(0.0, 0.0, 40.0)])).unwrap();
        let liver = id(&session, "Liver");
        session.apply(Command::SetLock { roi: liver, locked: lock }).unwrap();
        session.apply(Command::SetVisibility { rois: vec![liver], visible: !hide }).unwrap();
        session.select(Some(id(&session, "Kidney_R")));
        session.set_overwrite(overwrite);
        let steps = session.history().done();
        let path = line(p(10.0, 0.0, 9.0), p(40.0, 0.0, 9.0), 10);
        drag(&mut tools(ToolKind::Brush, 5.0), &mut session, &axial(9.0), KEYS, &path);
        assert_eq!(session.history().done(), steps + 1, "one undo step");
        let area = |name: &str| session.structures().roi_named(name).unwrap().planes[0].area_mm2();
        let result = (area("Liver"), area("Kidney_R"));
        session.undo().unwrap();
        assert_eq!(session.structures().roi_named("Liver").unwrap().planes[0].area_mm2(), 1600.0);
        result
    };
    let capsule = PI * 25.0 + 300.0;
    let inside = 100.0 + PI * 12.5;
    let check = |got: (f64, f64), liver: f64, kidney: f64| {
        near(got.0, liver, 0.005);
        near(got.1, kidney, 0.005);
    };
    check(shapes(Overwrite::Overlap, false, false), 1600.0, capsule);
    check(shapes(Overwrite::Stop, false, false), 1600.0, capsule - inside);
    check(shapes(Overwrite::Visible, false, false), 1600.0 - inside, capsule);
    check(shapes(Overwrite::Visible, false, true), 1600.0, capsule);
    check(shapes(Overwrite::Unlocked, false, true), 1600.0 - inside, capsule);
    check(shapes(Overwrite::Unlocked, true, false), 1600.0, capsule - inside);
}

#[test]
fn what_grows_from_a_click_is_suggested_tuned_and_taken_over() {
    let mut session = session_with(cylinder(12.0, 3.0, [-100.0, 50.0]), &["Cord"]);
    session.apply(draw(&session, "Cord", 10, vec![square(15.0, 0.0, 10.0)])).unwrap();
    let steps = session.history().done();
    let mut tools = tools(ToolKind::Grow, 5.0);
    let mut growth = tools.grow.growth();
    growth.reach_mm = 20.0;
    tools.grow.set_growth(&session, growth);
    for view in [axial(30.0), sagittal(1.0)] {
        let clicked = click(&mut tools, &mut session, &view, p(1.0, 1.0, 30.0), KEYS);
        assert_eq!(clicked, Reaction::default(), "a click takes nothing over");
        tools.grow.settle(&session);
        let slices: Vec<usize> = tools.suggestion().unwrap().slices().collect();
        assert_eq!((slices[0], slices[slices.len() - 1]), (4, 16), "20 mm either way");
        assert_eq!(session.history().done(), steps);
    }
    // Tuned, it follows; Esc drops it.
    growth.range = GrowRange::Fixed(ValueRange { low: -25.0, high: 500.0 });
    tools.grow.set_growth(&session, growth);
    tools.grow.settle(&session);
    let suggestion = tools.suggestion().unwrap().clone();
    assert_eq!(tools.grow.note(), Some("−25 to 500 HU"));
    session.apply(suggestion.command(Some(11)).unwrap()).unwrap();
    near(area_at(&session, 33.0), PI * 144.0, 0.02);
    assert_eq!(session.undo_name(), Some("Grow on Cord"));
    tools.update(&session);
    let rest: Vec<usize> = suggestion.slices().filter(|slice| *slice != 11).collect();
    assert_eq!(tools.suggestion().unwrap().slices().collect::<Vec<_>>(), rest, "the others stay");
    click(&mut tools, &mut session, &axial(30.0), p(1.0, 1.0, 30.0), KEYS);
    tools.grow.settle(&session);
    session.apply(tools.suggestion().unwrap().command(None).unwrap()).unwrap();
    let joined = roi(&session).plane_at(&Plane::axial(30.0)).unwrap();
    assert_eq!(joined.polygons.len(), 1, "joined with what was drawn");
    tools.update(&session);
    assert!(tools.suggestion().is_none(), "all of it is taken over");
    click(&mut tools, &mut session, &axial(30.0), p(-300.0, 0.0, 30.0), KEYS);
    tools.grow.settle(&session);
    assert!(tools.grow.note().is_some_and(|note| note.starts_with("Nothing new")));
    assert!(tools.suggestion().is_none());
    click(&mut tools, &mut session, &axial(51.0), p(1.0, 1.0, 51.0), KEYS);
    tools.grow.settle(&session);
    assert!(tools.suggestion().is_some());
    tools.event(&session, &axial(51.0), ToolEvent::Escape);
    assert!(tools.suggestion().is_none());
    // Esc stops what is still growing.
    click(&mut tools, &mut session, &axial(51.0), p(1.0, 1.0, 51.0), KEYS);
    assert!(tools.is_waiting());
    tools.event(&session, &axial(51.0), ToolEvent::Escape);
    assert!(!tools.is_waiting());
    tools.update(&session);
    assert!(tools.suggestion().is_none());
}

#[test]
fn an_outline_of_a_hidden_structure_waits_until_it_is_shown() {
    for kind in [ToolKind::Shape, ToolKind::LiveWire] {
        let mut session = session_with(axial_series(), &["Liver"]);
        let liver = id(&session, "Liver");
        let mut tools = tools(kind, 5.0);
        for (x, y) in [(-10.0, -10.0), (12.0, -10.0), (0.0, 12.0)] {
            click(&mut tools, &mut session, &axial(9.0), p(x, y, 9.0), KEYS);
        }
        session.apply(Command::SetVisibility { rois: vec![liver], visible: false }).unwrap();
        let refused = tools.finish(&session);
        assert!(refused.command.is_none() && refused.message.unwrap().contains("hidden"), "{kind:?}");
        assert!(tools.is_busy(), "{kind:?}: the clicks are kept");
        session.apply(Command::SetVisibility { rois: vec![liver], visible: true }).unwrap();
        assert!(tools.finish(&session).command.is_some(), "{kind:?}");
    }
}

#[test]
fn clicks_of_a_polygon_become_a_curve_s() {
    let mut session = session_with(axial_series(), &["Liver"]);
    let mut tools = tools(ToolKind::Shape, 5.0);
    for (x, y) in [(-10.0, -10.0), (12.0, -10.0), (0.0, 12.0)] {
        click(&mut tools, &mut session, &axial(9.0), p(x, y, 9.0), KEYS);
    }
    tools.shape.set_kind(ShapeKind::Spline);
    let command = tools.finish(&session).command.expect("the clicks are kept");
    session.apply(command).unwrap();
    let straight = 22.0 * 22.0 / 2.0;
    assert!(session.selected().unwrap().planes[0].area_mm2() > 1.2 * straight);
}
