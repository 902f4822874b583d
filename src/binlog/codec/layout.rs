//! How long a value is in a row image (the server's `Field::pack_length_from_metadata` and `calc_field_size`).

use super::decimal::Decimal;
use super::temporal::{Kind, Temporal};
use crate::binlog::table_map::WireType;
use crate::binlog::{Cursor, DecodeError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    Fixed(usize),
    /// A little-endian length of so many bytes, then the value.
    Prefixed(usize),
    /// Nobody knows; the rest of the row cannot be read.
    Unknown(u8),
}

impl Layout {
    pub fn of(wire: WireType) -> Self {
        use WireType as W;
        let prefix_of = |bytes: u16| Layout::Prefixed(if bytes > 255 { 2 } else { 1 });
        let temporal = |kind| Layout::Fixed(Temporal::size(kind));
        match wire {
            W::Tiny | W::Year => Layout::Fixed(1),
            W::Short => Layout::Fixed(2),
            W::Int24 => Layout::Fixed(3),
            W::Long | W::Float => Layout::Fixed(4),
            W::LongLong | W::Double => Layout::Fixed(8),
            W::Decimal { precision, scale } => Decimal::new(precision, scale).map_or(Layout::Unknown(246), |d| Layout::Fixed(d.size())),
            W::Date => temporal(Kind::Date),
            W::OldTime { fraction } => temporal(Kind::OldTime(fraction)),
            W::OldDatetime { fraction } => temporal(Kind::OldDatetime(fraction)),
            W::OldTimestamp { fraction } => temporal(Kind::OldTimestamp(fraction)),
            W::Time { fraction } => temporal(Kind::Time(fraction)),
            W::Datetime { fraction } => temporal(Kind::Datetime(fraction)),
            W::Timestamp { fraction } => temporal(Kind::Timestamp(fraction)),
            W::Bit { bits } => Layout::Fixed(usize::from(bits.div_ceil(8))),
            W::String { bytes } | W::Varchar { bytes } | W::VarcharCompressed { bytes } => prefix_of(bytes),
            W::Blob { pack } | W::Json { pack } | W::Geometry { pack } | W::Vector { pack } | W::BlobCompressed { pack } => {
                Layout::Prefixed(usize::from(pack))
            }
            W::Enum { pack } | W::Set { pack } => Layout::Fixed(usize::from(pack)),
            W::Unknown { code } => Layout::Unknown(code),
        }
    }

    /// Cuts a value off, without its length.
    #[inline]
    pub fn split<'a>(self, image: &mut Cursor<'a>) -> Result<&'a [u8], DecodeError> {
        match self {
            Layout::Fixed(size) => image.take(size, "column value"),
            Layout::Prefixed(1) => {
                let length = image.u8("column length")?;
                image.take(usize::from(length), "column value")
            }
            Layout::Prefixed(2) => {
                let length = image.u16("column length")?;
                image.take(usize::from(length), "column value")
            }
            Layout::Prefixed(width) => {
                let length = image.uint(width.min(8), "column length")?;
                let length = usize::try_from(length).map_err(|_| DecodeError::invalid("column length", format!("{length}")))?;
                image.take(length, "column value")
            }
            Layout::Unknown(code) => Err(DecodeError::invalid("row", format!("the size of columns of type code {code} is not known"))),
        }
    }
}
