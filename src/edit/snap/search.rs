//! The best closed line through a band around a ring, exactly.
//!
//! Viterbi's algorithm on a ring: with the state of one point held the ring is a chain, so the best
//! of as many chains as there are states is the best ring. What a chain can gain at most is known
//! from one pass without the closing step; chains that cannot beat the best so far are not run, so
//! that a few are enough as a rule.

/// The state of each point for which the gains are greatest in sum, less `bend[d]` for neighbours
/// (the last and the first too) whose states differ by `d`; a difference beyond `bend` is not allowed.
/// `gain` has `states` values a point; one of negative infinity is not allowed. Some ring of one
/// state must be allowed throughout. Of equals the one with the least change goes first.
pub(super) fn best_ring(gain: &[f64], states: usize, bend: &[f64]) -> Vec<usize> {
    let count = gain.len() / states;
    if count == 0 {
        return Vec::new();
    }
    let at = |point: usize| &gain[point * states..(point + 1) * states];
    // From the point that is decided best: few of its states can be the best ring's.
    let spread = |point: &usize| {
        let allowed = || at(*point).iter().filter(|own| own.is_finite());
        let most = allowed().copied().fold(f64::NEG_INFINITY, f64::max);
        allowed().map(|own| most - own).sum::<f64>()
    };
    let first = (0..count).max_by(|a, b| spread(a).total_cmp(&spread(b))).unwrap_or(0);
    let turned = |n: usize| at((first + n) % count);
    // What each state can gain from there on, with an open end.
    let mut most = turned(count - 1).to_vec();
    let mut next = vec![0.0; states];
    for n in (0..count - 1).rev() {
        for (state, own) in next.iter_mut().enumerate() {
            *own = turned(n)[state] + best_beside(&most, state, bend).0;
        }
        std::mem::swap(&mut most, &mut next);
    }
    let mut starts: Vec<usize> = (0..states).filter(|state| most[*state].is_finite()).collect();
    starts.sort_by(|a, b| most[*b].total_cmp(&most[*a]));
    let mut best = (f64::NEG_INFINITY, vec![states / 2; count]);
    let mut came_from = vec![0_usize; count * states];
    for start in starts {
        if most[start] <= best.0 {
            break;
        }
        let mut value = vec![f64::NEG_INFINITY; states];
        value[start] = turned(0)[start];
        for n in 1..count {
            for (state, own) in next.iter_mut().enumerate() {
                let (before, from) = best_beside(&value, state, bend);
                *own = turned(n)[state] + before;
                came_from[n * states + state] = from;
            }
            std::mem::swap(&mut value, &mut next);
        }
        let (total, mut state) = best_beside(&value, start, bend);
        if total > best.0 {
            let mut path = vec![start; count];
            for n in (1..count).rev() {
                path[(first + n) % count] = state;
                state = came_from[n * states + state];
            }
            path[first] = start;
            best = (total, path);
        }
    }
    best.1
}

/// The greatest value beside `state`, less what the change costs, and where it is.
fn best_beside(values: &[f64], state: usize, bend: &[f64]) -> (f64, usize) {
    let mut best = (values[state] - bend[0], state);
    for (by, cost) in bend.iter().enumerate().skip(1) {
        for other in [state.checked_sub(by), Some(state + by)].into_iter().flatten() {
            if let Some(value) = values.get(other)
                && value - cost > best.0
            {
                best = (value - cost, other);
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(gain: &[f64], states: usize, bend: &[f64], path: &[usize]) -> f64 {
        let count = path.len();
        (0..count)
            .map(|n| {
                let by = path[n].abs_diff(path[(n + 1) % count]);
                gain[n * states + path[n]] - bend.get(by).copied().unwrap_or(f64::INFINITY)
            })
            .sum()
    }

    #[test]
    fn it_is_the_best_of_all_rings() {
        let (states, count) = (4_usize, 6_u32);
        let bend = [0.0, 0.2, 0.7];
        let mut seed = 7_u64;
        for round in 0..60 {
            let mut random = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 40) as f64 / f64::from(1_u32 << 24)
            };
            let mut gain: Vec<f64> = (0..states * count as usize).map(|_| random()).collect();
            if round % 3 == 0 {
                // Some are not allowed, those of the second state all are.
                (0..gain.len()).filter(|n| n % states != 1 && n % 5 == 0).for_each(|n| {
                    gain[n] = f64::NEG_INFINITY;
                });
            }
            let best = (0..states.pow(count))
                .map(|n| {
                    let path: Vec<usize> = (0..count).map(|at| n / states.pow(at) % states).collect();
                    total(&gain, states, &bend, &path)
                })
                .fold(f64::NEG_INFINITY, f64::max);
            let found = best_ring(&gain, states, &bend);
            assert!((total(&gain, states, &bend, &found) - best).abs() < 1e-12, "round {round}");
        }
    }

    #[test]
    fn the_ring_closes() {
        // An open line would end four states away from where it began.
        let (states, count) = (5, 9);
        let gain: Vec<f64> = (0..count)
            .flat_map(|n| (0..states).map(move |state| f64::from(u8::from(n / 2 == state))))
            .collect();
        let found = best_ring(&gain, states, &[0.0, 0.05]);
        assert!((0..count).all(|n| found[n].abs_diff(found[(n + 1) % count]) <= 1), "{found:?}");
        assert_eq!(best_ring(&[], 3, &[0.0]), Vec::<usize>::new());
    }
}
