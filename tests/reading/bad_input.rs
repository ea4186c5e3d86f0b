//! What is broken, foreign or absent: a sentence with the file and the remedy, never a crash.

use crate::builder::{Image, field, short, text};
use crate::{assert_warned, read_only, scanned};
use delineo::dicom::{ReadSeriesError, ScanError, read_series, scan};
use delineo::progress::Progress;
use dicom::core::VR;
use dicom::dictionary_std::{tags, uids};
use std::path::Path;
use tempfile::tempdir;

fn scan_error(folder: &Path) -> ScanError {
    scan(&[folder.to_owned()], &Progress::new()).unwrap_err()
}

#[test]
fn nothing_to_read_is_said() {
    let folder = tempdir().unwrap();
    assert!(matches!(scan_error(folder.path()), ScanError::Empty(_)));
    assert!(matches!(scan_error(&folder.path().join("no")), ScanError::NotFound(_)));
    std::fs::write(folder.path().join("notes.txt"), "hello").unwrap();
    std::fs::write(folder.path().join("README"), "hello").unwrap();
    let error = scan_error(folder.path());
    assert!(matches!(error, ScanError::NoDicom { count: 2, .. }));
    assert!(error.to_string().ends_with(&folder.path().display().to_string()), "{error}");
}

#[test]
fn broken_and_foreign_files_beside_a_series_are_named() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for n in 0..5 {
        Image::at_z(f64::from(n)).filled(field).write(folder.path(), &format!("s{n}.dcm"));
    }
    let good = std::fs::read(at("s0.dcm")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(at(name), bytes).unwrap();
    write("cut-in-pixels.dcm", &good[..good.len() - 5]);
    write("cut-in-header.dcm", &good[..400]);
    write("cut-in-meta.dcm", &good[..150]);
    write("text.dcm", b"this is not DICOM");
    write("empty.dcm", b"");
    let mut garbage = good.clone();
    garbage[400..].fill(0xAB);
    write("garbage.dcm", &garbage);
    write("1.2.840.113619.2.55.17", b"");
    write("notes.txt", b"passed over");
    write("notes.t17", b"passed over");
    write("DICOMDIR", &good);
    let colour = Image::at_z(2.2).with(short(tags::SAMPLES_PER_PIXEL, 3));
    colour.write(folder.path(), "colour.dcm");
    let report = Image { modality: "SR", ..Image::at_z(2.4) };
    report.write(folder.path(), "report.dcm");
    let mut nowhere = Image::at_z(2.6).object("nowhere");
    nowhere.remove_element(tags::IMAGE_POSITION_PATIENT);
    let meta = dicom::object::FileMetaTableBuilder::new()
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
        .media_storage_sop_instance_uid("1.2.77");
    nowhere.with_meta(meta).unwrap().write_to_file(at("nowhere.dcm")).unwrap();
    let read = read_only(folder.path());
    assert_eq!(read.series.volume.grid.dims(), [4, 3, 5]);
    let warnings = scanned(folder.path()).warnings;
    assert_warned(&warnings, "cut-in-pixels.dcm", "truncated");
    assert_warned(&warnings, "cut-in-header.dcm", "truncated");
    assert_warned(&warnings, "cut-in-meta.dcm", "truncated");
    assert_warned(&warnings, "text.dcm", "not a DICOM file");
    assert_warned(&warnings, "empty.dcm", "not a DICOM file");
    assert_warned(&warnings, "garbage.dcm", "left out");
    assert_warned(&warnings, "colour.dcm", "colour");
    assert_warned(&warnings, "report.dcm", "SR");
    assert_warned(&warnings, "nowhere.dcm", "ImagePositionPatient");
    assert_warned(&warnings, "1.2.840.113619.2.55.17", "not a DICOM file");
    assert_eq!(warnings.len(), 10, "{warnings:#?}");
}

#[test]
fn a_truncated_file_alone_is_an_error_with_its_name() {
    let folder = tempdir().unwrap();
    let path = Image::at_z(0.0).filled(field).write(folder.path(), "alone.dcm");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
    let error = scan_error(&path).to_string();
    assert!(error.contains("truncated") && error.contains("copy it again"), "{error}");
    assert!(error.ends_with("alone.dcm"), "{error}");
}

#[test]
fn every_cut_and_every_flipped_byte_is_survived() {
    let folder = tempdir().unwrap();
    let path = Image::at_z(0.0).filled(field).write(folder.path(), "s.dcm");
    let good = std::fs::read(&path).unwrap();
    let outcome = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        if let Ok(library) = scan(std::slice::from_ref(&path), &Progress::new()) {
            for entry in &library.series {
                let _ = read_series(entry, &Progress::new());
            }
        }
    };
    for length in (0..good.len()).step_by(3) {
        outcome(&good[..length]);
    }
    for at in 128..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= [0x01, 0x80, 0xFF][at % 3];
        outcome(&bytes);
    }
}

#[test]
fn sizes_that_lie_cost_no_memory() {
    let folder = tempdir().unwrap();
    let image = Image::at_z(0.0).with(short(tags::ROWS, 65535)).with(short(tags::COLUMNS, 65535));
    image.write(folder.path(), "huge.dcm");
    let error = scan_error(folder.path()).to_string();
    assert!(error.contains("truncated"), "{error}");
    let packed = Image { transfer_syntax: uids::JPEG2000_LOSSLESS, ..image };
    packed.write_encapsulated(folder.path(), "huge.dcm", vec![], vec![vec![0; 4000]]);
    let error = scan_error(folder.path()).to_string();
    assert!(error.contains("cannot come from 4000 bytes"), "{error}");
    let frames = Image::at_z(0.0).with(text(tags::NUMBER_OF_FRAMES, VR::IS, "2000000000"));
    frames.write(folder.path(), "huge.dcm");
    assert!(matches!(scan_error(folder.path()), ScanError::NothingUsable { .. }));
}

#[test]
fn reading_can_be_cancelled() {
    let folder = tempdir().unwrap();
    for n in 0..4 {
        Image::at_z(f64::from(n)).write(folder.path(), &format!("s{n}.dcm"));
    }
    let library = scanned(folder.path());
    let progress = Progress::new();
    progress.cancel();
    assert!(matches!(scan(&[folder.path().to_owned()], &progress), Err(ScanError::Cancelled(_))));
    assert!(matches!(read_series(&library.series[0], &progress), Err(ReadSeriesError::Cancelled(_))));
}

#[test]
fn progress_ends_at_the_whole() {
    let folder = tempdir().unwrap();
    for n in 0..4 {
        Image::at_z(f64::from(n)).write(folder.path(), &format!("s{n}.dcm"));
    }
    let progress = Progress::new();
    let library = scan(&[folder.path().to_owned()], &progress.part(0.0, 0.5)).unwrap();
    assert_eq!(progress.fraction(), 0.5);
    read_series(&library.series[0], &progress.part(0.5, 1.0)).unwrap();
    assert_eq!(progress.fraction(), 1.0);
}
