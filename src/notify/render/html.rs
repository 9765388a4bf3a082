//! The HTML part of a mail: the same content as the text, with a table and commands that copy well.
//!
//! No images, scripts, styles from outside or tracking; every value is escaped.

use std::fmt::Write as _;

use domain::message::Message;

use super::{commands, description, guide, headline, labels, other_annotations, since, ticket, why};

/// A whole document.
pub fn html(message: &Message) -> String {
    let mut out = String::from(
        "<!DOCTYPE html>\n<html><body style=\"font-family:sans-serif;font-size:16px;line-height:1.4;max-width:42em\">\n",
    );
    // Writing to a String cannot fail.
    let _ = writeln!(out, "<h1 style=\"font-size:22px;margin:0 0 8px\">{}</h1>", escape(&headline(message)));
    let _ = writeln!(
        out,
        "<p>{}<br>\n{}<br>\n{}</p>",
        escape(&since(message)),
        escape(&why(message)),
        escape(&ticket(message))
    );
    if let Some(description) = description(message) {
        let _ = writeln!(out, "<p>{}</p>", lines(&description));
    }
    if let Some(guide) = guide(message) {
        let _ = writeln!(out, "<p><b>What to do</b><br>\n{}</p>", linked(&guide));
    }
    table(&mut out, "Labels", &labels(message));
    table(&mut out, "Also known", &other_annotations(message));
    for (purpose, command) in commands(message) {
        let _ = writeln!(
            out,
            "<p><b>{}</b><br>\n<code style=\"font-size:15px;background:#eee;padding:4px 6px\">{}</code></p>",
            escape(purpose),
            escape(&command)
        );
    }
    out.push_str("</body></html>\n");
    out
}

fn table(out: &mut String, heading: &str, rows: &[(&str, String)]) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "<p><b>{heading}</b></p>\n<table>");
    for (name, value) in rows {
        let _ = writeln!(
            out,
            "<tr><td style=\"padding-right:16px;vertical-align:top\">{}</td><td>{}</td></tr>",
            escape(name),
            linked(value)
        );
    }
    out.push_str("</table>\n");
}

/// A link where the whole value is one web address, else the value.
fn linked(value: &str) -> String {
    let address = url::Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    match address {
        Some(_) => format!("<a href=\"{0}\">{0}</a>", escape(value)),
        None => lines(value),
    }
}

fn lines(value: &str) -> String {
    escape(value).replace('\n', "<br>\n")
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
