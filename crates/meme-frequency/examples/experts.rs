//! Which timesteps, and how much of the details, each of four experts should get.
//!
//! Run with `cargo run -p meme-frequency --example experts`.
#![allow(clippy::print_stdout)]

use meme_frequency::{Bands, PowerLaw, SuggestionOptions, cutoff, suggest};
use std::f64::consts::{PI, TAU};

fn main() -> Result<(), meme_frequency::Error> {
    // The noise schedule of latent diffusion, 1000 timesteps.
    let (first, last) = (0.0015f64.sqrt(), 0.0195f64.sqrt());
    let mut alpha_bar = 1.0;
    let alpha_bars: Vec<f64> = (0..1000)
        .map(|i| {
            alpha_bar *= 1.0 - (first + (last - first) * f64::from(i) / 999.0).powi(2);
            alpha_bar
        })
        .collect();
    // Photographs, roughly; PowerSpectrum and PowerLaw::fit measure it for given pictures.
    let pictures = PowerLaw { amplitude: 0.2, exponent: 2.0 };
    let lowest = TAU / 64.0;
    let options = SuggestionOptions { experts: 4, stages: 4, bands: Bands::Octaves, lowest };
    let suggestion = suggest(&alpha_bars, &pictures, &options)?;

    println!("expert  up to t  recovers up to  details by stage");
    for (expert, &end) in suggestion.upper_ends.iter().enumerate() {
        let frequency = cutoff(alpha_bars[end - 1], &pictures, lowest)? / PI;
        let shares: Vec<String> =
            suggestion.high_frequency_shares.iter().map(|s| format!("{:.2}", s[expert])).collect();
        println!("{:6}  {end:7}  {frequency:11.3} pi  {}", expert + 1, shares.join("  "));
    }
    Ok(())
}
