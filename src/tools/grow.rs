//! Region growing from a click: what grew is a suggestion, shown dashed, that can be tuned before
//! it is taken over. A large organ takes longer than a frame, so growing has a thread of its own;
//! what is asked for meanwhile takes its place.

use super::hint::{self, Hint};
use super::second::{Second, has_the_uptake};
use super::suggestion::Offer;
use super::work::Work;
use super::{Cursor, CursorShape, GrowBy, Reaction, Suggestion, ToolEvent, ViewPlane, region};
use crate::edit::algebra::Region;
use crate::edit::segment::Source;
use crate::edit::{GrowRange, Grown, Growth, Sign, ValueRange, grow, paint, reoriented};
use crate::geometry::{Point3, Polygon};
use crate::patient::{Roi, RoiId, RoiPlane, Volume};
use crate::progress::Progress;
use crate::session::Session;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whether what belongs and what holds growing back can be set.
fn is_sound(growth: &Growth) -> bool {
    (5.0..=150.0).contains(&growth.reach_mm)
        && (0.0..=30.0).contains(&growth.neck_mm)
        && super::options::is_sound_range(growth.range)
}

/// What grew.
#[derive(Debug)]
struct Found {
    /// Its contours, in the coordinates of the images' slices.
    slices: Vec<(usize, Vec<Polygon>)>,
    /// The values used, for the strip.
    range: Option<String>,
}

/// Grows from a click.
#[derive(Debug)]
pub struct GrowTool {
    growth: Growth,
    /// The numbers of each kind of what belongs as they were when it was last chosen, by the kind's name.
    kinds: BTreeMap<String, Growth>,
    /// The structure that growing keeps to.
    within: Option<RoiId>,
    /// Whether the values of a second image count.
    pub(super) second: Second,
    /// Whether the values of a second image count because a part of the greatest was chosen.
    brought_second: bool,
    at: Option<Point3>,
    pressed: bool,
    refused: Option<String>,
    /// Where it grew from, for which ROI and revision.
    seed: Option<(Point3, RoiId, u64)>,
    /// How many steps were done at the click.
    begun_at: usize,
    /// What grew, as long as it is suggested or comes back when what was taken over is undone.
    found: Option<Found>,
    offer: Offer,
    note: Option<String>,
    work: Work<Result<Grown, String>>,
}

impl Default for GrowTool {
    fn default() -> Self {
        let range = GrowRange::Similar { tolerance: 3.0 };
        Self {
            growth: Growth { range, reach_mm: 60.0, neck_mm: 4.0 },
            kinds: BTreeMap::new(),
            within: None,
            second: Second::default(),
            brought_second: false,
            at: None,
            pressed: false,
            refused: None,
            seed: None,
            begun_at: 0,
            found: None,
            offer: Offer::default(),
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
            self.keep_kind();
            self.growth = growth;
            self.grow_again(session);
        }
    }

    fn keep_kind(&mut self) {
        self.kinds.insert(GrowBy::of(self.growth.range).key().to_owned(), self.growth);
    }

    /// Goes by something else, with the numbers that this had when it was last chosen; a range that is new is
    /// `shown`. What is suggested follows.
    pub(super) fn choose(&mut self, session: &Session, by: GrowBy, shown: ValueRange) {
        self.look_for_uptake(session, by);
        let known = self.kinds.get(by.key()).copied();
        let range = match by {
            GrowBy::Alike => GrowRange::Similar { tolerance: 3.0 },
            GrowBy::Range => GrowRange::Fixed(shown),
            GrowBy::PartOfMaximum => GrowRange::PartOfMaximum(0.41),
        };
        self.set_growth(session, known.unwrap_or(Growth { range, ..self.growth }));
    }

    /// The numbers of each kind of what belongs, as they were when it was last chosen, by the kind's name.
    pub(super) fn kinds(&self) -> &BTreeMap<String, Growth> {
        &self.kinds
    }

    /// Sets them; what cannot be is not taken.
    pub(super) fn set_kinds(&mut self, kinds: BTreeMap<String, Growth>) {
        let fits =
            |(key, growth): &(String, Growth)| is_sound(growth) && GrowBy::of(growth.range).key() == key;
        self.kinds = kinds.into_iter().filter(fits).collect();
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
            self.grow_again(session);
        }
    }

    /// The second image, in the same frame of reference, whose values can count. What came of another one's
    /// values, or is not looked for in these any more, is dropped.
    pub(super) fn set_second(&mut self, session: &Session, second: Option<&Arc<Volume>>) {
        if !self.second.set_image(second) {
            return;
        }
        let counted = self.second.is_wanted();
        self.look_for_uptake(session, GrowBy::of(self.growth.range));
        if counted || self.second.is_wanted() {
            self.cancel();
        }
    }

    /// A part of the greatest value is one of uptake, where the second image alone has any; with other kinds
    /// the values are those that were wanted.
    fn look_for_uptake(&mut self, session: &Session, by: GrowBy) {
        if std::mem::take(&mut self.brought_second) {
            self.second.want(false);
        }
        if by == GrowBy::PartOfMaximum && has_the_uptake(&session.series().volume, self.second.image()) {
            self.brought_second = self.second.want(true);
        }
    }

    /// Whether the values of a second image are wanted, whatever grows.
    pub(super) fn wants_second(&self) -> bool {
        self.second.is_wanted() && !self.brought_second
    }

    /// Sets that before anything has grown.
    pub(super) fn restore_second(&mut self, wanted: bool) {
        self.second.want(wanted);
    }

    /// Has what grew follow a change.
    pub(super) fn grow_again(&mut self, session: &Session) {
        if let Some((seed, ..)) = self.seed {
            self.run(session, seed);
        }
    }

    /// Sets what belongs and what holds growing back before anything has grown; what cannot be is not
    /// taken.
    pub fn restore_growth(&mut self, growth: Growth) {
        if is_sound(&growth) {
            self.growth = growth;
        }
    }

    /// What grew.
    #[must_use]
    pub fn suggestion(&self) -> Option<&Suggestion> {
        self.offer.suggestion()
    }

    /// The values used, or why nothing grew, for the strip.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Drops what grew; stops what is growing.
    pub fn cancel(&mut self) {
        self.work.stop();
        *self = Self {
            growth: self.growth,
            kinds: std::mem::take(&mut self.kinds),
            within: self.within,
            second: std::mem::take(&mut self.second),
            brought_second: self.brought_second,
            at: self.at,
            ..Self::default()
        };
    }

    /// How far growing is; `None` when nothing grows.
    #[must_use]
    pub fn progress(&self) -> Option<&Progress> {
        self.work.progress()
    }

    /// Whether anything grew and is suggested, or grows.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.offer.suggestion().is_some() || self.work.progress().is_some()
    }

    /// How many steps were done at the click that it grew from; `None` when there is nothing to drop.
    pub(super) fn begun_at(&self) -> Option<usize> {
        self.is_active().then_some(self.begun_at)
    }

    /// Waits for what is growing; for tests and scripts.
    pub fn settle(&mut self, session: &Session) {
        if let Some(grown) = self.work.wait() {
            self.finish(session, grown.ok());
        }
    }

    /// Takes what has grown, and follows the structure's contours: what was taken over is suggested no
    /// more, the rest is. Drops it for another structure. Free while nothing has happened.
    pub fn update(&mut self, session: &Session) {
        if let Some(grown) = self.work.poll() {
            self.finish(session, grown.ok());
        }
        let Some((_, id, revision)) = &mut self.seed else { return };
        match session.selected().filter(|roi| roi.id == *id) {
            Some(roi) if roi.revision == *revision => {
                self.offer.follow_gate(session, roi);
            }
            Some(roi) => {
                *revision = roi.revision;
                self.show(session, roi);
            }
            None => self.cancel(),
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
                    self.begun_at = session.history().done();
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
                self.found = None;
                self.offer.clear();
                self.note =
                    Some("Nothing grew: the structure to stay in is gone. Choose another.".to_owned());
                return;
            }
            limit => limit.flatten(),
        };
        let (volume, second) = (Arc::clone(&session.series().volume), self.second.used().map(Arc::clone));
        let mut growth = self.growth;
        if let GrowRange::Fixed(range) = &mut growth.range {
            *range = self.second.range_or(*range);
        }
        let work = move |progress: &Progress| {
            let sentence = |why: String| format!("Nothing grew. {why}");
            let limit = limit.map(|roi| Region::of_roi(&roi, &volume)).transpose();
            let limit = limit.map_err(|error| sentence(error.to_string()))?;
            let source = match second.as_deref() {
                Some(second) => Source::of_other(&volume, second),
                None => Source::own(&volume),
            };
            grow(&source, seed, &growth, limit.as_ref(), progress).map_err(|stop| sentence(stop.to_string()))
        };
        match self.work.start("grow", work) {
            Ok(()) => self.note = Some("Growing".to_owned()),
            Err(error) => self.note = Some(format!("Nothing grew: no thread could be started ({error}).")),
        }
    }

    fn finish(&mut self, session: &Session, grown: Option<Result<Grown, String>>) {
        let Some((_, id, revision)) = &mut self.seed else { return };
        let Some(roi) = session.selected().filter(|roi| roi.id == *id) else { return };
        *revision = roi.revision;
        let failed = || Err("Growing failed on this image. Try another place or range.".to_owned());
        let grown = match grown.unwrap_or_else(failed) {
            Ok(grown) => grown,
            Err(why) => {
                self.found = None;
                self.offer.clear();
                self.note = Some(why);
                return;
            }
        };
        let unit = self.second.source(&session.series().volume).image().unit;
        let range = grown.range.map(|range| {
            if range.high < 1e6 {
                format!("{} to {}", unit.number(range.low), unit.text(range.high))
            } else {
                format!("{} and above", unit.text(range.low))
            }
        });
        self.found = Some(Found { slices: grown.slices, range });
        self.show(session, roi);
        if self.offer.suggestion().is_none() && session.may_draw(Some(roi.id), None).is_ok() {
            let range = self.note.take().map_or_else(String::new, |range| format!(" ({range})"));
            let place = if self.within.is_some() { " and the structure to stay in" } else { "" };
            self.note = Some(format!("Nothing new grows from here{range}. Click inside the organ{place}."));
        }
    }

    /// Suggests what grew and the structure does not have, as whatever drawing does to others leaves it.
    fn show(&mut self, session: &Session, roi: &Roi) {
        self.offer.clear();
        let Some(found) = &self.found else { return };
        if let Err(refusal) = session.may_draw(Some(roi.id), None) {
            self.note = Some(refusal.to_string());
            return;
        }
        self.note.clone_from(&found.range);
        let volume = &session.series().volume;
        let joined = |(slice, contours): &(usize, Vec<Polygon>)| {
            let image = &volume.slices[*slice];
            let own = roi.plane_at(&image.plane);
            let plane = own.map_or(image.plane, |own| own.plane);
            // On the lattice before it is joined: what was taken over is found again as it is.
            let grown = RoiPlane::new(plane, None, reoriented(contours, &image.plane, &plane)).polygons;
            let before = own.map_or(&[][..], |own| &own.polygons);
            let joined = if before.is_empty() { grown } else { paint(before, &grown, Sign::Add) };
            (*slice, Arc::new(RoiPlane::new(plane, image.instance.clone(), joined)))
        };
        self.offer.put(session, roi, "Grow", found.slices.par_iter().map(joined).collect());
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
        if self.offer.suggestion().is_some() {
            Hint { text: "Click elsewhere to grow from there", keys: hint::TAKE_OR_DROP }
        } else {
            "Click inside the organ: what is alike and hangs together is suggested".into()
        }
    }
}
