//! Fetching an entry: its files, one after another, and a model package made of them.

use super::download::{self, Download, known_path};
use super::entry::{Entry, RemoteFile};
use super::turn::Turn;
use crate::ai::ModelPackage;
use crate::ai::disk;
use crate::ai::nnunet::import::{self, ImportError};
use crate::ai::package::import_folder;
use crate::new_file::{WriteFileError, sweep};
use crate::progress::{Cancelled, Progress};
use std::path::{Path, PathBuf};

/// The environment variable that names a mirror, or a folder with the files.
pub const SOURCE_VARIABLE: &str = "DELINEO_MODEL_SOURCE";

/// How to fetch.
#[derive(Debug, Clone, Default)]
pub struct FetchOptions {
    /// Where the files are instead of at their publisher's: the address of a folder on a server that has
    /// them under their names (`https://mirror/models`), of one file there (`.zip`), or a ZIP archive or
    /// a folder on disk. Not given: [`SOURCE_VARIABLE`] where that is set, else the publisher's address.
    pub from: Option<String>,
    /// Where the package goes; the program's own models folder where not given.
    pub target: Option<PathBuf>,
    /// Fetches again what is installed already.
    pub force: bool,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched {
    /// The packages now installed, those that others crop on first.
    pub packages: Vec<ModelPackage>,
    /// The files, in the order they came.
    pub files: Vec<FetchedFile>,
    /// What the person should know.
    pub warnings: Vec<String>,
}

/// A file that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedFile {
    /// Its name.
    pub name: String,
    /// Where it came from.
    pub source: String,
    /// Its size, bytes.
    pub bytes: u64,
    /// Its SHA-256; empty where a folder was taken as it is.
    pub sha256: String,
    /// Whether that was compared with one its publisher tells; otherwise it is only recorded.
    pub verified: bool,
}

/// Why a model was not fetched. What was downloaded is kept and the next call goes on from there,
/// but for a file that turned out wrong.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Someone asked to stop.
    #[error("cancelled; what was downloaded is kept, fetching again goes on from there")]
    Cancelled,
    /// The model is there already.
    #[error("the model {id} is installed already; fetch it again with --force: {}", path.display())]
    Installed {
        /// Its id.
        id: String,
        /// Its folder.
        path: PathBuf,
    },
    /// Its publisher gives it only to those with a key.
    #[error(
        "the model {id} is given only with a licence key; get its file {file} from {homepage} and name it \
         with --from FILE"
    )]
    NeedsKey {
        /// Its id.
        id: String,
        /// Its file.
        file: String,
        /// The publisher's page.
        homepage: String,
    },
    /// The server cannot be reached, or breaks off again and again.
    #[error(
        "the server cannot be reached ({reason}); connect to the internet, name a mirror or a file with --from \
         or {SOURCE_VARIABLE}, or copy the models folder of another machine: {url}"
    )]
    Unreachable {
        /// What happened.
        reason: String,
        /// The file's address.
        url: String,
    },
    /// The server has no such file.
    #[error("there is no such file on the server (404); name another source with --from: {url}")]
    NotThere {
        /// The file's address.
        url: String,
    },
    /// The server does not give the file.
    #[error("the server does not give the file: {reason}; name another source with --from: {url}")]
    Refused {
        /// What it says.
        reason: String,
        /// The file's address.
        url: String,
    },
    /// A source on disk has no such file.
    #[error("there is no {name} there; --from takes its folder, the file itself, or an address: {}", path.display())]
    NoFile {
        /// The file's name.
        name: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is not the one that its publisher has.
    #[error(
        "the file is damaged or not the publisher's (SHA-256 {found}, not {expected}); it was discarded and \
         nothing installed, fetch it again: {source_name}"
    )]
    Checksum {
        /// Of the file.
        found: String,
        /// Of the publisher.
        expected: String,
        /// Where it came from.
        source_name: String,
    },
    /// There is not enough room.
    #[error(
        "the disk has {} MB free and the model needs about {} MB; free some space or choose another place with \
         DELINEO_DATA_DIR: {}", free / 1_000_000, needed.div_ceil(1_000_000), path.display()
    )]
    NoRoom {
        /// Bytes that are free.
        free: u64,
        /// Bytes that are needed.
        needed: u64,
        /// The folder.
        path: PathBuf,
    },
    /// What was downloaded could not be written or read.
    #[error(transparent)]
    Disk(WriteFileError),
    /// The package could not be made of the files.
    #[error(transparent)]
    Import(ImportError),
}

impl From<Cancelled> for FetchError {
    fn from(Cancelled: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl From<ImportError> for FetchError {
    fn from(error: ImportError) -> Self {
        if matches!(error, ImportError::Cancelled(_)) { Self::Cancelled } else { Self::Import(error) }
    }
}

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// A server.
    Url(String),
    /// A ZIP archive, or an unpacked folder.
    Path(PathBuf),
}

/// Where a file is, by the person's source or else its publisher's address.
fn origin(entry: &Entry, file: &RemoteFile, from: Option<&str>) -> Result<Origin, FetchError> {
    let Some(from) = from else {
        return file.url.clone().map(Origin::Url).ok_or_else(|| FetchError::NeedsKey {
            id: entry.id.clone(),
            file: file.name.clone(),
            homepage: entry.homepage.clone(),
        });
    };
    let bare = file.name.strip_suffix(".zip").unwrap_or(&file.name);
    if from.starts_with("http://") || from.starts_with("https://") {
        let one = from.split(['?', '#']).next().is_some_and(is_zip_name);
        let is_other = one && !from.contains(bare) && entry.files.len() > 1;
        return Ok(Origin::Url(if one && !is_other {
            from.to_owned()
        } else {
            let folder = if one { from.rsplit_once('/').map_or(from, |(folder, _)| folder) } else { from };
            format!("{}/{}", folder.trim_end_matches('/'), file.name)
        }));
    }
    let path = Path::new(from);
    // The very file, where the model has but one, or it is named so; else what lies beside it.
    let named = path.file_name().is_some_and(|name| name.to_string_lossy() == file.name.as_str());
    if path.is_file() && (named || (entry.files.len() == 1 && !entry_named(path))) {
        return Ok(Origin::Path(path.to_owned()));
    }
    let folder = if path.is_file() { path.parent().unwrap_or(path) } else { path };
    let candidates = [folder.join(&file.name), folder.join(bare)];
    if let Some(found) = candidates.into_iter().find(|candidate| candidate.exists()) {
        return Ok(Origin::Path(found));
    }
    if path.is_dir() && named_bare(path, bare) {
        return Ok(Origin::Path(path.to_owned()));
    }
    Err(FetchError::NoFile { name: file.name.clone(), path: path.to_owned() })
}

fn is_zip_name(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip"))
}

/// Whether a path has the name of some file of the catalogue.
fn entry_named(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    super::entries().iter().flat_map(|entry| &entry.files).any(|file| *name == *file.name)
}

fn named_bare(path: &Path, bare: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy() == bare)
}

/// Fetches a model and what it crops on, and installs both. Blocks: call it from a job. Waits while
/// another fetch into the same folder goes on. Progress tells the file, the bytes and the time left.
///
/// # Errors
/// [`FetchError`] when it is installed already (and not forced), the source cannot be reached or has
/// another file, the disk is full, the files are no such model, or someone asked to stop.
pub fn fetch(entry: &Entry, options: &FetchOptions, progress: &Progress) -> Result<Fetched, FetchError> {
    let target = options.target.clone().unwrap_or_else(import_folder);
    let variable = std::env::var(SOURCE_VARIABLE).ok().filter(|text| !text.is_empty());
    let from = options.from.clone().or(variable);
    let _turn = Turn::wait(&downloads(&target), progress)?;
    let (packages, _) = ModelPackage::list();
    let here = |id: &str| {
        let own = || ModelPackage::load(&target.join(id)).ok().filter(|package| package.id == id);
        packages.iter().find(|package| package.id == id).cloned().or_else(own)
    };
    if let (Some(package), false) = (here(&entry.id), options.force) {
        let path = package.folder.unwrap_or_else(|| target.join(&entry.id));
        return Err(FetchError::Installed { id: entry.id.clone(), path });
    }
    let wanted: Vec<&Entry> = entry
        .with_dependencies()
        .into_iter()
        .filter(|needed| needed.id == entry.id || here(&needed.id).is_none())
        .collect();
    let mut origins = Vec::new();
    for needed in &wanted {
        for file in &needed.files {
            // A file given for the model itself need not have what it crops on beside it.
            let origin = match origin(needed, file, from.as_deref()) {
                Err(FetchError::NoFile { .. }) if needed.id != entry.id => origin(needed, file, None)?,
                other => other?,
            };
            origins.push(origin);
        }
    }
    sweep(&target, std::time::SystemTime::now());
    check_room(&wanted, &origins, &target)?;
    let mut fetched = Fetched { packages: Vec::new(), files: Vec::new(), warnings: Vec::new() };
    let mut origins = origins.into_iter();
    let weight: f64 = wanted.iter().map(|needed| weight(needed)).sum();
    let mut from = 0.0;
    for needed in wanted {
        let to = from + self::weight(needed) / weight;
        let own: Vec<Origin> = origins.by_ref().take(needed.files.len()).collect();
        let force = options.force || needed.id != entry.id;
        super::install::install(needed, &own, (&target, force), &mut fetched, &progress.part(from, to))?;
        from = to;
    }
    Ok(fetched)
}

#[expect(clippy::cast_precision_loss, reason = "a share of the progress")]
fn weight(entry: &Entry) -> f64 {
    entry.bytes().unwrap_or(200_000_000 * entry.files.len() as u64) as f64
}

/// Refuses to begin what the disk cannot hold: the files themselves (but what is here already), all that
/// is in those of a model (which is hardly more), and its package, about half as large (weights alone).
fn check_room(wanted: &[&Entry], origins: &[Origin], target: &Path) -> Result<(), FetchError> {
    let mut needed = 0;
    for (file, origin) in wanted.iter().flat_map(|entry| &entry.files).zip(origins) {
        needed += match origin {
            Origin::Url(_) => {
                let bytes = file.bytes.unwrap_or_default();
                bytes.saturating_sub(size(&part_path(target, &file.name)))
            }
            Origin::Path(_) => 0,
        };
    }
    let unpacked = |entry: &&Entry| entry.files.iter().filter_map(|file| file.bytes).sum::<u64>();
    let packages: u64 = wanted.iter().map(unpacked).sum();
    let largest = wanted.iter().map(unpacked).max().unwrap_or_default();
    let from_disk = |origin: &Origin| matches!(origin, Origin::Path(_));
    // A source on disk may be a clinic's own small model: its size is seen when it is read.
    let needed = if origins.iter().all(from_disk) { 0 } else { needed + packages / 2 + largest };
    match disk::free_bytes(target) {
        Some(free) if free < needed => Err(FetchError::NoRoom { free, needed, path: target.to_owned() }),
        _ => Ok(()),
    }
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |data| data.len())
}

/// Where files lie until they are whole and installed.
fn downloads(target: &Path) -> PathBuf {
    target.join(".downloads")
}

/// Where a file lies until it is whole and installed.
pub(super) fn part_path(target: &Path, name: &str) -> PathBuf {
    downloads(target).join(format!("{name}.part"))
}

/// Downloads a file and gives where it lies.
pub(super) fn download(
    file: &RemoteFile,
    url: &str,
    target: &Path,
    progress: &Progress,
) -> Result<PathBuf, FetchError> {
    let part = part_path(target, &file.name);
    let folder = part.parent().unwrap_or(target);
    std::fs::create_dir_all(folder)
        .map_err(|error| FetchError::Disk(WriteFileError::from_io(&error, folder)))?;
    let report = |have: u64, total: Option<u64>| {
        let total = total.or(file.bytes);
        let of = total.map_or_else(String::new, |total| format!(" of {}", megabytes(total)));
        progress.set_step(format!("Downloading {} ({}{of} MB)", file.name, megabytes(have)));
        #[expect(clippy::cast_precision_loss, reason = "a fraction")]
        progress.set_fraction(total.map_or(0.0, |total| have as f64 / total.max(1) as f64))
    };
    Download { url, part: &part, report: &report, progress }.run(&download::agent())?;
    Ok(part)
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{}", bytes / 1_000_000, bytes / 100_000 % 10)
}

/// Bytes of an entry's files that an interrupted fetch has left; 0 when there are none.
#[must_use]
pub fn partial_bytes(entry: &Entry) -> u64 {
    let target = import_folder();
    entry.files.iter().map(|file| size(&part_path(&target, &file.name))).sum()
}

/// Lets go of what was downloaded of a file.
pub(super) fn forget(target: &Path, name: &str) {
    let part = part_path(target, name);
    // What cannot be removed is written over by the next fetch.
    let _ = std::fs::remove_file(known_path(&part));
    let _ = std::fs::remove_file(&part);
    // Only when it is empty.
    let _ = std::fs::remove_dir(part.parent().unwrap_or(target));
}

/// Removes a model installed in `target`, and what an interrupted fetch has left of it. Gives its folder.
///
/// # Errors
/// [`ImportError`] when it is not installed, or cannot be removed.
pub fn remove(entry: &Entry, target: &Path) -> Result<PathBuf, ImportError> {
    for file in &entry.files {
        forget(target, &file.name);
    }
    import::remove(&entry.id, target)
}
