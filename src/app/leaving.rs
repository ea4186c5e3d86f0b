//! Leaving a study: closing it or the window, or opening another in its place.
//!
//! Nothing is left before every edit is on disk and every outline drawn by clicks closed, unless the person
//! says so; an export that is being
//! written is finished first. What jobs bring afterwards for the study that was left is dropped.

use super::Workstation;
use super::opening::capitalised;
use super::reading::Opened;
use super::setup::Kept;
use super::workstation::Message;
use crate::progress::Progress;
use crate::session::{Session, Unsaved};
use crate::ui::state::{Leave, Overlay};

/// The key of the job that writes an RTSTRUCT.
pub(super) const EXPORT: &str = "export";

/// The keys of the jobs whose results belong to the open study.
const OF_THE_STUDY: [&str; 5] = ["model", "second", "structures", "dose", "regions"];

/// Where to, from the open study.
pub(super) enum Leaving {
    /// The window closes.
    Window,
    /// To the start screen.
    Study,
    /// To another scan.
    For(Box<Opened>),
}

impl Workstation {
    /// Starts a job for the open session: what it ends with is dropped once that is closed.
    pub(super) fn start_for_session(
        &mut self,
        key: &str,
        title: String,
        work: impl FnOnce(&Progress) -> Message + Send + 'static,
    ) {
        let number = self.session_number;
        self.jobs.start(key, title, move |progress| Message::Of(number, Box::new(work(progress))));
    }

    /// Leaves the open study once that loses nothing; asks where it would.
    pub(super) fn leave(&mut self, to: Leaving) {
        if self.jobs.running_for(EXPORT).is_some() {
            self.state.toasts.attention("The export is finished first.");
            self.after_export = Some(to);
            return;
        }
        match self.session.as_ref().and_then(Session::unsaved) {
            Some(unsaved) => self.ask_before_leaving(to, unsaved),
            None => match self.open_outlines() {
                0 => self.leave_now(to),
                count => {
                    self.state.overlay = Some(Overlay::OpenOutlines(count));
                    self.leaving = Some(to);
                }
            },
        }
    }

    /// The outlines drawn by clicks that are not closed and would be lost: no journal has them.
    fn open_outlines(&self) -> usize {
        let (Some(views), Some(session)) = (&self.state.views, &self.session) else { return 0 };
        views.tools.open_outlines(session)
    }

    fn ask_before_leaving(&mut self, to: Leaving, unsaved: Unsaved) {
        let Unsaved { changes, why } = unsaved;
        let why = capitalised(&why);
        let why = match self.open_outlines() {
            0 => why,
            1 => format!("{why} An outline that is not closed is lost too."),
            count => format!("{why} {count} outlines that are not closed are lost too."),
        };
        self.state.overlay = Some(Overlay::Unsaved { changes, why });
        self.leaving = Some(to);
    }

    /// The answer to whether to leave although edits would be lost.
    pub(super) fn answer_leave(&mut self, answer: Leave) {
        if matches!(self.state.overlay, Some(Overlay::Unsaved { .. } | Overlay::OpenOutlines(_))) {
            self.state.overlay = None;
        }
        match (self.leaving.take(), answer) {
            (Some(to), Leave::TryAgain) => self.leave(to),
            (Some(to), Leave::Anyway) => self.leave_now(to),
            (_, Leave::Stay) | (None, _) => {}
        }
    }

    fn leave_now(&mut self, to: Leaving) {
        match to {
            Leaving::Window => {
                self.may_close = true;
                self.quit();
            }
            Leaving::Study => {
                self.close_session();
                self.look_around();
            }
            Leaving::For(opened) => self.show(*opened),
        }
    }

    /// Goes on with what waited for an export. The window stays where the file was not written.
    pub(super) fn leave_after_export(&mut self, is_written: bool) {
        match self.after_export.take() {
            Some(Leaving::Window) if !is_written => {}
            Some(to) => self.leave(to),
            None => {}
        }
    }

    /// Keeps a window that was asked to close open where that would lose something.
    pub(super) fn mind_the_close(&mut self, ctx: &egui::Context) {
        if self.may_close || !ctx.input(|input| input.viewport().close_requested()) {
            return;
        }
        let is_exporting = self.jobs.running_for(EXPORT).is_some();
        let loses = |session: &Session| session.unsaved().is_some() || self.open_outlines() > 0;
        if is_exporting || self.session.as_ref().is_some_and(loses) {
            for command in [
                egui::ViewportCommand::CancelClose,
                egui::ViewportCommand::Minimized(false),
                egui::ViewportCommand::Focus,
            ] {
                ctx.send_viewport_cmd(command);
            }
            self.leave(Leaving::Window);
        }
    }

    /// Whether every edit of the open study is in its journal.
    pub(super) fn kept(&self) -> Kept {
        match self.session.as_ref().and_then(Session::unsaved) {
            None => Kept::All,
            Some(unsaved) => Kept::NotAll(unsaved.changes),
        }
    }

    /// Ends the open session; its work can be resumed.
    pub(super) fn close_session(&mut self) {
        self.remember_preferences();
        self.session_number += 1;
        OF_THE_STUDY.iter().for_each(|key| self.jobs.cancel_for(key));
        if let Some(gpu) = &self.gpu {
            gpu.forget_patient();
        }
        self.state.overlay = None;
        self.state.naming = None;
        self.state.views = None;
        self.desk.second = None;
        self.desk.second_series = None;
        self.desk.dose = None;
        self.desk.open_dose = None;
        self.desk.doses.clear();
        self.desk.reference = None;
        if let Some(session) = self.session.take()
            && let Err(error) = session.close()
        {
            self.state.toasts.error("The last edits could not be written to disk.", Some(error.to_string()));
        }
    }

    /// Waits for an export and for the journal and ends the session; the work can be resumed.
    pub fn close_all(&mut self) {
        self.jobs.cancel_all_but(EXPORT);
        if let Some(ended) = self.jobs.wait_for(EXPORT) {
            self.after_export = None;
            self.ended(ended);
        }
        self.remember_preferences();
        if let Some(session) = self.session.take()
            && let Err(error) = session.close()
        {
            tracing::error!("{error}");
        }
    }
}
