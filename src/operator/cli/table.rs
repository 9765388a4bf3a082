//! Columns as kubectl prints them: upper-case headings, three spaces between, nothing cut.

use super::output::{Colour, Paint};

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// A cell in a colour. What is absent shows as `<none>`, as kubectl has it.
    pub fn new(text: impl Into<String>, paint: Paint) -> Self {
        let text = text.into();
        if text.is_empty() { Self { text: "<none>".to_owned(), paint: Paint::Faint } } else { Self { text, paint } }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Paint::Plain)
    }
}

/// The whole table, each line ended. Rows shorter than the heading end early.
pub fn table(heading: &[&str], rows: &[Vec<Cell>], colour: Colour) -> String {
    let heading: Vec<Cell> = heading.iter().map(|name| Cell::new(*name, Paint::Strong)).collect();
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).chain(heading.get(column));
            cells.map(Cell::width).max().unwrap_or(0)
        })
        .collect();
    std::iter::once(&heading).chain(rows).map(|row| line(row, &widths, colour)).collect()
}

fn line(row: &[Cell], widths: &[usize], colour: Colour) -> String {
    let mut text = String::new();
    for (number, (cell, width)) in row.iter().zip(widths).enumerate() {
        text.push_str(&colour.paint(cell.paint, &cell.text));
        // The last cell is not padded: trailing spaces are noise when copied.
        if number + 1 < row.len() {
            text.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 3));
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_an_absent_value_is_said() {
        let rows = [vec![Cell::from("P1"), "Übersicht ist weg".into()], vec!["".into(), "b".into()]];
        let text = table(&["PRIORITY", "TITLE"], &rows, Colour::Off);
        assert_eq!(text, "PRIORITY   TITLE\nP1         Übersicht ist weg\n<none>     b\n");
    }

    #[test]
    fn colours_do_not_move_the_columns() {
        let rows = [vec![Cell::new("P1", Paint::Bad), "a".into()]];
        let text = table(&["PRIORITY", "TITLE"], &rows, Colour::On);
        assert!(text.ends_with("\u{1b}[31;1mP1\u{1b}[0m         a\n"), "{text:?}");
    }
}
