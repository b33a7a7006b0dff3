//! What the source of the lower crates must not name.
//!
//! The standard library is in no dependency tree, so its sockets, clocks and threads are found in the
//! source: [`names_in`] says what a file names. Neither comments nor tests count.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use self::names::{Name, names_in};
use crate::{
    graph::{Graph, Origin},
    violation::Violation,
};

mod names;

const PURE: &[Purity] = &[
    Purity {
        crate_name: "mycelium-wire",
        rule: "mycelium-wire is bytes and states: no runtime, socket, clock, thread or randomness",
        to_do: "take the time, a nonce or bytes as an argument; plain addresses are in `core::net`",
        forbidden: &[
            ".elapsed",
            "Instant::now",
            "SystemTime",
            "TcpListener",
            "TcpStream",
            "UNIX_EPOCH",
            "UdpSocket",
            "UnixListener",
            "UnixStream",
            "fastrand",
            "getrandom",
            "quanta",
            "rand",
            "std::env",
            "std::fs",
            "std::net",
            "std::os",
            "std::process",
            "std::thread",
            "tokio",
        ],
    },
    Purity {
        crate_name: "mycelium-core",
        rule: "mycelium-core names no socket: transports plug into its ports",
        to_do: "move it to mycelium-transport, behind a port; plain addresses are in `core::net`",
        forbidden: &[
            "TcpListener",
            "TcpStream",
            "UdpSocket",
            "UnixDatagram",
            "UnixListener",
            "UnixStream",
            "mio",
            "os::unix::net",
            "socket2",
            "std::net",
            "tokio::net",
        ],
    },
];

/// What one crate keeps out of its source.
struct Purity {
    crate_name: &'static str,
    rule: &'static str,
    to_do: &'static str,
    forbidden: &'static [&'static str],
}

/// Every line of a pure crate that names something impure.
///
/// # Errors
/// The crate that is not in the workspace, or the file that could not be read.
pub(super) fn violations(graph: &Graph) -> Result<Vec<Violation>, String> {
    let mut found = Vec::new();
    for purity in PURE {
        let folder = folder_of(graph, purity.crate_name)?;
        for file in rust_files(&folder.join("src"))? {
            let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
            let shown =
                Path::new(purity.crate_name).join(file.strip_prefix(folder).unwrap_or(&file));
            found.extend(purity.violations(&shown, &text)?);
        }
    }
    Ok(found)
}

fn folder_of<'g>(graph: &'g Graph, crate_name: &'g str) -> Result<&'g Path, String> {
    let mut origins = graph.named(crate_name).map(|package| &package.origin);
    match origins.next() {
        Some(Origin::Workspace { folder }) => Ok(folder),
        _ => Err(format!(
            "{crate_name} left the workspace; name what took its place in xtask/src/layers"
        )),
    }
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
            let path = entry.map_err(|error| unreadable(&folder, &error))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}

impl Purity {
    fn violations(&self, file: &Path, text: &str) -> Result<Vec<Violation>, String> {
        let names =
            names_in(text).map_err(|error| format!("cannot parse {}: {error}", file.display()))?;
        // An import that renames itself is named where it stands and where it is used.
        let found: BTreeSet<_> = names
            .iter()
            .filter_map(|name| Some((name.line, self.forbids(name)?)))
            .collect();
        let violation = |(line, name)| self.violation(file, line, name);
        Ok(found.into_iter().map(violation).collect())
    }

    fn forbids(&self, name: &Name) -> Option<&'static str> {
        let mut forbidden = self.forbidden.iter().copied();
        forbidden.find(|forbidden| brings(name, forbidden))
    }

    fn violation(&self, file: &Path, line: usize, name: &str) -> Violation {
        Violation::new(format!("{} names `{name}`", self.crate_name))
            .note("at", format!("{}:{line}", file.display()))
            .note("rule", self.rule)
            .note("to do", self.to_do)
    }
}

/// Whether the name holds `forbidden` as whole pieces, or is a glob that it may come by.
fn brings(name: &Name, forbidden: &str) -> bool {
    let forbidden: Vec<_> = forbidden.split("::").collect();
    let mut runs = name.path.windows(forbidden.len());
    let above = name.path.len();
    runs.any(|run| run == forbidden)
        || name.is_glob && above < forbidden.len() && name.path == forbidden[..above]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::violation::expect;

    const WIRE: &Purity = &PURE[0];
    const CORE: &Purity = &PURE[1];

    fn told(purity: &Purity, text: &str) -> Vec<String> {
        let violations = purity.violations(Path::new("src/link.rs"), text);
        expect::texts(&violations.expect("the text is Rust"))
    }

    #[test]
    fn a_clock_in_wire_is_found_with_its_line() {
        let told = told(WIRE, "fn now() -> Instant {\n    Instant::now()\n}\n");

        expect::one(
            &told,
            "mycelium-wire names `Instant::now`\n",
            &["src/link.rs:2\n"],
        );
    }

    #[test]
    fn time_as_an_argument_is_clean() {
        let told = told(
            WIRE,
            "use std::time::Instant;\n\nfn handle_timeout(now: Instant) {}\n",
        );

        expect::nothing(&told);
    }

    #[test]
    fn comments_do_not_count() {
        let told = told(
            WIRE,
            "//! Never calls `Instant::now`.\nconst NOW: u64 = 0; // not SystemTime\n",
        );

        expect::nothing(&told);
    }

    #[test]
    fn names_are_whole_words() {
        let told = told(
            WIRE,
            "use core::net::SocketAddr;\nfn sum() { operand::add(tokio_like, a..elapsed) }\n",
        );

        expect::nothing(&told);
    }

    #[test]
    fn a_socket_in_a_grouped_import_is_found() {
        let told = told(CORE, "use tokio::{\n    net::UnixStream,\n};\n");

        expect::one(&told, "mycelium-core names `UnixStream`\n", &[]);
    }

    #[test]
    fn core_may_use_tokio_without_sockets() {
        let told = told(
            CORE,
            "use tokio::{sync::Notify, time::Instant};\nfn now() { Instant::now(); }\n",
        );

        expect::nothing(&told);
    }

    #[test]
    fn a_test_module_may_read_the_clock_and_code_after_it_may_not() {
        let text = "\
#[cfg(test)]
#[expect(clippy::panic, reason = \"a test\")]
mod tests {
    fn start() -> Instant {
        Instant::now()
    }
}

fn late() -> Instant {
    Instant::now()
}
";

        let told = told(WIRE, text);

        expect::one(&told, "", &["src/link.rs:10\n"]);
    }

    /// These were taken for clean, because no line of them holds `std::fs` as it is written here.
    #[test]
    fn grouped_imports_and_what_they_bring_are_found() {
        let text = "\
use std::{
    env, fs, process, thread,
    time::{Duration, UNIX_EPOCH},
};

fn all() {
    let _ = fs::read(\"/etc/hostname\");
    let _ = env::args();
    let _ = thread::Builder::new().spawn(|| ());
    let _ = process::id();
    let _ = UNIX_EPOCH.elapsed();
}
";

        let told = told(WIRE, text).concat();

        for (name, lines) in [
            ("std::env", [2, 8]),
            ("std::fs", [2, 7]),
            ("std::process", [2, 10]),
            ("std::thread", [2, 9]),
            ("UNIX_EPOCH", [3, 11]),
            (".elapsed", [11, 11]),
        ] {
            for line in lines {
                let wanted =
                    format!("mycelium-wire names `{name}`\n  at       src/link.rs:{line}\n");
                assert!(told.contains(&wanted), "{wanted}{told}");
            }
        }
    }

    #[test]
    fn a_grouped_import_of_sockets_is_found_in_core() {
        for text in [
            "use std::{fmt, net};\n",
            "use std::{fmt, net::{self, IpAddr}};\n",
            "use std::{net as n};\n",
            "use ::std::net::*;\n",
            "use std::*;\n",
            "mod inner {\n    fn f() {\n        use std::net;\n    }\n}\n",
        ] {
            let told = told(CORE, text);
            assert!(
                told.first()
                    .is_some_and(|told| told.starts_with("mycelium-core names `std::net`\n")),
                "{text}{told:?}"
            );
        }
    }

    #[test]
    fn renamed_imports_are_found_where_they_are_used() {
        for text in [
            "use std as s;\nfn f() { s::fs::read(\"\"); }\n",
            "extern crate std as s;\nfn f() { s::fs::read(\"\"); }\n",
            "use std::{self as s};\nfn f() { s::fs::read(\"\"); }\n",
            "use std as s; use s as t;\nfn f() { t::fs::read(\"\"); }\n",
            "fn f() {}\nfn g() { assert!(std::fs::read(\"\").is_ok()); }\n",
            "\nmacro_rules! m { () => { std::fs::read(\"\") }; }\n",
        ] {
            let told = told(WIRE, text);
            assert_eq!(told.len(), 1, "{text}{told:?}");
            assert!(told[0].contains("names `std::fs`\n"), "{text}{told:?}");
            assert!(told[0].contains("src/link.rs:2\n"), "{text}{told:?}");
        }
        let clock = "use std::time::Instant as Clock;\nfn f() { Clock::now(); }\n";
        assert!(told(WIRE, clock)[0].contains("names `Instant::now`\n"));
    }

    #[test]
    fn a_clock_is_read_by_a_method_of_whatever() {
        for text in [
            "fn f() { start.elapsed(); }",
            "fn f() { pair.0.elapsed(); }",
            "fn f() { start()?.elapsed(); }",
            "fn f() { times[0]\n    .elapsed(); }",
        ] {
            assert!(told(WIRE, text)[0].contains("names `.elapsed`\n"), "{text}");
        }
    }

    #[test]
    fn imports_that_go_in_circles_end() {
        let told = told(WIRE, "use a::b as c;\nuse c::d as a;\nfn f() { a::x(); }\n");

        expect::nothing(&told);
    }

    #[test]
    fn a_test_import_hides_nothing_below_it() {
        let told = told(WIRE, "#[cfg(test)]\nuse crate::pair;\nuse std::thread;\n");

        expect::one(&told, "", &[]);
    }

    #[test]
    fn a_file_of_tests_is_skipped() {
        let told = told(
            WIRE,
            "//! A pair of connections.\n#![cfg(test)]\n\nuse std::thread;\n",
        );

        expect::nothing(&told);
    }
}
