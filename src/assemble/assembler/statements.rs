//! Statements of the log: those that begin and end transactions, changes of rows that must not stand there, and DDL.
//! Never here: what a statement is (`statement`), or what DDL means (`schema::ddl`).

use super::*;

impl Assembler {
    pub(super) fn on_query(&mut self, event: &RawEvent, start: u64) -> Result<Step> {
        if let Some(thread_id) = query::begin_thread_id(event) {
            // The short way for what stands before every transaction: no status variables are looked at.
            self.unfinished()?;
            self.begin(&event.header, start, Some(thread_id), false);
            return Ok(Step::More);
        }
        let inside = self.open.is_some();
        if std::mem::take(&mut self.passes_statement) {
            return Ok(self.statement_end(inside));
        }
        let query = query::Query::parse(event).map_err(|e| bad(&event.header, e))?;
        let statement = statement::recognise(query.sql, inside);
        if self.is_mid_transaction(statement, query.sql) {
            return Ok(Step::StartedInside(BinlogPosition { file: self.at.file.clone(), offset: start }));
        }
        match statement {
            Statement::Begin => {
                self.unfinished()?;
                self.begin(&event.header, start, Some(query.thread_id), false);
                Ok(Step::More)
            }
            Statement::XaBegin => {
                self.unfinished()?;
                self.begin(&event.header, start, Some(query.thread_id), true);
                Ok(Step::More)
            }
            Statement::XaEnd if inside => Ok(Step::More),
            Statement::XaEnd => self.nothing_open("an XA END", start),
            Statement::XaCommit => self.on_xa_commit(event, &query, start),
            Statement::XaRollback => self.on_xa_rollback(&query),
            Statement::Commit => self.commit(&event.header, None),
            Statement::Rollback => {
                let touched = self.open.take().is_some_and(|o| o.touches_users);
                let gtid = self.gtid.clone();
                Ok(Step::Boundary(self.end_here(gtid, touched)))
            }
            Statement::Nothing => {
                if let Some(open) = &mut self.open {
                    open.savepoint(query.sql, self.tables.number())?;
                }
                Ok(self.statement_end(inside))
            }
            Statement::RowChange(_) if self.concerns_excluded(&query) => Ok(self.statement_end(inside)),
            Statement::RowChange(verb) => Err(Error::definite(format!("the server logged a {verb} statement instead of its rows"))
                .detail(format!("default database {}", query.database))
                .hint("set binlog_format=ROW for every session of the server, then set a position after this event")),
            Statement::Schema => self.on_ddl(event, &query, start, inside),
        }
    }

    /// Whether a statement-format change can only be of databases of which nothing is output. MariaDB does not tell which
    /// databases a statement changes: there it is the default database, if no name with a database before it can be in
    /// the text.
    fn concerns_excluded(&self, query: &query::Query<'_>) -> bool {
        let excluded = |name: &[u8]| std::str::from_utf8(name).is_ok_and(|name| self.options.filter.database_excluded(name));
        match &query.status.updated_databases {
            Some(names) if !names.is_empty() => names.iter().all(|name| excluded(name)),
            _ => !query.database.is_empty() && excluded(query.database.as_bytes()) && !query.sql.contains(&b'.'),
        }
    }

    /// Whether a statement that comes first after the stream was opened stands inside a transaction: a savepoint always
    /// does, any other does if its server writes a GTID event (also an anonymous one) before each group.
    pub(super) fn is_mid_transaction(&self, statement: Statement, sql: &[u8]) -> bool {
        if !self.fresh || self.open.is_some() {
            return false;
        }
        match statement {
            Statement::Begin | Statement::Commit => false,
            Statement::XaEnd => true,
            Statement::Nothing if statement::is_savepoint(sql) => true,
            _ => self.flavor == Flavor::MariaDb || self.server_version >= (5, 7, 0),
        }
    }

    /// A statement that leaves the schema as it is.
    fn statement_end(&mut self, inside: bool) -> Step {
        if inside {
            return Step::More;
        }
        let gtid = self.gtid.clone();
        Step::Boundary(self.end_here(gtid, true))
    }

    fn on_ddl(&mut self, event: &RawEvent, query: &query::Query<'_>, start: u64, inside: bool) -> Result<Step> {
        let at = BinlogPosition { file: self.at.file.clone(), offset: start };
        if inside && self.before.is_none() {
            self.before = Some((self.schema.clone(), self.schema_id));
        }
        let untouched = self.tables.doubts.is_uneasy().then(|| self.schema.clone());
        let outcome = statement::interpret(query, self.flavor, self.server_version, &mut self.schema, &self.options.filter);
        let (changes, doubted) = match outcome {
            // What table ids stand for stays, too: such statements stand inside transactions (DROP TEMPORARY TABLE), where
            // all that an id stood for is kept until the commit.
            Outcome::Nothing => return Ok(self.statement_end(inside)),
            Outcome::Changes(changes) => {
                self.tables.clear();
                self.tables.cut(&doubt::concerned(&changes));
                let doubted = self.tables.doubts.statement(&changes, &at, untouched.as_ref().unwrap_or(&self.schema));
                let why = match self.tables.doubts.is_in_window(&at) {
                    true => "it ran while definitions were captured",
                    false => "it builds on a definition that is in doubt",
                };
                (changes, (!doubted.is_empty()).then(|| (doubted, why.to_string())))
            }
            Outcome::Unproved { concerns, why } => {
                self.tables.clear();
                let mut names: Vec<_> = concerns.into_iter().map(|(database, table)| TableName { database, table }).collect();
                if names.is_empty() {
                    // It may concern anything that waits for its proof.
                    names = self.tables.doubts.names();
                }
                self.tables.cut(&names);
                (Vec::new(), Some((names, why)))
            }
        };
        if let Some((tables, why)) = doubted {
            tracing::warn!(%at, why, "a statement's effect has to be read from the server");
            let statement = String::from_utf8_lossy(query.sql).chars().take(STATEMENT_CHARS_MAX).collect();
            self.tables.doubts.raise(&tables, &Arc::new(Cause { why: why.clone(), statement, at: at.clone() }));
            // What the statement changed is taken from the server once it is proved; until then nothing is stored, and
            // nothing is believed that is not stored.
            if let Some(untouched) = untouched {
                self.schema = untouched;
            }
            let gtid = self.gtid.clone();
            let end = (!inside).then(|| self.end_here(gtid.clone(), true));
            return Ok(Step::NeedsTables(TableRequest { tables, why, at, stated: false, end, gtid, timestamp: event.header.timestamp }));
        }
        let gtid = self.gtid.clone();
        let end = (!inside).then(|| self.end_here(gtid.clone(), true));
        let sql = event.body.slice_ref(query.sql);
        self.has_version = true;
        Ok(Step::Schema(SchemaStep { changes, sql, at, timestamp: event.header.timestamp, gtid, end, repair: false }))
    }
}
