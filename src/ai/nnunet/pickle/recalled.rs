//! What a pickle comes back to: found by a first walk over its instructions that makes nothing.

/// Which of the numbers under which values are remembered are asked for later, a bit each. The walk ends
/// at the first instruction that no checkpoint needs: there the machine ends as well.
pub(super) fn recalled(bytes: &[u8]) -> Vec<u64> {
    // Nothing is remembered under a number as great as the pickle is long, but by mischief.
    let mut recalled = vec![0_u64; bytes.len() / 64 + 1];
    let mut rest = bytes;
    while let Some((code, behind)) = rest.split_first() {
        let number = |size: usize| {
            let bytes = behind.get(..size)?;
            usize::try_from(bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte))).ok()
        };
        // A length, and so many bytes.
        let counted = |size: usize| number(size).and_then(|length| length.checked_add(size));
        let length = match code {
            b'h' | b'j' => {
                let size = if *code == b'h' { 1 } else { 4 };
                if let Some(key) = number(size)
                    && let Some(bits) = recalled.get_mut(key / 64)
                {
                    *bits |= 1 << (key % 64);
                }
                Some(size)
            }
            0x80 | b'q' | b'K' => Some(1),
            b'M' => Some(2),
            b'r' | b'J' => Some(4),
            0x95 | b'G' => Some(8),
            0x8a | 0x8c | b'U' | b'C' => counted(1),
            0x8b | b'X' | b'T' | b'B' => counted(4),
            0x8d | 0x8e | 0x96 => counted(8),
            b'c' => {
                let mut ends = (0..behind.len()).filter(|at| behind[*at] == b'\n');
                ends.nth(1).map(|end| end + 1)
            }
            b'('
            | b'0'
            | b'1'
            | b'2'
            | b']'
            | b')'
            | b'l'
            | b't'
            | 0x85..=0x87
            | b'a'
            | b'e'
            | b'}'
            | b'd'
            | b's'
            | b'u'
            | 0x8f..=0x91
            | 0x93
            | 0x94
            | b'R'
            | 0x81
            | b'b'
            | b'Q'
            | b'N'
            | 0x88
            | 0x89 => Some(0),
            // The end, or an instruction that is refused.
            _ => None,
        };
        let Some(next) = length.and_then(|length| behind.get(length..)) else { break };
        rest = next;
    }
    recalled
}
