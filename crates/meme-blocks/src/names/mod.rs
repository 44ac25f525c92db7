//! Other projects' names for the same parameters.

mod compvis;
mod diffusers;
mod transformer;

use std::collections::{BTreeMap, BTreeSet};

use meme_torch::tch::Tensor;

use crate::error::Result;
use crate::plan::{Plan, PlanChange, PlanMixing};
use crate::{Architecture, ClassConditioning, Error};

/// How many differences an error spells out.
const SPELT_OUT: usize = 8;

/// A U-Net's parameters under another project's names, both ways and exactly: nothing is left out, added or rounded.
///
/// Only U-Nets without mixers have counterparts.
///
/// ```
/// # let text = r#"in_channels = 3
/// # out_channels = 3
/// # width = 128
/// # channel_mult = [1, 2, 3, 4]
/// # res_blocks = 2
/// # head_dim = 32
/// # encoder = ["none", "attention", "attention", "attention"]
/// # middle = "attention"
/// # decoder = ["none", "attention", "attention", "attention"]"#;
/// # let ldm_small: meme_blocks::Architecture = toml::from_str(text).unwrap();
/// use meme_blocks::NameMap;
///
/// let compvis = NameMap::compvis(&ldm_small)?;
/// assert_eq!(compvis.theirs("encoder.0.0.residual.conv_in.weight"), ["input_blocks.1.0.in_layers.2.weight"]);
///
/// let diffusers = NameMap::diffusers(&ldm_small)?;
/// let split = diffusers.theirs("middle.attention.qkv.bias");
/// assert_eq!(split[0], "mid_block.attentions.0.to_q.bias");
/// assert_eq!(split.len(), 3);
/// # Ok::<(), meme_blocks::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NameMap {
    format: &'static str,
    entries: Vec<Entry>,
}

/// One of our parameters and what stands for it elsewhere.
#[derive(Clone, Debug)]
struct Entry {
    ours: String,
    theirs: Vec<String>,
    layout: Layout,
}

/// How the other project's tensors lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// The same tensor.
    Same,
    /// A linear weight [out, in] as that of a one-dimensional convolution, [out, in, 1].
    Conv1d,
    /// A linear weight [out, in] as that of a two-dimensional convolution, [out, in, 1, 1].
    Conv2d,
    /// Rows of all their tensors one after another, equally many from each.
    Rows,
    /// Rows ordered [heads, 3, head_dim] as three tensors of rows ordered [heads, head_dim].
    SplitHeads { head_dim: i64 },
    /// Rows ordered [heads, 3, head_dim] as one tensor of rows ordered [3, heads, head_dim], a weight as that of a
    /// one-dimensional convolution.
    PartsFirst { head_dim: i64 },
}

/// A place of the network, as the name maps walk it.
enum Spot {
    Stem,
    TimeHidden,
    TimeOutput,
    Encoder { level: usize, block: usize, part: Part },
    Down { level: usize, residual: bool },
    Middle(MiddlePart),
    Decoder { level: usize, block: usize, part: Part },
    Up { level: usize, residual: bool, after_attention: bool },
    OutputNorm,
    OutputConv,
}

enum Part {
    Residual,
    Attention,
}

enum MiddlePart {
    First,
    Attention,
    /// Whether attention stands before it.
    Last(bool),
}

/// The parts of a residual block in the order `norm_in`, `conv_in`, `embedding`, `norm_out`, `conv_out`, `skip`.
const RESIDUAL: [&str; 6] = ["norm_in", "conv_in", "embedding", "norm_out", "conv_out", "skip"];

/// How a project names things.
trait Dialect {
    /// Its name, for messages.
    const FORMAT: &'static str;
    /// Its names for the parts of a residual block, in the order of [`RESIDUAL`].
    const RESIDUAL: [&'static str; 6];
    /// Its name for the class table's weight.
    const CLASSES: &'static str;
    /// Its name for the table of a network whose classes become context tokens, if it keeps one.
    const CLASS_TOKENS: Option<&'static str>;
    /// Its name for a place.
    fn place(architecture: &Architecture, spot: &Spot) -> String;
    /// Its parameters for our attention block at `ours`.
    fn attention(ours: &str, theirs: &str, head_dim: i64) -> Vec<Entry>;
}

impl NameMap {
    /// The names of CompVis' latent diffusion (`UNetModel` of `openaimodel.py`, also OpenAI's guided diffusion with
    /// its legacy attention order), without the `model.diffusion_model.` that stands before them in a checkpoint. The
    /// table of a network whose classes become context lies beside the network there, and is named here as it is
    /// there: `cond_stage_model.embedding.weight`.
    ///
    /// # Errors
    /// [`Error::Unnamed`] for a network with mixers, [`Error::Architecture`] where the description breaks a rule.
    pub fn compvis(architecture: &Architecture) -> Result<Self> {
        Self::walk::<compvis::CompVis>(architecture)
    }

    /// The names of OpenAI's guided diffusion where it was trained with `use_new_attention_order`; its other networks
    /// are named by [`NameMap::compvis`].
    ///
    /// # Errors
    /// As [`NameMap::compvis`], and [`Error::Unnamed`] where classes become context tokens.
    pub fn guided_diffusion(architecture: &Architecture) -> Result<Self> {
        Self::walk::<compvis::Guided>(architecture)
    }

    /// The names of diffusers' `UNet2DModel`, and of `UNet2DConditionModel` for a network with transformers.
    ///
    /// # Errors
    /// As [`NameMap::compvis`], and [`Error::Unnamed`] where classes become context tokens: that model is given its
    /// context, so describe the network without classes and keep their table beside it.
    pub fn diffusers(architecture: &Architecture) -> Result<Self> {
        Self::walk::<diffusers::Diffusers>(architecture)
    }

    /// Our names, in the order of the walk.
    pub fn ours(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.ours.as_str())
    }

    /// The names that stand for one of our parameters; none for a name that the network does not have.
    pub fn theirs(&self, ours: &str) -> Vec<&str> {
        let entry = self.entries.iter().find(|entry| entry.ours == ours);
        entry.map_or_else(Vec::new, |entry| entry.theirs.iter().map(String::as_str).collect())
    }

    /// Their tensors as ours. Shapes are checked by whoever loads the result.
    ///
    /// # Errors
    /// [`Error::Names`] where tensors are missing or unknown, [`Error::Torch`] where a shape cannot be rearranged.
    pub fn to_ours(&self, theirs: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>> {
        let expected = self.entries.iter().flat_map(|entry| &entry.theirs).map(String::as_str);
        self.same_names(expected, theirs)?;
        let mut ours = BTreeMap::new();
        for entry in &self.entries {
            let parts: Vec<&Tensor> =
                entry.theirs.iter().filter_map(|name| theirs.get(name)).collect();
            let joined = entry.layout.join(&parts).map_err(|e| e.within(&entry.ours))?;
            ours.insert(entry.ours.clone(), joined);
        }
        Ok(ours)
    }

    /// Our tensors as theirs.
    ///
    /// # Errors
    /// As [`NameMap::to_ours`].
    pub fn to_theirs(&self, ours: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>> {
        self.same_names(self.ours(), ours)?;
        let mut theirs = BTreeMap::new();
        for entry in &self.entries {
            if let Some(tensor) = ours.get(&entry.ours) {
                let parts = entry
                    .layout
                    .split(tensor, entry.theirs.len())
                    .map_err(|e| e.within(&entry.ours))?;
                theirs.extend(entry.theirs.iter().cloned().zip(parts));
            }
        }
        Ok(theirs)
    }

    fn same_names<'a>(
        &self,
        expected: impl Iterator<Item = &'a str>,
        found: &BTreeMap<String, Tensor>,
    ) -> Result<()> {
        let expected: BTreeSet<&str> = expected.collect();
        let found: BTreeSet<&str> = found.keys().map(String::as_str).collect();
        let missing = expected.difference(&found).map(|name| format!("{name} is missing"));
        let extra = found.difference(&expected).map(|name| format!("{name} is not known"));
        let differences: Vec<String> = missing.chain(extra).take(SPELT_OUT).collect();
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::Names { format: self.format, differences })
    }

    fn walk<D: Dialect>(a: &Architecture) -> Result<Self> {
        let plan = Plan::new(a)?;
        let mut list = List::<'_, D> { a, entries: Vec::new(), dialect: std::marker::PhantomData };
        list.layer("time.hidden", &Spot::TimeHidden);
        list.layer("time.output", &Spot::TimeOutput);
        if a.classes > 0 {
            let theirs = match a.class_conditioning {
                ClassConditioning::Embedding => D::CLASSES,
                ClassConditioning::Context => D::CLASS_TOKENS.ok_or(Error::Unnamed {
                    format: D::FORMAT,
                    block: "classes".into(),
                    why: "its network is given context tokens; leave `classes` and `class_conditioning` out of the \
                          description and keep the table beside the file",
                })?,
            };
            list.push("classes.weight".into(), theirs.into());
        }
        list.layer("stem", &Spot::Stem);
        for l in &plan.encoder {
            let level = l.level;
            for (block, b) in l.blocks.iter().enumerate() {
                let spot = |part| Spot::Encoder { level, block, part };
                list.residual(&b.residual, &spot(Part::Residual));
                list.mixing(b.mixing.as_ref(), &spot(Part::Attention))?;
            }
            list.change(l.change.as_ref(), |residual| Spot::Down { level, residual });
        }
        let attends = plan.middle.first.mixing.is_some();
        list.residual(&plan.middle.first.residual, &Spot::Middle(MiddlePart::First));
        list.mixing(plan.middle.first.mixing.as_ref(), &Spot::Middle(MiddlePart::Attention))?;
        list.residual(&plan.middle.last, &Spot::Middle(MiddlePart::Last(attends)));
        for l in &plan.decoder {
            let level = l.level;
            for (block, b) in l.blocks.iter().enumerate() {
                let spot = |part| Spot::Decoder { level, block, part };
                list.residual(&b.residual, &spot(Part::Residual));
                list.mixing(b.mixing.as_ref(), &spot(Part::Attention))?;
            }
            let after_attention = l.blocks.iter().any(|b| b.mixing.is_some());
            list.change(l.change.as_ref(), |residual| Spot::Up {
                level,
                residual,
                after_attention,
            });
        }
        list.layer("output.norm", &Spot::OutputNorm);
        list.layer("output.conv", &Spot::OutputConv);
        Ok(NameMap { format: D::FORMAT, entries: list.entries })
    }
}

/// The entries of a walk so far.
struct List<'a, D> {
    a: &'a Architecture,
    entries: Vec<Entry>,
    dialect: std::marker::PhantomData<D>,
}

impl<D: Dialect> List<'_, D> {
    fn push(&mut self, ours: String, theirs: String) {
        self.entries.push(Entry { ours, theirs: vec![theirs], layout: Layout::Same });
    }

    /// Weight and bias.
    fn layer(&mut self, ours: &str, spot: &Spot) {
        let theirs = D::place(self.a, spot);
        for kind in ["weight", "bias"] {
            self.push(format!("{ours}.{kind}"), format!("{theirs}.{kind}"));
        }
    }

    fn residual(&mut self, block: &(String, crate::ResBlockConfig), spot: &Spot) {
        let (ours, config) = block;
        let theirs = D::place(self.a, spot);
        for (our_part, their_part) in RESIDUAL.into_iter().zip(D::RESIDUAL) {
            if our_part == "skip" && config.input == config.output {
                continue;
            }
            for kind in ["weight", "bias"] {
                let theirs = format!("{theirs}.{their_part}.{kind}");
                self.push(format!("{ours}.{our_part}.{kind}"), theirs);
            }
        }
    }

    fn mixing(&mut self, mixing: Option<&(String, PlanMixing)>, spot: &Spot) -> Result<()> {
        match mixing {
            None => Ok(()),
            Some((ours, PlanMixing::Attention(config))) => {
                let theirs = D::place(self.a, spot);
                self.entries.extend(D::attention(ours, &theirs, config.head_dim as i64));
                Ok(())
            }
            Some((ours, PlanMixing::Transformer(config))) => {
                let theirs = D::place(self.a, spot);
                self.entries.extend(transformer::entries(ours, &theirs, config.depth));
                Ok(())
            }
            Some((name, PlanMixing::Mixer(_))) => Err(Error::Unnamed {
                format: D::FORMAT,
                block: name.clone(),
                why: "it knows no inception mixers; only plain U-Nets can be exchanged with it",
            }),
        }
    }

    fn change(&mut self, change: Option<&PlanChange>, spot: impl Fn(bool) -> Spot) {
        match change {
            None => {}
            Some(PlanChange::Convolution { name, .. }) => self.layer(name, &spot(false)),
            Some(PlanChange::ResBlock(name, config)) => {
                self.residual(&(name.clone(), *config), &spot(true));
            }
        }
    }
}

impl Layout {
    fn join(self, parts: &[&Tensor]) -> Result<Tensor> {
        Ok(match self {
            Layout::Same | Layout::Rows => Tensor::f_cat(parts, 0)?,
            Layout::Conv2d => Tensor::f_cat(parts, 0)?.f_squeeze_dim(-1)?.f_squeeze_dim(-1)?,
            Layout::Conv1d => Tensor::f_cat(parts, 0)?.f_squeeze_dim(-1)?,
            Layout::SplitHeads { head_dim } => {
                let rows = parts
                    .iter()
                    .map(|part| part.f_unflatten(0, [-1, head_dim]))
                    .collect::<Result<Vec<_>, _>>()?; // [heads, head_dim, ...]
                Tensor::f_stack(&rows, 1)?.f_flatten(0, 2)? // [heads * 3 * head_dim, ...]
            }
            Layout::PartsFirst { head_dim } => {
                let rows = Tensor::f_cat(parts, 0)?;
                let rows = if rows.dim() == 3 { rows.f_squeeze_dim(-1)? } else { rows };
                rows.f_unflatten(0, [3, -1, head_dim])?.f_transpose(0, 1)?.f_flatten(0, 2)?
            }
        })
    }

    fn split(self, ours: &Tensor, parts: usize) -> Result<Vec<Tensor>> {
        Ok(match self {
            Layout::Rows => {
                let parts = ours.f_chunk(parts as i64, 0)?;
                parts.iter().map(Tensor::f_contiguous).collect::<Result<_, _>>()?
            }
            Layout::Conv2d => vec![ours.f_unsqueeze(-1)?.f_unsqueeze(-1)?],
            Layout::Same => vec![ours.shallow_clone()],
            Layout::Conv1d => vec![ours.f_unsqueeze(-1)?],
            Layout::PartsFirst { head_dim } => {
                let rows = ours.f_unflatten(0, [-1, 3, head_dim])?.f_transpose(0, 1)?;
                let rows = rows.f_flatten(0, 2)?.f_contiguous()?;
                vec![if rows.dim() == 2 { rows.f_unsqueeze(-1)? } else { rows }]
            }
            Layout::SplitHeads { head_dim } => ours
                .f_unflatten(0, [-1, 3, head_dim])? // [heads, 3, head_dim, ...]
                .f_unbind(1)?
                .iter()
                .map(|part| part.f_flatten(0, 1))
                .collect::<Result<_, _>>()?,
        })
    }
}
