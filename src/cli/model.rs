//! `delineo model`: the models there are.

use crate::ai::ModelPackage;
use serde_json::json;

/// Shows and manages model packages.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists the models: shipped with the program, or found in folders.
    List {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// None at present: a package that cannot be used is a warning.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let Action::List { json } = args.action;
    let (packages, errors) = ModelPackage::list();
    for error in errors {
        eprintln!("warning: {error}");
    }
    if json {
        let models: Vec<_> = packages.iter().map(model_json).collect();
        outln!("{:#}", json!({ "models": models }));
        return Ok(());
    }
    for package in &packages {
        outln!(
            "{} {}: {} ({}, {})",
            package.id,
            package.version,
            package.title,
            package.modality,
            package.source.word()
        );
        let organs: Vec<&str> = package.labels.iter().map(|label| label.name.as_str()).collect();
        outln!("    {}", organs.join(", "));
        outln!("    licence {}; trained on {}", package.license, package.provenance.data);
    }
    outln!("body: the external contour by classical means (CT); no network");
    Ok(())
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
