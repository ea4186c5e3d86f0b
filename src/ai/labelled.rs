//! A sliding window of which only labels are wanted, made on a graphics device.
//!
//! The planes of the sum that no further tile reaches stay on the device. It decides their voxels, and
//! those of the image between them, and tells a byte a voxel: the label where it is proven to be the
//! processor's own ([`super::gpu`] has the bounds), else that it is not. What is not proven, voxels that
//! lie on the border of two classes to within the rounding of half precision, the processor decides from
//! the sums of just the voxels around ([`Labelling`]): the map is the same, bit for bit, as of sums
//! that are read back as a whole.
//!
//! Should the device fail, the planes that are not done are computed anew: on the CPU, or once more on the
//! device where it only lacked memory.

use super::engine::{Engine, EngineError, SumError};
use super::gpu::{Deciding, DeviceLabels, DeviceSum, Mix, Pace, Piece, Reading, Stop};
use super::graphics::quietly;
use super::nnunet::export::Export;
use super::nnunet::labelling::{Around, EXTREME, Labelling, Rows, UNDECIDED};
use super::nnunet::sum::Covered;
use super::nnunet::tiles::Layout;
use super::nnunet::window::WindowError;
use super::tiling::{self, Finishing, Tiles, on_device};
use crate::progress::Progress;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::ops::Range;

/// Pieces of the sum that are being decided at the same time.
const DECIDING: usize = 2;

/// Groups of places that are being decided at the same time.
const MIXING: usize = 3;

/// Sums that voxels are decided from in one go: 31 MB of 118 classes.
const BY_SUMS: usize = 65_536;

/// Runs an engine's networks over the tiles and gives the labels of the export's image, `[z][y][x]`;
/// `None` where the engine's device, or the export, is not for this (nothing has run then). The tiles
/// hold logits of classes, the first of them background, and none counts as background without a look.
///
/// # Errors
/// [`WindowError`] when the engine fails or someone asked to stop.
pub(super) fn run<E: From<EngineError>>(
    engine: &mut Engine,
    tiles: &Tiles<'_>,
    export: &Export,
    progress: &Progress,
) -> Result<Option<Vec<u16>>, WindowError<E>> {
    if tiles.is_softmax || !tiles.is_background || !Labelling::takes(export) {
        return Ok(None);
    }
    let mut next = tiles.layout.shift[0];
    let Some(mut begun) = engine.labels(tiles.sum_plan(next)) else { return Ok(None) };
    let mut labelling = Labelling::new(export);
    loop {
        let (sum, device) = begun;
        let mut making = Making::new(labelling, device, tiles.layout, next);
        let is_done = on_device(engine, sum, tiles, &mut making, next, progress)?;
        let Making { labelling: made, device, pending, counts, .. } = making;
        labelling = made;
        // Dropping tensors of a lost device may panic.
        drop(quietly(move || drop((device, pending))));
        tracing::debug!("labels made on the device: {counts:?}");
        if is_done {
            return Ok(Some(labelling.finish()));
        }
        next = labelling.go_back() + tiles.layout.shift[0];
        match engine.labels(tiles.sum_plan(next)) {
            Some(again) => begun = again,
            None => break,
        }
    }
    let mut take = |_: usize, plane: &[f32]| {
        labelling.push_logits(plane);
        Ok(())
    };
    tiling::tile_by_tile(engine, tiles, &mut take, &mut next, progress)?;
    Ok(Some(labelling.finish()))
}

/// The voxels around one of the image, and what each of their sums counts.
type Place = (Around, [f32; 8]);

/// How voxels of the image were decided.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    /// By the device, between voxels that decide differently.
    between: usize,
    /// From sums, because the device proved nothing.
    by_sums: usize,
}

/// Labels on their way.
struct Making<'a> {
    labelling: Labelling<'a>,
    device: DeviceLabels,
    /// Planes that are being decided, in order.
    pending: VecDeque<(Deciding, Vec<Covered>)>,
    /// The planes of the padded input that are the input's own and not done.
    own: Range<usize>,
    /// Voxels of a plane.
    area: usize,
    counts: Counts,
}

impl<'a> Making<'a> {
    /// `next` is the plane of the padded input that `labelling` goes on with.
    fn new(labelling: Labelling<'a>, device: DeviceLabels, layout: &Layout, next: usize) -> Self {
        let ([nz, ny, nx], [shift, ..]) = (layout.size, layout.shift);
        let (pending, counts) = (VecDeque::new(), Counts::default());
        Self { labelling, device, pending, own: next..shift + nz, area: ny * nx, counts }
    }

    /// Begins to decide a piece of the sum.
    fn begin(&mut self, piece: Piece, mut covered: Vec<Covered>, pace: &mut Pace) -> Result<(), Stop> {
        let (first, end) = (piece.planes.start, piece.planes.end);
        let planes = first.max(self.own.start)..end.min(self.own.end);
        if planes.is_empty() {
            return Ok(());
        }
        let planes = planes.start - first..planes.end - first;
        covered.resize_with(end - first, Covered::default);
        let covered: Vec<Covered> = covered.drain(planes.clone()).collect();
        let weights = covered.iter().flat_map(|plane| (0..self.area).map(|at| plane.weight(at))).collect();
        let deciding = self.device.decide(piece, planes, weights, pace)?;
        self.pending.push_back((deciding, covered));
        Ok(())
    }

    /// Makes the labels that planes suffice for, which were decided or are waited for.
    fn take(&mut self, planes: Deciding, covered: Vec<Covered>, pace: &mut Pace) -> Result<(), Stop> {
        let bytes = self.device.keep(planes).map_err(Stop::Failed)?;
        let held = self.labelling.held();
        for (bytes, covered) in bytes.chunks_exact(self.area).zip(covered) {
            self.labelling.push(bytes.to_vec(), covered);
        }
        // What is not a number is found, whether a voxel of the image needs it or not.
        for voxels in self.labelling.voxels_of(EXTREME, held).chunks(BY_SUMS) {
            self.rows(voxels.to_vec())?;
        }
        let open = self.labelling.begin();
        let mut left = self.mix(&open, pace)?;
        // Neighbours together: they are decided from the same sums.
        left.par_sort_unstable();
        self.counts.between += open.len() - left.len();
        self.counts.by_sums += left.len();
        for voxels in left.chunks(BY_SUMS / self.labelling.corners()) {
            let around = |voxel: &usize| self.labelling.around(*voxel);
            let mut at: Vec<usize> =
                voxels.par_iter().map(around).flat_map_iter(|around| around.at().to_vec()).collect();
            at.par_sort_unstable();
            at.dedup();
            let rows = self.rows(at)?;
            self.labelling.decide(voxels, &rows);
        }
        self.device.release(self.labelling.end());
        Ok(())
    }

    /// The logits of voxels that are held.
    fn rows(&self, at: Vec<usize>) -> Result<Rows, Stop> {
        let sums = self.device.sums(&at).and_then(Reading::wait).map_err(Stop::Failed)?;
        let rows = self.labelling.rows(at, sums);
        rows.ok_or_else(|| Stop::Failed("it gave values that are not numbers".to_owned()))
    }

    /// Lets the device decide open voxels; gives those that it did not prove.
    fn mix(&mut self, open: &[usize], pace: &mut Pace) -> Result<Vec<usize>, Stop> {
        let mut left = Vec::new();
        let mut waiting = VecDeque::new();
        for group in open.chunks(self.device.places()) {
            let share = |voxel: &usize| {
                let around = self.labelling.around(*voxel);
                (*voxel, self.labelling.shares(&around).map(|shares| (around, shares)))
            };
            let found: Vec<(usize, Option<Place>)> = group.par_iter().map(share).collect();
            let mut voxels = Vec::with_capacity(found.len());
            let mut places = Vec::with_capacity(found.len());
            for (voxel, place) in found {
                match place {
                    Some(place) => {
                        voxels.push(voxel);
                        places.push(place);
                    }
                    None => left.push(voxel),
                }
            }
            if !places.is_empty() {
                waiting.push_back((voxels, self.device.mix(mix(&places), pace)?));
            }
            while waiting.len() >= MIXING
                && let Some((voxels, reading)) = waiting.pop_front()
            {
                self.label(&voxels, &reading.wait().map_err(Stop::Failed)?, &mut left)?;
            }
        }
        for (voxels, reading) in waiting {
            self.label(&voxels, &reading.wait().map_err(Stop::Failed)?, &mut left)?;
        }
        Ok(left)
    }

    /// Takes labels that the device has told, and notes what it did not prove.
    fn label(&mut self, voxels: &[usize], bytes: &[u8], left: &mut Vec<usize>) -> Result<(), Stop> {
        if bytes.len() < voxels.len() {
            return Err(Stop::Failed("it gave an incomplete result".to_owned()));
        }
        for (voxel, byte) in voxels.iter().zip(bytes) {
            if matches!(*byte, UNDECIDED | EXTREME) {
                left.push(*voxel);
            } else {
                self.labelling.set(*voxel, *byte);
            }
        }
        Ok(())
    }
}

/// Places and their shares, corner by corner, up to a power of two of them.
fn mix(found: &[Place]) -> Mix {
    let places = found.len().next_power_of_two().max(64);
    let corners = found.iter().map(|(around, _)| around.at().len()).max().unwrap_or(0);
    let (mut at, mut shares) = (vec![0; corners * places], vec![0.0; corners * places]);
    for (place, (around, own)) in found.iter().enumerate() {
        for (corner, (voxel, share)) in around.at().iter().zip(own).enumerate() {
            at[corner * places + place] = i32::try_from(*voxel).unwrap_or(0);
            shares[corner * places + place] = *share;
        }
    }
    Mix { places, at, shares }
}

impl<E> Finishing<E> for Making<'_> {
    fn go_on(
        &mut self,
        engine: &mut Engine,
        sum: &mut DeviceSum,
        covered: &mut VecDeque<Covered>,
        waits: bool,
    ) -> Result<bool, WindowError<E>> {
        let told = |result: Result<(), SumError>| match result {
            Ok(()) => Ok(true),
            Err(SumError::Cancelled) => Err(WindowError::Cancelled),
            Err(SumError::Device) => Ok(false),
        };
        loop {
            while self.pending.len() < DECIDING
                && let Some(piece) = sum.next_finished()
            {
                let own = covered.drain(..piece.planes.len().min(covered.len())).collect();
                if !told(engine.beside(|pace| self.begin(piece, own, pace)))? {
                    return Ok(false);
                }
            }
            let is_ready = |(planes, _): &mut (Deciding, Vec<Covered>)| waits || planes.bytes.is_done();
            let Some((planes, covered)) = self.pending.pop_front_if(is_ready) else { return Ok(true) };
            if !told(engine.beside(|pace| self.take(planes, covered, pace)))? {
                return Ok(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::{Architecture, Network};
    use super::super::nnunet::export::Decision;
    use super::super::nnunet::gaussian::gaussian;
    use super::super::nnunet::preprocess::Geometry;
    use super::super::nnunet::resample::{Order, Resampling};
    use super::super::nnunet::sum::Coverage;
    use super::super::nnunet::window::{self, Window};
    use super::super::tiling::Seen;
    use super::*;
    use crate::device::DeviceChoice;
    use burn::tensor::Device;

    /// Two folds of a small network.
    fn networks() -> Vec<Network> {
        let shape = Architecture::plain(2, vec![4, 6], vec![[1; 3], [2, 2, 2]], vec![[3; 3]; 2], 1, 3);
        [1, 2].map(|seed| Network::random(shape.clone(), seed).unwrap()).into()
    }

    /// What the logits of a voxel look like.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Kind {
        /// Regions of one class each, and noise: as a trained network's.
        Regions,
        /// Noise of this magnitude.
        Noise(f32),
        /// Few values: most voxels have several greatest classes.
        Ties,
        /// Classes that differ by less than half precision tells apart, or just so.
        Near,
        /// All the same.
        Flat,
        /// Beyond what half precision holds.
        Beyond,
    }

    /// A number of 0 to 1 that is always the same for a place, a class and a kind.
    fn noise(seed: u64, at: [usize; 3], class: usize) -> f32 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for n in [at[0], at[1], at[2], class] {
            state = (state ^ n as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93);
            state ^= state >> 32;
        }
        ((state >> 40) & 0xFF_FFFF) as f32 / 16_777_216.0
    }

    fn logit(kind: Kind, at: [usize; 3], class: usize, classes: usize) -> f32 {
        let value = noise(7, at, class);
        match kind {
            Kind::Regions => {
                let own = (at[0] / 3 + at[1] / 4 * 3 + at[2] / 4 * 5) % classes;
                value * 4.0 - 12.0 + if own == class { 18.0 } else { 0.0 }
            }
            Kind::Noise(magnitude) => (value - 0.5) * magnitude,
            Kind::Ties => (value * 3.0).floor() - 1.0,
            Kind::Near => 5.0 + (value * 8.0).floor() / 1024.0,
            Kind::Flat => -0.75,
            Kind::Beyond => (value - 0.5) * 2.0e5,
        }
    }

    /// An image and the network's voxels on it.
    #[derive(Debug, Clone, Copy)]
    struct Shape {
        /// The network's voxels, and the region's.
        size: [usize; 3],
        cropped: [usize; 3],
        /// Margins of the region in the image, in the network's axes, before and after.
        margins: [[usize; 3]; 2],
        /// Image axis n is this axis of the network.
        backward: [usize; 3],
        /// Spacing of the network and of the image, in the network's axes.
        mm: [[f64; 3]; 2],
        order_z: Order,
    }

    const EVEN: Shape = Shape {
        size: [6, 9, 8],
        cropped: [11, 15, 17],
        margins: [[1, 2, 0], [0, 1, 3]],
        backward: [0, 1, 2],
        mm: [[1.0; 3]; 2],
        order_z: Order::Nearest,
    };

    impl Shape {
        fn export(&self, classes: usize) -> Export {
            let mut forward = [0; 3];
            for (image, network) in self.backward.into_iter().enumerate() {
                forward[network] = image;
            }
            let full: [usize; 3] =
                [0, 1, 2].map(|axis| self.margins[0][axis] + self.cropped[axis] + self.margins[1][axis]);
            let geometry = Geometry {
                image_size: self.backward.map(|axis| full[axis]),
                transpose_forward: forward,
                low: self.margins[0],
                cropped: self.cropped,
                image_spacing_mm: self.mm[1],
                size: self.size,
                spacing_mm: self.mm[0],
            };
            let how = Resampling { order_z: self.order_z, ..Resampling::LOGITS };
            Export::new(geometry, self.backward, how, Decision::Classes(classes)).unwrap()
        }
    }

    /// Adds the tiles of a case up on the device; gives what `finish` makes of the finished planes.
    struct Sums<'a> {
        tiles: &'a Tiles<'a>,
        kind: Kind,
        /// A class and voxel whose logit is not a number.
        broken: bool,
    }

    impl Sums<'_> {
        fn run(
            &self,
            sum: &mut DeviceSum,
            mut finish: impl FnMut(&mut DeviceSum, &mut VecDeque<Covered>, bool) -> bool,
        ) -> bool {
            let layout = self.tiles.layout;
            let mut coverage = Coverage::new(layout, 0);
            let mut covered = VecDeque::new();
            for (z, end) in self.tiles.layers(0) {
                for corner in self.tiles.corners(z) {
                    // The last tile of each layer is left out: some voxels are seen by none.
                    if corner[1] + layout.patch[1] == layout.padded[1]
                        && corner[2] + layout.patch[2] == layout.padded[2]
                    {
                        continue;
                    }
                    sum.add_values(&self.logits(corner), corner);
                    coverage.add(corner, self.tiles.weights, false);
                    if !finish(sum, &mut covered, false) {
                        return false;
                    }
                }
                if !finish(sum, &mut covered, true) {
                    return false;
                }
                while coverage.first < end {
                    covered.push_back(coverage.finish_plane());
                }
                sum.finish(end);
            }
            finish(sum, &mut covered, true)
        }

        fn logits(&self, corner: [usize; 3]) -> Vec<f32> {
            let Layout { patch, classes, .. } = *self.tiles.layout;
            let mut logits = Vec::new();
            for voxel in 0..patch.iter().product::<usize>() {
                let at = [voxel / (patch[1] * patch[2]), voxel / patch[2] % patch[1], voxel % patch[2]];
                let at = [0, 1, 2].map(|axis| at[axis] + corner[axis]);
                logits.extend((0..classes).map(|class| logit(self.kind, at, class, classes)));
            }
            if self.broken {
                logits[0] = f32::NAN;
            }
            logits
        }
    }

    /// Labels that the device makes, and those of the same sums read back; how many were decided how.
    fn both(
        engine: &mut Engine,
        export: &Export,
        kind: Kind,
        classes: usize,
    ) -> (Vec<u16>, Vec<u16>, Counts) {
        let size = export.geometry_size();
        let window = Window {
            patch: &[4, 6, 5],
            step: 0.5,
            mirror_axes: &[],
            mirror_swaps: &[],
            classes,
            needed: None,
            background: true,
        };
        let input = vec![0.0; size.iter().product()];
        let layout = Layout::new::<EngineError>(&input, size, &window).unwrap();
        let weights = gaussian(layout.patch);
        let tiles = Tiles {
            layout: &layout,
            weights: &weights,
            is_softmax: false,
            is_background: true,
            cut: Box::new(|_, _| Seen::Needed),
        };
        let sums = Sums { tiles: &tiles, kind, broken: false };

        let mut slices = export.slices_to(|slice| slice.labels().to_vec());
        let mut sum = engine.sum(tiles.sum_plan(0)).unwrap();
        let is_done = sums.run(&mut sum, |sum, covered, waits| {
            while let Ok(Some((planes, mut values))) = engine.take(sum, waits) {
                let length = values.len() / planes.len();
                for (plane, values) in planes.zip(values.chunks_exact_mut(length)) {
                    covered.pop_front().unwrap().mean(values, classes, true);
                    if let Some(z) = plane.checked_sub(layout.shift[0]).filter(|z| *z < size[0]) {
                        slices.push(z, values);
                    }
                }
            }
            true
        });
        assert!(is_done);
        let expected = slices.finish().concat();

        let (mut sum, device) = engine.labels(tiles.sum_plan(0)).unwrap();
        let mut making = Making::new(Labelling::new(export), device, &layout, layout.shift[0]);
        let is_done = sums.run(&mut sum, |sum, covered, waits| {
            Finishing::<EngineError>::go_on(&mut making, engine, sum, covered, waits).unwrap()
        });
        assert!(is_done);
        let counts = making.counts;
        (making.labelling.finish(), expected, counts)
    }

    const KINDS: [Kind; 8] = [
        Kind::Regions,
        Kind::Noise(1.0),
        Kind::Noise(40.0),
        Kind::Noise(1e-6),
        Kind::Ties,
        Kind::Near,
        Kind::Flat,
        Kind::Beyond,
    ];

    /// Enlarged, made smaller, as it is; a thick axis copied or interpolated, along each axis; axes turned.
    fn shapes() -> Vec<Shape> {
        let thick = [[5.0, 1.0, 1.0], [2.5, 0.6, 0.5]];
        vec![
            EVEN,
            Shape { cropped: EVEN.size, ..EVEN },
            Shape { size: [11, 15, 17], cropped: [5, 7, 9], ..EVEN },
            Shape { size: [13, 9, 8], cropped: [4, 15, 8], ..EVEN },
            Shape { mm: thick, ..EVEN },
            Shape { mm: thick, order_z: Order::Linear, ..EVEN },
            Shape { mm: [[1.0, 1.0, 5.0], [0.6, 0.5, 2.5]], ..EVEN },
            Shape { backward: [1, 2, 0], ..EVEN },
            Shape { backward: [0, 2, 1], size: [6, 5, 8], cropped: [6, 12, 7], ..EVEN },
            // Smaller than a patch.
            Shape { size: [3, 9, 4], cropped: [7, 12, 9], ..EVEN },
        ]
    }

    fn same(engine: &mut Engine, shapes: &[Shape], kinds: &[Kind], classes: &[usize]) {
        for shape in shapes {
            for kind in kinds {
                for classes in classes {
                    let export = shape.export(*classes);
                    let (found, expected, counts) = both(engine, &export, *kind, *classes);
                    let wrong = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
                    let case = format!("{shape:?} {kind:?} {classes} {counts:?}");
                    assert!(found.len() == expected.len() && wrong == 0, "{wrong} differ: {case}");
                    let is_varied = expected.iter().any(|label| *label != expected[0]);
                    assert!(is_varied || *kind == Kind::Flat, "{case}");
                }
            }
        }
        assert_eq!(engine.take_warnings(), Vec::<String>::new());
    }

    /// Runs a test on one thread: its pieces are too small to be worth handing around.
    fn alone(test: impl FnOnce() + Send) {
        rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(test);
    }

    #[test]
    fn labels_of_the_device_are_those_of_its_sums_bit_for_bit() {
        alone(|| {
            let mut whole = Engine::on(networks(), &Device::flex(), usize::MAX).with_labels();
            same(&mut whole, &shapes(), &KINDS, &[2, 5]);
            // Three planes of nine by eight voxels and five classes: two in a piece, and the one before.
            let mut pieces = Engine::on(networks(), &Device::flex(), 9 * 8 * 5 * 4 * 3).with_labels();
            same(&mut pieces, &[EVEN, shapes()[3]], &KINDS, &[5]);
            same(&mut whole, &shapes()[..2], &[Kind::Regions, Kind::Near], &[118, 250]);
        });
    }

    #[test]
    fn labels_of_a_graphics_device_are_those_of_its_sums_bit_for_bit() {
        alone(|| {
            let Ok(gpu) = Engine::ensemble(networks(), DeviceChoice::Gpu) else {
                println!("skipped: no adapter");
                return;
            };
            let mut gpu = gpu.with_labels();
            same(&mut gpu, &[EVEN], &[Kind::Near], &[5]);
            same(&mut gpu, &shapes()[1..2], &[Kind::Beyond], &[5]);
            same(&mut gpu, &[EVEN], &[Kind::Regions], &[118]);
        });
    }

    #[test]
    fn little_is_left_to_the_processor_where_classes_are_apart() {
        alone(|| {
            let mut engine = Engine::on(networks(), &Device::flex(), usize::MAX).with_labels();
            let shape = Shape { size: [12, 18, 18], cropped: [20, 36, 40], margins: [[0; 3]; 2], ..EVEN };
            let (_, _, counts) = both(&mut engine, &shape.export(5), Kind::Regions, 5);
            assert!(counts.between > 1000, "{counts:?}");
            // Beside what was seen by no tile there are the borders' few.
            assert!(counts.by_sums * 3 < counts.between, "{counts:?}");
            let copied = Shape { cropped: shape.size, ..shape };
            let (_, _, counts) = both(&mut engine, &copied.export(5), Kind::Regions, 5);
            assert_eq!(counts.between, 0);
            assert!(counts.by_sums < 10, "{counts:?}");
        });
    }

    #[test]
    fn what_is_not_a_number_is_found() {
        alone(|| {
            let mut engine = Engine::on(networks(), &Device::flex(), usize::MAX).with_labels();
            let input = vec![0.0; 4 * 9 * 8];
            let window = Window {
                patch: &[4, 9, 8],
                step: 0.5,
                mirror_axes: &[],
                mirror_swaps: &[],
                classes: 3,
                needed: None,
                background: true,
            };
            let layout = Layout::new::<EngineError>(&input, [4, 9, 8], &window).unwrap();
            let weights = vec![1.0; 4 * 9 * 8];
            let tiles = Tiles {
                layout: &layout,
                weights: &weights,
                is_softmax: false,
                is_background: true,
                cut: Box::new(|_, _| Seen::Needed),
            };
            let export = Shape { size: [4, 9, 8], cropped: [4, 9, 8], ..EVEN }.export(3);
            let (mut sum, device) = engine.labels(tiles.sum_plan(0)).unwrap();
            let mut making = Making::new(Labelling::new(&export), device, &layout, layout.shift[0]);
            let sums = Sums { tiles: &tiles, kind: Kind::Regions, broken: true };
            sum.add_values(&sums.logits([0; 3]), [0; 3]);
            let mut coverage = Coverage::new(&layout, 0);
            coverage.add([0; 3], &weights, false);
            let mut covered: VecDeque<Covered> = (0..4).map(|_| coverage.finish_plane()).collect();
            sum.finish(4);
            let mut go_on = || {
                Finishing::<EngineError>::go_on(&mut making, &mut engine, &mut sum, &mut covered, true)
                    .unwrap()
            };
            assert!(!go_on());
            assert!(engine.take_warnings()[0].contains("computed on the CPU"));
        });
    }

    /// The labels of a network's window, made of sums that are read back, and by the device.
    fn by_network(engine: &mut Engine, shape: Shape, makes: bool) -> Vec<u16> {
        let voxels = shape.size.iter().product::<usize>();
        let input: Vec<f32> = (0..2 * voxels).map(|n| (n * 37 % 101) as f32 / 50.0 - 1.0).collect();
        let needed = |[z, y, _]: [usize; 3], _: [usize; 3]| z + y > 0;
        let window = Window {
            patch: &[4, 8, 8],
            step: 0.5,
            mirror_axes: &[2],
            mirror_swaps: &[],
            classes: 3,
            needed: Some(&needed),
            background: true,
        };
        let (export, progress) = (shape.export(3), Progress::new());
        let made =
            window::labels_on::<EngineError>(engine, &input, shape.size, window, &export, &progress).unwrap();
        assert_eq!(made.is_some(), makes);
        made.unwrap_or_else(|| {
            let mut slices = export.slices_to(|slice| slice.labels().to_vec());
            let take = |index: usize, logits: &[f32]| {
                slices.push(index, logits);
                Ok::<_, EngineError>(())
            };
            window::run_on(engine, &input, shape.size, window, take, &progress).unwrap();
            slices.finish().concat()
        })
    }

    #[test]
    fn a_windows_labels_are_the_same_either_way_and_when_the_device_fails() {
        alone(|| {
            let shape = Shape { size: [9, 14, 10], cropped: [16, 20, 23], ..EVEN };
            for shape in [shape, Shape { backward: [2, 0, 1], ..shape }] {
                let mut engine = Engine::on(networks(), &Device::flex(), usize::MAX);
                let expected = by_network(&mut engine, shape, false);
                assert!([0, 1, 2].iter().all(|label| expected.contains(label)));
                let mut engine = Engine::on(networks(), &Device::flex(), usize::MAX).with_labels();
                assert_eq!(by_network(&mut engine, shape, true), expected);
                assert_eq!(engine.take_warnings(), Vec::<String>::new());
                for fails_after in [0, 4, 11] {
                    let mut engine = Engine::on(networks(), &Device::flex(), usize::MAX).with_labels();
                    engine.fail_after(fails_after);
                    assert_eq!(by_network(&mut engine, shape, true), expected);
                    assert!(engine.take_warnings()[0].contains("computed on the CPU"));
                }
                for lacks in [&[0][..], &[4], &[11], &[4, 0], &[11, 2]] {
                    let mut engine = Engine::on(networks(), &Device::flex(), usize::MAX).with_labels();
                    engine.lack_memory_after(lacks);
                    assert_eq!(by_network(&mut engine, shape, true), expected, "{lacks:?}");
                    assert_eq!(engine.take_warnings().len(), lacks.len() - 1, "a second try: {lacks:?}");
                }
                let mut cpu = Engine::ensemble(networks(), DeviceChoice::Cpu).unwrap();
                assert_eq!(by_network(&mut cpu, shape, false), expected);
            }
        });
    }

    #[test]
    fn cancel_is_heard_while_labels_are_made() {
        let mut engine = Engine::on(networks(), &Device::flex(), usize::MAX).with_labels();
        let progress = Progress::new();
        progress.cancel();
        let window = Window {
            patch: &[4, 8, 8],
            step: 0.5,
            mirror_axes: &[],
            mirror_swaps: &[],
            classes: 3,
            needed: None,
            background: true,
        };
        let export = EVEN.export(3);
        let input = vec![0.5; 2 * 6 * 9 * 8];
        let made =
            window::labels_on::<EngineError>(&mut engine, &input, EVEN.size, window, &export, &progress);
        assert!(matches!(made, Err(WindowError::Cancelled)));
    }
}
