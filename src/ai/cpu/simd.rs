//! The widest vectors that the processor at hand has.

use pulp::{Arch, Simd, WithSimd};
use std::hint::black_box;
use std::time::Instant;

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

/// Multiply-adds that the pool's threads do in a second, in units of 10^9 operations (a multiply-add
/// is two), on values that stay in registers: what no network can exceed by the direct way. The best
/// of three rounds of some hundredths of a second.
pub(super) fn peak_gflops() -> f64 {
    const STEPS: usize = 10_000_000;
    let rounds = (0..3).map(|_| {
        let started = Instant::now();
        let lanes: usize = rayon::broadcast(|_| vectorised(Steps(STEPS))).into_iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "for show")]
        let operations = (2 * CHAINS * STEPS * lanes) as f64;
        operations / started.elapsed().as_secs_f64() / 1e9
    });
    rounds.fold(0.0, f64::max)
}

/// Sums that do not wait for each other: more than the latency of a multiply-add times two a cycle.
const CHAINS: usize = 12;

/// So many multiply-adds on each of [`CHAINS`] vectors; gives the vector's width.
struct Steps(usize);

impl WithSimd for Steps {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        let (factor, term) = (simd.splat_f32s(black_box(0.999)), simd.splat_f32s(black_box(0.001)));
        let mut sums = [simd.splat_f32s(1.0); CHAINS];
        let mut step = 0;
        while step < self.0 {
            let mut chain = 0;
            while chain < CHAINS {
                sums[chain] = simd.mul_add_e_f32s(sums[chain], factor, term);
                chain += 1;
            }
            step += 1;
        }
        for sum in sums {
            black_box(simd.reduce_sum_f32s(sum));
        }
        S::F32_LANES
    }
}
