//! Margins outward and inward, different in six directions; walls and rings.
//!
//! The solid of slabs is grown by an ellipsoid of eight octants, one for each choice of directions.
//! At height h above a slab (0 within it) its section is the ellipse of the plane's own directions
//! scaled by sqrt(1 - (h / r)^2), r being the margin across the slices; so a target slice holds the
//! union of the neighbouring slices' contours, each grown in the plane by its own ellipse. Inward is
//! the outward margin, directions reversed, of everything else within the series.

use super::{AlgebraError, MARGIN_TOLERANCE_MM, Region, SetRule, combined};
use crate::geometry::offset::{self, Reach};
use crate::geometry::{Plane, Polygon, Vector3};
use crate::patient::Volume;
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Distances in the six directions of the patient, mm, none negative. On oblique series each axis
/// of the grid takes the pair of directions that it is nearest to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margin {
    /// Towards the patient's left.
    pub left_mm: f64,
    /// Towards the patient's right.
    pub right_mm: f64,
    /// Towards the patient's front.
    pub anterior_mm: f64,
    /// Towards the patient's back.
    pub posterior_mm: f64,
    /// Towards the head.
    pub superior_mm: f64,
    /// Towards the feet.
    pub inferior_mm: f64,
}

impl Margin {
    /// The same distance in all directions.
    #[must_use]
    pub fn uniform(distance_mm: f64) -> Self {
        Self::from_array([distance_mm; 6])
    }

    /// Left, right, anterior, posterior, superior, inferior; what is negative or no number is 0.
    #[must_use]
    pub fn from_array(distances_mm: [f64; 6]) -> Self {
        let [left_mm, right_mm, anterior_mm, posterior_mm, superior_mm, inferior_mm] =
            distances_mm.map(|distance| if distance > 0.0 { distance } else { 0.0 });
        Self { left_mm, right_mm, anterior_mm, posterior_mm, superior_mm, inferior_mm }
    }

    /// Left, right, anterior, posterior, superior, inferior.
    #[must_use]
    pub fn to_array(self) -> [f64; 6] {
        [self.left_mm, self.right_mm, self.anterior_mm, self.posterior_mm, self.superior_mm, self.inferior_mm]
    }

    /// The largest of the six, mm.
    #[must_use]
    pub fn largest_mm(self) -> f64 {
        self.to_array().into_iter().fold(0.0, f64::max)
    }

    fn on(self, plane: &Plane) -> OnSlices {
        // Towards + and - of patient x, y and z (left, back, head).
        let [left, right, anterior, posterior, superior, inferior] = self.to_array();
        let patient = [(left, right), (posterior, anterior), (superior, inferior)];
        let axes = [plane.u(), plane.v(), plane.normal()];
        let fit = |order: &[usize; 3]| -> f64 { (0..3).map(|n| axes[n][order[n]].abs()).sum() };
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let order = orders.into_iter().max_by(|a, b| fit(a).total_cmp(&fit(b))).unwrap_or([0, 1, 2]);
        let along = |n: usize, axis: &Vector3| {
            let (plus, minus) = patient[order[n]];
            if axis[order[n]] >= 0.0 { (plus, minus) } else { (minus, plus) }
        };
        let ((right_mm, left_mm), (up_mm, down_mm)) = (along(0, &axes[0]), along(1, &axes[1]));
        let (above_mm, below_mm) = along(2, &axes[2]);
        OnSlices { reach: Reach { right_mm, left_mm, up_mm, down_mm }, above_mm, below_mm }
    }
}

/// A margin along the axes of a stack of slices.
struct OnSlices {
    reach: Reach,
    above_mm: f64,
    below_mm: f64,
}

impl OnSlices {
    fn reversed(self) -> Self {
        Self { reach: self.reach.reversed(), above_mm: self.below_mm, below_mm: self.above_mm }
    }

    /// What the contours of slice `from` grow by on slice `to`; `None` where they do not reach it.
    fn between(&self, volume: &Volume, from: usize, to: usize) -> Option<Reach> {
        let offset = |index: usize| volume.slices[index].plane.offset_mm();
        let (below, above) = volume.slab_of(from);
        let (height, across) = if to >= from {
            (offset(to) - offset(from) - above, self.above_mm)
        } else {
            (offset(from) - offset(to) - below, self.below_mm)
        };
        if height <= 0.0 {
            return Some(self.reach);
        }
        // What only touches the plane does not reach it.
        if height >= across - 1e-6 {
            return None;
        }
        Some(self.reach.scaled((1.0 - (height / across).powi(2)).sqrt()))
    }

    /// The slices near `to` whose contours reach it, with what they grow by.
    fn reaching(&self, volume: &Volume, to: usize) -> Vec<(usize, Reach)> {
        let below = (0..to).rev().map_while(|from| Some((from, self.between(volume, from, to)?)));
        let above = (to..volume.slices.len()).map_while(|from| Some((from, self.between(volume, from, to)?)));
        below.chain(above).collect()
    }
}

/// `region` grown by `margin`, on the slices `from..=to` of `volume` only (all of them for
/// `(0, usize::MAX)`).
///
/// # Errors
/// [`Cancelled`].
pub fn expanded(
    region: &Region,
    volume: &Volume,
    margin: Margin,
    (from, to): (usize, usize),
    progress: &Progress,
) -> Result<Region, AlgebraError> {
    let Some(base) = volume.base_plane() else { return Ok(Region::default()) };
    let on_slices = margin.on(&base);
    let targets: Vec<(usize, Vec<(usize, Reach)>)> = (from..volume.slices.len().min(to.saturating_add(1)))
        .filter(|target| !volume.slices[*target].missing)
        .map(|target| {
            let mut parts = on_slices.reaching(volume, target);
            parts.retain(|(index, _)| !region.on(*index).is_empty());
            (target, parts)
        })
        .filter(|(_, parts)| !parts.is_empty())
        .collect();
    // A slice grows by the same for the slices as far above as below: once is enough.
    let mut wanted: BTreeMap<Growth, Reach> = BTreeMap::new();
    wanted.extend(targets.iter().flat_map(|(_, parts)| parts).map(|part| (growth_of(part), part.1)));
    let grown: BTreeMap<Growth, Vec<Polygon>> = wanted
        .into_par_iter()
        .map(|(key, reach)| {
            progress.check()?;
            Ok((key, offset::grown_alone(region.on(key.0), reach, MARGIN_TOLERANCE_MM)))
        })
        .collect::<Result<_, Cancelled>>()?;
    let done = targets
        .par_iter()
        .map(|(target, parts)| {
            progress.check()?;
            let parts: Vec<&[Polygon]> =
                parts.iter().map(|part| grown[&growth_of(part)].as_slice()).collect();
            Ok((*target, offset::united(&parts, MARGIN_TOLERANCE_MM)))
        })
        .collect::<Result<Vec<_>, Cancelled>>()?;
    Ok(Region::from_slices(done))
}

/// A slice and what it grows by.
type Growth = (usize, [i64; 4]);

/// Reaches that differ by less than rounding are one: in steps of 1e-9 mm.
fn growth_of((index, reach): &(usize, Reach)) -> Growth {
    #[expect(clippy::cast_possible_truncation, reason = "at most 2e11")]
    let steps = |mm: f64| (mm * 1e9).round() as i64;
    let Reach { right_mm, left_mm, up_mm, down_mm } = *reach;
    (*index, [right_mm, left_mm, up_mm, down_mm].map(steps))
}

/// `region` shrunk by `margin`, on the slices `from..=to` of `volume` only: the border moves inwards
/// by `left_mm` on the left side, and so on. Missing slices neither shrink nor keep anything.
///
/// # Errors
/// [`Cancelled`].
pub fn contracted(
    region: &Region,
    volume: &Volume,
    margin: Margin,
    (from, to): (usize, usize),
    progress: &Progress,
) -> Result<Region, AlgebraError> {
    let Some(base) = volume.base_plane() else { return Ok(Region::default()) };
    let margin = margin.on(&base);
    // Everything else grows towards the region: from above it comes down by what the top gives way.
    let others = margin.reversed();
    let targets: Vec<usize> =
        region.slices().map(|(index, _)| index).filter(|index| (from..=to).contains(index)).collect();
    let done = targets
        .par_iter()
        .map(|target| {
            progress.check()?;
            let parts: Vec<(&[Polygon], Reach)> = others
                .reaching(volume, *target)
                .into_iter()
                .filter(|(index, _)| !volume.slices[*index].missing)
                .map(|(index, reach)| (region.on(index), reach.reversed()))
                .collect();
            Ok((*target, offset::shrunk(region.on(*target), &parts, MARGIN_TOLERANCE_MM)))
        })
        .collect::<Result<Vec<_>, Cancelled>>()?;
    Ok(Region::from_slices(done))
}

/// The wall of a region: what lies within `outer_mm` outside and `inner_mm` inside of its surface.
///
/// # Errors
/// [`Cancelled`].
pub fn wall(
    region: &Region,
    volume: &Volume,
    (inner_mm, outer_mm): (f64, f64),
    window: (usize, usize),
    progress: &Progress,
) -> Result<Region, AlgebraError> {
    let whole = expanded(region, volume, Margin::uniform(outer_mm), window, &progress.part(0.0, 0.5))?;
    let core = contracted(region, volume, Margin::uniform(inner_mm), window, &progress.part(0.5, 1.0))?;
    Ok(combined(SetRule::Subtraction, &[&whole, &core]))
}

/// The shell around a region that begins `gap_mm` outside of its surface and is `width_mm` wide.
///
/// # Errors
/// [`Cancelled`].
pub fn ring_around(
    region: &Region,
    volume: &Volume,
    (gap_mm, width_mm): (f64, f64),
    window: (usize, usize),
    progress: &Progress,
) -> Result<Region, AlgebraError> {
    let whole =
        expanded(region, volume, Margin::uniform(gap_mm + width_mm), window, &progress.part(0.0, 0.5))?;
    let core = if gap_mm > 0.0 {
        expanded(region, volume, Margin::uniform(gap_mm), window, &progress.part(0.5, 1.0))?
    } else {
        region.clone()
    };
    Ok(combined(SetRule::Subtraction, &[&whole, &core]))
}
