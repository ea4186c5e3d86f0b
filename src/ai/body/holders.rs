//! What is attached to the patient or the couch: masks, cushions, boards, holders.
//!
//! Two kinds are told from air. What is dense, however thin (a mask's 2 mm, a shell), by the image's
//! own voxels; the blurred rim of a surface, which has the same values, is left out. And foam, hardly
//! denser than air, by the means of blocks of about 3 mm, where it is thicker than any rim. On that
//! grid both are put together to pieces: those that come near what they are attached to and are no
//! specks or cables stay whole. Then, slice by slice, the gaps before them are closed and what they
//! enclose is filled; a slice without any is left as it is.

use super::couch::Solid;
use super::{Coarse, Image, SKIN_HU, voxels};
use crate::geometry::bits::Bits;
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;

/// Denser than foam, HU: masks and shells, blurred by voxels of their own thickness.
pub(super) const HOLDER_HU: f32 = -600.0;
/// Foam is denser, as the mean of a block, HU; air with its noise and streaks is not.
const FOAM_HU: f32 = -945.0;
/// Nothing in the scan is less dense, HU; what is outside it is.
const SCAN_HU: f32 = -1500.0;
/// Half the thickness of foam, within and across slices, mm.
const FOAM_MM: [f64; 2] = [6.0, 3.0];
/// The blurred rim of a surface, mm.
const RIM_MM: f64 = 1.5;
/// A piece that comes so near is attached, mm.
const NEAR_MM: f64 = 30.0;
/// A smaller piece is a speck, cm3.
const LEAST_CC: f64 = 2.0;
/// What is smaller on a slice and lies free is a cable's section, mm.
const CABLE_MM: f64 = 10.0;
/// Noise at the edge of foam is opened away by this, mm.
const GRAIN_MM: f64 = 1.6;

/// Looks for what is attached.
#[derive(Clone, Copy)]
pub(super) struct Attached<'a> {
    pub image: &'a Image<'a>,
    pub coarse: &'a Coarse,
    /// Gaps narrower than twice this are closed, mm.
    pub close_mm: f64,
}

impl Attached<'_> {
    /// `base`, in the patient's axes, with what is attached to it, and what that or `couch`, which is part
    /// of the base, encloses. Looks for what is dense, and for foam, where the zones say of (x, y).
    pub(super) fn to(
        &self,
        base: &Bits,
        couch: Option<&Solid>,
        (zone, soft_zone): (impl Fn(usize, usize) -> bool + Sync, impl Fn(usize, usize) -> bool + Sync),
        progress: &Progress,
    ) -> Result<Bits, Cancelled> {
        let blocks =
            self.blocks(progress, |z, x, y| base.values[x + base.size[0] * (y + base.size[1] * z)])?;
        let foam = self.foam(&blocks, &soft_zone);
        progress.set_fraction(0.2)?;
        let planes = (0..base.size[2])
            .into_par_iter()
            .map(|z| {
                progress.check()?;
                Ok(self.dense(base, &zone, z))
            })
            .collect::<Result<Vec<Bits>, Cancelled>>()?;
        let dense = self.blocks(progress, |z, x, y| planes[z].values[x + base.size[0] * y])?;
        progress.set_fraction(0.4)?;
        let kept = self.kept(&blocks, &union(&foam, &dense));
        let foam = both(&foam, &kept);
        let (deep, near) = (foam.eroded([1, 1, 0]), foam.dilated([1, 1, 0]));
        progress.set_fraction(0.5)?;
        let done = planes
            .into_par_iter()
            .enumerate()
            .map(|(z, mut solid)| {
                progress.check()?;
                for (at, own) in solid.values.iter_mut().enumerate().filter(|(_, own)| **own) {
                    *own = kept.values[self.block_of(at % base.size[0], at / base.size[0], z)];
                }
                let plane = plane_of(base, z);
                let soft = self.foam_on(&plane, [&deep, &near], &soft_zone, z);
                let solid = union(&solid, &soft);
                Ok(self.enclosing(&plane, solid, couch.and_then(|couch| couch.on(z))).values)
            })
            .collect::<Result<Vec<_>, Cancelled>>()?;
        progress.set_fraction(1.0)?;
        Ok(Bits { size: base.size, values: done.concat() })
    }

    fn block_of(&self, x: usize, y: usize, z: usize) -> usize {
        let Coarse { block, size, .. } = self.coarse;
        x / block[0] + size[0] * (y / block[1] + size[1] * (z / block[2]))
    }

    /// Blocks with a voxel (z, x, y) that belongs.
    fn blocks(
        &self,
        progress: &Progress,
        belongs: impl Fn(usize, usize, usize) -> bool + Sync,
    ) -> Result<Bits, Cancelled> {
        progress.check()?;
        let Coarse { block, size: [nx, ny, _], .. } = *self.coarse;
        let fine = self.image.oriented.size;
        let mut bits = Bits::new(self.coarse.size);
        bits.values.par_chunks_mut(nx * ny).enumerate().for_each(|(cz, plane)| {
            for z in cz * block[2]..((cz + 1) * block[2]).min(fine[2]) {
                for y in 0..fine[1] {
                    for x in 0..fine[0] {
                        plane[x / block[0] + nx * (y / block[1])] |= belongs(z, x, y);
                    }
                }
            }
        });
        Ok(bits)
    }

    /// Blocks of foam beside the base.
    fn foam(&self, base: &Bits, zone: impl Fn(usize, usize) -> bool + Sync) -> Bits {
        let mut soft = self.coarse.above(self.image, FOAM_HU, |x, y| !zone(x, y));
        for (soft, base) in soft.values.iter_mut().zip(&base.values) {
            *soft &= !base;
        }
        let [across, along] = FOAM_MM;
        let spacing = self.coarse.spacing_mm;
        let radius = [
            voxels(across, spacing[0]).max(1),
            voxels(across, spacing[1]).max(1),
            // Over the crown the rim is as wide as the head and a slice thick.
            voxels(along, spacing[2]).max(1),
        ];
        soft.eroded(radius).dilated(radius)
    }

    /// Slice z: what is dense, beside the base and its blurred rim.
    fn dense(&self, base: &Bits, zone: impl Fn(usize, usize) -> bool, z: usize) -> Bits {
        let [nx, ny, nz] = base.size;
        let mut rim = Bits::new([nx, ny, 1]);
        for near in z.saturating_sub(1)..(z + 2).min(nz) {
            for (rim, own) in rim.values.iter_mut().zip(&base.values[near * nx * ny..]) {
                *rim |= own;
            }
        }
        let spacing = self.image.oriented.spacing_mm;
        let rim = rim.dilated([voxels(RIM_MM, spacing[0]).max(1), voxels(RIM_MM, spacing[1]).max(1), 0]);
        let own = &base.values[z * nx * ny..(z + 1) * nx * ny];
        let mut dense = Bits::new([nx, ny, 1]);
        for y in 0..ny {
            self.image.row(y, z, |x, hu| {
                let at = x + nx * y;
                let least = if rim.values[at] { SKIN_HU } else { HOLDER_HU };
                dense.values[at] = hu > least && !own[at] && zone(x, y);
            });
        }
        dense
    }

    /// The blocks, and those beside them, of pieces that are attached, without specks and cables.
    fn kept(&self, base: &Bits, solid: &Bits) -> Bits {
        let spacing = self.coarse.spacing_mm;
        let near = base.dilated(spacing.map(|mm| voxels(NEAR_MM, mm)));
        // A mask is a grid of holes: its parts belong together.
        let pieces = solid.dilated([1; 3]).pieces();
        let (mut count, mut attached) = (vec![0_usize; pieces.len()], vec![false; pieces.len()]);
        pieces.each_run(|piece, range| {
            for at in range.filter(|at| solid.values[*at]) {
                count[piece] += 1;
                attached[piece] |= near.values[at];
            }
        });
        let block_cc = spacing.iter().product::<f64>() / 1000.0;
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let mut kept = pieces.chosen(|piece| attached[piece] && count[piece] as f64 * block_cc >= LEAST_CC);
        let touched = base.dilated([1, 1, 0]);
        let [nx, ny, _] = kept.size;
        let limit = [0, 1].map(|axis| voxels(CABLE_MM, spacing[axis]) + 2);
        kept.values.par_chunks_mut(nx * ny).zip(touched.values.par_chunks(nx * ny)).for_each(
            |(plane, touched)| {
                let sections = Bits { size: [nx, ny, 1], values: plane.to_vec() }.pieces();
                for section in sections.indices() {
                    let side = |of: &dyn Fn(usize) -> usize| {
                        let all = section.iter().map(|at| of(*at));
                        let (low, high) =
                            all.fold((usize::MAX, 0), |(low, high), n| (low.min(n), high.max(n)));
                        high + 1 - low
                    };
                    let is_small = side(&|at| at % nx) <= limit[0] && side(&|at| at / nx) <= limit[1];
                    if is_small && !section.iter().any(|at| touched[*at]) {
                        for at in section {
                            plane[at] = false;
                        }
                    }
                }
            },
        );
        kept
    }

    /// Slice z of the foam: as its blocks say away from their edge, by the voxels' values near it.
    fn foam_on(
        &self,
        base: &Bits,
        [deep, near]: [&Bits; 2],
        zone: impl Fn(usize, usize) -> bool,
        z: usize,
    ) -> Bits {
        let (mut core, mut all) = (Bits::new(base.size), Bits::new(base.size));
        for y in 0..base.size[1] {
            self.image.row(y, z, |x, hu| {
                let (at, block) = (x + base.size[0] * y, self.block_of(x, y, z));
                let may = near.values[block] && !base.values[at] && hu > SCAN_HU && zone(x, y);
                core.values[at] = may && deep.values[block];
                all.values[at] = may && (deep.values[block] || hu > FOAM_HU);
            });
        }
        if !all.values.contains(&true) {
            return all;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number")]
        let grain = [0, 1, 2].map(|axis| {
            if axis == 2 { 0 } else { (GRAIN_MM / self.image.oriented.spacing_mm[axis]) as usize }
        });
        let all = union(&all.eroded(grain).dilated(grain), &core);
        if core.values.contains(&true) { all.connected_to(&core) } else { all }
    }

    /// A slice of the base with what is attached to it there, gaps closed, the enclosed filled.
    fn enclosing(&self, base: &Bits, solid: Bits, couch: Option<&Bits>) -> Bits {
        let marks = match couch {
            Some(couch) => union(&solid, couch),
            None => solid,
        };
        if !marks.values.contains(&true) {
            return base.clone();
        }
        let all = union(base, &marks);
        let mut gaps = all.closed_in_slices(self.close_mm, self.image.oriented.spacing_mm);
        for (gap, own) in gaps.values.iter_mut().zip(&all.values) {
            *gap &= !own;
        }
        // A bay of the patient's own, away from it all, stays open.
        let gaps = gaps.connected_to(&marks.dilated([1, 1, 0]));
        union(&all, &gaps).filled_in_slices()
    }
}

fn plane_of(bits: &Bits, z: usize) -> Bits {
    let [nx, ny, _] = bits.size;
    Bits { size: [nx, ny, 1], values: bits.values[z * nx * ny..(z + 1) * nx * ny].to_vec() }
}

fn union(a: &Bits, b: &Bits) -> Bits {
    Bits { size: a.size, values: a.values.iter().zip(&b.values).map(|(a, b)| *a || *b).collect() }
}

fn both(a: &Bits, b: &Bits) -> Bits {
    Bits { size: a.size, values: a.values.iter().zip(&b.values).map(|(a, b)| *a && *b).collect() }
}
