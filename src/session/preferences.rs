//! What a person has set, in one small TOML file that survives damage: every value that can be read
//! is used, every other is the default.

use super::Overwrite;
use super::templates::Template;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use crate::data_folder::data_folder;

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// Dark surfaces.
    #[default]
    Dark,
    /// Light surfaces.
    Light,
    /// As the system has it.
    System,
}

/// What a person has set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preferences {
    /// Light or dark.
    pub theme: Theme,
    /// Whether the structure panel is open.
    pub structures_panel: bool,
    /// Whether the inspector is open.
    pub inspector_panel: bool,
    /// Brush radius, mm.
    pub brush_radius_mm: f64,
    /// Thickness of the freehand slab, mm.
    pub slab_thickness_mm: f64,
    /// What drawing does to other structures.
    pub overwrite: Overwrite,
    /// The tools' other settings, by name.
    pub tools: BTreeMap<String, toml::Value>,
    /// Whether pictures are interpolated linearly (or show their voxels).
    pub smooth_pictures: bool,
    /// Size of the interface, 1 = 100 %.
    pub scale: f64,
    /// Files and folders last opened, the latest first.
    pub recent: Vec<PathBuf>,
    /// The models whose card was read, each with its version ("head-neck 0.1.0").
    pub cards_read: BTreeSet<String>,
    /// Where models are fetched from instead of their publishers; empty for those.
    pub model_source: String,
    /// Keys that differ from the standard ones: action to key.
    pub keys: BTreeMap<String, String>,
    /// The organs that each model is asked for; all of one that is not named here.
    pub organs: BTreeMap<String, Vec<String>>,
    /// How long models took, by device, model, version and the manner in which its networks run. Before,
    /// `speeds` held times that were counted otherwise; they are not read.
    pub model_speeds: BTreeMap<String, ModelSpeed>,
    /// The person's own sets of organs.
    pub templates: Vec<Template>,
}

/// How long a model took on a device.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ModelSpeed {
    /// Seconds for 10^12 multiply-accumulate operations of its networks.
    pub seconds_per_teramac: f64,
    /// Seconds for everything around that (body, resampling, contours), for a million voxels.
    pub seconds_per_megavoxel: f64,
    /// Whether a whole run told; otherwise one patch was measured.
    pub from_run: bool,
}

impl ModelSpeed {
    /// Whether the numbers can be times.
    fn is_usable(&self) -> bool {
        [self.seconds_per_teramac, self.seconds_per_megavoxel]
            .iter()
            .all(|seconds| (0.0..1e7).contains(seconds))
    }
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            theme: Theme::Dark,
            structures_panel: true,
            inspector_panel: true,
            brush_radius_mm: 8.0,
            slab_thickness_mm: 10.0,
            overwrite: Overwrite::default(),
            tools: BTreeMap::new(),
            smooth_pictures: true,
            scale: 1.0,
            recent: Vec::new(),
            cards_read: BTreeSet::new(),
            model_source: String::new(),
            keys: BTreeMap::new(),
            organs: BTreeMap::new(),
            model_speeds: BTreeMap::new(),
            templates: Vec::new(),
        }
    }
}

/// The number of recent places kept.
const RECENT: usize = 12;

fn file(folder: &Path) -> PathBuf {
    folder.join("preferences.toml")
}

impl Preferences {
    /// Reads the preferences in a data folder. What is missing or damaged is the default, each with
    /// a sentence; a missing file is no damage.
    #[must_use]
    pub fn load(folder: &Path) -> (Self, Vec<String>) {
        let path = file(folder);
        match std::fs::read(&path) {
            Ok(bytes) => {
                let (preferences, mut notes) = Self::from_toml(&String::from_utf8_lossy(&bytes));
                for note in &mut notes {
                    *note = format!("{note} ({})", path.display());
                }
                (preferences, notes)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (Self::default(), Vec::new()),
            Err(error) => {
                let note = format!("The preferences cannot be read: {error} ({})", path.display());
                (Self::default(), vec![note])
            }
        }
    }

    /// Reads preferences from text; see [`Self::load`].
    #[must_use]
    pub fn from_toml(text: &str) -> (Self, Vec<String>) {
        let mut preferences = Self::default();
        let mut notes = Vec::new();
        // Line by line where the whole cannot be read: one bad line costs one value.
        let table: toml::Table = text.parse().unwrap_or_else(|_| {
            notes.push("The preferences are damaged; what could be read is used.".to_owned());
            let mut rescued = toml::Table::new();
            let lines = text.lines().filter_map(|line| line.parse::<toml::Table>().ok());
            lines.for_each(|line| rescued.extend(line));
            rescued
        });
        let mut read = |key: &str, set: &mut dyn FnMut(toml::Value) -> bool| {
            if let Some(value) = table.get(key)
                && !set(value.clone())
            {
                notes.push(format!("The preference {key} is not understood; the standard is used."));
            }
        };
        macro_rules! read_all {
            ($($field:ident: $fits:expr),* $(,)?) => {$(
                read(stringify!($field), &mut |value| match value.try_into() {
                    Ok(value) if $fits(&value) => { preferences.$field = value; true }
                    _ => false,
                });
            )*};
        }
        read_all! {
            theme: |_: &Theme| true,
            structures_panel: |_: &bool| true,
            inspector_panel: |_: &bool| true,
            brush_radius_mm: |mm: &f64| (0.5..=80.0).contains(mm),
            slab_thickness_mm: |mm: &f64| (1.0..=500.0).contains(mm),
            overwrite: |_: &Overwrite| true,
            tools: |_: &BTreeMap<String, toml::Value>| true,
            smooth_pictures: |_: &bool| true,
            scale: |scale: &f64| (0.5..=4.0).contains(scale),
            recent: |_: &Vec<PathBuf>| true,
            cards_read: |_: &BTreeSet<String>| true,
            model_source: |_: &String| true,
            keys: |_: &BTreeMap<String, String>| true,
            organs: |_: &BTreeMap<String, Vec<String>>| true,
            model_speeds: |speeds: &BTreeMap<String, ModelSpeed>| speeds.values().all(ModelSpeed::is_usable),
            templates: |_: &Vec<Template>| true,
        }
        (preferences, notes)
    }

    /// Writes the preferences into a data folder: to a temporary file first, then renamed.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let text = toml::to_string(self).map_err(std::io::Error::other)?;
        let place = tempfile::NamedTempFile::new_in(folder)?;
        std::fs::write(place.path(), text)?;
        place.persist(file(folder)).map_err(|error| error.error)?;
        Ok(())
    }

    /// Puts a place at the head of the recent ones.
    pub fn remember(&mut self, place: &Path) {
        self.recent.retain(|known| known != place);
        self.recent.insert(0, place.to_owned());
        self.recent.truncate(RECENT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Preferences::load(folder.path()), (Preferences::default(), Vec::new()));
        let mut preferences = Preferences { theme: Theme::Light, brush_radius_mm: 3.5, ..Default::default() };
        preferences.remember(Path::new("/data/chest"));
        preferences.keys.insert("undo".to_owned(), "Ctrl+Z".to_owned());
        preferences.overwrite = Overwrite::Visible;
        preferences.tools.insert("brush_mode".to_owned(), toml::Value::String("Auto".to_owned()));
        let range = toml::Table::from_iter([("low".to_owned(), toml::Value::Float(-50.0))]);
        preferences.tools.insert("brush_tip_hu".to_owned(), toml::Value::Table(range));
        preferences.cards_read.insert("head-neck 0.1.0".to_owned());
        preferences.organs.insert("head-neck".to_owned(), vec!["Brainstem".to_owned()]);
        preferences.templates.push(Template { name: "Mine".to_owned(), organs: vec!["Larynx".to_owned()] });
        let speed = ModelSpeed { seconds_per_teramac: 0.25, seconds_per_megavoxel: 0.5, from_run: true };
        preferences.model_speeds.insert("the processor, head-neck 0.1.0".to_owned(), speed);
        preferences.save(folder.path()).unwrap();
        assert_eq!(Preferences::load(folder.path()), (preferences, Vec::new()));
    }

    #[test]
    fn damage_costs_only_what_is_damaged() {
        let text = "theme = \"light\"\nbrush_radius_mm = \"big\"\nscale = 1.5\nsmooth_pictures = fal";
        let (preferences, notes) = Preferences::from_toml(text);
        assert_eq!((preferences.theme, preferences.scale.to_bits()), (Theme::Light, 1.5_f64.to_bits()));
        assert_eq!(preferences.brush_radius_mm.to_bits(), 8.0_f64.to_bits());
        assert_eq!(notes.len(), 2, "{notes:?}");
        let (preferences, notes) = Preferences::from_toml("brush_radius_mm = 1e9");
        assert_eq!((preferences, notes.len()), (Preferences::default(), 1));
        let speed = "seconds_per_teramac = -1.0\nseconds_per_megavoxel = 0.0\nfrom_run = true";
        let (preferences, notes) = Preferences::from_toml(&format!("[model_speeds.x]\n{speed}"));
        assert_eq!((preferences.model_speeds.len(), notes.len()), (0, 1));
        // Those of before, which were counted otherwise, go without a word.
        let before = Preferences::from_toml("[speeds.x]\nseconds = 2.0\nfrom_run = true");
        assert_eq!(before, (Preferences::default(), Vec::new()));
        let _ = Preferences::from_toml("\u{0}\u{1}[[[");
    }
}
