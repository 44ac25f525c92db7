//! Names of CompVis' latent diffusion and OpenAI's guided diffusion.

use super::{Dialect, Entry, Layout, MiddlePart, Part, Spot};
use crate::Architecture;

/// `ldm/modules/diffusionmodules/openaimodel.py`, `UNetModel`: one flat list of blocks a side.
pub(super) struct CompVis;

impl Dialect for CompVis {
    const FORMAT: &'static str = "CompVis";
    const RESIDUAL: [&'static str; 6] = [
        "in_layers.0",
        "in_layers.2",
        "emb_layers.1",
        "out_layers.0",
        "out_layers.3",
        "skip_connection",
    ];
    const CLASSES: &'static str = "label_emb.weight";
    const CLASS_TOKENS: Option<&'static str> = Some("cond_stage_model.embedding.weight");

    fn place(a: &Architecture, spot: &Spot) -> String {
        // The stem is input block 0; an encoder level has its blocks and, but for the coarsest, a step down.
        let input = |level: usize, block: usize| 1 + level * (a.res_blocks + 1) + block;
        // The decoder counts from the coarsest level; a step up belongs to the level's last block.
        let output =
            |level: usize, block: usize| (a.levels() - 1 - level) * (a.res_blocks + 1) + block;
        let within = |part: &Part| match part {
            Part::Residual => 0,
            Part::Attention => 1,
        };
        match spot {
            Spot::Stem => "input_blocks.0.0".into(),
            Spot::TimeHidden => "time_embed.0".into(),
            Spot::TimeOutput => "time_embed.2".into(),
            Spot::Encoder { level, block, part } => {
                format!("input_blocks.{}.{}", input(*level, *block), within(part))
            }
            Spot::Down { level, residual } => {
                let kind = if *residual { "" } else { ".op" };
                format!("input_blocks.{}.0{kind}", input(*level, a.res_blocks))
            }
            Spot::Middle(MiddlePart::First) => "middle_block.0".into(),
            Spot::Middle(MiddlePart::Attention) => "middle_block.1".into(),
            Spot::Middle(MiddlePart::Last(attends)) => {
                format!("middle_block.{}", if *attends { 2 } else { 1 })
            }
            Spot::Decoder { level, block, part } => {
                format!("output_blocks.{}.{}", output(*level, *block), within(part))
            }
            Spot::Up { level, residual, after_attention } => {
                let kind = if *residual { "" } else { ".conv" };
                let place = if *after_attention { 2 } else { 1 };
                format!("output_blocks.{}.{place}{kind}", output(*level, a.res_blocks))
            }
            Spot::OutputNorm => "out.0".into(),
            Spot::OutputConv => "out.2".into(),
        }
    }

    fn attention(ours: &str, theirs: &str, _: i64) -> Vec<Entry> {
        [("norm", "norm"), ("qkv", "qkv"), ("projection", "proj_out")]
            .into_iter()
            .flat_map(|(our_part, their_part)| {
                ["weight", "bias"].map(|kind| Entry {
                    ours: format!("{ours}.{our_part}.{kind}"),
                    theirs: vec![format!("{theirs}.{their_part}.{kind}")],
                    layout: match (our_part, kind) {
                        ("norm", _) | (_, "bias") => Layout::Same,
                        _ => Layout::Conv1d,
                    },
                })
            })
            .collect()
    }
}

/// OpenAI's guided diffusion with its new attention order: the same names, but queries, keys and values stand one
/// after another.
pub(super) struct Guided;

impl Dialect for Guided {
    const FORMAT: &'static str = "guided-diffusion";
    const RESIDUAL: [&'static str; 6] = CompVis::RESIDUAL;
    const CLASSES: &'static str = CompVis::CLASSES;
    const CLASS_TOKENS: Option<&'static str> = None;

    fn place(a: &Architecture, spot: &Spot) -> String {
        CompVis::place(a, spot)
    }

    fn attention(ours: &str, theirs: &str, head_dim: i64) -> Vec<Entry> {
        let mut entries = CompVis::attention(ours, theirs, head_dim);
        for entry in &mut entries {
            if entry.ours.contains(".qkv.") {
                entry.layout = Layout::PartsFirst { head_dim };
            }
        }
        entries
    }
}
