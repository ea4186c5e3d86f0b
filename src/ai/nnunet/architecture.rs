//! The network that a plan describes: `architecture` of today's plans, and the numbers of old ones.

use super::plans::with_axis;
use crate::ai::network::{Activation, Architecture, EncoderKind, LEAKY_SLOPE, NORM_EPSILON};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The network of a configuration's entries.
///
/// # Errors
/// A sentence that names an unknown architecture, or the entry that is missing or not supported.
pub(super) fn parse(
    configuration: &Map<String, Value>,
    input_channels: usize,
    outputs: usize,
) -> Result<Architecture, String> {
    let (class, arguments) = match configuration.get("architecture") {
        Some(architecture) => {
            let class = architecture.get("network_class_name").and_then(Value::as_str);
            let arguments = architecture.get("arch_kwargs").cloned().unwrap_or_default();
            (class, arguments)
        }
        None => (configuration.get("UNet_class_name").and_then(Value::as_str), old_arguments(configuration)?),
    };
    let class = class.ok_or("it does not name its architecture")?;
    let kind = match class.rsplit('.').next().unwrap_or(class) {
        "PlainConvUNet" => EncoderKind::Plain,
        "ResidualEncoderUNet" => EncoderKind::Residual,
        _ => {
            return Err(format!(
                "its architecture {class} is not supported; PlainConvUNet and ResidualEncoderUNet are"
            ));
        }
    };
    // Today's plans name them; nothing there means none to nnU-Net.
    for (key, what, known) in
        [("nonlin", "activation", "LeakyReLU"), ("norm_op", "normalisation", "InstanceNorm")]
    {
        if configuration.contains_key("architecture") && arguments.get(key).is_none_or(Value::is_null) {
            return Err(format!("its network has no {what} ({key}), which is not supported; {known} is"));
        }
    }
    let arguments: Arguments =
        serde_json::from_value(arguments).map_err(|error| format!("its architecture: {error}"))?;
    arguments.refuse_unsupported()?;
    let (activation, epsilon) = (arguments.activation()?, arguments.epsilon()?);
    let stages = arguments.n_stages;
    if !(2..=10).contains(&stages) {
        return Err(format!("its network has {stages} stages; 2 to 10 are supported"));
    }
    let bottleneck = arguments.bottleneck(stages)?;
    let depths = match kind {
        EncoderKind::Plain => arguments.n_conv_per_stage,
        EncoderKind::Residual => arguments.n_blocks_per_stage.or(arguments.n_conv_per_stage),
    };
    let features = arguments.features_per_stage.each(stages);
    let axes = |list: &Axes, what: &str| -> Result<Vec<[usize; 3]>, String> {
        let found: Option<Vec<_>> =
            list.each(stages, is_flat(arguments.conv_op.as_deref())).into_iter().collect();
        found.ok_or_else(|| format!("its {what} have neither 2 nor 3 axes"))
    };
    let architecture = Architecture {
        kind,
        input_channels,
        stem: match kind {
            EncoderKind::Plain => 0,
            EncoderKind::Residual => {
                arguments.stem_channels.or_else(|| features.first().copied()).unwrap_or_default()
            }
        },
        strides: axes(&arguments.strides, "strides")?,
        kernels: axes(&arguments.kernel_sizes, "kernel_sizes")?,
        features,
        encoder_depths: depths.ok_or("it does not say how deep its encoder is")?.each(stages),
        decoder_convs: arguments.n_conv_per_stage_decoder.each(stages - 1),
        bottleneck,
        activation,
        activation_first: arguments.nonlin_first == Some(true),
        epsilon,
        classes: outputs,
        conv_bias: arguments.conv_bias.unwrap_or(false),
    };
    architecture.check().map_err(|error| error.to_string())?;
    Ok(architecture)
}

/// What nnU-Net makes of an old plan's entries.
fn old_arguments(configuration: &Map<String, Value>) -> Result<Value, String> {
    let entry = |key: &str| configuration.get(key).cloned().ok_or_else(|| format!("it has no {key}"));
    let number = |key: &str| {
        entry(key).and_then(|value| value.as_u64().ok_or_else(|| format!("its {key} is no whole number")))
    };
    let depths = entry("n_conv_per_stage_encoder")?;
    let stages = depths.as_array().map_or(0, Vec::len);
    let (base, most) = (number("UNet_base_num_features")?, number("unet_max_num_features")?);
    let features: Vec<u64> =
        (0..stages.min(16)).map(|stage| base.saturating_mul(1 << stage).min(most)).collect();
    Ok(serde_json::json!({
        "n_stages": stages,
        "features_per_stage": features,
        "kernel_sizes": entry("conv_kernel_sizes")?,
        "strides": entry("pool_op_kernel_sizes")?,
        "n_conv_per_stage": depths,
        "n_conv_per_stage_decoder": entry("n_conv_per_stage_decoder")?,
        "conv_bias": true,
    }))
}

fn is_flat(conv_op: Option<&str>) -> bool {
    conv_op.is_some_and(|name| name.ends_with("Conv2d"))
}

#[derive(Deserialize)]
struct Arguments {
    n_stages: usize,
    features_per_stage: Counts,
    kernel_sizes: Axes,
    strides: Axes,
    n_conv_per_stage: Option<Counts>,
    n_blocks_per_stage: Option<Counts>,
    n_conv_per_stage_decoder: Counts,
    conv_bias: Option<bool>,
    conv_op: Option<String>,
    stem_channels: Option<usize>,
    norm_op: Option<String>,
    norm_op_kwargs: Option<Map<String, Value>>,
    nonlin: Option<String>,
    nonlin_kwargs: Option<Map<String, Value>>,
    nonlin_first: Option<bool>,
    block: Option<String>,
    bottleneck_channels: Option<Value>,
    squeeze_excitation: Option<bool>,
    disable_default_stem: Option<bool>,
    pool: Option<String>,
    pool_type: Option<String>,
}

impl Arguments {
    /// Refuses whatever would make another network than the one that is built.
    fn refuse_unsupported(&self) -> Result<(), String> {
        let refuse = |what: &str, value: &str| Err(format!("its network's {what} {value} is not supported"));
        match class_name(self.norm_op.as_ref()) {
            // A batch normalisation's running statistics come with the weights; one without is an
            // instance normalisation, a patch at a time.
            Some(norm) if !norm.starts_with("InstanceNorm") && !norm.starts_with("BatchNorm") => {
                return refuse("normalisation", norm);
            }
            _ => {}
        }
        match class_name(self.conv_op.as_ref()) {
            Some(name) if name != "Conv3d" && name != "Conv2d" => return refuse("convolution", name),
            _ => {}
        }
        match class_name(self.block.as_ref()) {
            Some(name) if name != "BasicBlockD" && name != "BottleneckD" => return refuse("block", name),
            _ => {}
        }
        let affine = self.norm_op_kwargs.as_ref().and_then(|map| map.get("affine")).and_then(Value::as_bool);
        // Where it is not told, PyTorch's batch normalisation has them, its instance normalisation not.
        let norm = class_name(self.norm_op.as_ref());
        let by_default = norm.is_none_or(|norm| norm.starts_with("BatchNorm"));
        if !affine.unwrap_or(by_default) {
            return refuse("normalisation", "without scale and shift");
        }
        let pool = self.pool.as_ref().or(self.pool_type.as_ref()).filter(|pool| *pool != "conv");
        if let Some(pool) = pool {
            return refuse("pooling", pool);
        }
        for (is_set, what) in [
            (self.squeeze_excitation == Some(true), "squeeze_excitation"),
            (self.disable_default_stem == Some(true), "disable_default_stem"),
        ] {
            if is_set {
                return Err(format!("its network's {what} is not supported"));
            }
        }
        Ok(())
    }

    /// What every normalisation adds to the variance.
    fn epsilon(&self) -> Result<f32, String> {
        let Some(eps) = self.norm_op_kwargs.as_ref().and_then(|map| map.get("eps")) else {
            return Ok(NORM_EPSILON);
        };
        #[expect(clippy::cast_possible_truncation, reason = "the network computes in float32")]
        let found = eps.as_f64().map(|eps| eps as f32).filter(|eps| *eps > 0.0 && eps.is_finite());
        found.ok_or_else(|| format!("its network's normalisation with eps {eps} is not supported"))
    }

    /// What follows every normalisation; `None` where its slope is a weight.
    fn activation(&self) -> Result<Option<Activation>, String> {
        let Some(name) = class_name(self.nonlin.as_ref()) else { return Ok(Some(Activation::LEAKY)) };
        let (none, inplace) = (Map::new(), "inplace");
        let given = self.nonlin_kwargs.as_ref().unwrap_or(&none);
        let odd = |key: &str, value: &Value| {
            format!("its network's activation {name} with {key} {value} is not supported")
        };
        #[expect(clippy::cast_possible_truncation, reason = "the network computes in float32")]
        let number = |key: &str, default: f32| match given.get(key) {
            None => Ok(default),
            Some(value) => {
                let number = value.as_f64().map(|number| number as f32).filter(|number| number.is_finite());
                number.ok_or_else(|| odd(key, value))
            }
        };
        let (found, keys) = match name {
            "ReLU" => (Some(Activation::Leaky(0.0)), [inplace, ""]),
            "LeakyReLU" => {
                (Some(Activation::Leaky(number("negative_slope", LEAKY_SLOPE)?)), ["negative_slope", inplace])
            }
            // One slope a layer: nnU-Net tells all layers, of different width, the same number.
            "PReLU" => match given.get("num_parameters").filter(|count| count.as_u64() != Some(1)) {
                Some(count) => return Err(odd("num_parameters", count)),
                None => (None, ["num_parameters", "init"]),
            },
            "ELU" => {
                let alpha = number("alpha", 1.0)?;
                (Some(Activation::Exponential { scale: 1.0, alpha, rate: 1.0 }), ["alpha", inplace])
            }
            "CELU" => {
                let alpha = number("alpha", 1.0)?;
                let rate = Some(1.0 / alpha).filter(|rate| rate.is_finite());
                let rate = rate.ok_or_else(|| odd("alpha", &given["alpha"]))?;
                (Some(Activation::Exponential { scale: 1.0, alpha, rate }), ["alpha", inplace])
            }
            "SELU" => (Some(Activation::SELU), [inplace, ""]),
            "GELU" => match given.get("approximate") {
                None => (Some(Activation::Gelu), ["", ""]),
                Some(Value::String(way)) if way == "none" => (Some(Activation::Gelu), ["approximate", ""]),
                Some(Value::String(way)) if way == "tanh" => {
                    (Some(Activation::GeluTanh), ["approximate", ""])
                }
                Some(way) => return Err(odd("approximate", way)),
            },
            "SiLU" => (Some(Activation::Silu), [inplace, ""]),
            "Mish" => (Some(Activation::Mish), [inplace, ""]),
            "Hardswish" => (Some(Activation::Hardswish), [inplace, ""]),
            _ => return Err(format!("its network's activation {name} is not supported")),
        };
        match given.iter().find(|(key, _)| !keys.contains(&key.as_str())) {
            Some((key, value)) => Err(odd(key, value)),
            None => Ok(found),
        }
    }

    /// The channels within the blocks of each stage, where these have three convolutions.
    fn bottleneck(&self, stages: usize) -> Result<Vec<usize>, String> {
        if class_name(self.block.as_ref()) != Some("BottleneckD") {
            return Ok(Vec::new());
        }
        let given = self.bottleneck_channels.clone().unwrap_or_default();
        serde_json::from_value(given.clone())
            .map(|counts: Counts| counts.each(stages))
            .map_err(|_| format!("its network's bottleneck_channels {given} is not supported"))
    }
}

/// The name of a class without its module.
fn class_name(path: Option<&String>) -> Option<&str> {
    path.map(|path| path.rsplit('.').next().unwrap_or(path))
}

/// One number for all stages, or one each.
#[derive(Deserialize)]
#[serde(untagged)]
enum Counts {
    One(usize),
    Each(Vec<usize>),
}

impl Counts {
    fn each(&self, stages: usize) -> Vec<usize> {
        match self {
            Self::One(count) => vec![*count; stages],
            Self::Each(counts) => counts.clone(),
        }
    }
}

/// One number for all axes of all stages, one a stage, or one an axis and stage.
#[derive(Deserialize)]
#[serde(untagged)]
enum Axes {
    One(usize),
    Stages(Vec<usize>),
    Each(Vec<Vec<usize>>),
}

impl Axes {
    fn each(&self, stages: usize, flat: bool) -> Vec<Option<[usize; 3]>> {
        let all = |n: usize| Some(if flat { [1, n, n] } else { [n; 3] });
        match self {
            Self::One(n) => vec![all(*n); stages],
            Self::Stages(list) => list.iter().map(|n| all(*n)).collect(),
            Self::Each(list) => list.iter().map(|axes| with_axis(axes, 1)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_without_an_activation_or_a_normalisation_is_refused() {
        let read = |entries: &str| {
            let text = format!(
                r#"{{"architecture": {{"network_class_name": "a.PlainConvUNet", "arch_kwargs": {{
                    "n_stages": 2, "features_per_stage": [4, 8], "kernel_sizes": 3, "strides": [1, 2],
                    "n_conv_per_stage": 1, "n_conv_per_stage_decoder": 1{entries}}}}}}}"#
            );
            parse(&serde_json::from_str(&text).unwrap(), 1, 2)
        };
        let with_norm = |nonlin: &str| {
            read(&format!(
                r#", "norm_op": "torch.nn.InstanceNorm3d", "norm_op_kwargs": {{"affine": true}}{nonlin}"#
            ))
        };
        assert!(with_norm(r#", "nonlin": "torch.nn.LeakyReLU""#).is_ok());
        assert!(with_norm(r#", "nonlin": "torch.nn.Softplus""#).unwrap_err().contains("Softplus"));
        for none in [r#", "nonlin": null"#, ""] {
            assert!(with_norm(none).unwrap_err().contains("no activation"), "{none}");
        }
        let with_nonlin =
            |norm: &str| read(&format!(r#", "nonlin": "torch.nn.LeakyReLU", "norm_op": {norm}"#));
        assert!(with_nonlin("null").unwrap_err().contains("no normalisation"));
        // Scale and shift, where nothing tells of them, are a batch normalisation's alone.
        for arguments in ["", r#", "norm_op_kwargs": null"#, r#", "norm_op_kwargs": {"eps": 1e-05}"#] {
            assert!(with_nonlin(&format!(r#""torch.nn.BatchNorm3d"{arguments}"#)).is_ok(), "{arguments}");
            let told = with_nonlin(&format!(r#""torch.nn.InstanceNorm3d"{arguments}"#)).unwrap_err();
            assert!(told.contains("without scale and shift"), "{told}");
        }
        let told = with_nonlin(r#""torch.nn.BatchNorm3d", "norm_op_kwargs": {"affine": false}"#);
        assert!(told.unwrap_err().contains("without scale and shift"));
    }
    fn with(class: &str, entries: &str) -> Result<Architecture, String> {
        let text = format!(
            r#"{{"architecture": {{"network_class_name": "a.{class}", "arch_kwargs": {{
                "n_stages": 2, "features_per_stage": [4, 8], "kernel_sizes": 3, "strides": [1, 2],
                "n_blocks_per_stage": 1, "n_conv_per_stage": 1, "n_conv_per_stage_decoder": 1,
                "norm_op": "torch.nn.InstanceNorm3d", "norm_op_kwargs": {{"affine": true}}, {entries}}}}}}}"#
        );
        parse(&serde_json::from_str(&text).unwrap(), 1, 2)
    }

    #[test]
    fn activations_are_read_with_their_arguments() {
        let read = |name: &str, arguments: &str| {
            let entries =
                format!(r#""nonlin": "torch.nn.modules.activation.{name}", "nonlin_kwargs": {arguments}"#);
            with("PlainConvUNet", &entries).map(|architecture| architecture.activation)
        };
        let inplace = r#"{"inplace": true}"#;
        let exponential = |alpha, rate| Activation::Exponential { scale: 1.0, alpha, rate };
        for (name, arguments, expected) in [
            ("LeakyReLU", inplace, Activation::LEAKY),
            ("LeakyReLU", r#"{"negative_slope": 0.2, "inplace": true}"#, Activation::Leaky(0.2)),
            ("ReLU", inplace, Activation::Leaky(0.0)),
            ("ReLU", "null", Activation::Leaky(0.0)),
            ("ELU", "{}", exponential(1.0, 1.0)),
            ("ELU", r#"{"alpha": 2}"#, exponential(2.0, 1.0)),
            ("CELU", r#"{"alpha": 2.0}"#, exponential(2.0, 0.5)),
            ("SELU", inplace, Activation::SELU),
            ("GELU", "{}", Activation::Gelu),
            ("GELU", r#"{"approximate": "none"}"#, Activation::Gelu),
            ("GELU", r#"{"approximate": "tanh"}"#, Activation::GeluTanh),
            ("SiLU", inplace, Activation::Silu),
            ("Mish", inplace, Activation::Mish),
            ("Hardswish", inplace, Activation::Hardswish),
        ] {
            assert_eq!(read(name, arguments), Ok(Some(expected)), "{name} {arguments}");
        }
        assert_eq!(read("PReLU", r#"{"init": 0.1}"#), Ok(None), "a weight");
        for (name, arguments, told) in [
            ("PReLU", r#"{"num_parameters": 4}"#, "num_parameters 4"),
            ("GELU", inplace, "inplace true"),
            ("GELU", r#"{"approximate": "erf"}"#, "erf"),
            ("CELU", r#"{"alpha": 0}"#, "alpha 0"),
            ("LeakyReLU", r#"{"negative_slope": "steep"}"#, "steep"),
            ("ReLU", r#"{"slope": 1}"#, "slope 1"),
            ("Tanh", "{}", "Tanh"),
        ] {
            let refused = read(name, arguments).unwrap_err();
            assert!(refused.contains(told) && refused.contains(name), "{refused}");
        }
    }

    #[test]
    fn an_epsilon_and_the_activation_s_place_are_read() {
        let read = |class: &str, eps: &str, more: &str| {
            let text = format!(
                r#"{{"architecture": {{"network_class_name": "a.{class}", "arch_kwargs": {{
                    "n_stages": 2, "features_per_stage": [4, 8], "kernel_sizes": 3, "strides": [1, 2],
                    "n_blocks_per_stage": 1, "n_conv_per_stage": 1, "n_conv_per_stage_decoder": 1,
                    "nonlin": "torch.nn.ReLU", "norm_op": "torch.nn.InstanceNorm3d",
                    "norm_op_kwargs": {{"affine": true{eps}}}{more}}}}}}}"#
            );
            parse(&serde_json::from_str(&text).unwrap(), 1, 2)
        };
        let plain = |eps: &str, more: &str| read("PlainConvUNet", eps, more);
        let of = |made: Result<Architecture, String>| made.map(|own| (own.epsilon, own.activation_first));
        assert_eq!(of(plain("", "")), Ok((1e-5, false)));
        assert_eq!(of(plain(r#", "eps": 1e-05"#, "")), Ok((1e-5, false)));
        assert_eq!(of(plain(r#", "eps": 0.001"#, r#", "nonlin_first": true"#)), Ok((1e-3, true)));
        for odd in ["0", "-1e-5", "null", "\"small\"", "1e60"] {
            let told = plain(&format!(r#", "eps": {odd}"#), "").unwrap_err();
            assert!(told.contains("eps"), "{told}");
        }
        // nnU-Net's residual encoder takes no such argument.
        let told = read("ResidualEncoderUNet", "", r#", "nonlin_first": true"#).unwrap_err();
        assert!(told.contains("before their normalisation"), "{told}");
    }

    #[test]
    fn blocks_of_three_convolutions_are_read() {
        let block = |name: &str, channels: &str| {
            let entries = format!(
                r#""nonlin": "torch.nn.LeakyReLU", "block": "a.building_blocks.residual.{name}",
                "bottleneck_channels": {channels}"#
            );
            with("ResidualEncoderUNet", &entries).map(|architecture| architecture.bottleneck)
        };
        assert_eq!(block("BottleneckD", "[2, 3]"), Ok(vec![2, 3]));
        assert_eq!(block("BottleneckD", "5"), Ok(vec![5, 5]));
        // Blocks of two have none, whatever is told.
        assert_eq!(block("BasicBlockD", "[2, 3]"), Ok(Vec::new()));
        assert_eq!(block("BasicBlockD", "null"), Ok(Vec::new()));
        for odd in ["null", "[2, null]", "[[1, 2], 3]"] {
            assert!(block("BottleneckD", odd).unwrap_err().contains("bottleneck_channels"), "{odd}");
        }
        assert!(block("BottleneckD", "[2]").unwrap_err().contains("one a stage"));
        assert!(block("MyBlock", "2").unwrap_err().contains("MyBlock"));
    }
}
