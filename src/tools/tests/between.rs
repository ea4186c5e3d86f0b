//! Between slices with snapping to edges, and guides while they are drawn, by strokes.

use super::taking_back::disc;
use super::*;
use crate::session::Overwrite;

/// An organ as a barrel: 18 mm on slices 2 and 8, 21 mm half way between; nothing around it.
fn organ() -> Series {
    barrel(radius, 2.0, [-90.0, 60.0])
}

fn radius(z: f64) -> f64 {
    18.0 + 3.0 * (PI * (z - 6.0) / 18.0).sin().powi(2)
}

/// A closed stroke around an ellipse of a view.
fn around(view: &ViewPlane, center: Point3, [a, b]: [f64; 2]) -> Vec<Point3> {
    let at = |n: u32| {
        let (sine, cosine) = (f64::from(n) * PI / 60.0).sin_cos();
        center + view.plane.u() * (a * cosine) + view.plane.v() * (b * sine)
    };
    (0..=120).map(at).collect()
}

/// A closed stroke in the sagittal view around a straight tube: 18 mm all the way.
fn tube() -> Vec<Point3> {
    let across = [p(0.0, -18.0, 5.0), p(0.0, 18.0, 5.0), p(0.0, 18.0, 25.0), p(0.0, -18.0, 25.0)];
    (0..4).flat_map(|n| line(across[n], across[(n + 1) % 4], 20)).collect()
}

fn draw_circle(pen: &mut Tools, session: &mut Session, z: f64) {
    let path = around(&axial(z), p(0.0, 0.0, z), [radius(z); 2]);
    assert!(drag(pen, session, &axial(z), KEYS, &path).command.is_some());
}

fn suggested(tools: &Tools) -> Vec<Arc<crate::patient::RoiPlane>> {
    tools.suggestion().map_or_else(Vec::new, |own| own.shown().planes.clone())
}

/// How far the suggested areas are from the barrel's as radii, mm.
fn worst_off(tools: &Tools) -> f64 {
    let off = |own: &Arc<crate::patient::RoiPlane>| {
        ((own.area_mm2() / PI).sqrt() - radius(own.plane.offset_mm())).abs()
    };
    suggested(tools).iter().map(off).fold(0.0, f64::max)
}

#[test]
fn snapping_moves_what_is_suggested_and_off_brings_it_back_to_the_bit() {
    let mut session = session_with(organ(), &["Liver"]);
    let mut pen = tools(ToolKind::Freehand, 5.0);
    draw_circle(&mut pen, &mut session, 6.0);
    draw_circle(&mut pen, &mut session, 24.0);
    pen.between.set_on(true);
    pen.between.settle(&session);
    let plain = suggested(&pen);
    assert_eq!(plain.len(), 5);
    assert!(worst_off(&pen) > 2.5, "{}", worst_off(&pen));
    pen.between.set_snaps(true);
    assert!(pen.between.update(&session) && pen.between.is_waiting());
    assert!(pen.suggestion().is_none(), "nothing that is not snapped can be taken over");
    pen.between.settle(&session);
    let moved = suggested(&pen);
    assert_eq!(moved.len(), 5);
    moved.iter().for_each(|own| check_polygons(&own.polygons));
    assert!(worst_off(&pen) < 0.4, "{}", worst_off(&pen));
    assert!(!pen.between.update(&session) && !pen.between.is_waiting(), "nothing has changed");
    // Off: the very same as before; on again: nothing is worked out anew.
    pen.between.set_snaps(false);
    pen.between.settle(&session);
    assert!(suggested(&pen).iter().zip(&plain).all(|(a, b)| Arc::ptr_eq(a, b)));
    pen.between.set_snaps(true);
    assert!(pen.between.update(&session) && !pen.between.is_waiting());
    assert!(suggested(&pen).iter().zip(&moved).all(|(a, b)| Arc::ptr_eq(a, b)));
    // Less reach than the edge is away.
    pen.between.set_snap_reach_mm(1.0);
    pen.between.settle(&session);
    assert!(worst_off(&pen) > 1.5, "{}", worst_off(&pen));
    pen.between.set_snap_reach_mm(4.0);
    // A gap that nothing has changed in is kept while another is worked out.
    draw_circle(&mut pen, &mut session, 33.0);
    pen.between.settle(&session);
    let first = suggested(&pen);
    draw_circle(&mut pen, &mut session, 42.0);
    pen.between.update(&session);
    assert!(pen.between.is_waiting());
    let kept = suggested(&pen);
    assert!(kept.len() == 7 && kept.iter().zip(&first).all(|(a, b)| Arc::ptr_eq(a, b)));
    pen.between.settle(&session);
    let all = suggested(&pen);
    assert_eq!(all.len(), 9);
    // Taken over: one step, and what was dashed to the bit.
    let steps = session.history().done();
    session.apply(pen.suggestion().unwrap().command(None).unwrap()).unwrap();
    assert_eq!(session.history().done(), steps + 1);
    assert_eq!(session.undo_name(), Some("Between slices on Liver"));
    let taken = |own: &Arc<crate::patient::RoiPlane>| {
        roi(&session).plane_at(&own.plane).is_some_and(|other| other.polygons == own.polygons)
    };
    assert!(all.iter().all(taken));
    session.undo().unwrap();
    assert_eq!(roi(&session).planes.len(), 4);
    // It is a setting: turning the tool off and on keeps it.
    pen.between.set_on(false);
    pen.between.set_on(true);
    assert!(pen.between.snaps() && pen.between.snap_reach_mm().to_bits() == 4.0_f64.to_bits());
}

#[test]
fn a_surface_through_guides_snaps_too() {
    let mut session = session_with(organ(), &["Liver"]);
    let mut pen = tools(ToolKind::Freehand, 5.0);
    draw_circle(&mut pen, &mut session, 6.0);
    draw_circle(&mut pen, &mut session, 24.0);
    pen.between.set_on(true);
    let path = tube();
    let drawn = drag(&mut pen, &mut session, &sagittal(0.0), KEYS, &path);
    assert!(matches!(drawn.command, Some(Command::PutGuide { .. })));
    pen.between.settle(&session);
    let plain = suggested(&pen);
    let before = worst_off(&pen);
    assert!(plain.len() >= 5 && before > 0.9, "{} slices, {before} mm", plain.len());
    pen.between.set_snaps(true);
    pen.between.settle(&session);
    let moved = suggested(&pen);
    assert_eq!(moved.len(), plain.len());
    assert!(worst_off(&pen) < 0.5, "{}", worst_off(&pen));
    // One slice is taken over; the rest stays, also when snapping is turned off.
    let first = pen.suggestion().unwrap().slices().next().unwrap();
    session.apply(pen.suggestion().unwrap().command(Some(first)).unwrap()).unwrap();
    assert!(pen.between.update(&session) && !pen.between.is_waiting());
    assert!(suggested(&pen).iter().all(|own| moved.iter().any(|other| Arc::ptr_eq(own, other))));
    pen.between.set_snaps(false);
    assert!(pen.between.update(&session) && !pen.between.is_waiting());
    let rest = suggested(&pen);
    assert_eq!(rest.len(), plain.len() - 1);
    assert!(rest.iter().all(|own| plain.iter().any(|other| Arc::ptr_eq(own, other))));
}

/// Presses and draws along the path without letting go.
fn hold(pen: &mut Tools, session: &Session, view: &ViewPlane, path: &[Point3]) {
    pen.event(session, view, ToolEvent::Press(path[0], KEYS));
    for at in &path[1..] {
        pen.event(session, view, ToolEvent::Drag(*at));
    }
}

#[test]
fn a_guide_being_drawn_shows_what_it_leads_to_and_ends_with_just_that() {
    let center = p(0.0, 0.0, 30.0);
    let view = sagittal(0.0);
    let path = around(&view, center, [15.0, 24.0]);
    let last = *path.last().unwrap();
    for (kind, path) in [
        (ToolKind::Freehand, path.clone()),
        (ToolKind::Shape, vec![p(0.0, -15.0, 6.0), p(0.0, 0.0, 30.0), p(0.0, 15.0, 54.0)]),
    ] {
        let mut session = session_with(axial_series(), &["Liver"]);
        let mut pen = tools(ToolKind::Freehand, 5.0);
        pen.shape.set_kind(crate::tools::ShapeKind::Ellipse);
        let slice = around(&axial(30.0), center, [20.0, 15.0]);
        assert!(drag(&mut pen, &mut session, &axial(30.0), KEYS, &slice).command.is_some());
        pen.choose(kind);
        pen.between.set_on(true);
        pen.update(&session);
        assert!(pen.dashed().is_none());
        hold(&mut pen, &session, &view, &path);
        assert!(pen.between.draws_guide() && pen.between.is_waiting(), "{kind:?}: on a thread");
        pen.between.settle(&session);
        let ahead = pen.dashed().expect("what it leads to").shown().planes.clone();
        assert!(ahead.len() >= 12, "{kind:?}: {} slices", ahead.len());
        ahead.iter().for_each(|own| check_polygons(&own.polygons));
        assert!(pen.suggestion().is_none() && roi(&session).guides.is_empty(), "it is shown, and no more");
        // Esc: as if nothing had been.
        pen.event(&session, &view, ToolEvent::Escape);
        assert!(pen.dashed().is_none() && !pen.between.draws_guide() && !pen.between.is_waiting());
        // To its end: what was shown is what is suggested, to the bit, without being worked out again.
        hold(&mut pen, &session, &view, &path);
        pen.between.settle(&session);
        let ahead = pen.dashed().unwrap().shown().planes.clone();
        let to = *path.last().unwrap();
        session.apply(pen.event(&session, &view, ToolEvent::Release(to)).command.unwrap()).unwrap();
        assert!(pen.between.update(&session) && !pen.between.is_waiting(), "{kind:?}");
        let now = suggested(&pen);
        assert_eq!(now.len(), ahead.len());
        assert!(now.iter().zip(&ahead).all(|(own, other)| Arc::ptr_eq(own, other)), "{kind:?}");
        // Undone meanwhile, it is no answer to anything else.
        session.undo().unwrap();
        pen.between.settle(&session);
        assert!(pen.suggestion().is_none());
    }
    // Why a line leads to nothing is said while it is drawn.
    let mut session = session_with(axial_series(), &["Liver"]);
    let mut pen = tools(ToolKind::Freehand, 5.0);
    pen.between.set_on(true);
    hold(&mut pen, &session, &view, &path);
    pen.between.settle(&session);
    assert!(pen.dashed().is_none());
    assert!(pen.between.note().is_some_and(|note| note.starts_with("One direction")));
    let drawn = pen.event(&session, &view, ToolEvent::Release(last)).command.unwrap();
    session.apply(drawn).unwrap();
    assert!(!pen.between.draws_guide());
    // On the contours' own plane a line is no guide.
    hold(&mut pen, &session, &axial(30.0), &around(&axial(30.0), center, [20.0, 15.0]));
    assert!(!pen.between.draws_guide());
}

#[test]
fn what_a_guide_leads_to_follows_clicks_taken_back_and_snapping() {
    let mut session = session_with(organ(), &["Liver"]);
    let mut pen = tools(ToolKind::Freehand, 5.0);
    draw_circle(&mut pen, &mut session, 6.0);
    draw_circle(&mut pen, &mut session, 24.0);
    pen.choose(ToolKind::Shape);
    pen.between.set_on(true);
    let view = sagittal(0.0);
    for (y, z) in [(-18.0, 5.0), (18.0, 5.0), (18.0, 25.0), (-18.0, 25.0)] {
        pen.event(&session, &view, ToolEvent::Press(p(0.0, y, z), KEYS));
        pen.event(&session, &view, ToolEvent::Release(p(0.0, y, z)));
    }
    pen.between.settle(&session);
    let shown = |pen: &Tools| {
        let ahead = pen.between.ahead().map(crate::tools::Suggestion::shown);
        ahead.map_or_else(Vec::new, |own| own.planes.clone())
    };
    let areas = |pen: &Tools| shown(pen).iter().map(|own| own.area_mm2()).sum::<f64>();
    let plain = areas(&pen);
    assert!(pen.between.draws_guide() && plain > 0.0);
    // Snapping turned on while the line stands still, and its reach.
    pen.between.set_snaps(true);
    pen.between.settle(&session);
    let moved = areas(&pen);
    assert!(moved > 1.02 * plain, "{moved} mm2 after {plain}");
    pen.between.set_snap_reach_mm(1.0);
    pen.between.settle(&session);
    assert!(areas(&pen) < 0.99 * moved, "{} mm2 after {moved}", areas(&pen));
    pen.between.set_snaps(false);
    pen.between.settle(&session);
    assert!((areas(&pen) - plain).abs() < 1e-9 * plain);
    // Clicks taken back: with two points left there is no guide, and nothing that it led to.
    for points in [3, 2] {
        assert!(pen.take_back(&session));
        assert_eq!(pen.shape.anchors().len(), points);
        assert_eq!(pen.between.draws_guide(), points == 3);
        pen.between.settle(&session);
    }
    assert!(shown(&pen).is_empty() && !pen.between.is_waiting());
}

#[test]
fn what_others_keep_is_not_suggested() {
    let mut session = session_with(axial_series(), &["Lung", "Heart"]);
    let lung = disc(10.0, 0.0, 8.0);
    session.apply(draw(&session, "Lung", 3, vec![lung.clone()])).unwrap();
    for slice in [1, 5] {
        session.apply(draw(&session, "Heart", slice, vec![square(0.0, 0.0, 20.0)])).unwrap();
    }
    let mut pen = tools(ToolKind::Freehand, 5.0);
    pen.between.set_on(true);
    pen.between.settle(&session);
    let plain = suggested(&pen);
    assert_eq!(plain.len(), 3);
    near(plain[1].area_mm2(), 400.0, 0.01);
    assert!(!pen.between.update(&session), "nothing has changed");
    // What may be overwritten changes: that slice follows at once, the others are the very same.
    session.set_overwrite(Overwrite::Stop);
    assert!(pen.between.update(&session) && !pen.between.is_waiting());
    let gated = suggested(&pen);
    assert!([0, 2].iter().all(|n| Arc::ptr_eq(&plain[*n], &gated[*n])));
    let rest = clip::difference(&plain[1].polygons, std::slice::from_ref(&lung));
    let rest_mm2: f64 = rest.iter().map(Polygon::area_mm2).sum();
    assert!(rest_mm2 < 320.0);
    near(gated[1].area_mm2(), rest_mm2, 1e-4);
    check_polygons(&gated[1].polygons);
    // So does the neighbour: hidden it holds as before, taken away it does not.
    let roi_lung = id(&session, "Lung");
    session.apply(Command::SetVisibility { rois: vec![roi_lung], visible: false }).unwrap();
    assert!(!pen.between.update(&session), "nothing that is shown changes");
    session.apply(Command::SetVisibility { rois: vec![roi_lung], visible: true }).unwrap();
    let pieces = vec![lung.clone(), disc(-10.0, 0.0, 5.0)];
    session.apply(draw(&session, "Lung", 3, pieces)).unwrap();
    session.select(Some(id(&session, "Heart")));
    assert!(pen.between.update(&session));
    assert!(suggested(&pen)[1].area_mm2() < rest_mm2 - 20.0);
    session.undo().unwrap();
    session.select(Some(id(&session, "Heart")));
    pen.between.update(&session);
    near(suggested(&pen)[1].area_mm2(), rest_mm2, 1e-4);
    // An exclusive one that is locked holds whatever is set.
    session.set_overwrite(Overwrite::Overlap);
    for roi in [roi_lung, id(&session, "Heart")] {
        session.apply(Command::SetExclusive { roi, exclusive: true }).unwrap();
    }
    session.apply(Command::SetLock { roi: roi_lung, locked: true }).unwrap();
    session.select(Some(id(&session, "Heart")));
    pen.between.settle(&session);
    near(suggested(&pen)[1].area_mm2(), rest_mm2, 1e-4);
    // What is taken over is what was dashed.
    let slice = session.apply(pen.suggestion().unwrap().command(Some(3)).unwrap());
    assert!(slice.is_ok());
    near(area_at(&session, 9.0), rest_mm2, 1e-4);
    // All of a slice covered: there is nothing to suggest on it.
    session.undo().unwrap();
    session.apply(Command::SetLock { roi: roi_lung, locked: false }).unwrap();
    session.apply(Command::SetExclusive { roi: roi_lung, exclusive: false }).unwrap();
    session.apply(draw(&session, "Lung", 3, vec![square(0.0, 0.0, 40.0)])).unwrap();
    session.set_overwrite(Overwrite::Stop);
    session.select(Some(id(&session, "Heart")));
    pen.between.settle(&session);
    assert_eq!(pen.suggestion().unwrap().slices().collect::<Vec<_>>(), [2, 4]);
}

#[test]
fn a_trimmed_slice_of_a_guided_surface_is_taken_over_and_the_rest_stays_as_it_is() {
    let mut session = session_with(organ(), &["Lung", "Liver"]);
    session.apply(draw(&session, "Lung", 5, vec![disc(18.0, 1.0, 9.0)])).unwrap();
    session.select(Some(id(&session, "Liver")));
    session.set_overwrite(Overwrite::Stop);
    let mut pen = tools(ToolKind::Freehand, 5.0);
    draw_circle(&mut pen, &mut session, 6.0);
    draw_circle(&mut pen, &mut session, 24.0);
    pen.between.set_on(true);
    let path = tube();
    // What a guide leads to while it is drawn ends at the neighbour too.
    let view = sagittal(0.0);
    hold(&mut pen, &session, &view, &path);
    pen.between.settle(&session);
    let area = |own: Option<&crate::tools::Suggestion>| {
        own.and_then(|own| own.shown().plane_at(&Plane::axial(15.0)).map(|plane| plane.area_mm2()))
    };
    let ahead = area(pen.between.ahead()).expect("on slice 5");
    pen.event(&session, &view, ToolEvent::Escape);
    assert!(matches!(
        drag(&mut pen, &mut session, &view, KEYS, &path).command,
        Some(Command::PutGuide { .. })
    ));
    pen.between.settle(&session);
    let [whole, trimmed] = [Overwrite::Overlap, Overwrite::Stop].map(|overwrite| {
        session.set_overwrite(overwrite);
        assert!(pen.between.update(&session) && !pen.between.is_waiting());
        area(pen.suggestion()).expect("on slice 5")
    });
    let all = suggested(&pen);
    assert!(trimmed < whole - 60.0 && all.len() >= 5, "{trimmed} of {whole} mm2");
    near(ahead, trimmed, 1e-6);
    // Taken over it is one more drawn slice and no other shape: nothing is worked out anew.
    for slice in [5, 3] {
        session.apply(pen.suggestion().unwrap().command(Some(slice)).unwrap()).unwrap();
        assert!(pen.between.update(&session) && !pen.between.is_waiting(), "after slice {slice}");
        let rest = suggested(&pen);
        assert!(rest.iter().all(|own| all.iter().any(|other| Arc::ptr_eq(own, other))));
    }
    assert_eq!(suggested(&pen).len(), all.len() - 2);
    near(area_at(&session, 15.0), trimmed, 1e-4);
    // Corrected by hand it is another matter.
    session.apply(draw(&session, "Liver", 5, vec![disc(0.0, 0.0, 15.0)])).unwrap();
    assert!(pen.between.update(&session) && pen.between.is_waiting());
}
