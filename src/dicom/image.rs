//! The stored images of one file: one of a plain image, one a frame of an enhanced multi-frame
//! image (PS3.3 C.7.6.16), each with its place in the patient.

use super::attributes::Attributes;
use super::header::{Header, PixelLocation};
use super::suv::PetFacts;
use crate::geometry::{Point3, Vector3};
use crate::patient::{ImageInstance, Modality, PatientInfo, SeriesInfo, StudyInfo, Uid};
use dicom::core::Tag;
use dicom::dictionary_std::{tags, uids};
use dicom::object::InMemDicomObject;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How one sample is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SampleFormat {
    /// 8 or 16; of doses 16 or 32.
    pub bits_allocated: u16,
    pub bits_stored: u16,
    /// How far a sample is shifted up (High Bit + 1 - Bits Stored).
    pub shift: u16,
    pub signed: bool,
}

/// What all images of a file share.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ImageFile {
    pub path: PathBuf,
    pub transfer_syntax: String,
    pub pixels: PixelLocation,
    pub frames: usize,
    pub rows: u16,
    pub columns: u16,
    pub format: SampleFormat,
    /// Pixel Padding Value and Range Limit as an ordered pair of stored values.
    pub padding: Option<(i32, i32)>,
    pub pet: Option<PetFacts>,
}

impl ImageFile {
    /// The number of samples of one frame.
    pub fn frame_len(&self) -> usize {
        usize::from(self.rows) * usize::from(self.columns)
    }

    /// The number of bytes of one native frame.
    pub fn frame_bytes(&self) -> usize {
        self.frame_len() * usize::from(self.format.bits_allocated / 8)
    }
}

/// Rescale Slope and Intercept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rescale {
    pub slope: f64,
    pub intercept: f64,
}

/// The attributes that tell apart stacks of a series that lie at the same positions, in the order
/// in which they are tried, with the word a person reads.
pub(super) const STACK_KEYS: [&str; 8] =
    ["acquisition", "phase", "echo", "b-value", "trigger time", "image type", "stack", "kernel"];

/// One slice as stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Image {
    pub file: Arc<ImageFile>,
    /// Counted from 0.
    pub frame: usize,
    pub instance: ImageInstance,
    /// The centre of the first sample, mm.
    pub origin_mm: Point3,
    /// Unit vectors along a row (i) and a column (j).
    pub row: Vector3,
    pub column: Vector3,
    /// The distance of samples along i and j, mm.
    pub spacing_mm: [f64; 2],
    pub rescale: Rescale,
    /// The values of [`STACK_KEYS`].
    pub stack: [Option<String>; STACK_KEYS.len()],
    pub number: Option<i64>,
}

/// The images of a file.
#[derive(Debug)]
pub(super) struct ParsedImages {
    pub info: SeriesInfo,
    pub images: Vec<Image>,
    /// Sentences about the file.
    pub remarks: Vec<String>,
}

/// The images of the file at `path`; an error is the sentence why it is left out.
pub(super) fn parse_images(path: &Path, header: Header) -> Result<ParsedImages, String> {
    let object = &header.object;
    let mut remarks = header.remarks;
    let info = series_info(object);
    if info.uid.is_empty() {
        return Err("it has no SeriesInstanceUID; left out".into());
    }
    if is_localizer(object) {
        return Err("it is a localizer image; left out".into());
    }
    let samples = object.integer(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
    let photometric = object.text(tags::PHOTOMETRIC_INTERPRETATION);
    if samples != 1 || photometric.as_deref().is_some_and(|p| !p.starts_with("MONOCHROME")) {
        return Err("it is a colour image, not a scan; left out".into());
    }
    if photometric.as_deref().is_some_and(|p| p == "MONOCHROME1") {
        let remark = "its PhotometricInterpretation is MONOCHROME1: the values are taken as they are, and low ones are \
                      shown dark, where other programs show them bright";
        remarks.push(remark.to_owned());
    }
    let format = sample_format(object, [8, 16])?;
    let dimension = |tag: Tag, name: &str| {
        object
            .integer(tag)
            .and_then(|n| u16::try_from(n).ok())
            .filter(|n| *n > 0)
            .ok_or_else(|| format!("it has no {name}; left out"))
    };
    let (rows, columns) = (dimension(tags::ROWS, "Rows")?, dimension(tags::COLUMNS, "Columns")?);
    let frames = usize::try_from(object.integer(tags::NUMBER_OF_FRAMES).unwrap_or(1).max(1))
        .map_err(|_| "it has a senseless NumberOfFrames; left out".to_owned())?;
    let Some(pixels) = header.pixels else {
        return Err("it has no pixel data; left out".into());
    };
    if object.get(tags::MODALITY_LUT_SEQUENCE).is_some() {
        return Err("its values are given by a ModalityLUTSequence, which is not supported; left out".into());
    }
    let padding = padding(object, format);
    let pet = (info.modality == Modality::Pet).then(|| PetFacts::from_object(object));
    let file = ImageFile {
        path: path.to_owned(),
        transfer_syntax: header.transfer_syntax,
        pixels,
        frames,
        rows,
        columns,
        format,
        padding,
        pet,
    };
    check_length(&file)?;
    let file = Arc::new(file);
    let instance = |frame: Option<u32>| ImageInstance {
        sop_class_uid: uid(object, tags::SOP_CLASS_UID),
        sop_instance_uid: uid(object, tags::SOP_INSTANCE_UID),
        frame,
    };
    let per_frame = object.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let mut images = Vec::new();
    if per_frame.is_empty() {
        if frames > 1 {
            return Err(format!(
                "it holds {frames} frames without a position for each (PerFrameFunctionalGroupsSequence), which is \
                 not supported; export it as single images; left out"
            ));
        }
        let groups = Groups { frame: None, shared: None, object };
        images.push(one_image(&file, 0, instance(None), &groups, &mut remarks)?);
    } else {
        if per_frame.len() != frames {
            return Err(format!(
                "it names positions for {} of its {frames} frames; left out",
                per_frame.len()
            ));
        }
        let shared = object.first_item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
        for (frame, item) in per_frame.iter().enumerate() {
            let groups = Groups { frame: Some(item), shared, object };
            let number = u32::try_from(frame + 1).map_err(|_| "it has too many frames; left out")?;
            if is_localizer_frame(&groups) {
                continue;
            }
            images.push(one_image(&file, frame, instance(Some(number)), &groups, &mut remarks)?);
        }
        match frames - images.len() {
            0 => {}
            all if all == frames => return Err("it is a localizer image; left out".into()),
            count => remarks.push(format!("{count} of its {frames} frames are localizers; left out")),
        }
    }
    remarks.dedup();
    Ok(ParsedImages { info, images, remarks })
}

/// The functional groups of a frame, or the data set of a plain image.
struct Groups<'a> {
    frame: Option<&'a InMemDicomObject>,
    shared: Option<&'a InMemDicomObject>,
    object: &'a InMemDicomObject,
}

impl<'a> Groups<'a> {
    /// The item that holds the macro `sequence`: the frame's own, else the shared one; the data
    /// set itself for a plain image.
    fn group(&self, sequence: Tag) -> Option<&'a InMemDicomObject> {
        if self.frame.is_none() {
            return Some(self.object);
        }
        let of = |item: &'a InMemDicomObject| item.first_item(sequence);
        self.frame.and_then(of).or_else(|| self.shared.and_then(of))
    }
}

fn one_image(
    file: &Arc<ImageFile>,
    frame: usize,
    instance: ImageInstance,
    groups: &Groups,
    remarks: &mut Vec<String>,
) -> Result<Image, String> {
    let lacks = |what: &str| format!("it has no {what}, so its place in the patient is unknown; left out");
    let position: [f64; 3] = groups
        .group(tags::PLANE_POSITION_SEQUENCE)
        .and_then(|group| group.array(tags::IMAGE_POSITION_PATIENT))
        .ok_or_else(|| lacks("ImagePositionPatient"))?;
    let orientation: [f64; 6] = groups
        .group(tags::PLANE_ORIENTATION_SEQUENCE)
        .and_then(|group| group.array(tags::IMAGE_ORIENTATION_PATIENT))
        .ok_or_else(|| lacks("ImageOrientationPatient"))?;
    let [row_spacing, column_spacing]: [f64; 2] = groups
        .group(tags::PIXEL_MEASURES_SEQUENCE)
        .and_then(|group| group.array(tags::PIXEL_SPACING))
        .ok_or_else(|| lacks("PixelSpacing"))?;
    if row_spacing <= 0.0 || column_spacing <= 0.0 {
        return Err("its PixelSpacing is not positive; left out".into());
    }
    let (row, column) = directions(orientation)?;
    let transformation = groups.group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
    let slope = transformation.and_then(|group| group.float(tags::RESCALE_SLOPE));
    let intercept = transformation.and_then(|group| group.float(tags::RESCALE_INTERCEPT));
    let rescale = Rescale { slope: slope.unwrap_or(1.0), intercept: intercept.unwrap_or(0.0) };
    if !rescale.slope.is_finite() || rescale.slope == 0.0 || !rescale.intercept.is_finite() {
        return Err(format!("its RescaleSlope is {}, which gives no values; left out", rescale.slope));
    }
    if intercept.is_none() && groups.object.text(tags::MODALITY).as_deref() == Some("CT") {
        remarks.push("it has no RescaleIntercept; its stored values are taken as HU".to_owned());
    }
    let number = groups.object.integer(tags::INSTANCE_NUMBER);
    Ok(Image {
        file: Arc::clone(file),
        frame,
        instance,
        origin_mm: Point3::from(position),
        row,
        column,
        spacing_mm: [column_spacing, row_spacing],
        rescale,
        stack: stack_keys(groups),
        number,
    })
}

/// Orthogonal unit vectors from Image Orientation Patient.
pub(super) fn directions(cosines: [f64; 6]) -> Result<(Vector3, Vector3), String> {
    let (row, column) =
        (Vector3::from_column_slice(&cosines[..3]), Vector3::from_column_slice(&cosines[3..]));
    let wrong = || "its ImageOrientationPatient is not two perpendicular unit vectors; left out".to_owned();
    let unit = |v: Vector3| {
        let norm = v.norm();
        // Exact cosines stay as they are.
        ((norm - 1.0).abs() < 0.02).then(|| if (norm - 1.0).abs() < 1e-12 { v } else { v / norm })
    };
    let (row, column) = (unit(row).ok_or_else(wrong)?, unit(column).ok_or_else(wrong)?);
    let cosine = row.dot(&column);
    if cosine.abs() > 0.01 {
        return Err(wrong());
    }
    if cosine == 0.0 {
        return Ok((row, column));
    }
    let column = unit(column - row * cosine).ok_or_else(wrong)?;
    Ok((row, column))
}

fn stack_keys(groups: &Groups) -> [Option<String>; STACK_KEYS.len()] {
    let object = groups.object;
    let Some(frame) = groups.frame else {
        return [
            object.text(tags::ACQUISITION_NUMBER),
            object.text(tags::TEMPORAL_POSITION_IDENTIFIER),
            object.text(tags::ECHO_NUMBERS).or_else(|| object.text(tags::ECHO_TIME)),
            object.text(tags::DIFFUSION_B_VALUE),
            object.text(tags::TRIGGER_TIME).or_else(|| object.text(tags::FRAME_REFERENCE_TIME)),
            object.text(tags::IMAGE_TYPE),
            None,
            object.text(tags::CONVOLUTION_KERNEL),
        ];
    };
    let of = |sequence: Tag, tag: Tag| {
        frame
            .first_item(sequence)
            .or_else(|| groups.shared.and_then(|item| item.first_item(sequence)))
            .and_then(|item| item.text(tag))
    };
    [
        of(tags::FRAME_CONTENT_SEQUENCE, tags::FRAME_ACQUISITION_NUMBER),
        of(tags::FRAME_CONTENT_SEQUENCE, tags::TEMPORAL_POSITION_INDEX),
        of(tags::MR_ECHO_SEQUENCE, tags::EFFECTIVE_ECHO_TIME),
        of(tags::MR_DIFFUSION_SEQUENCE, tags::DIFFUSION_B_VALUE),
        None,
        frame_type(groups),
        of(tags::FRAME_CONTENT_SEQUENCE, tags::STACK_ID),
        of(tags::CT_RECONSTRUCTION_SEQUENCE, tags::CONVOLUTION_KERNEL),
    ]
}

/// Frame Type of a frame of an enhanced image.
fn frame_type(groups: &Groups) -> Option<String> {
    groups.frame?;
    [tags::MR_IMAGE_FRAME_TYPE_SEQUENCE, tags::CT_IMAGE_FRAME_TYPE_SEQUENCE, tags::PET_FRAME_TYPE_SEQUENCE]
        .into_iter()
        .find_map(|sequence| groups.group(sequence)?.text(tags::FRAME_TYPE))
}

fn is_localizer_frame(groups: &Groups) -> bool {
    frame_type(groups).is_some_and(|text| names_localizer(&text))
}

fn is_localizer(object: &InMemDicomObject) -> bool {
    object.text(tags::IMAGE_TYPE).is_some_and(|text| names_localizer(&text))
}

fn names_localizer(image_type: &str) -> bool {
    image_type.split('\\').any(|term| matches!(term.trim(), "LOCALIZER" | "SCOUT"))
}

/// How samples are stored, which may have either of the `supported` numbers of bits.
pub(super) fn sample_format(object: &InMemDicomObject, supported: [u16; 2]) -> Result<SampleFormat, String> {
    let number = |tag: Tag| object.integer(tag).and_then(|n| u16::try_from(n).ok());
    let bits_allocated = number(tags::BITS_ALLOCATED).ok_or("it has no BitsAllocated; left out")?;
    if !supported.contains(&bits_allocated) {
        let [few, many] = supported;
        return Err(format!(
            "its {bits_allocated}-bit samples are not supported ({few} and {many} are); left out"
        ));
    }
    let bits_stored = number(tags::BITS_STORED).unwrap_or(bits_allocated);
    if bits_stored == 0 || bits_stored > bits_allocated {
        return Err(format!("it stores {bits_stored} bits in {bits_allocated}; left out"));
    }
    let high_bit = number(tags::HIGH_BIT).unwrap_or(bits_stored - 1);
    if high_bit >= bits_allocated || high_bit + 1 < bits_stored {
        return Err(format!("its HighBit {high_bit} does not fit {bits_stored} stored bits; left out"));
    }
    let signed = number(tags::PIXEL_REPRESENTATION) == Some(1);
    Ok(SampleFormat { bits_allocated, bits_stored, shift: high_bit + 1 - bits_stored, signed })
}

/// Pixel Padding Value and Range Limit (PS3.3 C.7.5.1.1.2). Both are of VR US or SS after Pixel
/// Representation, but files are met where a signed value stands as US.
fn padding(object: &InMemDicomObject, format: SampleFormat) -> Option<(i32, i32)> {
    let stored = |tag: Tag| {
        let value = object.integer(tag)?;
        let low = i32::try_from(value & 0xFFFF).ok()?;
        Some(if format.signed && low > 0x7FFF { low - 0x1_0000 } else { low })
    };
    let value = stored(tags::PIXEL_PADDING_VALUE)?;
    let limit = stored(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(value);
    Some((value.min(limit), value.max(limit)))
}

/// Refuses pixel data that is too short for its frames.
pub(super) fn check_length(file: &ImageFile) -> Result<(), String> {
    match &file.pixels {
        PixelLocation::Native { length, .. } => {
            let needed = (file.frame_bytes() as u64).saturating_mul(file.frames as u64);
            if *length < needed {
                return Err(format!(
                    "its pixel data is truncated ({length} of {needed} bytes); copy it again from its source; left out"
                ));
            }
        }
        PixelLocation::Encapsulated { fragments, .. } => {
            if fragments.len() < file.frames {
                return Err(format!(
                    "its pixel data is truncated ({} fragments for {} frames); copy it again from its source; left out",
                    fragments.len(),
                    file.frames
                ));
            }
            // Even an empty slice of a fair size takes some bytes; a header that promises
            // gigabytes from nothing costs no memory.
            let stored: u64 = fragments.iter().map(|(_, length)| u64::from(*length)).sum();
            let most = stored.saturating_mul(2000).saturating_add((file.frames as u64) << 20);
            if (file.frame_bytes() as u64).saturating_mul(file.frames as u64) > most {
                return Err(format!(
                    "its {} x {} x {} samples cannot come from {stored} bytes of compressed data; left out",
                    file.columns, file.rows, file.frames
                ));
            }
        }
    }
    Ok(())
}

pub(super) fn uid(object: &InMemDicomObject, tag: Tag) -> Uid {
    object.text_or_empty(tag).into()
}

/// Who, from the Patient module. The bundled sample patient tells itself by its maker and its ID.
pub(super) fn patient_info(object: &InMemDicomObject) -> PatientInfo {
    let id = object.text_or_empty(tags::PATIENT_ID);
    PatientInfo {
        name: object.text_or_empty(tags::PATIENT_NAME),
        birth_date: object.text_or_empty(tags::PATIENT_BIRTH_DATE),
        sex: object.text_or_empty(tags::PATIENT_SEX),
        synthetic: id.starts_with("SAMPLE-") && object.text(tags::MANUFACTURER).as_deref() == Some("Delineo"),
        id,
    }
}

/// Modality, or what the SOP class says where that is missing.
pub(super) fn modality_code(object: &InMemDicomObject) -> String {
    object.text(tags::MODALITY).unwrap_or_else(|| {
        let code = match object.text_or_empty(tags::SOP_CLASS_UID).as_str() {
            uids::CT_IMAGE_STORAGE | uids::ENHANCED_CT_IMAGE_STORAGE => "CT",
            uids::MR_IMAGE_STORAGE | uids::ENHANCED_MR_IMAGE_STORAGE => "MR",
            uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE | uids::ENHANCED_PET_IMAGE_STORAGE => "PT",
            _ => "",
        };
        code.to_owned()
    })
}

fn series_info(object: &InMemDicomObject) -> SeriesInfo {
    let equipment: Vec<String> = [tags::MANUFACTURER, tags::MANUFACTURER_MODEL_NAME]
        .into_iter()
        .filter_map(|tag| object.text(tag))
        .collect();
    SeriesInfo {
        patient: patient_info(object),
        study: StudyInfo {
            uid: object.text_or_empty(tags::STUDY_INSTANCE_UID),
            id: object.text_or_empty(tags::STUDY_ID),
            date: object.text_or_empty(tags::STUDY_DATE),
            time: object.text_or_empty(tags::STUDY_TIME),
            description: object.text_or_empty(tags::STUDY_DESCRIPTION),
            accession_number: object.text_or_empty(tags::ACCESSION_NUMBER),
            referring_physician: object.text_or_empty(tags::REFERRING_PHYSICIAN_NAME),
        },
        uid: uid(object, tags::SERIES_INSTANCE_UID),
        modality: Modality::from_code(&modality_code(object)),
        description: object.text_or_empty(tags::SERIES_DESCRIPTION),
        number: object.integer(tags::SERIES_NUMBER).and_then(|n| i32::try_from(n).ok()),
        frame_of_reference_uid: object.text(tags::FRAME_OF_REFERENCE_UID).map(Into::into),
        patient_position: object.text(tags::PATIENT_POSITION),
        equipment: equipment.join(" "),
    }
}
