//! Margins of a real organ, outward and inward, beside the distance maps of SimpleITK.
//!
//! A distance map measures from centres of voxels, Delineo from contours between them: not the same
//! object, so three things are asked. Where both see the same one the margin's outline must be where
//! SimpleITK measures the distance, to a quarter of a voxel at 99 of 100 points: on the scan's own grid
//! for the voxels of the label map as whole boxes (contours along their sides here, voxels that reach to
//! their sides there), and for the solid that traced contours stand for, given to SimpleITK on a grid so
//! fine that the difference does not count. Of the label map's centres themselves, which lie up to half a
//! pixel's diagonal inside any outline around them, no outline can be that near: there the margin must
//! hold every voxel that SimpleITK finds within the distance and none farther than that diagonal beyond
//! it, and its outline must be a quarter of a voxel from SimpleITK's in the mean.
#![allow(
    missing_docs,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests on images of known size"
)]

mod shared;

use delineo::edit::algebra::{Margin, Region, contracted, expanded};
use delineo::formats::nifti;
use delineo::geometry::rasterise::Frame;
use delineo::geometry::{Grid, Point3, Polygon, Vector3, clip};
use delineo::patient::{Mask, Roi, RoiId, RoiPlane, Unit, Volume, Voxels};
use delineo::progress::Progress;
use delineo::session::study::Study;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MARGIN_MM: f64 = 5.0;

/// The liver in the chest's label map.
const LIVER: u16 = 5;

/// The columns and rows of the fine grid in one of the scan.
const FINE: usize = 4;

/// Every so many slices are measured on the fine grid.
const EVERY: usize = 16;

/// The organ and its margins, on the slices of the scan.
struct Organ {
    volume: Arc<Volume>,
    roi: Roi,
    grown: Region,
    shrunk: Region,
}

impl Organ {
    fn read(images: PathBuf, labels: &Path) -> Self {
        let progress = Progress::new();
        let volume = Study::open(&[images], None, &progress).unwrap().series.volume;
        let map = nifti::read_labels(labels, &progress).unwrap().on_grid(&volume.grid).unwrap();
        let mut roi = Roi::new(RoiId(1), 1, "Liver", [0; 3]);
        roi.planes = map.masks()[&LIVER].planes(&volume);
        Self::with(volume, roi)
    }

    fn with(volume: Arc<Volume>, roi: Roi) -> Self {
        let progress = Progress::new();
        let region = Region::of_roi(&roi, &volume).unwrap();
        let (margin, all) = (Margin::uniform(MARGIN_MM), (0, usize::MAX));
        let grown = expanded(&region, &volume, margin, all, &progress).unwrap();
        let shrunk = contracted(&region, &volume, margin, all, &progress).unwrap();
        Self { volume, roi, grown, shrunk }
    }

    /// The same organ outlined along the sides of its voxels.
    fn of_whole_voxels(&self) -> Self {
        let volume = &self.volume;
        let mask = Mask::of_roi(&self.roi, volume);
        let [columns, rows, slices] = volume.grid.dims();
        let mut roi = self.roi.clone();
        roi.planes = (0..slices)
            .filter_map(|k| {
                let plane = volume.slices[k].plane;
                let frame = Frame::of_slice(&volume.grid, k, &plane)?;
                let boxes: Vec<Polygon> = (0..rows)
                    .flat_map(|j| (0..columns).map(move |i| [i, j, k]))
                    .filter(|voxel| mask.contains(*voxel))
                    .map(|[i, j, _]| {
                        let corners = [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]];
                        let corner = |[x, y]: [f64; 2]| frame.point(i as f64 + x, j as f64 + y);
                        Polygon::from_outer(corners.map(corner).to_vec())
                    })
                    .collect();
                (!boxes.is_empty()).then(|| Arc::new(RoiPlane::new(plane, None, clip::union_all(boxes))))
            })
            .collect();
        Self::with(Arc::clone(volume), roi)
    }

    /// The side of a pixel, mm.
    fn pixel_mm(&self) -> f64 {
        let [along, across, _] = self.volume.grid.spacing_mm();
        along.min(across)
    }

    /// Slices `slice - 2` to `slice + 2` with [`FINE`] columns and rows for one, around the margin:
    /// slabs farther away are farther than the margin.
    fn fine_around(&self, slice: usize) -> Volume {
        let grid = &self.volume.grid;
        let room = (MARGIN_MM / self.pixel_mm()).ceil() + 3.0;
        let (mut low, mut high) = ([f64::MAX; 2], [f64::MIN; 2]);
        for own in &self.roi.planes {
            for point in own.polygons.iter().flat_map(Polygon::rings).flatten() {
                let at = grid.voxel_of(own.plane.lift(*point));
                for axis in 0..2 {
                    low[axis] = low[axis].min((at[axis] - room).floor());
                    high[axis] = high[axis].max((at[axis] + room).ceil());
                }
            }
        }
        let part = FINE as f64;
        let before = (part - 1.0) / (2.0 * part);
        let first = grid.patient_of([low[0] - before, low[1] - before, (slice - 2) as f64]);
        let dims = [0, 1].map(|axis| (high[axis] - low[axis] + 1.0) as usize * FINE);
        let steps = [grid.step_mm(0) / part, grid.step_mm(1) / part, grid.step_mm(2)];
        let grid = Grid::new([dims[0], dims[1], 5], first, steps).unwrap();
        Volume {
            voxels: Voxels::I16(vec![0; grid.len()]),
            grid,
            unit: Unit::Hu,
            slices: self.volume.slices[slice - 2..=slice + 2].to_vec(),
            native: None,
        }
    }
}

/// The mask on the whole grid as a MetaImage.
fn write_mask(folder: &Path, mask: &Mask, grid: &Grid) -> PathBuf {
    let [columns, rows, slices] = grid.dims();
    let mut bytes = Vec::with_capacity(grid.len());
    for k in 0..slices {
        for j in 0..rows {
            bytes.extend((0..columns).map(|i| u8::from(mask.contains([i, j, k]))));
        }
    }
    std::fs::write(folder.join("mask.raw"), bytes).unwrap();
    let [x, y, z] = grid.spacing_mm();
    let from = grid.origin_mm();
    let mut text = String::from("ObjectType = Image\nNDims = 3\nBinaryData = True\n");
    writeln!(text, "DimSize = {columns} {rows} {slices}\nElementSpacing = {x} {y} {z}").unwrap();
    writeln!(text, "Offset = {} {} {}", from.x, from.y, from.z).unwrap();
    let axes: Vec<String> =
        [0, 1, 2].iter().flat_map(|axis| grid.direction(*axis).data.0[0].map(|n| n.to_string())).collect();
    writeln!(text, "TransformMatrix = {}", axes.join(" ")).unwrap();
    text.push_str("ElementType = MET_UCHAR\nElementDataFile = mask.raw\n");
    let path = folder.join("mask.mhd");
    std::fs::write(&path, text).unwrap();
    path
}

/// Distances from a label's surface, mm, on a grid.
struct Distances {
    grid: Grid,
    mm: Vec<f32>,
}

impl Distances {
    /// From what voxels are in the slice: "whole" their pixels, "" their centres.
    fn of(python: &Path, labels: &Path, label: u16, what: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("mm");
        let text = [label.to_string(), (MARGIN_MM + 3.0).to_string()];
        let arguments: Vec<&OsStr> = std::iter::once(labels.as_os_str())
            .chain(text.iter().map(OsStr::new))
            .chain([out.as_os_str(), what.as_ref()])
            .collect();
        let said = shared::run_python(python, "simpleitk_margin_distance.py", &arguments);
        let numbers = |value: &serde_json::Value| -> [f64; 3] {
            let all: Vec<f64> = value.as_array().unwrap().iter().map(|own| own.as_f64().unwrap()).collect();
            all.try_into().unwrap()
        };
        let steps = [0, 1, 2].map(|axis| Vector3::from(numbers(&said["steps"][axis])));
        let size = numbers(&said["size"]).map(|n| n as usize);
        let grid = Grid::new(size, Point3::from(numbers(&said["origin"])), steps).unwrap();
        let bytes = std::fs::read(out).unwrap();
        let mm: Vec<f32> =
            bytes.chunks_exact(4).map(|own| f32::from_le_bytes(own.try_into().unwrap())).collect();
        assert_eq!(mm.len(), grid.len());
        Self { grid, mm }
    }

    /// At a point, between the voxels around it; `None` beyond the grid.
    fn at(&self, point: Point3) -> Option<f64> {
        let at = self.grid.voxel_of(point);
        let mut sum = 0.0;
        for corner in 0..8_usize {
            let mut weight = 1.0;
            let mut index = [0_usize; 3];
            for axis in 0..3 {
                // Points on a slice are on it but for rounding.
                let at = if (at[axis] - at[axis].round()).abs() < 1e-4 { at[axis].round() } else { at[axis] };
                let up = (corner >> axis) & 1 == 1;
                weight *= if up { at - at.floor() } else { 1.0 - (at - at.floor()) };
                let own = at.floor() + if up { 1.0 } else { 0.0 };
                if weight > 0.0 && own < 0.0 {
                    return None;
                }
                index[axis] = own.max(0.0) as usize;
            }
            if weight > 0.0 {
                sum += weight * f64::from(self.mm[self.grid.index_of(index)?]);
            }
        }
        Some(sum)
    }
}

/// What was measured of outlines: for each point how much farther from the organ it is than the margin
/// says, mm; and the same of the voxel centres that are in one of the two margins only.
#[derive(Default)]
struct Found {
    off_mm: Vec<f64>,
    astray_mm: Vec<f64>,
    /// Voxel centres in SimpleITK's margin, and in ours.
    counts: [usize; 2],
}

impl Found {
    /// Compares the slices of `slices` of a region whose border lies `margin_mm` outside of the organ.
    fn add(&mut self, region: &Region, volume: &Volume, slices: &[usize], said: &Distances, margin_mm: f64) {
        let [columns, rows, _] = volume.grid.dims();
        let mut roi = Roi::new(RoiId(2), 2, "Margin", [0; 3]);
        roi.planes = region.planes_for(&roi, volume).into_iter().map(Arc::new).collect();
        let ours = Mask::of_roi(&roi, volume);
        for &slice in slices {
            let plane = &volume.slices[slice].plane;
            for point in region.on(slice).iter().flat_map(Polygon::rings).flatten() {
                self.off_mm.push(said.at(plane.lift(*point)).expect("the box has room") - margin_mm);
            }
            for (j, i) in (0..rows).flat_map(|j| (0..columns).map(move |i| (j, i))) {
                let inside = ours.contains([i, j, slice]);
                let Some(mm) = said.at(volume.grid.patient_of([i, j, slice].map(|n| n as f64))) else {
                    assert!(!inside, "a voxel of the margin lies beyond the box");
                    continue;
                };
                let wanted = mm <= margin_mm;
                self.counts[0] += usize::from(wanted);
                self.counts[1] += usize::from(inside);
                if wanted != inside {
                    self.astray_mm.push(mm - margin_mm);
                }
            }
        }
    }

    fn mean(&self) -> f64 {
        self.off_mm.iter().sum::<f64>() / self.off_mm.len() as f64
    }

    /// The farthest voxel centre of those that only ours or only SimpleITK's margin holds, mm.
    fn farthest(&self) -> f64 {
        self.astray_mm.iter().fold(0.0, |most, own| most.max(own.abs()))
    }

    /// The mean and the 99th percentile without signs.
    fn spread(&self) -> [f64; 2] {
        let mut all: Vec<f64> = self.off_mm.iter().map(|own| own.abs()).collect();
        all.sort_unstable_by(f64::total_cmp);
        [all.iter().sum::<f64>() / all.len() as f64, all[all.len() * 99 / 100]]
    }

    fn tell(&self, what: &str) {
        let ([off, most], [theirs, ours]) = (self.spread(), self.counts.map(|count| count as f64));
        println!(
            "{what}: {} points, off by {off:.3} mm in the mean ({:+.3} with its sign), 99 % within {most:.3} \
             mm; {:+.2} % of SimpleITK's volume, {} of {ours} voxels astray, the farthest by {:.3} mm",
            self.off_mm.len(),
            self.mean(),
            (ours / theirs - 1.0) * 100.0,
            self.astray_mm.len(),
            self.farthest(),
        );
    }
}

#[test]
fn margins_of_the_liver_are_within_a_quarter_of_a_voxel_of_the_distance_map() {
    let (Some(images), Some(labels), Some(python)) =
        (shared::data("chest/CT"), shared::data("chest/labels.nii.gz"), shared::python_with("SimpleITK"))
    else {
        return;
    };
    let organ = Organ::read(images, &labels);
    let volume = &organ.volume;
    let (first, last) = organ.grown.span().unwrap();
    let (mut out, mut inward) = (Found::default(), Found::default());
    for slice in (first.max(2)..=last.min(volume.slices.len() - 3)).step_by(EVERY) {
        let fine = organ.fine_around(slice);
        let folder = tempfile::tempdir().unwrap();
        let file = write_mask(folder.path(), &Mask::of_roi(&organ.roi, &fine), &fine.grid);
        let said = Distances::of(&python, &file, 1, "");
        out.add(&organ.grown, volume, &[slice], &said, MARGIN_MM);
        inward.add(&organ.shrunk, volume, &[slice], &said, -MARGIN_MM);
    }
    let quarter_mm = organ.pixel_mm() / 4.0;
    println!("a quarter of a voxel is {quarter_mm:.3} mm");
    for (name, found) in [("outward", out), ("inward", inward)] {
        found.tell(name);
        assert!(found.off_mm.len() > 2000, "{name}: {} points", found.off_mm.len());
        let [mean, most] = found.spread();
        assert!(mean < quarter_mm / 2.0 && most < quarter_mm, "{name}: {mean} mm, 99 % {most} mm");
        assert!(found.farthest() < quarter_mm, "{name}: a voxel {} mm on the wrong side", found.farthest());
    }
}

#[test]
fn margins_of_the_livers_voxels_are_within_a_quarter_of_one_of_the_distance_map_on_their_own_grid() {
    let (Some(images), Some(labels), Some(python)) =
        (shared::data("chest/CT"), shared::data("chest/labels.nii.gz"), shared::python_with("SimpleITK"))
    else {
        return;
    };
    let organ = Organ::read(images, &labels).of_whole_voxels();
    let said = Distances::of(&python, &labels, LIVER, "whole");
    let all: Vec<usize> = (0..organ.volume.slices.len()).collect();
    let quarter_mm = organ.pixel_mm() / 4.0;
    for (name, region, margin_mm) in
        [("outward", &organ.grown, MARGIN_MM), ("inward", &organ.shrunk, -MARGIN_MM)]
    {
        let mut found = Found::default();
        found.add(region, &organ.volume, &all, &said, margin_mm);
        found.tell(name);
        assert!(found.off_mm.len() > 20_000, "{name}: {} points", found.off_mm.len());
        let [mean, most] = found.spread();
        assert!(mean < quarter_mm / 2.0 && most < quarter_mm, "{name}: {mean} mm, 99 % {most} mm");
        assert!(found.farthest() < quarter_mm, "{name}: a voxel {} mm on the wrong side", found.farthest());
    }
}

#[test]
fn margins_of_the_liver_hold_every_voxel_that_the_distance_map_of_its_labels_holds() {
    let (Some(images), Some(labels), Some(python)) =
        (shared::data("chest/CT"), shared::data("chest/labels.nii.gz"), shared::python_with("SimpleITK"))
    else {
        return;
    };
    let organ = Organ::read(images, &labels);
    let said = Distances::of(&python, &labels, LIVER, "");
    let all: Vec<usize> = (0..organ.volume.slices.len()).collect();
    // A contour leaves a centre by half a pixel along rows and columns at most, and is within hundredths
    // of a millimetre of the true offset.
    let [x, y, _] = organ.volume.grid.spacing_mm().map(|mm| mm / 2.0);
    let (most, rounding) = (x.hypot(y), 0.03);
    for (name, region, margin_mm, sign) in
        [("outward", &organ.grown, MARGIN_MM, 1.0), ("inward", &organ.shrunk, -MARGIN_MM, -1.0)]
    {
        let mut found = Found::default();
        found.add(region, &organ.volume, &all, &said, margin_mm);
        found.tell(name);
        // Outward ours holds more, inward less: both borders are farther from the organ's.
        for off in found.astray_mm.iter().map(|own| own * sign) {
            assert!(off > -rounding && off < most + rounding, "{name}: a voxel {off} mm on the wrong side");
        }
        let [mean, largest] = found.spread();
        assert!(mean < x.min(y) / 2.0 && largest < most + rounding, "{name}: {mean} mm, 99 % {largest} mm");
        assert!(!found.astray_mm.is_empty() && found.mean() * sign > 0.0, "{name}");
    }
}
