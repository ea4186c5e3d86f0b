//! Region growing from a click: what grew is a suggestion, shown dashed, that can be tuned before
//! it is taken over. A large organ takes longer than a frame, so growing has a thread of its own;
//! what is asked for meanwhile takes its place.

use super::hint::{self, Hint};
use super::work::Work;
use super::{Cursor, CursorShape, Reaction, Suggestion, ToolEvent, ViewPlane, region};
use crate::edit::algebra::Region;
use crate::edit::{GrowRange, Grown, Growth, Sign, grow, paint, reoriented};
use crate::geometry::Point3;
use crate::patient::{RoiId, RoiPlane};
use crate::progress::Progress;
use crate::session::Session;
use std::sync::Arc;

/// Grows from a click.
#[derive(Debug)]
pub struct GrowTool {
    growth: Growth,
    /// The structure that growing keeps to.
    within: Option<RoiId>,
    at: Option<Point3>,
    pressed: bool,
    refused: Option<String>,
    /// Where it grew from, for which ROI and revision.
    seed: Option<(Point3, RoiId, u64)>,
    suggestion: Option<Suggestion>,
    note: Option<String>,
    work: Work<Result<Grown, String>>,
}

impl Default for GrowTool {
    fn default() -> Self {
        let range = GrowRange::Similar { tolerance: 3.0 };
        Self {
            growth: Growth { range, reach_mm: 60.0, neck_mm: 4.0 },
            within: None,
            at: None,
            pressed: false,
            refused: None,
            seed: None,
            suggestion: None,
            note: None,
            work: Work::default(),
        }
    }
}

impl GrowTool {
    /// What belongs and what holds growing back.
    #[must_use]
    pub fn growth(&self) -> Growth {
        self.growth
    }

    /// Sets what belongs and what holds growing back; what is suggested follows.
    pub fn set_growth(&mut self, session: &Session, growth: Growth) {
        if growth != self.growth {
            self.growth = growth;
            if let Some((seed, ..)) = self.seed {
                self.run(session, seed);
            }
        }
    }

    /// The structure that growing keeps to; `None` in the whole image.
    #[must_use]
    pub fn within(&self) -> Option<RoiId> {
        self.within
    }

    /// Keeps growing to a structure; what is suggested follows.
    pub fn set_within(&mut self, session: &Session, within: Option<RoiId>) {
        if within != self.within {
            self.within = within;
            if let Some((seed, ..)) = self.seed {
                self.run(session, seed);
            }
        }
    }

    /// Sets what belongs and what holds growing back before anything has grown; what cannot be is not
    /// taken.
    pub fn restore_growth(&mut self, growth: Growth) {
        let fits = (5.0..=150.0).contains(&growth.reach_mm) && (0.0..=30.0).contains(&growth.neck_mm);
        if fits && super::options::is_sound_range(growth.range) {
            self.growth = growth;
        }
    }

    /// What grew.
    #[must_use]
    pub fn suggestion(&self) -> Option<&Suggestion> {
        self.suggestion.as_ref()
    }

    /// The values used, or why nothing grew, for the strip.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Drops what grew; stops what is growing.
    pub fn cancel(&mut self) {
        self.work.stop();
        *self = Self { growth: self.growth, within: self.within, at: self.at, ..Self::default() };
    }

    /// How far growing is; `None` when nothing grows.
    #[must_use]
    pub fn progress(&self) -> Option<&Progress> {
        self.work.progress()
    }

    /// Waits for what is growing; for tests and scripts.
    pub fn settle(&mut self, session: &Session) {
        if let Some(grown) = self.work.wait() {
            self.finish(session, grown.ok());
        }
    }

    /// Takes what has grown; drops it for another structure, or for contours that have changed
    /// since. Free while nothing has happened.
    pub fn update(&mut self, session: &Session) {
        if let Some(grown) = self.work.poll() {
            self.finish(session, grown.ok());
        }
        let now = session.selected().map(|roi| (roi.id, roi.revision));
        if self.seed.is_some_and(|(_, roi, revision)| now != Some((roi, revision))) {
            self.cancel();
        }
    }

    /// The next state and what comes of it.
    pub fn event(&mut self, session: &Session, view: &ViewPlane, event: ToolEvent) -> Reaction {
        match event {
            ToolEvent::Hover(at, _) => self.at = Some(at),
            ToolEvent::Leave => self.at = None,
            ToolEvent::Escape => self.cancel(),
            ToolEvent::Drag(at) => {
                self.at = Some(at);
                if let Some(why) = &self.refused {
                    return Reaction::message(why);
                }
            }
            ToolEvent::Press(at, _) => {
                self.at = Some(at);
                match region::may_begin(session, view, at) {
                    Ok(_) => self.pressed = true,
                    Err(refusal) => {
                        self.refused = Some(refusal.to_string());
                        return Reaction::message(&refusal);
                    }
                }
            }
            ToolEvent::Release(at) => {
                self.refused = None;
                if std::mem::take(&mut self.pressed) {
                    self.run(session, at);
                }
            }
        }
        Reaction::default()
    }

    fn run(&mut self, session: &Session, seed: Point3) {
        let Some(roi) = session.selected() else { return };
        self.seed = Some((seed, roi.id, roi.revision));
        let limit = match self.within.map(|id| session.roi(id).cloned()) {
            Some(None) => {
                self.work.stop();
                self.suggestion = None;
                self.note =
                    Some("Nothing grew: the structure to stay in is gone. Choose another.".to_owned());
                return;
            }
            limit => limit.flatten(),
        };
        let (volume, growth) = (Arc::clone(&session.series().volume), self.growth);
        let work = move |progress: &Progress| {
            let sentence = |why: String| format!("Nothing grew. {why}");
            let limit = limit.map(|roi| Region::of_roi(&roi, &volume)).transpose();
            let limit = limit.map_err(|error| sentence(error.to_string()))?;
            grow(&volume, seed, &growth, limit.as_ref(), progress).map_err(|stop| sentence(stop.to_string()))
        };
        match self.work.start("grow", work) {
            Ok(()) => self.note = Some("Growing".to_owned()),
            Err(error) => self.note = Some(format!("Nothing grew: no thread could be started ({error}).")),
        }
    }

    fn finish(&mut self, session: &Session, grown: Option<Result<Grown, String>>) {
        let Some((_, id, revision)) = self.seed else { return };
        let Some(roi) = session.selected().filter(|roi| (roi.id, roi.revision) == (id, revision)) else {
            return;
        };
        let failed = || Err("Growing failed on this image. Try another place or range.".to_owned());
        let grown = match grown.unwrap_or_else(failed) {
            Ok(grown) => grown,
            Err(why) => {
                self.suggestion = None;
                self.note = Some(why);
                return;
            }
        };
        let volume = &session.series().volume;
        let unit = volume.unit;
        self.note = grown.range.map(|range| {
            if range.high < 1e6 {
                format!("{} to {}", unit.number(range.low), unit.text(range.high))
            } else {
                format!("{} and above", unit.text(range.low))
            }
        });
        let planes: Vec<_> = grown
            .slices
            .into_iter()
            .filter_map(|(slice, contours)| {
                let image = &volume.slices[slice];
                let own = roi.plane_at(&image.plane);
                let plane = own.map_or(image.plane, |own| own.plane);
                let contours = reoriented(&contours, &image.plane, &plane);
                let before = own.map_or(&[][..], |own| &own.polygons);
                let after = session.gated_own(roi, &plane, before, paint(before, &contours, Sign::Add));
                let after = RoiPlane::new(plane, image.instance.clone(), after);
                let changed = !crate::edit::same_polygons(&after.polygons, before);
                changed.then(|| (slice, Arc::new(after)))
            })
            .collect();
        if planes.is_empty() {
            let range = self.note.take().map_or_else(String::new, |range| format!(" ({range})"));
            let place = if self.within.is_some() { " and the structure to stay in" } else { "" };
            self.note = Some(format!("Nothing new grows from here{range}. Click inside the organ{place}."));
        }
        self.suggestion = (!planes.is_empty()).then(|| Suggestion::new(roi, "Grow", planes));
    }

    /// How the cursor looks now.
    #[must_use]
    pub fn cursor(&self, session: &Session) -> Cursor {
        let roi = session.selected();
        match (&self.refused, self.at) {
            (Some(why), _) => {
                Cursor { shape: CursorShape::Forbidden, sign: None, color: None, label: Some(why.clone()) }
            }
            (None, None) => Cursor::plain(CursorShape::Arrow),
            (None, Some(_)) => Cursor {
                shape: CursorShape::Cross,
                sign: Some(Sign::Add),
                color: roi.map(|roi| roi.color),
                label: roi.map(|roi| roi.name.clone()),
            },
        }
    }

    /// What the person can do now.
    #[must_use]
    pub fn hint(&self) -> Hint {
        if self.suggestion.is_some() {
            Hint { text: "Click elsewhere to grow from there", keys: hint::TAKE_OR_DROP }
        } else {
            "Click inside the organ: what is alike and hangs together is suggested".into()
        }
    }
}
