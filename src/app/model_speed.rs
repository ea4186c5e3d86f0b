//! How long models take on this machine: what is told before a run, and what runs and measurements tell.
//!
//! A speed is kept for a device, a model's version and the manner in which its networks run, by the work
//! they do (multiply-accumulate operations), so that it holds for other scans and other chosen organs.

use super::Workstation;
use super::models::{BODY, MODEL, PROCESSOR, versioned};
use super::workstation::Message;
use crate::ai::workload::{Speed, Workload, manner, measure_speed};
use crate::ai::{PredictOptions, kept, memory};
use crate::device::DeviceChoice;
use crate::session::preferences::ModelSpeed;
use crate::ui::state::{Estimate, ModelLine, Place};

/// The job that measures the speed of a device.
const MEASURE: &str = "measure";

impl Workstation {
    /// The work of a model on the open series, for the organs that are chosen.
    pub(super) fn workload(&self, model: &ModelLine) -> Workload {
        let packages = &self.models.packages;
        let package = packages.iter().find(|package| package.id == model.id);
        let organs = self.state.propose.named(model);
        let (Some(session), Some(package), Some(organs)) = (&self.session, package, organs) else {
            return Workload::default();
        };
        let grid = &session.series().volume.grid;
        Workload::of(package, &organs, packages, grid, self.models.seen.body_mm)
    }

    /// Whether models run on the processor.
    pub(super) fn runs_on_cpu(&self) -> bool {
        self.model_device() == PROCESSOR
    }

    fn model_device(&self) -> String {
        let device = &self.desk.model_device;
        if device.is_empty() { PROCESSOR.to_owned() } else { device.clone() }
    }

    /// The chosen model.
    fn chosen_model(&self) -> Option<&ModelLine> {
        let id = self.state.propose.model.as_ref()?;
        self.desk.models.iter().find(|model| model.id == *id)
    }

    /// The name under which it is kept how fast a model is.
    pub(super) fn speed_key(&self, model: &ModelLine) -> String {
        let package = self.models.packages.iter().find(|package| package.id == model.id);
        let manner = package.map(|package| format!(", {}", manner(package))).unwrap_or_default();
        format!("{}, {}{manner}", self.model_device(), versioned(model))
    }

    /// How long the chosen model will take; asks for a measurement where nothing is known.
    pub(super) fn estimate_time(&mut self) {
        self.desk.estimate = Estimate::Unknown;
        self.desk.memory_bytes = None;
        self.desk.kept_bytes = kept::bytes();
        if self.state.place != Place::Propose {
            return;
        }
        let (Some(model), Some(session)) = (self.chosen_model().cloned(), &self.session) else { return };
        if self.desk.lacks(&model).is_some() {
            // Without the model that it needs the work is not known.
            return;
        }
        let key = self.speed_key(&model);
        let work = self.workload(&model);
        let package = self.models.packages.iter().find(|package| package.id == model.id);
        let options = PredictOptions::default();
        let needed = package.map(|own| memory::estimate_bytes(&session.series().volume, own, &options));
        self.desk.memory_bytes = needed.filter(|_| self.runs_on_cpu());
        if let Some(speed) = self.preferences.model_speeds.get(&key) {
            let seconds = estimated_seconds(speed, work.macs, session.series().volume.voxels.len());
            let (passes, from_run) = (work.passes, speed.from_run);
            self.desk.estimate = Estimate::Known { seconds, passes, from_run };
            return;
        }
        if self.jobs.running_for(MEASURE).is_some() {
            self.desk.estimate = Estimate::Measuring;
            return;
        }
        let is_busy = self.jobs.running_for(MODEL).is_some();
        let package = self.models.packages.iter().find(|package| package.id == model.id);
        let (Some(package), false) = (package, is_busy || self.models.measured.contains(&key)) else {
            return;
        };
        self.models.measured.insert(key.clone());
        self.desk.estimate = Estimate::Measuring;
        let (architecture, patch, id) = (package.architecture.clone(), package.patch, package.id.clone());
        self.jobs.start(MEASURE, "", move |progress| {
            let speed = measure_speed(&architecture, patch, DeviceChoice::Auto, progress);
            if let Err(error) = &speed {
                tracing::info!("the speed of {id} was not measured: {error}");
            }
            Message::Measured { key, model: id, speed: speed.ok() }
        });
    }

    /// Takes in how fast the device is, measured on one patch.
    pub(super) fn measured(&mut self, key: String, model: &str, speed: Option<Speed>) {
        let Some(speed) = speed else { return };
        let Some(work) =
            self.desk.models.iter().find(|line| line.id == model).map(|line| self.workload(line))
        else {
            return;
        };
        if !self.is_usual_device(&speed.device)
            || work.passes == 0
            || self.preferences.model_speeds.contains_key(&key)
        {
            return;
        }
        let seconds_per_teramac = TERA / speed.macs_per_second;
        let speed = ModelSpeed { seconds_per_teramac, seconds_per_megavoxel: 0.0, from_run: false };
        self.preferences.model_speeds.insert(key, speed);
    }

    /// Keeps how long a run of so much work took.
    pub(super) fn keep_speed(
        &mut self,
        model: &str,
        device: &str,
        work: Workload,
        [network_seconds, other_seconds]: [f64; 2],
    ) {
        let Some(model) = self.desk.models.iter().find(|line| line.id == model).cloned() else { return };
        let Some(session) = &self.session else { return };
        if model.id != BODY && !self.is_usual_device(device) {
            return;
        }
        let voxels = session.series().volume.voxels.len();
        let speed = speed_of_run(work.macs, voxels, network_seconds, other_seconds);
        self.preferences.model_speeds.insert(self.speed_key(&model), speed);
        // A run may have taken minutes: what it tells is not left to an orderly end of the program.
        self.remember_preferences();
    }

    /// Whether a model ran on what the window says it runs on, from beginning to end.
    fn is_usual_device(&self, device: &str) -> bool {
        let is_processor = self.model_device() == PROCESSOR;
        !device.contains("failed") && device.starts_with("CPU") == is_processor
    }
}

/// The operations that seconds are told for.
const TERA: f64 = 1e12;

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn estimated_seconds(speed: &ModelSpeed, macs: f64, voxels: usize) -> f64 {
    macs / TERA * speed.seconds_per_teramac + voxels as f64 / 1e6 * speed.seconds_per_megavoxel
}

/// What a run tells: seconds of the network by its work, all others by the scan's size.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn speed_of_run(macs: f64, voxels: usize, network_seconds: f64, other_seconds: f64) -> ModelSpeed {
    let (seconds_per_teramac, other_seconds) = if macs > 0.0 {
        (network_seconds / macs * TERA, other_seconds)
    } else {
        (0.0, network_seconds + other_seconds)
    };
    let seconds_per_megavoxel = other_seconds / (voxels.max(1) as f64 / 1e6);
    ModelSpeed { seconds_per_teramac, seconds_per_megavoxel, from_run: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_foretells_the_next_one() {
        let speed = speed_of_run(96e12, 35_000_000, 48.0, 7.0);
        assert!((estimated_seconds(&speed, 96e12, 35_000_000) - 55.0).abs() < 1e-9, "the same again");
        // Half the work on a scan a seventh the size: 24 s and 1 s.
        assert!((estimated_seconds(&speed, 48e12, 5_000_000) - 25.0).abs() < 1e-9);
        let body = speed_of_run(0.0, 10_000_000, 0.0, 2.0);
        assert!((estimated_seconds(&body, 0.0, 20_000_000) - 4.0).abs() < 1e-9);
    }
}
