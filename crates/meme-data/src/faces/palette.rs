//! Colours: what pigments people, their hair and their clothes come in.

use super::dice::Dice;
use super::numeric::{V3, v3};

/// The linear colour of an sRGB triple.
pub(super) fn srgb(red: u8, green: u8, blue: u8) -> V3 {
    v3(
        linear(f32::from(red) / 255.0),
        linear(f32::from(green) / 255.0),
        linear(f32::from(blue) / 255.0),
    )
}

/// sRGB's transfer function (IEC 61966-2-1), from coded to linear.
fn linear(coded: f32) -> f32 {
    if coded <= 0.040_45 { coded / 12.92 } else { libm::powf((coded + 0.055) / 1.055, 2.4) }
}

/// Straight lines between colours, `t` in 0..1 over the whole list.
pub(super) fn ramp(colours: &[[u8; 3]], t: f32) -> V3 {
    let last = colours.len() - 1;
    let at = (t * last as f32).clamp(0.0, last as f32);
    let index = (at as usize).min(last - 1);
    let colour = |k: usize| srgb(colours[k][0], colours[k][1], colours[k][2]);
    colour(index).mix(colour(index + 1), at - index as f32)
}

/// Skin, from very light to very dark.
pub(super) fn skin(melanin: f32, dice: &mut Dice) -> V3 {
    let base = ramp(
        &[
            [243, 208, 187],
            [232, 188, 160],
            [214, 164, 130],
            [188, 134, 100],
            [150, 100, 72],
            [110, 72, 51],
            [78, 51, 38],
        ],
        melanin,
    );
    // Redder or yellower by a little.
    let warm = dice.bell(0.05);
    v3(base.x * (1.0 + 0.4 * warm), base.y * (1.0 - 0.3 * warm), base.z * (1.0 - 1.2 * warm))
}

/// Natural hair colours; dark ones are the rule for dark skin, grey comes with age.
pub(super) fn hair(melanin: f32, age: f32, dice: &mut Dice) -> V3 {
    if dice.unit() < (age - 0.35) * 1.6 {
        return ramp(&[[92, 88, 86], [150, 147, 144], [214, 211, 206]], dice.unit());
    }
    if dice.chance(0.025) {
        return dice.pick([srgb(150, 60, 110), srgb(70, 90, 150), srgb(160, 50, 50)]);
    }
    let light = (1.0 - 1.5 * melanin).max(0.0);
    let kinds = [
        (1.0, ramp(&[[22, 18, 17], [44, 31, 25]], dice.unit())),
        (0.9, ramp(&[[52, 35, 26], [84, 56, 38]], dice.unit())),
        (0.25 + 0.9 * light, ramp(&[[96, 64, 42], [134, 94, 60]], dice.unit())),
        (0.9 * light, ramp(&[[168, 126, 80], [222, 186, 128]], dice.unit())),
        (0.35 * light, ramp(&[[122, 52, 26], [178, 90, 44]], dice.unit())),
    ];
    let weights = kinds.map(|(weight, _)| weight);
    kinds[dice.weighted(&weights)].1
}

/// The colour that dyed hair had before: what brows and beards keep. Natural colours stay.
pub(super) fn undyed(hair: V3) -> V3 {
    let cold = hair.x < hair.y.max(hair.z);
    let pink = hair.z > 0.95 * hair.y && hair.x > 1.6 * hair.z;
    if cold || pink { srgb(58, 42, 34) } else { hair }
}

/// Irises.
pub(super) fn iris(melanin: f32, dice: &mut Dice) -> V3 {
    let light = (1.0 - 2.0 * melanin).max(0.0);
    let kinds = [
        (1.0, srgb(64, 38, 22)),
        (0.5 + 0.3 * light, srgb(104, 66, 34)),
        (0.6 * light, srgb(118, 100, 52)),
        (0.9 * light, srgb(84, 120, 150)),
        (0.5 * light, srgb(84, 116, 84)),
        (0.4 * light, srgb(120, 130, 136)),
    ];
    let weights = kinds.map(|(weight, _)| weight);
    kinds[dice.weighted(&weights)].1
}

/// Fabrics: mostly quiet, sometimes strong.
pub(super) fn fabric(dice: &mut Dice) -> V3 {
    const QUIET: [[u8; 3]; 12] = [
        [38, 42, 54],
        [228, 226, 220],
        [84, 88, 94],
        [24, 24, 27],
        [120, 104, 90],
        [66, 84, 112],
        [150, 158, 166],
        [92, 62, 52],
        [70, 82, 66],
        [196, 184, 164],
        [44, 62, 92],
        [110, 40, 44],
    ];
    const STRONG: [[u8; 3]; 8] = [
        [176, 44, 48],
        [40, 92, 160],
        [210, 150, 50],
        [44, 120, 96],
        [190, 100, 120],
        [112, 72, 140],
        [218, 120, 66],
        [90, 160, 180],
    ];
    let [r, g, b] = if dice.chance(0.68) { dice.pick(QUIET) } else { dice.pick(STRONG) };
    srgb(r, g, b) * dice.range(0.85, 1.15)
}
