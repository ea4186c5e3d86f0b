//! What a run tells while it goes: one JSON document a line beside the checkpoint, and the same to
//! whoever watches (the command line, the window's plot).

use super::TrainError;
use super::measure::OrganDice;
use crate::new_file::{WriteFileError, write_file};
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The log's name in the run's folder.
pub const LOG: &str = "log.jsonl";

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run began or went on.
    Started {
        /// Steps done before.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// Patients trained on: those that could be used.
        train: usize,
        /// Patients kept for validation.
        valid: usize,
        /// The device.
        device: String,
        /// Trained parameters.
        parameters: usize,
    },
    /// What the run takes, told before its first step.
    Memory {
        /// Bytes of a step, on the device, about.
        step_bytes: u64,
        /// Bytes of the patients that are held in memory.
        patients_bytes: u64,
        /// Bytes of those that are kept in files of the run's folder until it ends.
        #[serde(default)]
        disk_bytes: u64,
        /// Bytes that were free before, where the system tells.
        free_bytes: Option<u64>,
    },
    /// Some steps were done.
    Steps {
        /// Steps done in all.
        step: u64,
        /// Their mean loss.
        loss: f64,
        /// The last one's learning rate.
        learning_rate: f64,
        /// Mean time of one.
        seconds_per_step: f64,
    },
    /// A step was left out because its gradient was not finite.
    LeftOut {
        /// The step.
        step: u64,
    },
    /// The package was written and scored on the validation patients.
    Validated {
        /// Steps done in all.
        step: u64,
        /// Mean of the organs' means; `None` when there was nothing to score.
        mean_dice: Option<f64>,
        /// Per organ.
        organs: Vec<OrganDice>,
        /// Patients whose scans were contoured and scored.
        #[serde(default)]
        patients: usize,
    },
    /// A checkpoint was written.
    Saved {
        /// Steps done in all.
        step: u64,
    },
    /// Something the person should know.
    Warning {
        /// In words.
        message: String,
    },
}

impl Event {
    fn step(&self) -> Option<u64> {
        match self {
            Self::Steps { step, .. } | Self::Validated { step, .. } | Self::Saved { step } => Some(*step),
            // A step that is left out is told before it counts.
            Self::LeftOut { step } => Some(step + 1),
            Self::Started { .. } | Self::Memory { .. } | Self::Warning { .. } => None,
        }
    }
}

/// The events of a run's log; lines that are none (a line cut short by a power cut) are passed over.
/// None when there is no log.
#[must_use]
pub fn read_log(folder: &Path) -> Vec<Event> {
    let text = std::fs::read_to_string(folder.join(LOG)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The log of a run.
pub(super) struct Log {
    path: PathBuf,
}

impl Log {
    /// Takes up the log of a run that goes on after `step`: what was told of later steps is dropped,
    /// for they will be done again.
    pub(super) fn open(folder: &Path, step: u64) -> Result<Self, TrainError> {
        let path = folder.join(LOG);
        let kept = read_log(folder);
        let lines: String = kept
            .iter()
            .filter(|event| step > 0 && event.step().is_none_or(|own| own <= step))
            .map(line)
            .collect();
        write_file(&path, true, lines.as_bytes())?;
        Ok(Self { path })
    }

    pub(super) fn add(&self, event: &Event) -> Result<(), TrainError> {
        let written = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(line(event).as_bytes()));
        written.map_err(|error| WriteFileError::from_io(&error, &self.path).into())
    }
}

fn line(event: &Event) -> String {
    // Numbers, text and lists: they can be written.
    serde_json::to_string(event).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_taken_up_again_forgets_what_will_be_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(folder.path(), 0).unwrap();
        let steps = |step| Event::Steps { step, loss: 0.5, learning_rate: 1e-3, seconds_per_step: 0.1 };
        for event in [steps(10), Event::Saved { step: 10 }, steps(20), Event::LeftOut { step: 10 }] {
            log.add(&event).unwrap();
        }
        Log::open(folder.path(), 10).unwrap();
        assert_eq!(read_log(folder.path()), [steps(10), Event::Saved { step: 10 }]);
    }
}
