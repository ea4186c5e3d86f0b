//! Which way each layer goes, and how long it takes: measured once on a device.
//!
//! A layer's way ([`Way`]) and its seconds are kept by the layer's shape for as long as the program
//! runs, and in a file for the next start, layer by layer: what a first run measures costs some patches'
//! time. What was measured with another driver or another program counts for nothing ([`identity`]).
//!
//! A way that fails on a device, tells of an error or differs from the others, is left out there. A kernel of
//! our own counts only where its values are those of burn's operations, whatever a driver makes of it; where
//! none of these runs, those computed here at some voxels ([`super::proof`]).

use super::block::DeviceBlock;
use super::conv::{DeviceConv, Way};
use super::proof::{Proof, input_value};
use super::upsample::DeviceUpsample;
use super::{BurnNetwork, DeviceStep, Pace, Stop, download};
use crate::ai::graphics::{IN_DOUBT, Noted, quietly};
use crate::ai::network::LEAKY_SLOPE;
use crate::progress::Progress;
use burn::tensor::Tensor;
use burn::tensor::wgpu::wgpu::AdapterInfo;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What was measured of a layer.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
struct Measured {
    way: Way,
    seconds: f64,
}

/// Everything measured so far, by device and layer; read from the file once.
type All = Mutex<Option<BTreeMap<String, Measured>>>;

static MEASURED: All = Mutex::new(None);

fn file() -> PathBuf {
    crate::data_folder::data_folder().join("cache").join("model-tuning.json")
}

/// What the file holds; nothing where there is none or it is damaged (it is only a cache).
fn read(path: &Path) -> BTreeMap<String, Measured> {
    let Ok(text) = std::fs::read(path) else { return BTreeMap::new() };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::debug!("{} is measured anew: {error}", path.display());
        BTreeMap::new()
    })
}

fn write(path: &Path, measured: &BTreeMap<String, Measured>) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut new, measured)?;
    new.persist(path).map(drop).map_err(|error| error.error)
}

/// A hash of text (FNV-1a).
const fn hash(text: &str, before: u64) -> u64 {
    let bytes = text.as_bytes();
    let (mut hash, mut at) = (before, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

/// Tells the kernels of this program from those of another.
const KERNELS: u64 = {
    let start = hash(include_str!("kernels/convolve.rs"), 0xcbf2_9ce4_8422_2325);
    let tiles = hash(include_str!("kernels/tiles.rs"), start);
    hash(include_str!("kernels/normalise.rs"), tiles)
};

/// What measurements are known by: a device, its driver, and the program.
pub(super) fn identity(info: &AdapterInfo) -> String {
    let AdapterInfo { name, driver, driver_info, backend, .. } = info;
    let program = env!("CARGO_PKG_VERSION");
    format!("{name} by {backend:?} {driver} {driver_info}, Delineo {program} {KERNELS:016x}")
}

/// Keeps what was measured of a layer, in memory and in the file at once: whoever stops after it loses nothing.
fn keep(all: &All, path: &Path, key: String, found: Measured) {
    let now = {
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.get_or_insert_with(|| read(path));
        all.insert(key, found);
        all.clone()
    };
    if let Err(error) = write(path, &now) {
        tracing::warn!("what was measured is not kept in {}: {error}", path.display());
    }
}

/// What is known of a layer.
fn known(all: &All, path: &Path, key: &str) -> Option<Measured> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    all.get_or_insert_with(|| read(path)).get(key).copied()
}

/// The greatest difference of values that count as the same, as a share of the greatest value.
const SAME: f32 = 1e-4;

/// A layer, and the size of what goes into it.
#[derive(Clone, Copy)]
enum Layer<'a> {
    Conv(&'a DeviceConv, [usize; 3]),
    Norm(&'a DeviceBlock, [usize; 3]),
    Up(&'a DeviceUpsample, [usize; 3]),
}

impl Layer<'_> {
    /// The size and channels of its input.
    fn input(self) -> ([usize; 3], usize) {
        match self {
            Self::Conv(conv, size) => conv.input_on(size),
            Self::Norm(block, size) => (size, block.shift.dims()[4]),
            Self::Up(up, size) => (size, up.input),
        }
    }

    /// burn's own first: the others are compared with it.
    fn ways(self) -> &'static [Way] {
        match self {
            Self::Conv(conv, _) => conv.ways(),
            Self::Norm(block, _) if super::kernels::runs_on(&block.shift.device()) => {
                &[Way::Direct, Way::Tiled]
            }
            Self::Up(up, _) if super::kernels::runs_on(&up.bias.device()) => {
                &[Way::Direct, Way::Tiled, Way::TiledWide]
            }
            Self::Norm(..) | Self::Up(..) => &[Way::Direct],
        }
    }

    /// What tells layers that take equally long, and how many ways there are: what was chosen among
    /// fewer is measured anew.
    fn name(self) -> String {
        let (size, channels) = self.input();
        let ways = self.ways().len();
        match self {
            Self::Conv(conv, _) => format!("{}, {ways} ways", conv.name(size)),
            Self::Norm(..) => format!("normalised {channels} on {size:?}, {ways} ways"),
            Self::Up(up, _) => format!("{channels}>{} *{:?} on {size:?}, {ways} ways", up.output, up.stride),
        }
    }

    fn run(self, x: &Tensor<5>, pace: &mut Pace) -> Result<Tensor<5>, Stop> {
        match self {
            Self::Conv(conv, _) => conv.forward(x, None, pace),
            Self::Norm(block, _) => block.normalise(x.clone(), None, LEAKY_SLOPE, pace),
            Self::Up(up, _) => up.forward(x, pace),
        }
    }

    fn set(self, found: Measured) {
        match self {
            Self::Conv(conv, _) => conv.set_way(found.way),
            Self::Norm(block, _) => block.way.set(found.way),
            Self::Up(up, _) => up.set_way(found.way),
        }
        self.seconds().set(Some(found.seconds));
    }

    /// What it was measured to take.
    fn seconds(&self) -> &Cell<Option<f64>> {
        match self {
            Self::Conv(conv, _) => &conv.seconds,
            Self::Norm(block, _) => &block.seconds,
            Self::Up(up, _) => &up.seconds,
        }
    }

    /// What it makes of the input that it is measured on.
    fn proof(self) -> Result<Proof, String> {
        match self {
            Self::Conv(conv, size) => Proof::of_conv(conv, size),
            Self::Norm(block, size) => Proof::of_norm(block, size),
            Self::Up(up, size) => Proof::of_upsample(up, size),
        }
    }

    /// Runs each way on an input ([`input_value`]), twice, and gives the fastest of those that run and
    /// agree with the first. `fails` are those that are taken to fail.
    fn measure(self, x: &Tensor<5>, fails: &[Way], pace: &mut Pace) -> Result<Measured, Stop> {
        let mut best: Option<Measured> = None;
        let mut expected: Option<Tensor<5>> = None;
        let mut reason = "a layer without a way".to_owned();
        for &way in self.ways() {
            let noted = Noted::now();
            let tried = quietly(|| {
                assert!(!fails.contains(&way), "for a test");
                self.attempt(way, x, expected.as_ref(), pace)
            });
            let tried = match tried.unwrap_or_else(|panic| Err(Stop::Failed(panic))) {
                Ok(_) if Noted::now() != noted => Err(Stop::Failed(IN_DOUBT.to_owned())),
                tried => tried,
            };
            match tried {
                Ok(Some((seconds, values))) => {
                    tracing::debug!("{}: {way:?} {:.2} ms", self.name(), seconds * 1e3);
                    expected.get_or_insert(values);
                    if best.is_none_or(|best| seconds < best.seconds) {
                        best = Some(Measured { way, seconds });
                    }
                }
                Ok(None) => tracing::warn!("{}: computed {way:?} it differs, and is not", self.name()),
                Err(Stop::Cancelled) => return Err(Stop::Cancelled),
                Err(Stop::Failed(why)) => {
                    tracing::warn!("{}: computed {way:?} it fails, and is not: {why}", self.name());
                    reason = why;
                    // What is left of it is no failure of the next.
                    drop(quietly(|| pace.settle()));
                }
            }
        }
        best.ok_or(Stop::Failed(reason))
    }

    /// Seconds that a way takes, and what it makes; `None` where that is not what is expected.
    fn attempt(
        self,
        way: Way,
        x: &Tensor<5>,
        expected: Option<&Tensor<5>>,
        pace: &mut Pace,
    ) -> Result<Option<(f64, Tensor<5>)>, Stop> {
        self.set(Measured { way, seconds: 0.0 });
        // Until it is known, pieces are cut by an estimate.
        self.seconds().set(None);
        let warm = self.run(x, pace)?;
        pace.settle()?;
        let started = Instant::now();
        let again = self.run(x, pace)?;
        pace.settle()?;
        let seconds = started.elapsed().as_secs_f64();
        drop(again);
        let agrees = match expected {
            Some(expected) => is_same(expected, &warm),
            None if way.block().is_some() => self.proof().and_then(|proof| proof.holds(&warm, SAME)),
            // A launch that failed is told to who reads what it left: nobody has yet.
            None => is_same(&warm, &warm),
        };
        Ok(agrees.map_err(Stop::Failed)?.then_some((seconds, warm)))
    }
}

/// Whether values are those expected but for rounding.
fn is_same(expected: &Tensor<5>, values: &Tensor<5>) -> Result<bool, String> {
    // One axis after another: see the module above on software drivers.
    let greatest = |x: Tensor<5>| {
        let most = x.abs().max_dim(4).max_dim(3).max_dim(2).max_dim(1);
        download(most).map(|values| values.iter().copied().fold(0.0, f32::max))
    };
    let off = expected.clone() - values.clone();
    let difference = greatest(off.clone())?;
    // What is not a number is in no maximum of some devices, but in every sum.
    let sum = download(off.sum_dim(4).sum_dim(3).sum_dim(2).sum_dim(1))?;
    let is_number = sum.iter().all(|sum| sum.is_finite());
    Ok(is_number && difference <= SAME * greatest(expected.clone())?)
}

impl BurnNetwork {
    /// Measures the ways of every layer on a patch of `size`, where that is not known of the device
    /// `name` already, and sets the fastest. What a way needs compiled or tuned is not counted.
    ///
    /// # Errors
    /// [`Stop`] when someone asked to stop, or the device failed.
    pub(super) fn tune(
        &self,
        size: [usize; 3],
        name: &str,
        pace: &mut Pace,
        progress: &Progress,
    ) -> Result<(), Stop> {
        let path = file();
        let layers = self.layers(size);
        let count = layers.len();
        for (index, layer) in layers.into_iter().enumerate() {
            progress.set_fraction(index as f64 / count as f64).map_err(|_| Stop::Cancelled)?;
            let key = format!("{name}: {}", layer.name());
            let found = if let Some(found) = known(&MEASURED, &path, &key) {
                found
            } else {
                let ([z, y, x], channels) = layer.input();
                let values = (0..z * y * x * channels).map(input_value).collect();
                let input = super::upload(values, [1, z, y, x, channels], &self.device);
                let found = layer.measure(&input, &[], pace)?;
                keep(&MEASURED, &path, key, found);
                found
            };
            layer.set(found);
        }
        tracing::debug!("{name}: {}", self.ways());
        Ok(())
    }

    /// Every layer that has ways, and the size of its input.
    fn layers(&self, patch: [usize; 3]) -> Vec<Layer<'_>> {
        fn add<'a>(block: &'a DeviceBlock, size: [usize; 3], layers: &mut Vec<Layer<'a>>) -> [usize; 3] {
            layers.extend(block.convs.iter().map(|conv| Layer::Conv(conv, size)));
            let output = block.convs.first().map_or(size, |conv| conv.output_size(size));
            if block.scale.is_some() {
                layers.push(Layer::Norm(block, output));
            }
            output
        }
        let mut layers = Vec::new();
        let mut size = patch;
        if let Some(stem) = &self.stem {
            size = add(stem, size, &mut layers);
        }
        let mut sizes = Vec::new();
        for stage in &self.encoder {
            for step in stage {
                size = match step {
                    DeviceStep::Plain(block) => add(block, size, &mut layers),
                    DeviceStep::Residual(block) => {
                        let pooled = block.inner.iter().fold(size, |size, own| add(own, size, &mut layers));
                        block.skip.iter().for_each(|skip| {
                            add(skip, pooled, &mut layers);
                        });
                        add(&block.last, pooled, &mut layers)
                    }
                };
            }
            sizes.push(size);
        }
        sizes.pop();
        for (up, stage) in self.upsample.iter().zip(&self.decoder) {
            layers.push(Layer::Up(up, size));
            size = sizes.pop().unwrap_or(patch);
            for block in stage {
                add(block, size, &mut layers);
            }
        }
        layers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_kept_and_a_damaged_file_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache/model-tuning.json");
        assert!(read(&path).is_empty());
        let one = BTreeMap::from([("a layer".to_owned(), Measured { way: Way::Columns, seconds: 0.25 })]);
        write(&path, &one).unwrap();
        assert_eq!(read(&path), one);
        std::fs::write(&path, "{").unwrap();
        assert!(read(&path).is_empty());
        // Layer by layer, also for the next start.
        let all: All = Mutex::new(None);
        let found = |seconds| Measured { way: Way::Tiled, seconds };
        keep(&all, &path, "first".to_owned(), found(0.5));
        assert_eq!(read(&path).len(), 1);
        keep(&all, &path, "second".to_owned(), found(0.25));
        assert_eq!(known(&all, &path, "first"), Some(found(0.5)));
        assert_eq!(known(&Mutex::new(None), &path, "second"), Some(found(0.25)));
        assert_eq!(known(&all, &path, "third"), None);
    }

    #[test]
    fn every_layer_is_measured_on_an_input_that_it_takes() {
        let residual = super::super::tests::residual();
        let residual = crate::ai::network::Architecture { kernels: vec![[3; 3]; 3], ..residual };
        let patch = [4, 12, 8];
        let network = crate::ai::network::Network::random(residual, 5).unwrap();
        let device = burn::tensor::Device::flex();
        let network = BurnNetwork::new(&network, &device);
        let layers = network.layers(patch);
        assert_eq!(layers.len(), network.convs().count() + network.blocks().count() + 2);
        let mut pace = Pace::at_once(&device);
        for layer in &layers {
            let ([z, y, x], channels) = layer.input();
            let input: Tensor<5> = Tensor::ones([1, z, y, x, channels], &device);
            assert!(layer.run(&input, &mut pace).is_ok(), "{}", layer.name());
        }
        // Our own kernels are not among the ways of a processor.
        let (convs, blocks) = (network.convs().count(), network.blocks().count());
        assert_eq!(
            network.ways(),
            format!("convolutions {convs} direct; normalisations {blocks} direct; upsampling 2 direct")
        );
        let found = layers[0].measure(&input(&layers[0], &device), &[], &mut pace).unwrap();
        assert!(matches!(found.way, Way::Direct | Way::Columns) && found.seconds > 0.0);
        let last: Vec<String> = layers.iter().rev().take(2).map(|layer| layer.name()).collect();
        assert_eq!(last[0], "normalised 6 on [4, 12, 8], 1 ways");
        assert_eq!(last[1], "6>6 [3, 3, 3] /[1, 1, 1] on [4, 12, 8], 2 ways");
    }

    /// What a layer is measured on.
    fn input(layer: &Layer<'_>, device: &burn::tensor::Device) -> Tensor<5> {
        let ([z, y, x], channels) = layer.input();
        let values = (0..z * y * x * channels).map(input_value).collect();
        super::super::upload(values, [1, z, y, x, channels], device)
    }

    fn small_network() -> crate::ai::network::Network {
        let (strides, kernels) = (vec![[1; 3], [1, 2, 2]], vec![[1, 3, 3], [3; 3]]);
        let architecture = crate::ai::network::Architecture::plain(2, vec![4, 6], strides, kernels, 1, 3);
        crate::ai::network::Network::random(architecture, 5).unwrap()
    }

    #[test]
    fn a_way_that_fails_is_left_out_and_the_others_stay() {
        let device = burn::tensor::Device::flex();
        let network = BurnNetwork::new(&small_network(), &device);
        let layers = network.layers([3, 8, 6]);
        let mut pace = Pace::at_once(&device);
        let (layer, input) = (layers[0], input(&layers[0], &device));
        let found = layer.measure(&input, &[Way::Direct], &mut pace).unwrap();
        assert_eq!(found.way, Way::Columns);
        let none = layer.measure(&input, &[Way::Direct, Way::Columns], &mut pace);
        assert_eq!(none, Err(Stop::Failed("for a test".to_owned())));
    }

    #[test]
    fn our_own_kernels_are_proven_where_no_operation_of_burn_runs() {
        let ran = crate::ai::graphics::with_gpu_device(|device| {
            let network = BurnNetwork::new(&small_network(), device);
            let mut pace = Pace::at_once(device);
            for layer in network.layers([3, 8, 6]) {
                let input = input(&layer, device);
                let found = layer.measure(&input, &[Way::Direct, Way::Columns], &mut pace).unwrap();
                assert!(found.way.block().is_some(), "{}", layer.name());
            }
        });
        if ran.is_none() {
            eprintln!("skipped: no adapter");
        }
    }

    #[test]
    fn what_is_computed_here_is_what_layers_make() {
        let device = burn::tensor::Device::flex();
        let network = BurnNetwork::new(&small_network(), &device);
        for layer in network.layers([3, 8, 6]) {
            let input = input(&layer, &device);
            let out = layer.run(&input, &mut Pace::at_once(&device)).unwrap();
            let proof = layer.proof().unwrap();
            assert!(proof.holds(&out, SAME).unwrap(), "{}", layer.name());
            assert!(!proof.holds(&(out * 1.01), SAME).unwrap(), "{}", layer.name());
        }
    }

    #[test]
    fn another_driver_is_another_device() {
        let info = AdapterInfo {
            driver: "radv".to_owned(),
            driver_info: "Mesa 25.0".to_owned(),
            ..AdapterInfo::new(
                burn::tensor::wgpu::wgpu::DeviceType::DiscreteGpu,
                burn::tensor::wgpu::wgpu::Backend::Vulkan,
            )
        };
        let updated = AdapterInfo { driver_info: "Mesa 25.1".to_owned(), ..info.clone() };
        assert_eq!(identity(&info), identity(&info.clone()));
        assert_ne!(identity(&info), identity(&updated));
        assert!(identity(&info).contains(env!("CARGO_PKG_VERSION")));
        assert_ne!(hash("a", 1), hash("b", 1));
    }

    #[test]
    fn ways_that_differ_by_more_than_rounding_are_told_apart() {
        let device = burn::tensor::Device::flex();
        let values =
            |values: Vec<f32>| -> Tensor<5> { super::super::upload(values, [1, 1, 1, 2, 2], &device) };
        let expected = values(vec![0.0, -50.0, 1.0, 2.0]);
        assert!(is_same(&expected, &expected).unwrap());
        assert!(is_same(&expected, &values(vec![0.004, -50.0, 1.0, 1.996])).unwrap());
        assert!(!is_same(&expected, &values(vec![0.0, -50.0, 1.0, 2.01])).unwrap());
        assert!(!is_same(&expected, &values(vec![0.0, -50.0, f32::NAN, 2.0])).unwrap());
    }
}
