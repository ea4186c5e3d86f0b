//! Where the views are: the shared crosshair, how the planes are turned about it, each view's look, the
//! focus, the maximised view.

use super::pane::{Look, Pane, Stack};
use super::planes::Planes;
use crate::geometry::{Plane, Point2, Point3, Rotation3, Vector3};
use crate::patient::{Roi, RoiPlane, Volume};
use crate::render::{OrbitCamera, ViewKind};
use std::collections::HashMap;

/// Where the views are.
#[derive(Debug)]
pub struct Navigation {
    crosshair_mm: Point3,
    planes: Planes,
    looks: HashMap<ViewKind, Look>,
    /// The 3D camera, its scale in mm per screen point; `None` shows the whole scan.
    pub orbit: Option<OrbitCamera>,
    /// The view that keys act on: the one the pointer was last over, or the one chosen by a key since.
    pub focus: Pane,
    /// Whether the focus was moved by a key since the pointer last moved.
    by_key: bool,
    /// The view that fills the window.
    pub maximised: Option<Pane>,
}

impl Navigation {
    /// In the middle of `volume`, everything in sight.
    #[must_use]
    pub fn new(volume: &Volume) -> Self {
        let mut navigation = Self {
            crosshair_mm: volume.grid.center_mm(),
            planes: Planes::new(volume),
            looks: HashMap::new(),
            orbit: None,
            focus: Pane::Slice(ViewKind::Axial),
            by_key: false,
            maximised: None,
        };
        navigation.go_to(volume.grid.center_mm());
        navigation
    }

    /// The point all views go through.
    #[must_use]
    pub fn crosshair_mm(&self) -> Point3 {
        self.crosshair_mm
    }

    /// What the view of `kind` steps through.
    #[must_use]
    pub fn stack(&self, kind: ViewKind) -> &Stack {
        self.planes.stack(kind)
    }

    /// Moves the crosshair; while a view shows the series' slices it snaps to one along their normal,
    /// so that the contours' own planes are shown.
    pub fn go_to(&mut self, point_mm: Point3) {
        self.crosshair_mm = self.planes.shown_slices().map_or(point_mm, |stack| stack.snapped(point_mm));
    }

    /// How the three planes together are turned from the plain views.
    #[must_use]
    pub fn turn(&self) -> Rotation3 {
        self.planes.turn()
    }

    /// Whether the planes are turned.
    #[must_use]
    pub fn is_turned(&self) -> bool {
        self.planes.turn() != Rotation3::identity()
    }

    /// How the picture of the view of `kind` is turned; `None` while it shows the plain plane.
    #[must_use]
    pub fn turn_of(&self, kind: ViewKind) -> Option<&Rotation3> {
        self.planes.of(kind)
    }

    /// The normal of a view's plane, away from the viewer.
    #[must_use]
    pub fn normal(&self, kind: ViewKind) -> Vector3 {
        self.planes.normal(kind)
    }

    /// The directions in which the two other planes cut a view's plane.
    #[must_use]
    pub fn lines(&self, kind: ViewKind) -> [Vector3; 2] {
        self.planes.lines(kind)
    }

    /// Whether a view shows the series' slices, on which contours lie, as they are.
    #[must_use]
    pub fn shows_slices(&self) -> bool {
        self.planes.shown_slices().is_some()
    }

    /// Whether one of the views in sight shows this plane.
    #[must_use]
    pub fn shows(&self, plane: &Plane) -> bool {
        let in_sight = |kind: &ViewKind| self.maximised.is_none_or(|pane| pane == Pane::Slice(*kind));
        let along = |kind: ViewKind| self.normal(kind).dot(&plane.normal()).abs() > 1.0 - 1.5e-6;
        plane.distance_mm(self.crosshair_mm).abs() <= 0.01
            && ViewKind::ALL.into_iter().filter(in_sight).any(along)
    }

    /// How far the view of `kind` lies from the middle of the scan, upwards along its normal, mm.
    #[must_use]
    pub fn off_middle_mm(&self, kind: ViewKind) -> f64 {
        self.planes.off_middle_mm(kind, self.crosshair_mm)
    }

    /// Turns the planes to `turn` from the plain views, about the crosshair: in pictures that are
    /// zoomed or panned it stays where it is.
    pub fn set_turn(&mut self, turn: Rotation3) {
        let pivot = self.crosshair_mm;
        let pictures = |planes: &Planes| {
            ViewKind::ALL.map(|kind| planes.of(kind).copied().unwrap_or_else(Rotation3::identity))
        };
        let before = pictures(&self.planes);
        self.planes.set_turn(turn);
        let after = pictures(&self.planes);
        for ((kind, before), after) in ViewKind::ALL.into_iter().zip(before).zip(after) {
            if let Some(look) = self.looks.get_mut(&kind).filter(|_| before != after) {
                look.center_mm = pivot + after * (before.inverse() * (look.center_mm - pivot));
            }
        }
        // Only a view that comes to show slices moves the crosshair, onto the nearest.
        if let Some(slices) = self.planes.shown_slices() {
            let on = slices.snapped(pivot);
            if (on - pivot).norm() > 1e-9 {
                self.crosshair_mm = on;
            }
        }
    }

    /// Turns the planes by `angle` radians about the normal of the view of `kind`, clockwise as it is
    /// seen there, from where they stood at `from` with the crosshair at `at`. The picture of that view
    /// stays as it is.
    pub fn turn_from(&mut self, (from, at): (Rotation3, Point3), kind: ViewKind, angle: f64) {
        self.crosshair_mm = at;
        // The view's own normal is the same before and after.
        self.set_turn(Rotation3::new(self.planes.normal(kind) * angle) * from);
    }

    /// Turns the planes by `angle` radians about the normal of the view of `kind`, clockwise.
    pub fn turn_about(&mut self, kind: ViewKind, angle: f64) {
        self.turn_from((self.turn(), self.crosshair_mm), kind, angle);
    }

    /// Shows the plain planes again.
    pub fn straighten(&mut self) {
        self.set_turn(Rotation3::identity());
    }

    /// Moves along the view's stack to position `index`.
    pub fn go_to_index(&mut self, kind: ViewKind, index: usize) {
        let point = self.stack(kind).at(self.crosshair_mm, index);
        self.go_to(point);
    }

    /// Whether the series' slices are counted upwards: towards head, left or front.
    #[must_use]
    pub fn slices_run_up(&self) -> bool {
        self.planes.slices().is_none_or(|stack| stack.up_is_forward)
    }

    /// Moves `steps` up (towards head, left or front; negative: down) in the view of `kind`.
    pub fn scroll(&mut self, kind: ViewKind, steps: i64) {
        let to = self.stack(kind).scrolled(self.crosshair_mm, steps);
        self.go_to(to);
    }

    /// Moves to slice `index` of the series.
    pub fn go_to_slice(&mut self, index: usize) {
        if let Some(stack) = self.planes.slices() {
            self.crosshair_mm = stack.at(self.crosshair_mm, index);
        }
    }

    /// Moves to the middle of an ROI: the middle one of its planes, and the middle of its box there.
    pub fn go_to_roi(&mut self, roi: &Roi) {
        if let Some(plane) = roi.planes.get(roi.planes.len() / 2) {
            self.go_to_plane(plane);
        }
    }

    /// Moves to where an ROI has contours, no further than it takes. The slice shown stays where it has
    /// one of them, else the nearest that has (of two the lower one) is shown; on it the crosshair moves
    /// only along those axes on which it lies beyond the ROI's box, to the middle of that, so that views
    /// across that meet the ROI stay too. Without contours nothing moves.
    pub fn go_near(&mut self, roi: &Roi) {
        let at = self.crosshair_mm;
        let away = |plane: &RoiPlane| plane.plane.distance_mm(at).abs();
        let drawn = roi.planes.iter().filter_map(|plane| Some((plane, bounds_of(plane)?)));
        let Some((plane, (low, high))) = drawn.min_by(|(a, _), (b, _)| away(a).total_cmp(&away(b))) else {
            return;
        };
        let now = plane.plane.project(at);
        let kept = |now: f64, low: f64, high: f64| {
            if (low..=high).contains(&now) { now } else { low + (high - low) / 2.0 }
        };
        self.go_to(plane.plane.lift(Point2::new(kept(now.x, low.x, high.x), kept(now.y, low.y, high.y))));
    }

    /// Moves to the middle of an ROI's box on one of its planes.
    pub fn go_to_plane(&mut self, plane: &RoiPlane) {
        if let Some((low, high)) = bounds_of(plane) {
            self.go_to(plane.plane.lift(low + (high - low) / 2.0));
        }
    }

    /// How the view of `kind` looks at its plane; `None` shows the whole slice.
    #[must_use]
    pub fn look(&self, kind: ViewKind) -> Option<&Look> {
        self.looks.get(&kind)
    }

    /// Sets how a view looks at its plane.
    pub fn set_look(&mut self, kind: ViewKind, look: Look) {
        self.looks.insert(kind, look);
    }

    /// Shows the whole scan in all views.
    pub fn fit(&mut self) {
        self.looks.clear();
        self.orbit = None;
    }

    /// The slice view that keys act on; the axial one while the focus is on 3D.
    #[must_use]
    pub fn focused_kind(&self) -> ViewKind {
        match self.focus {
            Pane::Slice(kind) => kind,
            Pane::Volume => ViewKind::Axial,
        }
    }

    /// The pointer is over a view, which has the focus then; one at rest (not `moved`) leaves it where a
    /// key has moved it.
    pub fn point_over(&mut self, pane: Pane, moved: bool) {
        self.by_key &= !moved;
        if !self.by_key {
            self.focus = pane;
        }
    }

    /// Moves the focus to the next view, until the pointer moves; a maximised view gives way to it.
    pub fn next_view(&mut self) {
        self.by_key = true;
        let at = Pane::ALL.iter().position(|pane| *pane == self.focus).unwrap_or(0);
        self.focus = Pane::ALL[(at + 1) % Pane::ALL.len()];
        if self.maximised.is_some() {
            self.maximised = Some(self.focus);
        }
    }

    /// Lets the view with the focus fill the window, or all four share it again.
    pub fn toggle_maximised(&mut self, pane: Pane) {
        self.focus = pane;
        self.maximised = if self.maximised.is_some() { None } else { Some(pane) };
    }
}

/// The corners of the box around a plane's contours; `None` without any.
fn bounds_of(plane: &RoiPlane) -> Option<(Point2, Point2)> {
    plane.polygons.iter().filter_map(crate::geometry::Polygon::bounds).reduce(|a, b| {
        (Point2::new(a.0.x.min(b.0.x), a.0.y.min(b.0.y)), Point2::new(a.1.x.max(b.1.x), a.1.y.max(b.1.y)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Polygon, Vector3};
    use crate::patient::{RoiId, RoiPlane};
    use std::sync::Arc;

    fn volume() -> Volume {
        super::super::test_volumes::volume(
            Point3::new(-10.0, -20.0, 5.0),
            [Vector3::x(), Vector3::y() * 2.0, Vector3::z() * 3.0],
            [21, 21, 11],
        )
    }

    #[test]
    fn the_crosshair_stands_on_a_slice() {
        let mut navigation = Navigation::new(&volume());
        navigation.go_to(Point3::new(1.3, 2.4, 12.9));
        assert_eq!(navigation.crosshair_mm(), Point3::new(1.3, 2.4, 14.0));
        navigation.scroll(ViewKind::Coronal, 2);
        assert!((navigation.crosshair_mm().z - 14.0).abs() < 1e-9);
    }

    #[test]
    fn a_plane_is_in_sight_where_a_view_shows_it() {
        let mut navigation = Navigation::new(&volume());
        navigation.go_to(Point3::new(1.0, 2.0, 14.0));
        let sagittal = |x: f64| Plane::new(Point3::new(x, 0.0, 0.0), Vector3::y(), Vector3::z()).unwrap();
        assert!(navigation.shows(&Plane::axial(14.0)) && !navigation.shows(&Plane::axial(17.0)));
        assert!(navigation.shows(&sagittal(1.0)) && !navigation.shows(&sagittal(4.0)));
        navigation.toggle_maximised(Pane::Slice(ViewKind::Axial));
        assert!(navigation.shows(&Plane::axial(14.0)) && !navigation.shows(&sagittal(1.0)));
        navigation.maximised = Some(Pane::Volume);
        assert!(!navigation.shows(&Plane::axial(14.0)));
        navigation.maximised = None;
        navigation.turn_about(ViewKind::Sagittal, 0.2);
        assert!(!navigation.shows(&Plane::axial(14.0)) && navigation.shows(&sagittal(1.0)));
    }

    #[test]
    fn keys_act_on_the_view_under_the_pointer_until_a_key_chooses_another() {
        let mut navigation = Navigation::new(&volume());
        let [coronal, sagittal] = [ViewKind::Coronal, ViewKind::Sagittal].map(Pane::Slice);
        navigation.point_over(coronal, true);
        navigation.point_over(coronal, false);
        assert_eq!(navigation.focus, coronal);
        navigation.next_view();
        navigation.point_over(coronal, false);
        assert_eq!(navigation.focus, sagittal, "the pointer is at rest");
        navigation.point_over(coronal, true);
        assert_eq!(navigation.focus, coronal);
    }

    #[test]
    fn going_to_a_structure_shows_the_middle_of_it() {
        let mut navigation = Navigation::new(&volume());
        let mut roi = Roi::new(RoiId(1), 1, "Lens_L", [0, 0, 0]);
        let square = |x: f64| {
            let ring = [(x, 2.0), (x + 4.0, 2.0), (x + 4.0, 6.0), (x, 6.0)];
            Polygon::from_outer(ring.map(|(x, y)| Point2::new(x, y)).to_vec())
        };
        for z in [8.0, 11.0, 14.0] {
            roi.planes.push(Arc::new(RoiPlane::new(Plane::axial(z), None, vec![square(0.0), square(-6.0)])));
        }
        navigation.go_to_roi(&roi);
        assert_eq!(navigation.crosshair_mm(), Point3::new(-1.0, 4.0, 11.0));
    }

    /// A series along axes of its own.
    fn oblique() -> Volume {
        let turn = Rotation3::from_euler_angles(0.4, -0.3, 0.2);
        let steps = [turn * Vector3::x() * 1.3, turn * Vector3::y() * 0.9, turn * Vector3::z() * 2.5];
        super::super::test_volumes::volume(Point3::new(-10.0, -20.0, 5.0), steps, [30, 40, 14])
    }

    fn frame(volume: &Volume, navigation: &Navigation, kind: ViewKind) -> super::super::pane::PaneFrame {
        let rect = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(400.0, 300.0));
        let at = navigation.crosshair_mm();
        let turned = (kind, navigation.turn_of(kind));
        super::super::pane::PaneFrame::new(volume, turned, at, navigation.look(kind), rect, 1.0)
    }

    #[test]
    fn turned_about_a_view_the_others_turn_and_all_stay_square_through_the_crosshair() {
        for volume in [volume(), oblique()] {
            for held in ViewKind::ALL {
                let mut navigation = Navigation::new(&volume);
                let crosshair = navigation.crosshair_mm();
                let plain = ViewKind::ALL.map(|kind| frame(&volume, &navigation, kind));
                navigation.turn_about(held, 0.3);
                for (kind, before) in ViewKind::ALL.into_iter().zip(plain) {
                    let after = frame(&volume, &navigation, kind);
                    let angle = before.plane.normal().angle(&after.plane.normal());
                    if kind == held {
                        assert_eq!(before, after, "its own picture stays");
                    } else {
                        assert!((angle - 0.3).abs() < 1e-9, "{kind:?} by {angle}");
                    }
                    assert!(after.plane.distance_mm(crosshair).abs() < 1e-9);
                }
                // On the screen of the view that is held its lines run clockwise.
                let own = frame(&volume, &navigation, held);
                let [right, _] = navigation.lines(held);
                assert!((own.camera.down.dot(&right) - 0.3_f64.sin()).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn many_turns_leave_the_planes_square_and_straighten_brings_back_the_very_views() {
        let volume = oblique();
        let mut navigation = Navigation::new(&volume);
        let plain =
            ViewKind::ALL.map(|kind| (frame(&volume, &navigation, kind), navigation.stack(kind).clone()));
        for step in 0..500_u32 {
            let kind = ViewKind::ALL[step as usize % 3];
            navigation.turn_about(kind, 0.1 + f64::from(step % 7) * 0.2);
            navigation.scroll(ViewKind::ALL[step as usize / 3 % 3], i64::from(step % 5) - 2);
            let normals = ViewKind::ALL.map(|kind| frame(&volume, &navigation, kind).plane.normal());
            for [a, b] in [[0, 1], [1, 2], [2, 0]] {
                // A plane parallel to a plain one or to the slices is shown as that one.
                assert!(normals[a].dot(&normals[b]).abs() < 0.006, "{normals:?}");
            }
            let truly = ViewKind::ALL.map(|kind| navigation.normal(kind));
            assert!(truly[0].dot(&truly[1]).abs() < 1e-12 && truly[1].dot(&truly[2]).abs() < 1e-12);
            for kind in ViewKind::ALL {
                let distance = frame(&volume, &navigation, kind).plane.distance_mm(navigation.crosshair_mm());
                assert!(distance.abs() < 1e-9);
            }
        }
        assert!(navigation.is_turned());
        navigation.straighten();
        assert!(!navigation.is_turned() && navigation.shows_slices());
        navigation.go_to(volume.grid.center_mm());
        for (kind, (frame_before, stack)) in ViewKind::ALL.into_iter().zip(plain) {
            assert_eq!(frame(&volume, &navigation, kind), frame_before);
            assert_eq!(navigation.stack(kind), &stack);
            assert!(navigation.turn_of(kind).is_none());
        }
    }

    #[test]
    fn the_crosshair_stands_on_a_slice_only_while_a_view_shows_slices() {
        let mut navigation = Navigation::new(&volume());
        // About the slices' normal the axial view goes on showing them.
        navigation.turn_about(ViewKind::Axial, 0.4);
        navigation.go_to(Point3::new(1.3, 2.4, 12.9));
        assert_eq!(navigation.crosshair_mm(), Point3::new(1.3, 2.4, 14.0));
        assert!(navigation.shows_slices() && navigation.is_turned());
        navigation.turn_about(ViewKind::Sagittal, 0.4);
        assert!(!navigation.shows_slices());
        navigation.go_to(Point3::new(1.3, 2.4, 12.9));
        assert_eq!(navigation.crosshair_mm(), Point3::new(1.3, 2.4, 12.9));
        let normal = navigation.normal(ViewKind::Axial);
        let step = navigation.stack(ViewKind::Axial).step_mm.unwrap();
        navigation.scroll(ViewKind::Axial, 1);
        let by = navigation.crosshair_mm() - Point3::new(1.3, 2.4, 12.9);
        assert!((by.norm() - step).abs() < 1e-9 && by.cross(&normal).norm() < 1e-9 && by.z > 0.0);
        // A structure's slice is gone to all the same, and straightened it is shown.
        navigation.go_to_slice(4);
        assert!((navigation.crosshair_mm().z - 17.0).abs() < 1e-9);
        navigation.scroll(ViewKind::Coronal, 1);
        navigation.straighten();
        let slice = (navigation.crosshair_mm().z - 5.0) / 3.0;
        assert!((slice - slice.round()).abs() < 1e-9, "{slice} is a slice");
    }

    #[test]
    fn a_zoomed_picture_turns_about_the_crosshair() {
        let volume = volume();
        let mut navigation = Navigation::new(&volume);
        navigation.go_to(Point3::new(3.0, 8.0, 17.0));
        for kind in ViewKind::ALL {
            let look = frame(&volume, &navigation, kind).zoomed(egui::pos2(90.0, 60.0), 3.0);
            navigation.set_look(kind, look);
        }
        let places = |navigation: &Navigation| {
            ViewKind::ALL.map(|kind| frame(&volume, navigation, kind).screen_of(navigation.crosshair_mm()))
        };
        let before = places(&navigation);
        for (kind, angle) in [(ViewKind::Axial, 0.7), (ViewKind::Coronal, -0.4), (ViewKind::Sagittal, 1.1)] {
            navigation.turn_about(kind, angle);
            for (a, b) in before.into_iter().zip(places(&navigation)) {
                assert!(a.distance(b) < 0.01, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn going_near_a_structure_moves_no_further_than_it_takes() {
        let mut navigation = Navigation::new(&volume());
        let mut roi = Roi::new(RoiId(1), 1, "Liver", [0, 0, 0]);
        navigation.go_to(Point3::new(-6.0, 14.0, 26.0));
        let start = navigation.crosshair_mm();
        navigation.go_near(&roi);
        assert_eq!(navigation.crosshair_mm(), start, "nothing to go to");
        // x from -8 to 4, y from 2 to 6; on the slices at 8, 11 and 20 mm.
        for (z, empty) in [(8.0, false), (11.0, false), (14.0, true), (20.0, false)] {
            let ring = [(-8.0, 2.0), (4.0, 2.0), (4.0, 6.0), (-8.0, 6.0)].map(|(x, y)| Point2::new(x, y));
            let polygons = if empty { Vec::new() } else { vec![Polygon::from_outer(ring.to_vec())] };
            roi.planes.push(Arc::new(RoiPlane::new(Plane::axial(z), None, polygons)));
        }
        let mut shown = |x: f64, y: f64, z: f64| {
            navigation.go_to(Point3::new(x, y, z));
            navigation.go_near(&roi);
            navigation.crosshair_mm()
        };
        let near = |a: Point3, b: Point3| (a - b).norm() < 1e-9;
        assert!(
            near(shown(-6.0, 14.0, 26.0), Point3::new(-6.0, 4.0, 20.0)),
            "sagittal stays, coronal meets it"
        );
        assert!(near(shown(1.0, 3.0, 11.0), Point3::new(1.0, 3.0, 11.0)), "in it already");
        assert!(near(shown(1.0, 3.0, 14.0), Point3::new(1.0, 3.0, 11.0)), "an empty slice shows nothing");
        assert!(near(shown(9.0, 3.0, 17.0), Point3::new(-2.0, 3.0, 20.0)), "the nearest, not the middle one");
        assert!(near(shown(0.0, 4.0, 5.0), Point3::new(0.0, 4.0, 8.0)), "up to its end");
    }

    #[test]
    fn the_focus_walks_through_the_views() {
        let mut navigation = Navigation::new(&volume());
        navigation.toggle_maximised(Pane::Slice(ViewKind::Axial));
        navigation.next_view();
        assert_eq!(navigation.maximised, Some(Pane::Volume));
        navigation.toggle_maximised(Pane::Volume);
        assert_eq!(navigation.maximised, None);
    }
}
