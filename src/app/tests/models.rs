//! Models around the window: getting them, what a study asks for, what one needs, and the folder that
//! they lie in.

use super::{at_work, finish_jobs, patients};
use crate::app::Workstation;
use std::sync::Arc;

/// A shop with one model that fails the first time and comes the second.
fn shop() -> crate::app::models::Shop {
    use crate::ui::state::CatalogueLine;
    let tries = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let entries = || {
        vec![CatalogueLine {
            id: "far".to_owned(),
            title: "Far model".to_owned(),
            about: String::new(),
            modality: "CT".to_owned(),
            regions: vec![crate::patient::BodyRegion::Chest],
            fit: crate::session::suggestion::Fit::Possible(String::new()),
            is_coarse: false,
            license: "CC BY-NC 4.0".to_owned(),
            license_warning: Some("Not for commercial use.".to_owned()),
            bytes: Some(5_000_000),
            partial_bytes: 0,
            organs: vec!["Heart".to_owned()],
            installed: false,
            problem: None,
        }]
    };
    let fetch = move |id: &str, source: &str, _: &std::path::Path, _: &crate::progress::Progress| {
        assert_eq!((id, source), ("far", "/mnt/models"));
        match tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Err("The server cannot be reached.".to_owned()),
            _ => Ok("Far model is ready.".to_owned()),
        }
    };
    crate::app::models::Shop { entries: Arc::new(entries), fetch: Arc::new(fetch), ..Default::default() }
}

#[test]
fn a_model_is_fetched_and_a_failure_stays_until_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut station = Workstation::in_folder(&[], folder.path());
    station.shop = shop();
    station.state.model_source = " /mnt/models ".to_owned();
    station.look_for_models();
    finish_jobs(&mut station);
    assert_eq!(station.desk.catalogue.len(), 1);
    station.carry_out(crate::ui::Request::Fetch("far".to_owned()));
    finish_jobs(&mut station);
    let problem = |station: &Workstation| station.desk.catalogue[0].problem.clone();
    assert_eq!(problem(&station).as_deref(), Some("The server cannot be reached."), "also after a new look");
    station.carry_out(crate::ui::Request::ForgetProblem("far".to_owned()));
    assert_eq!(problem(&station), None);
    station.carry_out(crate::ui::Request::Fetch("far".to_owned()));
    finish_jobs(&mut station);
    assert_eq!(problem(&station), None);
    assert_eq!(station.state().toasts.list().last().unwrap().text, "Far model is ready.");
}

#[test]
fn a_model_to_get_is_judged_by_what_the_study_shows() {
    use crate::patient::BodyRegion;
    let folder = tempfile::tempdir().unwrap();
    let [series, _] = patients();
    let mut station = at_work(series, folder.path());
    station.shop = shop();
    station.look_for_models();
    finish_jobs(&mut station);
    let seen = |station: &mut Workstation, regions: &[BodyRegion]| {
        station
            .regions_seen(crate::ai::regions::SeenRegions { regions: regions.to_vec(), body_mm: [0.0; 2] });
        station.desk.catalogue[0].fit.rank()
    };
    assert_eq!(seen(&mut station, &[BodyRegion::Chest]), 0, "a heart is in a chest");
    assert_eq!(seen(&mut station, &[BodyRegion::Head]), 2);
    assert_eq!(seen(&mut station, &[]), 1);
}

/// What the catalogue suggests for a study of these regions, in its order.
fn suggested(station: &mut Workstation, regions: &[crate::patient::BodyRegion]) -> Vec<String> {
    let regions = regions.to_vec();
    station.regions_seen(crate::ai::regions::SeenRegions { regions, body_mm: [0.0; 2] });
    let lines = station.desk.catalogue.iter();
    lines.filter(|line| line.fit.rank() == 0 && !line.is_coarse).map(|line| line.id.clone()).collect()
}

#[test]
fn the_catalogue_suggests_whole_organs_first_then_their_parts_and_never_findings() {
    use crate::ai::catalogue::{Purpose, entry};
    use crate::patient::BodyRegion::{Abdomen, Chest, Head, Neck, Pelvis};
    let folder = tempfile::tempdir().unwrap();
    let [series, _] = patients();
    let mut station = at_work(series, folder.path());
    station.look_for_models();
    finish_jobs(&mut station);
    let coarse: Vec<String> =
        station.desk.catalogue.iter().filter(|line| line.is_coarse).map(|line| line.id.clone()).collect();
    assert_eq!(coarse, ["total_fastest", "body_regions_fast"], "others that are cropped on are models too");
    let whole = ["total", "total_fast", "total_v3_fast"];
    assert_eq!(suggested(&mut station, &[Abdomen])[..3], whole);
    assert_eq!(suggested(&mut station, &[Abdomen])[3], "liver_segments");
    assert!(suggested(&mut station, &[Chest]).iter().any(|id| id == "lung_vessels"));
    assert_eq!(suggested(&mut station, &[Head, Neck])[..3], whole);
    assert_eq!(suggested(&mut station, &[Head, Neck])[3], "head_glands_cavities");
    for regions in [vec![Abdomen, Pelvis], vec![Chest, Abdomen], vec![Head], vec![Pelvis]] {
        let purposes: Vec<Purpose> =
            suggested(&mut station, &regions).iter().map(|id| entry(id).unwrap().purpose).collect();
        assert!(purposes.is_sorted() && purposes.contains(&Purpose::Details), "{regions:?}: {purposes:?}");
        assert!(!purposes.contains(&Purpose::Findings), "{regions:?}");
        assert_eq!(purposes[0], Purpose::Organs);
    }
    let cysts = station.desk.catalogue.iter().find(|line| line.id == "kidney_cysts").unwrap();
    assert_eq!(cysts.fit.rank(), 2, "not in the pelvis");
    suggested(&mut station, &[Abdomen]);
    let cysts = station.desk.catalogue.iter().find(|line| line.id == "kidney_cysts").unwrap();
    assert_eq!(cysts.fit.why(), "For findings in abdomen, seen in this CT.");
    station.close_all();
}

#[test]
fn of_models_on_this_machine_whole_organs_stand_before_parts_and_findings_come_last() {
    let folder = tempfile::tempdir().unwrap();
    let [series, _] = patients();
    let mut station = at_work(series, folder.path());
    let mut found = crate::app::models::find(&station.shop);
    let plain = found.lines.pop().unwrap();
    let line = |id: &str, organs: &[&str]| crate::ui::state::ModelLine {
        id: id.to_owned(),
        source: "imported",
        organs: organs.iter().map(|organ| (*organ).to_owned()).collect(),
        ..plain.clone()
    };
    found.lines = vec![
        line("kidney_cysts", &["Kidney_Cyst_L"]),
        line("abdominal_muscles", &["Musc_Psoas_L"]),
        line("total", &["Liver", "Spleen", "Kidney_L"]),
        line("own", &["Liver", "Stomach", "Pancreas"]),
        plain.clone(),
    ];
    station.models_found(found);
    suggested(&mut station, &[crate::patient::BodyRegion::Abdomen]);
    let ids: Vec<&str> = station.desk.models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["own", "total", "abdominal_muscles", "body", "kidney_cysts"]);
    station.close_all();
}

#[test]
fn a_model_whose_crop_model_is_absent_says_so_and_its_removal_names_it() {
    use crate::ui::state::{Estimate, Place};
    let folder = tempfile::tempdir().unwrap();
    let [series, _] = patients();
    let mut station = at_work(series, folder.path());
    station.shop = shop();
    let found = |station: &Workstation, with_coarse: bool| {
        let mut found = crate::app::models::find(&station.shop);
        let plain = found.lines.pop().unwrap();
        let crops_on = Some("far".to_owned());
        let id = |id: &str| id.to_owned();
        let mut lines = vec![crate::ui::state::ModelLine { id: id("muscles"), crops_on, ..plain.clone() }];
        if with_coarse {
            lines.push(crate::ui::state::ModelLine { id: id("far"), ..plain });
        }
        crate::app::models::FoundModels { lines, ..found }
    };
    let place = |station: &Workstation| station.desk.models.iter().position(|line| line.id == "muscles");
    let none = found(&station, false);
    station.models_found(none);
    let muscles = station.desk.models[place(&station).unwrap()].clone();
    assert_eq!(muscles.fit.rank(), 3);
    assert_eq!(muscles.fit.why(), "Needs Far model, which is not on this machine.");
    // How long it takes is not told without what it needs, whatever was measured.
    station.state.place = Place::Propose;
    station.state.propose.model = Some("muscles".to_owned());
    station.desk.model_device.clear();
    let key = station.speed_key(&muscles);
    assert_eq!(key, format!("the processor, muscles {}", muscles.version), "there is no package of it");
    let speed = crate::session::preferences::ModelSpeed {
        seconds_per_teramac: 1.0,
        seconds_per_megavoxel: 1.0,
        from_run: true,
    };
    station.preferences.model_speeds.insert(key, speed);
    station.estimate_time();
    assert_eq!(station.desk.estimate, Estimate::Unknown);

    let both = found(&station, true);
    station.models_found(both);
    assert!(station.desk.models[place(&station).unwrap()].fit.rank() < 3);
    let names: Vec<&str> = station.desk.dependants("far").iter().map(|line| line.id.as_str()).collect();
    assert_eq!(names, ["muscles"]);
    assert!(station.desk.dependants("muscles").is_empty());
    station.estimate_time();
    assert!(matches!(station.desk.estimate, Estimate::Known { .. }));
    station.close_all();
}

/// What a killed import has left goes when the window opens; a look at the models leaves the folder alone.
#[test]
fn the_models_folder_is_tidied_at_the_start_alone() {
    use std::fs::{File, create_dir, write};
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("models");
    let left = target.join(".delineo-1.part");
    create_dir(&target).unwrap();
    create_dir(&left).unwrap();
    write(left.join("model.toml"), "half").unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(72);
    for path in [left.join("model.toml"), left.clone()] {
        File::open(path).unwrap().set_modified(long_ago).unwrap();
    }
    let mut station = Workstation::in_folder(&[], folder.path());
    station.shop = shop();
    station.shop.target.clone_from(&target);
    station.look_for_models();
    finish_jobs(&mut station);
    assert!(left.exists());
    station.look_around();
    finish_jobs(&mut station);
    assert!(!left.exists());
}
