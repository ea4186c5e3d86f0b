//! Recipes as text again.

use super::parse::DIRECTIONS;
use super::{Operation, Recipe};
use crate::edit::algebra::{Margin, SetRule};
use crate::patient::RoiId;

/// How tightly a text is bound: 0 sums, 1 intersections, 2 what needs no brackets.
type Tightness = u8;

/// The recipe as text that [`super::parse`] reads back; structures without a name by identity.
#[must_use]
pub fn printed(recipe: &Recipe, name_of: &dyn Fn(RoiId) -> Option<String>) -> String {
    print(recipe, name_of).0
}

fn print(recipe: &Recipe, name_of: &dyn Fn(RoiId) -> Option<String>) -> (String, Tightness) {
    let bound = |part: &Recipe, least: Tightness| {
        let (text, own) = print(part, name_of);
        if own < least { format!("({text})") } else { text }
    };
    match recipe {
        Recipe::Roi(id) => (name_of(*id).map_or_else(|| format!("{{{}}}", id.0), |name| quoted(&name)), 2),
        Recipe::Set(rule, parts) => {
            let (word, own) = match rule {
                SetRule::Union => (" + ", 0),
                SetRule::Subtraction => (" - ", 0),
                SetRule::SymmetricDifference => (" xor ", 0),
                SetRule::Intersection => (" & ", 1),
            };
            let texts: Vec<String> = parts
                .iter()
                .enumerate()
                // The first may be a sum of another rule; of the same rule it would be one set.
                .map(|(n, part)| {
                    let same = matches!(part, Recipe::Set(inner, _) if inner == rule);
                    bound(part, if n == 0 && !same { own } else { own + 1 })
                })
                .collect();
            (texts.join(word), own)
        }
        Recipe::Apply(Operation::Expand(margin), part) => {
            (format!("{} + {}", bound(part, 0), distances(*margin)), 0)
        }
        Recipe::Apply(Operation::Contract(margin), part) => {
            (format!("{} - {}", bound(part, 0), distances(*margin)), 0)
        }
        Recipe::Apply(operation, part) => {
            let own = bound(part, 0);
            let text = match operation {
                Operation::Wall { inner_mm, outer_mm } => {
                    format!("wall({own}, {inner_mm} mm, {outer_mm} mm)")
                }
                Operation::Ring { gap_mm, width_mm } => format!("ring({own}, {gap_mm} mm, {width_mm} mm)"),
                Operation::Largest => format!("largest({own})"),
                Operation::Above(cc) => format!("above({own}, {cc} cc)"),
                Operation::Filled => format!("filled({own})"),
                Operation::Unholed => format!("unholed({own})"),
                Operation::Smooth(mm) => format!("smooth({own}, {mm} mm)"),
                Operation::SmoothInSpace(mm) => format!("smooth3d({own}, {mm} mm)"),
                Operation::Simple(mm) => format!("simple({own}, {mm} mm)"),
                Operation::Points(count) => format!("points({own}, {count})"),
                Operation::Extended(slices) => format!("extended({own}, {slices})"),
                Operation::Resampled => format!("resampled({own})"),
                Operation::Expand(_) | Operation::Contract(_) => own,
            };
            (text, 2)
        }
    }
}

fn distances(margin: Margin) -> String {
    let all = margin.to_array();
    if all.iter().all(|own| *own == all[0]) {
        return format!("{} mm", all[0]);
    }
    let named: Vec<String> = DIRECTIONS
        .iter()
        .zip(all)
        .filter(|(_, distance)| *distance > 0.0)
        .map(|(word, distance)| format!("{word} {distance}"))
        .collect();
    format!("({}) mm", named.join(", "))
}

fn quoted(name: &str) -> String {
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
        && !["in", "out", "or", "xor", "and", "mm", "cc"].contains(&name);
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "'")) }
}
