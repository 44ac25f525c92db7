//! Claims about the built-in faces.

use meme_data::RgbImage;
use meme_data::faces::Faces;

/// The pixel that holds a point of the unit square.
fn colour(face: &RgbImage, x: f64, y: f64) -> [f64; 3] {
    let at = |share: f64, side: usize| (share * side as f64) as usize;
    let first = (at(y, face.height) * face.width + at(x, face.width)) * 3;
    [0, 1, 2].map(|channel| f64::from(face.rgb[first + channel]))
}

/// Luma (ITU-R BT.601) of the pixel that holds a point of the unit square.
fn luma(face: &RgbImage, x: f64, y: f64) -> f64 {
    let [r, g, b] = colour(face, x, y);
    0.299 * r + 0.587 * g + 0.114 * b
}

/// The mean of `factor * factor` pixels each.
fn smaller(face: &RgbImage, factor: usize) -> Vec<f64> {
    let side = face.width / factor;
    let mut out = vec![0.0; side * side * 3];
    for y in 0..side * factor {
        for x in 0..side * factor {
            let first = (y * face.width + x) * 3;
            for (channel, value) in face.rgb[first..first + 3].iter().enumerate() {
                out[((y / factor) * side + x / factor) * 3 + channel] +=
                    f64::from(*value) / (factor * factor) as f64;
            }
        }
    }
    out
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>() / a.len() as f64
}

/// The bytes of these pictures were seen and found good; from then on they are the same on every
/// machine. Whoever changes what faces look like looks at them again and writes the new hash here.
#[test]
fn sixteen_faces_have_the_same_bytes_on_every_machine() {
    let mut hasher = blake3::Hasher::new();
    for image in 0..16 {
        let size = [16, 32, 48, 96][image as usize % 4];
        hasher.update(&Faces::draw(11, image, size).rgb);
    }
    assert_eq!(
        hasher.finalize().to_hex().as_str(),
        "f95c44dc8fe2f7eb3a8be7a5a3063e2b6cf0034b3da6ba0a3319e63e8bc59273"
    );
}

#[test]
fn a_face_depends_on_nothing_but_seed_number_and_size() {
    let alone: Vec<RgbImage> = (0..6).map(|image| Faces::draw(3, image, 32)).collect();
    let threads: Vec<_> = (0..6)
        .rev()
        .map(|image| std::thread::spawn(move || (image, Faces::draw(3, image, 32))))
        .collect();
    for thread in threads {
        let (image, face) = thread.join().unwrap();
        assert_eq!(face, alone[image as usize], "face {image}");
    }
}

#[test]
fn every_number_and_every_seed_is_another_face() {
    let faces: Vec<RgbImage> = (0..4)
        .flat_map(|seed| [0, 1, 2, u64::MAX].map(|image| Faces::draw(seed, image, 16)))
        .collect();
    for (index, face) in faces.iter().enumerate() {
        for other in &faces[..index] {
            assert!(distance(&smaller(face, 1), &smaller(other, 1)) > 5.0);
        }
    }
}

#[test]
fn a_small_picture_is_the_large_one_averaged() {
    for image in 0..8 {
        let small = smaller(&Faces::draw(5, image, 32), 1);
        let other = smaller(&Faces::draw(5, image + 100, 32), 1);
        let large = smaller(&Faces::draw(5, image, 128), 4);
        let (same, different) = (distance(&small, &large), distance(&other, &large));
        assert!(same < 6.0, "face {image}: {same} levels apart");
        assert!(
            same * 4.0 < different,
            "face {image}: {same} from itself, {different} from another"
        );
    }
}

/// FFHQ is aligned by the eyes; so are these.
#[test]
fn eyes_and_mouths_are_at_the_same_places_in_the_mean_of_many_faces() {
    let faces: Vec<RgbImage> = (0..64).map(|image| Faces::draw(1, image, 48)).collect();
    let mean = |x: f64, y: f64| {
        faces.iter().map(|face| luma(face, x, y)).sum::<f64>() / faces.len() as f64
    };
    let redness = |x: f64, y: f64| {
        let share = |face: &RgbImage| {
            let [r, g, _] = colour(face, x, y);
            (r - g) / (r + g + 1.0)
        };
        faces.iter().map(share).sum::<f64>() / faces.len() as f64
    };
    let cheek = 0.5 * (mean(0.41, 0.57) + mean(0.59, 0.57));
    for x in [0.39, 0.61] {
        assert!(mean(x, 0.46) < 0.80 * cheek, "eye at {x}: {} beside {cheek}", mean(x, 0.46));
    }
    assert!(mean(0.5, 0.40) > mean(0.39, 0.395), "brows are darker than what is between them");
    assert!(redness(0.5, 0.715) > redness(0.5, 0.80), "lips are redder than the chin");
}

/// Natural images have an amplitude of about 1/f (Field 1987): as much energy in every octave.
/// White noise would give 0, a smooth picture -2 and less.
#[test]
fn the_amplitude_spectrum_falls_about_as_that_of_photographs() {
    const SIDE: usize = 48;
    let mut power = [0.0_f64; SIDE / 2];
    let mut members = [0.0_f64; SIDE / 2];
    for image in 0..24 {
        let face = Faces::draw(2, image, SIDE);
        let place = |k: usize| (k as f64 + 0.5) / SIDE as f64;
        let values: Vec<f64> =
            (0..SIDE * SIDE).map(|k| luma(&face, place(k % SIDE), place(k / SIDE))).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let hann = |k: usize| (std::f64::consts::PI * place(k)).sin().powi(2);
        let windowed: Vec<f64> = values
            .iter()
            .enumerate()
            .map(|(k, value)| (value - mean) * hann(k % SIDE) * hann(k / SIDE))
            .collect();
        for u in 0..SIDE / 2 {
            // One direction, then the other, by the definition of the transform.
            let wave = |f: usize, k: usize| {
                (-2.0 * std::f64::consts::PI * (f * k % SIDE) as f64 / SIDE as f64).sin_cos()
            };
            let rows: Vec<(f64, f64)> = windowed
                .chunks_exact(SIDE)
                .map(|row| {
                    row.iter().enumerate().fold((0.0, 0.0), |(re, im), (k, value)| {
                        let (sin, cos) = wave(u, k);
                        (re + value * cos, im + value * sin)
                    })
                })
                .collect();
            for v in 0..SIDE {
                let (re, im) = rows.iter().enumerate().fold((0.0, 0.0), |(re, im), (k, (a, b))| {
                    let (sin, cos) = wave(v, k);
                    (re + a * cos - b * sin, im + a * sin + b * cos)
                });
                let up = v.min(SIDE - v);
                let radius = ((u * u + up * up) as f64).sqrt().round() as usize;
                if radius < SIDE / 2 {
                    power[radius] += re * re + im * im;
                    members[radius] += 1.0;
                }
            }
        }
    }
    let octave = |from: usize, to: usize| {
        let mean = (from..to).map(|f| power[f] / members[f]).sum::<f64>() / (to - from) as f64;
        0.5 * mean.ln()
    };
    let slope = (octave(10, 20) - octave(3, 6)) / (10.0_f64 / 3.0).ln();
    assert!((-1.6..-0.8).contains(&slope), "amplitude falls as f^{slope}");
}

#[test]
fn any_size_is_drawn_from_one_pixel_up() {
    for size in [0, 1, 2, 3, 7, 17, 31, 65, 130] {
        let face = Faces::draw(9, 4, size);
        assert_eq!((face.width, face.height, face.rgb.len()), (size, size, size * size * 3));
    }
}

#[test]
fn faces_past_the_end_are_refused_by_name() {
    let faces = Faces::new(1, 3);
    assert_eq!((faces.len(), faces.is_empty()), (3, false));
    assert_eq!(faces.image(2, 16).unwrap(), Faces::draw(1, 2, 16));
    let message = faces.image(3, 16).unwrap_err().to_string();
    assert!(message.contains("index 3 of the built-in faces, which holds 3"), "{message}");
}
