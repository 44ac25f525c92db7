//! Samples two-dimensional points with two hand-written experts, one for each half of the timesteps.
#![allow(clippy::print_stdout)]

use meme_router::{Index, Intervals};
use meme_sampler::{Ensemble, Plan, Resident, SampleNoise, Sampler, unwatched};
use meme_schedule::{Grid, Parametrisation, Schedule, ScheduleConfig};
use meme_torch::tch::{Device, Kind, Tensor};

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schedule = Schedule::new(&ScheduleConfig::ldm())?;
    // The data: half of the points at (1, 1), half at (-1, -1). The perfect answer for them is
    // x0 = tanh(sum of signal x / noise^2), the same for both coordinates.
    let perfect = |x: &Tensor, indices: &[Index]| {
        let alpha_bar = schedule.alpha_bar(indices[0]);
        let pull = x.f_sum_dim_intlist(1_i64, true, Kind::Double)?;
        Ok((pull * (alpha_bar.sqrt() / (1.0 - alpha_bar))).tanh().expand_as(x))
    };
    // Where there is hardly any signal left the answer is nearly zero: a much cheaper expert.
    let lazy = |x: &Tensor, _: &[Index]| Ok(x.f_zeros_like()?);

    for sampler in Sampler::ALL {
        let experts = Resident::new(vec![Box::new(perfect), Box::new(lazy)]);
        let mut ensemble = Ensemble::new(Intervals::explicit(&[900, 1000])?, experts)?;
        let indices = Grid::Ldm.indices(schedule.steps(), 20)?;
        let plan = Plan::new(&schedule, &indices, Parametrisation::Sample)?;
        let mut noise = SampleNoise::new((0..1000).map(|image| (7, image)).collect());
        let start = noise.start(&[2], Kind::Double, Device::Cpu)?;
        let points = sampler.run(&mut ensemble, start, &plan, &mut noise, &mut unwatched)?;
        let points = points.finished()?;
        let right = f64::try_from(points.select(1, 0).gt(0.0).mean(Kind::Double))?;
        let size = f64::try_from(points.abs().mean(Kind::Double))?;
        println!("{:<18} {:.1} % at (1, 1), mean size {size:.4}", sampler.name(), 100.0 * right);
    }
    Ok(())
}
