//! Reports: one value ([`Report`]), laid out as Markdown, as a self-contained page, and as figures.

mod figures;
mod heat;
mod html;
mod ink;
mod markdown;
mod model;
mod plot;
mod raster;
mod tables;
mod verdicts;

use std::path::Path;

pub(crate) use figures::expert_spectra;
pub(crate) use heat::HeatMap;
pub use model::{
    DataReport, DistanceReport, ExpertSpectrum, MachineReport, Repeat, Report, RowReport, Spectrum,
    StepsReport, TrainedReport,
};
pub use plot::{Chart, Series};
pub(crate) use raster::write_figure;
pub(crate) use verdicts::judge;
pub use verdicts::{Answer, Verdict};

use crate::error::io;
use crate::{Error, Result};

/// Writes `report.json`, `report.md`, `report.html` and every figure (SVG, PNG and CSV) into `folder`.
///
/// # Errors
/// [`Error::Io`] or [`Error::Checkpoint`] where a file cannot be read or written.
pub fn write(report: &Report, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(io(folder))?;
    let figures = figures::all(report);
    for (name, chart) in &figures {
        write_figure(folder, name, &chart.to_svg_file(), &chart.to_csv())?;
    }
    let json = serde_json::to_string_pretty(report).map_err(|error| Error::Malformed {
        path: folder.join("report.json"),
        message: error.to_string(),
    })?;
    whole(folder, "report.json", &json)?;
    whole(folder, "report.md", &markdown::render(report, &figures))?;
    whole(folder, "report.html", &html::render(report, &figures, folder)?)
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// [`Error::Io`], or [`Error::Malformed`] for a file of another form.
pub fn read(folder: &Path) -> Result<Report> {
    let path = folder.join("report.json");
    if !path.exists() {
        return Err(Error::NoRun { folder: folder.to_path_buf(), missing: "report.json".into() });
    }
    let text = std::fs::read_to_string(&path).map_err(io(&path))?;
    serde_json::from_str(&text)
        .map_err(|error| Error::Malformed { path, message: error.to_string() })
}

fn whole(folder: &Path, name: &str, text: &str) -> Result<()> {
    Ok(meme_checkpoint::write_file_whole(folder.join(name), text.as_bytes())?)
}
