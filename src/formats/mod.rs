//! Image files other than DICOM.

pub mod nifti;
