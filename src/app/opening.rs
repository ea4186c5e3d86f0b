//! Reading scans and structure sets into the window.

use super::Workstation;
use super::leaving::Leaving;
use super::reading::{OpenStudyFailure, Opened, build_sample, found, opened_on, read};
use super::workstation::{Around, Message};
use crate::dicom::{Library, ReadRtstruct, SeriesEntry, read_rtstruct};
use crate::patient::Series;
use crate::session::study::Study;
use crate::session::{Command, Resumable, Session};
use crate::ui::state::{Overlay, Place, SeriesLine};
use crate::ui::views::ViewsState;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Workstation {
    /// Reads files and folders on a thread and shows them in place of what is open; `resume` names a
    /// journal to go on with.
    pub fn open(&mut self, paths: Vec<PathBuf>, resume: Option<Resumable>) {
        self.state.open_path.hint = None;
        let title = match paths.as_slice() {
            [one] => format!(
                "Reading {}",
                one.file_name()
                    .map_or_else(|| one.display().to_string(), |name| name.to_string_lossy().into_owned())
            ),
            many => format!("Reading {} files", many.len()),
        };
        let (data_folder, gpu) = (self.data_folder.clone(), self.gpu.clone());
        self.jobs.start("open", title, move |progress| {
            opened_on(gpu.as_ref(), read(paths, resume, &data_folder, progress))
        });
    }

    /// Builds the sample patient on a thread.
    pub(super) fn open_sample(&mut self, resume: Option<Resumable>) {
        let (data_folder, gpu) = (self.data_folder.clone(), self.gpu.clone());
        self.jobs.start("open", "Building the sample patient", move |progress| {
            opened_on(gpu.as_ref(), build_sample(resume, &data_folder, progress))
        });
    }

    /// Goes on with entry `index` of the start screen's list.
    pub(super) fn resume(&mut self, index: usize) {
        let Some(found) = self.catalog.resumable.get(index).cloned() else { return };
        if found.subject.synthetic && found.subject.opened_from.is_empty() {
            self.open_sample(Some(found));
        } else {
            self.open(found.subject.opened_from.clone(), Some(found));
        }
    }

    /// Shows another series of what was read.
    pub(super) fn show_series(&mut self, chosen: usize) {
        let library = self.around.library.clone();
        let Some(entry) = library.series.get(chosen) else { return };
        let opened_from = self.around.opened_from.clone();
        let title = format!("Reading {}", series_title(entry));
        let (data_folder, gpu) = (self.data_folder.clone(), self.gpu.clone());
        self.state.overlay = None;
        self.jobs.start("open", title, move |progress| {
            let read = Study::open_entry(library, chosen, None, progress)
                .map(|study| found(study, opened_from, None, &data_folder))
                .map_err(|error| OpenStudyFailure::Other(error.to_string()));
            opened_on(gpu.as_ref(), read)
        });
    }

    /// Reads a series to show with the open one.
    pub(super) fn show_second(&mut self, chosen: usize) {
        let Some(entry) = self.around.library.series.get(chosen).cloned() else { return };
        self.state.overlay = None;
        let gpu = self.gpu.clone();
        self.start_for_session("second", format!("Reading {}", series_title(&entry)), move |progress| {
            let read = crate::dicom::read_series(&entry, progress);
            if let (Some(gpu), Ok(read)) = (&gpu, &read) {
                gpu.preload(&read.series.volume);
            }
            let read = read.map(|read| Arc::new(read.series)).map_err(|error| error.to_string());
            Message::Second(chosen, read)
        });
    }

    /// Reads a structure set for the open scan.
    pub(super) fn read_structures(&mut self, path: PathBuf) {
        let Some(session) = &self.session else { return };
        let series = Arc::clone(session.series());
        self.start_for_session("structures", "Reading structures".to_owned(), move |_| {
            let read = read_rtstruct(&path, Some(&series)).map(Box::new).map_err(|error| error.to_string());
            Message::Structures(path, read)
        });
    }

    pub(super) fn opened(&mut self, result: Result<Box<Opened>, OpenStudyFailure>) {
        match result {
            Ok(opened) => {
                if opened.changed {
                    let text = "The images have changed since the earlier work on them. It cannot be gone on with, and is left as it is.";
                    self.state.toasts.error(text, None);
                }
                match &opened.earlier {
                    Some(found) if !opened.resume => {
                        let last = found.updated.get(..10).unwrap_or(&found.updated);
                        let summary = format!("{}, last on {last}", edits_text(found));
                        self.state.overlay = Some(Overlay::Resume(summary));
                        self.pending_open = Some(opened);
                    }
                    _ => self.leave(Leaving::For(opened)),
                }
            }
            Err(OpenStudyFailure::OnlyBeside { structure_sets, doses })
                if structure_sets.is_empty() && doses.is_empty() =>
            {
                let text =
                    "There are no images, structure sets or doses here. Open the folder with the scan.";
                self.state.toasts.error(text, None);
            }
            Err(OpenStudyFailure::OnlyBeside { structure_sets, doses }) if self.session.is_some() => {
                structure_sets.into_iter().take(1).for_each(|path| self.read_structures(path));
                self.add_doses(&doses);
            }
            Err(OpenStudyFailure::OnlyBeside { .. }) => {
                let text =
                    "There are only structure sets or doses here. Open the folder with the scan first.";
                self.state.toasts.error(text, None);
            }
            Err(OpenStudyFailure::Other(why)) => self.state.toasts.error(capitalised(&why), None),
        }
    }

    /// The answer to whether earlier work should be gone on with.
    pub(super) fn answer_resume(&mut self, yes: bool) {
        if let Some(mut opened) = self.pending_open.take() {
            opened.resume = yes;
            if !yes {
                opened.earlier = None;
            }
            self.leave(Leaving::For(opened));
        }
    }

    /// Makes the scan the open one.
    pub(super) fn show(&mut self, opened: Opened) {
        self.close_session();
        let Opened { series, library, chosen, warnings, choice, opened_from, .. } = opened;
        let Opened { earlier, resume, reference, .. } = opened;
        let mut session = match earlier.filter(|_| resume) {
            Some(found) => match Session::resume(Arc::clone(&series), &found.path) {
                Ok(session) => session,
                Err(error) => {
                    let text = "The earlier work could not be gone on with; it is left as it is.";
                    self.state.toasts.error(text, Some(error.to_string()));
                    Session::begin(Arc::clone(&series), &opened_from, &self.data_folder)
                }
            },
            None => Session::begin(Arc::clone(&series), &opened_from, &self.data_folder),
        };
        let mut views = ViewsState::new(&series);
        self.preferences_to_views(&mut views, &mut session);
        if let Some(roi) = session.selected() {
            views.navigation.go_to_roi(&roi.clone());
        }
        self.state.views = Some(views);
        self.state.place = Place::Correct;
        self.state.export_onto_second = false;
        self.state.export_path.text = suggested_export(&series, &opened_from).display().to_string();
        let fresh = session.structures().rois.is_empty() && session.history().is_empty();
        self.session = Some(session);
        self.desk.reference = reference;
        self.desk.exported_to = None;
        self.desk.warnings = warnings.iter().map(ToString::to_string).collect();
        self.desk.series = lines(&library, &series);
        self.desk.open_series = chosen;
        self.around = Around { library, opened_from };
        for path in &self.around.opened_from {
            self.preferences.remember(path);
        }
        if let Some(choice) = choice {
            self.state.toasts.done_with(
                capitalised(&choice),
                "Choose another",
                crate::ui::actions::Action::ChooseSeries,
            );
        }
        if !warnings.is_empty() {
            let text = match warnings.len() {
                1 => warnings[0].to_string(),
                count => format!("There are {count} warnings about the data."),
            };
            self.state.toasts.attention_with(text, "Look", crate::ui::actions::Action::GoOpen);
        }
        self.find_structures(&series, fresh);
        self.find_doses(&series);
        self.state.propose.channels.clear();
        self.state.propose.remarks.clear();
        self.look_at_the_body();
    }

    /// Offers the structure sets found beside the scan that fit it; reads the only one where work
    /// begins.
    fn find_structures(&mut self, series: &Series, fresh: bool) {
        let fitting: Vec<PathBuf> = self
            .around
            .library
            .structure_sets
            .iter()
            .filter(|entry| {
                entry.patient.id == series.info.patient.id
                    && entry.frame_of_reference_uid == series.info.frame_of_reference_uid
            })
            .map(|entry| entry.path.clone())
            .collect();
        if let ([only], true) = (fitting.as_slice(), fresh) {
            self.read_structures(only.clone());
        }
        self.desk.structure_sets = fitting;
    }

    pub(super) fn second_read(&mut self, chosen: usize, result: Result<Arc<Series>, String>) {
        match result {
            Ok(series) => {
                if let Some(views) = self.state.views.as_mut() {
                    views.show_second(&series);
                }
                self.desk.second = Some(series);
                self.state.export_onto_second = false;
                self.desk.second_series = Some(chosen);
            }
            Err(why) => self.state.toasts.error(capitalised(&why), None),
        }
    }

    pub(super) fn structures_read(&mut self, path: &Path, result: Result<Box<ReadRtstruct>, String>) {
        let read = match result {
            Ok(read) => read,
            Err(why) => {
                self.state.toasts.error(capitalised(&why), None);
                return;
            }
        };
        let count = read.set.rois.len();
        self.desk.warnings.extend(read.warnings.iter().map(ToString::to_string));
        if self.apply(Command::ImportStructureSet(Box::new(read.set))) {
            let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            let what = if count == 1 { "1 structure".to_owned() } else { format!("{count} structures") };
            self.state.toasts.done(format!("Read {what} from {name}."));
            self.state.place = Place::Correct;
            let first = self.session.as_ref().and_then(|session| session.selected().cloned());
            if let (Some(roi), Some(views)) = (first, self.state.views.as_mut()) {
                views.navigation.go_to_roi(&roi);
            }
        }
    }
}

fn series_title(entry: &SeriesEntry) -> String {
    format!("{} {}", entry.info.modality.code(), entry.info.description).trim().to_owned()
}

fn lines(library: &Library, open: &Series) -> Vec<SeriesLine> {
    library
        .series
        .iter()
        .map(|entry| {
            let info = &entry.info;
            let date = crate::ui::widgets::date_text(&info.study.date);
            SeriesLine {
                patient: info.patient.name.clone(),
                patient_id: info.patient.id.clone(),
                study: format!("{date} {}", info.study.description).trim().to_owned(),
                modality: info.modality.code().to_owned(),
                description: info.description.clone(),
                slices: entry.slice_count(),
                can_be_second: info.frame_of_reference_uid.is_some()
                    && info.frame_of_reference_uid == open.info.frame_of_reference_uid
                    && info.patient.id == open.info.patient.id,
            }
        })
        .collect()
}

/// Where an export is suggested to go: never into the folder of the scan.
fn suggested_export(series: &Series, opened_from: &[PathBuf]) -> PathBuf {
    let id: String = series
        .info
        .patient
        .id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' })
        .collect();
    let name = if id.is_empty() { "structures.dcm".to_owned() } else { format!("{id}_structures.dcm") };
    let home = directories::UserDirs::new();
    let folder = home
        .as_ref()
        .and_then(|dirs| dirs.document_dir().map(Path::to_owned).filter(|folder| folder.is_dir()))
        .or_else(|| home.as_ref().map(|dirs| dirs.home_dir().to_owned()));
    let beside = opened_from.first().and_then(|path| path.parent()).map(Path::to_owned);
    folder.or(beside).unwrap_or_default().join(name)
}

/// How much was done in earlier work.
pub(super) fn edits_text(found: &Resumable) -> String {
    let count = |edits: u64| if edits == 1 { "1 edit".to_owned() } else { format!("{edits} edits") };
    if found.edits == 0 { format!("{} taken back", count(found.undone)) } else { count(found.edits) }
}

/// A sentence from an error's text.
pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let mut sentence: String = chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect();
    if !sentence.ends_with(['.', '!', '?']) && !sentence.contains('/') {
        sentence.push('.');
    }
    sentence
}
