//! PyTorch checkpoints as nnU-Net v2 writes them (`fold_0/checkpoint_final.pth`).
//!
//! A checkpoint is a ZIP archive with a pickle (`data.pkl`) that names tensors, and one entry of raw
//! numbers for each. Nothing in it is executed ([`super::pickle`]); the optimizer's state is never
//! read. Sizes are checked against the archive before anything is allocated, and what is compressed,
//! which PyTorch never does, is refused: what is allocated is bounded by the file's length.

use super::archive::Archive;
use super::pickle::{Pickle, PickleError, Scalar, TensorPlace, Value};
use crate::ai::network::{Parameter, is_second_name};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

/// The greatest pickle that is read, bytes. Most have under a megabyte; that of 4000 epochs and 117
/// classes, whose log has a number for each of both, has 26.
const PICKLE_LIMIT: u64 = 256 << 20;
/// The most parameters that are read, and the most numbers in their storages.
const PARAMETER_LIMIT: usize = 1 << 30;

/// Why a checkpoint could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The file system said no.
    #[error("the checkpoint cannot be read ({reason}): {}", path.display())]
    Unreadable {
        /// What it said.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// It asks for a Python function that no checkpoint needs.
    #[error(
        "the checkpoint is refused: it would run {name}, which is no part of a network's weights; nothing \
         was run. Do not load this file in Python either, and ask its author for a clean one: {}", path.display()
    )]
    Refused {
        /// The function, with its module.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// It is not a checkpoint of nnU-Net, or damaged.
    #[error("the checkpoint is not usable: {reason}: {}", path.display())]
    Unusable {
        /// What is wrong, and the remedy.
        reason: String,
        /// The file.
        path: PathBuf,
    },
}

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The trainer's class.
    pub trainer: Option<String>,
    /// The configuration it was trained for.
    pub configuration: Option<String>,
    /// The axes that may be mirrored, numbered in the network's own input (2D: 0 = y); `None` where
    /// the checkpoint does not say.
    pub mirror_axes: Option<Vec<usize>>,
    /// The network's parameters by nnU-Net's names, each once, float32.
    pub parameters: BTreeMap<String, Parameter>,
}

impl Checkpoint {
    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`] when it is missing, damaged, or holds anything but plain data and tensors.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        Self::read_some(path, true)
    }

    /// Reads a checkpoint without its parameters.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_header(path: &Path) -> Result<Self, CheckpointError> {
        Self::read_some(path, false)
    }

    fn read_some(path: &Path, with_parameters: bool) -> Result<Self, CheckpointError> {
        let file = File::open(path).map_err(|error| CheckpointError::Unreadable {
            reason: error.to_string(),
            path: path.to_owned(),
        })?;
        Self::read_from(BufReader::new(file), path, with_parameters)
    }

    /// Reads what a checkpoint says; `path` is told where it says nothing.
    fn read_from<R: Read + Seek>(
        mut file: R,
        path: &Path,
        with_parameters: bool,
    ) -> Result<Self, CheckpointError> {
        let unreadable = |error: std::io::Error| CheckpointError::Unreadable {
            reason: error.to_string(),
            path: path.to_owned(),
        };
        let unusable = |reason: String| CheckpointError::Unusable { reason, path: path.to_owned() };
        let refused = |error: PickleError| match error {
            PickleError::Refused(name) => CheckpointError::Refused { name, path: path.to_owned() },
            PickleError::Damaged(what) => unusable(what.to_owned()),
        };
        let mut magic = [0; 2];
        let read = file.read(&mut magic).map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;
        if read < 2 || magic != *b"PK" {
            // Before 2020 a checkpoint was a bare pickle: what it would run is told all the same.
            let mut start = Vec::new();
            file.take(PICKLE_LIMIT).read_to_end(&mut start).map_err(unreadable)?;
            if let Err(error @ PickleError::Refused(_)) = Pickle::read(&start) {
                return Err(refused(error));
            }
            return Err(unusable(
                "it is no archive of PyTorch 1.6 or later; save it again with one".to_owned(),
            ));
        }
        let mut archive = Archive::open(file).map_err(unusable)?;
        let pickle_name = archive.names().find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"));
        let pickle_name = pickle_name.ok_or_else(|| unusable("it holds no data.pkl".to_owned()))?.to_owned();
        let folder = pickle_name.trim_end_matches("data.pkl").to_owned();
        let byte_order = format!("{folder}byteorder");
        if archive.size(&byte_order).is_some()
            && archive.read(&byte_order, 16).map_err(unusable)? != b"little"
        {
            return Err(unusable(
                "its numbers are stored big end first; save it again on another machine".into(),
            ));
        }
        if archive.is_deflated(&pickle_name) {
            return Err(unusable(format!(
                "its description ({pickle_name}) is compressed, which PyTorch never does; save it again with PyTorch"
            )));
        }
        let bytes = archive.read(&pickle_name, PICKLE_LIMIT).map_err(unusable)?;
        let pickle = Pickle::read(&bytes).map_err(refused)?;
        Self::from_pickle(&pickle, &mut archive, &folder, with_parameters).map_err(unusable)
    }

    fn from_pickle<R: Read + Seek>(
        pickle: &Pickle,
        archive: &mut Archive<R>,
        folder: &str,
        with_parameters: bool,
    ) -> Result<Self, String> {
        let root = pickle.root();
        let weights = pickle
            .entry(root, "network_weights")
            .ok_or("it has no network_weights: it is not of nnU-Net v2")?;
        let text = |value: &Value| if let Value::Text(text) = value { Some(text.clone()) } else { None };
        let trainer = pickle.entry(root, "trainer_name").and_then(text);
        let mut places = BTreeMap::new();
        for (name, value) in pickle.entries(weights) {
            let Value::Tensor(place) = value else { continue };
            let name = own_name(name);
            // The same numbers under other names.
            let again = is_second_name(name);
            // How often a batch normalisation was trained; no network that is known needs others.
            let is_counter = matches!(place.scalar, Scalar::Whole(_));
            if !with_parameters || again || is_counter && name.ends_with(".num_batches_tracked") {
                continue;
            }
            if is_counter {
                let trainer = trainer.as_deref().unwrap_or("that is not told");
                return Err(format!(
                    "it holds the whole numbers {name}, which no supported network has; its trainer \
                     {trainer} builds another one"
                ));
            }
            places.insert(name.to_owned(), place);
        }
        let mut budget = Budget::default();
        let mut parameters = BTreeMap::new();
        for (name, place) in places {
            let parameter = read_tensor(place, archive, folder, &mut budget)
                .map_err(|reason| format!("{name}: {reason}"))?;
            parameters.insert(name, parameter);
        }
        let arguments = pickle.entry(root, "init_args");
        let configuration = arguments.and_then(|arguments| pickle.entry(arguments, "configuration"));
        let mirror_axes = match pickle.entry(root, "inference_allowed_mirroring_axes") {
            Some(Value::List(axes)) => Some(
                axes.iter()
                    .map(|id| match pickle.value(*id) {
                        Value::Int(axis @ 0..=2) => usize::try_from(*axis).map_err(|error| error.to_string()),
                        _ => Err("a mirroring axis is not 0, 1 or 2".to_owned()),
                    })
                    .collect::<Result<_, String>>()?,
            ),
            // nnU-Net mirrors nothing where its trainer allows nothing.
            Some(Value::None) => Some(Vec::new()),
            Some(_) => return Err("its mirroring axes are not a list".to_owned()),
            None => None,
        };
        Ok(Self { trainer, configuration: configuration.and_then(text), mirror_axes, parameters })
    }
}

/// A parameter's name without what parallel training and compiling put before it, in any order.
fn own_name(mut name: &str) -> &str {
    while let Some(rest) = name.strip_prefix("module.").or_else(|| name.strip_prefix("_orig_mod.")) {
        name = rest;
    }
    name
}

/// What may still be read.
struct Budget {
    /// Numbers of tensors.
    values: usize,
    /// Numbers of storages, which several tensors may share.
    stored: usize,
    counted: BTreeSet<String>,
    /// The storage read last: tensors that share one mostly follow each other.
    last: Option<(String, Vec<u8>)>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { values: PARAMETER_LIMIT, stored: PARAMETER_LIMIT, counted: BTreeSet::new(), last: None }
    }
}

impl Budget {
    /// Takes a tensor off; `None` where nothing is left.
    fn take(&mut self, place: &TensorPlace, count: usize) -> Option<()> {
        self.values = self.values.checked_sub(count)?;
        if self.counted.insert(place.key.clone()) {
            self.stored = self.stored.checked_sub(place.storage)?;
        }
        Some(())
    }
}

fn read_tensor<R: Read + Seek>(
    place: &TensorPlace,
    archive: &mut Archive<R>,
    folder: &str,
    budget: &mut Budget,
) -> Result<Parameter, String> {
    let TensorPlace { scalar, storage, offset, shape, strides, .. } = place;
    let odd = || "the tensor's shape does not fit its storage".to_owned();
    if shape.len() != strides.len() {
        return Err(odd());
    }
    let count = shape.iter().try_fold(1_usize, |n, size| n.checked_mul(*size)).ok_or_else(odd)?;
    let reach = shape
        .iter()
        .zip(strides)
        .try_fold(*offset, |at, (size, stride)| at.checked_add(size.saturating_sub(1).checked_mul(*stride)?));
    // Not larger than its storage: an axis repeated by a stride of 0 could be endless.
    if count > *storage || reach.is_none_or(|last| last >= *storage && count > 0) {
        return Err(odd());
    }
    budget.take(place, count).ok_or("the network has more parameters than are supported")?;
    let name = format!("{folder}data/{}", place.key);
    let bytes =
        storage.checked_mul(scalar.size()).and_then(|bytes| u64::try_from(bytes).ok()).ok_or_else(odd)?;
    match archive.size(&name) {
        None => return Err(format!("its numbers ({name}) are missing")),
        Some(size) if size != bytes => {
            return Err(format!("its numbers ({name}) have {size} bytes, not {bytes}"));
        }
        Some(_) if archive.is_deflated(&name) => {
            return Err(format!("its numbers ({name}) are compressed, which PyTorch never does"));
        }
        Some(_) => {}
    }
    if budget.last.as_ref().is_none_or(|(last, _)| *last != name) {
        // The one before goes first: never two at once.
        budget.last = None;
        budget.last = Some((name.clone(), archive.read(&name, bytes)?));
    }
    let data = budget.last.as_ref().map_or(&[][..], |(_, data)| data);
    let width = scalar.size();
    let value = |at: usize| -> f32 {
        let bytes = data.get(at * width..(at + 1) * width).unwrap_or_default();
        match (scalar, bytes) {
            (Scalar::F32, [a, b, c, d]) => f32::from_le_bytes([*a, *b, *c, *d]),
            (Scalar::F16, [a, b]) => half::f16::from_le_bytes([*a, *b]).to_f32(),
            (Scalar::Bf16, [a, b]) => half::bf16::from_le_bytes([*a, *b]).to_f32(),
            #[expect(clippy::cast_possible_truncation, reason = "networks compute in float32")]
            (Scalar::F64, bytes) => {
                f64::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default()) as f32
            }
            _ => f32::NAN,
        }
    };
    let mut values = Vec::with_capacity(count);
    let mut index = vec![0; shape.len()];
    let mut at = *offset;
    for _ in 0..count {
        values.push(value(at));
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    Ok(Parameter { shape: shape.clone(), values })
}

#[cfg(test)]
mod tests {
    use super::super::archive::tests::{zip, zip_each};
    use super::*;

    fn read(files: &[(&str, &[u8])]) -> Result<Checkpoint, CheckpointError> {
        read_archive(&zip(files, false))
    }

    fn read_archive(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint_final.pth");
        std::fs::write(&path, bytes).unwrap();
        Checkpoint::read(&path)
    }

    /// A pickle of `{"network_weights": {"w": tensor}}` over storage `0` of this type.
    fn weights(storage: &str, len: u8, offset: u8, shape: [u8; 2], strides: [u8; 2]) -> Vec<u8> {
        let mut bytes = b"\x80\x02}X\x0f\x00\x00\x00network_weights}X\x01\x00\x00\x00w".to_vec();
        bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n");
        bytes.extend(storage.as_bytes());
        bytes.extend(b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK");
        bytes.extend([len, b't', b'Q', b'K', offset]);
        for pair in [shape, strides] {
            bytes.extend([b'K', pair[0], b'K', pair[1], 0x86]);
        }
        bytes.extend(b"\x89ccollections\nOrderedDict\n)RtRss.");
        bytes
    }

    #[test]
    fn every_number_type_and_a_transposed_tensor_are_read() {
        let numbers = [1.0_f32, -2.0, 0.5, 4.0, 8.0, -16.0];
        let as_bytes = |encode: &dyn Fn(f32) -> Vec<u8>| -> Vec<u8> {
            numbers.iter().flat_map(|number| encode(*number)).collect()
        };
        let types: [(&str, Vec<u8>); 4] = [
            ("FloatStorage", as_bytes(&|n| n.to_le_bytes().to_vec())),
            ("DoubleStorage", as_bytes(&|n| f64::from(n).to_le_bytes().to_vec())),
            ("HalfStorage", as_bytes(&|n| half::f16::from_f32(n).to_le_bytes().to_vec())),
            ("BFloat16Storage", as_bytes(&|n| half::bf16::from_f32(n).to_le_bytes().to_vec())),
        ];
        for (storage, bytes) in types {
            let pickle = weights(storage, 6, 0, [3, 2], [1, 3]);
            let checkpoint = read(&[("a/data.pkl", &pickle), ("a/data/0", &bytes)]).unwrap();
            let parameter = &checkpoint.parameters["w"];
            assert_eq!(parameter.shape, [3, 2]);
            assert_eq!(parameter.values, [1.0, 4.0, -2.0, 8.0, 0.5, -16.0], "{storage}");
        }
    }

    #[test]
    fn weights_kept_as_parameters_are_their_tensors() {
        let pickle = weights("FloatStorage", 2, 0, [1, 2], [2, 1]);
        let place = b"ctorch._utils";
        let at = pickle.windows(place.len()).position(|bytes| bytes == place).unwrap();
        let (head, rest) = pickle.split_at(at);
        let tensor = rest.strip_suffix(b"ss.").unwrap();
        let (call, arguments) = (&b"ctorch._utils\n_rebuild_parameter\n("[..], &b"\x88}tRss."[..]);
        let pickle = [head, call, tensor, arguments].concat();
        let checkpoint =
            read(&[("a/data.pkl", &pickle), ("a/data/0", &[0, 0, 0, 64, 0, 0, 128, 63])]).unwrap();
        assert_eq!(checkpoint.parameters["w"], Parameter { shape: vec![1, 2], values: vec![2.0, 1.0] });
    }

    #[test]
    fn a_pickle_that_would_run_something_is_refused_by_its_name() {
        let payloads: [(&[u8], &str); 5] = [
            (b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.", "posix.system"),
            (b"cos\nsystem\n(S'ls'\ntR.", "os.system"),
            (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.", "builtins.eval"),
            (b"(S'ls'\nios\nsystem\n.", "instruction"),
            (b"\x80\x02(X\x02\x00\x00\x00lsios\nsystem\n.", "os.system"),
        ];
        for (payload, name) in payloads {
            let message = read(&[("a/data.pkl", payload)]).unwrap_err().to_string();
            assert!(message.contains(name) && message.contains("checkpoint_final.pth"), "{message}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bare.pth");
        std::fs::write(&path, payloads[0].0).unwrap();
        assert!(
            matches!(Checkpoint::read(&path), Err(CheckpointError::Refused { name, .. }) if name == "posix.system")
        );
    }

    #[test]
    fn tensors_larger_than_their_storage_are_refused() {
        let bytes = [0; 24];
        let refused = |pickle: &[u8]| {
            let error = read(&[("a/data.pkl", pickle), ("a/data/0", &bytes)]).unwrap_err();
            assert!(matches!(error, CheckpointError::Unusable { .. }), "{error}");
        };
        // Endless by strides of 0, beyond the end by its offset, and a storage of another length.
        refused(&weights("FloatStorage", 6, 0, [255, 255], [0, 0]));
        refused(&weights("FloatStorage", 6, 1, [3, 2], [1, 3]));
        refused(&weights("FloatStorage", 255, 0, [3, 2], [1, 3]));
        for end in 0..60 {
            refused(&weights("FloatStorage", 6, 0, [3, 2], [1, 3])[..end]);
        }
    }

    #[test]
    fn numbers_that_unpack_to_more_than_the_file_are_refused() {
        // One number of a storage of 200, deflated.
        let pickle = weights("FloatStorage", 200, 0, [1, 1], [1, 1]);
        let packed = |deflate: bool| {
            read_archive(&zip_each(&[("a/data.pkl", &pickle, false), ("a/data/0", &[0; 800], deflate)]))
        };
        assert_eq!(packed(false).unwrap().parameters["w"].values, [0.0]);
        let told = packed(true).unwrap_err().to_string();
        assert!(told.contains("compressed") && told.contains("a/data/0"), "{told}");
    }

    #[test]
    fn a_storage_counts_whole_and_once() {
        let place = |key: &str, storage: usize| TensorPlace {
            scalar: Scalar::F32,
            key: key.to_owned(),
            storage,
            offset: 0,
            shape: vec![1],
            strides: vec![1],
        };
        let mut budget = Budget { values: 3, stored: 10, ..Budget::default() };
        assert_eq!(budget.take(&place("0", 9), 1), Some(()));
        assert_eq!(budget.take(&place("0", 9), 1), Some(()));
        assert_eq!(budget.take(&place("1", 2), 1), None, "more is stored than may be");
        let mut budget = Budget { values: 1, stored: 10, ..Budget::default() };
        assert_eq!(budget.take(&place("0", 9), 1), Some(()));
        assert_eq!(budget.take(&place("0", 9), 1), None, "more is seen of it than may be");
    }

    /// Counts what is read of it.
    struct Counting<'a> {
        bytes: std::io::Cursor<&'a [u8]>,
        read: &'a mut usize,
    }

    impl Read for Counting<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let count = self.bytes.read(out)?;
            *self.read += count;
            Ok(count)
        }
    }

    impl Seek for Counting<'_> {
        fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
            self.bytes.seek(to)
        }
    }

    #[test]
    fn each_number_is_read_once_and_none_of_a_header() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nnunet/aniso");
        let folder = fixtures.join("nnUNetTrainer_250epochs__nnUNetPlans__3d_fullres/fold_0");
        let path = folder.join("checkpoint_final.pth");
        let bytes = std::fs::read(&path).unwrap();
        let read = |with_parameters: bool| {
            let mut read = 0;
            let reader = Counting { bytes: std::io::Cursor::new(&bytes), read: &mut read };
            let checkpoint = Checkpoint::read_from(reader, &path, with_parameters).unwrap();
            (checkpoint, read)
        };
        let (whole, all) = read(true);
        let (header, described) = read(false);
        assert_eq!(whole, Checkpoint::read(&path).unwrap());
        assert!(header.parameters.is_empty());
        // Float32 under several names each, most of the file; what describes them is read either way.
        let weights = whole.parameters.values().map(|own| own.values.len() * 4).sum::<usize>();
        assert!(weights * 2 > bytes.len(), "{weights} of {}", bytes.len());
        let entries = 64 * whole.parameters.len();
        assert!((weights..weights + entries).contains(&(all - described)), "{all} {described} {weights}");
        assert!(described < weights, "{described} of {}", bytes.len());
    }

    #[test]
    fn a_name_is_the_same_however_it_was_wrapped() {
        for name in ["w.b", "module.w.b", "_orig_mod.w.b", "module._orig_mod.w.b", "_orig_mod.module.w.b"] {
            assert_eq!(own_name(name), "w.b");
        }
    }

    #[test]
    fn whole_numbers_that_no_network_has_are_refused_by_their_name() {
        let bytes = [0; 48];
        let pickle = weights("LongStorage", 6, 0, [3, 2], [1, 3]);
        let told = read(&[("a/data.pkl", &pickle), ("a/data/0", &bytes)]).unwrap_err().to_string();
        assert!(told.contains("whole numbers w") && told.contains("trainer"), "{told}");
    }
}
