//! The rules of the house that no compiler checks: which crate may use which, and what each file must have.

#![expect(clippy::disallowed_methods, reason = "reads the repository itself, not anybody's data")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each crate and the crates of ours it may use: the table of the design, plus the edges that a decision record adds.
const EDGES: [(&str, &[&str]); 16] = [
    ("env", &[]),
    ("encryption", &["env"]),
    ("erasure", &[]),
    ("placement", &[]),
    ("prolly", &[]),
    ("disk", &["env", "erasure"]),
    // placement: decision 0001.
    ("meta", &["env", "placement", "prolly"]),
    ("cluster", &["disk", "env", "erasure", "meta", "placement"]),
    ("store", &["cluster", "disk", "encryption", "env", "erasure", "meta", "placement"]),
    ("iam", &["meta"]),
    // cluster: to test with.
    ("identity", &["cluster", "env", "iam", "meta"]),
    ("s3", &["encryption", "env", "iam", "identity", "meta", "store"]),
    ("console", &["cluster", "env", "iam", "identity", "meta", "store"]),
    ("client", &["env"]),
    (
        "server",
        &[
            "client",
            "cluster",
            "console",
            "disk",
            "encryption",
            "env",
            "erasure",
            "iam",
            "identity",
            "meta",
            "placement",
            "s3",
            "store",
        ],
    ),
    ("sim", &["cluster", "disk", "env", "erasure", "meta", "placement", "store"]),
];
/// Where `unsafe` may stand; a benchmark opens LMDB, which maps its file, and simulations answer for the C library.
const UNSAFE_FOLDERS: [&str; 4] =
    ["crates/erasure/src/kernel/", "crates/env/src/file/", "crates/sim/src/entropy.rs", "benches/benches/prolly.rs"];
/// A file longer than this has almost always two ideas.
const LINES_MAX: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace exists")
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("folders of the repository can be read") {
            let path = entry.expect("entries of the repository can be read").path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|own| own == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    let root = root();
    let folders = ["crates", "tests", "benches"];
    let paths = folders.iter().flat_map(|folder| files_below(&root.join(folder), "rs"));
    let name = |path: &Path| path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
    paths.map(|path| (name(&path), fs::read_to_string(&path).expect("sources are UTF-8"))).collect()
}

fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = sections.iter().filter_map(|section| manifest.get(*section)?.as_table());
    tables.flat_map(|table| table.keys().cloned()).collect()
}

#[test]
fn crates_use_only_what_the_design_lets_them() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        EDGES.iter().map(|(name, edges)| (*name, edges.iter().copied().collect())).collect();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap();
        let permitted = allowed.get(name).unwrap_or_else(|| panic!("crate {name} is not in the design's table"));
        let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
        let used = dependencies(&manifest);
        let ours: BTreeSet<&str> = used.iter().map(String::as_str).filter(|used| allowed.contains_key(used)).collect();
        let refused: Vec<_> = ours.difference(permitted).collect();
        assert!(refused.is_empty(), "{name} may not use {refused:?}");
    }
}

#[test]
fn the_permitted_edges_have_no_cycle() {
    let mut order: Vec<&str> = Vec::new();
    while order.len() < EDGES.len() {
        let ready = EDGES
            .iter()
            .find(|(name, edges)| !order.contains(name) && edges.iter().all(|edge| order.contains(edge)))
            .expect("some crate needs nothing that is not placed yet");
        order.push(ready.0);
    }
}

#[test]
fn every_file_says_what_it_is() {
    for (name, text) in sources() {
        assert!(text.starts_with("//!"), "{name} does not start with `//!`");
    }
}

#[test]
fn unsafe_stays_in_its_folders() {
    let word = concat!("unsafe", " ");
    for (name, text) in sources() {
        let allowed = UNSAFE_FOLDERS.iter().any(|folder| name.starts_with(folder));
        let used = text.lines().any(|line| line.trim_start().starts_with(word) || line.contains(&format!(" {word}{{")));
        assert!(allowed || !used, "{name} uses unsafe code");
    }
}

#[test]
fn no_file_grows_past_one_idea() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{name} has {lines} lines: look for the seam");
    }
}

#[test]
fn nothing_is_left_unfinished_or_switched_off() {
    let words = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[", "ignore"), concat!("dbg", "!(")];
    for (name, text) in sources() {
        for word in words {
            assert!(!text.contains(word), "{name} contains {word}");
        }
    }
}

#[test]
fn commands_and_links_of_the_readme_exist() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for (_, rest) in readme.match_indices("](").map(|(at, _)| readme[at + 2..].split_at(0)) {
        let target = rest.split(')').next().unwrap();
        assert!(target.starts_with("http") || root().join(target).exists(), "README links to {target}");
    }
    for script in readme.match_indices("scripts/").map(|(at, _)| &readme[at..]) {
        let path = script.split([' ', '`', '\n']).next().unwrap();
        assert!(root().join(path).exists(), "README names {path}");
    }
}

/// Names of metrics in `text`.
fn metrics(text: &str) -> BTreeSet<String> {
    let starts = text.match_indices("stonecrop_").map(|(at, _)| &text[at..]);
    let is_name = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    starts.map(|rest| rest.chars().take_while(|letter| is_name(*letter)).collect()).collect()
}

#[test]
fn every_metric_is_documented_and_every_documented_one_exists() {
    let documented = metrics(&fs::read_to_string(root().join("docs/operations.md")).unwrap());
    let calls = ["counter!(\"", "gauge!(\"", "histogram!(\"", "set(\""];
    let made = sources().into_iter().filter(|(name, _)| name.contains("/src/")).flat_map(|(_, text)| {
        let after = |call: &str| text.match_indices(call).map(|(at, _)| at + call.len()).collect::<Vec<_>>();
        let starts: Vec<usize> = calls.iter().flat_map(|call| after(call)).collect();
        starts.into_iter().filter_map(|at| metrics(text[at..].split('"').next()?).pop_first()).collect::<Vec<_>>()
    });
    assert_eq!(made.collect::<BTreeSet<_>>(), documented);
}
