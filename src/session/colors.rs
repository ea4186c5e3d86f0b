//! Display colours for new structures: conventional where the field has conventions, otherwise from
//! a palette whose members stay apart on grey, also for deuteranopes.

use crate::patient::{Color, PALETTE, RoiType, StructureSet};

/// The colour for a new ROI of this name and type in `set`: the conventional one, or the palette's
/// member least used so far.
#[must_use]
pub fn color_for(name: &str, roi_type: &RoiType, set: &StructureSet) -> Color {
    let name = name.to_ascii_lowercase();
    match roi_type {
        RoiType::Ptv => return [235, 64, 52],
        RoiType::Ctv => return [255, 150, 70],
        RoiType::Gtv => return [255, 120, 0],
        RoiType::External => return [0, 200, 120],
        _ if name.starts_with("spinalcord") || name.starts_with("cord") => return [190, 220, 40],
        _ => {}
    }
    let used = |color: &Color| set.rois.iter().filter(|roi| roi.color == *color).count();
    PALETTE.into_iter().min_by_key(used).unwrap_or(PALETTE[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::{Roi, RoiId};
    use std::sync::Arc;

    #[test]
    fn each_new_roi_gets_the_least_used_color() {
        let mut set = StructureSet::default();
        for number in 0..12 {
            let color = color_for("Liver", &RoiType::Organ, &set);
            assert!(set.rois.iter().all(|roi| roi.color != color));
            set.rois.push(Arc::new(Roi::new(RoiId(number), 1, "Liver", color)));
        }
        assert_eq!(color_for("PTV_6000", &RoiType::Ptv, &set), [235, 64, 52]);
    }
}
