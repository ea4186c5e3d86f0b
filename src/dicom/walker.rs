//! Goes over the elements of a data set (PS3.5 section 7) and keeps what is read of them, up to the
//! pixel data; `dicom-object` then parses what was kept.
//!
//! Left out are large private elements, private sequences, sequences of unknown VR and elements whose
//! VR is none: nothing reads them. Text is kept as UTF-8 ([`Charset`]), sequences as of undefined
//! length. No length is believed before it is compared with the file's size and the sequence around
//! it, so a broken file costs no memory.

use super::charset::Charset;
use super::header::{Header, HeaderError, PixelLocation};
use dicom::core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use dicom::core::{Tag, VR};
use dicom::dictionary_std::StandardDataDictionary;
use dicom::object::InMemDicomObject;
use std::io::{BufReader, Read, Seek};

/// Private elements longer than this are not kept.
const PRIVATE_LIMIT: u64 = 64 * 1024;
/// Sequences nested deeper than this are damage.
const DEPTH_LIMIT: u32 = 32;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Encoding {
    pub explicit: bool,
    pub big: bool,
}

impl Encoding {
    pub const EXPLICIT: Self = Self { explicit: true, big: false };
    pub const IMPLICIT: Self = Self { explicit: false, big: false };
}

/// One element's header.
struct Element {
    tag: (u16, u16),
    vr: [u8; 2],
    /// `None`: undefined.
    length: Option<u64>,
}

/// Stands for every VR that there is none of.
const NO_VR: [u8; 2] = *b"??";
const ITEM: (u16, u16) = (0xFFFE, 0xE000);
const ITEM_END: (u16, u16) = (0xFFFE, 0xE00D);
const SEQUENCE_END: (u16, u16) = (0xFFFE, 0xE0DD);

pub(super) struct Walker<R> {
    reader: BufReader<R>,
    pub position: u64,
    length: u64,
    /// Where the sequence or item now read ends, or the file.
    end: u64,
    pub encoding: Encoding,
    kept: Vec<u8>,
    /// The element now read, for errors.
    tag: (u16, u16),
    charset: Charset,
    remarks: Vec<String>,
}

impl<R: Read + Seek> Walker<R> {
    pub fn new(reader: BufReader<R>, position: u64, length: u64, encoding: Encoding) -> Self {
        Self {
            reader,
            position,
            length,
            end: length,
            encoding,
            kept: Vec::with_capacity(8 * 1024),
            tag: (0, 0),
            charset: Charset::default(),
            remarks: Vec::new(),
        }
    }

    /// Reads the group 2 elements (always explicit little endian); leaves the position after them.
    pub fn read_meta(&mut self) -> Result<Option<String>, HeaderError> {
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
    pub fn peek_vr(&mut self) -> Result<bool, HeaderError> {
        let mut head = [0; 6];
        self.reader.read_exact(&mut head)?;
        self.reader.seek_relative(-6)?;
        Ok(is_vr(&head[4..6]))
    }

    pub fn read_data_set(mut self, transfer_syntax: String) -> Result<Header, HeaderError> {
        let mut pixels = None;
        let mut float_pixels = false;
        self.put_header((0x0008, 0x0005), *b"CS", 10);
        self.kept.extend(b"ISO_IR 192");
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
            self.keep_element(&element, kept_before, 0)?;
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
        Ok(Header { transfer_syntax, object, pixels, float_pixels, remarks: self.remarks })
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
        let four_bytes = || defined(long([start[4], start[5], start[6], start[7]]));
        // Item and delimiter tags never carry a VR.
        if tag.0 == 0xFFFE {
            return Ok(Element { tag, vr: *b"UN", length: four_bytes() });
        }
        if !encoding.explicit {
            let entry = StandardDataDictionary.by_tag(Tag(tag.0, tag.1));
            let vr = entry.and_then(|entry| entry.vr().exact()).map_or(*b"UN", VR::to_bytes);
            return Ok(Element { tag, vr, length: four_bytes() });
        }
        let vr = [start[4], start[5]];
        // Zeros after the last element are met in old files.
        if start == [0; 8] {
            return Ok(Element { tag, vr: *b"UN", length: Some(0) });
        }
        let two_bytes = Some(u64::from(short(start[6], start[7])));
        if has_long_length(vr) {
            return Ok(Element { tag, vr, length: defined(long(self.keep_array()?)) });
        }
        if has_short_length(vr) {
            return Ok(Element { tag, vr, length: two_bytes });
        }
        if is_vr(&vr) || vr.iter().all(u8::is_ascii_graphic) {
            return Ok(Element { tag, vr: NO_VR, length: two_bytes });
        }
        // Private elements without a VR are met in explicit files.
        if tag.0 % 2 == 1 {
            let length = four_bytes();
            return Ok(Element { tag, vr: if length.is_none() { *b"UN" } else { NO_VR }, length });
        }
        Err(HeaderError::Damaged(format!("({:04X},{:04X}) has no valid VR", tag.0, tag.1)))
    }

    /// Keeps the value of the element whose header was just kept, from `before` on, or takes the
    /// header away again and passes over the value.
    fn keep_element(&mut self, element: &Element, before: usize, depth: u32) -> Result<(), HeaderError> {
        let explicit = self.encoding.explicit;
        let is_private = element.tag.0 % 2 == 1;
        let is_unknown = element.vr == *b"UN";
        let is_sequence = element.vr == *b"SQ" || (element.length.is_none() && (is_unknown || !explicit));
        let is_kept = match element.length {
            _ if is_sequence && (is_private || (explicit && is_unknown)) => {
                self.pass_sequence(element, depth)?;
                false
            }
            _ if is_sequence => {
                self.keep_sequence(element, depth)?;
                true
            }
            // Fragments, as of an icon.
            None => {
                self.pass_fragments()?;
                false
            }
            Some(length) => {
                let length = self.within(length)?;
                let is_icon = element.tag == (0x7FE0, 0x0010);
                if element.tag == (0x0008, 0x0005) {
                    let mut value = vec![0; usize_of(length)?];
                    self.fill(&mut value)?;
                    self.charset = Charset::of(&String::from_utf8_lossy(&value));
                    false
                } else if element.vr == NO_VR || is_icon || (is_private && length > PRIVATE_LIMIT) {
                    self.skip(length)?;
                    false
                } else if is_text(element.vr) {
                    self.keep_text(element, before, length)?;
                    true
                } else {
                    self.keep(length)?;
                    true
                }
            }
        };
        if !is_kept {
            self.kept.truncate(before);
        }
        Ok(())
    }

    /// Keeps text as UTF-8.
    fn keep_text(&mut self, element: &Element, before: usize, length: u64) -> Result<(), HeaderError> {
        let start = self.kept.len();
        self.keep(length)?;
        let bytes = &self.kept[start..];
        if bytes.is_ascii() && !bytes.contains(&0x1B) {
            return Ok(());
        }
        let decoded = self.charset.decode(bytes);
        let mut text = decoded.text;
        if let Some(doubt) = decoded.doubt
            && !self.remarks.contains(&doubt)
        {
            self.remarks.push(doubt);
        }
        if self.encoding.explicit && has_short_length(element.vr) {
            text.truncate(text.floor_char_boundary(usize::from(u16::MAX - 1)));
        }
        if text.len() % 2 == 1 {
            text.push(' ');
        }
        self.kept.truncate(before);
        let length = u32::try_from(text.len()).map_err(|_| HeaderError::Damaged("length".into()))?;
        self.put_header(element.tag, element.vr, length);
        self.kept.extend(text.as_bytes());
        Ok(())
    }

    /// Keeps the header of an element, made.
    fn put_header(&mut self, tag: (u16, u16), vr: [u8; 2], length: u32) {
        let Encoding { explicit, big } = self.encoding;
        let short = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        let long = if big { length.to_be_bytes() } else { length.to_le_bytes() };
        self.kept.extend(short(tag.0));
        self.kept.extend(short(tag.1));
        if !explicit || tag.0 == 0xFFFE {
            self.kept.extend(long);
            return;
        }
        self.kept.extend(vr);
        if has_long_length(vr) {
            self.kept.extend([0, 0]);
            self.kept.extend(long);
        } else {
            // Of text, which was shortened to fit.
            self.kept.extend(short(u16::try_from(length).unwrap_or(u16::MAX)));
        }
    }

    /// Passes over a sequence that nothing reads, whose header was just read.
    fn pass_sequence(&mut self, sequence: &Element, depth: u32) -> Result<(), HeaderError> {
        if let Some(length) = sequence.length {
            let length = self.within(length)?;
            return self.skip(length);
        }
        let (start, end, outer) = (self.position, self.end, self.encoding);
        let (charset, remarks) = (self.charset.clone(), self.remarks.clone());
        // PS3.5 section 6.2.2 note 2: UN of undefined length is coded implicitly. Not all do.
        let inner = if outer.explicit && sequence.vr == *b"UN" { Encoding::IMPLICIT } else { outer };
        self.encoding = inner;
        let mut passed = self.keep_sequence(sequence, depth);
        if passed.is_err() && inner != outer {
            let back =
                i64::try_from(self.position - start).map_err(|_| HeaderError::Damaged("length".into()))?;
            self.reader.seek_relative(-back)?;
            (self.position, self.end, self.encoding) = (start, end, outer);
            passed = self.keep_sequence(sequence, depth);
        }
        (self.end, self.encoding) = (end, outer);
        (self.charset, self.remarks) = (charset, remarks);
        passed
    }

    /// Passes over fragments up to their delimiter.
    fn pass_fragments(&mut self) -> Result<(), HeaderError> {
        loop {
            let item = self.read_element_header()?;
            match (item.tag, item.length) {
                (SEQUENCE_END, _) => return Ok(()),
                (ITEM, Some(length)) => {
                    let length = self.within(length)?;
                    self.skip(length)?;
                }
                _ => return Err(HeaderError::Damaged("a value of undefined length is no fragments".into())),
            }
        }
    }

    /// Keeps the items of a sequence, whose header was kept already, as one of undefined length.
    fn keep_sequence(&mut self, sequence: &Element, depth: u32) -> Result<(), HeaderError> {
        if depth > DEPTH_LIMIT {
            return Err(HeaderError::Damaged("sequences nested too deep".into()));
        }
        let outer_end = self.begin(sequence)?;
        loop {
            if sequence.length.is_some() && self.position == self.end {
                break;
            }
            let before = self.kept.len();
            let item = self.read_element_header()?;
            match item.tag {
                SEQUENCE_END => {
                    self.kept.truncate(before);
                    break;
                }
                ITEM => self.keep_item(&item, depth)?,
                _ => return Err(HeaderError::Damaged("a sequence holds something else than items".into())),
            }
        }
        self.finish(sequence, outer_end)?;
        self.put_header(SEQUENCE_END, *b"UN", 0);
        Ok(())
    }

    /// Keeps the elements of an item, whose header was kept already, as one of undefined length.
    fn keep_item(&mut self, item: &Element, depth: u32) -> Result<(), HeaderError> {
        let outer_end = self.begin(item)?;
        let charset = self.charset.clone();
        loop {
            if item.length.is_some() && self.position == self.end {
                break;
            }
            let before = self.kept.len();
            let element = self.read_element_header()?;
            if element.tag == ITEM_END {
                self.kept.truncate(before);
                break;
            }
            self.keep_element(&element, before, depth + 1)?;
        }
        self.charset = charset;
        self.finish(item, outer_end)?;
        self.put_header(ITEM_END, *b"UN", 0);
        Ok(())
    }

    /// Enters a sequence or item: its length becomes undefined in what is kept, and bounds what is
    /// read. Gives the end of what is around it.
    fn begin(&mut self, outer: &Element) -> Result<u64, HeaderError> {
        let end = self.end;
        if let Some(length) = outer.length {
            self.end = self.position + self.within(length)?;
        }
        let at = self.kept.len().saturating_sub(4);
        self.kept.truncate(at);
        self.kept.extend([0xFF; 4]);
        Ok(end)
    }

    /// Leaves it, also where its delimiter came before its end.
    fn finish(&mut self, outer: &Element, outer_end: u64) -> Result<(), HeaderError> {
        if outer.length.is_some() {
            self.skip(self.end - self.position)?;
        }
        self.end = outer_end;
        Ok(())
    }

    /// Finds the samples or fragments of the pixel data whose header was just read.
    fn locate_pixels(&mut self, element: &Element) -> Result<PixelLocation, HeaderError> {
        if let Some(length) = element.length {
            // A short native element is told apart from a truncated file by the image's reader.
            let length = length.min(self.length - self.position);
            let big_endian_words = self.encoding.big && element.vr == *b"OW";
            return Ok(PixelLocation::Native { offset: self.position, length, big_endian_words });
        }
        let mut offset_table: Option<Vec<u32>> = None;
        let mut fragments = Vec::new();
        let mut has_end_of_image = false;
        loop {
            // The sequence's delimiter is the sign that no fragment is missing; for writers that
            // leave it out the JPEG family's end of image at the very end of the file.
            if self.position == self.length && has_end_of_image {
                break;
            }
            if self.position + 8 > self.length {
                return Err(HeaderError::Truncated { tag: element.tag });
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
                        let tail = length.min(3);
                        self.skip(length - tail)?;
                        let before = self.kept.len();
                        self.keep(tail)?;
                        let tail = self.kept.split_off(before);
                        has_end_of_image = tail.ends_with(&[0xFF, 0xD9]) || tail == [0xFF, 0xD9, 0];
                    }
                }
                _ => return Err(HeaderError::Damaged("encapsulated pixel data".into())),
            }
        }
        Ok(PixelLocation::Encapsulated { fragments, offset_table: offset_table.unwrap_or_default() })
    }

    /// `length`, if so much is left in the file, and in the sequence now read.
    fn within(&self, length: u64) -> Result<u64, HeaderError> {
        let (group, element) = self.tag;
        if length > self.length.saturating_sub(self.position) {
            Err(HeaderError::Truncated { tag: self.tag })
        } else if length > self.end.saturating_sub(self.position) {
            let message = format!("({group:04X},{element:04X}) is longer than the sequence that holds it");
            Err(HeaderError::Damaged(message))
        } else {
            Ok(length)
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

/// Whether two bytes can be a VR.
pub(super) fn is_vr(bytes: &[u8]) -> bool {
    bytes.len() == 2 && bytes.iter().all(u8::is_ascii_uppercase)
}

/// VRs whose length has four bytes, after two that are reserved (PS3.5 section 7.1.2).
fn has_long_length(vr: [u8; 2]) -> bool {
    matches!(
        &vr,
        b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT" | b"UV"
    )
}

/// VRs whose length has two bytes.
fn has_short_length(vr: [u8; 2]) -> bool {
    is_text(vr) && !has_long_length(vr)
        || matches!(
            &vr,
            b"AE"
                | b"AS"
                | b"AT"
                | b"CS"
                | b"DA"
                | b"DS"
                | b"DT"
                | b"FD"
                | b"FL"
                | b"IS"
                | b"SL"
                | b"SS"
                | b"TM"
                | b"UI"
                | b"UL"
                | b"US"
        )
}

/// VRs whose characters are those of Specific Character Set (PS3.5 section 6.1.2.2).
fn is_text(vr: [u8; 2]) -> bool {
    matches!(&vr, b"LO" | b"LT" | b"PN" | b"SH" | b"ST" | b"UC" | b"UT")
}

fn signed(length: u64) -> Result<i64, HeaderError> {
    i64::try_from(length).map_err(|_| HeaderError::Damaged("length".into()))
}

fn usize_of(length: u64) -> Result<usize, HeaderError> {
    usize::try_from(length).map_err(|_| HeaderError::Damaged("length".into()))
}
