//! What must not come in: licences we cannot ship, packages we do not want, sources we do not trust.
//!
//! Everything is read from `cargo metadata`; no advisory list is downloaded. All packages count,
//! those of tests and build scripts too: they run on a developer's machine.

use crate::{
    Outcome,
    graph::{Graph, Package},
    violation::verdict,
};

mod bans;
mod licences;
mod sources;

/// Checks licences, bans and sources.
///
/// # Errors
/// All violations found, or why the workspace could not be resolved.
pub(crate) fn run() -> Outcome {
    let graph = Graph::load()?;
    let mut violations = licences::violations(&graph);
    violations.extend(bans::violations(&graph));
    violations.extend(sources::violations(&graph));
    verdict(
        &violations,
        &format!("{} packages may come in", graph.packages().count()),
    )
}

/// The packages that ask for `package` themselves, as one line.
fn parents(graph: &Graph, package: &Package) -> String {
    let parents: Vec<_> = graph.parents_of(package).map(ToString::to_string).collect();
    if parents.is_empty() {
        "nothing: it is a crate of the workspace".to_owned()
    } else {
        parents.join(", ")
    }
}
