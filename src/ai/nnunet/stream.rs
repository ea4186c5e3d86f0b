//! Planes of logits in, slices of the image out; on a thread of its own where a network runs meanwhile.

use super::export::{Export, LogitPlane, Slice};
use super::logits::Logits;
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, scope};

/// Planes that are gathered before slices are made of them, in parallel.
const GATHERED: usize = 8;

/// Logits that are gathered, at most; one plane always is.
const GATHERED_LOGITS: usize = 1 << 26;

/// Planes to gather, of so many logits each.
fn gathered(logits: usize) -> usize {
    (GATHERED_LOGITS / logits.max(1)).clamp(1, GATHERED)
}

/// Takes the planes that a sliding window hands over, and maps the image's slices to results.
///
/// Where the image's slices follow each other along the network's first axis, as in most plans,
/// at most nine planes are held (two, where they are large); else all logits in half precision.
pub struct Slices<'a, T, F: Fn(Slice<'_>) -> T + Sync> {
    export: &'a Export,
    map: F,
    way: Way,
    /// The next slice to be made.
    next: usize,
    results: Vec<T>,
}

enum Way {
    /// Planes not done with, and their indices.
    Stream {
        planes: VecDeque<LogitPlane>,
        first: usize,
    },
    Whole(Logits),
}

impl Export {
    /// Bytes that [`Slices`] holds at most, results left out.
    #[must_use]
    pub fn peak_bytes(&self) -> usize {
        let size = self.geometry.size;
        let classes = self.decision().channels();
        let voxels: usize = size.iter().product();
        let plane = voxels / size[self.axis()];
        let planes = gathered(plane * classes).min(size[self.axis()]) + 2;
        let whole = if self.axis() == 0 { 0 } else { voxels * classes * size_of::<half::f16>() };
        whole + planes * plane * (classes * size_of::<f32>() + size_of::<u16>())
    }

    /// Begins to take planes. `map` is called once for each slice of the image, in parallel and in
    /// any order; what it gives comes back in order from [`Slices::finish`].
    pub fn slices_to<T: Send, F: Fn(Slice<'_>) -> T + Sync>(&self, map: F) -> Slices<'_, T, F> {
        let way = if self.axis() == 0 {
            Way::Stream { planes: VecDeque::new(), first: 0 }
        } else {
            Way::Whole(Logits::new(self.geometry.size, self.decision().channels()))
        };
        Slices { export: self, map, way, next: 0, results: Vec::with_capacity(self.slices()) }
    }

    /// Maps the slices of logits that are there as a whole.
    ///
    /// # Panics
    /// When the logits have not the size or the classes of the export.
    pub fn map_logits<T: Send>(&self, logits: &Logits, map: impl Fn(Slice<'_>) -> T + Sync) -> Vec<T> {
        assert_eq!((logits.size, logits.classes), (self.geometry.size, self.decision().channels()));
        let mut slices = Slices {
            export: self,
            map,
            way: Way::Stream { planes: VecDeque::new(), first: 0 },
            next: 0,
            results: Vec::with_capacity(self.slices()),
        };
        for index in 0..logits.size[self.axis()] {
            slices.gather(logits.plane(self.axis(), index));
        }
        slices.finish()
    }
}

/// Planes that may wait for the thread that makes slices of them, of so many logits each.
pub(in crate::ai) fn waiting(logits: usize) -> usize {
    gathered(logits)
}

/// Why slices were not made.
#[derive(Debug)]
pub(super) enum MakeError<E> {
    /// Someone asked to stop.
    Cancelled,
    /// The system gives no thread.
    NoThread,
    /// Who makes the planes failed.
    Planes(E),
}

/// Where planes of logits go, `[y][x][class]` along the network's first axis.
pub(super) struct Planes {
    send: SyncSender<(usize, Vec<f32>)>,
}

impl Planes {
    /// Hands the next plane over; waits while too many are.
    ///
    /// # Errors
    /// [`Cancelled`] when nobody takes them any more.
    pub(super) fn push(&self, index: usize, logits: &[f32]) -> Result<(), Cancelled> {
        self.send.send((index, logits.to_vec())).map_err(|_| Cancelled)
    }
}

impl Export {
    /// What `map` makes of each slice of the image, of the planes that `run` hands over: slices are made
    /// while it goes on, so that a graphics device does not wait for them.
    ///
    /// # Errors
    /// Those of `run`, or cancelled.
    ///
    /// # Panics
    /// As [`Slices::push`] and [`Slices::finish`], and where `map` does.
    pub(super) fn made_beside<T: Send, E>(
        &self,
        map: impl Fn(Slice<'_>) -> T + Sync + Send,
        run: impl FnOnce(&Planes) -> Result<(), E>,
        progress: &Progress,
    ) -> Result<Vec<T>, MakeError<E>> {
        let [_, ny, nx] = self.geometry.size;
        let (send, planes) = sync_channel(waiting(ny * nx * self.decision().channels()));
        let slices = self.slices_to(map);
        scope(|scope| {
            let thread = Builder::new().name("delineo-slices".to_owned());
            let maker = thread.spawn_scoped(scope, move || made_of(planes, slices, progress));
            let maker = maker.map_err(|error| {
                tracing::warn!("no thread can be begun: {error}");
                MakeError::NoThread
            })?;
            let ran = run(&Planes { send });
            // It has ended, or will now that nothing more comes.
            let made = maker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            ran.map_err(MakeError::Planes)?;
            Ok(made.map_err(|Cancelled| MakeError::Cancelled)?.finish())
        })
    }
}

/// Takes planes until no more come, or someone asks to stop.
fn made_of<'a, T: Send, F: Fn(Slice<'_>) -> T + Sync>(
    planes: Receiver<(usize, Vec<f32>)>,
    mut slices: Slices<'a, T, F>,
    progress: &Progress,
) -> Result<Slices<'a, T, F>, Cancelled> {
    for (index, logits) in planes {
        progress.check()?;
        slices.take(index, logits);
    }
    Ok(slices)
}

impl<T: Send, F: Fn(Slice<'_>) -> T + Sync> Slices<'_, T, F> {
    /// Takes the next plane of logits `[y][x][class]` along the network's first axis.
    ///
    /// # Panics
    /// When the plane has not the size and the classes of the export, or is one too many.
    pub fn push(&mut self, index: usize, logits: &[f32]) {
        self.take(index, logits.to_vec());
    }

    fn take(&mut self, index: usize, logits: Vec<f32>) {
        let [_, ny, nx] = self.export.geometry.size;
        assert_eq!(logits.len(), ny * nx * self.export.decision().channels(), "a plane of logits");
        match &mut self.way {
            Way::Whole(whole) => whole.set_plane(index, &logits),
            Way::Stream { planes, first } => {
                assert_eq!(index, *first + planes.len(), "planes come in order");
                self.gather(logits);
            }
        }
    }

    fn gather(&mut self, logits: Vec<f32>) {
        let plane = self.export.plane(logits);
        let axis = self.export.axis();
        let Way::Stream { planes, first } = &mut self.way else { return };
        planes.push_back(plane);
        let ready = *first + planes.len();
        if planes.len() > gathered(planes[0].len()) || ready == self.export.geometry.size[axis] {
            self.make(ready);
        }
    }

    /// Makes the slices that need no plane from `ready` on, and lets go of planes.
    fn make(&mut self, ready: usize) {
        let Way::Stream { planes, first } = &mut self.way else { return };
        let export = self.export;
        let done = |slice: &usize| export.needs(*slice).is_none_or(|pair| pair.high < ready);
        let end = (self.next..export.slices()).take_while(done).last().map_or(self.next, |last| last + 1);
        let map = &self.map;
        let make = |index: usize| {
            let planes =
                export.needs(index).map(|pair| [&planes[pair.low - *first], &planes[pair.high - *first]]);
            map(export.slice(index, planes))
        };
        self.results.par_extend((self.next..end).into_par_iter().map(make));
        self.next = end;
        let needed =
            (end..export.slices()).find_map(|slice| export.needs(slice)).map_or(ready, |pair| pair.low);
        while *first < needed && planes.pop_front().is_some() {
            *first += 1;
        }
    }

    /// What `map` gave for each slice of the image, in order.
    ///
    /// # Panics
    /// When planes are missing.
    pub fn finish(mut self) -> Vec<T> {
        if let Way::Whole(logits) = &self.way {
            return self.export.map_logits(logits, self.map);
        }
        let depth = self.export.geometry.size[self.export.axis()];
        if self.next < self.export.slices() {
            self.make(depth);
        }
        assert_eq!(self.results.len(), self.export.slices(), "all planes were pushed");
        self.results
    }
}

#[cfg(test)]
mod tests {
    use super::super::decision::Decision;
    use super::super::preprocess::Geometry;
    use super::super::resample::Resampling;
    use super::*;

    /// Twelve planes of 2 x 3 voxels and two classes, whose image has twice as many slices.
    fn export(backward: [usize; 3]) -> Export {
        let mut forward = [0; 3];
        backward.iter().enumerate().for_each(|(image, network)| forward[*network] = image);
        let size = [24, 2, 3];
        let geometry = Geometry {
            image_size: backward.map(|axis| size[axis]),
            transpose_forward: forward,
            low: [0; 3],
            cropped: size,
            image_spacing_mm: [1.0; 3],
            size: [12, 2, 3],
            spacing_mm: [2.0, 1.0, 1.0],
        };
        Export::new(geometry, backward, Resampling::LOGITS, Decision::Classes(2)).unwrap()
    }

    fn plane(index: usize) -> Vec<f32> {
        (0..12).map(|n| ((index * 12 + n) * 37 % 101) as f32 / 50.0 - 1.0).collect()
    }

    fn map(slice: Slice<'_>) -> (usize, Vec<f32>, Vec<u16>) {
        let shares = (0..slice.labels().len()).map(|at| slice.score(1, at)).collect();
        (slice.index(), shares, slice.into_labels())
    }

    #[test]
    fn slices_made_beside_the_network_are_those_made_after_it() {
        for backward in [[0, 1, 2], [1, 2, 0]] {
            let export = export(backward);
            let mut slices = export.slices_to(map);
            (0..12).for_each(|index| slices.push(index, &plane(index)));
            let expected = slices.finish();
            assert!(expected.iter().flat_map(|(_, _, labels)| labels).any(|label| *label == 1));
            let run = |planes: &Planes| (0..12).try_for_each(|index| planes.push(index, &plane(index)));
            let made = export.made_beside(map, run, &Progress::new()).unwrap();
            assert_eq!(made, expected);
        }
    }

    #[test]
    fn what_fails_on_either_side_ends_the_other() {
        let export = export([0, 1, 2]);
        // The network fails half way: nothing waits for the planes that are missing.
        let run = |planes: &Planes| {
            (0..6).for_each(|index| planes.push(index, &plane(index)).unwrap());
            Err("no network")
        };
        let failed = export.made_beside(map, run, &Progress::new());
        assert!(matches!(failed, Err(MakeError::Planes("no network"))));
        // Someone asks to stop: planes are taken no more.
        let progress = Progress::new();
        progress.cancel();
        let run = |planes: &Planes| {
            while planes.push(0, &plane(0)).is_ok() {}
            Ok::<_, &str>(())
        };
        assert!(matches!(export.made_beside(map, run, &progress), Err(MakeError::Cancelled)));
        // A slice cannot be made: the run ends, and it is told.
        let run = |planes: &Planes| {
            let mut index = 0;
            while planes.push(index, &plane(index)).is_ok() {
                index += 1;
            }
            Ok::<_, &str>(())
        };
        let broken = |slice: Slice<'_>| assert!(slice.index() < 3, "broken for a test");
        let made = std::panic::AssertUnwindSafe(|| export.made_beside(broken, run, &Progress::new()).is_ok());
        assert!(std::panic::catch_unwind(made).is_err());
    }
}
