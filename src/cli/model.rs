//! `delineo model`: the models there are; fetching, importing and removing them.

use super::bar::with_bar;
use crate::ai::ModelPackage;
use crate::ai::catalogue::{self, Entry, FetchOptions};
use crate::ai::nnunet::import::{ImportOptions, import, remove};
use crate::ai::nnunet::{Model, Orientation};
use crate::ai::package::{Source, import_folder};
use anyhow::bail;
use serde_json::json;
use std::path::PathBuf;
use std::str::FromStr as _;

/// Shows and manages model packages.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists the models: shipped with the program, imported or found in folders, and those that can be
    /// fetched.
    List {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Imports models of nnU-Net v2 (a training folder, the data set's folder above it, or a ZIP archive
    /// of either), or a model that `delineo train` has made (its folder, or a ZIP archive of it).
    Import {
        /// The folder or archive.
        #[arg(value_name = "DIR")]
        path: PathBuf,
        /// The model's id, in place of one made of the data set and configuration.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// How images are handed over to it, in place of what its plans say: `stored` (NIfTI as it is,
        /// DICOM as LPS), or the sides that the axes of its training images run to, x first, such as LAS
        /// for CT that dcm2niix has made NIfTI of.
        #[arg(long, value_name = "LAS", value_parser = Orientation::from_str)]
        orientation: Option<Orientation>,
        /// Replaces a model of the same id.
        #[arg(long)]
        force: bool,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Fetches a model of the catalogue and what it needs. An interrupted fetch goes on where it was.
    Fetch {
        /// The model.
        #[arg(value_name = "ID")]
        id: String,
        /// Where its files are, instead of at their publisher's: the address of a mirror's folder, a ZIP
        /// archive, or a folder with them (also: DELINEO_MODEL_SOURCE).
        #[arg(long, value_name = "URL|FILE")]
        from: Option<String>,
        /// Fetches again what is installed already.
        #[arg(long)]
        force: bool,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Removes an imported or fetched model.
    Remove {
        /// The model.
        #[arg(value_name = "ID")]
        id: String,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// When a model cannot be imported or removed. A package that cannot be used is a warning of `list`.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.action {
        Action::List { json } => {
            list(*json);
            Ok(())
        }
        Action::Import { path, id, orientation, force, json } => {
            let options = ImportOptions { id: id.clone(), force: *force, orientation: *orientation };
            let imported = with_bar(|progress| import(path, &import_folder(), &options, progress))?;
            let refused: Vec<String> = imported.refused.iter().map(ToString::to_string).collect();
            for why in &refused {
                eprintln!("warning: a model was not imported: {why}");
            }
            let mut warnings = Vec::new();
            for package in &imported.packages {
                let warning = package.nnunet.as_ref().and_then(Model::trainer_warning);
                warnings.extend(warning.map(|warning| format!("{}: {warning}", package.id)));
            }
            for warning in &warnings {
                eprintln!("warning: {warning}");
            }
            if *json {
                let models: Vec<_> = imported.packages.iter().map(imported_json).collect();
                outln!("{:#}", json!({ "models": models, "refused": refused, "warnings": warnings }));
                return Ok(());
            }
            for package in &imported.packages {
                show(package);
                if let Some(model) = &package.nnunet {
                    outln!("    images handed over: {}", model.plan.orientation.told());
                    if model.folds() > 1 {
                        outln!("    folds {} (contour --fold N takes some)", model.fold_names().join(", "));
                    }
                }
                let folder = package.folder.as_ref().map(|folder| folder.display().to_string());
                eprintln!("    imported to {}", folder.unwrap_or_default());
            }
            Ok(())
        }
        Action::Fetch { id, from, force, json } => {
            let options = FetchOptions { from: from.clone(), target: None, force: *force };
            fetch(id, &options, *json)
        }
        Action::Remove { id, json } => {
            let folder = match catalogue::entry(id) {
                Some(entry) => catalogue::remove(entry, &import_folder())?,
                None => remove(id, &import_folder())?,
            };
            if *json {
                outln!("{:#}", json!({ "removed": id, "path": folder }));
            } else {
                outln!("removed {id}: {}", folder.display());
            }
            Ok(())
        }
    }
}

fn fetch(id: &str, options: &FetchOptions, json: bool) -> anyhow::Result<()> {
    let Some(entry) = catalogue::entry(id) else {
        let known: Vec<&str> = catalogue::entries().iter().map(|entry| entry.id.as_str()).collect();
        bail!("the catalogue has no model {id}; it has {}", known.join(", "));
    };
    eprintln!("{}: licence {}", entry.title, entry.license);
    if let Some(warning) = &entry.license_warning {
        eprintln!("warning: {warning}");
    }
    let fetched = with_bar(|progress| catalogue::fetch(entry, options, progress))?;
    for warning in &fetched.warnings {
        eprintln!("warning: {warning}");
    }
    if json {
        let models: Vec<_> = fetched.packages.iter().map(model_json).collect();
        let files: Vec<_> = fetched
            .files
            .iter()
            .map(|file| {
                json!({
                    "name": file.name,
                    "source": file.source,
                    "bytes": file.bytes,
                    "sha256": file.sha256,
                    "verified": file.verified,
                })
            })
            .collect();
        outln!("{:#}", json!({ "models": models, "files": files, "warnings": fetched.warnings }));
        return Ok(());
    }
    fetched.packages.iter().for_each(show);
    for file in &fetched.files {
        let said = if file.verified { "as published" } else { "recorded; its publisher tells none" };
        outln!("    {}: {} bytes, SHA-256 {} ({said})", file.name, file.bytes, file.sha256);
    }
    Ok(())
}

/// The entries of the catalogue that none of these packages is.
fn to_fetch(packages: &[ModelPackage]) -> impl Iterator<Item = &'static Entry> {
    catalogue::entries().iter().filter(|entry| !packages.iter().any(|package| package.id == entry.id))
}

fn list(json: bool) {
    let (packages, errors) = ModelPackage::list();
    for error in errors {
        eprintln!("warning: {error}");
    }
    if json {
        let models: Vec<_> =
            packages.iter().map(model_json).chain(to_fetch(&packages).map(entry_json)).collect();
        outln!("{:#}", json!({ "models": models }));
        return;
    }
    packages.iter().for_each(show);
    outln!("body: the external contour by classical means (CT); no network");
    for entry in to_fetch(&packages) {
        let size = entry.bytes().map_or_else(String::new, |bytes| format!(", {} MB", bytes / 1_000_000));
        outln!("{} {}: {} ({}, download{size})", entry.id, entry.version, entry.title, entry.modality);
        outln!("    {} structures; licence {}", entry.organs.len(), entry.license);
        if let Some(warning) = &entry.license_warning {
            outln!("    {warning}");
        }
        outln!("    delineo model fetch {}", entry.id);
    }
}

/// Where a package is from; what the catalogue has was fetched.
fn source(package: &ModelPackage) -> &'static str {
    let fetched = package.source == Source::Imported && catalogue::entry(&package.id).is_some();
    if fetched { "download" } else { package.source.word() }
}

fn entry_json(entry: &'static Entry) -> serde_json::Value {
    json!({
        "id": entry.id,
        "title": entry.title,
        "version": entry.version,
        "organs": entry.organs.iter().map(|organ| organ.name.as_str()).collect::<Vec<_>>(),
        "modality": entry.modality,
        "license": entry.license,
        "license_warning": entry.license_warning,
        "source": "download",
        "training_data": entry.training_data,
        "installed": false,
        "bytes": entry.bytes(),
        "partial_bytes": catalogue::partial_bytes(entry),
    })
}

fn show(package: &ModelPackage) {
    let modality = if package.modality.is_empty() { "any images" } else { &package.modality };
    let source = source(package);
    outln!("{} {}: {} ({modality}, {source})", package.id, package.version, package.title);
    let organs: Vec<&str> = package.labels.iter().map(|label| label.name.as_str()).collect();
    outln!("    {}", organs.join(", "));
    outln!("    licence {}; trained on {}", package.license, package.provenance.data);
}

fn model_json(package: &ModelPackage) -> serde_json::Value {
    json!({
        "id": package.id,
        "title": package.title,
        "version": package.version,
        "organs": package.labels.iter().map(|label| label.name.as_str()).collect::<Vec<_>>(),
        "modality": package.modality,
        "license": package.license,
        "source": source(package),
        "training_data": package.provenance.data,
        "installed": true,
    })
}

/// An imported model, and how it is run.
fn imported_json(package: &ModelPackage) -> serde_json::Value {
    let mut document = model_json(package);
    if let Some(model) = &package.nnunet {
        document["trainer"] = json!(model.trainer);
        document["folds"] = json!(model.fold_names());
        document["orientation"] = json!(model.plan.orientation.to_string());
    }
    document
}
