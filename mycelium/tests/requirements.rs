//! `docs/requirements.md` names tests that there are.

use std::{fs, path::Path};

/// Whether a file of the workspace holds a test, or a case of the conformance suite, of this name.
fn is_there(root: &Path, file: &str, test: &str) -> bool {
    let source = fs::read_to_string(root.join(file)).unwrap_or_default();
    source.contains(&format!("fn {test}("))
}

#[test]
fn every_test_that_is_named_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/requirements.md")).expect("the page is there");
    let named = || page.split('`').filter_map(|code| code.split_once(".rs::"));
    assert!(
        named().count() > 60,
        "the page names its tests as `file.rs::test`"
    );
    let missing: Vec<_> = named()
        .filter(|(file, test)| !is_there(&root, &format!("{file}.rs"), test))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
