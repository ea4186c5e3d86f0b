//! Numbers drawn from a seed, the same on every machine: xoshiro256++ (Blackman and Vigna, ACM
//! Transactions on Mathematical Software 47, 2021), seeded by SplitMix64.

/// A generator. Seeds that differ in any word give streams that have nothing to do with each other.
#[derive(Debug, Clone)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The generator of these seeds (a run's seed, a step, a purpose).
    #[must_use]
    pub fn new(seeds: &[u64]) -> Self {
        let mut at = 0x9e37_79b9_7f4a_7c15_u64;
        for seed in seeds {
            at = mixed(at ^ mixed(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)));
        }
        let state = [0; 4].map(|_: u64| {
            at = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed(at)
        });
        Self { state }
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// From 0 up to, but not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From `low` up to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// 0 to `count` - 1; 0 when there is nothing to choose from.
    pub fn below(&mut self, count: usize) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "below `count`")]
        {
            ((u128::from(self.next()) * count as u128) >> 64) as usize
        }
    }

    /// A standard normal number (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_another_gives_others() {
        let draw = |seeds: &[u64]| {
            let mut random = Random::new(seeds);
            [random.unit(), random.unit()]
        };
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
        assert_ne!(draw(&[1, 0]), draw(&[1]));
    }

    #[test]
    fn numbers_are_spread_as_they_should_be() {
        let mut random = Random::new(&[7]);
        let n = 20_000;
        let mean = (0..n).map(|_| random.unit()).sum::<f64>() / f64::from(n);
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        let normals: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let variance = normals.iter().map(|v| v * v).sum::<f64>() / f64::from(n);
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
        let mut counts = [0; 5];
        (0..n).for_each(|_| counts[random.below(5)] += 1);
        assert!(counts.iter().all(|count| (3800..4200).contains(count)), "{counts:?}");
        assert_eq!(random.below(0), 0);
    }
}
