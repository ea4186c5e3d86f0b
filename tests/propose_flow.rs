//! The Propose place through the window's own code, without a display: which model is suggested,
//! organs and templates, the card before the first use, proposals, and the model manager.

use delineo::app::Workstation;
use delineo::patient::Confidence;
use delineo::session::Command;
use delineo::ui::state::{Estimate, Overlay};
use delineo::ui::toasts::Tone;
use egui::{Event, Key, Modifiers, PointerButton};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use std::path::{Path, PathBuf};

#[path = "shared/ball.rs"]
mod ball;
#[path = "shared/copied.rs"]
mod copied;
#[path = "shared/window.rs"]
mod shared;

use copied::copy_folder;
use shared::{Window, button_event, key, sized_window, wait};

/// A harness on a workstation whose data lies in `folder`, with the ball open and its models found.
fn window<'a>(paths: &[PathBuf], folder: &Path) -> Harness<'a, Window> {
    let mut harness = sized_window(paths, folder, egui::vec2(1280.0, 1400.0), 1.0);
    wait(&mut harness, "the scan", |station| {
        station.session().is_some() || station.state().overlay.is_some()
    });
    if harness.state().0.session().is_none() {
        // Earlier work on it is gone on with.
        key(&mut harness, Modifiers::NONE, Key::Enter);
        wait(&mut harness, "the scan", |station| station.session().is_some());
    }
    wait(&mut harness, "the models", Workstation::models_known);
    harness
}

fn click(harness: &mut Harness<'_, Window>, label: &str) {
    harness.get_by_label(label).click();
    // The click, what it asks for, and a card that it opens (which is measured first).
    for _ in 0..3 {
        harness.step();
    }
}

/// Whether a control is on.
fn is_on(harness: &Harness<'_, Window>, label: &str) -> bool {
    harness.get_by_label(label).accesskit_node().toggled() == Some(egui::accesskit::Toggled::True)
}

fn chosen(harness: &Harness<'_, Window>) -> Vec<String> {
    harness.state().0.chosen_organs("head-neck")
}

#[test]
fn organs_are_chosen_by_row_side_search_and_template() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let data = folder.path().join("data");
    let mut harness = window(std::slice::from_ref(&ball), &data);
    key(&mut harness, Modifiers::COMMAND, Key::Num2);
    click(&mut harness, "Head and neck organs at risk");
    assert!(is_on(&harness, "Head and neck organs at risk"));
    harness.get_by_label("Contour 15 structures");
    click(&mut harness, "Organs");
    // One side of a pair, then a whole row.
    click(&mut harness, "Parotid_L");
    click(&mut harness, "Larynx");
    let rest = [
        "Brainstem",
        "SpinalCord",
        "Parotid_R",
        "Esophagus",
        "Bone_Mandible",
        "Brain",
        "Eye_L",
        "Eye_R",
        "Glnd_Submand_L",
        "Glnd_Submand_R",
        "Lung_L",
        "Lung_R",
        "SpinalCanal",
    ];
    assert_eq!(chosen(&harness), rest);
    harness.get_by_label("Contour 13 structures");
    click(&mut harness, "Parotid, both sides");
    assert!(chosen(&harness).contains(&"Parotid_L".to_owned()), "half a pair becomes whole");
    // Only what is found is taken away.
    harness.get_by_label("Find an organ").focus();
    harness.step();
    harness.event(Event::Text("paro".into()));
    harness.step();
    click(&mut harness, "None");
    let without: Vec<&str> = rest.into_iter().filter(|name| *name != "Parotid_R").collect();
    assert_eq!(chosen(&harness), without);
    // A template of one's own.
    click(&mut harness, "Template");
    click(&mut harness, "Save this choice…");
    harness.event(Event::Text("Mine".into()));
    harness.step();
    click(&mut harness, "Save");
    click(&mut harness, "Template");
    click(&mut harness, "Head and neck · 13 organs");
    assert_eq!(chosen(&harness).len(), 13, "all but the lungs");
    click(&mut harness, "Template");
    click(&mut harness, "Mine · 12 organs");
    assert_eq!(chosen(&harness).len(), 12);
    harness.state_mut().0.close_all();
    drop(harness);
    // Kept for the next time.
    let mut harness = window(&[ball], &data);
    assert_eq!(chosen(&harness).len(), 12);
    key(&mut harness, Modifiers::COMMAND, Key::Num2);
    click(&mut harness, "Head and neck organs at risk");
    click(&mut harness, "Template");
    click(&mut harness, "Delete template Mine");
    assert!(harness.query_by_label("Mine · 12 organs").is_none());
}

#[test]
fn a_card_is_read_before_the_first_use_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let data = folder.path().join("data");
    let mut harness = window(std::slice::from_ref(&ball), &data);
    key(&mut harness, Modifiers::COMMAND, Key::Num2);
    click(&mut harness, "Head and neck organs at risk");
    let card = |harness: &Harness<'_, Window>| match &harness.state().0.state().overlay {
        Some(Overlay::Card(card)) => Some((card.model.clone(), card.before_use)),
        _ => None,
    };
    click(&mut harness, "Contour 15 structures");
    assert_eq!(card(&harness), Some(("head-neck".to_owned(), true)));
    let first = harness.get_by_label("Intended use").rect().top();
    // Where it fails stands below the results, and is one click away.
    let far = harness.get_by_label("Where it fails").rect().top();
    click(&mut harness, "Go to Where it fails");
    for _ in 0..8 {
        harness.step();
    }
    assert!(harness.get_by_label("Where it fails").rect().top() < far - 100.0, "it came up");
    click(&mut harness, "Not now");
    assert!(card(&harness).is_none());
    // Not read: it comes again, from its beginning.
    click(&mut harness, "Contour 15 structures");
    let again = harness.get_by_label("Intended use").rect().top();
    assert!((again - first).abs() < 1.0, "{again} is not {first}");
    // The keyboard is at the text: Enter does not skip it, and Tab leads to the button.
    assert!(harness.get_by_label("Text of the card").accesskit_node().is_focused());
    key(&mut harness, Modifiers::NONE, Key::Enter);
    assert!(card(&harness).is_some(), "Enter has not skipped it");
    key(&mut harness, Modifiers::NONE, Key::PageDown);
    harness.step();
    assert!(harness.get_by_label("Intended use").rect().top() < first - 100.0, "Page Down reads on");
    for _ in 0..60 {
        if harness.get_by_label("Use this model").accesskit_node().is_focused() {
            break;
        }
        key(&mut harness, Modifiers::NONE, Key::Tab);
    }
    key(&mut harness, Modifiers::NONE, Key::Enter);
    assert!(card(&harness).is_none());
    wait(&mut harness, "its result", |station| !station.is_running("model"));
    // At any time later, without a question.
    click(&mut harness, "About Head and neck organs at risk");
    assert_eq!(card(&harness), Some(("head-neck".to_owned(), false)));
    click(&mut harness, "Close");
    click(&mut harness, "Contour 15 structures");
    assert!(card(&harness).is_none(), "it was read");
    wait(&mut harness, "its result", |station| !station.is_running("model"));
    harness.state_mut().0.close_all();
    drop(harness);
    let mut harness = window(&[ball], &data);
    key(&mut harness, Modifiers::COMMAND, Key::Num2);
    click(&mut harness, "Head and neck organs at risk");
    // Without a graphics device the memory is told as well.
    assert!(harness.query_by_label_contains("Needs about").is_some());
    wait(
        &mut harness,
        "the time it will take",
        |station| matches!(station.estimate(), Estimate::Known { from_run: true, passes, .. } if *passes > 0),
    );
}

#[test]
fn proposals_are_listed_with_confidence_and_decided_on() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let mut harness = window(&[ball], &folder.path().join("data"));
    key(&mut harness, Modifiers::COMMAND, Key::Num2);
    click(&mut harness, "Body outline");
    harness.get_by_label("Contour Body");
    click(&mut harness, "Contour Body");
    wait(&mut harness, "the proposal", |station| station.session().unwrap().proposals().count() == 1);
    harness.get_by_label("Proposals: 1");
    // They are what is to be done next: the models are folded away.
    assert!(harness.query_by_label("Contour Body").is_none());
    click(&mut harness, "Contour with a model");
    harness.get_by_label("Contour Body");
    click(&mut harness, "Contour with a model");
    assert!(harness.query_by_label("Contour Body").is_none());
    // The same contours once more, as a model with confidence would give them.
    let mut rois = vec![(**harness.state().0.session().unwrap().proposals().next().unwrap()).clone()];
    rois[0].name = "Heart".to_owned();
    rois[0].confidence = Some(Confidence::new(0.6, false));
    let count = rois[0].planes.len();
    for (index, plane) in rois[0].planes.iter_mut().enumerate() {
        let confidence = if index == count - 2 { 0.2 } else { 0.9 };
        std::sync::Arc::make_mut(plane).confidence = Some(confidence);
    }
    assert!(harness.state_mut().0.apply(Command::AddProposals { rois, model: "m 1".to_owned() }));
    harness.step();
    harness.step();
    harness.get_by_label("Proposals: 2");
    harness.get_by_label("Confidence 0.60");
    harness.get_by_label("Confidence is uncalibrated: it orders contours, and promises no agreement.");
    click(&mut harness, "Go to Heart");
    click(&mut harness, "Least certain slice");
    let station = &harness.state().0;
    let least = station.session().unwrap().selected().unwrap().planes[count - 2].plane.offset_mm();
    let at = station.state().views.as_ref().unwrap().navigation.crosshair_mm().z;
    assert!((at - least).abs() < 1e-6, "{at} is not {least}");
    click(&mut harness, "Reject Heart");
    harness.get_by_label("Proposals: 1");
    click(&mut harness, "Accept all…");
    key(&mut harness, Modifiers::NONE, Key::Enter);
    assert_eq!(harness.state().0.session().unwrap().proposals().count(), 0);
    harness.get_by_label("No proposals wait. What a model draws appears here, dashed, until you accept it.");
}

#[test]
fn rows_of_proposals_stay_under_the_pointer_and_a_second_click_decides_on_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let mut harness = window(&[ball], &folder.path().join("data"));
    key(&mut harness, Modifiers::COMMAND, Key::Num2);
    click(&mut harness, "Body outline");
    click(&mut harness, "Contour Body");
    wait(&mut harness, "the proposal", |station| station.session().unwrap().proposals().count() == 1);
    let body = (**harness.state().0.session().unwrap().proposals().next().unwrap()).clone();
    let named = |name: &str| {
        let mut roi = body.clone();
        roi.name = name.to_owned();
        roi.confidence = Some(Confidence::new(0.8, true));
        for plane in &mut roi.planes {
            std::sync::Arc::make_mut(plane).confidence = Some(0.8);
        }
        roi
    };
    let rois = ["Heart", "Lung_L", "Lung_R"].map(named).to_vec();
    assert!(harness.state_mut().0.apply(Command::AddProposals { rois, model: "m 1".to_owned() }));
    for _ in 0..4 {
        harness.step();
    }
    let row =
        |harness: &Harness<'_, Window>, name: &str| harness.get_by_label(&format!("Go to {name}")).rect();
    // Another one is selected: no row moves.
    click(&mut harness, "Go to Heart");
    let before = ["Heart", "Lung_L", "Lung_R"].map(|name| row(&harness, name));
    click(&mut harness, "Go to Lung_R");
    harness.get_by_label("Confidence of Lung_R by slice");
    assert_eq!(["Heart", "Lung_L", "Lung_R"].map(|name| row(&harness, name)), before);
    // The button of the row that comes next stands where the one pressed stood; a double click is one.
    let at = harness.get_by_label("Reject Heart").rect().center();
    harness.ctx.options_mut(|options| options.input_options.max_double_click_delay = 5.0);
    harness.event(Event::PointerMoved(at));
    harness.step();
    for is_down in [true, false, true, false] {
        harness.event(button_event(PointerButton::Primary, at, is_down));
        harness.step();
    }
    harness.step();
    assert!((harness.get_by_label("Reject Lung_L").rect().center() - at).length() < 1.0);
    let left: Vec<String> =
        harness.state().0.session().unwrap().proposals().map(|roi| roi.name.clone()).collect();
    assert_eq!(left, ["Body", "Lung_L", "Lung_R"]);
}

/// Types a path into the manager's field and imports it; waits until that has ended.
fn import(harness: &mut Harness<'_, Window>, path: &Path) {
    // What is found moves what stands below it.
    wait(harness, "the models", |station| !station.is_running("models"));
    harness.step();
    harness.get_by_label("Path of the model").focus();
    harness.step();
    harness.event(Event::Text(path.display().to_string()));
    harness.step();
    click(harness, "Import");
    wait(harness, "the import", |station| !station.is_running("import model"));
    harness.step();
}

fn last_toast(harness: &Harness<'_, Window>) -> (Tone, String) {
    let toast = harness.state().0.state().toasts.list().last().unwrap();
    (toast.tone, toast.text.clone())
}

#[test]
fn an_import_asks_about_models_that_are_there_and_keeps_what_was_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let mut harness = window(&[ball], &folder.path().join("data"));
    let models = folder.path().join("models");
    harness.state_mut().0.import_into(&models);
    let here = || {
        let mut names: Vec<String> = std::fs::read_dir(&models)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let training = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/nnunet/torchres/nnUNetTrainer__nnUNetPlans__3d_fullres");
    let id = "Dataset955_TorchRes-3d_fullres";
    key(&mut harness, Modifiers::COMMAND, Key::M);
    import(&mut harness, &training);
    let (tone, text) = last_toast(&harness);
    assert!(tone == Tone::Done && text.starts_with("Imported: "), "{text}");
    assert_eq!(here(), [id]);

    // The same again: asked in place, nothing done yet.
    import(&mut harness, &training);
    harness.get_by_label(&format!("{id} is on this machine already."));
    assert_eq!(here(), [id]);
    click(&mut harness, "Keep both");
    wait(&mut harness, "the second", |station| !station.is_running("import model"));
    assert_eq!(here(), [id.to_owned(), format!("{id}-2")]);
    let manifest = std::fs::read_to_string(models.join(format!("{id}-2/model.toml"))).unwrap();
    assert!(manifest.contains(" (2)\""), "its title tells it from the first");
    harness.step();
    assert!(harness.query_by_label("Keep both").is_none(), "it was answered");
    // Something of an older model, which goes.
    std::fs::write(models.join(id).join("old.txt"), "old").unwrap();
    import(&mut harness, &training);
    click(&mut harness, "Replace");
    wait(&mut harness, "the third", |station| !station.is_running("import model"));
    assert_eq!(here(), [id.to_owned(), format!("{id}-2")]);
    assert!(!models.join(id).join("old.txt").exists());

    // One of two cannot run: told as something to heed, and kept below the field.
    let set = folder.path().join("Dataset956_Both");
    let plans = std::fs::read_to_string(training.join("plans.json")).unwrap();
    for (name, from, to) in [
        ("nnUNetTrainer__nnUNetOtherPlans__3d_fullres", "\"nnUNetPlans\"", "\"nnUNetOtherPlans\""),
        ("nnUNetTrainer__swin__3d_fullres", "PlainConvUNet", "SwinUNETR"),
    ] {
        copy_folder(&training, &set.join(name));
        std::fs::write(set.join(name).join("plans.json"), plans.replace(from, to)).unwrap();
    }
    import(&mut harness, &set);
    let (tone, text) = last_toast(&harness);
    assert!(tone == Tone::Attention && text.contains("1 model was not imported"), "{text}");
    assert_eq!(here().len(), 3);
    harness.get_by_label("Not imported from Dataset956_Both:");
    harness.get_by_label_contains("SwinUNETR");
    click(&mut harness, "Close models");
    key(&mut harness, Modifiers::COMMAND, Key::M);
    harness.get_by_label_contains("SwinUNETR");
    // Until the next import. What was typed is still there.
    harness.get_by_label("Path of the model").focus();
    key(&mut harness, Modifiers::COMMAND, Key::A);
    harness.event(Event::Text(folder.path().join("nothing").display().to_string()));
    harness.step();
    click(&mut harness, "Import");
    wait(&mut harness, "the refusal", |station| !station.is_running("import model"));
    harness.step();
    assert!(harness.query_by_label_contains("SwinUNETR").is_none());
    harness.get_by_label("Not imported from nothing:");
    let toasts = harness.state().0.state().toasts.list();
    assert!(toasts.iter().all(|toast| toast.tone != Tone::Error), "said once, where the person is");
}

/// Files do not tell which way a model's training images lay: a person can, and is not asked to.
#[test]
fn an_import_hands_images_over_as_is_chosen_for_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let mut harness = window(&[ball], &folder.path().join("data"));
    let models = folder.path().join("models");
    harness.state_mut().0.import_into(&models);
    let training = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/nnunet/torchres/nnUNetTrainer__nnUNetPlans__3d_fullres");
    let id = "Dataset955_TorchRes-3d_fullres";
    let manifest = |id: &str| std::fs::read_to_string(models.join(id).join("model.toml")).unwrap();
    let choose = |harness: &mut Harness<'_, Window>, way: &str| {
        click(harness, "How images are handed over");
        click(harness, way);
    };
    let default = "As the model's own files say (usual)";
    key(&mut harness, Modifiers::COMMAND, Key::M);
    // Below the field, and only for those who ask for it.
    assert!(harness.query_by_label_contains("Leave this as it is").is_none());
    click(&mut harness, "Advanced");
    harness.get_by_label_contains("Leave this as it is");
    let field = harness.get_by_label("Path of the model").rect();
    assert!(harness.get_by_label("Advanced").rect().top() >= field.bottom());
    import(&mut harness, &training);
    assert!(!manifest(id).contains("orientation"), "{}", manifest(id));

    // The same turned: kept beside the first, and turned still.
    wait(&mut harness, "the models", |station| !station.is_running("models"));
    harness.step();
    choose(&mut harness, "LAS: as dcm2niix makes NIfTI files");
    harness.get_by_label_contains("the patient's left, front and head");
    import(&mut harness, &training);
    // What is chosen meanwhile is for another one.
    choose(&mut harness, default);
    click(&mut harness, "Keep both");
    wait(&mut harness, "the second", |station| {
        !station.is_running("import model") && !station.is_running("models")
    });
    harness.step();
    let second = manifest(&format!("{id}-2"));
    assert!(second.contains("orientation = \"LAS\""), "{second}");

    // A way of one's own is taken once it is one.
    choose(&mut harness, "Another way…");
    harness.get_by_label("Path of the model").focus();
    harness.step();
    harness.event(Event::Text(training.display().to_string()));
    harness.step();
    assert!(harness.get_by_label("Import").accesskit_node().is_disabled());
    harness.get_by_label_contains("Three letters");
    harness.get_by_label("Sides of the axes").focus();
    harness.step();
    harness.event(Event::Text("pir".into()));
    harness.step();
    harness.get_by_label_contains("the patient's back, feet and right");
    click(&mut harness, "Import");
    wait(&mut harness, "the third", |station| !station.is_running("import model"));
    harness.step();
    click(&mut harness, "Replace");
    wait(&mut harness, "the fourth", |station| !station.is_running("import model"));
    harness.step();
    assert!(manifest(id).contains("orientation = \"PIR\""), "{}", manifest(id));
    // Back to what suits most.
    harness.get_by_label_contains("Leave this as it is");
}

/// A model of several channels can be told which series they are, one of a single channel need not.
#[test]
fn training_asks_for_the_series_of_several_channels() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let mut harness = window(&[ball], &folder.path().join("data"));
    harness.state_mut().0.import_into(&folder.path().join("models"));
    let training = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/nnunet/res2d/nnUNetTrainer__nnUNetPlans__2d");
    key(&mut harness, Modifiers::COMMAND, Key::M);
    import(&mut harness, &training);
    wait(&mut harness, "the models", |station| !station.is_running("models"));
    harness.step();
    let (_, text) = last_toast(&harness);
    let title = text.strip_prefix("Imported: ").and_then(|rest| rest.strip_suffix('.')).unwrap().to_owned();
    click(&mut harness, "Train a model…");
    assert_eq!(harness.state().0.state().overlay, Some(Overlay::Training));
    assert!(harness.query_by_label("Description of PET").is_none(), "a CT is the only channel");
    harness.get_by_role_and_label(egui::accesskit::Role::ComboBox, "Begin with").click();
    for _ in 0..3 {
        harness.step();
    }
    click(&mut harness, &title);
    harness.get_by_label("Description of PET");
    harness.get_by_label("Description of T1").focus();
    harness.step();
    harness.event(Event::Text("vibe, mprage".into()));
    harness.step();
    let told = harness.state().0.state().training.told_series();
    assert_eq!(told, [(0, "vibe".to_owned()), (0, "mprage".to_owned())]);
}

#[test]
fn the_manager_lists_imports_and_says_what_went_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let mut harness = window(&[ball], &folder.path().join("data"));
    key(&mut harness, Modifiers::COMMAND, Key::M);
    harness.get_by_label("On this machine");
    harness.get_by_label("Import a model");
    harness.get_by_label("Path of the model").focus();
    harness.step();
    harness.event(Event::Text(folder.path().join("nothing").display().to_string()));
    harness.step();
    click(&mut harness, "Import");
    wait(&mut harness, "the refusal", |station| !station.is_running("import model"));
    harness.step();
    // Said once, beside the field, with what can be imported; nothing lies over the card's buttons.
    harness.get_by_label("Not imported from nothing:");
    harness.get_by_label_contains("There is no such folder or archive");
    harness.get_by_label_contains("a training folder of nnU-Net v2");
    assert!(harness.state().0.state().toasts.list().is_empty());
    assert_eq!(harness.state().0.state().overlay, Some(Overlay::Models));
    // What is opened from the list leads back to it.
    let title = "Head and neck organs at risk";
    for closes in ["Esc", "Close"] {
        click(&mut harness, &format!("Card of {title}"));
        assert!(matches!(&harness.state().0.state().overlay, Some(Overlay::Card(_))));
        match closes {
            "Esc" => key(&mut harness, Modifiers::NONE, Key::Escape),
            label => click(&mut harness, label),
        }
        assert_eq!(harness.state().0.state().overlay, Some(Overlay::Models), "{closes}");
    }
    // What can be got stands in groups, each with the card that it will have.
    harness.get_by_label("Most of the body");
    harness.get_by_label("Arms and legs");
    harness.get_by_label("Needed by other models");
    // The catalogue is long: it is searched, by organ too. The field stands above the list.
    let field = harness.get_by_label("Find a model or an organ").rect();
    assert!(field.bottom() <= harness.get_by_label("On this machine").rect().top());
    let (muscles, lungs) = (
        "Get TotalSegmentator v2, muscles of head and neck",
        "Get TotalSegmentator v2, nodules of the lungs",
    );
    harness.get_by_label(muscles);
    harness.get_by_label("Find a model or an organ").focus();
    harness.step();
    harness.event(Event::Text("platysma".into()));
    harness.step();
    harness.step();
    harness.get_by_label(muscles);
    assert!(harness.query_by_label(lungs).is_none());
    click(&mut harness, "Card of TotalSegmentator v2, muscles of head and neck");
    harness.get_by_label("Data and licence");
    click(&mut harness, "Close");
    assert_eq!(harness.state().0.state().overlay, Some(Overlay::Models));
    click(&mut harness, "Close models");
    assert!(harness.state().0.state().overlay.is_none());
}

/// Opens the models and narrows the catalogue.
fn search_models(harness: &mut Harness<'_, Window>, words: &str) {
    key(harness, Modifiers::COMMAND, Key::M);
    harness.get_by_label("Find a model or an organ").focus();
    harness.step();
    harness.event(Event::Text(words.into()));
    harness.step();
    harness.step();
}

#[test]
fn what_a_model_may_be_used_for_is_confirmed_before_it_is_got() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let mut harness = window(&[ball], &folder.path().join("data"));
    let entry = delineo::ai::catalogue::entry("coronary_arteries").unwrap();
    search_models(&mut harness, &entry.title);
    assert!(harness.query_by_label("Import a model").is_none(), "what is found stands on top");
    click(&mut harness, &format!("Get {}", entry.title));
    let asked = Overlay::GetModel { id: entry.id.clone(), from_models: true };
    assert_eq!(harness.state().0.state().overlay, Some(asked));
    harness.get_by_label(entry.license_warning.as_deref().unwrap());
    harness.get_by_label(&format!("Licence: {}.", entry.license));
    click(&mut harness, "Cancel");
    assert_eq!(harness.state().0.state().overlay, Some(Overlay::Models));
    assert!(!harness.state().0.is_running("fetch coronary_arteries"), "nothing comes without an answer");
}

#[test]
fn why_a_model_did_not_come_is_said_whole_and_in_sight() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let mut harness = window(&[ball], &folder.path().join("data"));
    look_in(&mut harness, &folder.path().join("models"));
    let title = &delineo::ai::catalogue::entry("lung_nodules").unwrap().title;
    search_models(&mut harness, title);
    click(&mut harness, "Where from");
    harness.get_by_label("Where models come from").focus();
    harness.step();
    harness.event(Event::Text(folder.path().join("nowhere").display().to_string()));
    harness.step();
    click(&mut harness, &format!("Get {title}"));
    wait(&mut harness, "why not", |station| !station.is_running("fetch lung_nodules"));
    for _ in 0..8 {
        harness.step();
    }
    let said = harness.get_by_label_contains("put its folder").rect();
    let close = harness.get_by_label("Close models").rect();
    assert!(said.top() > close.bottom() && said.bottom() < 1400.0, "{said:?}");
    click(&mut harness, &format!("Close what was said of {title}"));
    assert!(harness.query_by_label(&format!("Close what was said of {title}")).is_none());
}

#[test]
fn the_form_of_a_training_asks_for_what_is_missing_and_says_why_it_did_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let mut harness = window(&[ball], &folder.path().join("data"));
    key(&mut harness, Modifiers::COMMAND, Key::K);
    harness.event(Event::Text("train a model".into()));
    harness.step();
    key(&mut harness, Modifiers::NONE, Key::Enter);
    harness.step();
    assert_eq!(harness.state().0.state().overlay, Some(Overlay::Training));
    // A place for the result is filled in.
    harness.get_by_label("Name the folder of the patients.");
    harness.get_by_role_and_label(egui::accesskit::Role::TextInput, "Patients").focus();
    harness.step();
    harness.event(Event::Text(folder.path().join("nowhere").display().to_string()));
    harness.step();
    harness.step();
    assert!(harness.query_by_label("Name the folder of the patients.").is_none());
    // Nothing lies there to go on with.
    click(&mut harness, "Start");
    wait(&mut harness, "why not", |station| !station.is_running("training"));
    harness.step();
    harness.get_by_label_contains("There is no such folder of patients");
    let toasts = harness.state().0.state().toasts.list();
    assert!(toasts.iter().all(|toast| toast.tone != Tone::Error), "said once, where the person is");
    click(&mut harness, "Close training");
    assert!(harness.state().0.state().overlay.is_none());
}

#[test]
fn what_a_training_has_left_is_imported_by_the_path_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let trained = folder.path().join("run");
    copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/sample-body"), &trained.join("model"));
    let manifest = trained.join("model/model.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let text = text.replacen("id = \"sample-body\"", "id = \"clinic\"", 1);
    std::fs::write(&manifest, text.replacen("title = \"Organs", "title = \"Own organs", 1)).unwrap();
    let models = folder.path().join("models");
    let mut harness = window(&[ball], &folder.path().join("data"));
    harness.state_mut().0.import_into(&models);
    key(&mut harness, Modifiers::COMMAND, Key::M);
    import(&mut harness, &trained);
    let (tone, text) = last_toast(&harness);
    assert!(tone == Tone::Done && text.starts_with("Imported: Own organs"), "{text}");
    assert!(models.join("clinic/weights.safetensors").is_file());
    wait(&mut harness, "the models", |station| !station.is_running("models"));
    harness.step();
    harness.get_by_label("Remove Own organs of the synthetic sample patient");
}

/// A model of the catalogue, and what it crops on, made of the fixtures' files.
fn fetch(id: &str, models: &Path) {
    use delineo::ai::catalogue::{FetchOptions, entry, fetch};
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/catalogue");
    let from = Some(files.to_string_lossy().into_owned());
    let options = FetchOptions { from, target: Some(models.to_owned()), force: false };
    fetch(entry(id).unwrap(), &options, &delineo::progress::Progress::new()).unwrap();
}

/// Looks for models in a folder, too; waits until they are known.
fn look_in(harness: &mut Harness<'_, Window>, models: &Path) {
    harness.state_mut().0.import_into(models);
    wait(harness, "the models", |station| !station.is_running("models"));
    harness.step();
    harness.step();
}

#[test]
fn removing_a_model_that_others_need_names_them_and_what_is_missing_can_be_got() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let models = folder.path().join("models");
    fetch("headneck_muscles", &models);
    let mut harness = window(&[ball], &folder.path().join("data"));
    look_in(&mut harness, &models);
    key(&mut harness, Modifiers::COMMAND, Key::M);
    let coarse = "TotalSegmentator v2, total, fastest (6 mm)";
    let muscles = "TotalSegmentator v2, muscles of head and neck";
    harness.get_by_label(muscles);
    click(&mut harness, &format!("Remove {coarse}"));
    harness.get_by_label(&format!("Remove {coarse}?"));
    harness.get_by_label_contains(muscles);
    // Enter goes the way that can be taken back.
    harness.step();
    assert!(harness.get_by_label("Cancel").accesskit_node().is_focused());
    key(&mut harness, Modifiers::NONE, Key::Enter);
    assert_eq!(harness.state().0.state().overlay, Some(Overlay::Models));
    assert!(models.join("total_fastest/model.toml").is_file(), "nothing goes without an answer");
    // The list is measured before it is drawn.
    harness.step();
    harness.step();
    click(&mut harness, &format!("Remove {muscles}"));
    assert!(harness.query_by_label_contains("Without it").is_none(), "nothing needs the muscles");
    click(&mut harness, "Cancel");

    // Without it: said, and a way to it beside the model that needs it.
    click(&mut harness, &format!("Remove {coarse}"));
    click(&mut harness, "Remove");
    wait(&mut harness, "its removal", |station| !station.is_running("remove model"));
    wait(&mut harness, "the models", |station| !station.is_running("models"));
    harness.step();
    assert!(!models.join("total_fastest").exists() && models.join("headneck_muscles").exists());
    harness.get_by_label(&format!("Needs {coarse}, which is not on this machine."));
    click(&mut harness, "Close models");
    key(&mut harness, Modifiers::COMMAND, Key::Num2);
    harness.get_by_label(&format!("Get {coarse}"));
}

#[test]
fn what_cannot_be_used_is_listed_with_its_reason_and_removed_where_imports_are() {
    let folder = tempfile::tempdir().unwrap();
    let ball = ball::write_ball(folder.path());
    let models = folder.path().join("models");
    let broken = models.join("clinic-1");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::write(broken.join("model.toml"), "id = 3").unwrap();
    let mut harness = window(&[ball], &folder.path().join("data"));
    assert!(harness.query_by_label("Cannot be used").is_none());
    look_in(&mut harness, &models);
    key(&mut harness, Modifiers::COMMAND, Key::M);
    harness.get_by_label("Cannot be used");
    harness.get_by_label("clinic-1");
    harness.get_by_label_contains("manifest is not usable");
    click(&mut harness, "Remove clinic-1");
    harness.get_by_label("Remove clinic-1?");
    harness.get_by_label_contains(&broken.display().to_string());
    click(&mut harness, "Cancel");
    assert!(broken.exists());
    click(&mut harness, "Remove clinic-1");
    click(&mut harness, "Remove");
    wait(&mut harness, "its removal", |station| !station.is_running("remove model"));
    wait(&mut harness, "the models", |station| !station.is_running("models"));
    harness.step();
    assert!(!broken.exists());
    assert!(harness.query_by_label("Cannot be used").is_none());
}
