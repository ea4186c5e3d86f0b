//! Puts the packages under `models/` into the program: one file is all that is needed to run.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let models = root.join("models");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", models.display());
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&models)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    folders.sort();
    let mut table = String::from("&[\n");
    for folder in folders {
        let [manifest, weights, card] =
            ["model.toml", "weights.safetensors", "card.md"].map(|name| folder.join(name));
        if !(manifest.is_file() && weights.is_file()) {
            continue;
        }
        assert!(card.is_file(), "every shipped model has a card: {}", card.display());
        for file in [&manifest, &weights, &card] {
            println!("cargo:rerun-if-changed={}", file.display());
        }
        let id = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let path = |file: &Path| file.to_string_lossy().into_owned();
        writeln!(
            table,
            "Shipped {{ id: {id:?}, manifest: include_str!({:?}), weights: include_bytes!({:?}), card: include_str!({:?}) }},",
            path(&manifest),
            path(&weights),
            path(&card)
        )
        .expect("writing to a string");
    }
    table.push(']');
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("shipped_models.rs");
    std::fs::write(out, table).expect("the build folder can be written to");
}
