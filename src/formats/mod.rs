//! Image files other than DICOM, and arrays.

pub mod nifti;
pub mod npy;
