//! Corner values of every type at every width, each written on its own, against SELECT: as rows come with the definitions that
//! the statements made, and once more with captured ones.

use super::columns::{Column, Form, Server, Table};
use super::literals::{Literal, quoted};

/// A column with the values that it gets.
pub struct Corner {
    pub column: Column,
    pub values: Vec<String>,
}

/// SQL modes under which temporal values are written.
const MODES: [&str; 3] = ["", "ALLOW_INVALID_DATES", "NO_ZERO_DATE,NO_ZERO_IN_DATE"];
/// All but temporal values need one only.
const LENIENT: [&str; 1] = [""];

/// What is made in one table.
pub struct Suite {
    pub name: &'static str,
    pub corners: Vec<Corner>,
    pub modes: &'static [&'static str],
    /// MariaDB: in the format before MySQL 5.6.
    pub old_times: bool,
}

#[derive(Default)]
struct Corners(Vec<Corner>);

impl Corners {
    fn add<T: AsRef<str>>(&mut self, definition: &str, form: Form, values: impl IntoIterator<Item = T>) {
        let ty = match form {
            Form::Float => "float",
            Form::Double => "double",
            _ => definition.split([' ', '(']).next().unwrap_or_default(),
        };
        let column = Column {
            name: format!("c{}", self.0.len()),
            ty: ty.to_owned(),
            definition: format!("{definition} NULL"),
            form,
            literal: Literal::Float,
            nullable: true,
            generated: false,
            invisible: false,
            key: false,
        };
        self.0.push(Corner { column, values: values.into_iter().map(|v| v.as_ref().to_owned()).collect() });
    }
}

pub fn suites(server: &Server) -> Vec<Suite> {
    let plain = |name, corners: Corners| Suite { name, corners: corners.0, modes: &LENIENT, old_times: false };
    let mut all = vec![
        plain("integers", integers()),
        plain("decimals", decimals()),
        plain("floats", floats()),
        plain("bits", bits()),
        Suite { name: "times", corners: times().0, modes: &MODES, old_times: false },
        plain("texts", texts()),
        plain("labels", labels()),
        plain("geometries", geometries()),
    ];
    if server.mariadb {
        all.push(Suite { name: "old times", corners: times().0, modes: &MODES, old_times: true });
        all.push(plain("types of MariaDB", of_mariadb(server)));
    } else if server.version >= 80_000 {
        all.push(plain("documents", documents()));
    }
    if server.version >= 90_000 && !server.mariadb || server.mariadb && server.version >= 110_700 {
        all.push(plain("vectors", vectors()));
    }
    all
}

fn integers() -> Corners {
    let mut corners = Corners::default();
    for (ty, bits) in [("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64_u32)] {
        let (max, top) = ((1_i128 << (bits - 1)) - 1, (1_i128 << bits) - 1);
        let all = [0, 1, -1, max, max - 1, max + 1, -max, -max - 1, top, top - 1, 255, 256].map(|n: i128| n.to_string());
        for kind in ["", "(1)", " unsigned", " zerofill", "(1) unsigned zerofill", "(20) zerofill"] {
            corners.add(&format!("{ty}{kind}"), Form::Plain, &all);
        }
    }
    corners.add("year", Form::Plain, ["0", "'0'", "'00'", "'0000'", "1", "69", "70", "99", "1900", "1901", "2000", "2155", "2156"]);
    corners
}

/// Every count of digits that a group of nine may leave over, before and behind the point, and the largest.
fn decimals() -> Corners {
    let mut corners = Corners::default();
    let sizes = (0..=10).flat_map(|whole| (0..=10).map(move |fraction| (whole, fraction)));
    for (whole, fraction) in sizes.chain([(35, 30), (65, 0), (0, 30), (36, 29), (27, 18)]).filter(|(w, f)| w + f > 0) {
        let nines = format!("{}.{}", "9".repeat(whole), "9".repeat(fraction));
        let last = format!("0.{}1", "0".repeat(fraction.max(1) - 1));
        let mixed = format!(
            "{}.{}",
            &"1234567890123456789012345678901234567890123456789012345678901234567890"[..whole],
            &"098765432109876543210987654321"[..fraction]
        );
        let values = ["0".into(), format!("-{nines}0"), format!("{nines}0"), format!("-{last}"), format!("{mixed}0"), format!("-{mixed}0")];
        corners.add(&format!("decimal({},{fraction})", whole + fraction), Form::Plain, &values);
        if (whole, fraction) == (35, 30) || (whole, fraction) == (3, 2) {
            corners.add(&format!("decimal({},{fraction}) zerofill", whole + fraction), Form::Plain, &values);
        }
    }
    corners
}

fn floats() -> Corners {
    let mut corners = Corners::default();
    let singles = [
        "0",
        "-0.0",
        "1",
        "-1",
        "0.1",
        "-0.1",
        "1e-3",
        "9.999e-4",
        "9999999",
        "1e7",
        "1.0000001e7",
        "16777216",
        "16777217",
        "3.4028235e38",
        "-3.4028235e38",
        "1.17549435e-38",
        "1.4e-45",
        "2e-45",
        "1.0000001",
        "0.3",
        "1.5e-5",
        "123456.789",
        "8.5899346e9",
        "2e10",
        "4e38",
    ];
    for ty in ["float", "float unsigned", "float(7,3)", "float(24)", "float zerofill", "float(30,30)"] {
        corners.add(ty, Form::Float, singles);
    }
    let doubles = [
        "0",
        "-0.0",
        "1",
        "0.1",
        "-0.1",
        "0.30000000000000004",
        "1e-3",
        "9.99e-4",
        "1e7",
        "9999999.999",
        "123456789012345678",
        "9007199254740993",
        "1.7976931348623157e308",
        "-1.7976931348623157e308",
        "2.2250738585072014e-308",
        "2e-3",
        "1e21",
        "1e22",
        "1e23",
        "2e23",
        "8.41e21",
        "9.5e-3",
        "5e15",
        "4.35e2",
        "1.1e16",
        "2.0e-3",
    ];
    for ty in ["double", "double unsigned", "double(20,4)", "float(53)", "real", "double zerofill"] {
        corners.add(ty, Form::Double, doubles);
    }
    corners
}

fn bits() -> Corners {
    let mut corners = Corners::default();
    for width in 1..=64_u32 {
        let all = u64::MAX >> (64 - width);
        let values = [0, 1, all, all >> 1, 0xaaaa_aaaa_aaaa_aaaa & all, 1 << (width - 1), 0x0102_0304_0506_0708 & all];
        corners.add(&format!("bit({width})"), Form::Bit, values.map(|v: u64| format!("b'{v:b}'")));
    }
    corners
}

fn times() -> Corners {
    let mut corners = Corners::default();
    let dates = [
        "0000-00-00",
        "0000-00-01",
        "0000-01-00",
        "0000-01-01",
        "0001-01-01",
        "1000-01-01",
        "9999-12-31",
        "2010-00-00",
        "2010-05-00",
        "2010-00-05",
        "2010-02-31",
        "2011-02-29",
        "2012-02-29",
        "1900-02-29",
        "2000-02-29",
        "1582-10-04",
        "1582-10-10",
        "1582-10-15",
        "1969-12-31",
        "1970-01-01",
        "2038-01-20",
    ];
    let of_day = ["00:00:00", "23:59:59.999999", "12:34:56.123456", "01:02:03.4", "00:00:00.000001"];
    corners.add("date", Form::Plain, dates.map(quoted));
    let clocks = [
        "00:00:00",
        "-00:00:00",
        "00:00:01",
        "-00:00:01",
        "-00:00:00.000001",
        "00:00:00.5",
        "-00:00:00.5",
        "23:59:59",
        "24:00:00",
        "-24:00:00",
        "99:59:59",
        "100:00:00",
        "-100:00:00.25",
        "838:59:59",
        "-838:59:59",
        "838:59:58.999999",
        "-838:59:58.999999",
        "839:00:00",
        "-839:00:00",
        "-01:59:59.9",
    ];
    let stamps = [
        "0000-00-00 00:00:00",
        "1970-01-01 00:00:01",
        "1970-01-01 00:00:01.000001",
        "1999-12-31 23:59:59.9",
        "2000-02-29 12:00:00.123456",
        "2024-10-27 01:30:00",
        "2038-01-19 03:14:07",
        "2038-01-19 03:14:07.999998",
        "2038-01-19 03:14:08",
        "2106-02-07 06:28:15",
        "2106-02-07 06:28:15.5",
    ];
    for fraction in 0..=6 {
        let of = |name: &str| if fraction == 0 { name.to_owned() } else { format!("{name}({fraction})") };
        corners.add(&of("time"), Form::Plain, clocks.map(quoted));
        let moments: Vec<String> =
            dates.iter().enumerate().map(|(i, day)| quoted(&format!("{day} {}", of_day[i % of_day.len()]))).collect();
        corners.add(&of("datetime"), Form::Plain, &moments);
        corners.add(&of("timestamp"), Form::Plain, stamps.map(quoted));
    }
    corners
}

fn texts() -> Corners {
    let mut corners = Corners::default();
    let odd = ["''", "' '", "'a '", "' a'", "'a'", "'\\\\'", "'\\0'", "'a\\0'", "'\\n\\r\\t\\b\\Z'", "'\"'", "'\\''", "'ü'", "'漢'"];
    for charset in ["latin1", "utf8mb4", "ucs2", "utf16le", "utf32", "sjis", "binary"] {
        for ty in ["char(1)", "char(5)", "varchar(5)", "tinytext", "text", "varchar(300)"] {
            corners.add(&format!("{ty} CHARACTER SET {charset}"), if charset == "binary" { Form::Hex } else { Form::Text }, odd);
        }
    }
    // Beyond 255 bytes a length has two bytes, and CHAR of more than that borrows bits of its type.
    for (ty, length) in [("char(255)", 255), ("char(64)", 64), ("char(63)", 63), ("varchar(63)", 63), ("varchar(64)", 64), ("char(85)", 85)]
    {
        let values = ["''".to_owned(), format!("REPEAT('😀', {length})"), format!("REPEAT('a', {length})"), "'a'".into()];
        corners.add(&format!("{ty} CHARACTER SET utf8mb4"), Form::Text, values);
    }
    let bytes = ["''", "X'00'", "X'0000'", "X'20'", "X'6100'", "X'2000'", "X'0061'", "X'FF'", "X'FF00FF00FF'", "X'0000000000'"];
    for ty in [
        "binary(1)",
        "binary(5)",
        "binary(255)",
        "varbinary(5)",
        "varbinary(255)",
        "varbinary(256)",
        "tinyblob",
        "blob",
        "mediumblob",
        "longblob",
    ] {
        corners.add(ty, Form::Hex, bytes);
    }
    for (ty, length) in [("blob", 65_535), ("mediumblob", 65_536), ("longblob", 70_000), ("tinyblob", 255), ("varbinary(2000)", 2000)] {
        corners.add(ty, Form::Hex, [format!("REPEAT(X'00', {length})"), format!("REPEAT(X'EF', {length})")]);
    }
    corners
}

fn labels() -> Corners {
    let mut corners = Corners::default();
    let odd = [
        "it's",
        "\"quoted\"",
        "`",
        "a,b",
        "back\\slash",
        "tab\tnew\nline\r",
        "",
        "ü",
        "表",
        "😀",
        " lead",
        "x)",
        "'",
        "',",
        "\\'",
        "0",
        "NULL",
        "%_",
        "é'é",
    ];
    let list = |labels: &[String]| labels.iter().map(|l| quoted(l)).collect::<Vec<_>>().join(",");
    let all: Vec<String> = odd.map(str::to_owned).to_vec();
    let without_commas: Vec<String> = all.iter().filter(|l| !l.contains(',')).cloned().collect();
    let numbers = (0..=all.len()).map(|n| n.to_string());
    corners.add(&format!("enum({}) CHARACTER SET utf8mb4", list(&all)), Form::Text, numbers);
    let masks = (0..without_commas.len()).map(|n| (1_u64 << n).to_string()).chain(["0".into(), "3".into(), u32::MAX.to_string()]);
    corners.add(&format!("set({}) CHARACTER SET utf8mb4", list(&without_commas)), Form::Text, masks);
    // MySQL 5.6 has them in definitions of at most 64 KiB; later ones take minutes to make an ENUM of 65,535, as they compare each
    // label with all others.
    for count in [1, 2, 255, 256, 3_000] {
        let labels: Vec<String> = (0..count).map(|n| format!("{n:x}")).collect();
        corners.add(
            &format!("enum({})", list(&labels)),
            Form::Text,
            [0, 1, 2, 127, 128, 254, 255, 256, 257, count / 2, count - 1, count].map(|n| n.to_string()),
        );
    }
    for count in [1, 2, 7, 8, 9, 15, 16, 17, 24, 25, 32, 33, 48, 57, 63, 64_u32] {
        let labels: Vec<String> = (0..count).map(|n| format!("m{n}")).collect();
        let all = u64::MAX >> (64 - count);
        corners.add(
            &format!("set({})", list(&labels)),
            Form::Text,
            [0, 1, all, all >> 1, 1 << (count - 1), 0x5555_5555_5555_5555 & all].map(|n: u64| n.to_string()),
        );
    }
    corners
}

fn geometries() -> Corners {
    let mut corners = Corners::default();
    let shapes = [
        ("point", vec!["POINT(0 0)", "POINT(-0.0 1e-300)", "POINT(1.7976931348623157e308 -1e23)", "POINT(0.1 123456789.123456789)"]),
        ("linestring", vec!["LINESTRING(0 0,1 1)", "LINESTRING(0 0,0 0)", "LINESTRING(1 2,3 4,5 6,7 8,9 10)"]),
        ("polygon", vec!["POLYGON((0 0,10 0,10 10,0 0))", "POLYGON((0 0,10 0,10 10,0 10,0 0),(2 2,4 2,4 4,2 2),(5 5,7 5,7 7,5 5))"]),
        ("multipoint", vec!["MULTIPOINT(1 1)", "MULTIPOINT(1 1,2 2,3 3)"]),
        ("multilinestring", vec!["MULTILINESTRING((0 0,1 1))", "MULTILINESTRING((0 0,1 1),(2 2,3 3,4 4))"]),
        ("multipolygon", vec!["MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,9 5,9 9,5 5),(6 6,7 6,7 7,6 6)))"]),
        (
            "geometrycollection",
            vec![
                "GEOMETRYCOLLECTION(POINT(1 1))",
                "GEOMETRYCOLLECTION EMPTY",
                "GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1),POLYGON((0 0,1 0,1 1,0 0)),MULTIPOINT(1 1),MULTILINESTRING((0 0,1 1)))",
                "GEOMETRYCOLLECTION(GEOMETRYCOLLECTION(POINT(1 2)),POINT(3 4))",
            ],
        ),
    ];
    let mut any = Vec::new();
    for (ty, list) in shapes {
        let values: Vec<String> =
            list.iter().flat_map(|wkt| [format!("ST_GeomFromText('{wkt}')"), format!("ST_GeomFromText('{wkt}', 4326)")]).collect();
        any.extend(values.clone());
        corners.add(ty, Form::Geometry, values);
    }
    corners.add("geometry", Form::Geometry, any);
    corners
}

fn documents() -> Corners {
    let mut corners = Corners::default();
    let mut values: Vec<String> = [
        "null",
        "true",
        "false",
        "0",
        "-1",
        "32767",
        "32768",
        "-32768",
        "-32769",
        "65535",
        "65536",
        "2147483647",
        "2147483648",
        "-2147483648",
        "-2147483649",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "0.1",
        "-0.0",
        "1e300",
        "1e-7",
        "1.5",
        "\"\"",
        "\"\\u0000\\\"\\\\/\"",
        "\"é表😀\"",
        "{}",
        "[]",
        "[[]]",
        "{\"\": {}}",
        "[null, true, false, 1, -1, 70000, 5000000000, 0.5, \"x\", [], {}]",
        "{\"b\": 1, \"aa\": 2, \"a\": 3, \"é\": 4}",
    ]
    .map(quoted)
    .to_vec();
    values.extend([127, 128, 16_383, 16_384, 65_535, 65_536, 2_097_152].map(|n| format!("JSON_QUOTE(REPEAT('s', {n}))")));
    values.extend([1_000, 40_000].map(|n| quoted(&format!("[{}]", vec!["7"; n].join(",")))));
    values
        .extend([100, 5_000].map(|n| quoted(&format!("{{{}}}", (0..n).map(|i| format!("\"key{i}\":{i}")).collect::<Vec<_>>().join(",")))));
    values.push(quoted(&format!("{}{}", "[".repeat(99), "]".repeat(99))));
    let opaque = [
        "CAST('2020-01-02' AS DATE)",
        "CAST('0000-00-00' AS DATE)",
        "CAST('12:34:56.5' AS TIME(6))",
        "CAST('-838:59:59' AS TIME)",
        "CAST('-00:00:00.25' AS TIME(2))",
        "CAST('9999-12-31 23:59:59.999999' AS DATETIME(6))",
        "CAST('2020-01-02 03:04:05' AS DATETIME)",
        "CAST('1.50' AS DECIMAL(10,2))",
        "CAST(REPEAT('9', 65) AS DECIMAL(65,0))",
        "CAST('-0.000000000000000000000000000001' AS DECIMAL(65,30))",
        "X'00FF10'",
        "b'101'",
        "CAST('x' AS BINARY(5))",
        "REPEAT(X'01', 20000)",
        "CAST(7 AS YEAR)",
        "CAST(1.5 AS FLOAT)",
        "CAST(18446744073709551615 AS UNSIGNED)",
        "ST_GeomFromText('POINT(1 2)')",
    ];
    values.extend(opaque.iter().flat_map(|v| {
        [format!("JSON_ARRAY({v})"), format!("JSON_OBJECT('k', {v}, 'l', JSON_ARRAY({v}, 1))"), format!("CAST({v} AS JSON)")]
    }));
    corners.add("json", Form::Plain, values);
    corners
}

fn of_mariadb(server: &Server) -> Corners {
    let mut corners = Corners::default();
    let long = ["''", "'a'", "REPEAT('x', 99)", "REPEAT('x', 100)", "REPEAT('xyz', 1000)", "'\\0'", "REPEAT('é', 500)"];
    corners.add("varchar(3000) COMPRESSED CHARACTER SET utf8mb4", Form::Text, long);
    corners.add("text COMPRESSED CHARACTER SET latin1", Form::Text, long);
    corners.add("mediumtext COMPRESSED CHARACTER SET utf16", Form::Text, long);
    corners.add("varbinary(3000) COMPRESSED", Form::Hex, long);
    corners.add("tinyblob COMPRESSED", Form::Hex, ["''", "'a'", "REPEAT('x', 200)"]);
    corners.add("blob COMPRESSED", Form::Hex, long);
    corners.add("longblob COMPRESSED", Form::Hex, ["''", "REPEAT('xyz', 100000)"]);
    corners.add(
        "json",
        Form::Plain,
        ["'{}'", "' {\"a\" : 1.0 } '", "'[1,2,3]'", "'\"text\"'", "'null'", "'1e5'", "'{\"é\":\"\\\\u00e9😀\"}'"],
    );
    corners.add(
        "inet6",
        Form::Plain,
        [
            "'::'",
            "'::1'",
            "'::ffff:192.0.2.1'",
            "'::192.0.2.1'",
            "'ff02::1:0:0'",
            "'1:0:0:2::'",
            "'1::2:0:0:3'",
            "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'",
            "'0:0:0:0:0:ffff:0:0'",
            "'::0.0.0.2'",
            "'2001:db8::'",
        ],
    );
    if server.version >= 101_000 {
        corners.add("inet4", Form::Plain, ["'0.0.0.0'", "'255.255.255.255'", "'1.2.3.4'", "'32.32.32.32'", "'10.0.0.0'"]);
    }
    if server.version >= 100_700 {
        corners.add(
            "uuid",
            Form::Plain,
            [
                "'00000000-0000-0000-0000-000000000000'",
                "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
                "'123e4567-e89b-12d3-a456-426655440000'",
                "'123e4567-e89b-42d3-a456-426655440020'",
                "'018e4567-e89b-72d3-a456-426655440000'",
                "'20202020-2020-2020-2020-202020202020'",
                "'123e4567-e89b-62d3-8456-426655440000'",
                "'123e4567-e89b-12d3-0456-426655440000'",
            ],
        );
    }
    corners
}

fn vectors() -> Corners {
    let mut corners = Corners::default();
    let of = |bytes: &str, times: usize| format!("X'{}'", bytes.repeat(times));
    for dimensions in [1, 2, 16, 1000] {
        let values =
            ["00000000", "0000803F", "CDCCCC3D", "FFFF7F7F", "01000000", "000080BF", "DB0F4940"].map(|bytes| of(bytes, dimensions));
        corners.add(&format!("vector({dimensions})"), Form::Hex, values);
    }
    corners
}

/// A table of these corners: `rid`, a column to change, and them.
pub fn table(name: &str, corners: &[Corner]) -> Table {
    let plain = |name: &str, definition: &str| Column {
        name: name.into(),
        ty: "bigint".into(),
        definition: definition.into(),
        form: Form::Plain,
        literal: Literal::Float,
        nullable: false,
        generated: false,
        invisible: false,
        key: false,
    };
    let mut columns = vec![plain("rid", "BIGINT NOT NULL PRIMARY KEY"), plain("turn", "BIGINT NOT NULL DEFAULT 0")];
    columns.extend(corners.iter().map(|corner| corner.column.clone()));
    let parts: Vec<String> = columns.iter().map(|c| format!("`{}` {}", c.name, c.definition)).collect();
    let create = format!("CREATE TABLE `{name}` ({}) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4", parts.join(", "));
    Table { name: name.into(), columns, create, keyed: true }
}
