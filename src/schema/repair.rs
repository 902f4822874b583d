//! Tracked definitions against what a table map itself says (row metadata, design §5.1).
//!
//! Repair touches only what the metadata states. It knows neither declared text types, nor which bytes MariaDB means as
//! UUID, INET or JSON, nor defaults of tables and databases. This module knows nothing of events: the caller fills
//! `RowMetadata` from a table map.

use std::fmt;
use std::sync::Arc;

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
    Bit,
    /// CHAR and BINARY of any length.
    String,
    /// VARCHAR and VARBINARY of any length.
    Varchar,
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

    /// This definition with everything that the metadata states put right. Without column names only a table of the
    /// same shape can be repaired: with a structural difference it comes back as it is.
    pub fn repaired(&self, metadata: &RowMetadata<'_>) -> Table {
        let structural = self.agrees_with(metadata).iter().any(Difference::is_structural);
        let mut columns = Vec::with_capacity(metadata.kinds.len());
        match metadata.names {
            None if structural => return self.clone(),
            None => columns.extend(self.columns.iter().enumerate().map(|(i, c)| repaired_column(&c.name, Some(c), metadata, i))),
            Some(names) => columns.extend(names.iter().enumerate().map(|(i, name)| {
                let ours = self.column_index(name).and_then(|at| self.columns.get(at));
                repaired_column(name, ours, metadata, i)
            })),
        }
        let mut table = Table { columns, primary_key: Vec::new(), ..self.clone() };
        table.primary_key = metadata.key_names(&table.columns).unwrap_or_else(|| {
            // Without a word on the key, the old one stands as far as its columns do.
            let find = |name: &String| table.columns.get(table.column_index(name)?).map(|c| c.name.clone());
            self.primary_key.iter().filter_map(find).collect()
        });
        table
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
    if !fits(&column.ty, kind, charset) {
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
fn fits(ty: &ColumnType, kind: WireKind, charset: Option<&str>) -> bool {
    let is_binary = |name: &str| name.eq_ignore_ascii_case("binary");
    match ty {
        ColumnType::Int { width, .. } => kind == WireKind::Int(*width),
        ColumnType::Float => kind == WireKind::Float,
        ColumnType::Double => kind == WireKind::Double,
        ColumnType::Decimal => kind == WireKind::Decimal,
        ColumnType::Bit => kind == WireKind::Bit,
        ColumnType::Year => kind == WireKind::Year,
        ColumnType::Date => kind == WireKind::Date,
        ColumnType::Datetime { fraction } => kind == WireKind::Datetime { fraction: *fraction },
        ColumnType::Timestamp { fraction } => kind == WireKind::Timestamp { fraction: *fraction },
        ColumnType::Time { fraction } => kind == WireKind::Time { fraction: *fraction },
        // Text in the character set `binary` is what the server calls a binary type.
        ColumnType::Text { kind: text, charset: ours } => {
            let ours_binary = ours.as_deref().map(is_binary);
            wire_of_text(*text) == kind && charset.is_none_or(|c| ours_binary.is_none_or(|ours| ours == is_binary(c)))
        }
        ColumnType::Binary { kind: binary } => wire_of_binary(*binary) == kind && charset.is_none_or(is_binary),
        ColumnType::Enum { .. } => kind == WireKind::Enum,
        ColumnType::Set { .. } => kind == WireKind::Set,
        // MariaDB's JSON is text with a check.
        ColumnType::Json => matches!(kind, WireKind::Json | WireKind::Blob { .. } | WireKind::Varchar | WireKind::String),
        ColumnType::Geometry { .. } => kind == WireKind::Geometry,
        ColumnType::Other { .. } => {
            matches!(kind, WireKind::Vector | WireKind::String | WireKind::Varchar | WireKind::Blob { .. } | WireKind::Unknown)
        }
    }
}

fn wire_of_text(kind: TextKind) -> WireKind {
    match kind {
        TextKind::Char => WireKind::String,
        TextKind::Varchar => WireKind::Varchar,
        TextKind::Tiny => WireKind::Blob { pack: 1 },
        TextKind::Text => WireKind::Blob { pack: 2 },
        TextKind::Medium => WireKind::Blob { pack: 3 },
        TextKind::Long => WireKind::Blob { pack: 4 },
    }
}

fn wire_of_binary(kind: BinaryKind) -> WireKind {
    match kind {
        BinaryKind::Binary => WireKind::String,
        BinaryKind::Varbinary => WireKind::Varchar,
        BinaryKind::Tiny => WireKind::Blob { pack: 1 },
        BinaryKind::Blob => WireKind::Blob { pack: 2 },
        BinaryKind::Medium => WireKind::Blob { pack: 3 },
        BinaryKind::Long => WireKind::Blob { pack: 4 },
    }
}

/// A column as the metadata says, and as tracked in all that the metadata leaves open.
fn repaired_column(name: &str, ours: Option<&Column>, metadata: &RowMetadata<'_>, index: usize) -> Column {
    let kind = metadata.kinds.get(index).copied().unwrap_or(WireKind::Unknown);
    let charset = at(metadata.charsets, index).copied().flatten();
    let mut ty = match ours {
        Some(column) if fits(&column.ty, kind, charset) => column.ty.clone(),
        _ => stated_type(kind, charset, at(metadata.geometries, index).copied().flatten()),
    };
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
    Column { name: name.to_string(), ty }
}

/// The type of a column of which only the table map is known.
fn stated_type(kind: WireKind, charset: Option<&str>, geometry: Option<&'static str>) -> ColumnType {
    let is_text = charset.is_some_and(|c| c != "binary");
    let text = |kind| ColumnType::Text { kind, charset: charset.map(str::to_string) };
    match kind {
        WireKind::Int(width) => ColumnType::Int { width, unsigned: false },
        WireKind::Float => ColumnType::Float,
        WireKind::Double => ColumnType::Double,
        WireKind::Decimal => ColumnType::Decimal,
        WireKind::Year => ColumnType::Year,
        WireKind::Date => ColumnType::Date,
        WireKind::Time { fraction } => ColumnType::Time { fraction },
        WireKind::Datetime { fraction } => ColumnType::Datetime { fraction },
        WireKind::Timestamp { fraction } => ColumnType::Timestamp { fraction },
        WireKind::Bit => ColumnType::Bit,
        WireKind::String if is_text => text(TextKind::Char),
        WireKind::String => ColumnType::Binary { kind: BinaryKind::Binary },
        WireKind::Varchar if is_text => text(TextKind::Varchar),
        WireKind::Varchar => ColumnType::Binary { kind: BinaryKind::Varbinary },
        WireKind::Blob { pack } if is_text => text(match pack {
            1 => TextKind::Tiny,
            2 => TextKind::Text,
            3 => TextKind::Medium,
            _ => TextKind::Long,
        }),
        WireKind::Blob { pack } => ColumnType::Binary {
            kind: match pack {
                1 => BinaryKind::Tiny,
                2 => BinaryKind::Blob,
                3 => BinaryKind::Medium,
                _ => BinaryKind::Long,
            },
        },
        WireKind::Json => ColumnType::Json,
        WireKind::Geometry => ColumnType::Geometry { name: geometry.unwrap_or("geometry") },
        WireKind::Vector => ColumnType::Other { name: "vector".into(), unsigned: false, charset: None },
        WireKind::Enum => ColumnType::Enum { labels: Arc::from([]), charset: charset.map(str::to_string) },
        WireKind::Set => ColumnType::Set { labels: Arc::from([]), charset: charset.map(str::to_string) },
        WireKind::Unknown => ColumnType::Other { name: "unknown".into(), unsigned: false, charset: None },
    }
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

    const KINDS: [WireKind; 4] = [WireKind::Int(IntWidth::Int), WireKind::Varchar, WireKind::Enum, WireKind::String];
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
    fn stated_differences_are_repaired() {
        let new: Arc<[String]> = Arc::from(["a".to_string(), "b".to_string()]);
        let labels = [None, None, Some(new.clone()), None];
        let names = names(["v", "Id", "e", "x"]);
        let kinds = [WireKind::Varchar, WireKind::Int(IntWidth::Int), WireKind::Enum, WireKind::Blob { pack: 2 }];
        let metadata = RowMetadata {
            kinds: &kinds,
            names: Some(&names),
            unsigned: Some(&[false, true, false, false]),
            charsets: Some(&[Some("sjis"), None, Some("sjis"), Some("sjis")]),
            labels: Some(&labels),
            primary_key: Some(&[1, 0]),
            ..RowMetadata::default()
        };
        let differences = table().agrees_with(&metadata);
        assert!(differences.iter().any(Difference::is_structural), "{differences:?}");
        let repaired = table().repaired(&metadata);
        assert_eq!(repaired.primary_key, ["Id", "v"]);
        assert_eq!(repaired.columns[0].ty, ColumnType::Text { kind: TextKind::Varchar, charset: Some("sjis".into()) });
        assert_eq!(repaired.columns[1].ty, ColumnType::Int { width: IntWidth::Int, unsigned: true });
        assert_eq!(repaired.columns[2].ty, ColumnType::Enum { labels: new, charset: Some("sjis".into()) });
        assert_eq!(repaired.columns[3].ty, ColumnType::Text { kind: TextKind::Text, charset: Some("sjis".into()) });
        assert_eq!(repaired.agrees_with(&metadata), []);
    }

    #[test]
    fn without_names_only_the_same_shape_is_repaired() {
        let minimal = RowMetadata { kinds: &KINDS, unsigned: Some(&[true, false, false, false]), ..RowMetadata::default() };
        assert_eq!(table().agrees_with(&minimal).len(), 1);
        assert_eq!(table().repaired(&minimal).columns[0].ty, ColumnType::Int { width: IntWidth::Int, unsigned: true });
        let other = [WireKind::Varchar, WireKind::Varchar, WireKind::Enum, WireKind::String];
        let metadata = RowMetadata { kinds: &other, unsigned: Some(&[true; 4]), ..RowMetadata::default() };
        assert_eq!(table().repaired(&metadata), table());
        let short = RowMetadata { kinds: &KINDS[..2], ..RowMetadata::default() };
        assert_eq!(table().agrees_with(&short), [Difference::Width { ours: 4, theirs: 2 }]);
    }
}
