//! The images that a model of several channels is given: one series of the same frame of reference
//! each.

use super::super::super::state::{Desk, ModelLine, SeriesLine};
use super::super::super::theme::Theme;
use super::super::super::{Scope, widgets};
use crate::ai::nnunet::package::channel_modality;
use crate::patient::Modality;
use crate::session::descriptions::{By, Line, against, fitting};
use egui::{RichText, Ui};

/// Whether a series can be a channel: it is the open one, or shares its frame of reference.
fn fits(desk: &Desk, index: usize) -> bool {
    desk.open_series == Some(index) || desk.series.get(index).is_some_and(|line| line.can_be_second)
}

/// The series of the chooser as they are told apart.
fn lines(desk: &Desk) -> Vec<Line> {
    let line = |line: &SeriesLine| Line {
        modality: line.modality.clone(),
        description: line.description.clone(),
        key: String::new(),
    };
    desk.series.iter().map(line).collect()
}

/// The series that a channel is given where nobody has chosen: one that its name describes, else one of its
/// modality, the open one first; for the first channel the open one where it tells neither, unless that is
/// like another channel. None that contradicts the name: that takes a person.
#[must_use]
pub fn default_series(desk: &Desk, model: &ModelLine, channel: usize) -> Option<usize> {
    let name = model.channels.get(channel)?;
    let lines = lines(desk);
    let fitting_of = |name: &str| {
        let mut found = fitting(name, &[], &lines);
        found.series.retain(|at| fits(desk, *at));
        // A name that tells no modality is like no series by it.
        if found.by == By::Modality && channel_modality(name).is_empty() {
            found.series.clear();
        }
        found.series
    };
    let best = fitting_of(name).into_iter().min_by_key(|at| (desk.open_series != Some(*at), *at));
    let is_another = |open: usize| {
        let others = model.channels.iter().enumerate().filter(|(other, _)| *other != channel);
        others.into_iter().any(|(_, name)| fitting_of(name).contains(&open))
    };
    let is_against = |open: usize| against(name, &lines[open].description).is_some();
    let is_told = |open: usize| {
        let wanted = channel_modality(name);
        let own = Modality::from_code(&lines[open].modality);
        !wanted.is_empty() && !matches!(own, Modality::Other(_)) && own.code() != wanted
    };
    let open = desk.open_series.filter(|open| {
        channel == 0 && *open < lines.len() && !is_another(*open) && !is_against(*open) && !is_told(*open)
    });
    best.or(open)
}

/// Why no series is chosen for a channel by itself: of its modality there is none, or what there is contradicts
/// its name.
fn unchosen(desk: &Desk, name: &str) -> String {
    let wanted = channel_modality(name);
    let contradicted = |index: usize| {
        let line = desk.series.get(index).filter(|line| wanted.is_empty() || line.modality == wanted)?;
        Some(format!("\"{}\" {}", line.description, against(name, &line.description)?))
    };
    let there = (0..desk.series.len()).filter(|index| fits(desk, *index));
    let contradicted: Vec<String> = there.filter_map(contradicted).collect();
    if contradicted.is_empty() {
        return format!("No series of this frame of reference is chosen for {name}.");
    }
    format!(
        "No series is {name} by its description ({}). Choose the one that is meant.",
        contradicted.join(", ")
    )
}

/// A row for each channel of a model that has several. Gives why it cannot run, if it cannot.
pub fn channels_ui(ui: &mut Ui, scope: &mut Scope<'_>, model: &ModelLine) -> Result<(), String> {
    if model.channels.len() < 2 {
        return Ok(());
    }
    let desk = scope.context.desk;
    let mut result = Ok(());
    let mut taken = Vec::new();
    widgets::caption(ui, "Images");
    for (channel, name) in model.channels.iter().enumerate() {
        let key = (model.id.clone(), channel);
        let own = scope.state.propose.channels.get(&key).copied().filter(|index| fits(desk, *index));
        let chosen = own.or_else(|| default_series(desk, model, channel));
        ui.horizontal(|ui| {
            let color = Theme::of(ui.ctx()).weak;
            ui.add_sized(
                [72.0, 24.0],
                egui::Label::new(RichText::new(name).color(color)).truncate().halign(egui::Align::LEFT),
            );
            let title = |index: usize| {
                let line = &desk.series[index];
                format!("{} {}", line.modality, line.description).trim().to_owned()
            };
            let text = chosen.map_or_else(|| "choose a series".to_owned(), title);
            let list = widgets::combo(("channel", channel))
                .width(ui.available_width() - 8.0)
                .selected_text(text)
                .truncate();
            let response = list.show_ui(ui, |ui| {
                for index in (0..desk.series.len()).filter(|index| fits(desk, *index)) {
                    if ui.selectable_label(chosen == Some(index), title(index)).clicked() {
                        scope.state.propose.channels.insert(key.clone(), index);
                    }
                }
            });
            let label = format!("Series for {name}");
            response.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, &label));
        });
        let why = match chosen {
            None => Some(unchosen(desk, name)),
            Some(index) if taken.contains(&index) => {
                Some(format!("{name} is given a series that another channel has already."))
            }
            Some(_) => None,
        };
        if let Some(index) = chosen
            && let Some(why) = against(name, &desk.series[index].description)
        {
            super::attention(ui, &format!("{name}: this series {why}."));
        }
        taken.extend(chosen);
        if let (Some(why), Ok(())) = (why, &result) {
            result = Err(why);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;
    use crate::session::suggestion::Fit;

    fn line(modality: &str, description: &str, can_be_second: bool) -> SeriesLine {
        SeriesLine {
            patient: String::new(),
            patient_id: String::new(),
            study: String::new(),
            modality: modality.to_owned(),
            description: description.to_owned(),
            slices: 1,
            can_be_second,
        }
    }

    fn model(channels: &[&str]) -> ModelLine {
        ModelLine {
            modality: String::new(),
            modalities: vec![String::new()],
            channels: channels.iter().map(|name| (*name).to_owned()).collect(),
            any_values: true,
            ..example("m", Fit::Possible(String::new()))
        }
    }

    #[test]
    fn channels_are_found_by_modality_and_name() {
        let desk = Desk {
            series: vec![
                line("CT", "Planning", true),
                line("PT", "WB", true),
                line("MR", "AX T1", true),
                line("MR", "AX T1 ce", true),
                line("MR", "AX T2", false),
            ],
            open_series: Some(0),
            ..Desk::default()
        };
        let pet_ct = model(&["CT", "PET"]);
        assert_eq!([0, 1].map(|channel| default_series(&desk, &pet_ct, channel)), [Some(0), Some(1)]);
        let mr = model(&["T1", "T1 ce", "T2"]);
        assert_eq!(default_series(&desk, &mr, 0), Some(2));
        assert_eq!(default_series(&desk, &mr, 1), Some(3));
        // T2 lies in another frame; no T1 stands for it, nor one after contrast for a plain one.
        assert_eq!(default_series(&desk, &mr, 2), None);
        assert!(
            unchosen(&desk, "T2").contains("\"AX T1 ce\" is after contrast"),
            "{}",
            unchosen(&desk, "T2")
        );
        assert!(unchosen(&desk, "PET").ends_with("is chosen for PET."));
        let only = Desk {
            series: vec![line("MR", "T1 post gd", true), line("MR", "T2 FLAIR", true)],
            open_series: Some(0),
            ..Desk::default()
        };
        let own = model(&["T1", "T2"]);
        assert_eq!([0, 1].map(|channel| default_series(&only, &own, channel)), [None, None]);
        assert_eq!(default_series(&only, &model(&["T1ce", "FLAIR"]), 1), Some(1));
        assert_eq!(default_series(&desk, &model(&["first", "second"]), 0), Some(0), "the open one");
        assert_eq!(default_series(&desk, &model(&["first", "second"]), 1), None);
        assert_eq!(default_series(&Desk::default(), &pet_ct, 1), None);
        // The open series need not be the first channel, and is none that it is not like.
        let ct_second = model(&["PET", "CT"]);
        assert_eq!([0, 1].map(|channel| default_series(&desk, &ct_second, channel)), [Some(1), Some(0)]);
        let alone =
            Desk { series: vec![line("CT", "Planning", true)], open_series: Some(0), ..Desk::default() };
        assert_eq!([0, 1].map(|channel| default_series(&alone, &ct_second, channel)), [None, Some(0)]);
    }
}
