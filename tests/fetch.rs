//! Models fetched from a server of the test's own: whole, in pieces, cut off, refused; and from a
//! disk. The packages are those of tests/fixtures/catalogue (tests/python/catalogue_models.py), small
//! networks of random weights under the names of the catalogue's files.
#![allow(missing_docs, reason = "tests")]

use delineo::ai::catalogue::{self, Entry, FetchError, FetchOptions, RemoteFile};
use delineo::ai::{ModelPackage, PredictOptions, predict};
use delineo::device::DeviceChoice;
use delineo::formats::nifti;
use delineo::progress::Progress;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

#[path = "shared/skip.rs"]
mod skip;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/catalogue")
}

/// How a server behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Good,
    /// Breaks off after so many bytes, each time.
    CutsAfter(usize),
    /// Breaks off once after so many bytes, then has another file of the same length.
    Changes(usize),
    /// Takes no notice of Range, and breaks off once after so many bytes.
    IgnoresRange(usize),
    /// Sends all, and tells neither length nor entity tag.
    TellsNothing,
}

#[derive(Default)]
struct Seen {
    /// The Range of each request, in order; empty where it had none.
    ranges: Vec<String>,
}

struct Server {
    address: String,
    seen: Arc<Mutex<Seen>>,
}

/// Serves the files by name until the test ends.
fn serve(files: HashMap<String, Vec<u8>>, manner: Manner) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Seen::default()));
    let own = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away is none of the server's business.
            let _ = answer(stream, &files, manner, &own);
        }
    });
    Server { address, seen }
}

fn answer(
    mut stream: TcpStream,
    files: &HashMap<String, Vec<u8>>,
    manner: Manner,
    seen: &Mutex<Seen>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut headers = HashMap::new();
    while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
    }
    let name = request.split_whitespace().nth(1).unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let range = headers.get("range").cloned().unwrap_or_default();
    let tries = {
        let mut seen = seen.lock().unwrap();
        seen.ranges.push(range.clone());
        seen.ranges.len()
    };
    let Some(bytes) = files.get(name) else {
        return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let changed = matches!(manner, Manner::Changes(_)) && tries > 1;
    let tag = if changed { "\"new\"" } else { "\"old\"" };
    let from = range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-')?.parse::<usize>().ok());
    let same = headers.get("if-range").is_some_and(|own| own == tag);
    let from = from.filter(|_| same && !matches!(manner, Manner::IgnoresRange(_)));
    let head = match from {
        Some(from) => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{}\r\nContent-Length: {}\r\n",
            bytes.len() - 1,
            bytes.len(),
            bytes.len() - from
        ),
        None if manner == Manner::TellsNothing => "HTTP/1.1 200 OK\r\n".to_owned(),
        None => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", bytes.len()),
    };
    let tag = if manner == Manner::TellsNothing { String::new() } else { format!("ETag: {tag}\r\n") };
    write!(stream, "{head}{tag}Connection: close\r\n\r\n")?;
    let rest = &bytes[from.unwrap_or(0)..];
    let sent = match manner {
        Manner::CutsAfter(count) => count,
        Manner::Changes(count) | Manner::IgnoresRange(count) if tries == 1 => count,
        _ => rest.len(),
    };
    stream.write_all(&rest[..sent.min(rest.len())])
}

fn files(names: &[&str]) -> HashMap<String, Vec<u8>> {
    names.iter().map(|name| ((*name).to_owned(), std::fs::read(fixtures().join(name)).unwrap())).collect()
}

const COARSE: &str = "Dataset298_TotalSegmentator_total_6mm_1559subj.zip";
const FAST: &str = "Dataset297_TotalSegmentator_total_3mm_1559subj.zip";
const HEAD: &str = "Dataset777_head_muscles_492subj.zip";

fn coarse() -> &'static Entry {
    catalogue::entry("total_fastest").unwrap()
}

fn options(from: &str, target: &Path) -> FetchOptions {
    FetchOptions { from: Some(from.to_owned()), target: Some(target.to_owned()), force: false }
}

fn fetch_coarse(server: &Server, target: &Path) -> Result<catalogue::Fetched, FetchError> {
    catalogue::fetch(coarse(), &options(&server.address, target), &Progress::new())
}

/// Nothing of a download is left, and nothing is installed.
fn is_empty(target: &Path) -> bool {
    std::fs::read_dir(target).map_or(true, |mut entries| entries.next().is_none())
}

#[test]
fn a_whole_download_is_installed_and_recorded() {
    let server = serve(files(&[COARSE]), Manner::Good);
    let target = tempfile::tempdir().unwrap();
    let fetched = fetch_coarse(&server, target.path()).unwrap();
    let [file] = fetched.files.as_slice() else { panic!("{:?}", fetched.files) };
    let size = std::fs::metadata(fixtures().join(COARSE)).unwrap().len();
    assert_eq!((file.name.as_str(), file.bytes, file.verified), (COARSE, size, false));
    assert_eq!(file.sha256.len(), 64);
    // Smaller than the real one, and told so.
    assert!(
        fetched.warnings.iter().any(|warning| warning.contains("another size")),
        "{:?}",
        fetched.warnings
    );
    let package = ModelPackage::load(&target.path().join("total_fastest")).unwrap();
    assert_eq!((package.labels.len(), package.input.spacing_mm), (117, [6.0; 3]));
    assert_eq!(package.labels[4].name, "Liver");
    assert_eq!(package.labels[4].code.as_ref().unwrap().value, "7197");
    let manifest = std::fs::read_to_string(target.path().join("total_fastest/model.toml")).unwrap();
    assert!(manifest.contains(&file.sha256) && manifest.contains(&server.address));
    assert!(!target.path().join(".downloads").exists());
    // A second time it is there; and again where that is asked for.
    let again = fetch_coarse(&server, target.path());
    assert!(matches!(&again, Err(FetchError::Installed { id, .. }) if id == "total_fastest"), "{again:?}");
    let forced = FetchOptions { force: true, ..options(&server.address, target.path()) };
    catalogue::fetch(coarse(), &forced, &Progress::new()).unwrap();
    // The folder works where it is copied to.
    let other = tempfile::tempdir().unwrap();
    let copied = other.path().join("total_fastest");
    std::fs::rename(target.path().join("total_fastest"), &copied).unwrap();
    ModelPackage::load(&copied).unwrap().network().unwrap();
}

#[test]
fn a_cut_connection_is_taken_up_where_it_broke() {
    let files = files(&[COARSE]);
    let size = files[COARSE].len();
    let server = serve(files, Manner::CutsAfter(size / 3 + 1));
    let target = tempfile::tempdir().unwrap();
    let whole = fetch_coarse(&server, target.path()).unwrap();
    assert_eq!(whole.files[0].bytes, size as u64);
    let piece = size / 3 + 1;
    assert_eq!(
        server.seen.lock().unwrap().ranges,
        [String::new(), format!("bytes={piece}-"), format!("bytes={}-", 2 * piece)]
    );
}

#[test]
fn a_server_without_ranges_and_one_with_another_file_are_begun_anew() {
    for manner in [Manner::IgnoresRange(1000), Manner::Changes(1000)] {
        let files = files(&[COARSE]);
        let size = files[COARSE].len() as u64;
        let server = serve(files, manner);
        let target = tempfile::tempdir().unwrap();
        assert_eq!(fetch_coarse(&server, target.path()).unwrap().files[0].bytes, size);
        assert_eq!(server.seen.lock().unwrap().ranges, ["", "bytes=1000-"]);
    }
    let server = serve(files(&[COARSE]), Manner::TellsNothing);
    let target = tempfile::tempdir().unwrap();
    fetch_coarse(&server, target.path()).unwrap();
}

#[test]
fn a_file_with_another_checksum_is_refused_and_nothing_installed() {
    let server = serve(files(&[COARSE]), Manner::Good);
    let target = tempfile::tempdir().unwrap();
    let own = coarse();
    let file = RemoteFile { sha256: Some("0".repeat(64)), ..own.files[0].clone() };
    let strict = Entry { files: vec![file], ..own.clone() };
    let refused = catalogue::fetch(&strict, &options(&server.address, target.path()), &Progress::new());
    assert!(matches!(refused, Err(FetchError::Checksum { .. })), "{refused:?}");
    assert!(is_empty(target.path()));
}

#[test]
fn what_is_no_such_model_is_refused_and_nothing_installed() {
    // Another model under this name; a damaged archive; no archive.
    let other = std::fs::read(fixtures().join(HEAD)).unwrap();
    let good = std::fs::read(fixtures().join(COARSE)).unwrap();
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    for bytes in [other, damaged, b"<html>sign in</html>".to_vec()] {
        let server = serve(HashMap::from([(COARSE.to_owned(), bytes)]), Manner::Good);
        let target = tempfile::tempdir().unwrap();
        let refused = fetch_coarse(&server, target.path());
        assert!(matches!(refused, Err(FetchError::Import(_))), "{refused:?}");
        assert!(is_empty(target.path()));
    }
}

#[test]
fn a_missing_file_a_dead_server_and_a_key_are_told() {
    let target = tempfile::tempdir().unwrap();
    let server = serve(HashMap::new(), Manner::Good);
    let missing = fetch_coarse(&server, target.path());
    assert!(matches!(&missing, Err(FetchError::NotThere { url }) if url.ends_with(COARSE)), "{missing:?}");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let dead = catalogue::fetch(coarse(), &options(&address, target.path()), &Progress::new());
    assert!(matches!(&dead, Err(FetchError::Unreachable { .. })), "{dead:?}");
    assert!(dead.unwrap_err().to_string().contains("DELINEO_MODEL_SOURCE"));
    let heart = catalogue::entry("heartchambers_highres").unwrap();
    let keyless = FetchOptions { target: Some(target.path().to_owned()), ..FetchOptions::default() };
    if std::env::var_os(catalogue::SOURCE_VARIABLE).is_none() {
        let keyless = catalogue::fetch(heart, &keyless, &Progress::new());
        assert!(matches!(&keyless, Err(FetchError::NeedsKey { .. })), "{keyless:?}");
    }
}

#[test]
fn cancelled_and_gone_on_with_later() {
    let files = files(&[COARSE]);
    let size = files[COARSE].len();
    let server = serve(files.clone(), Manner::CutsAfter(1000));
    let target = tempfile::tempdir().unwrap();
    let progress = Progress::new();
    let watcher = progress.clone();
    let seen = Arc::clone(&server.seen);
    let cancel = std::thread::spawn(move || {
        while seen.lock().unwrap().ranges.is_empty() {
            std::thread::yield_now();
        }
        watcher.cancel();
    });
    let stopped = catalogue::fetch(coarse(), &options(&server.address, target.path()), &progress);
    cancel.join().unwrap();
    assert!(matches!(stopped, Err(FetchError::Cancelled)), "{stopped:?}");
    let part = target.path().join(format!(".downloads/{COARSE}.part"));
    let have = std::fs::metadata(&part).map_or(0, |data| data.len());
    assert!(have < size as u64);
    assert!(!target.path().join("total_fastest").exists());
    // Another server is another file: begun anew. The same goes on.
    let server = serve(files, Manner::Good);
    fetch_coarse(&server, target.path()).unwrap();
    assert_eq!(server.seen.lock().unwrap().ranges, [""]);
}

fn run(arguments: &[&str], data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_delineo"));
    command.args(arguments).env("DELINEO_DATA_DIR", data);
    command.env_remove("DELINEO_MODELS").env_remove(catalogue::SOURCE_VARIABLE);
    command.output().unwrap()
}

#[test]
fn a_download_that_broke_is_gone_on_with_by_another_process() {
    let data = tempfile::tempdir().unwrap();
    let files = files(&[COARSE]);
    let size = files[COARSE].len();
    // 400 bytes a time is too little to get through; the second call needs but one more request.
    let server = serve(files, Manner::CutsAfter(size * 2 / 5));
    let arguments = ["model", "fetch", "total_fastest", "--from", &server.address, "--json"];
    let folder = data.path().join("models/.downloads");
    std::fs::create_dir_all(&folder).unwrap();
    // What a process that was killed has left: a part, and what the server had said of it.
    let part = folder.join(format!("{COARSE}.part"));
    std::fs::write(&part, &std::fs::read(fixtures().join(COARSE)).unwrap()[..size * 3 / 5]).unwrap();
    let url = format!("{}/{COARSE}", server.address);
    let known = serde_json::json!({ "url": url, "validator": "\"old\"", "total": size });
    std::fs::write(folder.join(format!("{COARSE}.part.json")), known.to_string()).unwrap();
    let output = run(&arguments, data.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.seen.lock().unwrap().ranges[0], format!("bytes={}-", size * 3 / 5));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["models"][0]["id"], "total_fastest");
    assert_eq!(document["models"][0]["source"], "download");
    assert_eq!(document["files"][0]["bytes"], size);
    // The list tells what is here and what could be.
    let listed: serde_json::Value =
        serde_json::from_slice(&run(&["model", "list", "--json"], data.path()).stdout).unwrap();
    let model = |id: &str| {
        let models = listed["models"].as_array().unwrap();
        models.iter().find(|model| model["id"] == id).unwrap_or_else(|| panic!("no {id}")).clone()
    };
    assert_eq!(model("total_fastest")["installed"], true);
    assert_eq!(
        (&model("total")["installed"], &model("total")["source"]),
        (&false.into(), &"download".into())
    );
    assert_eq!(model("head-neck")["source"], "shipped");
    // Not here, and said how it comes here.
    let refused = run(&["contour", "nowhere", "--model", "total"], data.path());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("delineo model fetch total"));
    // One of the program's own stays, and it is said which ones go.
    let kept = run(&["model", "remove", "head-neck"], data.path());
    assert!(!kept.status.success());
    assert!(String::from_utf8_lossy(&kept.stderr).contains("delineo model list"), "{kept:?}");
    let removed = run(&["model", "remove", "total_fastest"], data.path());
    assert!(removed.status.success());
    assert!(!data.path().join("models/total_fastest").exists());
}

/// A fixture's model, installed from the folder of files.
fn installed(id: &str, target: &Path) -> ModelPackage {
    let from = fixtures().to_string_lossy().into_owned();
    let entry = catalogue::entry(id).unwrap();
    let fetched = catalogue::fetch(entry, &options(&from, target), &Progress::new()).unwrap();
    fetched.packages.last().unwrap().clone()
}

#[test]
fn a_model_without_the_one_that_it_crops_on_is_refused_before_the_images_are_read() {
    let data = tempfile::tempdir().unwrap();
    installed("head_muscles", &data.path().join("models"));
    assert!(run(&["model", "remove", "total_fastest"], data.path()).status.success());
    let refused = run(&["contour", "nowhere", "--model", "head_muscles"], data.path());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(told.contains("head_muscles") && told.contains("delineo model fetch total_fastest"), "{told}");
    assert!(!told.contains("nowhere"), "{told}");
}

#[test]
fn label_maps_are_those_of_the_published_way() {
    published_way(DeviceChoice::Cpu);
}

#[test]
fn label_maps_are_those_of_the_published_way_on_the_gpu() {
    let Some(device) = delineo::ai::engine::gpu_name() else {
        skip::skipped("no adapter");
        return;
    };
    if skip::may_compile(&device) {
        published_way(DeviceChoice::Gpu);
    }
}

fn published_way(device: DeviceChoice) {
    let target = tempfile::tempdir().unwrap();
    let image = nifti::read_image(&fixtures().join("image.nii.gz"), &Progress::new()).unwrap().series;
    // What is dropped of a label map is no device's matter.
    let cleaned_up = (device == DeviceChoice::Cpu).then_some("body_regions");
    let ids = ["total_fastest", "total_fast", "head_muscles", "headneck_muscles", "total_mr_fast"];
    for id in ids.into_iter().chain(cleaned_up) {
        let package =
            ModelPackage::load(&target.path().join(id)).unwrap_or_else(|_| installed(id, target.path()));
        let options = PredictOptions { device, label_map: true, ..PredictOptions::default() };
        let found = predict(&image.volume, &package, &options, &Progress::new()).unwrap();
        assert!(found.warnings.iter().all(|warning| !warning.contains("graphics")), "{:?}", found.warnings);
        let expected =
            nifti::read_labels(&fixtures().join(format!("{id}.nii.gz")), &Progress::new()).unwrap();
        let ours = found.labels.unwrap();
        let differ = ours.labels.iter().zip(&expected.labels).filter(|(a, b)| a != b).count();
        let share = differ as f64 / ours.labels.len() as f64;
        println!("{id}: {differ} of {} voxels differ ({share:.2e})", ours.labels.len());
        assert!(share < 2e-3, "{id}: {share}");
        // The contours hold exactly the label map.
        for roi in &found.rois {
            let label = package.labels.iter().find(|label| label.name == roi.name).unwrap();
            assert_eq!(roi.code, label.code);
            let mask = delineo::patient::Mask::of_roi(roi, &image.volume);
            let [ni, nj, _] = image.volume.grid.dims();
            for (at, own) in ours.labels.iter().enumerate() {
                let inside = mask.contains([at % ni, at / ni % nj, at / (ni * nj)]);
                assert_eq!(inside, *own == label.value, "{id}: {} at {at}", roi.name);
            }
        }
    }
}

#[test]
fn a_class_that_only_helped_the_training_is_background() {
    // Every second class of the model with 117 is nobody's.
    let own = catalogue::entry("total_fast").unwrap();
    let is_kept = |value: u16| value % 2 == 1;
    let values = (1..=117).map(|value| if is_kept(value) { value.div_ceil(2) } else { 0 }).collect();
    let file = RemoteFile { values, ..own.files[0].clone() };
    let organs = own.organs.iter().filter(|organ| is_kept(organ.value)).cloned();
    let organs = (1..).zip(organs).map(|(value, organ)| catalogue::Organ { value, ..organ }).collect();
    let entry = Entry { files: vec![file], organs, ..own.clone() };
    let target = tempfile::tempdir().unwrap();
    let from = options(fixtures().to_str().unwrap(), target.path());
    catalogue::fetch(&entry, &from, &Progress::new()).unwrap();
    let package = ModelPackage::load(&target.path().join("total_fast")).unwrap();
    assert_eq!((package.labels.len(), package.labels[1].name.as_str()), (59, "Kidney_L"));
    let image = nifti::read_image(&fixtures().join("image.nii.gz"), &Progress::new()).unwrap().series;
    let options = PredictOptions { device: DeviceChoice::Cpu, label_map: true, ..PredictOptions::default() };
    let ours = predict(&image.volume, &package, &options, &Progress::new()).unwrap().labels.unwrap().labels;
    let all = nifti::read_labels(&fixtures().join("total_fast.nii.gz"), &Progress::new()).unwrap().labels;
    let expected = |label: u16| if is_kept(label) { label.div_ceil(2) } else { 0 };
    let dropped = all.iter().filter(|label| **label != 0 && expected(**label) == 0).count();
    let differ = ours.iter().zip(&all).filter(|(own, all)| **own != expected(**all)).count();
    println!("{dropped} voxels of classes that nobody is shown, {differ} of {} differ", ours.len());
    assert!(dropped > 1000, "{dropped}");
    assert!((differ as f64) < 2e-3 * ours.len() as f64, "{differ}");
}

#[test]
fn a_model_is_installed_from_one_file_and_what_it_crops_on_from_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    for name in [COARSE, HEAD] {
        std::fs::copy(fixtures().join(name), folder.path().join(name)).unwrap();
    }
    let target = tempfile::tempdir().unwrap();
    let file = folder.path().join(HEAD);
    let head = catalogue::entry("head_muscles").unwrap();
    let from = options(file.to_str().unwrap(), target.path());
    let fetched = catalogue::fetch(head, &from, &Progress::new()).unwrap();
    let ids: Vec<&str> = fetched.packages.iter().map(|package| package.id.as_str()).collect();
    assert_eq!(ids, ["total_fastest", "head_muscles"]);
    // A source that has it not.
    let fast = catalogue::entry("total_fast").unwrap();
    let missing = catalogue::fetch(fast, &from, &Progress::new());
    assert!(matches!(&missing, Err(FetchError::NoFile { name, .. }) if name == FAST), "{missing:?}");
}

#[test]
fn two_models_that_share_a_file_come_at_once() {
    let neck =
        ["Dataset778_headneck_muscles_part1_492subj.zip", "Dataset779_headneck_muscles_part2_492subj.zip"];
    let server = serve(files(&[COARSE, HEAD, neck[0], neck[1]]), Manner::Good);
    let target = tempfile::tempdir().unwrap();
    let fetched = std::thread::scope(|scope| {
        let fetch = |id: &'static str| {
            let (address, target) = (&server.address, target.path());
            scope.spawn(move || {
                let entry = catalogue::entry(id).unwrap();
                catalogue::fetch(entry, &options(address, target), &Progress::new()).unwrap()
            })
        };
        ["head_muscles", "headneck_muscles"].map(fetch).map(|thread| thread.join().unwrap())
    });
    // The one that came second found what both crop on.
    let mut counts = fetched.map(|fetched| fetched.packages.len());
    counts.sort_unstable();
    assert_eq!(counts, [1, 2]);
    assert!(!target.path().join(".downloads").exists());
    for id in ["total_fastest", "head_muscles", "headneck_muscles"] {
        let package = ModelPackage::load(&target.path().join(id)).unwrap();
        assert!(package.card().is_some_and(|card| card.contains("Apache-2.0")), "{id}");
    }
}
