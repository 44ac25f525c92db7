//! What libtorch has and tch lacks: named parameters, layers, AdamW, EMA, devices, deterministic noise.
