//! How good are generated images: feature networks, Frechet distance, KID, precision and recall.
