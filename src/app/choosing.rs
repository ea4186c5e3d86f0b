//! What is chosen of tools, by the strip, by keys and from the search alike.

use super::Workstation;
use crate::edit::segment::Fill;
use crate::session::Overwrite;
use crate::tools::{Choice, Method, Number, ToolKind, Within};
use crate::ui::actions::Action;
use crate::ui::panels;
use crate::ui::state::{Fold, Place};

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
            | Action::Set(_)
            | Action::ToggleSecondValues
            | Action::LookInNext
            | Action::NextRival
            | Action::FindNow
            | Action::SplitHistogram
                if is_stroke => {}
            Action::Choose(choice) => {
                self.choose(choice);
            }
            Action::NextChoice(aspect) => match views.tools.next_choice(session, aspect) {
                Some(choice) => {
                    self.choose(choice);
                }
                None => self.say_here("There is nothing to switch with this tool."),
            },
            Action::Set(number) => self.set_number(number),
            Action::ToggleSecondValues
            | Action::LookInNext
            | Action::NextRival
            | Action::FindNow
            | Action::SplitHistogram => self.act_on_search(action),
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

    /// An action on where and how the tool in hand looks for something.
    fn act_on_search(&mut self, action: Action) {
        let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_ref()) else { return };
        match action {
            Action::LookInNext => {
                let method = views.tools.segment.settings().method;
                if (views.tools.kind() == ToolKind::Grow || self.take_method(method))
                    && let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_ref())
                    && let Some(said) = views.tools.look_in_next(session)
                {
                    self.say_here(&said);
                }
            }
            Action::NextRival => {
                if self.take_method(Method::Pieces)
                    && let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_ref())
                {
                    let said = views.tools.next_rival(session);
                    self.say_here(&said);
                }
            }
            Action::ToggleSecondValues => {
                let said = match views.tools.toggle_second_values(session) {
                    Some(true) => "Values of the second series",
                    Some(false) => "Values of these images",
                    None => {
                        "Brush, grow, live-wire and find by values go by those of a second series, once there is one."
                    }
                };
                self.say_here(said);
            }
            Action::FindNow => {
                let method = views.tools.segment.settings().method;
                if self.take_method(method)
                    && let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_ref())
                {
                    views.tools.segment.find(session);
                }
            }
            _ => self.split_histogram(),
        }
    }

    /// Makes a choice and takes the tool it is for in hand, whether that was done; not where the images have
    /// nothing for it. An outline drawn by clicks that it is not for waits.
    fn choose(&mut self, choice: Choice) -> bool {
        let had = self.outline_under_way();
        let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_ref()) else {
            return false;
        };
        let mut said = None;
        if choice.tool() == ToolKind::Segment {
            if let Some(why) = views.tools.refusal(session, choice) {
                self.say_or_tell(why);
                return false;
            }
        } else if !choice.is_for(views.tools.kind()) {
            said = self.take_tool(choice.tool());
        }
        let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_ref()) else {
            return false;
        };
        // Before its method is taken in hand, which may look for something at once.
        views.tools.make(session, choice, views.display.shown_range(false));
        let method = choice.method().unwrap_or(views.tools.segment.settings().method);
        said = self.outline_followed(had).or(said);
        if choice.tool() == ToolKind::Segment {
            self.take_method(method);
        }
        self.say_here(said.as_deref().unwrap_or(Action::Choose(choice).info().name));
        true
    }

    /// Has the semi-automatic tool in hand with a method, as it is where it is so already; whether it is.
    fn take_method(&mut self, method: Method) -> bool {
        let Some(views) = self.state.views.as_ref() else { return false };
        let tools = &views.tools;
        (tools.kind() == ToolKind::Segment && tools.segment.settings().method == method)
            || self.segment(method)
    }

    /// Gives the keyboard to the field of a number, with what it belongs to in hand.
    fn set_number(&mut self, number: Number) {
        let Some(kind) = self.state.views.as_ref().map(|views| views.tools.kind()) else { return };
        let is_there = match (number.methods(), number.choice(), number.tools()) {
            ([], Some(choice), _) => self.choose(choice),
            ([first, ..], choice, _) => {
                let now = self.state.views.as_ref().map(|views| views.tools.segment.settings().method);
                let method = now.filter(|now| number.methods().contains(now)).unwrap_or(*first);
                self.take_method(method) && choice.is_none_or(|choice| self.choose(choice))
            }
            ([], None, []) => {
                self.state.place = Place::Correct;
                match (number, self.state.views.as_mut()) {
                    (Number::SnapReach, Some(views)) => {
                        if !views.tools.between.is_on() {
                            views.tools.between.set_on(true);
                        }
                        views.tools.between.set_snaps(true);
                    }
                    _ => self.state.inspector = Fold::Open,
                }
                true
            }
            ([], None, tools) => {
                if !tools.contains(&kind)
                    && let Some(said) = self.take_tool(tools[0])
                {
                    self.say_here(&said);
                }
                true
            }
        };
        if !is_there {
            return;
        }
        if number.tools() == [ToolKind::Segment] {
            // The tool may have been in hand before, with its card folded away.
            self.state.place = Place::Correct;
            self.state.inspector = Fold::Open;
        }
        if let Some(why) = self.why_no_field(number) {
            self.say_or_tell(why);
        } else if let Some(ctx) = &self.ctx {
            panels::want_number(ctx, number);
        }
    }

    /// Why there is no field for a number, with what it belongs to in hand; `None` where there should be one.
    fn why_no_field(&self, number: Number) -> Option<&'static str> {
        let (views, session) = (self.state.views.as_ref()?, self.session.as_ref()?);
        let tool = &views.tools.segment;
        let settings = tool.settings();
        // The card of an isodose makes its own.
        let needs_roi = number == Number::KeepEvery
            || (number.tools() == [ToolKind::Segment] && settings.method != Method::Dose);
        if needs_roi && session.selected().is_none() {
            return Some("This can be set once a structure is selected.");
        }
        match number {
            Number::DoseLevel | Number::Prescription if tool.dose().is_none() => {
                Some("This can be set once a dose is open.")
            }
            Number::BoxDepth if tool.search_box().is_some() => Some(
                "The box is drawn: drag its edges in any view. Without it (Esc) the next one's depth can be set.",
            ),
            Number::SearchReach if settings.method == Method::Pieces && settings.fill == Fill::All => {
                Some("All of a region is filled, however far. Choose what lies between to set a reach.")
            }
            Number::SearchReach
                if settings.method == Method::Pieces && settings.within != Within::Everything =>
            {
                Some("All of the place chosen is looked in. Choose the whole image to set a reach.")
            }
            _ => None,
        }
    }

    /// Says that the field of a number has not come.
    pub(super) fn mind_the_number(&mut self, ctx: &egui::Context) {
        if let Some(number) = panels::unanswered_number(ctx) {
            let why = self.why_no_field(number);
            self.say_or_tell(why.unwrap_or("There is no field for this number now."));
        }
    }

    /// Sets the threshold from the value that best splits the histogram in two.
    fn split_histogram(&mut self) {
        if !self.take_method(Method::Threshold) {
            return;
        }
        let slice = self.slice().unwrap_or(0);
        let (Some(views), Some(session)) = (self.state.views.as_mut(), self.session.as_ref()) else { return };
        let second = views.tools.segment.settings().second;
        let greatest = (!second).then(|| views.display.full_window.high());
        let unit = views.tools.segment.image(session).unit;
        let said = match views.tools.segment.split(session, slice, greatest) {
            Some(value) => format!("From {}", unit.text(value)),
            None => "These values cannot be split in two.".to_owned(),
        };
        self.say_here(&said);
    }
}
