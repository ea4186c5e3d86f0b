//! The roof: the window's device, the frame loop, and everything the window asks for.
//!
//! [`run`] opens the window. When the graphics device is lost the window is opened again on a new
//! device with the same [`Workstation`]: no edit is lost, since none ever lived on the device.

mod act;
mod choosing;
mod contours;
mod deriving;
mod dialogs;
mod doses;
mod exporting;
mod leaving;
mod model_speed;
mod models;
mod opening;
mod proposing;
mod reading;
mod remedy;
mod segmenting;
mod setup;
mod taking_back;
mod taking_up;
#[cfg(test)]
mod tests;
mod training;
mod workstation;

pub use setup::{Hook, Next, NoWindow, RunOptions, run};
pub use workstation::Workstation;
