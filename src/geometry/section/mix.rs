//! Two shapes blended on a line.
//!
//! A blend of two signed distances is below zero where both are, and nowhere else than where one of them is:
//! only what one shape holds and the other does not is searched, by steps no longer than the blend's value,
//! which changes by no more than a millimetre a millimetre.

use super::outlines::Stretches;

/// A search goes on by at least so much, mm: what is narrower may be passed over.
const STRIDE_MM: f64 = 0.15;

/// A stretch this short is shared out in proportion, mm.
const SHORT_MM: f64 = 0.02;

/// A stretch this short with one end inside and the other outside is searched for one border, mm.
const PLAIN_MM: f64 = 2.0;

/// How near to zero is zero, mm.
const EXACT_MM: f64 = 0.005;

/// A distance with the sign of its side.
pub(super) fn signed(distance: f64, inside: bool) -> f64 {
    if inside { -distance } else { distance }
}

/// What a line holds of the mix of two shapes, of which it holds `both`: where the mean of the signed
/// distances, the second's with the weight `part`, is below zero. `distance` is without sign, of a shape and
/// a place on the line.
pub(super) fn mixed(both: [&Stretches; 2], part: f64, distance: &dyn Fn(usize, f64) -> f64) -> Stretches {
    let ends = |side: usize| both[side].iter().flat_map(move |(from, to)| [(*from, side), (*to, side)]);
    let mut ends: Vec<(f64, usize)> = ends(0).chain(ends(1)).collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut inside = [false; 2];
    let mut out = Stretches::new();
    let mut hold = |from: f64, to: f64| match out.last_mut() {
        Some(last) if from <= last.1 => last.1 = to,
        _ if from < to => out.push((from, to)),
        _ => {}
    };
    for pair in ends.windows(2) {
        let [(from, first), (to, last)] = [pair[0], pair[1]];
        inside[first] = !inside[first];
        match inside {
            [true, true] => hold(from, to),
            [false, false] => {}
            _ => {
                let search = Search { inside, part, distance };
                // On the border of one the other decides.
                let mut is_inside = inside[1 - first];
                let mut at = from;
                for border in search.borders((from, first), (to, last)).into_iter().chain([to]) {
                    if is_inside {
                        hold(at, border);
                    }
                    (at, is_inside) = (border, !is_inside);
                }
            }
        }
    }
    out
}

/// The search for the borders of a mix where it is within one shape and not the other.
struct Search<'a> {
    inside: [bool; 2],
    part: f64,
    distance: &'a dyn Fn(usize, f64) -> f64,
}

impl Search<'_> {
    fn weight(&self, side: usize) -> f64 {
        if side == 0 { 1.0 - self.part } else { self.part }
    }

    fn value(&self, x: f64) -> f64 {
        let side = |side: usize| signed((self.distance)(side, x), self.inside[side]) * self.weight(side);
        side(0) + side(1)
    }

    /// The place and the value on the border of one shape: the other's alone.
    fn on_border(&self, (x, side): (f64, usize)) -> (f64, f64) {
        let other = 1 - side;
        (x, signed((self.distance)(other, x), self.inside[other]) * self.weight(other))
    }

    /// The borders of the mix between two places, each on the border of a shape.
    fn borders(&self, first: (f64, usize), last: (f64, usize)) -> Vec<f64> {
        let ((from, to), is_odd) = ((first.0, last.0), first.1 != last.1);
        if !is_odd && to - from <= SHORT_MM {
            return Vec::new();
        }
        if is_odd && to - from < PLAIN_MM {
            // Shared out by weight, as it is between parallel lines.
            let x = from + (to - from) * self.weight(1 - first.1);
            if to - from <= SHORT_MM {
                return vec![x];
            }
            let here = (x, self.value(x));
            if here.1.abs() < EXACT_MM {
                return vec![x];
            }
            let is_before = (here.1 < 0.0) == self.inside[1 - first.1];
            let border = if is_before {
                self.border(here, self.on_border(last))
            } else {
                self.border(self.on_border(first), here)
            };
            return vec![border];
        }
        let mut out = Vec::new();
        let mut here = self.on_border(first);
        let is_below =
            |value: f64, side: usize| if value == 0.0 { self.inside[1 - side] } else { value < 0.0 };
        let mut was_below = is_below(here.1, first.1);
        while here.0 < to {
            let x = here.0 + here.1.abs().max(STRIDE_MM);
            let next = if x < to { (x, self.value(x)) } else { self.on_border(last) };
            let below = is_below(next.1, last.1);
            if below != was_below {
                out.push(self.border(here, next));
            }
            (here, was_below) = (next, below);
        }
        out
    }

    /// The border between two places on either side of it (regula falsi as the Illinois rule has it).
    fn border(&self, mut a: (f64, f64), mut b: (f64, f64)) -> f64 {
        let meet = |a: (f64, f64), b: (f64, f64)| {
            let whole = a.1.abs() + b.1.abs();
            if whole > 0.0 && whole.is_finite() {
                a.0 + (b.0 - a.0) * (a.1.abs() / whole)
            } else {
                f64::midpoint(a.0, b.0)
            }
        };
        let is_below = a.1 < 0.0;
        // Which end moved last: one that stays for the second time counts half.
        let mut moved = None;
        for _ in 0..12 {
            let x = meet(a, b);
            let own = self.value(x);
            if own.abs() < EXACT_MM || b.0 - a.0 < EXACT_MM {
                return x;
            }
            let moves_a = (own < 0.0) == is_below;
            let again = moved.replace(moves_a) == Some(moves_a);
            let (moving, staying) = if moves_a { (&mut a, &mut b) } else { (&mut b, &mut a) };
            *moving = (x, own);
            if again {
                staying.1 /= 2.0;
            }
        }
        meet(a, b)
    }
}
