//! Tracked definitions against what a table map itself says (row metadata, design §5.1).
//!
//! Repair touches only what the metadata states. It knows neither declared text types, nor which bytes MariaDB means as
//! UUID, INET or JSON, nor defaults of tables and databases. This module knows nothing of events: the caller fills
//! `RowMetadata` from a table map. `rebuild` makes definitions whose columns are other ones than those tracked.

mod rebuild;

use std::fmt;
use std::sync::Arc;

pub use rebuild::{Known, Rebuilt};

use super::ddl::Dialect;
use super::{BinaryKind, Column, ColumnType, IntWidth, Table, TextKind, collation};

/// A column's type on the wire, as far as it tells definitions apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireKind {
    Int(IntWidth),
    Float,
    Double,
    Decimal,
    Year,
    Date,
    Time {
        fraction: u8,
    },
    Datetime {
        fraction: u8,
    },
    Timestamp {
        fraction: u8,
    },
    /// Of the old formats, which on MariaDB may have any fraction.
    OldTime,
    OldDatetime,
    OldTimestamp,
    Bit,
    /// CHAR and BINARY of at most so many bytes.
    String {
        bytes: u16,
    },
    /// VARCHAR and VARBINARY of at most so many bytes.
    Varchar {
        bytes: u16,
    },
    /// TEXT and BLOB with this many bytes of length, 1 to 4.
    Blob {
        pack: u8,
    },
    Json,
    Geometry,
    Vector,
    Enum,
    Set,
    /// A type code that is not known here.
    Unknown,
}

/// What a table map says of its table; `None` where the server did not log it. Lists have one entry a column.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowMetadata<'a> {
    /// Whose types they are: the same wire type means other things on the other server.
    pub dialect: Dialect,
    pub kinds: &'a [WireKind],
    pub names: Option<&'a [String]>,
    /// `false` for columns that are no numbers.
    pub unsigned: Option<&'a [bool]>,
    /// Character set of each text, ENUM and SET column; `None` for others. BINARY and BLOB are `binary`.
    pub charsets: Option<&'a [Option<&'a str>]>,
    /// Labels of ENUM and SET columns as text; `None` for others, and for labels that cannot be decoded.
    pub labels: Option<&'a [Option<Arc<[String]>>]>,
    /// Indexes of the primary key's columns in key order; empty without a key.
    pub primary_key: Option<&'a [u16]>,
    /// Geometry type of each column by Maxwell's name, `None` for others.
    pub geometries: Option<&'a [Option<&'static str>]>,
}

/// One thing in which a definition and a table map differ: ours and theirs, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Numbers of columns.
    Width {
        ours: usize,
        theirs: usize,
    },
    Name {
        index: usize,
        ours: String,
        theirs: String,
    },
    Kind {
        column: String,
        ours: String,
        theirs: WireKind,
    },
    Sign {
        column: String,
        unsigned: bool,
    },
    Charset {
        column: String,
        ours: Option<String>,
        theirs: String,
    },
    Labels {
        column: String,
        ours: usize,
        theirs: usize,
    },
    PrimaryKey {
        ours: Vec<String>,
        theirs: Vec<String>,
    },
}

impl Difference {
    /// Whether rows would be decoded under wrong names or as wrong types: repair needs the names then.
    pub fn is_structural(&self) -> bool {
        matches!(self, Difference::Width { .. } | Difference::Name { .. } | Difference::Kind { .. })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Width { ours, theirs } => write!(f, "{ours} columns tracked, {theirs} in the binlog"),
            Difference::Name { index, ours, theirs } => write!(f, "column {} tracked as {ours}, {theirs} in the binlog", index + 1),
            Difference::Kind { column, ours, theirs } => write!(f, "column {column} tracked as {ours}, {theirs:?} in the binlog"),
            Difference::Sign { column, unsigned: true } => write!(f, "column {column} tracked as signed, unsigned in the binlog"),
            Difference::Sign { column, .. } => write!(f, "column {column} tracked as unsigned, signed in the binlog"),
            Difference::Charset { column, ours, theirs } => {
                write!(f, "column {column} tracked in {}, {theirs} in the binlog", ours.as_deref().unwrap_or("an unknown character set"))
            }
            Difference::Labels { column, ours, theirs } => {
                write!(f, "column {column} tracked with {ours} labels that differ from the {theirs} in the binlog")
            }
            Difference::PrimaryKey { ours, theirs } => {
                write!(f, "primary key tracked as ({}), ({}) in the binlog", ours.join(", "), theirs.join(", "))
            }
        }
    }
}

impl Table {
    /// Every difference between this definition and a table map. Empty: rows can be decoded with it.
    pub fn agrees_with(&self, metadata: &RowMetadata<'_>) -> Vec<Difference> {
        let (ours, theirs) = (self.columns.len(), metadata.kinds.len());
        if ours != theirs {
            return vec![Difference::Width { ours, theirs }];
        }
        let mut found = Vec::new();
        for (index, column) in self.columns.iter().enumerate() {
            if let Some(name) = at(metadata.names, index)
                && *name != column.name
            {
                found.push(Difference::Name { index, ours: column.name.clone(), theirs: name.clone() });
            }
            compare_column(column, metadata, index, &mut found);
        }
        if let Some(theirs) = metadata.key_names(&self.columns)
            && theirs != self.primary_key
        {
            found.push(Difference::PrimaryKey { ours: self.primary_key.clone(), theirs });
        }
        found
    }

    /// This definition with everything put right that the metadata states of columns of the same names, order and types.
    /// With a structural difference it comes back as it is; `Rebuilt` is for those.
    pub fn repaired(&self, metadata: &RowMetadata<'_>) -> Table {
        if self.agrees_with(metadata).iter().any(Difference::is_structural) {
            return self.clone();
        }
        let columns: Vec<Column> = self
            .columns
            .iter()
            .enumerate()
            .map(|(i, c)| Column { name: c.name.clone(), ty: stated_facts(c.ty.clone(), metadata, i) })
            .collect();
        let primary_key = metadata.key_names(&columns).unwrap_or_else(|| self.primary_key.clone());
        Table { columns, primary_key, ..self.clone() }
    }
}

impl RowMetadata<'_> {
    fn key_names(&self, columns: &[Column]) -> Option<Vec<String>> {
        let name = |index: &u16| columns.get(usize::from(*index)).map(|c| c.name.clone());
        self.primary_key?.iter().map(name).collect()
    }
}

fn at<T>(list: Option<&[T]>, index: usize) -> Option<&T> {
    list?.get(index)
}

fn compare_column(column: &Column, metadata: &RowMetadata<'_>, index: usize, found: &mut Vec<Difference>) {
    let name = || column.name.clone();
    let Some(&kind) = metadata.kinds.get(index) else { return };
    let charset = at(metadata.charsets, index).copied().flatten();
    if !fits(&column.ty, kind, charset, metadata.dialect) {
        found.push(Difference::Kind { column: name(), ours: column.ty.type_name().into(), theirs: kind });
        return;
    }
    match &column.ty {
        ColumnType::Int { unsigned, .. } => {
            if let Some(&theirs) = at(metadata.unsigned, index)
                && theirs != *unsigned
            {
                found.push(Difference::Sign { column: name(), unsigned: theirs });
            }
        }
        ColumnType::Text { charset: ours, .. } | ColumnType::Enum { charset: ours, .. } | ColumnType::Set { charset: ours, .. } => {
            // Maxwell's form keeps no character set of labels, so an unknown one there is no difference.
            let unknown_label_charset = ours.is_none() && column.ty.labels().is_some();
            if let Some(theirs) =
                charset.filter(|c| !unknown_label_charset && !ours.as_deref().is_some_and(|o| collation::same_charset(o, c)))
            {
                found.push(Difference::Charset { column: name(), ours: ours.clone(), theirs: theirs.into() });
            }
        }
        _ => {}
    }
    if let (Some(ours), Some(Some(theirs))) = (column.ty.labels(), at(metadata.labels, index))
        && ours != theirs
    {
        found.push(Difference::Labels { column: name(), ours: ours.len(), theirs: theirs.len() });
    }
}

/// Whether values of this wire kind can belong to a column of this type.
fn fits(ty: &ColumnType, kind: WireKind, charset: Option<&str>, dialect: Dialect) -> bool {
    let is_binary = |name: &str| name.eq_ignore_ascii_case("binary");
    let has_old = |fraction: u8| fraction == 0 || dialect == Dialect::MariaDb;
    match ty {
        ColumnType::Int { width, .. } => kind == WireKind::Int(*width),
        ColumnType::Float => kind == WireKind::Float,
        ColumnType::Double => kind == WireKind::Double,
        ColumnType::Decimal => kind == WireKind::Decimal,
        ColumnType::Bit => kind == WireKind::Bit,
        ColumnType::Year => kind == WireKind::Year,
        ColumnType::Date => kind == WireKind::Date,
        ColumnType::Datetime { fraction } => {
            kind == WireKind::Datetime { fraction: *fraction } || kind == WireKind::OldDatetime && has_old(*fraction)
        }
        ColumnType::Timestamp { fraction } => {
            kind == WireKind::Timestamp { fraction: *fraction } || kind == WireKind::OldTimestamp && has_old(*fraction)
        }
        ColumnType::Time { fraction } => kind == WireKind::Time { fraction: *fraction } || kind == WireKind::OldTime && has_old(*fraction),
        // Text in the character set `binary` is what the server calls a binary type.
        ColumnType::Text { kind: text, charset: ours } => {
            let ours_binary = ours.as_deref().map(is_binary);
            is_wire_of_text(kind, *text) && charset.is_none_or(|c| ours_binary.is_none_or(|ours| ours == is_binary(c)))
        }
        ColumnType::Binary { kind: binary } => is_wire_of_binary(kind, *binary) && charset.is_none_or(is_binary),
        ColumnType::Enum { .. } => kind == WireKind::Enum,
        ColumnType::Set { .. } => kind == WireKind::Set,
        // MariaDB's JSON is text with a check, in a character set that is UTF-8.
        ColumnType::Json => match kind {
            WireKind::Json => true,
            WireKind::Blob { .. } | WireKind::Varchar { .. } | WireKind::String { .. } => {
                dialect == Dialect::MariaDb && charset.is_none_or(collation::holds_json)
            }
            _ => false,
        },
        ColumnType::Geometry { .. } => kind == WireKind::Geometry,
        ColumnType::Other { name, .. } => match name.as_str() {
            "vector" => kind == WireKind::Vector || (dialect == Dialect::MariaDb && matches!(kind, WireKind::Varchar { .. })),
            "uuid" | "inet6" => kind == WireKind::String { bytes: 16 },
            "inet4" => kind == WireKind::String { bytes: 4 },
            _ => {
                matches!(
                    kind,
                    WireKind::Vector | WireKind::String { .. } | WireKind::Varchar { .. } | WireKind::Blob { .. } | WireKind::Unknown
                )
            }
        },
    }
}

fn is_wire_of_text(kind: WireKind, text: TextKind) -> bool {
    match text {
        TextKind::Char => matches!(kind, WireKind::String { .. }),
        TextKind::Varchar => matches!(kind, WireKind::Varchar { .. }),
        TextKind::Tiny => kind == WireKind::Blob { pack: 1 },
        TextKind::Text => kind == WireKind::Blob { pack: 2 },
        TextKind::Medium => kind == WireKind::Blob { pack: 3 },
        TextKind::Long => kind == WireKind::Blob { pack: 4 },
    }
}

fn is_wire_of_binary(kind: WireKind, binary: BinaryKind) -> bool {
    match binary {
        BinaryKind::Binary => matches!(kind, WireKind::String { .. }),
        BinaryKind::Varbinary => matches!(kind, WireKind::Varchar { .. }),
        BinaryKind::Tiny => kind == WireKind::Blob { pack: 1 },
        BinaryKind::Blob => kind == WireKind::Blob { pack: 2 },
        BinaryKind::Medium => kind == WireKind::Blob { pack: 3 },
        BinaryKind::Long => kind == WireKind::Blob { pack: 4 },
    }
}

/// A type of this wire kind with the sign, character set and labels that the metadata states.
fn stated_facts(mut ty: ColumnType, metadata: &RowMetadata<'_>, index: usize) -> ColumnType {
    let charset = at(metadata.charsets, index).copied().flatten();
    match &mut ty {
        ColumnType::Int { unsigned, .. } => {
            if let Some(&theirs) = at(metadata.unsigned, index) {
                *unsigned = theirs;
            }
        }
        ColumnType::Text { charset: ours, .. } | ColumnType::Enum { charset: ours, .. } | ColumnType::Set { charset: ours, .. } => {
            if let Some(theirs) = charset.filter(|c| !ours.as_deref().is_some_and(|o| collation::same_charset(o, c))) {
                *ours = Some(theirs.to_string());
            }
        }
        _ => {}
    }
    if let (ColumnType::Enum { labels, .. } | ColumnType::Set { labels, .. }, Some(Some(theirs))) = (&mut ty, at(metadata.labels, index)) {
        *labels = Arc::clone(theirs);
    }
    ty
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let column = |name: &str, ty| Column { name: name.into(), ty };
        Table {
            database: "d".into(),
            name: "t".into(),
            charset: Some("latin1".into()),
            columns: vec![
                column("Id", ColumnType::Int { width: IntWidth::Int, unsigned: false }),
                column("v", ColumnType::Text { kind: TextKind::Varchar, charset: Some("utf8mb3".into()) }),
                column("e", ColumnType::Enum { labels: Arc::from(["a".to_string()]), charset: None }),
                column("u", ColumnType::Other { name: "uuid".into(), unsigned: false, charset: None }),
            ],
            primary_key: vec!["Id".into()],
        }
    }

    const KINDS: [WireKind; 4] =
        [WireKind::Int(IntWidth::Int), WireKind::Varchar { bytes: 40 }, WireKind::Enum, WireKind::String { bytes: 16 }];
    const CHARSETS: [Option<&str>; 4] = [None, Some("utf8"), Some("latin1"), Some("binary")];

    fn names(list: [&str; 4]) -> Vec<String> {
        list.map(String::from).to_vec()
    }

    #[test]
    fn what_agrees_is_left_alone() {
        let names = names(["Id", "v", "e", "u"]);
        let full = RowMetadata {
            kinds: &KINDS,
            names: Some(&names),
            unsigned: Some(&[false; 4]),
            charsets: Some(&CHARSETS),
            primary_key: Some(&[0]),
            ..RowMetadata::default()
        };
        assert_eq!(table().agrees_with(&full), []);
        let mut expected = table();
        // The label's character set is stated, and was not known.
        expected.columns[2].ty = ColumnType::Enum { labels: Arc::from(["a".to_string()]), charset: Some("latin1".into()) };
        assert_eq!(table().repaired(&full), expected);
        let minimal = RowMetadata { kinds: &KINDS, ..RowMetadata::default() };
        assert_eq!(table().agrees_with(&minimal), []);
        assert_eq!(table().repaired(&minimal), table());
    }

    #[test]
    fn without_names_only_the_same_shape_is_repaired() {
        let minimal = RowMetadata { kinds: &KINDS, unsigned: Some(&[true, false, false, false]), ..RowMetadata::default() };
        assert_eq!(table().agrees_with(&minimal).len(), 1);
        assert_eq!(table().repaired(&minimal).columns[0].ty, ColumnType::Int { width: IntWidth::Int, unsigned: true });
        let other = [WireKind::Varchar { bytes: 1 }, WireKind::Varchar { bytes: 1 }, WireKind::Enum, WireKind::String { bytes: 16 }];
        let metadata = RowMetadata { kinds: &other, unsigned: Some(&[true; 4]), ..RowMetadata::default() };
        assert_eq!(table().repaired(&metadata), table());
        let short = RowMetadata { kinds: &KINDS[..2], ..RowMetadata::default() };
        assert_eq!(table().agrees_with(&short), [Difference::Width { ours: 4, theirs: 2 }]);
    }
}
