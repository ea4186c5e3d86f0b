//! Taking tools in hand, and what becomes of an outline drawn by clicks: it waits for its tool and its
//! structure, and goes on when they are in hand again. What happens out of sight is said.

use super::Workstation;
use crate::tools::ToolKind;
use crate::ui::actions::Action;

/// The tool that an action takes in hand.
pub(super) fn tool_of(action: Action) -> Option<ToolKind> {
    Some(match action {
        Action::SelectCrosshair => ToolKind::Navigate,
        Action::SelectBrush => ToolKind::Brush,
        Action::SelectEraser => ToolKind::Eraser,
        Action::SelectFreehand => ToolKind::Freehand,
        Action::SelectShape => ToolKind::Shape,
        Action::SelectPush => ToolKind::Push,
        Action::SelectSmooth => ToolKind::Smooth,
        Action::SelectGrow => ToolKind::Grow,
        Action::SelectKnife => ToolKind::Knife,
        Action::SelectPoints => ToolKind::Points,
        Action::SelectTransform => ToolKind::Transform,
        Action::SelectLiveWire => ToolKind::LiveWire,
        Action::SelectDeleteContour => ToolKind::DeleteContour,
        Action::SelectRuler => ToolKind::Ruler,
        _ => return None,
    })
}

impl Workstation {
    /// Takes a tool in hand. What is to be said of an outline that waits from now on, or goes on where no
    /// view shows it.
    pub(super) fn take_tool(&mut self, kind: ToolKind) -> Option<String> {
        let had = self.outline_under_way();
        self.state.views.as_mut()?.choose_tool(kind);
        self.outline_followed(had)
    }

    /// Whether an outline drawn by clicks is under way.
    pub(super) fn outline_under_way(&self) -> bool {
        self.state.views.as_ref().is_some_and(|views| views.tools.outline().is_some())
    }

    /// What is to be said of outlines after another tool or structure was taken in hand; `had` says whether
    /// one was under way before.
    pub(super) fn outline_followed(&mut self, had: bool) -> Option<String> {
        let (views, session) = (self.state.views.as_mut()?, self.session.as_ref()?);
        views.tools.update(session);
        if views.tools.outline().is_some() {
            let place = views.outline_out_of_sight().filter(|_| !had)?;
            return Some(format!("The outline on {place}, which no view shows now, goes on. Esc drops it."));
        }
        let (place, tool, roi) = views.tools.put_aside_last().filter(|_| had)?;
        let action = if tool == ToolKind::LiveWire { Action::SelectLiveWire } else { Action::SelectShape };
        let is_other = session.selected().is_none_or(|own| own.id != roi);
        Some(match session.roi(roi).filter(|_| is_other) {
            Some(roi) => format!("The outline on {place} waits until {} is selected again.", roi.name),
            None if tool == ToolKind::Shape && views.tools.kind() == tool => {
                format!("The outline on {place} waits: polygon or curve goes on with it.")
            }
            None => format!("The outline on {place} waits: {} goes on with it.", action.named()),
        })
    }

    pub(super) fn select(&mut self, roi: Option<crate::patient::RoiId>) {
        let had = self.outline_under_way();
        if let Some(session) = self.session.as_mut() {
            session.select(roi);
        }
        if let Some(views) = self.state.views.as_mut() {
            views.tools.cancel();
            views.reveal_selected();
        }
        if let Some(said) = self.outline_followed(had) {
            self.say_here(&said);
        }
    }
}
