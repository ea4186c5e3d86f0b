//! From an image to a network's input: transpose, crop, normalise, resample, in this order.

use super::crop::{NonZero, non_zero};
use super::labels::{self, resample_labels};
use super::normalize::{Normalization, NotRgb, Pieces};
use super::resample::{Resampling, between_bytes, new_size, pick, resample, transpose};
use crate::progress::{Cancelled, Progress};

/// What a configuration of a plans file asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessing {
    /// `transpose_forward`: axis n of the network is axis `transpose_forward[n]` of the image.
    pub transpose_forward: [usize; 3],
    /// The configuration's `spacing`, in the network's axes, mm: three numbers, or the two of a 2D
    /// configuration, which keeps the spacing of its first axis.
    pub spacing_mm: Vec<f64>,
    /// One of each channel.
    pub normalization: Vec<Normalization>,
    /// `resampling_fn_data` with its arguments; `None` where images are not resampled
    /// (`no_resampling_hack`).
    pub resampling: Option<Resampling>,
}

/// A label map beside the image: the result of a cascade's first stage, an input of its second; or in
/// training what is to be learnt.
#[derive(Debug, Clone, Copy)]
pub struct PreviousStage<'a> {
    /// The label map on the image's own voxels, `[z][y][x]`.
    pub labels: &'a [i16],
    /// The labels that get a channel each, in order: all but background and ignored; none in training.
    pub foreground: &'a [i16],
    /// `resampling_fn_seg` with its arguments.
    pub resampling: Resampling,
}

/// Where a network's input lies in the image it was made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geometry {
    /// The image's size, (z, y, x) as it was given.
    pub image_size: [usize; 3],
    /// Axis n of all that follows is this axis of the image.
    pub transpose_forward: [usize; 3],
    /// First voxel of the non-zero region.
    pub low: [usize; 3],
    /// Size of the non-zero region.
    pub cropped: [usize; 3],
    /// Spacing of the image, mm.
    pub image_spacing_mm: [f64; 3],
    /// Size of the network's input.
    pub size: [usize; 3],
    /// Spacing of the network's input, mm.
    pub spacing_mm: [f64; 3],
}

/// A network's input.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessed {
    /// `[channel][z][y][x]` in the network's axes; a cascade's labels follow the image's channels.
    pub values: Vec<f32>,
    /// Channels.
    pub channels: usize,
    /// Sizes, spacings and the way back.
    pub geometry: Geometry,
    /// The label map that was given beside the image, on the network's voxels; -1 for background outside
    /// the non-zero region.
    pub labels: Option<Vec<i16>>,
}

/// Why an image cannot be made a network's input.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PreprocessError {
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The model wants another number of channels.
    #[error("the model takes {wanted} channels, {given} were given")]
    Channels {
        /// What it wants.
        wanted: usize,
        /// What there is.
        given: usize,
    },
    /// A channel, or the previous stage's label map, has not the image's size.
    #[error("an input of the model has {given} voxels where the image has {wanted}")]
    Size {
        /// Voxels of the image.
        wanted: usize,
        /// Voxels of the input.
        given: usize,
    },
    /// A plan that means nothing: axes or spacings.
    #[error("the model's plan cannot be followed: {0}")]
    Plan(&'static str),
    /// The image is thinner than half a voxel of the model.
    #[error(
        "the image of {size:?} voxels of {image_mm:?} mm is thinner than half a voxel of the model, {model_mm:?} mm"
    )]
    Thin {
        /// Size of the non-zero region in the network's axes.
        size: [usize; 3],
        /// Its spacing, mm.
        image_mm: [f64; 3],
        /// The model's spacing, mm.
        model_mm: [f64; 3],
    },
    /// A colour image was wanted.
    #[error(transparent)]
    NotRgb(#[from] NotRgb),
}

impl Preprocessing {
    /// Voxels of the network's input, in its axes, for an image of `size` voxels of `spacing_mm`
    /// (z, y, x) of which nothing is cropped.
    #[must_use]
    pub fn network_size(&self, size: [usize; 3], spacing_mm: [f64; 3]) -> [usize; 3] {
        let (size, from) = (pick(size, self.transpose_forward), pick(spacing_mm, self.transpose_forward));
        match (self.resampling, self.spacing_mm.as_slice()) {
            (Some(_), [z, y, x]) => new_size(size, from, [*z, *y, *x]),
            (Some(_), [y, x]) => new_size(size, from, [from[0], *y, *x]),
            _ => size,
        }
    }

    /// Bytes that [`preprocess`] makes of an image of `size` voxels of `spacing_mm` (z, y, x), at
    /// most, the result of `channels` channels included (a cascade's labels among them, which are
    /// resampled in this way).
    #[must_use]
    pub fn peak_bytes(
        &self,
        size: [usize; 3],
        spacing_mm: [f64; 3],
        channels: usize,
        labels: Option<Resampling>,
    ) -> usize {
        let to = self.network_size(size, spacing_mm);
        let order = self.transpose_forward;
        let (size, image_mm) = (pick(size, order), pick(spacing_mm, order));
        let voxels: usize = size.iter().product();
        let result = channels * to.iter().product::<usize>();
        // A channel cut out, and the same with its axes turned.
        let image = 2 * voxels * size_of::<f32>() + between_bytes(size, to);
        // A cascade's labels cut out, and resampled when the channels are ready.
        let (kept, labels) = labels.map_or((0, 0), |how| {
            let own_mm = |axis: usize| {
                let offset = 3 - self.spacing_mm.len();
                axis.checked_sub(offset).map_or(image_mm[axis], |axis| self.spacing_mm[axis])
            };
            let resampled = match self.resampling {
                Some(_) => labels::peak_bytes(size, to, [image_mm, std::array::from_fn(own_mm)], how),
                None => 0,
            };
            (voxels * size_of::<i16>(), resampled)
        });
        // Masks, beside them.
        2 * voxels + result * size_of::<f32>() + kept + image.max(labels)
    }
}

/// Makes a network's input of the channels `[z][y][x]` of an image of `size` voxels of `spacing_mm`
/// (z, y, x), and the label map of a cascade's first stage.
///
/// Held at once, beside input and result: a byte a voxel, one channel cut out, and the resampling's
/// array in double precision ([`Preprocessing::peak_bytes`]).
///
/// # Errors
/// [`PreprocessError`] when the inputs are not what the plan is for, or someone asked to stop.
pub fn preprocess(
    channels: &[&[f32]],
    size: [usize; 3],
    spacing_mm: [f64; 3],
    plan: &Preprocessing,
    previous: Option<PreviousStage<'_>>,
    progress: &Progress,
) -> Result<Preprocessed, PreprocessError> {
    let order = plan.transpose_forward;
    check(channels, size, spacing_mm, plan, previous)?;
    let found = non_zero(channels, size);
    let image_spacing_mm = pick(spacing_mm, order);
    let (low, cropped) = (pick(found.low, order), pick(found.size, order));
    let spacing_mm = match *plan.spacing_mm.as_slice() {
        [z, y, x] => [z, y, x],
        [y, x] => [image_spacing_mm[0], y, x],
        _ => return Err(PreprocessError::Plan("a spacing has two or three numbers")),
    };
    let to = match plan.resampling {
        Some(_) => new_size(cropped, image_spacing_mm, spacing_mm),
        None => cropped,
    };
    if to.contains(&0) {
        return Err(PreprocessError::Thin {
            size: cropped,
            image_mm: image_spacing_mm,
            model_mm: spacing_mm,
        });
    }
    let spacings = [image_spacing_mm, spacing_mm];
    let labels = previous.map(|previous| previous_labels(previous.labels, &found, size, order));
    let mask = plan.normalization.iter().any(Normalization::is_masked).then(|| match &labels {
        // The previous stage's labels count as inside.
        Some(labels) => Some(labels.iter().map(|label| *label >= 0).collect()),
        None => found.mask.as_ref().map(|mask| transpose(&cut(mask, size, &found), found.size, order)),
    });
    let mask: Option<Vec<bool>> = mask.flatten();
    let voxels: usize = to.iter().product();
    let foreground = previous.map_or(&[][..], |previous| previous.foreground);
    let mut values = Vec::with_capacity(voxels * (channels.len() + foreground.len()));
    for (index, (channel, normalization)) in channels.iter().zip(&plan.normalization).enumerate() {
        let part = |n: usize| n as f64 / channels.len() as f64;
        let progress = progress.part(part(index), part(index + 1));
        progress.check()?;
        let mut own = cut(channel, size, &found);
        if normalization.is_masked() {
            own = transpose(&own, found.size, order);
            normalization.apply(&mut own, mask.as_deref(), Pieces::ONE)?;
        } else {
            normalization.apply(&mut own, None, Pieces::of(found.size, size))?;
            own = transpose(&own, found.size, order);
        }
        match plan.resampling {
            Some(how) => values.extend(resample(&own, cropped, to, spacings, how, &progress)?),
            None => values.extend(own),
        }
    }
    let last = progress.part(1.0, 1.0);
    let labels = labels.zip(previous).map(|(labels, previous)| match plan.resampling {
        Some(_) => resample_labels(&labels, cropped, to, spacings, previous.resampling, &last),
        None => Ok(labels),
    });
    let labels = labels.transpose()?;
    for label in foreground {
        let is_it = |other: &i16| if other == label { 1.0 } else { 0.0 };
        values.extend(labels.iter().flatten().map(is_it));
    }
    let geometry = Geometry {
        image_size: size,
        transpose_forward: order,
        low,
        cropped,
        image_spacing_mm,
        size: to,
        spacing_mm,
    };
    Ok(Preprocessed { values, channels: channels.len() + foreground.len(), geometry, labels })
}

fn check(
    channels: &[&[f32]],
    size: [usize; 3],
    spacing_mm: [f64; 3],
    plan: &Preprocessing,
    previous: Option<PreviousStage<'_>>,
) -> Result<(), PreprocessError> {
    let (wanted, given) = (plan.normalization.len(), channels.len());
    if wanted != given || given == 0 {
        return Err(PreprocessError::Channels { wanted, given });
    }
    let wanted: usize = size.iter().product();
    let lengths = channels.iter().map(|channel| channel.len());
    for given in lengths.chain(previous.map(|previous| previous.labels.len())) {
        if given != wanted || given == 0 {
            return Err(PreprocessError::Size { wanted, given });
        }
    }
    if !(0..3).all(|axis| plan.transpose_forward.contains(&axis)) {
        return Err(PreprocessError::Plan("transpose_forward does not name each axis once"));
    }
    if !spacing_mm.iter().chain(&plan.spacing_mm).all(|mm| mm.is_finite() && *mm > 0.0) {
        return Err(PreprocessError::Plan("a spacing is not a positive number"));
    }
    Ok(())
}

/// The part of an array that is in the box.
fn cut<T: Copy>(values: &[T], size: [usize; 3], part: &NonZero) -> Vec<T> {
    let mut out = Vec::with_capacity(part.size.iter().product());
    for z in part.low[0]..part.low[0] + part.size[0] {
        for y in part.low[1]..part.low[1] + part.size[1] {
            let from = (z * size[1] + y) * size[2] + part.low[2];
            out.extend_from_slice(&values[from..from + part.size[2]]);
        }
    }
    out
}

/// The previous stage's labels in the box, in the network's axes; -1 where background lies outside
/// the non-zero region.
fn previous_labels(labels: &[i16], found: &NonZero, size: [usize; 3], order: [usize; 3]) -> Vec<i16> {
    let mut labels = cut(labels, size, found);
    if let Some(mask) = &found.mask {
        for (label, inside) in labels.iter_mut().zip(cut(mask, size, found)) {
            if *label == 0 && !inside {
                *label = -1;
            }
        }
    }
    transpose(&labels, found.size, order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(spacing_mm: &[f64]) -> Preprocessing {
        Preprocessing {
            transpose_forward: [0, 1, 2],
            spacing_mm: spacing_mm.to_vec(),
            normalization: vec![Normalization::None],
            resampling: Some(Resampling::IMAGE),
        }
    }

    fn ramp(n: u8) -> Vec<f32> {
        (1..=n).map(f32::from).collect()
    }

    #[test]
    fn axes_and_spacing_turn_together() {
        // 2 x 3 x 4 voxels; the network's first axis is the image's last.
        let plan = Preprocessing { transpose_forward: [2, 0, 1], ..plan(&[4.0, 2.0, 3.0]) };
        let image = ramp(24);
        let done = preprocess(&[&image], [2, 3, 4], [2.0, 3.0, 4.0], &plan, None, &Progress::new()).unwrap();
        assert_eq!(done.geometry.size, [4, 2, 3]);
        assert_eq!(done.geometry.image_spacing_mm, [4.0, 2.0, 3.0]);
        assert_eq!(done.values[..6], [1.0, 5.0, 9.0, 13.0, 17.0, 21.0]);
    }

    #[test]
    fn half_voxels_are_rounded_to_even() {
        assert_eq!(new_size([81, 83, 1], [1.5; 3], [3.0; 3]), [40, 42, 0]);
        let thin =
            preprocess(&[&ramp(4)], [1, 2, 2], [1.0; 3], &plan(&[3.0, 1.0, 1.0]), None, &Progress::new());
        assert!(matches!(thin, Err(PreprocessError::Thin { .. })));
    }

    #[test]
    fn two_dimensions_keep_the_first_spacing() {
        let image = ramp(16);
        let done =
            preprocess(&[&image], [4, 2, 2], [5.0, 1.0, 1.0], &plan(&[0.5, 0.5]), None, &Progress::new())
                .unwrap();
        assert_eq!((done.geometry.size, done.geometry.spacing_mm), ([4, 4, 4], [5.0, 0.5, 0.5]));
    }

    #[test]
    fn the_margin_is_cut_off_before_the_mean_is_taken() {
        let mut image = vec![0.0; 5 * 5 * 5];
        for (at, value) in [(62, 2.0), (63, 8.0)] {
            image[at] = value;
        }
        let plan =
            Preprocessing { normalization: vec![Normalization::ZScore { masked: false }], ..plan(&[1.0; 3]) };
        let done = preprocess(&[&image], [5; 3], [1.0; 3], &plan, None, &Progress::new()).unwrap();
        assert_eq!((done.geometry.low, done.geometry.cropped), ([2, 2, 2], [1, 1, 2]));
        assert_eq!(done.values, [-1.0, 1.0]);
    }

    #[test]
    fn a_cascade_gets_a_channel_a_label() {
        // The first voxel is cut off; of the zeros kept, one is labelled and so inside the mask.
        let image = [0.0, 1.0, 0.0, 0.0, 3.0];
        let labels = [0, 0, 2, 0, 1];
        let plan =
            Preprocessing { normalization: vec![Normalization::ZScore { masked: true }], ..plan(&[1.0; 3]) };
        let previous = PreviousStage { labels: &labels, foreground: &[1, 2], resampling: Resampling::LOGITS };
        let done =
            preprocess(&[&image], [1, 1, 5], [1.0; 3], &plan, Some(previous), &Progress::new()).unwrap();
        assert_eq!((done.channels, done.geometry.size), (3, [1, 1, 4]));
        // Mean of 1, 0, 3 is 4/3; the unlabelled zero stays.
        assert!((done.values[1] - done.values[0] * 4.0).abs() < 1e-5);
        assert_eq!(done.values[2], 0.0);
        assert_eq!(done.values[4..], [0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(done.labels, Some(vec![0, 2, -1, 1]));
    }

    #[test]
    fn memory_is_stated() {
        let plan = plan(&[3.0; 3]);
        // 512 x 512 x 300 voxels of 1 mm to 3 mm: two copies, masks, and a ninth in double precision.
        let voxels = 300 * 512 * 512;
        let bytes = |channels, labels| plan.peak_bytes([300, 512, 512], [1.0; 3], channels, labels);
        let result = 100 * 171 * 171;
        assert_eq!(bytes(1, None), voxels * 10 + result * 4 + 300 * 171 * 171 * 8);
        // The labels of a cascade's first stage, cut out; what they are resampled in is less than the image.
        let cascade = bytes(3, Some(Resampling::LOGITS));
        assert_eq!(cascade, voxels * 12 + 3 * result * 4 + 300 * 171 * 171 * 8);
    }

    #[test]
    fn wrong_inputs_are_refused() {
        let run = |channels: &[&[f32]], plan: &Preprocessing| {
            preprocess(channels, [1, 2, 2], [1.0; 3], plan, None, &Progress::new())
        };
        let good = plan(&[1.0; 3]);
        assert_eq!(run(&[], &good), Err(PreprocessError::Channels { wanted: 1, given: 0 }));
        assert_eq!(run(&[&[1.0; 3]], &good), Err(PreprocessError::Size { wanted: 4, given: 3 }));
        let twice = Preprocessing { transpose_forward: [0, 0, 1], ..good };
        assert!(matches!(run(&[&[1.0; 4]], &twice), Err(PreprocessError::Plan(_))));
        assert!(matches!(run(&[&[1.0; 4]], &plan(&[0.0, 1.0, 1.0])), Err(PreprocessError::Plan(_))));
    }
}
