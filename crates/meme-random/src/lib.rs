//! Counter-based random numbers: every draw is a pure function of (seed, purpose, expert, image).
