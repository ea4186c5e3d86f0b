//! Models of nnU-Net v2, run without Python as nnU-Net would run them.
//!
//! What a model is: [`training`] finds training folders, [`checkpoint`], [`plans`] and [`dataset`]
//! read what is in them, [`import`] makes a package of one that [`package`] reads back. Nothing in a
//! checkpoint is executed.
//!
//! What is computed: the way of a case is [`preprocess`] (transpose, crop, normalise, [`resample`]),
//! [`window`] (tiles, their weights, mirroring, the weighted mean of [`logits`]), [`stream`] and
//! [`export`] (logits back onto the image's own voxels, the label of each). These take and give plain
//! slices, x fastest; sizes and axes are (z, y, x) of the array that nnU-Net's own reader would hand
//! over ([`image`]); `labelling` makes the same label map of what a graphics device decided; [`zoom`] is
//! TotalSegmentator's own resampling. [`predict`] walks the whole way with a model's networks, and
//! `composed` that of several models that make one ([`composition`]); [`steps`] shows what comes out between.
//!
//! Source: F. Isensee et al., nnU-Net, Nature Methods 18, 203-211 (2021); the file formats are those
//! of nnunetv2 2.0 to 2.8, the details of the numerics those of nnunetv2 2.8, scipy 1.17 and
//! scikit-image 0.26 as their outputs show them.

mod architecture;
mod archive;
mod axis;
mod card;
pub mod checkpoint;
mod coarse;
mod composed;
pub mod composition;
mod crop;
pub mod dataset;
mod decision;
mod edges;
pub mod export;
pub mod gaussian;
pub mod image;
pub mod import;
mod json;
pub(super) mod labelling;
pub mod labels;
pub mod logits;
mod model;
mod naming;
pub mod normalize;
pub mod orientation;
mod outlines;
pub mod package;
mod passes;
mod pickle;
mod pieces;
pub mod plans;
pub mod predict;
pub mod preprocess;
pub(in crate::ai) mod published;
mod ready;
pub mod resample;
mod resample_plan;
pub mod splits;
pub mod steps;
pub mod stream;
pub(super) mod sum;
pub(super) mod tiles;
pub(in crate::ai) mod trained;
mod trainers;
pub mod training;
pub(in crate::ai) mod unpack;
pub mod window;
pub mod zoom;

pub(in crate::ai) use coarse::SHARE_BYTES;
pub use composition::Composition;
pub use dataset::{Dataset, Structure};
pub use image::ChannelImage;
pub use model::{FoldError, Model};
pub use orientation::Orientation;
pub use plans::Plan;
