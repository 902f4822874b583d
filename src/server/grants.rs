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
    /// Privilege names granted on a single database or table.
    partial: Vec<String>,
    has_roles: bool,
}

impl Grants {
    /// Reads the lines of `SHOW GRANTS` (MySQL manual and MariaDB knowledge base, "SHOW GRANTS").
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut grants = Grants::default();
        for line in lines {
            let Some(rest) = line.strip_prefix("GRANT ") else { continue };
            match split_object(rest) {
                Some((privileges, object)) => {
                    let list = if object.starts_with("*.*") { &mut grants.global } else { &mut grants.partial };
                    list.extend(privileges);
                }
                // `GRANT role TO user` has no object.
                None => grants.has_roles = true,
            }
        }
        grants
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
        if has(&self.partial, names) { Right::Given } else { self.global(names) }
    }
}

fn has(granted: &[String], names: &[&str]) -> bool {
    granted.iter().any(|g| g == "ALL PRIVILEGES" || g == "ALL" || names.contains(&g.as_str()))
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

    proptest! {
        #[test]
        fn any_line_is_read(line in "(GRANT )?[A-Z`,() ON.*]{0,40}") {
            Grants::parse([line.as_str()]);
        }
    }
}
