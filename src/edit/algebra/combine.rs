//! Union, intersection, subtraction and symmetric difference of any number of regions.

use super::Region;
use crate::geometry::{Polygon, clip};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// How regions are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetRule {
    /// What is in any of them.
    Union,
    /// What is in all of them.
    Intersection,
    /// What is in the first and in none of the others.
    Subtraction,
    /// What is in an odd number of them (of two: in exactly one).
    SymmetricDifference,
}

/// The regions combined slice by slice. None of them gives nothing, one gives itself. Pieces that
/// the operation does not reach come back with the same bits.
#[must_use]
pub fn combined(rule: SetRule, operands: &[&Region]) -> Region {
    let Some((first, others)) = operands.split_first() else { return Region::default() };
    let slices: Vec<usize> = match rule {
        SetRule::Union | SetRule::SymmetricDifference => {
            let all: BTreeSet<usize> =
                operands.iter().flat_map(|own| own.slices().map(|(index, _)| index)).collect();
            all.into_iter().collect()
        }
        SetRule::Intersection | SetRule::Subtraction => first.slices().map(|(index, _)| index).collect(),
    };
    let on_slice = |index: usize| -> Vec<Polygon> {
        let step: fn(&[Polygon], &[Polygon]) -> Vec<Polygon> = match rule {
            SetRule::Union => clip::union,
            SetRule::Intersection => clip::intersection,
            SetRule::Subtraction => clip::difference,
            SetRule::SymmetricDifference => clip::xor,
        };
        others.iter().fold(first.on(index).to_vec(), |own, other| {
            let other = other.on(index);
            match rule {
                _ if !other.is_empty() => step(&own, other),
                SetRule::Intersection => Vec::new(),
                _ => own,
            }
        })
    };
    let done: Vec<_> = slices.par_iter().with_min_len(4).map(|index| (*index, on_slice(*index))).collect();
    Region::from_slices(done)
}
