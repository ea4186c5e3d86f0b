//! Which patches are drawn: which patient, where, how changed.
//!
//! Every draw depends only on the generator it is given, so that a run can stop at any step and go on
//! as if it had not. The rules are those of `models/training/patches.py`.

use super::TrainError;
use super::augment::{Deformed, cut, deform};
use super::degrade::{degrade, degrade_normalised};
use super::loss::Truth;
use super::patient::{OUTSIDE_HU, Prepared};
use super::random::Random;
use super::recipe::Recipe;
use super::stock::Stock;
use crate::ai::package::Normalization;

/// Patches ready for the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Normalised values, `[patch][z][y][x]`.
    pub image: Vec<f32>,
    /// What they show.
    pub truth: Truth,
}

/// The most voxels of a label in a patient that are kept as places to draw from (nnU-Net keeps 10,000).
const PLACES: usize = 1 << 16;

/// Patients, and the rule by which patches are drawn from them.
pub struct Sampler {
    recipe: Recipe,
    /// Of images that are normalised when a patch is drawn.
    normalization: Option<Normalization>,
    stock: Stock,
    /// Of each label from 1, the patients that show it.
    found: Vec<Vec<usize>>,
    /// Sums of the labels' weights, up to each.
    weights: Vec<f64>,
    /// What each label is in a mirrored patch.
    swap: Vec<u16>,
}

impl Sampler {
    /// Takes the patients.
    ///
    /// # Errors
    /// [`TrainError::Patients`] when there are none, or no organ of the recipe is in any of them.
    pub(super) fn new(stock: Stock, recipe: &Recipe) -> Result<Self, TrainError> {
        let classes = recipe.labels.len() + 1;
        let found: Vec<Vec<usize>> = (1..classes)
            .map(|label| {
                let numbered = stock.patients().iter().enumerate();
                numbered.filter(|(_, own)| own.counts[label] > 0).map(|(number, _)| number).collect()
            })
            .collect();
        let own = |label: usize| recipe.sampling.weights.as_ref().map_or(1.0, |weights| weights[label]);
        let mut sum = 0.0;
        let weights: Vec<f64> = (0..classes - 1)
            .map(|label| {
                sum += if found[label].is_empty() { 0.0 } else { own(label) };
                sum
            })
            .collect();
        if !(sum > 0.0) {
            return Err(TrainError::Patients(
                "no organ of the recipe is outlined in any patient to train on; check the names of the \
                 structures, and give others under [synonyms] in the recipe"
                    .to_owned(),
            ));
        }
        let mut swap: Vec<u16> = (0..=u16::try_from(classes - 1).unwrap_or(u16::MAX)).collect();
        for [a, b] in &recipe.augment.mirror_swaps {
            swap.swap(usize::from(*a), usize::from(*b));
        }
        let normalization = recipe.own().map(|own| own.normalization());
        Ok(Self { recipe: recipe.clone(), normalization, stock, found, weights, swap })
    }

    /// How many patients there are.
    pub(super) fn patients(&self) -> usize {
        self.stock.patients().len()
    }

    /// The organs (values) that no patient shows.
    pub(super) fn missing(&self) -> Vec<u16> {
        (1_u16..).zip(&self.found).filter(|(_, found)| found.is_empty()).map(|(label, _)| label).collect()
    }

    /// Bytes of the patients and of the places to draw from, in memory.
    pub(super) fn bytes(&self) -> u64 {
        self.stock.held
    }

    /// The same of patients that lie in files.
    pub(super) fn on_disk(&self) -> u64 {
        self.stock.on_disk
    }

    /// The batch of a step: the seed and the step alone decide it.
    ///
    /// # Errors
    /// [`TrainError::Patients`] when a patient's file cannot be read.
    pub fn batch(&self, step: u64) -> Result<Batch, TrainError> {
        let training = &self.recipe.training;
        let size = self.recipe.patch();
        let voxels: usize = size.iter().product();
        let channels = self.recipe.channels().len().max(1);
        let mut batch = Batch {
            image: Vec::with_capacity(training.batch * channels * voxels),
            truth: Truth {
                labels: Vec::with_capacity(training.batch * voxels),
                size,
                known: Vec::new(),
                regions: self.recipe.has_regions(),
            },
        };
        // Of a batch's patches, on average `organ_share` show a chosen organ.
        let on_organ = self.recipe.sampling.organ_share * training.batch as f64;
        for number in 0..training.batch {
            let mut random = Random::new(&[training.seed, step, number as u64]);
            let shows_organ = number as f64 + random.unit() < on_organ;
            self.draw(&mut random, shows_organ, &mut batch)?;
        }
        Ok(batch)
    }

    fn draw(&self, random: &mut Random, shows_organ: bool, batch: &mut Batch) -> Result<(), TrainError> {
        let (recipe, patch, stock) = (&self.recipe, self.recipe.patch(), self.stock.patients());
        let (number, mut centre) = if shows_organ {
            let at = random.unit() * self.weights.last().copied().unwrap_or(0.0);
            let label = self.weights.iter().position(|sum| *sum > at).unwrap_or(0);
            let patients = &self.found[label];
            let number = patients[random.below(patients.len())];
            let patient = &stock[number];
            let place = patient.place(label + 1, random.below(patient.counts[label + 1]))? as usize;
            let [_, ny, nx] = patient.size;
            let voxel = [place / (ny * nx), place / nx % ny, place % nx];
            // The organ need not lie in the middle of the patch.
            (
                number,
                [0, 1, 2].map(|a| {
                    let own = voxel[a] as f64 + if patch[a] == 1 { 0.5 } else { 0.0 };
                    own + random.between(-0.35, 0.35) * patch[a] as f64
                }),
            )
        } else {
            let number = random.below(stock.len());
            let size = stock[number].size;
            (number, [0, 1, 2].map(|axis| random.unit() * size[axis] as f64))
        };
        let patient = &stock[number];
        // Inside the scan, as the sliding window stays, up to a small overhang.
        for axis in 0..3 {
            let half = patch[axis] as f64 / 2.0;
            let overhang = recipe.sampling.overhang as f64;
            let (low, high) = (half - overhang, patient.size[axis] as f64 - half + overhang);
            centre[axis] =
                if low < high { centre[axis].clamp(low, high) } else { patient.size[axis] as f64 / 2.0 };
        }
        // A patch of one plane is a plane of the patient.
        let centre = [0, 1, 2].map(|axis| {
            let last = patient.size[axis] as f64 - 1.0;
            if patch[axis] == 1 { centre[axis].floor().clamp(0.0, last) } else { centre[axis] - 0.5 }
        });
        let Deformed { mut values, mut labels, mirrored } = deform(recipe, patient, centre, random)?;
        let mut known = patient.known.clone();
        if mirrored {
            for label in &mut labels {
                *label = self.swap.get(usize::from(*label)).copied().unwrap_or(*label);
            }
            known = self.swap.iter().map(|label| patient.known[usize::from(*label)]).collect();
        }
        if let Some(normalization) = &self.normalization {
            cut(recipe, &mut values, &mut labels, OUTSIDE_HU, random);
            degrade(recipe, normalization, &mut values, random);
        } else {
            cut(recipe, &mut values, &mut labels, 0.0, random);
            degrade_normalised(recipe, &mut values, random);
        }
        batch.image.extend(values);
        batch.truth.labels.extend(labels);
        batch.truth.known.push(known);
        Ok(())
    }
}

/// The voxels of each label that was outlined, at most [`PLACES`] of it, evenly spread; none of the
/// background.
pub(super) fn places(patient: &Prepared, recipe: &Recipe) -> Vec<Vec<u32>> {
    let mut counts = vec![0_usize; recipe.labels.len() + 1];
    // Of a region that nobody outlined, what it holds of others is no place to show it.
    let known = &patient.known;
    let numbers = |word: u16| recipe.numbers(word).map(usize::from).filter(|number| known[*number]);
    for word in &patient.labels {
        numbers(*word).for_each(|number| counts[number] += 1);
    }
    let mut passed = vec![0_usize; counts.len()];
    let mut places: Vec<Vec<u32>> = vec![Vec::new(); counts.len()];
    for (place, word) in (0_u32..).zip(&patient.labels) {
        for number in numbers(*word) {
            let kept = counts[number].min(PLACES);
            // Where the count of those kept rises.
            if (passed[number] + 1) * kept / counts[number] > passed[number] * kept / counts[number] {
                places[number].push(place);
            }
            passed[number] += 1;
        }
    }
    places
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ai::train::loss::IGNORE;
    use crate::ai::train::patient::Image;
    use crate::ai::train::tuned::tests::fixture_package;

    /// A recipe for a tiny network of two organs, a left one and a right one.
    pub(in crate::ai::train) fn tiny_recipe() -> Recipe {
        Recipe::parse(include_str!("tiny.toml")).unwrap()
    }

    /// Draws from patients in memory.
    fn sampler(patients: Vec<Prepared>, recipe: &Recipe) -> Result<Sampler, TrainError> {
        let folder = tempfile::tempdir().unwrap();
        let mut stock = Stock::new(folder.path(), u64::MAX);
        for patient in patients {
            let places = places(&patient, recipe);
            stock.add(patient, places).unwrap();
        }
        Sampler::new(stock, recipe)
    }

    /// 12 x 16 x 16 voxels: soft tissue, label 1 on the low-x side, label 2 on the high-x side.
    pub(in crate::ai::train) fn tiny_patient(known: [bool; 3]) -> Prepared {
        let size = [12, 16, 16];
        let mut hu = vec![0_i16; 12 * 16 * 16];
        let mut labels = vec![0_u16; hu.len()];
        for (place, (hu, label)) in hu.iter_mut().zip(&mut labels).enumerate() {
            let (z, y, x) = (place / 256, place / 16 % 16, place % 16);
            if (3..9).contains(&z) && (5..11).contains(&y) {
                (*hu, *label) = match x {
                    2..=6 => (300, 1),
                    9..=13 => (-200, 2),
                    _ => (0, 0),
                };
            }
            if !known[usize::from(*label)] {
                *label = 0;
            }
        }
        let spacing_mm = [6.0; 3];
        Prepared { size, spacing_mm, image: Image::Hu(hu), labels, known: known.to_vec() }
    }

    #[test]
    fn regions_that_nobody_outlined_are_shown_nowhere() {
        let recipe = Recipe::of_package(&fixture_package("aniso")).unwrap();
        assert!(recipe.has_regions() && recipe.labels.len() == 3);
        // Each of three regions holds the one before; the second was not outlined.
        let patient = Prepared {
            size: [1, 1, 4],
            spacing_mm: [1.0; 3],
            image: Image::Hu(vec![0; 4]),
            labels: vec![0b111, 0b110, 0b100, 0],
            known: vec![true, true, false, true],
        };
        assert_eq!(places(&patient, &recipe), [vec![], vec![0], vec![], vec![0, 1, 2]]);
    }

    #[test]
    fn a_batch_depends_on_the_step_alone() {
        let sampler = sampler(vec![tiny_patient([true; 3])], &tiny_recipe()).unwrap();
        let first = sampler.batch(7).unwrap();
        let _ = sampler.batch(8).unwrap();
        assert_eq!(sampler.batch(7).unwrap(), first);
        assert_ne!(sampler.batch(8).unwrap(), first);
        assert_eq!(first.image.len(), 2 * 8 * 8 * 8);
        assert!(first.truth.labels.iter().all(|label| *label < 3 || *label == IGNORE));
    }

    #[test]
    fn mirrored_patches_swap_left_and_right_with_their_values() {
        let mut recipe = tiny_recipe();
        recipe.augment.hu_shift = 0.0;
        recipe.augment.hu_scale = [1.0, 1.0];
        recipe.augment.hu_noise = 0.0;
        let sampler = sampler(vec![tiny_patient([true, true, false])], &recipe).unwrap();
        let mut seen = [0; 3];
        for step in 0..40 {
            let batch = sampler.batch(step).unwrap();
            let patch = 8 * 8 * 8;
            for (number, known) in batch.truth.known.iter().enumerate() {
                // Label 1 is bright; in a mirrored patch it is label 2, and label 1 is unknown.
                let is_mirrored = *known == [true, false, true];
                assert!(is_mirrored || *known == [true, true, false], "{known:?}");
                let bright = if is_mirrored { 2 } else { 1 };
                let labels = &batch.truth.labels[number * patch..][..patch];
                assert!(labels.iter().all(|label| [0, bright, IGNORE].contains(label)));
                seen[usize::from(bright)] += labels.iter().filter(|label| **label == bright).count();
            }
        }
        assert!(seen[1] > 1000 && seen[2] > 1000, "{seen:?}");
    }

    #[test]
    fn patients_without_any_organ_are_refused() {
        let error = sampler(vec![tiny_patient([true, false, false])], &tiny_recipe()).err().unwrap();
        assert!(error.to_string().contains("[synonyms]"), "{error}");
    }
}
