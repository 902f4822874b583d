//! Optional metadata of a table map: signs, charsets, names, labels, keys. Each field has its length before it, so one that
//! is not known is passed over.
//!
//! Most fields list only the columns that they concern, in the columns' order, so that both sides must agree on which
//! columns count as numeric or as text. There the flavors differ: MariaDB counts GEOMETRY as text (its class derives from
//! BLOB), MySQL does not; MySQL counts VECTOR as text (seen on 9.7.4); it counts YEAR as a number, as MariaDB does.

use std::sync::Arc;

use super::cursor::utf8;
use super::table_map::TableMap;
use super::wire_type::WireType;
use super::{Cursor, DecodeError, Flavor};

/// Field types (MySQL `libs/mysql/binlog/event/rows_event.h`, `Optional_metadata_field_type`); MariaDB has the first eleven.
mod field {
    pub const SIGNEDNESS: u8 = 1;
    pub const DEFAULT_CHARSET: u8 = 2;
    pub const COLUMN_CHARSET: u8 = 3;
    pub const COLUMN_NAME: u8 = 4;
    pub const SET_LABELS: u8 = 5;
    pub const ENUM_LABELS: u8 = 6;
    pub const GEOMETRY_TYPE: u8 = 7;
    pub const SIMPLE_PRIMARY_KEY: u8 = 8;
    pub const PRIMARY_KEY_WITH_PREFIX: u8 = 9;
    pub const ENUM_AND_SET_DEFAULT_CHARSET: u8 = 10;
    pub const ENUM_AND_SET_COLUMN_CHARSET: u8 = 11;
    pub const VISIBILITY: u8 = 12;
    pub const VECTOR_DIMENSION: u8 = 13;
}

/// Reads all fields up to the event's end into `map`, whose types must be there already.
pub(super) fn read(map: &mut TableMap, c: &mut Cursor<'_>, flavor: Flavor) -> Result<(), DecodeError> {
    while !c.is_empty() {
        let kind = c.u8("metadata field")?;
        let mut value = Cursor::new(c.lenenc_bytes("metadata field")?);
        read_field(map, kind, &mut value, flavor)?;
    }
    if map.names.is_some() {
        // A table without a key has no key field, which cannot be told from "not logged" but by the names.
        map.primary_key.get_or_insert_default();
    }
    Ok(())
}

fn read_field(map: &mut TableMap, kind: u8, value: &mut Cursor<'_>, flavor: Flavor) -> Result<(), DecodeError> {
    match kind {
        field::SIGNEDNESS => {
            let numbers = columns(map, is_number);
            map.unsigned = Some(spread_bits(map.types.len(), &numbers, value, "signs of columns")?);
        }
        field::DEFAULT_CHARSET => charsets_by_default(map, value, |wire| is_text(wire, flavor))?,
        field::COLUMN_CHARSET => charsets_of_each(map, value, |wire| is_text(wire, flavor))?,
        field::ENUM_AND_SET_DEFAULT_CHARSET => charsets_by_default(map, value, is_enum_or_set)?,
        field::ENUM_AND_SET_COLUMN_CHARSET => charsets_of_each(map, value, is_enum_or_set)?,
        field::COLUMN_NAME => map.names = Some(names(map.types.len(), value)?),
        field::SET_LABELS => labels(map, value, |wire| matches!(wire, WireType::Set { .. }))?,
        field::ENUM_LABELS => labels(map, value, |wire| matches!(wire, WireType::Enum { .. }))?,
        field::GEOMETRY_TYPE => {
            let mut types = vec![0; map.types.len()];
            for i in columns(map, |wire| matches!(wire, WireType::Geometry { .. })) {
                put(&mut types, i, number(value, "geometry type")?);
            }
            map.geometry_types = Some(types);
        }
        field::SIMPLE_PRIMARY_KEY => map.primary_key = Some(primary_key(map.types.len(), value, false)?),
        field::PRIMARY_KEY_WITH_PREFIX => map.primary_key = Some(primary_key(map.types.len(), value, true)?),
        field::VISIBILITY if flavor == Flavor::MySql => {
            let all: Vec<usize> = (0..map.types.len()).collect();
            map.visible = Some(spread_bits(map.types.len(), &all, value, "visibility of columns")?);
        }
        field::VECTOR_DIMENSION if flavor == Flavor::MySql => {
            let mut dimensions = vec![0; map.types.len()];
            for i in columns(map, |wire| matches!(wire, WireType::Vector { .. })) {
                put(&mut dimensions, i, number(value, "vector dimension")?);
            }
            map.vector_dimensions = Some(dimensions);
        }
        _ => {}
    }
    Ok(())
}

fn is_number(wire: WireType) -> bool {
    use WireType::*;
    matches!(wire, Tiny | Short | Int24 | Long | LongLong | Float | Double | Decimal { .. } | Year)
}

fn is_text(wire: WireType, flavor: Flavor) -> bool {
    match wire {
        WireType::String { .. } | WireType::Varchar { .. } | WireType::Blob { .. } => true,
        WireType::Vector { .. } => flavor == Flavor::MySql,
        WireType::Geometry { .. } | WireType::BlobCompressed { .. } | WireType::VarcharCompressed { .. } => flavor == Flavor::MariaDb,
        _ => false,
    }
}

fn is_enum_or_set(wire: WireType) -> bool {
    matches!(wire, WireType::Enum { .. } | WireType::Set { .. })
}

/// Indexes of the columns that a field concerns.
fn columns(map: &TableMap, which: impl Fn(WireType) -> bool) -> Vec<usize> {
    map.types.iter().enumerate().filter(|(_, wire)| which(**wire)).map(|(i, _)| i).collect()
}

/// Every index comes from `columns` or was compared with the number of columns.
fn put<T>(values: &mut [T], i: usize, value: T) {
    if let Some(slot) = values.get_mut(i) {
        *slot = value;
    }
}

fn number<T: TryFrom<u64>>(c: &mut Cursor<'_>, what: &'static str) -> Result<T, DecodeError> {
    let value = c.lenenc(what)?;
    T::try_from(value).map_err(|_| DecodeError::invalid(what, value.to_string()))
}

/// One bit for each of the listed columns, the first in the highest bit of the first byte.
fn spread_bits(width: usize, listed: &[usize], c: &mut Cursor<'_>, what: &'static str) -> Result<Vec<bool>, DecodeError> {
    let bytes = c.take(listed.len().div_ceil(8), what)?;
    let mut values = vec![false; width];
    for (nth, i) in listed.iter().enumerate() {
        let set = bytes.get(nth / 8).is_some_and(|b| b >> (7 - nth % 8) & 1 == 1);
        put(&mut values, *i, set);
    }
    Ok(values)
}

/// A default collation, then (place among the listed columns, collation) of those that differ.
fn charsets_by_default(map: &mut TableMap, c: &mut Cursor<'_>, which: impl Fn(WireType) -> bool) -> Result<(), DecodeError> {
    let listed = columns(map, which);
    let default: u16 = number(c, "default collation")?;
    let mut values = vec![default; listed.len()];
    while !c.is_empty() {
        let place: usize = number(c, "column of a collation")?;
        let collation = number(c, "collation")?;
        let Some(slot) = values.get_mut(place) else {
            return Err(DecodeError::invalid("column of a collation", format!("{place} of {}", listed.len())));
        };
        *slot = collation;
    }
    store_collations(map, &listed, values);
    Ok(())
}

/// One collation for each listed column.
fn charsets_of_each(map: &mut TableMap, c: &mut Cursor<'_>, which: impl Fn(WireType) -> bool) -> Result<(), DecodeError> {
    let listed = columns(map, which);
    let values = listed.iter().map(|_| number(c, "collation")).collect::<Result<Vec<u16>, _>>()?;
    if !c.is_empty() {
        // The server counts a column as text that we do not: all behind it would get another one's.
        return Err(DecodeError::invalid("collations", format!("more than the {} columns of text", listed.len())));
    }
    store_collations(map, &listed, values);
    Ok(())
}

fn store_collations(map: &mut TableMap, listed: &[usize], values: Vec<u16>) {
    let width = map.types.len();
    let types = &map.types;
    let collations = map.collations.get_or_insert_with(|| vec![0; width]);
    for (i, value) in listed.iter().zip(values) {
        // MariaDB lists geometry columns, MySQL vectors, but they are not text.
        if !matches!(types.get(*i), Some(WireType::Geometry { .. } | WireType::Vector { .. })) {
            put(collations, *i, value);
        }
    }
}

fn names(width: usize, c: &mut Cursor<'_>) -> Result<Vec<String>, DecodeError> {
    (0..width).map(|_| Ok(utf8(c.lenenc_bytes("column name")?, "column name")?.to_owned())).collect()
}

fn labels(map: &mut TableMap, c: &mut Cursor<'_>, which: impl Fn(WireType) -> bool) -> Result<(), DecodeError> {
    let width = map.types.len();
    let listed = columns(map, which);
    let all = map.labels.get_or_insert_with(|| vec![Arc::from([]); width]);
    for i in listed {
        let count = c.lenenc_len("number of labels")?;
        if count > c.len() {
            return Err(DecodeError::Short { what: "labels", want: count, have: c.len() });
        }
        let texts = (0..count).map(|_| c.lenenc_bytes("label").map(<[u8]>::to_vec)).collect::<Result<Vec<_>, _>>()?;
        put(all, i, texts.into());
    }
    Ok(())
}

fn primary_key(width: usize, c: &mut Cursor<'_>, with_prefix: bool) -> Result<Vec<u16>, DecodeError> {
    let mut key = Vec::new();
    while !c.is_empty() {
        let column: u16 = number(c, "column of the primary key")?;
        if usize::from(column) >= width {
            return Err(DecodeError::invalid("column of the primary key", format!("{column} of {width}")));
        }
        if with_prefix {
            c.lenenc("prefix length in the primary key")?;
        }
        key.push(column);
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(types: &[WireType]) -> TableMap {
        TableMap { types: types.to_vec(), nullable: vec![false; types.len()], ..TableMap::default() }
    }

    fn parsed(types: &[WireType], flavor: Flavor, fields: &[u8]) -> Result<TableMap, DecodeError> {
        let mut map = map(types);
        read(&mut map, &mut Cursor::new(fields), flavor).map(|()| map)
    }

    const VARCHAR: WireType = WireType::Varchar { bytes: 20 };
    const GEOMETRY: WireType = WireType::Geometry { pack: 4 };

    #[test]
    fn signs_are_of_numbers_only() {
        let types = [WireType::Long, VARCHAR, WireType::Year, WireType::Bit { bits: 4 }, WireType::LongLong];
        let map = parsed(&types, Flavor::MySql, &[1, 1, 0b1010_0000]).unwrap();
        assert_eq!(map.unsigned.unwrap(), [true, false, false, false, true]);
        let nine = [WireType::Tiny; 9];
        assert!(parsed(&nine, Flavor::MySql, &[1, 2, 0, 0x80]).unwrap().unsigned.unwrap()[8]);
        parsed(&nine, Flavor::MySql, &[1, 1, 0]).unwrap_err();
    }

    #[test]
    fn geometry_is_text_to_mariadb_only() {
        let types = [VARCHAR, GEOMETRY, VARCHAR, WireType::Json { pack: 4 }];
        let mysql = parsed(&types, Flavor::MySql, &[2, 3, 45, 1, 8]).unwrap();
        assert_eq!(mysql.collations.unwrap(), [45, 0, 8, 0]);
        let mariadb = parsed(&types, Flavor::MariaDb, &[2, 5, 45, 1, 63, 2, 8]).unwrap();
        assert_eq!(mariadb.collations.unwrap(), [45, 0, 8, 0]);
        let mariadb = parsed(&types, Flavor::MariaDb, &[3, 3, 45, 63, 8]).unwrap();
        assert_eq!(mariadb.collations.unwrap(), [45, 0, 8, 0]);
        parsed(&types, Flavor::MySql, &[2, 3, 45, 2, 8]).expect_err("a third text column that is not there");
        parsed(&types, Flavor::MySql, &[3, 1, 45]).expect_err("too few");
    }

    /// As MySQL 9.7.4 writes them for `(v VECTOR(3), a TINYTEXT CHARACTER SET cp1257, b VARBINARY(10), c … cp1251)`.
    #[test]
    fn vector_is_text_to_mysql() {
        let types = [WireType::Long, WireType::Vector { pack: 4 }, WireType::Blob { pack: 1 }, VARCHAR, VARCHAR];
        let each = parsed(&types, Flavor::MySql, &[3, 4, 63, 59, 63, 51]).unwrap();
        assert_eq!(each.collations.unwrap(), [0, 0, 59, 63, 51]);
        let by_default = parsed(&types, Flavor::MySql, &[2, 3, 63, 1, 59]).unwrap();
        assert_eq!(by_default.collations.unwrap(), [0, 0, 59, 63, 63]);
        parsed(&types, Flavor::MySql, &[3, 5, 63, 59, 63, 51, 8]).expect_err("one more than there are columns of text");
    }

    #[test]
    fn labels_names_and_keys() {
        let types = [WireType::Enum { pack: 1 }, WireType::Long, WireType::Set { pack: 1 }];
        let fields = [
            &b"\x04\x06\x01e\x01i\x01s"[..],
            b"\x05\x05\x02\x01x\x01y",
            b"\x06\x04\x01\x02ab",
            b"\x09\x04\x01\x00\x00\x05",
            b"\x0b\x04\xfc\x2c\x01\x21",
            b"\xc8\x03zzz",
            b"\x0c\x01\xa0",
        ]
        .concat();
        let map = parsed(&types, Flavor::MySql, &fields).unwrap();
        assert_eq!(map.names.unwrap(), ["e", "i", "s"]);
        let labels = map.labels.unwrap();
        assert_eq!((&*labels[0], &*labels[1], &*labels[2]), (&[b"ab".to_vec()][..], &[][..], &[b"x".to_vec(), b"y".to_vec()][..]));
        assert_eq!(map.primary_key.unwrap(), [1, 0]);
        assert_eq!(map.collations.unwrap(), [300, 0, 33]);
        assert_eq!(map.visible.unwrap(), [true, false, true]);
        assert_eq!(parsed(&types, Flavor::MySql, b"\x04\x06\x01e\x01i\x01s").unwrap().primary_key, Some(vec![]));
        for cut in 1..fields.len() {
            let _ = parsed(&types, Flavor::MySql, &fields[..cut]);
        }
        for bad in [&b"\x08\x01\x03"[..], b"\x04\x01\x05", b"\x06\x01\xfa", b"\x04\x02\x01\xff"] {
            parsed(&types, Flavor::MySql, bad).unwrap_err();
        }
    }

    #[test]
    fn geometry_and_vector() {
        let types = [GEOMETRY, WireType::Vector { pack: 4 }, GEOMETRY];
        let map = parsed(&types, Flavor::MySql, &[7, 2, 1, 7, 13, 3, 0xfc, 0, 8]).unwrap();
        assert_eq!((map.geometry_types.unwrap(), map.vector_dimensions.unwrap()), (vec![1, 0, 7], vec![0, 2048, 0]));
    }
}
