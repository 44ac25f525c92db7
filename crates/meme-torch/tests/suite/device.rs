use meme_torch::Error;
use meme_torch::device::{
    available, cpu_capability, cuda_count, device_name, devices, library_path, libtorch_version,
    load_cuda, loaded_libraries, parse_device,
};
use meme_torch::tch::Device;

#[test]
fn device_names_are_read_and_written() {
    for (name, device) in
        [("cpu", Device::Cpu), ("cuda:0", Device::Cuda(0)), ("cuda:11", Device::Cuda(11))]
    {
        assert_eq!(parse_device(name).unwrap(), device);
        assert_eq!(device_name(device), name);
    }
    assert_eq!(parse_device("cuda").unwrap(), Device::Cuda(0));
    for name in ["", "CPU", "cuda:", "cuda:-1", "cuda:x", "gpu", "cpu:0"] {
        let error = parse_device(name).unwrap_err();
        assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
    }
}

#[test]
fn a_machine_without_cuda_says_why_and_keeps_its_cpu() {
    assert_eq!(devices()[0], Device::Cpu);
    assert!(available(Device::Cpu).is_ok());
    match load_cuda() {
        Ok(()) => assert_eq!(devices().len(), 1 + cuda_count()),
        Err(sentence) => {
            assert!(sentence.contains(".so"), "{sentence}");
            assert_eq!(load_cuda(), Err(sentence.clone()));
            assert_eq!(devices().len(), 1);
            let Error::Device { name, reason } = available(Device::Cuda(1)).unwrap_err() else {
                panic!("another error");
            };
            assert_eq!((name.as_str(), reason), ("cuda:1", sentence));
        }
    }
}

#[test]
fn the_linked_libtorch_describes_itself() {
    assert_eq!(libtorch_version().unwrap(), "2.11.0");
    let capability = cpu_capability().unwrap();
    assert!(!capability.is_empty());
    let path = library_path().unwrap();
    assert!(path.is_file() && path.ends_with("libtorch_cpu.so"), "{}", path.display());
    assert!(loaded_libraries().contains(&path));
    assert!(meme_torch::peak_memory().unwrap() >= meme_torch::resident_memory().unwrap() / 2);
}
