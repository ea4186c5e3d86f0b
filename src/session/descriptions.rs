//! Which series a channel of a model means, by their Series Descriptions; training and contouring go by the
//! same.
//!
//! A channel's own name speaks in whole words (`T1` is not the series `T1ce`, and no `T1 post gd` either); what a
//! person has told, also in parts of words. Nothing here guesses: several may fit, and what contradicts a name
//! never does, though it be the only one there.

mod kind;

use crate::ai::nnunet::package::channel_modality;
use crate::dicom::Library;
use kind::Said;

/// A series as it is told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The DICOM code.
    pub modality: String,
    /// The Series Description.
    pub description: String,
    /// [`Library::series_key`].
    pub key: String,
}

impl Line {
    /// Those of a library, in its order.
    #[must_use]
    pub fn all(library: &Library) -> Vec<Self> {
        let line = |(at, entry): (usize, &crate::dicom::SeriesEntry)| Self {
            modality: entry.info.modality.code().to_owned(),
            description: entry.info.description.trim().to_owned(),
            key: library.series_key(at).unwrap_or_default(),
        };
        library.series.iter().enumerate().map(line).collect()
    }

    /// For a message: `"t1_mprage" (MR, 2.25.7)`.
    #[must_use]
    pub fn told(&self) -> String {
        format!("\"{}\" ({}, {})", self.description, self.modality, self.key)
    }

    /// For a message about a channel of this name, with what contradicts it: `"T1 post" (MR, 2.25.7, which is
    /// after contrast)`.
    #[must_use]
    pub fn told_for(&self, name: &str) -> String {
        match against(name, &self.description) {
            Some(why) => format!("\"{}\" ({}, {}, which {why})", self.description, self.modality, self.key),
            None => self.told(),
        }
    }
}

/// By what series fit a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// What a person has told of it.
    Told,
    /// The words of its name.
    Name,
    /// Its modality; its name says no more, or no series says it.
    Modality,
}

/// The series that a channel can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitting {
    /// By what.
    pub by: By,
    /// Their places.
    pub series: Vec<usize>,
}

/// The series that a channel of this name can be, of which a person has `told` these texts, the likeliest
/// first: those of its modality that the first text finds which finds any; or that its name finds; or all.
/// Those whose descriptions contradict the name are among them only where a person has told them.
#[must_use]
pub fn fitting(name: &str, told: &[String], series: &[Line]) -> Fitting {
    let all = of_modality(name, series);
    if !told.is_empty() {
        let found = told.iter().map(|text| told_by(text, &all, series));
        let series = found.into_iter().find(|found| !found.is_empty()).unwrap_or_default();
        return Fitting { by: By::Told, series };
    }
    let name = Said::of(name);
    let said = all.into_iter().map(|at| (at, Said::of(&series[at].description)));
    let said: Vec<(usize, Said)> = said.filter(|(_, own)| name.against(own).is_none()).collect();
    let places = |fits: &dyn Fn(&Said) -> bool| -> Vec<usize> {
        said.iter().filter(|(_, own)| name.says_more() && fits(own)).map(|(at, _)| *at).collect()
    };
    let exact = places(&|own| *own == name);
    let named = if exact.is_empty() { places(&|own| name.is_in(own)) } else { exact };
    if named.is_empty() {
        return Fitting { by: By::Modality, series: said.iter().map(|(at, _)| *at).collect() };
    }
    Fitting { by: By::Name, series: named }
}

/// The series of a channel's modality, or all where its name does not tell one.
fn of_modality(name: &str, series: &[Line]) -> Vec<usize> {
    let wanted = channel_modality(name);
    (0..series.len()).filter(|at| wanted.is_empty() || series[*at].modality == wanted).collect()
}

/// Why a series of this description is not what a channel's name says ("is after contrast"); `None` where
/// nothing speaks against it.
#[must_use]
pub fn against(name: &str, description: &str) -> Option<String> {
    Said::of(name).against(&Said::of(description))
}

/// Whether a channel's name tells its kind of image (a weighting, after contrast), which descriptions can
/// contradict.
#[must_use]
pub fn says_kind(name: &str) -> bool {
    Said::of(name).is_kind()
}

/// Whether a channel's name says more than its modality.
#[must_use]
pub fn says_more(name: &str) -> bool {
    Said::of(name).says_more()
}

/// Those whose UID it is; else those whose description is these words, or has them; else those that have the
/// text anywhere. Words count as they are written; no text finds nothing.
fn told_by(text: &str, among: &[usize], series: &[Line]) -> Vec<usize> {
    let text = text.trim().to_lowercase();
    if text.is_empty() {
        return Vec::new();
    }
    let wanted = written(&text);
    let is = |fits: &dyn Fn(&Line) -> bool| -> Vec<usize> {
        among.iter().copied().filter(|at| fits(&series[*at])).collect()
    };
    let has_words = |line: &Line| {
        let own = written(&line.description);
        !wanted.is_empty() && wanted.iter().all(|word| own.contains(word))
    };
    let ways: [&dyn Fn(&Line) -> bool; 4] = [
        &|line| line.key == text,
        &|line| !wanted.is_empty() && written(&line.description) == wanted,
        &has_words,
        &|line| line.description.to_lowercase().contains(&text),
    ];
    ways.into_iter().map(is).find(|found| !found.is_empty()).unwrap_or_default()
}

/// The words of a text in small letters.
fn written(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let all = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    all.map(str::to_owned).collect()
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

    fn found(name: &str, series: &[Line]) -> (By, Vec<usize>) {
        let Fitting { by, series } = fitting(name, &[], series);
        (by, series)
    }

    fn told(texts: &[&str], series: &[Line]) -> Vec<usize> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        fitting("T1", &texts, series).series
    }

    #[test]
    fn a_name_speaks_in_whole_words() {
        let series = mr(&["t1_mprage_sag", "AX T1CE", "T2W TSE", "T2 FLAIR tra"]);
        assert_eq!(found("T1", &series), (By::Name, vec![0]));
        assert_eq!(found("MR T1c", &series), (By::Name, vec![1]));
        assert_eq!(found("T2", &series), (By::Name, vec![2]));
        assert_eq!(found("FLAIR", &series), (By::Name, vec![3]));
        // A name that says no more than MR fits all; neither it nor one that no series has fits a CT.
        assert_eq!(found("MRI", &series), (By::Modality, vec![0, 1, 2, 3]));
        assert_eq!(found("ADC", &series), (By::Modality, vec![]));
        assert_eq!(found("ADC", &mr(&["head", "T2"])), (By::Modality, vec![0]));
        assert_eq!(found("CT", &series).1, [0; 0]);
        assert!(says_more("MR T1") && !says_more("PET") && !says_more("MRI"));
        // Two of the same words: one that has no others is meant.
        assert_eq!(found("T1w", &mr(&["T1 tse", "T1"])), (By::Name, vec![1]));
        // However contrast is written.
        assert_eq!(found("T1ce", &mr(&["T1", "MPRAGE post KM"])), (By::Name, vec![1]));
    }

    #[test]
    fn what_contradicts_a_name_is_never_taken_for_it() {
        let series = mr(&["T1 post gd", "T2 FLAIR", "T2 tse dixon"]);
        for name in ["T1", "T2"] {
            assert_eq!(found(name, &series), (By::Modality, vec![]), "{name}");
        }
        assert_eq!(series[0].told_for("T1"), "\"T1 post gd\" (MR, 2.25.0, which is after contrast)");
        assert_eq!(series[0].told_for("T1ce"), series[0].told());
        assert!(says_kind("T1") && says_kind("FLAIR") && !says_kind("MRI") && !says_kind("zscore"));
        // One that says nothing of itself may be it, but only what is told may be against the name.
        assert_eq!(found("T1", &mr(&["T1 post gd", "series 3"])), (By::Modality, vec![1]));
        assert_eq!(told(&["gd"], &series), [0]);
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
