//! Which way each convolution goes, and how long it takes: measured once on a device.
//!
//! A layer's way ([`Way`]) and its seconds are kept by the layer's shape for as long as the program
//! runs, and in a file for the next start: what a first run measures costs some patches' time.

use super::conv::{DeviceConv, Way};
use super::{BurnNetwork, Pace, Stop};
use crate::progress::Progress;
use burn::tensor::Tensor;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What was measured of a layer.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
struct Measured {
    way: Way,
    seconds: f64,
}

/// Everything measured so far, by device and layer; read from the file once.
static MEASURED: Mutex<Option<BTreeMap<String, Measured>>> = Mutex::new(None);

fn file() -> PathBuf {
    crate::data_folder::data_folder().join("cache").join("model-tuning.json")
}

/// What the file holds; nothing where there is none or it is damaged (it is only a cache).
fn read(path: &Path) -> BTreeMap<String, Measured> {
    let Ok(text) = std::fs::read(path) else { return BTreeMap::new() };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::debug!("{} is measured anew: {error}", path.display());
        BTreeMap::new()
    })
}

fn write(path: &Path, measured: &BTreeMap<String, Measured>) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut new, measured)?;
    new.persist(path).map(drop).map_err(|error| error.error)
}

impl DeviceConv {
    /// Runs both ways on an input, each twice, and gives the faster.
    fn measure(&self, x: &Tensor<5>, pace: &mut Pace) -> Result<Measured, Stop> {
        let mut run = |way| {
            self.way.set(way);
            let warm = self.forward(x, pace)?;
            pace.settle()?;
            let started = Instant::now();
            let again = self.forward(x, pace)?;
            pace.settle()?;
            let seconds = started.elapsed().as_secs_f64();
            drop((warm, again));
            Ok(Measured { way, seconds })
        };
        let (direct, columns) = (run(Way::Direct)?, run(Way::Columns)?);
        Ok(if columns.seconds < direct.seconds { columns } else { direct })
    }
}

impl BurnNetwork {
    /// Measures both ways of every convolution on a patch of `size`, where that is not known of the
    /// device `name` already, and sets the faster. What a way needs compiled or tuned is not counted.
    ///
    /// # Errors
    /// [`Stop`] when someone asked to stop, or the device failed.
    pub(super) fn tune(
        &self,
        size: [usize; 3],
        name: &str,
        pace: &mut Pace,
        progress: &Progress,
    ) -> Result<(), Stop> {
        let mut measured = {
            let mut known = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
            known.get_or_insert_with(|| read(&file())).clone()
        };
        let before = measured.len();
        let inputs = self.inputs_of_convs(size);
        let count = inputs.len();
        for (index, (conv, (input, channels))) in self.convs().zip(inputs).enumerate() {
            progress.set_fraction(index as f64 / count as f64).map_err(|_| Stop::Cancelled)?;
            let key = format!("{name}: {}", conv.name(input));
            let found = if let Some(found) = measured.get(&key) {
                *found
            } else {
                let [z, y, x] = input;
                // Not zeros: some devices are faster with them.
                let values = (0..z * y * x * channels).map(|n| (n % 251) as f32 / 125.0 - 1.0).collect();
                let found =
                    conv.measure(&super::upload(values, [1, z, y, x, channels], &self.device), pace)?;
                tracing::debug!("{key}: {:?}, {:.2} ms", found.way, found.seconds * 1e3);
                measured.insert(key, found);
                found
            };
            conv.way.set(found.way);
            conv.seconds.set(Some(found.seconds));
        }
        if measured.len() > before {
            let path = file();
            if let Err(error) = write(&path, &measured) {
                tracing::warn!("what was measured is not kept in {}: {error}", path.display());
            }
            *MEASURED.lock().unwrap_or_else(PoisonError::into_inner) = Some(measured);
        }
        Ok(())
    }

    /// The size and channels of each convolution's input, in the order of [`Self::convs`].
    fn inputs_of_convs(&self, patch: [usize; 3]) -> Vec<([usize; 3], usize)> {
        let mut size = patch;
        let mut inputs = Vec::new();
        let mut sizes = Vec::new();
        if let Some(stem) = &self.stem {
            inputs.extend(stem.convs.iter().map(|conv| conv.input_on(size)));
        }
        for stage in &self.encoder {
            for step in stage {
                match step {
                    super::DeviceStep::Plain(block) => {
                        inputs.extend(block.convs.iter().map(|conv| conv.input_on(size)));
                        size = block.convs[0].output_size(size);
                    }
                    super::DeviceStep::Residual(block) => {
                        let pooled = block.first.convs[0].output_size(size);
                        let skip = block.skip.iter().flat_map(|skip| &skip.convs);
                        inputs.extend(skip.map(|conv| conv.input_on(pooled)));
                        inputs.extend(block.first.convs.iter().map(|conv| conv.input_on(size)));
                        inputs.extend(block.second.convs.iter().map(|conv| conv.input_on(pooled)));
                        size = pooled;
                    }
                }
            }
            sizes.push(size);
        }
        sizes.pop();
        for stage in &self.decoder {
            let size = sizes.pop().unwrap_or(patch);
            for block in stage {
                inputs.extend(block.convs.iter().map(|conv| conv.input_on(size)));
            }
        }
        inputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_kept_and_a_damaged_file_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache/model-tuning.json");
        assert!(read(&path).is_empty());
        let one = BTreeMap::from([("a layer".to_owned(), Measured { way: Way::Columns, seconds: 0.25 })]);
        write(&path, &one).unwrap();
        assert_eq!(read(&path), one);
        std::fs::write(&path, "{").unwrap();
        assert!(read(&path).is_empty());
    }
}
