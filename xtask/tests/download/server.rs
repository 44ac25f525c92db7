//! A host that does what a test wants.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first byte of `Range: bytes=N-`.
    pub(crate) fn from(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: &'static str,
    headers: Vec<String>,
    body: Vec<u8>,
    /// Bytes of the body after which the host goes silent or hangs up.
    cut: Option<(usize, Cut)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    HangUp,
    Silence,
}

impl Reply {
    pub(crate) fn status(status: &'static str) -> Self {
        let headers = vec!["Content-Length: 0".to_owned()];
        Reply { status, headers, body: Vec::new(), cut: None }
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Reply::status("302 Found").with(&format!("Location: {to}"))
    }

    /// The whole body.
    pub(crate) fn whole(body: &[u8]) -> Self {
        let headers = vec![format!("Content-Length: {}", body.len())];
        Reply { status: "200 OK", headers, body: body.to_vec(), cut: None }
    }

    /// The whole body in chunks, its length untold.
    pub(crate) fn chunked(body: &[u8]) -> Self {
        let mut chunks = format!("{:x}\r\n", body.len()).into_bytes();
        chunks.extend_from_slice(body);
        chunks.extend_from_slice(b"\r\n0\r\n\r\n");
        let headers = vec!["Transfer-Encoding: chunked".to_owned()];
        Reply { status: "200 OK", headers, body: chunks, cut: None }
    }

    /// The same answer as a piece of a longer body.
    pub(crate) fn partial(mut self, from: usize, length: usize) -> Self {
        self.status = "206 Partial Content";
        self.with(&format!("Content-Range: bytes {from}-{}/{length}", length - 1))
    }

    /// What a good host answers: the rest where a rest was asked for, if the version is still the same.
    pub(crate) fn good(request: &Request, body: &[u8], tag: &str) -> Self {
        let same = request.header("if-range").is_none_or(|wanted| wanted == tag);
        let reply = match request.from() {
            Some(from) if same && from < body.len() => {
                Reply::whole(&body[from..]).partial(from, body.len())
            }
            Some(_) if same => Reply::status("416 Range Not Satisfiable")
                .with(&format!("Content-Range: bytes */{}", body.len())),
            _ => Reply::whole(body),
        };
        reply.with(&format!("ETag: {tag}"))
    }

    pub(crate) fn with(mut self, header: &str) -> Self {
        self.headers.push(header.to_owned());
        self
    }

    /// The same answer, with another length in its head.
    pub(crate) fn announcing(mut self, length: usize) -> Self {
        self.headers.retain(|header| !header.starts_with("Content-Length"));
        self.with(&format!("Content-Length: {length}"))
    }

    pub(crate) fn cut(mut self, after: usize, cut: Cut) -> Self {
        self.cut = Some((after, cut));
        self
    }
}

type Handler = dyn Fn(&Request, usize) -> Reply + Send + Sync;

/// A host on a port of its own; it goes on answering until the test program ends.
pub(crate) struct Server {
    pub(crate) base: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `handler` receives each request and how many came before it.
    pub(crate) fn start(
        handler: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (handler, seen): (Arc<Handler>, _) = (Arc::new(handler), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                thread::spawn(move || converse(stream.unwrap(), &*handler, &seen));
            }
        });
        Server { base, requests }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// One request, one answer, as HTTP 1.1 allows with `Connection: close`. A CONNECT, as proxies get it, is agreed to, and
/// what follows is answered as if this host were the one that was meant.
fn converse(mut stream: TcpStream, handler: &Handler, seen: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let Some(request) = read(&mut reader) else { return };
        let before = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        if request.method == "CONNECT" {
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            continue;
        }
        let reply = handler(&request, before);
        let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", reply.status);
        for header in &reply.headers {
            head.push_str(&format!("{header}\r\n"));
        }
        head.push_str("\r\n");
        // A program that was killed or lost its patience does not read to the end.
        let _ = stream.write_all(head.as_bytes());
        let sent = reply.cut.map_or(reply.body.len(), |(after, _)| after.min(reply.body.len()));
        let _ = stream.write_all(&reply.body[..sent]);
        let _ = stream.flush();
        if let Some((_, Cut::Silence)) = reply.cut {
            thread::sleep(Duration::from_secs(60));
        }
        return;
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_lowercase(), value.trim().to_owned())),
            None => return Some(Request { method, path, headers }),
        }
    }
}
