//! Networks of random numbers, for benchmarks and tests of engines against each other.

use super::{Architecture, Network, NetworkError, NormKind, build};

impl Network {
    /// A network of this shape with small deterministic pseudo-random parameters.
    ///
    /// # Errors
    /// [`NetworkError::Architecture`] when the description is unusable.
    pub fn random(architecture: Architecture, seed: u64) -> Result<Self, NetworkError> {
        let mut state = seed | 1;
        let mut next = move || {
            // Marsaglia's xorshift64.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            #[expect(clippy::cast_precision_loss, reason = "24 bits fit a float32 exactly")]
            let unit = (state >> 40) as f32 / (1_u32 << 24) as f32;
            2.0 * unit - 1.0
        };
        build::network(architecture, NormKind::Instance, &mut |name, shape| {
            let count: usize = shape.iter().product();
            let scale = match shape {
                [first, second, taps @ ..] => {
                    // What one output sums over: a transposed convolution has its inputs first.
                    let inputs = if name.contains("transpconvs") { first } else { second };
                    let taps = inputs * taps.iter().product::<usize>();
                    #[expect(clippy::cast_precision_loss, reason = "far below 2^24")]
                    (3.0 / taps as f32).sqrt()
                }
                _ if name.ends_with("norm.weight") => return Ok(vec![1.0; count]),
                _ if name.ends_with("norm.bias") => return Ok(vec![0.0; count]),
                // PReLU's slope.
                _ if name.contains(".nonlin") => return Ok(vec![0.25; count]),
                _ => 0.1,
            };
            Ok((0..count).map(|_| next() * scale).collect())
        })
    }
}
