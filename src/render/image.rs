//! Finished pictures.

use super::PictureSize;
use crate::new_file::{WriteFileError, write_file};
use std::path::Path;

/// An opaque sRGB picture, 4 bytes a pixel (red, green, blue, 255), rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbaImage {
    /// Width and height, pixels.
    pub size: PictureSize,
    /// `4 * width * height` bytes.
    pub pixels: Vec<u8>,
}

impl RgbaImage {
    /// A picture of one colour.
    #[must_use]
    pub fn filled(size: PictureSize, [r, g, b]: [u8; 3]) -> Self {
        let count = size[0] as usize * size[1] as usize;
        Self { size, pixels: [r, g, b, 255].repeat(count) }
    }

    /// The colour at a pixel.
    ///
    /// # Panics
    /// Outside the picture.
    #[must_use]
    pub fn pixel(&self, [x, y]: [u32; 2]) -> [u8; 3] {
        let at = 4 * (x as usize + self.size[0] as usize * y as usize);
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }

    /// Lays a colour over a pixel; outside the picture nothing happens.
    pub fn blend(&mut self, [x, y]: [i32; 2], color: [f32; 3], opacity: f32) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if x >= self.size[0] || y >= self.size[1] {
            return;
        }
        let at = 4 * (x as usize + self.size[0] as usize * y as usize);
        for (byte, new) in self.pixels[at..at + 3].iter_mut().zip(color) {
            *byte = byte_of(f32::from(*byte) / 255.0 * (1.0 - opacity) + new * opacity);
        }
    }

    /// The picture at another size, bilinear; halving averages each four pixels.
    #[must_use]
    pub fn resized(&self, size: PictureSize) -> Self {
        if size == self.size {
            return self.clone();
        }
        let source = |x: i64, y: i64, channel: usize| {
            let clamped = |n: i64, limit: u32| usize::try_from(n.clamp(0, i64::from(limit) - 1)).unwrap_or(0);
            let at = 4 * (clamped(x, self.size[0]) + self.size[0] as usize * clamped(y, self.size[1]));
            f32::from(self.pixels[at + channel]) / 255.0
        };
        let mut resized = Self::filled(size, [0; 3]);
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "pixels")]
        for y in 0..size[1] {
            for x in 0..size[0] {
                let place =
                    |n: u32, axis: usize| (n as f32 + 0.5) * self.size[axis] as f32 / size[axis] as f32 - 0.5;
                let (fx, fy) = (place(x, 0), place(y, 1));
                let (x0, y0) = (fx.floor() as i64, fy.floor() as i64);
                let (tx, ty) = (fx - fx.floor(), fy - fy.floor());
                let at = 4 * (x as usize + size[0] as usize * y as usize);
                for channel in 0..3 {
                    let upper = source(x0, y0, channel) * (1.0 - tx) + source(x0 + 1, y0, channel) * tx;
                    let lower =
                        source(x0, y0 + 1, channel) * (1.0 - tx) + source(x0 + 1, y0 + 1, channel) * tx;
                    resized.pixels[at + channel] = byte_of(upper * (1.0 - ty) + lower * ty);
                }
            }
        }
        resized
    }

    /// The picture as a PNG file's bytes (without the alpha channel).
    ///
    /// # Errors
    /// For a picture without pixels, or with too few bytes for its size.
    pub fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.size[0], self.size[1]);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let rgb: Vec<u8> = self.pixels.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&rgb)?;
        writer.finish()?;
        Ok(bytes)
    }

    /// Writes the picture as PNG; it appears whole or not at all.
    ///
    /// # Errors
    /// When the file exists and `overwrite` is false, or cannot be written.
    pub fn write_png(&self, path: &Path, overwrite: bool) -> Result<(), WriteFileError> {
        let bytes = self.png().map_err(|error| WriteFileError::Unwritable {
            reason: error.to_string(),
            path: path.to_owned(),
        })?;
        write_file(path, overwrite, &bytes)
    }
}

/// A brightness of 0 to 1 as a byte, rounded to the nearest as graphics hardware does.
pub(super) fn byte_of(brightness: f32) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
    {
        (brightness.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_averages_four_pixels() {
        let mut image = RgbaImage::filled([2, 2], [0; 3]);
        image.pixels[0..3].copy_from_slice(&[200, 100, 40]);
        assert_eq!(image.resized([1, 1]).pixel([0, 0]), [50, 25, 10]);
    }

    #[test]
    fn a_written_picture_reads_back() {
        let image = RgbaImage::filled([3, 2], [10, 20, 30]);
        let decoder = png::Decoder::new(std::io::Cursor::new(image.png().unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut bytes).unwrap();
        assert_eq!(bytes, [10, 20, 30].repeat(6));
        assert!(RgbaImage { size: [0, 0], pixels: Vec::new() }.png().is_err());
    }
}
