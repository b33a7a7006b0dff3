//! The resolved dependency graph, reduced to what the rules ask of it.
//!
//! [`Graph::load`] asks cargo, for Linux, with the features that a build of the workspace turns on.
//! The rules see only this model and not cargo's, so that their tests can make up graphs.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    path::{Path, PathBuf},
};

use cargo_metadata::{
    DependencyKind, Metadata, MetadataCommand, Node, NodeDep, PackageId, semver::Version,
};

/// Mycelium runs on Linux: packages that only other systems use are left out, and never downloaded.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Every package a build of the workspace uses, and who depends on whom.
pub(crate) struct Graph {
    packages: BTreeMap<PackageId, Package>,
}

pub(crate) struct Package {
    id: PackageId,
    pub(crate) name: String,
    pub(crate) version: Version,
    pub(crate) licence: Option<String>,
    pub(crate) origin: Origin,
    dependencies: Vec<Dependency>,
}

/// Where a package's source comes from.
pub(crate) enum Origin {
    Workspace { folder: PathBuf },
    DefaultRegistry,
    Elsewhere(String),
}

struct Dependency {
    on: PackageId,
    kind: Kind,
}

/// Whether a dependency is part of what users link.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Normal,
    BuildOrDev,
}

impl Graph {
    /// Resolves the workspace around the current directory.
    ///
    /// # Errors
    /// What cargo said, when it could not resolve the workspace.
    pub(crate) fn load() -> Result<Self, cargo_metadata::Error> {
        let filter = ["--filter-platform", PLATFORM].map(String::from);
        let metadata = MetadataCommand::new().other_options(filter).exec()?;
        Ok(Self::from_metadata(metadata))
    }

    fn from_metadata(metadata: Metadata) -> Self {
        let root = metadata.workspace_root.into_std_path_buf();
        let nodes = metadata
            .resolve
            .map(|resolve| resolve.nodes)
            .unwrap_or_default();
        let mut dependencies: BTreeMap<_, _> = nodes
            .into_iter()
            .map(|node| (node.id.clone(), dependencies_of(node)))
            .collect();
        Self::of(metadata.packages.into_iter().map(|package| Package {
            dependencies: dependencies.remove(&package.id).unwrap_or_default(),
            origin: Origin::of(&package, &root),
            name: package.name.to_string(),
            version: package.version,
            licence: package.license,
            id: package.id,
        }))
    }

    pub(crate) fn of(packages: impl IntoIterator<Item = Package>) -> Self {
        Self {
            packages: packages
                .into_iter()
                .map(|package| (package.id.clone(), package))
                .collect(),
        }
    }

    pub(crate) fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }

    /// The packages with this name: one for each version that comes in.
    pub(crate) fn named<'g>(&'g self, name: &'g str) -> impl Iterator<Item = &'g Package> {
        self.packages().filter(move |package| package.name == name)
    }

    /// The crates of this workspace.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages().filter(|package| package.is_ours())
    }

    /// The packages that `package` needs when users link it.
    pub(crate) fn normal_dependencies_of(
        &self,
        package: &Package,
    ) -> impl Iterator<Item = &Package> {
        let normal = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == Kind::Normal);
        normal.filter_map(|dependency| self.packages.get(&dependency.on))
    }

    /// The packages that ask for `package` themselves, for whatever purpose.
    pub(crate) fn parents_of(&self, package: &Package) -> impl Iterator<Item = &Package> {
        self.packages().filter(|parent| {
            parent
                .dependencies
                .iter()
                .any(|dependency| dependency.on == package.id)
        })
    }

    /// One shortest path of normal dependencies from `start` to each package under it, `start` first.
    pub(crate) fn normal_paths_from<'g>(&'g self, start: &'g Package) -> Vec<Vec<&'g Package>> {
        let mut seen = BTreeSet::from([&start.id]);
        let mut ahead = VecDeque::from([vec![start]]);
        let mut paths = Vec::new();
        while let Some(path) = ahead.pop_front() {
            for package in self.normal_dependencies_of(path[path.len() - 1]) {
                if seen.insert(&package.id) {
                    ahead.push_back([path.as_slice(), &[package]].concat());
                }
            }
            paths.push(path);
        }
        paths.split_off(1)
    }
}

impl Package {
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.origin, Origin::Workspace { .. })
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

impl Origin {
    fn of(package: &cargo_metadata::Package, root: &Path) -> Self {
        let folder = package.manifest_path.as_std_path().parent().unwrap_or(root);
        match &package.source {
            Some(source) if source.is_crates_io() => Self::DefaultRegistry,
            Some(source) => Self::Elsewhere(source.to_string()),
            None if folder.starts_with(root) => Self::Workspace {
                folder: folder.to_owned(),
            },
            None => Self::Elsewhere(folder.display().to_string()),
        }
    }
}

fn dependencies_of(node: Node) -> Vec<Dependency> {
    let uses = node.deps.into_iter();
    uses.map(|used| Dependency {
        kind: Kind::of(&used),
        on: used.pkg,
    })
    .collect()
}

impl Kind {
    fn of(used: &NodeDep) -> Self {
        let mut kinds = used.dep_kinds.iter().map(|used| used.kind);
        if kinds.any(|kind| kind == DependencyKind::Normal) {
            Self::Normal
        } else {
            Self::BuildOrDev
        }
    }
}

/// Made-up packages: each is known by its name, or by `name@version` once it is given a version.
#[cfg(test)]
impl Package {
    pub(crate) fn ours(name: &str) -> Self {
        let folder = PathBuf::from(name);
        Self::made_up(name, Origin::Workspace { folder })
    }

    pub(crate) fn published(name: &str) -> Self {
        Self::made_up(name, Origin::DefaultRegistry)
    }

    pub(crate) fn from(mut self, place: &str) -> Self {
        self.origin = Origin::Elsewhere(place.to_owned());
        self
    }

    pub(crate) fn at(mut self, version: &str) -> Self {
        self.id = PackageId {
            repr: format!("{}@{version}", self.name),
        };
        self.version = version.parse().unwrap();
        self
    }

    pub(crate) fn licensed(mut self, licence: Option<&str>) -> Self {
        self.licence = licence.map(str::to_owned);
        self
    }

    pub(crate) fn needs(self, ids: &[&str]) -> Self {
        self.depends(ids, Kind::Normal)
    }

    pub(crate) fn tests_with(self, ids: &[&str]) -> Self {
        self.depends(ids, Kind::BuildOrDev)
    }

    fn depends(mut self, ids: &[&str], kind: Kind) -> Self {
        for id in ids {
            let on = PackageId {
                repr: (*id).to_owned(),
            };
            self.dependencies.push(Dependency { on, kind });
        }
        self
    }

    fn made_up(name: &str, origin: Origin) -> Self {
        let name = name.to_owned();
        Self {
            id: PackageId { repr: name.clone() },
            name,
            version: Version::new(1, 0, 0),
            licence: Some("MIT".to_owned()),
            origin,
            dependencies: Vec::new(),
        }
    }
}
