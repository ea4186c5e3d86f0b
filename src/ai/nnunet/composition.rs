//! What a manifest declares beyond nnU-Net's own way of running a model.
//!
//! A `[run]` table says how the image reaches the models and what is left out; `[[parts]]` are the
//! models of one package, each with the values that its own labels have in the common result. With
//! neither, a package runs exactly as nnU-Net would run it.

use super::model::Model;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a package's models run, and make one result.
#[derive(Debug, Clone, PartialEq)]
pub struct Composition {
    /// The models; of two that claim a voxel the later one has it.
    pub parts: Vec<Part>,
    /// How the image reaches them.
    pub run: Run,
}

/// One model of several.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The model.
    pub model: Model,
    /// The value in the common result of each of its own labels; the first, background's, is 0.
    pub values: Vec<u16>,
}

/// How the image reaches the models.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The image is resampled to this spacing, (z, y, x), mm, as TotalSegmentator does before nnU-Net's
    /// own steps, and the labels back to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spacing_mm: Option<[f64; 3]>,
    /// The window's step as a share of the patch, in place of nnU-Net's 0.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// Patches whose voxels are all below this, HU, are background without being looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_below_hu: Option<f64>,
    /// The labels, by name, of which only the largest piece is kept. Pieces join over voxels' faces, as
    /// TotalSegmentator has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub largest_piece: Vec<String>,
    /// The labels, by name, whose pieces of this volume or less are dropped, cc.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub least_piece_cc: BTreeMap<String, f64>,
    /// The region of the image that is looked at at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
}

/// A region that a coarse model finds first.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// The coarse model's id; it lies beside this one or is one of the program's.
    pub model: String,
    /// Its organs whose common box is kept, by name.
    pub organs: Vec<String>,
    /// Kept around the box on each side, mm; cut to whole voxels.
    pub margin_mm: f64,
    /// What the box measures in an adult, about, (z, y, x), mm: only for telling time and memory before
    /// it is found. Without it the whole image is reckoned with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typical_mm: Option<[f64; 3]>,
    /// Where in it labels may be at all; only of images that are not resampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Within>,
}

/// The neighbourhood of organs that a coarse model finds.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Within {
    /// The coarse model's organs, by name.
    pub organs: Vec<String>,
    /// How far around them, mm; cut to whole voxels of their mean side.
    pub margin_mm: f64,
}

impl Crop {
    /// What is kept of an image of this extent (z, y, x), mm, as far as that can be told before.
    pub(in crate::ai) fn kept_mm(&self, image_mm: [f64; 3]) -> [f64; 3] {
        let Some(typical_mm) = self.typical_mm else { return image_mm };
        std::array::from_fn(|axis| image_mm[axis].min(typical_mm[axis] + 2.0 * self.margin_mm))
    }
}

impl Composition {
    /// Whether one model runs on the image as it is, with labels of its own: only what is made of its
    /// labels may be more than nnU-Net's.
    pub(in crate::ai) fn is_plain(&self) -> bool {
        let is_own = |part: &Part| part.values.iter().enumerate().all(|(n, own)| n == usize::from(*own));
        let Run { spacing_mm, crop, .. } = &self.run;
        matches!(self.parts.as_slice(), [only] if is_own(only)) && spacing_mm.is_none() && crop.is_none()
    }
}

impl Run {
    /// What the types do not guarantee.
    pub(super) fn check(&self) -> Result<(), String> {
        let within = |value: f64, low: f64, high: f64| (low..=high).contains(&value);
        if self.spacing_mm.is_some_and(|mm| !mm.iter().all(|mm| within(*mm, 0.05, 100.0))) {
            return Err("run.spacing_mm is not 0.05 to 100 mm".to_owned());
        }
        if self.step.is_some_and(|step| !within(step, 0.05, 1.0)) {
            return Err("run.step is not 0.05 to 1".to_owned());
        }
        if self.empty_below_hu.is_some_and(|value| !value.is_finite()) {
            return Err("run.empty_below_hu is not a number".to_owned());
        }
        if let Some(name) = self.least_piece_cc.iter().find(|(_, cc)| !within(**cc, 0.0, 1e6)) {
            return Err(format!("run.least_piece_cc of {} is not 0 to 1000000 cc", name.0));
        }
        if let Some(crop) = &self.crop {
            if crop.model != super::package::plain_name(&crop.model) {
                return Err(format!("run.crop.model {} is not a plain name", crop.model));
            }
            if crop.organs.is_empty() || !within(crop.margin_mm, 0.0, 1000.0) {
                return Err("run.crop has no organs, or a margin that is not 0 to 1000 mm".to_owned());
            }
            let within_organs = crop.within.as_ref();
            if within_organs.is_some_and(|own| own.organs.is_empty() || !within(own.margin_mm, 0.0, 1000.0)) {
                return Err("run.crop.within has no organs, or a margin that is not 0 to 1000 mm".to_owned());
            }
            if within_organs.is_some() && self.spacing_mm.is_some() {
                return Err("run.crop.within is there beside run.spacing_mm, which cannot be".to_owned());
            }
            if crop.typical_mm.is_some_and(|mm| !mm.iter().all(|mm| within(*mm, 1.0, 3000.0))) {
                return Err("run.crop.typical_mm is not 1 to 3000 mm".to_owned());
            }
        }
        Ok(())
    }
}

impl Composition {
    /// What the types do not guarantee.
    pub(super) fn check(&self) -> Result<(), String> {
        self.run.check()?;
        let first = self.parts.first().ok_or("there are no parts")?;
        for (number, part) in (1..).zip(&self.parts) {
            let odd = |what: &str| Err(format!("part {number} {what}"));
            if part.model.dataset.regions {
                return odd("has regions, which cannot be combined");
            }
            if part.model.dataset.channels.len() != first.model.dataset.channels.len() {
                return odd("takes another number of images than the first");
            }
            if part.model.plan.orientation != first.model.plan.orientation {
                return odd("has the image in another orientation than the first");
            }
            if part.values.len() != part.model.dataset.outputs() || part.values.first() != Some(&0) {
                return odd("does not give each of its labels a value, background 0");
            }
        }
        let mut values: Vec<u16> = self.values().collect();
        let count = values.len();
        values.sort_unstable();
        values.dedup();
        if values.is_empty() || values.len() < count {
            return Err("there are no values, or one is there twice".to_owned());
        }
        Ok(())
    }

    /// The values of the common result; labels that are dropped (value 0) are left out.
    pub(super) fn values(&self) -> impl Iterator<Item = u16> {
        self.parts.iter().flat_map(|part| part.values.iter().copied()).filter(|value| *value != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_says_is_checked() {
        let read = |text: &str| toml::from_str::<Run>(text).map_err(|error| error.to_string());
        let checked = |text: &str| read(text).unwrap().check();
        let crop = r#"crop = { model = "coarse", organs = ["Heart"], margin_mm = 20.0"#;
        let within = |organs: &str, mm: f64| {
            format!("{crop}, within = {{ organs = [{organs}], margin_mm = {mm:?} }} }}\n")
        };
        assert_eq!(checked(&within("\"Heart\", \"A_Aorta\"", 10.0)), Ok(()));
        assert!(checked(&within("", 10.0)).unwrap_err().contains("within has no organs"));
        assert!(checked(&within("\"Heart\"", -1.0)).unwrap_err().contains("margin"));
        // What is near is told of the image's own voxels.
        let resampled = format!("spacing_mm = [1.5, 1.5, 1.5]\n{}", within("\"Heart\"", 10.0));
        assert!(checked(&resampled).unwrap_err().contains("beside run.spacing_mm"));
        assert_eq!(checked("least_piece_cc = { Body_Limbs = 50.0 }"), Ok(()));
        assert!(checked("least_piece_cc = { Body_Limbs = -1.0 }").unwrap_err().contains("Body_Limbs"));
        assert!(read("least_piece = 3").is_err(), "nothing is overlooked");
    }

    #[test]
    fn a_run_is_written_as_it_is_read() {
        let run = Run {
            largest_piece: vec!["Body_Trunk".to_owned()],
            least_piece_cc: [("Body_Limbs".to_owned(), 50.0)].into(),
            crop: Some(Crop {
                model: "coarse".to_owned(),
                organs: vec!["Heart".to_owned()],
                margin_mm: 20.0,
                typical_mm: None,
                within: Some(Within { organs: vec!["A_Aorta".to_owned()], margin_mm: 10.0 }),
            }),
            ..Run::default()
        };
        let text = toml::to_string(&run).unwrap();
        assert_eq!(toml::from_str::<Run>(&text).unwrap(), run);
        assert_eq!(toml::to_string(&Run::default()).unwrap(), "", "what is not told is not written");
    }
}
