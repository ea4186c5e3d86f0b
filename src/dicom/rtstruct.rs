//! An RT Structure Set as it is stored (PS3.3 A.19.3): plain values, one field an attribute.
//!
//! Reading and writing meet here, so that what was written can be read back and compared as a
//! whole before a file gets its name. No geometry: `rtstruct_read` makes planes of it.

use super::element::{items, number, put, put_items, put_optional, raw_text, text};
use crate::patient::{
    AnatomicCode, Color, GeometricType, ImageInstance, PatientInfo, SourceContour, StudyInfo, Uid,
};
use dicom::core::{Tag, VR};
use dicom::dictionary_std::{tags, uids};
use dicom::object::InMemDicomObject;

/// Retired from the newest edition in favour of longer successors that few programs know yet.
const ROI_OBSERVATION_LABEL: Tag = Tag(0x3006, 0x0085);
/// Retired likewise.
const ROI_OBSERVATION_DESCRIPTION: Tag = Tag(0x3006, 0x0088);

/// The whole object.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct StoredSet {
    pub patient: PatientInfo,
    pub study: StudyInfo,
    pub sop_instance_uid: String,
    pub series_uid: String,
    pub series_description: String,
    pub created: (String, String),
    pub manufacturer: String,
    pub label: String,
    pub name: String,
    pub description: String,
    pub frame_of_reference_uid: String,
    pub frames: Vec<StoredFrame>,
    pub rois: Vec<StoredRoi>,
    pub approval_status: String,
}

/// An item of the Referenced Frame of Reference Sequence, with the one series it refers to.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct StoredFrame {
    pub frame_of_reference_uid: String,
    pub study_uid: String,
    /// Series Instance UID and the images of each referenced series.
    pub series: Vec<(String, Vec<ImageInstance>)>,
}

/// An ROI, from the three sequences that describe it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct StoredRoi {
    pub number: i32,
    pub frame_of_reference_uid: String,
    pub name: String,
    pub description: String,
    pub generation: String,
    pub color: Option<Color>,
    pub contours: Vec<SourceContour>,
    pub observation_label: String,
    pub observation_description: String,
    pub roi_type: String,
    pub code: Option<AnatomicCode>,
    /// ROI Physical Property and its value (PS3.3 C.8.8.8) of every item, in order.
    pub properties: Vec<(String, String)>,
    /// Whether the Structure Set ROI Sequence names it; contours of a number that it lacks are
    /// kept under an empty name.
    pub declared: bool,
}

impl StoredSet {
    /// The stored values of a data set; missing attributes are empty.
    pub fn of_object(object: &InMemDicomObject) -> Self {
        let mut rois: Vec<StoredRoi> =
            items(object, tags::STRUCTURE_SET_ROI_SEQUENCE).iter().map(declared_roi).collect();
        for item in items(object, tags::ROI_CONTOUR_SEQUENCE) {
            let roi = roi_of(&mut rois, item);
            roi.color = roi.color.or_else(|| color_of(&text_values(item)));
            roi.contours.extend(items(item, tags::CONTOUR_SEQUENCE).iter().map(contour_of));
        }
        for item in items(object, tags::RTROI_OBSERVATIONS_SEQUENCE) {
            let roi = roi_of(&mut rois, item);
            if roi.roi_type.is_empty() {
                roi.roi_type = text(item, tags::RTROI_INTERPRETED_TYPE);
                roi.code = items(item, tags::RTROI_IDENTIFICATION_CODE_SEQUENCE).first().and_then(code_of);
                roi.observation_label = text(item, ROI_OBSERVATION_LABEL);
                roi.observation_description = text(item, ROI_OBSERVATION_DESCRIPTION);
            }
            roi.properties.extend(items(item, tags::ROI_PHYSICAL_PROPERTIES_SEQUENCE).iter().map(|own| {
                (text(own, tags::ROI_PHYSICAL_PROPERTY), text(own, tags::ROI_PHYSICAL_PROPERTY_VALUE))
            }));
        }
        Self {
            patient: PatientInfo {
                name: text(object, tags::PATIENT_NAME),
                id: text(object, tags::PATIENT_ID),
                birth_date: text(object, tags::PATIENT_BIRTH_DATE),
                sex: text(object, tags::PATIENT_SEX),
                synthetic: text(object, tags::QUALITY_CONTROL_SUBJECT) == "YES",
            },
            study: StudyInfo {
                uid: text(object, tags::STUDY_INSTANCE_UID),
                id: text(object, tags::STUDY_ID),
                date: text(object, tags::STUDY_DATE),
                time: text(object, tags::STUDY_TIME),
                description: text(object, tags::STUDY_DESCRIPTION),
                accession_number: text(object, tags::ACCESSION_NUMBER),
                referring_physician: text(object, tags::REFERRING_PHYSICIAN_NAME),
            },
            sop_instance_uid: text(object, tags::SOP_INSTANCE_UID),
            series_uid: text(object, tags::SERIES_INSTANCE_UID),
            series_description: text(object, tags::SERIES_DESCRIPTION),
            created: (text(object, tags::STRUCTURE_SET_DATE), text(object, tags::STRUCTURE_SET_TIME)),
            manufacturer: text(object, tags::MANUFACTURER),
            label: text(object, tags::STRUCTURE_SET_LABEL),
            name: text(object, tags::STRUCTURE_SET_NAME),
            description: text(object, tags::STRUCTURE_SET_DESCRIPTION),
            frame_of_reference_uid: text(object, tags::FRAME_OF_REFERENCE_UID),
            frames: items(object, tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE)
                .iter()
                .map(frame_of)
                .collect(),
            rois,
            approval_status: text(object, tags::APPROVAL_STATUS),
        }
    }

    /// The data set, complete (PS3.3 A.19.3): every mandatory module and the usual optional ones.
    pub fn to_object(&self) -> InMemDicomObject {
        let mut object = InMemDicomObject::new_empty();
        let o = &mut object;
        let (date, time) = &self.created;
        // SOP Common
        put(o, tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        put(o, tags::INSTANCE_CREATION_DATE, VR::DA, date);
        put(o, tags::INSTANCE_CREATION_TIME, VR::TM, time);
        put(o, tags::SOP_CLASS_UID, VR::UI, uids::RT_STRUCTURE_SET_STORAGE);
        put(o, tags::SOP_INSTANCE_UID, VR::UI, &self.sop_instance_uid);
        // Patient
        put(o, tags::PATIENT_NAME, VR::PN, &self.patient.name);
        put(o, tags::PATIENT_ID, VR::LO, &self.patient.id);
        put(o, tags::PATIENT_BIRTH_DATE, VR::DA, &self.patient.birth_date);
        put(o, tags::PATIENT_SEX, VR::CS, &self.patient.sex);
        if self.patient.synthetic {
            put(o, tags::QUALITY_CONTROL_SUBJECT, VR::CS, "YES");
        }
        // General Study
        put(o, tags::STUDY_INSTANCE_UID, VR::UI, &self.study.uid);
        put(o, tags::STUDY_DATE, VR::DA, &self.study.date);
        put(o, tags::STUDY_TIME, VR::TM, &self.study.time);
        put(o, tags::REFERRING_PHYSICIAN_NAME, VR::PN, &self.study.referring_physician);
        put(o, tags::STUDY_ID, VR::SH, &self.study.id);
        put(o, tags::ACCESSION_NUMBER, VR::SH, &self.study.accession_number);
        put_optional(o, tags::STUDY_DESCRIPTION, VR::LO, &self.study.description);
        // RT Series
        put(o, tags::MODALITY, VR::CS, "RTSTRUCT");
        put(o, tags::SERIES_INSTANCE_UID, VR::UI, &self.series_uid);
        put(o, tags::SERIES_NUMBER, VR::IS, "1");
        put(o, tags::SERIES_DATE, VR::DA, date);
        put(o, tags::SERIES_TIME, VR::TM, time);
        put_optional(o, tags::SERIES_DESCRIPTION, VR::LO, &self.series_description);
        put(o, tags::OPERATORS_NAME, VR::PN, "");
        // General Equipment
        put(o, tags::MANUFACTURER, VR::LO, &self.manufacturer);
        put(o, tags::MANUFACTURER_MODEL_NAME, VR::LO, "Delineo");
        put(o, tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION"));
        // Frame of Reference
        put(o, tags::FRAME_OF_REFERENCE_UID, VR::UI, &self.frame_of_reference_uid);
        put(o, tags::POSITION_REFERENCE_INDICATOR, VR::LO, "");
        // Structure Set
        put(o, tags::INSTANCE_NUMBER, VR::IS, "1");
        put(o, tags::STRUCTURE_SET_LABEL, VR::SH, &self.label);
        put_optional(o, tags::STRUCTURE_SET_NAME, VR::LO, &self.name);
        put_optional(o, tags::STRUCTURE_SET_DESCRIPTION, VR::ST, &self.description);
        put(o, tags::STRUCTURE_SET_DATE, VR::DA, date);
        put(o, tags::STRUCTURE_SET_TIME, VR::TM, time);
        let frames = self.frames.iter().map(frame_item).collect();
        put_items(o, tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE, frames);
        put_items(o, tags::STRUCTURE_SET_ROI_SEQUENCE, self.rois.iter().map(roi_item).collect());
        // ROI Contour, RT ROI Observations
        put_items(o, tags::ROI_CONTOUR_SEQUENCE, self.rois.iter().map(roi_contour_item).collect());
        let observations = self.rois.iter().zip(1..).map(|(roi, n)| observation_item(roi, n)).collect();
        put_items(o, tags::RTROI_OBSERVATIONS_SEQUENCE, observations);
        // Approval
        put(o, tags::APPROVAL_STATUS, VR::CS, &self.approval_status);
        object
    }
}

fn text_values(roi_contour: &InMemDicomObject) -> String {
    raw_text(roi_contour, tags::ROI_DISPLAY_COLOR)
}

fn color_of(text: &str) -> Option<Color> {
    let parts: Vec<u8> = text.split('\\').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// A coded concept; `None` where it lacks its value or its scheme.
fn code_of(item: &InMemDicomObject) -> Option<AnatomicCode> {
    let (scheme, value) = (text(item, tags::CODING_SCHEME_DESIGNATOR), text(item, tags::CODE_VALUE));
    (!scheme.is_empty() && !value.is_empty()).then(|| AnatomicCode {
        scheme,
        value,
        meaning: text(item, tags::CODE_MEANING),
    })
}

fn declared_roi(item: &InMemDicomObject) -> StoredRoi {
    StoredRoi {
        number: number(item, tags::ROI_NUMBER).unwrap_or_default(),
        frame_of_reference_uid: text(item, tags::REFERENCED_FRAME_OF_REFERENCE_UID),
        name: text(item, tags::ROI_NAME),
        description: text(item, tags::ROI_DESCRIPTION),
        generation: text(item, tags::ROI_GENERATION_ALGORITHM),
        declared: true,
        ..StoredRoi::default()
    }
}

/// The ROI whose number an item of another sequence refers to; made when there is none.
fn roi_of<'a>(rois: &'a mut Vec<StoredRoi>, item: &InMemDicomObject) -> &'a mut StoredRoi {
    let wanted = number(item, tags::REFERENCED_ROI_NUMBER).unwrap_or_default();
    let index = rois.iter().position(|roi| roi.number == wanted).unwrap_or_else(|| {
        rois.push(StoredRoi { number: wanted, ..StoredRoi::default() });
        rois.len() - 1
    });
    &mut rois[index]
}

fn frame_of(item: &InMemDicomObject) -> StoredFrame {
    let studies = items(item, tags::RT_REFERENCED_STUDY_SEQUENCE);
    let series = studies.iter().flat_map(|study| items(study, tags::RT_REFERENCED_SERIES_SEQUENCE));
    StoredFrame {
        frame_of_reference_uid: text(item, tags::FRAME_OF_REFERENCE_UID),
        study_uid: studies.first().map(|s| text(s, tags::REFERENCED_SOP_INSTANCE_UID)).unwrap_or_default(),
        series: series.map(|series| (text(series, tags::SERIES_INSTANCE_UID), images_of(series))).collect(),
    }
}

fn images_of(item: &InMemDicomObject) -> Vec<ImageInstance> {
    items(item, tags::CONTOUR_IMAGE_SEQUENCE)
        .iter()
        .map(|image| ImageInstance {
            sop_class_uid: Uid::from(text(image, tags::REFERENCED_SOP_CLASS_UID)),
            sop_instance_uid: Uid::from(text(image, tags::REFERENCED_SOP_INSTANCE_UID)),
            frame: number(image, tags::REFERENCED_FRAME_NUMBER).and_then(|frame| frame.try_into().ok()),
        })
        .collect()
}

fn contour_of(item: &InMemDicomObject) -> SourceContour {
    SourceContour {
        geometric_type: GeometricType::from_term(&text(item, tags::CONTOUR_GEOMETRIC_TYPE)),
        data: raw_text(item, tags::CONTOUR_DATA).into(),
        number: number(item, tags::CONTOUR_NUMBER),
        images: images_of(item),
        bounds_area: false,
    }
}

fn frame_item(frame: &StoredFrame) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    put(&mut item, tags::FRAME_OF_REFERENCE_UID, VR::UI, &frame.frame_of_reference_uid);
    let series: Vec<_> = frame
        .series
        .iter()
        .map(|(uid, images)| {
            let mut series = InMemDicomObject::new_empty();
            put(&mut series, tags::SERIES_INSTANCE_UID, VR::UI, uid);
            put_images(&mut series, images);
            series
        })
        .collect();
    if !series.is_empty() {
        let mut study = InMemDicomObject::new_empty();
        // Retired, and what every planning system expects here (PS3.3 C.8.8.5.4).
        put(&mut study, tags::REFERENCED_SOP_CLASS_UID, VR::UI, "1.2.840.10008.3.1.2.3.1");
        put(&mut study, tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &frame.study_uid);
        put_items(&mut study, tags::RT_REFERENCED_SERIES_SEQUENCE, series);
        put_items(&mut item, tags::RT_REFERENCED_STUDY_SEQUENCE, vec![study]);
    }
    item
}

fn put_images(object: &mut InMemDicomObject, images: &[ImageInstance]) {
    if images.is_empty() {
        return;
    }
    let images = images
        .iter()
        .map(|image| {
            let mut item = InMemDicomObject::new_empty();
            put(&mut item, tags::REFERENCED_SOP_CLASS_UID, VR::UI, &*image.sop_class_uid);
            put(&mut item, tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &*image.sop_instance_uid);
            if let Some(frame) = image.frame {
                put(&mut item, tags::REFERENCED_FRAME_NUMBER, VR::IS, frame.to_string());
            }
            item
        })
        .collect();
    put_items(object, tags::CONTOUR_IMAGE_SEQUENCE, images);
}

fn roi_item(roi: &StoredRoi) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    put(&mut item, tags::ROI_NUMBER, VR::IS, roi.number.to_string());
    put(&mut item, tags::REFERENCED_FRAME_OF_REFERENCE_UID, VR::UI, &roi.frame_of_reference_uid);
    put(&mut item, tags::ROI_NAME, VR::LO, &roi.name);
    put_optional(&mut item, tags::ROI_DESCRIPTION, VR::ST, &roi.description);
    put(&mut item, tags::ROI_GENERATION_ALGORITHM, VR::CS, &roi.generation);
    item
}

fn roi_contour_item(roi: &StoredRoi) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    if let Some([red, green, blue]) = roi.color {
        put(&mut item, tags::ROI_DISPLAY_COLOR, VR::IS, format!("{red}\\{green}\\{blue}"));
    }
    let contours: Vec<_> = roi
        .contours
        .iter()
        .map(|contour| {
            let mut item = InMemDicomObject::new_empty();
            put_images(&mut item, &contour.images);
            put(&mut item, tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, contour.geometric_type.term());
            let points = contour.data.split('\\').count() / 3;
            put(&mut item, tags::NUMBER_OF_CONTOUR_POINTS, VR::IS, points.to_string());
            if let Some(number) = contour.number {
                put(&mut item, tags::CONTOUR_NUMBER, VR::IS, number.to_string());
            }
            put(&mut item, tags::CONTOUR_DATA, VR::DS, &*contour.data);
            item
        })
        .collect();
    if !contours.is_empty() {
        put_items(&mut item, tags::CONTOUR_SEQUENCE, contours);
    }
    put(&mut item, tags::REFERENCED_ROI_NUMBER, VR::IS, roi.number.to_string());
    item
}

fn observation_item(roi: &StoredRoi, number: i32) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    put(&mut item, tags::OBSERVATION_NUMBER, VR::IS, number.to_string());
    put(&mut item, tags::REFERENCED_ROI_NUMBER, VR::IS, roi.number.to_string());
    put_optional(&mut item, ROI_OBSERVATION_LABEL, VR::SH, &roi.observation_label);
    put_optional(&mut item, ROI_OBSERVATION_DESCRIPTION, VR::ST, &roi.observation_description);
    if let Some(code) = &roi.code {
        let mut coded = InMemDicomObject::new_empty();
        put(&mut coded, tags::CODE_VALUE, VR::SH, &code.value);
        put(&mut coded, tags::CODING_SCHEME_DESIGNATOR, VR::SH, &code.scheme);
        put(&mut coded, tags::CODE_MEANING, VR::LO, &code.meaning);
        put_items(&mut item, tags::RTROI_IDENTIFICATION_CODE_SEQUENCE, vec![coded]);
    }
    put(&mut item, tags::RTROI_INTERPRETED_TYPE, VR::CS, &roi.roi_type);
    put(&mut item, tags::ROI_INTERPRETER, VR::PN, "");
    let properties = roi.properties.iter().map(|(property, value)| {
        let mut item = InMemDicomObject::new_empty();
        put(&mut item, tags::ROI_PHYSICAL_PROPERTY, VR::CS, property);
        put(&mut item, tags::ROI_PHYSICAL_PROPERTY_VALUE, VR::DS, value);
        item
    });
    let properties: Vec<_> = properties.collect();
    if !properties.is_empty() {
        put_items(&mut item, tags::ROI_PHYSICAL_PROPERTIES_SEQUENCE, properties);
    }
    item
}
