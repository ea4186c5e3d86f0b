//! The probabilities along the borders of a slice's labels, kept until the labels are cleaned up.
//!
//! Outlines run where the probabilities of two neighbours are equal, and the tracer asks for no others
//! than those of two neighbouring voxels' labels at both ([`crate::geometry::trace::labels_slice`]). So
//! these few are all that has to be kept of a slice to trace it later just as it would be traced at once.

use super::export::Slice;
use std::collections::BTreeSet;

/// The shares at the voxels of a slice that have another label beside them, or the slice's edge.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Edges {
    /// Ordered by voxel and label.
    shares: Vec<Share>,
}

/// A label's share at a voxel.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Share {
    at: u32,
    label: u16,
    /// The label that the voxel had.
    own: u16,
    share: f32,
}

impl Edges {
    /// Of a slice, `width` voxels in a row.
    pub(super) fn of(slice: &Slice<'_>, width: usize) -> Self {
        Self::between(slice.labels(), width, |label, at| slice.score(label, at))
    }

    fn between(labels: &[u16], width: usize, score: impl Fn(u16, usize) -> f32) -> Self {
        let mut shares = Vec::new();
        for (at, own) in labels.iter().enumerate() {
            let x = at % width.max(1);
            // Beyond the slice there is background.
            let beside = |is_there: bool, at: usize| {
                if is_there { labels.get(at).copied().unwrap_or(0) } else { 0 }
            };
            let around = [
                beside(x > 0, at.wrapping_sub(1)),
                beside(x + 1 < width, at + 1),
                beside(at >= width, at.wrapping_sub(width)),
                beside(true, at + width),
            ];
            if around.iter().all(|label| label == own) {
                continue;
            }
            let asked: BTreeSet<u16> = around.into_iter().chain([*own]).collect();
            let at_32 = u32::try_from(at).unwrap_or(u32::MAX);
            shares.extend(asked.into_iter().map(|label| Share {
                at: at_32,
                label,
                own: *own,
                share: score(label, at),
            }));
        }
        Self { shares }
    }

    /// The share of a label at a voxel, which by now has the label `now`: where that was taken from it,
    /// what it had counts as background's. Of what was not kept, the voxel's label has all.
    pub(super) fn share(&self, label: u16, at: usize, now: u16) -> f32 {
        let at_32 = u32::try_from(at).unwrap_or(u32::MAX);
        let first = self.shares.partition_point(|share| share.at < at_32);
        let here = self.shares[first..].iter().take_while(|share| share.at == at_32);
        let of = |wanted: u16| here.clone().find(|share| share.label == wanted).map(|share| share.share);
        let own = here.clone().next().map_or(now, |share| share.own);
        let share = if now == 0 && own != 0 && label == 0 { of(own) } else { of(label) };
        share.unwrap_or(if label == now { 1.0 } else { 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::trace::labels_slice;

    /// 7 x 4 voxels: a piece of 1, a voxel of 2 beside it, and a small piece of 1 by itself.
    const LABELS: [u16; 28] = [
        0, 0, 0, 0, 0, 0, 0, //
        0, 1, 1, 2, 0, 0, 1, //
        0, 1, 1, 0, 0, 0, 0, //
        0, 0, 0, 0, 0, 0, 0,
    ];

    /// The voxel's label has most, each other some of its own.
    fn score(label: u16, at: usize) -> f32 {
        let part = f32::from(u16::try_from((at * 7 + usize::from(label) * 5) % 11).unwrap()) / 40.0;
        if LABELS[at] == label { 0.5 + part } else { part / 2.0 }
    }

    #[test]
    fn a_slice_is_traced_later_as_it_would_be_at_once() {
        let edges = Edges::between(&LABELS, 7, score);
        let later = labels_slice(&LABELS, 7, 4, |label, at| edges.share(label, at, LABELS[at]));
        assert_eq!(later, labels_slice(&LABELS, 7, 4, score));
        // Nothing is kept of the voxels in the midst of background.
        assert!(!edges.shares.iter().any(|share| share.at == 18), "{edges:?}");
    }

    #[test]
    fn what_was_taken_from_a_voxel_counts_as_background() {
        let edges = Edges::between(&LABELS, 7, score);
        let mut cleaned = LABELS;
        cleaned[13] = 0;
        let later = labels_slice(&cleaned, 7, 4, |label, at| edges.share(label, at, cleaned[at]));
        let mut before = labels_slice(&LABELS, 7, 4, score);
        // The other piece of 1, and 2, are as they were.
        let ring = before.get_mut(&1).unwrap();
        ring.retain(|polygon| polygon.outer.iter().all(|vertex| vertex.x < 5.0));
        assert_eq!(ring.len(), 1);
        assert_eq!(later, before);
        assert_eq!(edges.share(0, 13, 0), score(1, 13));
    }
}
