//! How a plan has something resampled: the function's name and its arguments.
//!
//! nnU-Net calls the function with the arguments that stand beside its name, so what is not told there
//! is the function's own default, and what would change the result in a way that is not followed here
//! is refused by its name.

use super::resample::{ANISOTROPIC, Order, Resampling};
use serde_json::{Map, Value};

/// How something is resampled; `None` where it is not. `otherwise` is taken where the plan does not
/// tell of arguments at all.
///
/// # Errors
/// A sentence naming the function or the argument that is not followed.
pub(super) fn read(
    function: Option<&str>,
    arguments: Option<&Map<String, Value>>,
    otherwise: Resampling,
) -> Result<Option<Resampling>, String> {
    let Some(function) = function else { return skimage(arguments, otherwise).map(Some) };
    match function {
        "resample_data_or_seg_to_shape" => skimage(arguments, otherwise).map(Some),
        "resample_torch_fornnunet" => torch(arguments).map(Some),
        "no_resampling_hack" => Ok(None),
        other => Err(format!("its resampling {other} is not supported")),
    }
}

/// What a plan may be followed in when it brings logits back onto the image.
pub(super) fn check_logits(how: Resampling) -> Result<(), String> {
    for (key, order) in [("order", how.order), ("order_z", how.order_z)] {
        if order.is_spline() {
            return Err(format!(
                "its resampling_fn_probabilities has {key} 2 or more, a spline, which is not supported"
            ));
        }
    }
    Ok(())
}

/// What a plan may be followed in when it resamples the labels of a stage before.
pub(super) fn check_labels(how: Resampling) -> Result<(), String> {
    if how.by_torch && how.order_z != Order::Nearest {
        return Err("its resampling_fn_seg has another aniso_axis_mode, which is not supported".to_owned());
    }
    Ok(())
}

/// `resample_data_or_seg_to_shape`.
fn skimage(arguments: Option<&Map<String, Value>>, otherwise: Resampling) -> Result<Resampling, String> {
    let Some(arguments) = arguments else { return Ok(otherwise) };
    let order = |key: &str, default: Order| match arguments.get(key) {
        None => Ok(default),
        Some(value) => value
            .as_u64()
            .and_then(Order::of_number)
            .ok_or_else(|| format!("its resampling {key} {value} is not supported")),
    };
    Ok(Resampling {
        order: order("order", Order::Cubic)?,
        order_z: order("order_z", Order::Nearest)?,
        force_separate_z: separate(arguments, Some(false))?,
        anisotropy_threshold: threshold(arguments)?,
        by_torch: false,
    })
}

/// `resample_torch_fornnunet`: linear, but for an axis that is separate.
fn torch(arguments: Option<&Map<String, Value>>) -> Result<Resampling, String> {
    let none = Map::new();
    let arguments = arguments.unwrap_or(&none);
    let text = |key: &str| arguments.get(key).map(|value| value.as_str().unwrap_or("that is no text"));
    let refused = |key: &str, value: &str| Err(format!("its resampling {key} {value} is not supported"));
    if let Some(mode) = text("mode").filter(|mode| *mode != "linear") {
        return refused("mode", mode);
    }
    if arguments.get("memefficient_seg_resampling").and_then(Value::as_bool) == Some(true) {
        return refused("memefficient_seg_resampling", "true");
    }
    let order_z = match text("aniso_axis_mode") {
        None | Some("nearest-exact") => Order::Nearest,
        Some("linear" | "trilinear") => Order::Linear,
        Some(mode) => return refused("aniso_axis_mode", mode),
    };
    Ok(Resampling {
        order: Order::Linear,
        order_z,
        force_separate_z: separate(arguments, None)?,
        anisotropy_threshold: threshold(arguments)?,
        by_torch: true,
    })
}

/// `force_separate_z`: true, false, or null for "as the spacings say".
fn separate(arguments: &Map<String, Value>, default: Option<bool>) -> Result<Option<bool>, String> {
    match arguments.get("force_separate_z") {
        None => Ok(default),
        Some(Value::Null) => Ok(None),
        Some(Value::Bool(force)) => Ok(Some(*force)),
        Some(other) => Err(format!("its resampling force_separate_z {other} is not supported")),
    }
}

/// `separate_z_anisotropy_threshold`: from how thick an axis is apart where the spacings say.
fn threshold(arguments: &Map<String, Value>) -> Result<f64, String> {
    match arguments.get("separate_z_anisotropy_threshold") {
        None => Ok(ANISOTROPIC),
        Some(value) => value.as_f64().ok_or_else(|| {
            format!("its resampling separate_z_anisotropy_threshold {value} is not supported")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(function: &str, arguments: &Value) -> Result<Option<Resampling>, String> {
        read(Some(function), arguments.as_object(), Resampling::LOGITS)
    }

    const SKIMAGE: &str = "resample_data_or_seg_to_shape";
    const TORCH: &str = "resample_torch_fornnunet";

    #[test]
    fn a_thick_axis_is_separate_as_the_plan_says() {
        use serde_json::json;
        let force = |function: &str, arguments: Value| {
            read_with(function, &arguments).unwrap().unwrap().force_separate_z
        };
        for function in [SKIMAGE, TORCH] {
            assert_eq!(force(function, json!({"force_separate_z": false})), Some(false));
            assert_eq!(force(function, json!({"force_separate_z": true})), Some(true));
            assert_eq!(force(function, json!({"force_separate_z": null})), None);
        }
        let threshold = |function: &str, arguments: Value| {
            read_with(function, &arguments).unwrap().unwrap().anisotropy_threshold
        };
        for function in [SKIMAGE, TORCH] {
            assert_eq!(threshold(function, json!({"separate_z_anisotropy_threshold": 1.5})), 1.5);
            assert_eq!(threshold(function, json!({})), 3.0);
        }
        // The functions differ in what they do when it is not told.
        assert_eq!(force(SKIMAGE, json!({})), Some(false));
        assert_eq!(force(TORCH, json!({"is_seg": false})), None);
        assert_eq!(read(None, None, Resampling::IMAGE), Ok(Some(Resampling::IMAGE)));
        assert_eq!(read(Some("no_resampling_hack"), None, Resampling::IMAGE), Ok(None));
    }

    #[test]
    fn torch_s_orders_are_those_of_its_modes() {
        use serde_json::json;
        let how = |arguments: Value| read_with(TORCH, &arguments).unwrap().unwrap();
        assert_eq!((how(json!({})).order, how(json!({})).order_z), (Order::Linear, Order::Nearest));
        assert_eq!(how(json!({"aniso_axis_mode": "linear"})).order_z, Order::Linear);
        for (key, value) in [
            ("mode", json!("nearest")),
            ("aniso_axis_mode", json!("nearest")),
            ("memefficient_seg_resampling", json!(true)),
            ("separate_z_anisotropy_threshold", json!("5")),
            ("force_separate_z", json!("yes")),
        ] {
            let told = read_with(TORCH, &json!({ key: value })).unwrap_err();
            assert!(told.contains(key), "{told}");
        }
        assert!(
            read_with("resample_torch_simple", &json!({})).unwrap_err().contains("resample_torch_simple")
        );
        assert!(read_with(SKIMAGE, &json!({"order": 6})).unwrap_err().contains("order 6"));
    }
}
