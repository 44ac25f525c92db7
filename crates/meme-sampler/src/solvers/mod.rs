//! The samplers, one file each.

pub(crate) mod ddim;
pub(crate) mod ddpm;
pub(crate) mod dpm_solver;
pub(crate) mod euler;
pub(crate) mod heun;
pub(crate) mod unipc;

use crate::{Error, Result};

/// Refuses an option below zero or not finite.
pub(crate) fn at_least_zero(name: &'static str, value: f64) -> Result<()> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::Setting { name, value, allowed: "a number of at least 0" })
}
