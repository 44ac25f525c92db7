//! What an analysis leaves behind: figures with their numbers, tables, and a page that shows them.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::table;
use crate::error::io;
use crate::report::{Chart, HeatMap, write_figure};
use crate::{Error, Result};

/// A folder that fills with figures.
pub(crate) struct Page {
    folder: PathBuf,
    title: String,
    /// Tables as text, for the terminal and the page.
    tables: Vec<String>,
    figures: Vec<(String, String)>,
    files: Vec<String>,
    values: Map<String, Value>,
}

impl Page {
    /// A page in `folder`, which is made.
    pub(crate) fn new(folder: &Path, title: &str) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(io(folder))?;
        Ok(Self {
            folder: folder.to_path_buf(),
            title: title.to_owned(),
            tables: Vec::new(),
            figures: Vec::new(),
            files: Vec::new(),
            values: Map::new(),
        })
    }

    /// Adds a chart: SVG, PNG and CSV.
    pub(crate) fn chart(&mut self, name: &str, chart: &Chart) -> Result<()> {
        write_figure(&self.folder, name, &chart.to_svg_file(), &chart.to_csv())?;
        self.figures.push((name.to_owned(), chart.title.clone()));
        Ok(())
    }

    /// Adds a table of shades: SVG, PNG and CSV.
    pub(crate) fn heat(&mut self, name: &str, map: &HeatMap) -> Result<()> {
        write_figure(&self.folder, name, &map.to_svg_file(), &map.to_csv())?;
        self.figures.push((name.to_owned(), map.title.clone()));
        Ok(())
    }

    /// Adds a file of numbers.
    pub(crate) fn file(&mut self, name: &str, text: &str) -> Result<()> {
        meme_checkpoint::write_file_whole(self.folder.join(name), text.as_bytes())?;
        self.files.push(name.to_owned());
        Ok(())
    }

    /// Where a file of this name goes, and notes that it is there.
    pub(crate) fn path(&mut self, name: &str) -> PathBuf {
        self.files.push(name.to_owned());
        self.folder.join(name)
    }

    /// Adds a table.
    pub(crate) fn table(&mut self, title: &str, header: &[&str], rows: &[Vec<String>]) {
        self.tables.push(format!("{title}:\n\n{}", table(header, rows)));
    }

    /// Adds a sentence.
    pub(crate) fn say(&mut self, sentence: String) {
        self.tables.push(sentence + "\n");
    }

    /// Adds numbers for programs.
    pub(crate) fn value(&mut self, name: &str, value: &impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or_default();
        self.values.insert(name.to_owned(), value);
    }

    /// Writes `analysis.md` and `analysis.json`; returns what the first says without its figures,
    /// and the second.
    pub(crate) fn finish(self) -> Result<(String, Value)> {
        let mut page = format!("# {}: frequency analysis\n\n", self.title);
        for table in &self.tables {
            page.push_str(&match table.split_once("\n\n") {
                Some((title, table)) => format!("{title}\n\n```text\n{table}```\n\n"),
                None => format!("{table}\n"),
            });
        }
        for (name, title) in &self.figures {
            page.push_str(&format!("![{title}]({name}.svg) ([PNG]({name}.png), "));
            page.push_str(&format!("[CSV]({name}.csv))\n\n"));
        }
        for name in &self.files {
            page.push_str(&format!("* [{name}]({name})\n"));
        }
        let values = Value::Object(self.values);
        let json = serde_json::to_vec_pretty(&values).map_err(|error| Error::Malformed {
            path: self.folder.join("analysis.json"),
            message: error.to_string(),
        })?;
        meme_checkpoint::write_file_whole(self.folder.join("analysis.json"), &json)?;
        let file = self.folder.join("analysis.md");
        meme_checkpoint::write_file_whole(&file, page.as_bytes())?;
        let count = self.figures.len();
        let end = format!("{count} figures and these tables are in {}\n", file.display());
        let tables = self.tables.join("\n");
        Ok((format!("{tables}\n{end}"), values))
    }
}
