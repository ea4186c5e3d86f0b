//! Which parts of the body a CT shows, by classical means: to suggest models, never to contour.
//!
//! Every centimetre along the body one slice is looked at on a grid of about 4 mm ([`section`]): the
//! size and shape of the body's cross-section, how much of it is air, how much bone, and how far out
//! the bone lies. Each region allows a range of these; a slice outside it costs. From the head down
//! the regions come in one order, so the cheapest way through all slices is found by dynamic
//! programming (Viterbi). What is short, or fits badly, is not reported: unknown is an answer.
//!
//! The ranges were set by hand on the CTs of `shared/data` (head and neck, chest, abdomen and pelvis,
//! two thighs); they are no statistics.

mod section;

use self::section::Section;
use super::orient::Oriented;
use crate::patient::{BodyRegion, Unit, Volume};
use crate::progress::{Cancelled, Progress};

/// Between the slices looked at, mm.
const STEP_MM: f64 = 10.0;
/// A region shorter than this is not reported, mm.
const SHORTEST_MM: f64 = 25.0;
/// A region that costs more than this a slice, in the mean, is not reported.
const WORST_FIT: f64 = 0.6;
/// What one feature of one slice costs at most: no single odd slice decides.
const DEAREST: f64 = 3.0;
/// What a change of region costs.
const CHANGE: f64 = 1.0;

/// What a CT shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeenRegions {
    /// The regions found, from the head down; empty when none is certain.
    pub regions: Vec<BodyRegion>,
    /// The box around all cross-sections, to the patient's left and to the back, mm; 0 without a body.
    pub body_mm: [f64; 2],
}

/// A range, and how far outside it costs 1.
struct Range(f64, f64, f64);

impl Range {
    fn cost(&self, value: f64) -> f64 {
        ((self.0 - value).max(value - self.1).max(0.0) / self.2).min(DEAREST)
    }
}

/// What cross-sections of a region look like.
struct Look {
    /// `None` for the shoulders, which are between neck and chest and belong to neither.
    region: Option<BodyRegion>,
    area_cm2: Range,
    /// Width to the side over depth.
    breadth: Range,
    /// Shares of the area, per cent.
    air: Range,
    bone: Range,
    /// Mean distance of bone from the middle, as a share of half the width.
    bone_out: Range,
    /// Bone in the outer two thirds of the width, per cent of the area.
    outer_bone: Range,
}

const ANY: Range = Range(f64::NEG_INFINITY, f64::INFINITY, 1.0);

/// The looks from the head down.
const LOOKS: [Look; 7] = [
    Look {
        region: Some(BodyRegion::Head),
        area_cm2: Range(70.0, 330.0, 60.0),
        breadth: Range(0.0, 1.15, 0.15),
        air: Range(0.0, 10.0, 4.0),
        bone: Range(10.0, 99.0, 3.0),
        bone_out: ANY,
        outer_bone: ANY,
    },
    Look {
        region: Some(BodyRegion::Neck),
        area_cm2: Range(60.0, 270.0, 60.0),
        breadth: Range(0.5, 1.6, 0.2),
        air: Range(0.0, 6.0, 3.0),
        bone: Range(4.0, 13.0, 3.0),
        bone_out: Range(0.0, 0.38, 0.1),
        outer_bone: ANY,
    },
    Look {
        region: None,
        area_cm2: Range(200.0, 800.0, 100.0),
        breadth: Range(1.5, 9.0, 0.2),
        air: Range(0.0, 5.0, 3.0),
        bone: Range(4.0, 16.0, 3.0),
        bone_out: Range(0.28, 1.0, 0.1),
        outer_bone: ANY,
    },
    Look {
        region: Some(BodyRegion::Chest),
        area_cm2: Range(280.0, 2000.0, 80.0),
        breadth: ANY,
        air: Range(8.0, 90.0, 4.0),
        bone: Range(1.0, 16.0, 4.0),
        bone_out: ANY,
        outer_bone: ANY,
    },
    Look {
        region: Some(BodyRegion::Abdomen),
        area_cm2: Range(380.0, 2000.0, 60.0),
        breadth: Range(1.1, 2.2, 0.2),
        air: Range(0.0, 8.0, 4.0),
        bone: Range(0.0, 5.0, 2.0),
        bone_out: ANY,
        outer_bone: Range(0.0, 1.8, 0.8),
    },
    Look {
        region: Some(BodyRegion::Pelvis),
        area_cm2: Range(380.0, 2000.0, 60.0),
        breadth: Range(1.3, 2.6, 0.2),
        air: Range(0.0, 5.0, 3.0),
        bone: Range(2.5, 12.0, 2.0),
        bone_out: ANY,
        outer_bone: Range(1.9, 12.0, 0.6),
    },
    Look {
        region: Some(BodyRegion::Legs),
        area_cm2: Range(50.0, 360.0, 60.0),
        breadth: Range(0.6, 2.6, 0.2),
        air: Range(0.0, 0.6, 0.5),
        bone: Range(1.0, 7.0, 1.5),
        bone_out: ANY,
        outer_bone: ANY,
    },
];

impl Look {
    fn cost(&self, section: &Section) -> f64 {
        self.area_cm2.cost(section.area_cm2)
            + self.breadth.cost(section.width_mm / section.depth_mm.max(1.0))
            + self.air.cost(section.air_percent)
            + self.bone.cost(section.bone_percent)
            + self.bone_out.cost(section.bone_out)
            + self.outer_bone.cost(section.outer_bone_percent)
    }
}

/// The regions that a CT shows. Anything but CT in Hounsfield units shows none that this can tell.
///
/// # Errors
/// [`Cancelled`] once someone has asked to stop.
pub fn seen_regions(volume: &Volume, progress: &Progress) -> Result<SeenRegions, Cancelled> {
    if volume.unit != Unit::Hu || volume.grid.is_empty() {
        return Ok(SeenRegions::default());
    }
    progress.set_step("Looking at the body");
    let oriented = Oriented::new(&volume.grid);
    let length_mm = as_f64(oriented.size[2]) * oriented.spacing_mm[2];
    let mut sections = Vec::new();
    let mut at_mm = length_mm - STEP_MM / 2.0;
    while at_mm > 0.0 {
        progress.set_fraction(1.0 - at_mm / length_mm)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a slice number")]
        let z = ((at_mm / oriented.spacing_mm[2]) as usize).min(oriented.size[2] - 1);
        sections.extend(section::of_slice(volume, &oriented, z));
        at_mm -= STEP_MM;
    }
    let (low, high) = sections.iter().fold(([f64::MAX; 2], [0.0_f64; 2]), |(low, high), section| {
        let two = |f: fn(f64, f64) -> f64, a: [f64; 2], b: [f64; 2]| [f(a[0], b[0]), f(a[1], b[1])];
        (two(f64::min, low, section.low_mm), two(f64::max, high, section.high_mm()))
    });
    let body_mm = [0, 1].map(|axis| (high[axis] - low[axis]).max(0.0));
    Ok(SeenRegions { regions: regions_of(&sections), body_mm })
}

/// The regions of cross-sections [`STEP_MM`] apart, from the head down.
fn regions_of(sections: &[Section]) -> Vec<BodyRegion> {
    let costs: Vec<[f64; 7]> =
        sections.iter().map(|section| LOOKS.each_ref().map(|look| look.cost(section))).collect();
    let path = cheapest(&costs);
    let mut regions = Vec::new();
    for (index, look) in LOOKS.iter().enumerate() {
        let own: Vec<f64> =
            path.iter().zip(&costs).filter(|(at, _)| **at == index).map(|(_, costs)| costs[index]).collect();
        let count = as_f64(own.len());
        if count * STEP_MM >= SHORTEST_MM && own.iter().sum::<f64>() <= WORST_FIT * count {
            regions.extend(look.region);
        }
    }
    regions
}

/// The cheapest way through the slices that never goes back up.
fn cheapest(costs: &[[f64; 7]]) -> Vec<usize> {
    let Some(first) = costs.first() else { return Vec::new() };
    let mut total = *first;
    let mut from: Vec<[usize; 7]> = Vec::new();
    for own in &costs[1..] {
        let mut next = [0.0; 7];
        let mut origin = [0; 7];
        for (look, next) in next.iter_mut().enumerate() {
            origin[look] = look;
            let mut best = total[look];
            for (above, cost) in total[..look].iter().enumerate() {
                if cost + CHANGE < best {
                    (best, origin[look]) = (cost + CHANGE, above);
                }
            }
            *next = best + own[look];
        }
        total = next;
        from.push(origin);
    }
    let mut at = (0..7).min_by(|a, b| total[*a].total_cmp(&total[*b])).unwrap_or(0);
    let mut path = vec![at];
    for origin in from.iter().rev() {
        at = origin[at];
        path.push(at);
    }
    path.reverse();
    path
}

#[expect(clippy::cast_precision_loss, reason = "slice and pixel counts")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
