//! Rules about manifests: who depends on whom, and where versions stand.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::tree::{File, files, hold, line_of, root};

/// A member of the workspace.
pub(crate) struct Member {
    pub(crate) name: String,
    /// Relative to the root: `crates/meme`.
    pub(crate) folder: String,
    /// The manifest's path and text.
    file: File,
    manifest: toml::Table,
}

/// Every member, sorted by folder.
pub(crate) fn members() -> Vec<Member> {
    let manifests = files().into_iter().filter(|file| {
        file.path.ends_with("/Cargo.toml")
            && (file.path.starts_with("crates/") || file.path.matches('/').count() == 1)
    });
    manifests
        .map(|file| {
            let manifest: toml::Table = file.text.parse().unwrap();
            Member {
                name: manifest["package"]["name"].as_str().unwrap().to_owned(),
                folder: file.path.trim_end_matches("/Cargo.toml").to_owned(),
                file,
                manifest,
            }
        })
        .collect()
}

impl Member {
    /// The dependencies of one kind, by name.
    fn dependencies(&self, kind: &str) -> impl Iterator<Item = (&String, &toml::Value)> {
        self.manifest.get(kind).and_then(toml::Value::as_table).into_iter().flatten()
    }

    /// The names of what the crate itself is built from.
    fn built_from(&self) -> BTreeSet<String> {
        let kinds = ["dependencies", "build-dependencies"];
        kinds
            .iter()
            .flat_map(|kind| self.dependencies(kind))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// `path:line: what`, at the line that begins with `start`.
    fn at(&self, start: &str, what: &str) -> String {
        let line = line_of(&self.file.text, |line| {
            line.strip_prefix(start).is_some_and(|rest| rest.starts_with(['.', ' ', '=', ']']))
        });
        format!("{}:{line}: {what}", self.file.path)
    }
}

/// A row of the table of rooms.
struct Room {
    /// None for what stands beside the floors.
    floor: Option<u32>,
    /// The workspace's crates it may depend on.
    allowed: BTreeSet<String>,
    never: String,
    line: usize,
}

const TABLE: &str = "docs/architecture.md";

/// The table of rooms, by crate.
fn rooms() -> BTreeMap<String, Room> {
    let text = fs::read_to_string(root().join(TABLE)).unwrap();
    let mut rooms = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", floor, name, _, depends, never, ""] = cells[..] else { continue };
        let Some(name) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`')) else {
            continue;
        };
        let allowed = if matches!(depends, "every crate above" | "what it measures") {
            members().into_iter().map(|member| member.name).filter(|other| other != name).collect()
        } else {
            depends.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let room =
            Room { floor: floor.parse().ok(), allowed, never: never.to_owned(), line: at + 1 };
        assert!(rooms.insert(name.to_owned(), room).is_none(), "{TABLE}:{}: twice", at + 1);
    }
    rooms
}

#[test]
fn every_crate_has_its_row_in_the_table_of_rooms_and_every_row_its_crate() {
    let (members, rooms) = (members(), rooms());
    assert!(members.len() >= 15, "only {} members were seen", members.len());
    let mut broken: Vec<String> = members
        .iter()
        .filter(|member| !rooms.contains_key(&member.name))
        .map(|member| format!("{}:1: {} has no row in {TABLE}", member.file.path, member.name))
        .collect();
    broken.extend(
        rooms
            .iter()
            .filter(|(name, _)| !members.iter().any(|member| member.name == **name))
            .map(|(name, room)| format!("{TABLE}:{}: there is no crate {name}", room.line)),
    );
    hold("The table of rooms and the workspace name the same crates.", &broken);
}

#[test]
fn crates_depend_on_each_other_only_as_the_table_of_rooms_says() {
    let (members, rooms) = (members(), rooms());
    let names: BTreeSet<&String> = members.iter().map(|member| &member.name).collect();
    let mut broken = Vec::new();
    for member in &members {
        let Some(room) = rooms.get(&member.name) else { continue };
        for name in member.built_from().iter().filter(|name| names.contains(name)) {
            if !room.allowed.contains(name) {
                let what = format!("{} may not depend on {name} ({TABLE})", member.name);
                broken.push(member.at(name, &what));
            }
        }
    }
    hold("A crate depends on what its row in the table of rooms names; fewer is fine.", &broken);
}

#[test]
fn every_arrow_points_to_a_lower_floor() {
    let rooms = rooms();
    let mut broken = Vec::new();
    for (name, room) in &rooms {
        let Some(floor) = room.floor else { continue };
        for below in &room.allowed {
            let lower = rooms.get(below).and_then(|below| below.floor);
            // What stands beside the floors is nobody's dependency and needs no arrow.
            if lower.is_some_and(|lower| lower >= floor) {
                broken.push(format!("{TABLE}:{}: {name} rests on {below}, no lower", room.line));
            }
        }
    }
    hold("Every arrow of the table of rooms points to a lower floor.", &broken);
}

/// Every package that `member` is built from, all the way down: its own manifest and those of other
/// members say what they need; of anybody else's packages Cargo.lock says it, for all platforms and
/// features. So this is never less than what cargo builds.
fn tree(member: &Member, members: &[Member]) -> BTreeSet<String> {
    let lock: toml::Table = fs::read_to_string(root().join("Cargo.lock")).unwrap().parse().unwrap();
    let mut locked: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let list = package.get("dependencies").and_then(toml::Value::as_array);
        // An entry is a name, with the version and the source where more than one has it.
        let names = list.into_iter().flatten().filter_map(|name| name.as_str()?.split(' ').next());
        locked.entry(package["name"].as_str().unwrap()).or_default().extend(names);
    }
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = member.built_from().into_iter().collect();
    while let Some(name) = open.pop() {
        if !found.insert(name.clone()) {
            continue;
        }
        match members.iter().find(|member| member.name == name) {
            Some(member) => open.extend(member.built_from()),
            None => {
                let inside = locked.get(name.as_str());
                open.extend(inside.into_iter().flatten().map(|name| (*name).to_owned()));
            }
        }
    }
    found
}

#[test]
fn crates_that_never_touch_libtorch_have_it_nowhere_in_their_tree() {
    let (members, rooms) = (members(), rooms());
    let reaches = |member: &Member| {
        let tree = tree(member, &members);
        ["tch", "torch-sys"].into_iter().find(|name| tree.contains(*name))
    };
    let mut broken = Vec::new();
    let mut seen = Vec::new();
    for member in &members {
        if rooms.get(&member.name).is_some_and(|room| room.never.contains("libtorch")) {
            seen.push(member.name.as_str());
            if let Some(name) = reaches(member) {
                broken.push(format!("{}:1: {name} is in its tree", member.file.path));
            }
        }
    }
    for expected in ["meme-checkpoint", "meme-data", "meme-frequency", "meme-random", "meme-router"]
    {
        assert!(seen.contains(&expected), "{TABLE} lets {expected} touch libtorch");
    }
    // The same search finds what is there.
    let torch = members.iter().find(|member| member.name == "meme-sampler").unwrap();
    assert_eq!(reaches(torch), Some("tch"));
    hold("Crates that never touch libtorch build without it.", &broken);
}

const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

#[test]
fn versions_stand_only_in_the_root_table() {
    let mut broken = Vec::new();
    for member in members() {
        for (name, value) in KINDS.iter().flat_map(|kind| member.dependencies(kind)) {
            let table = value.as_table();
            let inherited = table
                .and_then(|table| table.get("workspace"))
                .is_some_and(|inherited| inherited.as_bool() == Some(true));
            let own = |key: &&str| table.is_some_and(|table| table.contains_key(*key));
            let others = ["version", "path", "git", "registry"];
            if !inherited || others.iter().any(own) {
                broken.push(member.at(name, &format!("write `{name}.workspace = true`")));
            }
        }
        if member.manifest.contains_key("target") {
            broken.push(member.at("[target", "dependencies by target have no place here yet"));
        }
        for key in ["version", "edition", "rust-version", "license"] {
            let inherited = member.manifest["package"].get(key).and_then(|v| v.get("workspace"));
            if inherited.and_then(toml::Value::as_bool) != Some(true) {
                broken.push(member.at("[package", &format!("write `{key}.workspace = true`")));
            }
        }
        let lints = member.manifest.get("lints").and_then(|lints| lints.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            broken.push(member.at("[package", "it lacks `[lints] workspace = true`"));
        }
    }
    hold("Versions, edition, licence and lints stand once, in the root Cargo.toml.", &broken);
}

#[test]
fn every_line_of_the_root_table_is_used_and_says_why_it_is_there() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let table = manifest["workspace"]["dependencies"].as_table().unwrap();
    let members = members();
    let mut broken = Vec::new();
    for (name, value) in table {
        let starts = |line: &str| line.starts_with(&format!("{name} = "));
        let line = line_of(&text, starts);
        let ours = value.get("path").is_some();
        let reason = text.lines().find(|line| starts(line)).and_then(|line| line.split_once(" # "));
        if !ours && reason.is_none() {
            broken.push(format!("Cargo.toml:{line}: say after ` # ` why {name} is there"));
        }
        let used = members.iter().any(|member| {
            KINDS.iter().any(|kind| member.dependencies(kind).any(|(used, _)| used == name))
        });
        // The facade at the top is there for others to depend on.
        if !used && name != "meme" {
            broken.push(format!("Cargo.toml:{line}: no crate uses {name}"));
        }
    }
    hold("Every line of the table of dependencies is used and says why it is there.", &broken);
}

#[test]
fn crates_name_only_dependencies_that_their_code_uses() {
    let files = files();
    let mut broken = Vec::new();
    for member in members() {
        let inside = |file: &&File| {
            let path = file.path.strip_prefix(&member.folder).and_then(|p| p.strip_prefix('/'));
            path.is_some() && matches!(file.extension(), "rs" | "cpp")
        };
        let code: Vec<&File> = files.iter().filter(inside).collect();
        for (name, _) in KINDS.iter().flat_map(|kind| member.dependencies(kind)) {
            let word = name.replace('-', "_");
            // A build script may need a crate only for what it tells about itself.
            if !code.iter().any(|file| file.text.contains(&word) || file.text.contains(name)) {
                broken.push(member.at(name, &format!("no file of {} names {word}", member.name)));
            }
        }
    }
    hold("A crate names only dependencies that its code uses.", &broken);
}
