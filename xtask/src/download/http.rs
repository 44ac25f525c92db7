//! One request of one address: what was asked, what the host answered, and whether the two go together.

use std::io::Read as _;
use std::time::Duration;

use ureq::http::{Response, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::bar::{Bar, size};
use super::part::{self, Origin, Part};
use super::problem::{Problem, Result};
use super::source::Published;
use super::space;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 17;
/// Redirects that are followed.
const REDIRECTS: u32 = 10;

/// Why one attempt did not bring the whole file.
pub(crate) enum Setback {
    /// The same host may do better.
    Again { reason: String, wait: Option<Duration> },
    /// This host will not: ask the next one.
    Elsewhere(String),
    /// Nobody can help: the disk is full, or the like.
    Fatal(Problem),
}

impl From<Problem> for Setback {
    fn from(problem: Problem) -> Self {
        Setback::Fatal(problem)
    }
}

fn again(reason: impl Into<String>) -> Setback {
    Setback::Again { reason: reason.into(), wait: None }
}

/// What asks hosts. Proxies are those of the usual variables: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY.
pub(crate) fn agent(patience: Duration) -> Result<Agent> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(REDIRECTS)
        .user_agent(concat!("meme-xtask/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(patience))
        .timeout_connect(Some(patience))
        .timeout_recv_response(Some(patience))
        .timeout_per_read(Some(patience));
    if let Some(file) = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()) {
        let path = std::path::PathBuf::from(file);
        let pem = std::fs::read(&path).map_err(Problem::io("read", &path))?;
        let certificates: Vec<_> = ureq::tls::parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build();
        config = config.tls_config(tls);
    }
    Ok(config.build().new_agent())
}

/// Asks `url` for what `part` lacks, and appends it. `Ok` says that the host has sent all it announced.
pub(crate) fn attempt(
    agent: &Agent,
    url: &str,
    part: &Part,
    published: &Published,
    bar: &Bar,
) -> Result<(), Setback> {
    let (mut have, origin) = part.state();
    let origin = origin.unwrap_or_default();
    // Bytes of another address, or of a version without a name, may be those of another file; what is published tells
    // in the end whether the whole is right.
    let same_version = origin.url == url && origin.validator.is_some();
    if !same_version && !published.names_one_file() {
        have = 0;
    }
    if have > 0 && published.size.or(origin.total) == Some(have) {
        return Ok(()); // whole, but not yet verified
    }
    let mut request = agent.get(url).header(header::ACCEPT_ENCODING, "identity");
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
        if let Some(validator) = origin.validator.as_ref().filter(|_| same_version) {
            request = request.header(header::IF_RANGE, validator);
        }
    }
    // A redirect from a protected address to an open one is refused.
    let request = request.config().https_only(url.starts_with("https:")).build();
    let response = request.call().map_err(refused)?;
    let (keep, total) = judge(&response, have, &origin, same_version, part, bar)?;
    if let (Some(announced), Some(right)) = (total, published.size)
        && announced != right
    {
        return Err(Setback::Elsewhere(format!(
            "it has {announced} bytes there, {right} were published"
        )));
    }
    let total = total.or(published.size);
    space::check(part.path(), total.unwrap_or(0).saturating_sub(keep), "the download")?;
    let now = Origin { url: url.to_owned(), validator: validator(&response), total };
    bar.begin(keep, total);
    receive(response, part, keep, &now, bar)
}

/// Whether the answer can be used: from which byte it goes on, and how long the whole file is.
fn judge(
    response: &Response<Body>,
    have: u64,
    origin: &Origin,
    same_version: bool,
    part: &Part,
    bar: &Bar,
) -> Result<(u64, Option<u64>), Setback> {
    let status = response.status().as_u16();
    match status {
        200 | 206 if is_page(response) => Err(Setback::Elsewhere(
            "answered with a web page instead of the file (a limit, a login or a question)".into(),
        )),
        200 => {
            if have > 0 {
                bar.say("the host begins again: it keeps no ranges, or the file there has changed");
            }
            Ok((0, response.body().content_length()))
        }
        206 => {
            let Some((first, total)) = content_range(response) else {
                part.discard()?;
                return Err(again("answered with a piece of the file but not with which one"));
            };
            let other =
                same_version && validator(response).is_some_and(|v| Some(v) != origin.validator);
            let longer = total.zip(origin.total).is_some_and(|(now, before)| now != before);
            if first != have || other || longer {
                part.discard()?;
                return Err(again(format!(
                    "answered with bytes from {first} of another version, where {have} were to follow"
                )));
            }
            Ok((have, total))
        }
        416 => {
            part.discard()?;
            Err(again("has fewer bytes than were downloaded before; they are dropped"))
        }
        408 | 425 | 429 | 500..=599 => {
            let seconds = text(response, header::RETRY_AFTER).and_then(|s| s.parse().ok());
            let reason = format!("answered {}", response.status());
            Err(Setback::Again { reason, wait: seconds.map(Duration::from_secs) })
        }
        _ => Err(Setback::Elsewhere(format!("answered {}", response.status()))),
    }
}

/// Appends the body behind the first `keep` bytes of the part.
fn receive(
    response: Response<Body>,
    part: &Part,
    keep: u64,
    origin: &Origin,
    bar: &Bar,
) -> Result<(), Setback> {
    let mut file = part.append(keep, origin)?;
    let mut reader = response.into_body().into_reader();
    let mut buffer = vec![0; CHUNK];
    let mut have = keep;
    loop {
        let shown = || match origin.total {
            Some(total) => format!("after {} of {}", size(have), size(total)),
            None => format!("after {}", size(have)),
        };
        let count = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => return Err(again(format!("the connection broke {}: {error}", shown()))),
        };
        part::write(&mut file, &buffer[..count], part.path())?;
        have += count as u64;
        bar.add(count as u64);
        if origin.total.is_some_and(|total| have > total) {
            part.discard()?;
            return Err(Setback::Elsewhere("sends more bytes than the file has".into()));
        }
    }
    match origin.total {
        Some(total) if have < total => {
            Err(again(format!("the connection ended after {} of {}", size(have), size(total))))
        }
        _ => Ok(()),
    }
}

/// The first byte and the whole length that `Content-Range: bytes 5-9/10` tells; the length may be unknown (`*`).
fn content_range(response: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let value = text(response, header::CONTENT_RANGE)?;
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let first = range.split_once('-')?.0.trim().parse().ok()?;
    Some((first, total.trim().parse().ok()))
}

/// What names the version of a file: a strong ETag, else the date of its last change.
fn validator(response: &Response<Body>) -> Option<String> {
    let tag = text(response, header::ETAG).filter(|tag| !tag.starts_with("W/"));
    tag.or_else(|| text(response, header::LAST_MODIFIED))
}

fn is_page(response: &Response<Body>) -> bool {
    text(response, header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"))
}

fn text(response: &Response<Body>, name: header::HeaderName) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(|value| value.trim().to_owned())
}

/// Why no answer came.
fn refused(error: ureq::Error) -> Setback {
    match error {
        ureq::Error::HostNotFound => Setback::Elsewhere("there is no host of that name".into()),
        ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed | ureq::Error::BadUri(_) => {
            Setback::Elsewhere(error.to_string())
        }
        ureq::Error::Timeout(_) => again(format!("the host is silent ({error})")),
        other => again(other.to_string()),
    }
}
