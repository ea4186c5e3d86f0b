//! Elements that careless writers leave: private sequences, VRs that are none, lengths that lie,
//! texts in every character set, structure sets without their meta elements.

use crate::builder::{Image, field, item, sequence, text};
use crate::{assert_warned, read_only, scanned};
use delineo::dicom::{ReadRtstructError, read_rtstruct, scan};
use delineo::progress::Progress;
use dicom::core::{DataElement, PrimitiveValue, VR};
use dicom::dictionary_std::{tags, uids};
use dicom::object::{FileMetaTableBuilder, InMemDicomObject};
use std::path::{Path, PathBuf};
use tempfile::tempdir;

/// The start of an element: tag, VR and what follows.
fn element(group: u16, number: u16, rest: &[&[u8]]) -> Vec<u8> {
    [&group.to_le_bytes()[..], &number.to_le_bytes(), rest.concat().as_slice()].concat()
}

fn long(length: u32) -> [u8; 4] {
    length.to_le_bytes()
}

const UNDEFINED: [u8; 4] = [0xFF; 4];

/// A private creator and what it vouches for.
fn private(rest: &[&[u8]]) -> Vec<u8> {
    let creator = element(0x0009, 0x0010, &[b"LO", &[4, 0], b"TEST"]);
    [creator, element(0x0009, 0x1001, rest)].concat()
}

/// A sequence of one item, both of undefined length, from its header's VR on.
fn undefined(vr: &[u8], inner: &[u8]) -> Vec<u8> {
    [
        vr,
        &UNDEFINED,
        &element(0xFFFE, 0xE000, &[&UNDEFINED]),
        inner,
        &element(0xFFFE, 0xE00D, &[&[0; 4]]),
        &element(0xFFFE, 0xE0DD, &[&[0; 4]]),
    ]
    .concat()
}

/// Two slices with `bytes` before Patient's Name, in explicit VR.
fn write_with(folder: &Path, bytes: &[u8]) {
    for n in 0..2 {
        let path = Image::at_z(f64::from(n)).filled(field).write(folder, &format!("s{n}.dcm"));
        let whole = std::fs::read(&path).unwrap();
        let at = whole.windows(6).position(|six| six == b"\x10\0\x10\0PN").unwrap();
        std::fs::write(&path, [&whole[..at], bytes, &whole[at..]].concat()).unwrap();
    }
}

fn assert_reads_with(what: &str, bytes: &[u8]) {
    let folder = tempdir().unwrap();
    write_with(folder.path(), bytes);
    let read = read_only(folder.path());
    assert_eq!(read.series.volume.grid.dims(), [4, 3, 2], "{what}");
    assert_eq!(read.series.info.patient.name, "Test^Patient", "{what}");
    assert_eq!(read.warnings, [], "{what}");
}

#[test]
fn private_sequences_are_passed_over() {
    let implicit = element(0x0008, 0x0104, &[&long(4), b"abcd"]);
    let explicit = element(0x0008, 0x0104, &[b"LO", &[4, 0], b"abcd"]);
    assert_reads_with("UN coded implicitly", &private(&[&undefined(b"UN\0\0", &implicit)]));
    assert_reads_with("UN coded explicitly", &private(&[&undefined(b"UN\0\0", &explicit)]));
    assert_reads_with("SQ", &private(&[&undefined(b"SQ\0\0", &explicit)]));
    assert_reads_with("SQ of some length", &private(&[b"SQ\0\0", &long(12), b"not an item!"]));
    let nested = element(0x0009, 0x1002, &[&undefined(b"UN\0\0", &implicit)]);
    let public = element(0x0008, 0x1140, &[&undefined(b"SQ\0\0", &nested)]);
    assert_reads_with("within a sequence", &public);
    let item = element(0xFFFE, 0xE000, &[&long(u32::try_from(nested.len()).unwrap()), &nested]);
    let length = long(u32::try_from(item.len()).unwrap());
    assert_reads_with(
        "within a sequence of some length",
        &element(0x0008, 0x1140, &[b"SQ\0\0", &length, &item]),
    );
}

#[test]
fn elements_without_a_vr_are_passed_over() {
    assert_reads_with("??", &private(&[b"??", &[4, 0], b"abcd"]));
    assert_reads_with("XX", &private(&[b"XX", &[4, 0], b"abcd"]));
    assert_reads_with("none", &private(&[&long(4), b"abcd"]));
    let implicit = element(0x0008, 0x0104, &[&long(4), b"abcd"]);
    assert_reads_with("none, undefined", &private(&[&undefined(b"", &implicit)]));
    assert_reads_with("public", &element(0x0008, 0x1111, &[b"??", &[4, 0], b"abcd"]));
}

#[test]
fn an_icon_in_fragments_is_passed_over() {
    let fragments = [
        element(0xFFFE, 0xE000, &[&long(0)]),
        element(0xFFFE, 0xE000, &[&long(6), b"\xFF\xD8JPEG"]),
        element(0xFFFE, 0xE0DD, &[&long(0)]),
    ]
    .concat();
    let icon = element(0x7FE0, 0x0010, &[b"OB\0\0", &UNDEFINED, &fragments]);
    assert_reads_with("icon", &element(0x0009, 0x0200, &[&undefined(b"SQ\0\0", &icon)]));
    assert_reads_with("icon", &element(0x0008, 0x1140, &[&undefined(b"SQ\0\0", &icon)]));
}

#[test]
fn a_length_beyond_its_sequence_is_damage_and_costs_no_memory() {
    let folder = tempdir().unwrap();
    let inner = element(0x0008, 0x1155, &[b"OB\0\0", &long(200), b"abcd"]);
    let item = element(0xFFFE, 0xE000, &[&long(u32::try_from(inner.len()).unwrap()), &inner]);
    let length = long(u32::try_from(item.len()).unwrap());
    write_with(folder.path(), &element(0x0008, 0x1140, &[b"SQ\0\0", &length, &item]));
    let error = scan(&[folder.path().to_owned()], &Progress::new()).unwrap_err().to_string();
    assert!(error.contains("(0008,1155) is longer than the sequence"), "{error}");
}

#[test]
fn names_of_several_character_sets_are_read_together() {
    let folder = tempdir().unwrap();
    let name: &[u8] = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B";
    let path = Image::at_z(0.0)
        .with(text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "\\ISO 2022 IR 87"))
        .with(text(tags::PATIENT_NAME, VR::PN, &"?".repeat(name.len())))
        .write(folder.path(), "one.dcm");
    replace(&path, &b"?".repeat(name.len()), name);
    assert_eq!(read_only(folder.path()).series.info.patient.name, "Yamada^Tarou=山田^太郎");
}

#[test]
fn text_of_an_unknown_character_set_is_replaced_and_said() {
    for syntax in [uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::IMPLICIT_VR_LITTLE_ENDIAN] {
        let folder = tempdir().unwrap();
        let image = Image { transfer_syntax: syntax, ..Image::at_z(0.0) };
        let path = image
            .with(text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100"))
            .with(text(tags::PATIENT_NAME, VR::PN, "M\u{FC}ller"))
            .write(folder.path(), "one.dcm");
        replace(&path, b"ISO_IR 100", b"ISO_IR 999");
        assert_eq!(read_only(folder.path()).series.info.patient.name, "M\u{FFFD}ller");
        assert_warned(&scanned(folder.path()).warnings, "one.dcm", "ISO_IR 999");
    }
}

fn replace(path: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    std::fs::write(path, bytes).unwrap();
}

/// A structure set of one square.
fn structure_set() -> InMemDicomObject {
    let contour = item(vec![
        text(tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, "CLOSED_PLANAR"),
        text(tags::CONTOUR_DATA, VR::DS, "0\\0\\5\\8\\0\\5\\8\\8\\5\\0\\8\\5"),
    ]);
    item(vec![
        text(tags::SOP_CLASS_UID, VR::UI, uids::RT_STRUCTURE_SET_STORAGE),
        text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.77"),
        text(tags::MODALITY, VR::CS, "RTSTRUCT"),
        text(tags::PATIENT_ID, VR::LO, "T1"),
        text(tags::STRUCTURE_SET_LABEL, VR::SH, "Plan"),
        sequence(
            tags::STRUCTURE_SET_ROI_SEQUENCE,
            vec![item(vec![
                text(tags::ROI_NUMBER, VR::IS, "1"),
                text(tags::ROI_NAME, VR::LO, "Heart"),
                text(tags::REFERENCED_FRAME_OF_REFERENCE_UID, VR::UI, "1.2.3.9"),
            ])],
        ),
        sequence(
            tags::ROI_CONTOUR_SEQUENCE,
            vec![item(vec![
                text(tags::REFERENCED_ROI_NUMBER, VR::IS, "1"),
                sequence(tags::CONTOUR_SEQUENCE, vec![contour]),
            ])],
        ),
        sequence(
            tags::RTROI_OBSERVATIONS_SEQUENCE,
            vec![item(vec![text(tags::REFERENCED_ROI_NUMBER, VR::IS, "1")])],
        ),
    ])
}

fn write_structures(folder: &Path, name: &str, transfer_syntax: &str) -> PathBuf {
    let path = folder.join(name);
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(transfer_syntax)
        .media_storage_sop_class_uid(uids::RT_STRUCTURE_SET_STORAGE)
        .media_storage_sop_instance_uid("1.2.3.77");
    structure_set().with_meta(meta).unwrap().write_to_file(&path).unwrap();
    path
}

/// Where the data set begins: at SOP Class UID.
fn data_set(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|four| four == [8, 0, 0x16, 0]).unwrap()
}

#[test]
fn structure_sets_are_read_as_tolerantly_as_images() {
    let folder = tempdir().unwrap();
    let explicit = write_structures(folder.path(), "explicit.dcm", uids::EXPLICIT_VR_LITTLE_ENDIAN);
    let implicit = write_structures(folder.path(), "implicit.dcm", uids::IMPLICIT_VR_LITTLE_ENDIAN);
    let wanted = read_rtstruct(&explicit, None).unwrap();
    assert_eq!(wanted.set.rois[0].name, "Heart");
    assert_eq!(wanted.set.rois[0].planes.len(), 1);
    let [explicit, implicit] = [explicit, implicit].map(|path| std::fs::read(path).unwrap());
    let odd = folder.path().join("odd");
    for bytes in [
        explicit[data_set(&explicit)..].to_vec(),
        implicit[data_set(&implicit)..].to_vec(),
        // An implicit data set under an explicit name, and the reverse.
        [&explicit[..data_set(&explicit)], &implicit[data_set(&implicit)..]].concat(),
        [&implicit[..data_set(&implicit)], &explicit[data_set(&explicit)..]].concat(),
    ] {
        std::fs::write(&odd, bytes).unwrap();
        let read = read_rtstruct(&odd, None).unwrap();
        assert_eq!((read.set, read.warnings.len()), (wanted.set.clone(), wanted.warnings.len()));
    }
}

#[test]
fn a_structure_set_cut_short_is_an_error_with_its_name() {
    let folder = tempdir().unwrap();
    for syntax in [uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::IMPLICIT_VR_LITTLE_ENDIAN] {
        let path = write_structures(folder.path(), "cut.dcm", syntax);
        let whole = std::fs::read(&path).unwrap();
        let contours = whole.windows(4).position(|four| four == [6, 0x30, 0x39, 0]).unwrap();
        let observations = whole.windows(4).position(|four| four == [6, 0x30, 0x80, 0]).unwrap();
        for length in (contours + 1..observations).chain(observations + 1..whole.len()) {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read_rtstruct(&path, None).unwrap_err();
            assert!(matches!(error, ReadRtstructError::Unreadable { .. }), "{length} {error}");
            let error = error.to_string();
            assert!(error.contains("truncated") && error.ends_with("cut.dcm"), "{length} {error}");
        }
    }
}

#[test]
fn a_text_too_long_for_its_length_is_shortened() {
    let folder = tempdir().unwrap();
    let comment = "\u{FC}".repeat(60_000);
    Image::at_z(0.0)
        .with(text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100"))
        .with(DataElement::new(tags::IMAGE_COMMENTS, VR::LT, PrimitiveValue::from(comment)))
        .write(folder.path(), "one.dcm");
    assert_eq!(read_only(folder.path()).series.info.patient.name, "Test^Patient");
}
