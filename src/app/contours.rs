//! Carrying out what concerns contours on the slice shown: what is suggested, copy and paste,
//! fewer slices.

use super::Workstation;
use crate::edit;
use crate::patient::Roi;
use crate::session::{Command, Refusal};
use crate::ui::actions::Action;

impl Workstation {
    /// Takes over or drops suggested contours, closes an outline; whether the action was for that.
    /// A, Shift A and X are for what is dashed in the selected structure before they are for
    /// proposals, and Enter closes an outline before it maximises a view.
    pub(super) fn act_on_suggestion(&mut self, action: Action) -> bool {
        let slice = self.slice();
        let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_ref()) else {
            return false;
        };
        views.tools.update(session);
        let suggestion = views.tools.suggestion();
        match action {
            Action::FillBetween => {
                let on = !views.tools.between.is_on();
                views.tools.between.set_on(on);
            }
            Action::ClearGuides => {
                let guided = session.selected().filter(|roi| !roi.guides.is_empty());
                match guided.map(|roi| roi.id) {
                    Some(roi) => {
                        self.apply(Command::ClearGuides { roi });
                    }
                    None => self.state.toasts.attention("The selected structure has no guide outlines."),
                }
            }
            Action::TakeBackPoint => {
                views.tools.take_back(session);
            }
            Action::NudgeLeft
            | Action::NudgeRight
            | Action::NudgeUp
            | Action::NudgeDown
            | Action::MaximiseView
            | Action::CloseOutline
                if nudge_of(action).is_some() || views.tools.waits_to_close() =>
            {
                let reaction = match nudge_of(action) {
                    Some([right_mm, down_mm]) => views.tools.nudge(session, right_mm, down_mm),
                    None => views.tools.finish(session),
                };
                if let Some(text) = reaction.message {
                    self.state.toasts.attention(text);
                }
                if let Some(command) = reaction.command {
                    self.apply(command);
                }
            }
            Action::AcceptProposal | Action::TakeSuggested if suggestion.is_some() => {
                match suggestion.and_then(|own| own.command(slice)) {
                    Some(command) => {
                        if self.apply(command)
                            && let Some(slice) = slice
                        {
                            self.tell_slice(slice);
                        }
                    }
                    None => self.state.toasts.attention("Nothing is suggested on this slice."),
                }
            }
            Action::AcceptAll | Action::TakeAllSuggested if suggestion.is_some() => {
                if let Some(command) = suggestion.and_then(|own| own.command(None)) {
                    self.apply(command);
                }
            }
            Action::RejectProposal | Action::DropSuggested if suggestion.is_some() => {
                views.tools.drop_suggestion();
            }
            Action::CloseOutline
            | Action::TakeSuggested
            | Action::TakeAllSuggested
            | Action::DropSuggested => {}
            _ => return false,
        }
        true
    }

    pub(super) fn copy_contour(&mut self, roi: &Roi) {
        let (Some(slice), Some(session)) = (self.slice(), self.session.as_ref()) else { return };
        let plane = roi.plane_at(&session.series().volume.slices[slice].plane).cloned();
        match (plane, self.state.views.as_mut()) {
            (Some(plane), Some(views)) => {
                views.clipboard = Some(plane);
                self.tell_slice(slice);
            }
            _ => self.refuse(&Refusal::NoContourHere(roi.name.clone())),
        }
    }

    pub(super) fn paste_contour(&mut self, roi: &Roi) {
        let Some(copied) = self.state.views.as_ref().and_then(|views| views.clipboard.clone()) else {
            let copy = Action::CopyContour.named();
            self.state.toasts.attention(format!("No contour was copied. Do this first: {copy}."));
            return;
        };
        let (Some(slice), Some(session)) = (self.slice(), self.session.as_ref()) else { return };
        let image = &session.series().volume.slices[slice];
        match edit::pasted(&copied, image, roi.plane_at(&image.plane)) {
            Some(plane) => {
                let (roi, based_on) = (roi.id, roi.revision);
                let planes = vec![plane];
                if self.apply(Command::SetPlanes { roi, gesture: "Paste contour", based_on, planes }) {
                    self.tell_slice(slice);
                }
            }
            None => self.refuse(&Refusal::NoSlice),
        }
    }

    pub(super) fn thin_slices(&mut self, roi: &Roi, n: u8) {
        let Some(session) = self.session.as_ref() else { return };
        let planes = edit::thinned_slices(roi, &session.series().volume, usize::from(n));
        if planes.is_empty() {
            self.state.toasts.attention("There are no slices to leave out.");
        } else {
            let (roi, based_on) = (roi.id, roi.revision);
            self.apply(Command::SetPlanes { roi, gesture: "Fewer slices", based_on, planes });
        }
    }
}

/// Where an action nudges to, mm to the right and down in the view.
fn nudge_of(action: Action) -> Option<[f64; 2]> {
    match action {
        Action::NudgeLeft => Some([-1.0, 0.0]),
        Action::NudgeRight => Some([1.0, 0.0]),
        Action::NudgeUp => Some([0.0, -1.0]),
        Action::NudgeDown => Some([0.0, 1.0]),
        _ => None,
    }
}
