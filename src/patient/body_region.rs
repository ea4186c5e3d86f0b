//! The parts of the body, and which part an organ belongs to by AAPM TG-263.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A part of the body, from the head down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BodyRegion {
    /// The head, jaw included.
    Head,
    /// The neck, from the jaw to the shoulders.
    Neck,
    /// The chest, as far as the lungs reach.
    Chest,
    /// The abdomen, from the lungs to the iliac crests.
    Abdomen,
    /// The pelvis.
    Pelvis,
    /// The arms, from the shoulders to the hands, wherever they are held. Nothing tells them from what else
    /// a CT shows: they are known of models alone.
    Arms,
    /// The legs.
    Legs,
}

impl BodyRegion {
    /// All, from the head down.
    pub const ALL: [Self; 7] =
        [Self::Head, Self::Neck, Self::Chest, Self::Abdomen, Self::Pelvis, Self::Arms, Self::Legs];

    /// Its name in a sentence.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Neck => "neck",
            Self::Chest => "chest",
            Self::Abdomen => "abdomen",
            Self::Pelvis => "pelvis",
            Self::Arms => "arms",
            Self::Legs => "legs",
        }
    }

    /// Names in a list ("head, neck and chest"); empty for none.
    #[must_use]
    pub fn list(regions: &[Self]) -> String {
        let words: Vec<&str> = regions.iter().map(|region| region.word()).collect();
        match words.split_last() {
            None => String::new(),
            Some((only, [])) => (*only).to_owned(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
        }
    }

    /// The regions that a set of organs is about: those with at least three of its organs, or a
    /// quarter of those whose region TG-263 tells; in order from the head down. Empty when it tells
    /// of none. Organs of the whole body (skin, spinal cord) do not count.
    #[must_use]
    pub fn of_organs<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let mut counts: HashMap<Self, usize> = HashMap::new();
        let mut known = 0;
        for name in names {
            let regions = Self::of_organ(name);
            known += usize::from(!regions.is_empty());
            for region in regions {
                *counts.entry(*region).or_default() += 1;
            }
        }
        let mut regions: Vec<Self> = counts
            .into_iter()
            .filter(|(_, count)| *count >= 3 || *count * 4 >= known)
            .map(|(region, _)| region)
            .collect();
        regions.sort_unstable();
        regions
    }

    /// How many of a set of organs lie in these regions, and of how many it is told where they lie.
    #[must_use]
    pub fn count_in<'a>(regions: &[Self], names: impl IntoIterator<Item = &'a str>) -> (usize, usize) {
        let (mut inside, mut known) = (0, 0);
        for own in names.into_iter().map(Self::of_organ).filter(|own| !own.is_empty()) {
            known += 1;
            inside += usize::from(own.iter().any(|region| regions.contains(region)));
        }
        (inside, known)
    }

    /// Where an organ is, by its TG-263 name; empty where the standard has no such name, or puts it
    /// nowhere in particular. Its table has the coronary arteries in the head and the digastric muscles in
    /// the abdomen.
    #[must_use]
    pub fn of_organ(name: &str) -> &'static [Self] {
        static REGIONS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
            let field = |line: &'static str| {
                let mut fields = line.splitn(7, ',');
                Some((fields.next()?, fields.nth(4)?))
            };
            include_str!("../../assets/tg263.csv").lines().skip(1).filter_map(field).collect()
        });
        let region = match name {
            "A_Coronary" => Some("Thorax"),
            "Musc_Digastric_L" | "Musc_Digastric_R" => Some("Head and Neck"),
            _ => REGIONS.get(name).copied(),
        };
        match region {
            Some("Head and Neck") => &[Self::Head, Self::Neck],
            Some("Thorax") => &[Self::Chest],
            Some("Abdomen") => &[Self::Abdomen],
            Some("Pelvis") => &[Self::Pelvis],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BodyRegion::{self, Abdomen, Chest, Head, Neck, Pelvis};

    #[test]
    fn a_set_of_organs_tells_what_it_is_about() {
        let organs = ["Brainstem", "SpinalCord", "Parotid_R", "Parotid_L", "Esophagus", "Larynx"];
        assert_eq!(
            BodyRegion::of_organs(organs),
            [Head, Neck],
            "one organ of the chest does not make it one"
        );
        let trunk =
            ["Lung_L", "Lung_R", "Heart", "Liver", "Spleen", "Kidney_L", "Bladder", "Rectum", "Prostate"];
        assert_eq!(BodyRegion::of_organs(trunk), [Chest, Abdomen, Pelvis]);
        assert!(BodyRegion::of_organs(["Body", "my own thing"]).is_empty());
    }

    #[test]
    fn organs_that_the_table_misplaces_are_where_they_are() {
        assert_eq!(BodyRegion::of_organ("A_Coronary"), BodyRegion::of_organ("A_Coronary_L"));
        assert_eq!(BodyRegion::of_organ("A_Coronary"), [Chest]);
        assert_eq!(BodyRegion::of_organ("Musc_Digastric_R"), [Head, Neck]);
    }

    #[test]
    fn regions_read_as_a_sentence() {
        assert_eq!(BodyRegion::list(&[]), "");
        assert_eq!(BodyRegion::list(&[Head]), "head");
        assert_eq!(BodyRegion::list(&[Head, Neck, Chest]), "head, neck and chest");
    }
}
