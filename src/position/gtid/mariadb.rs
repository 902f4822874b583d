//! MariaDB GTIDs: `domain-server-sequence`, and a place in every domain.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MariadbGtid {
    pub domain: u32,
    pub server_id: u32,
    pub sequence: u64,
}

/// The last GTID of every domain and server, as in `gtid_binlog_state`, and which server wrote last in each domain.
///
/// Within a domain MariaDB's sequence numbers rise only while `gtid_strict_mode` is kept, so "newest" is what came last,
/// not what is highest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GtidPosition {
    domains: BTreeMap<u32, Domain>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Domain {
    /// The server whose GTID came last; a key of `sequences`.
    newest: u32,
    /// Last sequence number by server id; never empty.
    sequences: BTreeMap<u32, u64>,
}

impl GtidPosition {
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a transaction behind all others of its domain.
    pub fn add(&mut self, gtid: MariadbGtid) {
        let domain = self.domains.entry(gtid.domain).or_insert_with(|| Domain { newest: gtid.server_id, sequences: BTreeMap::new() });
        domain.newest = gtid.server_id;
        domain.sequences.insert(gtid.server_id, gtid.sequence);
    }

    /// Whether the transaction lies at or before this place: by the last sequence number of its own server, and where
    /// that server is not known, by the newest of the domain (as the server's `MASTER_GTID_WAIT` compares).
    pub fn contains(&self, gtid: MariadbGtid) -> bool {
        self.domains.get(&gtid.domain).is_some_and(|domain| {
            let last = domain.sequences.get(&gtid.server_id).or_else(|| domain.sequences.get(&domain.newest));
            last.is_some_and(|last| gtid.sequence <= *last)
        })
    }

    /// Whether `other` contains the last GTID of every domain and server of `self`.
    pub fn is_subset(&self, other: &GtidPosition) -> bool {
        self.iter().all(|gtid| other.contains(gtid))
    }

    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// All GTIDs: domains by number, within a domain servers by number, the newest last.
    pub fn iter(&self) -> impl Iterator<Item = MariadbGtid> + '_ {
        self.domains.iter().flat_map(|(domain, state)| {
            let newest = state.sequences.get_key_value(&state.newest);
            let others = state.sequences.iter().filter(|(server, _)| **server != state.newest);
            others.chain(newest).map(|(server, sequence)| MariadbGtid { domain: *domain, server_id: *server, sequence: *sequence })
        })
    }

    /// The newest GTID of every domain: the text for `@slave_connect_state` and `gtid_slave_pos`.
    pub fn connect_state(&self) -> String {
        let newest = self.domains.iter().filter_map(|(domain, state)| {
            let sequence = *state.sequences.get(&state.newest)?;
            Some(MariadbGtid { domain: *domain, server_id: state.newest, sequence }.to_string())
        });
        newest.collect::<Vec<_>>().join(",")
    }
}

impl FromIterator<MariadbGtid> for GtidPosition {
    /// In the order in which they were logged, as in a GTID_LIST event.
    fn from_iter<I: IntoIterator<Item = MariadbGtid>>(gtids: I) -> Self {
        let mut position = GtidPosition::new();
        gtids.into_iter().for_each(|gtid| position.add(gtid));
        position
    }
}

impl FromStr for MariadbGtid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.trim().split('-');
        let parsed = (|| {
            let gtid = MariadbGtid { domain: number(parts.next()?)?, server_id: number(parts.next()?)?, sequence: number(parts.next()?)? };
            parts.next().is_none().then_some(gtid)
        })();
        parsed.ok_or_else(|| {
            Error::definite(format!("{text:?} is not a MariaDB GTID")).hint("the form is domain-server-sequence, such as 0-1-42")
        })
    }
}

/// Digits only: Rust's own parser would also take a sign.
fn number<T: FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

impl FromStr for GtidPosition {
    type Err = Error;

    /// Reads `gtid_binlog_state`, `gtid_current_pos` and the like; the last of a domain is its newest. Empty text is the
    /// empty position. Fails on the same domain and server twice.
    fn from_str(text: &str) -> Result<Self> {
        let mut position = GtidPosition::new();
        if text.trim().is_empty() {
            return Ok(position);
        }
        for part in text.split(',') {
            let gtid: MariadbGtid = part.parse()?;
            let known = position.domains.get(&gtid.domain).is_some_and(|d| d.sequences.contains_key(&gtid.server_id));
            if known {
                return Err(Error::definite(format!(
                    "the GTID position {text:?} names domain {} and server {} twice",
                    gtid.domain, gtid.server_id
                )));
            }
            position.add(gtid);
        }
        Ok(position)
    }
}

impl fmt::Display for MariadbGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server_id, self.sequence)
    }
}

impl fmt::Display for GtidPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, gtid) in self.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{gtid}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gtid(text: &str) -> MariadbGtid {
        text.parse().unwrap()
    }

    #[test]
    fn state_per_domain_and_server() {
        let mut position: GtidPosition = "0-2-9, 0-1-5,7-104-5016".parse().unwrap();
        assert_eq!(position.to_string(), "0-2-9,0-1-5,7-104-5016");
        assert_eq!(position.connect_state(), "0-1-5,7-104-5016");
        position.add(gtid("0-2-10"));
        assert_eq!(position.to_string(), "0-1-5,0-2-10,7-104-5016");
        assert_eq!(position.connect_state(), "0-2-10,7-104-5016");
        assert_eq!(GtidPosition::new().connect_state(), "");
    }

    #[test]
    fn contains_by_server_or_by_domain() {
        let position: GtidPosition = "0-1-5,0-2-9".parse().unwrap();
        for (text, want) in [("0-1-5", true), ("0-1-6", false), ("0-2-9", true), ("0-3-9", true), ("0-3-10", false), ("1-1-1", false)] {
            assert_eq!(position.contains(gtid(text)), want, "{text}");
        }
        let earlier: GtidPosition = "0-1-4".parse().unwrap();
        assert!(earlier.is_subset(&position) && !position.is_subset(&earlier));
        assert!(GtidPosition::new().is_subset(&earlier));
    }

    #[test]
    fn bad_text_is_refused() {
        for text in ["0-1", "0-1-2-3", "a-1-2", "+0-1-2", "0-1-", "4294967296-1-1", "0-1-18446744073709551616", "0--1-2"] {
            text.parse::<MariadbGtid>().expect_err(text);
        }
        for text in ["0-1-5,0-1-6", ",", "0-1-5,"] {
            text.parse::<GtidPosition>().expect_err(text);
        }
    }

    proptest! {
        #[test]
        fn text_comes_back(gtids in prop::collection::vec((0u32..3, 1u32..4, 1u64..99), 0..12)) {
            let position: GtidPosition =
                gtids.iter().map(|(domain, server_id, sequence)| MariadbGtid { domain: *domain, server_id: *server_id, sequence: *sequence }).collect();
            prop_assert_eq!(position.to_string().parse::<GtidPosition>().unwrap(), position.clone());
            prop_assert!(position.is_subset(&position));
            if let Some((domain, server_id, sequence)) = gtids.last() {
                let last = MariadbGtid { domain: *domain, server_id: *server_id, sequence: *sequence };
                prop_assert!(position.contains(last));
                prop_assert!(position.connect_state().split(',').any(|text| text == last.to_string()));
            }
        }
    }
}
