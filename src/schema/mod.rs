//! The tracked definitions: which databases, tables and columns exist at a position of the binlog.
//!
//! Invariant: no I/O, no clock, no bytes of events. `ddl` moves a schema on, `delta` reads and writes Maxwell's JSON form.

pub mod collation;
pub mod compact;
pub mod ddl;
pub mod delta;
pub mod mend;
pub mod misread;
pub mod prepared;
pub mod repair;

use std::sync::Arc;

pub use ddl::as_maxwell::View;

/// Id of a stored schema version (`schemas.id` in the schema database).
pub type SchemaId = i64;

/// `lower_case_table_names` of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CaseRule {
    /// 0: names are stored and compared as written.
    #[default]
    Sensitive,
    /// 1: names are stored in lower case.
    Lower,
    /// 2: names are stored as written and compared without case.
    Insensitive,
}

impl CaseRule {
    /// Whether two database or table names are the same name under this rule.
    pub fn same(self, a: &str, b: &str) -> bool {
        match self {
            CaseRule::Sensitive => a == b,
            CaseRule::Lower | CaseRule::Insensitive => a == b || a.to_lowercase() == b.to_lowercase(),
        }
    }
}

/// All databases, in Maxwell's order (capture: by name; later ones at the end).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    pub databases: Vec<Database>,
    /// The server's default character set, for `CREATE DATABASE` without a clause.
    pub charset: String,
    pub case: CaseRule,
    /// The same as Maxwell has them, under `maxwell_quirks` only.
    pub as_maxwell: Option<Arc<View>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    pub name: String,
    pub charset: String,
    /// In order of creation. Shared, so that a schema version is cheap to keep.
    pub tables: Vec<Arc<Table>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub database: String,
    pub name: String,
    /// Default character set of the table; Maxwell allows it to be unknown.
    pub charset: Option<String>,
    pub columns: Vec<Column>,
    /// Names of the primary key's columns, in key order, spelled as the columns are.
    pub primary_key: Vec<String>,
}

/// A column, reduced to what decides its rendering and its place in Maxwell's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub ty: ColumnType,
}

/// The declared type. Aliases are resolved (`integer` is `Int`); `type_name` gives Maxwell's canonical spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// tinyint, smallint, mediumint, int, bigint
    Int {
        width: IntWidth,
        unsigned: bool,
    },
    Float,
    Double,
    Decimal,
    Bit,
    Year,
    Date,
    /// datetime, timestamp and time, with the declared number of fractional digits (0 when none).
    Datetime {
        fraction: u8,
    },
    Timestamp {
        fraction: u8,
    },
    Time {
        fraction: u8,
    },
    /// char, varchar, tinytext … longtext. `None`: the charset is not known (Maxwell's null).
    Text {
        kind: TextKind,
        charset: Option<String>,
    },
    /// binary, varbinary, tinyblob … longblob
    Binary {
        kind: BinaryKind,
    },
    Enum {
        labels: Arc<[String]>,
        charset: Option<String>,
    },
    Set {
        labels: Arc<[String]>,
        charset: Option<String>,
    },
    Json,
    /// The declared geometry type: "geometry", "point", "linestring" … lower case.
    Geometry {
        name: &'static str,
    },
    /// A type that is tracked but that Maxwell's format cannot name: "vector", "uuid", "inet4", "inet6" … lower case.
    /// Rows of such a column are handled by later codecs; until then a row that would be output stops the daemon.
    Other {
        name: String,
        unsigned: bool,
        charset: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntWidth {
    Tiny,
    Small,
    Medium,
    Int,
    Big,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    Char,
    Varchar,
    Tiny,
    Text,
    Medium,
    Long,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryKind {
    Binary,
    Varbinary,
    Tiny,
    Blob,
    Medium,
    Long,
}

impl ColumnType {
    /// Maxwell's name of the type, as in `columns.coltype` and in DDL messages (contract §8.1).
    pub fn type_name(&self) -> &str {
        match self {
            ColumnType::Int { width, .. } => match width {
                IntWidth::Tiny => "tinyint",
                IntWidth::Small => "smallint",
                IntWidth::Medium => "mediumint",
                IntWidth::Int => "int",
                IntWidth::Big => "bigint",
            },
            ColumnType::Float => "float",
            ColumnType::Double => "double",
            ColumnType::Decimal => "decimal",
            ColumnType::Bit => "bit",
            ColumnType::Year => "year",
            ColumnType::Date => "date",
            ColumnType::Datetime { .. } => "datetime",
            ColumnType::Timestamp { .. } => "timestamp",
            ColumnType::Time { .. } => "time",
            ColumnType::Text { kind, .. } => match kind {
                TextKind::Char => "char",
                TextKind::Varchar => "varchar",
                TextKind::Tiny => "tinytext",
                TextKind::Text => "text",
                TextKind::Medium => "mediumtext",
                TextKind::Long => "longtext",
            },
            ColumnType::Binary { kind } => match kind {
                BinaryKind::Binary => "binary",
                BinaryKind::Varbinary => "varbinary",
                BinaryKind::Tiny => "tinyblob",
                BinaryKind::Blob => "blob",
                BinaryKind::Medium => "mediumblob",
                BinaryKind::Long => "longblob",
            },
            ColumnType::Enum { .. } => "enum",
            ColumnType::Set { .. } => "set",
            ColumnType::Json => "json",
            ColumnType::Geometry { name } => name,
            ColumnType::Other { name, .. } => name,
        }
    }
}

/// Maxwell's names of the geometry types, in lower case; MySQL 8 also calls the collection `geomcollection`.
pub fn geometry_name(word: &str) -> Option<&'static str> {
    const NAMES: [&str; 8] =
        ["geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"];
    let word = if word.eq_ignore_ascii_case("geomcollection") { "geometrycollection" } else { word };
    NAMES.into_iter().find(|name| name.eq_ignore_ascii_case(word))
}

impl TextKind {
    /// The smallest TEXT type that holds this many bytes (`get_blob_type_from_length` of the servers).
    pub fn holding(bytes: u64) -> Self {
        match bytes {
            0..=0xff => TextKind::Tiny,
            0x100..=0xffff => TextKind::Text,
            0x1_0000..=0xff_ffff => TextKind::Medium,
            _ => TextKind::Long,
        }
    }

    /// The most bytes of a TEXT type; `None` for CHAR and VARCHAR, whose length is declared.
    pub fn max_bytes(self) -> Option<u64> {
        match self {
            TextKind::Char | TextKind::Varchar => None,
            TextKind::Tiny => Some(0xff),
            TextKind::Text => Some(0xffff),
            TextKind::Medium => Some(0xff_ffff),
            TextKind::Long => Some(0xffff_ffff),
        }
    }
}

impl BinaryKind {
    /// The smallest BLOB type that holds this many bytes.
    pub fn holding(bytes: u64) -> Self {
        match TextKind::holding(bytes) {
            TextKind::Tiny => BinaryKind::Tiny,
            TextKind::Text => BinaryKind::Blob,
            TextKind::Medium => BinaryKind::Medium,
            _ => BinaryKind::Long,
        }
    }
}

impl ColumnType {
    /// The labels of ENUM and SET.
    pub fn labels(&self) -> Option<&Arc<[String]>> {
        match self {
            ColumnType::Enum { labels, .. } | ColumnType::Set { labels, .. } => Some(labels),
            _ => None,
        }
    }

    /// The character set of text and labels, if it is known.
    pub fn charset(&self) -> Option<&str> {
        match self {
            ColumnType::Text { charset, .. }
            | ColumnType::Enum { charset, .. }
            | ColumnType::Set { charset, .. }
            | ColumnType::Other { charset, .. } => charset.as_deref(),
            _ => None,
        }
    }
}

impl Schema {
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.iter().find(|d| self.case.same(&d.name, name))
    }

    pub fn database_mut(&mut self, name: &str) -> Option<&mut Database> {
        let case = self.case;
        self.databases.iter_mut().find(|d| case.same(&d.name, name))
    }

    pub fn table(&self, database: &str, table: &str) -> Option<&Arc<Table>> {
        self.database(database)?.tables.iter().find(|t| self.case.same(&t.name, table))
    }
}

impl Table {
    /// Column names are compared without case, as the server does.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name).or_else(|| {
            let lower = name.to_lowercase();
            self.columns.iter().position(|c| c.name.to_lowercase() == lower)
        })
    }
}
