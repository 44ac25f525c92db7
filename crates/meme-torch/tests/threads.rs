//! Threads of one process that train at the same time. These tests set the number of threads that
//! libtorch shares, so they have a process of their own and run one after the other.
#![allow(clippy::unwrap_used)] // helpers of tests count as tests

use meme_random::{Purpose, Stream};
use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{
    AdamW, AdamWConfig, Conv2d, Conv2dConfig, GroupNorm, GroupNormConfig, Parameters,
    clip_and_check, init_thread, noise, set_threads, silu, threads, with_threads,
};
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};

/// Held by the one test that runs; a test that failed does not fail the others.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forward, backward, clipping and AdamW of a small network; the bytes of all weights after.
fn train(seed: u64, steps: u64) -> Vec<u8> {
    let mut parameters = Parameters::new(Device::Cpu, seed, 1);
    let root = parameters.root();
    let padded = Conv2dConfig { padding: 1, ..Conv2dConfig::default() };
    let first = Conv2d::new(&(&root / 0), 3, 16, 3, padded).unwrap();
    let groups = GroupNormConfig { groups: 4, ..GroupNormConfig::default() };
    let norm = GroupNorm::new(&(&root / 1), 16, groups).unwrap();
    let last = Conv2d::new(&(&root / 2), 16, 3, 3, padded).unwrap();
    drop(root);
    let mut optimizer = AdamW::new(AdamWConfig::default(), parameters.named()).unwrap();
    for step in 0..steps {
        let streams = [0, 1, 2, 3].map(|k| Stream::new(seed, Purpose::Noise, 1, 4 * step + k));
        let x = noise(&streams, &[3, 32, 32], Device::Cpu).unwrap();
        let hidden = silu(&norm.forward(&first.forward(&x).unwrap()).unwrap()).unwrap();
        let attended = attend(&hidden);
        let loss = meme_torch::mean_squared_error(&last.forward(&attended).unwrap(), &x).unwrap();
        parameters.zero_grad();
        loss.f_backward().unwrap();
        clip_and_check(&parameters.gradients(), 0.5).unwrap();
        optimizer.step().unwrap();
    }
    parameters.to_data().unwrap().into_values().flat_map(|data| data.bytes).collect()
}

fn attend(x: &Tensor) -> Tensor {
    let tokens = x.flatten(2, 3).transpose(1, 2).unsqueeze(1);
    let mixed = meme_torch::attention(&tokens, &tokens, &tokens, None).unwrap();
    x + mixed.squeeze_dim(1).transpose(1, 2).view_as(x)
}

#[test]
fn two_threads_that_train_at_once_give_the_bits_of_one_alone() {
    let _alone = alone();
    set_threads(1).unwrap();
    let expected = [train(1, 5), train(2, 5)];
    assert_ne!(expected[0], expected[1]);
    for _ in 0..3 {
        let workers = [1, 2].map(|seed| {
            std::thread::spawn(move || {
                init_thread(1).unwrap();
                (train(seed, 5), threads().unwrap())
            })
        });
        for (worker, expected) in workers.into_iter().zip(&expected) {
            let (bytes, count) = worker.join().unwrap();
            assert_eq!(count, 1);
            assert!(bytes == *expected, "a concurrent run ended in other bits");
        }
    }
}

/// How many threads this process gains while a new thread that asked for one multiplies, convolves
/// and adds, after the main thread has asked for two.
fn gained() -> usize {
    let (ready, wait) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            init_thread(1).unwrap();
            ready.wait();
            // Meanwhile the main thread sets another number, before this one's first loop.
            wait.wait();
            let before = tasks();
            let x = Tensor::ones([512, 512], (Kind::Float, Device::Cpu));
            let image = x.view([1, 16, 128, 128]);
            let kernel = Tensor::ones([16, 16, 3, 3], (Kind::Float, Device::Cpu));
            let _ = image.conv2d(&kernel, None::<&Tensor>, [1, 1], [1, 1], [1, 1], 1);
            let _ = x.matmul(&x).exp() + x.sum(Kind::Float);
            assert_eq!((threads().unwrap(), own_threads()), (1, 1));
            tasks().saturating_sub(before)
        });
        ready.wait();
        set_threads(2).unwrap();
        wait.wait();
        worker.join().unwrap()
    })
}

/// Threads of this process.
fn tasks() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn a_thread_keeps_its_number_whatever_others_set() {
    let _alone = alone();
    // The harness may start a thread of its own in between, but not five times.
    assert_eq!((0..5).map(|_| gained()).min(), Some(0));
    assert_eq!(threads().unwrap(), 2);
}

/// OpenMP's own answer for the calling thread, which oneDNN and MKL go by.
fn own_threads() -> i32 {
    unsafe extern "C" {
        fn omp_get_max_threads() -> i32;
    }
    // SAFETY: a query without arguments.
    unsafe { omp_get_max_threads() }
}

#[test]
fn a_new_thread_starts_with_the_number_set_last() {
    let _alone = alone();
    for count in [1, 2] {
        set_threads(count).unwrap();
        assert_eq!(std::thread::spawn(threads).join().unwrap().unwrap(), count);
    }
}

#[test]
fn a_number_for_one_piece_of_work_ends_with_it() {
    let _alone = alone();
    set_threads(2).unwrap();
    assert_eq!(with_threads(1, || threads().unwrap()).unwrap(), 1);
    assert_eq!(threads().unwrap(), 2);
    let _ = std::panic::catch_unwind(|| with_threads(1, || panic!("on purpose")));
    assert_eq!(threads().unwrap(), 2);
    assert!(set_threads(0).is_err());
    assert!(init_thread(usize::MAX).is_err());
}
