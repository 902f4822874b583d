//! The store against real servers: tables as Maxwell's, upgrades of old ones, positions, heartbeats, schema versions.
//!
//! Each test works in a schema database of its own. A server whose port is not in the environment is skipped with a line
//! saying so; with BINLOGD_TEST_ALL=1 that is a failure.

#[path = "live_store/compaction.rs"]
mod compaction;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use binlogd::position::{BinlogPosition, Gtids, Position};
use binlogd::schema::delta::SchemaChange;
use binlogd::schema::{BinaryKind, CaseRule, Column, ColumnType, Database, IntWidth, Schema, Table, TextKind};
use binlogd::server::{ConnectionOptions, Flavor, Server, rows};
use binlogd::store::{FileBirth, MemoryDisk, MemoryStore, MySqlStore, Origin, Store, StoreOptions, Tidied, position_sha};

/// One schema database on one server.
struct Live {
    server: Arc<Server>,
    database: String,
    flavor: Flavor,
}

impl Live {
    /// `None`, and a line, when the server is not there.
    async fn start(variable: &str) -> Option<Live> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Ok(port) = std::env::var(variable) else {
            assert_ne!(std::env::var("BINLOGD_TEST_ALL").as_deref(), Ok("1"), "{variable} is not set");
            println!("SKIPPED: {variable} is not set");
            return None;
        };
        let port = port.parse().expect("a port number");
        let server = Arc::new(Server::new(ConnectionOptions { port, ..ConnectionOptions::new("127.0.0.1", "root", "") }).unwrap());
        let flavor = server.version().await.unwrap().flavor;
        // A name that needs its quotes.
        let database = format!("store test`{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let live = Live { server, database, flavor };
        live.drop_database().await;
        Some(live)
    }

    fn options(&self) -> StoreOptions {
        StoreOptions {
            schema_database: self.database.clone(),
            client_id: "maxwell".into(),
            server_id: 4_000_000_000,
            gtid_mode: false,
            flavor: self.flavor,
            case: CaseRule::Sensitive,
        }
    }

    async fn open(&self) -> MySqlStore {
        self.open_with(self.options()).await
    }

    async fn open_with(&self, options: StoreOptions) -> MySqlStore {
        MySqlStore::open(Arc::clone(&self.server), options).await.unwrap()
    }

    fn quoted(&self) -> String {
        format!("`{}`", self.database.replace('`', "``"))
    }

    /// Runs a statement; `DB` stands for the schema database.
    async fn sql(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let sql = sql.replace("DB", &self.quoted());
        let found = self.server.query(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        found.iter().map(|row| (0..row.len()).map(|i| rows::opt_text(row, i).unwrap()).collect()).collect()
    }

    async fn drop_database(&self) {
        self.sql("DROP DATABASE IF EXISTS DB").await;
    }
}

/// Makes one test of a function for every server.
macro_rules! on_every_server {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            #[tokio::test]
            async fn mysql97() {
                super::run("BINLOGD_TEST_MYSQL97_PORT", super::bodies::$test).await;
            }
            #[tokio::test]
            async fn mysql56() {
                super::run("BINLOGD_TEST_MYSQL56_PORT", super::bodies::$test).await;
            }
            #[tokio::test]
            async fn mariadb1011() {
                super::run("BINLOGD_TEST_MARIADB1011_PORT", super::bodies::$test).await;
            }
        }
    )* };
}

async fn run(variable: &str, body: impl AsyncFnOnce(&Live)) {
    if let Some(live) = Live::start(variable).await {
        body(&live).await;
        live.drop_database().await;
        live.server.close().await;
    }
}

on_every_server!(
    tables_are_maxwells,
    old_tables_are_upgraded,
    positions_are_kept,
    long_gtid_sets,
    heartbeats_compare_and_swap,
    snapshots_come_back,
    deltas_come_back,
    versions_are_found_as_in_memory,
    versions_by_gtids,
    two_clients_race_for_a_version,
    old_snapshot_formats,
    old_rows_of_maxwell,
    compaction_keeps_what_is_needed,
    compaction_under_a_running_client,
    compact_copies_fit_or_are_not_used,
    a_lost_connection_is_transient,
    views_belong_to_versions,
);

fn at(file: &str, offset: u64, heartbeat: i64) -> Position {
    Position { heartbeat, ..Position::new(BinlogPosition::new(file, offset)) }
}

/// name, type (without the display widths that newer servers leave out), NULL, key, default, collation's charset
type Shape = BTreeMap<String, [String; 5]>;

async fn shape(live: &Live, table: &str) -> Shape {
    let columns = live.sql(&format!("SHOW FULL COLUMNS FROM DB.`{table}`")).await;
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    let columns = columns.iter().map(|c| {
        let ty = text(&c[1]).replace("bigint(20)", "bigint").replace("int(10)", "int").replace("int(11)", "int");
        let ty = ty.replace("smallint(5)", "smallint").replace("tinyint(3)", "tinyint").replace("tinyint(1)", "tinyint");
        let charset = text(&c[2]).split('_').next().unwrap_or_default().replace("utf8mb3", "utf8");
        let default = text(&c[5]).replace("NULL", "-").replace('\'', "");
        (text(&c[0]), [ty, text(&c[3]), text(&c[4]), default, charset])
    });
    columns.collect()
}

const MAXWELL_TABLES: [&str; 7] = ["schemas", "databases", "tables", "columns", "positions", "bootstrap", "heartbeats"];

fn column(name: &str, ty: ColumnType) -> Column {
    Column { name: name.into(), ty }
}

fn table(database: &str, name: &str, columns: Vec<Column>, key: &[&str]) -> Arc<Table> {
    let primary_key = key.iter().map(|k| (*k).to_owned()).collect();
    Arc::new(Table { database: database.into(), name: name.into(), charset: Some("latin1".into()), columns, primary_key })
}

/// A schema with every kind of type and every odd name.
fn odd_schema() -> Schema {
    let int = |width, unsigned| ColumnType::Int { width, unsigned };
    let text = |kind, charset: Option<&str>| ColumnType::Text { kind, charset: charset.map(str::to_owned) };
    let labels = |all: &[&str]| -> Arc<[String]> { all.iter().map(|l| (*l).to_owned()).collect() };
    let many: Vec<String> = (0..20_000).map(|n| format!("label {n}")).collect();
    let types = vec![
        int(IntWidth::Tiny, false),
        int(IntWidth::Small, true),
        int(IntWidth::Medium, false),
        int(IntWidth::Int, true),
        int(IntWidth::Big, true),
        ColumnType::Float,
        ColumnType::Double,
        ColumnType::Decimal,
        ColumnType::Bit,
        ColumnType::Year,
        ColumnType::Date,
        ColumnType::Datetime { fraction: 6 },
        ColumnType::Timestamp { fraction: 0 },
        ColumnType::Time { fraction: 3 },
        text(TextKind::Char, Some("utf8mb4")),
        text(TextKind::Varchar, Some("latin1")),
        text(TextKind::Long, None),
        ColumnType::Binary { kind: BinaryKind::Varbinary },
        ColumnType::Binary { kind: BinaryKind::Blob },
        ColumnType::Enum { labels: labels(&["a", "b,c", "it's", "\"q\"", "", "back\\slash"]), charset: None },
        ColumnType::Set { labels: labels(&["x", "😀", "ü"]), charset: None },
        ColumnType::Enum { labels: many.into(), charset: None },
        ColumnType::Json,
        ColumnType::Geometry { name: "multipoint" },
        ColumnType::Other { name: "vector".into(), unsigned: false, charset: None },
    ];
    let columns: Vec<Column> = types.into_iter().enumerate().map(|(i, ty)| column(&format!("C{i}"), ty)).collect();
    let long = |n: usize| format!("{n:02}{}", "k".repeat(62));
    let sixteen: Vec<String> = (0..16).map(long).collect();
    let wide: Vec<Column> = sixteen.iter().map(|name| column(name, ColumnType::Json)).collect();
    let wide_key: Vec<&str> = sixteen.iter().map(String::as_str).collect();
    let tables = vec![
        table("Shop", "types", columns, &["C3", "C0"]),
        table("Shop", "it's `odd` \\ \"name\"", vec![column("a,b", ColumnType::Date), column("a", ColumnType::Date)], &["a,b", "a"]),
        table("Shop", "wide key", wide, &wide_key),
        table("Shop", "smile 😀", vec![column("col 😀", ColumnType::Json)], &["col 😀"]),
        Arc::new(Table { charset: None, ..(*table("Shop", "empty", vec![], &[])).clone() }),
    ];
    let shop = Database { name: "Shop".into(), charset: "latin1".into(), tables };
    let empty = Database { name: "smile 😀".into(), charset: "utf8mb4".into(), tables: vec![] };
    Schema { databases: vec![shop, empty], charset: "utf8mb4".into(), ..Schema::default() }
}

fn small_schema(name: &str) -> Schema {
    let columns = vec![column("id", ColumnType::Int { width: IntWidth::Int, unsigned: false })];
    let database = Database { name: "d".into(), charset: "latin1".into(), tables: vec![table("d", name, columns, &["id"])] };
    Schema { databases: vec![database], charset: "utf8mb4".into(), ..Schema::default() }
}

mod bodies {
    pub use super::compaction::*;
    use super::*;

    pub async fn tables_are_maxwells(live: &Live) {
        live.open().await;
        let schemas = shape(live, "schemas").await;
        let expect = |shape: &Shape, name: &str, facts: [&str; 5]| assert_eq!(shape[name], facts, "{name}");
        expect(&schemas, "id", ["bigint", "NO", "PRI", "-", "-"]);
        expect(&schemas, "binlog_position", ["int unsigned", "YES", "", "-", "-"]);
        expect(&schemas, "last_heartbeat_read", ["bigint", "YES", "", "0", "-"]);
        expect(&schemas, "deltas", ["mediumtext", "YES", "", "-", "utf8"]);
        expect(&schemas, "position_sha", ["char(40)", "YES", "UNI", "-", "latin1"]);
        expect(&schemas, "version", ["smallint unsigned", "NO", "", "0", "-"]);
        expect(&shape(live, "columns").await, "enum_values", ["text", "YES", "", "-", "utf8"]);
        expect(&shape(live, "columns").await, "is_signed", ["tinyint unsigned", "YES", "", "-", "-"]);
        expect(&shape(live, "tables").await, "pk", ["varchar(1024)", "YES", "", "-", "utf8"]);
        expect(&shape(live, "positions").await, "client_id", ["varchar(255)", "NO", "PRI", "maxwell", "latin1"]);
        expect(
            &shape(live, "bootstrap").await,
            "where_clause",
            ["text", "YES", "", "-", shape(live, "schemas").await["charset"][4].as_str()],
        );
        expect(&shape(live, "heartbeats").await, "heartbeat", ["bigint", "NO", "", "-", "-"]);
        let names: Vec<String> = live.sql("SHOW COLUMNS FROM DB.`schemas`").await.into_iter().filter_map(|c| c[0].clone()).collect();
        let order = "id binlog_file binlog_position last_heartbeat_read gtid_set base_schema_id deltas server_id position_sha charset version deleted";
        assert_eq!(names.join(" "), order);
        // A second start changes nothing.
        let create = |table: &str| format!("SHOW CREATE TABLE DB.`{table}`");
        let before = live.sql(&create("bootstrap")).await;
        live.open().await;
        assert_eq!(live.sql(&create("bootstrap")).await, before);
    }

    pub async fn old_tables_are_upgraded(live: &Live) {
        live.open().await;
        let mut fresh = Vec::new();
        for table in MAXWELL_TABLES {
            fresh.push(shape(live, table).await);
        }
        live.drop_database().await;
        for statement in [
            "CREATE DATABASE DB",
            "CREATE TABLE DB.`schemas` (id int unsigned auto_increment not null primary key, binlog_file varchar(255), \
             binlog_position int unsigned, server_id int unsigned, encoding varchar(255))",
            "CREATE TABLE DB.`databases` (id int unsigned auto_increment not null primary key, schema_id int unsigned, \
             name varchar(255) charset 'utf8', encoding varchar(255), index (schema_id))",
            "CREATE TABLE DB.`tables` (id int unsigned auto_increment not null primary key, schema_id int unsigned, \
             database_id int unsigned, name varchar(255) charset 'utf8', encoding varchar(255), pk varchar(1024) charset 'utf8', \
             index (schema_id), index (database_id))",
            "CREATE TABLE DB.`columns` (id int unsigned auto_increment not null primary key, schema_id int unsigned, table_id int unsigned, \
             name varchar(255) charset 'utf8', encoding varchar(255), coltype varchar(255), is_signed tinyint(1) unsigned, \
             enum_values text charset 'utf8', index (schema_id), index (table_id))",
            "CREATE TABLE DB.`positions` (server_id int unsigned not null primary key, binlog_file varchar(255), binlog_position int unsigned)",
            "INSERT INTO DB.`schemas` VALUES (1, 'mysql-bin.000001', 1234, 1, 'latin1'), (2, 'mysql-bin.000001', 1234, 1, 'latin1'), \
             (3, 'mysql-bin.000002', 4, 1, 'latin1')",
            "INSERT INTO DB.`positions` VALUES (4000000000, 'mysql-bin.000002', 777)",
            "CREATE TABLE DB.`bootstrap` (id int unsigned auto_increment not null primary key, database_name varchar(255) charset 'utf8' not null, \
             table_name varchar(255) charset 'utf8' not null, is_complete tinyint(1) unsigned not null default 0, \
             inserted_rows int unsigned not null default 0, created_at datetime default null, started_at datetime default null, \
             completed_at datetime default null, binlog_file varchar(255) default null, binlog_position int unsigned default 0)",
        ] {
            live.sql(statement).await;
        }
        let store = live.open().await;
        for (table, fresh) in MAXWELL_TABLES.iter().zip(&fresh) {
            assert_eq!(&shape(live, table).await, fresh, "{table}");
        }
        let stored = store.load_position().await.unwrap().unwrap();
        assert_eq!((stored.position, stored.origin), (at("mysql-bin.000002", 777, 0), Origin::default()));
        let shas = live.sql("SELECT position_sha FROM DB.`schemas` ORDER BY id").await;
        let second = position_sha(1, &at("mysql-bin.000002", 4, 0));
        assert_eq!(shas, [[Some("2dda02f7b1ebeb3b461c3c2437c1b887638e9210".to_owned())], [None], [Some(second)]]);
        assert_eq!(live.sql("SELECT charset FROM DB.`schemas` WHERE id = 3").await, [[Some("latin1".to_owned())]]);
        // From in between: Maxwell of 2016 had most of it, with int ids and the short where_clause.
        live.sql("ALTER TABLE DB.`bootstrap` MODIFY where_clause varchar(1024), DROP COLUMN comment").await;
        live.sql("DROP TABLE DB.`heartbeats`").await;
        live.open().await;
        for (table, fresh) in MAXWELL_TABLES.iter().zip(&fresh) {
            assert_eq!(&shape(live, table).await, fresh, "{table}");
        }
    }

    pub async fn positions_are_kept(live: &Live) {
        let store = live.open().await;
        assert_eq!(store.load_position().await.unwrap(), None);
        assert_eq!(store.load_other_client_position().await.unwrap(), None);
        let origin = Origin {
            server_uuid: Some("6c27ed6d-7ee1-11e3-be39-6c626d957cff".into()),
            birth: Some(FileBirth { file: "a'b.000002".into(), created: 1_700_000_000 }),
            captured_until: None,
            checked: true,
        };
        store.set_origin(origin.clone());
        store.save_position(&at("a'b.000002", 4, 10)).await.unwrap();
        store.save_position(&at("a'b.000002", 3_000_000_000, 20)).await.unwrap();
        assert!(store.save_position(&at("a'b.000002", 5, 20)).await.is_err(), "back");
        store.save_position(&at("a'b.000002", 1 << 32, 20)).await.unwrap();
        let again = live.open().await;
        let stored = again.load_position().await.unwrap().unwrap();
        assert_eq!(stored.position, at("a'b.000002", 3_000_000_000, 20), "what lies beyond 32 bits is not stored");
        assert_eq!(stored.origin, origin);
        assert_eq!(live.sql("SELECT heartbeat_at FROM DB.`positions`").await, [[None]]);

        let other = live.open_with(StoreOptions { client_id: "oth'er".into(), ..live.options() }).await;
        assert_eq!(other.load_position().await.unwrap(), None);
        assert_eq!(other.load_other_client_position().await.unwrap(), Some(at("a'b.000002", 3_000_000_000, 20)));
        let gtid_mode = live.open_with(StoreOptions { gtid_mode: true, ..live.options() }).await;
        assert_eq!(gtid_mode.load_position().await.unwrap(), None);
        let mine = gtid_mode.client_positions().await.unwrap();
        assert_eq!((mine.len(), mine[0].server_id), (1, 4_000_000_000));

        // Maxwell wrote last: what we know of the server may be out of date.
        live.sql("UPDATE DB.`positions` SET binlog_file = 'a.000009', binlog_position = 99, last_heartbeat_read = 30").await;
        let stored = again.load_position().await.unwrap().unwrap();
        assert_eq!((stored.position, stored.origin), (at("a.000009", 99, 30), Origin::default()));
        live.sql("UPDATE DB.`positions` SET binlog_file = NULL").await;
        assert!(!again.load_position().await.unwrap_err().is_transient());
    }

    pub async fn long_gtid_sets(live: &Live) {
        let (short, long) = match live.flavor {
            Flavor::MySql => {
                let uuid = "6c27ed6d-7ee1-11e3-be39-6c626d957cff";
                let holes: Vec<String> = (1..1500).map(|n| (n * 2).to_string()).collect();
                (format!("{uuid}:1-5"), format!("{uuid}:{}", holes.join(":")))
            }
            Flavor::MariaDb => {
                let domains: Vec<String> = (1..800).map(|n| format!("{n}-1-{n}")).collect();
                ("0-1-5".to_owned(), domains.join(","))
            }
        };
        let with = |text: &str, offset| Position { gtids: Some(Gtids::parse(text).unwrap()), ..at("m.000001", offset, 1) };
        assert!(long.len() > 4096);
        let file_mode = live.open().await;
        file_mode.save_position(&with(&short, 10)).await.unwrap();
        assert_eq!(file_mode.load_position().await.unwrap().unwrap().position, with(&short, 10));
        file_mode.save_position(&with(&long, 20)).await.unwrap();
        assert_eq!(file_mode.load_position().await.unwrap().unwrap().position, at("m.000001", 20, 1), "left out");
        let gtid_mode = live.open_with(StoreOptions { gtid_mode: true, ..live.options() }).await;
        gtid_mode.save_position(&with(&long, 1 << 33)).await.unwrap();
        assert_eq!(gtid_mode.load_position().await.unwrap().unwrap().position, with(&long, 1 << 33), "the side table has the whole offset");
        assert_eq!(shape(live, "positions").await["gtid_set"][0], "mediumtext");
        gtid_mode.save_snapshot(&small_schema("t"), &with(&long, 30)).await.unwrap();
        let empty = Position { gtids: Some(empty_set(live.flavor)), ..at("m.000002", 4, 1) };
        gtid_mode.save_position(&empty).await.unwrap();
        assert_eq!(gtid_mode.load_position().await.unwrap().unwrap().position, empty, "nothing executed yet is a complete set");
    }

    fn empty_set(flavor: Flavor) -> Gtids {
        match flavor {
            Flavor::MySql => Gtids::MySql(Default::default()),
            Flavor::MariaDb => Gtids::MariaDb(Default::default()),
        }
    }

    pub async fn heartbeats_compare_and_swap(live: &Live) {
        let store = live.open().await;
        assert_eq!(store.heartbeat(1000).await.unwrap(), 1000);
        assert_eq!(store.heartbeat(1000).await.unwrap(), 1001);
        live.sql("UPDATE DB.`heartbeats` SET heartbeat = 5").await;
        assert_eq!(store.heartbeat(2000).await.unwrap(), 2000, "an older row is adopted");
        live.sql("DELETE FROM DB.`heartbeats`").await;
        assert_eq!(store.heartbeat(3000).await.unwrap(), 3000, "a lost row is made anew");
        let rival = live.open().await;
        assert_eq!(rival.heartbeat(2500).await.unwrap(), 3001);
        let e = store.heartbeat(4000).await.unwrap_err();
        assert!(!e.is_transient());
        assert_eq!(e.code(), 1);
        let text = "Expected a heartbeat value of 3000 but didn't find it.  Is another Maxwell process running with the same client_id?";
        assert_eq!(e.message(), text);
        let gtid_mode = live.open_with(StoreOptions { gtid_mode: true, ..live.options() }).await;
        gtid_mode.heartbeat(1).await.unwrap();
        let stored = live.sql("SELECT server_id, heartbeat FROM DB.`heartbeats` ORDER BY server_id").await;
        assert_eq!(stored, [["0", "1"], ["4000000000", "3001"]].map(|row| row.map(|v| Some(v.to_owned()))));
    }

    pub async fn snapshots_come_back(live: &Live) {
        let store = live.open().await;
        let schema = odd_schema();
        let id = store.save_snapshot(&schema, &at("m.000001", 400, 7)).await.unwrap();
        assert_eq!(store.save_snapshot(&small_schema("x"), &at("m.000001", 400, 7)).await.unwrap(), id, "the same place, the same id");
        let (found, restored) = live.open().await.load_schema(&at("m.000001", 400, 7)).await.unwrap().unwrap();
        assert_eq!(found, id);
        assert!(restored == schema);
        // What Maxwell reads there.
        let head = live
            .sql("SELECT binlog_file, binlog_position, base_schema_id, deltas, server_id, charset, version, deleted FROM DB.`schemas`")
            .await;
        let expected = [Some("m.000001"), Some("400"), None, None, Some("4000000000"), Some("utf8mb4"), Some("4"), Some("0")];
        assert_eq!(head, [expected.map(|v| v.map(str::to_owned))]);
        let column =
            |name: &str| format!("SELECT charset, coltype, is_signed, enum_values, column_length FROM DB.`columns` WHERE name = '{name}'");
        for (name, expected) in [
            ("C0", [None, Some("tinyint"), Some("1"), None, None]),
            ("C3", [None, Some("int"), Some("0"), None, None]),
            ("C11", [None, Some("datetime"), Some("0"), None, Some("6")]),
            ("C15", [Some("latin1"), Some("varchar"), Some("0"), None, None]),
            ("C18", [Some("binary"), Some("blob"), Some("0"), None, None]),
            ("C20", [None, Some("set"), Some("0"), Some(r#"["x","\ud83d\ude00","ü"]"#), None]),
        ] {
            assert_eq!(live.sql(&column(name)).await, [expected.map(|v| v.map(str::to_owned))], "{name}");
        }
        assert_eq!(live.sql("SELECT pk FROM DB.`tables` WHERE name = 'types'").await, [[Some("C3,C0".to_owned())]]);
    }

    pub async fn deltas_come_back(live: &Live) {
        let store = live.open().await;
        let mut schema = small_schema("t");
        let base = store.save_snapshot(&schema, &at("m.000001", 4, 0)).await.unwrap();
        let mut last = base;
        for n in 1..=120u64 {
            let odd = odd_schema();
            let def = Arc::new(Table { database: "d".into(), name: format!("smile 😀 {n}"), ..(*odd.databases[0].tables[3]).clone() });
            schema.databases[0].tables.push(Arc::clone(&def));
            let changes = [SchemaChange::TableCreate { database: "d".into(), table: def.name.clone(), def }];
            last = store.save_changes(last, &changes, &schema, &at("m.000001", n * 100, 0)).await.unwrap();
            let again = store.save_changes(base, &changes, &schema, &at("m.000001", n * 100, 0)).await.unwrap();
            assert_eq!(again, last, "a replayed statement");
        }
        let (id, restored) = live.open().await.load_schema(&at("m.000002", 4, 0)).await.unwrap().unwrap();
        assert_eq!(id, last);
        assert!(restored == schema);
        let (id, restored) = store.load_schema(&at("m.000001", 100, 0)).await.unwrap().unwrap();
        assert_eq!((id, restored), (base, small_schema("t")), "a delta holds behind its statement only");
        let json = live.sql("SELECT deltas, version, charset FROM DB.`schemas` WHERE id = (SELECT MIN(id) + 1 FROM DB.`schemas`)").await;
        assert!(
            json[0][0].as_ref().unwrap().starts_with(r#"[{"type":"table-create","database":"d","table":"smile \ud83d\ude00 1","def":{"#),
            "{json:?}"
        );
        live.sql(&format!("DELETE FROM DB.`schemas` WHERE id = {}", base)).await;
        let e = store.load_schema(&at("m.000002", 4, 0)).await.unwrap_err();
        assert_eq!(e.message(), format!("Couldn't find chained schema: {base}"));
    }

    /// The SQL of the restore against the rule in Rust, on the same random versions.
    pub async fn versions_are_found_as_in_memory(live: &Live) {
        let store = live.open().await;
        let memory = MemoryStore::open(MemoryDisk::default(), live.options());
        let mut seed = 12345u64;
        let mut random = move |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % n
        };
        let mut place = move || {
            let file = ["m.000001", "m.000002", "m.000010", "m.1000000", "other.000002", "plain", "plainer"][random(7) as usize];
            at(file, 4 + random(3), random(3) as i64)
        };
        let (mut ids, mut base) = (BTreeMap::new(), None);
        for n in 0..60 {
            let place = place();
            let (real, model) = match base {
                Some((real, model)) if n % 3 != 0 => (
                    store.save_changes(real, &[], &Schema::default(), &place).await.unwrap(),
                    memory.save_changes(model, &[], &Schema::default(), &place).await.unwrap(),
                ),
                _ => (
                    store.save_snapshot(&Schema::default(), &place).await.unwrap(),
                    memory.save_snapshot(&Schema::default(), &place).await.unwrap(),
                ),
            };
            assert_eq!(*ids.entry(model).or_insert(real), real);
            base = Some((real, model));
        }
        for _ in 0..300 {
            let place = place();
            let real = store.load_schema(&place).await.unwrap().map(|v| v.0);
            let model = memory.load_schema(&place).await.unwrap().map(|v| ids[&v.0]);
            assert_eq!(real, model, "{place}");
        }
    }

    pub async fn versions_by_gtids(live: &Live) {
        let store = live.open_with(StoreOptions { gtid_mode: true, ..live.options() }).await;
        let set = |last: u64| {
            let text = match live.flavor {
                Flavor::MySql => format!("6c27ed6d-7ee1-11e3-be39-6c626d957cff:1-{last}"),
                Flavor::MariaDb => format!("7-1-{last}"),
            };
            Position { gtids: Some(Gtids::parse(&text).unwrap()), ..at("m.000001", last, last as i64) }
        };
        let base = store.save_snapshot(&small_schema("a"), &set(10)).await.unwrap();
        let mut next = base;
        // More than one page of them.
        for last in 11..=130 {
            next = store.save_changes(next, &[], &small_schema("a"), &set(last)).await.unwrap();
        }
        live.sql("INSERT INTO DB.`schemas` (gtid_set, server_id) VALUES ('not a set', 1), (NULL, 1)").await;
        for (last, id) in [(9, None), (10, Some(base)), (130, Some(next)), (500, Some(next))] {
            assert_eq!(store.load_schema(&set(last)).await.unwrap().map(|v| v.0), id, "{last}");
        }
        live.sql(&format!("UPDATE DB.`schemas` SET deleted = 1 WHERE id > {base}")).await;
        assert_eq!(store.load_schema(&set(500)).await.unwrap().map(|v| v.0), Some(base));
        assert_eq!(live.sql("SELECT DISTINCT server_id FROM DB.`schemas` WHERE version = 4").await, [[Some("4000000000".to_owned())]]);
    }

    /// One DDL statement seen by two clients at once, and a snapshot at one place.
    pub async fn two_clients_race_for_a_version(live: &Live) {
        let (one, two) = (live.open().await, live.open_with(StoreOptions { client_id: "two".into(), ..live.options() }).await);
        let (schema, start) = (small_schema("t"), at("m.000001", 4, 0));
        let (a, b) = tokio::join!(one.save_snapshot(&schema, &start), two.save_snapshot(&schema, &start));
        let base = a.unwrap();
        assert_eq!(b.unwrap(), base);
        for n in 1..=20u64 {
            let (changes, place) = ([drop_table("d", "gone")], at("m.000001", n * 100, 0));
            let (a, b) = tokio::join!(one.save_changes(base, &changes, &schema, &place), two.save_changes(base, &changes, &schema, &place));
            assert_eq!(a.unwrap(), b.unwrap());
        }
        let counts = live.sql("SELECT COUNT(*), COUNT(DISTINCT position_sha) FROM DB.`schemas`").await;
        assert_eq!(counts, [["21", "21"].map(|v| Some(v.to_owned()))]);
        assert_eq!(live.sql("SELECT COUNT(*) FROM DB.`databases`").await, [[Some("1".to_owned())]]);
    }

    pub async fn old_snapshot_formats(live: &Live) {
        let store = live.open().await;
        let id = store.save_snapshot(&small_schema("t"), &at("m.000001", 4, 0)).await.unwrap();
        assert_eq!(store.schema_format(id).await.unwrap(), 4);
        live.sql("UPDATE DB.`schemas` SET version = 3").await;
        live.sql("DELETE FROM DB.`binlogd_schemas`").await;
        live.sql("UPDATE DB.`columns` SET coltype = 'enum', enum_values = 'a,b'").await;
        let (_, schema) = store.load_schema(&at("m.000001", 4, 0)).await.unwrap().unwrap();
        let ColumnType::Enum { labels, .. } = &schema.databases[0].tables[0].columns[0].ty else { panic!("an enum") };
        assert_eq!(labels[..], ["a", "b"]);
        assert_eq!(store.schema_format(id).await.unwrap(), 3);
        // A delta on it: the head's format says what is to be mended, the snapshot's how its labels are read.
        let delta = store.save_changes(id, &[drop_table("d", "gone")], &schema, &at("m.000001", 100, 0)).await.unwrap();
        assert_eq!(store.schema_format(delta).await.unwrap(), 4);
        assert_eq!(store.load_schema(&at("m.000001", 101, 0)).await.unwrap(), Some((delta, schema.clone())));
        // What was mended is written over a snapshot of the very place, and as a snapshot of its own anywhere else.
        let mended = small_schema("mended");
        assert_eq!(store.save_mended(id, &mended, &at("m.000001", 4, 0)).await.unwrap(), id);
        assert_eq!(live.open().await.load_schema(&at("m.000001", 4, 0)).await.unwrap(), Some((id, mended.clone())));
        assert_eq!(store.schema_format(id).await.unwrap(), 4);
        let newer = store.save_mended(delta, &mended, &at("m.000001", 200, 0)).await.unwrap();
        assert!(newer > delta);
        assert_eq!(store.load_schema(&at("m.000001", 200, 0)).await.unwrap(), Some((newer, mended)));
    }

    /// Rows as Maxwell 1.10 (format 3) and its predecessors wrote them: no hash of the right kind, no fractions, labels
    /// joined by commas, NULL where later versions have a value, and deltas without keys that came later.
    pub async fn old_rows_of_maxwell(live: &Live) {
        let store = live.open().await;
        for statement in [
            "INSERT INTO DB.`schemas` (id, binlog_file, binlog_position, server_id, charset, version, position_sha, last_heartbeat_read) \
             VALUES (7, 'm.000001', 100, 4000000000, 'latin1', 0, 'aa', NULL)",
            "UPDATE DB.`schemas` SET last_heartbeat_read = 0",
            "INSERT INTO DB.`databases` (id, schema_id, name, charset) VALUES (3, 7, 'Shop', NULL)",
            "INSERT INTO DB.`tables` (id, schema_id, database_id, name, charset, pk) VALUES (5, 7, 3, 'Orders', NULL, 'id'), (6, 7, 3, 'bare', 'utf8', NULL)",
            "INSERT INTO DB.`columns` (schema_id, table_id, name, charset, coltype, is_signed, enum_values, column_length) VALUES \
             (7, 5, 'id', NULL, 'int', 1, NULL, NULL), (7, 5, 'state', NULL, 'enum', 0, 'new,it''s,', NULL), \
             (7, 5, 'at', NULL, 'datetime', 0, NULL, NULL), (7, 5, 'text', 'utf8', 'varchar', 0, NULL, NULL)",
            "INSERT INTO DB.`schemas` (id, base_schema_id, deltas, binlog_file, binlog_position, server_id, charset, version, last_heartbeat_read) VALUES \
             (8, 7, '[{\"type\":\"table-alter\",\"database\":\"Shop\",\"table\":\"bare\",\"old\":{\"database\":\"Shop\",\"charset\":\"utf8\",\"table\":\"bare\",\
             \"columns\":[],\"primary-key\":[]},\"def\":{\"database\":\"Shop\",\"charset\":\"utf8\",\"table\":\"bare\",\"columns\":[{\"type\":\"timestamp\",\
             \"name\":\"t\"},{\"type\":\"int\",\"name\":\"n\",\"signed\":false}],\"primary-key\":[]}}]', 'm.000001', 200, 4000000000, 'latin1', 0, 0)",
        ] {
            live.sql(statement).await;
        }
        let (id, schema) = store.load_schema(&at("m.000001", 201, 0)).await.unwrap().unwrap();
        assert_eq!((id, store.schema_format(id).await.unwrap()), (8, 0));
        let orders = schema.table("Shop", "Orders").unwrap();
        let int = ColumnType::Int { width: IntWidth::Int, unsigned: false };
        assert_eq!((orders.columns[0].ty.clone(), &orders.primary_key[..]), (int, &["id".to_owned()][..]));
        assert_eq!(orders.columns[1].ty.labels().unwrap()[..], ["new", "it's", ""]);
        assert_eq!(orders.columns[2].ty, ColumnType::Datetime { fraction: 0 });
        assert_eq!(schema.table("Shop", "bare").unwrap().columns[0].ty, ColumnType::Timestamp { fraction: 0 });
        // Compaction would give it out as trusted: it waits for the mending.
        store.save_position(&at("m.000001", 300, 0)).await.unwrap();
        assert!(store.tidy(Some(2)).await.unwrap_err().to_string().contains("not mended yet"));
        assert_eq!(store.save_mended(8, &schema, &at("m.000001", 300, 0)).await.unwrap(), 9);
        store.save_position(&at("m.000001", 301, 0)).await.unwrap();
        assert_eq!(store.tidy(Some(2)).await.unwrap(), Tidied::Done);
        assert_eq!(ids(live).await, [9]);
    }

    /// What Maxwell has wrong (`maxwell_quirks`) is found again by version, of this client, and old ones go.
    pub async fn views_belong_to_versions(live: &Live) {
        let (store, other) = (live.open().await, live.open_with(StoreOptions { client_id: "other".into(), ..live.options() }).await);
        assert_eq!(store.load_view(5).await.unwrap(), None);
        for (id, view) in [(5, "[]"), (12, "[\"it's ü 😀 \\\\\"]"), (12, "[\"again\"]"), (100, "[2]")] {
            store.save_view(id, view).await.unwrap();
        }
        for (id, want) in
            [(4, None), (5, Some("[]")), (11, Some("[]")), (12, Some("[\"again\"]")), (99, Some("[\"again\"]")), (1000, Some("[2]"))]
        {
            assert_eq!(store.load_view(id).await.unwrap().as_deref(), want, "version {id}");
            assert_eq!(other.load_view(id).await.unwrap(), None);
        }
        let odd = "[\"it's ü 😀 \\\\ \\n\"]";
        store.save_view(101, odd).await.unwrap();
        assert_eq!(store.load_view(101).await.unwrap().as_deref(), Some(odd));
        for id in 200..230 {
            store.save_view(id, "[]").await.unwrap();
        }
        assert_eq!(store.load_view(205).await.unwrap(), None, "only the last twenty are kept");
        assert!(store.load_view(215).await.unwrap().is_some());
    }

    pub async fn a_lost_connection_is_transient(live: &Live) {
        let store = live.open().await;
        store.heartbeat(1000).await.unwrap();
        // A lock on the row makes the next statement wait; then its connection is killed.
        let blocker = Server::new(live.server.options().clone()).unwrap();
        let mut blocking = blocker.conn().await.unwrap();
        let quoted = live.quoted();
        use mysql_async::prelude::Queryable;
        blocking.query_drop("START TRANSACTION").await.unwrap();
        blocking.query_drop(format!("SELECT * FROM {quoted}.heartbeats FOR UPDATE")).await.unwrap();
        let kill = async {
            loop {
                let find = "SELECT id FROM information_schema.processlist WHERE info LIKE 'UPDATE%heartbeats%' AND info LIKE '%_PID_%'";
                let found = live.sql(&find.replace("_PID_", &live.database.replace('`', "``"))).await;
                if let Some(id) = found.first().and_then(|row| row[0].clone()) {
                    live.sql(&format!("KILL {id}")).await;
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        let (beat, ()) = tokio::join!(store.heartbeat(2000), kill);
        assert!(beat.unwrap_err().is_transient());
        blocking.query_drop("ROLLBACK").await.unwrap();
        assert_eq!(store.heartbeat(3000).await.unwrap(), 3000);
        // A future that is dropped in the middle of a statement leaves no connection that answers out of step.
        blocking.query_drop("START TRANSACTION").await.unwrap();
        blocking.query_drop(format!("SELECT * FROM {quoted}.heartbeats FOR UPDATE")).await.unwrap();
        let cut = tokio::time::timeout(std::time::Duration::from_millis(50), store.heartbeat(4000)).await;
        assert!(cut.is_err());
        blocking.query_drop("ROLLBACK").await.unwrap();
        for now in 5000..5010 {
            assert_eq!(store.heartbeat(now).await.unwrap(), now);
        }
        drop(blocking);
        blocker.close().await;
    }
}

/// The size that issue 5 names; the times are printed, not judged.
#[tokio::test]
async fn ten_thousand_tables() {
    let Some(live) = Live::start("BINLOGD_TEST_MYSQL97_PORT").await else { return };
    let store = live.open().await;
    let columns = |n: usize| -> Vec<Column> {
        let text = ColumnType::Text { kind: TextKind::Varchar, charset: Some("utf8mb4".into()) };
        let int = ColumnType::Int { width: IntWidth::Big, unsigned: true };
        (0..20).map(|c| column(&format!("column_{n}_{c}"), if c % 2 == 0 { int.clone() } else { text.clone() })).collect()
    };
    let tables = (0..10_000).map(|n| table("big", &format!("table_{n}"), columns(n), &[&format!("column_{n}_0")])).collect();
    let database = Database { name: "big".into(), charset: "utf8mb4".into(), tables };
    let schema = Schema { databases: vec![database], charset: "utf8mb4".into(), ..Schema::default() };
    let start = Instant::now();
    store.save_snapshot(&schema, &at("m.000001", 4, 0)).await.unwrap();
    let saved = start.elapsed();
    let start = Instant::now();
    let (_, restored) = store.load_schema(&at("m.000001", 4, 0)).await.unwrap().unwrap();
    println!("10,000 tables of 20 columns: saved in {saved:?}, loaded in {:?}", start.elapsed());
    assert!(restored == schema);
    live.drop_database().await;
}
