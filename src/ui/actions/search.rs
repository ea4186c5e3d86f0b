//! Finding actions by words: their own, and those that other programs have for the same.

use super::{ActionInfo, TABLE};

/// The actions whose name, other names, reason or group hold every word of `query`, best first: those
/// called so, by their own or another name; those whose name begins with the first word, then those
/// that hold it in their name, in another name, or in what is said of them.
#[must_use]
pub fn search(query: &str) -> Vec<&'static ActionInfo> {
    let query = query.to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    let mut found: Vec<(usize, &ActionInfo)> = TABLE
        .iter()
        .filter_map(|info| {
            let (name, also) = (info.name.to_lowercase(), info.also.to_lowercase());
            let all = format!("{name} {also} {} {}", info.why, info.group.title()).to_lowercase();
            words.iter().all(|word| all.contains(word)).then(|| {
                let rank = match words.first() {
                    _ if name == query.trim() => 0,
                    _ if is_one_of(&also, &query) => 1,
                    Some(first) if name.starts_with(first) => 2,
                    Some(first) if name.contains(first) => 3,
                    Some(first) if also.contains(first) => 4,
                    _ => 5,
                };
                (rank, info)
            })
        })
        .collect();
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, info)| info).collect()
}

/// Whether the query is one of the other names as a whole.
fn is_one_of(also: &str, query: &str) -> bool {
    also.split(',').any(|name| name.trim() == query.trim())
}

#[cfg(test)]
mod tests {
    use super::super::Action;
    use super::*;
    use crate::tools::{BrushMode, BrushReach, Choice, FreehandMode, Method, Number, Place, ShapeKind, Tip};

    fn first(query: &str) -> Option<Action> {
        search(query).first().map(|info| info.action)
    }

    #[test]
    fn a_search_puts_names_before_reasons() {
        assert_eq!(first("brush"), Some(Action::SelectBrush));
        assert_eq!(first("exp rt"), Some(Action::Export));
        assert!(search("no such thing").is_empty());
    }

    #[test]
    fn words_of_other_programs_are_found() {
        for (query, wanted) in [
            ("interpolate", Action::FillBetween),
            ("interpolation", Action::FillBetween),
            ("crop", Action::MakeFromStructures),
            ("boolean", Action::MakeFromStructures),
            ("margin", Action::MakeFromStructures),
            ("PTV", Action::MakeFromStructures),
            ("union", Action::MakeFromStructures),
            ("ring", Action::MakeFromStructures),
            ("3D smoothing", Action::MakeFromStructures),
            ("continue polygon", Action::SelectShape),
            ("PET values", Action::ToggleSecondValues),
            ("pearl", Action::SelectPush),
            ("nudge", Action::SelectPush),
            ("region growing", Action::SelectGrow),
            ("magic wand", Action::SelectGrow),
            ("adaptive", Action::Choose(Choice::Tip(Tip::Edges))),
            ("threshold", Action::Segment(Method::Threshold)),
            ("threshold brush", Action::Choose(Choice::Tip(Tip::Range))),
            ("3d brush", Action::Choose(Choice::Reach(BrushReach::Ball))),
            ("overwrite", Action::NextOverwrite),
            ("intelligent scissors", Action::SelectLiveWire),
            ("redraw", Action::Choose(Choice::Freehand(FreehandMode::Replace))),
            ("auto brush", Action::Choose(Choice::Brush(BrushMode::Auto))),
            ("41%", Action::Segment(Method::Uptake)),
            ("fill", Action::FillBetween),
            ("polygon", Action::Choose(Choice::Shape(ShapeKind::Polygon))),
            ("circle", Action::Choose(Choice::Shape(ShapeKind::Ellipse))),
            ("accept", Action::AcceptProposal),
            ("external", Action::Segment(Method::Body)),
            ("paintbrush", Action::SelectBrush),
            ("pencil", Action::SelectFreehand),
            ("measure", Action::SelectRuler),
            ("thin", Action::ThinSlices(2)),
            ("body", Action::Segment(Method::Body)),
            ("lungs", Action::Segment(Method::Lungs)),
            ("uptake", Action::Segment(Method::Uptake)),
            ("bounding box", Action::Choose(Choice::FindIn(Place::Box))),
            ("otsu", Action::SplitHistogram),
            ("set brush radius", Action::Set(Number::BrushRadius)),
        ] {
            assert_eq!(first(query), Some(wanted), "{query}");
        }
    }

    #[test]
    fn other_names_are_no_copies_of_the_own() {
        for info in TABLE {
            let name = info.name.to_lowercase();
            assert!(info.also.split(',').all(|also| also.trim() != name), "{}", info.name);
        }
    }
}
