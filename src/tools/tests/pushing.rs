//! Push in views across the slices: a push in space.

use super::*;
use crate::geometry::{Point2, Ring};
use crate::tools::MoldTool;

/// A ball's contours around a patient point, on every slice that it meets.
fn ball(session: &Session, center: Point3, radius: f64) -> Vec<(usize, Vec<Polygon>)> {
    let slices = session.series().volume.slices.iter().enumerate();
    slices
        .filter_map(|(index, slice)| {
            let height = slice.plane.distance_mm(center);
            let r = (radius * radius - height * height).max(0.0).sqrt();
            let foot = slice.plane.project(center);
            let ring: Ring = (0..240)
                .map(|n| {
                    let (s, c) = (f64::from(n) * PI / 120.0).sin_cos();
                    foot + crate::geometry::Vector2::new(c, s) * r
                })
                .collect();
            (r > 0.5).then(|| (index, vec![Polygon::from_outer(ring)]))
        })
        .collect()
}

fn with_ball(series: Series, center: Point3, radius: f64) -> Session {
    let mut session = session_with(series, &["Node"]);
    for (slice, polygons) in ball(&session, center, radius) {
        session.apply(draw(&session, "Node", slice, polygons)).unwrap();
    }
    session
}

fn mm3(session: &Session) -> f64 {
    roi(session).volume_cc(&session.series().volume) * 1000.0
}

fn numbers(session: &Session) -> Vec<usize> {
    let volume = &session.series().volume;
    roi(session).planes.iter().map(|plane| volume.nearest_slice(plane.plane.offset_mm()).unwrap()).collect()
}

/// Drags from `from` by `by` in a view, in a few steps. What has become of the slices' areas, mm2.
fn push(
    session: &mut Session,
    radius: f64,
    view: &ViewPlane,
    (from, by): (Point3, Vector3),
    steps: u32,
) -> Vec<f64> {
    let before = Arc::clone(session.selected().unwrap());
    let mut push = tools(ToolKind::Push, radius);
    let done = drag(&mut push, session, view, KEYS, &line(from, from + by, steps));
    assert!(done.command.is_some() && done.message.is_none(), "{done:?}");
    assert_eq!(session.undo_name(), Some("Push on Node"));
    let after = session.selected().unwrap();
    let volume = &session.series().volume;
    volume
        .slices
        .iter()
        .map(|slice| {
            let (old, new) = (before.plane_at(&slice.plane), after.plane_at(&slice.plane));
            // Slices that the tool does not meet are the same objects.
            let heights = [slice.plane.distance_mm(from), slice.plane.distance_mm(from + by)];
            let is_beyond = heights.iter().all(|height| *height >= radius)
                || heights.iter().all(|height| *height <= -radius);
            if is_beyond && let (Some(old), Some(new)) = (old, new) {
                assert!(Arc::ptr_eq(old, new));
            }
            assert!(!is_beyond || old.is_some() == new.is_some());
            let area =
                |plane: Option<&Arc<crate::patient::RoiPlane>>| plane.map_or(0.0, |own| own.area_mm2());
            area(new) - area(old)
        })
        .collect()
}

#[test]
fn the_top_of_a_ball_pushed_up_gains_slices_and_pushed_down_loses_them() {
    let center = p(0.0, 0.0, 27.0);
    let mut session = with_ball(axial_series(), center, 14.0);
    let before = session.structures().clone();
    // Slices 5 to 13: the last at z = 39, where the radius is 7.2; its slab ends at 40.5.
    assert_eq!(numbers(&session), (5..=13).collect::<Vec<_>>());
    let top = p(0.0, 0.0, 40.5);
    for (view, steps) in [(sagittal(0.0), 2), (sagittal(0.0), 40), (coronal(0.0), 7)] {
        // What lay at z = 40.5 under the centre lies at 47.5: slices 14 (42) and 15 (45) are gained.
        let change = push(&mut session, 12.0, &view, (top, Vector3::z() * 7.0), steps);
        assert_eq!(numbers(&session), (5..=15).collect::<Vec<_>>());
        assert!(change[13] > 8.0 && change[14] > 100.0 && change[15] > 10.0, "{change:?}");
        assert!(change.iter().all(|by| *by > -0.5), "{change:?}");
        session.undo().unwrap();
        assert_eq!(plain(session.structures()), plain(&before), "bit for bit");
        // Down to 33.5 with a wide tool: slices 13 (39) and 12 (36) are lost whole.
        let change = push(&mut session, 24.0, &view, (top, Vector3::z() * -7.0), steps);
        assert_eq!(numbers(&session), (5..=11).collect::<Vec<_>>());
        assert!(change[11] < -200.0 && change[10] < -50.0, "{change:?}");
        session.undo().unwrap();
        assert_eq!(plain(session.structures()), plain(&before));
    }
    session.redo().unwrap();
    assert_eq!(numbers(&session).len(), 7);
}

#[test]
fn a_shoulder_moves_by_less_than_a_slice_and_there_and_back_is_nothing() {
    let center = p(0.0, 0.0, 27.0);
    let mut session = with_ball(axial_series(), center, 14.0);
    let view = sagittal(0.0);
    // At 45 degrees, outward along the slices' normal by half a millimetre.
    let shoulder = p(0.0, 9.9, 36.9);
    let before = mm3(&session);
    let change = push(&mut session, 10.0, &view, (shoulder, Vector3::z() * 0.5), 1);
    assert!(change[12] > 1.0 && change[11] > 0.1, "{change:?}");
    assert_eq!(numbers(&session), (5..=13).collect::<Vec<_>>());
    assert!(mm3(&session) - before > 10.0 && mm3(&session) - before < 200.0);
    session.undo().unwrap();
    let steps = session.history().done();
    let path = [0.0, 0.8, 1.7, 0.9, 0.0].map(|up| shoulder + Vector3::z() * up);
    let mut tool = tools(ToolKind::Push, 10.0);
    assert_eq!(drag(&mut tool, &mut session, &view, KEYS, &path).command, None);
    assert_eq!(session.history().done(), steps);
}

#[test]
fn pushing_in_space_knows_oblique_series_and_views() {
    let (axes, series) = oblique_series();
    let center = series.volume.grid.patient_of([30.0, 40.0, 6.0]);
    let mut session = with_ball(series, center, 9.0);
    // Slices 2.5 mm apart, the middle one 6: 3 to 9.
    assert_eq!(numbers(&session), (3..=9).collect::<Vec<_>>());
    let before = session.structures().clone();
    let plane =
        |u: Vector3, v: Vector3| ViewPlane { plane: Plane::new(center, u, v).unwrap(), pixel_mm: 0.5 };
    let across = plane(axes[1], axes[2]);
    let tilted = plane(axes[0], axes[1] * 0.6 + axes[2] * 0.8);
    // The last slice's slab ends 8.75 mm above the middle.
    let top = center + axes[2] * 8.75;
    let change = push(&mut session, 10.0, &across, (top, axes[2] * 6.0), 20);
    assert_eq!(numbers(&session), (3..=11).collect::<Vec<_>>());
    assert!(change[11] > 0.5 && change.iter().all(|by| *by > -0.5), "{change:?}");
    session.undo().unwrap();
    assert_eq!(plain(session.structures()), plain(&before));
    // In a view that is neither along nor across: pushed outward along its second axis.
    let outward = axes[1] * 0.6 + axes[2] * 0.8;
    let change = push(&mut session, 10.0, &tilted, (center + outward * 8.5, outward * 6.0), 20);
    assert!(numbers(&session).contains(&10) && change[8] > 5.0, "{change:?}");
    let reach = roi(&session)
        .planes
        .iter()
        .flat_map(|own| own.polygons.iter().flat_map(|piece| &piece.outer).map(|at| own.plane.lift(*at)));
    let reach = reach.map(|at| (at - center).dot(&outward)).fold(0.0, f64::max);
    // What lay under the centre at 8.5 lies at 14.5; the surface lay at 9, and slices are 2.5 mm apart.
    assert!(reach > 13.0 && reach < 15.5, "{reach}");
    session.undo().unwrap();
    assert_eq!(plain(session.structures()), plain(&before));
}

#[test]
fn a_push_in_space_leaves_out_missing_slices_and_other_structures() {
    let mut session = session_with(series_without(14), &["Node"]);
    for (slice, polygons) in ball(&session, p(0.0, 0.0, 27.0), 14.0) {
        session.apply(draw(&session, "Node", slice, polygons)).unwrap();
    }
    let mut tool = tools(ToolKind::Push, 12.0);
    let path = line(p(0.0, 0.0, 40.5), p(0.0, 0.0, 47.5), 10);
    let done = drag(&mut tool, &mut session, &sagittal(0.0), KEYS, &path);
    assert_eq!(done.message.as_deref(), Some("A missing slice was left out."));
    assert!(!numbers(&session).contains(&14) && numbers(&session).contains(&15));
    session.undo().unwrap();
    // Esc, and a structure that changes under the stroke, drop it.
    let view = sagittal(0.0);
    tool.event(&session, &view, ToolEvent::Press(path[0], KEYS));
    tool.event(&session, &view, ToolEvent::Drag(path[9]));
    assert!(tool.preview().is_some_and(|preview| preview.planes.len() >= 2));
    tool.event(&session, &view, ToolEvent::Escape);
    assert!(tool.preview().is_none() && !tool.is_busy());
}

#[test]
fn the_choice_of_the_slice_alone_says_what_it_is_across() {
    let session = with_ball(axial_series(), p(0.0, 0.0, 27.0), 14.0);
    let mut tool = tools(ToolKind::Push, 12.0);
    let hint = |tool: &mut Tools, view: &ViewPlane| {
        tool.event(&session, view, ToolEvent::Hover(p(0.0, 0.0, 27.0), KEYS));
        MoldTool::hint(&tool.mold)
    };
    let ball = hint(&mut tool, &sagittal(0.0));
    tool.mold.set_flat(true);
    assert_eq!(hint(&mut tool, &axial(27.0)), ball);
    assert!(hint(&mut tool, &sagittal(0.0)).text.contains("further slices"));
}

fn coronal(y: f64) -> ViewPlane {
    ViewPlane { plane: Plane::new(p(0.0, y, 0.0), Vector3::x(), Vector3::z()).unwrap(), pixel_mm: 0.5 }
}

#[test]
fn a_wall_pushed_within_the_slices_goes_as_far_as_in_their_own_view() {
    let mut session = session_with(axial_series(), &["Node"]);
    for slice in 2..12 {
        session.apply(draw(&session, "Node", slice, vec![square(0.0, 0.0, 40.0)])).unwrap();
    }
    let way = (p(0.0, 20.0, 21.0), Vector3::y() * 8.0);
    let edge = |session: &Session| {
        let own = roi(session).plane_at(&Plane::axial(21.0)).unwrap();
        let corners = own.polygons.iter().flat_map(|piece| &piece.outer);
        corners.map(|corner: &Point2| corner.y).fold(0.0, f64::max)
    };
    let along = push(&mut session, 10.0, &axial(21.0), way, 16);
    near(edge(&session), 28.0, 0.01);
    session.undo().unwrap();
    let across = push(&mut session, 10.0, &sagittal(0.0), way, 16);
    near(edge(&session), 28.0, 0.01);
    for (a, b) in along.iter().zip(&across) {
        assert!((a - b).abs() < 0.25 * a.abs() + 3.0, "{along:?} {across:?}");
    }
}

/// The firm tool of this radius.
fn firm(radius: f64) -> Tools {
    let mut tools = tools(ToolKind::Push, radius);
    tools.mold.set_firm(true);
    tools
}

/// The least distance of an outline's vertices on a slice from a point of its plane.
fn nearest(session: &Session, z: f64, x: f64, y: f64) -> f64 {
    let own = roi(session).plane_at(&Plane::axial(z)).unwrap();
    let corners = own.polygons.iter().flat_map(Polygon::rings).flatten();
    corners.map(|corner| (corner - Point2::new(x, y)).norm()).fold(f64::MAX, f64::min)
}

#[test]
fn a_firm_push_leaves_the_outline_at_the_rim_of_its_circle() {
    for steps in [1, 3, 40] {
        let mut session = session_with(axial_series(), &["Node"]);
        for slice in 2..=7 {
            session.apply(draw(&session, "Node", slice, vec![square(0.0, 0.0, 40.0)])).unwrap();
        }
        let before = session.structures().clone();
        let mut push = firm(8.0);
        push.mold.set_flat(true);
        // The wall stands at x = 20. What of the swept circle lies beyond it is gained, or lost.
        let half = PI * 32.0;
        for (from, to, by) in [(8.0, 25.0, 5.0 * 16.0 + half), (29.0, 15.0, -(5.0 * 16.0 + half))] {
            let path = line(p(from, 0.0, 21.0), p(to, 0.0, 21.0), steps);
            drag(&mut push, &mut session, &axial(21.0), KEYS, &path);
            near(area_at(&session, 21.0), 1600.0 + by, 1e-3);
            let rim = nearest(&session, 21.0, to, 0.0);
            assert!((rim - 8.0).abs() < 0.03, "tangent to the circle: {rim}");
            assert_eq!(area_at(&session, 18.0), 1600.0, "the slice shown alone");
            assert_eq!(session.undo_name(), Some("Push on Node"));
            session.undo().unwrap();
            assert_eq!(plain(session.structures()), plain(&before));
        }
        // As a ball: the neighbours' circles are smaller. There is no slice after the last.
        push.mold.set_flat(false);
        let path = line(p(8.0, 0.0, 21.0), p(25.0, 0.0, 21.0), steps);
        drag(&mut push, &mut session, &axial(21.0), KEYS, &path);
        for (z, radius) in [(21.0, 8.0), (18.0, 55.0_f64.sqrt()), (15.0, 28.0_f64.sqrt())] {
            let by = 10.0 * radius + PI / 2.0 * radius * radius;
            near(area_at(&session, z), 1600.0 + by, 1e-3);
        }
        assert_eq!(numbers(&session), (2..=7).collect::<Vec<_>>());
    }
}

#[test]
fn a_firm_push_across_the_slices_is_a_ball() {
    let mut session = session_with(axial_series(), &["Node"]);
    for slice in 2..=7 {
        session.apply(draw(&session, "Node", slice, vec![square(0.0, 0.0, 40.0)])).unwrap();
    }
    let before = session.structures().clone();
    for view in [sagittal(0.0), coronal(0.0)] {
        // From within up through the end at z = 22.5: slices 8 to 10 (z = 24, 27, 30) are gained.
        let path = line(p(0.0, 0.0, 12.0), p(0.0, 0.0, 24.0), 9);
        drag(&mut firm(8.0), &mut session, &view, KEYS, &path);
        assert_eq!(numbers(&session), (2..=10).collect::<Vec<_>>());
        for z in [24.0, 27.0, 30.0] {
            near(area_at(&session, z), PI * (64.0 - (z - 24.0) * (z - 24.0)), 0.01);
        }
        assert_eq!(area_at(&session, 21.0), 1600.0);
        session.undo().unwrap();
        // From above down into it: holes.
        let path = line(p(0.0, 0.0, 36.0), p(0.0, 0.0, 21.0), 9);
        drag(&mut firm(8.0), &mut session, &view, KEYS, &path);
        assert_eq!(numbers(&session), (2..=7).collect::<Vec<_>>());
        near(area_at(&session, 21.0), 1600.0 - PI * 64.0, 0.01);
        near(area_at(&session, 15.0), 1600.0 - PI * 28.0, 0.01);
        assert_eq!(area_at(&session, 12.0), 1600.0);
        session.undo().unwrap();
        assert_eq!(plain(session.structures()), plain(&before));
    }
    let mut push = firm(8.0);
    push.event(&session, &sagittal(0.0), ToolEvent::Hover(p(0.0, 0.0, 12.0), KEYS));
    assert!(MoldTool::hint(&push.mold).text.contains("out of the circle"));
    assert!(push.cursor(&session).label.is_some_and(|label| label.ends_with("push out")));
}
