//! The roof: the window's device, the frame loop, and everything the window asks for.
//!
//! [`run`] opens the window. When the graphics device is lost the window is opened again on a new
//! device with the same [`Workstation`]: no edit is lost, since none ever lived on the device.

mod act;
mod deriving;
mod dialogs;
mod exporting;
mod leaving;
mod opening;
mod proposing;
mod reading;
mod setup;
#[cfg(test)]
mod tests;
mod workstation;

pub use setup::{Hook, Next, NoWindow, RunOptions, run};
pub use workstation::Workstation;
