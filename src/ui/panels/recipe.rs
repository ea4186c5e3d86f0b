//! Structures from structures: the recipe of the selected one, and a form that writes recipes.
//!
//! The form's controls and the line of text say the same: a control changed writes the line, the line
//! can be written by hand, and what it means is read back below it before anything is done.

use super::super::state::RecipeForm;
use super::super::{Request, Scope, widgets};
use crate::edit::algebra::{Margin, SetRule};
use crate::edit::recipe::{self, Operation, Recipe};
use crate::patient::{Roi, RoiId, RoiType};
use crate::session::derive::{Order, Standing, Target};
use crate::session::{Command, Session};
use egui::Ui;

/// What the form offers; the words stand in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Outward,
    Inward,
    With(SetRule),
    Wall,
    Ring,
    Largest,
    Filled,
    Unholed,
    Smooth,
    Simple,
    Extended,
}

const KINDS: &[(Kind, &str)] = &[
    (Kind::Outward, "Margin outward"),
    (Kind::Inward, "Margin inward"),
    (Kind::With(SetRule::Union), "Union with"),
    (Kind::With(SetRule::Subtraction), "Without"),
    (Kind::With(SetRule::Intersection), "Common part with"),
    (Kind::With(SetRule::SymmetricDifference), "In only one of it and"),
    (Kind::Wall, "Wall"),
    (Kind::Ring, "Ring around"),
    (Kind::Largest, "Largest piece"),
    (Kind::Filled, "Fill cavities"),
    (Kind::Unholed, "Remove holes"),
    (Kind::Smooth, "Smooth"),
    (Kind::Simple, "Fewer points"),
    (Kind::Extended, "Extend the ends"),
];

/// Left, right, anterior, posterior, superior, inferior.
const WAYS: [&str; 6] = ["Left", "Right", "Front", "Back", "Head", "Feet"];

/// The recipe of the selected structure with how it stands, and the form.
pub fn recipe_ui(ui: &mut Ui, scope: &mut Scope<'_>, session: &Session, roi: &Roi) {
    kept_ui(ui, scope, session, roi);
    let open = scope.state.recipe.wants_focus.then_some(true);
    egui::CollapsingHeader::new("Make from structures").id_salt("recipe").open(open).show(ui, |ui| {
        form_ui(ui, scope, session, roi);
    });
}

fn kept_ui(ui: &mut Ui, scope: &mut Scope<'_>, session: &Session, roi: &Roi) {
    let (Some(text), Some(standing)) = (session.recipe_text(roi.id), session.standing(roi.id)) else {
        return;
    };
    widgets::caption(ui, "Recipe");
    ui.add(egui::Label::new(text).wrap());
    widgets::fact(ui, "It is", standing.word());
    ui.horizontal_wrapped(|ui| {
        let due = matches!(standing, Standing::Stale | Standing::Overridden);
        let hover = "Makes it again from its sources; one undo step";
        if due && !roi.is_locked() && widgets::button(ui, "Update").on_hover_text(hover).clicked() {
            scope.outbox.send(Request::UpdateDerived(vec![roi.id]));
        }
        let hover = "Keeps the contours; they no longer follow other structures";
        if !roi.is_locked() && widgets::button(ui, "Forget recipe").on_hover_text(hover).clicked() {
            scope.outbox.apply(Command::ForgetRecipe { roi: roi.id });
        }
    });
    ui.add_space(4.0);
}

fn form_ui(ui: &mut Ui, scope: &mut Scope<'_>, session: &Session, roi: &Roi) {
    let form = &mut scope.state.recipe;
    let mut changed = false;
    let word = KINDS.get(form.kind).map_or("", |(_, word)| word);
    egui::ComboBox::from_id_salt("recipe kind").selected_text(word).width(180.0).show_ui(ui, |ui| {
        for (n, (_, word)) in KINDS.iter().enumerate() {
            changed |= ui.selectable_value(&mut form.kind, n, *word).changed();
        }
    });
    let kind = KINDS.get(form.kind).map_or(Kind::Outward, |(kind, _)| *kind);
    match kind {
        Kind::Outward | Kind::Inward => changed |= margins_ui(ui, form),
        Kind::With(_) => changed |= other_ui(ui, form, session, roi.id),
        Kind::Wall => changed |= two_ui(ui, form, ["Inside", "Outside"]),
        Kind::Ring => changed |= two_ui(ui, form, ["Gap", "Width"]),
        Kind::Smooth | Kind::Simple => changed |= distance_ui(ui, "Distance", &mut form.pair_mm[0]),
        Kind::Extended => {
            ui.horizontal(|ui| {
                widgets::note(ui, "Slices");
                changed |= ui.add(egui::DragValue::new(&mut form.slices).range(1..=50)).changed();
            });
        }
        Kind::Largest | Kind::Filled | Kind::Unholed => {}
    }
    if changed || form.made_for != Some(roi.id) {
        form.made_for = Some(roi.id);
        let made = made_by(kind, form, roi.id);
        form.text = recipe::printed(&made, &|id| session.roi(id).map(|own| own.name.clone()));
    }
    let line = ui.add(egui::TextEdit::singleline(&mut form.text).desired_width(f32::INFINITY));
    let line = line.on_hover_text("A recipe, such as CTV + 5 mm - (Skin in 3 mm)");
    if std::mem::take(&mut form.wants_focus) {
        line.request_focus();
        line.scroll_to_me(None);
    }
    let read = session.read_recipe(&form.text);
    if let Err(error) = &read {
        widgets::note(ui, error.to_string());
    }
    ui.horizontal(|ui| {
        ui.radio_value(&mut form.into_new, true, "New structure");
        ui.radio_value(&mut form.into_new, false, "This one");
    });
    if form.into_new {
        ui.add(egui::TextEdit::singleline(&mut form.name).hint_text("Name").desired_width(f32::INFINITY));
    }
    ui.checkbox(&mut form.keep, "Follow its sources")
        .on_hover_text("Keeps the recipe: the structure is made again when its sources change");
    let named = read.as_ref().ok().and_then(|own| own.name.clone());
    let name = named.unwrap_or_else(|| form.name.trim().to_owned());
    let ready = read.is_ok() && (!form.into_new || !name.is_empty());
    if widgets::primary_button(ui, "Make", ready).clicked()
        && let Ok(definition) = read
    {
        let target = if form.into_new {
            Target::New { name: name.clone(), roi_type: type_for(&name) }
        } else {
            Target::Roi(roi.id)
        };
        let gesture = format!("Make {}", if form.into_new { name.as_str() } else { roi.name.as_str() });
        let order = Order { recipe: definition.recipe, target, keep: form.keep };
        scope.outbox.send(Request::Derive { gesture, orders: vec![order] });
    }
}

/// The type that a name's beginning stands for.
fn type_for(name: &str) -> RoiType {
    let upper = name.to_ascii_uppercase();
    let begins = [("PTV", RoiType::Ptv), ("CTV", RoiType::Ctv), ("GTV", RoiType::Gtv)];
    begins.into_iter().find(|(start, _)| upper.starts_with(start)).map_or(RoiType::Control, |(_, own)| own)
}

fn made_by(kind: Kind, form: &RecipeForm, roi: RoiId) -> Recipe {
    let own = Recipe::Roi(roi);
    let [first, second] = form.pair_mm;
    let operation = match kind {
        Kind::Outward => Operation::Expand(Margin::from_array(form.margin_mm)),
        Kind::Inward => Operation::Contract(Margin::from_array(form.margin_mm)),
        Kind::With(rule) => {
            return form.other.map_or(own.clone(), |other| Recipe::Set(rule, vec![own, Recipe::Roi(other)]));
        }
        Kind::Wall => Operation::Wall { inner_mm: first, outer_mm: second },
        Kind::Ring => Operation::Ring { gap_mm: first, width_mm: second },
        Kind::Largest => Operation::Largest,
        Kind::Filled => Operation::Filled,
        Kind::Unholed => Operation::Unholed,
        Kind::Smooth => Operation::Smooth(first),
        Kind::Simple => Operation::Simple(first),
        Kind::Extended => Operation::Extended(form.slices),
    };
    Recipe::Apply(operation, Box::new(own))
}

fn distance_ui(ui: &mut Ui, label: &str, value: &mut f64) -> bool {
    ui.horizontal(|ui| {
        widgets::note(ui, label);
        let field = egui::DragValue::new(value).range(0.0..=100.0).speed(0.1).max_decimals(1).suffix(" mm");
        ui.add(field).changed()
    })
    .inner
}

fn two_ui(ui: &mut Ui, form: &mut RecipeForm, labels: [&str; 2]) -> bool {
    let mut changed = false;
    for (label, value) in labels.into_iter().zip(&mut form.pair_mm) {
        changed |= distance_ui(ui, label, value);
    }
    changed
}

fn margins_ui(ui: &mut Ui, form: &mut RecipeForm) -> bool {
    let mut changed = ui
        .checkbox(&mut form.linked, "Same in all directions")
        .on_hover_text("Left and right, front and back, head and feet are the patient's")
        .changed();
    if form.linked {
        changed |= distance_ui(ui, "All", &mut form.margin_mm[0]);
        form.margin_mm = [form.margin_mm[0]; 6];
        return changed;
    }
    egui::Grid::new("margins").num_columns(4).show(ui, |ui| {
        for (n, word) in WAYS.into_iter().enumerate() {
            widgets::note(ui, word);
            let field = egui::DragValue::new(&mut form.margin_mm[n]);
            changed |= ui.add(field.range(0.0..=100.0).speed(0.1).max_decimals(1).suffix(" mm")).changed();
            if n % 2 == 1 {
                ui.end_row();
            }
        }
    });
    changed
}

fn other_ui(ui: &mut Ui, form: &mut RecipeForm, session: &Session, roi: RoiId) -> bool {
    let mut changed = false;
    let chosen =
        form.other.and_then(|id| session.roi(id)).map_or("Choose a structure", |own| own.name.as_str());
    egui::ComboBox::from_id_salt("recipe other").selected_text(chosen).width(180.0).show_ui(ui, |ui| {
        for own in session.structures().rois.iter().filter(|own| own.id != roi) {
            changed |= ui.selectable_value(&mut form.other, Some(own.id), own.name.as_str()).changed();
        }
    });
    changed
}
