//! Every tool in a view that is neither along the slices nor square to them, on an oblique series with
//! even and with uneven slices: what it does against closed forms, and what must hold of every edit.

use super::*;
use crate::edit::{GrowRange, ValueRange};
use crate::geometry::{Point2, Rotation3, Vector2, section};
use crate::tools::{BrushReach, FreehandMode, KeepPieces, Method, SegmentSettings, ShapeKind, Within};

/// A session with a locked neighbour, and a view through the middle of its images, turned about two
/// axes: its normal is 40 degrees off the slices'.
struct Stage {
    session: Session,
    view: ViewPlane,
    center: Point3,
}

impl Stage {
    fn new(series: Series, axes: [Vector3; 3]) -> Self {
        let center = series.volume.grid.patient_of([30.0, 40.0, 7.0]);
        let turn = Rotation3::new(axes[1] * 0.4) * Rotation3::new(axes[0] * 0.6);
        let plane = Plane::new(center, turn * axes[0], turn * axes[1]).unwrap();
        let mut session = session_with(series, &["Fixed", "Node"]);
        let on = session.series().volume.slices[7].plane.project(center);
        session.apply(draw(&session, "Fixed", 7, vec![square(on.x + 4.0, on.y, 10.0)])).unwrap();
        let fixed = id(&session, "Fixed");
        session.apply(Command::SetLock { roi: fixed, locked: true }).unwrap();
        session.select(Some(id(&session, "Node")));
        Self { session, view: ViewPlane { plane, pixel_mm: 0.5 }, center }
    }

    fn even() -> Self {
        let (axes, series) = oblique_series();
        Self::new(series, axes)
    }

    /// The slices between 1.7 and 3.3 mm apart.
    fn uneven() -> Self {
        let (axes, mut series) = oblique_series();
        for (k, slice) in (0..14_u32).zip(&mut Arc::make_mut(&mut series.volume).slices) {
            let by = if k == 7 { 0.0 } else { 0.4 * (f64::from(k) * 2.3).sin() };
            slice.plane = slice.plane.at_offset(slice.plane.offset_mm() + by);
            slice.origin_mm += axes[2] * by;
        }
        Self::new(series, axes)
    }

    /// With an image: a ball of 100 HU and this radius around the middle, 0 around it.
    fn with_ball(radius_mm: f64) -> Self {
        let (axes, mut series) = oblique_series();
        let volume = Arc::make_mut(&mut series.volume);
        let center = volume.grid.patient_of([30.0, 40.0, 7.0]);
        let [nx, ny, _] = volume.grid.dims();
        let value = |at: usize| {
            let voxel = [at % nx, at / nx % ny, at / (nx * ny)].map(|n| n as f64);
            let off = (volume.grid.patient_of(voxel) - center).norm() - radius_mm;
            #[expect(clippy::cast_possible_truncation, reason = "HU")]
            let value = (50.0 - 50.0 * off.clamp(-1.0, 1.0)).round() as i16;
            value
        };
        volume.voxels = Voxels::I16((0..volume.grid.len()).map(value).collect());
        Self::new(series, axes)
    }

    /// A point of the view, mm to the right and down from the middle.
    fn at(&self, right: f64, down: f64) -> Point3 {
        self.center + self.view.plane.u() * right + self.view.plane.v() * down
    }

    fn path(&self, corners: &[(f64, f64)]) -> Vec<Point3> {
        let ends = corners.windows(2);
        ends.flat_map(|ends| line(self.at(ends[0].0, ends[0].1), self.at(ends[1].0, ends[1].1), 12)).collect()
    }

    fn circle(&self, radius: f64) -> Vec<Point3> {
        let at = |n: u32| (f64::from(n) * PI / 60.0).sin_cos();
        (0..=120).map(at).map(|(sin, cos)| self.at(radius * cos, radius * sin)).collect()
    }

    /// The selected structure's volume, mm3.
    fn mm3(&self) -> f64 {
        roi(&self.session).volume_cc(&self.session.series().volume) * 1000.0
    }

    /// What the view shows of the selected structure, mm to the right and down from the middle.
    fn shown(&self) -> Vec<Polygon> {
        let slabs = roi(&self.session).slabs(Some(&self.session.series().volume));
        let middle = self.view.plane.project(self.center);
        let mut shown = section::cut(&slabs, &self.view.plane);
        for piece in &mut shown {
            for ring in std::iter::once(&mut piece.outer).chain(&mut piece.holes) {
                ring.iter_mut().for_each(|point| *point = Point2::from(*point - middle));
            }
        }
        shown
    }

    fn shown_mm2(&self) -> f64 {
        self.shown().iter().map(Polygon::area_mm2).sum()
    }

    /// How far what is shown reaches to the left and to the right, mm.
    fn reach(&self) -> (f64, f64) {
        let shown = self.shown();
        let across = shown.iter().flat_map(|piece| &piece.outer).map(|point| point.x);
        across.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)))
    }

    /// The middle of the selected structure.
    fn middle(&self) -> Point3 {
        let volume = &self.session.series().volume;
        let (mut sum, mut weight) = (Vector3::zeros(), 0.0);
        for own in &roi(&self.session).planes {
            let slice = volume.slice_of(&own.plane).unwrap();
            for ring in own.polygons.iter().flat_map(Polygon::rings) {
                let area = ring_area(ring) * volume.slice_thickness_mm(slice);
                sum += own.plane.lift(middle_of(ring)).coords * area;
                weight += area;
            }
        }
        Point3::from(sum / weight)
    }

    fn ball(&mut self, radius: f64) {
        let center = self.center;
        drag(&mut tools(ToolKind::Brush, radius), &mut self.session, &self.view, KEYS, &[center]);
    }

    /// A gesture that edits, with what holds of every edit.
    fn stroke(&mut self, tools: &mut Tools, keys: Modifiers, path: &[Point3]) -> Reaction {
        let before = self.session.structures().clone();
        let steps = self.session.history().done();
        let reaction = drag(tools, &mut self.session, &self.view, keys, path);
        assert!(reaction.command.is_some(), "{:?}", reaction.message);
        self.check_edit(&before, steps);
        reaction
    }

    /// One undo step, simple outlines, the neighbour as it was; undone it is as before bit for bit, and
    /// done again as after.
    fn check_edit(&mut self, before: &crate::patient::StructureSet, steps: usize) {
        assert_eq!(self.session.history().done(), steps + 1, "one undo step");
        for own in &roi(&self.session).planes {
            check_polygons(&own.polygons);
            assert!(!own.polygons.iter().flat_map(Polygon::rings).any(|ring| has_needle(ring)));
            assert!(self.session.series().volume.slice_of(&own.plane).is_some(), "on a slice");
        }
        let (old, new) = (before.roi_named("Fixed"), self.session.structures().roi_named("Fixed"));
        assert_eq!(old.unwrap().planes, new.unwrap().planes, "the neighbour is locked");
        let after = self.session.structures().clone();
        self.session.undo().unwrap();
        assert_eq!(plain(self.session.structures()), plain(before));
        self.session.redo().unwrap();
        assert_eq!(plain(self.session.structures()), plain(&after));
    }

    /// Takes over all that is suggested.
    fn take_all(&mut self, tools: &Tools) {
        let before = self.session.structures().clone();
        let steps = self.session.history().done();
        self.session.apply(tools.suggestion().unwrap().command(None).unwrap()).unwrap();
        self.check_edit(&before, steps);
    }

    /// A click that ends no gesture.
    fn click(&self, tools: &mut Tools, at: Point3) {
        tools.event(&self.session, &self.view, ToolEvent::Hover(at, KEYS));
        tools.event(&self.session, &self.view, ToolEvent::Press(at, KEYS));
        assert_eq!(tools.event(&self.session, &self.view, ToolEvent::Release(at)).command, None);
        check(tools, &self.session);
    }
}

fn middle_of(ring: &[Point2]) -> Point2 {
    let (mut sum, mut twice) = (Vector2::zeros(), 0.0);
    for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        let (a, b) = (a - ring[0], b - ring[0]);
        let cross = a.perp(&b);
        sum += (a + b) * cross / 3.0;
        twice += cross;
    }
    ring[0] + sum / twice
}

/// Whether a ring goes out and back with less than a hundredth of a millimetre between.
fn has_needle(ring: &[Point2]) -> bool {
    let count = ring.len();
    (0..count).any(|n| {
        let (back, on) = (ring[(n + count - 1) % count] - ring[n], ring[(n + 1) % count] - ring[n]);
        let (short, long) = (back.norm().min(on.norm()), back.norm().max(on.norm()));
        short > 0.2 && back.dot(&on) > 0.0 && back.perp(&on).abs() < 0.01 * long
    })
}

/// A view between slices nearly 4 mm apart shows what they say, joined straight: within so much of the
/// shape itself.
const SHOWN: f64 = 0.08;

fn sphere(radius: f64) -> f64 {
    4.0 / 3.0 * PI * radius.powi(3)
}

fn stages() -> [Stage; 2] {
    [Stage::even(), Stage::uneven()]
}

#[test]
fn brush_and_eraser_are_balls_or_slabs_along_the_view() {
    for mut stage in stages() {
        let center = stage.center;
        stage.stroke(&mut tools(ToolKind::Brush, 9.0), KEYS, &[center]);
        near(stage.mm3(), sphere(9.0), 0.03);
        near(stage.shown_mm2(), PI * 81.0, SHOWN);
        stage.stroke(&mut tools(ToolKind::Eraser, 5.0), KEYS, &[center]);
        near(stage.mm3(), sphere(9.0) - sphere(5.0), 0.04);
        stage.session.undo().unwrap();
        stage.session.undo().unwrap();
        // A stroke: a capsule, whatever its direction in the view.
        let path = line(stage.at(-5.0, 4.0), stage.at(5.0, -4.0), 9);
        let length = (path[9] - path[0]).norm();
        stage.stroke(&mut tools(ToolKind::Brush, 6.0), KEYS, &path);
        near(stage.mm3(), sphere(6.0) + PI * 36.0 * length, 0.03);
        stage.session.undo().unwrap();
        let mut slab = tools(ToolKind::Brush, 8.0);
        slab.brush.set_reach(BrushReach::Slab);
        slab.brush.set_thickness_mm(9.0);
        stage.stroke(&mut slab, KEYS, &[center]);
        near(stage.mm3(), PI * 64.0 * 9.0, 0.05);
        // Uneven slices may meet it within its rim only.
        near(stage.shown_mm2(), PI * 64.0, 2.0 * SHOWN);
    }
}

#[test]
fn closed_lines_act_on_a_slab_along_the_view() {
    for mut stage in stages() {
        let thick = |kind: ToolKind| {
            let mut tools = tools(kind, 1.0);
            tools.freehand.set_thickness_mm(9.0);
            tools
        };
        let corners = [(-10.0, -8.0), (10.0, -8.0), (10.0, 8.0), (-10.0, 8.0), (-10.0, -7.5)];
        let path = stage.path(&corners);
        stage.stroke(&mut thick(ToolKind::Freehand), KEYS, &path);
        near(stage.mm3(), 320.0 * 9.0, 0.05);
        near(stage.shown_mm2(), 320.0, SHOWN);
        // From outside across: what was drawn over comes off.
        let corners = [(-14.0, -12.0), (0.0, -12.0), (0.0, 12.0), (-14.0, 12.0)];
        let path = stage.path(&corners);
        stage.stroke(&mut thick(ToolKind::Freehand), KEYS, &path);
        near(stage.mm3(), 160.0 * 9.0, 0.05);
        stage.session.undo().unwrap();
        stage.session.undo().unwrap();
        for (kind, wanted) in [(ShapeKind::Rectangle, 240.0), (ShapeKind::Ellipse, PI * 60.0)] {
            let mut shape = thick(ToolKind::Shape);
            shape.shape.set_kind(kind);
            let path = [stage.at(-10.0, -6.0), stage.at(1.0, 2.0), stage.at(10.0, 6.0)];
            stage.stroke(&mut shape, KEYS, &path);
            near(stage.mm3(), wanted * 9.0, 0.05);
            stage.session.undo().unwrap();
        }
        let mut polygon = thick(ToolKind::Shape);
        for (right, down) in [(-9.0, -9.0), (9.0, -9.0), (9.0, 9.0)] {
            stage.click(&mut polygon, stage.at(right, down));
        }
        let before = stage.session.structures().clone();
        let steps = stage.session.history().done();
        stage.session.apply(polygon.finish(&stage.session).command.unwrap()).unwrap();
        stage.check_edit(&before, steps);
        near(stage.mm3(), 162.0 * 9.0, 0.05);
    }
}

#[test]
fn a_line_replaces_a_part_of_what_the_view_shows() {
    for mut stage in stages() {
        stage.ball(12.0);
        let (before, shown) = (stage.mm3(), stage.shown_mm2());
        let mut pen = tools(ToolKind::Freehand, 1.0);
        pen.freehand.set_mode(FreehandMode::Replace);
        pen.freehand.set_thickness_mm(8.0);
        // Out from the outline, along a circle of 15 mm, and back onto it.
        let on = |radius: f64, angle: f64| stage.at(radius * angle.cos(), radius * angle.sin());
        let arc = (0..=20_u32).map(|n| on(15.0, f64::from(n) * 0.06 - 0.6));
        let path: Vec<Point3> = [on(11.8, -0.6)].into_iter().chain(arc).chain([on(11.8, 0.6)]).collect();
        stage.stroke(&mut pen, KEYS, &path);
        near(stage.shown_mm2() - shown, 0.6 * (225.0 - 144.0), 0.3);
        let (left, right) = stage.reach();
        assert!(right > 14.0 && left > -13.0, "{left} to {right}");
        assert!(stage.mm3() > before + 0.6 * 81.0 * 8.0 * 0.8);
    }
}

#[test]
fn push_and_smooth_change_the_outline_under_the_tool_only() {
    for mut stage in stages() {
        stage.ball(11.0);
        let (before, reach) = (stage.mm3(), stage.reach());
        let out = line(stage.at(7.0, 0.0), stage.at(13.0, 0.0), 10);
        stage.stroke(&mut tools(ToolKind::Push, 7.0), KEYS, &out);
        assert!(stage.mm3() > before * 1.01, "{} after {before}", stage.mm3());
        let pushed = stage.reach();
        assert!(pushed.1 > reach.1 + 0.5 && (pushed.0 - reach.0).abs() < 1e-3, "{pushed:?} after {reach:?}");
        stage.session.undo().unwrap();
        let inward = line(stage.at(15.0, 0.0), stage.at(9.0, 0.0), 10);
        stage.stroke(&mut tools(ToolKind::Push, 7.0), KEYS, &inward);
        assert!(stage.mm3() < before * 0.99);
        stage.session.undo().unwrap();
        // A block's corner is smoothed, its far end not.
        stage.session.undo().unwrap();
        let mut shape = tools(ToolKind::Shape, 1.0);
        shape.shape.set_kind(ShapeKind::Rectangle);
        shape.freehand.set_thickness_mm(12.0);
        let path = [stage.at(-11.0, -8.0), stage.at(0.0, 0.0), stage.at(11.0, 8.0)];
        stage.stroke(&mut shape, KEYS, &path);
        let (before, reach) = (stage.mm3(), stage.reach());
        let rub = line(stage.at(11.0, -5.0), stage.at(11.0, 5.0), 8);
        stage.stroke(&mut tools(ToolKind::Smooth, 5.0), KEYS, &rub);
        near(stage.mm3(), before, 0.05);
        assert!((stage.reach().0 - reach.0).abs() < 1e-3);
    }
}

#[test]
fn a_line_splits_what_it_crosses_and_nothing_is_lost() {
    for mut stage in stages() {
        stage.ball(11.0);
        let before = stage.mm3();
        let mut knife = tools(ToolKind::Knife, 1.0);
        knife.freehand.set_thickness_mm(200.0);
        let path = line(stage.at(0.0, -34.0), stage.at(0.0, 34.0), 4);
        stage.stroke(&mut knife, KEYS, &path);
        // What is thinner than a pixel is tidied away.
        near(stage.mm3(), before, 2e-3);
        let pieces: Vec<usize> = roi(&stage.session).planes.iter().map(|own| own.polygons.len()).collect();
        assert!(pieces.iter().filter(|count| **count == 2).count() >= 5, "{pieces:?}");
        // To the left and to the right of the drawn line: nothing lies on both sides.
        let (center, view) = (stage.center, stage.view.plane);
        for own in &roi(&stage.session).planes {
            let slice_pieces = own.polygons.iter().filter(|_| own.polygons.len() == 2);
            for piece in slice_pieces {
                let right = |p: &Point2| view.u().dot(&(own.plane.lift(*p) - center));
                let sides =
                    piece.outer.iter().map(right).fold((0.0_f64, 0.0_f64), |(l, h), x| (l.min(x), h.max(x)));
                assert!(sides.0.abs().min(sides.1.abs()) < 0.5, "{sides:?}");
            }
        }
    }
}

#[test]
fn a_point_of_a_slices_outline_is_dragged_where_the_view_meets_it() {
    for mut stage in stages() {
        stage.ball(11.0);
        let mut points = tools(ToolKind::Points, 5.0);
        points.freehand.set_thickness_mm(6.0);
        let wanted = stage.at(10.8, 0.0);
        points.event(&stage.session, &stage.view, ToolEvent::Hover(wanted, KEYS));
        let shown = points.anchors().to_vec();
        assert!(shown.iter().all(|point| stage.view.plane.distance_mm(*point).abs() < 1e-6));
        let near_to = |point: &&Point3| (**point - wanted).norm();
        let held = *shown.iter().min_by(|a, b| near_to(a).total_cmp(&near_to(b))).unwrap();
        let before = Arc::clone(stage.session.selected().unwrap());
        let by = stage.view.plane.u() * 3.0;
        stage.stroke(&mut points, KEYS, &line(held, held + by, 4));
        let changed: Vec<_> = roi(&stage.session)
            .planes
            .iter()
            .filter_map(|own| {
                let old = before.plane_at(&own.plane).unwrap();
                (old.polygons != own.polygons).then_some((old, own))
            })
            .collect();
        let [(old, own)] = changed[..] else { panic!("one slice changes, not {}", changed.len()) };
        assert!(own.plane.distance_mm(held).abs() < 0.01);
        // What of the drag lies in the slice bends the outline; the integral of (1 - s^2)^2 is 16/15.
        let outward = (own.plane.project(held) - own.plane.project(stage.center)).normalize();
        let in_plane = Vector2::new(own.plane.u().dot(&by), own.plane.v().dot(&by));
        near(own.area_mm2() - old.area_mm2(), in_plane.dot(&outward) * 3.0 * 16.0 / 15.0, 0.06);
        let inserted = drag(&mut points, &mut stage.session, &stage.view, CTRL, &[held]);
        assert!(inserted.message.is_some_and(|text| text.contains("on the slices themselves")));
    }
}

#[test]
fn structures_and_contours_are_moved_and_scaled() {
    for mut stage in stages() {
        stage.ball(8.0);
        let (before, middle) = (stage.mm3(), stage.middle());
        let mut hold = tools(ToolKind::Transform, 1.0);
        hold.transform.set_whole(true);
        let path = line(stage.at(0.0, 0.0), stage.at(5.0, 3.0), 4);
        stage.stroke(&mut hold, KEYS, &path);
        near(stage.mm3(), before, 0.03);
        // Along the slices exactly, across them by whole slices.
        let off = stage.middle() - middle - (path[4] - path[0]);
        let normal = stage.session.series().volume.slices[7].plane.normal();
        let across = normal.dot(&off);
        assert!((off - normal * across).norm() < 0.1 && across.abs() < 1.7, "{off}");
        stage.session.undo().unwrap();
        // By a corner of its frame, in the view's two directions.
        hold.event(&stage.session, &stage.view, ToolEvent::Hover(stage.center, KEYS));
        let [low, _, high, _] = hold.anchors()[..] else { panic!("four corners") };
        stage.stroke(&mut hold, KEYS, &line(high, high + (high - low) * 0.2, 4));
        near(stage.mm3(), before * 1.44, 0.1);
        stage.session.undo().unwrap();
        // One contour goes within its slice.
        hold.transform.set_whole(false);
        let volume = Arc::clone(&stage.session.series().volume);
        let slice = volume.slices[7].plane;
        let own = |stage: &Stage| roi(&stage.session).plane_at(&slice).unwrap().polygons[0].clone();
        let old = own(&stage);
        stage.stroke(&mut hold, KEYS, &path);
        let by = middle_of(&own(&stage).outer) - middle_of(&old.outer);
        let whole = path[4] - path[0];
        let wanted = Vector2::new(slice.u().dot(&whole), slice.v().dot(&whole));
        assert!((by - wanted).norm() < 1e-3, "{by} instead of {wanted}");
        near(stage.mm3(), before, 1e-4);
    }
}

#[test]
fn a_contour_is_deleted_where_it_is_clicked() {
    for mut stage in stages() {
        stage.ball(8.0);
        let count = roi(&stage.session).planes.len();
        let at = stage.at(1.0, 1.0);
        stage.stroke(&mut tools(ToolKind::DeleteContour, 1.0), KEYS, &[at]);
        assert_eq!(roi(&stage.session).planes.len(), count - 1);
        let slice = &stage.session.series().volume.slices[7].plane;
        assert!(roi(&stage.session).plane_at(slice).is_none(), "the nearest slice's");
    }
}

#[test]
fn what_follows_the_image_follows_it_in_the_view() {
    let mut stage = Stage::with_ball(13.0);
    let mut wire = tools(ToolKind::LiveWire, 1.0);
    wire.freehand.set_thickness_mm(8.0);
    for step in 0..8 {
        let (sin, cos) = (f64::from(step) * PI / 4.0).sin_cos();
        stage.click(&mut wire, stage.at(13.4 * cos, 13.4 * sin));
    }
    let before = stage.session.structures().clone();
    let steps = stage.session.history().done();
    stage.session.apply(wire.finish(&stage.session).command.unwrap()).unwrap();
    stage.check_edit(&before, steps);
    near(stage.mm3(), PI * 169.0 * 8.0, 0.05);
    near(stage.shown_mm2(), PI * 169.0, SHOWN);
    stage.session.undo().unwrap();

    let mut level = tools(ToolKind::Segment, 1.0);
    level.freehand.set_thickness_mm(8.0);
    let settings = SegmentSettings { method: Method::Level, ..level.segment.settings() };
    level.segment.set_settings(&stage.session, settings);
    let at = stage.at(13.0, 0.0);
    stage.stroke(&mut level, KEYS, &[at]);
    near(stage.mm3(), PI * 169.0 * 8.0, 0.05);
    stage.session.undo().unwrap();

    let mut grow = tools(ToolKind::Grow, 1.0);
    let mut growth = grow.grow.growth();
    growth.range = GrowRange::Fixed(ValueRange { low: 50.0, high: 500.0 });
    growth.reach_mm = 30.0;
    grow.grow.set_growth(&stage.session, growth);
    let at = stage.at(2.0, 3.0);
    stage.click(&mut grow, at);
    grow.grow.settle(&stage.session);
    stage.take_all(&grow);
    near(stage.mm3(), sphere(13.0), 0.05);
}

#[test]
fn a_ball_or_a_box_placed_in_the_view_holds_what_was_dragged_over() {
    for within in [Within::Ball, Within::Box] {
        let mut stage = Stage::with_ball(10.0);
        let mut find = tools(ToolKind::Segment, 1.0);
        let settings = SegmentSettings {
            method: Method::Threshold,
            range: Some(ValueRange { low: 50.0, high: 3000.0 }),
            keep: KeepPieces::All,
            within,
            ..find.segment.settings()
        };
        find.segment.set_settings(&stage.session, settings);
        let path = match within {
            Within::Ball => line(stage.center, stage.at(14.0, 0.0), 6),
            _ => line(stage.at(-14.0, -14.0), stage.at(14.0, 14.0), 6),
        };
        drag(&mut find, &mut stage.session, &stage.view, KEYS, &path);
        if let Some(boxed) = find.segment.search_box() {
            for end in [path[0], path[6]] {
                let (at, low, high) = (boxed.coordinates_of(end), boxed.low(), boxed.high());
                assert!(
                    (0..3).all(|n| low[n] - 1e-6 <= at[n] && at[n] <= high[n] + 1e-6),
                    "{at:?} in {boxed:?}"
                );
            }
        }
        find.segment.settle(&stage.session);
        stage.take_all(&find);
        near(stage.mm3(), sphere(10.0), 0.04);
    }
}

#[test]
fn crosshair_and_ruler_keep_to_the_view() {
    let stage = Stage::even();
    let mut tools = Tools::default();
    let at = stage.at(3.0, 4.0);
    let pressed = tools.event(&stage.session, &stage.view, ToolEvent::Press(at, KEYS));
    assert_eq!(pressed.crosshair, Some(at));
    tools.event(&stage.session, &stage.view, ToolEvent::Release(at));
    tools.choose(ToolKind::Ruler);
    tools.event(&stage.session, &stage.view, ToolEvent::Press(stage.center, KEYS));
    tools.event(&stage.session, &stage.view, ToolEvent::Drag(at));
    tools.event(&stage.session, &stage.view, ToolEvent::Release(at));
    let ruler = tools.ruler.rulers().next().unwrap();
    assert!((ruler.length_mm() - 5.0).abs() < 1e-9);
    assert!(ruler.plane.coincides(&stage.view.plane, 1e-6));
}

#[test]
fn a_guide_drawn_in_the_view_is_kept_on_its_plane() {
    let mut stage = Stage::even();
    let mut pen = tools(ToolKind::Freehand, 1.0);
    pen.between.set_on(true);
    let path = stage.circle(9.0);
    let drawn = drag(&mut pen, &mut stage.session, &stage.view, KEYS, &path);
    assert!(matches!(drawn.command, Some(Command::PutGuide { .. })));
    let guides = pen.between.guides(&stage.session).unwrap();
    assert!(guides.len() == 1 && guides[0].is_on(&stage.view.plane));
    near(guides[0].polygons[0].area_mm2(), PI * 81.0, 0.01);
    assert!(roi(&stage.session).planes.is_empty());
}
