//! The icons of the window, by what they stand for. The one place that names the icon font.
//!
//! Phosphor's crate is built against another egui, so only its font bytes and its code points
//! (plain strings) are used.

use egui_phosphor::regular as phosphor;

/// The icon font's bytes.
#[must_use]
pub fn font_bytes() -> &'static [u8] {
    egui_phosphor::Variant::Regular.font_bytes()
}

macro_rules! icons {
    ($($name:ident = $source:ident;)*) => { $(
        #[allow(missing_docs, reason = "each is named after what it stands for")]
        pub const $name: &str = phosphor::$source;
    )* };
}

icons! {
    ABOUT = INFO;
    ACCEPT = CHECK;
    ACCEPTED = CIRCLE;
    ADD = PLUS;
    BACK = CARET_LEFT;
    BETWEEN = STACK_PLUS;
    BRUSH = PAINT_BRUSH;
    CLOSE = X;
    COPY_ABOVE = ARROW_LINE_DOWN;
    COPY_BELOW = ARROW_LINE_UP;
    CROSSHAIR = CROSSHAIR_SIMPLE;
    CUBE = CUBE;
    CHECKED = CHECK_SQUARE;
    DELETE = TRASH;
    DOWNLOAD = DOWNLOAD_SIMPLE;
    DELETE_CONTOUR = SELECTION_SLASH;
    EDIT = DOTS_THREE;
    ERASER = ERASER;
    ERROR = WARNING_CIRCLE;
    EXPORT = EXPORT;
    FOLDED = CARET_RIGHT;
    FOLDER = FOLDER_OPEN;
    FREEHAND = LASSO;
    GROW = MAGIC_WAND;
    HIDDEN = EYE_SLASH;
    HISTORY = CLOCK_COUNTER_CLOCKWISE;
    KEYS = KEYBOARD;
    KNIFE = SCISSORS;
    LIVE_WIRE = MAGNET;
    LOCKED = LOCK_SIMPLE;
    MANAGE = SLIDERS_HORIZONTAL;
    MAXIMISE = CORNERS_OUT;
    MENU = LIST;
    MIXED = MINUS_SQUARE;
    MODEL = SPARKLE;
    MOON = MOON;
    PANEL = SIDEBAR_SIMPLE;
    PATIENT = USER;
    POINTS = BEZIER_CURVE;
    PROPOSAL = CIRCLE_DASHED;
    PUSH = HAND_GRABBING;
    REDO = ARROW_U_UP_RIGHT;
    REJECT = X;
    RENAME = PENCIL_SIMPLE;
    RESTORE = CORNERS_IN;
    RESUME = CLOCK_COUNTER_CLOCKWISE;
    REVIEWED = CHECK;
    RULER = RULER;
    SAMPLE = STUDENT;
    SEARCH = MAGNIFYING_GLASS;
    SEGMENT = CHART_BAR;
    SERIES = STACK;
    SHAPE = POLYGON;
    SMOOTH = WAVE_SINE;
    STRAIGHTEN = ARROW_COUNTER_CLOCKWISE;
    SUN = SUN;
    TRANSFORM = BOUNDING_BOX;
    TURN = ARROWS_CLOCKWISE;
    UNCHECKED = SQUARE;
    UNDO = ARROW_U_UP_LEFT;
    UNFOLDED = CARET_DOWN;
    UNLOCKED = LOCK_SIMPLE_OPEN;
    VISIBLE = EYE;
    WARNING = WARNING;
}
