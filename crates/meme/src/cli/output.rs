//! What goes to standard output, and how failures end up on standard error.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the command line prints here")]

use std::io::Write;

use serde::Serialize;

use crate::Error;

/// Writes a result; a reader that went away (`meme list | head -1`) is not a failure.
pub(crate) fn text(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = stdout.write_all(b"\n");
    }
}

/// Writes one JSON object.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(line) => text(&line),
        Err(error) => eprintln!("error: {error}"),
    }
}

/// Says what went wrong.
pub(crate) fn failure(error: &Error) {
    eprintln!("error: {error}");
}

/// Columns of text, the first left-aligned and the others right-aligned.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (column, (cell, width)) in cells.zip(&widths).enumerate() {
            let padding = " ".repeat(width - cell.chars().count());
            if column == 0 {
                text.push_str(&format!("{cell}{padding}"));
            } else {
                text.push_str(&format!("  {padding}{cell}"));
            }
        }
        format!("{}\n", text.trim_end())
    };
    let mut text = line(&mut header.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}
