//! Who was scanned, when and how.

use super::Volume;
use std::sync::Arc;

/// A DICOM unique identifier.
pub type Uid = Arc<str>;

/// A DICOM date (DA) as `YYYYMMDD`; empty when unknown.
pub type DateText = String;

/// Patient module attributes (PS3.3 C.7.1.1), as stored; empty when absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, serde::Serialize, serde::Deserialize)]
pub struct PatientInfo {
    /// Patient's Name (PN), as stored.
    pub name: String,
    /// Patient ID.
    pub id: String,
    /// Patient's Birth Date.
    pub birth_date: DateText,
    /// Patient's Sex.
    pub sex: String,
    /// Whether this is the bundled synthetic patient (or another known phantom), never a person.
    pub synthetic: bool,
}

/// General study attributes (PS3.3 C.7.2.1), as stored; empty when absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, serde::Serialize, serde::Deserialize)]
pub struct StudyInfo {
    /// Study Instance UID.
    pub uid: String,
    /// Study ID.
    pub id: String,
    /// Study Date.
    pub date: DateText,
    /// Study Time (TM).
    pub time: String,
    /// Study Description.
    pub description: String,
    /// Accession Number.
    pub accession_number: String,
    /// Referring Physician's Name.
    pub referring_physician: String,
}

/// The kind of scan.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Modality {
    /// Computed tomography.
    Ct,
    /// Magnetic resonance.
    Mr,
    /// Positron emission tomography (DICOM code PT).
    Pet,
    /// Any other, by its DICOM code.
    Other(String),
}

impl Modality {
    /// From the DICOM Modality code.
    #[must_use]
    pub fn from_code(code: &str) -> Self {
        match code {
            "CT" => Self::Ct,
            "MR" => Self::Mr,
            "PT" => Self::Pet,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The DICOM Modality code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Ct => "CT",
            Self::Mr => "MR",
            Self::Pet => "PT",
            Self::Other(code) => code,
        }
    }
}

/// The instance (and frame, counted from 1, of a multi-frame object) that holds a slice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageInstance {
    /// SOP Class UID.
    pub sop_class_uid: Uid,
    /// SOP Instance UID.
    pub sop_instance_uid: Uid,
    /// Frame number, counted from 1; `None` for single-frame objects.
    pub frame: Option<u32>,
}

/// A series' identity without its pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesInfo {
    /// The patient.
    pub patient: PatientInfo,
    /// The study.
    pub study: StudyInfo,
    /// Series Instance UID; for a non-DICOM image a UID derived from its content.
    pub uid: Uid,
    /// Modality.
    pub modality: Modality,
    /// Series Description.
    pub description: String,
    /// Series Number.
    pub number: Option<i32>,
    /// Frame of Reference UID; `None` when the image declares none.
    pub frame_of_reference_uid: Option<Uid>,
    /// Patient Position (`HFS`, `FFP`, ...), for the badge only: orientation is never taken from it.
    pub patient_position: Option<String>,
    /// Manufacturer and model, for the title of a picture.
    pub equipment: String,
}

impl SeriesInfo {
    /// A constructed CT of nobody, marked as synthetic.
    #[must_use]
    pub fn constructed(description: &str) -> Self {
        Self {
            patient: PatientInfo { id: "CONSTRUCTED".to_owned(), synthetic: true, ..PatientInfo::default() },
            study: StudyInfo::default(),
            uid: "2.25.1".into(),
            modality: Modality::Ct,
            description: description.to_owned(),
            number: None,
            frame_of_reference_uid: None,
            patient_position: None,
            equipment: String::new(),
        }
    }
}

/// One image series, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Who, when and how.
    pub info: SeriesInfo,
    /// The pixels.
    pub volume: Arc<Volume>,
}
