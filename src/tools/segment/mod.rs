//! The semi-automatic tool: a threshold, a line of equal value, scribbles, uptake, a dose level, what
//! lies between pieces, the body, or an organ that its values tell.
//!
//! What is found is a suggestion, dashed in every view, that follows its settings until it is taken
//! over or dropped; only the line of equal value is taken by the click that shows it. The work has a
//! thread of its own; while it runs, the latest change waits for it.

mod choices;
mod hand;
mod job;
mod place;
mod settings;

pub use choices::{DoseAs, Place, UptakeAt};
pub use place::{on_slices, slices_of};
pub use settings::{KeepPieces, Method, Rivals, SegmentSettings, SetBefore, TakeAs, Within};

use self::job::{Done, Job};
use self::place::{BoxDrag, BoxGrip};
use self::settings::Placed;
use super::second::has_the_uptake;
use super::suggestion::Offer;
use super::work::{Failed, Work};
use super::{Choice, Modifiers, Suggestion};
use crate::edit::algebra::Region;
use crate::edit::segment::{Histogram, Scribble, SearchArea, Source, histogram, isodose_name};
use crate::edit::{Sign, ValueRange};
use crate::geometry::{OrientedBox, Point3};
use crate::patient::{Dose, Roi, RoiId, RoiPlane, RoiType, Volume};
use crate::progress::Progress;
use crate::session::Session;
use std::sync::Arc;

/// Bins of the histogram.
const BINS: usize = 256;

/// A gesture under way.
#[derive(Debug, Clone)]
struct Pressed {
    from: Point3,
    sign: Sign,
    /// What a drag places.
    places: Option<Placed>,
    /// Where the drag places a box.
    boxed: Option<BoxDrag>,
    /// Where was looked before.
    before: Option<SearchArea>,
}

/// What the histogram shows: where, of which slice, of which image and contours.
type HistogramOf = (Within, usize, bool, u64, Option<SearchArea>);

/// Suggests regions from image values.
#[derive(Debug, Default)]
pub struct SegmentTool {
    settings: SegmentSettings,
    second: Option<Arc<Volume>>,
    /// Whether uptake was looked for in the second image when it last was; `None` until that was left to
    /// another method, with each second image anew.
    uptake_in_second: Option<bool>,
    /// Whether values are those of the second image with the other methods, while uptake is looked for.
    second_else: bool,
    /// The range of values of the other one of the two images.
    range_of_other: Option<ValueRange>,
    dose: Option<Arc<Dose>>,
    at: Option<Point3>,
    pressed: Option<Pressed>,
    /// The keys held when the pointer was last seen.
    keys: Modifiers,
    refused: Option<String>,
    area: Option<SearchArea>,
    /// What a drag from where the pointer is would do to the box.
    grip: Option<BoxGrip>,
    scribbles: Vec<Scribble>,
    clicked: Option<Point3>,
    level: Vec<Point3>,
    /// The structure and its revision that the suggestion is for.
    seen: Option<(RoiId, u64)>,
    found: Option<Arc<Region>>,
    /// Whether an isodose waits for a structure that it is for.
    waits_for_roi: bool,
    offer: Offer,
    /// What a structure that is what was found is described as.
    description: Option<String>,
    note: Option<String>,
    body: Option<Arc<Roi>>,
    /// How many steps were done when what is there was begun, or went on by hand.
    begun_at: usize,
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
        if (SegmentSettings { scribble_mm: settings.scribble_mm, ..before }) == settings {
            // The scribbles that are there stay as they are.
            return;
        }
        if before.method != settings.method {
            self.choose_image(session, before);
            self.cancel();
            return;
        }
        let another = before.second != settings.second && settings.method != Method::Uptake;
        if another && before.range == settings.range {
            // Each image has a range of its own: values of one mean nothing in the other.
            std::mem::swap(&mut self.settings.range, &mut self.range_of_other);
        }
        let only_taken = SegmentSettings { take_as: settings.take_as, ..before } == settings;
        if !only_taken {
            self.found = None;
        }
        if before.placed() != settings.placed() {
            self.area = None;
        }
        if self.is_live()
            || self.offer.suggestion().is_some()
            || self.found.is_some()
            || self.work.progress().is_some()
        {
            self.run(session);
        }
    }

    /// Looks for uptake where there is any, with the method just set; with others in the image that they
    /// were used on before.
    fn choose_image(&mut self, session: &Session, before: SegmentSettings) {
        if before.method == Method::Uptake {
            self.uptake_in_second = Some(before.second).filter(|_| self.has_second());
            self.settings.second = self.second_else && self.has_second();
        } else if self.settings.method == Method::Uptake {
            self.second_else = before.second;
            self.settings.second = self.looks_for_uptake_in_second(session);
        }
    }

    /// Whether the range is one of the second image's values.
    fn has_range_of_second(&self) -> bool {
        if self.settings.method == Method::Uptake { self.second_else } else { self.settings.second }
    }

    fn looks_for_uptake_in_second(&self, session: &Session) -> bool {
        let has_it = || has_the_uptake(&session.series().volume, self.second.as_deref());
        self.uptake_in_second.unwrap_or_else(|| self.second_else || has_it())
    }

    /// Makes a choice; what is suggested follows.
    pub(super) fn make(&mut self, session: &Session, choice: Choice) {
        let maximum_gy = self.dose.as_ref().map(|dose| dose.maximum_gy());
        self.set_settings(session, self.settings.with(choice, maximum_gy));
    }

    /// Limits the range to the values from that which best splits the histogram in two (Otsu) upwards, to
    /// the image's greatest if that is given. The histogram is that of [`Self::histogram`] on `slice`. The
    /// value; `None` where nothing can be split.
    pub fn split(&mut self, session: &Session, slice: usize, greatest: Option<f32>) -> Option<f32> {
        let histogram = self.histogram(session, slice);
        let (split, high) = (histogram.otsu()?, histogram.high);
        let high = greatest.unwrap_or(self.settings.range.map_or(high, |range| range.high)).max(split);
        let range = Some(ValueRange { low: split, high });
        self.set_settings(session, SegmentSettings { range, ..self.settings });
        Some(split)
    }

    /// Sets what it looks for before anything was looked for; what cannot be is not taken.
    pub(super) fn restore_settings(&mut self, settings: SegmentSettings) {
        if settings.is_sound() {
            self.settings = settings;
        }
    }

    /// Whether what is suggested follows its settings from the start.
    fn is_live(&self) -> bool {
        match self.settings.method {
            Method::Threshold => self.settings.range.is_some(),
            Method::Dose => self.dose.is_some(),
            _ => false,
        }
    }

    /// The dose, in the same frame of reference, whose levels can be outlined; `in_hand` says whether
    /// the tool is in use. An isodose follows another dose.
    pub(super) fn set_dose(&mut self, session: &Session, dose: Option<&Arc<Dose>>, in_hand: bool) {
        let same = match (&self.dose, dose) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (None, None) => true,
            _ => false,
        };
        if same {
            return;
        }
        self.dose = dose.map(Arc::clone);
        if self.settings.method != Method::Dose {
            return;
        }
        if self.dose.is_none() || !in_hand {
            self.cancel();
        } else {
            self.find(session);
        }
    }

    /// The dose whose levels can be outlined.
    #[must_use]
    pub fn dose(&self) -> Option<&Arc<Dose>> {
        self.dose.as_ref()
    }

    /// The level of the isodose that is set, Gy; `None` without a dose.
    #[must_use]
    pub fn level_gy(&self) -> Option<f64> {
        self.dose.as_ref().map(|dose| self.settings.dose.gy(dose.maximum_gy()))
    }

    /// What an isodose at the level that is set is called by TG-263; `None` without a dose.
    #[must_use]
    pub fn isodose_name(&self) -> Option<String> {
        self.level_gy().map(isodose_name)
    }

    /// The second image, in the same frame of reference, whose values can be used. What came of another
    /// one's values is dropped.
    pub fn set_second(&mut self, session: &Session, second: Option<Arc<Volume>>) {
        let same = match (&self.second, &second) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (None, None) => true,
            _ => false,
        };
        if !same {
            let (was_used, had_range) = (self.settings.second, self.has_range_of_second());
            self.second = second;
            self.uptake_in_second = None;
            self.settings.second &= self.has_second();
            self.second_else &= self.has_second();
            if had_range && !self.has_second() {
                std::mem::swap(&mut self.settings.range, &mut self.range_of_other);
            }
            if !self.has_range_of_second() {
                self.range_of_other = None;
            }
            if self.settings.method == Method::Uptake {
                self.settings.second = self.looks_for_uptake_in_second(session);
            }
            if was_used || self.settings.second {
                // All of it comes from values that are not looked at any more.
                self.cancel();
                self.histogram = None;
            }
        }
    }

    /// Whether there is a second image.
    #[must_use]
    pub fn has_second(&self) -> bool {
        self.second.is_some()
    }

    /// Whether the values that it goes by can be those of the second image.
    #[must_use]
    pub fn offers_second(&self) -> bool {
        let method = self.settings.method;
        self.has_second() && !method.needs_ct() && method != Method::Dose
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
        let placed = self.area;
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
                (_, Some(area)) => Some(area.region(volume)),
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
        self.offer.suggestion()
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
        self.offer.suggestion().is_some()
            || self.work.progress().is_some()
            || self.area.is_some()
            || self.waits_for_roi
            || !self.scribbles.is_empty()
    }

    /// How many steps were done when what undo would drop first was begun: scribbles, a ball or a box,
    /// what is suggested or being looked for. `None` where there is nothing of it.
    pub(super) fn begun_at(&self) -> Option<usize> {
        let is_there = self.offer.suggestion().is_some()
            || self.work.progress().is_some()
            || self.area.is_some()
            || !self.scribbles.is_empty();
        is_there.then_some(self.begun_at)
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
        match self.area? {
            SearchArea::Ball { center, radius_mm } => Some((center, radius_mm)),
            SearchArea::Box(_) => None,
        }
    }

    /// The box placed.
    #[must_use]
    pub fn search_box(&self) -> Option<&OrientedBox> {
        match self.area.as_ref()? {
            SearchArea::Box(own) => Some(own),
            SearchArea::Ball { .. } => None,
        }
    }

    /// Whether a drag draws a box.
    #[must_use]
    pub fn places_box(&self) -> bool {
        self.settings.placed() == Some(Placed::Box)
    }

    /// Puts the box right and looks again.
    pub fn set_search_box(&mut self, session: &Session, boxed: OrientedBox) {
        if self.places_box() && self.search_box() != Some(&boxed) {
            self.area = Some(SearchArea::Box(boxed));
            self.find(session);
        }
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
            uptake_in_second: self.uptake_in_second,
            second_else: self.second_else,
            range_of_other: self.range_of_other,
            dose: self.dose.take(),
            at: self.at,
            body: self.body.take(),
            histogram: self.histogram.take(),
            begun_at: self.begun_at,
            ..Self::default()
        };
    }

    /// Takes what was found; follows the structure's contours. Free while nothing has happened.
    pub fn update(&mut self, session: &Session) {
        if let Some(done) = self.work.poll() {
            self.finish(session, done);
        }
        let now = session.selected().map(|roi| (roi.id, roi.revision));
        let is_shown = self.found.is_some() || self.offer.suggestion().is_some();
        let follows = self.settings.method == Method::Dose && (self.waits_for_roi || is_shown);
        if follows && now.is_some() && now.map(|(id, _)| id) != self.seen.map(|(id, _)| id) {
            // An isodose does not depend on the structure that it is for; there it begins anew.
            self.offer.clear();
            self.begun_at = session.history().done();
            self.run(session);
        } else if self.seen.is_some() && now != self.seen {
            if now.map(|(id, _)| id) == self.seen.map(|(id, _)| id) && self.found.is_some() {
                self.run(session);
            } else if self.work.progress().is_none() || self.found.is_none() {
                self.cancel();
            }
        } else if let Some(roi) = session.selected() {
            self.offer.follow_gate(session, roi);
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
                self.offer.clear();
                if self.settings.method == Method::Dose {
                    self.waits_for_roi = selected.is_none();
                    (self.seen, self.found) = (None, None);
                }
                self.note = Some(refusal.to_string());
                return;
            }
        };
        if self.begun_at().is_none() && self.found.is_none() {
            self.begun_at = session.history().done();
        }
        self.seen = Some((roi.id, roi.revision));
        self.waits_for_roi = false;
        // These are quick: what comes first is shown while the next waits. All else stops.
        let is_quick = matches!(self.settings.method, Method::Threshold | Method::Dose);
        if self.work.progress().is_some() && is_quick {
            self.again = true;
            return;
        }
        self.again = false;
        let job = Job {
            series: Arc::clone(session.series()),
            second: self.second.clone(),
            settings: self.settings,
            limit: self.limiting(session),
            rivals: self.rivals(session, roi.id),
            body: self.known_body(session),
            dose: self.dose.clone(),
            area: self.area,
            scribbles: self.scribbles.clone(),
            clicked: self.clicked,
            found: self.found.clone(),
            roi,
        };
        if let Err(error) = self.work.start("segment", move |progress| job.run(progress)) {
            self.note = Some(format!("Nothing was looked for: no thread could be started ({error})."));
        }
    }

    /// The structure that is looked in.
    fn limiting(&self, session: &Session) -> Option<Arc<Roi>> {
        match self.settings.place() {
            Within::Roi(id) => session.roi(id).cloned(),
            _ => None,
        }
    }

    /// The body's contour, where it is drawn or has been found.
    fn known_body(&self, session: &Session) -> Option<Arc<Roi>> {
        let mut rois = session.structures().rois.iter();
        let is_external = |own: &&Arc<Roi>| {
            own.roi_type == RoiType::External && !own.is_proposal() && !own.planes.is_empty()
        };
        rois.find(is_external).cloned().or_else(|| self.body.clone())
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
        if fresh {
            self.description = done.description;
        }
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
        self.offer.put(session, roi, gesture, planes);
        self.describe(roi);
    }

    /// Has the structure described where it becomes what was found and nothing else.
    fn describe(&mut self, roi: &Roi) {
        let Some(text) = self.description.clone() else { return };
        let by_slice = roi.planes.is_empty() || roi.description == text;
        match self.settings.takes_as() {
            TakeAs::Cut => {}
            TakeAs::Add if !by_slice => {}
            TakeAs::Add | TakeAs::Replace => self.offer.describe(text, by_slice),
        }
    }
}
