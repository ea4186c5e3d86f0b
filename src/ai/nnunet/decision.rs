//! From logits to labels and probabilities.

/// The least logit of a region that belongs: a sigmoid rounds to 1/2 in single precision below it.
const ABOVE_HALF: f32 = 1.192_092_9e-7;

/// How logits become labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Softmax over so many classes, the first of them background: label n is class n.
    Classes(usize),
    /// Sigmoid above 1/2, region by region; a later region overwrites an earlier one. The label of
    /// each (`regions_class_order`).
    Regions(Vec<u16>),
}

impl Decision {
    /// Logits of a voxel.
    #[must_use]
    pub fn channels(&self) -> usize {
        match self {
            Self::Classes(classes) => *classes,
            Self::Regions(labels) => labels.len(),
        }
    }

    /// What is decided: a class, or 1 and more for the last region that belongs, 0 for none.
    pub(super) fn decide(&self, logits: &[f32]) -> u16 {
        let found = match self {
            Self::Classes(_) => {
                let mut best = (0, f32::NEG_INFINITY);
                for (class, logit) in logits.iter().enumerate() {
                    if *logit > best.1 {
                        best = (class, *logit);
                    }
                }
                best.0
            }
            Self::Regions(_) => {
                logits.iter().rposition(|logit| *logit > ABOVE_HALF).map_or(0, |last| last + 1)
            }
        };
        // Channels are far below 65536: checked in `Export::new`.
        u16::try_from(found).unwrap_or(0)
    }

    /// The label of a decision.
    pub(super) fn label(&self, decided: u16) -> u16 {
        match self {
            Self::Classes(_) => decided,
            Self::Regions(labels) => decided.checked_sub(1).map_or(0, |region| labels[usize::from(region)]),
        }
    }

    /// Logits to probabilities, in place.
    pub(super) fn probabilities(&self, logits: &mut [f32]) {
        match self {
            Self::Classes(_) => {
                let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                logits.iter_mut().for_each(|logit| *logit = (*logit - top).exp());
                let total: f32 = logits.iter().sum();
                logits.iter_mut().for_each(|share| *share /= total);
            }
            Self::Regions(_) => logits.iter_mut().for_each(|logit| *logit = 1.0 / (1.0 + (-*logit).exp())),
        }
    }

    /// The share of a label of a voxel's probabilities: its class's; for regions the probability that
    /// its region is the last that belongs, for 0 that none does.
    pub(super) fn score(&self, label: u16, probabilities: &[f32]) -> f32 {
        match self {
            Self::Classes(_) => probabilities.get(usize::from(label)).copied().unwrap_or(0.0),
            Self::Regions(labels) => {
                let mut left = 1.0;
                let mut score = 0.0;
                for (other, probability) in labels.iter().zip(probabilities).rev() {
                    score += if *other == label { left * probability } else { 0.0 };
                    left *= 1.0 - probability;
                }
                if label == 0 { score + left } else { score }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_classes_wins() {
        let classes = Decision::Classes(3);
        assert_eq!(classes.decide(&[1.0, 2.0, 2.0]), 1);
        assert_eq!(classes.label(1), 1);
        let mut logits = [0.0, 0.0, f32::NEG_INFINITY];
        classes.probabilities(&mut logits);
        assert_eq!(logits, [0.5, 0.5, 0.0]);
    }

    #[test]
    fn the_last_region_that_belongs_wins() {
        let regions = Decision::Regions(vec![1, 2, 9]);
        assert_eq!(regions.decide(&[-1.0, 0.0, 1e-9]), 0);
        assert_eq!(regions.label(0), 0);
        let decided = regions.decide(&[5.0, 1.0, -1.0]);
        assert_eq!(regions.label(decided), 2);
        assert_eq!(regions.label(regions.decide(&[-3.0, -3.0, 0.1])), 9);
    }

    #[test]
    fn the_scores_of_regions_add_up_to_one() {
        let regions = Decision::Regions(vec![1, 2]);
        let shares = [0.5, 0.25];
        assert_eq!([0, 1, 2].map(|label| regions.score(label, &shares)), [0.375, 0.375, 0.25]);
    }
}
