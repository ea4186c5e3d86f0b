//! The same pictures in plain Rust: where there is no graphics driver, and to test the shaders.
//!
//! Each function follows its shader line by line, in `f32`, so that pictures agree to rounding.
//! Work is spread over rayon's threads by rows of the picture.

mod lines;
mod sample;
mod slice;
mod surfaces;
mod volume;

pub use slice::render as render_slice;
pub use volume::render as render_volume;
