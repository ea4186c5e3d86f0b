//! Writes label maps as NIfTI-1.

use super::{NiftiError, grid_of, header};
use crate::geometry::{Grid, Vector3};
use crate::new_file::{NewFile, WriteFileError};
use crate::patient::LabelMap;
use flate2::Compression;
use flate2::write::GzEncoder;
use nalgebra::{Matrix3, Rotation3, UnitQuaternion};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes a label map, gzipped if the name ends in `.gz`, as bytes (`u16` with labels above 255).
///
/// It is written to a temporary file beside `path` that takes its name when it is whole; an existing
/// file is replaced. `like` names the NIfTI image it belongs to, if there is one: where that image's
/// slices run the other way round, so do the written ones. `description` is kept in the file (its
/// first 79 bytes): what the labels are, and whether anyone has looked at them.
///
/// # Errors
/// When the file cannot be written (nothing is left behind then).
pub fn write_labels(
    labels: &LabelMap,
    path: &Path,
    like: Option<&Path>,
    description: &str,
) -> Result<(), NiftiError> {
    prepare_labels(labels, path, like, description, true)?.commit()?;
    Ok(())
}

/// As [`write_labels`], up to the file's name: for several files that appear together.
///
/// # Errors
/// As [`write_labels`]; also when the file exists and `overwrite` is false.
pub fn prepare_labels(
    labels: &LabelMap,
    path: &Path,
    like: Option<&Path>,
    description: &str,
    overwrite: bool,
) -> Result<NewFile, NiftiError> {
    let failed = |error: io::Error| WriteFileError::from_io(&error, path);
    let reversed = like.is_some_and(|like| runs_reversed(like, &labels.grid));
    let gzip = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
    let mut sink = BufWriter::new(NewFile::create(path, overwrite)?);
    if gzip {
        let mut encoder = GzEncoder::new(sink, Compression::default());
        write_all(labels, reversed, description, &mut encoder).map_err(failed)?;
        sink = encoder.finish().map_err(failed)?;
    } else {
        write_all(labels, reversed, description, &mut sink).map_err(failed)?;
    }
    let file = sink.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync()?;
    Ok(file)
}

/// Whether the slices of the NIfTI image `like`, which has the same grid, run against the normal.
fn runs_reversed(like: &Path, grid: &Grid) -> bool {
    let read = || {
        let (mut reader, _, _) = header::open(like)?;
        let (header, _) = header::read_header(&mut reader, like)?;
        grid_of(&header, like)
    };
    read().is_ok_and(|(own, reversed)| reversed && own.is_same(grid, 0.1))
}

fn write_all(labels: &LabelMap, reversed: bool, description: &str, sink: &mut impl Write) -> io::Result<()> {
    let wide = labels.labels.iter().any(|label| *label > 255);
    sink.write_all(&header_bytes(&labels.grid, reversed, wide, description)?)?;
    let [columns, rows, planes] = labels.grid.dims();
    let len = columns * rows;
    let mut bytes = Vec::with_capacity(len * 2);
    for k in 0..planes {
        let k = if reversed { planes - 1 - k } else { k };
        bytes.clear();
        for label in &labels.labels[k * len..(k + 1) * len] {
            let [low, high] = label.to_le_bytes();
            bytes.push(low);
            if wide {
                bytes.push(high);
            }
        }
        sink.write_all(&bytes)?;
    }
    Ok(())
}

/// A NIfTI-1 header of 348 bytes with the four bytes that say "no extension".
fn header_bytes(grid: &Grid, reversed: bool, wide: bool, description: &str) -> io::Result<Vec<u8>> {
    #[expect(clippy::cast_possible_truncation, reason = "the format stores single precision")]
    fn put_real(bytes: &mut [u8], at: usize, value: f64) {
        bytes[at..at + 4].copy_from_slice(&(value as f32).to_le_bytes());
    }
    fn put_short(bytes: &mut [u8], at: usize, value: i16) {
        bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    let mut bytes = vec![0; 352];
    bytes[0..4].copy_from_slice(&348_i32.to_le_bytes());
    put_short(&mut bytes, 40, 3);
    for (n, size) in grid.dims().into_iter().enumerate() {
        let size = i16::try_from(size).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, "a NIfTI-1 file holds at most 32767 voxels an axis")
        })?;
        put_short(&mut bytes, 42 + 2 * n, size);
    }
    for n in 3..7 {
        put_short(&mut bytes, 42 + 2 * n, 1);
    }
    put_short(&mut bytes, 70, if wide { 512 } else { 2 });
    put_short(&mut bytes, 72, if wide { 16 } else { 8 });
    put_real(&mut bytes, 108, 352.0);
    put_real(&mut bytes, 112, 1.0);
    bytes[123] = 2; // millimetres
    // The field has 80 bytes and ends in a zero; a character is not cut in two.
    let end = (0..=description.len().min(79)).rev().find(|end| description.is_char_boundary(*end));
    let text = &description.as_bytes()[..end.unwrap_or(0)];
    bytes[148..148 + text.len()].copy_from_slice(text);

    // LPS to RAS.
    let ras = |v: Vector3| Vector3::new(-v.x, -v.y, v.z);
    let mut steps = [0, 1, 2].map(|axis| ras(grid.step_mm(axis)));
    let mut origin = ras(grid.origin_mm().coords);
    if reversed {
        #[expect(clippy::cast_precision_loss, reason = "slice counts are small")]
        let planes = grid.dims()[2] as f64;
        origin += steps[2] * (planes - 1.0);
        steps[2] = -steps[2];
    }
    for (n, step) in steps.iter().enumerate() {
        put_real(&mut bytes, 80 + 4 * n, step.norm());
    }
    put_short(&mut bytes, 254, 1);
    for row in 0..3 {
        for (column, vector) in steps.iter().chain([&origin]).enumerate() {
            put_real(&mut bytes, 280 + 16 * row + 4 * column, vector[row]);
        }
    }
    // The quaternion form can hold rotations only, with the last axis turned for left-handed ones.
    let directions = steps.map(|step| step.normalize());
    let handed = directions[0].cross(&directions[1]).dot(&directions[2]).signum();
    put_real(&mut bytes, 76, handed);
    let matrix = Matrix3::from_columns(&[directions[0], directions[1], directions[2] * handed]);
    if (matrix.transpose() * matrix - Matrix3::identity()).norm() < 1e-4 {
        let mut turn =
            UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(matrix)).into_inner();
        if turn.w < 0.0 {
            turn = -turn;
        }
        put_short(&mut bytes, 252, 1);
        for (n, part) in [turn.i, turn.j, turn.k].into_iter().enumerate() {
            put_real(&mut bytes, 256 + 4 * n, part);
        }
        for axis in 0..3 {
            put_real(&mut bytes, 268 + 4 * axis, origin[axis]);
        }
    }
    bytes[344..348].copy_from_slice(b"n+1\0");
    Ok(bytes)
}
