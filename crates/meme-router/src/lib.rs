//! Which expert owns which diffusion timestep: intervals, soft assignment, routing of mixed batches.
