//! Partial updates of JSON documents (`binlog_row_value_options=PARTIAL_JSON`): a list of changes instead of the document
//! (MySQL `sql/json_diff.h`, `Json_diff_vector::read_binary`), applied to the document before.
//!
//! The result is a binary document again, so that everything that takes documents takes it. Only containers on the way of
//! a change are taken apart; anything else is copied as it is. Robustness: every offset is checked, paths have bounded
//! lengths, and the result is bounded by what goes in.

use std::borrow::Cow;

use super::jsonb;
use crate::binlog::{Cursor, DecodeError};

/// `Json_diff`'s operations (MySQL `sql/json_diff.h`, `enum_json_diff_operation`).
mod operation {
    /// The value at the path is replaced.
    pub const REPLACE: u8 = 0;
    /// A member is added to an object, or an element put before another one (or at the end) of an array.
    pub const INSERT: u8 = 1;
    /// The value at the path is removed.
    pub const REMOVE: u8 = 2;
}

/// The server refuses documents deeper than 100, and paths longer than that lead nowhere.
const LEGS_MAX: usize = 128;

fn invalid(why: impl Into<String>) -> DecodeError {
    DecodeError::invalid("json diff", why)
}

/// Appends the document that results. An empty document is the JSON null literal.
///
/// # Errors
/// When the changes cannot be read, or do not fit the document: it is not the one that the server changed.
pub fn apply(document: &[u8], diffs: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let mut root = match document.split_first() {
        Some((kind, body)) => Node::Raw { kind: *kind, body },
        None => Node::Raw { kind: jsonb::LITERAL, body: &[0] },
    };
    let mut c = Cursor::new(diffs);
    while !c.is_empty() {
        let code = c.u8("json diff operation")?;
        let path = c.lenenc_bytes("json diff path")?;
        let legs = parse_path(path)?;
        let value = match code {
            operation::REMOVE => None,
            operation::REPLACE | operation::INSERT => {
                let value = c.lenenc_bytes("json diff value")?;
                let (kind, body) = value.split_first().ok_or_else(|| invalid("an empty value"))?;
                Some(Node::Raw { kind: *kind, body })
            }
            _ => return Err(invalid(format!("operation {code}"))),
        };
        let fits = match (code, value) {
            (operation::REPLACE, Some(value)) => replace(&mut root, &legs, value)?,
            (_, Some(value)) => insert(&mut root, &legs, value)?,
            (_, None) => remove(&mut root, &legs)?,
        };
        if !fits {
            return Err(invalid(format!("{} does not fit the document before the update", String::from_utf8_lossy(path))));
        }
    }
    let (kind, body) = root.write(&mut (document.len().max(1) + diffs.len()))?;
    out.push(kind);
    out.extend_from_slice(&body);
    Ok(())
}

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Leg {
    Member(Vec<u8>),
    Index(usize),
    /// So many before the last element.
    FromLast(usize),
}

impl Leg {
    fn index(&self, len: usize) -> Option<usize> {
        match self {
            Leg::Index(index) => Some(*index),
            Leg::FromLast(back) => len.checked_sub(1)?.checked_sub(*back),
            Leg::Member(_) => None,
        }
    }
}

/// Reads `$.name."other name"[3]`, as `Json_path::to_string` writes it: names that are no identifiers are JSON strings.
fn parse_path(path: &[u8]) -> Result<Vec<Leg>, DecodeError> {
    let wrong = || invalid(format!("the path {}", String::from_utf8_lossy(path)));
    let mut rest = path.trim_ascii().strip_prefix(b"$").ok_or_else(wrong)?;
    let mut legs = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        if legs.len() >= LEGS_MAX {
            return Err(invalid("a path of too many steps"));
        }
        let leg;
        (leg, rest) = match first {
            b' ' => {
                rest = after;
                continue;
            }
            b'.' => member(after.trim_ascii_start()).ok_or_else(wrong)?,
            b'[' => cell(after).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
        legs.push(leg);
    }
    Ok(legs)
}

fn member(text: &[u8]) -> Option<(Leg, &[u8])> {
    if text.first() != Some(&b'"') {
        let end = text.iter().position(|b| matches!(b, b'.' | b'[' | b' ')).unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
        return Some((Leg::Member(name.to_vec()), rest));
    }
    let mut end = 1;
    while *text.get(end)? != b'"' {
        end += if text[end] == b'\\' { 2 } else { 1 };
    }
    let (quoted, rest) = text.split_at_checked(end + 1)?;
    let name: String = serde_json::from_slice(quoted).ok()?;
    Some((Leg::Member(name.into_bytes()), rest))
}

fn cell(text: &[u8]) -> Option<(Leg, &[u8])> {
    let end = text.iter().position(|b| *b == b']')?;
    let inside = std::str::from_utf8(text.get(..end)?).ok()?.trim();
    let leg = match inside.strip_prefix("last") {
        Some("") => Leg::FromLast(0),
        Some(back) => Leg::FromLast(back.trim().strip_prefix('-')?.trim().parse().ok()?),
        None => Leg::Index(inside.parse().ok()?),
    };
    Some((leg, text.get(end + 1..)?))
}

/// A value: as it came, or taken apart.
#[derive(Debug)]
enum Node<'a> {
    Raw { kind: u8, body: &'a [u8] },
    Object(Vec<(Cow<'a, [u8]>, Node<'a>)>),
    Array(Vec<Node<'a>>),
}

impl<'a> Node<'a> {
    /// Takes a container apart, one level.
    fn open(&mut self) -> Result<(), DecodeError> {
        if let Node::Raw { kind, body } = self
            && let Some(parts) = jsonb::parts(*kind, body)?
        {
            *self = match parts {
                jsonb::Parts::Object(members) => {
                    Node::Object(members.into_iter().map(|(key, (kind, body))| (Cow::Borrowed(key), Node::Raw { kind, body })).collect())
                }
                jsonb::Parts::Array(elements) => Node::Array(elements.into_iter().map(|(kind, body)| Node::Raw { kind, body }).collect()),
            };
        }
        Ok(())
    }

    /// The value that one step leads to.
    fn step(&mut self, leg: &Leg) -> Result<Option<&mut Node<'a>>, DecodeError> {
        self.open()?;
        Ok(match (self, leg) {
            (Node::Object(members), Leg::Member(name)) => members.iter_mut().find(|(key, _)| **key == **name).map(|(_, value)| value),
            (Node::Array(elements), leg) => leg.index(elements.len()).and_then(|i| elements.get_mut(i)),
            // The server takes any other value for an array of one.
            (node, Leg::Index(0) | Leg::FromLast(0)) => Some(node),
            _ => None,
        })
    }

    fn seek(&mut self, legs: &[Leg]) -> Result<Option<&mut Node<'a>>, DecodeError> {
        let mut node = self;
        for leg in legs {
            match node.step(leg)? {
                Some(next) => node = next,
                None => return Ok(None),
            }
        }
        Ok(Some(node))
    }

    /// Type and bytes. What was taken apart becomes a large container: those have room for any size. `unread` counts down
    /// the bytes that came in: a document whose values share parts would grow beyond them.
    fn write(self, unread: &mut usize) -> Result<(u8, Cow<'a, [u8]>), DecodeError> {
        let mut spend = |bytes: usize| {
            *unread = unread.checked_sub(bytes).ok_or_else(|| invalid("values that overlap"))?;
            Ok(())
        };
        Ok(match self {
            Node::Raw { kind, body } => {
                let body = jsonb::exact(kind, body)?;
                spend(body.len())?;
                (kind, Cow::Borrowed(body))
            }
            Node::Object(members) => {
                let (keys, values): (Vec<Cow<'a, [u8]>>, Vec<_>) = members.into_iter().unzip();
                spend(keys.iter().map(|key| key.len()).sum())?;
                let values: Result<Vec<_>, _> = values.into_iter().map(|value| value.write(unread)).collect();
                (jsonb::LARGE_OBJECT, jsonb::large_container(Some(&keys), &values?)?.into())
            }
            Node::Array(elements) => {
                let values: Result<Vec<_>, _> = elements.into_iter().map(|value| value.write(unread)).collect();
                (jsonb::LARGE_ARRAY, jsonb::large_container(None, &values?)?.into())
            }
        })
    }
}

fn replace<'a>(root: &mut Node<'a>, legs: &[Leg], value: Node<'a>) -> Result<bool, DecodeError> {
    let Some(node) = root.seek(legs)? else { return Ok(false) };
    *node = value;
    Ok(true)
}

fn insert<'a>(root: &mut Node<'a>, legs: &[Leg], value: Node<'a>) -> Result<bool, DecodeError> {
    let Some((last, before)) = legs.split_last() else { return Ok(false) };
    let Some(parent) = root.seek(before)? else { return Ok(false) };
    parent.open()?;
    match (parent, last) {
        (Node::Object(members), Leg::Member(name)) => {
            // Members stand in the order of their names' lengths, then of their bytes (`Json_key_comparator`).
            let place = members.binary_search_by(|(key, _)| (key.len(), &**key).cmp(&(name.len(), &name[..])));
            match place {
                Ok(_) => Ok(false),
                Err(place) => {
                    members.insert(place, (Cow::Owned(name.clone()), value));
                    Ok(true)
                }
            }
        }
        (Node::Array(elements), leg) => {
            // Beyond either end is at that end (`Json_array_index`).
            let index = match leg {
                Leg::Index(index) => (*index).min(elements.len()),
                Leg::FromLast(back) => elements.len().saturating_sub(back.saturating_add(1)),
                Leg::Member(_) => return Ok(false),
            };
            elements.insert(index, value);
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn remove(root: &mut Node<'_>, legs: &[Leg]) -> Result<bool, DecodeError> {
    let Some((last, before)) = legs.split_last() else { return Ok(false) };
    let Some(parent) = root.seek(before)? else { return Ok(false) };
    parent.open()?;
    Ok(match (parent, last) {
        (Node::Object(members), Leg::Member(name)) => {
            let place = members.iter().position(|(key, _)| **key == **name);
            place.map(|i| members.remove(i)).is_some()
        }
        (Node::Array(elements), leg) => match leg.index(elements.len()).filter(|i| *i < elements.len()) {
            Some(index) => {
                elements.remove(index);
                true
            }
            None => false,
        },
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(text: &str) -> Vec<u8> {
        fn value(json: &serde_json::Value) -> (u8, Vec<u8>) {
            match json {
                serde_json::Value::Null => (4, vec![0]),
                serde_json::Value::Bool(b) => (4, vec![if *b { 1 } else { 2 }]),
                serde_json::Value::Number(n) => (5, (n.as_i64().expect("small") as i16).to_le_bytes().to_vec()),
                serde_json::Value::String(s) => (12, [&[s.len() as u8][..], s.as_bytes()].concat()),
                serde_json::Value::Array(all) => {
                    let values: Vec<_> = all.iter().map(value).map(|(k, b)| (k, Cow::Owned(b))).collect();
                    (jsonb::LARGE_ARRAY, jsonb::large_container(None, &values).expect("fits"))
                }
                serde_json::Value::Object(all) => {
                    let mut members: Vec<_> = all.iter().collect();
                    members.sort_by_key(|(k, _)| (k.len(), (*k).clone()));
                    let keys: Vec<Cow<'_, [u8]>> = members.iter().map(|(k, _)| Cow::Borrowed(k.as_bytes())).collect();
                    let values: Vec<_> = members.iter().map(|(_, v)| value(v)).map(|(k, b)| (k, Cow::Owned(b))).collect();
                    (jsonb::LARGE_OBJECT, jsonb::large_container(Some(&keys), &values).expect("fits"))
                }
            }
        }
        let (kind, body) = value(&serde_json::from_str(text).expect("JSON"));
        [vec![kind], body].concat()
    }

    fn diff(code: u8, path: &str, json: Option<&str>) -> Vec<u8> {
        let mut out = vec![code, path.len() as u8];
        out.extend_from_slice(path.as_bytes());
        if let Some(json) = json {
            let value = document(json);
            out.push(value.len() as u8);
            out.extend(value);
        }
        out
    }

    fn applied(before: &[u8], diffs: &[u8]) -> Result<String, DecodeError> {
        let (mut bytes, mut text) = (Vec::new(), Vec::new());
        apply(before, diffs, &mut bytes)?;
        jsonb::write_json(&bytes, &mut text)?;
        Ok(String::from_utf8(text).expect("UTF-8"))
    }

    const BEFORE: &str = r#"{"a":1,"bb":[1,[2,3],{"c":null}],"q\"\\.[":true,"odd name":{"x":"y"}}"#;

    #[test]
    fn operations() {
        let whole = BEFORE;
        for (code, path, value, want) in [
            (0, "$.a", Some("2"), whole.replace("\"a\":1", "\"a\":2")),
            (0, "$", Some(r#"{"n":[]}"#), r#"{"n":[]}"#.to_owned()),
            (0, "$.bb[1][0]", Some(r#""long string""#), whole.replace("[2,3]", "[\"long string\",3]")),
            (0, "$.bb[last].c", Some("7"), whole.replace("null", "7")),
            (0, "$.bb[last-1]", Some("7"), whole.replace("[2,3]", "7")),
            (0, "$.a[0]", Some("5"), whole.replace("\"a\":1", "\"a\":5")),
            (0, "$.\"odd name\".x", Some("[]"), whole.replace("\"y\"", "[]")),
            (0, "$.\"q\\\"\\\\.[\"", Some("false"), whole.replace("true", "false")),
            (1, "$.b", Some("9"), whole.replace("\"bb\"", "\"b\":9,\"bb\"")),
            (1, "$.bb[0]", Some("9"), whole.replace("[1,[", "[9,1,[")),
            (1, "$.bb[77]", Some("9"), whole.replace("{\"c\":null}]", "{\"c\":null},9]")),
            (1, "$.bb[last]", Some("9"), whole.replace("{\"c\"", "9,{\"c\"")),
            (1, "$.bb[last-9]", Some("9"), whole.replace("[1,[", "[9,1,[")),
            (1, "$.\"odd name\".\"\"", Some("9"), whole.replace("{\"x\"", "{\"\":9,\"x\"")),
            (2, "$.a", None, whole.replace("\"a\":1,", "")),
            (2, "$.bb[1]", None, whole.replace("[2,3],", "")),
            (2, "$.bb[2].c", None, whole.replace("{\"c\":null}", "{}")),
        ] {
            assert_eq!(
                applied(&document(BEFORE), &diff(code, path, value)).unwrap_or_else(|e| panic!("{path}: {e}")),
                want,
                "{code} {path}"
            );
        }
        let many = [diff(2, "$.a", None), diff(1, "$.a", Some("[]")), diff(1, "$.a[0]", Some("1")), diff(0, "$.a[0]", Some("2"))].concat();
        assert_eq!(applied(&document(BEFORE), &many).expect("applies"), BEFORE.replace("\"a\":1", "\"a\":[2]"));
        assert_eq!(applied(&document(BEFORE), &[]).expect("nothing changes"), BEFORE);
        assert_eq!(applied(&[], &[]).expect("an empty document"), "null");
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for (code, path, value) in [
            (0, "$.none", Some("1")),
            (0, "$.a.b", Some("1")),
            (0, "$.bb[3]", Some("1")),
            (1, "$.a", Some("1")),
            (1, "$.a[0]", Some("1")),
            (1, "$", Some("1")),
            (2, "$", None),
            (2, "$.none", None),
            (2, "$.bb[9]", None),
            (3, "$.a", None),
            (0, "a", Some("1")),
            (0, "$.", Some("1")),
            (0, "$.\"a", Some("1")),
            (0, "$[x]", Some("1")),
        ] {
            assert!(applied(&document(BEFORE), &diff(code, path, value)).is_err(), "{code} {path}");
        }
        let whole = diff(0, "$.a", Some("2"));
        for len in 1..whole.len() {
            assert!(applied(&document(BEFORE), &whole[..len]).is_err(), "cut at {len}");
        }
        let long = format!("${}", "[0]".repeat(60));
        assert!(applied(&document("1"), &diff(0, &long, Some("1"))).is_ok(), "any value is an array of one");
        assert!(parse_path(format!("${}", "[0]".repeat(200)).as_bytes()).is_err());
    }

    #[test]
    fn shared_values_are_refused() {
        // Two elements that are the same string.
        let body = [&2u16.to_le_bytes()[..], &111u16.to_le_bytes(), &[12, 10, 0, 12, 10, 0, 100], &[b'x'; 100]].concat();
        let before = [&[2][..], &body].concat();
        assert!(applied(&before, &diff(1, "$[2]", Some("1"))).expect_err("shared").to_string().contains("overlap"));
    }

    proptest! {
        #[test]
        fn never_panics(
            before in proptest::collection::vec(prop_oneof![0u8..16, any::<u8>()], 0..100),
            diffs in proptest::collection::vec(prop_oneof![0u8..4, Just(b'$'), Just(b'['), Just(b']'), Just(b'0'), any::<u8>()], 0..60),
        ) {
            let _ = apply(&before, &diffs, &mut Vec::new());
            let path = [&[0, 4][..], b"$[0]", &[2, 5, 1, 0]].concat();
            let _ = apply(&before, &path, &mut Vec::new());
        }
    }
}
