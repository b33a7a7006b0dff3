//! Every package can be shipped under licences that ask for no more than a notice.

use spdx::{Expression, Licensee, ParseMode};

use super::parents;
use crate::{
    graph::{Graph, Package},
    violation::Violation,
};

const ALLOWED: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Every package whose licence expression the allowed licences do not satisfy.
pub(super) fn violations(graph: &Graph) -> Vec<Violation> {
    let allowed = allowed();
    let judged = graph
        .packages()
        .map(|package| (package, objection(package, &allowed)));
    judged
        .filter_map(|(package, objection)| Some(refused(graph, package, &objection?)))
        .collect()
}

fn allowed() -> Vec<Licensee> {
    ALLOWED
        .iter()
        .map(|licence| Licensee::parse(licence).expect("the table holds SPDX names"))
        .collect()
}

/// Why `package` cannot be shipped, or nothing when it can.
fn objection(package: &Package, allowed: &[Licensee]) -> Option<String> {
    let Some(licence) = &package.licence else {
        return Some("states no licence expression".to_owned());
    };
    // Lax: old manifests write `MIT/Apache-2.0` where SPDX now says `MIT OR Apache-2.0`.
    let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else {
        return Some(format!("states a licence that is not SPDX: `{licence}`"));
    };
    let shippable =
        expression.evaluate(|asked| allowed.iter().any(|licence| licence.satisfies(asked)));
    (!shippable).then(|| format!("is licensed `{licence}`"))
}

fn refused(graph: &Graph, package: &Package, objection: &str) -> Violation {
    Violation::new(format!("{package} {objection}"))
        .note("parents", parents(graph, package))
        .note("rule", format!("one of: {}", ALLOWED.join(", ")))
        .note("to do", "use another package; if the licence is permissive, add it in xtask/src/deny/licences.rs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::violation::expect;

    fn told(licence: Option<&str>) -> Vec<String> {
        let packages = [
            Package::ours("mycelium-core").needs(&["dependency"]),
            Package::published("dependency").licensed(licence),
        ];
        expect::told(violations, packages)
    }

    #[test]
    fn an_allowed_expression_passes() {
        for licence in [
            "MIT",
            "MIT/Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0-only",
            "LGPL-2.1-or-later OR MIT",
        ] {
            assert!(told(Some(licence)).is_empty(), "{licence}");
        }
    }

    #[test]
    fn a_copyleft_licence_names_the_package_and_its_parent() {
        let told = told(Some("GPL-3.0-only"));

        expect::one(
            &told,
            "dependency 1.0.0 is licensed `GPL-3.0-only`\n",
            &["parents  mycelium-core 1.0.0\n"],
        );
    }

    #[test]
    fn one_refused_half_of_an_and_is_enough() {
        assert_eq!(told(Some("MIT AND GPL-3.0-only")).len(), 1);
    }

    #[test]
    fn an_exception_is_not_allowed_by_its_bare_licence() {
        assert_eq!(told(Some("MIT WITH Classpath-exception-2.0")).len(), 1);
    }

    #[test]
    fn no_licence_and_no_spdx_are_told_apart() {
        assert!(told(None)[0].contains("states no licence expression"));
        assert!(told(Some("do what you like"))[0].contains("not SPDX: `do what you like`"));
    }
}
