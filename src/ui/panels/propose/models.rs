//! The list of models: those that fit the study on top, those that cannot run last, with the reason.

use super::super::super::actions::Action;
use super::super::super::state::{CatalogueLine, ModelLine};
use super::super::super::theme::{self, Theme};
use super::super::super::{Request, Scope, icons, widgets};
use super::super::manager::{fetch_job, get_ui, problem_ui, size_text};
use crate::patient::BodyRegion;
use crate::session::suggestion::Fit;
use egui::{Align2, FontId, RichText, Sense, Ui, vec2};

/// The list.
pub fn models_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let desk = scope.context.desk;
    let chosen = settled(scope.state.propose.model.take(), &desk.models);
    if let Some(text) = lack_text(&desk.models, chosen.is_some(), &desk.regions) {
        widgets::note(ui, text);
    }
    scope.state.propose.model = chosen;
    let mut group = None;
    for model in &desk.models {
        let rank = model.fit.rank().min(1);
        let title = match (rank, desk.regions.as_slice()) {
            (0, []) => "Suggested".to_owned(),
            (0, regions) => format!("Suggested: {} seen", BodyRegion::list(regions)),
            _ if group.is_some() => "Other models".to_owned(),
            _ => "Models".to_owned(),
        };
        if group != Some(rank) {
            widgets::caption(ui, &title);
            group = Some(rank);
        }
        model_row_ui(ui, scope, model);
        lacking_ui(ui, scope, model);
    }
}

/// The model that stays or becomes chosen: another series may be one that the model chosen before cannot
/// run on. `None` where none can.
fn settled(chosen: Option<String>, models: &[ModelLine]) -> Option<String> {
    let can_run = |id: &String| models.iter().any(|model| model.id == *id && model.fit.rank() < 3);
    let first = || models.iter().find(|model| model.fit.rank() < 3).map(|model| model.id.clone());
    chosen.filter(can_run).or_else(first)
}

/// What is said where no model can run, or none is made for what is seen.
fn lack_text(models: &[ModelLine], can_run: bool, seen: &[BodyRegion]) -> Option<String> {
    match (models, can_run, seen) {
        ([], ..) => None,
        (_, false, _) => Some("No model on this machine can run on this series.".to_owned()),
        (_, _, []) => None,
        _ if models.iter().any(|model| model.fit.rank() == 0) => None,
        _ => Some(format!("No model on this machine is made for {}.", BodyRegion::list(seen))),
    }
}

/// The way to the model that this one needs and that is not on this machine, itself or through another.
fn lacking_ui(ui: &mut Ui, scope: &mut Scope<'_>, model: &ModelLine) {
    let desk = scope.context.desk;
    let needed = desk.needed(model);
    let is_needed = |line: &&CatalogueLine| needed.contains(&line.id.as_str()) && !line.installed;
    let Some(line) = desk.catalogue.iter().find(is_needed) else { return };
    let weak = Theme::of(ui.ctx()).weak;
    ui.horizontal(|ui| {
        ui.add_space(28.0);
        if let Some(job) = fetch_job(desk, line) {
            let text = format!("Getting {}: {:.0} %", line.title, job.fraction * 100.0);
            ui.label(RichText::new(text).small().color(weak)).on_hover_text(&job.step);
        } else {
            // One button for each model that needs it.
            ui.push_id(&model.id, |ui| get_ui(ui, scope, line));
            ui.add(egui::Label::new(RichText::new(size_text(line)).small().color(weak)).truncate());
        }
    });
    problem_ui(ui, scope, line);
}

/// Models to get that are named in the panel at most; the manager has all.
const NAMED: usize = 3;

/// Models of the catalogue that are for what the study shows and are not on this machine; those that
/// are not given freely are left to the manager.
pub fn to_get_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let desk = scope.context.desk;
    let is_free = |line: &CatalogueLine| line.license_warning.is_none() && !line.is_coarse;
    let is_for_this = |line: &&CatalogueLine| !line.installed && is_free(line) && line.fit.rank() == 0;
    let all: Vec<&CatalogueLine> = desk.catalogue.iter().filter(is_for_this).collect();
    let lines = different(&all);
    if lines.is_empty() {
        return;
    }
    widgets::caption(ui, "Available for this study");
    for line in lines {
        let job = fetch_job(desk, line);
        ui.horizontal(|ui| {
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if let Some(job) = job {
                    ui.label(RichText::new(format!("{:.0} %", job.fraction * 100.0)).small())
                        .on_hover_text(&job.step);
                } else {
                    get_ui(ui, scope, line);
                }
                ui.with_layout(egui::Layout::top_down(egui::Align::Min), |ui| {
                    ui.spacing_mut().item_spacing.y = 2.0;
                    // A spacing in the name stays in one line.
                    let title = line.title.replace(" mm", "\u{a0}mm");
                    let title = ui.add(egui::Label::new(title).wrap());
                    title.on_hover_text(format!("{}\n{}", line.about, line.fit.why()));
                    let (count, size) = (count_text(&line.organs), size_text(line));
                    let facts = format!("{count} · {size} · {}", line.license);
                    let weak = Theme::of(ui.ctx()).weak;
                    ui.add(egui::Label::new(RichText::new(facts).small().color(weak)).wrap());
                });
            });
        });
        ui.add_space(4.0);
        problem_ui(ui, scope, line);
    }
    let text = format!("All {} for this study…", all.len());
    if all.len() > NAMED && ui.link(text).on_hover_text(Action::ManageModels.tooltip()).clicked() {
        scope.outbox.act(Action::ManageModels);
    }
}

/// Of models that contour almost the same so many are named: one for contours, one for a hurry.
const ALIKE: usize = 2;

/// The first few models, of those that contour almost the same (several spacings and versions of one)
/// [`ALIKE`].
fn different<'a>(all: &[&'a CatalogueLine]) -> Vec<&'a CatalogueLine> {
    let mut lines: Vec<&CatalogueLine> = Vec::new();
    for line in all {
        let is_like = |own: &&&CatalogueLine| {
            let shared = own.organs.iter().filter(|organ| line.organs.contains(organ)).count();
            10 * shared >= 9 * own.organs.len().max(line.organs.len())
        };
        if lines.len() < NAMED && lines.iter().filter(is_like).count() < ALIKE {
            lines.push(line);
        }
    }
    lines
}

/// The way to more models.
pub fn manage_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let text = RichText::new(format!("{}  Models…", icons::MANAGE)).small();
    let button = ui.add(egui::Button::new(text)).on_hover_text(Action::ManageModels.tooltip());
    button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Manage models"));
    if button.clicked() {
        scope.outbox.act(Action::ManageModels);
    }
}

/// What a model contours, in short.
fn count_text(organs: &[String]) -> String {
    match organs {
        [only] => only.clone(),
        organs => format!("{} structures", organs.len()),
    }
}

/// What is said below a model's name.
fn line_of(model: &ModelLine) -> String {
    let count = count_text(&model.organs);
    match &model.fit {
        Fit::Possible(why) if why.is_empty() => format!("{count} · {}", model.source),
        fit => fit.why().to_owned(),
    }
}

fn model_row_ui(ui: &mut Ui, scope: &mut Scope<'_>, model: &ModelLine) {
    let theme = Theme::of(ui.ctx());
    let on = scope.state.propose.model.as_deref() == Some(&model.id);
    let enabled = model.fit.rank() < 3;
    let width = ui.available_width();
    let info_room = if model.has_card { 28.0 } else { 8.0 };
    let text_width = width - 28.0 - info_room;
    let ink = if enabled { theme.text } else { theme.weak };
    let lay = |text: &str, font: FontId, ink| ui.painter().layout(text.to_owned(), font, ink, text_width);
    let title = lay(&model.title, FontId::proportional(theme::BODY), ink);
    let below = lay(&line_of(model), FontId::proportional(theme::SMALL), theme.weak);
    let height = title.size().y + below.size().y + 14.0;
    let sense = if enabled { Sense::click() } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), sense);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::RadioButton, enabled, on, &model.title));
    let ground = if on {
        theme.pressed
    } else if response.hovered() && enabled {
        theme.raised
    } else {
        theme.surface
    };
    let painter = ui.painter().with_clip_rect(rect);
    painter.rect_filled(rect, theme::RADIUS, ground);
    let ring = egui::pos2(rect.left() + 14.0, rect.top() + 7.0 + title.size().y / 2.0);
    let edge = if on { theme.accent } else { theme.weak };
    painter.circle_stroke(ring, 5.5, egui::Stroke::new(1.5, if enabled { edge } else { theme.line }));
    if on {
        painter.circle_filled(ring, 3.0, theme.accent);
    }
    let left = rect.left_top() + vec2(28.0, 6.0);
    let lower = left + vec2(0.0, title.size().y + 2.0);
    painter.galley(left, title, ink);
    painter.galley(lower, below, theme.weak);
    if response.has_focus() {
        widgets::focus_ring(ui, rect);
    }
    if model.has_card {
        let middle = egui::pos2(rect.right() - 16.0, rect.center().y);
        let place = egui::Rect::from_center_size(middle, vec2(24.0, 24.0));
        let mut child = ui.new_child(egui::UiBuilder::new().max_rect(place).id_salt(("card", &model.id)));
        let name = format!("About {}", model.title);
        let info = widgets::icon_button(&mut child, icons::ABOUT, &name, None, false);
        if info.on_hover_text("The model's card: what it contours, how well, where it fails").clicked() {
            scope.outbox.send(Request::ShowCard(model.id.clone()));
            return;
        }
    }
    let hint = if enabled { model.organs.join(", ") } else { model.fit.why().to_owned() };
    if response.on_hover_text(hint).clicked() {
        scope.state.propose.model = Some(model.id.clone());
    }
}

/// A check mark in three states.
pub fn check_mark(ui: &Ui, center: egui::Pos2, state: Option<bool>) {
    let theme = Theme::of(ui.ctx());
    let (icon, ink) = match state {
        Some(true) => (icons::CHECKED, theme.accent),
        Some(false) => (icons::UNCHECKED, theme.weak),
        None => (icons::MIXED, theme.accent),
    };
    ui.painter().text(center, Align2::CENTER_CENTER, icon, FontId::proportional(16.0), ink);
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn a_model_that_cannot_run_does_not_stay_chosen() {
        let unfit = || Fit::Unfit("For CT; this series is MR.".into());
        let on_ct = [example("a", Fit::Suggested(String::new())), example("b", Fit::Possible(String::new()))];
        assert_eq!(settled(Some("b".into()), &on_ct), Some("b".into()), "a person's choice stays");
        assert_eq!(settled(None, &on_ct), Some("a".into()));
        let on_mr = [example("a", Fit::Possible(String::new())), example("b", unfit())];
        assert_eq!(settled(Some("b".into()), &on_mr), Some("a".into()));
        assert_eq!(settled(Some("b".into()), &[example("a", unfit()), example("b", unfit())]), None);
    }

    #[test]
    fn variants_of_one_model_leave_room_for_others() {
        let line = |id: &str, organs: std::ops::Range<usize>| CatalogueLine {
            id: id.to_owned(),
            title: id.to_owned(),
            about: String::new(),
            modality: "CT".to_owned(),
            fit: Fit::Suggested(String::new()),
            is_coarse: false,
            license: String::new(),
            license_warning: None,
            bytes: None,
            partial_bytes: 0,
            regions: Vec::new(),
            organs: organs.map(|organ| organ.to_string()).collect(),
            installed: false,
            problem: None,
        };
        let all = [
            line("fine", 0..20),
            line("fast", 0..20),
            line("newer", 1..21),
            line("glands", 30..36),
            line("rest", 40..41),
        ];
        let all: Vec<&CatalogueLine> = all.iter().collect();
        let named: Vec<&str> = different(&all).iter().map(|line| line.id.as_str()).collect();
        assert_eq!(named, ["fine", "fast", "glands"]);
        assert!(different(&[]).is_empty());
    }

    #[test]
    fn it_is_said_where_nothing_fits() {
        let said = |fit: Fit, can_run, seen: &[BodyRegion]| lack_text(&[example("a", fit)], can_run, seen);
        let chest = [BodyRegion::Chest];
        assert_eq!(said(Fit::Suggested(String::new()), true, &chest), None);
        assert_eq!(said(Fit::Possible(String::new()), true, &[]), None, "nothing is known of what is seen");
        let text = said(Fit::Doubtful("For pelvis; this CT shows chest.".into()), true, &chest);
        assert_eq!(text.as_deref(), Some("No model on this machine is made for chest."));
        let text = said(Fit::Unfit("For CT; this series is MR.".into()), false, &[]);
        assert_eq!(text.as_deref(), Some("No model on this machine can run on this series."));
        assert_eq!(lack_text(&[], false, &chest), None, "they are looked for still");
    }
}
