//! Networks that propose contours, and the classical body contour.
//!
//! The steps are nnU-Net's: body and preprocessing ([`predict`]), the network over a sliding
//! window, probabilities back onto the image's own slices, contours. A model is a package
//! ([`package`]); it runs in burn on a graphics device (`gpu`) or in our own engine on the CPU
//! (`cpu`), both built from the same numbers (`network`). burn is named nowhere else. `tiling` runs a
//! sliding window's tiles on either.

mod agreement;
mod anatomy;
pub mod body;
pub mod catalogue;
mod components;
pub mod cpu;
mod disk;
pub mod engine;
pub mod gpu;
mod graphics;
pub mod kept;
mod labelled;
pub mod memory;
mod mirror;
pub mod network;
pub mod nnunet;
mod orient;
pub mod package;
mod postprocess;
mod predict;
mod preprocess;
mod presence;
pub mod regions;
mod sliding;
mod tiling;
pub mod train;
mod union;
pub mod workload;

pub use body::{BodyError, BodyExtent, External, body_contour, body_mask, external_contour};
pub use package::ModelPackage;
pub use predict::{PredictError, PredictOptions, Prediction, Timings, predict};
