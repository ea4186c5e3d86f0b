//! The NIfTI-1 and NIfTI-2 header (nifti.nimh.nih.gov), both byte orders, plain or gzipped.

use super::NiftiError;
use crate::geometry::{Grid, Point3, Vector3};
use flate2::read::MultiGzDecoder;
use nalgebra::{Matrix3, Quaternion, UnitQuaternion};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// The numeric types of voxels that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    U8,
    I8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

impl Type {
    fn from_code(code: i16) -> Option<Self> {
        Some(match code {
            2 => Self::U8,
            4 => Self::I16,
            8 => Self::I32,
            16 => Self::F32,
            64 => Self::F64,
            256 => Self::I8,
            512 => Self::U16,
            768 => Self::U32,
            1024 => Self::I64,
            1280 => Self::U64,
            _ => return None,
        })
    }

    /// Bytes a voxel.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }
}

/// What a file's header says.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub dims: [usize; 3],
    /// Volumes along time and further dimensions.
    pub volumes: usize,
    pub kind: Type,
    pub big_endian: bool,
    pub data_offset: u64,
    pub slope: f64,
    pub intercept: f64,
    pub steps_mm: [Vector3; 3],
    /// The voxel sizes that the file tells beside its orientation (`pixdim`), mm.
    pub spacing_mm: [f64; 3],
    pub origin_mm: Point3,
    /// Whether the file stores an orientation.
    pub oriented: bool,
    /// What the file says of itself (`descrip`); characters that are not UTF-8 are replaced.
    pub description: String,
}

impl Header {
    /// The grid whose slices are sorted along the normal, and whether the file's order of slices
    /// is the reverse of it.
    pub fn grid(&self) -> Option<(Grid, bool)> {
        let [i, j, k] = self.steps_mm;
        if i.cross(&j).dot(&k) >= 0.0 {
            return Some((Grid::new(self.dims, self.origin_mm, self.steps_mm)?, false));
        }
        #[expect(clippy::cast_precision_loss, reason = "slice counts are small")]
        let last = self.origin_mm + k * (self.dims[2] as f64 - 1.0);
        Some((Grid::new(self.dims, last, [i, j, -k])?, true))
    }

    /// The bytes of the first volume.
    pub fn data_len(&self) -> Option<usize> {
        self.dims.iter().try_fold(self.kind.size(), |n, dim| n.checked_mul(*dim))
    }
}

/// Opens a file, inflating it if it is gzipped.
pub(super) fn open(path: &Path) -> Result<(Box<dyn Read + Send>, bool, u64), NiftiError> {
    let io = |source| NiftiError::Io { source, path: path.to_owned() };
    let mut file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut magic = [0; 2];
    let gzipped = file.read(&mut magic).map_err(io)? == 2 && magic == [0x1F, 0x8B];
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let reader = BufReader::with_capacity(256 * 1024, file);
    Ok(if gzipped {
        (Box::new(MultiGzDecoder::new(reader)), true, length)
    } else {
        (Box::new(reader), false, length)
    })
}

/// Reads the header from the start of `reader`; returns it with the number of bytes read.
pub(super) fn read_header(reader: &mut impl Read, path: &Path) -> Result<(Header, u64), NiftiError> {
    let invalid = |message: &str| NiftiError::Invalid { message: message.to_owned(), path: path.to_owned() };
    let mut bytes = vec![0; 348];
    reader
        .read_exact(&mut bytes)
        .map_err(|_| invalid("the file is shorter than a NIfTI header; copy it again from its source"))?;
    let size = bytes.first_chunk::<4>().copied().unwrap_or_default();
    let (big, second) = match (i32::from_le_bytes(size), i32::from_be_bytes(size)) {
        (348, _) => (false, false),
        (_, 348) => (true, false),
        (540, _) => (false, true),
        (_, 540) => (true, true),
        _ => return Err(invalid("it is not a NIfTI file; choose another one, or export it again as NIfTI")),
    };
    if second {
        bytes.resize(540, 0);
        reader
            .read_exact(&mut bytes[348..])
            .map_err(|_| invalid("the header is truncated; copy the file again from its source"))?;
    }
    let magic = if second { &bytes[4..7] } else { &bytes[344..347] };
    if matches!(magic, b"ni1" | b"ni2") {
        return Err(invalid("its voxels are in a separate .img file; convert it to one .nii file"));
    }
    if !matches!(magic, b"n+1" | b"n+2") {
        return Err(invalid("it is not a NIfTI file; choose another one, or export it again as NIfTI"));
    }
    let header = parse(&Fields { bytes: &bytes, big, second }, path)?;
    Ok((header, bytes.len() as u64))
}

/// Byte positions differ between the two versions.
struct Fields<'a> {
    bytes: &'a [u8],
    big: bool,
    second: bool,
}

impl Fields<'_> {
    fn take<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes: [u8; N] = self.bytes[at..at + N].try_into().unwrap_or([0; N]);
        if self.big {
            bytes.reverse();
        }
        bytes
    }

    fn short(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.take(at))
    }

    /// A real at byte `first` of version 1 or `second` of version 2, the `n`-th of its array.
    fn real(&self, first: usize, second: usize, n: usize) -> f64 {
        if self.second {
            f64::from_le_bytes(self.take(second + 8 * n))
        } else {
            f64::from(f32::from_le_bytes(self.take(first + 4 * n)))
        }
    }

    fn dim(&self, n: usize) -> i64 {
        if self.second {
            i64::from_le_bytes(self.take(16 + 8 * n))
        } else {
            i64::from(self.short(40 + 2 * n))
        }
    }

    fn code(&self, first: usize, second: usize) -> i64 {
        if self.second {
            i64::from(i32::from_le_bytes(self.take(second)))
        } else {
            i64::from(self.short(first))
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the offset is checked first")]
fn parse(fields: &Fields, path: &Path) -> Result<Header, NiftiError> {
    let invalid = |message: String| NiftiError::Invalid { message, path: path.to_owned() };
    let rank = fields.dim(0);
    if !(1..=7).contains(&rank) {
        return Err(invalid(format!("it has {rank} dimensions")));
    }
    let mut sizes = [1_usize; 7];
    for (n, size) in (1..).zip(sizes.iter_mut().take(usize::try_from(rank).unwrap_or(0))) {
        *size = usize::try_from(fields.dim(n))
            .ok()
            .filter(|size| *size > 0)
            .ok_or_else(|| invalid(format!("dimension {n} has size {}", fields.dim(n))))?;
    }
    let code = fields.short(if fields.second { 12 } else { 70 });
    let kind = Type::from_code(code)
        .ok_or_else(|| invalid(format!("its voxel type {code} is not supported (colour or complex?)")))?;
    let volumes = sizes[3..].iter().try_fold(1_usize, |n, size| n.checked_mul(*size));
    let volumes = volumes.ok_or_else(|| invalid("its size is senseless".into()))?;
    let offset = if fields.second {
        u64::try_from(i64::from_le_bytes(fields.take(168))).unwrap_or(0)
    } else {
        let offset = fields.real(108, 0, 0);
        if (0.0..1e9).contains(&offset) { offset as u64 } else { 0 }
    };
    let slope = fields.real(112, 176, 0);
    let intercept = fields.real(116, 184, 0);
    let scaled = slope != 0.0 && slope.is_finite() && intercept.is_finite();
    let units = fields.code(123, 500);
    let units = if fields.second { units } else { i64::from(fields.bytes[123]) } & 7;
    let mm = match units {
        1 => 1000.0,
        3 => 0.001,
        _ => 1.0,
    };
    let (steps, origin, oriented) = affine(fields);
    let at = if fields.second { 240 } else { 148 };
    let text = fields.bytes[at..at + 80].split(|byte| *byte == 0).next().unwrap_or_default();
    let description = String::from_utf8_lossy(text).trim().to_owned();
    // RAS to LPS.
    let lps = |v: Vector3| Vector3::new(-v.x, -v.y, v.z) * mm;
    Ok(Header {
        dims: [sizes[0], sizes[1], sizes[2]],
        volumes,
        kind,
        big_endian: fields.big,
        data_offset: offset.max(if fields.second { 540 } else { 348 }),
        slope: if scaled { slope } else { 1.0 },
        intercept: if scaled { intercept } else { 0.0 },
        steps_mm: steps.map(lps),
        spacing_mm: [1, 2, 3].map(|n| pixdim(fields, n) * mm),
        origin_mm: Point3::from(lps(origin)),
        oriented,
        description,
    })
}

/// The size of a voxel along axis `n` (1 to 3) in the file's unit; 1 where it tells none.
fn pixdim(fields: &Fields, n: usize) -> f64 {
    let spacing = fields.real(76, 104, n).abs();
    if spacing > 0.0 && spacing.is_finite() { spacing } else { 1.0 }
}

/// The voxel steps and the origin in RAS: sform, else qform, else the spacing alone.
fn affine(fields: &Fields) -> ([Vector3; 3], Vector3, bool) {
    let spacing = |n: usize| pixdim(fields, n);
    let spans = |steps: &[Vector3; 3]| {
        let volume = steps[0].cross(&steps[1]).dot(&steps[2]);
        volume.is_finite() && volume.abs() > 1e-9
    };
    if fields.code(254, 348) > 0 {
        let row = |n: usize, column: usize| fields.real(280 + 16 * n, 400 + 32 * n, column);
        let steps = [0, 1, 2].map(|axis| Vector3::new(row(0, axis), row(1, axis), row(2, axis)));
        let origin = Vector3::new(row(0, 3), row(1, 3), row(2, 3));
        if spans(&steps) && origin.iter().all(|x| x.is_finite()) {
            return (steps, origin, true);
        }
    }
    if fields.code(252, 344) > 0 {
        let [b, c, d] = [0, 1, 2].map(|n| fields.real(256, 352, n));
        let a = (1.0 - (b * b + c * c + d * d)).max(0.0).sqrt();
        let turn: Matrix3<f64> =
            UnitQuaternion::from_quaternion(Quaternion::new(a, b, c, d)).to_rotation_matrix().into_inner();
        let handed = if fields.real(76, 104, 0) < 0.0 { -1.0 } else { 1.0 };
        let steps = [
            turn.column(0) * spacing(1),
            turn.column(1) * spacing(2),
            turn.column(2) * (spacing(3) * handed),
        ];
        let origin = Vector3::from([0, 1, 2].map(|n| fields.real(268, 376, n)));
        if spans(&steps) && origin.iter().all(|x| x.is_finite()) {
            return (steps, origin, true);
        }
    }
    let steps = [Vector3::x() * spacing(1), Vector3::y() * spacing(2), Vector3::z() * spacing(3)];
    (steps, Vector3::zeros(), false)
}
