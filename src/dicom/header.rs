//! Reads the header of a DICOM file and finds where its pixels lie, without reading them.
//!
//! Tells what a file is and how it is coded, whatever its preamble and meta elements say; the
//! [`Walker`] then goes over its elements.

use super::walker::{Encoding, Walker, is_vr};
use dicom::dictionary_std::uids;
use dicom::object::InMemDicomObject;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek as _, SeekFrom};
use std::path::Path;

/// Why a file's header could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("not a DICOM file")]
    NotDicom,
    #[error("the file ends in the middle of element ({:04X},{:04X}): it is truncated; copy it again from its source", .tag.0, .tag.1)]
    Truncated { tag: (u16, u16) },
    #[error("its elements are damaged ({0})")]
    Damaged(String),
    #[error("cannot be read ({0})")]
    Io(#[from] io::Error),
}

/// Where the pixel data lies in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PixelLocation {
    /// Native samples.
    Native {
        offset: u64,
        length: u64,
        /// Whether they are 16-bit words of a big-endian file, in which 8-bit samples change places.
        big_endian_words: bool,
    },
    /// Fragments (offset, length) of encapsulated pixel data, and the basic offset table.
    Encapsulated { fragments: Vec<(u64, u32)>, offset_table: Vec<u32> },
}

/// A file's header.
#[derive(Debug)]
pub(super) struct Header {
    /// Transfer Syntax UID; Implicit VR Little Endian where the file does not say.
    pub transfer_syntax: String,
    /// The elements before the pixel data.
    pub object: InMemDicomObject,
    /// Where the pixels are: `None` without Pixel Data. Offsets of a deflated file are offsets
    /// into the inflated data set.
    pub pixels: Option<PixelLocation>,
    /// Float or double pixel data (7FE0,0008/0009), which are not images we read.
    pub float_pixels: bool,
    /// Sentences about the file's text.
    pub remarks: Vec<String>,
}

/// Retired, and still met in archives.
pub(super) const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
/// Deflated data sets larger than this are refused.
const INFLATED_LIMIT: u64 = 4 << 30;

/// Reads the header of the file at `path`.
pub(super) fn read_header(path: &Path) -> Result<Header, HeaderError> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(16 * 1024, file);
    let start = find_start(&mut reader, length)?;
    reader.seek(SeekFrom::Start(start.offset))?;
    let mut walker = Walker::new(reader, start.offset, length, Encoding::EXPLICIT);
    let transfer_syntax = if start.has_meta { walker.read_meta()? } else { None };
    let mut encoding = match transfer_syntax.as_deref() {
        Some(uids::IMPLICIT_VR_LITTLE_ENDIAN) => Encoding::IMPLICIT,
        Some(EXPLICIT_VR_BIG_ENDIAN) => Encoding { explicit: true, big: true },
        Some(_) => Encoding::EXPLICIT,
        None if start.explicit => Encoding::EXPLICIT,
        None => Encoding::IMPLICIT,
    };
    let transfer_syntax = transfer_syntax.unwrap_or_else(|| {
        let uid =
            if start.explicit { uids::EXPLICIT_VR_LITTLE_ENDIAN } else { uids::IMPLICIT_VR_LITTLE_ENDIAN };
        uid.to_owned()
    });
    if transfer_syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        let inflated = inflate(path, walker.position)?;
        let length = inflated.len() as u64;
        let walker = Walker::new(BufReader::new(Cursor::new(inflated)), 0, length, encoding);
        return walker.read_data_set(transfer_syntax);
    }
    walker.encoding = encoding;
    // Some writers name an explicit syntax and write an implicit data set (and the reverse).
    if !encoding.big && walker.position + 6 <= length {
        let looks_explicit = walker.peek_vr()?;
        if looks_explicit != encoding.explicit {
            encoding.explicit = looks_explicit;
            walker.encoding = encoding;
        }
    }
    walker.read_data_set(transfer_syntax)
}

/// The inflated data set of a deflated file whose data set begins at `offset`.
pub(super) fn inflate(path: &Path, offset: u64) -> Result<Vec<u8>, HeaderError> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut inflated = Vec::new();
    flate2::read::DeflateDecoder::new(file)
        .take(INFLATED_LIMIT)
        .read_to_end(&mut inflated)
        .map_err(|error| HeaderError::Damaged(format!("deflated data set: {error}")))?;
    Ok(inflated)
}

/// The inflated data set of the deflated file at `path`, that pixel offsets point into.
pub(super) fn inflate_data_set(path: &Path) -> Result<Vec<u8>, HeaderError> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    let start = find_start(&mut reader, length)?;
    reader.seek(SeekFrom::Start(start.offset))?;
    let mut walker = Walker::new(reader, start.offset, length, Encoding::EXPLICIT);
    walker.read_meta()?;
    inflate(path, walker.position)
}

/// Where the elements begin.
struct Start {
    offset: u64,
    has_meta: bool,
    /// Whether the first element carries a VR.
    explicit: bool,
}

/// Tells a DICOM file by its first bytes: `DICM` after the preamble, or, without a preamble, a
/// plausible first element of group 2 or 8.
fn find_start(reader: &mut impl Read, length: u64) -> Result<Start, HeaderError> {
    let mut head = [0_u8; 140];
    let mut filled = 0;
    while filled < head.len() {
        match reader.read(&mut head[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    let head = &head[..filled];
    if head.get(128..132) == Some(b"DICM") {
        let explicit = head.get(136..138).is_some_and(is_vr);
        let has_meta = head.get(132..134).is_none_or(|group| group == [2, 0]);
        return Ok(Start { offset: 132, has_meta, explicit });
    }
    if head.get(0..4) == Some(b"DICM") {
        return Ok(Start { offset: 4, has_meta: true, explicit: true });
    }
    let Some(&[g0, g1, e0, e1, v0, v1, l0, l1]) = head.first_chunk::<8>() else {
        return Err(HeaderError::NotDicom);
    };
    let (group, element) = (u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1]));
    let explicit = is_vr(&[v0, v1]);
    let value_length = u64::from(u32::from_le_bytes([v0, v1, l0, l1]));
    let plausible = match group {
        2 => element <= 0x16 && explicit,
        8 => element <= 0x18 && (explicit || value_length <= length.min(1024)),
        _ => false,
    };
    if plausible && length > 16 {
        Ok(Start { offset: 0, has_meta: group == 2, explicit })
    } else {
        Err(HeaderError::NotDicom)
    }
}
