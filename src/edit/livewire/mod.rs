//! Live-wire: the path along image edges from an anchor to the pointer.
//!
//! Mortensen and Barrett, "Interactive segmentation with intelligent scissors" (Graphical Models and
//! Image Processing 60, 1998): every pixel around the anchor has costs for lying off the zero
//! crossing of the Laplacian, for a small gradient and for a gradient that turns; the cheapest way
//! from the anchor to every pixel is found once, outwards, as far as the pointer asks, and the way
//! back from the pointer is then but a walk. Taught, the cost of a gradient is what the last piece of
//! outline had rather than the greatest there is. Beyond the paper the path is moved from pixel
//! centres onto the ridge of the gradient, so that it is not a staircase.
//!
//! The search is bounded to [`REACH_PIXELS`] around the anchor; beyond, the path goes on straight.

mod image;
mod search;

pub use image::EdgeImage;
pub use search::{Taught, Wire};

/// How far from the anchor edges are followed, in image pixels either way.
pub const REACH_PIXELS: usize = 104;

#[cfg(test)]
mod tests;
