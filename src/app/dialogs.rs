//! The system's file dialogs, on a thread of their own.
//!
//! Where no desktop portal answers, the dialog ends at once without a choice; the window then gives
//! the keyboard to its own path field.

use crate::ui::state::TrainingPath;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A folder to open.
    Folder,
    /// Files to open.
    Files,
    /// A file to export to.
    Export,
    /// A folder to import a model from.
    ModelFolder,
    /// An archive to import a model from.
    ModelArchive,
    /// A path of the training's form.
    Training(TrainingPath),
}

/// What the dialog gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// These paths, at least one.
    Chosen(Vec<PathBuf>),
    /// The person closed it.
    Dismissed,
    /// No dialog came up.
    NoDialog,
}

/// A dialog that ends sooner than this was never seen by a person.
const UNSEEN: Duration = Duration::from_millis(400);

/// The dialog that is open, if any.
#[derive(Debug, Default)]
pub struct Dialogs {
    open: Option<(Wanted, Receiver<Answer>)>,
}

impl Dialogs {
    /// Opens a dialog; nothing while one is open. `wake` is called when it ends.
    pub fn ask(&mut self, wanted: Wanted, suggested: Option<PathBuf>, wake: impl Fn() + Send + 'static) {
        if self.open.is_some() {
            return;
        }
        let (sender, receiver) = mpsc::channel();
        let started = std::thread::Builder::new().name("file dialog".into()).spawn(move || {
            let _ = sender.send(show(wanted, suggested));
            wake();
        });
        if started.is_ok() {
            self.open = Some((wanted, receiver));
        }
    }

    /// Whether a dialog is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The answer, once.
    pub fn poll(&mut self) -> Option<(Wanted, Answer)> {
        let (wanted, receiver) = self.open.as_ref()?;
        let answer = match receiver.try_recv() {
            Ok(answer) => answer,
            Err(mpsc::TryRecvError::Empty) => return None,
            Err(mpsc::TryRecvError::Disconnected) => Answer::NoDialog,
        };
        let wanted = *wanted;
        self.open = None;
        Some((wanted, answer))
    }
}

fn show(wanted: Wanted, suggested: Option<PathBuf>) -> Answer {
    let started = Instant::now();
    let dialog = rfd::AsyncFileDialog::new();
    let paths: Vec<PathBuf> = match wanted {
        Wanted::Folder | Wanted::ModelFolder => {
            let title = if wanted == Wanted::Folder { "Open folder" } else { "Import a model" };
            let folder = pollster::block_on(dialog.set_title(title).pick_folder());
            folder.into_iter().map(|f| f.path().to_owned()).collect()
        }
        Wanted::ModelArchive => {
            let dialog = dialog.set_title("Import a model").add_filter("ZIP archive", &["zip"]);
            pollster::block_on(dialog.pick_file()).into_iter().map(|f| f.path().to_owned()).collect()
        }
        Wanted::Training(TrainingPath::Recipe) => {
            let dialog = dialog.set_title("Choose a recipe").add_filter("Recipe", &["toml"]);
            pollster::block_on(dialog.pick_file()).into_iter().map(|f| f.path().to_owned()).collect()
        }
        Wanted::Training(TrainingPath::Data | TrainingPath::Out) => {
            let dialog = dialog.set_title("Choose a folder");
            pollster::block_on(dialog.pick_folder()).into_iter().map(|f| f.path().to_owned()).collect()
        }
        Wanted::Files => {
            let files = pollster::block_on(dialog.set_title("Open files").pick_files());
            files.into_iter().flatten().map(|f| f.path().to_owned()).collect()
        }
        Wanted::Export => {
            let mut dialog = dialog.set_title("Export RTSTRUCT").add_filter("RTSTRUCT", &["dcm"]);
            if let Some(suggested) = suggested {
                if let Some(folder) = suggested.parent().filter(|folder| folder.is_dir()) {
                    dialog = dialog.set_directory(folder);
                }
                if let Some(name) = suggested.file_name() {
                    dialog = dialog.set_file_name(name.to_string_lossy());
                }
            }
            pollster::block_on(dialog.save_file()).into_iter().map(|f| f.path().to_owned()).collect()
        }
    };
    match (paths.is_empty(), started.elapsed() < UNSEEN) {
        (false, _) => Answer::Chosen(paths),
        (true, true) => Answer::NoDialog,
        (true, false) => Answer::Dismissed,
    }
}
