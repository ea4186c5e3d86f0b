//! The corner of a view: its name, the button that lets the view fill the window, and where the view is
//! turned by how much, with the button that straightens it.
//!
//! A double click on the name does the same whatever the tool in hand: in the picture itself it
//! would paint. The tools keep out of the corner while no gesture is under way.

use super::super::actions::Action;
use super::super::{icons, theme, widgets};
use super::pane::Pane;
use super::turning::degrees_text;
use egui::{Align2, FontId, Painter, Rect, Response, Sense, Ui, vec2};

/// The side of the button, points.
const BUTTON: f32 = 20.0;

/// The corner of one picture in one frame.
pub struct Corner {
    title: String,
    is_maximised: bool,
    name: Response,
    button: Response,
    /// In a turned view.
    straighten: Option<Response>,
}

impl Corner {
    /// The corner of the picture in `rect`; to be called after the picture has been given its
    /// own response, so that the corner lies above it. `turned` is the angle between the plane shown
    /// and the plain one, radians; `id` and `label` are the picture's own.
    pub fn new(
        ui: &Ui,
        rect: Rect,
        pane: Pane,
        turned: Option<f64>,
        is_maximised: bool,
        (id, label): (egui::Id, &str),
    ) -> Self {
        let title = match turned {
            Some(angle) => format!("{}, turned {}", pane.title(), degrees_text(angle)),
            None => pane.title().to_owned(),
        };
        let font = theme::strong(theme::BODY);
        let size = ui.painter().layout_no_wrap(title.clone(), font, theme::OVERLAY_TEXT).size();
        let at = rect.left_top() + vec2(8.0, 6.0);
        let name_rect = Rect::from_min_size(at, size).intersect(rect);
        let button_rect = Rect::from_center_size(
            at + vec2(size.x + 4.0 + BUTTON / 2.0, size.y / 2.0),
            vec2(BUTTON, BUTTON),
        )
        .intersect(rect);
        let name = ui.interact(name_rect, id.with("name"), Sense::click());
        let button = ui.interact(button_rect, id.with("maximise"), Sense::click());
        let act = if is_maximised { "Restore" } else { "Maximise" };
        button.widget_info(|| {
            egui::WidgetInfo::selected(egui::Role::Button, true, is_maximised, format!("{act} {label}"))
        });
        let key = Action::MaximiseView.key_text();
        let what = if is_maximised { "Back to all views" } else { "Let this view fill the window" };
        let text = format!("{what}   {key}\nA double click on the view's name does the same, with any tool.");
        let button = button.on_hover_text(text);
        let straighten = turned.map(|_| {
            let place = button_rect.translate(vec2(BUTTON + 2.0, 0.0)).intersect(rect);
            let response = ui.interact(place, id.with("straighten"), Sense::click());
            response.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Straighten {label}"))
            });
            response.on_hover_text(Action::StraightenViews.tooltip())
        });
        Self { title, is_maximised, name, button, straighten }
    }

    /// Whether the person asked for plain views again.
    #[must_use]
    pub fn is_straightened(&self) -> bool {
        self.straighten.as_ref().is_some_and(Response::clicked)
    }

    /// Whether the person asked for the view to fill the window, or no longer to.
    #[must_use]
    pub fn is_toggled(&self) -> bool {
        self.name.double_clicked() || self.button.clicked()
    }

    /// Whether the pointer is on the name or the button.
    #[must_use]
    pub fn contains_pointer(&self) -> bool {
        let others = self.straighten.as_ref();
        self.name.contains_pointer()
            || self.button.contains_pointer()
            || others.is_some_and(Response::contains_pointer)
    }

    /// Draws the name and the button; where the name stands.
    pub fn draw(&self, painter: &Painter) -> Rect {
        let drawn = widgets::overlay_text(
            painter,
            self.name.rect.min,
            Align2::LEFT_TOP,
            &self.title,
            theme::strong(theme::BODY),
            theme::OVERLAY_TEXT,
        );
        let lit = self.button.hovered() || self.button.has_focus() || self.name.hovered();
        let ink = if lit { theme::OVERLAY_TEXT } else { theme::OVERLAY_WEAK };
        let icon = if self.is_maximised { icons::RESTORE } else { icons::MAXIMISE };
        let at = self.button.rect.center();
        widgets::overlay_text(painter, at, Align2::CENTER_CENTER, icon, FontId::proportional(14.0), ink);
        if let Some(button) = &self.straighten {
            let lit = button.hovered() || button.has_focus();
            let ink = if lit { theme::OVERLAY_TEXT } else { theme::OVERLAY_WEAK };
            let (at, font) = (button.rect.center(), FontId::proportional(14.0));
            widgets::overlay_text(painter, at, Align2::CENTER_CENTER, icons::STRAIGHTEN, font, ink);
        }
        drawn
    }
}
