//! Sets of the nodes of a lattice: a bit a node, so that what has no surface is passed by 64 at a
//! time.

use std::ops::Range;

/// The nodes (i, j) of the lattice that are in a set: a bit a node, the rows in whole words. No
/// node of the rim is in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Nodes {
    words: usize,
    bits: Vec<u64>,
}

impl Nodes {
    /// None of a lattice's nodes.
    pub fn new([columns, rows]: [usize; 2]) -> Self {
        let words = columns.div_ceil(64);
        Self { words, bits: vec![0; words * rows] }
    }

    /// As many nodes, none in the set.
    pub fn none(&self) -> Self {
        Self { words: self.words, bits: vec![0; self.bits.len()] }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.bits.len() / self.words
    }

    /// Row `j`, the lowest bit of the first word first.
    pub fn row(&self, j: usize) -> &[u64] {
        &self.bits[self.words * j..self.words * (j + 1)]
    }

    /// Puts nodes of row `j` into the set.
    pub fn insert(&mut self, j: usize, columns: Range<usize>) {
        for word in columns.start / 64..columns.end.div_ceil(64) {
            let first = columns.start.saturating_sub(64 * word);
            let after = columns.end - 64 * word;
            let below = |n: usize| if n >= 64 { u64::MAX } else { (1 << n) - 1 };
            self.bits[self.words * j + word] |= below(after) & !below(first);
        }
    }

    /// The nodes in both sets and those in one of them that `decide` takes, asked by their place in
    /// a field with rows of `columns` nodes.
    pub fn mixed(&self, other: &Self, columns: usize, decide: impl Fn(usize) -> bool) -> Self {
        let mut mixed = self.clone();
        for (at, (own, other)) in mixed.bits.iter_mut().zip(&other.bits).enumerate() {
            let differ = *own ^ other;
            *own &= other;
            let first = at / self.words * columns + at % self.words * 64;
            for bit in ones(differ) {
                *own |= u64::from(decide(first + bit)) << bit;
            }
        }
        mixed
    }

    /// The nodes in one of the sets only, by their place as in [`Self::mixed`].
    pub fn differing(&self, other: &Self, columns: usize) -> impl Iterator<Item = usize> {
        self.bits.iter().zip(&other.bits).enumerate().flat_map(move |(at, (own, other))| {
            let first = at / self.words * columns + at % self.words * 64;
            ones(own ^ other).map(move |bit| first + bit)
        })
    }

    /// The edges from a node to the next of its row (`along`) and to the next row, with one end in
    /// the set: (i, j) of the first end, whether that one is in the set, `along`.
    pub fn crossings(&self, mut emit: impl FnMut([usize; 2], bool, bool)) {
        for j in 0..self.rows() - 1 {
            let (row, next) = (self.row(j), self.row(j + 1));
            for (word, (own, above)) in row.iter().zip(next).enumerate() {
                for bit in ones(own ^ shifted(row, word)) {
                    emit([64 * word + bit, j], own >> bit & 1 != 0, true);
                }
                for bit in ones(own ^ above) {
                    emit([64 * word + bit, j], own >> bit & 1 != 0, false);
                }
            }
        }
    }

    /// The number of [`Self::crossings`].
    pub fn crossing_count(&self) -> usize {
        let along = |j: usize| {
            let row = self.row(j);
            (0..row.len()).map(|word| (row[word] ^ shifted(row, word)).count_ones()).sum::<u32>()
        };
        let across = |j: usize| {
            self.row(j).iter().zip(self.row(j + 1)).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>()
        };
        (0..self.rows() - 1).map(|j| (along(j) + across(j)) as usize).sum()
    }
}

/// Each bit's right neighbour in a row, in its place.
pub(super) fn shifted(row: &[u64], word: usize) -> u64 {
    row[word] >> 1 | row.get(word + 1).map_or(0, |next| next << 63)
}

/// The places of the ones of `word`, rising.
pub(super) fn ones(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (word != 0).then(|| word.trailing_zeros() as usize);
        word &= word.wrapping_sub(1);
        place
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of more than a word, with a run across its border and one at its end.
    fn nodes() -> Nodes {
        let mut nodes = Nodes::new([130, 4]);
        nodes.insert(1, 60..70);
        nodes.insert(2, 62..64);
        nodes.insert(2, 100..129);
        nodes
    }

    fn held(nodes: &Nodes) -> Vec<usize> {
        let none = nodes.none();
        nodes.differing(&none, 130).collect()
    }

    #[test]
    fn runs_hold_their_nodes() {
        let wanted = (190..200).chain(322..324).chain(360..389).collect::<Vec<_>>();
        assert_eq!(held(&nodes()), wanted);
        let mut nodes = nodes();
        nodes.insert(1, 64..64);
        nodes.insert(1, 65..69);
        assert_eq!(held(&nodes), wanted);
    }

    #[test]
    fn crossings_are_the_ends_of_runs_and_what_stands_alone() {
        let mut along = Vec::new();
        let mut across = Vec::new();
        nodes().crossings(
            |node, inside, is_along| {
                if is_along { along.push((node, inside)) } else { across.push((node, inside)) }
            },
        );
        let wanted = [
            ([59, 1], false),
            ([69, 1], true),
            ([61, 2], false),
            ([63, 2], true),
            ([99, 2], false),
            ([128, 2], true),
        ];
        assert_eq!(along, wanted);
        // Ten begin above row 0, eight of them and 29 others change above row 1, 31 end above row 2.
        assert_eq!(across.len(), 10 + 8 + 29 + 31);
        assert!(across.contains(&([60, 0], false)) && across.contains(&([60, 1], true)));
        assert!(!across.iter().any(|(node, _)| *node == [62, 1]));
        assert_eq!(nodes().crossing_count(), along.len() + across.len());
    }

    #[test]
    fn a_mean_holds_what_both_hold_and_what_is_decided() {
        let mut other = Nodes::new([130, 4]);
        other.insert(1, 66..75);
        let mixed = nodes().mixed(&other, 130, |node| node % 2 == 0 && node < 300);
        assert_eq!(held(&mixed), [190, 192, 194, 196, 197, 198, 199, 200, 202, 204]);
    }
}
