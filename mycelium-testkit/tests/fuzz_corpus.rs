//! The fuzzer's corpus, run without a fuzzer.

use std::{
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
};

use mycelium_testkit::fuzz::{TARGETS, nested, seeds, wire_types};

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The files of a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let entries = entries.map(|entry| entry.expect("it can be listed"));
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

#[test]
fn every_input_of_the_corpus_uncovers_nothing() {
    for target in TARGETS {
        let inputs = files(&fuzz_folder().join("corpus").join(target.name));
        assert!(!inputs.is_empty(), "{} has no corpus", target.name);
        for input in inputs {
            let bytes = fs::read(&input).expect("it can be read");
            let run = catch_unwind(|| (target.run)(&bytes));
            assert!(run.is_ok(), "{} fails on {input:?}", target.name);
        }
    }
}

#[test]
fn every_target_has_a_program_and_every_program_a_target() {
    let named = |folder: &str| -> Vec<_> {
        let files = files(&fuzz_folder().join(folder));
        let names = files.iter().filter_map(|file| file.file_stem());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    };
    let targets: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(named("targets"), targets);
    assert_eq!(named("corpus"), targets);
}

#[test]
fn the_seeds_of_the_corpus_are_those_that_are_made() {
    for seed in seeds() {
        let file = fuzz_folder()
            .join("corpus")
            .join(seed.target)
            .join(&seed.name);
        let bytes = fs::read(&file).unwrap_or_default();
        assert!(
            bytes == seed.bytes,
            "{file:?} is another one; to write it: \
             cargo run -p mycelium-testkit --example fuzz_seeds"
        );
    }
}

#[test]
fn two_hundred_thousand_nests_do_not_overflow_the_stack() {
    wire_types(&nested(200_000));
}
