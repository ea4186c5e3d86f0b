//! What surrounds a patient in the scanner, and what is said about the anatomy.

use super::SamplePatient;
use super::anatomy::Anatomy;
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
    let pixels = patient.labels.grid.dims()[0];
    let step_mm = patient.labels.grid.spacing_mm()[0];
    // Whole pixels of at least one for a length in mm.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few pixels")]
    let steps = |mm: f64| (mm / step_mm).round().max(1.0) as usize;
    let volume: &mut Volume = Arc::make_mut(&mut patient.series.volume);
    let Voxels::I16(hu) = &mut volume.voxels else { return };
    let plane = pixels * pixels;
    let slices = labels.len() / plane;
    let back = (0..labels.len()).filter(|n| labels[*n] > 0).map(|n| n % plane / pixels).max().unwrap_or(0);
    // The couch: two fibre skins with foam between, touching the back.
    for k in 0..slices {
        for x in steps(20.0)..pixels - steps(20.0) {
            for (depth, y) in (back + 1..(back + steps(35.0)).min(pixels)).enumerate() {
                let n = k * plane + y * pixels + x;
                if labels[n] == 0 {
                    let skin = depth < steps(2.0)
                        || depth > steps(33.0)
                        || x < steps(22.0)
                        || x > pixels - steps(22.0);
                    hu[n] = hu[n].max(if skin { -60 } else { -930 });
                }
            }
        }
    }
    let mask_from = slices * 7 / 10;
    for k in mask_from..slices {
        let body = &labels[k * plane..(k + 1) * plane];
        let gap = grown(body, pixels, steps(2.0));
        let shell = grown(body, pixels, steps(5.0));
        for n in 0..plane {
            if shell[n] && !gap[n] && n / pixels + steps(6.0) < back {
                hu[k * plane + n] = 90;
            }
        }
    }
}

/// The pixels within `steps` of the labelled ones (city-block and chessboard steps in turn).
fn grown(labels: &[u16], pixels: usize, steps: usize) -> Vec<bool> {
    let mut inside: Vec<bool> = labels.iter().map(|label| *label > 0).collect();
    for step in 0..steps {
        let before = inside.clone();
        for y in 1..pixels - 1 {
            for x in 1..pixels - 1 {
                let n = y * pixels + x;
                let straight = before[n - 1] || before[n + 1] || before[n - pixels] || before[n + pixels];
                let corners = step % 2 == 1
                    && (before[n - pixels - 1]
                        || before[n - pixels + 1]
                        || before[n + pixels - 1]
                        || before[n + pixels + 1]);
                inside[n] |= straight || corners;
            }
        }
    }
    inside
}
