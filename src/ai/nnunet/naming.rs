//! What a label of a data set is called, coded and coloured in a structure set.
//!
//! nnU-Net knows names and numbers only. A name that means an organ of the catalogue or of TG-263's
//! table (without regard to case, separators and the place of the side) becomes that organ, with its
//! code; one that begins with GTV, CTV or PTV is such a target. Every other name stays as it is, as do
//! names that would be there twice.

use super::dataset::Structure;
use crate::ai::catalogue;
use crate::ai::package::Label;
use crate::ai::train::name_key;
use crate::patient::{AnatomicCode, Color, PALETTE};
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// An organ that a name means.
#[derive(Debug, Clone)]
struct Known {
    name: String,
    roi_type: String,
    color: Option<Color>,
    code: Option<AnatomicCode>,
}

/// What names mean, by their key; the catalogue's colours and codes before TG-263's bare names.
static KNOWN: LazyLock<HashMap<String, Known>> = LazyLock::new(|| {
    let mut known: HashMap<String, Known> = HashMap::new();
    for name in AnatomicCode::standard_names() {
        let organ = Known {
            name: name.to_owned(),
            roi_type: if matches!(name, "Body" | "External") { "EXTERNAL" } else { "ORGAN" }.to_owned(),
            color: None,
            code: AnatomicCode::of_name(name),
        };
        known.entry(name_key(name)).or_insert(organ);
    }
    for organ in catalogue::entries().iter().flat_map(|entry| &entry.organs) {
        let own = Known {
            name: organ.name.clone(),
            roi_type: organ.roi_type.term().to_owned(),
            color: Some(organ.color),
            code: Some(organ.code.clone()),
        };
        known.insert(name_key(&organ.name), own.clone());
        if !organ.ambiguous {
            known.entry(name_key(&organ.source_name)).or_insert(own);
        }
    }
    known
});

/// The labels of a data set's structures.
pub(super) fn labels(structures: &[Structure]) -> Vec<Label> {
    let known: Vec<Option<&Known>> =
        structures.iter().map(|structure| KNOWN.get(&name_key(&structure.name))).collect();
    // Two labels of one organ, or an organ's name that another label has already, tell nothing.
    let mut taken: HashMap<&str, usize> = HashMap::new();
    for (structure, known) in structures.iter().zip(&known) {
        *taken.entry(known.map_or(structure.name.as_str(), |known| &known.name)).or_default() += 1;
    }
    let means: Vec<Option<&Known>> = known
        .iter()
        .map(|known| known.filter(|known| taken.get(known.name.as_str()).is_some_and(|count| *count == 1)))
        .collect();
    let organs: HashSet<Color> = means.iter().flatten().filter_map(|known| known.color).collect();
    let mut used: HashSet<Color> = HashSet::new();
    let mut palette = PALETTE.iter().copied().cycle();
    structures
        .iter()
        .zip(means)
        .map(|(structure, known)| {
            let own = known.and_then(|known| known.color).filter(|color| !used.contains(color));
            let color = own.unwrap_or_else(|| {
                // One that no other label has, as long as there are any.
                let is_free = |color: &Color| !organs.contains(color) && !used.contains(color);
                let free = palette.by_ref().take(PALETTE.len()).find(is_free);
                free.or_else(|| palette.next()).unwrap_or(PALETTE[0])
            });
            used.insert(color);
            Label {
                value: structure.value,
                name: known.map_or_else(|| structure.name.clone(), |known| known.name.clone()),
                roi_type: known.map_or_else(|| roi_type(&structure.name), |known| &known.roi_type).to_owned(),
                color,
                code: known.and_then(|known| known.code.clone()),
                ..Label::default()
            }
        })
        .collect()
}

/// RT ROI Interpreted Type of a name that is no known organ's.
fn roi_type(name: &str) -> &'static str {
    let is_target = |term: &str| {
        let (Some(head), Some(rest)) = (name.get(..term.len()), name.get(term.len()..)) else { return false };
        if head == term {
            return true;
        }
        // In small letters a word may begin so that is no target.
        let rest = rest.strip_prefix(['p', 'n', 'P', 'N']).unwrap_or(rest);
        head.eq_ignore_ascii_case(term) && !rest.starts_with(|c: char| c.is_alphabetic())
    };
    ["GTV", "CTV", "PTV"].into_iter().find(|term| is_target(term)).unwrap_or("ORGAN")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Vec<Label> {
        let structure = |(value, name): (u16, &&str)| Structure::of_label((*name).to_owned(), value);
        labels(&(1..).zip(names).map(structure).collect::<Vec<_>>())
    }

    #[test]
    fn organs_get_the_standard_s_name_and_code() {
        // The catalogue's published name, the standard's own in other letters, and what is in neither.
        let found = of(&["kidney_left", "parotid l", "autochthon_right", "bone", "spleen cyst"]);
        let names: Vec<&str> = found.iter().map(|label| label.name.as_str()).collect();
        assert_eq!(names, ["Kidney_L", "Parotid_L", "Musc_BackDeep_R", "Bone", "spleen cyst"]);
        assert_eq!(found.iter().map(|label| label.value).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(found[0].code.as_ref().unwrap().value, "7205");
        let total = catalogue::entry("total").unwrap();
        let kidney = total.organs.iter().find(|organ| organ.name == "Kidney_L").unwrap();
        assert_eq!(found[0].color, kidney.color);
        assert_eq!(found[1].code, AnatomicCode::of_name("Parotid_L"));
        assert!(found[2].code.is_some() && found[4].code.is_none());
        let colors: HashSet<Color> = found.iter().map(|label| label.color).collect();
        assert_eq!(colors.len(), 5, "each has a colour of its own");
    }

    #[test]
    fn a_name_that_means_other_things_elsewhere_stays() {
        // A lung may be one of two.
        let found = of(&["implant", "crown", "bridge", "lower_right_canine_fdi43", "lung"]);
        let names: Vec<&str> = found.iter().map(|label| label.name.as_str()).collect();
        assert_eq!(names, ["implant", "crown", "bridge", "Tooth_43", "lung"]);
        assert!(
            found[0].code.is_none() && found[3].code.as_ref().is_some_and(|code| code.value == "47055002")
        );
    }

    #[test]
    fn targets_are_told_by_how_their_names_begin() {
        let types = |names: &[&str]| of(names).into_iter().map(|label| label.roi_type).collect::<Vec<_>>();
        let targets = ["GTVp", "GTVn", "gtv_n1", "CTV 54", "ptv", "PTVboost"];
        assert_eq!(types(&targets), ["GTV", "GTV", "GTV", "CTV", "PTV", "PTV"]);
        assert_eq!(of(&targets)[0].name, "GTVp");
        assert_eq!(types(&["ctvessel", "tumour", "Body"]), ["ORGAN", "ORGAN", "EXTERNAL"]);
    }

    #[test]
    fn names_that_would_be_there_twice_stay() {
        let found = of(&["liver", "LIVER", "Spleen"]);
        let names: Vec<&str> = found.iter().map(|label| label.name.as_str()).collect();
        assert_eq!(names, ["liver", "LIVER", "Spleen"]);
        assert!(found[0].code.is_none() && found[2].code.is_some());
    }

    #[test]
    fn more_labels_than_colours_have_some_twice() {
        let names: Vec<String> = (0..30).map(|n| format!("thing {n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = of(&names);
        let first: HashSet<Color> = found.iter().take(PALETTE.len()).map(|label| label.color).collect();
        assert_eq!((found.len(), first.len()), (30, PALETTE.len()));
    }
}
