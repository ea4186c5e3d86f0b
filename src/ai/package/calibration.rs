//! From a model's raw score of its own contours to the agreement to be expected.
//!
//! A table is made on patients the model was not trained on (models/training/calibrate.py).

/// The expected Dice for a raw score: between the table's pairs linearly, beyond its ends the last
/// value; an empty table gives the score itself.
pub(super) fn expected(table: &[[f32; 2]], score: f32) -> f32 {
    let above = table.partition_point(|[raw, _]| *raw <= score);
    match (above.checked_sub(1).map(|below| table[below]), table.get(above).copied()) {
        (None, None) => score,
        (Some([_, only]), None) | (None, Some([_, only])) => only,
        (Some([low, from]), Some([high, to])) => from + (to - from) * (score - low) / (high - low),
    }
}

/// What must hold of a table.
pub(super) fn check(table: &[[f32; 2]]) -> Result<(), String> {
    if !table.as_flattened().iter().all(|share| (0.0..=1.0).contains(share)) {
        return Err("is not all 0 to 1".to_owned());
    }
    let rises = |pair: &[[f32; 2]]| pair[0][0] < pair[1][0] && pair[0][1] <= pair[1][1];
    if table.windows(2).all(rises) { Ok(()) } else { Err("does not rise".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_pairs_it_is_linear_and_beyond_them_it_stays() {
        let table = [[0.5, 0.2], [0.75, 0.6], [1.0, 0.8]];
        for (raw, dice) in [(0.0, 0.2), (0.5, 0.2), (0.625, 0.4), (0.75, 0.6), (0.875, 0.7), (1.0, 0.8)] {
            assert!((expected(&table, raw) - dice).abs() < 1e-6, "{raw}");
        }
        assert_eq!(expected(&[], 0.3), 0.3);
        assert_eq!(expected(&[[0.4, 0.7]], 0.9), 0.7);
    }

    #[test]
    fn tables_that_fall_or_leave_the_unit_interval_are_refused() {
        assert!(check(&[[0.1, 0.1], [0.2, 0.1]]).is_ok() && check(&[]).is_ok());
        for table in
            [[[0.2, 0.1], [0.1, 0.3]], [[0.1, 0.3], [0.2, 0.2]], [[0.1, 0.3], [0.2, 1.5]], [[0.1, 0.1]; 2]]
        {
            assert!(check(&table).is_err(), "{table:?}");
        }
        assert!(check(&[[f32::NAN, 0.1]]).is_err());
    }
}
