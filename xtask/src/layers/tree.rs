//! What `mycelium-wire` must not bring along, at any depth.
//!
//! A protocol without runtime, socket, clock or randomness is driven by a test as well as by tokio.
//! A package deep under it could end that without a line of ours changing.

use crate::{
    graph::{Graph, Package},
    violation::Violation,
};

const WIRE: &str = "mycelium-wire";

/// Packages that bring a runtime, a socket, a clock or randomness.
const FORBIDDEN: &[&str] = &[
    "async-io",
    "async-std",
    "chrono",
    "fastrand",
    "futures-executor",
    "getrandom",
    "libc",
    "mio",
    "nix",
    "polling",
    "quanta",
    "rand",
    "rand_core",
    "rustix",
    "smol",
    "socket2",
    "time",
    "tokio",
];

/// Every forbidden package under `mycelium-wire`, with the path by which it comes.
pub(super) fn violations(graph: &Graph) -> Vec<Violation> {
    graph
        .named(WIRE)
        .flat_map(|wire| graph.normal_paths_from(wire))
        .filter(|path| ends_at_its_first_forbidden(path))
        .map(|path| violation(&path))
        .collect()
}

/// What comes below a forbidden package goes with it, and would only hide the cause.
fn ends_at_its_first_forbidden(path: &[&Package]) -> bool {
    let mut names = path.iter().map(|package| package.name.as_str());
    names.position(|name| FORBIDDEN.contains(&name)) == Some(path.len() - 1)
}

fn violation(path: &[&Package]) -> Violation {
    let names: Vec<_> = path.iter().map(|package| package.name.as_str()).collect();
    let brought = names[names.len() - 1];
    let to_do = match names.as_slice() {
        [_, direct] => format!("drop {direct}, or move what needs it to mycelium-core or above"),
        _ => format!("drop {}, or its feature that brings {brought}", names[1]),
    };
    Violation::new(format!("{WIRE} brings {brought}"))
        .note("path", names.join(" -> "))
        .note(
            "rule",
            "no runtime, socket, clock or randomness anywhere under mycelium-wire",
        )
        .note("to do", to_do)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::violation::expect;

    fn told(packages: impl IntoIterator<Item = Package>) -> Vec<String> {
        expect::told(violations, packages)
    }

    #[test]
    fn a_clean_tree_passes() {
        let told = told([
            Package::ours("mycelium-wire").needs(&["rkyv"]),
            Package::published("rkyv").needs(&["bytes"]),
            Package::published("bytes"),
        ]);

        expect::nothing(&told);
    }

    #[test]
    fn a_direct_runtime_is_found() {
        let told = told([
            Package::ours("mycelium-wire").needs(&["tokio"]),
            Package::published("tokio"),
        ]);

        expect::one(&told, "mycelium-wire brings tokio\n", &[]);
    }

    #[test]
    fn a_deep_violation_shows_its_path() {
        let told = told([
            Package::ours("mycelium-wire").needs(&["rkyv"]),
            Package::published("rkyv").needs(&["uuid"]),
            Package::published("uuid").needs(&["getrandom"]),
            Package::published("getrandom"),
        ]);

        expect::one(
            &told,
            "",
            &["mycelium-wire -> rkyv -> uuid -> getrandom\n", "drop rkyv"],
        );
    }

    #[test]
    fn what_a_forbidden_package_brings_is_not_told_again() {
        let told = told([
            Package::ours("mycelium-wire").needs(&["tokio"]),
            Package::published("tokio").needs(&["mio"]),
            Package::published("mio"),
        ]);

        expect::one(&told, "", &[]);
    }

    #[test]
    fn a_cycle_ends() {
        let told = told([
            Package::ours("mycelium-wire").needs(&["a"]),
            Package::published("a").needs(&["b"]),
            Package::published("b").needs(&["a", "mio"]),
            Package::published("mio"),
        ]);

        expect::one(&told, "", &["mycelium-wire -> a -> b -> mio\n"]);
    }

    #[test]
    fn the_runtime_of_a_test_is_no_violation() {
        let told = told([
            Package::ours("mycelium-wire").tests_with(&["tokio"]),
            Package::published("tokio"),
        ]);

        expect::nothing(&told);
    }

    #[test]
    fn other_crates_may_have_a_runtime() {
        let told = told([
            Package::ours("mycelium-transport").needs(&["tokio"]),
            Package::published("tokio"),
        ]);

        expect::nothing(&told);
    }
}
