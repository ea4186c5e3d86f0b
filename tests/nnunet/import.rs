//! Training folders become packages, or are refused by what is wrong with them.

use super::copied::copy_folder;
use super::{BATCHNORM, CASCADE, Fixture, Own, TORCHRES, imported};
use delineo::ai::ModelPackage;
use delineo::ai::nnunet::import::{ImportError, ImportOptions, Imported, import};
use delineo::ai::nnunet::splits::record::Record;
use delineo::progress::Progress;
use std::path::Path;

#[test]
fn an_imported_package_is_the_training_folder_again() {
    for fixture in [Fixture::plain_iso(), Fixture::lowres()].into_iter().flatten() {
        let target = tempfile::tempdir().unwrap();
        // The data set's folder, above the training folder.
        let packages = imported(fixture.training.parent().unwrap(), target.path());
        let own = ModelPackage::load(&fixture.training).unwrap();
        let [package] = packages.as_slice() else { panic!("{} packages", packages.len()) };
        assert_eq!(package.id, own.id);
        assert_eq!(package.labels, own.labels);
        let (ours, theirs) = (package.nnunet.as_ref().unwrap(), own.nnunet.as_ref().unwrap());
        assert_eq!(
            (&ours.plan, &ours.dataset, &ours.mirror_axes),
            (&theirs.plan, &theirs.dataset, &theirs.mirror_axes)
        );
        assert_eq!(ours.folds(), theirs.folds());
        for fold in 0..ours.folds() {
            assert_eq!(ours.network(fold).unwrap(), theirs.network(fold).unwrap());
        }
        let again = import(&fixture.training, target.path(), &ImportOptions::default(), &Progress::new());
        assert!(matches!(again, Err(ImportError::Exists { .. })));
        let force = ImportOptions { force: true, ..ImportOptions::default() };
        import(&fixture.training, target.path(), &force, &Progress::new()).unwrap();
        let left: Vec<_> = std::fs::read_dir(target.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing but the package is left");
    }
}

/// A copy of a fixture's training folder in `place`, its checkpoint's text edited.
fn edited(own: &Own, place: &Path, from: &str, to: &str) {
    copy_folder(&own.training(), place);
    let path = place.join("fold_0/checkpoint_final.pth");
    let mut bytes = std::fs::read(&path).unwrap();
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn weights_of_another_network_are_refused_by_key_and_trainer() {
    for (from, to, key) in [
        ("decoder.seg_layers.0.bias", "decoder.seg_layerz.0.bias", "decoder.seg_layerz.0.bias"),
        ("norm.num_batches_tracked", "norm.num_batches_tracker", "num_batches_tracker"),
        ("convs.0.norm.running_var", "convs.0.norm.running_vax", "running_va"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("training");
        edited(&BATCHNORM, &source, from, to);
        let target = folder.path().join("models");
        let refused = import(&source, &target, &ImportOptions::default(), &Progress::new()).unwrap_err();
        let told = refused.to_string();
        assert!(told.contains(key) && told.contains("nnUNetTrainerBN"), "{told}");
        assert_eq!(std::fs::read_dir(&target).unwrap().count(), 0, "nothing is left");
    }
}

/// A data set's folder with models of two plans and one that cannot run.
#[test]
fn models_of_one_data_set_are_imported_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("Dataset955_TorchRes");
    let plans = std::fs::read_to_string(TORCHRES.training().join("plans.json")).unwrap();
    for (name, from, to) in [
        ("nnUNetTrainer__nnUNetPlans__3d_fullres", "", ""),
        ("nnUNetTrainer__nnUNetOtherPlans__3d_fullres", "\"nnUNetPlans\"", "\"nnUNetOtherPlans\""),
        ("nnUNetTrainer__swin__3d_fullres", "PlainConvUNet", "SwinUNETR"),
    ] {
        copy_folder(&TORCHRES.training(), &set.join(name));
        std::fs::write(set.join(name).join("plans.json"), plans.replace(from, to)).unwrap();
    }
    let target = folder.path().join("models");
    let run = |options: ImportOptions| import(&set, &target, &options, &Progress::new());
    let several = run(ImportOptions { id: Some("mine".to_owned()), ..ImportOptions::default() });
    assert!(matches!(&several, Err(ImportError::Several { count: 3, .. })), "{several:?}");
    let Imported { packages, refused } = run(ImportOptions::default()).unwrap();
    let ids: Vec<&str> = packages.iter().map(|package| package.id.as_str()).collect();
    assert_eq!(ids, ["Dataset955_TorchRes-3d_fullres-nnUNetOtherPlans", "Dataset955_TorchRes-3d_fullres"]);
    assert!(refused[0].to_string().contains("SwinUNETR") && refused.len() == 1, "{refused:?}");
    // Replaced, each by itself.
    assert!(matches!(run(ImportOptions::default()), Err(ImportError::Exists { .. })));
    let again = run(ImportOptions { force: true, ..ImportOptions::default() }).unwrap();
    assert_eq!(again.packages, packages);
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 2);
}

/// Training further goes by the folds of the training before, wherever the package is taken to.
#[test]
fn a_package_keeps_which_cases_its_folds_were_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("Dataset955_TorchRes");
    let training = set.join("nnUNetTrainer__nnUNetPlans__3d_fullres");
    copy_folder(&TORCHRES.training(), &training);
    let splits = |package: &ModelPackage| {
        let path = package.nnunet.as_ref().unwrap().splits_path();
        path.map(|path| std::fs::read_to_string(path).unwrap())
    };
    let of_set = r#"[{"train": ["MRN77", "MRN03"], "val": ["MRN12"]}]"#;
    let of_training = r#"[{"train": ["MRN12", "MRN03"], "val": ["MRN77"]}]"#;
    let target = folder.path().join("models");
    let first = imported(&training, &target);
    assert_eq!((splits(&first[0]), first[0].nnunet.as_ref().unwrap().record_path()), (None, None));
    std::fs::write(set.join("splits_final.json"), of_set).unwrap();
    assert_eq!(splits(&ModelPackage::load(&training).unwrap()).as_deref(), Some(of_set));
    std::fs::write(training.join("splits_final.json"), of_training).unwrap();
    let cases = r#"{"training": [{"image": "./imagesTr/MRN03.nii.gz"}], "#;
    let dataset = std::fs::read_to_string(training.join("dataset.json")).unwrap().replacen('{', cases, 1);
    std::fs::write(training.join("dataset.json"), dataset).unwrap();
    let force = ImportOptions { force: true, ..ImportOptions::default() };
    let Imported { packages, .. } = import(&training, &target, &force, &Progress::new()).unwrap();
    // The package knows the folds again where the cases are, and names none of them: it is handed on.
    let check = |package: &ModelPackage| {
        assert_eq!(splits(package), None);
        let path = package.nnunet.as_ref().unwrap().record_path().unwrap();
        let record = Record::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        let cases = ["MRN03", "MRN12", "MRN77"].map(str::to_owned);
        assert_eq!(record.splits(&cases).unwrap()[0].valid, ["MRN77"]);
        assert_eq!(record.splits(&cases[..2]), None);
        for entry in std::fs::read_dir(package.folder.as_ref().unwrap()).unwrap() {
            let path = entry.unwrap().path();
            // Numbers may spell anything.
            let is_text = path.extension().is_some_and(|own| own != "safetensors");
            let bytes = if is_text { std::fs::read(&path).unwrap() } else { Vec::new() };
            assert!(!bytes.windows(3).any(|own| own == b"MRN"), "{}", path.display());
        }
    };
    check(&packages[0]);
    // A package of a former version, which kept the names, is imported without them.
    let old = folder.path().join("old");
    copy_folder(packages[0].folder.as_ref().unwrap(), &old);
    std::fs::remove_file(old.join("folds.json")).unwrap();
    std::fs::write(old.join("splits_final.json"), of_training).unwrap();
    check(
        &import(&old, &folder.path().join("others"), &ImportOptions::default(), &Progress::new())
            .unwrap()
            .packages[0],
    );
}

#[test]
fn an_id_of_the_program_s_own_models_is_refused() {
    let target = tempfile::tempdir().unwrap();
    for id in ["head-neck", "body", "total_fast", "TOTAL"] {
        let options = ImportOptions { id: Some(id.to_owned()), force: true, ..ImportOptions::default() };
        let refused = import(&TORCHRES.training(), target.path(), &options, &Progress::new());
        assert!(matches!(&refused, Err(ImportError::Reserved { id: own }) if own == id), "{refused:?}");
    }
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0);
}

/// Another model of the same id has another version: its card is to be read again.
#[test]
fn a_version_tells_one_model_from_another() {
    let folder = tempfile::tempdir().unwrap();
    let first_stage = CASCADE.folder().join("nnUNetTrainer__nnUNetPlans__3d_lowres");
    let mut versions = Vec::new();
    for (number, fold) in ["fold_0", "fold_1", "fold_0"].into_iter().enumerate() {
        let training = folder.path().join(format!("{number}/nnUNetTrainer__nnUNetPlans__3d_lowres"));
        copy_folder(&first_stage.join(fold), &training.join("fold_0"));
        for file in ["plans.json", "dataset.json"] {
            std::fs::copy(first_stage.join(file), training.join(file)).unwrap();
        }
        let options = ImportOptions { force: true, ..ImportOptions::default() };
        let target = folder.path().join("models");
        let Imported { packages, .. } = import(&training, &target, &options, &Progress::new()).unwrap();
        versions.push(packages[0].version.clone());
    }
    assert_eq!(versions[0], versions[2]);
    assert_ne!(versions[0], versions[1]);
    assert!(versions.iter().all(|version| version.len() == 8), "{versions:?}");
}

#[test]
fn an_unknown_architecture_is_refused_with_its_name() {
    let Some(fixture) = Fixture::plain_iso() else { return };
    let folder = super::with_plans(&fixture.training, &[("PlainConvUNet", "SwinUNETR")]);
    let message = ModelPackage::load(folder.path()).unwrap_err().to_string();
    assert!(message.contains("SwinUNETR") && message.contains("plans.json"), "{message}");
}
