//! From the slices of a label map to contours on the image's own slices.
//!
//! The voxel centres inside are exactly the label map. Where the array's slices are the volume's,
//! outlines run where the probabilities of two neighbours are equal; where they lie across (a
//! sagittal series whose array is axial), they are smooth outlines of the label map alone. How sure a
//! contour is, is told by the probabilities on the slice it lies on, however that lies.

use super::coarse::Shares;
use super::dataset::{Dataset, Structure};
use super::export::Slice as LabelSlice;
use super::image::ChannelImage;
use crate::ai::agreement::{Agreement, reach};
use crate::geometry::rasterise::Frame;
use crate::geometry::{Polygon, Vector2, trace};
use crate::patient::{RoiPlane, Slice, Volume};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Pixels of a slice that a structure's raw score is taken from, at most: each costs the probabilities
/// of all classes.
const SCORED_PIXELS: usize = 1024;

/// The planes of each structure, by its place among the structures, and the sums of its score (empty
/// where there are no probabilities).
pub(super) type Planes = BTreeMap<usize, (Vec<Arc<RoiPlane>>, Agreement)>;

/// What contours are traced on.
pub(super) struct Outliner<'a> {
    pub volume: &'a Volume,
    pub image: &'a ChannelImage,
    pub dataset: &'a Dataset,
    /// Which structures are wanted.
    pub wanted: &'a [bool],
}

/// What decides where outlines run, and how sure a label is; both of a label at a voxel.
#[derive(Clone, Copy)]
pub(super) struct Scores<'a> {
    /// Two labels meet where their shares are equal; without them outlines are those of the labels alone.
    pub share: Option<&'a dyn Fn(u16, usize) -> f32>,
    /// What the raw score is taken from.
    pub probability: &'a dyn Fn(u16, usize) -> f32,
}

/// The probability of a label at a voxel (z, y, x) of the array.
pub(super) type Probability<'a> = &'a (dyn Fn(u16, [usize; 3]) -> f32 + Sync);

/// One array slice: its labels, and the contours of structures on slices of the volume.
#[derive(Default)]
pub(super) struct Outlined {
    pub labels: Vec<u16>,
    planes: Vec<Traced>,
    /// The labels' shares of each voxel, where the volume's slices lie across and are traced later.
    shares: Shares,
}

impl Outlined {
    /// Labels of which no contours are wanted.
    pub(super) fn bare(labels: Vec<u16>) -> Self {
        Self { labels, ..Self::default() }
    }
}

/// Contours of a structure on a slice of the volume.
pub(super) struct Traced {
    slice: usize,
    structure: usize,
    /// Its confidence is the raw score, where there are probabilities.
    plane: RoiPlane,
    agreement: Agreement,
}

/// Outlines of a structure in voxels of an array slice.
struct Outline {
    structure: usize,
    polygons: Vec<Polygon>,
    agreement: Agreement,
}

impl Outliner<'_> {
    /// Takes a slice of the label map and traces it, where it is one of the volume's.
    pub(super) fn slice(&self, slice: LabelSlice<'_>) -> Outlined {
        if !self.is_along() {
            let shares = slice.shares();
            return Outlined { labels: slice.into_labels(), planes: Vec::new(), shares };
        }
        let score = |label: u16, at: usize| slice.score(label, at);
        let scores = Scores { share: Some(&score), probability: &score };
        let planes = self.planes(slice.index(), slice.labels(), scores);
        Outlined { labels: slice.into_labels(), planes, shares: Shares::default() }
    }

    /// The same for the labels of array slice `at`.
    pub(super) fn labelled(&self, at: usize, labels: Vec<u16>, scores: Scores<'_>) -> Outlined {
        let planes = self.planes(at, &labels, scores);
        Outlined { labels, planes, shares: Shares::default() }
    }

    fn planes(&self, at: usize, labels: &[u16], scores: Scores<'_>) -> Vec<Traced> {
        let mut planes = Vec::new();
        if self.is_along() {
            let k = self.image.grid_voxel([at, 0, 0])[2];
            let outlines = self.trace(labels, self.image.size[2], Some(scores));
            for (index, own) in self.slices_of(k).filter(|_| !outlines.is_empty()) {
                planes.extend(self.mapped(index, own, &outlines));
            }
        }
        planes
    }

    /// The label map on the volume's grid, of the labels of all slices.
    pub(super) fn map<'l>(&self, slices: impl Iterator<Item = &'l [u16]>) -> Vec<u16> {
        let [ni, nj, _] = self.volume.grid.dims();
        let [_, ny, nx] = self.image.size;
        let mut map = vec![0; self.volume.grid.len()];
        for (z, labels) in slices.enumerate() {
            // Background is there already.
            for (at, label) in labels.iter().enumerate().take(ny * nx).filter(|(_, label)| **label != 0) {
                let [i, j, k] = self.image.grid_voxel([z, at / nx, at % nx]);
                map[(k * nj + j) * ni + i] = *label;
            }
        }
        map
    }

    /// The label map on the volume's grid, and the contours in the order of its slices. Where these lie
    /// across, `probability` tells how sure labels are, in place of what the slices have kept.
    pub(super) fn gather(
        &self,
        slices: Vec<Outlined>,
        probability: Option<Probability<'_>>,
    ) -> (Vec<u16>, Planes) {
        let nx = self.image.size[2];
        let map = self.map(slices.iter().map(|slice| slice.labels.as_slice()));
        let mut traced = Vec::new();
        let mut shares = Vec::new();
        for slice in slices {
            traced.extend(slice.planes);
            shares.push(slice.shares);
        }
        if !self.is_along() {
            #[expect(clippy::cast_possible_truncation, reason = "255ths")]
            let own = |label: u16, [z, y, x]: [usize; 3]| shares[z].probability(label, y * nx + x) as f32;
            let has_own = shares.iter().any(|slice| !slice.is_empty());
            traced = self.across(&map, probability.or(has_own.then_some(&own)));
        }
        traced.sort_by_key(|traced: &Traced| (traced.structure, traced.slice));
        let mut planes = Planes::new();
        for Traced { slice, structure, plane, agreement } in traced {
            let (planes, total) = planes.entry(structure).or_default();
            planes.push(Arc::new(plane));
            *total = total.with(agreement.scaled(self.volume.slice_thickness_mm(slice)));
        }
        (map, planes)
    }

    /// Whether the array's slices are the volume's.
    fn is_along(&self) -> bool {
        self.image.axes[0].0 == 2
    }

    /// The volume's slices that go by plane `k` of its grid.
    fn slices_of(&self, k: usize) -> impl Iterator<Item = (usize, &Slice)> {
        let last = self.volume.grid.dims()[2].saturating_sub(1);
        let plane = move |slice: &Slice| {
            let at = self.volume.grid.voxel_of(slice.origin_mm)[2].round().max(0.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped at 0")]
            let nearest = at as usize;
            nearest.min(last)
        };
        self.volume.slices.iter().enumerate().filter(move |(_, slice)| !slice.missing && plane(slice) == k)
    }

    /// Traces the label map slice by slice of the volume.
    fn across(&self, map: &[u16], probability: Option<Probability<'_>>) -> Vec<Traced> {
        let [ni, nj, nk] = self.volume.grid.dims();
        let stored = ChannelImage::stored([nk, nj, ni], [1.0; 3], false, Vec::new());
        let upright = Outliner { image: &stored, ..*self };
        (0..nk)
            .into_par_iter()
            .flat_map_iter(|k| {
                let of_pixel = |label: u16, at: usize| {
                    let voxel = self.image.own_voxel([at % ni, at / ni, k]);
                    probability.map_or(0.0, |probability| probability(label, voxel))
                };
                let scores = probability.map(|_| Scores { share: None, probability: &of_pixel });
                let outlines = upright.trace(&map[k * ni * nj..][..ni * nj], ni, scores);
                let mut planes = Vec::new();
                for (index, own) in self.slices_of(k).filter(|_| !outlines.is_empty()) {
                    planes.extend(upright.mapped(index, own, &outlines));
                }
                planes
            })
            .collect()
    }

    /// Outlines of the wanted structures in voxels of an array slice `width` wide.
    fn trace(&self, labels: &[u16], width: usize, scores: Option<Scores<'_>>) -> Vec<Outline> {
        let score = scores.and_then(|scores| scores.share);
        let Some((low, size)) = bounds(labels, width) else { return Vec::new() };
        let full = |at: usize| (low[1] + at / size[0]) * width + low[0] + at % size[0];
        let cut: Vec<u16> = (0..size[0] * size[1]).map(|at| labels[full(at)]).collect();
        let wanted = self.dataset.structures.iter().enumerate().filter(|(index, _)| self.wanted[*index]);
        let is_any = |structure: &Structure| cut.iter().any(|label| structure.values.contains(label));
        let outlines: Vec<(usize, Vec<Polygon>)> = match score {
            Some(score) if !self.dataset.regions => {
                let mut all = trace::labels_slice(&cut, size[0], size[1], |label, at| score(label, full(at)));
                wanted.filter_map(|(index, structure)| Some((index, all.remove(&structure.value)?))).collect()
            }
            // Regions overlap: each is traced by itself.
            _ => wanted
                .filter(|(_, structure)| is_any(structure))
                .map(|(index, structure)| {
                    let is_in = |label: &u16| structure.values.contains(label);
                    let outlines = if let Some(score) = score {
                        let own: Vec<u16> = cut.iter().map(|label| u16::from(is_in(label))).collect();
                        let share = |label: u16, at: usize| {
                            let sum: f32 = structure.values.iter().map(|label| score(*label, full(at))).sum();
                            if label == 1 { sum } else { 1.0 - sum }
                        };
                        trace::labels_slice(&own, size[0], size[1], share).remove(&1).unwrap_or_default()
                    } else {
                        let own: Vec<bool> = cut.iter().map(is_in).collect();
                        trace::mask_slice(&own, size[0], size[1])
                    };
                    (index, outlines)
                })
                .collect(),
        };
        let boxes = boxes_of(labels, width);
        let shift = Vector2::new(low[0] as f64, low[1] as f64);
        let moved = |polygons: Vec<Polygon>| {
            let ring = |ring: Vec<crate::geometry::Point2>| ring.into_iter().map(|at| at + shift).collect();
            let moved = |polygon: Polygon| Polygon {
                outer: ring(polygon.outer),
                holes: polygon.holes.into_iter().map(ring).collect(),
            };
            polygons.into_iter().map(moved).collect()
        };
        let outline = |(index, polygons): (usize, Vec<Polygon>)| {
            let structure = &self.dataset.structures[index];
            let agreement = scores.map_or_else(Agreement::default, |scores| {
                let own = &structure.values;
                let part = part_around(own, &boxes, self.reach(), [width, labels.len() / width.max(1)]);
                agreement(own, labels, width, (part, self.reach()), scores.probability)
            });
            Outline { structure: index, polygons: moved(polygons), agreement }
        };
        outlines.into_iter().map(outline).collect()
    }

    /// Columns and rows of an array slice around a structure in which its probabilities count.
    fn reach(&self) -> [usize; 2] {
        [2, 1].map(|axis| reach(self.volume.grid.step_mm(self.image.axes[axis].0).norm()))
    }

    /// Outlines of an array slice on the plane of one of the volume's slices.
    fn mapped<'o>(
        &self,
        index: usize,
        slice: &'o Slice,
        outlines: &'o [Outline],
    ) -> impl Iterator<Item = Traced> + use<'o> {
        let grid = &self.volume.grid;
        let [_, (y_axis, y_back), (x_axis, x_back)] = self.image.axes;
        let [_, ny, nx] = self.image.size;
        // The first voxel of the array's slice, and its steps along x and y.
        let mut origin_mm = slice.origin_mm;
        let mut step = |axis: usize, backwards: bool, count: usize| {
            let step = grid.step_mm(axis);
            if backwards {
                origin_mm += step * (count as f64 - 1.0);
            }
            let step = if backwards { -step } else { step };
            Vector2::new(slice.plane.u().dot(&step), slice.plane.v().dot(&step))
        };
        let (step_x, step_y) = (step(x_axis, x_back, nx), step(y_axis, y_back, ny));
        let frame = Frame::new(slice.plane.project(origin_mm), step_x, step_y, [nx, ny]);
        outlines.iter().filter_map(move |outline| {
            let polygons = frame.as_ref()?.map(&outline.polygons, [0, 0]);
            let mut plane = RoiPlane::new(slice.plane, slice.instance.clone(), polygons);
            plane.confidence = outline.agreement.score();
            let (structure, agreement) = (outline.structure, outline.agreement);
            (!plane.polygons.is_empty()).then_some(Traced { slice: index, structure, plane, agreement })
        })
    }
}

/// The box of some pixels: the first column and row, and those after the last.
type Box2 = [[usize; 2]; 2];

/// The box of each label's pixels on a slice, background's left out.
fn boxes_of(labels: &[u16], width: usize) -> BTreeMap<u16, Box2> {
    let mut boxes = BTreeMap::new();
    for (y, row) in labels.chunks_exact(width.max(1)).enumerate() {
        let mut end = 0;
        for run in row.chunk_by(|a, b| a == b) {
            let first = end;
            end += run.len();
            if run[0] == 0 {
                continue;
            }
            let [low, high] = boxes.entry(run[0]).or_insert([[first, y], [end, y + 1]]);
            *low = [low[0].min(first), low[1]];
            *high = [high[0].max(end), y + 1];
        }
    }
    boxes
}

/// The part of a slice of `size` (columns, rows) within `reach` of a structure that has these labels;
/// nothing of one that is not there.
fn part_around(
    own: &[u16],
    boxes: &BTreeMap<u16, Box2>,
    reach: [usize; 2],
    size: [usize; 2],
) -> Option<Box2> {
    let both =
        |[a, b]: Box2, [c, d]: Box2| [[a[0].min(c[0]), a[1].min(c[1])], [b[0].max(d[0]), b[1].max(d[1])]];
    let [low, high] = own.iter().filter_map(|label| boxes.get(label)).copied().reduce(both)?;
    let wider =
        |axis: usize| (low[axis].saturating_sub(reach[axis]), (high[axis] + reach[axis]).min(size[axis]));
    let [(left, right), (top, bottom)] = [0, 1].map(wider);
    Some([[left, top], [right, bottom]])
}

/// The sums of the score of a structure that has these labels, on the part of a slice within reach of it:
/// those of the whole slice.
fn agreement(
    own: &[u16],
    labels: &[u16],
    width: usize,
    (part, reach): (Option<Box2>, [usize; 2]),
    probability: &dyn Fn(u16, usize) -> f32,
) -> Agreement {
    let Some([low, high]) = part else { return Agreement::default() };
    let [columns, rows] = [high[0] - low[0], high[1] - low[1]];
    let full = |at: usize| (low[1] + at / columns) * width + low[0] + at % columns;
    let mask: Vec<bool> = (0..columns * rows).map(|at| own.contains(&labels[full(at)])).collect();
    let sum = |at: usize| own.iter().map(|label| probability(*label, at)).sum::<f32>();
    Agreement::on_slice(&mask, columns, reach, SCORED_PIXELS, |at| sum(full(at)).min(1.0))
}

/// The first pixel and the size of the box around everything that is not background, one pixel wider
/// where the slice goes on: outlines end where the probabilities say.
fn bounds(labels: &[u16], width: usize) -> Option<([usize; 2], [usize; 2])> {
    let mut low = [usize::MAX; 2];
    let mut high = [0; 2];
    for (j, row) in labels.chunks_exact(width.max(1)).enumerate() {
        let Some(first) = row.iter().position(|label| *label != 0) else { continue };
        let last = row.iter().rposition(|label| *label != 0).unwrap_or(first);
        low = [low[0].min(first), low[1].min(j)];
        high = [high[0].max(last + 1), high[1].max(j + 1)];
    }
    let low = (high[0] > 0).then(|| low.map(|n| n.saturating_sub(1)))?;
    let high = [(high[0] + 1).min(width), (high[1] + 1).min(labels.len() / width.max(1))];
    Some((low, [high[0] - low[0], high[1] - low[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Grid, Plane, Point3, Vector3};
    use crate::patient::{Unit, Voxels};

    /// A sagittal series of 2 x 3 voxels in 4 slices: i runs to the back, j to the feet, k to the right.
    fn sagittal() -> Volume {
        let steps = [Vector3::y() * 2.0, -Vector3::z() * 3.0, -Vector3::x() * 4.0];
        let grid = Grid::new([2, 3, 4], Point3::origin(), steps).unwrap();
        let slice = |k: u8| {
            let origin_mm = grid.patient_of([0.0, 0.0, f64::from(k)]);
            let plane = Plane::new(origin_mm, steps[0], steps[1]).unwrap();
            Slice { plane, origin_mm, instance: None, missing: false }
        };
        let slices = (0..4).map(slice).collect();
        Volume { grid, voxels: Voxels::I16(vec![0; 24]), unit: Unit::Hu, slices, native: None }
    }

    #[test]
    fn a_score_is_that_of_the_whole_slice_though_only_the_part_around_is_looked_at() {
        let (width, height) = (70, 61);
        // Blobs of three labels, some at the edges; the whole of the first label is looked at in steps.
        let label = |at: usize| {
            let (x, y) = (at % width, at / width);
            match (x / 9 + 2 * (y / 7)) % 7 {
                0 => 1,
                3 if x < 20 => 2,
                6 if y > 50 && x > 60 => 3,
                _ => 0,
            }
        };
        let labels: Vec<u16> = (0..width * height).map(label).collect();
        let probability = |label: u16, at: usize| ((at * 31 + usize::from(label) * 7) % 97) as f32 / 97.0;
        let boxes = boxes_of(&labels, width);
        for own in [&[1][..], &[2], &[3], &[2, 3], &[9], &[3, 9]] {
            for reach in [[0, 0], [3, 5], [200, 1]] {
                let mask: Vec<bool> = labels.iter().map(|label| own.contains(label)).collect();
                let sum = |at: usize| own.iter().map(|label| probability(*label, at)).sum::<f32>().min(1.0);
                let whole = Agreement::on_slice(&mask, width, reach, SCORED_PIXELS, sum);
                let part = part_around(own, &boxes, reach, [width, height]);
                assert_eq!(part.is_some(), own != [9]);
                let found = agreement(own, &labels, width, (part, reach), &probability);
                assert_eq!(found, whole, "{own:?} {reach:?}");
            }
        }
    }

    #[test]
    fn the_score_of_a_slice_that_lies_across_is_taken_on_that_slice() {
        let volume = sagittal();
        let image = ChannelImage::of_volume(&volume);
        assert_eq!(image.size, [3, 2, 4], "(z, y, x)");
        let dataset = Dataset {
            name: String::new(),
            channels: vec!["CT".to_owned()],
            foreground: vec![1, 2, 3],
            structures: vec![Structure::of_label("a".to_owned(), 1)],
            regions: false,
            license: String::new(),
        };
        let outliner = Outliner { volume: &volume, image: &image, dataset: &dataset, wanted: &[true] };
        // Of x = 1 the two voxels of z = 1 are the structure's, by 3/4; it has 1/4 of those below, where
        // there is nothing, and 1/5 of those above, where two others have more.
        let shares = |z: usize, x: usize| match (z, x) {
            (1, 1) => [0.1, 0.75, 0.1, 0.05],
            (0, 1) => [0.75, 0.25, 0.0, 0.0],
            (2, 1) => [0.1, 0.2, 0.4, 0.3],
            _ => [1.0, 0.0, 0.0, 0.0],
        };
        let label = |z: usize, x: usize| match (z, x) {
            (1, 1) => 1,
            (2, 1) => 2,
            _ => 0,
        };
        let slices = |with_shares: bool| -> Vec<Outlined> {
            let slice = |z: usize| {
                let mut kept = Shares::default();
                for at in (0..8).filter(|_| with_shares) {
                    kept.push((0_u16..).zip(shares(z, at % 4)));
                }
                let labels = (0..8).map(|at| label(z, at % 4)).collect();
                Outlined { labels, planes: Vec::new(), shares: kept }
            };
            (0..3).map(slice).collect()
        };
        let exact = |label: u16, [z, _, x]: [usize; 3]| {
            assert_eq!(label, 1);
            shares(z, x)[1]
        };
        let told: Probability<'_> = &exact;
        let mut scores = Vec::new();
        for (slices, given) in [(slices(true), None), (slices(false), Some(told))] {
            let (map, mut planes) = outliner.gather(slices, given);
            assert_eq!(map.iter().filter(|label| **label == 1).count(), 2);
            let (planes, agreement) = planes.remove(&0).unwrap();
            assert_eq!(planes.len(), 1);
            // x = 1 from the right is the third slice.
            assert!(planes[0].plane.coincides(&volume.slices[2].plane, 1e-6));
            scores.extend([planes[0].confidence.unwrap(), agreement.score().unwrap()]);
        }
        for score in scores {
            // Of two voxels: 2 * (2 * 3/4) / (2 * 3/4 + 2 * 1/4 + 2 * 1/5 + 2).
            assert!((score - 3.0 / 4.4).abs() < 0.004, "{score}");
        }
        // Without probabilities there is none.
        let (_, mut planes) = outliner.gather(slices(false), None);
        assert_eq!(planes.remove(&0).unwrap().0[0].confidence, None);
    }
}
