//! What a training has learnt, as two plots: the loss, and the Dice on validation patients.

use super::super::super::theme::{self, Theme};
use crate::ui::state::TrainingLine;
use egui::{Color32, FontId, Rangef, RichText, Ui, vec2};
use egui_plot::{AxisHints, GridInput, GridMark, Line, MarkerShape, Plot, PlotPoints, Points};

/// Height of a plot, points.
const HEIGHT: f32 = 150.0;
/// Room for the numbers at its left, points.
const NUMBERS: f32 = 40.0;

/// What the loss is, for a tooltip.
const LOSS: &str = "How far what the network draws is from the contours of the patients it learns from. It \
    falls while the network learns.";
/// What the Dice is, for a tooltip.
const DICE: &str = "How well contours of patients that it does not learn from agree with theirs, mean of the \
    organs: 1 is the same, 0 has nothing in common. Where it no longer rises, more steps do not help.";

/// The colours of loss and Dice: blue and orange of Okabe and Ito, told apart by everyone, in a shade
/// that stands on the surface of the theme.
fn inks(theme: Theme) -> [Color32; 2] {
    if theme.dark {
        [Color32::from_rgb(86, 180, 233), Color32::from_rgb(230, 159, 0)]
    } else {
        [Color32::from_rgb(0, 114, 178), Color32::from_rgb(176, 82, 0)]
    }
}

/// Loss and Dice side by side.
pub(super) fn plots_ui(ui: &mut Ui, line: &TrainingLine) {
    let [loss_ink, dice_ink] = inks(*Theme::of(ui.ctx()));
    let last = |values: &[[f64; 2]]| values.last().map(|[_, value]| format!("{value:.3}"));
    ui.columns(2, |columns| {
        caption_ui(&mut columns[0], ("Loss", LOSS), loss_ink, last(&line.loss));
        plot_ui(&mut columns[0], "Loss", loss_ink, &line.loss, None, line.steps);
        caption_ui(&mut columns[1], ("Dice on validation patients", DICE), dice_ink, last(&line.dice));
        plot_ui(&mut columns[1], "Dice", dice_ink, &line.dice, Some([0.0, 1.0]), line.steps);
    });
}

/// What a plot shows, in its colour, and the last value.
fn caption_ui(ui: &mut Ui, (title, meaning): (&str, &str), ink: Color32, last: Option<String>) {
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(14.0, 12.0), egui::Sense::hover());
        ui.painter().hline(rect.x_range(), rect.center().y, egui::Stroke::new(2.0, ink));
        let weak = Theme::of(ui.ctx()).weak;
        ui.label(RichText::new(title).font(theme::strong(theme::SMALL)).color(weak)).on_hover_text(meaning);
        if let Some(last) = last {
            ui.label(RichText::new(last).font(theme::strong(theme::SMALL)));
        }
    });
}

fn plot_ui(ui: &mut Ui, name: &str, ink: Color32, values: &[[f64; 2]], range: Option<[f64; 2]>, steps: u64) {
    let theme = Theme::of(ui.ctx());
    let small = FontId::proportional(theme::SMALL);
    let axis = |hints: AxisHints<'static>| {
        let hints = hints.tick_label_font(small.clone()).tick_label_color(theme.weak);
        hints.formatter(|mark, _| number_text(mark))
    };
    let steps_axis = axis(AxisHints::new_x())
        .label(RichText::new("Steps").small().color(theme.weak))
        .label_spacing(Rangef::new(24.0, 32.0));
    let values_axis = axis(AxisHints::new_y()).min_thickness(NUMBERS).label_spacing(Rangef::new(12.0, 16.0));
    let mut plot = Plot::new(name)
        .height(HEIGHT)
        .custom_x_axes(vec![steps_axis])
        .custom_y_axes(vec![values_axis])
        .x_grid_spacer(|grid| marks(&grid, 4.0))
        .y_grid_spacer(|grid| marks(&grid, 5.0))
        .grid_color(theme.tick)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .include_x(0.0)
        .include_x(steps.max(1) as f64)
        .include_y(0.0);
    if let Some([low, high]) = range {
        plot = plot.include_y(low).include_y(high);
    }
    if values.is_empty() {
        // Axes as those beside it has, so that both frames are alike from the beginning.
        plot = plot.include_y(1.0);
    }
    let points = values.to_vec();
    let shown = plot.show(ui, |plot| {
        // Few values are seen as points, many as a line.
        if points.len() < 60 {
            let dots = Points::new(name, PlotPoints::from(points.clone()));
            plot.points(dots.color(ink).radius(2.5).shape(MarkerShape::Circle));
        }
        plot.line(Line::new(name, PlotPoints::from(points)).color(ink).width(2.0));
    });
    if values.is_empty() {
        let at = shown.response.rect.center();
        ui.painter().text(at, egui::Align2::CENTER_CENTER, "No value yet", small, theme.weak);
    }
}

/// The distance between marks: 1, 2 or 5 times a power of ten, so that there are at most `most` of them.
fn step_of(range: f64, most: f64) -> f64 {
    let least = (range / most).max(f64::MIN_POSITIVE);
    let power = 10.0_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|part| part * power).find(|step| *step >= least).unwrap_or(10.0 * power)
}

fn marks(grid: &GridInput, most: f64) -> Vec<GridMark> {
    let (low, high) = grid.bounds;
    let range = high - low;
    if !range.is_finite() || range <= 0.0 {
        return Vec::new();
    }
    let step_size = step_of(range, most);
    let first = (low / step_size).ceil();
    (0..=16_u8)
        .map(|place| GridMark { value: (first + f64::from(place)) * step_size, step_size })
        .take_while(|mark| mark.value <= high)
        .collect()
}

/// A mark's number, with the digits that tell it from its neighbours. What lies below nothing is none.
fn number_text(mark: GridMark) -> String {
    if mark.value < 0.0 {
        return String::new();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few digits")]
    let digits = (-mark.step_size.log10()).ceil().clamp(0.0, 6.0) as usize;
    // Nothing has no sign.
    format!("{:.digits$}", mark.value.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_a_few_round_numbers() {
        let texts = |low: f64, high: f64, most: f64| -> Vec<String> {
            let grid = GridInput { bounds: (low, high), base_step_size: 0.1 };
            marks(&grid, most).into_iter().map(number_text).filter(|text| !text.is_empty()).collect()
        };
        assert_eq!(texts(-0.05, 0.88, 5.0), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(texts(-0.05, 1.05, 5.0), ["0.0", "0.5", "1.0"]);
        assert_eq!(texts(-0.6, 12.6, 4.0), ["0", "5", "10"]);
        assert_eq!(texts(-100.0, 2100.0, 4.0), ["0", "1000", "2000"]);
        assert_eq!(texts(0.0, 0.0, 4.0), Vec::<String>::new());
    }
}
