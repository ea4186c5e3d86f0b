//! Doses beside the open scan: which there are, and the one in use.

use super::Workstation;
use super::opening::capitalised;
use super::workstation::Message;
use crate::dicom::{DoseEntry, ReadDose, read_dose};
use crate::patient::Series;
use crate::ui::actions::Action;
use crate::ui::state::DoseLine;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Workstation {
    /// Offers the doses of the patient found beside the scan, those of other images as such.
    pub(super) fn find_doses(&mut self, series: &Series) {
        let doses = self.around.library.doses.iter();
        let own = doses.filter(|entry| entry.info.patient.id == series.info.patient.id);
        self.desk.doses = own.map(|entry| line(entry, series)).collect();
    }

    /// Offers doses that were opened after the scan, and reads the first that can be used.
    pub(super) fn add_doses(&mut self, entries: &[DoseEntry]) {
        let Some(series) = self.session.as_ref().map(|session| Arc::clone(session.series())) else { return };
        for entry in entries {
            if self.desk.doses.iter().all(|own| own.path != entry.path) {
                self.desk.doses.push(line(entry, &series));
            }
            if let Some(why) = &entry.problem {
                let text = format!("The dose cannot be used: {why}: {}", entry.path.display());
                self.state.toasts.error(text, None);
            }
        }
        let usable =
            |entry: &&DoseEntry| self.desk.doses.iter().any(|own| own.path == entry.path && own.is_usable);
        if let Some(first) = entries.iter().find(usable) {
            self.read_dose(first.path.clone());
        } else if let Some(line) = self
            .desk
            .doses
            .iter()
            .find(|own| entries.iter().any(|entry| entry.path == own.path && entry.problem.is_none()))
        {
            self.state.toasts.error(format!("{}: {}.", line.title, line.detail), None);
        }
    }

    /// Reads the dose that an isodose must mean: the only one, or the only one of a plan.
    pub(super) fn read_only_dose(&mut self) {
        if self.desk.dose.is_some() {
            return;
        }
        let usable: Vec<&DoseLine> = self.desk.doses.iter().filter(|line| line.is_usable).collect();
        let plans: Vec<&&DoseLine> =
            usable.iter().filter(|line| line.title.starts_with("Plan dose")).collect();
        let path = match (usable.as_slice(), plans.as_slice()) {
            ([only], _) => only.path.clone(),
            (_, [only]) => only.path.clone(),
            _ => return,
        };
        self.read_dose(path);
    }

    /// Reads a dose for the open scan.
    pub(super) fn read_dose(&mut self, path: PathBuf) {
        let Some(session) = &self.session else { return };
        let series = Arc::clone(session.series());
        self.start_for_session("dose", "Reading the dose".to_owned(), move |progress| {
            let read =
                read_dose(&path, Some(&series), progress).map(Box::new).map_err(|error| error.to_string());
            Message::Dose(path, read)
        });
    }

    pub(super) fn dose_read(&mut self, path: &Path, result: Result<Box<ReadDose>, String>) {
        let read = match result {
            Ok(read) => *read,
            Err(why) => {
                self.state.toasts.error(capitalised(&why), None);
                return;
            }
        };
        let (title, maximum) = (read.dose.info.title(), read.dose.maximum_gy());
        let has_remarks = !read.warnings.is_empty();
        for warning in read.warnings.iter().map(ToString::to_string) {
            if !self.desk.warnings.contains(&warning) {
                self.desk.warnings.push(warning);
            }
        }
        self.desk.open_dose = self.desk.doses.iter().position(|line| line.path == path);
        self.desk.dose = Some(Arc::new(read.dose));
        let text = format!("Read {title}, at most {maximum:.2} Gy.");
        if has_remarks {
            let text = format!("{text} There are remarks about it.");
            self.state.toasts.attention_with(text, "Look", Action::GoOpen);
        } else {
            self.state.toasts.done(text);
        }
    }
}

fn line(entry: &DoseEntry, series: &Series) -> DoseLine {
    let [columns, rows, planes] = entry.size;
    let frames = entry.info.frame_of_reference_uid.as_ref().zip(series.info.frame_of_reference_uid.as_ref());
    let problem = match (&entry.problem, frames) {
        (Some(why), _) => Some(format!("Cannot be used: {why}")),
        _ if entry.info.patient.id != series.info.patient.id => {
            Some("Of another patient than these images".to_owned())
        }
        (None, Some((dose, own))) if dose != own => {
            Some("In another frame of reference than these images".to_owned())
        }
        _ => None,
    };
    DoseLine {
        path: entry.path.clone(),
        title: entry.info.title(),
        is_usable: problem.is_none(),
        detail: problem.unwrap_or_else(|| format!("{columns} x {rows} x {planes}")),
    }
}
