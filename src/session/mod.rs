//! The one writer: an open series, its structure set, the history, and the journal behind them.
//!
//! Views and tools read `&Session`. Every change is a [`Command`] that [`Session::apply`] alone
//! carries out, as one [`Edit`] with its inverse; the journal has it committed when `apply`
//! returns. A command that changes nothing leaves no undo step. Headless, no GPU types.

mod apply;
mod change;
pub mod channels;
mod codec;
mod colors;
mod command;
pub mod derive;
pub mod descriptions;
#[cfg(test)]
pub(crate) mod fixture;
mod guides;
mod history;
mod intake;
pub mod jobs;
pub mod journal;
mod keep;
mod neighbours;
mod onto;
mod overwrite;
pub mod preferences;
mod refusal;
pub mod study;
pub mod suggestion;
pub mod templates;
#[cfg(test)]
mod tests;
pub mod training;

pub use change::{Attribute, Change, Edit, Heading, Mismatch, PlaneEdit};
pub use colors::color_for;
pub use command::{Command, Neighbour};
pub use history::{HISTORY_MEMORY, History};
pub use journal::{Catalog, Flushing, Journal, JournalError, JournalStatus, JournalSubject, Resumable};
pub use keep::catalog;
pub use onto::Carried;
pub use overwrite::{Gated, Loss, OpenGate, Overwrite, Stroke};
pub use refusal::Refusal;

use crate::patient::{Roi, RoiId, Series, Slice, StructureSet};
use std::sync::Arc;

/// What a command (or undo, or redo) did.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// The undo step; `None` when nothing changed, or only what is shown.
    pub edit: Option<Arc<Edit>>,
    /// The ROIs it concerned.
    pub rois: Vec<RoiId>,
    /// What the person should know ("`Parotid_L` is locked: its proposal was left as it is").
    pub notes: Vec<String>,
}

/// A structure set as it may leave the window.
#[derive(Debug, Clone, PartialEq)]
pub struct Exportable {
    /// The set without proposals.
    pub set: StructureSet,
    /// The names of the proposals left out.
    pub left_out: Vec<String>,
    /// The session's revision that the set was taken at.
    pub revision: u64,
}

/// What would be lost if a session ended now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsaved {
    /// How many changes are not committed; 0 when only the last sync was refused.
    pub changes: usize,
    /// What happened and what to do.
    pub why: String,
}

/// One open series with its structures.
#[derive(Debug)]
pub struct Session {
    series: Arc<Series>,
    set: StructureSet,
    selected: Option<RoiId>,
    history: History,
    /// Grows with every change; the source of all ROI revisions, so that none is used twice.
    revision: u64,
    next_roi: u64,
    exported_at: Option<u64>,
    journal: Option<Journal>,
    /// Why there is no journal.
    journal_off: String,
    /// The hidden ROIs as the journal has them.
    hidden_told: Vec<RoiId>,
    overwrite: Overwrite,
    neighbours: neighbours::Neighbours,
    standings: derive::Standings,
}

impl Session {
    /// A session on `series` without structures and without a journal.
    #[must_use]
    pub fn new(series: Arc<Series>) -> Self {
        let set = StructureSet {
            label: "Delineo".to_owned(),
            patient: series.info.patient.clone(),
            frame_of_reference_uid: series.info.frame_of_reference_uid.clone(),
            series_uid: Some(series.info.uid.clone()),
            ..StructureSet::default()
        };
        Self {
            series,
            set,
            selected: None,
            history: History::default(),
            revision: 0,
            next_roi: 1,
            exported_at: None,
            journal: None,
            journal_off: "Edits of this session are not kept after it is closed.".to_owned(),
            hidden_told: Vec::new(),
            overwrite: Overwrite::default(),
            neighbours: neighbours::Neighbours::default(),
            standings: derive::Standings::default(),
        }
    }

    /// The open series.
    #[must_use]
    pub fn series(&self) -> &Arc<Series> {
        &self.series
    }

    /// The structures, in the person's order.
    #[must_use]
    pub fn structures(&self) -> &StructureSet {
        &self.set
    }

    /// The ROI with this identity.
    #[must_use]
    pub fn roi(&self, id: RoiId) -> Option<&Arc<Roi>> {
        self.set.roi(id)
    }

    /// The ROI that the tools edit.
    #[must_use]
    pub fn selected(&self) -> Option<&Arc<Roi>> {
        self.selected.and_then(|id| self.set.roi(id))
    }

    /// Selects the ROI that the tools edit. An unknown one selects none.
    pub fn select(&mut self, roi: Option<RoiId>) {
        self.selected = roi.filter(|id| self.set.roi(*id).is_some());
    }

    /// Grows with every change of anything in the session's structures.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The steps done and undone.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The name of the step that undo takes back.
    #[must_use]
    pub fn undo_name(&self) -> Option<&str> {
        self.history.undo_names().next()
    }

    /// The name of the step that redo does again.
    #[must_use]
    pub fn redo_name(&self) -> Option<&str> {
        self.history.redo_names().next()
    }

    /// The proposals.
    pub fn proposals(&self) -> impl Iterator<Item = &Arc<Roi>> {
        self.set.rois.iter().filter(|roi| roi.is_proposal())
    }

    /// The slice whose plane is nearest to `offset_mm` along the slice normal, with its index.
    #[must_use]
    pub fn nearest_slice(&self, offset_mm: f64) -> Option<(usize, &Slice)> {
        let index = self.series.volume.nearest_slice(offset_mm)?;
        Some((index, &self.series.volume.slices[index]))
    }

    /// The set as it may leave the window: no proposal in it.
    #[must_use]
    pub fn exportable(&self) -> Exportable {
        let mut set = self.set.clone();
        set.rois.retain(|roi| !roi.is_proposal());
        let left_out = self.proposals().map(|roi| roi.name.clone()).collect();
        Exportable { set, left_out, revision: self.revision }
    }

    /// Whether there are changes that no export has.
    #[must_use]
    pub fn has_unexported_changes(&self) -> bool {
        !self.set.rois.is_empty() && self.exported_at != Some(self.revision)
    }
}
