//! `plans.json`: how images are prepared and what the network looks like, old and new format.
//!
//! The old format (before April 2024; TotalSegmentator v2 has it) describes the network by numbers
//! that nnU-Net turns into today's `architecture` entry; so does this reader. A configuration may
//! inherit another's entries. Lists in the file are in the network's axes, slowest first; a 2D
//! configuration has two, and becomes one of three whose first axis has size, stride and kernel 1.

use super::json::{self, Ordered, Real};
use super::normalize::Normalization;
use super::orientation::{AxisCode, Orientation};
use super::preprocess::Preprocessing;
use super::resample::Resampling;
use super::resample_plan;
use crate::ai::network::Architecture;
use serde::Deserialize;
use serde_json::{Map, Value};

/// One configuration of a plan, ready to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The configuration's name, such as `3d_fullres`.
    pub configuration: String,
    /// Axes of the network: 2 or 3.
    pub dimensions: usize,
    /// How images become the network's input.
    pub preprocessing: Preprocessing,
    /// The way back from network axes to the image's.
    pub transpose_backward: [usize; 3],
    /// The window in network axes; 2D: 1 along the first.
    pub patch: [usize; 3],
    /// How a previous stage's labels are resampled.
    pub resample_labels: Resampling,
    /// How the network's outputs are resampled.
    pub resample_logits: Resampling,
    /// The configuration whose labels are further input channels.
    pub previous_stage: Option<String>,
    /// The network.
    pub architecture: Architecture,
    /// How the image is handed over.
    pub orientation: Orientation,
    /// The data set's name.
    pub dataset: String,
    /// The plans' own name; empty where they have none.
    pub plans_name: String,
}

impl Plan {
    /// Reads one configuration of a `plans.json`, for a network of so many image channels, labels
    /// (background not counted) and outputs.
    ///
    /// # Errors
    /// A sentence naming the entry that is missing, odd or not supported.
    pub fn parse(
        text: &str,
        configuration: &str,
        channels: usize,
        foreground: usize,
        outputs: usize,
    ) -> Result<Self, String> {
        let raw: Raw = json::parse(text)?;
        let map = inherited(&raw.configurations, configuration)?;
        let own: Configuration = serde_json::from_value(Value::Object(map.clone()))
            .map_err(|error| format!("its configuration {configuration}: {error}"))?;
        // nnU-Net looks for a class of this name; another one may do anything to images or labels.
        for (entry, name, known) in [
            ("preprocessor_name", &own.preprocessor_name, "DefaultPreprocessor"),
            ("label_manager", &raw.label_manager, "LabelManager"),
        ] {
            if let Some(name) = name.as_ref().filter(|name| **name != known) {
                return Err(format!("its {entry} {name} is not supported; {known} is"));
            }
        }
        let dimensions = own.patch_size.len();
        if !(2..=3).contains(&dimensions) || own.spacing.len() != dimensions {
            return Err(format!("its configuration {configuration} has neither 2 nor 3 axes"));
        }
        let patch = with_axis(&own.patch_size, 1).ok_or("its patch_size is odd")?;
        if patch.iter().any(|n| !(1..=2048).contains(n)) || patch.iter().product::<usize>() > 1 << 28 {
            return Err(format!("its patch {patch:?} is too large"));
        }
        let spacing_mm: Vec<f64> = own.spacing.iter().map(|mm| mm.0).collect();
        if !spacing_mm.iter().all(|mm| (1e-3..1e4).contains(mm)) {
            return Err("its spacing is not above 0 mm".to_owned());
        }
        let normalization = (0..channels)
            .map(|channel| channel_normalization(&raw, &own, channel))
            .collect::<Result<Vec<_>, _>>()?;
        // A later stage sees the labels of the one before, one channel each.
        let input_channels = channels + if own.previous_stage.is_some() { foreground } else { 0 };
        let architecture = super::architecture::parse(&map, input_channels, outputs)?;
        let divisor = architecture.divisor();
        if (0..3).any(|axis| patch[axis] % divisor[axis] != 0) {
            return Err(format!("its patch {patch:?} is not a multiple of its strides {divisor:?}"));
        }
        let transpose_forward = permutation(&raw.transpose_forward).ok_or("its transpose_forward is odd")?;
        let transpose_backward =
            permutation(&raw.transpose_backward).ok_or("its transpose_backward is odd")?;
        let data = resample_plan::read(
            own.resampling_fn_data.as_deref(),
            own.resampling_fn_data_kwargs.as_ref(),
            Resampling::IMAGE,
        )?;
        let labels = resample_plan::read(
            own.resampling_fn_seg.as_deref(),
            own.resampling_fn_seg_kwargs.as_ref(),
            Resampling::LOGITS,
        )?;
        let logits = resample_plan::read(
            own.resampling_fn_probabilities.as_deref(),
            own.resampling_fn_probabilities_kwargs.as_ref(),
            Resampling::LOGITS,
        )?;
        let resample_labels = labels.unwrap_or(Resampling::LOGITS);
        let resample_logits = logits.unwrap_or(Resampling::LOGITS);
        resample_plan::check_logits(resample_logits)?;
        if own.previous_stage.is_some() {
            resample_plan::check_labels(resample_labels)?;
        }
        Ok(Self {
            configuration: configuration.to_owned(),
            dimensions,
            preprocessing: Preprocessing { transpose_forward, spacing_mm, normalization, resampling: data },
            transpose_backward,
            patch,
            resample_labels,
            resample_logits,
            previous_stage: own.previous_stage,
            architecture,
            orientation: orientation(raw.image_reader_writer.as_deref())?,
            dataset: raw.dataset_name.unwrap_or_default(),
            plans_name: raw.plans_name.unwrap_or_default(),
        })
    }

    /// The axes to mirror, numbered in network axes of three, from those that a checkpoint allows.
    #[must_use]
    pub fn mirror_axes(&self, allowed: &[usize]) -> Vec<usize> {
        let mut axes: Vec<usize> = allowed.iter().map(|axis| axis + 3 - self.dimensions).collect();
        axes.retain(|axis| *axis < 3);
        axes.sort_unstable();
        axes.dedup();
        axes
    }
}

/// The entries of a configuration with those it inherits.
fn inherited(all: &Ordered<Map<String, Value>>, name: &str) -> Result<Map<String, Value>, String> {
    let find = |name: &str| all.0.iter().find(|(key, _)| key == name).map(|(_, map)| map);
    let mut chain = Vec::new();
    let mut next = Some(name.to_owned());
    while let Some(name) = next {
        let map = find(&name).ok_or_else(|| {
            let names: Vec<&str> = all.0.iter().map(|(key, _)| key.as_str()).collect();
            format!("it has no configuration {name}; it has {}", names.join(", "))
        })?;
        if chain.len() > all.0.len() {
            return Err(format!("its configuration {name} inherits from itself"));
        }
        chain.push(map);
        next = map.get("inherits_from").and_then(Value::as_str).map(str::to_owned);
    }
    let mut merged = Map::new();
    for map in chain.into_iter().rev() {
        merged.extend(map.clone());
    }
    Ok(merged)
}

/// Three numbers of the last axes; `first` before two.
pub(super) fn with_axis(numbers: &[usize], first: usize) -> Option<[usize; 3]> {
    match numbers {
        [y, x] => Some([first, *y, *x]),
        [z, y, x] => Some([*z, *y, *x]),
        _ => None,
    }
}

fn permutation(axes: &[usize]) -> Option<[usize; 3]> {
    let axes: [usize; 3] = axes.try_into().ok()?;
    (0..3).all(|axis| axes.contains(&axis)).then_some(axes)
}

fn orientation(reader: Option<&str>) -> Result<Orientation, String> {
    match reader.unwrap_or("SimpleITKIO") {
        "SimpleITKIO" | "NibabelIO" | "Tiff3DIO" | "NaturalImage2DIO" => Ok(Orientation::Stored),
        "NibabelIOWithReorient" => Ok(Orientation::Turned(AxisCode::RAS)),
        "SimpleITKIOWithReorient" => Ok(Orientation::TurnedByItk(AxisCode::RAS)),
        other => Err(format!("its image_reader_writer {other} is not known")),
    }
}

fn channel_normalization(raw: &Raw, own: &Configuration, channel: usize) -> Result<Normalization, String> {
    let name = own
        .normalization_schemes
        .get(channel)
        .ok_or_else(|| format!("it has no normalization_schemes entry for channel {channel}"))?;
    let masked = own.use_mask_for_norm.as_ref().and_then(|masks| masks.get(channel).copied().flatten());
    let masked = masked.unwrap_or(false);
    Ok(match name.as_str() {
        "CTNormalization" => {
            // Plans of nnU-Net's first months have it under the other name alone.
            let properties = raw.foreground_intensity_properties_per_channel.as_ref();
            let properties = properties.or(raw.foreground_intensity_properties_by_modality.as_ref());
            let found = properties.and_then(|all| all.0.iter().find(|(key, _)| *key == channel.to_string()));
            let value = |key: &str| {
                let value = found.and_then(|(_, map)| map.get(key)).and_then(json::real);
                value.ok_or_else(|| {
                    format!("it has no {key} of channel {channel}, which CTNormalization needs")
                })
            };
            Normalization::Ct {
                low: value("percentile_00_5")?,
                high: value("percentile_99_5")?,
                mean: value("mean")?,
                std: value("std")?,
            }
        }
        "ZScoreNormalization" => Normalization::ZScore { masked },
        "NoNormalization" => Normalization::None,
        "RescaleTo01Normalization" => Normalization::RescaleTo01,
        "RGBTo01Normalization" => Normalization::RgbTo01,
        other => return Err(format!("its normalisation {other} is not known")),
    })
}

#[derive(Deserialize)]
struct Raw {
    dataset_name: Option<String>,
    plans_name: Option<String>,
    image_reader_writer: Option<String>,
    label_manager: Option<String>,
    transpose_forward: Vec<usize>,
    transpose_backward: Vec<usize>,
    configurations: Ordered<Map<String, Value>>,
    foreground_intensity_properties_per_channel: Option<Ordered<Map<String, Value>>>,
    foreground_intensity_properties_by_modality: Option<Ordered<Map<String, Value>>>,
}

#[derive(Deserialize)]
struct Configuration {
    patch_size: Vec<usize>,
    spacing: Vec<Real>,
    normalization_schemes: Vec<String>,
    preprocessor_name: Option<String>,
    use_mask_for_norm: Option<Vec<Option<bool>>>,
    resampling_fn_data: Option<String>,
    resampling_fn_data_kwargs: Option<Map<String, Value>>,
    resampling_fn_seg: Option<String>,
    resampling_fn_seg_kwargs: Option<Map<String, Value>>,
    resampling_fn_probabilities: Option<String>,
    resampling_fn_probabilities_kwargs: Option<Map<String, Value>>,
    previous_stage: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::super::resample::Order;
    use super::*;

    fn plan(configuration: &str, edit: impl Fn(String) -> String) -> Result<Plan, String> {
        let text = r#"{
            "dataset_name": "Dataset001_Test", "image_reader_writer": "NibabelIOWithReorient",
            "transpose_forward": [2, 0, 1], "transpose_backward": [1, 2, 0],
            "foreground_intensity_properties_per_channel": {"0": {"mean": 1, "std": 2,
                "percentile_00_5": -3, "percentile_99_5": 4, "min": NaN}},
            "configurations": {
                "2d": {"patch_size": [16, 8], "spacing": [2, 1.5],
                    "normalization_schemes": ["CTNormalization", "ZScoreNormalization"],
                    "use_mask_for_norm": [false, true],
                    "UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 4, "unet_max_num_features": 6,
                    "n_conv_per_stage_encoder": [2, 1], "n_conv_per_stage_decoder": [2],
                    "pool_op_kernel_sizes": [[1, 1], [2, 2]], "conv_kernel_sizes": [[3, 3], [3, 1]],
                    "resampling_fn_data_kwargs": {"order": 1, "force_separate_z": true}},
                "other": {"inherits_from": "2d", "spacing": [3, 3], "previous_stage": "2d"},
                "ring": {"inherits_from": "ring"}}}"#;
        Plan::parse(&edit(text.to_owned()), configuration, 2, 3, 4)
    }

    #[test]
    fn an_old_flat_plan_has_a_first_axis_of_one() {
        let plan = plan("2d", |text| text).unwrap();
        assert_eq!(
            (plan.dimensions, plan.patch, plan.orientation),
            (2, [1, 16, 8], Orientation::Turned(AxisCode::RAS))
        );
        let network = &plan.architecture;
        assert_eq!(network.kernels, [[1, 3, 3], [1, 3, 1]]);
        assert_eq!(network.strides, [[1, 1, 1], [1, 2, 2]]);
        assert_eq!(
            (network.features.as_slice(), network.input_channels, network.classes),
            (&[4, 6][..], 2, 4)
        );
        assert_eq!((network.encoder_depths.as_slice(), network.conv_bias), (&[2, 1][..], true));
        let own = &plan.preprocessing;
        assert_eq!(own.spacing_mm, [2.0, 1.5]);
        assert_eq!(own.normalization[0], Normalization::Ct { low: -3.0, high: 4.0, mean: 1.0, std: 2.0 });
        assert_eq!(own.normalization[1], Normalization::ZScore { masked: true });
        let resampling = own.resampling.unwrap();
        assert_eq!((resampling.order, resampling.force_separate_z), (Order::Linear, Some(true)));
        assert_eq!(plan.mirror_axes(&[1, 0, 1]), [1, 2]);
    }

    #[test]
    fn a_configuration_inherits_and_a_later_stage_sees_labels() {
        let plan = plan("other", |text| text).unwrap();
        assert_eq!(plan.preprocessing.spacing_mm, [3.0, 3.0]);
        assert_eq!((plan.previous_stage.as_deref(), plan.architecture.input_channels), (Some("2d"), 5));
    }

    #[test]
    fn what_is_not_known_is_refused_by_its_name() {
        let refused = |from: &str, to: &str| plan("2d", |text| text.replace(from, to)).unwrap_err();
        assert!(plan("3d", |text| text).unwrap_err().contains("2d, other, ring"));
        assert!(plan("ring", |text| text).unwrap_err().contains("inherits from itself"));
        assert!(refused("PlainConvUNet", "UMambaBot").contains("UMambaBot"));
        assert!(refused("CTNormalization", "MyNormalization").contains("MyNormalization"));
        assert!(refused("NibabelIOWithReorient", "MyIO").contains("MyIO"));
        let preprocessor = "\"preprocessor_name\": \"MyPreprocessor\", \"patch_size\": [16, 8]";
        assert!(
            refused("\"patch_size\": [16, 8]", preprocessor).contains("preprocessor_name MyPreprocessor")
        );
        let labels = "\"label_manager\": \"MyLabels\", \"dataset_name\"";
        assert!(refused("\"dataset_name\"", labels).contains("label_manager MyLabels"));
        for (entry, own) in [
            ("\"patch_size\"", "\"preprocessor_name\": \"DefaultPreprocessor\", \"patch_size\""),
            ("\"dataset_name\"", "\"label_manager\": \"LabelManager\", \"dataset_name\""),
        ] {
            assert!(plan("2d", |text| text.replace(entry, own)).is_ok(), "{own}");
        }
        // Not told, and no mask for a z-score.
        let masks = plan("2d", |text| text.replace("[false, true]", "null")).unwrap();
        assert_eq!(masks.preprocessing.normalization[1], Normalization::ZScore { masked: false });
        assert!(refused("[16, 8]", "[16, 9]").contains("multiple"));
        assert!(refused("[2, 0, 1]", "[2, 0, 0]").contains("transpose_forward"));
        assert!(refused("\"percentile_99_5\"", "\"p\"").contains("percentile_99_5"));
        // Known when the plan is read, not only when a result is brought back.
        let arguments = "\"resampling_fn_data_kwargs\"";
        let cubic = "\"resampling_fn_probabilities_kwargs\": {\"order\": 3}, \"resampling_fn_data_kwargs\"";
        assert!(refused(arguments, cubic).contains("resampling_fn_probabilities"));
        // The newer name counts where both are there; the older one alone does, too.
        let (newer, older) = ("intensity_properties_per_channel", "intensity_properties_by_modality");
        let entry = "\"foreground_intensity_properties_per_channel\"";
        let both = format!("\"foreground_{older}\": {{}}, {entry}");
        for text in [entry.replace(newer, older), both] {
            assert!(plan("2d", |plan| plan.replace(entry, &text)).is_ok(), "{text}");
        }
        let torch = "\"resampling_fn_data\": \"resample_torch_fornnunet\", \"resampling_fn_data_kwargs\"";
        let data = plan("2d", |text| text.replace(arguments, torch)).unwrap().preprocessing.resampling;
        assert_eq!(data.unwrap().force_separate_z, Some(true));
    }
}
