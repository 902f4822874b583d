//! FLOAT and DOUBLE against the letter of java.lang.Double.toString and Float.toString (JDK 19 and later), with exact
//! arithmetic. A decimal of length n is c · 10^i with n digits in c. Of all decimals that round to the number those of the
//! least length are taken, but never of less than two digits; of these the closest to the number; of two equally close ones
//! that with the even last digit.

use num_bigint::BigUint;
use proptest::prelude::*;

/// A format: bits of the fraction, and the exponent of a subnormal's last bit.
#[derive(Clone, Copy)]
struct Format {
    fraction_bits: i32,
    least_exponent: i32,
}

const DOUBLE: Format = Format { fraction_bits: 52, least_exponent: -1074 };
const FLOAT: Format = Format { fraction_bits: 23, least_exponent: -149 };

/// A number m · 2^exponent between its neighbours, everything in quarters of the last bit.
struct Interval {
    below: BigUint,
    value: BigUint,
    above: BigUint,
    /// Both ends belong to it: ties round to even.
    closed: bool,
    /// Of a quarter.
    exponent: i32,
}

impl Format {
    /// Of the bits of a positive number.
    fn interval(self, bits: u64) -> Interval {
        let fraction = bits & ((1 << self.fraction_bits) - 1);
        let biased = (bits >> self.fraction_bits) as i32;
        let mantissa = if biased == 0 { fraction } else { fraction | 1 << self.fraction_bits };
        let exponent = self.least_exponent + (biased - 1).max(0);
        // The neighbour below a power of two is at half the distance, if it is no subnormal.
        let down = if fraction == 0 && biased > 1 { 1u64 } else { 2 };
        Interval {
            below: BigUint::from(4 * mantissa - down),
            value: BigUint::from(4 * mantissa),
            above: BigUint::from(4 * mantissa + 2),
            closed: mantissa % 2 == 0,
            exponent: exponent - 2,
        }
    }
}

fn power(base: u32, exponent: i32) -> BigUint {
    BigUint::from(base).pow(u32::try_from(exponent).unwrap_or(0))
}

/// Digits, and the power of ten of the last one.
fn specified(interval: &Interval) -> (u64, i32) {
    let (two_up, two_down) = (power(2, interval.exponent), power(2, -interval.exponent));
    let scaled = |number: &BigUint, unit: i32| number * &two_up * power(10, -unit);
    let one = |unit: i32| &two_down * power(10, unit);
    // The number's power of ten, by halving the steps: 2^10 is more than all that there are.
    let mut exponent = -400;
    for step in (0..10).rev() {
        let next = exponent + (1 << step);
        if scaled(&interval.value, next) >= one(next) {
            exponent = next;
        }
    }
    let closest = |length: i32| {
        let unit = exponent + 1 - length;
        let (one, value) = (one(unit), scaled(&interval.value, unit));
        let (below, above) = (scaled(&interval.below, unit), scaled(&interval.above, unit));
        let floor = &value / &one;
        assert!(floor >= power(10, length - 1) && floor < power(10, length), "the scale is right");
        let rounds = |c: &BigUint| {
            let c = c * &one;
            if interval.closed { below <= c && c <= above } else { below < c && c < above }
        };
        let ceiling = &floor + 1u32;
        let (down, up) = (&value - &floor * &one, &ceiling * &one - &value);
        match (rounds(&floor), rounds(&ceiling)) {
            (false, false) => None,
            (true, true) if up < down || down == up && floor.bit(0) => Some((ceiling, unit)),
            (true, _) => Some((floor, unit)),
            (false, true) => Some((ceiling, unit)),
        }
    };
    // What rounds to the number with so many digits also does with one more, a zero.
    let (mut too_short, mut enough) = (1, 17);
    while enough - too_short > 1 {
        let length = (too_short + enough) / 2;
        if closest(length).is_some() {
            enough = length;
        } else {
            too_short = length;
        }
    }
    let (digits, unit) = closest(enough).expect("17 digits are always enough");
    (u64::try_from(&digits).expect("at most 17 digits"), unit)
}

/// The text of a positive number.
fn text((mut digits, mut unit): (u64, i32)) -> String {
    while digits % 10 == 0 {
        digits /= 10;
        unit += 1;
    }
    let digits = digits.to_string();
    let exponent = digits.len() as i32 - 1 + unit;
    let some = |digits: &str| if digits.is_empty() { "0".to_owned() } else { digits.to_owned() };
    match exponent {
        -3..0 => format!("0.{}{digits}", "0".repeat((-1 - exponent) as usize)),
        0..7 => {
            let padded = format!("{digits:0<width$}", width = exponent as usize + 1);
            let (whole, fraction) = padded.split_at(exponent as usize + 1);
            format!("{whole}.{}", some(fraction))
        }
        _ => format!("{}.{}E{exponent}", &digits[..1], some(&digits[1..])),
    }
}

fn check_double(number: f64) {
    let magnitude = number.abs();
    if !magnitude.is_finite() || magnitude == 0.0 {
        return;
    }
    let mut ours = Vec::new();
    super::float::write_double(magnitude, &mut ours);
    let ours = String::from_utf8(ours).expect("ASCII");
    assert_eq!(ours, text(specified(&DOUBLE.interval(magnitude.to_bits()))), "bits {:#x}", magnitude.to_bits());
}

fn check_float(number: f32) {
    let magnitude = number.abs();
    if !magnitude.is_finite() || magnitude == 0.0 {
        return;
    }
    let mut ours = Vec::new();
    super::float::write_f32(&magnitude.to_le_bytes(), &mut ours).expect("four bytes");
    let ours = String::from_utf8(ours).expect("ASCII");
    assert_eq!(ours, text(specified(&FLOAT.interval(u64::from(magnitude.to_bits())))), "bits {:#x}", magnitude.to_bits());
}

/// A number and those beside it.
fn around_double(number: f64) {
    for bits in number.to_bits().saturating_sub(1)..=number.to_bits().saturating_add(1) {
        check_double(f64::from_bits(bits));
    }
}

fn around_float(number: f32) {
    for bits in number.to_bits().saturating_sub(1)..=number.to_bits().saturating_add(1) {
        check_float(f32::from_bits(bits));
    }
}

#[test]
fn examples_of_the_specification() {
    for (number, want) in [
        (2e23, "2.0E23"),
        (2.2250738585072014e-308, "2.2250738585072014E-308"),
        (4.9e-324, "4.9E-324"),
        (9.9e-324, "9.9E-324"),
        (8.41e21, "8.41E21"),
        (0.001, "0.001"),
        (9_999_999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (1e-5, "1.0E-5"),
        (1e23, "1.0E23"),
        (2f64.powi(-44), "5.684341886080802E-14"),
    ] {
        assert_eq!(text(specified(&DOUBLE.interval(f64::to_bits(number)))), want);
        check_double(number);
    }
    assert_eq!(text(specified(&FLOAT.interval(1))), "1.4E-45");
    assert_eq!(text(specified(&FLOAT.interval(u64::from(f32::MAX.to_bits())))), "3.4028235E38");
}

#[test]
fn all_exponents_powers_and_boundaries() {
    for exponent in 0..0x7ff {
        around_double(f64::from_bits(exponent << 52));
        check_double(f64::from_bits(exponent << 52 | 0x5_a5a5_a5a5_a5a5));
    }
    for exponent in 0..0xff {
        around_float(f32::from_bits(exponent << 23));
        check_float(f32::from_bits(exponent << 23 | 0x2a_5a5a));
    }
    for exponent in -323..=308 {
        around_double(format!("1e{exponent}").parse().expect("a number"));
    }
    for exponent in -45..=38 {
        around_float(format!("1e{exponent}").parse().expect("a number"));
    }
    for number in [0.001, 1e7, 9_999_999.999_999_999, f64::MAX, f64::MIN_POSITIVE, 9_007_199_254_740_992.0, u64::MAX as f64] {
        around_double(number);
        around_float(number as f32);
    }
    // All that are so coarse that two digits tell them apart.
    for bits in 1..300 {
        check_double(f64::from_bits(bits));
        check_float(f32::from_bits(bits as u32));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_double(bits: u64) {
        check_double(f64::from_bits(bits));
    }

    #[test]
    fn any_float(bits: u32) {
        check_float(f32::from_bits(bits));
    }

    #[test]
    fn subnormals(bits in 1u64..1 << 52) {
        check_double(f64::from_bits(bits >> (bits % 52)));
        check_float(f32::from_bits((bits >> 29) as u32));
    }

    #[test]
    fn numbers_that_people_write(digits in 1u64..1_000_000_000, point in -12i32..12) {
        let text = format!("{digits}e{point}");
        check_double(text.parse().expect("a number"));
        check_float(text.parse().expect("a number"));
    }
}
