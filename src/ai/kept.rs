//! Networks kept from one run to the next: their weights are read, packed and uploaded once.
//!
//! A window contours one patient after the other, mostly with one model. After a run its networks stay
//! as they are on their device, on the CPU without the features' buffers (a graphics device keeps its own
//! for whatever runs next), and the next run of the same weights begins with them; what it computes is
//! the same bit for bit. Two networks are the same when they have one shape and come from the same files
//! ([`Made`]), which have not changed since.
//!
//! What is kept is given up as soon as it is worth less than its room: the least recently used first
//! when a run needs the memory ([`begin`]) or others come ([`Lent::give_back`]), all of a graphics device
//! with the device ([`forget_graphics`], [`forget_failed`]) or when it has no memory left for a run
//! ([`make_room`]), all of them when a training begins ([`forget_all`]), and those whose files were removed
//! or replaced ([`forget_changed`]). Free memory is counted with it
//! ([`super::memory::available_bytes`]).

use super::engine::{Engine, EngineError, serial_of};
use super::graphics::quietly;
use super::memory::free_bytes;
use super::network::{Architecture, Network};
use crate::device::DeviceChoice;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// The share of the memory that would be free without them which kept networks may take: one in so many.
const SHARE: u64 = 4;
/// The same where the system does not tell what is free.
const UNKNOWN_LIMIT: u64 = 1 << 30;
/// Weights that are kept on a graphics device at most, in the layout that each layer has of them; it does
/// not tell what it has. About eight networks of TotalSegmentator's size.
const DEVICE_LIMIT: u64 = 1 << 30;

/// Where weights were read from, and in which state that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// Part of the program.
    Shipped { sha256: String },
    /// A file; its hash where its package states one.
    File { path: PathBuf, sha256: String, bytes: u64, modified: SystemTime },
}

impl Origin {
    /// A file as it is now; `None` where the system does not tell.
    pub(super) fn file(path: &Path, sha256: &str) -> Option<Self> {
        let data = std::fs::metadata(path).ok()?;
        let (bytes, modified) = (data.len(), data.modified().ok()?);
        Some(Self::File { path: path.to_owned(), sha256: sha256.to_owned(), bytes, modified })
    }

    fn is_unchanged(&self) -> bool {
        match self {
            Self::Shipped { .. } => true,
            Self::File { path, sha256, .. } => Self::file(path, sha256).as_ref() == Some(self),
        }
    }
}

/// What a model's networks are made of. Find it out before the weights are read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Made {
    pub architecture: Architecture,
    /// Of each fold.
    pub folds: Vec<Origin>,
}

/// Networks that no run uses at the moment.
struct Kept {
    made: Made,
    engine: Engine,
    /// The run that used them last.
    run: u64,
}

/// All of them, and what the run under way was told to need.
struct Shelf {
    /// The least recently used first.
    kept: Vec<Kept>,
    run: u64,
    needed: u64,
}

static SHELF: Mutex<Shelf> = Mutex::new(Shelf { kept: Vec::new(), run: 0, needed: 0 });

/// Bytes of memory that what is on the shelf takes: told without waiting for the shelf.
static BYTES: AtomicU64 = AtomicU64::new(0);

fn shelf() -> MutexGuard<'static, Shelf> {
    SHELF.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins a run that takes `needed` bytes at most: gives up what is kept until they are free.
pub(super) fn begin(needed: u64) {
    forget_changed();
    let mut shelf = shelf();
    (shelf.run, shelf.needed) = (shelf.run + 1, needed);
    let gone = shelf.too_many(free_bytes(), false);
    drop(shelf);
    let_go(gone);
}

/// Networks on a device for a run: those that were kept, else `folds` are read and put there.
///
/// # Errors
/// As [`Engine::of_folds`].
pub(super) fn engine<E: From<EngineError>>(
    made: Option<Made>,
    choice: DeviceChoice,
    folds: impl Iterator<Item = Result<Network, E>>,
) -> Result<Lent, E> {
    if let Some(engine) = made.as_ref().and_then(|made| take(made, choice)) {
        return Ok(Lent { engine, made });
    }
    Ok(Lent { engine: Engine::of_folds(folds, choice)?, made })
}

/// The networks of these weights on the device of a choice, taken out.
fn take(made: &Made, choice: DeviceChoice) -> Option<Engine> {
    let serial = serial_of(choice).ok()?;
    let mut shelf = shelf();
    let unsound = shelf.take_out(|own| !own.engine.is_sound());
    let found = shelf.kept.iter().position(|own| own.made == *made && own.engine.serial() == serial);
    let found = found.map(|at| shelf.kept.remove(at).engine);
    shelf.count();
    drop(shelf);
    let_go(unsound);
    found
}

/// Networks that a run has.
pub(super) struct Lent {
    pub engine: Engine,
    /// `None`: they are not kept.
    made: Option<Made>,
}

impl Lent {
    /// Does a run's work with the networks; then they are kept for a later run, whether this one came to its
    /// end or was stopped.
    pub(super) fn used<T, E>(mut self, work: impl FnOnce(&mut Engine) -> Result<T, E>) -> Result<T, E> {
        let done = work(&mut self.engine);
        self.give_back();
        done
    }

    /// Keeps the networks for a later run, where they are sound and there is room: those of earlier runs
    /// yield to them, but not those of this run, which the next one begins with.
    pub(super) fn give_back(mut self) {
        let Some(made) = self.made else { return };
        if !self.engine.rest() {
            return;
        }
        let mut shelf = shelf();
        let serial = self.engine.serial();
        let same = |own: &Kept| own.made == made && own.engine.serial() == serial;
        let before = shelf.kept.iter().position(same).map(|at| shelf.kept.remove(at));
        let run = shelf.run;
        shelf.kept.push(Kept { made, engine: self.engine, run });
        let gone = shelf.too_many(free_bytes(), true);
        drop(shelf);
        let_go(before.into_iter().chain(gone).collect());
    }
}

impl Shelf {
    /// Takes out what has no room: beside `free` bytes, those of the run under way are to be free, and,
    /// where something was `added`, kept networks may take a share only.
    fn too_many(&mut self, free: Option<u64>, added: bool) -> Vec<Kept> {
        let sizes: Vec<Held> = self
            .kept
            .iter()
            .map(|own| {
                let [host, device] = own.engine.weight_bytes();
                Held { host, device, is_of_this_run: own.run == self.run }
            })
            .collect();
        let mut all: Vec<Option<Kept>> = std::mem::take(&mut self.kept).into_iter().map(Some).collect();
        let gone = yielding(&sizes, free, self.needed, added);
        let gone = gone.into_iter().filter_map(|at| all[at].take()).collect();
        self.kept = all.into_iter().flatten().collect();
        self.count();
        gone
    }

    /// Takes out those that `is_gone` says.
    fn take_out(&mut self, is_gone: impl Fn(&Kept) -> bool) -> Vec<Kept> {
        let (gone, kept) = std::mem::take(&mut self.kept).into_iter().partition(is_gone);
        self.kept = kept;
        self.count();
        gone
    }

    /// Notes what is there now; to be done after each change.
    fn count(&self) {
        let bytes = self.kept.iter().map(|own| own.engine.weight_bytes()[0]).sum();
        BYTES.store(bytes, Ordering::Relaxed);
    }
}

/// What kept networks take, bytes.
#[derive(Debug, Clone, Copy)]
struct Held {
    host: u64,
    device: u64,
    is_of_this_run: bool,
}

/// The places of those that have no room, of some in the order of their use: earlier runs' first, then
/// this run's, the last one first, so that what its first parts begin with stays.
fn yielding(kept: &[Held], mut free: Option<u64>, needed: u64, added: bool) -> Vec<usize> {
    let (mut host, mut device) =
        kept.iter().fold((0, 0), |(host, device), own| (host + own.host, device + own.device));
    let without = free.map(|free| free + host);
    let limit = without.map_or(UNKNOWN_LIMIT, |all| all / SHARE);
    let earlier = (0..kept.len()).filter(|at| !kept[*at].is_of_this_run);
    let own = (0..kept.len()).rev().filter(|at| kept[*at].is_of_this_run);
    let mut gone = Vec::new();
    for at in earlier.chain(own) {
        let fits = !added || (host <= limit && device <= DEVICE_LIMIT);
        if fits && free.is_none_or(|free| free >= needed) {
            break;
        }
        gone.push(at);
        host -= kept[at].host;
        device -= kept[at].device;
        free = free.map(|free| free + kept[at].host);
    }
    gone
}

/// Gives up networks whose files were changed, replaced or removed since they were read. Blocks for as
/// long as that takes; others do not wait while the files are looked at.
pub fn forget_changed() {
    let mut changed: Vec<Made> = shelf().kept.iter().map(|own| own.made.clone()).collect();
    changed.retain(|made| !made.folds.iter().all(Origin::is_unchanged));
    let gone = shelf().take_out(|own| changed.contains(&own.made));
    let_go(gone);
}

/// Gives up all of them. Blocks for as long as that takes.
pub(super) fn forget_all() {
    let gone = shelf().take_out(|_| true);
    let_go(gone);
}

/// Gives up all networks on a graphics device, which was lost or is another one now. Does not wait.
pub(super) fn forget_graphics() {
    let gone = shelf().take_out(|own| own.engine.serial().is_some());
    let_go_apart(gone);
}

/// Gives up all networks on the graphics device with this serial number, which failed. Does not wait.
pub(super) fn forget_failed(serial: u64) {
    let gone = shelf().take_out(|own| own.engine.serial() == Some(serial));
    let_go_apart(gone);
}

/// Gives up all networks on the graphics device with this serial number, which has too little memory for
/// the run under way; gives their bytes there. Blocks for as long as that takes.
pub(super) fn make_room(serial: u64) -> u64 {
    let gone = shelf().take_out(|own| own.engine.serial() == Some(serial));
    let bytes = gone.iter().map(|own| own.engine.weight_bytes()[1]).sum();
    let_go(gone);
    bytes
}

/// Lets networks of a lost device go on a thread of their own.
fn let_go_apart(gone: Vec<Kept>) {
    if !gone.is_empty() {
        // A driver that is lost may take its time; without the thread they go here.
        drop(std::thread::Builder::new().name("lost networks".to_owned()).spawn(move || let_go(gone)));
    }
}

/// Bytes of memory that kept networks take, which a run that needs them gets.
#[must_use]
pub fn bytes() -> u64 {
    BYTES.load(Ordering::Relaxed)
}

/// Dropping tensors of a lost device may panic.
fn let_go(gone: Vec<Kept>) {
    drop(quietly(move || drop(gone)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;

    const MB: u64 = 1 << 20;

    fn made(origins: &[&str]) -> Made {
        let folds = origins.iter().map(|sha256| Origin::Shipped { sha256: (*sha256).to_owned() }).collect();
        Made { architecture: shape(), folds }
    }

    fn shape() -> Architecture {
        Architecture::plain(1, vec![4, 6], vec![[1; 3], [2; 3]], vec![[3; 3]; 2], 1, 3)
    }

    fn read(seed: u64) -> impl Iterator<Item = Result<Network, EngineError>> {
        std::iter::once(Ok(Network::random(shape(), seed).unwrap()))
    }

    fn unread() -> impl Iterator<Item = Result<Network, EngineError>> {
        std::iter::once_with(|| panic!("weights are read that were kept"))
    }

    /// The weights are not read a second time, on any device that is there, and the logits are the same
    /// bit for bit; other weights do not take their place.
    #[test]
    fn what_was_kept_is_not_read_again_and_computes_the_same() {
        let patch = [8; 3];
        let values: Vec<f32> = (0..512_u16).map(|n| f32::from(n * 37 % 101) / 50.0 - 1.0).collect();
        for choice in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
            begin(0);
            let Ok(mut first) = engine(Some(made(&["a"])), choice, read(1)) else {
                println!("skipped: no adapter");
                continue;
            };
            first.engine.prepare(patch, &Progress::new()).unwrap();
            let logits = first.engine.forward(&values, patch).unwrap();
            first.give_back();
            assert!(bytes() > 0);
            // On a thread of its own, as each run.
            let again = std::thread::scope(|scope| {
                let run = scope.spawn(|| {
                    let mut second = engine(Some(made(&["a"])), choice, unread()).unwrap();
                    second.engine.prepare(patch, &Progress::new()).unwrap();
                    let again = second.engine.forward(&values, patch).unwrap();
                    second.give_back();
                    again
                });
                run.join().unwrap()
            });
            assert_eq!(logits, again);
            let mut other = engine(Some(made(&["b"])), choice, read(2)).unwrap();
            assert_ne!(other.engine.forward(&values, patch).unwrap(), logits);
            // Without a name nothing is kept, and nothing taken.
            engine(None, choice, read(1)).unwrap().give_back();
            engine(Some(made(&["a"])), choice, unread()).unwrap();
            assert_eq!(bytes(), 0, "the run that has them dropped them");
        }
    }

    #[test]
    fn networks_of_a_lost_device_and_of_files_that_changed_are_given_up() {
        begin(0);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fold_0.safetensors");
        let write = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Made { architecture: shape(), folds: vec![Origin::file(&path, "").unwrap()] }
        };
        let keep = |made: &Made| {
            engine(Some(made.clone()), DeviceChoice::Cpu, read(1)).unwrap().give_back();
            assert!(bytes() > 0);
        };
        keep(&write("1"));
        forget_graphics();
        forget_failed(0);
        forget_changed();
        assert!(bytes() > 0, "neither lost nor changed");
        let replaced = write("22");
        forget_changed();
        assert_eq!(bytes(), 0);
        keep(&replaced);
        std::fs::remove_file(&path).unwrap();
        begin(0);
        assert_eq!(bytes(), 0);
        if let Ok(on_device) = engine(Some(made(&["a"])), DeviceChoice::Gpu, read(1)) {
            let serial = on_device.engine.serial().unwrap();
            on_device.give_back();
            forget_failed(serial + 1);
            assert!(bytes() > 0, "another device failed");
            forget_failed(serial);
            assert_eq!(bytes(), 0);
            engine(Some(made(&["a"])), DeviceChoice::Gpu, read(1)).unwrap().give_back();
            assert!(bytes() > 0);
            forget_graphics();
            assert_eq!(bytes(), 0);
        } else {
            println!("skipped: no adapter");
        }
    }

    /// What lies on the device goes, what lies elsewhere stays, and the run goes on where it was.
    #[test]
    fn a_run_that_lacks_the_devices_memory_has_that_of_what_is_kept_there() {
        const SERIAL: u64 = u64::MAX;
        let on_device = |seed: u64| {
            let network = Network::random(shape(), seed).unwrap();
            Engine::on(vec![network], &burn::tensor::Device::flex(), usize::MAX).with_serial(SERIAL)
        };
        let keep = |engine: Engine, name: &str| Lent { engine, made: Some(made(&[name])) }.give_back();
        let patch = [8; 3];
        let values: Vec<f32> = (0..512_u16).map(|n| f32::from(n * 37 % 101) / 50.0 - 1.0).collect();
        begin(0);
        engine(Some(made(&["processor"])), DeviceChoice::Cpu, read(1)).unwrap().give_back();
        let elsewhere = bytes();
        keep(on_device(2), "a");
        keep(on_device(3), "b");
        assert!(bytes() > elsewhere);
        let mut run = on_device(4);
        let expected = run.forward(&values, patch).unwrap();
        run.lack_memory_after(&[1]);
        for _ in 0..3 {
            assert_eq!(run.forward(&values, patch).unwrap(), expected);
        }
        assert_eq!(bytes(), elsewhere);
        assert_eq!((run.take_warnings(), run.device()), (Vec::new(), "test"));
        // Its own networks are kept again, and the next run may lack memory once more.
        keep(run, "c");
        assert!(bytes() > elsewhere);
        let lies_there = |own: &Kept| own.engine.serial() == Some(SERIAL);
        let mut again = shelf().take_out(lies_there).remove(0).engine;
        keep(on_device(5), "d");
        again.lack_memory_after(&[0, 0]);
        let worst =
            |found: Vec<f32>| found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst(again.forward(&values, patch).unwrap()) < 1e-4);
        assert_eq!(bytes(), elsewhere, "given up before the processor has to do it");
        assert!(again.device().starts_with("CPU") && again.take_warnings().len() == 1);
        forget_all();
    }

    #[test]
    fn a_run_that_needs_the_memory_has_it() {
        begin(0);
        engine(Some(made(&["a"])), DeviceChoice::Cpu, read(1)).unwrap().give_back();
        begin(u64::MAX);
        if free_bytes().is_some() {
            assert_eq!(bytes(), 0);
            engine(Some(made(&["a"])), DeviceChoice::Cpu, read(1)).unwrap().give_back();
            assert_eq!(bytes(), 0, "the run under way needs it all");
        }
        begin(0);
        engine(Some(made(&["a"])), DeviceChoice::Cpu, read(1)).unwrap().give_back();
        forget_all();
        assert_eq!(bytes(), 0, "a training needs it all");
    }

    #[test]
    fn the_least_recently_used_yield_and_of_one_run_the_last() {
        let held = |host: u64, device: u64, is_of_this_run| Held {
            host: host * MB,
            device: device * MB,
            is_of_this_run,
        };
        let earlier = [held(100, 0, false), held(200, 0, false), held(300, 0, true)];
        let gone = |kept: &[Held], free: u64, needed: u64, added| {
            yielding(kept, Some(free * MB), needed * MB, added)
        };
        // A quarter of 400 + 600 MB is 250 MB: even the last one alone is too much.
        assert_eq!(gone(&earlier, 400, 0, true), [0, 1, 2]);
        // A quarter of 600 + 600: the last alone fits just.
        assert_eq!(gone(&earlier, 600, 0, true), [0, 1]);
        assert!(gone(&earlier, 1800, 0, true).is_empty(), "all of them are a quarter");
        // What a run needs is made free, whatever the share.
        assert!(gone(&earlier, 400, 400, false).is_empty());
        assert_eq!(gone(&earlier, 400, 500, false), [0]);
        assert_eq!(gone(&earlier, 400, 501, false), [0, 1]);
        // Parts of one run: the last that came goes, so that the next run finds the first.
        let parts = [held(100, 600, false), held(100, 400, true), held(100, 400, true), held(100, 300, true)];
        assert_eq!(gone(&parts, 9000, 0, true), [0, 3]);
        assert_eq!(yielding(&[held(700, 0, true); 2], None, u64::MAX, true), [1]);
    }
}
