//! Reading an exposition (classic text or OpenMetrics) far enough to assert on
//! it: samples by name and labels. Not a validator; `promtool` is one.

use std::collections::BTreeMap;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Name as written, with `_total`, `_bucket` and so on.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Value.
    pub value: f64,
}

/// A scrape.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Vec<Sample>);

impl Metrics {
    /// Reads every line that is a sample; comments and what cannot be read are
    /// left out.
    pub fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(sample).collect())
    }

    /// All samples.
    pub fn samples(&self) -> &[Sample] {
        &self.0
    }

    /// Samples of `name` that carry at least these labels.
    pub fn matching<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> + 'a {
        self.0.iter().filter(move |sample| {
            sample.name == name && labels.iter().all(|(k, v)| sample.labels.get(*k).is_some_and(|have| have == v))
        })
    }

    /// The value of the first such sample.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.matching(name, labels).map(|sample| sample.value).next()
    }

    /// The sum over all such samples; 0 when there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.value).sum()
    }
}

fn sample(line: &str) -> Option<Sample> {
    if line.starts_with('#') {
        return None;
    }
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = read_labels(inside, &mut labels)?;
    }
    // A timestamp or an exemplar may follow.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// Fills `labels` and gives what follows the closing brace.
fn read_labels<'a>(mut text: &'a str, labels: &mut BTreeMap<String, String>) -> Option<&'a str> {
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some(rest);
        }
        let (key, after) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut characters = after.char_indices();
        loop {
            match characters.next()? {
                (end, '"') => {
                    text = &after[end + 1..];
                    break;
                }
                (_, '\\') => match characters.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        }
        labels.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_braces_quotes_and_escapes_are_read() {
        let metrics = Metrics::parse(
            "# HELP a b\nprobe_up{target=\"a{b},\\\"c\\\"\\n\",kind=\"http\"} 1 1700000000\nplain 2.5\n",
        );
        assert_eq!(metrics.value("probe_up", &[("kind", "http")]), Some(1.0));
        assert_eq!(metrics.samples()[0].labels["target"], "a{b},\"c\"\n");
        assert_eq!(metrics.value("plain", &[]), Some(2.5));
    }

    #[test]
    fn a_sum_goes_over_the_matching_samples_only() {
        let metrics =
            Metrics::parse("n_total{a=\"1\",b=\"x\"} 1\nn_total{a=\"2\",b=\"x\"} 2\nn_total{a=\"3\",b=\"y\"} 4\n");
        assert_eq!((metrics.sum("n_total", &[("b", "x")]), metrics.sum("absent", &[])), (3.0, 0.0));
    }
}
