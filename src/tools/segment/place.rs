//! Placing a box to look in: drawn in one view, put right in any.
//!
//! Its directions are those of the image's rows, columns and slices. A drag beside it draws a new one,
//! as deep as is set around the view's plane; a drag at an edge or a corner moves that edge, in every
//! view that the box is seen in; a drag inside moves it.

use super::super::ViewPlane;
use crate::geometry::{OrientedBox, Point3, Vector3};
use crate::patient::Volume;

/// How close to an edge counts as on it, screen pixels.
const EDGE_PIXELS: f64 = 8.0;
/// Shorter drags are clicks, screen pixels.
pub(super) const CLICK_PIXELS: f64 = 4.0;

/// What of a box a drag takes hold of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BoxGrip {
    /// Nothing: a new one is drawn.
    Draw,
    /// All of it.
    Move,
    /// For the view's two directions (right, down) the side that moves: the lesser or the greater.
    Edges([Option<bool>; 2]),
}

/// A drag under way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BoxDrag {
    grip: BoxGrip,
    from: Point3,
    /// What there was before.
    pub before: Option<OrientedBox>,
}

/// The axes of a box that run along a view's right and down, and the one across it.
fn axes_of(axes: &[Vector3; 3], view: &ViewPlane) -> [usize; 3] {
    let nearest = |direction: Vector3, among: &[usize]| {
        let along = |n: usize| axes[n].dot(&direction).abs();
        among.iter().copied().max_by(|a, b| along(*a).total_cmp(&along(*b))).unwrap_or(0)
    };
    let across = nearest(view.plane.normal(), &[0, 1, 2]);
    let rest: Vec<usize> = (0..3).filter(|n| *n != across).collect();
    let right = nearest(view.plane.u(), &rest);
    [right, 3 - across - right, across]
}

/// What a drag from `at` would take hold of.
pub(super) fn grip_of(boxed: Option<&OrientedBox>, view: &ViewPlane, at: Point3) -> BoxGrip {
    let Some(boxed) = boxed.filter(|own| own.section(&view.plane, 1e-6).is_some()) else {
        return BoxGrip::Draw;
    };
    let near = EDGE_PIXELS * view.pixel_mm;
    let here = boxed.coordinates_of(at);
    let [right, down, _] = axes_of(&boxed.axes(), view);
    let (low, high) = (boxed.low(), boxed.high());
    let beside = |n: usize| here[n] < low[n] - near || here[n] > high[n] + near;
    if beside(right) || beside(down) {
        return BoxGrip::Draw;
    }
    let edge = |n: usize| {
        let (to_low, to_high) = ((here[n] - low[n]).abs(), (here[n] - high[n]).abs());
        // The middle moves, however small the box is.
        let inner = (high[n] - low[n]) / 4.0;
        let is_inner = here[n] > low[n] + inner && here[n] < high[n] - inner;
        (!is_inner && to_low.min(to_high) <= near).then_some(to_high < to_low)
    };
    match [edge(right), edge(down)] {
        [None, None] => BoxGrip::Move,
        edges => BoxGrip::Edges(edges),
    }
}

impl BoxDrag {
    pub(super) fn new(boxed: Option<&OrientedBox>, view: &ViewPlane, at: Point3) -> Self {
        Self { grip: grip_of(boxed, view, at), from: at, before: boxed.copied() }
    }

    /// The box with the pointer at `to`; as it was while the drag is a click. New ones are `depth_mm`
    /// deep, half on either side of the view's plane.
    pub(super) fn boxed(
        &self,
        volume: &Volume,
        view: &ViewPlane,
        to: Point3,
        depth_mm: f64,
    ) -> Option<OrientedBox> {
        if self.is_click(view, to) {
            return self.before;
        }
        match (self.grip, self.before) {
            (BoxGrip::Draw, before) => self.drawn(volume, view, to, depth_mm).or(before),
            (BoxGrip::Move, Some(before)) => {
                let by = before.axes().map(|axis| axis.dot(&(to - self.from)));
                let (low, high) = (before.low(), before.high());
                OrientedBox::new(
                    before.axes(),
                    [0, 1, 2].map(|n| low[n] + by[n]),
                    [0, 1, 2].map(|n| high[n] + by[n]),
                )
            }
            (BoxGrip::Edges(edges), Some(before)) => {
                let [right, down, _] = axes_of(&before.axes(), view);
                let (mut low, mut high) = (before.low(), before.high());
                for (n, edge) in [right, down].into_iter().zip(edges) {
                    let by = before.axes()[n].dot(&(to - self.from));
                    match edge {
                        Some(true) => high[n] += by,
                        Some(false) => low[n] += by,
                        None => {}
                    }
                }
                OrientedBox::new(before.axes(), low, high)
            }
            (_, None) => None,
        }
    }

    /// Whether the pointer has not gone further than a click's hand trembles.
    pub(super) fn is_click(&self, view: &ViewPlane, to: Point3) -> bool {
        (to - self.from).norm() < CLICK_PIXELS * view.pixel_mm
    }

    fn drawn(&self, volume: &Volume, view: &ViewPlane, to: Point3, depth_mm: f64) -> Option<OrientedBox> {
        let base = volume.base_plane()?;
        let axes = [base.u(), base.v(), base.normal()];
        let [right, down, across] = axes_of(&axes, view);
        let [mut low, mut high] = [self.from, to].map(|at| axes.map(|axis| axis.dot(&at.coords)));
        let least = CLICK_PIXELS * view.pixel_mm;
        if [right, down].iter().any(|n| (high[*n] - low[*n]).abs() < least) {
            return None;
        }
        // In a tilted view what was dragged over rises along this axis too: the box holds all of it.
        let from = low[across];
        let rise = if (high[across] - from).abs() < 1e-6 { 0.0 } else { high[across] - from };
        low[across] = from + rise.min(0.0) - depth_mm / 2.0;
        high[across] = low[across] + rise.abs() + depth_mm;
        OrientedBox::new(axes, low, high)
    }
}

/// The slices that lie in a box, first and last, missing ones too; `None` when none does.
#[must_use]
pub fn slices_of(boxed: &OrientedBox, volume: &Volume) -> Option<(usize, usize)> {
    let lies_in = |index: &usize| boxed.section(&volume.slices[*index].plane, 1e-6).is_some();
    let first = (0..volume.slices.len()).find(lies_in)?;
    let last = (0..volume.slices.len()).rev().find(lies_in)?;
    Some((first, last))
}

/// The box on the slices from `first` to `last`: it reaches half way to the next ones.
#[must_use]
pub fn on_slices(boxed: &OrientedBox, volume: &Volume, first: usize, last: usize) -> Option<OrientedBox> {
    let (first, last) = (first.min(last), first.max(last));
    let (below, above) = (volume.slices.get(first)?, volume.slices.get(last)?);
    let (mut low, mut high) = (boxed.low(), boxed.high());
    low[2] = below.plane.offset_mm() - volume.slab_of(first).0;
    high[2] = above.plane.offset_mm() + volume.slab_of(last).1;
    OrientedBox::new(boxed.axes(), low, high)
}
