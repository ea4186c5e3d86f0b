//! From stored samples to values: sign, Bits Stored, High Bit, rescale, padding (PS3.3 C.7.6.3.1,
//! C.11.1).

use super::image::{Image, SampleFormat};
use crate::patient::OUTSIDE_I16;

/// Below this many HU there is no matter: scanners fill the corners outside their field of view
/// with less.
const LEAST_HU: f64 = -1024.0;

/// How the samples of one image become values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conversion {
    format: SampleFormat,
    padding: Option<(i32, i32)>,
    slope: f64,
    intercept: f64,
    /// Values below are outside the scan.
    least: f64,
}

impl Conversion {
    /// The conversion of an image; `factor` scales the rescaled values, `hu` says that they are HU.
    pub fn of(image: &Image, factor: f64, hu: bool) -> Self {
        Self {
            format: image.file.format,
            padding: image.file.padding,
            slope: image.rescale.slope * factor,
            intercept: image.rescale.intercept * factor,
            least: if hu { LEAST_HU } else { f64::NEG_INFINITY },
        }
    }

    /// Whether all values are whole numbers.
    pub fn is_whole(&self) -> bool {
        let whole = |value: f64, limit: f64| value.fract() == 0.0 && value.abs() <= limit;
        whole(self.slope, 1e3) && whole(self.intercept, 1e6)
    }

    /// Whether samples are 16 bits that need no masking, so that they can be read into the volume.
    pub fn is_plain_16_bit(&self) -> bool {
        self.format.bits_allocated == 16 && self.format.bits_stored == 16
    }

    /// Turns raw 16-bit samples into whole values where they lie. False when a value does not fit.
    pub fn convert_in_place(&self, samples: &mut [i16]) -> bool {
        if self.format.signed {
            self.convert_each(samples, i32::from)
        } else {
            self.convert_each(samples, |raw| i32::from(raw.cast_unsigned()))
        }
    }

    fn convert_each(&self, samples: &mut [i16], stored: impl Fn(i16) -> i32) -> bool {
        let (slope, intercept, least) = self.whole_terms();
        let (pad_low, pad_high) = self.padding.unwrap_or((1, 0));
        let mut fits = true;
        for sample in samples {
            let raw = stored(*sample);
            let value = raw * slope + intercept;
            let outside = (raw >= pad_low && raw <= pad_high) || value < least;
            fits &= outside || (value > i32::from(i16::MIN) && value <= i32::from(i16::MAX));
            #[expect(clippy::cast_possible_truncation, reason = "a value that does not fit is reported")]
            {
                *sample = if outside { OUTSIDE_I16 } else { value as i16 };
            }
        }
        fits
    }

    #[expect(clippy::cast_possible_truncation, reason = "whole and small: checked by is_whole")]
    fn whole_terms(&self) -> (i32, i32, i32) {
        let least = if self.least.is_finite() { self.least as i32 } else { i32::MIN };
        (self.slope as i32, self.intercept as i32, least)
    }

    /// Whole values of raw little-endian samples. False when a value does not fit.
    pub fn whole_values(&self, raw: &[u8], values: &mut [i16]) -> bool {
        let (slope, intercept, least) = self.whole_terms();
        let mut fits = true;
        self.for_each(raw, values, |stored| match stored {
            Some(stored) => {
                let value = stored * slope + intercept;
                if value < least {
                    return OUTSIDE_I16;
                }
                match i16::try_from(value) {
                    Ok(value) if value != OUTSIDE_I16 => value,
                    _ => {
                        fits = false;
                        OUTSIDE_I16
                    }
                }
            }
            None => OUTSIDE_I16,
        });
        fits
    }

    /// Values of raw little-endian samples; NaN outside the scan.
    pub fn values(&self, raw: &[u8], values: &mut [f32]) {
        self.for_each(raw, values, |stored| {
            let Some(stored) = stored else { return f32::NAN };
            let value = f64::from(stored) * self.slope + self.intercept;
            #[expect(clippy::cast_possible_truncation, reason = "display and network precision")]
            if value < self.least { f32::NAN } else { value as f32 }
        });
    }

    /// Stored values, `None` where they are padding.
    fn for_each<T>(&self, raw: &[u8], values: &mut [T], mut value_of: impl FnMut(Option<i32>) -> T) {
        let (pad_low, pad_high) = self.padding.unwrap_or((1, 0));
        let is_padding = |value: i32| value >= pad_low && value <= pad_high;
        let mut one = |cell: u16| {
            let stored = self.stored(cell);
            // Padding may use bits above those stored.
            let whole = if self.format.signed { i32::from(cell.cast_signed()) } else { i32::from(cell) };
            value_of((!is_padding(stored) && !is_padding(whole)).then_some(stored))
        };
        if self.format.bits_allocated == 8 {
            for (value, byte) in values.iter_mut().zip(raw) {
                *value = one(u16::from(*byte));
            }
        } else {
            for (value, cell) in values.iter_mut().zip(raw.as_chunks::<2>().0) {
                *value = one(u16::from_le_bytes(*cell));
            }
        }
    }

    /// The stored value of an allocated cell: bits shifted down, masked, and sign-extended.
    fn stored(&self, cell: u16) -> i32 {
        let unused = 16 - self.format.bits_stored;
        let bits = (cell >> self.format.shift) << unused;
        if self.format.signed { i32::from(bits.cast_signed() >> unused) } else { i32::from(bits >> unused) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversion(bits_stored: u16, shift: u16, signed: bool) -> Conversion {
        let format = SampleFormat { bits_allocated: 16, bits_stored, shift, signed };
        Conversion { format, padding: None, slope: 1.0, intercept: -1024.0, least: LEAST_HU }
    }

    fn bytes(cells: &[u16]) -> Vec<u8> {
        cells.iter().flat_map(|cell| cell.to_le_bytes()).collect()
    }

    #[test]
    fn twelve_bits_are_masked_and_sign_extended() {
        assert_eq!(conversion(12, 0, false).stored(0xF123), 0x123);
        assert_eq!(conversion(12, 0, true).stored(0x0FFF), -1);
        assert_eq!(conversion(12, 4, true).stored(0xFFFA), -1);
        assert_eq!(conversion(12, 4, false).stored(0xABC7), 0xABC);
        assert_eq!(conversion(16, 0, true).stored(0x8000), -32768);
    }

    #[test]
    fn padding_and_too_low_values_are_outside() {
        // As the chest CT: signed, padding declared as 63536 (-2000), stored as -1024 (-2048 HU).
        let chest = Conversion { padding: Some((-2000, -2000)), ..conversion(16, 0, true) };
        let raw = bytes(&[(-2000_i16).cast_unsigned(), (-1024_i16).cast_unsigned(), 0, 1064]);
        let mut values = [0; 4];
        assert!(chest.whole_values(&raw, &mut values));
        assert_eq!(values, [OUTSIDE_I16, OUTSIDE_I16, -1024, 40]);
        let mut in_place = [-2000, -1024, 0, 1064];
        assert!(chest.convert_in_place(&mut in_place));
        assert_eq!(in_place, values);
        let mut floats = [0.0; 4];
        chest.values(&raw, &mut floats);
        assert!(floats[0].is_nan() && floats[1].is_nan());
        assert_eq!(floats[2..], [-1024.0, 40.0]);
    }

    #[test]
    fn padding_beyond_the_stored_bits_is_found() {
        let padded = Conversion { padding: Some((0x8000, 0x8000)), ..conversion(12, 0, false) };
        let mut values = [0; 2];
        assert!(padded.whole_values(&bytes(&[0x8000, 1024]), &mut values));
        assert_eq!(values, [OUTSIDE_I16, 0]);
    }

    #[test]
    fn values_that_do_not_fit_are_reported() {
        let wide = conversion(16, 0, false);
        assert!(!wide.whole_values(&bytes(&[65_000]), &mut [0]));
        assert!(!wide.convert_in_place(&mut [65_000_u16.cast_signed()]));
        assert!(wide.whole_values(&bytes(&[33_000]), &mut [0]));
    }

    #[test]
    fn fractions_are_not_whole() {
        assert!(conversion(12, 0, false).is_whole());
        assert!(!Conversion { slope: 0.5, ..conversion(12, 0, false) }.is_whole());
    }

    #[test]
    fn eight_bit_samples() {
        let format = SampleFormat { bits_allocated: 8, bits_stored: 8, shift: 0, signed: true };
        let eight = Conversion { format, intercept: 0.0, ..conversion(8, 0, true) };
        let mut values = [0; 2];
        assert!(eight.whole_values(&[0xFF, 5], &mut values));
        assert_eq!(values, [-1, 5]);
    }
}
