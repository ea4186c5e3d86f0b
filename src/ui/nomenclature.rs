//! Names of AAPM TG-263 for completion while typing, from `assets/tg263.csv`.

use std::sync::LazyLock;

/// A name of the standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandardName {
    /// The name ("`Parotid_L`").
    pub name: &'static str,
    /// What it is, in words.
    pub description: &'static str,
    /// The region of the body.
    pub region: &'static str,
}

static NAMES: LazyLock<Vec<StandardName>> = LazyLock::new(|| {
    include_str!("../../assets/tg263.csv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.splitn(7, ',');
            let name = fields.next()?;
            let region = fields.nth(4)?;
            let description = fields.next()?.trim_matches('"');
            let known = |text: &'static str| if text == "nan" { "" } else { text };
            Some(StandardName { name, description: known(description), region: known(region) })
        })
        .collect()
});

/// All names of the standard.
#[must_use]
pub fn names() -> &'static [StandardName] {
    &NAMES
}

/// At most `limit` names that fit what was typed, the best first: names that start with it, then
/// names, then descriptions that contain every word of it. None for an empty text.
#[must_use]
pub fn complete(typed: &str, limit: usize) -> Vec<&'static StandardName> {
    let typed = typed.trim().to_lowercase();
    if typed.is_empty() {
        return Vec::new();
    }
    let words: Vec<&str> = typed.split([' ', '_']).filter(|word| !word.is_empty()).collect();
    let rank = |entry: &StandardName| -> Option<usize> {
        let name = entry.name.to_lowercase();
        if name.starts_with(&typed) {
            return Some(0);
        }
        if words.iter().all(|word| name.contains(word)) {
            return Some(1);
        }
        let all = format!("{name} {}", entry.description.to_lowercase());
        words.iter().all(|word| all.contains(word)).then_some(2)
    };
    let mut found: Vec<(usize, usize, &StandardName)> =
        NAMES.iter().filter_map(|entry| rank(entry).map(|rank| (rank, entry.name.len(), entry))).collect();
    found.sort_by_key(|(rank, length, entry)| (*rank, *length, entry.name));
    found.into_iter().take(limit).map(|(_, _, entry)| entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_row_with_its_description() {
        assert_eq!(names().len(), 709);
        let parotid = names().iter().find(|entry| entry.name == "Parotid_L").unwrap();
        assert_eq!((parotid.description, parotid.region), ("Parotid Left", "Head and Neck"));
    }

    #[test]
    fn a_short_start_finds_the_usual_name_first() {
        assert_eq!(complete("spinalc", 3)[0].name, "SpinalCord");
        assert_eq!(complete("parotid l", 3)[0].name, "Parotid_L");
        assert!(complete("left parotid", 5).iter().any(|entry| entry.name == "Parotid_L"));
        assert!(complete("", 5).is_empty());
        assert!(complete("zzzz", 5).is_empty());
    }
}
