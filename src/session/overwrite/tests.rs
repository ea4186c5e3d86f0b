use super::super::fixture::{axial_series, draw, id, plain, proposals, series_along, session_with, square};
use super::super::{Command, Refusal};
use super::*;
use crate::geometry::{Point2, clip};
use crate::session::derive::{Order, Target};

/// Three structures; A and B exclusive, with a square of 20 mm around x = 0 and x = 30 on slice 3.
fn neighbours() -> Session {
    let mut session = session_with(axial_series(), &["A", "B", "C"]);
    for (name, x) in [("A", 0.0), ("B", 30.0), ("C", 10.0)] {
        session.apply(draw(&session, name, 3, vec![square(x, 0.0, 20.0)])).unwrap();
    }
    for name in ["A", "B"] {
        let roi = id(&session, name);
        session.apply(Command::SetExclusive { roi, exclusive: true }).unwrap();
    }
    session
}

fn area(session: &Session, name: &str) -> f64 {
    session.structures().roi_named(name).unwrap().planes.iter().map(|plane| plane.area_mm2()).sum()
}

fn common(session: &Session, a: &str, b: &str) -> f64 {
    let on = |name: &str| session.structures().roi_named(name).unwrap().planes[0].polygons.clone();
    clip::intersection(&on(a), &on(b)).iter().map(Polygon::area_mm2).sum()
}

#[test]
fn what_one_exclusive_structure_gains_the_others_lose() {
    let mut session = neighbours();
    let before = session.structures().clone();
    // A from -10..10 to -10..30 in x: B, from 20 to 40, loses its left half; C overlaps freely.
    let wide = vec![square(0.0, 0.0, 20.0), square(20.0, 0.0, 20.0)];
    let wide = clip::union_all(wide);
    session.apply(draw(&session, "A", 3, wide)).unwrap();
    assert!((area(&session, "A") - 800.0).abs() < 1e-6);
    assert!((area(&session, "B") - 200.0).abs() < 1e-6);
    assert!((area(&session, "C") - 400.0).abs() < 1e-6);
    assert!(common(&session, "A", "B") < 1e-6);
    // One step takes back both.
    session.undo().unwrap();
    assert_eq!(plain(session.structures()), plain(&before));
}

#[test]
fn only_those_near_what_is_added_are_asked_and_all_of_them() {
    // On slices seen from behind too: B lies on a plane of its own with other axes.
    let session = neighbours();
    let series = session.series();
    let slice = &series.volume.slices[3];
    let behind =
        Plane::new(slice.origin_mm, crate::geometry::Vector3::x(), -crate::geometry::Vector3::y()).unwrap();
    let b = Arc::clone(session.structures().roi_named("B").unwrap());
    let turned = RoiPlane::new(behind, None, reoriented(&b.planes[0].polygons, &b.planes[0].plane, &behind));
    let mut rois: Vec<Arc<Roi>> = session.structures().rois.clone();
    let at = rois.iter().position(|roi| roi.id == b.id).unwrap();
    Arc::make_mut(&mut rois[at]).planes = vec![Arc::new(turned)];
    let a = Arc::clone(session.structures().roi_named("A").unwrap());
    let gate = Gate::new(Overwrite::Overlap, &series.volume);
    let before = &a.planes[0].polygons;
    let neighbours = Neighbours::default();
    let among = (&rois[..], &neighbours);
    let drawn =
        |polygons: Vec<Polygon>| gate.gated(among, &a, &slice.plane, before, clip::union_all(polygons));
    let wide = drawn(vec![square(0.0, 0.0, 20.0), square(15.0, 0.0, 20.0)]);
    assert_eq!(wide.others.len(), 1);
    assert_eq!(wide.others[0].roi, b.id);
    // From 20 to 25 of B's 20 to 40 mm.
    assert!((wide.others[0].rest.area_mm2() - 300.0).abs() < 1e-6);
    let away = drawn(vec![square(0.0, 0.0, 20.0), square(-5.0, 30.0, 20.0)]);
    assert!(away.others.is_empty() && away.own.len() == 2);
    // What is taken away, far or near, is nobody's loss.
    let less = gate.gated(among, &a, &slice.plane, before, vec![square(0.0, 0.0, 10.0)]);
    assert_eq!(less, Gated { own: vec![square(0.0, 0.0, 10.0)], others: Vec::new() });
    let stop = Gate::new(Overwrite::Stop, &series.volume);
    let wide = stop.gated(
        among,
        &a,
        &slice.plane,
        before,
        clip::union_all(vec![square(0.0, 0.0, 20.0), square(15.0, 0.0, 20.0)]),
    );
    assert!(wide.others.is_empty());
    // B from 20, C (0 to 20 mm) where A was not: A ends at x = 10.
    let own: f64 = wide.own.iter().map(Polygon::area_mm2).sum();
    assert!((own - 400.0).abs() < 1e-6, "{own}");
}

#[test]
fn a_hole_that_is_filled_stops_at_who_is_in_it() {
    let mut session = neighbours();
    let hole = square(0.0, 0.0, 10.0).outer.into_iter().rev().collect();
    let ring = Polygon { outer: square(0.0, 0.0, 20.0).outer, holes: vec![hole] };
    session.apply(draw(&session, "A", 3, vec![ring])).unwrap();
    session.apply(draw(&session, "B", 3, vec![square(0.0, 0.0, 4.0)])).unwrap();
    let (a, b) = (id(&session, "A"), id(&session, "B"));
    session.apply(Command::SetLock { roi: b, locked: true }).unwrap();
    let at = crate::geometry::Point3::new(3.0, 3.0, 9.0);
    session.apply(Command::DeleteContour { roi: a, at }).unwrap();
    assert!((area(&session, "A") - 384.0).abs() < 1e-6, "{}", area(&session, "A"));
    assert!((area(&session, "B") - 16.0).abs() < 1e-6);
    assert_eq!(session.undo_name(), Some("Delete hole on A"));
}

#[test]
fn a_locked_exclusive_structure_wins() {
    let mut session = neighbours();
    let b = id(&session, "B");
    session.apply(Command::SetLock { roi: b, locked: true }).unwrap();
    session.apply(draw(&session, "A", 3, vec![square(20.0, 0.0, 20.0)])).unwrap();
    assert!((area(&session, "A") - 200.0).abs() < 1e-6);
    assert!((area(&session, "B") - 400.0).abs() < 1e-6);
    // So does every one where nothing may be overwritten.
    session.apply(Command::SetLock { roi: b, locked: false }).unwrap();
    session.set_overwrite(Overwrite::Stop);
    session.apply(draw(&session, "A", 3, vec![square(25.0, 0.0, 20.0)])).unwrap();
    assert!((area(&session, "B") - 400.0).abs() < 1e-6);
    assert!(common(&session, "A", "B") < 1e-6);
}

#[test]
fn overlaps_there_were_stay_and_others_are_left_alone() {
    let mut session = neighbours();
    // C becomes exclusive too; it overlaps A by half already.
    let c = id(&session, "C");
    session.apply(Command::SetExclusive { roi: c, exclusive: true }).unwrap();
    assert!((common(&session, "A", "C") - 200.0).abs() < 1e-6);
    // A gains 1 mm on its left, where nobody is.
    let mut grown = vec![square(0.0, 0.0, 20.0), square(-1.0, 0.0, 20.0)];
    grown = clip::union_all(grown);
    session.apply(draw(&session, "A", 3, grown)).unwrap();
    assert!((common(&session, "A", "C") - 200.0).abs() < 1e-6);
    assert!((area(&session, "C") - 400.0).abs() < 1e-6);
}

#[test]
fn recipes_and_accepted_proposals_push_back_too() {
    let mut session = neighbours();
    let (a, b) = (id(&session, "A"), id(&session, "B"));
    let recipe = session.read_recipe("A + (left 15) mm").unwrap().recipe;
    let order = Order { recipe, target: Target::Roi(a), keep: false };
    let done = session.plan("Margin", vec![order]).unwrap().run(&crate::progress::Progress::new());
    session.apply(done.unwrap()).unwrap();
    assert!((area(&session, "A") - 700.0).abs() < 0.5, "{}", area(&session, "A"));
    assert!((area(&session, "B") - 300.0).abs() < 0.5, "{}", area(&session, "B"));
    session.undo().unwrap();
    // A model's A, 10 mm around 0, moved nowhere near B: slices 2 to 4 of 100 mm2.
    let found = proposals(session.series(), &["A"]);
    session.apply(found).unwrap();
    let proposal = session.proposals().next().unwrap().id;
    let exclusive = Command::SetExclusive { roi: proposal, exclusive: true };
    assert_eq!(session.apply(exclusive).unwrap_err(), Refusal::StillAProposal("A".to_owned()));
    session.apply(draw(&session, "B", 2, vec![square(0.0, 0.0, 4.0)])).unwrap();
    session.apply(Command::AcceptProposals { rois: vec![proposal] }).unwrap();
    assert!((area(&session, "A") - 300.0).abs() < 1e-6);
    let b = session.roi(b).unwrap();
    assert_eq!(b.planes.len(), 1, "what the accepted A covers is no longer in B");
}

/// A stroke's polygons one event after another, on a slice of an oblique series between two neighbours: its
/// outline grows across both of them, is thinned in between, and takes something back in the end.
fn events() -> (Session, RoiId, Vec<Vec<Polygon>>) {
    use crate::edit::{CHORD_MM, Sign, paint, simplified};
    use crate::geometry::stroke::swept_disc;
    use crate::geometry::{Rotation3, Vector3};
    let turn = Rotation3::from_euler_angles(0.3, -0.2, 0.5);
    let axes = [turn * Vector3::x(), turn * Vector3::y(), turn * Vector3::z()];
    let series = series_along(axes, [100, 100, 8], [0.9, 1.2, 2.5]);
    let mut session = session_with(series, &["Left", "Right", "Node"]);
    let plane = session.series().volume.slices[3].plane;
    let middle = plane.project(session.series().volume.slices[3].origin_mm) + Vector2::new(45.0, 60.0);
    let wavy = |x: f64, radius: f64| {
        let vertex = |n: u32| {
            let angle = f64::from(n) * std::f64::consts::TAU / 120.0;
            let radius = radius + 0.8 * (angle * 9.0).sin();
            middle + Vector2::new(x + radius * angle.cos(), radius * angle.sin())
        };
        Polygon::from_outer((0..120).map(vertex).collect())
    };
    for (name, x, radius) in [("Left", -16.0, 9.0), ("Right", 17.0, 8.0), ("Node", 0.0, 8.0)] {
        session.apply(draw(&session, name, 3, vec![wavy(x, radius)])).unwrap();
    }
    let node = id(&session, "Node");
    let mut shapes = Vec::new();
    let at = |step: u32| {
        let angle = f64::from(step) * 0.21;
        middle + Vector2::new(11.0 * angle.cos(), 9.0 * angle.sin())
    };
    for step in 0..30 {
        shapes.push((swept_disc(&[at(step), at(step + 1)], 4.0, CHORD_MM), Sign::Add));
    }
    for step in 3..8 {
        shapes.push((swept_disc(&[at(step), at(step + 1)], 3.0, CHORD_MM), Sign::Cut));
    }
    for step in 4..7 {
        shapes.push((swept_disc(&[at(step), at(step + 1)], 2.5, CHORD_MM), Sign::Add));
    }
    // As they would be without a gate.
    let mut polygons = session.roi(node).unwrap().planes[0].polygons.clone();
    let mut all = Vec::new();
    for (number, (shape, sign)) in shapes.into_iter().enumerate() {
        polygons = paint(&polygons, &shape, sign);
        if number == 12 {
            polygons = simplified(&polygons, &VertexSet::default(), 0.005);
        }
        all.push(polygons.clone());
    }
    (session, node, all)
}

/// How far a vertex of either lies off the outlines of the other, mm.
fn apart_mm(a: &[Polygon], b: &[Polygon]) -> f64 {
    let edges = |own: &[Polygon]| -> Vec<[Point2; 2]> {
        let rings = own.iter().flat_map(Polygon::rings);
        rings.flat_map(|ring| ring.iter().zip(ring.iter().cycle().skip(1)).map(|(a, b)| [*a, *b])).collect()
    };
    let off = |own: &[Polygon], other: &[[Point2; 2]]| {
        let to_edge = |point: &Point2| {
            let far = other.iter().map(|[a, b]| crate::edit::distance_to_edge(*point, *a, *b));
            far.fold(f64::INFINITY, f64::min)
        };
        own.iter().flat_map(Polygon::rings).flatten().map(to_edge).fold(0.0, f64::max)
    };
    off(a, &edges(b)).max(off(b, &edges(a)))
}

#[test]
fn event_by_event_the_gate_gives_what_it_gives_at_once() {
    for (overwrite, lock) in [(Overwrite::Stop, ""), (Overwrite::Unlocked, ""), (Overwrite::Unlocked, "Left")]
    {
        let (mut session, node, events) = events();
        if let Some(roi) = session.structures().roi_named(lock).map(|roi| roi.id) {
            session.apply(Command::SetLock { roi, locked: true }).unwrap();
        }
        session.set_overwrite(overwrite);
        let gate = session.gate();
        let roi = session.roi(node).unwrap();
        let (plane, before) = (roi.planes[0].plane, &roi.planes[0].polygons);
        let mut going = Gated { own: before.clone(), others: Vec::new() };
        let (mut ungated, mut most) = (before.clone(), 0);
        for (number, after) in events.into_iter().enumerate() {
            // What the event adds to what passed the gate, and takes from it.
            let (more, less) = (clip::difference(&after, &ungated), clip::difference(&ungated, &after));
            let drawn = clip::difference(&clip::union(&going.own, &more), &less);
            ungated = after;
            let stroke = Stroke { before, now: &going.own, others: &going.others };
            let next = gate.gated_on(roi, &plane, stroke, drawn.clone());
            let plain = gate.gated(roi, &plane, before, drawn);
            let between = clip::xor(&next.own, &plain.own).iter().map(Polygon::area_mm2).sum::<f64>();
            assert!(between < 1e-4, "{overwrite:?}, event {number}: {between} mm2");
            let off = apart_mm(&next.own, &plain.own);
            assert!(off < 1e-4, "{overwrite:?}, event {number}: {off} mm");
            assert_eq!(next.others.len(), plain.others.len(), "{overwrite:?}, event {number}");
            for loss in &plain.others {
                let same = next.others.iter().find(|own| own.roi == loss.roi).unwrap();
                let off = apart_mm(&same.rest.polygons, &loss.rest.polygons);
                assert!(off < 2e-4, "{overwrite:?}, event {number}: {off} mm of {:?}", loss.roi);
            }
            most = most.max(next.others.len());
            going = next;
        }
        let wanted = match (overwrite, lock) {
            (Overwrite::Stop, _) => 0,
            (_, "") => 2,
            _ => 1,
        };
        assert_eq!(most, wanted, "{overwrite:?} {lock}");
    }
}

#[test]
fn what_was_worked_out_ahead_holds_as_long_as_nothing_changes() {
    let (mut session, node, events) = events();
    session.set_overwrite(Overwrite::Unlocked);
    let after = events.last().unwrap();
    let plain = |session: &Session| {
        let neighbours = Neighbours::default();
        let roi = session.roi(node).unwrap();
        let gate = Gate::new(session.overwrite(), &session.series().volume);
        let among = (&session.structures().rois[..], &neighbours);
        gate.gated(among, roi, &roi.planes[0].plane, &roi.planes[0].polygons, after.clone())
    };
    let asked = |session: &Session| {
        let roi = session.roi(node).unwrap();
        session.gate().gated(roi, &roi.planes[0].plane, &roi.planes[0].polygons, after.clone())
    };
    let prepare = |session: &Session| {
        let roi = session.roi(node).unwrap();
        session.gate().prepare(roi, &roi.planes[0].plane, &roi.planes[0].polygons, after);
    };
    prepare(&session);
    let first = plain(&session);
    assert_eq!(first.others.len(), 2);
    assert_eq!(asked(&session), first);
    assert!(Arc::ptr_eq(&asked(&session).others[0].rest, &asked(&session).others[0].rest), "worked out once");
    // Another shape of a neighbour, another rule, a lock: none of it is answered from before.
    let left = id(&session, "Left");
    let own = session.roi(left).unwrap().planes[0].polygons.clone();
    let cut = clip::half_plane(&own, own[0].outer[0], Vector2::x());
    session.apply(draw(&session, "Left", 3, cut)).unwrap();
    assert_eq!(asked(&session), plain(&session));
    assert_ne!(asked(&session), first);
    prepare(&session);
    session.set_overwrite(Overwrite::Stop);
    assert_eq!(asked(&session), plain(&session));
    assert!(asked(&session).others.is_empty());
    session.set_overwrite(Overwrite::Unlocked);
    prepare(&session);
    session.apply(Command::SetLock { roi: left, locked: true }).unwrap();
    assert_eq!(asked(&session), plain(&session));
    assert_eq!(asked(&session).others.len(), 1);
    // Nor with others shown, exclusive, elsewhere in the list or gone; nor with that taken back.
    session.undo().unwrap();
    session.undo().unwrap();
    assert_eq!(asked(&session).others.len(), 2, "the shape is as it was");
    session.set_overwrite(Overwrite::Visible);
    let commands = [
        (Command::SetVisibility { rois: vec![left], visible: false }, 1),
        (Command::SetVisibility { rois: vec![left], visible: true }, 2),
        (Command::SetExclusive { roi: left, exclusive: true }, 2),
        (Command::ReorderRoi { roi: left, to: 1 }, 2),
        (Command::DeleteRoi { roi: left }, 1),
    ];
    for (command, count) in commands {
        prepare(&session);
        let done = format!("{command:?}");
        session.apply(command).unwrap();
        assert_eq!(asked(&session), plain(&session), "{done}");
        assert_eq!(asked(&session).others.len(), count, "{done}");
    }
    for count in [2, 2] {
        prepare(&session);
        session.undo().unwrap();
        assert_eq!(asked(&session), plain(&session));
        assert_eq!(asked(&session).others.len(), count);
    }
    // What an edit has replaced is not kept for it.
    let old = Arc::downgrade(session.roi(left).unwrap());
    prepare(&session);
    let own = session.roi(left).unwrap().planes[0].polygons.clone();
    let cut = clip::half_plane(&own, own[0].outer[0], Vector2::y());
    session.apply(draw(&session, "Left", 3, cut)).unwrap();
    assert!(old.upgrade().is_none());
}
