//! The numbers of the paper, each with how sure we are of it.
//!
//! The paper is "Multi-Architecture Multi-Expert Diffusion Models" (Lee, Kim, Go, Jeong, Oh, Choi;
//! AAAI 2024, arXiv 2306.04990). There is no public code. **\[reported\]** means read in a secondary
//! summary of the paper and consistent with everything else; **\[fitted\]** a reconstruction that is
//! consistent with what is reported; **\[ours\]** our own choice where the paper says nothing.

use crate::error::Error;

/// How many experts share the timesteps: N. **\[reported\]**
pub const EXPERTS: usize = 4;

/// How many timesteps there are: T. **\[reported\]**
pub const STEPS: usize = 1000;

/// The probability with which experts 1 to 4 are trained on their own interval; otherwise they see
/// the whole range. **\[reported\]**; that "otherwise" means the whole range and not the other
/// intervals is **\[fitted\]**.
pub const SOFT_P: [f64; EXPERTS] = [0.8, 0.4, 0.2, 0.1];

/// The p of the constant assignment in the ablation: the paper's value is unknown, this is the mean
/// of [`SOFT_P`]. **\[ours\]**
pub const CONSTANT_P: f64 = 0.375;

/// The soft assignment's p for any number of experts: [`SOFT_P`] for four, which is geometric from
/// 0.8 to 0.1 **\[reported\]**; for other numbers the same two ends and a geometric sequence
/// between, rounded to two digits, and 1 for an expert that is alone **\[ours\]**. So two experts
/// get 0.8 and 0.1, six get 0.8, 0.53, 0.35, 0.23, 0.15 and 0.1.
///
/// # Errors
/// [`Error::NoExperts`].
pub fn default_p(experts: usize) -> Result<Vec<f64>, Error> {
    let [first, .., last] = SOFT_P;
    match experts {
        0 => Err(Error::NoExperts),
        1 => Ok(vec![1.0]),
        _ => {
            let value = |position: usize| {
                let share = position as f64 / (experts - 1) as f64;
                (first * (last / first).powf(share) * 100.0).round() / 100.0
            };
            Ok((0..experts).map(value).collect())
        }
    }
}
