//! Where a slice view looks: a plane in the patient and a scale.

use super::{PictureSize, ViewFrame, ViewKind, direction_letters};
use crate::geometry::{Grid, Plane, Point2, Point3, Vector3};

/// A look at one plane of the patient. `right` and `down` are orthogonal unit vectors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliceCamera {
    /// The patient point in the middle of the picture, mm.
    pub center_mm: Point3,
    /// The patient direction of screen right.
    pub right: Vector3,
    /// The patient direction of screen down.
    pub down: Vector3,
    /// Millimetres in the patient per picture pixel.
    pub mm_per_pixel: f64,
    /// The picture's size, pixels.
    pub size_px: PictureSize,
}

impl SliceCamera {
    /// A view of `kind` on a volume, through `at_mm`, with the whole slice in the picture.
    ///
    /// The picture is centred on the volume within the plane; only the depth comes from `at_mm`.
    #[must_use]
    pub fn fit(grid: &Grid, kind: ViewKind, at_mm: Point3, size_px: PictureSize) -> Self {
        let (right, down) = ViewFrame::of(grid).right_down(kind);
        let middle = grid.center_mm();
        let normal = right.cross(&down);
        let center_mm = middle + normal * normal.dot(&(at_mm - middle));
        let mut camera = Self { center_mm, right, down, mm_per_pixel: 1.0, size_px };
        camera.mm_per_pixel = camera.fitting_mm_per_pixel(grid);
        camera
    }

    /// The axial view, patient right on screen left and anterior up, showing the whole slice.
    #[must_use]
    pub fn axial(grid: &Grid, at_mm: Point3, size_px: PictureSize) -> Self {
        Self::fit(grid, ViewKind::Axial, at_mm, size_px)
    }

    /// The sagittal view, anterior on screen left and head up, showing the whole slice.
    #[must_use]
    pub fn sagittal(grid: &Grid, at_mm: Point3, size_px: PictureSize) -> Self {
        Self::fit(grid, ViewKind::Sagittal, at_mm, size_px)
    }

    /// The coronal view, patient right on screen left and head up, showing the whole slice.
    #[must_use]
    pub fn coronal(grid: &Grid, at_mm: Point3, size_px: PictureSize) -> Self {
        Self::fit(grid, ViewKind::Coronal, at_mm, size_px)
    }

    /// The scale at which the whole grid fits into the picture in this direction, mm per pixel.
    #[must_use]
    pub fn fitting_mm_per_pixel(&self, grid: &Grid) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        let size = grid.dims().map(|n| n as f64);
        let extent = |direction: Vector3| -> f64 {
            (0..3).map(|axis| (grid.step_mm(axis) * size[axis]).dot(&direction).abs()).sum()
        };
        let [width, height] = self.size_px.map(|n| f64::from(n.max(1)));
        (extent(self.right) / width).max(extent(self.down) / height).max(1e-6)
    }

    /// The plane looked at: u = screen right, v = screen down, normal = away from the viewer.
    /// Outlines of a scene are in this plane's coordinates.
    #[must_use]
    pub fn plane(&self) -> Plane {
        Plane::new(self.center_mm, self.right, self.down).unwrap_or_else(|| Plane::axial(self.center_mm.z))
    }

    /// The patient position of a picture point (pixels; pixel centres at halves), mm.
    #[must_use]
    pub fn patient_of(&self, pixel: Point2) -> Point3 {
        let [width, height] = self.size_px.map(f64::from);
        self.center_mm
            + self.right * ((pixel.x - width / 2.0) * self.mm_per_pixel)
            + self.down * ((pixel.y - height / 2.0) * self.mm_per_pixel)
    }

    /// The picture point (pixels) of a patient point's foot on the plane.
    #[must_use]
    pub fn pixel_of(&self, point_mm: Point3) -> Point2 {
        let [width, height] = self.size_px.map(f64::from);
        let offset = (point_mm - self.center_mm) / self.mm_per_pixel;
        Point2::new(width / 2.0 + self.right.dot(&offset), height / 2.0 + self.down.dot(&offset))
    }

    /// The picture point (pixels) of a point in the coordinates of [`Self::plane`].
    #[must_use]
    pub fn pixel_of_plane_point(&self, point: Point2) -> Point2 {
        let [width, height] = self.size_px.map(f64::from);
        let center = self.plane().project(self.center_mm);
        Point2::new(width / 2.0, height / 2.0) + (point - center) / self.mm_per_pixel
    }

    /// Moves the picture with the pointer by a number of pixels.
    pub fn pan(&mut self, right_px: f64, down_px: f64) {
        self.center_mm -= (self.right * right_px + self.down * down_px) * self.mm_per_pixel;
    }

    /// Zooms by `factor` (above 1: closer), keeping the patient point under `pixel` where it is.
    pub fn zoom_at(&mut self, pixel: Point2, factor: f64) {
        let held = self.patient_of(pixel);
        self.mm_per_pixel = (self.mm_per_pixel / factor).clamp(1e-3, 100.0);
        self.center_mm += held - self.patient_of(pixel);
    }

    /// Moves the plane, and not the picture within it, to pass through a patient point.
    pub fn go_through(&mut self, point_mm: Point3) {
        let normal = self.right.cross(&self.down);
        self.center_mm += normal * normal.dot(&(point_mm - self.center_mm));
    }

    /// The orientation letters at the picture's left, right, upper and lower edge.
    #[must_use]
    pub fn edge_letters(&self) -> [String; 4] {
        [-self.right, self.right, -self.down, self.down].map(direction_letters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        // Head first prone: i runs to the patient's right, j to anterior.
        let steps = [-Vector3::x(), -Vector3::y(), Vector3::z() * 2.0];
        Grid::new([100, 80, 30], Point3::new(50.0, 40.0, -30.0), steps).unwrap()
    }

    #[test]
    fn the_axial_view_has_right_on_the_left_and_anterior_up_whatever_the_volume() {
        let camera = SliceCamera::axial(&grid(), Point3::origin(), [200, 200]);
        assert_eq!(camera.edge_letters(), ["R", "L", "A", "P"]);
        assert!((camera.mm_per_pixel - 0.5).abs() < 1e-12);
        assert_eq!(
            SliceCamera::coronal(&grid(), Point3::origin(), [9, 9]).edge_letters(),
            ["R", "L", "H", "F"]
        );
        assert_eq!(
            SliceCamera::sagittal(&grid(), Point3::origin(), [9, 9]).edge_letters(),
            ["A", "P", "H", "F"]
        );
    }

    #[test]
    fn zoom_holds_the_point_under_the_pointer() {
        let mut camera = SliceCamera::coronal(&grid(), Point3::new(0.0, 7.0, 0.0), [300, 200]);
        let pixel = Point2::new(31.0, 150.0);
        let before = camera.patient_of(pixel);
        camera.zoom_at(pixel, 3.0);
        assert!((camera.patient_of(pixel) - before).norm() < 1e-9);
        assert!((camera.pixel_of(before) - pixel).norm() < 1e-9);
        assert!((camera.pixel_of_plane_point(camera.plane().project(before)) - pixel).norm() < 1e-9);
    }

    #[test]
    fn going_through_a_point_changes_only_the_depth() {
        let mut camera = SliceCamera::sagittal(&grid(), Point3::origin(), [64, 64]);
        let center = camera.center_mm;
        camera.go_through(Point3::new(12.0, 99.0, 99.0));
        assert!((camera.center_mm - Point3::new(12.0, center.y, center.z)).norm() < 1e-12);
    }
}
