//! Values of columns as owned, typed data: what scripts read and change, and what masking replaces. How they are read stands
//! in `reader`, how they are written in `render`.

/// One value. `Value::Null` is SQL's NULL; a JSON document that is `null` is `Json(Json::Null)`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Int(i64),
    /// Also BIT and YEAR.
    Unsigned(u64),
    Float(f32),
    Double(f64),
    Decimal(Decimal),
    /// Text of any character set, and the text forms of UUID and INET.
    Text(String),
    /// Text with halves of surrogate pairs, which the server stores and no `String` can hold.
    CodePoints(Vec<u32>),
    Bytes(Vec<u8>),
    Date(Date),
    Time {
        negative: bool,
        clock: Clock,
        digits: u8,
    },
    /// DATETIME as stored, TIMESTAMP in UTC.
    Datetime {
        date: Date,
        clock: Clock,
        digits: u8,
    },
    /// A label of an ENUM.
    Enum(String),
    /// Labels of a SET, in the order of its definition.
    Set(Vec<String>),
    Json(Json),
    /// JSON that the server keeps as text; it stands in messages as it is.
    JsonText(String),
    Geometry {
        srid: u32,
        shape: Shape,
    },
    Vector(Vec<f32>),
}

/// An exact decimal number: digits without leading zeros (`0` for zero), the last `scale` of them behind the point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    pub negative: bool,
    pub digits: String,
    pub scale: u8,
}

/// Parts of a date as they are stored; no calendar has to have it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Date {
    pub year: u32,
    pub month: u32,
    pub day: u32,
}

impl Date {
    /// What `output_null_zerodates` turns into null.
    pub fn is_zero(self) -> bool {
        self.year == 0 || self.month == 0 || self.day == 0
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock {
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub micros: u32,
}

/// A JSON document.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    Double(f64),
    Decimal(Decimal),
    Text(String),
    Date(Date),
    Time {
        negative: bool,
        clock: Clock,
    },
    Datetime {
        date: Date,
        clock: Clock,
    },
    /// A value of a type that JSON does not know.
    Opaque(Vec<u8>),
    Array(Vec<Json>),
    /// Members in stored order.
    Object(Vec<(String, Json)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

/// A geometry.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Point(Point),
    LineString(Vec<Point>),
    Polygon(Vec<Vec<Point>>),
    MultiPoint(Vec<Point>),
    MultiLineString(Vec<Vec<Point>>),
    MultiPolygon(Vec<Vec<Vec<Point>>>),
    Collection(Vec<Shape>),
}
