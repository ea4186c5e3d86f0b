//! The model manager: the models that are there, those that can be fetched, and what an import has left.

mod catalogue;

pub(super) use catalogue::{fetch_job, get_ui, problem_ui, size_text};

use super::super::actions::Action;
use super::super::state::{JobLine, ModelLine, Overlay, UnusableLine};
use super::super::theme::{self, Theme};
use super::super::{Request, Scope, icons, widgets};
use super::import;
use egui::{RichText, Ui, vec2};

/// The card.
pub fn manager_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let room = ui.ctx().content_rect().size();
    ui.set_width((room.x - 160.0).clamp(320.0, 720.0));
    ui.horizontal(|ui| {
        ui.label(RichText::new("Models").font(theme::strong(18.0)));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if widgets::icon_button(ui, icons::CLOSE, "Close models", None, false)
                .on_hover_text("Close   Esc")
                .clicked()
            {
                scope.state.overlay = None;
            }
        });
    });
    ui.add_space(4.0);
    catalogue::search_ui(ui, scope);
    let height = (room.y - 240.0).max(160.0);
    let scroll =
        egui::ScrollArea::vertical().id_salt("models").max_height(height).min_scrolled_height(height);
    // As high however much is found: the field would jump while one types.
    scroll.auto_shrink(false).show(ui, |ui| {
        ui.set_max_width(ui.available_width() - 12.0);
        lists_ui(ui, scope);
    });
}

/// What is below the search. What is searched for is not looked for below forms: these step aside, but for
/// one that has something to say.
fn lists_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let desk = scope.context.desk;
    let search = scope.state.model_search.trim().to_owned();
    let is_found = |model: &&ModelLine| {
        catalogue::has_words(
            [&model.id, &model.title, &model.modality].into_iter().chain(&model.organs),
            &search,
        )
    };
    let found: Vec<&ModelLine> = desk.models.iter().filter(is_found).collect();
    if !found.is_empty() || search.is_empty() {
        widgets::heading(ui, "On this machine");
    }
    for model in found {
        installed_ui(ui, scope, model);
    }
    if desk.models.is_empty() {
        widgets::note(ui, if desk.models_known { "None." } else { "Looking for models…" });
    }
    if !desk.unusable.is_empty() && search.is_empty() {
        widgets::caption(ui, "Cannot be used");
        for line in &desk.unusable {
            unusable_ui(ui, scope, line);
        }
    }
    let report = &desk.import;
    let is_running = desk.jobs.iter().any(|job| job.key == "import model");
    let has_to_say = is_running || !report.refused.is_empty() || !report.there.is_empty();
    if search.is_empty() || has_to_say || scope.state.import_path.hint.is_some() {
        import::import_ui(ui, scope);
        left_ui(ui, scope);
    }
    if search.is_empty() {
        widgets::heading(ui, "Train one on patients of your own");
        if widgets::button(ui, "Train a model…").on_hover_text(Action::TrainModel.tooltip()).clicked() {
            // An action that opens a card is not carried out under another.
            scope.state.overlay = None;
            scope.outbox.act(Action::TrainModel);
        }
    }
    catalogue::catalogue_ui(ui, scope);
}

/// A frame around one model.
fn entry<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
    let theme = Theme::of(ui.ctx());
    let frame = egui::Frame::new().stroke(theme.hairline()).corner_radius(theme::RADIUS).inner_margin(12);
    let inner = frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        content(ui)
    });
    ui.add_space(4.0);
    inner.inner
}

fn small(ui: &mut Ui, text: impl Into<String>, color: egui::Color32) {
    ui.add(egui::Label::new(RichText::new(text).small().color(color)).wrap());
}

fn organs_text(organs: &[String]) -> String {
    match organs {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        organs if organs.len() <= 8 => organs.join(", "),
        organs => format!("{} structures: {} …", organs.len(), organs[..8].join(", ")),
    }
}

/// The button that shows a model's card.
fn card_ui(ui: &mut Ui, scope: &mut Scope<'_>, id: &str, title: &str, why: &str) {
    let name = format!("Card of {title}");
    let card = ui.button("Card").on_hover_text(why);
    card.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
    if card.clicked() {
        scope.outbox.send(Request::ShowCard(id.to_owned()));
    }
}

fn installed_ui(ui: &mut Ui, scope: &mut Scope<'_>, model: &ModelLine) {
    let theme = Theme::of(ui.ctx());
    entry(ui, |ui| {
        ui.horizontal(|ui| {
            ui.label(RichText::new(&model.title).font(theme::strong(theme::BODY)));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if model.source == "imported" {
                    let name = format!("Remove {}", model.title);
                    let pressed = widgets::icon_button(ui, icons::DELETE, &name, None, false);
                    if pressed.on_hover_text("Removes it from this machine; asks first").clicked() {
                        scope.state.overlay = Some(Overlay::RemoveModel(model.id.clone()));
                    }
                }
                if model.has_card {
                    let why = "What it contours, how well, where it fails";
                    card_ui(ui, scope, &model.id, &model.title, why);
                }
                small(ui, model.source, theme.weak);
            });
        });
        small(ui, organs_text(&model.organs), theme.text);
        let version = if model.version.is_empty() { String::new() } else { format!(" {}", model.version) };
        let modality = if model.modality.is_empty() { "any images" } else { &model.modality };
        let mut facts = format!("{}{version} · {modality}", model.id);
        if !model.license.is_empty() {
            facts = format!("{facts} · licence {}", model.license);
        }
        small(ui, facts, theme.weak);
        if let Some(lacks) = scope.context.desk.lacks(model) {
            warning_ui(ui, &format!("Needs {lacks}, which is not on this machine."));
        }
    });
}

/// A sentence to heed, with its sign.
fn warning_ui(ui: &mut Ui, text: &str) {
    let theme = Theme::of(ui.ctx());
    ui.horizontal_top(|ui| {
        ui.label(RichText::new(icons::WARNING).color(theme.amber));
        small(ui, text, theme.amber);
    });
}

/// What went wrong, with its sign.
fn error_ui(ui: &mut Ui, text: &str) {
    let theme = Theme::of(ui.ctx());
    ui.horizontal_top(|ui| {
        ui.label(RichText::new(icons::ERROR).color(theme.red));
        small(ui, text, theme.red);
    });
}

/// Brings what is said, and where it stands, into view once, when it is new; `None` where nothing is said.
fn comes_into_view(ui: &Ui, id: egui::Id, said: Option<(&str, egui::Rect)>) {
    let seen: Option<String> = ui.data(|data| data.get_temp(id));
    match said {
        None if seen.is_some() => ui.data_mut(|data| data.remove::<String>(id)),
        Some((text, rect)) if seen.as_deref() != Some(text) => {
            ui.data_mut(|data| data.insert_temp(id, text.to_owned()));
            ui.scroll_to_rect(rect, None);
            ui.ctx().request_repaint();
        }
        _ => {}
    }
}

/// A model that was found and cannot be used.
fn unusable_ui(ui: &mut Ui, scope: &mut Scope<'_>, line: &UnusableLine) {
    entry(ui, |ui| {
        ui.horizontal(|ui| {
            ui.label(RichText::new(&line.name).font(theme::strong(theme::BODY)));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if let Some(folder) = &line.removable {
                    let name = format!("Remove {}", line.name);
                    let pressed = widgets::icon_button(ui, icons::DELETE, &name, None, false);
                    if pressed.on_hover_text("Removes it from this machine; asks first").clicked() {
                        scope.state.overlay = Some(Overlay::RemoveUnusable(folder.clone()));
                    }
                }
            });
        });
        warning_ui(ui, &line.why);
    });
}

/// Says that models are there already.
#[must_use]
pub fn already_there(ids: &[String]) -> String {
    match ids {
        [only] => format!("{only} is on this machine already"),
        ids => format!("{} models are on this machine already ({})", ids.len(), ids.join(", ")),
    }
}

/// What the last import has left: models that are there already, to decide on, and why others were
/// refused, to read.
fn left_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let desk = scope.context.desk;
    let report = &desk.import;
    if !report.there.is_empty() {
        warning_ui(ui, &format!("{}.", already_there(&report.there)));
        ui.horizontal(|ui| {
            let (replace, beside) = if report.there.len() == 1 {
                ("Removes the one that is there", "The new one gets a number behind its name")
            } else {
                ("Removes those that are there", "The new ones get a number behind their names")
            };
            if widgets::button(ui, "Replace").on_hover_text(replace).clicked() {
                scope.outbox.send(Request::ImportAgain { beside: false });
            }
            if widgets::button(ui, "Keep both").on_hover_text(beside).clicked() {
                scope.outbox.send(Request::ImportAgain { beside: true });
            }
        });
    }
    let id = ui.layer_id().id.with("refused");
    if report.refused.is_empty() {
        comes_into_view(ui, id, None);
        return;
    }
    let from = report.path.file_name().unwrap_or(report.path.as_os_str()).to_string_lossy();
    let shown = ui.scope(|ui| {
        widgets::note(ui, format!("Not imported from {from}:"));
        for why in &report.refused {
            error_ui(ui, why);
        }
        if report.came == 0 {
            widgets::note(ui, EXPECTED);
        }
    });
    let said = format!("{from}: {}", report.refused.join(" "));
    comes_into_view(ui, id, Some((&said, shown.response.rect)));
}

/// What can be imported.
const EXPECTED: &str = "What can be imported: a training folder of nnU-Net v2 (with plans.json, dataset.json and \
                        fold_0/checkpoint_final.pth in it, named like nnUNetTrainer__nnUNetPlans__3d_fullres), the \
                        data set's folder above it (Dataset…), the folder of a model trained here, or a ZIP of \
                        one of these.";

/// A running job in a line.
pub(super) fn job_ui(ui: &mut Ui, scope: &mut Scope<'_>, job: &JobLine) {
    let theme = Theme::of(ui.ctx());
    ui.horizontal(|ui| {
        let left = job
            .time_left
            .map_or(String::new(), |left| format!(" · {} left", widgets::duration_text(left.as_secs_f64())));
        let text = format!("{:.0} %{left} · {}", job.fraction * 100.0, job.step);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if job.can_cancel && ui.button("Stop").on_hover_text("What has come is kept").clicked() {
                scope.outbox.send(Request::Cancel(job.id));
            }
            ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                ui.add(egui::Label::new(RichText::new(text).small().color(theme.weak)).truncate());
            });
        });
    });
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 3.0), egui::Sense::hover());
    ui.painter().rect_filled(rect, 1.5, theme.pressed);
    #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
    let done = (job.fraction as f32).clamp(0.0, 1.0);
    let bar = egui::Rect::from_min_size(rect.min, vec2(rect.width() * done, rect.height()));
    ui.painter().rect_filled(bar, 1.5, theme.accent);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organs_are_for_reading() {
        let many: Vec<String> = (0..20).map(|n| format!("o{n}")).collect();
        assert_eq!(organs_text(&many), "20 structures: o0, o1, o2, o3, o4, o5, o6, o7 …");
    }
}
