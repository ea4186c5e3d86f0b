//! What an ROI is, for other systems: a coded concept of anatomy.
//!
//! The names are AAPM TG-263's and the codes the Foundational Model of Anatomy's that its table
//! gives (`assets/tg263.csv`). Three pairs of that table have left and right the wrong way round, as
//! its own descriptions or the order of all other pairs show; they are put right here.

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
const SWAPPED: [&str; 3] = ["Glnd_Adrenal", "V_Iliac", "V_Jugular_Int"];

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
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
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
    let side = [("_L", "Left"), ("_R", "Right")].into_iter().find(|(end, _)| name.ends_with(end));
    let text = match side {
        None => words.to_owned(),
        Some((_, side)) => {
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
    }
}
