//! Diffusion noise schedules, parametrisations, timestep grids and loss weights in float64.
