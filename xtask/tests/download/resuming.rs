//! Downloads that break off and go on.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::sandbox::{Sandbox, bytes};
use crate::server::{Cut, Reply, Server};

fn one_file(server: &Server) -> Sandbox {
    Sandbox::new(&format!("[[source.files]]\npath = 'a.bin'\nurls = ['{}']\n", server.url("a.bin")))
}

#[test]
fn a_connection_that_drops_again_and_again_is_resumed_where_it_broke() {
    let body = bytes(500_000);
    let sent = body.clone();
    // 100,000 bytes at a time, as a tired host does.
    let server = Server::start(move |request, _| {
        Reply::good(request, &sent, "\"1\"").cut(100_000, Cut::HangUp)
    });
    let sandbox = one_file(&server);
    sandbox.download(&[]).succeeded().saying(&["the connection", "trying again"]);
    assert!(sandbox.read("a.bin") == body);
    assert_eq!(sandbox.names(), ["a.bin"]);
    let requests = server.requests();
    let asked: Vec<Option<usize>> = requests.iter().map(crate::server::Request::from).collect();
    assert_eq!(asked, [None, Some(100_000), Some(200_000), Some(300_000), Some(400_000)]);
    assert_eq!(requests[1].header("if-range"), Some("\"1\""));
}

#[test]
fn an_interrupted_download_leaves_a_part_and_the_next_run_goes_on_from_it() {
    let body = bytes(300_000);
    let sent = body.clone();
    let server = Server::start(move |request, before| {
        let reply = Reply::good(request, &sent, "\"1\"");
        if before == 0 { reply.cut(120_000, Cut::Silence) } else { reply }
    });
    let sandbox = one_file(&server);
    let mut command = sandbox.command(&["thing", "--accept-licence", "--patience", "60"]);
    let mut child = command.spawn().unwrap();
    let part = sandbox.file("a.bin.part");
    let began = Instant::now();
    while std::fs::metadata(&part).map_or(0, |part| part.len()) < 120_000 {
        assert!(began.elapsed() < Duration::from_secs(60), "no part appears");
        std::thread::sleep(Duration::from_millis(10));
    }
    // What Ctrl-C sends.
    let interrupted =
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(child.wait().unwrap().code(), None, "it was ended by the signal");
    assert_eq!(sandbox.names(), ["a.bin.part", "a.bin.part.json"]);

    sandbox.download(&[]).succeeded();
    assert!(sandbox.read("a.bin") == body);
    assert_eq!(sandbox.names(), ["a.bin"]);
    assert_eq!(server.requests()[1].from(), Some(120_000));
}

#[test]
fn a_file_that_changed_meanwhile_is_downloaded_anew_and_never_mixed() {
    let (old, new) = (bytes(200_000), bytes(210_000).into_iter().rev().collect::<Vec<u8>>());
    let now = new.clone();
    let server = Server::start(move |request, before| {
        if before == 0 {
            Reply::good(request, &old, "\"old\"").cut(50_000, Cut::HangUp)
        } else {
            Reply::good(request, &now, "\"new\"")
        }
    });
    let sandbox = one_file(&server);
    sandbox.download(&[]).succeeded().saying(&["begins again"]);
    assert!(sandbox.read("a.bin") == new);
    assert_eq!(server.requests()[1].header("if-range"), Some("\"old\""));
}

#[test]
fn a_host_that_ignores_if_range_and_sends_the_rest_of_another_version_is_caught() {
    let (old, new) = (bytes(200_000), bytes(210_000).into_iter().rev().collect::<Vec<u8>>());
    let now = new.clone();
    let server = Server::start(move |request, before| match (before, request.from()) {
        (0, _) => Reply::good(request, &old, "\"old\"").cut(50_000, Cut::HangUp),
        (_, Some(from)) => {
            let rest = Reply::whole(&now[from..]).with("ETag: \"new\"");
            rest.partial(from, now.len())
        }
        _ => Reply::good(request, &now, "\"new\""),
    });
    let sandbox = one_file(&server);
    sandbox.download(&[]).succeeded().saying(&["of another version"]);
    assert!(sandbox.read("a.bin") == new);
}

#[test]
fn a_host_that_refuses_ranges_sends_everything_again() {
    let body = bytes(200_000);
    let sent = body.clone();
    let server = Server::start(move |_, before| {
        let reply = Reply::whole(&sent).with("ETag: \"1\"");
        if before == 0 { reply.cut(150_000, Cut::HangUp) } else { reply }
    });
    let sandbox = one_file(&server);
    sandbox.download(&[]).succeeded().saying(&["begins again"]);
    assert!(sandbox.read("a.bin") == body);
}

#[test]
fn bytes_without_a_version_are_kept_only_where_a_checksum_is_published() {
    let body = bytes(200_000);
    let sent = body.clone();
    // No ETag, no date.
    let server = Server::start(move |request, before| {
        let reply = match request.from() {
            Some(from) => Reply::whole(&sent[from..]).partial(from, sent.len()),
            None => Reply::whole(&sent),
        };
        if before % 2 == 0 { reply.cut(50_000, Cut::HangUp) } else { reply }
    });
    let sandbox = one_file(&server);
    sandbox.download(&[]).succeeded();
    assert_eq!(server.requests()[1].from(), None, "nothing says that it is still the same file");

    let url = server.url("a.bin");
    let sum = crate::lists::sha256(&body);
    let sandbox = Sandbox::new(&format!(
        "[[source.files]]\npath = 'a.bin'\nurls = ['{url}']\npublished = {{ sha256 = '{sum}' }}\n"
    ));
    sandbox.download(&[]).succeeded();
    assert_eq!(server.requests()[3].from(), Some(50_000));
    assert!(sandbox.read("a.bin") == body);
}

#[test]
fn a_silent_host_is_given_up_and_asked_again() {
    let body = bytes(100_000);
    let sent = body.clone();
    let server = Server::start(move |request, before| {
        let reply = Reply::good(request, &sent, "\"1\"");
        if before == 0 { reply.cut(30_000, Cut::Silence) } else { reply }
    });
    let sandbox = one_file(&server);
    sandbox.download(&[]).succeeded().saying(&["the connection broke after 30.0 kB of 100.0 kB"]);
    assert!(sandbox.read("a.bin") == body);
    assert_eq!(server.requests()[1].from(), Some(30_000));
}

#[test]
fn a_file_cut_short_on_the_host_does_not_keep_what_it_no_longer_has() {
    let body = bytes(100_000);
    let (long, short) = (body.clone(), body[..60_000].to_vec());
    let server = Server::start(move |request, before| {
        if before == 0 {
            Reply::good(request, &long, "\"1\"").cut(80_000, Cut::HangUp)
        } else {
            Reply::good(request, &short, "\"1\"")
        }
    });
    let sandbox = one_file(&server);
    sandbox.download(&[]).succeeded().saying(&["fewer bytes than were downloaded"]);
    assert!(sandbox.read("a.bin") == body[..60_000]);
}
