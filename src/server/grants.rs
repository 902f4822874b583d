//! What `SHOW GRANTS` says of the rights that we need. Pure: lines in, answers out.

/// Whether the account has a right, as far as its grants tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    Given,
    Missing,
    /// The account has roles, whose rights stand elsewhere.
    Unknown,
}

/// The global rights of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Privilege names granted on `*.*`, upper case.
    global: Vec<String>,
    /// Privileges granted on a single database, or on what is in it.
    partial: Vec<Partial>,
    has_roles: bool,
}

/// A grant below `*.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Partial {
    privilege: String,
    /// A database's name, in which `_` and `%` without a backslash stand for any character and any text (MySQL manual,
    /// "GRANT Statement", "Database Privileges").
    database: String,
    /// On the whole database, and not on one table of it.
    whole: bool,
}

impl Grants {
    /// Reads the lines of `SHOW GRANTS` (MySQL manual and MariaDB knowledge base, "SHOW GRANTS").
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut grants = Grants::default();
        for line in lines {
            let Some(rest) = line.strip_prefix("GRANT ") else { continue };
            match split_object(rest) {
                Some((privileges, object)) => {
                    if object.starts_with("*.*") {
                        grants.global.extend(privileges);
                    } else {
                        let (database, whole) = split_database(object);
                        let partial = |privilege| Partial { privilege, database: database.clone(), whole };
                        grants.partial.extend(privileges.into_iter().map(partial));
                    }
                }
                // `GRANT role TO user` has no object.
                None => grants.has_roles = true,
            }
        }
        grants
    }

    /// The lines held the rights of the roles in force too, so that what is not in them is not there.
    pub fn with_roles_resolved(mut self) -> Self {
        self.has_roles = false;
        self
    }

    /// Whether one of `names` is granted on everything.
    pub fn global(&self, names: &[&str]) -> Right {
        if has(&self.global, names) {
            Right::Given
        } else if self.has_roles {
            Right::Unknown
        } else {
            Right::Missing
        }
    }

    /// Whether one of `names` is granted at least on some database or table.
    pub fn anywhere(&self, names: &[&str]) -> Right {
        if self.partial.iter().any(|p| is_one_of(&p.privilege, names)) { Right::Given } else { self.global(names) }
    }

    /// Whether one of `names` is granted on this whole database. Rights on single tables of it may be enough, which
    /// nobody can tell before they are used.
    pub fn on_database(&self, database: &str, names: &[&str]) -> Right {
        let mut here = self.partial.iter().filter(|p| is_one_of(&p.privilege, names));
        if here.clone().any(|p| p.whole && matches(&p.database, database)) {
            return Right::Given;
        }
        match self.global(names) {
            Right::Missing if here.any(|p| !p.whole && matches(&p.database, database)) => Right::Unknown,
            right => right,
        }
    }
}

fn has(granted: &[String], names: &[&str]) -> bool {
    granted.iter().any(|g| is_one_of(g, names))
}

fn is_one_of(granted: &str, names: &[&str]) -> bool {
    granted == "ALL PRIVILEGES" || granted == "ALL" || names.contains(&granted)
}

/// Whether a name fits a pattern of LIKE.
fn matches(pattern: &str, name: &str) -> bool {
    let mut pattern = pattern.chars();
    match pattern.next() {
        None => name.is_empty(),
        Some('%') => name
            .char_indices()
            .map(|(at, _)| at)
            .chain([name.len()])
            .any(|at| name.get(at..).is_some_and(|rest| matches(pattern.as_str(), rest))),
        Some(c) => {
            let (any, c) = match c {
                '_' => (true, c),
                '\\' => (false, pattern.next().unwrap_or(c)),
                c => (false, c),
            };
            let mut rest = name.chars();
            rest.next().is_some_and(|n| any || n == c) && matches(pattern.as_str(), rest.as_str())
        }
    }
}

/// The database of `` `db`.* TO … `` or `` `db`.`t` TO … ``, and whether the whole of it is meant. Names without quotes
/// come from servers whose `sql_quote_show_create` is off.
fn split_database(object: &str) -> (String, bool) {
    let Some(quote) = object.chars().next().filter(|c| matches!(c, '`' | '"')) else {
        let (database, rest) = object.split_once('.').unwrap_or((object, ""));
        return (database.to_owned(), rest.starts_with('*'));
    };
    let mut database = String::new();
    let mut chars = object.chars().skip(1).peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c == quote && chars.peek() == Some(&quote) => {
                chars.next();
                database.push(c);
            }
            c if c == quote => break,
            c => database.push(c),
        }
    }
    (database, chars.next() == Some('.') && chars.next() == Some('*'))
}

/// `SELECT, INSERT (a, b) ON db.* TO …` into privileges and what they are on; `None` for a role, which is on nothing.
fn split_object(text: &str) -> Option<(Vec<String>, &str)> {
    const ON: &str = " ON ";
    let mut names = Vec::new();
    let (mut depth, mut quoted, mut start) = (0_u32, false, 0);
    for (at, c) in text.char_indices() {
        match c {
            // Names of columns and roles stand in back-quotes and may hold anything.
            '`' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                names.push(privilege_name(text.get(start..at)?));
                start = at + 1;
            }
            ' ' if depth == 0 => {
                if let Some(object) = text.get(at..).and_then(|rest| rest.strip_prefix(ON)) {
                    names.push(privilege_name(text.get(start..at)?));
                    return Some((names, object));
                }
            }
            _ => {}
        }
    }
    None
}

/// A privilege without the columns that it may be limited to.
fn privilege_name(text: &str) -> String {
    text.split('(').next().unwrap_or_default().trim().to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SLAVE: &[&str] = &["REPLICATION SLAVE"];
    const CLIENT: &[&str] = &["REPLICATION CLIENT", "BINLOG MONITOR"];

    #[test]
    fn grants_of_real_servers() {
        for (lines, slave, client, select) in [
            (
                &[
                    "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `maxwell`@`%`",
                    "GRANT ALL PRIVILEGES ON `maxwell`.* TO `maxwell`@`%`",
                ][..],
                Right::Given,
                Right::Given,
                Right::Given,
            ),
            (
                &["GRANT SELECT, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO `m`@`%` IDENTIFIED BY PASSWORD '*B4'"],
                Right::Given,
                Right::Given,
                Right::Given,
            ),
            (
                &["GRANT ALL PRIVILEGES ON *.* TO 'root'@'localhost' WITH GRANT OPTION", "GRANT PROXY ON ''@'' TO 'root'@'localhost'"],
                Right::Given,
                Right::Given,
                Right::Given,
            ),
            (&["GRANT USAGE ON *.* TO `m`@`%`"], Right::Missing, Right::Missing, Right::Missing),
            (&["GRANT USAGE ON *.* TO `m`@`%`", "GRANT SELECT ON `shop`.* TO `m`@`%`"], Right::Missing, Right::Missing, Right::Given),
            (
                &["GRANT USAGE ON *.* TO `m`@`%`", "GRANT SELECT (`a`, `b ON c`), INSERT (`a`) ON `shop`.`t` TO `m`@`%`"],
                Right::Missing,
                Right::Missing,
                Right::Given,
            ),
            (&["GRANT USAGE ON *.* TO `m`@`%`", "GRANT `reader`@`%` TO `m`@`%`"], Right::Unknown, Right::Unknown, Right::Unknown),
            (&["GRANT ALL PRIVILEGES ON `maxwell`.* TO `maxwell`@`%`"], Right::Missing, Right::Missing, Right::Given),
        ] {
            let grants = Grants::parse(lines.iter().copied());
            assert_eq!((grants.global(SLAVE), grants.global(CLIENT), grants.anywhere(&["SELECT"])), (slave, client, select), "{lines:?}");
        }
    }

    #[test]
    fn rights_on_one_database() {
        const INSERT: &[&str] = &["INSERT"];
        for (line, database, right) in [
            ("GRANT ALL PRIVILEGES ON `maxwell`.* TO `m`@`%`", "maxwell", Right::Given),
            ("GRANT ALL PRIVILEGES ON `maxwell`.* TO `m`@`%`", "maxwell2", Right::Missing),
            ("GRANT SELECT ON `maxwell`.* TO `m`@`%`", "maxwell", Right::Missing),
            ("GRANT INSERT ON *.* TO `m`@`%`", "maxwell", Right::Given),
            ("GRANT INSERT ON `max\\_well`.* TO `m`@`%`", "max_well", Right::Given),
            ("GRANT INSERT ON `max\\_well`.* TO `m`@`%`", "maxxwell", Right::Missing),
            ("GRANT INSERT ON `max_well`.* TO `m`@`%`", "maxxwell", Right::Given),
            ("GRANT INSERT ON `%`.* TO `m`@`%`", "maxwell", Right::Given),
            ("GRANT INSERT ON `m%l`.* TO `m`@`%`", "maxwell", Right::Given),
            ("GRANT INSERT ON `maxwell`.`positions` TO `m`@`%`", "maxwell", Right::Unknown),
            ("GRANT INSERT ON `a``b`.* TO `m`@`%`", "a`b", Right::Given),
            ("GRANT `writer`@`%` TO `m`@`%`", "maxwell", Right::Unknown),
            ("GRANT EXECUTE ON FUNCTION `maxwell`.`f` TO `m`@`%`", "maxwell", Right::Missing),
        ] {
            assert_eq!(Grants::parse([line]).on_database(database, INSERT), right, "{line} {database}");
        }
        assert_eq!(Grants::parse(["GRANT `w`@`%` TO `m`@`%`"]).with_roles_resolved().global(INSERT), Right::Missing);
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in "(GRANT )?[A-Z`,() ON.*]{0,40}") {
            Grants::parse([line.as_str()]).on_database("maxwell", &["INSERT"]);
        }
    }
}
