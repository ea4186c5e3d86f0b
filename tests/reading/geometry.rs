//! Where slices lie: order, orientation, missing, uneven, tilted.

use crate::builder::{Image, decimals, field, item, sequence, text};
use crate::{assert_warned, read_only, scanned, whole};
use delineo::dicom::SliceSpacing;
use delineo::geometry::{Plane, Point2, Point3, Polygon, Vector3, section};
use delineo::patient::{OUTSIDE_I16, Roi, RoiId, RoiPlane, Volume};
use dicom::core::VR;
use dicom::dictionary_std::{tags, uids};
use nalgebra::{Rotation3, Unit};
use std::sync::Arc;
use tempfile::tempdir;

/// Every voxel of every slice has the value of its patient position, through the grid.
fn assert_field(volume: &Volume) {
    let [ni, nj, nk] = volume.grid.dims();
    for k in 0..nk {
        for j in 0..nj {
            for i in 0..ni {
                let point = volume.grid.patient_of([i as f64, j as f64, k as f64]);
                assert_eq!(volume.value_at(point), Some(field(point) as f32), "voxel {i} {j} {k}");
            }
        }
    }
}

/// `count` slices `step` mm apart along the normal of `row` and `column`, in shuffled files.
fn write_stack(
    folder: &std::path::Path,
    row: Vector3,
    column: Vector3,
    origin: Point3,
    step: f64,
    count: usize,
) {
    let normal = row.cross(&column);
    for n in 0..count {
        let shuffled = (n * 5 + 3) % count;
        let mut image =
            Image::default().placed(row, column, origin + normal * (step * n as f64)).filled(field);
        image.instance_number = i32::try_from(shuffled).unwrap() + 1;
        image.write(folder, &format!("image{}", (n * 7 + 1) % count));
    }
}

#[test]
fn slices_are_sorted_by_position_not_by_name_or_number() {
    let folder = tempdir().unwrap();
    write_stack(folder.path(), Vector3::x(), Vector3::y(), Point3::new(-10.0, -20.0, 30.0), 3.0, 8);
    let read = read_only(folder.path());
    let volume = &read.series.volume;
    assert_eq!(volume.grid.dims(), [4, 3, 8]);
    assert_eq!(volume.grid.spacing_mm(), [2.0, 1.5, 3.0]);
    assert_eq!(volume.grid.origin_mm(), Point3::new(-10.0, -20.0, 30.0));
    assert_field(volume);
    for (k, slice) in volume.slices.iter().enumerate() {
        assert_eq!(slice.plane.offset_mm(), 30.0 + 3.0 * k as f64);
        let instance = slice.instance.as_ref().unwrap();
        assert_eq!(&*instance.sop_class_uid, uids::CT_IMAGE_STORAGE);
        assert!(!instance.sop_instance_uid.is_empty() && instance.frame.is_none() && !slice.missing);
    }
    assert_eq!(read.warnings, []);
}

#[test]
fn every_patient_position_is_where_its_cosines_say() {
    let (x, y, z) = (Vector3::x(), Vector3::y(), Vector3::z());
    // Prone, feet first, both decubitus, sagittal, coronal: only the cosines differ.
    for (row, column) in [(-x, -y), (-x, y), (y, -x), (-y, x), (y, -z), (x, -z), (-z, x)] {
        let folder = tempdir().unwrap();
        write_stack(folder.path(), row, column, Point3::new(4.0, -6.0, 10.0), 2.0, 5);
        assert_field(&read_only(folder.path()).series.volume);
    }
}

#[test]
fn an_oblique_series_keeps_its_angle() {
    // An angle with short cosines: 0.6, 0.8.
    let (row, column) = (Vector3::new(0.6, 0.8, 0.0), Vector3::new(0.0, 0.0, -1.0));
    let folder = tempdir().unwrap();
    write_stack(folder.path(), row, column, Point3::new(4.0, -6.0, 10.0), 2.5, 6);
    let read = read_only(folder.path());
    assert_field(&read.series.volume);
    let turn = Rotation3::from_axis_angle(&Unit::new_normalize(Vector3::new(1.0, 2.0, 3.0)), 0.7);
    let folder = tempdir().unwrap();
    write_stack(folder.path(), turn * Vector3::x(), turn * Vector3::y(), Point3::new(1.0, 2.0, 3.0), 3.0, 4);
    let volume = read_only(folder.path()).series.volume;
    assert!((volume.grid.step_mm(2) - turn * Vector3::z() * 3.0).norm() < 1e-9);
    assert_field(&volume);
}

#[test]
fn missing_slices_are_marked_and_empty() {
    let folder = tempdir().unwrap();
    for (n, z) in [0.0, 3.0, 6.0, 15.0, 18.0, 24.0, 27.0].into_iter().enumerate() {
        Image::at_z(z).filled(field).write(folder.path(), &format!("s{n}.dcm"));
    }
    let library = scanned(folder.path());
    assert_eq!(library.series[0].spacing, SliceSpacing::WithMissing);
    assert_eq!((library.series[0].slice_count(), library.series[0].missing_count()), (7, 3));
    assert_warned(&library.warnings, "s2.dcm", "2 slices are missing");
    assert_warned(&library.warnings, "s4.dcm", "1 slice is missing");
    let volume = read_only(folder.path()).series.volume;
    assert_eq!(volume.grid.dims()[2], 10);
    for (k, slice) in volume.slices.iter().enumerate() {
        assert!((slice.plane.offset_mm() - 3.0 * k as f64).abs() < 1e-9);
        assert_eq!(slice.missing, [3, 4, 7].contains(&k));
        let values = &whole(&volume.voxels)[k * 12..(k + 1) * 12];
        assert_eq!(values.iter().all(|value| *value == OUTSIDE_I16), slice.missing);
        assert_eq!(slice.instance.is_none(), slice.missing);
    }
}

#[test]
fn uneven_slices_stay_where_they_are_and_are_resampled() {
    let folder = tempdir().unwrap();
    let heights = [0.0, 2.0, 4.0, 7.0, 12.0, 17.0, 22.0];
    for (n, z) in heights.into_iter().enumerate() {
        Image::at_z(z).filled(|point| point.z * 10.0).write(folder.path(), &format!("s{n}.dcm"));
    }
    let read = read_only(folder.path());
    let volume = &read.series.volume;
    assert!(volume.is_resampled());
    let offsets: Vec<f64> = volume.slices.iter().map(|slice| slice.plane.offset_mm()).collect();
    assert_eq!(offsets, heights);
    let native = whole(volume.native.as_deref().unwrap());
    for (n, z) in heights.into_iter().enumerate() {
        assert!(native[n * 12..(n + 1) * 12].iter().all(|value| f64::from(*value) == z * 10.0));
    }
    // A field that is linear along the normal is exact on every resampled plane.
    for k in 0..volume.grid.dims()[2] {
        let point = volume.grid.patient_of([0.0, 0.0, k as f64]);
        assert!((f64::from(volume.value_at(point).unwrap()) - point.z * 10.0).abs() <= 0.5 + 1e-9);
    }
    assert!((volume.grid.patient_of([0.0, 0.0, (volume.grid.dims()[2] - 1) as f64]).z - 22.0).abs() < 1e-9);
    assert!(read.warnings[0].message.contains("unevenly spaced"));
    assert_eq!(volume.slice_thickness_mm(3), 4.0);
}

#[test]
fn a_value_on_a_slice_of_an_uneven_series_is_the_stored_one() {
    let folder = tempdir().unwrap();
    // Every slice as different as can be from its neighbours: mixing them shows.
    let heights = [0.0, 2.0, 4.1, 7.0, 12.0, 17.3, 22.0];
    let bumpy = |point: Point3| (point.z * 37.0 + point.x * point.x - 3.0 * point.y).sin() * 900.0;
    // Gantry tilt: the slices' origins move along y.
    for (n, z) in heights.into_iter().enumerate() {
        let mut image = Image::at_z(z);
        image.origin[1] += 0.2 * z;
        image.filled(bumpy).write(folder.path(), &format!("s{n}.dcm"));
    }
    let volume = read_only(folder.path()).series.volume;
    assert!(volume.is_resampled());
    let mut differing = 0;
    for z in heights {
        for (i, j) in [(0, 0), (3, 0), (1, 2), (3, 2)] {
            let point = Point3::new(-10.0 + 2.0 * f64::from(i), -20.0 + 0.2 * z + 1.5 * f64::from(j), z);
            let stored = f64::from(bumpy(point) as i16);
            // Beside the centre, in the plane and a little off it, is the same voxel.
            for off in [Vector3::zeros(), Vector3::new(0.6, -0.5, 0.05)] {
                assert_eq!(volume.value_at(point + off).map(f64::from), Some(stored), "{point}");
            }
            let voxel = volume.grid.voxel_of(point).map(|at| at.round() as usize);
            let resampled = volume.grid.index_of([voxel[0], voxel[1], voxel[2]]);
            let resampled = resampled.and_then(|index| volume.voxels.value(index));
            differing += usize::from(resampled.map(f64::from) != Some(stored));
        }
    }
    assert!(differing > 8, "the resampled grid would do as well: {differing}");
    assert_eq!(volume.value_at(Point3::new(-11.5, -20.0, 0.0)), None);
}

#[test]
fn missing_slices_side_by_side_are_not_bridged() {
    let folder = tempdir().unwrap();
    for n in (0..20).filter(|n| ![10, 12, 14].contains(n)) {
        Image::at_z(3.0 * f64::from(n)).filled(field).write(folder.path(), &format!("s{n:02}.dcm"));
    }
    let library = scanned(folder.path());
    assert_eq!(library.series[0].spacing, SliceSpacing::WithMissing);
    assert_eq!((library.series[0].slice_count(), library.series[0].missing_count()), (17, 3));
    let volume = read_only(folder.path()).series.volume;
    for n in 0..20 {
        let value = volume.value_at(Point3::new(-10.0, -20.0, 3.0 * f64::from(n)));
        assert_eq!(value.is_none(), [10, 12, 14].contains(&n), "slice {n}");
    }
}

#[test]
fn a_gap_of_an_uneven_series_is_not_bridged() {
    let folder = tempdir().unwrap();
    for (n, z) in [0.0, 3.0, 6.0, 13.0, 16.0].into_iter().enumerate() {
        Image::at_z(z).filled(field).write(folder.path(), &format!("s{n}.dcm"));
    }
    let read = read_only(folder.path());
    assert_warned(&read.warnings, "s2.dcm", "gap of 7.00 mm");
    assert_eq!(read.series.volume.value_at(Point3::new(-10.0, -20.0, 9.5)), None);
    assert!(read.series.volume.value_at(Point3::new(-10.0, -20.0, 3.0)).is_some());
}

#[test]
fn slabs_beside_a_gap_of_an_uneven_series_do_not_cross_it() {
    let folder = tempdir().unwrap();
    for (n, z) in [0.0, 2.0, 4.0, 7.0, 30.0, 35.0, 40.0].into_iter().enumerate() {
        Image::at_z(z).filled(field).write(folder.path(), &format!("s{n}.dcm"));
    }
    let library = scanned(folder.path());
    let entry = &library.series[0];
    assert_eq!((entry.spacing, entry.slice_count(), entry.missing_count()), (SliceSpacing::Uneven, 7, 2));
    let volume = read_only(folder.path()).series.volume;
    assert!(volume.is_resampled());
    let slice = |z: f64| volume.slice_at(z, 0.01).unwrap();
    assert!(volume.slices[slice(10.0)].missing && volume.slices[slice(25.0)].missing);
    assert_eq!(volume.slab_of(slice(7.0)), (1.5, 1.5));
    assert_eq!(volume.slab_of(slice(30.0)), (2.5, 2.5));
    assert_eq!((volume.slice_thickness_mm(slice(7.0)), volume.slice_thickness_mm(slice(30.0))), (3.0, 5.0));
    // A box on every slice: two pieces in the coronal view, and its volume without the gap.
    let square = [(-9.0, -19.0), (-5.0, -19.0), (-5.0, -18.0), (-9.0, -18.0)];
    let ring: Vec<Point2> = square.map(|(x, y)| Point2::new(x, y)).to_vec();
    let mut roi = Roi::new(RoiId(1), 1, "Box", [0; 3]);
    roi.planes = volume
        .slices
        .iter()
        .filter(|slice| !slice.missing)
        .map(|slice| {
            let polygon = Polygon { outer: ring.clone(), holes: Vec::new() };
            Arc::new(RoiPlane::new(slice.plane, slice.instance.clone(), vec![polygon]))
        })
        .collect();
    let coronal = Plane::new(Point3::new(0.0, -18.5, 0.0), Vector3::x(), Vector3::z()).unwrap();
    let slabs = roi.slabs(Some(&volume));
    let rounded = |mm: f64| (mm * 1e6).round() / 1e6;
    let mut pieces: Vec<(f64, f64)> = section::cut(&slabs, &coronal)
        .iter()
        .map(|piece| piece.bounds().map(|(low, high)| (rounded(low.y), rounded(high.y))).unwrap())
        .collect();
    pieces.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(pieces, [(-1.0, 8.5), (27.5, 42.5)]);
    assert!((roi.volume_cc(&volume) - 4.0 * (9.5 + 15.0) / 1000.0).abs() < 1e-9);
    // Nor does the picture.
    assert_eq!(volume.value_at(Point3::new(-10.0, -20.0, 20.0)), None);
}

#[test]
fn parts_far_apart_on_one_grid_are_one_volume() {
    let folder = tempdir().unwrap();
    for n in (0..10).chain(28..40) {
        Image::at_z(3.0 * f64::from(n)).filled(field).write(folder.path(), &format!("s{n:02}.dcm"));
    }
    let library = scanned(folder.path());
    assert_eq!(library.series.len(), 1);
    assert_eq!((library.series[0].slice_count(), library.series[0].missing_count()), (22, 18));
    assert_warned(&library.warnings, "s09.dcm", "18 slices are missing");
}

#[test]
fn parts_far_apart_off_one_grid_are_two_series_with_the_gap_named() {
    let folder = tempdir().unwrap();
    for n in 0..12 {
        let z = f64::from(n) * 3.0 + if n < 7 { 0.0 } else { 61.3 };
        Image::at_z(z).filled(field).write(folder.path(), &format!("s{n:02}.dcm"));
    }
    let library = scanned(folder.path());
    assert_eq!(library.series.len(), 2);
    assert_warned(&library.warnings, "s07.dcm", "a gap of 64.30 mm lies between s06.dcm and s07.dcm");
}

#[test]
fn two_tilted_slices_are_one_volume() {
    let folder = tempdir().unwrap();
    let (sin, cos) = 0.25_f64.sin_cos();
    for n in 0..2 {
        let origin = Point3::new(-10.0, -20.0, 4.0 * f64::from(n));
        Image::default()
            .placed(Vector3::x(), Vector3::new(0.0, cos, -sin), origin)
            .filled(field)
            .write(folder.path(), &format!("s{n}"));
    }
    let volume = read_only(folder.path()).series.volume;
    assert_eq!(volume.grid.dims(), [4, 3, 2]);
    assert_field(&volume);
}

#[test]
fn other_modalities_with_a_position_are_left_out_by_name() {
    let folder = tempdir().unwrap();
    for n in 0..3 {
        Image::at_z(f64::from(n)).filled(field).write(folder.path(), &format!("s{n}.dcm"));
    }
    for modality in ["OT", "US", "CR", "NM"] {
        let image = Image { modality, series_uid: format!("1.9.{}", modality.len()), ..Image::at_z(1.0) };
        image.write(folder.path(), &format!("{modality}.dcm"));
    }
    let library = scanned(folder.path());
    assert_eq!(library.series.len(), 1);
    for modality in ["OT", "US", "CR", "NM"] {
        assert_warned(
            &library.warnings,
            &format!("{modality}.dcm"),
            &format!("an image of modality {modality}"),
        );
    }
}

#[test]
fn a_tilted_gantry_shears_the_grid() {
    let folder = tempdir().unwrap();
    // Slices tilted by about 15 degrees, the table moving along z.
    let (sin, cos) = 0.25_f64.sin_cos();
    let (row, column) = (Vector3::x(), Vector3::new(0.0, cos, -sin));
    for n in 0..6 {
        let origin = Point3::new(-10.0, -20.0, 4.0 * f64::from(n));
        Image::default().placed(row, column, origin).filled(field).write(folder.path(), &format!("s{n}"));
    }
    let read = read_only(folder.path());
    let volume = &read.series.volume;
    assert!((volume.grid.step_mm(2) - Vector3::new(0.0, 0.0, 4.0)).norm() < 1e-9);
    assert_field(volume);
    assert!(read.warnings[0].message.contains("14.3 degrees"), "{:?}", read.warnings);
    let normal = row.cross(&column);
    for (n, slice) in volume.slices.iter().enumerate() {
        let wanted = normal.dot(&Vector3::new(-10.0, -20.0, 4.0 * n as f64));
        assert!((slice.plane.offset_mm() - wanted).abs() < 1e-9);
    }
}

#[test]
fn duplicates_are_left_out_by_name() {
    let folder = tempdir().unwrap();
    for n in 0..5 {
        let image = Image::at_z(f64::from(n) * 2.0).filled(field);
        image.write(folder.path(), &format!("s{n}.dcm"));
    }
    std::fs::copy(folder.path().join("s1.dcm"), folder.path().join("z-copy.dcm")).unwrap();
    let twin = Image { instance_number: 9, ..Image::at_z(6.0) };
    twin.filled(|_| 1.0).write(folder.path(), "twin.dcm");
    let read = read_only(folder.path());
    let warnings = scanned(folder.path()).warnings;
    assert_eq!(warnings.len(), 2);
    assert_warned(&warnings, "z-copy.dcm", "same image as s1.dcm");
    assert_warned(&warnings, "twin.dcm", "same position as s3.dcm");
    assert_field(&read.series.volume);
}

#[test]
fn stacks_of_one_series_are_told_apart() {
    let folder = tempdir().unwrap();
    for echo in 1..=2 {
        for n in 0..4 {
            let image =
                Image { modality: "MR", sop_class: uids::MR_IMAGE_STORAGE, ..Image::at_z(f64::from(n)) };
            image
                .filled(|_| f64::from(echo))
                .with(text(tags::ECHO_NUMBERS, VR::IS, &echo.to_string()))
                .write(folder.path(), &format!("e{echo}s{n}"));
        }
    }
    let library = scanned(folder.path());
    assert_eq!(library.series.len(), 2);
    assert_eq!(library.warnings, []);
    assert!(library.series.iter().all(|entry| entry.slice_count() == 4));
    assert!(library.series[1].info.description.contains("echo"));
}

#[test]
fn strays_of_another_kind_are_left_out_by_name() {
    let folder = tempdir().unwrap();
    for n in 0..9 {
        Image::at_z(f64::from(n) * 2.0).filled(field).write(folder.path(), &format!("s{n}.dcm"));
    }
    // A localizer that says so, one that does not, a stray of another modality, one far away.
    Image::at_z(4.5)
        .with(text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\LOCALIZER"))
        .write(folder.path(), "scout.dcm");
    Image::default()
        .placed(Vector3::y(), -Vector3::z(), Point3::origin())
        .write(folder.path(), "sagittal.dcm");
    Image { modality: "MR", sop_class: uids::MR_IMAGE_STORAGE, ..Image::at_z(5.0) }
        .write(folder.path(), "mr.dcm");
    Image::at_z(900.0).write(folder.path(), "far.dcm");
    let read = read_only(folder.path());
    assert_field(&read.series.volume);
    let warnings = scanned(folder.path()).warnings;
    assert_warned(&warnings, "scout.dcm", "localizer");
    assert_warned(&warnings, "sagittal.dcm", "does not fit");
    assert_warned(&warnings, "mr.dcm", "modality MR");
    assert_warned(&warnings, "far.dcm", "does not fit");
    assert_eq!(warnings.len(), 4);
}

#[test]
fn an_enhanced_multi_frame_image_is_a_series() {
    let folder = tempdir().unwrap();
    let heights = [6.0, 0.0, 3.0, 9.0];
    let frames: Vec<Image> = heights.iter().map(|z| Image::at_z(*z).filled(field)).collect();
    let per_frame = frames
        .iter()
        .map(|frame| {
            let position = decimals(tags::IMAGE_POSITION_PATIENT, &frame.origin);
            item(vec![sequence(tags::PLANE_POSITION_SEQUENCE, vec![item(vec![position])])])
        })
        .collect();
    let shared = item(vec![
        sequence(
            tags::PLANE_ORIENTATION_SEQUENCE,
            vec![item(vec![decimals(tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])])],
        ),
        sequence(tags::PIXEL_MEASURES_SEQUENCE, vec![item(vec![decimals(tags::PIXEL_SPACING, &[1.5, 2.0])])]),
        sequence(
            tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
            vec![item(vec![
                decimals(tags::RESCALE_SLOPE, &[1.0]),
                decimals(tags::RESCALE_INTERCEPT, &[0.0]),
            ])],
        ),
    ]);
    let mut whole_image = Image {
        sop_class: uids::ENHANCED_CT_IMAGE_STORAGE,
        cells: frames.iter().flat_map(|frame| frame.cells.clone()).collect(),
        rescale: None,
        ..Image::default()
    };
    whole_image.extra = vec![
        text(tags::NUMBER_OF_FRAMES, VR::IS, "4"),
        sequence(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]),
        sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, per_frame),
    ];
    let path = whole_image.write(folder.path(), "enhanced.dcm");
    let read = read_only(folder.path());
    let volume = &read.series.volume;
    assert_field(volume);
    let frames: Vec<_> = volume.slices.iter().map(|slice| slice.instance.as_ref().unwrap().frame).collect();
    assert_eq!(frames, [Some(2), Some(3), Some(1), Some(4)]);
    assert_eq!(scanned(folder.path()).series[0].path, path);
    assert_eq!(read.warnings, []);

    // Deflated as a whole, every frame is found in it.
    let deflated = tempdir().unwrap();
    let transfer_syntax = uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;
    Image { transfer_syntax, ..whole_image.clone() }.write(deflated.path(), "deflated.dcm");
    assert_field(&read_only(deflated.path()).series.volume);

    // A frame that says so is a localizer, not a slice.
    let scout = tempdir().unwrap();
    let mut with_scout = whole_image.clone();
    let kind = |name: &str| {
        let kind = format!("ORIGINAL\\PRIMARY\\{name}\\NONE");
        let kind = item(vec![text(tags::FRAME_TYPE, VR::CS, &kind)]);
        sequence(tags::CT_IMAGE_FRAME_TYPE_SEQUENCE, vec![kind])
    };
    let named: Vec<_> = whole_image.extra[2]
        .items()
        .unwrap()
        .iter()
        .zip(["LOCALIZER", "VOLUME", "VOLUME", "VOLUME"])
        .map(|(frame, name)| {
            let mut frame = frame.clone();
            frame.put(kind(name));
            frame
        })
        .collect();
    with_scout.extra[2] = sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, named);
    with_scout.write(scout.path(), "scout.dcm");
    let library = scanned(scout.path());
    assert_eq!(library.series[0].slice_count(), 3);
    assert_warned(&library.warnings, "scout.dcm", "1 of its 4 frames are localizers");

    // Without positions it is refused by name.
    let other = tempdir().unwrap();
    whole_image.extra.truncate(1);
    whole_image.write(other.path(), "frames.dcm");
    Image::at_z(1.0).write(other.path(), "plain.dcm");
    assert_warned(&scanned(other.path()).warnings, "frames.dcm", "4 frames");
}

#[test]
fn a_single_slice_is_a_volume_with_a_warning() {
    let folder = tempdir().unwrap();
    Image::at_z(5.0).filled(field).write(folder.path(), "one.dcm");
    let read = read_only(folder.path());
    assert_eq!(read.series.volume.grid.dims(), [4, 3, 1]);
    assert_field(&read.series.volume);
    assert_warned(&read.warnings, "one.dcm", "single slice");
}

#[test]
fn a_changed_frame_of_reference_is_another_series() {
    let folder = tempdir().unwrap();
    for n in 0..6 {
        let mut image = Image::at_z(f64::from(n) * 2.0);
        if n >= 3 {
            image.frame_of_reference = "1.2.3.10".into();
        }
        image.write(folder.path(), &format!("s{n}.dcm"));
    }
    let library = scanned(folder.path());
    assert_eq!(library.series.len(), 2);
    assert!(library.series.iter().all(|entry| entry.slice_count() == 3));
    assert!(library.warnings[0].message.contains("do not fit"));
}
