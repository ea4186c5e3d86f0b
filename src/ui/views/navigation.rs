//! Where the views are: the shared crosshair, each view's look, the focus, the maximised view.

use super::pane::{Look, Pane, Stack};
use crate::geometry::{Point2, Point3};
use crate::patient::{Roi, RoiPlane, Volume};
use crate::render::{OrbitCamera, ViewKind};
use std::collections::HashMap;

/// Where the views are.
#[derive(Debug)]
pub struct Navigation {
    crosshair_mm: Point3,
    stacks: HashMap<ViewKind, Stack>,
    looks: HashMap<ViewKind, Look>,
    /// The 3D camera, its scale in mm per screen point; `None` shows the whole scan.
    pub orbit: Option<OrbitCamera>,
    /// The view that keys act on: the one the pointer was last over.
    pub focus: Pane,
    /// The view that fills the window.
    pub maximised: Option<Pane>,
}

impl Navigation {
    /// In the middle of `volume`, everything in sight.
    #[must_use]
    pub fn new(volume: &Volume) -> Self {
        let stacks: HashMap<_, _> =
            ViewKind::ALL.into_iter().map(|kind| (kind, Stack::new(volume, kind))).collect();
        let mut navigation = Self {
            crosshair_mm: volume.grid.center_mm(),
            stacks,
            looks: HashMap::new(),
            orbit: None,
            focus: Pane::Slice(ViewKind::Axial),
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
    ///
    /// # Panics
    /// Never: every kind has a stack from the start.
    #[must_use]
    pub fn stack(&self, kind: ViewKind) -> &Stack {
        &self.stacks[&kind]
    }

    /// Moves the crosshair; along the series' slice normal it snaps to a real slice, so that the
    /// contours' own planes are shown.
    pub fn go_to(&mut self, point_mm: Point3) {
        self.crosshair_mm = self
            .stacks
            .values()
            .find(|stack| stack.are_slices)
            .map_or(point_mm, |stack| stack.snapped(point_mm));
    }

    /// Moves along the view's stack to position `index`.
    pub fn go_to_index(&mut self, kind: ViewKind, index: usize) {
        let point = self.stacks[&kind].at(self.crosshair_mm, index);
        self.go_to(point);
    }

    /// Whether the series' slices are counted upwards: towards head, left or front.
    #[must_use]
    pub fn slices_run_up(&self) -> bool {
        self.stacks.values().find(|stack| stack.are_slices).is_none_or(|stack| stack.up_is_forward)
    }

    /// Moves `steps` up (towards head, left or front; negative: down) in the view of `kind`.
    pub fn scroll(&mut self, kind: ViewKind, steps: i64) {
        self.crosshair_mm = self.stacks[&kind].scrolled(self.crosshair_mm, steps);
    }

    /// Moves to slice `index` of the series.
    pub fn go_to_slice(&mut self, index: usize) {
        if let Some(stack) = self.stacks.values().find(|stack| stack.are_slices) {
            self.crosshair_mm = stack.at(self.crosshair_mm, index);
        }
    }

    /// Moves to the middle of an ROI: the middle one of its planes, and the middle of its box there.
    pub fn go_to_roi(&mut self, roi: &Roi) {
        if let Some(plane) = roi.planes.get(roi.planes.len() / 2) {
            self.go_to_plane(plane);
        }
    }

    /// Moves to the middle of an ROI's box on one of its planes.
    pub fn go_to_plane(&mut self, plane: &RoiPlane) {
        let bounds = plane.polygons.iter().filter_map(crate::geometry::Polygon::bounds).reduce(|a, b| {
            (Point2::new(a.0.x.min(b.0.x), a.0.y.min(b.0.y)), Point2::new(a.1.x.max(b.1.x), a.1.y.max(b.1.y)))
        });
        if let Some((low, high)) = bounds {
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

    /// Moves the focus to the next view; a maximised view gives way to it.
    pub fn next_view(&mut self) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Plane, Polygon, Vector3};
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
