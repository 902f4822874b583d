//! Evaluation of filter rules on names (contract §7.2–7.4).

use std::fmt;
use std::sync::Arc;

use super::Verdict;
use super::grammar::{self, Action, Rule};
use super::row_rules::{Compiled, RowRules};

/// A parsed rule list, and the name of the schema database, which has rules of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    rules: Vec<Rule>,
    schema_database: Arc<str>,
}

/// No rules: everything is output. The schema database is `maxwell`.
impl Default for Filter {
    fn default() -> Self {
        Filter { rules: Vec::new(), schema_database: "maxwell".into() }
    }
}

impl Filter {
    /// Reads a filter's text. Also returns warnings: rules understood by leniency, and an `include` that includes
    /// nothing more because nothing was excluded. The error is Maxwell's text without its prefix.
    pub fn parse(text: &str) -> Result<(Filter, Vec<String>), String> {
        let (rules, mut warnings) = grammar::parse(text)?;
        let has_include = rules.iter().any(|r| r.action == Action::Include);
        let excludes_all = |r: &Rule| r.action != Action::Include && r.column.is_none() && r.database.is_any() && r.table.is_any();
        if has_include && !rules.iter().any(excludes_all) {
            warnings.push(
                "the filter includes tables but has no 'exclude: *.*': everything that no rule excludes is still sent; \
                 to send only what is included, begin the filter with 'exclude: *.*'"
                    .into(),
            );
        }
        Ok((Filter { rules, ..Filter::default() }, warnings))
    }

    /// The same rules for another schema database.
    pub fn for_schema_database(mut self, name: &str) -> Filter {
        self.schema_database = name.into();
        self
    }

    pub(super) fn schema_database(&self) -> &str {
        &self.schema_database
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The table-level result: the last rule without a column that matches both names decides; included if none does.
    /// Letter case counts, whatever `lower_case_table_names` is.
    pub fn table_included(&self, database: &str, table: &str) -> bool {
        let last = self.rules.iter().rev().find(|r| r.column.is_none() && names_match(r, database, table));
        last.is_none_or(|r| r.action == Action::Include)
    }

    /// Whether a DDL message is output. A database-level change has the empty string as its table, so that
    /// `exclude: db.*` drops it and `exclude: *.t` does not. A rename must pass with the old and the new table name,
    /// both with the *old* database: see `rename_included`.
    pub fn ddl_included(&self, database: &str, table: &str) -> bool {
        self.table_included(database, table)
    }

    pub fn rename_included(&self, old_database: &str, old_table: &str, new_table: &str) -> bool {
        self.ddl_included(old_database, old_table) && self.ddl_included(old_database, new_table)
    }

    /// Whether rows are skipped and DDL is not even applied to the tracked schema: tables that RDS keeps for itself, and
    /// those that a blacklist rule matches. The rules can never blacklist the schema database.
    pub fn blacklisted(&self, database: &str, table: &str) -> bool {
        is_system_table(database, table)
            || (database != &*self.schema_database
                && self.rules.iter().any(|r| r.action == Action::Blacklist && r.column.is_none() && names_match(r, database, table)))
    }

    /// Whether a blacklist rule covers every table of the database.
    pub fn database_blacklisted(&self, database: &str) -> bool {
        database != &*self.schema_database
            && self
                .rules
                .iter()
                .any(|r| r.action == Action::Blacklist && r.column.is_none() && r.table.is_any() && r.database.matches_name(database))
    }

    /// Whether the rules let no row of any table of this database through, whatever its name.
    pub fn database_excluded(&self, database: &str) -> bool {
        if database == &*self.schema_database {
            return false;
        }
        let excluded = self.rules.iter().filter(|r| r.database.matches_name(database)).fold(false, |excluded, r| match r.action {
            Action::Include => false,
            _ => excluded || r.column.is_none() && r.table.is_any(),
        });
        excluded || self.database_blacklisted(database)
    }

    /// What becomes of a table's rows; `columns` are its columns in order. Blacklisted: drop. Our own `bootstrap` and
    /// `heartbeats`: keep, whatever the rules say. Else by the rules, and row by row if one looks at a column that the
    /// table has.
    pub fn verdict(&self, database: &str, table: &str, columns: &[&str]) -> Verdict {
        if self.blacklisted(database, table) {
            return Verdict::Drop;
        }
        if database == &*self.schema_database && matches!(table, "bootstrap" | "heartbeats") {
            return Verdict::Keep;
        }
        match RowRules::compile(self.rules.iter().filter(|r| names_match(r, database, table)), columns) {
            Compiled::Constant(true) => Verdict::Keep,
            Compiled::Constant(false) => Verdict::Drop,
            Compiled::ByValue(rules) => Verdict::NeedValues(Arc::new(rules)),
        }
    }
}

fn names_match(rule: &Rule, database: &str, table: &str) -> bool {
    rule.database.matches_name(database) && rule.table.matches_name(table)
}

/// Tables that RDS and HA set-ups write to all the time (contract §7.3).
fn is_system_table(database: &str, table: &str) -> bool {
    database == "mysql" && (table == "ha_health_check" || table.starts_with("rds_heartbeat"))
}

/// As Maxwell's `/config` shows it.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, rule) in self.rules.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            rule.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
