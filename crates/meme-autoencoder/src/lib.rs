//! First stages of latent diffusion: VQ, KL, space-to-depth and identity.
