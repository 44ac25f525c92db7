//! Checkpoints of CompVis' latent diffusion: one file with the network, its moving average, the first stage and the
//! schedule, and no description of any of them. The description is read off the names and shapes.

use std::collections::BTreeSet;
use std::path::Path;

use meme_blocks::{Architecture, NameMap};
use meme_checkpoint::TensorData;
use serde_json::{Value, json};

use super::weights::{Weights, below, to_f32, to_ours};
use super::{Import, NetworkWeights, Unsaid, first_stage, refused, schedule};
use crate::Result;

/// Before the network's names.
const NETWORK: &str = "model.diffusion_model.";
/// Before those of its average, which `LitEma` keeps under names without dots.
const AVERAGE: &str = "model_ema.diffusion_model";
/// Before those of the first stage.
const FIRST_STAGE: &str = "first_stage_model.";

/// Reads a `.ckpt` (or any file of PyTorch), or a safetensors file with the same names.
pub(super) fn read(path: &Path, unsaid: Unsaid) -> Result<Import> {
    let all = if path.extension().is_some_and(|extension| extension == "safetensors") {
        meme_checkpoint::read_safetensors(path)?.tensors
    } else {
        meme_checkpoint::read_torch(path)?.tensors
    };
    let mut import = Import::default();
    let network = below(&all, NETWORK);
    if !network.is_empty() {
        import.network = Some(read_network(path, network, &all, unsaid)?);
    }
    let mut first = below(&all, FIRST_STAGE);
    if first.is_empty() && all.contains_key("encoder.conv_in.weight") {
        first.clone_from(&all);
    }
    if !first.is_empty() {
        let scale = all.get("scale_factor").map(TensorData::to_f64).transpose()?;
        let scale = scale.and_then(|scale| scale.first().copied()).unwrap_or(1.0);
        import.first_stage =
            Some(first_stage::from_compvis(path, &first, scale, unsaid.norm_groups)?);
    }
    if import.network.is_none() && import.first_stage.is_none() {
        let some: Vec<&str> = all.keys().take(3).map(String::as_str).collect();
        let reason = format!(
            "it holds neither a network ({NETWORK}*) nor a first stage ({FIRST_STAGE}* or encoder.*); its names begin with {}",
            some.join(", ")
        );
        return Err(refused(path, reason));
    }
    if let Some(betas) = all.get("betas").or_else(|| all.get("model.betas")) {
        import.schedule = Some(schedule::from_betas(betas)?);
    }
    Ok(import)
}

fn read_network(
    path: &Path,
    theirs: Weights,
    all: &Weights,
    unsaid: Unsaid,
) -> Result<NetworkWeights> {
    let architecture = describe(path, &theirs, unsaid)?;
    let map = NameMap::compvis(&architecture)?;
    let average = read_average(path, &map, all)?;
    let average = average.map(|average| to_ours(&map, &to_f32(average)?)).transpose()?;
    let weights = to_ours(&map, &to_f32(theirs)?)?;
    Ok(NetworkWeights { architecture, weights, average })
}

/// The moving average under the names of the network; `None` where the file keeps none.
fn read_average(path: &Path, map: &NameMap, all: &Weights) -> Result<Option<Weights>> {
    let dotless = below(all, AVERAGE);
    if dotless.is_empty() {
        return Ok(None);
    }
    let names: Vec<&str> = map.ours().flat_map(|ours| map.theirs(ours)).collect();
    let unique: BTreeSet<String> = names.iter().map(|name| name.replace('.', "")).collect();
    if unique.len() != names.len() {
        return Err(refused(path, "without their dots two names of the network's average are one"));
    }
    let mut average = Weights::new();
    for name in names {
        let Some(tensor) = dotless.get(&name.replace('.', "")) else {
            return Err(refused(
                path,
                format!("it keeps a moving average, but none of {NETWORK}{name}"),
            ));
        };
        average.insert(name.to_owned(), tensor.clone());
    }
    Ok(Some(average))
}

/// The description that names and shapes tell, and what they do not tell from `unsaid`.
fn describe(path: &Path, theirs: &Weights, unsaid: Unsaid) -> Result<Architecture> {
    let shape = |name: &str| -> Result<&[usize]> {
        let tensor = theirs.get(name).filter(|tensor| tensor.shape.len() >= 2);
        tensor.map(|tensor| tensor.shape.as_slice()).ok_or_else(|| {
            refused(
                path,
                format!("{NETWORK}{name} is missing: this is no U-Net of latent diffusion"),
            )
        })
    };
    let has = |name: String| theirs.contains_key(&name);
    if let Some(name) = theirs.keys().find(|name| name.contains("transformer_blocks")) {
        return Err(refused(
            path,
            format!("its network reads context tokens ({NETWORK}{name}); runs have none to give"),
        ));
    }
    let outputs = (0..)
        .take_while(|block| has(format!("output_blocks.{block}.0.in_layers.0.weight")))
        .count();
    // A level ends with a step up, behind the residual block or its attention; the finest has none.
    let goes_up = |block: &usize| {
        ["1.conv", "2.conv", "1.in_layers.0", "2.in_layers.0"]
            .iter()
            .any(|place| has(format!("output_blocks.{block}.{place}.weight")))
    };
    let blocks = (0..outputs).find(goes_up).map_or(outputs, |block| block + 1);
    if blocks < 2 || !outputs.is_multiple_of(blocks) {
        return Err(refused(
            path,
            format!(
                "{outputs} output blocks in levels of {blocks} are no U-Net of latent diffusion"
            ),
        ));
    }
    let levels = outputs / blocks;
    let stem = shape("input_blocks.0.0.weight")?;
    let (width, in_channels) = (stem[0], stem[1]);
    let first = |level: usize| 1 + level * blocks;
    let mut channel_mult = Vec::new();
    for level in 0..levels {
        let channels = shape(&format!("input_blocks.{}.0.out_layers.3.weight", first(level)))?[0];
        if width == 0 || !channels.is_multiple_of(width) {
            return Err(refused(
                path,
                format!("level {level} has {channels} channels, no multiple of {width}"),
            ));
        }
        channel_mult.push(channels / width);
    }
    let mixing = |attends: bool| if attends { "attention" } else { "none" };
    let at = |side: &str, block: usize| mixing(has(format!("{side}_blocks.{block}.1.qkv.weight")));
    let encoder: Vec<&str> = (0..levels).map(|level| at("input", first(level))).collect();
    let decoder: Vec<&str> =
        (0..levels).map(|level| at("output", (levels - 1 - level) * blocks)).collect();
    let given = shape("out.2.weight")?[0];
    let learned_sigma = given == 2 * in_channels;
    let embedding = shape(&format!("input_blocks.{}.0.emb_layers.1.weight", first(0)))?[0];
    let convolves = levels == 1 || has(format!("input_blocks.{blocks}.0.op.weight"));
    let mut description = json!({
        "in_channels": in_channels,
        "out_channels": if learned_sigma { in_channels } else { given },
        "width": width,
        "channel_mult": channel_mult,
        "res_blocks": blocks - 1,
        "norm_groups": unsaid.norm_groups,
        "encoder": encoder,
        "middle": mixing(has("middle_block.1.qkv.weight".into())),
        "decoder": decoder,
        "scale_shift_norm": embedding == 2 * width * channel_mult[0],
        "resampling": if convolves { "convolution" } else { "res-block" },
        "classes": theirs.get("label_emb.weight").and_then(|table| table.shape.first()).unwrap_or(&0),
        "learned_sigma": learned_sigma,
    });
    description["head_dim"] = Value::from(unsaid.head_dim);
    serde_json::from_value(description).map_err(|error| {
        let hint = "--head-dim and --norm-groups say what the file does not";
        refused(path, format!("its network: {error}; {hint}"))
    })
}
