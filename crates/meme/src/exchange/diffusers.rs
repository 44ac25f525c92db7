//! Folders of diffusers: `UNet2DModel`, `VQModel`, `AutoencoderKL`, and pipelines made of them.

use std::path::Path;

use meme_blocks::{Architecture, Mixing, NameMap, Resampling};
use serde_json::{Value, json};

use super::fields::Fields;
use super::weights::{Weights, read_folder, to_f32, to_ours};
use super::{Import, NetworkWeights, first_stage, folder, refused, schedule};
use crate::Result;

/// The U-Net of a pipeline, and what its first stage may be called.
const NETWORK: &str = "unet";
const FIRST_STAGES: [&str; 2] = ["vqvae", "vae"];

/// Reads a model's folder, or a pipeline's with models in it.
pub(super) fn read(path: &Path) -> Result<Import> {
    let mut import = Import::default();
    if path.join("config.json").exists() {
        read_model(path, &mut import)?;
        return Ok(import);
    }
    if !path.join("model_index.json").exists() {
        let reason = "it is no folder of diffusers (config.json or model_index.json), no run (experiment.toml) and no \
                      export of a run (architecture.json)";
        return Err(refused(path, reason));
    }
    for name in [NETWORK].into_iter().chain(FIRST_STAGES) {
        let folder = path.join(name);
        if folder.join("config.json").exists() {
            read_model(&folder, &mut import)?;
        }
    }
    let scheduler = path.join("scheduler").join("scheduler_config.json");
    if scheduler.exists() {
        (import.schedule, import.parametrisation) =
            schedule::read(&scheduler, &mut import.notices)?;
    }
    if import.network.is_none() && import.first_stage.is_none() {
        return Err(refused(path, format!("the pipeline has no {NETWORK}, vqvae or vae")));
    }
    Ok(import)
}

fn read_model(path: &Path, import: &mut Import) -> Result<()> {
    let fields = Fields::read(&path.join("config.json"))?;
    match fields.class()? {
        "UNet2DModel" => {
            let architecture = describe(&fields, &mut import.notices)?;
            let map = NameMap::diffusers(&architecture)?;
            let theirs = newer_names(read_folder(path)?);
            let weights = to_ours(&map, &to_f32(theirs)?)?;
            import.side = side(&fields)?;
            import.network = Some(NetworkWeights { architecture, weights, average: None });
        }
        "VQModel" | "AutoencoderKL" => {
            let theirs = read_folder(path)?;
            import.first_stage =
                Some(first_stage::from_diffusers(path, &fields, &theirs, &mut import.notices)?);
        }
        "UNet2DConditionModel" => {
            return Err(fields
                .refused("a UNet2DConditionModel reads context tokens; runs have none to give"));
        }
        other => {
            let known = "UNet2DModel, VQModel and AutoencoderKL";
            return Err(fields.refused(format!("{other} is not known here; known: {known}")));
        }
    }
    Ok(())
}

/// Files from before diffusers 0.18 have other names for the attention's layers.
fn newer_names(weights: Weights) -> Weights {
    let renamed = |name: String| {
        if !name.contains(".attentions.") {
            return name;
        }
        [
            (".query.", ".to_q."),
            (".key.", ".to_k."),
            (".value.", ".to_v."),
            (".proj_attn.", ".to_out.0."),
        ]
        .iter()
        .fold(name, |name, (old, new)| name.replace(old, new))
    };
    weights.into_iter().map(|(name, tensor)| (renamed(name), tensor)).collect()
}

fn side(fields: &Fields) -> Result<Option<usize>> {
    let Some(size) = fields.get::<Value>("sample_size")? else { return Ok(None) };
    let side = match size.as_array().map(Vec::as_slice) {
        None => size.as_u64(),
        Some([height, width]) if height == width => height.as_u64(),
        Some(_) => {
            return Err(fields.refused(format!("`sample_size` is {size}; runs draw squares")));
        }
    };
    Ok(side.and_then(|side| usize::try_from(side).ok()))
}

/// The description that a `UNet2DModel`'s config is.
fn describe(fields: &Fields, notices: &mut Vec<String>) -> Result<Architecture> {
    fields.know(&[
        "sample_size",
        "in_channels",
        "out_channels",
        "center_input_sample",
        "time_embedding_type",
        "time_embedding_dim",
        "freq_shift",
        "flip_sin_to_cos",
        "down_block_types",
        "mid_block_type",
        "up_block_types",
        "block_out_channels",
        "layers_per_block",
        "mid_block_scale_factor",
        "downsample_padding",
        "downsample_type",
        "upsample_type",
        "dropout",
        "act_fn",
        "attention_head_dim",
        "norm_num_groups",
        "attn_norm_num_groups",
        "norm_eps",
        "resnet_time_scale_shift",
        "add_attention",
        "class_embed_type",
        "num_class_embeds",
        "num_train_timesteps",
    ])?;
    fields.only("center_input_sample", &[json!(false)])?;
    fields.only("time_embedding_type", &[json!("positional")])?;
    fields.only("time_embedding_dim", &[Value::Null])?;
    fields.only("freq_shift", &[json!(0)])?;
    fields.only("flip_sin_to_cos", &[json!(true)])?;
    fields.only("mid_block_type", &[json!("UNetMidBlock2D")])?;
    fields.only("mid_block_scale_factor", &[json!(1)])?;
    fields.only("downsample_padding", &[json!(1)])?;
    fields.only("act_fn", &[json!("silu"), json!("swish")])?;
    fields.only("class_embed_type", &[Value::Null])?;
    fields.only("norm_eps", &[json!(1e-5), json!(1e-6)])?;
    if fields.get::<f64>("norm_eps")? == Some(1e-6) {
        notices.push(
            "its norms add 1e-6 to the variance, those here 1e-5 as latent diffusion does: outputs differ a little \
             where a group of channels hardly varies"
                .to_owned(),
        );
    }
    let defaults: Vec<usize> = vec![224, 448, 672, 896];
    let channels: Vec<usize> = fields.get("block_out_channels")?.unwrap_or(defaults);
    let width = channels.first().copied().unwrap_or(0);
    if width == 0 || channels.iter().any(|channels| !channels.is_multiple_of(width)) {
        return Err(fields
            .refused(format!("`block_out_channels` are {channels:?}, no multiples of the first")));
    }
    let shift: String = fields.get("resnet_time_scale_shift")?.unwrap_or_else(|| "default".into());
    fields.only("resnet_time_scale_shift", &[json!("default"), json!("scale_shift")])?;
    let groups: usize = fields.get("norm_num_groups")?.unwrap_or(32);
    let mid_groups: Option<usize> = fields.get("attn_norm_num_groups")?;
    if mid_groups.unwrap_or(if shift == "default" { groups } else { 0 }) != groups {
        return Err(fields.refused("`attn_norm_num_groups` differs from `norm_num_groups`"));
    }
    let attends: bool = fields.get("add_attention")?.unwrap_or(true);
    let (in_channels, given): (usize, usize) =
        (fields.get("in_channels")?.unwrap_or(3), fields.get("out_channels")?.unwrap_or(3));
    let learned_sigma = given == 2 * in_channels;
    let (encoder, decoder, resampling) = blocks(fields, channels.len())?;
    let attention = |attends: bool| if attends { "attention" } else { "none" };
    let list = |levels: &[bool]| levels.iter().map(|level| attention(*level)).collect::<Vec<_>>();
    let head_dim: Option<usize> = match fields.get("attention_head_dim")? {
        None => {
            return Err(fields
                .refused("`attention_head_dim` is missing or null: heads as wide as each level"));
        }
        some => some,
    };
    let description = json!({
        "in_channels": in_channels,
        "out_channels": if learned_sigma { in_channels } else { given },
        "width": width,
        "channel_mult": channels.iter().map(|channels| channels / width).collect::<Vec<_>>(),
        "res_blocks": fields.get::<usize>("layers_per_block")?.unwrap_or(2),
        "head_dim": head_dim,
        "norm_groups": groups,
        "encoder": list(&encoder),
        "middle": attention(attends),
        "decoder": list(&decoder),
        "dropout": fields.get::<f64>("dropout")?.unwrap_or(0.0),
        "scale_shift_norm": shift == "scale_shift",
        "resampling": resampling,
        "classes": fields.get::<usize>("num_class_embeds")?.unwrap_or(0),
        "learned_sigma": learned_sigma,
    });
    serde_json::from_value(description).map_err(|error| fields.refused(error.to_string()))
}

/// Which levels have attention, finest first, and how sizes change.
fn blocks(fields: &Fields, levels: usize) -> Result<(Vec<bool>, Vec<bool>, Resampling)> {
    let down: Vec<String> = fields.need("down_block_types")?;
    let mut up: Vec<String> = fields.need("up_block_types")?;
    up.reverse();
    if down.len() != levels || up.len() != levels {
        return Err(fields.refused(format!(
            "there are {} down and {} up blocks on {levels} levels",
            down.len(),
            up.len()
        )));
    }
    let resnet = |field: &str| -> Result<bool> {
        fields.only(field, &[json!("conv"), json!("resnet")])?;
        Ok(fields.get::<String>(field)?.as_deref() == Some("resnet"))
    };
    let (down_resnet, up_resnet) = (resnet("downsample_type")?, resnet("upsample_type")?);
    // Attention, and whether sizes change inside a residual block.
    let kind = |kind: &str, attention_resnet: bool| match kind {
        "DownBlock2D" | "UpBlock2D" => Ok((false, false)),
        "ResnetDownsampleBlock2D" | "ResnetUpsampleBlock2D" => Ok((false, true)),
        "AttnDownBlock2D" | "AttnUpBlock2D" => Ok((true, attention_resnet)),
        other => Err(fields.refused(format!("blocks of the kind {other} are not known here"))),
    };
    let down = down.iter().map(|name| kind(name, down_resnet)).collect::<Result<Vec<_>>>()?;
    let up = up.iter().map(|name| kind(name, up_resnet)).collect::<Result<Vec<_>>>()?;
    // The coarsest level has no step down, the finest none up.
    let changes = down[..levels - 1].iter().chain(&up[1..]).map(|(_, resnet)| *resnet);
    let changes: Vec<bool> = changes.collect();
    let resampling =
        match (changes.iter().any(|resnet| *resnet), changes.iter().all(|resnet| *resnet)) {
            (false, _) => Resampling::Convolution,
            (true, true) => Resampling::ResBlock,
            (true, false) => {
                return Err(fields
                    .refused("sizes change in residual blocks at some levels and not at others"));
            }
        };
    let attention = |list: &[(bool, bool)]| list.iter().map(|(attends, _)| *attends).collect();
    Ok((attention(&down), attention(&up), resampling))
}

/// The config of a network that diffusers has, and why it has it not otherwise.
pub(super) fn config(a: &Architecture, side: usize) -> std::result::Result<Value, String> {
    if a.channel_mult.first() != Some(&1) {
        return Err(
            "its finest level is wider than its time embedding, which diffusers cannot say".into(),
        );
    }
    if a.head_dim == 0 && a.heads > 0 {
        return Err("its heads are given by number, UNet2DModel's by width".into());
    }
    let attends = |mixing: Mixing| mixing == Mixing::Attention;
    let plain = |mixing: &Mixing| matches!(mixing, Mixing::None | Mixing::Attention);
    if !(a.encoder.iter().chain(&a.decoder).all(plain) && plain(&a.middle)) {
        return Err("it has mixers or transformers, which UNet2DModel does not know".into());
    }
    let resnet = a.resampling == Resampling::ResBlock;
    let name = |mixing: &Mixing, attention: &str, plain: &str, resampling: &str| {
        let name = if attends(*mixing) {
            attention
        } else if resnet {
            resampling
        } else {
            plain
        };
        name.to_owned()
    };
    let down: Vec<String> = a
        .encoder
        .iter()
        .map(|m| name(m, "AttnDownBlock2D", "DownBlock2D", "ResnetDownsampleBlock2D"))
        .collect();
    let up: Vec<String> = a
        .decoder
        .iter()
        .rev()
        .map(|m| name(m, "AttnUpBlock2D", "UpBlock2D", "ResnetUpsampleBlock2D"))
        .collect();
    let change = if resnet { "resnet" } else { "conv" };
    Ok(json!({
        "_class_name": "UNet2DModel",
        "_diffusers_version": folder::DIFFUSERS,
        "sample_size": side,
        "in_channels": a.in_channels,
        "out_channels": a.predicted_channels(),
        "center_input_sample": false,
        "time_embedding_type": "positional",
        "freq_shift": 0,
        "flip_sin_to_cos": true,
        "down_block_types": down,
        "up_block_types": up,
        "block_out_channels": (0..a.levels()).map(|level| a.channels(level)).collect::<Vec<_>>(),
        "layers_per_block": a.res_blocks,
        "mid_block_scale_factor": 1,
        "downsample_padding": 1,
        "downsample_type": change,
        "upsample_type": change,
        "dropout": a.dropout,
        "act_fn": "silu",
        "attention_head_dim": a.head_dim,
        "norm_num_groups": a.norm_groups,
        "attn_norm_num_groups": if a.scale_shift_norm { Some(a.norm_groups) } else { None },
        "norm_eps": 1e-5,
        "resnet_time_scale_shift": if a.scale_shift_norm { "scale_shift" } else { "default" },
        "add_attention": attends(a.middle),
        "class_embed_type": null,
        "num_class_embeds": if a.classes > 0 { Some(a.classes) } else { None },
    }))
}
