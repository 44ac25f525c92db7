//! One training loop for diffusion experts: exact resume, whole checkpoints, statistics, observers.
