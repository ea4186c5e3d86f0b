//! How the three slice planes stand to the scan: along its own axes, or turned together.
//!
//! The planes are turned as one, so that they stay square to each other. Each picture follows its
//! plane by the shortest way from the plain view: it stays as upright as the plane allows, however the
//! planes came to where they are. A plane that did not turn is the plain one to the bit, and steps
//! through the series' own slices where it shows them.

use super::pane::Stack;
use crate::geometry::{Grid, Point3, Rotation3, Vector3};
use crate::patient::Volume;
use crate::render::{ViewFrame, ViewKind};
use std::collections::HashMap;
use std::f64::consts::PI;

/// Planes closer to each other than this are parallel, radians. It is a little more than the tenth of
/// a degree from which contours are cut and drawn across, so that none falls between the two.
const PARALLEL: f64 = 0.0025;

/// The three planes.
#[derive(Debug)]
pub struct Planes {
    grid: Grid,
    frame: ViewFrame,
    turn: Rotation3,
    /// What the plain views step through.
    plain: HashMap<ViewKind, Stack>,
    /// What the views step through as they are turned.
    stacks: HashMap<ViewKind, Stack>,
    /// How the pictures of those that turned are turned.
    turned: HashMap<ViewKind, Rotation3>,
}

impl Planes {
    /// The plain planes of `volume`.
    #[must_use]
    pub fn new(volume: &Volume) -> Self {
        let plain: HashMap<_, _> =
            ViewKind::ALL.into_iter().map(|kind| (kind, Stack::new(volume, kind))).collect();
        Self {
            grid: volume.grid.clone(),
            frame: ViewFrame::of(&volume.grid),
            turn: Rotation3::identity(),
            stacks: plain.clone(),
            plain,
            turned: HashMap::new(),
        }
    }

    /// How all three are turned from the plain ones.
    #[must_use]
    pub fn turn(&self) -> Rotation3 {
        self.turn
    }

    /// How the picture of a view is turned; `None` while its plane is the plain one.
    #[must_use]
    pub fn of(&self, kind: ViewKind) -> Option<&Rotation3> {
        self.turned.get(&kind)
    }

    /// What a view steps through.
    ///
    /// # Panics
    /// Never: every kind has a stack from the start.
    #[must_use]
    pub fn stack(&self, kind: ViewKind) -> &Stack {
        &self.stacks[&kind]
    }

    /// The series' slices, while a view shows them.
    #[must_use]
    pub fn shown_slices(&self) -> Option<&Stack> {
        self.stacks.values().find(|stack| stack.are_slices)
    }

    /// The series' slices, whether a view shows them or not.
    #[must_use]
    pub fn slices(&self) -> Option<&Stack> {
        self.plain.values().find(|stack| stack.are_slices)
    }

    /// The normal of a view's plane, away from the viewer.
    #[must_use]
    pub fn normal(&self, kind: ViewKind) -> Vector3 {
        self.turn * self.plain_normal(kind)
    }

    /// The directions in which the two other planes cut a view's plane; in the plain view screen right
    /// and down.
    #[must_use]
    pub fn lines(&self, kind: ViewKind) -> [Vector3; 2] {
        let (right, down) = self.frame.right_down(kind);
        [self.turn * right, self.turn * down]
    }

    /// How far a point lies from the middle of the scan along a view's stack, upwards, mm.
    #[must_use]
    pub fn off_middle_mm(&self, kind: ViewKind, point_mm: Point3) -> f64 {
        let stack = self.stack(kind);
        let forward = stack.normal.dot(&(point_mm - self.grid.center_mm()));
        if stack.up_is_forward { forward } else { -forward }
    }

    /// Turns the planes from the plain ones to `turn`.
    pub fn set_turn(&mut self, mut turn: Rotation3) {
        turn.renormalize();
        self.turn = if turn.angle() < PARALLEL { Rotation3::identity() } else { turn };
        self.turned.clear();
        self.stacks.clone_from(&self.plain);
        for kind in ViewKind::ALL {
            let (plain, normal) = (self.plain_normal(kind), self.normal(kind));
            let angle = plain.angle(&normal);
            if angle < PARALLEL {
                continue;
            }
            // Half a turn away every way is as short: the planes' own is taken.
            let shortest = Rotation3::rotation_between(&plain, &normal).filter(|_| angle < PI - 1e-6);
            let mut turned = shortest.unwrap_or(self.turn);
            // Another view may have come to show the slices: then it shows them exactly.
            let mut slices = None;
            if let Some(own) = self.slices() {
                let sense = own.normal.dot(&normal).signum();
                let along = own.normal * sense;
                if normal.angle(&along) < PARALLEL {
                    let rest = Rotation3::rotation_between(&normal, &along);
                    turned = rest.unwrap_or_else(Rotation3::identity) * turned;
                    let up = turned * Stack::up(&self.frame, kind);
                    slices = Some(Stack { up_is_forward: own.normal.dot(&up) >= 0.0, ..own.clone() });
                }
            }
            let stack = slices.unwrap_or_else(|| Stack::turned(&self.grid, &self.frame, kind, &turned));
            self.stacks.insert(kind, stack);
            self.turned.insert(kind, turned);
        }
    }

    fn plain_normal(&self, kind: ViewKind) -> Vector3 {
        let (right, down) = self.frame.right_down(kind);
        right.cross(&down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes() -> Planes {
        Planes::new(&super::super::test_volumes::volume(
            Point3::new(-10.0, -20.0, 5.0),
            [Vector3::x(), Vector3::y() * 2.0, Vector3::z() * 3.0],
            [21, 21, 11],
        ))
    }

    #[test]
    fn a_picture_stays_upright_whatever_way_its_plane_came() {
        let mut planes = planes();
        let quarter = |axis: Vector3| Rotation3::new(axis * (PI / 2.0));
        planes.set_turn(quarter(Vector3::x()));
        assert!(planes.of(ViewKind::Sagittal).is_none(), "turned about its own normal it is the plain one");
        let tilted = Rotation3::new(Vector3::x() * 0.4);
        planes.set_turn(tilted);
        let turned = planes.of(ViewKind::Coronal).copied().unwrap();
        assert!((turned.matrix() - tilted.matrix()).norm() < 1e-12);
        // Half a turn is no way at all: the planes' own is taken.
        planes.set_turn(quarter(Vector3::z()) * quarter(Vector3::z()));
        let turned = planes.of(ViewKind::Sagittal).copied().unwrap();
        assert!((turned * Vector3::z() - Vector3::z()).norm() < 1e-6, "the head stays up");
    }

    #[test]
    fn a_view_that_comes_to_show_the_slices_steps_through_them() {
        let mut planes = planes();
        let plain = planes.stack(ViewKind::Axial).clone();
        // A quarter about the left-right axis, a little off: the coronal view shows axial slices.
        planes.set_turn(Rotation3::new(Vector3::x() * (PI / 2.0 + 0.001)));
        let coronal = planes.stack(ViewKind::Coronal);
        assert_eq!((coronal.are_slices, &coronal.offsets_mm), (true, &plain.offsets_mm));
        assert!(!planes.stack(ViewKind::Axial).are_slices);
        let turned = planes.of(ViewKind::Coronal).unwrap();
        let normal = turned * Vector3::y();
        assert!(normal.cross(&Vector3::z()).norm() < 1e-7, "exactly along them: {normal}");
        assert!(planes.shown_slices().is_some());
        planes.set_turn(Rotation3::new(Vector3::x() * 0.5));
        assert!(planes.shown_slices().is_none() && planes.slices() == Some(&plain));
    }

    #[test]
    fn a_turned_view_steps_by_the_voxels_size_along_its_normal() {
        let mut planes = planes();
        for (angle, wanted) in [(PI / 4.0, 1.0 / (0.5_f64 / 4.0 + 0.5 / 9.0).sqrt()), (0.01, 3.0)] {
            planes.set_turn(Rotation3::new(Vector3::x() * angle));
            let step = planes.stack(ViewKind::Axial).step_mm.unwrap();
            assert!((step - wanted).abs() < 0.001 * wanted, "{step} instead of {wanted}");
        }
        planes.set_turn(Rotation3::identity());
        assert_eq!(planes.stack(ViewKind::Axial).step_mm, None);
    }
}
