//! `delineo bench training`: seconds per training step of the shipped recipes, in burn on the CPU.
//!
//! The peer is `models/training/step_time.py` (PyTorch); it needs the recipes' folder, so it is run
//! beside this, not by it.

use super::{BenchRow, median};
use crate::ai::train::{Recipe, time_step};
use crate::device::DeviceChoice;

const RECIPES: [&str; 2] = [
    include_str!("../../../models/training/head-neck.toml"),
    include_str!("../../../models/training/sample-body.toml"),
];

/// Forward, loss, backward and AdamW on random patches.
///
/// # Errors
/// When a recipe cannot be used.
pub fn run() -> anyhow::Result<Vec<BenchRow>> {
    RECIPES
        .iter()
        .map(|text| {
            let recipe = Recipe::parse(text).map_err(anyhow::Error::msg)?;
            let before = processor_seconds();
            let (mut seconds, device) = time_step(&recipe, DeviceChoice::Cpu, 4)?;
            let used = before.and_then(|before| Some(processor_seconds()? - before));
            // The first step also fills memory.
            seconds.remove(0);
            let used = used.map_or_else(String::new, |used| format!("{:.2} CPU-s a step, ", used / 4.0));
            Ok(BenchRow {
                name: format!("one training step, {}", recipe.id),
                unit: "s",
                ours: median(seconds),
                peer: None,
                peer_name: String::new(),
                note: format!("{used}burn, {device}; PyTorch: models/training/step_time.py"),
            })
        })
        .collect()
}

/// Processor time of this process, user and system, where the system tells (Linux: in hundredths).
fn processor_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}
