//! Collects everything that is wrong with one object, so that a person mends it in one go.
//!
//! A reader that fails notes the problem and gives a harmless value back; [`Findings::finish`] lets
//! no such value out, because one error makes the whole result an error.

use std::{ops::RangeInclusive, time::Duration};

use domain::{
    matcher::Matcher,
    problem::Problem,
    time::{DurationError, format_duration, parse_duration},
};
use jiff::tz::TimeZone;
use regex::Regex;
use url::Url;

/// A value that has passed validation, and what a person should look at all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validated<T> {
    /// What was validated.
    pub value: T,
    /// What does not stop it from being used.
    pub warnings: Vec<Problem>,
}

/// All problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    problems: Vec<Problem>,
}

impl Findings {
    /// Notes a problem.
    pub(crate) fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Notes all of them.
    pub(crate) fn add_all(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.problems.extend(problems);
    }

    /// Notes something that stops the object from being used.
    pub(crate) fn error(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.add(Problem::error(path, message));
    }

    /// Notes something that a person should look at.
    pub(crate) fn warning(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.add(Problem::warning(path, message));
    }

    /// Whether nothing below this path stops the object from being used.
    pub(crate) fn are_fine_under(&self, path: &str) -> bool {
        !self.problems.iter().any(|problem| problem.is_error() && problem.path.starts_with(path))
    }

    /// `value` with all warnings, or all problems when one of them is an error.
    pub(crate) fn finish<T>(self, value: T) -> Result<Validated<T>, Vec<Problem>> {
        if self.problems.iter().any(Problem::is_error) {
            return Err(self.problems);
        }
        Ok(Validated { value, warnings: self.problems })
    }

    /// The same for a value that exists only when nothing was wrong.
    pub(crate) fn finish_some<T>(self, value: Option<T>) -> Result<Validated<T>, Vec<Problem>> {
        match value {
            Some(value) => self.finish(value),
            None => Err(self.problems),
        }
    }

    /// `value` with all problems, whatever they are.
    pub(crate) fn all<T>(self, value: T) -> (T, Vec<Problem>) {
        (value, self.problems)
    }

    /// Takes a reader's answer; the problem of a failed one gets `path`.
    pub(crate) fn take<T>(&mut self, path: &str, answer: Result<T, Problem>) -> Option<T> {
        match answer {
            Ok(value) => Some(value),
            Err(problem) => {
                self.add(problem.under(path));
                None
            }
        }
    }

    /// A duration within `allowed`.
    pub(crate) fn duration(&mut self, path: &str, text: &str, allowed: RangeInclusive<Duration>) -> Duration {
        match parse_duration(text) {
            Ok(span) if allowed.contains(&span) => span,
            // What no field may hold is too much for this one too, and its own range says more.
            Ok(_) | Err(DurationError::TooLong(_)) => {
                let (least, most) = (format_duration(*allowed.start()), format_duration(*allowed.end()));
                self.error(path, format!("expected {least} to {most}, found `{text}`"));
                *allowed.start()
            }
            Err(error) => {
                self.error(path, error.to_string());
                *allowed.start()
            }
        }
    }

    /// The same for a field that may be absent.
    pub(crate) fn optional_duration(
        &mut self,
        path: &str,
        text: Option<&String>,
        allowed: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        text.map(|text| self.duration(path, text, allowed))
    }

    /// A regular expression of moderate size.
    pub(crate) fn regex(&mut self, path: &str, text: &str) -> Option<Regex> {
        match regex::RegexBuilder::new(text).size_limit(1 << 20).build() {
            Ok(regex) => Some(regex),
            Err(regex::Error::CompiledTooBig(_)) => {
                self.error(
                    path,
                    format!("expected a smaller regular expression: `{text}` needs more than 1 MiB of memory"),
                );
                None
            }
            Err(error) => {
                let text = error.to_string();
                let cause = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                self.error(path, format!("expected a regular expression: {cause}"));
                None
            }
        }
    }

    /// A regular expression that may be absent.
    pub(crate) fn optional_regex(&mut self, path: &str, text: Option<&String>) -> Option<Regex> {
        text.and_then(|text| self.regex(path, text))
    }

    /// A zone of the bundled database.
    pub(crate) fn zone(&mut self, path: &str, name: &str) -> TimeZone {
        self.take(path, domain::time::zone(name)).unwrap_or(TimeZone::UTC)
    }

    /// Matchers, each with a path of its own.
    pub(crate) fn matchers(&mut self, path: &str, texts: &[String]) -> Vec<Matcher> {
        let numbered = texts.iter().enumerate();
        numbered.filter_map(|(i, text)| self.take(&format!("{path}[{i}]"), Matcher::parse(text))).collect()
    }

    /// A URL with a host and without credentials, in one of these schemes.
    pub(crate) fn url(&mut self, path: &str, text: &str, schemes: &[&str]) -> Option<Url> {
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => {
                self.error(
                    path,
                    format!("expected a URL such as `{}://host/path`: {error}", schemes.first().unwrap_or(&"https")),
                );
                return None;
            }
        };
        if !schemes.contains(&url.scheme()) {
            self.add(
                Problem::error(path, format!("expected {}, found `{}`", words(schemes, "or"), url.scheme()))
                    .suggest_from(url.scheme(), schemes.iter().copied()),
            );
            return None;
        }
        if !url.username().is_empty() || url.password().is_some() {
            self.error(path, "expected no user name and no password in the URL: whoever may read this object could read them; use a secretRef");
            return None;
        }
        Some(url)
    }

    /// `host:port`, the host without brackets.
    pub(crate) fn host_port(&mut self, path: &str, text: &str) -> Option<(String, u16)> {
        let expected = |found: &str| {
            format!("expected host:port, such as `mail.acme.example:587` or `[2001:db8::1]:587`, found {found}")
        };
        let Some((host, port)) = text.rsplit_once(':') else {
            self.error(path, expected(&format!("`{text}`, which has no port")));
            return None;
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match bare {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains([':', '[', ']', '/']),
        };
        if !is_host {
            self.error(path, expected(&format!("`{text}`")));
            return None;
        }
        match port.parse::<u16>() {
            Ok(port) if port > 0 => Some((bare.unwrap_or(host).to_owned(), port)),
            _ => {
                self.error(path, format!("expected a port from 1 to 65535, found `{port}`"));
                None
            }
        }
    }

    /// Whether exactly one of the members of a union is written. The message is that of the CRD's rule.
    pub(crate) fn exactly_one(&mut self, path: &str, members: &[(&str, bool)]) -> bool {
        let written: Vec<&str> = members.iter().filter(|(_, written)| *written).map(|(name, _)| *name).collect();
        if written.len() == 1 {
            return true;
        }
        let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
        let found = if written.is_empty() { "none".to_owned() } else { words(&written, "and") };
        self.error(path, format!("expected exactly one of {}, found {found}", words(&names, "and")));
        false
    }

    /// Names that must differ. The paths are `list[i].name`.
    pub(crate) fn unique<'a>(&mut self, list: &str, what: &str, names: impl IntoIterator<Item = &'a str>) {
        let mut seen = Vec::new();
        for (i, name) in names.into_iter().enumerate() {
            if seen.contains(&name) {
                self.error(format!("{list}[{i}].name"), format!("expected {what} to be unique, found `{name}` again"));
            }
            seen.push(name);
        }
    }
}

/// `a, b and c`.
pub(crate) fn words<S: AsRef<str>>(words: &[S], last: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., end] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} {last} {}", first.join(", "), end.as_ref())
        }
    }
}

/// Seconds, minutes, hours and days for ranges.
pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("mail.acme.example:587", Some(("mail.acme.example", 587)))]
    #[case("[2001:db8::1]:25", Some(("2001:db8::1", 25)))]
    #[case("10.0.0.1:1", Some(("10.0.0.1", 1)))]
    #[case("2001:db8::1:25", None)]
    #[case("mail", None)]
    #[case("mail:0", None)]
    #[case("mail:65536", None)]
    #[case(":25", None)]
    #[case("[mail]:25", None)]
    fn an_address_is_a_host_and_a_port(#[case] text: &str, #[case] expected: Option<(&str, u16)>) {
        let mut findings = Findings::default();
        let found = findings.host_port("a", text);
        assert_eq!(found, expected.map(|(host, port)| (host.to_owned(), port)));
        assert_eq!(findings.problems.len(), usize::from(expected.is_none()));
    }

    #[test]
    fn a_union_says_what_was_written_instead() {
        let mut findings = Findings::default();
        findings.exactly_one("spec.probe", &[("http", true), ("tcp", true)]);
        findings.exactly_one("spec.probe", &[("http", false), ("tcp", false)]);
        let said: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "spec.probe: expected exactly one of http and tcp, found http and tcp",
                "spec.probe: expected exactly one of http and tcp, found none"
            ]
        );
    }

    #[test]
    fn a_warning_lets_the_value_through_and_an_error_does_not() {
        let mut findings = Findings::default();
        findings.warning("a", "odd");
        assert_eq!(findings.finish(1).unwrap().warnings.len(), 1);
        let mut findings = Findings::default();
        findings.duration("a", "2h", seconds(1)..=seconds(60));
        assert_eq!(findings.finish(1).unwrap_err()[0].to_string(), "a: expected 1s to 1m, found `2h`");
    }
}
