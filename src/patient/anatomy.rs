//! What an ROI is, for other systems: a coded concept of anatomy.
//!
//! The names are AAPM TG-263's and the codes the Foundational Model of Anatomy's that its table
//! gives (`assets/tg263.csv`). Six pairs of that table have left and right the wrong way round, as its own
//! descriptions, another row of the same code or the order of all other pairs show; they are put right
//! here. The internal iliac veins have the arteries' codes there, and none here.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A coded concept (PS3.3 8.8): RT ROI Identification Code Sequence (3006,0086).
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct AnatomicCode {
    /// Coding Scheme Designator: `FMA` or `SCT`.
    pub scheme: String,
    /// Code Value.
    pub value: String,
    /// Code Meaning, at most 64 characters.
    pub meaning: String,
}

/// Pairs whose sides the table has swapped.
const SWAPPED: [&str; 6] =
    ["Femur_Neck", "Glnd_Adrenal", "LN_Sclav", "Proc_Condyloid", "V_Iliac", "V_Jugular_Int"];

/// Names with the code of something else.
const MISCODED: [&str; 2] = ["V_Iliac_Int_L", "V_Iliac_Int_R"];

/// Structures whose left and right are the heart's: its right ventricle lies before the left one and for
/// the most part on the left of the body. Names of the standard, and of the catalogue after its style.
const OF_THE_HEART: [&str; 5] = ["A_Coronary", "Atrium", "AtrialAppend", "Cusp_Coronary", "Ventricle"];

/// The lumbar vertebrae, by the standard.
const LUMBAR: &str = "VB_L";

/// A name's stem, and whether it is that of the left one, where its end tells a side.
fn sided(name: &str) -> Option<(&str, bool)> {
    let stem = |end| name.strip_suffix(end).filter(|_| name != LUMBAR);
    stem("_L").map(|stem| (stem, true)).or_else(|| stem("_R").map(|stem| (stem, false)))
}

/// Whether a name's end tells the side of the body that the organ lies on: `_L` or `_R`, but not of the
/// heart's own left and right, nor of the lumbar vertebrae.
#[must_use]
pub fn tells_body_side(name: &str) -> bool {
    sided(name).is_some_and(|(stem, _)| !OF_THE_HEART.contains(&stem))
}

static CODES: LazyLock<HashMap<&'static str, AnatomicCode>> = LazyLock::new(|| {
    let row = |line: &'static str| {
        let mut fields = line.splitn(7, ',');
        let (name, id) = (fields.next()?.trim(), fields.next()?);
        let description = fields.nth(4)?.trim().trim_matches('"').trim();
        Some((name, id, description))
    };
    let rows: Vec<_> = include_str!("../../assets/tg263.csv").lines().skip(1).filter_map(row).collect();
    let ids: HashMap<&str, &str> = rows.iter().map(|(name, id, _)| (*name, *id)).collect();
    let code = |(name, id, description): &(&'static str, &'static str, &'static str)| {
        let other_side = SWAPPED.iter().find_map(|stem| match name.strip_prefix(*stem)? {
            "_L" => Some(format!("{stem}_R")),
            "_R" => Some(format!("{stem}_L")),
            _ => None,
        });
        let id = other_side.and_then(|other| ids.get(other.as_str()).copied()).unwrap_or(id);
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) || MISCODED.contains(name) {
            return None;
        }
        let meaning = meaning(name, description);
        Some((*name, AnatomicCode { scheme: "FMA".to_owned(), value: id.to_owned(), meaning }))
    };
    rows.iter().filter_map(code).collect()
});

/// What it is in words, the side first.
fn meaning(name: &str, description: &str) -> String {
    let words = if description == "nan" || description.is_empty() { name } else { description };
    let text = match sided(name) {
        None => words.to_owned(),
        Some((_, is_left)) => {
            let side = if is_left { "Left" } else { "Right" };
            let kept = words.split([' ', '-']).filter(|word| {
                !word.is_empty() && !word.eq_ignore_ascii_case("left") && !word.eq_ignore_ascii_case("right")
            });
            format!("{side} {}", kept.collect::<Vec<_>>().join(" ").to_lowercase())
        }
    };
    text.chars().take(64).collect()
}

impl AnatomicCode {
    /// The code of a TG-263 name; `None` where the standard's table gives none, or the name is not
    /// one of its own.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        CODES.get(name).cloned()
    }

    /// The names of anatomy in TG-263's table, those without a code too, in its order.
    pub fn standard_names() -> impl Iterator<Item = &'static str> {
        include_str!("../../assets/tg263.csv").lines().skip(1).filter_map(|line| {
            let mut fields = line.split(',');
            let (name, kind) = (fields.next()?.trim(), fields.nth(1)?.trim());
            (kind == "Anatomic" && !name.is_empty()).then_some(name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(name: &str) -> (String, String) {
        let code = AnatomicCode::of_name(name).unwrap();
        assert_eq!(code.scheme, "FMA");
        (code.value, code.meaning)
    }

    #[test]
    fn a_name_of_the_standard_has_its_code() {
        assert_eq!(code("SpinalCord"), ("7647".into(), "Spinal Cord".into()));
        assert_eq!(code("Kidney_L"), ("7205".into(), "Left kidney".into()));
        assert_eq!(code("Kidney_R"), ("7204".into(), "Right kidney".into()));
        assert_eq!(AnatomicCode::of_name("PTV"), None);
        assert_eq!(AnatomicCode::of_name("Kidney_X"), None);
    }

    #[test]
    fn the_standard_s_names_are_those_of_anatomy() {
        let names: Vec<&str> = AnatomicCode::standard_names().collect();
        assert!(names.contains(&"SpinalCord") && names.contains(&"Body") && names.len() > 500);
        assert!(!names.contains(&"PTV") && !names.contains(&"Body-PTV"));
    }

    #[test]
    fn sides_are_put_right() {
        assert_eq!(code("Glnd_Adrenal_R"), ("15629".into(), "Right adrenal glands".into()));
        assert_eq!(code("Glnd_Adrenal_L").0, "15630");
        assert_eq!(code("V_Jugular_Int_R").0, "4754");
        assert_eq!(code("V_Iliac_L").0, "21388");
        assert_eq!(code("Proc_Condyloid_R"), ("52838".into(), "Right condyloid process of mandible".into()));
        assert_eq!(code("Femur_Neck_L"), ("42387".into(), "Left femur neck".into()));
        // Two names of one node, each with its side.
        assert_eq!(code("LN_Sclav_R").0, code("LN_Neck_VC_R").0);
        assert_eq!(code("LN_Sclav_L").0, code("LN_Neck_VC_L").0);
        assert_eq!(AnatomicCode::of_name("V_Iliac_Int_L"), None, "its code is the artery's");
        assert_eq!(code("A_Iliac_Int_L").0, "18810");
    }

    #[test]
    fn of_every_pair_the_right_one_has_the_smaller_code() {
        // But for the hemispheres of the brain, whose codes were given at different times.
        let exempt = ["Cerebrum_L", "Hemisphere_L"];
        let number = |name: &str| AnatomicCode::of_name(name)?.value.parse::<u32>().ok();
        let mut pairs = 0;
        for left in AnatomicCode::standard_names().filter(|name| !exempt.contains(name)) {
            let Some((stem, true)) = sided(left) else { continue };
            let Some((own, other)) = number(left).zip(number(&format!("{stem}_R"))) else { continue };
            // Of some nodes the table has the code of both sides.
            assert!(own >= other, "{left}: {own} and {other}");
            pairs += 1;
        }
        assert!(pairs > 140, "{pairs}");
    }

    #[test]
    fn the_heart_s_left_is_not_the_body_s_and_lumbar_is_no_side() {
        for name in ["Kidney_L", "Lung_R", "A_Carotid_L", "Femur_Head_R", "V_Brachioceph_L"] {
            assert!(tells_body_side(name), "{name}");
        }
        let others = ["Ventricle_L", "Atrium_R", "A_Coronary_R", "AtrialAppend_L", "Cusp_Coronary_L"];
        for name in others.into_iter().chain(["VB_L", "Heart", "SpinalCord"]) {
            assert!(!tells_body_side(name), "{name}");
        }
        assert_eq!(code("VB_L").1, "Lumbar Vertebrae");
        assert_eq!(code("Ventricle_L").1, "Left ventricle (cardiac)");
    }
}
