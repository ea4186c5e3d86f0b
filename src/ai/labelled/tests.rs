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

/// A window that moves by half a patch, mirrors nothing and needs everything.
fn half_steps(patch: &[usize], classes: usize) -> Window<'_> {
    Window { patch, step: 0.5, mirror_axes: &[], mirror_swaps: &[], classes, needed: None, background: true }
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

/// Tiles of which none is left out.
fn all_needed<'a>(layout: &'a Layout, weights: &'a [f32]) -> Tiles<'a> {
    Tiles { layout, weights, is_softmax: false, is_background: true, cut: Box::new(|_, _| Seen::Needed) }
}

/// Labels that the device makes, and those of the same sums read back; how many were decided how.
fn both(engine: &mut Engine, export: &Export, kind: Kind, classes: usize) -> (Vec<u16>, Vec<u16>, Counts) {
    let size = export.geometry_size();
    let window = half_steps(&[4, 6, 5], classes);
    let input = vec![0.0; size.iter().product()];
    let layout = Layout::new::<EngineError>(&input, size, &window).unwrap();
    let weights = gaussian(layout.patch);
    let tiles = all_needed(&layout, &weights);
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
        let window = half_steps(&[4, 9, 8], 3);
        let layout = Layout::new::<EngineError>(&input, [4, 9, 8], &window).unwrap();
        let weights = vec![1.0; 4 * 9 * 8];
        let tiles = all_needed(&layout, &weights);
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
            Finishing::<EngineError>::go_on(&mut making, &mut engine, &mut sum, &mut covered, true).unwrap()
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
    let window = Window { mirror_axes: &[2], needed: Some(&needed), ..half_steps(&[4, 8, 8], 3) };
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
    let window = half_steps(&[4, 8, 8], 3);
    let export = EVEN.export(3);
    let input = vec![0.5; 2 * 6 * 9 * 8];
    let made = window::labels_on::<EngineError>(&mut engine, &input, EVEN.size, window, &export, &progress);
    assert!(matches!(made, Err(WindowError::Cancelled)));
}
