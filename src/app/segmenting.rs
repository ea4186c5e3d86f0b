//! Taking the semi-automatic tool in hand.

use super::Workstation;
use crate::tools::{Method, SegmentSettings, ToolKind};
use crate::ui::actions::Action;
use crate::ui::state::{Fold, Place};

impl Workstation {
    /// Takes the tool in hand with a method and shows its settings; organs are looked for at once. Whether
    /// it is: not with images that the method is not for.
    pub(super) fn segment(&mut self, method: Method) -> bool {
        let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_ref()) else {
            return false;
        };
        if let Some(why) = method.refusal(session.series().volume.unit) {
            self.say_or_tell(why);
            return false;
        }
        if views.tools.kind() != ToolKind::Segment
            && let Some(said) = self.take_tool(ToolKind::Segment)
        {
            self.say_here(&said);
        }
        let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_ref()) else {
            return false;
        };
        let tool = &mut views.tools.segment;
        tool.set_settings(session, SegmentSettings { method, ..tool.settings() });
        let settings = tool.settings();
        if method == Method::Threshold && settings.range.is_none() {
            let range = Some(views.display.shown_range(settings.second));
            tool.set_settings(session, SegmentSettings { range, ..settings });
        }
        // With a range that stands from before, setting it is no change that would be followed.
        let is_set = method == Method::Threshold || (method == Method::Dose && tool.dose().is_some());
        if method.needs_ct() || is_set {
            tool.find(session);
        }
        self.state.place = Place::Correct;
        self.state.inspector = Fold::Open;
        if method == Method::Dose {
            // Its card offers a structure by the name of the level.
            self.read_only_dose();
        } else if session.selected().is_none() {
            self.act(Action::AddStructure);
        }
        true
    }
}
