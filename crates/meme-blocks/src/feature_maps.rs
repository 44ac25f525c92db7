//! The names that a probe can watch.

use crate::error::Result;
use crate::plan::{Plan, PlanBlock, PlanChange, PlanMixing};
use crate::{Architecture, MixerConfig};

/// A feature map that a [`Probe`](crate::Probe) can watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureMap {
    /// Its name; also the name of the block that puts it out.
    pub name: String,
    /// Its channels.
    pub channels: usize,
    /// Its level: each side is that of the input halved so many times, rounded up each time.
    pub level: usize,
}

/// Every feature map that a forward pass shows, in the order in which it shows them.
///
/// `stem`, then each block's output under the block's name. A mixer also shows its branches side by side, before they
/// are fused, as `NAME.branches`: high convolved, high pooled, low. A transformer also shows what each part of its
/// layer D adds to the tokens: `NAME.D.self`, `NAME.D.cross` and `NAME.D.feed_forward`.
///
/// # Errors
/// [`Error::Architecture`](crate::Error::Architecture) where the description breaks a rule.
pub fn feature_maps(architecture: &Architecture) -> Result<Vec<FeatureMap>> {
    let plan = Plan::new(architecture)?;
    let coarsest = architecture.levels() - 1;
    let mut maps = List(Vec::new());
    maps.push("stem", architecture.width, 0);
    for level in &plan.encoder {
        level.blocks.iter().for_each(|block| maps.block(block, level.level));
        maps.change(level.change.as_ref(), level.level + 1);
    }
    maps.block(&plan.middle.first, coarsest);
    maps.push(&plan.middle.last.0, plan.middle.last.1.output, coarsest);
    for level in &plan.decoder {
        level.blocks.iter().for_each(|block| maps.block(block, level.level));
        maps.change(level.change.as_ref(), level.level.saturating_sub(1));
    }
    maps.push("output", architecture.predicted_channels(), 0);
    Ok(maps.0)
}

struct List(Vec<FeatureMap>);

impl List {
    fn push(&mut self, name: &str, channels: usize, level: usize) {
        self.0.push(FeatureMap { name: name.to_owned(), channels, level });
    }

    fn block(&mut self, block: &PlanBlock, level: usize) {
        let (name, config) = &block.residual;
        self.push(name, config.output, level);
        match &block.mixing {
            None => {}
            Some((name, PlanMixing::Attention(config))) => self.push(name, config.channels, level),
            Some((name, PlanMixing::Mixer(config))) => self.mixer(name, config.mixer, level),
            Some((name, PlanMixing::Transformer(config))) => {
                for depth in 0..config.depth {
                    for part in ["self", "cross", "feed_forward"] {
                        self.push(&format!("{name}.{depth}.{part}"), config.channels, level);
                    }
                }
                self.push(name, config.channels, level);
            }
        }
    }

    fn mixer(&mut self, name: &str, config: MixerConfig, level: usize) {
        self.push(&format!("{name}.branches"), config.fused(), level);
        self.push(name, config.channels, level);
    }

    fn change(&mut self, change: Option<&PlanChange>, level: usize) {
        match change {
            None => {}
            Some(PlanChange::Convolution { name, channels, .. }) => {
                self.push(name, *channels, level);
            }
            Some(PlanChange::ResBlock(name, config)) => self.push(name, config.output, level),
        }
    }
}
