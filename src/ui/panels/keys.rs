//! The key sheet (F1): everything that can be done from the keyboard, on one page; and the same list
//! to give actions other keys.

use super::super::Scope;
use super::super::actions::{Action, ActionInfo, Group, TABLE, key_text};
use super::super::keymap::{self, KeyMap, KeyProblem};
use super::super::state::KeySheet;
use super::super::theme::{self, Theme};
use super::super::{icons, widgets};
use egui::{Align2, Color32, FontId, RichText, Sense, Ui, vec2};

/// What the mouse does, which has no row in the table.
const MOUSE: &[(&str, &str)] = &[
    ("Left button", "Use the tool"),
    ("Wheel", "Scroll slices (Shift: ten)"),
    ("Ctrl wheel", "Zoom to the pointer"),
    ("Alt wheel", "Size of the round tool"),
    ("Middle drag", "Pan"),
    ("Right click, drag", "Menu; window level and width"),
    ("Shift right drag", "Window of the blended series"),
    ("Double click", "Maximise (with the crosshair)"),
    ("… on a view's name", "Maximise (with any tool)"),
    ("A crosshair's handle", "Turn the views (Ctrl: by 5°)"),
    ("… with Alt", "The same with any tool"),
    ("Space, held", "Look without overlays"),
    ("3D: drag", "Turn"),
];

/// Actions that stand on one line of the sheet while all of them have their standard keys.
struct Family {
    group: Group,
    holds: fn(Action) -> bool,
    keys: &'static str,
    name: &'static str,
}

/// What would fill the sheet line by line. Text of keys as [`key_text`] has it, but for the Mac.
const FAMILIES: &[Family] = &[
    Family {
        group: Group::Contour,
        holds: |action| matches!(action, Action::CopyFromBelow | Action::CopyFromAbove),
        keys: "Ctrl Up, Ctrl Down",
        name: "Copy from slice below, above",
    },
    Family {
        group: Group::Tool,
        holds: |action| {
            matches!(action, Action::NudgeLeft | Action::NudgeRight | Action::NudgeUp | Action::NudgeDown)
        },
        keys: "Alt arrows",
        name: "Nudge with the move tool",
    },
    Family {
        group: Group::Tool,
        holds: |action| matches!(action, Action::TakeBackPoint | Action::ReopenOutline),
        keys: "Backspace, Shift Enter",
        name: "Take back a click, reopen an outline",
    },
    Family {
        group: Group::View,
        holds: |action| matches!(action, Action::TurnViews(_)),
        keys: "Ctrl Left, Ctrl Right",
        name: "Turn the views (Shift: by 5°)",
    },
    Family {
        group: Group::View,
        holds: |action| matches!(action, Action::TenSlicesUp | Action::TenSlicesDown),
        keys: "Page Up, Page Down",
        name: "Ten slices; Shift Up, Shift Down too",
    },
    Family {
        group: Group::View,
        holds: |action| matches!(action, Action::LargerText | Action::SmallerText),
        keys: "Ctrl +, Ctrl −",
        name: "Larger, smaller window text",
    },
    Family {
        group: Group::View,
        holds: |action| matches!(action, Action::Preset(_)),
        keys: "1 to 9",
        name: "Window presets",
    },
    Family {
        group: Group::Go,
        holds: |action| {
            use Action::{GoCheck, GoCorrect, GoExport, GoOpen, GoPropose};
            matches!(action, GoOpen | GoPropose | GoCorrect | GoCheck | GoExport)
        },
        keys: "Ctrl 1 to 5",
        name: "From Open to Export",
    },
];

/// The height of a row, points: the whole sheet fits a window of 800.
const ROW: f32 = 16.25;
/// The height of a heading.
const HEADING: f32 = 26.0;
/// The room for keys at the left of a row.
const KEYS: f32 = 152.0;

/// A line of the sheet.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    keys: String,
    name: String,
    /// What its key can be changed of.
    action: Option<Action>,
}

/// Lines under a heading.
#[derive(Debug, Clone, PartialEq)]
struct Section {
    title: &'static str,
    lines: Vec<Line>,
}

/// The sheet.
pub fn keys_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let room = ui.ctx().content_rect().size();
    ui.set_width((room.x - 160.0).min(1120.0));
    take_pressed_key(ui, &mut scope.state.keys, &mut scope.state.key_sheet);
    head_ui(ui, &mut scope.state.keys, &mut scope.state.key_sheet);
    let changing = scope.state.key_sheet.changing;
    let columns = in_columns(&sections(&scope.state.keys, changing));
    egui::ScrollArea::vertical()
        .max_height(room.y - 150.0)
        .min_scrolled_height(room.y - 150.0)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            ui.columns(columns.len(), |places| {
                for (ui, sections) in places.iter_mut().zip(&columns) {
                    ui.spacing_mut().item_spacing.y = 0.0;
                    // Rows are lines of text, not buttons.
                    ui.spacing_mut().interact_size.y = ROW;
                    for section in sections {
                        section_ui(ui, &mut scope.state.keys, &mut scope.state.key_sheet, section);
                    }
                }
            });
        });
}

/// Gives the action that waits for a key the one that was pressed.
fn take_pressed_key(ui: &Ui, keys: &mut KeyMap, sheet: &mut KeySheet) {
    let Some(action) = sheet.waiting else { return };
    let Some(pressed) = keymap::captured(ui.ctx()) else { return };
    sheet.waiting = None;
    sheet.problem = None;
    if pressed.logical_key == egui::Key::Escape {
        return;
    }
    if let Err(problem) = keys.set(action, pressed) {
        sheet.problem = Some((action, pressed, problem));
    }
}

fn head_ui(ui: &mut Ui, keys: &mut KeyMap, sheet: &mut KeySheet) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("Keys").font(theme::strong(15.0)));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let label = if sheet.changing { "Done" } else { "Change keys" };
            if widgets::button(ui, label).clicked() {
                *sheet = KeySheet { changing: !sheet.changing, ..KeySheet::default() };
            }
            if sheet.changing
                && !keys.is_standard()
                && widgets::button(ui, "All standard").on_hover_text("Takes back every changed key").clicked()
            {
                keys.reset_all();
                sheet.problem = None;
            }
            if sheet.changing && sheet.problem.is_none() {
                let text = match sheet.waiting {
                    Some(action) => format!("Press the key for: {}. Esc leaves it.", action.info().name),
                    None => "Click a key to change it.".to_owned(),
                };
                widgets::note(ui, text);
            }
        });
    });
    let Some((action, shortcut, problem)) = sheet.problem else { return };
    ui.horizontal(|ui| {
        let key = key_text(&shortcut);
        match problem {
            KeyProblem::Reserved => {
                ui.label(format!("{key} is needed by the window itself. Choose another key."));
            }
            KeyProblem::Taken(other) => {
                ui.label(format!("{key} belongs to: {}.", other.info().name));
                if keymap::is_changeable(other)
                    && widgets::button(ui, "Exchange").on_hover_text("Each gets the other's key").clicked()
                {
                    keys.exchange(action, shortcut);
                    sheet.problem = None;
                }
            }
        }
        if widgets::button(ui, "Leave it").clicked() {
            sheet.problem = None;
        }
    });
}

/// What stands on the sheet: with `changing` every action, else what has a key.
fn sections(keys: &KeyMap, changing: bool) -> Vec<Section> {
    let is_standard = |info: &ActionInfo| keys.keys(info.action) == info.keys;
    let families: Vec<&Family> = FAMILIES
        .iter()
        .filter(|family| !changing && TABLE.iter().filter(|own| (family.holds)(own.action)).all(is_standard))
        .collect();
    let mut sections: Vec<Section> = Group::ALL
        .into_iter()
        .map(|group| {
            let mut lines: Vec<Line> = TABLE
                .iter()
                .filter(|info| info.group == group)
                .filter(|info| !families.iter().any(|family| (family.holds)(info.action)))
                .map(|info| {
                    let own: Vec<String> = keys.keys(info.action).iter().map(key_text).collect();
                    let action = keymap::is_changeable(info.action).then_some(info.action);
                    Line { keys: own.join(" or "), name: info.name.to_owned(), action }
                })
                .filter(|line| changing || !line.keys.is_empty())
                .collect();
            let control = if cfg!(target_os = "macos") { "Cmd" } else { "Ctrl" };
            lines.extend(families.iter().filter(|family| family.group == group).map(|family| Line {
                keys: family.keys.replace("Ctrl", control),
                name: family.name.to_owned(),
                action: None,
            }));
            Section { title: group.title(), lines }
        })
        .collect();
    let mouse = MOUSE.iter().map(|(keys, name)| Line {
        keys: (*keys).to_owned(),
        name: (*name).to_owned(),
        action: None,
    });
    sections.push(Section { title: "Mouse", lines: mouse.collect() });
    sections.retain(|section| !section.lines.is_empty());
    sections
}

fn height(sections: &[Section]) -> f32 {
    sections.iter().map(|section| HEADING + section.lines.len() as f32 * ROW).sum()
}

/// The sections in three columns, in order, the tallest as short as can be.
fn in_columns(sections: &[Section]) -> [Vec<Section>; 3] {
    let count = sections.len();
    let cuts = (0..=count).flat_map(|first| (first..=count).map(move |second| (first, second)));
    let tallest = |(first, second): (usize, usize)| {
        [&sections[..first], &sections[first..second], &sections[second..]]
            .map(height)
            .into_iter()
            .fold(0.0, f32::max)
    };
    let (first, second) = cuts.min_by(|a, b| tallest(*a).total_cmp(&tallest(*b))).unwrap_or((0, 0));
    [sections[..first].to_vec(), sections[first..second].to_vec(), sections[second..].to_vec()]
}

fn section_ui(ui: &mut Ui, keys: &mut KeyMap, sheet: &mut KeySheet, section: &Section) {
    widgets::caption(ui, section.title);
    ui.add_space(2.0);
    for line in &section.lines {
        line_ui(ui, keys, sheet, line);
    }
}

fn line_ui(ui: &mut Ui, keys: &mut KeyMap, sheet: &mut KeySheet, line: &Line) {
    let theme = Theme::of(ui.ctx());
    let changing = sheet.changing.then_some(line.action).flatten();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let sense = if changing.is_some() { Sense::click() } else { Sense::hover() };
        let (rect, response) = ui.allocate_exact_size(vec2(KEYS, ROW), sense);
        let waiting = changing.is_some() && sheet.waiting == changing;
        let (text, ink) = match (waiting, changing) {
            (true, _) => ("Press a key …", theme.accent),
            (false, Some(_)) if line.keys.is_empty() => ("none", theme.weak),
            (false, Some(action)) if keys.is_changed(action) => (line.keys.as_str(), theme.accent),
            _ => (line.keys.as_str(), theme.weak),
        };
        let fill = if waiting || response.hovered() { theme.raised } else { Color32::TRANSPARENT };
        if let Some(action) = changing {
            ui.painter().rect_filled(rect, theme::RADIUS, fill);
            let name = format!("Key of {}", line.name);
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
            if response.has_focus() {
                widgets::focus_ring(ui, rect);
            }
            if response.on_hover_text(action.info().why).clicked() {
                sheet.waiting = Some(action);
                sheet.problem = None;
            }
        }
        let font = FontId::proportional(theme::BODY);
        let painter = ui.painter().with_clip_rect(rect);
        painter.text(rect.left_center(), Align2::LEFT_CENTER, text, font, ink);
        if let Some(action) = changing {
            for (shown, icon, hover) in [
                (keys.is_changed(action), icons::UNDO, "Back to the standard key"),
                (!line.keys.is_empty(), icons::CLOSE, "Leave it without a key"),
            ] {
                let (rect, response) = ui.allocate_exact_size(vec2(ROW, ROW), Sense::click());
                if !shown {
                    continue;
                }
                let name = format!("{hover}: {}", line.name);
                response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
                let ink = if response.hovered() { theme.text } else { theme.weak };
                let font = FontId::proportional(12.0);
                ui.painter().text(rect.center(), Align2::CENTER_CENTER, icon, font, ink);
                if response.on_hover_text(hover).clicked() {
                    if icon == icons::UNDO {
                        keys.reset(action);
                    } else {
                        keys.clear(action);
                    }
                    sheet.problem = None;
                }
            }
        }
        ui.add(egui::Label::new(RichText::new(&line.name)).truncate());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sheet_of_keys_is_one_page_of_three_columns() {
        let columns = in_columns(&sections(&KeyMap::default(), false));
        for column in &columns {
            assert!(!column.is_empty() && height(column) <= 800.0 - 150.0, "{}", height(column));
        }
        // Nothing that has a key is missing.
        let lines: usize = columns.iter().flatten().map(|section| section.lines.len()).sum();
        let has_family = |info: &ActionInfo| FAMILIES.iter().any(|family| (family.holds)(info.action));
        let keyed = TABLE.iter().filter(|info| !info.keys.is_empty() && !has_family(info)).count();
        assert_eq!(lines, keyed + FAMILIES.len() + MOUSE.len());
        // What stands for several is said in their own group, and says the first of their keys.
        for family in FAMILIES {
            let own: Vec<&ActionInfo> = TABLE.iter().filter(|info| (family.holds)(info.action)).collect();
            assert!(own.len() > 1 && own.iter().all(|info| info.group == family.group), "{}", family.name);
            let modifier = key_text(&own[0].keys[0]);
            let modifier = modifier.split(' ').next().unwrap();
            assert!(family.keys.starts_with(modifier) || modifier == "Cmd", "{modifier}: {}", family.keys);
        }
    }

    #[test]
    fn options_stand_on_the_sheet_only_to_be_given_keys() {
        let title = Group::Option.title();
        let has = |changing| sections(&KeyMap::default(), changing).iter().any(|own| own.title == title);
        assert!(!has(false) && has(true));
        let mut keys = KeyMap::default();
        let own = egui::KeyboardShortcut::new(egui::Modifiers::NONE, egui::Key::F8);
        keys.set(Action::Choose(crate::tools::Choice::PointsSoft(true)), own).unwrap();
        let sections = sections(&keys, false);
        let options = sections.iter().find(|own| own.title == title).unwrap();
        assert_eq!((options.lines.len(), options.lines[0].keys.as_str()), (1, "F8"));
        assert_eq!(KeyMap::from_stored(&keys.stored()), keys, "kept from start to start");
    }

    #[test]
    fn the_sheet_says_the_keys_that_hold() {
        let mut keys = KeyMap::default();
        keys.set(Action::Preset(1), egui::KeyboardShortcut::new(egui::Modifiers::NONE, egui::Key::F8))
            .unwrap();
        let sections = sections(&keys, false);
        let view = sections.iter().find(|section| section.title == Group::View.title()).unwrap();
        let line = view.lines.iter().find(|line| line.action == Some(Action::Preset(1))).unwrap();
        assert_eq!(line.keys, "F8");
        assert!(view.lines.iter().any(|line| line.action == Some(Action::Preset(9))));
        assert!(
            super::sections(&keys, true).iter().flat_map(|own| &own.lines).any(|own| own.keys.is_empty())
        );
    }
}
