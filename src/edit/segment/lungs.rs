//! The lungs: air inside the body, without the airways, left and right apart, vessels filled.

use super::airways::{hu, tree};
use super::queue::Queue;
use super::source::{gaps, mask_on_slices, on_slices, traced};
use super::{OrganError, Source};
use crate::edit::algebra::Region;
use crate::geometry::bits::Bits;
use crate::geometry::distance;
use crate::patient::{Unit, Volume};
use crate::progress::Progress;
use rayon::prelude::*;

/// Between lung and soft tissue, HU.
const LUNG_HU: f32 = -400.0;
/// Denser on the mean than this, or it is gas of the bowel, HU.
const GAS_HU: f64 = -965.0;
/// No piece below this is taken for a lung, cm3.
const LEAST_CC: f64 = 40.0;
/// A lung has at least this part of the other's volume, or the two hang together.
const LEAST_PART: f64 = 0.15;
/// Nothing larger is a vessel or a nodule, mm2.
const HOLE_MM2: f64 = 400.0;
/// A lung that faces more air than this across a wide gap may go on there, mm2.
const FACING_MM2: f64 = 100.0;
/// Half the widths of bridges between the lungs that are tried, mm.
const BRIDGES_MM: [f64; 7] = [1.0, 2.0, 3.0, 4.5, 6.0, 8.0, 11.0];

/// Which lung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum LungSide {
    /// Both.
    #[default]
    Both,
    /// The patient's left.
    Left,
    /// The patient's right.
    Right,
}

/// The lungs, or one of them.
///
/// Air (below -400 HU) inside `body` (a value for each voxel of the volume's grid, cavities included)
/// without the trachea and main bronchi ([`super::airways`]); the two largest pieces that are no gas of
/// the bowel; where they hang together, cut where the bridge is narrowest. Vessels, fissures and
/// nodules at the rim are filled by a closing with a disc of `close_mm` on each slice, inside also up
/// to 4 cm2. Left and right are the patient's, whatever the image's orientation. Pieces that face each
/// other across missing slices hang together up to 15 mm; those slices stay empty.
///
/// # Errors
/// [`OrganError`] when the image is not CT, there is no lung, a lung may go on beyond a wider gap, or
/// someone asked to stop.
///
/// # Panics
/// When `body` has not one value a voxel.
pub fn lungs(
    volume: &Volume,
    body: &[bool],
    side: LungSide,
    close_mm: f64,
    progress: &Progress,
) -> Result<Region, OrganError> {
    if volume.unit != Unit::Hu {
        return Err(OrganError::Unit);
    }
    let body = mask_on_slices(volume, body);
    let tree = tree(volume, &body, None, &progress.part(0.0, 0.4))?;
    progress.set_step("Finding the lungs");
    let source = Source::own(volume);
    let [across, down] = source.pixel_mm();
    let spacing = [across, down, 1.0];
    let walls = tree.map(|tree| tree.grown_in_slices(across * 1.5, spacing));
    let (values, size) = on_slices(volume);
    let plane = (size[0] * size[1]).max(1);
    let mut air = Bits::new(size);
    air.values.par_iter_mut().enumerate().for_each(|(at, own)| {
        let value = hu(values, at);
        *own = body.values[at]
            && !volume.slices[at / plane].missing
            && value < LUNG_HU
            && value > -1400.0
            && walls.as_ref().is_none_or(|walls| !walls.values[at]);
    });
    progress.set_fraction(0.5)?;
    let gaps = gaps(volume);
    // Only for what hangs together.
    let mut joined = air.clone();
    for [before, after] in gaps.iter().filter(|gap| gap.is_narrow).map(|gap| gap.ends) {
        for at in 0..plane {
            let both = air.values[before * plane + at] && air.values[after * plane + at];
            (before + 1..after).for_each(|slice| joined.values[slice * plane + at] = both);
        }
    }
    let mut lungs = apart(volume, &joined)?;
    drop(joined);
    for lung in &mut lungs {
        for (slice, own) in lung.values.chunks_mut(plane).zip(&volume.slices) {
            if own.missing {
                slice.fill(false);
            }
        }
        for [before, after] in gaps.iter().filter(|gap| !gap.is_narrow).map(|gap| gap.ends) {
            let facing = (0..plane).map(|at| [before * plane + at, after * plane + at]).filter(|ends| {
                ends.iter().all(|at| air.values[*at]) && lung.values[ends[0]] != lung.values[ends[1]]
            });
            if facing.count() as f64 * source.pixel_mm2() > FACING_MM2 {
                return Err(OrganError::Gap);
            }
        }
    }
    let [left, right] = lungs;
    drop(air);
    progress.set_fraction(0.7)?;
    let mut own = Bits::new(size);
    let most = HOLE_MM2 / source.pixel_mm2();
    for (lung, other, wanted) in [(&left, &right, LungSide::Left), (&right, &left, LungSide::Right)] {
        if side != LungSide::Both && side != wanted {
            continue;
        }
        let mut closed = if close_mm > 0.0 { lung.closed_in_slices(close_mm, spacing) } else { lung.clone() };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of pixels")]
        closed.fill_holes(most as usize);
        for (at, own) in own.values.iter_mut().enumerate() {
            let taken = other.values[at]
                || !body.values[at]
                || walls.as_ref().is_some_and(|walls| walls.values[at] && !lung.values[at]);
            *own |= closed.values[at] && !taken;
        }
        progress.check()?;
    }
    progress.set_fraction(0.9)?;
    Ok(traced(volume, 0, [0; 2], &own))
}

/// The left and the right lung among pieces of air; one of them may be empty.
fn apart(volume: &Volume, air: &Bits) -> Result<[Bits; 2], OrganError> {
    let (values, size) = on_slices(volume);
    let source = Source::own(volume);
    let pieces = air.pieces();
    let thickness: Vec<f64> = (0..size[2]).map(|slice| volume.slice_thickness_mm(slice)).collect();
    let volumes = pieces.volumes_cc(&thickness, source.pixel_mm2());
    // The sum and the number of the values there are.
    let mut sums = vec![(0.0_f64, 0_usize); pieces.len()];
    let plane = (size[0] * size[1]).max(1);
    pieces.each_run(|piece, range| {
        if volumes[piece] >= LEAST_CC && !volume.slices[range.start / plane].missing {
            sums[piece].1 += range.len();
            sums[piece].0 += range.map(|at| f64::from(hu(values, at))).sum::<f64>();
        }
    });
    let mut lungs: Vec<usize> = (0..pieces.len())
        .filter(|piece| volumes[*piece] >= LEAST_CC && sums[*piece].0 / sums[*piece].1 as f64 > GAS_HU)
        .collect();
    lungs.sort_by(|a, b| volumes[*b].total_cmp(&volumes[*a]));
    let Some(first) = lungs.first().copied() else { return Err(OrganError::NoLung) };
    let middle = |bits: &Bits| along_left(volume, bits);
    let one = pieces.chosen(|piece| piece == first);
    let second = lungs.get(1).copied().filter(|second| volumes[*second] >= volumes[first] * LEAST_PART);
    let two = match second {
        Some(second) => Some([one.clone(), pieces.chosen(|piece| piece == second)]),
        None => cut(&one, source.pixel_mm(), &source.gaps_mm(0, one.size[2])),
    };
    let Some([a, b]) = two else {
        // One lung in the image: its side by which half of the image it lies in.
        let empty = Bits::new(size);
        let is_left = middle(&one) > volume.grid.center_mm().x;
        return Ok(if is_left { [one, empty] } else { [empty, one] });
    };
    Ok(if middle(&a) > middle(&b) { [a, b] } else { [b, a] })
}

/// The mean patient x (to the left) of a set, mm.
fn along_left(volume: &Volume, bits: &Bits) -> f64 {
    let [nx, ny, _] = bits.size;
    let steps = [volume.grid.step_mm(0).x, volume.grid.step_mm(1).x];
    let (mut sum, mut count) = (0.0, 0.0);
    for (row, values) in bits.values.chunks(nx.max(1)).enumerate() {
        let origin = volume.slices[row / ny].origin_mm.x + steps[1] * (row % ny) as f64;
        for (i, _) in values.iter().enumerate().filter(|(_, own)| **own) {
            sum += origin + steps[0] * i as f64;
            count += 1.0;
        }
    }
    if count > 0.0 { sum / count } else { f64::NAN }
}

/// Two halves of a set joined by a bridge; `None` when no bridge is narrow enough. Looked for on every
/// second pixel of every second row.
fn cut(one: &Bits, pixel_mm: [f64; 2], gaps_mm: &[f64]) -> Option<[Bits; 2]> {
    let [nx, ny, nz] = one.size;
    let size = [nx.div_ceil(2), ny.div_ceil(2), nz];
    let fine = |at: usize| {
        let (x, y, z) = (at % size[0], at / size[0] % size[1], at / (size[0] * size[1]));
        2 * x + nx * (2 * y + ny * z)
    };
    let coarse = Bits { size, values: (0..size.iter().product()).map(|at| one.values[fine(at)]).collect() };
    let outside: Vec<bool> = coarse.values.iter().map(|inside| !inside).collect();
    let depth = distance::to_nearest_on_slices(&outside, size, pixel_mm.map(|mm| mm * 2.0), gaps_mm);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count")]
    let least = (coarse.count() as f64 * LEAST_PART) as usize;
    for half_mm in BRIDGES_MM {
        let core = Bits { size, values: depth.iter().map(|mm| f64::from(*mm) > half_mm).collect() };
        let pieces = core.pieces();
        let mut large: Vec<usize> =
            (0..pieces.len()).filter(|piece| pieces.voxels(*piece) >= least).collect();
        large.sort_by_key(|piece| std::cmp::Reverse(pieces.voxels(*piece)));
        if let [a, b, ..] = large[..] {
            let mut cores = [Bits::new(one.size), Bits::new(one.size)];
            pieces.each_run(|piece, range| {
                let to = usize::from(piece != a);
                if piece == a || piece == b {
                    range.for_each(|at| cores[to].values[fine(at)] = true);
                }
            });
            return Some(shared(one, cores, pixel_mm, gaps_mm));
        }
        if large.is_empty() {
            break;
        }
    }
    None
}

/// Every voxel of a set to the core that the shorter way through the set leads to.
#[expect(clippy::cast_possible_truncation, reason = "fewer voxels than 2^32; millimetres")]
fn shared(one: &Bits, cores: [Bits; 2], pixel_mm: [f64; 2], gaps_mm: &[f64]) -> [Bits; 2] {
    let [nx, ny, _] = one.size;
    let mut length = vec![f32::INFINITY; one.values.len()];
    let mut queue = Queue::new();
    let [mut a, mut b] = cores;
    for (at, length) in length.iter_mut().enumerate().filter(|(at, _)| a.values[*at] || b.values[*at]) {
        *length = 0.0;
        queue.push(0.0, at as u32);
    }
    while let Some((so_far, at)) = queue.pop() {
        let at = at as usize;
        if so_far > length[at] {
            continue;
        }
        let here = [at % nx, at / nx % ny, at / (nx * ny)];
        for (axis, by) in [1, nx, nx * ny].into_iter().enumerate() {
            let step = |gap: usize| {
                let through = gaps_mm.get(gap).copied().unwrap_or(0.0);
                [pixel_mm[0], pixel_mm[1], through][axis] as f32
            };
            let beside = [
                (here[axis] > 0).then(|| (at - by, step(here[2].wrapping_sub(1)))),
                (here[axis] + 1 < one.size[axis]).then(|| (at + by, step(here[2]))),
            ];
            for (to, mm) in beside.into_iter().flatten() {
                let total = so_far + mm;
                if one.values[to] && total < length[to] {
                    length[to] = total;
                    (a.values[to], b.values[to]) = (a.values[at], b.values[at]);
                    queue.push(total, to as u32);
                }
            }
        }
    }
    [a, b]
}
