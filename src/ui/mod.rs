//! The window: the only floor that knows egui.
//!
//! Views and panels read an immutable [`Context`] and the small pieces of [`WindowState`]; what
//! they want done they put into an [`Outbox`] as [`Request`]s, which `app` carries out after the
//! frame. Every action a person can take is a row of [`actions::TABLE`].

pub mod actions;
pub mod icons;
pub mod keymap;
pub mod markdown;
pub mod nomenclature;
pub mod panels;
pub mod state;
pub mod theme;
pub mod toasts;
pub mod views;
pub mod widgets;

mod layout;
mod paint;

pub use layout::window_ui;
pub use paint::GpuViews;
pub use panels::{already_there, default_series};

use crate::patient::RoiId;
use crate::session::derive::Order;
use crate::session::jobs::JobId;
use crate::session::{Command, Session};
use actions::Action;
use state::{Desk, Leave, TrainingPath, WindowState};
use std::path::PathBuf;

/// What every view and panel may read.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The open series with its structures; `None` on the start screen.
    pub session: Option<&'a Session>,
    /// What lies around the open series: other series, models, running jobs, recent work.
    pub desk: &'a Desk,
}

/// What a view or panel wants done.
#[derive(Debug, Clone)]
pub enum Request {
    /// An action of the table.
    Act(Action),
    /// A change of the structure set.
    Apply(Command),
    /// Make structures by recipes, as one step.
    Derive {
        /// The name of the step.
        gesture: String,
        /// The recipes and where their results go.
        orders: Vec<Order>,
    },
    /// Make a structure of each piece of this one.
    Split(RoiId),
    /// Make derived structures again that are out of date, and these even if edited by hand.
    UpdateDerived(Vec<RoiId>),
    /// Makes an ROI the one that the tools edit.
    Select(Option<RoiId>),
    /// Take back (negative) or do again (positive) so many steps.
    Step(i32),
    /// Read these files and folders.
    Open(Vec<PathBuf>),
    /// Ask the system for a folder to open.
    PickFolder,
    /// Ask the system for files to open.
    PickFiles,
    /// Ask the system where to export to.
    PickExport,
    /// Show another series of what was read, by its place in [`Desk::series`].
    ShowSeries(usize),
    /// Use a series as the second one, by its place in [`Desk::series`].
    ShowSecond(usize),
    /// Go on with earlier work, by its place in the list of the start screen.
    Resume(usize),
    /// The answer to whether earlier work on the images just read should be gone on with.
    ResumeFound(bool),
    /// The answer to whether to leave the open study although edits would be lost.
    Leave(Leave),
    /// Read a structure set that was found beside the scan.
    ReadStructures(PathBuf),
    /// Read a dose that was found beside the scan, to outline its levels.
    ReadDose(PathBuf),
    /// Let a model contour what is chosen; its card is shown before its first use.
    Propose(String),
    /// Show a model's card.
    ShowCard(String),
    /// A model's card was read: use it.
    UseModel(String),
    /// Fetch a model of the catalogue.
    Fetch(String),
    /// The person has read why a model could not be fetched.
    ForgetProblem(String),
    /// Import a model from a folder or archive.
    ImportModel(PathBuf),
    /// Import the models that were there already when the last import came upon them: beside those, or
    /// in their place.
    ImportAgain {
        /// Whether both are kept.
        beside: bool,
    },
    /// Ask the system for a folder to import a model from.
    PickModelFolder,
    /// Ask the system for an archive to import a model from.
    PickModelArchive,
    /// Remove a model.
    RemoveModel(String),
    /// Remove a model's folder that cannot be used.
    RemoveUnusable(PathBuf),
    /// Write the accepted structures.
    Export {
        /// Where to.
        path: PathBuf,
        /// Whether an existing file may be replaced.
        replace: bool,
    },
    /// Train a model as the form says.
    Train,
    /// Ask the system for a path of the training's form.
    PickTraining(TrainingPath),
    /// Stop a running job.
    Cancel(JobId),
    /// Tell the person something.
    Notice(String),
}

/// What was asked for in one frame, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    requests: Vec<Request>,
}

impl Outbox {
    /// Asks for `request`.
    pub fn send(&mut self, request: Request) {
        self.requests.push(request);
    }

    /// Asks for an action of the table.
    pub fn act(&mut self, action: Action) {
        self.send(Request::Act(action));
    }

    /// Asks for a change of the structure set.
    pub fn apply(&mut self, command: Command) {
        self.send(Request::Apply(command));
    }

    /// Hands over what was asked for.
    #[must_use]
    pub fn take(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }
}

/// A panel: what it reads, what it keeps, where it asks.
pub struct Scope<'a> {
    /// What it reads.
    pub context: Context<'a>,
    /// What the window keeps.
    pub state: &'a mut WindowState,
    /// Where it asks.
    pub outbox: &'a mut Outbox,
}
