//! Brush and eraser. On the contours' own plane a disc, across the slices a ball. Strokes are swept
//! from event to event, so that fast ones leave no gaps.

use super::canvas::{Canvas, Cut, cut_of, pixel_mm, roi_contains, slices_between};
use super::gesture::{Hand, Strokes};
use super::hint::{self, Hint};
use super::second::Second;
use super::{Cursor, CursorShape, Modifiers, Preview, Reaction, Tip, ToolEvent, ViewPlane, region};
use crate::edit::{CHORD_MM, Sign, ValueRange, adaptive, in_range, paint, reoriented};
use crate::geometry::stroke::{extruded_section, swept_ball_section, swept_disc};
use crate::geometry::{Plane, Point3, Polygon, are_near, clip};
use crate::patient::{Roi, RoiId, Volume};
use crate::session::{Refusal, Session};
use std::collections::BTreeMap;

/// The least and greatest radius, mm.
const RADIUS_MM: std::ops::RangeInclusive<f64> = 0.5..=80.0;

/// What a stroke does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum BrushMode {
    /// Adds.
    #[default]
    Add,
    /// Cuts.
    Cut,
    /// Adds when it starts inside the structure, or far from it; cuts when it starts outside and
    /// the brush touches it, as disc, ball or slab, on any slice it reaches.
    Auto,
}

/// What of its disc a brush paints.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub enum BrushTip {
    /// All of it.
    #[default]
    Plain,
    /// What hangs together with its centre up to the next image edge.
    Adaptive {
        /// How many spreads of the tissue's values still count as it; 1 to 8.
        tolerance: f32,
    },
    /// What has values in a range.
    Range(ValueRange),
}

/// How far a brush reaches from the view it is used in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum BrushReach {
    /// A disc on the slice shown; a ball in views across the slices.
    #[default]
    Slice,
    /// A ball in every view.
    Ball,
    /// The disc, through a slab around the view.
    Slab,
}

#[derive(Debug)]
pub(super) struct Stroke {
    sign: Sign,
    cut: Cut,
    view: Plane,
    last: Point3,
    canvas: Canvas,
}

/// Brush and eraser.
#[derive(Debug)]
pub struct BrushTool {
    radius_mm: f64,
    mode: BrushMode,
    tip: BrushTip,
    /// Whether edges and ranges are those of a second image.
    pub(super) second: Second,
    /// The numbers of each kind of tip as they were when it was last in hand, by the kind's name: what it
    /// paints, and its radius, mm.
    tips: BTreeMap<String, BrushTip>,
    radii_mm: BTreeMap<String, f64>,
    reach: BrushReach,
    thickness_mm: f64,
    eraser: bool,
    /// How hard a pen presses, 0 to 1; `None` for a mouse.
    pressure: Option<f64>,
    /// The view that the pointer was last in.
    view: Option<ViewPlane>,
    hand: Hand<Stroke>,
}

impl Default for BrushTool {
    fn default() -> Self {
        Self {
            radius_mm: 8.0,
            mode: BrushMode::Add,
            tip: BrushTip::Plain,
            second: Second::default(),
            tips: BTreeMap::new(),
            radii_mm: BTreeMap::new(),
            reach: BrushReach::Slice,
            thickness_mm: 10.0,
            eraser: false,
            pressure: None,
            view: None,
            hand: Hand::Away,
        }
    }
}

impl BrushTool {
    /// The radius, mm.
    #[must_use]
    pub fn radius_mm(&self) -> f64 {
        self.radius_mm
    }

    /// Sets the radius, mm, kept between 0.5 and 80.
    pub fn set_radius_mm(&mut self, radius_mm: f64) {
        if radius_mm.is_finite() {
            self.radius_mm = radius_mm.clamp(*RADIUS_MM.start(), *RADIUS_MM.end());
        }
    }

    /// Makes the brush larger (`steps` > 0) or smaller, a sixteenth to an eighth of its size a step, half a
    /// millimetre below 8 mm; as many steps back lead to where it was.
    pub fn resize(&mut self, steps: i32) {
        self.set_radius_mm(super::stepped(self.radius_mm, steps));
    }

    /// How hard the pen presses, 0 to 1; `None` for a mouse or a pen that does not tell. Nothing but
    /// halves is what systems give for fingers, whose pressure they do not know. Holds until it is set
    /// again.
    pub fn set_pressure(&mut self, pressure: Option<f32>) {
        let pressure = pressure.map(f64::from).filter(|pressure| pressure.is_finite());
        self.pressure = pressure
            .filter(|pressure| self.pressure.is_some() || (pressure - 0.5).abs() > 1e-6)
            .map(|pressure| pressure.clamp(0.0, 1.0));
    }

    /// The radius that paints now, mm: from a third of the brush's under a light pen to all of it
    /// under full pressure.
    #[must_use]
    pub fn tip_radius_mm(&self) -> f64 {
        self.radius_mm * self.pressure.map_or(1.0, |pressure| (1.0 + 2.0 * pressure) / 3.0)
    }

    /// What the brush does.
    #[must_use]
    pub fn mode(&self) -> BrushMode {
        self.mode
    }

    /// Sets what the brush does; the eraser always cuts.
    pub fn set_mode(&mut self, mode: BrushMode) {
        self.mode = mode;
    }

    /// What of its disc it paints; the eraser takes all of it.
    #[must_use]
    pub fn tip(&self) -> BrushTip {
        self.tip
    }

    /// Sets what of its disc it paints; what is no range is not taken. Another kind of tip comes with the
    /// radius that it had when it was last in hand.
    pub fn set_tip(&mut self, tip: BrushTip) {
        if tip == self.tip || !super::options::is_sound_tip(tip) {
            return;
        }
        let (before, now) = (Tip::of(self.tip), Tip::of(tip));
        self.tip = match tip {
            BrushTip::Adaptive { tolerance } => BrushTip::Adaptive { tolerance: tolerance.clamp(1.0, 8.0) },
            other => other,
        };
        self.tips.insert(now.key().to_owned(), self.tip);
        if before != now {
            self.radii_mm.insert(before.key().to_owned(), self.radius_mm);
            if let Some(radius_mm) = self.radii_mm.get(now.key()) {
                self.set_radius_mm(*radius_mm);
            }
        }
    }

    /// Takes another kind of tip in hand, with the numbers that it had when it last was; a range that is new
    /// is `shown`.
    pub(super) fn choose_tip(&mut self, kind: Tip, shown: ValueRange) {
        let known = self.tips.get(kind.key()).copied();
        self.set_tip(known.unwrap_or(match kind {
            Tip::All => BrushTip::Plain,
            Tip::Edges => BrushTip::Adaptive { tolerance: 3.0 },
            Tip::Range => BrushTip::Range(shown),
        }));
    }

    /// What each kind of tip paints, as it was when it was last in hand, by the kind's name.
    pub(super) fn tips(&self) -> &BTreeMap<String, BrushTip> {
        &self.tips
    }

    /// Sets what each kind of tip paints but the one in hand; what cannot be is not taken.
    pub(super) fn set_tips(&mut self, tips: BTreeMap<String, BrushTip>) {
        let in_hand = Tip::of(self.tip);
        let fits = |(key, tip): &(String, BrushTip)| {
            let kind = Tip::of(*tip);
            super::options::is_sound_tip(*tip) && kind != in_hand && kind.key() == key
        };
        self.tips.extend(tips.into_iter().filter(fits));
    }

    /// The radius of each kind of tip, mm, as it was when it was last in hand, by the kind's name.
    pub(super) fn radii_mm(&self) -> &BTreeMap<String, f64> {
        &self.radii_mm
    }

    /// Sets the radii of the kinds of tip, mm, but of the one in hand.
    pub(super) fn set_radii_mm(&mut self, radii_mm: BTreeMap<String, f64>) {
        self.radii_mm = radii_mm.into_iter().filter(|(_, radius)| RADIUS_MM.contains(radius)).collect();
    }

    /// How far it reaches from the view.
    #[must_use]
    pub fn reach(&self) -> BrushReach {
        self.reach
    }

    /// Sets how far it reaches from the view.
    pub fn set_reach(&mut self, reach: BrushReach) {
        self.reach = reach;
    }

    /// The thickness of the slab, mm.
    #[must_use]
    pub fn thickness_mm(&self) -> f64 {
        self.thickness_mm
    }

    /// Sets the thickness of the slab, mm, kept between 1 and 500.
    pub fn set_thickness_mm(&mut self, thickness_mm: f64) {
        if thickness_mm.is_finite() {
            self.thickness_mm = thickness_mm.clamp(1.0, 500.0);
        }
    }

    /// Whether it is held as the eraser.
    pub(super) fn set_eraser(&mut self, eraser: bool) {
        self.eraser = eraser;
    }

    /// Whether a stroke is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.hand.is_busy()
    }

    /// Drops the stroke.
    pub fn cancel(&mut self) {
        self.hand = Hand::Away;
    }

    /// The contours as they would be if the stroke ended now.
    #[must_use]
    pub fn preview(&self) -> Option<&Preview> {
        self.hand.stroke().map(|stroke| stroke.canvas.preview())
    }

    /// The next state and what comes of it.
    pub fn event(&mut self, session: &Session, view: &ViewPlane, event: ToolEvent) -> Reaction {
        self.view = Some(*view);
        let hand = std::mem::take(&mut self.hand);
        let (hand, reaction) = hand.event(self, session, view, event);
        self.hand = hand;
        reaction
    }

    fn told(stroke: &Stroke) -> Reaction {
        if stroke.canvas.only_missing() {
            Reaction::message(&Refusal::MissingSlice)
        } else {
            Reaction::default()
        }
    }

    fn sign_at(&self, session: &Session, view: &ViewPlane, roi: &Roi, at: Point3, keys: Modifiers) -> Sign {
        let sign = match (self.eraser, self.mode) {
            (true, _) | (false, BrushMode::Cut) => Sign::Cut,
            (false, BrushMode::Add) => Sign::Add,
            (false, BrushMode::Auto) => {
                let is_inside = roi_contains(&session.series().volume, roi, at);
                if !is_inside && self.touches(session, view, roi, at) { Sign::Cut } else { Sign::Add }
            }
        };
        if keys.invert { sign.opposite() } else { sign }
    }

    /// Whether the brush put down at `at` covers any of the structure, on any slice that it reaches in
    /// this view.
    fn touches(&self, session: &Session, view: &ViewPlane, roi: &Roi, at: Point3) -> bool {
        let volume = &session.series().volume;
        let Ok(cut) = cut_of(volume, view, at) else { return false };
        let radius = self.painting_radius_mm(pixel_mm(volume));
        // No shape of the brush reaches farther from `at` than this.
        let reach = radius + if self.reach == BrushReach::Slab { self.thickness_mm } else { 0.0 };
        let mut slices = self.slices(volume, cut, &[at], radius);
        slices.any(|slice| {
            let Some(own) = volume.slices.get(slice).and_then(|slice| roi.plane_at(&slice.plane)) else {
                return false;
            };
            let foot = own.plane.project(at);
            let is_near =
                |piece: &&Polygon| piece.bounds().is_some_and(|bounds| are_near(bounds, (foot, foot), reach));
            let near: Vec<Polygon> = own.polygons.iter().filter(is_near).cloned().collect();
            !near.is_empty() && {
                let shape = self.swept(cut, &view.plane, &[at], radius, &own.plane);
                !clip::intersection(&near, &shape).is_empty()
            }
        })
    }

    /// The radius that is painted with, mm: a disc smaller than a pixel would be tidied away at once.
    fn painting_radius_mm(&self, pixel_mm: f64) -> f64 {
        self.tip_radius_mm().max(pixel_mm * 0.55)
    }

    /// Sweeps from the last position to `at`.
    fn sweep(&self, session: &Session, stroke: &mut Stroke, at: Point3) {
        let volume = &session.series().volume;
        let radius = self.painting_radius_mm(stroke.canvas.pixel_mm());
        let path = [stroke.last, at];
        let path = if stroke.last == at { &path[..1] } else { &path[..] };
        let tip = if self.eraser { BrushTip::Plain } else { self.tip };
        match tip {
            BrushTip::Adaptive { tolerance } => self.stamp(session, stroke, path, radius, tolerance),
            BrushTip::Plain => self.sweep_shape(session, stroke, path, radius, |_, _, shape| shape),
            BrushTip::Range(range) => {
                let (source, range) = (self.second.source(volume), self.second.range_or(range));
                self.sweep_shape(session, stroke, path, radius, |slice, plane, shape| {
                    in_range(&source, slice, plane, &shape, range)
                });
            }
        }
        stroke.last = at;
        stroke.canvas.end_event(session);
    }

    /// Paints what the brush sweeps on every slice it reaches, as far as `part` lets it.
    fn sweep_shape(
        &self,
        session: &Session,
        stroke: &mut Stroke,
        path: &[Point3],
        radius: f64,
        part: impl Fn(usize, &Plane, Vec<Polygon>) -> Vec<Polygon> + Sync,
    ) {
        let (sign, cut, view) = (stroke.sign, stroke.cut, stroke.view);
        let slices = self.slices(&session.series().volume, cut, path, radius);
        stroke.canvas.change_each(session, slices, |slice, plane, polygons| {
            let shape = self.swept(cut, &view, path, radius, plane);
            let shape = if shape.is_empty() { shape } else { part(slice, plane, shape) };
            Some(paint(polygons, &shape, sign))
        });
    }

    /// What the brush sweeps on a plane along `path`.
    fn swept(&self, cut: Cut, view: &Plane, path: &[Point3], radius: f64, plane: &Plane) -> Vec<Polygon> {
        let disc = |plane: &Plane| -> Vec<Polygon> {
            let path: Vec<_> = path.iter().map(|point| plane.project(*point)).collect();
            swept_disc(&path, radius, CHORD_MM)
        };
        match (cut, self.reach) {
            (Cut::Along(_), BrushReach::Slice | BrushReach::Slab) => disc(plane),
            (Cut::Across, BrushReach::Slab) => {
                extruded_section(&disc(view), view, self.thickness_mm / 2.0, plane)
            }
            _ => swept_ball_section(path, radius, plane, CHORD_MM),
        }
    }

    /// The slices that a sweep along `path` reaches.
    fn slices(&self, volume: &Volume, cut: Cut, path: &[Point3], radius: f64) -> std::ops::Range<usize> {
        let Some(base) = volume.base_plane() else { return 0..0 };
        let offsets = path.iter().map(|point| base.normal().dot(&point.coords));
        let (low, high) = offsets.fold((f64::MAX, f64::MIN), |(low, high), at| (low.min(at), high.max(at)));
        match (cut, self.reach) {
            (Cut::Along(slice), BrushReach::Slice) => slice..slice + 1,
            (Cut::Along(slice), BrushReach::Slab) => {
                let around = slices_between(volume, low, high, self.thickness_mm / 2.0);
                around.start.min(slice)..around.end.max(slice + 1)
            }
            (Cut::Across, BrushReach::Slab) => slices_between(volume, low, high, radius + self.thickness_mm),
            _ => slices_between(volume, low, high, radius),
        }
    }

    /// Paints what hangs together with the brush's centre, stamp by stamp.
    fn stamp(&self, session: &Session, stroke: &mut Stroke, path: &[Point3], radius: f64, tolerance: f32) {
        let volume = &session.series().volume;
        let source = self.second.source(volume);
        let sign = stroke.sign;
        let (from, to) = (path[0], path[path.len() - 1]);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let steps = ((to - from).norm() / (radius * 0.35)).ceil().clamp(1.0, 200.0) as u32;
        let first = u32::from(path.len() > 1);
        for step in first..=steps.max(first) {
            let center = from + (to - from) * (f64::from(step) / f64::from(steps));
            let center = match (stroke.cut, self.reach) {
                // The slice drawn on may lie a little off the view's plane.
                (Cut::Along(slice), BrushReach::Slice | BrushReach::Slab) => {
                    let plane = volume.slices[slice].plane;
                    plane.lift(plane.project(center))
                }
                _ => center,
            };
            let around = [center];
            let (cut, view) = (stroke.cut, stroke.view);
            let slices = self.slices(volume, cut, &around, radius);
            let brush = |_, plane: &Plane| self.swept(cut, &view, &around, radius, plane);
            for (slice, shape) in adaptive(&source, center, radius, tolerance, slices, brush) {
                let own = volume.slices[slice].plane;
                stroke.canvas.change(session, slice, |plane, polygons| {
                    Some(paint(polygons, &reoriented(&shape, &own, plane), sign))
                });
            }
            if path.len() == 1 {
                break;
            }
        }
    }

    /// How the cursor looks now.
    #[must_use]
    pub fn cursor(&self, session: &Session) -> Cursor {
        let roi = session.selected();
        let color = roi.map(|roi| roi.color);
        let name = roi.map(|roi| roi.name.clone());
        let circle = |center| CursorShape::Circle { center, radius_mm: self.tip_radius_mm() };
        match &self.hand {
            Hand::Working(stroke) => {
                Cursor { shape: circle(stroke.last), sign: Some(stroke.sign), color, label: name }
            }
            Hand::Hovering(at, keys) => {
                let view = self.view.as_ref();
                let sign = roi.zip(view).map(|(roi, view)| self.sign_at(session, view, roi, *at, *keys));
                Cursor { shape: circle(*at), sign, color, label: name }
            }
            other => other.plain_cursor().unwrap_or_else(|| Cursor::plain(CursorShape::Arrow)),
        }
    }

    /// What the person can do now.
    #[must_use]
    pub fn hint(&self) -> Hint {
        match (&self.hand, self.eraser) {
            (Hand::Working(_), _) => "Release to keep the stroke, Esc to drop it".into(),
            (Hand::Refused(_), _) => Hint::default(),
            (_, true) => Hint { text: "Drag to erase, Ctrl to paint", keys: hint::SIZE },
            (_, false) => Hint { text: "Drag to paint, Ctrl to erase", keys: hint::SIZE },
        }
    }
}

impl Strokes for BrushTool {
    type Stroke = Stroke;

    fn began_on(stroke: &Stroke) -> (RoiId, u64) {
        stroke.canvas.based_on()
    }

    fn begin(
        &self,
        session: &Session,
        view: &ViewPlane,
        at: Point3,
        keys: Modifiers,
    ) -> Result<Stroke, String> {
        let (roi, cut) = region::may_begin(session, view, at).map_err(|refusal| refusal.to_string())?;
        let sign = self.sign_at(session, view, roi, at, keys);
        Ok(Stroke { sign, cut, view: view.plane, last: at, canvas: Canvas::new(session, roi) })
    }

    fn go_on(&self, session: &Session, stroke: &mut Stroke, at: Point3) -> Reaction {
        self.sweep(session, stroke, at);
        Self::told(stroke)
    }

    fn finish(&self, session: &Session, mut stroke: Stroke, at: Point3) -> Reaction {
        if at != stroke.last {
            self.sweep(session, &mut stroke, at);
        }
        let mut reaction = Self::told(&stroke);
        reaction.message = reaction.message.or(stroke.canvas.left_out().map(str::to_owned));
        let gesture = if stroke.sign == Sign::Cut { "Eraser" } else { "Brush" };
        reaction.command = stroke.canvas.into_command(gesture);
        reaction
    }
}
