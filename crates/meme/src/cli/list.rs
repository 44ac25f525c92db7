//! `meme list`.

use clap::Args;
use serde_json::json;

use super::output;
use crate::Result;
use crate::experiment::{Resolver, scales, suite, suites};

/// Lists suites, experiments and scales
#[derive(Args)]
pub(crate) struct List {
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) fn run(&self) -> Result<()> {
        let resolver = Resolver::new("paper", &[])?;
        let mut text = String::from("Suites and their experiments (SUITE/ROW):\n");
        let mut all = Vec::new();
        for name in suites() {
            let suite = suite(name)?;
            text.push_str(&format!("\n{name}: {}\n", suite.title));
            let mut rows = Vec::new();
            for row in &suite.rows {
                let experiment = resolver.row(&suite, &row.row)?;
                let default = suite.default_rows.contains(&row.row);
                rows.push(json!({
                    "name": experiment.name, "title": experiment.title,
                    "about": experiment.about, "experts": experiment.experts.len(),
                    "default": default,
                }));
                let mark = if default { " (default)" } else { "" };
                let name = format!("{}{mark}", experiment.name);
                text.push_str(&format!("  {name:32} {}\n", experiment.about));
            }
            all.push(json!({"name": suite.name, "title": suite.title, "experiments": rows}));
        }
        text.push_str("\nScales (--scale):\n");
        let mut known = Vec::new();
        for name in scales() {
            let scale = Resolver::new(name, &[])?.scale;
            text.push_str(&format!("  {name:8} {}\n", scale.about));
            known.push(json!({"name": scale.name, "about": scale.about}));
        }
        if self.json {
            output::json(&json!({"suites": all, "scales": known}));
        } else {
            output::text(&text);
        }
        Ok(())
    }
}
