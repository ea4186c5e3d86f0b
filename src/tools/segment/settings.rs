//! What the semi-automatic tool looks for and what becomes of it.

use crate::ai::body::BodyExtent;
use crate::edit::ValueRange;
use crate::edit::segment::{BoneOptions, DoseLevel, Fill, LungSide, Uptake};
use crate::patient::{RoiId, Unit};

/// How wide half a scribble can be, mm.
pub(super) const SCRIBBLE_MM: std::ops::RangeInclusive<f64> = 0.5..=20.0;

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

    /// Why it cannot be used on images of this unit; `None`: it can.
    #[must_use]
    pub fn refusal(self, unit: Unit) -> Option<&'static str> {
        (self.needs_ct() && unit != Unit::Hu).then_some("This goes by Hounsfield units: it needs a CT.")
    }

    /// Whether it needs Hounsfield units.
    #[must_use]
    pub fn needs_ct(self) -> bool {
        matches!(self, Self::Body | Self::Lungs | Self::Airways | Self::Bones)
    }

    /// Whether it is worked out on another thread and suggested, not taken by a click.
    #[must_use]
    pub fn suggests(self) -> bool {
        self != Self::Level
    }
}

/// What becomes of what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum TakeAs {
    /// It is added to the structure.
    #[default]
    Add,
    /// It takes the structure's place.
    Replace,
    /// It is cut from the structure.
    Cut,
}

/// Where it is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum Rivals {
    /// None.
    #[default]
    Nobody,
    /// All that are visible, but the body, supports and what is looked in.
    Visible,
    /// One.
    Roi(RoiId),
}

/// The numbers of what is not chosen at present, as they were when it last was: choosing it again brings
/// them back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SetBefore {
    /// Uptake: the part of the greatest value.
    pub part: f32,
    /// Uptake: the value.
    pub value: f32,
    /// Pieces: the detour.
    pub detour: f64,
    /// Isodose: the dose prescribed, Gy; `None` until one was set.
    pub prescription_gy: Option<f64>,
}

impl Default for SetBefore {
    fn default() -> Self {
        Self { part: 0.41, value: 2.5, detour: 0.05, prescription_gy: None }
    }
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
    /// Where; of uptake [`Self::uptake_within`].
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
    /// Uptake: where. In the whole image there is no telling which is meant.
    pub uptake_within: Within,
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
    /// The numbers of what is not chosen.
    pub before: SetBefore,
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

    /// Whether every number is one that can be set.
    pub(super) fn is_sound(&self) -> bool {
        let is_part = |part: f64| (0.0..=2.0).contains(&part);
        let is_dose = |gy: f64| (0.0..=500.0).contains(&gy);
        let Self { bones, .. } = self;
        self.range.is_none_or(|range| range.low <= range.high && (range.high - range.low).is_finite())
            && (0.0..=5000.0).contains(&self.least_cc)
            && (2.0..=150.0).contains(&self.ball_mm)
            && (1.0..=500.0).contains(&self.box_depth_mm)
            && SCRIBBLE_MM.contains(&self.scribble_mm)
            && (0.0..=100.0).contains(&self.margin_mm)
            && (0.0..=20.0).contains(&self.close_mm)
            && (50.0..=1000.0).contains(&bones.low_hu)
            && (50.0..=2000.0).contains(&bones.high_hu)
            && (0.0..=20.0).contains(&bones.close_mm)
            && (0.0..=5000.0).contains(&bones.least_cc)
            && match self.uptake {
                Uptake::Above(value) => (0.0..=1e6).contains(&value),
                Uptake::PartOfMaximum(part) => (0.01..=0.99).contains(&part),
                Uptake::Edge => true,
            }
            && match self.fill {
                Fill::Between(detour) => (0.0..=1.0).contains(&detour),
                Fill::All => true,
            }
            && match self.dose {
                DoseLevel::Gy(gy) => is_dose(gy),
                DoseLevel::PartOfMaximum(part) => is_part(part),
                DoseLevel::PartOfPrescription { part, prescription_gy } => {
                    is_part(part) && is_dose(prescription_gy)
                }
            }
    }

    /// Whether a click tells something, so that only a drag places a ball or a box: which piece is
    /// kept, the line of equal value, an airway.
    pub(super) fn waits_for_click(&self) -> bool {
        match self.method {
            Method::Threshold => self.keep == KeepPieces::Clicked,
            Method::Level | Method::Airways => true,
            _ => false,
        }
    }

    /// Where it is looked for with the method that is set.
    #[must_use]
    pub fn place(&self) -> Within {
        match (self.method, self.within) {
            (Method::Uptake, _) => self.uptake_within,
            // What is looked for cannot limit itself.
            (Method::Body, Within::Body) => Within::Everything,
            (_, within) => within,
        }
    }

    /// What a drag places with the method that is set; `None` where it places nothing.
    pub(super) fn placed(&self) -> Option<Placed> {
        match self.place() {
            Within::Ball => Some(Placed::Ball),
            Within::Box => Some(Placed::Box),
            Within::Everything | Within::Body | Within::Roi(_) => None,
        }
    }
}

impl Default for SegmentSettings {
    fn default() -> Self {
        let before = SetBefore::default();
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
            uptake: Uptake::PartOfMaximum(before.part),
            uptake_within: Within::Ball,
            dose: DoseLevel::PartOfMaximum(0.5),
            scribble_mm: 1.5,
            margin_mm: 15.0,
            fill: Fill::Between(before.detour),
            rivals: Rivals::default(),
            extent: BodyExtent::default(),
            side: None,
            close_mm: 5.0,
            bones: BoneOptions::default(),
            before,
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
