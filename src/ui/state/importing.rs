//! Which way the images lie that an imported model is given.

use crate::ai::nnunet::Orientation;

/// The ways that training files mostly lie, by whom.
const WAYS: [(&str, &str); 3] = [
    ("LAS", "LAS: as dcm2niix makes NIfTI files"),
    ("LPS", "LPS: as ITK and SimpleITK make them of DICOM"),
    ("RAS", "RAS: as nibabel's canonical files"),
];

/// How images are handed over to a model, as chosen for the next import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HandOver {
    /// As nnU-Net's own reader does, which the model's plans name.
    #[default]
    AsRead,
    /// Turned so that their axes run to these sides of the patient, the fastest first.
    Turned(&'static str),
    /// The same, as somebody types it.
    Typed(String),
}

impl HandOver {
    /// The ways to choose from without typing.
    pub fn known() -> impl Iterator<Item = Self> {
        std::iter::once(Self::AsRead).chain(WAYS.iter().map(|(code, _)| Self::Turned(code)))
    }

    /// What it is called in a list, where one of one's own is called `other`.
    #[must_use]
    pub fn title(&self, other: &str) -> String {
        match self {
            Self::AsRead => "As the model's own files say (usual)".to_owned(),
            Self::Turned(code) => {
                let known = WAYS.iter().find(|(own, _)| own == code);
                known.map_or(*code, |(_, title)| title).to_owned()
            }
            Self::Typed(_) => other.to_owned(),
        }
    }

    /// What importing is told; `None` leaves it to the model's plans.
    ///
    /// # Errors
    /// What is wrong with what was typed.
    pub fn orientation(&self) -> Result<Option<Orientation>, String> {
        match self {
            Self::AsRead => Ok(None),
            Self::Turned(code) => code.parse().map(Some),
            Self::Typed(code) => code.trim().parse().map(Some),
        }
    }

    /// What it means for a person, in a sentence or two.
    #[must_use]
    pub fn meaning(&self) -> String {
        let code = match self {
            Self::AsRead => {
                return "Leave this as it is. Only if contours of this model are missing, or stand on the wrong side, \
                        in front or behind, did its training images lie another way than its files say: then \
                        import it again with that way chosen."
                    .to_owned();
            }
            Self::Turned(code) => code,
            Self::Typed(code) => code.trim(),
        };
        let sides: Vec<&str> = code.chars().map(side).collect();
        match (self.orientation(), sides.as_slice()) {
            (Ok(_), [first, second, third]) => format!(
                "Images are turned so that their axes run to the patient's {first}, {second} and {third}. Choose it \
                 where the training files lay so."
            ),
            _ => "Three letters, one for the side that each axis runs to, the fastest first: L or R (left, right), \
                  A or P (front, back), S or I (head, feet)."
                .to_owned(),
        }
    }
}

/// The side of the patient that a letter stands for.
fn side(letter: char) -> &'static str {
    match letter {
        'L' => "left",
        'R' => "right",
        'A' => "front",
        'P' => "back",
        'S' => "head",
        _ => "feet",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_choose_is_one_that_importing_takes() {
        let told: Vec<String> = HandOver::known()
            .map(|way| way.orientation().unwrap().map_or_else(String::new, |own| own.to_string()))
            .collect();
        assert_eq!(told, ["", "LAS", "LPS", "RAS"]);
        assert!(HandOver::known().all(|way| way.title("other") != "other"));
        assert_eq!(HandOver::default(), HandOver::AsRead);
        assert!(HandOver::default().meaning().contains("Leave this as it is"));
    }

    #[test]
    fn what_is_typed_counts_once_it_is_three_sides() {
        let typed = |text: &str| HandOver::Typed(text.to_owned());
        for odd in ["", "L", "LA", "LLS", "XYZ", "STORED"] {
            assert!(typed(odd).orientation().is_err(), "{odd}");
            assert!(typed(odd).meaning().starts_with("Three letters"), "{odd}");
        }
        assert_eq!(typed("PIR").orientation().unwrap().unwrap().to_string(), "PIR");
        assert!(typed("PIR").meaning().contains("back, feet and right"));
    }
}
