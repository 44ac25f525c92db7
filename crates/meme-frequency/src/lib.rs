//! Frequency analysis of images and feature maps: relative log amplitude, radial power, Wiener response.
