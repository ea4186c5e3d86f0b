//! What is suggested and what recipes would make, in the 3D view: surfaces in patches, as their lines
//! are dashed in slices, so that what lies inside is seen between them.

use crate::geometry::Point3;
use crate::patient::{Color, Roi, RoiId, Volume};
use crate::render::{SurfaceMesh, surface_of_roi};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

/// The side of a patch, mm.
const PATCH_MM: f64 = 4.0;

type Key = Vec<(RoiId, u64)>;

/// The surfaces shown and those under way.
#[derive(Debug, Default)]
pub struct PreviewSurfaces {
    asked: Key,
    shown: Vec<SurfaceMesh>,
    running: Option<(Key, Receiver<Vec<SurfaceMesh>>)>,
}

impl PreviewSurfaces {
    /// The surfaces of `previews` as far as they are made, those before until then; none without
    /// previews. `wake` is called when they are ready.
    pub fn meshes(
        &mut self,
        previews: &[Arc<Roi>],
        volume: &Arc<Volume>,
        wake: impl FnOnce() + Send + 'static,
    ) -> Vec<SurfaceMesh> {
        if previews.is_empty() {
            *self = Self::default();
            return Vec::new();
        }
        if let Some((key, running)) = &self.running {
            match running.try_recv() {
                Ok(made) => {
                    self.shown = made;
                    self.asked.clone_from(key);
                    self.running = None;
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => {
                    self.asked.clone_from(key);
                    self.running = None;
                }
            }
        }
        let key: Key = previews.iter().map(|roi| (roi.id, roi.revision)).collect();
        // One at a time: the latest is begun when the one before is done.
        if self.running.is_none() && key != self.asked {
            self.start(key, previews.to_vec(), Arc::clone(volume), wake);
        }
        self.shown.clone()
    }

    /// Whether surfaces are being made.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    fn start(
        &mut self,
        key: Key,
        previews: Vec<Arc<Roi>>,
        volume: Arc<Volume>,
        wake: impl FnOnce() + Send + 'static,
    ) {
        let (sender, receiver) = channel();
        let work = move || {
            let surface = |roi: &Arc<Roi>| surface_of_roi(roi, Some(&volume));
            let made = previews.iter().filter_map(surface).map(in_patches).collect();
            // Nobody listens any more when the previews are gone.
            let _ = sender.send(made);
            wake();
        };
        match std::thread::Builder::new().name("preview surfaces".into()).spawn(work) {
            Ok(_) => self.running = Some((key, receiver)),
            Err(error) => {
                tracing::error!("the thread for previews' surfaces could not be started: {error}");
                self.asked = key;
            }
        }
    }
}

/// Every second patch of a surface, like the fields of a chessboard in space, in a lighter colour.
fn in_patches(mesh: SurfaceMesh) -> SurfaceMesh {
    let corner = |index: &u32| {
        let at = mesh.positions.get(*index as usize).copied().unwrap_or_default();
        Point3::from(at.map(f64::from)).coords
    };
    let is_kept = |triangle: &&[u32]| {
        let middle = triangle.iter().map(corner).sum::<crate::geometry::Vector3>() / 3.0;
        #[expect(clippy::cast_possible_truncation, reason = "patient millimetres")]
        let field = |mm: f64| (mm / PATCH_MM).floor() as i64;
        (field(middle.x) + field(middle.y) + field(middle.z)) % 2 == 0
    };
    let indices = mesh.indices.chunks_exact(3).filter(is_kept).flatten().copied().collect();
    SurfaceMesh { color: lighter(mesh.color), indices: Arc::new(indices), ..mesh }
}

fn lighter(color: Color) -> Color {
    color.map(|part| part + (255 - part) / 5 * 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square of 40 mm in triangles of half a millimetre.
    fn square() -> SurfaceMesh {
        let n = 81_u32;
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let at = |k: u32| [(k % n) as f32 * 0.5 + 0.1, (k / n) as f32 * 0.5 + 0.1, 1.0];
        let mut indices = Vec::new();
        for k in (0..n * n).filter(|k| k % n + 1 < n && k / n + 1 < n) {
            indices.extend([k, k + 1, k + n, k + 1, k + n + 1, k + n]);
        }
        SurfaceMesh {
            key: (RoiId(1), 1),
            positions: Arc::new((0..n * n).map(at).collect()),
            normals: Arc::new(vec![[0.0, 0.0, 1.0]; (n * n) as usize]),
            indices: Arc::new(indices),
            color: [255, 0, 100],
        }
    }

    #[test]
    fn half_of_a_surface_stays_in_whole_triangles_of_a_lighter_colour() {
        let whole = square();
        let patches = in_patches(whole.clone());
        let part = patches.indices.len() as f64 / whole.indices.len() as f64;
        assert!((part - 0.5).abs() < 0.03, "{part}");
        assert_eq!(patches.indices.len() % 3, 0);
        assert!(Arc::ptr_eq(&patches.positions, &whole.positions));
        assert_eq!((patches.color, patches.key), ([255, 102, 162], whole.key));
    }
}
