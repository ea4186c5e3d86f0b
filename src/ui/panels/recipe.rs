//! Structures from structures: the recipe of the selected one, and a form that writes recipes.
//!
//! The form's controls and the line of text say the same: a control changed writes the line, the line
//! can be written by hand, and what it means is read back below it before anything is done.

mod batch;

use self::batch::{also_ui, left_out_text, orders_for};
use super::super::actions::Action;
use super::super::state::{PreviewLine, RecipeForm};
use super::super::{Request, Scope, widgets};
use crate::edit::algebra::{Margin, SetRule};
use crate::edit::recipe::{self, Operation, Recipe};
use crate::patient::{Roi, RoiId, RoiType};
use crate::session::derive::{Order, Standing};
use crate::session::{Command, Session};
use egui::Ui;

/// What the form offers; the words stand in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Outward,
    Inward,
    With(SetRule),
    Inside,
    AwayFrom,
    Crop,
    Wall,
    Ring,
    Largest,
    Above,
    Filled,
    Unholed,
    Smooth,
    SmoothInSpace,
    Simple,
    Points,
    Extended,
    Resampled,
}

const KINDS: &[(Kind, &str)] = &[
    (Kind::Outward, "Margin outward"),
    (Kind::Inward, "Margin inward"),
    (Kind::With(SetRule::Union), "Union with"),
    (Kind::With(SetRule::Subtraction), "Without"),
    (Kind::With(SetRule::Intersection), "Common part with"),
    (Kind::With(SetRule::SymmetricDifference), "In only one of it and"),
    (Kind::Inside, "Keep inside, at a distance"),
    (Kind::AwayFrom, "Keep away from, at a distance"),
    (Kind::Crop, "Crop to body"),
    (Kind::Wall, "Wall"),
    (Kind::Ring, "Ring around"),
    (Kind::Largest, "Largest piece"),
    (Kind::Above, "Without small pieces"),
    (Kind::Filled, "Fill cavities"),
    (Kind::Unholed, "Remove holes"),
    (Kind::Smooth, "Smooth within slices"),
    (Kind::SmoothInSpace, "Smooth in space"),
    (Kind::Simple, "Fewer points, by distance"),
    (Kind::Points, "Fewer points, by number"),
    (Kind::Extended, "Extend the ends"),
    (Kind::Resampled, "Put onto these slices"),
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
    let (Some(text), Some(standing)) =
        (session.recipe_text(roi.id), session.standings().get(&roi.id).copied())
    else {
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
    widgets::combo("recipe kind").selected_text(word).width(180.0).show_ui(ui, |ui| {
        for (n, (_, word)) in KINDS.iter().enumerate() {
            changed |= ui.selectable_value(&mut form.kind, n, *word).changed();
        }
    });
    let kind = KINDS.get(form.kind).map_or(Kind::Outward, |(kind, _)| *kind);
    changed |= controls_ui(ui, form, session, roi, kind);
    if changed || form.made_for != Some(roi.id) {
        form.made_for = Some(roi.id);
        form.shows_preview |= changed;
        let body = body_of(session, roi.id).map(|own| own.id);
        let made = made_by(kind, form, roi.id, body);
        form.text = recipe::printed(&made, &|id| session.roi(id).map(|own| own.name.clone()));
    }
    let line = ui.add(egui::TextEdit::singleline(&mut form.text).desired_width(f32::INFINITY));
    let line = line.on_hover_text("A recipe, such as CTV + 5 mm - (Skin in 3 mm)");
    form.shows_preview |= line.changed();
    let mut entered = widgets::is_entered(ui, &line);
    if std::mem::take(&mut form.wants_focus) {
        line.request_focus();
        line.scroll_to_me(None);
    }
    let read = session.read_recipe(&form.text);
    if let Err(error) = &read {
        widgets::note(ui, error.to_string());
    }
    also_ui(ui, form, session, roi.id);
    ui.horizontal(|ui| {
        ui.radio_value(&mut form.into_new, true, "New structure");
        ui.radio_value(&mut form.into_new, false, if form.also.is_empty() { "This one" } else { "These" });
    });
    if form.into_new {
        let hint = if form.also.is_empty() { "Name" } else { "Name; * stands for each one's own" };
        let field = egui::TextEdit::singleline(&mut form.name).hint_text(hint).desired_width(f32::INFINITY);
        let field = ui.add(field);
        field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Name of what is made"));
        if entered && form.name.trim().is_empty() && read.as_ref().is_ok_and(|own| own.name.is_none()) {
            // All that is missing.
            field.request_focus();
        }
        entered |= widgets::is_entered(ui, &field);
    }
    ui.checkbox(&mut form.keep, "Follow its sources")
        .on_hover_text("Keeps the recipe: the structure is made again when its sources change");
    let named = read.as_ref().ok().and_then(|own| own.name.clone());
    let name = named.unwrap_or_else(|| form.name.trim().to_owned());
    if let Ok(read) = &read
        && let Some(text) = left_out_text(form, session, roi.id, &read.recipe)
    {
        widgets::note(ui, text);
    }
    let orders = read.map(|own| orders_for(form, session, roi, &name, &own.recipe)).unwrap_or_default();
    preview_ui(ui, form, &orders);
    let ready = !orders.is_empty() && (!form.into_new || !name.is_empty());
    let make =
        widgets::primary_button(ui, "Make", ready).on_hover_text("Makes it   Enter in the fields above");
    if make.clicked() || (entered && ready) {
        // What is then there would be previewed with the same once more on top.
        form.shows_preview = false;
        let gesture = match orders.as_slice() {
            [_] => format!("Make {}", if form.into_new { name.as_str() } else { roi.name.as_str() }),
            many => format!("{word} for {} structures", many.len()),
        };
        scope.outbox.send(Request::Derive { gesture, orders });
    }
    let hover = Action::SplitStructure.tooltip();
    if widgets::button(ui, "Split into pieces").on_hover_text(hover).clicked() {
        scope.outbox.send(Request::Split(roi.id));
    }
}

/// The numbers that an operation takes; whether one was changed.
fn controls_ui(ui: &mut Ui, form: &mut RecipeForm, session: &Session, roi: &Roi, kind: Kind) -> bool {
    let number = |ui: &mut Ui, label: &str, field: egui::DragValue<'_>| {
        ui.horizontal(|ui| {
            widgets::note(ui, label);
            ui.add(field).changed()
        })
        .inner
    };
    match kind {
        Kind::Outward | Kind::Inward => margins_ui(ui, form),
        Kind::With(_) => other_ui(ui, form, session, roi.id),
        Kind::Inside | Kind::AwayFrom => {
            let other = other_ui(ui, form, session, roi.id);
            distance_ui(ui, "Distance", &mut form.pair_mm[0]) || other
        }
        Kind::Crop => {
            match body_of(session, roi.id) {
                Some(body) => widgets::fact(ui, "Body", body.name.as_str()),
                None => widgets::note(ui, "There is no outline of the body (type External). Find it first."),
            }
            false
        }
        Kind::Wall => two_ui(ui, form, ["Inside", "Outside"]),
        Kind::Ring => two_ui(ui, form, ["Gap", "Width"]),
        Kind::Smooth | Kind::SmoothInSpace => {
            let changed = distance_ui(ui, "Distance", &mut form.pair_mm[0]);
            widgets::note(
                ui,
                if kind == Kind::Smooth {
                    "Smooths within each slice and keeps its area."
                } else {
                    "Smooths within the slices and across them and keeps the volume. Slices that lie further \
                     apart than the distance are hardly evened out: take twice their distance."
                },
            );
            changed
        }
        Kind::Simple => distance_ui(ui, "Distance", &mut form.pair_mm[0]),
        Kind::Extended => number(ui, "Slices", egui::DragValue::new(&mut form.slices).range(1..=50)),
        Kind::Above => {
            let field = egui::DragValue::new(&mut form.least_cc).range(0.0..=1000.0).speed(0.05);
            number(ui, "Keep from", field.max_decimals(2).suffix(" cc"))
        }
        Kind::Points => {
            let field = egui::DragValue::new(&mut form.points).range(3..=1_000_000).speed(10.0);
            number(ui, "Points in all", field)
        }
        Kind::Largest | Kind::Filled | Kind::Unholed | Kind::Resampled => false,
    }
}

/// Asks for the preview, and says what it would change.
fn preview_ui(ui: &mut Ui, form: &mut RecipeForm, orders: &[Order]) {
    ui.checkbox(&mut form.shows_preview, "Preview")
        .on_hover_text("Shows dashed, in all views, what would be made");
    if !form.shows_preview || orders.is_empty() {
        return;
    }
    form.wanted = Some(orders.iter().map(|order| order.recipe.clone()).collect());
    match &form.told {
        None => {}
        Some(Err(why)) => widgets::note(ui, why.clone()),
        Some(Ok(lines)) => {
            for line in lines.iter().take(4) {
                widgets::fact(ui, "Volume", volume_change(line));
                widgets::fact(ui, "Points", line.points.to_string());
            }
        }
    }
}

/// "12.30 → 12.31 cc (+0.1 %)".
fn volume_change(line: &PreviewLine) -> String {
    let PreviewLine { source_cc, made_cc, .. } = *line;
    let change = if source_cc > 0.0 { (made_cc / source_cc - 1.0) * 100.0 } else { 0.0 };
    let sign = if change < 0.0 { "−" } else { "+" };
    format!("{source_cc:.2} → {made_cc:.2} cc ({sign}{:.2} %)", change.abs())
}

/// The outline of the body: a structure of that type, else one of that name.
fn body_of(session: &Session, roi: RoiId) -> Option<&Roi> {
    let usable = |own: &&Roi| own.id != roi && !own.is_proposal() && !own.planes.is_empty();
    let all = || session.structures().rois.iter().map(AsRef::as_ref).filter(usable);
    let named = |own: &Roi| ["body", "external", "skin"].contains(&own.name.to_lowercase().as_str());
    all().find(|own| own.roi_type == RoiType::External).or_else(|| all().find(|own| named(own)))
}

/// The recipe that the form's controls say; of two structures the first alone while the other is not
/// chosen or not there.
fn made_by(kind: Kind, form: &RecipeForm, roi: RoiId, body: Option<RoiId>) -> Recipe {
    let own = Recipe::Roi(roi);
    let [first, second] = form.pair_mm;
    let with =
        |own: Recipe, rule: SetRule, other: Option<RoiId>, change: fn(Margin) -> Operation, mm: f64| {
            let Some(other) = other.map(Recipe::Roi) else { return own };
            let other =
                if mm > 0.0 { Recipe::Apply(change(Margin::uniform(mm)), Box::new(other)) } else { other };
            Recipe::Set(rule, vec![own, other])
        };
    let operation = match kind {
        Kind::Outward => Operation::Expand(Margin::from_array(form.margin_mm)),
        Kind::Inward => Operation::Contract(Margin::from_array(form.margin_mm)),
        Kind::With(rule) => return with(own, rule, form.other, Operation::Contract, 0.0),
        Kind::Inside => {
            return with(own, SetRule::Intersection, form.other, Operation::Contract, first);
        }
        Kind::AwayFrom => return with(own, SetRule::Subtraction, form.other, Operation::Expand, first),
        Kind::Crop => return with(own, SetRule::Intersection, body, Operation::Contract, 0.0),
        Kind::Wall => Operation::Wall { inner_mm: first, outer_mm: second },
        Kind::Ring => Operation::Ring { gap_mm: first, width_mm: second },
        Kind::Largest => Operation::Largest,
        Kind::Above => Operation::Above(form.least_cc),
        Kind::Points => Operation::Points(form.points),
        Kind::Resampled => Operation::Resampled,
        Kind::Filled => Operation::Filled,
        Kind::Unholed => Operation::Unholed,
        Kind::Smooth => Operation::Smooth(first),
        Kind::SmoothInSpace => Operation::SmoothInSpace(first),
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
    widgets::combo("recipe other").selected_text(chosen).width(180.0).show_ui(ui, |ui| {
        for own in session.structures().rois.iter().filter(|own| own.id != roi) {
            changed |= ui.selectable_value(&mut form.other, Some(own.id), own.name.as_str()).changed();
        }
    });
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_write_recipes_that_keep_a_distance() {
        let name_of =
            |id: RoiId| ["PTV", "Cord", "Body"].get(usize::try_from(id.0).ok()?).map(ToString::to_string);
        let written = |kind: Kind, mm: f64, other: Option<u64>, body: Option<u64>| {
            let form = RecipeForm { pair_mm: [mm, 3.0], other: other.map(RoiId), ..RecipeForm::default() };
            recipe::printed(&made_by(kind, &form, RoiId(0), body.map(RoiId)), &name_of)
        };
        assert_eq!(written(Kind::Inside, 5.0, Some(2), None), "PTV & (Body - 5 mm)");
        assert_eq!(written(Kind::Inside, 0.0, Some(2), None), "PTV & Body");
        assert_eq!(written(Kind::AwayFrom, 2.5, Some(1), Some(2)), "PTV - (Cord + 2.5 mm)");
        assert_eq!(written(Kind::Crop, 5.0, Some(1), Some(2)), "PTV & Body");
        assert_eq!(written(Kind::Crop, 5.0, Some(1), None), "PTV", "without a body nothing is cut");
        assert_eq!(written(Kind::With(SetRule::Subtraction), 5.0, Some(1), None), "PTV - Cord");
        assert_eq!(written(Kind::Smooth, 2.0, None, None), "smooth(PTV, 2 mm)");
        assert_eq!(written(Kind::SmoothInSpace, 4.0, None, None), "smooth3d(PTV, 4 mm)");
    }

    #[test]
    fn the_body_is_found_by_its_type_before_its_name() {
        use crate::session::fixture::{axial_series, draw, id, session_with, square};
        let mut session = session_with(axial_series(), &["Skin", "Outline", "PTV"]);
        let ptv = id(&session, "PTV");
        let found = |session: &Session| body_of(session, ptv).map(|own| own.name.clone());
        assert_eq!(found(&session), None, "without contours it is none");
        for name in ["Skin", "Outline"] {
            session.apply(draw(&session, name, 5, vec![square(0.0, 0.0, 60.0)])).unwrap();
        }
        assert_eq!(found(&session).as_deref(), Some("Skin"));
        let outline = id(&session, "Outline");
        session.apply(Command::SetRoiType { roi: outline, roi_type: RoiType::External }).unwrap();
        assert_eq!(found(&session).as_deref(), Some("Outline"));
        assert!(body_of(&session, outline).is_none_or(|own| own.id != outline), "not of itself");
    }

    #[test]
    fn a_change_of_volume_is_told_with_its_sign() {
        let line = |source_cc, made_cc| volume_change(&PreviewLine { source_cc, made_cc, points: 0 });
        assert_eq!(line(100.0, 100.5), "100.00 → 100.50 cc (+0.50 %)");
        assert_eq!(line(10.0, 7.5), "10.00 → 7.50 cc (−25.00 %)");
        assert_eq!(line(0.0, 1.0), "0.00 → 1.00 cc (+0.00 %)");
    }
}
