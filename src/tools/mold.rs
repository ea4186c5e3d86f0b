//! Push and smooth: round tools that move the outline instead of painting over it. In every
//! view the tool is a ball, so that neighbouring slices follow; in a view that shows a slice it can be
//! kept to that one. Views across the slices push in space: ends grow onto further slices too; and
//! smooth in space: from slice to slice too.
//!
//! A soft push carries the outline along with what lies under the tool. A firm one is a pearl: begun
//! inside it pushes the outline out of its circle, begun outside into the structure, and none of it
//! stays within the circle.

use super::canvas::{Canvas, Cut, cuts_across, roi_contains, slices_between};
use super::gesture::{Hand, Strokes};
use super::hint::{self, Hint};
use super::{Cursor, CursorShape, Modifiers, Preview, Reaction, ToolEvent, ViewPlane, region};
use crate::edit::{
    Level, RoundTool, Sign, SolidPush, paint_ball, paint_disc, pushed, smoothed_in_space, smoothed_under,
};
use crate::geometry::{Plane, Point2, Point3, Polygon, Vector3};
use crate::patient::RoiId;
use crate::session::Session;

/// Which soft tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MoldKind {
    /// Drags the outline along.
    #[default]
    Push,
    /// Takes wrinkles out.
    Smooth,
}

#[derive(Debug)]
pub(super) struct Stroke {
    cut: Cut,
    last: Point3,
    /// The soft push in space, in views across the slices.
    push: Option<SolidPush>,
    /// A firm push: out of the structure adds to it, into it cuts.
    firm: Option<Sign>,
    canvas: Canvas,
}

/// Push and smooth.
#[derive(Debug, Default)]
pub struct MoldTool {
    kind: MoldKind,
    flat: bool,
    firm: bool,
    radius_mm: f64,
    /// Whether the pointer is in a view across the slices.
    across: bool,
    hand: Hand<Stroke>,
}

impl MoldTool {
    pub(super) fn set_kind(&mut self, kind: MoldKind) {
        self.kind = kind;
    }

    /// Whether it keeps to the slice shown (a disc) where the view shows one.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.flat
    }

    /// Keeps it to the slice shown, or lets the neighbouring slices follow.
    pub fn set_flat(&mut self, flat: bool) {
        self.flat = flat;
    }

    /// Whether a push leaves nothing of the outline within its circle.
    #[must_use]
    pub fn is_firm(&self) -> bool {
        self.firm
    }

    /// Lets a push leave nothing of the outline within its circle, or carry the outline along softly.
    pub fn set_firm(&mut self, firm: bool) {
        self.firm = firm;
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

    /// The next state and what comes of it; the tool has the brush's radius.
    pub fn event(
        &mut self,
        session: &Session,
        view: &ViewPlane,
        event: ToolEvent,
        radius_mm: f64,
    ) -> Reaction {
        self.radius_mm = radius_mm;
        self.across = cuts_across(&session.series().volume, view);
        let hand = std::mem::take(&mut self.hand);
        let (hand, reaction) = hand.event(self, session, view, event);
        self.hand = hand;
        reaction
    }

    fn sweep(&self, session: &Session, stroke: &mut Stroke, at: Point3) {
        match (self.kind, stroke.firm) {
            (MoldKind::Smooth, _) => {
                // A fast hand leaves no gaps.
                let way = at - stroke.last;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
                let count = (way.norm() / (self.radius_mm * 0.5)).ceil().clamp(1.0, 12.0) as u32;
                for step in 1..=count {
                    let center = stroke.last + way * (f64::from(step) / f64::from(count));
                    self.smooth(session, stroke, center);
                }
            }
            (MoldKind::Push, Some(sign)) => self.push_firmly(session, stroke, at, sign),
            (MoldKind::Push, None) => self.push(session, stroke, at),
        }
        stroke.last = at;
        stroke.canvas.end_event(session);
    }

    /// The slices that a tool on its way reaches.
    fn slices(&self, session: &Session, cut: Cut, way: [Point3; 2]) -> std::ops::Range<usize> {
        let volume = &session.series().volume;
        let Some(base) = volume.base_plane() else { return 0..0 };
        let [from, to] = way.map(|point| base.normal().dot(&point.coords));
        match cut {
            Cut::Along(slice) if self.flat => slice..slice + 1,
            _ => slices_between(volume, from, to, self.radius_mm),
        }
    }

    /// The way from a view's plane to the slice shown, which may lie a little off it.
    fn onto(session: &Session, cut: Cut, at: Point3) -> Vector3 {
        let volume = &session.series().volume;
        match (cut, volume.base_plane()) {
            (Cut::Along(slice), Some(base)) => {
                base.normal() * (volume.slices[slice].plane.offset_mm() - base.normal().dot(&at.coords))
            }
            _ => Vector3::zeros(),
        }
    }

    /// The tool with its centre at a point (patient mm), as a slice's contours meet it.
    fn on(&self, plane: &Plane, center: Point3) -> RoundTool {
        RoundTool {
            center: plane.project(center),
            height_mm: plane.distance_mm(center),
            radius_mm: self.radius_mm,
        }
    }

    fn push(&self, session: &Session, stroke: &mut Stroke, at: Point3) {
        let (radius_mm, volume) = (self.radius_mm, &session.series().volume);
        if let Some(push) = &mut stroke.push {
            // The structure is as it was when the stroke began: the push is worked out from there.
            let Some(roi) = session.roi(stroke.canvas.based_on().0) else { return };
            push.go_on(volume, stroke.last, at, radius_mm);
            for (slice, polygons) in push.contours(roi, volume) {
                stroke.canvas.change(session, slice, |_, _| Some(polygons));
            }
            return;
        }
        let (from, by) = (stroke.last, at - stroke.last);
        if by == Vector3::zeros() {
            return;
        }
        let center = from + Self::onto(session, stroke.cut, from);
        for slice in self.slices(session, stroke.cut, [from, at]) {
            stroke.canvas.change(session, slice, |plane, polygons| {
                Some(pushed(polygons, self.on(plane, center), plane.project(Point3::from(by)).coords))
            });
        }
    }

    /// The ball on its way leaves nothing of the outline within it.
    fn push_firmly(&self, session: &Session, stroke: &mut Stroke, at: Point3, sign: Sign) {
        let radius_mm = self.radius_mm;
        let onto = Self::onto(session, stroke.cut, at);
        let way = [stroke.last + onto, at + onto];
        let way = if stroke.last == at { &way[..1] } else { &way[..] };
        let cut = stroke.cut;
        for slice in self.slices(session, cut, [stroke.last, at]) {
            stroke.canvas.change(session, slice, |plane, polygons| {
                let after = match cut {
                    Cut::Along(_) if self.flat => {
                        let way: Vec<Point2> = way.iter().map(|point| plane.project(*point)).collect();
                        paint_disc(polygons, &way, radius_mm, sign)
                    }
                    _ => paint_ball(polygons, plane, way, radius_mm, sign),
                };
                // An outline is pushed; where none is, and nobody sees it, none is made.
                let is_new = matches!(cut, Cut::Along(_)) && after.len() > polygons.len();
                (sign == Sign::Cut || !is_new).then_some(after)
            });
        }
    }

    fn smooth(&self, session: &Session, stroke: &mut Stroke, at: Point3) {
        let radius_mm = self.radius_mm;
        if let Cut::Along(_) = stroke.cut {
            let center = at + Self::onto(session, stroke.cut, at);
            for slice in self.slices(session, stroke.cut, [at, at]) {
                stroke.canvas.change(session, slice, |plane, polygons| {
                    Some(smoothed_under(polygons, self.on(plane, center)))
                });
            }
            return;
        }
        let volume = &session.series().volume;
        let reached = self.slices(session, stroke.cut, [at, at]);
        // Two more on either side have a say in what becomes of the outermost.
        let slices = reached.start.saturating_sub(2)..(reached.end + 2).min(volume.slices.len());
        let level = |slice: usize| match stroke.canvas.now(session, slice) {
            Some(own) => Level { plane: own.plane, polygons: &own.polygons },
            None => Level { plane: volume.slices[slice].plane, polygons: &[] },
        };
        let levels: Vec<Level<'_>> = slices.clone().map(level).collect();
        let smooth: Vec<Vec<Polygon>> = smoothed_in_space(&levels, at, radius_mm);
        for (slice, polygons) in slices.zip(smooth).filter(|(slice, _)| reached.contains(slice)) {
            stroke.canvas.change(session, slice, |_, _| Some(polygons));
        }
    }

    /// How the cursor looks now; `radius_mm` is the brush's.
    #[must_use]
    pub fn cursor(&self, session: &Session, radius_mm: f64) -> Cursor {
        let roi = session.selected();
        let color = roi.map(|roi| roi.color);
        let name = roi.map(|roi| roi.name.clone());
        let circle = |center| CursorShape::Circle { center, radius_mm };
        match &self.hand {
            Hand::Working(stroke) => Cursor { shape: circle(stroke.last), sign: None, color, label: name },
            Hand::Hovering(at, _) => {
                let inside = roi.is_some_and(|roi| roi_contains(&session.series().volume, roi, *at));
                let what = match (self.kind, inside) {
                    (MoldKind::Smooth, _) => "smooth",
                    (MoldKind::Push, true) => "push out",
                    (MoldKind::Push, false) => "push in",
                };
                let label = name.map(|name| format!("{name}: {what}"));
                Cursor { shape: circle(*at), sign: None, color, label }
            }
            other => other.plain_cursor().unwrap_or_else(|| Cursor::plain(CursorShape::Arrow)),
        }
    }

    /// What the person can do now.
    #[must_use]
    pub fn hint(&self) -> Hint {
        match (&self.hand, self.kind) {
            (Hand::Working(_), _) => "Release to keep the change, Esc to drop it".into(),
            (Hand::Refused(_), _) => Hint::default(),
            (_, MoldKind::Push) if self.firm => Hint {
                text: "Drag from inside to push the outline out of the circle, from outside to push it in",
                keys: hint::SIZE,
            },
            (_, MoldKind::Push) if self.across && self.flat => {
                "A ball in this view: drag to push the outline along, to further slices too".into()
            }
            (_, MoldKind::Push) => Hint { text: "Drag to push the outline along", keys: hint::SIZE },
            (_, MoldKind::Smooth) if self.across => Hint {
                text: "Drag along the outline to smooth it, from slice to slice too",
                keys: hint::SIZE,
            },
            (_, MoldKind::Smooth) => Hint { text: "Drag along the outline to smooth it", keys: hint::SIZE },
        }
    }
}

impl Strokes for MoldTool {
    type Stroke = Stroke;

    fn began_on(stroke: &Stroke) -> (RoiId, u64) {
        stroke.canvas.based_on()
    }

    fn begin(&self, session: &Session, view: &ViewPlane, at: Point3, _: Modifiers) -> Result<Stroke, String> {
        let (roi, cut) = region::may_begin(session, view, at).map_err(|refusal| refusal.to_string())?;
        let canvas = Canvas::new(session, roi);
        let in_space = self.kind == MoldKind::Push && cut == Cut::Across && !self.firm;
        let push = in_space.then(|| SolidPush::new(self.radius_mm, canvas.pixel_mm()));
        let is_inside = roi_contains(&session.series().volume, roi, at);
        let firm = (self.kind == MoldKind::Push && self.firm).then_some(if is_inside {
            Sign::Add
        } else {
            Sign::Cut
        });
        Ok(Stroke { cut, last: at, push, firm, canvas })
    }

    fn go_on(&self, session: &Session, stroke: &mut Stroke, at: Point3) -> Reaction {
        self.sweep(session, stroke, at);
        Reaction::default()
    }

    fn finish(&self, session: &Session, mut stroke: Stroke, at: Point3) -> Reaction {
        if at != stroke.last {
            self.sweep(session, &mut stroke, at);
        }
        let gesture = if self.kind == MoldKind::Push { "Push" } else { "Smooth" };
        stroke.canvas.into_reaction(gesture)
    }
}
