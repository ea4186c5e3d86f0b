//! JSON read with the order of its keys kept: nnU-Net numbers regions by their order in the file.

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::marker::PhantomData;

/// An object's entries in the file's order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ordered<T>(pub Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// Reads `text` as `T`.
///
/// # Errors
/// A sentence with the place of the mistake. Python's `NaN` and `Infinity` are taken as null.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, String> {
    serde_json::from_str(text)
        .or_else(|error| {
            let plain = without_nan(text);
            if plain == text { Err(error) } else { serde_json::from_str(&plain) }
        })
        .map_err(|error| error.to_string())
}

/// Python writes `NaN` and `Infinity`, which are no JSON.
fn without_nan(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, part) in text.split('"').enumerate() {
        if index > 0 {
            out.push('"');
        }
        if index % 2 == 0 {
            out.push_str(
                &part.replace("-Infinity", "null").replace("Infinity", "null").replace("NaN", "null"),
            );
        } else {
            out.push_str(part);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_python_s_nan_is_null() {
        let read: Ordered<Option<f64>> = parse(r#"{"z": 1, "NaN": NaN, "a": -Infinity}"#).unwrap();
        assert_eq!(read.0, [("z".into(), Some(1.0)), ("NaN".into(), None), ("a".into(), None)]);
        assert!(parse::<Ordered<f64>>("[1]").unwrap_err().contains("object"));
    }
}
