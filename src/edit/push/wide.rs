//! Loops over many numbers, compiled for the widest vectors that the processor at hand has.

/// What `work`, whose body has to be inlined, comes to.
#[inline(always)]
pub(super) fn vectorised<T>(work: impl FnOnce() -> T) -> T {
    // Named here because the crate's own dispatch leaves it out unless a feature is on.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(work);
    }
    work()
}
