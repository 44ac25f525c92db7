//! The rules of a description, each with the field that it speaks of.

use super::{Architecture, MixerTable, Mixing, Stage};
use crate::Error;

/// No network is wider than this in any level. It keeps every count and every index in range.
const MOST_CHANNELS: usize = 1 << 16;
/// Nor has it more levels than an image of 65536 pixels a side can be halved.
const MOST_LEVELS: usize = 17;
/// Nor more residual blocks a level.
const MOST_RES_BLOCKS: usize = 64;
/// Nor pools by more, nor widens its feed-forward by more.
const MOST_RATIO: usize = 64;
/// Nor tells more classes apart.
const MOST_CLASSES: usize = 1 << 24;

fn broken(field: impl Into<String>, rule: impl Into<String>) -> Error {
    Error::Architecture { field: field.into(), rule: rule.into() }
}

fn within(field: &str, value: usize, least: usize, most: usize) -> Result<(), Error> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(broken(field, format!("{value} is not between {least} and {most}")))
}

pub(super) fn validate(a: &Architecture) -> Result<(), Error> {
    within("in_channels", a.in_channels, 1, MOST_CHANNELS)?;
    within("out_channels", a.out_channels, 1, MOST_CHANNELS)?;
    within("width", a.width, 2, MOST_CHANNELS)?;
    if !a.width.is_multiple_of(2) {
        let rule = format!("{} is odd; half of it are cosines of the time, half sines", a.width);
        return Err(broken("width", rule));
    }
    within("res_blocks", a.res_blocks, 1, MOST_RES_BLOCKS)?;
    within("head_dim", a.head_dim, 1, MOST_CHANNELS)?;
    within("norm_groups", a.norm_groups, 1, MOST_CHANNELS)?;
    within("classes", a.classes, 0, MOST_CLASSES)?;
    if !(0.0..1.0).contains(&a.dropout) {
        return Err(broken("dropout", format!("{} is not in [0, 1)", a.dropout)));
    }
    levels(a)?;
    for (stage, mixing, channels) in a.stages() {
        match mixing {
            Mixing::None => {}
            Mixing::Attention => heads(a, stage, channels)?,
            Mixing::Mixer => {
                heads(a, stage, channels)?;
                mixer(a, stage, channels)?;
            }
        }
    }
    a.mixer.as_ref().map_or(Ok(()), |table| table_lengths(a, table))
}

fn levels(a: &Architecture) -> Result<(), Error> {
    if a.channel_mult.is_empty() || a.levels() > MOST_LEVELS {
        let rule = format!("needs between 1 and {MOST_LEVELS} levels, has {}", a.levels());
        return Err(broken("channel_mult", rule));
    }
    for (level, &mult) in a.channel_mult.iter().enumerate() {
        let field = format!("channel_mult[{level}]");
        within(&field, mult, 1, MOST_CHANNELS)?;
        within(&format!("{field} * width"), mult * a.width, 1, MOST_CHANNELS)?;
    }
    for (level, channels) in (0..a.levels()).map(|level| (level, a.channels(level))) {
        if !channels.is_multiple_of(a.norm_groups) {
            return Err(broken(
                "norm_groups",
                format!(
                    "{} does not divide the {channels} channels of level {level}",
                    a.norm_groups
                ),
            ));
        }
    }
    if !a.width.is_multiple_of(a.norm_groups) {
        let rule = format!("{} does not divide the width {}", a.norm_groups, a.width);
        return Err(broken("norm_groups", rule));
    }
    same_length("encoder", a.encoder.len(), a)?;
    same_length("decoder", a.decoder.len(), a)
}

fn same_length(field: &str, length: usize, a: &Architecture) -> Result<(), Error> {
    if length == a.levels() {
        return Ok(());
    }
    let rule = format!("needs one entry for each of the {} levels, has {length}", a.levels());
    Err(broken(field, rule))
}

fn heads(a: &Architecture, stage: Stage, channels: usize) -> Result<(), Error> {
    if channels.is_multiple_of(a.head_dim) {
        return Ok(());
    }
    let rule = format!("{} does not divide the {channels} channels of {stage}", a.head_dim);
    Err(broken("head_dim", rule))
}

fn table_lengths(a: &Architecture, table: &MixerTable) -> Result<(), Error> {
    same_length("mixer.high_heads", table.high_heads.len(), a)?;
    same_length("mixer.pool", table.pool.len(), a)?;
    within("mixer.feed_forward", table.feed_forward, 0, MOST_RATIO)
}

fn mixer(a: &Architecture, stage: Stage, channels: usize) -> Result<(), Error> {
    let Some(table) = &a.mixer else {
        let rule =
            format!("needed, since {stage} has a mixer; give high_heads, middle_high_heads, pool");
        return Err(broken("mixer", rule));
    };
    table_lengths(a, table)?;
    let (high_field, pool_field) = match stage {
        Stage::Level(level) => {
            (format!("mixer.high_heads[{level}]"), format!("mixer.pool[{level}]"))
        }
        Stage::Middle => ("mixer.middle_high_heads".into(), "mixer.middle_pool".into()),
    };
    let heads = channels / a.head_dim;
    let high = table.high_heads_of(stage);
    if high > heads {
        let rule = format!("{high} is more than the {heads} heads of {stage}");
        return Err(broken(high_field, rule));
    }
    if !(high * a.head_dim).is_multiple_of(2) {
        let rule = format!(
            "{high} heads of {} channels are an odd number of channels; one half is convolved, the other pooled",
            a.head_dim
        );
        return Err(broken(high_field, rule));
    }
    within(&pool_field, table.pool_of(stage), 1, MOST_RATIO)
}

impl MixerTable {
    /// High-frequency heads of a stage; 0 where the list is too short (refused by validation).
    pub(crate) fn high_heads_of(&self, stage: Stage) -> usize {
        match stage {
            Stage::Level(level) => self.high_heads.get(level).copied().unwrap_or(0),
            Stage::Middle => self.middle_high_heads,
        }
    }

    /// Pooling window of a stage; 1 where the list is too short (refused by validation).
    pub(crate) fn pool_of(&self, stage: Stage) -> usize {
        match stage {
            Stage::Level(level) => self.pool.get(level).copied().unwrap_or(1),
            Stage::Middle => self.middle_pool,
        }
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stage::Level(level) => write!(f, "level {level}"),
            Stage::Middle => f.write_str("the middle"),
        }
    }
}
