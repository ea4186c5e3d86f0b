//! Everything a person can do, one row each: name, icon, keys and the reason for it.
//!
//! Menus, the search box (Ctrl K), keys, the F1 sheet and tooltips all read this table, so they
//! cannot disagree. Add a variant to [`Action`] and a row to its table; `app` carries it out. What can
//! be chosen of a tool has its rows in `options`.

mod keys;
mod options;
mod search;

pub use keys::{Over, Pressed, hint_text, key_text, pressed};
pub use search::search;

use super::icons;
use crate::session::Overwrite;
use crate::tools::{Aspect, Choice, Method, Number};
use egui::{Key, KeyboardShortcut, Modifiers};

/// Where an action stands in menus and on the key sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Opening, exporting, quitting.
    File,
    /// Undo and history.
    Edit,
    /// The structure list.
    Structure,
    /// Contours of the selected structure on the slice shown.
    Contour,
    /// Tools.
    Tool,
    /// What is chosen of a tool, each by itself.
    Option,
    /// What is shown and how.
    View,
    /// The five words and other places.
    Go,
}

impl Group {
    /// All groups in the order of the key sheet.
    pub const ALL: [Self; 8] = [
        Self::File,
        Self::Edit,
        Self::Structure,
        Self::Contour,
        Self::Tool,
        Self::Option,
        Self::View,
        Self::Go,
    ];

    /// The heading of the group.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::File => "Files",
            Self::Edit => "Edit",
            Self::Structure => "Structures",
            Self::Contour => "Contours on this slice",
            Self::Tool => "Tools",
            Self::Option => "Tool options",
            Self::View => "View",
            Self::Go => "Go to",
        }
    }
}

/// A thing a person can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table below says what each does")]
pub enum Action {
    OpenFolder,
    OpenFiles,
    OpenSample,
    ChooseSeries,
    Export,
    CloseStudy,
    Quit,
    Undo,
    Redo,
    ShowHistory,
    AddStructure,
    RenameStructure,
    DeleteStructure,
    ToggleVisible,
    ShowOnly,
    ShowAll,
    ToggleLock,
    ToggleExclusive,
    NextStructure,
    PreviousStructure,
    GoToStructure,
    GoToLeastCertain,
    ManageModels,
    AcceptProposal,
    RejectProposal,
    AcceptAll,
    MarkReviewed,
    MakeFromStructures,
    UpdateDerived,
    SplitStructure,
    DeleteContour,
    CopyFromBelow,
    CopyFromAbove,
    CopyToAbove,
    CopyToBelow,
    CopyContour,
    PasteContour,
    FillBetween,
    ClearGuides,
    TakeSuggested,
    TakeAllSuggested,
    DropSuggested,
    ThinSlices(u8),
    SelectCrosshair,
    SelectBrush,
    SelectEraser,
    SelectFreehand,
    SelectShape,
    SelectPush,
    SelectSmooth,
    SelectGrow,
    SelectKnife,
    SelectPoints,
    SelectTransform,
    SelectLiveWire,
    Segment(Method),
    CloseOutline,
    ReopenOutline,
    TakeBackPoint,
    NudgeLeft,
    NudgeRight,
    NudgeUp,
    NudgeDown,
    SelectDeleteContour,
    SelectRuler,
    SmallerBrush,
    LargerBrush,
    NextChoice(Aspect),
    Choose(Choice),
    Set(Number),
    ToggleSecondValues,
    LookInNext,
    NextRival,
    FindNow,
    SplitHistogram,
    NextOverwrite,
    Overwrite(Overwrite),
    ToggleSnap,
    ThinnerSlab,
    ThickerSlab,
    LowerTolerance,
    HigherTolerance,
    ClearRulers,
    CancelGesture,
    SliceUp,
    SliceDown,
    TenSlicesUp,
    TenSlicesDown,
    MaximiseView,
    NextView,
    FitViews,
    TurnViews(i8),
    StraightenViews,
    ToggleInterpolation,
    ToggleFusion,
    ToggleOverlays,
    ToggleStructurePanel,
    ToggleInspector,
    ToggleTheme,
    LargerText,
    SmallerText,
    Preset(u8),
    GoOpen,
    GoPropose,
    GoCorrect,
    GoCheck,
    GoExport,
    TrainModel,
    Search,
    Keys,
    ToolPictures,
    About,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct ActionInfo {
    /// What it does.
    pub action: Action,
    /// Where it stands.
    pub group: Group,
    /// Its name, in the imperative.
    pub name: &'static str,
    /// What others call it, between commas; only the search reads it.
    pub also: &'static str,
    /// One sentence why.
    pub why: &'static str,
    /// Its icon.
    pub icon: &'static str,
    /// Its standard keys; the first is shown.
    pub keys: &'static [KeyboardShortcut],
}

const fn key(logical: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, logical)
}
const fn ctrl(logical: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, logical)
}
const fn shift(logical: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::SHIFT, logical)
}
const fn alt(logical: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::ALT, logical)
}
const fn ctrl_shift(logical: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), logical)
}

const fn row(
    action: Action,
    group: Group,
    icon: &'static str,
    name: &'static str,
    keys: &'static [KeyboardShortcut],
    why: &'static str,
) -> ActionInfo {
    ActionInfo { action, group, name, also: "", why, icon, keys }
}

impl ActionInfo {
    /// The same with what others call it.
    const fn also(self, also: &'static str) -> Self {
        Self { also, ..self }
    }
}

/// Every action.
pub const TABLE: &[ActionInfo] = &joined::<{ OWN.len() + options::TABLE.len() }>(OWN, options::TABLE);

const fn joined<const N: usize>(first: &[ActionInfo], second: &[ActionInfo]) -> [ActionInfo; N] {
    let mut all = [first[0]; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    all
}

/// Every action but what can be chosen of tools.
#[rustfmt::skip]
const OWN: &[ActionInfo] = {
    use Action as A;
    use Group as G;
    &[
        row(A::OpenFolder, G::File, icons::FOLDER, "Open folder", &[ctrl(Key::O)], "Reads every scan and structure set in a folder and its subfolders.").also("import, load, DICOM"),
        row(A::OpenFiles, G::File, icons::FOLDER, "Open files", &[ctrl_shift(Key::O)], "Reads single files: DICOM, NIfTI, or an RTSTRUCT for the open scan.").also("import, load, NIfTI, NRRD"),
        row(A::OpenSample, G::File, icons::SAMPLE, "Open the sample patient", &[ctrl_shift(Key::P)], "A made-up patient to try everything on; nothing can go wrong.").also("demo, example, phantom"),
        row(A::ChooseSeries, G::File, icons::SERIES, "Choose series", &[ctrl_shift(Key::S)], "Shows another series of what was opened.").also("image set, scan, switch"),
        row(A::Export, G::File, icons::EXPORT, "Export RTSTRUCT", &[ctrl(Key::E)], "Writes the accepted structures for the planning system.").also("save, send, write DICOM, RT structure set"),
        row(A::CloseStudy, G::File, icons::CLOSE, "Close patient", &[ctrl(Key::W)], "Goes back to the start screen; every edit is kept.").also("leave, new patient"),
        row(A::Quit, G::File, icons::CLOSE, "Quit", &[ctrl(Key::Q)], "Every edit is kept; the next start offers to resume.").also("exit"),
        row(A::Undo, G::Edit, icons::UNDO, "Undo", &[ctrl(Key::Z)], "Takes back the last change; there is no limit.").also("back, revert"),
        row(A::Redo, G::Edit, icons::REDO, "Redo", &[ctrl(Key::Y), ctrl_shift(Key::Z)], "Does again what was undone.").also("repeat, again"),
        row(A::ShowHistory, G::Edit, icons::HISTORY, "Show history", &[ctrl(Key::H)], "Lists every change by name.").also("log, steps, changes"),
        row(A::AddStructure, G::Structure, icons::ADD, "Add structure", &[key(Key::Insert), ctrl(Key::N)], "Adds an empty structure and asks for its TG-263 name.").also("new ROI, create contour, organ, target, GTV, CTV"),
        row(A::RenameStructure, G::Structure, icons::RENAME, "Rename structure", &[key(Key::F2)], "Completes names of the TG-263 standard as you type.").also("name, TG-263, nomenclature"),
        row(A::DeleteStructure, G::Structure, icons::DELETE, "Delete structure", &[ctrl(Key::Delete)], "Removes it with all its contours; undo brings it back.").also("remove ROI"),
        row(A::ToggleVisible, G::Structure, icons::VISIBLE, "Show or hide structure", &[key(Key::V)], "Hides it in the views only; it is still exported.").also("visibility, display"),
        row(A::ShowOnly, G::Structure, icons::VISIBLE, "Show only this structure", &[key(Key::O)], "Hides all others, to look at one boundary.").also("isolate, solo, hide others"),
        row(A::ShowAll, G::Structure, icons::VISIBLE, "Show all structures", &[shift(Key::V)], "Shows every structure again.").also("unhide, visibility"),
        row(A::ToggleLock, G::Structure, icons::LOCKED, "Lock or unlock structure", &[key(Key::L)], "A locked structure cannot be changed by tools or models.").also("protect, freeze, read only"),
        row(A::ToggleExclusive, G::Structure, icons::PUSH, "Exclusive or not", &[], "Exclusive structures push one another back: what one gains the others lose; locked ones hold.").also("non-overlapping, no overlap"),
        row(A::NextStructure, G::Structure, icons::UNFOLDED, "Next structure", &[key(Key::N), shift(Key::F)], "Selects the next in the list; the slice stays where that has a contour, else the nearest with one is shown.").also("next ROI"),
        row(A::PreviousStructure, G::Structure, icons::FOLDED, "Previous structure", &[key(Key::P), shift(Key::R)], "Selects the previous in the list, in the same way.").also("previous ROI, last ROI"),
        row(A::GoToStructure, G::Structure, icons::CROSSHAIR, "Go to structure", &[key(Key::G)], "Moves all views to the middle of the selected structure.").also("center, centre, jump, localize, find ROI"),
        row(A::AcceptProposal, G::Structure, icons::ACCEPT, "Accept proposal", &[key(Key::A)], "Makes the selected proposal yours; proposals are not exported.").also("approve, confirm, take over"),
        row(A::RejectProposal, G::Structure, icons::REJECT, "Reject proposal", &[key(Key::X)], "Removes the selected proposal; undo brings it back.").also("discard, decline"),
        row(A::AcceptAll, G::Structure, icons::ACCEPT, "Accept all proposals", &[shift(Key::A)], "Asks once, then makes every proposal yours.").also("approve all, confirm all"),
        row(A::MarkReviewed, G::Structure, icons::REVIEWED, "Mark as reviewed", &[key(Key::K)], "Notes that you looked through the selected structure.").also("approve, sign off, done"),
        row(A::MakeFromStructures, G::Structure, icons::ADD, "Make from structures", &[ctrl_shift(Key::M)], "Margins, unions, crops, walls, rings, smoothing in space, and recipes such as CTV + 5 mm.").also("boolean, algebra, margin, PTV, expand, shrink, contract, grow by, union, combine, merge, intersect, intersection, subtract, difference, xor, crop, trim, wall, ring, derived, recipe, smooth structure, 3D smoothing, smooth in space, fill holes, remove small pieces, largest piece, simplify, PRV, ITV"),
        row(A::UpdateDerived, G::Structure, icons::REDO, "Update derived structures", &[ctrl_shift(Key::U)], "Makes those again whose sources have changed; what was edited by hand stays.").also("recompute, refresh, re-evaluate"),
        row(A::SplitStructure, G::Structure, icons::SERIES, "Split into pieces", &[], "Makes a numbered structure of every piece that hangs together; the whole stays.").also("separate, connected components, islands"),
        row(A::DeleteContour, G::Contour, icons::DELETE, "Delete contour", &[key(Key::Delete)], "Empties this slice of the selected structure.").also("clear slice, erase slice, delete slice"),
        row(A::CopyFromBelow, G::Contour, icons::COPY_BELOW, "Copy contour from slice below", &[ctrl(Key::ArrowUp)], "Starts this slice from its neighbour towards the feet.").also("duplicate, previous slice"),
        row(A::CopyFromAbove, G::Contour, icons::COPY_ABOVE, "Copy contour from slice above", &[ctrl(Key::ArrowDown)], "Starts this slice from its neighbour towards the head.").also("duplicate, previous slice"),
        row(A::CopyToAbove, G::Contour, icons::COPY_BELOW, "Copy contour to slice above", &[ctrl_shift(Key::ArrowUp)], "Takes this slice's contour along to its neighbour towards the head, and goes there.").also("duplicate, propagate, next slice"),
        row(A::CopyToBelow, G::Contour, icons::COPY_ABOVE, "Copy contour to slice below", &[ctrl_shift(Key::ArrowDown)], "Takes this slice's contour along to its neighbour towards the feet, and goes there.").also("duplicate, propagate, next slice"),
        row(A::CopyContour, G::Contour, icons::SERIES, "Copy contour", &[shift(Key::C)], "Keeps what the selected structure has on this slice, to paste it elsewhere.").also("clipboard"),
        row(A::PasteContour, G::Contour, icons::SERIES, "Paste contour", &[shift(Key::P)], "Adds the copied contour to the selected structure on this slice.").also("clipboard"),
        row(A::FillBetween, G::Contour, icons::BETWEEN, "Fill between slices", &[key(Key::J)], "Shows dashed what lies between drawn slices, and follows every change. Outlines drawn in views across guide it.").also("interpolate, interpolation, between slices, inbetween, shape-based"),
        row(A::ToggleSnap, G::Contour, icons::BETWEEN, "Snap dashed contours to edges", &[shift(Key::N)], "Moves what is filled between slices to image edges nearby that look like those under the contours drawn on the slices below and above; where these lie on no edge it stays as it is.").also("edge snapping, magnet, refine"),
        row(A::ClearGuides, G::Contour, icons::REJECT, "Clear guide outlines", &[], "Takes away what was drawn across the slices to guide the shape between them; contours stay.").also("orthogonal contours, remove guides"),
        row(A::TakeSuggested, G::Contour, icons::ACCEPT, "Take over dashed contour", &[], "Makes what is suggested on this slice part of the structure; accepting a proposal does the same.").also("apply, confirm"),
        row(A::TakeAllSuggested, G::Contour, icons::ACCEPT, "Take over all dashed contours", &[], "Makes all that is suggested part of the structure; accepting all proposals does the same.").also("apply all, confirm all"),
        row(A::DropSuggested, G::Contour, icons::REJECT, "Drop dashed contours", &[], "Leaves the structure as it is; rejecting a proposal does the same.").also("cancel, discard"),
        row(A::ThinSlices(2), G::Contour, icons::SERIES, "Keep every second slice", &[], "Empties the slices between, to correct fewer and fill between them again.").also("thin, thin out, n-th slice, every other slice, decimate"),
        row(A::ThinSlices(3), G::Contour, icons::SERIES, "Keep every third slice", &[], "Empties the slices between, to correct fewer and fill between them again.").also("thin, thin out, n-th slice, decimate"),
        row(A::ThinSlices(4), G::Contour, icons::SERIES, "Keep every fourth slice", &[], "Empties the slices between, to correct fewer and fill between them again.").also("thin, thin out, n-th slice, decimate"),
        row(A::ThinSlices(5), G::Contour, icons::SERIES, "Keep every fifth slice", &[], "Empties the slices between, to correct fewer and fill between them again.").also("thin, thin out, n-th slice, decimate"),
        row(A::SelectCrosshair, G::Tool, icons::CROSSHAIR, "Crosshair", &[key(Key::C)], "Click a point: all views go there.").also("pointer, navigate, localizer"),
        row(A::SelectBrush, G::Tool, icons::BRUSH, "Brush", &[key(Key::B)], "Paints with a disc of a radius in mm; hold Ctrl to erase.").also("paintbrush, paint, draw, pen"),
        row(A::SelectEraser, G::Tool, icons::ERASER, "Eraser", &[key(Key::E)], "Removes with a disc of a radius in mm.").also("rubber, erase, remove"),
        row(A::SelectFreehand, G::Tool, icons::FREEHAND, "Freehand", &[key(Key::F)], "Draw an outline: starting inside adds, starting outside cuts or makes a new piece.").also("pencil, draw, lasso, outline, trace"),
        row(A::SelectShape, G::Tool, icons::SHAPE, "Shape", &[key(Key::S)], "Polygon or smooth curve by clicks, rectangle or ellipse by a drag.").also("contour by clicks, geometric, unfinished outline, continue polygon"),
        row(A::SelectPush, G::Tool, icons::PUSH, "Push", &[key(Key::Q)], "Drags the outline along with a soft round tool; no slivers, nothing splits.").also("nudge, pearl, deform, bulge, repulsor, sculpt"),
        row(A::SelectSmooth, G::Tool, icons::SMOOTH, "Smooth", &[key(Key::T)], "Takes wrinkles out of the outline under the tool without shrinking it.").also("smoothing, relax"),
        row(A::SelectGrow, G::Tool, icons::GROW, "Grow", &[key(Key::R)], "Click inside an organ: what is alike and hangs together is suggested.").also("region growing, magic wand, flood fill, smart"),
        row(A::SelectLiveWire, G::Tool, icons::LIVE_WIRE, "Live-wire", &[shift(Key::L)], "Click along an edge: the line follows it from click to click and learns which edge you want.").also("intelligent scissors, edge, magnetic lasso, snake, smart contour"),
        row(A::SelectKnife, G::Tool, icons::KNIFE, "Cut with a line", &[shift(Key::X)], "Drag a straight line across a contour: it splits in two and both parts stay.").also("split contour, scissors, divide"),
        row(A::SelectPoints, G::Tool, icons::POINTS, "Drag points", &[shift(Key::B)], "Moves points of the outline; Ctrl inserts one, Shift removes one.").also("edit vertices, control points, nodes, anchors"),
        row(A::SelectTransform, G::Tool, icons::TRANSFORM, "Move, turn, scale", &[shift(Key::M)], "One contour or the whole structure, by a frame around it.").also("translate, rotate, resize, shift, move ROI"),
        row(A::NudgeLeft, G::Tool, icons::TRANSFORM, "Nudge to the left", &[alt(Key::ArrowLeft)], "Moves by 1 mm what the move tool has under the pointer.").also("shift"),
        row(A::NudgeRight, G::Tool, icons::TRANSFORM, "Nudge to the right", &[alt(Key::ArrowRight)], "Moves by 1 mm what the move tool has under the pointer.").also("shift"),
        row(A::NudgeUp, G::Tool, icons::TRANSFORM, "Nudge upwards", &[alt(Key::ArrowUp)], "Moves by 1 mm, or by a slice, what the move tool has under the pointer.").also("shift"),
        row(A::NudgeDown, G::Tool, icons::TRANSFORM, "Nudge downwards", &[alt(Key::ArrowDown)], "Moves by 1 mm, or by a slice, what the move tool has under the pointer.").also("shift"),
        row(A::TakeBackPoint, G::Tool, icons::UNDO, "Take back the last click", &[key(Key::Backspace)], "Removes the last point of an outline that is being clicked, or the last scribble.").also("undo point"),
        row(A::Segment(Method::Threshold), G::Tool, icons::SEGMENT, "Threshold", &[key(Key::H)], "Suggests what lies in a range of values, set on a histogram.").also("thresholding, HU range, histogram"),
        row(A::Segment(Method::Level), G::Tool, icons::SEGMENT, "Level tracing", &[shift(Key::H)], "Shows the line of equal value under the pointer; a click takes it, Ctrl cuts.").also("level set, isocontour, isoline"),
        row(A::Segment(Method::Scribbles), G::Tool, icons::SEGMENT, "Grow from scribbles", &[shift(Key::J)], "Scribble inside an organ and beside it; the border between is found.").also("GrowCut, grow cut, seeds, fast marching, paint seeds"),
        row(A::Segment(Method::Uptake), G::Tool, icons::SEGMENT, "Outline uptake", &[shift(Key::U)], "Outlines PET uptake in a ball, a box or a structure: above an SUV, a part of the maximum, or at its edge.").also("uptake, PET, SUV, isocontour, 41%, MTV"),
        row(A::Segment(Method::Dose), G::Tool, icons::SEGMENT, "Outline an isodose", &[shift(Key::I)], "Outlines a level of an RT Dose: in Gy, or a part of its maximum or of the prescription.").also("dose, IDL, isodose"),
        row(A::Segment(Method::Pieces), G::Tool, icons::SEGMENT, "Fill between pieces", &[], "Suggests what lies between the pieces of the structure, along what is alike in the image.").also("fill gap, connect, bridge"),
        row(A::Segment(Method::Body), G::Tool, icons::SEGMENT, "Find body", &[], "Suggests the outline of the body: alone, with mask and cushions, or with the couch too.").also("body, external, skin, couch, table, immobilisation, immobilization, mask"),
        row(A::Segment(Method::Lungs), G::Tool, icons::SEGMENT, "Find lungs", &[], "Suggests the lungs, or the one that the structure's name means.").also("lung, lungs"),
        row(A::Segment(Method::Airways), G::Tool, icons::SEGMENT, "Find airways", &[], "Suggests the trachea and bronchi, stopped before they leak into the lung.").also("trachea, bronchi, bronchus"),
        row(A::Segment(Method::Bones), G::Tool, icons::SEGMENT, "Find bones", &[], "Suggests bone by its density, with its marrow.").also("bone, skeleton"),
        row(A::CloseOutline, G::Tool, icons::SHAPE, "Close the outline", &[], "Ends an outline drawn by clicks.").also("finish, end polygon"),
        row(A::ReopenOutline, G::Tool, icons::SHAPE, "Reopen the last outline", &[shift(Key::Enter)], "Takes what an outline drawn by clicks did back and opens it again, with all its points to drag.").also("edit anchors, control points, spline points, continue polygon"),
        row(A::SelectDeleteContour, G::Tool, icons::DELETE_CONTOUR, "Delete contour by click", &[key(Key::D)], "Click a contour of the selected structure, or in a hole of it, to remove it on its slice.").also("remove piece, delete island, fill hole, remove hole"),
        row(A::SelectRuler, G::Tool, icons::RULER, "Ruler", &[key(Key::M)], "Drag to measure a distance in mm.").also("measure, distance, length, caliper"),
        row(A::SmallerBrush, G::Tool, icons::BRUSH, "Smaller brush", &[key(Key::OpenBracket), shift(Key::S)], "Alt and the wheel do the same.").also("size, radius, diameter"),
        row(A::LargerBrush, G::Tool, icons::BRUSH, "Larger brush", &[key(Key::CloseBracket), shift(Key::W)], "Alt and the wheel do the same.").also("size, radius, diameter"),
        row(A::CancelGesture, G::Edit, icons::CLOSE, "Never mind", &[key(Key::Escape)], "Drops the stroke, closes what is open, or goes back to the crosshair.").also("cancel, escape, abort"),
        row(A::SliceUp, G::View, icons::UNFOLDED, "Next slice up", &[key(Key::ArrowUp), shift(Key::E)], "In the view the pointer is over; the wheel does the same.").also("scroll"),
        row(A::SliceDown, G::View, icons::UNFOLDED, "Next slice down", &[key(Key::ArrowDown), shift(Key::D)], "In the view the pointer is over; the wheel does the same.").also("scroll"),
        row(A::TenSlicesUp, G::View, icons::UNFOLDED, "Ten slices up", &[key(Key::PageUp), shift(Key::ArrowUp)], "Shift and the wheel do the same.").also("scroll, page"),
        row(A::TenSlicesDown, G::View, icons::UNFOLDED, "Ten slices down", &[key(Key::PageDown), shift(Key::ArrowDown)], "Shift and the wheel do the same.").also("scroll, page"),
        row(A::MaximiseView, G::View, icons::MAXIMISE, "Maximise view", &[key(Key::Enter)], "One view fills the window; a double click does the same.").also("full screen, zoom, layout, maximize"),
        row(A::NextView, G::View, icons::MAXIMISE, "Next view", &[key(Key::W)], "Moves the focus from view to view.").also("focus"),
        row(A::FitViews, G::View, icons::RESTORE, "Fit the scan to the views", &[key(Key::Home)], "Undoes zoom and pan.").also("reset zoom, pan, home"),
        row(A::TurnViews(1), G::View, icons::TURN, "Turn the views right by 1 degree", &[ctrl(Key::ArrowRight)], "Turns the two other planes about the view the pointer is over, as a handle on its crosshair does."),
        row(A::TurnViews(-1), G::View, icons::TURN, "Turn the views left by 1 degree", &[ctrl(Key::ArrowLeft)], "Turns the two other planes about the view the pointer is over, as a handle on its crosshair does."),
        row(A::TurnViews(5), G::View, icons::TURN, "Turn the views right by 5 degrees", &[ctrl_shift(Key::ArrowRight)], "Turns the two other planes about the view the pointer is over: oblique views."),
        row(A::TurnViews(-5), G::View, icons::TURN, "Turn the views left by 5 degrees", &[ctrl_shift(Key::ArrowLeft)], "Turns the two other planes about the view the pointer is over: oblique views."),
        row(A::StraightenViews, G::View, icons::STRAIGHTEN, "Straighten the views", &[ctrl(Key::Home)], "Shows axial, sagittal and coronal planes again."),
        row(A::ToggleInterpolation, G::View, icons::SERIES, "Smooth or plain voxels", &[key(Key::I)], "Plain voxels show the scan as it was measured.").also("pixels, nearest, linear, interpolation of the image"),
        row(A::ToggleFusion, G::View, icons::SERIES, "Second series: blend, beside, off", &[key(Key::U)], "Shows PET or MR with the CT.").also("fusion, overlay PET, registration, blend"),
        row(A::ToggleOverlays, G::View, icons::VISIBLE, "Show or hide all overlays", &[shift(Key::T)], "Looks at the picture alone; Space, held, does it for a moment.").also("hide contours, outlines"),
        row(A::ToggleStructurePanel, G::View, icons::PANEL, "Structure panel", &[ctrl(Key::L)], "Folds the panel away; the picture gets its room.").also("ROI list, sidebar"),
        row(A::ToggleInspector, G::View, icons::PANEL, "Inspector", &[ctrl(Key::R)], "Folds the panel away; the picture gets its room.").also("properties, sidebar"),
        row(A::ToggleTheme, G::View, icons::MOON, "Light or dark", &[ctrl(Key::T)], "Dark for a dim room, light for a bright one.").also("dark mode, theme, colours, colors"),
        row(A::LargerText, G::View, icons::ADD, "Larger window text", &[ctrl(Key::Plus), ctrl(Key::Equals)], "Scales the whole window.").also("zoom in, scale, font"),
        row(A::SmallerText, G::View, icons::ADD, "Smaller window text", &[ctrl(Key::Minus)], "Scales the whole window.").also("zoom out, scale, font"),
        row(A::Preset(1), G::View, icons::SUN, "Window: soft tissue", &[key(Key::Num1)], "Level 40 HU, width 400 HU."),
        row(A::Preset(2), G::View, icons::SUN, "Window: lung", &[key(Key::Num2)], "Level −600 HU, width 1500 HU."),
        row(A::Preset(3), G::View, icons::SUN, "Window: bone", &[key(Key::Num3)], "Level 400 HU, width 1800 HU."),
        row(A::Preset(4), G::View, icons::SUN, "Window: brain", &[key(Key::Num4)], "Level 40 HU, width 80 HU."),
        row(A::Preset(5), G::View, icons::SUN, "Window: head and neck", &[key(Key::Num5)], "Level 50 HU, width 250 HU."),
        row(A::Preset(6), G::View, icons::SUN, "Window: liver", &[key(Key::Num6)], "Level 60 HU, width 160 HU."),
        row(A::Preset(7), G::View, icons::SUN, "Window: mediastinum", &[key(Key::Num7)], "Level 50 HU, width 350 HU."),
        row(A::Preset(8), G::View, icons::SUN, "Window: full range", &[key(Key::Num8)], "From the least to the greatest value of the scan."),
        row(A::Preset(9), G::View, icons::SUN, "Window: as opened", &[key(Key::Num9)], "Back to the window the scan was opened with."),
        row(A::GoToLeastCertain, G::Structure, icons::WARNING, "Go to the least certain slice", &[shift(Key::G)], "Where the model trusts its own contour least: look there first.").also("confidence, uncertainty, QA"),
        row(A::ManageModels, G::File, icons::MODEL, "Manage models", &[ctrl(Key::M)], "Gets, imports and removes models, and shows their cards.").also("networks, download, install, nnU-Net"),
        row(A::GoOpen, G::Go, icons::FOLDER, "Open", &[ctrl(Key::Num1)], "Choose what to work on."),
        row(A::GoPropose, G::Go, icons::MODEL, "Propose", &[ctrl(Key::Num2)], "Let a model contour; what it draws is a proposal until you accept it.").also("auto-contour, autocontour, AI, deep learning, segmentation"),
        row(A::GoCorrect, G::Go, icons::BRUSH, "Correct", &[ctrl(Key::Num3)], "Correct contours by hand.").also("edit"),
        row(A::GoCheck, G::Go, icons::ACCEPT, "Check", &[ctrl(Key::Num4)], "See what is empty, unreviewed, or would be left out.").also("QA, review, errors, gaps"),
        row(A::GoExport, G::Go, icons::EXPORT, "Export", &[ctrl(Key::Num5)], "Write the RTSTRUCT."),
        row(A::TrainModel, G::Go, icons::MODEL, "Train a model", &[], "Teaches a model from a folder of patients with approved contours.").also("learn, training, fine-tune"),
        row(A::Search, G::Go, icons::SEARCH, "Search actions and structures", &[ctrl(Key::K)], "Type what you want to do or see.").also("command palette, find"),
        row(A::Keys, G::Go, icons::KEYS, "Keys", &[key(Key::F1)], "Everything that can be done, with its key.").also("shortcuts, hotkeys, cheat sheet, help, keyboard"),
        row(A::ToolPictures, G::Go, icons::KEYS, "Tools in pictures", &[shift(Key::F1)], "What the tools do, in one picture each.").also("help, tutorial"),
        row(A::About, G::Go, icons::ABOUT, "About Delineo", &[], "Version, licence and what it is not.").also("version, licence, license"),
    ]
};

impl Action {
    /// Its row of [`TABLE`].
    #[must_use]
    pub fn info(self) -> &'static ActionInfo {
        static MISSING: ActionInfo = row(Action::CancelGesture, Group::Go, icons::ABOUT, "", &[], "");
        TABLE.iter().find(|info| info.action == self).unwrap_or(&MISSING)
    }

    /// Whether it can be asked for while the button is down in a stroke of a tool: what changes neither the
    /// tool, its structure, the slice nor the picture's place.
    #[must_use]
    pub fn works_in_stroke(self) -> bool {
        matches!(
            self,
            Self::CancelGesture
                | Self::Undo
                | Self::Redo
                | Self::SmallerBrush
                | Self::LargerBrush
                | Self::ToggleOverlays
                | Self::ToggleInterpolation
                | Self::Preset(_)
        )
    }

    /// Whether it can be asked for while a card lies over the window.
    #[must_use]
    pub fn works_when_covered(self) -> bool {
        matches!(
            self,
            Self::CancelGesture
                | Self::Search
                | Self::Keys
                | Self::ToolPictures
                | Self::About
                | Self::Quit
                | Self::ToggleTheme
                | Self::LargerText
                | Self::SmallerText
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_actions_share_a_key_or_a_name() {
        let mut keys = HashSet::new();
        let mut names = HashSet::new();
        for info in TABLE {
            assert!(names.insert(info.name), "{} twice", info.name);
            assert!(!info.why.is_empty() && info.why.ends_with('.'), "{} needs a sentence", info.name);
            for shortcut in info.keys {
                assert!(keys.insert(key_text(shortcut)), "{} twice", key_text(shortcut));
            }
        }
    }

    #[test]
    fn the_left_hand_reaches_what_drawing_needs() {
        use Key::{A, B, C, D, E, F, G, Q, R, S, T, V, W, X, Z};
        let left = [A, B, C, D, E, F, G, Q, R, S, T, V, W, X, Z];
        for action in [
            Action::SmallerBrush,
            Action::LargerBrush,
            Action::SliceUp,
            Action::SliceDown,
            Action::NextStructure,
            Action::PreviousStructure,
            Action::ToggleOverlays,
            Action::ToggleVisible,
            Action::Undo,
            Action::AcceptProposal,
        ] {
            let reached = action.keys().iter().any(|key| left.contains(&key.logical_key));
            assert!(reached, "{}", action.info().name);
        }
    }
}
