//! The pages name tests that there are: `docs/requirements.md` for each row, `docs/semantics.md`
//! for each promise.

use std::{collections::BTreeSet, fs, path::PathBuf};

/// What is asked for so far.
const ROWS: [&str; 26] = [
    "M-1", "M-2", "M-5", "M-6", "M-7", "M-9", "M-10", "M-12", "M-13", "U-1", "U-2", "U-4", "U-5",
    "U-6", "U-9", "Y-1", "Y-2", "Y-3", "Y-4", "Y-6", "Y-8", "Y-9", "Y-10", "Y-11", "Y-13", "Y-15",
];

/// Macros that make a test of each function in their list.
const LISTS: [&str; 3] = ["suite! {", "over_every_transport!(", "over_sockets!("];

/// Where the cases of the conformance suite are listed.
const CASES: &str = "mycelium-testkit/src/conformance.rs";

fn read(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(file);
    fs::read_to_string(path).unwrap_or_default()
}

/// The tests that a text names, as `path/to/file.rs::test`.
fn named(text: &str) -> impl Iterator<Item = (String, &str)> {
    let named = text.split('`').filter_map(|code| code.split_once(".rs::"));
    named.map(|(file, test)| (format!("{file}.rs"), test))
}

/// The line that begins a function of this name.
fn begins(line: &str, name: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("pub(super) ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let after = line
        .strip_prefix("fn ")
        .and_then(|line| line.strip_prefix(name));
    after.is_some_and(|after| after.starts_with('('))
}

/// Whether the attributes above a function of this name make it a test.
fn has_attribute(source: &str, name: &str) -> bool {
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    let is_test = |line: &&str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    lines.iter().enumerate().any(|(at, line)| {
        let above = lines[..at].iter().rev();
        let mut attributes =
            above.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        begins(line, name) && attributes.any(is_test)
    })
}

/// Whether a macro of [`LISTS`] makes a test of this name.
fn is_listed(source: &str, name: &str) -> bool {
    let lists = LISTS.iter().flat_map(|list| source.split(list).skip(1));
    let end = |list: &str| list.find("\n}").or_else(|| list.find(");")).unwrap_or(0);
    lists
        .flat_map(|list| list[..end(list)].split(','))
        .any(|listed| listed.split_whitespace().last() == Some(name))
}

fn is_test(file: &str, name: &str) -> bool {
    let source = read(file);
    let is_case =
        || file.starts_with(CASES.trim_end_matches(".rs")) && is_listed(&read(CASES), name);
    let has_body = source.lines().any(|line| begins(line, name));
    has_attribute(&source, name) || has_body && (is_listed(&source, name) || is_case())
}

fn missing(page: &str) -> Vec<(String, &str)> {
    named(page)
        .filter(|(file, test)| !is_test(file, test))
        .collect()
}

/// The cells of each row of the page's tables.
fn rows(page: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = page.lines().filter(|line| line.starts_with("| "));
    let cells = lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect());
    cells.filter(|cells: &Vec<&str>| cells[0] != "row")
}

#[test]
fn every_test_that_is_named_is_there() {
    for page in ["docs/requirements.md", "docs/semantics.md"] {
        let text = read(page);
        assert!(named(&text).count() > 60, "{page} names its tests");
        let missing = missing(&text);
        assert!(missing.is_empty(), "{page}: {missing:#?}");
    }
}

#[test]
fn every_row_says_what_is_typed_and_what_shows_it() {
    let page = read("docs/requirements.md");
    let mut found = BTreeSet::new();
    for cells in rows(&page) {
        let [ids, asked, typed, shown] = cells[..] else {
            panic!("{cells:?}")
        };
        assert!(!asked.is_empty() && !typed.is_empty(), "{ids}");
        assert!(named(shown).next().is_some(), "{ids} is shown by no test");
        found.extend(ids.split(", "));
    }
    assert_eq!(found, BTreeSet::from(ROWS));
}

#[test]
fn every_promise_names_a_test() {
    let page = read("docs/semantics.md");
    let sections = page.split("\n## ").skip(1);
    for section in sections.filter(|section| !section.starts_with("Not promised")) {
        let title = section.lines().next();
        assert!(named(section).next().is_some(), "{title:?} names no test");
    }
}

#[test]
fn a_function_that_nobody_runs_is_no_test() {
    let source = "
#[test]
/// One that is.
fn fact() {}

fn helper() {}

suite! {
    $ all:

    group {
        listed,
    }
}
over_sockets!(alone,);

async fn forgotten(listed: &Bed, group: u8) {}
";
    assert!(has_attribute(source, "fact"));
    assert!(!has_attribute(source, "helper"));
    assert!(is_listed(source, "listed") && is_listed(source, "alone"));
    assert!(!is_listed(source, "forgotten") && !is_listed(source, "group"));
}

/// A first screen is read; a second is not.
#[test]
fn the_program_of_the_readme_has_15_to_25_lines() {
    let readme = read("README.md");
    let program = readme
        .split("```")
        .find_map(|part| part.strip_prefix("rust\n"));
    let lines = program.map_or(0, |program| program.lines().count());
    assert!((15..=25).contains(&lines), "{lines}");
}
