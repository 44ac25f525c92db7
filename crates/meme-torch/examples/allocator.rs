//! What keeping freed memory does to a small training loop:
//! `allocator default|keep [threads [size]]`.

use meme_random::{Purpose, Stream};
use meme_torch::tch::Device;
use meme_torch::{
    AdamW, AdamWConfig, Conv2d, Conv2dConfig, Parameters, Result, init_thread, keep_freed_memory,
    mean_squared_error, noise, page_faults, peak_memory, silu,
};
use std::time::Instant;

fn train(seed: u64, size: i64, steps: u64) -> Result<()> {
    init_thread(1)?;
    let mut parameters = Parameters::new(Device::Cpu, seed, 0);
    let root = parameters.root();
    let padded = Conv2dConfig { padding: 1, ..Conv2dConfig::default() };
    let channels = [3, 64, 64, 64, 64, 64, 3];
    let convs = (channels.windows(2).enumerate())
        .map(|(i, pair)| Conv2d::new(&(&root / i), pair[0], pair[1], 3, padded))
        .collect::<Result<Vec<_>>>()?;
    drop(root);
    let mut optimizer = AdamW::new(AdamWConfig::default(), parameters.named())?;
    let streams: Vec<_> = (0..8).map(|k| Stream::new(seed, Purpose::Noise, 0, k)).collect();
    let x = noise(&streams, &[3, size, size], Device::Cpu)?;
    for _ in 0..steps {
        let y = convs.iter().try_fold(x.shallow_clone(), |h, conv| conv.forward(&silu(&h)?))?;
        parameters.zero_grad();
        mean_squared_error(&y, &x)?.backward();
        optimizer.step()?;
    }
    Ok(())
}

#[allow(clippy::print_stdout)] // an example's result
fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |i: usize, or: i64| arguments.get(i).and_then(|a| a.parse().ok()).unwrap_or(or);
    let (mode, threads, size) = (arguments.get(1).map(String::as_str), number(2, 1), number(3, 32));
    let kept = mode == Some("keep") && keep_freed_memory();
    let run = |steps: u64| {
        std::thread::scope(|scope| {
            let seeds = 1..threads as u64;
            let workers: Vec<_> =
                seeds.map(|seed| scope.spawn(move || train(seed, size, steps))).collect();
            train(0, size, steps)?;
            workers.into_iter().try_for_each(|worker| worker.join().unwrap_or(Ok(())))
        })
    };
    run(3)?;
    let (start, before) = (Instant::now(), page_faults().unwrap_or(0));
    let steps = (20 * 32 * 32 / (size * size)).max(5) as u64;
    run(steps)?;
    let milliseconds = start.elapsed().as_secs_f64() * 1e3 / steps as f64;
    let faults = (page_faults().unwrap_or(0) - before) / steps;
    let peak = peak_memory().unwrap_or(0) >> 20;
    println!("kept {kept}: {milliseconds:.1} ms, {faults} page faults a step, peak {peak} MiB");
    Ok(())
}
