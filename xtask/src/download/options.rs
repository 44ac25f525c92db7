//! The words after `cargo xtask download`.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::Error;
use crate::usage;

const KNOWN: [&str; 8] = [
    "--to",
    "--from",
    "--accept-licence",
    "--verify",
    "--patience",
    "--tries",
    "--connections",
    "--sources",
];

/// What was asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    /// None: list what there is.
    pub(crate) name: Option<String>,
    pub(crate) to: Option<PathBuf>,
    pub(crate) from: Option<From>,
    pub(crate) accept_licence: bool,
    pub(crate) verify: bool,
    pub(crate) patience: Duration,
    pub(crate) tries: u32,
    pub(crate) connections: usize,
    pub(crate) sources: Option<PathBuf>,
}

/// Another place than the published ones.
#[derive(Debug, PartialEq)]
pub(crate) enum From {
    Url(String),
    Path(PathBuf),
}

impl Default for Options {
    fn default() -> Self {
        Options {
            name: None,
            to: None,
            from: None,
            accept_licence: false,
            verify: false,
            patience: Duration::from_secs(60),
            tries: 5,
            connections: 8,
            sources: None,
        }
    }
}

/// Reads the chore's arguments.
pub(crate) fn parse(arguments: &[String]) -> Result<Options, Error> {
    let mut options = Options::default();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let (option, inline) = match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value)),
            _ => (word.as_str(), None),
        };
        let mut value = || {
            let value = inline.map(str::to_owned).or_else(|| words.next().cloned());
            value.ok_or_else(|| Error::Usage(format!("{option} needs a value")))
        };
        match option {
            "--accept-licence" => options.accept_licence = true,
            "--verify" => options.verify = true,
            "--to" => options.to = Some(value()?.into()),
            "--sources" => options.sources = Some(value()?.into()),
            "--from" => {
                let place = value()?;
                let is_url = place.starts_with("http://") || place.starts_with("https://");
                options.from =
                    Some(if is_url { From::Url(place) } else { From::Path(place.into()) });
            }
            "--patience" => {
                options.patience =
                    Duration::from_secs_f64(number(option, &value()?, 0.01, 86_400.0)?);
            }
            "--tries" => options.tries = number(option, &value()?, 1.0, 1000.0)?.trunc() as u32,
            "--connections" => {
                options.connections = number(option, &value()?, 1.0, 64.0)?.trunc() as usize;
            }
            other if other.starts_with('-') => {
                return Err(Error::Usage(usage::unknown("option", other, &KNOWN)));
            }
            name if options.name.is_none() => options.name = Some(name.to_owned()),
            another => {
                return Err(Error::Usage(format!(
                    "one download at a time; `{another}` is the second"
                )));
            }
        }
    }
    Ok(options)
}

fn number(option: &str, text: &str, least: f64, most: f64) -> Result<f64, Error> {
    let found = text.parse().ok().filter(|number| (least..=most).contains(number));
    found.ok_or_else(|| {
        Error::Usage(format!("{option} {text}: give a number from {least} to {most}"))
    })
}

#[cfg(test)]
mod tests {
    use super::{From, Options, parse};
    use std::time::Duration;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_stand_before_and_after_the_name_and_take_values_both_ways() {
        let parsed =
            parse(&words("--to=x vq-f4 --accept-licence --patience 0.5 --from https://a/b"))
                .unwrap();
        let expected = Options {
            name: Some("vq-f4".into()),
            to: Some("x".into()),
            from: Some(From::Url("https://a/b".into())),
            accept_licence: true,
            patience: Duration::from_millis(500),
            ..Options::default()
        };
        assert_eq!(parsed, expected);
    }

    #[test]
    fn senseless_options_are_refused_by_name() {
        for (line, named) in [
            ("vq-f4 ffhq", "`ffhq` is the second"),
            ("--tries 0", "--tries 0: give a number"),
            ("--to", "--to needs a value"),
            ("--form x", "did you mean `--from`?"),
        ] {
            let said = parse(&words(line)).unwrap_err().to_string();
            assert!(said.contains(named), "{said}");
        }
    }
}
