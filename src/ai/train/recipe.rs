//! A recipe: what is trained, on what, and how.

use super::TrainError;
use super::loss::IGNORE;
use super::recipe_parts::{
    Augment, Coarse, Data, Gamma, InferenceTable, InputTable, NetworkTable, NnunetTable, NormalizationTable,
    Sampling, Synonyms, Training,
};
use super::start::name_key;
use super::tuned;
use crate::ai::ModelPackage;
use crate::ai::network::{Architecture, EncoderKind};
use crate::ai::nnunet::package::channel_modality;
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
    /// The model of nnU-Net that is trained further, in place of the next three tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nnunet: Option<NnunetTable>,
    /// The network's grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<InputTable>,
    /// How values are normalised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<NormalizationTable>,
    /// The network's shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkTable>,
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

/// The tables of a network of the program's own layout.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own<'a> {
    pub input: &'a InputTable,
    pub normalization: &'a NormalizationTable,
    pub network: &'a NetworkTable,
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
        recipe.checked()
    }

    /// The recipe that trains a package further: its own network and images, careful changes of the
    /// patches, a short schedule with a low learning rate. Of a model of nnU-Net with several folds the
    /// first one is trained.
    ///
    /// # Errors
    /// [`TrainError::Package`] for packages that cannot be trained further, with the reason and a remedy;
    /// [`TrainError::Init`] when the weights cannot be read.
    pub fn of_package(package: &ModelPackage) -> Result<Self, TrainError> {
        let refused =
            |reason: &str| TrainError::Package { model: package.id.clone(), reason: reason.to_owned() };
        if let Some(model) = &package.nnunet {
            return tuned::recipe(package, model);
        }
        let a = &package.architecture;
        let convs = a.encoder_depths[0];
        if a.kind != EncoderKind::Plain
            || a.encoder_depths.iter().chain(&a.decoder_convs).any(|n| *n != convs)
        {
            return Err(refused("its stages differ in depth"));
        }
        let Normalization { clip_low, clip_high, mean, std, .. } = package.normalization;
        let recipe = Self {
            id: format!("{}-tuned", package.id),
            title: format!("{}, trained further", package.title),
            version: "0.1.0".to_owned(),
            license: package.license.clone(),
            data: Data::default(),
            nnunet: None,
            input: Some(InputTable { spacing_mm: package.input.spacing_mm }),
            normalization: Some(NormalizationTable { kind: "ct".to_owned(), clip_low, clip_high, mean, std }),
            network: Some(NetworkTable {
                kind: "PlainConvUNet".to_owned(),
                features: a.features.clone(),
                strides: a.strides.clone(),
                kernel: a.kernels.clone(),
                convs_per_stage: convs,
                classes: a.classes,
                patch: package.patch,
            }),
            training: Training::short(3.min(a.features.len() - 1)),
            sampling: Sampling { organ_share: 0.75, weights: None, overhang: 4 },
            augment: Augment {
                affine_probability: 0.5,
                rotation_deg: [8.0; 3],
                scale: [0.9, 1.1],
                mirror_x: false,
                mirror_swaps: Vec::new(),
                mirror_axes: Vec::new(),
                bend: None,
                coarse: Some(Coarse { probability: 0.2, share: [0.5, 1.0] }),
                gamma: Some(Gamma { probability: 0.2, power: [0.7, 1.5] }),
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
            labels: package.labels.iter().map(untried).collect(),
        };
        recipe.checked().map_err(|reason| refused(&reason))
    }

    pub(super) fn checked(self) -> Result<Self, String> {
        self.check()?;
        Ok(self)
    }

    /// The tables of a network of the program's own layout; `None` where a model of nnU-Net is trained
    /// further.
    pub(super) fn own(&self) -> Option<Own<'_>> {
        let (input, normalization) = (self.input.as_ref()?, self.normalization.as_ref()?);
        let network = self.network.as_ref().filter(|_| self.nnunet.is_none())?;
        Some(Own { input, normalization, network })
    }

    /// The patch in training, (z, y, x), voxels.
    #[must_use]
    pub fn patch(&self) -> [usize; 3] {
        let own = self.network.as_ref().map(|network| network.patch);
        self.nnunet.as_ref().map(|table| table.patch).or(own).unwrap_or([0; 3])
    }

    /// Trains with patches of this size, (z, y, x), voxels. Of a network of the program's own layout it
    /// becomes the window of the package, too.
    ///
    /// # Errors
    /// A sentence when such a patch cannot be used; whether a model of nnU-Net takes it is only told by
    /// [`super::train()`].
    pub fn set_patch(&mut self, patch: [usize; 3]) -> Result<(), String> {
        if let Some(table) = &mut self.nnunet {
            table.patch = patch;
        } else if let Some(network) = &mut self.network {
            network.patch = patch;
        }
        self.check()
    }

    /// The names of a model of nnU-Net's input channels; empty where the CT is the only one.
    #[must_use]
    pub fn channels(&self) -> &[String] {
        self.nnunet.as_ref().map_or(&[], |table| &table.channels)
    }

    /// What a person has told of the Series Description of a channel's images; empty where nothing was.
    #[must_use]
    pub fn series(&self, channel: usize) -> &[String] {
        self.nnunet.as_ref().and_then(|table| table.series.get(channel)).map_or(&[], Vec::as_slice)
    }

    /// Tells which series channels are, by texts of their Series Descriptions, in place of what the recipe
    /// tells of these channels; of several texts for one the first that finds a series counts.
    ///
    /// # Errors
    /// A sentence when there is no such channel, or a text is empty.
    pub fn tell_series(&mut self, told: &[(usize, String)]) -> Result<(), String> {
        let Some(table) = self.nnunet.as_mut().filter(|_| !told.is_empty()) else {
            let one = "the recipe's network takes CT alone; channels are told of models of nnU-Net";
            return if told.is_empty() { Ok(()) } else { Err(one.to_owned()) };
        };
        let count = table.channels.len();
        if let Some((number, _)) = told.iter().find(|(number, _)| *number >= count) {
            let names: Vec<String> =
                table.channels.iter().enumerate().map(|(n, name)| format!("{n} ({name})")).collect();
            return Err(format!("the model has no channel {number}; it has {}", names.join(", ")));
        }
        table.series.resize(count, Vec::new());
        for (number, _) in told {
            table.series[*number].clear();
        }
        for (number, text) in told {
            table.series[*number].push(text.trim().to_owned());
        }
        self.check()
    }

    /// The DICOM codes of the images that the input channels take, in their order; empty where a channel's
    /// name does not tell.
    #[must_use]
    pub fn modalities(&self) -> Vec<&'static str> {
        match self.channels() {
            [] => vec!["CT"],
            names => names.iter().map(|name| channel_modality(name)).collect(),
        }
    }

    /// Whether labels are regions, which may overlap.
    #[must_use]
    pub fn has_regions(&self) -> bool {
        self.nnunet.as_ref().is_some_and(|table| !table.regions.is_empty())
    }

    /// The number of the label that a structure of this name belongs to, from 1: the recipe's own name,
    /// or a synonym, whatever the case, the separators and the place of "left" and "right". Numbers are
    /// the labels' values but for a model of regions.
    #[must_use]
    pub fn label_of(&self, roi_name: &str) -> Option<u16> {
        let key = name_key(roi_name);
        let is_name = |label: &Label| {
            let others = self.synonyms.get(&label.name).into_iter().flatten();
            std::iter::once(&label.name).chain(others).any(|name| name_key(name) == key)
        };
        (1..).zip(&self.labels).find(|(_, label)| is_name(label)).map(|(number, _)| number)
    }

    /// What stands for a label of this number in a [`super::Case`]: the number, or of a model of regions
    /// a bit for each region that holds it, the first label's the lowest.
    #[must_use]
    pub fn word(&self, number: u16) -> u16 {
        match self.nnunet.as_ref().and_then(|table| table.regions.get(usize::from(number).checked_sub(1)?)) {
            Some(regions) => regions.iter().fold(0, |word, region| word | 1 << (region - 1)),
            None => number,
        }
    }

    /// The numbers of the labels that a voxel of this word belongs to; none of background, and none where
    /// it is [`IGNORE`].
    pub fn numbers(&self, word: u16) -> impl Iterator<Item = u16> {
        let regions = self.has_regions();
        let count = u16::try_from(self.labels.len()).unwrap_or(u16::MAX);
        // Of a label there is one.
        let range = if regions { 1..=count } else { word..=word.min(count) };
        range.filter(move |number| {
            *number > 0 && word != IGNORE && (!regions || word >> (number - 1) & 1 == 1)
        })
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
        let parts = match &self.nnunet {
            Some(table) => serde_json::json!([parts, table]),
            None => parts,
        };
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
        let stages = match (&self.nnunet, self.own()) {
            (Some(table), None)
                if self.input.is_none() && self.normalization.is_none() && self.network.is_none() =>
            {
                tuned::check(self, table)?;
                None
            }
            (None, Some(own)) => {
                check_own(own)?;
                for spacing in own.input.spacing_mm {
                    within("input.spacing_mm", spacing, 0.05, 100.0)?;
                }
                Some(own.network.features.len())
            }
            _ => return Err("it needs [input], [normalization] and [network], or [nnunet] alone".into()),
        };
        if !(1..=64).contains(&t.batch) || t.steps == 0 || t.steps > 10_000_000 {
            return Err("training.batch is not 1 to 64, or training.steps not 1 to 10,000,000".into());
        }
        if t.heads == 0 || stages.is_some_and(|stages| t.heads >= stages) {
            return Err(format!("training.heads is not 1 to {}", stages.unwrap_or(2) - 1));
        }
        if self.augment.mirror_axes.iter().any(|axis| *axis > 2) {
            return Err("augment.mirror_axes are not 0, 1 or 2".into());
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
        if let Some(bend) = &self.augment.bend {
            within("augment.bend.probability", bend.probability, 0.0, 1.0)?;
            within("augment.bend.mm", bend.mm, 0.0, 40.0)?;
        }
        if let Some(coarse) = &self.augment.coarse {
            within("augment.coarse.probability", coarse.probability, 0.0, 1.0)?;
            for share in coarse.share {
                within("augment.coarse.share", share, 0.05, 1.0)?;
            }
        }
        if let Some(gamma) = &self.augment.gamma {
            within("augment.gamma.probability", gamma.probability, 0.0, 1.0)?;
            for power in gamma.power {
                within("augment.gamma.power", power, 0.1, 10.0)?;
            }
        }
        if let Some(share) = self.data.valid_share {
            within("data.valid_share", share, 0.0, 0.9)?;
        }
        self.check_labels()
    }

    fn check_labels(&self) -> Result<(), String> {
        let classes = self.own().map_or(self.labels.len() + 1, |own| own.network.classes);
        if self.labels.len() + 1 != classes {
            return Err(format!(
                "there are {} labels and {classes} classes, not one more",
                self.labels.len()
            ));
        }
        for (index, label) in self.labels.iter().enumerate() {
            if usize::from(label.value) != index + 1 && !self.has_regions() {
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

impl Own<'_> {
    /// The network's shape.
    pub(super) fn architecture(&self) -> Architecture {
        let n = self.network;
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
        let n = self.normalization;
        Normalization {
            kind: n.kind.clone(),
            clip_low: n.clip_low,
            clip_high: n.clip_high,
            mean: n.mean,
            std: n.std,
        }
    }
}

/// A package's label for one that is made of it: how far the old weights could be trusted says nothing
/// of new ones.
pub(super) fn untried(label: &Label) -> Label {
    Label { min_score: None, confidence: Vec::new(), slice_confidence: Vec::new(), ..label.clone() }
}

fn check_own(own: Own<'_>) -> Result<(), String> {
    let (network, n) = (own.network, own.normalization);
    if network.kind != "PlainConvUNet" {
        return Err(format!("network.kind {} is not known; known is PlainConvUNet", network.kind));
    }
    if n.kind != "ct" {
        return Err(format!("normalization.kind {} is not known; known is ct", n.kind));
    }
    if !(n.clip_low < n.clip_high) || !(n.std > 0.0) || !n.mean.is_finite() {
        return Err("normalization needs clip_low below clip_high and a std above 0".into());
    }
    let architecture = own.architecture();
    architecture.check().map_err(|error| error.to_string())?;
    let divisor = architecture.divisor();
    let patch = network.patch;
    if (0..3).any(|a| !patch[a].is_multiple_of(divisor[a]) || !(8..=512).contains(&patch[a])) {
        return Err(format!("network.patch is not 8 to 512 voxels and a multiple of {divisor:?}"));
    }
    Ok(())
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
