//! Which crate of this workspace may depend on which other.

use self::May::{Anything, Only};
use crate::{
    graph::{Graph, Package},
    violation::Violation,
};

const CACHE: &str = "mycelium-cache";
const CORE: &str = "mycelium-core";
const FACADE: &str = "mycelium";
const MACROS: &str = "mycelium-macros";
const PUBSUB: &str = "mycelium-pubsub";
const REGISTRY: &str = "mycelium-registry";
const STORE: &str = "mycelium-store";
const SUPERVISOR: &str = "mycelium-supervisor";
const TESTKIT: &str = "mycelium-testkit";
const TRANSPORT: &str = "mycelium-transport";
const WIRE: &str = "mycelium-wire";

/// Every crate under the facade.
const PARTS: &[&str] = &[
    CACHE, CORE, MACROS, PUBSUB, REGISTRY, STORE, SUPERVISOR, TRANSPORT, WIRE,
];

/// The architecture as a table, lowest layer first. A row may name crates that do not exist yet.
const ARROWS: &[(&str, May)] = &[
    (WIRE, Only(&[])),
    (MACROS, Only(&[])),
    (CORE, Only(&[WIRE])),
    (TRANSPORT, Only(&[CORE, WIRE])),
    (REGISTRY, Only(&[CORE, MACROS, WIRE])),
    (SUPERVISOR, Only(&[CORE, MACROS, WIRE])),
    (STORE, Only(&[CORE, MACROS, WIRE])),
    (PUBSUB, Only(&[CORE, MACROS, REGISTRY, WIRE])),
    (CACHE, Only(&[CORE, MACROS, PUBSUB, REGISTRY, WIRE])),
    (FACADE, Only(PARTS)),
    (TESTKIT, Only(&[FACADE])),
    ("mycelium-faults", Only(&[FACADE, TESTKIT])),
    ("mycelium-cli", Only(&[FACADE])),
    ("examples", Only(&[FACADE])),
    ("benches", Anything),
    ("xtask", Only(&[])),
];

const TABLE: &str = "xtask/src/layers/arrows.rs";

/// What a crate may depend on among our own crates.
enum May {
    Only(&'static [&'static str]),
    Anything,
}

/// Every arrow between our crates that the table does not draw, and every crate it does not know.
pub(super) fn violations(graph: &Graph) -> Vec<Violation> {
    graph
        .ours()
        .flat_map(|package| violations_of(graph, package))
        .collect()
}

fn violations_of(graph: &Graph, package: &Package) -> Vec<Violation> {
    match ARROWS.iter().find(|(name, _)| *name == package.name) {
        None => vec![unknown(package)],
        Some((_, Anything)) => Vec::new(),
        Some((_, Only(allowed))) => graph
            .normal_dependencies_of(package)
            .filter(|used| used.is_ours() && !allowed.contains(&used.name.as_str()))
            .map(|used| forbidden(package, used, allowed))
            .collect(),
    }
}

fn unknown(package: &Package) -> Violation {
    Violation::new(format!(
        "{} is in the workspace and in no layer",
        package.name
    ))
    .note(
        "rule",
        "every crate has a row that says which of our crates it may depend on",
    )
    .note(
        "to do",
        format!(
            "add a row for it to the table in {TABLE}, and to the crate map in ARCHITECTURE.md"
        ),
    )
}

fn forbidden(package: &Package, used: &Package, allowed: &[&str]) -> Violation {
    let allowed = if allowed.is_empty() {
        "no other crate of ours".to_owned()
    } else {
        allowed.join(", ")
    };
    Violation::new(format!("{} depends on {}", package.name, used.name))
        .note("rule", format!("{} may depend on {allowed}", package.name))
        .note(
            "to do",
            "let the lower crate offer a trait that the upper one fills, or move the code up",
        )
        .note(
            "or",
            format!("draw the arrow in {TABLE} and say why in docs/decisions"),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::violation::expect;

    fn told(packages: impl IntoIterator<Item = Package>) -> Vec<String> {
        expect::told(violations, packages)
    }

    #[test]
    fn a_clean_graph_passes() {
        let clean = told([
            Package::ours("mycelium-wire").needs(&["bytes"]),
            Package::ours("mycelium-core").needs(&["mycelium-wire", "bytes"]),
            Package::ours("examples").needs(&["mycelium"]),
            Package::ours("mycelium").needs(&["mycelium-core", "mycelium-wire"]),
            Package::published("bytes"),
        ]);

        expect::nothing(&clean);
    }

    #[test]
    fn an_arrow_that_points_up_is_found() {
        let told = told([
            Package::ours("mycelium-core").needs(&["mycelium-transport"]),
            Package::ours("mycelium-transport").needs(&["mycelium-core"]),
        ]);

        expect::one(
            &told,
            "mycelium-core depends on mycelium-transport\n",
            &["mycelium-core may depend on mycelium-wire\n"],
        );
    }

    #[test]
    fn an_arrow_between_neighbours_is_found() {
        let told = told([
            Package::ours("mycelium-registry").needs(&["mycelium-transport"]),
            Package::ours("mycelium-transport"),
        ]);

        expect::one(&told, "", &[]);
    }

    #[test]
    fn examples_see_the_facade_only() {
        let told = told([
            Package::ours("examples").needs(&["mycelium-core"]),
            Package::ours("mycelium-core"),
        ]);

        expect::one(&told, "", &["examples may depend on mycelium\n"]);
    }

    #[test]
    fn tests_may_use_any_crate() {
        let told = told([
            Package::ours("mycelium-core").tests_with(&["mycelium-testkit"]),
            Package::ours("mycelium-testkit").needs(&["mycelium"]),
            Package::ours("mycelium").needs(&["mycelium-core"]),
        ]);

        expect::nothing(&told);
    }

    #[test]
    fn benches_may_use_any_crate() {
        let told = told([
            Package::ours("benches").needs(&["mycelium-wire"]),
            Package::ours("mycelium-wire"),
        ]);

        expect::nothing(&told);
    }

    #[test]
    fn a_crate_without_a_row_is_told_where_to_add_it() {
        let told = told([Package::ours("mycelium-gossip")]);

        expect::one(
            &told,
            "mycelium-gossip is in the workspace and in no layer\n",
            &[TABLE],
        );
    }
}
