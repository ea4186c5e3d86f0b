//! What the window keeps between frames, in small pieces, none of it patient data.

use super::actions::Action;
use super::keymap::{KeyMap, KeyProblem};
use super::markdown::Document;
use super::toasts::Toasts;
use super::views::ViewsState;
use crate::edit::recipe::Recipe;
use crate::patient::{BodyRegion, Dose, LabelMap, RoiId, Series};
use crate::session::jobs::JobId;
use crate::session::suggestion::Fit;
use crate::session::templates::Template;
use crate::tools::lessons::{Lesson, Taught, lesson};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

mod importing;
mod training;

pub use importing::HandOver;
pub use training::{TrainingAhead, TrainingForm, TrainingLine, TrainingPath};

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
    /// The tools in pictures (Shift F1).
    ToolPictures,
    /// About.
    About,
    /// Training a model.
    Training,
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
    /// The models there are, and those that can be fetched.
    Models,
    /// A model's card.
    Card(Arc<Card>),
    /// Get a model whose licence forbids something.
    GetModel {
        /// Its id.
        id: String,
        /// Whether it was asked for in the list of models.
        from_models: bool,
    },
    /// Remove a model: its id.
    RemoveModel(String),
    /// Remove a model's folder that cannot be used.
    RemoveUnusable(PathBuf),
    /// Go on with earlier work on the images just read: what it is.
    Resume(String),
    /// Edits would be lost if the study were left now.
    Unsaved {
        /// How many; 0 when that is not known.
        changes: usize,
        /// Why they are not on disk, and what to do: a sentence.
        why: String,
    },
    /// Outlines drawn by clicks would be lost: so many are not closed.
    OpenOutlines(usize),
}

impl Overlay {
    /// What is there again when it is closed: what was opened from the models leads back to them.
    #[must_use]
    pub fn below(&self) -> Option<Self> {
        match self {
            Self::Card(card) if card.from_models => Some(Self::Models),
            Self::GetModel { from_models, .. } => from_models.then_some(Self::Models),
            Self::RemoveModel(_) | Self::RemoveUnusable(_) => Some(Self::Models),
            _ => None,
        }
    }
}

/// A model's card, as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The model's id.
    pub model: String,
    /// The card.
    pub document: Document,
    /// Whether the model waits to be run: the card is read before its first use.
    pub before_use: bool,
    /// Whether it was opened from the list of models.
    pub from_models: bool,
}

/// What to do when edits, or outlines that are not closed, would be lost.
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

/// What is being changed on the key sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeySheet {
    /// Whether keys can be changed.
    pub changing: bool,
    /// The action that waits for its key to be pressed.
    pub waiting: Option<Action>,
    /// The key that was pressed for an action and cannot be its own, with the reason.
    pub problem: Option<(Action, egui::KeyboardShortcut, KeyProblem)>,
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
    /// Whether the structures go out on the slices of the second series, where there is one.
    pub export_onto_second: bool,
    /// What is set in the Propose panel.
    pub propose: ProposeState,
    /// The model folder or archive to import.
    pub import_path: PathField,
    /// How images are handed over to the model to import.
    pub import_as: HandOver,
    /// Where models are fetched from instead of their publishers; empty for those.
    pub model_source: String,
    /// What the catalogue of models is searched for.
    pub model_search: String,
    /// What is filled in for a training.
    pub training: TrainingForm,
    /// The recipe being written in the Correct panel.
    pub recipe: RecipeForm,
    /// The keys that the person has changed.
    pub keys: KeyMap,
    /// What is being changed on the key sheet.
    pub key_sheet: KeySheet,
    /// The groups of the structure list that are folded.
    pub folded_groups: Vec<&'static str>,
    /// What the pictures of the tools are drawn from.
    pub lessons: ToolLessons,
}

/// The tools' lessons, performed when they are first looked at, on a thread of their own.
#[derive(Debug, Default)]
pub struct ToolLessons {
    done: Arc<OnceLock<Vec<Lesson>>>,
    started: bool,
}

impl ToolLessons {
    /// The lessons; `None` until they are done, `wake` is called then.
    pub fn get(&mut self, wake: impl FnOnce() + Send + 'static) -> Option<&[Lesson]> {
        if !self.started {
            self.started = true;
            let done = Arc::clone(&self.done);
            let perform = move || {
                let _ = done.set(Taught::ALL.into_iter().filter_map(lesson).collect());
                wake();
            };
            if let Err(error) = std::thread::Builder::new().name("lessons".to_owned()).spawn(perform) {
                tracing::warn!("the tools' pictures are not drawn: {error}");
            }
        }
        self.done.get().map(Vec::as_slice)
    }
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
    /// The volume below which pieces are removed, cubic centimetres.
    pub least_cc: f64,
    /// How many points are to be left.
    pub points: usize,
    /// Other structures that the same is done to.
    pub also: BTreeSet<RoiId>,
    /// Whether what it would make is shown dashed.
    pub shows_preview: bool,
    /// What is to be shown dashed in this frame; the form asks anew in each.
    pub wanted: Option<Vec<Recipe>>,
    /// What the preview told last: of each structure its volume now and then and its points then, or
    /// why there is none.
    pub told: Option<Result<Vec<PreviewLine>, String>>,
}

/// What a preview tells of one structure.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewLine {
    /// The volume of the source, cubic centimetres.
    pub source_cc: f64,
    /// The volume of what would be made, cubic centimetres.
    pub made_cc: f64,
    /// The points of what would be made.
    pub points: usize,
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
            least_cc: 0.5,
            points: 1000,
            also: BTreeSet::new(),
            shows_preview: false,
            wanted: None,
            told: None,
        }
    }
}

/// What is set in the Propose panel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProposeState {
    /// The model chosen.
    pub model: Option<String>,
    /// The organs that each model is asked for; all of one that is not named here.
    pub organs: BTreeMap<String, Vec<String>>,
    /// The person's own sets of organs.
    pub templates: Vec<Template>,
    /// Whether the models are unfolded while proposals wait, which are what is to be done next.
    pub shows_models: bool,
    /// What models remarked of their last proposals.
    pub remarks: Vec<Remark>,
    /// Whether proposals have come that have not been shown yet.
    pub arrived: bool,
    /// The proposal that the list has gone to.
    pub gone_to: Option<RoiId>,
    /// Whether the list of organs is unfolded.
    pub shows_organs: bool,
    /// What the list of organs is searched for.
    pub search: String,
    /// The name of a template being typed.
    pub naming: Option<String>,
    /// The series that a person has chosen for a model's channel, by its place in [`Desk::series`].
    pub channels: BTreeMap<(String, usize), usize>,
}

/// What a model remarked of its proposals, which stays with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The model and its version, as the proposals name it.
    pub model: String,
    /// The sentence, a long list's beginning alone.
    pub short: String,
    /// The whole sentence.
    pub whole: String,
}

impl ProposeState {
    /// The organs that a model is asked for, in its order.
    #[must_use]
    pub fn chosen<'a>(&self, model: &'a ModelLine) -> Vec<&'a str> {
        let kept = self.organs.get(&model.id);
        let is_kept = |organ: &&String| kept.is_none_or(|kept| kept.contains(organ));
        model.organs.iter().filter(is_kept).map(String::as_str).collect()
    }

    /// The chosen organs as a run is told them: none named when all are chosen; `None` when none is.
    pub fn named(&self, model: &ModelLine) -> Option<Vec<String>> {
        let chosen = self.chosen(model);
        let all = chosen.len() == model.organs.len();
        let named = if all { Vec::new() } else { chosen.iter().map(|organ| (*organ).to_owned()).collect() };
        (!chosen.is_empty()).then_some(named)
    }

    /// Asks a model for these organs only; all of them is the same as none named.
    pub fn choose(&mut self, model: &ModelLine, organs: &BTreeSet<String>) {
        let kept: Vec<String> =
            model.organs.iter().filter(|organ| organs.contains(*organ)).cloned().collect();
        if kept.len() == model.organs.len() {
            self.organs.remove(&model.id);
        } else {
            self.organs.insert(model.id.clone(), kept);
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
    /// Its version.
    pub version: String,
    /// The DICOM code of the images it is for; empty for any.
    pub modality: String,
    /// The same of each of its channels, of which the open series can be any.
    pub modalities: Vec<String>,
    /// What it contours.
    pub organs: Vec<String>,
    /// What the person should know first: training data, what it is not for.
    pub note: String,
    /// Its licence.
    pub license: String,
    /// "shipped", "imported" or "built in".
    pub source: &'static str,
    /// The names of its input channels.
    pub channels: Vec<String>,
    /// Whether it has only seen synthetic anatomy.
    pub synthetic: bool,
    /// Whether it takes any values; others need Hounsfield units.
    pub any_values: bool,
    /// Whether a card belongs to it (the body outline needs none).
    pub has_card: bool,
    /// Whether it can be trained further here.
    pub trainable: bool,
    /// The id of the model that finds the region it looks at, where it needs one.
    pub crops_on: Option<String>,
    /// How it fits the open study.
    pub fit: Fit,
}

/// A model's folder that was found and cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableLine {
    /// Its folder's name, or the words for one of the program's own.
    pub name: String,
    /// Why, a sentence.
    pub why: String,
    /// The folder, where it can be removed.
    pub removable: Option<PathBuf>,
}

/// What the last import has left to read and to decide on; stays until the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// The training folder or archive.
    pub path: PathBuf,
    /// How images were to be handed over to its models.
    pub import_as: HandOver,
    /// How many models have come.
    pub came: usize,
    /// Why models of it were not imported, a sentence each.
    pub refused: Vec<String>,
    /// The ids of its models that are there already: replace them, or keep both?
    pub there: Vec<String>,
}

/// A model that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueLine {
    /// Its id.
    pub id: String,
    /// Its name for a person.
    pub title: String,
    /// One sentence about it.
    pub about: String,
    /// The DICOM code of the images it is for.
    pub modality: String,
    /// The parts of the body that it is for, from the head down; empty where nothing tells.
    pub regions: Vec<BodyRegion>,
    /// How it fits the open study.
    pub fit: Fit,
    /// Whether it is there for other models to crop on: too coarse to contour with.
    pub is_coarse: bool,
    /// The licence in a few words.
    pub license: String,
    /// A plain warning where the licence forbids something.
    pub license_warning: Option<String>,
    /// What is to be fetched, bytes; `None` where that is not known.
    pub bytes: Option<u64>,
    /// What an interrupted fetch has left, bytes.
    pub partial_bytes: u64,
    /// What it contours.
    pub organs: Vec<String>,
    /// Whether it is there.
    pub installed: bool,
    /// Why the last attempt failed; stays until closed.
    pub problem: Option<String>,
}

/// How long the chosen model will take.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Estimate {
    /// It is not known, and will not be before a first run.
    #[default]
    Unknown,
    /// One patch is being measured.
    Measuring,
    /// From so many passes of the network, and how long one takes.
    Known {
        /// Seconds in all.
        seconds: f64,
        /// Passes of the network.
        passes: u64,
        /// Whether an earlier run told how long one takes; otherwise one was measured.
        from_run: bool,
    },
}

/// A running job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobLine {
    /// Identity, to cancel it.
    pub id: JobId,
    /// What it is for ("model", "fetch head-neck").
    pub key: String,
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

/// A dose that was found, for the chooser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoseLine {
    /// The file.
    pub path: PathBuf,
    /// What it is ("Plan dose").
    pub title: String,
    /// Its size, or why it cannot be used.
    pub detail: String,
    /// Whether it can be read.
    pub is_usable: bool,
}

/// Earlier work that can be resumed.
#[derive(Debug, Clone, PartialEq)]
pub struct ResumeLine {
    /// Whose.
    pub patient: String,
    /// Which series, and what was done.
    pub summary: String,
}

/// What the processor is called where no graphics device runs models.
pub const PROCESSOR: &str = "the processor";

impl Desk {
    /// Whether models run on the processor.
    #[must_use]
    pub fn runs_on_processor(&self) -> bool {
        self.model_device.is_empty() || self.model_device == PROCESSOR
    }

    /// The model that another one needs and that is not on this machine; its id where nobody knows its
    /// title. `None` where there is none.
    #[must_use]
    pub fn lacks(&self, model: &ModelLine) -> Option<String> {
        let needed = self.needed(model);
        let id = needed.into_iter().find(|id| !self.models.iter().any(|own| own.id == **id))?;
        let known = self.catalogue.iter().find(|line| line.id == id);
        Some(known.map_or_else(|| id.to_owned(), |line| line.title.clone()))
    }

    /// The ids of the models that one needs to find its region, as far as they are known: what it crops on,
    /// and what that one crops on.
    #[must_use]
    pub fn needed<'a>(&'a self, model: &'a ModelLine) -> Vec<&'a str> {
        let mut all: Vec<&str> = Vec::new();
        let mut next = model.crops_on.as_deref();
        while let Some(id) = next.filter(|id| !all.contains(id)) {
            all.push(id);
            next = self.models.iter().find(|own| own.id == id).and_then(|own| own.crops_on.as_deref());
        }
        all
    }

    /// The models that could not run without the one of this id.
    #[must_use]
    pub fn dependants(&self, id: &str) -> Vec<&ModelLine> {
        self.models.iter().filter(|model| self.needed(model).contains(&id)).collect()
    }
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
    /// The doses found for the open series.
    pub doses: Vec<DoseLine>,
    /// The dose in use.
    pub dose: Option<Arc<Dose>>,
    /// Which of [`Self::doses`] that is.
    pub open_dose: Option<usize>,
    /// What the reader warned of.
    pub warnings: Vec<String>,
    /// The second series, when one is shown.
    pub second: Option<Arc<Series>>,
    /// The models, those that fit best first.
    pub models: Vec<ModelLine>,
    /// Whether the models have been looked for.
    pub models_known: bool,
    /// The models that can be fetched.
    pub catalogue: Vec<CatalogueLine>,
    /// The models that were found and cannot be used.
    pub unusable: Vec<UnusableLine>,
    /// What the last import has left to read and to decide on.
    pub import: ImportReport,
    /// The parts of the body seen in the open series; empty where that is not known.
    pub regions: Vec<BodyRegion>,
    /// How long the chosen model will take.
    pub estimate: Estimate,
    /// The memory that it will take at most, bytes, where it runs on the processor.
    pub memory_bytes: Option<u64>,
    /// The memory that networks kept from earlier runs take.
    pub kept_bytes: u64,
    /// The jobs now running.
    pub jobs: Vec<JobLine>,
    /// The training that runs, or the last one.
    pub training: Option<TrainingLine>,
    /// What the training that is filled in would do.
    pub training_ahead: TrainingAhead,
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
