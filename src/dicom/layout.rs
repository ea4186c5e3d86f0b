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

/// A step is wide, a sign of missing slices, when it is more than this many of the steps around it:
/// below a double step whose positions were rounded, above the change from 3 to 5 mm.
const WIDE: f64 = 1.75;
/// A run of more wide steps than this that makes up most of a stack is its spacing, not a gap.
const MANY: usize = 5;

/// The layout of slices at `offsets_mm` (increasing, distinct, at least one).
///
/// Even means within a tenth of a millimetre (or of the step, if that is less) of equal steps, which
/// is what positions rounded to one decimal give. Slices are missing where a step is a whole
/// multiple of the others, however many such steps lie side by side, when the usual step goes on
/// beyond them; a change of the step that lasts to an end of the stack is uneven spacing.
pub(super) fn layout(offsets_mm: &[f64]) -> Layout {
    let steps: Vec<f64> = offsets_mm.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if steps.is_empty() {
        return Layout::Even { step_mm: 1.0, planes: vec![0] };
    }
    let mut sorted = steps.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[(sorted.len() - 1) / 2];
    even(offsets_mm, &steps, median)
        .or_else(|| even(offsets_mm, &steps, sorted[0]))
        .unwrap_or_else(|| uneven(offsets_mm, &steps, sorted[0], median))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "plane counts are small and positive"
)]
fn even(offsets_mm: &[f64], steps: &[f64], base: f64) -> Option<Layout> {
    let multiples: Vec<f64> = steps.iter().map(|step| (step / base).round()).collect();
    if multiples.iter().any(|m| !(1.0..=1000.0).contains(m)) {
        return None;
    }
    let multiples: Vec<usize> = multiples.into_iter().map(|m| m as usize).collect();
    let wide = multiples.iter().filter(|m| **m > 1).count();
    if wide > MANY && wide * 2 > multiples.len() {
        return None;
    }
    // Wide steps that reach an end of the stack may be its other spacing, if they last or are many.
    let ends = [
        multiples.iter().take_while(|m| **m > 1).count(),
        multiples.iter().rev().take_while(|m| **m > 1).count(),
    ];
    let lasting = |run: &[usize]| run.windows(3).any(|run| run[1] == run[0] && run[2] == run[0]);
    let (low, high) = (&multiples[..ends[0]], &multiples[multiples.len() - ends[1]..]);
    if lasting(low) || lasting(high) || (ends[0] + ends[1]) * 2 > multiples.len() {
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
fn uneven(offsets_mm: &[f64], steps: &[f64], least: f64, median: f64) -> Layout {
    let extent = offsets_mm[offsets_mm.len() - 1] - offsets_mm[0];
    // As fine as the finest step, unless that is an outlier; never above four planes for a slice.
    let wanted = least.max(median / 2.0).max(extent / (4 * offsets_mm.len()) as f64);
    let count = (extent / wanted - 1e-6).ceil().max(1.0) as usize + 1;
    Layout::Uneven { step_mm: extent / (count - 1) as f64, count, gaps: holes(steps) }
}

/// The steps that slices are missing from: each of a run of steps that are wide beside those at
/// both of its ends, unless it is most of the stack. At an end of the stack a run has one neighbour, and only a single wide step is
/// a hole, or two beside at least four usual ones: more are another spacing.
fn holes(steps: &[f64]) -> Vec<usize> {
    let mut is_hole = vec![false; steps.len()];
    for (low, below) in steps.iter().enumerate() {
        let mut least = f64::INFINITY;
        for (high, above) in steps.iter().enumerate().skip(low + 1) {
            let run = high - low - 1;
            let is_rest = run > MANY && run * 2 > steps.len();
            if least.is_finite() && least > WIDE * below.max(*above) && !is_rest {
                is_hole[low + 1..high].fill(true);
            }
            least = least.min(*above);
            if least <= WIDE * below {
                break;
            }
        }
    }
    let mut end = |order: &[usize]| {
        for count in [1, 2] {
            let (Some(run), Some(next)) = (order.get(..count), order.get(count)) else { continue };
            let least = run.iter().map(|n| steps[*n]).fold(f64::INFINITY, f64::min);
            let usual = steps.iter().filter(|step| **step * WIDE < least).count();
            if least > WIDE * steps[*next] && (count == 1 || usual >= 4) {
                run.iter().for_each(|n| is_hole[*n] = true);
            }
        }
    };
    let order: Vec<usize> = (0..steps.len()).collect();
    end(&order);
    end(&order.into_iter().rev().collect::<Vec<_>>());
    is_hole.iter().enumerate().filter_map(|(n, hole)| hole.then_some(n)).collect()
}

/// Where the gap between slices n and n + 1, one of `gaps`, begins and ends: as far from each of the
/// two as the next step that is no gap, so that its slab reaches as far into the gap as to the other
/// side. One offset where the two would meet, or nearly.
pub(super) fn gap_planes(offsets_mm: &[f64], gaps: &[usize], n: usize) -> Vec<f64> {
    let (low, high) = (offsets_mm[n], offsets_mm[n + 1]);
    let gap = high - low;
    let step = |n: usize| offsets_mm[n + 1] - offsets_mm[n];
    let below = (0..n).rev().find(|n| !gaps.contains(n)).map(step);
    let above = (n + 1..offsets_mm.len() - 1).find(|n| !gaps.contains(n)).map(step);
    let (below, above) = match (below, above) {
        (Some(below), Some(above)) => (below, above),
        (Some(one), None) | (None, Some(one)) => (one, one),
        (None, None) => (gap / 2.0, gap / 2.0),
    };
    if below + above + 0.25 * below.min(above) < gap {
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
    fn missing_slices_side_by_side_are_missing() {
        // Every second slice of a stretch, in the middle of a long series and of a short one.
        let all = (0..30).filter(|n| ![10, 12, 14].contains(n));
        let offsets: Vec<f64> = all.clone().map(|n| 3.0 * f64::from(n)).collect();
        let wanted: Vec<usize> = all.map(|n| usize::try_from(n).unwrap()).collect();
        assert_eq!(planes(&offsets), Some((3.0, wanted)));
        assert_eq!(planes(&[0.0, 3.0, 9.0, 15.0, 21.0, 24.0]), Some((3.0, vec![0, 1, 3, 5, 7, 8])));
        // Off the grid by two tenths of a millimetre.
        let offsets = [0.0, 3.1, 6.0, 12.2, 18.1, 21.0, 24.0];
        let Layout::Uneven { gaps, .. } = layout(&offsets) else { panic!("even") };
        assert_eq!(gaps, [2, 3]);
        // The usual step reaches into both, not the neighbouring gap.
        let middles = [gap_planes(&offsets, &gaps, 2), gap_planes(&offsets, &gaps, 3)];
        assert!(middles.iter().all(|planes| planes.len() == 1), "{middles:?}");
        assert!((middles[0][0] - 9.1).abs() < 0.1 && (middles[1][0] - 15.15).abs() < 0.1, "{middles:?}");
    }

    #[test]
    fn holes_are_found_in_each_part_of_an_uneven_series() {
        let Layout::Uneven { gaps, .. } =
            layout(&[0.0, 1.0, 2.0, 4.5, 7.0, 9.5, 14.5, 19.5, 22.0, 24.5, 27.0, 29.5])
        else {
            panic!("even")
        };
        assert_eq!(gaps, [5, 6]);
        // The last two steps of a series on no grid.
        assert_eq!(holes(&[3.1, 2.9, 3.0, 3.1, 6.2, 5.9]), [4, 5]);
        assert_eq!(holes(&[6.2, 3.1, 2.9, 3.0, 3.1]), [0]);
        assert_eq!(holes(&[3.0, 3.1, 6.2, 5.9, 12.5, 3.0, 2.9]), [2, 3, 4]);
    }

    #[test]
    fn a_coarser_part_at_an_end_is_no_hole() {
        for wide in [5.0, 6.1] {
            let part = |step: f64| std::iter::repeat_n(step, 4);
            let upwards: Vec<f64> = part(3.0).chain(part(wide)).collect();
            let downwards: Vec<f64> = upwards.iter().rev().copied().collect();
            let middle: Vec<f64> = part(wide).chain(part(3.0)).chain(part(wide)).collect();
            for steps in [upwards, downwards, middle] {
                assert_eq!(holes(&steps), Vec::<usize>::new(), "{steps:?}");
                let offsets: Vec<f64> = std::iter::once(0.0)
                    .chain(steps.iter().scan(0.0, |at, step| {
                        *at += step;
                        Some(*at)
                    }))
                    .collect();
                assert_eq!(planes(&offsets), None);
            }
        }
    }

    #[test]
    fn a_gap_ends_a_usual_step_from_its_slices() {
        assert_eq!(gap_planes(&[0.0, 3.0, 6.0, 20.0, 22.0], &[2], 2), [9.0, 18.0]);
        assert_eq!(gap_planes(&[0.0, 10.0, 12.0], &[0], 0), [2.0, 8.0]);
        assert_eq!(gap_planes(&[0.0, 5.0, 15.0, 20.0], &[1], 1), [10.0]);
    }
}
