//! Order, splits and the loader: one sequence, however it is read.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use meme_data::{
    ArraySource, Error, InMemory, Loaded, Loader, LoaderOptions, OnCorrupt, Order, Result, Split,
    Subset, flip, is_flipped, survey,
};
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Arrays [index, index + 0.5]; some cannot be read, and how many are alive at once is counted.
#[derive(Default)]
struct Numbers {
    len: usize,
    broken: Vec<usize>,
    panics: Vec<usize>,
    reads: AtomicUsize,
    uneven: bool,
}

impl ArraySource for Numbers {
    fn len(&self) -> usize {
        self.len
    }
    fn shape(&self) -> [usize; 3] {
        [1, 1, 2]
    }
    fn read(&self, index: usize, out: &mut [f32]) -> Result<()> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.uneven {
            std::thread::sleep(Duration::from_micros((index * 7919 % 13 * 50) as u64));
        }
        assert!(!self.panics.contains(&index), "a decoder's own panic");
        if self.broken.contains(&index) {
            let (name, reason) = (format!("{index}.png"), "broken".to_owned());
            return Err(Error::Decode { name, reason });
        }
        out.copy_from_slice(&[index as f32, index as f32 + 0.5]);
        Ok(())
    }
}

fn numbers(len: usize) -> Arc<Numbers> {
    Arc::new(Numbers { len, ..Numbers::default() })
}

fn all(source: Arc<dyn ArraySource>, order: Order, options: LoaderOptions) -> Vec<Loaded> {
    Loader::new(source, order, options).unwrap().map(Result::unwrap).collect()
}

fn indices(loaded: &[Loaded]) -> Vec<usize> {
    loaded.iter().map(|item| item.place.index).collect()
}

#[test]
fn every_epoch_goes_through_everything_once_in_another_order() {
    let order = Order::shuffled(5, 50).unwrap();
    let epoch = |epoch: u64| -> Vec<usize> {
        (epoch * 50..(epoch + 1) * 50).map(|counter| order.at(counter).index).collect()
    };
    for number in 0..4 {
        let mut sorted = epoch(number);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        assert_ne!(epoch(number), epoch(number + 1));
    }
    assert_eq!(order.at(149).epoch, 2);
    assert_eq!(Order::sequential(3).unwrap().at(5).index, 2);
}

#[test]
fn threads_and_restarts_do_not_change_the_sequence() {
    let source = Arc::new(Numbers { len: 37, uneven: true, ..Numbers::default() });
    let order = Order::shuffled(11, 37).unwrap();
    let options = LoaderOptions { threads: 0, end: 150, flip: Some(3), ..Default::default() };
    let sequential = all(source.clone(), order, options);
    assert_eq!(sequential.len(), 150);
    for (threads, ahead) in [(1, 1), (2, 5), (4, 64)] {
        let parallel = LoaderOptions { threads, ahead, ..options };
        assert_eq!(all(source.clone(), order, parallel), sequential, "{threads} threads");
        for start in [1, 36, 37, 149] {
            let resumed = all(source.clone(), order, LoaderOptions { start, ..parallel });
            assert_eq!(resumed, sequential[start as usize..], "from {start}");
        }
    }
}

#[test]
fn shards_together_are_the_whole_sequence() {
    let order = Order::shuffled(2, 10).unwrap();
    let options = LoaderOptions { start: 7, end: 31, threads: 2, ..Default::default() };
    let whole = all(numbers(10), order, options);
    let mut merged: Vec<Loaded> = (0..3)
        .flat_map(|shard| all(numbers(10), order.sharded(shard, 3).unwrap(), options))
        .collect();
    merged.sort_by_key(|loaded| loaded.place.counter);
    assert_eq!(merged, whole);
    let first = all(numbers(10), order.sharded(0, 3).unwrap(), options);
    let counters: Vec<u64> = first.iter().map(|loaded| loaded.place.counter).collect();
    assert_eq!(counters, [9, 12, 15, 18, 21, 24, 27, 30]);
    assert!(order.sharded(3, 3).is_err());
}

#[test]
fn an_error_stands_in_its_place_and_the_rest_goes_on() {
    let broken = vec![3];
    let source = Arc::new(Numbers { len: 6, broken, ..Numbers::default() });
    let order = Order::sequential(6).unwrap();
    for threads in [0, 3] {
        let options = LoaderOptions { threads, end: 6, ..Default::default() };
        let results: Vec<_> = Loader::new(source.clone(), order, options).unwrap().collect();
        assert_eq!(results.len(), 6);
        for (index, result) in results.iter().enumerate() {
            assert_eq!(result.is_err(), index == 3, "item {index}, {threads} threads");
        }
        assert!(results[3].as_ref().unwrap_err().to_string().contains("3.png"));
    }
}

#[test]
fn skipping_leaves_out_what_is_broken_and_lists_it_once() {
    let broken = vec![4, 1];
    let source = Arc::new(Numbers { len: 6, broken, ..Numbers::default() });
    let order = Order::sequential(6).unwrap();
    for threads in [0, 2] {
        let on_corrupt = OnCorrupt::SkipAndReport;
        let options = LoaderOptions { threads, end: 12, on_corrupt, ..Default::default() };
        let mut loader = Loader::new(source.clone(), order, options).unwrap();
        let loaded: Vec<Loaded> = loader.by_ref().map(Result::unwrap).collect();
        assert_eq!(indices(&loaded), [0, 2, 3, 5, 0, 2, 3, 5]);
        assert_eq!(loaded[4].place.counter, 6, "positions count what was left out");
        let skipped = loader.skipped();
        assert_eq!(skipped.iter().map(|item| item.index).collect::<Vec<_>>(), [1, 4]);
        assert!(skipped[0].reason.contains("1.png"));
    }
}

#[test]
fn a_source_without_one_readable_item_ends_in_an_error_and_not_in_a_loop() {
    let source = Arc::new(Numbers { len: 3, broken: vec![0, 1, 2], ..Numbers::default() });
    let order = Order::shuffled(1, 3).unwrap();
    let on_corrupt = OnCorrupt::SkipAndReport;
    let options = LoaderOptions { threads: 2, on_corrupt, ..Default::default() };
    let mut loader = Loader::new(source.clone(), order, options).unwrap();
    assert!(matches!(loader.next(), Some(Err(Error::AllSkipped { count: 3, .. }))));
    assert!(matches!(survey(&source, on_corrupt), Err(Error::AllSkipped { count: 3, .. })));
}

#[test]
fn a_panic_in_a_decoder_is_an_error_of_that_item() {
    let source = Arc::new(Numbers { len: 4, panics: vec![2], ..Numbers::default() });
    let order = Order::sequential(4).unwrap();
    let options = LoaderOptions { threads: 2, end: 4, ..Default::default() };
    let results: Vec<_> = Loader::new(source, order, options).unwrap().collect();
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, true]);
}

#[test]
fn reading_ahead_is_bounded() {
    let source = numbers(1000);
    let options = LoaderOptions { threads: 2, ahead: 8, ..Default::default() };
    let order = Order::sequential(1000).unwrap();
    let mut loader = Loader::new(source.clone(), order, options).unwrap();
    let first = loader.batch(5).unwrap();
    assert_eq!(indices(&first), [0, 1, 2, 3, 4]);
    // However long the threads have, they stop at what there is room for.
    std::thread::sleep(Duration::from_millis(50));
    let reads = source.reads.load(Ordering::SeqCst);
    assert!((5..=13).contains(&reads), "{reads} reads with 5 taken and room for 8");
}

#[test]
fn dropping_a_loader_ends_its_threads() {
    let source = numbers(1000);
    for taken in [0, 3] {
        let options = LoaderOptions { threads: 3, ..Default::default() };
        let order = Order::shuffled(1, 1000).unwrap();
        let mut loader = Loader::new(source.clone(), order, options).unwrap();
        assert_eq!(loader.batch(taken).unwrap().len(), taken);
        drop(loader);
        // Threads hold the source; after the drop nobody else does.
        assert_eq!(Arc::strong_count(&source), 1);
    }
}

#[test]
fn an_order_of_another_length_is_refused() {
    let order = Order::sequential(5).unwrap();
    assert!(Loader::new(numbers(6), order, LoaderOptions::default()).is_err());
    assert!(Order::shuffled(1, 0).is_err());
}

#[test]
fn about_half_of_the_images_are_mirrored_and_always_the_same() {
    // Four standard deviations of a fair coin thrown 10,000 times are 200.
    let mirrored = (0..10_000).filter(|counter| is_flipped(9, *counter)).count();
    assert!((4800..=5200).contains(&mirrored), "{mirrored}");
    let options = LoaderOptions { end: 64, flip: Some(9), ..Default::default() };
    for loaded in all(numbers(4), Order::sequential(4).unwrap(), options) {
        let plain = loaded.place.index as f32;
        let expected = if loaded.flipped { [plain + 0.5, plain] } else { [plain, plain + 0.5] };
        assert_eq!(loaded.values, expected);
        assert_eq!(loaded.flipped, is_flipped(9, loaded.place.counter));
    }
}

#[test]
fn mirroring_turns_every_row_around() {
    let mut values: Vec<f32> = (0..12).map(|n| n as f32).collect();
    flip([2, 2, 3], &mut values);
    assert_eq!(values, [2., 1., 0., 5., 4., 3., 8., 7., 6., 11., 10., 9.]);
}

#[test]
fn a_survey_tells_the_readable_from_the_others() {
    let source = Numbers { len: 3000, broken: vec![7, 2999], ..Numbers::default() };
    let found = survey(&source, OnCorrupt::SkipAndReport).unwrap();
    assert_eq!(found.readable.len(), 2998);
    assert_eq!(found.skipped.iter().map(|item| item.index).collect::<Vec<_>>(), [7, 2999]);
    let error = survey(&source, OnCorrupt::Refuse).unwrap_err();
    assert!(error.to_string().contains("7.png"), "the first in order: {error}");
    let part = Subset::of_arrays(&source, found.readable).unwrap();
    let mut out = [0.0; 2];
    part.read(7, &mut out).unwrap();
    assert_eq!((part.len(), out[0]), (2998, 8.0));
}

#[test]
fn arrays_in_memory_are_what_was_read() {
    let values: Vec<f32> = (0..24).map(|n| n as f32).collect();
    let memory = InMemory::new([1, 2, 3], values.clone()).unwrap();
    assert_eq!((memory.len(), memory.shape()), (4, [1, 2, 3]));
    assert_eq!(InMemory::from_source(&memory).unwrap().values(), values);
    let mut out = [0.0; 6];
    memory.read(3, &mut out).unwrap();
    assert_eq!(out, values[18..]);
    assert!(matches!(memory.read(4, &mut out), Err(Error::OutOfRange { index: 4, .. })));
    assert!(matches!(memory.read(0, &mut out[..5]), Err(Error::Length { .. })));
    assert!(InMemory::new([1, 2, 3], vec![0.0; 7]).is_err());
    assert!(InMemory::new([0, 2, 3], vec![]).is_err());
}

#[test]
fn many_readers_of_one_loader_take_every_item_once() {
    let options = LoaderOptions { threads: 2, ahead: 4, end: 200, ..Default::default() };
    let order = Order::shuffled(3, 20).unwrap();
    let loader = Mutex::new(Loader::new(numbers(20), order, options).unwrap());
    let taken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(item) = { loader.lock().unwrap().next() } {
                    taken.lock().unwrap().push(item.unwrap().place.counter);
                }
            });
        }
    });
    let mut taken = taken.into_inner().unwrap();
    taken.sort_unstable();
    assert_eq!(taken, (0..200).collect::<Vec<u64>>());
}

proptest! {
    #[test]
    fn a_split_is_a_partition(seed: u64, len in 1_usize..400, share in 0.0_f64..1.0) {
        let held_out = (share * len as f64) as usize;
        let split = Split::seeded(seed, len, held_out).unwrap();
        prop_assert_eq!(split.validation.len(), held_out);
        let mut both = [split.train.clone(), split.validation.clone()].concat();
        both.sort_unstable();
        prop_assert_eq!(both, (0..len).collect::<Vec<_>>());
        prop_assert!(split.train.is_sorted() && split.validation.is_sorted());
        prop_assert!(Split::seeded(seed, len, len).is_err());
    }

    #[test]
    fn positions_of_a_shard_are_those_that_are_its_own(
        shards in 1_usize..9, shard in 0_usize..9, start in 0_u64..100, count in 0_u64..50
    ) {
        prop_assume!(shard < shards);
        let order = Order::sequential(4).unwrap().sharded(shard, shards).unwrap();
        let found: Vec<u64> = order.positions(start..start + count).collect();
        let own = |counter: &u64| counter % shards as u64 == shard as u64;
        prop_assert_eq!(found, (start..start + count).filter(own).collect::<Vec<_>>());
    }
}
