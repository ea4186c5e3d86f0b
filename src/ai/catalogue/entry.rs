//! What `assets/models.toml` says of the models that can be fetched.

use crate::ai::nnunet::composition::{Crop, Run};
use crate::ai::package::Label;
use crate::patient::{AnatomicCode, BodyRegion, Color, RoiType};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a model is there for. The order is that of a list: what most patients need comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Whole organs, as a plan needs them.
    #[default]
    Organs,
    /// Parts of organs, vessels within them, muscles, cavities: for those who ask for more.
    Details,
    /// What not everyone has: lesions, blood, effusions, implants.
    Findings,
    /// It only finds the region that others look at.
    Region,
}

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
    /// What it is there for.
    pub purpose: Purpose,
    /// The parts of the body that it is for, from the head down; empty where its organs' names tell.
    pub regions: Vec<BodyRegion>,
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
    /// The plans that are used of each file, where it holds several trainings of one configuration.
    pub plans: Option<String>,
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
    /// The value of each class in the model's label map; 0 of one that only helped its training.
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
    plans: Option<String>,
    configuration: String,
    orientation: Option<String>,
    #[serde(default)]
    purpose: Purpose,
    #[serde(default)]
    regions: Vec<String>,
    spacing_mm: Option<[f64; 3]>,
    step: Option<f64>,
    empty_below_hu: Option<f64>,
    #[serde(default)]
    largest_piece: Vec<String>,
    #[serde(default)]
    least_piece_cc: BTreeMap<String, f64>,
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
    /// Those of them that only helped the training.
    #[serde(default)]
    auxiliary: Vec<String>,
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
        if let Some(other) = file.auxiliary.iter().find(|class| !file.classes.contains(class)) {
            return Err(format!("{} has no class {other}", file.name));
        }
        let mut values = Vec::new();
        for class in &file.classes {
            if file.auxiliary.contains(class) {
                values.push(0);
                continue;
            }
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
    let region = |word: &String| {
        let known = BodyRegion::ALL.into_iter().find(|region| region.word() == word);
        known.ok_or_else(|| format!("{word} is no part of the body"))
    };
    Ok(Entry {
        id: raw.id,
        title: raw.title,
        about: raw.about,
        version: raw.version,
        modality: raw.modality,
        purpose: raw.purpose,
        regions: raw.regions.iter().map(region).collect::<Result<_, _>>()?,
        license: raw.license,
        license_warning: raw.license_warning,
        needs_key: raw.needs_key,
        homepage: raw.homepage,
        citation: raw.citation,
        training_data: raw.training_data,
        plans: raw.plans,
        configuration: raw.configuration,
        orientation: raw.orientation,
        run: Run {
            spacing_mm: raw.spacing_mm,
            step: raw.step,
            empty_below_hu: raw.empty_below_hu,
            largest_piece: raw.largest_piece,
            least_piece_cc: raw.least_piece_cc,
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
mod tests;
