//! Committing, undoing, redoing, resuming: the session and its journal.

use super::history::Step;
use super::journal::{Catalog, Flushing, Journal, JournalError, JournalStatus, JournalSubject};
use super::{Applied, Edit, History, Refusal, Session, Unsaved};
use crate::patient::{RoiId, Series, StructureSet, series_fingerprint};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where journals lie in the data folder.
fn journal_folder(data_folder: &Path) -> PathBuf {
    data_folder.join("journals")
}

/// The journals in a data folder, for the start screen ("Resume") and for the question whether to
/// go on when known images are opened ([`Catalog::of_images`], by
/// [`crate::patient::series_fingerprint`]).
#[must_use]
pub fn catalog(data_folder: &Path) -> Catalog {
    Catalog::read(&journal_folder(data_folder))
}

/// What the journal says about a series and the files it was opened from.
fn subject_of(series: &Series, opened_from: &[PathBuf]) -> JournalSubject {
    let info = &series.info;
    JournalSubject {
        fingerprint: series_fingerprint(series),
        patient_name: info.patient.name.clone(),
        patient_id: info.patient.id.clone(),
        birth_date: info.patient.birth_date.clone(),
        study_date: info.study.date.clone(),
        series: format!("{} {}", info.modality.code(), info.description).trim().to_owned(),
        synthetic: info.patient.synthetic,
        opened_from: opened_from.to_vec(),
        series_uid: info.uid.to_string(),
    }
}

impl Session {
    /// A session with a new journal in `data_folder`, for a series opened from the files or folders
    /// `opened_from`. Earlier journals of the same images stay.
    ///
    /// When the journal cannot be written the session works all the same, and
    /// [`Self::journal_status`] says why edits are not kept.
    #[must_use]
    pub fn begin(series: Arc<Series>, opened_from: &[PathBuf], data_folder: &Path) -> Self {
        let subject = subject_of(&series, opened_from);
        let mut session = Self::new(series);
        match Journal::create(&journal_folder(data_folder), &subject, &session.set) {
            Ok(journal) => session.journal = Some(journal),
            Err(error) => session.journal_off = error.to_string(),
        }
        session
    }

    /// Goes on with a session from its journal: the structures and the whole history as they were
    /// after the last completed edit.
    ///
    /// # Errors
    /// [`JournalError`]: in use, of other images than `series`, damaged or unreadable. The
    /// file is then left as it is.
    pub fn resume(series: Arc<Series>, path: &Path) -> Result<Self, JournalError> {
        let fingerprint = series_fingerprint(&series);
        let mut session = Self::new(series);
        let mut set: Option<StructureSet> = None;
        let mut history: Option<History> = None;
        let mut stamp = 0_u64;
        let (journal, restored) = Journal::open(path, &fingerprint, |restored, seq, name, edit| {
            stamp += 1;
            let set = set.get_or_insert_with(|| restored.base.clone());
            let history = history.get_or_insert_with(|| History::starting_at(restored.first));
            if seq <= restored.cursor {
                edit.apply(set, stamp).map_err(|_| ())?;
            }
            history.restore(Step { name, edit: Some(Arc::new(edit)) }, seq <= restored.cursor);
            Ok(())
        })?;
        session.set = set.unwrap_or(restored.base);
        session.history = history.unwrap_or_else(|| History::starting_at(restored.first));
        session.next_roi = restored.next_roi;
        // Revisions already used may stand in the records: go on above all of them.
        let used = session.set.rois.iter().map(|roi| roi.revision).max().unwrap_or(0);
        session.revision = stamp.max(used);
        for roi in &mut session.set.rois {
            let visible = !restored.hidden.contains(&roi.id);
            if roi.visible != visible {
                Arc::make_mut(roi).visible = visible;
            }
        }
        session.hidden_told = restored.hidden;
        session.selected = session.set.rois.first().map(|roi| roi.id);
        session.journal = Some(journal);
        Ok(session)
    }

    /// Whether edits are safe, for the screen.
    #[must_use]
    pub fn journal_status(&self) -> JournalStatus {
        self.journal.as_ref().map_or_else(|| JournalStatus::Off(self.journal_off.clone()), Journal::status)
    }

    /// Waits until every edit is on disk. Without a journal there is nothing to wait for.
    ///
    /// # Errors
    /// [`JournalError`] when the disk refuses.
    pub fn flush_to_disk(&self) -> Result<(), JournalError> {
        self.journal.as_ref().map_or(Ok(()), Journal::flush_to_disk)
    }

    /// Asks for every edit made so far to be brought to disk, for another thread to wait for. `None`
    /// without a journal.
    #[must_use]
    pub fn start_flush(&self) -> Option<Flushing> {
        self.journal.as_ref().map(Journal::start_flush)
    }

    /// What would be lost if the session ended now. Waits for the disk; `None` when every edit is
    /// safe. Without a journal everything is lost that no export has.
    #[must_use]
    pub fn unsaved(&self) -> Option<Unsaved> {
        let Some(journal) = &self.journal else {
            let changes = self.history.done();
            let lost = changes > 0 && self.has_unexported_changes();
            return lost.then(|| Unsaved { changes, why: self.journal_off.clone() });
        };
        let why = journal.flush_to_disk().err()?.to_string();
        Some(Unsaved { changes: journal.pending(), why })
    }

    /// Says that the structures, as they were at `revision` ([`super::Exportable::revision`]), were
    /// exported to `file`; written to the audit trail.
    ///
    /// # Errors
    /// [`JournalError`] when the disk refuses; the export stands.
    pub fn record_export(&mut self, file: &Path, revision: u64) -> Result<(), JournalError> {
        self.exported_at = Some(revision);
        self.record("export", &file.display().to_string());
        self.flush_to_disk()
    }

    /// Adds a line to the audit trail (an export, a model run). No pixel data.
    pub fn record(&self, action: &str, detail: &str) {
        if let Some(journal) = &self.journal {
            journal.audit(action, detail);
        }
    }

    /// Ends the session: waits until everything is on disk. A journal without a single edit is
    /// removed.
    ///
    /// # Errors
    /// [`JournalError`] when the disk refuses.
    pub fn close(mut self) -> Result<(), JournalError> {
        self.flush_to_disk()?;
        let Some(journal) = self.journal.take() else { return Ok(()) };
        if self.history.is_empty() && self.set.rois.is_empty() {
            let path = journal.path().to_owned();
            drop(journal);
            return super::journal::delete_empty(&path);
        }
        Ok(())
    }

    /// Makes the journal smaller: only the latest `keep` undo steps stay (and what can be redone).
    /// For after an export, when a person closes the session.
    ///
    /// # Errors
    /// [`JournalError`] when an old step that is needed cannot be read.
    pub fn compact_history(&mut self, keep: usize) -> Result<(), JournalError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let mut base = self.set.clone();
        let cursor = self.history.cursor();
        let kept = keep.min(self.history.done()) as u64;
        for seq in (cursor - kept + 1..=cursor).rev() {
            let edit = match self.history.edit(seq) {
                Some(edit) => edit,
                None => Arc::new(journal.load(seq)?),
            };
            let fits = edit.inverse().apply(&mut base, self.revision);
            fits.map_err(|_| JournalError::Damaged { step: seq, path: journal.path().to_owned() })?;
        }
        let first = self.history.forget_before(keep);
        journal.compact(&base, first);
        Ok(())
    }

    /// Takes back the last step.
    ///
    /// # Errors
    /// [`Refusal::NothingToUndo`]; [`Refusal::Journal`] when the step is only in the journal and
    /// cannot be read.
    pub fn undo(&mut self) -> Result<Applied, Refusal> {
        let (seq, edit) = self.history.to_undo().ok_or(Refusal::NothingToUndo)?;
        let edit = self.step(seq, edit)?;
        let applied = self.step_over(edit.inverse())?;
        self.history.undone();
        self.tell_cursor(format!("Undo {}", edit.name));
        Ok(applied)
    }

    /// Does the step last undone again.
    ///
    /// # Errors
    /// [`Refusal::NothingToRedo`]; [`Refusal::Journal`] when the step is only in the journal and
    /// cannot be read.
    pub fn redo(&mut self) -> Result<Applied, Refusal> {
        let (seq, edit) = self.history.to_redo().ok_or(Refusal::NothingToRedo)?;
        let edit = self.step(seq, edit)?;
        let applied = self.step_over(Edit::clone(&edit))?;
        self.history.redone();
        self.tell_cursor(format!("Redo {}", edit.name));
        Ok(applied)
    }

    fn step(&self, seq: u64, in_memory: Option<Arc<Edit>>) -> Result<Arc<Edit>, Refusal> {
        if let Some(edit) = in_memory {
            return Ok(edit);
        }
        let journal = self.journal.as_ref().ok_or_else(|| Refusal::Journal("there is none".to_owned()))?;
        journal.load(seq).map(Arc::new).map_err(|error| Refusal::Journal(error.to_string()))
    }

    fn step_over(&mut self, edit: Edit) -> Result<Applied, Refusal> {
        let mut set = self.set.clone();
        edit.apply(&mut set, self.revision + 1).map_err(|error| Refusal::Journal(error.to_string()))?;
        // What is shown is no part of the history: an ROI that comes back is shown.
        for roi in set.rois.iter_mut().filter(|roi| self.set.roi(roi.id).is_none() && !roi.visible) {
            Arc::make_mut(roi).visible = true;
        }
        self.set = set;
        self.revision += 1;
        let rois = edit.rois();
        if self.selected().is_none() {
            self.select(rois.first().copied());
        }
        Ok(Applied { rois, edit: Some(Arc::new(edit)), notes: Vec::new() })
    }

    fn tell_cursor(&mut self, what: String) {
        if let Some(journal) = &self.journal {
            journal.move_cursor(self.history.cursor(), what);
        }
        self.tell_hidden();
    }

    /// Tells the journal which ROIs are hidden, when that has changed.
    fn tell_hidden(&mut self) {
        let Some(journal) = &self.journal else { return };
        let hidden: Vec<RoiId> = self.set.rois.iter().filter(|roi| !roi.visible).map(|roi| roi.id).collect();
        if hidden != self.hidden_told {
            journal.set_hidden(&hidden);
            self.hidden_told = hidden;
        }
    }

    /// Puts a step into the history and the journal.
    pub(super) fn commit(&mut self, edit: &Arc<Edit>, wait_for_disk: bool) {
        self.history.push(Arc::clone(edit));
        self.neighbours.forget_answers();
        if let Some(journal) = &self.journal {
            journal.append(self.history.cursor(), Arc::clone(edit), self.next_roi);
            if wait_for_disk && let Err(error) = journal.flush_to_disk() {
                tracing::error!("{error}");
            }
            if journal.status() == JournalStatus::Saved {
                self.history.let_go();
            }
        }
        self.tell_hidden();
    }

    /// Shows or hides ROIs: no undo step, no new ROI revision.
    pub(super) fn show(&mut self, rois: &[RoiId], visible: bool) -> Applied {
        let mut shown = Vec::new();
        for roi in &mut self.set.rois {
            if rois.contains(&roi.id) && roi.visible != visible {
                Arc::make_mut(roi).visible = visible;
                shown.push(roi.id);
            }
        }
        if !shown.is_empty() {
            self.revision += 1;
            self.tell_hidden();
        }
        Applied { rois: shown, ..Applied::default() }
    }

    #[cfg(test)]
    pub(super) fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// Lets the journal grow no further, as a full disk would, or again.
    #[cfg(test)]
    pub(crate) fn fill_disk(&self, is_full: bool) {
        if let Some(journal) = &self.journal {
            journal.limit_pages(if is_full { 1 } else { 1_000_000 });
        }
    }

    #[cfg(test)]
    pub(super) fn set_history_memory(&mut self, bytes: usize) {
        self.history.set_memory(bytes);
    }
}
