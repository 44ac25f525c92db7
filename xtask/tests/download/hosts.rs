//! Hosts that lie, hosts that are down, and the order in which they are asked.

use crate::lists::{md5, sha256};
use crate::sandbox::{Sandbox, bytes};
use crate::server::{Cut, Reply, Server};

/// A source with one file, its hosts in this order.
fn mirrored(urls: &[String], published: &str) -> Sandbox {
    let urls = urls.iter().map(|url| format!("'{url}'")).collect::<Vec<_>>().join(", ");
    Sandbox::new(&format!(
        "[[source.files]]\npath = 'a.bin'\nurls = [{urls}]\npublished = {{ {published} }}\n"
    ))
}

fn good(body: &[u8]) -> Server {
    let body = body.to_vec();
    Server::start(move |request, _| Reply::good(request, &body, "\"1\""))
}

#[test]
fn a_host_that_has_not_got_it_is_left_at_once_for_the_next_one() {
    let body = bytes(10_000);
    let (gone, here) = (Server::start(|_, _| Reply::status("404 Not Found")), good(&body));
    let sandbox = mirrored(&[gone.url("a"), here.url("b")], "");
    sandbox.download(&[]).succeeded().saying(&["answered 404"]);
    assert!(sandbox.read("a.bin") == body);
    assert_eq!((gone.requests().len(), here.requests().len()), (1, 1));
}

#[test]
fn a_busy_host_is_asked_again_and_then_left() {
    let body = bytes(10_000);
    let (busy, here) =
        (Server::start(|_, _| Reply::status("503 Service Unavailable")), good(&body));
    let sandbox = mirrored(&[busy.url("a"), here.url("b")], "");
    sandbox.download(&["--tries", "3"]).succeeded().saying(&["answered 503"]);
    assert_eq!((busy.requests().len(), here.requests().len()), (3, 1));
}

#[test]
fn a_busy_host_that_recovers_is_enough() {
    let body = bytes(10_000);
    let sent = body.clone();
    let host = Server::start(move |request, before| {
        if before == 0 {
            Reply::status("429 Too Many Requests").with("Retry-After: 3600")
        } else {
            Reply::good(request, &sent, "\"1\"")
        }
    });
    let sandbox = mirrored(&[host.url("a")], "");
    sandbox.download(&[]).succeeded().saying(&["answered 429"]);
    assert!(sandbox.read("a.bin") == body);
}

#[test]
fn wrong_bytes_are_dropped_and_the_next_host_is_asked() {
    let body = bytes(10_000);
    let mut other = body.clone();
    other[5_000] ^= 1;
    for published in [format!("md5 = '{}'", md5(&body)), format!("sha256 = '{}'", sha256(&body))] {
        let (liar, here) = (good(&other), good(&body));
        let sandbox = mirrored(&[liar.url("a"), here.url("b")], &published);
        sandbox
            .download(&[])
            .succeeded()
            .saying(&["what it sends is another file", "as published"]);
        assert!(sandbox.read("a.bin") == body);
        assert_eq!(here.requests()[0].from(), None);
    }
}

#[test]
fn a_checksum_that_begins_otherwise_than_the_name_promises_is_refused() {
    let body = bytes(10_000);
    let host = good(&body);
    let begins = sha256(&body)[..8].to_owned();
    mirrored(&[host.url("a")], &format!("sha256_begins = '{begins}'")).download(&[]).succeeded();
    let wrong = mirrored(&[host.url("a")], "sha256_begins = '00112233'");
    wrong.download(&[]).failed_saying(&["begins with 00112233"]);
    assert_eq!(wrong.names(), [""; 0]);
}

#[test]
fn a_length_other_than_the_published_one_is_noticed_before_anything_is_downloaded() {
    let body = bytes(10_000);
    let host = good(&body);
    let sandbox = mirrored(&[host.url("a")], "size = 10001");
    sandbox.download(&[]).failed_saying(&["it has 10000 bytes there, 10001 were published"]);
    assert_eq!(sandbox.names(), [""; 0]);
}

#[test]
fn a_host_that_announces_more_than_it_sends_never_yields_a_file() {
    let body = bytes(10_000);
    let host = Server::start(move |_, _| Reply::whole(&body).announcing(20_000));
    let sandbox = mirrored(&[host.url("a")], "");
    sandbox
        .download(&["--tries", "2"])
        .failed_saying(&["after 10.0 kB of 20.0 kB", "Ask a friend."]);
    assert!(!sandbox.file("a.bin").exists());
}

#[test]
fn a_host_that_announces_less_than_it_sends_is_caught_by_the_checksum() {
    let body = bytes(10_000);
    let sum = sha256(&body);
    let host = Server::start(move |_, _| Reply::whole(&body).announcing(9_000));
    let sandbox = mirrored(&[host.url("a")], &format!("sha256 = '{sum}'"));
    sandbox.download(&[]).failed_saying(&["what it sends is another file"]);
    assert_eq!(sandbox.names(), [""; 0]);
}

#[test]
fn a_body_of_untold_length_is_taken_whole_or_not_at_all() {
    let body = bytes(10_000);
    let sent = body.clone();
    let host = Server::start(move |_, before| {
        let reply = Reply::chunked(&sent);
        if before == 0 { reply.cut(4_000, Cut::HangUp) } else { reply }
    });
    let sandbox = mirrored(&[host.url("a")], "");
    sandbox.download(&[]).succeeded();
    assert!(sandbox.read("a.bin") == body);
    assert_eq!(host.requests().len(), 2);
}

#[test]
fn redirects_are_followed_and_circles_are_not() {
    let body = bytes(10_000);
    let sent = body.clone();
    let host = Server::start(move |request, _| match request.path.as_str() {
        "/a" => Reply::redirect("/b"),
        "/b" => Reply::good(request, &sent, "\"1\""),
        _ => Reply::redirect("/circle"),
    });
    let sandbox = mirrored(&[host.url("circle"), host.url("a")], "");
    sandbox.download(&[]).succeeded().saying(&["/circle: "]);
    assert!(sandbox.read("a.bin") == body);
}

#[test]
fn a_web_page_in_place_of_the_file_is_not_taken_for_it() {
    let page = Server::start(|_, _| {
        Reply::whole(b"<html>quota exceeded</html>").with("Content-Type: text/html; charset=utf-8")
    });
    let sandbox = mirrored(&[page.url("a")], "");
    sandbox.download(&[]).failed_saying(&["answered with a web page"]);
    assert_eq!(sandbox.names(), [""; 0]);
}

#[test]
fn when_no_host_is_left_the_message_says_what_to_put_where() {
    let gone = Server::start(|_, _| Reply::status("404 Not Found"));
    // Port 9 of this machine answers nobody.
    let sandbox = mirrored(&[gone.url("a"), "http://127.0.0.1:9/b".into()], "");
    let target = sandbox.file("a.bin").display().to_string();
    sandbox.download(&["--tries", "2"]).failed_saying(&[
        "answered 404",
        "http://127.0.0.1:9/b",
        "By hand:",
        &target,
        "--from FILE",
        "HTTPS_PROXY",
        "Ask a friend.",
    ]);
    // And that works.
    std::fs::write(sandbox.file("a.bin"), bytes(100)).unwrap();
    sandbox.download(&[]).succeeded();
    assert!(sandbox.lock().contains("put there by hand"), "{}", sandbox.lock());
}

#[test]
fn a_proxy_is_used_where_one_is_named_and_not_where_it_is_excepted() {
    let body = bytes(10_000);
    let sent = body.clone();
    let proxy = Server::start(move |request, _| Reply::good(request, &sent, "\"1\""));
    // No resolver knows this name (RFC 2606): only the proxy can.
    let sandbox = mirrored(&["http://dataset.invalid/a.bin".into()], "");
    let mut through = sandbox.command(&["thing", "--accept-licence", "--tries", "1"]);
    let output = through.env("ALL_PROXY", &proxy.base).output().unwrap();
    crate::sandbox::ended(&output).succeeded();
    assert!(sandbox.read("a.bin") == body);
    assert!(!proxy.requests().is_empty());

    let sandbox = mirrored(&["http://dataset.invalid/a.bin".into()], "");
    let before = proxy.requests().len();
    let mut around = sandbox.command(&["thing", "--accept-licence", "--tries", "1"]);
    around.env("ALL_PROXY", &proxy.base).env("NO_PROXY", "dataset.invalid");
    crate::sandbox::ended(&around.output().unwrap()).failed_saying(&["dataset.invalid"]);
    assert_eq!(proxy.requests().len(), before);
}
