//! Pieces and holes in three dimensions: what hangs together across slices.
//!
//! Two pieces on neighbouring slices hang together where they overlap: the slabs share that area.
//! A missing slice separates.

use super::Region;
use super::region::area;
use crate::geometry::{Polygon, clip};
use crate::patient::Volume;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Whether two pieces share area.
fn overlap(a: &Polygon, b: &Polygon) -> bool {
    let (Some((a_low, a_high)), Some((b_low, b_high))) = (a.bounds(), b.bounds()) else { return false };
    if a_low.x > b_high.x || b_low.x > a_high.x || a_low.y > b_high.y || b_low.y > a_high.y {
        return false;
    }
    let probe =
        |a: &Polygon, b: &Polygon| a.outer.iter().step_by(a.outer.len() / 16 + 1).any(|p| b.contains(*p));
    probe(a, b)
        || probe(b, a)
        || !clip::intersection(std::slice::from_ref(a), std::slice::from_ref(b)).is_empty()
}

/// The groups of pieces that hang together; a piece is (slice, index on the slice).
fn groups(region: &Region) -> Vec<Vec<(usize, usize)>> {
    let nodes: Vec<(usize, usize)> =
        region.slices().flat_map(|(slice, own)| (0..own.len()).map(move |n| (slice, n))).collect();
    let number: BTreeMap<(usize, usize), usize> =
        nodes.iter().enumerate().map(|(n, node)| (*node, n)).collect();
    let links: Vec<(usize, usize)> = nodes
        .par_iter()
        .flat_map_iter(|(slice, n)| {
            let own = &region.on(*slice)[*n];
            let above = region.on(slice + 1).iter().enumerate();
            let met = above.filter(|(_, other)| overlap(own, other));
            met.map(|(other, _)| (number[&(*slice, *n)], number[&(slice + 1, other)])).collect::<Vec<_>>()
        })
        .collect();
    let mut root: Vec<usize> = (0..nodes.len()).collect();
    for (a, b) in links {
        let (a, b) = (find(&mut root, a), find(&mut root, b));
        root[a.max(b)] = a.min(b);
    }
    let mut groups: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
    for (n, node) in nodes.into_iter().enumerate() {
        groups.entry(find(&mut root, n)).or_default().push(node);
    }
    groups.into_values().collect()
}

fn find(root: &mut [usize], mut at: usize) -> usize {
    while root[at] != at {
        root[at] = root[root[at]];
        at = root[at];
    }
    at
}

fn part(region: &Region, group: &[(usize, usize)]) -> Region {
    let mut slices: BTreeMap<usize, Vec<Polygon>> = BTreeMap::new();
    for (slice, n) in group {
        slices.entry(*slice).or_default().push(region.on(*slice)[*n].clone());
    }
    Region::from_slices(slices)
}

/// The pieces of a region, the largest volume first; together they are the region, bit by bit.
#[must_use]
pub fn pieces(region: &Region, volume: &Volume) -> Vec<Region> {
    let mut parts: Vec<(f64, Region)> = groups(region)
        .iter()
        .map(|group| part(region, group))
        .map(|part| (part.volume_mm3(volume), part))
        .collect();
    parts.sort_by(|a, b| b.0.total_cmp(&a.0));
    parts.into_iter().map(|(_, part)| part).collect()
}

/// The piece of the largest volume; nothing of nothing.
#[must_use]
pub fn largest_piece(region: &Region, volume: &Volume) -> Region {
    pieces(region, volume).into_iter().next().unwrap_or_default()
}

/// The region without its pieces of less than `least_mm3`.
#[must_use]
pub fn without_small_pieces(region: &Region, volume: &Volume, least_mm3: f64) -> Region {
    let mut slices: BTreeMap<usize, Vec<Polygon>> = BTreeMap::new();
    for part in pieces(region, volume).into_iter().filter(|part| part.volume_mm3(volume) >= least_mm3) {
        for (slice, own) in part.slices() {
            slices.entry(slice).or_default().extend_from_slice(own);
        }
    }
    Region::from_slices(slices)
}

/// The region with every hole of every slice filled, tunnels included.
#[must_use]
pub fn holes_removed(region: &Region) -> Region {
    let fill = |own: &[Polygon]| {
        if own.iter().all(|piece| piece.holes.is_empty()) {
            return own.to_vec();
        }
        // A piece in another's hole goes with the hole.
        clip::union_all(own.iter().map(|piece| Polygon::from_outer(piece.outer.clone())))
    };
    Region::from_slices(region.slices().map(|(slice, own)| (slice, fill(own))))
}

/// The region with its cavities filled: hollows that no path through the slabs leads out of, neither
/// in a slice nor across slices. A hollow open towards a missing slice or the end of the series
/// stays, for what lies there is not known.
#[must_use]
pub fn cavities_filled(region: &Region, volume: &Volume) -> Region {
    // The hollows of each slice: what its outlines enclose without being part of them.
    let hollows = Region::from_slices(region.slices().map(|(slice, own)| {
        if own.iter().all(|piece| piece.holes.is_empty()) {
            return (slice, Vec::new());
        }
        let filled = clip::union_all(own.iter().map(|piece| Polygon::from_outer(piece.outer.clone())));
        (slice, clip::difference(&filled, own))
    }));
    let is_open_to = |own: &Polygon, neighbour: Option<usize>| {
        let Some(neighbour) = neighbour.filter(|n| volume.slices.get(*n).is_some_and(|s| !s.missing)) else {
            return true;
        };
        // Open where the neighbour has neither the region nor a hollow of its own.
        let own = std::slice::from_ref(own);
        let rest = clip::difference(&clip::difference(own, region.on(neighbour)), hollows.on(neighbour));
        area(&rest) > 1e-3
    };
    let mut filled: BTreeMap<usize, Vec<Polygon>> = BTreeMap::new();
    for group in groups(&hollows) {
        let is_open = group.par_iter().any(|(slice, n)| {
            let own = &hollows.on(*slice)[*n];
            is_open_to(own, slice.checked_sub(1)) || is_open_to(own, Some(slice + 1))
        });
        if !is_open {
            for (slice, n) in group {
                filled.entry(slice).or_default().push(hollows.on(slice)[n].clone());
            }
        }
    }
    Region::from_slices(region.slices().map(|(slice, own)| {
        let closed = filled.get(&slice).map_or(&[][..], Vec::as_slice);
        (slice, if closed.is_empty() { own.to_vec() } else { clip::union(own, closed) })
    }))
}
