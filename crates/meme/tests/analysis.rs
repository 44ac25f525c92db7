//! Frequency analysis of a run and of a folder of pictures.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::path::Path;

use meme_data::{Filter, RgbImage, Transform, encode_png};
use support::{command, render, reproduce, say};

/// Runs the program, which must succeed, and returns its standard output.
fn meme(arguments: &[&str], folder: &Path) -> String {
    let output = command(arguments, folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}\n{}", render(&output, folder));
    String::from_utf8(output.stdout).unwrap()
}

/// The columns of a CSV file without quotes, its header apart.
fn columns(file: &Path) -> (Vec<String>, Vec<Vec<f64>>) {
    let text = fs::read_to_string(file).unwrap();
    let mut lines = text.lines();
    let header = lines.next().unwrap().split(',').map(str::to_owned).collect();
    let number = |cell: &str| cell.parse().unwrap_or(f64::NAN);
    (header, lines.map(|line| line.split(',').map(number).collect()).collect())
}

#[test]
fn a_trained_run_is_analysed_with_figures_tables_and_gradients() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let trained = say(&reproduce(&["--run", "run", "--only-stage", "train"]), root);
    assert!(trained.starts_with("exit code: 0"), "{trained}");
    let row = "run/rows/iu-ldm-s";
    let set = ["--data", "pictures", "--count", "3", "--levels", "2", "--device", "cpu"];
    fs::create_dir(root.join("pictures")).unwrap();
    support::write_pictures(&root.join("pictures"), 8);
    let arguments = [&["analyze", row, "--gradients=4", "--json"][..], &set].concat();
    let said: serde_json::Value = serde_json::from_str(&meme(&arguments, root)).unwrap();
    assert_eq!(said["experts"].as_array().unwrap().len(), 1);
    assert_eq!(said["boundaries"]["preset"], serde_json::json!([250, 500, 750, 1000]));

    let folder = root.join(row).join("analysis");
    let figures = [
        "spectra",
        "timesteps-expert-1",
        "layers-expert-1",
        "high-expert-1",
        "pictures",
        "latents-forward",
        "trajectory-x",
        "trajectory-x0",
        "wiener",
        "recoverable",
        "gradients-expert-1",
    ];
    let page = fs::read_to_string(folder.join("analysis.md")).unwrap();
    for figure in figures {
        for end in ["svg", "png", "csv"] {
            let file = format!("{figure}.{end}");
            assert!(fs::metadata(folder.join(&file)).unwrap().len() > 100, "{file}");
            assert!(page.contains(&file), "{file}");
        }
    }

    // Similarities: symmetric, 1 with themselves, and what the router's clustering takes.
    let file = folder.join("gradients-expert-1.safetensors");
    let tensors = meme_checkpoint::read_safetensors(&file).unwrap().tensors;
    let similarity = &tensors["similarity"];
    assert_eq!(similarity.shape, [4, 4]);
    let values: Vec<f64> = similarity
        .bytes
        .chunks_exact(8)
        .map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    for (row, column) in [(0, 1), (0, 3), (1, 2)] {
        let (there, back) = (values[4 * row + column], values[4 * column + row]);
        assert!((there - back).abs() < 1e-12 && there.abs() < 1.0, "{there} {back}");
    }
    assert!([0, 5, 10, 15].iter().all(|&at| values[at] == 1.0));
    let cost = meme_router::ClusterCost::Similarity(&values);
    assert_eq!(meme_router::Intervals::cluster(2, cost).unwrap().steps(), 4);

    // The noise has power 1 at every frequency, so at t = 1000 hardly anything else is left.
    let (header, rows) = columns(&folder.join("latents-forward.csv"));
    assert!(header.len() > 3, "{header:?}");
    let (clean, noisy) = (rows[0][header.len() - 3], *rows.last().unwrap().last().unwrap());
    assert!(clean.is_finite() && (0.3..3.0).contains(&noisy), "{clean} {noisy}");
}

#[test]
fn any_folder_of_pictures_is_measured_whatever_their_sizes_and_formats() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (name, blur) in [("real", false), ("generated", true)] {
        fs::create_dir(root.join(name)).unwrap();
        for number in 0..12u64 {
            let face = meme_data::faces::Faces::draw(1, number, 48);
            let smaller = Transform { filter: Filter::PilBox, ..Transform::new(12) };
            let larger = Transform { filter: Filter::PilBicubic, ..Transform::new(48) };
            let face = match blur {
                true => larger.apply("", &smaller.apply("", &face).unwrap()).unwrap(),
                false => face,
            };
            // A strip beside it makes sizes differ; the crop takes the middle.
            let wide = widened(&face, 2 * (number as usize % 3));
            let file = root.join(name).join(format!("{number}.png"));
            fs::write(file, encode_png(&wide).unwrap()).unwrap();
        }
    }
    let jpeg = image::RgbImage::from_fn(50, 60, |x, y| image::Rgb([x as u8 * 5, y as u8 * 4, 90]));
    jpeg.save(root.join("real/last.jpg")).unwrap();
    let arguments = ["analyze", "real", "--generated", "generated", "--out", "out"];
    let said = meme(&arguments, root);
    assert!(said.contains("13 pictures") && said.contains("preset"), "{said}");
    let (_, rows) = columns(&root.join("out/generated-over-real.csv"));
    let ratio = |row: &[f64]| row[1];
    let last = ratio(rows.last().unwrap());
    assert!(last < 0.1 * ratio(&rows[0]), "blurred pictures lack detail: {last}");

    let refused = say(&["analyze", "real"], root);
    assert!(refused.starts_with("exit code: 2") && refused.contains("--out"), "{refused}");
    let refused = say(&["analyze", "real", "--out", "out", "--gradients"], root);
    assert!(refused.contains("is for run folders"), "{refused}");
    let measured = meme(&["evaluate", "--generated", "generated", "--reference", "real"], root);
    assert!(measured.contains("12 generated against 13 real pictures"), "{measured}");
}

/// A picture with grey columns on both sides.
fn widened(picture: &RgbImage, columns: usize) -> RgbImage {
    let grey = vec![128u8; 3 * columns];
    let rows = picture.rgb.chunks_exact(3 * picture.width);
    let rgb = rows.flat_map(|row| [&grey[..], row, &grey].concat()).collect();
    RgbImage::new(picture.width + 2 * columns, picture.height, rgb).unwrap()
}
