//! Derived structures follow their sources, through edits, undo and the journal.

use super::*;
use crate::geometry::Polygon;
use crate::patient::Density;
use crate::session::fixture::{axial_series, draw, id, plain, session_with, square};
use crate::session::{Applied, JournalStatus};

fn order(session: &Session, recipe: &str, target: Target, keep: bool) -> Order {
    Order { recipe: session.read_recipe(recipe).unwrap().recipe, target, keep }
}

fn carry_out(session: &mut Session, orders: Vec<Order>) -> Result<Applied, Refusal> {
    let plan = session.plan("Derive", orders)?;
    session.apply(plan.run(&Progress::new()).unwrap())
}

fn derive(session: &mut Session, name: &str, recipe: &str) {
    let target = Target::New { name: name.to_owned(), roi_type: RoiType::Ptv };
    let order = order(session, recipe, target, true);
    carry_out(session, vec![order]).unwrap();
}

/// CTV of 20 mm squares on slices 5 to 9.
fn with_ctv() -> Session {
    let mut session = session_with(axial_series(), &["CTV"]);
    for slice in 5..10 {
        session.apply(draw(&session, "CTV", slice, vec![square(0.0, 0.0, 20.0)])).unwrap();
    }
    session
}

fn area(session: &Session, name: &str, slice: usize) -> f64 {
    let plane = session.series().volume.slices[slice].plane;
    let roi = session.structures().roi_named(name).unwrap();
    roi.plane_at(&plane).map_or(0.0, |own| own.polygons.iter().map(Polygon::area_mm2).sum())
}

#[test]
fn a_recipe_makes_a_structure_in_one_step_and_is_kept() {
    let mut session = with_ctv();
    let steps = session.history().done();
    derive(&mut session, "PTV", "CTV + 5 mm");
    assert_eq!((session.history().done(), session.undo_name()), (steps + 1, Some("Derive")));
    let wanted = 400.0 + 4.0 * 20.0 * 5.0 + std::f64::consts::PI * 25.0;
    assert!((area(&session, "PTV", 7) - wanted).abs() < 0.2);
    let ptv = id(&session, "PTV");
    assert_eq!(session.recipe_text(ptv).as_deref(), Some("CTV + 5 mm"));
    assert_eq!(session.standing(ptv), Some(Standing::UpToDate));
    assert_eq!(session.standing(id(&session, "CTV")), None);
    let ctv = id(&session, "CTV");
    session.apply(Command::RenameRoi { roi: ctv, name: "CTV_6000".to_owned() }).unwrap();
    assert_eq!(session.recipe_text(ptv).as_deref(), Some("CTV_6000 + 5 mm"));
    assert_eq!(session.standing(ptv), Some(Standing::UpToDate), "a name is no contour");
}

#[test]
fn it_follows_its_source_within_the_same_step_and_back() {
    let mut session = with_ctv();
    derive(&mut session, "PTV", "CTV + 5 mm");
    derive(&mut session, "Ring", "PTV out 3 mm - PTV");
    let before = session.structures().clone();
    let steps = session.history().done();
    session.apply(draw(&session, "CTV", 7, vec![square(0.0, 0.0, 40.0)])).unwrap();
    assert_eq!(session.history().done(), steps + 1);
    let wanted = 1600.0 + 4.0 * 40.0 * 5.0 + std::f64::consts::PI * 25.0;
    assert!((area(&session, "PTV", 7) - wanted).abs() < 0.2);
    for name in ["PTV", "Ring"] {
        let roi = id(&session, name);
        assert_eq!(session.standing(roi), Some(Standing::UpToDate), "{name}");
        // The same as made from nothing.
        let text = session.recipe_text(roi).unwrap();
        let order = order(&session, &text, Target::Roi(roi), true);
        let again = session.plan("Again", vec![order]).unwrap().run(&Progress::new()).unwrap();
        let Command::PutDerived { results, .. } = again else { panic!("another command") };
        let own = session.roi(roi).unwrap();
        assert!(results[0].region.planes_for(own, &session.series().volume).is_empty(), "{name}");
    }
    session.undo().unwrap();
    assert_eq!(plain(session.structures()), plain(&before), "bit for bit");
    assert_eq!(session.standing(id(&session, "PTV")), Some(Standing::UpToDate));
    session.redo().unwrap();
    assert_eq!(session.standing(id(&session, "Ring")), Some(Standing::UpToDate));
}

#[test]
fn what_is_smoothed_in_space_follows_its_source_too() {
    let mut session = session_with(axial_series(), &["CTV"]);
    for slice in 3..12 {
        let side = if slice % 2 == 0 { 40.0 } else { 44.0 };
        session.apply(draw(&session, "CTV", slice, vec![square(0.0, 0.0, side)])).unwrap();
    }
    derive(&mut session, "Even", "smooth3d(CTV, 5 mm)");
    let jump = |session: &Session| (area(session, "Even", 7) - area(session, "Even", 8)).abs();
    assert!(jump(&session) < 0.15 * (44.0 * 44.0 - 40.0 * 40.0), "{}", jump(&session));
    let cc = |session: &Session, name: &str| {
        session.structures().roi_named(name).unwrap().volume_cc(&session.series().volume)
    };
    let kept = |session: &Session| (cc(session, "Even") / cc(session, "CTV") - 1.0).abs() < 0.005;
    assert!(kept(&session));
    let before = session.structures().clone();
    session.apply(draw(&session, "CTV", 7, vec![square(0.0, 0.0, 52.0)])).unwrap();
    let even = id(&session, "Even");
    assert_eq!(session.standing(even), Some(Standing::UpToDate));
    assert!(kept(&session) && cc(&session, "Even") > before.rois[1].volume_cc(&session.series().volume));
    let text = session.recipe_text(even).unwrap();
    assert_eq!(text, "smooth3d(CTV, 5 mm)");
    let order = order(&session, &text, Target::Roi(even), true);
    let again = session.plan("Again", vec![order]).unwrap().run(&Progress::new()).unwrap();
    let Command::PutDerived { results, .. } = again else { panic!("another command") };
    let own = session.roi(even).unwrap();
    assert!(results[0].region.planes_for(own, &session.series().volume).is_empty(), "as made from nothing");
    session.undo().unwrap();
    assert_eq!(plain(session.structures()), plain(&before), "bit for bit");
}

#[test]
fn what_is_smoothed_in_space_follows_near_what_changed_and_waits_where_that_is_much() {
    let mut session = session_with(axial_series(), &["CTV"]);
    for slice in 0..20 {
        let side = if slice % 2 == 0 { 40.0 } else { 44.0 };
        session.apply(draw(&session, "CTV", slice, vec![square(0.0, 0.0, side)])).unwrap();
    }
    // Slices are 3 mm apart: those within 18 mm count, and there are more on either side.
    derive(&mut session, "Even", "smooth3d(CTV, 1 mm)");
    let even = id(&session, "Even");
    let planes = |session: &Session| session.roi(even).unwrap().planes.clone();
    let before = planes(&session);
    session.apply(draw(&session, "CTV", 10, vec![square(0.0, 0.0, 52.0)])).unwrap();
    assert_eq!(session.standing(even), Some(Standing::UpToDate));
    let now = planes(&session);
    let is_same = |slice: usize| before[slice].polygons == now[slice].polygons;
    assert!(!is_same(10) && [0, 1, 2, 18, 19].into_iter().all(is_same));
    let order = order(&session, "smooth3d(CTV, 1 mm)", Target::Roi(even), true);
    let again = session.plan("Again", vec![order]).unwrap().run(&Progress::new()).unwrap();
    let Command::PutDerived { results, .. } = again else { panic!("another command") };
    let own = session.roi(even).unwrap();
    assert!(results[0].region.planes_for(own, &session.series().volume).is_empty(), "as made from nothing");
    // So many vertices on every slice that a margin still follows, and smoothing across the slices does not.
    let round = |radius: f64| {
        let corner = |n: u32| {
            let (sine, cosine) = (f64::from(n) * std::f64::consts::TAU / 1000.0).sin_cos();
            crate::geometry::Point2::new(radius * cosine, radius * sine)
        };
        vec![Polygon::from_outer((0..1000).map(corner).collect())]
    };
    let mut session = session_with(axial_series(), &["CTV"]);
    for slice in 0..20 {
        session.apply(draw(&session, "CTV", slice, round(20.0))).unwrap();
    }
    derive(&mut session, "Wide", "CTV + 1 mm");
    derive(&mut session, "Even", "smooth3d(CTV, 5 mm)");
    session.apply(draw(&session, "CTV", 10, round(22.0))).unwrap();
    assert_eq!(session.standing(id(&session, "Wide")), Some(Standing::UpToDate));
    assert_eq!(session.standing(id(&session, "Even")), Some(Standing::Stale));
}

#[test]
fn what_a_person_drew_and_what_is_locked_is_left_alone() {
    let mut session = with_ctv();
    derive(&mut session, "PTV", "CTV + 5 mm");
    derive(&mut session, "PTV2", "CTV + 2 mm");
    let (ptv, second) = (id(&session, "PTV"), id(&session, "PTV2"));
    session.apply(draw(&session, "PTV", 6, vec![square(0.0, 0.0, 50.0)])).unwrap();
    assert_eq!(session.standing(ptv), Some(Standing::Overridden));
    session.apply(Command::SetLock { roi: second, locked: true }).unwrap();
    let kept = [session.roi(ptv).unwrap().planes.clone(), session.roi(second).unwrap().planes.clone()];
    session.apply(draw(&session, "CTV", 7, vec![square(0.0, 0.0, 40.0)])).unwrap();
    assert_eq!(
        [&session.roi(ptv).unwrap().planes, &session.roi(second).unwrap().planes],
        [&kept[0], &kept[1]]
    );
    assert_eq!(session.standing(second), Some(Standing::Stale));
    assert!(session.plan_update(&[]).unwrap().is_none(), "one is locked, the other drawn by hand");
    let plan = session.plan_update(&[ptv]).unwrap().unwrap();
    session.apply(plan.run(&Progress::new()).unwrap()).unwrap();
    assert_eq!(session.standing(ptv), Some(Standing::UpToDate));
    let onto_locked = order(&session, "CTV", Target::Roi(second), false);
    assert_eq!(session.plan("x", vec![onto_locked]).unwrap_err(), Refusal::Locked("PTV2".to_owned()));
}

#[test]
fn how_all_stand_is_worked_out_once_a_revision() {
    let mut session = with_ctv();
    let agrees = |session: &Session| {
        let all = session.standings();
        assert!(Arc::ptr_eq(&all, &session.standings()), "kept while nothing changes");
        for roi in &session.structures().rois {
            assert_eq!(all.get(&roi.id).copied(), session.standing(roi.id), "{}", roi.name);
        }
        all.values().copied().collect::<Vec<_>>()
    };
    assert!(agrees(&session).is_empty());
    derive(&mut session, "PTV", "CTV + 5 mm");
    derive(&mut session, "Whole", "largest(CTV)");
    assert_eq!(agrees(&session), [Standing::UpToDate; 2]);
    session.apply(draw(&session, "CTV", 7, vec![square(0.0, 0.0, 40.0)])).unwrap();
    assert_eq!(agrees(&session), [Standing::UpToDate, Standing::Stale]);
    session.apply(draw(&session, "PTV", 7, vec![square(0.0, 0.0, 60.0)])).unwrap();
    assert_eq!(agrees(&session), [Standing::Overridden, Standing::Stale]);
    session.undo().unwrap();
    session.undo().unwrap();
    assert_eq!(agrees(&session), [Standing::UpToDate; 2]);
    session.redo().unwrap();
    assert_eq!(agrees(&session), [Standing::UpToDate, Standing::Stale]);
    session.apply(Command::DeleteRoi { roi: id(&session, "CTV") }).unwrap();
    assert_eq!(agrees(&session), [Standing::Broken; 2]);
    assert_eq!(Standing::UpToDate.warning("PTV"), None);
}

#[test]
fn what_takes_long_goes_out_of_date_until_asked_for() {
    let mut session = with_ctv();
    derive(&mut session, "Body", "largest(CTV)");
    derive(&mut session, "Shell", "Body + 1 mm");
    session.apply(draw(&session, "CTV", 7, vec![square(0.0, 0.0, 40.0)])).unwrap();
    let (body, shell) = (id(&session, "Body"), id(&session, "Shell"));
    assert_eq!(session.standing(body), Some(Standing::Stale));
    let plan = session.plan_update(&[]).unwrap().unwrap();
    let put = plan.run(&Progress::new()).unwrap();
    session.apply(put.clone()).unwrap();
    assert_eq!([body, shell].map(|roi| session.standing(roi)), [Some(Standing::UpToDate); 2]);
    assert!((area(&session, "Body", 7) - 1600.0).abs() < 1e-6);
    assert!(area(&session, "Shell", 7) > 1600.0 + 160.0);
    session.undo().unwrap();
    session.apply(draw(&session, "CTV", 8, vec![square(0.0, 0.0, 30.0)])).unwrap();
    assert_eq!(session.apply(put).unwrap_err(), Refusal::SourceChanged("CTV".to_owned()));
}

#[test]
fn circles_are_refused_with_their_names() {
    let mut session = with_ctv();
    derive(&mut session, "PTV", "CTV + 5 mm");
    derive(&mut session, "Ring", "ring(PTV, 2 mm, 3 mm)");
    let (ctv, ptv) = (id(&session, "CTV"), id(&session, "PTV"));
    let circle = order(&session, "Ring - 1 mm", Target::Roi(ctv), true);
    assert_eq!(
        session.plan("x", vec![circle]).unwrap_err(),
        Refusal::Circle("CTV from Ring from PTV from CTV".to_owned())
    );
    let itself = order(&session, "PTV + 1 mm", Target::Roi(ptv), true);
    assert!(matches!(session.plan("x", vec![itself]), Err(Refusal::Circle(_))));
    // Without keeping the recipe it is an ordinary edit.
    let once = order(&session, "PTV + 1 mm", Target::Roi(ptv), false);
    carry_out(&mut session, vec![once]).unwrap();
    assert_eq!(session.standing(ptv), Some(Standing::Overridden));
    session.apply(Command::DeleteRoi { roi: ctv }).unwrap();
    assert_eq!(session.standing(ptv), Some(Standing::Broken));
    session.apply(Command::ForgetRecipe { roi: ptv }).unwrap();
    assert_eq!(session.standing(ptv), None);
}

#[test]
fn several_structures_change_in_one_step() {
    let mut session = session_with(axial_series(), &["A", "B"]);
    for name in ["A", "B"] {
        session.apply(draw(&session, name, 5, vec![square(0.0, 0.0, 20.0)])).unwrap();
    }
    let before = session.structures().clone();
    let flat = "(left 2, right 2, anterior 2, posterior 2) mm";
    let orders = ["A", "B"]
        .map(|name| order(&session, &format!("{name} + {flat}"), Target::Roi(id(&session, name)), false));
    carry_out(&mut session, orders.to_vec()).unwrap();
    assert!(area(&session, "A", 5) > 560.0 && area(&session, "B", 5) > 560.0);
    session.undo().unwrap();
    assert_eq!(plain(session.structures()), plain(&before));
}

#[test]
fn the_journal_keeps_recipe_and_density() {
    let folder = tempfile::tempdir().unwrap();
    let series = Arc::new(axial_series());
    let mut session = Session::begin(Arc::clone(&series), &[], folder.path());
    assert_eq!(session.journal_status(), JournalStatus::Saved);
    session.apply(Command::AddRoi { name: "CTV".to_owned(), color: None, roi_type: RoiType::Ctv }).unwrap();
    session.apply(draw(&session, "CTV", 5, vec![square(0.0, 0.0, 20.0)])).unwrap();
    derive(&mut session, "PTV", "CTV + 5 mm");
    let ptv = id(&session, "PTV");
    let density = |value| Command::SetDensity { roi: ptv, density: Some(Density::Electron(value)) };
    session.apply(density(1.05)).unwrap();
    assert_eq!(session.apply(density(-1.0)).unwrap_err(), Refusal::BadDensity);
    let set = session.structures().clone();
    let path = session.journal().unwrap().path().to_owned();
    session.flush_to_disk().unwrap();
    drop(session);
    let mut session = Session::resume(series, &path).unwrap();
    assert_eq!(plain(session.structures()), plain(&set));
    assert_eq!(session.roi(ptv).unwrap().density, Some(Density::Electron(1.05)));
    assert_eq!(session.standing(ptv), Some(Standing::UpToDate));
    session.apply(draw(&session, "CTV", 5, vec![square(0.0, 0.0, 24.0)])).unwrap();
    assert_eq!(session.standing(ptv), Some(Standing::UpToDate), "it goes on following");
    session.undo().unwrap();
    assert_eq!(plain(session.structures()), plain(&set));
}

#[test]
fn a_preview_is_what_would_be_made_and_changes_nothing() {
    let mut session = session_with(axial_series(), &["CTV"]);
    for slice in 4..9 {
        session.apply(draw(&session, "CTV", slice, vec![square(0.0, 0.0, 20.0)])).unwrap();
    }
    let revision = session.revision();
    let recipe = session.read_recipe("CTV + (left 5) mm").unwrap().recipe;
    let previews = session.plan_preview(vec![recipe]).run(7, &Progress::new()).unwrap();
    let [made] = previews.as_slice() else { panic!("{previews:?}") };
    // 5 slices of 3 mm: 20 x 20 mm before, 25 x 20 mm after.
    assert!((made.source_cc - 6.0).abs() < 1e-9);
    assert!((made.made_cc - 7.5).abs() < 0.01, "{}", made.made_cc);
    assert_eq!((made.shown.planes.len(), made.shown.revision), (5, 7));
    assert!(made.shown.is_proposal() && session.roi(made.shown.id).is_none());
    assert_eq!(session.revision(), revision);
}

#[test]
fn pieces_become_structures_numbered_from_the_largest_on() {
    let mut session = session_with(axial_series(), &["Lung", "Lung_2"]);
    let lung = id(&session, "Lung");
    assert_eq!(
        session.plan_split(lung).unwrap().run(&Progress::new()),
        Err(SplitError::OnePiece("Lung".to_owned()))
    );
    // One piece through two slices, a small one beside it, a third on a slice far away.
    let shapes: [(usize, Vec<Polygon>); 3] = [
        (3, vec![square(-20.0, 0.0, 10.0), square(20.0, 0.0, 4.0)]),
        (4, vec![square(-18.0, 0.0, 10.0)]),
        (9, vec![square(0.0, 0.0, 6.0)]),
    ];
    for (slice, polygons) in shapes {
        session.apply(draw(&session, "Lung", slice, polygons)).unwrap();
    }
    let before = session.structures().clone();
    let split = session.plan_split(lung).unwrap().run(&Progress::new()).unwrap();
    session.apply(split).unwrap();
    assert_eq!(session.undo_name(), Some("Split Lung"));
    let area = |name: &str| -> f64 {
        session.structures().roi_named(name).unwrap().planes.iter().map(|own| own.area_mm2()).sum()
    };
    // Lung_2 is taken: the numbers go on behind it.
    for (name, wanted) in [("Lung_1", 200.0), ("Lung_3", 36.0), ("Lung_4", 16.0), ("Lung", 252.0)] {
        assert!((area(name) - wanted).abs() < 1e-6, "{name}: {}", area(name));
    }
    assert_eq!(session.structures().rois.len(), 5);
    session.undo().unwrap();
    assert_eq!(plain(session.structures()), plain(&before));
}

#[test]
fn contours_of_other_slices_are_put_onto_those_of_the_images() {
    let mut session = session_with(axial_series(), &["Own"]);
    // Slices of 3 mm at 0, 3, 6 ...; contours of 1 mm slices, at 10.5 to 19.5, none on them.
    let mut roi = Roi::new(RoiId(0), 7, "Other", [9, 9, 9]);
    roi.planes = (0..10_u32)
        .map(|k| crate::geometry::Plane::axial(10.5 + f64::from(k)))
        .map(|plane| Arc::new(RoiPlane::new(plane, None, vec![square(0.0, 0.0, 10.0)])))
        .collect();
    let set = crate::patient::StructureSet { rois: vec![Arc::new(roi)], ..Default::default() };
    session.apply(Command::ImportStructureSet(Box::new(set))).unwrap();
    let other = id(&session, "Other");
    let own = order(&session, "Other + 1 mm", Target::Roi(other), false);
    assert!(session.plan("x", vec![own]).unwrap().run(&Progress::new()).is_err());
    let own = order(&session, "resampled(Other)", Target::Roi(other), false);
    carry_out(&mut session, vec![own]).unwrap();
    // The stack stands for 10 to 20 mm: slices at 12, 15 and 18.
    let offsets: Vec<f64> =
        session.roi(other).unwrap().planes.iter().map(|own| own.plane.offset_mm()).collect();
    assert_eq!(offsets, [12.0, 15.0, 18.0]);
    assert!(session.roi(other).unwrap().planes.iter().all(|own| (own.area_mm2() - 100.0).abs() < 1e-6));
}

#[test]
fn a_batch_is_one_step() {
    let mut session = session_with(axial_series(), &["A", "B"]);
    session.apply(draw(&session, "A", 3, vec![square(-20.0, 0.0, 10.0)])).unwrap();
    session.apply(draw(&session, "B", 3, vec![square(20.0, 0.0, 10.0)])).unwrap();
    let (a, b) = (id(&session, "A"), id(&session, "B"));
    let steps = session.history().done();
    let recipe = session.read_recipe("A + (left 2, right 2) mm").unwrap().recipe;
    let orders =
        [a, b].map(|roi| Order { recipe: recipe.with(a, roi), target: Target::Roi(roi), keep: false });
    carry_out(&mut session, orders.to_vec()).unwrap();
    assert_eq!(session.history().done(), steps + 1);
    for roi in [a, b] {
        let area: f64 = session.roi(roi).unwrap().planes.iter().map(|own| own.area_mm2()).sum();
        assert!((area - 140.0).abs() < 0.5, "{area}");
    }
}
