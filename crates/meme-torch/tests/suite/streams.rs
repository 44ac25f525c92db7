//! Streams, events, pinned memory and graphs where there is no GPU: what the CPU has works, the rest
//! is refused in a sentence.

use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{Error, Event, Graph, Stream, bring_beside, is_pinned, pin, synchronize};
use std::collections::BTreeMap;

#[test]
fn the_cpu_has_one_stream_that_is_always_done() {
    let stream = Stream::current(Device::Cpu).unwrap();
    assert_eq!(stream, Stream::standard(Device::Cpu).unwrap());
    assert!(stream.is_idle().unwrap());
    stream.synchronize().unwrap();
    synchronize(Device::Cpu).unwrap();
    let inside = stream.enter().unwrap();
    assert_eq!(Stream::current(Device::Cpu).unwrap(), stream);
    drop(inside);
    assert_eq!(Stream::new(Device::Cpu, true).unwrap(), stream);
}

#[test]
fn an_event_that_was_never_recorded_has_happened_and_the_cpu_records_none() {
    let mut event = Event::new(Device::Cpu, true).unwrap();
    assert!(event.has_happened().unwrap());
    let stream = Stream::current(Device::Cpu).unwrap();
    let refused = event.record(&stream).unwrap_err().to_string();
    assert!(refused.contains("doesn't support events"), "{refused}");
}

#[test]
fn pinned_memory_and_graphs_are_refused_without_a_gpu() {
    let x = Tensor::ones([2], (Kind::Float, Device::Cpu));
    assert!(!is_pinned(&x).unwrap());
    let Err(Error::Device { reason, .. }) =
        Graph::capture(Device::Cpu, || Ok::<_, Error>(())).map(|_| ())
    else {
        panic!("the CPU has no graphs");
    };
    assert_eq!(reason, "no CUDA graphs: they are for CUDA devices");
    if meme_torch::device::cuda_count() > 0 {
        eprintln!("there is a GPU here: what is refused without one is not tested");
        return;
    }
    let tensors = || BTreeMap::from([("x".to_owned(), x.shallow_clone())]);
    assert_eq!(bring_beside(tensors(), Device::Cpu).unwrap()["x"].data_ptr(), x.data_ptr());
    assert!(bring_beside(tensors(), Device::Cuda(0)).is_err());
    assert!(matches!(pin(&x), Err(Error::Torch { operation: "pin memory", .. })));
    assert!(synchronize(Device::Cuda(0)).is_err());
    assert!(Graph::capture(Device::Cuda(0), || Ok::<_, Error>(())).is_err());
}
