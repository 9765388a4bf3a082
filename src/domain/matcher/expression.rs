//! Regular expressions with the meaning they have in Alertmanager, which uses Go's.
//!
//! The two syntaxes are nearly the same. Where the same text means different things, it is rewritten: `\d`, `\w`, `\s`
//! and `\b` know ASCII only, `\<` is a plain sign, `\Q…\E` quotes, and classes have no set operations. What only one
//! of the two knows is left alone: it is an error that the writer sees.

use std::{iter::Peekable, str::Chars};

use regex::{Regex, RegexBuilder};

use crate::problem::Problem;

/// The most memory a compiled expression may take, in bytes; the cache used while matching is limited to the same.
const LARGEST: usize = 1 << 20;

/// Compiles `^(?:source)$`.
pub(super) fn anchored(source: &str) -> Result<Regex, Problem> {
    let rewritten = rewrite(source);
    // Alone first: `a)|(?:b` would otherwise step out of its anchors.
    compile(source, &rewritten)?;
    compile(source, &format!("^(?:{rewritten})$"))
}

fn compile(source: &str, rewritten: &str) -> Result<Regex, Problem> {
    let builder = RegexBuilder::new(rewritten).size_limit(LARGEST).dfa_size_limit(LARGEST).build();
    builder.map_err(|error| explain(source, &error))
}

fn explain(source: &str, error: &regex::Error) -> Problem {
    match error {
        regex::Error::CompiledTooBig(_) => Problem::error(
            "",
            format!("expected a regular expression of at most 1 MiB when compiled, found `{source}`"),
        )
        .suggest("repeat less: counted repetitions multiply"),
        other => {
            // The library's message is a drawing of several lines; the last one says what is wrong.
            let text = other.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Problem::error("", format!("expected a regular expression, found `{source}`: {reason}"))
        }
    }
}

type Source<'s> = Peekable<Chars<'s>>;

fn rewrite(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => rewrite_escape(&mut rest, &mut out),
            '[' => rewrite_class(&mut rest, &mut out),
            _ => out.push(c),
        }
    }
    out
}

fn rewrite_escape(rest: &mut Source<'_>, out: &mut String) {
    let Some(c) = rest.next() else {
        out.push('\\');
        return;
    };
    match (c, ascii_class(c)) {
        (_, Some(class)) => out.push_str(&format!("[{class}]")),
        ('D' | 'W' | 'S', _) => {
            out.push_str(&format!("[^{}]", ascii_class(c.to_ascii_lowercase()).unwrap_or_default()));
        }
        ('b' | 'B', _) => out.push_str(&format!("(?-u:\\{c})")),
        ('<' | '>', _) => out.push(c),
        ('Q', _) => rewrite_literal(rest, out),
        _ => out.extend(['\\', c]),
    }
}

/// What `\d`, `\w` and `\s` stand for inside brackets.
fn ascii_class(letter: char) -> Option<&'static str> {
    match letter {
        'd' => Some("0-9"),
        'w' => Some("0-9A-Za-z_"),
        's' => Some("\\t\\n\\f\\r "),
        _ => None,
    }
}

/// After `\Q`: everything up to `\E` or the end is itself.
fn rewrite_literal(rest: &mut Source<'_>, out: &mut String) {
    let mut literal = String::new();
    while let Some(c) = rest.next() {
        if c == '\\' && rest.next_if_eq(&'E').is_some() {
            break;
        }
        literal.push(c);
    }
    out.push_str(&regex::escape(&literal));
}

/// After `[`, up to and including its `]`.
fn rewrite_class(rest: &mut Source<'_>, out: &mut String) {
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut first = true;
    while let Some(c) = rest.next() {
        match c {
            ']' if !first => {
                out.push(']');
                return;
            }
            '[' if starts_posix_class(rest) => copy_posix_class(rest, out),
            // Signs of set operations in the one syntax, plain signs in the other.
            '[' | ']' | '&' | '~' => out.extend(['\\', c]),
            '-' if rest.peek() == Some(&'-') => {
                out.push_str(if first { "\\-" } else { "-\\-" });
                if !first {
                    rest.next();
                }
            }
            '\\' => rewrite_escape_in_class(rest, out),
            _ => out.push(c),
        }
        first = false;
    }
}

/// After `[` in a class: without a `:]` further on it is a plain sign.
fn starts_posix_class(rest: &Source<'_>) -> bool {
    let mut ahead = rest.clone();
    ahead.next_if_eq(&':').is_some() && ahead.collect::<String>().contains(":]")
}

/// After `[` and before `:`: `[[:alpha:]]` is the same in both.
fn copy_posix_class(rest: &mut Source<'_>, out: &mut String) {
    out.push('[');
    for c in rest.by_ref() {
        out.push(c);
        if c == ']' {
            return;
        }
    }
}

fn rewrite_escape_in_class(rest: &mut Source<'_>, out: &mut String) {
    let Some(c) = rest.next() else {
        out.push('\\');
        return;
    };
    match (c, ascii_class(c)) {
        (_, Some(class)) => out.push_str(class),
        ('D' | 'W' | 'S', _) => {
            out.push_str(&format!("[^{}]", ascii_class(c.to_ascii_lowercase()).unwrap_or_default()));
        }
        ('<' | '>', _) => out.push(c),
        _ => out.extend(['\\', c]),
    }
}
