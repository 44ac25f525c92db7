//! Images from folders, archives or drawn from a seed: decoding, cropping, ordering, memory-mapped caches.
