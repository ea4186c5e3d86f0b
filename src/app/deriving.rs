//! Making structures by recipes, on a thread of their own.

use super::Workstation;
use super::workstation::Message;
use crate::edit::recipe::Recipe;
use crate::patient::RoiId;
use crate::session::Command;
use crate::session::derive::{Order, Plan, Previewed};
use crate::ui::state::PreviewLine;

/// The key of the job that works previews out.
const PREVIEW: &str = "preview";

/// The preview of recipes that is shown or being worked out.
#[derive(Debug, Default)]
pub(super) struct Preview {
    /// The recipes and the session's revision that it is of.
    of: Option<(Vec<Recipe>, u64)>,
    /// Grows with every preview.
    number: u64,
}

impl Workstation {
    /// Carries recipes out; the result goes in as one step when it is there.
    pub(super) fn derive(&mut self, gesture: String, orders: Vec<Order>) {
        let Some(session) = &self.session else { return };
        match session.plan(gesture.clone(), orders) {
            Ok(plan) => self.carry_out_plan(gesture, plan),
            Err(refusal) => self.refuse(&refusal),
        }
    }

    /// Makes derived structures again that are out of date, and `also` these.
    pub(super) fn update_derived(&mut self, also: &[RoiId]) {
        let Some(session) = &self.session else { return };
        match session.plan_update(also) {
            Ok(Some(plan)) => self.carry_out_plan("Update derived structures".to_owned(), plan),
            Ok(None) => self.state.toasts.done("Every derived structure is up to date.".to_owned()),
            Err(refusal) => self.refuse(&refusal),
        }
    }

    /// Makes a structure of each piece of one.
    pub(super) fn split(&mut self, roi: RoiId) {
        let Some(session) = &self.session else { return };
        match session.plan_split(roi) {
            Ok(plan) => self.start_for_session("derive", "Split into pieces".to_owned(), move |progress| {
                Message::Derived(plan.run(progress).map(Box::new).map_err(|error| error.to_string()))
            }),
            Err(refusal) => self.refuse(&refusal),
        }
    }

    /// Starts the preview that the form asked for in this frame, unless it is there; without one
    /// nothing is shown.
    pub(super) fn mind_the_preview(&mut self) {
        let wanted = self.state.recipe.wanted.take();
        let Some((session, recipes)) = self.session.as_ref().zip(wanted) else {
            if self.preview.of.take().is_some() {
                self.jobs.cancel_for(PREVIEW);
                self.show_preview(Vec::new());
                self.state.recipe.told = None;
            }
            return;
        };
        let of = Some((recipes, session.revision()));
        if of == self.preview.of {
            return;
        }
        self.preview.number += 1;
        let number = self.preview.number;
        let plan = session.plan_preview(of.iter().flat_map(|(recipes, _)| recipes.clone()).collect());
        self.preview.of = of;
        self.start_for_session(PREVIEW, String::new(), move |progress| {
            Message::Previewed(number, plan.run(number, progress).map_err(|error| error.to_string()))
        });
    }

    pub(super) fn previewed(&mut self, number: u64, result: Result<Vec<Previewed>, String>) {
        if self.preview.of.is_none() || number != self.preview.number {
            return;
        }
        let shown = result.iter().flatten().map(|own| std::sync::Arc::clone(&own.shown)).collect();
        self.show_preview(shown);
        let line = |own: &Previewed| PreviewLine {
            source_cc: own.source_cc,
            made_cc: own.made_cc,
            points: own.points,
        };
        self.state.recipe.told = Some(result.map(|all| all.iter().map(line).collect()));
    }

    fn show_preview(&mut self, previews: Vec<std::sync::Arc<crate::patient::Roi>>) {
        if let Some(views) = self.state.views.as_mut() {
            views.previews = previews;
        }
    }

    fn carry_out_plan(&mut self, title: String, plan: Plan) {
        self.start_for_session("derive", title, move |progress| {
            Message::Derived(plan.run(progress).map(Box::new).map_err(|error| error.to_string()))
        });
    }

    pub(super) fn derived(&mut self, result: Result<Box<Command>, String>) {
        match result {
            Ok(command) => {
                self.apply(*command);
            }
            Err(why) => self.state.toasts.error("The structures were not made.", Some(why)),
        }
    }
}
