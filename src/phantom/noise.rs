//! Reproducible random numbers and smooth noise.

/// `SplitMix64` (Steele, Lea and Flood 2014): small, fast, and the same everywhere.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for a named thing of an individual.
    pub(super) fn named(seed: u64, name: &str) -> Self {
        // FNV-1a over the name, so that adding an organ changes no other one.
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ hash);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in 0..1.
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit an f32")]
    pub(super) fn uniform(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// Roughly normal with unit variance, never beyond [`GREATEST`] (four uniforms: an outlier would
    /// be a deformity, not an individual).
    pub(super) fn normal(&mut self) -> f32 {
        let sum: f32 = (0..4).map(|_| self.uniform()).sum();
        (sum - 2.0) * 3.0_f32.sqrt()
    }
}

/// The greatest amount of a [`Random::normal`] number, and so of noise made of them: 2 sqrt(3).
pub(super) const GREATEST: f32 = 3.465;

const SIDE: usize = 64;

/// Periodic white noise on a 64^3 lattice, read with trilinear interpolation.
#[derive(Debug)]
pub(super) struct NoiseTile(Vec<f32>);

impl NoiseTile {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self((0..SIDE * SIDE * SIDE).map(|_| random.normal()).collect())
    }

    /// Smooth noise of about unit amplitude; `p` in lattice cells.
    pub(super) fn at(&self, p: [f32; 3]) -> f32 {
        let (x, fx) = cell(p[0]);
        let (y, fy) = cell(p[1]);
        let (z, fz) = cell(p[2]);
        let wrap = |n: usize| n & (SIDE - 1);
        let value = |i: usize, j: usize, k: usize| self.0[wrap(i) + SIDE * (wrap(j) + SIDE * wrap(k))];
        let row = |j, k| value(x, j, k) * (1.0 - fx) + value(x + 1, j, k) * fx;
        let face = |k| row(y, k) * (1.0 - fy) + row(y + 1, k) * fy;
        face(z) * (1.0 - fz) + face(z + 1) * fz
    }

    /// White noise of unit variance for pixel (i, j) of slice k.
    pub(super) fn white(&self, i: usize, j: usize, k: usize) -> f32 {
        let mut h = (i as u64) | (j as u64) << 20 | (k as u64) << 40;
        h = (h ^ u64::from(self.0[0].to_bits())).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        h = (h ^ (h >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
        h ^= h >> 29;
        // Four 16-bit uniforms make one nearly normal number.
        let sum = (0..4).map(|n| (h >> (16 * n)) & 0xffff).sum::<u64>();
        (sum as f32 / 65_535.0 - 2.0) * 3.0_f32.sqrt()
    }
}

/// The lattice cell of a coordinate, wrapped into the tile, and the place in it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "wrapped into the tile")]
fn cell(x: f32) -> (usize, f32) {
    let floor = x.floor();
    (floor as i32 as usize & (SIDE - 1), x - floor)
}
