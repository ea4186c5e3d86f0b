//! RT Doses: grids of every kind, what is wrong with a file, and isodoses of what was read.

use crate::dose::RtDose;
use crate::{assert_warned, scanned};
use delineo::dicom::{ReadDose, ReadDoseError, read_dose, read_series};
use delineo::edit::segment::isodose;
use delineo::geometry::{Point3, Polygon, Vector3};
use delineo::patient::{Dose, Series};
use delineo::progress::Progress;
use dicom::core::{DataElement, PrimitiveValue, Tag, VR};
use dicom::dictionary_std::{tags, uids};
use dicom::object::InMemDicomObject;
use nalgebra::Rotation3;
use std::f64::consts::PI;
use std::path::Path;

/// A field that is linear, so that the dose is known between values too.
fn linear(at: Point3) -> f64 {
    40.0 + 0.4 * at.x - 0.3 * at.y + 0.2 * at.z
}

fn read(path: &Path) -> ReadDose {
    read_dose(path, None, &Progress::new()).unwrap()
}

fn why(path: &Path, series: Option<&Series>) -> String {
    let error = read_dose(path, series, &Progress::new()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&*path.file_name().unwrap().to_string_lossy()), "it names the file: {text}");
    text
}

/// Asserts that the dose is `linear` at, and half way between, its values, within what storing rounds.
fn is_linear(dose: &Dose, stored: &RtDose, tolerance: f64) {
    let [columns, rows] = stored.size.map(usize::from);
    for k in 0..stored.planes.len() {
        for (i, j) in [(0, 0), (columns - 1, 0), (0, rows - 1), (columns - 1, rows - 1), (1, 2)] {
            let point = stored.point(i, j, k);
            let got = dose.at(point).unwrap_or_else(|| panic!("no dose at {i} {j} {k}"));
            assert!((got - linear(point)).abs() < tolerance, "{got} at {i} {j} {k}, not {}", linear(point));
            let other = stored.point(1, 1, (k + 1) % stored.planes.len());
            let middle = point + (other - point) * 0.5;
            let got = dose.at(middle).unwrap();
            assert!((got - linear(middle)).abs() < tolerance, "{got} not {}", linear(middle));
        }
    }
}

fn plain() -> RtDose {
    RtDose::new([-30.0, -20.0, 5.0], [6, 5], [2.5, 3.0], vec![0.0, 2.0, 4.0, 6.0]).filled(linear)
}

fn turned(turn: Rotation3<f64>, mut stored: RtDose) -> RtDose {
    stored.row = (turn * Vector3::x()).into();
    stored.column = (turn * Vector3::y()).into();
    stored
}

fn element(tag: Tag, vr: VR, value: &str) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

#[test]
fn planes_lie_where_relative_and_absolute_offsets_say() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, stored: &RtDose| read(&stored.write(folder.path(), name)).dose;
    let even = plain();
    is_linear(&at("even", &even), &even, 0.002);
    assert_eq!(at("even", &even).lattice().size(), [6, 5, 4]);

    let uneven =
        RtDose::new([-30.0, -20.0, 5.0], [6, 5], [2.5, 3.0], vec![0.0, 1.5, 4.0, 9.0]).filled(linear);
    is_linear(&at("uneven", &uneven), &uneven, 0.002);
    assert_eq!(at("uneven", &uneven).lattice().offsets_mm(), [0.0, 1.5, 4.0, 9.0]);

    let descending =
        RtDose::new([-30.0, -20.0, 5.0], [6, 5], [2.5, 3.0], vec![0.0, -2.0, -5.0]).filled(linear);
    let read_descending = at("descending", &descending);
    is_linear(&read_descending, &descending, 0.002);
    assert_eq!(read_descending.lattice().offsets_mm(), [-5.0, -2.0, 0.0]);

    // Absolute: the patient's z, upwards, downwards, and on planes that face the feet.
    let mut absolute = uneven.clone();
    absolute.offsets = Some(vec![5.0, 6.5, 9.0, 14.0]);
    is_linear(&at("absolute", &absolute), &absolute, 0.002);
    let mut downwards = descending.clone();
    downwards.offsets = Some(vec![5.0, 3.0, 0.0]);
    is_linear(&at("downwards", &downwards), &downwards, 0.002);
    let facing = |offsets: Vec<f64>| {
        let mut stored = RtDose::new([-30.0, 20.0, 5.0], [6, 5], [2.5, 3.0], vec![0.0, 2.0, 4.5]);
        stored.column = [0.0, -1.0, 0.0];
        stored.offsets = Some(offsets);
        stored.filled(linear)
    };
    for (name, offsets) in [("feet", vec![0.0, 2.0, 4.5]), ("feet-absolute", vec![5.0, 3.0, 0.5])] {
        let stored = facing(offsets);
        let dose = at(name, &stored);
        is_linear(&dose, &stored, 0.002);
        assert!(dose.at(Point3::new(-25.0, 15.0, 2.0)).is_some(), "it reaches downwards from z = 5");
    }
    // One plane needs no offsets.
    let mut single = RtDose::new([-30.0, -20.0, 5.0], [6, 5], [2.5, 3.0], vec![0.0]).filled(linear);
    single.offsets = None;
    is_linear(&at("single", &single.without(tags::NUMBER_OF_FRAMES)), &plain_plane(), 0.002);
}

fn plain_plane() -> RtDose {
    RtDose::new([-30.0, -20.0, 5.0], [6, 5], [2.5, 3.0], vec![0.0]).filled(linear)
}

#[test]
fn turned_grids_of_16_and_32_bits_in_every_syntax() {
    let folder = tempfile::tempdir().unwrap();
    let turn = Rotation3::from_euler_angles(0.4, -0.3, 0.6);
    let stored = turned(turn, plain()).filled(linear);
    is_linear(&read(&stored.write(folder.path(), "turned")).dose, &stored, 0.003);
    let sagittal = Rotation3::from_euler_angles(0.0, PI / 2.0, 0.0);
    let stored = turned(sagittal, plain()).filled(linear);
    is_linear(&read(&stored.write(folder.path(), "sagittal")).dose, &stored, 0.003);

    // 32 bits: the finest scaling, values far above 16 bits.
    let mut fine = RtDose { bits: 32, scaling: Some("0.00000002"), ..plain() };
    fine = fine.filled(linear);
    assert!(fine.cells.iter().all(|cell| *cell > 1 << 28));
    for (n, syntax) in [
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ]
    .into_iter()
    .enumerate()
    {
        let stored = RtDose { transfer_syntax: syntax, ..fine.clone() };
        is_linear(&read(&stored.write(folder.path(), &format!("fine-{n}"))).dose, &stored, 1e-5);
        let stored = RtDose { transfer_syntax: syntax, ..plain() };
        is_linear(&read(&stored.write(folder.path(), &format!("plain-{n}"))).dose, &stored, 0.002);
    }
    // The highest values of unsigned ones are no negative ones.
    let mut high = plain();
    high.cells.fill(0xFFFE);
    let dose = read(&high.write(folder.path(), "high")).dose;
    assert!((dose.maximum_gy() - f64::from(0xFFFE_u16) * 0.002).abs() < 1e-4);
    // Differences are signed, and said to be ones.
    let difference = RtDose { dose_type: "ERROR", signed: true, ..plain() }.filled(|at| linear(at) - 50.0);
    let found = read(&difference.write(folder.path(), "difference"));
    let least = found.dose.values_gy().iter().copied().fold(f32::MAX, f32::min);
    assert!(least < -10.0, "{least}");
    assert_warned(&found.warnings, "difference", "ERROR");
}

#[test]
fn what_a_study_holds_is_named_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let beam = RtDose { summation: "BEAM", ..plain() };
    beam.with(element(tags::DOSE_COMMENT, VR::LO, "AP")).write(folder.path(), "beam.dcm");
    RtDose { dose_type: "EFFECTIVE", ..plain() }.write(folder.path(), "plan.dcm");
    let bad = [
        ("pixels.dcm", plain().without(tags::PIXEL_DATA), "no pixel data"),
        ("zero.dcm", RtDose { scaling: Some("0"), ..plain() }, "DoseGridScaling is 0"),
        ("negative.dcm", RtDose { scaling: Some("-0.1"), ..plain() }, "DoseGridScaling is -0.1"),
        ("scaling.dcm", RtDose { scaling: None, ..plain() }, "no DoseGridScaling"),
        ("relative.dcm", RtDose { units: "RELATIVE", ..plain() }, "relative"),
        ("unit.dcm", RtDose { units: "", ..plain() }, "in which unit"),
        ("offsets.dcm", RtDose { offsets: None, ..plain() }, "no GridFrameOffsetVector"),
        ("count.dcm", RtDose { offsets: Some(vec![0.0, 2.0]), ..plain() }, "places 2 planes"),
        ("first.dcm", RtDose { offsets: Some(vec![1.0, 3.0, 5.0, 7.0]), ..plain() }, "begins with 1"),
        ("twice.dcm", RtDose { offsets: Some(vec![0.0, 2.0, 2.0, 4.0]), ..plain() }, "same place"),
        ("place.dcm", plain().without(tags::IMAGE_POSITION_PATIENT), "ImagePositionPatient"),
        ("short.dcm", RtDose { cells: plain().cells[..100].to_vec(), ..plain() }, "truncated"),
        ("long.dcm", RtDose { cells: [plain().cells, vec![0; 30]].concat(), ..plain() }, "300 bytes"),
        (
            "bits.dcm",
            plain().with(DataElement::new(tags::BITS_ALLOCATED, VR::US, PrimitiveValue::from(64_u16))),
            "64-bit",
        ),
    ];
    for (name, stored, words) in &bad {
        let path = stored.write(folder.path(), name);
        let text = why(&path, None);
        assert!(text.contains(words), "{name}: {text}");
    }
    let library = scanned(folder.path());
    assert_eq!(library.doses.len(), bad.len() + 2);
    for entry in &library.doses {
        let name = entry.path.file_name().unwrap().to_string_lossy().into_owned();
        match bad.iter().find(|(own, ..)| *own == name) {
            Some((_, _, words)) => {
                assert!(entry.problem.as_ref().unwrap().contains(words), "{name}");
                assert_warned(&library.warnings, &name, words);
            }
            None => assert_eq!(entry.problem, None, "{name}"),
        }
    }
    let title = |name: &str| {
        let entry = library.doses.iter().find(|entry| entry.path.ends_with(name)).unwrap();
        assert_eq!(entry.size, [6, 5, 4]);
        entry.info.title()
    };
    assert_eq!(title("beam.dcm"), "Beam dose · AP");
    assert_eq!(title("plan.dcm"), "Plan dose, effective");
    // An absolute vector on planes that are not transverse says nothing.
    let turn = Rotation3::from_euler_angles(0.4, 0.0, 0.0);
    let stored = RtDose { offsets: Some(vec![5.0, 7.0, 9.0, 11.0]), ..turned(turn, plain()) };
    assert!(why(&stored.write(folder.path(), "turned"), None).contains("begins with 5"));
    // A file cut off in the middle of its doses, and one that is no dose.
    let whole = std::fs::read(plain().write(folder.path(), "whole")).unwrap();
    let cut = folder.path().join("cut");
    std::fs::write(&cut, &whole[..whole.len() - 50]).unwrap();
    assert!(why(&cut, None).contains("truncated"));
    let ct = crate::builder::Image::default().write(folder.path(), "ct");
    assert!(matches!(read_dose(&ct, None, &Progress::new()), Err(ReadDoseError::NotDose { .. })));
}

/// A CT of 3 mm slices, 96 pixels of 1 mm, around (0, 0, 0), beside which doses are written.
fn images(folder: &Path) -> Series {
    for k in 0..32 {
        let mut image = crate::builder::Image::at_z(-46.5 + 3.0 * f64::from(k));
        image.origin = [-47.5, -47.5, image.origin[2]];
        (image.size, image.spacing, image.cells) = ([96, 96], [1.0, 1.0], vec![0; 96 * 96]);
        image.write(folder, &format!("ct{k:02}"));
    }
    let library = scanned(folder);
    read_series(&library.series[0], &Progress::new()).unwrap().series
}

#[test]
fn a_dose_belongs_to_images_by_its_frame_of_reference() {
    let folder = tempfile::tempdir().unwrap();
    let series = images(folder.path());
    let here = plain().write(folder.path(), "here");
    assert_eq!(read_dose(&here, Some(&series), &Progress::new()).unwrap().warnings, []);
    let other = RtDose { frame_of_reference: Some("1.2.3.8"), ..plain() };
    assert!(why(&other.write(folder.path(), "other"), Some(&series)).contains("another frame of reference"));
    let unstated = RtDose { frame_of_reference: None, ..plain() }.write(folder.path(), "unstated");
    let found = read_dose(&unstated, Some(&series), &Progress::new()).unwrap();
    assert_warned(&found.warnings, "unstated", "no frame of reference");
    let stranger = RtDose { patient: ["Other^One", "T2", "19500505"], ..plain() };
    let found =
        read_dose(&stranger.write(folder.path(), "stranger"), Some(&series), &Progress::new()).unwrap();
    assert_warned(&found.warnings, "stranger", "different patients");
}

#[test]
fn the_isodose_of_a_dose_that_falls_with_the_distance_is_a_ball() {
    let folder = tempfile::tempdir().unwrap();
    let series = images(folder.path());
    let falling = |at: Point3| (90.0 - 2.0 * at.coords.norm()).max(0.0);
    let around = |size: f64, count: f64| -size * (count - 1.0) / 2.0;
    let even = RtDose::new(
        [around(2.5, 40.0), around(2.0, 46.0), -45.0],
        [40, 46],
        [2.5, 2.0],
        (0..37).map(|n| 2.5 * f64::from(n)).collect(),
    );
    let mut uneven = even.clone();
    uneven.planes = (0..41).map(|n| 2.25 * f64::from(n) + 0.5 * f64::from(n % 2)).collect();
    uneven.offsets = Some(uneven.planes.iter().map(|mm| mm - 45.0).collect());
    let turn = Rotation3::from_euler_angles(0.4, -0.3, 0.6);
    let mut oblique = turned(turn, even.clone());
    oblique.origin = (turn * Vector3::from(even.origin)).into();
    let fine = RtDose { bits: 32, scaling: Some("0.0000001"), ..even.clone() };
    for (name, stored) in [("even", even), ("uneven", uneven), ("oblique", oblique), ("fine", fine)] {
        let path = stored.filled(falling).write(folder.path(), name);
        let dose = read_dose(&path, Some(&series), &Progress::new()).unwrap().dose;
        for level in [30.0, 50.0] {
            let region = isodose(&series.volume, &dose, level, None, &Progress::new()).unwrap();
            let radius = (90.0 - level) / 2.0;
            let wanted = 4.0 / 3.0 * PI * f64::powi(radius, 3);
            let got = region.volume_mm3(&series.volume);
            assert!((got / wanted - 1.0).abs() < 0.01, "{name} at {level} Gy: {got} mm3, not {wanted}");
            for (slice, polygons) in region.slices() {
                let plane = series.volume.slices[slice].plane;
                for at in polygons.iter().flat_map(Polygon::rings).flatten() {
                    let off = (plane.lift(*at).coords.norm() / radius - 1.0).abs();
                    assert!(off < 0.01, "{name} at {level} Gy: {off} off the radius");
                }
            }
        }
    }
}
