//! Checks that dependencies between layers only point downwards: `cli → flow → edge → core`. Reads every source file
//! and fails if one violates this.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "test helpers may panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Edge modules that all edges may use.
const SHARED_EDGES: [&str; 6] = ["net", "files", "input", "parquet", "program", "yaml"];

/// Paths that the core must not use: files, sockets, environment, clock, database, runtime, unseeded randomness.
const IMPURE: [&str; 18] = [
    "std::fs",
    // Network addresses are plain values.
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::env",
    "std::process",
    "std::time::SystemTime",
    "std::time::Instant",
    "tokio",
    "rusqlite",
    "reqwest",
    "axum",
    "tempfile",
    "uuid",
    "rand::rng",
    "rand::thread_rng",
    "rand::random",
];

/// Ends of paths that read the clock or the system's randomness, however they were imported.
const IMPURE_ENDS: [&[&str]; 4] = [&["Timestamp", "now"], &["Zoned", "now"], &["io", "stdin"], &["OsRng"]];

/// Macros that write to stdout or stderr.
const PRINTING: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];

/// Streams that only the command line may name.
const STREAMS: [&[&str]; 2] = [&["io", "stdout"], &["io", "stderr"]];

#[test]
fn all_dependencies_point_downwards() {
    let sources = sources();
    assert!(sources.len() > 50, "only {} source files were found", sources.len());
    let wrong: Vec<String> = sources.iter().flat_map(|(path, text)| violations(path, text)).collect();
    assert!(wrong.is_empty(), "{} wrong arrows:\n{}", wrong.len(), wrong.join("\n"));
}

/// All files in `src/` that are not compiled only for tests: their path relative to `src/`, and their text.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let texts: Vec<(PathBuf, String)> =
        files.into_iter().map(|path| (path.clone(), std::fs::read_to_string(&path).unwrap())).collect();
    let tests: BTreeSet<PathBuf> = texts.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let of_tests =
        |path: &Path| tests.iter().any(|module| path == module || path.starts_with(module.with_extension("")));
    let relative = |path: &Path| path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
    texts.into_iter().filter(|(path, _)| !of_tests(path)).map(|(path, text)| (relative(&path), text)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Files of modules declared as `#[cfg(test)] mod name;`, with or without a `#[path]`.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let declared =
        Regex::new(r#"#\[cfg\(test\)\]\s*(?:#\[path\s*=\s*"([^"]+)"\]\s*)?(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;"#)
            .unwrap();
    let folder = path.parent().unwrap();
    let of_folder = path.ends_with("mod.rs") || path.ends_with("lib.rs");
    let own = if of_folder { folder.to_owned() } else { path.with_extension("") };
    declared
        .captures_iter(text)
        .map(|found| match found.get(1) {
            Some(named) => folder.join(named.as_str()),
            None => own.join(format!("{}.rs", &found[2])),
        })
        .collect()
}

/// The place of a file in the module tree.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// The module path from the crate root, such as `["edge", "net", "client"]`.
    module: Vec<String>,
}

impl Place {
    fn of(path: &str) -> Self {
        let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            module.pop();
        }
        Self { module }
    }

    fn floor(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    fn room(&self) -> Option<&str> {
        self.module.get(1).map(String::as_str)
    }

    /// Resolves `segments` named here to a path from the crate root; `None` if it is outside the crate.
    fn resolve(&self, segments: &[String], inline: &[String]) -> Option<Vec<String>> {
        let mut here = self.module.clone();
        here.extend(inline.iter().cloned());
        let mut rest = segments;
        match rest.first().map(String::as_str) {
            Some("crate") => return Some(rest[1..].to_vec()),
            Some("self") => rest = &rest[1..],
            Some("super") => {}
            _ => return None,
        }
        while rest.first().is_some_and(|segment| segment == "super") {
            here.pop();
            rest = &rest[1..];
        }
        here.extend(rest.iter().cloned());
        Some(here)
    }
}

/// Violations in the file at `path` (relative to `src/`), one line each. Comments, string literals and items under
/// `#[cfg(test)]` are ignored.
fn violations(path: &str, text: &str) -> Vec<String> {
    let place = Place::of(path);
    let mut found = Vec::new();
    let mut report = |line: usize, what: String| {
        let said = format!("{path}:{line}: {what}");
        if !found.contains(&said) {
            found.push(said);
        }
    };
    for named in names(&without_tests(&tokens(&blanked(text)))) {
        if named.is_macro {
            if place.floor() != "cli" && PRINTING.contains(&named.path[0].as_str()) {
                report(named.line, format!("{}! outside of cli", named.path[0]));
            }
            continue;
        }
        let wrong = match place.resolve(&named.path, &named.inline) {
            Some(target) => wrong_arrow(&place, &target),
            None => wrong_use_of_the_world(&place, &named),
        };
        if let Some(what) = wrong {
            report(named.line, what);
        }
    }
    found
}

fn wrong_arrow(place: &Place, target: &[String]) -> Option<String> {
    let floors = ["core", "edge", "flow", "cli"];
    let rank = |floor: &str| floors.iter().position(|known| *known == floor);
    let (here, there) = (rank(place.floor())?, rank(target.first()?)?);
    let shown = target.join("::");
    if there > here {
        return Some(format!("{} uses {shown}: arrows run down only", place.floor()));
    }
    if place.floor() != "edge" || target[0] != "edge" {
        return None;
    }
    let room = target.get(1).map(String::as_str);
    let allowed = room.is_some_and(|room| SHARED_EDGES.contains(&room) || place.room() == Some(room));
    (!allowed).then(|| format!("edge {} uses {shown}: edges do not import each other", place.room().unwrap_or("mod")))
}

fn wrong_use_of_the_world(place: &Place, named: &Named) -> Option<String> {
    let shown = named.path.join("::");
    let path: Vec<&str> = named.path.iter().map(String::as_str).collect();
    if place.floor() != "cli" && STREAMS.iter().any(|stream| holds(&path, stream)) {
        return Some(format!("{shown} outside of cli"));
    }
    if place.floor() != "core" {
        return None;
    }
    let impure = IMPURE.iter().any(|impure| {
        let impure: Vec<&str> = impure.split("::").collect();
        // `use std::*` and `use std::time;` also import what is below them.
        let parent = path.strip_suffix(&["*"]).unwrap_or(&path);
        path.starts_with(&impure) || (named.is_use && impure.len() > parent.len() && impure.starts_with(parent))
    });
    let ends = IMPURE_ENDS.iter().any(|end| holds(&path, end));
    (impure || ends).then(|| format!("core uses {shown}: the core is pure"))
}

fn holds(path: &[&str], part: &[&str]) -> bool {
    path.windows(part.len()).any(|window| window == part)
}

/// A path or macro named in a file.
#[derive(Debug, Clone)]
struct Named {
    line: usize,
    path: Vec<String>,
    is_use: bool,
    is_macro: bool,
    /// The inline modules around it, starting from the file's own module.
    inline: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    line: usize,
    text: String,
}

/// The text with comments and the contents of string and character literals replaced by spaces.
fn blanked(text: &str) -> String {
    let literals = Regex::new(
        r##"(?xs)
        //[^\n]* | /\*.*?\*/ |
        b?r"[^"]*" | b?r\#"(?:[^"]|"[^\#])*"\# | b?r\#\#"(?:[^"]|"[^\#]|"\#[^\#])*"\#\# |
        [bc]?"(?:\\.|[^"\\])*" |
        b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\])'
        "##,
    )
    .unwrap();
    let spaces =
        |found: &regex::Captures<'_>| found[0].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect::<String>();
    literals.replace_all(text, spaces).into_owned()
}

fn tokens(text: &str) -> Vec<Token> {
    let pattern = Regex::new(r"[A-Za-z_][A-Za-z0-9_]*|::|\n|[^\sA-Za-z0-9_]").unwrap();
    let mut line = 1;
    let mut tokens = Vec::new();
    for found in pattern.find_iter(text) {
        if found.as_str() == "\n" {
            line += 1;
        } else {
            tokens.push(Token { line, text: found.as_str().to_owned() });
        }
    }
    tokens
}

/// The tokens without items marked `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut stored = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts = tokens[at..].len() >= attribute.len()
            && tokens[at..].iter().zip(attribute).all(|(token, text)| token.text == text);
        if starts {
            at = end_of_item(tokens, at + attribute.len());
        } else {
            stored.push(tokens[at].clone());
            at += 1;
        }
    }
    stored
}

/// The position after the item that begins at `at`: after its semicolon or its closing brace.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    let (mut braces, mut others) = (0_i32, 0_i32);
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "{" => braces += 1,
            "(" | "[" => others += 1,
            ")" | "]" => others -= 1,
            "}" => {
                braces -= 1;
                if braces == 0 && others == 0 {
                    return at + 1;
                }
            }
            ";" if braces == 0 && others == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// All paths and macros named in the tokens, with `use` trees expanded.
fn names(tokens: &[Token]) -> Vec<Named> {
    let mut found = Vec::new();
    // One entry per open brace: the module that it opens, or none.
    let mut open: Vec<Option<String>> = Vec::new();
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut at = 0;
    while at < tokens.len() {
        let inline: Vec<String> = open.iter().flatten().cloned().collect();
        let line = tokens[at].line;
        match text(at) {
            "{" => open.push((at >= 2 && text(at - 2) == "mod").then(|| text(at - 1).to_owned())),
            "}" => drop(open.pop()),
            "use" if text(at + 1) != "<" => {
                let mut paths = Vec::new();
                at = use_tree(tokens, at + 1, &[], &mut paths);
                let named = |(line, path)| Named { line, path, is_use: true, is_macro: false, inline: inline.clone() };
                found.extend(paths.into_iter().map(named));
                continue;
            }
            word if is_word(word) => {
                let mut path = vec![word.to_owned()];
                while text(at + 1) == "::" && is_word(text(at + 2)) {
                    path.push(text(at + 2).to_owned());
                    at += 2;
                }
                let is_macro = text(at + 1) == "!" && text(at + 2) != "=";
                if is_macro {
                    path.drain(..path.len() - 1);
                }
                if is_macro || path.len() > 1 {
                    found.push(Named { line, path, is_use: false, is_macro, inline });
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Expands the `use` tree that begins at `at` below `prefix`; returns the position after it.
fn use_tree(tokens: &[Token], mut at: usize, prefix: &[String], paths: &mut Vec<(usize, Vec<String>)>) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let line = tokens.get(at).map_or(0, |token| token.line);
    let mut path = prefix.to_vec();
    loop {
        match text(at) {
            "::" => at += 1,
            "{" => {
                at += 1;
                while text(at) != "}" && !text(at).is_empty() {
                    at = use_tree(tokens, at, &path, paths);
                    if text(at) == "," {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "as" => at += 2,
            "*" => {
                path.push("*".to_owned());
                at += 1;
            }
            // `use a::{self}` is `use a`.
            "self" if !path.is_empty() => at += 1,
            word if is_word(word) => {
                path.push(word.to_owned());
                at += 1;
            }
            _ => {
                paths.push((line, path));
                return at;
            }
        }
    }
}

#[test]
fn a_core_file_that_imports_an_edge_is_found_in_every_spelling() {
    let spellings = [
        "use crate::edge::store::Store;",
        "use crate::{core::domain::Example, edge::store};",
        "use crate::core::domain::{Example};\nfn f() { let s = crate::edge::store::Store::open(); }",
        "use super::super::edge::files;",
        "mod inner {\n    use super::super::super::edge::files;\n}",
        "pub use crate::flow::Workspace;",
        "fn f(bench: &crate::flow::Workspace) {}",
        "use crate::cli as other;",
    ];
    for text in spellings {
        assert_eq!(violations("core/queue.rs", text).len(), 1, "{text}: {:?}", violations("core/queue.rs", text));
    }
    assert_eq!(
        violations("core/stats/mod.rs", "\nuse crate::edge::store;"),
        ["core/stats/mod.rs:2: core uses edge::store: arrows run down only"]
    );
}

#[test]
fn an_edge_that_imports_another_edge_or_a_higher_layer_is_found() {
    let wrong = [
        ("edge/dataset.rs", "use crate::edge::store::Store;"),
        ("edge/dataset.rs", "use super::store::Store;"),
        ("edge/embed/remote/page.rs", "fn f() { crate::edge::traffic::open(path); }"),
        ("edge/embed/remote/page.rs", "use super::super::super::traffic;"),
        ("edge/net/mod.rs", "use crate::flow::Event;"),
        ("edge/git.rs", "use crate::cli;"),
        ("edge/git.rs", "use crate::edge::*;"),
        ("flow/run.rs", "use crate::cli::output::Output;"),
    ];
    for (path, text) in wrong {
        assert_eq!(violations(path, text).len(), 1, "{path}: {text}");
    }
    let right = [
        ("edge/dataset.rs", "use crate::edge::{files, net::client};\nuse super::files::write_atomic;"),
        ("edge/embed/remote/page.rs", "use crate::edge::embed::tables;\nuse super::super::tables::Table;"),
        ("edge/store/mod.rs", "use crate::core::domain::Failure;\nmod writer;\npub use writer::Writer;"),
        ("flow/run.rs", "use crate::edge::{store, net};\nuse super::Event;"),
        ("cli/run.rs", "use crate::flow::Workspace;\nfn f() { println!(); }"),
    ];
    for (path, text) in right {
        assert_eq!(violations(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

#[test]
fn only_the_command_line_writes_to_the_terminal() {
    let wrong = [
        "fn f() { println!(\"x\"); }",
        "fn f() { std::println!(\"x\"); }",
        "fn f() { eprintln!(\"x\"); }",
        concat!("fn f() { dbg", "!(1); }"),
        "use std::io::stdout;",
        "use std::io::{self, Write};\nfn f() { io::stderr().write_all(b\"x\"); }",
        "fn f() { std::io::stdout().lock(); }",
    ];
    for text in wrong {
        assert_eq!(violations("flow/run.rs", text).len(), 1, "{text}: {:?}", violations("flow/run.rs", text));
        assert_eq!(violations("edge/git.rs", text).len(), 1, "{text}");
        assert_eq!(violations("cli/run.rs", text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_clock_a_file_the_environment_or_unseeded_randomness_in_core_is_found() {
    let wrong = [
        "use std::time::{Duration, Instant};",
        "use std::time::SystemTime;",
        "use std::time;",
        "use std::time::*;",
        "fn f() { std::time::Instant::now(); }",
        "use jiff::Timestamp;\nfn f() -> Timestamp { Timestamp::now() }",
        "fn f() { jiff::Zoned::now(); }",
        "use std::{collections::HashMap, fs};",
        "fn f() { std::fs::read(\"x\"); }",
        "use std::env;",
        "fn f() { std::env::var(\"X\"); }",
        "use std::net::TcpStream;",
        "use std::process::Command;",
        "use tokio::sync::watch;",
        "fn f(c: &rusqlite::Connection) {}",
        "use reqwest::Client;",
        "use rand::rng;",
        "fn f() { let mut r = rand::rng(); }",
        "fn f() { rand::thread_rng(); }",
        "#[cfg(not(test))]\nuse std::fs;",
    ];
    for text in wrong {
        assert_eq!(violations("core/births.rs", text).len(), 1, "{text}: {:?}", violations("core/births.rs", text));
        assert_eq!(violations("edge/git.rs", text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn code_that_only_looks_wrong_is_accepted() {
    let right = [
        "// use crate::edge::store;\n/* std::fs */\n//! println!(\"x\")",
        "const TEXT: &str = \"use crate::edge::store; println!()\";\nconst RAW: &str = r#\"std::fs \"quoted\" \"#;",
        "const VERSION: &str = env!(\"CARGO_PKG_VERSION\");",
        "use std::time::Duration;\nuse jiff::{Timestamp, SignedDuration};",
        "use std::io::{BufRead, Write};\nuse std::net::Ipv4Addr;\nuse rand::{RngExt, SeedableRng};\nuse crate::core::stats::rng;",
        "fn life<'a>(text: &'a str) -> char { '\"' }\nfn f() { let c = '\\''; }",
        "#[cfg(test)]\nmod tests {\n    use std::fs;\n    fn f() { println!(\"{}\", std::fs::read(\"x\").len()); }\n}\nuse super::domain;",
        "#[cfg(test)]\nuse crate::edge::store::Store;\n",
        "#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;\n",
    ];
    for text in right {
        assert_eq!(violations("core/births.rs", text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn test_only_modules_are_found_in_either_spelling() {
    let text = "#[cfg(test)]\nmod fixture;\n#[cfg(test)]\n#[path = \"openai_tests.rs\"]\nmod tests;\n#[cfg(test)]\npub(crate) mod server;";
    let found = test_modules(Path::new("src/edge/endpoint/openai.rs"), text);
    let expected = ["openai/fixture.rs", "openai_tests.rs", "openai/server.rs"]
        .map(|name| Path::new("src/edge/endpoint").join(name));
    assert_eq!(found, expected);
    let found = test_modules(Path::new("src/edge/net/mod.rs"), "#[cfg(test)]\npub(crate) mod server;");
    assert_eq!(found, [PathBuf::from("src/edge/net/server.rs")]);
}
