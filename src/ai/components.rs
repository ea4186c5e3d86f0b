//! The pieces of an organ on the model grid, and taking some of them out.

use super::sliding::Probabilities;
use half::f16;

/// The class with the greatest probability at each voxel (the first of equals).
pub(super) fn argmax(probabilities: &Probabilities) -> Vec<u16> {
    probabilities
        .values
        .chunks_exact(probabilities.classes)
        .map(|shares| {
            let mut best = 0;
            for (class, share) in (0_u16..).zip(shares) {
                if share > &shares[usize::from(best)] {
                    best = class;
                }
            }
            best
        })
        .collect()
}

/// The voxels around one and itself, in an array of `size` (z, y, x).
fn neighbours([nz, ny, nx]: [usize; 3], at: usize) -> impl Iterator<Item = usize> {
    let (z, y, x) = (at / (ny * nx), at / nx % ny, at % nx);
    let span = |n: usize, size: usize| n.saturating_sub(1)..(n + 2).min(size);
    span(z, nz)
        .flat_map(move |z| span(y, ny).flat_map(move |y| span(x, nx).map(move |x| (z * ny + y) * nx + x)))
}

/// The 26-connected pieces of `class`, the largest first, of equals the first in the array.
pub(super) fn pieces(labels: &[u16], size: [usize; 3], class: u16) -> Vec<Vec<usize>> {
    let mut seen = vec![false; labels.len()];
    let mut pieces: Vec<Vec<usize>> = Vec::new();
    for start in 0..labels.len() {
        if labels[start] != class || seen[start] {
            continue;
        }
        seen[start] = true;
        let mut piece = vec![start];
        let mut next = 0;
        while next < piece.len() {
            for at in neighbours(size, piece[next]) {
                if labels[at] == class && !seen[at] {
                    seen[at] = true;
                    piece.push(at);
                }
            }
            next += 1;
        }
        pieces.push(piece);
    }
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
    pieces
}

/// What a voxel is, or lies beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Around {
    Neither,
    Dropped,
    Kept,
}

/// Takes `dropped` pieces of `class` out: their probability and that of the class around them, so
/// that interpolation cannot bring them back, is added to that of the class `to`, or lost where there
/// is none; the greatest class is the label then. Nothing is done beside the pieces `kept`. Returns
/// how many voxels were dropped.
pub(super) fn take_out(
    probabilities: &mut Probabilities,
    labels: &mut [u16],
    class: u16,
    [dropped, kept]: [&[Vec<usize>]; 2],
    to: Option<u16>,
) -> usize {
    if dropped.is_empty() {
        return 0;
    }
    // A byte a voxel: a set of the voxels around a lung would take gigabytes and seconds.
    let mut around = vec![Around::Neither; labels.len()];
    for (pieces, is) in [(dropped, Around::Dropped), (kept, Around::Kept)] {
        for at in pieces.iter().flatten().flat_map(|at| neighbours(probabilities.size, *at)) {
            around[at] = is;
        }
    }
    let classes = probabilities.classes;
    for (at, _) in around.iter().enumerate().filter(|(_, own)| **own == Around::Dropped) {
        let shares = &mut probabilities.values[at * classes..][..classes];
        let share = std::mem::replace(&mut shares[usize::from(class)], f16::ZERO);
        if let Some(to) = to {
            let sum = shares[usize::from(to)].to_f32() + share.to_f32();
            shares[usize::from(to)] = f16::from_f32(sum);
        }
        if labels[at] == class || to.is_some() {
            let best = (0..classes).fold(0, |best, c| if shares[c] > shares[best] { c } else { best });
            labels[at] = u16::try_from(best).unwrap_or(0);
        }
    }
    dropped.iter().map(Vec::len).sum()
}

/// Drops all but the `most` largest pieces of `class` and gives the dropped voxels to the class that
/// comes next ([`take_out`]). Returns how many voxels were dropped.
pub(super) fn keep_pieces(
    probabilities: &mut Probabilities,
    labels: &mut [u16],
    class: u16,
    most: usize,
) -> usize {
    let all = pieces(labels, probabilities.size, class);
    let (kept, dropped) = all.split_at(most.min(all.len()));
    take_out(probabilities, labels, class, [dropped, kept], None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_piece_goes_to_the_second_best() {
        // A row of 8 voxels: class 1 at 0..3 and at 6; there class 2 comes next.
        let shares = |best: usize| -> [f32; 3] {
            match best {
                1 => [0.1, 0.7, 0.2],
                _ => [0.8, 0.15, 0.05],
            }
        };
        let rows = [1, 1, 1, 0, 0, 0, 1, 0];
        let values = rows.iter().flat_map(|best| shares(*best)).map(f16::from_f32).collect();
        let mut probabilities = Probabilities { low: [0; 3], size: [1, 1, 8], classes: 3, values };
        let mut labels = argmax(&probabilities);
        assert_eq!(labels, [1, 1, 1, 0, 0, 0, 1, 0]);
        assert_eq!(keep_pieces(&mut probabilities, &mut labels, 1, 1), 1);
        assert_eq!(labels, [1, 1, 1, 0, 0, 0, 2, 0]);
        assert_eq!(argmax(&probabilities), labels);
        assert_eq!(probabilities.values[7 * 3 + 1], f16::ZERO, "beside the dropped piece");
        assert_ne!(probabilities.values[3 * 3 + 1], f16::ZERO, "beside the kept piece");
    }

    #[test]
    fn a_voxel_beside_both_stays_with_what_is_kept() {
        // Class 1 at 0, 1 and at 3: the voxel between is beside both, the last one beside the speck alone.
        let values = [1, 1, 0, 1, 0].iter().flat_map(|l| if *l == 1 { [0.25, 0.75] } else { [0.75, 0.25] });
        let values = values.map(f16::from_f32).collect();
        let mut p = Probabilities { low: [0; 3], size: [1, 1, 5], classes: 2, values };
        let mut labels = argmax(&p);
        assert_eq!(keep_pieces(&mut p, &mut labels, 1, 1), 1);
        assert_eq!(labels, [1, 1, 0, 0, 0]);
        let left: Vec<f32> = p.values.iter().skip(1).step_by(2).map(|share| share.to_f32()).collect();
        // The speck itself is a voxel away from what is kept, and taken out.
        assert_eq!(left, [0.75, 0.75, 0.25, 0.0, 0.0]);
    }

    #[test]
    fn as_many_pieces_stay_as_an_organ_may_have() {
        let values = |labels: &[u16]| -> Vec<f16> {
            labels
                .iter()
                .flat_map(|l| if *l == 1 { [0.25, 0.75] } else { [0.75, 0.25] })
                .map(f16::from_f32)
                .collect()
        };
        let row = [1, 0, 1, 1, 0, 1, 1, 1, 0];
        for (most, left) in
            [(1, [0, 0, 0, 0, 0, 1, 1, 1, 0]), (2, [0, 0, 1, 1, 0, 1, 1, 1, 0]), (3, row), (9, row)]
        {
            let mut labels = row.to_vec();
            let mut p = Probabilities { low: [0; 3], size: [1, 1, 9], classes: 2, values: values(&row) };
            let dropped = keep_pieces(&mut p, &mut labels, 1, most);
            assert_eq!(labels, left, "{most}");
            assert_eq!(dropped, row.iter().sum::<u16>() as usize - left.iter().sum::<u16>() as usize);
        }
    }
}
