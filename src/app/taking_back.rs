//! Taking back: undo and redo, Esc, and what a stroke under way keeps from happening.

use super::Workstation;
use crate::session::Session;
use crate::tools::{ToolEvent, ToolKind, ViewPlane};
use crate::ui::actions::Action;
use crate::ui::state::{Leave, Overlay};
use crate::ui::views::ViewsState;

impl Workstation {
    /// Takes back what was done last: Esc in an outline drawn by clicks, a scribble or what is suggested,
    /// where that came after the last edit, else that edit.
    pub(super) fn undo(&mut self) {
        if self.has_dropped_back() {
            return;
        }
        if let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_ref())
            && !views.tools.is_busy()
        {
            views.tools.update(session);
            if let Some(said) = views.tools.undo(session) {
                self.say_here(said);
                return;
            }
        }
        self.step(-1);
    }

    /// Undo (negative) or redo (positive) so many steps. In the midst of an outline drawn by clicks
    /// the last click is undone, in the midst of a stroke the stroke is dropped: neither was an edit
    /// yet, and the edit before it stays. What was done since that click, while the outline waited, is
    /// stepped over before, and the outline stays. What is suggested follows.
    pub(super) fn step(&mut self, steps: i32) {
        if let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_ref())
            && views.tools.is_busy()
            && !views.tools.steps_over_edits(session, steps)
        {
            if steps > 0 {
                return;
            }
            if !views.tools.waits_to_close() || !views.tools.take_back(session) {
                drop_gesture(views, session);
            }
            return;
        }
        let had = self.outline_under_way();
        if let Some(views) = self.state.views.as_mut() {
            views.tools.let_go();
        }
        for _ in 0..steps.unsigned_abs() {
            let Some(session) = self.session.as_mut() else { return };
            let done = if steps < 0 { session.undo() } else { session.redo() };
            if let Err(refusal) = done {
                self.refuse(&refusal);
                break;
            }
        }
        if had && let Some(said) = self.outline_followed(had) {
            self.say_here(&said);
        }
    }

    /// Whether the button is down in a stroke of a tool.
    pub(super) fn is_in_stroke(&self) -> bool {
        self.state.views.as_ref().is_some_and(ViewsState::is_in_stroke)
    }

    /// Esc: drops the stroke, closes what is open, or goes back to the crosshair.
    pub(super) fn never_mind(&mut self) {
        if let Some(overlay) = self.state.overlay.take() {
            self.state.overlay = overlay.below();
            match overlay {
                Overlay::Resume(_) => self.answer_resume(true),
                Overlay::Unsaved { .. } | Overlay::OpenOutlines(_) => self.answer_leave(Leave::Stay),
                _ => {}
            }
            return;
        }
        if self.state.naming.take().is_some() {
            return;
        }
        let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_ref()) else { return };
        if views.drop_turn() {
            return;
        }
        if views.tools.is_busy() {
            let waited = views.tools.waits_to_close();
            drop_gesture(views, session);
            let undo = Action::Undo.key_text();
            if waited && views.tools.ended_outline(session).is_some() && !undo.is_empty() {
                self.say_here(&format!("The outline was dropped. {undo} has it back."));
            }
        } else if views.tools.grow.is_active() {
            views.tools.grow.cancel();
        } else if views.tools.segment.is_active() {
            views.tools.segment.cancel();
        } else if views.navigation.maximised.is_some() {
            views.navigation.maximised = None;
        } else if views.tools.kind() != ToolKind::Navigate {
            views.choose_tool(ToolKind::Navigate);
        } else {
            self.state.toasts.close_newest();
        }
    }
}

/// Drops the gesture under way and nothing else, as Esc does.
fn drop_gesture(views: &mut ViewsState, session: &Session) {
    let plane = crate::geometry::Plane::axial(0.0);
    views.tools.event(session, &ViewPlane { plane, pixel_mm: 1.0 }, ToolEvent::Escape);
}
