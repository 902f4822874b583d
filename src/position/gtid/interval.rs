//! Sets of transaction numbers as intervals. Every operation on two sets walks each of them once.

/// Numbers `start` up to, but not with, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    pub start: u64,
    pub end: u64,
}

/// Intervals in rising order that neither overlap nor touch; none is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intervals(Vec<Interval>);

impl Intervals {
    pub fn as_slice(&self) -> &[Interval] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one number. The next number in order, the usual one, only moves the last interval's end.
    pub fn add(&mut self, number: u64) {
        match self.0.last_mut() {
            Some(last) if last.end == number => last.end += 1,
            Some(last) if last.end > number => self.add_interval(Interval { start: number, end: number + 1 }),
            _ => self.0.push(Interval { start: number, end: number + 1 }),
        }
    }

    /// Adds an interval that is not empty, and joins it with all that it overlaps or touches.
    pub fn add_interval(&mut self, added: Interval) {
        let from = self.0.partition_point(|i| i.end < added.start);
        let to = self.0.partition_point(|i| i.start <= added.end);
        let touched = self.0.get(from..to).unwrap_or_default();
        let joined = match (touched.first(), touched.last()) {
            (Some(first), Some(last)) => Interval { start: first.start.min(added.start), end: last.end.max(added.end) },
            _ => added,
        };
        self.0.splice(from..to.max(from), [joined]);
    }

    pub fn contains(&self, number: u64) -> bool {
        let after = self.0.partition_point(|i| i.start <= number);
        after.checked_sub(1).and_then(|i| self.0.get(i)).is_some_and(|i| number < i.end)
    }

    pub fn is_subset(&self, other: &Intervals) -> bool {
        let mut candidates = other.0.iter().peekable();
        self.0.iter().all(|mine| {
            while candidates.next_if(|c| c.end <= mine.start).is_some() {}
            candidates.peek().is_some_and(|c| c.start <= mine.start && mine.end <= c.end)
        })
    }

    pub fn union(&self, other: &Intervals) -> Intervals {
        let mut joined: Vec<Interval> = Vec::with_capacity(self.0.len() + other.0.len());
        let (mut a, mut b) = (self.0.iter().copied().peekable(), other.0.iter().copied().peekable());
        loop {
            let next = match (a.peek(), b.peek()) {
                (Some(x), Some(y)) if x.start <= y.start => a.next(),
                (_, Some(_)) => b.next(),
                _ => a.next(),
            };
            let Some(next) = next else { return Intervals(joined) };
            match joined.last_mut() {
                Some(last) if next.start <= last.end => last.end = last.end.max(next.end),
                _ => joined.push(next),
            }
        }
    }

    pub fn subtract(&self, other: &Intervals) -> Intervals {
        let mut left = Vec::new();
        let mut holes = other.0.iter().peekable();
        for mine in &self.0 {
            let mut start = mine.start;
            while holes.next_if(|h| h.end <= start).is_some() {}
            // A hole that reaches beyond `mine` is looked at again for the next interval.
            while let Some(hole) = holes.peek().filter(|h| h.start < mine.end) {
                if start < hole.start {
                    left.push(Interval { start, end: hole.start });
                }
                start = hole.end;
                if start >= mine.end {
                    break;
                }
                holes.next();
            }
            if start < mine.end {
                left.push(Interval { start, end: mine.end });
            }
        }
        Intervals(left)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn of(numbers: &BTreeSet<u64>) -> Intervals {
        let mut set = Intervals::default();
        numbers.iter().for_each(|n| set.add(*n));
        set
    }

    fn numbers(set: &Intervals) -> BTreeSet<u64> {
        set.0.iter().flat_map(|i| i.start..i.end).collect()
    }

    fn is_canonical(set: &Intervals) -> bool {
        set.0.iter().all(|i| i.start < i.end) && set.0.windows(2).all(|w| w[0].end < w[1].start)
    }

    fn some_numbers() -> impl Strategy<Value = BTreeSet<u64>> {
        prop::collection::btree_set(1u64..60, 0..40)
    }

    proptest! {
        /// The set of plain numbers is the definition.
        #[test]
        fn equals_a_set_of_numbers(a in some_numbers(), b in some_numbers(), order in prop::collection::vec(1u64..60, 0..40)) {
            let (x, y) = (of(&a), of(&b));
            let union = x.union(&y);
            let less = x.subtract(&y);
            prop_assert_eq!(numbers(&union), a.union(&b).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(numbers(&less), a.difference(&b).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(x.is_subset(&y), a.is_subset(&b));
            prop_assert!(less.is_subset(&x) && x.is_subset(&union) && y.is_subset(&union));
            prop_assert!((0..62).all(|n| x.contains(n) == a.contains(&n)));
            let mut any_order = Intervals::default();
            order.iter().for_each(|n| any_order.add(*n));
            prop_assert_eq!(numbers(&any_order), order.into_iter().collect::<BTreeSet<_>>());
            prop_assert!([&union, &less, &any_order].into_iter().all(is_canonical));
        }

        #[test]
        fn adding_intervals(a in some_numbers(), start in 1u64..60, size in 1u64..20) {
            let mut set = of(&a);
            set.add_interval(Interval { start, end: start + size });
            prop_assert_eq!(numbers(&set), a.into_iter().chain(start..start + size).collect::<BTreeSet<_>>());
            prop_assert!(is_canonical(&set));
        }
    }
}
