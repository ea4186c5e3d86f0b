//! What is chosen of tools, by the strip, by keys and from the search alike.

use super::Workstation;
use crate::edit::ValueRange;
use crate::session::Overwrite;
use crate::tools::Choice;
use crate::ui::actions::Action;

impl Workstation {
    /// Carries out an action on the options of tools; whether it was one.
    pub(super) fn act_on_options(&mut self, action: Action) -> bool {
        let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_mut()) else {
            return false;
        };
        // While the button is down a stroke stays what it began as.
        let is_stroke = views.tools.is_busy() && !views.tools.waits_to_close();
        match action {
            Action::Choose(_)
            | Action::NextChoice(_)
            | Action::Overwrite(_)
            | Action::NextOverwrite
            | Action::ThinnerSlab
            | Action::ThickerSlab
            | Action::LowerTolerance
            | Action::HigherTolerance
                if is_stroke => {}
            Action::Choose(choice) => self.choose(choice),
            Action::NextChoice(aspect) => match views.tools.next_choice(aspect) {
                Some(choice) => self.choose(choice),
                None => self.say_here("There is nothing to switch with this tool."),
            },
            Action::Overwrite(mode) => {
                session.set_overwrite(mode);
                views.tools.follow_line(session);
                self.say_here(action.info().name);
            }
            Action::NextOverwrite => {
                let next = match session.overwrite() {
                    Overwrite::Overlap => Overwrite::Stop,
                    Overwrite::Stop => Overwrite::Visible,
                    Overwrite::Visible => Overwrite::Unlocked,
                    Overwrite::Unlocked => Overwrite::Overlap,
                };
                self.act_on_options(Action::Overwrite(next));
            }
            Action::ToggleSnap => {
                let between = &mut views.tools.between;
                // Asked for while nothing is dashed, it is wanted with what it works on.
                let snaps = !between.is_on() || !between.snaps();
                if !between.is_on() {
                    between.set_on(true);
                }
                between.set_snaps(snaps);
                let said =
                    if snaps { "Dashed contours snap to edges" } else { "Dashed contours do not snap" };
                self.say_here(said);
            }
            Action::ThinnerSlab | Action::ThickerSlab => {
                let steps = if action == Action::ThickerSlab { 1 } else { -1 };
                let mm = views.tools.resize_slab(session, steps);
                self.say_here(&format!("Slab {mm:.1} mm"));
            }
            Action::LowerTolerance | Action::HigherTolerance => {
                let steps = if action == Action::HigherTolerance { 1 } else { -1 };
                let said = match views.tools.resize_tolerance(session, steps) {
                    Some(spreads) => format!("Tolerance {spreads:.1}"),
                    None => "This tool has no tolerance.".to_owned(),
                };
                self.say_here(&said);
            }
            Action::ClearRulers => views.tools.ruler.clear(),
            _ => return false,
        }
        true
    }

    /// Makes a choice and takes the tool it is for in hand; not where that would drop an outline that
    /// waits to be closed.
    fn choose(&mut self, choice: Choice) {
        let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_ref()) else { return };
        let keeps = match choice {
            Choice::Shape(kind) => kind.has_anchors(),
            _ => true,
        };
        if views.tools.waits_to_close() && !(keeps && choice.is_for(views.tools.kind())) {
            self.say_here("Close the outline first, or drop it (Esc).");
            return;
        }
        if !choice.is_for(views.tools.kind()) {
            views.choose_tool(choice.tool());
        }
        let window = views.display.window;
        views.tools.make(session, choice, ValueRange { low: window.low(), high: window.high() });
        self.say_here(Action::Choose(choice).info().name);
    }
}
