//! What is under the pointer: position, value, slice, organ.

use super::pane::Half;
use crate::geometry::Point3;
use crate::patient::{LabelMap, Roi, Volume, signed};
use crate::session::Session;

/// What is under the pointer.
#[derive(Debug, Clone, PartialEq)]
pub struct Hover {
    /// In which picture.
    pub half: Half,
    /// Where, patient mm.
    pub point_mm: Point3,
    /// The value there; `None` outside the scan.
    pub value: Option<f32>,
    /// The value of the second series, with its unit.
    pub second: Option<String>,
    /// The dose there, with its unit; `None` outside the dose grid.
    pub dose: Option<String>,
    /// The structure there.
    pub name: Option<String>,
}

/// Whether the pointer did anything in this frame but rest.
pub(super) fn has_moved(ui: &egui::Ui) -> bool {
    use egui::Event;
    let is_move = |event: &Event| {
        matches!(event, Event::PointerMoved(_) | Event::PointerButton { .. } | Event::MouseWheel { .. })
    };
    ui.input(|input| input.events.iter().any(is_move))
}

/// The value under a point for reading: "41 HU", "outside scan".
#[must_use]
pub fn value_text(volume: &Volume, value: Option<f32>) -> String {
    value.map_or_else(|| "outside scan".to_owned(), |value| volume.unit.text(value))
}

/// A dose for reading: "41.25 Gy".
#[must_use]
pub fn dose_text(gy: f64) -> String {
    signed(&format!("{gy:.2} Gy"))
}

/// The smallest visible structure that contains a point, by its contours on the nearest slice.
#[must_use]
pub fn structure_at(session: &Session, point_mm: Point3) -> Option<&Roi> {
    let volume = &session.series().volume;
    let first = volume.slices.first()?;
    let offset = first.plane.normal().dot(&point_mm.coords);
    let slice = &volume.slices[volume.nearest_slice(offset)?];
    session
        .structures()
        .rois
        .iter()
        .filter(|roi| roi.visible)
        .filter_map(|roi| {
            let plane = roi.plane_at(&slice.plane)?;
            let at = plane.plane.project(point_mm);
            plane.polygons.iter().any(|polygon| polygon.contains(at)).then_some((plane.area_mm2(), &**roi))
        })
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, roi)| roi)
}

/// The name of a label map's label at a point; `None` in the background.
#[must_use]
pub fn label_at(labels: &LabelMap, point_mm: Point3) -> Option<&str> {
    let voxel = labels.grid.voxel_of(point_mm).map(|index| (index + 0.5).floor());
    if voxel.iter().any(|index| *index < 0.0) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
    let label = *labels.labels.get(labels.grid.index_of(voxel.map(|index| index as usize))?)?;
    labels.names.iter().find(|(own, _)| *own == label && label != 0).map(|(_, name)| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Vector3;

    #[test]
    fn values_are_for_reading() {
        let volume = super::super::test_volumes::volume(
            Point3::origin(),
            [Vector3::x(), Vector3::y(), Vector3::z()],
            [2, 2, 2],
        );
        assert_eq!(value_text(&volume, Some(-41.4)), "−41 HU");
        assert_eq!(value_text(&volume, Some(-0.2)), "0 HU");
        assert_eq!(value_text(&volume, None), "outside scan");
    }
}
