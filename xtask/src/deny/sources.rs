//! Every package comes from the default registry or from this workspace.

use super::parents;
use crate::{
    graph::{Graph, Origin, Package},
    violation::Violation,
};

/// Every package that comes from a git repository, another registry or a folder outside the workspace.
pub(super) fn violations(graph: &Graph) -> Vec<Violation> {
    graph
        .packages()
        .filter_map(|package| violation(graph, package))
        .collect()
}

fn violation(graph: &Graph, package: &Package) -> Option<Violation> {
    let Origin::Elsewhere(place) = &package.origin else {
        return None;
    };
    let told = Violation::new(format!("{package} comes from {place}"))
        .note("parents", parents(graph, package))
        .note(
            "rule",
            "only the default registry and folders of this workspace: no git, no other registry",
        )
        .note(
            "to do",
            "use a published version, or make it a crate of the workspace",
        );
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::violation::expect;

    #[test]
    fn the_default_registry_and_the_workspace_pass() {
        let packages = [
            Package::ours("mycelium-core").needs(&["bytes"]),
            Package::published("bytes"),
        ];

        expect::nothing(&expect::told(violations, packages));
    }

    #[test]
    fn a_git_dependency_names_its_place_and_its_parent() {
        let packages = [
            Package::ours("mycelium-core").needs(&["patched"]),
            Package::published("patched").from("git+ssh://somewhere/patched"),
        ];

        expect::one(
            &expect::told(violations, packages),
            "patched 1.0.0 comes from git+ssh://somewhere/patched\n",
            &["parents  mycelium-core 1.0.0\n"],
        );
    }
}
