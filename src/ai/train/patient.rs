//! A patient on the network's grid: what it sees, and labels.

use super::TrainError;
use super::loss::IGNORE;
use crate::ai::body::{BodyError, body_mask};
use crate::ai::nnunet::ChannelImage;
use crate::ai::preprocess::{Affine, resampled};
use crate::patient::{Unit, Volume};
use crate::progress::Progress;
use rayon::prelude::*;
use std::sync::Arc;

/// Everything outside the body, HU, as in the packages that training writes.
pub(super) const OUTSIDE_HU: f32 = -1000.0;

/// One patient as read from files.
#[derive(Debug, Clone)]
pub struct Case {
    /// The name of the patient's folder.
    pub id: String,
    /// The image.
    pub volume: Arc<Volume>,
    /// The input channels of a model of nnU-Net, each on the volume's grid; where there are none, the
    /// volume itself is the only one.
    pub channels: Vec<ChannelImage>,
    /// Of each voxel of the volume's grid, i fastest, what stands for its label ([`Recipe::word`]), or
    /// [`super::loss::IGNORE`] where nobody can tell.
    ///
    /// [`Recipe::word`]: super::Recipe::word
    pub labels: Vec<u16>,
    /// For the background and each label, in the recipe's order, whether it was annotated in this patient;
    /// the background always is.
    pub known: Vec<bool>,
    /// Numbers of labels that the scan cuts off: they are trained on, but not scored.
    pub truncated: Vec<u16>,
    /// What a person should know of this patient, each with the file.
    pub remarks: Vec<String>,
}

/// Where patients come from. Whoever reads files implements it.
pub trait Patients: Sync {
    /// Names of the patients to train on.
    fn train(&self) -> &[String];
    /// Names of the patients kept for validation.
    fn valid(&self) -> &[String];
    /// By what they are divided into these, in a few words for the card, where it is not the run's own draw.
    fn divided_by(&self) -> Option<&str> {
        None
    }
    /// What a person should know of how they are divided.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
    /// Reads one.
    ///
    /// # Errors
    /// A sentence that names the file and the remedy.
    fn read(&self, id: &str, progress: &Progress) -> Result<Case, String>;
}

/// A patient ready to draw patches from.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    /// Size of the part that is drawn from, (z, y, x).
    pub size: [usize; 3],
    /// Its spacing, (z, y, x), mm.
    pub spacing_mm: [f64; 3],
    /// What the network sees.
    pub image: Image,
    /// What stands for the label of each voxel; 0 where the patient's organ is not known.
    pub labels: Vec<u16>,
    /// For the background and each label whether it is known.
    pub known: Vec<bool>,
}

/// The voxels of a patient, x fastest.
#[derive(Debug, Clone)]
pub(super) enum Image {
    /// HU in the box around the body, beyond it air; normalised when a patch is drawn.
    Hu(Vec<i16>),
    /// One channel after the other, normalised; beyond them 0, as nnU-Net pads.
    Normalised(Vec<f32>),
}

impl Prepared {
    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        let image = match &self.image {
            Image::Hu(hu) => hu.len() * size_of::<i16>(),
            Image::Normalised(values) => values.len() * size_of::<f32>(),
        };
        image + self.labels.len() * size_of::<u16>()
    }
}

/// Puts a patient on the grid of a network of the program's own layout: turned and resampled as inference
/// does it, everything outside the body air, cut to the box around it.
pub(super) fn prepare_own(
    case: &Case,
    spacing_mm: [f64; 3],
    progress: &Progress,
) -> Result<Prepared, TrainError> {
    let refused = |reason: &str| {
        Err(TrainError::Patients(format!("the patient {} cannot be trained on: {reason}", case.id)))
    };
    if case.volume.unit != Unit::Hu {
        return refused("the image is no CT in Hounsfield units; leave the folder out");
    }
    let body = match body_mask(&case.volume, &progress.part(0.0, 0.7)) {
        Ok(body) => body,
        Err(BodyError::Cancelled(cancelled)) => return Err(cancelled.into()),
        Err(BodyError::NoBody | BodyError::Unit) => {
            return refused("there is no body in the image; leave the folder out");
        }
    };
    let image = resampled(&case.volume, spacing_mm, OUTSIDE_HU, Some(&body), &progress.part(0.7, 1.0))?;
    if image.values.is_empty() {
        return refused("there is no body in the image; leave the folder out");
    }
    let map = Affine::between(&image.grid, &case.volume.grid);
    let coarse = (0..3).any(|axis| {
        // The image's step along this axis of the model's grid.
        let own = map.step(axis);
        own > 2.0
    });
    let [_, ny, nx] = image.size;
    let dims = case.volume.grid.dims();
    let mut labels = vec![0_u16; image.values.len()];
    labels.par_chunks_mut(nx.max(1)).enumerate().for_each(|(row, labels)| {
        let (z, y) = (row / ny + image.low[0], row % ny + image.low[1]);
        for (x, label) in labels.iter_mut().enumerate() {
            let at = map.at([x + image.low[2], y, z]);
            let found =
                if coarse { nearest(&case.labels, dims, at) } else { greatest(&case.labels, dims, at) };
            if found == IGNORE || case.known.get(usize::from(found)).copied().unwrap_or(false) {
                *label = found;
            }
        }
    });
    #[expect(clippy::cast_possible_truncation, reason = "clamped to what an i16 holds")]
    let hu = image.values.iter().map(|hu| hu.clamp(-32000.0, 32000.0) as i16).collect();
    Ok(Prepared { size: image.size, spacing_mm, image: Image::Hu(hu), labels, known: case.known.clone() })
}

/// The label of the voxel nearest to `at` (i, j, k), the last one beyond the scan's end.
fn nearest(labels: &[u16], dims: [usize; 3], at: [f64; 3]) -> u16 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the scan")]
    let [i, j, k] =
        [0, 1, 2].map(|axis| at[axis].round_ties_even().clamp(0.0, dims[axis] as f64 - 1.0) as usize);
    labels[i + dims[0] * (j + dims[1] * k)]
}

/// The label with the greatest share at `at`, each label's share interpolated; the lowest of equals.
fn greatest(labels: &[u16], dims: [usize; 3], at: [f64; 3]) -> u16 {
    let mut low = [0; 3];
    let mut share = [0.0; 3];
    for axis in 0..3 {
        let place = at[axis].clamp(0.0, dims[axis] as f64 - 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the scan")]
        {
            low[axis] = place as usize;
        }
        share[axis] = place - place.floor();
    }
    let mut found: [(u16, f64); 8] = [(0, 0.0); 8];
    let mut count = 0;
    for corner in 0..8_usize {
        let mut weight = 1.0;
        let mut voxel = [0; 3];
        for axis in 0..3 {
            let up = corner >> axis & 1;
            weight *= if up == 1 { share[axis] } else { 1.0 - share[axis] };
            voxel[axis] = (low[axis] + up).min(dims[axis] - 1);
        }
        if weight == 0.0 {
            continue;
        }
        let label = labels[voxel[0] + dims[0] * (voxel[1] + dims[1] * voxel[2])];
        if let Some((_, sum)) = found[..count].iter_mut().find(|(own, _)| *own == label) {
            *sum += weight;
        } else {
            found[count] = (label, weight);
            count += 1;
        }
    }
    let better =
        |a: (u16, f64), b: (u16, f64)| b.1 > a.1 + 1e-12 || ((b.1 - a.1).abs() <= 1e-12 && b.0 < a.0);
    found[1..count.max(1)]
        .iter()
        .fold(found[0], |best, other| if better(best, *other) { *other } else { best })
        .0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_share_wins() {
        // Two voxels along i: label 3 and label 5.
        let labels = [3, 5];
        assert_eq!(greatest(&labels, [2, 1, 1], [0.4, 0.0, 0.0]), 3);
        assert_eq!(greatest(&labels, [2, 1, 1], [0.6, 0.0, 0.0]), 5);
        assert_eq!(greatest(&labels, [2, 1, 1], [0.5, 0.0, 0.0]), 3, "the lower of equals");
        assert_eq!(greatest(&labels, [2, 1, 1], [7.0, 0.0, 0.0]), 5, "beyond the end the last one counts");
        assert_eq!(nearest(&labels, [2, 1, 1], [1.4, -3.0, 0.0]), 5);
    }
}
