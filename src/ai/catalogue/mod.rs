//! The catalogue: models that others publish and that this program can fetch, install and run.
//!
//! `assets/models.toml` says of each where its files are, under which licence, and what every label
//! is: TG-263 name, interpreted type, colour and anatomic code ([`Entry`], [`Organ`]). [`fetch`]
//! brings the files (from the publisher, a clinic's own mirror, or a disk), checks them and makes a
//! model package that runs like any other. Nothing is fetched unless a person asks for it.

mod download;
mod entry;
mod fetch;
mod install;
mod turn;

pub use self::entry::{Entry, Organ, Purpose, RemoteFile, entries, entry};
pub use self::fetch::{
    FetchError, FetchOptions, Fetched, FetchedFile, SOURCE_VARIABLE, fetch, partial_bytes, remove,
};

pub use self::install::card;

use crate::ai::ModelPackage;

/// Whether the entry's model is there, wherever it came from (fetched here, or a models folder
/// copied from another machine). Models that it crops on count apart: see [`missing`].
#[must_use]
pub fn installed(entry: &Entry) -> bool {
    let (packages, _) = ModelPackage::list();
    packages.iter().any(|package| package.id == entry.id)
}

/// The entries that must be fetched before this one can run, those it crops on first and itself
/// last; empty when all is there.
#[must_use]
pub fn missing(entry: &Entry) -> Vec<&Entry> {
    let (packages, _) = ModelPackage::list();
    entry
        .with_dependencies()
        .into_iter()
        .filter(|needed| !packages.iter().any(|package| package.id == needed.id))
        .collect()
}
