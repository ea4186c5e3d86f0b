//! Everything a slice view shows, as data.

use super::{ColorMap, Outline, SliceCamera, Window};
use crate::patient::Volume;
use std::sync::Arc;

/// How values between voxel centres are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum Interpolation {
    /// Trilinear.
    #[default]
    Linear,
    /// The nearest voxel, so that pixels show as squares.
    Nearest,
}

/// A second series blended over the first, in the same frame of reference.
#[derive(Debug, Clone)]
pub struct FusionLayer {
    /// Its volume, on any grid.
    pub volume: Arc<Volume>,
    /// Its own window.
    pub window: Window,
    /// Its colours: hot iron for PET, grey for MR.
    pub color_map: ColorMap,
    /// 0 (not seen) to 1 (covers the first).
    pub opacity: f32,
}

/// The colours of a slice picture that are not anatomy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Theme {
    /// Beyond the volume's edge.
    pub background: [u8; 3],
    /// Where the volume has no value ("outside scan"): ground and hatch.
    pub outside: [[u8; 3]; 2],
    /// Where the series lacks a slice: ground and hatch.
    pub missing: [[u8; 3]; 2],
    /// The hairline under structure lines.
    pub hairline: [u8; 3],
}

impl Theme {
    /// The picture is dark in the light theme too: greys are judged against black.
    pub const DARK: Self = Self {
        background: [9, 10, 11],
        outside: [[15, 18, 22], [24, 29, 36]],
        missing: [[40, 29, 8], [92, 66, 16]],
        hairline: [0, 0, 0],
    };
}

/// A slice picture.
#[derive(Debug, Clone)]
pub struct SliceScene {
    /// Where it looks, and the picture's size in pixels.
    pub camera: SliceCamera,
    /// The volume; `None` gives outlines on the background.
    pub volume: Option<Arc<Volume>>,
    /// The volume's window.
    pub window: Window,
    /// The volume's colours: grey, or inverse grey for PET.
    pub color_map: ColorMap,
    /// How values between voxels are made, for both layers.
    pub interpolation: Interpolation,
    /// A second series over the first.
    pub fusion: Option<FusionLayer>,
    /// The structures on this plane, drawn in order.
    pub outlines: Vec<Outline>,
    /// Picture pixels per point (2 on a 200 % display): widths and dashes follow it.
    pub pixels_per_point: f32,
    /// Colours that are not anatomy.
    pub theme: Theme,
}

impl SliceScene {
    /// A volume alone, linear, in grey.
    #[must_use]
    pub fn new(camera: SliceCamera, volume: Option<Arc<Volume>>, window: Window) -> Self {
        Self {
            camera,
            volume,
            window,
            color_map: ColorMap::Grey,
            interpolation: Interpolation::Linear,
            fusion: None,
            outlines: Vec::new(),
            pixels_per_point: 1.0,
            theme: Theme::DARK,
        }
    }

    /// Whether both give the same picture; volumes and rings are compared by identity.
    #[must_use]
    pub fn is_same_picture(&self, other: &Self) -> bool {
        let same_volume = match (&self.volume, &other.volume) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let same_fusion = match (&self.fusion, &other.fusion) {
            (Some(a), Some(b)) => {
                Arc::ptr_eq(&a.volume, &b.volume)
                    && a.window == b.window
                    && a.color_map == b.color_map
                    && a.opacity.to_bits() == b.opacity.to_bits()
            }
            (None, None) => true,
            _ => false,
        };
        same_volume
            && same_fusion
            && self.camera == other.camera
            && self.window == other.window
            && self.color_map == other.color_map
            && self.interpolation == other.interpolation
            && self.pixels_per_point.to_bits() == other.pixels_per_point.to_bits()
            && self.theme == other.theme
            && self.outlines.len() == other.outlines.len()
            && self.outlines.iter().zip(&other.outlines).all(|(a, b)| a.is_same_picture(b))
    }
}
