//! What the semi-automatic tool looks for and what becomes of it.

use crate::ai::body::BodyExtent;
use crate::edit::ValueRange;
use crate::edit::segment::{BoneOptions, DoseLevel, Fill, LungSide, Uptake};
use crate::patient::RoiId;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// A range of values.
    #[default]
    Threshold,
    /// The line of equal value under the pointer.
    Level,
    /// What scribbles inside reach before scribbles outside do.
    Scribbles,
    /// Uptake in a ball or a box.
    Uptake,
    /// A dose level.
    Dose,
    /// What lies between the structure's pieces.
    Pieces,
    /// The body, alone or with what holds it.
    Body,
    /// Lungs.
    Lungs,
    /// Trachea and bronchi.
    Airways,
    /// Bones.
    Bones,
}

impl Method {
    /// All, in the order of the list.
    pub const ALL: [Self; 10] = [
        Self::Threshold,
        Self::Level,
        Self::Scribbles,
        Self::Uptake,
        Self::Dose,
        Self::Pieces,
        Self::Body,
        Self::Lungs,
        Self::Airways,
        Self::Bones,
    ];

    /// Its name, also that of the undo step.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Threshold => "Threshold",
            Self::Level => "Level tracing",
            Self::Scribbles => "Scribbles",
            Self::Uptake => "Uptake",
            Self::Dose => "Isodose",
            Self::Pieces => "Between pieces",
            Self::Body => "Body",
            Self::Lungs => "Lungs",
            Self::Airways => "Airways",
            Self::Bones => "Bones",
        }
    }

    /// Whether it needs Hounsfield units.
    #[must_use]
    pub fn needs_ct(self) -> bool {
        matches!(self, Self::Body | Self::Lungs | Self::Airways | Self::Bones)
    }

    /// Whether it looks only where [`SegmentSettings::within`] says.
    #[must_use]
    pub fn has_limit(self) -> bool {
        matches!(self, Self::Threshold | Self::Dose | Self::Pieces)
    }

    /// Whether it is worked out on another thread and suggested, not taken by a click.
    #[must_use]
    pub fn suggests(self) -> bool {
        self != Self::Level
    }
}

/// What becomes of what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TakeAs {
    /// It is added to the structure.
    #[default]
    Add,
    /// It takes the structure's place.
    Replace,
    /// It is cut from the structure.
    Cut,
}

/// Where a threshold, an isodose, and what lies between pieces, is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Within {
    /// In the whole image.
    #[default]
    Everything,
    /// In the body.
    Body,
    /// In a ball that is placed by dragging.
    Ball,
    /// In a box that is placed by dragging.
    Box,
    /// In a structure.
    Roi(RoiId),
}

/// Which pieces a threshold keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KeepPieces {
    /// All.
    All,
    /// The largest.
    Largest,
    /// Those above a volume.
    #[default]
    Above,
    /// The one clicked.
    Clicked,
}

/// Which other structures count between pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rivals {
    /// None.
    #[default]
    Nobody,
    /// All that are visible, but the body, supports and what is looked in.
    Visible,
    /// One.
    Roi(RoiId),
}

/// All settings; each method reads its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SegmentSettings {
    /// What is looked for.
    pub method: Method,
    /// What becomes of it.
    pub take_as: TakeAs,
    /// Whether the values are those of the second image.
    pub second: bool,
    /// Threshold: the values; `None` until one is chosen.
    pub range: Option<ValueRange>,
    /// Threshold, isodose, pieces: where.
    pub within: Within,
    /// Threshold: which pieces.
    pub keep: KeepPieces,
    /// Threshold: the least volume of a piece, cm3.
    pub least_cc: f64,
    /// Threshold: whether holes are filled.
    pub fill_holes: bool,
    /// The radius of a ball placed by a click, mm.
    pub ball_mm: f64,
    /// How deep a box just drawn is, mm.
    pub box_depth_mm: f64,
    /// Uptake: where the outline runs.
    pub uptake: Uptake,
    /// Uptake: whether it is looked for in a box, not in a ball.
    pub uptake_in_box: bool,
    /// Isodose: which dose.
    pub dose: DoseLevel,
    /// Scribbles: half their width, mm.
    pub scribble_mm: f64,
    /// Scribbles and pieces: how far beyond them is looked, mm.
    pub margin_mm: f64,
    /// Pieces: what is filled.
    pub fill: Fill,
    /// Pieces: which others count.
    pub rivals: Rivals,
    /// Body: how far its outline goes.
    pub extent: BodyExtent,
    /// Lungs: which; `None` goes by the structure's name.
    pub side: Option<LungSide>,
    /// Lungs: the radius that vessels are closed with, mm.
    pub close_mm: f64,
    /// Bones: how.
    pub bones: BoneOptions,
}

/// What a drag places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    Ball,
    Box,
}

impl SegmentSettings {
    /// What becomes of what is found: what lies between pieces, which holds no more than their rims,
    /// can only be added.
    #[must_use]
    pub fn takes_as(&self) -> TakeAs {
        if self.method == Method::Pieces { TakeAs::Add } else { self.take_as }
    }

    /// Whether a click says which piece is kept.
    pub(super) fn waits_for_click(&self) -> bool {
        self.method == Method::Threshold && self.keep == KeepPieces::Clicked
    }

    /// What a drag places with the method that is set; `None` where it places nothing.
    pub(super) fn placed(&self) -> Option<Placed> {
        match (self.method, self.within) {
            (method, Within::Ball) if method.has_limit() => Some(Placed::Ball),
            (method, Within::Box) if method.has_limit() => Some(Placed::Box),
            (Method::Uptake, _) => Some(if self.uptake_in_box { Placed::Box } else { Placed::Ball }),
            _ => None,
        }
    }
}

impl Default for SegmentSettings {
    fn default() -> Self {
        Self {
            method: Method::default(),
            take_as: TakeAs::default(),
            second: false,
            range: None,
            within: Within::default(),
            keep: KeepPieces::default(),
            least_cc: 1.0,
            fill_holes: false,
            ball_mm: 25.0,
            box_depth_mm: 40.0,
            uptake: Uptake::PartOfMaximum(0.41),
            uptake_in_box: false,
            dose: DoseLevel::PartOfMaximum(0.5),
            scribble_mm: 1.5,
            margin_mm: 15.0,
            fill: Fill::Between(0.05),
            rivals: Rivals::default(),
            extent: BodyExtent::default(),
            side: None,
            close_mm: 5.0,
            bones: BoneOptions::default(),
        }
    }
}

/// The lung that a structure's name means: `Lung_L`, `Lung_R`, `Lungs`.
#[must_use]
pub(super) fn side_of(name: &str) -> LungSide {
    let mut words = name.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    match words.find_map(|word| match word.as_str() {
        "l" | "left" | "li" => Some(LungSide::Left),
        "r" | "right" | "re" => Some(LungSide::Right),
        _ => None,
    }) {
        Some(side) => side,
        None => LungSide::Both,
    }
}
