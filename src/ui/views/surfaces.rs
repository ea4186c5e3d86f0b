//! The structures' surfaces for the 3D view, made on a thread of their own.
//!
//! A newer request for the same structure supersedes the older; until the new surface is there the
//! last one is shown.

use crate::patient::{Roi, RoiId, Volume};
use crate::render::{SurfaceMesh, surface_of_roi};
use crate::session::Session;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};

/// What is to be made, newest wins.
#[derive(Debug, Default)]
struct Queue {
    wanted: HashMap<RoiId, (Arc<Roi>, Arc<Volume>)>,
    ready: Vec<SurfaceMesh>,
    working: bool,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
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
    /// missing or stale. `wake` is called from the worker when one more is ready.
    pub fn meshes(
        &mut self,
        session: &Session,
        edited: Option<&Arc<Roi>>,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Vec<SurfaceMesh> {
        let rois: Vec<Arc<Roi>> = session
            .structures()
            .rois
            .iter()
            .map(|roi| Arc::clone(edited.filter(|own| own.id == roi.id).unwrap_or(roi)))
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
            self.asked.insert(roi.id, roi.revision);
            queue.wanted.insert(roi.id, (Arc::clone(roi), Arc::clone(volume)));
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
    loop {
        let Ok(mut queue) = shared.queue.lock() else { return };
        let (roi, volume) = loop {
            if queue.closed {
                return;
            }
            // The smallest first: an edited organ is seen before the body's outline is done.
            let next = queue.wanted.values().min_by_key(|(roi, _)| roi.vertex_count()).map(|(roi, _)| roi.id);
            if let Some(wanted) = next.and_then(|id| queue.wanted.remove(&id)) {
                queue.working = true;
                break wanted;
            }
            queue.working = false;
            let Ok(waited) = shared.changed.wait(queue) else { return };
            queue = waited;
        };
        drop(queue);
        let mesh = mesh_of(&roi, &volume);
        let Ok(mut queue) = shared.queue.lock() else { return };
        queue.ready.push(mesh);
        queue.working = false;
        drop(queue);
        wake();
    }
}

/// The cell size of a surface, mm: finer than slices are apart, coarse enough to follow a stroke.
const RESOLUTION_MM: f64 = 1.5;

fn mesh_of(roi: &Roi, volume: &Volume) -> SurfaceMesh {
    surface_of_roi(roi, Some(volume), RESOLUTION_MM).unwrap_or_else(|| SurfaceMesh {
        key: (roi.id, roi.revision),
        positions: Arc::default(),
        normals: Arc::default(),
        indices: Arc::default(),
        color: roi.color,
    })
}
