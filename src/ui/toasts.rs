//! Short notes about results, and errors that stay until they are read.

use super::actions::Action;
use super::theme::{self, Theme};
use super::{icons, widgets};
use egui::{Align2, RichText, Ui, Vec2};

/// How long a result stays, seconds.
const SECONDS: f64 = 6.0;
/// How long a plain word stays, seconds.
const PLAIN_SECONDS: f64 = 3.0;

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something was done.
    Done,
    /// Something has come about as was asked for, and needs no more than a word.
    Plain,
    /// Something to know.
    Attention,
    /// Something could not be done; stays until closed.
    Error,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Toast {
    /// What it is about.
    pub tone: Tone,
    /// What happened, in one sentence or two.
    pub text: String,
    /// More for those who want it.
    pub details: Option<String>,
    /// What to do next.
    pub action: Option<(String, Action)>,
    /// When it goes, in egui's time; `None` until first shown, and for errors.
    leaves_at: Option<f64>,
    shows_details: bool,
}

/// The messages now shown.
#[derive(Debug, Default)]
pub struct Toasts {
    list: Vec<Toast>,
}

impl Toasts {
    /// Says that something was done.
    pub fn done(&mut self, text: impl Into<String>) {
        self.push(Tone::Done, text.into(), None, None);
    }

    /// Says that something was done and what may come next.
    pub fn done_with(&mut self, text: impl Into<String>, label: &str, action: Action) {
        self.push(Tone::Done, text.into(), None, Some((label.to_owned(), action)));
    }

    /// Says in a word that something has come about as was asked for: no success, no warning.
    pub fn plain(&mut self, text: impl Into<String>) {
        self.push(Tone::Plain, text.into(), None, None);
    }

    /// The same, with where to look.
    pub fn plain_with(&mut self, text: impl Into<String>, label: &str, action: Action) {
        self.push(Tone::Plain, text.into(), None, Some((label.to_owned(), action)));
    }

    /// Says something to know.
    pub fn attention(&mut self, text: impl Into<String>) {
        self.push(Tone::Attention, text.into(), None, None);
    }

    /// Says something to know in short, the whole when asked for.
    pub fn attention_in_short(&mut self, text: impl Into<String>, whole: impl Into<String>) {
        self.push(Tone::Attention, text.into(), Some(whole.into()), None);
    }

    /// Says something to know and where to look.
    pub fn attention_with(&mut self, text: impl Into<String>, label: &str, action: Action) {
        self.push(Tone::Attention, text.into(), None, Some((label.to_owned(), action)));
    }

    /// Says that something could not be done. Stays until closed.
    pub fn error(&mut self, text: impl Into<String>, details: Option<String>) {
        self.push(Tone::Error, text.into(), details, None);
    }

    fn push(&mut self, tone: Tone, text: String, details: Option<String>, action: Option<(String, Action)>) {
        self.list.retain(|toast| toast.text != text);
        self.list.push(Toast { tone, text, details, action, leaves_at: None, shows_details: false });
        if self.list.len() > 5
            && let Some(oldest) = self.list.iter().position(|toast| toast.tone != Tone::Error)
        {
            self.list.remove(oldest);
        }
    }

    /// The messages, oldest first.
    #[must_use]
    pub fn list(&self) -> &[Toast] {
        &self.list
    }

    /// Closes the newest error, or failing that the newest message. Whether there was one.
    pub fn close_newest(&mut self) -> bool {
        self.list.pop().is_some()
    }
}

/// Shows the messages at the lower right of `area`; gives the action whose button was pressed.
pub fn toasts_ui(ui: &mut Ui, toasts: &mut Toasts, area: egui::Rect) -> Option<Action> {
    let now = ui.input(|input| input.time);
    for toast in &mut toasts.list {
        if toast.tone != Tone::Error && toast.leaves_at.is_none() {
            // What offers something to do is given the time to take it.
            let is_short = toast.tone == Tone::Plain && toast.action.is_none();
            toast.leaves_at = Some(now + if is_short { PLAIN_SECONDS } else { SECONDS });
        }
    }
    // What someone reads stays.
    toasts.list.retain(|toast| toast.shows_details || toast.leaves_at.is_none_or(|at| at > now));
    if toasts.list.is_empty() {
        return None;
    }
    if let Some(next) =
        toasts.list.iter().filter_map(|toast| toast.leaves_at).filter(|at| *at > now).reduce(f64::min)
    {
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a toast")]
        ui.ctx().request_repaint_after_secs(((next - now) as f32).max(0.05));
    }
    let mut pressed = None;
    let mut closed = None;
    // Above the cards that lie over the window, or an error could be neither read nor closed there.
    egui::Area::new(egui::Id::unique("toasts"))
        .order(egui::Order::Tooltip)
        .pivot(Align2::RIGHT_BOTTOM)
        .fixed_pos(area.right_bottom() - Vec2::splat(16.0))
        .show(ui.ctx(), |ui| {
            ui.set_max_width(380.0);
            for (index, toast) in toasts.list.iter_mut().enumerate() {
                toast_ui(ui, toast, &mut pressed, || closed = Some(index));
                ui.add_space(4.0);
            }
        });
    if let Some(index) = closed {
        toasts.list.remove(index);
    }
    if pressed.is_some() {
        toasts.list.retain(|toast| toast.action.as_ref().map(|(_, action)| *action) != pressed);
    }
    pressed
}

fn toast_ui(ui: &mut Ui, toast: &mut Toast, pressed: &mut Option<Action>, close: impl FnOnce()) {
    let theme = Theme::of(ui.ctx());
    let (icon, ink) = match toast.tone {
        Tone::Done => (Some(icons::ACCEPT), theme.accent),
        Tone::Plain => (None, theme.weak),
        Tone::Attention => (Some(icons::WARNING), theme.amber),
        Tone::Error => (Some(icons::ERROR), theme.red),
    };
    theme.card_frame().inner_margin(egui::Margin::symmetric(12, 8)).corner_radius(theme::RADIUS).show(
        ui,
        |ui| {
            ui.set_width(356.0);
            ui.horizontal_top(|ui| {
                if let Some(icon) = icon {
                    ui.label(RichText::new(icon).size(16.0).color(ink));
                }
                ui.vertical(|ui| {
                    ui.set_width(if icon.is_some() { 292.0 } else { 316.0 });
                    ui.add(egui::Label::new(toast.text.as_str()).wrap());
                    if let Some((label, action)) = &toast.action
                        && ui.link(label).clicked()
                    {
                        *pressed = Some(*action);
                    }
                    if let Some(details) = &toast.details {
                        let label = if toast.shows_details { "Hide details" } else { "Details" };
                        if ui.link(label).clicked() {
                            toast.shows_details = !toast.shows_details;
                        }
                        if toast.shows_details {
                            let text = RichText::new(details.as_str()).small().color(theme.weak);
                            ui.add(egui::Label::new(text).wrap().selectable(true));
                        }
                    }
                });
                let name = if toast.tone == Tone::Error { "Close error" } else { "Close message" };
                if widgets::icon_button(ui, icons::CLOSE, name, None, false).clicked() {
                    close();
                }
            });
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_word_is_neither_success_nor_warning() {
        let mut toasts = Toasts::default();
        toasts.plain("Contouring: stopped.");
        assert_eq!((toasts.list()[0].tone, &toasts.list()[0].action), (Tone::Plain, &None));
    }

    #[test]
    fn errors_outlive_results_and_nothing_is_said_twice() {
        let mut toasts = Toasts::default();
        toasts.error("Could not read x.dcm.", None);
        for index in 0..8 {
            toasts.done(format!("Done {index}"));
        }
        toasts.done("Done 7");
        assert_eq!(toasts.list().len(), 5);
        assert_eq!(toasts.list()[0].tone, Tone::Error);
        assert_eq!(toasts.list().iter().filter(|toast| toast.text == "Done 7").count(), 1);
    }
}
