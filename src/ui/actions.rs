//! Everything a person can do, one row each: name, icon, keys and the reason for it.
//!
//! Menus, the search box (Ctrl K), keys, the F1 sheet and tooltips all read this table, so they
//! cannot disagree. Add a variant to [`Action`] and a row to [`TABLE`]; `app` carries it out.

use super::{icons, keymap};
use crate::tools::Method;
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
    /// What is shown and how.
    View,
    /// The five words and other places.
    Go,
}

impl Group {
    /// All groups in the order of the key sheet.
    pub const ALL: [Self; 7] =
        [Self::File, Self::Edit, Self::Structure, Self::Contour, Self::Tool, Self::View, Self::Go];

    /// The heading of the group.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::File => "Files",
            Self::Edit => "Edit",
            Self::Structure => "Structures",
            Self::Contour => "Contours on this slice",
            Self::Tool => "Tools",
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
    TakeBackPoint,
    NudgeLeft,
    NudgeRight,
    NudgeUp,
    NudgeDown,
    SelectDeleteContour,
    SelectRuler,
    SmallerBrush,
    LargerBrush,
    CancelGesture,
    SliceUp,
    SliceDown,
    TenSlicesUp,
    TenSlicesDown,
    MaximiseView,
    NextView,
    FitViews,
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
    ActionInfo { action, group, name, why, icon, keys }
}

/// Every action.
#[rustfmt::skip]
pub const TABLE: &[ActionInfo] = {
    use Action as A;
    use Group as G;
    &[
        row(A::OpenFolder, G::File, icons::FOLDER, "Open folder", &[ctrl(Key::O)], "Reads every scan and structure set in a folder and its subfolders."),
        row(A::OpenFiles, G::File, icons::FOLDER, "Open files", &[ctrl_shift(Key::O)], "Reads single files: DICOM, NIfTI, or an RTSTRUCT for the open scan."),
        row(A::OpenSample, G::File, icons::SAMPLE, "Open the sample patient", &[ctrl_shift(Key::P)], "A made-up patient to try everything on; nothing can go wrong."),
        row(A::ChooseSeries, G::File, icons::SERIES, "Choose series", &[ctrl_shift(Key::S)], "Shows another series of what was opened."),
        row(A::Export, G::File, icons::EXPORT, "Export RTSTRUCT", &[ctrl(Key::E)], "Writes the accepted structures for the planning system."),
        row(A::CloseStudy, G::File, icons::CLOSE, "Close patient", &[ctrl(Key::W)], "Goes back to the start screen; every edit is kept."),
        row(A::Quit, G::File, icons::CLOSE, "Quit", &[ctrl(Key::Q)], "Every edit is kept; the next start offers to resume."),
        row(A::Undo, G::Edit, icons::UNDO, "Undo", &[ctrl(Key::Z)], "Takes back the last change; there is no limit."),
        row(A::Redo, G::Edit, icons::REDO, "Redo", &[ctrl(Key::Y), ctrl_shift(Key::Z)], "Does again what was undone."),
        row(A::ShowHistory, G::Edit, icons::HISTORY, "Show history", &[ctrl(Key::H)], "Lists every change by name."),
        row(A::AddStructure, G::Structure, icons::ADD, "Add structure", &[key(Key::Insert), ctrl(Key::N)], "Adds an empty structure and asks for its TG-263 name."),
        row(A::RenameStructure, G::Structure, icons::RENAME, "Rename structure", &[key(Key::F2)], "Completes names of the TG-263 standard as you type."),
        row(A::DeleteStructure, G::Structure, icons::DELETE, "Delete structure", &[ctrl(Key::Delete)], "Removes it with all its contours; undo brings it back."),
        row(A::ToggleVisible, G::Structure, icons::VISIBLE, "Show or hide structure", &[key(Key::V)], "Hides it in the views only; it is still exported."),
        row(A::ShowOnly, G::Structure, icons::VISIBLE, "Show only this structure", &[key(Key::O)], "Hides all others, to look at one boundary."),
        row(A::ShowAll, G::Structure, icons::VISIBLE, "Show all structures", &[shift(Key::V)], "Shows every structure again."),
        row(A::ToggleLock, G::Structure, icons::LOCKED, "Lock or unlock structure", &[key(Key::L)], "A locked structure cannot be changed by tools or models."),
        row(A::ToggleExclusive, G::Structure, icons::PUSH, "Exclusive or not", &[], "Exclusive structures push one another back: what one gains the others lose; locked ones hold."),
        row(A::NextStructure, G::Structure, icons::UNFOLDED, "Next structure", &[key(Key::N), shift(Key::F)], "Selects the next in the list; tools edit the selected one."),
        row(A::PreviousStructure, G::Structure, icons::FOLDED, "Previous structure", &[key(Key::P), shift(Key::R)], "Selects the previous in the list."),
        row(A::GoToStructure, G::Structure, icons::CROSSHAIR, "Go to structure", &[key(Key::G)], "Moves all views to the middle of the selected structure."),
        row(A::AcceptProposal, G::Structure, icons::ACCEPT, "Accept proposal", &[key(Key::A)], "Makes the selected proposal yours; proposals are not exported."),
        row(A::RejectProposal, G::Structure, icons::REJECT, "Reject proposal", &[key(Key::X)], "Removes the selected proposal; undo brings it back."),
        row(A::AcceptAll, G::Structure, icons::ACCEPT, "Accept all proposals", &[shift(Key::A)], "Asks once, then makes every proposal yours."),
        row(A::MarkReviewed, G::Structure, icons::REVIEWED, "Mark as reviewed", &[key(Key::K)], "Notes that you looked through the selected structure."),
        row(A::MakeFromStructures, G::Structure, icons::ADD, "Make from structures", &[ctrl_shift(Key::M)], "Margins, unions, walls, rings and recipes such as CTV + 5 mm."),
        row(A::UpdateDerived, G::Structure, icons::REDO, "Update derived structures", &[ctrl_shift(Key::U)], "Makes those again whose sources have changed; what was edited by hand stays."),
        row(A::SplitStructure, G::Structure, icons::SERIES, "Split into pieces", &[], "Makes a numbered structure of every piece that hangs together; the whole stays."),
        row(A::DeleteContour, G::Contour, icons::DELETE, "Delete contour", &[key(Key::Delete)], "Empties this slice of the selected structure."),
        row(A::CopyFromBelow, G::Contour, icons::COPY_BELOW, "Copy contour from slice below", &[ctrl(Key::ArrowUp)], "Starts this slice from its neighbour towards the feet."),
        row(A::CopyFromAbove, G::Contour, icons::COPY_ABOVE, "Copy contour from slice above", &[ctrl(Key::ArrowDown)], "Starts this slice from its neighbour towards the head."),
        row(A::CopyContour, G::Contour, icons::SERIES, "Copy contour", &[shift(Key::C)], "Keeps what the selected structure has on this slice, to paste it elsewhere."),
        row(A::PasteContour, G::Contour, icons::SERIES, "Paste contour", &[shift(Key::P)], "Adds the copied contour to the selected structure on this slice."),
        row(A::FillBetween, G::Contour, icons::BETWEEN, "Fill between slices", &[key(Key::J)], "Shows dashed what lies between drawn slices, and follows every change. Outlines drawn in views across guide it."),
        row(A::ClearGuides, G::Contour, icons::REJECT, "Clear guide outlines", &[], "Takes away what was drawn across the slices to guide the shape between them; contours stay."),
        row(A::TakeSuggested, G::Contour, icons::ACCEPT, "Take over dashed contour", &[], "Makes what is suggested on this slice part of the structure; accepting a proposal does the same."),
        row(A::TakeAllSuggested, G::Contour, icons::ACCEPT, "Take over all dashed contours", &[], "Makes all that is suggested part of the structure; accepting all proposals does the same."),
        row(A::DropSuggested, G::Contour, icons::REJECT, "Drop dashed contours", &[], "Leaves the structure as it is; rejecting a proposal does the same."),
        row(A::ThinSlices(2), G::Contour, icons::SERIES, "Keep every second slice", &[], "Empties the slices between, to correct fewer and fill between them again."),
        row(A::ThinSlices(3), G::Contour, icons::SERIES, "Keep every third slice", &[], "Empties the slices between, to correct fewer and fill between them again."),
        row(A::ThinSlices(4), G::Contour, icons::SERIES, "Keep every fourth slice", &[], "Empties the slices between, to correct fewer and fill between them again."),
        row(A::ThinSlices(5), G::Contour, icons::SERIES, "Keep every fifth slice", &[], "Empties the slices between, to correct fewer and fill between them again."),
        row(A::SelectCrosshair, G::Tool, icons::CROSSHAIR, "Crosshair", &[key(Key::C)], "Click a point: all views go there."),
        row(A::SelectBrush, G::Tool, icons::BRUSH, "Brush", &[key(Key::B)], "Paints with a disc of a radius in mm; hold Ctrl to erase."),
        row(A::SelectEraser, G::Tool, icons::ERASER, "Eraser", &[key(Key::E)], "Removes with a disc of a radius in mm."),
        row(A::SelectFreehand, G::Tool, icons::FREEHAND, "Freehand", &[key(Key::F)], "Draw an outline: starting inside adds, starting outside cuts or makes a new piece."),
        row(A::SelectShape, G::Tool, icons::SHAPE, "Shape", &[key(Key::S)], "Polygon or smooth curve by clicks, rectangle or ellipse by a drag."),
        row(A::SelectPush, G::Tool, icons::PUSH, "Push", &[key(Key::Q)], "Drags the outline along with a soft round tool; no slivers, nothing splits."),
        row(A::SelectSmooth, G::Tool, icons::SMOOTH, "Smooth", &[key(Key::T)], "Takes wrinkles out of the outline under the tool without shrinking it."),
        row(A::SelectGrow, G::Tool, icons::GROW, "Grow", &[key(Key::R)], "Click inside an organ: what is alike and hangs together is suggested."),
        row(A::SelectLiveWire, G::Tool, icons::LIVE_WIRE, "Live-wire", &[shift(Key::L)], "Click along an edge: the line follows it from click to click and learns which edge you want."),
        row(A::SelectKnife, G::Tool, icons::KNIFE, "Cut with a line", &[shift(Key::X)], "Drag a straight line across a contour: it splits in two and both parts stay."),
        row(A::SelectPoints, G::Tool, icons::POINTS, "Drag points", &[shift(Key::B)], "Moves points of the outline; Ctrl inserts one, Shift removes one."),
        row(A::SelectTransform, G::Tool, icons::TRANSFORM, "Move, turn, scale", &[shift(Key::M)], "One contour or the whole structure, by a frame around it."),
        row(A::NudgeLeft, G::Tool, icons::TRANSFORM, "Nudge to the left", &[alt(Key::ArrowLeft)], "Moves by 1 mm what the move tool has under the pointer."),
        row(A::NudgeRight, G::Tool, icons::TRANSFORM, "Nudge to the right", &[alt(Key::ArrowRight)], "Moves by 1 mm what the move tool has under the pointer."),
        row(A::NudgeUp, G::Tool, icons::TRANSFORM, "Nudge upwards", &[alt(Key::ArrowUp)], "Moves by 1 mm, or by a slice, what the move tool has under the pointer."),
        row(A::NudgeDown, G::Tool, icons::TRANSFORM, "Nudge downwards", &[alt(Key::ArrowDown)], "Moves by 1 mm, or by a slice, what the move tool has under the pointer."),
        row(A::TakeBackPoint, G::Tool, icons::UNDO, "Take back the last click", &[key(Key::Backspace)], "Removes the last point of an outline that is being clicked."),
        row(A::Segment(Method::Threshold), G::Tool, icons::SEGMENT, "Threshold", &[key(Key::H)], "Suggests what lies in a range of values, set on a histogram."),
        row(A::Segment(Method::Level), G::Tool, icons::SEGMENT, "Level tracing", &[shift(Key::H)], "Shows the line of equal value under the pointer; a click takes it, Ctrl cuts."),
        row(A::Segment(Method::Scribbles), G::Tool, icons::SEGMENT, "Grow from scribbles", &[shift(Key::J)], "Scribble inside an organ and beside it; the border between is found."),
        row(A::Segment(Method::Uptake), G::Tool, icons::SEGMENT, "Outline uptake", &[shift(Key::U)], "Outlines PET uptake in a ball or a box: above an SUV, a part of the maximum, or at its edge."),
        row(A::Segment(Method::Dose), G::Tool, icons::SEGMENT, "Outline an isodose", &[shift(Key::I)], "Outlines a level of an RT Dose: in Gy, or a part of its maximum or of the prescription."),
        row(A::Segment(Method::Pieces), G::Tool, icons::SEGMENT, "Fill between pieces", &[], "Suggests what lies between the pieces of the structure, along what is alike in the image."),
        row(A::Segment(Method::Body), G::Tool, icons::SEGMENT, "Find body", &[], "Suggests the outline of the body: alone, with mask and cushions, or with the couch too."),
        row(A::Segment(Method::Lungs), G::Tool, icons::SEGMENT, "Find lungs", &[], "Suggests the lungs, or the one that the structure's name means."),
        row(A::Segment(Method::Airways), G::Tool, icons::SEGMENT, "Find airways", &[], "Suggests the trachea and bronchi, stopped before they leak into the lung."),
        row(A::Segment(Method::Bones), G::Tool, icons::SEGMENT, "Find bones", &[], "Suggests bone by its density, with its marrow."),
        row(A::CloseOutline, G::Tool, icons::SHAPE, "Close the outline", &[], "Ends an outline drawn by clicks; Enter does the same."),
        row(A::SelectDeleteContour, G::Tool, icons::DELETE_CONTOUR, "Delete contour by click", &[key(Key::D)], "Click a contour of the selected structure to remove it on its slice."),
        row(A::SelectRuler, G::Tool, icons::RULER, "Ruler", &[key(Key::M)], "Drag to measure a distance in mm."),
        row(A::SmallerBrush, G::Tool, icons::BRUSH, "Smaller brush", &[key(Key::OpenBracket), shift(Key::S)], "Alt and the wheel do the same."),
        row(A::LargerBrush, G::Tool, icons::BRUSH, "Larger brush", &[key(Key::CloseBracket), shift(Key::W)], "Alt and the wheel do the same."),
        row(A::CancelGesture, G::Tool, icons::CLOSE, "Never mind", &[key(Key::Escape)], "Drops the stroke, closes what is open, or goes back to the crosshair."),
        row(A::SliceUp, G::View, icons::UNFOLDED, "Next slice up", &[key(Key::ArrowUp), shift(Key::E)], "In the view the pointer is over; the wheel does the same."),
        row(A::SliceDown, G::View, icons::UNFOLDED, "Next slice down", &[key(Key::ArrowDown), shift(Key::D)], "In the view the pointer is over; the wheel does the same."),
        row(A::TenSlicesUp, G::View, icons::UNFOLDED, "Ten slices up", &[key(Key::PageUp), shift(Key::ArrowUp)], "Shift and the wheel do the same."),
        row(A::TenSlicesDown, G::View, icons::UNFOLDED, "Ten slices down", &[key(Key::PageDown), shift(Key::ArrowDown)], "Shift and the wheel do the same."),
        row(A::MaximiseView, G::View, icons::MAXIMISE, "Maximise view", &[key(Key::Enter)], "One view fills the window; a double click does the same."),
        row(A::NextView, G::View, icons::MAXIMISE, "Next view", &[key(Key::W)], "Moves the focus from view to view."),
        row(A::FitViews, G::View, icons::RESTORE, "Fit the scan to the views", &[key(Key::Home)], "Undoes zoom and pan."),
        row(A::ToggleInterpolation, G::View, icons::SERIES, "Smooth or plain voxels", &[key(Key::I)], "Plain voxels show the scan as it was measured."),
        row(A::ToggleFusion, G::View, icons::SERIES, "Second series: blend, beside, off", &[key(Key::U)], "Shows PET or MR with the CT."),
        row(A::ToggleOverlays, G::View, icons::VISIBLE, "Show or hide all overlays", &[shift(Key::T)], "Looks at the picture alone; Space, held, does it for a moment."),
        row(A::ToggleStructurePanel, G::View, icons::PANEL, "Structure panel", &[ctrl(Key::L)], "Folds the panel away; the picture gets its room."),
        row(A::ToggleInspector, G::View, icons::PANEL, "Inspector", &[ctrl(Key::R)], "Folds the panel away; the picture gets its room."),
        row(A::ToggleTheme, G::View, icons::MOON, "Light or dark", &[ctrl(Key::T)], "Dark for a dim room, light for a bright one."),
        row(A::LargerText, G::View, icons::ADD, "Larger window text", &[ctrl(Key::Plus), ctrl(Key::Equals)], "Scales the whole window."),
        row(A::SmallerText, G::View, icons::ADD, "Smaller window text", &[ctrl(Key::Minus)], "Scales the whole window."),
        row(A::Preset(1), G::View, icons::SUN, "Window: soft tissue", &[key(Key::Num1)], "Level 40 HU, width 400 HU."),
        row(A::Preset(2), G::View, icons::SUN, "Window: lung", &[key(Key::Num2)], "Level −600 HU, width 1500 HU."),
        row(A::Preset(3), G::View, icons::SUN, "Window: bone", &[key(Key::Num3)], "Level 400 HU, width 1800 HU."),
        row(A::Preset(4), G::View, icons::SUN, "Window: brain", &[key(Key::Num4)], "Level 40 HU, width 80 HU."),
        row(A::Preset(5), G::View, icons::SUN, "Window: head and neck", &[key(Key::Num5)], "Level 50 HU, width 250 HU."),
        row(A::Preset(6), G::View, icons::SUN, "Window: liver", &[key(Key::Num6)], "Level 60 HU, width 160 HU."),
        row(A::Preset(7), G::View, icons::SUN, "Window: mediastinum", &[key(Key::Num7)], "Level 50 HU, width 350 HU."),
        row(A::Preset(8), G::View, icons::SUN, "Window: full range", &[key(Key::Num8)], "From the least to the greatest value of the scan."),
        row(A::Preset(9), G::View, icons::SUN, "Window: as opened", &[key(Key::Num9)], "Back to the window the scan was opened with."),
        row(A::GoToLeastCertain, G::Structure, icons::WARNING, "Go to the least certain slice", &[shift(Key::G)], "Where the model trusts its own contour least: look there first."),
        row(A::ManageModels, G::File, icons::MODEL, "Manage models", &[ctrl(Key::M)], "Gets, imports and removes models, and shows their cards."),
        row(A::GoOpen, G::Go, icons::FOLDER, "Open", &[ctrl(Key::Num1)], "Choose what to work on."),
        row(A::GoPropose, G::Go, icons::MODEL, "Propose", &[ctrl(Key::Num2)], "Let a model contour; what it draws is a proposal until you accept it."),
        row(A::GoCorrect, G::Go, icons::BRUSH, "Correct", &[ctrl(Key::Num3)], "Correct contours by hand."),
        row(A::GoCheck, G::Go, icons::ACCEPT, "Check", &[ctrl(Key::Num4)], "See what is empty, unreviewed, or would be left out."),
        row(A::GoExport, G::Go, icons::EXPORT, "Export", &[ctrl(Key::Num5)], "Write the RTSTRUCT."),
        row(A::TrainModel, G::Go, icons::MODEL, "Train a model", &[], "Teaches a model from a folder of patients with approved contours."),
        row(A::Search, G::Go, icons::SEARCH, "Search actions and structures", &[ctrl(Key::K)], "Type what you want to do or see."),
        row(A::Keys, G::Go, icons::KEYS, "Keys", &[key(Key::F1)], "Everything that can be done, with its key."),
        row(A::ToolPictures, G::Go, icons::KEYS, "Tools in pictures", &[shift(Key::F1)], "What the tools do, in one picture each."),
        row(A::About, G::Go, icons::ABOUT, "About Delineo", &[], "Version, licence and what it is not."),
    ]
};

impl Action {
    /// Its row of [`TABLE`].
    #[must_use]
    pub fn info(self) -> &'static ActionInfo {
        static MISSING: ActionInfo = row(Action::CancelGesture, Group::Go, icons::ABOUT, "", &[], "");
        TABLE.iter().find(|info| info.action == self).unwrap_or(&MISSING)
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

    /// The keys that ask for it now, the person's own where they were changed.
    #[must_use]
    pub fn keys(self) -> Vec<KeyboardShortcut> {
        keymap::in_use().keys(self)
    }

    /// Its first key as text ("Ctrl Z"), empty where it has none.
    #[must_use]
    pub fn key_text(self) -> String {
        self.keys().first().map(key_text).unwrap_or_default()
    }

    /// What a tooltip says: what it does, its key, why.
    #[must_use]
    pub fn tooltip(self) -> String {
        let info = self.info();
        match self.key_text() {
            key if key.is_empty() => format!("{}\n{}", info.name, info.why),
            key => format!("{}   {key}\n{}", info.name, info.why),
        }
    }
}

/// A shortcut as text.
#[must_use]
pub fn key_text(shortcut: &KeyboardShortcut) -> String {
    let modifiers = shortcut.modifiers;
    let mut text = String::new();
    if modifiers.command || modifiers.ctrl {
        text.push_str(if cfg!(target_os = "macos") { "Cmd " } else { "Ctrl " });
    }
    if modifiers.alt {
        text.push_str("Alt ");
    }
    if modifiers.shift {
        text.push_str("Shift ");
    }
    text.push_str(match shortcut.logical_key {
        Key::OpenBracket => "[",
        Key::CloseBracket => "]",
        Key::ArrowUp => "Up",
        Key::ArrowDown => "Down",
        Key::ArrowLeft => "Left",
        Key::ArrowRight => "Right",
        Key::Escape => "Esc",
        Key::PageUp => "Page Up",
        Key::PageDown => "Page Down",
        Key::Plus => "+",
        Key::Minus => "−",
        other => other.symbol_or_name(),
    });
    text
}

/// The actions whose keys were pressed in this frame, in order; the keys are consumed.
///
/// While a text field has the keyboard only keys with Ctrl, function keys and Esc count; while a
/// card lies over the window (`is_covered`) only those that close or change cards; and Enter
/// belongs to the button that has the keyboard, where one has.
pub fn pressed(ctx: &egui::Context, is_covered: bool) -> Vec<Action> {
    let typing = ctx.text_edit_focused();
    let on_control = ctx.memory(|memory| memory.focused().is_some());
    ctx.input_mut(|input| {
        let events: Vec<(Key, Modifiers)> = input
            .events
            .iter()
            .filter_map(|event| match event {
                egui::Event::Key { key, pressed: true, modifiers, .. } => Some((*key, *modifiers)),
                _ => None,
            })
            .collect();
        let map = keymap::in_use();
        let mut actions = Vec::new();
        for (key, modifiers) in events {
            let counts = |wanted: &KeyboardShortcut| {
                wanted.logical_key == key
                    && modifiers.matches_exact(wanted.modifiers)
                    && !(typing && types_text(*wanted))
                    && !(on_control && key == Key::Enter)
            };
            let Some(info) = TABLE.iter().find(|info| map.keys(info.action).iter().any(counts)) else {
                continue;
            };
            if is_covered && !info.action.works_when_covered() {
                continue;
            }
            input.consume_key(modifiers, key);
            actions.push(info.action);
        }
        actions
    })
}

/// Whether a text field needs the key itself.
fn types_text(shortcut: KeyboardShortcut) -> bool {
    let name = shortcut.logical_key.name();
    let is_numbered = name.len() > 1 && name.starts_with('F') && name[1..].parse::<u8>().is_ok();
    let function_key = is_numbered || shortcut.logical_key == Key::Escape;
    let editing_key = matches!(
        shortcut.logical_key,
        Key::Z | Key::Y | Key::V | Key::ArrowUp | Key::ArrowDown | Key::Delete | Key::H | Key::W
    );
    !function_key && (!shortcut.modifiers.command || editing_key)
}

/// The actions whose name, reason or group contains every word of `query`, best first.
#[must_use]
pub fn search(query: &str) -> Vec<&'static ActionInfo> {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let mut found: Vec<(usize, &ActionInfo)> = TABLE
        .iter()
        .filter_map(|info| {
            let name = info.name.to_lowercase();
            let all = format!("{name} {} {}", info.why.to_lowercase(), info.group.title().to_lowercase());
            words.iter().all(|word| all.contains(word.as_str())).then(|| {
                let rank = match words.first() {
                    Some(first) if name.starts_with(first.as_str()) => 0,
                    Some(first) if name.contains(first.as_str()) => 1,
                    _ => 2,
                };
                (rank, info)
            })
        })
        .collect();
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, info)| info).collect()
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
    fn a_search_puts_names_before_reasons() {
        assert_eq!(search("brush").first().map(|info| info.action), Some(Action::SelectBrush));
        assert_eq!(search("exp rt").first().map(|info| info.action), Some(Action::Export));
        assert!(search("no such thing").is_empty());
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

    #[test]
    fn keys_read_as_on_the_keyboard() {
        assert_eq!(Action::Undo.key_text(), "Ctrl Z");
        assert_eq!(Action::SmallerBrush.key_text(), "[");
        assert_eq!(Action::About.key_text(), "");
    }
}
