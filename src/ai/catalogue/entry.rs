//! What `assets/models.toml` says of the models that can be fetched.

use crate::patient::{AnatomicCode, Color, RoiType};
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
    /// The DICOM code of the images it is for.
    pub modality: String,
    /// The licence of the weights, in a few words.
    pub license: String,
    /// A plain warning where the licence forbids commercial use or needs a key; show it before fetching.
    pub license_warning: Option<String>,
    /// The publisher's page, for a person to read.
    pub homepage: String,
    /// What to cite.
    pub citation: String,
    /// The data it was trained on.
    pub training_data: String,
    /// Voxel spacing that its networks work at, (z, y, x), mm.
    pub spacing_mm: [f64; 3],
    /// The files to fetch, one for each part of the model.
    pub files: Vec<RemoteFile>,
    /// The coarse model that it first runs to find its region.
    pub crop: Option<CropOn>,
    /// What it contours, in the order of its labels.
    pub organs: Vec<Organ>,
}

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its name, the last part of its address; a mirror has the file under this name.
    pub name: String,
    /// Where its publisher has it.
    pub url: String,
    /// Its size as others have reported it, bytes; for the time left and the free space only.
    pub bytes: Option<u64>,
    /// Its SHA-256, where its publisher tells it; a file that has another is refused.
    pub sha256: Option<String>,
}

/// What a model is cropped to.
#[derive(Debug, Clone, PartialEq)]
pub struct CropOn {
    /// The id of the model that runs first.
    pub model: String,
    /// Its organs whose box is kept, by TG-263 name.
    pub organs: Vec<String>,
    /// Kept around that box, mm.
    pub margin_mm: f64,
}

/// One label of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Organ {
    /// Its number in the model's label map.
    pub value: u16,
    /// Its name where it was published.
    pub source_name: String,
    /// ROI Name: TG-263 where the standard has one.
    pub name: String,
    /// Whether [`Self::name`] is one of TG-263's.
    pub standard: bool,
    /// RT ROI Interpreted Type.
    pub roi_type: RoiType,
    /// Display colour.
    pub color: Color,
    /// What it is, for other systems.
    pub code: AnatomicCode,
}

impl Entry {
    /// The sum of its files' reported sizes, bytes; `None` where one is not known.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The models it crops on, and itself last.
    #[must_use]
    pub fn with_dependencies(&self) -> Vec<&'static Entry> {
        let before = self.crop.as_ref().and_then(|crop| entry(&crop.model));
        before.into_iter().chain(entry(&self.id)).collect()
    }
}

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(Vec::new);

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
