//! The outlines of ROIs on a view plane, as data for the renderers.

use crate::geometry::{Plane, Polygon};
use crate::patient::{Color, RoiId};
use std::sync::Arc;

/// Closed rings in the coordinates of a view's plane, mm; even-odd between them.
pub type Rings = Arc<Vec<Vec<[f32; 2]>>>;

/// What an outline's line buffers were made from: while the key stays the same they are reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutlineKey {
    /// The ROI.
    pub roi: RoiId,
    /// Its revision.
    pub revision: u64,
    /// The view plane, from [`plane_key`].
    pub plane: u64,
}

/// One ROI's outline on a view plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// Identity for the cache of line buffers; `None` for one that lives a single frame (a preview).
    pub key: Option<OutlineKey>,
    /// The rings; may be empty.
    pub rings: Rings,
    /// The line's colour.
    pub color: Color,
    /// Drawn dashed: a proposal.
    pub dashed: bool,
    /// Drawn thicker: the ROI that the tools edit.
    pub selected: bool,
    /// Opacity of the translucent fill, 0 (none) to 1.
    pub fill: f32,
    /// Opacity of the line, 0 to 1.
    pub opacity: f32,
}

impl Outline {
    /// The usual fill opacity.
    pub const FILL: f32 = 0.15;

    /// A solid outline with the usual fill.
    #[must_use]
    pub fn new(key: Option<OutlineKey>, rings: Rings, color: Color) -> Self {
        Self { key, rings, color, dashed: false, selected: false, fill: Self::FILL, opacity: 1.0 }
    }

    /// The line's width in points (pixels at 100 %).
    #[must_use]
    pub fn width_points(&self) -> f32 {
        if self.selected { 3.0 } else { 2.0 }
    }

    /// Whether drawing either gives the same picture, without comparing vertices of keyed outlines.
    #[must_use]
    pub(super) fn is_same_picture(&self, other: &Self) -> bool {
        self.key == other.key
            && self.color == other.color
            && self.dashed == other.dashed
            && self.selected == other.selected
            && self.fill.to_bits() == other.fill.to_bits()
            && self.opacity.to_bits() == other.opacity.to_bits()
            && (Arc::ptr_eq(&self.rings, &other.rings) || (self.key.is_some() && other.key.is_some()))
    }
}

/// A number for a plane in a fixed view direction: equal for planes within about 1e-4 mm and 1e-6
/// in direction, else different but for chance.
#[must_use]
pub fn plane_key(plane: &Plane) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    #[expect(clippy::cast_possible_truncation, reason = "millimetres and cosines are small")]
    let mut add = |value: f64, grain: f64| ((value / grain).round() as i64).hash(&mut hasher);
    add(plane.offset_mm(), 1e-4);
    for vector in [plane.u(), plane.v()] {
        vector.iter().for_each(|x| add(*x, 1e-6));
    }
    hasher.finish()
}

/// Polygons on `from`, a plane that coincides with the view's, as rings in the coordinates of
/// `view`. Empty for no polygons.
#[must_use]
pub fn rings_on_view<'a>(
    from: &Plane,
    polygons: impl IntoIterator<Item = &'a Polygon>,
    view: &Plane,
) -> Rings {
    let ring_of = |ring: &Vec<crate::geometry::Point2>| {
        ring.iter()
            .map(|point| {
                let on_view = view.project(from.lift(*point));
                #[expect(clippy::cast_possible_truncation, reason = "for display; 1e-4 mm at a metre")]
                [on_view.x as f32, on_view.y as f32]
            })
            .collect()
    };
    Arc::new(
        polygons.into_iter().flat_map(|polygon| polygon.rings().map(ring_of).collect::<Vec<_>>()).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Point2, Point3, Vector3};

    #[test]
    fn rings_of_a_prone_slice_land_in_the_patients_axes() {
        let slice = Plane::new(Point3::new(0.0, 0.0, 5.0), -Vector3::x(), -Vector3::y()).unwrap();
        let ring = vec![Point2::new(1.0, 2.0), Point2::new(3.0, 2.0), Point2::new(3.0, 4.0)];
        let rings = rings_on_view(&slice, &[Polygon::from_outer(ring)], &Plane::axial(5.0));
        assert_eq!(rings[0], vec![[-1.0, -2.0], [-3.0, -2.0], [-3.0, -4.0]]);
    }

    #[test]
    fn a_plane_key_tells_slices_apart_and_forgives_rounding() {
        assert_eq!(plane_key(&Plane::axial(12.5)), plane_key(&Plane::axial(12.5 + 1e-9)));
        assert_ne!(plane_key(&Plane::axial(12.5)), plane_key(&Plane::axial(12.6)));
    }
}
