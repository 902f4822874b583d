//! Brings the tables of older Maxwells up to date, in Maxwell's order (contract §2.4).
//! Never here: schema data; that has its own version, see `snapshot`.

use std::collections::HashMap;

use crate::error::Result;
use crate::server::fault::is_server_error;
use crate::server::rows;

use super::columns::{ColumnFact, columns_of, missing};
use super::session::{Session, ident, lit};
use super::tables::{TABLES, create_statement};
use crate::store::versions::sha_of;

/// ER_DUP_FIELDNAME, ER_DUP_KEYNAME, ER_TABLE_EXISTS_ERROR: another process was faster.
const DONE_BY_OTHERS: &[u16] = &[1060, 1061, 1050];
/// ER_DUP_ENTRY
const DUPLICATE: u16 = 1062;

/// One step: what must be missing (a table, or a column of it), and the rest of `ALTER TABLE`.
enum Step {
    Table(&'static str),
    Column(&'static str, &'static str, &'static str),
    /// `encoding` was the old name of `charset`.
    RenameEncoding,
    PositionSha,
    WhereClause,
    BigIds,
}

const STEPS: &[Step] = &[
    Step::Column("schemas", "deleted", "add column deleted tinyint(1) not null default 0"),
    Step::Column("schemas", "gtid_set", "add column gtid_set varchar(4096)"),
    Step::Table("bootstrap"),
    Step::Column(
        "bootstrap",
        "total_rows",
        "add column total_rows bigint unsigned not null default 0 after inserted_rows, modify inserted_rows bigint unsigned not null default 0",
    ),
    Step::Column("bootstrap", "where_clause", "add column where_clause varchar(1024)"),
    Step::RenameEncoding,
    Step::Column("schemas", "base_schema_id", "add column base_schema_id int unsigned null default null after binlog_position"),
    Step::Column("schemas", "deltas", "add column deltas mediumtext charset 'utf8' null default null after base_schema_id"),
    Step::Column("schemas", "version", "add column version smallint unsigned not null default 0 after charset"),
    Step::Column(
        "positions",
        "client_id",
        "add column client_id varchar(255) charset latin1 not null default 'maxwell', drop primary key, add primary key (server_id, client_id)",
    ),
    Step::Column("positions", "gtid_set", "add column gtid_set varchar(4096) after binlog_position"),
    Step::Column("positions", "heartbeat_at", "add column heartbeat_at bigint null default null"),
    Step::Column("positions", "last_heartbeat_read", "add column last_heartbeat_read bigint null default null"),
    Step::Column("columns", "column_length", "add column column_length tinyint unsigned"),
    Step::PositionSha,
    Step::Table("heartbeats"),
    Step::Column("schemas", "last_heartbeat_read", "add column last_heartbeat_read bigint null default 0"),
    Step::Column("bootstrap", "client_id", "add column client_id varchar(255) charset latin1 not null default 'maxwell'"),
    Step::Column("bootstrap", "comment", "add column comment varchar(255) charset 'utf8' null default null"),
    Step::WhereClause,
    Step::BigIds,
];

/// Columns that hold ids, which were `int` once.
const IDS: &[(&str, &[&str])] = &[
    ("columns", &["id", "schema_id", "table_id"]),
    ("tables", &["id", "schema_id", "database_id"]),
    ("databases", &["id", "schema_id"]),
    ("schemas", &["id", "base_schema_id"]),
    ("bootstrap", &["id"]),
];

/// Every column that is used.
pub(super) const USED: &[(&str, &[&str])] = &[
    ("schemas", &["id", "binlog_file", "binlog_position", "gtid_set", "base_schema_id", "deltas", "server_id", "position_sha", "charset"]),
    ("schemas", &["last_heartbeat_read", "version", "deleted"]),
    ("databases", &["id", "schema_id", "name", "charset"]),
    ("tables", &["id", "schema_id", "database_id", "name", "charset", "pk"]),
    ("columns", &["id", "schema_id", "table_id", "name", "charset", "coltype", "is_signed", "enum_values", "column_length"]),
    ("positions", &["server_id", "client_id", "binlog_file", "binlog_position", "gtid_set", "last_heartbeat_read"]),
    ("heartbeats", &["server_id", "client_id", "heartbeat"]),
    (super::side::TABLE, &["server_id", "client_id", "name", "value"]),
    (super::mirror::TABLE, &["schema_id", "part", "format", "position_sha", "extent", "contents", "plain_bytes", "crc", "body"]),
];

/// Runs every step whose reason is there. A database of the present form sees no statement but `SHOW COLUMNS`.
pub(super) async fn upgrade(session: &mut Session<'_>, database: &str) -> Result<()> {
    let mut upgrade = Upgrade { session, database, tables: HashMap::new() };
    for table in TABLES {
        upgrade.look_at(table.name).await?;
    }
    for step in STEPS {
        upgrade.step(step).await?;
    }
    upgrade.check()
}

struct Upgrade<'a, 's> {
    session: &'a mut Session<'s>,
    database: &'a str,
    /// Columns of every table as they are now; a table that is not there is missing.
    tables: HashMap<&'static str, Vec<ColumnFact>>,
}

impl Upgrade<'_, '_> {
    async fn look_at(&mut self, table: &'static str) -> Result<()> {
        match columns_of(self.session, self.database, table).await? {
            Some(columns) => self.tables.insert(table, columns),
            None => self.tables.remove(table),
        };
        Ok(())
    }

    fn column(&self, table: &str, column: &str) -> Option<&ColumnFact> {
        self.tables.get(table)?.iter().find(|c| c.name.eq_ignore_ascii_case(column))
    }

    async fn step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Table(table) => self.create(table).await,
            Step::Column(table, column, change) if self.column(table, column).is_none() => self.alter(table, change).await,
            Step::Column(..) => Ok(()),
            Step::RenameEncoding => self.rename_encoding().await,
            Step::PositionSha => self.add_position_sha().await,
            Step::WhereClause => match self.column("bootstrap", "where_clause") {
                Some(c) if c.ty != "text" => self.alter("bootstrap", "modify where_clause text null").await,
                _ => Ok(()),
            },
            Step::BigIds => self.widen_ids().await,
        }
    }

    async fn create(&mut self, name: &'static str) -> Result<()> {
        let Some(table) = TABLES.iter().find(|t| t.name == name && !self.tables.contains_key(name)) else { return Ok(()) };
        let sql = create_statement(self.database, table);
        self.run(&sql).await?;
        self.look_at(name).await
    }

    async fn alter(&mut self, table: &'static str, change: &str) -> Result<()> {
        let sql = format!("ALTER TABLE {}.{} {change}", ident(self.database), ident(table));
        self.run(&sql).await?;
        self.look_at(table).await
    }

    async fn run(&mut self, sql: &str) -> Result<()> {
        tracing::info!(sql, "upgrading the schema database");
        match self.session.run_long(sql).await {
            Err(e) if is_server_error(&e, DONE_BY_OTHERS) => Ok(()),
            other => other.map_err(|e| e.detail("upgrading the schema database")),
        }
    }

    async fn rename_encoding(&mut self) -> Result<()> {
        if self.column("schemas", "charset").is_some() {
            return Ok(());
        }
        for table in ["schemas", "databases", "tables", "columns"] {
            if self.column(table, "encoding").is_some() {
                self.alter(table, "change encoding charset varchar(255)").await?;
            }
        }
        Ok(())
    }

    async fn add_position_sha(&mut self) -> Result<()> {
        if self.column("schemas", "position_sha").is_some() {
            return Ok(());
        }
        self.alter(
            "schemas",
            "add column position_sha char(40) charset latin1 null default null, add unique index position_sha (position_sha)",
        )
        .await?;
        let heartbeat = if self.column("schemas", "last_heartbeat_read").is_some() { "last_heartbeat_read" } else { "0" };
        let table = format!("{}.`schemas`", ident(self.database));
        let all = self.session.rows(&format!("SELECT id, server_id, binlog_file, binlog_position, {heartbeat} FROM {table}")).await?;
        for row in &all {
            let (id, server_id): (i64, Option<u32>) = (rows::need(row, 0)?, rows::get(row, 1)?);
            let (file, offset, heartbeat) = (rows::text(row, 2)?, rows::get::<u64>(row, 3)?, rows::get::<i64>(row, 4)?);
            let sha = sha_of(server_id.unwrap_or(0), &file, offset.unwrap_or(0), heartbeat.unwrap_or(0));
            match self.session.run(&format!("UPDATE {table} SET position_sha = {} WHERE id = {id}", lit(sha))).await {
                // Two versions at one place: the hash can only name one of them.
                Err(e) if is_server_error(&e, &[DUPLICATE]) => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    async fn widen_ids(&mut self) -> Result<()> {
        for (table, columns) in IDS {
            let narrow: Vec<String> = columns
                .iter()
                .filter(|c| self.column(table, c).is_some_and(|fact| !fact.ty.starts_with("bigint")))
                .map(|c| if *c == "id" { "modify id bigint not null auto_increment".to_owned() } else { format!("modify {c} bigint null") })
                .collect();
            if !narrow.is_empty() {
                self.alter(table, &narrow.join(", ")).await?;
            }
        }
        Ok(())
    }

    /// All of them must be there now; anything else is not a database that Maxwell made.
    fn check(&self) -> Result<()> {
        for (table, columns) in USED {
            if let Some(column) = columns.iter().find(|c| self.column(table, c).is_none()) {
                return Err(missing(self.database, table, column));
            }
        }
        Ok(())
    }
}
