//! Who may know whom: the arrows that `ARCHITECTURE.md` draws, checked.
//!
//! Three rules, each a pure function: [`arrows`] between our own crates, the [`tree`] of packages under
//! `mycelium-wire`, and the [`source`] text of the crates that must not touch sockets, clocks or threads.
//! Only normal dependencies count: tests may use any crate.

use crate::{Outcome, graph::Graph, violation::verdict};

mod arrows;
mod source;
mod tree;

/// Checks every layer rule.
///
/// # Errors
/// All violations found, or why the workspace or its source could not be read.
pub(crate) fn run() -> Outcome {
    let graph = Graph::load()?;
    let mut violations = arrows::violations(&graph);
    violations.extend(tree::violations(&graph));
    violations.extend(source::violations(&graph)?);
    verdict(
        &violations,
        &format!("{} crates keep to their layers", graph.ours().count()),
    )
}
