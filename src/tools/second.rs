//! The values of a second image, which a tool can go by while there is one: a PET or MR shown beside the
//! images that contours lie on, or over them.

use crate::edit::ValueRange;
use crate::edit::segment::Source;
use crate::patient::{Unit, Volume};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every value there is.
const ALL: ValueRange = ValueRange { low: f32::NEG_INFINITY, high: f32::INFINITY };

/// Whether a tool goes by a second image, and which there is.
#[derive(Debug, Default)]
pub struct Second {
    wanted: bool,
    image: Option<Arc<Volume>>,
    /// Ranges of such an image's values, by the name of their unit.
    ranges: BTreeMap<String, ValueRange>,
}

impl Second {
    /// The image there is.
    #[must_use]
    pub fn image(&self) -> Option<&Volume> {
        self.image.as_deref()
    }

    /// Whether it is wanted, be there one or not.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Has its values count, or those of the images that contours lie on; whether that changes what counts.
    pub(super) fn want(&mut self, wanted: bool) -> bool {
        let changes = self.wanted != wanted && self.image.is_some();
        self.wanted = wanted;
        changes
    }

    /// The image, in the same frame of reference; whether it is another one.
    pub(super) fn set_image(&mut self, image: Option<&Arc<Volume>>) -> bool {
        let is_same = match (&self.image, image) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (None, None) => true,
            _ => false,
        };
        self.image = image.map(Arc::clone);
        !is_same
    }

    /// The image whose values count; `None` for those that contours lie on.
    pub(super) fn used(&self) -> Option<&Arc<Volume>> {
        self.image.as_ref().filter(|_| self.wanted)
    }

    /// The values that count, on the slices of `volume`.
    pub(super) fn source<'a>(&'a self, volume: &'a Volume) -> Source<'a> {
        self.used().map_or_else(|| Source::own(volume), |second| Source::of_other(volume, second))
    }

    /// The range of its values that counts where `own` is that of the images that contours lie on: all of
    /// them until one is set.
    pub(super) fn range_or(&self, own: ValueRange) -> ValueRange {
        if self.used().is_some() { self.range().unwrap_or(ALL) } else { own }
    }

    /// The range of its values, in its unit; `None` until it is set.
    #[must_use]
    pub fn range(&self) -> Option<ValueRange> {
        self.ranges.get(&unit_name(self.image()?.unit)).copied()
    }

    /// Sets that range; nothing without an image. Whether that changes what counts.
    pub(super) fn set_range(&mut self, range: ValueRange) -> bool {
        let unit = self.image().map(|image| image.unit).filter(|_| range.low <= range.high);
        let Some(unit) = unit else { return false };
        self.ranges.insert(unit_name(unit), range) != Some(range) && self.wanted
    }

    /// The ranges by the name of their unit.
    pub(super) fn ranges(&self) -> &BTreeMap<String, ValueRange> {
        &self.ranges
    }

    /// Sets them; what is no range is not taken.
    pub(super) fn set_ranges(&mut self, ranges: BTreeMap<String, ValueRange>) {
        self.ranges = ranges.into_iter().filter(|(_, range)| range.low <= range.high).collect();
    }
}

/// Whether there is uptake in a second image, and none in the images that contours lie on.
pub(super) fn has_the_uptake(own: &Volume, second: Option<&Volume>) -> bool {
    second.is_some_and(|second| second.unit.is_uptake()) && !own.unit.is_uptake()
}

/// A unit's name in the settings.
fn unit_name(unit: Unit) -> String {
    format!("{unit:?}").to_lowercase()
}
