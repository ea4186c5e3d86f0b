//! What surrounds a patient in the scanner, and what is said about the anatomy.

use super::anatomy::Anatomy;
use super::{PIXELS, SamplePatient};
use crate::patient::{Volume, Voxels};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// The learner's sentence about an organ of the sample patient, by TG-263 name.
#[must_use]
pub fn organ_sentence(name: &str) -> Option<&'static str> {
    static SENTENCES: OnceLock<HashMap<String, String>> = OnceLock::new();
    SENTENCES
        .get_or_init(|| {
            let parts = Anatomy::bundled().map(|anatomy| anatomy.part).unwrap_or_default();
            let sides = |pair: bool| if pair { &["_L", "_R"][..] } else { &[""][..] };
            parts
                .into_iter()
                .filter(|part| !part.sentence.is_empty())
                .flat_map(|part| {
                    sides(part.pair)
                        .iter()
                        .map(move |side| (format!("{}{side}", part.name), part.sentence.clone()))
                })
                .collect()
        })
        .get(name)
        .map(String::as_str)
}

/// Adds what an external contour must leave out: a carbon-fibre couch top under the patient and a
/// thermoplastic mask of about 3 mm over head, neck and shoulders, a millimetre or two off the skin.
pub fn add_couch_and_mask(patient: &mut SamplePatient) {
    let labels = &patient.labels.labels;
    let volume: &mut Volume = Arc::make_mut(&mut patient.series.volume);
    let Voxels::I16(hu) = &mut volume.voxels else { return };
    let plane = PIXELS * PIXELS;
    let slices = labels.len() / plane;
    let back = (0..labels.len()).filter(|n| labels[*n] > 0).map(|n| n % plane / PIXELS).max().unwrap_or(0);
    // The couch: two fibre skins with foam between, touching the back.
    for k in 0..slices {
        for x in 20..PIXELS - 20 {
            for (depth, y) in (back + 1..(back + 36).min(PIXELS)).enumerate() {
                let n = k * plane + y * PIXELS + x;
                if labels[n] == 0 {
                    let skin = depth < 2 || depth > 32 || x < 23 || x > PIXELS - 24;
                    hu[n] = hu[n].max(if skin { -60 } else { -930 });
                }
            }
        }
    }
    let mask_from = slices * 7 / 10;
    for k in mask_from..slices {
        let body = &labels[k * plane..(k + 1) * plane];
        let gap = grown(body, 2);
        let shell = grown(body, 5);
        for n in 0..plane {
            if shell[n] && !gap[n] && n / PIXELS + 6 < back {
                hu[k * plane + n] = 90;
            }
        }
    }
}

/// The pixels within `steps` of the labelled ones (city-block and chessboard steps in turn).
fn grown(labels: &[u16], steps: usize) -> Vec<bool> {
    let mut inside: Vec<bool> = labels.iter().map(|label| *label > 0).collect();
    for step in 0..steps {
        let before = inside.clone();
        for y in 1..PIXELS - 1 {
            for x in 1..PIXELS - 1 {
                let n = y * PIXELS + x;
                let straight = before[n - 1] || before[n + 1] || before[n - PIXELS] || before[n + PIXELS];
                let corners = step % 2 == 1
                    && (before[n - PIXELS - 1]
                        || before[n - PIXELS + 1]
                        || before[n + PIXELS - 1]
                        || before[n + PIXELS + 1]);
                inside[n] |= straight || corners;
            }
        }
    }
    inside
}
