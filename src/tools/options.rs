//! The tools' settings as plain values by name, to be kept from one start to the next.
//!
//! A row of [`OPTIONS`] is a setting. Ranges of image values mean something only in their unit, so
//! such settings are kept for each unit apart. What cannot be read leaves the setting as it is.

use super::{BrushTip, Rivals, SegmentSettings, Tools, Within};
use crate::edit::GrowRange;
use crate::edit::segment::{LungSide, Uptake};
use crate::patient::Unit;
use std::collections::BTreeMap;
use toml::Value;

/// Settings by name.
pub type ToolOptions = BTreeMap<String, Value>;

struct Row {
    name: &'static str,
    /// Whether it is in the unit of the images.
    by_unit: bool,
    read: fn(&Tools) -> Option<Value>,
    write: fn(&mut Tools, Value),
}

/// A setting by its getter and setter.
macro_rules! option {
    ($name:literal, $($tool:ident).+, $get:ident, $set:ident) => {
        Row {
            name: $name,
            by_unit: false,
            read: |tools| Value::try_from(tools.$($tool).+.$get()).ok(),
            write: |tools, value| {
                if let Ok(value) = value.try_into() {
                    tools.$($tool).+.$set(value);
                }
            },
        }
    };
    ($name:literal by unit, $($tool:ident).+, $get:ident, $set:ident) => {
        Row { by_unit: true, ..option!($name, $($tool).+, $get, $set) }
    };
}

/// A setting of the semi-automatic tool by its field; `if` says when it means something beyond what is
/// open now: structures have other numbers in the next study, and values of the second image are in
/// its unit.
macro_rules! segment {
    ($name:literal, $field:ident $(, if $fits:expr)?) => {
        Row {
            name: $name,
            by_unit: false,
            read: |tools| {
                let settings = tools.segment.settings();
                segment!(fits settings $(, $fits)?).then(|| Value::try_from(settings.$field).ok())?
            },
            write: |tools, value| {
                if let Ok($field) = value.try_into() {
                    let settings = SegmentSettings { $field, ..tools.segment.settings() };
                    if segment!(fits settings $(, $fits)?) {
                        tools.segment.restore_settings(settings);
                    }
                }
            },
        }
    };
    (fits $settings:ident) => {
        true
    };
    (fits $settings:ident, $fits:expr) => {{
        let fits: fn(&SegmentSettings) -> bool = $fits;
        fits(&$settings)
    }};
    ($name:literal by unit, $field:ident $(, if $fits:expr)?) => {
        Row { by_unit: true, ..segment!($name, $field $(, if $fits)?) }
    };
}

/// Every setting that is kept. Radius and slab thickness have places of their own in the preferences.
const OPTIONS: &[Row] = &[
    option!("brush_mode", brush, mode, set_mode),
    option!("brush_reach", brush, reach, set_reach),
    option!("brush_thickness_mm", brush, thickness_mm, set_thickness_mm),
    option!("brush_tip" by unit, brush, tip, set_tip),
    option!("brush_tips" by unit, brush, tips, set_tips),
    option!("brush_radii_mm" by unit, brush, radii_mm, set_radii_mm),
    option!("brush_by_second", brush.second, is_wanted, want),
    option!("brush_second_ranges", brush.second, ranges, set_ranges),
    option!("freehand_mode", freehand, mode, set_mode),
    option!("shape_kind", shape, kind, set_kind),
    option!("shape_cuts", shape, cuts, set_cuts),
    option!("push_on_slice_only", mold, is_flat, set_flat),
    option!("push_firmly", mold, is_firm, set_firm),
    option!("growth" by unit, grow, growth, restore_growth),
    option!("growth_kinds" by unit, grow, kinds, set_kinds),
    option!("growth_by_second", grow, wants_second, restore_second),
    option!("growth_second_ranges", grow.second, ranges, set_ranges),
    option!("between_snaps", between, snaps, set_snaps),
    option!("between_snap_reach_mm", between, snap_reach_mm, set_snap_reach_mm),
    option!("wire_cuts", live_wire, cuts, set_cuts),
    option!("wire_learns", live_wire, learns, set_learns),
    option!("wire_by_second", live_wire.second, is_wanted, want),
    option!("points_soft", points, is_soft, set_soft),
    option!("move_whole", transform, is_whole, set_whole),
    segment!("find_as", take_as),
    segment!("find_range" by unit, range, if |settings| !settings.second),
    segment!("find_within", within, if |settings| !matches!(settings.within, Within::Roi(_))),
    segment!("find_keep", keep),
    segment!("find_least_cc", least_cc),
    segment!("find_fill_holes", fill_holes),
    segment!("find_ball_mm", ball_mm),
    segment!("find_box_depth_mm", box_depth_mm),
    segment!("find_uptake" by unit, uptake,
        if |settings| !(settings.second && matches!(settings.uptake, Uptake::Above(_)))),
    segment!("find_uptake_within", uptake_within,
        if |settings| !matches!(settings.uptake_within, Within::Roi(_))),
    segment!("find_dose", dose),
    segment!("find_scribble_mm", scribble_mm),
    segment!("find_margin_mm", margin_mm),
    segment!("find_fill", fill),
    segment!("find_rivals", rivals, if |settings| !matches!(settings.rivals, Rivals::Roi(_))),
    segment!("find_body", extent),
    Row { name: "find_lung", by_unit: false, read: read_lung, write: write_lung },
    segment!("find_lung_close_mm", close_mm),
    segment!("find_bones", bones),
];

/// The lung that goes by the structure's name, as text.
const BY_NAME: &str = "ByName";

fn read_lung(tools: &Tools) -> Option<Value> {
    let side = tools.segment.settings().side;
    side.map_or_else(|| Some(Value::from(BY_NAME)), |side| Value::try_from(side).ok())
}

fn write_lung(tools: &mut Tools, value: Value) {
    let side = match value.as_str() {
        Some(BY_NAME) => None,
        _ => match value.try_into::<LungSide>() {
            Ok(side) => Some(side),
            Err(_) => return,
        },
    };
    tools.segment.restore_settings(SegmentSettings { side, ..tools.segment.settings() });
}

impl Row {
    fn key(&self, unit: Unit) -> String {
        if self.by_unit { format!("{}_{unit:?}", self.name).to_lowercase() } else { self.name.to_owned() }
    }
}

impl Tools {
    /// Puts the settings, as they are for images of this unit, among `kept`.
    pub fn keep_options(&self, unit: Unit, kept: &mut ToolOptions) {
        kept.extend(OPTIONS.iter().filter_map(|row| Some((row.key(unit), (row.read)(self)?))));
    }

    /// Sets what is kept for images of this unit.
    pub fn restore_options(&mut self, unit: Unit, kept: &ToolOptions) {
        for row in OPTIONS {
            if let Some(value) = kept.get(&row.key(unit)) {
                (row.write)(self, value.clone());
            }
        }
    }
}

/// Whether the values a brush paints can be a range.
pub(super) fn is_sound_tip(tip: BrushTip) -> bool {
    match tip {
        BrushTip::Plain => true,
        BrushTip::Adaptive { tolerance } => tolerance.is_finite(),
        BrushTip::Range(range) => range.low <= range.high,
    }
}

/// Whether the values that grow can be a range.
pub(super) fn is_sound_range(range: GrowRange) -> bool {
    match range {
        GrowRange::Similar { tolerance } => (1.0..=8.0).contains(&tolerance),
        GrowRange::Fixed(range) => range.low <= range.high,
        GrowRange::PartOfMaximum(part) => (0.0..=1.0).contains(&part),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BrushMode, BrushReach, FreehandMode, GrowBy, KeepPieces, ShapeKind, TakeAs, Tip};
    use super::*;
    use crate::ai::body::BodyExtent;
    use crate::edit::segment::{BoneOptions, DoseLevel, Fill};
    use crate::edit::{Growth, ValueRange};
    use crate::patient::RoiId;
    use crate::session::fixture::{axial_series, session_with};

    #[test]
    fn settings_come_back_and_ranges_only_in_their_unit() {
        let mut tools = Tools::default();
        let range = ValueRange { low: -50.0, high: 150.5 };
        tools.brush.set_mode(BrushMode::Auto);
        tools.brush.set_reach(BrushReach::Slab);
        tools.brush.set_thickness_mm(4.5);
        tools.brush.set_radius_mm(5.0);
        tools.brush.set_tip(BrushTip::Adaptive { tolerance: 4.5 });
        tools.brush.set_radius_mm(15.0);
        tools.brush.set_tip(BrushTip::Range(range));
        let uptake = ValueRange { low: 2.5, high: 40.0 };
        tools.brush.second.want(true);
        tools.brush.second.set_ranges([("suvbw".to_owned(), uptake)].into());
        tools.grow.second.want(true);
        tools.grow.second.set_ranges([("suvbw".to_owned(), uptake)].into());
        tools.live_wire.second.want(true);
        tools.freehand.set_mode(FreehandMode::Cut);
        tools.shape.set_kind(ShapeKind::Ellipse);
        tools.shape.set_cuts(true);
        tools.mold.set_flat(true);
        tools.mold.set_firm(true);
        tools.between.set_snaps(true);
        tools.between.set_snap_reach_mm(2.5);
        let session = session_with(axial_series(), &["Liver"]);
        let alike = Growth { range: GrowRange::Similar { tolerance: 5.0 }, reach_mm: 80.0, neck_mm: 7.0 };
        tools.grow.set_growth(&session, alike);
        let growth = Growth { range: GrowRange::PartOfMaximum(0.5), reach_mm: 33.0, neck_mm: 0.0 };
        tools.grow.set_growth(&session, growth);
        tools.live_wire.set_cuts(true);
        tools.live_wire.set_learns(false);
        tools.points.set_soft(true);
        tools.transform.set_whole(true);
        let found = SegmentSettings {
            take_as: TakeAs::Cut,
            range: Some(range),
            within: Within::Roi(RoiId(7)),
            keep: KeepPieces::Largest,
            least_cc: 0.5,
            fill_holes: true,
            ball_mm: 30.0,
            box_depth_mm: 22.0,
            uptake: Uptake::Above(2.5),
            uptake_within: Within::Box,
            dose: DoseLevel::PartOfPrescription { part: 0.95, prescription_gy: 60.0 },
            scribble_mm: 2.0,
            margin_mm: 9.0,
            fill: Fill::All,
            rivals: Rivals::Visible,
            extent: BodyExtent::Couch,
            side: Some(LungSide::Left),
            close_mm: 3.0,
            bones: BoneOptions { low_hu: 180.0, ..BoneOptions::default() },
            ..SegmentSettings::default()
        };
        tools.segment.restore_settings(found);
        let mut kept = ToolOptions::new();
        tools.keep_options(Unit::Hu, &mut kept);
        // Through text, as the preferences keep it.
        let text = toml::to_string(&kept).unwrap();
        let kept: ToolOptions = toml::from_str(&text).unwrap();

        let mut again = Tools::default();
        again.restore_options(Unit::Hu, &kept);
        assert_eq!(again.brush.mode(), BrushMode::Auto);
        assert_eq!(again.brush.reach(), BrushReach::Slab);
        assert_eq!(again.brush.thickness_mm().to_bits(), 4.5_f64.to_bits());
        assert_eq!(again.brush.tip(), BrushTip::Range(range));
        for second in [&again.brush.second, &again.grow.second] {
            assert!(second.is_wanted() && second.ranges().get("suvbw") == Some(&uptake));
        }
        assert!(again.live_wire.second.is_wanted());
        // The numbers of the kinds that were not in hand.
        again.brush.choose_tip(Tip::Edges, range);
        assert_eq!(again.brush.tip(), BrushTip::Adaptive { tolerance: 4.5 });
        assert_eq!(again.brush.radius_mm().to_bits(), 15.0_f64.to_bits());
        again.brush.choose_tip(Tip::All, range);
        assert_eq!(again.brush.radius_mm().to_bits(), 5.0_f64.to_bits());
        again.grow.choose(&session, GrowBy::Alike, range);
        assert_eq!(again.grow.growth(), alike);
        again.grow.choose(&session, GrowBy::PartOfMaximum, range);
        assert_eq!(again.freehand.mode(), FreehandMode::Cut);
        assert_eq!((again.shape.kind(), again.shape.cuts()), (ShapeKind::Ellipse, true));
        assert!(again.mold.is_flat() && again.mold.is_firm());
        assert!(again.between.snaps() && again.between.snap_reach_mm().to_bits() == 2.5_f64.to_bits());
        assert_eq!(again.grow.growth(), growth);
        assert!(again.live_wire.cuts() && !again.live_wire.learns());
        assert!(again.points.is_soft() && again.transform.is_whole());
        // Structures have other numbers in another study; the method is asked for each time.
        assert_eq!(again.segment.settings(), SegmentSettings { within: Within::Everything, ..found });

        let mut pet = Tools::default();
        pet.restore_options(Unit::SuvBw, &kept);
        assert_eq!(pet.brush.mode(), BrushMode::Auto);
        assert_eq!(pet.brush.tip(), BrushTip::Plain);
        assert!(pet.brush.radii_mm().is_empty(), "those of the kinds go with what they paint");
        assert_eq!(pet.grow.growth(), Tools::default().grow.growth());
        let unset = SegmentSettings::default();
        assert_eq!((pet.segment.settings().range, pet.segment.settings().uptake), (None, unset.uptake));
        assert_eq!(pet.segment.settings().take_as, TakeAs::Cut);

        // A lung that was chosen can be left to the structure's name again.
        tools.segment.restore_settings(SegmentSettings { side: None, ..found });
        let mut kept = kept;
        tools.keep_options(Unit::Hu, &mut kept);
        again.restore_options(Unit::Hu, &kept);
        assert_eq!(again.segment.settings().side, None);
    }

    #[test]
    fn preferences_from_before_leave_the_newer_settings_as_they_are() {
        let kept: ToolOptions = toml::from_str("brush_mode = \"Cut\"\nshape_cuts = true").unwrap();
        let mut tools = Tools::default();
        tools.restore_options(Unit::Hu, &kept);
        assert_eq!((tools.brush.mode(), tools.shape.cuts()), (BrushMode::Cut, true));
        assert!(tools.live_wire.learns() && !tools.points.is_soft() && !tools.transform.is_whole());
        assert_eq!(tools.segment.settings(), SegmentSettings::default());
    }

    #[test]
    fn nonsense_leaves_the_setting_as_it_is() {
        let text = "brush_mode = 7\nbrush_thickness_mm = nan\nbrush_tip_hu = { Range = { low = nan, high = 1.0 } }\n\
                    growth_hu = { range = { PartOfMaximum = 9.0 }, reach_mm = 1.0, neck_mm = 1.0 }\nother = 1\n\
                    between_snap_reach_mm = nan\nbetween_snaps = 3\nwire_learns = \"no\"\nfind_as = \"Sideways\"\n\
                    find_range_hu = { low = 2.0, high = 1.0 }\nfind_within = { Roi = 3 }\nfind_ball_mm = nan\n\
                    find_dose = { Gy = -1.0 }\nfind_bones = { low_hu = 9e9 }\nfind_lung = \"Upper\"\n\
                    brush_by_second = 1\nbrush_second_ranges = { hu = { low = 2.0, high = 1.0 } }\n\
                    brush_radii_mm_hu = { edges = 1e6, range = nan }\n\
                    brush_tips_hu = { edges = { Range = { low = 0.0, high = 1.0 } }, range = \"Plain\" }\n\
                    growth_kinds_hu = { alike = { range = { Similar = { tolerance = 90.0 } }, reach_mm = 50.0, neck_mm = 4.0 } }";
        let kept: ToolOptions = toml::from_str(text).unwrap();
        let mut tools = Tools::default();
        tools.restore_options(Unit::Hu, &kept);
        assert_eq!(tools.brush.mode(), BrushMode::Add);
        assert_eq!(tools.brush.tip(), BrushTip::Plain);
        assert_eq!(tools.brush.thickness_mm().to_bits(), 10.0_f64.to_bits());
        assert_eq!(tools.grow.growth(), Tools::default().grow.growth());
        assert!(tools.brush.radii_mm().is_empty() && tools.brush.tips().is_empty());
        assert!(tools.grow.kinds().is_empty());
        assert!(tools.live_wire.learns());
        assert_eq!(tools.segment.settings(), SegmentSettings::default());
        assert!(!tools.brush.second.is_wanted() && tools.brush.second.ranges().is_empty());
        assert!(!tools.between.snaps() && tools.between.snap_reach_mm().to_bits() == 4.0_f64.to_bits());
    }
}
