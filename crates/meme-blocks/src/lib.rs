//! Denoiser networks: LDM U-Nets, iFormer inception mixers, and their exact parameter and MAC counts.
