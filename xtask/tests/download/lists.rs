//! Licences, records of first use, files from elsewhere, and lists that name more files.

use std::fs;
use std::sync::Arc;

use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::sandbox::{Sandbox, bytes, ended};
use crate::server::{Reply, Server};

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    digits(&Sha256::digest(bytes))
}

pub(crate) fn md5(bytes: &[u8]) -> String {
    digits(&Md5::digest(bytes))
}

fn host(body: &[u8]) -> Server {
    let body = body.to_vec();
    Server::start(move |request, _| Reply::good(request, &body, "\"1\""))
}

fn one_file(url: &str) -> String {
    format!("[[source.files]]\npath = 'a.bin'\nurls = ['{url}']\n")
}

#[test]
fn nothing_is_asked_for_before_the_licence_is_agreed_to() {
    let server = host(&bytes(100));
    let sandbox = Sandbox::new(&one_file(&server.url("a")));
    let refused = ended(&sandbox.command(&["thing"]).output().unwrap());
    refused.failed_saying(&["Free", "https://example.org", "Be kind.", "--accept-licence"]);
    assert!(server.requests().is_empty());
    assert!(!sandbox.path("data").exists());
}

#[test]
fn without_a_name_everything_is_listed_and_a_misspelt_one_is_recognised() {
    let sandbox = Sandbox::new(&one_file("http://127.0.0.1:9/a"));
    let listed = ended(&sandbox.command(&[]).output().unwrap()).succeeded();
    assert!(
        listed.stdout.contains("thing") && listed.stdout.contains("A thing"),
        "{}",
        listed.stdout
    );
    let misspelt = ended(&sandbox.command(&["thingy"]).output().unwrap());
    assert_eq!(misspelt.code, Some(2));
    assert!(misspelt.stderr.contains("did you mean `thing`?"), "{}", misspelt.stderr);
}

#[test]
fn the_second_run_asks_nobody() {
    let server = host(&bytes(100));
    let sandbox = Sandbox::new(&one_file(&server.url("a")));
    let first = sandbox.download(&[]).succeeded().saying(&["recorded, since none is published"]);
    assert_eq!(
        first.stdout.trim(),
        format!("use {}", sandbox.file("").display().to_string().trim_end_matches('/'))
    );
    sandbox.download(&[]).succeeded();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_file_that_differs_from_its_first_use_is_refused_until_the_record_is_removed() {
    let (first, second) = (bytes(1_000), bytes(2_000));
    let server = host(&first);
    let sandbox = Sandbox::new(&one_file(&server.url("a")));
    sandbox.download(&[]).succeeded();
    assert!(sandbox.lock().contains(&sha256(&first)) && sandbox.lock().contains("first use"));
    fs::remove_file(sandbox.file("a.bin")).unwrap();

    let server = host(&second);
    sandbox.list(&one_file(&server.url("a")));
    sandbox.download(&[]).failed_saying(&["at its first use", &sha256(&first), &sha256(&second)]);
    assert!(!sandbox.file("a.bin").exists());

    fs::remove_file(sandbox.path("data/download.lock")).unwrap();
    sandbox.download(&[]).succeeded();
    assert!(sandbox.read("a.bin") == second);
}

#[test]
fn a_changed_file_in_its_place_is_noticed() {
    let server = host(&bytes(1_000));
    let sandbox = Sandbox::new(&one_file(&server.url("a")));
    sandbox.download(&[]).succeeded();
    fs::write(sandbox.file("a.bin"), bytes(999)).unwrap();
    sandbox
        .download(&[])
        .failed_saying(&["a.bin", "it has 999 bytes, at its first use it had 1000"]);
    let mut flipped = bytes(1_000);
    flipped[500] ^= 1;
    fs::write(sandbox.file("a.bin"), flipped).unwrap();
    sandbox.download(&[]).succeeded();
    sandbox.download(&["--verify"]).failed_saying(&["a.bin", "its SHA-256 is"]);
}

#[test]
fn a_file_from_elsewhere_is_held_to_the_same_checksum() {
    let body = bytes(1_000);
    let published = format!("published = {{ md5 = '{}' }}\n", md5(&body));
    let files = one_file("http://127.0.0.1:9/a") + &published;
    let sandbox = Sandbox::new(&files);
    let (right, wrong) = (sandbox.path("right"), sandbox.path("wrong"));
    fs::write(&right, &body).unwrap();
    fs::write(&wrong, bytes(1_001)).unwrap();
    let wrong = wrong.to_str().unwrap();
    sandbox
        .download(&["--from", wrong])
        .failed_saying(&["wrong is not what it should be", "its MD5 is"]);
    assert_eq!(sandbox.names(), [""; 0]);
    sandbox.download(&["--from", right.to_str().unwrap()]).succeeded();
    assert!(sandbox.read("a.bin") == body);

    let server = host(&body);
    let sandbox = Sandbox::new(&files);
    sandbox.download(&["--from", &server.url("elsewhere/")]).succeeded();
    assert_eq!(server.requests()[0].path, "/elsewhere/a.bin");
}

#[test]
fn what_only_a_person_may_download_is_explained_and_verified() {
    let body = bytes(1_000);
    let sandbox = Sandbox::new(&format!(
        "[[source.files]]\npath = 'a.tar'\npublished = {{ md5 = '{}' }}\n",
        md5(&body)
    ));
    let missing = ended(&sandbox.command(&["thing"]).output().unwrap());
    missing.failed_saying(&["cannot be downloaded by a program", "a.tar", "Ask a friend."]);
    fs::write(sandbox.file("a.tar"), bytes(999)).unwrap();
    sandbox.download(&[]).failed_saying(&["a.tar is not what it should be", "its MD5 is"]);
    fs::write(sandbox.file("a.tar"), &body).unwrap();
    sandbox.download(&[]).succeeded().saying(&["verifying"]);
}

#[test]
fn two_downloads_into_one_folder_do_not_meet() {
    let sandbox = Sandbox::new(&one_file("http://127.0.0.1:9/a"));
    fs::create_dir_all(sandbox.path("data")).unwrap();
    let guard = fs::File::create(sandbox.path("data/.download.guard")).unwrap();
    guard.lock().unwrap();
    sandbox.download(&[]).failed_saying(&["another download is at work"]);
}

/// An index in the form of `ffhq-dataset-v2.json` over these pictures.
fn index(server: &Server, pictures: &[(&str, Vec<u8>)]) -> String {
    let entry = |(at, (path, body)): (usize, &(&str, Vec<u8>))| {
        format!(
            r#""{at}": {{"category": "training", "image": {{"file_url": "{}", "file_path": "{path}",
            "file_size": {}, "file_md5": "{}", "pixel_size": [8, 8]}}}}"#,
            server.url(path),
            body.len(),
            md5(body)
        )
    };
    format!("{{{}}}", pictures.iter().enumerate().map(entry).collect::<Vec<_>>().join(", "))
}

fn indexed(server: &Server) -> String {
    format!(
        "[[source.files]]\npath = 'index.json'\nurls = ['{}']\nindex = 'ffhq'\n",
        server.url("index.json")
    )
}

#[test]
fn every_picture_of_an_index_is_downloaded_verified_and_not_asked_for_again() {
    let pictures: Vec<(&str, Vec<u8>)> = vec![
        ("images/00000/00000.png", bytes(900)),
        ("images/00000/00001.png", bytes(1_100)),
        ("images/01000/01000.png", bytes(50)),
    ];
    let list: Arc<std::sync::OnceLock<String>> = Arc::default();
    let (served, text) = (pictures.clone(), Arc::clone(&list));
    let server = Server::start(move |request, _| {
        let path = request.path.trim_start_matches('/');
        let picture = served.iter().find(|(known, _)| *known == path);
        match picture {
            Some((_, body)) => Reply::good(request, body, "\"1\""),
            None => Reply::good(request, text.get().unwrap().as_bytes(), "\"1\""),
        }
    });
    list.set(index(&server, &pictures)).unwrap();
    let sandbox = Sandbox::new(&indexed(&server));
    sandbox.download(&["--connections", "2"]).succeeded().saying(&["3 files listed, 3 missing"]);
    for (path, body) in &pictures {
        assert!(sandbox.read(path) == *body, "{path}");
    }
    assert_eq!(server.requests().len(), 4);
    fs::remove_file(sandbox.file(pictures[1].0)).unwrap();
    sandbox.download(&[]).succeeded().saying(&["3 files listed, 1 missing"]);
    assert_eq!(server.requests().len(), 5);
    let mut flipped = pictures[2].1.clone();
    flipped[0] ^= 1;
    fs::write(sandbox.file(pictures[2].0), flipped).unwrap();
    sandbox.download(&["--verify"]).failed_saying(&["01000.png", "its MD5 is"]);
}

#[test]
fn an_index_cannot_write_outside_the_folder() {
    let list: Arc<std::sync::OnceLock<String>> = Arc::default();
    let text = Arc::clone(&list);
    let server = Server::start(move |request, _| {
        Reply::good(request, text.get().unwrap().as_bytes(), "\"1\"")
    });
    list.set(index(&server, &[("../../escaped.png", bytes(10))])).unwrap();
    let sandbox = Sandbox::new(&indexed(&server));
    sandbox.download(&[]).failed_saying(&["leads out of the folder"]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_list_that_makes_no_sense_is_refused_with_its_place() {
    for (files, named) in [
        ("[[source.files]]\npath = '../a'\n", "../a leads out of the folder"),
        ("[[source.files]]\npath = 'a'\npublished = { md5 = 'xyz' }\n", "is no checksum"),
        ("[[source.files]]\npath = 'a'\nmirror = ['x']\n", "unknown field `mirror`"),
    ] {
        Sandbox::new(files).download(&[]).failed_saying(&["sources.toml", named]);
    }
}
