//! Rows for what can be chosen of tools: each option of the strip by itself, and keys that go from
//! one to the next with the left hand while the right one draws.

use super::{Action, ActionInfo, Group, key, row, shift};
use crate::session::Overwrite;
use crate::tools::{Aspect, BrushMode, BrushReach, Choice, FreehandMode, GrowBy, ShapeKind, Tip};
use crate::ui::icons;
use egui::{Key, KeyboardShortcut};

const fn option(
    choice: Choice,
    icon: &'static str,
    name: &'static str,
    why: &'static str,
    also: &'static str,
) -> ActionInfo {
    row(Action::Choose(choice), Group::Option, icon, name, &[], why).also(also)
}

const fn overwrite(mode: Overwrite, name: &'static str, why: &'static str, also: &'static str) -> ActionInfo {
    row(Action::Overwrite(mode), Group::Option, icons::PUSH, name, &[], why).also(also)
}

const fn step(action: Action, name: &'static str, why: &'static str, also: &'static str) -> ActionInfo {
    row(action, Group::Option, icons::BRUSH, name, &[], why).also(also)
}

const fn switch(
    action: Action,
    icon: &'static str,
    name: &'static str,
    keys: &'static [KeyboardShortcut],
    why: &'static str,
    also: &'static str,
) -> ActionInfo {
    row(action, Group::Tool, icon, name, keys, why).also(also)
}

/// Every option.
#[rustfmt::skip]
pub(super) const TABLE: &[ActionInfo] = {
    use Action as A;
    use Choice as C;
    &[
        switch(A::NextChoice(Aspect::Does), icons::BRUSH, "Switch add, cut, auto", &[key(Key::Z)], "What the tool in hand does: brush, freehand (which can replace too), shapes, live-wire.", "mode, toggle erase"),
        switch(A::NextChoice(Aspect::Kind), icons::SHAPE, "Switch tip, shape, range", &[shift(Key::Z)], "What the tool in hand works with: a brush's tip, the shape drawn, the values that grow, whether live-wire learns.", "kind"),
        switch(A::NextChoice(Aspect::Reach), icons::BETWEEN, "Switch slice, ball, slab", &[shift(Key::Q)], "How far the tool in hand reaches: brush, push, smooth; points alone or softly; a contour or the whole structure.", "2D, 3D, reach, extent"),
        switch(A::NextOverwrite, icons::PUSH, "Switch what may be overwritten", &[shift(Key::O)], "What drawing does to other structures: overlap, stop, push, push all.", "overwrite, masking, editable area, protect others"),
        option(C::Brush(BrushMode::Add), icons::BRUSH, "Brush: add", "Paints. Hold Ctrl to erase.", "paint, draw"),
        option(C::Brush(BrushMode::Cut), icons::ERASER, "Brush: cut", "Erases. Hold Ctrl to paint.", "erase, subtract, remove"),
        option(C::Brush(BrushMode::Auto), icons::BRUSH, "Brush: auto", "Paints when started inside, erases when started at the edge outside.", "auto brush, automatic, inside outside"),
        option(C::Tip(Tip::All), icons::BRUSH, "Brush: all of its disc", "Paints its whole disc.", "plain, simple brush"),
        option(C::Tip(Tip::Edges), icons::BRUSH, "Brush: stop at edges", "Stops at image edges: paints what is alike and hangs together with its centre.", "adaptive, adaptive brush, smart brush, edge, gradient"),
        option(C::Tip(Tip::Range), icons::BRUSH, "Brush: only a range", "Paints only values in a range; starts with the window shown.", "threshold brush, threshold paint, gated, HU range, SUV, masking"),
        option(C::Reach(BrushReach::Slice), icons::BRUSH, "Brush: slice", "A disc on the slice shown, a ball in views across the slices.", "2D, 2d brush, disc, disk"),
        option(C::Reach(BrushReach::Ball), icons::BRUSH, "Brush: ball", "A ball in every view: neighbouring slices follow.", "3D, 3d brush, sphere, spherical"),
        option(C::Reach(BrushReach::Slab), icons::BRUSH, "Brush: slab", "The disc, through a slab around the view.", "cylinder, several slices, multi-slice"),
        option(C::Freehand(FreehandMode::Auto), icons::FREEHAND, "Freehand: auto", "Starting inside adds, starting outside cuts or makes a new piece.", "automatic, inside outside"),
        option(C::Freehand(FreehandMode::Add), icons::FREEHAND, "Freehand: add", "Adds what the line encloses.", "union"),
        option(C::Freehand(FreehandMode::Cut), icons::FREEHAND, "Freehand: cut", "Removes what the line encloses.", "subtract, erase, remove"),
        option(C::Freehand(FreehandMode::Replace), icons::FREEHAND, "Freehand: replace", "Draw from the outline back to it: the line takes the place of the part that it runs along.", "redraw, correct segment, edit contour, repair"),
        option(C::Shape(ShapeKind::Polygon), icons::SHAPE, "Shape: polygon", "Click corner after corner; the first one closes it.", "points, straight lines"),
        option(C::Shape(ShapeKind::Spline), icons::SHAPE, "Shape: curve", "A smooth closed curve through the points you click.", "spline, smooth polygon, anchors"),
        option(C::Shape(ShapeKind::Rectangle), icons::SHAPE, "Shape: rectangle", "Drag from corner to corner; Shift makes a square.", "box, square"),
        option(C::Shape(ShapeKind::Ellipse), icons::SHAPE, "Shape: ellipse", "Drag from corner to corner; Shift makes a circle.", "circle, oval, round"),
        option(C::ShapeCuts(false), icons::SHAPE, "Shape: add", "Adds the shape. Ctrl cuts.", "union"),
        option(C::ShapeCuts(true), icons::SHAPE, "Shape: cut", "Removes the shape. Ctrl adds.", "subtract, punch, remove"),
        option(C::WireCuts(false), icons::LIVE_WIRE, "Live-wire: add", "Adds what the line encloses. Ctrl cuts.", "union"),
        option(C::WireCuts(true), icons::LIVE_WIRE, "Live-wire: cut", "Removes what the line encloses. Ctrl adds.", "subtract, remove"),
        option(C::WireLearns(true), icons::LIVE_WIRE, "Live-wire: learn", "Follows the kind of edge that the last piece of the line had, rather than the strongest.", "teach"),
        option(C::WireLearns(false), icons::LIVE_WIRE, "Live-wire: do not learn", "Follows the strongest edge.", "forget"),
        option(C::MoldFlat(false), icons::PUSH, "Push and smooth: ball", "Neighbouring slices follow, less with their distance.", "3D, 3d pearl, 3d nudge"),
        option(C::MoldFlat(true), icons::PUSH, "Push and smooth: slice", "Only the slice shown changes.", "2D, 2d pearl, 2d nudge"),
        option(C::Grow(GrowBy::Alike), icons::GROW, "Grow: alike", "The tissue around the click, up to half the height of its edges.", "similar, homogeneous"),
        option(C::Grow(GrowBy::Range), icons::GROW, "Grow: range", "Fixed values; starts with the window shown.", "connected threshold, HU range"),
        option(C::Grow(GrowBy::PartOfMaximum), icons::GROW, "Grow: % of maximum", "An isocontour at a part of the greatest value within reach, as for PET.", "percent, PET, SUV, isocontour"),
        option(C::PointsSoft(false), icons::POINTS, "Drag points: one point", "Only the point moves; across the slices the outline bends over the slab.", "vertex, single"),
        option(C::PointsSoft(true), icons::POINTS, "Drag points: soft", "The outline bends with the point, less with the distance along it.", "proportional, elastic, rubber band, falloff"),
        option(C::MoveWhole(false), icons::TRANSFORM, "Move one contour", "The contour under the pointer, on its slice. Shift: the whole structure.", "translate, rotate"),
        option(C::MoveWhole(true), icons::TRANSFORM, "Move the whole structure", "All contours of the structure. Shift: one contour.", "translate, rotate, 3D, ROI"),
        overwrite(Overwrite::Overlap, "Others: overlap", "Other structures stay as they are; overlaps are allowed.", "overwrite nothing, allow overlap"),
        overwrite(Overwrite::Stop, "Others: stop at them", "Other structures stay as they are; what you draw ends at them.", "overwrite nothing, protect, avoid overlap"),
        overwrite(Overwrite::Visible, "Others: push visible ones", "Visible structures give way; locked ones hold. Body and targets never take part.", "overwrite visible"),
        overwrite(Overwrite::Unlocked, "Others: push all", "All structures give way, hidden ones too; locked ones hold. Body and targets never take part.", "overwrite all but locked"),
        step(A::ThinnerSlab, "Thinner slab", "The slab that the brush, or a line across the slices, acts on.", "slab thickness"),
        step(A::ThickerSlab, "Thicker slab", "The slab that the brush, or a line across the slices, acts on.", "slab thickness"),
        step(A::LowerTolerance, "Lower tolerance", "Values may differ less from those under a brush that stops at edges, or around the click that grows.", "sensitivity, stricter"),
        step(A::HigherTolerance, "Higher tolerance", "Values may differ more from those under a brush that stops at edges, or around the click that grows.", "sensitivity, reach further"),
        row(A::ClearRulers, Group::Option, icons::RULER, "Clear rulers", &[], "Takes the measured distances away.").also("remove measurements, delete distance"),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::{ToolKind, choices};

    #[test]
    fn each_option_of_the_strip_has_an_action() {
        let has_row = |action: Action| super::super::TABLE.iter().any(|info| info.action == action);
        let kinds = [
            ToolKind::Navigate,
            ToolKind::Brush,
            ToolKind::Eraser,
            ToolKind::Freehand,
            ToolKind::Shape,
            ToolKind::Push,
            ToolKind::Smooth,
            ToolKind::Grow,
            ToolKind::Knife,
            ToolKind::Points,
            ToolKind::Transform,
            ToolKind::LiveWire,
            ToolKind::Segment,
            ToolKind::DeleteContour,
            ToolKind::Ruler,
        ];
        let mut found = 0;
        for (kind, aspect) in kinds.into_iter().flat_map(|kind| Aspect::ALL.map(|aspect| (kind, aspect))) {
            for choice in choices(kind, aspect) {
                assert!(has_row(Action::Choose(*choice)), "{choice:?}");
                found += 1;
            }
            assert!(has_row(Action::NextChoice(aspect)));
        }
        assert!(found > 30, "{found}");
        for mode in [Overwrite::Overlap, Overwrite::Stop, Overwrite::Visible, Overwrite::Unlocked] {
            assert!(has_row(Action::Overwrite(mode)), "{mode:?}");
        }
        for action in [
            Action::NextOverwrite,
            Action::ToggleSnap,
            Action::SmallerBrush,
            Action::LargerBrush,
            Action::ThinnerSlab,
            Action::ThickerSlab,
            Action::LowerTolerance,
            Action::HigherTolerance,
            Action::ClearRulers,
        ] {
            assert!(has_row(action), "{action:?}");
        }
    }

    #[test]
    fn one_hand_goes_through_the_options_of_every_tool() {
        for aspect in Aspect::ALL {
            let keys = Action::NextChoice(aspect).keys();
            assert!(keys.iter().any(|key| [Key::Z, Key::Q].contains(&key.logical_key)), "{aspect:?}");
        }
    }
}
