//! What several integration tests need: synthetic series, the shared data, external programs.
#![allow(dead_code, missing_docs, reason = "each test binary uses its own part")]

mod skip;

use delineo::geometry::{Grid, Plane, Point2, Point3, Polygon, Ring, Vector3};
use delineo::patient::{
    ImageInstance, Modality, PatientInfo, Roi, RoiId, RoiPlane, Series, SeriesInfo, Slice, StructureSet,
    StudyInfo, Unit, Volume, Voxels, uid_from_seed,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

pub use skip::skipped;

/// The shared patient data, or `None` with a word on standard output.
pub fn data(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(part);
    if path.exists() {
        Some(path)
    } else {
        println!("skipped: no shared data ({part})");
        None
    }
}

/// A program of that name, or `None` with a word on standard output.
pub fn program(name: &str) -> Option<&str> {
    if Command::new(name).arg("--version").output().is_ok() {
        Some(name)
    } else {
        skipped(&format!("{name} is not installed"));
        None
    }
}

/// The Python that has the independent readers (`DELINEO_PYTHON`, or `python3`).
pub fn python() -> Option<PathBuf> {
    let path = std::env::var_os("DELINEO_PYTHON").map_or("python3".into(), PathBuf::from);
    let ready = Command::new(&path).args(["-c", "import pydicom, numpy"]).output();
    if ready.is_ok_and(|output| output.status.success()) {
        Some(path)
    } else {
        skipped(&format!("no Python with the readers at {} (set DELINEO_PYTHON)", path.display()));
        None
    }
}

/// The same Python where it has a module besides.
pub fn python_with(module: &str) -> Option<PathBuf> {
    let python = python()?;
    let ready = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    if ready.is_ok_and(|output| output.status.success()) {
        Some(python)
    } else {
        skipped(&format!("no {module} in {}", python.display()));
        None
    }
}

/// Runs a script of `tests/python` and reads the JSON document it prints.
pub fn run_python(python: &Path, script: &str, arguments: &[&std::ffi::OsStr]) -> serde_json::Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let output = Command::new(python).arg(&script).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", script.display());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{}: {e}: {said}", script.display()))
}

/// The errors that dicom3tools' validator finds in a file.
pub fn dciodvfy_errors(path: &Path) -> Vec<String> {
    let output = Command::new("dciodvfy").arg(path).output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    said.lines().filter(|line| line.starts_with("Error")).map(str::to_owned).collect()
}

/// How a synthetic series lies in space.
pub struct Lay {
    pub directions: [Vector3; 2],
    pub spacing_mm: [f64; 2],
    /// Offsets of the slices from the first, mm.
    pub offsets_mm: Vec<f64>,
}

impl Lay {
    pub fn axial() -> Self {
        Self {
            directions: [Vector3::x(), Vector3::y()],
            spacing_mm: [0.976_562_5, 0.976_562_5],
            offsets_mm: (0..12).map(|k| 2.5 * f64::from(k)).collect(),
        }
    }

    pub fn oblique() -> Self {
        let turn = nalgebra::Rotation3::from_euler_angles(0.3, -0.2, 0.5);
        Self {
            directions: [turn * Vector3::x(), turn * Vector3::y()],
            spacing_mm: [0.9, 1.3],
            offsets_mm: (0..12).map(|k| 3.0 * f64::from(k)).collect(),
        }
    }

    pub fn sagittal() -> Self {
        Self { directions: [Vector3::y(), -Vector3::z()], ..Self::axial() }
    }

    pub fn uneven() -> Self {
        Self { offsets_mm: vec![0.0, 2.0, 4.0, 7.0, 10.0, 15.0, 16.5], ..Self::axial() }
    }
}

/// A CT series of 64 x 48 pixels that exists only in memory.
pub fn series(name: &str, lay: &Lay) -> Series {
    let dims = [64, 48, lay.offsets_mm.len()];
    let [u, v] = lay.directions;
    let normal = u.cross(&v);
    let origin = Point3::new(-31.5, -22.25, -401.3);
    let [su, sv] = lay.spacing_mm;
    let step = lay.offsets_mm.get(1).copied().unwrap_or(1.0);
    let grid = Grid::new(dims, origin, [u * su, v * sv, normal * step]).unwrap();
    let base = Plane::new(origin, u, v).unwrap();
    let slices = lay
        .offsets_mm
        .iter()
        .enumerate()
        .map(|(k, offset)| Slice {
            plane: base.at_offset(base.offset_mm() + offset),
            origin_mm: origin + normal * *offset,
            instance: Some(ImageInstance {
                sop_class_uid: "1.2.840.10008.5.1.4.1.1.2".into(),
                sop_instance_uid: uid_from_seed(&format!("{name} slice {k}")),
                frame: None,
            }),
            missing: false,
        })
        .collect();
    let count: usize = dims.iter().product();
    let voxels = (0..count).map(|n| i16::try_from(n % 2000).unwrap() - 1000).collect();
    Series {
        info: SeriesInfo {
            patient: PatientInfo {
                name: "Müller^Änne".into(),
                id: "T-17".into(),
                birth_date: "19600229".into(),
                sex: "F".into(),
                synthetic: false,
            },
            study: StudyInfo {
                uid: uid_from_seed(&format!("{name} study")).to_string(),
                date: "20200101".into(),
                time: "120000".into(),
                id: "1".into(),
                ..StudyInfo::default()
            },
            uid: uid_from_seed(&format!("{name} series")),
            modality: Modality::Ct,
            description: "planning CT".into(),
            number: Some(3),
            frame_of_reference_uid: Some(uid_from_seed(&format!("{name} frame"))),
            patient_position: Some("HFS".into()),
            equipment: String::new(),
        },
        volume: Arc::new(Volume { grid, voxels: Voxels::I16(voxels), unit: Unit::Hu, slices, native: None }),
    }
}

/// An empty structure set that belongs to `series`.
pub fn empty_set(series: &Series) -> StructureSet {
    StructureSet {
        label: "Test".into(),
        patient: series.info.patient.clone(),
        frame_of_reference_uid: series.info.frame_of_reference_uid.clone(),
        series_uid: Some(series.info.uid.clone()),
        sop_instance_uid: None,
        rois: Vec::new(),
    }
}

pub fn roi(id: u64, name: &str, planes: Vec<RoiPlane>) -> Roi {
    let mut roi = Roi::new(RoiId(id), i32::try_from(id).unwrap(), name, [200, 30, 250]);
    roi.planes = planes.into_iter().map(Arc::new).collect();
    roi
}

/// A plane of `series`' slice k with these polygons, around the middle of the image.
pub fn plane_on(series: &Series, k: usize, polygons: Vec<Polygon>) -> RoiPlane {
    let slice = &series.volume.slices[k];
    let middle = slice.plane.project(series.volume.grid.center_mm());
    let moved = |ring: Ring| -> Ring { ring.into_iter().map(|p| p + middle.coords).collect() };
    let polygons = polygons
        .into_iter()
        .map(|polygon| Polygon {
            outer: moved(polygon.outer),
            holes: polygon.holes.into_iter().map(moved).collect(),
        })
        .collect();
    RoiPlane::new(slice.plane, slice.instance.clone(), polygons)
}

/// A regular polygon, counter-clockwise.
pub fn circle(x: f64, y: f64, radius: f64, corners: u32) -> Ring {
    (0..corners)
        .map(|corner| {
            let angle = std::f64::consts::TAU * f64::from(corner) / f64::from(corners);
            Point2::new(x + radius * angle.cos(), y + radius * angle.sin())
        })
        .collect()
}

/// A disc with two holes, an island in one of them, and a separate piece.
pub fn disc_with_holes() -> Vec<Polygon> {
    let hole = |x, y, r| circle(x, y, r, 17).into_iter().rev().collect::<Ring>();
    vec![
        Polygon {
            outer: circle(0.0, 0.0, 18.0, 60),
            holes: vec![hole(-7.0, 1.0, 6.0), hole(8.0, -2.0, 4.0)],
        },
        Polygon::from_outer(circle(-7.0, 1.0, 2.5, 11)),
        Polygon::from_outer(circle(24.0, 5.0, 3.0, 9)),
    ]
}
