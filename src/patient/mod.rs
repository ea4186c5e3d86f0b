//! The nouns of the program: patients, series, volumes, structure sets. No I/O.
//!
//! Anyone above may read them; the structure set changes only through `session`.

mod anatomy;
mod body_region;
mod confidence;
mod dose;
mod ends;
mod fingerprint;
mod guide;
mod mask;
mod regrid;
mod roi;
mod series;
mod stack;
mod structure_set;
mod uid;
mod volume;
mod warning;

pub use anatomy::{AnatomicCode, tells_body_side};
pub use body_region::BodyRegion;
pub use confidence::Confidence;
pub use dose::{Dose, DoseInfo, DoseLattice};
pub use fingerprint::series_fingerprint;
pub use guide::Guide;
pub use mask::{LabelMap, Mask};
pub use regrid::OtherGrid;
pub use roi::{
    Approval, Color, Density, Derivation, GenerationAlgorithm, GeometricType, PALETTE, Roi, RoiId, RoiPlane,
    RoiType, SourceContour,
};
pub use series::{DateText, ImageInstance, Modality, PatientInfo, Series, SeriesInfo, StudyInfo, Uid};
pub use structure_set::StructureSet;
pub use uid::{new_uid, uid_from_seed};
pub use volume::{OUTSIDE_I16, Slice, Unit, Volume, Voxels, signed};
pub use warning::DataWarning;
