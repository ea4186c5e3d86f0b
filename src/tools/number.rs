//! Numbers that are set in a field of the strip or a card, so that a key can ask for the field: what must
//! be in hand and chosen for it to be there.

use super::{BrushReach, Choice, DoseAs, GrowBy, KeepPieces, Method, Place, Tip, ToolKind, UptakeAt};

/// A number that is set in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Number {
    /// The radius of the round tools, mm.
    BrushRadius,
    /// The thickness of the slab that a brush paints, mm.
    BrushSlab,
    /// How much values may differ under a brush that stops at edges.
    BrushTolerance,
    /// The least value that a brush paints.
    BrushFrom,
    /// The greatest value that a brush paints.
    BrushTo,
    /// The thickness of the slab that a line across the slices acts on, mm.
    LineSlab,
    /// How much values may differ around the click that grows.
    GrowTolerance,
    /// The least value that grows.
    GrowFrom,
    /// The greatest value that grows.
    GrowTo,
    /// The part of the greatest value that grows, %.
    GrowPart,
    /// The longest way from the click, mm.
    GrowReach,
    /// Narrower passages are kept shut, mm.
    GrowNecks,
    /// How far what is filled between slices is moved to edges, mm.
    SnapReach,
    /// Which slices are kept when they are made fewer.
    KeepEvery,
    /// The least value of a threshold.
    ThresholdFrom,
    /// The greatest value of a threshold.
    ThresholdTo,
    /// The least volume of a piece, cm3.
    LeastVolume,
    /// The radius of a ball placed by a click, mm.
    Ball,
    /// How deep a box just drawn is, mm.
    BoxDepth,
    /// The part of the maximum where uptake is outlined, %.
    UptakePart,
    /// The value where uptake is outlined.
    UptakeValue,
    /// The level of an isodose.
    DoseLevel,
    /// The dose prescribed, Gy.
    Prescription,
    /// Half the width of a scribble, mm.
    ScribbleWidth,
    /// How far beyond scribbles or pieces is looked, mm.
    SearchReach,
    /// How much longer than the shortest a way between pieces may be, %.
    Detour,
    /// How wide vessels in the lungs are closed, mm.
    LungClose,
    /// How dense bone is at least, HU.
    BoneFrom,
    /// How dense the core of a bone is at least, HU.
    BoneCore,
    /// How wide gaps in bone are closed, mm.
    BoneClose,
}

impl Number {
    /// All.
    pub const ALL: [Self; 30] = [
        Self::BrushRadius,
        Self::BrushSlab,
        Self::BrushTolerance,
        Self::BrushFrom,
        Self::BrushTo,
        Self::LineSlab,
        Self::GrowTolerance,
        Self::GrowFrom,
        Self::GrowTo,
        Self::GrowPart,
        Self::GrowReach,
        Self::GrowNecks,
        Self::SnapReach,
        Self::KeepEvery,
        Self::ThresholdFrom,
        Self::ThresholdTo,
        Self::LeastVolume,
        Self::Ball,
        Self::BoxDepth,
        Self::UptakePart,
        Self::UptakeValue,
        Self::DoseLevel,
        Self::Prescription,
        Self::ScribbleWidth,
        Self::SearchReach,
        Self::Detour,
        Self::LungClose,
        Self::BoneFrom,
        Self::BoneCore,
        Self::BoneClose,
    ];

    /// The tools whose options have it; empty for what does not depend on the tool in hand.
    #[must_use]
    pub fn tools(self) -> &'static [ToolKind] {
        use ToolKind as T;
        match self {
            Self::BrushRadius => &[T::Brush, T::Eraser, T::Push, T::Smooth],
            Self::BrushSlab => &[T::Brush, T::Eraser],
            Self::BrushTolerance | Self::BrushFrom | Self::BrushTo => &[T::Brush],
            Self::LineSlab => &[T::Freehand, T::Shape, T::Knife, T::LiveWire],
            Self::GrowTolerance
            | Self::GrowFrom
            | Self::GrowTo
            | Self::GrowPart
            | Self::GrowReach
            | Self::GrowNecks => &[T::Grow],
            Self::SnapReach | Self::KeepEvery => &[],
            _ => &[T::Segment],
        }
    }

    /// The methods of the semi-automatic tool whose cards have it; empty for those of other tools, and for
    /// what each of them has.
    #[must_use]
    pub fn methods(self) -> &'static [Method] {
        use Method as M;
        match self {
            Self::ThresholdFrom | Self::ThresholdTo | Self::LeastVolume => &[M::Threshold],
            Self::Ball | Self::UptakePart | Self::UptakeValue => &[M::Uptake],
            Self::DoseLevel | Self::Prescription => &[M::Dose],
            Self::ScribbleWidth => &[M::Scribbles],
            Self::SearchReach => &[M::Scribbles, M::Pieces],
            Self::Detour => &[M::Pieces],
            Self::LungClose => &[M::Lungs],
            Self::BoneFrom | Self::BoneCore | Self::BoneClose => &[M::Bones],
            _ => &[],
        }
    }

    /// What must be chosen for its field to be there.
    #[must_use]
    pub fn choice(self) -> Option<Choice> {
        Some(match self {
            Self::BrushSlab => Choice::Reach(BrushReach::Slab),
            Self::BrushTolerance => Choice::Tip(Tip::Edges),
            Self::BrushFrom | Self::BrushTo => Choice::Tip(Tip::Range),
            Self::GrowTolerance => Choice::Grow(GrowBy::Alike),
            Self::GrowFrom | Self::GrowTo => Choice::Grow(GrowBy::Range),
            Self::GrowPart => Choice::Grow(GrowBy::PartOfMaximum),
            Self::LeastVolume => Choice::Keep(KeepPieces::Above),
            Self::Ball => Choice::FindIn(Place::Ball),
            Self::BoxDepth => Choice::FindIn(Place::Box),
            Self::UptakePart => Choice::Uptake(UptakeAt::PartOfMaximum),
            Self::UptakeValue => Choice::Uptake(UptakeAt::Above),
            Self::Prescription => Choice::Isodose(DoseAs::PartOfPrescription),
            Self::Detour => Choice::FillAll(false),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn what_a_number_needs_is_of_its_own_tools_and_methods() {
        let all: HashSet<Number> = Number::ALL.into_iter().collect();
        assert_eq!(all.len(), Number::ALL.len());
        for number in Number::ALL {
            if let Some(choice) = number.choice() {
                assert!(number.tools().iter().all(|kind| choice.is_for(*kind)), "{number:?}");
                if let Some(method) = choice.method() {
                    assert_eq!(number.methods(), [method], "{number:?}");
                }
            }
            assert!(number.methods().is_empty() || number.tools() == [ToolKind::Segment], "{number:?}");
        }
    }
}
