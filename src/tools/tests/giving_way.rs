//! What others lose to what is suggested, shown before any of it is taken over.

use super::taking_back::disc;
use super::*;
use crate::edit::ValueRange;
use crate::session::Overwrite;
use crate::tools::{Method, SegmentSettings};

const NEIGHBOURS: [&str; 2] = ["Lung", "Spleen"];

/// A cylinder of 18 mm with two neighbours that reach into it on slices 2 to 8, `Heart` selected, and
/// others to be pushed back.
fn beside(others: &[&str]) -> Session {
    let mut names = others.to_vec();
    names.push("Heart");
    let mut session = session_with(cylinder(18.0, 3.0, [-90.0, 60.0]), &names);
    for (n, name) in others.iter().enumerate() {
        for slice in 2..9 {
            let x = if n == 0 { 18.0 } else { -18.0 };
            session.apply(draw(&session, name, slice, vec![disc(x, 0.0, 8.0)])).unwrap();
        }
    }
    session.select(Some(id(&session, "Heart")));
    session.set_overwrite(Overwrite::Visible);
    session
}

fn area(roi: &Roi) -> f64 {
    roi.planes.iter().map(|plane| plane.area_mm2()).sum()
}

fn names(rois: &[Arc<Roi>]) -> Vec<&str> {
    rois.iter().map(|roi| roi.name.as_str()).collect()
}

/// Takes all of what is dashed over: what was shown of others before is what they are left with, and
/// nobody else loses anything; then takes it back.
fn shown_is_lost(tools: &Tools, session: &mut Session) {
    let shown = tools.previewed_rois(session);
    let before = session.structures().clone();
    session.apply(tools.suggestion().expect("dashed").command(None).unwrap()).unwrap();
    let selected = roi(session).id;
    for roi in session.structures().rois.iter().filter(|roi| roi.id != selected) {
        let old = before.roi(roi.id).unwrap();
        match shown.iter().find(|own| own.id == roi.id) {
            Some(own) => {
                assert_eq!(own.planes.len(), roi.planes.len(), "{}", roi.name);
                for (own, done) in own.planes.iter().zip(&roi.planes) {
                    check_polygons(&own.polygons);
                    let apart: f64 =
                        clip::xor(&own.polygons, &done.polygons).iter().map(Polygon::area_mm2).sum();
                    assert!(apart < 0.02, "{}: {apart} mm2 on one slice", roi.name);
                }
                assert!(area(old) - area(own) > 20.0 && own.revision != old.revision, "{}", roi.name);
            }
            None => assert!(Arc::ptr_eq(old, roi), "{} loses without being shown to", roi.name),
        }
    }
    session.undo().unwrap();
    session.select(Some(selected));
}

/// Each way to have something suggested, settled.
fn suggesting(session: &mut Session) -> Vec<(&'static str, Tools)> {
    let mut all = Vec::new();
    let mut own = tools(ToolKind::Grow, 5.0);
    let at = p(0.0, 0.0, 15.0);
    own.event(session, &axial(15.0), ToolEvent::Press(at, KEYS));
    own.event(session, &axial(15.0), ToolEvent::Release(at));
    own.grow.settle(session);
    all.push(("grow", own));
    let mut own = tools(ToolKind::Segment, 5.0);
    let range = Some(ValueRange { low: 0.0, high: 500.0 });
    let settings = SegmentSettings { method: Method::Threshold, range, ..own.segment.settings() };
    own.segment.set_settings(session, SegmentSettings { range: None, ..settings });
    own.segment.set_settings(session, settings);
    own.segment.settle(session);
    all.push(("threshold", own));
    let mut own = tools(ToolKind::Segment, 5.0);
    let settings = SegmentSettings { method: Method::Scribbles, ..own.segment.settings() };
    own.segment.set_settings(session, settings);
    for (from, to, keys) in [(-12.0, 12.0, KEYS), (30.0, 34.0, CTRL), (-30.0, -34.0, CTRL)] {
        own.event(session, &axial(15.0), ToolEvent::Press(p(from, 0.0, 15.0), keys));
        own.event(session, &axial(15.0), ToolEvent::Drag(p(to, 0.0, 15.0)));
        own.event(session, &axial(15.0), ToolEvent::Release(p(to, 0.0, 15.0)));
    }
    own.segment.settle(session);
    all.push(("scribbles", own));
    for slice in [1, 9] {
        let heart = vec![disc(0.0, 0.0, 18.0)];
        session.apply(draw(session, "Heart", slice, heart)).unwrap();
    }
    let mut own = tools(ToolKind::Brush, 5.0);
    own.between.set_on(true);
    own.between.settle(session);
    all.push(("between", own));
    all
}

#[test]
fn what_others_lose_to_what_is_suggested_is_shown_before_it_is_taken_over() {
    for (n, kind) in ["grow", "threshold", "scribbles", "between"].into_iter().enumerate() {
        let mut session = beside(&NEIGHBOURS);
        let (name, mut own) = suggesting(&mut session).swap_remove(n);
        assert_eq!(name, kind);
        if kind != "between" {
            // Only what lies between slices was found for the two that are drawn now.
            session.undo().unwrap();
            session.undo().unwrap();
            session.select(Some(id(&session, "Heart")));
        }
        let follow = |own: &mut Tools, session: &Session| {
            own.update(session);
            own.segment.settle(session);
            own.between.settle(session);
            own.update(session);
        };
        follow(&mut own, &session);
        assert_eq!(names(&own.previewed_rois(&session)), NEIGHBOURS, "{kind}");
        assert_eq!(names(own.giving_way(&session)), NEIGHBOURS, "{kind}");
        shown_is_lost(&own, &mut session);
        follow(&mut own, &session);
        // Nothing has changed: the very same is shown, and no picture of it is made anew.
        let stamps = |own: &Tools, session: &Session| -> Vec<u64> {
            own.previewed_rois(session).iter().map(|roi| roi.revision).collect()
        };
        let (shown, before) = (stamps(&own, &session), Arc::clone(own.suggestion().unwrap().shown()));
        own.update(&session);
        assert_eq!(stamps(&own, &session), shown, "{kind}");
        // Free overlaps, an end at the others, a locked neighbour: at once, whoever was suggested to.
        session.set_overwrite(Overwrite::Overlap);
        follow(&mut own, &session);
        assert!(own.previewed_rois(&session).is_empty(), "{kind}");
        assert!(Arc::ptr_eq(&before, own.suggestion().unwrap().shown()), "{kind}: it looks as it did");
        session.set_overwrite(Overwrite::Stop);
        follow(&mut own, &session);
        assert!(own.previewed_rois(&session).is_empty(), "{kind}");
        assert!(area(own.suggestion().unwrap().shown()) < area(&before) - 100.0, "{kind}: it ends at them");
        session.set_overwrite(Overwrite::Unlocked);
        follow(&mut own, &session);
        assert_eq!(names(&own.previewed_rois(&session)), NEIGHBOURS, "{kind}");
        let lung = id(&session, "Lung");
        session.apply(Command::SetLock { roi: lung, locked: true }).unwrap();
        session.select(Some(id(&session, "Heart")));
        follow(&mut own, &session);
        assert_eq!(names(&own.previewed_rois(&session)), ["Spleen"], "{kind}");
        shown_is_lost(&own, &mut session);
        // Dropped, nobody loses anything.
        own.drop_suggestion();
        assert!(own.previewed_rois(&session).is_empty(), "{kind}");
    }
}

#[test]
fn exclusive_structures_are_shown_to_give_way_where_all_others_may_overlap() {
    let mut session = beside(&NEIGHBOURS);
    session.set_overwrite(Overwrite::Overlap);
    for name in ["Heart", "Spleen"] {
        let roi = id(&session, name);
        session.apply(Command::SetExclusive { roi, exclusive: true }).unwrap();
    }
    session.select(Some(id(&session, "Heart")));
    let (_, own) = suggesting(&mut session).remove(3);
    assert_eq!(names(&own.previewed_rois(&session)), ["Spleen"]);
    shown_is_lost(&own, &mut session);
}

#[test]
fn a_stroke_beside_what_is_dashed_shows_both_losses() {
    let mut session = beside(&["Lung"]);
    let (_, mut own) = suggesting(&mut session).remove(3);
    let whole = area(session.structures().roi_named("Lung").unwrap());
    let dashed = area(&own.previewed_rois(&session)[0]);
    assert!(dashed < whole - 100.0);
    // A stroke on slice 1, where Heart is drawn and Lung is not: nothing more is lost by it.
    own.event(&session, &axial(3.0), ToolEvent::Press(p(0.0, 20.0, 3.0), KEYS));
    let shown = own.previewed_rois(&session);
    assert_eq!(names(&shown), ["Heart", "Lung"]);
    assert!((area(&shown[1]) - dashed).abs() < 1e-9);
    own.event(&session, &axial(3.0), ToolEvent::Escape);
    // On slice 5 it makes that a drawn slice: there Lung loses what the stroke takes and no more.
    own.event(&session, &axial(15.0), ToolEvent::Press(p(24.0, 0.0, 15.0), KEYS));
    let shown = own.previewed_rois(&session);
    assert_eq!(names(&shown), ["Heart", "Lung"]);
    let on = |roi: &Roi, z: f64| roi.plane_at(&Plane::axial(z)).map_or(0.0, |plane| plane.area_mm2());
    let (lung, before) = (&shown[1], session.structures().roi_named("Lung").unwrap());
    let lost = on(before, 15.0) - on(lung, 15.0);
    let brushed = clip::intersection(&[disc(18.0, 0.0, 8.0)], &[disc(24.0, 0.0, 5.0)]);
    near(lost, brushed.iter().map(Polygon::area_mm2).sum(), 0.02);
    assert!(on(lung, 12.0) < on(before, 12.0) - 10.0, "the other slices as they were dashed");
    // Another place of the stroke is another picture.
    let first = lung.revision;
    own.event(&session, &axial(15.0), ToolEvent::Drag(p(24.0, 3.0, 15.0)));
    assert_ne!(own.previewed_rois(&session)[1].revision, first);
}
