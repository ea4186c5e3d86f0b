//! Standardised uptake values from PET files (SUV by body weight, g/ml).
//!
//! The vendor-neutral calculation of the Quantitative Imaging Biomarkers Alliance
//! (QIBA/RSNA FDG-PET/CT profile, appendix G "SUV calculation"): the dose is decayed from the
//! injection to the time that the images are decay-corrected to, and SUV = activity x weight /
//! dose. Whatever is missing or contradictory leaves the values as they are stored, with the
//! reason; nothing is guessed.

use super::attributes::Attributes;
use crate::patient::Unit;
use dicom::core::Tag;
use dicom::dictionary_std::tags;
use dicom::object::InMemDicomObject;
use time::{Date, Month};

/// What the calculation reads from one PET image.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct PetFacts {
    pub units: String,
    pub suv_type: String,
    pub decay_correction: String,
    /// Corrected Image; `None` when absent.
    pub corrections: Option<String>,
    pub weight_kg: Option<f64>,
    pub dose_bq: Option<f64>,
    pub half_life_s: Option<f64>,
    /// When the injection began (`RadiopharmaceuticalStartDateTime`), seconds.
    pub injection: Option<f64>,
    /// The same by the time of day alone (`RadiopharmaceuticalStartTime`), seconds.
    pub injection_of_day: Option<f64>,
    /// Series date and time, seconds.
    pub series: Option<f64>,
    /// Acquisition date and time, seconds.
    pub acquisition: Option<f64>,
    /// GE's private scan date and time (0009,xx0D), seconds.
    pub ge_scan: Option<f64>,
    pub frame_reference_ms: Option<f64>,
    pub frame_duration_ms: Option<f64>,
    /// Philips' private SUV factor (7053,xx00).
    pub philips_suv: Option<f64>,
    /// Philips' private activity factor (7053,xx09), Bq/ml per count.
    pub philips_activity: Option<f64>,
}

/// What to multiply rescaled values with, and what they are then.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PetScale {
    pub factor: f64,
    pub unit: Unit,
    /// Sentences for the person: why the values are not SUV, or what was assumed.
    pub remarks: Vec<String>,
}

impl PetFacts {
    pub fn from_object(object: &InMemDicomObject) -> Self {
        let pharmaceutical = object.first_item(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE);
        let positive = |value: Option<f64>| value.filter(|v| v.is_finite() && *v > 0.0);
        let of = |tag: Tag| pharmaceutical.and_then(|item| item.float(tag));
        let series_date = object.text(tags::SERIES_DATE);
        let acquisition_date = object.text(tags::ACQUISITION_DATE).or_else(|| series_date.clone());
        let moment = |date: Option<&str>, time: Option<String>| Some(days(date?)? + seconds_of_day(&time?)?);
        Self {
            units: object.text_or_empty(tags::UNITS),
            suv_type: object.text_or_empty(tags::SUV_TYPE),
            decay_correction: object.text_or_empty(tags::DECAY_CORRECTION),
            corrections: object.text(tags::CORRECTED_IMAGE),
            weight_kg: positive(object.float(tags::PATIENT_WEIGHT)),
            dose_bq: positive(of(tags::RADIONUCLIDE_TOTAL_DOSE)),
            half_life_s: positive(of(tags::RADIONUCLIDE_HALF_LIFE)),
            injection: pharmaceutical
                .and_then(|item| item.text(tags::RADIOPHARMACEUTICAL_START_DATE_TIME))
                .and_then(|text| date_time(&text)),
            injection_of_day: pharmaceutical
                .and_then(|item| item.text(tags::RADIOPHARMACEUTICAL_START_TIME))
                .and_then(|text| seconds_of_day(&text)),
            series: moment(series_date.as_deref(), object.text(tags::SERIES_TIME)),
            acquisition: moment(acquisition_date.as_deref(), object.text(tags::ACQUISITION_TIME))
                .or_else(|| object.text(tags::ACQUISITION_DATE_TIME).and_then(|text| date_time(&text))),
            ge_scan: private_text(object, 0x0009, "GEMS_PETD_01", 0x0D).and_then(|text| date_time(&text)),
            frame_reference_ms: object.float(tags::FRAME_REFERENCE_TIME).filter(|v| v.is_finite()),
            frame_duration_ms: positive(object.float(tags::ACTUAL_FRAME_DURATION)),
            philips_suv: positive(private_number(object, 0x7053, "Philips PET Private Group", 0x00)),
            philips_activity: positive(private_number(object, 0x7053, "Philips PET Private Group", 0x09)),
        }
    }
}

fn private_tag(object: &InMemDicomObject, group: u16, creator: &str, element: u8) -> Tag {
    let block = (0x10..=0xFF_u16)
        .find(|block| object.text(Tag(group, *block)).is_some_and(|name| name.eq_ignore_ascii_case(creator)))
        .unwrap_or(0x10);
    Tag(group, block << 8 | u16::from(element))
}

fn private_text(object: &InMemDicomObject, group: u16, creator: &str, element: u8) -> Option<String> {
    object.text(private_tag(object, group, creator, element))
}

fn private_number(object: &InMemDicomObject, group: u16, creator: &str, element: u8) -> Option<f64> {
    object.float(private_tag(object, group, creator, element))
}

/// The scale of a series from the facts of its images (any order; empty: arbitrary units).
pub(super) fn pet_scale(images: &[&PetFacts]) -> PetScale {
    let Some(first) = images.first() else {
        return stays(1.0, Unit::Arbitrary, "it holds no PET attributes");
    };
    let differ = |a: &PetFacts| {
        (&a.units, &a.decay_correction, a.weight_kg, a.dose_bq, a.half_life_s, a.injection)
            != (
                &first.units,
                &first.decay_correction,
                first.weight_kg,
                first.dose_bq,
                first.half_life_s,
                first.injection,
            )
    };
    let stored = match first.units.as_str() {
        "BQML" => Unit::BqPerMl,
        "GML" => Unit::SuvBw,
        _ => Unit::Arbitrary,
    };
    if images.iter().any(|image| differ(image)) {
        let unit = if stored == Unit::SuvBw { Unit::Arbitrary } else { stored };
        return stays(1.0, unit, "its images contradict each other in units, weight, dose or injection");
    }
    match first.units.as_str() {
        "GML" => match first.suv_type.as_str() {
            "" | "BW" => PetScale { factor: 1.0, unit: Unit::SuvBw, remarks: Vec::new() },
            other => stays(
                1.0,
                Unit::Arbitrary,
                &format!("they are SUV by another rule than body weight (SUVType {other})"),
            ),
        },
        "BQML" => becquerels(images, 1.0),
        "CNTS" => match (first.philips_suv, first.philips_activity) {
            (Some(factor), _) => PetScale { factor, unit: Unit::SuvBw, remarks: Vec::new() },
            (None, Some(activity)) => becquerels(images, activity),
            (None, None) => stays(
                1.0,
                Unit::Arbitrary,
                "they are counts (Units CNTS) without Philips' private SUV factor (7053,1000)",
            ),
        },
        "" => stays(1.0, Unit::Arbitrary, "the file does not say their unit (Units is missing)"),
        other => stays(1.0, Unit::Arbitrary, &format!("their unit is {other}")),
    }
}

fn stays(factor: f64, unit: Unit, reason: &str) -> PetScale {
    let shown = match unit {
        Unit::BqPerMl => "Bq/ml",
        _ => "the scanner's own unit",
    };
    let remark = format!("PET values stay in {shown}, not SUV: {reason}");
    PetScale { factor, unit, remarks: vec![remark] }
}

/// From Bq/ml (after `activity` Bq/ml per stored unit) to SUV, or the reason why not.
fn becquerels(images: &[&PetFacts], activity: f64) -> PetScale {
    let first = images[0];
    match decayed_dose(images) {
        Ok((dose_bq, weight_kg)) => {
            let mut remarks = Vec::new();
            if first.corrections.is_none() {
                remarks.push(
                    "CorrectedImage is missing: SUV supposes that the values are corrected for attenuation"
                        .to_owned(),
                );
            }
            // 1 kg of tissue is 1000 g, and 1 ml of it is taken as 1 g.
            PetScale { factor: activity * weight_kg * 1000.0 / dose_bq, unit: Unit::SuvBw, remarks }
        }
        Err(reason) => stays(activity, Unit::BqPerMl, &reason),
    }
}

/// The dose at the time the images are decay-corrected to (Bq), and the patient's weight (kg).
fn decayed_dose(images: &[&PetFacts]) -> Result<(f64, f64), String> {
    let first = images[0];
    if let Some(corrections) = &first.corrections {
        for needed in ["ATTN", "DECY"] {
            if !corrections.split('\\').any(|term| term.trim() == needed) {
                return Err(format!("they are not corrected for {needed} (CorrectedImage {corrections})"));
            }
        }
    }
    let weight_kg = first.weight_kg.ok_or("the patient's weight is missing (PatientWeight)")?;
    let dose_bq = first.dose_bq.ok_or("the injected dose is missing (RadionuclideTotalDose)")?;
    if dose_bq < 1e5 {
        return Err(format!("the injected dose of {dose_bq} Bq is implausible (MBq written as Bq?)"));
    }
    match first.decay_correction.as_str() {
        "ADMIN" => return Ok((dose_bq, weight_kg)),
        "START" => {}
        "" => return Err("the time of decay correction is not stated (DecayCorrection is missing)".into()),
        other => return Err(format!("they are not decay-corrected to scan start (DecayCorrection {other})")),
    }
    let half_life_s = first.half_life_s.ok_or("the half-life is missing (RadionuclideHalfLife)")?;
    let scan = scan_start(images, half_life_s)?;
    let injection = match (first.injection, first.injection_of_day) {
        (Some(moment), _) => moment,
        (None, Some(of_day)) => {
            let day = (scan / DAY_S).floor() * DAY_S;
            // Injected before midnight and scanned after it.
            if day + of_day > scan { day + of_day - DAY_S } else { day + of_day }
        }
        (None, None) => {
            return Err("the injection time is missing (RadiopharmaceuticalStartDateTime or -Time)".into());
        }
    };
    let decay_s = scan - injection;
    if decay_s < 0.0 {
        return Err(format!("the injection lies {:.0} s after the scan's start", -decay_s));
    }
    if decay_s > DAY_S.max(10.0 * half_life_s) {
        return Err(format!(
            "injection and scan lie {:.1} hours apart, more than ten half-lives",
            decay_s / 3600.0
        ));
    }
    Ok((dose_bq * (-decay_s / half_life_s).exp2(), weight_kg))
}

/// The time that START refers to.
///
/// Series time is it, unless it lies after an acquisition: then the series was post-processed, and
/// the start is GE's private scan time, or is computed back from an image's reference time.
fn scan_start(images: &[&PetFacts], half_life_s: f64) -> Result<f64, String> {
    let earliest = images
        .iter()
        .filter(|image| image.acquisition.is_some())
        .min_by(|a, b| a.acquisition.partial_cmp(&b.acquisition).unwrap_or(std::cmp::Ordering::Equal));
    let Some(earliest) = earliest else {
        return Err("the scan's time is missing (AcquisitionDate and AcquisitionTime)".into());
    };
    let acquisition = earliest.acquisition.ok_or("the scan's time is missing")?;
    if let Some(series) = images[0].series.filter(|series| *series <= acquisition) {
        return Ok(series);
    }
    if let Some(ge) = images[0].ge_scan {
        return Ok(ge);
    }
    match (earliest.frame_reference_ms, earliest.frame_duration_ms) {
        (Some(reference_ms), Some(duration_ms)) if reference_ms > 0.0 => {
            let constant = std::f64::consts::LN_2 / half_life_s;
            let decay = constant * duration_ms / 1000.0;
            // When, within the frame, the decaying count rate equals its mean.
            let mean_at_s = (decay / -(-decay).exp_m1()).ln() / constant;
            Ok(acquisition - reference_ms / 1000.0 + mean_at_s)
        }
        _ => Err("the series was made after the scan (SeriesTime is missing or later than AcquisitionTime), and neither \
             GE's scan time (0009,100D) nor FrameReferenceTime with ActualFrameDuration tells its start"
            .into()),
    }
}

const DAY_S: f64 = 86_400.0;

/// Seconds since an epoch of a DA text (`YYYYMMDD`, also `YYYY.MM.DD`).
fn days(text: &str) -> Option<f64> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if digits.len() != 8 || text.len() > 10 {
        return None;
    }
    let month = Month::try_from(digits[4..6].parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(digits[..4].parse().ok()?, month, digits[6..].parse().ok()?).ok()?;
    Some(f64::from(date.to_julian_day()) * DAY_S)
}

/// Seconds of the day of a TM text (`HH[MM[SS[.F]]]`, also with colons).
fn seconds_of_day(text: &str) -> Option<f64> {
    let text: String = text.trim().chars().filter(|c| *c != ':').collect();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    if !matches!(whole.len(), 2 | 4 | 6) || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| whole.get(at..at + 2).map_or(Some(0.0), |two| two.parse::<f64>().ok());
    let (hours, minutes, seconds) = (part(0)?, part(2)?, part(4)?);
    if hours > 23.0 || minutes > 59.0 || seconds > 60.0 {
        return None;
    }
    let fraction = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse::<f64>().ok()? };
    Some(hours * 3600.0 + minutes * 60.0 + seconds + fraction)
}

/// Seconds since an epoch of a DT text with at least its hours; an offset from UTC is ignored, all
/// of a file's times being local.
fn date_time(text: &str) -> Option<f64> {
    let local = text.split(['+', '-', '&']).next()?;
    let (date, time) = local.split_at_checked(8)?;
    Some(days(date)? + seconds_of_day(time)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_LIFE_S: f64 = 6588.0;

    fn facts() -> PetFacts {
        let day = days("20240305").unwrap();
        let at = |time: &str| Some(day + seconds_of_day(time).unwrap());
        PetFacts {
            units: "BQML".into(),
            decay_correction: "START".into(),
            corrections: Some("NORM\\DTIM\\ATTN\\SCAT\\DECY".into()),
            weight_kg: Some(70.0),
            dose_bq: Some(350e6),
            half_life_s: Some(HALF_LIFE_S),
            injection_of_day: seconds_of_day("120000"),
            series: at("130000"),
            acquisition: at("130000"),
            ..PetFacts::default()
        }
    }

    fn factor_after(decay_s: f64) -> f64 {
        70.0 * 1000.0 / (350e6 * 0.5_f64.powf(decay_s / HALF_LIFE_S))
    }

    fn assert_suv(facts: &PetFacts, factor: f64) {
        let scale = pet_scale(&[facts]);
        assert_eq!(scale.unit, Unit::SuvBw, "{:?}", scale.remarks);
        assert!((scale.factor / factor - 1.0).abs() < 1e-12, "{} for {factor}", scale.factor);
        assert!(scale.remarks.is_empty(), "{:?}", scale.remarks);
    }

    fn assert_stays(facts: &PetFacts, unit: Unit, word: &str) {
        let scale = pet_scale(&[facts]);
        assert_eq!(scale.unit, unit);
        assert!(scale.remarks[0].contains(word), "{:?}", scale.remarks);
    }

    #[test]
    fn start_decays_the_dose_from_injection_to_series_time() {
        assert_suv(&facts(), factor_after(3600.0));
    }

    #[test]
    fn admin_needs_no_times() {
        let admin = PetFacts {
            decay_correction: "ADMIN".into(),
            injection_of_day: None,
            series: None,
            acquisition: None,
            half_life_s: None,
            ..facts()
        };
        assert_suv(&admin, 70.0 * 1000.0 / 350e6);
    }

    #[test]
    fn a_start_date_time_is_preferred_and_midnight_is_crossed() {
        let exact = PetFacts { injection: date_time("20240305113000.00"), ..facts() };
        assert_suv(&exact, factor_after(5400.0));
        let day = days("20240305").unwrap();
        let night = PetFacts {
            injection_of_day: seconds_of_day("2330"),
            series: Some(day + 1800.0),
            acquisition: Some(day + 1800.0),
            ..facts()
        };
        assert_suv(&night, factor_after(3600.0));
    }

    #[test]
    fn a_post_processed_series_uses_ge_scan_time() {
        let day = days("20240305").unwrap();
        let late = PetFacts { series: Some(day + 15.0 * 3600.0), ..facts() };
        assert_stays(&late, Unit::BqPerMl, "SeriesTime");
        let ge = PetFacts { ge_scan: date_time("20240305125000"), ..late };
        assert_suv(&ge, factor_after(3000.0));
    }

    #[test]
    fn a_post_processed_series_computes_back_from_the_reference_time() {
        let day = days("20240305").unwrap();
        let siemens = PetFacts {
            series: Some(day + 15.0 * 3600.0),
            acquisition: Some(day + 13.0 * 3600.0 + 600.0),
            frame_reference_ms: Some(600_000.0 + 89_000.0),
            frame_duration_ms: Some(180_000.0),
            ..facts()
        };
        // The mean count rate of a 180 s frame falls 89.716 s after its start (T/2 - l T^2 / 24).
        let constant = std::f64::consts::LN_2 / HALF_LIFE_S;
        let mean_at = 90.0 - constant * 180.0 * 180.0 / 24.0;
        let scan_after_injection = 3600.0 + 600.0 - 689.0 + mean_at;
        let scale = pet_scale(&[&siemens]);
        assert_eq!(scale.unit, Unit::SuvBw);
        assert!((scale.factor / factor_after(scan_after_injection) - 1.0).abs() < 1e-7);
    }

    #[test]
    fn the_earliest_bed_decides_whether_the_series_time_is_the_start() {
        let second_bed = PetFacts { acquisition: facts().acquisition.map(|t| t + 300.0), ..facts() };
        let scale = pet_scale(&[&second_bed, &facts()]);
        assert!((scale.factor / factor_after(3600.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_missing_is_named() {
        let day = days("20240305").unwrap();
        assert_stays(&PetFacts { weight_kg: None, ..facts() }, Unit::BqPerMl, "PatientWeight");
        assert_stays(&PetFacts { dose_bq: None, ..facts() }, Unit::BqPerMl, "RadionuclideTotalDose");
        assert_stays(&PetFacts { dose_bq: Some(350.0), ..facts() }, Unit::BqPerMl, "implausible");
        assert_stays(&PetFacts { half_life_s: None, ..facts() }, Unit::BqPerMl, "RadionuclideHalfLife");
        assert_stays(&PetFacts { injection_of_day: None, ..facts() }, Unit::BqPerMl, "injection time");
        assert_stays(&PetFacts { decay_correction: "NONE".into(), ..facts() }, Unit::BqPerMl, "NONE");
        assert_stays(&PetFacts { corrections: Some("DECY".into()), ..facts() }, Unit::BqPerMl, "ATTN");
        assert_stays(&PetFacts { acquisition: None, ..facts() }, Unit::BqPerMl, "AcquisitionTime");
        let after = PetFacts { injection: Some(day + 14.0 * 3600.0), ..facts() };
        assert_stays(&after, Unit::BqPerMl, "after the scan");
        let shifted = PetFacts { injection: date_time("20230305120000"), ..facts() };
        assert_stays(&shifted, Unit::BqPerMl, "half-lives");
    }

    #[test]
    fn a_missing_correction_list_is_said() {
        let scale = pet_scale(&[&PetFacts { corrections: None, ..facts() }]);
        assert_eq!(scale.unit, Unit::SuvBw);
        assert!(scale.remarks[0].contains("CorrectedImage"));
    }

    #[test]
    fn units_other_than_becquerels() {
        assert_suv(&PetFacts { units: "GML".into(), ..PetFacts::default() }, 1.0);
        assert_suv(&PetFacts { units: "GML".into(), suv_type: "BW".into(), ..PetFacts::default() }, 1.0);
        assert_stays(
            &PetFacts { units: "GML".into(), suv_type: "LBM".into(), ..PetFacts::default() },
            Unit::Arbitrary,
            "LBM",
        );
        let philips = PetFacts { units: "CNTS".into(), philips_suv: Some(0.000_551), ..facts() };
        assert_suv(&philips, 0.000_551);
        let counts = PetFacts { units: "CNTS".into(), philips_activity: Some(2.0), ..facts() };
        assert_suv(&counts, 2.0 * factor_after(3600.0));
        assert_stays(&PetFacts { units: "CNTS".into(), ..facts() }, Unit::Arbitrary, "7053");
        assert_stays(&PetFacts { units: "PROPCPS".into(), ..facts() }, Unit::Arbitrary, "PROPCPS");
    }

    #[test]
    fn images_that_contradict_each_other_are_not_scaled() {
        let other = PetFacts { weight_kg: Some(80.0), ..facts() };
        assert_eq!(pet_scale(&[&facts(), &other]).unit, Unit::BqPerMl);
    }
}
