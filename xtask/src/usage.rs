//! What `--help` prints, and suggestions for words that nothing here is called by.

/// Every chore, in the order of the overview.
pub(crate) const COMMANDS: &[&str] = &["setup", "test", "ci", "download", "reproduce", "bench"];

pub(crate) const OVERVIEW: &str = "\
Chores of the workspace.

usage: cargo xtask <chore> [options]

  setup [--cpu|--cuda]   install libtorch 2.11.0 into the per-user cache and link it here
  test [--slow]          everything that must hold before a change lands
  ci                     the same, as an unattended machine runs it
  download NAME          public data and weights, verified; without NAME, what there is
  reproduce SUITE ...    set up, build, then `meme reproduce SUITE ...`
  bench [options]        our networks and the same ones in PyTorch, timed in turns

Each chore explains itself: cargo xtask <chore> --help
";

const SETUP: &str = "\
usage: cargo xtask setup [--cpu|--cuda]

Downloads libtorch 2.11.0 with pip, unpacks it into
${XDG_CACHE_HOME:-~/.cache}/meme/libtorch/2.11.0-{cpu,cuda} and links `.libtorch` of this
checkout to it. Nothing is installed into Python or the system; every checkout shares the
cache; when it is already there, this takes milliseconds. The other chores begin with it.

  --cpu    the CPU set: 0.5 GB to download, 1.2 GB on disk
  --cuda   the CUDA set, with NVIDIA's libraries: 2.5 GB to download, 4.0 GB on disk
  (none)   what this checkout is linked to; else CUDA where an NVIDIA driver is present, else CPU

A libtorch of your own is respected, if it is 2.11.0: set LIBTORCH to its folder, or
LIBTORCH_USE_PYTORCH=1 to use the PyTorch of the active Python.
";

const TEST: &str = "\
usage: cargo xtask test [--slow] [--only STEP,STEP...] [--dry-run]

Runs, in this order, and stops at the first that fails:
  setup, fmt, clippy, doc, build, tests, doctests, examples, smoke
All in the dev profile, so that nothing is built twice. Ends with the time of every step, and with
what the tests did to the code: processes killed, bits flipped, faults injected, hostile files read.

  --slow      also the tests that take minutes (sets MEME_SLOW=1, runs ignored tests)
  --only      just these steps, after setup where one of them needs libtorch (all but fmt)
  --dry-run   print the commands, run none

MEME_TEST_DATA, if set, names a folder with third-party test data; tests that want it are
skipped without it.
";

const CI: &str = "\
usage: cargo xtask ci [the options of test]

`cargo xtask test` as an unattended machine runs it: facts about the machine first, CI=true,
no colours, and Cargo.lock must not change.
";

const DOWNLOAD: &str = "\
usage: cargo xtask download [NAME] [options]

Downloads ffhq, celebahq, celeba, imagenet (instructions and verification), vq-f4, ldm-ffhq,
ldm-celebahq, inception or squeezenet into data/NAME, verifies and unpacks it. Without a
name it lists them. Stop it whenever you like: the same command goes on where it was.

  --accept-licence    agree to the licence, which is printed otherwise
  --to DIR            the folder of all downloads [default: data in the checkout]
  --from FILE|URL     take it from there instead; a folder or a URL that ends in / holds
                      the files under their names
  --verify            read again what is there, and compare every byte with what it was
  --patience SECONDS  how long a host may be silent, and the longest pause between tries [60]
  --tries N           tries in a row without a new byte before the next host is asked [5]
  --connections N     at once, where there are many small files [8]
  --sources FILE      a list of your own (xtask/src/download/sources.toml shows the form)

What a file was at its first use is recorded in download.lock beside the folders; a later
download that differs is refused. Proxies: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY;
certificates of your own: SSL_CERT_FILE. docs/data.md tells more.
";

const REPRODUCE: &str = "\
usage: cargo xtask reproduce SUITE [options of `meme reproduce`]

Sets up libtorch, builds `meme` in the release profile, and becomes `meme reproduce SUITE ...`:
its output, signals and exit code are the program's own. For its options:
  cargo xtask reproduce ffhq --help
";

const BENCH: &str = "\
usage: cargo xtask bench [--train] [--quick] [options]

Times our networks and the same ones in PyTorch 2.11 in turns, each in a process of its own, and
prints PyTorch's time over ours: above 1, ours is faster. PyTorch's networks are compared with
golden vectors first. Table and times go to target/bench. (Ours alone: cargo bench -p benches.)

  --train          a training step (forward, backward, AdamW, average) instead of a forward pass
  --quick          two networks, one batch, few rounds, no torch.compile: minutes, not an hour
  --networks A,B   of ldm-l, ldm-s, iu-ldm-s, meme-1 to meme-4 (all; training: ldm-s,meme-1)
  --batch N,N      images a pass (1,4; training: 8)
  --size N,N       sides of the square inputs (64; training: 32,64)
  --threads N      threads of each contestant (2)
  --rounds N       turns of each contestant (7)
  --scale NAME     paper, or tiny: a quarter as wide, to try this out
  --no-compile     leave torch.compile out, which takes a minute a network
  --python PATH    a Python that has torch 2.11, numpy, safetensors and perhaps diffusers
  --no-python      only our own times
  --out FOLDER     where the results go

Without --python, PyTorch is installed once into ${XDG_CACHE_HOME:-~/.cache}/meme/pytorch, by pip
and as pip is configured (2.7 GB to download from PyPI; 0.2 GB where PIP_INDEX_URL names PyTorch's
index of CPU builds). Where that cannot be done, the reason is said and only ours are timed.
";

/// The help text of a chore; `None` if there is no such chore.
pub(crate) fn of(command: &str) -> Option<&'static str> {
    Some(match command {
        "setup" => SETUP,
        "test" => TEST,
        "ci" => CI,
        "download" => DOWNLOAD,
        "reproduce" => REPRODUCE,
        "bench" => BENCH,
        _ => return None,
    })
}

/// Whether an argument is a request for help.
pub(crate) fn asks_for_help(argument: &str) -> bool {
    matches!(argument, "--help" | "-h")
}

/// Says that `word` is no known `kind`, and which known one was probably meant.
pub(crate) fn unknown(kind: &str, word: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(2));
    match nearest {
        Some((_, candidate)) => {
            format!("there is no {kind} `{word}`; did you mean `{candidate}`?")
        }
        None => format!("there is no {kind} `{word}`; there are: {}", known.join(", ")),
    }
}

/// Edit distance in characters; two neighbours that changed places count once (the optimal string
/// alignment distance).
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    // cost[i][j]: from the first i characters of left to the first j of right.
    let mut cost = vec![vec![0; right.len() + 1]; left.len() + 1];
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            cost[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let substituted = cost[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
                substituted.min(cost[i - 1][j] + 1).min(cost[i][j - 1] + 1)
            };
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                cost[i][j] = cost[i][j].min(cost[i - 2][j - 2] + 1);
            }
        }
    }
    cost[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::{COMMANDS, distance, of, unknown};

    #[test]
    fn edit_distances_agree_with_the_textbook() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("saturday", "sunday"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("ca", "abc"), 3); // 2 if a swapped pair could be edited further
        assert_eq!(distance("--cdua", "--cuda"), 1);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn a_near_miss_is_answered_with_the_chore_that_was_meant() {
        assert!(unknown("chore", "setpu", COMMANDS).contains("did you mean `setup`?"));
        assert!(unknown("chore", "reproduction", COMMANDS).contains("`reproduce`"));
    }

    #[test]
    fn a_word_like_nothing_is_answered_with_the_whole_list() {
        let said = unknown("chore", "zzzzzzzzzzzz", COMMANDS);
        assert!(COMMANDS.iter().all(|command| said.contains(command)), "{said}");
    }

    #[test]
    fn every_chore_explains_itself() {
        for command in COMMANDS {
            let text = of(command).unwrap();
            assert!(text.starts_with(&format!("usage: cargo xtask {command}")), "{text}");
        }
    }
}
