//! The views: three slice planes and 3D, with everything that belongs to the anatomy.

mod corner;
mod cursor;
mod guides;
mod hover;
mod menu;
mod navigation;
mod outlines;
mod overlay;
mod pane;
mod planes;
mod previews;
mod ruler;
mod slice;
mod state;
mod strip;
mod surfaces;
mod turning;
mod volume;

pub use hover::{Hover, value_text};
pub use navigation::Navigation;
pub use pane::{Half, Look, Pane, PaneFrame, Stack};
pub use slice::slice_view_ui;
pub use state::{Display, Fusion, FusionMode, ViewsState};
pub use volume::volume_view_ui;

#[cfg(test)]
pub(in crate::ui) use pane::tests as test_volumes;
