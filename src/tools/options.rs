//! The tools' settings as plain values by name, to be kept from one start to the next.
//!
//! A row of [`OPTIONS`] is a setting. Ranges of image values mean something only in their unit, so
//! such settings are kept for each unit apart. What cannot be read leaves the setting as it is.

use super::{BrushTip, Tools};
use crate::edit::GrowRange;
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
    ($name:literal, $tool:ident, $get:ident, $set:ident) => {
        Row {
            name: $name,
            by_unit: false,
            read: |tools| Value::try_from(tools.$tool.$get()).ok(),
            write: |tools, value| {
                if let Ok(value) = value.try_into() {
                    tools.$tool.$set(value);
                }
            },
        }
    };
    ($name:literal by unit, $tool:ident, $get:ident, $set:ident) => {
        Row { by_unit: true, ..option!($name, $tool, $get, $set) }
    };
}

/// Every setting that is kept. Radius and slab thickness have places of their own in the preferences.
const OPTIONS: &[Row] = &[
    option!("brush_mode", brush, mode, set_mode),
    option!("brush_reach", brush, reach, set_reach),
    option!("brush_thickness_mm", brush, thickness_mm, set_thickness_mm),
    option!("brush_tip" by unit, brush, tip, set_tip),
    option!("freehand_mode", freehand, mode, set_mode),
    option!("shape_kind", shape, kind, set_kind),
    option!("shape_cuts", shape, cuts, set_cuts),
    option!("push_on_slice_only", mold, is_flat, set_flat),
    option!("growth" by unit, grow, growth, restore_growth),
    option!("between_snaps", between, snaps, set_snaps),
    option!("between_snap_reach_mm", between, snap_reach_mm, set_snap_reach_mm),
];

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
    use super::super::{BrushMode, BrushReach, FreehandMode, ShapeKind};
    use super::*;
    use crate::edit::{Growth, ValueRange};

    #[test]
    fn settings_come_back_and_ranges_only_in_their_unit() {
        let mut tools = Tools::default();
        let range = ValueRange { low: -50.0, high: 150.5 };
        tools.brush.set_mode(BrushMode::Auto);
        tools.brush.set_reach(BrushReach::Slab);
        tools.brush.set_thickness_mm(4.5);
        tools.brush.set_tip(BrushTip::Range(range));
        tools.freehand.set_mode(FreehandMode::Cut);
        tools.shape.set_kind(ShapeKind::Ellipse);
        tools.shape.set_cuts(true);
        tools.mold.set_flat(true);
        tools.between.set_snaps(true);
        tools.between.set_snap_reach_mm(2.5);
        let growth = Growth { range: GrowRange::PartOfMaximum(0.5), reach_mm: 33.0, neck_mm: 0.0 };
        tools.grow.restore_growth(growth);
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
        assert_eq!(again.freehand.mode(), FreehandMode::Cut);
        assert_eq!((again.shape.kind(), again.shape.cuts()), (ShapeKind::Ellipse, true));
        assert!(again.mold.is_flat());
        assert!(again.between.snaps() && again.between.snap_reach_mm().to_bits() == 2.5_f64.to_bits());
        assert_eq!(again.grow.growth(), growth);

        let mut pet = Tools::default();
        pet.restore_options(Unit::SuvBw, &kept);
        assert_eq!(pet.brush.mode(), BrushMode::Auto);
        assert_eq!(pet.brush.tip(), BrushTip::Plain);
        assert_eq!(pet.grow.growth(), Tools::default().grow.growth());
    }

    #[test]
    fn nonsense_leaves_the_setting_as_it_is() {
        let text = "brush_mode = 7\nbrush_thickness_mm = nan\nbrush_tip_hu = { Range = { low = nan, high = 1.0 } }\n\
                    growth_hu = { range = { PartOfMaximum = 9.0 }, reach_mm = 1.0, neck_mm = 1.0 }\nother = 1\n\
                    between_snap_reach_mm = nan\nbetween_snaps = 3";
        let kept: ToolOptions = toml::from_str(text).unwrap();
        let mut tools = Tools::default();
        tools.restore_options(Unit::Hu, &kept);
        assert_eq!(tools.brush.mode(), BrushMode::Add);
        assert_eq!(tools.brush.tip(), BrushTip::Plain);
        assert_eq!(tools.brush.thickness_mm().to_bits(), 10.0_f64.to_bits());
        assert_eq!(tools.grow.growth(), Tools::default().grow.growth());
        assert!(!tools.between.snaps() && tools.between.snap_reach_mm().to_bits() == 4.0_f64.to_bits());
    }
}
