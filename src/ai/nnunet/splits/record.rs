//! Folds as a package keeps them: without the names of the cases.
//!
//! A package is handed to other clinics, and cases are often named by patients' numbers. So it holds places
//! among the sorted names and one digest of all of them, by which the data set itself is known again, where it
//! lies; no single name can be found out from it by trying.

use super::Split;
use crate::ai::package::sha256_text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The file's name in a package.
pub const RECORD: &str = "folds.json";

/// The folds of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// How many cases they name.
    cases: usize,
    /// The SHA-256 of their sorted names, a line each.
    names: String,
    folds: Vec<Places>,
}

/// Places among the sorted names, from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Places {
    train: Vec<usize>,
    val: Vec<usize>,
}

fn digest(names: &[&str]) -> String {
    sha256_text(names.join("\n").as_bytes())
}

impl Record {
    /// That of these folds.
    #[must_use]
    pub fn of(splits: &[Split]) -> Self {
        let named = splits.iter().flat_map(|split| split.train.iter().chain(&split.valid));
        let names: BTreeSet<&str> = named.map(String::as_str).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let places = |ids: &[String]| -> Vec<usize> {
            ids.iter().filter_map(|id| names.binary_search(&id.as_str()).ok()).collect()
        };
        let folds =
            splits.iter().map(|split| Places { train: places(&split.train), val: places(&split.valid) });
        Self { cases: names.len(), names: digest(&names), folds: folds.collect() }
    }

    /// Reads the text of a record.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let record: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut places = record.folds.iter().flat_map(|fold| fold.train.iter().chain(&fold.val));
        if let Some(beyond) = places.find(|place| **place >= record.cases) {
            return Err(format!("it has {} cases and names the place {beyond}", record.cases));
        }
        Ok(record)
    }

    /// The text of its file.
    #[must_use]
    pub fn text(&self) -> String {
        // Numbers and text: they can be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Its folds, of the cases of these names, which are sorted; `None` where they are not those that it is of.
    #[must_use]
    pub fn splits(&self, sorted: &[String]) -> Option<Vec<Split>> {
        let names: Vec<&str> = sorted.iter().map(String::as_str).collect();
        if names.len() != self.cases || digest(&names) != self.names {
            return None;
        }
        let named = |places: &[usize]| -> Vec<String> {
            places.iter().filter_map(|place| sorted.get(*place).cloned()).collect()
        };
        let fold = |fold: &Places| Split { train: named(&fold.train), valid: named(&fold.val) };
        Some(self.folds.iter().map(fold).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_known_again_by_the_names_that_are_not_kept() {
        let text =
            r#"[{"train": ["MRN77", "MRN03"], "val": ["MRN12"]}, {"train": ["MRN12"], "val": ["MRN77"]}]"#;
        let splits = super::super::parse(text).unwrap();
        let kept = Record::of(&splits).text();
        assert!(!kept.contains("MRN"), "{kept}");
        let record = Record::parse(&kept).unwrap();
        let sorted = ["MRN03", "MRN12", "MRN77"].map(str::to_owned);
        assert_eq!(record.splits(&sorted).unwrap(), splits);
        // Of others, fewer or more it tells nothing.
        let others = ["MRN03", "MRN12", "MRN78"].map(str::to_owned);
        assert_eq!(record.splits(&others), None);
        assert_eq!(record.splits(&sorted[..2]), None);
        assert_eq!(record.splits(&[]), None);
        let beyond = kept.replace("\"cases\":3", "\"cases\":2");
        assert!(Record::parse(&beyond).unwrap_err().contains("place 2"));
        assert!(Record::parse("[]").is_err());
    }
}
