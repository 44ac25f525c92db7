//! Colours of figures: told apart by people who see few colours, and in grey.

/// Okabe and Ito's palette in an order of falling contrast, mid-tones that show on both grounds.
const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8a00", "#888888"];
const DASHES: [&str; 4] = ["", "7 3", "2 3", "9 3 2 3"];

/// Points of the map `viridis` of Smith and van der Walt, evenly spaced: its lightness rises
/// evenly, so it reads the same in grey.
const VIRIDIS: [[u8; 3]; 10] = [
    [0x44, 0x01, 0x54],
    [0x48, 0x28, 0x78],
    [0x3e, 0x49, 0x89],
    [0x31, 0x68, 0x8e],
    [0x26, 0x82, 0x8e],
    [0x1f, 0x9e, 0x89],
    [0x35, 0xb7, 0x79],
    [0x6e, 0xce, 0x58],
    [0xb5, 0xde, 0x2b],
    [0xfd, 0xe7, 0x25],
];
/// As far up as lines on white can be seen.
const LIGHTEST_LINE: f64 = 0.85;

/// The colour of a share of 0 to 1, from dark to light.
pub(super) fn shade(share: f64) -> String {
    let place = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let below = (place as usize).min(VIRIDIS.len() - 2);
    let along = place - below as f64;
    let part = |channel: usize| {
        let (low, high) = (VIRIDIS[below][channel], VIRIDIS[below + 1][channel]);
        (f64::from(low) + along * (f64::from(high) - f64::from(low))).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", part(0), part(1), part(2))
}

/// Colour and dashes of line `number`; of `ordered` lines that many run from dark to light.
pub(super) fn line(number: usize, ordered: Option<usize>) -> (String, &'static str) {
    // Neighbours differ in dashes; the pattern moves on with every round of colours.
    let dashes = DASHES[(number + number / COLOURS.len()) % DASHES.len()];
    match ordered {
        None => (COLOURS[number % COLOURS.len()].to_owned(), dashes),
        Some(lines) => {
            let share = number as f64 / lines.saturating_sub(1).max(1) as f64;
            (shade(LIGHTEST_LINE * share), DASHES[number % 2])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LIGHTEST_LINE, line, shade};

    /// Luminance of the web's colour space, by the definition of sRGB.
    fn luminance(colour: &str) -> f64 {
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    #[test]
    fn shades_get_lighter_all_the_way_so_they_read_in_grey() {
        let steps: Vec<f64> = (0..=40).map(|i| luminance(&shade(f64::from(i) / 40.0))).collect();
        assert!(steps.windows(2).all(|pair| pair[1] > pair[0]), "{steps:?}");
        // A line must stand out from white by a contrast of 1.5 at least.
        assert!(1.05 / (luminance(&shade(LIGHTEST_LINE)) + 0.05) > 1.5);
    }

    #[test]
    fn neighbouring_lines_differ_in_more_than_colour() {
        for number in 0..30 {
            assert_ne!(line(number, None).1, line(number + 1, None).1);
        }
    }
}
