//! The plain-text part of a mail, which most people who are woken by it will read.

use domain::message::Message;

use super::{commands, description, guide, headline, labels, other_annotations, since, ticket, why};

/// The whole text, ending with a line break.
pub fn text(message: &Message) -> String {
    let opening = format!("{}\n{}\n{}\n{}", headline(message), since(message), why(message), ticket(message));
    let sections = [
        Some(opening),
        description(message),
        section("What to do", &guide(message).unwrap_or_default()),
        section("Labels", &columns(&labels(message))),
        section("Also known", &columns(&other_annotations(message))),
    ];
    // A command has a line to itself: it is copied whole, and quoted-printable leaves a line of up to 76 alone.
    let commands = commands(message).into_iter().filter_map(|(purpose, command)| section(purpose, &command));
    let mut text = sections.into_iter().flatten().chain(commands).collect::<Vec<_>>().join("\n\n");
    text.push('\n');
    text
}

/// A heading over indented lines; nothing when there is nothing to show.
fn section(heading: &str, lines: &str) -> Option<String> {
    if lines.is_empty() {
        return None;
    }
    let indented = lines.lines().map(|line| format!("  {line}").trim_end().to_owned());
    Some(std::iter::once(heading.to_owned()).chain(indented).collect::<Vec<_>>().join("\n"))
}

/// Names in a column, values beside them; a value of several lines stays in its column.
fn columns(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(24);
    let row = |(name, value): &(&str, String)| {
        let value = value.replace('\n', &format!("\n{:width$}  ", ""));
        format!("{name:width$}  {value}")
    };
    pairs.iter().map(row).collect::<Vec<_>>().join("\n")
}
