//! One study after another, exports and closing: what must not end up in the wrong place, or nowhere.

mod choosing;
mod models;
mod outlines;
mod taking_back;

use super::Workstation;
use super::leaving::Leaving;
use super::proposing::Proposed;
use super::reading::Opened;
use super::workstation::Message;
use crate::dicom::{Library, read_rtstruct};
use crate::geometry::{Point2, Polygon};
use crate::patient::{Roi, Series};
use crate::session::fixture::{axial_series, draw, proposals, square};
use crate::session::jobs::{JobEnded, Outcome};
use crate::session::{self, Command, Session};
use crate::tools::{Modifiers, ToolEvent, ToolKind, ViewPlane};
use crate::ui::actions::Action;
use crate::ui::state::{Leave, Overlay};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Two patients' images that share nothing but their geometry.
fn patients() -> [Series; 2] {
    ["P1", "P2"].map(|id| {
        let mut series = axial_series();
        series.info.patient.id = id.to_owned();
        series.info.uid = format!("2.25.5{id}").replace('P', "").into();
        series
    })
}

fn opened(series: Series) -> Box<Opened> {
    Box::new(Opened {
        series: Arc::new(series),
        library: Library::default(),
        chosen: None,
        warnings: Vec::new(),
        choice: None,
        opened_from: Vec::new(),
        earlier: None,
        resume: false,
        changed: false,
        reference: None,
    })
}

/// A workstation with a study and a structure in it.
fn at_work(series: Series, data_folder: &Path) -> Workstation {
    let mut station = Workstation::in_folder(&[], data_folder);
    station.show(*opened(series));
    // What is seen in the images is looked for in the background.
    finish_jobs(&mut station);
    add(&mut station, "Liver");
    paint(&mut station, 10.0);
    station
}

fn add(station: &mut Workstation, name: &str) {
    let roi_type = crate::patient::RoiType::Organ;
    assert!(station.apply(Command::AddRoi { name: name.to_owned(), color: None, roi_type }));
}

/// A square of `side` mm on a slice of the liver.
fn paint(station: &mut Workstation, side: f64) {
    let stroke = draw(session(station), "Liver", 3, vec![square(0.0, 0.0, side)]);
    assert!(station.apply(stroke));
}

/// Edits larger than what a full journal has room for.
fn paint_on_full_disk(station: &mut Workstation) {
    session(station).fill_disk(true);
    for k in 0..4 {
        let points = (0..2000).map(|i| {
            let angle = f64::from(i) * std::f64::consts::TAU / 2000.0;
            Point2::new(angle.cos() * f64::from(20 + k), angle.sin() * 20.0)
        });
        let shape = vec![Polygon::from_outer(points.collect())];
        let stroke = draw(session(station), "Liver", 3, shape);
        assert!(station.apply(stroke));
    }
}

fn session(station: &Workstation) -> &Session {
    station.session().unwrap()
}

fn patient(station: &Workstation) -> &str {
    &session(station).series().info.patient.id
}

/// Takes in what jobs end with, until none runs.
fn finish_jobs(station: &mut Workstation) {
    while !station.jobs.running().is_empty() {
        for ended in station.jobs.poll() {
            station.ended(ended);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What a frame asks of the system.
fn asked_of_the_system(
    station: &mut Workstation,
    ctx: &egui::Context,
    mut input: egui::RawInput,
) -> Vec<egui::ViewportCommand> {
    input.screen_rect = Some(egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(1280.0, 800.0)));
    let mut output = ctx.run_ui(input, |ui| station.frame(ui));
    let root = output.viewport_output.remove(&egui::ViewportId::ROOT).unwrap();
    output.drop_without_applying_deltas();
    root.commands
}

/// A frame of a window that is asked to close; whether it stays open.
fn asked_to_close(station: &mut Workstation, ctx: &egui::Context) -> bool {
    let mut input = egui::RawInput::default();
    input.viewports.entry(egui::ViewportId::ROOT).or_default().events.push(egui::ViewportEvent::Close);
    asked_of_the_system(station, ctx, input).contains(&egui::ViewportCommand::CancelClose)
}

/// Whether a frame asks the system to close the window.
fn asks_to_close(station: &mut Workstation, ctx: &egui::Context) -> bool {
    let input = egui::RawInput::default();
    asked_of_the_system(station, ctx, input).contains(&egui::ViewportCommand::Close)
}

fn heart(series: &Series) -> Vec<Roi> {
    match proposals(series, &["Heart"]) {
        Command::AddProposals { rois, .. } => rois,
        _ => Vec::new(),
    }
}

/// What jobs may end with that belongs to a study: a model's organs, a second series, structures.
fn results(series: &Series) -> [(&'static str, Message); 3] {
    let proposed = Proposed {
        id: "model".to_owned(),
        model: "model".to_owned(),
        rois: heart(series),
        work: crate::ai::workload::Workload::default(),
        seconds: 1.0,
        network_seconds: 1.0,
        device: String::new(),
        warnings: Vec::new(),
    };
    let mut set = Session::new(Arc::new(series.clone())).structures().clone();
    set.rois = heart(series).into_iter().map(Arc::new).collect();
    let read = crate::dicom::ReadRtstruct { set, warnings: Vec::new() };
    [
        ("model", Message::Proposed(Ok(Box::new(proposed)))),
        ("second", Message::Second(0, Ok(Arc::new(series.clone())))),
        ("structures", Message::Structures("rs.dcm".into(), Ok(Box::new(read)))),
    ]
}

#[test]
fn what_a_job_made_for_one_study_does_not_land_in_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let series = axial_series();
    let mut next = axial_series();
    next.info.uid = "2.25.1002".into();
    for (key, message) in results(&series) {
        // Still running when the study is closed: asked to stop, and dropped.
        let mut station = at_work(series.clone(), folder.path());
        let (release, hold) = mpsc::channel::<()>();
        station.start_for_session(key, key.to_owned(), move |_| {
            let _ = hold.recv();
            message
        });
        station.leave(Leaving::For(opened(next.clone())));
        assert!(station.jobs.running_for(key).unwrap().progress.is_cancelled(), "{key}");
        release.send(()).unwrap();
        finish_jobs(&mut station);
        assert!(session(&station).structures().rois.is_empty() && station.desk.second.is_none(), "{key}");
    }
    for (key, message) in results(&series) {
        // Already over, but taken in only after the next study.
        let mut station = at_work(series.clone(), folder.path());
        let (over, wait) = mpsc::channel();
        station.start_for_session(key, key.to_owned(), move |_| message);
        station.jobs.start("over", "", move |_| {
            let _ = over.send(());
            Message::Models(Box::default())
        });
        wait.recv().unwrap();
        let mut ended: Vec<JobEnded<Message>> = Vec::new();
        while ended.len() < 2 {
            ended.extend(station.jobs.poll());
        }
        assert!(ended.iter().all(|ended| matches!(ended.outcome, Outcome::Finished(_))));
        station.leave(Leaving::For(opened(next.clone())));
        ended.into_iter().for_each(|ended| station.ended(ended));
        assert!(session(&station).structures().rois.is_empty() && station.desk.second.is_none(), "{key}");
    }
}

#[test]
fn an_export_holds_what_there_was_when_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    station.apply(proposals(&axial_series(), &["Heart"]));
    let file = folder.path().join("out.dcm");
    station.export(file.clone(), false);
    // Edited and decided while the file is written.
    paint(&mut station, 20.0);
    station.apply(Command::AcceptAllProposals);
    finish_jobs(&mut station);
    let set = read_rtstruct(&file, None).unwrap().set;
    assert_eq!(set.rois.len(), 1);
    assert!((set.rois[0].planes[0].area_mm2() - 100.0).abs() < 1e-6, "the square of 10 mm");
    assert!(session(&station).has_unexported_changes(), "the one of 20 mm is not in the file");
    let said = &station.state().toasts.list().last().unwrap().text;
    assert!(said.contains("Left out, because not accepted: Heart"), "{said}");
    station.export(folder.path().join("again.dcm"), false);
    finish_jobs(&mut station);
    assert!(!session(&station).has_unexported_changes());
}

/// The audit trail's exports of the journal with work on images of this patient.
fn exports_of(id: &str, data_folder: &Path) -> u32 {
    let catalog = session::catalog(data_folder);
    let found = catalog.resumable.iter().find(|found| found.subject.patient_id == id).unwrap();
    session::journal::audit_count(&found.path, "export")
}

#[test]
fn an_export_is_of_the_study_it_was_asked_for_in() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = patients();
    let mut station = at_work(first, folder.path());
    let file = folder.path().join("out.dcm");
    station.export(file.clone(), false);
    station.leave(Leaving::For(opened(second)));
    assert_eq!(patient(&station), "P1", "until the file is written");
    finish_jobs(&mut station);
    assert_eq!(patient(&station), "P2");
    assert_eq!(read_rtstruct(&file, None).unwrap().set.patient.id, "P1");
    assert_eq!(station.desk.exported_to, None);
    add(&mut station, "Liver");
    assert!(session(&station).has_unexported_changes());
    station.close_all();
    assert_eq!((exports_of("P1", folder.path()), exports_of("P2", folder.path())), (1, 0));
}

#[test]
fn closing_waits_for_the_export() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = egui::Context::default();
    crate::ui::theme::install(&ctx);
    let mut station = at_work(axial_series(), folder.path());
    station.start(&ctx, None);
    let file = folder.path().join("out.dcm");
    station.export(file.clone(), false);
    station.leave(Leaving::Window);
    assert!(!station.may_close);
    station.close_all();
    assert!(file.exists() && station.session().is_none());
    assert_eq!(exports_of("P1", folder.path()), 1);
}

#[test]
fn edits_that_the_disk_refuses_keep_the_window_and_the_study_open() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = egui::Context::default();
    crate::ui::theme::install(&ctx);
    let [first, second] = patients();
    let mut station = at_work(first, folder.path());
    station.start(&ctx, None);
    assert!(!asked_to_close(&mut station, &ctx), "all is on disk");
    paint_on_full_disk(&mut station);

    assert!(asked_to_close(&mut station, &ctx));
    let Some(Overlay::Unsaved { changes, why }) = station.state().overlay.clone() else {
        panic!("no question")
    };
    assert!(changes > 0 && why.contains("disk is full"), "{changes}: {why}");
    station.answer_leave(Leave::Stay);
    assert!(station.state().overlay.is_none() && !asks_to_close(&mut station, &ctx));

    // The same before another study takes its place, and before it is closed.
    station.leave(Leaving::For(opened(second.clone())));
    assert!(matches!(station.state().overlay, Some(Overlay::Unsaved { .. })));
    assert_eq!(patient(&station), "P1");
    station.answer_leave(Leave::Stay);
    station.act(Action::CloseStudy);
    assert!(matches!(station.state().overlay, Some(Overlay::Unsaved { .. })));
    station.answer_leave(Leave::TryAgain);
    assert!(matches!(station.state().overlay, Some(Overlay::Unsaved { .. })), "still full");
    assert!(station.session().is_some());
    station.answer_leave(Leave::Stay);

    // With room again nothing is lost.
    assert!(asked_to_close(&mut station, &ctx));
    session(&station).fill_disk(false);
    station.answer_leave(Leave::TryAgain);
    assert!(asks_to_close(&mut station, &ctx));
    assert!(!asked_to_close(&mut station, &ctx));
    station.close_all();
    let found = session::catalog(folder.path());
    assert_eq!(found.resumable[0].edits, 6);

    // And the person may decide to lose them.
    let mut station = at_work(second, folder.path());
    paint_on_full_disk(&mut station);
    station.act(Action::CloseStudy);
    assert!(station.session().is_some());
    station.answer_leave(Leave::Anyway);
    assert!(station.session().is_none());
}

#[test]
fn what_was_set_for_drawing_and_keys_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let [series, other] = patients();
    let mut station = at_work(series, folder.path());
    let views = station.state.views.as_mut().unwrap();
    views.tools.brush.set_mode(crate::tools::BrushMode::Auto);
    views.tools.brush.set_radius_mm(4.5);
    views.tools.points.set_soft(true);
    views.tools.live_wire.set_learns(false);
    station.session.as_mut().unwrap().set_overwrite(crate::session::Overwrite::Visible);
    let key = egui::KeyboardShortcut::new(egui::Modifiers::NONE, egui::Key::F7);
    station.state.keys.set(Action::SelectBrush, key).unwrap();
    station.close_all();

    let mut station = Workstation::in_folder(&[], folder.path());
    station.show(*opened(other));
    finish_jobs(&mut station);
    let tools = &station.state.views.as_ref().unwrap().tools;
    assert_eq!(tools.brush.mode(), crate::tools::BrushMode::Auto);
    assert!((tools.brush.radius_mm() - 4.5).abs() < 1e-12);
    assert!(tools.points.is_soft() && !tools.live_wire.learns());
    assert_eq!(session(&station).overwrite(), crate::session::Overwrite::Visible);
    assert_eq!(station.state.keys.keys(Action::SelectBrush), [key]);
    station.close_all();
}

#[test]
fn undo_in_the_midst_of_a_stroke_drops_the_stroke_alone() {
    let folder = tempfile::tempdir().unwrap();
    let [series, _] = patients();
    let mut station = at_work(series, folder.path());
    let before = session(&station).structures().clone();
    let plane = session(&station).series().volume.slices[3].plane;
    let view = ViewPlane { plane, pixel_mm: 0.5 };
    let press = |station: &mut Workstation, kind: ToolKind, x: f64, y: f64| {
        let at = plane.lift(Point2::new(x, y));
        let session = station.session.as_ref().unwrap();
        let tools = &mut station.state.views.as_mut().unwrap().tools;
        if tools.kind() != kind {
            tools.choose(kind);
        }
        tools.event(session, &view, ToolEvent::Press(at, Modifiers::default()));
        if kind == ToolKind::Shape {
            tools.event(session, &view, ToolEvent::Release(at));
        }
    };
    let is_busy = |station: &Workstation| station.state.views.as_ref().unwrap().tools.is_busy();

    press(&mut station, ToolKind::Brush, 0.0, 0.0);
    assert!(is_busy(&station));
    station.act(Action::Redo);
    assert!(is_busy(&station));
    station.act(Action::Undo);
    assert!(!is_busy(&station));
    assert_eq!(session(&station).structures(), &before);

    // Of an outline drawn by clicks one click after the other.
    press(&mut station, ToolKind::Shape, 0.0, 0.0);
    press(&mut station, ToolKind::Shape, 9.0, 0.0);
    station.act(Action::Undo);
    assert!(is_busy(&station));
    station.act(Action::Undo);
    assert!(!is_busy(&station));
    assert_eq!(session(&station).structures(), &before);

    station.act(Action::Undo);
    assert!(session(&station).structures().rois[0].planes.is_empty());
}

/// The slices on which the liver has contours.
fn drawn(station: &Workstation) -> Vec<usize> {
    let session = session(station);
    let volume = &session.series().volume;
    let liver = session.structures().roi_named("Liver").unwrap();
    let mut slices: Vec<usize> = liver.planes.iter().filter_map(|own| volume.slice_of(&own.plane)).collect();
    slices.sort_unstable();
    slices
}

#[test]
fn a_contour_is_taken_along_to_the_next_slice() {
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    let go =
        |station: &mut Workstation, slice: usize| station.state.views.as_mut().unwrap().go_to_slice(slice);
    go(&mut station, 3);
    for slice in 4..13 {
        station.act(Action::CopyToAbove);
        assert_eq!(station.slice(), Some(slice));
    }
    assert_eq!(drawn(&station), (3..13).collect::<Vec<_>>());
    assert_eq!(session(&station).undo_name(), Some("Copy from slice below on Liver"));
    go(&mut station, 3);
    station.act(Action::CopyToBelow);
    assert_eq!((station.slice(), drawn(&station)[0]), (Some(2), 2));
    station.act(Action::Undo);
    // Without a contour there, on a locked structure and beyond the last slice one stays where one is.
    let before = drawn(&station);
    go(&mut station, 15);
    station.act(Action::CopyToAbove);
    go(&mut station, 0);
    station.act(Action::CopyToBelow);
    assert_eq!((station.slice(), drawn(&station)), (Some(0), before.clone()));
    let liver = session(&station).selected().unwrap().id;
    station.apply(Command::SetLock { roi: liver, locked: true });
    go(&mut station, 3);
    station.act(Action::CopyToBelow);
    assert_eq!((station.slice(), drawn(&station)), (Some(3), before));
    // And any number of slices can be left out.
    station.apply(Command::SetLock { roi: liver, locked: false });
    station.act(Action::ThinSlices(7));
    assert_eq!(drawn(&station), [3, 10, 12]);
}

/// What a screen reader is told of a frame.
fn told(station: &mut Workstation, ctx: &egui::Context) -> Vec<String> {
    let screen_rect = Some(egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(1280.0, 800.0)));
    let input = egui::RawInput { screen_rect, ..egui::RawInput::default() };
    let mut output = ctx.run_ui(input, |ui| station.frame(ui));
    let update = output.platform_output.accesskit_update.take();
    output.drop_without_applying_deltas();
    let nodes = update.into_iter().flat_map(|update| update.nodes);
    nodes
        .flat_map(|(_, node)| [node.label(), node.value()].map(|text| text.map(str::to_owned)))
        .flatten()
        .collect()
}

#[test]
fn what_is_out_of_date_is_marked_in_the_list_and_said_before_export() {
    use crate::session::derive::{Order, Target};
    let folder = tempfile::tempdir().unwrap();
    let ctx = egui::Context::default();
    crate::ui::theme::install(&ctx);
    ctx.enable_accesskit();
    let mut station = at_work(axial_series(), folder.path());
    station.start(&ctx, None);
    let recipe = session(&station).read_recipe("largest(Liver)").unwrap().recipe;
    let target = Target::New { name: "PRV".to_owned(), roi_type: crate::patient::RoiType::Control };
    let plan = session(&station).plan("Make PRV", vec![Order { recipe, target, keep: true }]).unwrap();
    assert!(station.apply(plan.run(&crate::progress::Progress::new()).unwrap()));
    let says = |station: &mut Workstation, text: &str| {
        told(station, &ctx);
        let all = told(station, &ctx);
        assert!(!all.is_empty(), "the frame tells nothing");
        all.iter().any(|own| own.contains(text))
    };
    assert!(says(&mut station, "PRV, accepted") && !says(&mut station, "out of date"));
    paint(&mut station, 20.0);
    assert!(says(&mut station, "PRV, accepted, out of date"));
    for place in [Action::GoCheck, Action::GoExport] {
        station.act(place);
        assert!(says(&mut station, "PRV is out of date"), "{place:?}");
    }
    station.act(Action::UpdateDerived);
    finish_jobs(&mut station);
    assert!(!says(&mut station, "out of date"));
}

#[test]
fn structures_go_out_on_the_slices_of_the_second_series() {
    use crate::geometry::Vector3;
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    let axes = [Vector3::x(), Vector3::y(), Vector3::z()];
    let mut thin = crate::session::fixture::series_along(axes, [100, 100, 29], [1.0, 1.0, 2.0]);
    thin.info.uid = "2.25.77".into();
    station.second_read(0, Ok(Arc::new(thin)));
    station.state.export_onto_second = true;
    let file = folder.path().join("thin.dcm");
    station.export(file.clone(), false);
    finish_jobs(&mut station);
    let set = read_rtstruct(&file, None).unwrap().set;
    assert_eq!(set.series_uid.as_deref(), Some("2.25.77"));
    // Drawn on the slice at 9 mm of 3 mm slices.
    let offsets: Vec<f64> = set.rois[0].planes.iter().map(|own| own.plane.offset_mm()).collect();
    assert_eq!(offsets, [8.0, 10.0]);
    assert!(drawn(&station) == [3], "nothing changes where it was drawn");
}

#[test]
fn a_threshold_taken_in_hand_again_is_suggested_again() {
    let folder = tempfile::tempdir().unwrap();
    let [series, _] = patients();
    let mut station = at_work(series, folder.path());
    for _ in 0..2 {
        station.act(Action::Segment(crate::tools::Method::Threshold));
        let session = station.session.as_ref().unwrap();
        let tools = &mut station.state.views.as_mut().unwrap().tools;
        tools.segment.settle(session);
        assert!(tools.suggestion().is_some());
        for other in [Action::SelectBrush, Action::Segment(crate::tools::Method::Level)] {
            station.act(other);
            assert!(station.state.views.as_ref().unwrap().tools.suggestion().is_none());
        }
    }
}
