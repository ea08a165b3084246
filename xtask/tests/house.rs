//! The house: rules about the tree as a whole, each an ordinary test that names the file at fault and the way out.
//!
//! They read the checkout and ask `cargo` about the workspace; nothing is built and nothing is fetched. Each check is a function of
//! texts, tried on a planted breach in the test beside it: a rule that cannot fail keeps nothing.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

// ---------------------------------------------------------------- who may use whom

/// Each crate of the workspace and the crates of the workspace it may use, in any role: normal, build or dev.
const MAY_USE: [(&str, &[&str]); 11] = [
    ("reticent-accounting", &[]),
    ("reticent-proof", &[]),
    ("reticent-data", &["reticent-proof"]),
    ("reticent-train", &["reticent-accounting", "reticent-data", "reticent-proof"]),
    ("reticent-audit", &["reticent-accounting", "reticent-data", "reticent-proof", "reticent-train"]),
    ("reticent-explain", &["reticent-data", "reticent-proof", "reticent-train"]),
    ("reticent-minimise", &["reticent-data", "reticent-proof"]),
    ("reticent-forget", &["reticent-audit", "reticent-data", "reticent-proof", "reticent-train"]),
    ("reticent-govern", &["reticent-accounting", "reticent-proof"]),
    (
        "reticent",
        &[
            "reticent-accounting",
            "reticent-audit",
            "reticent-data",
            "reticent-explain",
            "reticent-forget",
            "reticent-govern",
            "reticent-minimise",
            "reticent-proof",
            "reticent-train",
        ],
    ),
    ("xtask", &["reticent-accounting", "reticent-data", "reticent-govern", "reticent-proof", "reticent-train"]),
];

#[test]
fn dependencies_point_one_way() {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"]))
        .expect("cargo prints JSON");
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in array(&metadata["packages"]) {
        let within = array(&package["dependencies"]).iter().filter(|d| d["path"].is_string()).map(|d| text(&d["name"]));
        uses.insert(text(&package["name"]), within.collect());
    }
    assert_none(&wrong_arrows(&uses), "point the dependency the other way, or change the rule here and in ARCHITECTURE.md together");
}

#[test]
fn an_arrow_the_wrong_way_is_found() {
    let mut uses: BTreeMap<String, BTreeSet<String>> = MAY_USE.iter().map(|(name, _)| ((*name).to_owned(), BTreeSet::new())).collect();
    assert!(wrong_arrows(&uses).is_empty());
    uses.get_mut("reticent-accounting").expect("listed").insert("reticent-data".into());
    uses.insert("reticent-newcomer".into(), BTreeSet::new());
    assert_eq!(
        wrong_arrows(&uses),
        ["reticent-accounting uses reticent-data", "reticent-newcomer has no place among the crates of this house"]
    );
}

fn wrong_arrows(uses: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut wrong = vec![];
    for (name, used) in uses {
        match MAY_USE.iter().find(|(n, _)| n == name) {
            None => wrong.push(format!("{name} has no place among the crates of this house")),
            Some((_, allowed)) => wrong.extend(used.iter().filter(|u| !allowed.contains(&u.as_str())).map(|u| format!("{name} uses {u}"))),
        }
    }
    wrong.extend(MAY_USE.iter().filter(|(n, _)| !uses.contains_key(*n)).map(|(n, _)| format!("{n} is listed here and is no crate")));
    wrong
}

/// Families of crates, by the beginning of their names.
const TENSORS: [&str; 7] = ["burn", "cubecl", "candle", "tch", "tract", "ort", "torch"];
const DATABASES: [&str; 4] = ["sqlx", "libsqlite3", "rusqlite", "diesel"];
const RUNTIMES: [&str; 4] = ["tokio", "async-std", "smol", "axum"];
const EDGES: [&str; 3] = ["clap", "pyo3", "indicatif"];
const NETWORKS: [&str; 12] =
    ["reqwest", "hyper", "ureq", "curl", "isahc", "attohttpc", "rustls", "native-tls", "openssl", "h2", "quinn", "tungstenite"];

#[test]
fn tensors_stay_in_train() {
    for package in ["reticent-accounting", "reticent-proof", "reticent-data", "reticent-govern"] {
        assert_none(&members_of(&TENSORS, &tree(package)), &format!("{package} must know no tensor, not even through another crate"));
    }
}

#[test]
fn databases_runtimes_and_command_lines_stay_outside() {
    for package in ["reticent-accounting", "reticent-proof", "reticent-data", "reticent-train"] {
        let tree = tree(package);
        for family in [&DATABASES[..], &RUNTIMES, &EDGES] {
            assert_none(&members_of(family, &tree), &format!("{package} is an inner crate: keep this in reticent-govern or reticent"));
        }
    }
    assert_none(&members_of(&EDGES, &tree("reticent-govern")), "reticent-govern has a store and no command line");
}

/// The one client, its TLS, and the one place that may use it: it asks the gate about a host before anything is sent.
const CLIENT: [&str; 2] = ["ureq", "rustls"];
const OUTWARD: &str = "crates/reticent/src/outward.rs";
/// Crates of a server: what they could do as a client must be left out of the build.
const SERVERS: [&str; 2] = ["hyper", "hyper-util"];
/// The one place that listens.
const LISTENER: &str = "crates/reticent/src/verbs/serve";

#[test]
fn one_client_in_one_place_speaks_over_a_network() {
    let client = members_of(&CLIENT, &tree("reticent"));
    let found: Vec<String> =
        members_of(&NETWORKS, &tree("reticent")).into_iter().filter(|n| !SERVERS.contains(&n.as_str()) && !client.contains(n)).collect();
    assert_none(&found, "the program has one client, which asks the gate");
    for package in MAY_USE.iter().map(|(name, _)| *name).filter(|name| *name != "reticent") {
        assert_none(&members_of(&CLIENT, &tree(package)), &format!("{package} is a library: connections are made at the edge"));
    }
    let elsewhere: Vec<String> = in_sources(&["ureq"]).into_iter().filter(|place| !place.starts_with(OUTWARD)).collect();
    assert_none(&elsewhere, "only `outward` sends anything, once the gate lets it");
    let outward = files().into_iter().find(|f| f.path == OUTWARD).expect("the client is where this test looks for it");
    let asks = outward.text.find(".connection(").expect("it asks the gate");
    assert!(outward.text.find("Agent::config_builder").is_some_and(|made| asks < made), "it asks before it can send");
    for says in [".max_redirects(0)", ".proxy(None)"] {
        assert!(outward.text.contains(says), "another host than the declared one would be reached without {says}");
    }
    let lines = cargo(&[
        "tree",
        "--offline",
        "--locked",
        "--package",
        "reticent",
        "--edges",
        "no-dev",
        "--prefix",
        "none",
        "--format",
        "{p} [{f}]",
    ]);
    assert_none(&clients(&lines), "a server's crate is built without what makes it a client");
    assert_eq!(clients("hyper v1.12.0 [default,http1,server]\nhyper-util v0.1.21 [client-legacy]\nburn v0.22.1 [client]").len(), 1);
    let calls = in_sources(&["TcpStream", "UdpSocket", "UnixStream", "TcpSocket", "hyper::client", "hyper_util::client"]);
    assert_none(&calls, "the program makes no connection of its own");
}

#[test]
fn only_serve_listens_and_only_on_this_machine() {
    let named = in_sources(&["tokio::net", "TcpListener", "UnixListener", "axum"]);
    let elsewhere: Vec<String> = named.into_iter().filter(|place| !place.starts_with(LISTENER)).collect();
    assert_none(&elsewhere, "only `reticent serve` listens");
    let sources: Vec<File> = files().into_iter().filter(|f| f.path.starts_with(LISTENER) && f.path.ends_with(".rs")).collect();
    assert!(sources.iter().any(|f| f.text.contains("TcpListener::bind(")), "the server is where this test looks for it");
    let found: Vec<String> = sources.iter().flat_map(|f| beyond_loopback(&f.path, &f.text)).collect();
    assert_none(&found, "the server listens on Ipv4Addr::LOCALHOST and on nothing that can be chosen");
    for planted in ["TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))", "TcpListener::bind((self.host, port))", "let a = \"0.0.0.0\";"] {
        assert_eq!(beyond_loopback("x", planted).len(), 1, "{planted}");
    }
    assert!(beyond_loopback("x", "TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await").is_empty());
}

/// Crates of a server that are built with a feature of a client.
fn clients(tree: &str) -> Vec<String> {
    let features =
        |line: &str| line.split_once('[').map(|(_, f)| f.trim_end_matches(" (*)").trim_end_matches(']').to_owned()).unwrap_or_default();
    tree.lines()
        .filter(|line| SERVERS.iter().any(|s| line.split(' ').next() == Some(*s)))
        .filter(|line| features(line).split(',').any(|f| f.starts_with("client")))
        .map(str::to_owned)
        .collect()
}

/// Lines that bind to something else than the loopback address, or name an address that is not it.
fn beyond_loopback(path: &str, rust: &str) -> Vec<String> {
    let wrong = |line: &str| {
        let binds = line.contains("bind(") && !line.contains("TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))");
        binds || ["UNSPECIFIED", "0.0.0.0", "[::]", "Ipv6Addr", "from_listener", "parse::<IpAddr>"].iter().any(|w| line.contains(w))
    };
    rust.lines().enumerate().filter(|(_, line)| wrong(line)).map(|(n, line)| format!("{path}:{}: {}", n + 1, line.trim())).collect()
}

#[test]
fn a_member_of_a_family_is_found() {
    let tree = ["burn-core v0.22.1", "serde v1.0.0", "burnt v1.0.0 (*)"].map(str::to_owned);
    assert_eq!(members_of(&TENSORS, &tree), ["burn-core"]);
}

/// Crates of a tree that are called like a family or begin with its name and a hyphen or underscore.
fn members_of(families: &[&str], tree: &[String]) -> Vec<String> {
    let names = tree.iter().filter_map(|line| line.split_whitespace().next());
    let belongs =
        |name: &&str| families.iter().any(|f| name.strip_prefix(f).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_'])));
    names.filter(belongs).map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What a crate is built from on this platform, itself included, without what only its tests need.
fn tree(package: &str) -> Vec<String> {
    let lines = cargo(&["tree", "--offline", "--locked", "--package", package, "--edges", "no-dev", "--prefix", "none", "--format", "{p}"]);
    let lines: Vec<String> = lines.lines().map(str::to_owned).filter(|l| !l.is_empty()).collect();
    assert!(lines.iter().any(|l| l.starts_with(package)), "`cargo tree` lists the crate itself: {lines:?}");
    lines
}

// ---------------------------------------------------------------- what the code of the product may not do

#[test]
fn every_random_draw_comes_from_a_named_stream() {
    let hidden = ["thread_rng", "rand::rng()", "rand::random", "from_os_rng", "from_entropy", "SmallRng", "StdRng", "SysRng", "OsRng"];
    assert_none(
        &in_sources(&hidden),
        "draw from a stream that was passed in: `RunKey::stream` for what is private, `NotPrivateSeed::rng` for what is not",
    );
}

#[test]
fn ledger_entries_are_only_inserted() {
    let changes = [
        "UPDATE events",
        "DELETE FROM events",
        "REPLACE INTO events",
        "UPDATE basis",
        "DELETE FROM basis",
        "REPLACE INTO basis",
        "DROP TABLE",
    ];
    assert_none(&outside(&in_sources(&changes), &[ERASES, SEALS]), "a fact is never changed: append another event");
}

/// The one file in which entries lose their content: a unit's, when it is erased.
const ERASES: &str = "crates/govern/src/erase.rs";
/// The one file in which they are held otherwise and say the same: sealed with a key.
const SEALS: &str = "crates/govern/src/seal.rs";

#[test]
fn a_change_elsewhere_is_found() {
    let found = [format!("{ERASES}:3: UPDATE events"), "crates/govern/src/basis.rs:7: DELETE FROM basis".to_owned()];
    assert_eq!(outside(&found, &[ERASES]), [found[1].clone()]);
    assert_eq!(outside(&found, &[SEALS]), found);
    assert!(!in_sources(&["UPDATE events"]).is_empty(), "the exception is needed");
}

/// What was found in other files than these.
fn outside(found: &[String], files: &[&str]) -> Vec<String> {
    found.iter().filter(|f| !files.iter().any(|file| f.starts_with(&format!("{file}:")))).cloned().collect()
}

/// Where these words stand in the code of the product, its own tests left out.
fn in_sources(needles: &[&str]) -> Vec<String> {
    let files = files();
    let product =
        files.iter().filter(|f| f.path.starts_with("crates/") && f.path.contains("/src/") && f.path.ends_with(".rs") && !is_test(&f.path));
    let mut found = vec![];
    let mut looked_at = 0;
    for file in product {
        looked_at += 1;
        for (index, line) in before_tests(&file.text).lines().enumerate() {
            found.extend(needles.iter().filter(|n| line.contains(**n)).map(|n| format!("{}:{}: {n}", file.path, index + 1)));
        }
    }
    assert!(looked_at > 50, "the sources are where this test looks for them");
    found
}

// ---------------------------------------------------------------- words

/// Words that say more than is known, and what to say instead.
struct Word {
    never: &'static [&'static str],
    /// Contexts in which the word says no more than it can keep.
    unless: &'static [&'static str],
    instead: &'static str,
}

const fn word(never: &'static [&'static str], instead: &'static str) -> Word {
    Word { never, unless: &[], instead }
}

/// CONTRIBUTING.md holds the same list for people.
const WORDS: [Word; 13] = [
    word(&["compliant", "lawful", "lawfully"], "permitted under your recorded policy"),
    word(&["valid consent"], "recorded consent"),
    Word {
        never: &["anonymous", "anonymised", "anonymized", "anonymously"],
        unless: &["k-anonymous"],
        instead: "pseudonymous; k-anonymous with k = 5 for these columns",
    },
    word(&["not personal data", "no longer personal data"], "treat a model trained on personal data as personal data"),
    word(&["safe", "risk-free", "risk free"], "the bound: ε at δ, unit, neighbours, release"),
    word(
        &[
            "is private",
            "are private",
            "stays private",
            "kept private",
            "fully private",
            "completely private",
            "guaranteed privacy",
            "guarantees privacy",
        ],
        "the bound: ε at δ, unit, neighbours, release",
    ),
    word(
        &["forgotten", "fully erased", "proof of deletion", "proof of erasure"],
        "removed from the listed stores; retrained without; what is left",
    ),
    Word {
        never: &["certified", "certificate", "certificates"],
        // What is proved stands beside the word: an interval of numbers, or the removal with its (ε, δ) and its assumptions.
        unless: &[
            "certified interval",
            "certified bounds",
            "(certified: {",
            "(certified: 2",
            "(ε, δ)-certified",
            "certified-logistic",
            "certified-removal",
            "certified-training",
            "certified = {",
            "certified/",
            "frequent-certified",
            "certified.rs",
        ],
        instead: "signed erasure record; (ε, δ)-certified removal, with its assumptions",
    },
    word(&["tamper-proof", "tamperproof", "tamper proof"], "tamper-evident, against a checkpoint held elsewhere"),
    word(
        &["dpo approved", "dpo-approved", "approved by the dpo", "approved by the data-protection officer"],
        "DPO advised; controller decided",
    ),
    word(
        &["learns nothing about", "learned nothing about", "remembers no one"],
        "a stated bound on what the model can reveal about any one person",
    ),
    word(&["model learned from you"], "an upper bound on what this run could reveal about your part"),
    word(&["reconstructed person", "reconstructed people", "reconstructed persons", "reconstructed patient"], "reconstructed unit"),
];

/// Between these lines of this one file the words are quoted, to say that they are not used.
const QUOTING: (&str, &str, &str) = ("CONTRIBUTING.md", "<!-- words quoted -->", "<!-- words kept -->");

#[test]
fn words_are_kept() {
    let mut found = vec![];
    for file in files() {
        found.extend(overstatements(&file));
    }
    assert_none(&found, "say what is known, as the table in CONTRIBUTING.md does");
}

#[test]
fn a_planted_sentence_is_caught() {
    for rule in &WORDS {
        for never in rule.never {
            let planted = format!("The model {} for everyone.", never.replace(' ', "\n"));
            for (path, text) in [
                ("README.md", planted.clone()),
                ("crates/x/src/y.rs", format!("fn f() {{\n    say({planted:?});\n}}\n")),
                ("crates/x/src/y.rs", format!("//! {}\n", planted.replace('\n', "\n//! "))),
                ("crates/x/src/y.rs", format!("const PAGE: &str = r#\"<p title=\"a\">{planted}</p>\"#;\n")),
                ("crates/x/src/page.css", format!("/* {planted} */")),
                ("docs/picture.svg", format!("<text>{planted}</text>")),
            ] {
                let found = overstatements(&File::new(path, &text));
                assert!(found.iter().any(|f| f.contains(&format!("`{never}`"))), "{path} may say {text:?}: {found:?}");
            }
        }
    }
    for fine in
        ["k-anonymous with k = 5", "model.safetensors", "pseudonymous", "a certified interval", "an unlawfulish word", "let safe_name = 1;"]
    {
        assert_eq!(overstatements(&File::new("README.md", fine)), Vec::<String>::new(), "{fine}");
    }
    let code = "fn certified() -> char { let safe = '\"'; safe }\n#[cfg(test)]\nmod tests {\n    const T: &str = \"anonymous\";\n}\n";
    assert_eq!(overstatements(&File::new("crates/x/src/y.rs", code)), Vec::<String>::new(), "names and tests are no prose");
}

#[test]
fn the_people_s_list_of_words_is_this_one() {
    let file = read("CONTRIBUTING.md");
    let quoted = file
        .split_once(QUOTING.1)
        .and_then(|(_, rest)| rest.split_once(QUOTING.2))
        .expect("the markers stand in the file")
        .0
        .to_lowercase();
    let missing: Vec<String> = WORDS.iter().flat_map(|w| w.never).filter(|w| !quoted.contains(**w)).map(|w| (*w).to_owned()).collect();
    assert_none(&missing, "name it in the table of CONTRIBUTING.md");
}

/// Keys of reticent.toml and folders: where one is all of a string, it is a name and says nothing. (`certified-…` are kinds and topics.)
const NAMES: [&str; 1] = ["certified"];

/// Every use of a word of the list in the prose of a file.
fn overstatements(file: &File) -> Vec<String> {
    let mut found = vec![];
    for (line, prose) in prose_of(file) {
        if NAMES.contains(&prose.as_str()) {
            continue;
        }
        // One space for any white space, so that a line break hides nothing; `lines` keeps where each character stood.
        let (mut flat, mut lines, mut at) = (String::new(), vec![], line);
        for c in prose.chars() {
            at += usize::from(c == '\n');
            if !(c.is_whitespace() && flat.ends_with(' ')) {
                let before = flat.len();
                flat.extend(if c.is_whitespace() { vec![' '] } else { c.to_lowercase().collect() });
                lines.extend(std::iter::repeat_n(at, flat.len() - before));
            }
        }
        for rule in &WORDS {
            for never in rule.never {
                for (start, _) in flat.match_indices(never) {
                    let end = start + never.len();
                    let inside = |c: char| c.is_alphanumeric() || c == '_';
                    let part = flat[..start].ends_with(inside) || flat[end..].starts_with(inside);
                    let bounded =
                        rule.unless.iter().any(|u| u.match_indices(never).any(|(o, _)| start >= o && flat[start - o..].starts_with(u)));
                    if !part && !bounded {
                        found.push(format!("{}:{}: `{never}`; say: {}", file.path, lines[start], rule.instead));
                    }
                }
            }
        }
    }
    found
}

/// The prose of a file, in pieces, each with its first line: all of a document; comments and strings of Rust without its tests.
fn prose_of(file: &File) -> Vec<(usize, String)> {
    let path = Path::new(&file.path);
    match path.extension().and_then(|e| e.to_str()) {
        _ if is_test(&file.path) => vec![],
        Some("rs") => prose_of_rust(before_tests(&file.text)),
        Some("md") if file.path == QUOTING.0 => match (file.text.split_once(QUOTING.1), file.text.split_once(QUOTING.2)) {
            (Some((before, _)), Some((upto, after))) => vec![(1, before.to_owned()), (1 + upto.lines().count(), after.to_owned())],
            _ => vec![(1, file.text.clone())],
        },
        Some("md" | "toml" | "css" | "html" | "svg" | "yml" | "yaml") => vec![(1, file.text.clone())],
        _ => vec![],
    }
}

/// Comments (neighbouring lines together) and string literals.
fn prose_of_rust(rust: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = rust.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut pieces: Vec<(usize, String)> = vec![];
    let (mut i, mut line, mut comment_ended) = (0, 1, 0);
    while i < chars.len() {
        let (start, mut piece) = (line, String::new());
        let name_before = i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_');
        let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    piece.push(at(i));
                    i += 1;
                }
                let words = piece.trim_start_matches(['/', '!']).to_owned();
                match pieces.last_mut().filter(|_| comment_ended + 1 == line) {
                    Some((_, before)) => *before += &format!("\n{words}"),
                    None => pieces.push((start, words)),
                }
                comment_ended = line;
                continue;
            }
            'r' if !name_before && at(i + 1 + hashes) == '"' => {
                i += hashes + 2;
                let end: String = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                while i < chars.len() && !chars[i..].iter().take(hashes + 1).copied().eq(end.chars()) {
                    piece.push(at(i));
                    i += 1;
                }
                i += hashes;
                pieces.push((start, piece.clone()));
            }
            '"' => {
                i += 1;
                while i < chars.len() && at(i) != '"' {
                    if at(i) == '\\' {
                        // What follows a backslash is no word; an escaped line break joins two lines.
                        i += 1;
                        piece.push(if at(i) == '\n' { '\n' } else { ' ' });
                    } else {
                        piece.push(at(i));
                    }
                    i += 1;
                }
                pieces.push((start, piece.clone()));
            }
            // A character, or a lifetime, which has no closing quote.
            '\'' if at(i + 1) == '\\' => i += 2 + chars[i + 3..].iter().position(|c| *c == '\'').unwrap_or(0) + 1,
            '\'' if at(i + 2) == '\'' => i += 2,
            '\n' => line += 1,
            _ => {}
        }
        line += piece.matches('\n').count();
        i += 1;
    }
    pieces
}

#[test]
fn every_epsilon_in_a_document_stands_with_its_delta() {
    let found: Vec<String> =
        files().iter().filter(|f| f.path.ends_with(".md") || f.path.ends_with(".svg")).flat_map(bare_epsilons).collect();
    assert_none(&found, "print δ (and unit, neighbours, release) in the same paragraph");
    assert_eq!(bare_epsilons(&File::new("a.md", "The model has ε ≤ 1.5.\n\nAnd δ elsewhere.")), ["a.md: The model has ε ≤ 1.5."]);
}

/// Paragraphs of a document that give a number for ε and no δ.
fn bare_epsilons(file: &File) -> Vec<String> {
    let number =
        |p: &str| ["ε ≤ ", "ε = ", "ε ≥ "].iter().any(|e| p.split(e).skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit())));
    let blocks: Vec<&str> = if file.path.ends_with(".md") { file.text.split("\n\n").collect() } else { vec![&file.text] };
    blocks
        .into_iter()
        .filter(|p| number(p) && !p.contains('δ'))
        .map(|p| format!("{}: {}", file.path, p.trim().lines().next().unwrap_or_default()))
        .collect()
}

// ---------------------------------------------------------------- the tree speaks of itself alone

#[test]
fn no_machine_and_no_registry_is_named() {
    let mut found = vec![];
    for file in files() {
        found.extend(places_outside(&file));
    }
    assert_none(&found, "nothing in the tree may depend on where it lies or where its dependencies come from");
    let planted = format!("see /{}/me/notes and https://{}.io/x, not target/{}/x", "home", "crates", "root");
    assert_eq!(places_outside(&File::new("a.md", &planted)).len(), 2, "{planted}");
}

fn places_outside(file: &File) -> Vec<String> {
    // Written in parts, so that this file does not name what it looks for.
    let folders = ["work", "root", "home", "Users"].map(|name| format!("/{name}/"));
    let hosts =
        [("crates", "io"), ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("proxy.golang", "org"), ("deb.debian", "org")]
            .map(|(n, d)| format!("{n}.{d}"));
    let mut found = vec![];
    for (index, line) in file.text.lines().enumerate() {
        // Cargo writes the address of its index into its lock file: there it is the one address allowed, whatever a machine is set to.
        if file.path == "Cargo.lock" {
            if line.starts_with("source = ") && line != format!("source = \"registry+https://github.com/rust-lang/{}-index\"", hosts[0]) {
                found.push(format!("{}:{}: another source of dependencies", file.path, index + 1));
            }
            continue;
        }
        let within = |start: usize| line[..start].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c));
        let folder = folders.iter().find(|f| line.match_indices(f.as_str()).any(|(start, _)| !within(start)));
        let host = hosts.iter().find(|h| line.contains(h.as_str()));
        found.extend(folder.into_iter().chain(host).map(|what| format!("{}:{}: {what}", file.path, index + 1)));
    }
    found
}

// ---------------------------------------------------------------- files

#[test]
fn every_file_of_code_says_what_it_is() {
    let found: Vec<String> = rust().filter(|f| !says_what_it_is(&f.text)).map(|f| f.path).collect();
    assert_none(&found, "begin the file with `//!` and one sentence: what it is");
    assert!(
        says_what_it_is("#![allow(x)]\n\n//! A ledger.\n")
            && !says_what_it_is("use std::fs;\n//! Late.\n")
            && !says_what_it_is("//!\nfn f() {}\n")
    );
}

fn says_what_it_is(rust: &str) -> bool {
    let first = rust.lines().find(|l| !l.trim().is_empty() && !l.starts_with("#![")).unwrap_or_default();
    first.strip_prefix("//! ").is_some_and(|sentence| !sentence.trim().is_empty())
}

const LONGEST: usize = 900;
/// Files that are one long table, with what the table holds.
const TABLES: [(&str, &str); 0] = [];

#[test]
fn no_file_holds_many_ideas() {
    let found: Vec<String> = rust()
        .filter(|f| !TABLES.iter().any(|(path, _)| *path == f.path))
        .map(|f| (f.text.lines().count(), f.path))
        .filter(|(lines, _)| *lines > LONGEST)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert_none(&found, &format!("split a file of more than {LONGEST} lines by its ideas, or list it as a table"));
}

#[test]
fn everything_has_a_name_of_its_own() {
    let leftover = |name: &str| ["util", "utils", "helper", "helpers", "common", "misc"].contains(&name);
    let mut found: Vec<String> =
        files().into_iter().map(|f| f.path).filter(|path| path.split(['/', '.', '-', '_']).any(leftover)).collect();
    for file in rust() {
        let modules = file
            .text
            .lines()
            .filter_map(|l| l.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ").strip_prefix("mod "));
        found.extend(
            modules.filter_map(|m| m.split([';', '{', ' ']).next()).filter(|m| leftover(m)).map(|m| format!("{}: mod {m}", file.path)),
        );
    }
    assert_none(&found, "a home for leftovers hides the design: name the thing");
}

// ---------------------------------------------------------------- documents that are true

#[test]
fn the_verb_table_of_the_readme_is_the_program_s() {
    let readme: BTreeSet<String> = verbs_of_table(&read("README.md"));
    let program = verbs_of_program(&read("crates/reticent/src/cli.rs"));
    assert!(program.len() > 5, "{program:?}");
    let difference: Vec<String> = readme.symmetric_difference(&program).cloned().collect();
    assert_none(&difference, "the table of README.md and `enum Verb` of crates/reticent/src/cli.rs list the same verbs");
    assert_eq!(verbs_of_table("| verb | what |\n|---|---|\n| `log verify` | x |\n\n| `else` | y |"), ["log".to_owned()].into());
    assert_eq!(
        verbs_of_program("enum Verb {\n    /// Draft\n    Init(Init),\n    LogVerify,\n}\nA,"),
        ["init".to_owned(), "log-verify".to_owned()].into()
    );
}

/// First words of the first cells of the table headed `verb`.
fn verbs_of_table(markdown: &str) -> BTreeSet<String> {
    let rows = markdown.lines().skip_while(|l| !l.starts_with("| verb |")).skip(2).take_while(|l| l.starts_with('|'));
    rows.filter_map(|row| row.split('`').nth(1)?.split_whitespace().next().map(str::to_owned)).collect()
}

/// Variants of `enum Verb`, as clap writes them.
fn verbs_of_program(rust: &str) -> BTreeSet<String> {
    let body = rust.split_once("enum Verb {").and_then(|(_, rest)| rest.split_once("\n}")).expect("the verbs are one enum").0;
    let variants = body.lines().map(str::trim).filter(|l| l.starts_with(|c: char| c.is_ascii_uppercase()));
    let kebab = |name: &str| {
        name.chars()
            .enumerate()
            .flat_map(|(i, c)| [(i > 0 && c.is_uppercase()).then_some('-'), Some(c.to_ascii_lowercase())])
            .flatten()
            .collect()
    };
    variants.map(|l| kebab(l.split(['(', '{', ',', ' ']).next().unwrap_or_default())).collect()
}

#[test]
fn links_lead_somewhere() {
    let files = files();
    let broken: Vec<String> = files.iter().filter(|f| f.path.ends_with(".md")).flat_map(broken_links).collect();
    assert_none(&broken, "name a file that exists, and in a file of code something that it holds");
    assert!(files.iter().filter(|f| f.path == "ARCHITECTURE.md").flat_map(|f| links(&f.text)).count() > 20, "links are found");
    let planted =
        "[a](no/such/file) [`no_such_test`](xtask/tests/house.rs) [`links_lead_somewhere`](xtask/tests/house.rs) [b](https://example.org)";
    assert_eq!(
        broken_links(&File::new("a.md", &planted.replace("no_such_test", &["no_such", "test"].join("_")))).len(),
        1,
        "one is a name that this line holds"
    );
    assert_eq!(broken_links(&File::new("a.md", "[`not_there`](Cargo.toml)  [`not_there`](xtask/src/main.rs)")).len(), 1);
}

/// Links to nothing, and links `[name](file.rs)` whose file does not hold that name.
fn broken_links(file: &File) -> Vec<String> {
    let folder = root().join(&file.path).parent().expect("a file is in a folder").to_owned();
    let mut broken = vec![];
    for (label, target) in
        links(&file.text).into_iter().filter(|(_, t)| !t.contains("://") && !t.starts_with("mailto:") && !t.starts_with('#'))
    {
        let path = folder.join(target.split('#').next().unwrap_or_default());
        let name = label.strip_prefix('`').and_then(|l| l.strip_suffix('`')).filter(|n| n.chars().all(|c| c.is_alphanumeric() || c == '_'));
        let held = match name {
            Some(name) if target.ends_with(".rs") => std::fs::read_to_string(&path).is_ok_and(|code| code.contains(name)),
            _ => path.exists(),
        };
        if !held {
            broken.push(format!("{}: [{label}]({target})", file.path));
        }
    }
    broken
}

/// Labels and targets of `[label](target)`, `src="target"` and `srcset="target"`.
fn links(markdown: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = markdown
        .match_indices("](")
        .filter_map(|(at, _)| {
            let label = &markdown[markdown[..at].rfind('[')? + 1..at];
            Some((label.to_owned(), markdown[at + 2..].split(')').next()?.to_owned()))
        })
        .collect();
    for attribute in ["src=\"", "srcset=\""] {
        all.extend(markdown.split(attribute).skip(1).filter_map(|rest| Some((String::new(), rest.split('"').next()?.to_owned()))));
    }
    all
}

#[test]
fn every_crate_has_its_place_in_the_architecture() {
    let architecture = read("ARCHITECTURE.md");
    let crates = std::fs::read_dir(root().join("crates")).expect("the workspace has crates");
    let names = crates
        .filter_map(|e| e.ok().filter(|e| e.path().join("Cargo.toml").exists()))
        .map(|e| e.file_name().to_string_lossy().into_owned());
    let missing: Vec<String> = names.filter(|n| !architecture.contains(&format!("](crates/{n})"))).collect();
    assert_none(&missing, "give the crate its question in ARCHITECTURE.md");
}

// ---------------------------------------------------------------- the checkout

/// A file of the tree; its path is relative, with `/`.
struct File {
    path: String,
    text: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

fn root() -> PathBuf {
    // Cargo names the folder when it runs the tests; the compiled-in name serves where the program is run by hand.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().expect("xtask lies in the workspace").to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every file that is, or is about to be, under version control; in an unpacked archive every file but what a build or a demo makes.
#[expect(clippy::print_stdout, reason = "a test says what it looked at")]
fn files() -> Vec<File> {
    let listed = Command::new("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root()).output();
    let checkout = root().join(".git").exists();
    let paths: Vec<String> = match listed {
        Ok(output) if checkout && output.status.success() => {
            String::from_utf8_lossy(&output.stdout).split('\0').filter(|p| !p.is_empty()).map(str::to_owned).collect()
        }
        _ => {
            println!("no git checkout: every file of the folder is looked at instead of the tracked ones");
            walk(&root(), "")
        }
    };
    let made =
        |path: &String| ["target/", ".git/", "reticent-demo/"].iter().any(|folder| path.starts_with(folder)) || path.contains(".reticent/");
    let all: Vec<File> = paths
        .into_iter()
        .filter(|p| !made(p))
        .filter_map(|path| Some(File { text: String::from_utf8_lossy(&std::fs::read(root().join(&path)).ok()?).into_owned(), path }))
        .collect();
    assert!(all.iter().any(|f| f.path == "Cargo.toml") && all.len() > 100, "the tree is where this test looks for it");
    all
}

fn walk(folder: &Path, prefix: &str) -> Vec<String> {
    let mut paths = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !["target", ".git"].contains(&name.as_str()) => {
                paths.extend(walk(&entry.path(), &format!("{name}/")));
            }
            Ok(kind) if kind.is_file() => paths.push(name),
            _ => {}
        }
    }
    paths.sort();
    paths
}

/// Files of Rust in the crates and here.
fn rust() -> impl Iterator<Item = File> {
    files().into_iter().filter(|f| f.path.ends_with(".rs"))
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// A file of code up to its tests, which come last.
fn before_tests(rust: &str) -> &str {
    rust.match_indices("#[cfg(test)]")
        .map(|(at, _)| at)
        .find(|at| rust[*at..].lines().nth(1).is_some_and(|l| l.starts_with("mod ") && l.ends_with('{')))
        .map_or(rust, |at| &rust[..at])
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo starts");
    assert!(output.status.success(), "cargo {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn assert_none(found: &[String], way_out: &str) {
    assert!(found.is_empty(), "{way_out}\n  {}", found.join("\n  "));
}
