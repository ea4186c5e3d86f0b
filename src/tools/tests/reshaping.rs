//! Cut with a line, replacing a part of an outline, drag points, move / turn / scale, live-wire.

use super::*;
use crate::geometry::Point2;
use crate::session::Overwrite;
use crate::tools::FreehandMode;

const SHIFT: Modifiers = Modifiers { invert: false, shift: true };

/// A session with squares of `side` mm around x = y = 0 on slices 2 to 7.
fn column(side: f64) -> Session {
    let mut session = session_with(axial_series(), &["Liver"]);
    for slice in 2..8 {
        session.apply(draw(&session, "Liver", slice, vec![square(0.0, 0.0, side)])).unwrap();
    }
    session
}

fn volume_cc(session: &Session) -> f64 {
    roi(session).volume_cc(&session.series().volume)
}

fn pieces_at(session: &Session, z: f64) -> usize {
    roi(session).plane_at(&Plane::axial(z)).map_or(0, |plane| plane.polygons.len())
}

/// The area of what only one of two lists of disjoint pieces has.
fn differing(a: &[Polygon], b: &[Polygon]) -> f64 {
    clip::xor(a, b).iter().map(Polygon::area_mm2).sum()
}

/// Runs a gesture and undoes it: what was there must come back bit for bit.
fn drag_and_undo(
    tools: &mut Tools,
    session: &mut Session,
    view: &ViewPlane,
    keys: Modifiers,
    path: &[Point3],
) -> Reaction {
    let before = session.structures().clone();
    let steps = session.history().done();
    let reaction = drag(tools, session, view, keys, path);
    assert_eq!(session.history().done(), steps + 1, "one undo step");
    session.undo().unwrap();
    assert_eq!(plain(session.structures()), plain(&before));
    session.redo().unwrap();
    reaction
}

#[test]
fn a_line_across_a_piece_splits_it_and_both_parts_stay() {
    let mut session = column(40.0);
    let mut knife = tools(ToolKind::Knife, 1.0);
    drag_and_undo(
        &mut knife,
        &mut session,
        &axial(9.0),
        KEYS,
        &line(p(-30.0, 5.0, 9.0), p(30.0, 5.0, 9.0), 6),
    );
    assert_eq!(session.undo_name(), Some("Cut with a line on Liver"));
    assert_eq!((pieces_at(&session, 9.0), pieces_at(&session, 12.0)), (2, 1));
    near(area_at(&session, 9.0), 1600.0, 1e-9);
    let mut areas: Vec<f64> =
        roi(&session).plane_at(&Plane::axial(9.0)).unwrap().polygons.iter().map(Polygon::area_mm2).collect();
    areas.sort_by(f64::total_cmp);
    near(areas[0], 600.0, 1e-6);
    // The smaller is deleted by a click.
    let mut delete = tools(ToolKind::DeleteContour, 1.0);
    drag(&mut delete, &mut session, &axial(9.0), KEYS, &[p(0.0, 12.0, 9.0)]);
    near(area_at(&session, 9.0), 1000.0, 1e-6);
    // A line that ends inside splits nothing and says so; a click says nothing.
    let short = line(p(-30.0, 0.0, 9.0), p(0.0, 0.0, 9.0), 3);
    let reaction = drag(&mut knife, &mut session, &axial(9.0), KEYS, &short);
    assert!(reaction.command.is_none() && reaction.message.is_some_and(|text| text.contains("right across")));
    let click = drag(&mut knife, &mut session, &axial(9.0), KEYS, &[p(0.0, 0.0, 9.0)]);
    assert_eq!((click.command, click.message), (None, None));
}

#[test]
fn across_the_slices_a_line_cuts_the_slab() {
    let mut session = column(40.0);
    let mut knife = tools(ToolKind::Knife, 1.0);
    let before = volume_cc(&session);
    // In the sagittal view, over slices 3 to 5 at y 10; the slab holds all of it.
    knife.freehand.set_thickness_mm(100.0);
    let path = line(p(0.0, 10.0, 7.0), p(0.0, 10.0, 17.0), 4);
    drag_and_undo(&mut knife, &mut session, &sagittal(0.0), KEYS, &path);
    for slice in 2..8_u32 {
        let pieces = if (3..6).contains(&slice) { 2 } else { 1 };
        assert_eq!(pieces_at(&session, f64::from(slice) * 3.0), pieces, "slice {slice}");
    }
    near(volume_cc(&session), before, 1e-6);
    session.undo().unwrap();
    // A slab of 8 mm: 8 x 10 comes off beside the line, the rest stays in one.
    knife.freehand.set_thickness_mm(8.0);
    drag(&mut knife, &mut session, &sagittal(0.0), KEYS, &path);
    let cut = roi(&session).plane_at(&Plane::axial(12.0)).unwrap();
    let mut areas: Vec<f64> = cut.polygons.iter().map(Polygon::area_mm2).collect();
    areas.sort_by(f64::total_cmp);
    assert_eq!(areas.len(), 2);
    near(areas[0], 80.0, 1e-6);
    near(areas[1], 1520.0, 1e-6);
    // Along the slices there is nothing to split.
    let flat = drag(
        &mut knife,
        &mut session,
        &sagittal(0.0),
        KEYS,
        &line(p(0.0, -30.0, 12.0), p(0.0, 30.0, 12.0), 4),
    );
    assert!(flat.message.is_some_and(|text| text.contains("across several")));
}

#[test]
fn a_line_replaces_the_part_of_the_outline_it_runs_along() {
    let mut session = column(40.0);
    let mut pen = tools(ToolKind::Freehand, 1.0);
    pen.freehand.set_mode(FreehandMode::Replace);
    let view = axial(9.0);
    // Out over the right side: 10 mm of outline give way to a bump of 5 mm.
    let bump = polyline(&[(19.0, -5.0), (25.0, -5.0), (25.0, 5.0), (19.2, 5.0)], 9.0);
    drag_and_undo(&mut pen, &mut session, &view, KEYS, &bump);
    near(area_at(&session, 9.0), 1650.0, 1e-4);
    assert_eq!(session.undo_name(), Some("Replace outline on Liver"));
    // In from the left.
    let dent = polyline(&[(-21.0, 8.0), (-10.0, 8.0), (-10.0, -8.0), (-20.5, -8.0)], 9.0);
    drag(&mut pen, &mut session, &view, KEYS, &dent);
    near(area_at(&session, 9.0), 1490.0, 1e-3);
    let open = polyline(&[(19.5, -15.0), (40.0, -15.0)], 9.0);
    let reaction = drag(&mut pen, &mut session, &view, KEYS, &open);
    assert!(reaction.command.is_none() && reaction.message.is_some_and(|text| text.contains("same outline")));
    // In the sagittal view: the front wall of the slab is pulled out by 6 mm over three slices.
    pen.freehand.set_thickness_mm(10.0);
    let corners = [(-19.5, 10.6), (-26.0, 10.6), (-26.0, 19.4), (-19.5, 19.4)];
    let path: Vec<Point3> = corners
        .windows(2)
        .flat_map(|ends| line(p(0.0, ends[0].0, ends[0].1), p(0.0, ends[1].0, ends[1].1), 10))
        .collect();
    drag_and_undo(&mut pen, &mut session, &sagittal(0.0), KEYS, &path);
    for z in [12.0, 15.0, 18.0] {
        near(area_at(&session, z), 1660.0, 1e-6);
    }
    near(area_at(&session, 21.0), 1600.0, 1e-9);
}

#[test]
fn a_point_is_dragged_alone_inserted_and_removed() {
    let mut session = column(40.0);
    let mut points = tools(ToolKind::Points, 10.0);
    let view = axial(9.0);
    points.event(&session, &view, ToolEvent::Hover(p(18.0, 18.0, 9.0), KEYS));
    assert!(points.anchors().contains(&p(20.0, 20.0, 9.0)), "the corner near the pointer is shown");
    assert!(!points.anchors().contains(&p(-20.0, -20.0, 9.0)), "the far one is not");
    drag_and_undo(&mut points, &mut session, &view, KEYS, &line(p(19.0, 19.0, 9.0), p(29.0, 19.0, 9.0), 5));
    near(area_at(&session, 9.0), 1800.0, 1e-9);
    assert_eq!(session.undo_name(), Some("Drag point on Liver"));
    assert_eq!(area_at(&session, 12.0), 1600.0);
    let corners = |session: &Session| roi(session).plane_at(&Plane::axial(9.0)).unwrap().vertex_count();
    // Inserted without moving it stays; removed it is gone again.
    drag_and_undo(&mut points, &mut session, &view, CTRL, &[p(-19.0, 1.0, 9.0)]);
    assert_eq!((corners(&session), area_at(&session, 9.0)), (5, 1800.0));
    assert_eq!(session.undo_name(), Some("Insert point on Liver"));
    drag_and_undo(&mut points, &mut session, &view, CTRL, &line(p(1.0, -19.5, 9.0), p(1.0, -29.5, 9.0), 4));
    near(area_at(&session, 9.0), 2000.0, 1e-6);
    drag_and_undo(&mut points, &mut session, &view, SHIFT, &[p(1.5, -30.0, 9.0)]);
    near(area_at(&session, 9.0), 1800.0, 1e-6);
    drag(&mut points, &mut session, &view, SHIFT, &[p(-20.0, 1.0, 9.0)]);
    drag(&mut points, &mut session, &view, SHIFT, &[p(-20.0, -20.0, 9.0)]);
    assert_eq!(corners(&session), 3);
    let last = drag(&mut points, &mut session, &view, SHIFT, &[p(-20.0, 20.0, 9.0)]);
    assert!(last.message.is_some_and(|text| text.contains("three points")));
    let far = drag(&mut points, &mut session, &view, KEYS, &[p(-45.0, 45.0, 9.0)]);
    assert!(far.message.is_some_and(|text| text.contains("no point")));
}

#[test]
fn a_soft_drag_bends_the_outline_in_every_view() {
    let mut session = column(40.0);
    let mut points = tools(ToolKind::Points, 12.0);
    points.points.set_soft(true);
    let pull = line(p(20.0, 0.0, 15.0), p(23.0, 0.0, 15.0), 3);
    drag_and_undo(&mut points, &mut session, &axial(15.0), KEYS, &pull);
    // The integral of (1 - s^2)^2 over both sides is 16/15 of the radius.
    near(area_at(&session, 15.0), 1600.0 + 3.0 * 12.0 * 16.0 / 15.0, 1e-3);
    assert_eq!(area_at(&session, 18.0), 1600.0);
    session.undo().unwrap();
    // Seen from the side the neighbouring slices follow.
    let coronal =
        ViewPlane { plane: Plane::new(p(0.0, 0.0, 0.0), Vector3::x(), Vector3::z()).unwrap(), pixel_mm: 0.5 };
    drag_and_undo(&mut points, &mut session, &coronal, KEYS, &pull);
    for slice in 2..8_u32 {
        let height = f64::from(slice) * 3.0 - 15.0;
        // (1 - (s^2 + h^2))^2 over the half chord c is 16/15 c^5.
        let chord = (1.0 - (height / 12.0).powi(2)).sqrt();
        let wanted = 3.0 * 12.0 * 16.0 / 15.0 * chord.powi(5);
        near(area_at(&session, f64::from(slice) * 3.0) - 1600.0, wanted, 0.02);
    }
    session.undo().unwrap();
    points.points.set_soft(false);
    points.freehand.set_thickness_mm(10.0);
    drag_and_undo(&mut points, &mut session, &coronal, KEYS, &pull);
    near(area_at(&session, 15.0) - 1600.0, 3.0 * 5.0 * 16.0 / 15.0, 0.01);
    assert_eq!(area_at(&session, 18.0), 1600.0);
}

#[test]
fn a_point_of_a_dense_outline_is_dragged_with_what_lies_between_the_points_shown() {
    let mut session = session_with(axial_series(), &["Liver"]);
    let at = |n: u32| (f64::from(n) / 400.0 * 2.0 * PI).sin_cos();
    let ring: Vec<_> =
        (0..400).map(at).map(|(y, x)| crate::geometry::Point2::new(20.0 * x, 20.0 * y)).collect();
    session.apply(draw(&session, "Liver", 3, vec![Polygon::from_outer(ring)])).unwrap();
    let before = area_at(&session, 9.0);
    let outline =
        |session: &Session| roi(session).plane_at(&Plane::axial(9.0)).unwrap().polygons[0].outer.clone();
    let old = outline(&session);
    let mut points = tools(ToolKind::Points, 10.0);
    drag_and_undo(
        &mut points,
        &mut session,
        &axial(9.0),
        KEYS,
        &line(p(20.0, 0.0, 9.0), p(25.0, 0.0, 9.0), 5),
    );
    // Points shown stand 11 pixels, 5.5 mm, apart: over as much to both sides half the way in the mean.
    near(area_at(&session, 9.0) - before, 5.0 * 5.5, 0.06);
    let new = outline(&session);
    let moved = |own: &&crate::geometry::Point2| !new.contains(own);
    assert!(old.iter().filter(moved).all(|own| (own - old[0]).norm() < 5.5));
    assert!(old.iter().filter(moved).count() > 20, "the vertices between come along");
    session.undo().unwrap();
    // So does one that is inserted.
    drag_and_undo(
        &mut points,
        &mut session,
        &axial(9.0),
        CTRL,
        &line(p(20.0, 0.1, 9.0), p(25.0, 0.1, 9.0), 5),
    );
    near(area_at(&session, 9.0) - before, 5.0 * 5.5, 0.06);
}

#[test]
fn a_point_dragged_off_its_slice_says_that_contours_keep_to_it() {
    let mut session = column(40.0);
    let coronal =
        ViewPlane { plane: Plane::new(p(0.0, 0.0, 0.0), Vector3::x(), Vector3::z()).unwrap(), pixel_mm: 0.5 };
    let told = "Contours keep to their slices: drag a point sideways, or use Push or Move.";
    for soft in [false, true] {
        let mut points = tools(ToolKind::Points, 10.0);
        points.points.set_soft(soft);
        points.event(&session, &coronal, ToolEvent::Hover(p(20.0, 0.0, 15.0), KEYS));
        let hint = points.hint().text;
        assert!(hint.contains("sideways") && !hint.contains("Ctrl"), "{hint}");
        points.event(&session, &coronal, ToolEvent::Hover(p(20.0, 0.0, 15.0), CTRL));
        assert_eq!(points.cursor(&session).label.as_deref(), Some("Liver"), "nothing is inserted here");
        let up = line(p(20.0, 0.0, 15.0), p(20.0, 0.0, 21.0), 4);
        let reaction = drag(&mut points, &mut session, &coronal, KEYS, &up);
        assert_eq!((reaction.message.as_deref(), reaction.command), (Some(told), None));
        let aside = line(p(20.0, 0.0, 15.0), p(24.0, 0.0, 16.0), 4);
        let reaction = drag(&mut points, &mut session, &coronal, KEYS, &aside);
        assert!(reaction.message.is_none() && reaction.command.is_some());
        session.undo().unwrap();
        points.event(&session, &axial(15.0), ToolEvent::Hover(p(20.0, 20.0, 15.0), KEYS));
        assert!(points.hint().text.contains("Ctrl inserts one"));
    }
}

#[test]
fn one_contour_is_moved_scaled_and_turned_by_its_frame() {
    let mut session = column(20.0);
    let mut hold = tools(ToolKind::Transform, 1.0);
    let view = axial(9.0);
    hold.event(&session, &view, ToolEvent::Hover(p(1.0, 1.0, 9.0), KEYS));
    assert_eq!((hold.line().len(), hold.anchors().len()), (5, 4));
    drag_and_undo(&mut hold, &mut session, &view, KEYS, &line(p(1.0, 1.0, 9.0), p(8.5, -3.25, 9.0), 5));
    let own = |session: &Session| roi(session).plane_at(&Plane::axial(9.0)).unwrap().polygons.clone();
    assert!(own(&session)[0].same_rings(&square(7.5, -4.25, 20.0)), "exact");
    assert_eq!(session.undo_name(), Some("Move on Liver"));
    session.undo().unwrap();
    // By the corner at (10, 10) from the opposite one: one and a half times as wide.
    drag_and_undo(&mut hold, &mut session, &view, KEYS, &line(p(10.0, 10.0, 9.0), p(20.0, 20.0, 9.0), 5));
    near(area_at(&session, 9.0), 900.0, 1e-6);
    assert_eq!(session.undo_name(), Some("Scale on Liver"));
    session.undo().unwrap();
    drag(&mut hold, &mut session, &view, CTRL, &line(p(10.0, 10.0, 9.0), p(20.0, 10.0, 9.0), 5));
    near(area_at(&session, 9.0), 600.0, 1e-6);
    session.undo().unwrap();
    // Beyond the frame: by 45 degrees, in steps.
    drag_and_undo(
        &mut hold,
        &mut session,
        &view,
        CTRL,
        &[p(18.0, 0.0, 9.0), p(15.0, 10.0, 9.0), p(14.0, 14.5, 9.0)],
    );
    assert_eq!(session.undo_name(), Some("Turn on Liver"));
    let r = 200.0_f64.sqrt();
    let diamond = [(r, 0.0), (0.0, r), (-r, 0.0), (0.0, -r)].map(|(x, y)| Point2::new(x, y)).to_vec();
    assert!(differing(&own(&session), &[Polygon::from_outer(diamond)]) < 0.01);
    assert_eq!(area_at(&session, 12.0), 400.0);
    // Seen from the side a contour moves within its slice.
    drag_and_undo(
        &mut hold,
        &mut session,
        &sagittal(0.0),
        KEYS,
        &line(p(0.0, 0.0, 12.0), p(0.0, 6.0, 17.0), 4),
    );
    let moved = roi(&session).plane_at(&Plane::axial(12.0)).unwrap();
    assert!(moved.polygons[0].same_rings(&square(0.0, 6.0, 20.0)));
    assert_eq!(roi(&session).planes.len(), 6);
    let far = drag(&mut hold, &mut session, &view, KEYS, &[p(-45.0, -45.0, 9.0)]);
    assert!(far.message.is_some());
}

#[test]
fn the_keyboard_nudges_what_the_pointer_is_over() {
    let mut session = column(20.0);
    let mut hold = tools(ToolKind::Transform, 1.0);
    assert_eq!(hold.nudge(&session, 1.0, 0.0), Reaction::default(), "over no view");
    hold.event(&session, &axial(9.0), ToolEvent::Hover(p(0.0, 0.0, 9.0), KEYS));
    for (right, down) in [(1.0, 0.0), (0.0, 1.0), (1.0, 0.0)] {
        let command = hold.nudge(&session, right, down).command.unwrap();
        session.apply(command).unwrap();
    }
    let own = &roi(&session).plane_at(&Plane::axial(9.0)).unwrap().polygons;
    assert!(own[0].same_rings(&square(2.0, 1.0, 20.0)));
    assert_eq!(session.undo_name(), Some("Move on Liver"));
    // The whole structure by a slice, in a view across.
    hold.transform.set_whole(true);
    hold.event(&session, &sagittal(0.0), ToolEvent::Hover(p(0.0, 0.0, 12.0), KEYS));
    session.apply(hold.nudge(&session, 0.0, 1.0).command.unwrap()).unwrap();
    assert_eq!(roi(&session).planes[0].plane.offset_mm(), 9.0);
    assert_eq!(roi(&session).planes.len(), 6);
}

#[test]
fn the_whole_structure_goes_along_and_stays_on_slices() {
    let mut session = column(20.0);
    let before = volume_cc(&session);
    let mut hold = tools(ToolKind::Transform, 1.0);
    // In the slices' plane, by Shift.
    drag_and_undo(&mut hold, &mut session, &axial(9.0), SHIFT, &line(p(1.0, 1.0, 9.0), p(11.0, 4.0, 9.0), 4));
    for own in &roi(&session).planes {
        assert!(own.polygons[0].same_rings(&square(10.0, 3.0, 20.0)));
    }
    session.undo().unwrap();
    // Across them: by 4 mm up is one slice of 3 mm, by 5 mm two; in the plane exactly.
    hold.transform.set_whole(true);
    drag_and_undo(
        &mut hold,
        &mut session,
        &sagittal(0.0),
        KEYS,
        &line(p(0.0, 0.0, 12.0), p(0.0, 2.5, 16.0), 4),
    );
    let offsets = |session: &Session| -> Vec<f64> {
        roi(session).planes.iter().map(|own| own.plane.offset_mm()).collect()
    };
    assert_eq!(offsets(&session), [9.0, 12.0, 15.0, 18.0, 21.0, 24.0]);
    assert!(differing(&roi(&session).planes[0].polygons, &[square(0.0, 2.5, 20.0)]) < 0.01);
    near(volume_cc(&session), before, 1e-6);
    session.undo().unwrap();
    // Turned by a quarter around its middle it lies on its side: 20 x 18 x 20 becomes 20 x 20 x 18.
    // Its middle is at y 0, z 13.5; it reaches from z 4.5 to 22.5.
    let quarter = [p(0.0, 15.0, 13.5), p(0.0, 11.0, 25.0), p(0.0, 0.0, 33.5)];
    drag_and_undo(&mut hold, &mut session, &sagittal(0.0), CTRL, &quarter);
    assert_eq!(session.undo_name(), Some("Turn on Liver"));
    assert!(offsets(&session).iter().all(|z| (z / 3.0).fract() == 0.0));
    let middle = roi(&session).plane_at(&Plane::axial(15.0)).unwrap().area_mm2();
    near(middle, 20.0 * 18.0, 1e-3);
    session.undo().unwrap();
    // Out of the images: said, and undone.
    let gone =
        drag(&mut hold, &mut session, &sagittal(0.0), KEYS, &line(p(0.0, 0.0, 12.0), p(0.0, 0.0, 54.0), 4));
    assert!(gone.message.is_some_and(|text| text.contains("beyond the images")));
    assert!(volume_cc(&session) < before);
}

#[test]
fn reshaping_obeys_locks_escape_and_the_gate() {
    let kinds = [ToolKind::Knife, ToolKind::Points, ToolKind::Transform, ToolKind::LiveWire];
    let mut session = column(40.0);
    let before = session.structures().clone();
    let path = line(p(20.0, -20.0, 9.0), p(-22.0, 22.0, 9.0), 5);
    for kind in kinds {
        let mut tools = tools(kind, 8.0);
        tools.event(&session, &axial(9.0), ToolEvent::Hover(path[0], KEYS));
        tools.event(&session, &axial(9.0), ToolEvent::Press(path[0], KEYS));
        tools.event(&session, &axial(9.0), ToolEvent::Drag(path[3]));
        assert!(tools.is_busy(), "{kind:?}");
        tools.event(&session, &axial(9.0), ToolEvent::Escape);
        assert!(!tools.is_busy() && tools.preview().is_none() && tools.line().is_empty(), "{kind:?}");
        let released = tools.event(&session, &axial(9.0), ToolEvent::Release(path[5]));
        assert_eq!(released.command, None);
    }
    let liver = id(&session, "Liver");
    session.apply(Command::SetLock { roi: liver, locked: true }).unwrap();
    for kind in kinds {
        let reaction = drag(&mut tools(kind, 8.0), &mut session, &axial(9.0), KEYS, &path);
        assert_eq!(reaction.message.as_deref(), Some("Liver is locked. Unlock it to change it."), "{kind:?}");
        assert_eq!(reaction.command, None);
    }
    session.apply(Command::SetLock { roi: liver, locked: false }).unwrap();
    assert_eq!(plain(session.structures()), plain(&before));
    // A neighbour that is locked holds what is moved against it.
    let roi_type = crate::patient::RoiType::Organ;
    session.apply(Command::AddRoi { name: "Kidney_R".to_owned(), color: None, roi_type }).unwrap();
    session.apply(draw(&session, "Kidney_R", 3, vec![square(35.0, 0.0, 20.0)])).unwrap();
    let kidney = id(&session, "Kidney_R");
    session.apply(Command::SetLock { roi: kidney, locked: true }).unwrap();
    session.select(Some(liver));
    session.set_overwrite(Overwrite::Unlocked);
    let mut hold = tools(ToolKind::Transform, 1.0);
    drag(&mut hold, &mut session, &axial(9.0), KEYS, &line(p(0.0, 0.0, 9.0), p(15.0, 0.0, 9.0), 4));
    near(area_at(&session, 9.0), 1600.0 - 10.0 * 20.0, 1e-6);
    assert_eq!(session.structures().roi_named("Kidney_R").unwrap().planes[0].area_mm2(), 400.0);
}

#[test]
fn reshaping_knows_oblique_series() {
    let (axes, series) = oblique_series();
    let grid = series.volume.grid.clone();
    let mut session = session_with(series, &["Node"]);
    let center = grid.patient_of([30.0, 40.0, 7.0]);
    let view = ViewPlane { plane: Plane::new(center, axes[0], axes[1]).unwrap(), pixel_mm: 1.0 };
    drag(&mut tools(ToolKind::Brush, 10.0), &mut session, &view, KEYS, &[center]);
    let disc = roi(&session).planes[0].area_mm2();
    let reach = |along: f64, across: f64| center + axes[0] * along + axes[1] * across;
    drag_and_undo(
        &mut tools(ToolKind::Knife, 1.0),
        &mut session,
        &view,
        KEYS,
        &[reach(-14.0, 2.0), reach(14.0, 2.0)],
    );
    assert_eq!(roi(&session).planes[0].polygons.len(), 2);
    near(roi(&session).planes[0].area_mm2(), disc, 1e-6);
    session.undo().unwrap();
    let mut hold = tools(ToolKind::Transform, 1.0);
    drag_and_undo(&mut hold, &mut session, &view, KEYS, &[reach(0.0, 0.0), reach(6.0, 3.0)]);
    near(roi(&session).planes[0].area_mm2(), disc, 1e-5);
    assert!(roi(&session).planes[0].polygons[0].contains(view.plane.project(reach(15.0, 3.0))));
}

fn press(tools: &mut Tools, session: &Session, view: &ViewPlane, at: Point3, keys: Modifiers) -> Reaction {
    tools.event(session, view, ToolEvent::Hover(at, keys));
    let mut reaction = tools.event(session, view, ToolEvent::Press(at, keys));
    let released = tools.event(session, view, ToolEvent::Release(at));
    check(tools, session);
    reaction.command = reaction.command.or(released.command);
    reaction
}

fn around(angle: f64, radius: f64, z: f64) -> Point3 {
    p(radius * angle.cos(), radius * angle.sin(), z)
}

#[test]
fn a_live_wire_follows_the_edge_of_a_disc() {
    for learns in [true, false] {
        let mut session = session_with(cylinder(20.0, 2.5, [-40.0, 60.0]), &["Heart"]);
        let mut wire = tools(ToolKind::LiveWire, 1.0);
        wire.live_wire.set_learns(learns);
        let view = axial(9.0);
        // Four clicks beside the edge snap to it; the first point closes.
        for step in 0..4 {
            let at = around(f64::from(step) * PI / 2.0 + 0.2, 20.9, 9.0);
            assert_eq!(press(&mut wire, &session, &view, at, KEYS).command, None);
        }
        assert_eq!(wire.anchors().len(), 4);
        wire.event(&session, &view, ToolEvent::Hover(around(5.6, 19.0, 9.0), KEYS));
        assert!(wire.line().len() > 60, "the line follows the pointer");
        // One anchor too many is taken back.
        press(&mut wire, &session, &view, around(5.6, 19.0, 9.0), KEYS);
        assert!(wire.take_back(&session));
        assert_eq!(wire.anchors().len(), 4);
        let closed = press(&mut wire, &session, &view, around(0.2, 20.0, 9.0), KEYS);
        session.apply(closed.command.unwrap()).unwrap();
        assert_eq!(session.undo_name(), Some("Live-wire on Heart"));
        assert!(!wire.is_busy());
        let polygons = &roi(&session).planes[0].polygons;
        check_polygons(polygons);
        assert_eq!(polygons.len(), 1);
        let off: Vec<f64> = polygons[0].outer.iter().map(|v| (v.coords.norm() - 20.0).abs()).collect();
        let mean = off.iter().sum::<f64>() / off.len() as f64;
        assert!(mean < 0.25, "{mean} mm from the true circle, pixels of 1 mm");
        near(area_at(&session, 9.0), PI * 400.0, 0.01);
        session.undo().unwrap();
        assert!(roi(&session).planes.is_empty());
    }
}

#[test]
fn a_live_wire_cuts_closes_twice_clicked_and_works_across_the_slices() {
    let mut session = session_with(cylinder(20.0, 2.5, [-40.0, 60.0]), &["Heart"]);
    session.apply(draw(&session, "Heart", 3, vec![square(0.0, 0.0, 60.0)])).unwrap();
    let mut wire = tools(ToolKind::LiveWire, 1.0);
    let view = axial(9.0);
    for step in 0..3 {
        let at = around(f64::from(step) * 2.0 * PI / 3.0, 20.0, 9.0);
        press(&mut wire, &session, &view, at, if step == 0 { CTRL } else { KEYS });
    }
    // Elsewhere nothing is added, and it says why.
    let elsewhere = press(&mut wire, &session, &axial(12.0), p(0.0, 0.0, 12.0), KEYS);
    assert!(elsewhere.message.is_some_and(|text| text.contains("slice 4")));
    let last = wire.anchors()[2];
    let closed = press(&mut wire, &session, &view, last, KEYS);
    session.apply(closed.command.unwrap()).unwrap();
    near(area_at(&session, 9.0), 3600.0 - PI * 400.0, 0.01);
    // Straight by Shift; dropped by Esc; the last click taken back drops it too.
    press(&mut wire, &session, &view, p(40.0, 40.0, 9.0), SHIFT);
    press(&mut wire, &session, &view, p(45.0, 40.0, 9.0), SHIFT);
    assert_eq!(wire.line(), [p(40.0, 40.0, 9.0), p(45.0, 40.0, 9.0)]);
    assert!(wire.take_back(&session) && wire.take_back(&session) && !wire.take_back(&session));
    assert!(!wire.is_busy());
    // In the sagittal view the cylinder is a band of 40 mm; the slab is 10 mm thick.
    let side = sagittal(0.0);
    wire.freehand.set_thickness_mm(10.0);
    for (y, z) in [(20.0, 30.0), (20.0, 48.0), (-20.0, 48.0), (-20.0, 30.0)] {
        press(&mut wire, &session, &side, p(0.0, y, z), KEYS);
    }
    let closed = wire.finish(&session).command.unwrap();
    session.apply(closed).unwrap();
    near(area_at(&session, 39.0), 400.0, 0.02);
}

#[test]
fn a_stroke_stays_with_the_structure_it_began_on() {
    let kinds = [
        ToolKind::Brush,
        ToolKind::Push,
        ToolKind::Freehand,
        ToolKind::Knife,
        ToolKind::Points,
        ToolKind::Transform,
    ];
    for kind in kinds {
        for changes in [false, true] {
            let mut session = session_with(axial_series(), &["Node", "Liver"]);
            session.apply(draw(&session, "Liver", 3, vec![square(0.0, 0.0, 20.0)])).unwrap();
            session.apply(draw(&session, "Node", 3, vec![square(0.0, 0.0, 4.0)])).unwrap();
            session.select(Some(id(&session, "Liver")));
            let mut tools = tools(kind, 5.0);
            if kind == ToolKind::Freehand {
                tools.freehand.set_mode(FreehandMode::Replace);
            }
            let view = axial(9.0);
            let corner = p(10.0, 10.0, 9.0);
            tools.event(&session, &view, ToolEvent::Hover(corner, KEYS));
            tools.event(&session, &view, ToolEvent::Press(corner, KEYS));
            tools.event(&session, &view, ToolEvent::Drag(p(12.0, 12.0, 9.0)));
            assert!(tools.is_busy(), "{kind:?}");
            let wanted = if changes {
                session.apply(draw(&session, "Liver", 3, vec![square(0.0, 0.0, 4.0)])).unwrap();
                "Liver changed during the stroke. Draw it again."
            } else {
                session.select(Some(id(&session, "Node")));
                "Liver is no longer selected, the stroke was dropped. Select Liver and draw it again."
            };
            let dragged = tools.event(&session, &view, ToolEvent::Drag(p(14.0, 12.0, 9.0)));
            assert_eq!((dragged.message.as_deref(), dragged.command), (Some(wanted), None), "{kind:?}");
            assert!(tools.preview().is_none(), "{kind:?}");
            let released = tools.event(&session, &view, ToolEvent::Release(p(15.0, 12.0, 9.0)));
            assert_eq!(released.command, None, "{kind:?}");
            assert!(!tools.is_busy(), "{kind:?}");
        }
    }
}

#[test]
fn a_nudge_out_of_the_images_is_told() {
    let session = column(20.0);
    let mut hold = tools(ToolKind::Transform, 1.0);
    hold.transform.set_whole(true);
    hold.event(&session, &sagittal(0.0), ToolEvent::Hover(p(0.0, 0.0, 12.0), KEYS));
    assert_eq!(hold.nudge(&session, 0.0, 1.0).message, None);
    hold.event(&session, &sagittal(0.0), ToolEvent::Hover(p(0.0, 0.0, 12.0), KEYS));
    let gone = hold.nudge(&session, 0.0, 14.0);
    assert!(gone.command.is_some());
    assert!(gone.message.is_some_and(|text| text.contains("beyond the images")));
}

#[test]
fn a_structure_with_a_contour_on_a_missing_slice_is_not_torn() {
    let session = column(20.0);
    let whole = roi(&session);
    let volume = &session.series().volume;
    assert_eq!(crate::tools::transform::may_move_whole(volume, whole), Ok(()));
    let with_gap = series_without(5).volume;
    let why = crate::tools::transform::may_move_whole(&with_gap, whole).unwrap_err();
    assert!(why.starts_with("Liver has a contour on a slice missing from the series"), "{why}");
}
