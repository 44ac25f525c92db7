//! Learns a sine wave, stops in the middle, resumes from what was saved, and ends in the same bits.

use meme_random::{Purpose, Stream};
use meme_torch::tch::Device;
use meme_torch::{
    AdamW, AdamWConfig, Linear, LinearConfig, Parameters, Result, clip_and_check, init_thread,
    mean_squared_error, noise, silu,
};

/// A network with its optimizer: all the state there is.
struct Training {
    parameters: Parameters,
    layers: [Linear; 2],
    optimizer: AdamW,
}

impl Training {
    fn new() -> Result<Self> {
        let mut parameters = Parameters::new(Device::Cpu, 1, 0);
        let (root, plain) = (parameters.root(), LinearConfig::default());
        let layers =
            [Linear::new(&(&root / 0), 1, 32, plain)?, Linear::new(&(&root / 1), 32, 1, plain)?];
        drop(root);
        let config = AdamWConfig { learning_rate: 1e-2, ..AdamWConfig::default() };
        let optimizer = AdamW::new(config, parameters.named())?;
        Ok(Self { parameters, layers, optimizer })
    }

    /// Step `n` sees the numbers of counter `n`, whoever trained the steps before.
    fn step(&mut self, n: u64) -> Result<f64> {
        let stream = Stream::new(1, Purpose::Test, 0, n);
        let x = noise(&[stream], &[64, 1], Device::Cpu)?.squeeze_dim(0);
        let y = self.layers[1].forward(&silu(&self.layers[0].forward(&x)?)?)?;
        let loss = mean_squared_error(&y, &(&x * 2.0).sin())?;
        self.parameters.zero_grad();
        loss.backward();
        clip_and_check(&self.parameters.gradients(), 1.0)?;
        self.optimizer.step()?;
        Ok(loss.double_value(&[]))
    }
}

#[allow(clippy::print_stdout)] // an example's result
fn main() -> Result<()> {
    init_thread(1)?;
    let (mut whole, mut first, mut second) = (Training::new()?, Training::new()?, Training::new()?);
    (1..=500).try_for_each(|n| whole.step(n).map(drop))?;
    (1..=250).try_for_each(|n| first.step(n).map(drop))?;

    second.parameters.load(&first.parameters.to_data()?)?;
    second.optimizer.load_state(&first.optimizer.state()?)?;
    (251..=500).try_for_each(|n| second.step(n).map(drop))?;
    let same = second.parameters.to_data()? == whole.parameters.to_data()?;
    println!("loss {:.5}, the same bits: {same}", whole.step(501)?);
    Ok(())
}
