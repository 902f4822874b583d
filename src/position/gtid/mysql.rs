//! MySQL GTIDs: `uuid[:tag]:number`, and sets of them as intervals.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Result};

use super::interval::{Interval, Intervals};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MysqlGtid {
    pub uuid: [u8; 16],
    /// MySQL 8.3+ tag, lower case.
    pub tag: Option<Arc<str>>,
    pub number: u64,
}

impl MysqlGtid {
    /// Largest number of a transaction (MySQL `libs/mysql/gtids/sequence_number.h`).
    pub const NUMBER_MAX: u64 = i64::MAX as u64 - 1;
}

/// A set of GTIDs. `Display` is the server's text in its order (uuids by their bytes, no tag before tags, tags by
/// letters), without the line ends that the server puts behind commas: `uuid:1-5:7:tag:1-3,uuid:1`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GtidSet {
    /// No value is empty.
    sources: BTreeMap<Source, Intervals>,
}

/// Who numbers: a server, and the tag that a session chose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    uuid: [u8; 16],
    tag: Option<Arc<str>>,
}

/// Longest tag (MySQL manual, "GTID Format").
const TAG_SIZE_MAX: usize = 32;

/// A tag in the form that is compared and stored: lower case. `None` if the text is no tag: a letter or an underscore,
/// then up to 31 letters, digits and underscores.
pub fn normalize_tag(text: &str) -> Option<Arc<str>> {
    let first = text.bytes().next()?;
    let valid = text.len() <= TAG_SIZE_MAX && !first.is_ascii_digit() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    valid.then(|| text.to_ascii_lowercase().into())
}

impl GtidSet {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a transaction. Fails on a number that no transaction can have.
    pub fn add(&mut self, gtid: &MysqlGtid) -> Result<()> {
        check_numbers(gtid.number, gtid.number.saturating_add(1))?;
        self.source(gtid.uuid, gtid.tag.clone()).add(gtid.number);
        Ok(())
    }

    /// Adds the numbers `start` up to, but not with, `end`. Fails if there is none, or if one cannot be a transaction's.
    pub fn add_interval(&mut self, uuid: [u8; 16], tag: Option<Arc<str>>, start: u64, end: u64) -> Result<()> {
        check_numbers(start, end)?;
        self.source(uuid, tag).add_interval(Interval { start, end });
        Ok(())
    }

    /// The caller adds something to it at once, so that no value stays empty.
    fn source(&mut self, uuid: [u8; 16], tag: Option<Arc<str>>) -> &mut Intervals {
        self.sources.entry(Source { uuid, tag }).or_default()
    }

    pub fn add_set(&mut self, other: &GtidSet) {
        for (source, intervals) in &other.sources {
            match self.sources.entry(source.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(intervals.clone());
                }
                Entry::Occupied(mut entry) => {
                    let joined = entry.get().union(intervals);
                    entry.insert(joined);
                }
            }
        }
    }

    pub fn union(&self, other: &GtidSet) -> GtidSet {
        let mut joined = self.clone();
        joined.add_set(other);
        joined
    }

    /// What is in `self` and not in `other`.
    pub fn subtract(&self, other: &GtidSet) -> GtidSet {
        let left = self.sources.iter().filter_map(|(source, mine)| {
            let left = other.sources.get(source).map_or_else(|| mine.clone(), |theirs| mine.subtract(theirs));
            (!left.is_empty()).then(|| (source.clone(), left))
        });
        GtidSet { sources: left.collect() }
    }

    pub fn contains(&self, gtid: &MysqlGtid) -> bool {
        let source = Source { uuid: gtid.uuid, tag: gtid.tag.clone() };
        self.sources.get(&source).is_some_and(|intervals| intervals.contains(gtid.number))
    }

    pub fn is_subset(&self, other: &GtidSet) -> bool {
        self.sources.iter().all(|(source, mine)| other.sources.get(source).is_some_and(|theirs| mine.is_subset(theirs)))
    }

    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Whether any transaction has a tag; servers before 8.3, and Maxwell, cannot read such a set.
    pub fn has_tags(&self) -> bool {
        self.sources.keys().any(|source| source.tag.is_some())
    }

    /// The server's binary form, as COM_BINLOG_DUMP_GTID sends it: without tags where there are none, so that servers
    /// before 8.3 understand it, else with a tag behind every uuid (MySQL `libs/mysql/gtids/strconv/gtid_binary_format_conv.h`).
    pub fn encode(&self) -> Vec<u8> {
        let tagged = self.has_tags();
        let sources = self.sources.len() as u64;
        let head = if tagged { 1 << 56 | sources << 8 | 1 } else { sources };
        let mut out = head.to_le_bytes().to_vec();
        for (source, intervals) in &self.sources {
            out.extend_from_slice(&source.uuid);
            if tagged {
                let tag = source.tag.as_deref().unwrap_or("");
                // The length as an integer of the server's serialization library; one byte, as a tag has at most 32 letters.
                out.push((tag.len() as u8) << 1);
                out.extend_from_slice(tag.as_bytes());
            }
            let intervals = intervals.as_slice();
            out.extend_from_slice(&(intervals.len() as u64).to_le_bytes());
            for interval in intervals {
                out.extend_from_slice(&interval.start.to_le_bytes());
                out.extend_from_slice(&interval.end.to_le_bytes());
            }
        }
        out
    }
}

fn check_numbers(start: u64, end: u64) -> Result<()> {
    if start >= 1 && start < end && end - 1 <= MysqlGtid::NUMBER_MAX {
        Ok(())
    } else {
        Err(Error::definite(format!("{start} up to {end} (exclusive) are no GTID numbers")))
    }
}

impl FromStr for MysqlGtid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(':').map(str::trim).collect();
        let parsed = match parts[..] {
            [uuid, number] => uuid_of(uuid).zip(number_of(number)).map(|(uuid, number)| MysqlGtid { uuid, tag: None, number }),
            [uuid, tag, number] => {
                (|| Some(MysqlGtid { uuid: uuid_of(uuid)?, tag: Some(normalize_tag(tag)?), number: number_of(number)? }))()
            }
            _ => None,
        };
        parsed.ok_or_else(|| {
            Error::definite(format!("{text:?} is not a MySQL GTID"))
                .hint("the form is uuid:number or uuid:tag:number, such as 3e11fa47-71ca-11e1-9e33-c80aa9429562:23")
        })
    }
}

impl FromStr for GtidSet {
    type Err = Error;

    /// Reads the server's text: sources between commas (more than one comma is one), blanks and line ends anywhere between
    /// words, a tag holding for the intervals behind it. Empty text is the empty set.
    fn from_str(text: &str) -> Result<Self> {
        let mut set = GtidSet::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let mut words = part.split(':').map(str::trim);
            let Some(uuid) = words.next().and_then(uuid_of) else {
                return Err(not_a_set(part, "it does not begin with a server uuid"));
            };
            let mut tag = None;
            for word in words {
                if let Some(named) = normalize_tag(word) {
                    tag = Some(named);
                } else {
                    let Some((start, end)) = interval_of(word) else {
                        return Err(not_a_set(part, &format!("{word:?} is neither an interval nor a tag")));
                    };
                    set.add_interval(uuid, tag.clone(), start, end)?;
                }
            }
        }
        Ok(set)
    }
}

fn not_a_set(part: &str, why: &str) -> Error {
    Error::definite(format!("{part:?} is not part of a MySQL GTID set: {why}"))
        .hint("the form is uuid:first-last, such as 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-23")
}

/// `5`, `5-9`, with the end made exclusive.
fn interval_of(word: &str) -> Option<(u64, u64)> {
    let (start, last) = match word.split_once('-') {
        Some((start, last)) => (number_of(start.trim())?, number_of(last.trim())?),
        None => (number_of(word)?, number_of(word)?),
    };
    (start <= last).then_some((start, last + 1))
}

fn number_of(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|number| digits && (1..=MysqlGtid::NUMBER_MAX).contains(number))
}

/// With dashes in the usual places, or without any, in letters of either case.
fn uuid_of(text: &str) -> Option<[u8; 16]> {
    let dashes = [8, 13, 18, 23];
    let digits: Vec<u8> = match text.len() {
        36 if dashes.iter().all(|i| text.as_bytes().get(*i) == Some(&b'-')) => {
            text.bytes().enumerate().filter(|(i, _)| !dashes.contains(i)).map(|(_, b)| b).collect()
        }
        32 => text.bytes().collect(),
        _ => return None,
    };
    let mut uuid = [0; 16];
    for (byte, pair) in uuid.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = *pair else { return None };
        let value = char::from(high).to_digit(16)? << 4 | char::from(low).to_digit(16)?;
        *byte = u8::try_from(value).ok()?;
    }
    Some(uuid)
}

fn write_uuid(f: &mut fmt::Formatter<'_>, uuid: &[u8; 16]) -> fmt::Result {
    for (i, byte) in uuid.iter().enumerate() {
        let dash = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
        write!(f, "{dash}{byte:02x}")?;
    }
    Ok(())
}

impl fmt::Display for MysqlGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_uuid(f, &self.uuid)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        write!(f, ":{}", self.number)
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut previous: Option<&[u8; 16]> = None;
        for (source, intervals) in &self.sources {
            if previous != Some(&source.uuid) {
                if previous.is_some() {
                    f.write_str(",")?;
                }
                write_uuid(f, &source.uuid)?;
                previous = Some(&source.uuid);
            }
            if let Some(tag) = &source.tag {
                write!(f, ":{tag}")?;
            }
            for interval in intervals.as_slice() {
                match interval.end - 1 {
                    last if last == interval.start => write!(f, ":{last}")?,
                    last => write!(f, ":{}-{last}", interval.start)?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn set(text: &str) -> GtidSet {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn text_becomes_canonical() {
        let upper = A.to_uppercase();
        let bare = A.replace('-', "");
        let cases = [
            ("".into(), "".into()),
            (" ,\n, ".into(), "".into()),
            (format!("{B}:1-3,\n{A}:7:1-5"), format!("{A}:1-5:7,{B}:1-3")),
            (format!("{upper}:5-6:1-4"), format!("{A}:1-6")),
            (format!("{bare} : 1 - 3 : 3-9"), format!("{A}:1-9")),
            (format!("{A}:1-10:13:MyTag:1-3"), format!("{A}:1-10:13:mytag:1-3")),
            (format!("{A}:b:2:a:1,{A}:7:a:2"), format!("{A}:7:a:1-2:b:2")),
            (A.to_owned(), "".into()),
            (format!("{A}:t"), "".into()),
            (format!("{A}:9223372036854775806"), format!("{A}:9223372036854775806")),
        ];
        for (text, want) in cases {
            assert_eq!(set(&text).to_string(), want, "{text:?}");
        }
    }

    #[test]
    fn bad_text_is_refused() {
        let long_tag = "t".repeat(33);
        let tails = ["0", "5-3", "1-", "-5", "+1", "a b", "1-2-3", "9223372036854775807", "1-9223372036854775807", "é", &long_tag];
        for tail in tails {
            format!("{A}:{tail}").parse::<GtidSet>().expect_err(tail);
        }
        for text in ["x", "3e11fa47:1", &format!("{A}{A}:1"), &format!("{}g:1", &A[..35]), &format!("{A}::1")] {
            text.parse::<GtidSet>().expect_err(text);
        }
        for text in [A, &format!("{A}:0"), &format!("{A}:1-2"), &format!("{A}:t"), &format!("{A}:1:1"), &format!("{A}:t:u:1")] {
            text.parse::<MysqlGtid>().expect_err(text);
        }
    }

    #[test]
    fn one_transaction() {
        let gtid: MysqlGtid = format!("{A}:Tag:5").parse().unwrap();
        assert_eq!(gtid.to_string(), format!("{A}:tag:5"));
        let mut executed = set(&format!("{A}:1-4"));
        assert!(!executed.contains(&gtid));
        executed.add(&gtid).unwrap();
        assert!(executed.contains(&gtid) && executed.has_tags());
        assert_eq!(executed.to_string(), format!("{A}:1-4:tag:5"));
        executed.add(&MysqlGtid { number: 0, ..gtid.clone() }).unwrap_err();
        executed.add(&MysqlGtid { number: MysqlGtid::NUMBER_MAX + 1, ..gtid }).unwrap_err();
    }

    #[test]
    fn binary_form() {
        let plain = set(&format!("{A}:1-5")).encode();
        assert_eq!(plain.len(), 8 + 16 + 8 + 16);
        assert_eq!((&plain[..8], &plain[40..]), (&[1, 0, 0, 0, 0, 0, 0, 0][..], &[6, 0, 0, 0, 0, 0, 0, 0][..]));
        let tagged = set(&format!("{A}:1-5:ab:9")).encode();
        assert_eq!(&tagged[..8], &[1, 2, 0, 0, 0, 0, 0, 1]);
        assert_eq!((tagged[24], tagged.len()), (0, 8 + 2 * (16 + 1 + 8 + 16) + 2));
        assert_eq!(GtidSet::new().encode(), [0; 8]);
    }

    fn some_set() -> impl Strategy<Value = GtidSet> {
        prop::collection::vec((0u8..3, 0usize..3, 1u64..40, 1u64..6), 0..12).prop_map(|parts| {
            let mut set = GtidSet::new();
            for (server, tag, start, size) in parts {
                let tag = [None, Some("a"), Some("b")][tag].map(Arc::from);
                set.add_interval([server; 16], tag, start, start + size).unwrap();
            }
            set
        })
    }

    proptest! {
        #[test]
        fn algebra(a in some_set(), b in some_set(), number in 1u64..50, server in 0u8..4) {
            let union = a.union(&b);
            let less = a.subtract(&b);
            prop_assert_eq!(&union, &b.union(&a));
            prop_assert!(a.is_subset(&union) && b.is_subset(&union) && less.is_subset(&a));
            prop_assert_eq!(less.union(&b), union.clone());
            prop_assert!(union.subtract(&union).is_empty());
            prop_assert_eq!(a.is_subset(&b), less.is_empty());
            prop_assert_eq!(a.union(&a), a.clone());
            let gtid = MysqlGtid { uuid: [server; 16], tag: None, number };
            prop_assert_eq!(union.contains(&gtid), a.contains(&gtid) || b.contains(&gtid));
            prop_assert_eq!(less.contains(&gtid), a.contains(&gtid) && !b.contains(&gtid));
            let mut grown = a.clone();
            grown.add(&gtid).unwrap();
            prop_assert!(grown.contains(&gtid) && a.is_subset(&grown));
        }

        #[test]
        fn text_comes_back(a in some_set()) {
            prop_assert_eq!(set(&a.to_string()), a.clone());
            prop_assert_eq!(set(&a.to_string().replace(',', " ,\n ").replace(':', " : ").to_uppercase()), a);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-f:, -]{0,60}") {
            let _ = text.parse::<GtidSet>();
            let _ = text.parse::<MysqlGtid>();
        }
    }
}
