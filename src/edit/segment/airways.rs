//! The trachea and what branches off it: growing through air, stopped before it breaks out.

use super::queue::Queue;
use super::source::{gaps, mask_on_slices, on_slices, traced};
use super::threshold::index_of;
use super::{OrganError, Source};
use crate::edit::algebra::Region;
use crate::geometry::Point3;
use crate::geometry::bits::Bits;
use crate::patient::{Unit, Volume, Voxels};
use crate::progress::{Cancelled, Progress};

/// Air in an airway of the neck or chest is below this, HU.
const SEED_HU: f32 = -800.0;
/// Growing never goes above this, HU.
const MOST_HU: f32 = -500.0;
/// The wall begins half way between air and soft tissue, HU.
const WALL_HU: f32 = -500.0;
/// Across missing slices, where no wall is seen, only air this pure on the other side is a lumen that
/// goes on, HU (mean of 3 x 3 pixels): the lung is denser.
const ACROSS_HU: f32 = -900.0;
/// The steps in which the limit is raised, HU.
const STEP_HU: f32 = 8.0;
/// An airway tree is no larger than this, cm3.
const MOST_CC: f64 = 200.0;
/// More than this much more in one step is a leak, cm3 and as a part of what there was.
const LEAK: (f64, f64) = (8.0, 0.25);
/// The cross-section of a trachea, mm2.
const SECTION_MM2: std::ops::RangeInclusive<f64> = 40.0..=800.0;
/// The least length of what is taken for a trachea, mm.
const LEAST_MM: f64 = 25.0;

/// The airways: the trachea and its branches as far as their air can be told from the lung.
///
/// Grows from `seed` (patient mm), or, without one, from what looks like a trachea: air of a
/// trachea's cross-section in consecutive slices, round, near the middle of `body`. Growing raises
/// its limit step by step and stops before the step that breaks out into the lung: Mori, Hasegawa,
/// Toriwaki, Anno and Katada, "Recognition of bronchus in three-dimensional X-ray CT images", ICPR
/// 1996. All limits are tried at once: each voxel is reached by the path whose greatest value is
/// least, and the volume by that value tells the leak. `body` has a value for each voxel of the
/// volume's grid; cavities belong to it. Up to 15 mm of missing slices are stepped over into pure air
/// and stay empty; growing ends at more.
///
/// # Errors
/// [`OrganError`] when the image is not CT, there is no airway, or someone asked to stop.
///
/// # Panics
/// When `body` has not one value a voxel.
pub fn airways(
    volume: &Volume,
    body: &[bool],
    seed: Option<Point3>,
    progress: &Progress,
) -> Result<Region, OrganError> {
    if volume.unit != Unit::Hu {
        return Err(OrganError::Unit);
    }
    let body = mask_on_slices(volume, body);
    let tree = tree(volume, &body, seed, progress)?.ok_or(OrganError::NoAirway)?;
    Ok(traced(volume, 0, [0; 2], &tree))
}

pub(super) fn hu(values: &Voxels, at: usize) -> f32 {
    match values {
        Voxels::I16(values) => f32::from(values[at]),
        Voxels::F32(values) => {
            if values[at].is_nan() {
                f32::from(i16::MIN)
            } else {
                values[at]
            }
        }
    }
}

/// The value of air or denser; what lies outside the scan is neither.
fn is_scanned(hu: f32) -> bool {
    hu > -1400.0
}

/// Air in the airways, on the slices; `None` without a seed.
pub(super) fn tree(
    volume: &Volume,
    body: &Bits,
    seed: Option<Point3>,
    progress: &Progress,
) -> Result<Option<Bits>, Cancelled> {
    progress.set_step("Following the airways");
    let source = Source::own(volume);
    let (values, size) = on_slices(volume);
    let seeds: Vec<usize> = match seed {
        Some(point) => {
            let at = index_of(volume, point, 0, size[2], &source.whole());
            at.into_iter().filter(|at| hu(values, *at) < MOST_HU && is_scanned(hu(values, *at))).collect()
        }
        None => trachea(volume, body),
    };
    if seeds.is_empty() {
        return Ok(None);
    }
    progress.set_fraction(0.3)?;
    Ok(Some(grown(volume, body, &seeds, progress)?))
}

#[expect(clippy::cast_possible_truncation, reason = "fewer voxels than 2^32")]
fn grown(volume: &Volume, body: &Bits, seeds: &[usize], progress: &Progress) -> Result<Bits, Cancelled> {
    let (values, size) = on_slices(volume);
    let [nx, ny, nz] = size;
    let missing: Vec<bool> = volume.slices.iter().map(|slice| slice.missing).collect();
    let narrow: Vec<[usize; 2]> =
        gaps(volume).iter().filter(|gap| gap.is_narrow).map(|gap| gap.ends).collect();
    // The slice to go to from `slice` instead of the missing one beside it.
    let across = |slice: usize, beside: usize| {
        narrow.iter().find_map(|[before, after]| match slice {
            _ if slice == *before && beside > slice => Some(*after),
            _ if slice == *after && beside < slice => Some(*before),
            _ => None,
        })
    };
    let pixel_mm2 = Source::own(volume).pixel_mm2();
    let thickness: Vec<f64> = (0..nz).map(|slice| volume.slice_thickness_mm(slice)).collect();
    let mut reached = vec![false; body.values.len()];
    let mut order: Vec<(f32, u32)> = Vec::new();
    let mut queue = Queue::new();
    // Costs count from a value below all air, so that they are never negative.
    let cost = |at: usize| hu(values, at) + 2000.0;
    for at in seeds {
        reached[*at] = true;
        queue.push(cost(*at), *at as u32);
    }
    let mut volume_cc = 0.0;
    while let Some((level, at)) = queue.pop() {
        if level > MOST_HU + 2000.0 || volume_cc > 2.0 * MOST_CC {
            break;
        }
        order.push((level - 2000.0, at));
        let at = at as usize;
        let here = [at % nx, at / nx % ny, at / (nx * ny)];
        volume_cc += pixel_mm2 * thickness[here[2]] / 1000.0;
        if order.len().is_multiple_of(65_536) {
            progress.set_fraction(0.3 + 0.6 * (volume_cc / (2.0 * MOST_CC)))?;
        }
        for (axis, by) in [1, nx, nx * ny].into_iter().enumerate() {
            let beside = [(here[axis] > 0).then(|| at - by), (here[axis] + 1 < size[axis]).then(|| at + by)];
            for mut to in beside.into_iter().flatten() {
                let slice = to / (nx * ny);
                if missing[slice] {
                    let Some(other) = across(here[2], slice) else { continue };
                    to = to % (nx * ny) + other * nx * ny;
                    if mean_around(values, to, size) > ACROSS_HU {
                        continue;
                    }
                }
                if body.values[to] && is_scanned(hu(values, to)) && !std::mem::replace(&mut reached[to], true)
                {
                    queue.push(cost(to).max(level), to as u32);
                }
            }
        }
    }
    let limit_hu = limit_of(&order, |at| pixel_mm2 * thickness[at as usize / (nx * ny)] / 1000.0);
    let mut bits = Bits::new(size);
    for (_, at) in order.iter().take_while(|(level, _)| *level <= limit_hu) {
        bits.values[*at as usize] = true;
    }
    // The rim of the lumen is mixed with its wall: one voxel more, up to half way.
    let core: Vec<usize> = (0..bits.values.len()).filter(|at| bits.values[*at]).collect();
    for at in core {
        let here = [at % nx, at / nx % ny];
        for (axis, by) in [1, nx].into_iter().enumerate() {
            let beside = [(here[axis] > 0).then(|| at - by), (here[axis] + 1 < size[axis]).then(|| at + by)];
            for to in beside.into_iter().flatten() {
                let value = hu(values, to);
                bits.values[to] |= value < WALL_HU && is_scanned(value) && body.values[to];
            }
        }
    }
    bits.fill_holes(usize::MAX);
    Ok(bits)
}

/// The mean of the scanned values among 3 x 3 pixels around a voxel of a slice.
fn mean_around(values: &Voxels, at: usize, [nx, ny, _]: [usize; 3]) -> f32 {
    let (i, j) = (at % nx, at / nx % ny);
    let row = |j: usize| (i.saturating_sub(1)..=(i + 1).min(nx - 1)).map(move |i| (i, j));
    let around = (j.saturating_sub(1)..=(j + 1).min(ny - 1)).flat_map(row);
    let slice = at - at % (nx * ny);
    let scanned = around.map(|(i, j)| hu(values, slice + j * nx + i)).filter(|own| is_scanned(*own));
    let (sum, count) = scanned.fold((0.0, 0.0), |(sum, count), own| (sum + own, count + 1.0));
    if count > 0.0 { sum / count } else { f32::INFINITY }
}

/// The highest limit before a leak, given the voxels in the order of the limit that reaches them.
fn limit_of(order: &[(f32, u32)], voxel_cc: impl Fn(u32) -> f64) -> f32 {
    let mut limit = order.first().map_or(-1000.0, |(level, _)| *level);
    let (mut at, mut before) = (0, 0.0);
    let mut started = false;
    while limit < MOST_HU {
        let next = limit + STEP_HU;
        let mut now = before;
        while let Some((_, voxel)) = order.get(at).filter(|(level, _)| *level <= next) {
            now += voxel_cc(*voxel);
            at += 1;
        }
        let more = now - before;
        // The trachea itself comes within a few steps: a leak comes after.
        if started && (more > LEAK.0 && more > before * LEAK.1 || now > MOST_CC) {
            break;
        }
        started |= now > 5.0 && more < now * LEAK.1;
        (limit, before) = (next, now);
        if at == order.len() {
            break;
        }
    }
    limit.min(MOST_HU)
}

/// A piece of air in one slice that may be a trachea.
#[derive(Debug, Clone)]
struct Section {
    slice: usize,
    low: [usize; 2],
    high: [usize; 2],
    at: usize,
    /// The length of the chain of sections that ends here, in slices, and where it goes on.
    length: usize,
    before: Option<usize>,
}

/// Voxels in what looks most like a trachea; none when nothing does.
fn trachea(volume: &Volume, body: &Bits) -> Vec<usize> {
    use rayon::prelude::*;
    let (values, size) = on_slices(volume);
    let [nx, ny, nz] = size;
    let source = Source::own(volume);
    let spacing = source.pixel_mm();
    let pixel_mm2 = source.pixel_mm2();
    let found: Vec<Vec<Section>> = (0..nz)
        .into_par_iter()
        .map(|slice| {
            if volume.slices[slice].missing {
                return Vec::new();
            }
            let from = slice * nx * ny;
            let own = &body.values[from..from + nx * ny];
            let (mut low, mut high) = (nx, 0);
            for row in own.chunks(nx) {
                low = low.min(row.iter().position(|inside| *inside).unwrap_or(nx));
                high = high.max(row.iter().rposition(|inside| *inside).unwrap_or(0));
            }
            let air = Bits {
                size: [nx, ny, 1],
                values: (0..nx * ny)
                    .map(|at| own[at] && hu(values, from + at) < SEED_HU && is_scanned(hu(values, from + at)))
                    .collect(),
            };
            sections(&air, slice, spacing, pixel_mm2, (low as f64, high as f64))
        })
        .collect();
    // Chains through consecutive slices.
    let mut all: Vec<Section> = Vec::new();
    let mut previous = 0..0;
    let mut best: Option<usize> = None;
    for slice in found {
        let start = all.len();
        for mut section in slice {
            for n in previous.clone() {
                let other = &all[n];
                let overlap = (0..2).all(|axis| {
                    section.low[axis] <= other.high[axis] && other.low[axis] <= section.high[axis]
                });
                if overlap && other.slice + 1 == section.slice && other.length >= section.length {
                    (section.length, section.before) = (other.length + 1, Some(n));
                }
            }
            all.push(section);
        }
        previous = start..all.len();
        for n in previous.clone() {
            if best.is_none_or(|best| all[n].length > all[best].length) {
                best = Some(n);
            }
        }
    }
    let length_mm = |end: &Section| -> f64 {
        let slices = end.slice + 1 - end.length..=end.slice;
        slices.map(|slice| volume.slice_thickness_mm(slice)).sum()
    };
    let Some(mut at) = best.filter(|best| length_mm(&all[*best]) >= LEAST_MM - 1e-6) else {
        return Vec::new();
    };
    let mut chain = vec![at];
    while let Some(before) = all[at].before {
        at = before;
        chain.push(at);
    }
    // Its ends may be something else that it overlaps with.
    let skip = chain.len() / 4;
    chain[skip..chain.len() - skip].iter().map(|n| all[*n].at).collect()
}

fn sections(
    air: &Bits,
    slice: usize,
    spacing_mm: [f64; 2],
    pixel_mm2: f64,
    (left, right): (f64, f64),
) -> Vec<Section> {
    let [nx, ny, _] = air.size;
    let pieces = air.pieces();
    let mut boxes = vec![([usize::MAX; 2], [0; 2], [0.0; 2]); pieces.len()];
    pieces.each_run(|piece, range| {
        let (y, x) = (range.start / nx, range.start % nx);
        let to = x + range.len() - 1;
        let (low, high, sum) = &mut boxes[piece];
        (low[0], low[1]) = (low[0].min(x), low[1].min(y));
        (high[0], high[1]) = (high[0].max(to), high[1].max(y));
        let count = range.len() as f64;
        (sum[0], sum[1]) = (sum[0] + count * f64::midpoint(x as f64, to as f64), sum[1] + count * y as f64);
    });
    boxes
        .into_iter()
        .enumerate()
        .filter_map(|(piece, (low, high, sum))| {
            let count = pieces.voxels(piece) as f64;
            let area = count * pixel_mm2;
            if !SECTION_MM2.contains(&area) {
                return None;
            }
            let wide = (high[0] + 1 - low[0]) as f64 * spacing_mm[0];
            let tall = (high[1] + 1 - low[1]) as f64 * spacing_mm[1];
            let middle = [sum[0] / count, sum[1] / count];
            let off = ((middle[0] - f64::midpoint(left, right)) / (right - left).max(1.0)).abs();
            let round = wide.max(tall) / wide.min(tall) < 2.2 && area > 0.55 * wide * tall;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "inside the slice")]
            let center = middle[0].round() as usize + nx * middle[1].round() as usize;
            let at = if air.values[center] { center } else { return None };
            (round && off < 0.2).then_some(Section {
                slice,
                low,
                high,
                at: at + slice * nx * ny,
                length: 1,
                before: None,
            })
        })
        .collect()
}
