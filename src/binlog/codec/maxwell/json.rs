//! Times inside binary JSON as Maxwell's client cuts them out of the packed number (contract §4.8, trap 19): with remainders
//! of negative numbers, which are negative, and with numbers that no longer fit 32 bits.

use crate::binlog::codec::int::write_i64;
use crate::binlog::codec::jsonb::opaque;

/// Appends a date, time or both without quotes.
pub fn write_json_temporal(field_type: u8, packed: i64, out: &mut Vec<u8>) {
    let value = packed >> 24;
    let micros = packed % (1 << 24);
    let cut = |shift: u32, width: u32| i64::from((value >> shift) as i32 % (1 << width));
    if field_type == opaque::TIME {
        let hour = if value < 0 { -cut(12, 10) } else { cut(12, 10) };
        return write_clock(hour, cut(6, 6), cut(0, 6), micros, out);
    }
    let year_month = cut(22, 17);
    padded(year_month / 13, 4, out);
    out.push(b'-');
    padded(year_month % 13, 2, out);
    out.push(b'-');
    padded(cut(17, 5), 2, out);
    if field_type != opaque::DATE {
        out.push(b' ');
        write_clock(cut(12, 5), cut(6, 6), value % 64, micros, out);
    }
}

fn write_clock(hour: i64, minute: i64, second: i64, micros: i64, out: &mut Vec<u8>) {
    padded(hour, 2, out);
    out.push(b':');
    padded(minute, 2, out);
    out.push(b':');
    padded(second, 2, out);
    if micros != 0 {
        out.push(b'.');
        // Zeros before the number, then the number without those at its end.
        let zeros = [100_000, 10_000, 1000, 100, 10].into_iter().filter(|limit| micros < *limit).count();
        out.extend(std::iter::repeat_n(b'0', zeros));
        let mut rest = micros;
        while rest % 10 == 0 {
            rest /= 10;
        }
        write_i64(rest, out);
    }
}

/// Zeros up to a width, the sign of a negative number behind all but one of them.
fn padded(number: i64, width: u32, out: &mut Vec<u8>) {
    for place in 1..width {
        if number < 10i64.pow(place) {
            out.push(b'0');
        }
    }
    write_i64(number, out);
}
