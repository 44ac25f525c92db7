//! Built-in faces, drawn by code from a seed.
