//! Standardised uptake values from PET files (SUV by body weight, g/ml).
//!
//! The vendor-neutral calculation of the Quantitative Imaging Biomarkers Alliance
//! (QIBA/RSNA FDG-PET/CT profile, appendix G "SUV calculation"): the dose is decayed from the
//! injection to the time that the images are decay-corrected to, and SUV = activity x weight /
//! dose. Whatever is missing or contradictory leaves the values as they are stored, with the
//! reason; nothing is guessed.

use super::attributes::Attributes;
use super::nuclide::implausible_half_life;
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
    /// What the file calls nuclide and pharmaceutical.
    pub nuclide: String,
    /// When the injection began (`RadiopharmaceuticalStartDateTime`), seconds.
    pub injection: Option<f64>,
    /// The same by the time of day alone (`RadiopharmaceuticalStartTime`), seconds.
    pub injection_of_day: Option<f64>,
    /// An injection moment on another clock than the images' times, which cannot be converted.
    pub injection_on_other_clock: Option<String>,
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
        let local_offset_s = object.text(tags::TIMEZONE_OFFSET_FROM_UTC).and_then(|text| offset_s(&text));
        let local = |text: String| date_time(&text)?.local(local_offset_s);
        let of_day = pharmaceutical
            .and_then(|item| item.text(tags::RADIOPHARMACEUTICAL_START_TIME))
            .and_then(|text| seconds_of_day(&text));
        let stated = pharmaceutical.and_then(|item| item.text(tags::RADIOPHARMACEUTICAL_START_DATE_TIME));
        let start = stated.as_deref().and_then(date_time);
        // The time of day beside it says whether the offset is that of the images' own clock.
        let same_clock = |start: &DateTime| {
            of_day.is_some_and(|of_day| (start.clock_s.rem_euclid(DAY_S) - of_day).abs() < 1.0)
        };
        let injection = start.and_then(|start| {
            start.local(local_offset_s).or_else(|| same_clock(&start).then_some(start.clock_s))
        });
        let nuclide = pharmaceutical.map(|item| {
            let code = item.first_item(tags::RADIONUCLIDE_CODE_SEQUENCE);
            let meaning = code.map(|code| code.text_or_empty(tags::CODE_MEANING)).unwrap_or_default();
            if meaning.is_empty() { item.text_or_empty(tags::RADIOPHARMACEUTICAL) } else { meaning }
        });
        Self {
            units: object.text_or_empty(tags::UNITS),
            suv_type: object.text_or_empty(tags::SUV_TYPE),
            decay_correction: object.text_or_empty(tags::DECAY_CORRECTION),
            corrections: object.text(tags::CORRECTED_IMAGE),
            weight_kg: positive(object.float(tags::PATIENT_WEIGHT)),
            dose_bq: positive(of(tags::RADIONUCLIDE_TOTAL_DOSE)),
            half_life_s: positive(of(tags::RADIONUCLIDE_HALF_LIFE)),
            nuclide: nuclide.unwrap_or_default(),
            injection,
            injection_of_day: of_day,
            injection_on_other_clock: stated.filter(|_| start.is_some() && injection.is_none()),
            series: moment(series_date.as_deref(), object.text(tags::SERIES_TIME)),
            acquisition: moment(acquisition_date.as_deref(), object.text(tags::ACQUISITION_TIME))
                .or_else(|| object.text(tags::ACQUISITION_DATE_TIME).and_then(local)),
            ge_scan: private_text(object, 0x0009, "GEMS_PETD_01", 0x0D).and_then(local),
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
    let stored = match first.units.as_str() {
        "BQML" => Unit::BqPerMl,
        "GML" => Unit::SuvBw,
        _ => Unit::Arbitrary,
    };
    if let Some(what) = images.iter().find_map(|image| contradiction(first, image)) {
        let unit = if stored == Unit::BqPerMl && what != "units" { stored } else { Unit::Arbitrary };
        return stays(1.0, unit, &format!("its images contradict each other in {what}"));
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

/// In what two images of a series contradict each other. What lies between images by nature
/// (acquisition, frame times) is not compared.
fn contradiction(a: &PetFacts, b: &PetFacts) -> Option<&'static str> {
    let same = [
        (a.units == b.units, "units"),
        (a.suv_type == b.suv_type, "SUVType"),
        (a.decay_correction == b.decay_correction, "DecayCorrection"),
        (a.corrections == b.corrections, "CorrectedImage"),
        (a.weight_kg == b.weight_kg, "the patient's weight"),
        (a.dose_bq == b.dose_bq, "the injected dose"),
        (a.half_life_s == b.half_life_s && a.nuclide == b.nuclide, "nuclide or half-life"),
        (
            a.injection == b.injection
                && a.injection_of_day == b.injection_of_day
                && a.injection_on_other_clock == b.injection_on_other_clock,
            "the injection time",
        ),
        (a.series == b.series, "the series' time"),
        (a.ge_scan == b.ge_scan, "GE's scan time (0009,100D)"),
        (
            a.philips_suv == b.philips_suv && a.philips_activity == b.philips_activity,
            "Philips' private factors (7053,1000 and 7053,1009)",
        ),
    ];
    same.into_iter().find_map(|(same, what)| (!same).then_some(what))
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
    match decayed_dose(images) {
        Ok((dose_bq, weight_kg)) => {
            // 1 kg of tissue is 1000 g, and 1 ml of it is taken as 1 g.
            PetScale {
                factor: activity * weight_kg * 1000.0 / dose_bq,
                unit: Unit::SuvBw,
                remarks: Vec::new(),
            }
        }
        Err(reason) => stays(activity, Unit::BqPerMl, &reason),
    }
}

/// The dose at the time the images are decay-corrected to (Bq), and the patient's weight (kg).
fn decayed_dose(images: &[&PetFacts]) -> Result<(f64, f64), String> {
    let first = images[0];
    let corrections = first.corrections.as_ref().ok_or(
        "whether they are corrected for attenuation and decay is not stated (CorrectedImage is missing)",
    )?;
    for needed in ["ATTN", "DECY"] {
        if !corrections.split('\\').any(|term| term.trim() == needed) {
            return Err(format!("they are not corrected for {needed} (CorrectedImage {corrections})"));
        }
    }
    let weight_kg = first.weight_kg.ok_or("the patient's weight is missing (PatientWeight)")?;
    if !(0.2..=400.0).contains(&weight_kg) {
        return Err(format!("the patient's weight of {weight_kg} kg is implausible (PatientWeight; grams?)"));
    }
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
    if let Some(reason) = implausible_half_life(half_life_s, &first.nuclide) {
        return Err(reason);
    }
    let scan = scan_start(images, half_life_s)?;
    let injection = injection_before(first, scan, half_life_s)?;
    let decay_s = scan - injection;
    if decay_s < 0.0 {
        return Err(format!("the injection lies {:.0} s after the scan's start", -decay_s));
    }
    if decay_s > MOST_HALF_LIVES * half_life_s {
        return Err(format!(
            "injection and scan lie {:.1} hours apart, more than {MOST_HALF_LIVES} half-lives",
            decay_s / 3600.0
        ));
    }
    Ok((dose_bq * (-decay_s / half_life_s).exp2(), weight_kg))
}

/// When the injection began, for a scan that started at `scan`.
///
/// A time of day later than the scan's is the evening before only where that is likely: hours later
/// on the clock, and few half-lives ago. A few minutes later are a contradiction instead.
fn injection_before(facts: &PetFacts, scan: f64, half_life_s: f64) -> Result<f64, String> {
    if let Some(text) = &facts.injection_on_other_clock {
        return Err(format!(
            "the injection time {text} has an offset from UTC, and the images do not tell theirs \
             (TimezoneOffsetFromUTC)"
        ));
    }
    if let Some(moment) = facts.injection {
        return Ok(moment);
    }
    let of_day = facts
        .injection_of_day
        .ok_or("the injection time is missing (RadiopharmaceuticalStartDateTime or -Time)")?;
    let injection = (scan / DAY_S).floor() * DAY_S + of_day;
    let later_s = injection - scan;
    if later_s <= 0.0 {
        return Ok(injection);
    }
    let decay_s = DAY_S - later_s;
    if later_s >= MIDNIGHT_LATER_S && decay_s < MIDNIGHT_HALF_LIVES * half_life_s {
        return Ok(injection - DAY_S);
    }
    Err(format!(
        "the injection's time of day lies {:.0} minutes after the scan's start, and its date is not stated",
        later_s / 60.0
    ))
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
/// After so many half-lives a thousandth of the dose is left: nobody scans that.
const MOST_HALF_LIVES: f64 = 10.0;
/// An injection before midnight is at least so much later on the clock than the scan after it,
const MIDNIGHT_LATER_S: f64 = 12.0 * 3600.0;
/// and lies fewer half-lives back than this.
const MIDNIGHT_HALF_LIVES: f64 = 4.0;

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

/// A DT text: what the clock showed, and how far that clock is ahead of UTC, where it says so.
#[derive(Debug, Clone, Copy, PartialEq)]
struct DateTime {
    /// Seconds since an epoch.
    clock_s: f64,
    offset_s: Option<f64>,
}

impl DateTime {
    /// The same moment by the clock of a data set that is `local_offset_s` ahead of UTC. Without an
    /// offset of its own a time is of that clock; `None` when it cannot be told.
    fn local(self, local_offset_s: Option<f64>) -> Option<f64> {
        match (self.offset_s, local_offset_s) {
            (None, _) => Some(self.clock_s),
            (Some(own), Some(local)) => Some(self.clock_s - own + local),
            (Some(_), None) => None,
        }
    }
}

/// A DT text with at least its hours (`YYYYMMDDHH[MM[SS[.F]]][&ZZXX]`).
fn date_time(text: &str) -> Option<DateTime> {
    let text = text.trim();
    let end = text.find(['+', '-']).unwrap_or(text.len());
    let (clock, offset) = text.split_at(end);
    let (date, time) = clock.trim_end_matches('&').split_at_checked(8)?;
    let offset_s = if offset.is_empty() { None } else { Some(offset_s(offset)?) };
    Some(DateTime { clock_s: days(date)? + seconds_of_day(time)?, offset_s })
}

/// Seconds ahead of UTC of an offset (`+0100`, `-0530`).
fn offset_s(text: &str) -> Option<f64> {
    let text = text.trim();
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let digits = text.strip_prefix(['+', '-'])?;
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at(2);
    let seconds = hours.parse::<f64>().ok()? * 3600.0 + minutes.parse::<f64>().ok()? * 60.0;
    (seconds <= 14.0 * 3600.0).then_some(sign * seconds)
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
        let exact = PetFacts { injection: Some(date_time("20240305113000.00").unwrap().clock_s), ..facts() };
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
        let ge = PetFacts { ge_scan: Some(date_time("20240305125000").unwrap().clock_s), ..late };
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
        let shifted = PetFacts { injection: Some(date_time("20230305120000").unwrap().clock_s), ..facts() };
        assert_stays(&shifted, Unit::BqPerMl, "half-lives");
    }

    #[test]
    fn without_a_list_of_corrections_there_is_no_suv() {
        let unknown = PetFacts { corrections: None, ..facts() };
        assert_stays(&unknown, Unit::BqPerMl, "CorrectedImage is missing");
        // Nor from counts that become Bq/ml.
        let counts = PetFacts { units: "CNTS".into(), philips_activity: Some(2.0), ..unknown };
        let scale = pet_scale(&[&counts]);
        assert_eq!(scale.unit, Unit::BqPerMl);
        assert!((scale.factor - 2.0).abs() < 1e-12);
        for partial in ["ATTN", "DECY", "NORM\\SCAT", "ATTN-DECY"] {
            let partial = PetFacts { corrections: Some(partial.into()), ..facts() };
            assert_stays(&partial, Unit::BqPerMl, "CorrectedImage");
        }
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
    fn an_injection_minutes_after_the_scan_is_no_injection_of_yesterday() {
        let late = PetFacts { injection_of_day: seconds_of_day("130500"), ..facts() };
        assert_stays(&late, Unit::BqPerMl, "5 minutes after the scan's start");
        // Hours later on the clock, but seven half-lives before the scan.
        let evening = PetFacts { injection_of_day: seconds_of_day("235900"), ..facts() };
        assert_stays(&evening, Unit::BqPerMl, "after the scan's start");
        // A nuclide of three days: a few minutes later is a contradiction, not a day before.
        let zirconium = PetFacts { half_life_s: Some(282_300.0), nuclide: "89Zr".into(), ..late };
        assert_stays(&zirconium, Unit::BqPerMl, "after the scan's start");
    }

    #[test]
    fn more_than_ten_half_lives_are_refused() {
        let day = days("20240305").unwrap();
        let long_ago = PetFacts { injection: Some(day - 8.0 * 3600.0), ..facts() };
        assert_stays(&long_ago, Unit::BqPerMl, "more than 10 half-lives");
    }

    #[test]
    fn a_half_life_in_minutes_is_refused() {
        assert_stays(&PetFacts { half_life_s: Some(109.8), ..facts() }, Unit::BqPerMl, "109.8 s");
        let gallium = PetFacts { nuclide: "^68^Gallium".into(), ..facts() };
        assert_stays(&gallium, Unit::BqPerMl, "gallium-68");
    }

    #[test]
    fn a_weight_in_grams_is_refused() {
        for weight_kg in [70_000.0, 0.07] {
            let facts = PetFacts { weight_kg: Some(weight_kg), ..facts() };
            assert_stays(&facts, Unit::BqPerMl, "implausible");
        }
    }

    #[test]
    fn offsets_from_utc_are_converted_or_refused() {
        let start = date_time("20240305110000.00+0000").unwrap();
        let clock = days("20240305").unwrap() + 11.0 * 3600.0;
        assert_eq!(start, DateTime { clock_s: clock, offset_s: Some(0.0) });
        assert_eq!(start.local(Some(3600.0)), Some(clock + 3600.0));
        assert_eq!(start.local(None), None);
        assert_eq!(date_time("20240305110000-0530").unwrap().offset_s, Some(-19_800.0));
        assert_eq!(date_time("20240305110000+01"), None);
        let other = PetFacts {
            injection_on_other_clock: Some("20240305110000+0000".into()),
            injection: None,
            ..facts()
        };
        assert_stays(&other, Unit::BqPerMl, "offset from UTC");
    }

    #[test]
    fn images_that_contradict_each_other_are_not_scaled() {
        type Change = fn(&mut PetFacts);
        let changes: [(Change, &str); 8] = [
            (|facts| facts.weight_kg = Some(80.0), "weight"),
            (|facts| facts.injection_of_day = seconds_of_day("110000"), "injection time"),
            (|facts| facts.series = facts.series.map(|series| series - 60.0), "series' time"),
            (|facts| facts.ge_scan = facts.series, "GE's scan time"),
            (|facts| facts.half_life_s = Some(4062.0), "half-life"),
            (|facts| facts.suv_type = "LBM".into(), "SUVType"),
            (|facts| facts.philips_activity = Some(2.0), "Philips"),
            (|facts| facts.dose_bq = Some(340e6), "dose"),
        ];
        for (change, word) in changes {
            let mut other = facts();
            change(&mut other);
            let scale = pet_scale(&[&facts(), &other]);
            assert_eq!(scale.unit, Unit::BqPerMl, "{word}");
            assert!(scale.remarks[0].contains(word), "{:?}", scale.remarks);
        }
        let counts = PetFacts { units: "CNTS".into(), ..facts() };
        assert_eq!(pet_scale(&[&facts(), &counts]).unit, Unit::Arbitrary);
    }
}
