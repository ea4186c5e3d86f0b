//! Pictures: slices with contours and three-dimensional views, on the GPU or in plain Rust.
//!
//! Scenes ([`SliceScene`], [`VolumeScene`]) are plain data that anyone above may build; they name
//! no GPU type. The same scene is drawn by the GPU (`Renderer`) and by [`cpu`], which is the
//! fallback where there is no graphics driver and the oracle that the shaders are tested against.
//!
//! Colours are sRGB and blended as stored (as egui and other workstations do). A picture's pixel
//! (0, 0) is the upper left one and its centre lies at (0.5, 0.5).

mod annotate;
mod camera;
pub mod cpu;
mod draw_slice;
mod draw_volume;
mod frame;
mod gpu;
mod gpu_volume;
mod image;
mod layer_map;
mod line_buffers;
mod outline;
mod picture;
mod pipelines;
mod ray_map;
mod renderer;
mod slice_scene;
mod structures;
mod text;
mod transfer;
mod volume_scene;
mod window;

pub use annotate::{Labels, annotate_slice, annotate_volume, length_text, scale_bar};
pub use camera::SliceCamera;
pub use frame::{PictureSize, SlicePlace, ViewFrame, ViewKind, direction_letters};
pub use gpu::{Gpu, OpenGpuError};
pub use gpu_volume::{GpuVolume, UploadVolumeError};
pub use image::RgbaImage;
pub use line_buffers::segments_of;
pub use outline::{Outline, OutlineKey, Rings, plane_key, rings_on_view};
pub use picture::Painter;
pub use pipelines::SHADERS;
pub use renderer::{DrawError, Renderer, ViewKey};
pub use slice_scene::{FusionLayer, Interpolation, SliceScene, Theme};
pub use structures::{OutlineCache, RoiMesher, SURFACE_MM, rings_of_roi, surface_of_roi};
pub use volume_scene::{CubeFace, Knots, OrbitCamera, Quality, SurfaceMesh, VolumeScene, VolumeStyle};
pub use window::{ColorMap, Window, WindowPreset};
