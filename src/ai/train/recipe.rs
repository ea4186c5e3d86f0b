//! A recipe: what is trained, on what, and how.

use super::TrainError;
use super::recipe_parts::{
    Augment, Data, InferenceTable, InputTable, NetworkTable, NormalizationTable, Sampling, Synonyms, Training,
};
use super::start::name_key;
use crate::ai::ModelPackage;
use crate::ai::network::{Architecture, EncoderKind};
use crate::ai::package::{Label, Normalization, sha256_text};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The greatest recipe that is read, bytes.
const LIMIT: u64 = 1 << 20;

/// A recipe, as `models/training/*.toml` holds it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The package's name for commands.
    pub id: String,
    /// The package's name for a person.
    pub title: String,
    /// The package's version.
    pub version: String,
    /// The package's licence.
    pub license: String,
    /// Where the patients are.
    #[serde(default)]
    pub data: Data,
    /// The network's grid.
    pub input: InputTable,
    /// How values are normalised.
    pub normalization: NormalizationTable,
    /// The network's shape.
    pub network: NetworkTable,
    /// The schedule.
    pub training: Training,
    /// How patches are drawn.
    pub sampling: Sampling,
    /// How patches are changed.
    pub augment: Augment,
    /// How the sliding window runs.
    #[serde(default)]
    pub inference: InferenceTable,
    /// Other names of the organs, as clinics write them.
    #[serde(default)]
    pub synonyms: Synonyms,
    /// The organs.
    pub labels: Vec<Label>,
}

impl Recipe {
    /// Reads a recipe's file.
    ///
    /// # Errors
    /// [`TrainError::Recipe`] when it cannot be read, holds an unknown key, or contradicts itself.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let wrong = |reason: String| TrainError::Recipe { reason, path: path.to_owned() };
        let size = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
        if size > LIMIT {
            return Err(wrong(format!("it has {size} bytes, more than {LIMIT}")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    /// Reads a recipe's text.
    ///
    /// # Errors
    /// A sentence, when a key is unknown or missing, or the recipe contradicts itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        let recipe: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            format!("line {}: {}", 1 + before.matches('\n').count(), error.message())
        })?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The recipe that trains a package further: its own network and grid, careful changes of the
    /// patches, a short schedule with a low learning rate.
    ///
    /// # Errors
    /// [`TrainError::Package`] for packages of nnU-Net, whose preprocessing is another.
    pub fn of_package(package: &ModelPackage) -> Result<Self, TrainError> {
        let refused =
            |reason: &str| TrainError::Package { model: package.id.clone(), reason: reason.to_owned() };
        if package.nnunet.is_some() {
            return Err(refused("it is a model of nnU-Net; train it further there and import it again"));
        }
        let a = &package.architecture;
        let convs = a.encoder_depths[0];
        if a.kind != EncoderKind::Plain
            || a.encoder_depths.iter().chain(&a.decoder_convs).any(|n| *n != convs)
        {
            return Err(refused("its stages differ in depth"));
        }
        let Normalization { clip_low, clip_high, mean, std, .. } = package.normalization;
        // How far the old weights could be trusted says nothing of new ones.
        let label = |label: &Label| Label {
            min_score: None,
            confidence: Vec::new(),
            slice_confidence: Vec::new(),
            ..label.clone()
        };
        let recipe = Self {
            id: format!("{}-tuned", package.id),
            title: format!("{}, trained further", package.title),
            version: "0.1.0".to_owned(),
            license: package.license.clone(),
            data: Data::default(),
            input: InputTable { spacing_mm: package.input.spacing_mm },
            normalization: NormalizationTable { kind: "ct".to_owned(), clip_low, clip_high, mean, std },
            network: NetworkTable {
                kind: "PlainConvUNet".to_owned(),
                features: a.features.clone(),
                strides: a.strides.clone(),
                kernel: a.kernels.clone(),
                convs_per_stage: convs,
                classes: a.classes,
                patch: package.patch,
            },
            training: Training {
                seed: 1,
                steps: 500,
                batch: 2,
                heads: 3.min(a.features.len() - 1),
                log_dice: false,
                bf16: false,
                learning_rate: 2e-4,
                weight_decay: 1e-2,
                warmup_steps: 50,
                decay_share: 0.5,
                clip_gradient: 3.0,
                ema: 0.99,
            },
            sampling: Sampling { organ_share: 0.75, weights: None, overhang: 4 },
            augment: Augment {
                affine_probability: 0.5,
                rotation_deg: [8.0; 3],
                scale: [0.9, 1.1],
                mirror_x: false,
                mirror_swaps: Vec::new(),
                cut_probability: 0.1,
                hu_shift: 20.0,
                hu_scale: [0.95, 1.05],
                hu_noise: 20.0,
            },
            inference: InferenceTable {
                step: package.inference.step,
                gaussian_sigma: package.inference.gaussian_sigma,
                mirror_axes: package.inference.mirror_axes.clone(),
                mirror_swaps: package.inference.mirror_swaps.clone(),
            },
            synonyms: Synonyms::new(),
            labels: package.labels.iter().map(label).collect(),
        };
        recipe.check().map_err(|reason| refused(&reason))?;
        Ok(recipe)
    }

    /// The network's shape.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        let n = &self.network;
        Architecture::plain(
            1,
            n.features.clone(),
            n.strides.clone(),
            n.kernel.clone(),
            n.convs_per_stage,
            n.classes,
        )
    }

    /// The normalisation, as a package has it.
    pub(super) fn normalization(&self) -> Normalization {
        let n = &self.normalization;
        Normalization {
            kind: n.kind.clone(),
            clip_low: n.clip_low,
            clip_high: n.clip_high,
            mean: n.mean,
            std: n.std,
        }
    }

    /// The label that a structure of this name belongs to: the recipe's own name, or a synonym,
    /// whatever the case, the separators and the place of "left" and "right".
    #[must_use]
    pub fn label_of(&self, roi_name: &str) -> Option<u16> {
        let key = name_key(roi_name);
        let is_name = |label: &&Label| {
            let others = self.synonyms.get(&label.name).into_iter().flatten();
            std::iter::once(&label.name).chain(others).any(|name| name_key(name) == key)
        };
        self.labels.iter().find(is_name).map(|label| label.value)
    }

    /// What must not change within a run, as a SHA-256: everything that decides weights and batches
    /// but the number of steps, which may be changed while the learning rate is on its plateau.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut training = self.training.clone();
        training.steps = 0;
        let labels: Vec<_> = self.labels.iter().map(|label| (label.value, &label.name)).collect();
        let parts = serde_json::json!([
            self.input,
            self.normalization,
            self.network,
            training,
            self.sampling,
            self.augment,
            labels,
            self.synonyms
        ]);
        sha256_text(parts.to_string().as_bytes())
    }

    /// The recipe as a file's text.
    pub(super) fn text(&self) -> String {
        // Every table is plain numbers, text and lists: they can be written.
        toml::to_string(self).unwrap_or_default()
    }

    fn check(&self) -> Result<(), String> {
        let t = &self.training;
        let within = |name: &str, value: f64, low: f64, high: f64| {
            let fits = (low..=high).contains(&value);
            if fits { Ok(()) } else { Err(format!("{name} is {value}, not {low} to {high}")) }
        };
        if self.network.kind != "PlainConvUNet" {
            return Err(format!("network.kind {} is not known; known is PlainConvUNet", self.network.kind));
        }
        if self.normalization.kind != "ct" {
            return Err(format!("normalization.kind {} is not known; known is ct", self.normalization.kind));
        }
        let n = &self.normalization;
        if !(n.clip_low < n.clip_high) || !(n.std > 0.0) || !n.mean.is_finite() {
            return Err("normalization needs clip_low below clip_high and a std above 0".into());
        }
        let architecture = self.architecture();
        architecture.check().map_err(|error| error.to_string())?;
        let divisor = architecture.divisor();
        let patch = self.network.patch;
        if (0..3).any(|a| !patch[a].is_multiple_of(divisor[a]) || !(8..=512).contains(&patch[a])) {
            return Err(format!("network.patch is not 8 to 512 voxels and a multiple of {divisor:?}"));
        }
        for spacing in self.input.spacing_mm {
            within("input.spacing_mm", spacing, 0.05, 100.0)?;
        }
        if !(1..=64).contains(&t.batch) || t.steps == 0 || t.steps > 10_000_000 {
            return Err("training.batch is not 1 to 64, or training.steps not 1 to 10,000,000".into());
        }
        if t.heads == 0 || t.heads >= self.network.features.len() {
            return Err(format!("training.heads is not 1 to {}", self.network.features.len() - 1));
        }
        within("training.learning_rate", t.learning_rate, 1e-9, 1.0)?;
        within("training.weight_decay", t.weight_decay, 0.0, 1.0)?;
        within("training.decay_share", t.decay_share, 0.0, 1.0)?;
        within("training.clip_gradient", t.clip_gradient, 1e-6, 1e6)?;
        within("training.ema", t.ema, 0.0, 0.999_999)?;
        within("sampling.organ_share", self.sampling.organ_share, 0.0, 1.0)?;
        within("augment.affine_probability", self.augment.affine_probability, 0.0, 1.0)?;
        within("augment.cut_probability", self.augment.cut_probability, 0.0, 1.0)?;
        for factor in self.augment.scale.into_iter().chain(self.augment.hu_scale) {
            within("augment.scale and hu_scale", factor, 0.1, 10.0)?;
        }
        if let Some(share) = self.data.valid_share {
            within("data.valid_share", share, 0.0, 0.9)?;
        }
        self.check_labels()
    }

    fn check_labels(&self) -> Result<(), String> {
        let classes = self.network.classes;
        if self.labels.len() + 1 != classes {
            return Err(format!(
                "there are {} labels and {classes} classes, not one more",
                self.labels.len()
            ));
        }
        for (index, label) in self.labels.iter().enumerate() {
            if usize::from(label.value) != index + 1 {
                return Err(format!(
                    "the label {} has the value {}, not {}",
                    label.name,
                    label.value,
                    index + 1
                ));
            }
            if self.labels[..index].iter().any(|other| name_key(&other.name) == name_key(&label.name)) {
                return Err(format!("the label {} is there twice", label.name));
            }
        }
        if let Some(weights) = &self.sampling.weights
            && (weights.len() != self.labels.len() || weights.iter().any(|w| !(*w >= 0.0) || !w.is_finite()))
        {
            return Err("sampling.weights is not one number from 0 a label".into());
        }
        let known = |value: u16| value > 0 && usize::from(value) < classes;
        if let Some(pair) = self.augment.mirror_swaps.iter().find(|pair| !pair.iter().all(|v| known(*v))) {
            return Err(format!("augment.mirror_swaps names labels that are not there: {pair:?}"));
        }
        if let Some(name) = self.synonyms.keys().find(|name| self.labels.iter().all(|l| l.name != **name)) {
            return Err(format!("synonyms names {name}, which is no label"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(name: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/training").join(name);
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn the_committed_recipes_are_read() {
        for name in ["head-neck.toml", "sample-body.toml"] {
            let recipe = Recipe::parse(&shipped(name)).unwrap();
            assert_eq!(Recipe::parse(&recipe.text()).unwrap(), recipe, "{name} written and read again");
        }
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let text = shipped("head-neck.toml").replace("hu_noise", "hu_nose");
        assert!(Recipe::parse(&text).unwrap_err().contains("hu_nose"));
    }

    #[test]
    fn steps_may_change_within_a_run_but_nothing_that_draws() {
        let recipe = Recipe::parse(&shipped("head-neck.toml")).unwrap();
        let mut other = recipe.clone();
        other.training.steps += 100;
        assert_eq!(other.fingerprint(), recipe.fingerprint());
        other.augment.hu_noise += 1.0;
        assert_ne!(other.fingerprint(), recipe.fingerprint());
    }

    #[test]
    fn names_are_found_however_clinics_write_them() {
        let mut recipe = Recipe::parse(&shipped("head-neck.toml")).unwrap();
        for name in ["Parotid_L", "parotid l", "Left Parotid", "PAROTID-LT"] {
            assert_eq!(recipe.label_of(name), Some(4), "{name}");
        }
        assert_eq!(recipe.label_of("spinal cord"), Some(2));
        assert_eq!(recipe.label_of("Mandible"), None);
        recipe.synonyms.insert("Bone_Mandible".to_owned(), vec!["Mandible".to_owned()]);
        assert_eq!(recipe.label_of("MANDIBLE"), Some(7));
    }

    #[test]
    fn a_shipped_package_gives_a_recipe_of_its_own() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/head-neck");
        let recipe = Recipe::of_package(&ModelPackage::load(&folder).unwrap()).unwrap();
        assert_eq!(recipe.id, "head-neck-tuned");
        assert_eq!(Recipe::parse(&recipe.text()).unwrap(), recipe);
    }
}
