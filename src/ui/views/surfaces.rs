//! The structures' surfaces for the 3D view, made on a thread of their own.
//!
//! A newer request for the same structure supersedes the older; until the new surface is there the
//! last one is shown. An edited structure goes before those that are made for the first time: what
//! is under way for them is interrupted and taken up again afterwards.

use crate::patient::{Roi, RoiId, Volume};
use crate::render::{RoiMesher, SurfaceMesh};
use crate::session::Session;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// A surface to be made.
#[derive(Debug, Clone)]
struct Wanted {
    roi: Arc<Roi>,
    volume: Arc<Volume>,
    /// The structure was shown before and has been edited.
    edited: bool,
}

/// What is to be made, newest wins.
#[derive(Debug, Default)]
struct Queue {
    wanted: HashMap<RoiId, Wanted>,
    ready: Vec<SurfaceMesh>,
    working: bool,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// An edited structure waits, or nobody does any more: what is made for the first time stops.
    interrupt: AtomicBool,
}

/// The surfaces shown and those under way.
#[derive(Debug, Default)]
pub struct Surfaces {
    shown: HashMap<RoiId, SurfaceMesh>,
    /// The revision last asked for.
    asked: HashMap<RoiId, u64>,
    worker: Option<Arc<Shared>>,
}

impl Surfaces {
    /// The surfaces of all visible structures as far as they are made; asks for those that are
    /// missing or stale. `edited` stands for those that a gesture under way changes. `wake` is called
    /// from the worker when one more is ready.
    pub fn meshes(
        &mut self,
        session: &Session,
        edited: &[Arc<Roi>],
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Vec<SurfaceMesh> {
        let rois: Vec<Arc<Roi>> = session
            .structures()
            .rois
            .iter()
            .map(|roi| Arc::clone(edited.iter().find(|own| own.id == roi.id).unwrap_or(roi)))
            .collect();
        self.collect();
        self.shown.retain(|id, _| rois.iter().any(|roi| roi.id == *id));
        self.asked.retain(|id, _| rois.iter().any(|roi| roi.id == *id));
        let stale: Vec<&Arc<Roi>> =
            rois.iter().filter(|roi| roi.visible && self.asked.get(&roi.id) != Some(&roi.revision)).collect();
        if !stale.is_empty() {
            self.ask(&stale, &session.series().volume, wake);
        }
        rois.iter()
            .filter(|roi| roi.visible && !roi.planes.is_empty())
            .filter_map(|roi| {
                let mut mesh = self.shown.get(&roi.id)?.clone();
                mesh.color = roi.color;
                Some(mesh)
            })
            .collect()
    }

    /// Whether a surface is being made.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.worker.as_ref().is_some_and(|shared| {
            shared.queue.lock().is_ok_and(|queue| queue.working || !queue.wanted.is_empty())
        })
    }

    fn collect(&mut self) {
        let Some(shared) = &self.worker else { return };
        let Ok(mut queue) = shared.queue.lock() else { return };
        for mesh in queue.ready.drain(..) {
            self.shown.insert(mesh.key.0, mesh);
        }
    }

    fn ask(&mut self, stale: &[&Arc<Roi>], volume: &Arc<Volume>, wake: impl Fn() + Send + Sync + 'static) {
        let shared = self.worker.get_or_insert_with(|| start(wake));
        let Ok(mut queue) = shared.queue.lock() else { return };
        for roi in stale {
            let edited = self.asked.insert(roi.id, roi.revision).is_some();
            let wanted = Wanted { roi: Arc::clone(roi), volume: Arc::clone(volume), edited };
            queue.wanted.insert(roi.id, wanted);
            if edited {
                shared.interrupt.store(true, Ordering::Relaxed);
            }
        }
        shared.changed.notify_one();
    }
}

impl Drop for Surfaces {
    fn drop(&mut self) {
        if let Some(shared) = &self.worker
            && let Ok(mut queue) = shared.queue.lock()
        {
            queue.closed = true;
            queue.wanted.clear();
            shared.interrupt.store(true, Ordering::Relaxed);
            shared.changed.notify_one();
        }
    }
}

fn start(wake: impl Fn() + Send + Sync + 'static) -> Arc<Shared> {
    let shared = Arc::new(Shared::default());
    let own = Arc::clone(&shared);
    let started = std::thread::Builder::new().name("surfaces".into()).spawn(move || work(&own, wake));
    if let Err(error) = started {
        tracing::error!("the thread for surfaces could not be started: {error}");
    }
    shared
}

fn work(shared: &Shared, wake: impl Fn()) {
    let mut meshers = Meshers::default();
    loop {
        let Ok(mut queue) = shared.queue.lock() else { return };
        let wanted = loop {
            if queue.closed {
                return;
            }
            // The smallest first: an edited organ is seen before the body's outline is done.
            let first = |own: &&Wanted| (!own.edited, own.roi.vertex_count());
            let next = queue.wanted.values().min_by_key(first).map(|own| own.roi.id);
            if let Some(wanted) = next.and_then(|id| queue.wanted.remove(&id)) {
                queue.working = true;
                shared.interrupt.store(false, Ordering::Relaxed);
                break wanted;
            }
            queue.working = false;
            let Ok(waited) = shared.changed.wait(queue) else { return };
            queue = waited;
        };
        drop(queue);
        // Stroke after stroke would otherwise interrupt one another for ever.
        let stop = || !wanted.edited && shared.interrupt.load(Ordering::Relaxed);
        let mut mesher = meshers.take(wanted.roi.id);
        let mesh = mesher.surface(&wanted.roi, Some(&wanted.volume), &stop);
        meshers.keep(wanted.roi.id, mesher);
        let Ok(mut queue) = shared.queue.lock() else { return };
        queue.working = false;
        match mesh {
            Some(mesh) => {
                queue.ready.push(mesh);
                drop(queue);
                wake();
            }
            None if queue.closed => return,
            None => {
                queue.wanted.entry(wanted.roi.id).or_insert(wanted);
            }
        }
    }
}

/// The meshers of the structures worked on last, the latest at the end: another stroke costs only
/// what it changes, and 120 structures do not fill the memory.
#[derive(Debug, Default)]
struct Meshers(Vec<(RoiId, RoiMesher)>);

impl Meshers {
    const KEPT: usize = 4;

    fn take(&mut self, id: RoiId) -> RoiMesher {
        let own = self.0.iter().position(|(own, _)| *own == id);
        own.map_or_else(RoiMesher::default, |at| self.0.remove(at).1)
    }

    fn keep(&mut self, id: RoiId, mesher: RoiMesher) {
        if self.0.len() == Self::KEPT {
            self.0.remove(0);
        }
        self.0.push((id, mesher));
    }
}
