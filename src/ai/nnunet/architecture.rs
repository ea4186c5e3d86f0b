//! The network that a plan describes: `architecture` of today's plans, and the numbers of old ones.

use super::plans::with_axis;
use crate::ai::network::{Architecture, EncoderKind};
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
    let stages = arguments.n_stages;
    if !(2..=10).contains(&stages) {
        return Err(format!("its network has {stages} stages; 2 to 10 are supported"));
    }
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
        let last = |name: &Option<String>| {
            name.as_deref().map(|name| name.rsplit('.').next().unwrap_or(name).to_owned())
        };
        let refuse = |what: &str, value: &str| Err(format!("its network's {what} {value} is not supported"));
        match last(&self.norm_op) {
            // A batch normalisation's running statistics come with the weights; one without is an
            // instance normalisation, a patch at a time.
            Some(norm) if !norm.starts_with("InstanceNorm") && !norm.starts_with("BatchNorm") => {
                return refuse("normalisation", &norm);
            }
            _ => {}
        }
        match last(&self.nonlin) {
            Some(name) if name != "LeakyReLU" => return refuse("activation", &name),
            _ => {}
        }
        match last(&self.conv_op) {
            Some(name) if name != "Conv3d" && name != "Conv2d" => return refuse("convolution", &name),
            _ => {}
        }
        match last(&self.block) {
            Some(name) if name != "BasicBlockD" => return refuse("block", &name),
            _ => {}
        }
        let number = |map: &Option<Map<String, Value>>, key: &str| {
            map.as_ref().and_then(|map| map.get(key)).and_then(Value::as_f64)
        };
        if number(&self.norm_op_kwargs, "eps").is_some_and(|eps| eps != 1e-5) {
            return refuse("normalisation's eps", "other than 1e-5");
        }
        let affine = self.norm_op_kwargs.as_ref().and_then(|map| map.get("affine")).and_then(Value::as_bool);
        // Where it is not told, PyTorch's batch normalisation has them, its instance normalisation not.
        let by_default = last(&self.norm_op).is_none_or(|norm| norm.starts_with("BatchNorm"));
        if !affine.unwrap_or(by_default) {
            return refuse("normalisation", "without scale and shift");
        }
        if number(&self.nonlin_kwargs, "negative_slope").is_some_and(|slope| slope != 0.01) {
            return refuse("activation's negative_slope", "other than 0.01");
        }
        let pool = self.pool.as_ref().or(self.pool_type.as_ref()).filter(|pool| *pool != "conv");
        if let Some(pool) = pool {
            return refuse("pooling", pool);
        }
        let bottleneck = match &self.bottleneck_channels {
            Some(Value::Array(list)) => list.iter().any(|value| !value.is_null()),
            Some(value) => !value.is_null(),
            None => false,
        };
        for (is_set, what) in [
            (bottleneck, "bottleneck_channels"),
            (self.squeeze_excitation == Some(true), "squeeze_excitation"),
            (self.nonlin_first == Some(true), "nonlin_first"),
            (self.disable_default_stem == Some(true), "disable_default_stem"),
        ] {
            if is_set {
                return Err(format!("its network's {what} is not supported"));
            }
        }
        Ok(())
    }
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
        assert!(with_norm(r#", "nonlin": "torch.nn.GELU""#).unwrap_err().contains("GELU"));
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
}
