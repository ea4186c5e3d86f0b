//! What can be chosen of the semi-automatic tool by one word, on its settings: which of it each method
//! has, whether it is what is chosen, and the settings with it.

use super::settings::{KeepPieces, Method, Rivals, SegmentSettings, TakeAs, Within};
use crate::ai::body::BodyExtent;
use crate::edit::segment::{DoseLevel, Fill, LungSide, Uptake};
use crate::patient::Unit;
use crate::tools::{Aspect, Choice};

/// Where the semi-automatic tool looks, structures apart: those are another in every study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the whole image.
    Everything,
    /// In the body.
    Body,
    /// In a ball that is placed by dragging.
    Ball,
    /// In a box that is placed by dragging.
    Box,
}

/// Where the outline of uptake runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UptakeAt {
    /// At a part of the greatest value.
    PartOfMaximum,
    /// At a value.
    Above,
    /// Where the value changes fastest.
    Edge,
}

/// How the level of an isodose is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DoseAs {
    /// As a dose.
    Gy,
    /// As a part of the greatest dose.
    PartOfMaximum,
    /// As a part of the dose prescribed.
    PartOfPrescription,
}

/// An isodose in Gy begins here where no dose tells its level, Gy.
const FIRST_GY: f64 = 20.0;
/// The parts of a prescription that can be set.
const PARTS: std::ops::RangeInclusive<f64> = 0.001..=2.0;
/// A prescription begins here where no dose tells the level, Gy.
const FIRST_PRESCRIPTION_GY: f64 = 60.0;

const TAKEN: &[Choice] =
    &[Choice::TakeAs(TakeAs::Add), Choice::TakeAs(TakeAs::Replace), Choice::TakeAs(TakeAs::Cut)];
const KEPT: &[Choice] = &[
    Choice::Keep(KeepPieces::All),
    Choice::Keep(KeepPieces::Largest),
    Choice::Keep(KeepPieces::Above),
    Choice::Keep(KeepPieces::Clicked),
];
const UPTAKE: &[Choice] = &[
    Choice::Uptake(UptakeAt::PartOfMaximum),
    Choice::Uptake(UptakeAt::Above),
    Choice::Uptake(UptakeAt::Edge),
];
const DOSE: &[Choice] = &[
    Choice::Isodose(DoseAs::Gy),
    Choice::Isodose(DoseAs::PartOfMaximum),
    Choice::Isodose(DoseAs::PartOfPrescription),
];
const FILLED: &[Choice] = &[Choice::FillAll(false), Choice::FillAll(true)];
const EXTENT: &[Choice] = &[
    Choice::Extent(BodyExtent::Patient),
    Choice::Extent(BodyExtent::Immobilisation),
    Choice::Extent(BodyExtent::Couch),
];
const LUNG: &[Choice] = &[
    Choice::Lung(None),
    Choice::Lung(Some(LungSide::Both)),
    Choice::Lung(Some(LungSide::Left)),
    Choice::Lung(Some(LungSide::Right)),
];
const PLACES: &[Choice] = &[
    Choice::FindIn(Place::Everything),
    Choice::FindIn(Place::Body),
    Choice::FindIn(Place::Ball),
    Choice::FindIn(Place::Box),
];

impl Method {
    /// What can be chosen of it, in the order of its card; empty where there is nothing to choose.
    #[must_use]
    pub fn choices(self, aspect: Aspect) -> &'static [Choice] {
        match (aspect, self) {
            (Aspect::Does, Self::Pieces | Self::Level) => &[],
            (Aspect::Does, _) => TAKEN,
            (Aspect::Kind, Self::Threshold) => KEPT,
            (Aspect::Kind, Self::Uptake) => UPTAKE,
            (Aspect::Kind, Self::Dose) => DOSE,
            (Aspect::Kind, Self::Pieces) => FILLED,
            (Aspect::Kind, Self::Body) => EXTENT,
            (Aspect::Kind, Self::Lungs) => LUNG,
            (Aspect::Kind, _) => &[],
            (Aspect::Reach, _) => PLACES,
        }
    }
}

impl Choice {
    /// The method of the semi-automatic tool that it is about; `None` for what several have, and of
    /// other tools.
    #[must_use]
    pub fn method(self) -> Option<Method> {
        match self {
            Self::Keep(_) | Self::FillHoles(_) => Some(Method::Threshold),
            Self::Uptake(_) => Some(Method::Uptake),
            Self::Isodose(_) => Some(Method::Dose),
            Self::FillAll(_) | Self::Rivals(_) => Some(Method::Pieces),
            Self::Extent(_) => Some(Method::Body),
            Self::Lung(_) => Some(Method::Lungs),
            _ => None,
        }
    }
}

impl SegmentSettings {
    /// Whether this is what is chosen; never of another tool.
    #[must_use]
    pub fn has_chosen(&self, choice: Choice) -> bool {
        match choice {
            Choice::TakeAs(taken) => self.take_as == taken,
            Choice::Keep(keep) => self.keep == keep,
            Choice::FillHoles(fills) => self.fill_holes == fills,
            Choice::FindIn(place) => self.place() == place.within(),
            Choice::Uptake(at) => {
                at == match self.uptake {
                    Uptake::PartOfMaximum(_) => UptakeAt::PartOfMaximum,
                    Uptake::Above(_) => UptakeAt::Above,
                    Uptake::Edge => UptakeAt::Edge,
                }
            }
            Choice::Isodose(given) => {
                given
                    == match self.dose {
                        DoseLevel::Gy(_) => DoseAs::Gy,
                        DoseLevel::PartOfMaximum(_) => DoseAs::PartOfMaximum,
                        DoseLevel::PartOfPrescription { .. } => DoseAs::PartOfPrescription,
                    }
            }
            Choice::FillAll(all) => (self.fill == Fill::All) == all,
            Choice::Rivals(visible) => self.rivals == if visible { Rivals::Visible } else { Rivals::Nobody },
            Choice::Extent(extent) => self.extent == extent,
            Choice::Lung(side) => self.side == side,
            _ => false,
        }
    }

    /// Why it cannot be chosen now, on images of this unit; `None`: it can.
    #[must_use]
    pub fn refusal(&self, choice: Choice, unit: Unit) -> Option<&'static str> {
        let method = choice.method().unwrap_or(self.method);
        method.refusal(unit).or(match (choice, method) {
            (Choice::TakeAs(_), Method::Pieces) => Some("What lies between pieces is always added."),
            (Choice::TakeAs(_), Method::Level) => Some("Level tracing adds; with Ctrl it cuts."),
            (Choice::FindIn(Place::Body), Method::Body) => Some("The body cannot be looked for in itself."),
            (Choice::FindIn(Place::Body), _) if unit != Unit::Hu => {
                Some("Only a CT shows the body's outline.")
            }
            (Choice::FindIn(Place::Everything), Method::Uptake) => {
                Some("Uptake is looked for in a place: there is no telling which is meant.")
            }
            _ => None,
        })
    }

    /// The settings with this choice made, all else as it is, and its number as it last was; `maximum_gy` is
    /// the greatest dose, if there is a dose: the level of an isodose stays where it is.
    pub(in crate::tools) fn with(mut self, choice: Choice, maximum_gy: Option<f64>) -> Self {
        if self.has_chosen(choice) {
            return self;
        }
        self.remember_number(choice);
        match choice {
            Choice::TakeAs(taken) => self.take_as = taken,
            Choice::Keep(keep) => self.keep = keep,
            Choice::FillHoles(fills) => self.fill_holes = fills,
            Choice::FindIn(place) => self.set_place(place.within()),
            Choice::Uptake(at) => {
                self.uptake = match at {
                    UptakeAt::PartOfMaximum => Uptake::PartOfMaximum(self.before.part),
                    UptakeAt::Above => Uptake::Above(self.before.value),
                    UptakeAt::Edge => Uptake::Edge,
                }
            }
            Choice::Isodose(given) => self.dose = self.level_as(given, maximum_gy),
            Choice::FillAll(true) => self.fill = Fill::All,
            Choice::FillAll(false) => self.fill = Fill::Between(self.before.detour),
            Choice::Rivals(visible) => self.rivals = if visible { Rivals::Visible } else { Rivals::Nobody },
            Choice::Extent(extent) => self.extent = extent,
            Choice::Lung(side) => self.side = side,
            _ => {}
        }
        self
    }

    /// Keeps the number of what a choice takes the place of.
    fn remember_number(&mut self, choice: Choice) {
        let before = &mut self.before;
        match choice {
            Choice::Uptake(_) => match self.uptake {
                Uptake::PartOfMaximum(part) => before.part = part,
                Uptake::Above(value) => before.value = value,
                Uptake::Edge => {}
            },
            Choice::Isodose(_) => {
                if let DoseLevel::PartOfPrescription { prescription_gy, .. } = self.dose {
                    before.prescription_gy = Some(prescription_gy);
                }
            }
            Choice::FillAll(_) => {
                if let Fill::Between(detour) = self.fill {
                    before.detour = detour;
                }
            }
            _ => {}
        }
    }

    /// Sets where the method that is set looks.
    pub fn set_place(&mut self, within: Within) {
        match self.method {
            Method::Uptake => self.uptake_within = within,
            _ => self.within = within,
        }
    }

    fn level_as(&self, given: DoseAs, maximum_gy: Option<f64>) -> DoseLevel {
        let level_gy = match (maximum_gy, self.dose) {
            (Some(maximum_gy), dose) => Some(dose.gy(maximum_gy)),
            (None, DoseLevel::PartOfMaximum(_)) => None,
            (None, dose) => Some(dose.gy(0.0)),
        };
        match given {
            DoseAs::Gy => DoseLevel::Gy(level_gy.unwrap_or(FIRST_GY)),
            DoseAs::PartOfMaximum => DoseLevel::PartOfMaximum(match (level_gy, maximum_gy) {
                (Some(level_gy), Some(maximum_gy)) => level_gy / maximum_gy.max(1e-9),
                _ => 0.5,
            }),
            DoseAs::PartOfPrescription => {
                // Of the dose prescribed before, unless that is not one which the level can be a part of.
                let own = self.before.prescription_gy.and_then(|prescription_gy| {
                    let part = level_gy.map_or(1.0, |level_gy| level_gy / prescription_gy);
                    PARTS.contains(&part).then_some((part, prescription_gy))
                });
                let (part, prescription_gy) = own.unwrap_or((1.0, level_gy.unwrap_or(FIRST_PRESCRIPTION_GY)));
                DoseLevel::PartOfPrescription { part, prescription_gy }
            }
        }
    }
}

impl Place {
    /// The setting that it is.
    fn within(self) -> Within {
        match self {
            Self::Everything => Within::Everything,
            Self::Body => Within::Body,
            Self::Ball => Within::Ball,
            Self::Box => Within::Box,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::RoiId;

    #[test]
    fn every_choice_of_a_method_can_be_made_and_changes_nothing_else() {
        for method in Method::ALL {
            for aspect in Aspect::ALL {
                for choice in method.choices(aspect) {
                    assert!(choice.method().is_none_or(|own| own == method), "{choice:?} of {method:?}");
                    let before = SegmentSettings { method, ..SegmentSettings::default() };
                    if before.refusal(*choice, Unit::Hu).is_some() {
                        continue;
                    }
                    let after = before.with(*choice, None);
                    assert!(after.has_chosen(*choice) && after.is_sound(), "{choice:?} of {method:?}");
                    assert_eq!(after.with(*choice, None), after);
                    let chosen = method.choices(aspect).iter().filter(|own| after.has_chosen(**own));
                    assert_eq!(chosen.count(), 1, "one of them, and that one");
                    assert_eq!(after.method, method);
                }
            }
        }
    }

    #[test]
    fn what_a_method_cannot_do_is_said_and_organs_need_a_ct() {
        let of = |method| SegmentSettings { method, ..SegmentSettings::default() };
        for (method, choice) in [
            (Method::Pieces, Choice::TakeAs(TakeAs::Cut)),
            (Method::Level, Choice::TakeAs(TakeAs::Cut)),
            (Method::Body, Choice::FindIn(Place::Body)),
            (Method::Uptake, Choice::FindIn(Place::Everything)),
        ] {
            assert!(of(method).refusal(choice, Unit::Hu).is_some(), "{choice:?} of {method:?}");
        }
        let pet = of(Method::Threshold);
        for choice in [Choice::Extent(BodyExtent::Couch), Choice::Lung(None), Choice::FindIn(Place::Body)] {
            assert!(pet.refusal(choice, Unit::SuvBw).is_some() && pet.refusal(choice, Unit::Hu).is_none());
        }
        assert!(pet.refusal(Choice::Keep(KeepPieces::All), Unit::SuvBw).is_none());
    }

    #[test]
    fn a_place_is_the_methods_own_and_a_structure_is_none_of_them() {
        let mut settings = SegmentSettings { method: Method::Uptake, ..SegmentSettings::default() };
        settings = settings.with(Choice::FindIn(Place::Box), None);
        assert_eq!((settings.uptake_within, settings.within), (Within::Box, Within::Everything));
        settings.method = Method::Threshold;
        assert!(settings.has_chosen(Choice::FindIn(Place::Everything)));
        settings.set_place(Within::Roi(RoiId(3)));
        let places = Method::Threshold.choices(Aspect::Reach);
        assert!(places.iter().all(|choice| !settings.has_chosen(*choice)));
    }

    #[test]
    fn a_number_that_was_set_is_there_again_after_going_round() {
        let set = SegmentSettings {
            uptake: Uptake::PartOfMaximum(0.5),
            fill: Fill::Between(0.2),
            ..SegmentSettings::default()
        };
        let at_value = set.with(Choice::Uptake(UptakeAt::Above), None);
        assert_eq!(at_value.uptake, Uptake::Above(2.5), "it was never set");
        let at_edge = SegmentSettings { uptake: Uptake::Above(4.0), ..at_value }
            .with(Choice::Uptake(UptakeAt::Edge), None);
        let round = at_edge.with(Choice::Uptake(UptakeAt::PartOfMaximum), None);
        assert_eq!(round.uptake, Uptake::PartOfMaximum(0.5));
        assert_eq!(round.with(Choice::Uptake(UptakeAt::Above), None).uptake, Uptake::Above(4.0));
        let all = round.with(Choice::FillAll(true), None);
        assert_eq!(all.fill, Fill::All);
        assert_eq!(all.with(Choice::FillAll(false), None).fill, Fill::Between(0.2));
        // Of an isodose the dose prescribed; the level stays where it is.
        let dose = DoseLevel::PartOfPrescription { part: 0.95, prescription_gy: 60.0 };
        let near = |dose: DoseLevel, wanted: f64| match dose {
            DoseLevel::PartOfPrescription { part, prescription_gy } => {
                assert!((part - wanted).abs() < 1e-9 && (prescription_gy - 60.0).abs() < 1e-9, "{dose:?}");
            }
            _ => panic!("{dose:?}"),
        };
        let mut settings = SegmentSettings { dose, ..round };
        for given in [DoseAs::Gy, DoseAs::PartOfMaximum, DoseAs::PartOfPrescription] {
            settings = settings.with(Choice::Isodose(given), Some(72.0));
        }
        near(settings.dose, 0.95);
        settings = settings.with(Choice::Isodose(DoseAs::Gy), Some(72.0));
        settings.dose = DoseLevel::Gy(30.0);
        near(settings.with(Choice::Isodose(DoseAs::PartOfPrescription), Some(72.0)).dose, 0.5);
        // One that the level is too far from is left.
        settings.dose = DoseLevel::Gy(130.0);
        let far = settings.with(Choice::Isodose(DoseAs::PartOfPrescription), None).dose;
        assert_eq!(far, DoseLevel::PartOfPrescription { part: 1.0, prescription_gy: 130.0 });
    }

    #[test]
    fn the_level_of_an_isodose_stays_where_it_is() {
        let near = |level: DoseLevel, gy: f64| assert!((level.gy(72.0) - gy).abs() < 1e-9, "{level:?}");
        let start = SegmentSettings { dose: DoseLevel::PartOfMaximum(0.5), ..SegmentSettings::default() };
        let in_gy = start.with(Choice::Isodose(DoseAs::Gy), Some(72.0));
        assert!(matches!(in_gy.dose, DoseLevel::Gy(_)));
        near(in_gy.dose, 36.0);
        let of_prescription = in_gy.with(Choice::Isodose(DoseAs::PartOfPrescription), Some(72.0));
        assert!(matches!(of_prescription.dose, DoseLevel::PartOfPrescription { .. }));
        near(of_prescription.dose, 36.0);
        near(of_prescription.with(Choice::Isodose(DoseAs::PartOfMaximum), Some(72.0)).dose, 36.0);
        // Without a dose a part of its maximum is no level.
        assert_eq!(start.with(Choice::Isodose(DoseAs::Gy), None).dose, DoseLevel::Gy(FIRST_GY));
        let back = in_gy.with(Choice::Isodose(DoseAs::PartOfMaximum), None);
        assert_eq!(back.dose, DoseLevel::PartOfMaximum(0.5));
    }
}
