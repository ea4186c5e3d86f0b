//! How far the outline goes: the patient alone, with what holds the patient, with the couch too.
//!
//! A dose calculation takes nothing into account beyond the outline EXTERNAL: where beams pass a
//! mask, a cushion or the couch, these belong inside.

use super::holders::{self, Attached};
use super::{BodyError, Found, SKIN_HU, couch};
use crate::patient::{Approval, GenerationAlgorithm, Mask, Roi, RoiId, RoiType, Volume};
use crate::progress::Progress;
use std::str::FromStr;

/// Air in front of a mask's or cushion's inner side is closed where it is narrower than twice this, mm.
const CLOSE_HOLDER_MM: f64 = 10.0;
/// Between the couch and what lies on it, mm.
const CLOSE_COUCH_MM: f64 = 6.0;

/// What the outline of the body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum BodyExtent {
    /// The patient alone.
    #[default]
    Patient,
    /// And masks, cushions and holders at the patient, with the air between; not the couch.
    Immobilisation,
    /// And the couch, its shell and its core.
    Couch,
}

impl BodyExtent {
    /// All, from the narrowest.
    pub const ALL: [Self; 3] = [Self::Patient, Self::Immobilisation, Self::Couch];

    /// Its word on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Immobilisation => "immobilisation",
            Self::Couch => "couch",
        }
    }

    /// What an outline so wide is, as its description says.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Patient => "body",
            Self::Immobilisation => "body with immobilisation",
            Self::Couch => "body with immobilisation and couch",
        }
    }
}

impl FromStr for BodyExtent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|extent| extent.word() == text);
        found.ok_or_else(|| "use patient, immobilisation or couch".to_owned())
    }
}

/// An outline of the body.
#[derive(Debug, Clone)]
pub struct External {
    /// The ROI `Body` (EXTERNAL), a proposal, on the volume's real slices.
    pub roi: Roi,
    /// Whether there is a couch in the image. Without one the two wider extents are the same.
    pub has_couch: bool,
}

impl External {
    /// What a person who asked for `extent` should know; `None`: all is as it should be.
    #[must_use]
    pub fn note(&self, extent: BodyExtent) -> Option<&'static str> {
        match extent {
            BodyExtent::Patient => None,
            _ if self.has_couch => None,
            BodyExtent::Immobilisation => {
                Some("no couch was found: if there is one, it may be taken for a holder")
            }
            BodyExtent::Couch => Some("no couch was found"),
        }
    }
}

/// The outline of the body, as wide as `extent` says.
///
/// # Errors
/// [`BodyError`] when the image is not CT, there is no body in it, or someone asked to stop.
pub fn external_contour(
    volume: &Volume,
    extent: BodyExtent,
    progress: &Progress,
) -> Result<External, BodyError> {
    let (inside, has_couch) = extent_mask(volume, extent, &progress.part(0.0, 0.7))?;
    progress.set_step("Tracing the body");
    let mask = Mask { low: [0; 3], size: volume.grid.dims(), voxels: inside }.trimmed();
    let mut roi = Roi::new(RoiId(1), 1, "Body", [0, 180, 120]);
    roi.roi_type = RoiType::External;
    roi.generation = GenerationAlgorithm::Automatic;
    roi.approval = Approval::Proposal;
    roi.description = format!("{} {}", extent.description(), env!("CARGO_PKG_VERSION"));
    // Between two planes of a resampled grid that do not agree, the slice's own values tell; air that
    // is enclosed goes by the nearer plane.
    roi.planes = match extent {
        BodyExtent::Patient => mask.planes_by(volume, |hu, _| hu.is_some_and(|hu| hu > SKIN_HU)),
        _ => mask.planes_by(volume, |hu, nearest| hu.is_some_and(|hu| nearest || hu > holders::HOLDER_HU)),
    };
    progress.set_fraction(1.0)?;
    let external = External { roi, has_couch };
    Ok(match external.note(extent) {
        Some(note) if extent == BodyExtent::Couch => {
            let description = format!("{}; {note}", external.roi.description);
            External { roi: Roi { description, ..external.roi }, has_couch }
        }
        _ => external,
    })
}

/// For each voxel of the volume's grid whether it is inside an outline so wide, and whether there is a
/// couch. Takes a few bytes of memory a voxel.
///
/// # Errors
/// [`BodyError`] when the image is not CT, there is no body in it, or someone asked to stop.
pub fn extent_mask(
    volume: &Volume,
    extent: BodyExtent,
    progress: &Progress,
) -> Result<(Vec<bool>, bool), BodyError> {
    if extent == BodyExtent::Patient {
        let found = Found::new(volume, progress)?;
        return Ok((found.inside, found.couch.is_some()));
    }
    let Found { image, couch, coarse, inside } = Found::new(volume, &progress.part(0.0, 0.4))?;
    progress.set_step("Finding what holds the patient");
    let couch = couch.or_else(|| couch::find_below_mattress(&image));
    let patient = image.in_patient_axes(&inside);
    drop(inside);
    let covers = |x: usize, y: usize| couch.as_ref().is_some_and(|couch| couch.covers(x, y));
    // A cushion lies on the couch itself, not on the shell's blurred edge.
    let surely = |x: usize, y: usize| couch.as_ref().is_some_and(|couch| couch.covers_surely(x, y));
    let attached = Attached { image: &image, coarse: &coarse, close_mm: CLOSE_HOLDER_MM };
    let part = progress.part(0.4, 0.7);
    let mut all = attached.to(&patient, None, (|x, y| !covers(x, y), |x, y| !surely(x, y)), &part)?;
    drop(patient);
    if let Some(couch) = couch.as_ref().filter(|_| extent == BodyExtent::Couch) {
        progress.set_step("Finding the couch");
        let solid = couch.solid(&image);
        solid.join(&mut all);
        let attached = Attached { close_mm: CLOSE_COUCH_MM, ..attached };
        all = attached.to(&all, Some(&solid), (covers, covers), &progress.part(0.7, 1.0))?;
    }
    let [nx, ny, _] = all.size;
    Ok((image.in_memory_order(all.values.chunks_exact(nx * ny)), couch.is_some()))
}
