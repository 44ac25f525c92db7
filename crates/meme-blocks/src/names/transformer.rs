//! The spatial transformer's names, which CompVis gave and diffusers kept.

use super::{Entry, Layout};

/// Entries for our transformer block at `ours`, which stands at `theirs`.
pub(super) fn entries(ours: &str, theirs: &str, depth: usize) -> Vec<Entry> {
    let mut list = List { ours, theirs, entries: Vec::new() };
    list.biased("norm", "norm", Layout::Same);
    list.biased("enter", "proj_in", Layout::Conv2d);
    for layer in 0..depth {
        let mut part = |our_part: &str, their_part: &str| {
            let ours = format!("{layer}.{our_part}");
            list.biased(&ours, &format!("transformer_blocks.{layer}.{their_part}"), Layout::Same);
        };
        part("norm_self", "norm1");
        part("norm_cross", "norm2");
        part("norm_feed_forward", "norm3");
        part("self.projection", "attn1.to_out.0");
        part("cross.projection", "attn2.to_out.0");
        part("feed_forward.expand", "ff.net.0.proj");
        part("feed_forward.contract", "ff.net.2");
        for (ours, block, parts) in [
            ("self.qkv", "attn1", &["to_q", "to_k", "to_v"][..]),
            ("cross.query", "attn2", &["to_q"]),
            ("cross.key_value", "attn2", &["to_k", "to_v"]),
        ] {
            let their_parts = parts
                .iter()
                .map(|part| format!("{theirs}.transformer_blocks.{layer}.{block}.{part}.weight"));
            list.entries.push(Entry {
                ours: format!("{}.{layer}.{ours}.weight", list.ours),
                theirs: their_parts.collect(),
                layout: Layout::Rows,
            });
        }
    }
    list.biased("leave", "proj_out", Layout::Conv2d);
    list.entries
}

struct List<'a> {
    ours: &'a str,
    theirs: &'a str,
    entries: Vec<Entry>,
}

impl List<'_> {
    /// Weight and bias; the layout is the weight's.
    fn biased(&mut self, ours: &str, theirs: &str, layout: Layout) {
        for (kind, layout) in [("weight", layout), ("bias", Layout::Same)] {
            self.entries.push(Entry {
                ours: format!("{}.{ours}.{kind}", self.ours),
                theirs: vec![format!("{}.{theirs}.{kind}", self.theirs)],
                layout,
            });
        }
    }
}
