//! Multi-architecture multi-expert diffusion (MEME): experiments, training, sampling, evaluation, reports.
