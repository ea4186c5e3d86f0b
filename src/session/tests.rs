//! The rules of the one gate, undo and redo, and what the journal brings back.

use super::fixture::{
    axial_series, draw, guide, id, plain, plane_on, proposals, series_along, series_without, session_with,
    square,
};
use super::{Command, JournalStatus, Neighbour, Refusal, Session, catalog};
use crate::geometry::{Point3, Polygon, Vector3};
use crate::patient::{Approval, Confidence, GenerationAlgorithm, RoiId, RoiType, Series, StructureSet};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

#[test]
fn a_stroke_is_one_step_by_name_and_comes_back() {
    let mut session = session_with(axial_series(), &["Parotid_L"]);
    let before = session.structures().clone();
    let revision = session.selected().unwrap().revision;
    let stroke = draw(&session, "Parotid_L", 3, vec![square(0.0, 0.0, 10.0)]);
    let applied = session.apply(stroke.clone()).unwrap();
    assert_eq!(applied.rois, [id(&session, "Parotid_L")]);
    assert_eq!(session.undo_name(), Some("Brush on Parotid_L"));
    assert!(session.selected().unwrap().revision > revision);
    assert_eq!(session.apply(stroke).unwrap_err(), Refusal::Stale("Parotid_L".to_owned()));
    session.undo().unwrap();
    assert_eq!(plain(session.structures()), plain(&before));
    assert_eq!(session.redo_name(), Some("Brush on Parotid_L"));
    session.redo().unwrap();
    assert!((session.selected().unwrap().planes[0].area_mm2() - 100.0).abs() < 1e-9);
    assert_eq!(session.redo().unwrap_err(), Refusal::NothingToRedo);
}

#[test]
fn a_gesture_that_changes_nothing_leaves_no_step() {
    let mut session = session_with(axial_series(), &["Liver"]);
    session.apply(draw(&session, "Liver", 3, vec![square(0.0, 0.0, 10.0)])).unwrap();
    let steps = session.history().done();
    let (roi, revision) = (id(&session, "Liver"), session.revision());
    let same = [
        draw(&session, "Liver", 3, vec![square(0.0, 0.0, 10.0)]),
        draw(&session, "Liver", 9, Vec::new()),
        Command::SetLock { roi, locked: false },
        Command::RenameRoi { roi, name: " Liver ".to_owned() },
        Command::ReorderRoi { roi, to: 99 },
        Command::AddProposals { rois: Vec::new(), model: "none".to_owned() },
        Command::PutGuide { roi, guide: guide(0.0, 0.0) },
        Command::ClearGuides { roi },
    ];
    for command in same {
        assert!(session.apply(command).unwrap().edit.is_none());
    }
    assert_eq!((session.history().done(), session.revision()), (steps, revision));
}

#[test]
fn what_is_locked_or_approved_says_so() {
    let mut session = session_with(axial_series(), &["Cord", "Eye"]);
    let (cord, eye) = (id(&session, "Cord"), id(&session, "Eye"));
    session.apply(draw(&session, "Cord", 3, vec![square(0.0, 0.0, 10.0)])).unwrap();
    session.apply(Command::SetLock { roi: cord, locked: true }).unwrap();
    session.apply(Command::SetApproval { roi: eye, approval: Approval::Approved }).unwrap();
    let refused = [
        draw(&session, "Cord", 3, Vec::new()),
        Command::DeleteRoi { roi: cord },
        Command::DeleteContour { roi: cord, at: Point3::new(0.0, 0.0, 9.0) },
        Command::CopyFromSlice { roi: cord, slice: 4, from: Neighbour::Below },
        Command::ClearSlice { roi: cord, slice: 3 },
        Command::RenameRoi { roi: cord, name: "SpinalCord".to_owned() },
        Command::PutGuide { roi: cord, guide: guide(0.0, 9.0) },
        Command::ClearGuides { roi: cord },
    ];
    for command in refused {
        let refusal = session.apply(command).unwrap_err();
        assert_eq!(refusal.to_string(), "Cord is locked. Unlock it to change it.");
    }
    let refusal = session.may_draw(Some(eye), None).unwrap_err();
    assert_eq!(refusal.to_string(), "Eye is approved. Take back the approval to change it.");
    // Looks are no contours.
    session.apply(Command::RecolorRoi { roi: cord, color: [9, 9, 9] }).unwrap();
    session.apply(Command::SetLock { roi: cord, locked: false }).unwrap();
    session.apply(draw(&session, "Cord", 3, Vec::new())).unwrap();
}

#[test]
fn a_missing_slice_cannot_be_drawn_on_nor_bridged() {
    let mut session = session_with(series_without(5), &["Lung_L"]);
    let lung = id(&session, "Lung_L");
    session.apply(draw(&session, "Lung_L", 4, vec![square(0.0, 0.0, 10.0)])).unwrap();
    for command in [
        draw(&session, "Lung_L", 5, vec![square(0.0, 0.0, 10.0)]),
        Command::CopyFromSlice { roi: lung, slice: 5, from: Neighbour::Below },
    ] {
        assert_eq!(session.apply(command).unwrap_err(), Refusal::MissingSlice);
    }
    let across = Command::CopyFromSlice { roi: lung, slice: 6, from: Neighbour::Below };
    assert!(matches!(session.apply(across).unwrap_err(), Refusal::NothingToCopy(..)));
    let series = Series::clone(session.series());
    session.apply(proposals(&series, &["Heart"])).unwrap();
}

#[test]
fn hand_edits_change_who_made_it_and_undo_brings_that_back() {
    let mut session = session_with(axial_series(), &[]);
    let series = Series::clone(session.series());
    session.apply(proposals(&series, &["Brainstem"])).unwrap();
    let state = |session: &Session| {
        let roi = session.structures().roi_named("Brainstem").unwrap();
        (roi.generation, roi.approval)
    };
    assert_eq!(state(&session), (GenerationAlgorithm::Automatic, Approval::Proposal));
    session.apply(draw(&session, "Brainstem", 3, vec![square(0.0, 0.0, 12.0)])).unwrap();
    assert_eq!(state(&session), (GenerationAlgorithm::SemiAutomatic, Approval::Proposal));
    let all = session.exportable();
    assert!(all.set.rois.is_empty() && all.left_out == ["Brainstem"]);
    session.apply(Command::AcceptAllProposals).unwrap();
    assert_eq!(state(&session), (GenerationAlgorithm::SemiAutomatic, Approval::Accepted));
    let roi = id(&session, "Brainstem");
    session.apply(Command::SetApproval { roi, approval: Approval::Reviewed }).unwrap();
    session.apply(draw(&session, "Brainstem", 3, vec![square(0.0, 0.0, 13.0)])).unwrap();
    assert_eq!(state(&session).1, Approval::Accepted, "a review is void after a change");
    session.undo().unwrap();
    assert_eq!(state(&session).1, Approval::Reviewed);
    for _ in 0..3 {
        session.undo().unwrap();
    }
    assert_eq!(state(&session), (GenerationAlgorithm::Automatic, Approval::Proposal));
}

#[test]
fn confidence_comes_with_a_proposal_and_goes_where_a_hand_has_been() {
    let mut session = session_with(axial_series(), &["Larynx"]);
    let series = Series::clone(session.series());
    let Command::AddProposals { mut rois, model } = proposals(&series, &["Brainstem", "Larynx"]) else {
        panic!("not what models propose");
    };
    for roi in &mut rois {
        roi.confidence = Some(Confidence::new(0.8, true));
        for (share, plane) in [0.7, 0.5, 0.9].into_iter().zip(&mut roi.planes) {
            Arc::make_mut(plane).confidence = Some(share);
        }
    }
    session.apply(Command::AddProposals { rois, model }).unwrap();
    let state = |session: &Session, name: &str| {
        let roi = session.structures().rois.iter().rfind(|roi| roi.name == name).unwrap();
        let slices: Vec<f32> = roi.slice_confidence().map(|(_, share)| share).collect();
        (roi.confidence.map(|all| (all.value, all.edited)), slices)
    };
    let fresh = (Some((0.8, false)), vec![0.7, 0.5, 0.9]);
    assert_eq!(state(&session, "Brainstem"), fresh);
    let first = session.structures().roi_named("Brainstem").unwrap();
    assert_eq!(first.least_confident().map(|(plane, share)| (plane.plane, share)).unwrap().1, 0.5);
    let slice = series.volume.slices.iter().position(|s| s.plane == first.planes[1].plane).unwrap();
    session.apply(draw(&session, "Brainstem", slice, vec![square(0.0, 0.0, 12.0)])).unwrap();
    assert_eq!(state(&session, "Brainstem"), (Some((0.8, true)), vec![0.7, 0.9]));
    session.undo().unwrap();
    assert_eq!(state(&session, "Brainstem"), fresh);
    // Into contours that were there before, and out again.
    session.apply(Command::AcceptAllProposals).unwrap();
    assert_eq!(state(&session, "Larynx"), fresh);
    session.undo().unwrap();
    assert_eq!(session.structures().roi_named("Larynx").unwrap().confidence, None);
}

#[test]
fn proposals_leave_locked_structures_alone_and_replace_the_others() {
    let mut session = session_with(axial_series(), &["Parotid_L", "Parotid_R"]);
    let (left, right) = (id(&session, "Parotid_L"), id(&session, "Parotid_R"));
    for name in ["Parotid_L", "Parotid_R"] {
        session.apply(draw(&session, name, 8, vec![square(5.0, 5.0, 4.0)])).unwrap();
    }
    session.apply(Command::SetLock { roi: left, locked: true }).unwrap();
    let locked = Arc::clone(session.roi(left).unwrap());
    let series = Series::clone(session.series());
    session.apply(proposals(&series, &["Parotid_L", "Parotid_R", "Larynx"])).unwrap();
    assert_eq!(session.proposals().count(), 3);
    let names: Vec<_> = session.structures().rois.iter().map(|roi| roi.name.as_str()).collect();
    assert_eq!(names, ["Parotid_L", "Parotid_L", "Parotid_R", "Parotid_R", "Larynx"]);
    // Running the model again replaces its untouched proposals.
    session.apply(proposals(&series, &["Larynx"])).unwrap();
    assert_eq!(session.proposals().count(), 3);

    let applied = session.apply(Command::AcceptAllProposals).unwrap();
    assert!(applied.notes.iter().any(|note| note.starts_with("Parotid_L is locked")), "{applied:?}");
    assert!(Arc::ptr_eq(session.roi(left).unwrap(), &locked), "not so much as a new revision");
    assert_eq!(session.proposals().map(|roi| roi.name.as_str()).collect::<Vec<_>>(), ["Parotid_L"]);
    let own = session.roi(right).unwrap();
    assert_eq!((own.planes.len(), own.generation), (3, GenerationAlgorithm::Automatic));
    assert_eq!(own.description, "head-neck 0.1.0");
    let again = session.apply(Command::AcceptAllProposals).unwrap_err();
    assert_eq!(again, Refusal::Locked("Parotid_L".to_owned()));
    session.undo().unwrap();
    assert_eq!(session.roi(right).unwrap().planes.len(), 1);
    let larynx = id(&session, "Larynx");
    session.apply(Command::RejectProposals { rois: vec![larynx] }).unwrap();
    assert!(session.structures().roi_named("Larynx").is_none());
}

#[test]
fn a_foreign_structure_set_is_taken_whole_or_refused() {
    let mut session = session_with(axial_series(), &[]);
    let other = session_with(axial_series(), &["Heart", "Liver"]);
    let mut set = other.structures().clone();
    set.label = "Planning".to_owned();
    let mut foreign = set.clone();
    foreign.frame_of_reference_uid = Some("2.25.9".into());
    let refused = session.apply(Command::ImportStructureSet(Box::new(foreign))).unwrap_err();
    assert_eq!(refused, Refusal::OtherFrameOfReference);
    session.apply(Command::ImportStructureSet(Box::new(set.clone()))).unwrap();
    assert_eq!((session.structures().label.as_str(), session.structures().rois.len()), ("Planning", 2));
    assert_eq!(session.undo_name(), Some("Open structure set Planning"));
    session.apply(Command::ImportStructureSet(Box::new(set))).unwrap();
    let names: Vec<_> = session.structures().rois.iter().map(|roi| roi.name.as_str()).collect();
    assert_eq!(names, ["Heart", "Liver", "Heart^2", "Liver^2"]);
    let mut numbers: Vec<_> = session.structures().rois.iter().map(|roi| roi.number).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), 4);
    session.undo().unwrap();
    session.undo().unwrap();
    assert_eq!((session.structures().label.as_str(), session.structures().rois.len()), ("Delineo", 0));
}

#[test]
fn a_structure_set_of_another_person_is_refused_as_its_export_would_be() {
    let mut series = axial_series();
    series.info.patient.birth_date = "19600229".to_owned();
    let own = session_with(series.clone(), &["Heart"]).structures().clone();
    let import = |series: &Series, id: &str, name: &str, birth_date: &str| {
        let mut set = own.clone();
        set.patient.id = id.to_owned();
        set.patient.name = name.to_owned();
        set.patient.birth_date = birth_date.to_owned();
        session_with(series.clone(), &[]).apply(Command::ImportStructureSet(Box::new(set)))
    };
    let mut nameless = series.clone();
    nameless.info.patient.id.clear();
    import(&series, "P1", "Test^Anna", "19600229").unwrap();
    import(&series, "P1", "Wed^Anna", "19600229").unwrap();
    import(&nameless, "P1", "Test^Anna", "").unwrap();
    for (series, id, name, birth_date) in [
        (&series, "P2", "Test^Anna", "19600229"),
        (&series, "P1", "Else^Someone", "19990101"),
        (&series, "", "Else^Someone", ""),
        (&nameless, "P1", "Else^Someone", ""),
    ] {
        let refused = import(series, id, name, birth_date).unwrap_err();
        assert!(matches!(refused, Refusal::OtherPatient { .. }), "{refused}");
        assert!(refused.to_string().contains("correct the patient in the file"), "{refused}");
    }
}

#[test]
fn a_structure_set_without_a_frame_of_reference_is_taken_with_a_note() {
    let mut set = session_with(axial_series(), &["Heart"]).structures().clone();
    let mut session = session_with(axial_series(), &[]);
    let frame = session.structures().frame_of_reference_uid.clone();
    let stated = session.apply(Command::ImportStructureSet(Box::new(set.clone()))).unwrap();
    assert!(stated.notes.is_empty(), "{stated:?}");
    session.undo().unwrap();
    set.frame_of_reference_uid = None;
    let applied = session.apply(Command::ImportStructureSet(Box::new(set))).unwrap();
    assert!(applied.notes[0].contains("no frame of reference"), "{applied:?}");
    assert_eq!(session.structures().frame_of_reference_uid, frame);
}

#[test]
fn proposals_made_for_other_images_are_left_out_and_named() {
    let mut session = session_with(axial_series(), &["Liver"]);
    let mut shifted = axial_series();
    for slice in &mut Arc::make_mut(&mut shifted.volume).slices {
        slice.plane = slice.plane.at_offset(slice.plane.offset_mm() + 1.0);
    }
    let (own, steps) = (Series::clone(session.series()), session.history().done());
    let refused = session.apply(proposals(&shifted, &["Heart", "Liver"])).unwrap_err();
    assert_eq!(refused, Refusal::OtherImages("head-neck 0.1.0".to_owned()));
    assert_eq!((session.history().done(), session.proposals().count()), (steps, 0));

    // Some lie on the images' own slices, some do not, some on no slice that is there.
    let Command::AddProposals { mut rois, model } = proposals(&own, &["Heart", "Lung_L"]) else { return };
    rois[0].planes.push(Arc::new(plane_on(&shifted, 7, vec![square(0.0, 0.0, 10.0)])));
    rois[1].planes = vec![Arc::new(plane_on(&shifted, 7, vec![square(0.0, 0.0, 10.0)]))];
    let applied = session.apply(Command::AddProposals { rois, model }).unwrap();
    let names: Vec<_> = session.proposals().map(|roi| (roi.name.as_str(), roi.planes.len())).collect();
    assert_eq!(names, [("Heart", 3)]);
    assert_eq!(
        applied.notes,
        ["Heart", "Lung_L"]
            .map(|name| format!("{name}: left out on 1 plane, where these images have no slice."))
    );
}

#[test]
fn contours_are_deleted_and_copied_on_an_oblique_anisotropic_series() {
    let turn = crate::geometry::Rotation3::from_euler_angles(0.3, -0.2, 0.5);
    let axes = [turn * Vector3::x(), turn * Vector3::y(), turn * Vector3::z()];
    let series = series_along(axes, [40, 50, 12], [1.3, 0.9, 2.5]);
    let mut session = session_with(series, &["Node"]);
    let roi = id(&session, "Node");
    let center = session.series().volume.grid.patient_of([20.0, 20.0, 6.0]);
    let at = session.series().volume.slices[6].plane.project(center);
    let pieces = vec![square(at.x, at.y, 6.0), square(at.x + 10.0, at.y, 4.0)];
    session.apply(draw(&session, "Node", 6, pieces)).unwrap();
    session.apply(Command::CopyFromSlice { roi, slice: 7, from: Neighbour::Below }).unwrap();
    assert_eq!(session.undo_name(), Some("Copy from slice below on Node"));
    let own = session.roi(roi).unwrap();
    assert_eq!(own.planes.len(), 2);
    assert!((own.planes[1].area_mm2() - 52.0).abs() < 1e-2);
    let above = center + axes[2] * 2.4;
    session.apply(Command::DeleteContour { roi, at: above }).unwrap();
    let own = session.roi(roi).unwrap();
    assert!((own.planes[1].area_mm2() - 16.0).abs() < 1e-2, "the other piece stays");
    assert!((own.planes[0].area_mm2() - 52.0).abs() < 1e-2);
    let nothing = session.apply(Command::DeleteContour { roi, at: above }).unwrap_err();
    assert_eq!(nothing, Refusal::NoContourHere("Node".to_owned()));
}

#[test]
fn slices_that_strokes_do_not_touch_stay_the_same_bits() {
    let mut session = session_with(axial_series(), &["Liver"]);
    for slice in [2, 3, 12] {
        session.apply(draw(&session, "Liver", slice, vec![square(0.1, 0.2, 33.3)])).unwrap();
    }
    let kept = |session: &Session| {
        let roi = session.structures().roi_named("Liver").unwrap();
        [0, 2].map(|plane| Arc::clone(&roi.planes[plane]))
    };
    let before = kept(&session);
    for stroke in 0..1000_u32 {
        let angle = f64::from(stroke) * 0.7;
        let shape = vec![square(angle.sin() * 9.0, angle.cos() * 9.0, 20.0 + angle.sin())];
        session.apply(draw(&session, "Liver", 3, shape)).unwrap();
    }
    for (before, after) in before.iter().zip(kept(&session)) {
        assert!(Arc::ptr_eq(before, &after));
    }
    for _ in 0..1000 {
        session.undo().unwrap();
    }
    assert!(kept(&session).iter().zip(&before).all(|(after, before)| Arc::ptr_eq(before, after)));
}

/// A random thing a person might do. Numbers are taken modulo what there is.
fn step() -> impl Strategy<Value = (u8, u8, u8)> {
    (0..20_u8, any::<u8>(), any::<u8>())
}

fn perform(session: &mut Session, (kind, a, b): (u8, u8, u8)) {
    let count = session.structures().rois.len();
    let roi = session.structures().rois.get(usize::from(a) % count.max(1)).map_or(RoiId(0), |roi| roi.id);
    let name = session.roi(roi).map(|roi| roi.name.clone()).unwrap_or_default();
    let slice = usize::from(b) % 20;
    let series = Series::clone(session.series());
    let command = match kind {
        0 | 1 => Command::AddRoi { name: format!("Organ_{}", a % 8), color: None, roi_type: RoiType::Organ },
        2..=6 => {
            let Some(roi) = session.roi(roi) else { return };
            let side = f64::from(a % 7);
            let polygons: Vec<Polygon> =
                if side == 0.0 { vec![] } else { vec![square(1.0 / 3.0, 2.0, side)] };
            let planes = vec![plane_on(&series, slice, polygons)];
            Command::SetPlanes { roi: roi.id, gesture: "Brush", based_on: roi.revision, planes }
        }
        7 => Command::CopyFromSlice { roi, slice, from: Neighbour::Below },
        8 => Command::DeleteContour { roi, at: Point3::new(0.5, 2.0, 3.0 * f64::from(b % 20)) },
        9 => Command::RenameRoi { roi, name: format!("{name}x") },
        10 => Command::SetLock { roi, locked: b % 2 == 0 },
        11 => Command::ReorderRoi { roi, to: usize::from(b) },
        12 => Command::DeleteRoi { roi },
        13 => proposals(&series, &[["Organ_1", "Organ_2", "Organ_9"][usize::from(a) % 3]]),
        14 => Command::AcceptAllProposals,
        15 => Command::SetVisibility { rois: vec![roi], visible: b % 2 == 0 },
        16 => Command::PutGuide { roi, guide: guide(f64::from(b % 3), f64::from(b % 7)) },
        17 => Command::ClearGuides { roi },
        18 => {
            let _ = session.undo();
            return;
        }
        _ => {
            let _ = session.redo();
            return;
        }
    };
    let _ = session.apply(command);
}

/// Names of what can be undone and redone, and the structures after each undo, then after each redo.
fn history_of(session: &mut Session) -> (Vec<String>, Vec<StructureSet>) {
    let mut names: Vec<String> = session.history().undo_names().map(str::to_owned).collect();
    names.push("|".to_owned());
    names.extend(session.history().redo_names().map(str::to_owned));
    let mut states = vec![plain(session.structures())];
    while session.undo().is_ok() {
        states.push(plain(session.structures()));
    }
    while session.redo().is_ok() {
        states.push(plain(session.structures()));
    }
    (names, states)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn undo_and_redo_pass_through_the_same_states(steps in prop::collection::vec(step(), 1..40)) {
        let mut session = session_with(axial_series(), &[]);
        let mut states = vec![plain(session.structures())];
        for step in steps.into_iter().filter(|(kind, _, _)| *kind < 18) {
            let done = session.history().done();
            perform(&mut session, step);
            if session.history().done() > done {
                states.push(plain(session.structures()));
            }
        }
        for state in states.iter().rev().skip(1) {
            session.undo().unwrap();
            prop_assert_eq!(&plain(session.structures()), state);
        }
        for state in &states[1..] {
            session.redo().unwrap();
            prop_assert_eq!(&plain(session.structures()), state);
        }
    }

    #[test]
    fn the_journal_brings_back_structures_and_history(steps in prop::collection::vec(step(), 1..30), memory in prop::option::of(Just(2000_usize))) {
        let folder = tempfile::tempdir().unwrap();
        let series = Arc::new(axial_series());
        let mut session = Session::begin(Arc::clone(&series), &[], folder.path());
        if let Some(memory) = memory {
            session.set_history_memory(memory);
        }
        for step in steps {
            perform(&mut session, step);
        }
        let set = session.structures().clone();
        let wanted = history_of(&mut session);
        let shown = |session: &Session| -> Vec<bool> {
            session.structures().rois.iter().map(|roi| roi.visible).collect()
        };
        let wanted_shown = shown(&session);
        // Where the person was in the history before we looked at it all: everything redone.
        let done = session.history().done();
        drop(session);
        let found = catalog(folder.path());
        let Some(found) = found.resumable.first() else {
            prop_assert_eq!(done, 0);
            return Ok(());
        };
        prop_assert_eq!(found.edits, done as u64);
        let mut again = Session::resume(series, &found.path).unwrap();
        prop_assert_eq!(again.journal_status(), JournalStatus::Saved);
        prop_assert_eq!(shown(&again), wanted_shown);
        for _ in 0..wanted.0.iter().skip_while(|name| *name != "|").count() - 1 {
            again.undo().unwrap();
        }
        prop_assert_eq!(plain(again.structures()), plain(&set));
        prop_assert_eq!(history_of(&mut again), wanted);
    }
}

fn begin(folder: &Path) -> Session {
    let mut session = Session::begin(Arc::new(axial_series()), &[folder.join("ct")], folder);
    let add = Command::AddRoi { name: "Liver".to_owned(), color: None, roi_type: RoiType::Organ };
    session.apply(add).unwrap();
    session
}

#[test]
fn the_catalog_knows_whose_work_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(catalog(folder.path()).resumable.len(), 0);
    let session = begin(folder.path());
    assert_eq!(catalog(folder.path()).resumable.len(), 0, "open here");
    session.close().unwrap();
    let found = catalog(folder.path());
    let [resumable] = found.resumable.as_slice() else { panic!("{found:?}") };
    assert_eq!((resumable.subject.patient_name.as_str(), resumable.edits), ("Test^Anna", 1));
    assert_eq!(resumable.subject.opened_from, [folder.path().join("ct")]);
    let fingerprint = crate::patient::series_fingerprint(&axial_series());
    assert_eq!(found.of_images(&fingerprint), Some(resumable));

    let other = Arc::new(series_without(3));
    let refused = Session::resume(other, &resumable.path).unwrap_err();
    assert!(refused.to_string().contains("other images"), "{refused}");
    let first = Session::resume(Arc::new(axial_series()), &resumable.path).unwrap();
    let second = Session::resume(Arc::new(axial_series()), &resumable.path).unwrap_err();
    assert!(second.to_string().contains("another Delineo window"), "{second}");
    drop(first);
    resumable.delete().unwrap();
    assert_eq!(catalog(folder.path()), super::Catalog::default());
    // A session without an edit leaves nothing behind.
    Session::begin(Arc::new(axial_series()), &[], folder.path()).close().unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join("journals")).unwrap().count(), 0);
}

#[test]
fn work_that_was_all_taken_back_can_be_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = begin(folder.path());
    session.undo().unwrap();
    session.close().unwrap();
    let found = catalog(folder.path());
    let [resumable] = found.resumable.as_slice() else { panic!("{found:?}") };
    assert_eq!((resumable.edits, resumable.undone), (0, 1));
    let mut again = Session::resume(Arc::new(axial_series()), &resumable.path).unwrap();
    assert!(again.structures().rois.is_empty());
    again.redo().unwrap();
    assert_eq!(again.structures().rois[0].name, "Liver");
}

#[test]
fn a_journal_from_before_it_named_the_series_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let session = begin(folder.path());
    let path = session.journal().unwrap().path().to_owned();
    session.close().unwrap();
    let subject = |folder: &Path| catalog(folder).resumable[0].subject.clone();
    assert_eq!(subject(folder.path()).series_uid, "2.25.1000");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute("UPDATE session SET subject = json_remove(subject, '$.series_uid')", []).unwrap();
    drop(database);
    let old = subject(folder.path());
    assert_eq!((old.series_uid.as_str(), old.patient_name.as_str()), ("", "Test^Anna"));
    Session::resume(Arc::new(axial_series()), &path).unwrap();
}

#[test]
fn a_damaged_journal_is_an_error_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let session = begin(folder.path());
    let path = session.journal().unwrap().path().to_owned();
    session.close().unwrap();
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute("UPDATE edit SET data = X'0102' WHERE seq = 1", []).unwrap();
    drop(database);
    let error = Session::resume(Arc::new(axial_series()), &path).unwrap_err();
    assert!(error.to_string().starts_with("step 1 of the journal cannot be read"), "{error}");
    std::fs::write(&path, b"no database at all, but long enough to be looked at as one ...........").unwrap();
    assert_eq!(catalog(folder.path()).unreadable.len(), 1);
    assert!(Session::resume(Arc::new(axial_series()), &path).is_err());
}

#[test]
fn without_a_writable_folder_the_session_works_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let session = begin(&file);
    assert_eq!(session.structures().rois.len(), 1);
    assert!(matches!(session.journal_status(), JournalStatus::Off(_)), "{:?}", session.journal_status());
    assert_eq!(session.unsaved().map(|unsaved| unsaved.changes), Some(1));
    session.close().unwrap();
}

#[test]
fn on_a_full_disk_the_session_goes_on_and_saves_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = begin(folder.path());
    session.flush_to_disk().unwrap();
    session.journal().unwrap().limit_pages(1);
    let shape = |k: u32| {
        let points = (0..2000).map(|i| {
            let angle = f64::from(i) * std::f64::consts::TAU / 2000.0;
            crate::geometry::Point2::new(angle.cos() * f64::from(20 + k), angle.sin() * 20.0)
        });
        vec![Polygon::from_outer(points.collect())]
    };
    for k in 0..4 {
        session.apply(draw(&session, "Liver", 3, shape(k))).unwrap();
    }
    let status = session.journal_status();
    assert!(matches!(&status, JournalStatus::Failing(why) if why.contains("disk is full")), "{status:?}");
    assert!(session.flush_to_disk().is_err());
    let unsaved = session.unsaved().unwrap();
    assert!(unsaved.changes > 0 && unsaved.why.contains("disk is full"), "{unsaved:?}");
    session.undo().unwrap();
    assert_eq!(session.undo_name(), Some("Brush on Liver"));
    session.journal().unwrap().limit_pages(1_000_000);
    assert_eq!(session.unsaved(), None);
    assert_eq!(session.journal_status(), JournalStatus::Saved);
    let (set, path) = (session.structures().clone(), session.journal().unwrap().path().to_owned());
    drop(session);
    let again = Session::resume(Arc::new(axial_series()), &path).unwrap();
    assert_eq!(plain(again.structures()), plain(&set));
    assert_eq!((again.history().done(), again.redo_name()), (4, Some("Brush on Liver")));
}

#[test]
fn a_large_edit_does_not_wait_and_nothing_overtakes_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = begin(folder.path());
    let circle: Vec<_> = (0..60_000)
        .map(|i| f64::from(i) * std::f64::consts::TAU / 60_000.0)
        .map(|angle| crate::geometry::Point2::new(angle.cos() * 40.0, angle.sin() * 40.0))
        .collect();
    for slice in [3, 4] {
        let applied =
            session.apply(draw(&session, "Liver", slice, vec![Polygon::from_outer(circle.clone())])).unwrap();
        assert!(slice == 4 || applied.edit.is_some_and(|edit| edit.bytes() > 900_000));
    }
    session.apply(draw(&session, "Liver", 9, vec![square(0.0, 0.0, 3.0)])).unwrap();
    let (set, path) = (session.structures().clone(), session.journal().unwrap().path().to_owned());
    session.close().unwrap();
    let again = Session::resume(Arc::new(axial_series()), &path).unwrap();
    assert_eq!(plain(again.structures()), plain(&set));
}

#[test]
fn a_small_edit_is_committed_when_apply_returns() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = begin(folder.path());
    let reader = rusqlite::Connection::open(session.journal().unwrap().path()).unwrap();
    for side in 1..40_u32 {
        session.apply(draw(&session, "Liver", 3, vec![square(0.0, 0.0, f64::from(side))])).unwrap();
        assert_eq!(session.journal_status(), JournalStatus::Saved);
        let cursor = reader.query_row("SELECT max(seq) FROM edit", [], |row| row.get::<_, u32>(0));
        assert_eq!(cursor, Ok(side + 1));
    }
}

#[test]
fn compaction_keeps_the_state_and_the_latest_steps() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = begin(folder.path());
    for side in 1..30 {
        session.apply(draw(&session, "Liver", 3, vec![square(0.0, 0.0, f64::from(side))])).unwrap();
    }
    session.undo().unwrap();
    let path = session.journal().unwrap().path().to_owned();
    session.compact_history(5).unwrap();
    let set = session.structures().clone();
    session.close().unwrap();
    let mut again = Session::resume(Arc::new(axial_series()), &path).unwrap();
    assert_eq!(plain(again.structures()), plain(&set));
    assert_eq!((again.history().done(), again.history().len()), (5, 6));
    for _ in 0..5 {
        again.undo().unwrap();
    }
    assert!((again.structures().rois[0].planes[0].area_mm2() - 23.0 * 23.0).abs() < 1e-6);
    assert_eq!(again.undo().unwrap_err(), Refusal::NothingToUndo);
    let add = Command::AddRoi { name: "New".to_owned(), color: None, roi_type: RoiType::Organ };
    again.apply(add).unwrap();
    assert_eq!(again.structures().rois.len(), 2);
    assert_ne!(again.structures().rois[0].id, again.structures().rois[1].id);
}

#[test]
fn the_audit_trail_lists_everything_and_cannot_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = begin(folder.path());
    session.undo().unwrap();
    session.record_export(Path::new("/out/rs.dcm"), session.exportable().revision).unwrap();
    assert!(!session.has_unexported_changes());
    let path = session.journal().unwrap().path().to_owned();
    drop(session);
    let database = rusqlite::Connection::open(&path).unwrap();
    let mut rows = database.prepare("SELECT action || ': ' || detail FROM audit ORDER BY id").unwrap();
    let lines: Vec<String> = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(lines, ["edit: Add Liver", "history: Undo Add Liver", "export: /out/rs.dcm"]);
    for change in ["DELETE FROM audit", "UPDATE audit SET detail = ''"] {
        assert!(database.execute(change, []).unwrap_err().to_string().contains("append-only"));
    }
}
