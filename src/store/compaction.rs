//! Which stored schema versions nobody needs any more (contract §2.8), decided without SQL.
//!
//! Maxwell takes the highest id, asks that the clients' file positions lie behind it, and deletes everything before. Three
//! things go wrong there, and not here: clients in GTID mode are not asked; a client whose heartbeat is lower than the
//! version's does not see that version at all; and versions of other servers may be based on what is deleted.

use std::collections::{HashMap, HashSet};

use crate::position::{BinlogPosition, Gtids};
use crate::schema::SchemaId;

/// A row of `schemas`.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub id: SchemaId,
    pub server_id: u32,
    pub base: Option<SchemaId>,
    pub at: BinlogPosition,
    pub heartbeat: i64,
    /// `None`: stored in file mode, or not to be read.
    pub gtids: Option<Gtids>,
    pub deleted: bool,
}

/// A row of `positions`. Server id 0 is GTID mode's.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub server_id: u32,
    pub client_id: String,
    pub at: BinlogPosition,
    pub heartbeat: i64,
    pub gtids: Option<Gtids>,
    /// Whether binlogd wrote the row last. It notices when the version that it goes on from is gone; Maxwell does not.
    pub is_ours: bool,
}

/// Whose versions are to be compacted, and by whom.
#[derive(Debug, Clone)]
pub(super) struct Owner<'a> {
    pub server_id: u32,
    pub client_id: &'a str,
    /// The server id of our own row in `positions`.
    pub row_server_id: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// Fewer versions than allowed, or none that can go.
    Nothing,
    /// Not now; a sentence that says why.
    Wait(String),
    /// `head` becomes a snapshot (if it is not one), then `gone` can go.
    Compact { head: SchemaId, is_snapshot: bool, gone: Vec<SchemaId> },
}

pub(super) fn decide(versions: &[Version], clients: &[Client], owner: &Owner<'_>, max: usize) -> Decision {
    let own: Vec<&Version> = versions.iter().filter(|v| v.server_id == owner.server_id).collect();
    if own.len() < max {
        return Decision::Nothing;
    }
    let Some(head) = own.iter().copied().filter(|v| !v.deleted).max_by_key(|v| stream_order(v)) else { return Decision::Nothing };
    let gone = superfluous(versions, head.id, |v| v.server_id == owner.server_id);
    if gone.is_empty() {
        return Decision::Nothing;
    }
    let Some(us) = clients.iter().find(|c| is_us(c, owner) && c.server_id == owner.row_server_id) else {
        return Decision::Wait("this client has no stored position yet".into());
    };
    for client in clients {
        let foreign = !client.client_id.eq_ignore_ascii_case(owner.client_id);
        // Rows of ours from before a change of mode or server: we do not go back there.
        if !foreign && client.server_id != us.server_id {
            continue;
        }
        if let Some(why) = needs(client, head, &own, &gone, owner, foreign) {
            return Decision::Wait(why);
        }
    }
    Decision::Compact { head: head.id, is_snapshot: head.base.is_none(), gone }
}

fn is_us(client: &Client, owner: &Owner<'_>) -> bool {
    client.client_id.eq_ignore_ascii_case(owner.client_id)
}

/// As a restore in file mode orders them (`versions::newest_by_file`).
fn stream_order(version: &Version) -> (i64, Option<u64>, String, u64, SchemaId) {
    let number = version.at.file_number();
    let name = if number.is_some() { String::new() } else { version.at.file.to_string() };
    (version.heartbeat, number, name, version.at.offset, version.id)
}

/// Why a client may still need one of the versions that would go.
fn needs(client: &Client, head: &Version, own: &[&Version], gone: &[SchemaId], owner: &Owner<'_>, foreign: bool) -> Option<String> {
    let reached = if client.server_id == owner.server_id {
        client.heartbeat >= head.heartbeat && head.at.is_before(&client.at)
    } else if client.server_id == 0 {
        let contains = |v: &Version| match (&v.gtids, &client.gtids) {
            (Some(set), Some(theirs)) => set.is_subset(theirs).unwrap_or(false),
            _ => false,
        };
        // A client of quite another server has none of these versions in its set.
        contains(head) || (client.gtids.is_some() && !own.iter().any(|v| gone.contains(&v.id) && contains(v)))
    } else {
        return None;
    };
    let place = client.gtids.as_ref().filter(|_| client.server_id == 0).map_or_else(|| client.at.to_string(), |set| set.to_string());
    if !reached {
        return Some(format!("client '{}' @ {place} has not reached that position yet", client.client_id));
    }
    if !foreign {
        return None;
    }
    if !client.is_ours {
        return Some(format!("client '{}' is a Maxwell: which version it goes on from cannot be known", client.client_id));
    }
    // Heartbeats of two clients do not tell which version lies behind which.
    let beyond = own.iter().find(|v| gone.contains(&v.id) && head.at.is_before(&v.at));
    beyond.map(|v| format!("schema {} of another client lies behind it", v.id))
}

/// The versions that `may_go`, but for those on which one that stays is based. `head` stands by itself.
pub(super) fn superfluous(versions: &[Version], head: SchemaId, may_go: impl Fn(&Version) -> bool) -> Vec<SchemaId> {
    let bases: HashMap<SchemaId, Option<SchemaId>> = versions.iter().map(|v| (v.id, v.base)).collect();
    let goes = |v: &&Version| v.id != head && may_go(v);
    let mut needed = HashSet::new();
    for version in versions.iter().filter(|v| v.id != head && !may_go(v)) {
        let mut next = version.base;
        while let Some(id) = next.filter(|id| *id != head && needed.insert(*id)) {
            next = bases.get(&id).copied().flatten();
        }
    }
    versions.iter().filter(goes).map(|v| v.id).filter(|id| !needed.contains(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner<'static> = Owner { server_id: 7, client_id: "me", row_server_id: 7 };
    const GTID_OWNER: Owner<'static> = Owner { row_server_id: 0, ..OWNER };

    fn version(id: SchemaId, base: Option<SchemaId>, offset: u64) -> Version {
        let at = BinlogPosition::new("m.000001", offset);
        Version { id, server_id: 7, base, at, heartbeat: 10, gtids: None, deleted: false }
    }

    fn set(last: u64) -> Option<Gtids> {
        Some(Gtids::parse(&format!("6c27ed6d-7ee1-11e3-be39-6c626d957cff:1-{last}")).unwrap())
    }

    fn client(client_id: &str, offset: u64) -> Client {
        let at = BinlogPosition::new("m.000001", offset);
        Client { server_id: 7, client_id: client_id.into(), at, heartbeat: 10, gtids: None, is_ours: true }
    }

    fn three() -> Vec<Version> {
        vec![version(1, None, 100), version(2, Some(1), 200), version(3, Some(2), 300)]
    }

    fn compacted(decision: Decision) -> Option<(SchemaId, Vec<SchemaId>)> {
        match decision {
            Decision::Compact { head, gone, .. } => Some((head, gone)),
            _ => None,
        }
    }

    #[test]
    fn everything_before_the_head_goes_when_all_are_behind_it() {
        let me = [client("me", 301)];
        assert_eq!(decide(&three(), &me, &OWNER, 4), Decision::Nothing, "fewer than allowed");
        let all = Decision::Compact { head: 3, is_snapshot: false, gone: vec![1, 2] };
        assert_eq!(decide(&three(), &me, &OWNER, 3), all);
        let done = [version(3, None, 300)];
        assert_eq!(decide(&done, &me, &OWNER, 1), Decision::Nothing);
        assert!(matches!(decide(&three(), &[], &OWNER, 3), Decision::Wait(_)), "nobody has started");
        let mut deleted = three();
        deleted[2].deleted = true;
        assert_eq!(compacted(decide(&deleted, &me, &OWNER, 3)), Some((2, vec![1, 3])));
    }

    #[test]
    fn a_client_that_is_not_strictly_behind_it_or_has_a_lower_heartbeat_keeps_all() {
        for (offset, heartbeat, ok) in [(300, 10, false), (299, 99, false), (301, 9, false), (301, 10, true), (301, 11, true)] {
            let other = Client { heartbeat, ..client("other", offset) };
            let decision = decide(&three(), &[client("me", 400), other], &OWNER, 3);
            assert_eq!(compacted(decision.clone()).is_some(), ok, "{offset} {heartbeat}: {decision:?}");
        }
        let elsewhere = Client { server_id: 8, ..client("other", 4) };
        assert!(compacted(decide(&three(), &[client("me", 400), elsewhere], &OWNER, 3)).is_some(), "another server's positions");
        let no_file = Client { at: BinlogPosition::new("", 0), ..client("other", 0) };
        assert!(compacted(decide(&three(), &[client("me", 400), no_file], &OWNER, 3)).is_none());
    }

    #[test]
    fn a_maxwell_beside_us_keeps_all_but_our_own_past_does_not() {
        let maxwell = Client { is_ours: false, ..client("other", 400) };
        assert!(matches!(decide(&three(), &[client("me", 400), maxwell], &OWNER, 3), Decision::Wait(why) if why.contains("Maxwell")));
        let before = Client { is_ours: false, ..client("me", 400) };
        assert!(compacted(decide(&three(), &[before], &OWNER, 3)).is_some(), "a row that a Maxwell left to us");
        let gtid_past = Client { server_id: 0, gtids: set(1), ..client("me", 4) };
        assert!(compacted(decide(&three(), &[client("me", 400), gtid_past], &OWNER, 3)).is_some());
    }

    #[test]
    fn gtid_clients_must_contain_it_unless_it_is_not_their_stream() {
        let mut versions = three();
        for (version, last) in versions.iter_mut().zip([10, 20, 30]) {
            version.gtids = set(last);
        }
        let with = |gtids| Client { server_id: 0, gtids, ..client("me", 4) };
        for (gtids, ok) in [(set(29), false), (set(30), true), (set(31), true), (set(15), false), (None, false)] {
            assert_eq!(compacted(decide(&versions, &[with(gtids.clone())], &GTID_OWNER, 3)).is_some(), ok, "{gtids:?}");
        }
        let elsewhere = Gtids::parse("11111111-7ee1-11e3-be39-6c626d957cff:1-99").unwrap();
        let other = Client { client_id: "other".into(), ..with(Some(elsewhere)) };
        assert!(compacted(decide(&versions, &[with(set(30)), other], &GTID_OWNER, 3)).is_some());
        // A GTID client beside a head that was stored in file mode keeps what it could restore.
        versions[2].gtids = None;
        let other = Client { client_id: "other".into(), ..with(set(25)) };
        assert!(compacted(decide(&versions, &[client("me", 400), other.clone()], &OWNER, 3)).is_none());
        let nothing_yet = Client { gtids: set(5), ..other };
        assert!(compacted(decide(&versions, &[client("me", 400), nothing_yet], &OWNER, 3)).is_some());
    }

    #[test]
    fn the_head_is_the_last_in_the_stream_not_the_highest_id() {
        let mut versions = three();
        versions.push(Version { heartbeat: 9, ..version(4, Some(1), 150) });
        assert_eq!(compacted(decide(&versions, &[client("me", 400)], &OWNER, 3)), Some((3, vec![1, 2, 4])));
        // With another client its order is not certain.
        let both = [client("me", 400), client("other", 400)];
        assert_eq!(compacted(decide(&versions, &both, &OWNER, 3)), Some((3, vec![1, 2, 4])));
        versions.push(Version { heartbeat: 9, ..version(5, Some(4), 350) });
        assert!(matches!(decide(&versions, &both, &OWNER, 3), Decision::Wait(why) if why.contains("schema 5")));
    }

    #[test]
    fn what_versions_of_another_server_are_based_on_stays() {
        let mut versions = three();
        versions.push(Version { server_id: 8, ..version(4, Some(2), 4) });
        assert_eq!(decide(&versions, &[client("me", 301)], &OWNER, 3), Decision::Nothing);
        versions.push(version(5, Some(3), 400));
        assert_eq!(compacted(decide(&versions, &[client("me", 401)], &OWNER, 3)), Some((5, vec![3])));
        // A circle does not hang.
        versions.push(Version { server_id: 8, ..version(6, Some(6), 4) });
        assert!(compacted(decide(&versions, &[client("me", 401)], &OWNER, 3)).is_some());
    }
}
