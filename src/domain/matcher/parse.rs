//! The text of a matcher. Says what was expected, and writes out what was probably meant.

use super::{Comparison, Matcher, bare_or_quoted, quoted};
use crate::problem::Problem;

/// Signs, longest first, so that `=~` is not read as `=`.
const SIGNS: [Comparison; 4] = [Comparison::Match, Comparison::NotEqual, Comparison::NotMatch, Comparison::Equal];

/// What cannot stand in an unquoted name or value (Alertmanager's `matcher/parse`, `isReserved`).
pub(super) fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\\\"'`".contains(c)
}

pub(super) fn parse(text: &str) -> Result<Matcher, Problem> {
    let whole = text.trim();
    if whole.is_empty() {
        return Err(expected("a matcher such as `service=\"checkout\"`", whole));
    }
    if whole.starts_with('{') || whole.ends_with('}') {
        let inner = whole.trim_start_matches('{').trim_end_matches('}').trim();
        return Err(expected("one matcher without braces", whole).suggest(format!("write `{inner}`")));
    }
    let (name, rest) = read_name(whole)?;
    let (comparison, rest) = read_sign(whole, &name, rest)?;
    let (value, rest) = read_value(whole, &name, comparison, rest)?;
    if rest.is_empty() {
        return Matcher::new(&name.text, comparison, &value);
    }
    let problem = expected(&format!("nothing after the value in `{whole}`"), rest);
    Err(if rest.starts_with(',') {
        problem.suggest("write each matcher as an element of its own")
    } else {
        problem.suggest("put the whole value in double quotes, and `\\` before each `\"` in it")
    })
}

/// A label's name, and which escapes apply to the value after it.
struct Name {
    text: String,
    escapes: Escapes,
}

#[derive(Clone, Copy)]
enum Escapes {
    /// `\"`, `\\`, `\n`; every other backslash is itself.
    OpenMetrics,
    /// Those of a Go string; an unknown one is an error.
    Go,
}

fn read_name(whole: &str) -> Result<(Name, &str), Problem> {
    if let Some((raw, rest)) = split_quoted(whole)? {
        let text = unescape_go(raw)?;
        return Ok((Name { text, escapes: Escapes::Go }, rest));
    }
    let (text, rest) = split_bare(whole);
    if text.is_empty() {
        return Err(expected(&format!("the name of a label at the start of `{whole}`"), rest));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let is_plain = text.chars().all(plain) && !text.starts_with(|c: char| c.is_ascii_digit());
    let escapes = if is_plain { Escapes::OpenMetrics } else { Escapes::Go };
    Ok((Name { text: text.to_owned(), escapes }, rest))
}

fn read_sign<'t>(whole: &str, name: &Name, rest: &'t str) -> Result<(Comparison, &'t str), Problem> {
    for sign in SIGNS {
        if let Some(after) = rest.strip_prefix(sign.as_str()) {
            return Ok((sign, after.trim_start()));
        }
    }
    let label = bare_or_quoted(&name.text);
    let problem = expected(&format!("`=`, `!=`, `=~` or `!~` after `{label}` in `{whole}`"), rest);
    let value = |after: &str| quoted(after.trim().trim_matches('"'));
    Err(match rest.strip_prefix("~=") {
        Some(after) => problem.suggest(format!("write `{label}=~{}`", value(after))),
        None if rest.is_empty() => problem.suggest(format!("write `{label}=\"…\"`")),
        None => problem.suggest(format!("write `{}={}`", label.trim_end_matches(':'), value(rest))),
    })
}

fn read_value<'t>(
    whole: &str,
    name: &Name,
    comparison: Comparison,
    rest: &'t str,
) -> Result<(String, &'t str), Problem> {
    if let Some((raw, rest)) = split_quoted(rest)? {
        let value = match name.escapes {
            Escapes::OpenMetrics => unescape_open_metrics(raw),
            Escapes::Go => unescape_go(raw)?,
        };
        return Ok((value, rest));
    }
    let (value, after) = split_bare(rest);
    let sign = comparison.as_str();
    if !value.is_empty() && (after.is_empty() || after.starts_with(',')) {
        return Ok((value.to_owned(), after));
    }
    // What was written instead of a value, as far as it can be read as one.
    let meant = rest.trim_start_matches(['=', '~']).trim().trim_matches(['\'', '`', '"']);
    let problem = if value.is_empty() {
        expected(&format!("a value after `{sign}` in `{whole}`"), rest)
    } else {
        expected(&format!("a value in quotes in `{whole}`, because it has signs that need them"), rest)
    };
    Err(problem.suggest(format!("write `{}{sign}{}`", bare_or_quoted(&name.text), quoted(meant))))
}

/// The unquoted text at the start, and what follows it and the white space after it.
fn split_bare(text: &str) -> (&str, &str) {
    let (bare, rest) = text.split_at(text.find(is_reserved).unwrap_or(text.len()));
    (bare, rest.trim_start())
}

/// The still escaped text between the quotes that `text` starts with, and what follows; `None` without a quote.
fn split_quoted(text: &str) -> Result<Option<(&str, &str)>, Problem> {
    let Some(body) = text.strip_prefix('"') else { return Ok(None) };
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        if c == '"' && !escaped {
            let (raw, rest) = body.split_at(at);
            return Ok(Some((raw, rest.strip_prefix('"').unwrap_or(rest).trim_start())));
        }
        escaped = c == '\\' && !escaped;
    }
    Err(Problem::error("", format!("expected a closing `\"`, found the end of `{text}`"))
        .suggest("close the quotes; a `\"` inside them is written `\\\"`"))
}

fn unescape_open_metrics(raw: &str) -> String {
    let mut value = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some('n')) => value.push('\n'),
            ('\\', Some(same @ ('"' | '\\'))) => value.push(same),
            _ => {
                value.push(c);
                continue;
            }
        }
        chars.next();
    }
    value
}

/// A Go interpreted string literal (`strconv.Unquote`), which must be UTF-8.
fn unescape_go(raw: &str) -> Result<String, Problem> {
    let wrong = |found: &str| {
        Problem::error("", format!("expected one of Go's escapes (`\\\\`, `\\\"`, `\\n`, `\\t`, `\\x41`, `\\u00e9` …), found `{found}` in `\"{raw}\"`"))
            .suggest("write `\\\\` for a backslash")
    };
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '\n' {
            return Err(wrong("a line feed"));
        }
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let letter = rest.chars().next().unwrap_or('\\');
        let single = match letter {
            'a' => Some(7),
            'b' => Some(8),
            'f' => Some(12),
            'n' => Some(b'\n'),
            'r' => Some(b'\r'),
            't' => Some(b'\t'),
            'v' => Some(11),
            '\\' => Some(b'\\'),
            '"' => Some(b'"'),
            _ => None,
        };
        if let Some(byte) = single {
            bytes.push(byte);
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let (skip, digits, radix) = match letter {
            'x' => (1, 2, 16),
            'u' => (1, 4, 16),
            'U' => (1, 8, 16),
            '0'..='7' => (0, 3, 8),
            _ => return Err(wrong(&format!("\\{letter}"))),
        };
        let number = rest.get(skip..skip + digits).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = number.and_then(|text| u32::from_str_radix(text, radix).ok());
        let code = code.ok_or_else(|| wrong(&format!("\\{letter}")))?;
        if matches!(letter, 'u' | 'U') {
            let c = char::from_u32(code).ok_or_else(|| wrong(&format!("\\{letter}")))?;
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            bytes.push(u8::try_from(code).map_err(|_| wrong(&format!("\\{letter}")))?);
        }
        rest = rest.get(skip + digits..).unwrap_or_default();
    }
    String::from_utf8(bytes)
        .map_err(|_| Problem::error("", format!("expected UTF-8, found other bytes in `\"{raw}\"`")))
}

fn expected(what: &str, found: &str) -> Problem {
    let found = if found.is_empty() { "nothing".to_owned() } else { format!("`{found}`") };
    Problem::error("", format!("expected {what}, found {found}"))
}
