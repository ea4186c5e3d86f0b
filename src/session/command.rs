//! What a person can ask the session to do. Imperative; applied by `Session::apply` alone.

use super::Attribute;
use super::derive::Derived;
use crate::geometry::Point3;
use crate::patient::{Approval, Color, Density, Guide, Roi, RoiId, RoiPlane, RoiType, StructureSet};

/// A neighbouring slice, along the slice normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Neighbour {
    /// The next slice along the normal (towards the head on an axial series).
    Above,
    /// The slice before.
    Below,
}

impl Neighbour {
    /// "above" or "below".
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
        }
    }
}

/// A change to the structure set.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Adds an empty ROI at the end and selects it.
    AddRoi {
        /// Its name; must not be taken.
        name: String,
        /// Its colour; `None` for the conventional one or the next free of the palette.
        color: Option<Color>,
        /// Its type.
        roi_type: RoiType,
    },
    /// Renames an ROI.
    RenameRoi {
        /// The ROI.
        roi: RoiId,
        /// The new name; must not be taken.
        name: String,
    },
    /// Gives an ROI another colour.
    RecolorRoi {
        /// The ROI.
        roi: RoiId,
        /// The colour.
        color: Color,
    },
    /// Gives an ROI another type.
    SetRoiType {
        /// The ROI.
        roi: RoiId,
        /// The type.
        roi_type: RoiType,
    },
    /// Shows or hides ROIs. Kept in the journal, but no undo step: undo must never be spent on it.
    SetVisibility {
        /// The ROIs.
        rois: Vec<RoiId>,
        /// Whether they are shown.
        visible: bool,
    },
    /// Locks or unlocks an ROI.
    SetLock {
        /// The ROI.
        roi: RoiId,
        /// Whether it is locked.
        locked: bool,
    },
    /// Says how far a person answers for an accepted ROI (accepted, reviewed, approved). Approval
    /// waits for the journal to be on disk.
    SetApproval {
        /// The ROI.
        roi: RoiId,
        /// Accepted, reviewed or approved; [`Approval::Proposal`] is refused.
        approval: Approval,
    },
    /// Gives an ROI the density that dose calculation is to assume in it.
    SetDensity {
        /// The ROI.
        roi: RoiId,
        /// Relative to water, 0 to 25; `None` for what the images tell.
        density: Option<Density>,
    },
    /// Makes an ROI one of the exclusive ones, which push one another back, or takes it out of them.
    /// Contours stay as they are until the next gesture.
    SetExclusive {
        /// The ROI; no proposal.
        roi: RoiId,
        /// Whether it is exclusive.
        exclusive: bool,
    },
    /// Puts what recipes have made into ROIs ([`super::derive::Plan::run`]), as one step. Refused
    /// when a source has changed since.
    PutDerived {
        /// The name of the step.
        gesture: String,
        /// The results, in order.
        results: Vec<Derived>,
    },
    /// Takes an ROI's recipe away; its contours stay.
    ForgetRecipe {
        /// The ROI.
        roi: RoiId,
    },
    /// Deletes an ROI.
    DeleteRoi {
        /// The ROI.
        roi: RoiId,
    },
    /// Moves an ROI to another place in the list.
    ReorderRoi {
        /// The ROI.
        roi: RoiId,
        /// Its index afterwards; beyond the end is the end.
        to: usize,
    },
    /// Puts the result of a hand gesture (brush, eraser, freehand ...) into an ROI.
    SetPlanes {
        /// The ROI.
        roi: RoiId,
        /// The gesture, for the edit menu ("Brush").
        gesture: &'static str,
        /// The ROI's revision the planes were made from; another one is refused as stale.
        based_on: u64,
        /// The new content of each changed plane; without polygons the ROI loses the plane. A plane
        /// that coincides with one of the ROI replaces it.
        planes: Vec<RoiPlane>,
    },
    /// The same for what was found and is the ROI from then on: its description says what it is, in the
    /// same step.
    TakeOver {
        /// The ROI.
        roi: RoiId,
        /// What found it, for the edit menu ("Body").
        gesture: &'static str,
        /// The ROI's revision the planes were made from; another one is refused as stale.
        based_on: u64,
        /// The new content of each changed plane.
        planes: Vec<RoiPlane>,
        /// The description that the ROI gets.
        description: String,
    },
    /// Deletes the contour of an ROI around a point, on the slice nearest to it: the piece there, or the
    /// hole of one.
    DeleteContour {
        /// The ROI.
        roi: RoiId,
        /// A point in the piece or the hole, patient mm.
        at: Point3,
    },
    /// Deletes all contours of an ROI on one slice.
    ClearSlice {
        /// The ROI.
        roi: RoiId,
        /// Index of the slice.
        slice: usize,
    },
    /// Replaces the contours on a slice by those of the neighbouring one.
    CopyFromSlice {
        /// The ROI.
        roi: RoiId,
        /// Index of the slice to fill.
        slice: usize,
        /// Where from.
        from: Neighbour,
    },
    /// Puts a guide outline of an ROI in place of the one on the same plane. The ROI's contours and
    /// revision, and what is derived from it, stay as they are.
    PutGuide {
        /// The ROI.
        roi: RoiId,
        /// The guide; one without polygons takes away what is there.
        guide: Guide,
    },
    /// Takes an ROI's guide outlines away.
    ClearGuides {
        /// The ROI.
        roi: RoiId,
    },
    /// Takes over the ROIs of a structure set read from a file. Into an empty session it also
    /// brings its label; names already taken get a suffix (`^2`).
    ImportStructureSet(Box<StructureSet>),
    /// Adds what a model made. Each ROI becomes a proposal; an earlier proposal of the same name
    /// that no one has touched gives way; nothing else is changed.
    AddProposals {
        /// The ROIs; their identity and number are given anew.
        rois: Vec<Roi>,
        /// What made them ("head-neck 0.1.0").
        model: String,
    },
    /// Accepts proposals: each takes the place of an unlocked ROI of the same name, if there is
    /// one. Locked ROIs stay as they are and their proposals stay proposals.
    AcceptProposals {
        /// The proposals.
        rois: Vec<RoiId>,
    },
    /// Accepts all proposals.
    AcceptAllProposals,
    /// Deletes proposals.
    RejectProposals {
        /// The proposals.
        rois: Vec<RoiId>,
    },
}

/// Which attribute a simple command sets; `None` for the others.
pub(super) fn attribute_of(command: &Command) -> Option<(RoiId, Attribute)> {
    match command {
        Command::RenameRoi { roi, name } => Some((*roi, Attribute::Name(name.trim().to_owned()))),
        Command::RecolorRoi { roi, color } => Some((*roi, Attribute::Color(*color))),
        Command::SetRoiType { roi, roi_type } => Some((*roi, Attribute::RoiType(roi_type.clone()))),
        Command::SetLock { roi, locked } => Some((*roi, Attribute::Locked(*locked))),
        Command::SetApproval { roi, approval } => Some((*roi, Attribute::Approval(*approval))),
        Command::SetDensity { roi, density } => Some((*roi, Attribute::Density(*density))),
        Command::SetExclusive { roi, exclusive } => Some((*roi, Attribute::Exclusive(*exclusive))),
        _ => None,
    }
}
