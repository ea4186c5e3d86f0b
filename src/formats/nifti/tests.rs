use super::*;
use crate::geometry::{Point3, Vector3};
use std::io::Write as _;

/// A NIfTI-1 file with the sform rows `affine` (RAS).
fn file(
    name: &str,
    dims: [i16; 3],
    code: i16,
    affine: [[f32; 4]; 3],
    scale: (f32, f32),
    data: &[u8],
) -> tempfile::NamedTempFile {
    let mut bytes = vec![0_u8; 352];
    bytes[0..4].copy_from_slice(&348_i32.to_le_bytes());
    for (n, value) in [3, dims[0], dims[1], dims[2], 1, 1, 1, 1].into_iter().enumerate() {
        bytes[40 + 2 * n..42 + 2 * n].copy_from_slice(&value.to_le_bytes());
    }
    bytes[70..72].copy_from_slice(&code.to_le_bytes());
    bytes[108..112].copy_from_slice(&352.0_f32.to_le_bytes());
    bytes[112..116].copy_from_slice(&scale.0.to_le_bytes());
    bytes[116..120].copy_from_slice(&scale.1.to_le_bytes());
    bytes[254..256].copy_from_slice(&1_i16.to_le_bytes());
    for (row, values) in affine.iter().enumerate() {
        for (column, value) in values.iter().enumerate() {
            let at = 280 + 16 * row + 4 * column;
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
    }
    bytes[344..348].copy_from_slice(b"n+1\0");
    bytes.extend_from_slice(data);
    let mut file = tempfile::Builder::new().suffix(name).tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file
}

fn shorts(values: &[i16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

const LPS: [[f32; 4]; 3] = [[-2.0, 0.0, 0.0, 10.0], [0.0, -3.0, 0.0, 20.0], [0.0, 0.0, 4.0, -30.0]];

fn read(file: &tempfile::NamedTempFile) -> ReadImage {
    read_image(file.path(), &Progress::new()).unwrap()
}

#[test]
fn an_image_is_placed_in_lps() {
    let image = read(&file(".nii", [2, 1, 2], 4, LPS, (0.0, 0.0), &shorts(&[-1000, 40, -2000, 3])));
    let volume = &image.series.volume;
    assert_eq!(volume.grid.origin_mm(), Point3::new(-10.0, -20.0, -30.0));
    assert_eq!(volume.grid.patient_of([1.0, 1.0, 1.0]), Point3::new(-8.0, -17.0, -26.0));
    assert_eq!(volume.unit, Unit::Hu);
    assert_eq!(volume.voxels, Voxels::I16(vec![-1000, 40, OUTSIDE_I16, 3]));
    assert_eq!(volume.slices.len(), 2);
    assert!((volume.slices[1].plane.offset_mm() + 26.0).abs() < 1e-9);
}

#[test]
fn slices_against_the_normal_are_turned_round_and_written_back_so() {
    // Radiological storage: left-handed.
    let left_handed = [[2.0, 0.0, 0.0, 1.0], [0.0, -3.0, 0.0, 2.0], [0.0, 0.0, 4.0, -30.0]];
    let source = file(".nii", [1, 1, 3], 4, left_handed, (1.0, 0.0), &shorts(&[1, 2, 3]));
    let image = read(&source);
    let volume = &image.series.volume;
    assert_eq!(volume.voxels, Voxels::I16(vec![3, 2, 1]));
    assert_eq!(volume.grid.origin_mm(), Point3::new(-1.0, -2.0, -22.0));
    assert!(volume.grid.step_mm(2).dot(&volume.grid.slice_normal()) > 0.0);
    assert!(volume.slices.windows(2).all(|pair| pair[0].plane.offset_mm() < pair[1].plane.offset_mm()));

    let labels = LabelMap {
        grid: volume.grid.clone(),
        labels: vec![30, 20, 10],
        names: Vec::new(),
        unreviewed: false,
    };
    let target = tempfile::tempdir().unwrap();
    let path = target.path().join("labels.nii");
    write_labels(&labels, &path, Some(source.path()), "test").unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[352..], [10, 20, 30]);
    let back = read_labels(&path, &Progress::new()).unwrap();
    assert!(back.grid.is_same(&labels.grid, 1e-4));
    assert_eq!(back.labels, labels.labels);
}

#[test]
fn labels_survive_gzip_on_an_oblique_grid() {
    let turn = nalgebra::Rotation3::from_euler_angles(0.2, -0.5, 1.1);
    let steps = [turn * Vector3::x() * 0.9, turn * Vector3::y() * 1.2, turn * Vector3::z() * 2.5];
    let grid = Grid::new([3, 2, 2], Point3::new(12.5, -7.25, 101.0), steps).unwrap();
    let labels =
        LabelMap { grid, labels: (0..12).map(|n| n * 100).collect(), names: Vec::new(), unreviewed: false };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.nii.gz");
    write_labels(&labels, &path, None, "test").unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[..2], [0x1F, 0x8B]);
    let back = read_labels(&path, &Progress::new()).unwrap();
    assert!(back.grid.is_same(&labels.grid, 1e-3));
    assert_eq!(back.labels, labels.labels);
    // The quaternion says the same as the matrix.
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes[254..256].fill(0);
    std::fs::write(folder.path().join("q.nii"), &bytes).unwrap();
    let by_quaternion = read_labels(&folder.path().join("q.nii"), &Progress::new()).unwrap();
    assert!(by_quaternion.grid.is_same(&labels.grid, 1e-3));
}

#[test]
fn for_a_network_what_is_no_number_is_a_stored_zero() {
    let raw: Vec<u8> =
        [1.5, f32::NAN, f32::INFINITY, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let source = file(".nii", [2, 1, 2], 4, LPS, (2.0, 10.0), &raw);
    // Four bytes a number.
    let mut bytes = std::fs::read(source.path()).unwrap();
    (bytes[70], bytes[72]) = (16, 32);
    std::fs::write(source.path(), bytes).unwrap();
    let stored = read_stored(source.path(), &Progress::new()).unwrap();
    assert_eq!(stored.values, [13.0, 10.0, 10.0, 6.0]);
    let Voxels::F32(shown) = &read(&source).series.volume.voxels else { panic!("not whole numbers") };
    assert!(shown[1].is_nan(), "nothing was measured there");
}

#[test]
fn a_file_of_neither_orientation_says_so() {
    let source = file(".nii", [2, 1, 2], 4, LPS, (0.0, 0.0), &shorts(&[1, 2, 3, 4]));
    assert!(read_stored(source.path(), &Progress::new()).unwrap().oriented);
    let mut bytes = std::fs::read(source.path()).unwrap();
    bytes[254] = 0;
    std::fs::write(source.path(), &bytes).unwrap();
    let stored = read_stored(source.path(), &Progress::new()).unwrap();
    assert!(!stored.oriented && !stored.reversed);
    assert_eq!(stored.grid.patient_of([1.0, 0.0, 1.0]), Point3::new(-1.0, 0.0, 1.0));
}

#[test]
fn what_an_image_is_taken_for_is_said() {
    let said = |values: &[i16]| {
        let file = file(".nii", [2, 1, 2], 4, LPS, (0.0, 0.0), &shorts(values));
        let image = read(&file);
        let told: Vec<String> = image.warnings.iter().map(|warning| warning.message.clone()).collect();
        (image.series.volume.unit, told.join("; "))
    };
    let (unit, told) = said(&[-1000, 40, 0, 3]);
    assert!(unit == Unit::Hu && told.contains("taken as CT in HU") && told.contains("-1000"), "{told}");
    let (unit, told) = said(&[-199, 40, 0, 3]);
    assert!(unit == Unit::Arbitrary && told.contains("without a unit"), "{told}");
}

#[test]
fn labels_that_nobody_reviewed_say_so() {
    let grid = Grid::new([3, 2, 2], Point3::origin(), [Vector3::x(), Vector3::y(), Vector3::z()]).unwrap();
    let labels = LabelMap { grid, labels: vec![1; 12], names: Vec::new(), unreviewed: true };
    let folder = tempfile::tempdir().unwrap();
    for name in ["labels.nii", "labels.nii.gz"] {
        let path = folder.path().join(name);
        for (description, unreviewed) in
            [("AI unreviewed (body 1)", true), ("Delineo label map", false), ("", false)]
        {
            write_labels(&labels, &path, None, description).unwrap();
            assert_eq!(read_labels(&path, &Progress::new()).unwrap().unreviewed, unreviewed, "{description}");
        }
    }
}

#[test]
fn every_number_type_is_scaled() {
    let kinds: [(i16, Vec<u8>); 6] = [
        (2, vec![7]),
        (256, vec![7]),
        (512, 7_u16.to_le_bytes().to_vec()),
        (8, 7_i32.to_le_bytes().to_vec()),
        (16, 7.0_f32.to_le_bytes().to_vec()),
        (64, 7.0_f64.to_le_bytes().to_vec()),
    ];
    for (code, data) in kinds {
        let image = read(&file(".nii", [1, 1, 1], code, LPS, (2.0, 1.0), &data));
        assert_eq!(image.series.volume.voxels, Voxels::I16(vec![15]), "{code}");
    }
    let image = read(&file(".nii", [1, 1, 1], 4, LPS, (0.5, 0.0), &shorts(&[3])));
    assert_eq!(image.series.volume.voxels, Voxels::F32(vec![1.5]));
}

#[test]
fn broken_files_are_errors() {
    let error =
        |file: &tempfile::NamedTempFile| read_image(file.path(), &Progress::new()).unwrap_err().to_string();
    let short = file(".nii", [200, 200, 200], 4, LPS, (1.0, 0.0), &[0; 10]);
    assert!(error(&short).contains("truncated"));
    let mut text = tempfile::Builder::new().suffix(".nii").tempfile().unwrap();
    text.write_all(&[b'x'; 400]).unwrap();
    assert!(error(&text).contains("not a NIfTI"));
    let rgb = file(".nii", [1, 1, 1], 128, LPS, (1.0, 0.0), &[0; 3]);
    assert!(error(&rgb).contains("128"));
    let fraction = file(".nii", [1, 1, 1], 16, LPS, (1.0, 0.0), &1.5_f32.to_le_bytes());
    assert!(matches!(read_labels(fraction.path(), &Progress::new()), Err(NiftiError::NotLabels { .. })));
}

#[test]
fn the_uid_follows_the_content() {
    let one = read(&file(".nii", [1, 1, 1], 4, LPS, (1.0, 0.0), &shorts(&[3])));
    let same = read(&file(".nii", [1, 1, 1], 4, LPS, (1.0, 0.0), &shorts(&[3])));
    let other = read(&file(".nii", [1, 1, 1], 4, LPS, (1.0, 0.0), &shorts(&[4])));
    assert_eq!(one.series.info.uid, same.series.info.uid);
    assert_ne!(one.series.info.uid, other.series.info.uid);
    assert!(one.series.info.uid.len() <= 64);
}
