//! Forward, and forward with backward, of every network of the paper's table: which expert costs
//! what. `cargo bench -p benches -- tiny` takes the small ones only.

use std::time::Duration;

use benches::{Subject, networks};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn experts(criterion: &mut Criterion) {
    meme_torch::keep_freed_memory();
    for (scale, batch) in [("tiny", 16), ("paper", 1)] {
        let Ok(networks) = networks(scale) else { continue };
        for backward in [false, true] {
            let pass = if backward { "forward+backward" } else { "forward" };
            let mut group = criterion.benchmark_group(format!("{scale}/f32/batch {batch}/{pass}"));
            group.throughput(Throughput::Elements(batch as u64));
            group.sample_size(10).measurement_time(Duration::from_secs(3));
            group.warm_up_time(Duration::from_millis(500));
            for (name, architecture, shape) in &networks {
                group.bench_function(name, |bencher| {
                    // Built here, so that a filter on the command line skips what it leaves out.
                    let Ok(mut subject) = Subject::new(name.clone(), architecture, *shape, batch)
                    else {
                        return;
                    };
                    bencher.iter(|| {
                        if backward {
                            subject.forward_and_backward()
                        } else {
                            subject.forward().map(drop)
                        }
                    });
                });
            }
            group.finish();
        }
    }
}

criterion_group!(benches, experts);
criterion_main!(benches);
