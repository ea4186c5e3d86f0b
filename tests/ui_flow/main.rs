//! The main job through the window's own code, without a display: open, name a structure, paint,
//! undo, lock, export; driven by pointer and keyboard events.

use delineo::app::Workstation;
use delineo::dicom::{read_rtstruct, write_ct_series};
use delineo::geometry::{Grid, Plane, Point3, Vector3};
use delineo::patient::{Series, Voxels, uid_from_seed};
use delineo::progress::Progress;
use delineo::ui::views::FusionMode;
use egui::{Event, Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[path = "../shared/ball.rs"]
mod ball;
#[path = "../shared/window.rs"]
mod shared;

#[path = "../shared/dose.rs"]
mod dose;

mod beside;
mod doses;
mod hands;
mod numbers;
mod oblique;
mod outlines;
mod sizes;

use shared::{Window, key, sized_window, stroke, wait};

/// A window of the smallest supported size on a workstation whose data lies in `folder`.
fn window<'a>(paths: &[PathBuf], folder: &Path) -> Harness<'a, Window> {
    sized_window(paths, folder, egui::vec2(1280.0, 800.0), 1.0)
}

#[test]
fn the_start_screen_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(&[], folder.path());
    harness.step();
    harness.get_by_label("Sample patient");
    harness.get_by_label("Path to open");
    assert!(harness.state().0.session().is_none());
    // The search finds actions without a patient too.
    key(&mut harness, Modifiers::COMMAND, Key::K);
    harness.event(Event::Text("about".into()));
    harness.step();
    key(&mut harness, Modifiers::NONE, Key::Enter);
    harness.step();
    harness.get_by_label("Not a cleared medical device.");
}

#[test]
fn a_structure_is_painted_undone_locked_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let mut harness = window(&[ball], &folder.path().join("data"));
    wait(&mut harness, "the scan", |station| station.session().is_some());

    // Identity is in sight.
    harness.get_by_label("Test, Window");
    harness.get_by_label("ID W-1 · born 1970-01-31");

    // Add a structure with a completed name.
    key(&mut harness, Modifiers::NONE, Key::Insert);
    harness.event(Event::Text("spinalc".into()));
    harness.step();
    key(&mut harness, Modifiers::NONE, Key::ArrowDown);
    key(&mut harness, Modifiers::NONE, Key::Enter);
    harness.step();
    let selected =
        |harness: &Harness<'_, Window>| harness.state().0.session().unwrap().selected().unwrap().clone();
    assert_eq!(selected(&harness).name, "SpinalCord");

    // Paint on the axial view: naming a structure has taken the brush in hand.
    let center = harness.get_by_label("Axial view").rect().center();
    stroke(&mut harness, &[center, center + egui::vec2(30.0, 0.0), center + egui::vec2(60.0, 0.0)]);
    let painted = selected(&harness);
    assert_eq!(painted.planes.len(), 1, "one slice");
    let area = painted.planes[0].area_mm2();
    let radius = 8.0_f64;
    let length = {
        let (low, high) = painted.planes[0].polygons[0].bounds().unwrap();
        high.x - low.x - 2.0 * radius
    };
    let expected = std::f64::consts::PI * radius * radius + 2.0 * radius * length;
    assert!((area - expected).abs() < expected * 0.02, "{area} mm2 is not the swept disc's {expected}");

    // A stroke in the coronal view crosses slices.
    let coronal = harness.get_by_label("Coronal view").rect().center();
    stroke(&mut harness, &[coronal, coronal - egui::vec2(0.0, 20.0)]);
    assert!(selected(&harness).planes.len() > 3);
    key(&mut harness, Modifiers::COMMAND, Key::Z);
    assert_eq!(*selected(&harness), *painted_again(&painted, &selected(&harness)));

    // A locked structure is not touched, and the reason stands at the cursor.
    key(&mut harness, Modifiers::NONE, Key::L);
    stroke(&mut harness, &[center, center + egui::vec2(0.0, 60.0)]);
    assert_eq!(selected(&harness).planes, painted.planes);
    let said = harness.state().0.state().views.as_ref().unwrap().message.clone().unwrap().1;
    assert!(said.contains("SpinalCord is locked"), "{said}");
    key(&mut harness, Modifiers::NONE, Key::L);

    // Export to a typed path.
    let file = folder.path().join("out.dcm");
    key(&mut harness, Modifiers::COMMAND, Key::E);
    harness.step();
    harness.event(Event::Text(file.display().to_string()));
    harness.step();
    key(&mut harness, Modifiers::NONE, Key::Enter);
    wait(&mut harness, "the export", |_| file.exists());
    wait(&mut harness, "its record", |station| !station.session().unwrap().has_unexported_changes());
    let read = read_rtstruct(&file, None).unwrap();
    assert_eq!(read.set.rois.len(), 1);
    assert_eq!(read.set.rois[0].name, "SpinalCord");
    assert_eq!(read.set.rois[0].planes[0].polygons, painted.planes[0].polygons);
}

#[test]
fn a_line_drawn_freehand_makes_a_piece_adds_and_cuts() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let mut harness = window(&[ball], &folder.path().join("data"));
    wait(&mut harness, "the scan", |station| station.session().is_some());
    key(&mut harness, Modifiers::NONE, Key::Insert);
    harness.event(Event::Text("Heart".into()));
    harness.step();
    key(&mut harness, Modifiers::NONE, Key::Enter);
    key(&mut harness, Modifiers::NONE, Key::F);
    let center = harness.get_by_label("Axial view").rect().center();
    let square = |left: f32, top: f32, width: f32, height: f32| {
        [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height), (0.0, 0.0)]
            .map(|(x, y)| center + egui::vec2(left + x, top + y))
    };
    let area = |harness: &Harness<'_, Window>| {
        let roi = harness.state().0.session().unwrap().selected().unwrap();
        roi.planes.iter().map(|plane| plane.area_mm2()).sum::<f64>()
    };
    let near = |value: f64, expected: f64| (value - expected).abs() < expected * 0.02;

    // A new piece of 80 x 60 points of the screen.
    stroke(&mut harness, &square(-40.0, -30.0, 80.0, 60.0));
    let piece = area(&harness);
    let roi = harness.state().0.session().unwrap().selected().unwrap();
    let (low, high) = roi.planes[0].polygons[0].bounds().unwrap();
    let point_mm = (high.x - low.x) / 80.0;
    assert_eq!(roi.planes.len(), 1, "one slice");
    assert!(near(piece, 4800.0 * point_mm * point_mm), "{piece} mm2");
    // Begun inside, 20 points beyond the right edge: adds 20 x 20.
    stroke(&mut harness, &square(20.0, -10.0, 40.0, 20.0));
    let added = area(&harness);
    assert!(near(added - piece, 400.0 * point_mm * point_mm), "{added} mm2 after adding");
    // Begun outside, across the left edge: cuts 20 x 20.
    stroke(&mut harness, &square(-60.0, -10.0, 40.0, 20.0));
    let cut = area(&harness);
    assert!(near(added - cut, 400.0 * point_mm * point_mm), "{cut} mm2 after cutting");
    for _ in 0..2 {
        key(&mut harness, Modifiers::COMMAND, Key::Z);
    }
    assert_eq!(area(&harness), piece, "two steps back");
}

#[test]
fn hovering_over_the_sample_patient_names_the_organs() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(&[], folder.path());
    harness.step();
    harness.get_by_label("Sample patient").click();
    for _ in 0..10 {
        // Building takes as long as the machine needs.
        if harness.state().0.session().is_none() {
            std::thread::sleep(Duration::from_secs(6));
            harness.step();
        }
    }
    wait(&mut harness, "the sample patient", |station| station.session().is_some());
    let view = harness.get_by_label("Axial view").rect();
    let mut named = std::collections::BTreeMap::new();
    for row in 0..16_u8 {
        for column in 0..16_u8 {
            let share = egui::vec2(f32::from(column) + 0.5, f32::from(row) + 0.5) / 16.0;
            harness.event(Event::PointerMoved(view.min + view.size() * share));
            harness.step();
            let hover = harness.state().0.state().views.as_ref().unwrap().hover.clone();
            if let Some((name, point)) = hover.and_then(|hover| hover.name.zip(Some(hover.point_mm))) {
                named.entry(name).or_insert_with(Vec::new).push(point);
            }
        }
    }
    assert!(named.len() >= 4, "{:?}", named.keys());
    let liver = named.get("Liver").unwrap_or_else(|| panic!("{:?}", named.keys()));
    assert!(liver.iter().filter(|point| point.x < 0.0).count() * 2 > liver.len(), "on the right");
}

#[test]
fn pet_is_blended_over_ct_and_read_in_suv() {
    let patient = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/sarcoma-pet-mr/STS_005");
    if !patient.exists() {
        println!("skipped: no {}", patient.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(&[patient], &folder.path().join("data"));
    wait(&mut harness, "the CT", |station| station.session().is_some());
    let series = harness.state().0.session().unwrap().series().info.clone();
    assert_eq!(series.modality, delineo::patient::Modality::Ct, "CT before MR and PET");
    // The chooser offers to blend what shares the frame of reference.
    key(&mut harness, Modifiers::NONE, Key::U);
    let offers = harness.get_all_by_label("Blend").count();
    assert_eq!(offers, 2, "PET and MR");
    let mode = |station: &Workstation| station.state().views.as_ref().unwrap().display.fusion.mode;
    let mut units = Vec::new();
    for number in 0..offers {
        if number > 0 {
            key(&mut harness, Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::S);
        }
        // The one blended already is offered no more.
        harness.get_all_by_label("Blend").next().unwrap().click();
        harness.step();
        let said = |station: &Workstation| {
            station.state().views.as_ref().unwrap().hover.as_ref().and_then(|hover| hover.second.clone())
        };
        let center = harness.get_by_label("Axial view").rect().center();
        let before = units.last().copied();
        for _ in 0..2000 {
            harness.event(Event::PointerMoved(center + egui::vec2(if number == 0 { 0.0 } else { 1.0 }, 0.0)));
            harness.step();
            let now = said(&harness.state().0);
            if now.is_some() && now.as_ref().map(|text: &String| text.contains("SUV")) != before {
                break;
            }
            std::thread::sleep(Duration::from_millis(15));
        }
        assert_eq!(mode(&harness.state().0), FusionMode::Blend);
        units.push(said(&harness.state().0).unwrap().contains("SUV"));
    }
    assert_ne!(units[0], units[1], "PET in SUV, MR without a unit");
    key(&mut harness, Modifiers::NONE, Key::U);
    assert_eq!(mode(&harness.state().0), FusionMode::Beside);
    key(&mut harness, Modifiers::NONE, Key::U);
    assert_eq!(mode(&harness.state().0), FusionMode::Off);
}

/// `now` with the planes of `before`: what undo must give.
fn painted_again(before: &delineo::patient::Roi, now: &delineo::patient::Roi) -> Arc<delineo::patient::Roi> {
    let mut roi = now.clone();
    roi.planes.clone_from(&before.planes);
    Arc::new(roi)
}

#[test]
fn closing_and_opening_again_offers_to_resume() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let data = folder.path().join("data");
    {
        let mut harness = window(std::slice::from_ref(&ball), &data);
        wait(&mut harness, "the scan", |station| station.session().is_some());
        key(&mut harness, Modifiers::NONE, Key::Insert);
        harness.event(Event::Text("Heart".into()));
        harness.step();
        key(&mut harness, Modifiers::NONE, Key::Enter);
        harness.step();
        assert_eq!(harness.state().0.session().unwrap().structures().rois.len(), 1);
        harness.state_mut().0.close_all();
    }
    let mut harness = window(&[ball], &data);
    wait(&mut harness, "the question", |station| station.state().overlay.is_some());
    key(&mut harness, Modifiers::NONE, Key::Enter);
    wait(&mut harness, "the scan", |station| station.session().is_some());
    let session = harness.state().0.session().unwrap();
    assert_eq!(session.structures().rois[0].name, "Heart");
    assert!(session.undo_name().is_some(), "the history is there again");
}

#[test]
fn a_path_that_cannot_be_read_is_said_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "no images here").unwrap();
    let mut harness = window(&[folder.path().to_owned()], &folder.path().join("data"));
    wait(&mut harness, "the error", |station| !station.state().toasts.list().is_empty());
    harness.get_by_label("Close error");
    assert!(harness.state().0.session().is_none());
}

/// Writes the ball as a series of its own, with instances of its own, below `folder`.
fn write_variant(folder: &Path, name: &str, change: impl FnOnce(&mut Series)) -> PathBuf {
    let mut series = ball::series();
    name.clone_into(&mut series.info.description);
    change(&mut series);
    for (k, slice) in Arc::make_mut(&mut series.volume).slices.iter_mut().enumerate() {
        let instance = slice.instance.as_mut().unwrap();
        instance.sop_instance_uid = uid_from_seed(&format!("{name} {k}"));
    }
    let path = folder.join(name);
    std::fs::create_dir_all(&path).unwrap();
    write_ct_series(&series, &path, &Progress::new()).unwrap();
    path
}

/// Keeps the lower `count` slices.
fn shorten(series: &mut Series, count: usize) {
    let volume = Arc::make_mut(&mut series.volume);
    let [columns, rows, _] = volume.grid.dims();
    let steps = [0, 1, 2].map(|axis| volume.grid.step_mm(axis));
    volume.grid = Grid::new([columns, rows, count], volume.grid.origin_mm(), steps).unwrap();
    volume.slices.truncate(count);
    if let Voxels::I16(values) = &mut volume.voxels {
        values.truncate(columns * rows * count);
    }
}

/// The ball cut sagittally: rows along y, columns downwards, slices along -x.
fn turn(series: &mut Series) {
    let directions = [Vector3::y(), -Vector3::z()];
    let normal = directions[0].cross(&directions[1]);
    let origin = Point3::new(16.5, -63.0, 63.0);
    let steps = [directions[0] * 2.0, directions[1] * 2.0, normal * 3.0];
    let volume = Arc::make_mut(&mut series.volume);
    volume.grid = Grid::new(volume.grid.dims(), origin, steps).unwrap();
    for (k, slice) in (0..12_u32).zip(&mut volume.slices) {
        slice.origin_mm = volume.grid.patient_of([0.0, 0.0, f64::from(k)]);
        slice.plane = Plane::new(slice.origin_mm, directions[0], directions[1]).unwrap();
    }
}

fn name_structure(harness: &mut Harness<'_, Window>, name: &str) {
    key(harness, Modifiers::NONE, Key::Insert);
    harness.event(Event::Text(name.into()));
    harness.step();
    key(harness, Modifiers::NONE, Key::Enter);
    harness.step();
    assert_eq!(harness.state().0.session().unwrap().structures().rois.last().unwrap().name, name);
}

fn described(station: &Workstation) -> &str {
    station.session().map_or("", |session| session.series().info.description.as_str())
}

#[test]
fn work_on_another_series_than_the_first_choice_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let (study, data) = (folder.path().join("study"), folder.path().join("data"));
    write_variant(&study, "Long", |_| {});
    let short = write_variant(&study, "Short", |series| {
        series.info.uid = "2.25.79".into();
        shorten(series, 8);
    });
    let mut harness = window(std::slice::from_ref(&study), &data);
    wait(&mut harness, "the scan", |station| described(station) == "Long");
    key(&mut harness, Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::S);
    harness.get_by_label("CT Short").click();
    wait(&mut harness, "the other series", |station| described(station) == "Short");
    name_structure(&mut harness, "Heart");
    harness.state_mut().0.close_all();
    drop(harness);

    let mut harness = window(&[], &data);
    wait_for_label(&mut harness, "Resume Test, Window");
    harness.get_by_label("Resume Test, Window").click();
    wait(&mut harness, "the scan", |station| station.session().is_some());
    assert_eq!(described(&harness.state().0), "Short");
    assert_eq!(harness.state().0.session().unwrap().structures().rois[0].name, "Heart");
    harness.state_mut().0.close_all();
    drop(harness);

    // With other files than then, the person is told.
    std::fs::remove_file(short.join("CT_0008.dcm")).unwrap();
    let mut harness = window(&[], &data);
    wait_for_label(&mut harness, "Resume Test, Window");
    harness.get_by_label("Resume Test, Window").click();
    wait(&mut harness, "the scan", |station| station.session().is_some());
    assert_eq!(described(&harness.state().0), "Short", "the series of that name, as it is now");
    let said: Vec<_> = harness.state().0.state().toasts.list().iter().map(|toast| &toast.text).collect();
    assert!(said.iter().any(|text| text.starts_with("The images have changed since")), "{said:?}");
    assert!(harness.state().0.session().unwrap().structures().rois.is_empty());
}

fn wait_for_label(harness: &mut Harness<'_, Window>, label: &str) {
    for _ in 0..1000 {
        harness.step();
        if harness.query_by_label(label).is_some() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("waited in vain for: {label}");
}

#[test]
fn each_stack_of_a_series_is_opened_by_its_own_row() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("study");
    write_variant(&study, "Across", |_| {});
    write_variant(&study, "Upright", turn);
    let mut harness = window(&[study], &folder.path().join("data"));
    wait(&mut harness, "the scan", |station| station.session().is_some());
    let normal = |harness: &Harness<'_, Window>| {
        harness.state().0.session().unwrap().series().volume.slices[0].plane.normal()
    };
    let choose = |harness: &mut Harness<'_, Window>| {
        key(harness, Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::S);
    };
    choose(&mut harness);
    let is_open = |harness: &Harness<'_, Window>| {
        ["CT Across", "CT Upright"].map(|label| {
            harness.get_by_label(label).accesskit_node().toggled() == Some(egui::accesskit::Toggled::True)
        })
    };
    let first = is_open(&harness);
    assert_ne!(first[0], first[1], "one of them is open");
    let before = normal(&harness);
    let other = if first[0] { "CT Upright" } else { "CT Across" };
    harness.get_by_label(other).click();
    wait(&mut harness, "the other stack", |station| {
        station
            .session()
            .is_some_and(|session| session.series().volume.slices[0].plane.normal().dot(&before).abs() < 0.1)
    });
    choose(&mut harness);
    assert_eq!(is_open(&harness), [first[1], first[0]]);
    // The other one can be blended over it, though both have one UID.
    harness.get_by_label("Blend").click();
    wait(&mut harness, "the second", |station| {
        station.state().views.as_ref().is_some_and(|views| views.display.fusion.mode == FusionMode::Blend)
    });
}

#[test]
fn a_window_with_edits_that_are_kept_nowhere_asks_before_it_closes() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let no_folder = folder.path().join("file");
    std::fs::write(&no_folder, "").unwrap();
    let mut harness = window(&[ball], &no_folder);
    wait(&mut harness, "the scan", |station| station.session().is_some());
    name_structure(&mut harness, "Heart");
    let close = |harness: &mut Harness<'_, Window>| {
        let root = harness.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default();
        root.events.push(egui::ViewportEvent::Close);
        harness.step();
        let commands = &harness.output().viewport_output[&egui::ViewportId::ROOT].commands;
        !commands.contains(&egui::ViewportCommand::CancelClose)
    };
    assert!(!close(&mut harness));
    harness.step();
    harness.get_by_label("1 edit could not be saved");
    harness.get_by_label("Try again");
    harness.get_by_label("Cancel").click();
    harness.step();
    harness.step();
    assert!(harness.query_by_label("1 edit could not be saved").is_none());
    assert!(!close(&mut harness));
    harness.step();
    harness.get_by_label("Close anyway").click();
    harness.step();
    harness.step();
    assert!(close(&mut harness));
}
