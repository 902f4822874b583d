//! The known name that is nearest to a misspelled one.

/// The nearest of the names, if it is near enough to be meant.
pub(super) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = normalised(wrong);
    let allowed = (wrong.chars().count() / 3).clamp(1, 4);
    names
        .map(|name| (distance(&wrong, &normalised(name)), name))
        .filter(|(d, _)| *d <= allowed)
        .min_by_key(|(d, _)| *d)
        .map(|(_, name)| name)
}

/// Letter case and the kind of separator are the commonest mistakes and cost nothing.
fn normalised(name: &str) -> String {
    name.to_lowercase().replace(['-', '.', ' '], "_")
}

/// Edits from one text to the other: insertions, deletions, replacements, and swaps of neighbours (optimal string
/// alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 4 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let replaced = above[j] + usize::from(ca != cb);
            let mut best = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *ca == b[j - 1] && a[i - 1] == *cb {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::super::options::all;
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        for (wrong, want) in [
            ("pasword", Some("password")),
            ("client-id", Some("client_id")),
            ("kafka.topic", Some("kafka_topic")),
            ("Output_DDL", Some("output_ddl")),
            ("ouptut_nulls", Some("output_nulls")),
            ("hots", Some("host")),
            ("producer_partition_colums", Some("producer_partition_columns")),
            ("something_else_entirely", None),
            ("x", None),
        ] {
            assert_eq!(nearest(wrong, all().map(|o| o.name)), want, "{wrong}");
        }
    }

    #[test]
    fn counts_edits() {
        for (a, b, want) in [("", "", 0), ("", "ab", 2), ("abc", "abc", 0), ("abc", "acb", 1), ("kitten", "sitting", 3), ("ca", "abc", 3)] {
            assert_eq!(distance(a, b), want, "{a} {b}");
        }
    }
}
