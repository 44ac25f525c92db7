//! What the rows of a suite cost at the paper's size, and an experiment changed in code: the same
//! four experts, with boundaries at equal steps of log-SNR.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use meme::blocks::count;
use meme::experiment::{Experiment, Resolver, suite};
use meme::router::Intervals;
use meme::schedule::Schedule;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let faces = suite("ffhq")?;
    println!("{}", faces.about);
    let paper = Resolver::new("paper", &[])?;
    for row in &faces.rows {
        let experiment = paper.row(&faces, &row.row)?;
        let [_, height, width] = experiment.latent_shape()?;
        let counts: Vec<_> = experiment
            .experts
            .iter()
            .map(|expert| count(expert, height, width))
            .collect::<Result<_, _>>()?;
        let parameters: u64 = counts.iter().map(|count| count.parameters).sum();
        let macs = counts.iter().map(|count| count.macs).sum::<u64>() / counts.len() as u64;
        let millions = parameters as f64 / 1e6;
        println!("{:20} {millions:6.1} M parameters, {:5.1} GMACs", row.row, macs as f64 / 1e9);
    }

    let mut mine = Resolver::new("tiny", &["train.images=96000".to_owned()])?.named("ffhq/meme")?;
    let schedule = Schedule::new(&mine.schedule)?;
    let log_snr: Vec<f64> = (0..schedule.steps()).map(|index| schedule.log_snr(index)).collect();
    mine.intervals = Intervals::equal_log_snr(4, &log_snr)?;
    mine.name = "mine".to_owned();
    let text = mine.to_toml()?;
    // Reading checks every rule; `meme train mine.toml` takes a file with this text.
    let again = Experiment::from_toml(&text, "mine.toml")?;
    println!("the experts end at timesteps {:?}", again.intervals.upper_ends());
    Ok(())
}
