//! Named tensors in safetensors files.

use crate::ai::network::Parameter;
use std::collections::BTreeMap;

/// Named float32 tensors of a safetensors file (float16, bfloat16 or float32 in the file).
///
/// # Errors
/// A sentence, when the bytes are not such a file. Sizes are checked against the bytes before
/// anything is allocated.
pub fn read_safetensors(bytes: &[u8]) -> Result<BTreeMap<String, Parameter>, String> {
    use safetensors::Dtype;
    let file = safetensors::SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut parameters = BTreeMap::new();
    for (name, view) in file.tensors() {
        let data = view.data();
        let halves = || data.as_chunks::<2>().0.iter();
        let values = match view.dtype() {
            Dtype::F16 => halves().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::BF16 => halves().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            other => return Err(format!("the tensor {name} is {other:?}, not a floating point type")),
        };
        parameters.insert(name, Parameter { shape: view.shape().to_vec(), values });
    }
    Ok(parameters)
}
