use meme_checkpoint::{Dtype, TensorData};
use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{
    data_to_tensor, from_array, from_f32, from_f64, from_i64, into_tensors, kind_of,
    map_safetensors, tensor_to_data, to_array, to_f32_vec, to_f64_vec, to_i64_vec,
};
use ndarray::{Array3, Axis};
use std::collections::BTreeMap;

#[test]
fn bytes_of_every_dtype_come_back_unchanged() {
    for dtype in Dtype::ALL {
        // Valid bits for every type, NaN payloads and negative zeros included; booleans are 0 or 1.
        let limit = if dtype == Dtype::Bool { 2 } else { 256 };
        let bytes: Vec<u8> = (0..6 * dtype.size()).map(|i| (i * 37 % limit) as u8).collect();
        let data = TensorData::new(dtype, vec![2, 3], bytes).unwrap();
        let tensor = data_to_tensor(&data, Device::Cpu).unwrap();
        assert_eq!((tensor.kind(), tensor.size()), (kind_of(dtype), vec![2, 3]));
        assert_eq!(tensor_to_data(&tensor).unwrap(), data);
        let transposed = tensor_to_data(&tensor.transpose(0, 1)).unwrap();
        let size = dtype.size();
        assert_eq!(transposed.shape, [3, 2]);
        assert_eq!(transposed.bytes[size..2 * size], data.bytes[3 * size..4 * size]);
    }
}

fn taken(data: &TensorData) -> meme_torch::Result<Tensor> {
    let mut tensors = into_tensors(BTreeMap::from([("x".to_owned(), data.clone())]))?;
    Ok(tensors.remove("x").unwrap())
}

#[test]
fn bytes_that_are_taken_over_live_as_long_as_anything_looks_at_them() {
    for dtype in Dtype::ALL {
        let data = TensorData::new(dtype, vec![2, 3], vec![1; 6 * dtype.size()]).unwrap();
        let tensor = taken(&data).unwrap();
        assert_eq!((tensor.kind(), tensor.size()), (kind_of(dtype), vec![2, 3]));
        assert_eq!(tensor_to_data(&tensor).unwrap(), data);
        let (row, copy) = (tensor.get(1), tensor.copy());
        drop(tensor);
        assert_eq!(row, copy.get(1));
    }
    let data = TensorData::from_f32(&[1.0; 6], &[6]).unwrap();
    let place = data.bytes.as_ptr();
    let tensors = into_tensors(BTreeMap::from([("x".to_owned(), data)])).unwrap();
    assert_eq!(tensors["x"].data_ptr().cast_const().cast(), place);
}

#[test]
fn mapped_tensors_are_the_files_and_writing_to_one_leaves_the_file_alone() {
    // 3 bytes in front of the floats, so that those do not lie where they would have to.
    let data = BTreeMap::from([
        ("a".to_owned(), TensorData::new(Dtype::U8, vec![3], vec![1, 2, 3]).unwrap()),
        ("b".to_owned(), TensorData::from_f32(&[1.0, -2.0, 3.0, 4.5], &[2, 2]).unwrap()),
        ("c".to_owned(), TensorData::from_f32(&[], &[0, 2]).unwrap()),
        ("d".to_owned(), TensorData::from_i64(&[7], &[]).unwrap()),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mapped.safetensors");
    meme_checkpoint::write_safetensors(&path, &data, &BTreeMap::new()).unwrap();
    let before = std::fs::read(&path).unwrap();
    for _ in 0..2 {
        let mapped = map_safetensors(&path).unwrap();
        assert_eq!(mapped.len(), data.len());
        for (name, tensor) in &mapped {
            assert_eq!(tensor_to_data(tensor).unwrap(), data[name], "{name}");
        }
        let _ = mapped["b"].shallow_clone().fill_(9.0);
        assert_eq!(to_f32_vec(&mapped["b"]).unwrap(), [9.0; 4]);
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
    let kept = map_safetensors(&path).unwrap().remove("b").unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(to_f32_vec(&kept).unwrap(), [1.0, -2.0, 3.0, 4.5]);
    let error = map_safetensors(&path).unwrap_err().to_string();
    assert!(error.contains("mapped.safetensors"), "{error}");
    std::fs::write(&path, &before[..before.len() - 1]).unwrap();
    assert!(map_safetensors(&path).is_err());
}

#[test]
fn scalars_and_empty_tensors_come_back() {
    for shape in [vec![], vec![0], vec![2, 0, 3]] {
        let count = shape.iter().product::<usize>();
        let data = TensorData::new(Dtype::F32, shape, vec![7; 4 * count]).unwrap();
        assert_eq!(tensor_to_data(&data_to_tensor(&data, Device::Cpu).unwrap()).unwrap(), data);
        assert_eq!(tensor_to_data(&taken(&data).unwrap()).unwrap(), data);
    }
}

#[test]
fn bytes_that_contradict_their_shape_are_refused() {
    let mut data = TensorData::from_f32(&[1.0, 2.0], &[2]).unwrap();
    data.shape = vec![3];
    assert!(data_to_tensor(&data, Device::Cpu).is_err());
    assert!(taken(&data).is_err());
    data.shape = vec![usize::MAX, 8];
    assert!(data_to_tensor(&data, Device::Cpu).is_err());
    assert!(taken(&data).is_err());
}

#[test]
fn slices_must_fill_their_shape() {
    assert_eq!(from_f32(&[1.0; 6], &[3, 2], Device::Cpu).unwrap().size(), [3, 2]);
    assert!(from_f32(&[1.0; 6], &[3, 3], Device::Cpu).is_err());
    assert!(from_f32(&[1.0; 6], &[-1, 6], Device::Cpu).is_err());
    assert!(from_f64(&[], &[i64::MAX, i64::MAX], Device::Cpu).is_err());
    assert_eq!(from_i64(&[5], &[], Device::Cpu).unwrap().int64_value(&[]), 5);
}

#[test]
fn values_are_read_in_row_major_order_from_any_layout_and_type() {
    let tensor = from_f32(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3], Device::Cpu).unwrap();
    let columns = tensor.transpose(0, 1);
    assert_eq!(to_f32_vec(&columns).unwrap(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(to_f64_vec(&columns.to_kind(Kind::BFloat16)).unwrap()[3], 5.0);
    assert_eq!(to_i64_vec(&(columns * 1.5)).unwrap(), [1, 6, 3, 7, 4, 9]);
    let wanted = tensor.shallow_clone().set_requires_grad(true);
    assert_eq!(to_f32_vec(&wanted).unwrap().len(), 6);
}

#[test]
fn arrays_and_tensors_hold_the_same_values_also_when_strided() {
    let array = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (100 * i + 10 * j + k) as f32);
    let tensor = from_array(&array, Device::Cpu).unwrap();
    assert_eq!(tensor.double_value(&[1, 2, 3]), 123.0);
    assert_eq!(to_array(&tensor).unwrap(), array.clone().into_dyn());
    let reversed = array.permuted_axes([2, 0, 1]);
    let tensor = from_array(&reversed.index_axis(Axis(0), 3), Device::Cpu).unwrap();
    assert_eq!(to_f32_vec(&tensor).unwrap(), [3.0, 13.0, 23.0, 103.0, 113.0, 123.0]);
}

#[test]
fn a_dtype_that_no_file_holds_is_refused() {
    let complex = Tensor::ones([2], (Kind::ComplexFloat, Device::Cpu));
    assert!(tensor_to_data(&complex).unwrap_err().to_string().contains("ComplexFloat"));
}
