//! Rules of Maxwell's `schemas` table without SQL: the position's hash, which version is valid where, and the way from a
//! version back to its snapshot (contract §8.6).

use std::collections::{HashMap, HashSet};

use sha1::{Digest, Sha1};

use crate::error::{Error, Result};
use crate::position::{BinlogPosition, GtidPosition, GtidSet, Gtids, Position};
use crate::schema::SchemaId;
use crate::server::Flavor;

/// `schemas.position_sha`: SHA-1 in hex of `SERVERID/FILE/OFFSET/HEARTBEAT`, by which a statement that is replayed, or
/// that another client was faster to store, is found.
pub fn position_sha(server_id: u32, position: &Position) -> String {
    let Position { at, heartbeat, .. } = position;
    sha_of(server_id, &at.file, at.offset, *heartbeat)
}

pub(super) fn sha_of(server_id: u32, file: &str, offset: u64, heartbeat: i64) -> String {
    let digest = Sha1::digest(format!("{server_id}/{file}/{offset}/{heartbeat}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where a version begins, as its row tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VersionStart {
    pub id: SchemaId,
    pub server_id: u32,
    pub at: BinlogPosition,
    pub heartbeat: i64,
    pub gtids: Option<Gtids>,
    /// A full snapshot holds from its position on; a delta holds after the statement that starts there.
    pub is_snapshot: bool,
}

/// The version that is valid at `target` in file mode, or `None`. `mysql::schemas` asks the same question in SQL.
pub(super) fn newest_by_file<'a>(versions: impl Iterator<Item = &'a VersionStart>, target: &Position, server_id: u32) -> Option<SchemaId> {
    let visible = versions.filter(|v| v.server_id == server_id && v.heartbeat <= target.heartbeat && is_reached(v, &target.at));
    let order = |v: &&VersionStart| match target.at.file_number() {
        Some(_) => (v.heartbeat, v.at.file_number(), String::new(), v.at.offset, v.id),
        None => (v.heartbeat, None, v.at.file.to_string(), v.at.offset, v.id),
    };
    visible.max_by_key(order).map(|v| v.id)
}

/// Whether a version begins at `at` or behind it in the same series of files.
pub(super) fn is_later(version: &VersionStart, at: &BinlogPosition) -> bool {
    !version.at.is_before(at)
}

fn is_reached(version: &VersionStart, target: &BinlogPosition) -> bool {
    if version.at.file == target.file {
        let offset = version.at.offset;
        return if version.is_snapshot { offset <= target.offset } else { offset < target.offset };
    }
    match target.file_number() {
        Some(number) => version.at.file_number().unwrap_or(0) < number,
        None => *version.at.file < *target.file,
    }
}

/// The version that is valid at `target` in GTID mode.
pub(super) fn newest_by_gtids<'a>(versions: impl Iterator<Item = &'a VersionStart>, target: &Gtids) -> Option<SchemaId> {
    let mut sorted: Vec<_> = versions.filter_map(|v| Some((v.id, v.gtids.clone()?))).collect();
    sorted.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
    let mut newest = NewestByGtids::default();
    sorted.into_iter().for_each(|(id, gtids)| newest.look(id, gtids, target));
    newest.id()
}

/// Finds the version that is valid at a GTID set among all versions, shown the highest id first: of those whose set is
/// contained the one with the largest set, of equal ones the highest id.
///
/// Maxwell takes the highest id of all. That is the same while one client writes; a second client that is behind stores
/// versions of the past under higher ids, and the first must not take them for its present.
#[derive(Debug, Default)]
pub(super) struct NewestByGtids(Option<(SchemaId, Gtids)>);

impl NewestByGtids {
    pub fn look(&mut self, id: SchemaId, gtids: Gtids, target: &Gtids) {
        // A set of the other flavor says nothing about this stream.
        if !gtids.is_subset(target).unwrap_or(false) {
            return;
        }
        let larger = |best: &Gtids| best.is_subset(&gtids).unwrap_or(false) && !gtids.is_subset(best).unwrap_or(false);
        if self.0.as_ref().is_none_or(|(_, best)| larger(best)) {
            self.0 = Some((id, gtids));
        }
    }

    pub fn id(&self) -> Option<SchemaId> {
        self.0.as_ref().map(|(id, _)| *id)
    }
}

/// A set as it stands in a `gtid_set` column. Empty text is a complete set: a server on which nothing was executed yet.
///
/// # Errors
/// Definite when it is not a set of this flavor.
pub(super) fn parse_gtid_set(text: &str, flavor: Flavor) -> Result<Gtids> {
    let gtids = match (text.trim(), flavor) {
        ("", Flavor::MySql) => return Ok(Gtids::MySql(GtidSet::default())),
        ("", Flavor::MariaDb) => return Ok(Gtids::MariaDb(GtidPosition::default())),
        (text, _) => Gtids::parse(text)?,
    };
    match (&gtids, flavor) {
        (Gtids::MySql(_), Flavor::MySql) | (Gtids::MariaDb(_), Flavor::MariaDb) => Ok(gtids),
        _ => Err(Error::definite("a stored GTID set is of another kind of server (MySQL, MariaDB) than the one that is read now")
            .hint("give a new start position with `--init_position`")),
    }
}

/// The ids from the snapshot (first) to `head` (last), by the base of every version.
///
/// # Errors
/// Definite when a link is missing, or when the links go round in a circle.
pub(super) fn chain(head: SchemaId, bases: &HashMap<SchemaId, Option<SchemaId>>) -> Result<Vec<SchemaId>> {
    let hint = "delete the rows of `schemas` from that id on; the next start then captures the schema anew with `--recapture_schema`";
    let (mut ids, mut seen, mut next) = (Vec::new(), HashSet::new(), Some(head));
    while let Some(id) = next {
        if !seen.insert(id) {
            return Err(Error::definite(format!("the chain of schema versions goes round in a circle at {id}")).hint(hint));
        }
        let Some(base) = bases.get(&id) else {
            return Err(Error::definite(format!("Couldn't find chained schema: {id}")).hint(hint));
        };
        ids.push(id);
        next = *base;
    }
    ids.reverse();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_maxwells() {
        let position = Position::new(BinlogPosition::new("mysql-bin.000001", 1234));
        assert_eq!(position_sha(1, &position), "2dda02f7b1ebeb3b461c3c2437c1b887638e9210");
    }

    fn version(id: SchemaId, file: &str, offset: u64, heartbeat: i64, is_snapshot: bool) -> VersionStart {
        VersionStart { id, server_id: 1, at: BinlogPosition::new(file, offset), heartbeat, gtids: None, is_snapshot }
    }

    #[test]
    fn versions_by_file() {
        let versions = [
            version(1, "m.000001", 100, 0, true),
            version(2, "m.000001", 200, 0, false),
            version(3, "m.000009", 50, 10, false),
            version(4, "m.000010", 4, 10, true),
            version(5, "m.000002", 4, 20, false),
            VersionStart { server_id: 2, ..version(6, "m.000001", 4, 0, true) },
        ];
        for (file, offset, heartbeat, id) in [
            ("m.000001", 99, 0, None),
            ("m.000001", 100, 0, Some(1)),
            ("m.000001", 200, 0, Some(1)),
            ("m.000001", 201, 0, Some(2)),
            ("m.000009", 51, 9, Some(2)),
            ("m.000009", 51, 10, Some(3)),
            ("m.000010", 4, 15, Some(4)),
            ("m.1000000", 4, 15, Some(4)),
            // After a RESET the later heartbeat wins over the higher file.
            ("m.000003", 4, 20, Some(5)),
        ] {
            let target = Position { heartbeat, ..Position::new(BinlogPosition::new(file, offset)) };
            assert_eq!(newest_by_file(versions.iter(), &target, 1), id, "{file}:{offset} {heartbeat}");
        }
        let plain = [version(1, "abc", 4, 0, true), version(2, "abd", 4, 0, false)];
        let target = Position::new(BinlogPosition::new("abd", 4));
        assert_eq!(newest_by_file(plain.iter(), &target, 1), Some(1), "names without numbers compare as text");
    }

    #[test]
    fn a_client_that_is_behind_does_not_hide_newer_versions() {
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let set = |last: u64| -> Gtids { Gtids::parse(&format!("{uuid}:1-{last}")).unwrap() };
        let versions: Vec<VersionStart> = [(1, 5), (2, 9), (3, 20), (4, 5), (5, 9), (6, 30)]
            .map(|(id, last)| VersionStart { gtids: Some(set(last)), ..version(id, "m.000001", 4, 0, true) })
            .into();
        for (last, id) in [(4, None), (5, Some(4)), (9, Some(5)), (19, Some(5)), (20, Some(3)), (29, Some(3)), (30, Some(6))] {
            assert_eq!(newest_by_gtids(versions.iter(), &set(last)), id, "{last}");
        }
    }

    #[test]
    fn chains_end_at_a_snapshot() {
        let bases = HashMap::from([(1, None), (2, Some(1)), (3, Some(2)), (4, Some(9)), (5, Some(6)), (6, Some(5))]);
        assert_eq!(chain(3, &bases).unwrap(), [1, 2, 3]);
        assert_eq!(chain(1, &bases).unwrap(), [1]);
        assert_eq!(chain(4, &bases).unwrap_err().message(), "Couldn't find chained schema: 9");
        assert!(chain(5, &bases).unwrap_err().message().contains("circle"));
    }
}
