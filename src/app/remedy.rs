//! What models and files fail with, in words for the window.
//!
//! An error tells what happened, on which file, and a remedy of the command line, which shows it as it
//! is. The window has other remedies (a field, a panel, a button): these are chosen here, by who shows
//! them. Everything else is told as it is.

use crate::ai::catalogue::{self, FetchError};
use crate::ai::engine::EngineError;
use crate::ai::nnunet::import::ImportError;
use crate::ai::nnunet::predict::CaseError;
use crate::ai::package::PackageError;
use crate::ai::train::TrainError;
use crate::ai::{BodyError, PredictError};
use crate::new_file::WriteFileError;
use crate::session::channels::ChannelError;

/// An error that the window shows.
pub(super) trait InWindow {
    /// What happened and what to do about it here; begins with a small letter, as errors do.
    fn in_window(&self) -> String;
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

impl InWindow for WriteFileError {
    fn in_window(&self) -> String {
        match self {
            Self::Exists { path } => {
                format!("the file already exists; choose another name: {}", path.display())
            }
            other => other.to_string(),
        }
    }
}

impl InWindow for PackageError {
    fn in_window(&self) -> String {
        match self {
            Self::Unknown { wanted, .. } => {
                format!(
                    "the model {wanted} is not on this machine; choose another, or import it under Models"
                )
            }
            Self::NotFetched { id } => {
                let title = catalogue::entry(id).map_or(id, |entry| &entry.title);
                format!("{title} is not on this machine; get it under Models")
            }
            other => other.to_string(),
        }
    }
}

impl InWindow for ImportError {
    fn in_window(&self) -> String {
        match self {
            Self::Package(error) => error.in_window(),
            Self::Exists { id, path } => format!("there is a model {id} already: {}", path.display()),
            Self::Reserved { id } => format!(
                "its id {id} belongs to a model of the program or of its catalogue; give it another: \
                 dataset_name in its plans.json, or id in its model.toml"
            ),
            Self::NotImported { id, path } => {
                let place = path.as_deref().map_or(String::new(), |path| format!(": {}", path.display()));
                format!(
                    "the model {id} is part of the program or of another folder; only those that were imported or \
                     got here can be removed{place}"
                )
            }
            Self::Several { count, path, .. } => {
                format!("there are {count} models; import the training folder of one: {}", path.display())
            }
            Self::NoRoom { free, needed, path } => format!(
                "the disk has {} MB free and the archive unpacks to {} MB; free some space: {}",
                free / 1_000_000,
                megabytes(*needed),
                path.display()
            ),
            Self::Unwritable { reason, path } => format!(
                "the model's files cannot be changed ({reason}); free some space, or see that this folder may be \
                 written to: {}",
                path.display()
            ),
            other => other.to_string(),
        }
    }
}

impl InWindow for FetchError {
    fn in_window(&self) -> String {
        match self {
            Self::Installed { id, path } => format!(
                "the model {id} is on this machine already; remove it first to get it again: {}",
                path.display()
            ),
            Self::NeedsKey { id, file, homepage } => format!(
                "the model {id} is given only with a licence key; get its file {file} from {homepage} and put \
                 the file's path under Where from"
            ),
            Self::Unreachable { reason, url } => format!(
                "the server cannot be reached ({reason}); connect to the internet, put another server or a folder \
                 under Where from, or copy the models folder of another machine: {url}"
            ),
            Self::NotThere { url } => format!(
                "there is no such file on the server (404); put another source under Where from: {url}"
            ),
            Self::Refused { reason, url } => format!(
                "the server does not give the file: {reason}; put another source under Where from: {url}"
            ),
            Self::NoFile { name, path } => format!(
                "there is no {name} there; put its folder, the file itself, or an address under Where from: {}",
                path.display()
            ),
            Self::NoRoom { free, needed, path } => format!(
                "the disk has {} MB free and the model needs about {} MB; free some space: {}",
                free / 1_000_000,
                megabytes(*needed),
                path.display()
            ),
            // Whatever lies there is no model that can be used: those were looked for first.
            Self::Import(ImportError::Exists { id, path }) => format!(
                "a model {id} lies there that cannot be used; remove it under Models first: {}",
                path.display()
            ),
            Self::Import(error) => error.in_window(),
            Self::Disk(error) => error.in_window(),
            other => other.to_string(),
        }
    }
}

impl InWindow for ChannelError {
    fn in_window(&self) -> String {
        match self {
            Self::Missing { name, .. } => {
                format!(
                    "no series is given for {name}; choose one of the same frame of reference under Images"
                )
            }
            Self::Contradicted { name, description, why, .. } => format!(
                "{name} would be the open series \"{description}\", which {why}; choose the series of {name} under Images"
            ),
            other => other.to_string(),
        }
    }
}

impl InWindow for EngineError {
    fn in_window(&self) -> String {
        match self {
            Self::NoGpu(reason) => format!(
                "the graphics device does not run the model ({reason}); start the program again, or update the \
                 device's driver"
            ),
            other @ (Self::Memory { .. } | Self::Cancelled(_)) => other.to_string(),
        }
    }
}

impl InWindow for CaseError {
    fn in_window(&self) -> String {
        match self {
            Self::Channels { model, wanted, names, given } => format!(
                "the model {model} takes {wanted} images ({names}) and {given} given; choose a series for each \
                 under Images"
            ),
            Self::Package(error) => error.in_window(),
            Self::Engine(error) => error.in_window(),
            other => other.to_string(),
        }
    }
}

impl InWindow for PredictError {
    fn in_window(&self) -> String {
        match self {
            Self::Package(error) => error.in_window(),
            Self::Engine(error) => error.in_window(),
            Self::NnUnet(error) => error.in_window(),
            other => other.to_string(),
        }
    }
}

impl InWindow for BodyError {
    fn in_window(&self) -> String {
        self.to_string()
    }
}

impl InWindow for TrainError {
    fn in_window(&self) -> String {
        match self {
            Self::Init(error) => error.in_window(),
            Self::Engine(error) => error.in_window(),
            Self::Write(error) => error.in_window(),
            Self::Checkpoint { reason, path } => format!(
                "the checkpoint cannot be continued: {reason}; choose another folder for the result, or move it \
                 away: {}",
                path.display()
            ),
            Self::Device { device, reason } => format!(
                "training stopped on {device} ({reason}); start it again, it goes on from the last checkpoint"
            ),
            Self::Memory { what, needed, free, .. } => format!(
                "{what} {} MB of memory, {} MB are free; give a recipe with smaller patches, or close other \
                 programs",
                megabytes(*needed),
                free / 1_000_000
            ),
            other => other.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn no_error_of_the_window_speaks_of_the_command_line() {
        let (id, path, url) = ("m".to_owned(), PathBuf::from("/models/m"), "https://host/m.zip".to_owned());
        let reason = || "no route".to_owned();
        let not_fetched = || PackageError::NotFetched { id: "total_fastest".to_owned() };
        let no_gpu = || EngineError::NoGpu("none".to_owned());
        let exists = || ImportError::Exists { id: id.clone(), path: path.clone() };
        let channels = CaseError::Channels {
            model: id.clone(),
            wanted: 2,
            names: "CT, PET".to_owned(),
            given: "one is".to_owned(),
        };
        let (free, needed) = (1_000_000, 2_000_000);
        let errors: Vec<Box<dyn InWindow>> = vec![
            Box::new(PackageError::Unknown { wanted: id.clone(), available: "a, b".to_owned() }),
            Box::new(not_fetched()),
            Box::new(exists()),
            Box::new(ImportError::Reserved { id: id.clone() }),
            Box::new(ImportError::NotImported { id: id.clone(), path: Some(path.clone()) }),
            Box::new(ImportError::Several { id: id.clone(), count: 2, path: path.clone() }),
            Box::new(ImportError::NoRoom { free, needed, path: path.clone() }),
            Box::new(ImportError::Unwritable { reason: reason(), path: path.clone() }),
            Box::new(ImportError::Package(not_fetched())),
            Box::new(FetchError::Installed { id: id.clone(), path: path.clone() }),
            Box::new(FetchError::NeedsKey { id: id.clone(), file: "f".to_owned(), homepage: url.clone() }),
            Box::new(FetchError::Unreachable { reason: reason(), url: url.clone() }),
            Box::new(FetchError::NotThere { url: url.clone() }),
            Box::new(FetchError::Refused { reason: reason(), url }),
            Box::new(FetchError::NoFile { name: "f".to_owned(), path: path.clone() }),
            Box::new(FetchError::NoRoom { free, needed, path: path.clone() }),
            Box::new(FetchError::Disk(WriteFileError::Exists { path: path.clone() })),
            Box::new(FetchError::Import(exists())),
            Box::new(ChannelError::Missing { number: 1, name: "PET".to_owned() }),
            Box::new(ChannelError::Contradicted {
                number: 0,
                name: "T1".to_owned(),
                description: "T1 post".to_owned(),
                why: "is after contrast".to_owned(),
            }),
            Box::new(channels),
            Box::new(PredictError::Package(not_fetched())),
            Box::new(PredictError::Engine(no_gpu())),
            Box::new(TrainError::Init(not_fetched())),
            Box::new(TrainError::Engine(no_gpu())),
            Box::new(TrainError::Checkpoint { reason: reason(), path: path.clone() }),
            Box::new(TrainError::Device { device: "GPU".to_owned(), reason: reason() }),
            Box::new(TrainError::Memory {
                what: "a step takes about".to_owned(),
                needed: 2,
                free: 1,
                remedy: "use --patch",
            }),
        ];
        for error in errors {
            let text = error.in_window();
            let is_of_the_command_line = |word: &str| word.contains("--") || word.contains("DELINEO_");
            assert!(!text.split(' ').any(is_of_the_command_line) && !text.contains('`'), "{text}");
        }
        let told = FetchError::NotThere { url: "u".to_owned() }.in_window();
        assert!(told.contains("404") && told.contains("Where from"), "{told}");
        let title = &catalogue::entry("total_fastest").unwrap().title;
        assert!(PredictError::Package(not_fetched()).in_window().starts_with(title.as_str()));
    }
}
