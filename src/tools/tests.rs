//! Gestures driven by [`drag`], with what must always hold checked after every event.

mod area;
mod between;
mod drawing;
mod giving_way;
mod held;
mod limits;
mod outline;
mod preview;
mod pushing;
mod reshaping;
mod second;
mod segment;
mod smoothing;
mod sound;
mod taking_back;
mod tilted;
mod waiting;

use self::sound::check_polygons;

use super::{BrushMode, CursorShape, Modifiers, Reaction, ToolEvent, ToolKind, Tools, ViewPlane, stepped};
use crate::edit::Sign;
use crate::geometry::{Plane, Point3, Polygon, Vector3, clip, ring_area};
use crate::patient::{Roi, Series, Voxels};
use crate::session::fixture::{
    axial_series, draw, id, plain, series_along, series_without, session_with, square,
};
use crate::session::{Command, Session};
use std::f64::consts::PI;
use std::sync::Arc;

const KEYS: Modifiers = Modifiers { invert: false, shift: false };
const CTRL: Modifiers = Modifiers { invert: true, shift: false };

fn p(x: f64, y: f64, z: f64) -> Point3 {
    Point3::new(x, y, z)
}

fn axial(z: f64) -> ViewPlane {
    ViewPlane { plane: Plane::axial(z), pixel_mm: 0.5 }
}

fn sagittal(x: f64) -> ViewPlane {
    ViewPlane { plane: Plane::new(p(x, 0.0, 0.0), Vector3::y(), Vector3::z()).unwrap(), pixel_mm: 0.5 }
}

fn check(tools: &Tools, session: &Session) {
    if let Some(preview) = tools.preview() {
        let roi = tools.previewed_roi(session).expect("the preview belongs to the selected ROI");
        for plane in preview.planes.iter().chain(preview.others.iter().flat_map(|other| &other.planes)) {
            check_polygons(&plane.polygons);
        }
        let offsets: Vec<f64> = roi.planes.iter().map(|plane| plane.plane.offset_mm()).collect();
        assert!(offsets.is_sorted(), "planes stay sorted");
        let before = session.roi(preview.roi).unwrap();
        let kept = before.planes.iter().filter(|plane| roi.planes.iter().any(|own| Arc::ptr_eq(own, plane)));
        assert!(
            kept.count() + preview.planes.len() >= before.planes.len(),
            "other planes are the same objects"
        );
    }
    let _ = (tools.cursor(session), tools.hint());
}

/// A whole gesture; the command is applied, with all that [`held`] checks. What the release led to.
fn drag(
    tools: &mut Tools,
    session: &mut Session,
    view: &ViewPlane,
    keys: Modifiers,
    path: &[Point3],
) -> Reaction {
    let before = session.revision();
    let mut send = |session: &Session, event| {
        let reaction = tools.event(session, view, event);
        check(tools, session);
        reaction
    };
    send(session, ToolEvent::Hover(path[0], keys));
    let mut reaction = send(session, ToolEvent::Press(path[0], keys));
    for at in &path[1..] {
        let next = send(session, ToolEvent::Drag(*at));
        reaction.message = reaction.message.or(next.message);
        assert!(next.command.is_none(), "one command a gesture, at its end");
    }
    let last = send(session, ToolEvent::Release(path[path.len() - 1]));
    assert_eq!(session.revision(), before, "tools only read");
    assert!(!tools.is_busy());
    reaction.command = last.command;
    reaction.message = reaction.message.or(last.message);
    if let Some(command) = reaction.command.clone() {
        held::apply(session, &command);
        held::check_selected(session);
    }
    reaction
}

fn tools(kind: ToolKind, radius_mm: f64) -> Tools {
    let mut tools = Tools::default();
    tools.choose(kind);
    tools.brush.set_radius_mm(radius_mm);
    tools
}

fn roi(session: &Session) -> &Roi {
    session.selected().unwrap()
}

fn area_at(session: &Session, z: f64) -> f64 {
    roi(session).plane_at(&Plane::axial(z)).map_or(0.0, |plane| plane.area_mm2())
}

fn line(from: Point3, to: Point3, count: u32) -> Vec<Point3> {
    (0..=count).map(|step| from + (to - from) * (f64::from(step) / f64::from(count))).collect()
}

fn near(got: f64, wanted: f64, part: f64) {
    assert!((got - wanted).abs() <= part * wanted, "{got} instead of {wanted}");
}

/// The axial series with a value (HU) at each patient position.
fn painted(hu: impl Fn(Point3) -> f64) -> Series {
    let mut series = axial_series();
    let volume = Arc::make_mut(&mut series.volume);
    let [nx, ny, _] = volume.grid.dims();
    let value = |at: usize| {
        let voxel = [at % nx, at / nx % ny, at / (nx * ny)].map(|n| n as f64);
        #[expect(clippy::cast_possible_truncation, reason = "HU")]
        let value = hu(volume.grid.patient_of(voxel)).round() as i16;
        value
    };
    volume.voxels = Voxels::I16((0..volume.grid.len()).map(value).collect());
    series
}

/// The axial series with a cylinder around x = y = 0: `[outside, inside]` HU, and how steep its edge
/// is, per mm.
fn cylinder(radius_mm: f64, steepness: f64, hu: [f64; 2]) -> Series {
    barrel(|_| radius_mm, steepness, hu)
}

/// A [`cylinder`] whose radius changes with z, mm.
fn barrel(radius_mm: impl Fn(f64) -> f64, steepness: f64, [outside, inside]: [f64; 2]) -> Series {
    painted(|at| {
        let share = 1.0 / (1.0 + ((at.x.hypot(at.y) - radius_mm(at.z)) * steepness).exp());
        outside + (inside - outside) * share
    })
}

/// A series along oblique axes, which come with it.
fn oblique_series() -> ([Vector3; 3], Series) {
    let turn = crate::geometry::Rotation3::from_euler_angles(0.4, -0.3, 0.6);
    let axes = [turn * Vector3::x(), turn * Vector3::y(), turn * Vector3::z()];
    (axes, series_along(axes, [60, 80, 14], [1.3, 0.9, 2.5]))
}

#[test]
fn a_stroke_paints_a_capsule_whether_fast_or_slow() {
    let wanted = PI * 25.0 + 10.0 * 60.0;
    for count in [1, 7, 300] {
        let mut session = session_with(axial_series(), &["Liver"]);
        let path = line(p(-30.0, 3.0, 9.0), p(30.0, 3.0, 9.0), count);
        drag(&mut tools(ToolKind::Brush, 5.0), &mut session, &axial(9.0), KEYS, &path);
        near(area_at(&session, 9.0), wanted, 0.005);
        assert_eq!((roi(&session).planes.len(), roi(&session).planes[0].polygons.len()), (1, 1));
        assert!(roi(&session).vertex_count() < 200, "{} vertices", roi(&session).vertex_count());
        assert_eq!(session.undo_name(), Some("Brush on Liver"));
    }
}

#[test]
fn a_stroke_goes_to_the_nearest_slice_of_the_view() {
    let mut session = session_with(axial_series(), &["Liver"]);
    drag(&mut tools(ToolKind::Brush, 5.0), &mut session, &axial(10.2), KEYS, &[p(0.0, 0.0, 10.2)]);
    near(area_at(&session, 9.0), PI * 25.0, 0.01);
    let beyond =
        drag(&mut tools(ToolKind::Brush, 5.0), &mut session, &axial(80.0), KEYS, &[p(0.0, 0.0, 80.0)]);
    assert_eq!(beyond.message.as_deref(), Some("There is no image slice here to draw on."));
}

#[test]
fn the_eraser_and_ctrl_take_away() {
    let mut session = session_with(axial_series(), &["Liver"]);
    session.apply(draw(&session, "Liver", 3, vec![square(0.0, 0.0, 40.0)])).unwrap();
    drag(&mut tools(ToolKind::Eraser, 5.0), &mut session, &axial(9.0), KEYS, &[p(0.0, 0.0, 9.0)]);
    near(area_at(&session, 9.0), 1600.0 - PI * 25.0, 0.001);
    assert_eq!(roi(&session).planes[0].polygons[0].holes.len(), 1);
    assert_eq!(session.undo_name(), Some("Eraser on Liver"));
    drag(&mut tools(ToolKind::Eraser, 6.0), &mut session, &axial(9.0), CTRL, &[p(0.0, 0.0, 9.0)]);
    near(area_at(&session, 9.0), 1600.0, 0.001);
    let all = line(p(-30.0, 0.0, 9.0), p(30.0, 0.0, 9.0), 3);
    drag(&mut tools(ToolKind::Eraser, 50.0), &mut session, &axial(9.0), KEYS, &all);
    assert!(roi(&session).planes.is_empty(), "an emptied plane is not kept");
}

#[test]
fn auto_adds_from_inside_and_cuts_from_outside() {
    let mut session = session_with(axial_series(), &["Liver"]);
    session.apply(draw(&session, "Liver", 3, vec![square(0.0, 0.0, 20.0)])).unwrap();
    let mut auto = tools(ToolKind::Brush, 3.0);
    auto.brush.set_mode(BrushMode::Auto);
    drag(&mut auto, &mut session, &axial(9.0), KEYS, &line(p(5.0, 0.0, 9.0), p(15.0, 0.0, 9.0), 5));
    assert!(area_at(&session, 9.0) > 420.0);
    drag(&mut auto, &mut session, &axial(9.0), KEYS, &line(p(-12.0, 0.0, 9.0), p(-5.0, 0.0, 9.0), 5));
    let cut = area_at(&session, 9.0);
    assert!(cut < 420.0, "{cut}");
    drag(&mut auto, &mut session, &axial(9.0), KEYS, &[p(-40.0, -40.0, 9.0)]);
    near(area_at(&session, 9.0), cut + PI * 9.0, 0.005);
}

#[test]
fn auto_cuts_where_what_it_reaches_meets_the_structure_in_every_view() {
    use super::BrushReach;
    // Slices 10 to 14, z 30 to 42.
    let mut session = session_with(axial_series(), &["Liver"]);
    for slice in 10..15 {
        session.apply(draw(&session, "Liver", slice, vec![square(0.0, 0.0, 30.0)])).unwrap();
    }
    let mut auto = tools(ToolKind::Brush, 8.0);
    auto.brush.set_mode(BrushMode::Auto);
    let oblique = ViewPlane {
        plane: Plane::new(p(0.0, 0.0, 36.0), Vector3::y(), p(1.0, 0.0, 1.0).coords).unwrap(),
        pixel_mm: 0.5,
    };
    let (slab, ball, disc) = (BrushReach::Slab, BrushReach::Ball, BrushReach::Slice);
    auto.brush.set_thickness_mm(10.0);
    for (view, reach, at, wanted) in [
        // A ball 4.5 mm above the top, nearest to the empty slice 15 or 16.
        (sagittal(0.0), disc, p(0.0, 0.0, 46.5), Sign::Cut),
        (sagittal(0.0), disc, p(0.0, 0.0, 51.0), Sign::Add),
        (sagittal(0.0), disc, p(0.0, 0.0, 36.0), Sign::Add),
        (oblique, disc, p(10.0, 0.0, 46.0), Sign::Cut),
        (oblique, disc, p(16.0, 0.0, 52.0), Sign::Add),
        // In a view on a slice beside the top: the disc meets nothing there, ball and slab do below.
        (axial(45.0), disc, p(0.0, 0.0, 45.0), Sign::Add),
        (axial(45.0), ball, p(0.0, 0.0, 45.0), Sign::Cut),
        (axial(45.0), slab, p(0.0, 0.0, 45.0), Sign::Cut),
        (axial(51.0), slab, p(0.0, 0.0, 51.0), Sign::Add),
        (axial(45.0), ball, p(30.0, 0.0, 45.0), Sign::Add),
        // A slab along the view beside the structure: as far as it is thick.
        (sagittal(18.0), slab, p(18.0, 0.0, 36.0), Sign::Cut),
        (sagittal(22.0), slab, p(22.0, 0.0, 36.0), Sign::Add),
    ] {
        auto.brush.set_reach(reach);
        auto.event(&session, &view, ToolEvent::Hover(at, KEYS));
        assert_eq!(auto.brush.cursor(&session).sign, Some(wanted), "{reach:?} at {at}");
        auto.event(&session, &view, ToolEvent::Hover(at, CTRL));
        assert_eq!(auto.brush.cursor(&session).sign, Some(wanted.opposite()), "{reach:?} at {at} with Ctrl");
        let before = roi(&session).volume_cc(&session.series().volume);
        drag(&mut auto, &mut session, &view, KEYS, &[at]);
        let gain = roi(&session).volume_cc(&session.series().volume) - before;
        let is_inside = at.z < 40.0 && at.x < 15.0;
        assert!(
            if is_inside { gain == 0.0 } else { (gain > 0.0) == (wanted == Sign::Add) && gain != 0.0 },
            "{reach:?} at {at}: {gain}"
        );
        if !is_inside {
            session.undo().unwrap();
        }
    }
}

#[test]
fn across_the_slices_the_brush_is_a_ball() {
    let mut session = session_with(axial_series(), &["Liver"]);
    drag(&mut tools(ToolKind::Brush, 10.0), &mut session, &sagittal(0.0), KEYS, &[p(0.0, 0.0, 30.0)]);
    for k in 0..20_u32 {
        let z = f64::from(k) * 3.0;
        let wanted = PI * (100.0 - (z - 30.0) * (z - 30.0)).max(0.0);
        near(area_at(&session, z), wanted, 0.01);
    }
    near(roi(&session).volume_cc(&session.series().volume), 4.0 / 3.0 * PI, 0.03);
    drag(&mut tools(ToolKind::Eraser, 12.0), &mut session, &sagittal(0.0), KEYS, &[p(0.0, 0.0, 30.0)]);
    assert!(roi(&session).planes.is_empty());
}

#[test]
fn a_fast_stroke_across_the_slices_leaves_no_gaps() {
    let mut session = session_with(axial_series(), &["Cord"]);
    drag(
        &mut tools(ToolKind::Brush, 4.0),
        &mut session,
        &sagittal(2.0),
        KEYS,
        &[p(2.0, -10.0, 6.0), p(2.0, 10.0, 51.0)],
    );
    // Across an oblique cylinder of radius 4 each slice has an ellipse.
    let tilt = (20.0_f64 / 45.0).atan();
    for k in 5..14_u32 {
        near(area_at(&session, f64::from(k) * 3.0), PI * 16.0 / tilt.cos(), 0.01);
    }
}

#[test]
fn tools_know_oblique_series() {
    let (axes, series) = oblique_series();
    let grid = series.volume.grid.clone();
    let mut session = session_with(series, &["Node"]);
    let center = grid.patient_of([30.0, 40.0, 7.0]);
    let along = ViewPlane { plane: Plane::new(center, axes[0], axes[1]).unwrap(), pixel_mm: 1.0 };
    drag(&mut tools(ToolKind::Brush, 6.0), &mut session, &along, KEYS, &[center]);
    assert_eq!(roi(&session).planes.len(), 1);
    near(roi(&session).planes[0].area_mm2(), PI * 36.0, 0.01);
    session.undo().unwrap();
    let across = ViewPlane { plane: Plane::new(center, axes[1], axes[2]).unwrap(), pixel_mm: 1.0 };
    drag(&mut tools(ToolKind::Brush, 9.0), &mut session, &across, KEYS, &[center]);
    near(roi(&session).volume_cc(&session.series().volume), 4.0 / 3.0 * PI * 0.729, 0.03);
    session.undo().unwrap();
    // A view that is neither along nor across.
    let tilted = ViewPlane { plane: Plane::new(center, axes[0], axes[1] + axes[2]).unwrap(), pixel_mm: 1.0 };
    drag(&mut tools(ToolKind::Brush, 9.0), &mut session, &tilted, KEYS, &[center]);
    near(roi(&session).volume_cc(&session.series().volume), 4.0 / 3.0 * PI * 0.729, 0.03);
}

#[test]
fn escape_drops_the_gesture_and_nothing_changes_without_one() {
    let mut session = session_with(axial_series(), &["Liver"]);
    let before = session.structures().clone();
    for kind in [
        ToolKind::Brush,
        ToolKind::Freehand,
        ToolKind::Shape,
        ToolKind::Push,
        ToolKind::Smooth,
        ToolKind::DeleteContour,
        ToolKind::Ruler,
        ToolKind::Navigate,
    ] {
        let mut tools = tools(kind, 5.0);
        let view = axial(9.0);
        tools.event(&session, &view, ToolEvent::Press(p(0.0, 0.0, 9.0), KEYS));
        tools.event(&session, &view, ToolEvent::Drag(p(20.0, 0.0, 9.0)));
        tools.event(&session, &view, ToolEvent::Drag(p(20.0, 20.0, 9.0)));
        assert!(tools.is_busy());
        tools.event(&session, &view, ToolEvent::Escape);
        assert!(!tools.is_busy() && tools.preview().is_none() && tools.line().is_empty());
        let released = tools.event(&session, &view, ToolEvent::Release(p(20.0, 20.0, 9.0)));
        assert_eq!(released, Reaction::default(), "the release after Esc means nothing");
    }
    session.apply(draw(&session, "Liver", 3, vec![square(0.0, 0.0, 40.0)])).unwrap();
    let steps = session.history().done();
    let inside = drag(&mut tools(ToolKind::Brush, 5.0), &mut session, &axial(9.0), KEYS, &[p(0.0, 0.0, 9.0)]);
    let outside =
        drag(&mut tools(ToolKind::Eraser, 5.0), &mut session, &axial(9.0), KEYS, &[p(40.0, 0.0, 9.0)]);
    assert_eq!((inside.command, outside.command), (None, None));
    assert_eq!(session.history().done(), steps);
    session.undo().unwrap();
    assert_eq!(plain(session.structures()), plain(&before));
}

#[test]
fn a_stroke_that_may_not_be_says_why_at_the_cursor() {
    let mut session = session_with(axial_series(), &["Liver"]);
    let roi = id(&session, "Liver");
    session.apply(Command::SetLock { roi, locked: true }).unwrap();
    for kind in [
        ToolKind::Brush,
        ToolKind::Eraser,
        ToolKind::Freehand,
        ToolKind::Shape,
        ToolKind::Push,
        ToolKind::Smooth,
        ToolKind::Grow,
        ToolKind::DeleteContour,
    ] {
        let mut tools = tools(kind, 5.0);
        let path = line(p(0.0, 0.0, 9.0), p(9.0, 9.0, 9.0), 3);
        let reaction = drag(&mut tools, &mut session, &axial(9.0), KEYS, &path);
        assert_eq!(reaction.message.as_deref(), Some("Liver is locked. Unlock it to change it."));
        assert_eq!(reaction.command, None);
    }
    let mut brush = tools(ToolKind::Brush, 5.0);
    brush.event(&session, &axial(9.0), ToolEvent::Press(p(0.0, 0.0, 9.0), KEYS));
    let cursor = brush.cursor(&session);
    assert_eq!(cursor.shape, CursorShape::Forbidden);
    assert!(cursor.label.is_some_and(|label| label.contains("locked")));
    session.select(None);
    let reaction = drag(&mut brush, &mut session, &axial(9.0), KEYS, &[p(0.0, 0.0, 9.0)]);
    assert_eq!(reaction.message.as_deref(), Some("No structure is selected. Select or add one."));
}

#[test]
fn missing_slices_are_left_out_and_told() {
    let sentence = "This slice is missing from the series and cannot be drawn on.";
    let mut session = session_with(series_without(5), &["Lung_L"]);
    for kind in [ToolKind::Brush, ToolKind::Freehand] {
        let path = [p(0.0, 0.0, 15.0), p(9.0, 0.0, 15.0), p(9.0, 9.0, 15.0)];
        let on_it = drag(&mut tools(kind, 5.0), &mut session, &axial(15.0), KEYS, &path);
        assert_eq!((on_it.message.as_deref(), on_it.command), (Some(sentence), None));
    }
    let ball = [p(0.0, 0.0, 15.0)];
    let across = drag(&mut tools(ToolKind::Brush, 7.0), &mut session, &sagittal(0.0), KEYS, &ball);
    assert_eq!(across.message.as_deref(), Some("A missing slice was left out."));
    let offsets: Vec<f64> = roi(&session).planes.iter().map(|plane| plane.plane.offset_mm()).collect();
    assert_eq!(offsets, [9.0, 12.0, 18.0, 21.0]);
    session.undo().unwrap();
    let only =
        drag(&mut tools(ToolKind::Brush, 2.0), &mut session, &sagittal(0.0), KEYS, &[p(0.0, 0.0, 15.0)]);
    assert_eq!((only.message.as_deref(), only.command), (Some(sentence), None));
}

fn polyline(corners: &[(f64, f64)], z: f64) -> Vec<Point3> {
    corners
        .windows(2)
        .flat_map(|ends| line(p(ends[0].0, ends[0].1, z), p(ends[1].0, ends[1].1, z), 12))
        .collect()
}

#[test]
fn freehand_adds_cuts_or_makes_a_new_piece_by_where_it_starts() {
    let mut session = session_with(axial_series(), &["Liver"]);
    let mut pen = tools(ToolKind::Freehand, 1.0);
    let view = axial(9.0);
    // On an empty slice: a new piece.
    let path = polyline(&[(0.0, 0.0), (20.0, 0.0), (20.0, 20.0), (0.0, 20.0), (0.0, 0.5)], 9.0);
    drag(&mut pen, &mut session, &view, KEYS, &path);
    near(area_at(&session, 9.0), 400.0, 1e-6);
    assert_eq!(session.undo_name(), Some("Freehand on Liver"));
    // From inside: adds what lies outside.
    let path = polyline(&[(15.0, 5.0), (30.0, 5.0), (30.0, 15.0), (15.0, 15.0)], 9.0);
    drag(&mut pen, &mut session, &view, KEYS, &path);
    near(area_at(&session, 9.0), 500.0, 1e-6);
    // From outside across: cuts.
    let path = polyline(&[(-5.0, 5.0), (10.0, 5.0), (10.0, 15.0), (-5.0, 15.0)], 9.0);
    drag(&mut pen, &mut session, &view, KEYS, &path);
    near(area_at(&session, 9.0), 400.0, 1e-6);
    // Apart: a new piece.
    let path = polyline(&[(-40.0, -40.0), (-30.0, -40.0), (-30.0, -30.0), (-40.0, -30.0)], 9.0);
    drag(&mut pen, &mut session, &view, KEYS, &path);
    near(area_at(&session, 9.0), 500.0, 1e-6);
    assert_eq!(roi(&session).planes[0].polygons.len(), 2);
    // A click, a line without area: nothing.
    let click = drag(&mut pen, &mut session, &view, KEYS, &[p(3.0, 3.0, 9.0)]);
    let back = drag(&mut pen, &mut session, &view, KEYS, &line(p(40.0, 0.0, 9.0), p(40.0, 9.0, 9.0), 4));
    assert_eq!((click.command, back.command), (None, None));
}

#[test]
fn across_the_slices_freehand_cuts_a_slab() {
    let mut session = session_with(axial_series(), &["Liver"]);
    for slice in 2..8 {
        session.apply(draw(&session, "Liver", slice, vec![square(0.0, 0.0, 40.0)])).unwrap();
    }
    let mut pen = tools(ToolKind::Freehand, 1.0);
    pen.freehand.set_thickness_mm(6.0);
    // In the sagittal view: from outside, over slices 3 to 5 (z 9 to 15), y from -25 to 0.
    let corners = [(-25.0, 8.0), (0.0, 8.0), (0.0, 16.0), (-25.0, 16.0)];
    let path: Vec<Point3> = corners
        .windows(2)
        .flat_map(|ends| line(p(1.0, ends[0].0, ends[0].1), p(1.0, ends[1].0, ends[1].1), 8))
        .collect();
    drag(&mut pen, &mut session, &sagittal(1.0), KEYS, &path);
    for slice in 2..8_u32 {
        let cut = if (3..6).contains(&slice) { 6.0 * 20.0 } else { 0.0 };
        near(area_at(&session, f64::from(slice) * 3.0), 1600.0 - cut, 1e-6);
    }
}

#[test]
fn no_gesture_leaves_anything_thinner_than_a_pixel() {
    let mut session = session_with(axial_series(), &["Liver"]);
    session.apply(draw(&session, "Liver", 3, vec![square(0.0, 0.0, 40.0)])).unwrap();
    // Leaves a strip of 0.4 mm along the upper edge, and the lower part.
    let path = line(p(-40.0, 14.6, 9.0), p(40.0, 14.6, 9.0), 9);
    drag(&mut tools(ToolKind::Eraser, 5.0), &mut session, &axial(9.0), KEYS, &path);
    assert_eq!(roi(&session).planes[0].polygons.len(), 1);
    near(area_at(&session, 9.0), 40.0 * 29.6, 0.002);
    // At its poles a ball's disc is smaller than a pixel: no such piece.
    session.undo().unwrap();
    drag(&mut tools(ToolKind::Brush, 6.01), &mut session, &sagittal(0.0), KEYS, &[p(0.0, 0.0, 30.0)]);
    let least = roi(&session).planes.iter().flat_map(|plane| &plane.polygons).map(Polygon::area_mm2);
    assert!(least.fold(f64::MAX, f64::min) >= PI / 4.0);
}

#[test]
fn a_thousand_strokes_leave_other_slices_and_pieces_as_they_are() {
    let mut session = session_with(axial_series(), &["Liver"]);
    let far = square(40.0 + 1e-4, -40.0, 7.0);
    for slice in [2, 3, 4] {
        session.apply(draw(&session, "Liver", slice, vec![square(0.0, 0.0, 20.0), far.clone()])).unwrap();
    }
    let before = Arc::clone(session.selected().unwrap());
    let mut brush = tools(ToolKind::Brush, 4.0);
    for stroke in 0..1000_u32 {
        let angle = f64::from(stroke) * 2.4;
        let at = p(angle.cos() * 12.0, angle.sin() * 12.0, 9.0);
        brush.choose(if stroke % 2 == 0 { ToolKind::Brush } else { ToolKind::Eraser });
        brush.event(&session, &axial(9.0), ToolEvent::Press(at, KEYS));
        brush.event(&session, &axial(9.0), ToolEvent::Drag(at + Vector3::new(1.0, 2.0, 0.0)));
        let done = brush.event(&session, &axial(9.0), ToolEvent::Release(at + Vector3::new(1.0, 2.0, 0.0)));
        if let Some(command) = done.command {
            session.apply(command).unwrap();
        }
    }
    let after = session.selected().unwrap();
    assert!(
        Arc::ptr_eq(&before.planes[0], &after.planes[0]) && Arc::ptr_eq(&before.planes[2], &after.planes[2])
    );
    assert!(after.planes[1].polygons.contains(&before.planes[1].polygons[1]), "the far piece, bit by bit");
    check_polygons(&after.planes[1].polygons);
    assert!(after.planes[1].vertex_count() < 1500, "{}", after.planes[1].vertex_count());
}

#[test]
fn the_cursor_follows_the_state() {
    let mut session = session_with(axial_series(), &["Liver"]);
    session.apply(draw(&session, "Liver", 3, vec![square(0.0, 0.0, 20.0)])).unwrap();
    let view = axial(9.0);
    let mut brush = tools(ToolKind::Brush, 8.0);
    let at = p(1.0, 2.0, 9.0);
    brush.event(&session, &view, ToolEvent::Hover(at, KEYS));
    let cursor = brush.cursor(&session);
    assert_eq!(cursor.shape, CursorShape::Circle { center: at, radius_mm: 8.0 });
    assert_eq!((cursor.sign, cursor.color), (Some(Sign::Add), Some(session.selected().unwrap().color)));
    brush.event(&session, &view, ToolEvent::Hover(at, CTRL));
    assert_eq!(brush.cursor(&session).sign, Some(Sign::Cut));
    brush.event(&session, &view, ToolEvent::Leave);
    assert_eq!(brush.cursor(&session).shape, CursorShape::Arrow);

    let mut pen = tools(ToolKind::Freehand, 8.0);
    pen.event(&session, &view, ToolEvent::Press(p(-30.0, 0.0, 9.0), KEYS));
    assert_eq!(pen.cursor(&session).sign, Some(Sign::Add));
    pen.event(&session, &view, ToolEvent::Drag(p(0.0, 0.0, 9.0)));
    assert_eq!(pen.cursor(&session).sign, Some(Sign::Cut));

    let mut delete = tools(ToolKind::DeleteContour, 8.0);
    delete.event(&session, &view, ToolEvent::Hover(at, KEYS));
    assert_eq!(delete.cursor(&session).sign, Some(Sign::Cut));
    drag(&mut delete, &mut session, &view, KEYS, &[at]);
    assert!(session.selected().unwrap().planes.is_empty());
    assert_eq!(session.undo_name(), Some("Delete contour on Liver"));
}

#[test]
fn delete_contour_deletes_what_the_cursor_shows_a_piece_or_a_hole() {
    let mut session = session_with(axial_series(), &["Rectum"]);
    let hole = |x, y, side| square(x, y, side).outer.into_iter().rev().collect::<Vec<_>>();
    let wall = Polygon { outer: square(0.0, 0.0, 40.0).outer, holes: vec![hole(0.0, 0.0, 20.0)] };
    let beside = square(35.0, 0.0, 10.0);
    session.apply(draw(&session, "Rectum", 3, vec![wall.clone(), beside.clone()])).unwrap();
    for view in [axial(9.0), sagittal(1.0)] {
        let mut delete = tools(ToolKind::DeleteContour, 1.0);
        let in_hole = p(1.0, 2.0, 9.0);
        delete.event(&session, &view, ToolEvent::Hover(in_hole, KEYS));
        let cursor = delete.cursor(&session);
        assert_eq!((cursor.sign, cursor.label.as_deref()), (Some(Sign::Cut), Some("Rectum: delete hole")));
        let shown: Vec<_> = delete.doomed(&session).iter().map(Point3::xy).collect();
        assert_eq!(shown, wall.holes[0], "the ring that goes is shown");
        drag(&mut delete, &mut session, &view, KEYS, &[in_hole]);
        assert_eq!(roi(&session).planes[0].polygons, [square(0.0, 0.0, 40.0), beside.clone()]);
        assert_eq!(session.undo_name(), Some("Delete hole on Rectum"));
        session.undo().unwrap();

        let in_wall = p(1.0, 15.0, 9.0);
        delete.event(&session, &view, ToolEvent::Hover(in_wall, KEYS));
        let cursor = delete.cursor(&session);
        assert_eq!((cursor.sign, cursor.label.as_deref()), (Some(Sign::Cut), Some("Rectum: delete contour")));
        assert_eq!(delete.doomed(&session).len(), 4);
        drag(&mut delete, &mut session, &view, KEYS, &[in_wall]);
        assert_eq!(roi(&session).planes[0].polygons, std::slice::from_ref(&beside));
        session.undo().unwrap();

        let outside = p(1.0, 25.0, 9.0);
        delete.event(&session, &view, ToolEvent::Hover(outside, KEYS));
        let cursor = delete.cursor(&session);
        assert_eq!((cursor.sign, cursor.label.as_deref()), (None, Some("Rectum")));
        assert!(delete.doomed(&session).is_empty());
    }
}

#[test]
fn a_dropped_or_refused_press_deletes_nothing_later() {
    let mut session = session_with(axial_series(), &["Liver", "Spleen"]);
    for name in ["Liver", "Spleen"] {
        session.apply(draw(&session, name, 3, vec![square(0.0, 0.0, 20.0)])).unwrap();
    }
    let (view, at) = (axial(9.0), p(1.0, 2.0, 9.0));
    let (liver, spleen) = (id(&session, "Liver"), id(&session, "Spleen"));
    session.apply(Command::SetLock { roi: spleen, locked: true }).unwrap();
    session.select(Some(liver));
    let mut delete = tools(ToolKind::DeleteContour, 8.0);
    let press = ToolEvent::Press(at, KEYS);
    for drop in [
        &(|tools: &mut Tools, session: &Session| {
            tools.event(session, &view, ToolEvent::Escape);
        }) as &dyn Fn(&mut Tools, &Session),
        &|tools: &mut Tools, _: &Session| tools.cancel(),
        &|tools: &mut Tools, _: &Session| {
            tools.choose(ToolKind::Navigate);
            tools.choose(ToolKind::DeleteContour);
        },
    ] {
        delete.event(&session, &view, press);
        assert!(delete.is_busy());
        drop(&mut delete, &session);
        assert!(!delete.is_busy());
        assert_eq!(delete.event(&session, &view, ToolEvent::Release(at)), Reaction::default());
    }
    // A release that never came, then a press that is refused.
    delete.event(&session, &view, press);
    session.select(Some(spleen));
    assert_eq!(delete.event(&session, &view, ToolEvent::Release(at)).command, None, "another is selected");
    session.select(Some(liver));
    delete.event(&session, &view, press);
    session.select(Some(spleen));
    assert!(delete.event(&session, &view, press).message.is_some() && !delete.is_busy());
    assert_eq!(delete.event(&session, &view, ToolEvent::Release(at)).command, None);
}

#[test]
fn crosshair_and_ruler_change_no_structure() {
    let session = session_with(axial_series(), &["Liver"]);
    let view = axial(9.0);
    let mut tools = Tools::default();
    let at = p(3.0, 4.0, 9.0);
    assert_eq!(tools.event(&session, &view, ToolEvent::Press(at, KEYS)).crosshair, Some(at));
    assert_eq!(tools.event(&session, &view, ToolEvent::Hover(at, KEYS)).crosshair, None);
    tools.choose(ToolKind::Ruler);
    tools.event(&session, &view, ToolEvent::Press(p(0.0, 0.0, 9.0), KEYS));
    tools.event(&session, &view, ToolEvent::Drag(at));
    tools.event(&session, &view, ToolEvent::Release(at));
    let lengths: Vec<f64> = tools.ruler.rulers().map(super::Ruler::length_mm).collect();
    assert!(lengths.len() == 1 && (lengths[0] - 5.0).abs() < 1e-12);
    tools.event(&session, &view, ToolEvent::Press(at, KEYS));
    tools.event(&session, &view, ToolEvent::Release(at));
    assert_eq!(tools.ruler.rulers().count(), 0, "a click clears");
}

#[test]
fn as_many_steps_back_lead_to_the_size_one_came_from() {
    // Rungs come back to the bit; what was typed between two rungs to rounding.
    for rung in [0.5, 3.0, 7.5, 8.0, 9.0, 15.0, 16.0, 18.0, 30.0, 32.0, 36.0, 64.0, 72.0] {
        for steps in 1..6 {
            assert_eq!(stepped(stepped(rung, steps), -steps).to_bits(), f64::to_bits(rung), "{rung}");
        }
    }
    for size in [0.7, 7.9, 8.3, 11.1, 15.99, 33.3, 63.9] {
        let mut now = size;
        for step in [1, 1, 1, -1, -1, -1] {
            now = stepped(now, step);
        }
        assert!((now - size).abs() < 1e-9, "{size} came back as {now}");
        assert!(stepped(size, 1) > size && stepped(size, -1) < size);
    }
    let rungs: Vec<f64> = (0..5).map(|steps| stepped(7.0, steps)).collect();
    assert_eq!(rungs, [7.0, 7.5, 8.0, 9.0, 10.0]);
    assert!(stepped(80.0, i32::MAX).is_finite() && stepped(0.5, i32::MIN) < 0.0, "limits are the tool's");
}

#[test]
fn the_brush_grows_and_shrinks_within_bounds() {
    let mut tools = tools(ToolKind::Brush, 8.0);
    tools.brush.resize(1);
    assert!(tools.brush.radius_mm() > 8.0);
    tools.brush.resize(-1000);
    assert!((tools.brush.radius_mm() - 0.5).abs() < 1e-12);
    tools.brush.set_radius_mm(f64::NAN);
    assert!((tools.brush.radius_mm() - 0.5).abs() < 1e-12);
}
