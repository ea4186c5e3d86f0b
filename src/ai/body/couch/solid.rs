//! The couch's own solid: its shell, and the core that this encloses.
//!
//! A couch is the same in all slices, so its section is read from all of them at once: where more than
//! half of the slices say so. A foam core hardly denser than air is seen that way; one that is not is
//! filled, since the shell encloses it.

use super::super::{Image, voxels};
use super::{Couch, SHELL_HU};
use crate::geometry::bits::Bits;
use rayon::prelude::*;

/// A core is denser in most slices, HU.
const CORE_HU: f32 = -960.0;
/// Nothing in the scan is less dense, HU; what is outside it is.
const SCAN_HU: f32 = -1500.0;
/// The blurred rim of a shell, mm.
const RIM_MM: f64 = 1.5;
/// What is further from the couch's surface, part by part, is not the couch, mm.
const NEAR_MM: f64 = 30.0;
/// Upper and lower shell, where the scan ends, are not further apart, mm.
const MOST_DEEP_MM: f64 = 150.0;
/// The couch is in a slice that shows so large a share of its shell.
const SHOWN: f64 = 0.3;

/// The couch as a solid.
pub(in super::super) struct Solid {
    /// Its section across the slices.
    section: Bits,
    /// The slices that it is in.
    slices: Vec<bool>,
}

impl Solid {
    /// Its section in a slice; `None` where it is not.
    pub(in super::super) fn on(&self, z: usize) -> Option<&Bits> {
        self.slices[z].then_some(&self.section)
    }

    /// Puts it into a set in the patient's axes.
    pub(in super::super) fn join(&self, all: &mut Bits) {
        all.values.par_chunks_mut(self.section.values.len()).enumerate().for_each(|(z, plane)| {
            for (own, couch) in plane.iter_mut().zip(self.on(z).into_iter().flat_map(|bits| &bits.values)) {
                *own |= couch;
            }
        });
    }
}

/// In how many slices a pixel is so.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    shell: usize,
    core: usize,
    scanned: usize,
}

impl Couch {
    /// The couch as a solid: shell and core, no wider than it is.
    pub(in super::super) fn solid(&self, image: &Image<'_>) -> Solid {
        let [nx, ny, nz] = image.oriented.size;
        let mut counts = vec![Counts::default(); nx * ny];
        counts.par_chunks_mut(nx).enumerate().for_each(|(y, row)| {
            for z in 0..nz {
                image.row(y, z, |x, hu| {
                    row[x].shell += usize::from(hu > SHELL_HU);
                    row[x].core += usize::from(hu > CORE_HU);
                    row[x].scanned += usize::from(hu > SCAN_HU);
                });
            }
        });
        let most = |count: fn(&Counts) -> usize, zone: bool| Bits {
            size: [nx, ny, 1],
            values: counts
                .iter()
                .enumerate()
                .map(|(at, own)| 2 * count(own) > nz && (!zone || self.covers(at % nx, at / nx)))
                .collect(),
        };
        let shell = self.near_surface(&most(|own| own.shell, true), image);
        let mut section = most(|own| own.core, true).connected_to(&shell);
        let rim = [0, 1].map(|axis| voxels(RIM_MM, image.oriented.spacing_mm[axis]).max(1));
        section = section.eroded([rim[0], rim[1], 0]);
        for (own, shell) in section.values.iter_mut().zip(&shell.values) {
            *own |= shell;
        }
        self.close_ends(&mut section, &shell, &most(|own| own.scanned, false), image);
        // Cracks that the rim left between shell and core.
        let section = section.closed([2 * rim[0], 2 * rim[1], 0]).filled_in_slices();
        let shown: Vec<usize> = (0..nz)
            .into_par_iter()
            .map(|z| {
                let mut count = 0;
                for y in 0..ny {
                    image.row(y, z, |x, hu| {
                        count += usize::from(shell.values[x + nx * y] && hu > SHELL_HU);
                    });
                }
                count
            })
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "pixel counts")]
        let least = shell.count() as f64 * SHOWN;
        #[expect(clippy::cast_precision_loss, reason = "pixel counts")]
        let slices = shown.into_iter().map(|count| count > 0 && count as f64 >= least).collect();
        Solid { section, slices }
    }

    /// The parts that are reached from the couch's surface by steps of at most [`NEAR_MM`].
    fn near_surface(&self, parts: &Bits, image: &Image<'_>) -> Bits {
        let spacing = image.oriented.spacing_mm;
        let half = [0, 1].map(|axis| voxels(NEAR_MM / 2.0, spacing[axis]));
        let depth = voxels(NEAR_MM, self.side.pair([spacing[0], spacing[1]])[1]);
        let nx = parts.size[0];
        let mut seeds = parts.clone();
        for (at, own) in seeds.values.iter_mut().enumerate() {
            let [across, towards] = self.side.seen([at % nx, at / nx], self.size);
            *own &= towards <= self.surface[across] + depth;
        }
        let mut near = parts.dilated([half[0], half[1], 0]).connected_to(&seeds);
        for (near, own) in near.values.iter_mut().zip(&parts.values) {
            *near &= own;
        }
        near
    }

    /// Where the scan is narrower than the couch, upper and lower shell are joined at its end.
    fn close_ends(&self, section: &mut Bits, shell: &Bits, scanned: &Bits, image: &Image<'_>) {
        let (seen, inside) = (self.side.turned(shell), self.side.turned(scanned));
        let [across, towards, _] = seen.size;
        let spacing = image.oriented.spacing_mm;
        let most = voxels(MOST_DEEP_MM, self.side.pair([spacing[0], spacing[1]])[1]);
        let column =
            |x: usize| -> Vec<usize> { (0..towards).filter(|v| seen.values[v * across + x]).collect() };
        for outwards in [false, true] {
            let columns: Vec<usize> =
                if outwards { (0..across).rev().collect() } else { (0..across).collect() };
            // The outermost column with two shells.
            let ends = columns.into_iter().find_map(|x| {
                let all = column(x);
                let (top, bottom) = (*all.first()?, *all.last()?);
                let has_gap = all.windows(2).any(|pair| pair[1] > pair[0] + 1);
                (has_gap && bottom - top <= most).then_some((x, top, bottom))
            });
            let Some((x, top, bottom)) = ends else { continue };
            // A pixel or two beyond the lower shell's end there is nothing to be seen.
            let beyond = if outwards { x + 3 } else { x.wrapping_sub(3) };
            if beyond < across && inside.values[bottom * across + beyond] {
                continue;
            }
            for v in top..=bottom {
                let [px, py] = self.side.pixel([x, v], towards);
                section.values[px + self.size[0] * py] = true;
            }
        }
    }
}
