//! Cutting a patch out while turning, scaling, bending and mirroring it, and ending the scan in it.
//!
//! `models/training/patches.py`, rule for rule; only the random numbers are others.

use super::TrainError;
use super::bend::Field;
use super::loss::IGNORE;
use super::patient::OUTSIDE_HU;
use super::random::Random;
use super::recipe::Recipe;
use super::stock::{Part, PartImage, Patient};
use rayon::prelude::*;
use std::ops::Range;

type Matrix = [[f64; 3]; 3];

fn product(a: Matrix, b: Matrix) -> Matrix {
    [0, 1, 2].map(|i| [0, 1, 2].map(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

/// A patch cut out of a patient.
pub(super) struct Deformed {
    /// HU, or normalised values of one channel after the other.
    pub values: Vec<f32>,
    pub labels: Vec<u16>,
    /// Whether it was mirrored from left to right; its labels are not swapped yet.
    pub mirrored: bool,
}

/// The patch around `centre` (voxel centres are whole numbers, z, y, x). Beyond the scan there is air, or 0
/// where values are normalised.
///
/// # Errors
/// [`TrainError::Patients`] when the patient's file cannot be read.
pub(super) fn deform(
    recipe: &Recipe,
    patient: &Patient,
    centre: [f64; 3],
    random: &mut Random,
) -> Result<Deformed, TrainError> {
    let (augment, spacing, patch) = (&recipe.augment, patient.spacing_mm, recipe.patch());
    let mut matrix: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    if random.unit() < augment.affine_probability {
        for axis in 0..3 {
            let angle = (random.between(-1.0, 1.0) * augment.rotation_deg[axis]).to_radians();
            let [i, j] = [[1, 2], [0, 2], [0, 1]][axis];
            let mut turn: Matrix = [[0.0; 3]; 3];
            turn[axis][axis] = 1.0;
            (turn[i][i], turn[i][j]) = (angle.cos(), -angle.sin());
            (turn[j][i], turn[j][j]) = (angle.sin(), angle.cos());
            matrix = product(matrix, turn);
        }
        let overall = random.between(augment.scale[0].ln(), augment.scale[1].ln());
        let factors = [0; 3].map(|_| (overall + random.between(-0.06, 0.06)).exp());
        for row in &mut matrix {
            (0..3).for_each(|axis| row[axis] *= factors[axis]);
        }
    }
    let mirrored = augment.mirror_x && random.unit() < 0.5;
    let mut turned = [false, false, mirrored];
    for axis in &augment.mirror_axes {
        turned[*axis] ^= random.unit() < 0.5;
    }
    for axis in (0..3).filter(|axis| turned[*axis]) {
        matrix.iter_mut().for_each(|row| row[axis] = -row[axis]);
    }
    // From voxels to mm and back: turning happens in the patient, not in voxels.
    for (i, row) in matrix.iter_mut().enumerate() {
        (0..3).for_each(|j| row[j] *= spacing[j] / spacing[i]);
    }
    let bend = augment.bend.as_ref().filter(|bend| random.unit() < bend.probability);
    let field = bend.map(|bend| Field::drawn(patch, spacing, bend.mm, random));
    let half = patch.map(|n| (n as f64 - 1.0) / 2.0);
    let place = |z: usize, at: usize| {
        let mut offset = [z, at / patch[2], at % patch[2]].map(|voxel| voxel as f64);
        let moved = field.as_ref().map_or([0.0; 3], |field| field.at(z * patch[1] * patch[2] + at));
        (0..3).for_each(|axis| offset[axis] += moved[axis] - half[axis]);
        [0, 1, 2].map(|i| {
            let row = matrix[i];
            centre[i] + row[0] * offset[0] + row[1] * offset[1] + row[2] * offset[2]
        })
    };
    let size = patient.size;
    let [planes, rows] =
        if patient.is_in_memory() { [0..size[0], 0..size[1]] } else { reached(patch, &place) };
    let part = patient.part(planes, rows)?;
    let (plane, voxels) = (patch[1] * patch[2], patch.iter().product::<usize>());
    let mut labels = vec![0; voxels];
    labels.par_chunks_mut(plane).enumerate().for_each(|(z, plane)| {
        (0..).zip(plane).for_each(|(at, own)| *own = label(&part, size, place(z, at)));
    });
    let mut values = vec![0.0; recipe.channels().len().max(1) * voxels];
    values.par_chunks_mut(plane).enumerate().for_each(|(plane, values)| {
        let (channel, z) = (plane / patch[0], plane % patch[0]);
        let (reach, from) = (part.reach, channel * part.reach.len());
        for (at, value) in values.iter_mut().enumerate() {
            let at = place(z, at);
            *value = match &part.image {
                PartImage::Hu(hu) => {
                    interpolated(|voxel| f32::from(hu[reach.place(voxel)]), size, at, OUTSIDE_HU)
                }
                PartImage::Normalised(all) => {
                    interpolated(|voxel| all[from + reach.place(voxel)], size, at, 0.0)
                }
            };
        }
    });
    Ok(Deformed { values, labels, mirrored })
}

/// The planes and rows of a patient that a patch's voxels at these places are interpolated from; some of them
/// may lie beyond the scan.
fn reached(patch: [usize; 3], place: &(impl Fn(usize, usize) -> [f64; 3] + Sync)) -> [Range<usize>; 2] {
    let nowhere = || [[f64::INFINITY, f64::NEG_INFINITY]; 2];
    let wider = |mut bounds: [[f64; 2]; 2], other: [[f64; 2]; 2]| {
        for (own, other) in bounds.iter_mut().zip(other) {
            *own = [own[0].min(other[0]), own[1].max(other[1])];
        }
        bounds
    };
    let of_plane = |z: usize| {
        (0..patch[1] * patch[2]).fold(nowhere(), |bounds, at| {
            let [z, y, _] = place(z, at);
            wider(bounds, [[z, z], [y, y]])
        })
    };
    let bounds = (0..patch[0]).into_par_iter().map(of_plane).reduce(nowhere, wider);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not below 0, near the scan")]
    bounds.map(|[low, high]| low.floor().max(0.0) as usize..(high.floor() + 2.0).max(0.0) as usize)
}

/// Linear interpolation between voxels, and to `outside` beyond the scan.
fn interpolated(value: impl Fn([usize; 3]) -> f32, size: [usize; 3], at: [f64; 3], outside: f32) -> f32 {
    if (0..3).any(|axis| at[axis] <= -1.0 || at[axis] >= size[axis] as f64) {
        return outside;
    }
    #[expect(clippy::cast_possible_truncation, reason = "inside the scan, or a voxel beyond")]
    let low = at.map(|place| place.floor() as isize);
    #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
    let share = at.map(|place| (place - place.floor()) as f32);
    let mut sum = 0.0;
    for corner in 0..8_usize {
        let mut weight = 1.0_f32;
        let mut place = [0; 3];
        let mut inside = true;
        for axis in 0..3 {
            let up = corner >> axis & 1;
            weight *= if up == 1 { share[axis] } else { 1.0 - share[axis] };
            match usize::try_from(low[axis] + isize::from(up == 1)) {
                Ok(voxel) if voxel < size[axis] => place[axis] = voxel,
                _ => inside = false,
            }
        }
        if inside && weight > 0.0 {
            sum += weight * (value(place) - outside);
        }
    }
    sum + outside
}

/// The label of the nearest voxel; background beyond the scan.
fn label(part: &Part<'_>, size: [usize; 3], at: [f64; 3]) -> u16 {
    let mut voxel = [0; 3];
    for axis in 0..3 {
        let nearest = at[axis].round_ties_even();
        if !(nearest >= 0.0 && nearest < size[axis] as f64) {
            return 0;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "inside the scan")]
        {
            voxel[axis] = nearest as usize;
        }
    }
    part.labels[part.reach.place(voxel)]
}

/// Ends the scan somewhere inside the patch, above or below; beyond it there is `outside`.
pub(super) fn cut(
    recipe: &Recipe,
    values: &mut [f32],
    labels: &mut [u16],
    outside: f32,
    random: &mut Random,
) {
    let [nz, ny, nx] = recipe.patch();
    if random.unit() < recipe.augment.cut_probability {
        let depth = 1 + random.below(nz / 2 - 1);
        let from = if random.unit() < 0.5 { 0 } else { nz - depth };
        let part = from * ny * nx..(from + depth) * ny * nx;
        values.chunks_mut(nz * ny * nx).for_each(|channel| channel[part.clone()].fill(outside));
        labels[part].fill(IGNORE);
    }
}

#[cfg(test)]
mod tests {
    use super::super::patient::{Image, Prepared};
    use super::super::sampler::tests::{tiny_patient, tiny_recipe};
    use super::*;

    fn still() -> Recipe {
        let mut recipe = tiny_recipe();
        recipe.augment.affine_probability = 0.0;
        recipe.augment.mirror_x = false;
        recipe
    }

    #[test]
    fn an_undeformed_patch_is_the_scan_itself_and_air_beyond_it() {
        let patient = tiny_patient([true; 3]);
        // The patch's 8 voxels from x = 12 on: 4 inside, 4 beyond.
        let centre = [5.5, 7.5, 15.5];
        let Deformed { values, labels, mirrored } =
            deform(&still(), &Patient::of(patient.clone()), centre, &mut Random::new(&[1])).unwrap();
        assert!(!mirrored);
        let Image::Hu(own_hu) = &patient.image else { panic!("a CT") };
        for (place, (hu, label)) in values.iter().zip(&labels).enumerate() {
            let (z, y, x) = (place / 64 + 2, place / 8 % 8 + 4, place % 8 + 12);
            let inside = x < 16;
            let own = (z * 16 + y) * 16 + x;
            assert_eq!(*hu, if inside { f32::from(own_hu[own]) } else { -1000.0 }, "{z} {y} {x}");
            assert_eq!(*label, if inside { patient.labels[own] } else { 0 });
        }
    }

    #[test]
    fn a_turn_goes_about_the_patch_s_middle_in_millimetres() {
        let mut recipe = still();
        recipe.augment.affine_probability = 1.0;
        recipe.augment.scale = [1.0, 1.0];
        recipe.augment.rotation_deg = [0.0; 3];
        let patient = Prepared { spacing_mm: [6.0, 3.0, 6.0], ..tiny_patient([true; 3]) };
        let patient = Patient::of(patient);
        let values = |recipe: &Recipe| {
            deform(recipe, &patient, [5.5, 7.5, 7.5], &mut Random::new(&[3])).unwrap().values
        };
        let (straight, near) = (values(&still()), values(&recipe));
        // Only the small factors of each axis remain (6 % at most): most voxels are alike.
        let alike = straight.iter().zip(&near).filter(|(a, b)| (*a - *b).abs() < 1.0).count();
        assert!(alike > 300, "{alike}");
    }

    #[test]
    fn a_shortened_scan_ends_in_air_that_is_not_judged() {
        let mut recipe = still();
        recipe.augment.cut_probability = 1.0;
        let (mut hu, mut labels) = (vec![40.0; 512], vec![1; 512]);
        cut(&recipe, &mut hu, &mut labels, OUTSIDE_HU, &mut Random::new(&[2]));
        let gone = labels.iter().filter(|label| **label == IGNORE).count();
        assert!((64..256).contains(&gone) && gone.is_multiple_of(64), "{gone}");
        assert!(hu.iter().zip(&labels).all(|(hu, label)| (*hu == OUTSIDE_HU) == (*label == IGNORE)));
    }
}
