//! The ROI being edited during a gesture: only the slices the gesture has reached.

use super::{Preview, Reaction, ViewPlane};
use crate::edit::{VertexSet, same_polygons, simplified, without_slivers};
use crate::geometry::{Plane, Point2, Point3, Polygon};
use crate::patient::{Roi, RoiId, RoiPlane, Volume};
use crate::session::{self, Command, Gated, Loss, OpenGate, Refusal, Session};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Fresh vertices closer than this to the line without them are left out, mm.
const THIN_MM: f64 = 0.005;

/// From so many slices on the cores share them out.
const MANY_SLICES: usize = 4;

static STAMP: AtomicU64 = AtomicU64::new(1 << 63);

/// A number that no revision of a session and no other preview has.
pub(super) fn fresh_stamp() -> u64 {
    STAMP.fetch_add(1, Ordering::Relaxed)
}

/// How a view cuts the slices that contours lie on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cut {
    /// The view shows this slice.
    Along(usize),
    /// The view runs across the slices.
    Across,
}

/// Whether a view runs across the slices.
pub(super) fn cuts_across(volume: &Volume, view: &ViewPlane) -> bool {
    volume.base_plane().is_some_and(|base| base.normal().dot(&view.plane.normal()).abs() < 1.0 - 1.5e-6)
}

/// Which slices a gesture at `at` in `view` draws on.
///
/// # Errors
/// [`Refusal::NoSlice`] when the view lies beyond the slices.
pub(super) fn cut_of(volume: &Volume, view: &ViewPlane, at: Point3) -> Result<Cut, Refusal> {
    let base = volume.base_plane().ok_or(Refusal::NoSlice)?;
    if cuts_across(volume, view) {
        return Ok(Cut::Across);
    }
    let offset = base.normal().dot(&at.coords);
    let index = volume.nearest_slice(offset).ok_or(Refusal::NoSlice)?;
    let reach = volume.slice_thickness_mm(index) * 0.5 + 0.1;
    let near = (volume.slices[index].plane.offset_mm() - offset).abs() <= reach.max(0.1);
    // Between the neighbours of a gap the nearest slice may be further than its share: still it.
    if near || (index > 0 && index + 1 < volume.slices.len()) {
        Ok(Cut::Along(index))
    } else {
        Err(Refusal::NoSlice)
    }
}

/// In-plane size of an image pixel, mm: the longer side.
pub(super) fn pixel_mm(volume: &Volume) -> f64 {
    let spacing = volume.grid.spacing_mm();
    spacing[0].max(spacing[1])
}

/// The slices whose planes lie between two offsets (in either order), each grown by `margin_mm`.
pub(super) fn slices_between(volume: &Volume, a: f64, b: f64, margin_mm: f64) -> std::ops::Range<usize> {
    let (low, high) = (a.min(b) - margin_mm, a.max(b) + margin_mm);
    let offset = |slice: &crate::patient::Slice| slice.plane.offset_mm();
    let first = volume.slices.partition_point(|slice| offset(slice) < low);
    first..volume.slices.partition_point(|slice| offset(slice) <= high).max(first)
}

/// What is tidied away at the end of a gesture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tidy {
    /// Needless fresh vertices, and what is thinner than a pixel.
    #[default]
    All,
    /// What is thinner than a pixel; vertices are the person's own.
    Slivers,
    /// Nothing: contours were moved as they are.
    Nothing,
}

/// So many slices that the last event left alone are settled at its end.
const SETTLED_AT_ONCE: usize = 2;

#[derive(Debug)]
struct Work {
    before: Option<Arc<RoiPlane>>,
    now: Arc<RoiPlane>,
    /// Others that give way here.
    losses: Vec<Loss>,
    /// The vertex count after the last thinning.
    thinned_at: usize,
    /// Whether it was thinned since it passed the gate.
    is_thinned: bool,
    /// The event that changed it last.
    event: u64,
    /// What it becomes at the end of the gesture, where that is known already.
    settled: Option<Settled>,
}

/// A plane as the gesture leaves it, tidied; `None` when that is what it found.
type Settled = Option<RoiPlane>;

/// What a change makes of a slice.
#[derive(Debug)]
enum Step {
    /// It stays as it is.
    Nothing,
    /// It is missing, and would have been changed.
    Missing,
    Changed {
        before: Option<Arc<RoiPlane>>,
        now: Arc<RoiPlane>,
        thinned_at: usize,
        is_thinned: bool,
        /// Others that give way.
        others: Vec<Loss>,
    },
}

/// The planes of one ROI that a gesture works on, by slice.
#[derive(Debug)]
pub(super) struct Canvas {
    roi: RoiId,
    based_on: u64,
    pixel_mm: f64,
    tidy: Tidy,
    work: BTreeMap<usize, Work>,
    preview: Preview,
    /// Slices the gesture reached but could not draw on.
    missing: usize,
    /// How many events are over.
    event: u64,
}

impl Canvas {
    pub(super) fn new(session: &Session, roi: &Roi) -> Self {
        Self {
            roi: roi.id,
            based_on: roi.revision,
            pixel_mm: pixel_mm(&session.series().volume),
            tidy: Tidy::All,
            work: BTreeMap::new(),
            preview: Preview {
                roi: roi.id,
                based_on: roi.revision,
                stamp: fresh_stamp(),
                planes: Vec::new(),
                others: Vec::new(),
            },
            missing: 0,
            event: 0,
        }
    }

    /// The ROI worked on, and its revision that the work is based on.
    pub(super) fn based_on(&self) -> (RoiId, u64) {
        (self.roi, self.based_on)
    }

    /// What is on a slice now; `None` where nothing was and nothing was drawn.
    pub(super) fn now<'a>(&'a self, session: &'a Session, slice: usize) -> Option<&'a RoiPlane> {
        if let Some(work) = self.work.get(&slice) {
            return Some(&work.now);
        }
        let image = session.series().volume.slices.get(slice)?;
        Some(session.roi(self.roi)?.plane_at(&image.plane)?)
    }

    /// The same with less tidied away at the end.
    pub(super) fn tidying(self, tidy: Tidy) -> Self {
        Self { tidy, ..self }
    }

    /// In-plane size of an image pixel, mm: nothing thinner may result.
    pub(super) fn pixel_mm(&self) -> f64 {
        self.pixel_mm
    }

    /// Changes the polygons on one slice. `change` gets the plane they live on and the polygons as
    /// they are now; `None` leaves them. Missing slices are passed over and counted.
    pub(super) fn change(
        &mut self,
        session: &Session,
        slice: usize,
        change: impl FnOnce(&Plane, &[Polygon]) -> Option<Vec<Polygon>>,
    ) {
        let Some(roi) = session.roi(self.roi) else { return };
        let step = self.step((&session.series().volume, session.gate()), roi, slice, change);
        self.take(slice, step);
    }

    /// [`Self::change`] on several slices, each by itself, on all cores where there are many.
    pub(super) fn change_each(
        &mut self,
        session: &Session,
        slices: std::ops::Range<usize>,
        change: impl Fn(usize, &Plane, &[Polygon]) -> Option<Vec<Polygon>> + Sync,
    ) {
        let Some(roi) = session.roi(self.roi) else { return };
        let (volume, gate) = (&*session.series().volume, session.gate());
        let own = &*self;
        let step = |slice| own.step((volume, gate), roi, slice, |plane, own| change(slice, plane, own));
        let steps: Vec<Step> = if slices.len() < MANY_SLICES {
            slices.clone().map(step).collect()
        } else {
            slices.clone().into_par_iter().map(step).collect()
        };
        for (slice, step) in slices.zip(steps) {
            self.take(slice, step);
        }
    }

    fn step(
        &self,
        (volume, gate): (&Volume, OpenGate<'_>),
        roi: &Roi,
        slice: usize,
        change: impl FnOnce(&Plane, &[Polygon]) -> Option<Vec<Polygon>>,
    ) -> Step {
        let Some(image) = volume.slices.get(slice) else { return Step::Nothing };
        let known = self.work.get(&slice);
        let before =
            known.map_or_else(|| roi.plane_at(&image.plane).map(Arc::clone), |work| work.before.clone());
        let now = known.map(|work| Arc::clone(&work.now)).or_else(|| before.clone()).unwrap_or_else(|| {
            Arc::new(RoiPlane {
                plane: image.plane,
                image: image.instance.clone(),
                polygons: Vec::new(),
                source: Vec::new(),
                confidence: None,
            })
        });
        let Some(polygons) = change(&now.plane, &now.polygons) else { return Step::Nothing };
        let old = before.as_ref().map_or(&[][..], |before| &before.polygons);
        let others = known.map_or(&[][..], |work| &work.losses);
        let Gated { own: polygons, others } = if known.is_some_and(|work| work.is_thinned) {
            gate.gated(roi, &now.plane, old, polygons)
        } else {
            let stroke = session::Stroke { before: old, now: &now.polygons, others };
            gate.gated_on(roi, &now.plane, stroke, polygons)
        };
        if polygons == now.polygons {
            return Step::Nothing;
        }
        if image.missing {
            return Step::Missing;
        }
        let mut thinned_at = known.map_or_else(|| now.vertex_count(), |work| work.thinned_at);
        let mut next = RoiPlane {
            plane: now.plane,
            image: now.image.clone().or_else(|| image.instance.clone()),
            polygons,
            source: Vec::new(),
            confidence: None,
        };
        let is_thinned = self.tidy == Tidy::All && next.vertex_count() > thinned_at * 3 / 2 + 48;
        if is_thinned {
            next.polygons = simplified(&next.polygons, &VertexSet::of(old), THIN_MM);
            thinned_at = next.vertex_count();
        }
        Step::Changed { before, now: Arc::new(next), thinned_at, is_thinned, others }
    }

    /// Takes in what became of a slice.
    fn take(&mut self, slice: usize, step: Step) {
        let (before, now, thinned_at, is_thinned, others) = match step {
            Step::Nothing => return,
            Step::Missing => {
                self.missing += 1;
                self.work.remove(&slice);
                return;
            }
            Step::Changed { before, now, thinned_at, is_thinned, others } => {
                (before, now, thinned_at, is_thinned, others)
            }
        };
        let known = self.work.remove(&slice).map_or_else(Vec::new, |work| work.losses);
        // What is left as it was stays the same object: its picture is not made anew.
        let loss = |mut own: Loss| {
            if let Some(same) = known.iter().find(|known| known.roi == own.roi && known.rest == own.rest) {
                own.rest = Arc::clone(&same.rest);
            }
            own
        };
        let losses = others.into_iter().map(loss).collect();
        let (event, settled) = (self.event, None);
        self.work.insert(slice, Work { before, now, losses, thinned_at, is_thinned, event, settled });
    }

    /// Whether the gesture has changed nothing so far.
    pub(super) fn is_unchanged(&self) -> bool {
        self.work.is_empty()
    }

    /// Whether the gesture reached a missing slice and nothing else.
    pub(super) fn only_missing(&self) -> bool {
        self.missing > 0 && self.work.is_empty()
    }

    /// What to tell at the end of a gesture that reached missing slices; `None` when it did not.
    pub(super) fn left_out(&self) -> Option<&'static str> {
        (self.missing > 0).then_some("A missing slice was left out.")
    }

    /// Ends an event of a stroke: slices that the stroke seems to have left behind are settled, a few at a
    /// time, so that little is left for its end; and the preview is brought up to date.
    pub(super) fn end_event(&mut self, session: &Session) {
        if let Some(roi) = session.roi(self.roi).filter(|roi| roi.revision == self.based_on) {
            let (gate, ends) = (session.gate(), (self.pixel_mm, self.tidy));
            let is_left = |work: &&mut Work| work.settled.is_none() && work.event < self.event;
            for work in self.work.values_mut().filter(is_left).take(SETTLED_AT_ONCE) {
                let settled = settled(work.before.as_deref(), &work.now, ends);
                if let Some(after) = &settled {
                    let old = work.before.as_ref().map_or(&[][..], |before| &before.polygons);
                    gate.prepare(roi, &after.plane, old, &after.polygons);
                }
                work.settled = Some(settled);
            }
        }
        self.event += 1;
        self.refresh();
    }

    /// Brings the preview up to date after changes.
    pub(super) fn refresh(&mut self) {
        self.preview.planes = self.work.values().map(|work| Arc::clone(&work.now)).collect();
        self.preview.stamp = fresh_stamp();
        let mut others: Vec<Preview> = Vec::new();
        for loss in self.work.values().flat_map(|work| &work.losses) {
            let rest = Arc::clone(&loss.rest);
            match others.iter_mut().find(|other| other.roi == loss.roi) {
                Some(other) => other.planes.push(rest),
                None => others.push(Preview {
                    roi: loss.roi,
                    based_on: loss.based_on,
                    stamp: fresh_stamp(),
                    planes: vec![rest],
                    others: Vec::new(),
                }),
            }
        }
        for other in &mut others {
            let same = |known: &&Preview| {
                known.roi == other.roi
                    && known.planes.len() == other.planes.len()
                    && known.planes.iter().zip(&other.planes).all(|(a, b)| Arc::ptr_eq(a, b))
            };
            if let Some(known) = self.preview.others.iter().find(same) {
                other.stamp = known.stamp;
            }
        }
        self.preview.others = others;
    }

    pub(super) fn preview(&self) -> &Preview {
        &self.preview
    }

    /// Ends the gesture: the command that does what was shown, and what is to be told of missing
    /// slices.
    pub(super) fn into_reaction(self, gesture: &'static str) -> Reaction {
        let message = if self.only_missing() {
            Some(Refusal::MissingSlice.to_string())
        } else {
            self.left_out().map(str::to_owned)
        };
        Reaction { command: self.into_command(gesture), message, ..Reaction::default() }
    }

    /// Ends the gesture: the command that does what was shown, tidied; `None` when nothing changed.
    pub(super) fn into_command(self, gesture: &'static str) -> Option<Command> {
        let ends = (self.pixel_mm, self.tidy);
        let work: Vec<Work> = self.work.into_values().collect();
        let end = |Work { before, now, settled: known, .. }| {
            known.unwrap_or_else(|| settled(before.as_deref(), &now, ends))
        };
        let planes: Vec<RoiPlane> = work.into_par_iter().filter_map(end).collect();
        (!planes.is_empty()).then_some(Command::SetPlanes {
            roi: self.roi,
            gesture,
            based_on: self.based_on,
            planes,
        })
    }
}

/// What a gesture makes of a plane that it found as `before`: tidied, without what is thinner than a pixel.
fn settled(before: Option<&RoiPlane>, now: &RoiPlane, (pixel_mm, tidy): (f64, Tidy)) -> Settled {
    let old = before.map_or(&[][..], |before| &before.polygons);
    let polygons = if tidy == Tidy::Nothing {
        now.polygons.clone()
    } else {
        let vertices = VertexSet::of(old);
        let thin = match tidy {
            Tidy::All => simplified(&now.polygons, &vertices, THIN_MM),
            _ => now.polygons.clone(),
        };
        without_slivers(old, &vertices, thin, pixel_mm)
    };
    let after = RoiPlane::new(now.plane, now.image.clone(), polygons);
    (!same_polygons(&after.polygons, old)).then_some(after)
}

/// Whether the ROI contains a patient point, by its contours on the nearest slice.
pub(super) fn roi_contains(volume: &Volume, roi: &Roi, point: Point3) -> bool {
    on_nearest_slice(volume, roi, point).is_some_and(|(own, at)| crate::edit::contains(&own.polygons, at))
}

/// The ROI's contours on the slice nearest to a patient point, and the point in their coordinates.
pub(super) fn on_nearest_slice<'a>(
    volume: &Volume,
    roi: &'a Roi,
    point: Point3,
) -> Option<(&'a Arc<RoiPlane>, Point2)> {
    let base = volume.base_plane()?;
    let slice = volume.nearest_slice(base.normal().dot(&point.coords))?;
    let plane = roi.plane_at(&volume.slices[slice].plane)?;
    Some((plane, plane.plane.project(point)))
}

#[cfg(test)]
mod tests;
