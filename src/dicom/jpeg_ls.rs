//! Decodes JPEG-LS (ISO/IEC 14495-1, ITU-T T.87), lossless and near-lossless, one component.
//!
//! Written here because no small pure-Rust decoder exists. The letters of the standard are kept:
//! Ra, Rb, Rc, Rd are the samples to the left, above, above left and above right; A, B, C, N the
//! counters of a context.

/// The image of a JPEG-LS stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub columns: usize,
    pub rows: usize,
    pub samples: Vec<u16>,
}

/// Frame and scan parameters (annex C).
#[derive(Debug, Default)]
struct Parameters {
    columns: usize,
    rows: usize,
    bits: u32,
    maximum: i32,
    thresholds: [i32; 3],
    reset: i32,
    near: i32,
}

/// Decodes a stream.
///
/// # Errors
/// What is wrong with it.
pub(super) fn decode(stream: &[u8]) -> Result<Decoded, &'static str> {
    let (parameters, data) = read_markers(stream)?;
    let samples = Scan::new(&parameters, data).decode().ok_or("the JPEG-LS data ends too early")?;
    Ok(Decoded { columns: parameters.columns, rows: parameters.rows, samples })
}

/// Reads the marker segments up to the entropy-coded data.
fn read_markers(stream: &[u8]) -> Result<(Parameters, &[u8]), &'static str> {
    const CUT: &str = "the JPEG-LS header is truncated";
    let mut parameters = Parameters::default();
    let mut rest = stream.strip_prefix(&[0xFF, 0xD8]).ok_or("it does not begin as JPEG-LS")?;
    loop {
        let (&[mark, kind], after) = rest.split_first_chunk::<2>().ok_or(CUT)?;
        if mark != 0xFF {
            return Err("the JPEG-LS markers are damaged");
        }
        if kind == 0xFF {
            rest = &rest[1..];
            continue;
        }
        let length = usize::from(u16::from_be_bytes(*after.first_chunk::<2>().ok_or(CUT)?));
        let segment = after.get(2..length).ok_or(CUT)?;
        rest = &after[length..];
        match kind {
            0xF7 => read_frame(segment, &mut parameters).ok_or(CUT)??,
            0xF8 if segment.first() == Some(&1) => {
                let number = |n: usize| {
                    segment.get(1 + 2 * n..3 + 2 * n).map(|b| i32::from(u16::from_be_bytes([b[0], b[1]])))
                };
                parameters.maximum = number(0).ok_or(CUT)?;
                parameters.thresholds = [number(1).ok_or(CUT)?, number(2).ok_or(CUT)?, number(3).ok_or(CUT)?];
                parameters.reset = number(4).ok_or(CUT)?;
            }
            0xF8 => return Err("it uses JPEG-LS mapping tables, which are not supported"),
            0xDD if segment.iter().any(|byte| *byte != 0) => {
                return Err("it uses JPEG-LS restart intervals, which are not supported");
            }
            0xDA => {
                let &[1, _, _, near, _, transform] = segment else {
                    return Err("it has several JPEG-LS components");
                };
                if transform & 0x0F != 0 {
                    return Err("it uses a JPEG-LS point transform, which is not supported");
                }
                parameters.near = i32::from(near);
                parameters.complete()?;
                return Ok((parameters, rest));
            }
            _ => {}
        }
    }
}

fn read_frame(segment: &[u8], parameters: &mut Parameters) -> Option<Result<(), &'static str>> {
    let &[bits, r1, r0, c1, c0, components] = segment.first_chunk::<6>()?;
    parameters.bits = u32::from(bits);
    parameters.rows = usize::from(u16::from_be_bytes([r1, r0]));
    parameters.columns = usize::from(u16::from_be_bytes([c1, c0]));
    Some(if components != 1 {
        Err("it has several JPEG-LS components")
    } else if !(2..=16).contains(&bits) || parameters.rows == 0 || parameters.columns == 0 {
        Err("its JPEG-LS frame header is senseless")
    } else {
        Ok(())
    })
}

impl Parameters {
    /// Puts the defaults of annex C.2.4.1.1.1 where the stream names none.
    fn complete(&mut self) -> Result<(), &'static str> {
        if self.bits == 0 {
            return Err("it has no JPEG-LS frame header");
        }
        let most = (1 << self.bits) - 1;
        if self.maximum == 0 {
            self.maximum = most;
        }
        let (maximum, near) = (self.maximum, self.near);
        if maximum > most || near > (maximum / 2).min(255) {
            return Err("its JPEG-LS parameters contradict each other");
        }
        let defaults = if maximum >= 128 {
            let factor = (maximum.min(4095) + 128) / 256;
            [factor + 2 + 3 * near, factor * 4 + 3 + 5 * near, factor * 17 + 4 + 7 * near]
        } else {
            let factor = 256 / (maximum + 1);
            [(3 / factor + 3 * near).max(2), (7 / factor + 5 * near).max(3), (21 / factor + 7 * near).max(4)]
        };
        let mut least = near + 1;
        for (threshold, default) in self.thresholds.iter_mut().zip(defaults) {
            if *threshold == 0 {
                *threshold = if default > maximum || default < least { least } else { default };
            }
            least = *threshold;
        }
        if self.reset == 0 {
            self.reset = 64;
        }
        Ok(())
    }
}

/// A context of regular samples.
#[derive(Debug, Clone, Copy)]
struct Context {
    a: i32,
    b: i32,
    c: i32,
    n: i32,
}

/// A context of samples that end a run.
#[derive(Debug, Clone, Copy)]
struct RunContext {
    a: i32,
    n: i32,
    negative: i32,
}

/// Run lengths are counted in steps of 2 to the power of these.
const RUN_ORDERS: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];

struct Scan<'a> {
    bits: Bits<'a>,
    columns: usize,
    rows: usize,
    maximum: i32,
    near: i32,
    thresholds: [i32; 3],
    reset: i32,
    range: i32,
    /// Bits of a value that is written out.
    plain_bits: u32,
    limit: u32,
    contexts: [Context; 365],
    run_contexts: [RunContext; 2],
    run_index: usize,
}

impl<'a> Scan<'a> {
    fn new(parameters: &Parameters, data: &'a [u8]) -> Self {
        let &Parameters { columns, rows, maximum, thresholds, reset, near, .. } = parameters;
        let range = (maximum + 2 * near) / (2 * near + 1) + 1;
        // The least number of bits that holds values below `n`.
        let bits_for = |n: i32| 32 - (n - 1).leading_zeros();
        let sample_bits = bits_for(maximum + 1).max(2);
        let a = ((range + 32) / 64).max(2);
        Self {
            bits: Bits { bytes: data, at: 0, buffer: 0, count: 0, after_ff: false },
            columns,
            rows,
            maximum,
            near,
            thresholds,
            reset,
            range,
            plain_bits: bits_for(range),
            limit: 2 * (sample_bits + sample_bits.max(8)),
            contexts: [Context { a, b: 0, c: 0, n: 1 }; 365],
            run_contexts: [RunContext { a, n: 1, negative: 0 }; 2],
            run_index: 0,
        }
    }

    /// The samples; `None` when the data ends too early.
    fn decode(mut self) -> Option<Vec<u16>> {
        let columns = self.columns;
        let mut samples = Vec::with_capacity(columns * self.rows);
        // One sample more at either side: the left one is the first of the line above, the right
        // one repeats the last.
        let mut above = vec![0_i32; columns + 2];
        let mut line = vec![0_i32; columns + 2];
        for _ in 0..self.rows {
            above[columns + 1] = above[columns];
            line[0] = above[1];
            self.decode_line(&above, &mut line)?;
            samples.extend(line[1..=columns].iter().map(|sample| {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=maximum")]
                {
                    *sample as u16
                }
            }));
            std::mem::swap(&mut above, &mut line);
        }
        Some(samples)
    }

    fn decode_line(&mut self, above: &[i32], line: &mut [i32]) -> Option<()> {
        let mut at = 1;
        while at <= self.columns {
            let (ra, rb, rc, rd) = (line[at - 1], above[at], above[at - 1], above[at + 1]);
            let context =
                (self.quantised(rd - rb) * 9 + self.quantised(rb - rc)) * 9 + self.quantised(rc - ra);
            if context != 0 {
                line[at] = self.regular_sample(context, ra, rb, rc)?;
                at += 1;
                continue;
            }
            let run = self.run_length(self.columns + 1 - at)?;
            line[at..at + run].fill(ra);
            at += run;
            if at <= self.columns {
                line[at] = self.run_end_sample(ra, above[at])?;
                self.run_index = self.run_index.saturating_sub(1);
                at += 1;
            }
        }
        Some(())
    }

    /// The region of a gradient, -4..=4 (annex A.3.3).
    fn quantised(&self, gradient: i32) -> i32 {
        let size = gradient.abs();
        let region = if size <= self.near {
            0
        } else {
            1 + self.thresholds.iter().filter(|threshold| size >= **threshold).count().min(3)
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "0..=4")]
        {
            gradient.signum() * region as i32
        }
    }

    fn regular_sample(&mut self, context: i32, ra: i32, rb: i32, rc: i32) -> Option<i32> {
        let sign = context.signum();
        let index = context.unsigned_abs() as usize;
        let Context { a, b, c, n } = self.contexts[index];
        let predicted = if rc >= ra.max(rb) {
            ra.min(rb)
        } else if rc <= ra.min(rb) {
            ra.max(rb)
        } else {
            ra + rb - rc
        };
        let predicted = (predicted + sign * c).clamp(0, self.maximum);
        let k = golomb_order(n, a)?;
        let mapped = self.golomb(k, self.limit)?;
        let folded = if mapped & 1 == 0 { mapped >> 1 } else { -((mapped + 1) >> 1) };
        let error = if self.near == 0 && k == 0 && 2 * b <= -n { -folded - 1 } else { folded };
        let context = &mut self.contexts[index];
        context.a += error.abs();
        context.b += error * (2 * self.near + 1);
        if context.n == self.reset {
            context.a >>= 1;
            context.b >>= 1;
            context.n >>= 1;
        }
        context.n += 1;
        if context.b <= -context.n {
            context.b = (context.b + context.n).max(1 - context.n);
            context.c = (context.c - 1).max(-128);
        } else if context.b > 0 {
            context.b = (context.b - context.n).min(0);
            context.c = (context.c + 1).min(127);
        }
        Some(self.reconstructed(predicted, sign * error))
    }

    /// How many samples repeat the one to the left, at most `most` (annex A.7.1).
    fn run_length(&mut self, most: usize) -> Option<usize> {
        let mut run = 0;
        while self.bits.read(1)? == 1 {
            let step = 1_usize << RUN_ORDERS[self.run_index];
            let taken = step.min(most - run);
            run += taken;
            if taken == step {
                self.run_index = (self.run_index + 1).min(31);
            }
            if run == most {
                return Some(run);
            }
        }
        run += self.bits.read(RUN_ORDERS[self.run_index])? as usize;
        // A run that reaches the line's end is never ended by a sample.
        (run < most).then_some(run)
    }

    /// The sample that ends a run (annex A.7.2).
    fn run_end_sample(&mut self, ra: i32, rb: i32) -> Option<i32> {
        let kind = i32::from((ra - rb).abs() <= self.near);
        let index = usize::from(kind == 1);
        let RunContext { a, n, negative } = self.run_contexts[index];
        let k = golomb_order(n, if kind == 1 { a + (n >> 1) } else { a })?;
        let mapped = self.golomb(k, self.limit - RUN_ORDERS[self.run_index] - 1)?;
        let odd = (mapped + kind) & 1;
        let size = (mapped + kind + odd) >> 1;
        let is_negative = (k != 0 || 2 * negative >= n) == (odd == 1);
        let error = if is_negative { -size } else { size };
        let context = &mut self.run_contexts[index];
        context.negative += i32::from(error < 0);
        context.a += (mapped + 1 - kind) >> 1;
        if context.n == self.reset {
            context.a >>= 1;
            context.n >>= 1;
            context.negative >>= 1;
        }
        context.n += 1;
        Some(if kind == 1 {
            self.reconstructed(ra, error)
        } else {
            self.reconstructed(rb, if ra > rb { -error } else { error })
        })
    }

    fn reconstructed(&self, predicted: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let mut sample = predicted + error * step;
        if sample < -self.near {
            sample += self.range * step;
        } else if sample > self.maximum + self.near {
            sample -= self.range * step;
        }
        sample.clamp(0, self.maximum)
    }

    /// A number in limited Golomb code of order `k` (annex A.5.3).
    fn golomb(&mut self, k: u32, limit: u32) -> Option<i32> {
        let most = limit.checked_sub(self.plain_bits + 1)?;
        let zeros = self.bits.zeros(most)?;
        let value = if zeros < most {
            (zeros << k) | self.bits.read(k)?
        } else {
            self.bits.read(self.plain_bits)? + 1
        };
        // No sound stream codes more than twice its range.
        i32::try_from(value).ok().filter(|value| *value <= 2 * self.range)
    }
}

/// The least k with `n << k >= a`.
fn golomb_order(n: i32, a: i32) -> Option<u32> {
    (0..24).find(|k| n << k >= a)
}

/// Bits of entropy-coded data: after a byte of ones the next byte holds seven.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, the first highest.
    buffer: u64,
    count: u32,
    after_ff: bool,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            let bits = if self.after_ff {
                // A set bit after ones is a marker: the data has ended.
                if byte & 0x80 != 0 {
                    return;
                }
                7
            } else {
                8
            };
            self.buffer |= u64::from(byte) << (64 - bits - self.count);
            self.count += bits;
            self.after_ff = byte == 0xFF;
            self.at += 1;
        }
    }

    /// The next `n` bits (at most 32).
    fn read(&mut self, n: u32) -> Option<u32> {
        if n == 0 {
            return Some(0);
        }
        if self.count < n {
            self.fill();
        }
        self.count = self.count.checked_sub(n)?;
        let value = self.buffer >> (64 - n);
        self.buffer <<= n;
        u32::try_from(value).ok()
    }

    /// The number of zeros before the next one, which is taken too; damage above `most`.
    fn zeros(&mut self, most: u32) -> Option<u32> {
        let mut zeros = 0;
        loop {
            if self.count < 32 {
                self.fill();
            }
            if self.count == 0 {
                return None;
            }
            let run = self.buffer.leading_zeros();
            if run < self.count {
                self.buffer = self.buffer << run << 1;
                self.count -= run + 1;
                zeros += run;
                return (zeros <= most).then_some(zeros);
            }
            zeros += self.count;
            self.buffer = 0;
            self.count = 0;
            if zeros > most {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of the standard (annex H.3).
    const EXAMPLE: [u8; 56] = [
        0xFF, 0xD8, 0xFF, 0xF7, 0x00, 0x0B, 0x08, 0x00, 0x04, 0x00, 0x04, 0x01, 0x01, 0x11, 0x00, 0xFF, 0xDA,
        0x00, 0x08, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0xC0, 0x00, 0x00, 0x6C, 0x80, 0x20, 0x8E, 0x01, 0xC0,
        0x00, 0x00, 0x57, 0x40, 0x00, 0x00, 0x6E, 0xE6, 0x00, 0x00, 0x01, 0xBC, 0x18, 0x00, 0x00, 0x05, 0xD8,
        0x00, 0x00, 0x91, 0x60, 0xFF,
    ];

    #[test]
    fn the_example_of_the_standard() {
        let samples = vec![0, 0, 90, 74, 68, 50, 43, 205, 64, 145, 145, 145, 100, 145, 145, 145];
        assert_eq!(decode(&EXAMPLE), Ok(Decoded { columns: 4, rows: 4, samples }));
    }

    #[test]
    fn every_cut_and_flipped_byte_is_survived() {
        for length in 0..EXAMPLE.len() {
            let _ = decode(&EXAMPLE[..length]);
        }
        for at in 0..EXAMPLE.len() {
            for flip in 1..=255 {
                let mut bytes = EXAMPLE;
                bytes[at] ^= flip;
                // A size of its own is the caller's to check; here it only costs time.
                if !(7..11).contains(&at) {
                    let _ = decode(&bytes);
                }
            }
        }
    }
}
