//! What a person chooses of a model of nnU-Net, and what its files leave to be known: folds, the
//! orientation of its training images, trainers of others, mirroring.
#![allow(missing_docs, reason = "tests")]

use delineo::ai::nnunet::import::{ImportOptions, import};
use delineo::ai::{ModelPackage, PredictOptions, predict};
use delineo::device::DeviceChoice;
use delineo::formats::nifti::read_image;
use delineo::geometry::{Grid, Point3, Vector3};
use delineo::patient::{Slice, Volume, Voxels};
use delineo::progress::Progress;
use std::path::{Path, PathBuf};

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nnunet").join(path)
}

const TORCHRES: &str = "torchres/nnUNetTrainer__nnUNetPlans__3d_fullres";

/// A copy of these files of a training folder; the text of the checkpoints changed.
fn copied(from: &Path, to: &Path, folds: &[&str], changes: &[(&str, &str)]) {
    std::fs::create_dir_all(to).unwrap();
    for file in ["plans.json", "dataset.json"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
    for fold in folds {
        let file = format!("{fold}/checkpoint_final.pth");
        let mut bytes = std::fs::read(from.join(&file)).unwrap();
        for (old, new) in changes {
            assert_eq!(old.len(), new.len());
            let places: Vec<usize> =
                (0..bytes.len() - old.len()).filter(|at| bytes[*at..].starts_with(old.as_bytes())).collect();
            assert!(!places.is_empty(), "{old}");
            for at in places {
                bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
            }
        }
        std::fs::create_dir_all(to.join(fold)).unwrap();
        std::fs::write(to.join(file), bytes).unwrap();
    }
}

fn imported(source: &Path, target: &Path, options: &ImportOptions) -> ModelPackage {
    let mut imported = import(source, target, options, &Progress::new()).unwrap();
    assert!(imported.refused.is_empty() && imported.packages.len() == 1);
    imported.packages.remove(0)
}

#[test]
fn a_checkpoint_that_does_not_tell_its_mirroring_mirrors_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // The trainer's name is told by the folder's alone.
    let training = folder.path().join("nnUNetTrainer_onlyMirror01__nnUNetPlans__3d_fullres");
    let no_name = ("trainer_name", "trainer_nome");
    copied(&fixture(TORCHRES), &training, &["fold_0"], &[no_name]);
    let model = ModelPackage::load(&training).unwrap().nnunet.unwrap();
    assert_eq!((model.trainer.as_str(), model.mirror_axes.is_empty()), ("nnUNetTrainer_onlyMirror01", false));
    let no_axes = ("inference_allowed_mirroring_axes", "inference_allowed_mirroring_axez");
    copied(&fixture(TORCHRES), &training, &["fold_0"], &[no_name, no_axes]);
    let model = ModelPackage::load(&training).unwrap().nnunet.unwrap();
    assert_eq!(model.trainer, "nnUNetTrainer_onlyMirror01");
    assert!(model.mirror_axes.is_empty(), "{:?}", model.mirror_axes);
}

#[test]
fn a_trainer_that_nnu_net_does_not_ship_is_told_of_at_import_and_on_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let training = folder.path().join("nnUNetTrainerGELU__nnUNetPlans__3d_fullres");
    copied(&fixture(TORCHRES), &training, &["fold_0"], &[("trainer_name", "trainer_nome")]);
    let target = folder.path().join("models");
    let other = imported(&training, &target, &ImportOptions::default());
    let warning = other.nnunet.as_ref().unwrap().trainer_warning().unwrap();
    assert!(warning.contains("nnUNetTrainerGELU is not one of nnU-Net's own"), "{warning}");
    assert!(other.card().unwrap().contains(&warning));
    let own = imported(&fixture(TORCHRES), &target, &ImportOptions::default());
    assert_eq!(own.nnunet.as_ref().unwrap().trainer_warning(), None);
    let card = own.card().unwrap();
    assert!(card.starts_with(&format!("# {} (`{}` {})", own.title, own.id, own.version)), "{card}");
    assert!(!card.contains("Warning") && card.contains("DICOM as LPS"), "{card}");
}

#[test]
fn some_folds_of_a_model_run_alone_and_those_it_lacks_are_refused() {
    let lowres = fixture("cascade/nnUNetTrainer__nnUNetPlans__3d_lowres");
    let package = ModelPackage::load(&lowres).unwrap();
    let model = package.nnunet.as_ref().unwrap();
    assert_eq!(model.fold_names(), ["0", "1"]);
    assert_eq!(package.with_folds(&[]).unwrap(), package);
    let names = |folds: &[&str]| folds.iter().map(|&fold| fold.to_owned()).collect::<Vec<String>>();
    let one = package.with_folds(&names(&["1"])).unwrap();
    let alone = one.nnunet.as_ref().unwrap();
    assert_eq!(alone.fold_names(), ["1"]);
    assert_eq!(alone.network(0).unwrap(), model.network(1).unwrap());
    assert_eq!(one.version, format!("{} fold 1", package.version));
    let both = package.with_folds(&names(&["1", "0"])).unwrap();
    assert_eq!(both.nnunet.as_ref().unwrap().fold_names(), ["0", "1"]);
    let refused = package.with_folds(&names(&["0", "2"])).unwrap_err().to_string();
    assert!(refused.contains("no fold 2") && refused.contains("it has 0, 1"), "{refused}");
    let refused = ModelPackage::find("sample-body").unwrap().with_folds(&names(&["0"])).unwrap_err();
    assert!(refused.to_string().contains("without folds"), "{refused}");
    // A fold keeps its number in a package.
    let folder = tempfile::tempdir().unwrap();
    for fold in ["fold_1", "fold_all"] {
        let training = folder.path().join(fold).join("nnUNetTrainer__nnUNetPlans__3d_lowres");
        copied(&lowres, &training, &["fold_1"], &[]);
        std::fs::rename(training.join("fold_1"), training.join(fold)).unwrap();
        let options = ImportOptions { id: Some(format!("a{fold}")), ..ImportOptions::default() };
        let package = imported(&training, &folder.path().join("models"), &options);
        let name = fold.strip_prefix("fold_").unwrap().to_owned();
        assert_eq!(package.nnunet.as_ref().unwrap().fold_names(), std::slice::from_ref(&name));
        assert!(package.with_folds(&[name]).is_ok());
    }
}

/// A volume on axes to the left, back and head, of a NIfTI image's values; its rows in reverse.
fn volumes(path: &Path) -> [Volume; 2] {
    let own = read_image(path, &Progress::new()).unwrap().series.volume;
    let dims @ [nx, ny, _] = own.grid.dims();
    let mm = own.grid.spacing_mm();
    let steps = [Vector3::x() * mm[0], Vector3::y() * mm[1], Vector3::z() * mm[2]];
    let grid = Grid::new(dims, Point3::new(-20.0, 30.0, 5.0), steps).unwrap();
    let values: Vec<f32> = (0..grid.len()).map(|at| own.voxels.value(at).unwrap_or(0.0)).collect();
    let turned = (0..grid.len()).map(|at| values[at - at / nx % ny * nx + (ny - 1 - at / nx % ny) * nx]);
    let turned = turned.collect();
    [values, turned].map(|values| Volume {
        grid: grid.clone(),
        voxels: Voxels::F32(values),
        unit: own.unit,
        slices: Slice::all_of(&grid),
        native: None,
    })
}

#[test]
fn a_model_is_given_images_in_the_orientation_that_it_was_imported_with() {
    let folder = tempfile::tempdir().unwrap();
    let stored = imported(&fixture(TORCHRES), folder.path(), &ImportOptions::default());
    let options = ImportOptions {
        id: Some("las".to_owned()),
        orientation: Some("LAS".parse().unwrap()),
        ..ImportOptions::default()
    };
    let las = imported(&fixture(TORCHRES), folder.path(), &options);
    assert_eq!(las.version, format!("{}-LAS", stored.version));
    assert!(las.card().unwrap().contains("turned to LAS"));
    let manifest = las.folder.as_ref().unwrap().join("model.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    assert!(text.contains("orientation = \"LAS\""), "{text}");
    // The one sees of an image what the other sees of it the other way round.
    let [volume, turned] = volumes(&fixture("torchres/input/case_0000.nii.gz"));
    let run = |package: &ModelPackage, volume: &Volume| {
        // Mirrored along all axes a network finds the same either way.
        let options = PredictOptions {
            device: DeviceChoice::Cpu,
            label_map: true,
            no_mirror: true,
            ..PredictOptions::default()
        };
        predict(volume, package, &options, &Progress::new()).unwrap().labels.unwrap().labels
    };
    let (of_las, of_stored) = (run(&las, &volume), run(&stored, &turned));
    let [nx, ny, _] = volume.grid.dims();
    let back = |at: usize| at - at / nx % ny * nx + (ny - 1 - at / nx % ny) * nx;
    assert!(of_las.iter().any(|label| *label != 0), "something is found");
    assert!(of_las.iter().enumerate().all(|(at, label)| *label == of_stored[back(at)]));
    assert_ne!(of_las, run(&stored, &volume), "a wrong orientation finds something else");
    // Written by hand, too; what is none is refused by its name.
    std::fs::write(&manifest, text.replace("\"LAS\"", "\"PIR\"")).unwrap();
    let by_hand = ModelPackage::load(las.folder.as_ref().unwrap()).unwrap();
    assert_eq!(by_hand.nnunet.unwrap().plan.orientation.to_string(), "PIR");
    std::fs::write(&manifest, text.replace("\"LAS\"", "\"LAR\"")).unwrap();
    let refused = ModelPackage::load(las.folder.as_ref().unwrap()).unwrap_err().to_string();
    assert!(refused.contains("orientation") && refused.contains("LAR"), "{refused}");
}

#[test]
fn both_stages_of_a_cascade_are_given_images_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    let orientation = "LAS".parse().unwrap();
    let options = ImportOptions { orientation: Some(orientation), ..ImportOptions::default() };
    let source = fixture("cascade/nnUNetTrainer__nnUNetPlans__3d_cascade_fullres");
    let package = imported(&source, folder.path(), &options);
    let of_previous =
        |package: &ModelPackage| package.nnunet.as_ref().unwrap().previous.as_ref().unwrap().plan.orientation;
    assert_eq!(of_previous(&package), orientation);
    let place = package.folder.clone().unwrap();
    let manifest = place.join("model.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    assert_eq!(text.matches("orientation = \"LAS\"").count(), 2, "{text}");
    // Told of the one alone it holds for both; told otherwise it is refused.
    let last = text.rfind("orientation = \"LAS\"\n").unwrap();
    let (before, after) = text.split_at(last);
    std::fs::write(&manifest, format!("{before}{}", &after["orientation = \"LAS\"\n".len()..])).unwrap();
    assert_eq!(of_previous(&ModelPackage::load(&place).unwrap()), orientation);
    std::fs::write(&manifest, format!("{before}{}", after.replacen("LAS", "RAS", 1))).unwrap();
    let refused = ModelPackage::load(&place).unwrap_err().to_string();
    assert!(refused.contains("orientation"), "{refused}");
}
