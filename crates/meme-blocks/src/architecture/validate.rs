//! The rules of a description, each with the field that it speaks of.

use super::{Architecture, ClassConditioning, MixerTable, Mixing, PoolKinds, Stage};
use crate::Error;

/// No network is wider than this in any level. It keeps every count and every index in range.
const MOST_CHANNELS: usize = 1 << 16;
/// Nor has it more levels than an image of 65536 pixels a side can be halved.
const MOST_LEVELS: usize = 17;
/// Nor more residual blocks a level.
const MOST_RES_BLOCKS: usize = 64;
/// Nor pools by more, nor widens its feed-forward by more, nor stacks more layers in a transformer.
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
    within("head_dim", a.head_dim, 0, MOST_CHANNELS)?;
    within("heads", a.heads, 0, MOST_CHANNELS)?;
    if a.heads > 0 && a.head_dim > 0 {
        let rule = format!("{} beside `head_dim` = {}; give one of the two", a.heads, a.head_dim);
        return Err(broken("heads", rule));
    }
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
            Mixing::Transformer => {
                heads(a, stage, channels)?;
                transformer(a, stage)?;
            }
        }
    }
    classes(a)?;
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
    let (field, divisor) = if a.heads > 0 { ("heads", a.heads) } else { ("head_dim", a.head_dim) };
    if divisor == 0 {
        let rule = format!("needed, since {stage} has heads; or give `heads`, their number");
        return Err(broken(field, rule));
    }
    if channels.is_multiple_of(divisor) {
        return Ok(());
    }
    let rule = format!("{divisor} does not divide the {channels} channels of {stage}");
    Err(broken(field, rule))
}

fn transformer(a: &Architecture, stage: Stage) -> Result<(), Error> {
    let Some(table) = &a.transformer else {
        let rule = format!("needed, since {stage} has a transformer; give context");
        return Err(broken("transformer", rule));
    };
    if table.context == 0 {
        let rule =
            format!("needed, since {stage} attends to context; give the width of its tokens");
        return Err(broken("transformer.context", rule));
    }
    within("transformer.context", table.context, 1, MOST_CHANNELS)?;
    within("transformer.depth", table.depth, 1, MOST_RATIO)?;
    within("transformer.feed_forward", table.feed_forward, 1, MOST_RATIO)
}

fn classes(a: &Architecture) -> Result<(), Error> {
    if a.class_conditioning == ClassConditioning::Embedding {
        return Ok(());
    }
    if a.classes == 0 {
        return Err(broken("class_conditioning", "`context` needs `classes`, which are 0"));
    }
    if a.context_channels() == 0 {
        let rule = "`context` needs a transformer in `encoder`, `middle` or `decoder` to read it";
        return Err(broken("class_conditioning", rule));
    }
    Ok(())
}

/// `height` x `width` are the input's.
pub(super) fn fits(a: &Architecture, height: usize, width: usize) -> Result<(), Error> {
    let Some(table) = &a.mixer else { return Ok(()) };
    for (stage, mixing, _) in a.stages() {
        let (level, field) = match stage {
            Stage::Level(level) => (level, format!("mixer.pool[{level}]")),
            Stage::Middle => (a.levels() - 1, "mixer.middle_pool".to_owned()),
        };
        let side = |input: usize| (0..level).fold(input, |side, _| side.div_ceil(2));
        let (rows, columns, pool) = (side(height), side(width), table.pool_of(stage));
        if mixing == Mixing::Mixer && pool > rows.min(columns) {
            let rule = format!(
                "a window of {pool} pixels is larger than {stage}, which has {rows} x {columns} pixels \
                 for an input of {height} x {width}"
            );
            return Err(broken(field, rule));
        }
    }
    Ok(())
}

fn table_lengths(a: &Architecture, table: &MixerTable) -> Result<(), Error> {
    same_length("mixer.high_heads", table.high_heads.len(), a)?;
    same_length("mixer.pool", table.pool.len(), a)?;
    if let PoolKinds::Each(kinds) = &table.pool_kind {
        same_length("mixer.pool_kind", kinds.len(), a)?;
    }
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
    let head_dim = a.head_dim_of(channels);
    let heads = channels / head_dim;
    let high = table.high_heads_of(stage);
    if high > heads {
        let rule = format!("{high} is more than the {heads} heads of {stage}");
        return Err(broken(high_field, rule));
    }
    if !(high * head_dim).is_multiple_of(2) {
        let rule = format!(
            "{high} heads of {head_dim} channels are an odd number of channels; one half is convolved, the other \
             pooled"
        );
        return Err(broken(high_field, rule));
    }
    within(&pool_field, table.pool_of(stage), 1, MOST_RATIO)
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stage::Level(level) => write!(f, "level {level}"),
            Stage::Middle => f.write_str("the middle"),
        }
    }
}
