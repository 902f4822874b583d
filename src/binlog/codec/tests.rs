//! Codecs as a whole: choice, splitting, JSON and text form.

use super::*;

fn codec(wire: WireType, declared: Declared<'_>) -> Codec {
    Codec::compile(&ColumnSpec { wire, declared }, ValueStyle::default()).expect("supported")
}

fn json(codec: &Codec, value: &[u8]) -> String {
    let mut out = Vec::new();
    codec.write_json(value, &mut out).expect("valid");
    String::from_utf8(out).expect("UTF-8")
}

fn text(codec: &Codec, value: &[u8]) -> String {
    let mut out = Vec::new();
    codec.write_text(value, &mut out).expect("valid");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn values_split_by_wire_type_and_print_in_both_forms() {
    let labels = ["a".to_owned(), "b".to_owned()];
    let number = Declared::Number { unsigned: false };
    let utf8 = Declared::Text { charset: "utf8mb4" };
    let wkb = [&[0, 0, 0, 0, 1, 1, 0, 0, 0][..], &3f64.to_le_bytes(), &2f64.to_le_bytes()].concat();
    for (wire, declared, image, want_json, want_text) in [
        (WireType::Tiny, Declared::Number { unsigned: true }, &[0xff][..], "255", "255"),
        (WireType::Int24, number, &[0xff, 0xff, 0xff], "-1", "-1"),
        (WireType::Decimal { precision: 4, scale: 2 }, number, &[0x8c, 34], "12.34", "12.34"),
        (WireType::Float, number, &1.5f32.to_le_bytes(), "1.5", "1.5"),
        (WireType::Year, Declared::Year, &[124], "2024", "2024"),
        (WireType::Year, Declared::Year, &[0], "0", "0"),
        (WireType::Bit { bits: 9 }, Declared::Bit, &[1, 0], "256", "256"),
        (WireType::Date, Declared::Temporal, &[0x5d, 0xe8, 0x0f], "\"2036-02-29\"", "2036-02-29"),
        (WireType::Varchar { bytes: 80 }, utf8, b"\x02a\"", r#""a\"""#, "a\""),
        (WireType::Varchar { bytes: 800 }, utf8, b"\x02\x00hi", "\"hi\"", "hi"),
        (WireType::String { bytes: 8 }, Declared::Text { charset: "latin1" }, b"\x01\xe9", "\"é\"", "é"),
        (WireType::String { bytes: 4 }, Declared::Binary, b"\x01\x01", "\"AQAAAA==\"", "AQAAAA=="),
        (WireType::String { bytes: 4 }, Declared::Text { charset: "binary" }, b"\x01\x01", "\"AQAAAA==\"", "AQAAAA=="),
        (WireType::Blob { pack: 3 }, Declared::Binary, b"\x02\x00\x00hi", "\"aGk=\"", "aGk="),
        (WireType::Enum { pack: 1 }, Declared::Enum { labels: &labels }, &[2], "\"b\"", "b"),
        (WireType::Set { pack: 1 }, Declared::Set { labels: &labels }, &[3], r#"["a","b"]"#, "[a, b]"),
        (WireType::Json { pack: 4 }, Declared::Json, &[2, 0, 0, 0, 4, 1], "true", "true"),
        (WireType::Blob { pack: 4 }, Declared::JsonText, b"\x08\0\0\0{\"a\": 1}", "{\"a\": 1}", "{\"a\": 1}"),
        (WireType::Blob { pack: 4 }, Declared::Json, b"\0\0\0\0", "null", "null"),
        (
            WireType::Vector { pack: 4 },
            Declared::Other { name: "vector" },
            &[8, 0, 0, 0, 0, 0, 0, 63, 0, 0, 64, 64],
            "[0.5,3.0]",
            "[0.5,3.0]",
        ),
        (WireType::String { bytes: 4 }, Declared::Other { name: "inet4" }, &[2, 10, 1], "\"10.1.0.0\"", "10.1.0.0"),
        (WireType::String { bytes: 16 }, Declared::Other { name: "inet6" }, &[2, 0, 1], "\"1::\"", "1::"),
        (
            WireType::String { bytes: 16 },
            Declared::Other { name: "uuid" },
            &[1, 0xff],
            "\"ff000000-0000-0000-0000-000000000000\"",
            "ff000000-0000-0000-0000-000000000000",
        ),
        (WireType::BlobCompressed { pack: 2 }, utf8, b"\x03\0\0a\"", r#""a\"""#, "a\""),
        (WireType::VarcharCompressed { bytes: 9 }, Declared::Binary, b"\x03\0hi", "\"aGk=\"", "aGk="),
        (WireType::Geometry { pack: 1 }, Declared::Geometry, &[&[25][..], &wkb].concat(), "\"POINT (3 2)\"", "POINT (3 2)"),
    ] {
        let codec = codec(wire, declared);
        let followed = [image, b"next"].concat();
        let mut cursor = Cursor::new(&followed);
        let value = codec.split(&mut cursor).expect("long enough");
        assert_eq!(cursor.rest(), b"next", "{wire:?}");
        assert_eq!(json(&codec, value), want_json);
        assert_eq!(text(&codec, value), want_text);
        assert!(codec.split(&mut Cursor::new(&image[..image.len() - 1])).is_err(), "{wire:?}");
    }
}

#[test]
fn what_cannot_be_rendered_can_be_passed_over() {
    for (wire, declared, why) in [
        (
            WireType::Varchar { bytes: 10 },
            Declared::Text { charset: "latin9" },
            "text in the character set 'latin9' cannot be rendered yet",
        ),
        (WireType::Blob { pack: 2 }, Declared::Other { name: "inet6" }, "values of type inet6 cannot be rendered yet"),
        (WireType::Vector { pack: 4 }, Declared::Binary, "the binlog has Vector { pack: 4 } where the tracked definition has binary data"),
        (WireType::Long, Declared::Text { charset: "utf8mb4" }, "the binlog has Long where the tracked definition has text in utf8mb4"),
        (WireType::Time { fraction: 7 }, Declared::Temporal, "7 fractional digits are more than any server has"),
    ] {
        assert_eq!(Codec::compile(&ColumnSpec { wire, declared }, ValueStyle::default()).expect_err("refused"), why);
    }
    let codec = Codec::opaque(WireType::Vector { pack: 4 });
    assert_eq!(codec.split(&mut Cursor::new(&[2, 0, 0, 0, 8, 9])), Ok(&[8, 9][..]));
    assert!(codec.write_json(&[8, 9], &mut Vec::new()).is_err());
    let unknown = Codec::opaque(WireType::Unknown { code: 99 });
    assert!(unknown.split(&mut Cursor::new(&[1, 2])).is_err());
}

#[test]
fn oddities_are_reported() {
    let mut out = Vec::new();
    let utf8 = codec(WireType::Varchar { bytes: 80 }, Declared::Text { charset: "utf8" });
    assert_eq!(utf8.write_json(b"a\xff", &mut out), Ok(Rendered::InvalidText));
    let geometry = codec(WireType::Geometry { pack: 4 }, Declared::Geometry);
    assert_eq!(geometry.write_json(b"abc", &mut out), Ok(Rendered::MalformedGeometry));
    assert_eq!(String::from_utf8_lossy(&out), "\"a\u{fffd}\"\"YWJj\"");
    let json = codec(WireType::Blob { pack: 4 }, Declared::JsonText);
    for (text, want, rendered) in [
        (&b"a"[..], "\"a\"", Rendered::InvalidText),
        (b"{\"a\": 1", "\"{\\\"a\\\": 1\"", Rendered::InvalidText),
        (b"[1, {}] ", "[1, {}] ", Rendered::Faithful),
    ] {
        out.clear();
        assert_eq!(json.write_json(text, &mut out), Ok(rendered));
        assert_eq!(String::from_utf8_lossy(&out), want);
    }
}

#[test]
fn zero_dates_become_null_on_request() {
    let spec = ColumnSpec { wire: WireType::Datetime { fraction: 0 }, declared: Declared::Temporal };
    let zero = [0x80, 0, 0, 0, 0];
    let kept = Codec::compile(&spec, ValueStyle::default()).expect("supported");
    assert_eq!(json(&kept, &zero), "\"0000-00-00 00:00:00\"");
    assert!(!kept.renders_null(&zero));
    let nulled = Codec::compile(&spec, ValueStyle { null_zerodates: true, ..ValueStyle::default() }).expect("supported");
    assert_eq!(json(&nulled, &zero), "null");
    assert_eq!(text(&nulled, &zero), "");
    assert!(nulled.renders_null(&zero));
}
