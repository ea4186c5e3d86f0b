//! `delineo model`: the models there are; importing and removing them.

use super::bar::with_bar;
use crate::ai::ModelPackage;
use crate::ai::nnunet::import::{ImportOptions, import, remove};
use crate::ai::package::import_folder;
use anyhow::bail;
use serde_json::json;
use std::path::PathBuf;

/// Shows and manages model packages.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists the models: shipped with the program, imported, or found in folders.
    List {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Imports models of nnU-Net v2: a training folder, the data set's folder above it, or a ZIP
    /// archive of either.
    Import {
        /// The folder or archive.
        #[arg(value_name = "DIR")]
        path: PathBuf,
        /// The model's id, in place of one made of the data set and configuration.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// Replaces a model of the same id.
        #[arg(long)]
        force: bool,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Removes an imported model.
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
        Action::Import { path, id, force, json } => {
            if !path.exists() {
                bail!("there is no such folder or archive: {}", path.display());
            }
            let options = ImportOptions { id: id.clone(), force: *force };
            let packages = with_bar(|progress| import(path, &import_folder(), &options, progress))?;
            if *json {
                let models: Vec<_> = packages.iter().map(model_json).collect();
                outln!("{:#}", json!({ "models": models }));
                return Ok(());
            }
            for package in &packages {
                show(package);
                let folder = package.folder.as_ref().map(|folder| folder.display().to_string());
                eprintln!("    imported to {}", folder.unwrap_or_default());
            }
            Ok(())
        }
        Action::Remove { id, json } => {
            let folder = remove(id, &import_folder())?;
            if *json {
                outln!("{:#}", json!({ "removed": id, "path": folder }));
            } else {
                outln!("removed {id}: {}", folder.display());
            }
            Ok(())
        }
    }
}

fn list(json: bool) {
    let (packages, errors) = ModelPackage::list();
    for error in errors {
        eprintln!("warning: {error}");
    }
    if json {
        let models: Vec<_> = packages.iter().map(model_json).collect();
        outln!("{:#}", json!({ "models": models }));
        return;
    }
    packages.iter().for_each(show);
    outln!("body: the external contour by classical means (CT); no network");
}

fn show(package: &ModelPackage) {
    let modality = if package.modality.is_empty() { "any images" } else { &package.modality };
    let source = package.source.word();
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
        "source": package.source.word(),
        "training_data": package.provenance.data,
        "installed": true,
    })
}
