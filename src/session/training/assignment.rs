//! Which series each channel is, where each can be several and none is two channels.
//!
//! A matching of channels to series by augmenting paths (Kuhn, Naval Research Logistics Quarterly 2, 1955); where
//! there is none, the channels that share too few series are those that the last path reached (Hall).

use std::collections::{BTreeMap, BTreeSet};

/// How channels are given series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Assigned {
    /// In one way: each channel's.
    One(Vec<usize>),
    /// In several ways: those that each channel is in one of them.
    Several(Vec<Vec<usize>>),
    /// In none: these channels can be these series alone, which are fewer.
    Nothing { channels: Vec<usize>, series: Vec<usize> },
}

/// Gives each channel one of the series that it can be, each another.
pub(super) fn assign(can_be: &[Vec<usize>]) -> Assigned {
    let found = match matched(can_be) {
        Ok(found) => found,
        Err(nothing) => return nothing,
    };
    let possible = |channel: usize| -> Vec<usize> {
        let is_possible = |series: &usize| {
            let mut fixed = can_be.to_vec();
            fixed[channel] = vec![*series];
            matched(&fixed).is_ok()
        };
        can_be[channel].iter().copied().filter(is_possible).collect()
    };
    let possible: Vec<Vec<usize>> = (0..can_be.len()).map(possible).collect();
    if possible.iter().all(|own| own.len() == 1) { Assigned::One(found) } else { Assigned::Several(possible) }
}

/// One way, or why there is none.
fn matched(can_be: &[Vec<usize>]) -> Result<Vec<usize>, Assigned> {
    let mut taken = BTreeMap::new();
    for channel in 0..can_be.len() {
        let mut seen = BTreeSet::new();
        if !place(channel, can_be, &mut taken, &mut seen) {
            let others = seen.iter().filter_map(|series| taken.get(series).copied());
            let channels: BTreeSet<usize> = others.chain([channel]).collect();
            return Err(Assigned::Nothing {
                channels: channels.into_iter().collect(),
                series: seen.into_iter().collect(),
            });
        }
    }
    let mut found = vec![0; can_be.len()];
    for (series, channel) in taken {
        found[channel] = series;
    }
    Ok(found)
}

/// Gives a channel a series, if need be by giving others another; `taken` are channels by their series.
fn place(
    channel: usize,
    can_be: &[Vec<usize>],
    taken: &mut BTreeMap<usize, usize>,
    seen: &mut BTreeSet<usize>,
) -> bool {
    for series in &can_be[channel] {
        if !seen.insert(*series) {
            continue;
        }
        let is_free = match taken.get(series).copied() {
            None => true,
            Some(other) => place(other, can_be, taken, seen),
        };
        if is_free {
            taken.insert(*series, channel);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_way_is_found_however_many_each_can_be() {
        // 0 is left for the second alone, so the first is 1, and the third what is left of 1 and 2.
        assert_eq!(assign(&[vec![0, 1], vec![0], vec![1, 2]]), Assigned::One(vec![1, 0, 2]));
        assert_eq!(assign(&[]), Assigned::One(vec![]));
        assert_eq!(assign(&[vec![7]]), Assigned::One(vec![7]));
    }

    #[test]
    fn several_ways_are_told_with_what_is_in_one_of_them() {
        // The third is 4 in any, so that the first two are 1 and 2, in either order.
        let several = assign(&[vec![1, 2, 4], vec![2, 1], vec![4]]);
        assert_eq!(several, Assigned::Several(vec![vec![1, 2], vec![2, 1], vec![4]]));
    }

    #[test]
    fn channels_that_share_too_few_series_are_told() {
        let nothing = |channels: &[usize], series: &[usize]| Assigned::Nothing {
            channels: channels.to_vec(),
            series: series.to_vec(),
        };
        assert_eq!(assign(&[vec![3], vec![3]]), nothing(&[0, 1], &[3]));
        // The second has its own: it is not named.
        assert_eq!(assign(&[vec![1, 2], vec![5], vec![2, 1], vec![1]]), nothing(&[0, 2, 3], &[1, 2]));
        assert_eq!(assign(&[vec![1], vec![]]), nothing(&[1], &[]));
    }
}
