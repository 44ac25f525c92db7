use meme_random::{Purpose, Stream};
use meme_torch::tch::{Device, Kind};
use meme_torch::{noise, to_f32_vec};

fn streams(images: std::ops::Range<u64>) -> Vec<Stream> {
    images.map(|image| Stream::new(3, Purpose::Sample, 0, image)).collect()
}

#[test]
fn a_row_depends_on_its_stream_and_not_on_the_batch() {
    // Large enough to be drawn by several threads, and small enough not to be.
    for shape in [vec![3, 64, 64], vec![5]] {
        let row = shape.iter().product::<i64>() as usize;
        let all = to_f32_vec(&noise(&streams(0..7), &shape, Device::Cpu).unwrap()).unwrap();
        for (image, in_batch) in (0..7).zip(all.chunks_exact(row)) {
            let alone = noise(&streams(image..image + 1), &shape, Device::Cpu).unwrap();
            assert_eq!(to_f32_vec(&alone).unwrap(), in_batch);
        }
    }
}

#[test]
fn rows_are_the_streams_normals_in_order() {
    let tensor = noise(&streams(4..6), &[2, 3], Device::Cpu).unwrap();
    assert_eq!((tensor.size(), tensor.kind()), (vec![2, 2, 3], Kind::Float));
    let expected: Vec<f32> = streams(4..6)
        .iter()
        .flat_map(|stream| (0..6).map(|draw| stream.normal(draw) as f32))
        .collect();
    assert_eq!(to_f32_vec(&tensor).unwrap(), expected);
}

#[test]
fn no_streams_are_no_rows_and_empty_rows_are_refused() {
    assert_eq!(noise(&[], &[2, 3], Device::Cpu).unwrap().size(), [0, 2, 3]);
    assert!(noise(&streams(0..1), &[2, 0], Device::Cpu).is_err());
}

#[test]
fn dropout_masks_follow_their_streams_and_keep_the_mean() {
    let mask = meme_torch::dropout_mask(&streams(0..3), &[100, 100], 0.25, Device::Cpu).unwrap();
    let values = to_f32_vec(&mask).unwrap();
    for (stream, row) in streams(0..3).iter().zip(values.chunks_exact(10_000)) {
        for (index, value) in row.iter().enumerate() {
            let dropped = stream.uniform(index as u64) < 0.25;
            assert_eq!(*value, if dropped { 0.0 } else { 4.0 / 3.0 });
        }
    }
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / 30_000.0;
    // Five standard errors: sqrt(rate / (1 - rate) / 30,000) each.
    assert!((mean - 1.0).abs() < 5.0 * 0.0034, "{mean}");
    assert!(meme_torch::dropout_mask(&streams(0..1), &[2], 1.0, Device::Cpu).is_err());
}
