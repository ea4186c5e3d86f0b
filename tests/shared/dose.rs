//! Constructed RT Doses: every test says only what is odd about its file.
#![allow(dead_code, reason = "each test binary uses its own part")]

use delineo::geometry::{Point3, Vector3};
use dicom::core::{DataElement, PrimitiveValue, Tag, VR};
use dicom::dictionary_std::{tags, uids};
use dicom::object::{FileMetaTableBuilder, InMemDicomObject};
use std::path::{Path, PathBuf};

/// A dose in Gy of 16 bits on transverse planes, unless a field says otherwise.
#[derive(Clone)]
pub struct RtDose {
    pub transfer_syntax: &'static str,
    pub patient: [&'static str; 3],
    pub frame_of_reference: Option<&'static str>,
    pub origin: [f64; 3],
    pub row: [f64; 3],
    pub column: [f64; 3],
    /// Along i and along j.
    pub spacing: [f64; 2],
    pub size: [u16; 2],
    /// Where the planes lie along the normal, in the order of the frames, mm from `origin`.
    pub planes: Vec<f64>,
    /// What the Grid Frame Offset Vector says; `None` leaves it out.
    pub offsets: Option<Vec<f64>>,
    pub bits: u16,
    pub signed: bool,
    pub units: &'static str,
    pub dose_type: &'static str,
    pub summation: &'static str,
    pub scaling: Option<&'static str>,
    /// Stored values by frames.
    pub cells: Vec<u32>,
    /// What is put or, without a value, taken away at the end.
    pub changes: Vec<(Tag, Option<DataElement<InMemDicomObject>>)>,
}

impl RtDose {
    /// `size` doses of `spacing` on planes at `planes` mm (also what the offset vector says), from
    /// `origin`, along patient x and y.
    pub fn new(origin: [f64; 3], size: [u16; 2], spacing: [f64; 2], planes: Vec<f64>) -> Self {
        let count = usize::from(size[0]) * usize::from(size[1]) * planes.len();
        Self {
            transfer_syntax: uids::EXPLICIT_VR_LITTLE_ENDIAN,
            patient: ["Test^Patient", "T1", "19700101"],
            frame_of_reference: Some("1.2.3.9"),
            origin,
            row: [1.0, 0.0, 0.0],
            column: [0.0, 1.0, 0.0],
            spacing,
            size,
            offsets: Some(planes.clone()),
            planes,
            bits: 16,
            signed: false,
            units: "GY",
            dose_type: "PHYSICAL",
            summation: "PLAN",
            scaling: Some("0.002"),
            cells: vec![0; count],
            changes: Vec::new(),
        }
    }

    /// The patient position of dose (i, j) of frame `k`.
    pub fn point(&self, i: usize, j: usize, k: usize) -> Point3 {
        let (row, column) = (Vector3::from(self.row), Vector3::from(self.column));
        Point3::from(self.origin)
            + row * (self.spacing[0] * i as f64)
            + column * (self.spacing[1] * j as f64)
            + row.cross(&column) * self.planes[k]
    }

    /// Every dose is what `gy` says of its patient position.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "stored doses")]
    pub fn filled(mut self, gy: impl Fn(Point3) -> f64) -> Self {
        let scaling: f64 = self.scaling.map_or(1.0, |scaling| scaling.parse().unwrap());
        let [columns, rows] = self.size.map(usize::from);
        let at = |n: usize| self.point(n % columns, n / columns % rows, n / (columns * rows));
        let count = columns * rows * self.planes.len();
        self.cells = (0..count).map(|n| (gy(at(n)) / scaling).round() as i64 as u32).collect();
        self
    }

    /// Puts an element in the end.
    pub fn with(mut self, element: DataElement<InMemDicomObject>) -> Self {
        self.changes.push((element.header().tag, Some(element)));
        self
    }

    /// Leaves an element out.
    pub fn without(mut self, tag: Tag) -> Self {
        self.changes.push((tag, None));
        self
    }

    /// Writes `folder/name`.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let text = |tag: Tag, vr: VR, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
        let short = |tag: Tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
        let decimals = |tag: Tag, values: &[f64]| {
            let texts: Vec<String> = values.iter().map(|value| format!("{value:.10}")).collect();
            DataElement::new(tag, VR::DS, PrimitiveValue::from(texts.join("\\")))
        };
        let sop_uid = format!("1.2.3.7.{}", name.bytes().map(u32::from).sum::<u32>());
        let [patient, id, birth] = self.patient;
        let mut object = InMemDicomObject::from_element_iter([
            text(tags::SOP_CLASS_UID, VR::UI, uids::RT_DOSE_STORAGE),
            text(tags::SOP_INSTANCE_UID, VR::UI, &sop_uid),
            text(tags::MODALITY, VR::CS, "RTDOSE"),
            text(tags::PATIENT_NAME, VR::PN, patient),
            text(tags::PATIENT_ID, VR::LO, id),
            text(tags::PATIENT_BIRTH_DATE, VR::DA, birth),
            text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3"),
            text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.5"),
            decimals(tags::IMAGE_POSITION_PATIENT, &self.origin),
            decimals(tags::IMAGE_ORIENTATION_PATIENT, &[self.row, self.column].concat()),
            short(tags::SAMPLES_PER_PIXEL, 1),
            text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
            text(tags::NUMBER_OF_FRAMES, VR::IS, &self.planes.len().to_string()),
            short(tags::ROWS, self.size[1]),
            short(tags::COLUMNS, self.size[0]),
            decimals(tags::PIXEL_SPACING, &[self.spacing[1], self.spacing[0]]),
            short(tags::BITS_ALLOCATED, self.bits),
            short(tags::BITS_STORED, self.bits),
            short(tags::HIGH_BIT, self.bits - 1),
            short(tags::PIXEL_REPRESENTATION, u16::from(self.signed)),
            text(tags::DOSE_UNITS, VR::CS, self.units),
            text(tags::DOSE_TYPE, VR::CS, self.dose_type),
            text(tags::DOSE_SUMMATION_TYPE, VR::CS, self.summation),
        ]);
        if let Some(uid) = self.frame_of_reference {
            object.put(text(tags::FRAME_OF_REFERENCE_UID, VR::UI, uid));
        }
        if let Some(offsets) = &self.offsets {
            object.put(decimals(tags::GRID_FRAME_OFFSET_VECTOR, offsets));
        }
        if let Some(scaling) = self.scaling {
            object.put(text(tags::DOSE_GRID_SCALING, VR::DS, scaling));
        }
        #[allow(clippy::cast_possible_truncation, reason = "the low half of a stored dose")]
        let cells = |cell: &u32| if self.bits == 16 { vec![*cell as u16] } else { halves(*cell) };
        let words: Vec<u16> = self.cells.iter().flat_map(cells).collect();
        let pixels = PrimitiveValue::U16(words.as_slice().into());
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, pixels));
        for (tag, change) in &self.changes {
            match change {
                Some(element) => drop(object.put(element.clone())),
                None => drop(object.remove_element(*tag)),
            }
        }
        let path = folder.join(name);
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(self.transfer_syntax)
            .media_storage_sop_class_uid(uids::RT_DOSE_STORAGE)
            .media_storage_sop_instance_uid(&sop_uid);
        object.with_meta(meta).unwrap().write_to_file(&path).unwrap();
        path
    }
}

/// The low and the high half of a stored dose.
#[allow(clippy::cast_possible_truncation, reason = "halves")]
fn halves(cell: u32) -> Vec<u16> {
    vec![cell as u16, (cell >> 16) as u16]
}
