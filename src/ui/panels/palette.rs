//! Search (Ctrl K): actions, structures and models by name.

use super::super::actions::{self, Action};
use super::super::state::Overlay;
use super::super::theme::Theme;
use super::super::{Request, Scope, icons};
use egui::{Align2, Key, RichText, Ui};

/// Something the search found.
struct Found {
    icon: &'static str,
    name: String,
    /// What it is for, where the name was perhaps not what was typed.
    why: &'static str,
    key: String,
    /// Whether what was typed stands only in the midst of a word: such comes last ("train" in
    /// "nnUNetTrainer").
    by_chance: bool,
    request: Request,
}

fn found(scope: &Scope<'_>, query: &str) -> Vec<Found> {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let fits = |text: &str| {
        let text = text.to_lowercase();
        !words.is_empty() && words.iter().all(|word| text.contains(word.as_str()))
    };
    let mut all: Vec<Found> = Vec::new();
    if let Some(session) = scope.context.session {
        for model in scope.context.desk.models.iter().filter(|model| model.fit.rank() < 3) {
            let name = format!("Contour with {}", model.title);
            let text = format!(
                "{name} {} propose auto-contour autocontour segmentation network deep learning",
                model.id
            );
            if fits(&text) {
                let by_chance = words.first().is_some_and(|word| !has_word(&text.to_lowercase(), word));
                let request = Request::Propose(model.id.clone());
                all.push(Found { icon: icons::MODEL, name, why: "", key: String::new(), by_chance, request });
            }
        }
        for roi in &session.structures().rois {
            if fits(&roi.name) {
                let request = Request::Select(Some(roi.id));
                all.push(Found {
                    icon: icons::ACCEPTED,
                    name: roi.name.clone(),
                    why: "",
                    key: String::new(),
                    by_chance: false,
                    request,
                });
            }
        }
    }
    for info in actions::search(query) {
        if info.action != Action::Search && info.action != Action::CancelGesture {
            all.push(Found {
                icon: info.icon,
                name: info.name.to_owned(),
                why: info.why,
                key: info.action.key_text(),
                by_chance: false,
                request: Request::Act(info.action),
            });
        }
    }
    // What is called exactly so comes first ("body" is also a part of "sample-body").
    let exact = query.trim().to_lowercase();
    all.sort_by_key(|found| match found.name.to_lowercase() {
        name if name == exact => 0,
        _ if found.by_chance => 2,
        _ => 1,
    });
    all
}

/// Whether a word of the text begins with this, both in small letters.
fn has_word(text: &str, beginning: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| word.starts_with(beginning))
}

/// The search card.
pub fn palette_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let Some(Overlay::Palette { mut query, mut row }) = scope.state.overlay.clone() else { return };
    let (up, down, take) = ui.input_mut(|input| {
        (
            input.consume_key(egui::Modifiers::NONE, Key::ArrowUp),
            input.consume_key(egui::Modifiers::NONE, Key::ArrowDown),
            input.key_pressed(Key::Enter),
        )
    });
    ui.set_width(520.0);
    let field = egui::TextEdit::singleline(&mut query)
        .hint_text("What do you want to do or see?")
        .desired_width(f32::INFINITY)
        .margin(egui::Margin::symmetric(8, 8));
    let response = ui.add(field);
    response.request_focus();
    if response.changed() {
        row = 0;
    }
    let list = found(scope, &query);
    let last = list.len().saturating_sub(1);
    row = if down { row + 1 } else { row.saturating_sub(usize::from(up)) }.min(last);
    ui.add_space(8.0);
    let mut chosen = None;
    egui::ScrollArea::vertical()
        .max_height(360.0)
        .min_scrolled_height(360.0)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            for (index, entry) in list.iter().enumerate() {
                let response = palette_row_ui(ui, entry, index == row);
                if index == row && (up || down) {
                    response.scroll_to_me(None);
                }
                if response.clicked() {
                    chosen = Some(index);
                }
            }
            if list.is_empty() {
                super::super::widgets::note(ui, "Nothing by that name. Try fewer letters.");
            }
        });
    if take && !list.is_empty() {
        chosen = Some(row);
    }
    scope.state.overlay = Some(Overlay::Palette { query, row });
    if let Some(entry) = chosen.and_then(|index| list.into_iter().nth(index)) {
        scope.state.overlay = None;
        scope.outbox.send(entry.request);
    }
}

fn palette_row_ui(ui: &mut Ui, entry: &Found, on: bool) -> egui::Response {
    let theme = Theme::of(ui.ctx());
    let size = egui::vec2(ui.available_width(), 28.0);
    let (rect, response) = ui.allocate_exact_size(size, egui::Sense::click());
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, on, &entry.name));
    if on || response.hovered() {
        ui.painter().rect_filled(rect, super::super::theme::RADIUS, theme.raised);
    }
    let font = egui::FontId::proportional(super::super::theme::BODY);
    let middle = rect.left_center();
    let painter = ui.painter();
    painter.text(
        middle + egui::vec2(16.0, 0.0),
        Align2::CENTER_CENTER,
        entry.icon,
        egui::FontId::proportional(16.0),
        theme.weak,
    );
    let at = middle + egui::vec2(36.0, 0.0);
    let name = painter.text(at, Align2::LEFT_CENTER, &entry.name, font.clone(), theme.text);
    let at = rect.right_center() - egui::vec2(8.0, 0.0);
    let key = painter.text(at, Align2::RIGHT_CENTER, &entry.key, font, theme.weak);
    let room = key.left() - name.right() - 28.0;
    if !entry.why.is_empty() && room > 60.0 {
        let small = egui::FontId::proportional(super::super::theme::SMALL);
        let mut job = egui::text::LayoutJob::simple_singleline(entry.why.to_owned(), small, theme.weak);
        job.wrap = egui::text::TextWrapping::truncate_at_width(room);
        let galley = painter.layout_job(job);
        let at = egui::pos2(name.right() + 14.0, rect.center().y - galley.size().y / 2.0);
        painter.galley(at, galley, theme.weak);
    }
    response
}

/// The search field in the top bar: a button that opens the card.
pub fn search_button_ui(ui: &mut Ui, scope: &mut Scope<'_>, wide: bool) {
    let theme = Theme::of(ui.ctx());
    let text = if wide {
        format!("{}  Search   {}", icons::SEARCH, Action::Search.key_text())
    } else {
        icons::SEARCH.to_owned()
    };
    let button = egui::Button::new(RichText::new(text).color(theme.weak)).min_size(egui::vec2(0.0, 24.0));
    let response = ui.add(button).on_hover_text(Action::Search.tooltip());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Search"));
    if response.clicked() {
        scope.outbox.act(Action::Search);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_by_its_beginning() {
        let text = "contour with dataset901-3d_fullres dataset901 (nnunettrainer, 1 fold) auto-contour";
        for beginning in ["contour", "data", "3d", "full", "auto"] {
            assert!(has_word(text, beginning), "{beginning}");
        }
        assert!(!has_word(text, "train") && !has_word(text, "set9"));
    }
}
