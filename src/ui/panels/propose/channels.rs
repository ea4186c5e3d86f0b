//! The images that a model of several channels is given: one series of the same frame of reference
//! each.

use super::super::super::state::{Desk, ModelLine, SeriesLine};
use super::super::super::theme::Theme;
use super::super::super::{Scope, widgets};
use crate::patient::Modality;
use egui::{RichText, Ui};

/// Whether a series can be a channel: it is the open one, or shares its frame of reference.
fn fits(desk: &Desk, index: usize) -> bool {
    desk.open_series == Some(index) || desk.series.get(index).is_some_and(|line| line.can_be_second)
}

/// How well a series goes with a channel's name: 2 by its description, 1 by its modality.
fn likeness(channel: &str, line: &SeriesLine) -> u8 {
    let channel = channel.to_lowercase();
    let description = line.description.to_lowercase();
    // A channel named T1 is not the series T1ce.
    let words = |text: &str| {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (own, of_series) = (words(&channel), words(&description));
    if !own.is_empty() && own.iter().all(|word| of_series.contains(word)) {
        return 2;
    }
    let is_mr = ["t1", "t2", "flair", "adc", "dwi", "mr", "pd"].iter().any(|word| channel.starts_with(word));
    let is_pet = ["pet", "pt", "suv", "fdg"].iter().any(|word| own.iter().any(|part| part == word));
    let modality = Modality::from_code(&line.modality);
    let fits = match modality {
        Modality::Ct => own.iter().any(|word| word == "ct"),
        Modality::Pet => is_pet,
        Modality::Mr => is_mr,
        Modality::Other(_) => false,
    };
    u8::from(fits)
}

/// The series that a channel is given where nobody has chosen: the one most like its name; for the
/// first channel the open one where none is more like it, unless that is like another channel.
#[must_use]
pub fn default_series(desk: &Desk, model: &ModelLine, channel: usize) -> Option<usize> {
    let name = model.channels.get(channel)?;
    let best = (0..desk.series.len())
        .filter(|index| fits(desk, *index))
        .map(|index| (likeness(name, &desk.series[index]), desk.open_series == Some(index), index))
        .filter(|(likeness, ..)| *likeness > 0)
        .max_by_key(|(likeness, is_open, index)| (*likeness, *is_open, usize::MAX - index));
    let is_another = |open: usize| {
        let line = &desk.series[open];
        model.channels.iter().enumerate().any(|(other, name)| other != channel && likeness(name, line) > 0)
    };
    let open =
        desk.open_series.filter(|open| channel == 0 && *open < desk.series.len() && !is_another(*open));
    best.map(|(.., index)| index).or(open)
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
            None => Some(format!("No series of this frame of reference is chosen for {name}.")),
            Some(index) if taken.contains(&index) => {
                Some(format!("{name} is given a series that another channel has already."))
            }
            Some(_) => None,
        };
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
        // T2 lies in another frame; by modality alone another MR is the guess.
        assert_eq!(default_series(&desk, &mr, 2), Some(2));
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
