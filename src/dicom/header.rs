//! Reads the header of a DICOM file and finds where its pixels lie, without reading them.
//!
//! A walker goes over the file's elements (PS3.5 section 7) and keeps them up to the pixel data;
//! `dicom-object` then parses what was kept. Large private elements are left out. No length is
//! believed before it is compared with the file's size, so a broken file costs no memory.

use dicom::dictionary_std::uids;
use dicom::object::InMemDicomObject;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
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
    Native { offset: u64, length: u64 },
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
}

/// Retired, and still met in archives.
pub(super) const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
/// Private elements longer than this are not kept.
const PRIVATE_LIMIT: u64 = 64 * 1024;
/// Sequences nested deeper than this are damage.
const DEPTH_LIMIT: u32 = 32;
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

#[derive(Debug, Clone, Copy, PartialEq)]
struct Encoding {
    explicit: bool,
    big: bool,
}

impl Encoding {
    const EXPLICIT: Self = Self { explicit: true, big: false };
    const IMPLICIT: Self = Self { explicit: false, big: false };
}

/// One element's header.
struct Element {
    tag: (u16, u16),
    vr: [u8; 2],
    /// `None`: undefined.
    length: Option<u64>,
}

struct Walker<R> {
    reader: BufReader<R>,
    position: u64,
    length: u64,
    encoding: Encoding,
    kept: Vec<u8>,
    /// The element now read, for errors.
    tag: (u16, u16),
}

impl<R: Read + Seek> Walker<R> {
    fn new(reader: BufReader<R>, position: u64, length: u64, encoding: Encoding) -> Self {
        Self { reader, position, length, encoding, kept: Vec::with_capacity(8 * 1024), tag: (0, 0) }
    }

    /// Reads the group 2 elements (always explicit little endian); leaves the position after them.
    fn read_meta(&mut self) -> Result<Option<String>, HeaderError> {
        let mut transfer_syntax = None;
        while self.position + 8 <= self.length {
            let mut group = [0; 2];
            self.reader.read_exact(&mut group)?;
            self.reader.seek_relative(-2)?;
            if group != [2, 0] {
                break;
            }
            let element = self.read_element_header()?;
            let length = self.within(element.length.unwrap_or(0))?;
            if element.tag == (2, 0x10) {
                let mut value = vec![0; usize_of(length)?];
                self.fill(&mut value)?;
                let text = String::from_utf8_lossy(&value);
                transfer_syntax = Some(text.trim_matches(['\0', ' ']).to_owned());
            } else {
                self.skip(length)?;
            }
        }
        self.kept.clear();
        Ok(transfer_syntax)
    }

    /// Whether the data set's first element carries a VR.
    fn peek_vr(&mut self) -> Result<bool, HeaderError> {
        let mut head = [0; 6];
        self.reader.read_exact(&mut head)?;
        self.reader.seek_relative(-6)?;
        Ok(is_vr(&head[4..6]))
    }

    fn read_data_set(mut self, transfer_syntax: String) -> Result<Header, HeaderError> {
        let mut pixels = None;
        let mut float_pixels = false;
        while self.position < self.length {
            let kept_before = self.kept.len();
            let element = self.read_element_header()?;
            match element.tag {
                (0x7FE0, 0x0010) => {
                    pixels = Some(self.locate_pixels(&element)?);
                    self.kept.truncate(kept_before);
                    break;
                }
                (0x7FE0, 0x0008 | 0x0009) => {
                    float_pixels = true;
                    self.kept.truncate(kept_before);
                    break;
                }
                (0, 0) if element.length == Some(0) => {
                    self.kept.truncate(kept_before);
                    break;
                }
                _ => {}
            }
            match element.length {
                None => self.keep_sequence(&element, 0)?,
                Some(length) => {
                    let length = self.within(length)?;
                    if element.tag.0 % 2 == 1 && length > PRIVATE_LIMIT {
                        self.kept.truncate(kept_before);
                        self.skip(length)?;
                    } else {
                        self.keep(length)?;
                    }
                }
            }
        }
        let syntax = match self.encoding {
            Encoding { big: true, .. } => &dicom::transfer_syntax::entries::EXPLICIT_VR_BIG_ENDIAN.erased(),
            Encoding { explicit: true, .. } => {
                &dicom::transfer_syntax::entries::EXPLICIT_VR_LITTLE_ENDIAN.erased()
            }
            Encoding { .. } => &dicom::transfer_syntax::entries::IMPLICIT_VR_LITTLE_ENDIAN.erased(),
        };
        let object = InMemDicomObject::read_dataset_with_ts(self.kept.as_slice(), syntax)
            .map_err(|error| HeaderError::Damaged(error.to_string()))?;
        Ok(Header { transfer_syntax, object, pixels, float_pixels })
    }

    /// Reads and keeps a tag, VR and length.
    fn read_element_header(&mut self) -> Result<Element, HeaderError> {
        let start: [u8; 8] = self.keep_array()?;
        let encoding = self.encoding;
        let short = |a: u8, b: u8| {
            if encoding.big { u16::from_be_bytes([a, b]) } else { u16::from_le_bytes([a, b]) }
        };
        let long = |b: [u8; 4]| if encoding.big { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) };
        let tag = (short(start[0], start[1]), short(start[2], start[3]));
        self.tag = tag;
        // Item and delimiter tags never carry a VR.
        if !encoding.explicit || tag.0 == 0xFFFE {
            let length = long([start[4], start[5], start[6], start[7]]);
            return Ok(Element { tag, vr: *b"UN", length: defined(length) });
        }
        let vr = [start[4], start[5]];
        // Zeros after the last element are met in old files.
        if start == [0; 8] {
            return Ok(Element { tag, vr: *b"UN", length: Some(0) });
        }
        if !is_vr(&vr) {
            return Err(HeaderError::Damaged(format!("({:04X},{:04X}) has no valid VR", tag.0, tag.1)));
        }
        let has_long_length = matches!(
            &vr,
            b"OB"
                | b"OD"
                | b"OF"
                | b"OL"
                | b"OV"
                | b"OW"
                | b"SQ"
                | b"SV"
                | b"UC"
                | b"UN"
                | b"UR"
                | b"UT"
                | b"UV"
        );
        let length = if has_long_length {
            defined(long(self.keep_array()?))
        } else {
            Some(u64::from(short(start[6], start[7])))
        };
        Ok(Element { tag, vr, length })
    }

    /// Keeps the items of a sequence of undefined length, whose header was kept already.
    fn keep_sequence(&mut self, sequence: &Element, depth: u32) -> Result<(), HeaderError> {
        if depth > DEPTH_LIMIT {
            return Err(HeaderError::Damaged("sequences nested too deep".into()));
        }
        let outer = self.encoding;
        // PS3.5 section 6.2.2 note 2: UN of undefined length is coded implicitly.
        if outer.explicit && sequence.vr == *b"UN" {
            self.encoding = Encoding::IMPLICIT;
        }
        loop {
            let item = self.read_element_header()?;
            match item.tag {
                (0xFFFE, 0xE0DD) => break,
                (0xFFFE, 0xE000) => match item.length {
                    Some(length) => {
                        let length = self.within(length)?;
                        self.keep(length)?;
                    }
                    None => self.keep_item(depth)?,
                },
                _ => return Err(HeaderError::Damaged("a sequence holds something else than items".into())),
            }
        }
        self.encoding = outer;
        Ok(())
    }

    /// Keeps the elements of an item of undefined length up to its delimiter.
    fn keep_item(&mut self, depth: u32) -> Result<(), HeaderError> {
        loop {
            let element = self.read_element_header()?;
            if element.tag == (0xFFFE, 0xE00D) {
                return Ok(());
            }
            match element.length {
                None => self.keep_sequence(&element, depth + 1)?,
                Some(length) => {
                    let length = self.within(length)?;
                    self.keep(length)?;
                }
            }
        }
    }

    /// Finds the samples or fragments of the pixel data whose header was just read.
    fn locate_pixels(&mut self, element: &Element) -> Result<PixelLocation, HeaderError> {
        if let Some(length) = element.length {
            // A short native element is told apart from a truncated file by the image's reader.
            let length = length.min(self.length - self.position);
            return Ok(PixelLocation::Native { offset: self.position, length });
        }
        let mut offset_table: Option<Vec<u32>> = None;
        let mut fragments = Vec::new();
        loop {
            // A file cut after its last fragment is still whole enough.
            if self.position + 8 > self.length {
                if fragments.is_empty() {
                    return Err(HeaderError::Truncated { tag: element.tag });
                }
                break;
            }
            let item = self.read_element_header()?;
            self.tag = element.tag;
            match (item.tag, item.length) {
                ((0xFFFE, 0xE0DD), _) => break,
                ((0xFFFE, 0xE000), Some(length)) => {
                    let length = self.within(length)?;
                    if offset_table.is_none() {
                        let before = self.kept.len();
                        self.keep(length)?;
                        let table = self.kept.split_off(before);
                        let (entries, _) = table.as_chunks::<4>();
                        offset_table = Some(entries.iter().map(|entry| u32::from_le_bytes(*entry)).collect());
                    } else {
                        let length32 = u32::try_from(length)
                            .map_err(|_| HeaderError::Damaged("fragment length".into()))?;
                        fragments.push((self.position, length32));
                        self.skip(length)?;
                    }
                }
                _ => return Err(HeaderError::Damaged("encapsulated pixel data".into())),
            }
        }
        Ok(PixelLocation::Encapsulated { fragments, offset_table: offset_table.unwrap_or_default() })
    }

    /// `length`, if so much is left in the file.
    fn within(&self, length: u64) -> Result<u64, HeaderError> {
        if length <= self.length - self.position {
            Ok(length)
        } else {
            Err(HeaderError::Truncated { tag: self.tag })
        }
    }

    fn keep_array<const N: usize>(&mut self) -> Result<[u8; N], HeaderError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        self.kept.extend_from_slice(&bytes);
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), HeaderError> {
        self.within(bytes.len() as u64)?;
        self.reader.read_exact(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Keeps the next `length` bytes; the caller has checked them with [`Self::within`].
    fn keep(&mut self, length: u64) -> Result<(), HeaderError> {
        let start = self.kept.len();
        self.kept.resize(start + usize_of(length)?, 0);
        self.reader.read_exact(&mut self.kept[start..])?;
        self.position += length;
        Ok(())
    }

    fn skip(&mut self, length: u64) -> Result<(), HeaderError> {
        self.reader.seek_relative(signed(length)?)?;
        self.position += length;
        Ok(())
    }
}

fn defined(length: u32) -> Option<u64> {
    (length != u32::MAX).then_some(u64::from(length))
}

fn is_vr(bytes: &[u8]) -> bool {
    bytes.len() == 2 && bytes.iter().all(u8::is_ascii_uppercase)
}

fn signed(length: u64) -> Result<i64, HeaderError> {
    i64::try_from(length).map_err(|_| HeaderError::Damaged("length".into()))
}

fn usize_of(length: u64) -> Result<usize, HeaderError> {
    usize::try_from(length).map_err(|_| HeaderError::Damaged("length".into()))
}
