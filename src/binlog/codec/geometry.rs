//! Geometry: SRID and WKB (the server's `sql/spatial.cc`, OGC 06-103r4) to well-known text in Maxwell's layout: upper-case
//! tags, a space before the parenthesis, `, ` between coordinates, every point of a MULTIPOINT in parentheses. Numbers
//! are the shortest digits that read back, without exponents. The SRID is not represented.

use super::{float, maxwell};
use crate::binlog::Cursor;

/// Collections inside collections; MySQL's own limit is lower.
const DEPTH_MAX: usize = 64;

/// How coordinates are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digits {
    /// As many as the number needs.
    Shortest,
    /// At most 16 behind the point (`maxwell_quirks`).
    Maxwell,
}

/// Appends the text without quotes; `false`, with `out` as it was, if the bytes are not a geometry.
pub fn write_wkt(value: &[u8], out: &mut Vec<u8>, digits: Digits) -> bool {
    let start = out.len();
    let mut cursor = Cursor::new(value);
    let written = cursor.take(4, "srid").is_ok() && Wkt { cursor, out, digits }.geometry(None, 0).is_some();
    if !written {
        out.truncate(start);
    }
    written
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Point = 1,
    LineString,
    Polygon,
    MultiPoint,
    MultiLineString,
    MultiPolygon,
    Collection,
}

impl Shape {
    fn from_code(code: u32) -> Option<Self> {
        use Shape::*;
        [Point, LineString, Polygon, MultiPoint, MultiLineString, MultiPolygon, Collection].into_iter().find(|s| *s as u32 == code)
    }

    fn tag(self) -> &'static [u8] {
        match self {
            Shape::Point => b"POINT",
            Shape::LineString => b"LINESTRING",
            Shape::Polygon => b"POLYGON",
            Shape::MultiPoint => b"MULTIPOINT",
            Shape::MultiLineString => b"MULTILINESTRING",
            Shape::MultiPolygon => b"MULTIPOLYGON",
            Shape::Collection => b"GEOMETRYCOLLECTION",
        }
    }

    /// What the members of a multi-geometry are; members print without their tag.
    fn member(self) -> Option<Self> {
        match self {
            Shape::MultiPoint => Some(Shape::Point),
            Shape::MultiLineString => Some(Shape::LineString),
            Shape::MultiPolygon => Some(Shape::Polygon),
            _ => None,
        }
    }
}

/// Reads WKB and writes WKT. `None` anywhere means malformed bytes.
struct Wkt<'a, 'o> {
    cursor: Cursor<'a>,
    out: &'o mut Vec<u8>,
    digits: Digits,
}

impl Wkt<'_, '_> {
    /// One geometry with its own byte order and type. As a member it must be of the `member` type and has no tag.
    fn geometry(&mut self, member: Option<Shape>, depth: usize) -> Option<()> {
        let little = match self.cursor.u8("byte order").ok()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let shape = Shape::from_code(self.u32(little)?)?;
        match member {
            Some(wanted) if wanted != shape => return None,
            Some(_) => {}
            None => {
                self.out.extend_from_slice(shape.tag());
                self.out.push(b' ');
            }
        }
        match shape {
            Shape::Point => {
                self.out.push(b'(');
                self.coordinates(little)?;
                self.out.push(b')');
                Some(())
            }
            Shape::LineString => self.points(little),
            Shape::Polygon => self.list(little, |wkt| wkt.points(little)),
            Shape::Collection if depth >= DEPTH_MAX => None,
            Shape::MultiPoint | Shape::MultiLineString | Shape::MultiPolygon | Shape::Collection => {
                self.list(little, |wkt| wkt.geometry(shape.member(), depth + 1))
            }
        }
    }

    fn points(&mut self, little: bool) -> Option<()> {
        self.list(little, |wkt| wkt.coordinates(little))
    }

    /// A counted list in parentheses, or EMPTY. Every item reads at least four bytes or ends the list by failing, so a
    /// false count costs no more than the bytes that are there.
    fn list(&mut self, little: bool, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let count = self.u32(little)?;
        if count == 0 {
            self.out.extend_from_slice(b"EMPTY");
            return Some(());
        }
        self.out.push(b'(');
        for i in 0..count {
            if i > 0 {
                self.out.extend_from_slice(b", ");
            }
            item(self)?;
        }
        self.out.push(b')');
        Some(())
    }

    fn coordinates(&mut self, little: bool) -> Option<()> {
        self.number(little)?;
        self.out.push(b' ');
        self.number(little)
    }

    fn number(&mut self, little: bool) -> Option<()> {
        let bits = self.cursor.u64("coordinate").ok()?;
        let number = f64::from_bits(if little { bits } else { bits.swap_bytes() });
        let written = match self.digits {
            Digits::Shortest => float::write_plain(number, self.out),
            Digits::Maxwell => maxwell::write_coordinate(number, self.out),
        };
        written.then_some(())
    }

    fn u32(&mut self, little: bool) -> Option<u32> {
        let n = self.cursor.u32("count").ok()?;
        Some(if little { n } else { n.swap_bytes() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(x: f64, y: f64) -> Vec<u8> {
        [&[1u8][..], &1u32.to_le_bytes(), &x.to_le_bytes(), &y.to_le_bytes()].concat()
    }

    fn many(code: u32, items: &[Vec<u8>]) -> Vec<u8> {
        [&[1u8][..], &code.to_le_bytes(), &counted(items)].concat()
    }

    fn counted(items: &[Vec<u8>]) -> Vec<u8> {
        [&(items.len() as u32).to_le_bytes()[..], &items.concat()].concat()
    }

    fn xy(x: f64, y: f64) -> Vec<u8> {
        [x.to_le_bytes(), y.to_le_bytes()].concat()
    }

    fn wkt(wkb: &[u8]) -> Option<String> {
        let mut out = b"kept".to_vec();
        let value = [&4326u32.to_le_bytes()[..], wkb].concat();
        let written = write_wkt(&value, &mut out, Digits::Shortest);
        let text = String::from_utf8(out).expect("ASCII").strip_prefix("kept").expect("kept").to_owned();
        assert!(written || text.is_empty());
        written.then_some(text)
    }

    #[test]
    fn every_kind() {
        let ring = |shift: f64| counted(&[xy(shift, 0.0), xy(shift, 1.0), xy(shift + 1.0, 1.0), xy(shift, 0.0)]);
        let line = many(2, &[xy(0.0, 0.0), xy(1.0, 1.0), xy(2.0, 0.5)]);
        let polygon = many(3, &[ring(0.0), ring(5.0)]);
        for (wkb, want) in [
            (point(3.0, 2.0), "POINT (3 2)"),
            (point(-0.0, 1e20), "POINT (-0 100000000000000000000)"),
            (point(0.1, -1e-7), "POINT (0.1 -0.0000001)"),
            (line.clone(), "LINESTRING (0 0, 1 1, 2 0.5)"),
            (polygon.clone(), "POLYGON ((0 0, 0 1, 1 1, 0 0), (5 0, 5 1, 6 1, 5 0))"),
            (many(4, &[point(0.0, 0.0), point(1.0, 1.0)]), "MULTIPOINT ((0 0), (1 1))"),
            (many(5, std::slice::from_ref(&line)), "MULTILINESTRING ((0 0, 1 1, 2 0.5))"),
            (many(6, &[many(3, &[ring(0.0)])]), "MULTIPOLYGON (((0 0, 0 1, 1 1, 0 0)))"),
            (
                many(7, &[point(1.0, 1.0), many(7, &[point(2.0, 2.0)])]),
                "GEOMETRYCOLLECTION (POINT (1 1), GEOMETRYCOLLECTION (POINT (2 2)))",
            ),
            (many(7, &[]), "GEOMETRYCOLLECTION EMPTY"),
            (many(7, &[many(7, &[])]), "GEOMETRYCOLLECTION (GEOMETRYCOLLECTION EMPTY)"),
            (many(2, &[]), "LINESTRING EMPTY"),
            (many(6, &[many(3, &[])]), "MULTIPOLYGON (EMPTY)"),
        ] {
            assert_eq!(wkt(&wkb).as_deref(), Some(want));
        }
        let big_endian = [&[0u8][..], &1u32.to_be_bytes(), &1f64.to_be_bytes(), &2f64.to_be_bytes()].concat();
        assert_eq!(wkt(&big_endian).as_deref(), Some("POINT (1 2)"));
    }

    #[test]
    fn malformed_bytes_write_nothing() {
        let mut deep = many(7, &[]);
        for _ in 0..100 {
            deep = many(7, &[deep]);
        }
        for wkb in
            [vec![], vec![2], point(f64::NAN, 0.0), many(8, &[]), many(4, &[many(2, &[])]), many(2, &[xy(0.0, 0.0)])[..20].to_vec(), deep]
        {
            assert_eq!(wkt(&wkb), None);
        }
        assert!(!write_wkt(&[1, 2], &mut Vec::new(), Digits::Shortest));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(prop_oneof![0u8..8, any::<u8>()], 0..200)) {
            let mut out = Vec::new();
            write_wkt(&bytes, &mut out, Digits::Shortest);
            let mut wkb = vec![0, 0, 0, 0, 1, 7, 0, 0, 0];
            wkb.extend(bytes);
            write_wkt(&wkb, &mut out, Digits::Shortest);
        }
    }
}
