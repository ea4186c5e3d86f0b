//! How slices lie along their normal: evenly, evenly with some missing, or unevenly.
//!
//! Pure arithmetic on sorted offsets in mm; scanners and their rounding give the tolerances.

/// Two slices nearer than this are at the same position, mm.
pub(super) const SAME_POSITION_MM: f64 = 0.01;

/// The plan of a volume's planes for a stack of slices.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Layout {
    /// Slice n is plane `planes[n]` of planes `step_mm` apart; planes between are missing.
    Even { step_mm: f64, planes: Vec<usize> },
    /// `count` planes `step_mm` apart, from the first slice to the last, between which values are
    /// interpolated, but not between slices n and n + 1 for n in `gaps`.
    Uneven { step_mm: f64, count: usize, gaps: Vec<usize> },
}

/// The layout of slices at `offsets_mm` (increasing, distinct, at least one).
///
/// Even means within a tenth of a millimetre (or of the step, if that is less) of equal steps, which
/// is what positions rounded to one decimal give. Slices are missing where a step is a whole
/// multiple of the others; a lasting change of the step is uneven spacing.
pub(super) fn layout(offsets_mm: &[f64]) -> Layout {
    let gaps: Vec<f64> = offsets_mm.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if gaps.is_empty() {
        return Layout::Even { step_mm: 1.0, planes: vec![0] };
    }
    let mut sorted = gaps.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[(sorted.len() - 1) / 2];
    even(offsets_mm, &gaps, median).unwrap_or_else(|| uneven(offsets_mm, &gaps, sorted[0], median))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "plane counts are small and positive"
)]
fn even(offsets_mm: &[f64], gaps: &[f64], step: f64) -> Option<Layout> {
    let multiples: Vec<f64> = gaps.iter().map(|gap| (gap / step).round()).collect();
    if multiples.iter().any(|m| !(1.0..=1000.0).contains(m)) {
        return None;
    }
    let multiples: Vec<usize> = multiples.into_iter().map(|m| m as usize).collect();
    let wide = multiples.iter().filter(|m| **m > 1).count();
    let lasting = multiples.windows(3).any(|run| run[0] > 1 && run[1] == run[0] && run[2] == run[0]);
    if lasting || wide * 2 > multiples.len() {
        return None;
    }
    let mut planes = vec![0_usize];
    for multiple in multiples {
        planes.push(planes[planes.len() - 1] + multiple);
    }
    let last = planes.len() - 1;
    let step_mm = (offsets_mm[last] - offsets_mm[0]) / planes[last] as f64;
    let tolerance_mm = (0.1 * step_mm).min(0.1) + 1e-6;
    let fits = offsets_mm
        .iter()
        .zip(&planes)
        .all(|(offset, plane)| (offset - offsets_mm[0] - *plane as f64 * step_mm).abs() <= tolerance_mm);
    fits.then_some(Layout::Even { step_mm, planes })
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "plane counts are small and positive"
)]
fn uneven(offsets_mm: &[f64], gaps: &[f64], least: f64, median: f64) -> Layout {
    let extent = offsets_mm[offsets_mm.len() - 1] - offsets_mm[0];
    // As fine as the finest step, unless that is an outlier; never above four planes for a slice.
    let wanted = least.max(median / 2.0).max(extent / (4 * offsets_mm.len()) as f64);
    let count = (extent / wanted - 1e-6).ceil().max(1.0) as usize + 1;
    let holes = (0..gaps.len())
        .filter(|n| {
            let before = n.checked_sub(1).map(|n| gaps[n]);
            let neighbour = before.into_iter().chain(gaps.get(n + 1).copied()).fold(0.0, f64::max);
            neighbour > 0.0 && gaps[*n] > 1.9 * neighbour
        })
        .collect();
    Layout::Uneven { step_mm: extent / (count - 1) as f64, count, gaps: holes }
}

/// Where a gap between slices n and n + 1 begins and ends: as far from each of the two as that is
/// from its other neighbour, so that its slab reaches as far into the gap as to the other side. One
/// offset where the two would meet.
pub(super) fn gap_planes(offsets_mm: &[f64], n: usize) -> Vec<f64> {
    let (low, high) = (offsets_mm[n], offsets_mm[n + 1]);
    let gap = high - low;
    let below = n.checked_sub(1).map(|before| low - offsets_mm[before]);
    let above = offsets_mm.get(n + 2).map(|after| after - high);
    let (below, above) = match (below, above) {
        (Some(below), Some(above)) => (below, above),
        (Some(one), None) | (None, Some(one)) => (one, one),
        (None, None) => (gap / 2.0, gap / 2.0),
    };
    if below + above + 10.0 * SAME_POSITION_MM < gap {
        vec![low + below, high - above]
    } else {
        vec![low + gap * below / (below + above)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(offsets: &[f64]) -> Option<(f64, Vec<usize>)> {
        match layout(offsets) {
            Layout::Even { step_mm, planes } => Some((step_mm, planes)),
            Layout::Uneven { .. } => None,
        }
    }

    #[test]
    fn equal_steps_are_even() {
        assert_eq!(planes(&[-4.0, -1.0, 2.0, 5.0]), Some((3.0, vec![0, 1, 2, 3])));
        assert_eq!(planes(&[7.0]), Some((1.0, vec![0])));
        assert_eq!(planes(&[7.0, 9.0]), Some((2.0, vec![0, 1])));
    }

    #[test]
    fn positions_rounded_to_one_decimal_are_even() {
        let rounded: Vec<f64> = (0..40).map(|n| (f64::from(n) * 6.25_f64).round() / 10.0).collect();
        let (step, planes) = planes(&rounded).unwrap();
        assert!((step - 0.625).abs() < 0.002);
        assert_eq!(planes, (0..40).collect::<Vec<_>>());
    }

    #[test]
    fn a_double_or_triple_step_is_missing_slices() {
        assert_eq!(planes(&[0.0, 3.0, 6.0, 12.0, 15.0]), Some((3.0, vec![0, 1, 2, 4, 5])));
        assert_eq!(planes(&[0.0, 2.5, 10.0, 12.5]), Some((2.5, vec![0, 1, 4, 5])));
    }

    #[test]
    fn a_lasting_change_of_step_is_uneven() {
        let Layout::Uneven { step_mm, count, gaps } = layout(&[0.0, 2.5, 5.0, 7.5, 12.5, 17.5, 22.5, 27.5])
        else {
            panic!("even")
        };
        assert!((step_mm - 2.5).abs() < 1e-9);
        assert_eq!((count, gaps), (12, vec![]));
    }

    #[test]
    fn an_odd_step_is_uneven_and_a_hole_stays_one() {
        let Layout::Uneven { count, gaps, .. } = layout(&[0.0, 3.0, 6.0, 11.0, 14.0]) else { panic!("even") };
        assert_eq!((count, gaps.len()), (6, 0));
        let Layout::Uneven { gaps, .. } = layout(&[0.0, 3.0, 6.0, 13.0, 16.0]) else { panic!("even") };
        assert_eq!(gaps, vec![2]);
    }

    #[test]
    fn a_gap_ends_a_usual_step_from_its_slices() {
        assert_eq!(gap_planes(&[0.0, 3.0, 6.0, 20.0, 22.0], 2), [9.0, 18.0]);
        assert_eq!(gap_planes(&[0.0, 10.0, 12.0], 0), [2.0, 8.0]);
        assert_eq!(gap_planes(&[0.0, 5.0, 15.0, 20.0], 1), [10.0]);
    }
}
