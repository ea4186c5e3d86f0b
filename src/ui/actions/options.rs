//! Rows for what can be chosen of tools: each option of the strip by itself, and keys that go from
//! one to the next with the left hand while the right one draws.

use super::{Action, ActionInfo, Group, key, row, shift};
use crate::ai::BodyExtent;
use crate::edit::segment::LungSide;
use crate::session::Overwrite;
use crate::tools::{
    Aspect, BrushMode, BrushReach, Choice, DoseAs, FreehandMode, GrowBy, KeepPieces, Number, Place,
    ShapeKind, TakeAs, Tip, UptakeAt,
};
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

const fn find(choice: Choice, name: &'static str, why: &'static str, also: &'static str) -> ActionInfo {
    option(choice, icons::SEGMENT, name, why, also)
}

const fn number(number: Number, name: &'static str, why: &'static str) -> ActionInfo {
    row(Action::Set(number), Group::Option, icons::RENAME, name, &[], why).also("type a value, number")
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
    use Group as G;
    &[
        switch(A::NextChoice(Aspect::Does), icons::BRUSH, "Switch add, cut, auto", &[key(Key::Z)], "What the tool in hand does: brush, freehand (which can replace too), shapes, live-wire, Find by values.", "mode, toggle erase"),
        switch(A::NextChoice(Aspect::Kind), icons::SHAPE, "Switch tip, shape, range", &[shift(Key::Z)], "What the tool in hand works with: a brush's tip, a soft or firm push, the shape drawn, the values that grow, whether live-wire learns; of Find by values what its method has.", "kind"),
        switch(A::NextChoice(Aspect::Reach), icons::BETWEEN, "Switch slice, ball, slab", &[shift(Key::Q)], "How far the tool in hand reaches: brush, push, smooth; points alone or softly; a contour or the whole structure; where Find by values looks.", "2D, 3D, reach, extent"),
        switch(A::NextOverwrite, icons::PUSH, "Switch what may be overwritten", &[shift(Key::O)], "What drawing does to other structures: overlap, stop at them, push them back.", "overwrite, masking, editable area, protect others"),
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
        option(C::PushFirm(false), icons::PUSH, "Push: soft", "Carries the outline along, less towards the rim of the circle.", "elastic, deform, falloff"),
        option(C::PushFirm(true), icons::PUSH, "Push: firm", "Nothing of the outline stays within the circle: started inside it is pushed out, started outside it is pushed in.", "hard pearl, rigid, nudge with the rim"),
        option(C::Grow(GrowBy::Alike), icons::GROW, "Grow: alike", "The tissue around the click, up to half the height of its edges.", "similar, homogeneous"),
        option(C::Grow(GrowBy::Range), icons::GROW, "Grow: range", "Fixed values; starts with the window shown.", "connected threshold, HU range"),
        option(C::Grow(GrowBy::PartOfMaximum), icons::GROW, "Grow: % of maximum", "An isocontour at a part of the greatest value within reach, as for PET.", "percent, PET, SUV, isocontour"),
        option(C::PointsSoft(false), icons::POINTS, "Drag points: one point", "The point moves, with what lies between it and the points beside it; across the slices the outline bends over the slab.", "vertex, single"),
        option(C::PointsSoft(true), icons::POINTS, "Drag points: soft", "The outline bends with the point over the radius, less with the distance along it.", "proportional, elastic, rubber band, falloff"),
        option(C::MoveWhole(false), icons::TRANSFORM, "Move one contour", "The contour under the pointer, on its slice. Shift: the whole structure.", "translate, rotate"),
        option(C::MoveWhole(true), icons::TRANSFORM, "Move the whole structure", "All contours of the structure. Shift: one contour.", "translate, rotate, 3D, ROI"),
        find(C::TakeAs(TakeAs::Add), "Find: add", "What is found is added to the structure.", "union, extend"),
        find(C::TakeAs(TakeAs::Replace), "Find: replace", "What is found takes the structure's place.", "overwrite the structure, start anew"),
        find(C::TakeAs(TakeAs::Cut), "Find: cut", "What is found is cut from the structure.", "subtract, remove, exclude"),
        find(C::FindIn(Place::Everything), "Find: in the whole image", "Nothing limits what is looked for.", "everywhere, no limit"),
        find(C::FindIn(Place::Body), "Find: in the body", "Looks inside the body alone, on a CT.", "limit to the body, external"),
        find(C::FindIn(Place::Ball), "Find: in a ball", "Drag in a view from the ball's middle.", "sphere, region of interest, VOI"),
        find(C::FindIn(Place::Box), "Find: in a box", "Drag in a view from corner to corner; its edges can be dragged in every view.", "bounding box, region of interest, VOI"),
        row(A::LookInNext, G::Option, icons::SEGMENT, "Find or grow: in the next structure", &[], "Goes through the structures that the tool in hand can be kept to, and back to none.").also("limit to a structure, inside a structure, mask"),
        find(C::Keep(KeepPieces::All), "Threshold: keep all pieces", "However small they are.", "islands"),
        find(C::Keep(KeepPieces::Largest), "Threshold: keep the largest piece", "Only the one with the greatest volume.", "largest island, biggest"),
        find(C::Keep(KeepPieces::Above), "Threshold: keep pieces from a volume", "Smaller ones are left out.", "minimum size, remove small islands"),
        find(C::Keep(KeepPieces::Clicked), "Threshold: keep the piece clicked", "Click it in a view.", "connected threshold, seed, island"),
        find(C::FillHoles(true), "Threshold: fill holes", "Fills what is enclosed on a slice.", "cavities"),
        find(C::FillHoles(false), "Threshold: leave holes", "What is enclosed and out of range stays out.", "cavities"),
        find(C::Uptake(UptakeAt::PartOfMaximum), "Uptake: % of maximum", "At a part of the greatest value in the ball, box or structure.", "41 %, 50 %, percent, relative threshold"),
        find(C::Uptake(UptakeAt::Above), "Uptake: fixed value", "At a value, such as SUV 2.5.", "absolute threshold, SUV 2.5, SUV 4"),
        find(C::Uptake(UptakeAt::Edge), "Uptake: edge", "Where the value changes fastest: the watershed of the gradient.", "gradient, PET edge, watershed"),
        find(C::Isodose(DoseAs::Gy), "Isodose: in Gy", "At a dose.", "absolute dose"),
        find(C::Isodose(DoseAs::PartOfMaximum), "Isodose: % of maximum", "At a part of the greatest dose of the whole grid.", "relative dose"),
        find(C::Isodose(DoseAs::PartOfPrescription), "Isodose: % of prescription", "At a part of the dose that is prescribed.", "relative dose, 95 %"),
        find(C::FillAll(false), "Between pieces: what lies between", "Fills between the structure's pieces.", "gap"),
        find(C::FillAll(true), "Between pieces: all of a region", "What is reached from the structure before it is from others.", "share out, Voronoi"),
        find(C::Rivals(false), "Between pieces: regardless of others", "Other structures do not count.", "ignore others"),
        find(C::Rivals(true), "Between pieces: not into visible ones", "Keeps out of visible structures, or shares the region with them.", "avoid others"),
        row(A::NextRival, G::Option, icons::SEGMENT, "Between pieces: not into the next structure", &[], "Goes through the structures that it keeps out of: none, all visible ones, each by itself.").also("avoid one"),
        find(C::Extent(BodyExtent::Patient), "Body: patient alone", "The patient alone.", "external, skin"),
        find(C::Extent(BodyExtent::Immobilisation), "Body: with immobilisation", "And masks, cushions and holders at the patient, with the air between; without the couch.", "immobilization, thermoplastic mask, bolus"),
        find(C::Extent(BodyExtent::Couch), "Body: with immobilisation and couch", "And the couch too, its shell and its core: what a dose needs.", "table, couch top"),
        find(C::Lung(None), "Lungs: by the structure's name", "The lung that the structure's name means: Lung_L, Lung_R, else both.", "automatic"),
        find(C::Lung(Some(LungSide::Both)), "Lungs: both", "Both lungs.", "total lung"),
        find(C::Lung(Some(LungSide::Left)), "Lungs: left", "The patient's left lung.", "Lung_L"),
        find(C::Lung(Some(LungSide::Right)), "Lungs: right", "The patient's right lung.", "Lung_R"),
        row(A::FindNow, G::Option, icons::SEGMENT, "Find now", &[], "Looks with the settings as they are; nothing changes until it is taken over.").also("apply, compute, run, preview"),
        row(A::SplitHistogram, G::Option, icons::SEGMENT, "Threshold: split the histogram", &[], "From the value that best splits the histogram in two (Otsu).").also("Otsu, automatic threshold"),
        row(A::ToggleSecondValues, G::Tool, icons::SERIES, "Values of this or second series", &[key(Key::Y)], "Whose values brush (edges, range), grow, live-wire and Find by values go by: PET or MR, contours lie on these images.").also("PET values, SUV, second image, fusion"),
        overwrite(Overwrite::Overlap, "Others: overlap", "Other structures stay as they are; overlaps are allowed.", "overwrite nothing, allow overlap"),
        overwrite(Overwrite::Stop, "Others: stop at them", "Other structures stay as they are; what you draw ends at them.", "overwrite nothing, protect, avoid overlap"),
        overwrite(Overwrite::Visible, "Others: push back visible", "Visible structures give way to what you draw; locked ones hold. Body and targets never take part.", "overwrite visible"),
        overwrite(Overwrite::Unlocked, "Others: push back all", "All structures give way to what you draw, hidden ones too; locked ones hold. Body and targets never take part.", "overwrite all but locked"),
        step(A::ThinnerSlab, "Thinner slab", "The slab that the brush, or a line across the slices, acts on.", "slab thickness"),
        step(A::ThickerSlab, "Thicker slab", "The slab that the brush, or a line across the slices, acts on.", "slab thickness"),
        step(A::LowerTolerance, "Lower tolerance", "Values may differ less from those under a brush that stops at edges, or around the click that grows.", "sensitivity, stricter"),
        step(A::HigherTolerance, "Higher tolerance", "Values may differ more from those under a brush that stops at edges, or around the click that grows.", "sensitivity, reach further"),
        number(Number::BrushRadius, "Set: brush radius", "Takes the keyboard to the radius of the round tools, in mm."),
        number(Number::BrushSlab, "Set: brush slab", "Takes the keyboard to the thickness of the slab that the brush paints, in mm."),
        number(Number::BrushTolerance, "Set: brush tolerance", "Takes the keyboard to how much values may differ under a brush that stops at edges."),
        number(Number::BrushFrom, "Set: brush range from", "Takes the keyboard to the least value that the brush paints."),
        number(Number::BrushTo, "Set: brush range to", "Takes the keyboard to the greatest value that the brush paints."),
        number(Number::LineSlab, "Set: slab of lines", "Takes the keyboard to the thickness of the slab that a line across the slices acts on, in mm."),
        number(Number::GrowTolerance, "Set: grow tolerance", "Takes the keyboard to how much values may differ around the click."),
        number(Number::GrowFrom, "Set: grow range from", "Takes the keyboard to the least value that grows."),
        number(Number::GrowTo, "Set: grow range to", "Takes the keyboard to the greatest value that grows."),
        number(Number::GrowPart, "Set: grow % of maximum", "Takes the keyboard to the part of the greatest value within reach."),
        number(Number::GrowReach, "Set: grow reach", "Takes the keyboard to the longest way from the click, in mm."),
        number(Number::GrowNecks, "Set: grow necks", "Takes the keyboard to the width of passages that are kept shut, in mm."),
        number(Number::SnapReach, "Set: reach of snapping", "Takes the keyboard to how far dashed contours are moved to edges, in mm."),
        number(Number::KeepEvery, "Set: keep one slice in", "Takes the keyboard to how many slices become one."),
        number(Number::ThresholdFrom, "Set: threshold from", "Takes the keyboard to the least value of the threshold."),
        number(Number::ThresholdTo, "Set: threshold to", "Takes the keyboard to the greatest value of the threshold."),
        number(Number::LeastVolume, "Set: threshold least volume", "Takes the keyboard to the least volume of a piece, in cc."),
        number(Number::Ball, "Set: ball radius", "Takes the keyboard to the radius of a ball that a click places, in mm."),
        number(Number::BoxDepth, "Set: box depth", "Takes the keyboard to how deep a box is that a drag draws, in mm."),
        number(Number::UptakePart, "Set: uptake % of maximum", "Takes the keyboard to the part of the greatest value."),
        number(Number::UptakeValue, "Set: uptake value", "Takes the keyboard to the value that uptake has at least."),
        number(Number::DoseLevel, "Set: isodose level", "Takes the keyboard to the level of the isodose."),
        number(Number::Prescription, "Set: prescribed dose", "Takes the keyboard to the dose that is prescribed, in Gy."),
        number(Number::ScribbleWidth, "Set: scribble width", "Takes the keyboard to half the width of a scribble, in mm."),
        number(Number::SearchReach, "Set: reach of scribbles or pieces", "Takes the keyboard to how far beyond them is looked, in mm."),
        number(Number::Detour, "Set: detour between pieces", "Takes the keyboard to how much longer than the shortest a way between pieces may be."),
        number(Number::LungClose, "Set: vessels closed in lungs", "Takes the keyboard to half the width up to which vessels and fissures are filled, in mm."),
        number(Number::BoneFrom, "Set: bone from", "Takes the keyboard to how dense bone is at least, in HU."),
        number(Number::BoneCore, "Set: bone core from", "Takes the keyboard to how dense the core of a bone is at least, in HU."),
        number(Number::BoneClose, "Set: gaps closed in bone", "Takes the keyboard to half the width up to which gaps in the cortex are closed, in mm."),
        row(A::ClearRulers, Group::Option, icons::RULER, "Clear rulers", &[], "Takes the measured distances away.").also("remove measurements, delete distance"),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::{Method, ToolKind, choices};

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
        for (method, aspect) in
            Method::ALL.into_iter().flat_map(|method| Aspect::ALL.map(|aspect| (method, aspect)))
        {
            for choice in method.choices(aspect) {
                assert!(has_row(Action::Choose(*choice)), "{choice:?} of {method:?}");
                found += 1;
            }
        }
        assert!(found > 90, "{found}");
        for choice in
            [Choice::FillHoles(true), Choice::FillHoles(false), Choice::Rivals(true), Choice::Rivals(false)]
        {
            assert!(has_row(Action::Choose(choice)), "{choice:?}");
        }
        for number in Number::ALL {
            assert!(has_row(Action::Set(number)), "{number:?}");
            assert!(number.choice().is_none_or(|choice| has_row(Action::Choose(choice))), "{number:?}");
        }
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
            Action::LookInNext,
            Action::NextRival,
            Action::FindNow,
            Action::SplitHistogram,
            Action::ToggleSecondValues,
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
