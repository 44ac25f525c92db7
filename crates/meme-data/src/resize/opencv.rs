//! OpenCV's `resize(..., INTER_LINEAR)` on bytes, bit for bit: two taps a side at whatever scale
//! (so shrinking aliases), weights of 11 bits, as in `modules/imgproc/src/resize.cpp` of OpenCV 3
//! and 4 (`HResizeLinear`, `VResizeLinear` for `uchar`).

use super::Window;
use crate::RgbImage;

/// `INTER_RESIZE_COEF_SCALE`: one, as a weight.
const ONE: f32 = 2048.0;

/// The two source positions of one output position, and their weights of 11 bits.
struct Taps {
    first: usize,
    second: usize,
    weights: [i32; 2],
}

/// What becomes of a position beyond the border. OpenCV treats the two directions differently, and
/// the shifts at the end of [`bilinear`] make that visible in the last bit.
#[derive(Clone, Copy)]
enum Border {
    /// Columns: the border pixel has all the weight.
    WholeWeight,
    /// Rows: both taps are the border row, each with its weight.
    SplitWeight,
}

/// The taps of output positions `start..start + count` along one side.
fn taps(from: usize, to: usize, start: usize, count: usize, border: Border) -> Vec<Taps> {
    // OpenCV divides twice; one division rounds differently now and then.
    let scale = 1.0 / (to as f64 / from as f64);
    let last = from as isize - 1;
    let tap = |position: usize| {
        let centre = ((position as f64 + 0.5) * scale - 0.5) as f32;
        let first = centre.floor() as isize;
        let outside = first < 0 || first >= last;
        let fraction = match border {
            Border::WholeWeight if outside => 0.0,
            _ => centre - centre.floor(),
        };
        // cvRound rounds halves to even.
        let weight = |share: f32| (share * ONE).round_ties_even() as i32;
        Taps {
            first: first.clamp(0, last) as usize,
            second: match border {
                Border::WholeWeight => (first.max(0) + 1).min(last) as usize,
                Border::SplitWeight => (first + 1).clamp(0, last) as usize,
            },
            weights: [weight(1.0 - fraction), weight(fraction)],
        }
    };
    (start..start + count).map(tap).collect()
}

/// The square `window` of `source` resized to `window.full`.
pub(super) fn bilinear(source: &RgbImage, window: Window) -> RgbImage {
    let side = window.side;
    let columns = taps(source.width, window.full.0, window.corner.0, side, Border::WholeWeight);
    let rows = taps(source.height, window.full.1, window.corner.1, side, Border::SplitWeight);
    let stride = source.width * 3;
    let across = |row: usize, out: &mut [i32]| {
        let line = &source.rgb[row * stride..(row + 1) * stride];
        for (tap, out) in columns.iter().zip(out.chunks_exact_mut(3)) {
            let (first, second) = (&line[tap.first * 3..], &line[tap.second * 3..]);
            for channel in 0..3 {
                out[channel] = i32::from(first[channel]) * tap.weights[0]
                    + i32::from(second[channel]) * tap.weights[1];
            }
        }
    };
    // Two rows brought to width, with the number of the source row that each holds.
    let mut lines = [(usize::MAX, vec![0; side * 3]), (usize::MAX, vec![0; side * 3])];
    let mut rgb = Vec::with_capacity(side * side * 3);
    for row in &rows {
        if lines[0].0 != row.first {
            lines.swap(0, 1);
        }
        for (line, wanted) in lines.iter_mut().zip([row.first, row.second]) {
            if line.0 != wanted {
                across(wanted, &mut line.1);
                line.0 = wanted;
            }
        }
        let [above, below] = row.weights;
        rgb.extend(lines[0].1.iter().zip(&lines[1].1).map(|(first, second)| {
            // The shifts, and what they lose, are OpenCV's.
            let sum = ((above * (first >> 4)) >> 16) + ((below * (second >> 4)) >> 16);
            ((sum + 2) >> 2).clamp(0, 255) as u8
        }));
    }
    RgbImage { width: side, height: side, rgb }
}
