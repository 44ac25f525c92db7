//! How alike the loss gradients at different timesteps are: the task affinity of Go et al.,
//! "Addressing Negative Transfer in Diffusion Models" (NeurIPS 2023), section 4.

use std::collections::BTreeMap;

use meme_blocks::Options;
use meme_checkpoint::{Dtype, TensorData};
use meme_router::{ClusterCost, Expert, Index, Intervals};
use meme_torch::tch::{Kind, TchError, Tensor};
use meme_trainer::Stop;

use super::Shown;
use super::page::Page;
use super::shown::Spoilt;
use crate::report::HeatMap;
use crate::run::{Network, RunFolder};
use crate::search::Division;
use crate::{Error, Result};

/// Values of every gradient that are multiplied in float64 at once.
const CHUNK: i64 = 1 << 20;

/// Cosine similarities of the mean loss gradients of one expert's network in `buckets` equal parts
/// of all timesteps, as `gradients-expert-N.safetensors` (entry `similarity`, float64
/// `[buckets, buckets]`, row by row: what [`ClusterCost::Similarity`] takes; `upper_ends`, int64, the
/// last timestep of every bucket) and as a figure. Returns the boundaries that clustering makes of it.
///
/// Every latent is used once in every bucket, at a timestep and with noise of its own. The mean over
/// a few of them is itself noisy, which pulls similarities towards 0. Keeps one gradient for each
/// bucket in memory.
pub(crate) fn similarity(
    run: &RunFolder,
    expert: Expert,
    shown: &Shown<'_>,
    (buckets, experts): (usize, usize),
    page: &mut Page,
    stop: &Stop,
    done: &mut dyn FnMut(),
) -> Result<Division> {
    let experiment = &run.experiment;
    let steps = experiment.schedule.steps();
    if buckets < experts.max(2) || buckets > steps {
        return Err(Error::Usage(format!(
            "--gradients={buckets}: it must be at least 2 and the number of experts, {experts}, and \
             at most the number of timesteps, {steps}"
        )));
    }
    let (mut network, _) = run.trained(expert, shown.device)?;
    network.parameters.set_trainable(true);
    let ends: Vec<usize> = (1..=buckets).map(|bucket| bucket * steps / buckets).collect();
    let mut gradients = Vec::with_capacity(buckets);
    let mut start = 0;
    for &end in &ends {
        if stop.raised() {
            return Err(Error::Stopped);
        }
        gradients.push(mean_gradient(run, expert, &mut network, shown, start..end)?);
        start = end;
        done();
    }
    let matrix = cosines(&gradients)?;
    write(
        &page.path(&format!("gradients-expert-{}.safetensors", expert.number())),
        &matrix,
        &ends,
    )?;
    let names: Vec<String> = ends.iter().map(ToString::to_string).collect();
    let rows = names.iter().cloned().zip(matrix.chunks(buckets).map(<[f64]>::to_vec)).collect();
    let whose = match experiment.experts.len() {
        1 => experiment.title.clone(),
        _ => format!("{}, expert {}", experiment.title, expert.number()),
    };
    let map = HeatMap {
        title: format!("{whose}: similarity of gradients"),
        x_label: "timesteps up to".into(),
        y_label: "timesteps up to".into(),
        z_label: "cosine of the mean gradients".into(),
        columns: names,
        rows,
    };
    page.heat(&format!("gradients-expert-{}", expert.number()), &map)?;
    let clusters = Intervals::cluster(experts, ClusterCost::Similarity(&matrix))?;
    let upper: Vec<usize> = clusters.upper_ends().iter().map(|&end| ends[end - 1]).collect();
    let name = match experiment.experts.len() {
        1 => "gradients".to_owned(),
        _ => format!("gradients of expert {}", expert.number()),
    };
    Ok(Division { name, intervals: Intervals::explicit(&upper)? })
}

/// The gradient of the mean loss over the timesteps `range`, as one vector.
fn mean_gradient(
    run: &RunFolder,
    expert: Expert,
    network: &mut Network,
    shown: &Shown<'_>,
    range: std::ops::Range<usize>,
) -> Result<Tensor> {
    let experiment = &run.experiment;
    let architecture = Network::architecture(experiment, expert)?;
    let steps = experiment.schedule.steps();
    let count = shown.count.min(shown.latents.len());
    network.parameters.zero_grad();
    let schedule = &shown.schedule;
    for rows in shown.batches() {
        let index =
            |row: usize| Index::new(range.start + (2 * row + 1) * range.len() / (2 * count));
        let spoilt = |row: usize| Spoilt {
            index: index(row),
            noise: (row * steps + index(row).get()) as u64,
        };
        let batch = shown.batch(rows.clone(), experiment.parametrisation, spoilt)?;
        let classes = shown.classes(architecture, rows.clone())?;
        let mut options = Options { classes: classes.as_ref(), ..Options::default() };
        let answer = network.unet.forward(&batch.noisy, &batch.indices, &mut options)?;
        let weight = |row: usize| {
            let alpha_bar = schedule.alpha_bar(index(row));
            experiment.loss_weight.of(experiment.parametrisation, alpha_bar) as f32
        };
        let weights: Vec<f32> = rows.map(weight).collect();
        let weights = meme_torch::from_f32(&weights, &[weights.len() as i64], shown.device)?;
        let squares = (answer - batch.target).square();
        let losses = squares.mean_dim(&[1i64, 2, 3][..], false, Kind::Float) * weights;
        (losses.sum(Kind::Float) / count as f64).f_backward().map_err(torch)?;
    }
    let flat: Vec<Tensor> = network
        .parameters
        .gradients()
        .into_iter()
        .map(|(_, it)| it.detach().reshape([-1]))
        .collect();
    Tensor::f_cat(&flat, 0).map_err(torch)
}

/// Cosine similarities, row by row.
fn cosines(gradients: &[Tensor]) -> Result<Vec<f64>> {
    let side = gradients.len();
    let length = gradients.first().map_or(0, |first| first.size()[0]);
    let mut products = vec![0.0; side * side];
    for start in (0..length).step_by(CHUNK as usize) {
        let size = CHUNK.min(length - start);
        let part: Vec<Tensor> =
            gradients.iter().map(|it| it.narrow(0, start, size).to_kind(Kind::Double)).collect();
        let part = Tensor::f_stack(&part, 0).map_err(torch)?;
        let sums = meme_torch::to_f64_vec(&part.matmul(&part.tr()))?;
        products.iter_mut().zip(sums).for_each(|(product, sum)| *product += sum);
    }
    let norms: Vec<f64> = (0..side).map(|at| products[at * side + at].sqrt()).collect();
    if let Some(bucket) = norms.iter().position(|norm| !(*norm > 0.0 && norm.is_finite())) {
        return Err(Error::Usage(format!(
            "the gradient of bucket {} is {}: it has no direction",
            bucket + 1,
            norms[bucket]
        )));
    }
    Ok((0..side * side)
        .map(|at| match (at / side, at % side) {
            (row, column) if row == column => 1.0,
            (row, column) => products[at] / (norms[row] * norms[column]),
        })
        .collect())
}

fn torch(error: TchError) -> Error {
    Error::Sampler(error.into())
}

fn write(path: &std::path::Path, matrix: &[f64], ends: &[usize]) -> Result<()> {
    let data = matrix.iter().flat_map(|value| value.to_le_bytes()).collect();
    let similarity = TensorData::new(Dtype::F64, vec![ends.len(), ends.len()], data)?;
    let data = ends.iter().flat_map(|&end| (end as i64).to_le_bytes()).collect();
    let upper_ends = TensorData::new(Dtype::I64, vec![ends.len()], data)?;
    let tensors = [("similarity", &similarity), ("upper_ends", &upper_ends)];
    Ok(meme_checkpoint::write_safetensors(path, tensors, &BTreeMap::new())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_those_of_the_angles() {
        // Unit vectors at 0, 60 and 90 degrees, of different lengths.
        let rows = [[2.0, 0.0], [0.5, 0.75f64.sqrt()], [0.0, 7.0]];
        let vectors: Vec<Tensor> = rows.iter().map(|row| Tensor::from_slice(row)).collect();
        let found = cosines(&vectors).unwrap();
        let sixty = 0.5;
        let expected = [1.0, sixty, 0.0, sixty, 1.0, 0.75f64.sqrt(), 0.0, 0.75f64.sqrt(), 1.0];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        let nothing = [Tensor::from_slice(&[0.0f64]), Tensor::from_slice(&[1.0f64])];
        assert!(cosines(&nothing).unwrap_err().to_string().contains("bucket 1"));
    }
}
