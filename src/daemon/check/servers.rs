//! The three servers: the one whose binlog is followed, the one from which definitions are read, and the one with the
//! schema database. They may be the same.

use std::sync::Arc;

use crate::config::{Config, MysqlSettings};
use crate::error::Result;
use crate::finding::{Finding, State};
use crate::server::preflight::{self, ReplicationFacts, Rights};
use crate::server::{Flavor, Server};
use crate::store::StoreOptions;
use crate::store::mysql::inspect::{self, Inspection, SCHEMA_VERSION};

use super::super::wire;
use super::{position, replicas};

const REPLICATION: &str = "replication server";
const CAPTURE: &str = "capture server";
const STORE: &str = "store server";
const DATABASE: &str = "schema database";

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let server = |settings: &MysqlSettings| Server::new(wire::connection(settings)).map(Arc::new);
    let mut found = Vec::new();

    let replicating = match server(&config.replication) {
        Ok(server) => replication(config, &server, &mut found).await.map(|facts| (server, facts)),
        Err(e) => {
            found.push(Finding::error(REPLICATION, &e));
            None
        }
    };
    if let Some(settings) = &config.capture {
        match server(settings) {
            Ok(server) => found.push(capture(&server).await),
            Err(e) => found.push(Finding::error(CAPTURE, &e)),
        }
    }
    let same = config.store == config.replication;
    let storing = match server(&config.store) {
        _ if same && replicating.is_none() => {
            found.push(Finding::not_checked(DATABASE, "its server is the replication server"));
            None
        }
        Ok(server) => store(config, &server, replicating.as_ref().map(|(_, facts)| facts), &mut found).await.map(|seen| (server, seen)),
        Err(e) => {
            found.push(Finding::error(STORE, &e));
            None
        }
    };
    match &replicating {
        Some((replication, facts)) => {
            let forbids = |f: &&Finding| {
                f.is(State::Fault) && (f.exit_code == 2 || ["log_bin", "server_id", "gtid_mode"].contains(&f.check.as_str()))
            };
            let may_dump = !found.iter().any(|f| forbids(&f)) && facts.status.is_some();
            let (store, inspection) = (storing.as_ref().map(|(server, _)| server), storing.as_ref().map(|(_, seen)| seen));
            found.extend(position::check(config, &position::Servers { replication, store, facts, inspection, may_dump }).await);
        }
        None => found.push(Finding::not_checked("stored position", "the replication server cannot be asked")),
    }
    found
}

async fn replication(config: &Config, server: &Server, found: &mut Vec<Finding>) -> Option<ReplicationFacts> {
    match preflight::check_replication(server, config.gtid_mode).await {
        Ok((findings, facts, rights)) => {
            found.push(Finding::ok(REPLICATION, "answers").at(server.options().address()));
            found.extend(findings);
            if config.capture.is_none() {
                found.push(rights.definitions().at(server.options().address()));
            }
            found.push(replicas::check(server, &facts.identity, &rights, config.replica_server_id, &config.client_id).await);
            Some(facts)
        }
        Err(e) => {
            found.push(Finding::error(REPLICATION, &e));
            found.push(Finding::not_checked("settings and rights", "the replication server cannot be asked"));
            None
        }
    }
}

async fn capture(server: &Server) -> Finding {
    match rights(server).await {
        Ok(rights) => rights.definitions().at(server.options().address()),
        Err(e) => Finding::error(CAPTURE, &e),
    }
}

async fn rights(server: &Server) -> Result<Rights> {
    let version = server.version().await?;
    Rights::read(&mut server.conn().await?, &version).await
}

async fn store(config: &Config, server: &Arc<Server>, facts: Option<&ReplicationFacts>, found: &mut Vec<Finding>) -> Option<Inspection> {
    match preflight::check_store(server).await {
        Ok(finding) => found.push(finding),
        Err(e) => {
            found.push(Finding::error(STORE, &e));
            found.push(Finding::not_checked(DATABASE, "its server cannot be asked"));
            return None;
        }
    }
    let place = server.options().address();
    match rights(server).await {
        Ok(rights) => found.push(rights.schema_database(&config.schema_database).at(place.as_str())),
        Err(e) => found.push(Finding::error(STORE, &e)),
    }
    let options = StoreOptions {
        schema_database: config.schema_database.clone(),
        client_id: config.client_id.clone(),
        server_id: facts.map_or(0, |f| f.identity.server_id),
        gtid_mode: config.gtid_mode,
        flavor: facts.map_or(Flavor::MySql, |f| f.identity.version.flavor),
        case: facts.map(|f| f.identity.case).unwrap_or_default(),
    };
    match inspect::inspect(server.clone(), options).await {
        Ok(inspection) => {
            found.extend(database(&config.schema_database, &inspection).into_iter().map(|f| f.at(place.as_str())));
            Some(inspection)
        }
        Err(e) => {
            found.push(Finding::error(DATABASE, &e));
            None
        }
    }
}

fn database(name: &str, seen: &Inspection) -> Vec<Finding> {
    if !seen.database_exists {
        return vec![Finding::ok(DATABASE, format!("{name} is not there yet; the first start makes it"))];
    }
    let mut found = Vec::new();
    if seen.missing_tables.is_empty() && seen.missing_columns.is_empty() {
        found.push(Finding::ok(DATABASE, format!("{name} is as it should be, with {} stored versions of the definitions", seen.schemas)));
    } else {
        let missing: Vec<&str> = seen.missing_tables.iter().copied().chain(seen.missing_columns.iter().map(String::as_str)).collect();
        found.push(Finding::ok(DATABASE, format!("{name} lacks {}; the next start adds them", missing.join(", "))));
    }
    if let Some(version) = seen.schema_version.filter(|v| *v > SCHEMA_VERSION) {
        let text =
            format!("its newest definitions have format {version}, written by a later release; this one reads up to {SCHEMA_VERSION}");
        found.push(Finding::fault("schema table version", text).words("use the later release"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_the_schema_database() {
        let there = Inspection { database_exists: true, schemas: 3, schema_version: Some(4), ..Inspection::default() };
        assert!(database("m", &Inspection::default())[0].text.contains("first start makes it"));
        assert!(database("m", &there)[0].text.contains("3 stored versions"));
        let old = Inspection { missing_tables: vec!["heartbeats"], missing_columns: vec!["schemas.deleted".into()], ..there.clone() };
        assert!(database("m", &old)[0].text.contains("lacks heartbeats, schemas.deleted"));
        let newer = Inspection { schema_version: Some(SCHEMA_VERSION + 1), ..there };
        assert!(database("m", &newer)[1].is(State::Fault));
    }
}
