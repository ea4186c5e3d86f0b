//! Recipes: how a structure is derived from others (`PTV = CTV + 5 mm - (Skin in 3 mm)`).
//!
//! | written | means |
//! |---|---|
//! | `A + B`, `A or B` | union |
//! | `A - B` | A without B |
//! | `A & B`, `A and B` | intersection |
//! | `A xor B` | symmetric difference |
//! | `A + 5 mm`, `A out 5 mm` | margin outward |
//! | `A - 5 mm`, `A in 5 mm` | margin inward |
//! | `A + (left 5, anterior 3, superior 8) mm` | by direction; those not named are 0 |
//! | `wall(A, 2 mm, 1 mm)` | from 2 mm inside to 1 mm outside of the surface |
//! | `ring(A, 3 mm, 10 mm)` | 10 mm wide, beginning 3 mm outside |
//! | `largest(A)`, `filled(A)`, `unholed(A)` | the largest piece; cavities filled; no holes |
//! | `above(A, 0.5 cc)` | without pieces of less |
//! | `smooth(A, 2 mm)`, `smooth3d(A, 3 mm)` | smooth in the plane; in space, across the slices too |
//! | `simple(A, 0.3 mm)`, `points(A, 500)`, `extended(A, 2)` | shape |
//! | `resampled(A)` | contours of other slices put onto those of the images |
//!
//! `in` and `out` bind tightest, then `&`, then the others from left to right: `A + B + 5 mm` is the
//! margin of both together, and `A + 5 mm & B` what of that margin lies in B. Names of letters, digits
//! and `_` stand as they are, others in quotation marks. A recipe is stored with identities (`{12}`) in
//! place of names, so that renaming a structure breaks nothing.

mod evaluate;
mod parse;
mod print;

pub use evaluate::{EvaluateError, Window, affected, effort, evaluate, is_local};
pub use parse::{Definition, ParseError, parse};
pub use print::printed;

use super::algebra::{Margin, SetRule};
use crate::patient::RoiId;
use std::collections::BTreeSet;

/// An operation on one structure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operation {
    /// Margin outward.
    Expand(Margin),
    /// Margin inward.
    Contract(Margin),
    /// What lies near the surface.
    Wall {
        /// How far inside, mm.
        inner_mm: f64,
        /// How far outside, mm.
        outer_mm: f64,
    },
    /// A shell around it.
    Ring {
        /// How far outside it begins, mm.
        gap_mm: f64,
        /// How wide it is, mm.
        width_mm: f64,
    },
    /// The piece of the largest volume.
    Largest,
    /// Pieces of at least this volume, cubic centimetres.
    Above(f64),
    /// Cavities filled.
    Filled,
    /// All holes of all slices removed.
    Unholed,
    /// Smoothed in the plane over a length, mm, the volume kept.
    Smooth(f64),
    /// Smoothed in space over a length, mm: in the plane and across the slices, the volume kept.
    SmoothInSpace(f64),
    /// Simplified within a tolerance, mm.
    Simple(f64),
    /// Simplified to a number of points.
    Points(usize),
    /// Continued by so many slices at both ends.
    Extended(usize),
    /// Contours drawn on other slices put onto those of the images: the sections of what they stand
    /// for. What lies on the slices already stays as it is.
    Resampled,
}

/// How a structure is made from others.
#[derive(Debug, Clone, PartialEq)]
pub enum Recipe {
    /// The structure as it is.
    Roi(RoiId),
    /// Several combined; never empty.
    Set(SetRule, Vec<Recipe>),
    /// One changed.
    Apply(Operation, Box<Recipe>),
}

impl Recipe {
    /// The structures it is made from, each once.
    #[must_use]
    pub fn sources(&self) -> BTreeSet<RoiId> {
        match self {
            Self::Roi(id) => BTreeSet::from([*id]),
            Self::Set(_, parts) => parts.iter().flat_map(Self::sources).collect(),
            Self::Apply(_, part) => part.sources(),
        }
    }

    /// The recipe with another structure in place of `from`.
    #[must_use]
    pub fn with(&self, from: RoiId, to: RoiId) -> Self {
        match self {
            Self::Roi(id) => Self::Roi(if *id == from { to } else { *id }),
            Self::Set(rule, parts) => Self::Set(*rule, parts.iter().map(|own| own.with(from, to)).collect()),
            Self::Apply(operation, part) => Self::Apply(*operation, Box::new(part.with(from, to))),
        }
    }

    /// The text that is stored: identities in place of names. [`parse`] reads it back.
    #[must_use]
    pub fn stored(&self) -> String {
        printed(self, &|_| None)
    }

    /// The recipe of a stored text; `None` when it is none.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        parse(text, &|_| None).ok().map(|definition| definition.recipe)
    }
}

#[cfg(test)]
mod tests;
