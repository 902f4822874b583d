//! JSON just as far as comparing lines needs it: members in order, and every number and string as it is written.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an object in their order, values as they are written.
#[derive(Debug, Clone)]
pub struct Members<'a>(pub Vec<(String, &'a str)>);

impl<'a> Members<'a> {
    pub fn of(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
    }

    /// A member that is a string.
    pub fn text(&self, name: &str) -> Option<String> {
        text(self.get(name)?)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((name, value.get()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The elements of an array as they are written.
pub fn elements(text: &str) -> Option<Vec<&str>> {
    struct InOrder;
    impl<'de> Visitor<'de> for InOrder {
        type Value = Vec<&'de str>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            while let Some(value) = seq.next_element::<&RawValue>()? {
                elements.push(value.get());
            }
            Ok(elements)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_seq(InOrder).ok()
}

/// What a string says. Lone surrogates, which Java writes and no Rust string can hold, become U+FFFD.
pub fn text(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok().or_else(|| {
        let mut parts = raw.split("\\uD");
        let first = parts.next()?.to_owned();
        let joined = parts.fold(first, |text, part| text + "\\uFFFD" + part.get(3..).unwrap_or_default());
        serde_json::from_str(&joined).ok()
    })
}

/// A DDL line with `columns` before `primary-key` in `def` and `old`, whose order is an accident of the Java process.
pub fn ddl_in_one_order(line: &str) -> Option<String> {
    let members = Members::of(line)?;
    let written = |members: &Members<'_>, value: &dyn Fn(&str, &str) -> String| {
        let parts: Vec<String> = members.0.iter().map(|(n, v)| format!("{}:{}", serde_json::json!(n), value(n, v))).collect();
        format!("{{{}}}", parts.join(","))
    };
    Some(written(&members, &|name, value| match name {
        "def" | "old" => {
            let Some(mut table) = Members::of(value) else { return value.to_owned() };
            table.0.sort_by_key(|(name, _)| match name.as_str() {
                "columns" => 1,
                "primary-key" => 2,
                _ => 0,
            });
            written(&table, &|_, value| value.to_owned())
        }
        _ => value.to_owned(),
    }))
}

/// Whether two documents say the same, scalars compared by `same`.
pub fn same_shape(a: &str, b: &str, same: &dyn Fn(&str, &str) -> bool) -> bool {
    if let (Some(a), Some(b)) = (Members::of(a), Members::of(b)) {
        return a.0.len() == b.0.len() && a.0.iter().zip(&b.0).all(|((n, x), (m, y))| n == m && same_shape(x, y, same));
    }
    if let (Some(a), Some(b)) = (elements(a), elements(b)) {
        return a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| same_shape(x, y, same));
    }
    same(a, b)
}
