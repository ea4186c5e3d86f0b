//! What grew, brought to the middle of the edges beside it.
//!
//! Values that are alike end where an edge begins, not where it is: by one pixel or two too early where
//! there is little noise, and at a height of the edge that differs from one neighbour to the next. So the
//! border is moved, a voxel at a time, to where the values are half way between those a little farther in
//! and those a little farther out *there*. Taken evenly to both sides that is the point of inflection,
//! where the true edge lies however wide an even blur makes it (partial volume, reconstruction, Gaussian).
//! Only voxels of the edge itself are taken in: what is alike but was held back by a neck, the reach or a
//! limit stays out, but for single voxels at the border that noise cut off, and so does what lies beyond.

mod band;

use self::band::Band;
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;

/// The border moves by so many voxels at most.
const MOST_STEPS: usize = 6;
/// Values are compared with those so many pixels off the border, from and to (the squares, with both ends):
/// more than two and up to four, beyond a usual blur and beyond the thick slice next to it.
const BESIDE: std::ops::RangeInclusive<u8> = 5..=16;
/// What is alike and was not reached is taken in when it is as near as this, pixels (the square): its
/// neighbours in noise.
const CUT_OFF: u8 = 2;
/// So many pixels to either side of the border are looked at (the square).
const LOOKED_AT: u8 = 4;
/// Pixels along rows and columns around a voxel that tell of it.
const AROUND: usize = band::MOST;
/// Of the voxels beside the border at least this part is unlike, or it is no edge.
const LEAST_UNLIKE: f32 = 0.25;
/// From this many pixels on a slice counts as thick: its blur ends with the next.
const THICK: f64 = 1.5;

/// A box of voxels, i fastest; all lists have one value for each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voxels<'a> {
    pub dims: [usize; 3],
    pub spacing_mm: [f64; 3],
    /// The image; NaN outside the scan.
    pub values: &'a [f32],
    /// Whether the value is alike.
    pub belongs: &'a [bool],
    /// Whether the voxel may be taken in.
    pub held: &'a [bool],
}

impl Voxels<'_> {
    /// What was `reached`, grown or cut back to the edges beside it, and for the voxels at its border how
    /// far their values are on the inner side of the edge, in the image's unit: negative outside, NaN
    /// where there is no edge near.
    ///
    /// # Errors
    /// When someone asks to stop.
    pub(super) fn ended_at_edges(
        &self,
        reached: Vec<bool>,
        progress: &Progress,
    ) -> Result<(Vec<bool>, Vec<f32>), Cancelled> {
        let Some((low, size)) = self.around(&reached) else {
            let depths = vec![f32::NAN; reached.len()];
            return Ok((reached, depths));
        };
        let [nx, ny, _] = self.dims;
        let rows = || {
            (low[2]..low[2] + size[2]).flat_map(move |z| {
                (low[1]..low[1] + size[1]).map(move |y| {
                    let from = low[0] + nx * (y + ny * z);
                    from..from + size[0]
                })
            })
        };
        let cut = |own: &[bool]| -> Vec<bool> { rows().flat_map(|row| own[row].iter().copied()).collect() };
        let values: Vec<f32> = rows().flat_map(|row| self.values[row].iter().copied()).collect();
        let (belongs, held) = (cut(self.belongs), cut(self.held));
        let part = Voxels {
            dims: size,
            spacing_mm: self.spacing_mm,
            values: &values,
            belongs: &belongs,
            held: &held,
        };
        let (found, found_depths) = part.settled(cut(&reached), progress)?;
        let (mut reached, mut depths) = (reached, vec![f32::NAN; self.values.len()]);
        for (n, row) in rows().enumerate() {
            let own = n * size[0]..(n + 1) * size[0];
            reached[row.clone()].copy_from_slice(&found[own.clone()]);
            depths[row].copy_from_slice(&found_depths[own]);
        }
        Ok((reached, depths))
    }

    /// The box around what is reached with room for all that is looked at: its corner and size.
    fn around(&self, reached: &[bool]) -> Option<([usize; 3], [usize; 3])> {
        let [nx, ny, _] = self.dims;
        let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
        for (at, _) in reached.iter().enumerate().filter(|(_, own)| **own) {
            for (axis, own) in [at % nx, at / nx % ny, at / (nx * ny)].into_iter().enumerate() {
                low[axis] = low[axis].min(own);
                high[axis] = high[axis].max(own + 1);
            }
        }
        if low[0] == usize::MAX {
            return None;
        }
        let room = MOST_STEPS + AROUND + 2;
        let low = low.map(|own| own.saturating_sub(room));
        Some((low, [0, 1, 2].map(|axis| (high[axis] + room).min(self.dims[axis]) - low[axis])))
    }

    fn settled(
        &self,
        mut reached: Vec<bool>,
        progress: &Progress,
    ) -> Result<(Vec<bool>, Vec<f32>), Cancelled> {
        let [nx, ny, nz] = self.dims;
        let mut band = Band::new(&reached, self.dims, self.thick());
        let open: Vec<bool> = (0..reached.len())
            .map(|at| self.held[at] && (!self.belongs[at] || band.off[0][at] <= CUT_OFF))
            .collect();
        let mut depths = vec![f32::NAN; reached.len()];
        // Rows that are to be looked at: all, then those near what changed.
        let mut rows = vec![true; ny * nz];
        for step in 0..=MOST_STEPS {
            progress.set_fraction(step as f64 / MOST_STEPS as f64)?;
            depths.par_chunks_mut(nx).enumerate().filter(|(row, _)| rows[*row]).for_each(|(row, out)| {
                for (x, out) in out.iter_mut().enumerate() {
                    *out = self.depth(row * nx + x, &reached, &open, &band).unwrap_or(f32::NAN);
                }
            });
            if step == MOST_STEPS {
                break;
            }
            let changed: Vec<usize> = (0..ny * nz)
                .into_par_iter()
                .filter(|row| rows[*row])
                .flat_map_iter(|row| row * nx..(row + 1) * nx)
                .filter(|at| {
                    let takes = !reached[*at] && depths[*at] > 0.0;
                    let drops = reached[*at] && depths[*at] < 0.0;
                    (takes || drops) && self.beside(*at).any(|next| reached[next] == takes)
                })
                .collect();
            if changed.is_empty() {
                break;
            }
            rows.fill(false);
            for at in changed {
                reached[at] = !reached[at];
                rows[at / nx] = true;
            }
            rows = band.renew(&reached, &rows);
            rows = band.with_near(&rows);
        }
        Ok((reached, depths))
    }

    /// The neighbours that share a side.
    fn beside(&self, at: usize) -> impl Iterator<Item = usize> {
        let [nx, ny, nz] = self.dims;
        let (x, y, z) = (at % nx, at / nx % ny, at / (nx * ny));
        [
            (x > 0).then(|| at - 1),
            (x + 1 < nx).then(|| at + 1),
            (y > 0).then(|| at - nx),
            (y + 1 < ny).then(|| at + nx),
            (z > 0).then(|| at - nx * ny),
            (z + 1 < nz).then(|| at + nx * ny),
        ]
        .into_iter()
        .flatten()
    }

    /// The way from slice to slice in pixels: a thick slice counts as two, so that the next but one is past
    /// the blur.
    fn thick(&self) -> usize {
        let pixel = self.spacing_mm[0].min(self.spacing_mm[1]);
        if self.spacing_mm[2] > THICK * pixel { 2 } else { 1 }
    }

    /// For a voxel at the border of what is `reached`, or one beside it that is `open` to it; see
    /// [`Self::ended_at_edges`].
    fn depth(&self, at: usize, reached: &[bool], open: &[bool], band: &Band) -> Option<f32> {
        let [nx, ny, nz] = self.dims;
        let through = AROUND / self.thick();
        let [off_inside, off_outside] = &band.off;
        let value = self.values[at];
        let looked_at =
            if reached[at] { off_outside[at] <= LOOKED_AT } else { off_inside[at] <= LOOKED_AT && open[at] };
        if !looked_at || value.is_nan() {
            return None;
        }
        let (x, y, z) = (at % nx, at / nx % ny, at / (nx * ny));
        let (mut deep, mut shallow) = (Mean::default(), Mean::default());
        let mut around: Vec<f32> = Vec::new();
        let mut beside = 0_u16;
        for z in z.saturating_sub(through)..(z + through + 1).min(nz) {
            for y in y.saturating_sub(AROUND)..(y + AROUND + 1).min(ny) {
                let row = nx * (y + ny * z);
                for at in row + x.saturating_sub(AROUND)..row + (x + AROUND + 1).min(nx) {
                    let value = self.values[at];
                    if value.is_nan() {
                        continue;
                    }
                    if reached[at] {
                        shallow.add(value);
                        if BESIDE.contains(&off_outside[at]) {
                            deep.add(value);
                        }
                    } else if BESIDE.contains(&off_inside[at]) {
                        beside += 1;
                        if !self.belongs[at] {
                            around.push(value);
                        }
                    }
                }
            }
        }
        let inside = deep.value().or(shallow.value())?;
        let least = LEAST_UNLIKE * f32::from(beside);
        let level = |sign: f32| {
            let mut mean = Mean::default();
            around.iter().filter(|own| (*own - inside) * sign > 0.0).for_each(|own| mean.add(*own));
            let is_edge = mean.count > 0.0 && mean.count >= least;
            mean.value().filter(|_| is_edge).map(|own| f32::midpoint(own, inside))
        };
        let dark = level(-1.0).map(|level| value - level);
        let bright = level(1.0).map(|level| level - value);
        match (dark, bright) {
            (Some(dark), Some(bright)) => Some(dark.min(bright)),
            (one, other) => one.or(other),
        }
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Mean {
    sum: f32,
    count: f32,
}

impl Mean {
    fn add(&mut self, value: f32) {
        self.sum += value;
        self.count += 1.0;
    }

    fn value(self) -> Option<f32> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}

#[cfg(test)]
mod tests;
