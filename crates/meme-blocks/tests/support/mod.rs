//! Descriptions of the paper's networks and readers of goldens, for the tests.
#![allow(dead_code, reason = "each test binary uses its own part")]

use meme_blocks::Architecture;

/// LDM's U-Net at a width.
pub fn ldm(width: usize) -> Architecture {
    read(&format!(
        r#"
        in_channels = 3
        out_channels = 3
        width = {width}
        channel_mult = [1, 2, 3, 4]
        res_blocks = 2
        head_dim = 32
        encoder = ["none", "attention", "attention", "attention"]
        middle = "attention"
        decoder = ["none", "attention", "attention", "attention"]
        "#
    ))
}

/// The inception U-Net with these high-frequency heads.
pub fn inception(high_heads: [usize; 4]) -> Architecture {
    read(&format!(
        r#"
        in_channels = 3
        out_channels = 3
        width = 128
        channel_mult = [1, 2, 3, 4]
        res_blocks = 2
        head_dim = 32
        encoder = ["mixer", "mixer", "mixer", "mixer"]
        middle = "mixer"
        decoder = ["none", "none", "none", "none"]

        [mixer]
        high_heads = {high_heads:?}
        middle_high_heads = {}
        pool = [2, 2, 1, 1]
        "#,
        high_heads[3]
    ))
}

/// The head tables of experts 1 to 4.
pub const EXPERTS: [[usize; 4]; 4] = [[3, 5, 6, 4], [3, 4, 5, 3], [2, 3, 4, 2], [2, 2, 3, 1]];

/// The same network for 16 x 16 x 12 inputs, a quarter as wide.
pub fn tiny(mut architecture: Architecture) -> Architecture {
    architecture.in_channels = 12;
    architecture.out_channels = 12;
    architecture.width = 32;
    architecture.head_dim = 8;
    architecture.norm_groups = 8;
    architecture.validate().expect("a tiny form of a valid description");
    architecture
}

pub fn read(text: &str) -> Architecture {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}
