//! What holds for every valid description, drawn at random.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

mod support;

use std::collections::BTreeSet;

use meme_blocks::{
    Architecture, ClassConditioning, HighElement, LowElement, MixerTable, Mixing, Options,
    PoolKind, PoolKinds, Probe, Resampling, TransformerTable, UNet, count, feature_maps,
};
use meme_torch::Parameters;
use meme_torch::tch::{Device, Tensor, no_grad};
use proptest::prelude::*;
use support::{conditions, stir, waves};

fn mixing() -> impl Strategy<Value = Mixing> {
    prop_oneof![
        Just(Mixing::None),
        Just(Mixing::Attention),
        Just(Mixing::Mixer),
        Just(Mixing::Transformer)
    ]
}

fn kind() -> impl Strategy<Value = PoolKind> {
    prop_oneof![Just(PoolKind::Average), Just(PoolKind::Max)]
}

fn elements() -> impl Strategy<Value = (HighElement, LowElement)> {
    use HighElement as High;
    use LowElement as Low;
    let high = vec![High::Depthwise, High::Dilated, High::LargeKernel, High::Fourier];
    let low =
        vec![Low::Attention, Low::LinearAttention, Low::Dilated, Low::LargeKernel, Low::Fourier];
    (proptest::sample::select(high), proptest::sample::select(low))
}

/// Numbers for each level, which are then brought into their ranges.
type Levels = Vec<(usize, Mixing, Mixing, usize, usize, PoolKind)>;

prop_compose! {
    fn tables()(
        middle in (mixing(), 0..=8_usize, 1..=3_usize, proptest::option::of(kind())),
        feed_forward in 0..=2_usize,
        transformer in (1..=9_usize, 1..=2_usize, 1..=2_usize),
        every in any::<bool>(),
    ) -> ((Mixing, usize, usize, Option<PoolKind>), usize, TransformerTable, bool) {
        let (context, depth, wide) = transformer;
        (middle, feed_forward, TransformerTable { context, depth, feed_forward: wide }, every)
    }
}

prop_compose! {
    /// Descriptions of small networks of every kind; all are valid.
    fn architectures()(
        levels in proptest::collection::vec(
            (1..=2_usize, mixing(), mixing(), 0..=8_usize, 1..=3_usize, kind()), 1..=3),
        (middle, feed_forward, transformer, every) in tables(),
        (in_channels, out_channels, res_blocks) in (1..=4_usize, 1..=3_usize, 1..=2_usize),
        by_number in any::<bool>(),
        (high_element, low_element) in elements(),
        (scale_shift_norm, residual, learned_sigma) in any::<(bool, bool, bool)>(),
        (classes, as_context) in (0..=3_usize, any::<bool>()),
    ) -> Architecture {
        let levels: Levels = levels;
        let mut a = Architecture {
            in_channels,
            out_channels,
            width: 8,
            channel_mult: levels.iter().map(|level| level.0).collect(),
            res_blocks,
            head_dim: if by_number { 0 } else { 4 },
            heads: if by_number { 2 } else { 0 },
            norm_groups: 4,
            encoder: levels.iter().map(|level| level.1).collect(),
            middle: middle.0,
            decoder: levels.iter().map(|level| level.2).collect(),
            mixer: None,
            transformer: Some(transformer),
            dropout: 0.0,
            scale_shift_norm,
            resampling: if residual { Resampling::ResBlock } else { Resampling::Convolution },
            classes,
            class_conditioning: ClassConditioning::Embedding,
            learned_sigma,
        };
        let heads = |level: usize| a.channels(level) / a.head_dim_of(a.channels(level));
        let last = levels.len() - 1;
        a.mixer = Some(MixerTable {
            high_heads: (0..=last).map(|l| levels[l].3 % (heads(l) + 1)).collect(),
            middle_high_heads: middle.1 % (heads(last) + 1),
            pool: levels.iter().map(|level| level.4).collect(),
            middle_pool: middle.2,
            pool_kind: match every {
                true => PoolKinds::Each(levels.iter().map(|level| level.5).collect()),
                false => PoolKinds::All(levels[0].5),
            },
            middle_pool_kind: middle.3,
            high_element,
            low_element,
            feed_forward,
        });
        if classes > 0 && as_context && a.context_channels() > 0 {
            a.class_conditioning = ClassConditioning::Context;
        }
        a
    }
}

/// Names and sizes of all that it is shown.
#[derive(Default)]
struct All(Vec<(String, Vec<i64>)>);

impl Probe for All {
    fn wants(&self, _: &str) -> bool {
        true
    }

    fn see(&mut self, name: &str, map: &Tensor) {
        self.0.push((name.to_owned(), map.size()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_valid_description_builds_counts_runs_at_any_size_and_shows_its_maps(
        architecture in architectures(),
        height in 1..=11_i64,
        width in 1..=11_i64,
    ) {
        architecture.validate().unwrap();
        let text = toml::to_string(&architecture).unwrap();
        prop_assert_eq!(&toml::from_str::<Architecture>(&text).unwrap(), &architecture);

        let mut parameters = Parameters::blank(Device::Cpu);
        let network = UNet::new(&parameters.root(), &architecture).unwrap();
        let counted = count(&architecture, height as usize, width as usize).unwrap();
        prop_assert_eq!(parameters.count(), counted.parameters);
        let names: BTreeSet<&str> = parameters.named().iter().map(|(name, _)| name.as_str()).collect();
        prop_assert_eq!(names.len(), parameters.named().len());

        stir(&parameters);
        let (classes, context) = conditions(&architecture, 2);
        let mut seen = All::default();
        let mut options = Options {
            classes: classes.as_ref(),
            context: context.as_ref(),
            probe: Some(&mut seen),
            ..Options::default()
        };
        let x = waves([2, architecture.in_channels as i64, height, width]);
        let indices = Tensor::from_slice(&[0_i64, 999]);
        let output = no_grad(|| network.forward(&x, &indices, &mut options)).unwrap();
        prop_assert_eq!(output.size(), [2, architecture.predicted_channels() as i64, height, width]);
        prop_assert!(bool::try_from(output.isfinite().all()).unwrap());

        let side = |side: i64, level: usize| (0..level).fold(side, |side, _| (side + 1) / 2);
        let listed: Vec<(String, Vec<i64>)> = feature_maps(&architecture)
            .unwrap()
            .into_iter()
            .map(|map| {
                let size = [side(height, map.level), side(width, map.level)];
                (map.name, vec![2, map.channels as i64, size[0], size[1]])
            })
            .collect();
        prop_assert_eq!(seen.0, listed);
    }
}
