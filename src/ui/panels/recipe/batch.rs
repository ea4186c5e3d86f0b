//! The same recipe for several structures, each in the place of the selected one.

use super::super::super::state::RecipeForm;
use crate::edit::recipe::Recipe;
use crate::patient::{Roi, RoiId, RoiType};
use crate::session::Session;
use crate::session::derive::{Order, Target};
use egui::Ui;

/// Other structures that the same is done to.
pub(super) fn also_ui(ui: &mut Ui, form: &mut RecipeForm, session: &Session, roi: RoiId) {
    form.also.retain(|id| *id != roi && session.roi(*id).is_some());
    let label = match form.also.len() {
        0 => "For this structure".to_owned(),
        others => format!("For {} structures", others + 1),
    };
    ui.menu_button(label, |ui| {
        egui::ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
            for own in session.structures().rois.iter().filter(|own| own.id != roi && !own.is_proposal()) {
                let mut on = form.also.contains(&own.id);
                if ui.add_enabled(!own.is_locked(), egui::Checkbox::new(&mut on, own.name.as_str())).changed()
                {
                    form.shows_preview = true;
                    if on {
                        form.also.insert(own.id)
                    } else {
                        form.also.remove(&own.id)
                    };
                }
            }
        });
    })
    .response
    .on_hover_text("Does the same to several structures in one step");
}

/// Whether the recipe for another structure is left out: that one would stand in it for the selected one and
/// for itself, and "PTV - Cord" would empty the cord.
fn meets_itself(recipe: &Recipe, roi: RoiId, other: RoiId) -> bool {
    let sources = recipe.sources();
    other != roi && sources.contains(&roi) && sources.contains(&other)
}

/// Which of the others are left out, and why; `None` when none is.
pub(super) fn left_out_text(
    form: &RecipeForm,
    session: &Session,
    roi: RoiId,
    recipe: &Recipe,
) -> Option<String> {
    let left_out = form.also.iter().filter(|id| meets_itself(recipe, roi, **id));
    let names: Vec<&str> = left_out.filter_map(|id| Some(session.roi(*id)?.name.as_str())).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("{one} is left out: the recipe names it, and it would meet itself there.")),
        many => {
            let many = many.join(", ");
            Some(format!("{many} are left out: the recipe names them, and they would meet themselves there."))
        }
    }
}

/// The recipe for the selected structure and for each of the others but those that the recipe names.
pub(super) fn orders_for(
    form: &RecipeForm,
    session: &Session,
    roi: &Roi,
    name: &str,
    recipe: &Recipe,
) -> Vec<Order> {
    let all = std::iter::once(roi.id).chain(form.also.iter().copied());
    all.filter(|id| !meets_itself(recipe, roi.id, *id))
        .filter_map(|id| {
            let own = session.roi(id)?;
            let target = if form.into_new {
                let name = match form.also.is_empty() {
                    true => name.to_owned(),
                    false if name.contains('*') => name.replace('*', &own.name),
                    false => format!("{}_{name}", own.name),
                };
                let roi_type = type_for(&name);
                Target::New { name, roi_type }
            } else {
                Target::Roi(id)
            };
            Some(Order { recipe: recipe.with(roi.id, id), target, keep: form.keep })
        })
        .collect()
}

/// The type that a name's beginning stands for.
fn type_for(name: &str) -> RoiType {
    let upper = name.to_ascii_uppercase();
    let begins = [("PTV", RoiType::Ptv), ("CTV", RoiType::Ctv), ("GTV", RoiType::Gtv)];
    begins.into_iter().find(|(start, _)| upper.starts_with(start)).map_or(RoiType::Control, |(_, own)| own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::recipe::printed as printed_recipe;

    #[test]
    fn a_structure_that_the_recipe_names_is_not_taken_from_itself() {
        use crate::session::fixture::{axial_series, id, session_with};
        let session = session_with(axial_series(), &["PTV", "Cord", "Lung"]);
        let [ptv, cord, lung] = ["PTV", "Cord", "Lung"].map(|name| id(&session, name));
        let also = [cord, lung].into_iter().collect();
        let mut form = RecipeForm { also, into_new: false, ..RecipeForm::default() };
        let printed = |form: &RecipeForm, text: &str| -> Vec<String> {
            let read = session.read_recipe(text).unwrap().recipe;
            let name_of = |id: RoiId| session.roi(id).map(|own| own.name.clone());
            let orders = orders_for(form, &session, session.roi(ptv).unwrap(), "", &read);
            orders.iter().map(|order| printed_recipe(&order.recipe, &name_of)).collect()
        };
        let told = |form: &RecipeForm, text: &str| {
            left_out_text(form, &session, ptv, &session.read_recipe(text).unwrap().recipe)
        };
        assert_eq!(printed(&form, "PTV - Cord"), ["PTV - Cord", "Lung - Cord"]);
        let why = told(&form, "PTV - Cord").unwrap();
        assert!(why.starts_with("Cord is left out"), "{why}");
        // One that does not name it is the same for all.
        assert_eq!(printed(&form, "PTV + 5 mm"), ["PTV + 5 mm", "Cord + 5 mm", "Lung + 5 mm"]);
        assert_eq!(told(&form, "PTV + 5 mm"), None);
        // Without the selected one in it nothing stands for anything else.
        assert_eq!(printed(&form, "Cord + Lung").len(), 3);
        assert_eq!(told(&form, "Cord + Lung"), None);
        assert_eq!(printed(&form, "PTV - (Cord + Lung)"), ["PTV - (Cord + Lung)"]);
        let why = told(&form, "PTV - (Cord + Lung)").unwrap();
        assert!(why.starts_with("Cord, Lung are left out"), "{why}");
        form.also.clear();
        assert_eq!(printed(&form, "PTV - Cord"), ["PTV - Cord"]);
        assert_eq!(told(&form, "PTV - Cord"), None);
    }
}
