//! Counts against the table of the method (which the published baselines fix) and against PyTorch.

mod support;

use meme_blocks::count;
use support::{EXPERTS, inception, ldm};

#[test]
fn every_network_of_the_paper_counts_exactly() {
    let table = [
        ("LDM-L", ldm(224), 274_056_163, 101_200_031_744, 96_017_969_152),
        ("LDM-S", ldm(128), 89_535_619, 34_326_118_400, 31_364_939_776),
        ("expert 1", inception(EXPERTS[0]), 82_511_235, 30_064_459_776, 29_845_307_392),
        ("expert 2", inception(EXPERTS[1]), 82_708_355, 30_074_408_960, 29_837_692_928),
        ("expert 3", inception(EXPERTS[2]), 82_961_795, 30_170_341_376, 29_781_843_968),
        ("expert 4", inception(EXPERTS[3]), 83_273_603, 30_206_504_960, 29_800_443_904),
        ("iU-LDM-S", inception([2, 4, 4, 4]), 82_597_251, 30_157_062_144, 29_778_526_208),
    ];
    for (name, architecture, parameters, macs, without) in table {
        let count = count(&architecture, 64, 64).unwrap();
        assert_eq!(count.parameters, parameters, "{name}: parameters");
        assert_eq!(count.macs, macs, "{name}: MACs");
        assert_eq!(count.macs_without_attention, without, "{name}: MACs without attention");
    }
}
