//! What the window holds: the session, what was read around it, jobs, preferences.

use super::deriving;
use super::dialogs::Dialogs;
use super::exporting::Exported;
use super::leaving::{EXPORT, Leaving};
use super::models::{FoundModels, ImportEnd, ModelDesk, Shop};
use super::opening::edits_text;
use super::proposing::Proposed;
use super::reading::{OpenStudyFailure, Opened};
use super::training::{self, Foreseen, Watched};
use crate::ai::regions::SeenRegions;
use crate::ai::workload::Speed;
use crate::dicom::{Library, ReadDose, ReadRtstruct};
use crate::patient::Series;
use crate::session::jobs::{JobEnded, Jobs, Outcome};
use crate::session::preferences::{self, Preferences};
use crate::session::{self, Catalog, JournalStatus, Session};
use crate::ui::actions;
use crate::ui::keymap::{self, KeyMap};
use crate::ui::state::{Desk, JobLine, KeySheet, Overlay, ResumeLine, WindowState};
use crate::ui::{Context, GpuViews, Outbox, Scope};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a job of the window ends.
pub(super) enum Message {
    /// A scan was read.
    Opened(Result<Box<Opened>, OpenStudyFailure>),
    /// A second series was read: its place in the library.
    Second(usize, Result<Arc<Series>, String>),
    /// A structure set was read.
    Structures(PathBuf, Result<Box<ReadRtstruct>, String>),
    /// A dose was read.
    Dose(PathBuf, Result<Box<ReadDose>, String>),
    /// A model is done.
    Proposed(Result<Box<Proposed>, String>),
    /// A training has ended: where its package is, or why there is none.
    Trained(Result<training::Trained, String>),
    /// A recipe was carried out.
    Derived(Result<Box<session::Command>, String>),
    /// What recipes would make, of the preview of this number.
    Previewed(u64, Result<Vec<session::derive::Previewed>, String>),
    /// A file was written.
    Exported(Box<Exported>),
    /// The models that there are.
    Models(Box<FoundModels>),
    /// The parts of the body that the open series shows.
    Regions(SeenRegions),
    /// How fast the device runs a model, under this name of the preferences; `None` when it could not
    /// be measured.
    Measured { key: String, model: String, speed: Option<Speed> },
    /// A model was fetched: what to say, or why not.
    Fetched { id: String, result: Result<String, String> },
    /// An import has ended.
    Imported(Box<ImportEnd>),
    /// Models were removed: what to say, or why not.
    ModelsChanged(Result<String, String>),
    /// The journals that there are.
    Journals(Catalog),
    /// What belongs to the session of this number, and to no other.
    Of(u64, Box<Message>),
}

/// What was read around the open series.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// Everything that was found.
    pub library: Library,
    /// The files or folders that were opened.
    pub opened_from: Vec<PathBuf>,
}

/// The window's content, apart from its device.
pub struct Workstation {
    pub(super) session: Option<Session>,
    /// Grows whenever a session ends: what a job made for an earlier one is told by it.
    pub(super) session_number: u64,
    pub(super) around: Around,
    pub(super) state: WindowState,
    pub(super) desk: Desk,
    pub(super) jobs: Jobs<Message>,
    pub(super) preferences: Preferences,
    pub(super) data_folder: PathBuf,
    pub(super) catalog: Catalog,
    pub(super) models: ModelDesk,
    pub(super) shop: Shop,
    pub(super) dialogs: Dialogs,
    /// What the training tells.
    pub(super) training: Option<Watched>,
    /// What the training that is filled in would do.
    pub(super) foreseen: Foreseen,
    /// The session that the system's dialog was asked for a file for.
    pub(super) export_asked_for: u64,
    /// What waits until a running export has ended.
    pub(super) after_export: Option<Leaving>,
    /// What waits for the answer whether to leave although edits would be lost.
    pub(super) leaving: Option<Leaving>,
    /// Whether the window may close without a question.
    pub(super) may_close: bool,
    /// What was read and waits for the answer whether to resume earlier work on it.
    pub(super) pending_open: Option<Box<Opened>>,
    /// The preview of recipes that is shown or being worked out.
    pub(super) preview: deriving::Preview,
    pub(super) gpu: Option<GpuViews>,
    pub(super) ctx: Option<egui::Context>,
    outbox: Outbox,
    to_open: Vec<PathBuf>,
    journal_problem: Option<String>,
    /// Whether a text field had the keyboard when the last frame ended.
    was_typing: bool,
}

impl Workstation {
    /// A workstation that opens `paths` once its window is there.
    #[must_use]
    pub fn new(paths: &[PathBuf]) -> Self {
        Self::in_folder(paths, &preferences::data_folder())
    }

    /// The same, with journals and preferences in `data_folder`.
    #[must_use]
    pub fn in_folder(paths: &[PathBuf], data_folder: &Path) -> Self {
        let data_folder = data_folder.to_owned();
        let (preferences, notes) = Preferences::load(&data_folder);
        let mut state = WindowState::default();
        for note in notes {
            state.toasts.attention(note);
        }
        state.propose.organs.clone_from(&preferences.organs);
        state.propose.templates.clone_from(&preferences.templates);
        state.model_source.clone_from(&preferences.model_source);
        state.keys = KeyMap::from_stored(&preferences.keys);
        Self {
            session: None,
            session_number: 0,
            around: Around::default(),
            state,
            desk: Desk::default(),
            jobs: Jobs::default(),
            preferences,
            data_folder,
            catalog: Catalog::default(),
            models: ModelDesk::default(),
            shop: Shop::default(),
            dialogs: Dialogs::default(),
            training: None,
            foreseen: Foreseen::default(),
            export_asked_for: 0,
            after_export: None,
            leaving: None,
            may_close: false,
            pending_open: None,
            preview: deriving::Preview::default(),
            gpu: None,
            ctx: None,
            outbox: Outbox::default(),
            to_open: paths.to_vec(),
            journal_problem: None,
            was_typing: false,
        }
    }

    /// The open session.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// What draws the pictures, in words; empty without a graphics device.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.desk.device
    }

    /// Whether the models have been looked for.
    #[must_use]
    pub fn models_known(&self) -> bool {
        self.desk.models_known
    }

    /// The organs that a model would be asked for; none of one that is not there.
    #[must_use]
    pub fn chosen_organs(&self, model: &str) -> Vec<String> {
        let line = self.desk.models.iter().find(|line| line.id == model);
        line.map_or_else(Vec::new, |line| {
            self.state.propose.chosen(line).into_iter().map(str::to_owned).collect()
        })
    }

    /// How long the chosen model will take.
    #[must_use]
    pub fn estimate(&self) -> &crate::ui::state::Estimate {
        &self.desk.estimate
    }

    /// Puts models that are imported into this folder, in place of the person's own, and looks for models
    /// there too.
    pub fn import_into(&mut self, folder: &Path) {
        folder.clone_into(&mut self.shop.target);
        self.look_for_models();
    }

    /// Whether a job of this key runs.
    #[must_use]
    pub fn is_running(&self, key: &str) -> bool {
        self.jobs.running_for(key).is_some()
    }

    /// What the window keeps.
    #[must_use]
    pub fn state(&self) -> &WindowState {
        &self.state
    }

    /// Joins a window that was just opened, the first time and after a lost device.
    pub fn start(&mut self, ctx: &egui::Context, gpu: Option<GpuViews>) {
        self.desk.device = gpu.as_ref().map(GpuViews::device_name).unwrap_or_default();
        self.desk.software_pictures = gpu.as_ref().is_some_and(GpuViews::is_software);
        self.gpu = gpu;
        self.apply_preferences(ctx);
        if self.ctx.is_none() {
            let wake = ctx.clone();
            self.jobs = Jobs::new(move || wake.request_repaint());
            self.look_around();
            let paths = std::mem::take(&mut self.to_open);
            if !paths.is_empty() {
                self.open(paths, None);
            }
        }
        self.ctx = Some(ctx.clone());
    }

    /// Notes that the graphics device was lost, for the person and for what was cached for it.
    pub fn graphics_lost(&mut self) {
        crate::ai::engine::forget_device();
        self.gpu = None;
        if let Some(views) = self.state.views.as_mut() {
            views.graphics_lost();
        }
        self.state.toasts.attention(
            "The graphics device was lost and has been opened again. No edit was lost; pictures are being rebuilt.",
        );
    }

    /// Looks for models and journals, on threads of their own.
    pub(super) fn look_around(&mut self) {
        let folder = self.data_folder.clone();
        self.jobs.start("journals", "", move |_| Message::Journals(session::catalog(&folder)));
        self.look_for_models_first();
    }

    /// One frame: what came in, what is shown, what was asked for.
    pub fn frame(&mut self, ui: &mut egui::Ui) {
        for ended in self.jobs.poll() {
            self.ended(ended);
        }
        self.poll_dialogs();
        self.mind_the_close(ui.ctx());
        self.fill_desk();
        let dropped: Vec<PathBuf> =
            ui.input(|input| input.raw.dropped_files.iter().map(|file| file.path().to_owned()).collect());
        if !dropped.is_empty() {
            self.open(dropped, None);
        }
        keymap::use_map(&self.state.keys);
        // A key that is being chosen for an action asks for none.
        let is_choosing = self.state.overlay == Some(Overlay::Keys) && self.state.key_sheet.waiting.is_some();
        if !is_choosing {
            self.take_keys(ui.ctx());
        }
        self.peek(ui);
        self.state.recipe.wanted = None;
        let mut outbox = std::mem::take(&mut self.outbox);
        let mut scope = Scope {
            context: Context { session: self.session.as_ref(), desk: &self.desk },
            state: &mut self.state,
            outbox: &mut outbox,
        };
        crate::ui::window_ui(ui, &mut scope);
        let requests = outbox.take();
        self.outbox = outbox;
        if self.state.overlay != Some(Overlay::Keys) && self.state.key_sheet != KeySheet::default() {
            self.state.key_sheet = KeySheet::default();
            self.remember_preferences();
        }
        for request in requests {
            self.carry_out(request);
        }
        self.mind_the_preview();
        self.mind_the_number(ui.ctx());
        self.was_typing = ui.ctx().text_edit_focused();
        if let Some(failure) = self.gpu.as_ref().and_then(GpuViews::take_failure) {
            self.state.toasts.error("A picture could not be drawn.", Some(failure));
        }
        self.say_journal_status();
        self.title(ui.ctx());
        if self.jobs.running().iter().any(|job| !job.title.is_empty()) {
            // Where the processor draws, the work gets more of it than its progress bar.
            let pause_ms = if self.desk.software_pictures { 250 } else { 100 };
            ui.ctx().request_repaint_after(std::time::Duration::from_millis(pause_ms));
        }
    }

    /// Carries out what keys ask for, each where the pointer was when it was pressed. While a menu is open
    /// they are the menu's, and Esc first leaves a field that is typed in.
    fn take_keys(&mut self, ctx: &egui::Context) {
        if egui::Popup::is_any_open(ctx) {
            return;
        }
        let escape_is_taken = self.was_typing && self.state.overlay.is_none() && self.state.naming.is_none();
        let over = match (self.state.overlay.is_some(), self.is_in_stroke()) {
            (true, _) => actions::Over::Card,
            (false, true) => actions::Over::Stroke,
            (false, false) => actions::Over::Window,
        };
        let will_type = crate::ui::panels::waits_for_number(ctx);
        let pressed = actions::pressed(ctx, over, escape_is_taken, will_type);
        for actions::Pressed { action, pointer } in pressed {
            let is_free = |at: &egui::Pos2| {
                ctx.layer_id_at(*at).is_none_or(|layer| layer.order == egui::Order::Background)
            };
            if let (Some(at), Some(views)) = (pointer.filter(is_free), self.state.views.as_mut()) {
                views.point_at(at);
            }
            self.act(action);
        }
    }

    fn title(&self, ctx: &egui::Context) {
        let title = match &self.session {
            Some(session) => {
                let name = crate::ui::widgets::person_name(&session.series().info.patient.name);
                // Seen in the task bar while a model runs behind another window.
                match session.proposals().count() {
                    0 => format!("Delineo · {name}"),
                    1 => format!("Delineo · {name} · 1 proposal"),
                    count => format!("Delineo · {name} · {count} proposals"),
                }
            }
            None => "Delineo".to_owned(),
        };
        let key = egui::Id::unique("title");
        let shown = ctx.data(|data| data.get_temp::<String>(key));
        if shown.as_ref() != Some(&title) {
            ctx.data_mut(|data| data.insert_temp(key, title.clone()));
            ctx.send_viewport_cmd(egui::ViewportCommand::Title(title));
        }
    }

    /// Space, held, looks without overlays.
    fn peek(&mut self, ui: &egui::Ui) {
        let held = ui.input(|input| input.key_down(egui::Key::Space));
        let typing = ui.ctx().text_edit_focused();
        let on_control = ui.memory(|memory| memory.focused().is_some());
        if let Some(views) = self.state.views.as_mut() {
            views.display.peek = held && !typing && !on_control && self.state.overlay.is_none();
        }
    }

    fn say_journal_status(&mut self) {
        let Some(session) = &self.session else { return };
        let problem = match session.journal_status() {
            JournalStatus::Failing(why) | JournalStatus::Off(why) => Some(why),
            JournalStatus::Saved | JournalStatus::Saving => None,
        };
        if problem != self.journal_problem {
            if let Some(why) = &problem {
                self.state.toasts.error("Edits cannot be kept on disk at the moment.", Some(why.clone()));
            }
            self.journal_problem = problem;
        }
    }

    /// Notes where the graphics memory holds less than all of a volume.
    fn note_resolution(&mut self) {
        let (Some(gpu), Some(session), Some(views)) = (&self.gpu, &self.session, self.state.views.as_mut())
        else {
            return;
        };
        views.display.stride = gpu.stride_of(&session.series().volume);
        let second = self.desk.second.as_ref();
        views.display.fusion.stride = second.map_or(1, |second| gpu.stride_of(&second.volume));
    }

    fn fill_desk(&mut self) {
        self.note_resolution();
        self.desk.jobs = self
            .jobs
            .running()
            .iter()
            .filter(|job| !job.title.is_empty())
            .map(|job| JobLine {
                id: job.id,
                key: job.key.clone(),
                title: job.title.clone(),
                step: job.progress.step(),
                fraction: job.progress.fraction(),
                time_left: job.progress.time_left(),
                can_cancel: !job.progress.is_cancelled(),
            })
            .collect();
        self.estimate_time();
        self.watch_training();
        let status = self.session.as_ref().map(Session::journal_status);
        self.desk.unsynced = status == Some(JournalStatus::Saving);
    }

    pub(super) fn ended(&mut self, ended: JobEnded<Message>) {
        let message = match ended.outcome {
            // Whether a file was written is said in any case.
            Outcome::Finished(message)
            // A training that is stopped has saved what it learnt, and tells where it goes on.
            | Outcome::Cancelled(message @ (Message::Exported(_) | Message::Trained(Ok(_)))) => message,
            Outcome::Cancelled(message) => {
                if matches!(message, Message::Trained(_)) {
                    self.training_gave_up();
                }
                if !ended.job.title.is_empty() {
                    self.state.toasts.plain(format!("{}: stopped.", ended.job.title));
                }
                if ended.job.key.starts_with("fetch ") {
                    // How much of it has come.
                    self.look_for_models();
                }
                return;
            }
            Outcome::Crashed(why) => {
                self.state
                    .toasts
                    .error("Something went wrong inside Delineo. Your edits are safe.", Some(why));
                if ended.job.key == EXPORT {
                    self.leave_after_export(false);
                }
                return;
            }
        };
        self.take_in(message);
    }

    fn take_in(&mut self, message: Message) {
        match message {
            Message::Of(session, message) if session == self.session_number => self.take_in(*message),
            Message::Of(..) => {
                tracing::info!("a job ended after its study was closed; its result was dropped");
            }
            Message::Opened(result) => self.opened(result),
            Message::Second(chosen, result) => self.second_read(chosen, result),
            Message::Structures(path, result) => self.structures_read(&path, result),
            Message::Dose(path, result) => self.dose_read(&path, result),
            Message::Proposed(result) => self.proposed(result),
            Message::Trained(result) => self.trained(result),
            Message::Derived(result) => self.derived(result),
            Message::Previewed(number, result) => self.previewed(number, result),
            Message::Exported(exported) => self.exported(*exported),
            Message::Models(found) => self.models_found(*found),
            Message::Regions(seen) => self.regions_seen(seen),
            Message::Measured { key, model, speed } => self.measured(key, &model, speed),
            Message::Fetched { id, result } => self.fetched(&id, result),
            Message::Imported(end) => self.imported(*end),
            Message::ModelsChanged(result) => self.models_changed(result),
            Message::Journals(catalog) => {
                self.desk.resume = catalog.resumable.iter().map(resume_line).collect();
                self.catalog = catalog;
            }
        }
    }
}

fn resume_line(found: &session::Resumable) -> ResumeLine {
    let subject = &found.subject;
    let edits = edits_text(found);
    let when = found.updated.get(..16).unwrap_or(&found.updated).replace('T', " ");
    ResumeLine {
        patient: if subject.patient_name.is_empty() {
            "unnamed patient".to_owned()
        } else {
            subject.patient_name.clone()
        },
        summary: format!("{} · ID {} · {edits} · {when} UTC", subject.series, subject.patient_id),
    }
}
