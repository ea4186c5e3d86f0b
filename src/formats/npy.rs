//! Arrays of single-precision numbers as numpy reads them (`.npy`, version 1.0 of NEP 1), written piece by
//! piece in any order.

use crate::new_file::{NewFile, WriteFileError};
use std::path::Path;

/// What the numbers begin at a multiple of.
const ALIGNMENT: usize = 64;

/// An array in the making, in C order; numbers that are never put are 0.
#[derive(Debug)]
pub struct NpyFile {
    file: NewFile,
    /// Where the numbers begin.
    data: u64,
}

impl NpyFile {
    /// Begins the array of this shape that will be `target`.
    ///
    /// # Errors
    /// As [`NewFile::create`].
    pub fn create(target: &Path, shape: &[usize], overwrite: bool) -> Result<Self, WriteFileError> {
        let mut file = NewFile::create(target, overwrite)?;
        let head = head(shape);
        file.put(&head)?;
        let data = head.len() as u64;
        let numbers: u64 = shape.iter().map(|side| *side as u64).product();
        if numbers > 0 {
            // The file has its length whatever is put later.
            file.put_at(data + (numbers - 1) * size_of::<f32>() as u64, &0_f32.to_le_bytes())?;
        }
        Ok(Self { file, data })
    }

    /// Puts numbers from place `at` of the array's order on.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn put(&mut self, at: usize, numbers: &[f32]) -> Result<(), WriteFileError> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.file.put_at(self.data + (at * size_of::<f32>()) as u64, &bytes)
    }

    /// The file, to be committed.
    #[must_use]
    pub fn into_file(self) -> NewFile {
        self.file
    }
}

/// Mark, version, length of what follows, and a Python dictionary that says what the numbers are.
fn head(shape: &[usize]) -> Vec<u8> {
    const MARK: &[u8] = b"\x93NUMPY\x01\x00";
    let sides: Vec<String> = shape.iter().map(ToString::to_string).collect();
    // Python's own way to write one number in brackets.
    let end = if shape.len() == 1 { "," } else { "" };
    let mut text =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{end}), }}", sides.join(", "));
    let fixed = MARK.len() + size_of::<u16>();
    let length = (fixed + text.len() + 1).next_multiple_of(ALIGNMENT) - fixed;
    text.extend(std::iter::repeat_n(' ', length - 1 - text.len()));
    text.push('\n');
    // A shape of so many sides that it does not fit is none of ours.
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    [MARK, &length.to_le_bytes(), text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_put_in_any_order_is_the_one_that_numpy_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let mut array = NpyFile::create(&path, &[2, 3], false).unwrap();
        array.put(3, &[4.0, 5.0]).unwrap();
        array.put(0, &[1.0]).unwrap();
        array.into_file().commit().unwrap();
        // numpy.save of [[1, 0, 0], [4, 5, 0]] in float32.
        let mut expected = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
        expected.extend(format!("{text:<117}\n").bytes());
        expected.extend([1.0_f32, 0.0, 0.0, 4.0, 5.0, 0.0].iter().flat_map(|number| number.to_le_bytes()));
        assert_eq!(std::fs::read(&path).unwrap(), expected);
        assert_eq!(head(&[7]).len() % ALIGNMENT, 0);
        assert!(String::from_utf8_lossy(&head(&[7])).contains("'shape': (7,),"));
    }

    #[test]
    fn what_is_there_stays_unless_it_may_be_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        std::fs::write(&path, "old").unwrap();
        assert!(NpyFile::create(&path, &[1], false).is_err());
        drop(NpyFile::create(&path, &[1], true).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"old", "dropped, it leaves nothing");
    }
}
