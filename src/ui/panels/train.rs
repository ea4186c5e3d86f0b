//! Training a model further, or a new one, and watching it learn.

mod plots;

use super::super::theme::{self, Theme};
use super::super::{Request, Scope, icons, widgets};
use crate::session::descriptions::says_kind;
use crate::ui::state::{JobLine, PathField, TrainingAhead, TrainingForm, TrainingLine, TrainingPath};
use egui::{RichText, Ui};

/// Warnings that are shown at once; the others are behind a fold.
const WARNINGS: usize = 3;

/// The card of training.
pub fn train_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let room = ui.ctx().content_rect().size();
    ui.set_width((room.x - 160.0).clamp(320.0, 640.0));
    ui.horizontal(|ui| {
        ui.label(RichText::new("Train a model").font(theme::strong(18.0)));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if widgets::icon_button(ui, icons::CLOSE, "Close training", None, false)
                .on_hover_text("A training that runs goes on   Esc")
                .clicked()
            {
                scope.state.overlay = None;
            }
        });
    });
    ui.add_space(4.0);
    let training = scope.context.desk.training.clone();
    let is_running = training.as_ref().is_some_and(|line| line.job.is_some());
    let height = (room.y - 160.0).max(160.0);
    let scroll = egui::ScrollArea::vertical().id_salt("train").max_height(height).min_scrolled_height(height);
    scroll.auto_shrink([false, true]).show(ui, |ui| {
        // The bar lies over the content's edge.
        ui.set_max_width(ui.available_width() - 12.0);
        if !is_running {
            form_ui(ui, scope);
        }
        if let Some(line) = &training {
            progress_ui(ui, scope, line);
        }
    });
}

fn form_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    widgets::note(
        ui,
        "Patients with approved contours teach a model your own way of contouring. The result is a new \
         model; the one it begins with stays as it is.",
    );
    widgets::caption(ui, "Begin with");
    let models = scope.context.desk.models.iter().filter(|model| model.trainable);
    let models: Vec<(String, String)> = models.map(|m| (m.id.clone(), m.title.clone())).collect();
    let form = &mut scope.state.training;
    let chosen = match &form.init {
        Some(id) => models.iter().find(|(own, _)| own == id).map_or(id.as_str(), |(_, title)| title.as_str()),
        None => "Nothing: random weights, by a recipe",
    };
    let combo = widgets::combo("training init").width(380.0).selected_text(chosen.to_owned());
    let response = combo.show_ui(ui, |ui| {
        for (id, title) in &models {
            if ui.selectable_label(form.init.as_ref() == Some(id), title).clicked() {
                form.begin_with(Some(id.clone()));
            }
        }
        if ui.selectable_label(form.init.is_none(), "Nothing: random weights, by a recipe").clicked() {
            form.begin_with(None);
        }
    });
    response.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Begin with"));
    let ahead = scope.context.desk.training_ahead;
    let hint = "A folder with a subfolder for each patient: images with an RTSTRUCT or a label map";
    path_ui(ui, scope, TrainingPath::Data, "Patients", hint);
    series_ui(ui, scope);
    path_ui(
        ui,
        scope,
        TrainingPath::Out,
        "Result",
        "A folder for the new model and for what a stopped training goes on with",
    );
    let optional = "Recipe (optional; without one the training is a short one)";
    let needed = "Recipe (needed to begin with nothing)";
    let title = if scope.state.training.init.is_some() { optional } else { needed };
    path_ui(ui, scope, TrainingPath::Recipe, title, "/path/to/recipe.toml");
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        // As high as the field, so that the words beside it stand on its line.
        ui.set_min_height(30.0);
        widgets::note(ui, "Steps");
        // What is used where nothing is typed.
        let hint = ahead.steps.map_or_else(|| "by the recipe".to_owned(), |steps| steps.to_string());
        let field = widgets::text_edit(&mut scope.state.training.steps, &hint);
        let response = widgets::named_field(ui, field.desired_width(100.0), "Steps");
        response.on_hover_text(
            "In a step the network learns from a few pieces of the images. Empty: the number in grey, which is \
             the recipe's, or that of a short training where there is no recipe.",
        );
        widgets::note(ui, format!("on {}", scope.context.desk.model_device));
    });
    widgets::note(
        ui,
        if scope.context.desk.runs_on_processor() {
            "On the processor a step takes long: enough to train a model further for some hundred steps, not \
             to train one from nothing."
        } else {
            "The window may stutter meanwhile where the graphics card that draws it trains."
        },
    );
    ui.add_space(12.0);
    let missing = missing(&scope.state.training);
    let (label, why) = begin_texts(&scope.state.training, ahead);
    let button = widgets::primary_button(ui, &label, missing.is_none());
    if button.on_hover_text(why).on_disabled_hover_text(missing.unwrap_or_default()).clicked() {
        scope.outbox.send(Request::Train);
    }
    if let Some(missing) = missing {
        widgets::note(ui, missing);
    } else if let Some(saved) = saved_text(&scope.state.training, ahead) {
        // The training that was stopped just now says so below.
        if scope.context.desk.training.as_ref().is_none_or(|line| line.ended.is_none()) {
            widgets::note(ui, saved);
        }
    }
}

/// How far the training in the folder of the result has come; `None` where there is none to go on with.
fn saved_text(form: &TrainingForm, ahead: TrainingAhead) -> Option<String> {
    let all = form.steps.trim().parse().ok().or(ahead.steps);
    let from = ahead.from.filter(|from| all.is_none_or(|all| *from < all))?;
    let of = all.map(|all| format!(" of {all}")).unwrap_or_default();
    Some(format!("Stopped at step {from}{of}, saved in the folder of the result. Resume goes on from there."))
}

/// What the button that begins says, and why: a training that was stopped in the folder goes on.
fn begin_texts(form: &TrainingForm, ahead: TrainingAhead) -> (String, &'static str) {
    let all = form.steps.trim().parse().ok().or(ahead.steps);
    match ahead.from {
        Some(from) if all.is_none_or(|all| from < all) => (
            format!("Resume from step {from}"),
            "Goes on with what was learnt, with the same patients and recipe. Another folder for the result \
             begins anew.",
        ),
        Some(_) => (
            "Start".to_owned(),
            "The folder of the result holds a training that has done all these steps: it is measured once more. \
             More steps go on with it, another folder begins anew.",
        ),
        None => ("Start".to_owned(), "It can be stopped at any step, and goes on from there when resumed."),
    }
}

/// What is told of each channel's series, where the model takes several or one that descriptions can contradict.
fn series_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let form = &mut scope.state.training;
    let chosen = scope.context.desk.models.iter().find(|model| Some(&model.id) == form.init.as_ref());
    let is_asked = |channels: &&Vec<String>| match channels.as_slice() {
        [only] => says_kind(only),
        channels => !channels.is_empty(),
    };
    let Some(channels) = chosen.map(|model| &model.channels).filter(is_asked) else { return };
    widgets::caption(ui, "Series of the channels (optional)");
    widgets::note(
        ui,
        "For patients of DICOM whose series neither modality nor description tells apart: a word of the \
         description, several with commas.",
    );
    for (number, name) in channels.iter().enumerate() {
        ui.horizontal(|ui| {
            let color = Theme::of(ui.ctx()).weak;
            let label =
                egui::Label::new(RichText::new(name).color(color)).truncate().halign(egui::Align::LEFT);
            ui.add_sized([72.0, 30.0], label);
            let text = form.series.entry(number).or_default();
            let field = widgets::text_edit(text, "by its modality or description");
            widgets::named_field(ui, field, &format!("Description of {name}"));
        });
    }
}

/// What is to be filled in before a training can start.
fn missing(form: &TrainingForm) -> Option<&'static str> {
    let is_empty = |field: &PathField| field.text.trim().is_empty();
    let steps = form.steps.trim();
    match (is_empty(&form.data), is_empty(&form.out)) {
        _ if form.init.is_none() && is_empty(&form.recipe) => {
            Some("Name a recipe, or a model to begin with.")
        }
        (true, true) => Some("Name the folder of the patients and that of the result."),
        (true, false) => Some("Name the folder of the patients."),
        (false, true) => Some("Name the folder of the result."),
        _ if !steps.is_empty() && !steps.parse::<u64>().is_ok_and(|steps| steps > 0) => {
            Some("Steps are a whole number above 0.")
        }
        _ => None,
    }
}

fn path_ui(ui: &mut Ui, scope: &mut Scope<'_>, which: TrainingPath, title: &str, hint: &str) {
    widgets::caption(ui, title);
    let mut pick = false;
    ui.horizontal(|ui| {
        let field: &mut PathField = scope.state.training.field(which);
        let width = ui.available_width() - widgets::buttons_width(ui, &["Choose…"]);
        let text = widgets::text_edit(&mut field.text, hint).desired_width(width);
        let response = widgets::named_field(ui, text, title);
        if std::mem::take(&mut field.wants_focus) {
            response.request_focus();
        }
        pick = widgets::button(ui, "Choose…").clicked();
    });
    if let Some(hint) = scope.state.training.field(which).hint.clone() {
        widgets::note(ui, hint);
    }
    if pick {
        scope.outbox.send(Request::PickTraining(which));
    }
}

fn progress_ui(ui: &mut Ui, scope: &mut Scope<'_>, line: &TrainingLine) {
    let theme = Theme::of(ui.ctx());
    ui.add_space(8.0);
    ui.label(RichText::new(&line.title).font(theme::strong(theme::BODY)));
    if !line.about.is_empty() {
        widgets::note(ui, &line.about);
    }
    if let Some(job) = &line.job {
        job_ui(ui, scope, job);
    }
    if let Some(problem) = &line.problem {
        ui.horizontal_top(|ui| {
            ui.label(RichText::new(icons::ERROR).color(theme.red));
            ui.add(egui::Label::new(RichText::new(problem).color(theme.red)).wrap());
        });
    } else if let Some(ended) = line.ended.as_ref().filter(|_| line.job.is_none()) {
        ui.add(egui::Label::new(ended).wrap());
    }
    if let Some(package) = line.package.as_ref().filter(|_| line.job.is_none()) {
        ui.add_space(4.0);
        let hint = format!("Copies it from {} to the models of the Propose place", package.display());
        if widgets::button(ui, "Add it to the models").on_hover_text(hint).clicked() {
            scope.outbox.send(Request::ImportModel(package.clone()));
        }
    }
    // One that ended before its first step has nothing to show.
    if line.job.is_some() || !line.loss.is_empty() || !line.dice.is_empty() {
        plots::plots_ui(ui, line);
    }
    if !line.organs.is_empty() {
        widgets::caption(ui, "Dice per organ, worst first");
        let text: Vec<String> = line.organs.iter().map(|(name, dice)| format!("{name} {dice:.2}")).collect();
        egui::ScrollArea::vertical().max_height(48.0).show(ui, |ui| {
            ui.add(egui::Label::new(RichText::new(text.join(" · ")).small()).wrap());
        });
    }
    warnings_ui(ui, &line.warnings);
    ui.add_space(8.0);
}

/// How far it is, the time left, and the way to stop it.
fn job_ui(ui: &mut Ui, scope: &mut Scope<'_>, job: &JobLine) {
    let theme = Theme::of(ui.ctx());
    #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
    let fraction = job.fraction as f32;
    ui.add(egui::ProgressBar::new(fraction).desired_height(6.0).fill(theme.accent));
    ui.horizontal(|ui| {
        // As high as the button, so that nothing moves when it goes.
        ui.set_min_height(28.0);
        widgets::note(ui, if job.step.is_empty() { "Starting" } else { &job.step });
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if !job.can_cancel {
                widgets::note(ui, "Stopping after this step…");
                return;
            }
            let stop = widgets::button(ui, "Stop");
            if stop.on_hover_text("Keeps what it has learnt: it can be resumed").clicked() {
                scope.outbox.send(Request::Cancel(job.id));
            }
            if let Some(left) = job.time_left {
                widgets::note(ui, widgets::left_text(left));
            }
        });
    });
}

/// What the person should know; of many the first, the others when asked for.
fn warnings_ui(ui: &mut Ui, warnings: &[String]) {
    let id = ui.scope_id().with("all warnings");
    let mut all = ui.data(|data| data.get_temp(id)).unwrap_or(false);
    let theme = Theme::of(ui.ctx());
    let shown = if all { warnings.len() } else { warnings.len().min(WARNINGS) };
    if shown > 0 {
        ui.add_space(8.0);
    }
    for warning in &warnings[..shown] {
        ui.horizontal_top(|ui| {
            ui.label(RichText::new(icons::WARNING).color(theme.amber));
            ui.add(egui::Label::new(RichText::new(warning).small()).wrap());
        });
    }
    if warnings.len() > WARNINGS {
        let more = if all {
            "Fewer warnings".to_owned()
        } else {
            format!("{} more warnings", warnings.len() - WARNINGS)
        };
        widgets::fold(ui, &more, &more, &mut all);
        ui.data_mut(|data| data.insert_temp(id, all));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let mut form = TrainingForm { init: Some("head-neck".into()), ..TrainingForm::default() };
        assert_eq!(missing(&form), Some("Name the folder of the patients and that of the result."));
        form.out.text = "/data/training/head-neck".into();
        assert_eq!(missing(&form), Some("Name the folder of the patients."));
        form.data.text = "/data/patients".into();
        assert_eq!(missing(&form), None);
        form.steps = "0".into();
        assert_eq!(missing(&form), Some("Steps are a whole number above 0."));
        form.steps = " 300 ".into();
        assert_eq!(missing(&form), None);
        form.init = None;
        assert_eq!(missing(&form), Some("Name a recipe, or a model to begin with."));
    }

    #[test]
    fn the_button_says_whether_a_training_goes_on() {
        let mut form = TrainingForm::default();
        let said = |form: &TrainingForm, from, steps| begin_texts(form, TrainingAhead { from, steps }).0;
        assert_eq!(said(&form, None, Some(500)), "Start");
        assert_eq!(said(&form, Some(12), Some(500)), "Resume from step 12");
        let saved = saved_text(&form, TrainingAhead { from: Some(12), steps: Some(500) }).unwrap();
        assert!(saved.starts_with("Stopped at step 12 of 500, saved"), "{saved}");
        assert_eq!(said(&form, Some(12), None), "Resume from step 12");
        assert_eq!(said(&form, Some(500), Some(500)), "Start", "there is nothing left to go on with");
        form.steps = "600".into();
        assert_eq!(said(&form, Some(500), Some(500)), "Resume from step 500");
        form.steps = "12".into();
        assert_eq!(said(&form, Some(12), Some(500)), "Start");
    }
}
