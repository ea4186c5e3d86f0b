//! The panels around the views, one file each.

mod card;
mod check;
mod common_options;
mod confidence;
mod export;
mod inspector;
mod jobs;
mod keys;
mod manager;
mod naming;
mod numbers;
mod open;
mod overflow;
mod overlays;
mod palette;
mod propose;
mod recipe;
mod segment;
mod start;
mod structure_row;
mod structures;
mod tool_options;
mod tool_pictures;
mod tool_strip;
mod top_bar;
mod train;

pub use inspector::inspector_ui;
pub use manager::already_there;
pub use numbers::{unanswered_number, waits_for_number, want_number};
pub use overlays::overlay_ui;
pub use propose::default_series;
pub use start::start_ui;
pub use structure_row::{item, structure_menu_ui};
pub use structures::structures_ui;
pub use tool_strip::{HEIGHT as TOOL_STRIP_HEIGHT, StatusLine, tool_strip_ui};
pub use top_bar::{HEIGHT as TOP_BAR_HEIGHT, top_bar_ui};
