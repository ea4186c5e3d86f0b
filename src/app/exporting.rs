//! Writing the RTSTRUCT on a thread of its own, once every edit is on disk.
//!
//! What goes into the file is settled when the person asks: edits made while it is written are no
//! part of the export and count as changes since.

use super::Workstation;
use super::leaving::EXPORT;
use super::opening::capitalised;
use super::workstation::Message;
use crate::dicom::{WriteRtstructError, WriteRtstructOptions, write_rtstruct};
use crate::patient::{Series, StructureSet};
use crate::progress::Progress;
use crate::session::{Carried, Exportable, Flushing};
use crate::ui::state::Overlay;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What became of an export.
pub(super) struct Exported {
    pub path: PathBuf,
    /// The number of the session that it is of.
    pub session: u64,
    /// The session's revision in the file.
    pub revision: u64,
    /// The proposals that are not in the file.
    pub left_out: Vec<String>,
    /// Whether all that was to go out did: on the slices of another series a structure may lie on none.
    pub is_whole: bool,
    /// Warnings, or why nothing was written.
    pub result: Result<Vec<String>, String>,
}

impl Workstation {
    /// Exports the structures as they are now; an existing file is asked about first.
    pub(super) fn export(&mut self, path: PathBuf, replace: bool) {
        let Some(session) = &self.session else { return };
        let path = with_ending(path);
        if path.is_dir() {
            self.state
                .toasts
                .error(format!("This is a folder; a file name is needed: {}", path.display()), None);
            return;
        }
        if path.exists() && !replace {
            self.state.overlay = Some(Overlay::Replace(path));
            return;
        }
        if self.jobs.running_for(EXPORT).is_some() {
            self.state.toasts.attention("The last export is still being written. Export again after it.");
            return;
        }
        let exportable = session.exportable();
        let second = self.desk.second.clone().filter(|_| self.state.export_onto_second);
        let frame = |own: &Series| own.info.frame_of_reference_uid.clone();
        let strays =
            |second: &Arc<Series>| frame(second).is_none() || frame(second) != frame(session.series());
        if second.as_ref().is_some_and(strays) {
            let text = "Nothing was exported. The second series is in another frame of reference.";
            self.state.toasts.error(text, None);
            return;
        }
        let (series, flushing) = (Arc::clone(session.series()), session.start_flush());
        let session = self.session_number;
        self.jobs.start(EXPORT, "Exporting RTSTRUCT", move |progress| {
            let mut is_whole = true;
            let result = match second {
                None => write(&exportable.set, &series, &path, replace, flushing, progress),
                Some(second) => {
                    progress.set_step("Cutting contours");
                    let carried =
                        exportable.onto(&series, &second, progress).map_err(|error| error.to_string());
                    carried.and_then(|Carried { set, notes }| {
                        is_whole = notes.is_empty();
                        let warnings = write(&set, &second, &path, replace, flushing, progress)?;
                        Ok(notes.into_iter().chain(warnings).collect())
                    })
                }
            };
            let Exportable { left_out, revision, .. } = exportable;
            Message::Exported(Box::new(Exported { path, session, revision, left_out, is_whole, result }))
        });
    }

    pub(super) fn exported(&mut self, exported: Exported) {
        let Exported { path, session, revision, left_out, is_whole, result } = exported;
        let is_written = result.is_ok();
        match result {
            Ok(warnings) => {
                let mut text = format!("Exported to {}.", path.display());
                if !left_out.is_empty() {
                    text += " Left out, because not accepted: ";
                    text += &left_out.join(", ");
                    text.push('.');
                }
                self.state.toasts.done(text);
                for warning in warnings {
                    self.state.toasts.attention(capitalised(&warning));
                }
                if let Some(own) = self.session.as_mut().filter(|_| session == self.session_number) {
                    if is_whole && let Err(error) = own.record_export(&path, revision) {
                        let text = "The export could not be noted in the journal.";
                        self.state.toasts.error(text, Some(error.to_string()));
                    }
                    self.desk.exported_to = Some(path);
                }
            }
            Err(why) => self.state.toasts.error(format!("Nothing was exported. {}", capitalised(&why)), None),
        }
        self.leave_after_export(is_written);
    }
}

/// Waits for the edits to be on disk and writes the file. A journal that fails holds nothing up: the
/// contours must get out all the same.
fn write(
    set: &StructureSet,
    series: &Series,
    path: &Path,
    replace: bool,
    flushing: Option<Flushing>,
    progress: &Progress,
) -> Result<Vec<String>, String> {
    progress.set_step("Waiting for the disk");
    let unsaved = flushing.and_then(|flushing| flushing.wait().err());
    progress.check().map_err(|_| "It was stopped".to_owned())?;
    progress.set_step("Writing");
    let options = WriteRtstructOptions { force: replace, ..WriteRtstructOptions::default() };
    let written = write_rtstruct(set, series, path, &options);
    let mut warnings = written.map_err(|error: WriteRtstructError| error.to_string())?.warnings;
    if let Some(error) = unsaved {
        warnings.push(format!("the file holds edits that the journal does not have yet: {error}"));
    }
    Ok(warnings)
}

fn with_ending(path: PathBuf) -> PathBuf {
    if path.extension().is_none() && !path.is_dir() { path.with_extension("dcm") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_ending_gets_one() {
        assert_eq!(with_ending("/no/such/set".into()), PathBuf::from("/no/such/set.dcm"));
        assert_eq!(with_ending("/no/such/set.rtss".into()), PathBuf::from("/no/such/set.rtss"));
    }
}
