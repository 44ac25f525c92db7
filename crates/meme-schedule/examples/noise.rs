//! A schedule from a TOML description: how noisy its indices are, where a sampler of ten steps goes,
//! and what a network that predicts velocity has to answer.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use meme_schedule::{Grid, LossWeight, Parametrisation, Schedule, ScheduleConfig};

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config: ScheduleConfig = toml::from_str("kind = 'cosine'\nsteps = 1000")?;
    let schedule = Schedule::new(&config)?;
    let parametrisation = Parametrisation::Velocity;
    parametrisation.check(&schedule)?;

    println!("index  alpha-bar  log-SNR    sigma  min-SNR weight");
    for index in Grid::Trailing.indices(schedule.steps(), 10)? {
        let alpha_bar = schedule.alpha_bar(index);
        let weight = LossWeight::MinSnr { gamma: 5.0 }.of(parametrisation, alpha_bar);
        let (log_snr, sigma) = (schedule.log_snr(index), schedule.sigma(index));
        println!("{index:5}  {alpha_bar:9.6}  {log_snr:7.3}  {sigma:7.3}  {weight:.4}");
    }

    // One pixel, noised at index 500; the target, and the pixel back from it.
    let (pixel, noise, alpha_bar) = (0.25, -0.7, schedule.alpha_bar(500_usize));
    let noised = alpha_bar.sqrt() * pixel + (1.0 - alpha_bar).sqrt() * noise;
    let (a, b) = parametrisation.target_coefficients(alpha_bar);
    let velocity = a * pixel + b * noise;
    let (s, o) = parametrisation.x0_coefficients(alpha_bar);
    println!("{pixel} -> {noised:.4}, velocity {velocity:.4} -> {:.4}", s * noised + o * velocity);
    println!("half the signal is left at position {:.1}", schedule.position_of_log_snr(0.0));
    Ok(())
}
