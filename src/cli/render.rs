//! `delineo render`: the picture that the workstation would show, through the same shaders.

use super::WrongUsage;
use super::bar::with_bar;
use super::convert::read_structures;
use crate::device::DeviceChoice;
use crate::geometry::Point3;
use crate::patient::{PatientInfo, Roi, RoiType, Series, StructureSet, Unit, Volume};
use crate::render::{
    ColorMap, Interpolation, Labels, OrbitCamera, OutlineCache, Painter, PictureSize, Quality, RgbaImage,
    SliceCamera, SliceScene, SurfaceMesh, ViewFrame, ViewKind, VolumeScene, VolumeStyle, Window,
    annotate_slice, annotate_volume, surface_of_roi,
};
use crate::session::study::Study;
use anyhow::bail;
use clap::ValueEnum;
use rayon::prelude::*;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// Draws the picture that the workstation would show.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The images: a folder or file of DICOM, or a NIfTI image.
    path: PathBuf,
    /// Structures to draw: an RTSTRUCT or a label map.
    #[arg(long, value_name = "FILE")]
    structures: Option<PathBuf>,
    /// The view.
    #[arg(long, value_enum)]
    view: View,
    /// The patient position to look at, mm (LPS); the middle of the structures or images without.
    #[arg(long, value_name = "X,Y,Z", value_parser = parse_point, allow_hyphen_values = true)]
    at: Option<Point3>,
    /// Window level and width, in the unit of the images.
    #[arg(long, value_name = "LEVEL,WIDTH", value_parser = parse_window, allow_hyphen_values = true)]
    window: Option<Window>,
    /// The picture's size in pixels.
    #[arg(long, value_name = "WxH", default_value = "1024x1024", value_parser = parse_size)]
    size: PictureSize,
    /// What of the volume is shown in 3D.
    #[arg(long, value_enum, default_value = "bone")]
    style: Style,
    /// The picture to write.
    #[arg(long, value_name = "FILE.png")]
    out: PathBuf,
    /// The series to use where the images hold several.
    #[arg(long, value_name = "UID")]
    series: Option<String>,
    /// The device: auto, gpu or cpu.
    #[arg(long, default_value = "auto", value_parser = DeviceChoice::from_str)]
    device: DeviceChoice,
    /// Overwrites an existing file.
    #[arg(long)]
    force: bool,
}

/// A view, by the name in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum View {
    /// From the feet: patient right on the left, anterior up.
    Axial,
    /// From the left: anterior on the left, head up.
    Sagittal,
    /// From the front: patient right on the left, head up.
    Coronal,
    /// Volume and surfaces in 3D.
    #[value(name = "3d")]
    ThreeD,
}

/// What of the volume is shown in 3D.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Style {
    /// Bone and vessels full of contrast.
    Bone,
    /// Muscle and organs.
    SoftTissue,
    /// Lung vessels and airways.
    Lung,
    /// The skin.
    Skin,
    /// Nothing but the structures.
    None,
}

impl From<Style> for VolumeStyle {
    fn from(style: Style) -> Self {
        match style {
            Style::Bone => Self::Bone,
            Style::SoftTissue => Self::SoftTissue,
            Style::Lung => Self::Lung,
            Style::Skin => Self::Skin,
            Style::None => Self::None,
        }
    }
}

fn numbers<const N: usize>(text: &str, separator: char) -> Option<[f64; N]> {
    let numbers: Option<Vec<f64>> =
        text.split(separator).map(|part| part.trim().parse().ok().filter(|n: &f64| n.is_finite())).collect();
    numbers?.try_into().ok()
}

fn parse_point(text: &str) -> Result<Point3, String> {
    let point = numbers::<3>(text, ',').ok_or("three numbers are wanted, such as -12.5,40,-210")?;
    Ok(Point3::from(point))
}

fn parse_window(text: &str) -> Result<Window, String> {
    match numbers::<2>(text, ',') {
        #[expect(clippy::cast_possible_truncation, reason = "a window is shown to three digits")]
        Some([level, width]) if width > 0.0 => Ok(Window::new(level as f32, width as f32)),
        _ => Err("a level and a width above 0 are wanted, such as 40,400".to_owned()),
    }
}

fn parse_size(text: &str) -> Result<PictureSize, String> {
    const RANGE: std::ops::RangeInclusive<u32> = 16..=8192;
    let sizes: Option<Vec<u32>> = text.split(['x', 'X']).map(|part| part.trim().parse().ok()).collect();
    match sizes.as_deref() {
        Some([width, height]) if RANGE.contains(width) && RANGE.contains(height) => Ok([*width, *height]),
        _ => Err("width and height from 16 to 8192 are wanted, such as 1024x768".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
/// When a file cannot be read or written, or the device that was asked for is not there.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if !args.out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png")) {
        bail!(WrongUsage(format!("a picture's name ends in .png: {}", args.out.display())));
    }
    if !args.force && args.out.exists() {
        bail!(
            "the file already exists; choose another name or ask to overwrite it (--force): {}",
            args.out.display()
        );
    }
    let mut painter = Painter::new(args.device)?;
    let paths = std::slice::from_ref(&args.path);
    let study = with_bar(|progress| Study::open(paths, args.series.as_deref(), progress))?;
    if let Some(choice) = &study.choice {
        eprintln!("{choice}; choose another with --series UID");
    }
    for warning in &study.warnings {
        eprintln!("warning: {warning}");
    }
    let structures = args.structures.as_ref().map(|path| read_structures(path, &study.series)).transpose()?;
    let structures = structures.unwrap_or_default();
    let picture = Picture {
        series: &study.series,
        structures: &structures,
        at_mm: args.at,
        window: args.window.unwrap_or_else(|| Window::for_volume(&study.series.volume)),
        size_px: args.size,
    };
    let image = match args.view {
        View::Axial => picture.slice(ViewKind::Axial, &mut painter)?,
        View::Sagittal => picture.slice(ViewKind::Sagittal, &mut painter)?,
        View::Coronal => picture.slice(ViewKind::Coronal, &mut painter)?,
        View::ThreeD => picture.volume(args.style.into(), &mut painter)?,
    };
    image.write_png(&args.out, args.force)?;
    eprintln!("drawn on {}: {}", painter.device(), args.out.display());
    Ok(())
}

/// A picture of a series with its structures, with everything burnt in that names it.
///
/// The demonstration makes its pictures through this, too.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// The images.
    pub series: &'a Series,
    /// The structures; those that are visible are drawn.
    pub structures: &'a StructureSet,
    /// Where to look, patient mm; `None`: the middle of the structures, or of the images.
    pub at_mm: Option<Point3>,
    /// The grey-scale window.
    pub window: Window,
    /// The picture's size, pixels.
    pub size_px: PictureSize,
}

impl Picture<'_> {
    /// The slice nearest to the place looked at.
    ///
    /// # Errors
    /// When the graphics device that was asked for fails.
    pub fn slice(&self, kind: ViewKind, painter: &mut Painter) -> anyhow::Result<RgbaImage> {
        let volume = &self.series.volume;
        let frame = ViewFrame::of(&volume.grid);
        let slice = frame.nearest_slice(volume, kind, self.place_mm());
        let camera = SliceCamera::fit(&volume.grid, kind, slice.through_mm, self.size_px);
        let mut scene = SliceScene::new(camera, Some(Arc::clone(volume)), self.window);
        scene.interpolation = Interpolation::Linear;
        scene.pixels_per_point = self.pixels_per_point();
        if volume.unit == Unit::SuvBw || volume.unit == Unit::BqPerMl {
            scene.color_map = ColorMap::InverseGrey;
        }
        let mut cache = OutlineCache::default();
        let plane = camera.plane();
        scene.outlines = self.visible().map(|roi| cache.outline(roi, Some(volume), &plane)).collect();
        let mut image = painter.render_slice(&scene)?;
        let missing = if slice.is_missing { ", missing from the series" } else { "" };
        let position = vec![
            format!("{} {}{missing}", kind.label(), position_text(&frame, kind, slice.through_mm)),
            format!("slice {} of {}", slice.number, slice.count),
            window_text(self.window, volume),
        ];
        annotate_slice(&mut image, &camera, &self.labels(position));
        Ok(image)
    }

    /// Volume and surfaces in 3D.
    ///
    /// # Errors
    /// When the graphics device that was asked for fails.
    pub fn volume(&self, style: VolumeStyle, painter: &mut Painter) -> anyhow::Result<RgbaImage> {
        let volume = &self.series.volume;
        let mut camera = OrbitCamera::fit(&volume.grid, self.size_px);
        if let Some(at_mm) = self.at_mm {
            camera.target_mm = at_mm;
        }
        let mut scene = VolumeScene::new(camera, self.size_px, Some(Arc::clone(volume)), style);
        scene.window = self.window;
        scene.quality = if painter.is_fast() { Quality::Fine } else { Quality::Still };
        // The body's surface would hide everything in it.
        let mut rois: Vec<&Arc<Roi>> = self.visible().collect();
        if rois.iter().any(|roi| roi.roi_type != RoiType::External) {
            rois.retain(|roi| roi.roi_type != RoiType::External);
        }
        let meshes: Vec<SurfaceMesh> =
            rois.par_iter().filter_map(|roi| surface_of_roi(roi, Some(volume))).collect();
        scene.meshes = meshes;
        let mut image = painter.render_volume(&scene)?;
        annotate_volume(
            &mut image,
            &scene,
            &self.labels(vec![format!("3D, {}", style.label().to_lowercase())]),
        );
        Ok(image)
    }

    fn visible(&self) -> impl Iterator<Item = &Arc<Roi>> {
        self.structures.rois.iter().filter(|roi| roi.visible)
    }

    /// Where to look: as asked, else the middle of the structures' box, else of the images.
    fn place_mm(&self) -> Point3 {
        let points = || {
            self.visible().flat_map(|roi| &roi.planes).flat_map(|own| {
                own.polygons.iter().flat_map(|polygon| &polygon.outer).map(|point| own.plane.lift(*point))
            })
        };
        let structures = || {
            let (low, high) = (points().reduce(|a, b| a.inf(&b))?, points().reduce(|a, b| a.sup(&b))?);
            Some(low + (high - low) / 2.0)
        };
        self.at_mm.or_else(structures).unwrap_or_else(|| self.series.volume.grid.center_mm())
    }

    /// Lines and text grow with the picture, as on a screen of that size.
    fn pixels_per_point(&self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "pixels")]
        let smaller = self.size_px[0].min(self.size_px[1]) as f32;
        (smaller / 1000.0).clamp(0.6, 3.0)
    }

    fn labels(&self, position: Vec<String>) -> Labels {
        let info = &self.series.info;
        let modality = info.modality.code();
        Labels {
            patient: patient_lines(&info.patient),
            series: vec![
                format!("{modality} {}", info.description).trim().to_owned(),
                date_text(&info.study.date),
            ],
            position,
            synthetic: info.patient.synthetic,
        }
    }
}

fn patient_lines(patient: &PatientInfo) -> Vec<String> {
    let name = patient.name.split('=').next().unwrap_or_default();
    let parts: Vec<&str> = name.split('^').map(str::trim).filter(|part| !part.is_empty()).collect();
    let name = match parts.split_first() {
        Some((family, given)) if !given.is_empty() => format!("{family}, {}", given.join(" ")),
        _ => parts.concat(),
    };
    let labelled = |label: &str, value: String| {
        if value.is_empty() { value } else { format!("{label} {value}") }
    };
    vec![name, labelled("ID", patient.id.clone()), labelled("born", date_text(&patient.birth_date))]
}

/// `20240131` as `2024-01-31`; anything else as it is.
fn date_text(date: &str) -> String {
    if date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..])
    } else {
        date.to_owned()
    }
}

fn position_text(frame: &ViewFrame, kind: ViewKind, at_mm: Point3) -> String {
    let direction = frame.scroll_direction(kind);
    let axis = match kind {
        ViewKind::Axial => ("z", at_mm.z, 2),
        ViewKind::Sagittal => ("x", at_mm.x, 0),
        ViewKind::Coronal => ("y", at_mm.y, 1),
    };
    if (direction[axis.2] - 1.0).abs() < 1e-9 {
        format!("{} {:.1} mm", axis.0, axis.1)
    } else {
        format!("oblique, {:.1} mm along its axis", direction.dot(&at_mm.coords))
    }
}

fn window_text(window: Window, volume: &Volume) -> String {
    let digits = usize::from(window.width < 20.0);
    format!("level {:.digits$}, width {:.digits$} {}", window.level, window.width, volume.unit.label())
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_or_refused_with_an_example() {
        assert_eq!(parse_point("-12.5, 40,-210").unwrap(), Point3::new(-12.5, 40.0, -210.0));
        assert!(parse_point("1,2").is_err() && parse_point("1,2,nan").is_err());
        assert_eq!(parse_window("-600,1500").unwrap(), Window::new(-600.0, 1500.0));
        assert!(parse_window("40,0").is_err() && parse_window("40").is_err());
        assert_eq!(parse_size("640x480").unwrap(), [640, 480]);
        assert!(parse_size("0x480").is_err() && parse_size("640").is_err());
    }

    #[test]
    fn the_patient_is_named_as_people_write_it() {
        let patient = PatientInfo {
            name: "Doe^Jane^^Dr".into(),
            id: "42".into(),
            birth_date: "19500131".into(),
            ..PatientInfo::default()
        };
        assert_eq!(patient_lines(&patient), ["Doe, Jane Dr", "ID 42", "born 1950-01-31"]);
        assert_eq!(patient_lines(&PatientInfo::default()), ["", "", ""]);
    }
}
