//! The number types that features are kept in.

use ndarray::{Array2, ArrayView2};

/// A number of a feature row: `f32`, in which networks compute, or `f64`. Whatever rows are kept
/// in, they are computed with in float64.
pub trait Feature: Copy + Into<f64> + From<f32> + Send + Sync + 'static {}

impl Feature for f32 {}
impl Feature for f64 {}

/// Rows in float64.
pub(crate) fn widen<A: Feature>(rows: ArrayView2<'_, A>) -> Array2<f64> {
    rows.mapv(Into::into)
}
