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

    if !report.verdicts.is_empty() {
        section(&mut text, "The paper's claims");
        table(&mut text, &tables::claims(report));
        let _ = writeln!(text, "{}\n", tables::about_claims(report));
    }
    if let Some(steps) = tables::steps(report) {
        section(&mut text, "Sampling steps");
        table(&mut text, &steps);
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
    section(&mut text, "Where the numbers are");
    for (row, sources) in sources(report) {
        let links: Vec<String> =
            sources.iter().map(|(name, path)| format!("[{name}]({path})")).collect();
        let _ = writeln!(text, "* {row}: {}", links.join(", "));
    }
    text
}

/// For each row the files behind its numbers, as (name, path relative to the report).
pub(super) fn sources(report: &Report) -> Vec<(&str, Vec<(String, String)>)> {
    let mut all = vec![(
        "Everything",
        vec![
            ("report.json".to_owned(), "report.json".to_owned()),
            ("speed.json".to_owned(), "../speed.json".to_owned()),
            ("stages.json".to_owned(), "../stages.json".to_owned()),
        ],
    )];
    for row in &report.rows {
        let Some(trained) = &row.trained else { continue };
        let files = trained.sources.iter().map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, path.display().to_string())
        });
        all.push((row.title.as_str(), files.collect()));
    }
    all
}

/// What the paper's columns mean.
pub(super) fn paper_note() -> &'static str {
    "Paper beside here. Counted: one forward pass of one 3 x 64 x 64 latent, attention products \
     included. The paper's \"MACs\" are about three times one forward pass without attention \
     products (fitted); compare ratios. Times are of the form that samples, float32, random weights \
     of that size, one image at a time on this machine, the mean over a row's experts."
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
    let rules: Vec<&str> = (0..table.header.len())
        .map(|column| if column == 0 || table.words { "---" } else { "---:" })
        .collect();
    let _ = writeln!(text, "| {} |", rules.join(" | "));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push('\n');
}
