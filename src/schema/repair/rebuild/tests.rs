use super::*;
use crate::schema::IntWidth;

const CHARSETS: [Option<&str>; 6] = [Some("latin1"), Some("utf8mb4"), Some("utf8"), Some("ucs2"), Some("binary"), None];

fn int(unsigned: bool) -> ColumnType {
    ColumnType::Int { width: IntWidth::Int, unsigned }
}

fn text(kind: TextKind, charset: &str) -> ColumnType {
    ColumnType::Text { kind, charset: Some(charset.into()) }
}

fn other(name: &str) -> ColumnType {
    ColumnType::Other { name: name.into(), unsigned: false, charset: None }
}

fn labels(list: &[&str]) -> Arc<[String]> {
    list.iter().map(|l| (*l).to_owned()).collect()
}

fn enumeration(list: &[&str]) -> ColumnType {
    ColumnType::Enum { labels: labels(list), charset: Some("latin1".into()) }
}

fn table(columns: &[(&str, ColumnType)], key: &[&str]) -> Table {
    let columns = columns.iter().map(|(name, ty)| Column { name: (*name).into(), ty: ty.clone() }).collect();
    let primary_key = key.iter().map(|k| (*k).to_owned()).collect();
    Table { database: "d".into(), name: "t".into(), charset: Some("latin1".into()), columns, primary_key }
}

/// A column as metadata states it: name, wire kind, character set, sign, labels.
#[derive(Clone)]
struct Stated(&'static str, WireKind, Option<&'static str>, bool, Option<Arc<[String]>>);

fn stated(name: &'static str, kind: WireKind) -> Stated {
    Stated(name, kind, None, false, None)
}

impl Stated {
    fn in_charset(self, charset: &'static str) -> Self {
        Stated(self.0, self.1, Some(charset), self.3, self.4)
    }

    fn labels(self, list: &[&str]) -> Self {
        Stated(self.0, self.1, Some("latin1"), self.3, Some(labels(list)))
    }
}

fn rebuilt(dialect: Dialect, known: &Known<'_>, columns: &[Stated], key: &[u16]) -> Option<Rebuilt> {
    let names: Vec<String> = columns.iter().map(|c| c.0.to_owned()).collect();
    let kinds: Vec<WireKind> = columns.iter().map(|c| c.1).collect();
    let charsets: Vec<Option<&str>> = columns.iter().map(|c| c.2).collect();
    let unsigned: Vec<bool> = columns.iter().map(|c| c.3).collect();
    let labels: Vec<Option<Arc<[String]>>> = columns.iter().map(|c| c.4.clone()).collect();
    let metadata = RowMetadata {
        dialect,
        kinds: &kinds,
        names: Some(&names),
        unsigned: Some(&unsigned),
        charsets: Some(&charsets),
        labels: Some(&labels),
        primary_key: Some(key),
        geometries: None,
    };
    Rebuilt::new("d", "t", known, &metadata)
}

const INT: WireKind = WireKind::Int(IntWidth::Int);
const CHAR16: WireKind = WireKind::String { bytes: 16 };
const CHAR4: WireKind = WireKind::String { bytes: 4 };
const VARCHAR: WireKind = WireKind::Varchar { bytes: 40 };
const TEXT: WireKind = WireKind::Blob { pack: 2 };

/// What of a column that nobody knows is not stated, for every wire kind and character set: exactly this list.
#[test]
fn what_is_open_is_a_list() {
    use Dialect::{MariaDb, MySql};
    let kinds = [
        INT,
        WireKind::Float,
        WireKind::Double,
        WireKind::Decimal,
        WireKind::Year,
        WireKind::Date,
        WireKind::Time { fraction: 3 },
        WireKind::Datetime { fraction: 0 },
        WireKind::Timestamp { fraction: 6 },
        WireKind::Bit,
        CHAR16,
        CHAR4,
        WireKind::String { bytes: 10 },
        VARCHAR,
        WireKind::Varchar { bytes: 41 },
        WireKind::Blob { pack: 1 },
        TEXT,
        WireKind::Blob { pack: 3 },
        WireKind::Blob { pack: 4 },
        WireKind::Json,
        WireKind::Geometry,
        WireKind::Vector,
        WireKind::Enum,
        WireKind::Set,
        WireKind::Unknown,
    ];
    let is_string = |kind| matches!(kind, WireKind::String { .. } | WireKind::Varchar { .. } | WireKind::Blob { .. });
    let mut open = 0;
    for (dialect, vectors) in [(MySql, false), (MariaDb, false), (MariaDb, true)] {
        for kind in kinds {
            for charset in CHARSETS {
                for with_labels in [false, true] {
                    let column = Stated("c", kind, charset, false, with_labels.then(|| labels(&["a"])));
                    let known = Known { vectors, ..Known::default() };
                    let found = rebuilt(dialect, &known, &[column], &[]).expect("names are there");
                    let expected = match kind {
                        WireKind::Unknown => true,
                        WireKind::Enum | WireKind::Set => !with_labels,
                        kind if !is_string(kind) => false,
                        _ if charset.is_none() => true,
                        _ if dialect == MySql => false,
                        CHAR16 | CHAR4 if charset == Some("binary") => true,
                        VARCHAR if charset == Some("binary") => vectors,
                        _ => matches!(charset, Some("utf8mb4" | "utf8")),
                    };
                    assert_eq!(!found.open.is_empty(), expected, "{dialect:?} {kind:?} {charset:?}, labels {with_labels}: {found:?}");
                    open += usize::from(expected);
                }
            }
        }
    }
    println!("{open} of {} combinations are open", 3 * kinds.len() * CHARSETS.len() * 2);
}

#[test]
fn mysql_states_a_whole_table() {
    let columns = [
        Stated("id", INT, None, true, None),
        stated("c", CHAR16).in_charset("latin1"),
        stated("b", CHAR16).in_charset("binary"),
        stated("v", VARCHAR).in_charset("utf8mb4"),
        stated("vb", VARCHAR).in_charset("binary"),
        stated("tt", WireKind::Blob { pack: 1 }).in_charset("sjis"),
        stated("tx", TEXT).in_charset("sjis"),
        stated("mt", WireKind::Blob { pack: 3 }).in_charset("sjis"),
        stated("lt", WireKind::Blob { pack: 4 }).in_charset("sjis"),
        stated("mb", WireKind::Blob { pack: 3 }).in_charset("binary"),
        stated("e", WireKind::Enum).labels(&["x", "y"]),
        stated("d", WireKind::Datetime { fraction: 3 }),
        stated("j", WireKind::Json),
        stated("w", WireKind::Vector),
    ];
    let found = rebuilt(Dialect::MySql, &Known::default(), &columns, &[]).expect("names");
    let expected = table(
        &[
            ("id", int(true)),
            ("c", text(TextKind::Char, "latin1")),
            ("b", ColumnType::Binary { kind: BinaryKind::Binary }),
            ("v", text(TextKind::Varchar, "utf8mb4")),
            ("vb", ColumnType::Binary { kind: BinaryKind::Varbinary }),
            ("tt", text(TextKind::Tiny, "sjis")),
            ("tx", text(TextKind::Text, "sjis")),
            ("mt", text(TextKind::Medium, "sjis")),
            ("lt", text(TextKind::Long, "sjis")),
            ("mb", ColumnType::Binary { kind: BinaryKind::Medium }),
            ("e", enumeration(&["x", "y"])),
            ("d", ColumnType::Datetime { fraction: 3 }),
            ("j", ColumnType::Json),
            ("w", other("vector")),
        ],
        &[],
    );
    assert_eq!(found, Rebuilt { table: Table { charset: None, ..expected }, open: Vec::new(), assumes_key: false });
}

/// Columns that are there by name and wire type keep what was declared, wherever they stand.
#[test]
fn what_is_tracked_is_kept() {
    let tracked = table(&[("u", other("uuid")), ("j", ColumnType::Json), ("n", int(false)), ("gone", int(false))], &["n"]);
    let known = Known { tracked: Some(&tracked), ..Known::default() };
    let columns = [
        stated("j", TEXT).in_charset("utf8mb4"),
        Stated("n", INT, None, true, None),
        stated("u", CHAR16).in_charset("binary"),
        stated("new", WireKind::Double),
    ];
    let found = rebuilt(Dialect::MariaDb, &known, &columns, &[1]).expect("names");
    let expected = table(&[("j", ColumnType::Json), ("n", int(true)), ("u", other("uuid")), ("new", ColumnType::Double)], &["n"]);
    assert_eq!(found, Rebuilt { table: expected, open: Vec::new(), assumes_key: false });
    // One that has another wire type is another column.
    let columns = [stated("u", WireKind::Double), stated("j", CHAR16).in_charset("binary")];
    let found = rebuilt(Dialect::MariaDb, &known, &columns, &[]).expect("names");
    assert_eq!(found.table.columns[0].ty, ColumnType::Double);
    assert_eq!(found.open, [("j".to_owned(), "whether it is BINARY, UUID or INET6")]);
}

/// Behind a statement that was not understood a column of the same name may mean something else, unless the server's
/// definition of now says the same again.
#[test]
fn a_doubted_meaning_needs_a_witness() {
    let tracked = table(&[("u", other("uuid")), ("e", enumeration(&["a"]))], &[]);
    let columns = [stated("u", CHAR16).in_charset("binary"), stated("e", WireKind::Enum), stated("x", INT)];
    let now = |ty: ColumnType, list: &[&str]| table(&[("u", ty), ("e", enumeration(list))], &[]);
    let open = |doubted, server: Option<&Table>| {
        let known = Known { tracked: Some(&tracked), doubted, server, vectors: false };
        let found = rebuilt(Dialect::MariaDb, &known, &columns, &[]).expect("names");
        found.open.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert!(open(false, None).is_empty());
    assert_eq!(open(true, None), ["u", "e"]);
    assert!(open(true, Some(&now(other("uuid"), &["a"]))).is_empty());
    assert_eq!(open(true, Some(&now(ColumnType::Binary { kind: BinaryKind::Binary }, &["a"]))), ["u"]);
    assert_eq!(open(true, Some(&now(other("inet6"), &["a", "b"]))), ["u", "e"]);
}

/// Tracked, the server's, the key as it is stated; the primary key, and whether it is an assumption.
type KeyCase<'a> = (Option<&'a Table>, Option<&'a Table>, &'a [u16], &'a [&'a str], bool);

/// The first unique key of a table without a primary key stands in its place.
#[test]
fn a_key_of_old_columns_is_no_new_primary_key() {
    let with = table(&[("a", int(false)), ("b", int(false))], &["a"]);
    let without = table(&[("a", int(false)), ("b", int(false))], &[]);
    let columns = [stated("a", INT), stated("b", INT), stated("c", INT)];
    let cases: [KeyCase<'_>; 8] = [
        (Some(&with), None, &[0], &["a"], false),
        (Some(&with), None, &[2, 0], &["c", "a"], false),
        (Some(&with), None, &[], &[], false),
        (Some(&without), None, &[0], &[], false),
        (Some(&without), None, &[0, 2], &["a", "c"], true),
        (None, None, &[1], &["b"], true),
        (None, Some(&without), &[1], &[], false),
        (None, Some(&with), &[1], &["b"], false),
    ];
    for (tracked, server, key, expected, assumes) in cases {
        let known = Known { tracked, server, ..Known::default() };
        let found = rebuilt(Dialect::MySql, &known, &columns, key).expect("names");
        assert_eq!(
            (found.table.primary_key.iter().map(String::as_str).collect::<Vec<_>>(), found.assumes_key),
            (expected.to_vec(), assumes)
        );
    }
}

#[test]
fn without_names_nothing_is_rebuilt() {
    let tracked = table(&[("a", int(false))], &[]);
    let known = Known { tracked: Some(&tracked), ..Known::default() };
    assert_eq!(Rebuilt::new("d", "t", &known, &RowMetadata { kinds: &[INT, INT], ..RowMetadata::default() }), None);
}
