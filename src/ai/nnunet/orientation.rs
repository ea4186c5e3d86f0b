//! Which way the axes of a model's images run.
//!
//! nnU-Net takes arrays as its reader hands them over, so a model knows the patient as its training
//! files had it: NIfTI of dcm2niix runs to left, front and head (`LAS`), of ITK's DICOM reader to left,
//! back and head (`LPS`). Files do not tell what a model was trained on; a person can.

use super::image::GridAxis;
use std::fmt;
use std::str::FromStr;

/// How an image is handed over to a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orientation {
    /// As it is stored; DICOM with axes to the patient's left, back and head.
    Stored,
    /// Turned so that its axes run this way.
    Turned(AxisCode),
    /// The same by ITK, which takes the axes of a file that tells no orientation otherwise than nibabel.
    TurnedByItk(AxisCode),
}

/// The side of the patient that each axis runs to, x (the fastest) first: such as `RAS`, to the right,
/// front and head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AxisCode([(usize, bool); 3]);

impl AxisCode {
    /// To the right, front and head.
    pub const RAS: Self = Self([(0, true), (1, true), (2, false)]);

    /// The grid's axes, slowest first, of an image that runs this way, from those to the patient's left,
    /// back and head.
    pub(in crate::ai) fn of_patient(self, patient: [GridAxis; 3]) -> [GridAxis; 3] {
        let [x, y, z] = self.0.map(|(axis, is_opposite)| {
            let (grid_axis, backwards) = patient[axis];
            (grid_axis, backwards != is_opposite)
        });
        [z, y, x]
    }
}

/// The letters of each of the patient's axes: to left or right, back or front, head or feet.
const LETTERS: [[char; 2]; 3] = [['L', 'R'], ['P', 'A'], ['S', 'I']];

impl FromStr for Orientation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "stored" {
            return Ok(Self::Stored);
        }
        let side = |letter: char| {
            let mut found = LETTERS.iter().enumerate();
            found.find_map(|(axis, pair)| Some((axis, pair.iter().position(|own| *own == letter)?)))
        };
        let sides: Option<Vec<_>> = text.chars().map(side).collect();
        let axes = sides.as_deref().and_then(|sides| <[_; 3]>::try_from(sides).ok());
        match axes {
            Some(axes) if (0..3).all(|axis| axes.iter().any(|(own, _)| *own == axis)) => {
                Ok(Self::Turned(AxisCode(axes.map(|(axis, place)| (axis, place == 1)))))
            }
            _ => Err(format!(
                "{text} is no orientation; use stored, or a letter for the side that each axis runs to, x \
                 first: L or R, A or P, S or I, such as LPS, LAS or RAS"
            )),
        }
    }
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Turned(AxisCode(axes)) | Self::TurnedByItk(AxisCode(axes))) = self else {
            return f.write_str("stored");
        };
        axes.iter()
            .try_for_each(|(axis, is_opposite)| write!(f, "{}", LETTERS[*axis][usize::from(*is_opposite)]))
    }
}

impl Orientation {
    /// How images are handed over, in words for a person.
    #[must_use]
    pub fn told(self) -> String {
        match self {
            Self::Stored => {
                "NIfTI as it is stored, DICOM as LPS (axes to the patient's left, back and head)".to_owned()
            }
            Self::Turned(_) | Self::TurnedByItk(_) => format!("turned to {self}, NIfTI and DICOM alike"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_three_sides_is_read_and_written() {
        let mut count = 0;
        for first in "LRPASI".chars() {
            for second in "LRPASI".chars() {
                for third in "LRPASI".chars() {
                    let text: String = [first, second, third].iter().collect();
                    if let Ok(orientation) = text.parse::<Orientation>() {
                        count += 1;
                        assert_eq!(orientation.to_string(), text);
                    }
                }
            }
        }
        assert_eq!(count, 48, "six orders of three axes, each one of two ways");
        assert_eq!("stored".parse(), Ok(Orientation::Stored));
        assert_eq!("RAS".parse(), Ok(Orientation::Turned(AxisCode::RAS)));
        for odd in ["", "LA", "LASS", "LRS", "las", "XYZ", "LAS "] {
            assert!(odd.parse::<Orientation>().unwrap_err().contains("LAS"), "{odd}");
        }
    }

    #[test]
    fn axes_are_taken_from_the_patient_s() {
        // A sagittal grid: left is its third axis walked backwards, back its first, head its second backwards.
        let patient = [(2, true), (0, false), (1, true)];
        let of = |text: &str| {
            let Ok(Orientation::Turned(code)) = text.parse() else { panic!("{text}") };
            code.of_patient(patient)
        };
        assert_eq!(of("LPS"), [(1, true), (0, false), (2, true)]);
        assert_eq!(of("LAS"), [(1, true), (0, true), (2, true)]);
        assert_eq!(of("RAS"), [(1, true), (0, true), (2, false)]);
        assert_eq!(of("PIR"), [(2, false), (1, false), (0, false)]);
    }
}
