//! DICOM files to and from the nouns of [`crate::patient`]. The types of dicom-rs stop here.
//!
//! Reading is two steps: [`scan`] finds what there is by headers, [`read_series`] reads the pixels
//! of one series.

mod assemble;
mod attributes;
mod codec;
mod header;
mod image;
mod layout;
mod library;
mod pixels;
mod read_series;
mod resample;
mod scan;
mod suv;

pub use library::{DoseEntry, Library, RoiEntry, SeriesEntry, SliceSpacing, StructureSetEntry};
pub use read_series::{ReadSeries, ReadSeriesError, read_series};
pub use scan::{ScanError, modality_rank, scan};
