//! What anatomy says of a label map: left is left, an organ is as many pieces as it is, small holes
//! are none.
//!
//! A side is judged by the body's middle, and that is known only where the scan shows the body from its
//! left to its right. Where the scan cuts it off, on one side or on both, a lone organ keeps the name that
//! the model gave it: the middle of the picture says nothing of the patient. Two organs of a pair still
//! have their order there, the left one lies to the left of the right one.
//!
//! Sides and pieces are put right on the model grid, where x grows to the patient's left whatever the
//! scan's own axes are, before probabilities are interpolated: contours and label map follow. Holes
//! are closed on the slices that are contoured.

use super::body::without_arms;
use super::components::{keep_pieces, pieces, take_out};
use super::package::{Label, Side};
use super::preprocess::ModelImage;
use super::sliding::Probabilities;

/// A piece lies on the other side when so large a share of its voxels does.
const WRONG_SHARE: f64 = 0.9;
/// What is nearer to the midline than this lies on both sides, mm.
const MIDLINE_MM: f64 = 5.0;
/// The midline of a slice is the median over slices up to this far away, mm.
const SMOOTHED_MM: f64 = 20.0;
/// So far from the slices that tell of the middle nothing is known of it, mm: nobody lies quite straight.
const FAR_MM: f64 = 100.0;
/// Two organs of a pair that are told by their order alone are no more unlike in size: a part of one that
/// has the other's name is no organ.
const UNLIKE: usize = 3;
/// A hole in a contour smaller than this is closed, square mm.
pub(super) const HOLE_MM2: f64 = 100.0;

/// Organs that the model had on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchanged<'a> {
    /// Those of the left and of the right on each other's.
    Pair { left: &'a str, right: &'a str },
    /// One where less of the other was found than of it.
    Alone { had: &'a str, is: &'a str },
}

impl Exchanged<'_> {
    /// What the person should know; `None` where neither organ is among those proposed, for specks of
    /// organs that are not in the image say nothing of its sides.
    pub(super) fn warning(&self, is_proposed: impl Fn(&str) -> bool) -> Option<String> {
        match self {
            Self::Pair { left, right } => (is_proposed(left) || is_proposed(right)).then(|| {
                format!(
                    "the model had {left} and {right} on each other's side; they were exchanged, check left and right"
                )
            }),
            Self::Alone { had, is } => is_proposed(is).then(|| {
                format!("the model had {had} on the other side; it is called {is} now, check left and right")
            }),
        }
    }
}

/// Puts the labels (the greatest class at each voxel of `probabilities`) right, and the
/// probabilities with them. `is_whole`: for each plane of the image whether it shows the body from its left
/// to its right; none does where nobody knows. Returns the organs that changed sides.
pub(super) fn put_right<'a>(
    probabilities: &mut Probabilities,
    labels: &mut [u16],
    organs: &'a [Label],
    image: &ModelImage,
    is_whole: &[bool],
) -> Vec<Exchanged<'a>> {
    let exchanged = put_on_their_sides(probabilities, labels, organs, image, is_whole);
    let limited = || organs.iter().filter_map(|organ| Some((organ.value, organ.most_pieces()?)));
    // What one organ loses may become a piece too many of another. It ends: a voxel that lost a class
    // never has it back.
    while limited().map(|(class, most)| keep_pieces(probabilities, labels, class, most)).sum::<usize>() > 0 {}
    exchanged
}

/// An organ with a side, and its pieces on the other side of the midline and those that stay.
struct Judged<'a> {
    organ: &'a Label,
    wrong: Vec<Vec<usize>>,
    right: Vec<Vec<usize>>,
    /// Whether any of it lies where the midline is known.
    is_known: bool,
}

impl Judged<'_> {
    fn is_all_wrong(&self) -> bool {
        self.right.is_empty() && !self.wrong.is_empty()
    }
}

/// Gives pieces on the wrong side of the body's midline to the label of the right side.
fn put_on_their_sides<'a>(
    probabilities: &mut Probabilities,
    labels: &mut [u16],
    organs: &'a [Label],
    image: &ModelImage,
    is_whole: &[bool],
) -> Vec<Exchanged<'a>> {
    let sided = organs.iter().filter_map(|organ| Some((organ, organ.body_side()?))).collect::<Vec<_>>();
    if sided.is_empty() {
        return Vec::new();
    }
    let midline = Midline::of(image, probabilities, is_whole);
    // All are judged before any is moved.
    let size = probabilities.size;
    let mut judged: Vec<Judged<'a>> = sided
        .into_iter()
        .map(|(organ, side)| {
            let all = pieces(labels, size, organ.value);
            let is_known = all.iter().any(|piece| midline.reaches(piece, size));
            let (wrong, right) = all.into_iter().partition(|piece| midline.is_beyond(piece, size, side));
            Judged { organ, wrong, right, is_known }
        })
        .collect();
    let place_of = |judged: &[Judged<'_>], value: u16| judged.iter().position(|own| own.organ.value == value);
    for left in 0..judged.len() {
        let organ = judged[left].organ;
        let other = organ.opposite(organs).filter(|_| organ.body_side() == Some(Side::Left));
        let Some(right) = other.and_then(|other| place_of(&judged, other.value)) else { continue };
        let is_known = judged[left].is_known || judged[right].is_known;
        if !is_known
            && are_in_wrong_order(&judged[left].right, &judged[right].right, size[2], midline.spacing_mm)
        {
            for own in [left, right] {
                judged[own].wrong = std::mem::take(&mut judged[own].right);
            }
        }
    }
    let mut exchanged = Vec::new();
    for own in &judged {
        let organ = own.organ;
        let opposite = organ.opposite(organs);
        let moved = [own.wrong.as_slice(), &own.right];
        take_out(probabilities, labels, organ.value, moved, opposite.map(|other| other.value));
        let Some(other) = opposite.filter(|_| own.is_all_wrong()) else { continue };
        let Some(beside) = place_of(&judged, other.value).map(|at| &judged[at]) else { continue };
        if beside.is_all_wrong() {
            // Told once of both.
            if organ.body_side() == Some(Side::Left) {
                exchanged.push(Exchanged::Pair { left: &organ.name, right: &other.name });
            }
        } else if size_of(&beside.right) < size_of(&own.wrong) {
            exchanged.push(Exchanged::Alone { had: &organ.name, is: &other.name });
        }
    }
    exchanged
}

/// The voxels of some pieces.
fn size_of(pieces: &[Vec<usize>]) -> usize {
    pieces.iter().map(Vec::len).sum()
}

/// Whether all of the `left` organ of a pair lies to the right of all of the `right` one, with a gap between
/// them and neither a mere part of the other, in rows `nx` long.
fn are_in_wrong_order(left: &[Vec<usize>], right: &[Vec<usize>], nx: usize, spacing_mm: f64) -> bool {
    let columns = |pieces: &[Vec<usize>]| {
        let all = pieces.iter().flatten().map(|at| at % nx);
        (all.clone().min(), all.max(), size_of(pieces))
    };
    let ((_, Some(end), own), (Some(start), _, other)) = (columns(left), columns(right)) else {
        return false;
    };
    #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
    let gap_mm = start.saturating_sub(end) as f64 * spacing_mm;
    gap_mm >= 2.0 * MIDLINE_MM && own.max(other) <= UNLIKE * own.min(other)
}

/// Where the middle of the body runs from left to right.
struct Midline {
    /// For each plane of the probabilities, in voxels along x; `None` where nothing is known of it.
    x: Vec<Option<f64>>,
    spacing_mm: f64,
}

impl Midline {
    /// By the body's centroid, arms beside it left out, on each slice that shows it from left to right.
    fn of(image: &ModelImage, probabilities: &Probabilities, is_whole: &[bool]) -> Self {
        let [_, ny, nx] = image.size;
        // The box of the body may begin later than the probabilities do.
        let shift = [0, 1, 2].map(|axis| image.low[axis] - probabilities.low[axis]);
        let centroids: Vec<(usize, f64)> = image
            .body
            .chunks_exact((ny * nx).max(1))
            .enumerate()
            .filter(|(z, _)| is_whole.get(*z).is_some_and(|is_whole| *is_whole))
            .filter_map(|(z, plane)| {
                let (mut sum, mut count) = (0_usize, 0_usize);
                let body = without_arms(plane.to_vec(), nx);
                for (at, _) in body.iter().enumerate().filter(|(_, inside)| **inside) {
                    sum += at % nx;
                    count += 1;
                }
                #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
                (count > 0).then(|| (z + shift[0], (sum as f64 / count as f64) + shift[2] as f64))
            })
            .collect();
        let step_mm = image.grid.step_mm(2).norm();
        let x = (0..probabilities.size[0])
            .map(|z| {
                #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
                let away_mm = |own: usize| own.abs_diff(z) as f64 * step_mm;
                let nearest_mm = centroids.iter().map(|(own, _)| away_mm(*own)).fold(f64::INFINITY, f64::min);
                let reach_mm = if nearest_mm > SMOOTHED_MM { nearest_mm + SMOOTHED_MM } else { SMOOTHED_MM };
                let near = centroids.iter().filter(|(own, _)| away_mm(*own) <= reach_mm).map(|(_, x)| *x);
                median(near.collect()).filter(|_| nearest_mm <= FAR_MM)
            })
            .collect();
        Self { x, spacing_mm: image.grid.step_mm(0).norm() }
    }

    /// Whether the midline is known on a slice that shows a piece.
    fn reaches(&self, piece: &[usize], [_, ny, nx]: [usize; 3]) -> bool {
        piece.iter().any(|at| self.x[*at / (ny * nx)].is_some())
    }

    /// Whether a piece is known to lie beyond the midline, seen from `side`.
    fn is_beyond(&self, piece: &[usize], [_, ny, nx]: [usize; 3], side: Side) -> bool {
        let is_beyond = |at: &&usize| {
            let Some(middle) = self.x[**at / (ny * nx)] else { return false };
            #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
            let to_the_left_mm = ((**at % nx) as f64 - middle) * self.spacing_mm;
            match side {
                Side::Left => to_the_left_mm < -MIDLINE_MM,
                Side::Right => to_the_left_mm > MIDLINE_MM,
            }
        };
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        {
            piece.iter().filter(is_beyond).count() as f64 >= WRONG_SHARE * piece.len() as f64
        }
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Closes holes on one slice of labels, `width` wide: 4-connected background below `most` pixels that
/// touches neither the slice's border nor anything but one label of which `closes` is true becomes
/// that label.
pub(super) fn close_holes(labels: &mut [u16], width: usize, most: usize, closes: impl Fn(u16) -> bool) {
    let height = labels.len() / width.max(1);
    let mut seen = vec![false; labels.len()];
    let mut hole = Vec::new();
    for start in 0..labels.len() {
        if labels[start] != 0 || seen[start] {
            continue;
        }
        hole.clear();
        hole.push(start);
        seen[start] = true;
        let (mut next, mut is_open, mut around) = (0, false, None);
        while next < hole.len() {
            let (x, y) = (hole[next] % width, hole[next] / width);
            is_open |= x == 0 || y == 0 || x + 1 == width || y + 1 == height;
            let beside = [(x > 0, 1), (y > 0, width)].map(|(is_in, back)| is_in.then(|| hole[next] - back));
            let before = [(x + 1 < width, 1), (y + 1 < height, width)];
            let before = before.map(|(is_in, step)| is_in.then(|| hole[next] + step));
            for at in beside.into_iter().chain(before).flatten() {
                if labels[at] == 0 {
                    if !seen[at] {
                        seen[at] = true;
                        hole.push(at);
                    }
                } else {
                    is_open |= *around.get_or_insert(labels[at]) != labels[at];
                }
            }
            next += 1;
        }
        if let Some(label) = around.filter(|label| !is_open && hole.len() < most && closes(*label)) {
            hole.iter().for_each(|at| labels[*at] = label);
        }
    }
}

#[cfg(test)]
mod tests;
