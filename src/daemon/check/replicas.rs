//! Who else reads the binlog: another reader under our `replica_server_id` and we would throw each other out.

use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::server::fault::is_server_error;
use crate::server::preflight::Rights;
use crate::server::status::ServerIdentity;
use crate::server::{Flavor, Row, Server, ServerVersion, rows};

const CHECK: &str = "replica_server_id";
/// ER_SPECIFIC_ACCESS_DENIED_ERROR
const ACCESS_DENIED: u16 = 1227;

/// The statement that lists replicas, renamed twice (MySQL manual, "SHOW REPLICAS"; MariaDB knowledge base, "SHOW
/// REPLICA HOSTS").
fn statement(version: &ServerVersion) -> &'static str {
    if version.at_least(Flavor::MySql, 8, 0, 22) {
        "SHOW REPLICAS"
    } else if version.at_least(Flavor::MariaDb, 10, 5, 1) {
        "SHOW REPLICA HOSTS"
    } else {
        "SHOW SLAVE HOSTS"
    }
}

pub(super) async fn check(server: &Server, identity: &ServerIdentity, rights: &Rights, ours: u32, client_id: &str) -> Finding {
    let finding = match listed(server, identity).await {
        Ok(others) => judge(identity.server_id, ours, client_id, &others),
        Err(e) if is_server_error(&e, &[ACCESS_DENIED]) => {
            let finding = Finding::not_checked(CHECK, format!("the account may not list the replicas ({})", e.message()));
            let right = if identity.version.is_mariadb() { "REPLICATION MASTER ADMIN" } else { "REPLICATION SLAVE" };
            finding.sql(rights.grant(right))
        }
        Err(e) => Finding::not_checked(CHECK, e.to_string()),
    };
    finding.at(server.options().address())
}

/// Server id and host of every replica that has registered.
async fn listed(server: &Server, identity: &ServerIdentity) -> Result<Vec<(u32, String)>> {
    let all = server.query(statement(&identity.version)).await?;
    let read = |row: &Row| {
        let column = |name| rows::column(row, name).ok_or_else(|| Error::definite(format!("the list of replicas has no column {name}")));
        Ok((rows::need(row, column("Server_Id")?)?, rows::text(row, column("Host")?)?))
    };
    all.iter().map(read).collect()
}

fn judge(servers_own: u32, ours: u32, client_id: &str, others: &[(u32, String)]) -> Finding {
    let free = (6380..).find(|id| *id != servers_own && others.iter().all(|(other, _)| other != id)).unwrap_or(ours);
    let change = format!("replica_server_id={free}");
    if ours == servers_own {
        return Finding::fault(CHECK, format!("replica_server_id is {ours}, which is the server's own server_id")).option(change);
    }
    match others.iter().find(|(id, _)| *id == ours) {
        None => Finding::ok(CHECK, format!("{ours}, which none of the {} other replicas has", others.len())),
        Some((_, host)) if *host == format!("binlogd-{client_id}") => {
            Finding::ok(CHECK, format!("{ours}: this client reads the binlog right now, so it is running"))
        }
        Some((_, host)) => {
            let host = if host.is_empty() { "a host that it does not tell" } else { host };
            Finding::fault(CHECK, format!("a replica on {host} has our replica_server_id {ours}: each would end the other's connection"))
                .option(change)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;

    #[test]
    fn collisions() {
        let others = [(6379, "db2".to_owned()), (6380, "db3".to_owned()), (7, "binlogd-maxwell".to_owned())];
        for (own, ours, client, state) in [
            (1, 6000, "maxwell", State::Ok),
            (1, 6379, "maxwell", State::Fault),
            (6000, 6000, "maxwell", State::Fault),
            (1, 7, "maxwell", State::Ok),
            (1, 7, "other", State::Fault),
        ] {
            let finding = judge(own, ours, client, &others);
            assert_eq!(finding.state, state, "{finding:?}");
            if state == State::Fault {
                assert!(finding.hint().starts_with("replica_server_id=6381"), "{finding:?}");
            }
        }
    }
}
