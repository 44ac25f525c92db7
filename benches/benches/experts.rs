//! Forward, and forward with backward, of every expert and baseline: which network costs what.
//!
//! Groups are `SCALE forward batch B`, members `DTYPE/NETWORK`, so that in each group the networks
//! stand under each other; criterion's images/s compares them at a glance. Some choices:
//!
//! ```text
//! cargo bench -p benches                            all of it
//! cargo bench -p benches -- tiny                    a part, by regular expression
//! cargo bench -p benches -- "batch 1/bf16/meme"     the four experts
//! MEME_BENCH_DEVICE=cuda cargo bench -p benches     another device
//! ```

use std::time::Duration;

use benches::{Form, Mode, Subject, networks};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use meme_torch::Precision;
use meme_torch::tch::Device;

const F32: Precision = Precision::F32;
const BF16: Precision = Precision::Bf16;
const F16: Precision = Precision::F16;

/// What is timed on the CPU, where a step of a network of the paper's size takes seconds: scale,
/// batch, form, dtypes. Forward passes are those of the form for inference; the form for training
/// goes backward too.
const ON_CPU: &[(&str, usize, Form, &[Precision])] = &[
    ("tiny", 16, Form::Inference, &[F32, BF16]),
    ("tiny", 16, Form::Training, &[F32, BF16]),
    ("paper", 1, Form::Inference, &[F32, BF16]),
    ("paper", 4, Form::Inference, &[F32, BF16]),
    ("paper", 1, Form::Training, &[F32, BF16]),
];

const ON_CUDA: &[(&str, usize, Form, &[Precision])] = &[
    ("paper", 1, Form::Inference, &[F32, BF16, F16]),
    ("paper", 64, Form::Inference, &[F32, BF16, F16]),
    ("paper", 42, Form::Training, &[F32, BF16]),
];

fn experts(criterion: &mut Criterion) {
    meme_torch::keep_freed_memory();
    let name = std::env::var("MEME_BENCH_DEVICE").unwrap_or_else(|_| "cpu".to_owned());
    let device = meme_torch::device::parse_device(&name)
        .and_then(|device| meme_torch::device::available(device).map(|()| device))
        .unwrap_or_else(|error| panic!("MEME_BENCH_DEVICE: {error}"));
    for &(scale, batch, form, dtypes) in if device == Device::Cpu { ON_CPU } else { ON_CUDA } {
        let pass = match form {
            Form::Inference => "forward",
            Form::Training => "forward+backward",
        };
        let mut group = criterion.benchmark_group(format!("{scale} {pass} batch {batch}"));
        group.throughput(Throughput::Elements(batch as u64));
        // Ten passes of about a second each say enough; flat sampling makes as few as possible.
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(2));
        for network in networks(scale).unwrap_or_else(|error| panic!("{error}")) {
            for &precision in dtypes {
                let mode = Mode { form, precision };
                group.bench_function(format!("{precision}/{}", network.name), |bencher| {
                    // Built here, so that a filter on the command line skips what it leaves out.
                    let (architecture, shape) = (&network.architecture, network.shape);
                    let subject = Subject::new(architecture, shape, batch, mode, device);
                    let mut subject = subject.unwrap_or_else(|error| panic!("{error}"));
                    bencher.iter(|| {
                        let pass = match form {
                            Form::Inference => subject.forward(),
                            Form::Training => subject.forward_and_backward(),
                        };
                        pass.unwrap_or_else(|error| panic!("{}: {error}", network.name));
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, experts);
criterion_main!(benches);
