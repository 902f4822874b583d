//! Maxwell's JSON lines, read without losing how a value is written.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A row message. `data` keeps every value's own text.
#[derive(Deserialize)]
pub struct Message<'a> {
    #[serde(borrow)]
    pub database: Cow<'a, str>,
    #[serde(borrow)]
    pub table: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    pub xid: Option<u64>,
    pub xoffset: Option<u64>,
    #[serde(default)]
    pub commit: bool,
    #[serde(borrow)]
    pub data: Fields<'a>,
    #[serde(borrow)]
    pub old: Option<Fields<'a>>,
}

impl<'a> Message<'a> {
    /// Reads one line.
    ///
    /// # Panics
    /// When it is no row message.
    pub fn read(line: &'a [u8]) -> Message<'a> {
        serde_json::from_slice(line).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(line)))
    }
}

/// An object's members in their order, values as they were written.
#[derive(Clone)]
pub struct Fields<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl Fields<'_> {
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.get())
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.raw(name)?.parse().ok()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((name, value));
                }
                Ok(Fields(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Borrowed unless it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
