//! What an edit does to a structure set, and how to take it back.
//!
//! An [`Edit`] lists the [`Change`]s of one gesture with both sides of each, shared by `Arc` with
//! the structure set, so that an edit costs the slices it touches and nothing else.

use crate::geometry::Polygon;
use crate::patient::{
    AnatomicCode, Approval, Color, Confidence, Density, Derivation, GenerationAlgorithm, Guide, PatientInfo,
    Roi, RoiId, RoiPlane, RoiType, StructureSet, Uid,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One plane of an ROI before and after; `None` where the ROI has no contours there.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaneEdit {
    /// The plane as it was.
    pub before: Option<Arc<RoiPlane>>,
    /// The plane as it became.
    pub after: Option<Arc<RoiPlane>>,
}

/// One attribute of an ROI with its value.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// ROI Name.
    Name(String),
    /// Display colour.
    Color(Color),
    /// RT ROI Interpreted Type.
    RoiType(RoiType),
    /// Who made the contours.
    Generation(GenerationAlgorithm),
    /// How far a person has answered for it.
    Approval(Approval),
    /// Locked by the person.
    Locked(bool),
    /// What made a proposal, or ROI Description.
    Description(String),
    /// How far the model that made it trusts it.
    Confidence(Option<Confidence>),
    /// What it is, for other systems.
    Code(Option<AnatomicCode>),
    /// How it is derived from other ROIs.
    Derivation(Option<Arc<Derivation>>),
    /// The density that dose calculation is to assume.
    Density(Option<Density>),
    /// Whether it and the other exclusive ROIs push one another back.
    Exclusive(bool),
}

/// What a structure set says about itself, apart from its ROIs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heading {
    /// Structure Set Label.
    pub label: String,
    /// The patient.
    pub patient: PatientInfo,
    /// Frame of Reference UID.
    pub frame_of_reference_uid: Option<Uid>,
    /// The series referred to.
    pub series_uid: Option<Uid>,
    /// The file it was read from.
    pub sop_instance_uid: Option<Uid>,
}

impl Heading {
    /// The heading of `set`.
    #[must_use]
    pub fn of(set: &StructureSet) -> Self {
        Self {
            label: set.label.clone(),
            patient: set.patient.clone(),
            frame_of_reference_uid: set.frame_of_reference_uid.clone(),
            series_uid: set.series_uid.clone(),
            sop_instance_uid: set.sop_instance_uid.clone(),
        }
    }

    fn write_to(&self, set: &mut StructureSet) {
        let Self { label, patient, frame_of_reference_uid, series_uid, sop_instance_uid } = self.clone();
        set.label = label;
        set.patient = patient;
        set.frame_of_reference_uid = frame_of_reference_uid;
        set.series_uid = series_uid;
        set.sop_instance_uid = sop_instance_uid;
    }
}

/// One change of a structure set, with both sides.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// An ROI is put in at `index`.
    Insert {
        /// Where it comes to stand.
        index: usize,
        /// The ROI.
        roi: Arc<Roi>,
    },
    /// The ROI at `index` is taken out.
    Remove {
        /// Where it stood.
        index: usize,
        /// The ROI as it was.
        roi: Arc<Roi>,
    },
    /// An ROI moves in the list.
    Move {
        /// The ROI.
        roi: RoiId,
        /// Its index before.
        from: usize,
        /// Its index after.
        to: usize,
    },
    /// An attribute gets another value.
    Attribute {
        /// The ROI.
        roi: RoiId,
        /// The value before.
        before: Attribute,
        /// The value after; the same attribute.
        after: Attribute,
    },
    /// Contours change on some planes.
    Planes {
        /// The ROI.
        roi: RoiId,
        /// The planes that change; all others stay the very same objects.
        planes: Vec<PlaneEdit>,
    },
    /// A guide outline is put in, exchanged or taken out. The ROI keeps its revision.
    Guide {
        /// The ROI.
        roi: RoiId,
        /// The guide's place among the ROI's.
        index: usize,
        /// The guide as it was; `None` for one put in.
        before: Option<Arc<Guide>>,
        /// The guide as it became; `None` for one taken out.
        after: Option<Arc<Guide>>,
    },
    /// The set itself changes.
    Heading {
        /// Before.
        before: Box<Heading>,
        /// After.
        after: Box<Heading>,
    },
}

/// A change does not fit the structure set it is applied to: the history does not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the edit does not fit the structure set (a damaged or foreign journal)")]
pub struct Mismatch;

/// The effect of one command: an undo step.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// The name in the edit menu ("Brush on `Parotid_L`").
    pub name: String,
    /// What changed, in order; never empty.
    pub changes: Vec<Change>,
}

impl Attribute {
    /// The value that `roi` has for the attribute that `self` is.
    #[must_use]
    pub fn in_roi(&self, roi: &Roi) -> Self {
        match self {
            Self::Name(_) => Self::Name(roi.name.clone()),
            Self::Color(_) => Self::Color(roi.color),
            Self::RoiType(_) => Self::RoiType(roi.roi_type.clone()),
            Self::Generation(_) => Self::Generation(roi.generation),
            Self::Approval(_) => Self::Approval(roi.approval),
            Self::Locked(_) => Self::Locked(roi.locked),
            Self::Description(_) => Self::Description(roi.description.clone()),
            Self::Confidence(_) => Self::Confidence(roi.confidence),
            Self::Code(_) => Self::Code(roi.code.clone()),
            Self::Derivation(_) => Self::Derivation(roi.derivation.clone()),
            Self::Density(_) => Self::Density(roi.density),
            Self::Exclusive(_) => Self::Exclusive(roi.exclusive),
        }
    }
}

impl Change {
    /// The change that takes this one back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        match self.clone() {
            Self::Insert { index, roi } => Self::Remove { index, roi },
            Self::Remove { index, roi } => Self::Insert { index, roi },
            Self::Move { roi, from, to } => Self::Move { roi, from: to, to: from },
            Self::Attribute { roi, before, after } => Self::Attribute { roi, before: after, after: before },
            Self::Planes { roi, planes } => Self::Planes {
                roi,
                planes: planes
                    .into_iter()
                    .map(|PlaneEdit { before, after }| PlaneEdit { before: after, after: before })
                    .collect(),
            },
            Self::Guide { roi, index, before, after } => {
                Self::Guide { roi, index, before: after, after: before }
            }
            Self::Heading { before, after } => Self::Heading { before: after, after: before },
        }
    }

    /// The ROI it concerns; `None` for the heading.
    #[must_use]
    pub fn roi(&self) -> Option<RoiId> {
        match self {
            Self::Insert { roi, .. } | Self::Remove { roi, .. } => Some(roi.id),
            Self::Move { roi, .. }
            | Self::Attribute { roi, .. }
            | Self::Planes { roi, .. }
            | Self::Guide { roi, .. } => Some(*roi),
            Self::Heading { .. } => None,
        }
    }

    fn apply(&self, set: &mut StructureSet, stamp: u64) -> Result<(), Mismatch> {
        match self {
            Self::Insert { index, roi } => {
                if *index > set.rois.len() || set.roi(roi.id).is_some() {
                    return Err(Mismatch);
                }
                let mut roi = Arc::clone(roi);
                Arc::make_mut(&mut roi).revision = stamp;
                set.rois.insert(*index, roi);
            }
            Self::Remove { index, roi } => {
                set.rois.get(*index).filter(|own| own.id == roi.id).ok_or(Mismatch)?;
                set.rois.remove(*index);
            }
            Self::Move { roi, from, to } => {
                set.rois.get(*from).filter(|own| own.id == *roi).ok_or(Mismatch)?;
                if *to >= set.rois.len() {
                    return Err(Mismatch);
                }
                let moved = set.rois.remove(*from);
                set.rois.insert(*to, moved);
            }
            Self::Attribute { roi, after, .. } => {
                let own = roi_mut(set, *roi, stamp)?;
                match after.clone() {
                    Attribute::Name(name) => own.name = name,
                    Attribute::Color(color) => own.color = color,
                    Attribute::RoiType(roi_type) => own.roi_type = roi_type,
                    Attribute::Generation(generation) => own.generation = generation,
                    Attribute::Approval(approval) => own.approval = approval,
                    Attribute::Locked(locked) => own.locked = locked,
                    Attribute::Description(description) => own.description = description,
                    Attribute::Confidence(confidence) => own.confidence = confidence,
                    Attribute::Code(code) => own.code = code,
                    Attribute::Derivation(derivation) => own.derivation = derivation,
                    Attribute::Density(density) => own.density = density,
                    Attribute::Exclusive(exclusive) => own.exclusive = exclusive,
                }
            }
            Self::Planes { roi, planes } => {
                let own = roi_mut(set, *roi, stamp)?;
                for plane in planes {
                    exchange_plane(&mut own.planes, plane)?;
                }
            }
            Self::Guide { roi, index, before, after } => {
                let shared = set.rois.iter_mut().find(|own| own.id == *roi).ok_or(Mismatch)?;
                exchange_guide(&mut Arc::make_mut(shared).guides, *index, before.as_ref(), after.as_ref())?;
            }
            Self::Heading { after, .. } => after.write_to(set),
        }
        Ok(())
    }

    /// The memory it holds on to, bytes (an estimate, from above).
    fn bytes(&self) -> usize {
        match self {
            Self::Insert { roi, .. } | Self::Remove { roi, .. } => {
                let text = roi.source.as_ref().map_or(0, |all| all.iter().map(|c| c.data.len() + 96).sum());
                let guides: usize = roi.guides.iter().map(|guide| outline_bytes(&guide.polygons)).sum();
                roi.planes.iter().map(|plane| outline_bytes(&plane.polygons)).sum::<usize>()
                    + guides
                    + text
                    + 256
            }
            Self::Planes { planes, .. } => planes
                .iter()
                .flat_map(|plane| [&plane.before, &plane.after])
                .flatten()
                .map(|plane| outline_bytes(&plane.polygons))
                .sum(),
            Self::Guide { before, after, .. } => {
                [before, after]
                    .into_iter()
                    .flatten()
                    .map(|guide| outline_bytes(&guide.polygons))
                    .sum::<usize>()
                    + 256
            }
            Self::Move { .. } | Self::Attribute { .. } | Self::Heading { .. } => 256,
        }
    }
}

impl Edit {
    /// Changes `set`; every ROI touched gets the revision `stamp`, unless only its guides change.
    ///
    /// # Errors
    /// [`Mismatch`] when the edit belongs to another state; `set` is then half changed and must be
    /// thrown away.
    pub fn apply(&self, set: &mut StructureSet, stamp: u64) -> Result<(), Mismatch> {
        self.changes.iter().try_for_each(|change| change.apply(set, stamp))
    }

    /// The edit that takes this one back, of the same name.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self { name: self.name.clone(), changes: self.changes.iter().rev().map(Change::inverse).collect() }
    }

    /// The ROIs it concerns, each once.
    #[must_use]
    pub fn rois(&self) -> Vec<RoiId> {
        self.changes.iter().filter_map(Change::roi).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The memory it holds on to, bytes (an estimate, from above).
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.name.len() + self.changes.iter().map(Change::bytes).sum::<usize>()
    }
}

fn outline_bytes(polygons: &[Polygon]) -> usize {
    let points: usize = polygons.iter().flat_map(Polygon::rings).map(Vec::len).sum();
    points * size_of::<crate::geometry::Point2>() + polygons.len() * 64 + 256
}

fn roi_mut(set: &mut StructureSet, id: RoiId, stamp: u64) -> Result<&mut Roi, Mismatch> {
    let shared = set.rois.iter_mut().find(|roi| roi.id == id).ok_or(Mismatch)?;
    let own = Arc::make_mut(shared);
    own.revision = stamp;
    Ok(own)
}

fn exchange_plane(planes: &mut Vec<Arc<RoiPlane>>, edit: &PlaneEdit) -> Result<(), Mismatch> {
    if let Some(before) = &edit.before {
        let same =
            |own: &Arc<RoiPlane>| Arc::ptr_eq(own, before) || (own.plane == before.plane && own == before);
        let at = planes.iter().position(same).ok_or(Mismatch)?;
        if let Some(after) = edit.after.as_ref().filter(|after| after.plane == before.plane) {
            planes[at] = Arc::clone(after);
            return Ok(());
        }
        planes.remove(at);
    }
    if let Some(after) = &edit.after {
        let offset = after.plane.offset_mm();
        planes.insert(planes.partition_point(|own| own.plane.offset_mm() < offset), Arc::clone(after));
    }
    Ok(())
}

fn exchange_guide(
    guides: &mut Vec<Arc<Guide>>,
    index: usize,
    before: Option<&Arc<Guide>>,
    after: Option<&Arc<Guide>>,
) -> Result<(), Mismatch> {
    if let Some(before) = before {
        guides.get(index).filter(|own| Arc::ptr_eq(own, before) || *own == before).ok_or(Mismatch)?;
        guides.remove(index);
    }
    match after {
        Some(_) if index > guides.len() => return Err(Mismatch),
        Some(after) => guides.insert(index, Arc::clone(after)),
        None => {}
    }
    Ok(())
}
