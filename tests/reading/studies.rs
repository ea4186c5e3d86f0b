//! Opening paths: which series, whose patient, the same images again.

use crate::builder::{Image, field, text};
use crate::{assert_warned, read_only, scanned};
use delineo::dicom::SeriesEntry;
use delineo::formats::nifti::write_labels;
use delineo::patient::{LabelMap, series_fingerprint};
use delineo::progress::Progress;
use delineo::session::study::{OpenStudyError, Study};
use dicom::core::VR;
use dicom::dictionary_std::tags;
use std::path::Path;
use tempfile::tempdir;

fn write_series(folder: &Path, modality: &'static str, uid: &str, count: u32) {
    std::fs::create_dir_all(folder).unwrap();
    for n in 0..count {
        let image = Image {
            modality,
            series_uid: uid.into(),
            sop_uid: format!("{uid}.{n}"),
            ..Image::at_z(f64::from(n) * 2.0)
        };
        image.filled(field).write(folder, &format!("{uid}-{n}"));
    }
}

fn open(folder: &Path, wanted: Option<&str>) -> Result<Study, OpenStudyError> {
    Study::open(&[folder.to_owned()], wanted, &Progress::new())
}

#[test]
fn ct_is_opened_before_mr_and_the_longest_first() {
    let folder = tempdir().unwrap();
    write_series(&folder.path().join("a/mr"), "MR", "1.1", 9);
    write_series(&folder.path().join("b"), "CT", "1.2", 3);
    write_series(&folder.path().join("c"), "CT", "1.3", 5);
    write_series(&folder.path().join("d"), "PT", "1.4", 9);
    let study = open(folder.path(), None).unwrap();
    assert_eq!(&*study.series.info.uid, "1.3");
    let choice = study.choice.as_ref().unwrap();
    assert!(choice.contains("4 series") && choice.contains("1.3"), "{choice}");
    assert_eq!(study.path, folder.path().join("c"));
    assert_eq!(study.companions().count(), 3);

    let wanted = open(folder.path(), Some("1.1")).unwrap();
    assert_eq!(&*wanted.series.info.uid, "1.1");
    assert_eq!(wanted.choice, None);
    let unknown = open(folder.path(), Some("9.9")).unwrap_err();
    assert!(unknown.to_string().contains("1.4"), "{unknown}");
}

#[test]
fn one_file_opens_as_itself() {
    let folder = tempdir().unwrap();
    write_series(folder.path(), "CT", "1.2", 3);
    let study = open(&folder.path().join("1.2-1"), None).unwrap();
    assert_eq!(study.series.volume.grid.dims()[2], 1);
}

#[test]
fn nifti_opens_by_its_name_and_a_folder_of_it_is_explained() {
    let folder = tempdir().unwrap();
    let dicom = tempdir().unwrap();
    write_series(dicom.path(), "CT", "1.2", 3);
    let volume = read_only(dicom.path()).series.volume;
    let labels = LabelMap {
        grid: volume.grid.clone(),
        labels: (0..36).collect(),
        names: Vec::new(),
        unreviewed: false,
    };
    let path = folder.path().join("image.nii.gz");
    write_labels(&labels, &path, None, "test").unwrap();
    let study = open(&path, None).unwrap();
    assert!(study.series.volume.grid.is_same(&volume.grid, 1e-4));
    assert_eq!(study.series.volume.voxels.value(35), Some(35.0));
    let error = open(folder.path(), None).unwrap_err();
    assert!(error.to_string().contains("image.nii.gz"), "{error}");
}

#[test]
fn who_and_when_are_read() {
    let folder = tempdir().unwrap();
    Image::at_z(0.0)
        .with(text(tags::PATIENT_POSITION, VR::CS, "FFP"))
        .with(text(tags::SERIES_DESCRIPTION, VR::LO, "planning "))
        .with(text(tags::SERIES_NUMBER, VR::IS, "7"))
        .with(text(tags::ACCESSION_NUMBER, VR::SH, "A1"))
        .write(folder.path(), "one.dcm");
    let info = read_only(folder.path()).series.info;
    assert_eq!((info.patient.name.as_str(), info.patient.id.as_str()), ("Test^Patient", "T1"));
    assert_eq!((info.patient.birth_date.as_str(), info.patient.synthetic), ("19700101", false));
    assert_eq!((info.study.uid.as_str(), info.study.date.as_str()), ("1.2.3", "20240305"));
    assert_eq!((info.study.accession_number.as_str(), info.number), ("A1", Some(7)));
    assert_eq!((info.description.as_str(), info.patient_position.as_deref()), ("planning", Some("FFP")));
    assert_eq!(info.frame_of_reference_uid.as_deref(), Some("1.2.3.9"));
}

#[test]
fn the_sample_patient_is_known_by_maker_and_id() {
    let folder = tempdir().unwrap();
    Image::at_z(0.0)
        .with(text(tags::PATIENT_ID, VR::LO, "SAMPLE-17"))
        .with(text(tags::MANUFACTURER, VR::LO, "Delineo"))
        .write(folder.path(), "one.dcm");
    assert!(scanned(folder.path()).series[0].info.patient.synthetic);
    Image::at_z(0.0).with(text(tags::PATIENT_ID, VR::LO, "SAMPLE-17")).write(folder.path(), "one.dcm");
    assert!(!scanned(folder.path()).series[0].info.patient.synthetic);
}

#[test]
fn the_same_images_have_the_same_fingerprint_wherever_they_lie() {
    let (here, there) = (tempdir().unwrap(), tempdir().unwrap());
    write_series(here.path(), "CT", "1.2", 4);
    write_series(&there.path().join("other/folder"), "CT", "1.2", 4);
    let fingerprint = |folder: &Path| series_fingerprint(&read_only(folder).series);
    let first = fingerprint(here.path());
    assert_eq!(first, fingerprint(there.path()));
    assert_eq!(first.len(), 64);
    // The same UID with an instance less, or elsewhere in the patient, is another.
    std::fs::remove_file(here.path().join("1.2-3")).unwrap();
    assert_ne!(first, fingerprint(here.path()));
    let moved = tempdir().unwrap();
    for n in 0..4 {
        let mut image = Image::at_z(f64::from(n) * 2.0);
        image.series_uid = "1.2".into();
        image.sop_uid = format!("1.2.{n}");
        image.origin[0] += 1.0;
        image.write(moved.path(), &format!("m{n}"));
    }
    assert_ne!(first, fingerprint(moved.path()));
}

#[test]
fn names_are_read_in_their_character_set() {
    for set in ["ISO_IR 100", "ISO_IR 192"] {
        let folder = tempdir().unwrap();
        Image::at_z(0.0)
            .with(text(tags::SPECIFIC_CHARACTER_SET, VR::CS, set))
            .with(text(tags::PATIENT_NAME, VR::PN, "Sørensen^Åse"))
            .write(folder.path(), "one.dcm");
        assert_eq!(read_only(folder.path()).series.info.patient.name, "Sørensen^Åse", "{set}");
    }
}

/// Slices 3 mm apart of one patient, under the series UID 1.2.3.4.
fn write_patient(folder: &Path, id: &str, name: &str, study: &str, heights: std::ops::Range<u32>) {
    for n in heights {
        Image::at_z(f64::from(n) * 3.0)
            .filled(field)
            .with(text(tags::PATIENT_ID, VR::LO, id))
            .with(text(tags::PATIENT_NAME, VR::PN, name))
            .with(text(tags::STUDY_INSTANCE_UID, VR::UI, study))
            .write(folder, &format!("{id}{name}{study}-{n:02}"));
    }
}

#[test]
fn two_patients_with_one_series_uid_are_two_series() {
    for (a, b) in [(("P1", "A", "1.1"), ("P2", "A", "1.1")), (("", "A", "1.1"), ("", "B", "1.1"))] {
        let folder = tempdir().unwrap();
        write_patient(folder.path(), a.0, a.1, a.2, 0..5);
        write_patient(folder.path(), b.0, b.1, b.2, 5..9);
        let library = scanned(folder.path());
        let counts: Vec<usize> = library.series.iter().map(SeriesEntry::slice_count).collect();
        assert_eq!(counts, [5, 4]);
        let first = format!("{}{}{}-05", b.0, b.1, b.2);
        assert_warned(&library.warnings, &first, "another patient");
        // Each can be opened by its key; the plain UID is the largest, and says so.
        let wanted = open(folder.path(), Some("1.2.3.4#1")).unwrap();
        assert_eq!((wanted.chosen, wanted.choice), (Some(0), None));
        assert_eq!(open(folder.path(), Some("1.2.3.4#2")).unwrap().chosen, Some(1));
        let plain = open(folder.path(), Some("1.2.3.4")).unwrap();
        assert_eq!(plain.chosen, Some(0));
        assert!(plain.choice.unwrap().contains("1.2.3.4#1"));
        let unknown = open(folder.path(), Some("1.2.3.4#3")).unwrap_err().to_string();
        assert!(unknown.contains("1.2.3.4#1, 1.2.3.4#2"), "{unknown}");
    }
}

#[test]
fn two_studies_with_one_series_uid_are_two_series() {
    let folder = tempdir().unwrap();
    write_patient(folder.path(), "P1", "A", "1.1", 0..3);
    write_patient(folder.path(), "P1", "A", "1.2", 3..6);
    let library = scanned(folder.path());
    assert_eq!(library.series.len(), 2);
    assert_warned(&library.warnings, "P1A1.2-03", "another study");
}
