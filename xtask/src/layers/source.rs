//! What the source of the lower crates must not name.
//!
//! The standard library is in no dependency tree, so its sockets, clocks and threads are found in the
//! text. This is a plain scan of lines in rustfmt's layout. Comments do not count, nor does a
//! `#[cfg(test)] mod` in braces; a whole file of tests opens with `#![cfg(test)]`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    graph::{Graph, Origin},
    violation::Violation,
};

const PURE: &[Purity] = &[
    Purity {
        crate_name: "mycelium-wire",
        rule: "mycelium-wire is bytes and states: no runtime, socket, clock, thread or randomness",
        to_do: "take the time, a nonce or bytes as an argument; plain addresses are in `core::net`",
        forbidden: &[
            "Instant::now",
            "SystemTime",
            "TcpListener",
            "TcpStream",
            "UdpSocket",
            "UnixListener",
            "UnixStream",
            "fastrand",
            "getrandom",
            "quanta",
            "rand::",
            "std::env",
            "std::fs",
            "std::net",
            "std::os",
            "std::process",
            "std::thread",
            "thread::sleep",
            "thread::spawn",
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
            found.extend(purity.violations(&shown, &text));
        }
    }
    Ok(found)
}

fn folder_of<'g>(graph: &'g Graph, crate_name: &str) -> Result<&'g Path, String> {
    let found = graph.ours().find(|package| package.name == crate_name);
    match found.map(|package| &package.origin) {
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
    fn violations(&self, file: &Path, text: &str) -> Vec<Violation> {
        let mut found = Vec::new();
        for (number, line) in shipped_lines(text) {
            let named = self.forbidden.iter().filter(|name| names(line, name));
            found.extend(named.map(|name| self.violation(file, number, name)));
        }
        found
    }

    fn violation(&self, file: &Path, number: usize, name: &str) -> Violation {
        Violation::new(format!("{} names `{name}`", self.crate_name))
            .note("at", format!("{}:{number}", file.display()))
            .note("rule", self.rule)
            .note("to do", self.to_do)
    }
}

/// Where the scan of a file is.
enum At {
    Shipped,
    /// Behind `#[cfg(test)]`, before what it stands on.
    TestAttribute,
    TestModule,
}

/// The numbered lines that users link, without their comments.
fn shipped_lines(text: &str) -> Vec<(usize, &str)> {
    let mut shipped = Vec::new();
    let mut at = At::Shipped;
    for (number, line) in (1..).zip(text.lines()) {
        at = match (at, line) {
            (_, "#![cfg(test)]") => break,
            (At::TestModule, "}") => At::Shipped,
            (At::TestModule, _) => At::TestModule,
            (_, line) if is_test_attribute(line) => At::TestAttribute,
            (At::TestAttribute, line) if line.starts_with("#[") => At::TestAttribute,
            (At::TestAttribute, line) if opens_module(line) => At::TestModule,
            (_, line) => {
                shipped.push((number, code_of(line)));
                At::Shipped
            }
        }
    }
    shipped
}

fn is_test_attribute(line: &str) -> bool {
    line == "#[cfg(test)]" || line.starts_with("#[cfg(all(test,")
}

fn opens_module(line: &str) -> bool {
    line.ends_with(" {") && line.split(' ').any(|word| word == "mod")
}

fn code_of(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

/// Whether `line` holds `name` as whole words: `rand::` is not in `operand::`.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + name.len()..].chars().next();
        !before.is_some_and(is_word) && (name.ends_with("::") || !after.is_some_and(is_word))
    })
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: &Purity = &PURE[0];
    const CORE: &Purity = &PURE[1];

    fn told(purity: &Purity, text: &str) -> Vec<String> {
        purity
            .violations(Path::new("src/link.rs"), text)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_clock_in_wire_is_found_with_its_line() {
        let told = told(WIRE, "fn now() -> Instant {\n    Instant::now()\n}\n");

        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("mycelium-wire names `Instant::now`\n"),
            "{}",
            told[0]
        );
        assert!(told[0].contains("src/link.rs:2\n"), "{}", told[0]);
    }

    #[test]
    fn time_as_an_argument_is_clean() {
        let told = told(
            WIRE,
            "use std::time::Instant;\n\nfn handle_timeout(&mut self, now: Instant) {}\n",
        );

        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn comments_do_not_count() {
        let told = told(
            WIRE,
            "//! Never calls `Instant::now`.\nlet now = later; // not SystemTime\n",
        );

        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn names_are_whole_words() {
        let told = told(
            WIRE,
            "let sum = operand::add(tokio_like);\nuse core::net::SocketAddr;\n",
        );

        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn a_socket_in_a_grouped_import_is_found() {
        let told = told(CORE, "use tokio::{\n    net::UnixStream,\n};\n");

        assert!(
            told[0].starts_with("mycelium-core names `UnixStream`\n"),
            "{}",
            told[0]
        );
    }

    #[test]
    fn core_may_use_tokio_without_sockets() {
        let told = told(
            CORE,
            "use tokio::{sync::Notify, time::Instant};\nlet now = Instant::now();\n",
        );

        assert!(told.is_empty(), "{told:?}");
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

        assert_eq!(told.len(), 1);
        assert!(told[0].contains("src/link.rs:10\n"), "{}", told[0]);
    }

    #[test]
    fn a_test_import_hides_nothing_below_it() {
        let told = told(WIRE, "#[cfg(test)]\nuse crate::pair;\nuse std::thread;\n");

        assert_eq!(told.len(), 1);
    }

    #[test]
    fn a_file_of_tests_is_skipped() {
        let told = told(
            WIRE,
            "//! A pair of connections.\n#![cfg(test)]\n\nuse std::thread;\n",
        );

        assert!(told.is_empty(), "{told:?}");
    }
}
