//! First stages under CompVis' names, which are ours, and under diffusers' (`VQModel`, `AutoencoderKL`).

use std::path::Path;

use meme_autoencoder::{CoderConfig, FirstStage, FirstStageConfig};
use meme_checkpoint::TensorData;
use meme_torch::Parameters;
use meme_torch::tch::Device;
use serde_json::{Value, json};

use super::fields::Fields;
use super::refused;
use super::weights::{Weights, to_f32};
use crate::Result;

/// A first stage with its weights, float32 under our names.
pub(crate) struct FirstStageWeights {
    pub(crate) config: FirstStageConfig,
    pub(crate) tensors: Weights,
}

/// The parameters that a description asks for, as zeros: names and shapes.
fn blank(config: &FirstStageConfig) -> Result<Parameters> {
    let mut parameters = Parameters::blank(Device::Cpu);
    FirstStage::new(&parameters.root(), config)?;
    Ok(parameters)
}

/// The first stage among `all`, described by its names and shapes. What was needed only to train it is left.
pub(super) fn from_compvis(
    path: &Path,
    all: &Weights,
    scale: f64,
    norm_groups: usize,
) -> Result<FirstStageWeights> {
    let config = describe(path, all, scale, norm_groups)?;
    let mut parameters = blank(&config)?;
    let mut tensors = Weights::new();
    for (name, _) in parameters.named() {
        let tensor = all
            .get(name)
            .ok_or_else(|| refused(path, format!("{name} of its first stage is missing")))?;
        tensors.insert(name.clone(), tensor.clone());
    }
    let tensors = to_f32(tensors)?;
    parameters.load(&tensors)?;
    Ok(FirstStageWeights { config, tensors })
}

fn describe(
    path: &Path,
    all: &Weights,
    scale: f64,
    norm_groups: usize,
) -> Result<FirstStageConfig> {
    let shape = |name: &str, least: usize| -> Result<&[usize]> {
        let tensor = all.get(name).filter(|tensor| tensor.shape.len() >= least);
        let missing = || {
            refused(path, format!("{name} is missing: this is no first stage of latent diffusion"))
        };
        Ok(&tensor.ok_or_else(missing)?.shape)
    };
    let has = |name: String| all.contains_key(&name);
    let stem = shape("encoder.conv_in.weight", 4)?;
    let (width, image_channels) = (stem[0], stem[1]);
    let levels =
        (0..).take_while(|level| has(format!("encoder.down.{level}.block.0.conv1.weight"))).count();
    let mut channel_mult = Vec::new();
    for level in 0..levels {
        let channels = shape(&format!("encoder.down.{level}.block.0.conv1.weight"), 4)?[0];
        channel_mult.push(channels / width.max(1));
    }
    let coder = CoderConfig {
        image_channels,
        latent_channels: shape("decoder.conv_in.weight", 4)?[1],
        width,
        channel_mult,
        res_blocks: (0..)
            .take_while(|block| has(format!("encoder.down.0.block.{block}.conv1.weight")))
            .count(),
        attention_levels: (0..levels)
            .filter(|level| has(format!("encoder.down.{level}.attn.0.q.weight")))
            .collect(),
        norm_groups,
    };
    let config = match all
        .get("quantize.embedding.weight")
        .map(|codebook| codebook.shape.as_slice())
    {
        Some(&[codebook, embedding]) => FirstStageConfig::Vq { coder, codebook, embedding },
        Some(other) => return Err(refused(path, format!("its codebook has the shape {other:?}"))),
        None => {
            FirstStageConfig::Kl { coder, embedding: shape("post_quant_conv.weight", 4)?[1], scale }
        }
    };
    config.validate()?;
    Ok(config)
}

/// Reads a folder of diffusers.
pub(super) fn from_diffusers(
    folder: &Path,
    fields: &Fields,
    theirs: &Weights,
    notices: &mut Vec<String>,
) -> Result<FirstStageWeights> {
    let config = read_config(fields, notices)?;
    let mut parameters = blank(&config)?;
    let levels = coder(&config).map_or(0, CoderConfig::levels);
    let mut left = theirs.len();
    let mut tensors = Weights::new();
    for (ours, parameter) in parameters.named() {
        let name = diffusers_name(ours, levels);
        // Files from before diffusers 0.18 have the attention's older names.
        let found = theirs.get(&name).or_else(|| theirs.get(&older_name(&name)));
        let Some(tensor) = found else {
            return Err(refused(folder, format!("{name} is missing")));
        };
        left -= 1;
        tensors.insert(ours.clone(), reshaped(tensor, &parameter.size()));
    }
    if left > 0 {
        let known: Vec<String> = tensors.keys().map(|ours| diffusers_name(ours, levels)).collect();
        let strange = theirs.keys().find(|name| !known.contains(name)).map_or("", String::as_str);
        return Err(refused(
            folder,
            format!("{left} tensors have no place in this first stage, such as {strange}"),
        ));
    }
    let tensors = to_f32(tensors)?;
    parameters.load(&tensors)?;
    Ok(FirstStageWeights { config, tensors })
}

/// The weights under diffusers' names, and the description.
pub(super) fn to_diffusers(stage: &FirstStageWeights, side: usize) -> Option<(Value, Weights)> {
    let coder = coder(&stage.config)?;
    let tensors = stage.tensors.iter().map(|(ours, tensor)| {
        let name = diffusers_name(ours, coder.levels());
        let linear = tensor.shape.len() == 4 && name.contains(".attentions.");
        let shape: Vec<i64> = tensor.shape[..if linear { 2 } else { tensor.shape.len() }]
            .iter()
            .map(|length| i64::try_from(*length).unwrap_or(i64::MAX))
            .collect();
        (name, reshaped(tensor, &shape))
    });
    Some((write_config(&stage.config, coder, side), tensors.collect()))
}

fn coder(config: &FirstStageConfig) -> Option<&CoderConfig> {
    match config {
        FirstStageConfig::Vq { coder, .. } | FirstStageConfig::Kl { coder, .. } => Some(coder),
        _ => None,
    }
}

/// The same numbers in another shape of as many; a linear layer and a 1 x 1 convolution differ in nothing else.
fn reshaped(tensor: &TensorData, shape: &[i64]) -> TensorData {
    let shape: Vec<usize> =
        shape.iter().filter_map(|length| usize::try_from(*length).ok()).collect();
    let same = shape.iter().product::<usize>() == tensor.shape.iter().product::<usize>();
    let bare =
        |shape: &[usize]| shape.iter().copied().filter(|length| *length != 1).collect::<Vec<_>>();
    if same && bare(&shape) == bare(&tensor.shape) {
        TensorData { shape, ..tensor.clone() }
    } else {
        tensor.clone()
    }
}

/// Diffusers' name for one of our parameters.
fn diffusers_name(ours: &str, levels: usize) -> String {
    let parts: Vec<&str> = ours.split('.').collect();
    let attention = |part: &str| match part {
        "norm" => "group_norm".to_owned(),
        "proj_out" => "to_out.0".to_owned(),
        other => format!("to_{other}"),
    };
    let residual = |part: &str| {
        if part == "nin_shortcut" { "conv_shortcut".to_owned() } else { part.to_owned() }
    };
    match parts.as_slice() {
        [side, direction @ ("down" | "up"), level, rest @ ..] => {
            let level: usize = level.parse().unwrap_or(0);
            // The decoder's lists count from the coarsest level.
            let level = if *direction == "up" { levels - 1 - level.min(levels - 1) } else { level };
            let inside = match rest {
                ["block", block, part, kind] => {
                    format!("resnets.{block}.{}.{kind}", residual(part))
                }
                ["attn", block, part, kind] => {
                    format!("attentions.{block}.{}.{kind}", attention(part))
                }
                [change, conv, kind] => format!("{change}rs.0.{conv}.{kind}"),
                other => other.join("."),
            };
            // downsample, upsample: downsamplers, upsamplers.
            format!("{side}.{direction}_blocks.{level}.{inside}")
        }
        [side, "mid", "attn_1", part, kind] => {
            format!("{side}.mid_block.attentions.0.{}.{kind}", attention(part))
        }
        [side, "mid", block, part, kind] => {
            let place = if *block == "block_1" { 0 } else { 1 };
            format!("{side}.mid_block.resnets.{place}.{}.{kind}", residual(part))
        }
        [side, "norm_out", kind] => format!("{side}.conv_norm_out.{kind}"),
        _ => ours.to_owned(),
    }
}

fn older_name(name: &str) -> String {
    [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")]
        .iter()
        .fold(name.to_owned(), |name, (new, old)| name.replace(new, old))
}

fn read_config(fields: &Fields, notices: &mut Vec<String>) -> Result<FirstStageConfig> {
    let quantises = match fields.class()? {
        "VQModel" => true,
        "AutoencoderKL" => false,
        other => {
            return Err(fields.refused(format!("{other} is no first stage that is known here")));
        }
    };
    fields.know(&[
        "in_channels",
        "out_channels",
        "down_block_types",
        "up_block_types",
        "block_out_channels",
        "layers_per_block",
        "act_fn",
        "latent_channels",
        "sample_size",
        "num_vq_embeddings",
        "norm_num_groups",
        "vq_embed_dim",
        "scaling_factor",
        "norm_type",
        "mid_block_add_attention",
        "lookup_from_codebook",
        "force_upcast",
        "use_quant_conv",
        "use_post_quant_conv",
    ])?;
    fields.only("act_fn", &[json!("silu"), json!("swish")])?;
    fields.only("norm_type", &[json!("group")])?;
    fields.only("mid_block_add_attention", &[json!(true)])?;
    fields.only("lookup_from_codebook", &[json!(false)])?;
    fields.only("use_quant_conv", &[json!(true)])?;
    fields.only("use_post_quant_conv", &[json!(true)])?;
    let channels: Vec<usize> = fields.get("block_out_channels")?.unwrap_or_else(|| vec![64]);
    let width = channels.first().copied().unwrap_or(0);
    if width == 0 || channels.iter().any(|channels| !channels.is_multiple_of(width)) {
        return Err(fields
            .refused(format!("`block_out_channels` are {channels:?}, no multiples of the first")));
    }
    let image_channels: usize = fields.get("in_channels")?.unwrap_or(3);
    fields.only("out_channels", &[json!(image_channels)])?;
    let down: Vec<String> =
        fields.get("down_block_types")?.unwrap_or_else(|| vec!["DownEncoderBlock2D".into()]);
    let up: Vec<String> =
        fields.get("up_block_types")?.unwrap_or_else(|| vec!["UpDecoderBlock2D".into()]);
    let attends = |types: &[String], plain: &str| -> Result<Vec<bool>> {
        let one = |kind: &String| match kind.strip_prefix("Attn").unwrap_or(kind) {
            bare if bare == plain => Ok(kind.starts_with("Attn")),
            _ => Err(fields.refused(format!("blocks of the kind {kind} are not known here"))),
        };
        types.iter().map(one).collect()
    };
    let encoder = attends(&down, "DownEncoderBlock2D")?;
    let mut decoder = attends(&up, "UpDecoderBlock2D")?;
    decoder.reverse();
    if encoder != decoder || encoder.len() != channels.len() {
        return Err(
            fields.refused("encoder and decoder have attention, or levels, at different places")
        );
    }
    let latent_channels: usize =
        fields.get("latent_channels")?.unwrap_or(if quantises { 3 } else { 4 });
    let coder = CoderConfig {
        image_channels,
        latent_channels,
        width,
        channel_mult: channels.iter().map(|channels| channels / width).collect(),
        res_blocks: fields.get("layers_per_block")?.unwrap_or(1),
        attention_levels: (0..encoder.len()).filter(|level| encoder[*level]).collect(),
        norm_groups: fields.get("norm_num_groups")?.unwrap_or(32),
    };
    let scale: f64 = fields.get("scaling_factor")?.unwrap_or(0.18215);
    let config = if quantises {
        if scale != 1.0 {
            notices.push(format!(
                "`scaling_factor` {scale} of the VQModel is left out: latents of a VQ first stage are not scaled here, \
                 as in latent diffusion"
            ));
        }
        let codebook = fields.get("num_vq_embeddings")?.unwrap_or(256);
        FirstStageConfig::Vq {
            coder,
            codebook,
            embedding: fields.get("vq_embed_dim")?.unwrap_or(latent_channels),
        }
    } else {
        FirstStageConfig::Kl { coder, embedding: latent_channels, scale }
    };
    config.validate()?;
    Ok(config)
}

fn write_config(config: &FirstStageConfig, coder: &CoderConfig, side: usize) -> Value {
    let levels = coder.levels();
    let kind = |plain: &str, level: usize| {
        let attention = if coder.attention_levels.contains(&level) { "Attn" } else { "" };
        format!("{attention}{plain}")
    };
    let mut fields = json!({
        "_diffusers_version": super::folder::DIFFUSERS,
        "in_channels": coder.image_channels,
        "out_channels": coder.image_channels,
        "down_block_types": (0..levels).map(|level| kind("DownEncoderBlock2D", level)).collect::<Vec<_>>(),
        "up_block_types": (0..levels).rev().map(|level| kind("UpDecoderBlock2D", level)).collect::<Vec<_>>(),
        "block_out_channels": (0..levels).map(|level| coder.channels(level)).collect::<Vec<_>>(),
        "layers_per_block": coder.res_blocks,
        "act_fn": "silu",
        "latent_channels": coder.latent_channels,
        "norm_num_groups": coder.norm_groups,
        "sample_size": side,
    });
    match config {
        FirstStageConfig::Vq { codebook, embedding, .. } => {
            fields["_class_name"] = "VQModel".into();
            fields["num_vq_embeddings"] = (*codebook).into();
            fields["vq_embed_dim"] = (*embedding).into();
            fields["scaling_factor"] = 1.0.into();
        }
        FirstStageConfig::Kl { scale, .. } => {
            fields["_class_name"] = "AutoencoderKL".into();
            fields["scaling_factor"] = (*scale).into();
        }
        _ => {}
    }
    fields
}
