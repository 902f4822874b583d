//! The tables of the schema database as Maxwell makes them (contract §2.3), and those of ours.
//! Never here: changes of tables that exist; those are `upgrade`'s and `widen`'s.

use crate::error::Result;
use crate::server::rows;

use super::session::{Session, ident, lit};

/// Width of Maxwell's `gtid_set` columns.
pub(super) const GTID_SET_CHARS: usize = 4096;

/// A table's name and everything after `CREATE TABLE name`.
pub(super) struct TableDef {
    pub name: &'static str,
    pub body: &'static str,
}

/// In Maxwell's order. No engine and no default charset are named, as in Maxwell's: the database's apply.
pub(super) const TABLES: &[TableDef] = &[
    TableDef {
        name: "schemas",
        body: "(id bigint auto_increment not null primary key, binlog_file varchar(255), binlog_position int unsigned, \
               last_heartbeat_read bigint null default 0, gtid_set varchar(4096), base_schema_id bigint null default null, \
               deltas mediumtext charset 'utf8' null default null, server_id int unsigned, \
               position_sha char(40) charset latin1 null default null, charset varchar(255), \
               version smallint unsigned not null default 0, deleted tinyint(1) not null default 0, \
               unique key position_sha (position_sha))",
    },
    TableDef {
        name: "databases",
        body: "(id bigint auto_increment not null primary key, schema_id bigint, name varchar(255) charset 'utf8', \
               charset varchar(255), index (schema_id))",
    },
    TableDef {
        name: "tables",
        body: "(id bigint auto_increment not null primary key, schema_id bigint, database_id bigint, \
               name varchar(255) charset 'utf8', charset varchar(255), pk varchar(1024) charset 'utf8', \
               index (schema_id), index (database_id))",
    },
    TableDef {
        name: "columns",
        body: "(id bigint auto_increment not null primary key, schema_id bigint, table_id bigint, \
               name varchar(255) charset 'utf8', charset varchar(255), coltype varchar(255), is_signed tinyint(1) unsigned, \
               enum_values text charset 'utf8', column_length tinyint unsigned, index (schema_id), index (table_id))",
    },
    TableDef {
        name: "positions",
        body: "(server_id int unsigned not null, binlog_file varchar(255), binlog_position int unsigned, gtid_set varchar(4096), \
               client_id varchar(255) charset latin1 not null default 'maxwell', heartbeat_at bigint null default null, \
               last_heartbeat_read bigint null default null, primary key (server_id, client_id))",
    },
    TableDef {
        name: "bootstrap",
        body: "(id bigint auto_increment not null primary key, database_name varchar(255) charset 'utf8' not null, \
               table_name varchar(255) charset 'utf8' not null, where_clause text null, \
               is_complete tinyint(1) unsigned not null default 0, inserted_rows bigint(20) unsigned not null default 0, \
               total_rows bigint(20) unsigned not null default 0, created_at datetime default null, \
               started_at datetime default null, completed_at datetime default null, binlog_file varchar(255) default null, \
               binlog_position int unsigned default 0, client_id varchar(255) charset latin1 not null default 'maxwell', \
               comment varchar(255) charset 'utf8' default null)",
    },
    TableDef {
        name: "heartbeats",
        body: "(server_id int unsigned not null, client_id varchar(255) charset latin1 not null default 'maxwell', \
               heartbeat bigint not null, primary key (server_id, client_id))",
    },
    // Ours: what Maxwell's tables cannot hold, as named values, so that new kinds need no new columns.
    TableDef {
        name: super::side::TABLE,
        body: "(server_id int unsigned not null, client_id varchar(255) charset latin1 not null, \
               `name` varchar(191) charset latin1 not null, `value` mediumtext charset utf8mb4 not null, \
               primary key (server_id, client_id, `name`))",
    },
    // Ours: snapshots in compact form, cut into parts.
    TableDef {
        name: super::mirror::TABLE,
        body: "(schema_id bigint not null, part int unsigned not null, format smallint unsigned not null, \
               position_sha char(40) charset latin1 not null, extent varchar(255) charset latin1 not null, \
               contents varchar(255) charset latin1 not null, plain_bytes bigint unsigned not null, crc int unsigned not null, \
               body mediumblob not null, primary key (schema_id, part))",
    },
];

/// Tables that Maxwell does not know.
const OURS: &[&str] = &[super::side::TABLE, super::mirror::TABLE];

pub(super) fn create_statement(database: &str, table: &TableDef) -> String {
    format!("CREATE TABLE IF NOT EXISTS {}.{} {}", ident(database), ident(table.name), table.body)
}

/// Makes the database and the tables that are missing when Maxwell would: no database, or none with a table `schemas`.
/// A missing table of an older Maxwell is `upgrade`'s; ours is made whenever it is missing.
pub(super) async fn create_missing(session: &mut Session<'_>, database: &str) -> Result<()> {
    let exists = format!("SELECT 1 FROM information_schema.schemata WHERE schema_name = {}", lit(database));
    let mut present = Vec::new();
    if session.rows(&exists).await?.is_empty() {
        tracing::info!(database, "creating the schema database");
        session.run(&format!("CREATE DATABASE IF NOT EXISTS {}", ident(database))).await?;
    } else {
        for row in session.rows(&format!("SHOW TABLES FROM {}", ident(database))).await? {
            present.push(rows::text(&row, 0)?);
        }
    }
    let fresh = !present.iter().any(|t| t == "schemas");
    for table in TABLES {
        let ours = OURS.contains(&table.name);
        if (fresh || ours) && !present.iter().any(|t| t == table.name) {
            session.run(&create_statement(database, table)).await?;
        }
    }
    Ok(())
}

/// Whether the schema database and its tables are there.
pub(super) async fn exist(session: &mut Session<'_>, database: &str) -> Result<bool> {
    let sql = format!("SELECT 1 FROM information_schema.tables WHERE table_schema = {} AND table_name = 'positions'", lit(database));
    Ok(!session.rows(&sql).await?.is_empty())
}
