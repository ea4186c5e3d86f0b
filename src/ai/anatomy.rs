//! What anatomy says of a label map: left is left, an organ is as many pieces as it is, small holes
//! are none.
//!
//! Sides and pieces are put right on the model grid, where x grows to the patient's left whatever the
//! scan's own axes are, before probabilities are interpolated: contours and label map follow. Holes
//! are closed on the slices that are contoured.

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
/// Where so large a share of the body's depth lies at one side's end of the scan, and less at the
/// other's, the scan cuts that side off and its middle is not the body's.
const CUT_OFF: f64 = 0.5;
/// A hole in a contour smaller than this is closed, square mm.
pub(super) const HOLE_MM2: f64 = 100.0;

/// Organs that the model had on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchanged<'a> {
    /// Those of the left and of the right on each other's.
    Pair { left: &'a str, right: &'a str },
    /// One where nothing of the other was found.
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
/// probabilities with them. Returns the organs that changed sides.
pub(super) fn put_right<'a>(
    probabilities: &mut Probabilities,
    labels: &mut [u16],
    organs: &'a [Label],
    image: &ModelImage,
) -> Vec<Exchanged<'a>> {
    let exchanged = put_on_their_sides(probabilities, labels, organs, image);
    let limited = || organs.iter().filter_map(|organ| Some((organ.value, organ.most_pieces()?)));
    // What one organ loses may become a piece too many of another. It ends: a voxel that lost a class
    // never has it back.
    while limited().map(|(class, most)| keep_pieces(probabilities, labels, class, most)).sum::<usize>() > 0 {}
    exchanged
}

/// Gives pieces on the wrong side of the body's midline to the label of the right side.
fn put_on_their_sides<'a>(
    probabilities: &mut Probabilities,
    labels: &mut [u16],
    organs: &'a [Label],
    image: &ModelImage,
) -> Vec<Exchanged<'a>> {
    let sided: Vec<&'a Label> = organs.iter().filter(|organ| organ.side.is_some()).collect();
    let Some(midline) = (!sided.is_empty()).then(|| Midline::of(image, probabilities)).flatten() else {
        return Vec::new();
    };
    // All are judged before any is moved.
    let size = probabilities.size;
    let judged: Vec<(&'a Label, [Vec<Vec<usize>>; 2])> = sided
        .into_iter()
        .map(|organ| {
            let is_wrong =
                |piece: &Vec<usize>| organ.side.is_some_and(|side| midline.is_beyond(piece, size, side));
            let (wrong, right) = pieces(labels, size, organ.value).into_iter().partition(is_wrong);
            (organ, [wrong, right])
        })
        .collect();
    let is_all_wrong = |name: &str| {
        judged
            .iter()
            .any(|(organ, [wrong, right])| organ.name == name && !wrong.is_empty() && right.is_empty())
    };
    let is_absent = |name: &str| {
        judged.iter().any(|(organ, pieces)| organ.name == name && pieces.iter().all(Vec::is_empty))
    };
    let mut exchanged = Vec::new();
    for (organ, [wrong, right]) in &judged {
        let opposite = organ.opposite(organs);
        take_out(probabilities, labels, organ.value, [wrong, right], opposite.map(|other| other.value));
        let Some(other) = opposite.filter(|_| is_all_wrong(&organ.name)) else { continue };
        if is_absent(&other.name) {
            exchanged.push(Exchanged::Alone { had: &organ.name, is: &other.name });
        } else if organ.side == Some(Side::Left) && is_all_wrong(&other.name) {
            exchanged.push(Exchanged::Pair { left: &organ.name, right: &other.name });
        }
    }
    exchanged
}

/// Where the middle of the body runs from left to right, for each plane of the probabilities.
struct Midline {
    /// In voxels along x of the probabilities.
    x: Vec<f64>,
    spacing_mm: f64,
}

impl Midline {
    /// By the body's centroid on each slice; `None` where there is no body, or where the scan shows
    /// one side of it on all slices.
    fn of(image: &ModelImage, probabilities: &Probabilities) -> Option<Self> {
        let [_, ny, nx] = image.size;
        // The box of the body may begin later than the probabilities do.
        let shift = [0, 1, 2].map(|axis| image.low[axis] - probabilities.low[axis]);
        // Whether the box's first and last columns are the scan's.
        let ends = [image.low[2] == 0, image.low[2] + nx == image.grid.dims()[0]];
        let centroids: Vec<(usize, f64)> = image
            .body
            .chunks_exact((ny * nx).max(1))
            .enumerate()
            .filter_map(|(z, plane)| {
                let (mut sum, mut count) = (0_usize, 0_usize);
                for (at, _) in plane.iter().enumerate().filter(|(_, inside)| **inside) {
                    sum += at % nx;
                    count += 1;
                }
                if is_one_sided(plane, nx, ends) {
                    return None;
                }
                #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
                (count > 0).then(|| (z + shift[0], (sum as f64 / count as f64) + shift[2] as f64))
            })
            .collect();
        let step_mm = image.grid.step_mm(2).norm();
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        let x = (0..probabilities.size[0])
            .map(|z| {
                let near = |reach_mm: f64| -> Vec<f64> {
                    let is_near = |own: usize| own.abs_diff(z) as f64 * step_mm <= reach_mm;
                    centroids.iter().filter(|(own, _)| is_near(*own)).map(|(_, x)| *x).collect()
                };
                let own = near(SMOOTHED_MM);
                median(if own.is_empty() { near(f64::INFINITY) } else { own })
            })
            .collect::<Option<Vec<f64>>>()?;
        Some(Self { x, spacing_mm: image.grid.step_mm(0).norm() })
    }

    /// Whether a piece lies beyond the midline, seen from `side`.
    fn is_beyond(&self, piece: &[usize], [_, ny, nx]: [usize; 3], side: Side) -> bool {
        let is_beyond = |at: &&usize| {
            #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
            let to_the_left_mm = ((**at % nx) as f64 - self.x[**at / (ny * nx)]) * self.spacing_mm;
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

/// Whether the scan cuts off one side of the body on this slice, `nx` wide, whose first and last
/// columns are the scan's where `ends` says so.
fn is_one_sided(plane: &[bool], nx: usize, ends: [bool; 2]) -> bool {
    let depth = plane.chunks_exact(nx.max(1)).filter(|row| row.contains(&true)).count();
    let is_cut = |end: usize, column: usize| {
        let there = plane.iter().skip(column).step_by(nx.max(1)).filter(|inside| **inside).count();
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        {
            ends[end] && there as f64 >= CUT_OFF * depth.max(1) as f64
        }
    };
    is_cut(0, 0) != is_cut(1, nx.saturating_sub(1))
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
