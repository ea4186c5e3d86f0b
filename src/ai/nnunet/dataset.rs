//! `dataset.json`: the channels and labels of a training set.

use super::json::{self, Ordered};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// One thing that the model contours: a label, or a region of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    /// Its name in `dataset.json`.
    pub name: String,
    /// The labels it consists of; one, but for a region.
    pub labels: Vec<u16>,
    /// The value it has in a label map: its label, or a region's place in the order of classes.
    pub value: u16,
    /// The values of a label map whose voxels belong to it, ascending: its own, and of a region those of the
    /// regions within it, which are written over it. They are its labels where the order of classes names
    /// each region by a label of its own, as it is meant; nnU-Net does not ask for that.
    pub values: Vec<u16>,
}

impl Structure {
    /// One that is a single label.
    #[must_use]
    pub fn of_label(name: String, label: u16) -> Self {
        Self { name, labels: vec![label], value: label, values: vec![label] }
    }
}

/// What regions, each with its value, look like in a label map.
fn regions_with(named: Vec<(String, Vec<u16>)>, order: &[u16]) -> Vec<Structure> {
    let within = |labels: &[u16]| -> Vec<u16> {
        let inner =
            named.iter().zip(order).filter(|((_, own), _)| own.iter().all(|one| labels.contains(one)));
        let values: BTreeSet<u16> = inner.map(|(_, value)| *value).collect();
        values.into_iter().collect()
    };
    let values: Vec<Vec<u16>> = named.iter().map(|(_, labels)| within(labels)).collect();
    let all = named.into_iter().zip(order).zip(values);
    all.map(|(((name, labels), value), values)| Structure { name, labels, value: *value, values }).collect()
}

/// What `dataset.json` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The set's name; empty where it has none.
    pub name: String,
    /// The channels' names in their order.
    pub channels: Vec<String>,
    /// What is contoured, in the network's order of outputs.
    pub structures: Vec<Structure>,
    /// Whether the outputs are regions: each on its own (sigmoid), later ones over earlier ones.
    pub regions: bool,
    /// Every label but background and the ignored one, in ascending order.
    pub foreground: Vec<u16>,
    /// The licence, where it is told.
    pub license: String,
}

impl Dataset {
    /// Outputs of the network.
    #[must_use]
    pub fn outputs(&self) -> usize {
        if self.regions { self.structures.len() } else { self.foreground.len() + 1 }
    }

    /// Reads the text of a `dataset.json`.
    ///
    /// # Errors
    /// A sentence naming the entry that is missing or odd.
    pub fn parse(text: &str) -> Result<Self, String> {
        let raw: Raw = json::parse(text)?;
        // nnU-Net goes by `modality`, the older name, where both are there.
        let mut channels = raw.modality.or(raw.channel_names).ok_or("it has no channel_names")?.0;
        channels.sort_by_key(|(number, _)| number.parse::<usize>().unwrap_or(usize::MAX));
        if !(1..=16).contains(&channels.len()) {
            return Err(format!("it has {} channels; 1 to 16 are supported", channels.len()));
        }
        let has_regions = |value: &Value| matches!(value, Value::Array(values) if values.len() > 1);
        let any_regions = raw.labels.0.iter().any(|(_, value)| has_regions(value));
        let mut ignored = None;
        let mut named = Vec::new();
        for (name, value) in raw.labels.0 {
            let values = match &value {
                Value::Array(values) => values.as_slice(),
                one => std::slice::from_ref(one),
            };
            // nnU-Net takes digits in quotation marks as a number, but not beside regions, nor for what
            // is ignored.
            let text_counts = !any_regions && name != "ignore";
            let values: Vec<u16> = values
                .iter()
                .map(|one| {
                    label(one, text_counts)
                        .ok_or_else(|| format!("the label {name} is {one}, no whole number"))
                })
                .collect::<Result<_, _>>()?;
            if name == "ignore" {
                ignored = values.first().copied();
            } else {
                named.push((name, values));
            }
        }
        let mut all: Vec<u16> = named.iter().flat_map(|(_, values)| values.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        let foreground: Vec<u16> =
            all.iter().copied().filter(|label| *label != 0 && Some(*label) != ignored).collect();
        let regions = named.iter().any(|(_, values)| values.len() > 1);
        named.retain(|(_, values)| values.iter().any(|value| *value != 0));
        let structures = if regions {
            let order = raw.regions_class_order.ok_or("it has regions but no regions_class_order")?;
            let order: Option<Vec<u16>> = order.into_iter().map(whole).collect();
            let order = order.filter(|order| order.len() == named.len());
            let order = order.ok_or("its regions_class_order has not one number for each region")?;
            regions_with(named, &order)
        } else {
            let count = u16::try_from(all.len()).map_err(|_| "it has too many labels")?;
            if !all.iter().copied().eq(0..count) {
                return Err(
                    "its labels are not 0, 1, 2 and so on without a gap, as nnU-Net needs them".into()
                );
            }
            named.sort_by_key(|(_, values)| values.first().copied());
            let structure = |(name, labels): (String, Vec<u16>)| {
                Structure::of_label(name, labels.first().copied().unwrap_or(0))
            };
            named.into_iter().map(structure).collect::<Vec<_>>()
        };
        if structures.is_empty() {
            return Err("it has no labels but background".to_owned());
        }
        let names = channels.into_iter().map(|(_, name)| name).collect();
        // nnU-Net reads neither: whatever stands there, it is no reason to refuse the model.
        let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
        let name = text(raw.name).unwrap_or_default();
        let license = text(raw.licence).or_else(|| text(raw.license)).unwrap_or_default();
        Ok(Self { name, channels: names, structures, regions, foreground, license })
    }
}

/// What a `dataset.json` says of the data set as a whole. Others list its cases (`training`, `test`, `dataset`),
/// by paths that often name patients.
const OF_ALL: [&str; 17] = [
    "name",
    "description",
    "reference",
    "licence",
    "license",
    "release",
    "relase",
    "tensorImageSize",
    "modality",
    "channel_names",
    "labels",
    "regions_class_order",
    "numTraining",
    "numTest",
    "file_ending",
    "overwrite_image_reader_writer",
    "dataset_name",
];

/// The text of a `dataset.json`, which [`Dataset::parse`] takes, without what it tells of single cases; as it is
/// where it tells nothing of them. What stays is letter for letter the same, in its order.
pub(super) fn without_cases(bytes: Vec<u8>) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(&bytes) else { return bytes };
    let entries = entries(text);
    let is_of_all = |entry: &&&str| {
        let rest = entry.trim_start().strip_prefix('"').unwrap_or_default();
        rest.split_once('"').is_some_and(|(key, _)| OF_ALL.contains(&key))
    };
    let kept: Vec<&str> = entries.iter().filter(is_of_all).copied().collect();
    if kept.len() == entries.len() { bytes } else { format!("{{{}\n}}", kept.join(",")).into_bytes() }
}

/// The entries of the outermost object of a JSON text.
fn entries(text: &str) -> Vec<&str> {
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    let mut begin = None;
    let mut entries = Vec::new();
    for (at, sign) in text.char_indices() {
        if is_quoted {
            is_quoted = is_escaped || sign != '"';
            is_escaped = !is_escaped && sign == '\\';
            continue;
        }
        match sign {
            '"' => is_quoted = true,
            '{' | '[' => {
                depth += 1;
                if depth == 1 {
                    begin = Some(at + 1);
                }
            }
            ',' | '}' | ']' => {
                let is_end = sign != ',';
                if depth == 1 {
                    entries.extend(begin.map(|begin| text[begin..at].trim_end()));
                    begin = (!is_end).then_some(at + 1);
                }
                depth = depth.saturating_sub(usize::from(is_end));
            }
            _ => {}
        }
    }
    entries.retain(|entry| !entry.trim().is_empty());
    entries
}

/// A label's number; digits in quotation marks count where `text_counts`.
fn label(value: &Value, text_counts: bool) -> Option<u16> {
    match value {
        Value::String(text) if text_counts => text.trim().parse().ok().filter(|number| *number < u16::MAX),
        other => other.as_f64().and_then(whole),
    }
}

fn whole(value: f64) -> Option<u16> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
    (value.fract() == 0.0 && (0.0..65535.0).contains(&value)).then_some(value as u16)
}

#[derive(Deserialize)]
struct Raw {
    channel_names: Option<Ordered<String>>,
    modality: Option<Ordered<String>>,
    labels: Ordered<Value>,
    regions_class_order: Option<Vec<f64>>,
    name: Option<Value>,
    licence: Option<Value>,
    license: Option<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_s_file_names_no_cases() {
        let text = r#"{
 "channel_names": {"0": "CT"},
 "training": [{"image": "./imagesTr/Doe_John.nii.gz", "label": "a, b] }\" {"}],
 "labels": {"b": [1, 2], "a": [2], "background": 0}, "dataset": {"MRN77": {"images": ["/home/x/MRN77.nii.gz"]}},
 "regions_class_order": [1, 2], "patients": ["MRN12"]
}"#;
        let kept = String::from_utf8(without_cases(text.as_bytes().to_vec())).unwrap();
        for name in ["Doe", "MRN", "home"] {
            assert!(!kept.contains(name), "{kept}");
        }
        assert_eq!(Dataset::parse(&kept), Dataset::parse(text));
        assert!(
            kept.contains(r#"{"b": [1, 2], "a": [2], "background": 0}"#),
            "regions keep their order: {kept}"
        );
        // What names none stays as it is, to the letter.
        assert_eq!(without_cases(kept.clone().into_bytes()), kept.into_bytes());
        let plain = b" { \"labels\" : {} , \"name\":\"}\" } ".to_vec();
        assert_eq!(without_cases(plain.clone()), plain);
    }

    #[test]
    fn labels_keep_their_numbers_and_the_ignored_one_is_left_out() {
        let set = Dataset::parse(
            r#"{"channel_names": {"1": "T2", "0": "T1"}, "labels": {"background": 0, "b": 2, "a": 1, "ignore": 3}}"#,
        )
        .unwrap();
        assert_eq!(set.channels, ["T1", "T2"]);
        assert_eq!((set.outputs(), set.regions, set.foreground), (3, false, vec![1, 2]));
        assert_eq!(set.structures[0], Structure::of_label("a".into(), 1));
    }

    #[test]
    fn regions_keep_the_file_s_order_and_their_class_order() {
        let set = Dataset::parse(
            r#"{"channel_names": {"0": "FLAIR"}, "regions_class_order": [1, 3, 2],
                "labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "alone": 3, "ignore": 4}}"#,
        )
        .unwrap();
        assert!(set.regions);
        assert_eq!(set.outputs(), 3);
        let values: Vec<_> = set.structures.iter().map(|s| (s.name.as_str(), s.value)).collect();
        assert_eq!(values, [("whole", 1), ("core", 3), ("alone", 2)]);
        assert_eq!(set.foreground, [1, 2, 3]);
    }

    #[test]
    fn a_region_has_the_values_of_those_within_it_whatever_the_order_calls_them() {
        let values = |order: &str| -> Vec<Vec<u16>> {
            let set = Dataset::parse(&format!(
                r#"{{"channel_names": {{"0": "FLAIR"}}, "regions_class_order": {order},
                    "labels": {{"background": 0, "whole": [1, 2, 3], "core": [2, 3], "alone": 3}}}}"#
            ));
            set.unwrap().structures.into_iter().map(|one| one.values).collect()
        };
        // By labels of their own the values are the labels.
        assert_eq!(values("[1, 2, 3]"), [vec![1, 2, 3], vec![2, 3], vec![3]]);
        // The core is written as 1, the whole's rim as 2: the rim is no core.
        assert_eq!(values("[2, 1, 3]"), [vec![1, 2, 3], vec![1, 3], vec![3]]);
        assert_eq!(values("[30, 7, 12]"), [vec![7, 12, 30], vec![7, 12], vec![12]]);
        // Regions that overlap and lie in none of each other keep what is theirs.
        let set = Dataset::parse(
            r#"{"channel_names": {"0": "CT"}, "regions_class_order": [2, 3],
                "labels": {"background": 0, "a": [1, 2], "b": [2, 3]}}"#,
        );
        let values: Vec<Vec<u16>> = set.unwrap().structures.into_iter().map(|one| one.values).collect();
        assert_eq!(values, [vec![2], vec![3]]);
    }

    #[test]
    fn a_name_or_licence_that_is_no_text_is_no_reason_to_refuse() {
        let text = |entries: &str| {
            let text = format!(
                r#"{{"channel_names": {{"0": "CT"}}, "labels": {{"background": 0, "a": 1}}{entries}}}"#
            );
            Dataset::parse(&text).unwrap()
        };
        for odd in ["null", "7", "[\"CC-BY\"]", "{\"url\": \"x\"}"] {
            let set = text(&format!(r#", "name": {odd}, "licence": {odd}, "license": "CC0""#));
            assert_eq!((set.name.as_str(), set.license.as_str()), ("", "CC0"), "{odd}");
        }
        let set = text(r#", "name": "N", "licence": "CC-BY", "license": "CC0""#);
        assert_eq!((set.name.as_str(), set.license.as_str()), ("N", "CC-BY"));
    }

    #[test]
    fn digits_in_quotation_marks_are_numbers_and_other_text_is_told() {
        let text =
            r#"{"channel_names": {"0": "CT"}, "labels": {"background": "0", "liver": "1", "b": [" 2"]}}"#;
        let set = Dataset::parse(text).unwrap();
        let values: Vec<_> = set.structures.iter().map(|s| (s.name.as_str(), s.value)).collect();
        assert_eq!((values, set.outputs()), (vec![("liver", 1), ("b", 2)], 3));
        for odd in ["\"one\"", "null", "true", "-1", "\"1.0\"", "{}"] {
            let told = Dataset::parse(&text.replace("\"1\"", odd)).unwrap_err();
            assert!(told.contains("the label liver is") && told.contains(odd), "{told}");
        }
    }

    #[test]
    fn the_older_name_of_the_channels_counts() {
        let text = r#"{"channel_names": {"0": "CT"}, "modality": {"0": "T1", "1": "T2"},
            "labels": {"background": 0, "a": 1}}"#;
        assert_eq!(Dataset::parse(text).unwrap().channels, ["T1", "T2"]);
    }

    #[test]
    fn odd_sets_are_refused() {
        for text in [
            r#"{"labels": {"background": 0, "a": 1}}"#,
            r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 2}}"#,
            r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": [1, 2]}}"#,
            r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0}}"#,
            r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1.5}}"#,
            r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": "1", "ignore": "2"}}"#,
            r#"{"channel_names": {"0": "CT"}, "regions_class_order": [1, 2],
                "labels": {"background": 0, "a": [1, 2], "b": "2"}}"#,
        ] {
            assert!(Dataset::parse(text).is_err(), "{text}");
        }
    }
}
