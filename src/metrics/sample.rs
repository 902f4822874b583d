//! Counted values and their spread, as Dropwizard's histograms, timers and meters show them. Recording is two additions and
//! one store; all arithmetic is done by whoever asks. Never here: clocks (times come in), names, formats.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

/// The last so many values make the spread. (Maxwell keeps as many, of about the last five minutes.)
const SAMPLES: usize = 1024;

/// How often `Meter::tick` has to be called; the rates are made for it.
pub const TICK_SECONDS: u64 = 5;

/// A bounded memory of values.
pub struct Histogram {
    count: AtomicU64,
    /// Number of values recorded; the next one goes to this place modulo `SAMPLES`.
    next: AtomicU64,
    samples: Box<[AtomicU64]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { count: AtomicU64::new(0), next: AtomicU64::new(0), samples: (0..SAMPLES).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Histogram {
    /// One value that stands for `times` events (the transactions of one batch share theirs).
    #[inline]
    pub fn record(&self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        self.count.fetch_add(times, Ordering::Relaxed);
        let place = self.next.fetch_add(1, Ordering::Relaxed) as usize % SAMPLES;
        if let Some(sample) = self.samples.get(place) {
            sample.store(value, Ordering::Relaxed);
        }
    }

    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The spread of the values that are remembered, each multiplied by `unit`.
    pub fn spread(&self, unit: f64) -> Spread {
        let filled = (self.next.load(Ordering::Relaxed) as usize).min(SAMPLES);
        let mut values: Vec<f64> = self.samples.iter().take(filled).map(|s| s.load(Ordering::Relaxed) as f64 * unit).collect();
        values.sort_by(f64::total_cmp);
        Spread::of(&values)
    }
}

/// What is said of a set of values; all 0 if there are none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spread {
    pub min: f64,
    pub max: f64,
    pub mean: f64,
    pub stddev: f64,
    /// At the places of `QUANTILES`.
    pub quantiles: [f64; 6],
}

/// The quantiles that Dropwizard shows.
pub const QUANTILES: [f64; 6] = [0.5, 0.75, 0.95, 0.98, 0.99, 0.999];

impl Spread {
    fn of(sorted: &[f64]) -> Spread {
        let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else { return Spread::default() };
        let n = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / n;
        let squares: f64 = sorted.iter().map(|v| (v - mean).powi(2)).sum();
        Spread {
            min: *min,
            max: *max,
            mean,
            stddev: if sorted.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 },
            quantiles: QUANTILES.map(|q| quantile(sorted, q)),
        }
    }
}

/// Between two neighbours in proportion.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() as f64 + 1.0);
    let at = |i: usize| sorted.get(i.clamp(1, sorted.len()) - 1).copied().unwrap_or_default();
    let (lower, upper) = (at(place as usize), at(place as usize + 1));
    if place < 1.0 { at(1) } else { lower + (place - place.floor()) * (upper - lower) }
}

/// The rates of something that is counted elsewhere: moving averages over one, five and fifteen minutes that forget
/// exponentially, as the load of a Unix system does.
#[derive(Default)]
pub struct Meter(Mutex<MeterState>);

#[derive(Default)]
struct MeterState {
    last: u64,
    /// Events a second; `None` before the first tick.
    averages: Option<[f64; 3]>,
}

/// Events a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    pub count: u64,
    pub mean: f64,
    pub m1: f64,
    pub m5: f64,
    pub m15: f64,
}

impl Meter {
    /// To be called every `TICK_SECONDS` with the count as it is then.
    pub fn tick(&self, count: u64) {
        let mut state = self.lock();
        let now = count.saturating_sub(state.last) as f64 / TICK_SECONDS as f64;
        state.last = count;
        let averages = state.averages.get_or_insert([now; 3]);
        for (average, minutes) in averages.iter_mut().zip([1.0, 5.0, 15.0]) {
            let weight = 1.0 - (-(TICK_SECONDS as f64) / 60.0 / minutes).exp();
            *average += weight * (now - *average);
        }
    }

    pub fn rates(&self, count: u64, uptime_seconds: f64) -> Rates {
        let [m1, m5, m15] = self.lock().averages.unwrap_or_default();
        let mean = if count > 0 && uptime_seconds > 0.0 { count as f64 / uptime_seconds } else { 0.0 };
        Rates { count, mean, m1, m5, m15 }
    }

    fn lock(&self) -> MutexGuard<'_, MeterState> {
        // Plain numbers: whole whatever happened under the lock.
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_of_known_values() {
        let histogram = Histogram::default();
        assert_eq!(histogram.spread(1.0), Spread::default());
        histogram.record(7, 1);
        assert_eq!(histogram.spread(1.0), Spread { min: 7.0, max: 7.0, mean: 7.0, stddev: 0.0, quantiles: [7.0; 6] });
        for value in (1..=99).filter(|v| *v != 7) {
            histogram.record(value, 1);
        }
        let spread = histogram.spread(2.0);
        assert_eq!((spread.min, spread.max, spread.mean), (2.0, 198.0, 100.0));
        assert_eq!(spread.quantiles.map(f64::round), [100.0, 150.0, 190.0, 196.0, 198.0, 198.0]);
        assert!((spread.stddev - 57.445_6).abs() < 0.001, "{}", spread.stddev);
    }

    #[test]
    fn memory_is_bounded_and_counts_go_on() {
        let histogram = Histogram::default();
        for _ in 0..SAMPLES {
            histogram.record(1, 3);
        }
        for _ in 0..SAMPLES {
            histogram.record(5, 1);
        }
        histogram.record(9, 0);
        assert_eq!(histogram.count(), 4 * SAMPLES as u64);
        assert_eq!((histogram.spread(1.0).min, histogram.spread(1.0).max), (5.0, 5.0), "old values are forgotten");
    }

    #[test]
    fn rates_rise_and_fall() {
        let meter = Meter::default();
        assert_eq!(meter.rates(0, 0.0), Rates::default());
        let mut count = 0;
        for _ in 0..720 {
            count += 50;
            meter.tick(count);
        }
        let steady = meter.rates(count, 3600.0);
        for rate in [steady.mean, steady.m1, steady.m5, steady.m15] {
            assert!((rate - 10.0).abs() < 0.01, "{steady:?}");
        }
        for _ in 0..12 {
            meter.tick(count);
        }
        // One minute of silence leaves 1/e of the average over one minute.
        let after = meter.rates(count, 3660.0);
        assert!((after.m1 - 10.0 / std::f64::consts::E).abs() < 0.01, "{after:?}");
        assert!(after.m1 < after.m5 && after.m5 < after.m15, "{after:?}");
    }
}
