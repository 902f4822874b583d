//! Coordinates as `java.text.DecimalFormat` with the pattern `0.################` prints them: the digits of Java's old
//! double-to-text algorithm, cut to 16 fraction digits, half to even.
//!
//! The old algorithm (Steele and White's, by digits until they tell the number from its neighbours) is not always the
//! shortest, and prints whole numbers up to 2^63 exactly but for digits that the mantissa does not carry. Java's own
//! `Double.toString` no longer uses it; `DecimalFormat` does (Java 25, tried).

use std::cmp::Ordering;

/// Fraction digits of the pattern.
const FRACTION_MAX: i32 = 16;

/// Digits of a number, and what is known of the rest of it.
#[derive(Debug, PartialEq, Eq)]
struct Digits {
    /// 0 to 9, most significant first, without leading zeros.
    digits: Vec<u8>,
    /// The point stands before the digit of this index.
    point: i32,
    /// The digits are the number, to the last.
    exact: bool,
    rounded_up: bool,
}

/// Appends a finite number.
pub fn write(number: f64, out: &mut Vec<u8>) {
    if number.is_sign_negative() {
        out.push(b'-');
    }
    let mut shown = digits(number.abs());
    round(&mut shown);
    let point = shown.point;
    if shown.digits.is_empty() || point <= 0 {
        out.push(b'0');
    }
    for i in 0..point.max(0) as usize {
        out.push(b'0' + shown.digits.get(i).copied().unwrap_or(0));
    }
    let fraction = shown.digits.get(point.max(0) as usize..).unwrap_or_default();
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend((point..0).map(|_| b'0'));
        out.extend(fraction.iter().map(|d| b'0' + d));
    }
}

/// Cuts to the fraction digits of the pattern.
fn round(shown: &mut Digits) {
    while shown.digits.last() == Some(&0) {
        shown.digits.pop();
    }
    let keep = FRACTION_MAX + shown.point;
    if keep < 0 || shown.digits.is_empty() {
        *shown = Digits { digits: Vec::new(), point: 0, exact: true, rounded_up: false };
        return;
    }
    let keep = keep as usize;
    if keep >= shown.digits.len() {
        return;
    }
    let up = rounds_up(shown, keep);
    shown.digits.truncate(keep);
    if up {
        loop {
            match shown.digits.pop() {
                Some(9) => {}
                Some(digit) => {
                    shown.digits.push(digit + 1);
                    break;
                }
                None => {
                    shown.digits.push(1);
                    shown.point += 1;
                    break;
                }
            }
        }
    }
    while shown.digits.last() == Some(&0) {
        shown.digits.pop();
    }
    if shown.digits.is_empty() {
        shown.point = 0;
    }
}

/// Half to even, knowing which way the digits themselves were rounded.
fn rounds_up(shown: &Digits, keep: usize) -> bool {
    let Some((digit, behind)) = shown.digits.get(keep..).and_then(<[u8]>::split_first) else { return false };
    match digit.cmp(&5) {
        Ordering::Greater => true,
        Ordering::Less => false,
        Ordering::Equal if !behind.is_empty() => true,
        Ordering::Equal if shown.rounded_up => false,
        Ordering::Equal if !shown.exact => true,
        Ordering::Equal => keep.checked_sub(1).and_then(|i| shown.digits.get(i)).is_some_and(|d| d % 2 == 1),
    }
}

const MANTISSA_BITS: i32 = 52;

/// Java's old digits of a positive number.
fn digits(number: f64) -> Digits {
    let bits = number.to_bits();
    let (mut mantissa, exponent) = (bits & ((1 << MANTISSA_BITS) - 1), (bits >> MANTISSA_BITS) as i32);
    if mantissa == 0 && exponent == 0 {
        return Digits { digits: Vec::new(), point: 0, exact: true, rounded_up: false };
    }
    let (binary_exponent, significant) = if exponent == 0 {
        let shift = mantissa.leading_zeros() as i32 - 11;
        mantissa <<= shift;
        (1 - shift - 1023, MANTISSA_BITS + 1 - shift)
    } else {
        mantissa |= 1 << MANTISSA_BITS;
        (exponent - 1023, MANTISSA_BITS + 1)
    };
    let used = MANTISSA_BITS + 1 - mantissa.trailing_zeros() as i32;
    let fraction_bits = (used - binary_exponent - 1).max(0);
    if fraction_bits == 0 && (0..=62).contains(&binary_exponent) {
        return whole(mantissa, binary_exponent, significant);
    }
    fractional(mantissa, binary_exponent, significant, used, fraction_bits)
}

/// A whole number: its digits, but for those that the mantissa does not carry.
fn whole(mantissa: u64, exponent: i32, significant: i32) -> Digits {
    let mut n = if exponent >= MANTISSA_BITS { mantissa << (exponent - MANTISSA_BITS) } else { mantissa >> (MANTISSA_BITS - exponent) };
    let beyond = exponent - significant - 1;
    let dropped = if beyond > 1 { (f64::from(beyond) * std::f64::consts::LOG10_2) as u32 } else { 0 };
    let unit = 10u64.pow(dropped);
    n = n / unit + u64::from(dropped > 0 && n % unit >= unit / 2);
    let text = n.to_string();
    Digits { digits: text.bytes().map(|b| b - b'0').collect(), point: text.len() as i32 + dropped as i32, exact: true, rounded_up: false }
}

/// Digit by digit, until what is left is less than half of the distance to a neighbour.
fn fractional(mantissa: u64, exponent: i32, significant: i32, used: i32, fraction_bits: i32) -> Digits {
    let mut decimal = estimated_exponent(mantissa, exponent);
    let (five_up, five_down) = ((-decimal).max(0), decimal.max(0));
    let mut value_twos = five_up + fraction_bits + exponent;
    let mut unit_twos = five_down + fraction_bits;
    let mut half_twos = value_twos - significant;
    value_twos -= used - 1;
    let common = value_twos.min(unit_twos);
    value_twos -= common;
    unit_twos -= common;
    half_twos -= common;
    // The neighbour below a power of two is nearer.
    if used == 1 {
        half_twos -= 1;
    }
    if half_twos < 0 {
        value_twos -= half_twos;
        unit_twos -= half_twos;
        half_twos = 0;
    }
    let scaled = |n: u64, fives: i32, twos: i32| Big::from(n).times_power_of_five(fives).shifted(twos);
    let mut value = scaled(mantissa >> mantissa.trailing_zeros(), five_up, value_twos);
    let unit = scaled(1, five_down, unit_twos);
    let mut half = scaled(1, five_up, half_twos);
    let ten_units = unit.clone().times(10);
    // In wide arithmetic the upper bound belongs to the number, in narrow arithmetic it does not.
    let five_bits =
        |fives: i32| if fives < 27 { (f64::from(fives) * std::f64::consts::LOG2_10 - f64::from(fives)).ceil() as i32 } else { fives * 3 };
    let is_wide = used + value_twos + five_bits(five_up) >= 64 || unit_twos + 1 + five_bits(five_down + 1) >= 64;
    let reaches_next = |value: &Big, half: &Big| match value.clone().plus(half).cmp(&ten_units) {
        Ordering::Equal => is_wide,
        order => order == Ordering::Greater,
    };

    let mut digits = Vec::new();
    let first = value.divide_digit(&unit);
    value = value.times(10);
    half = half.times(10);
    let (mut low, mut high) = (value < half, reaches_next(&value, &half));
    if first == 0 && !high {
        decimal -= 1;
    } else {
        digits.push(first);
    }
    // Numbers that Java would write with an exponent have two digits at least.
    if !(-3..8).contains(&decimal) {
        (low, high) = (false, false);
    }
    while !low && !high {
        let digit = value.divide_digit(&unit);
        value = value.times(10);
        half = half.times(10);
        (low, high) = (value < half, reaches_next(&value, &half));
        digits.push(digit);
    }
    let exact = value.is_zero();
    let up = high
        && (!low
            || match value.shifted(1).cmp(&ten_units) {
                Ordering::Equal => digits.last().is_some_and(|d| d % 2 == 1),
                order => order == Ordering::Greater,
            });
    let mut point = decimal + 1;
    if up {
        point += i32::from(increment(&mut digits));
    }
    Digits { digits, point, exact, rounded_up: up }
}

/// Adds one to the last digit; `true` if all were nines and one more digit stands before them.
fn increment(digits: &mut [u8]) -> bool {
    for digit in digits.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return false;
        }
        *digit = 0;
    }
    if let Some(first) = digits.first_mut() {
        *first = 1;
    }
    true
}

/// The decimal exponent by a line through the logarithm, which may be one too high.
fn estimated_exponent(mantissa: u64, exponent: i32) -> i32 {
    let one_to_two = f64::from_bits(1023 << MANTISSA_BITS | mantissa & ((1 << MANTISSA_BITS) - 1));
    ((one_to_two - 1.5) * 0.289_529_654 + 0.176_091_259 + f64::from(exponent) * std::f64::consts::LOG10_2).floor() as i32
}

/// A natural number of any size, in words of 32 bits, the lowest first, without zeros at the top.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Big(Vec<u32>);

impl From<u64> for Big {
    fn from(n: u64) -> Self {
        Big(vec![n as u32, (n >> 32) as u32]).trimmed()
    }
}

impl Big {
    fn trimmed(mut self) -> Self {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn times(mut self, n: u32) -> Self {
        let mut carry = 0u64;
        for word in &mut self.0 {
            carry += u64::from(*word) * u64::from(n);
            *word = carry as u32;
            carry >>= 32;
        }
        self.0.push(carry as u32);
        self.trimmed()
    }

    fn times_power_of_five(mut self, mut power: i32) -> Self {
        while power > 0 {
            let step = power.min(13);
            self = self.times(5u32.pow(step as u32));
            power -= step;
        }
        self
    }

    fn shifted(self, bits: i32) -> Self {
        let (words, bits) = ((bits.max(0) / 32) as usize, bits.max(0) % 32);
        let Big(low) = self.times(1 << bits);
        Big([vec![0; words], low].concat()).trimmed()
    }

    fn plus(mut self, other: &Big) -> Self {
        self.0.resize(self.0.len().max(other.0.len()) + 1, 0);
        let mut carry = 0u64;
        for (i, word) in self.0.iter_mut().enumerate() {
            carry += u64::from(*word) + u64::from(other.0.get(i).copied().unwrap_or(0));
            *word = carry as u32;
            carry >>= 32;
        }
        self.trimmed()
    }

    fn minus(&mut self, other: &Big) {
        let mut borrow = 0i64;
        for (i, word) in self.0.iter_mut().enumerate() {
            let difference = i64::from(*word) - i64::from(other.0.get(i).copied().unwrap_or(0)) + borrow;
            *word = difference as u32;
            borrow = difference >> 32;
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    /// Divides by a number that is contained less than ten times, and leaves the remainder.
    fn divide_digit(&mut self, by: &Big) -> u8 {
        let mut digit = 0;
        while digit < 9 && (*self).cmp(by) != Ordering::Less {
            self.minus(by);
            digit += 1;
        }
        digit
    }
}

impl PartialOrd for Big {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Big {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}
