//! Packages that do not come in, and packages that come in once.

use std::collections::BTreeMap;

use cargo_metadata::semver::Version;

use self::Where::{Anywhere, AskedForByUs};
use super::parents;
use crate::{
    graph::{Graph, Package},
    violation::Violation,
};

const BANNED: &[Ban] = &[
    ban("bincode", Anywhere, "rkyv, as on the wire"),
    ban("foyer", Anywhere, "the tiers of mycelium-cache"),
    ban("lazy_static", AskedForByUs, "std::sync::LazyLock"),
    ban("openssl-sys", Anywhere, "rustls with ring"),
    ban("serde_yaml", Anywhere, "serde-saphyr, which is maintained"),
    ban("sled", Anywhere, "fjall, which is maintained"),
];

/// Packages whose types cross our crates: two releases of one would not fit together.
const ONCE: &[&str] = &["bytes", "rkyv", "tokio"];

struct Ban {
    name: &'static str,
    place: Where,
    instead: &'static str,
}

/// Where a banned package is a violation.
enum Where {
    Anywhere,
    /// Only when one of our own crates depends on it.
    AskedForByUs,
}

const fn ban(name: &'static str, place: Where, instead: &'static str) -> Ban {
    Ban {
        name,
        place,
        instead,
    }
}

/// Every banned package, and every key package that comes in more than once.
pub(super) fn violations(graph: &Graph) -> Vec<Violation> {
    let mut violations: Vec<_> = BANNED
        .iter()
        .flat_map(|ban| ban.violations(graph))
        .collect();
    violations.extend(ONCE.iter().filter_map(|name| duplicate(graph, name)));
    violations
}

impl Ban {
    fn violations(&self, graph: &Graph) -> Vec<Violation> {
        graph
            .named(self.name)
            .filter(|package| self.place.covers(graph, package))
            .map(|package| self.violation(graph, package))
            .collect()
    }

    fn violation(&self, graph: &Graph, package: &Package) -> Violation {
        Violation::new(format!("{package} is banned"))
            .note("parents", parents(graph, package))
            .note("to do", format!("use {}", self.instead))
    }
}

impl Where {
    fn covers(&self, graph: &Graph, package: &Package) -> bool {
        match self {
            Anywhere => true,
            AskedForByUs => graph.parents_of(package).any(Package::is_ours),
        }
    }
}

/// A key package that comes in incompatible versions, with who asks for each.
fn duplicate(graph: &Graph, name: &str) -> Option<Violation> {
    let mut lines: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for package in graph.named(name) {
        lines
            .entry(release_line(&package.version))
            .or_default()
            .push(package);
    }
    (lines.len() > 1).then(|| {
        let comes = Violation::new(format!(
            "{name} comes in {} incompatible versions",
            lines.len()
        ));
        let told = lines.values().flatten().fold(comes, |told, package| {
            told.note(
                "parents",
                format!("of {package}: {}", parents(graph, package)),
            )
        });
        told.note(
            "to do",
            "move the older parents to a release that uses the newer one, or drop them",
        )
    })
}

/// What two versions share when cargo lets one stand for the other: the first number that is not zero.
fn release_line(version: &Version) -> (u64, u64, u64) {
    match (version.major, version.minor) {
        (0, 0) => (0, 0, version.patch),
        (0, minor) => (0, minor, 0),
        (major, _) => (major, 0, 0),
    }
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
        let told = told([
            Package::ours("mycelium-core").needs(&["tokio"]),
            Package::published("tokio").needs(&["bytes"]),
            Package::published("bytes"),
        ]);

        expect::nothing(&told);
    }

    #[test]
    fn a_banned_package_is_found_however_deep() {
        let told = told([
            Package::ours("mycelium-transport").needs(&["https"]),
            Package::published("https").needs(&["openssl-sys"]),
            Package::published("openssl-sys"),
        ]);

        expect::one(
            &told,
            "openssl-sys 1.0.0 is banned\n",
            &["parents  https 1.0.0\n", "use rustls"],
        );
    }

    #[test]
    fn lazy_static_is_banned_for_us_and_not_for_others() {
        let for_others = told([
            Package::ours("mycelium-core").tests_with(&["loom"]),
            Package::published("loom").needs(&["lazy_static"]),
            Package::published("lazy_static"),
        ]);
        let for_us = told([
            Package::ours("mycelium-core").tests_with(&["lazy_static"]),
            Package::published("lazy_static"),
        ]);

        expect::nothing(&for_others);
        assert_eq!(for_us.len(), 1);
    }

    #[test]
    fn a_key_package_in_two_incompatible_versions_names_both_parents() {
        let told = told([
            Package::ours("mycelium-wire").needs(&["rkyv@0.8.18", "old"]),
            Package::published("old").needs(&["rkyv@0.7.45"]),
            Package::published("rkyv").at("0.7.45"),
            Package::published("rkyv").at("0.8.18"),
        ]);

        expect::one(
            &told,
            "rkyv comes in 2 incompatible versions\n",
            &[
                "of rkyv 0.7.45: old 1.0.0\n",
                "of rkyv 0.8.18: mycelium-wire 1.0.0\n",
            ],
        );
    }

    #[test]
    fn other_packages_may_come_twice() {
        let told = told([
            Package::published("syn").at("2.0.0"),
            Package::published("syn").at("3.0.0"),
        ]);

        expect::nothing(&told);
    }
}
