//! The way of a case through several models that make one: TotalSegmentator's way around nnU-Net.
//!
//! A coarse model finds the region, the image is cut to it and resampled ([`zoom`]); each part runs as
//! nnU-Net would; its label map is kept, and of each voxel the probabilities of the labels that have a
//! share ([`Shares`]); the maps are laid over one another at the models' resolution, cleaned up, and brought back to the image's own voxels by the nearest one, as
//! TotalSegmentator does. Contours hold exactly these voxels; between them they run where the
//! linearly interpolated shares of the labels are equal, so they are no staircase ([`Coarse`]). Where
//! one model runs on the image as it is and only its labels are cleaned up, they run where the
//! probabilities are equal, as nnU-Net's ([`Edges`]).

use super::coarse::{Coarse, Shares};
use super::composition::{Composition, Crop, Run};
use super::dataset::{Dataset, Structure};
use super::edges::Edges;
use super::image::ChannelImage;
use super::model::Model;
use super::outlines::{Outlined, Outliner, Planes, Scores};
use super::pieces::{Join, drop_small, grow, keep_largest};
use super::predict::{Case, CaseError, channels, predict as run_model, wanted};
use super::resample::Order;
use super::zoom::zoom;
use crate::ai::package::{ModelPackage, PackageError};
use crate::ai::{PredictOptions, Prediction};
use crate::patient::Volume;
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;
use std::sync::Arc;
use std::time::Instant;

/// What the parts have in common: the labels of the whole package.
fn dataset_of(package: &ModelPackage, model: &Model, structures: Vec<Structure>) -> Dataset {
    Dataset {
        name: package.id.clone(),
        channels: model.dataset.channels.clone(),
        foreground: structures.iter().map(|one| one.value).collect(),
        structures,
        regions: false,
        license: String::new(),
    }
}

/// Runs a composed package over a volume; `model` is its first part.
pub(super) fn predict(
    volume: &Volume,
    package: &ModelPackage,
    model: &Model,
    composition: &Composition,
    options: &PredictOptions,
    progress: &Progress,
) -> Result<Prediction, CaseError> {
    let run = &composition.run;
    let structures: Vec<Structure> = package.labels.iter().map(structure).collect();
    let wanted = wanted(package, &structures, options);
    let own = PredictOptions { step: options.step.or(run.step), ..options.clone() };
    let mut case = Case::new(channels(volume, package, model, options)?, &own);
    case.empty_below = run.empty_below_hu;
    let images = case.turned(volume, model);
    let mut region = Region { low: [0; 3], size: images[0].size };
    let mut within = None;
    let mut from = 0.0;
    if let Some(crop) = &run.crop {
        from = 0.25;
        // The region of a region is told of as one search.
        let is_nested = options.label_map_alone;
        let named = if is_nested { progress.clone() } else { progress.named("Finding the region") };
        let progress = named.part(0.0, from);
        let found = region_of(volume, package, crop, &images[0], options, &mut case, &progress)?;
        let Some(found) = found else {
            let reason = format!("none of {} is in the image", crop.organs.join(", "));
            case.warnings.push(format!("{reason}: there is nothing for {} to look at", package.id));
            let empty = (vec![0; volume.grid.len()], Planes::new());
            return Ok(case.prediction(volume, package, &structures, &wanted, empty));
        };
        (region, within) = (found.region, found.within);
    }
    let started = Instant::now();
    progress.set_step("Resampling");
    let near = cut_and_resampled(&images, region, run.spacing_mm, &progress.part(from, from + 0.05))?;
    case.timings.preprocess += started.elapsed().as_secs_f64();

    let mut map = vec![0_u16; near[0].values.len()];
    let with_contours = !options.label_map_alone;
    let mut shares = vec![Shares::default(); if with_contours { near[0].size[0] } else { 0 }];
    let is_plain = with_contours && composition.is_plain();
    let mut edges: Vec<Edges> = Vec::new();
    let needed: Vec<_> = composition
        .parts
        .iter()
        .filter(|part| {
            structures.iter().zip(&wanted).any(|(one, wanted)| *wanted && part.values.contains(&one.value))
        })
        .collect();
    let from = from + 0.05;
    for (index, part) in needed.iter().enumerate() {
        let share = |n: usize| from + (0.9 - from) * n as f64 / needed.len() as f64;
        let progress = of_part(progress, [index, needed.len()]).part(share(index), share(index + 1));
        let (previous, progress) = case.previous(volume, &part.model, &near, &progress)?;
        let labels = if with_contours {
            let slices = case.stage(
                &part.model,
                &near,
                previous.as_deref(),
                |slice| {
                    let width = near[0].size[2];
                    let edges = is_plain.then(|| Edges::of(&slice, width));
                    (slice.shares(), edges, slice.into_labels())
                },
                &progress,
            )?;
            laid_over(&mut shares, &mut edges, slices, &part.values)
        } else {
            case.labels(&part.model, &near, previous.as_deref(), &progress)?
        };
        for (label, own) in map.iter_mut().zip(labels) {
            if own != 0 {
                *label = part.values[usize::from(own)];
            }
        }
    }
    let started = Instant::now();
    if with_contours {
        progress.set_step("Tracing contours");
    }
    cleaned_up(&mut map, &near[0], package, run);
    if let Some(within) = within {
        map.iter_mut().zip(within).filter(|(_, inside)| !inside).for_each(|(label, _)| *label = 0);
    }
    let coarse = Coarse::new(map, shares, near[0].size, [region.low, region.size]);
    let dataset = dataset_of(package, model, structures);
    let outliner = Outliner { volume, image: &images[0], dataset: &dataset, wanted: &wanted };
    let slices = outlined(&outliner, &coarse, &edges, with_contours);
    progress.set_fraction(0.98)?;
    let probability = |label: u16, voxel: [usize; 3]| coarse.probability(label, voxel);
    let gathered = if with_contours {
        outliner.gather(slices, Some(&probability))
    } else {
        (outliner.map(slices.iter().map(|slice| slice.labels.as_slice())), Planes::new())
    };
    case.timings.postprocess += started.elapsed().as_secs_f64();
    Ok(case.prediction(volume, package, &dataset.structures, &wanted, gathered))
}

/// Drops the pieces of labels that the manifest has dropped, on the models' own grid.
fn cleaned_up(map: &mut [u16], grid: &ChannelImage, package: &ModelPackage, run: &Run) {
    let voxel_cc = grid.spacing_mm.iter().product::<f64>() / 1000.0;
    for label in &package.labels {
        if label.keep_largest {
            keep_largest(map, grid.size, label.value, Join::Corners);
        }
        if run.largest_piece.contains(&label.name) {
            keep_largest(map, grid.size, label.value, Join::Faces);
        }
        if let Some(cc) = run.least_piece_cc.get(&label.name) {
            drop_small(map, grid.size, label.value, cc / voxel_cc);
        }
    }
}

/// The slices of the image: the labels of the common map there and, where contours are wanted, these: by
/// the probabilities along the labels' borders where such `edges` were kept, else by their shares.
fn outlined(outliner: &Outliner<'_>, coarse: &Coarse, edges: &[Edges], with_contours: bool) -> Vec<Outlined> {
    let [nz, ny, nx] = outliner.image.size;
    let slice = |z: usize| {
        let labels = coarse.slice(z, ny, nx);
        if !with_contours {
            return Outlined::bare(labels);
        }
        let now = if edges.is_empty() { Vec::new() } else { labels.clone() };
        let share = |label: u16, at: usize| match edges.get(z) {
            Some(edges) => edges.share(label, at, now[at]),
            None => coarse.share(label, [z, at / nx, at % nx]),
        };
        let probability = |label: u16, at: usize| coarse.probability(label, [z, at / nx, at % nx]);
        outliner.labelled(z, labels, Scores { share: Some(&share), probability: &probability })
    };
    (0..nz).into_par_iter().map(slice).collect()
}

/// What a part says of a slice: the labels' shares, the probabilities along their borders, where they are
/// to be traced by them, and the labels.
type PartSlice = (Shares, Option<Edges>, Vec<u16>);

/// Lays what a part says of the common grid over what is there, and gives its labels; `values` are those of
/// its labels in the common map.
fn laid_over(
    shares: &mut [Shares],
    edges: &mut Vec<Edges>,
    slices: Vec<PartSlice>,
    values: &[u16],
) -> Vec<u16> {
    shares
        .par_iter_mut()
        .zip(&slices)
        .for_each(|(shares, (own, _, slice_labels))| *shares = shares.under(own, slice_labels, values));
    let mut labels = Vec::with_capacity(slices.iter().map(|(_, _, labels)| labels.len()).sum());
    for (_, slice_edges, slice_labels) in slices {
        edges.extend(slice_edges);
        labels.extend(slice_labels);
    }
    labels
}

/// The progress of a part, which is named where there are several.
fn of_part(progress: &Progress, [index, count]: [usize; 2]) -> Progress {
    if count == 1 { progress.clone() } else { progress.named(&format!("Part {} of {count}", index + 1)) }
}

/// The images within a region, at a spacing.
fn cut_and_resampled(
    images: &[ChannelImage],
    region: Region,
    spacing_mm: Option<[f64; 3]>,
    progress: &Progress,
) -> Result<Vec<ChannelImage>, Cancelled> {
    let share = |index: usize| index as f64 / images.len() as f64;
    let one = |(index, image): (usize, &ChannelImage)| {
        resampled(&region.cut(image), spacing_mm, &progress.part(share(index), share(index + 1)))
    };
    images.iter().enumerate().map(one).collect()
}

fn structure(label: &crate::ai::package::Label) -> Structure {
    Structure::of_label(label.name.clone(), label.value)
}

/// A box of an image's own voxels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Region {
    low: [usize; 3],
    size: [usize; 3],
}

impl Region {
    /// The image's voxels in the box. Where they lie in the grid is not told any more.
    fn cut(&self, image: &ChannelImage) -> ChannelImage {
        if self.size == image.size {
            return image.clone();
        }
        let [_, ny, nx] = image.size;
        let mut values = Vec::with_capacity(self.size.iter().product());
        for z in self.low[0]..self.low[0] + self.size[0] {
            for y in self.low[1]..self.low[1] + self.size[1] {
                let from = (z * ny + y) * nx + self.low[2];
                values.extend_from_slice(&image.values[from..from + self.size[2]]);
            }
        }
        ChannelImage { size: self.size, values: Arc::new(values), ..image.clone() }
    }
}

/// What a coarse model has found.
struct Found {
    region: Region,
    /// Which of its voxels may have a label, where that is told.
    within: Option<Vec<bool>>,
}

/// Runs the coarse model and gives the box of its organs with the margin; `None` where there is none.
fn region_of(
    volume: &Volume,
    package: &ModelPackage,
    crop: &Crop,
    image: &ChannelImage,
    options: &PredictOptions,
    case: &mut Case<'_>,
    progress: &Progress,
) -> Result<Option<Found>, CaseError> {
    let coarse = package.beside(&crop.model)?;
    // It may look at a region of its own, which the next finds in the whole image: no circles.
    let before = coarse.crops_on().map(|id| coarse.beside(id)).transpose()?;
    let (Some(model), true) = (&coarse.nnunet, before.is_none_or(|own| own.crops_on().is_none())) else {
        return Err(PackageError::Manifest {
            reason: format!("the model {} that it crops on is not one to crop on", crop.model),
            path: package.folder.clone().unwrap_or_default(),
        }
        .into());
    };
    let within = crop.within.as_ref();
    let others = within.into_iter().flat_map(|within| &within.organs);
    let options = PredictOptions {
        rois: crop.organs.iter().chain(others).cloned().collect(),
        label_map: true,
        label_map_alone: true,
        device: options.device,
        channels: options.channels.clone(),
        keep: options.keep,
        ..PredictOptions::default()
    };
    let values_of = |organs: &[String]| -> Result<Vec<u16>, PackageError> {
        let own = coarse.labels.iter().filter(|label| organs.contains(&label.name));
        let values: Vec<u16> = own.map(|label| label.value).collect();
        if values.len() < organs.len() {
            return Err(PackageError::Manifest {
                reason: format!("the model {} has not all of {}", crop.model, organs.join(", ")),
                path: package.folder.clone().unwrap_or_default(),
            });
        }
        Ok(values)
    };
    let values = values_of(&crop.organs)?;
    let inside = within.map(|within| Ok::<_, PackageError>((values_of(&within.organs)?, within.margin_mm)));
    let inside = inside.transpose()?;
    let found = run_model(volume, &coarse, model, &options, progress)?;
    case.timings.preprocess += found.timings.preprocess;
    case.timings.infer += found.timings.infer;
    case.timings.postprocess += found.timings.postprocess;
    case.warnings.extend(found.warnings);
    let map = found.labels.map(|map| map.labels).unwrap_or_default();
    let dims = volume.grid.dims();
    let found = box_around(image, &map, dims, &values, crop.margin_mm);
    Ok(found.map(|region| {
        let within = inside.map(|(values, mm)| near(image, &map, dims, (&values, mm), region));
        Found { region, within }
    }))
}

/// Which voxels of a region lie within a margin of the grid's voxels with one of these values: so many
/// steps over faces as the margin has of the voxels' mean side, as TotalSegmentator has it.
fn near(
    image: &ChannelImage,
    map: &[u16],
    dims: [usize; 3],
    (values, margin_mm): (&[u16], f64),
    region: Region,
) -> Vec<bool> {
    let side_mm = image.spacing_mm.iter().map(|mm| single(*mm)).sum::<f64>() / 3.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked, not negative")]
    let steps = (margin_mm / side_mm) as usize;
    // What lies outside the region may come into it.
    let low = region.low.map(|low| low.saturating_sub(steps));
    let end = [0, 1, 2].map(|axis| (region.low[axis] + region.size[axis] + steps).min(image.size[axis]));
    let size = [0, 1, 2].map(|axis| end[axis] - low[axis]);
    let mut mask = vec![false; size.iter().product()];
    for (at, _) in map.iter().enumerate().filter(|(_, label)| values.contains(label)) {
        let voxel = [at % dims[0], at / dims[0] % dims[1], at / (dims[0] * dims[1])];
        let own = [0, 1, 2].map(|own| {
            let (axis, backwards) = image.axes[own];
            if backwards { image.size[own] - 1 - voxel[axis] } else { voxel[axis] }
        });
        if (0..3).all(|axis| (low[axis]..end[axis]).contains(&own[axis])) {
            let [z, y, x] = [0, 1, 2].map(|axis| own[axis] - low[axis]);
            mask[(z * size[1] + y) * size[2] + x] = true;
        }
    }
    grow(&mut mask, size, steps);
    let mut inside = Vec::with_capacity(region.size.iter().product());
    for z in 0..region.size[0] {
        for y in 0..region.size[1] {
            let [z, y, x] = [z + region.low[0] - low[0], y + region.low[1] - low[1], region.low[2] - low[2]];
            let from = (z * size[1] + y) * size[2] + x;
            inside.extend_from_slice(&mask[from..from + region.size[2]]);
        }
    }
    inside
}

/// The box, in an image's own axes, of the grid's voxels with one of these values, and the margin
/// around it in whole voxels, towards 0, as TotalSegmentator cuts.
fn box_around(
    image: &ChannelImage,
    map: &[u16],
    dims: [usize; 3],
    values: &[u16],
    margin_mm: f64,
) -> Option<Region> {
    let mut low = [usize::MAX; 3];
    let mut high = [0; 3];
    for (at, _) in map.iter().enumerate().filter(|(_, label)| values.contains(label)) {
        let voxel = [at % dims[0], at / dims[0] % dims[1], at / (dims[0] * dims[1])];
        for axis in 0..3 {
            low[axis] = low[axis].min(voxel[axis]);
            high[axis] = high[axis].max(voxel[axis] + 1);
        }
    }
    if low[0] == usize::MAX {
        return None;
    }
    let mut region = Region { low: [0; 3], size: [0; 3] };
    for (own, (axis, backwards)) in image.axes.into_iter().enumerate() {
        let size = image.size[own];
        let [from, to] =
            if backwards { [size - high[axis], size - low[axis]] } else { [low[axis], high[axis]] };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked, not negative")]
        let margin = (margin_mm / single(image.spacing_mm[own])) as usize;
        let from = from.saturating_sub(margin);
        region.low[own] = from;
        region.size[own] = (to + margin).min(size) - from;
    }
    Some(region)
}

/// A spacing as a NIfTI header holds it, in single precision.
#[expect(clippy::cast_possible_truncation, reason = "meant")]
fn single(mm: f64) -> f64 {
    f64::from(mm as f32)
}

/// The image at another spacing, as TotalSegmentator resamples it: a cubic spline from first to last
/// centre, values cut to whole numbers. As it is where there is no other spacing.
fn resampled(
    image: &ChannelImage,
    spacing_mm: Option<[f64; 3]>,
    progress: &Progress,
) -> Result<ChannelImage, Cancelled> {
    let Some(spacing_mm) = spacing_mm else { return Ok(image.clone()) };
    let factors: [f64; 3] = std::array::from_fn(|axis| single(image.spacing_mm[axis]) / spacing_mm[axis]);
    if factors == [1.0; 3] {
        return Ok(image.clone());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes, not negative")]
    let size: [usize; 3] = std::array::from_fn(|axis| {
        ((image.size[axis] as f64 * factors[axis]).round_ties_even() as usize).max(1)
    });
    let mut values = zoom(&image.values, image.size, size, Order::Cubic, progress)?;
    values.par_iter_mut().for_each(|value| *value = value.trunc());
    Ok(ChannelImage { size, spacing_mm, values: Arc::new(values), ..image.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(size: [usize; 3], axes: [(usize, bool); 3]) -> ChannelImage {
        let count = u16::try_from(size.iter().product::<usize>()).unwrap();
        let values = Arc::new((0..count).map(f32::from).collect());
        ChannelImage { size, spacing_mm: [2.0, 1.0, 1.0], axes, values, patient: None }
    }

    #[test]
    fn the_box_is_in_the_image_s_own_axes_with_whole_voxels_around() {
        // Grid of 6 x 5 x 4; the image's x and y run the other way.
        let image = image([4, 5, 6], [(2, false), (1, true), (0, true)]);
        let mut map = vec![0; 120];
        map[(2 * 5 + 1) * 6 + 4] = 7;
        let at = |margin| box_around(&image, &map, [6, 5, 4], &[7], margin).unwrap();
        // Voxel (4, 1, 2) of the grid is (z 2, y 3, x 1) of the image.
        assert_eq!(at(0.0), Region { low: [2, 3, 1], size: [1, 1, 1] });
        assert_eq!(at(1.9), Region { low: [2, 2, 0], size: [1, 3, 3] });
        assert_eq!(at(2.0), Region { low: [1, 1, 0], size: [3, 4, 4] });
        assert_eq!(box_around(&image, &map, [6, 5, 4], &[8], 5.0), None);
        let cut = at(1.9).cut(&image);
        assert_eq!(cut.values[..4], [72.0, 73.0, 74.0, 78.0]);
    }

    #[test]
    fn what_is_near_an_organ_is_told_in_the_region_also_where_the_organ_lies_beside_it() {
        // Grid of 6 x 5 x 4, voxels of 1 x 1 x 2 mm, 4/3 mm in the mean; x and y of the image run the other way.
        let image = image([4, 5, 6], [(2, false), (1, true), (0, true)]);
        let mut map = vec![0; 120];
        // Voxel (4, 1, 2) of the grid is (z 2, y 3, x 1) of the image.
        map[(2 * 5 + 1) * 6 + 4] = 7;
        let region = Region { low: [2, 3, 2], size: [2, 2, 4] };
        let inside = |margin_mm| near(&image, &map, [6, 5, 4], (&[7], margin_mm), region);
        let nothing = [false; 16];
        assert_eq!(inside(0.0), nothing);
        assert_eq!(inside(1.3), nothing, "less than a voxel");
        // One step: the voxel beside it, the first of the region.
        let [mut one, mut two] = [nothing; 2];
        one[0] = true;
        assert_eq!(inside(1.4), one);
        // Two: that, the next in x, the next in y and the next in z.
        for [z, y, x] in [[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]] {
            two[(z * 2 + y) * 4 + x] = true;
        }
        assert_eq!(inside(2.7), two);
        assert_eq!(near(&image, &map, [6, 5, 4], (&[8], 50.0), region), nothing);
    }

    #[test]
    fn pieces_are_dropped_by_volume_on_the_models_own_grid() {
        let target = tempfile::tempdir().unwrap();
        let mut package = installed("total_fastest", target.path());
        let [first, second] = [package.labels[0].clone(), package.labels[1].clone()];
        // 12 voxels of 2 mm3 in a row.
        let grid = image([1, 1, 12], [(2, false), (1, false), (0, false)]);
        let row = [1_u16, 1, 0, 1, 2, 2, 0, 2, 2, 2, 0, 1];
        let done = |package: &ModelPackage, run: &Run| {
            let mut map = row.to_vec();
            cleaned_up(&mut map, &grid, package, run);
            map
        };
        let mut run = Run::default();
        assert_eq!(done(&package, &run), row, "nothing is dropped unasked");
        run.largest_piece.push(first.name.clone());
        run.least_piece_cc.insert(second.name.clone(), 0.004);
        assert_eq!(done(&package, &run), [1, 1, 0, 0, 0, 0, 0, 2, 2, 2, 0, 0], "4 mm3 go, 6 stay");
        run.least_piece_cc.insert(second.name, 0.003_9);
        assert_eq!(done(&package, &run), [1, 1, 0, 0, 2, 2, 0, 2, 2, 2, 0, 0]);
        package.labels[1].keep_largest = true;
        assert_eq!(done(&package, &Run::default()), [1, 1, 0, 1, 0, 0, 0, 2, 2, 2, 0, 1]);
    }

    /// A model of the catalogue, made of the fixtures' files, and what it crops on beside it.
    fn installed(id: &str, target: &std::path::Path) -> ModelPackage {
        use crate::ai::catalogue::{FetchOptions, entry, fetch};
        let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/catalogue");
        let from = Some(files.to_string_lossy().into_owned());
        let options = FetchOptions { from, target: Some(target.to_owned()), force: false };
        fetch(entry(id).unwrap(), &options, &Progress::new()).unwrap().packages.pop().unwrap()
    }

    /// A block of 24 x 20 x 12 voxels of 2 mm, brighter to one side.
    fn block() -> Volume {
        use crate::geometry::{Grid, Plane, Point3, Vector3};
        use crate::patient::{Slice, Unit, Voxels};
        let steps = [Vector3::x() * 2.0, Vector3::y() * 2.0, Vector3::z() * 2.0];
        let grid = Grid::new([24, 20, 12], Point3::origin(), steps).unwrap();
        let voxels = Voxels::I16((0..24 * 20 * 12).map(|at| (at % 24) * 10).collect());
        let slice = |k: u8| {
            let origin_mm = grid.patient_of([0.0, 0.0, f64::from(k)]);
            let plane = Plane::new(origin_mm, steps[0], steps[1]).unwrap();
            Slice { plane, origin_mm, instance: None, missing: false }
        };
        let slices = (0..12).map(slice).collect();
        Volume { grid, voxels, unit: Unit::Hu, slices, native: None }
    }

    #[test]
    fn parts_and_the_region_are_named_and_the_bar_never_jumps_back() {
        let target = tempfile::tempdir().unwrap();
        let mut package = installed("headneck_muscles", target.path());
        let options =
            PredictOptions { device: crate::device::DeviceChoice::Cpu, ..PredictOptions::default() };
        let told = |package: &ModelPackage| {
            let progress = Progress::new();
            crate::ai::predict(&block(), package, &options, &progress).unwrap();
            let told = progress.told();
            let mut furthest: f64 = 0.0;
            for (fraction, step) in &told {
                // Threads may tell a piece too late, never a step.
                assert!(*fraction > furthest - 0.02, "{step}: {fraction} after {furthest}");
                assert!(!step.contains("3d_") && !step.contains("fullres"), "{step}");
                furthest = furthest.max(*fraction);
            }
            told.into_iter().map(|(_, step)| step).collect::<Vec<_>>()
        };
        let run = &mut package.composition.as_mut().unwrap().run;
        (run.spacing_mm, run.empty_below_hu) = (None, None);
        let steps = told(&package);
        let is_there = |steps: &[String], start: &str| steps.iter().any(|step| step.starts_with(start));
        for step in ["Preparing the images", "Loading the model", "Contouring, part 1 of"] {
            assert!(is_there(&steps, &format!("Finding the region: {step}")), "{step} in {steps:?}");
            assert!(!is_there(&steps, step), "{steps:?}");
        }
        package.composition.as_mut().unwrap().run.crop = None;
        let steps = told(&package);
        for part in ["Part 1 of 2: ", "Part 2 of 2: "] {
            for step in ["Preparing the images", "Loading the model", "Contouring, part 1 of"] {
                assert!(is_there(&steps, &format!("{part}{step}")), "{part}{step} in {steps:?}");
            }
        }
        assert_eq!(steps.last().map(String::as_str), Some("Tracing contours"));
    }

    #[test]
    fn a_spacing_that_is_there_already_changes_nothing() {
        let image = image([2, 2, 2], [(2, false), (1, false), (0, false)]);
        let same = resampled(&image, Some([2.0, 1.0, 1.0]), &Progress::new()).unwrap();
        assert_eq!(same, image);
        let other = resampled(&image, Some([2.0, 1.0, 0.5]), &Progress::new()).unwrap();
        assert_eq!((other.size, other.spacing_mm), ([2, 2, 4], [2.0, 1.0, 0.5]));
        // 0, 1/3, 2/3, 1, cut to whole numbers.
        assert_eq!(other.values[..4], [0.0, 0.0, 0.0, 1.0]);
    }
}
