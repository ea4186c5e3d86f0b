//! Values whose first lies at the start of a cache line, so that no vector crosses one.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line, and of the widest vector.
const LINE: usize = 64;

/// A vector of float32 that starts on a cache line; its length is fixed.
#[derive(Debug)]
pub(super) struct Lines {
    buffer: Vec<f32>,
    start: usize,
    len: usize,
}

impl Lines {
    /// So many zeros.
    pub(super) fn zeros(len: usize) -> Self {
        let buffer = vec![0.0_f32; len + LINE / size_of::<f32>()];
        // An offset that cannot be told leaves the values where they are: slower, not wrong.
        let start = Some(buffer.as_ptr().align_offset(LINE)).filter(|start| start + len <= buffer.len());
        Self { start: start.unwrap_or(0), buffer, len }
    }

    /// How many values fit without a new buffer.
    pub(super) fn capacity(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// The same buffer with another length, at most [`Self::capacity`]; its values are as they were.
    pub(super) fn with_len(self, len: usize) -> Self {
        assert!(len <= self.capacity(), "a buffer is used again for what fits");
        Self { len, ..self }
    }
}

impl Deref for Lines {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer[self.start..self.start + self.len]
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_start_on_a_cache_line() {
        for len in [0, 1, 1000, 100_000] {
            let mut lines = Lines::zeros(len);
            assert_eq!(lines.as_ptr() as usize % LINE, 0);
            assert_eq!(lines.len(), len);
            lines.fill(1.0);
            let shorter = lines.with_len(len / 2);
            assert_eq!(shorter.len(), len / 2);
            assert!(shorter.iter().all(|value| *value == 1.0));
        }
    }
}
