//! Bodies of `live_store`: compaction, and the compact copies of snapshots.

use super::*;

pub async fn ids(live: &Live) -> Vec<i64> {
    let found = live.sql("SELECT id FROM DB.`schemas` ORDER BY id").await;
    found.iter().map(|row| row[0].as_ref().unwrap().parse().unwrap()).collect()
}

/// A snapshot and nine deltas of its one table, the last at offset 900; gives their ids and the last schema.
async fn ten_versions(live: &Live, store: &MySqlStore) -> (Vec<i64>, Schema) {
    let mut schema = small_schema("t0");
    let mut ids = vec![store.save_snapshot(&schema, &at("m.000001", 4, 0)).await.unwrap()];
    for n in 1..=9u64 {
        let def = Arc::new(Table { database: "d".into(), name: format!("t{n} 😀"), ..(*schema.databases[0].tables[0]).clone() });
        schema.databases[0].tables.push(Arc::clone(&def));
        let place = Position { gtids: Some(gtids(live, n)), ..at("m.000001", n * 100, 0) };
        let change = SchemaChange::TableCreate { database: "d".into(), table: def.name.clone(), def };
        ids.push(store.save_changes(ids[ids.len() - 1], &[change], &schema, &place).await.unwrap());
    }
    (ids, schema)
}

fn gtids(live: &Live, last: u64) -> Gtids {
    let text = match live.flavor {
        Flavor::MySql => format!("6c27ed6d-7ee1-11e3-be39-6c626d957cff:1-{last}"),
        Flavor::MariaDb => format!("7-1-{last}"),
    };
    Gtids::parse(&text).unwrap()
}

pub async fn compaction_keeps_what_is_needed(live: &Live) {
    let store = live.open().await;
    let (all, schema) = ten_versions(live, &store).await;
    let head = all[9];
    let count = async |table: &str| live.sql(&format!("SELECT COUNT(*) FROM DB.`{table}`")).await[0][0].clone().unwrap();
    store.save_position(&at("m.000001", 900, 0)).await.unwrap();
    store.tidy(Some(10)).await.unwrap();
    assert_eq!(ids(live).await, all, "we are not behind the last one");
    store.save_position(&at("m.000001", 901, 0)).await.unwrap();
    store.tidy(Some(11)).await.unwrap();
    assert_eq!(ids(live).await, all, "there may be ten");
    // Clients that hold it back: in file mode, by the heartbeat, in GTID mode, and a Maxwell.
    let slow = live.open_with(StoreOptions { client_id: "slow".into(), ..live.options() }).await;
    slow.save_position(&at("m.000001", 500, 0)).await.unwrap();
    store.tidy(Some(2)).await.unwrap();
    assert_eq!(ids(live).await, all);
    slow.save_position(&at("m.000001", 950, 0)).await.unwrap();
    let by_gtids = live.open_with(StoreOptions { client_id: "gtids".into(), gtid_mode: true, ..live.options() }).await;
    by_gtids.save_position(&Position { gtids: Some(gtids(live, 8)), ..at("m.000001", 800, 0) }).await.unwrap();
    live.sql(&format!("UPDATE DB.`schemas` SET gtid_set = '{}' WHERE id = {head}", gtids(live, 9))).await;
    live.sql(&format!("UPDATE DB.`schemas` SET gtid_set = '{}' WHERE id = {}", gtids(live, 5), all[5])).await;
    store.tidy(Some(2)).await.unwrap();
    assert_eq!(ids(live).await, all);
    by_gtids.save_position(&Position { gtids: Some(gtids(live, 9)), ..at("m.000001", 900, 0) }).await.unwrap();
    live.sql("INSERT INTO DB.`positions` (server_id, client_id, binlog_file, binlog_position, last_heartbeat_read) VALUES (4000000000, 'maxwell2', 'm.000001', 2000, 5)").await;
    store.tidy(Some(2)).await.unwrap();
    assert_eq!(ids(live).await, all, "a Maxwell beside us");
    live.sql("DELETE FROM DB.`positions` WHERE client_id = 'maxwell2'").await;
    // A version of another server is based on one of ours.
    live.sql(&format!(
        "INSERT INTO DB.`schemas` (base_schema_id, deltas, binlog_file, binlog_position, server_id, charset, version, position_sha) \
         VALUES ({}, '[]', 'x.000001', 4, 77, 'utf8mb4', 4, 'x')",
        all[2]
    ))
    .await;
    // Somebody else compacts just now.
    use mysql_async::prelude::Queryable;
    let mut rival = live.server.conn().await.unwrap();
    rival.query_drop("DO GET_LOCK('maxwell_schema_compaction-4000000000', 0)").await.unwrap();
    store.tidy(Some(2)).await.unwrap();
    assert_eq!(ids(live).await.len(), 11);
    rival.query_drop("DO RELEASE_LOCK('maxwell_schema_compaction-4000000000')").await.unwrap();
    drop(rival);
    let before = live.open().await.load_schema(&at("m.000001", 901, 0)).await.unwrap().unwrap();
    assert!(before.1 == schema);
    store.tidy(Some(2)).await.unwrap();
    assert_eq!(ids(live).await, [all[0], all[1], all[2], head, head + 1]);
    let row = live.sql(&format!("SELECT base_schema_id, deltas, version, binlog_position FROM DB.`schemas` WHERE id = {head}")).await;
    assert_eq!(row, [[None, None, Some("4".to_owned()), Some("900".to_owned())]]);
    for fresh in [&store, &live.open().await, &slow] {
        assert!(fresh.load_schema(&at("m.000001", 901, 0)).await.unwrap().unwrap() == (head, schema.clone()));
    }
    let place = Position { gtids: Some(gtids(live, 9)), ..at("m.000001", 900, 0) };
    assert!(by_gtids.load_schema(&place).await.unwrap().unwrap() == (head, schema.clone()));
    // Without that other server everything but the head goes, and what a kill left behind as well.
    live.sql("DELETE FROM DB.`schemas` WHERE server_id = 77").await;
    for table in ["databases", "tables", "columns"] {
        live.sql(&format!("INSERT INTO DB.`{table}` (schema_id, name) VALUES (99999, 'left behind'), (99998, 'left behind')")).await;
    }
    live.sql(
        "INSERT INTO DB.`columns` (schema_id, name) SELECT 99998, c.name FROM DB.`columns` c, DB.`columns` d, DB.`columns` e LIMIT 1200",
    )
    .await;
    store.tidy(Some(2)).await.unwrap();
    assert_eq!(ids(live).await, [head]);
    let counted = [count("databases").await, count("tables").await, count("columns").await];
    assert_eq!(counted, ["1", "10", "10"], "rows of the head only");
    assert_eq!(live.sql("SELECT DISTINCT schema_id FROM DB.`binlogd_schemas`").await, [[Some(head.to_string())]]);
    store.tidy(Some(2)).await.unwrap();
    assert!(live.open().await.load_schema(&at("m.000001", 901, 0)).await.unwrap().unwrap() == (head, schema));
}

/// A process that goes on from a version which is compacted away stores a snapshot instead of a delta on nothing.
pub async fn compaction_under_a_running_client(live: &Live) {
    let (store, other) = (live.open().await, live.open_with(StoreOptions { client_id: "other".into(), ..live.options() }).await);
    let (all, mut schema) = ten_versions(live, &store).await;
    for client in [&store, &other] {
        client.save_position(&at("m.000001", 901, 0)).await.unwrap();
    }
    store.tidy(Some(2)).await.unwrap();
    assert_eq!(ids(live).await, all[9..]);
    schema.databases[0].tables.remove(0);
    let (change, place) = ([drop_table("d", "t0")], at("m.000001", 1000, 0));
    let next = other.save_changes(all[8], &change, &schema, &place).await.unwrap();
    assert_eq!(other.save_changes(all[8], &change, &schema, &place).await.unwrap(), next, "a replayed statement");
    let (id, before) = other.load_schema(&at("m.000001", 1000, 0)).await.unwrap().unwrap();
    assert_eq!((id, before.databases[0].tables.len()), (all[9], 10), "the statement itself is not behind it");
    assert!(other.load_schema(&at("m.000001", 1001, 0)).await.unwrap().unwrap() == (next, schema.clone()));
    let next = store.save_changes(all[9], &change, &schema, &at("m.000001", 1000, 7)).await.unwrap();
    assert!(store.load_schema(&at("m.000001", 1001, 7)).await.unwrap().unwrap() == (next, schema));
}

pub async fn compact_copies_fit_or_are_not_used(live: &Live) {
    let store = live.open().await;
    let (schema, place) = (odd_schema(), at("m.000001", 400, 7));
    let id = store.save_snapshot(&schema, &place).await.unwrap();
    let loaded = async || live.open().await.load_schema(&place).await.unwrap().unwrap().1;
    assert!(loaded().await == schema);
    // Proof that it is the copy that is read: one that says something else.
    let other = live.open_with(StoreOptions { client_id: "other".into(), ..live.options() }).await;
    let small = other.save_snapshot(&small_schema("copied"), &at("m.000001", 500, 7)).await.unwrap();
    let copy = |from: i64, to: i64| {
        format!(
            "UPDATE DB.`binlogd_schemas` a, DB.`binlogd_schemas` b SET a.body = b.body, a.plain_bytes = b.plain_bytes, a.crc = b.crc WHERE a.schema_id = {to} AND b.schema_id = {from}"
        )
    };
    live.sql(&copy(small, id)).await;
    assert!(loaded().await == small_schema("copied"));
    // Damaged, of another form, of another version: the rows are read.
    for damage in ["body = 'nonsense'", "crc = crc + 1", "format = 99", "position_sha = 'other'", "extent = ''"] {
        let fresh = live.open().await;
        live.sql("DELETE FROM DB.`binlogd_schemas`").await;
        assert!(fresh.load_schema(&place).await.unwrap().unwrap().1 == schema);
        assert_eq!(fresh.tidy(None).await.unwrap(), Tidied::Done, "the copy is made anew");
        assert_eq!(live.sql("SELECT COUNT(*) FROM DB.`binlogd_schemas` WHERE part = 0").await[0][0].as_deref(), Some("1"));
        live.sql(&copy(id, id)).await;
        live.sql(&format!("UPDATE DB.`binlogd_schemas` SET {damage}")).await;
        assert!(loaded().await == schema, "{damage}");
    }
    // A row more or less is seen at once, a changed one soon after the start.
    let fresh = live.open().await;
    assert!(fresh.load_schema(&place).await.unwrap().unwrap().1 == schema);
    fresh.tidy(None).await.unwrap();
    live.sql(&format!("DELETE FROM DB.`columns` WHERE schema_id = {id} AND name = 'C24'")).await;
    assert_eq!(loaded().await.databases[0].tables[0].columns.len(), 24);
    fresh.tidy(None).await.unwrap();
    let fresh = live.open().await;
    fresh.load_schema(&place).await.unwrap();
    fresh.tidy(None).await.unwrap();
    live.sql(&format!("UPDATE DB.`columns` SET name = 'renamed' WHERE schema_id = {id} AND name = 'C23'")).await;
    let fresh = live.open().await;
    assert_eq!(fresh.load_schema(&place).await.unwrap().unwrap().1.databases[0].tables[0].columns[23].name, "C23");
    assert_eq!(fresh.tidy(None).await.unwrap(), Tidied::StartAgain);
    assert_eq!(loaded().await.databases[0].tables[0].columns[23].name, "renamed");
    assert_eq!(fresh.tidy(None).await.unwrap(), Tidied::Done);
}

pub fn drop_table(database: &str, table: &str) -> SchemaChange {
    SchemaChange::TableDrop { database: database.into(), table: table.into() }
}
