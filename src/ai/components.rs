//! Keeping an organ's largest piece.

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

/// Drops all but the largest 26-connected piece of `class` from `labels` and gives the dropped
/// voxels to the class that comes next; also where the class is not the greatest, around a dropped
/// piece, it is taken out, so that interpolation cannot bring it back. Returns how many voxels
/// were dropped. Without a voxel of the class, nothing happens.
pub(super) fn keep_largest(probabilities: &mut Probabilities, labels: &mut [u16], class: u16) -> usize {
    let [nz, ny, nx] = probabilities.size;
    let neighbours = |at: usize| {
        let (z, y, x) = (at / (ny * nx), at / nx % ny, at % nx);
        let span = |n: usize, size: usize| n.saturating_sub(1)..(n + 2).min(size);
        span(z, nz)
            .flat_map(move |z| span(y, ny).flat_map(move |y| span(x, nx).map(move |x| (z * ny + y) * nx + x)))
    };
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
            for at in neighbours(piece[next]) {
                if labels[at] == class && !seen[at] {
                    seen[at] = true;
                    piece.push(at);
                }
            }
            next += 1;
        }
        pieces.push(piece);
    }
    let Some(largest) = (0..pieces.len()).max_by_key(|i| (pieces[*i].len(), usize::MAX - i)) else {
        return 0;
    };
    let kept: std::collections::HashSet<usize> =
        pieces[largest].iter().flat_map(|at| neighbours(*at)).collect();
    let classes = probabilities.classes;
    let mut dropped = 0;
    for piece in pieces.iter().enumerate().filter(|(i, _)| *i != largest).map(|(_, piece)| piece) {
        dropped += piece.len();
        for at in piece.iter().flat_map(|at| neighbours(*at)).collect::<std::collections::BTreeSet<_>>() {
            if kept.contains(&at) {
                continue;
            }
            let shares = &mut probabilities.values[at * classes..][..classes];
            shares[usize::from(class)] = f16::ZERO;
            if labels[at] == class {
                let best = (0..classes).fold(0, |best, c| if shares[c] > shares[best] { c } else { best });
                labels[at] = u16::try_from(best).unwrap_or(0);
            }
        }
    }
    dropped
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
        assert_eq!(keep_largest(&mut probabilities, &mut labels, 1), 1);
        assert_eq!(labels, [1, 1, 1, 0, 0, 0, 2, 0]);
        assert_eq!(argmax(&probabilities), labels);
        assert_eq!(probabilities.values[7 * 3 + 1], f16::ZERO, "beside the dropped piece");
        assert_ne!(probabilities.values[3 * 3 + 1], f16::ZERO, "beside the kept piece");
    }
}
