//! Voxel masks and label maps: caches and exchange formats, never the truth of a structure.

use crate::geometry::Grid;

/// A set of voxels of a grid, stored for its bounding box only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mask {
    /// The first voxel of the box (i, j, k) in the grid.
    pub low: [usize; 3],
    /// The size of the box.
    pub size: [usize; 3],
    /// `true` where the voxel belongs, for the box, i fastest.
    pub voxels: Vec<bool>,
}

impl Mask {
    /// An all-false mask for the box of `size` voxels at `low`.
    #[must_use]
    pub fn new(low: [usize; 3], size: [usize; 3]) -> Self {
        Self { low, size, voxels: vec![false; size.iter().product()] }
    }

    /// Whether grid voxel (i, j, k) belongs; false outside the box.
    #[must_use]
    pub fn contains(&self, voxel: [usize; 3]) -> bool {
        self.offset_of(voxel).is_some_and(|offset| self.voxels[offset])
    }

    /// The number of voxels that belong.
    #[must_use]
    pub fn count(&self) -> usize {
        self.voxels.iter().filter(|voxel| **voxel).count()
    }

    /// The index into [`Self::voxels`] of a grid voxel; `None` outside the box.
    #[must_use]
    pub fn offset_of(&self, voxel: [usize; 3]) -> Option<usize> {
        let mut at = [0; 3];
        for axis in 0..3 {
            at[axis] = voxel[axis].checked_sub(self.low[axis]).filter(|n| *n < self.size[axis])?;
        }
        Some(at[0] + self.size[0] * (at[1] + self.size[1] * at[2]))
    }
}

/// One label a voxel; 0 is background.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelMap {
    /// The grid of the labels.
    pub grid: Grid,
    /// The label of each voxel, i fastest.
    pub labels: Vec<u16>,
    /// The names of the labels, where known.
    pub names: Vec<(u16, String)>,
}
