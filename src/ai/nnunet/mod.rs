//! nnU-Net v2's numerics on plain arrays: what surrounds the network, exact, without the network.
//!
//! The way of a case is [`preprocess`] (transpose, crop, normalise, [`resample`]), [`window`] (tiles,
//! their weights, mirroring, the sum of logits), [`export`] (logits back onto the image's own voxels,
//! the label of each; [`stream`] makes it of the planes as the window hands them over). [`labels`] is
//! for a cascade's label map, [`zoom`] is TotalSegmentator's own resampling.
//!
//! Every function takes and gives plain slices, x fastest; sizes and axes are (z, y, x) of the array
//! that nnU-Net's own reader would hand over. The networks and the models' files are elsewhere.
//!
//! Source: F. Isensee et al., nnU-Net, Nat Methods 18, 203-211 (2021); the details are those of
//! nnunetv2 2.8, scipy 1.17 and scikit-image 0.26 as their outputs show them.

mod axis;
mod crop;
mod decision;
pub mod export;
pub mod gaussian;
pub mod labels;
pub mod logits;
pub mod normalize;
mod passes;
pub mod preprocess;
pub mod resample;
pub mod stream;
mod sum;
mod tiles;
pub mod window;
pub mod zoom;
