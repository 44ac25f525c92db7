//! Attention in time linear in the positions (Shen et al., arXiv 1812.01243).

use meme_torch::tch::Tensor;

use crate::error::Result;

/// `softmax(q) (softmax(k)^T v)`: queries over the numbers of a head, keys over the positions, so that the weights
/// which position i gives to all j, `softmax(q)_i . softmax(k)_j`, are positive and add up to 1.
///
/// Each [B, heads, N, D], the result too.
pub(crate) fn linear_attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let q = q.f_softmax(-1, None)?; // [B, heads, N, D]
    let k = k.f_softmax(-2, None)?; // [B, heads, N, D]
    // A copy, since a view would keep queries and keys in memory with it.
    let v = v.f_contiguous()?;
    let summary = k.f_transpose(-2, -1)?.f_matmul(&v)?; // [B, heads, D, D]
    Ok(q.f_matmul(&summary)?) // [B, heads, N, D]
}
