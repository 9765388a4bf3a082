//! The only place of the command line that writes: results, progress, colours.
//!
//! Results go to one writer and progress to another, so that a pipe gets results only and a test reads
//! both. Text from outside (titles, notes, answers of servers) passes [`plain`] or [`lines`], because an
//! escape sequence in a ticket's title must not reach a terminal.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use clap::ValueEnum;
use owo_colors::{AnsiColors, OwoColorize, Style};
use serde::Serialize;

use super::exit::Failure;

/// Forms for machines, and kubectl's tables for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns.
    Table,
    /// More columns.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// What a piece of text means, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// As it is.
    Plain,
    /// A title or heading.
    Strong,
    /// Beside the point.
    Faint,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
}

/// Whether colours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal that wants them.
    On,
    /// Everywhere else.
    Off,
}

impl Colour {
    /// On for a terminal, unless NO_COLOR (<https://no-color.org>) is set or the terminal is dumb.
    pub fn of(stream: &impl IsTerminal) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        if stream.is_terminal() && !unwanted && !dumb { Self::On } else { Self::Off }
    }

    /// The text in its colour.
    pub fn paint(self, paint: Paint, text: impl Display) -> String {
        let style = match (self, paint) {
            (Self::Off, _) | (Self::On, Paint::Plain) => return text.to_string(),
            (Self::On, Paint::Strong) => Style::new().bold(),
            (Self::On, Paint::Faint) => Style::new().dimmed(),
            (Self::On, Paint::Good) => Style::new().color(AnsiColors::Green),
            (Self::On, Paint::Warn) => Style::new().color(AnsiColors::Yellow),
            (Self::On, Paint::Bad) => Style::new().color(AnsiColors::Red).bold(),
        };
        text.style(style).to_string()
    }
}

/// Where results and progress go.
pub struct Output<'a> {
    results: &'a mut dyn Write,
    progress: &'a mut dyn Write,
    /// Colours of results.
    pub colour: Colour,
    /// Colours of progress.
    pub progress_colour: Colour,
    /// Whether a person reads the results as they come.
    pub terminal: bool,
}

impl<'a> Output<'a> {
    /// Writes results and progress there, as for a pipe.
    pub fn new(results: &'a mut dyn Write, progress: &'a mut dyn Write) -> Self {
        Self { results, progress, colour: Colour::Off, progress_colour: Colour::Off, terminal: false }
    }

    /// One line of the result.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn line(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.results, "{text}")
    }

    /// A part of the result that has its own line breaks.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.results.write_all(text.as_bytes())
    }

    /// One line that is not part of the result: progress, warnings, hints.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn say(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.progress, "{text}")
    }

    /// An error, as the last thing that is said.
    pub fn fail(&mut self, failure: &Failure) {
        let word = self.progress_colour.paint(Paint::Bad, "error:");
        // Where the last word cannot be written either, the exit code says it alone.
        let _ = writeln!(self.progress, "{word} {failure}");
    }

    /// A value as JSON, indented, or as YAML.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn value(&mut self, value: &impl Serialize, form: Form) -> Result<(), Failure> {
        let text = match form {
            Form::Json => serde_json::to_string_pretty(value).map_err(|error| Failure::Form(error.to_string()))?,
            Form::Yaml => serde_saphyr::to_string(value).map_err(|error| Failure::Form(error.to_string()))?,
        };
        self.line(text.trim_end())?;
        Ok(())
    }
}

/// A form for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

impl Format {
    /// The form for machines, when it is one.
    pub fn form(self) -> Option<Form> {
        match self {
            Self::Json => Some(Form::Json),
            Self::Yaml => Some(Form::Yaml),
            Self::Table | Self::Wide => None,
        }
    }
}

/// Text from outside on one line: line breaks and control characters become spaces.
pub fn plain(text: &str) -> String {
    text.replace(char::is_control, " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text from outside on several lines: each without control characters or trailing space, none empty at the end.
pub fn lines(text: &str) -> Vec<String> {
    let clean = |line: &str| line.replace('\t', "    ").replace(char::is_control, "").trim_end().to_owned();
    text.trim_end().lines().map(clean).collect()
}

/// At most `limit` characters; a cut is marked by `…`.
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_sequence_in_a_title_does_not_reach_the_terminal() {
        assert_eq!(plain("down\u{1b}[2J\n now\u{7}"), "down [2J now");
        assert_eq!(lines("a\u{1b}[31m\r\n\tb\n\n"), ["a[31m", "    b"]);
    }

    #[test]
    fn colours_are_written_only_when_they_are_on() {
        assert_eq!(Colour::Off.paint(Paint::Bad, "Down"), "Down");
        assert_eq!(Colour::On.paint(Paint::Bad, "Down"), "\u{1b}[31;1mDown\u{1b}[0m");
    }

    #[test]
    fn yaml_for_others_quotes_what_older_readers_take_for_a_boolean() {
        let (mut results, mut progress) = (Vec::new(), Vec::new());
        let mut output = Output::new(&mut results, &mut progress);
        output.value(&serde_json::json!({"answer": "yes"}), Form::Yaml).unwrap();
        let text = String::from_utf8(results).unwrap();
        assert!(text.contains("'yes'") || text.contains("\"yes\""), "{text}");
    }

    #[test]
    fn a_cut_is_marked() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
    }
}
