//! Carrying out what concerns contours on the slice shown: what is suggested, copy and paste,
//! fewer slices.

use super::Workstation;
use crate::edit;
use crate::patient::Roi;
use crate::session::{Command, Refusal};
use crate::tools::Ended;
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
                let place = views.outline_out_of_sight();
                if views.tools.take_back(session)
                    && let Some(place) = place
                {
                    self.say_or_tell(&format!("One click taken back on {place}, which no view shows now."));
                }
            }
            Action::ReopenOutline => self.reopen_outline(),
            Action::NudgeLeft
            | Action::NudgeRight
            | Action::NudgeUp
            | Action::NudgeDown
            | Action::MaximiseView
            | Action::CloseOutline
                if nudge_of(action).is_some() || views.tools.waits_to_close() =>
            {
                let place = views.outline_out_of_sight();
                let reaction = match nudge_of(action) {
                    Some([right_mm, down_mm]) => views.tools.nudge(session, right_mm, down_mm),
                    None => views.tools.finish(session),
                };
                if let Some(text) = reaction.message {
                    self.state.toasts.attention(text);
                }
                if let Some(command) = reaction.command
                    && self.apply(command)
                    && let Some(place) = place
                {
                    self.say_or_tell(&format!("Closed on {place}, which no view shows now."));
                }
            }
            Action::AcceptProposal | Action::TakeSuggested | Action::AcceptAll | Action::TakeAllSuggested
                if views.tools.between.draws_guide() =>
            {
                self.say_or_tell("End the guide first, or drop it (Esc): until then nothing is taken over.");
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
                    None => self.go_to_dashed(),
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
            Action::AcceptProposal | Action::AcceptAll | Action::TakeSuggested | Action::TakeAllSuggested
                if views.tools.is_waiting() && session.selected().is_none_or(|roi| !roi.is_proposal()) =>
            {
                self.say_or_tell("It is still being worked out.");
            }
            Action::TakeSuggested | Action::TakeAllSuggested | Action::DropSuggested => {
                self.say_or_tell("Nothing is dashed.");
            }
            Action::CloseOutline => {}
            _ => return false,
        }
        true
    }

    /// Opens the outline drawn by clicks that was closed or dropped last again; what its closing did is
    /// undone.
    fn reopen_outline(&mut self) {
        let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_mut()) else { return };
        match views.tools.ended_outline(session) {
            _ if views.tools.is_busy() => return,
            Some(Ended::Closed) => {
                if let Err(refusal) = session.undo() {
                    self.refuse(&refusal);
                    return;
                }
            }
            Some(Ended::Dropped) => {}
            None => {
                let text = "There is no outline to open again: one drawn by clicks must have been the last thing done, on the structure that is selected.";
                self.say_or_tell(text);
                return;
            }
        }
        views.tools.reopen(session);
        if let Some(place) = views.outline_out_of_sight() {
            self.say_or_tell(&format!("The outline is open again on {place}, which no view shows now."));
        }
    }

    /// Undo right after Esc: has the outline back that was dropped. Whether there was one.
    pub(super) fn has_dropped_back(&mut self) -> bool {
        let (Some(views), Some(session)) = (self.state.views.as_ref(), self.session.as_ref()) else {
            return false;
        };
        let was_dropped = views.tools.ended_outline(session) == Some(Ended::Dropped);
        if was_dropped {
            self.reopen_outline();
        }
        was_dropped
    }

    /// Goes to the slice with something dashed that is nearest to the one shown, where there is nothing to
    /// take over, and says so: what is taken over is always seen first.
    fn go_to_dashed(&mut self) {
        let Some(slice) = self.slice() else { return };
        let Some(views) = self.state.views.as_mut() else { return };
        let Some(suggestion) = views.tools.suggestion() else { return };
        let count = suggestion.slices().count();
        let Some(nearest) = suggestion.slices().min_by_key(|own| own.abs_diff(slice)) else { return };
        views.go_to_slice(nearest);
        let keys: Vec<String> =
            [(Action::TakeSuggested, "takes this"), (Action::TakeAllSuggested, "takes all")]
                .into_iter()
                .filter(|(action, _)| !action.key_text().is_empty())
                .map(|(action, does)| format!("{} {does}", action.key_text()))
                .collect();
        let here = match count {
            1 => format!("slice {}, the only one", nearest + 1),
            count => format!("slice {}, the nearest of {count}", nearest + 1),
        };
        let keys = if keys.is_empty() { String::new() } else { format!(" {}.", keys.join(", ")) };
        self.say_or_tell(&format!("Slice {} had nothing dashed; this is {here}.{keys}", slice + 1));
    }

    /// Says that there is nothing to accept or reject in a structure, and where there is.
    pub(super) fn tell_no_proposal(&mut self, roi: &Roi, does: &str) {
        let Some(session) = self.session.as_ref() else { return };
        let open: Vec<&str> = session.proposals().map(|own| own.name.as_str()).collect();
        let name = &roi.name;
        let text = match open.as_slice() {
            [] => format!("{name} is not a proposal, and nothing is dashed: there is nothing to {does}."),
            [one] => format!("{name} is not a proposal, {one} is. Select it to {does} it."),
            [first, .., last] => {
                let between = if open.len() > 2 { " to " } else { " and " };
                let count = open.len();
                format!(
                    "{name} is not a proposal; {count} others are, {first}{between}{last}. Select one to {does} it."
                )
            }
        };
        self.say_or_tell(&text);
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
