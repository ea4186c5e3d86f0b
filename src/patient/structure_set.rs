//! A set of structures on one frame of reference.

use super::{PatientInfo, Roi, RoiId, Uid};
use std::sync::Arc;

/// The regions of interest of one patient in one frame of reference (RT Structure Set, PS3.3 A.19).
///
/// Cloning is cheap: ROIs are shared until changed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StructureSet {
    /// Structure Set Label, at most 16 characters in a file.
    pub label: String,
    /// The patient it was drawn on.
    pub patient: PatientInfo,
    /// The frame of reference its coordinates are in; `None` when the image declares none.
    pub frame_of_reference_uid: Option<Uid>,
    /// The series it refers to.
    pub series_uid: Option<Uid>,
    /// The SOP Instance UID of the file it was read from.
    pub sop_instance_uid: Option<Uid>,
    /// The ROIs in the person's order.
    pub rois: Vec<Arc<Roi>>,
}

impl StructureSet {
    /// The ROI with this identity.
    #[must_use]
    pub fn roi(&self, id: RoiId) -> Option<&Arc<Roi>> {
        self.rois.iter().find(|roi| roi.id == id)
    }

    /// The first ROI of this name.
    #[must_use]
    pub fn roi_named(&self, name: &str) -> Option<&Arc<Roi>> {
        self.rois.iter().find(|roi| roi.name == name)
    }

    /// A number that no ROI has, one above the greatest.
    #[must_use]
    pub fn free_number(&self) -> i32 {
        self.rois.iter().map(|roi| roi.number).max().unwrap_or(0) + 1
    }
}
