//! What a sampler costs when the network costs nothing: 50 steps on 3 x 64 x 64, batch 1.
#![allow(missing_docs, reason = "criterion's macros")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use meme_router::{Index, Intervals};
use meme_sampler::{
    Denoiser, Ensemble, Plan, Resident, Result, SampleNoise, Sampler, Threshold, unwatched,
};
use meme_schedule::{Grid, Parametrisation, Schedule, ScheduleConfig};
use meme_torch::tch::{Device, Kind, Tensor};

const STEPS: usize = 50;

fn free(x: &Tensor, _: &[Index]) -> Result<Tensor> {
    Ok(x.shallow_clone())
}

fn plan() -> std::result::Result<Plan, Box<dyn std::error::Error>> {
    let schedule = Schedule::new(&ScheduleConfig::ldm())?;
    let indices = Grid::Ldm.indices(schedule.steps(), STEPS)?;
    Ok(Plan::new(&schedule, &indices, Parametrisation::Epsilon)?)
}

fn measure(bencher: &mut criterion::Bencher<'_>, sampler: Sampler, plan: &Plan) {
    let networks = (0..4).map(|_| Box::new(free) as Box<dyn Denoiser>).collect();
    let intervals = Intervals::uniform(4, 1000).map_err(meme_sampler::Error::from);
    let ensemble = intervals.and_then(|cut| Ensemble::new(cut, Resident::new(networks)));
    let Ok(mut ensemble) = ensemble else { return };
    let mut noise = SampleNoise::new(vec![(0, 0)]);
    bencher.iter(|| {
        let start = noise.start(&[3, 64, 64], Kind::Float, Device::Cpu)?;
        let outcome = sampler.run(&mut ensemble, start, plan, &mut noise, &mut unwatched)?;
        black_box(outcome.finished())
    });
}

fn samplers(criterion: &mut Criterion) {
    let Ok(plan) = plan() else { return };
    let mut group = criterion.benchmark_group("50 steps of a free network, 3 x 64 x 64");
    group.throughput(Throughput::Elements(STEPS as u64));
    for sampler in Sampler::ALL {
        group.bench_function(sampler.name(), |bencher| measure(bencher, sampler, &plan));
    }
    for (name, threshold) in [
        ("ddim, clipped", Threshold::Clip { bound: 1.0 }),
        ("ddim, dynamic threshold", Threshold::Dynamic { quantile: 0.995, bound: 2.0 }),
    ] {
        let Ok(plan) = plan.clone().threshold(threshold) else { return };
        group.bench_function(name, |bencher| measure(bencher, Sampler::default(), &plan));
    }
    group.finish();
}

criterion_group!(benches, samplers);
criterion_main!(benches);
