//! One cross-section of the body: its size, and what it is made of.

use super::as_f64;
use crate::ai::orient::Oriented;
use crate::patient::Volume;

/// Between air and skin, HU.
const SKIN_HU: f32 = -350.0;
/// Lung and bowel gas lie below, HU.
const AIR_HU: f32 = -600.0;
/// Bone lies above, HU.
const BONE_HU: f32 = 250.0;
/// The pixel of the coarse grid, mm.
const PIXEL_MM: f64 = 4.0;
/// How far thin parts grow back from what is thick, pixels.
const REGROWN: usize = 12;
/// A piece smaller than this share of the largest is not the body.
const PIECE: f64 = 0.2;

/// A cross-section.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Section {
    pub area_cm2: f64,
    pub width_mm: f64,
    pub depth_mm: f64,
    /// The corner of its box nearest to the patient's right and front, from the scan's corner, mm.
    pub low_mm: [f64; 2],
    pub air_percent: f64,
    pub bone_percent: f64,
    pub bone_out: f64,
    pub outer_bone_percent: f64,
}

impl Section {
    pub(super) fn high_mm(&self) -> [f64; 2] {
        [self.low_mm[0] + self.width_mm, self.low_mm[1] + self.depth_mm]
    }
}

/// The body on oriented slice `z`; `None` when there is none.
pub(super) fn of_slice(volume: &Volume, oriented: &Oriented, z: usize) -> Option<Section> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few voxels")]
    let step = [0, 1].map(|axis| ((PIXEL_MM / oriented.spacing_mm[axis]).round() as usize).max(1));
    let size = [0, 1].map(|axis| oriented.size[axis].div_ceil(step[axis]));
    let pixel_mm = [0, 1].map(|axis| as_f64(step[axis]) * oriented.spacing_mm[axis]);
    let mut hu = Vec::with_capacity(size[0] * size[1]);
    for y in 0..size[1] {
        for x in 0..size[0] {
            let value = volume.voxels.value(oriented.index([x * step[0], y * step[1], z]));
            hu.push(value.unwrap_or(f32::MIN));
        }
    }
    let padding = padding(&hu, size);
    hu.iter_mut().zip(padding).filter(|(_, is_padding)| *is_padding).for_each(|(value, _)| *value = f32::MIN);
    let dense: Vec<bool> = hu.iter().map(|value| *value > SKIN_HU).collect();
    let body = filled(&regrown(largest(&opened(&dense, size), size), &dense, size), size);
    let inside = || body.iter().enumerate().filter(|(_, inside)| **inside).map(|(at, _)| at);
    let count = inside().count();
    if count == 0 {
        return None;
    }
    let (mut low, mut high) = (size, [0, 0]);
    for at in inside() {
        let own = [at % size[0], at / size[0]];
        for axis in 0..2 {
            low[axis] = low[axis].min(own[axis]);
            high[axis] = high[axis].max(own[axis] + 1);
        }
    }
    let side = |axis: usize| as_f64(high[axis] - low[axis]);
    let (middle, half) = (as_f64(low[0]) + (side(0) - 1.0) / 2.0, side(0) / 2.0);
    let percent = |pixels: usize| 100.0 * as_f64(pixels) / as_f64(count);
    let out: Vec<f64> = inside()
        .filter(|at| hu[*at] > BONE_HU)
        .map(|at| (as_f64(at % size[0]) - middle).abs() / half)
        .collect();
    Some(Section {
        area_cm2: as_f64(count) * pixel_mm[0] * pixel_mm[1] / 100.0,
        width_mm: side(0) * pixel_mm[0],
        depth_mm: side(1) * pixel_mm[1],
        low_mm: [0, 1].map(|axis| as_f64(low[axis]) * pixel_mm[axis]),
        air_percent: percent(inside().filter(|at| hu[*at] < AIR_HU).count()),
        bone_percent: percent(out.len()),
        bone_out: if out.is_empty() { 0.0 } else { out.iter().sum::<f64>() / as_f64(out.len()) },
        outer_bone_percent: percent(out.iter().filter(|out| **out > 0.35).count()),
    })
}

/// The pixels that hang together with the corners and have their one value, as dense as tissue: what some
/// converters write outside the circle of reconstruction. None where the corners were measured.
#[expect(clippy::float_cmp, reason = "padding is one and the same stored value")]
fn padding(hu: &[f32], size: [usize; 2]) -> Vec<bool> {
    let corners = [0, size[0] - 1, hu.len() - size[0], hu.len() - 1];
    let value = hu[0];
    if value <= SKIN_HU || corners.iter().any(|at| hu[*at] != value) {
        return vec![false; hu.len()];
    }
    let alike: Vec<bool> = hu.iter().map(|own| *own == value).collect();
    let (number, _) = pieces(&alike, size);
    let outside = corners.map(|at| number[at]);
    number.into_iter().map(|number| outside.contains(&number)).collect()
}

/// The neighbours of a pixel, `None` beyond the edge.
fn neighbours(at: usize, [nx, ny]: [usize; 2]) -> [Option<usize>; 4] {
    let (x, y) = (at % nx, at / nx);
    [
        (x > 0).then(|| at - 1),
        (x + 1 < nx).then(|| at + 1),
        (y > 0).then(|| at - nx),
        (y + 1 < ny).then(|| at + nx),
    ]
}

/// Without what is at most two pixels thin: couch, mask, cables.
fn opened(mask: &[bool], size: [usize; 2]) -> Vec<bool> {
    let holds = |mask: &[bool], at: usize| neighbours(at, size).into_iter().flatten().all(|n| mask[n]);
    let eroded: Vec<bool> = (0..mask.len()).map(|at| mask[at] && holds(mask, at)).collect();
    (0..mask.len())
        .map(|at| eroded[at] || neighbours(at, size).into_iter().flatten().any(|n| eroded[n]))
        .collect()
}

/// The pieces of `mask` connected along the axes: a number for each pixel (0: none), and sizes.
fn pieces(mask: &[bool], size: [usize; 2]) -> (Vec<usize>, Vec<usize>) {
    let (mut number, mut sizes) = (vec![0; mask.len()], Vec::new());
    let mut queue = Vec::new();
    for start in 0..mask.len() {
        if !mask[start] || number[start] != 0 {
            continue;
        }
        sizes.push(0);
        number[start] = sizes.len();
        queue.push(start);
        while let Some(at) = queue.pop() {
            sizes[number[start] - 1] += 1;
            for next in neighbours(at, size).into_iter().flatten() {
                if mask[next] && number[next] == 0 {
                    number[next] = number[start];
                    queue.push(next);
                }
            }
        }
    }
    (number, sizes)
}

/// The largest piece, and others not much smaller (two legs, arms).
fn largest(mask: &[bool], size: [usize; 2]) -> Vec<bool> {
    let (number, sizes) = pieces(mask, size);
    let least = PIECE * as_f64(sizes.iter().copied().max().unwrap_or(0));
    number.into_iter().map(|number| number > 0 && as_f64(sizes[number - 1]) >= least).collect()
}

/// With what [`opened`] took of `dense` within [`REGROWN`] pixels: where the chest wall is thin, the
/// lung would lie open.
fn regrown(mut mask: Vec<bool>, dense: &[bool], size: [usize; 2]) -> Vec<bool> {
    for _ in 0..REGROWN {
        let grown = |at: usize| {
            mask[at] || dense[at] && neighbours(at, size).into_iter().flatten().any(|next| mask[next])
        };
        mask = (0..mask.len()).map(grown).collect();
    }
    mask
}

/// With everything that is closed in.
fn filled(mask: &[bool], size: [usize; 2]) -> Vec<bool> {
    let empty: Vec<bool> = mask.iter().map(|inside| !inside).collect();
    let (number, sizes) = pieces(&empty, size);
    let mut open = vec![false; sizes.len() + 1];
    for (at, number) in number.iter().enumerate() {
        open[*number] |= neighbours(at, size).contains(&None);
    }
    mask.iter().zip(number).map(|(inside, number)| *inside || !open[number]).collect()
}
