//! Planes of logits in, slices of the image out.

use super::export::{Export, LogitPlane, Slice};
use super::logits::Logits;
use rayon::prelude::*;
use std::collections::VecDeque;

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

impl<T: Send, F: Fn(Slice<'_>) -> T + Sync> Slices<'_, T, F> {
    /// Takes the next plane of logits `[y][x][class]` along the network's first axis.
    ///
    /// # Panics
    /// When the plane has not the size and the classes of the export, or is one too many.
    pub fn push(&mut self, index: usize, logits: &[f32]) {
        let [_, ny, nx] = self.export.geometry.size;
        assert_eq!(logits.len(), ny * nx * self.export.decision().channels(), "a plane of logits");
        match &mut self.way {
            Way::Whole(whole) => whole.set_plane(index, logits),
            Way::Stream { planes, first } => {
                assert_eq!(index, *first + planes.len(), "planes come in order");
                self.gather(logits.to_vec());
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
