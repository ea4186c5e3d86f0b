//! What can be chosen of a tool by one word: what it does, the kind of it, how far it reaches. The
//! strip, keys and search all offer these and nothing else, so that each can do what the others can.

use super::{
    BrushMode, BrushReach, BrushTip, DoseAs, FreehandMode, KeepPieces, Place, ShapeKind, TakeAs, ToolKind,
    Tools, UptakeAt,
};
use crate::ai::body::BodyExtent;
use crate::edit::segment::LungSide;
use crate::edit::{GrowRange, Growth, ValueRange};
use crate::session::Session;

/// What of its disc a brush paints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tip {
    /// All of it.
    All,
    /// What is alike up to image edges.
    Edges,
    /// A range of values.
    Range,
}

impl Tip {
    /// The kind of a tip.
    #[must_use]
    pub fn of(tip: BrushTip) -> Self {
        match tip {
            BrushTip::Plain => Self::All,
            BrushTip::Adaptive { .. } => Self::Edges,
            BrushTip::Range(_) => Self::Range,
        }
    }

    /// Its name in the settings.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Edges => "edges",
            Self::Range => "range",
        }
    }
}

/// What belongs to what grows from a click.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrowBy {
    /// Tissue alike.
    Alike,
    /// A range of values.
    Range,
    /// A part of the greatest value.
    PartOfMaximum,
}

impl GrowBy {
    /// The kind of what belongs.
    #[must_use]
    pub fn of(range: GrowRange) -> Self {
        match range {
            GrowRange::Similar { .. } => Self::Alike,
            GrowRange::Fixed(_) => Self::Range,
            GrowRange::PartOfMaximum(_) => Self::PartOfMaximum,
        }
    }

    /// Its name in the settings.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Alike => "alike",
            Self::Range => "range",
            Self::PartOfMaximum => "part_of_maximum",
        }
    }
}

/// Something chosen of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Choice {
    /// What the brush does.
    Brush(BrushMode),
    /// What of its disc the brush paints.
    Tip(Tip),
    /// How far brush and eraser reach.
    Reach(BrushReach),
    /// What a freehand line does.
    Freehand(FreehandMode),
    /// What is drawn as a shape.
    Shape(ShapeKind),
    /// Whether shapes cut.
    ShapeCuts(bool),
    /// Whether a live-wire outline cuts.
    WireCuts(bool),
    /// Whether live-wire learns.
    WireLearns(bool),
    /// Whether push and smooth keep to the slice shown.
    MoldFlat(bool),
    /// Whether a push leaves nothing of the outline within its circle.
    PushFirm(bool),
    /// What belongs to what grows.
    Grow(GrowBy),
    /// Whether the outline bends with a dragged point.
    PointsSoft(bool),
    /// Whether the whole structure is moved.
    MoveWhole(bool),
    /// What becomes of what is found by values.
    TakeAs(TakeAs),
    /// Which pieces a threshold keeps.
    Keep(KeepPieces),
    /// Whether a threshold fills holes.
    FillHoles(bool),
    /// Where is looked by values.
    FindIn(Place),
    /// Where uptake is outlined.
    Uptake(UptakeAt),
    /// How the level of an isodose is given.
    Isodose(DoseAs),
    /// Whether all of a region is filled, not only what lies between pieces.
    FillAll(bool),
    /// Whether what is filled between pieces keeps out of visible structures.
    Rivals(bool),
    /// How far the body's outline goes.
    Extent(BodyExtent),
    /// Which lung; by the structure's name without one.
    Lung(Option<LungSide>),
}

/// What a choice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aspect {
    /// What the tool does: add, cut, by where it starts, replace.
    Does,
    /// What it does it with: the tip of a brush, the kind of shape or of push, which values belong.
    Kind,
    /// How far it reaches: slice, ball, slab; one contour or the whole structure.
    Reach,
}

impl Aspect {
    /// All, in the order of the strip.
    pub const ALL: [Self; 3] = [Self::Does, Self::Kind, Self::Reach];
}

/// What can be chosen of a tool, in the order of the strip; empty where there is nothing to choose. Of
/// the semi-automatic tool each method has its own: [`super::Method::choices`].
#[must_use]
pub fn choices(kind: ToolKind, aspect: Aspect) -> &'static [Choice] {
    use Choice as C;
    const REACHES: &[Choice] =
        &[C::Reach(BrushReach::Slice), C::Reach(BrushReach::Ball), C::Reach(BrushReach::Slab)];
    match (kind, aspect) {
        (ToolKind::Brush, Aspect::Does) => {
            &[C::Brush(BrushMode::Add), C::Brush(BrushMode::Cut), C::Brush(BrushMode::Auto)]
        }
        (ToolKind::Brush, Aspect::Kind) => &[C::Tip(Tip::All), C::Tip(Tip::Edges), C::Tip(Tip::Range)],
        (ToolKind::Brush | ToolKind::Eraser, Aspect::Reach) => REACHES,
        (ToolKind::Freehand, Aspect::Does) => &[
            C::Freehand(FreehandMode::Auto),
            C::Freehand(FreehandMode::Add),
            C::Freehand(FreehandMode::Cut),
            C::Freehand(FreehandMode::Replace),
        ],
        (ToolKind::Shape, Aspect::Kind) => &[
            C::Shape(ShapeKind::Polygon),
            C::Shape(ShapeKind::Spline),
            C::Shape(ShapeKind::Rectangle),
            C::Shape(ShapeKind::Ellipse),
        ],
        (ToolKind::Shape, Aspect::Does) => &[C::ShapeCuts(false), C::ShapeCuts(true)],
        (ToolKind::LiveWire, Aspect::Does) => &[C::WireCuts(false), C::WireCuts(true)],
        (ToolKind::LiveWire, Aspect::Kind) => &[C::WireLearns(true), C::WireLearns(false)],
        (ToolKind::Push | ToolKind::Smooth, Aspect::Reach) => &[C::MoldFlat(false), C::MoldFlat(true)],
        (ToolKind::Push, Aspect::Kind) => &[C::PushFirm(false), C::PushFirm(true)],
        (ToolKind::Grow, Aspect::Kind) => {
            &[C::Grow(GrowBy::Alike), C::Grow(GrowBy::Range), C::Grow(GrowBy::PartOfMaximum)]
        }
        (ToolKind::Points, Aspect::Reach) => &[C::PointsSoft(false), C::PointsSoft(true)],
        (ToolKind::Transform, Aspect::Reach) => &[C::MoveWhole(false), C::MoveWhole(true)],
        _ => &[],
    }
}

impl Choice {
    /// The tool it is made for; of two that share it the first in the strip.
    #[must_use]
    pub fn tool(self) -> ToolKind {
        match self {
            Self::Brush(_) | Self::Tip(_) | Self::Reach(_) => ToolKind::Brush,
            Self::Freehand(_) => ToolKind::Freehand,
            Self::Shape(_) | Self::ShapeCuts(_) => ToolKind::Shape,
            Self::WireCuts(_) | Self::WireLearns(_) => ToolKind::LiveWire,
            Self::MoldFlat(_) | Self::PushFirm(_) => ToolKind::Push,
            Self::Grow(_) => ToolKind::Grow,
            Self::PointsSoft(_) => ToolKind::Points,
            Self::MoveWhole(_) => ToolKind::Transform,
            Self::TakeAs(_)
            | Self::Keep(_)
            | Self::FillHoles(_)
            | Self::FindIn(_)
            | Self::Uptake(_)
            | Self::Isodose(_)
            | Self::FillAll(_)
            | Self::Rivals(_)
            | Self::Extent(_)
            | Self::Lung(_) => ToolKind::Segment,
        }
    }

    /// Whether it can be made with this tool in hand.
    #[must_use]
    pub fn is_for(self, kind: ToolKind) -> bool {
        self.tool() == kind || Aspect::ALL.into_iter().any(|aspect| choices(kind, aspect).contains(&self))
    }
}

impl Tools {
    /// Whether this is what is chosen.
    #[must_use]
    pub fn has_chosen(&self, choice: Choice) -> bool {
        match choice {
            Choice::Brush(mode) => self.brush.mode() == mode,
            Choice::Tip(tip) => tip == Tip::of(self.brush.tip()),
            Choice::Reach(reach) => self.brush.reach() == reach,
            Choice::Freehand(mode) => self.freehand.mode() == mode,
            Choice::Shape(kind) => self.shape.kind() == kind,
            Choice::ShapeCuts(cuts) => self.shape.cuts() == cuts,
            Choice::WireCuts(cuts) => self.live_wire.cuts() == cuts,
            Choice::WireLearns(learns) => self.live_wire.learns() == learns,
            Choice::MoldFlat(flat) => self.mold.is_flat() == flat,
            Choice::PushFirm(firm) => self.mold.is_firm() == firm,
            Choice::Grow(by) => by == GrowBy::of(self.grow.growth().range),
            Choice::PointsSoft(soft) => self.points.is_soft() == soft,
            Choice::MoveWhole(whole) => self.transform.is_whole() == whole,
            own => self.segment.settings().has_chosen(own),
        }
    }

    /// What can be chosen of the tool in hand.
    #[must_use]
    pub fn choices(&self, aspect: Aspect) -> &'static [Choice] {
        match self.kind {
            ToolKind::Segment => self.segment.settings().method.choices(aspect),
            kind => choices(kind, aspect),
        }
    }

    /// Why a choice cannot be made on these images; `None`: it can.
    #[must_use]
    pub fn refusal(&self, session: &Session, choice: Choice) -> Option<&'static str> {
        self.segment.settings().refusal(choice, session.series().volume.unit)
    }

    /// Makes a choice, whatever tool is in hand; its numbers are those that it had when it was last chosen.
    /// A range of values that is new starts with those `shown`, in the unit of the images.
    pub fn make(&mut self, session: &Session, choice: Choice, shown: ValueRange) {
        if self.has_chosen(choice) {
            return;
        }
        match choice {
            Choice::Brush(mode) => self.brush.set_mode(mode),
            Choice::Tip(tip) => self.brush.choose_tip(tip, shown),
            Choice::Reach(reach) => self.brush.set_reach(reach),
            Choice::Freehand(mode) => self.freehand.set_mode(mode),
            Choice::Shape(kind) => self.set_shape_kind(session, kind),
            Choice::ShapeCuts(cuts) => self.shape.set_cuts(cuts),
            Choice::WireCuts(cuts) => self.live_wire.set_cuts(cuts),
            Choice::WireLearns(learns) => self.live_wire.set_learns(learns),
            Choice::MoldFlat(flat) => self.mold.set_flat(flat),
            Choice::PushFirm(firm) => self.mold.set_firm(firm),
            Choice::Grow(by) => self.grow.choose(session, by, shown),
            Choice::PointsSoft(soft) => self.points.set_soft(soft),
            Choice::MoveWhole(whole) => self.transform.set_whole(whole),
            own => self.segment.make(session, own),
        }
        self.follow_line(session);
    }

    /// What comes after what is chosen of the tool in hand, round and round, without what cannot be
    /// chosen on these images; `None` where that leaves nothing.
    #[must_use]
    pub fn next_choice(&self, session: &Session, aspect: Aspect) -> Option<Choice> {
        let can =
            |choice: &&Choice| self.kind != ToolKind::Segment || self.refusal(session, **choice).is_none();
        let all: Vec<Choice> = self.choices(aspect).iter().filter(can).copied().collect();
        let at = all.iter().position(|choice| self.has_chosen(*choice));
        all.get(at.map_or(0, |at| at + 1)).or(all.first()).copied()
    }

    /// Makes the slab of the tool in hand thicker (`steps` > 0) or thinner, in the steps of the brush's
    /// size. Gives its thickness, mm.
    pub fn resize_slab(&mut self, session: &Session, steps: i32) -> f64 {
        let is_brush = matches!(self.kind, ToolKind::Brush | ToolKind::Eraser);
        let now = if is_brush { self.brush.thickness_mm() } else { self.freehand.thickness_mm() };
        let wanted = super::stepped(now, steps);
        if is_brush {
            self.brush.set_thickness_mm(wanted);
            self.brush.thickness_mm()
        } else {
            self.freehand.set_thickness_mm(wanted);
            self.follow_line(session);
            self.freehand.thickness_mm()
        }
    }

    /// Lets values differ more (`steps` > 0) or less from those under the tip of an adaptive brush, or
    /// around the click that something grows from: half a spread a step. Gives the spreads; `None` for
    /// a tool that does not go by them.
    pub fn resize_tolerance(&mut self, session: &Session, steps: i8) -> Option<f32> {
        let wanted = |now: f32| (now + 0.5 * f32::from(steps)).clamp(1.0, 8.0);
        match (self.kind, self.brush.tip(), self.grow.growth().range) {
            (ToolKind::Brush, BrushTip::Adaptive { tolerance }, _) => {
                let tolerance = wanted(tolerance);
                self.brush.set_tip(BrushTip::Adaptive { tolerance });
                Some(tolerance)
            }
            (ToolKind::Grow, _, GrowRange::Similar { tolerance }) => {
                let tolerance = wanted(tolerance);
                let range = GrowRange::Similar { tolerance };
                self.grow.set_growth(session, Growth { range, ..self.grow.growth() });
                Some(tolerance)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Method, SegmentSettings};
    use super::*;
    use crate::session::fixture::{axial_series, session_with};

    const KINDS: [ToolKind; 9] = [
        ToolKind::Brush,
        ToolKind::Eraser,
        ToolKind::Freehand,
        ToolKind::Shape,
        ToolKind::Push,
        ToolKind::Grow,
        ToolKind::Points,
        ToolKind::Transform,
        ToolKind::LiveWire,
    ];
    const SHOWN: ValueRange = ValueRange { low: -160.0, high: 240.0 };

    #[test]
    fn every_choice_can_be_made_and_the_next_goes_round() {
        let session = session_with(axial_series(), &["Liver"]);
        for kind in KINDS {
            let mut tools = Tools::default();
            tools.choose(kind);
            let mut found = 0;
            for aspect in Aspect::ALL {
                let all = choices(kind, aspect);
                found += all.len();
                for choice in all {
                    tools.make(&session, *choice, SHOWN);
                    let chosen: Vec<_> = all.iter().filter(|own| tools.has_chosen(**own)).collect();
                    assert_eq!(chosen, [choice], "one of them, and that one");
                    assert!(choice.is_for(kind) && choice.is_for(choice.tool()));
                }
                let round: Vec<_> = all
                    .iter()
                    .filter_map(|_| {
                        let next = tools.next_choice(&session, aspect)?;
                        tools.make(&session, next, SHOWN);
                        Some(next)
                    })
                    .collect();
                assert_eq!(round, all, "from the last to the first and on to the last");
            }
            assert!(found > 1, "{kind:?}");
        }
        assert_eq!(Tools::default().next_choice(&session, Aspect::Does), None, "the crosshair has none");
    }

    #[test]
    fn brush_and_grow_keep_the_numbers_of_each_kind() {
        let session = session_with(axial_series(), &["Liver"]);
        let mut tools = Tools::default();
        tools.choose(ToolKind::Brush);
        let round = |tools: &mut Tools| {
            let next = tools.next_choice(&session, Aspect::Kind).unwrap();
            tools.make(&session, next, SHOWN);
        };
        // A kind that has not been in hand begins with the radius that is set.
        tools.brush.set_radius_mm(5.0);
        round(&mut tools);
        assert_eq!(
            (tools.brush.tip(), tools.brush.radius_mm()),
            (BrushTip::Adaptive { tolerance: 3.0 }, 5.0)
        );
        tools.resize_tolerance(&session, 3);
        tools.brush.set_radius_mm(14.0);
        round(&mut tools);
        assert_eq!((tools.brush.tip(), tools.brush.radius_mm()), (BrushTip::Range(SHOWN), 14.0));
        let fat = ValueRange { low: -120.0, high: -30.0 };
        tools.brush.set_tip(BrushTip::Range(fat));
        tools.brush.set_radius_mm(9.0);
        let wanted = [
            (BrushTip::Plain, 5.0),
            (BrushTip::Adaptive { tolerance: 4.5 }, 14.0),
            (BrushTip::Range(fat), 9.0),
        ];
        for (tip, radius_mm) in wanted.into_iter().chain(wanted) {
            round(&mut tools);
            assert_eq!((tools.brush.tip(), tools.brush.radius_mm()), (tip, radius_mm));
        }
        // Growing: its values, its reach, its necks.
        tools.choose(ToolKind::Grow);
        let kinds = [
            Growth { range: GrowRange::Similar { tolerance: 2.5 }, reach_mm: 40.0, neck_mm: 6.0 },
            Growth { range: GrowRange::Fixed(fat), reach_mm: 90.0, neck_mm: 0.0 },
            Growth { range: GrowRange::PartOfMaximum(0.6), reach_mm: 20.0, neck_mm: 2.0 },
        ];
        for growth in kinds {
            tools.make(&session, Choice::Grow(GrowBy::of(growth.range)), SHOWN);
            tools.grow.set_growth(&session, growth);
        }
        for growth in kinds.into_iter().chain(kinds) {
            round(&mut tools);
            assert_eq!(tools.grow.growth(), growth);
        }
        // Nothing of it is dropped with what grew.
        tools.cancel();
        round(&mut tools);
        assert_eq!(tools.grow.growth(), kinds[0]);
    }

    #[test]
    fn the_semi_automatic_tool_has_the_choices_of_its_method() {
        let session = session_with(axial_series(), &["Liver"]);
        let mut tools = Tools::default();
        tools.choose(ToolKind::Segment);
        for method in Method::ALL {
            let settings = SegmentSettings { method, ..tools.segment.settings() };
            tools.segment.set_settings(&session, settings);
            for aspect in Aspect::ALL {
                let all = tools.choices(aspect);
                let open: Vec<_> =
                    all.iter().filter(|own| tools.refusal(&session, **own).is_none()).copied().collect();
                if let Some(last) = open.last() {
                    tools.make(&session, *last, SHOWN);
                }
                let next = open.iter().filter_map(|_| {
                    let next = tools.next_choice(&session, aspect)?;
                    tools.make(&session, next, SHOWN);
                    Some(next)
                });
                assert_eq!(next.collect::<Vec<_>>(), open, "{method:?}: round, without what cannot be");
                assert!(open.iter().all(|choice| choice.is_for(ToolKind::Segment)));
            }
            tools.segment.cancel();
        }
    }

    #[test]
    fn a_new_range_starts_with_what_is_shown_and_a_chosen_one_stays() {
        let session = session_with(axial_series(), &["Liver"]);
        let mut tools = Tools::default();
        tools.make(&session, Choice::Tip(Tip::Range), SHOWN);
        assert_eq!(tools.brush.tip(), BrushTip::Range(SHOWN));
        let own = ValueRange { low: 0.0, high: 80.0 };
        tools.brush.set_tip(BrushTip::Range(own));
        tools.make(&session, Choice::Tip(Tip::Range), SHOWN);
        assert_eq!(tools.brush.tip(), BrushTip::Range(own));
    }

    #[test]
    fn slab_and_tolerance_grow_by_steps_within_their_bounds() {
        let session = session_with(axial_series(), &["Liver"]);
        let mut tools = Tools::default();
        tools.choose(ToolKind::Freehand);
        assert!((tools.resize_slab(&session, 1) - 11.0).abs() < 1e-9, "a millimetre from 8 to 16 mm");
        assert!((tools.resize_slab(&session, -30) - 1.0).abs() < 1e-9);
        tools.choose(ToolKind::Brush);
        assert!((tools.resize_slab(&session, -1) - 9.0).abs() < 1e-9, "the brush has its own");
        assert_eq!(tools.resize_tolerance(&session, 1), None, "it paints all");
        tools.make(&session, Choice::Tip(Tip::Edges), SHOWN);
        assert_eq!(tools.resize_tolerance(&session, 1), Some(3.5));
        assert_eq!(tools.resize_tolerance(&session, 100), Some(8.0));
        tools.choose(ToolKind::Grow);
        assert_eq!(tools.resize_tolerance(&session, -1), Some(2.5));
    }
}
