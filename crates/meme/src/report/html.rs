//! `report.html`: one file with everything inside, for a browser without a network.

use std::fmt::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::figures::Figure;
use super::markdown::{paper_note, provenance, sources};
use super::model::{Report, RowReport};
use super::plot::escape;
use super::tables::{self, Table};
use crate::Result;
use crate::error::io;

const STYLE: &str = include_str!("style.css");

pub(super) fn render(report: &Report, figures: &[Figure], folder: &Path) -> Result<String> {
    let title = format!("{}, scale {}", report.title, report.scale);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{0}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{0}</h1>\n",
        escape(&title)
    );
    let mut cautions = tables::cautions(report).into_iter();
    if report.scaled_down {
        let _ = writeln!(
            page,
            "<p class=\"caution\">{}</p>",
            escape(&cautions.next().unwrap_or_default())
        );
    }
    pictures(&mut page, report, folder)?;

    heading(&mut page, "Results");
    distances(&mut page, report);
    table(&mut page, &tables::results(report));
    if let Some(about) = tables::about_distance(report) {
        paragraph(&mut page, &about);
    }
    for caution in cautions {
        paragraph(&mut page, &caution);
    }

    if !report.verdicts.is_empty() {
        heading(&mut page, "The paper's claims");
        table(&mut page, &tables::claims(report));
        paragraph(&mut page, &tables::about_claims(report));
    }
    if let Some(steps) = tables::steps(report) {
        heading(&mut page, "Sampling steps");
        table(&mut page, &steps);
    }

    heading(&mut page, "The networks at the paper's size");
    paragraph(&mut page, paper_note());
    table(&mut page, &tables::paper_networks(report));
    heading(&mut page, "The networks at this scale");
    table(&mut page, &tables::networks_here(report));

    heading(&mut page, "Figures");
    page.push_str("<div class=\"figures\">\n");
    for (name, chart) in figures {
        let _ = writeln!(
            page,
            "<figure>{}<figcaption><a href=\"{name}.csv\">numbers</a> · <a \
             href=\"{name}.svg\">figure</a></figcaption></figure>",
            chart.to_svg()
        );
    }
    page.push_str("</div>\n");

    heading(&mut page, "How it was made");
    page.push_str("<ul>\n");
    for line in provenance(report) {
        let _ = writeln!(page, "<li>{}</li>", escape(&line));
    }
    page.push_str("</ul>\n");
    table(&mut page, &tables::stages(report));
    heading(&mut page, "Where the numbers are");
    page.push_str("<ul>\n");
    for (row, sources) in sources(report) {
        let links: Vec<String> = sources
            .iter()
            .map(|(name, path)| format!("<a href=\"{}\">{}</a>", escape(path), escape(name)))
            .collect();
        let _ = writeln!(page, "<li>{}: {}</li>", escape(row), links.join(", "));
    }
    page.push_str("</ul>\n");
    page.push_str("</main>\n</body>\n</html>\n");
    Ok(page)
}

/// Real pictures beside every row's samples.
fn pictures(page: &mut String, report: &Report, folder: &Path) -> Result<()> {
    let samples = report.rows.iter().filter_map(|row| {
        Some((row.title.as_str(), row.about.as_str(), row.trained.as_ref()?.grid.as_deref()?))
    });
    let real = report.real_grid.as_deref().map(|grid| {
        ("Real", "Pictures held out of training; what the rows are compared with.", grid)
    });
    page.push_str("<div class=\"pictures\">\n");
    for (title, about, grid) in real.into_iter().chain(samples) {
        let path = folder.join(grid);
        let bytes = std::fs::read(&path).map_err(io(&path))?;
        let _ = writeln!(
            page,
            "<figure><img alt=\"{0}\" src=\"data:image/png;base64,{1}\"><figcaption><strong>{0}\
             </strong> {2}</figcaption></figure>",
            escape(title),
            STANDARD.encode(bytes),
            escape(about)
        );
    }
    page.push_str("</div>\n");
    paragraph(page, "All rows' pictures are drawn from the same noise, seed by seed.");
    Ok(())
}

/// Distances as bars from the real/real floor, intervals drawn over them.
fn distances(page: &mut String, report: &Report) {
    let rows: Vec<(&RowReport, _)> = report
        .rows
        .iter()
        .filter_map(|row| Some((row, row.trained.as_ref()?.distance.as_ref()?)))
        .collect();
    let Some(most) = rows
        .iter()
        .map(|(_, distance)| distance.interval.1.max(distance.value))
        .reduce(f64::max)
        .filter(|most| *most > 0.0)
    else {
        return;
    };
    let share = |value: f64| 100.0 * (value / most).clamp(0.0, 1.0);
    page.push_str("<div class=\"bars\" role=\"img\" aria-label=\"distances to real pictures, smaller is better\">\n");
    for (row, distance) in rows {
        let (low, high) = distance.interval;
        let _ = writeln!(
            page,
            "<span class=\"name\">{}</span><span class=\"bar\"><i style=\"width:{:.2}%\"></i>\
             <b style=\"left:{:.2}%;width:{:.2}%\"></b><u style=\"left:{:.2}%\"></u></span>\
             <span class=\"value\">{:.3}</span>",
            escape(&row.title),
            share(distance.value),
            share(low),
            share(high) - share(low),
            share(distance.floor),
            distance.value
        );
    }
    page.push_str(
        "</div>\n<p class=\"note\">Distance to held-out real pictures, smaller is better. Thin \
         line: 95 % interval. Dashed line: what real pictures reach.</p>\n",
    );
}

fn heading(page: &mut String, text: &str) {
    let _ = writeln!(page, "<h2>{}</h2>", escape(text));
}

fn paragraph(page: &mut String, text: &str) {
    let _ = writeln!(page, "<p>{}</p>", escape(text));
}

fn table(page: &mut String, table: &Table) {
    let class = if table.words { " class=\"words\"" } else { "" };
    let _ = write!(page, "<div class=\"scroll\"><table{class}>\n<thead><tr>");
    for cell in &table.header {
        let _ = write!(page, "<th scope=\"col\">{}</th>", escape(cell));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        page.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            let _ = if column == 0 {
                write!(page, "<th scope=\"row\">{cell}</th>")
            } else {
                write!(page, "<td>{cell}</td>")
            };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
}
