//! Images a second from a folder of JPEGs, and cache reads.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

mod photographs;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use meme_data::cache::{CacheSpec, CacheWriter, Precision};
use meme_data::{
    ArraySource, Filter, ImageSource, Loader, LoaderOptions, Order, Pixels, Transform, open,
};
use std::hint::black_box;
use std::sync::Arc;

const COUNT: usize = 64;

fn loading(criterion: &mut Criterion) {
    let scratch = tempfile::tempdir().unwrap();
    let mut group = criterion.benchmark_group("jpeg to 256 x 256");
    group.throughput(Throughput::Elements(COUNT as u64)).sample_size(10);
    for (side, filter) in
        [(256, Filter::OpencvBilinear), (512, Filter::OpencvBilinear), (512, Filter::PilLanczos)]
    {
        let folder = scratch.path().join(side.to_string());
        photographs::write(&folder, COUNT, side).unwrap();
        let transform = Transform { filter, ..Transform::new(256) };
        let source: Box<dyn ImageSource> = open(&folder).unwrap();
        let pixels = Arc::new(Pixels::new(source, transform).unwrap());
        for threads in [1, 2] {
            group.bench_function(
                format!("from {side}, {filter:?}, {threads} threads"),
                |bencher| {
                    bencher.iter(|| {
                        let order = Order::shuffled(1, COUNT).unwrap();
                        let end = COUNT as u64;
                        let options = LoaderOptions { threads, end, ..LoaderOptions::default() };
                        let loader = Loader::new(pixels.clone(), order, options).unwrap();
                        loader.map(|item| item.unwrap().values.len()).sum::<usize>()
                    });
                },
            );
        }
    }
    group.finish();
}

fn caching(criterion: &mut Criterion) {
    let scratch = tempfile::tempdir().unwrap();
    let mut group = criterion.benchmark_group("cache of 3 x 64 x 64");
    let shape = [3, 64, 64];
    let values = vec![0.5; 3 * 64 * 64];
    let mut out = values.clone();
    for precision in [Precision::F32, Precision::Bf16] {
        let transform = Transform::new(256);
        let (dataset, first_stage) = ("bench".to_owned(), "bench".to_owned());
        let spec = CacheSpec { dataset, first_stage, transform, count: 2048, shape, precision };
        let path = scratch.path().join(format!("{precision:?}"));
        let mut writer = CacheWriter::begin(&path, spec).unwrap();
        (0..2048).for_each(|_| writer.push(&values).unwrap());
        let cache = writer.finish().unwrap();
        let order = Order::shuffled(1, 2048).unwrap();
        let mut counter = 0;
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("random read, {precision:?}"), |bencher| {
            bencher.iter(|| {
                counter += 1;
                cache.read(order.at(counter).index, black_box(&mut out)).unwrap();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, loading, caching);
criterion_main!(benches);
