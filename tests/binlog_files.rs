//! Recorded binlog files of real servers, read from the first byte to the last: every event decodes, and table maps say
//! what the server itself said about its tables (`truth.json`). No server is needed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use binlogd::binlog::gtid::GtidEvent;
use binlogd::binlog::heartbeat::Heartbeat;
use binlogd::binlog::incident::Incident;
use binlogd::binlog::mariadb_gtid::{GtidList, MariadbGtidEvent, Xa};
use binlogd::binlog::query::Query;
use binlogd::binlog::rotate::Rotate;
use binlogd::binlog::table_map::{TableMap, WireType};
use binlogd::binlog::xa_prepare::XaPrepare;
use binlogd::binlog::{
    DecodeError, EventType, Flavor, RawEvent, RowsEvent, checkpoint, compressed, payload, previous_gtids, rows_query, xid,
};
use binlogd::position::GtidPosition;
use binlogd::source::file::BinlogFile;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

/// Bound for inflated events; the largest recorded one is far below.
const EVENT_SIZE_MAX: u32 = 16 << 20;

/// The folder of recorded cases: `<server>/<case>/binlog`.
fn fixtures() -> PathBuf {
    let folder = match std::env::var_os("BINLOGD_FIXTURES") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fixtures/golden"),
    };
    assert!(
        folder.is_dir(),
        "the recorded cases are not in {}: run scripts/fixtures.sh, which unpacks tests/fixtures/golden.tar.zst, or set BINLOGD_FIXTURES to the folder that holds them",
        folder.display()
    );
    folder
}

/// All cases as (server, case, folder), in order.
fn cases() -> Vec<(String, String, PathBuf)> {
    let list = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut names: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
        names.sort();
        names
    };
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut cases = Vec::new();
    for server in list(&fixtures()) {
        for case in list(&server) {
            if case.join("binlog").is_file() {
                cases.push((name(&server), name(&case), case));
            }
        }
    }
    assert!(cases.len() > 100, "only {} recorded cases were found", cases.len());
    cases
}

fn events_of(server: &str, case: &str) -> (Flavor, Vec<RawEvent>) {
    let mut file = BinlogFile::open(fixtures().join(server).join(case).join("binlog")).unwrap();
    let mut events = Vec::new();
    while let Some(event) = file.next_event().unwrap() {
        events.push(event);
    }
    (file.format().unwrap().flavor(), events)
}

/// What decoding meets, counted.
#[derive(Default)]
struct Seen {
    types: BTreeMap<&'static str, usize>,
    table_maps: Vec<TableMap>,
    queries: Vec<String>,
}

/// Decodes one event and all that is inside it.
fn decode(event: &RawEvent, flavor: Flavor, seen: &mut Seen) -> Result<(), DecodeError> {
    use EventType::*;
    let kind = event.event_type().ok_or_else(|| DecodeError::invalid("event type", event.header.type_code.to_string()))?;
    *seen.types.entry(kind.name()).or_default() += 1;
    match kind {
        FormatDescription => drop(binlogd::binlog::FormatDescription::parse(event)?),
        Query => seen.queries.push(String::from_utf8_lossy(self::Query::parse(event)?.sql).into_owned()),
        Rotate => drop(self::Rotate::parse(event)?),
        Xid => drop(xid::parse(event)?),
        Gtid | AnonymousGtid | GtidTagged => drop(GtidEvent::parse(event)?),
        PreviousGtids => drop(previous_gtids::parse(event)?),
        MariaGtid => drop(MariadbGtidEvent::parse(event)?),
        MariaGtidList => drop(GtidList::parse(event)?),
        MariaBinlogCheckpoint => drop(checkpoint::parse(event)?),
        RowsQuery | MariaAnnotateRows => drop(rows_query::text(event)?),
        TableMap => seen.table_maps.push(self::TableMap::parse(event, flavor)?),
        Heartbeat | HeartbeatV2 => drop(self::Heartbeat::parse(event)?),
        Incident => drop(self::Incident::parse(event)?),
        XaPrepare => drop(self::XaPrepare::parse(event)?),
        TransactionPayload => {
            for inner in payload::TransactionPayload::parse(event)?.events(EVENT_SIZE_MAX)? {
                decode(&inner?, flavor, seen)?;
            }
        }
        MariaQueryCompressed
        | MariaWriteRowsCompressedV1
        | MariaUpdateRowsCompressedV1
        | MariaDeleteRowsCompressedV1
        | MariaWriteRowsCompressed
        | MariaUpdateRowsCompressed
        | MariaDeleteRowsCompressed => decode(&compressed::inflate(event, EVENT_SIZE_MAX)?, flavor, seen)?,
        Stop => {}
        rows if rows.is_rows() => drop(RowsEvent::parse(event)?.present.count()),
        other => return Err(DecodeError::invalid("event type", other.name())),
    }
    Ok(())
}

#[test]
fn every_event_of_every_file_decodes() {
    let mut types: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut events = 0;
    for (server, case, folder) in cases() {
        // The reader itself compares every checksum, and every end position with the running sum of sizes.
        let mut file = BinlogFile::open(folder.join("binlog")).unwrap();
        let mut seen = Seen::default();
        let mut last = None;
        while let Some(event) = file.next_event().unwrap_or_else(|e| panic!("{e}")) {
            let flavor = file.format().unwrap().flavor();
            assert_eq!(flavor == Flavor::MariaDb, server.starts_with("mariadb"));
            decode(&event, flavor, &mut seen).unwrap_or_else(|e| panic!("{server}/{case}: event that ends at {}: {e}", file.offset()));
            last = event.event_type();
            events += 1;
        }
        assert_eq!(file.offset(), std::fs::metadata(folder.join("binlog")).unwrap().len());
        assert_eq!(last, Some(EventType::Rotate), "{server}/{case}");
        seen.types.into_iter().for_each(|(name, n)| *types.entry(name).or_default() += n);
    }
    println!("{events} events: {types:?}");
    for name in [
        "Previous_gtids",
        "Gtid",
        "Anonymous_Gtid",
        "Rows_query",
        "Update_rows_partial",
        "XA_prepare",
        "Transaction_payload",
        "MariaDB Gtid",
        "Query_compressed",
        "Write_rows_compressed_v1",
        "Gtid_list",
        "Annotate_rows",
    ] {
        assert!(types.contains_key(name), "no recorded file has a {name} event");
    }
}

/// A table as the server described it after the case.
struct Truth<'a> {
    columns: Vec<(&'a str, &'a str)>,
    primary_key: Vec<&'a str>,
    create: &'a str,
}

fn truth<'a>(value: &'a Value, map: &TableMap) -> Option<Truth<'a>> {
    let table = value.get("databases")?.get(&map.database)?.get("tables")?.get(&map.table)?;
    let columns = table.get("columns")?.as_array()?.iter().map(|c| (c["name"].as_str().unwrap(), c["type"].as_str().unwrap())).collect();
    let primary_key = table.get("primary_key")?.as_array()?.iter().map(|c| c.as_str().unwrap()).collect();
    Some(Truth { columns, primary_key, create: table.get("create")?.as_str()? })
}

/// Table maps behind which no statement changed their table, the last of each.
fn final_maps(seen: &[(RawEvent, Flavor)]) -> Vec<TableMap> {
    let mut maps: HashMap<(String, String), TableMap> = HashMap::new();
    for (event, flavor) in seen {
        let mut inner = Seen::default();
        decode(event, *flavor, &mut inner).unwrap();
        // Rows in a compressed transaction never stand beside DDL.
        for sql in inner.queries {
            let sql = sql.to_lowercase();
            if ["alter", "rename", "drop", "create", "exchange"].iter().any(|word| sql.contains(word)) {
                maps.retain(|(_, table), _| !sql.contains(&table.to_lowercase()));
            }
        }
        for map in inner.table_maps {
            maps.insert((map.database.clone(), map.table.clone()), map);
        }
    }
    let mut maps: Vec<TableMap> = maps.into_values().collect();
    maps.sort_by(|a, b| (&a.database, &a.table).cmp(&(&b.database, &b.table)));
    maps
}

fn wire_is(wire: WireType, declared: &str) -> bool {
    use WireType::*;
    let base: std::string::String = declared.chars().take_while(char::is_ascii_alphanumeric).collect();
    match wire {
        Tiny => base == "tinyint",
        Short => base == "smallint",
        Int24 => base == "mediumint",
        Long => base == "int",
        LongLong => base == "bigint",
        Float => base == "float",
        Double => base == "double" || base == "real",
        Decimal { precision, scale } => declared.starts_with(&format!("decimal({precision},{scale})")),
        Year => base == "year",
        Date => base == "date",
        Time { fraction: 0 } => declared == "time",
        Time { fraction } => declared == format!("time({fraction})"),
        Datetime { fraction: 0 } => declared == "datetime",
        Datetime { fraction } => declared == format!("datetime({fraction})"),
        Timestamp { fraction: 0 } => declared == "timestamp",
        Timestamp { fraction } => declared == format!("timestamp({fraction})"),
        Bit { bits } => declared == format!("bit({bits})"),
        String { .. } => matches!(&*base, "char" | "binary" | "uuid" | "inet4" | "inet6"),
        Varchar { .. } => matches!(&*base, "varchar" | "varbinary"),
        Blob { pack: 1 } => matches!(&*base, "tinytext" | "tinyblob"),
        Blob { pack: 2 } => matches!(&*base, "text" | "blob"),
        Blob { pack: 3 } => matches!(&*base, "mediumtext" | "mediumblob"),
        Blob { .. } => matches!(&*base, "longtext" | "longblob" | "json"),
        Json { .. } => base == "json",
        Geometry { .. } => base.contains("point") || base.contains("line") || base.contains("polygon") || base.contains("geom"),
        Vector { .. } => base == "vector",
        Enum { .. } => base == "enum",
        Set { .. } => base == "set",
        BlobCompressed { .. } | VarcharCompressed { .. } => declared.contains("compressed") || declared.contains("COMPRESSED"),
        OldTime { .. } | OldDatetime { .. } | OldTimestamp { .. } | Unknown { .. } => false,
    }
}

/// `enum('a','it''s')` as its labels.
fn declared_labels(declared: &str) -> Vec<String> {
    let inner = declared.split_once('(').unwrap().1.strip_suffix(')').unwrap();
    let inner = inner.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap();
    inner.split("','").map(|label| label.replace("''", "'")).collect()
}

#[test]
fn table_maps_say_what_the_server_says() {
    let (mut tables, mut signs, mut labels) = (0, 0, 0);
    for (server, case, folder) in cases() {
        let truth_text = std::fs::read_to_string(folder.join("truth.json")).unwrap();
        let value: Value = serde_json::from_str(&truth_text).unwrap();
        let (flavor, events) = events_of(&server, &case);
        let events: Vec<(RawEvent, Flavor)> = events.into_iter().map(|e| (e, flavor)).collect();
        for map in final_maps(&events) {
            let Some(truth) = truth(&value, &map) else { continue };
            let place = format!("{server}/{case}: {}.{}", map.database, map.table);
            assert_eq!(map.types.len(), truth.columns.len(), "{place}");
            let full = map.names.is_some();
            assert_eq!(full, matches!(&*server, "mysql-9.7" | "mariadb-10.11"), "{place}");
            if let Some(names) = &map.names {
                assert!(names.iter().eq(truth.columns.iter().map(|(name, _)| name)), "{place}: {names:?}");
                let key: Vec<&str> = map.primary_key.as_ref().unwrap().iter().map(|i| &*names[usize::from(*i)]).collect();
                if truth.primary_key.is_empty() {
                    // Servers log the first unique key without nullable columns instead.
                    assert!(key.is_empty() || truth.create.contains("UNIQUE"), "{place}: {key:?}");
                } else {
                    assert_eq!(key, truth.primary_key, "{place}");
                }
            }
            for (i, (name, declared)) in truth.columns.iter().enumerate() {
                let place = format!("{place}.{name} {declared}");
                let compressed = matches!(map.types[i], WireType::BlobCompressed { .. } | WireType::VarcharCompressed { .. });
                assert!(compressed || wire_is(map.types[i], declared), "{place}: {:?}", map.types[i]);
                if let Some(unsigned) = &map.unsigned {
                    assert_eq!(unsigned[i], unsigned_by(declared), "{place}");
                    signs += 1;
                }
                let quoted = declared.starts_with("enum(") || declared.starts_with("set(");
                if full && quoted && declared.is_ascii() && !declared.contains(['\\', '?']) {
                    let have: Vec<String> =
                        map.labels.as_ref().unwrap()[i].iter().map(|l| String::from_utf8_lossy(l).into_owned()).collect();
                    // Labels of ASCII letters look the same in all charsets but the wide ones.
                    if !["ucs2", "utf16", "utf32"].iter().any(|charset| truth.create.contains(charset)) {
                        assert_eq!(have, declared_labels(declared), "{place}");
                        labels += 1;
                    }
                }
            }
            tables += 1;
        }
    }
    println!("{tables} tables, {signs} signs, {labels} columns with labels compared");
    assert!(tables > 500 && signs > 1000 && labels > 40, "{tables} tables, {signs} signs, {labels} label lists");
}

/// YEAR is unsigned to the server, whatever its declaration says.
fn unsigned_by(declared: &str) -> bool {
    declared.contains("unsigned") || declared.contains("zerofill") || declared.starts_with("year")
}

/// The first table map of a table in a case.
fn map_of(server: &str, case: &str, table: &str) -> TableMap {
    let (flavor, events) = events_of(server, case);
    let mut maps = events.iter().filter(|e| e.event_type() == Some(EventType::TableMap)).map(|e| TableMap::parse(e, flavor).unwrap());
    maps.find(|map| map.table == table).unwrap_or_else(|| panic!("{server}/{case} has no table {table}"))
}

#[test]
fn names_signs_and_visibility() {
    let widths = map_of("mysql-9.7", "ints", "widths");
    assert_eq!(widths.names.unwrap(), ["id", "t", "tu", "s", "su", "m", "mu", "i", "iu", "b", "bu"]);
    assert_eq!(widths.unsigned.unwrap(), [true, false, true, false, true, false, true, false, true, false, true]);
    assert_eq!(widths.primary_key.unwrap(), [0]);
    let minimal = map_of("mysql-9.7-minimal", "ints", "widths");
    assert_eq!((minimal.names, minimal.primary_key, minimal.unsigned.map(|u| u.len())), (None, None, Some(11)));
    let old = map_of("mysql-5.6", "ints", "widths");
    assert_eq!((old.names, old.unsigned, old.collations), (None, None, None));
    let invisible = map_of("mysql-9.7", "invisible", "i");
    assert_eq!(
        (invisible.names.unwrap(), invisible.visible.unwrap()),
        (vec!["id".to_owned(), "a".into(), "b".into()], vec![true, false, true])
    );
    let vector = map_of("mysql-9.7", "fail_vector", "v");
    assert_eq!(vector.vector_dimensions.unwrap(), [0, 3, 2048]);
    let geometry = map_of("mysql-9.7", "geometry", "g");
    assert_eq!(geometry.geometry_types.unwrap(), [0, 0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn collations_of_columns() {
    for server in ["mysql-9.7", "mysql-9.7-minimal", "mariadb-10.11"] {
        // latin1_swedish_ci, cp1251_bin, utf8mb4_bin in a table of cp1251_general_ci.
        assert_eq!(map_of(server, "charset_collate", "t").collations.unwrap(), [0, 8, 50, 46], "{server}");
    }
    assert_eq!(map_of("mysql-9.7", "enums", "e").collations.unwrap(), [0, 255, 255, 255, 255, 8]);
    assert_eq!(map_of("mysql-9.7-minimal", "enums", "e").collations, None);
}

#[test]
fn gtids_and_sets() {
    let (_, events) = events_of("mysql-9.7", "row_queries");
    let of = |kind: EventType| events.iter().filter(move |e| e.event_type() == Some(kind));
    let event = of(EventType::PreviousGtids).next().unwrap();
    let before = previous_gtids::parse(event).unwrap();
    assert_eq!(before.encode(), event.body, "our binary form is the server's");
    assert_eq!(before.to_string(), "3511c417-e54e-11f1-b4f5-02fc00000001:1-958");
    let mut executed = before;
    for event in of(EventType::Gtid) {
        let gtid = GtidEvent::parse(event).unwrap();
        assert_eq!(gtid.immediate_commit_us.unwrap() / 1_000_000, u64::from(event.header.timestamp));
        executed.add(&gtid.gtid.unwrap()).unwrap();
    }
    assert_eq!(executed.to_string(), "3511c417-e54e-11f1-b4f5-02fc00000001:1-966");

    let (_, events) = events_of("mariadb-10.11", "fail_xa");
    let list = events.iter().find(|e| e.event_type() == Some(EventType::MariaGtidList)).unwrap();
    let position: GtidPosition = GtidList::parse(list).unwrap().gtids.into_iter().collect();
    assert_eq!(position.to_string(), "1-104-1,2-104-2,7-999-5002,7-104-5507");
    assert_eq!(position.connect_state(), "1-104-1,2-104-2,7-104-5507");
    let parts =
        events.iter().filter(|e| e.event_type() == Some(EventType::MariaGtid)).filter_map(|e| MariadbGtidEvent::parse(e).unwrap().xa);
    let parts: Vec<String> = parts
        .map(|xa| match xa {
            Xa::Prepared(xid) => format!("prepared {xid}"),
            Xa::Completed(xid) => format!("completed {xid}"),
        })
        .collect();
    let want = ["X'6272616e636831',X'',1", "X'6272616e636832',X'71',3"];
    let want: Vec<String> = want.iter().flat_map(|xid| [format!("prepared {xid}"), format!("completed {xid}")]).collect();
    assert_eq!(parts, want);
}

#[test]
fn sessions_of_statements() {
    let (_, events) = events_of("mariadb-10.11", "charset_collate");
    let queries = events.iter().filter(|e| e.event_type() == Some(EventType::Query)).map(|e| Query::parse(e).unwrap());
    let create = queries.into_iter().find(|q| q.sql.starts_with(b"CREATE TABLE t ")).unwrap();
    assert_eq!((create.database, create.error_code), ("g_charset_collate", 0));
    let status = create.status;
    assert_eq!((status.charset_client, status.collation_connection, status.collation_server), (Some(45), Some(45), Some(8)));
    assert_eq!((status.unknown_key, status.xid.is_some()), (None, true));
    for (server, case, _) in cases() {
        for event in events_of(&server, &case).1.iter().filter(|e| e.event_type() == Some(EventType::Query)) {
            assert_eq!(Query::parse(event).unwrap().status.unknown_key, None, "{server}/{case}");
        }
    }
}

/// What Maxwell printed beside the rows must be in the events too.
#[test]
fn gtids_xids_and_statements_are_those_that_maxwell_printed() {
    let (mut gtids_checked, mut statements_checked) = (0, 0);
    for (server, case, folder) in cases() {
        let (_, events) = events_of(&server, &case);
        let (mut gtids, mut xids, mut statements) = (HashSet::new(), HashSet::new(), HashSet::new());
        for event in &events {
            match event.event_type() {
                Some(EventType::Gtid) => {
                    gtids.insert(GtidEvent::parse(event).unwrap().gtid.unwrap().to_string());
                }
                Some(EventType::MariaGtid) => {
                    gtids.insert(MariadbGtidEvent::parse(event).unwrap().gtid.to_string());
                }
                Some(EventType::Xid) => {
                    xids.insert(xid::parse(event).unwrap());
                }
                Some(EventType::RowsQuery | EventType::MariaAnnotateRows) => {
                    statements.insert(String::from_utf8_lossy(&rows_query::text(event).unwrap()).into_owned());
                }
                _ => {}
            }
        }
        for line in std::fs::read_to_string(folder.join("full.jsonl")).unwrap().lines() {
            // Some documents hold numbers that no double can hold, which serde_json refuses.
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            if let Some(gtid) = line.get("gtid").and_then(Value::as_str) {
                assert!(gtids.contains(gtid), "{server}/{case}: {gtid}");
                gtids_checked += 1;
            }
            if let Some(xid) = line.get("xid").and_then(Value::as_u64) {
                assert!(xids.contains(&xid), "{server}/{case}: xid {xid}");
            }
            if let Some(query) = line.get("query").and_then(Value::as_str) {
                assert!(statements.contains(query), "{server}/{case}: {query}");
                statements_checked += 1;
            }
        }
    }
    println!("{gtids_checked} gtids and {statements_checked} statements compared");
    assert!(gtids_checked > 1000 && statements_checked > 1000);
}

/// Changed and cut events are decoded or refused; nothing panics, nothing takes memory for what is not there.
/// `BINLOGD_SEED` repeats a run.
#[test]
fn damaged_events_never_panic() {
    const EVENTS: usize = 100_000;
    let seed = std::env::var("BINLOGD_SEED").ok().map_or_else(rand::random, |text| text.parse().expect("BINLOGD_SEED is a number"));
    println!("BINLOGD_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut pool = Vec::new();
    for (server, case, _) in cases() {
        let (flavor, events) = events_of(&server, &case);
        pool.extend(events.into_iter().filter(|e| e.body.len() < 4096).map(|event| (event, flavor)));
    }
    let mut refused = 0;
    for _ in 0..EVENTS {
        let (event, flavor) = &pool[random.random_range(0..pool.len())];
        let mut body = event.body.to_vec();
        for _ in 0..random.random_range(1..4) {
            let place = random.random_range(0..body.len().max(1));
            match (random.random_range(0..4), body.get_mut(place)) {
                (0, Some(byte)) => *byte ^= 1 << random.random_range(0..8),
                (1, Some(byte)) => *byte = random.random(),
                (2, Some(byte)) => *byte = 0xff,
                _ => body.truncate(place),
            }
        }
        let damaged = RawEvent { header: event.header, body: body.into() };
        refused += usize::from(decode(&damaged, *flavor, &mut Seen::default()).is_err());
    }
    println!("{refused} of {EVENTS} refused");
    assert!(refused > EVENTS / 20, "only {refused} of {EVENTS} damaged events were refused");
}

/// A file with one changed byte: either the reader refuses it, or the byte is one that no checksum covers.
#[test]
fn damaged_files_never_panic() {
    let bytes = std::fs::read(fixtures().join("mysql-9.7/compression/binlog")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.000001");
    for place in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        let error = BinlogFile::open(&path).and_then(|mut file| {
            while file.next_event()?.is_some() {}
            Ok(())
        });
        let error = error.expect_err("every byte is covered");
        assert!(error.to_string().contains("damaged.000001:"), "{error}");
    }
    for len in (0..bytes.len()).step_by(11) {
        std::fs::write(&path, &bytes[..len]).unwrap();
        if let Ok(mut file) = BinlogFile::open(&path) {
            while let Ok(Some(_)) = file.next_event() {}
        }
    }
}
