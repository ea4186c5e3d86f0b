//! RT Structure Sets out and in again: our own, foreign ones, and what must be refused.
#![allow(missing_docs, reason = "tests")]

mod shared;

use delineo::dicom::{
    ReadRtstructError, WriteRtstructError, WriteRtstructOptions, read_rtstruct, write_rtstruct,
};
use delineo::geometry::{Plane, Point2, Polygon};
use delineo::new_file::WriteFileError;
use delineo::patient::{
    AnatomicCode, Approval, GenerationAlgorithm, GeometricType, Roi, RoiPlane, RoiType, Series,
    SourceContour, StructureSet, Volume,
};
use shared::{Lay, circle, disc_with_holes, empty_set, plane_on, roi, series};
use std::path::Path;
use std::sync::Arc;

fn plain() -> WriteRtstructOptions {
    WriteRtstructOptions::default()
}

fn set_with(series: &Series, rois: Vec<Roi>) -> StructureSet {
    StructureSet { rois: rois.into_iter().map(Arc::new).collect(), ..empty_set(series) }
}

/// Whether both have the same rings bit for bit, in any order and from any starting vertex.
fn same_polygons(a: &[Polygon], b: &[Polygon]) -> bool {
    let canonical = |polygons: &[Polygon]| {
        let mut rings: Vec<Vec<[u64; 2]>> = polygons
            .iter()
            .flat_map(Polygon::rings)
            .map(|ring| {
                let mut bits: Vec<_> = ring.iter().map(|p| [p.x, p.y].map(|x| (x + 0.0).to_bits())).collect();
                let first = (0..bits.len()).min_by_key(|at| bits[*at]).unwrap_or(0);
                bits.rotate_left(first);
                bits
            })
            .collect();
        rings.sort();
        rings
    };
    a.len() == b.len() && canonical(a) == canonical(b)
}

fn assert_same_planes(a: &Roi, b: &Roi) {
    assert_eq!(a.planes.len(), b.planes.len(), "{}", a.name);
    for (one, other) in a.planes.iter().zip(&b.planes) {
        assert_eq!(one.plane, other.plane);
        assert_eq!(one.image, other.image);
        assert!(same_polygons(&one.polygons, &other.polygons), "{} at {}", a.name, one.plane.offset_mm());
    }
}

#[test]
fn our_own_file_reads_back_identically_on_every_kind_of_series() {
    for (name, lay) in [
        ("axial", Lay::axial()),
        ("oblique", Lay::oblique()),
        ("sagittal", Lay::sagittal()),
        ("uneven", Lay::uneven()),
    ] {
        let series = series(name, &lay);
        let last = series.volume.slices.len() - 1;
        let planes = [0, 1, 3, last].map(|k| plane_on(&series, k, disc_with_holes()));
        let mut organ = roi(4, "Bladder_Wall", planes.to_vec());
        organ.roi_type = RoiType::Avoidance;
        organ.code = AnatomicCode::of_name("Bladder_Wall");
        assert!(organ.code.is_some());
        organ.generation = GenerationAlgorithm::SemiAutomatic;
        organ.description = "drawn with ±1 mm".into();
        let empty = roi(9, "GTV", Vec::new());
        let set = set_with(&series, vec![organ, empty]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.dcm");
        let written = write_rtstruct(&set, &series, &path, &plain()).unwrap();
        assert_eq!(written.warnings, Vec::<String>::new());

        let read = read_rtstruct(&path, Some(&series)).unwrap();
        let back = &read.set;
        assert_eq!((&*back.label, back.rois.len()), ("Test", 2));
        assert_eq!(back.patient, set.patient);
        assert_eq!(back.frame_of_reference_uid, set.frame_of_reference_uid);
        assert_eq!(back.series_uid, set.series_uid);
        assert_eq!(back.sop_instance_uid, Some(written.sop_instance_uid));
        for (a, b) in set.rois.iter().zip(&back.rois) {
            assert_eq!((&a.name, a.number, a.color), (&b.name, b.number, b.color));
            assert_eq!((&a.roi_type, a.generation, a.approval), (&b.roi_type, b.generation, b.approval));
            assert_eq!((&a.description, &a.code), (&b.description, &b.code));
            assert_same_planes(a, b);
        }
        // The island in the hole is the one remark (its outline lies inside another).
        assert!(read.warnings.iter().all(|w| w.message.contains("Bladder_Wall")), "{:?}", read.warnings);

        // Untouched, it goes out with the same text.
        let again = folder.path().join("again.dcm");
        write_rtstruct(back, &series, &again, &plain()).unwrap();
        let texts = |path: &Path| {
            let set = read_rtstruct(path, Some(&series)).unwrap().set;
            set.rois.iter().map(|roi| roi.source.clone()).collect::<Vec<_>>()
        };
        assert_eq!(texts(&path), texts(&again));
        if shared::program("dciodvfy").is_some() {
            assert_eq!(shared::dciodvfy_errors(&path), Vec::<String>::new());
        }
    }
}

#[test]
fn without_its_images_a_file_has_the_same_areas() {
    let series = series("alone", &Lay::oblique());
    let set = set_with(&series, vec![roi(1, "Heart", vec![plane_on(&series, 2, disc_with_holes())])]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.dcm");
    write_rtstruct(&set, &series, &path, &plain()).unwrap();
    let back = read_rtstruct(&path, None).unwrap().set;
    let (a, b) = (&set.rois[0].planes[0], &back.rois[0].planes[0]);
    assert!(a.plane.coincides(&b.plane, 1e-3));
    assert!((a.area_mm2() - b.area_mm2()).abs() < 1e-2);
    assert_eq!(a.image, b.image);
}

#[test]
fn a_contour_of_five_thousand_points_is_whole() {
    let series = series("large", &Lay::axial());
    let mut plane = plane_on(&series, 1, vec![Polygon::from_outer(circle(0.0, 0.0, 20.0, 5000))]);
    plane.polygons[0].outer[0].x -= 0.0;
    assert_eq!(plane.polygons[0].outer.len(), 5000);
    let set = set_with(&series, vec![roi(1, "Body", vec![plane])]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.dcm");
    write_rtstruct(&set, &series, &path, &plain()).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() > 100_000);
    let back = read_rtstruct(&path, Some(&series)).unwrap().set;
    assert_same_planes(&set.rois[0], &back.rois[0]);
    if shared::program("dciodvfy").is_some() {
        assert_eq!(shared::dciodvfy_errors(&path), Vec::<String>::new());
    }
}

#[test]
fn names_in_any_script_survive() {
    let series = series("script", &Lay::axial());
    let names = ["Prüfkörper", "膀胱", "Πνεύμονας", "A".repeat(64).leak()];
    let disc = || vec![Polygon::from_outer(circle(0.0, 0.0, 5.0, 12))];
    let rois = (1..).zip(names).map(|(id, name)| roi(id, name, vec![plane_on(&series, 2, disc())]));
    let set = set_with(&series, rois.collect());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Ausgabe ü.dcm");
    write_rtstruct(&set, &series, &path, &plain()).unwrap();
    let back = read_rtstruct(&path, Some(&series)).unwrap().set;
    assert_eq!(back.rois.iter().map(|roi| &*roi.name).collect::<Vec<_>>(), names);
    assert_eq!(back.patient.name, "Müller^Änne");
    assert!(back.rois.iter().all(|roi| roi.planes.len() == 1));
}

#[test]
fn a_name_that_does_not_fit_is_cut_and_said() {
    let series = series("long", &Lay::axial());
    let set = set_with(&series, vec![roi(1, &"x".repeat(70), Vec::new()), roi(1, "a\\b", Vec::new())]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.dcm");
    let written = write_rtstruct(&set, &series, &path, &plain()).unwrap();
    assert_eq!(written.warnings.len(), 3, "{:?}", written.warnings);
    let back = read_rtstruct(&path, Some(&series)).unwrap().set;
    assert_eq!(back.rois[0].name, "x".repeat(64));
    assert_eq!((&*back.rois[1].name, back.rois[1].number), ("a b", 2));
}

#[test]
fn unreviewed_work_of_the_machine_says_so() {
    let series = series("ai", &Lay::axial());
    let disc = || vec![plane_on(&series, 2, vec![Polygon::from_outer(circle(0.0, 0.0, 5.0, 12))])];
    let mut proposal = roi(1, "Lung_L", disc());
    proposal.approval = Approval::Proposal;
    proposal.generation = GenerationAlgorithm::Automatic;
    proposal.description = "chest 1.0".into();
    let set = set_with(&series, vec![proposal, roi(2, "Heart", disc())]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.dcm");
    let options = WriteRtstructOptions { label: Some("Lungs".into()), ..plain() };
    write_rtstruct(&set, &series, &path, &options).unwrap();
    let back = read_rtstruct(&path, Some(&series)).unwrap().set;
    assert_eq!(back.label, "AI unreviewed");
    let state = |roi: &Roi| (roi.generation, roi.approval);
    assert_eq!(state(&back.rois[0]), (GenerationAlgorithm::Automatic, Approval::Proposal));
    assert_eq!(state(&back.rois[1]), (GenerationAlgorithm::Manual, Approval::Accepted));
    let raw = dicom::object::open_file(&path).unwrap();
    assert_eq!(raw.element_by_name("ApprovalStatus").unwrap().to_str().unwrap(), "UNAPPROVED");
}

/// Contours as some other program might have stored them.
fn foreign(contours: &[(GeometricType, &[[f64; 3]])]) -> Vec<SourceContour> {
    contours
        .iter()
        .map(|(geometric_type, points)| SourceContour {
            geometric_type: geometric_type.clone(),
            // Needless zeros, signs and leading spaces are the other program's business.
            data: points
                .iter()
                .flat_map(|point| point.iter().map(|x| format!(" {x:+.5}")))
                .collect::<Vec<_>>()
                .join("\\")
                .into(),
            number: Some(7),
            images: Vec::new(),
            bounds_area: false,
        })
        .collect()
}

fn square(x: f64, y: f64, side: f64, z: f64) -> Vec<[f64; 3]> {
    [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)].map(|(u, v)| [x + u * side, y + v * side, z]).to_vec()
}

fn read_foreign(series: &Series, contours: Vec<SourceContour>) -> (Roi, Vec<String>, tempfile::TempDir) {
    let mut organ = roi(1, "Foreign", Vec::new());
    organ.source = Some(Arc::new(contours));
    let set = set_with(series, vec![organ]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.dcm");
    write_rtstruct(&set, series, &path, &plain()).unwrap();
    let read = read_rtstruct(&path, Some(series)).unwrap();
    let warnings = read.warnings.into_iter().map(|warning| warning.message).collect();
    ((*read.set.rois[0]).clone(), warnings, folder)
}

fn areas(roi: &Roi) -> Vec<f64> {
    roi.planes.iter().map(|plane| (plane.area_mm2() * 1e6).round() / 1e6).collect()
}

#[test]
fn foreign_contours_are_understood_and_go_out_as_they_came() {
    use GeometricType::{ClosedPlanar, ClosedPlanarXor, OpenNonplanar, OpenPlanar, Point};
    let series = series("foreign", &Lay::axial());
    let z = |k: usize| series.volume.slices[k].origin_mm.z;
    let point = [[0.0, 0.0, z(0)]];
    let pair = [[0.0, 0.0, z(0)], [1.0, 0.0, z(0)]];
    let line = [[0.0, 0.0, z(1)], [5.0, 0.0, z(1)], [5.0, 5.0, z(1)]];
    let flat = [[0.0, 0.0, z(1)], [5.0, 0.0, z(1)], [9.0, 0.0, z(1)]];
    let bent = [[0.0, 0.0, z(1)], [5.0, 0.0, z(2)], [5.0, 5.0, z(1)], [0.0, 5.0, z(3)]];
    let (outer, inner) = (square(0.0, 0.0, 10.0, z(3)), square(2.0, 2.0, 3.0, z(3)));
    let overlapping = [square(0.0, 0.0, 4.0, z(4)), square(2.0, 2.0, 4.0, z(4))];
    let exclusive = [square(0.0, 0.0, 4.0, z(5)), square(2.0, 2.0, 4.0, z(5))];
    let off = square(0.0, 0.0, 2.0, z(6) + 1.0);
    let near = square(0.0, 0.0, 2.0, z(7) + 0.04);
    let contours = foreign(&[
        (ClosedPlanar, &point),
        (ClosedPlanar, &pair),
        (ClosedPlanar, &outer),
        (ClosedPlanar, &inner),
        (Point, &point),
        (OpenPlanar, &line),
        (OpenNonplanar, &bent),
        (ClosedPlanar, &flat),
        (ClosedPlanar, &bent),
        (ClosedPlanar, &overlapping[0]),
        (ClosedPlanar, &overlapping[1]),
        (ClosedPlanarXor, &exclusive[0]),
        (ClosedPlanarXor, &exclusive[1]),
        (ClosedPlanar, &off),
        (ClosedPlanar, &near),
    ]);
    let (organ, warnings, folder) = read_foreign(&series, contours.clone());
    assert_eq!(areas(&organ), [91.0, 28.0, 24.0, 4.0, 4.0]);
    // Near a slice is on it, far from it stays where it is.
    assert_eq!(organ.planes[4].plane, series.volume.slices[7].plane);
    assert!((organ.planes[3].plane.offset_mm() - z(6) - 1.0).abs() < 1e-9);
    assert!(organ.planes[3].image.is_none());
    for part in
        ["open or of points", "fewer than three", "not in one plane", "on no image slice", "holes", "union"]
    {
        assert!(warnings.iter().any(|warning| warning.contains(part)), "{part}: {warnings:?}");
    }
    let source = organ.source.as_ref().unwrap();
    let texts = |list: &[SourceContour]| -> Vec<_> {
        list.iter().map(|c| (c.geometric_type.clone(), c.data.trim_end().to_owned(), c.number)).collect()
    };
    assert_eq!(texts(source), texts(&contours), "as stored");

    // Editing one plane leaves every other contour as it was, points and lines included.
    let mut edited = organ.clone();
    let disc = vec![Polygon::from_outer(circle(0.0, 0.0, 3.0, 8))];
    edited.planes[0] = Arc::new(RoiPlane::new(organ.planes[0].plane, organ.planes[0].image.clone(), disc));
    let path = folder.path().join("edited.dcm");
    write_rtstruct(&set_with(&series, vec![edited]), &series, &path, &plain()).unwrap();
    let back = read_rtstruct(&path, Some(&series)).unwrap().set;
    let mut wanted = texts(&contours);
    wanted.drain(2..4);
    let got = texts(back.rois[0].source.as_ref().unwrap());
    assert_eq!(got[..13], wanted[..]);
    assert_eq!(got.len(), 14);
    assert_eq!(back.rois[0].planes.len(), 5);
}

#[test]
fn a_keyhole_drawn_elsewhere_is_a_hole() {
    let series = series("keyhole", &Lay::axial());
    let z = series.volume.slices[2].origin_mm.z;
    let ring = [
        (0.0, 0.0),
        (10.0, 0.0),
        (10.0, 10.0),
        (0.0, 10.0),
        (0.0, 0.0), // outline
        (2.0, 2.0),
        (2.0, 5.0),
        (5.0, 5.0),
        (5.0, 2.0),
        (2.0, 2.0), // hole, the other way round
    ]
    .map(|(x, y)| [x, y, z]);
    let (organ, _, _folder) = read_foreign(&series, foreign(&[(GeometricType::ClosedPlanar, &ring)]));
    assert_eq!(areas(&organ), [91.0]);
    assert_eq!(organ.planes[0].polygons[0].holes.len(), 1);
}

#[test]
fn contours_of_other_planes_are_kept() {
    let series = series("across", &Lay::axial());
    let z = series.volume.slices[2].origin_mm.z;
    // Sagittal, 20 x 10 mm, across several slices.
    let ring = [[5.0, 0.0, z], [5.0, 20.0, z], [5.0, 20.0, z + 10.0], [5.0, 0.0, z + 10.0]];
    let (organ, warnings, _folder) = read_foreign(&series, foreign(&[(GeometricType::ClosedPlanar, &ring)]));
    assert_eq!(areas(&organ), [200.0]);
    assert!((organ.planes[0].plane.normal().x - 1.0).abs() < 1e-9);
    assert!(warnings.iter().any(|w| w.contains("on no image slice")), "{warnings:?}");
}

#[test]
fn export_refuses_another_patient_and_another_frame_of_reference() {
    let (here, there) = (series("here", &Lay::axial()), series("there", &Lay::axial()));
    let set = set_with(&here, vec![roi(1, "Heart", Vec::new())]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.dcm");
    let refused = write_rtstruct(&set, &there, &path, &plain());
    assert!(matches!(refused, Err(WriteRtstructError::FrameOfReferenceMismatch { .. })), "{refused:?}");
    let mut other = here.clone();
    other.info.patient.id = "T-18".into();
    let refused = write_rtstruct(&set, &other, &path, &plain());
    assert!(matches!(refused, Err(WriteRtstructError::PatientMismatch { .. })), "{refused:?}");
    let refused = write_rtstruct(&empty_set(&here), &here, &path, &plain());
    assert!(matches!(refused, Err(WriteRtstructError::NoRois { .. })), "{refused:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing left behind");

    // Reading has the same eyes.
    write_rtstruct(&set, &here, &path, &plain()).unwrap();
    let refused = read_rtstruct(&path, Some(&there));
    assert!(matches!(refused, Err(ReadRtstructError::FrameOfReference { .. })), "{refused:?}");
    let read = read_rtstruct(&path, Some(&other)).unwrap();
    assert!(read.warnings.iter().any(|w| w.message.contains("cannot be exported")), "{:?}", read.warnings);
}

#[test]
fn bad_targets_and_bad_files_are_told_clearly() {
    let series = series("bad", &Lay::axial());
    let disc = vec![plane_on(&series, 2, disc_with_holes())];
    let set = set_with(&series, vec![roi(1, "Heart", disc)]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.dcm");
    write_rtstruct(&set, &series, &path, &plain()).unwrap();
    let before = std::fs::read(&path).unwrap();
    let refused = write_rtstruct(&set, &series, &path, &plain()).unwrap_err();
    assert!(matches!(refused, WriteRtstructError::File(WriteFileError::Exists { .. })), "{refused}");
    assert!(refused.to_string().ends_with("out.dcm"), "the file is named last: {refused}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    write_rtstruct(&set, &series, &path, &WriteRtstructOptions { force: true, ..plain() }).unwrap();
    assert_ne!(std::fs::read(&path).unwrap(), before, "new UIDs");

    let nowhere = folder.path().join("no/such/folder/out.dcm");
    let refused = write_rtstruct(&set, &series, &nowhere, &plain()).unwrap_err();
    assert!(matches!(refused, WriteRtstructError::File(WriteFileError::Unwritable { .. })), "{refused}");

    // Cut off, not DICOM, missing: an error each, never a panic.
    for length in [0, 100, 131, 140, 400, before.len() / 2, before.len() - 3] {
        let cut = folder.path().join("cut.dcm");
        std::fs::write(&cut, &before[..length]).unwrap();
        match read_rtstruct(&cut, Some(&series)) {
            Err(error) => assert!(error.to_string().ends_with("cut.dcm"), "{error}"),
            Ok(read) => assert!(!read.warnings.is_empty(), "cut at {length} of {}", before.len()),
        }
    }
    assert!(read_rtstruct(&folder.path().join("none.dcm"), None).is_err());
    std::fs::write(folder.path().join("text.dcm"), "just a text").unwrap();
    assert!(read_rtstruct(&folder.path().join("text.dcm"), None).is_err());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_no_half_file() {
    use std::process::Command;
    let folder = tempfile::tempdir().unwrap();
    let mount = folder.path().join("small");
    std::fs::create_dir(&mount).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16k", "tmpfs"]).arg(&mount).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("skipped: no right to mount a small disk");
        return;
    }
    let series = series("full", &Lay::axial());
    let large = Polygon::from_outer(circle(0.0, 0.0, 20.0, 5000));
    let set = set_with(&series, vec![roi(1, "Body", vec![plane_on(&series, 1, vec![large])])]);
    let refused = write_rtstruct(&set, &series, &mount.join("out.dcm"), &plain());
    let left = std::fs::read_dir(&mount).unwrap().count();
    let _ = Command::new("umount").arg(&mount).output();
    let refused = refused.unwrap_err();
    assert!(matches!(refused, WriteRtstructError::File(WriteFileError::DiskFull { .. })), "{refused}");
    assert_eq!(left, 0);
}

#[test]
fn images_that_are_not_dicom_have_a_file_without_references() {
    let mut series = series("nifti", &Lay::axial());
    let mut volume = Volume::clone(&series.volume);
    for slice in &mut volume.slices {
        slice.instance = None;
    }
    series.volume = Arc::new(volume);
    series.info.frame_of_reference_uid = None;
    series.info.patient = delineo::patient::PatientInfo::default();
    let set = set_with(&series, vec![roi(1, "Heart", vec![plane_on(&series, 2, disc_with_holes())])]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.dcm");
    write_rtstruct(&set, &series, &path, &plain()).unwrap();
    let back = read_rtstruct(&path, Some(&series)).unwrap().set;
    assert_same_planes(&set.rois[0], &back.rois[0]);
    if shared::program("dciodvfy").is_some() {
        assert_eq!(shared::dciodvfy_errors(&path), Vec::<String>::new());
    }
}

#[test]
fn a_thousand_strokes_elsewhere_change_no_bit_of_a_slice() {
    let series = series("strokes", &Lay::oblique());
    let planes = (0..6).map(|k| plane_on(&series, k, disc_with_holes())).collect();
    let mut organ = roi(1, "Liver", planes);
    let folder = tempfile::tempdir().unwrap();
    let texts = |organ: &Roi, name: &str| {
        let path = folder.path().join(name);
        write_rtstruct(&set_with(&series, vec![organ.clone()]), &series, &path, &plain()).unwrap();
        let back = read_rtstruct(&path, None).unwrap().set;
        let source = back.rois[0].source.clone().unwrap();
        source.iter().map(|c| (c.images.clone(), c.data.clone())).collect::<Vec<_>>()
    };
    let before = texts(&organ, "before.dcm");
    for stroke in 0..1000_u32 {
        let at = circle(f64::from(stroke % 7), f64::from(stroke % 11), 4.0, 20);
        organ.planes[3] = Arc::new(plane_on(&series, 3, vec![Polygon::from_outer(at)]));
    }
    let after = texts(&organ, "after.dcm");
    let edited = &series.volume.slices[3].instance.clone().unwrap();
    let elsewhere = |list: &[(Vec<_>, Arc<str>)]| {
        list.iter().filter(|(images, _)| images.first() != Some(edited)).cloned().collect::<Vec<_>>()
    };
    assert_eq!(elsewhere(&before).len(), 15);
    assert_eq!(elsewhere(&before), elsewhere(&after));
}

#[test]
fn foreign_files_keep_every_character() {
    let Some(sarcoma) = shared::data("sarcoma-pet-mr") else { return };
    let python = shared::python();
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for entry in ["STS_005", "STS_011"] {
        for file in std::fs::read_dir(sarcoma.join(entry).join("RTSTRUCT")).unwrap() {
            let path = file.unwrap().path();
            let read = read_rtstruct(&path, None).unwrap();
            assert!(read.set.rois.iter().all(|roi| !roi.planes.is_empty()));
            // Any images of that frame of reference do: the references are not here in any case.
            let mut images = series("sarcoma", &Lay::axial());
            images.info.frame_of_reference_uid = read.set.frame_of_reference_uid.clone();
            images.info.patient = read.set.patient.clone();
            let onto = read_rtstruct(&path, Some(&images)).unwrap();
            let out = folder.path().join(format!("{count}.dcm"));
            write_rtstruct(&onto.set, &images, &out, &plain()).unwrap();
            let back = read_rtstruct(&out, None).unwrap();
            for (a, b) in read.set.rois.iter().zip(&back.set.rois) {
                let stored = |roi: &Roi| -> Vec<_> {
                    let source = roi.source.iter().flat_map(|source| source.iter());
                    source.map(|c| (c.geometric_type.clone(), c.data.clone())).collect()
                };
                assert_eq!(stored(a), stored(b));
                assert_eq!((&a.name, &a.roi_type, a.color), (&b.name, &b.roi_type, b.color));
            }
            if let Some(python) = &python {
                let said =
                    shared::run_python(python, "same_contours.py", &[path.as_os_str(), out.as_os_str()]);
                assert_eq!(said["different"], serde_json::json!([]), "{}", path.display());
                assert!(said["contours"].as_u64().unwrap() > 10);
            }
            count += 1;
        }
    }
    assert!(count >= 6);
}

#[test]
fn areas_survive_on_the_lattice_of_an_oblique_plane() {
    // A square whose corners are on no lattice: each coordinate moves by at most the lattice.
    let series = series("lattice", &Lay::oblique());
    let plane: Plane = series.volume.slices[5].plane;
    let ring = vec![
        Point2::new(0.123_456, 0.0),
        Point2::new(10.1, 0.000_049),
        Point2::new(10.1, 9.999_951),
        Point2::new(0.0, 10.0),
    ];
    let snapped = RoiPlane::new(plane, None, vec![Polygon::from_outer(ring.clone())]);
    for (a, b) in snapped.polygons[0].outer.iter().zip(&ring) {
        assert!((a - b).norm() < 4e-4);
    }
}

#[test]
fn a_written_ct_series_is_valid_deterministic_and_reads_back() {
    use delineo::dicom::write_ct_series;
    use delineo::patient::{OUTSIDE_I16, Voxels};
    use delineo::progress::Progress;
    use delineo::session::study::Study;
    for (name, lay) in [("ct axial", Lay::axial()), ("ct oblique", Lay::oblique())] {
        let mut series = series(name, &lay);
        series.info.patient.synthetic = true;
        series.info.patient.id = "SAMPLE-3".into();
        series.info.patient.name = "Sample^Patient".into();
        let mut volume = Volume::clone(&series.volume);
        if let Voxels::I16(values) = &mut volume.voxels {
            values[17] = OUTSIDE_I16;
            values[18] = 3071;
            values[19] = -1024;
        }
        series.volume = Arc::new(volume);
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let paths = write_ct_series(&series, &a, &Progress::new()).unwrap();
        assert_eq!(paths.len(), series.volume.slices.len());
        let again = write_ct_series(&series, &b, &Progress::new()).unwrap();
        for (one, other) in paths.iter().zip(&again) {
            assert_eq!(std::fs::read(one).unwrap(), std::fs::read(other).unwrap());
        }
        if shared::program("dciodvfy").is_some() {
            for path in paths.iter().take(2) {
                assert_eq!(shared::dciodvfy_errors(path), Vec::<String>::new());
            }
        }
        let back = Study::open(&[a], None, &Progress::new()).unwrap();
        assert_eq!(back.warnings, Vec::new());
        assert_eq!(back.series.volume.voxels, series.volume.voxels);
        assert!(back.series.volume.grid.is_same(&series.volume.grid, 1e-9));
        assert_eq!(back.series.info.patient, series.info.patient);
        assert_eq!(back.series.info.uid, series.info.uid);
        let instances = |series: &Series| -> Vec<_> {
            series.volume.slices.iter().map(|slice| slice.instance.clone()).collect()
        };
        assert_eq!(instances(&back.series), instances(&series));

        // Contours drawn on the written images belong to them.
        let planes = vec![plane_on(&back.series, 4, disc_with_holes())];
        let set = set_with(&back.series, vec![roi(1, "Heart", planes)]);
        let path = folder.path().join("rt.dcm");
        write_rtstruct(&set, &back.series, &path, &plain()).unwrap();
        let read = read_rtstruct(&path, Some(&back.series)).unwrap().set;
        assert_same_planes(&set.rois[0], &read.rois[0]);
        assert!(read.patient.synthetic);
    }
}
