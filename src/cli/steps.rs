//! `delineo contour --steps-to FOLDER`: what a model of nnU-Net makes on the way to its labels, as numpy's
//! arrays, to be held beside nnU-Net's own.

use crate::ai::ModelPackage;
use crate::ai::nnunet::steps::{Frame, Step, steps};
use crate::ai::{PredictError, PredictOptions};
use crate::formats::npy::NpyFile;
use crate::new_file::{NewFile, WriteFileError};
use crate::patient::Volume;
use crate::progress::Progress;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The network's input, `[channel][z][y][x]`.
const INPUT: &str = "preprocessed.npy";
/// One tile's logits, `[class][z][y][x]`.
const TILE: &str = "tile_logits.npy";
/// All logits on the input's voxels, `[class][z][y][x]`.
const LOGITS: &str = "logits.npy";
/// What the arrays are.
const TEXT: &str = "steps.json";

/// The files that are written into `folder`.
pub(super) fn paths(folder: &Path) -> [PathBuf; 4] {
    [INPUT, TILE, LOGITS, TEXT].map(|name| folder.join(name))
}

/// A first voxel of a tile, such as `0,24,16`.
pub(super) fn tile(text: &str) -> Result<[usize; 3], String> {
    let numbers: Option<Vec<usize>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    let numbers = numbers.and_then(|numbers| numbers.try_into().ok());
    numbers.ok_or_else(|| "use three whole numbers, such as 0,24,16".to_owned())
}

/// Runs a model and writes its steps into files of `folder`, which are to be committed; gives what the person
/// should know with them.
pub(super) fn prepare(
    volume: &Volume,
    package: &ModelPackage,
    options: &PredictOptions,
    (folder, tile, force): (&Path, Option<[usize; 3]>, bool),
    progress: &Progress,
) -> Result<(Vec<NewFile>, Vec<String>), PredictError> {
    let mut files = Files { folder, force, package, logits: None, done: Vec::new() };
    let mut take = |step: Step<'_>| files.take(step);
    let warnings = steps(volume, package, options, tile, &mut take, progress)?;
    let Files { logits, mut done, .. } = files;
    done.extend(logits.map(NpyFile::into_file));
    Ok((done, warnings))
}

struct Files<'a> {
    folder: &'a Path,
    force: bool,
    package: &'a ModelPackage,
    logits: Option<NpyFile>,
    done: Vec<NewFile>,
}

impl Files<'_> {
    fn take(&mut self, step: Step<'_>) -> Result<(), WriteFileError> {
        match step {
            Step::Input { values, frame } => {
                let mut array = self.array(INPUT, frame.channels, frame.geometry.size)?;
                array.put(0, values)?;
                self.done.push(array.into_file());
                self.logits = Some(self.array(LOGITS, frame.classes, frame.geometry.size)?);
                let mut text = NewFile::create(&self.folder.join(TEXT), self.force)?;
                text.put(self.text(frame).as_bytes())?;
                self.done.push(text);
            }
            Step::Tile { logits, frame } => {
                let mut array = self.array(TILE, frame.classes, frame.patch)?;
                let voxels: usize = frame.patch.iter().product();
                for class in 0..frame.classes {
                    array.put(class * voxels, &of_class(logits, frame.classes, class))?;
                }
                self.done.push(array.into_file());
            }
            Step::Plane { index, logits, frame } => {
                let [planes, rows, columns] = frame.geometry.size;
                let Some(array) = &mut self.logits else { return Ok(()) };
                for class in 0..frame.classes {
                    let at = (class * planes + index) * rows * columns;
                    array.put(at, &of_class(logits, frame.classes, class))?;
                }
            }
        }
        Ok(())
    }

    fn array(&self, name: &str, first: usize, [z, y, x]: [usize; 3]) -> Result<NpyFile, WriteFileError> {
        NpyFile::create(&self.folder.join(name), &[first, z, y, x], self.force)
    }

    fn text(&self, frame: &Frame) -> String {
        let Frame { geometry, channels, classes, patch, padded, padding, starts, tile, mirror_axes } = frame;
        let shape = |first: &usize, [z, y, x]: &[usize; 3]| [*first, *z, *y, *x];
        let folds = self.package.nnunet.as_ref().map(crate::ai::nnunet::Model::fold_names);
        let document = json!({
            "model": self.package.id,
            "folds": folds,
            "mirror_axes": mirror_axes,
            "image_size": geometry.image_size,
            "transpose_forward": geometry.transpose_forward,
            "crop_first_voxel": geometry.low,
            "crop_size": geometry.cropped,
            "spacing_mm": geometry.spacing_mm,
            "padded_size": padded,
            "padding_before": padding,
            "tile_starts": starts,
            "preprocessed": { "file": INPUT, "shape": shape(channels, &geometry.size) },
            "tile": { "file": TILE, "shape": shape(classes, patch), "first_voxel_in_padded": tile },
            "logits": { "file": LOGITS, "shape": shape(classes, &geometry.size) },
        });
        format!("{document:#}\n")
    }
}

/// One class of `[voxel][class]`.
fn of_class(logits: &[f32], classes: usize, class: usize) -> Vec<f32> {
    logits.iter().skip(class).step_by(classes).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_is_three_whole_numbers() {
        assert_eq!(tile("0, 24,16"), Ok([0, 24, 16]));
        for odd in ["", "1,2", "1,2,3,4", "1,2,-3", "a,b,c"] {
            assert!(tile(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_class_is_taken_from_each_voxel() {
        assert_eq!(of_class(&[1.0, 10.0, 2.0, 20.0], 2, 0), [1.0, 2.0]);
        assert_eq!(of_class(&[1.0, 10.0, 2.0, 20.0], 2, 1), [10.0, 20.0]);
    }
}
