//! What is still open before export: proposals, empty structures, slices without contour, structures
//! that are not what their recipes make.

use super::super::actions::Action;
use super::super::theme::Theme;
use super::super::{Request, Scope, icons, widgets};
use crate::patient::{Roi, RoiId, Volume};
use crate::session::Session;
use egui::{RichText, Ui};

/// Something to look at before export.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The structure.
    pub roi: RoiId,
    /// What it is about, with the structure's name.
    pub text: String,
    /// The slice to go to.
    pub slice: Option<usize>,
}

/// What is open in the session's structures: proposals (left out of an export), derived structures that
/// are not what their recipes make, structures without contours, and gaps within a structure. Empty
/// when nothing is.
pub fn findings(session: &Session) -> Vec<Finding> {
    let volume = &session.series().volume;
    let standings = session.standings();
    let mut found = Vec::new();
    for roi in &session.structures().rois {
        if roi.is_proposal() {
            let text = format!("{} is a proposal and will not be exported.", roi.name);
            found.push(Finding { roi: roi.id, text, slice: None });
            continue;
        }
        if let Some(text) = standings.get(&roi.id).and_then(|own| own.warning(&roi.name)) {
            found.push(Finding { roi: roi.id, text, slice: None });
        }
        if roi.planes.is_empty() {
            let has_points = roi.source.as_ref().is_some_and(|source| !source.is_empty());
            if !has_points {
                let text = format!("{} has no contour.", roi.name);
                found.push(Finding { roi: roi.id, text, slice: None });
            }
            continue;
        }
        let gaps = gaps(roi, volume);
        if let Some(first) = gaps.first() {
            let text = match gaps.len() {
                1 => format!("{} has no contour on slice {}, but above and below it.", roi.name, first + 1),
                count => format!("{} has no contour on {count} slices between others.", roi.name),
            };
            found.push(Finding { roi: roi.id, text, slice: Some(*first) });
        }
    }
    found
}

/// The slices without contour between the lowest and the highest with one.
fn gaps(roi: &Roi, volume: &Volume) -> Vec<usize> {
    let mut held: Vec<usize> =
        roi.planes.iter().filter_map(|plane| volume.slice_at(along(&plane.plane, volume), 0.1)).collect();
    held.sort_unstable();
    held.windows(2)
        .flat_map(|pair| pair[0] + 1..pair[1])
        .filter(|slice| !volume.slices[*slice].missing)
        .collect()
}

/// The offset of a contour's plane along the volume's slice normal, mm.
fn along(plane: &crate::geometry::Plane, volume: &Volume) -> f64 {
    volume.slices.first().map_or(0.0, |slice| {
        if slice.plane.normal().dot(&plane.normal()) < 0.0 { -plane.offset_mm() } else { plane.offset_mm() }
    })
}

/// The Check place.
pub fn check_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let Some(session) = scope.context.session else { return };
    widgets::heading(ui, "Check");
    if session.structures().rois.is_empty() {
        widgets::note(ui, "There is nothing to check yet.");
        return;
    }
    let found = findings(session);
    if found.is_empty() {
        ui.horizontal(|ui| {
            ui.label(RichText::new(icons::ACCEPT).color(Theme::of(ui.ctx()).accent));
            ui.label("Nothing is open.");
        });
        widgets::note(
            ui,
            "No proposals, no empty structures, no gaps between contours, nothing out of date.",
        );
    }
    for finding in found {
        ui.horizontal_top(|ui| {
            ui.label(RichText::new(icons::WARNING).color(Theme::of(ui.ctx()).amber));
            let label = egui::Label::new(&finding.text).wrap().sense(egui::Sense::click());
            let response = ui.add(label).on_hover_text("Go there");
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Link, true, &finding.text));
            if response.clicked() {
                scope.outbox.send(Request::Select(Some(finding.roi)));
                match (finding.slice, scope.state.views.as_mut()) {
                    (Some(slice), Some(views)) => views.go_to_slice(slice),
                    _ => scope.outbox.act(Action::GoToStructure),
                }
            }
        });
        ui.add_space(4.0);
    }
    let unreviewed = session
        .structures()
        .rois
        .iter()
        .filter(|roi| roi.approval == crate::patient::Approval::Accepted && !roi.planes.is_empty())
        .count();
    if unreviewed > 0 {
        widgets::caption(ui, "Not yet marked as reviewed");
        let mark = Action::MarkReviewed.named();
        widgets::note(ui, format!("{unreviewed} structures. {mark} is for the selected one."));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;
    use crate::session::Command;
    use crate::session::derive::{Order, Target};
    use crate::session::fixture::{axial_series, draw, id, session_with, square};

    #[test]
    fn what_is_not_as_its_recipe_makes_it_is_open() {
        let mut session = session_with(axial_series(), &["CTV"]);
        for slice in 4..7 {
            session.apply(draw(&session, "CTV", slice, vec![square(0.0, 0.0, 20.0)])).unwrap();
        }
        // What looks at all of a structure is not made again within an edit of it.
        let recipe = session.read_recipe("largest(CTV) + 2 mm").unwrap().recipe;
        let target = Target::New { name: "PTV".to_owned(), roi_type: crate::patient::RoiType::Ptv };
        let plan = session.plan("Make PTV", vec![Order { recipe, target, keep: true }]).unwrap();
        session.apply(plan.run(&Progress::new()).unwrap()).unwrap();
        let (ctv, ptv) = (id(&session, "CTV"), id(&session, "PTV"));
        let told = |session: &Session| -> Vec<String> {
            let found = findings(session);
            assert!(found.iter().all(|own| own.roi == ptv), "{found:?}");
            found.into_iter().map(|own| own.text).collect()
        };
        assert!(told(&session).is_empty());
        session.apply(draw(&session, "CTV", 5, vec![square(0.0, 0.0, 30.0)])).unwrap();
        let stale = told(&session);
        assert!(stale.len() == 1 && stale[0].starts_with("PTV is out of date"), "{stale:?}");
        session.undo().unwrap();
        assert!(told(&session).is_empty(), "its sources are again what they were");
        session.apply(draw(&session, "PTV", 5, vec![square(0.0, 0.0, 40.0)])).unwrap();
        assert!(told(&session)[0].starts_with("PTV was edited by hand"), "{:?}", told(&session));
        session.apply(Command::DeleteRoi { roi: ctv }).unwrap();
        assert!(told(&session)[0].contains("has been deleted"), "{:?}", told(&session));
        session.apply(Command::ForgetRecipe { roi: ptv }).unwrap();
        assert!(told(&session).is_empty());
    }
}
