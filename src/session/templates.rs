//! Templates: named sets of organs to ask a model for. A few are built in; others are a person's own.
//!
//! A template names organs by TG-263; of a model's organs those in it are chosen. It never adds an
//! organ that the model does not have.

use serde::{Deserialize, Serialize};

/// A named set of organs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// What the person calls it.
    pub name: String,
    /// The organs, by their TG-263 names.
    pub organs: Vec<String>,
}

impl Template {
    /// Those of `organs` that are in the template, in their order.
    #[must_use]
    pub fn among(&self, organs: &[String]) -> Vec<String> {
        organs.iter().filter(|organ| self.organs.contains(organ)).cloned().collect()
    }
}

/// The built-in sets: the organs at risk that are outlined for most plans of a region (after the
/// consensus guidelines: Brouwer et al. 2015 head and neck, Kong et al. 2011 and RTOG 1106 chest,
/// Jabbour et al. 2014 upper abdomen, Gay et al. 2012 pelvis).
const BUILT_IN: [(&str, &[&str]); 4] = [
    (
        "Head and neck",
        &[
            "Brain",
            "Brainstem",
            "SpinalCord",
            "SpinalCanal",
            "Eye_L",
            "Eye_R",
            "Lens_L",
            "Lens_R",
            "OpticNrv_L",
            "OpticNrv_R",
            "OpticChiasm",
            "Parotid_L",
            "Parotid_R",
            "Glnd_Submand_L",
            "Glnd_Submand_R",
            "Glnd_Lacrimal_L",
            "Glnd_Lacrimal_R",
            "Cochlea_L",
            "Cochlea_R",
            "Cavity_Oral",
            "Bone_Mandible",
            "Larynx",
            "Pharynx",
            "Musc_Constrict",
            "Esophagus",
            "Glnd_Thyroid",
        ],
    ),
    (
        "Chest",
        &[
            "Lung_L",
            "Lung_R",
            "Lungs",
            "Heart",
            "Esophagus",
            "SpinalCord",
            "SpinalCanal",
            "Trachea",
            "Bronchus_Main_L",
            "Bronchus_Main_R",
            "A_Aorta",
            "V_Venacava_S",
            "A_Pulmonary",
            "BrachialPlex_L",
            "BrachialPlex_R",
            "Breast_L",
            "Breast_R",
            "Liver",
            "Chestwall",
        ],
    ),
    (
        "Abdomen",
        &[
            "Liver",
            "Kidney_L",
            "Kidney_R",
            "Stomach",
            "Duodenum",
            "Bowel_Small",
            "Bowel_Large",
            "Colon",
            "Bowel",
            "Spleen",
            "Pancreas",
            "Gallbladder",
            "SpinalCord",
            "SpinalCanal",
            "Glnd_Adrenal_L",
            "Glnd_Adrenal_R",
            "A_Aorta",
            "V_Venacava_I",
        ],
    ),
    (
        "Pelvis",
        &[
            "Bladder",
            "Rectum",
            "Bowel",
            "Bowel_Small",
            "Colon",
            "Colon_Sigmoid",
            "Anus",
            "PenileBulb",
            "Prostate",
            "SeminalVes",
            "Uterus",
            "Femur_L",
            "Femur_R",
            "Femur_Head_L",
            "Femur_Head_R",
            "Bone_Pelvic_L",
            "Bone_Pelvic_R",
            "Sacrum",
        ],
    ),
];

/// The built-in templates.
#[must_use]
pub fn built_in() -> Vec<Template> {
    let template = |(name, organs): &(&str, &[&str])| Template {
        name: (*name).to_owned(),
        organs: organs.iter().map(|organ| (*organ).to_owned()).collect(),
    };
    BUILT_IN.iter().map(template).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::BodyRegion;

    #[test]
    fn a_template_chooses_among_what_a_model_has() {
        let has = ["Liver", "Spleen", "Thing"].map(str::to_owned);
        let template = Template { name: "Mine".into(), organs: vec!["Spleen".into(), "Kidney_L".into()] };
        assert_eq!(template.among(&has), ["Spleen"]);
    }

    #[test]
    fn the_built_in_ones_are_about_what_they_say() {
        for template in built_in() {
            let regions = BodyRegion::of_organs(template.organs.iter().map(String::as_str));
            let first = template.name.split(' ').next().unwrap_or_default().to_lowercase();
            assert!(regions.iter().any(|region| region.word() == first), "{}: {regions:?}", template.name);
            let known = template.organs.iter().filter(|organ| {
                include_str!("../../assets/tg263.csv")
                    .lines()
                    .any(|line| line.split(',').next() == Some(organ))
            });
            assert_eq!(known.count(), template.organs.len(), "{}: a name outside TG-263", template.name);
        }
    }
}
