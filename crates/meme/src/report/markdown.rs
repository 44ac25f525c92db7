//! `report.md`.

use std::fmt::Write;

use super::figures::Figure;
use super::model::Report;
use super::tables::{self, Table};

pub(super) fn render(report: &Report, figures: &[Figure]) -> String {
    let mut text = format!("# {}, scale {}\n\n", report.title, report.scale);
    for caution in tables::cautions(report) {
        let _ = writeln!(text, "> {caution}\n>");
    }
    text.push('\n');

    section(&mut text, "Pictures");
    if let Some(real) = &report.real_grid {
        let _ = writeln!(text, "Held-out real pictures:\n\n![real]({})\n", real.display());
    }
    for row in &report.rows {
        let grid = row.trained.as_ref().and_then(|trained| trained.grid.as_ref());
        if let Some(grid) = grid {
            let _ = writeln!(
                text,
                "{}, the same seeds as every other row:\n\n![{}]({})\n",
                row.title,
                row.title,
                grid.display()
            );
        }
    }

    section(&mut text, "Results");
    table(&mut text, &tables::results(report));
    if let Some(about) = tables::about_distance(report) {
        let _ = writeln!(text, "{about}\n");
    }

    section(&mut text, "The networks at the paper's size");
    let _ = writeln!(text, "{}\n", paper_note());
    table(&mut text, &tables::paper_networks(report));
    section(&mut text, "The networks at this scale");
    table(&mut text, &tables::networks_here(report));

    section(&mut text, "Figures");
    for (name, chart) in figures {
        let _ = writeln!(text, "![{}]({name}.svg) ([CSV]({name}.csv))\n", chart.title);
    }

    section(&mut text, "How it was made");
    for line in provenance(report) {
        let _ = writeln!(text, "* {line}");
    }
    text.push('\n');
    table(&mut text, &tables::stages(report));
    text
}

/// What the paper's columns mean.
pub(super) fn paper_note() -> &'static str {
    "Paper beside here. Counted: one forward pass of one 3 x 64 x 64 latent, attention products \
     included. The paper's \"MACs\" are about three times one forward pass without attention \
     products (fitted); compare ratios. Times are of random weights at that size on this machine, \
     one image at a time, the mean over a row's experts."
}

/// What determined the numbers.
pub(super) fn provenance(report: &Report) -> Vec<String> {
    let data = &report.data;
    let [channels, height, width] = data.latent_shape;
    let machine = &report.machine;
    let mut lines = vec![
        format!(
            "Pictures: {}, {} x {} pixels; {} learned from, {} held out; networks see \
             {channels} x {height} x {width}; latents {}…",
            data.description,
            data.resolution,
            data.resolution,
            data.train,
            data.validation,
            data.hash.get(..12).unwrap_or(&data.hash)
        ),
        format!(
            "Machine: {}, {} cores, device {}; libtorch {}; meme {}",
            machine.processor, machine.cores, machine.device, machine.libtorch, machine.version
        ),
    ];
    if let Some(peak) = machine.peak_memory {
        lines.push(format!("Largest resident memory of the last run: {:.2} GB", peak as f64 / 1e9));
    }
    lines
}

fn section(text: &mut String, title: &str) {
    let _ = writeln!(text, "## {title}\n");
}

fn table(text: &mut String, table: &Table) {
    let _ = writeln!(text, "| {} |", table.header.join(" | "));
    let rules: Vec<&str> =
        (0..table.header.len()).map(|column| if column == 0 { "---" } else { "---:" }).collect();
    let _ = writeln!(text, "| {} |", rules.join(" | "));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push('\n');
}
