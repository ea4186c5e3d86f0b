//! Letting a model contour, and deciding on what it proposes: models, organs, channels, how long it
//! will take, how far it is, and the proposals.

mod channels;
mod models;
mod organs;
mod proposals;
mod running;

pub use channels::default_series;

use super::super::actions::Action;
use super::super::state::{Estimate, ModelLine};
use super::super::theme::{self, Theme};
use super::super::{Request, Scope, widgets};
use crate::patient::Roi;
use egui::{RichText, Ui};
use std::sync::Arc;

/// The way to the models while proposals wait.
const MORE: &str = "Contour with a model";

/// The Propose place: first what waits to be decided on, else the way to it.
pub fn propose_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let Some(session) = scope.context.session else { return };
    ui.horizontal(|ui| {
        ui.label(RichText::new("Propose").font(theme::strong(15.0)));
        let right = egui::Layout::right_to_left(egui::Align::Center);
        ui.with_layout(right, |ui| models::manage_ui(ui, scope));
    });
    let proposals: Vec<Arc<Roi>> = session.proposals().cloned().collect();
    if proposals.is_empty() {
        choose_ui(ui, scope);
        proposals::none_ui(ui, scope);
        models::to_get_ui(ui, scope);
        return;
    }
    ui.add_space(8.0);
    let unfolded = &mut scope.state.propose.shows_models;
    widgets::fold(ui, MORE, MORE, unfolded);
    if *unfolded {
        choose_ui(ui, scope);
        models::to_get_ui(ui, scope);
    } else {
        running::running_ui(ui, scope);
    }
    proposals::proposals_ui(ui, scope, session, &proposals);
}

/// Models, organs and channels, and the button that runs what is chosen.
fn choose_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let lines = &scope.context.desk.models;
    if lines.is_empty() {
        let known = scope.context.desk.models_known;
        widgets::note(ui, if known { "No model is installed." } else { "Looking for models…" });
    }
    models::models_ui(ui, scope);
    let chosen = lines.iter().find(|model| scope.state.propose.model.as_ref() == Some(&model.id));
    if let Some(model) = chosen {
        ui.add_space(4.0);
        if !model.note.is_empty() {
            small_note(ui, &model.note);
        }
        organs::organs_ui(ui, scope, model);
        let channels = channels::channels_ui(ui, scope, model);
        ui.add_space(8.0);
        if running::running_ui(ui, scope) {
            // One model runs at a time; its progress stands in place of the button.
        } else {
            start_ui(ui, scope, model, channels.err());
        }
    }
}

/// The button that runs the model, and how long that will take.
fn start_ui(ui: &mut Ui, scope: &mut Scope<'_>, model: &ModelLine, missing: Option<String>) {
    let count = scope.state.propose.chosen(model).len();
    let why_not = match count {
        0 => Some("Choose at least one organ.".to_owned()),
        _ if model.fit.rank() == 3 => Some(model.fit.why().to_owned()),
        _ => missing,
    };
    let label = match (count, model.organs.as_slice()) {
        (1, [only]) => format!("Contour {only}"),
        (1, _) => "Contour 1 structure".to_owned(),
        (count, _) => format!("Contour {count} structures"),
    };
    if widgets::primary_button(ui, &label, why_not.is_none()).clicked() {
        scope.outbox.send(Request::Propose(model.id.clone()));
    }
    if let Some(why) = why_not {
        attention(ui, &why);
    } else {
        let desk = scope.context.desk;
        let mut said = estimate_text(&desk.estimate, &desk.model_device);
        if let Some(bytes) = desk.memory_bytes {
            said = format!("{said} {}", memory_text(bytes));
        }
        let more = [work_text(&desk.estimate), kept_text(desk.kept_bytes)].join(" ");
        let note = small_note(ui, &said);
        if !more.trim().is_empty() {
            note.on_hover_text(more.trim());
        }
    }
}

/// How long it will take, in words.
fn estimate_text(estimate: &Estimate, device: &str) -> String {
    let device = if device.is_empty() { "the processor" } else { device };
    match estimate {
        Estimate::Unknown => format!("Runs on {device}; how long it takes is not known yet."),
        Estimate::Measuring => format!("Runs on {device}; its speed is being measured…"),
        Estimate::Known { seconds, .. } => {
            format!("About {} on {device}.", widgets::duration_text(*seconds))
        }
    }
}

/// Where the time is known from, in words; nothing where there is nothing to tell.
fn work_text(estimate: &Estimate) -> String {
    let Estimate::Known { passes, from_run, .. } = estimate else { return String::new() };
    let times = if *passes == 1 { "1 pass".to_owned() } else { format!("{passes} passes") };
    match (passes, from_run) {
        (0, _) => String::new(),
        (_, true) => format!("{times} of the network, each as long as last time."),
        (_, false) => format!("{times} of the network; one was measured."),
    }
}

/// How much memory it will take, in words.
fn memory_text(bytes: u64) -> String {
    format!("Needs about {} of memory.", amount(bytes))
}

/// How much memory networks of earlier runs take, in words; nothing where there are none.
fn kept_text(bytes: u64) -> String {
    if bytes == 0 {
        return String::new();
    }
    format!("Networks of the last runs are kept in {}, which is free as soon as it is needed.", amount(bytes))
}

fn amount(bytes: u64) -> String {
    let megabytes = bytes.div_ceil(1_000_000);
    if megabytes < 1000 {
        format!("{megabytes} MB")
    } else {
        format!("{}.{} GB", (megabytes + 50) / 1000, (megabytes + 50) % 1000 / 100)
    }
}

/// A small sentence that explains.
fn small_note(ui: &mut Ui, text: &str) -> egui::Response {
    let text = RichText::new(text).small().color(Theme::of(ui.ctx()).weak);
    ui.add(egui::Label::new(text).wrap())
}

fn attention(ui: &mut Ui, text: &str) {
    let text = RichText::new(text).small().color(Theme::of(ui.ctx()).amber);
    ui.add(egui::Label::new(text).wrap());
}

/// The row of buttons below the proposals.
fn accept_all_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    if widgets::button(ui, "Accept all…").on_hover_text(Action::AcceptAll.tooltip()).clicked() {
        scope.outbox.act(Action::AcceptAll);
    }
}

/// A model for tests: an imported one of one organ, for CT.
#[cfg(test)]
fn example(id: &str, fit: crate::session::suggestion::Fit) -> ModelLine {
    ModelLine {
        id: id.to_owned(),
        title: id.to_owned(),
        version: "1".to_owned(),
        modality: "CT".to_owned(),
        modalities: vec!["CT".to_owned()],
        organs: vec!["Heart".to_owned()],
        note: String::new(),
        license: String::new(),
        source: "imported",
        channels: Vec::new(),
        synthetic: false,
        any_values: false,
        has_card: false,
        trainable: false,
        crops_on: None,
        fit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_it_takes_is_said_with_where_that_is_from() {
        let known = |passes, from_run| Estimate::Known { seconds: 40.2, passes, from_run };
        assert_eq!(estimate_text(&known(96, true), "Arc"), "About 40 s on Arc.");
        assert_eq!(work_text(&known(96, true)), "96 passes of the network, each as long as last time.");
        assert_eq!(estimate_text(&known(1, false), ""), "About 40 s on the processor.");
        assert_eq!(work_text(&known(1, false)), "1 pass of the network; one was measured.");
        assert_eq!(work_text(&known(0, true)), "");
        assert!(estimate_text(&Estimate::Unknown, "Arc").ends_with("not known yet."));
        assert_eq!(work_text(&Estimate::Unknown), "");
        assert_eq!(memory_text(1_730_000_000), "Needs about 1.7 GB of memory.");
        assert_eq!(memory_text(1_960_000_000), "Needs about 2.0 GB of memory.");
        assert_eq!(memory_text(41_200_000), "Needs about 42 MB of memory.");
        assert_eq!(kept_text(0), "");
        assert!(kept_text(1_250_000_000).starts_with("Networks of the last runs are kept in 1.3 GB, "));
    }
}
