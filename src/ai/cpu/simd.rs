//! The widest vectors that the processor at hand has.

use pulp::{Arch, WithSimd};

/// Runs `operation` compiled for this processor.
pub(super) fn vectorised<Operation: WithSimd>(operation: Operation) -> Operation::Output {
    // Named here because the crate's own dispatch leaves it out unless a feature is on, and turning
    // that on would rebuild everything beneath burn for nothing.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return pulp::Simd::vectorize(simd, operation);
    }
    Arch::new().dispatch(operation)
}
