//! ZIP archives as PyTorch and people write them: read entry by entry, nothing trusted.
//!
//! Only what checkpoints and zipped training folders need: stored and deflated entries, the large
//! (64-bit) form, no encryption, no parts (PKWARE APPNOTE 6.3.10). Every size is checked against the
//! file's own length before anything is allocated; entries that share bytes and entries that claim
//! to unpack to more than deflate can hold are refused.

use flate2::read::DeflateDecoder;
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

/// The most entries that are read.
const ENTRY_LIMIT: u64 = 200_000;
/// The greatest table of contents that is read, bytes.
const DIRECTORY_LIMIT: u64 = 64 << 20;
/// Deflate packs at most so many to one.
const DEFLATE_RATIO: u64 = 1032;

/// What is said of an archive whose end is missing.
const TRUNCATED: &str = "the ZIP archive is truncated; copy the file again from its source";

/// One file in the archive.
#[derive(Debug, Clone, Copy)]
struct Entry {
    deflated: bool,
    packed: u64,
    size: u64,
    header: u64,
    /// CRC-32; 0 where it is not told.
    crc: u64,
}

/// An open archive.
#[derive(Debug)]
pub(super) struct Archive<R> {
    reader: R,
    length: u64,
    entries: BTreeMap<String, Entry>,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the table of contents.
    ///
    /// # Errors
    /// A sentence when the bytes are not such an archive.
    pub(super) fn open(mut reader: R) -> Result<Self, String> {
        let length = reader.seek(SeekFrom::End(0)).map_err(|error| error.to_string())?;
        let (count, size, start) = directory_place(&mut reader, length)?;
        if count > ENTRY_LIMIT
            || size > DIRECTORY_LIMIT
            || start.checked_add(size).is_none_or(|end| end > length)
        {
            return Err("the ZIP archive's table of contents is damaged".to_owned());
        }
        let bytes = read_at(&mut reader, start, size)?;
        let entries = entries(&bytes, count, length)?;
        // Bytes are used once: sixty thousand names for one big entry make a bomb.
        let packed = entries.values().try_fold(0_u64, |sum, entry| sum.checked_add(entry.packed));
        if packed.is_none_or(|packed| packed > length) {
            return Err("the ZIP archive's entries overlap; it is damaged or malicious".to_owned());
        }
        Ok(Self { reader, length, entries })
    }

    /// The names of all files, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The unpacked size of a file, bytes; `None` when there is none of this name.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|entry| entry.size)
    }

    /// Whether a file is compressed in the archive.
    pub(super) fn is_deflated(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.deflated)
    }

    /// The whole file `name`, at most `limit` bytes.
    ///
    /// # Errors
    /// A sentence when it is missing, larger, or damaged.
    pub(super) fn read(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let size = self.size(name).unwrap_or(0);
        if size > limit {
            return Err(format!("its part {name} has {size} bytes, more than {limit}"));
        }
        // Bounded: a stored entry is no larger than the file, a deflated one at most 1032 times.
        bytes.reserve_exact(usize::try_from(size.min(limit)).unwrap_or(0));
        self.copy(name, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes the file `name` to `out`, and checks its CRC-32 where the archive tells one. Only for
    /// archives that people make: PyTorch may leave wrong ones in its own.
    ///
    /// # Errors
    /// A sentence when it is missing, damaged, or `out` does not take it.
    pub(super) fn copy_checked(&mut self, name: &str, out: &mut impl std::io::Write) -> Result<(), String> {
        let mut out = Counted { out, crc: flate2::Crc::new() };
        self.copy(name, &mut out)?;
        let told = self.entries.get(name).map_or(0, |entry| entry.crc);
        if told != 0 && told != u64::from(out.crc.sum()) {
            return Err(format!("its part {name} is damaged; copy the file again from its source"));
        }
        Ok(())
    }

    /// Writes the file `name` to `out`.
    ///
    /// # Errors
    /// A sentence when it is missing, damaged, or `out` does not take it.
    pub(super) fn copy(&mut self, name: &str, out: &mut impl std::io::Write) -> Result<(), String> {
        let entry = *self.entries.get(name).ok_or_else(|| format!("it has no part {name}"))?;
        let damaged = || format!("its part {name} is damaged; copy the file again from its source");
        let local = read_at(&mut self.reader, entry.header, 30)?;
        if number(&local, 0, 4) != Some(0x0403_4b50) {
            return Err(damaged());
        }
        let skip = number(&local, 26, 2).zip(number(&local, 28, 2)).ok_or_else(damaged)?;
        let start = entry.header + 30 + skip.0 + skip.1;
        if start.checked_add(entry.packed).is_none_or(|end| end > self.length) {
            return Err(damaged());
        }
        self.reader.seek(SeekFrom::Start(start)).map_err(|error| error.to_string())?;
        let packed = self.reader.by_ref().take(entry.packed);
        let copied = if entry.deflated {
            // One byte more than promised is enough to see that it lies.
            std::io::copy(&mut DeflateDecoder::new(packed).take(entry.size + 1), out)
        } else {
            std::io::copy(&mut packed.take(entry.size), out)
        };
        match copied {
            Ok(size) if size == entry.size => Ok(()),
            Ok(_) => Err(damaged()),
            Err(error) => Err(format!("its part {name} cannot be unpacked ({error})")),
        }
    }
}

/// A writer that keeps the CRC-32 of what goes through it.
struct Counted<'a, W> {
    out: &'a mut W,
    crc: flate2::Crc,
}

impl<W: std::io::Write> std::io::Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.crc.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// The number of entries, the size and the place of the table of contents.
fn directory_place<R: Read + Seek>(reader: &mut R, length: u64) -> Result<(u64, u64, u64), String> {
    let tail_size = length.min(22 + 65_535);
    let tail = read_at(reader, length - tail_size, tail_size)?;
    let mark = [0x50, 0x4b, 5, 6];
    let at = tail
        .windows(4)
        .rposition(|four| four == mark)
        .ok_or("it is no ZIP archive, or was cut short; copy the file again from its source")?;
    let field = |from: usize, bytes: usize| number(&tail, at + from, bytes).ok_or(TRUNCATED);
    // The comment's length ends the record.
    field(20, 2)?;
    let (count, size, start) = (field(10, 2)?, field(12, 4)?, field(16, 4)?);
    if count != 0xFFFF && size != 0xFFFF_FFFF && start != 0xFFFF_FFFF {
        return Ok((count, size, start));
    }
    // The large form: a locator right before, which says where its own record is.
    let truncated = || TRUNCATED.to_owned();
    let locator = at.checked_sub(20).ok_or_else(truncated)?;
    if number(&tail, locator, 4) != Some(0x0706_4b50) {
        return Ok((count, size, start));
    }
    let place = number(&tail, locator + 8, 8).ok_or_else(truncated)?;
    let record = read_at(reader, place, 56)?;
    if number(&record, 0, 4) != Some(0x0606_4b50) {
        return Err("the ZIP archive's table of contents is damaged".to_owned());
    }
    let field = |from: usize| number(&record, from, 8).ok_or_else(truncated);
    Ok((field(32)?, field(40)?, field(48)?))
}

fn entries(bytes: &[u8], count: u64, length: u64) -> Result<BTreeMap<String, Entry>, String> {
    let damaged = || "the ZIP archive's table of contents is damaged".to_owned();
    let mut entries = BTreeMap::new();
    let mut rest = bytes;
    for _ in 0..count {
        let field = |from: usize, size: usize| number(rest, from, size).ok_or_else(damaged);
        if field(0, 4)? != 0x0201_4b50 {
            return Err(damaged());
        }
        let (flags, method) = (field(8, 2)?, field(10, 2)?);
        let lengths = [field(28, 2)?, field(30, 2)?, field(32, 2)?].map(|n| usize::try_from(n).unwrap_or(0));
        let name = rest.get(46..46 + lengths[0]).ok_or_else(damaged)?;
        let extra = rest.get(46 + lengths[0]..46 + lengths[0] + lengths[1]).ok_or_else(damaged)?;
        let crc = field(16, 4)?;
        let (packed, size, header) = large_fields(extra, field(20, 4)?, field(24, 4)?, field(42, 4)?);
        let name = String::from_utf8_lossy(name).into_owned();
        rest = rest.get(46 + lengths.iter().sum::<usize>()..).ok_or_else(damaged)?;
        if name.ends_with('/') {
            continue;
        }
        if flags & 1 != 0 {
            return Err(format!("its part {name} is encrypted"));
        }
        let deflated = match method {
            0 if packed == size => false,
            8 if size <= packed.saturating_mul(DEFLATE_RATIO) => true,
            0 | 8 => return Err(format!("its part {name} claims an impossible size")),
            other => return Err(format!("its part {name} is packed by an unknown method ({other})")),
        };
        if header.checked_add(30).is_none_or(|end| end > length) || packed > length {
            return Err(damaged());
        }
        if entries.insert(name.clone(), Entry { deflated, packed, size, header, crc }).is_some() {
            return Err(format!("its part {name} is there twice"));
        }
    }
    Ok(entries)
}

/// Packed size, size and place of an entry, from the extra field of the large form where they do
/// not fit.
fn large_fields(extra: &[u8], packed: u64, size: u64, header: u64) -> (u64, u64, u64) {
    let (mut packed, mut size, mut header) = (packed, size, header);
    let mut rest = extra;
    while let (Some(kind), Some(length)) = (number(rest, 0, 2), number(rest, 2, 2)) {
        let end = 4 + usize::try_from(length).unwrap_or(0);
        let Some(body) = rest.get(4..end) else { break };
        if kind == 1 {
            let mut at = 0;
            for value in [&mut size, &mut packed, &mut header] {
                if *value == 0xFFFF_FFFF
                    && let Some(large) = number(body, at, 8)
                {
                    *value = large;
                    at += 8;
                }
            }
        }
        rest = &rest[end..];
    }
    (packed, size, header)
}

/// A little-endian number of at most 8 bytes.
fn number(bytes: &[u8], from: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(from..from.checked_add(size)?)?;
    Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn read_at<R: Read + Seek>(reader: &mut R, start: u64, size: u64) -> Result<Vec<u8>, String> {
    reader.seek(SeekFrom::Start(start)).map_err(|error| error.to_string())?;
    let mut bytes = vec![0; usize::try_from(size).map_err(|error| error.to_string())?];
    reader.read_exact(&mut bytes).map_err(|_| TRUNCATED.to_owned())?;
    Ok(bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::{Cursor, Write as _};

    /// An archive of stored (or deflated) entries.
    pub(in crate::ai::nnunet) fn zip(files: &[(&str, &[u8])], deflate: bool) -> Vec<u8> {
        let each: Vec<_> = files.iter().map(|(name, bytes)| (*name, *bytes, deflate)).collect();
        zip_each(&each)
    }

    /// An archive of entries, each stored or deflated.
    pub(in crate::ai::nnunet) fn zip_each(files: &[(&str, &[u8], bool)]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut directory = Vec::new();
        for (name, bytes, deflate) in files {
            let deflate = *deflate;
            let packed = if deflate {
                let level = flate2::Compression::default();
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            } else {
                bytes.to_vec()
            };
            let header = u32::try_from(out.len()).unwrap();
            let mut common = Vec::new();
            common.extend([20, 0, 0, 0, if deflate { 8 } else { 0 }, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            common.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
            common.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
            common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
            common.extend([0, 0]);
            out.extend([0x50, 0x4b, 3, 4]);
            out.extend(&common);
            out.extend(name.as_bytes());
            out.extend(&packed);
            directory.extend([0x50, 0x4b, 1, 2, 20, 0]);
            directory.extend(&common);
            directory.extend([0; 10]);
            directory.extend(header.to_le_bytes());
            directory.extend(name.as_bytes());
        }
        let start = u32::try_from(out.len()).unwrap();
        out.extend(&directory);
        out.extend([0x50, 0x4b, 5, 6, 0, 0, 0, 0]);
        let count = u16::try_from(files.len()).unwrap().to_le_bytes();
        out.extend([count, count].concat());
        out.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
        out.extend(start.to_le_bytes());
        out.extend([0, 0]);
        out
    }

    #[test]
    fn stored_and_deflated_files_come_back() {
        for deflate in [false, true] {
            let bytes = zip(&[("a/b", b"hello hello hello"), ("c", b"")], deflate);
            let mut archive = Archive::open(Cursor::new(bytes)).unwrap();
            assert_eq!(archive.names().collect::<Vec<_>>(), ["a/b", "c"]);
            assert_eq!(archive.read("a/b", 100).unwrap(), b"hello hello hello");
            assert_eq!(archive.read("c", 100).unwrap(), b"");
            assert!(archive.read("a/b", 5).unwrap_err().contains("more than 5"));
            assert!(archive.read("d", 5).unwrap_err().contains("no part d"));
        }
    }

    #[test]
    fn lies_about_sizes_are_refused() {
        let good = zip(&[("a", &[7; 64])], false);
        let directory = good.windows(4).position(|four| four == [0x50, 0x4b, 1, 2]).unwrap();
        // A stored entry that unpacks to more than it is, and one that is longer than the file.
        for (packed, size) in [(64_u32, 1_u32 << 30), (1 << 30, 1 << 30)] {
            let mut bytes = good.clone();
            bytes[directory + 20..directory + 24].copy_from_slice(&packed.to_le_bytes());
            bytes[directory + 24..directory + 28].copy_from_slice(&size.to_le_bytes());
            assert!(Archive::open(Cursor::new(bytes)).is_err());
        }
        for length in 0..good.len() {
            let told = Archive::open(Cursor::new(&good[..length])).unwrap_err();
            assert!(told.contains("copy the file again"), "cut at {length}: {told}");
        }
    }
}
