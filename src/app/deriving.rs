//! Making structures by recipes, on a thread of their own.

use super::Workstation;
use super::workstation::Message;
use crate::patient::RoiId;
use crate::session::Command;
use crate::session::derive::{Order, Plan};

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
            Err(why) => self.state.toasts.error("The recipe was not carried out.", Some(why)),
        }
    }
}
