//! Declared types settled by what surrounds them: character sets, and the types that lengths promote to.

use crate::schema::{BinaryKind, ColumnType, TextKind, collation};

use super::ast::{CharsetClause, CharsetName, ColumnDef, DeclaredType, Label};
use super::text;
use super::{Dialect, StatementContext};

/// The most bytes of a VARCHAR or VARBINARY; longer ones become TEXT or BLOB where `sql_mode` is not strict. MariaDB counts
/// length and null bits in (MariaDB Knowledge Base, "VARCHAR").
fn varchar_bytes_max(dialect: Dialect) -> u64 {
    if dialect == Dialect::MariaDb { 65_532 } else { 65_535 }
}

/// The most bytes of a CHAR on MariaDB; a longer one becomes a VARCHAR where `sql_mode` is not strict (tried). Only the
/// character set `filename` has so wide characters.
const CHAR_BYTES_MAX: u64 = 1_023;

/// What a clause says: the character set by name, by DEFAULT, or by a collation that belongs to one; `None` if it says
/// nothing. The error is the name of a collation that is not known.
pub fn charset(clause: &CharsetClause, default: impl FnOnce() -> Option<String>) -> Result<Option<String>, String> {
    if let Some(CharsetName::Named(name)) = &clause.charset {
        return Ok(Some(name.clone()));
    }
    // A collation that belongs to a character set also overrules the word DEFAULT.
    match clause.collation.as_deref().map(|name| (name, collation::charset_of_name(name))) {
        Some((_, collation::NamedCollation::Of(charset))) => return Ok(Some(charset.into())),
        Some((name, collation::NamedCollation::Unknown)) => return Err(name.into()),
        Some((_, collation::NamedCollation::Contextual)) | None => {}
    }
    Ok(if clause.charset.is_some() { default() } else { None })
}

/// A column's type. `forced` is the character set of CONVERT TO, which overrules all but `binary`.
pub fn column_type(
    def: &ColumnDef,
    table_charset: Option<&str>,
    forced: Option<&str>,
    ctx: &StatementContext<'_>,
) -> Result<ColumnType, String> {
    if ctx.as_maxwell {
        return column_type_as_maxwell(def, table_charset);
    }
    let table = || table_charset.map(str::to_string);
    let own = charset(&def.charset, table).map_err(|name| format!("the collation {name} is not known"))?;
    // MariaDB takes BINARY without a character set for one that is named: the table's default (tried).
    let is_named = own.is_none() && def.binary_collation && ctx.dialect == Dialect::MariaDb;
    let mut charset = own.clone().or_else(table);
    if let Some(forced) = forced
        && !is_binary(charset.as_deref())
        && !is_named
    {
        charset = Some(forced.into());
    }
    // MySQL 8 makes the smallest type of TEXT(0) and BLOB(0); before, and on MariaDB, that is no length (tried).
    let counted = |n: &Option<u64>| n.filter(|n| *n > 0 || (ctx.dialect == Dialect::MySql && ctx.server_version >= 80_000));
    let ty = match &def.ty {
        DeclaredType::Settled(ColumnType::Other { name, unsigned, .. }) => {
            ColumnType::Other { name: name.clone(), unsigned: *unsigned, charset: None }
        }
        DeclaredType::Settled(ColumnType::Json) if ctx.dialect == Dialect::MariaDb => {
            // Only a check of its own, a collation or a conversion makes it another one than it is by its name (tried).
            let charset = forced.or(own.as_deref()).unwrap_or("utf8mb4");
            let is_json = def.json_check || !def.other_check;
            let text = ColumnType::Text { kind: TextKind::Long, charset: Some(charset.into()) };
            return Ok(if is_json && collation::holds_json(charset) { ColumnType::Json } else { text });
        }
        DeclaredType::Settled(ty) => ty.clone(),
        DeclaredType::Text { kind, length } => text_type(*kind, counted(length), charset, ctx.dialect),
        DeclaredType::Binary { kind, length } => ColumnType::Binary { kind: binary_kind(*kind, counted(length), ctx.dialect) },
        DeclaredType::Enum(values) => ColumnType::Enum { labels: labels(values, charset.as_deref(), ctx)?.into(), charset },
        DeclaredType::Set(values) => ColumnType::Set { labels: labels(values, charset.as_deref(), ctx)?.into(), charset },
    };
    // What MariaDB calls JSON is text with this check.
    let holds_json = matches!(&ty, ColumnType::Text { charset, .. } if charset.as_deref().is_none_or(collation::holds_json));
    Ok(if def.json_check && ctx.dialect == Dialect::MariaDb && holds_json { ColumnType::Json } else { ty })
}

/// As Maxwell has it: the lengths of TEXT and BLOB count bytes, labels stay as they are spelled, and MariaDB's checks say
/// nothing.
fn column_type_as_maxwell(def: &ColumnDef, table_charset: Option<&str>) -> Result<ColumnType, String> {
    let own = match &def.charset.charset {
        Some(CharsetName::Named(name)) => Some(name.clone()),
        _ => None,
    };
    let charset = own.or_else(|| table_charset.map(str::to_string));
    let spelled = |labels: &[Label]| {
        let text = |label: &Label| match label {
            Label::Text(text) => Ok(text.clone()),
            Label::Bytes(_) => Err("a label that ends Maxwell".to_string()),
        };
        labels.iter().map(text).collect::<Result<Vec<String>, String>>()
    };
    Ok(match &def.ty {
        DeclaredType::Settled(ColumnType::Other { name, .. }) => return Err(format!("the type {name}, which ends Maxwell")),
        DeclaredType::Settled(ty) => ty.clone(),
        DeclaredType::Text { kind: TextKind::Text, length: Some(n) } => ColumnType::Text { kind: TextKind::holding(*n), charset },
        DeclaredType::Text { kind, .. } => ColumnType::Text { kind: *kind, charset },
        DeclaredType::Binary { kind: BinaryKind::Blob, length: Some(n) } => ColumnType::Binary { kind: BinaryKind::holding(*n) },
        DeclaredType::Binary { kind, .. } => ColumnType::Binary { kind: *kind },
        DeclaredType::Enum(values) => ColumnType::Enum { labels: spelled(values)?.into(), charset },
        DeclaredType::Set(values) => ColumnType::Set { labels: spelled(values)?.into(), charset },
    })
}

pub fn is_binary(charset: Option<&str>) -> bool {
    charset.is_some_and(|c| c.eq_ignore_ascii_case("binary"))
}

fn text_type(kind: TextKind, length: Option<u64>, charset: Option<String>, dialect: Dialect) -> ColumnType {
    let width = charset.as_deref().and_then(collation::bytes_per_character).unwrap_or(1);
    let bytes = length.map(|n| n.saturating_mul(u64::from(width)));
    let kind = match (kind, bytes) {
        (TextKind::Text, Some(bytes)) => TextKind::holding(bytes),
        (TextKind::Char, Some(bytes)) if bytes > CHAR_BYTES_MAX && dialect == Dialect::MariaDb => TextKind::Varchar,
        (TextKind::Varchar, Some(bytes)) if bytes > varchar_bytes_max(dialect) => TextKind::holding(bytes),
        _ => kind,
    };
    ColumnType::Text { kind, charset }
}

fn binary_kind(kind: BinaryKind, length: Option<u64>, dialect: Dialect) -> BinaryKind {
    match (kind, length) {
        (BinaryKind::Blob, Some(bytes)) => BinaryKind::holding(bytes),
        (BinaryKind::Varbinary, Some(bytes)) if bytes > varchar_bytes_max(dialect) => BinaryKind::holding(bytes),
        _ => kind,
    }
}

/// Whether text has the same bytes in both character sets.
pub fn same_bytes(a: &str, b: &str) -> bool {
    let utf8 = |c: &str| ["utf8", "utf8mb3", "utf8mb4"].iter().any(|name| c.eq_ignore_ascii_case(name));
    collation::same_charset(a, b) || utf8(a) && utf8(b)
}

/// A column that CONVERT TO CHARACTER SET finds: text and labels change, and a TEXT type grows until as many characters
/// fit as before (MySQL manual, "ALTER TABLE Statement", on changing the character set).
pub fn converted(ty: &ColumnType, to: &str) -> ColumnType {
    let mut ty = ty.clone();
    match &mut ty {
        ColumnType::Text { kind, charset } if !is_binary(charset.as_deref()) => {
            let old = charset.as_deref().and_then(collation::bytes_per_character);
            if let (Some(bytes), Some(old), Some(new)) = (kind.max_bytes(), old, collation::bytes_per_character(to)) {
                *kind = TextKind::holding((bytes / u64::from(old)).saturating_mul(u64::from(new)));
            }
            *charset = Some(to.into());
        }
        ColumnType::Enum { charset, .. } | ColumnType::Set { charset, .. } if !is_binary(charset.as_deref()) => {
            *charset = Some(to.into());
        }
        _ => {}
    }
    ty
}

/// Labels as text. The server drops their trailing blanks, unless their character set is `binary`.
fn labels(labels: &[Label], charset: Option<&str>, ctx: &StatementContext<'_>) -> Result<Vec<String>, String> {
    let client = ctx.charset_client.and_then(collation::charset_of_id).unwrap_or("utf8mb4");
    let connection = ctx.collation_connection.and_then(collation::charset_of_id).unwrap_or(client);
    let is_utf8 = |charset: &str| matches!(charset, "utf8" | "utf8mb4" | "ascii" | "binary");
    let keeps_bytes = |text: &str, client: &str| text.is_ascii() || (is_utf8(client) && !text.contains(char::REPLACEMENT_CHARACTER));
    labels
        .iter()
        .map(|label| {
            let text = match label {
                // A literal's bytes are taken as they are (tried).
                Label::Text(text) if is_binary(charset) && text::is_wide(connection) => text::bytes_of_label(text, connection)?,
                Label::Text(text) if is_binary(charset) && !text.is_ascii() && !(is_utf8(client) && client == connection) => {
                    return Err(format!("a label is given as bytes of the client's character set {client}, or {connection}"));
                }
                Label::Text(text) if client == "ascii" && !text.is_ascii() => {
                    return Err("a label is given as bytes that are no ASCII".into());
                }
                // Bytes that the connection's character set gives a meaning.
                Label::Text(text) if client == "binary" && connection != client && (!text.is_ascii() || text::is_wide(connection)) => {
                    return Err(format!("a label is given as bytes in {connection}"));
                }
                Label::Text(text) if connection == "binary" && !is_binary(charset) && !keeps_bytes(text, client) => {
                    return Err(format!("a label is given as bytes of the client's character set {client}"));
                }
                // A literal of bytes is not converted, but taken as the column's character set (tried).
                Label::Text(text) if connection == "binary" && !is_binary(charset) => text::label(text.as_bytes(), charset)?,
                Label::Text(text) if is_binary(charset) => text.clone(),
                Label::Text(text) => text::fitted(&text::literal(text, client, connection), charset.unwrap_or("binary")).into_owned(),
                Label::Bytes(bytes) => text::label(bytes, charset)?,
            };
            Ok(if is_binary(charset) { text } else { text.trim_end_matches(' ').to_string() })
        })
        .collect()
}
