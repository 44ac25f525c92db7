//! Names of diffusers' `UNet2DModel` and `UNet2DConditionModel`.

use super::{Dialect, Entry, Layout, MiddlePart, Part, Spot};
use crate::Architecture;

/// `src/diffusers/models/unets/unet_2d.py`: one module a level, with lists of its parts.
pub(super) struct Diffusers;

impl Dialect for Diffusers {
    const FORMAT: &'static str = "diffusers";
    const RESIDUAL: [&'static str; 6] =
        ["norm1", "conv1", "time_emb_proj", "norm2", "conv2", "conv_shortcut"];
    const CLASSES: &'static str = "class_embedding.weight";
    const CLASS_TOKENS: Option<&'static str> = None;

    fn place(a: &Architecture, spot: &Spot) -> String {
        // The decoder's modules count from the coarsest level.
        let up = |level: usize| a.levels() - 1 - level;
        let list = |part: &Part| match part {
            Part::Residual => "resnets",
            Part::Attention => "attentions",
        };
        let kind = |residual: bool| if residual { "" } else { ".conv" };
        match spot {
            Spot::Stem => "conv_in".into(),
            Spot::TimeHidden => "time_embedding.linear_1".into(),
            Spot::TimeOutput => "time_embedding.linear_2".into(),
            Spot::Encoder { level, block, part } => {
                format!("down_blocks.{level}.{}.{block}", list(part))
            }
            Spot::Down { level, residual } => {
                format!("down_blocks.{level}.downsamplers.0{}", kind(*residual))
            }
            Spot::Middle(MiddlePart::First) => "mid_block.resnets.0".into(),
            Spot::Middle(MiddlePart::Attention) => "mid_block.attentions.0".into(),
            Spot::Middle(MiddlePart::Last(_)) => "mid_block.resnets.1".into(),
            Spot::Decoder { level, block, part } => {
                format!("up_blocks.{}.{}.{block}", up(*level), list(part))
            }
            Spot::Up { level, residual, .. } => {
                format!("up_blocks.{}.upsamplers.0{}", up(*level), kind(*residual))
            }
            Spot::OutputNorm => "conv_norm_out".into(),
            Spot::OutputConv => "conv_out".into(),
        }
    }

    fn attention(ours: &str, theirs: &str, head_dim: i64) -> Vec<Entry> {
        let mut entries = Vec::new();
        for kind in ["weight", "bias"] {
            let same = |our_part: &str, their_part: &str| Entry {
                ours: format!("{ours}.{our_part}.{kind}"),
                theirs: vec![format!("{theirs}.{their_part}.{kind}")],
                layout: Layout::Same,
            };
            entries.push(same("norm", "group_norm"));
            entries.push(Entry {
                ours: format!("{ours}.qkv.{kind}"),
                theirs: ["to_q", "to_k", "to_v"]
                    .map(|part| format!("{theirs}.{part}.{kind}"))
                    .into(),
                layout: Layout::SplitHeads { head_dim },
            });
            entries.push(same("projection", "to_out.0"));
        }
        entries
    }
}
