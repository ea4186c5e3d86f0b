//! DICOM files to and from the nouns of [`crate::patient`]. The types of dicom-rs stop here.
//!
//! Reading images is two steps: [`scan`] finds what there is by headers, [`read_series`] reads the
//! pixels of one series. [`read_rtstruct`] and [`write_rtstruct`] carry structures, [`read_dose`] reads
//! a dose grid, and [`write_ct_series`] writes the bundled sample patient.

mod assemble;
mod attributes;
mod charset;
mod codec;
mod ct_write;
mod dose;
mod element;
mod header;
mod image;
mod jpeg_ls;
mod layout;
mod library;
mod nuclide;
mod pixels;
mod read_series;
mod resample;
mod rtstruct;
mod rtstruct_planes;
mod rtstruct_read;
mod rtstruct_write;
mod same_patient;
mod scan;
mod stacks;
mod suv;
mod walker;

pub use ct_write::{PreparedCtSeries, WriteCtError, prepare_ct_series, write_ct_series};
pub use dose::{ReadDose, ReadDoseError, read_dose};
pub use library::{DoseEntry, Library, RoiEntry, SeriesEntry, SliceSpacing, StructureSetEntry};
pub use read_series::{ReadSeries, ReadSeriesError, read_series};
pub use rtstruct_read::{ReadRtstruct, ReadRtstructError, SET_APPROVED, read_rtstruct};
pub(crate) use rtstruct_write::described;
pub use rtstruct_write::{
    PreparedRtstruct, WriteRtstructError, WriteRtstructOptions, WrittenRtstruct, prepare_rtstruct,
    write_rtstruct,
};
pub(crate) use same_patient::is_same_patient;
pub use scan::{ScanError, modality_rank, scan};

/// The Implementation Class UID of files written here.
pub(crate) const IMPLEMENTATION_CLASS_UID: &str = "2.25.199271374923742319604297135904711297203";
/// The Implementation Version Name of files written here.
pub(crate) const IMPLEMENTATION_VERSION_NAME: &str = concat!("DELINEO_", env!("CARGO_PKG_VERSION"));
