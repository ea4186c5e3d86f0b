//! The four panes: what each steps through, where it looks, and its map to the screen.
//!
//! The axes come from [`ViewFrame`]: the views follow the person, not the scanner. Patient
//! millimetres in and out; screen positions are egui points.

use crate::geometry::{Grid, Plane, Point2, Point3, Rotation3, Vector3};
use crate::patient::Volume;
use crate::render::{SliceCamera, ViewFrame, ViewKind};
use egui::{Pos2, Rect};

/// One of the four views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pane {
    /// A slice view.
    Slice(ViewKind),
    /// The 3D view.
    Volume,
}

impl Pane {
    /// All four, in reading order of the 2 x 2 layout.
    pub const ALL: [Self; 4] = [
        Self::Slice(ViewKind::Axial),
        Self::Volume,
        Self::Slice(ViewKind::Coronal),
        Self::Slice(ViewKind::Sagittal),
    ];

    /// The name in the view's corner.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Slice(ViewKind::Axial) => "Axial",
            Self::Slice(ViewKind::Coronal) => "Coronal",
            Self::Slice(ViewKind::Sagittal) => "Sagittal",
            Self::Volume => "3D",
        }
    }

    /// A small number for arrays and keys.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Slice(ViewKind::Axial) => 0,
            Self::Volume => 1,
            Self::Slice(ViewKind::Coronal) => 2,
            Self::Slice(ViewKind::Sagittal) => 3,
        }
    }
}

/// A picture of a slice view: the view itself, or the half of it that shows the second series
/// beside the first. Pointer gestures and hovering belong to one picture, whose map to patient
/// space is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Half {
    /// The view.
    pub kind: ViewKind,
    /// Whether it shows the second series beside the first.
    pub is_second: bool,
}

impl Half {
    /// The view it belongs to.
    #[must_use]
    pub fn pane(self) -> Pane {
        Pane::Slice(self.kind)
    }

    /// Its name for screen readers and tests: "Axial view", "Axial view, second series".
    #[must_use]
    pub fn name(self) -> String {
        let tail = if self.is_second { ", second series" } else { "" };
        format!("{} view{tail}", self.pane().title())
    }
}

/// The positions that a slice view steps through, along one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// The patient direction along which the index grows.
    pub normal: Vector3,
    /// The distance of each position from the patient origin along [`Self::normal`], mm, ascending.
    pub offsets_mm: Vec<f64>,
    /// Whether the positions are the real slices of the series.
    pub are_slices: bool,
    /// Whether "up" (towards head, left or front) is towards growing indices.
    pub up_is_forward: bool,
    /// The step of a turned view, mm, which is made from where one is; `None` steps from position to
    /// position.
    pub step_mm: Option<f64>,
}

impl Stack {
    /// What the view of `kind` steps through: the real slices where it shows them, else the
    /// positions of the voxel centres.
    #[must_use]
    pub fn new(volume: &Volume, kind: ViewKind) -> Self {
        let frame = ViewFrame::of(&volume.grid);
        let up = Self::up(&frame, kind);
        if frame.grid_axis(kind) == 2 {
            let normal = volume.slices.first().map_or(up, |slice| slice.plane.normal());
            return Self {
                normal,
                offsets_mm: volume.slices.iter().map(|slice| slice.plane.offset_mm()).collect(),
                are_slices: true,
                up_is_forward: normal.dot(&up) >= 0.0,
                step_mm: None,
            };
        }
        let normal = frame.scroll_direction(kind);
        Self::even(&volume.grid, normal, frame.scroll_step_mm(kind), normal.dot(&up) >= 0.0)
    }

    /// What the view of `kind` steps through once its picture is `turned`: by the size of a voxel
    /// along its normal, as far as the scan reaches.
    #[must_use]
    pub(super) fn turned(grid: &Grid, frame: &ViewFrame, kind: ViewKind, turned: &Rotation3) -> Self {
        let normal = turned * frame.scroll_direction(kind);
        let axes = [frame.left, frame.posterior, frame.head];
        let voxels = |n: usize| axes[n].dot(&normal) / frame.spacing_mm[n].max(1e-6);
        let step = 1.0 / (0..3).map(|n| voxels(n) * voxels(n)).sum::<f64>().sqrt();
        let up_is_forward = frame.scroll_direction(kind).dot(&Self::up(frame, kind)) >= 0.0;
        Self { step_mm: Some(step), ..Self::even(grid, normal, step, up_is_forward) }
    }

    /// The direction of "up" in the plain view of `kind`.
    pub(super) fn up(frame: &ViewFrame, kind: ViewKind) -> Vector3 {
        match kind {
            ViewKind::Axial => frame.head,
            ViewKind::Sagittal => frame.left,
            ViewKind::Coronal => -frame.posterior,
        }
    }

    fn even(grid: &Grid, normal: Vector3, step: f64, up_is_forward: bool) -> Self {
        let [low, high] = extent_along(grid, normal);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of voxels")]
        let count = ((high - low) / step).round().clamp(0.0, 65_535.0) as u32 + 1;
        Self {
            normal,
            offsets_mm: (0..count).map(|index| low + step * f64::from(index)).collect(),
            are_slices: false,
            up_is_forward,
            step_mm: None,
        }
    }

    /// The index of the position nearest to a patient point; 0 for an empty stack.
    #[must_use]
    pub fn index_of(&self, point_mm: Point3) -> usize {
        let offset = self.normal.dot(&point_mm.coords);
        let after = self.offsets_mm.partition_point(|own| *own < offset);
        match (after.checked_sub(1), self.offsets_mm.get(after)) {
            (Some(below), Some(above)) if offset - self.offsets_mm[below] > above - offset => after,
            (Some(below), _) => below,
            (None, _) => 0,
        }
    }

    /// `point_mm` moved along the normal onto position `index` (clamped); itself on an empty stack.
    #[must_use]
    pub fn at(&self, point_mm: Point3, index: usize) -> Point3 {
        let Some(last) = self.offsets_mm.len().checked_sub(1) else { return point_mm };
        let offset = self.offsets_mm[index.min(last)];
        point_mm + self.normal * (offset - self.normal.dot(&point_mm.coords))
    }

    /// `point_mm` moved onto the nearest position.
    #[must_use]
    pub fn snapped(&self, point_mm: Point3) -> Point3 {
        self.at(point_mm, self.index_of(point_mm))
    }

    /// `steps` positions up (towards head, left or front; negative: down) from `point_mm`.
    #[must_use]
    pub fn scrolled(&self, point_mm: Point3, steps: i64) -> Point3 {
        let forward = if self.up_is_forward { steps } else { -steps };
        if let (Some(step), [first, .., last]) = (self.step_mm, &self.offsets_mm[..]) {
            let offset = self.normal.dot(&point_mm.coords);
            #[expect(clippy::cast_precision_loss, reason = "a few steps")]
            let wanted = (offset + forward as f64 * step).clamp(*first, *last);
            return point_mm + self.normal * (wanted - offset);
        }
        let index = i64::try_from(self.index_of(point_mm)).unwrap_or(i64::MAX);
        self.at(point_mm, usize::try_from(index.saturating_add(forward).max(0)).unwrap_or(0))
    }
}

/// The least and the greatest coordinate of the voxel centres along a unit vector, mm.
fn extent_along(grid: &Grid, direction: Vector3) -> [f64; 2] {
    let dims = grid.dims();
    (0..8_usize).fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], corner| {
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        let at = [0, 1, 2]
            .map(|axis| if corner >> axis & 1 == 1 { dims[axis].saturating_sub(1) as f64 } else { 0.0 });
        let offset = direction.dot(&grid.patient_of(at).coords);
        [low.min(offset), high.max(offset)]
    })
}

/// How a slice view looks at its plane: the middle and the zoom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// The patient point in the middle of the view (its place along the normal does not matter).
    pub center_mm: Point3,
    /// Millimetres per screen point.
    pub mm_per_point: f64,
}

/// A slice view in one frame: where it stands and how it maps to the screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaneFrame {
    /// The camera, in physical pixels of [`Self::rect`].
    pub camera: SliceCamera,
    /// The plane shown; (u, v) are screen right and down.
    pub plane: Plane,
    /// The view's rectangle, points.
    pub rect: Rect,
    /// Physical pixels per point.
    pub pixels_per_point: f32,
}

impl PaneFrame {
    /// The frame of the view of `kind` through `at_mm`, its picture turned from the plain one by
    /// `turned`; without a look the whole plain slice is shown, at its scale when turned.
    #[must_use]
    pub fn new(
        volume: &Volume,
        (kind, turned): (ViewKind, Option<&Rotation3>),
        at_mm: Point3,
        look: Option<&Look>,
        rect: Rect,
        pixels_per_point: f32,
    ) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "pixels of a window")]
        let size_px =
            [rect.width(), rect.height()].map(|side| (side * pixels_per_point).round().max(1.0) as u32);
        let mut camera = SliceCamera::fit(&volume.grid, kind, at_mm, size_px);
        if let Some(turned) = turned {
            camera.center_mm = volume.grid.center_mm();
            camera.right = turned * camera.right;
            camera.down = turned * camera.down;
            camera.go_through(at_mm);
        }
        match look {
            Some(look) => {
                camera.center_mm = look.center_mm;
                camera.mm_per_pixel = look.mm_per_point / f64::from(pixels_per_point);
                camera.go_through(at_mm);
            }
            // Room for the letters at the edges.
            None => camera.mm_per_pixel *= 1.06,
        }
        Self { camera, plane: camera.plane(), rect, pixels_per_point }
    }

    /// What would show the same again.
    #[must_use]
    pub fn look(&self) -> Look {
        Look {
            center_mm: self.camera.center_mm,
            mm_per_point: self.camera.mm_per_pixel * f64::from(self.pixels_per_point),
        }
    }

    /// The look after zooming by `factor` (above 1: closer) with the point under `at` held.
    #[must_use]
    pub fn zoomed(&self, at: Pos2, factor: f64) -> Look {
        let mut zoomed = *self;
        zoomed.camera.zoom_at(self.pixel_of(at), factor);
        zoomed.look()
    }

    /// The look after dragging the picture by `drag` points.
    #[must_use]
    pub fn panned(&self, drag: egui::Vec2) -> Look {
        let mut panned = *self;
        let scale = f64::from(self.pixels_per_point);
        panned.camera.pan(f64::from(drag.x) * scale, f64::from(drag.y) * scale);
        panned.look()
    }

    fn pixel_of(&self, screen: Pos2) -> Point2 {
        let offset = (screen - self.rect.min) * self.pixels_per_point;
        Point2::new(f64::from(offset.x), f64::from(offset.y))
    }

    /// The patient point under a screen position.
    #[must_use]
    pub fn patient_of(&self, screen: Pos2) -> Point3 {
        self.camera.patient_of(self.pixel_of(screen))
    }

    /// The screen position of a patient point's foot on the plane.
    #[must_use]
    pub fn screen_of(&self, point_mm: Point3) -> Pos2 {
        let pixel = self.camera.pixel_of(point_mm);
        #[expect(clippy::cast_possible_truncation, reason = "screen positions")]
        let offset = egui::vec2(pixel.x as f32, pixel.y as f32);
        self.rect.min + offset / self.pixels_per_point
    }

    /// Millimetres per screen point.
    #[must_use]
    pub fn mm_per_point(&self) -> f64 {
        self.camera.mm_per_pixel * f64::from(self.pixels_per_point)
    }

    /// A length in screen points.
    #[must_use]
    pub fn points_of(&self, length_mm: f64) -> f32 {
        #[expect(clippy::cast_possible_truncation, reason = "a length on the screen")]
        let points = (length_mm / self.mm_per_point()) as f32;
        points
    }
}

#[cfg(test)]
pub(in crate::ui) mod tests {
    use super::*;
    use crate::geometry::Grid;
    use crate::patient::{Slice, Unit, Voxels};

    /// A volume of zeros on the given grid.
    pub(in crate::ui) fn volume(origin: Point3, steps: [Vector3; 3], dims: [usize; 3]) -> Volume {
        let grid = Grid::new(dims, origin, steps).unwrap();
        let base = Plane::new(origin, steps[0], steps[1]).unwrap();
        let slices = (0..dims[2])
            .map(|k| {
                let origin_mm = grid.patient_of([0.0, 0.0, k as f64]);
                let plane = base.at_offset(base.normal().dot(&origin_mm.coords));
                Slice { plane, origin_mm, instance: None, missing: false }
            })
            .collect();
        Volume { voxels: Voxels::I16(vec![0; grid.len()]), grid, unit: Unit::Hu, slices, native: None }
    }

    fn supine() -> Volume {
        volume(
            Point3::new(-10.0, -20.0, 5.0),
            [Vector3::x(), Vector3::y() * 2.0, Vector3::z() * 3.0],
            [21, 21, 11],
        )
    }

    #[test]
    fn a_sagittal_series_scrolls_its_own_slices_in_the_sagittal_view() {
        let sagittal = volume(
            Point3::new(-10.0, -20.0, 5.0),
            [Vector3::y(), -Vector3::z(), -Vector3::x() * 4.0],
            [21, 31, 7],
        );
        let stack = Stack::new(&sagittal, ViewKind::Sagittal);
        assert!(stack.are_slices);
        assert_eq!(stack.offsets_mm.len(), 7);
        let left_of_start = stack.scrolled(Point3::new(-14.0, 0.0, 0.0), 1);
        assert!((left_of_start.x + 10.0).abs() < 1e-9, "up is to the patient's left: {left_of_start}");
        assert_eq!(Stack::new(&sagittal, ViewKind::Axial).offsets_mm.len(), 31);
    }

    #[test]
    fn scrolling_stops_at_the_ends_and_keeps_the_place_in_the_plane() {
        let stack = Stack::new(&supine(), ViewKind::Axial);
        let start = Point3::new(1.5, 2.5, 5.0);
        assert_eq!(stack.scrolled(start, 2), Point3::new(1.5, 2.5, 11.0));
        assert_eq!(stack.scrolled(start, 100), Point3::new(1.5, 2.5, 35.0));
        assert_eq!(stack.scrolled(start, -1), start);
        let coronal = Stack::new(&supine(), ViewKind::Coronal);
        assert_eq!(coronal.scrolled(Point3::new(0.0, 0.0, 8.0), 1), Point3::new(0.0, -2.0, 8.0));
    }

    fn frame_of(at_mm: Point3, look: Option<&Look>, rect: Rect, scale: f32) -> PaneFrame {
        PaneFrame::new(&supine(), (ViewKind::Coronal, None), at_mm, look, rect, scale)
    }

    #[test]
    fn a_turned_view_steps_from_where_one_is_and_stops_at_the_ends() {
        let volume = supine();
        let turned = Rotation3::new(Vector3::x() * 0.6);
        let frame = ViewFrame::of(&volume.grid);
        let start = Point3::new(1.5, 2.5, 17.3);
        for kind in [ViewKind::Axial, ViewKind::Coronal] {
            let stack = Stack::turned(&volume.grid, &frame, kind, &turned);
            let step = stack.step_mm.unwrap();
            let up = turned * Stack::up(&frame, kind);
            let two = stack.scrolled(start, 2);
            assert!((two - (start + up * (2.0 * step))).norm() < 1e-9, "{kind:?}: {two}");
            assert!((stack.scrolled(two, -2) - start).norm() < 1e-9);
            let end = stack.scrolled(start, 100_000);
            assert!((stack.scrolled(end, 1) - end).norm() < 1e-9, "the end of the scan");
            let off = end - start;
            assert!((off - up * up.dot(&off)).norm() < 1e-9, "straight along the normal");
        }
    }

    #[test]
    fn a_turned_picture_goes_through_the_point_at_the_plain_ones_scale() {
        let rect = Rect::from_min_size(Pos2::new(100.0, 50.0), egui::vec2(400.0, 300.0));
        let (volume, at) = (supine(), Point3::new(3.0, 4.0, 20.0));
        let turned = Rotation3::new(Vector3::z() * 0.5);
        let plain = PaneFrame::new(&volume, (ViewKind::Coronal, None), at, None, rect, 1.5);
        let frame = PaneFrame::new(&volume, (ViewKind::Coronal, Some(&turned)), at, None, rect, 1.5);
        assert_eq!(plain.mm_per_point(), frame.mm_per_point());
        assert!(frame.plane.distance_mm(at).abs() < 1e-9);
        assert!((frame.plane.normal() - turned * plain.plane.normal()).norm() < 1e-12);
        assert!((frame.patient_of(frame.screen_of(at)) - at).norm() < 1e-3);
        // A click elsewhere in the plane does not move the picture.
        let elsewhere = frame.patient_of(Pos2::new(180.0, 90.0));
        let after = PaneFrame::new(&volume, (ViewKind::Coronal, Some(&turned)), elsewhere, None, rect, 1.5);
        assert!((after.camera.center_mm - frame.camera.center_mm).norm() < 1e-9);
    }

    #[test]
    fn screen_and_patient_map_there_and_back_at_any_scale() {
        let rect = Rect::from_min_size(Pos2::new(100.0, 50.0), egui::vec2(400.0, 300.0));
        for scale in [1.0, 1.5, 2.0] {
            let frame = frame_of(Point3::new(0.0, 4.0, 20.0), None, rect, scale);
            let point = frame.patient_of(Pos2::new(300.0, 120.0));
            assert!((point.y - 4.0).abs() < 1e-9);
            assert!((frame.screen_of(point) - Pos2::new(300.0, 120.0)).length() < 1e-2);
            assert!(frame.patient_of(Pos2::new(300.0, 100.0)).z > point.z, "up is towards the head");
            let held = frame.zoomed(Pos2::new(300.0, 120.0), 4.0);
            let near = frame_of(point, Some(&held), rect, scale);
            assert!((near.patient_of(Pos2::new(300.0, 120.0)) - point).norm() < 1e-6);
            assert!((near.mm_per_point() * 4.0 - frame.mm_per_point()).abs() < 1e-9);
        }
    }
}
