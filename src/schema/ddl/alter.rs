//! The clauses of ALTER TABLE.
//!
//! Clauses on indexes, constraints, partitions, defaults, engines and other options leave the definitions as they are,
//! and are skipped. A first word that no server version had until now is an error, for it could mean anything.

use super::ast::{AlterSpec, AlterTable, CharsetClause, ColumnDef, Ddl, KeyPart, Placement};
use super::parser::Parser;
use super::tokens::{NotUnderstood, Parsed};

/// First words of clauses that change no definition and end at the next comma.
const SKIPPED: &[&str] = &[
    "ALGORITHM",
    "ALTER",
    "AUTOEXTEND_SIZE",
    "AUTO_INCREMENT",
    "AVG_ROW_LENGTH",
    "CHECKSUM",
    "COMMENT",
    "COMPRESSION",
    "CONNECTION",
    "DATA",
    "DELAY_KEY_WRITE",
    "DISABLE",
    "DISCARD",
    "ENABLE",
    "ENCRYPTION",
    "ENGINE",
    "ENGINE_ATTRIBUTE",
    "FORCE",
    "IMPORT",
    "INDEX",
    "INSERT_METHOD",
    "KEY_BLOCK_SIZE",
    "LOCK",
    "MAX_ROWS",
    "MIN_ROWS",
    "PACK_KEYS",
    "PAGE_CHECKSUM",
    "PAGE_COMPRESSED",
    "PAGE_COMPRESSION_LEVEL",
    "PASSWORD",
    "RAID_CHUNKS",
    "RAID_CHUNKSIZE",
    "RAID_TYPE",
    "ROW_FORMAT",
    "SECONDARY_ENGINE",
    "SECONDARY_ENGINE_ATTRIBUTE",
    "SECONDARY_LOAD",
    "SECONDARY_UNLOAD",
    "SEQUENCE",
    "STATS_AUTO_RECALC",
    "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES",
    "STORAGE",
    "TABLESPACE",
    "TABLE_CHECKSUM",
    "TRANSACTIONAL",
    "TYPE",
    "UNION",
    "WITH",
    "WITHOUT",
];

/// First words after which nothing but partitions or a sort order follows, whose own commas end no clause.
const LAST: &[&str] = &[
    "ANALYZE",
    "CHECK",
    "COALESCE",
    "EXCHANGE",
    "OPTIMIZE",
    "ORDER",
    "PARTITION",
    "REBUILD",
    "REMOVE",
    "REORGANIZE",
    "REPAIR",
    "TRUNCATE",
    "UPGRADE",
];

impl Parser<'_> {
    pub(super) fn alter_table(&mut self) -> Parsed<Ddl> {
        let if_exists = self.tokens.eat_if_exists();
        let name = self.table_name()?;
        self.tokens.eat_wait();
        let (mut specs, mut clauses) = (Vec::new(), 0);
        while !self.tokens.at_end() {
            self.alter_spec(&mut specs)?;
            clauses += 1;
            if !self.tokens.eat_symbol(b',') && !self.tokens.at_end() {
                // Options may stand side by side, and partitioning after any clause; anything else is not understood.
                self.at_option()?;
            }
        }
        Ok(Ddl::AlterTable(Box::new(AlterTable { name, if_exists, specs, clauses })))
    }

    /// Fails unless what stands here may follow a clause without a comma.
    fn at_option(&self) -> Parsed<()> {
        let known = self.tokens.is_any(SKIPPED)
            || self.tokens.is_any(&["PARTITION", "REMOVE", "CHARACTER", "CHAR", "CHARSET", "COLLATE", "DEFAULT"]);
        if known || self.tokens.second().is_symbol(b'=') { Ok(()) } else { Err(self.tokens.unexpected("a comma")) }
    }

    fn alter_spec(&mut self, specs: &mut Vec<AlterSpec>) -> Parsed<()> {
        let tokens = &mut self.tokens;
        match () {
            () if tokens.eat_word("ADD") => self.add(specs),
            () if tokens.eat_word("CHANGE") => self.change(specs),
            () if tokens.eat_word("MODIFY") => self.modify(specs),
            () if tokens.eat_word("DROP") => self.drop_spec(specs),
            () if tokens.eat_word("RENAME") => self.rename_spec(specs),
            () if tokens.eat_word("CONVERT") => self.convert(specs),
            () if tokens.is_word("WITH") && tokens.second().is_word("SYSTEM") => {
                tokens.next();
                tokens.next();
                specs.push(AlterSpec::AddVersioning);
                tokens.expect_word("VERSIONING")
            }
            () if tokens.is_any(LAST) => tokens.skip_rest(),
            () => self.table_option(specs),
        }
    }

    /// One or more table options side by side, up to the comma.
    fn table_option(&mut self, specs: &mut Vec<AlterSpec>) -> Parsed<()> {
        let mut charset = CharsetClause::default();
        if self.charset_option(&mut charset)? {
            // A collation next to a character set is part of the same option.
            while self.charset_option(&mut charset)? {}
            specs.push(AlterSpec::TableCharset(charset));
            return Ok(());
        }
        let known = self.tokens.is_any(SKIPPED);
        if !known && !self.tokens.second().is_symbol(b'=') {
            return Err(self.tokens.unexpected("a clause of ALTER TABLE"));
        }
        // `DISCARD PARTITION p0, p1 TABLESPACE`: the commas divide no clauses.
        if self.tokens.eat_any(&["DISCARD", "IMPORT"]) {
            while !self.tokens.at_end() && !self.tokens.eat_word("TABLESPACE") {
                self.tokens.skip_one()?;
            }
            return Ok(());
        }
        // `ALTER [COLUMN] c SET DEFAULT expression` may hold anything; an option has a name and one value.
        if self.tokens.is_any(&["ALTER", "WITH", "WITHOUT"]) {
            return self.skip_to_partitioning();
        }
        self.tokens.next();
        if self.tokens.eat_any(&["DIRECTORY", "KEYS"]) && self.tokens.at_clause_end() {
            return Ok(());
        }
        let assigned = self.tokens.eat_symbol(b'=');
        // `ALGORITHM DEFAULT`, and not the beginning of `DEFAULT CHARSET`.
        let charset_follows = self.tokens.second().is_any_word(&["CHARACTER", "CHAR", "CHARSET", "COLLATE"]);
        let is_default = self.tokens.is_word("DEFAULT") && !charset_follows;
        if !self.tokens.at_clause_end() && (assigned || is_default || self.at_option().is_err()) {
            self.tokens.skip_one()?;
        }
        Ok(())
    }

    fn skip_to_partitioning(&mut self) -> Parsed<()> {
        while !self.tokens.at_clause_end() && !self.tokens.are_words("PARTITION", "BY") && !self.tokens.are_words("REMOVE", "PARTITIONING")
        {
            self.tokens.skip_one()?;
        }
        Ok(())
    }

    fn add(&mut self, specs: &mut Vec<AlterSpec>) -> Parsed<()> {
        let tokens = &mut self.tokens;
        if tokens.is_word("PARTITION") {
            return tokens.skip_rest();
        }
        if tokens.eat_words("SYSTEM", "VERSIONING") {
            specs.push(AlterSpec::AddVersioning);
            return Ok(());
        }
        if self.at_key_element() {
            return self.add_key(specs);
        }
        self.tokens.eat_word("COLUMN");
        let if_not_exists = self.tokens.eat_if_not_exists();
        if self.tokens.eat_symbol(b'(') {
            return self.add_list(specs, if_not_exists);
        }
        let def = self.column_def()?;
        let place = self.placement()?;
        add_column(specs, def, place, if_not_exists);
        Ok(())
    }

    fn add_key(&mut self, specs: &mut Vec<AlterSpec>) -> Parsed<()> {
        if let Some(period) = self.period_if_any()? {
            specs.push(AlterSpec::AddPeriod(period));
            return Ok(());
        }
        let mut ahead = self.tokens;
        if ahead.eat_word("CONSTRAINT") && !ahead.eat_if_not_exists() && !ahead.is_word("PRIMARY") {
            ahead.next();
        }
        let if_not_exists = ahead.eat_words("PRIMARY", "KEY") && ahead.eat_if_not_exists();
        if let Some(parts) = self.primary_key_if_any()? {
            specs.push(AlterSpec::AddPrimaryKey { parts, if_not_exists });
        }
        self.skip_to_partitioning()
    }

    /// `ADD [COLUMN] (definition or key, …)`.
    fn add_list(&mut self, specs: &mut Vec<AlterSpec>, if_not_exists: bool) -> Parsed<()> {
        loop {
            if self.at_key_element() {
                self.add_key(specs)?;
            } else {
                let def = self.column_def()?;
                add_column(specs, def, None, if_not_exists);
            }
            if !self.tokens.eat_symbol(b',') {
                break;
            }
        }
        self.tokens.expect_symbol(b')')
    }

    fn change(&mut self, specs: &mut Vec<AlterSpec>) -> Parsed<()> {
        self.tokens.eat_word("COLUMN");
        let if_exists = self.tokens.eat_if_exists();
        let old = self.column_name()?;
        let def = self.column_def()?;
        let place = self.placement()?;
        specs.push(AlterSpec::Change { old, def, place, if_exists });
        Ok(())
    }

    fn modify(&mut self, specs: &mut Vec<AlterSpec>) -> Parsed<()> {
        self.tokens.eat_word("COLUMN");
        let if_exists = self.tokens.eat_if_exists();
        let def = self.column_def()?;
        let place = self.placement()?;
        specs.push(AlterSpec::Change { old: def.name.clone(), def, place, if_exists });
        Ok(())
    }

    fn placement(&mut self) -> Parsed<Option<Placement>> {
        if self.tokens.eat_word("FIRST") {
            return Ok(Some(Placement::First));
        }
        if self.tokens.eat_word("AFTER") {
            return self.tokens.name().map(|name| Some(Placement::After(name)));
        }
        Ok(None)
    }

    fn drop_spec(&mut self, specs: &mut Vec<AlterSpec>) -> Parsed<()> {
        let tokens = &mut self.tokens;
        if tokens.is_word("PARTITION") {
            return tokens.skip_rest();
        }
        if tokens.are_words("CONSTRAINT", "PRIMARY") {
            // MariaDB takes `CONSTRAINT PRIMARY KEY` too; a constraint of that name is the key in any case.
            tokens.next();
            tokens.next();
            tokens.eat_word("KEY");
            specs.push(AlterSpec::DropPrimaryKey);
            return Ok(());
        }
        if tokens.eat_words("PRIMARY", "KEY") {
            tokens.eat_if_exists();
            specs.push(AlterSpec::DropPrimaryKey);
            return Ok(());
        }
        if tokens.eat_words("SYSTEM", "VERSIONING") {
            specs.push(AlterSpec::DropVersioning);
            return Ok(());
        }
        let is_period = tokens.are_words("PERIOD", "FOR") || tokens.are_words("PERIOD", "IF");
        if tokens.are_words("FOREIGN", "KEY") || is_period || tokens.is_word("CHECK") {
            return self.skip_to_partitioning();
        }
        if tokens.eat_any(&["INDEX", "KEY", "CONSTRAINT"]) {
            tokens.eat_if_exists();
            if tokens.name()?.eq_ignore_ascii_case("PRIMARY") {
                specs.push(AlterSpec::DropPrimaryKey);
            }
            return Ok(());
        }
        tokens.eat_word("COLUMN");
        let if_exists = tokens.eat_if_exists();
        let name = tokens.name()?;
        tokens.eat_any(&["RESTRICT", "CASCADE"]);
        specs.push(AlterSpec::Drop { name, if_exists });
        Ok(())
    }

    fn rename_spec(&mut self, specs: &mut Vec<AlterSpec>) -> Parsed<()> {
        let tokens = &mut self.tokens;
        if tokens.eat_word("COLUMN") {
            let if_exists = tokens.eat_if_exists();
            let from = tokens.name()?;
            tokens.expect_word("TO")?;
            let to = tokens.name()?;
            specs.push(AlterSpec::RenameColumn { from, to, if_exists });
            return Ok(());
        }
        if tokens.is_any(&["INDEX", "KEY"]) {
            return tokens.skip_clause();
        }
        if !tokens.eat_any(&["TO", "AS"]) {
            tokens.eat_symbol(b'=');
        }
        let name = self.table_name()?;
        specs.push(AlterSpec::RenameTo(name));
        Ok(())
    }

    fn convert(&mut self, specs: &mut Vec<AlterSpec>) -> Parsed<()> {
        if self.tokens.eat_word("PARTITION") {
            self.tokens.name()?;
            self.tokens.expect_word("TO")?;
            self.tokens.expect_word("TABLE")?;
            let name = self.table_name()?;
            specs.push(AlterSpec::PartitionToTable(name));
            return self.tokens.skip_rest();
        }
        if self.tokens.eat_word("TABLE") {
            let name = self.table_name()?;
            specs.push(AlterSpec::TableToPartition(name));
            return self.tokens.skip_rest();
        }
        self.tokens.expect_word("TO")?;
        let mut charset = CharsetClause::default();
        while self.charset_option(&mut charset)? {}
        if charset == CharsetClause::default() {
            return Err(NotUnderstood("CONVERT TO something other than a character set".into()));
        }
        specs.push(AlterSpec::ConvertCharset(charset));
        Ok(())
    }
}

/// MariaDB: under IF NOT EXISTS the column's key is a clause of its own. It is added to a column that exists, and left
/// out where there is a primary key.
fn add_column(specs: &mut Vec<AlterSpec>, mut def: ColumnDef, place: Option<Placement>, if_not_exists: bool) {
    let key = if_not_exists && std::mem::take(&mut def.primary_key);
    let parts = vec![KeyPart { name: def.name.clone(), without_overlaps: false }];
    specs.push(AlterSpec::Add { def, place, if_not_exists });
    if key {
        specs.push(AlterSpec::AddPrimaryKey { parts, if_not_exists });
    }
}
