//! Which series a channel of a model means, by their Series Descriptions.
//!
//! A channel's own name speaks in whole words (`T1` is not the series `T1ce`); what a person has told, also in
//! parts of words. Nothing here guesses: several may fit.

use crate::ai::nnunet::package::channel_modality;
use crate::dicom::Library;

/// A series as it is told apart.
pub(super) struct Line {
    pub modality: String,
    pub description: String,
    /// [`Library::series_key`].
    pub key: String,
}

impl Line {
    pub(super) fn all(library: &Library) -> Vec<Self> {
        let line = |(at, entry): (usize, &crate::dicom::SeriesEntry)| Self {
            modality: entry.info.modality.code().to_owned(),
            description: entry.info.description.trim().to_owned(),
            key: library.series_key(at).unwrap_or_default(),
        };
        library.series.iter().enumerate().map(line).collect()
    }

    /// For a message: `"t1_mprage" (MR, 2.25.7)`.
    pub(super) fn told(&self) -> String {
        format!("\"{}\" ({}, {})", self.description, self.modality, self.key)
    }
}

/// By what series fit a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// What a person has told of it.
    Told,
    /// The words of its name.
    Name,
    /// Its modality; its name says no more, or no series says it.
    Modality,
}

/// The series, by their places, that a channel of this name can be, of which a person has `told` these texts,
/// the likeliest first: those of its modality that the first text finds which finds any; or that its name
/// finds; or all.
pub(super) fn fitting(name: &str, told: &[String], series: &[Line]) -> (By, Vec<usize>) {
    let wanted = channel_modality(name);
    let fits = |line: &Line| wanted.is_empty() || line.modality == wanted;
    let all: Vec<usize> = (0..series.len()).filter(|at| fits(&series[*at])).collect();
    if !told.is_empty() {
        let found = told.iter().map(|text| told_by(text, &all, series));
        return (By::Told, found.into_iter().find(|found| !found.is_empty()).unwrap_or_default());
    }
    let named = with_words(name, &all, series, said);
    if named.is_empty() { (By::Modality, all) } else { (By::Name, named) }
}

/// Whether a channel's name says more than its modality.
pub(super) fn says_more(name: &str) -> bool {
    !said(name).is_empty()
}

/// Those whose UID it is; else those whose description is these words, or has them; else those that have the
/// text anywhere. Words count as they are written; no text finds nothing.
fn told_by(text: &str, among: &[usize], series: &[Line]) -> Vec<usize> {
    let text = text.trim().to_lowercase();
    if text.is_empty() {
        return Vec::new();
    }
    let is = |fits: &dyn Fn(&Line) -> bool| -> Vec<usize> {
        among.iter().copied().filter(|at| fits(&series[*at])).collect()
    };
    let mut found = is(&|line| line.key == text);
    if found.is_empty() {
        found = with_words(&text, among, series, written);
    }
    if found.is_empty() { is(&|line| line.description.to_lowercase().contains(&text)) } else { found }
}

/// Those whose description is the words of this text and no others; else those that have them all.
fn with_words(text: &str, among: &[usize], series: &[Line], words: fn(&str) -> Vec<String>) -> Vec<usize> {
    let wanted = words(text);
    let of_those = |fits: &dyn Fn(&[String]) -> bool| -> Vec<usize> {
        let fits = |at: &usize| !wanted.is_empty() && fits(&words(&series[*at].description));
        among.iter().copied().filter(fits).collect()
    };
    let exact = of_those(&|own| own == wanted);
    if exact.is_empty() { of_those(&|own| wanted.iter().all(|word| own.contains(word))) } else { exact }
}

/// The words of a text in small letters.
fn written(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let all = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    all.map(str::to_owned).collect()
}

/// The words that say more than a modality; weighted images without their `w`, those after contrast by one
/// word.
fn said(text: &str) -> Vec<String> {
    const GENERAL: [&str; 7] = ["ct", "cbct", "mr", "mri", "pet", "pt", "suv"];
    let word = |word: String| match word.as_str() {
        "t1w" => "t1".to_owned(),
        "t2w" => "t2".to_owned(),
        "pdw" => "pd".to_owned(),
        "t1ce" | "t1gd" | "t1km" => "t1c".to_owned(),
        _ => word,
    };
    written(text).into_iter().filter(|word| !GENERAL.contains(&word.as_str())).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mr(descriptions: &[&str]) -> Vec<Line> {
        let line = |(at, text): (usize, &&str)| Line {
            modality: "MR".to_owned(),
            description: (*text).to_owned(),
            key: format!("2.25.{at}"),
        };
        descriptions.iter().enumerate().map(line).collect()
    }

    fn told(texts: &[&str], series: &[Line]) -> Vec<usize> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        fitting("T1", &texts, series).1
    }

    #[test]
    fn a_name_speaks_in_whole_words() {
        let series = mr(&["t1_mprage_sag", "AX T1CE", "T2W TSE", "T2 FLAIR tra"]);
        assert_eq!(fitting("T1", &[], &series), (By::Name, vec![0]));
        assert_eq!(fitting("MR T1c", &[], &series), (By::Name, vec![1]));
        assert_eq!(fitting("T2", &[], &series), (By::Name, vec![2, 3]));
        assert_eq!(fitting("FLAIR", &[], &series), (By::Name, vec![3]));
        // A name that says no more than MR fits all, one that no series has too; neither fits a CT.
        assert_eq!(fitting("MRI", &[], &series), (By::Modality, vec![0, 1, 2, 3]));
        assert_eq!(fitting("ADC", &[], &series), (By::Modality, vec![0, 1, 2, 3]));
        assert_eq!(fitting("CT", &[], &series).1, [0; 0]);
        assert!(says_more("MR T1") && !says_more("PET") && !says_more("MRI"));
        // Two of the same words: one that has no others is meant.
        assert_eq!(fitting("T1w", &[], &mr(&["T1 post", "T1"])), (By::Name, vec![1]));
    }

    #[test]
    fn what_a_person_tells_is_found_in_parts_too() {
        let series = mr(&["T1 vibe", "T1 vibe fs", "Axial_T1vibe", "T2 tse"]);
        assert_eq!(told(&["t1 VIBE"], &series), [0], "the whole description");
        assert_eq!(told(&["fs"], &series), [1], "a word of it");
        assert_eq!(told(&["t1v"], &series), [2], "a part of a word");
        assert_eq!(told(&["2.25.3"], &series), [3], "its UID");
        assert_eq!(told(&["dixon", "tse", "fs"], &series), [3], "the first text that finds any");
        assert_eq!(told(&["dixon"], &series), [0; 0]);
        assert_eq!(told(&[" "], &series), [0; 0]);
        let mut other = series;
        other[1].modality = "CT".to_owned();
        assert_eq!(told(&["fs"], &other), [0; 0], "of the channel's modality");
    }
}
