//! The models of the catalogue that are not on this machine: searched, got, and where they come from.

use super::super::super::state::{CatalogueLine, Desk, JobLine, Overlay};
use super::super::super::theme::{self, Theme};
use super::super::super::{Request, Scope, icons, widgets};
use super::{card_ui, comes_into_view, entry, job_ui, organs_text, small, warning_ui};
use crate::patient::BodyRegion;
use egui::{RichText, Ui};

/// The models that can be got and are found, in groups.
pub(super) fn catalogue_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let desk = scope.context.desk;
    widgets::heading(ui, "Available");
    let wanted: Vec<&CatalogueLine> = desk.catalogue.iter().filter(|line| !line.installed).collect();
    if wanted.is_empty() {
        let text = if desk.catalogue.is_empty() {
            "The catalogue is empty; models of nnU-Net can be imported from a folder or archive."
        } else {
            "Every model of the catalogue is on this machine."
        };
        widgets::note(ui, text);
        return;
    }
    source_ui(ui, scope);
    let found: Vec<&CatalogueLine> =
        wanted.into_iter().filter(|line| is_found(line, &scope.state.model_search)).collect();
    if found.is_empty() {
        widgets::note(ui, "No model of that name, and none that contours it.");
    }
    for group in Group::ALL {
        let mut lines = found.iter().filter(|line| Group::of(line) == group).peekable();
        if lines.peek().is_some() {
            widgets::caption(ui, group.title());
        }
        for line in lines {
            to_get_ui(ui, scope, line);
        }
    }
}

/// What models of the catalogue stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Body,
    HeadAndNeck,
    Chest,
    Abdomen,
    Pelvis,
    Limbs,
    Coarse,
}

impl Group {
    /// All, in the order of the list: what is for most patients, then from the head down.
    const ALL: [Self; 7] =
        [Self::Body, Self::HeadAndNeck, Self::Chest, Self::Abdomen, Self::Pelvis, Self::Limbs, Self::Coarse];

    fn title(self) -> &'static str {
        match self {
            Self::Body => "Most of the body",
            Self::HeadAndNeck => "Head and neck",
            Self::Chest => "Chest",
            Self::Abdomen => "Abdomen",
            Self::Pelvis => "Pelvis",
            Self::Limbs => "Arms and legs",
            Self::Coarse => "Needed by other models",
        }
    }

    /// Where a model stands: with its uppermost part of the body, where it is for a few.
    fn of(line: &CatalogueLine) -> Self {
        let is_limb = |region: &BodyRegion| matches!(region, BodyRegion::Arms | BodyRegion::Legs);
        match line.regions.as_slice() {
            _ if line.is_coarse => Self::Coarse,
            [] | [_, _, _, ..] => Self::Body,
            few if few.iter().any(is_limb) => Self::Limbs,
            [BodyRegion::Head | BodyRegion::Neck, ..] => Self::HeadAndNeck,
            [BodyRegion::Chest, ..] => Self::Chest,
            [BodyRegion::Abdomen, ..] => Self::Abdomen,
            [BodyRegion::Pelvis, ..] => Self::Pelvis,
            [BodyRegion::Arms | BodyRegion::Legs, ..] => Self::Limbs,
        }
    }
}

/// The field that narrows the lists; it stays above them.
pub(super) fn search_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let name = "Find a model or an organ";
    let field = widgets::text_edit(&mut scope.state.model_search, name);
    widgets::named_field(ui, field, name);
    ui.add_space(4.0);
}

/// Whether every word of a search is in a model's name, what is said of it, or its organs.
fn is_found(line: &CatalogueLine, search: &str) -> bool {
    has_words([&line.id, &line.title, &line.about, &line.modality].into_iter().chain(&line.organs), search)
}

/// Whether every word of a search is in some of these texts.
pub(super) fn has_words<'a>(texts: impl Iterator<Item = &'a String>, search: &str) -> bool {
    let text: Vec<String> = texts.map(|text| text.to_lowercase()).collect();
    let mut words = search.split_whitespace().map(str::to_lowercase);
    words.all(|word| text.iter().any(|text| text.contains(&word)))
}

/// The job that fetches a model.
pub(in super::super) fn fetch_job<'a>(desk: &'a Desk, line: &CatalogueLine) -> Option<&'a JobLine> {
    let key = format!("fetch {}", line.id);
    desk.jobs.iter().find(|job| job.key == key)
}

/// What is to be fetched of a model, for reading.
pub(in super::super) fn size_text(line: &CatalogueLine) -> String {
    line.bytes.map_or_else(|| "size not known".to_owned(), bytes_text)
}

/// The button that gets a model. One whose licence forbids something is asked about first.
pub(in super::super) fn get_ui(ui: &mut Ui, scope: &mut Scope<'_>, line: &CatalogueLine) {
    let word = if line.partial_bytes > 0 { "Resume" } else { "Get" };
    let button = ui.button(format!("{}  {word}", icons::DOWNLOAD));
    let name = format!("{word} {}", line.title);
    button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
    let what = format!("Brings it from its publisher: {}, licence {}", size_text(line), line.license);
    if button.on_hover_text(what).clicked() {
        if line.license_warning.is_some() {
            let from_models = scope.state.overlay == Some(Overlay::Models);
            scope.state.overlay = Some(Overlay::GetModel { id: line.id.clone(), from_models });
        } else {
            scope.outbox.send(Request::Fetch(line.id.clone()));
        }
    }
}

fn to_get_ui(ui: &mut Ui, scope: &mut Scope<'_>, line: &CatalogueLine) {
    let theme = Theme::of(ui.ctx());
    let job = fetch_job(scope.context.desk, line).cloned();
    entry(ui, |ui| {
        ui.add(egui::Label::new(RichText::new(&line.title).font(theme::strong(theme::BODY))).wrap());
        if !line.about.is_empty() {
            small(ui, &line.about, theme.text);
        }
        small(ui, organs_text(&line.organs), theme.weak);
        if let Some(warning) = &line.license_warning {
            warning_ui(ui, warning);
        }
        // What getting it means stands beside the button.
        ui.horizontal(|ui| {
            if job.is_none() {
                get_ui(ui, scope, line);
            }
            card_ui(ui, scope, &line.id, &line.title, "What it contours, its licence and where it is from");
            let facts =
                format!("{} · {} · licence {} · {}", line.modality, size_text(line), line.license, line.id);
            small(ui, facts, theme.weak);
        });
        if let Some(job) = job {
            job_ui(ui, scope, &job);
        } else if line.partial_bytes > 0 {
            small(ui, format!("{} of it are here already.", bytes_text(line.partial_bytes)), theme.weak);
        }
        problem_ui(ui, scope, line);
    });
}

/// Why a model was not fetched; comes into view when it happens, and stays until it was read.
pub(in super::super) fn problem_ui(ui: &mut Ui, scope: &mut Scope<'_>, line: &CatalogueLine) {
    // The manager may lie over a panel that shows the same.
    let id = ui.layer_id().id.with(("problem", line.id.as_str()));
    let Some(problem) = &line.problem else {
        comes_into_view(ui, id, None);
        return;
    };
    let theme = Theme::of(ui.ctx());
    let shown = ui.horizontal_top(|ui| {
        ui.label(RichText::new(icons::ERROR).color(theme.red));
        let room = ui.available_width() - widgets::ICON_SIDE - ui.spacing().item_spacing.x;
        ui.vertical(|ui| {
            ui.set_width(room.max(80.0));
            small(ui, problem, theme.red);
        });
        let name = format!("Close what was said of {}", line.title);
        let close = widgets::icon_button(ui, icons::CLOSE, &name, None, false);
        if close.on_hover_text("Read").clicked() {
            scope.outbox.send(Request::ForgetProblem(line.id.clone()));
        }
    });
    comes_into_view(ui, id, Some((problem, shown.response.rect)));
}

/// Where models are fetched from, folded away while that is their publishers.
fn source_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let id = ui.scope_id().with("where from");
    let source = scope.state.model_source.trim().to_owned();
    let mut unfolded = ui.data(|data| data.get_temp(id)).unwrap_or(!source.is_empty());
    let title = if source.is_empty() { "their publishers".to_owned() } else { source };
    widgets::fold(ui, "Where from", &format!("Where from: {title}"), &mut unfolded);
    ui.data_mut(|data| data.insert_temp(id, unfolded));
    if unfolded {
        let why = "A clinic's own server, a file that was downloaded, or a folder copied from another machine \
                   may stand in for the publishers.";
        ui.add(egui::Label::new(RichText::new(why).color(Theme::of(ui.ctx()).weak)).wrap());
        let hint = "the publishers; or https://server/models, a file, or a folder";
        let field = widgets::text_edit(&mut scope.state.model_source, hint);
        widgets::named_field(ui, field, "Where models come from");
    }
    ui.add_space(4.0);
}

/// A size for reading.
fn bytes_text(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for reading")]
    let megabytes = bytes as f64 / 1e6;
    match megabytes {
        mb if mb < 1.0 => format!("{:.0} kB", megabytes * 1000.0),
        mb if mb < 1000.0 => format!("{megabytes:.0} MB"),
        _ => format!("{:.1} GB", megabytes / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> CatalogueLine {
        CatalogueLine {
            id: "head_muscles".into(),
            title: "TotalSegmentator v2, muscles of the head".into(),
            about: "Muscles of mastication.".into(),
            modality: "CT".into(),
            regions: vec![BodyRegion::Head],
            fit: crate::session::suggestion::Fit::Possible(String::new()),
            is_coarse: false,
            license: String::new(),
            license_warning: None,
            bytes: None,
            partial_bytes: 0,
            organs: vec!["Musc_Masseter_L".into(), "Musc_Tongue".into()],
            installed: false,
            problem: None,
        }
    }

    #[test]
    fn the_catalogue_is_searched_by_name_and_organ() {
        let line = example();
        for search in ["", "  ", "masseter", "total HEAD", "tongue mastication", "head_mus"] {
            assert!(is_found(&line, search), "{search}");
        }
        assert!(!is_found(&line, "masseter liver"));
    }

    #[test]
    fn a_model_stands_with_its_part_of_the_body() {
        use BodyRegion::{Abdomen, Arms, Chest, Head, Legs, Neck, Pelvis};
        let group =
            |regions: &[BodyRegion]| Group::of(&CatalogueLine { regions: regions.to_vec(), ..example() });
        assert_eq!(group(&[]), Group::Body);
        assert_eq!(group(&[Chest, Abdomen, Pelvis]), Group::Body);
        assert_eq!(group(&[Head, Neck]), Group::HeadAndNeck);
        assert_eq!(group(&[Chest, Abdomen]), Group::Chest);
        assert_eq!(group(&[Pelvis]), Group::Pelvis);
        assert_eq!(group(&[Chest, Legs]), Group::Limbs);
        assert_eq!(group(&[Arms, Legs]), Group::Limbs);
        let coarse = CatalogueLine { is_coarse: true, ..example() };
        assert_eq!(Group::of(&coarse), Group::Coarse);
    }

    #[test]
    fn sizes_are_for_reading() {
        assert_eq!(bytes_text(135_000_000), "135 MB");
        assert_eq!(bytes_text(1_250_000_000), "1.2 GB");
        assert_eq!(bytes_text(3_000), "3 kB");
    }
}
