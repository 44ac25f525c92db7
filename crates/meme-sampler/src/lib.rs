//! From noise to samples: samplers as functions over a denoiser, and the routed expert ensemble.
