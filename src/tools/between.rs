//! Between slices: as long as it is on, every gap between drawn slices of the selected structure
//! shows what the shape would be there. Drawing on a slice, or taking it over, makes it one more
//! drawn slice, and only the gaps beside it are worked out again.

use super::Suggestion;
use crate::edit::{Gap, gaps};
use crate::patient::{RoiId, RoiPlane};
use crate::session::Session;
use rayon::prelude::*;
use std::sync::Arc;

type Filled = (Gap, Vec<(usize, Arc<RoiPlane>)>);

/// Suggests contours between drawn slices.
#[derive(Debug, Default)]
pub struct BetweenSlices {
    on: bool,
    gaps: Vec<Filled>,
    seen: Option<(RoiId, u64)>,
    suggestion: Option<Suggestion>,
    note: Option<String>,
}

impl BetweenSlices {
    /// Whether it is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Turns it on or off.
    pub fn set_on(&mut self, on: bool) {
        *self = Self { on, ..Self::default() };
    }

    /// What is suggested, as [`Self::update`] last worked it out.
    #[must_use]
    pub fn suggestion(&self) -> Option<&Suggestion> {
        self.suggestion.as_ref()
    }

    /// Why less than everything, or nothing, is suggested, for the strip.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Follows the selected structure and its contours; whether anything new is suggested. Costs
    /// nothing while neither has changed.
    pub fn update(&mut self, session: &Session) -> bool {
        let roi = session.selected().filter(|_| self.on);
        let seen = roi.map(|roi| (roi.id, roi.revision));
        if seen == self.seen {
            return false;
        }
        self.seen = seen;
        self.suggestion = None;
        self.note = None;
        let Some(roi) = roi else {
            self.gaps.clear();
            return true;
        };
        if let Err(refusal) = session.may_draw(Some(roi.id), None) {
            self.note = Some(refusal.to_string());
            self.gaps.clear();
            return true;
        }
        let volume = &session.series().volume;
        let known = std::mem::take(&mut self.gaps);
        self.gaps = gaps(roi, volume)
            .into_par_iter()
            .map(|gap| {
                let filled =
                    known.iter().find(|(own, _)| own.is_same(&gap)).map(|(_, filled)| filled.clone());
                let filled = filled.unwrap_or_else(|| gap.fill(volume));
                (gap, filled)
            })
            .collect();
        let missing = self.gaps.iter().filter(|(gap, _)| gap.has_missing_slice(volume)).count();
        let planes: Vec<_> = self.gaps.iter().flat_map(|(_, filled)| filled.clone()).collect();
        self.note = match (self.gaps.len(), missing) {
            (0, _) => Some("No slice lies between drawn ones: draw another a few slices away.".to_owned()),
            (_, 0) => None,
            (_, 1) => Some("A gap with a missing slice was left out.".to_owned()),
            (_, count) => Some(format!("{count} gaps with missing slices were left out.")),
        };
        self.suggestion = (!planes.is_empty()).then(|| Suggestion::new(roi, "Between slices", planes));
        true
    }
}
