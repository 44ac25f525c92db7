//! Learning rates against PyTorch's schedulers (`tests/golden/README.md`).

use meme_trainer::{Decay, TrainConfig};
use serde_json::Value;

#[test]
fn rates_are_those_of_pytorch_s_schedulers() {
    let golden: Value = serde_json::from_str(include_str!("../golden/rates.json")).unwrap();
    let batch = golden["batch"].as_u64().unwrap();
    let base = TrainConfig {
        images: 100 * batch,
        batch,
        learning_rate: golden["rate"].as_f64().unwrap(),
        ..TrainConfig::default()
    };
    let cases = [
        ("linear", TrainConfig { decay_images: 600, ..base.clone() }),
        ("cosine", TrainConfig { decay_images: 600, decay: Decay::Cosine, ..base.clone() }),
        (
            "inverse-sqrt",
            TrainConfig { decay_images: 300, decay: Decay::InverseSqrt, ..base.clone() },
        ),
        ("warm-up", TrainConfig { warmup_images: 200, ..base }),
    ];
    for (name, config) in cases {
        let expected = golden["cases"][name].as_array().unwrap();
        assert_eq!(expected.len(), 100);
        for (update, expected) in expected.iter().enumerate() {
            let (expected, rate) =
                (expected.as_f64().unwrap(), config.rate_at(update as u64 * batch));
            // PyTorch's schedulers multiply their way along; ours is a formula.
            assert!((rate - expected).abs() < 1e-13, "{name} {update}: {rate} {expected}");
        }
    }
}
