//! Organs found by classical means, against the reference label maps of the shared data.

use delineo::ai::body::{BodyExtent, body_mask, extent_mask};
use delineo::dicom::{read_series, scan};
use delineo::edit::algebra::Region;
use delineo::edit::segment::{BoneOptions, LungSide, airways, bones, lungs};
use delineo::formats::nifti::{read_image, read_labels};
use delineo::geometry::rasterise::{self, Frame};
use delineo::patient::{LabelMap, Volume};
use delineo::progress::Progress;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn data(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(part);
    if !path.exists() {
        println!("skipped: no shared data ({part})");
        return None;
    }
    Some(path)
}

struct Case {
    volume: Arc<Volume>,
    labels: LabelMap,
    names: BTreeMap<String, String>,
    body: Vec<bool>,
}

impl Case {
    fn read(part: &str) -> Option<Self> {
        let folder = data(part)?;
        let progress = Progress::new();
        let volume = if folder.join("ct.nii.gz").exists() {
            read_image(&folder.join("ct.nii.gz"), &progress).unwrap().series.volume
        } else {
            let library = scan(std::slice::from_ref(&folder), &progress).unwrap();
            read_series(&library.series[0], &progress).unwrap().series.volume
        };
        let labels = read_labels(&folder.join("labels.nii.gz"), &progress).unwrap();
        let labels = labels.on_grid(&volume.grid).unwrap();
        let names = std::fs::read_to_string(folder.join("labels.json")).unwrap();
        let names = serde_json::from_str(&names).unwrap();
        let body = body_mask(&volume, &progress).unwrap();
        Some(Self { volume, labels, names, body })
    }

    /// Dice on voxel centres with the labels whose names are chosen.
    fn dice(&self, region: &Region, chosen: impl Fn(&str) -> bool) -> f64 {
        let is_chosen = |label: u16| self.names.get(&label.to_string()).is_some_and(|name| chosen(name));
        let ours: Vec<bool> = (0..=u16::from(u8::MAX)).map(is_chosen).collect();
        let truth: Vec<bool> = self.labels.labels.iter().map(|label| ours[usize::from(*label)]).collect();
        let [ni, nj, _] = self.volume.grid.dims();
        let (mut found, mut both) = (0, 0);
        for (slice, polygons) in region.slices() {
            let frame = Frame::of_slice(&self.volume.grid, slice, &self.volume.slices[slice].plane).unwrap();
            let inside = rasterise::polygons(polygons, &frame);
            found += inside.iter().filter(|own| **own).count();
            let truth = &truth[slice * ni * nj..(slice + 1) * ni * nj];
            both += inside.iter().zip(truth).filter(|(own, truth)| **own && **truth).count();
        }
        2.0 * both as f64 / (found + truth.iter().filter(|own| **own).count()) as f64
    }
}

/// The lowest thing that is dense in nearly all slices, column by column, is the couch's shell.
#[test]
fn the_couch_of_a_chest_is_in_the_widest_outline_alone() {
    let Some(case) = Case::read("chest") else { return };
    let [ni, nj, nk] = case.volume.grid.dims();
    assert!(case.volume.grid.direction(1).y > 0.99, "rows run to the back");
    let dense = |at: usize| {
        (0..nk).filter(|k| case.volume.voxels.value(at + k * ni * nj).is_some_and(|hu| hu > -300.0)).count()
    };
    let shell: Vec<usize> = (0..ni)
        .filter_map(|i| (nj / 2..nj).rev().map(|j| i + j * ni).find(|at| dense(*at) * 20 >= nk * 19))
        .filter(|at| !case.body[at + nk / 2 * ni * nj])
        .collect();
    assert!(shell.len() > 250, "{} columns", shell.len());
    let progress = Progress::new();
    let shares = BodyExtent::ALL.map(|extent| {
        let (mask, has_couch) = extent_mask(&case.volume, extent, &progress).unwrap();
        assert!(has_couch || extent == BodyExtent::Patient);
        assert!(mask.iter().zip(&case.body).all(|(own, body)| *own || !body), "the patient is in it");
        let inside = (0..nk).flat_map(|k| shell.iter().map(move |at| at + k * ni * nj));
        let inside = inside.filter(|at| mask[*at]).count();
        inside as f64 / (shell.len() * nk) as f64
    });
    println!("the couch's shell, {} columns: {shares:?}", shell.len());
    assert!(shares[0] < 1e-3 && shares[1] < 1e-3 && shares[2] > 0.98, "{shares:?}");
}

#[test]
fn lungs_and_airways_of_a_chest() {
    let Some(case) = Case::read("chest") else { return };
    let progress = Progress::new();
    for (side, word) in [(LungSide::Left, "left"), (LungSide::Right, "right")] {
        let found = lungs(&case.volume, &case.body, side, 5.0, &progress).unwrap();
        let dice = case.dice(&found, |name| name.starts_with("lung") && name.ends_with(word));
        println!("{word} lung: Dice {dice:.4}");
        assert!(dice > 0.975, "{word} lung: {dice}");
    }
    let found = airways(&case.volume, &case.body, None, &progress).unwrap();
    let dice = case.dice(&found, |name| name == "trachea");
    println!("trachea: Dice {dice:.4}, {:.1} cc with bronchi", found.volume_mm3(&case.volume) / 1000.0);
    // The reference ends in the main bronchi; what is found goes on.
    assert!(dice > 0.7 && found.volume_mm3(&case.volume) < 60_000.0, "trachea: {dice}");
}

#[test]
fn bones_of_an_abdomen() {
    let Some(case) = Case::read("abdomen") else { return };
    let found = bones(&case.volume, &case.body, &BoneOptions::default(), &Progress::new()).unwrap();
    let bony = ["vertebrae", "rib", "sternum", "sacrum", "hip", "femur"];
    let dice = case.dice(&found, |name| bony.iter().any(|start| name.starts_with(start)));
    println!("bones: Dice {dice:.4}");
    assert!(dice > 0.8, "bones: {dice}");
}
