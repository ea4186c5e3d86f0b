//! Training a model further, or a new one, and watching it learn.

use super::super::theme::{self, Theme};
use super::super::{Request, Scope, widgets};
use crate::ui::state::{PathField, TrainingLine, TrainingPath};
use egui::{Color32, RichText, Ui, vec2};
use egui_plot::{Line, MarkerShape, Plot, PlotPoints, Points};

/// Height of a plot, points.
const PLOT_HEIGHT: f32 = 150.0;

/// The colours of loss and Dice: blue and orange of Okabe and Ito, told apart by everyone, in a shade
/// that stands on the surface of the theme.
fn inks(theme: Theme) -> [Color32; 2] {
    if theme.dark {
        [Color32::from_rgb(86, 180, 233), Color32::from_rgb(230, 159, 0)]
    } else {
        [Color32::from_rgb(0, 114, 178), Color32::from_rgb(176, 82, 0)]
    }
}

/// The card of training.
pub fn train_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let room = ui.ctx().content_rect().size();
    ui.set_width((room.x - 160.0).clamp(320.0, 640.0));
    widgets::heading(ui, "Train a model");
    let training = scope.context.desk.training.clone();
    let is_running = training.as_ref().is_some_and(|line| line.job.is_some());
    let height = (room.y - 200.0).max(160.0);
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
    ui.add_space(8.0);
    if widgets::button(ui, "Close").on_hover_text("A training that runs goes on   Esc").clicked() {
        scope.state.overlay = None;
    }
}

fn form_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    widgets::note(
        ui,
        "Patients with approved contours teach a model your own way of contouring. What it learns is a \
         package of its own; the model it begins with stays as it is.",
    );
    widgets::caption(ui, "Begin with");
    let models = scope.context.desk.models.iter().filter(|model| model.trainable);
    let models: Vec<(String, String)> = models.map(|m| (m.id.clone(), m.title.clone())).collect();
    let form = &mut scope.state.training;
    let chosen = match &form.init {
        Some(id) => models.iter().find(|(own, _)| own == id).map_or(id.as_str(), |(_, title)| title.as_str()),
        None => "Nothing: random weights, by a recipe",
    };
    let combo = egui::ComboBox::from_id_salt("training init").width(380.0).selected_text(chosen.to_owned());
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
    let hint = "A folder with a subfolder for each patient: images with an RTSTRUCT or a label map";
    path_ui(ui, scope, TrainingPath::Data, "Patients", hint);
    series_ui(ui, scope);
    path_ui(ui, scope, TrainingPath::Out, "Result", "A folder for checkpoint, log and package");
    let optional = "Recipe (optional: a short schedule is taken without one)";
    let needed = "Recipe (needed to begin with nothing)";
    let title = if scope.state.training.init.is_some() { optional } else { needed };
    path_ui(ui, scope, TrainingPath::Recipe, title, "/path/to/recipe.toml");
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        // As high as the field, so that the words beside it stand on its line.
        ui.set_min_height(30.0);
        widgets::note(ui, "Steps");
        let field = egui::TextEdit::singleline(&mut scope.state.training.steps)
            .hint_text("the recipe's")
            .margin(egui::Margin::symmetric(8, 6))
            .desired_width(100.0);
        ui.add(field).widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Steps"));
        widgets::note(ui, format!("on {}", scope.context.desk.model_device));
    });
    widgets::note(ui, "The window may stutter meanwhile where the graphics card that draws it trains.");
    let steps = scope.state.training.steps.trim().to_owned();
    let steps_fit = steps.is_empty() || steps.parse::<u64>().is_ok_and(|steps| steps > 0);
    if !steps_fit {
        widgets::note(ui, "Steps are a whole number above 0.");
    }
    ui.add_space(12.0);
    let form = &scope.state.training;
    let ready = steps_fit
        && [&form.data, &form.out].iter().all(|field| !field.text.trim().is_empty())
        && (form.init.is_some() || !form.recipe.text.trim().is_empty());
    let button = widgets::primary_button(ui, "Start or go on", ready);
    let why = "The same folders and recipe go on from the last checkpoint.";
    let missing = if form.init.is_none() && form.recipe.text.trim().is_empty() {
        "Name a recipe, or a model to begin with."
    } else {
        "Name the folder of the patients and that of the result."
    };
    if button.on_hover_text(why).on_disabled_hover_text(missing).clicked() {
        scope.outbox.send(Request::Train);
    }
    if !ready && steps_fit {
        widgets::note(ui, missing);
    }
}

/// What is told of each channel's series, where the model takes several.
fn series_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let form = &mut scope.state.training;
    let chosen = scope.context.desk.models.iter().find(|model| Some(&model.id) == form.init.as_ref());
    let Some(channels) = chosen.map(|model| &model.channels).filter(|channels| channels.len() > 1) else {
        return;
    };
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
            let field = egui::TextEdit::singleline(form.series.entry(number).or_default())
                .hint_text("by its modality or description")
                .margin(egui::Margin::symmetric(8, 6))
                .desired_width(f32::INFINITY);
            let label = format!("Description of {name}");
            ui.add(field).widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, &label));
        });
    }
}

fn path_ui(ui: &mut Ui, scope: &mut Scope<'_>, which: TrainingPath, title: &str, hint: &str) {
    widgets::caption(ui, title);
    let mut pick = false;
    ui.horizontal(|ui| {
        let field: &mut PathField = scope.state.training.field(which);
        let text = egui::TextEdit::singleline(&mut field.text)
            .hint_text(hint)
            .margin(egui::Margin::symmetric(8, 6))
            .desired_width(ui.available_width() - widgets::buttons_width(ui, &["Choose…"]));
        let response = ui.add(text);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, title));
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
    if let Some(job) = &line.job {
        #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
        let fraction = job.fraction as f32;
        ui.add(egui::ProgressBar::new(fraction).desired_height(6.0).fill(theme.accent));
        ui.horizontal(|ui| {
            widgets::note(ui, &job.step);
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if job.can_cancel {
                    let stop = widgets::button(ui, "Stop");
                    if stop.on_hover_text("Saves a checkpoint first; it can be gone on with.").clicked() {
                        scope.outbox.send(Request::Cancel(job.id));
                    }
                } else {
                    widgets::note(ui, "Stopping…");
                }
                if let Some(left) = job.time_left {
                    let left = widgets::duration_text(left.as_secs_f64());
                    widgets::note(ui, format!("about {left} left"));
                }
            });
        });
    }
    if let Some(problem) = &line.problem {
        ui.horizontal_top(|ui| {
            ui.label(RichText::new(super::super::icons::ERROR).color(theme.red));
            ui.add(egui::Label::new(RichText::new(problem).color(theme.red)).wrap());
        });
    }
    // One that ended before its first step has nothing to show.
    if line.job.is_some() || !line.loss.is_empty() || !line.dice.is_empty() {
        plots_ui(ui, line);
    }
    if !line.organs.is_empty() {
        widgets::caption(ui, "Dice per organ, worst first");
        let text: Vec<String> = line.organs.iter().map(|(name, dice)| format!("{name} {dice:.2}")).collect();
        egui::ScrollArea::vertical().max_height(48.0).show(ui, |ui| {
            ui.add(egui::Label::new(RichText::new(text.join(" · ")).small()).wrap());
        });
    }
    for warning in &line.warnings {
        ui.horizontal_top(|ui| {
            ui.label(RichText::new(super::super::icons::WARNING).color(theme.amber));
            ui.add(egui::Label::new(RichText::new(warning).small()).wrap());
        });
    }
    ui.add_space(8.0);
}

/// Loss and Dice side by side.
fn plots_ui(ui: &mut Ui, line: &TrainingLine) {
    let [loss_ink, dice_ink] = inks(*Theme::of(ui.ctx()));
    let last = |values: &[[f64; 2]]| values.last().map(|[_, value]| format!("{value:.3}"));
    ui.columns(2, |columns| {
        caption_ui(&mut columns[0], "Loss", loss_ink, last(&line.loss));
        plot_ui(&mut columns[0], "Loss", loss_ink, &line.loss, None, line.steps);
        caption_ui(&mut columns[1], "Dice on validation patients", dice_ink, last(&line.dice));
        plot_ui(&mut columns[1], "Dice", dice_ink, &line.dice, Some([0.0, 1.0]), line.steps);
    });
}

/// What a plot shows, in its colour, and the last value.
fn caption_ui(ui: &mut Ui, title: &str, ink: Color32, last: Option<String>) {
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(14.0, 12.0), egui::Sense::hover());
        ui.painter().hline(rect.x_range(), rect.center().y, egui::Stroke::new(2.0, ink));
        let weak = Theme::of(ui.ctx()).weak;
        ui.label(RichText::new(title).font(theme::strong(theme::SMALL)).color(weak));
        if let Some(last) = last {
            ui.label(RichText::new(last).font(theme::strong(theme::SMALL)));
        }
    });
}

fn plot_ui(ui: &mut Ui, name: &str, ink: Color32, values: &[[f64; 2]], range: Option<[f64; 2]>, steps: u64) {
    let theme = Theme::of(ui.ctx());
    if values.is_empty() {
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), PLOT_HEIGHT), egui::Sense::hover());
        ui.painter().rect_stroke(rect, theme::RADIUS, theme.hairline(), egui::StrokeKind::Inside);
        let font = egui::FontId::proportional(theme::SMALL);
        ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, "No value yet", font, theme.weak);
        return;
    }
    let mut plot = Plot::new(name)
        .height(PLOT_HEIGHT)
        .grid_color(theme.line)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .show_background(false)
        .y_axis_min_width(40.0)
        .include_x(0.0)
        .include_x(steps as f64)
        .include_y(0.0);
    if let Some([low, high]) = range {
        plot = plot.include_y(low).include_y(high);
    }
    let points = values.to_vec();
    plot.show(ui, |plot| {
        // Few values are seen as points, many as a line.
        if points.len() < 60 {
            let dots = Points::new(name, PlotPoints::from(points.clone()));
            plot.points(dots.color(ink).radius(2.5).shape(MarkerShape::Circle));
        }
        plot.line(Line::new(name, PlotPoints::from(points)).color(ink).width(2.0));
    });
}
