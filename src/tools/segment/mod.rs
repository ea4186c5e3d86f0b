//! The semi-automatic tool: a threshold, a line of equal value, scribbles, uptake, what lies
//! between pieces, or an organ that its values tell.
//!
//! What is found is a suggestion, dashed in every view, that follows its settings until it is taken
//! over or dropped; only the line of equal value is taken by the click that shows it. The work has a
//! thread of its own; while it runs, the latest change waits for it.

mod job;
mod settings;

pub use settings::{KeepPieces, Method, Rivals, SegmentSettings, TakeAs, Within};

use self::job::{Done, Job};
use super::work::{Failed, Work};
use super::{Across, Cursor, CursorShape, Reaction, Suggestion, ToolEvent, ViewPlane, region};
use crate::edit::algebra::Region;
use crate::edit::segment::{Histogram, Scribble, Source, ball, histogram, level_line};
use crate::edit::{Sign, same_polygons};
use crate::geometry::Point3;
use crate::patient::{Roi, RoiId, RoiPlane, RoiType, Volume};
use crate::progress::Progress;
use crate::session::Session;
use rayon::prelude::*;
use std::sync::Arc;

/// Bins of the histogram.
const BINS: usize = 256;

/// A gesture under way.
#[derive(Debug, Clone)]
struct Pressed {
    from: Point3,
    sign: Sign,
}

/// What the histogram shows: where, of which slice, of which image and contours.
type HistogramOf = (Within, usize, bool, u64, Option<(Point3, f64)>);

/// Suggests regions from image values.
#[derive(Debug, Default)]
pub struct SegmentTool {
    settings: SegmentSettings,
    second: Option<Arc<Volume>>,
    at: Option<Point3>,
    pressed: Option<Pressed>,
    invert: bool,
    refused: Option<String>,
    ball: Option<(Point3, f64)>,
    scribbles: Vec<Scribble>,
    clicked: Option<Point3>,
    level: Vec<Point3>,
    /// The structure and its revision that the suggestion is for.
    seen: Option<(RoiId, u64)>,
    found: Option<Arc<Region>>,
    suggestion: Option<Suggestion>,
    note: Option<String>,
    body: Option<Arc<Roi>>,
    work: Work<Done>,
    /// Whether what is under way is no longer what is wanted.
    again: bool,
    histogram: Option<(HistogramOf, Histogram)>,
}

impl SegmentTool {
    /// What it looks for.
    #[must_use]
    pub fn settings(&self) -> SegmentSettings {
        self.settings
    }

    /// Changes what it looks for. What is suggested follows; another method drops it.
    pub fn set_settings(&mut self, session: &Session, settings: SegmentSettings) {
        if settings == self.settings {
            return;
        }
        let before = std::mem::replace(&mut self.settings, settings);
        if before.method != settings.method {
            self.cancel();
            return;
        }
        let only_taken = SegmentSettings { take_as: settings.take_as, ..before } == settings;
        if !only_taken {
            self.found = None;
        }
        let live = settings.method == Method::Threshold && settings.range.is_some();
        if live || self.suggestion.is_some() || self.found.is_some() || self.work.progress().is_some() {
            self.run(session);
        }
    }

    /// The second image, in the same frame of reference, whose values can be used. What came of another
    /// one's values is dropped.
    pub fn set_second(&mut self, second: Option<Arc<Volume>>) {
        let same = match (&self.second, &second) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (None, None) => true,
            _ => false,
        };
        if !same {
            if self.settings.second {
                // All of it comes from values that are not looked at any more.
                self.cancel();
                self.histogram = None;
            }
            self.settings.second &= second.is_some();
            self.second = second;
        }
    }

    /// Whether there is a second image.
    #[must_use]
    pub fn has_second(&self) -> bool {
        self.second.is_some()
    }

    /// The image whose values are used.
    #[must_use]
    pub fn image<'a>(&'a self, session: &'a Session) -> &'a Volume {
        let own = &session.series().volume;
        self.second.as_deref().filter(|_| self.settings.second).unwrap_or(own)
    }

    /// Looks for it now: for organs, and after scribbles.
    pub fn find(&mut self, session: &Session) {
        self.found = None;
        self.run(session);
    }

    /// The histogram of what a threshold looks at: of the structure or the ball it is limited to, else
    /// of slice `slice`.
    pub fn histogram(&mut self, session: &Session, slice: usize) -> &Histogram {
        let limit = match self.settings.within {
            Within::Roi(id) => session.roi(id),
            _ => None,
        };
        let placed = self.ball.filter(|_| self.settings.within == Within::Ball);
        let whole = limit.is_some() || placed.is_some();
        let of = (
            self.settings.within,
            if whole { 0 } else { slice },
            self.settings.second && self.second.is_some(),
            limit.map_or(0, |roi| roi.revision),
            placed,
        );
        let known = self.histogram.take().filter(|(key, _)| *key == of);
        let shown = known.unwrap_or_else(|| {
            let volume = &session.series().volume;
            let source = match self.second.as_deref().filter(|_| of.2) {
                Some(second) => Source::of_other(volume, second),
                None => Source::own(volume),
            };
            let region = match (limit, placed) {
                (Some(roi), _) => Region::of_roi(roi, volume).ok(),
                (_, Some((center, radius))) => Some(ball(volume, center, radius)),
                _ => None,
            };
            let slices = if region.is_some() { 0..0 } else { slice..slice + 1 };
            (of, histogram(&source, slices, region.as_ref(), BINS))
        });
        &self.histogram.insert(shown).1
    }

    /// What is suggested.
    #[must_use]
    pub fn suggestion(&self) -> Option<&Suggestion> {
        self.suggestion.as_ref()
    }

    /// The values used, or why nothing was found, for the card.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// How far the work under way is.
    #[must_use]
    pub fn progress(&self) -> Option<&Progress> {
        self.work.progress()
    }

    /// Whether there is something that Esc would drop.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.suggestion.is_some()
            || self.work.progress().is_some()
            || self.ball.is_some()
            || !self.scribbles.is_empty()
    }

    /// Whether a gesture is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.pressed.is_some()
    }

    /// Scribbles, the one under way last.
    #[must_use]
    pub fn scribbles(&self) -> &[Scribble] {
        &self.scribbles
    }

    /// The ball placed: its centre (patient mm) and radius, mm.
    #[must_use]
    pub fn ball(&self) -> Option<(Point3, f64)> {
        self.ball
    }

    /// The closed line of equal value under the pointer, patient mm.
    #[must_use]
    pub fn level(&self) -> &[Point3] {
        &self.level
    }

    /// Drops what was found, scribbled and placed; stops what is under way.
    pub fn cancel(&mut self) {
        self.work.stop();
        *self = Self {
            settings: self.settings,
            second: self.second.take(),
            at: self.at,
            body: self.body.take(),
            histogram: self.histogram.take(),
            ..Self::default()
        };
    }

    /// Takes what was found; follows the structure's contours. Free while nothing has happened.
    pub fn update(&mut self, session: &Session) {
        if let Some(done) = self.work.poll() {
            self.finish(session, done);
        }
        let now = session.selected().map(|roi| (roi.id, roi.revision));
        if self.seen.is_some() && now != self.seen {
            if now.map(|(id, _)| id) == self.seen.map(|(id, _)| id) && self.found.is_some() {
                self.run(session);
            } else if self.work.progress().is_none() || self.found.is_none() {
                self.cancel();
            }
        }
    }

    /// Waits for what is under way; for tests and scripts.
    pub fn settle(&mut self, session: &Session) {
        while let Some(done) = self.work.wait() {
            self.finish(session, done);
        }
    }

    fn run(&mut self, session: &Session) {
        if !self.settings.method.suggests() {
            return;
        }
        let selected = session.selected().map(|roi| roi.id);
        let roi = match session.may_draw(selected, None) {
            Ok(roi) => Arc::clone(roi),
            Err(refusal) => {
                self.suggestion = None;
                self.note = Some(refusal.to_string());
                return;
            }
        };
        self.seen = Some((roi.id, roi.revision));
        // A threshold is quick: what comes first is shown while the next waits. All else stops.
        if self.work.progress().is_some() && self.settings.method == Method::Threshold {
            self.again = true;
            return;
        }
        self.again = false;
        let external =
            session.structures().rois.iter().find(|own| {
                own.roi_type == RoiType::External && !own.is_proposal() && !own.planes.is_empty()
            });
        let job = Job {
            series: Arc::clone(session.series()),
            second: self.second.clone(),
            settings: self.settings,
            limit: match self.settings.within {
                Within::Roi(id) => session.roi(id).cloned(),
                _ => None,
            },
            rivals: self.rivals(session, roi.id),
            body: external.cloned().or_else(|| self.body.clone()),
            ball: self.ball,
            scribbles: self.scribbles.clone(),
            clicked: self.clicked,
            found: self.found.clone(),
            roi,
        };
        if let Err(error) = self.work.start("segment", move |progress| job.run(progress)) {
            self.note = Some(format!("Nothing was looked for: no thread could be started ({error})."));
        }
    }

    /// The structures that what lies between pieces is not to enter, or shares a region out with.
    fn rivals(&self, session: &Session, own: RoiId) -> Vec<Arc<Roi>> {
        let SegmentSettings { method, rivals, within, .. } = self.settings;
        let counts = |roi: &Roi| match rivals {
            _ if method != Method::Pieces || roi.id == own || within == Within::Roi(roi.id) => false,
            Rivals::Nobody => false,
            Rivals::Roi(id) => roi.id == id,
            Rivals::Visible => {
                let by_nature = matches!(roi.roi_type, RoiType::External | RoiType::Support);
                roi.visible && !by_nature && !roi.is_proposal() && !roi.planes.is_empty()
            }
        };
        session.structures().rois.iter().filter(|roi| counts(roi)).cloned().collect()
    }

    fn finish(&mut self, session: &Session, done: Result<Done, Failed>) {
        let Ok(done) = done else {
            self.note = Some("This failed on this image. Try other settings.".to_owned());
            return;
        };
        if done.body.is_some() {
            self.body = done.body;
        }
        let selected = session.selected().filter(|roi| Some((roi.id, roi.revision)) == self.seen);
        let (Some(roi), false) = (selected, done.cancelled) else { return };
        self.note = done.note;
        let fresh = self.found.is_none();
        if self.again {
            // Shown until the next is there, unless the contours have changed since; what was found is
            // not what is wanted any more.
            if done.of == self.seen {
                self.show(session, roi, done.planes);
            }
            self.run(session);
            return;
        }
        self.found = done.region;
        let found_any = self.found.as_ref().is_some_and(|found| !found.is_empty());
        let changes = !done.planes.is_empty();
        if self.found.is_some() && fresh && !changes {
            let range = self.note.take().map_or_else(String::new, |note| format!(" {note}."));
            let why = if found_any { "The structure has all of it already." } else { "Nothing was found." };
            self.note = Some(format!("{why}{range}"));
        }
        self.show(session, roi, done.planes);
    }

    fn show(&mut self, session: &Session, roi: &Roi, planes: Vec<(usize, Arc<RoiPlane>)>) {
        let gesture = self.settings.method.name();
        // Whatever drawing does to others: exclusive ones count always.
        let gated = |(slice, plane): (usize, Arc<RoiPlane>)| {
            let before = roi.plane_at(&plane.plane).map_or(&[][..], |own| &own.polygons);
            let after = session.gated_own(roi, &plane.plane, before, plane.polygons.clone());
            let after = RoiPlane::new(plane.plane, plane.image.clone(), after);
            (!same_polygons(&after.polygons, before)).then(|| (slice, Arc::new(after)))
        };
        let planes: Vec<_> = planes.into_par_iter().filter_map(gated).collect();
        self.suggestion = (!planes.is_empty()).then(|| Suggestion::new(roi, gesture, planes));
    }

    /// The next state and what comes of it.
    pub fn event(&mut self, session: &Session, view: &ViewPlane, event: ToolEvent, slab_mm: f64) -> Reaction {
        match event {
            ToolEvent::Hover(at, keys) => {
                self.at = Some(at);
                self.invert = keys.invert;
                self.hover(session, view, at);
            }
            ToolEvent::Leave => {
                self.at = None;
                self.level.clear();
            }
            ToolEvent::Escape => {
                if self.pressed.take().is_some() {
                    match self.settings.method {
                        Method::Scribbles => drop(self.scribbles.pop()),
                        _ if self.places_ball() => self.ball = None,
                        _ => {}
                    }
                } else {
                    self.cancel();
                }
            }
            ToolEvent::Press(at, keys) => {
                self.at = Some(at);
                self.invert = keys.invert;
                if let Err(refusal) = region::may_begin(session, view, at) {
                    self.refused = Some(refusal.to_string());
                    return Reaction::message(&refusal);
                }
                let sign = if keys.invert { Sign::Cut } else { Sign::Add };
                self.pressed = Some(Pressed { from: at, sign });
                match self.settings.method {
                    Method::Scribbles => self.scribbles.push(Scribble {
                        path: vec![at],
                        radius_mm: self.settings.scribble_mm,
                        belongs: sign == Sign::Add,
                    }),
                    _ if self.places_ball() => self.ball = Some((at, self.settings.ball_mm)),
                    _ => self.hover(session, view, at),
                }
            }
            ToolEvent::Drag(at) => {
                self.at = Some(at);
                if let Some(why) = &self.refused {
                    return Reaction::message(why);
                }
                self.drag(at, view.pixel_mm);
            }
            ToolEvent::Release(at) => {
                self.refused = None;
                if let Some(pressed) = self.pressed.take() {
                    self.drag_ball(pressed.from, at, view.pixel_mm);
                    return self.release(session, view, at, pressed.sign, slab_mm);
                }
            }
        }
        Reaction::default()
    }

    /// Whether a drag places a ball.
    fn places_ball(&self) -> bool {
        let limit = self.settings.method.has_limit() && self.settings.within == Within::Ball;
        limit || self.settings.method == Method::Uptake
    }

    fn hover(&mut self, session: &Session, view: &ViewPlane, at: Point3) {
        self.level.clear();
        if self.settings.method == Method::Level {
            let volume = &session.series().volume;
            let source = match self.second.as_deref().filter(|_| self.settings.second) {
                Some(second) => Source::of_other(volume, second),
                None => Source::own(volume),
            };
            let found = level_line(&source, &view.plane, at);
            let unit = source.image().unit.label();
            self.note = found.as_ref().map(|found| format!("{:.1} {unit}", found.level));
            self.level = found.map(|found| found.line).unwrap_or_default();
        }
    }

    fn drag(&mut self, at: Point3, pixel_mm: f64) {
        let Some(pressed) = self.pressed.clone() else { return };
        if self.settings.method == Method::Scribbles {
            if let Some(scribble) = self.scribbles.last_mut()
                && scribble.path.last().is_none_or(|last| (at - last).norm() > pixel_mm * 0.5)
            {
                scribble.path.push(at);
            }
        } else {
            self.drag_ball(pressed.from, at, pixel_mm);
        }
    }

    /// A drag of more than a few pixels gives the ball its radius.
    fn drag_ball(&mut self, from: Point3, at: Point3, pixel_mm: f64) {
        let radius = (at - from).norm();
        if self.places_ball() && radius > pixel_mm * 4.0 {
            self.ball = Some((from, radius.clamp(1.0, 300.0)));
        }
    }

    fn release(
        &mut self,
        session: &Session,
        view: &ViewPlane,
        at: Point3,
        sign: Sign,
        slab_mm: f64,
    ) -> Reaction {
        match self.settings.method {
            Method::Level => {
                let line = std::mem::take(&mut self.level);
                if line.len() < 3 {
                    return Reaction::message(&"Here the values are all alike: no line runs through.");
                }
                return match region::may_begin(session, view, at) {
                    Ok((_, cut)) => {
                        region::act(session, (view, cut), &line, sign, Across::slab(slab_mm), "Level tracing")
                    }
                    Err(refusal) => Reaction::message(&refusal),
                };
            }
            Method::Scribbles => {
                let kinds = [true, false].map(|kind| self.scribbles.iter().any(|own| own.belongs == kind));
                if kinds == [true, true] {
                    self.find(session);
                } else {
                    let other = if kinds[0] { "beside it with Ctrl" } else { "inside the organ" };
                    self.note = Some(format!("Now scribble {other}."));
                }
            }
            Method::Threshold if self.settings.within != Within::Ball => {
                if self.settings.keep == KeepPieces::Clicked {
                    self.clicked = Some(at);
                    self.find(session);
                }
            }
            Method::Airways => {
                self.clicked = Some(at);
                self.find(session);
            }
            Method::Threshold | Method::Uptake | Method::Pieces | Method::Lungs | Method::Bones => {
                self.find(session);
            }
        }
        Reaction::default()
    }

    /// How the cursor looks now.
    #[must_use]
    pub fn cursor(&self, session: &Session) -> Cursor {
        let roi = session.selected();
        let (Some(at), None) = (self.at, &self.refused) else {
            return match &self.refused {
                Some(why) => Cursor {
                    shape: CursorShape::Forbidden,
                    sign: None,
                    color: None,
                    label: Some(why.clone()),
                },
                None => Cursor::plain(CursorShape::Arrow),
            };
        };
        let shape = match self.settings.method {
            Method::Scribbles => CursorShape::Circle { center: at, radius_mm: self.settings.scribble_mm },
            _ => CursorShape::Cross,
        };
        let signed = matches!(self.settings.method, Method::Level | Method::Scribbles);
        let cuts = if signed {
            self.pressed.as_ref().map_or(self.invert, |pressed| pressed.sign == Sign::Cut)
        } else {
            self.settings.take_as == TakeAs::Cut
        };
        Cursor {
            shape,
            sign: Some(if cuts { Sign::Cut } else { Sign::Add }),
            color: roi.map(|roi| roi.color),
            label: match (self.settings.method, &self.note) {
                (Method::Level, Some(level)) => Some(level.clone()),
                _ => roi.map(|roi| roi.name.clone()),
            },
        }
    }

    /// What the person can do now.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        if self.suggestion.is_some() {
            return "A takes this slice, Shift A all; X drops it";
        }
        match self.settings.method {
            Method::Threshold if self.settings.within == Within::Ball => {
                "Drag from its middle to place the ball"
            }
            Method::Threshold if self.settings.keep == KeepPieces::Clicked => {
                "Click the piece that is to be kept"
            }
            Method::Threshold => "Set the range on the histogram; what lies in it is suggested",
            Method::Level => "Click takes the line of equal value under the pointer; Ctrl cuts",
            Method::Scribbles => "Scribble inside the organ, and beside it with Ctrl",
            Method::Uptake => "Drag from the middle of the uptake to place a ball around it",
            Method::Airways => "Click into the trachea, or let it be found",
            Method::Pieces if self.settings.within == Within::Ball => {
                "Drag from its middle to place the ball"
            }
            Method::Pieces => "Click, or Find, to see what lies between the structure's pieces",
            Method::Lungs | Method::Bones => "Click to look for it",
        }
    }
}
