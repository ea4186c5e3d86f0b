//! What makes two readings of a series the same images.

use super::Series;
use sha2::{Digest, Sha256};

/// A digest (SHA-256, lower-case hex) of a series' instances and geometry: two series with the same
/// fingerprint are the same images, whatever folder they lie in; the same Series Instance UID with
/// other instances, another slice order or other positions gives another fingerprint.
///
/// Positions and directions enter rounded to 1e-4 mm, so that reading twice gives the same text.
/// Instances enter sorted. A series without instances (NIfTI) is told by its UID, which its reader
/// derives from the content.
#[must_use]
pub fn series_fingerprint(series: &Series) -> String {
    let mut hasher = Sha256::new();
    let volume = &series.volume;
    hasher.update(series.info.uid.as_bytes());
    hasher.update([0]);
    hasher.update(series.info.frame_of_reference_uid.as_deref().unwrap_or_default().as_bytes());
    hasher.update([0]);
    let mut instances: Vec<_> = volume
        .slices
        .iter()
        .filter_map(|slice| slice.instance.as_ref())
        .map(|instance| (&*instance.sop_instance_uid, instance.frame.unwrap_or(0)))
        .collect();
    instances.sort_unstable();
    for (uid, frame) in instances {
        hasher.update(uid.as_bytes());
        hasher.update([0]);
        hasher.update(frame.to_le_bytes());
    }
    for n in volume.grid.dims() {
        hasher.update((n as u64).to_le_bytes());
    }
    for value in volume.grid.patient_from_voxel().matrix().iter() {
        hasher.update(rounded(*value).to_le_bytes());
    }
    for slice in &volume.slices {
        hasher.update(rounded(slice.plane.offset_mm()).to_le_bytes());
        hasher.update([u8::from(slice.missing)]);
    }
    hasher.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[expect(clippy::cast_possible_truncation, reason = "millimetres times 1e4 are far below 2^63")]
fn rounded(value_mm: f64) -> i64 {
    (value_mm * 1e4).round() as i64
}
