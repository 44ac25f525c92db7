//! The two-dimensional Fourier transform of real maps, of any size.

use crate::planes::Size;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use std::fmt;
use std::sync::Arc;

/// Transforms maps of one size.
///
/// `F[u, v] = sum over y, x of f[y, x] exp(-2 pi i (u y / height + v x / width))`, unnormalised. Since
/// the maps are real, two rows share one complex transform, and only the columns `v` in
/// `0..=width / 2` are computed: the rest is `F[-u, -v] = conj F[u, v]`.
#[derive(Clone)]
pub(crate) struct RealFft2 {
    pub(crate) size: Size,
    rows: Arc<dyn Fft<f64>>,
    columns: Arc<dyn Fft<f64>>,
}

/// Memory that transforms of one size need, to be used again and again.
pub(crate) struct Workspace {
    pair: Vec<Complex<f64>>,
    half: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
}

impl fmt::Debug for RealFft2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RealFft2({} x {})", self.size.height, self.size.width)
    }
}

impl RealFft2 {
    pub(crate) fn new(size: Size) -> RealFft2 {
        let mut planner = FftPlanner::new();
        RealFft2 {
            size,
            rows: planner.plan_fft_forward(size.width),
            columns: planner.plan_fft_forward(size.height),
        }
    }

    /// Columns of the half that is computed.
    pub(crate) fn half_width(&self) -> usize {
        self.size.width / 2 + 1
    }

    pub(crate) fn workspace(&self) -> Workspace {
        let zero = Complex::new(0.0, 0.0);
        let scratch =
            self.rows.get_inplace_scratch_len().max(self.columns.get_inplace_scratch_len());
        Workspace {
            pair: vec![zero; self.size.width],
            half: vec![zero; self.half_width() * self.size.height],
            scratch: vec![zero; scratch],
        }
    }

    /// Transforms a map of `height * width` values in row-major order.
    ///
    /// The result is column-major: `F[u, v]` stands at `v * height + u`, for `v` in `0..=width / 2`.
    pub(crate) fn transform<'a>(
        &self,
        map: &[f64],
        space: &'a mut Workspace,
    ) -> &'a [Complex<f64>] {
        let Size { height, width } = self.size;
        let Workspace { pair, half, scratch } = space;
        let mut y = 0;
        while y < height {
            let first = &map[y * width..][..width];
            // A last odd row goes with a row of zeros.
            let second = map.get((y + 1) * width..(y + 2) * width);
            match second {
                Some(second) => {
                    for (to, (&a, &b)) in pair.iter_mut().zip(first.iter().zip(second)) {
                        *to = Complex::new(a, b);
                    }
                }
                None => {
                    for (to, &a) in pair.iter_mut().zip(first) {
                        *to = Complex::new(a, 0.0);
                    }
                }
            }
            self.rows.process_with_scratch(pair, scratch);
            for v in 0..self.half_width() {
                let (a, b) = separate(pair, v);
                half[v * height + y] = a;
                if second.is_some() {
                    half[v * height + y + 1] = b;
                }
            }
            y += 2;
        }
        // The columns lie one behind the other, and the transform takes them all.
        self.columns.process_with_scratch(half, scratch);
        half
    }
}

/// Transforms pairs of real maps of one size, where only the sum of their powers is wanted.
///
/// With `Z` the transform of `a + i b`, `|Z[k]|^2 + |Z[-k]|^2 = 2 (|A[k]|^2 + |B[k]|^2)`: nothing has
/// to be taken apart before it is summed.
#[derive(Clone)]
pub(crate) struct PairFft2 {
    pub(crate) size: Size,
    rows: Arc<dyn Fft<f64>>,
    columns: Arc<dyn Fft<f64>>,
}

/// Memory for one pair.
pub(crate) struct Pair {
    /// `a + i b`, row by row; what the last pair was is overwritten.
    pub(crate) map: Vec<Complex<f64>>,
    turned: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
}

impl fmt::Debug for PairFft2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PairFft2({} x {})", self.size.height, self.size.width)
    }
}

impl PairFft2 {
    pub(crate) fn new(size: Size) -> PairFft2 {
        let mut planner = FftPlanner::new();
        let rows = planner.plan_fft_forward(size.width);
        PairFft2 { size, rows, columns: planner.plan_fft_forward(size.height) }
    }

    pub(crate) fn pair(&self) -> Pair {
        let zero = Complex::new(0.0, 0.0);
        let scratch =
            self.rows.get_inplace_scratch_len().max(self.columns.get_inplace_scratch_len());
        let pixels = self.size.width * self.size.height;
        Pair { map: vec![zero; pixels], turned: vec![zero; pixels], scratch: vec![zero; scratch] }
    }

    /// Adds `|Z[u, v]|^2` at `v * height + u` for every `u` and `v`.
    pub(crate) fn add_power(&self, pair: &mut Pair, sums: &mut [f64]) {
        let Pair { map, turned, scratch } = pair;
        self.rows.process_with_scratch(map, scratch);
        turn(map, self.size, turned);
        self.columns.process_with_scratch(turned, scratch);
        for (sum, value) in sums.iter_mut().zip(turned) {
            *sum += value.norm_sqr();
        }
    }

    /// From such sums to the sums of the maps' powers in the half plane `v` in `0..=width / 2`.
    pub(crate) fn half(&self, sums: &[f64]) -> Vec<f64> {
        let Size { height, width } = self.size;
        let at = |v: usize, u: usize| sums[v * height + u];
        let places = (0..=width / 2).flat_map(|v| (0..height).map(move |u| (v, u)));
        places
            .map(|(v, u)| 0.5 * (at(v, u) + at((width - v) % width, (height - u) % height)))
            .collect()
    }
}

/// Rows to columns, a block at a time so that what is read and what is written stays near.
fn turn(map: &[Complex<f64>], Size { height, width }: Size, turned: &mut [Complex<f64>]) {
    const BLOCK: usize = 8;
    for top in (0..height).step_by(BLOCK) {
        for left in (0..width).step_by(BLOCK) {
            let rows = top..(top + BLOCK).min(height);
            for x in left..(left + BLOCK).min(width) {
                let column = &mut turned[x * height..][rows.clone()];
                for (to, y) in column.iter_mut().zip(rows.clone()) {
                    *to = map[y * width + x];
                }
            }
        }
    }
}

/// Element `v` of the transforms of `a` and `b`, both real, from the transform of `a + i b`.
pub(crate) fn separate(pair: &[Complex<f64>], v: usize) -> (Complex<f64>, Complex<f64>) {
    let here = pair[v];
    let there = pair[(pair.len() - v) % pair.len()].conj();
    let (sum, difference) = (here + there, here - there);
    // The difference is 2 i times the transform of `b`.
    (sum * 0.5, Complex::new(difference.im * 0.5, -difference.re * 0.5))
}

/// A quantity that is the same at `(u, v)` and `(-u, -v)`, from its computed half (column-major) to
/// the whole map with frequency zero at `[height / 2, width / 2]`.
pub(crate) fn centred(half: &[f64], size: Size) -> ndarray::Array2<f64> {
    let Size { height, width } = size;
    ndarray::Array2::from_shape_fn((height, width), |(i, j)| {
        let u = (i + height - height / 2) % height;
        let v = (j + width - width / 2) % width;
        if v <= width / 2 {
            half[v * height + u]
        } else {
            half[(width - v) * height + (height - u) % height]
        }
    })
}
