//! Samples: signs, bits, rescaling, padding, transfer syntaxes, PET units.

use crate::builder::{Image, decimals, field, item, sequence, short, text};
use crate::{assert_warned, fractional, read_only, scanned, whole};
use delineo::dicom::{ReadSeriesError, read_series};
use delineo::patient::{OUTSIDE_I16, Unit, Voxels};
use delineo::progress::Progress;
use dicom::core::{DataElement, PrimitiveValue, VR};
use dicom::dictionary_std::{tags, uids};
use std::path::Path;
use std::process::Command;
use tempfile::tempdir;

/// The twelve values that are read back from one slice of these cells.
fn values_of(image: &Image) -> Voxels {
    let folder = tempdir().unwrap();
    image.write(folder.path(), "one.dcm");
    read_only(folder.path()).series.volume.voxels.clone()
}

fn cells(first: &[u16]) -> Vec<u16> {
    let mut cells = first.to_vec();
    cells.resize(12, first[0]);
    cells
}

#[test]
fn signs_and_bits() {
    let image = |bits, signed, first: &[u16]| Image {
        bits,
        signed,
        cells: cells(first),
        rescale: Some((1.0, 0.0)),
        ..Image::default()
    };
    assert_eq!(whole(&values_of(&image((16, 16, 15), true, &[0xFFFE, 7])))[..2], [-2, 7]);
    assert_eq!(whole(&values_of(&image((16, 12, 11), false, &[0xF123, 7])))[..2], [0x123, 7]);
    assert_eq!(whole(&values_of(&image((16, 12, 11), true, &[0x0FFE, 7])))[..2], [-2, 7]);
    assert_eq!(whole(&values_of(&image((16, 12, 15), false, &[0x1230, 7])))[..2], [0x123, 0]);
    assert_eq!(whole(&values_of(&image((8, 8, 7), false, &[0xFE, 7])))[..2], [254, 7]);
    assert_eq!(whole(&values_of(&image((8, 8, 7), true, &[0xFE, 7])))[..2], [-2, 7]);
}

#[test]
fn each_slice_has_its_own_rescale() {
    let folder = tempdir().unwrap();
    for n in 0..3_i32 {
        let rescale = Some((f64::from(n + 1), f64::from(-10 * n)));
        let image = Image { rescale, cells: vec![5; 12], ..Image::at_z(f64::from(n)) };
        image.write(folder.path(), &format!("s{n}"));
    }
    let voxels = read_only(folder.path()).series.volume.voxels.clone();
    let values = whole(&voxels);
    assert_eq!((values[0], values[12], values[24]), (5, 0, -5));
}

#[test]
fn fractions_and_wide_values_are_floats() {
    let fractions = Image { rescale: Some((0.5, 0.25)), cells: cells(&[3, 4]), ..Image::default() };
    assert_eq!(fractional(&values_of(&fractions))[..2], [1.75, 2.25]);
    let wide = Image { signed: false, cells: cells(&[60_000, 4]), ..Image::default() };
    assert_eq!(fractional(&values_of(&wide))[..2], [60_000.0, 4.0]);
}

#[test]
fn padding_and_values_below_air_are_outside_the_scan() {
    // As shared/data/chest: declared as an unsigned number for signed samples, and stored otherwise.
    let image = Image {
        rescale: Some((1.0, -1024.0)),
        cells: cells(&[(-2000_i16).cast_unsigned(), (-1024_i16).cast_unsigned(), 0, 1024]),
        ..Image::default()
    }
    .with(short(tags::PIXEL_PADDING_VALUE, 63536));
    assert_eq!(whole(&values_of(&image))[..4], [OUTSIDE_I16, OUTSIDE_I16, -1024, 0]);
    let range = Image { cells: cells(&[5, 6, 7, 8]), ..Image::default() }
        .with(short(tags::PIXEL_PADDING_VALUE, 5))
        .with(short(tags::PIXEL_PADDING_RANGE_LIMIT, 7));
    assert_eq!(whole(&values_of(&range))[..4], [OUTSIDE_I16, OUTSIDE_I16, OUTSIDE_I16, 8]);
    let fractions = Image { rescale: Some((0.5, 0.0)), ..image };
    let voxels = values_of(&fractions);
    assert!(voxels.value(0).is_none() && voxels.value(3) == Some(512.0));
    // MR has no air at -1024.
    let mr = Image { modality: "MR", cells: cells(&[(-3000_i16).cast_unsigned()]), ..Image::default() };
    assert_eq!(whole(&values_of(&mr))[0], -3000);
}

#[test]
fn padding_that_looks_like_tissue_is_said() {
    let folder = tempdir().unwrap();
    let image = Image { cells: cells(&[0, 40]), ..Image::default() };
    image.with(short(tags::PIXEL_PADDING_VALUE, 0)).write(folder.path(), "one.dcm");
    assert!(scanned(folder.path()).warnings.iter().any(|w| w.message.contains("PixelPaddingValue")));
}

#[test]
fn uncompressed_transfer_syntaxes() {
    let reference = Image::at_z(3.0).filled(field);
    let wanted = values_of(&reference);
    for transfer_syntax in [
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
        "1.2.840.10008.1.2.2",
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ] {
        let image = Image { transfer_syntax, ..reference.clone() };
        assert_eq!(values_of(&image), wanted, "{transfer_syntax}");
    }
}

#[test]
fn eight_bit_samples_in_big_endian_words_keep_their_order() {
    let wanted: Vec<u16> = (0..15).map(|n| n * 7).collect();
    let image = Image {
        transfer_syntax: "1.2.840.10008.1.2.2",
        size: [5, 3],
        bits: (8, 8, 7),
        signed: false,
        cells: wanted.clone(),
        ..Image::default()
    };
    let mut bytes: Vec<u8> = wanted.iter().map(|value| value.to_le_bytes()[0]).collect();
    bytes.push(0);
    let words: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let pixels = DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.into()));
    let voxels = values_of(&image.with(pixels));
    assert_eq!(whole(&voxels).iter().map(|value| value.cast_unsigned()).collect::<Vec<_>>(), wanted);
}

#[test]
fn a_file_without_preamble_is_read() {
    for transfer_syntax in [uids::IMPLICIT_VR_LITTLE_ENDIAN, uids::EXPLICIT_VR_LITTLE_ENDIAN] {
        let folder = tempdir().unwrap();
        let image = Image { transfer_syntax, ..Image::at_z(3.0).filled(field) };
        let path = image.write(folder.path(), "bare");
        // The data set alone: it begins with SOP Class UID.
        let bytes = std::fs::read(&path).unwrap();
        let start = bytes.windows(4).position(|four| four == [8, 0, 0x16, 0]).unwrap();
        std::fs::write(&path, &bytes[start..]).unwrap();
        assert_eq!(read_only(folder.path()).series.volume.voxels, values_of(&image), "{transfer_syntax}");
    }
}

#[test]
fn run_length_encoding_in_one_and_many_frames() {
    // Two byte planes of 12 samples: high bytes 1, low bytes 0..12.
    let mut stream = vec![0_u8; 64];
    stream[0] = 2;
    stream[4] = 64;
    stream[8] = 66;
    stream.extend([245, 1, 11]);
    stream.extend(0..12);
    stream.push(0);
    let image = Image { transfer_syntax: uids::RLE_LOSSLESS, ..Image::default() };
    let folder = tempdir().unwrap();
    image.write_encapsulated(folder.path(), "rle.dcm", vec![], vec![stream.clone()]);
    let wanted: Vec<i16> = (0..12).map(|n| 256 + n).collect();
    assert_eq!(whole(&read_only(folder.path()).series.volume.voxels), wanted);
    // A frame in two fragments.
    let folder = tempdir().unwrap();
    let (a, b) = stream.split_at(66);
    image.write_encapsulated(folder.path(), "two.dcm", vec![], vec![a.to_vec(), b.to_vec()]);
    assert_eq!(whole(&read_only(folder.path()).series.volume.voxels), wanted);
    // A stream cut short becomes an error that names the file.
    let folder = tempdir().unwrap();
    image.write_encapsulated(folder.path(), "cut.dcm", vec![], vec![stream[..70].to_vec()]);
    let library = scanned(folder.path());
    let error = read_series(&library.series[0], &Progress::new()).unwrap_err();
    assert!(matches!(&error, ReadSeriesError::NoSlice { path, .. } if path.ends_with("cut.dcm")), "{error}");
}

/// Encodes a file with one of DCMTK's programs; false when it is not installed.
fn encoded(program: &[&str], from: &Path, to: &Path) -> bool {
    let run = Command::new(program[0]).args(&program[1..]).arg(from).arg(to).output();
    let Ok(output) = run else {
        crate::skip::skipped(&format!("no {}", program[0]));
        return false;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

#[test]
fn compressed_transfer_syntaxes_agree_with_dcmtk() {
    let noisy = |n: usize| ((n * n * 37 + n * 11) % 4096) as u16;
    let unsigned = Image {
        size: [40, 30],
        bits: (16, 12, 11),
        signed: false,
        rescale: Some((1.0, -1024.0)),
        cells: (0..1200).map(noisy).collect(),
        ..Image::default()
    };
    let signed = Image {
        bits: (16, 16, 15),
        signed: true,
        rescale: Some((1.0, 0.0)),
        cells: (0..1200).map(|n| (noisy(n).cast_signed() - 1000).cast_unsigned()).collect(),
        ..unsigned.clone()
    };
    let eight = Image {
        bits: (8, 8, 7),
        rescale: Some((1.0, 0.0)),
        cells: (0..1200).map(|n| noisy(n) % 256).collect(),
        ..unsigned.clone()
    };
    for (name, image) in [("unsigned", &unsigned), ("signed", &signed), ("eight", &eight)] {
        let wanted = values_of(image);
        for program in
            [vec!["dcmcrle"], vec!["dcmcjpeg", "+e1"], vec!["dcmcjpeg", "+el", "+sv", "6"], vec!["dcmcjpls"]]
        {
            let folder = tempdir().unwrap();
            let source = image.write(folder.path(), "source");
            let target = folder.path().join("target.dcm");
            if encoded(&program, &source, &target) {
                std::fs::remove_file(source).unwrap();
                let read = read_only(folder.path());
                assert!(read.series.volume.voxels == wanted, "{name} {program:?}");
            }
        }
    }
    // Lossy: near, not equal.
    for image in [&unsigned, &eight] {
        let folder = tempdir().unwrap();
        let source = image.write(folder.path(), "source");
        if encoded(&["dcmcjpls", "+en", "+md", "3"], &source, &folder.path().join("target.dcm")) {
            std::fs::remove_file(source).unwrap();
            assert_eq!(
                largest_difference(&read_only(folder.path()).series.volume.voxels, &values_of(image)),
                3
            );
        }
    }
    let smooth = Image { cells: (0..1200).map(|n| (n % 40) as u16 * 5).collect(), ..eight };
    let folder = tempdir().unwrap();
    let source = smooth.write(folder.path(), "source");
    if encoded(&["dcmcjpeg", "+eb", "+q", "95"], &source, &folder.path().join("target.dcm")) {
        std::fs::remove_file(source).unwrap();
        let read = read_only(folder.path());
        assert!(largest_difference(&read.series.volume.voxels, &values_of(&smooth)) <= 4);
    }
}

fn largest_difference(a: &Voxels, b: &Voxels) -> i16 {
    whole(a).iter().zip(whole(b)).map(|(a, b)| (a - b).abs()).max().unwrap()
}

/// Sample n of 8 x 8 is 7 n^2 mod 4000, as OpenJPH (through imagecodecs 2026.3.6) encodes it.
const HIGH_THROUGHPUT: &[u8] = &[
    0xFF, 0x4F, 0xFF, 0x51, 0x00, 0x29, 0x40, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x08, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x0F, 0x01, 0x01, 0xFF, 0x50, 0x00, 0x08, 0x00, 0x02,
    0x00, 0x00, 0x00, 0x0A, 0xFF, 0x52, 0x00, 0x0C, 0x00, 0x02, 0x00, 0x01, 0x00, 0x05, 0x04, 0x04, 0x40,
    0x01, 0xFF, 0x5C, 0x00, 0x13, 0x20, 0x88, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
    0x90, 0x90, 0x88, 0x88, 0x88, 0xFF, 0x64, 0x00, 0x17, 0x00, 0x01, 0x4F, 0x70, 0x65, 0x6E, 0x4A, 0x50,
    0x48, 0x20, 0x56, 0x65, 0x72, 0x20, 0x30, 0x2E, 0x32, 0x36, 0x2E, 0x33, 0x2E, 0xFF, 0x90, 0x00, 0x0A,
    0x00, 0x00, 0x00, 0x00, 0x00, 0xB0, 0x00, 0x01, 0xFF, 0x93, 0xC0, 0x00, 0x26, 0x5F, 0xF6, 0x05, 0x07,
    0x74, 0x00, 0x00, 0x00, 0xC0, 0x00, 0x12, 0xC0, 0x00, 0x13, 0x40, 0x00, 0x13, 0x00, 0x7E, 0x02, 0x07,
    0x74, 0x00, 0x36, 0xFD, 0x03, 0x07, 0x74, 0x00, 0x3F, 0xF1, 0x03, 0x87, 0x74, 0x00, 0xC0, 0x00, 0x15,
    0x50, 0x00, 0x05, 0x54, 0x00, 0x01, 0x54, 0x98, 0x3C, 0x0A, 0x13, 0x40, 0xE0, 0x01, 0x86, 0xB4, 0x00,
    0x57, 0xD2, 0xE6, 0x6A, 0x83, 0xD5, 0x00, 0xE2, 0x94, 0x00, 0xA2, 0xE9, 0xF9, 0xF5, 0x71, 0x20, 0x00,
    0xE3, 0x94, 0x00, 0xC0, 0x00, 0x2D, 0xC8, 0x00, 0x05, 0xBB, 0x00, 0x00, 0xB4, 0x00, 0x0D, 0x04, 0x68,
    0xD0, 0xA0, 0x41, 0x03, 0x5A, 0x74, 0x20, 0x4F, 0x9E, 0x06, 0xD4, 0x2F, 0x40, 0xB4, 0xA1, 0x21, 0x8B,
    0x00, 0x48, 0xAA, 0x44, 0x20, 0x11, 0x98, 0x00, 0x7F, 0xE3, 0xE0, 0xFE, 0x66, 0xAE, 0xFE, 0xFE, 0xFD,
    0xFB, 0xD7, 0x00, 0x7C, 0x7C, 0x31, 0x2C, 0x78, 0xAE, 0x9E, 0x4A, 0x45, 0x9D, 0x25, 0x54, 0x88, 0xA0,
    0x19, 0x97, 0x00, 0xCF, 0x3B, 0xDF, 0xE7, 0x3F, 0xFF, 0x73, 0xBD, 0xF1, 0x0C, 0x28, 0xF5, 0xCA, 0x0F,
    0x77, 0x00, 0xFF, 0xD9, 0x00,
];

#[test]
fn high_throughput_jpeg_2000_is_read() {
    let image = Image {
        transfer_syntax: uids::HTJ2K_LOSSLESS,
        size: [8, 8],
        signed: false,
        cells: vec![0; 64],
        ..Image::default()
    };
    let folder = tempdir().unwrap();
    let path = image.write_encapsulated(folder.path(), "ht.dcm", vec![], vec![HIGH_THROUGHPUT.to_vec()]);
    let wanted: Vec<i16> = (0..64).map(|n| 7 * n * n % 4000).collect();
    assert_eq!(whole(&read_only(folder.path()).series.volume.voxels), wanted, "{}", path.display());
}

#[test]
fn an_unknown_compression_is_named_with_a_remedy() {
    let folder = tempdir().unwrap();
    let image = Image { transfer_syntax: uids::RLE_LOSSLESS, ..Image::default() };
    let path = image.write_encapsulated(folder.path(), "hidden.dcm", vec![], vec![vec![0; 64]]);
    // A transfer syntax that does not exist, patched in with its length kept.
    let bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(19).position(|w| w == b"1.2.840.10008.1.2.5").unwrap();
    let mut patched = bytes.clone();
    patched[at..at + 19].copy_from_slice(b"1.2.840.10008.1.2.9");
    std::fs::write(&path, patched).unwrap();
    let library = scanned(folder.path());
    assert_warned(&library.warnings, "hidden.dcm", "1.2.840.10008.1.2.9");
    let error = read_series(&library.series[0], &Progress::new()).unwrap_err().to_string();
    assert!(error.contains("convert") && error.contains("hidden.dcm"), "{error}");
}

#[test]
fn one_unreadable_slice_is_missing_not_fatal() {
    let folder = tempdir().unwrap();
    let stream = {
        let mut stream = vec![0_u8; 64];
        stream[0] = 2;
        stream[4] = 64;
        stream[8] = 66;
        stream.extend([245, 0, 245, 7]);
        stream
    };
    for n in 0..4 {
        let image = Image { transfer_syntax: uids::RLE_LOSSLESS, ..Image::at_z(f64::from(n)) };
        let fragment = if n == 2 { vec![9; 80] } else { stream.clone() };
        image.write_encapsulated(folder.path(), &format!("s{n}.dcm"), vec![], vec![fragment]);
    }
    let read = read_only(folder.path());
    assert_warned(&read.warnings, "s2.dcm", "RLE data is damaged");
    let volume = &read.series.volume;
    let missing: Vec<bool> = volume.slices.iter().map(|slice| slice.missing).collect();
    assert_eq!(missing, [false, false, true, false]);
    assert_eq!((whole(&volume.voxels)[12], whole(&volume.voxels)[24]), (7, OUTSIDE_I16));
}

/// A PET slice with everything SUV needs: 70 kg, 350e6 Bq an hour before the scan.
fn pet(decay_correction: &str) -> Image {
    let dose = item(vec![
        text(tags::RADIOPHARMACEUTICAL_START_TIME, VR::TM, "120000"),
        decimals(tags::RADIONUCLIDE_TOTAL_DOSE, &[350e6]),
        decimals(tags::RADIONUCLIDE_HALF_LIFE, &[6588.0]),
    ]);
    Image {
        modality: "PT",
        sop_class: uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE,
        rescale: Some((2.5, 0.0)),
        cells: vec![2000; 12],
        ..Image::default()
    }
    .with(text(tags::UNITS, VR::CS, "BQML"))
    .with(text(tags::CORRECTED_IMAGE, VR::CS, "NORM\\ATTN\\SCAT\\DECY"))
    .with(text(tags::DECAY_CORRECTION, VR::CS, decay_correction))
    .with(decimals(tags::PATIENT_WEIGHT, &[70.0]))
    .with(text(tags::SERIES_DATE, VR::DA, "20240305"))
    .with(text(tags::SERIES_TIME, VR::TM, "130000"))
    .with(text(tags::ACQUISITION_DATE, VR::DA, "20240305"))
    .with(text(tags::ACQUISITION_TIME, VR::TM, "130000.00"))
    .with(sequence(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![dose]))
}

fn pet_value(image: &Image) -> (Unit, f32, Vec<String>) {
    let folder = tempdir().unwrap();
    for n in 0..2 {
        let mut slice = image.clone();
        slice.origin[2] = f64::from(n);
        slice.write(folder.path(), &format!("s{n}"));
    }
    let read = read_only(folder.path());
    let messages = read.warnings.iter().map(|warning| warning.message.clone()).collect();
    (read.series.volume.unit, fractional(&read.series.volume.voxels)[0], messages)
}

#[test]
fn pet_becomes_suv_through_files() {
    let (unit, value, warnings) = pet_value(&pet("START"));
    let wanted = 5000.0 * 70_000.0 / (350e6 * 0.5_f64.powf(3600.0 / 6588.0));
    assert_eq!(unit, Unit::SuvBw);
    assert!((f64::from(value) / wanted - 1.0).abs() < 1e-6, "{value} for {wanted}");
    assert_eq!(warnings, Vec::<String>::new());
    let (unit, value, _) = pet_value(&pet("ADMIN"));
    assert_eq!((unit, value), (Unit::SuvBw, 1.0));
}

#[test]
fn pet_that_states_no_corrections_stays_in_becquerels() {
    let mut silent = pet("START");
    silent.extra.retain(|element| element.header().tag != tags::CORRECTED_IMAGE);
    let (unit, _, warnings) = pet_value(&silent);
    assert_eq!(unit, Unit::BqPerMl);
    assert!(warnings.iter().any(|warning| warning.contains("CorrectedImage is missing")), "{warnings:?}");
}

#[test]
fn inverted_pictures_keep_their_values_and_say_so() {
    let folder = tempdir().unwrap();
    let inverted = text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
    Image { cells: (0..12).collect(), ..Image::default() }.with(inverted).write(folder.path(), "one.dcm");
    let read = read_only(folder.path());
    assert_eq!(whole(&read.series.volume.voxels), (0..12).collect::<Vec<i16>>());
    assert_warned(&scanned(folder.path()).warnings, "one.dcm", "MONOCHROME1");
}

/// RLE of 12 words: two segments, the high bytes 1, the low bytes 0 to 11.
fn rle_of_twelve() -> Vec<u8> {
    let mut header = [0_u32; 16];
    header[..3].copy_from_slice(&[2, 64, 66]);
    let mut stream: Vec<u8> = header.iter().flat_map(|n| n.to_le_bytes()).collect();
    // A run of 12 ones, then 12 literal bytes.
    stream.extend([(257_u16 - 12) as u8, 1, 11]);
    stream.extend(0..12);
    stream.push(0);
    stream
}

#[test]
fn compressed_pixels_cut_short_are_a_missing_slice() {
    let folder = tempdir().unwrap();
    let write = |n: u32| {
        let image = Image { transfer_syntax: uids::RLE_LOSSLESS, ..Image::at_z(3.0 * f64::from(n)) };
        // Two fragments: cut before the second, or before the delimiter, the file ends at a fragment's end.
        let stream = rle_of_twelve();
        let (a, b) = stream.split_at(66);
        image.write_encapsulated(folder.path(), &format!("s{n}.dcm"), vec![], vec![a.to_vec(), b.to_vec()])
    };
    let paths: Vec<_> = (0..10).map(write).collect();
    assert_eq!(scanned(folder.path()).series[0].missing_count(), 0);
    for (n, cut) in [(3, 8), (6, 8 + 8 + 14)] {
        let bytes = std::fs::read(&paths[n]).unwrap();
        std::fs::write(&paths[n], &bytes[..bytes.len() - cut]).unwrap();
    }
    let library = scanned(folder.path());
    for name in ["s3.dcm", "s6.dcm"] {
        assert_warned(&library.warnings, name, "truncated");
    }
    assert_eq!((library.series[0].slice_count(), library.series[0].missing_count()), (8, 2));
}

#[test]
fn pet_without_a_weight_stays_in_becquerels() {
    let mut image = pet("START");
    image.extra.retain(|element| element.header().tag != tags::PATIENT_WEIGHT);
    let (unit, value, warnings) = pet_value(&image);
    assert_eq!((unit, value), (Unit::BqPerMl, 5000.0));
    assert!(warnings[0].contains("weight"), "{warnings:?}");
}

/// `image` with the injection moment as a DT text beside its time of day, and the images' offset.
fn injected_at(moment: &str, of_day: &str, offset: Option<&str>) -> Image {
    let mut image = pet("START");
    image.extra.retain(|element| element.header().tag != tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE);
    let dose = item(vec![
        text(tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, moment),
        text(tags::RADIOPHARMACEUTICAL_START_TIME, VR::TM, of_day),
        decimals(tags::RADIONUCLIDE_TOTAL_DOSE, &[350e6]),
        decimals(tags::RADIONUCLIDE_HALF_LIFE, &[6588.0]),
    ]);
    let image = image.with(sequence(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![dose]));
    match offset {
        Some(offset) => image.with(text(tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, offset)),
        None => image,
    }
}

#[test]
fn an_injection_in_another_time_zone_is_converted_or_refused() {
    let wanted = 5000.0 * 70_000.0 / (350e6 * 0.5_f64.powf(3600.0 / 6588.0));
    for image in [
        injected_at("20240305110000+0000", "120000", Some("+0100")),
        // The time of day beside it shows that the offset is of the images' own clock.
        injected_at("20240305120000+0100", "120000", None),
        injected_at("20240305120000", "120000", None),
    ] {
        let (unit, value, warnings) = pet_value(&image);
        assert_eq!(unit, Unit::SuvBw, "{warnings:?}");
        assert!((f64::from(value) / wanted - 1.0).abs() < 1e-6, "{value} for {wanted}");
    }
    let (unit, _, warnings) = pet_value(&injected_at("20240305110000+0000", "120000", None));
    assert_eq!(unit, Unit::BqPerMl);
    assert!(warnings[0].contains("TimezoneOffsetFromUTC"), "{warnings:?}");
}

#[test]
fn private_pet_attributes_are_found() {
    use dicom::core::Tag;
    let mut philips = pet("START");
    philips.extra.retain(|element| element.header().tag != tags::UNITS);
    let philips = philips
        .with(text(tags::UNITS, VR::CS, "CNTS"))
        .with(text(Tag(0x7053, 0x0010), VR::LO, "Philips PET Private Group"))
        .with(text(Tag(0x7053, 0x1000), VR::DS, "0.001"));
    for transfer_syntax in [uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::IMPLICIT_VR_LITTLE_ENDIAN] {
        let (unit, value, _) = pet_value(&Image { transfer_syntax, ..philips.clone() });
        assert_eq!((unit, value), (Unit::SuvBw, 5.0), "{transfer_syntax}");
    }
    // A series made later than the scan, with GE's own scan time ten minutes before acquisition.
    let mut ge = pet("START");
    ge.extra.retain(|element| element.header().tag != tags::SERIES_TIME);
    let ge = ge
        .with(text(tags::SERIES_TIME, VR::TM, "170000"))
        .with(text(Tag(0x0009, 0x0010), VR::LO, "GEMS_PETD_01"))
        .with(text(Tag(0x0009, 0x100D), VR::DT, "20240305125000.00"));
    let (unit, value, _) = pet_value(&ge);
    let wanted = 5000.0 * 70_000.0 / (350e6 * 0.5_f64.powf(3000.0 / 6588.0));
    assert_eq!(unit, Unit::SuvBw);
    assert!((f64::from(value) / wanted - 1.0).abs() < 1e-6);
}
