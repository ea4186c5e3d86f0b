//! Which cases a fold of nnU-Net is trained on, and which are kept to measure it.
//!
//! nnU-Net keeps this in `splits_final.json`. Where there is none it makes one by a rule that can be repeated:
//! scikit-learn's `KFold(5, shuffle=True, random_state=12345)` over the sorted identifiers; a fold beyond
//! those that are listed is a choice of 80 % by `RandomState(12345 + fold)` (`nnUNetTrainer.do_split` of
//! nnunetv2 2.8). Both shuffle as numpy's `RandomState` does: Fisher and Yates from the end, places drawn
//! from the Mersenne Twister (Matsumoto and Nishimura, ACM Transactions on Modeling and Computer Simulation
//! 8, 1998) with the bits above the greatest place cut off, again where one is too great.

pub mod record;

use serde::Deserialize;
use std::collections::BTreeSet;

/// The file's name.
pub const FILE: &str = "splits_final.json";
/// The greatest that is read, bytes.
pub(super) const SPLITS_LIMIT: u64 = 64 << 20;
/// The seed of nnU-Net's own splits.
const SEED: u32 = 12345;
/// The folds of nnU-Net's own splits.
const FOLDS: usize = 5;

/// The cases of one fold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Split {
    /// Those that it is trained on.
    pub train: Vec<String>,
    /// Those that it is measured on.
    #[serde(rename = "val")]
    pub valid: Vec<String>,
}

impl Split {
    /// What is wrong with it, and with which case: one is named twice in a list, or both trained on and
    /// measured on. nnU-Net goes on with such a fold and says so; what is measured on it is too good.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let mut trained = BTreeSet::new();
        let mut measured = BTreeSet::new();
        if let Some(id) = self.train.iter().find(|id| !trained.insert(id.as_str())) {
            return Some(format!("it names {id} twice to train on"));
        }
        if let Some(id) = self.valid.iter().find(|id| !measured.insert(id.as_str())) {
            return Some(format!("it names {id} twice to measure on"));
        }
        let both = trained.intersection(&measured).next();
        both.map(|id| format!("{id} is both trained on and measured on"))
    }
}

/// The folds that a `splits_final.json` lists.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Split>, String> {
    let splits: Vec<Split> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if splits.is_empty() { Err("it lists no fold".to_owned()) } else { Ok(splits) }
}

/// The five folds that nnU-Net makes of these identifiers, which are sorted; `None` where they are fewer
/// than five, which it refuses.
#[must_use]
pub fn by_rule(sorted: &[String]) -> Option<Vec<Split>> {
    let count = sorted.len();
    if count < FOLDS {
        return None;
    }
    let order = shuffled(count, SEED);
    let mut begin = 0;
    let fold = |number: usize| {
        // The first folds take what does not divide evenly, one each.
        let size = count / FOLDS + usize::from(number < count % FOLDS);
        let own = &order[begin..begin + size];
        begin += size;
        divided(sorted, |place| own.contains(&place))
    };
    Some((0..FOLDS).map(fold).collect())
}

/// The cases of a fold by its number: those listed, or of one beyond them nnU-Net's choice among all of
/// these identifiers, which are sorted.
#[must_use]
pub fn of_fold(splits: &[Split], fold: usize, sorted: &[String]) -> Split {
    if let Some(split) = splits.get(fold) {
        return split.clone();
    }
    let seed = u32::try_from(fold).unwrap_or(u32::MAX).wrapping_add(SEED);
    let order = shuffled(sorted.len(), seed);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the cases")]
    let trained = (sorted.len() as f64 * 0.8) as usize;
    let kept = &order[trained..];
    divided(sorted, |place| kept.contains(&place))
}

/// The cases whose places are kept to measure, and the others.
fn divided(sorted: &[String], is_kept: impl Fn(usize) -> bool) -> Split {
    let mut split = Split { train: Vec::new(), valid: Vec::new() };
    for (place, id) in sorted.iter().enumerate() {
        let list = if is_kept(place) { &mut split.valid } else { &mut split.train };
        list.push(id.clone());
    }
    split
}

/// The places 0 to `count` - 1 as `RandomState(seed).shuffle` leaves them.
fn shuffled(count: usize, seed: u32) -> Vec<usize> {
    let mut twister = Twister::new(seed);
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let other = twister.up_to(u32::try_from(last).unwrap_or(u32::MAX));
        order.swap(last, usize::try_from(other).unwrap_or(last));
    }
    order
}

/// Words of state, and how far the next block reaches back.
const WORDS: usize = 624;
const REACH: usize = 397;

/// MT19937.
struct Twister {
    words: [u32; WORDS],
    at: usize,
}

impl Twister {
    fn new(seed: u32) -> Self {
        let mut words = [0_u32; WORDS];
        let mut word = seed;
        for (place, own) in (1_u32..).zip(&mut words) {
            *own = word;
            word = (word ^ (word >> 30)).wrapping_mul(1_812_433_253).wrapping_add(place);
        }
        Self { words, at: WORDS }
    }

    fn next(&mut self) -> u32 {
        if self.at == WORDS {
            for place in 0..WORDS {
                let (high, low) = (self.words[place], self.words[(place + 1) % WORDS]);
                let both = (high & 0x8000_0000) | (low & 0x7fff_ffff);
                let twist = if both & 1 == 1 { 0x9908_b0df } else { 0 };
                self.words[place] = self.words[(place + REACH) % WORDS] ^ (both >> 1) ^ twist;
            }
            self.at = 0;
        }
        let mut word = self.words[self.at];
        self.at += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// 0 to `greatest`, which is above 0.
    fn up_to(&mut self, greatest: u32) -> u32 {
        let mask = u32::MAX >> greatest.leading_zeros();
        loop {
            let drawn = self.next() & mask;
            if drawn <= greatest {
                return drawn;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    fn ids(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("c{number:04}")).collect()
    }

    /// The numbers of the cases that each fold is measured on.
    fn kept(splits: &[Split]) -> Vec<Vec<usize>> {
        let number = |id: &String| id[1..].parse().unwrap();
        splits.iter().map(|split| split.valid.iter().map(number).collect()).collect()
    }

    #[test]
    fn the_twister_is_the_published_one() {
        // The 10,000th number of the seed that the C++ standard names as a check.
        let mut twister = Twister::new(5489);
        let last = (0..10_000).map(|_| twister.next()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn folds_are_those_that_nnunetv2_makes() {
        // Of nnunetv2 2.8.1's generate_crossval_split with scikit-learn 1.9.1 and numpy 2.4.6.
        assert_eq!(kept(&by_rule(&ids(5)).unwrap()), [[0], [4], [3], [1], [2]]);
        let of_seven: [&[usize]; 5] = [&[3, 6], &[0, 4], &[1], &[5], &[2]];
        assert_eq!(kept(&by_rule(&ids(7)).unwrap()), of_seven);
        let of_twelve: [&[usize]; 5] = [&[0, 3, 8], &[7, 10, 11], &[6, 9], &[1, 4], &[2, 5]];
        assert_eq!(kept(&by_rule(&ids(12)).unwrap()), of_twelve);
        // Beyond the state's first block: digests of the comma-separated identifiers.
        let of_thousand = [
            "0f9664856039774f",
            "f7966233b93eae09",
            "92befaaaec0aff12",
            "2971b52e2c79ca94",
            "5e7fcfd94f669930",
        ];
        let found = by_rule(&ids(1000)).unwrap();
        let digest = |split: &Split| {
            let bytes = Sha256::digest(split.valid.join(",").as_bytes());
            bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        assert_eq!(found.iter().map(digest).collect::<Vec<_>>(), of_thousand);
        for split in &found {
            assert_eq!((split.train.len(), split.valid.len()), (800, 200));
            assert!(split.valid.iter().all(|id| split.train.binary_search(id).is_err()));
        }
        assert_eq!(by_rule(&ids(4)), None, "scikit-learn refuses");
    }

    #[test]
    fn a_fold_beyond_those_listed_is_the_choice_of_its_number() {
        let (twelve, many) = (ids(12), ids(103));
        let five = by_rule(&twelve).unwrap();
        assert_eq!(of_fold(&five, 4, &twelve), five[4]);
        // Of numpy's RandomState(12345 + fold).choice(count, int(0.8 count), replace=False).
        assert_eq!(kept(&[of_fold(&five, 5, &twelve), of_fold(&five, 7, &twelve)]), [[1, 2, 6], [3, 5, 10]]);
        let of_many =
            [3, 7, 16, 17, 26, 37, 44, 45, 48, 58, 59, 61, 69, 71, 72, 86, 93, 94, 95, 98, 102].to_vec();
        assert_eq!(kept(&[of_fold(&[], 5, &many)]), [of_many]);
    }

    #[test]
    fn a_file_of_splits_is_read_or_said_to_be_none() {
        let text = r#"[{"train": ["a", "b"], "val": ["c"]}, {"val": ["a"], "train": ["b", "c"]}]"#;
        let splits = parse(text).unwrap();
        assert_eq!((splits.len(), &splits[1].valid[..]), (2, &["a".to_owned()][..]));
        assert_eq!(splits.iter().filter_map(Split::fault).count(), 0);
        let fault = |text: &str| parse(text).unwrap()[0].fault().unwrap();
        assert!(fault(r#"[{"train": ["a", "b"], "val": ["c", "b"]}]"#).starts_with("b is both"));
        assert!(fault(r#"[{"train": ["a", "b", "a"], "val": []}]"#).contains("a twice to train on"));
        assert!(fault(r#"[{"train": ["a"], "val": ["c", "c"]}]"#).contains("c twice to measure on"));
        assert!(parse("[]").unwrap_err().contains("no fold"));
        assert!(parse(r#"[{"train": ["a"]}]"#).unwrap_err().contains("val"));
    }
}
