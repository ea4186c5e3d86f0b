//! The work behind a suggestion, on a snapshot: no session, so that a thread can do it.

use super::settings::{KeepPieces, Method, SegmentSettings, TakeAs, Within, side_of};
use crate::ai::body::{BodyExtent, body_contour, external_contour};
use crate::edit::algebra::{Region, SetRule, combined};
use crate::edit::segment::{
    Keep, Scribble, SearchArea, Source, Threshold, Uptake, airways, between_pieces, bones, ends_at_gap,
    from_scribbles, isodose, lungs, threshold, uptake, uptake_within,
};
use crate::edit::{Sign, ValueRange, paint, reoriented, same_polygons};
use crate::geometry::Point3;
use crate::patient::{Dose, Mask, Roi, RoiId, RoiPlane, Series, Volume};
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;
use std::sync::Arc;

/// What is to be done.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub series: Arc<Series>,
    pub second: Option<Arc<Volume>>,
    pub dose: Option<Arc<Dose>>,
    pub settings: SegmentSettings,
    /// The structure that it is for.
    pub roi: Arc<Roi>,
    /// The structure that is looked in.
    pub limit: Option<Arc<Roi>>,
    /// The structures that it is not to enter, or shares a region out with.
    pub rivals: Vec<Arc<Roi>>,
    /// The body's contour, where it is known.
    pub body: Option<Arc<Roi>>,
    /// Where it is looked for: a ball or a box, as the settings say.
    pub area: Option<SearchArea>,
    pub scribbles: Vec<Scribble>,
    /// Where was clicked: into an airway, on a piece.
    pub clicked: Option<Point3>,
    /// What was found before; then only what it would change is worked out.
    pub found: Option<Arc<Region>>,
}

/// What has come of it.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The structure and its revision that it is for.
    pub of: Option<(RoiId, u64)>,
    /// What was found; `None` when nothing could be looked for.
    pub region: Option<Arc<Region>>,
    /// What the structure's slices would become; only those that would change.
    pub planes: Vec<(usize, Arc<RoiPlane>)>,
    /// A sentence or the values used.
    pub note: Option<String>,
    /// The body's contour, where it had to be found.
    pub body: Option<Arc<Roi>>,
    /// What a structure that is this is described as, as files say it; `None` where that says nothing.
    pub description: Option<String>,
    /// Someone asked to stop.
    pub cancelled: bool,
}

impl Job {
    pub(super) fn run(mut self, progress: &Progress) -> Done {
        let mut done = Done { of: Some((self.roi.id, self.roi.revision)), ..Done::default() };
        let region = match self.found.take() {
            Some(found) => Ok(found),
            None => self.find(&mut done, progress).map(Arc::new),
        };
        match region {
            Ok(region) => {
                done.planes = self.planes(&region);
                done.region = Some(region);
            }
            Err(why) => done.note = Some(why),
        }
        done.cancelled = progress.is_cancelled();
        done
    }

    fn volume(&self) -> &Volume {
        &self.series.volume
    }

    fn source(&self) -> Source<'_> {
        match self.second.as_deref().filter(|_| self.settings.second) {
            Some(second) => Source::of_other(self.volume(), second),
            None => Source::own(self.volume()),
        }
    }

    fn find(&mut self, done: &mut Done, progress: &Progress) -> Result<Region, String> {
        let settings = self.settings;
        let needs_body = match settings.method {
            Method::Lungs | Method::Airways | Method::Bones => true,
            _ => settings.place() == Within::Body,
        };
        if needs_body && self.body.is_none() {
            let found = body_contour(self.volume(), &progress.part(0.0, 0.4)).map_err(sentence)?;
            self.body = Some(Arc::new(found));
            done.body.clone_from(&self.body);
        }
        let rest = progress.part(if needs_body { 0.4 } else { 0.0 }, 1.0);
        let limit = self.limit()?;
        let found = self.look(done, limit.as_ref(), &rest)?;
        Ok(match (settings.method, limit) {
            // These take the limit into account themselves.
            (Method::Threshold | Method::Uptake | Method::Dose | Method::Pieces, _) | (_, None) => found,
            (_, Some(limit)) => combined(SetRule::Intersection, &[&found, &limit]),
        })
    }

    fn look(&self, done: &mut Done, limit: Option<&Region>, rest: &Progress) -> Result<Region, String> {
        let settings = self.settings;
        match settings.method {
            Method::Threshold => self.threshold(limit, rest),
            Method::Scribbles => {
                from_scribbles(&self.source(), &self.scribbles, settings.margin_mm, rest).map_err(sentence)
            }
            Method::Uptake => {
                let source = self.source();
                let found = match (&self.area, limit) {
                    (Some(area), _) if settings.placed().is_some() => {
                        uptake(&source, area, settings.uptake, rest)
                    }
                    (_, Some(limit)) => uptake_within(&source, limit, settings.uptake, rest),
                    (_, None) => return Err("Choose where to look for uptake.".to_owned()),
                };
                let found = found.map_err(stopped)?;
                let unit = source.image().unit;
                let maximum = unit.text(found.maximum);
                done.note = found.maximum.is_finite().then(|| match settings.uptake {
                    Uptake::Above(_) => format!("Maximum {maximum}"),
                    _ if found.level.is_finite() => {
                        format!("Maximum {maximum}, outline at {}", unit.text(found.level))
                    }
                    _ => format!("Maximum {maximum}; no edge found"),
                });
                Ok(found.region)
            }
            Method::Dose => {
                let dose = self.dose.as_deref().ok_or("Choose a dose to look at.")?;
                let level = settings.dose.gy(dose.maximum_gy());
                done.note = Some(format!("Maximum {:.2} Gy, isodose at {level:.2} Gy", dose.maximum_gy()));
                isodose(self.volume(), dose, level, limit, rest).map_err(stopped)
            }
            Method::Body => {
                let extent = settings.extent;
                let found = external_contour(self.volume(), extent, rest).map_err(sentence)?;
                done.note = found.note(extent).map(|note| sentence(note).trim_end_matches('.').to_owned());
                let region = Region::of_roi(&found.roi, self.volume()).map_err(sentence)?;
                done.description = Some(found.roi.description.clone());
                if extent == BodyExtent::Patient && self.body.is_none() {
                    done.body = Some(Arc::new(found.roi));
                }
                Ok(region)
            }
            Method::Lungs => {
                let side = settings.side.unwrap_or_else(|| side_of(&self.roi.name));
                lungs(self.volume(), &self.body_mask(), side, settings.close_mm, rest).map_err(sentence)
            }
            Method::Airways => {
                let found =
                    airways(self.volume(), &self.body_mask(), self.clicked, rest).map_err(sentence)?;
                done.note = ends_at_gap(self.volume(), &found)
                    .then(|| "Slices are missing: the airways were not followed beyond them".to_owned());
                Ok(found)
            }
            Method::Bones => bones(self.volume(), &self.body_mask(), &settings.bones, rest).map_err(sentence),
            Method::Pieces => self.pieces(done, limit, rest),
            Method::Level => Ok(Region::default()),
        }
    }

    fn pieces(&self, done: &mut Done, limit: Option<&Region>, progress: &Progress) -> Result<Region, String> {
        let of = |roi: &Arc<Roi>| Region::of_roi(roi, self.volume()).map_err(sentence);
        // One whose contours lie on none of these slices is in nobody's way.
        let others: Vec<Region> = self.rivals.iter().filter_map(|roi| of(roi).ok()).collect();
        if others.len() < self.rivals.len() {
            let count = self.rivals.len() - others.len();
            done.note = Some(format!("{count} with contours off the images' slices did not count."));
        }
        let how = (self.settings.fill, self.settings.margin_mm);
        between_pieces(&self.source(), &of(&self.roi)?, &others, limit, how, progress).map_err(sentence)
    }

    fn threshold(&self, limit: Option<&Region>, progress: &Progress) -> Result<Region, String> {
        let settings = &self.settings;
        let Some(range) = settings.range else { return Ok(Region::default()) };
        let keep = match (settings.keep, self.clicked) {
            (KeepPieces::All, _) => Keep::All,
            (KeepPieces::Largest, _) => Keep::Largest,
            (KeepPieces::Above, _) => Keep::AtLeast(settings.least_cc),
            (KeepPieces::Clicked, Some(point)) => Keep::Holding(point),
            (KeepPieces::Clicked, None) => return Err("Click the piece that is to be kept.".to_owned()),
        };
        let range = ValueRange { low: range.low, high: range.high.max(range.low) };
        let what = Threshold { range, keep, fill_holes: settings.fill_holes };
        threshold(&self.source(), &what, limit, progress).map_err(stopped)
    }

    /// Where is looked; `None` everywhere.
    fn limit(&self) -> Result<Option<Region>, String> {
        let rois = (self.limit.as_deref(), self.body.as_deref());
        limit_of(self.settings.place(), self.volume(), rois, self.area.as_ref())
    }

    /// For each voxel of the grid whether it is in the body.
    fn body_mask(&self) -> Vec<bool> {
        let dims = self.volume().grid.dims();
        match &self.body {
            Some(body) => Mask::of_roi(body, self.volume()).in_box([0; 3], dims).voxels,
            None => vec![false; self.volume().grid.len()],
        }
    }

    /// What the structure's slices would become.
    fn planes(&self, region: &Region) -> Vec<(usize, Arc<RoiPlane>)> {
        let volume = self.volume();
        let mut slices: std::collections::BTreeSet<usize> = region.slices().map(|(slice, _)| slice).collect();
        if self.settings.takes_as() == TakeAs::Replace {
            slices.extend(self.roi.planes.iter().filter_map(|own| volume.slice_of(&own.plane)));
        }
        let slices: Vec<usize> = slices.into_iter().filter(|slice| !volume.slices[*slice].missing).collect();
        slices
            .into_par_iter()
            .filter_map(|slice| {
                let image = &volume.slices[slice];
                let own = self.roi.plane_at(&image.plane);
                let plane = own.map_or(image.plane, |own| own.plane);
                let before = own.map_or(&[][..], |own| &own.polygons);
                // On the lattice before it is compared: what was taken over is found again as it is.
                let found = reoriented(region.on(slice), &image.plane, &plane);
                let found = RoiPlane::new(plane, None, found).polygons;
                let after = match self.settings.takes_as() {
                    TakeAs::Replace => found,
                    TakeAs::Add if before.is_empty() => found,
                    TakeAs::Add => paint(before, &found, Sign::Add),
                    TakeAs::Cut => paint(before, &found, Sign::Cut),
                };
                let after = RoiPlane::new(plane, image.instance.clone(), after);
                (!same_polygons(&after.polygons, before)).then(|| (slice, Arc::new(after)))
            })
            .collect()
    }
}

/// The region that a place to look in is; `None` for everywhere. The structures are the one to look
/// in and the body.
///
/// # Errors
/// A sentence when the place is not there.
pub(super) fn limit_of(
    place: Within,
    volume: &Volume,
    (roi, body): (Option<&Roi>, Option<&Roi>),
    area: Option<&SearchArea>,
) -> Result<Option<Region>, String> {
    let of = |roi: &Roi| Region::of_roi(roi, volume).map_err(sentence);
    let placed = |why: &str| area.map(|area| area.region(volume)).ok_or_else(|| why.to_owned());
    Ok(Some(match place {
        Within::Everything => return Ok(None),
        Within::Body => of(body.ok_or("There is no body in the image.")?)?,
        Within::Roi(_) => of(roi.ok_or("Choose a structure to look in.")?)?,
        Within::Ball => placed("Drag in a view to place the ball.")?,
        Within::Box => placed("Drag in a view to draw the box.")?,
    }))
}

fn sentence(error: impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

fn stopped(_: Cancelled) -> String {
    "Stopped.".to_owned()
}
