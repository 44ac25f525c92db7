//! Class-conditional networks, from folders of pictures to pictures of a class.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "other tests use the rest")]
mod support;

use std::path::Path;

use meme_data::{RgbImage, open, write_png};
use support::say;

/// Two small experts that tell two classes apart.
const EXPERIMENT: &str = r#"
name = "own/tones"
title = "Tones"
about = "Bright or dark."
scale = "own"
parametrisation = "velocity"
intervals = [500, 1000]
assignment = { kind = "hard" }

[data]
resolution = 8
filter = "pil-box"
validation = 8
faces = 32
seed = 0
classes = { withheld = 0.2 }

[first_stage]
kind = "identity"

[schedule]
kind = "linear"
beta_start = 1e-4
beta_end = 0.02
steps = 1000

[train]
images = 3200
batch = 16
learning_rate = 2e-3
window_images = 1600
validation_images = 1600

[sample]
count = 8
batch = 4
steps = 10
sampler = { kind = "ddim" }
grid = "trailing"
clip = true
guidance = 1.5

[architecture]
width = 16
channel_mult = [1, 2]
res_blocks = 1
heads = 1
norm_groups = 4
encoder = ["none", "transformer"]
middle = "transformer"
decoder = ["none", "transformer"]
transformer = { context = 8 }
classes = 3
class_conditioning = "context"
"#;

/// Pictures of one tone each: dark ones in one folder, bright ones in another.
fn write_pictures(folder: &Path) {
    for (class, base) in [("bright", 200), ("dark", 10)] {
        std::fs::create_dir_all(folder.join(class)).unwrap();
        for number in 0..24_u8 {
            let picture = RgbImage::filled(10, 8, [base + 2 * number; 3]);
            write_png(&folder.join(class).join(format!("{number}.png")), &picture).unwrap();
        }
    }
}

/// The mean of every picture in a folder, in the order of their names.
fn tones(folder: &Path) -> Vec<f64> {
    let pictures = open(folder).unwrap();
    let mean = |index| {
        let rgb = pictures.image(index, 8).unwrap().rgb;
        rgb.iter().map(|value| f64::from(*value)).sum::<f64>() / rgb.len() as f64
    };
    (0..pictures.len()).map(mean).collect()
}

#[test]
fn networks_learn_what_folders_mean_and_draw_what_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let run = |line: &str| say(&line.split(' ').collect::<Vec<_>>(), folder.path());
    let done = |line: &str| {
        let said = run(line);
        assert!(said.starts_with("exit code: 0"), "{line}\n{said}");
    };
    write_pictures(&path("pictures"));
    std::fs::write(path("tones.toml"), EXPERIMENT).unwrap();
    done("train tones.toml --data pictures --run run --device cpu");

    done("sample run --out turns --device cpu");
    let turns = tones(&path("turns"));
    assert_eq!(turns.len(), 8);
    for (number, tone) in turns.iter().enumerate() {
        let bright = number % 2 == 0;
        assert_eq!(*tone > 128.0, bright, "picture {number} of 8 in turn: {turns:?}");
    }
    // A picture of a class is the same in any batch, and wherever its experts are.
    done("sample run --class bright --count 3 --first 1 --out bright --device cpu");
    done("sample run --class bright --count 1 --first 2 --resident next --out one --device cpu");
    assert!(tones(&path("bright")).iter().all(|tone| *tone > 170.0));
    let read = |file: &str| std::fs::read(path(file)).unwrap();
    assert_eq!(read("bright/000002.png"), read("one/000002.png"));
    assert_eq!(read("bright/000002.png"), read("turns/000002.png"));

    let said = run("sample run --class grey --out grey --device cpu");
    assert!(said.contains("bright, dark"), "{said}");
    // The same pictures in other folders are other data.
    std::fs::rename(path("pictures/dark/3.png"), path("pictures/bright/dark-3.png")).unwrap();
    let said = run("train tones.toml --data pictures --run run --device cpu");
    assert!(!said.starts_with("exit code: 0"), "{said}");
    std::fs::rename(path("pictures/bright/1.png"), path("pictures/1.png")).unwrap();
    let said = run("train tones.toml --data pictures --run other --device cpu");
    assert!(said.contains("1.png lies in no folder"), "{said}");
    assert!(!path("other").exists());
}
