//! What a statement says, before it is held against the tracked definitions.
//!
//! Only what changes tables, columns, databases, character sets and names is kept. Nothing here knows a schema.

use crate::schema::{BinaryKind, ColumnType, TextKind};

/// A table's name as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub database: Option<String>,
    pub table: String,
}

/// What a statement could concern: a database (`None`: the session's default one) and a table in it, or all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    pub database: Option<String>,
    pub table: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    Ddl(Ddl),
    /// Changes no tracked definition; says what it is.
    PassOver(&'static str),
    /// Changes definitions in a way that was not understood. `concerns` holds every table named so far.
    NotUnderstood {
        concerns: Vec<Concern>,
        why: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ddl {
    CreateDatabase {
        name: String,
        if_not_exists: bool,
        or_replace: bool,
        charset: CharsetClause,
    },
    AlterDatabase {
        name: Option<String>,
        charset: CharsetClause,
    },
    DropDatabase {
        name: String,
    },
    CreateTable(Box<CreateTable>),
    AlterTable(Box<AlterTable>),
    RenameTables {
        renames: Vec<(Name, Name)>,
        if_exists: bool,
    },
    /// `only_sequences`: by DROP SEQUENCE, which leaves a table that is none where it is.
    DropTables {
        names: Vec<Name>,
        only_sequences: bool,
    },
}

/// The first column of MariaDB's sequences, which are tables; nothing else is called so.
pub const SEQUENCE_COLUMN: &str = "next_not_cached_value";

/// CHARACTER SET and COLLATE of a database, table or column; the last of each counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CharsetClause {
    pub charset: Option<CharsetName>,
    pub collation: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CharsetName {
    /// The word DEFAULT: the character set of whatever contains the object.
    Default,
    /// In lower case, otherwise as spelled.
    Named(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTable {
    pub name: Name,
    pub if_not_exists: bool,
    pub or_replace: bool,
    pub body: CreateBody,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateBody {
    Like(Name),
    Columns(TableBody),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableBody {
    pub columns: Vec<ColumnDef>,
    pub primary_key: Option<Vec<KeyPart>>,
    pub charset: CharsetClause,
    /// MariaDB's WITH SYSTEM VERSIONING, or a column that asks for it.
    pub versioned: bool,
    /// MariaDB's `PERIOD FOR name (start, end)`.
    pub periods: Vec<Period>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    pub name: String,
    pub start: String,
    pub end: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPart {
    pub name: String,
    /// MariaDB: the name is a period's, and stands for its two columns.
    pub without_overlaps: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDef {
    pub name: String,
    pub ty: DeclaredType,
    pub charset: CharsetClause,
    /// PRIMARY KEY or bare KEY among the column's attributes.
    pub primary_key: bool,
    /// `CHECK (JSON_VALID(column))`: on MariaDB that is what JSON is.
    /// The attribute BINARY: the `_bin` collation.
    pub binary_collation: bool,
    pub json_check: bool,
    /// Another CHECK. MariaDB then adds none of its own to JSON, so that nothing is left but the text.
    pub other_check: bool,
    /// `GENERATED ALWAYS AS ROW START` or `ROW END`.
    pub row_boundary: Option<RowBoundary>,
    /// `WITH SYSTEM VERSIONING` on the column makes the whole table versioned.
    pub versioned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowBoundary {
    Start,
    End,
}

/// A type as declared; what depends on the character set is settled when the statement is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeclaredType {
    /// Settled by the text alone.
    Settled(ColumnType),
    /// `length` in characters, where it can change the type: TEXT(n), VARCHAR(n).
    Text {
        kind: TextKind,
        length: Option<u64>,
    },
    /// `length` in bytes, where it can change the type: BLOB(n), VARBINARY(n).
    Binary {
        kind: BinaryKind,
        length: Option<u64>,
    },
    Enum(Vec<Label>),
    Set(Vec<Label>),
}

/// A label of ENUM or SET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Label {
    Text(String),
    /// From a hexadecimal or binary literal: bytes in the column's character set.
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterTable {
    pub name: Name,
    pub if_exists: bool,
    /// What changes definitions, in the order of the statement.
    pub specs: Vec<AlterSpec>,
    /// The number of clauses, with those that were skipped.
    pub clauses: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    First,
    After(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterSpec {
    Add {
        def: ColumnDef,
        place: Option<Placement>,
        if_not_exists: bool,
    },
    /// CHANGE, and MODIFY with `old` = the definition's own name.
    Change {
        old: String,
        def: ColumnDef,
        place: Option<Placement>,
        if_exists: bool,
    },
    Drop {
        name: String,
        if_exists: bool,
    },
    RenameColumn {
        from: String,
        to: String,
        if_exists: bool,
    },
    AddPrimaryKey {
        parts: Vec<KeyPart>,
        if_not_exists: bool,
    },
    DropPrimaryKey,
    ConvertCharset(CharsetClause),
    /// The table's default for columns added from now on.
    TableCharset(CharsetClause),
    RenameTo(Name),
    AddPeriod(Period),
    AddVersioning,
    DropVersioning,
    /// MariaDB: a partition becomes a table of this name.
    PartitionToTable(Name),
    /// MariaDB: a table becomes a partition, and is gone.
    TableToPartition(Name),
}
