//! `delineo open PATH...`, and `delineo` alone: the window.

use crate::app;
use std::path::PathBuf;

/// Opens the workstation: at the start screen, or on these files.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Files and folders to open.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// Opens the window and stays until it is closed.
///
/// # Errors
/// When a path does not exist, or there is no display or graphics driver.
pub fn run(args: &Args) -> anyhow::Result<()> {
    for path in &args.paths {
        anyhow::ensure!(path.exists(), "there is no such file or folder: {}", path.display());
    }
    app::run(app::RunOptions { paths: args.paths.clone(), ..app::RunOptions::default() })?;
    Ok(())
}
