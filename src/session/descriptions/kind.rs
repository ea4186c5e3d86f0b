//! What kind of image a name of a channel or a Series Description says: the weighting, and what else makes it
//! another image than a plain one of that weighting.
//!
//! Descriptions are written by hand at every scanner, in several languages. Words are told apart, not
//! protocols: what is not known here says nothing.

use std::collections::BTreeSet;

/// A weighting of MR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    T1,
    T2,
    Pd,
}

/// What makes an image another than a plain one of its weighting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Adc,
    Angiography,
    Contrast,
    Diffusion,
    Dixon,
    Flair,
    Localiser,
    Map,
    Perfusion,
    Star,
    Stir,
    Subtraction,
}

impl Weight {
    fn text(self) -> &'static str {
        match self {
            Self::T1 => "T1",
            Self::T2 => "T2",
            Self::Pd => "proton density",
        }
    }
}

impl Way {
    fn text(self) -> &'static str {
        match self {
            Self::Adc => "an ADC map",
            Self::Angiography => "angiography",
            Self::Contrast => "after contrast",
            Self::Diffusion => "diffusion weighted",
            Self::Dixon => "a Dixon image",
            Self::Flair => "FLAIR",
            Self::Localiser => "a localiser",
            Self::Map => "a map of measured values",
            Self::Perfusion => "perfusion",
            Self::Star => "T2* or susceptibility weighted",
            Self::Stir => "STIR",
            Self::Subtraction => "a subtraction",
        }
    }
}

/// What a text says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Said {
    pub weights: BTreeSet<Weight>,
    pub ways: BTreeSet<Way>,
    /// Whether it says that there was no contrast.
    pub native: bool,
    /// Its other words, without those for a modality.
    pub words: Vec<String>,
}

/// Words for a modality or for any image, which say no more.
const GENERAL: [&str; 12] =
    ["ct", "cbct", "mr", "mri", "mrt", "irm", "pet", "pt", "suv", "weighted", "wi", "gewichtet"];
/// What stands before a word for contrast where there was none.
const NO: [&str; 9] = ["non", "no", "pre", "without", "wo", "ohne", "sans", "before", "vor"];
/// What the first word of a description may begin with, glued to the weighting (`axt1`).
const PLANES: [&str; 6] = ["ax", "tra", "cor", "sag", "3d", "2d"];
/// Sequences that are T1 weighted where nothing else is said.
const T1_SEQUENCES: [&str; 8] = ["mprage", "bravo", "fspgr", "spgr", "vibe", "lava", "thrive", "mdeft"];
/// Agents by their names; those that begin with "gad" are found by that.
const AGENTS: [&str; 9] = [
    "dotarem",
    "magnevist",
    "prohance",
    "multihance",
    "primovist",
    "eovist",
    "omniscan",
    "clariscan",
    "vueway",
];

/// A word, with the signs around it.
struct Word {
    text: String,
    before: Option<char>,
    after: Option<char>,
    /// Whether the sign before it follows a letter or number (`T1-c`), and whether the sign after it is followed
    /// by one.
    joined: [bool; 2],
}

/// The words of a text.
struct Text(Vec<Word>);

impl Text {
    /// Whether the word at this place is one of these.
    fn is(&self, at: usize, known: &[&str]) -> bool {
        self.0.get(at).is_some_and(|own| known.contains(&own.text.as_str()))
    }

    /// Whether the word so many places before is one of these.
    fn before(&self, at: usize, back: usize, known: &[&str]) -> bool {
        at.checked_sub(back).is_some_and(|before| self.is(before, known))
    }

    /// Whether the word at this place says that there is a contrast agent (`true`) or that there is none;
    /// `None` where it says neither.
    fn contrast(&self, at: usize) -> Option<bool> {
        const TREATED: [&str; 6] = ["op", "rt", "surgery", "treatment", "chemo", "tx"];
        let word = &self.0[at];
        match word.text.as_str() {
            "native" | "nativ" | "unenhanced" | "precontrast" | "noncontrast" => return Some(false),
            // Before and after an operation is not before and after contrast.
            "pre" => return (!self.is(at + 1, &TREATED)).then_some(false),
            "post" if self.is(at + 1, &TREATED) => return None,
            "c" if self.is(at + 1, &["spine", "spn", "ws", "wirbel"]) => return None,
            _ if !is_contrast(&word.text) => return None,
            _ => {}
        }
        let is_with_too = self.before(at, 2, &["w", "with", "mit", "and", "und"]);
        let is_none = (self.before(at, 1, &NO) && !is_with_too)
            // "w/o" is two words here.
            || (self.before(at, 1, &["o"]) && self.before(at, 2, &["w"]))
            || (word.before == Some('-') && !word.joined[0])
            || (word.after == Some('-') && !word.joined[1]);
        Some(!is_none)
    }

    /// What the word at this place says of the way, but for contrast.
    fn way(&self, at: usize) -> Option<Way> {
        const OFF: [&str; 6] = ["sat", "sup", "saturated", "saturation", "suppressed", "suppression"];
        const EXCITED: [&str; 3] = ["exc", "excit", "excitation"];
        Some(match self.0[at].text.as_str() {
            "flair" | "darkfluid" => Way::Flair,
            "fluid" if self.before(at, 1, &["dark"]) => Way::Flair,
            "fl" if self.before(at, 1, &["da"]) => Way::Flair,
            "stir" | "tirm" | "tir" => Way::Stir,
            "dixon" | "mdixon" | "qdixon" | "dix" | "ideal" | "flex" | "inphase" | "outphase" | "opp" => {
                Way::Dixon
            }
            "fat" | "water" if !self.is(at + 1, &OFF) && !self.is(at + 1, &EXCITED) => Way::Dixon,
            // A way through k-space.
            "star" if self.is(at + 1, &["vibe"]) => return None,
            "star" | "swi" | "swan" | "medic" | "merge" | "venobold" => Way::Star,
            "adc" | "dadc" | "eadc" => Way::Adc,
            "dwi" | "diff" | "diffusion" | "dti" | "trace" | "tracew" => Way::Diffusion,
            text if is_b_value(text) => Way::Diffusion,
            "map" | "maps" | "mapping" | "molli" | "rho" | "pdff" => Way::Map,
            "sub" | "subtraction" | "subtracted" | "subtr" => Way::Subtraction,
            "perf" | "perfusion" | "asl" | "dsc" | "cbf" | "cbv" | "mtt" | "ttp" | "bold" | "fmri" => {
                Way::Perfusion
            }
            "tof" | "mra" | "mrv" | "angio" | "mip" => Way::Angiography,
            "loc" | "localizer" | "localiser" | "scout" | "survey" | "topogram" => Way::Localiser,
            _ => return None,
        })
    }
}

impl Said {
    pub(super) fn of(text: &str) -> Self {
        let text = Text(parted(text));
        let mut said = Self::default();
        for (at, word) in text.0.iter().enumerate() {
            let word = word.text.as_str();
            let weight = match word {
                "t1" => Some(Weight::T1),
                "t2" => Some(Weight::T2),
                "pd" | "pdw" => Some(Weight::Pd),
                _ => None,
            };
            let contrast = text.contrast(at);
            let way = text.way(at).or_else(|| contrast.filter(|is_there| *is_there).map(|_| Way::Contrast));
            said.native |= contrast == Some(false);
            said.weights.extend(weight);
            said.ways.extend(way);
            if weight.is_none() && way.is_none() && contrast.is_none() && !GENERAL.contains(&word) {
                said.words.push(word.to_owned());
            }
        }
        said.completed()
    }

    /// What follows from what is said.
    fn completed(mut self) -> Self {
        let has = |own: &Self, way: Way| own.ways.contains(&way);
        if has(&self, Way::Adc) {
            // It is made of diffusion weighted images, and a map.
            self.ways.remove(&Way::Diffusion);
            self.ways.remove(&Way::Map);
            self.weights.clear();
        } else if has(&self, Way::Flair) {
            self.ways.remove(&Way::Stir);
            if self.weights.is_empty() {
                self.weights.insert(Weight::T2);
            }
        } else if self.weights.contains(&Weight::T2) && self.words.iter().any(|word| word == "ir") {
            self.ways.insert(Way::Stir);
        }
        let is_mp_rage = self.words.windows(2).any(|pair| pair[0] == "mp" && pair[1] == "rage");
        let is_t1 = is_mp_rage || self.words.iter().any(|word| T1_SEQUENCES.contains(&word.as_str()));
        if self.weights.is_empty() && is_t1 {
            self.weights.insert(Weight::T1);
        }
        if has(&self, Way::Contrast) {
            // Before and after, or what was injected before: it is there.
            self.native = false;
        }
        self
    }

    /// Whether it says what kind of MR it is.
    pub(super) fn is_kind(&self) -> bool {
        !self.weights.is_empty() || !self.ways.is_empty() || self.native
    }

    /// Whether it says more than a modality.
    pub(super) fn says_more(&self) -> bool {
        self.is_kind() || !self.words.is_empty()
    }

    /// Whether a series of this description is all that this name says.
    pub(super) fn is_in(&self, series: &Self) -> bool {
        self.weights.is_subset(&series.weights)
            && self.ways.is_subset(&series.ways)
            // A plain T1 is one before contrast.
            && (!self.native || series.native || !self.weights.is_empty())
            && self.words.iter().all(|word| series.words.contains(word))
    }

    /// Why a series of this description is not what this name says: what it is; `None` where nothing speaks
    /// against it.
    pub(super) fn against(&self, series: &Self) -> Option<String> {
        if !self.is_kind() || !series.is_kind() {
            return None;
        }
        if let Some(way) = series.ways.difference(&self.ways).next() {
            return Some(format!("is {}", way.text()));
        }
        if series.native && self.ways.contains(&Way::Contrast) {
            return Some("is before contrast".to_owned());
        }
        let other = series.weights.difference(&self.weights).next();
        if let Some(weight) = other.filter(|_| !self.weights.is_empty()) {
            return Some(format!("is {}", weight.text()));
        }
        let lacking = self.ways.difference(&series.ways).next();
        lacking.map(|way| format!("is not said to be {}", way.text()))
    }
}

/// The words of a text in small letters, those glued to a weighting apart.
fn parted(text: &str) -> Vec<Word> {
    let lower = text.to_lowercase().replace('*', " star ");
    let signs: Vec<char> = lower.chars().collect();
    let is_part = |at: usize| signs.get(at).is_some_and(|c| c.is_alphanumeric());
    let mut words = Vec::new();
    let mut at = 0;
    while at < signs.len() {
        if !is_part(at) {
            at += 1;
            continue;
        }
        let begin = at;
        while is_part(at) {
            at += 1;
        }
        let before = begin.checked_sub(1);
        let joined = [before.and_then(|sign| sign.checked_sub(1)).is_some_and(is_part), is_part(at + 1)];
        let whole: String = signs[begin..at].iter().collect();
        let parts = unglued(&whole);
        let last = parts.len() - 1;
        for (number, text) in parts.into_iter().enumerate() {
            words.push(Word {
                text,
                before: before.map(|sign| signs[sign]).filter(|_| number == 0),
                after: signs.get(at).copied().filter(|_| number == last),
                joined,
            });
        }
    }
    words
}

/// `t1ce` and `axt1` are two words each; `t1w` is one.
fn unglued(word: &str) -> Vec<String> {
    let own = PLANES.iter().find_map(|plane| {
        let rest = word.strip_prefix(plane)?;
        let known = ["t1", "t2", "pd", "flair", "stir", "dwi", "adc"];
        known.iter().any(|own| rest.starts_with(own)).then_some((*plane, rest))
    });
    if let Some((plane, rest)) = own {
        return std::iter::once(plane.to_owned()).chain(unglued(rest)).collect();
    }
    for (base, weight) in [("t1w", "t1"), ("t2w", "t2"), ("t1", "t1"), ("t2", "t2"), ("pdw", "pd")] {
        let Some(rest) = word.strip_prefix(base) else { continue };
        if rest.is_empty() {
            return vec![weight.to_owned()];
        }
        if rest.chars().all(char::is_alphabetic) {
            let rest = match (weight, rest) {
                ("t1", "n") => "native",
                ("t2", "f") => "flair",
                ("t2", "s") => "star",
                ("t1", "c" | "wc" | "pc") => "ce",
                (_, other) => other,
            };
            return vec![weight.to_owned(), rest.to_owned()];
        }
    }
    vec![if word == "pdfs" { "pd".to_owned() } else { word.to_owned() }]
}

/// Whether a word says that there is a contrast agent.
fn is_contrast(text: &str) -> bool {
    let is_agent = |text: &str| {
        text.starts_with("gad")
            || AGENTS.contains(&text)
            || ["gd", "ce", "km", "mkm", "contrast", "contrasted", "kontrast", "contraste", "enhanced", "enh"]
                .contains(&text)
    };
    let times =
        ["post", "inj", "injected", "dce", "dyn", "dynamic", "arterial", "venous", "portal", "delayed"];
    // A sole letter: `T1 +C`, `T1 C+`, `T1 c`.
    text == "c" || times.contains(&text) || is_agent(text) || text.strip_prefix("post").is_some_and(is_agent)
}

/// `b50`, `b1000`.
fn is_b_value(word: &str) -> bool {
    let number = word.strip_prefix('b').unwrap_or_default();
    (1..=4).contains(&number.len()) && number.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What speaks against a series of this description for a channel of this name.
    fn against(name: &str, series: &str) -> Option<String> {
        Said::of(name).against(&Said::of(series))
    }

    #[test]
    fn contrast_is_found_however_it_is_written() {
        let after = [
            "T1 post gd",
            "t1_mprage_tra_KM",
            "AX T1 +C",
            "AX T1 C+",
            "T1CE",
            "t1c",
            "T1Gd",
            "T1 gad fs",
            "MPRAGE post",
            "T1 vibe contrast",
            "T1 mit KM",
            "T1-C",
            "T1 Gadovist",
            "T1wGd",
            "T1_postgad",
            "sag T1 (C+)",
            "T1 w and wo contrast",
            "T1 VIBE arterial",
            "T1 dynamic",
            "axT1 post",
            "3D BRAVO +C",
            "T1 enhanced",
        ];
        for text in after {
            assert_eq!(against("T1", text).as_deref(), Some("is after contrast"), "{text}");
            assert_eq!(against("T1ce", text), None, "{text}");
        }
        let without = [
            "T1",
            "t1_mprage_sag_p2_iso",
            "T1 without contrast",
            "T1 w/o GD",
            "T1 pre contrast",
            "T1 pre",
            "T1 nativ",
            "T1 ohne KM",
            "T1 C-",
            "T1 -C",
            "T1 non-contrast",
            "T1 C-spine",
            "T1 post op",
            "T1 posterior fossa",
            "T1n",
            "MP-RAGE",
            "FSPGR 3D",
            "T1 fat sat",
            "T1 cor",
            "se_t1_tra",
            "t1_star_vibe",
        ];
        for text in without {
            assert_eq!(against("T1", text), None, "{text}");
        }
        for text in ["T1 nativ", "T1 C-", "T1 pre", "T1 w/o contrast"] {
            assert_eq!(against("T1 post", text).as_deref(), Some("is before contrast"), "{text}");
        }
        assert_eq!(against("T1ce", "T1 TSE").as_deref(), Some("is not said to be after contrast"));
    }

    #[test]
    fn t2_is_no_flair_no_stir_and_no_map() {
        let others = [
            ("T2 FLAIR tra", "is FLAIR"),
            ("t2_tirm_tra_dark-fluid", "is FLAIR"),
            ("t2_spc_da-fl_sag", "is FLAIR"),
            ("T2F", "is FLAIR"),
            ("T2 STIR cor", "is STIR"),
            ("t2_tirm_cor", "is STIR"),
            ("T2 tse dixon_W", "is a Dixon image"),
            ("FAT: Ax T2 FLEX", "is a Dixon image"),
            ("T2* gre", "is T2* or susceptibility weighted"),
            ("T2star", "is T2* or susceptibility weighted"),
            ("T2 map", "is a map of measured values"),
            ("T2 localizer", "is a localiser"),
            ("ep2d_diff_b50_400_ADC", "is an ADC map"),
            ("t1_tse", "is T1"),
            ("MPRAGE", "is T1"),
            ("PD T2 dual", "is proton density"),
        ];
        for (text, why) in others {
            assert_eq!(against("T2", text).as_deref(), Some(why), "{text}");
        }
        for text in ["T2", "T2W TSE fs", "t2_tse_fat_sat", "T2 haste", "AX T2 PROPELLER", "head"] {
            assert_eq!(against("T2w", text), None, "{text}");
        }
    }

    #[test]
    fn a_flair_channel_and_one_of_diffusion_are_what_they_say() {
        for text in ["FLAIR", "T2 FLAIR tra", "t2_tirm_tra_dark-fluid", "sag 3D FLAIR", "brain"] {
            assert_eq!(against("FLAIR", text), None, "{text}");
            assert_eq!(against("T2 FLAIR", text), None, "{text}");
        }
        assert_eq!(against("FLAIR", "T1 FLAIR").as_deref(), Some("is T1"));
        assert_eq!(against("FLAIR", "T2 TSE").as_deref(), Some("is not said to be FLAIR"));
        assert_eq!(against("FLAIR", "FLAIR post").as_deref(), Some("is after contrast"));
        assert_eq!(against("ADC", "ep2d_diff_b50_ADC"), None);
        assert_eq!(against("DWI", "ep2d_diff_b50_ADC").as_deref(), Some("is an ADC map"));
        assert_eq!(against("ADC", "dwi b800").as_deref(), Some("is diffusion weighted"));
        assert_eq!(against("ADC", "T2 TSE").as_deref(), Some("is not said to be an ADC map"));
    }

    #[test]
    fn what_says_nothing_of_its_kind_contradicts_nothing() {
        for (name, series) in
            [("MRI", "T1 post gd"), ("CT", "CT post contrast"), ("zscore", "T2 FLAIR"), ("T1", "")]
        {
            assert_eq!(against(name, series), None, "{name} {series}");
        }
        assert!(
            !Said::of("MRI").says_more() && Said::of("zscore").says_more() && Said::of("MR T1").says_more()
        );
        assert_eq!(against("CT native", "CT KM").as_deref(), Some("is after contrast"));
    }
}
