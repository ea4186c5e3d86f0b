//! Compressed pixel data: which transfer syntaxes are read, and the samples of one frame.
//!
//! JPEG and JPEG 2000 go through dicom-rs' pure-Rust decoders; RLE (PS3.5 annex G) and JPEG-LS are
//! decoded here.
//! What the stream says of its size is compared with the header before a decoder sees it.

use super::header::{EXPLICIT_VR_BIG_ENDIAN, PixelLocation, inflate_data_set};
use super::image::ImageFile;
use super::jpeg_ls;
use dicom::dictionary_std::uids;
use dicom::encoding::adapters::{PixelDataObject, RawPixelData};
use dicom::encoding::transfer_syntax::TransferSyntaxIndex as _;
use dicom::transfer_syntax::TransferSyntaxRegistry;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// How a transfer syntax stores samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Storage {
    /// As they are; whether the most significant byte comes first.
    Native {
        big_endian: bool,
    },
    /// As they are, in a data set that is deflated as a whole.
    Deflated,
    /// As they are, in fragments.
    Fragments,
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
}

/// How `transfer_syntax` stores samples; `None` when it cannot be read.
pub(super) fn storage(transfer_syntax: &str) -> Option<Storage> {
    Some(match transfer_syntax {
        uids::IMPLICIT_VR_LITTLE_ENDIAN | uids::EXPLICIT_VR_LITTLE_ENDIAN => {
            Storage::Native { big_endian: false }
        }
        EXPLICIT_VR_BIG_ENDIAN => Storage::Native { big_endian: true },
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN => Storage::Deflated,
        uids::ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN => Storage::Fragments,
        uids::RLE_LOSSLESS => Storage::Rle,
        uids::JPEG_BASELINE8_BIT
        | uids::JPEG_EXTENDED12_BIT
        | uids::JPEG_LOSSLESS
        | uids::JPEG_LOSSLESS_SV1 => Storage::Jpeg,
        uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => Storage::JpegLs,
        uids::JPEG2000_LOSSLESS
        | uids::JPEG2000
        | uids::HTJ2K_LOSSLESS
        | uids::HTJ2K_LOSSLESS_RPCL
        | uids::HTJ2K => Storage::Jpeg2000,
        _ => return None,
    })
}

/// Whether images of this transfer syntax can be read.
pub(super) fn is_supported(transfer_syntax: &str) -> bool {
    storage(transfer_syntax).is_some()
}

/// The sentence for a transfer syntax that cannot be read: its name and the remedy.
pub(super) fn unsupported(transfer_syntax: &str) -> String {
    let name = TransferSyntaxRegistry.get(transfer_syntax).map_or("an unknown one", |syntax| syntax.name());
    format!(
        "its compression cannot be read (transfer syntax {name}, {transfer_syntax}); convert the series to uncompressed \
         DICOM, for example with gdcmconv --raw of GDCM"
    )
}

/// Data sets that were inflated already: a deflated file of many frames is inflated once.
#[derive(Debug, Default)]
pub(super) struct Inflated(Mutex<HashMap<PathBuf, Arc<Vec<u8>>>>);

impl Inflated {
    fn of(&self, file: &ImageFile) -> Result<Arc<Vec<u8>>, String> {
        let inflate = || inflate_data_set(&file.path).map(Arc::new).map_err(|error| error.to_string());
        if file.frames == 1 {
            return inflate();
        }
        // Others that want the same file wait here rather than inflate it too.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inflated) = known.get(&file.path) {
            return Ok(Arc::clone(inflated));
        }
        let inflated = inflate()?;
        known.insert(file.path.clone(), Arc::clone(&inflated));
        Ok(inflated)
    }
}

/// The samples of frame `frame`, little endian, `file.frame_bytes()` bytes.
///
/// # Errors
/// A sentence why not.
pub(super) fn decode_frame(file: &ImageFile, frame: usize, inflated: &Inflated) -> Result<Vec<u8>, String> {
    let storage = storage(&file.transfer_syntax).ok_or_else(|| unsupported(&file.transfer_syntax))?;
    let needed = file.frame_bytes();
    match (&file.pixels, storage) {
        (PixelLocation::Native { offset, .. }, Storage::Deflated) => {
            let inflated = inflated.of(file)?;
            let start = usize::try_from(*offset).ok().and_then(|start| start.checked_add(frame * needed));
            start
                .and_then(|start| inflated.get(start..start.checked_add(needed)?))
                .map(<[u8]>::to_vec)
                .ok_or_else(|| "its pixel data is truncated".into())
        }
        (PixelLocation::Native { offset, length, big_endian_words: true }, _)
            if file.format.bits_allocated == 8 =>
        {
            // Whole words, of which the frame may begin and end with a half.
            let start = frame * needed;
            let low = start - start % 2;
            let mut words = vec![0; (start + needed).next_multiple_of(2) - low];
            if *length < (low + words.len()) as u64 {
                return Err("its pixel data is truncated".into());
            }
            read_at(file, offset + low as u64, &mut words)?;
            words.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.reverse());
            Ok(words[start - low..start - low + needed].to_vec())
        }
        (PixelLocation::Native { offset, .. }, _) => {
            let mut samples = vec![0; needed];
            read_at(file, offset + (frame * needed) as u64, &mut samples)?;
            if storage == (Storage::Native { big_endian: true }) && file.format.bits_allocated == 16 {
                samples.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.reverse());
            }
            Ok(samples)
        }
        (PixelLocation::Encapsulated { .. }, Storage::Native { .. } | Storage::Deflated) => {
            Err("its pixel data is in fragments, which its transfer syntax does not allow".into())
        }
        (PixelLocation::Encapsulated { .. }, _) => {
            let stream = frame_stream(file, frame)?;
            match storage {
                Storage::Rle => decode_rle(&stream, file),
                Storage::Jpeg => decode_jpeg(stream, file),
                Storage::JpegLs => decode_jpeg_ls(&stream, file),
                Storage::Jpeg2000 => decode_jpeg_2000(stream, file),
                _ => (stream.len() >= needed)
                    .then(|| stream[..needed].to_vec())
                    .ok_or_else(|| "its pixel data is truncated".into()),
            }
        }
    }
}

/// Reads `bytes.len()` bytes of the file from `offset`.
pub(super) fn read_at(file: &ImageFile, offset: u64, bytes: &mut [u8]) -> Result<(), String> {
    let mut read = || {
        let mut source = File::open(&file.path)?;
        source.seek(SeekFrom::Start(offset))?;
        source.read_exact(bytes)
    };
    read().map_err(|error| format!("its pixel data cannot be read ({error})"))
}

/// The encoded bytes of a frame: its fragments, put together (PS3.5 annex A.4).
fn frame_stream(file: &ImageFile, frame: usize) -> Result<Vec<u8>, String> {
    let PixelLocation::Encapsulated { fragments, offset_table } = &file.pixels else {
        return Err("its pixel data is not in fragments".into());
    };
    let range = if file.frames == 1 {
        0..fragments.len()
    } else if fragments.len() == file.frames {
        frame..frame + 1
    } else if offset_table.len() == file.frames {
        // Offsets count from the first item after the table, item headers included.
        let base = fragments.first().map_or(0, |(offset, _)| offset - 8);
        let at = |n: usize| {
            let wanted = offset_table.get(n).map_or(u64::MAX, |offset| base + u64::from(*offset));
            fragments.partition_point(|(offset, _)| offset - 8 < wanted)
        };
        at(frame)..at(frame + 1)
    } else {
        return Err("its frames cannot be told apart (no offset table)".into());
    };
    let parts = fragments.get(range).filter(|parts| !parts.is_empty()).ok_or("it lacks a frame")?;
    let length: u64 = parts.iter().map(|(_, length)| u64::from(*length)).sum();
    let mut stream = vec![0; usize::try_from(length).map_err(|_| "its frame is too large")?];
    let mut filled = 0;
    for (offset, length) in parts {
        let end = filled + *length as usize;
        read_at(file, *offset, &mut stream[filled..end])?;
        filled = end;
    }
    Ok(stream)
}

/// RLE Lossless: byte planes, most significant first, each packed (PS3.5 annex G).
fn decode_rle(stream: &[u8], file: &ImageFile) -> Result<Vec<u8>, String> {
    let damaged = || "its RLE data is damaged".to_owned();
    let (header, _) = stream.as_chunks::<4>();
    let number = |n: usize| header.get(n).map(|bytes| u32::from_le_bytes(*bytes) as usize);
    let planes = usize::from(file.format.bits_allocated / 8);
    if stream.len() < 64 || number(0) != Some(planes) {
        return Err(damaged());
    }
    let length = file.frame_len();
    let mut samples = vec![0; length * planes];
    for plane in 0..planes {
        let start = number(1 + plane).ok_or_else(damaged)?;
        let end = if plane + 1 < planes { number(2 + plane).ok_or_else(damaged)? } else { stream.len() };
        let packed = stream.get(start..end).ok_or_else(damaged)?;
        let mut bytes = samples.iter_mut().skip(planes - 1 - plane).step_by(planes);
        if unpack_bits(packed, length, |byte| {
            if let Some(sample) = bytes.next() {
                *sample = byte;
            }
        }) < length
        {
            return Err("its RLE data is truncated".into());
        }
    }
    Ok(samples)
}

/// Unpacks at most `length` bytes; returns how many there were.
fn unpack_bits(packed: &[u8], length: usize, mut put: impl FnMut(u8)) -> usize {
    let (mut at, mut count) = (0, 0);
    while count < length {
        let Some(&control) = packed.get(at) else { break };
        at += 1;
        match control {
            0..=127 => {
                let run = usize::from(control) + 1;
                let Some(bytes) = packed.get(at..packed.len().min(at + run)) else { break };
                bytes.iter().take(length - count).for_each(|byte| put(*byte));
                count += bytes.len().min(length - count);
                at += run;
            }
            128 => {}
            129..=255 => {
                let Some(&byte) = packed.get(at) else { break };
                let run = (257 - usize::from(control)).min(length - count);
                (0..run).for_each(|_| put(byte));
                count += run;
                at += 1;
            }
        }
    }
    count
}

/// What a compressed stream says of itself.
struct StreamInfo {
    columns: u32,
    rows: u32,
    components: u16,
    bits: u16,
}

impl StreamInfo {
    fn check(&self, file: &ImageFile) -> Result<(), String> {
        let same = self.columns == u32::from(file.columns) && self.rows == u32::from(file.rows);
        if !same || self.components != 1 || self.bits > file.format.bits_allocated {
            return Err(format!(
                "its compressed image is {} x {} with {} component(s) of {} bits, the header says {} x {}, 1, {}",
                self.columns,
                self.rows,
                self.components,
                self.bits,
                file.columns,
                file.rows,
                file.format.bits_allocated
            ));
        }
        Ok(())
    }
}

/// From the frame header of a JPEG (or JPEG-LS) stream.
fn jpeg_info(stream: &[u8]) -> Option<StreamInfo> {
    let mut at = 2;
    loop {
        let (&[mark, kind], rest) = stream.get(at..)?.split_first_chunk::<2>()?;
        if mark != 0xFF {
            return None;
        }
        match kind {
            // Fill bytes and markers without a segment.
            0xFF => at += 1,
            0x01 | 0xD0..=0xD8 => at += 2,
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7 => {
                let &[_, _, bits, r1, r0, c1, c0, components] = rest.first_chunk::<8>()?;
                return Some(StreamInfo {
                    columns: u32::from(u16::from_be_bytes([c1, c0])),
                    rows: u32::from(u16::from_be_bytes([r1, r0])),
                    components: u16::from(components),
                    bits: u16::from(bits),
                });
            }
            _ => at += 2 + usize::from(u16::from_be_bytes(*rest.first_chunk::<2>()?)),
        }
    }
}

fn decode_jpeg(stream: Vec<u8>, file: &ImageFile) -> Result<Vec<u8>, String> {
    let info = jpeg_info(&stream).ok_or("its JPEG data is damaged")?;
    info.check(file)?;
    // The decoder gives one byte a sample up to 8 bits, whatever is allocated.
    let bits = if info.bits <= 8 { 8 } else { 16 };
    let samples = decode_with_dicom_rs(&file.transfer_syntax, stream, file, bits)?;
    widen(samples, bits, file)
}

fn decode_jpeg_ls(stream: &[u8], file: &ImageFile) -> Result<Vec<u8>, String> {
    jpeg_info(stream).ok_or("its JPEG-LS data is damaged")?.check(file)?;
    let image = jpeg_ls::decode(stream)
        .map_err(|error| format!("its compressed image cannot be decoded ({error})"))?;
    Ok(if file.format.bits_allocated == 8 {
        image.samples.iter().map(|sample| sample.to_le_bytes()[0]).collect()
    } else {
        image.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    })
}

/// From the SIZ segment of a JPEG 2000 codestream.
fn jpeg_2000_info(stream: &[u8]) -> Option<StreamInfo> {
    // Some writers wrap the codestream into a JP2 file; the codestream starts with SOC and SIZ.
    let start = stream.windows(4).position(|bytes| bytes == [0xFF, 0x4F, 0xFF, 0x51])?;
    let siz = stream.get(start + 4..start + 4 + 40)?;
    let number = |at: usize| siz.get(at..).and_then(|b| b.first_chunk::<4>()).map(|b| u32::from_be_bytes(*b));
    let (x1, y1, x0, y0) = (number(4)?, number(8)?, number(12)?, number(16)?);
    Some(StreamInfo {
        columns: x1.checked_sub(x0)?,
        rows: y1.checked_sub(y0)?,
        components: u16::from_be_bytes([siz[36], siz[37]]),
        bits: u16::from(siz[38] & 0x7F) + 1,
    })
}

fn decode_jpeg_2000(stream: Vec<u8>, file: &ImageFile) -> Result<Vec<u8>, String> {
    jpeg_2000_info(&stream).ok_or("its JPEG 2000 data is damaged")?.check(file)?;
    // The same decoder reads high-throughput streams, which dicom-rs does not hand to it.
    decode_with_dicom_rs(uids::JPEG2000_LOSSLESS, stream, file, file.format.bits_allocated)
}

/// Brings 8-bit samples to the allocated size.
fn widen(samples: Vec<u8>, bits: u16, file: &ImageFile) -> Result<Vec<u8>, String> {
    if samples.len() != file.frame_len() * usize::from(bits / 8) {
        return Err("its compressed image has another size than its header says".into());
    }
    Ok(if bits == 8 && file.format.bits_allocated == 16 {
        samples.into_iter().flat_map(|sample| [sample, 0]).collect()
    } else {
        samples
    })
}

/// Decodes with dicom-rs' decoder of `transfer_syntax`.
fn decode_with_dicom_rs(
    transfer_syntax: &str,
    stream: Vec<u8>,
    file: &ImageFile,
    bits_allocated: u16,
) -> Result<Vec<u8>, String> {
    let syntax = TransferSyntaxRegistry.get(transfer_syntax);
    let reader = syntax
        .and_then(|syntax| syntax.pixel_data_reader())
        .ok_or_else(|| unsupported(&file.transfer_syntax))?;
    let source = OneFrame { stream, file, bits_allocated };
    let mut samples = Vec::new();
    // The decoders are other people's code fed with files from anywhere: a panic of theirs is an
    // unreadable slice here.
    let decoded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        reader.decode_frame(&source, 0, &mut samples)
    }));
    match decoded {
        Ok(Ok(())) => Ok(samples),
        Ok(Err(error)) => {
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            Err(format!(
                "its compressed image cannot be decoded ({error}{cause}); if other programs open it, convert the series \
                 to uncompressed DICOM, for example with gdcmconv --raw of GDCM"
            ))
        }
        Err(_) => Err("its compressed image cannot be decoded (damaged)".into()),
    }
}

/// One compressed frame, as the decoders of dicom-rs want it.
struct OneFrame<'a> {
    stream: Vec<u8>,
    file: &'a ImageFile,
    bits_allocated: u16,
}

impl PixelDataObject for OneFrame<'_> {
    fn transfer_syntax_uid(&self) -> &str {
        &self.file.transfer_syntax
    }
    fn rows(&self) -> Option<u16> {
        Some(self.file.rows)
    }
    fn cols(&self) -> Option<u16> {
        Some(self.file.columns)
    }
    fn samples_per_pixel(&self) -> Option<u16> {
        Some(1)
    }
    fn bits_allocated(&self) -> Option<u16> {
        Some(self.bits_allocated)
    }
    fn bits_stored(&self) -> Option<u16> {
        Some(self.file.format.bits_stored)
    }
    fn photometric_interpretation(&self) -> Option<&str> {
        Some("MONOCHROME2")
    }
    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }
    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }
    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then_some(Cow::Borrowed(self.stream.as_slice()))
    }
    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        None
    }
    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        Some(RawPixelData {
            fragments: std::iter::once(self.stream.clone()).collect(),
            offset_table: [].into_iter().collect(),
        })
    }
    fn frame_pixel_data(&self, frame: u32) -> Option<Cow<'_, [u8]>> {
        self.fragment(frame as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_bits_unpack_by_hand() {
        // The example of PS3.5 annex G.3.1: literal of 3, run of 4, no-op, literal of 1.
        let packed = [2, 10, 11, 12, 253, 7, 128, 0, 9];
        let mut bytes = Vec::new();
        assert_eq!(unpack_bits(&packed, 8, |byte| bytes.push(byte)), 8);
        assert_eq!(bytes, [10, 11, 12, 7, 7, 7, 7, 9]);
    }

    #[test]
    fn truncated_bits_do_not_overrun() {
        let mut bytes = Vec::new();
        assert_eq!(unpack_bits(&[5, 1, 2], 8, |byte| bytes.push(byte)), 2);
        assert_eq!(unpack_bits(&[200], 8, |_| {}), 0);
        assert_eq!(unpack_bits(&[129, 4], 8, |_| {}), 8);
    }

    #[test]
    fn an_unsupported_syntax_is_named_with_a_remedy() {
        let sentence = unsupported("1.2.840.10008.1.2.4.110");
        assert!(sentence.contains("1.2.840.10008.1.2.4.110") && sentence.contains("convert"), "{sentence}");
        assert!(is_supported("1.2.840.10008.1.2.1"));
    }

    #[test]
    fn a_deflated_file_of_many_frames_is_inflated_once() {
        use crate::dicom::image::SampleFormat;
        use std::io::Write as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deflated");
        let syntax = uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;
        let mut bytes = [&[0_u8; 128][..], &b"DICM\x02\0\x10\0UI\x16\0"[..], syntax.as_bytes()].concat();
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&[1, 2, 3, 4]).unwrap();
        bytes.extend(encoder.finish().unwrap());
        std::fs::write(&path, bytes).unwrap();
        let file = |frames| ImageFile {
            path: path.clone(),
            transfer_syntax: syntax.to_owned(),
            pixels: PixelLocation::Native { offset: 0, length: 4, big_endian_words: false },
            frames,
            rows: 1,
            columns: 1,
            format: SampleFormat { bits_allocated: 16, bits_stored: 16, shift: 0, signed: false },
            padding: None,
            pet: None,
        };
        let inflated = Inflated::default();
        let (first, second) = (inflated.of(&file(2)).unwrap(), inflated.of(&file(2)).unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(decode_frame(&file(2), 1, &inflated), Ok(vec![3, 4]));
        // A file of one frame is not kept.
        assert!(!Arc::ptr_eq(&inflated.of(&file(1)).unwrap(), &first));
    }
}
