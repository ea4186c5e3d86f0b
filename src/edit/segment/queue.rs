//! A queue for shortest paths: what is put in is never less than what was last taken out.
//!
//! Ahuja, Mehlhorn, Orlin and Tarjan, "Faster algorithms for the shortest path problem", Journal of
//! the ACM 37 (1990): a radix heap. Costs are non-negative `f32`, whose bits are in their order.

/// Voxels by their cost, the least first; among equals the order is the same every time.
#[derive(Debug)]
pub(super) struct Queue {
    last: u32,
    buckets: Vec<Vec<(u32, u32)>>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { last: 0, buckets: vec![Vec::new(); 33] }
    }

    /// Puts voxel `at` in. A cost below that of the voxel last taken out counts as that.
    pub(super) fn push(&mut self, cost: f32, at: u32) {
        let key = cost.max(0.0).to_bits().max(self.last);
        self.buckets[bucket(key ^ self.last)].push((key, at));
    }

    /// Takes out a voxel of least cost.
    pub(super) fn pop(&mut self) -> Option<(f32, u32)> {
        if self.buckets[0].is_empty() {
            let next = self.buckets.iter().position(|bucket| !bucket.is_empty())?;
            let moved = std::mem::take(&mut self.buckets[next]);
            self.last = moved.iter().map(|(key, _)| *key).min()?;
            for (key, at) in moved {
                self.buckets[bucket(key ^ self.last)].push((key, at));
            }
        }
        self.buckets[0].pop().map(|(key, at)| (f32::from_bits(key), at))
    }
}

fn bucket(difference: u32) -> usize {
    (u32::BITS - difference.leading_zeros()) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_come_out_in_order_while_more_go_in() {
        let mut queue = Queue::new();
        let mut state = 12345_u32;
        let mut next = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as f32 / 1000.0
        };
        for n in 0..50 {
            queue.push(next(), n);
        }
        let (mut last, mut taken) = (0.0, 0);
        while let Some((cost, at)) = queue.pop() {
            assert!(cost >= last, "{cost} after {last}");
            last = cost;
            taken += 1;
            if at < 200 {
                queue.push(cost + next(), at + 50);
            }
        }
        assert_eq!(taken, 250);
    }
}
