//! The account's rights on each of the three servers, with the statement that gives what is missing.

use crate::error::Result;
use crate::finding::Finding;
use crate::server::fault::is_server_error;
use crate::server::flavor::{Flavor, ServerVersion};
use crate::server::grants::{Grants, Right};
use crate::server::{rows, status};

pub(super) const SLAVE_RIGHT: &str = "REPLICATION SLAVE";
pub(super) const CLIENT_RIGHT: &str = "REPLICATION CLIENT";
/// What is done in the schema database at every start; ALTER and CREATE where tables are missing or too narrow.
const STORE_RIGHTS: [&str; 6] = ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER"];
/// ER_PARSE_ERROR, ER_NONEXISTING_GRANT, ER_ROLE_NOT_GRANTED, ER_SP_DOES_NOT_EXIST (CURRENT_ROLE is unknown)
const NO_ROLES: &[u16] = &[1064, 1141, 3530, 1305];

/// Who we are for the server, and what that account may do.
#[derive(Debug, Clone)]
pub struct Rights {
    /// `'user'@'host'`, to be written into a statement.
    account: String,
    version: ServerVersion,
    grants: Grants,
}

impl Rights {
    /// Asks the server.
    pub async fn read(conn: &mut mysql_async::Conn, version: &ServerVersion) -> Result<Self> {
        let current = status::query(conn, "SELECT CURRENT_USER()").await?;
        let current = current.first().map(|row| rows::text(row, 0)).transpose()?.unwrap_or_default();
        let grants = grants(conn, version).await?;
        Ok(Rights { account: quoted(&current), version: version.clone(), grants })
    }

    /// Reading the binlog.
    pub fn replication(&self) -> Vec<Finding> {
        // MariaDB 10.5 renamed the second; both servers let SUPER do it.
        let client: &[&str] = &[CLIENT_RIGHT, "BINLOG MONITOR", "SUPER"];
        let client_name = if self.version.at_least(Flavor::MariaDb, 10, 5, 0) { "BINLOG MONITOR" } else { CLIENT_RIGHT };
        [(SLAVE_RIGHT, SLAVE_RIGHT, &[SLAVE_RIGHT][..], 2), (CLIENT_RIGHT, client_name, client, 1)]
            .into_iter()
            .map(|(right, name, names, code)| match self.grants.global(names) {
                Right::Given => Finding::ok(format!("right {right}"), format!("{} has it", self.account)),
                Right::Unknown => unknown(right),
                // Without the first the server refuses the binlog, which is Maxwell's exit code 2.
                Right::Missing => self.missing(right, name).exit_code(code),
            })
            .collect()
    }

    /// The fault of a right that the server itself says is missing.
    pub(super) fn missing(&self, right: &str, name: &str) -> Finding {
        let text = format!("user {} lacks the right {right}", self.account);
        Finding::fault(format!("right {right}"), text).sql(self.grant(name))
    }

    /// The statement that gives a right on everything.
    pub fn grant(&self, name: &str) -> String {
        format!("GRANT {name} ON *.* TO {};", self.account)
    }

    /// Reading all definitions.
    pub fn definitions(&self) -> Finding {
        const CHECK: &str = "right SELECT";
        let text = match (self.grants.global(&["SELECT"]), self.grants.anywhere(&["SELECT"])) {
            (Right::Given, _) => return Finding::ok(CHECK, format!("{} has it", self.account)),
            (Right::Unknown, _) => return unknown("SELECT"),
            (_, Right::Missing) => format!("user {} may select from no table, so it can see no definition", self.account),
            _ => format!(
                "user {} may not select from all tables: changes of tables it cannot see stop the daemon unless filtered",
                self.account
            ),
        };
        Finding::warning(CHECK, text).sql(self.grant("SELECT"))
    }

    /// Writing the schema database.
    pub fn schema_database(&self, database: &str) -> Finding {
        let check = "rights on the schema database";
        let of = |state: Right| STORE_RIGHTS.iter().copied().filter(move |name| self.grants.on_database(database, &[name]) == state);
        let missing: Vec<&str> = of(Right::Missing).collect();
        if !missing.is_empty() {
            let text = format!("user {} lacks rights on the database {database}: {}", self.account, missing.join(", "));
            let pattern = database.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%").replace('`', "``");
            return Finding::fault(check, text).sql(format!("GRANT ALL ON `{pattern}`.* TO {};", self.account));
        }
        if of(Right::Unknown).next().is_some() {
            return Finding::not_checked(check, "the account has roles, or rights on single tables, whose extent cannot be told");
        }
        Finding::ok(check, format!("{} has them on {database}", self.account))
    }
}

fn unknown(right: &str) -> Finding {
    Finding::not_checked(format!("right {right}"), "the account has roles whose rights the server does not list")
}

/// `user@host` as two literals. The host holds no `@`, the user may.
fn quoted(current: &str) -> String {
    let (user, host) = current.rsplit_once('@').unwrap_or((current, "%"));
    let literal = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    format!("{}@{}", literal(user), literal(host))
}

/// The grants, with those of the roles in force. MySQL lists them only when the roles are named, MariaDB when the user
/// is not (MySQL manual and MariaDB knowledge base, "SHOW GRANTS").
async fn grants(conn: &mut mysql_async::Conn, version: &ServerVersion) -> Result<Grants> {
    const PLAIN: &str = "SHOW GRANTS FOR CURRENT_USER";
    let with_roles = match version.flavor {
        Flavor::MariaDb => Some("SHOW GRANTS".to_owned()),
        Flavor::MySql if version.at_least(Flavor::MySql, 8, 0, 0) => {
            let roles = unless(status::query(conn, "SELECT CURRENT_ROLE()").await, NO_ROLES)?;
            let roles = roles.as_deref().and_then(|r| r.first()).map(|row| rows::text(row, 0)).transpose()?;
            Some(match roles.filter(|r| !r.is_empty() && r != "NONE") {
                Some(roles) => format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}"),
                // None in force: what the account's inactive roles may do, it may not.
                None => PLAIN.to_owned(),
            })
        }
        Flavor::MySql => None,
    };
    if let Some(sql) = with_roles
        && let Some(lines) = unless(status::query(conn, &sql).await, NO_ROLES)?
    {
        return parse(&lines).map(Grants::with_roles_resolved);
    }
    parse(&status::query(conn, PLAIN).await?)
}

fn parse(lines: &[mysql_async::Row]) -> Result<Grants> {
    let lines = lines.iter().map(|row| rows::text(row, 0)).collect::<Result<Vec<_>>>()?;
    Ok(Grants::parse(lines.iter().map(String::as_str)))
}

/// `None` when the server refuses with one of these numbers.
fn unless<T>(result: Result<T>, refusals: &[u16]) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if is_server_error(&e, refusals) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Mend, State};

    fn rights(version: &str, lines: &[&str]) -> Rights {
        Rights {
            account: quoted("max'well@db@10.%"),
            version: ServerVersion::parse(version).unwrap(),
            grants: Grants::parse(lines.iter().copied()),
        }
    }

    #[test]
    fn what_is_missing_comes_with_its_statement() {
        let none = rights("9.7.4", &["GRANT USAGE ON *.* TO `m`@`%`"]);
        let found = none.replication();
        assert_eq!(found[0].mends, [Mend::Sql("GRANT REPLICATION SLAVE ON *.* TO 'max''well@db'@'10.%';".into())]);
        assert_eq!((found[0].exit_code, found[1].exit_code), (2, 1));
        assert!(found[0].text.contains("lacks the right REPLICATION SLAVE"), "{found:?}");
        assert_eq!(none.definitions().state, State::Warning);
        let maria = rights("10.11.6-MariaDB", &["GRANT USAGE ON *.* TO `m`@`%`"]).replication();
        assert!(maria[1].hint().starts_with("GRANT BINLOG MONITOR ON *.*"), "{maria:?}");
        let store = none.schema_database("max_well");
        assert_eq!(store.mends, [Mend::Sql(r"GRANT ALL ON `max\_well`.* TO 'max''well@db'@'10.%';".into())]);
        assert!(store.text.contains("SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER"), "{store:?}");
        let some = rights("9.7.4", &["GRANT SELECT ON *.* TO `m`@`%`", "GRANT INSERT, UPDATE, DELETE, CREATE ON `x`.* TO `m`@`%`"]);
        assert!(some.schema_database("x").text.ends_with(": ALTER"), "{:?}", some.schema_database("x"));
    }

    #[test]
    fn which_rights_are_enough() {
        for (lines, faults, warnings) in [
            (&["GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `m`@`%`"][..], 0, 0),
            (&["GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO `m`@`%`", "GRANT SELECT ON `a`.* TO `m`@`%`"], 0, 1),
            (&["GRANT REPLICATION SLAVE ON *.* TO `m`@`%`"], 1, 1),
            (&["GRANT USAGE ON *.* TO `m`@`%`"], 2, 1),
            (&["GRANT USAGE ON *.* TO `m`@`%`", "GRANT `r`@`%` TO `m`@`%`"], 0, 0),
        ] {
            let rights = rights("9.7.4", lines);
            let found = [rights.replication(), vec![rights.definitions()]].concat();
            let count = |state| found.iter().filter(|f| f.is(state)).count();
            assert_eq!((count(State::Fault), count(State::Warning)), (faults, warnings), "{lines:?}");
        }
    }

    #[test]
    fn roles_that_are_not_listed_are_no_fault() {
        let roles = rights("5.7.44", &["GRANT `r`@`%` TO `m`@`%`"]);
        assert!(roles.replication().iter().all(|f| f.is(State::NotChecked)));
        assert_eq!(roles.schema_database("maxwell").state, State::NotChecked);
    }
}
