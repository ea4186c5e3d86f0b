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

    /// Each label but background and its share of a voxel's probabilities, as [`Self::score`].
    pub(super) fn shares(&self, probabilities: &[f32]) -> impl Iterator<Item = (u16, f32)> {
        let labels: &[u16] = match self {
            Self::Classes(_) => &[],
            Self::Regions(labels) => labels,
        };
        let classes = if labels.is_empty() { probabilities.len() } else { 0 };
        let of_class = (0..).zip(probabilities.iter().copied()).take(classes).skip(1);
        // Of a label that several regions have once.
        let own = labels.iter().enumerate().filter(|(at, label)| !labels[..*at].contains(label));
        let of_region = own.map(|(_, label)| (*label, self.score(*label, probabilities)));
        of_class.chain(of_region.filter(|(label, _)| *label != 0))
    }

    /// Whether logits leave every label a share of less than `least`, told without working it out.
    pub(super) fn is_background(&self, logits: &[f32], least: f32) -> bool {
        let below = match self {
            // A class has no more than its own and background's logit alone would give it.
            Self::Classes(_) => logits.first().copied().unwrap_or(0.0) + least.ln(),
            Self::Regions(_) => least.ln(),
        };
        let others = if matches!(self, Self::Classes(_)) { logits.get(1..).unwrap_or(&[]) } else { logits };
        others.iter().all(|logit| *logit < below)
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
        assert_eq!(regions.shares(&shares).collect::<Vec<_>>(), [(1, 0.375), (2, 0.25)]);
        let classes = Decision::Classes(2);
        assert_eq!(classes.shares(&[0.25, 0.75]).collect::<Vec<_>>(), [(1, 0.75)]);
    }

    #[test]
    fn background_is_told_by_the_logits_alone() {
        // exp(-6.3) is less than 1/510, exp(-6.2) is more.
        let least = 1.0 / 510.0;
        for decision in [Decision::Classes(3), Decision::Regions(vec![1, 2, 3])] {
            assert!(decision.is_background(&[-7.0, -13.5, -14.0], least), "{decision:?}");
            assert!(!decision.is_background(&[-7.0, -13.1, -5.0], least), "{decision:?}");
        }
        assert!(Decision::Classes(2).is_background(&[4.0, -2.3], least));
        assert!(!Decision::Classes(2).is_background(&[4.0, -2.2], least));
        assert!(!Decision::Regions(vec![1]).is_background(&[4.0], least));
    }
}
