//! Geometries: well-known binary as the server stores it to owned shapes.

use crate::binlog::Cursor;

use super::value::{Point, Shape, Value};

/// Collections inside of collections.
const DEPTH_MAX: usize = 64;

const POINT: u32 = 1;
const LINE: u32 = 2;
const POLYGON: u32 = 3;

/// SRID and shape; `None` for bytes that are no geometry. What stands behind it does not count.
pub fn read(value: &[u8]) -> Option<Value> {
    let mut bytes = Cursor::new(value);
    let srid = bytes.u32("srid").ok()?;
    Some(Value::Geometry { srid, shape: shape(&mut bytes, 0)? })
}

fn shape(bytes: &mut Cursor<'_>, depth: usize) -> Option<Shape> {
    let (code, order) = head(bytes)?;
    Some(match code {
        POINT => Shape::Point(order.point(bytes)?),
        LINE => Shape::LineString(order.points(bytes)?),
        POLYGON => Shape::Polygon(order.rings(bytes)?),
        4 => Shape::MultiPoint(order.list(bytes, |bytes| member(bytes, POINT)?.point(bytes))?),
        5 => Shape::MultiLineString(order.list(bytes, |bytes| member(bytes, LINE)?.points(bytes))?),
        6 => Shape::MultiPolygon(order.list(bytes, |bytes| member(bytes, POLYGON)?.rings(bytes))?),
        7 if depth < DEPTH_MAX => Shape::Collection(order.list(bytes, |bytes| shape(bytes, depth + 1))?),
        _ => return None,
    })
}

/// The order of bytes, which every geometry says anew.
#[derive(Clone, Copy)]
struct Order {
    little: bool,
}

fn head(bytes: &mut Cursor<'_>) -> Option<(u32, Order)> {
    let order = match bytes.u8("byte order").ok()? {
        0 => Order { little: false },
        1 => Order { little: true },
        _ => return None,
    };
    Some((order.count(bytes)?, order))
}

/// The head of a member of a multi-geometry, which has to be of this kind.
fn member(bytes: &mut Cursor<'_>, wanted: u32) -> Option<Order> {
    head(bytes).filter(|(code, _)| *code == wanted).map(|(_, order)| order)
}

impl Order {
    fn count(self, bytes: &mut Cursor<'_>) -> Option<u32> {
        let four = bytes.array("count").ok()?;
        Some(if self.little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    }

    fn number(self, bytes: &mut Cursor<'_>) -> Option<f64> {
        let eight = bytes.array("coordinate").ok()?;
        let number = if self.little { f64::from_le_bytes(eight) } else { f64::from_be_bytes(eight) };
        number.is_finite().then_some(number)
    }

    fn point(self, bytes: &mut Cursor<'_>) -> Option<Point> {
        Some(Point { x: self.number(bytes)?, y: self.number(bytes)? })
    }

    fn points(self, bytes: &mut Cursor<'_>) -> Option<Vec<Point>> {
        self.list(bytes, |bytes| self.point(bytes))
    }

    fn rings(self, bytes: &mut Cursor<'_>) -> Option<Vec<Vec<Point>>> {
        self.list(bytes, |bytes| self.points(bytes))
    }

    /// Nothing is reserved for a count: it may be false, and every item takes bytes.
    fn list<'a, T>(self, bytes: &mut Cursor<'a>, mut item: impl FnMut(&mut Cursor<'a>) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        for _ in 0..self.count(bytes)? {
            items.push(item(bytes)?);
        }
        Some(items)
    }
}
