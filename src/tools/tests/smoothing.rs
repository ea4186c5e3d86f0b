//! Smooth in views across the slices: in space.

use super::*;
use crate::geometry::{Point2, Ring, Rotation3, Vector2};
use crate::session::Overwrite;

fn circle(center: Point2, radius: f64) -> Polygon {
    let corner = |n: u32| {
        let (s, c) = (f64::from(n) * PI / 120.0).sin_cos();
        center + Vector2::new(c, s) * radius
    };
    Polygon::from_outer((0..240).map(corner).collect::<Ring>())
}

/// Circles of 20 and 22 mm by turns around an axis through `center`, on slices 2 to 13.
fn wobbly(series: Series, center: Point3) -> Session {
    let mut session = session_with(series, &["Organ", "Other"]);
    for slice in 2..=13 {
        let Some(image) = session.series().volume.slices.get(slice) else { continue };
        if image.missing {
            continue;
        }
        let radius = if slice % 2 == 0 { 20.0 } else { 22.0 };
        let own = vec![circle(image.plane.project(center), radius)];
        session.apply(draw(&session, "Organ", slice, own)).unwrap();
    }
    session.select(Some(id(&session, "Organ")));
    session
}

/// How far the outlines on these slices reach from `center` along a direction within the slices, mm.
fn reach(
    session: &Session,
    center: Point3,
    way: Vector3,
    slices: std::ops::RangeInclusive<usize>,
) -> Vec<f64> {
    let volume = &session.series().volume;
    let on = |slice: usize| {
        let own = roi(session).plane_at(&volume.slices[slice].plane)?;
        let corners = own.polygons.iter().flat_map(|piece| &piece.outer);
        Some(corners.map(|corner| way.dot(&(own.plane.lift(*corner) - center))).fold(0.0, f64::max))
    };
    slices.filter_map(on).collect()
}

fn spread(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |a: f64, b| a.max(*b)) - values.iter().fold(f64::MAX, |a, b| a.min(*b))
}

fn mm3(session: &Session) -> f64 {
    roi(session).volume_cc(&session.series().volume) * 1000.0
}

#[test]
fn what_jumps_from_slice_to_slice_becomes_smooth_where_it_is_rubbed() {
    let center = p(0.0, 0.0, 24.0);
    let mut session = wobbly(axial_series(), center);
    let (before, volume) = (session.structures().clone(), mm3(&session));
    let old = Arc::clone(session.selected().unwrap());
    for (view, way) in [(sagittal(0.0), Vector3::y()), (coronal(0.0), Vector3::x())] {
        assert!(spread(&reach(&session, center, way, 6..=10)) > 1.9);
        let (low, high) =
            (center + way * 21.0 - Vector3::z() * 8.0, center + way * 21.0 + Vector3::z() * 8.0);
        let path: Vec<Point3> = [(low, high), (high, low), (low, high)]
            .into_iter()
            .flat_map(|(from, to)| line(from, to, 10))
            .collect();
        let mut smooth = tools(ToolKind::Smooth, 9.0);
        drag(&mut smooth, &mut session, &view, KEYS, &path);
        assert_eq!(session.undo_name(), Some("Smooth on Organ"));
        let now = reach(&session, center, way, 6..=10);
        assert!(spread(&now) < 0.7, "{now:?}");
        assert!(now.iter().all(|reach| (reach - 21.0).abs() < 0.6), "{now:?}");
        // The opposite side stays to the bit, and the volume.
        let opposite = reach(&session, center, -way, 6..=10);
        near(spread(&opposite), 2.0, 1e-6);
        near(mm3(&session), volume, 1e-3);
        // A slice that the ball does not meet is the same object.
        let at = &session.series().volume.slices[2].plane;
        assert!(Arc::ptr_eq(old.plane_at(at).unwrap(), roi(&session).plane_at(at).unwrap()));
        session.undo().unwrap();
        assert_eq!(plain(session.structures()), plain(&before), "bit for bit");
        // One fast move leaves no gaps.
        drag(&mut smooth, &mut session, &view, KEYS, &[low, high, low, high, low, high]);
        let now = reach(&session, center, way, 6..=10);
        assert!(spread(&now) < 0.9, "{now:?}");
        session.undo().unwrap();
    }
    // In the slices' own view each is smooth already.
    let mut smooth = tools(ToolKind::Smooth, 9.0);
    let path = line(p(0.0, 21.0, 24.0), p(4.0, 21.0, 24.0), 6);
    drag(&mut smooth, &mut session, &axial(24.0), KEYS, &path);
    assert!(spread(&reach(&session, center, Vector3::y(), 6..=10)) > 1.8);
}

#[test]
fn smoothing_in_space_knows_oblique_series_and_views() {
    let (axes, series) = oblique_series();
    let center = series.volume.grid.patient_of([30.0, 40.0, 7.0]);
    let mut session = wobbly(series, center);
    let volume = mm3(&session);
    let turned = |turn: Rotation3| {
        let plane = Plane::new(center, turn * axes[1], turn * axes[2]).unwrap();
        ViewPlane { plane, pixel_mm: 0.5 }
    };
    for view in [turned(Rotation3::identity()), turned(Rotation3::new(axes[1] * 0.5))] {
        // Where the view shows the side of the cylinder, along what goes across the slices most.
        let along = view.plane.v();
        let side = center + axes[1] * 21.0;
        let path: Vec<Point3> = [(-5.0, 5.0), (5.0, -5.0), (-5.0, 5.0)]
            .into_iter()
            .flat_map(|(from, to)| line(side + along * from, side + along * to, 10))
            .collect();
        drag(&mut tools(ToolKind::Smooth, 9.0), &mut session, &view, KEYS, &path);
        let now = reach(&session, center, axes[1], 6..=8);
        assert!(spread(&now) < 0.9, "{now:?}");
        near(mm3(&session), volume, 1e-3);
        session.undo().unwrap();
    }
}

#[test]
fn smoothing_in_space_passes_missing_slices_and_stops_at_others() {
    let center = p(0.0, 0.0, 24.0);
    let mut session = wobbly(series_without(8), center);
    assert!(roi(&session).plane_at(&Plane::axial(24.0)).is_none());
    let path = line(p(0.0, 21.0, 16.0), p(0.0, 21.0, 32.0), 12);
    let mut smooth = tools(ToolKind::Smooth, 9.0);
    drag(&mut smooth, &mut session, &sagittal(0.0), KEYS, &path);
    assert!(roi(&session).plane_at(&Plane::axial(24.0)).is_none(), "nothing is drawn on a missing slice");
    assert_eq!(session.undo_name(), Some("Smooth on Organ"));

    // A neighbour right at the small circles: they may not grow into it.
    let mut session = wobbly(axial_series(), center);
    for slice in 2..=13 {
        if slice % 2 == 0 {
            session.apply(draw(&session, "Other", slice, vec![square(0.0, 26.0, 12.0)])).unwrap();
        }
    }
    session.select(Some(id(&session, "Organ")));
    session.set_overwrite(Overwrite::Stop);
    drag(&mut smooth, &mut session, &sagittal(0.0), KEYS, &path);
    for slice in [6, 8, 10] {
        let now = reach(&session, center, Vector3::y(), slice..=slice);
        assert!(now[0] < 20.01, "slice {slice}: {now:?}");
    }
    for slice in [7, 9] {
        let now = reach(&session, center, Vector3::y(), slice..=slice);
        assert!(now[0] < 21.6, "slice {slice}: {now:?}");
    }
    // Esc drops it.
    let steps = session.history().done();
    let view = sagittal(0.0);
    smooth.event(&session, &view, ToolEvent::Press(p(0.0, -21.0, 24.0), KEYS));
    smooth.event(&session, &view, ToolEvent::Drag(p(0.0, -21.0, 26.0)));
    assert!(smooth.preview().is_some_and(|preview| preview.planes.len() >= 3));
    smooth.event(&session, &view, ToolEvent::Escape);
    assert!(smooth.preview().is_none() && session.history().done() == steps);
}

fn coronal(y: f64) -> ViewPlane {
    ViewPlane { plane: Plane::new(p(0.0, y, 0.0), Vector3::x(), Vector3::z()).unwrap(), pixel_mm: 0.5 }
}
