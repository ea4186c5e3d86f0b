//! How far a machine trusts its own contours.
//!
//! A number between 0 and 1 that stands beside what a model made, so that a person looks first
//! where it is low. Hand-drawn and imported contours have none. It never decides anything by
//! itself: no contour is accepted or left out because of it.

/// What a model says about an ROI as a whole; each of its slices has a number of its own
/// ([`super::RoiPlane::confidence`]).
///
/// **What the number means.** Calibrated, it is the Dice coefficient to be expected between this
/// contour and a clinician's, read off what contours with the same raw score reached on the model's
/// validation patients. Uncalibrated, it is the raw score itself, which the network's
/// over-confidence makes too high as a rule: it orders contours, but promises no agreement. The raw
/// score is the Dice coefficient that the probabilities themselves expect of the contour,
/// 2 sum(p inside) / (sum(p) + voxels inside).
///
/// A change by hand makes it [`Self::edited`]: it then tells of the contour as it was proposed. The
/// slices that were changed lose their number, all others keep theirs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confidence {
    /// 0 to 1.
    pub value: f32,
    /// Whether [`Self::value`] and those of the slices are calibrated on validation patients.
    pub calibrated: bool,
    /// Whether a person has changed the contours since.
    pub edited: bool,
}

impl Confidence {
    /// Of contours just made. `value` is clamped to 0 to 1; what is not a number is 0.
    #[must_use]
    pub fn new(value: f32, calibrated: bool) -> Self {
        let value = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
        Self { value, calibrated, edited: false }
    }

    /// The same after a person has changed the contours.
    #[must_use]
    pub fn after_hand_edit(self) -> Self {
        Self { edited: true, ..self }
    }
}
