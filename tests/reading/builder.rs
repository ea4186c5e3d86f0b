//! Constructed DICOM images: every test says only what is odd about its file.

use delineo::geometry::{Point3, Vector3};
use dicom::core::value::{PixelFragmentSequence, Value};
use dicom::core::{DataElement, PrimitiveValue, Tag, VR};
use dicom::dictionary_std::{tags, uids};
use dicom::object::{FileMetaTableBuilder, InMemDicomObject};
use std::path::{Path, PathBuf};

/// One image: an axial CT slice of 4 x 3 voxels unless a field says otherwise.
#[derive(Clone)]
pub struct Image {
    pub transfer_syntax: &'static str,
    pub sop_class: &'static str,
    pub modality: &'static str,
    pub series_uid: String,
    pub sop_uid: String,
    pub frame_of_reference: String,
    pub instance_number: i32,
    pub origin: [f64; 3],
    pub row: [f64; 3],
    pub column: [f64; 3],
    /// Along i and along j.
    pub spacing: [f64; 2],
    pub size: [u16; 2],
    pub bits: (u16, u16, u16),
    pub signed: bool,
    pub rescale: Option<(f64, f64)>,
    /// Allocated cells (8-bit images use the low byte).
    pub cells: Vec<u16>,
    pub extra: Vec<DataElement<InMemDicomObject>>,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            transfer_syntax: uids::EXPLICIT_VR_LITTLE_ENDIAN,
            sop_class: uids::CT_IMAGE_STORAGE,
            modality: "CT",
            series_uid: "1.2.3.4".into(),
            sop_uid: String::new(),
            frame_of_reference: "1.2.3.9".into(),
            instance_number: 1,
            origin: [-10.0, -20.0, 0.0],
            row: [1.0, 0.0, 0.0],
            column: [0.0, 1.0, 0.0],
            spacing: [2.0, 1.5],
            size: [4, 3],
            bits: (16, 16, 15),
            signed: true,
            rescale: Some((1.0, 0.0)),
            cells: vec![0; 12],
            extra: Vec::new(),
        }
    }
}

/// A whole number that tells every patient position of the tests apart.
pub fn field(point: Point3) -> f64 {
    (point.x * 3.1 + point.y * 5.3 + point.z * 7.7).round()
}

pub fn text(tag: Tag, vr: VR, value: &str) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

pub fn short(tag: Tag, value: u16) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::US, PrimitiveValue::from(value))
}

pub fn decimals(tag: Tag, values: &[f64]) -> DataElement<InMemDicomObject> {
    let text: Vec<String> = values.iter().map(ToString::to_string).collect();
    DataElement::new(tag, VR::DS, PrimitiveValue::from(text.join("\\")))
}

pub fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::SQ, dicom::core::value::DataSetSequence::from(items))
}

pub fn item(elements: Vec<DataElement<InMemDicomObject>>) -> InMemDicomObject {
    InMemDicomObject::from_element_iter(elements)
}

impl Image {
    /// An axial slice at height `z`.
    pub fn at_z(z: f64) -> Self {
        let default = Self::default();
        Self { origin: [default.origin[0], default.origin[1], z], ..default }
    }

    /// Directions (unit vectors along rows and columns) and the origin.
    pub fn placed(self, row: Vector3, column: Vector3, origin: Point3) -> Self {
        Self { row: row.into(), column: column.into(), origin: origin.into(), ..self }
    }

    /// The patient position of sample (i, j).
    pub fn point(&self, i: usize, j: usize) -> Point3 {
        let along = |direction: [f64; 3], mm: f64| Vector3::from(direction) * mm;
        Point3::from(self.origin)
            + along(self.row, self.spacing[0] * i as f64)
            + along(self.column, self.spacing[1] * j as f64)
    }

    /// Every sample is what `value` says of its patient position.
    pub fn filled(mut self, value: impl Fn(Point3) -> f64) -> Self {
        let [columns, rows] = self.size.map(usize::from);
        self.cells = (0..rows)
            .flat_map(|j| (0..columns).map(move |i| (i, j)))
            .map(|(i, j)| (value(self.point(i, j)) as i16).cast_unsigned())
            .collect();
        self
    }

    pub fn with(mut self, element: DataElement<InMemDicomObject>) -> Self {
        self.extra.push(element);
        self
    }

    pub fn object(&self, name: &str) -> InMemDicomObject {
        let (allocated, stored, high) = self.bits;
        let sop_uid = self.sop_uid_or(name);
        let bytes: Vec<u8> = if allocated == 8 {
            self.cells.iter().map(|cell| cell.to_le_bytes()[0]).collect()
        } else {
            self.cells.iter().flat_map(|cell| cell.to_le_bytes()).collect()
        };
        let mut object = item(vec![
            text(tags::SOP_CLASS_UID, VR::UI, self.sop_class),
            text(tags::SOP_INSTANCE_UID, VR::UI, &sop_uid),
            text(tags::STUDY_DATE, VR::DA, "20240305"),
            text(tags::MODALITY, VR::CS, self.modality),
            text(tags::MANUFACTURER, VR::LO, "Constructed"),
            text(tags::PATIENT_NAME, VR::PN, "Test^Patient"),
            text(tags::PATIENT_ID, VR::LO, "T1"),
            text(tags::PATIENT_BIRTH_DATE, VR::DA, "19700101"),
            text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3"),
            text(tags::SERIES_INSTANCE_UID, VR::UI, &self.series_uid),
            text(tags::INSTANCE_NUMBER, VR::IS, &self.instance_number.to_string()),
            decimals(tags::IMAGE_POSITION_PATIENT, &self.origin),
            decimals(tags::IMAGE_ORIENTATION_PATIENT, &[self.row, self.column].concat()),
            text(tags::FRAME_OF_REFERENCE_UID, VR::UI, &self.frame_of_reference),
            short(tags::SAMPLES_PER_PIXEL, 1),
            text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
            short(tags::ROWS, self.size[1]),
            short(tags::COLUMNS, self.size[0]),
            decimals(tags::PIXEL_SPACING, &[self.spacing[1], self.spacing[0]]),
            short(tags::BITS_ALLOCATED, allocated),
            short(tags::BITS_STORED, stored),
            short(tags::HIGH_BIT, high),
            short(tags::PIXEL_REPRESENTATION, u16::from(self.signed)),
        ]);
        if let Some((slope, intercept)) = self.rescale {
            object.put(decimals(tags::RESCALE_SLOPE, &[slope]));
            object.put(decimals(tags::RESCALE_INTERCEPT, &[intercept]));
        }
        if allocated == 8 {
            object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::from(bytes)));
        } else {
            let cells = PrimitiveValue::U16(self.cells.as_slice().into());
            object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, cells));
        }
        for element in &self.extra {
            object.put(element.clone());
        }
        object
    }

    fn sop_uid_or(&self, name: &str) -> String {
        if !self.sop_uid.is_empty() {
            return self.sop_uid.clone();
        }
        let digits: String = name.bytes().map(|byte| byte.to_string()).collect();
        format!("1.2.3.{}.{}", self.series_uid.len(), digits.trim_start_matches('0'))
            .chars()
            .take(64)
            .collect()
    }

    /// Writes `folder/name`; the SOP Instance UID is made from the name.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(self.transfer_syntax)
            .media_storage_sop_class_uid(self.sop_class)
            .media_storage_sop_instance_uid(self.sop_uid_or(name));
        self.object(name).with_meta(meta).unwrap().write_to_file(&path).unwrap();
        path
    }

    /// As [`Self::write`], with the pixel data in `fragments`.
    pub fn write_encapsulated(
        &self,
        folder: &Path,
        name: &str,
        table: Vec<u32>,
        fragments: Vec<Vec<u8>>,
    ) -> PathBuf {
        let path = folder.join(name);
        let mut object = self.object(name);
        let pixels: Value<InMemDicomObject> = PixelFragmentSequence::new(table, fragments).into();
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, pixels));
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(self.transfer_syntax)
            .media_storage_sop_class_uid(self.sop_class)
            .media_storage_sop_instance_uid(self.sop_uid_or(name));
        object.with_meta(meta).unwrap().write_to_file(&path).unwrap();
        path
    }
}
