//! What the window keeps between frames, in small pieces, none of it patient data.

use super::actions::Action;
use super::toasts::Toasts;
use super::views::ViewsState;
use crate::patient::{LabelMap, RoiId, Series};
use crate::session::jobs::JobId;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The five words: the way through the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// Choosing what to work on.
    Open,
    /// Letting a model contour.
    Propose,
    /// Correcting by hand.
    #[default]
    Correct,
    /// Looking for what is missing.
    Check,
    /// Writing the RTSTRUCT.
    Export,
}

impl Place {
    /// All five, in order.
    pub const ALL: [Self; 5] = [Self::Open, Self::Propose, Self::Correct, Self::Check, Self::Export];

    /// The action that leads there.
    #[must_use]
    pub fn action(self) -> Action {
        match self {
            Self::Open => Action::GoOpen,
            Self::Propose => Action::GoPropose,
            Self::Correct => Action::GoCorrect,
            Self::Check => Action::GoCheck,
            Self::Export => Action::GoExport,
        }
    }
}

/// What lies over the window.
#[derive(Debug, Clone, PartialEq)]
pub enum Overlay {
    /// Search (Ctrl K).
    Palette {
        /// What was typed.
        query: String,
        /// The row that Enter takes.
        row: usize,
    },
    /// The key sheet (F1).
    Keys,
    /// About.
    About,
    /// The series to choose from.
    Series,
    /// The list of steps.
    History,
    /// Accept all: asked once.
    AcceptAll,
    /// Replace an existing file.
    Replace(PathBuf),
    /// Delete a structure that has contours.
    Delete(RoiId),
    /// Go on with earlier work on the images just read: what it is.
    Resume(String),
    /// Edits would be lost if the study were left now.
    Unsaved {
        /// How many; 0 when that is not known.
        changes: usize,
        /// Why they are not on disk, and what to do: a sentence.
        why: String,
    },
}

/// What to do when edits would be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Bring them to disk again and leave when that succeeds.
    TryAgain,
    /// Leave without them.
    Anyway,
    /// Go on working.
    Stay,
}

/// A name being typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Naming {
    /// The structure to rename; `None` adds one.
    pub roi: Option<RoiId>,
    /// The text so far.
    pub text: String,
    /// The completion that Enter takes, if one was chosen with the arrow keys.
    pub choice: Option<usize>,
    /// Whether the field has been given the keyboard.
    pub focused: bool,
}

/// Whether a side panel is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fold {
    /// Shown where there is room for it, or where the place needs it.
    #[default]
    Auto,
    /// Shown.
    Open,
    /// Folded away.
    Closed,
}

/// A path field with its text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PathField {
    /// What is typed.
    pub text: String,
    /// Whether it should get the keyboard in the next frame.
    pub wants_focus: bool,
    /// Why the field is needed ("No file chooser answered").
    pub hint: Option<String>,
}

/// Everything the window keeps.
#[derive(Debug, Default)]
pub struct WindowState {
    /// The views of the open series; `None` on the start screen.
    pub views: Option<ViewsState>,
    /// Where in the work.
    pub place: Place,
    /// The structure panel.
    pub structures: Fold,
    /// The inspector.
    pub inspector: Fold,
    /// What lies over the window.
    pub overlay: Option<Overlay>,
    /// Messages.
    pub toasts: Toasts,
    /// A name being typed.
    pub naming: Option<Naming>,
    /// The path to open.
    pub open_path: PathField,
    /// The path to export to.
    pub export_path: PathField,
    /// The model chosen in the Propose panel.
    pub model: Option<String>,
    /// The recipe being written in the Correct panel.
    pub recipe: RecipeForm,
    /// The groups of the structure list that are folded.
    pub folded_groups: Vec<&'static str>,
}

/// A recipe being written: the controls of the form and the text they make.
#[derive(Debug, Clone, PartialEq)]
pub struct RecipeForm {
    /// The operation's place in the form's list.
    pub kind: usize,
    /// Left, right, anterior, posterior, superior, inferior, mm.
    pub margin_mm: [f64; 6],
    /// Whether all six are one.
    pub linked: bool,
    /// The distances of walls, rings and shapes, mm.
    pub pair_mm: [f64; 2],
    /// How many slices the ends are extended by.
    pub slices: usize,
    /// The second structure.
    pub other: Option<crate::patient::RoiId>,
    /// The recipe as text.
    pub text: String,
    /// The structure that the text was made for.
    pub made_for: Option<crate::patient::RoiId>,
    /// Whether the result becomes a structure of its own.
    pub into_new: bool,
    /// The new structure's name.
    pub name: String,
    /// Whether the structure keeps the recipe.
    pub keep: bool,
    /// Whether the text wants the keyboard.
    pub wants_focus: bool,
}

impl Default for RecipeForm {
    fn default() -> Self {
        Self {
            kind: 0,
            margin_mm: [5.0; 6],
            linked: true,
            pair_mm: [2.0, 3.0],
            slices: 1,
            other: None,
            text: String::new(),
            made_for: None,
            into_new: true,
            name: String::new(),
            keep: true,
            wants_focus: false,
        }
    }
}

/// A model that can be asked for proposals.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelLine {
    /// What the command line calls it.
    pub id: String,
    /// Its name for a person.
    pub title: String,
    /// What it contours.
    pub organs: Vec<String>,
    /// What the person should know first: training data, what it is not for.
    pub note: String,
}

/// A running job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobLine {
    /// Identity, to cancel it.
    pub id: JobId,
    /// What it is.
    pub title: String,
    /// The step now running.
    pub step: String,
    /// 0 to 1.
    pub fraction: f64,
    /// The time left, where known.
    pub time_left: Option<Duration>,
    /// Whether it can be stopped.
    pub can_cancel: bool,
}

/// A series that was found, for the chooser.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesLine {
    /// The patient's name as stored.
    pub patient: String,
    /// Patient ID.
    pub patient_id: String,
    /// Study date as stored and description.
    pub study: String,
    /// Modality code.
    pub modality: String,
    /// Series description.
    pub description: String,
    /// Number of slices.
    pub slices: usize,
    /// Whether it shares the frame of reference with the open series.
    pub can_be_second: bool,
}

/// Earlier work that can be resumed.
#[derive(Debug, Clone, PartialEq)]
pub struct ResumeLine {
    /// Whose.
    pub patient: String,
    /// Which series, and what was done.
    pub summary: String,
}

/// What lies around the open series; filled by `app` before each frame.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    /// The series that were found. Stacks of one series (orientations, echoes) have its UID in
    /// common: they are told apart by their place in this list.
    pub series: Vec<SeriesLine>,
    /// Which of them is open.
    pub open_series: Option<usize>,
    /// Which of them is the second series.
    pub second_series: Option<usize>,
    /// The structure sets found for the open series.
    pub structure_sets: Vec<PathBuf>,
    /// What the reader warned of.
    pub warnings: Vec<String>,
    /// The second series, when one is shown.
    pub second: Option<Arc<Series>>,
    /// The models.
    pub models: Vec<ModelLine>,
    /// The jobs now running.
    pub jobs: Vec<JobLine>,
    /// Earlier work.
    pub resume: Vec<ResumeLine>,
    /// What draws and computes ("NVIDIA RTX A2000, Vulkan").
    pub device: String,
    /// Whether a software driver draws the pictures.
    pub software_pictures: bool,
    /// What a model would run on.
    pub model_device: String,
    /// Whether changes wait to be written to disk.
    pub unsynced: bool,
    /// What is where in the sample patient, so that hovering names it.
    pub reference: Option<Arc<LabelMap>>,
    /// Where the last export went.
    pub exported_to: Option<PathBuf>,
}
