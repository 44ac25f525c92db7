//! What may be tried: boundaries of the intervals, and head tables within a budget.

use meme_blocks::{Architecture, MixerTable};
use meme_frequency::{Bands, RadialPower, Suggestion, SuggestionOptions, suggest};
use meme_router::Intervals;
use meme_schedule::Schedule;

use crate::experiment::Experiment;
use crate::{Error, Result};

/// Factors on the suggested shares of high-frequency heads: the suggestion itself first.
const FACTORS: [f64; 5] = [1.0, 0.5, 0.75, 1.25, 1.5];

/// A way to divide the timesteps, with what the spectrum suggests for it.
pub(crate) struct Division {
    /// What it is called in tables.
    pub(crate) name: String,
    pub(crate) intervals: Intervals,
}

/// The preset's own division, equal log-SNR, and the one that the Wiener filter of the measured
/// spectrum suggests; equal ones once.
pub(crate) fn divisions(
    experiment: &Experiment,
    schedule: &Schedule,
    suggestion: &Suggestion,
) -> Result<Vec<Division>> {
    let experts = experiment.experts.len();
    let log_snr: Vec<f64> = (0..schedule.steps()).map(|index| schedule.log_snr(index)).collect();
    let all = [
        ("preset", experiment.intervals.clone()),
        ("log-snr", Intervals::equal_log_snr(experts, &log_snr)?),
        ("wiener", Intervals::explicit(&suggestion.upper_ends)?),
    ];
    let mut different: Vec<Division> = Vec::new();
    for (name, intervals) in all {
        if different.iter().all(|known| known.intervals != intervals) {
            different.push(Division { name: name.to_owned(), intervals });
        }
    }
    Ok(different)
}

/// What the spectrum of latents with this longer side suggests.
pub(crate) fn suggestion(
    experiment: &Experiment,
    schedule: &Schedule,
    spectrum: &RadialPower,
    side: usize,
) -> Result<Suggestion> {
    let stages = experiment.experts.first().map_or(0, |first| first.channel_mult.len());
    let options = SuggestionOptions {
        experts: experiment.experts.len(),
        stages,
        bands: Bands::Octaves,
        lowest: std::f64::consts::TAU / side as f64,
    };
    Ok(suggest(schedule.alpha_bars(), spectrum, &options)?)
}

/// Head tables to try for one expert, the preset's first and the suggested one second; those above
/// the budget are left out.
///
/// `shares` are the suggested high-frequency shares of this expert by stage. A stage that reaches
/// nothing takes the share of the stage above it.
pub(super) fn tables(
    preset: &Architecture,
    shares: &[f64],
    size: (usize, usize),
    budget: Option<u64>,
) -> Result<Vec<Architecture>> {
    let Some(mixer) = &preset.mixer else {
        return Err(Error::Usage(
            "there is nothing to search: this experiment's networks have no inception mixers"
                .into(),
        ));
    };
    let mut tables = vec![mixer.clone()];
    for factor in FACTORS {
        let table = scaled(preset, mixer, shares, factor);
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    let mut within = Vec::new();
    for table in tables {
        let architecture = Architecture { mixer: Some(table), ..preset.clone() };
        let macs = meme_blocks::count(&architecture, size.0, size.1)?.macs;
        if budget.is_none_or(|budget| macs <= budget) {
            within.push(architecture);
        }
    }
    if within.is_empty() {
        return Err(Error::Usage(
            "no head table stays within --macs: raise it, or take a narrower experiment".into(),
        ));
    }
    Ok(within)
}

fn scaled(preset: &Architecture, mixer: &MixerTable, shares: &[f64], factor: f64) -> MixerTable {
    let mut last = 0.5;
    let mut high_heads = Vec::new();
    for (level, multiple) in preset.channel_mult.iter().enumerate() {
        if let Some(share) = shares.get(level).filter(|share| share.is_finite()) {
            last = *share;
        }
        let heads = preset.width * multiple / preset.head_dim;
        // One head at least for either branch: a mixer of one kind only is another network.
        let most = heads.saturating_sub(1).max(1);
        high_heads.push(((last * factor * heads as f64).round() as usize).clamp(1, most));
    }
    let middle_high_heads = high_heads.last().copied().unwrap_or(mixer.middle_high_heads);
    MixerTable { high_heads, middle_high_heads, ..mixer.clone() }
}

/// A head table in a few characters, for tables and folder names.
pub(super) fn label(architecture: &Architecture) -> String {
    let Some(mixer) = &architecture.mixer else { return "none".into() };
    let levels: Vec<String> = mixer.high_heads.iter().map(ToString::to_string).collect();
    format!("{}-m{}", levels.join("-"), mixer.middle_high_heads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Resolver;

    #[test]
    fn the_preset_comes_first_and_the_budget_holds() {
        let meme = Resolver::new("tiny", &[]).unwrap().named("ffhq/meme").unwrap();
        let preset = &meme.experts[0];
        let all = tables(preset, &[0.7, 0.6, 0.5, f64::NAN], (16, 16), None).unwrap();
        assert_eq!(&all[0], preset);
        assert!(all.len() > 3, "{}", all.len());
        let heads = |level: usize| preset.width * preset.channel_mult[level] / preset.head_dim;
        for table in &all[1..] {
            let high = &table.mixer.as_ref().unwrap().high_heads;
            assert!(high.iter().enumerate().all(|(level, it)| *it >= 1 && *it < heads(level)));
        }
        let macs = |it: &Architecture| meme_blocks::count(it, 16, 16).unwrap().macs;
        let budget = macs(preset);
        let within = tables(preset, &[0.7, 0.6, 0.5, 0.4], (16, 16), Some(budget)).unwrap();
        assert!(within.iter().all(|it| macs(it) <= budget));
        assert!(tables(preset, &[0.5; 4], (16, 16), Some(1)).is_err());
    }

    #[test]
    fn networks_without_mixers_are_refused() {
        let ldm = Resolver::new("tiny", &[]).unwrap().named("ffhq/ldm-s").unwrap();
        assert!(tables(&ldm.experts[0], &[0.5; 4], (16, 16), None).is_err());
    }
}
