//! The maximum of each pixel's neighbourhood.

use super::{ffi, maps};
use crate::error::{Context, Error};
use tch::Tensor;

/// The largest of the 3 x 3 pixels around each pixel, `[B, C, H, W]` to the same shape: a maximum
/// pooling of stride 1.
///
/// float32 and bfloat16 maps on the CPU go through a kernel of the shim that keeps its input for the
/// backward pass instead of an index for each value; of equal values the first in reading order
/// takes the gradient, as in libtorch. Results lie channels-last, and the number of threads changes
/// no bit. libtorch's own operator does the rest.
///
/// # Errors
/// [`Error::Torch`] for another number of dimensions.
pub fn max_pool_around(x: &Tensor) -> Result<Tensor, Error> {
    if !maps::known([x]) {
        let pooled = x.f_max_pool2d([3, 3], [1, 1], [1, 1], [1, 1], false);
        return pooled.during("maximum of neighbours");
    }
    // SAFETY: a live tensor; the shim writes one new handle.
    ffi::made("maximum of neighbours", |output| unsafe { ffi::meme_max_around(x.as_ptr(), output) })
}
