//! What the views of one open series keep between frames.

use super::hover::Hover;
use super::navigation::Navigation;
use super::outlines::ExtentCache;
use super::pane::{Half, Pane};
use super::previews::PreviewSurfaces;
use super::surfaces::Surfaces;
use super::turning::Turning;
use crate::edit::ValueRange;
use crate::geometry::{Plane, Point3};
use crate::patient::{Roi, RoiId, Series, Unit, Volume};
use crate::render::{
    ColorMap, Interpolation, OutlineCache, Quality, ViewKind, VolumeStyle, Window, WindowPreset,
};
use crate::session::Session;
use crate::tools::{Modifiers, ToolKind, Tools};
use std::collections::HashMap;

/// How long after the last movement the 3D picture is refined, seconds.
pub(super) const REST_SECONDS: f64 = 0.15;

/// How a second series is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FusionMode {
    /// Not at all.
    #[default]
    Off,
    /// Blended over the first.
    Blend,
    /// Beside the first.
    Beside,
}

impl FusionMode {
    /// The next one, round and round.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Off => Self::Blend,
            Self::Blend => Self::Beside,
            Self::Beside => Self::Off,
        }
    }
}

/// The second series' display.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fusion {
    /// Whether and how it is shown.
    pub mode: FusionMode,
    /// How much of it, 0 to 1.
    pub opacity: f32,
    /// Its window.
    pub window: Window,
    /// The window it was first shown with.
    pub opened_window: Window,
    /// From its least to its greatest value.
    pub full_window: Window,
    /// Its colours when blended.
    pub color_map: ColorMap,
    /// As [`Display::stride`].
    pub stride: usize,
}

impl Fusion {
    /// Its colours when it is shown beside the first.
    #[must_use]
    pub fn beside_map(&self) -> ColorMap {
        match self.color_map {
            ColorMap::HotIron => ColorMap::InverseGrey,
            other => other,
        }
    }
}

/// What the pictures look like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Display {
    /// The window of the open series.
    pub window: Window,
    /// The window it was opened with.
    pub opened_window: Window,
    /// From its least to its greatest value.
    pub full_window: Window,
    /// Its colours.
    pub base_map: ColorMap,
    /// How values between voxels are made.
    pub interpolation: Interpolation,
    /// The second series.
    pub fusion: Fusion,
    /// How the volume is shown in 3D.
    pub style: VolumeStyle,
    /// Every how many voxels the pictures have one: 1, or more for want of graphics memory.
    pub stride: usize,
    /// Looking without overlays (Space held).
    pub peek: bool,
    /// Overlays are hidden; peeking shows them then.
    pub hidden: bool,
}

impl Display {
    /// Whether the picture is shown alone.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.peek != self.hidden
    }

    /// The values between black and white: of the second series, or of the open one. A range of values
    /// that is new begins with them.
    #[must_use]
    pub fn shown_range(&self, second: bool) -> ValueRange {
        let window = if second { self.fusion.window } else { self.window };
        ValueRange { low: window.low(), high: window.high() }
    }
}

/// What the views of one open series keep.
#[derive(Debug)]
pub struct ViewsState {
    /// Where they are.
    pub navigation: Navigation,
    /// What they look like.
    pub display: Display,
    /// The tools.
    pub tools: Tools,
    /// A copied contour.
    pub clipboard: Option<std::sync::Arc<crate::patient::RoiPlane>>,
    /// What recipes would make, shown dashed until they are carried out.
    pub previews: Vec<std::sync::Arc<Roi>>,
    /// What is under the pointer.
    pub hover: Option<Hover>,
    /// A sentence at the cursor: where, what, and until when in egui's time.
    pub message: Option<(egui::Pos2, String, f64)>,
    /// Where a view's menu was opened, patient mm, and the structure it is about.
    pub(super) menu_at: Option<(Point3, Option<RoiId>)>,
    /// Where each view that is shown stands in the window.
    pub(in crate::ui) places: Vec<(Pane, egui::Rect)>,
    /// When the 3D view last moved, in egui's time.
    pub moved_at: f64,
    /// When the views were first shown, in egui's time.
    pub(super) shown_at: Option<f64>,
    pub(super) outlines: OutlineCache,
    pub(super) surfaces: Surfaces,
    pub(super) preview_surfaces: PreviewSurfaces,
    pub(super) extents: ExtentCache,
    /// The picture that the tool in hand was last told of.
    pub(super) hovered_by_tool: Option<Half>,
    /// The plane that picture showed then.
    pub(super) hovered_plane: Option<Plane>,
    /// The keys it was last told of.
    pub(super) hovered_keys: Option<Modifiers>,
    /// The picture whose pointer gesture is under way.
    pub(super) gesture: Option<Half>,
    /// The planes being turned by a handle.
    pub(super) turning: Option<Turning>,
    volumes_cc: HashMap<RoiId, (u64, f64)>,
    cut: HashMap<RoiId, (u64, bool)>,
    scroll_to_selected: bool,
    /// Wheel movement not yet worth a slice.
    wheel_rest: f32,
    /// The same, not yet worth a step of the tip's size.
    size_rest: f32,
}

/// What is computed of an ROI once a revision.
fn once<T: Copy>(known: &mut HashMap<RoiId, (u64, T)>, roi: &Roi, compute: impl FnOnce() -> T) -> T {
    match known.get(&roi.id) {
        Some((revision, value)) if *revision == roi.revision => *value,
        _ => {
            let value = compute();
            known.insert(roi.id, (roi.revision, value));
            value
        }
    }
}

impl ViewsState {
    /// The views of a series just opened.
    #[must_use]
    pub fn new(series: &Series) -> Self {
        let volume = &series.volume;
        let range = value_range(volume);
        let window = Window::for_unit(volume.unit, (range.1, range.2));
        let style = if volume.unit == Unit::Hu { VolumeStyle::Bone } else { VolumeStyle::SoftTissue };
        Self {
            navigation: Navigation::new(volume),
            display: Display {
                window,
                opened_window: window,
                full_window: full_window(range),
                base_map: match volume.unit {
                    Unit::SuvBw | Unit::BqPerMl => ColorMap::InverseGrey,
                    _ => ColorMap::Grey,
                },
                interpolation: Interpolation::Linear,
                fusion: Fusion {
                    mode: FusionMode::Off,
                    opacity: 0.5,
                    window,
                    opened_window: window,
                    full_window: window,
                    color_map: ColorMap::Grey,
                    stride: 1,
                },
                style,
                stride: 1,
                peek: false,
                hidden: false,
            },
            tools: Tools::default(),
            clipboard: None,
            previews: Vec::new(),
            hover: None,
            message: None,
            menu_at: None,
            places: Vec::new(),
            moved_at: f64::NEG_INFINITY,
            shown_at: None,
            outlines: OutlineCache::default(),
            surfaces: Surfaces::default(),
            preview_surfaces: PreviewSurfaces::default(),
            extents: ExtentCache::default(),
            hovered_by_tool: None,
            hovered_plane: None,
            hovered_keys: None,
            gesture: None,
            turning: None,
            volumes_cc: HashMap::new(),
            cut: HashMap::new(),
            scroll_to_selected: false,
            wheel_rest: 0.0,
            size_rest: 0.0,
        }
    }

    /// Prepares the display of a second series and blends it in.
    pub fn show_second(&mut self, second: &Series) {
        let range = value_range(&second.volume);
        let window = Window::for_unit(second.volume.unit, (range.1, range.2));
        self.display.fusion = Fusion {
            mode: FusionMode::Blend,
            opacity: 0.5,
            window,
            opened_window: window,
            full_window: full_window(range),
            color_map: match second.volume.unit {
                Unit::SuvBw | Unit::BqPerMl | Unit::Gy => ColorMap::HotIron,
                Unit::Hu | Unit::Arbitrary => ColorMap::Grey,
            },
            stride: 1,
        };
    }

    /// Window preset 1 to 7 by name, 8 the full range, 9 as opened, for the series under the
    /// pointer: the second one where it is shown beside the first and the pointer is over it.
    pub fn show_preset(&mut self, number: u8) {
        let over_second = self.display.fusion.mode == FusionMode::Beside
            && self.hover.as_ref().is_some_and(|hover| hover.half.is_second);
        self.show_preset_of(over_second, number);
    }

    /// The same for the second series (or the first), wherever the pointer is.
    pub fn show_preset_of(&mut self, is_second: bool, number: u8) {
        let index = usize::from(number).wrapping_sub(1);
        let Display { opened_window, full_window, fusion, .. } = self.display;
        let (opened, full) =
            if is_second { (fusion.opened_window, fusion.full_window) } else { (opened_window, full_window) };
        let window = match (WindowPreset::ALL.get(index), number) {
            (Some(preset), _) => preset.window(),
            (None, 8) => full,
            _ => opened,
        };
        if is_second {
            self.display.fusion.window = window;
        } else {
            self.display.window = window;
        }
    }

    /// How well the 3D view is drawn at `now` (egui's time, seconds): fast while it moves, well when
    /// it has stood still for a moment.
    #[must_use]
    pub fn volume_quality(&self, now: f64) -> Quality {
        if now - self.moved_at < REST_SECONDS { Quality::Moving } else { Quality::Still }
    }

    /// Takes another tool in hand.
    pub fn choose_tool(&mut self, kind: ToolKind) {
        self.tools.choose(kind);
        self.message = None;
    }

    /// Turns the planes by `angle` radians about the normal of the view of `kind`, clockwise; not while
    /// the pointer draws or turns.
    pub fn turn_about(&mut self, kind: ViewKind, angle: f64) {
        if self.gesture.is_none() && self.turning.is_none() {
            self.navigation.turn_about(kind, angle);
        }
    }

    /// Shows the plain planes again; not while the pointer draws or turns.
    pub fn straighten(&mut self) {
        if self.gesture.is_none() && self.turning.is_none() {
            self.navigation.straighten();
        }
    }

    /// Drops the turning of the planes under way; whether there was one.
    pub fn drop_turn(&mut self) -> bool {
        let Some(turning) = self.turning.take() else { return false };
        turning.take_back(&mut self.navigation);
        true
    }

    /// The words for the plane of an outline drawn by clicks that no view shows now.
    #[must_use]
    pub fn outline_out_of_sight(&self) -> Option<String> {
        let (plane, words) = self.tools.outline()?;
        (!self.navigation.shows(plane)).then_some(words)
    }

    /// Moves to slice `index` of the series.
    pub fn go_to_slice(&mut self, index: usize) {
        self.navigation.go_to_slice(index);
    }

    /// The pointer has moved to a place in the window: the view there has the focus, as it stood in the
    /// frame before.
    pub fn point_at(&mut self, at: egui::Pos2) {
        if let Some((pane, _)) = self.places.iter().find(|(_, place)| place.contains(at)) {
            self.navigation.point_over(*pane, true);
        }
    }

    /// Scrolls the structure list to the selected row in the next frame.
    pub fn reveal_selected(&mut self) {
        self.scroll_to_selected = true;
    }

    /// Whether the list should scroll to the selected row; once.
    pub fn take_scroll_to_selected(&mut self) -> bool {
        std::mem::take(&mut self.scroll_to_selected)
    }

    /// An ROI's volume, computed once a revision.
    pub fn volume_cc(&mut self, roi: &Roi, session: &Session) -> f64 {
        once(&mut self.volumes_cc, roi, || roi.volume_cc(&session.series().volume))
    }

    /// Whether the end of the images cuts an ROI, computed once a revision.
    pub fn is_cut(&mut self, roi: &Roi, session: &Session) -> bool {
        once(&mut self.cut, roi, || roi.is_cut_by(&session.series().volume))
    }

    /// Whether the button is down in a stroke of a tool, which ends on the slice it began on.
    #[must_use]
    pub fn is_in_stroke(&self) -> bool {
        // An outline drawn by clicks goes on between them, with the button up.
        let is_down = self.gesture.is_some() || !self.tools.waits_to_close();
        is_down && self.tools.kind() != ToolKind::Navigate && self.tools.is_busy()
    }

    /// Whole slices to scroll for a wheel movement of so many lines; touchpads add up.
    pub(super) fn wheel_steps(&mut self, lines: f32) -> i64 {
        whole_steps(&mut self.wheel_rest, lines).into()
    }

    /// Whole steps of the tip's size for a wheel movement of so many lines, added up in the same way.
    pub(super) fn size_steps(&mut self, lines: f32) -> i32 {
        whole_steps(&mut self.size_rest, lines)
    }

    /// The colours of the open series: PET alone is shown dark on white.
    #[must_use]
    pub fn base_map(&self) -> ColorMap {
        self.display.base_map
    }

    /// Forgets what was uploaded or cached for a graphics device that is gone.
    pub fn graphics_lost(&mut self) {
        self.outlines.clear();
    }

    /// Whether work is under way that will change a picture.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.surfaces.is_busy() || self.preview_surfaces.is_busy() || self.tools.is_waiting()
    }
}

/// The whole steps in what is left of wheel movements and so many lines more; what is over is left.
fn whole_steps(rest: &mut f32, lines: f32) -> i32 {
    *rest += lines;
    let steps = rest.trunc();
    *rest -= steps;
    #[expect(clippy::cast_possible_truncation, reason = "a few steps")]
    let steps = steps as i32;
    steps
}

fn full_window(range: (f32, f32, f32, f32)) -> Window {
    Window::from_range(range.0, range.3.max(range.0 + 1e-3))
}

/// The least value, the 1st and 99th percentile, and the greatest of a sample of the volume.
fn value_range(volume: &Volume) -> (f32, f32, f32, f32) {
    let count = volume.voxels.len();
    // An odd step, so that it does not fall into step with the rows.
    let step = (count / 200_000).max(1) | 1;
    let mut values: Vec<f32> =
        (0..count).step_by(step).filter_map(|index| volume.voxels.value(index)).collect();
    values.sort_unstable_by(f32::total_cmp);
    let at = |per_mille: usize| values.get((values.len().saturating_sub(1)) * per_mille / 1000).copied();
    match (at(0), at(10), at(990), at(1000)) {
        (Some(least), Some(low), Some(high), Some(greatest)) => (least, low, high, greatest),
        _ => (0.0, 0.0, 1.0, 1.0),
    }
}
