//! Event files against TensorBoard's own reader.

use std::path::Path;
use std::process::Command;

use meme_trainer::tensorboard::{Picture, TensorBoard};
use meme_trainer::{Observer, Timing, Validated, Window};
use serde_json::{Value, json};

/// A PNG of 2 x 1 red pixels, written by Pillow.
const PNG: &[u8] = include_bytes!("../golden/red.png");

fn window(images: u64, loss: f32) -> Window {
    let mut window = Window::new(0, 2);
    window.add_losses(&[loss, loss], &[0, 1]);
    window.add_update(images, 2.0, 0.5);
    window
}

fn write(folder: &Path) {
    let timing = Timing { images: 10, count: 10, forward: 1.0, backward: 3.0, ..Timing::default() };
    // Killed before its first checkpoint.
    let mut board = TensorBoard::new(folder.to_path_buf());
    board.opened(0, &[]);
    board.window(&window(10, 99.0), &timing);
    let mut board = TensorBoard::new(folder.to_path_buf());
    board.opened(0, &[]);
    for images in [10, 20, 30] {
        board.window(&window(images, images as f32), &timing);
    }
    board.picture("samples", 20, Picture { png: PNG, width: 2, height: 1 });
    // Killed after its checkpoint at 20 images, it goes on from there.
    let mut board = TensorBoard::new(folder.to_path_buf());
    board.opened(20, &[]);
    board.window(&window(30, 3.0), &timing);
    board.window(&window(1 << 40, 4.0), &timing);
    let timesteps = vec![1, 1000];
    board.validated(&Validated { images: 30, timesteps, losses: vec![0.25, 0.75] });
    assert!(board.failure().is_none());
}

#[test]
fn tensorboard_reads_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    let Some(python) = std::env::var_os("MEME_TEST_PYTHON") else {
        eprintln!("MEME_TEST_PYTHON is not set: TensorBoard was not asked");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/events.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let scalars = &found["scalars"];
    // What the killed run said of 30 images is gone, what it said until 20 stays.
    let last = 1u64 << 40;
    assert_eq!(scalars["train/loss"], json!([[10, 10.0], [20, 20.0], [30, 3.0], [last, 4.0]]));
    assert_eq!(scalars["train/learning_rate"][0], json!([10, 0.5]));
    assert_eq!(scalars["time/images_per_second"][0], json!([10, 2.5]));
    assert_eq!(scalars["time/share_of_backward"][0], json!([10, 0.75]));
    assert_eq!(scalars["validation/loss"], json!([[30, 0.5]]));
    assert_eq!(scalars["validation/timestep_1000"], json!([[30, 0.75]]));
    assert_eq!(scalars["loss_by_timestep/01"].as_array().unwrap().len(), 4);
    assert_eq!(found["images"]["samples"], json!([[20, 2, 1, PNG.len()]]));
}

#[test]
fn a_folder_that_cannot_be_made_is_told_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("file");
    std::fs::write(&place, b"").unwrap();
    let mut board = TensorBoard::new(place);
    board.scalar("loss", 1, 1.0);
    board.scalar("loss", 2, 1.0);
    assert!(board.failure().unwrap().to_string().contains("file"));
}
