//! Delineo: a native contouring workstation for radiation oncology.
//!
//! The floors, imports go only downward (guarded by `tests/architecture.rs`):
//!
//! | floor | modules |
//! |---|---|
//! | 6 | [`app`], [`cli`] |
//! | 5 | [`ui`] |
//! | 4 | [`tools`] |
//! | 3 | [`session`] |
//! | 2 | [`dicom`], [`formats`], [`ai`], [`edit`], [`metrics`], [`render`], [`phantom`] |
//! | 1 | [`patient`] |
//! | 0 | [`geometry`], [`progress`], [`device`], [`new_file`], [`data_folder`] |

pub mod ai;
pub mod app;
pub mod cli;
pub mod data_folder;
pub mod device;
pub mod dicom;
pub mod edit;
pub mod formats;
pub mod geometry;
pub mod metrics;
pub mod new_file;
pub mod patient;
pub mod phantom;
pub mod progress;
pub mod render;
pub mod session;
pub mod tools;
pub mod ui;
