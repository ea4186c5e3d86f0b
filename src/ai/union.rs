//! An organ together with those that lie within it: the spinal canal with the cord, the brain with
//! its stem.
//!
//! A network names each voxel once, so the ring around the cord is all that it calls canal. The
//! canal's contours hold the cord as well: by the sum of the probabilities, so that there is no seam
//! where the network wavers between the two.

use super::package::Label;
use super::postprocess::{Field, MIXED};
use rayon::prelude::*;

/// Where the sum of some classes' probabilities is above that of any other class.
pub(super) struct Union {
    /// The label's value.
    pub value: u16,
    classes: Vec<u16>,
    /// Whether all, or none, of the cell above a model voxel belongs; `None`: ask.
    cells: Vec<Option<bool>>,
}

impl Union {
    /// Of `organ` with those it includes.
    pub(super) fn new(field: &Field<'_>, organ: &Label, labels: &[Label]) -> Self {
        let parts = labels.iter().filter(|label| organ.includes.contains(&label.name));
        let classes: Vec<u16> = parts.map(|label| label.value).chain([organ.value]).collect();
        let p = field.probabilities;
        let [nz, ny, nx] = p.size;
        let sums: Vec<[f32; 2]> = p
            .values
            .par_chunks_exact(p.classes)
            .map(|shares| own_and_other(shares.iter().map(|share| share.to_f32()), &classes))
            .collect();
        let mut cells = vec![None; sums.len()];
        cells.par_chunks_mut((ny * nx).max(1)).enumerate().for_each(|(z, plane)| {
            for (at, cell) in plane.iter_mut().enumerate() {
                let mut corners = (0..8).map(|corner| {
                    let (dz, dy, dx) = (corner >> 2, corner >> 1 & 1, corner & 1);
                    ((z + dz).min(nz - 1) * ny + (at / nx + dy).min(ny - 1)) * nx + (at % nx + dx).min(nx - 1)
                });
                let label = field.cells[z * ny * nx + at];
                // A lead over every other class at all corners is one between them. For the other way
                // round it must be one and the same class that leads.
                *cell = if label == MIXED || classes.contains(&label) {
                    corners.all(|at| sums[at][0] > sums[at][1]).then_some(true)
                } else {
                    let share = |at: usize| p.values[at * p.classes + usize::from(label)].to_f32();
                    corners.all(|at| share(at) >= sums[at][0]).then_some(false)
                };
            }
        });
        Self { value: organ.value, classes, cells }
    }

    /// The sum of the own probabilities and the greatest other one at a model index.
    pub(super) fn shares(&self, field: &Field<'_>, at: [f64; 3]) -> [f32; 2] {
        let classes = u16::try_from(field.probabilities.classes).unwrap_or(u16::MAX);
        own_and_other((0..classes).map(|class| field.share(at, class)), &self.classes)
    }

    /// Whether a model index belongs.
    pub(super) fn contains(&self, field: &Field<'_>, at: [f64; 3]) -> bool {
        let Some(cell) = field.cell(at) else { return false };
        self.cells[cell].unwrap_or_else(|| {
            let [own, other] = self.shares(field, at);
            own > other
        })
    }
}

/// The sum of the shares of `classes`, and the greatest of the others.
fn own_and_other(shares: impl Iterator<Item = f32>, classes: &[u16]) -> [f32; 2] {
    let (mut own, mut other) = (0.0, 0.0_f32);
    for (class, share) in (0_u16..).zip(shares) {
        if classes.contains(&class) {
            own += share;
        } else {
            other = other.max(share);
        }
    }
    [own, other]
}
