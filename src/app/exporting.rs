//! Writing the RTSTRUCT: once every edit is on disk, on a thread of its own.

use super::Workstation;
use super::opening::capitalised;
use super::workstation::{Message, PendingExport};
use crate::dicom::{WriteRtstructError, WriteRtstructOptions, write_rtstruct};
use crate::session::JournalStatus;
use crate::ui::state::Overlay;
use std::path::PathBuf;
use std::sync::Arc;

impl Workstation {
    /// Asks for an export; an existing file is asked about first.
    pub(super) fn export(&mut self, path: PathBuf, replace: bool) {
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
        self.pending_export = Some(PendingExport { path, replace });
    }

    /// Starts the pending export when the journal has everything.
    pub(super) fn export_when_saved(&mut self) {
        let Some(session) = &self.session else {
            self.pending_export = None;
            return;
        };
        // A journal that fails says so by itself; the contours must get out all the same.
        if self.pending_export.is_none() || session.journal_status() == JournalStatus::Saving {
            return;
        }
        let Some(PendingExport { path, replace }) = self.pending_export.take() else { return };
        let set = session.exportable().set;
        let series = Arc::clone(session.series());
        self.jobs.start("export", "Exporting RTSTRUCT", move |_| {
            let options = WriteRtstructOptions { force: replace, ..WriteRtstructOptions::default() };
            let written = write_rtstruct(&set, &series, &path, &options);
            Message::Exported(
                path,
                written
                    .map(|written| written.warnings)
                    .map_err(|error: WriteRtstructError| error.to_string()),
            )
        });
    }

    pub(super) fn exported(&mut self, path: PathBuf, result: Result<Vec<String>, String>) {
        match result {
            Ok(warnings) => {
                let left_out =
                    self.session.as_ref().map(|session| session.exportable().left_out).unwrap_or_default();
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
                if let Some(session) = self.session.as_mut()
                    && let Err(error) = session.record_export(&path)
                {
                    self.state
                        .toasts
                        .error("The export could not be noted in the journal.", Some(error.to_string()));
                }
                self.desk.exported_to = Some(path);
            }
            Err(why) => self.state.toasts.error(format!("Nothing was exported. {}", capitalised(&why)), None),
        }
    }
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
