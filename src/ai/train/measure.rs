//! How good a package is on the validation patients: Dice per organ, on the scans' own grid, by the
//! same prediction that contours a patient.

use super::TrainError;
use super::loss::IGNORE;
use super::patient::{Case, Patients};
use super::recipe::Recipe;
use crate::ai::{ModelPackage, PredictError, PredictOptions, predict};
use crate::device::DeviceChoice;
use crate::progress::Progress;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One organ's agreement with its contours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrganDice {
    /// ROI Name.
    pub name: String,
    /// Patients scored: those in whom it was annotated and lies wholly inside the scan.
    pub patients: usize,
    /// Mean Dice.
    pub mean: f64,
    /// The least Dice.
    pub least: f64,
}

/// What was measured.
pub(super) struct Measured {
    /// Agreement, of organs that one of the patients has.
    pub organs: Vec<OrganDice>,
    /// The patients whose scans were contoured and scored.
    pub patients: usize,
    /// What could not be read or run, and what is odd about those that were.
    pub warnings: Vec<String>,
}

/// Dice of every organ over the first `limit` validation patients; organs that none of them has are
/// left out.
pub(super) fn measure(
    package: &ModelPackage,
    recipe: &Recipe,
    patients: &dyn Patients,
    limit: usize,
    device: DeviceChoice,
    progress: &Progress,
) -> Result<Measured, TrainError> {
    let mut scores: Vec<Vec<f64>> = vec![Vec::new(); recipe.labels.len()];
    let (mut warnings, mut scored) = (Vec::new(), 0);
    for id in patients.valid().iter().take(limit) {
        // Progress of its own: the run's fraction counts steps.
        progress.check()?;
        let mut case = match patients.read(id, &Progress::new()) {
            Ok(case) => case,
            Err(why) => {
                warnings.push(why);
                continue;
            }
        };
        warnings.append(&mut case.remarks);
        let channels = std::mem::take(&mut case.channels);
        let options = PredictOptions { device, label_map: true, channels, ..PredictOptions::default() };
        let quiet = Progress::new();
        let watched = watch_cancel(progress, &quiet, || predict(&case.volume, package, &options, &quiet));
        match watched {
            Ok(prediction) => {
                let found = prediction.labels.map(|map| map.labels).unwrap_or_default();
                score(&case, &found, recipe, &mut scores);
                scored += 1;
            }
            Err(PredictError::Cancelled(cancelled)) => return Err(cancelled.into()),
            Err(error) => warnings.push(format!("the validation patient {id} was not scored: {error}")),
        }
    }
    let organs = recipe
        .labels
        .iter()
        .zip(scores)
        .filter(|(_, scores)| !scores.is_empty())
        .map(|(label, scores)| OrganDice {
            name: label.name.clone(),
            patients: scores.len(),
            mean: scores.iter().sum::<f64>() / scores.len() as f64,
            least: scores.iter().copied().fold(1.0, f64::min),
        })
        .collect();
    Ok(Measured { organs, patients: scored, warnings })
}

/// Runs `work`, handing a cancel of `outer` on to `inner`.
fn watch_cancel<T>(outer: &Progress, inner: &Progress, work: impl FnOnce() -> T) -> T {
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                if outer.is_cancelled() {
                    inner.cancel();
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        });
        let result = work();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        result
    })
}

/// Adds the patient's Dice of every organ that is annotated, whole and there. `found` are the labels'
/// values; of regions that lie in one another each is scored with what lies in it. Voxels that nobody
/// could tell the label of do not count.
fn score(case: &Case, found: &[u16], recipe: &Recipe, scores: &mut [Vec<f64>]) {
    let words: BTreeMap<u16, u16> =
        (1..).zip(&recipe.labels).map(|(number, label)| (label.value, recipe.word(number))).collect();
    let count = scores.len() + 1;
    let (mut both, mut truth, mut guess) = (vec![0_u64; count], vec![0_u64; count], vec![0_u64; count]);
    let judged = case.labels.iter().enumerate().filter(|(_, own)| **own != IGNORE);
    for (voxel, own) in judged {
        let other = found.get(voxel).and_then(|value| words.get(value)).copied().unwrap_or(0);
        for number in recipe.numbers(*own) {
            truth[usize::from(number)] += 1;
            both[usize::from(number)] += u64::from(recipe.numbers(other).any(|other| other == number));
        }
        recipe.numbers(other).for_each(|number| guess[usize::from(number)] += 1);
    }
    for (label, scores) in (1_u16..).zip(scores) {
        let at = usize::from(label);
        if case.known[at] && !case.truncated.contains(&label) && truth[at] > 0 {
            scores.push(2.0 * both[at] as f64 / (truth[at] + guess[at]) as f64);
        }
    }
}

/// The mean of the organs' means.
pub(super) fn mean(organs: &[OrganDice]) -> Option<f64> {
    (!organs.is_empty()).then(|| organs.iter().map(|organ| organ.mean).sum::<f64>() / organs.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::sampler::tests::tiny_recipe;
    use super::*;
    use crate::ai::package::Label;
    use crate::geometry::{Grid, Point3, Vector3};
    use crate::patient::{Unit, Volume, Voxels};
    use std::sync::Arc;

    #[test]
    fn only_annotated_whole_organs_are_scored() {
        let grid =
            Grid::new([5, 1, 1], Point3::origin(), [Vector3::x(), Vector3::y(), Vector3::z()]).unwrap();
        let voxels = Voxels::I16(vec![0; 5]);
        let volume = Arc::new(Volume { grid, voxels, unit: Unit::Hu, slices: Vec::new(), native: None });
        let case = Case {
            id: "a".into(),
            volume,
            channels: Vec::new(),
            labels: vec![1, 1, 2, 3, IGNORE],
            known: vec![true, true, true, true, false],
            truncated: vec![3],
            remarks: Vec::new(),
        };
        let mut recipe = tiny_recipe();
        recipe.labels = (1..=4).map(|value| Label { value, ..Label::default() }).collect();
        let mut scores = vec![Vec::new(); 4];
        score(&case, &[1, 0, 2, 3, 1], &recipe, &mut scores);
        // Label 1: 2 * 1 / (2 + 1).
        assert_eq!(scores, [vec![2.0 / 3.0], vec![1.0], vec![], vec![]]);
    }
}
