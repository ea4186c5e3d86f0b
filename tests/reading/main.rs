//! Reading constructed and real images: geometry, pixels, transfer syntaxes, bad input.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "constructed values are small whole numbers, compared exactly on purpose"
)]

mod bad_input;
mod builder;
#[path = "../shared/dose.rs"]
mod dose;
mod doses;
mod geometry;
mod headers;
mod pixels;
mod real;
#[path = "../shared/skip.rs"]
mod skip;
mod studies;

use delineo::dicom::{Library, ReadSeries, read_series, scan};
use delineo::patient::{DataWarning, Voxels};
use delineo::progress::Progress;
use std::path::Path;

/// Scans a folder.
fn scanned(folder: &Path) -> Library {
    scan(&[folder.to_owned()], &Progress::new()).unwrap()
}

/// Reads the only series of a folder.
fn read_only(folder: &Path) -> ReadSeries {
    let library = scanned(folder);
    assert_eq!(library.series.len(), 1, "{:?}", library.warnings);
    read_series(&library.series[0], &Progress::new()).unwrap()
}

/// The values of an integer volume.
fn whole(voxels: &Voxels) -> &[i16] {
    match voxels {
        Voxels::I16(values) => values,
        Voxels::F32(_) => panic!("fractional voxels"),
    }
}

/// The values of a fractional volume.
fn fractional(voxels: &Voxels) -> &[f32] {
    match voxels {
        Voxels::F32(values) => values,
        Voxels::I16(_) => panic!("whole voxels"),
    }
}

/// Asserts that a warning about the file says `words`.
fn assert_warned(warnings: &[DataWarning], file: &str, words: &str) {
    let found =
        warnings.iter().any(|warning| warning.path.ends_with(file) && warning.message.contains(words));
    assert!(found, "no warning of {file} says \"{words}\": {warnings:#?}");
}
