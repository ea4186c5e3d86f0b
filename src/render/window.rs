//! Window level and width, their presets, and colour maps.

use crate::patient::{Unit, Volume};

/// A grey-scale window in the volume's unit: black at `level - width / 2`, white at
/// `level + width / 2`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// The value shown mid-grey.
    pub level: f32,
    /// The range from black to white, above 0.
    pub width: f32,
}

impl Window {
    /// A window; a width below a millionth is taken as that.
    #[must_use]
    pub fn new(level: f32, width: f32) -> Self {
        Self { level, width: width.max(1e-6) }
    }

    /// The window from black at `low` to white at `high`.
    #[must_use]
    pub fn from_range(low: f32, high: f32) -> Self {
        Self::new(f32::midpoint(low, high), high - low)
    }

    /// The value shown black.
    #[must_use]
    pub fn low(self) -> f32 {
        self.level - self.width / 2.0
    }

    /// The value shown white.
    #[must_use]
    pub fn high(self) -> f32 {
        self.level + self.width / 2.0
    }

    /// The brightness of a value, 0 to 1.
    #[must_use]
    pub fn brightness(self, value: f32) -> f32 {
        ((value - self.low()) / self.width).clamp(0.0, 1.0)
    }

    /// A first window for a volume, from the range of most of its values.
    #[must_use]
    pub fn for_volume(volume: &Volume) -> Self {
        let count = volume.voxels.len();
        // Some ten thousand voxels tell the percentiles to a fraction of a per cent.
        let step = (count / 40_000).max(1) | 1;
        let mut values: Vec<f32> =
            (0..count).step_by(step).filter_map(|index| volume.voxels.value(index)).collect();
        values.sort_unstable_by(f32::total_cmp);
        let at = |percent: usize| values.get(values.len().saturating_sub(1) * percent / 1000);
        let range = at(10).zip(at(995)).map_or((0.0, 1.0), |(low, high)| (*low, *high));
        Self::for_unit(volume.unit, range)
    }

    /// A first window for a volume of a unit whose values range over `range` (ideally from the
    /// first to the 99th percentile).
    #[must_use]
    pub fn for_unit(unit: Unit, range: (f32, f32)) -> Self {
        match unit {
            Unit::Hu => WindowPreset::SoftTissue.window(),
            Unit::SuvBw => Self::from_range(0.0, 10.0),
            Unit::BqPerMl | Unit::Gy => Self::from_range(0.0, range.1.max(1e-3)),
            Unit::Arbitrary => Self::from_range(range.0, range.1.max(range.0 + 1e-3)),
        }
    }
}

/// The named windows for HU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum WindowPreset {
    /// Level 40, width 400.
    SoftTissue,
    /// Level -600, width 1500.
    Lung,
    /// Level 400, width 1800.
    Bone,
    /// Level 40, width 80.
    Brain,
    /// Level 50, width 250.
    HeadNeck,
    /// Level 60, width 160.
    Liver,
    /// Level 50, width 350.
    Mediastinum,
}

impl WindowPreset {
    /// All, in the order of their keys 1 to 7.
    pub const ALL: [Self; 7] = [
        Self::SoftTissue,
        Self::Lung,
        Self::Bone,
        Self::Brain,
        Self::HeadNeck,
        Self::Liver,
        Self::Mediastinum,
    ];

    /// The name shown to a person.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::SoftTissue => "Soft tissue",
            Self::Lung => "Lung",
            Self::Bone => "Bone",
            Self::Brain => "Brain",
            Self::HeadNeck => "Head and neck",
            Self::Liver => "Liver",
            Self::Mediastinum => "Mediastinum",
        }
    }

    /// The window, HU.
    #[must_use]
    pub fn window(self) -> Window {
        let (level, width) = match self {
            Self::SoftTissue => (40.0, 400.0),
            Self::Lung => (-600.0, 1500.0),
            Self::Bone => (400.0, 1800.0),
            Self::Brain => (40.0, 80.0),
            Self::HeadNeck => (50.0, 250.0),
            Self::Liver => (60.0, 160.0),
            Self::Mediastinum => (50.0, 350.0),
        };
        Window { level, width }
    }
}

/// How a brightness becomes a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum ColorMap {
    /// Black to white.
    #[default]
    Grey,
    /// White to black, the usual way to show PET alone.
    InverseGrey,
    /// Black, red, orange, white (the Hot Iron palette of PS3.6 B.1.1).
    HotIron,
}

impl ColorMap {
    /// The colour of a brightness, both 0 to 1.
    #[must_use]
    pub fn color(self, brightness: f32) -> [f32; 3] {
        let t = brightness.clamp(0.0, 1.0);
        match self {
            Self::Grey => [t; 3],
            Self::InverseGrey => [1.0 - t; 3],
            Self::HotIron => [2.0 * t, 2.0 * t - 1.0, 4.0 * t - 3.0].map(|c| c.clamp(0.0, 1.0)),
        }
    }

    /// How much of a fusion layer's opacity a brightness gets, 0 to 1: hot iron fades out towards
    /// zero, so that the image below stays readable where there is no uptake.
    #[must_use]
    pub fn presence(self, brightness: f32) -> f32 {
        match self {
            Self::Grey | Self::InverseGrey => 1.0,
            Self::HotIron => (5.0 * brightness).clamp(0.0, 1.0),
        }
    }

    /// The number that stands for it in the shaders.
    pub(super) fn code(self) -> u32 {
        match self {
            Self::Grey => 0,
            Self::InverseGrey => 1,
            Self::HotIron => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_runs_from_black_to_white() {
        let window = Window::new(40.0, 400.0);
        for (value, brightness) in [(-160.0, 0.0), (40.0, 0.5), (240.0, 1.0), (-2000.0, 0.0), (3000.0, 1.0)] {
            assert!((window.brightness(value) - brightness).abs() < 1e-6);
        }
    }

    #[test]
    fn hot_iron_runs_black_red_orange_white() {
        let map = ColorMap::HotIron;
        assert_eq!(map.color(0.0), [0.0, 0.0, 0.0]);
        assert_eq!(map.color(0.5), [1.0, 0.0, 0.0]);
        assert_eq!(map.color(0.75), [1.0, 0.5, 0.0]);
        assert_eq!(map.color(1.0), [1.0, 1.0, 1.0]);
    }
}
