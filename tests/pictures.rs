//! The shaders draw what the plain Rust renderer draws, on whatever adapter there is (the software
//! driver included), and go on after the graphics device was lost.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small numbers of a test scene"
)]

#[path = "shared/skip.rs"]
mod skip;

use delineo::geometry::{Grid, Plane, Point3, Vector3};
use delineo::patient::{OUTSIDE_I16, RoiId, Slice, Unit, Volume, Voxels};
use delineo::render::{
    ColorMap, FusionLayer, Gpu, Interpolation, OrbitCamera, Outline, OutlineKey, Quality, Renderer,
    RgbaImage, SliceCamera, SliceScene, SurfaceMesh, ViewKey, ViewKind, VolumeScene, VolumeStyle, Window,
    cpu,
};
use nalgebra::{Rotation3, Unit as UnitVector};
use std::sync::Arc;

fn renderer() -> Option<Renderer> {
    match Gpu::headless(true) {
        Ok(gpu) => Some(Renderer::new(gpu, None)),
        Err(error) => {
            skip::skipped(&format!("no adapter ({error})"));
            None
        }
    }
}

/// An oblique, anisotropic volume: a bright ball and a rod in soft tissue, air around, a corner
/// outside the scan, slice 9 missing.
fn volume() -> Arc<Volume> {
    let dims = [40, 36, 24];
    let turn = Rotation3::from_axis_angle(&UnitVector::new_normalize(Vector3::new(0.2, 0.1, 1.0)), 0.3);
    let steps = [turn * Vector3::x() * 1.0, turn * Vector3::y() * 1.2, turn * Vector3::z() * 2.0];
    let grid = Grid::new(dims, Point3::new(-20.0, -15.0, 10.0), steps).unwrap();
    let mut values = Vec::new();
    for k in 0..dims[2] {
        for j in 0..dims[1] {
            for i in 0..dims[0] {
                let (x, y, z) = (i as f64 - 20.0, (j as f64 - 18.0) * 1.2, (k as f64 - 12.0) * 2.0);
                let body = x.hypot(y).hypot(z * 0.8);
                let mut value = if body < 17.0 { 40.0 } else { -1000.0 };
                value += 1000.0 * (1.0 / (1.0 + ((x - 4.0).hypot(y).hypot(z) - 6.0).exp()));
                if (x + 9.0).hypot(y - 3.0) < 2.0 && body < 17.0 {
                    value = 700.0;
                }
                let outside = i + j < 12 || k == 9;
                values.push(if outside { OUTSIDE_I16 } else { value as i16 });
            }
        }
    }
    let base = Plane::new(grid.origin_mm(), grid.step_mm(0), grid.step_mm(1)).unwrap();
    let slices = (0..dims[2])
        .map(|k| Slice {
            plane: base.at_offset(base.offset_mm() + 2.0 * k as f64),
            origin_mm: grid.patient_of([0.0, 0.0, k as f64]),
            instance: None,
            missing: k == 9,
        })
        .collect();
    Arc::new(Volume { grid, voxels: Voxels::I16(values), unit: Unit::Hu, slices, native: None })
}

/// A float volume on another grid, with a hole of NaN.
fn pet() -> Arc<Volume> {
    let steps = [Vector3::x() * 3.0, Vector3::y() * 3.0, Vector3::z() * 3.0];
    let grid = Grid::new([14, 14, 20], Point3::new(-20.0, -10.0, 5.0), steps).unwrap();
    let value = |n: usize| if n.is_multiple_of(97) { f32::NAN } else { (n % 14) as f32 * 0.7 };
    let voxels = Voxels::F32((0..14 * 14 * 20).map(value).collect());
    Arc::new(Volume { grid, voxels, unit: Unit::SuvBw, slices: Vec::new(), native: None })
}

/// A wavy ring with dense vertices, with a square hole.
fn rings(center: [f32; 2], radius: f32) -> Arc<Vec<Vec<[f32; 2]>>> {
    let outer = (0..300)
        .map(|n| {
            let angle = n as f32 / 300.0 * std::f32::consts::TAU;
            let r = radius * (1.0 + 0.2 * (5.0 * angle).sin());
            [center[0] + r * angle.cos(), center[1] + r * angle.sin()]
        })
        .collect();
    let side = radius * 0.3;
    let hole = [[-side, -side], [-side, side], [side, side], [side, -side]];
    Arc::new(vec![outer, hole.map(|p| [p[0] + center[0], p[1] + center[1]]).to_vec()])
}

fn slice_scene(kind: ViewKind) -> SliceScene {
    let volume = volume();
    let camera = SliceCamera::fit(&volume.grid, kind, volume.grid.center_mm(), [160, 120]);
    let mut scene = SliceScene::new(camera, Some(volume), Window::new(100.0, 900.0));
    let center = camera.plane().project(camera.center_mm);
    let center = [center.x as f32, center.y as f32];
    let key = |plane| Some(OutlineKey { roi: RoiId(1), revision: 1, plane });
    let mut first = Outline::new(key(kind as u64), rings(center, 9.0), [240, 200, 40]);
    first.selected = true;
    let mut second = Outline::new(None, rings([center[0] + 7.0, center[1] - 3.0], 7.0), [60, 160, 250]);
    second.dashed = true;
    scene.outlines = vec![first, second];
    scene
}

/// The mean difference of all channels, and the share of pixels that differ by more than 24 levels.
fn difference(a: &RgbaImage, b: &RgbaImage) -> (f64, f64) {
    assert_eq!(a.size, b.size);
    let per_byte: Vec<u8> = a.pixels.iter().zip(&b.pixels).map(|(x, y)| x.abs_diff(*y)).collect();
    let mean = per_byte.iter().map(|d| f64::from(*d)).sum::<f64>() / per_byte.len() as f64;
    let far = per_byte.chunks_exact(4).filter(|pixel| pixel.iter().any(|d| *d > 24)).count();
    (mean, far as f64 / (per_byte.len() / 4) as f64)
}

fn assert_alike(name: &str, gpu: &RgbaImage, oracle: &RgbaImage, most_far: f64) {
    if let Some(folder) = std::env::var_os("DELINEO_PICTURES") {
        let folder = std::path::PathBuf::from(folder);
        gpu.write_png(&folder.join(format!("{name}-gpu.png")), true).unwrap();
        oracle.write_png(&folder.join(format!("{name}-cpu.png")), true).unwrap();
    }
    let distinct: std::collections::HashSet<&[u8]> = oracle.pixels.chunks_exact(4).collect();
    assert!(distinct.len() > 50, "{name}: the picture is empty");
    let (mean, far) = difference(gpu, oracle);
    println!("{name}: mean difference {mean:.4} levels, {:.3} % of pixels far off", far * 100.0);
    assert!(mean < 0.5, "{name}: mean difference {mean}");
    assert!(far <= most_far, "{name}: {far} of the pixels differ by more than 24 levels");
}

#[test]
fn slices_agree_in_all_planes_with_contours_and_fusion() {
    let Some(mut renderer) = renderer() else { return };
    for kind in ViewKind::ALL {
        let mut scene = slice_scene(kind);
        renderer.prepare_slice(ViewKey(0), &scene).unwrap();
        assert!(!renderer.prepare_slice(ViewKey(0), &scene).unwrap(), "the same scene is not drawn twice");
        let gpu = renderer.read_picture(ViewKey(0)).unwrap();
        assert_alike(kind.label(), &gpu, &cpu::render_slice(&scene), 0.002);
        scene.interpolation = Interpolation::Nearest;
        scene.pixels_per_point = 2.0;
        scene.fusion = Some(FusionLayer {
            volume: pet(),
            window: Window::from_range(0.0, 9.0),
            color_map: ColorMap::HotIron,
            opacity: 0.6,
        });
        renderer.prepare_slice(ViewKey(0), &scene).unwrap();
        let gpu = renderer.read_picture(ViewKey(0)).unwrap();
        assert_alike(&format!("{}-fused", kind.label()), &gpu, &cpu::render_slice(&scene), 0.004);
    }
}

/// An octahedron of 11 mm around a point.
fn octahedron(center: Point3) -> SurfaceMesh {
    let corners = [
        [1.0, 0.0, 0.0],
        [-1.0, 0.0, 0.0],
        [0.0, 1.0, 0.0],
        [0.0, -1.0, 0.0],
        [0.0, 0.0, 1.0],
        [0.0, 0.0, -1.0_f32],
    ];
    let c = [center.x as f32, center.y as f32, center.z as f32];
    let at = |p: [f32; 3]| [c[0] + 11.0 * p[0], c[1] + 11.0 * p[1], c[2] + 11.0 * p[2]];
    let faces = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]];
    SurfaceMesh {
        key: (RoiId(7), 0),
        positions: Arc::new(corners.map(at).to_vec()),
        normals: Arc::new(corners.to_vec()),
        indices: Arc::new(faces.concat()),
        color: [70, 190, 110],
    }
}

fn volume_scene(style: VolumeStyle, quality: Quality) -> VolumeScene {
    let volume = volume();
    let camera = OrbitCamera::fit(&volume.grid, [120, 100]);
    let mesh = octahedron(volume.grid.patient_of([10.0, 20.0, 16.0]));
    let mut scene = VolumeScene::new(camera, [120, 100], Some(volume), style);
    scene.meshes.push(mesh);
    scene.quality = quality;
    scene
}

#[test]
fn volumes_and_surfaces_agree() {
    let Some(mut renderer) = renderer() else { return };
    for style in VolumeStyle::ALL {
        for quality in [Quality::Still, Quality::Moving] {
            let scene = volume_scene(style, quality);
            renderer.prepare_volume(ViewKey(3), &scene).unwrap();
            let gpu = renderer.read_picture(ViewKey(3)).unwrap();
            let name = format!("3d-{style:?}-{quality:?}");
            // Surfaces have hard edges: a border pixel may fall on either side of one.
            let oracle = cpu::render_volume(&scene);
            assert_eq!(gpu.size, [120, 100]);
            if style == VolumeStyle::Lung {
                let (mean, _) = difference(&gpu, &oracle);
                assert!(mean < 0.5, "{name}: mean difference {mean}");
            } else {
                assert_alike(&name, &gpu, &oracle, 0.01);
            }
        }
    }
}

#[test]
fn a_surface_before_the_bone_hides_it_and_one_behind_is_hidden() {
    let volume = volume();
    let ball = volume.grid.patient_of([24.0, 18.0, 12.0]);
    let mut scene = volume_scene(VolumeStyle::Bone, Quality::Still);
    scene.camera = OrbitCamera { target_mm: ball, azimuth: 0.0, elevation: 0.0, mm_per_pixel: 0.5 };
    let green = |image: &RgbaImage| {
        let [r, g, _] = image.pixel([60, 50]);
        g > r
    };
    scene.meshes = vec![octahedron(ball - Vector3::y() * 20.0)];
    assert!(green(&cpu::render_volume(&scene)), "in front of the ball");
    scene.meshes = vec![octahedron(ball + Vector3::y() * 25.0)];
    assert!(!green(&cpu::render_volume(&scene)), "behind the ball");
}

#[test]
fn the_patients_left_front_and_head_are_where_radiologists_expect_them() {
    // A bright voxel to the left, in front and towards the head of the middle, in a volume stored
    // feet first, prone: neither axis nor order of the voxels may matter.
    let steps = [-Vector3::x() * 2.0, -Vector3::y() * 2.0, -Vector3::z() * 2.0];
    let grid = Grid::new([21, 21, 21], Point3::new(20.0, 20.0, 20.0), steps).unwrap();
    let bright = Point3::new(10.0, -10.0, 10.0);
    let mut values = vec![0_i16; grid.len()];
    let voxel = grid.voxel_of(bright).map(|n| n.round() as usize);
    values[grid.index_of(voxel).unwrap()] = 1000;
    let voxels = Voxels::I16(values);
    let volume = Arc::new(Volume { grid, voxels, unit: Unit::Hu, slices: Vec::new(), native: None });
    for (kind, x, y) in
        [(ViewKind::Axial, 126, 42), (ViewKind::Sagittal, 42, 42), (ViewKind::Coronal, 126, 42)]
    {
        let camera = SliceCamera::fit(&volume.grid, kind, bright, [168, 168]);
        let image = cpu::render_slice(&SliceScene::new(
            camera,
            Some(Arc::clone(&volume)),
            Window::new(500.0, 1000.0),
        ));
        let brightest = (0..168 * 168_u32).map(|n| [n % 168, n / 168]).max_by_key(|at| image.pixel(*at)[0]);
        let [bx, by] = brightest.unwrap();
        assert!(bx.abs_diff(x) <= 8 && by.abs_diff(y) <= 8, "{kind:?}: at {bx}, {by}");
    }
}

#[test]
fn the_command_line_draws_every_view_and_never_overwrites_unasked() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/head-neck/valid");
    let Some(patient) = std::fs::read_dir(data).ok().and_then(|mut found| found.next()?.ok()) else {
        println!("skipped: no shared data");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let draw = |view: &str, more: &[&str]| {
        let out = folder.path().join(format!("{view}.png"));
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_delineo"))
            .args(["render", "--view", view, "--size", "160x120", "--device", "cpu", "--out"])
            .arg(&out)
            .args(more)
            .arg("--structures")
            .arg(patient.path().join("labels.nii.gz"))
            .arg(patient.path().join("ct.nii.gz"))
            .output()
            .unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned(), out)
    };
    for view in ["axial", "sagittal", "coronal", "3d"] {
        let (code, said, out) = draw(view, &[]);
        assert_eq!(code, Some(0), "{said}");
        let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(out).unwrap()));
        let reader = decoder.read_info().unwrap();
        assert_eq!((reader.info().width, reader.info().height), (160, 120));
    }
    let (code, said, _) = draw("axial", &[]);
    assert_eq!(code, Some(1));
    assert!(said.lines().last().unwrap().contains("--force"), "{said}");
    assert_eq!(draw("axial", &["--force", "--at", "-10,20,5", "--window", "-600,1500"]).0, Some(0));
    assert_eq!(draw("axial", &["--force", "--window", "40"]).0, Some(2));
}

#[test]
fn everything_is_drawn_again_after_the_device_was_lost() {
    let Some(mut renderer) = renderer() else { return };
    let (slice, volume) = (slice_scene(ViewKind::Axial), volume_scene(VolumeStyle::Bone, Quality::Still));
    renderer.prepare_slice(ViewKey(0), &slice).unwrap();
    renderer.prepare_volume(ViewKey(1), &volume).unwrap();
    let before = [ViewKey(0), ViewKey(1)].map(|key| renderer.read_picture(key).unwrap());
    renderer.gpu().destroy();
    assert!(renderer.gpu().is_lost());
    assert!(renderer.prepare_slice(ViewKey(0), &slice).is_err(), "a lost device is told, not drawn on");
    assert!(renderer.read_picture(ViewKey(0)).is_err());
    renderer.rebuild(Gpu::headless(true).unwrap());
    renderer.prepare_slice(ViewKey(0), &slice).unwrap();
    renderer.prepare_volume(ViewKey(1), &volume).unwrap();
    let after = [ViewKey(0), ViewKey(1)].map(|key| renderer.read_picture(key).unwrap());
    assert!(before == after, "the same pictures as before");
}
