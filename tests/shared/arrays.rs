//! Arrays that other programs wrote: numpy's .npz, and the voxels of a NIfTI file as they lie in it.

use flate2::read::{DeflateDecoder, GzDecoder};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A folder of `shared/fixtures`, or `None` with a word on standard output.
pub fn fixture(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures").join(part);
    if path.exists() {
        Some(path)
    } else {
        println!("skipped: no shared fixtures ({part})");
        None
    }
}

/// An array in C order, its numbers in double precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

impl Array {
    pub fn singles(&self) -> Vec<f32> {
        #[expect(clippy::cast_possible_truncation, reason = "single precision or less was written")]
        self.values.iter().map(|value| *value as f32).collect()
    }

    /// The last three sides.
    pub fn size(&self) -> [usize; 3] {
        self.shape[self.shape.len() - 3..].try_into().unwrap()
    }
}

fn number(bytes: &[u8], at: usize, width: usize) -> usize {
    bytes[at..at + width].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// The array of that name in a .npz file (PKZIP, stored or deflated; less than 4 GB).
pub fn npz(path: &Path, name: &str) -> Array {
    let file = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let end = (0..file.len() - 21).rev().find(|at| file[*at..].starts_with(b"PK\x05\x06")).unwrap();
    let mut entry = number(&file, end + 16, 4);
    for _ in 0..number(&file, end + 10, 2) {
        let (name_length, extra, comment) =
            (number(&file, entry + 28, 2), number(&file, entry + 30, 2), number(&file, entry + 32, 2));
        let found = &file[entry + 46..entry + 46 + name_length];
        if found == format!("{name}.npy").as_bytes() {
            let local = number(&file, entry + 42, 4);
            let data = local + 30 + number(&file, local + 26, 2) + number(&file, local + 28, 2);
            let packed = &file[data..data + number(&file, entry + 20, 4)];
            let mut bytes = packed.to_vec();
            if number(&file, entry + 10, 2) == 8 {
                bytes.clear();
                DeflateDecoder::new(packed).read_to_end(&mut bytes).unwrap();
            }
            return npy(&bytes);
        }
        entry += 46 + name_length + extra + comment;
    }
    panic!("{} has no {name}", path.display());
}

/// The array of a .npy file's bytes.
pub fn npy(bytes: &[u8]) -> Array {
    assert!(bytes.starts_with(b"\x93NUMPY\x01"), "version 1 of the format");
    let header = std::str::from_utf8(&bytes[10..10 + number(bytes, 8, 2)]).unwrap();
    assert!(header.contains("'fortran_order': False"), "C order: {header}");
    let between = |from: &str, to: &str| {
        let rest = &header[header.find(from).unwrap() + from.len()..];
        rest[..rest.find(to).unwrap()].to_owned()
    };
    let sides = between("'shape': (", ")");
    let shape: Vec<usize> = sides
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty())
        .map(|side| side.parse().unwrap())
        .collect();
    let values = numbers(&bytes[10 + number(bytes, 8, 2)..], &between("'descr': '", "'"));
    assert_eq!(values.len(), shape.iter().product::<usize>());
    Array { shape, values }
}

/// Little-endian numbers of a numpy type.
fn numbers(bytes: &[u8], kind: &str) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "small integers were written")]
    let read = |bytes: &[u8]| match kind {
        "<f2" => half::f16::from_le_bytes(bytes.try_into().unwrap()).to_f64(),
        "<f4" => f64::from(f32::from_le_bytes(bytes.try_into().unwrap())),
        "<f8" => f64::from_le_bytes(bytes.try_into().unwrap()),
        "<i8" => i64::from_le_bytes(bytes.try_into().unwrap()) as f64,
        "<i4" => f64::from(i32::from_le_bytes(bytes.try_into().unwrap())),
        "<i2" => f64::from(i16::from_le_bytes(bytes.try_into().unwrap())),
        "|i1" => f64::from(i8::from_le_bytes(bytes.try_into().unwrap())),
        "|u1" => f64::from(bytes[0]),
        "<u2" => f64::from(u16::from_le_bytes(bytes.try_into().unwrap())),
        other => panic!("numbers of type {other}"),
    };
    let width: usize = kind[2..].parse().unwrap();
    bytes.chunks_exact(width).map(read).collect()
}

/// The voxels `[z][y][x]` of a gzipped NIfTI-1 file as they lie in it, and their spacing (z, y, x), mm.
pub fn nifti(path: &Path) -> (Array, [f64; 3]) {
    let packed = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
    let single = |at: usize| f64::from(f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()));
    let kind = match number(&bytes, 70, 2) {
        2 => "|u1",
        4 => "<i2",
        8 => "<i4",
        16 => "<f4",
        64 => "<f8",
        256 => "|i1",
        512 => "<u2",
        other => panic!("voxels of type {other}"),
    };
    let shape = [3, 2, 1].map(|axis| number(&bytes, 40 + 2 * axis, 2));
    let spacing = [3, 2, 1].map(|axis| single(76 + 4 * axis));
    let (slope, intercept) = (single(112), single(116));
    let mut values = numbers(&bytes[number_of(single(108))..], kind);
    values.truncate(shape.iter().product());
    if slope != 0.0 {
        values.iter_mut().for_each(|value| *value = *value * slope + intercept);
    }
    (Array { shape: shape.to_vec(), values }, spacing)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an offset in a file")]
fn number_of(offset: f64) -> usize {
    offset as usize
}
