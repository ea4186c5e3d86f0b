//! Brush, grow and live-wire by the values of a second series on voxels of its own.

use super::taking_back::disc;
use super::*;
use crate::edit::{GrowRange, Growth, ValueRange};
use crate::patient::{Slice, Unit, Volume};
use crate::tools::{BrushTip, Choice, GrowBy, Method, SegmentSettings};

/// The uptake: a cylinder of this radius around (10, 0).
const RADIUS_MM: f64 = 12.0;

fn uptake() -> Volume {
    let steps = [Vector3::x() * 2.5, Vector3::y() * 2.5, Vector3::z() * 5.0];
    let grid = crate::geometry::Grid::new([44, 44, 14], p(-55.0, -55.0, -3.0), steps).unwrap();
    let value = |n: usize| {
        let at = grid.patient_of([(n % 44) as f64, (n / 44 % 44) as f64, 0.0]);
        let off = (at.x - 10.0).hypot(at.y) - RADIUS_MM;
        #[expect(clippy::cast_possible_truncation, reason = "a few units")]
        let value = (1.0 + 7.0 / (1.0 + (off * 1.2).exp())) as f32;
        value
    };
    let voxels = Voxels::F32((0..grid.len()).map(value).collect());
    let slices = Slice::all_of(&grid);
    Volume { grid, voxels, unit: Unit::SuvBw, slices, native: None }
}

/// A flat first image, `Node` selected, and a tool that may look at the second one.
fn beside(kind: ToolKind) -> (Session, Tools, Arc<Volume>) {
    let session = session_with(axial_series(), &["Node"]);
    let second = Arc::new(uptake());
    let mut own = tools(kind, 8.0);
    own.set_second(&session, Some(&second));
    (session, own, second)
}

fn sum(polygons: &[Polygon]) -> f64 {
    polygons.iter().map(Polygon::area_mm2).sum()
}

#[test]
fn an_adaptive_brush_stops_at_the_edges_of_the_second_series() {
    let (mut session, mut brush, _) = beside(ToolKind::Brush);
    brush.brush.set_tip(BrushTip::Adaptive { tolerance: 3.0 });
    // The brush's half hangs out of the uptake.
    let at = [p(19.0, 0.0, 9.0)];
    let inside = sum(&clip::intersection(&[disc(19.0, 0.0, 8.0)], &[disc(10.0, 0.0, RADIUS_MM)]));
    for (by_second, wanted) in [(false, PI * 64.0), (true, inside)] {
        brush.want_second(&session, by_second);
        drag(&mut brush, &mut session, &axial(9.0), KEYS, &at);
        near(area_at(&session, 9.0), wanted, 0.06);
        session.undo().unwrap();
    }
    // In a view across the slices.
    drag(&mut brush, &mut session, &sagittal(10.0), KEYS, &[p(10.0, 6.0, 30.0)]);
    let outline = session.selected().unwrap().plane_at(&Plane::axial(30.0)).unwrap();
    let beyond = clip::difference(&outline.polygons, &[disc(10.0, 0.0, RADIUS_MM + 1.5)]);
    assert!(sum(&beyond) < 4.0, "{} mm2", sum(&beyond));
    session.undo().unwrap();
    // Without a second image it goes by its own again.
    brush.set_second(&session, None);
    drag(&mut brush, &mut session, &axial(9.0), KEYS, &at);
    near(area_at(&session, 9.0), PI * 64.0, 0.02);
    assert!(brush.second().unwrap().is_wanted(), "wanted again when there is one");
}

#[test]
fn growing_goes_by_the_second_series_and_follows_the_choice() {
    let (session, mut grow, second) = beside(ToolKind::Grow);
    let growth = Growth { reach_mm: 30.0, ..grow.grow.growth() };
    grow.grow.set_growth(&session, growth);
    grow.want_second(&session, true);
    let at = p(10.0, 0.0, 15.0);
    grow.event(&session, &axial(15.0), ToolEvent::Press(at, KEYS));
    grow.event(&session, &axial(15.0), ToolEvent::Release(at));
    let area = |grow: &mut Tools| {
        grow.update(&session);
        grow.grow.settle(&session);
        let shown = grow.suggestion().expect("something grew").shown();
        shown.plane_at(&Plane::axial(15.0)).unwrap().area_mm2()
    };
    let wanted = PI * RADIUS_MM * RADIUS_MM;
    near(area(&mut grow), wanted, 0.06);
    assert!(grow.grow.note().is_some_and(|note| note.contains("SUV")), "{:?}", grow.grow.note());
    // Half of the greatest value, and a range in its unit.
    grow.grow.set_growth(&session, Growth { range: GrowRange::PartOfMaximum(0.55), ..growth });
    near(area(&mut grow), wanted, 0.08);
    let own = ValueRange { low: -10.0, high: 10.0 };
    grow.grow.set_growth(&session, Growth { range: GrowRange::Fixed(own), ..growth });
    grow.set_second_range(&session, ValueRange { low: 4.5, high: 99.0 });
    near(area(&mut grow), wanted, 0.06);
    assert_eq!(grow.grow.growth().range, GrowRange::Fixed(own), "that of these images is kept beside it");
    // These images: all there is, as far as it reaches.
    assert_eq!(grow.toggle_second_values(&session), Some(false));
    assert!(area(&mut grow) > 2.0 * wanted);
    assert!(grow.grow.note().is_some_and(|note| note.contains("HU")), "{:?}", grow.grow.note());
    assert_eq!(grow.toggle_second_values(&session), Some(true));
    near(area(&mut grow), wanted, 0.06);
    // The same image again is no other; another one drops what came of it.
    grow.set_second(&session, Some(&second));
    assert!(grow.suggestion().is_some());
    grow.set_second(&session, Some(&Arc::new(uptake())));
    assert!(grow.suggestion().is_none() && grow.second().unwrap().is_wanted());
}

#[test]
fn live_wire_follows_the_edges_of_the_second_series() {
    let (mut session, mut wire, _) = beside(ToolKind::LiveWire);
    let corner = |n: u32| {
        let (sine, cosine) = (f64::from(n) * PI / 2.0 + 0.3).sin_cos();
        p(10.0 + RADIUS_MM * cosine, RADIUS_MM * sine, 9.0)
    };
    for by_second in [false, true] {
        wire.want_second(&session, by_second);
        for n in 0..4 {
            for event in [ToolEvent::Hover(corner(n), KEYS), ToolEvent::Press(corner(n), KEYS)] {
                wire.event(&session, &axial(9.0), event);
                check(&wire, &session);
            }
            wire.event(&session, &axial(9.0), ToolEvent::Release(corner(n)));
        }
        let command = wire.finish(&session).command.expect("an outline");
        held::apply(&mut session, &command);
        let wanted = PI * RADIUS_MM * RADIUS_MM;
        if by_second {
            near(area_at(&session, 9.0), wanted, 0.08);
        } else {
            assert!(area_at(&session, 9.0) < 0.7 * wanted, "nothing to follow in these images");
        }
        session.undo().unwrap();
    }
    // Changed in the midst of an outline, from its last click on.
    wire.event(&session, &axial(9.0), ToolEvent::Press(corner(0), KEYS));
    wire.event(&session, &axial(9.0), ToolEvent::Release(corner(0)));
    wire.event(&session, &axial(9.0), ToolEvent::Hover(corner(1), KEYS));
    let along = wire.line().len();
    assert_eq!(wire.toggle_second_values(&session), Some(false));
    wire.event(&session, &axial(9.0), ToolEvent::Hover(corner(1), KEYS));
    assert!(along > 3 && wire.line().len() != along && wire.anchors().len() == 1);
    // What one image has taught does not come back for the other: not by taking clicks back, nor when the
    // outline has waited meanwhile.
    for waits in [false, true] {
        assert_eq!(wire.toggle_second_values(&session), Some(true));
        for n in 1..4 {
            for event in [ToolEvent::Press(corner(n), KEYS), ToolEvent::Release(corner(n))] {
                wire.event(&session, &axial(9.0), event);
            }
        }
        assert!(wire.live_wire.lessons() > 1, "{}", wire.live_wire.lessons());
        if waits {
            wire.choose(ToolKind::Brush);
            wire.live_wire.second.want(false);
            wire.choose(ToolKind::LiveWire);
            wire.update(&session);
        } else {
            assert_eq!(wire.toggle_second_values(&session), Some(false));
        }
        assert_eq!((wire.live_wire.lessons(), wire.anchors().len()), (0, 4));
        for _ in 1..4 {
            wire.take_back(&session);
            assert_eq!(wire.live_wire.lessons(), 0);
        }
        assert_eq!(wire.anchors().len(), 1);
    }
}

#[test]
fn uptake_is_looked_for_where_there_is_any() {
    let (session, mut tools, second) = beside(ToolKind::Segment);
    let method = |tools: &mut Tools, method| {
        let settings = SegmentSettings { method, ..tools.segment.settings() };
        tools.segment.set_settings(&session, settings);
        tools.segment.settings().second
    };
    assert!(!method(&mut tools, Method::Level), "others go by these images");
    assert!(method(&mut tools, Method::Uptake) && !method(&mut tools, Method::Threshold));
    // What the person wants instead is kept, until there is another second image.
    assert!(method(&mut tools, Method::Uptake));
    assert_eq!(tools.toggle_second_values(&session), Some(false));
    assert!(!method(&mut tools, Method::Level) && !method(&mut tools, Method::Uptake));
    tools.set_second(&session, Some(&Arc::new(uptake())));
    assert!(tools.segment.settings().second, "looked for in the one just shown");
    tools.set_second(&session, None);
    assert!(!tools.segment.settings().second);
    // An MR has no more of it than the CT.
    let mr = Volume { unit: Unit::Arbitrary, ..Volume::clone(&second) };
    tools.set_second(&session, Some(&Arc::new(mr)));
    assert!(!tools.segment.settings().second);
    // A part of the greatest value, that something grows by, is one of uptake too.
    tools.set_second(&session, Some(&second));
    tools.choose(ToolKind::Grow);
    let shown = ValueRange { low: 0.0, high: 1.0 };
    let wants = |tools: &Tools| tools.second().unwrap().is_wanted();
    for (by, wanted) in [(GrowBy::PartOfMaximum, true), (GrowBy::Alike, false), (GrowBy::PartOfMaximum, true)]
    {
        tools.make(&session, Choice::Grow(by), shown);
        assert_eq!(wants(&tools), wanted, "{by:?}");
    }
    tools.set_second(&session, None);
    assert!(!wants(&tools));
    tools.set_second(&session, Some(&second));
    assert!(wants(&tools), "also when it is shown after the kind was chosen");
}

#[test]
fn a_threshold_has_a_range_for_each_image() {
    let (session, mut tools, _) = beside(ToolKind::Segment);
    let own = Some(ValueRange { low: -10.0, high: 10.0 });
    let settings = SegmentSettings { method: Method::Threshold, range: own, ..tools.segment.settings() };
    tools.segment.set_settings(&session, settings);
    assert_eq!(tools.toggle_second_values(&session), Some(true));
    assert_eq!(tools.segment.settings().range, None, "that of these images means nothing there");
    let range = Some(ValueRange { low: 4.5, high: 99.0 });
    tools.segment.set_settings(&session, SegmentSettings { range, ..tools.segment.settings() });
    for (second, wanted) in [(false, own), (true, range)] {
        assert_eq!(tools.toggle_second_values(&session), Some(second));
        assert_eq!(tools.segment.settings().range, wanted);
    }
    // Uptake, whose image is another matter, leaves them alone; without a second image its range goes.
    for method in [Method::Uptake, Method::Threshold] {
        tools.segment.set_settings(&session, SegmentSettings { method, ..tools.segment.settings() });
        if method == Method::Uptake {
            assert_eq!(tools.toggle_second_values(&session), Some(false));
        }
    }
    assert_eq!((tools.segment.settings().range, tools.segment.settings().second), (range, true));
    tools.set_second(&session, None);
    assert_eq!((tools.segment.settings().range, tools.segment.settings().second), (own, false));
}
