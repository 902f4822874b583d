use super::*;

fn text(wire: WireType, declared: Declared<'_>, value: &[u8]) -> String {
    let style = ValueStyle { maxwell_quirks: true, ..ValueStyle::default() };
    let compiled = Quirk::compile(&ColumnSpec { wire, declared }, style).expect("a quirk");
    let mut out = Vec::new();
    compiled.write_json(value, &mut out).expect("valid");
    String::from_utf8(out).expect("UTF-8")
}

/// Contract §4.6.
#[test]
fn bits_beyond_31_are_summed() {
    for (bits, want) in [
        (5u64, "5"),
        (0x8000_0000, "-2147483648"),
        (0xffff_ffff, "-1"),
        (1 << 32, "1"),
        (0x0102_0304_0506_0708, "101190156"),
        (0x7fff_ffff_ffff_ffff, "2147483646"),
        (1 << 63, "9223372036854775808"),
        (u64::MAX, "18446744073709551615"),
    ] {
        assert_eq!(text(WireType::Bit { bits: 64 }, Declared::Bit, &bits.to_be_bytes()), want);
    }
}

/// Contract §4.6; times before 5.6 are decimal numbers of 24 bits, read without their sign.
#[test]
fn times_wrap_and_lose_their_sign() {
    let time = |digits: u8, packed: i64| -> String {
        let width = usize::from(digits.div_ceil(2));
        let bytes = ((0x80_0000i64 << (8 * width)) + packed).to_be_bytes();
        text(WireType::Time { fraction: digits }, Declared::Temporal, &bytes[8 - 3 - width..])
    };
    let hms = |h: i64, m: i64, s: i64| h << 12 | m << 6 | s;
    for (digits, packed, want) in [
        (0, hms(25, 0, 0), "\"01:00:00\""),
        (0, hms(838, 59, 59), "\"22:59:59\""),
        (0, -hms(1, 0, 0), "\"15:00:00\""),
        (0, -hms(0, 0, 1), "\"16:04:03\""),
        (0, -hms(838, 59, 59), "\"17:04:05\""),
        (6, -((1 << 24) + 500_000), "\"16:04:18.277216\""),
        (3, -((1 << 16) + 5000), "\"16:04:08.053\""),
        (6, (hms(12, 23, 33) << 24) + 123_456, "\"12:23:33.123456\""),
    ] {
        assert_eq!(time(digits, packed), want, "{packed}");
    }
    let old = |n: i32| text(WireType::OldTime { fraction: 0 }, Declared::Temporal, &n.to_le_bytes()[..3]);
    assert_eq!((old(123_456), old(-8_385_959)), ("\"12:34:56\"".into(), "\"23:12:57\"".into()));
}

#[test]
fn an_empty_label_is_null() {
    let labels = ["a".to_string()];
    let declared = Declared::Enum { labels: &labels };
    assert_eq!(text(WireType::Enum { pack: 1 }, declared, &[0]), "null");
    assert_eq!(text(WireType::Enum { pack: 1 }, declared, &[1]), "\"a\"");
}

/// What Java 25 prints (`new DecimalFormat("0.################")`).
#[test]
fn coordinates_are_those_of_javas_decimal_format() {
    let text = |number| {
        let mut out = Vec::new();
        assert!(write_coordinate(number, &mut out));
        String::from_utf8(out).expect("ASCII")
    };
    for (number, want) in [
        (0.1, "0.1"),
        (1e20, "100000000000000000000"),
        (1_234_567_890_123_456_800.0, "1234567890123456770"),
        (0.300_000_000_000_000_04, "0.3"),
        (1e-17, "0"),
        (-1e-17, "-0"),
        (-0.0, "-0"),
        (2e23, "199999999999999980000000"),
        (1e23, "99999999999999990000000"),
        (5e-324, "0"),
        (1e-16, "0.0000000000000001"),
        (5e-17, "0"),
        (1.5e-16, "0.0000000000000001"),
        (2.5e-16, "0.0000000000000003"),
        (9_007_199_254_740_992.0, "9007199254740992"),
        (123_456_789.123_456_79, "123456789.12345679"),
    ] {
        assert_eq!(text(number), want, "{number:e}");
    }
    assert!(!write_coordinate(f64::NAN, &mut Vec::new()));
}

/// 200,000 numbers of many kinds against the checksum of what Java 25 printed for them.
#[test]
fn many_coordinates_are_javas() {
    let mut state = 42u64;
    let mut hasher = crc32fast::Hasher::new();
    let mut out = Vec::new();
    for i in 0..200_000u64 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let v = state >> 11;
        let mantissa = v & 0xf_ffff_ffff_ffff;
        let number = match i % 8 {
            0 => ((v % 2_000_000_000) as i64 - 1_000_000_000) as f64 / 1e6,
            1 => (v % 36_000_000_000) as f64 / 1e8 - 180.0,
            2 => f64::from_bits(mantissa | ((1023 - 40 + (v >> 46) % 100) << 52)),
            3 => (v as i64 - (1 << 52)) as f64,
            4 => v as f64 * (1.0 / (1u64 << 53) as f64),
            5 => (v % 1000) as f64 / 1000.0 * POWERS[(v / 1000 % 20) as usize],
            6 => (v % (1 << 52)) as f64 * 4096.0,
            _ => f64::from_bits((v % 2047) << 52 | v.wrapping_mul(31) & 0xf_ffff_ffff_ffff),
        };
        out.clear();
        assert!(write_coordinate(number, &mut out));
        out.push(b'\n');
        hasher.update(&out);
    }
    assert_eq!(format!("{:08x}", hasher.finalize()), "06843eda");
}

const POWERS: [f64; 20] = [1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

#[test]
fn text_that_is_no_json_is_emitted_verbatim() {
    for (value, want) in [(&b"{\"a\" : 1}"[..], "{\"a\" : 1}"), (b"{\"a\":", "{\"a\":"), (b"", "null")] {
        assert_eq!(text(WireType::Blob { pack: 4 }, Declared::JsonText, value), want);
    }
}
