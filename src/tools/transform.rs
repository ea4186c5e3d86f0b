//! Move, turn and scale: one contour on its slice, or the whole structure.
//!
//! A frame stands around what would be taken along. Dragged inside, it moves; dragged at a corner,
//! it scales from the opposite corner (with Ctrl each side by itself); dragged beyond the frame, it
//! turns (with Ctrl in steps of 15 degrees). Seen across the slices one contour moves within its own
//! slice only, for it lies there; the whole structure goes where it is put, and its contours are
//! the sections of it by the slices ([`Motion`]).

use super::canvas::{Canvas, Cut, Tidy, cut_of, slices_between};
use super::gesture::{Hand, Strokes};
use super::{Cursor, CursorShape, Modifiers, Preview, Reaction, ToolEvent, ViewPlane, region};
use crate::edit::algebra::AlgebraError;
use crate::edit::{Motion, nearest_on_outline};
use crate::geometry::{Plane, Point2, Point3};
use crate::patient::{Roi, RoiId, Volume};
use crate::session::{Command, Refusal, Session};
use rayon::prelude::*;

/// How close to a corner counts as on it, screen pixels.
const CORNER_PIXELS: f64 = 9.0;
/// How far beyond the frame turning is taken hold of, screen pixels.
const BEYOND_PIXELS: f64 = 60.0;
/// Ctrl turns in steps of this, radians.
const STEP: f64 = std::f64::consts::PI / 12.0;
/// The cosine to the slices' normal from which a nudge goes by whole slices.
const STRAIGHT: f64 = 0.999;

/// A rectangle in a view around what would be taken along.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    plane: Plane,
    low: Point2,
    high: Point2,
    /// The contour: slice and piece; `None` for the whole structure.
    piece: Option<(usize, usize)>,
    /// Whether it may be scaled and turned here, not only moved.
    is_free: bool,
}

/// What a drag does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grip {
    Move,
    /// By the corner of this number.
    Scale(usize),
    Turn,
}

impl Frame {
    fn corners(&self) -> [Point2; 4] {
        let (low, high) = (self.low, self.high);
        [low, Point2::new(high.x, low.y), high, Point2::new(low.x, high.y)]
    }

    fn center(&self) -> Point2 {
        self.low + (self.high - self.low) * 0.5
    }

    /// What a drag from `at` would do; `None` too far away.
    fn grip(&self, at: Point3, pixel_mm: f64) -> Option<Grip> {
        let at = self.plane.project(at);
        let inside = (self.low.x..=self.high.x).contains(&at.x) && (self.low.y..=self.high.y).contains(&at.y);
        // The middle moves, however small the frame is.
        let half = (self.high - self.low) / 2.0;
        let off = (at - self.center()).abs();
        let in_middle = inside && off.x < half.x / 2.0 && off.y < half.y / 2.0;
        let corner = self
            .corners()
            .iter()
            .position(|corner| (corner - at).norm() <= CORNER_PIXELS * pixel_mm)
            .filter(|_| self.is_free && !in_middle);
        let beyond = (off.x - half.x).max(off.y - half.y);
        match corner {
            Some(corner) => Some(Grip::Scale(corner)),
            None if inside => Some(Grip::Move),
            None if beyond <= BEYOND_PIXELS * pixel_mm => {
                Some(if self.is_free { Grip::Turn } else { Grip::Move })
            }
            None => None,
        }
    }

    /// The motion of a drag.
    fn motion(&self, grip: Grip, from: Point3, to: Point3, keys: Modifiers) -> Option<Motion> {
        let (a, b) = (self.plane.project(from), self.plane.project(to));
        match grip {
            Grip::Move => Some(Motion::moved(to - from)),
            Grip::Scale(corner) => {
                let corners = self.corners();
                let (corner, fixed) = (corners[corner], corners[(corner + 2) % 4]);
                let (before, after) = (corner - fixed, corner - fixed + (b - a));
                let part = |axis: usize| {
                    if before[axis].abs() > 1e-6 { (after[axis] / before[axis]).max(0.02) } else { 1.0 }
                };
                let even = (after.dot(&before) / before.norm_squared()).max(0.02);
                let factors = if keys.invert { [part(0), part(1)] } else { [even, even] };
                Motion::scaled(self.plane.lift(fixed), &self.plane, factors)
            }
            Grip::Turn => {
                let (a, b) = (a - self.center(), b - self.center());
                let mut angle = a.perp(&b).atan2(a.dot(&b));
                if keys.invert {
                    angle = (angle / STEP).round() * STEP;
                }
                Motion::turned(self.plane.lift(self.center()), self.plane.normal(), angle)
            }
        }
    }

    /// Its outline, closed, taken along by `motion`; patient mm.
    fn outline(&self, motion: Option<&Motion>) -> Vec<Point3> {
        let corners = self.corners();
        let lift = |corner: Point2| {
            let point = self.plane.lift(corner);
            motion.map_or(point, |motion| motion.of_point(point))
        };
        corners.into_iter().chain([corners[0]]).map(lift).collect()
    }
}

#[derive(Debug)]
pub(super) struct Stroke {
    frame: Frame,
    grip: Grip,
    from: Point3,
    last: Point3,
    keys: Modifiers,
    canvas: Canvas,
    is_cut_off: bool,
}

/// Move, turn and scale.
#[derive(Debug, Default)]
pub struct TransformTool {
    whole: bool,
    frame: Option<Frame>,
    grip: Option<Grip>,
    outline: Vec<Point3>,
    /// Where the pointer hovers, for the keyboard.
    hovered: Option<(ViewPlane, Point3)>,
    hand: Hand<Stroke>,
}

impl TransformTool {
    /// Whether the whole structure is taken along rather than one contour.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Takes the whole structure along, or one contour; Shift does the other.
    pub fn set_whole(&mut self, whole: bool) {
        self.whole = whole;
    }

    /// Whether something is being moved.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.hand.is_busy()
    }

    /// Drops the motion.
    pub fn cancel(&mut self) {
        self.hand = Hand::Away;
        self.frame = None;
        self.grip = None;
        self.outline.clear();
    }

    /// The contours as they would be if the motion ended now.
    #[must_use]
    pub fn preview(&self) -> Option<&Preview> {
        self.hand.stroke().map(|stroke| stroke.canvas.preview())
    }

    /// The frame, closed, patient mm.
    #[must_use]
    pub fn line(&self) -> &[Point3] {
        &self.outline
    }

    /// The corners that scale, patient mm.
    #[must_use]
    pub fn anchors(&self) -> &[Point3] {
        let is_free = self.frame.is_some_and(|frame| frame.is_free);
        if is_free { &self.outline[..self.outline.len().min(4)] } else { &[] }
    }

    /// The next state and what comes of it.
    pub fn event(&mut self, session: &Session, view: &ViewPlane, event: ToolEvent) -> Reaction {
        let frame_at = |at, keys: Modifiers| frame_at(session, view, at, self.whole != keys.shift);
        if !self.hand.is_busy() {
            match event {
                ToolEvent::Hover(at, keys) | ToolEvent::Press(at, keys) => self.frame = frame_at(at, keys),
                ToolEvent::Leave | ToolEvent::Escape => self.frame = None,
                ToolEvent::Drag(_) | ToolEvent::Release(_) => {}
            }
        }
        let hand = std::mem::take(&mut self.hand);
        let (hand, reaction) = hand.event(self, session, view, event);
        self.hand = hand;
        match event {
            ToolEvent::Hover(at, _) | ToolEvent::Release(at) => self.hovered = Some((*view, at)),
            ToolEvent::Leave => self.hovered = None,
            _ => {}
        }
        if let ToolEvent::Hover(at, _) = event {
            self.grip = self.frame.and_then(|frame| frame.grip(at, view.pixel_mm));
        }
        if reaction.command.is_some()
            || matches!(event, ToolEvent::Escape | ToolEvent::Leave) && !self.is_busy()
        {
            // Until the next hover the frame would stand where things were.
            self.frame = None;
        }
        self.outline = match (self.hand.stroke(), self.frame) {
            (Some(stroke), _) => stroke
                .frame
                .outline(stroke.frame.motion(stroke.grip, stroke.from, stroke.last, stroke.keys).as_ref()),
            (None, Some(frame)) => frame.outline(None),
            (None, None) => Vec::new(),
        };
        reaction
    }

    /// Moves what the tool would take along where the pointer is, as one undo step: by so many mm to
    /// the right and down in that view, straight along the slices' normal by as many slices. Nothing when the
    /// pointer is over no view.
    pub fn nudge(&mut self, session: &Session, right: f64, down: f64) -> Reaction {
        let Some((view, at)) = self.hovered.filter(|_| !self.is_busy()) else { return Reaction::default() };
        let volume = &session.series().volume;
        let Some(base) = volume.base_plane() else { return Reaction::default() };
        let normal = base.normal();
        let mut by = view.plane.u() * right + view.plane.v() * down;
        let rise = normal.dot(&by);
        if let Some(slice) = volume.nearest_slice(normal.dot(&at.coords))
            && rise.abs() > STRAIGHT * by.norm()
        {
            by += normal * (rise * (volume.slice_thickness_mm(slice) - 1.0));
        }
        let Some(frame) = frame_at(session, &view, at, self.whole) else {
            return Reaction::message(&NO_FRAME);
        };
        let allowed = region::may_begin(session, &view, at).map_err(|refusal| refusal.to_string());
        let reaction = match allowed.and_then(|(roi, _)| may_move(session, roi, &frame)) {
            Err(why) => return Reaction::message(&why),
            Ok(()) => match taken_along(session, &frame, &Motion::moved(by)) {
                Some((canvas, is_cut_off)) => told(canvas.into_reaction(Grip::Move.gesture()), is_cut_off),
                None => return Reaction::default(),
            },
        };
        // The next nudge means the same contour, where it has come to.
        let onto = if frame.piece.is_some() { by - normal * normal.dot(&by) } else { by };
        self.hovered = Some((view, at + onto));
        self.frame = None;
        self.outline.clear();
        reaction
    }

    /// How the cursor looks now.
    #[must_use]
    pub fn cursor(&self, session: &Session) -> Cursor {
        let roi = session.selected();
        self.hand.plain_cursor().unwrap_or_else(|| {
            let (grip, whole) = match self.hand.stroke() {
                Some(stroke) => (Some(stroke.grip), stroke.frame.piece.is_none()),
                None => (self.grip, self.frame.is_some_and(|frame| frame.piece.is_none())),
            };
            let what = match grip {
                Some(Grip::Move) => "move",
                Some(Grip::Scale(_)) => "scale",
                Some(Grip::Turn) => "turn",
                None => "",
            };
            let of = if whole { "all of " } else { "" };
            let label =
                roi.map(
                    |roi| {
                        if what.is_empty() { roi.name.clone() } else { format!("{what} {of}{}", roi.name) }
                    },
                );
            Cursor { shape: CursorShape::Cross, sign: None, color: roi.map(|roi| roi.color), label }
        })
    }

    /// What the person can do now.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match (&self.hand, self.whole) {
            (Hand::Working(_), _) => "Release to keep it there, Esc to put it back",
            (Hand::Refused(_), _) => "",
            (_, false) => {
                "Drag inside to move, a corner to scale, beyond to turn; Shift: the whole structure"
            }
            (_, true) => "Drag inside to move, a corner to scale, beyond to turn; Shift: one contour",
        }
    }
}

/// The same, with what is to be said of a motion that leaves a part beyond the images.
fn told(mut reaction: Reaction, is_cut_off: bool) -> Reaction {
    if is_cut_off && matches!(reaction.command, Some(Command::SetPlanes { .. })) {
        let told = "A part lies beyond the images now and was left out. Undo brings it back.";
        reaction.message = reaction.message.or(Some(told.to_owned()));
    }
    reaction
}

const NO_FRAME: &str = "There is no contour of the selected structure here to move.";

impl Grip {
    fn gesture(self) -> &'static str {
        match self {
            Self::Move => "Move",
            Self::Scale(_) => "Scale",
            Self::Turn => "Turn",
        }
    }
}

/// The frame around what a press at `at` would take along.
fn frame_at(session: &Session, view: &ViewPlane, at: Point3, whole: bool) -> Option<Frame> {
    let roi = session.selected()?;
    let volume = &session.series().volume;
    let cut = cut_of(volume, view, at).ok();
    let bounds = |points: &mut dyn Iterator<Item = Point3>| {
        points.map(|point| view.plane.project(point)).fold(None, |bounds: Option<(Point2, Point2)>, p| {
            Some(bounds.map_or((p, p), |(low, high)| (low.inf(&p), high.sup(&p))))
        })
    };
    if whole {
        let mut points = roi.planes.iter().flat_map(|own| {
            own.polygons.iter().flat_map(|piece| &piece.outer).map(|point| own.plane.lift(*point))
        });
        let (low, high) = bounds(&mut points)?;
        return Some(Frame { plane: view.plane, low, high, piece: None, is_free: true });
    }
    let slice = match cut? {
        Cut::Along(slice) => slice,
        Cut::Across => volume.nearest_slice(volume.base_plane()?.normal().dot(&at.coords))?,
    };
    let own = roi.plane_at(&volume.slices[slice].plane)?;
    let foot = own.plane.project(at);
    let reach = BEYOND_PIXELS * view.pixel_mm;
    // The innermost piece around the point, else the nearest.
    let holds = own.polygons.iter().enumerate().filter(|(_, piece)| piece.contains(foot));
    let piece = holds
        .min_by(|(_, a), (_, b)| a.area_mm2().total_cmp(&b.area_mm2()))
        .map(|(index, _)| index)
        .or_else(|| nearest_on_outline(&own.polygons, foot, reach).map(|place| place.piece))?;
    let is_free = matches!(cut, Some(Cut::Along(_)));
    let mut points = own.polygons[piece].outer.iter().map(|point| own.plane.lift(*point));
    let (mut low, mut high) = bounds(&mut points)?;
    if !is_free {
        // A contour seen on edge: as high as the slab it stands for.
        let (below, above) = volume.slab_of(slice);
        let mut edges = own.polygons[piece].outer.iter().flat_map(|point| {
            let on = own.plane.lift(*point);
            [on - own.plane.normal() * below, on + own.plane.normal() * above]
        });
        (low, high) = bounds(&mut edges)?;
    }
    Some(Frame { plane: view.plane, low, high, piece: Some((slice, piece)), is_free })
}

/// Whether what a frame stands around may be taken along.
fn may_move(session: &Session, roi: &Roi, frame: &Frame) -> Result<(), String> {
    if let Some((slice, _)) = frame.piece {
        return session
            .may_draw(Some(roi.id), Some(slice))
            .map(|_| ())
            .map_err(|refusal| refusal.to_string());
    }
    may_move_whole(&session.series().volume, roi)
}

/// Whether all contours of a structure can be taken along, so that none stays behind.
pub(super) fn may_move_whole(volume: &Volume, roi: &Roi) -> Result<(), String> {
    let slices: Vec<Option<usize>> = roi.planes.iter().map(|own| volume.slice_of(&own.plane)).collect();
    if slices.iter().flatten().any(|slice| volume.slices[*slice].missing) {
        let name = &roi.name;
        return Err(format!(
            "{name} has a contour on a slice missing from the series; it would stay behind. Move single contours."
        ));
    }
    let off = slices.iter().filter(|slice| slice.is_none()).count();
    if off == 0 && roi.slabs(Some(volume)).len() == roi.planes.len() {
        Ok(())
    } else {
        Err(AlgebraError::OffSlices { roi: roi.name.clone(), count: off.max(1) }.to_string())
    }
}

/// The selected structure with what the frame stands around taken along, and whether a part of it
/// came to lie beyond the images.
fn taken_along(session: &Session, frame: &Frame, motion: &Motion) -> Option<(Canvas, bool)> {
    let roi = session.selected()?;
    let volume = &session.series().volume;
    let base = volume.base_plane()?;
    let mut canvas = Canvas::new(session, roi).tidying(Tidy::Nothing);
    let mut is_cut_off = false;
    if motion.is_none() {
        canvas.refresh();
        return Some((canvas, false));
    }
    if let Some((slice, piece)) = frame.piece {
        // Seen across, only the part of a move within the slice counts.
        let kept = if motion.keeps(&base) {
            motion.clone()
        } else {
            let by = motion.of_point(Point3::origin()).coords;
            Motion::moved(by - base.normal() * base.normal().dot(&by))
        };
        canvas.change(session, slice, |plane, polygons| Some(kept.of_pieces(polygons, plane, &[piece])));
    } else if motion.keeps(&base) {
        for own in &roi.planes {
            if let Some(slice) = volume.slice_of(&own.plane) {
                canvas.change(session, slice, |plane, polygons| Some(motion.of_polygons(polygons, plane)));
            }
        }
    } else {
        let slabs = roi.slabs(Some(volume));
        let (low, high) = motion.extent(&slabs, base.normal())?;
        let reached = slices_between(volume, low, high, 0.0);
        let ends = [volume.slices.first()?, volume.slices.last()?].map(|slice| slice.plane.offset_mm());
        let last = volume.slices.len() - 1;
        is_cut_off =
            low < ends[0] - volume.slab_of(0).0 - 0.1 || high > ends[1] + volume.slab_of(last).1 + 0.1;
        let sections: Vec<_> = reached
            .into_par_iter()
            .map(|slice| {
                let image = &volume.slices[slice].plane;
                let plane = roi.plane_at(image).map_or(*image, |own| own.plane);
                (slice, motion.section(&slabs, &plane))
            })
            .filter(|(_, polygons)| !polygons.is_empty())
            .collect();
        for own in &roi.planes {
            if let Some(slice) = volume.slice_of(&own.plane)
                && !sections.iter().any(|(index, _)| *index == slice)
            {
                canvas.change(session, slice, |_, _| Some(Vec::new()));
            }
        }
        for (slice, polygons) in sections {
            canvas.change(session, slice, |_, _| Some(polygons));
        }
    }
    canvas.refresh();
    Some((canvas, is_cut_off))
}

impl Strokes for TransformTool {
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
        let (roi, _) = region::may_begin(session, view, at).map_err(|refusal| refusal.to_string())?;
        let frame = self.frame.ok_or(NO_FRAME)?;
        may_move(session, roi, &frame)?;
        let grip = frame
            .grip(at, view.pixel_mm)
            .ok_or("Press inside the frame to move, at a corner to scale, a little beyond it to turn.")?;
        let canvas = Canvas::new(session, roi).tidying(Tidy::Nothing);
        Ok(Stroke { frame, grip, from: at, last: at, keys, canvas, is_cut_off: false })
    }

    fn go_on(&self, session: &Session, stroke: &mut Stroke, at: Point3) -> Reaction {
        if at != stroke.last {
            stroke.last = at;
            let motion = stroke.frame.motion(stroke.grip, stroke.from, at, stroke.keys);
            let moved = motion.and_then(|motion| taken_along(session, &stroke.frame, &motion));
            if let Some((canvas, is_cut_off)) = moved {
                stroke.canvas = canvas;
                stroke.is_cut_off = is_cut_off;
            }
        }
        Reaction::default()
    }

    fn finish(&self, session: &Session, mut stroke: Stroke, at: Point3) -> Reaction {
        self.go_on(session, &mut stroke, at);
        if session.selected().is_none() {
            return Reaction::message(&Refusal::NoRoi);
        }
        told(stroke.canvas.into_reaction(stroke.grip.gesture()), stroke.is_cut_off)
    }
}
