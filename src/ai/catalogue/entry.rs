//! What `assets/models.toml` says of the models that can be fetched.

use crate::ai::nnunet::composition::{Crop, Run};
use crate::ai::package::Label;
use crate::patient::{AnatomicCode, Color, RoiType};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// One model that can be fetched.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name for commands, and its package's id once installed.
    pub id: String,
    /// Its name for a person.
    pub title: String,
    /// One sentence: what it is for, and what to know before using it.
    pub about: String,
    /// The version of the weights.
    pub version: String,
    /// The DICOM code of the images it is for.
    pub modality: String,
    /// The licence of the weights, in a few words.
    pub license: String,
    /// A plain warning where the licence forbids commercial use or needs a key; show it before fetching.
    pub license_warning: Option<String>,
    /// Whether the publisher gives the files only with a licence key: they cannot be fetched from there,
    /// only taken from a mirror or a disk.
    pub needs_key: bool,
    /// The publisher's page, for a person to read.
    pub homepage: String,
    /// What to cite.
    pub citation: String,
    /// The data it was trained on.
    pub training_data: String,
    /// The configuration of nnU-Net that is used of each file.
    pub configuration: String,
    /// How the image is handed over, as a manifest has it.
    pub orientation: Option<String>,
    /// How the image reaches the networks, and the coarse model that finds the region first.
    pub run: Run,
    /// The files to fetch, one for each part of the model.
    pub files: Vec<RemoteFile>,
    /// What it contours, in the order of its labels.
    pub organs: Vec<Organ>,
}

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its name; a mirror has the file under this name.
    pub name: String,
    /// Where its publisher has it; `None` where it is given only to those with a key.
    pub url: Option<String>,
    /// Its size as others have reported it, bytes; for the time left and the free space only.
    pub bytes: Option<u64>,
    /// Its SHA-256, where its publisher tells it; a file that has another is refused.
    pub sha256: Option<String>,
    /// Its classes by their published names, 1 first.
    pub classes: Vec<String>,
    /// The value of each class in the model's label map.
    pub values: Vec<u16>,
}

/// One label of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Organ {
    /// Its number in the model's label map.
    pub value: u16,
    /// Its name where it was published.
    pub source_name: String,
    /// Whether that name means other things elsewhere ("implant").
    pub ambiguous: bool,
    /// ROI Name: TG-263 where the standard has one.
    pub name: String,
    /// Whether [`Self::code`] is that of TG-263's own table.
    pub standard: bool,
    /// RT ROI Interpreted Type.
    pub roi_type: RoiType,
    /// Display colour.
    pub color: Color,
    /// What it is, for other systems.
    pub code: AnatomicCode,
}

impl Organ {
    /// The label of a package's manifest.
    pub(super) fn label(&self) -> Label {
        Label {
            value: self.value,
            name: self.name.clone(),
            roi_type: self.roi_type.term().to_owned(),
            color: self.color,
            code: Some(self.code.clone()),
            ..Label::default()
        }
    }
}

impl Entry {
    /// The sum of its files' reported sizes, bytes; `None` where one is not known.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// What it is cropped to, found by a coarse model that must be there as well.
    #[must_use]
    pub fn crop(&self) -> Option<&Crop> {
        self.run.crop.as_ref()
    }

    /// The model it crops on, what that one crops on before it, and itself last.
    #[must_use]
    pub fn with_dependencies(&self) -> Vec<&Entry> {
        let mut all = vec![self];
        while let Some(before) = all.last().and_then(|own| own.crop()).and_then(|crop| entry(&crop.model))
            && !all.iter().any(|own| own.id == before.id)
        {
            all.push(before);
        }
        all.reverse();
        all
    }
}

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    // Invariant: the file is part of the program, and a test reads it.
    read(include_str!("../../../assets/models.toml")).expect("assets/models.toml is a catalogue")
});

/// All models that can be fetched, in the catalogue's order.
#[must_use]
pub fn entries() -> &'static [Entry] {
    &ENTRIES
}

/// The entry of this id.
#[must_use]
pub fn entry(id: &str) -> Option<&'static Entry> {
    entries().iter().find(|entry| entry.id == id)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCatalogue {
    models: Vec<RawEntry>,
    organs: BTreeMap<String, RawOrgan>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    id: String,
    title: String,
    about: String,
    version: String,
    modality: String,
    license: String,
    license_warning: Option<String>,
    #[serde(default)]
    needs_key: bool,
    homepage: String,
    citation: String,
    training_data: String,
    configuration: String,
    orientation: Option<String>,
    spacing_mm: Option<[f64; 3]>,
    step: Option<f64>,
    empty_below_hu: Option<f64>,
    crop: Option<Crop>,
    files: Vec<RawFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    name: String,
    url: Option<String>,
    bytes: Option<u64>,
    sha256: Option<String>,
    classes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOrgan {
    name: String,
    color: Color,
    #[serde(rename = "type")]
    roi_type: Option<String>,
    code: Option<[String; 3]>,
    #[serde(default)]
    ambiguous: bool,
}

fn read(text: &str) -> Result<Vec<Entry>, String> {
    let raw: RawCatalogue = toml::from_str(text).map_err(|error| error.to_string())?;
    raw.models.into_iter().map(|entry| read_entry(entry, &raw.organs)).collect()
}

fn read_entry(raw: RawEntry, known: &BTreeMap<String, RawOrgan>) -> Result<Entry, String> {
    let mut organs = Vec::new();
    let mut files = Vec::new();
    for file in raw.files {
        let mut values = Vec::new();
        for class in &file.classes {
            let value = u16::try_from(organs.len() + 1).map_err(|error| error.to_string())?;
            let organ = known.get(class).ok_or_else(|| format!("the class {class} is no organ"))?;
            organs.push(read_organ(value, class, organ)?);
            values.push(value);
        }
        files.push(RemoteFile {
            name: file.name,
            url: file.url,
            bytes: file.bytes,
            sha256: file.sha256,
            classes: file.classes,
            values,
        });
    }
    Ok(Entry {
        id: raw.id,
        title: raw.title,
        about: raw.about,
        version: raw.version,
        modality: raw.modality,
        license: raw.license,
        license_warning: raw.license_warning,
        needs_key: raw.needs_key,
        homepage: raw.homepage,
        citation: raw.citation,
        training_data: raw.training_data,
        configuration: raw.configuration,
        orientation: raw.orientation,
        run: Run {
            spacing_mm: raw.spacing_mm,
            step: raw.step,
            empty_below_hu: raw.empty_below_hu,
            crop: raw.crop,
        },
        files,
        organs,
    })
}

fn read_organ(value: u16, class: &str, raw: &RawOrgan) -> Result<Organ, String> {
    let standard = AnatomicCode::of_name(&raw.name);
    let own = raw.code.clone().map(|[scheme, value, meaning]| AnatomicCode { scheme, value, meaning });
    Ok(Organ {
        value,
        source_name: class.to_owned(),
        ambiguous: raw.ambiguous,
        name: raw.name.clone(),
        standard: standard.is_some(),
        roi_type: raw.roi_type.as_deref().map_or(RoiType::Organ, RoiType::from_term),
        color: raw.color,
        code: own.or(standard).ok_or_else(|| format!("the organ {class} has no code"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Names that TG-263 lacks, after its style: stem, and the sides there are.
    const NOT_IN_THE_STANDARD: &[&str] = &[
        "AtrialAppend_L",
        "V_Portal_Splenic",
        "Sternum",
        "Cartlg_Costal",
        "Larynx_Air",
        "Heart_Myocard",
        "Kidney_Cyst",
        "Musc_GlutMax",
        "Musc_GlutMed",
        "Musc_GlutMin",
        "Musc_BackDeep",
        "Musc_Iliopsoas",
        "Cavity_Nasal",
        "Canal_Auditory",
        "Arch_Zygomatic",
        "Proc_Styloid",
        "A_Carotid_Int",
        "Musc_Trapezius",
        "Musc_LevScap",
        "Musc_ScalAnt",
        "Musc_ScalMid",
        "Musc_ScalPost",
        "Musc_SternThyr",
        "Musc_Thyrohyd",
        "Musc_Prevert",
        "Rectus_Lat",
        "Rectus_Med",
        "Rectus_Sup",
        "Rectus_Inf",
        "Oblique_Sup",
        "Oblique_Inf",
        "Levator_Palp",
        "Teeth_Lower",
        "Teeth_Upper",
        "Head",
        "Canal_Alveolar",
        "Canal_Incisive",
        "Canal_Lingual",
        "Bridge_Dental",
        "Crown_Dental",
        "Implant_Dental",
        "Horn_Frontal",
        "Horn_Occipital",
        "Horn_Temporal",
        "Vent_Body",
        "Vent_Trigone",
        "Vent_Third",
        "Vent_Fourth",
    ];

    /// A tooth or its pulp, by its FDI number.
    fn is_tooth(name: &str) -> bool {
        let number = name.strip_prefix("Tooth_").map(|rest| rest.strip_suffix("_Pulp").unwrap_or(rest));
        number.is_some_and(|fdi| {
            matches!(fdi.as_bytes(), [quadrant, tooth] if (b'1'..=b'4').contains(quadrant)
                && (b'1'..=b'8').contains(tooth))
        })
    }

    #[test]
    fn a_tooth_s_number_names_the_side_and_jaw_that_its_publisher_and_its_code_name() {
        let teeth = &entry("teeth").unwrap().organs;
        let numbered: Vec<&Organ> = teeth.iter().filter(|organ| is_tooth(&organ.name)).collect();
        assert_eq!((teeth.len(), numbered.len()), (77, 64));
        for organ in numbered {
            let (quadrant, tooth) = (&organ.name[6..7], &organ.name[7..8]);
            let (jaw, bone) =
                if matches!(quadrant, "1" | "2") { ("upper", "Maxillary") } else { ("lower", "Mandibular") };
            let side = if matches!(quadrant, "1" | "4") { "right" } else { "left" };
            let kind = match tooth {
                "1" => "central incisor",
                "2" => "lateral incisor",
                "3" => "canine",
                "4" => "first premolar",
                "5" => "second premolar",
                "6" => "first molar",
                "7" => "second molar",
                _ => "third molar",
            };
            assert_eq!(organ.code.meaning, format!("{bone} {side} {kind} tooth"), "{}", organ.name);
            let place = format!("{jaw}_{side}_{}_", kind.replace(' ', "_"));
            assert!(organ.source_name.starts_with(&place), "{}", organ.source_name);
            let number = if organ.name.ends_with("_Pulp") { "pulp_fdi1" } else { "fdi" };
            assert_eq!(organ.source_name[place.len()..], format!("{number}{quadrant}{tooth}"));
        }
        // The codes of teeth are different, those of pulps are their teeth's.
        let codes: HashSet<&str> =
            teeth.iter().filter(|o| is_tooth(&o.name)).map(|o| o.code.value.as_str()).collect();
        assert_eq!(codes.len(), 32);
    }

    #[test]
    fn every_organ_has_a_name_a_type_a_colour_and_a_code() {
        let standard: HashSet<&str> = include_str!("../../../assets/tg263.csv")
            .lines()
            .skip(1)
            .filter_map(|line| line.split(',').next())
            .collect();
        for entry in entries() {
            let mut names = HashSet::new();
            let mut colors = HashSet::new();
            for (number, organ) in (1..).zip(&entry.organs) {
                let what = format!("{}: {}", entry.id, organ.source_name);
                assert_eq!(organ.value, number, "{what}");
                assert!(names.insert(&organ.name), "{what}: the name {} is there twice", organ.name);
                assert!(colors.insert(organ.color), "{what}: the colour is there twice");
                let stem = organ.name.strip_suffix("_L").or(organ.name.strip_suffix("_R"));
                let listed = NOT_IN_THE_STANDARD
                    .iter()
                    .any(|own| *own == organ.name || (stem == Some(*own) && !own.ends_with("_L")))
                    || is_tooth(&organ.name);
                assert_ne!(standard.contains(organ.name.as_str()), listed, "{what}: {}", organ.name);
                assert_eq!(organ.standard, standard.contains(organ.name.as_str()), "{what}");
                assert!(organ.name.len() <= 16, "{what}: {}", organ.name);
                let term = organ.roi_type.term();
                assert!(["ORGAN", "CAVITY"].contains(&term), "{what}: {term}");
                let AnatomicCode { scheme, value, meaning } = &organ.code;
                assert!(["FMA", "SCT"].contains(&scheme.as_str()), "{what}: {scheme}");
                assert!(value.len() <= 16 && value.bytes().all(|byte| byte.is_ascii_digit()), "{what}");
                assert!((1..=64).contains(&meaning.len()), "{what}: {meaning}");
                // The sides of name, publisher's name and code agree.
                for (end, word) in [("_L", "left"), ("_R", "right")] {
                    let other = if word == "left" { "right" } else { "left" };
                    if organ.name.ends_with(end) {
                        assert!(organ.source_name.contains(word), "{what}: {}", organ.name);
                        assert!(!meaning.to_lowercase().contains(other), "{what}: {meaning}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_snomed_code_has_its_check_digit() {
        // Verhoeff's dihedral check (SNOMED CT's release file specification, appendix on check digits).
        let is_valid = |text: &str| {
            let mut check = 0_usize;
            for (place, byte) in text.bytes().rev().enumerate() {
                let mut digit = usize::from(byte - b'0');
                for _ in 0..place % 8 {
                    digit = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4][digit];
                }
                check = match (check < 5, digit < 5) {
                    (true, true) => (check + digit) % 5,
                    (true, false) => (check + digit - 5) % 5 + 5,
                    (false, true) => (check - 5 + 5 - digit) % 5 + 5,
                    (false, false) => (check + 5 - digit) % 5,
                };
            }
            check == 0
        };
        assert!(is_valid("74281007") && !is_valid("74281008"));
        for organ in entries().iter().flat_map(|entry| &entry.organs) {
            assert!(organ.code.scheme != "SCT" || is_valid(&organ.code.value), "{:?}", organ.code);
        }
    }

    #[test]
    fn the_models_are_whole() {
        let total = entry("total").unwrap();
        assert_eq!((total.organs.len(), total.files.len()), (117, 5));
        assert_eq!(total.run.spacing_mm, Some([1.5; 3]));
        let value = |name: &str| total.organs.iter().find(|organ| organ.source_name == name).unwrap().value;
        // The published numbers of the whole task.
        let numbers = [("spleen", 1), ("vertebrae_C1", 50), ("heart", 51), ("skull", 91), ("sternum", 116)];
        for (name, number) in numbers {
            assert_eq!(value(name), number, "{name}");
        }
        for fast in ["total_fast", "total_fastest"] {
            assert_eq!(entry(fast).unwrap().organs, total.organs);
        }
        let teeth: Vec<&str> =
            entry("teeth").unwrap().with_dependencies().iter().map(|own| own.id.as_str()).collect();
        assert_eq!(teeth, ["total_fastest", "craniofacial_structures", "teeth"]);
        let mut ids = HashSet::new();
        for own in entries() {
            assert!(ids.insert(&own.id), "{} is there twice", own.id);
            for file in &own.files {
                assert_eq!(file.url.is_none(), own.needs_key, "{}", file.name);
                if let Some(url) = &file.url {
                    assert!(
                        url.starts_with("https://") && url.ends_with(&format!("/{}", file.name)),
                        "{url}"
                    );
                }
                assert!(file.sha256.as_ref().is_none_or(|hash| hash.len() == 64));
            }
            assert!(!own.needs_key || own.license_warning.is_some());
            if let Some(crop) = own.crop() {
                let coarse = entry(&crop.model).unwrap();
                for name in &crop.organs {
                    assert!(coarse.organs.iter().any(|organ| organ.name == *name), "{name}");
                }
                let needed: Vec<&str> = own.with_dependencies().iter().map(|own| own.id.as_str()).collect();
                assert!(needed.ends_with(&[crop.model.as_str(), own.id.as_str()]), "{needed:?}");
                assert!(entry(needed[0]).unwrap().crop().is_none(), "the first looks everywhere");
            }
        }
    }
}
