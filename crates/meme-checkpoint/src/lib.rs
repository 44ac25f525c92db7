//! Weights at rest: strict safetensors, whole hashed checkpoint folders, nothing executed.
