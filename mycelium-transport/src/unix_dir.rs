//! [`UnixDir`]: a directory that holds the sockets of nodes, and no way in for anybody else.
//!
//! Order matters: the directory is checked first, then the node's lock file is locked for as long
//! as the node lives, and only then is a socket left by a dead process probed, removed and bound
//! anew. So a live node's socket is never unlinked.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    os::unix::net::UnixStream as StdUnixStream,
    path::{Path, PathBuf},
};

use mycelium_wire::NodeName;
use rustix::process::geteuid;
use tokio::net::UnixListener;

/// The most bytes of a socket's path: `sun_path` without its terminating zero (unix(7)).
const PATH_LIMIT_BYTES: usize = 107;

/// Why a node cannot have its socket in a directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnixDirError {
    /// Another process of this host runs a node of this name here.
    #[error("a node named {name} already runs in {dir}; stop it, or choose another name", dir = dir.display())]
    DuplicateNode {
        /// The name both want.
        name: NodeName,
        /// The directory.
        dir: PathBuf,
    },
    /// Others may write to the directory, and so put their socket in place of ours.
    #[error("{dir} is open to others (mode {mode:03o}): run `chmod 700 {dir}`, or choose another directory", dir = dir.display())]
    TooWide {
        /// The directory.
        dir: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The directory belongs to another user.
    #[error("{dir} belongs to user {owner}, this process runs as {uid}; choose a directory of its own", dir = dir.display())]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user of this process.
        uid: u32,
    },
    /// There is something else under the directory's name.
    #[error("{path} is not a directory", path = path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// The kernel takes no longer paths for sockets.
    #[error("the socket's path {path} has {length} bytes, the kernel takes {PATH_LIMIT_BYTES}; choose a shorter directory", path = path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// The directory's name cannot be told to peers.
    #[error("{dir} is not valid UTF-8; choose another directory", dir = dir.display())]
    NotUtf8 {
        /// The directory.
        dir: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {what} {path}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// A node's place in a directory of sockets; gives the socket up when dropped.
#[derive(Debug)]
pub(crate) struct UnixDir {
    socket: PathBuf,
    /// Locked as long as the node lives. The file stays: whoever unlinked it could leave two
    /// processes with a lock each.
    _lock: File,
}

impl UnixDir {
    /// Takes the node's place in `dir`, which is made where it is missing, and listens.
    pub(crate) fn listen(
        dir: &Path,
        name: &NodeName,
    ) -> Result<(Self, UnixListener), UnixDirError> {
        // Peers are told of it, and may have another working directory.
        let dir = &place_of(dir).map_err(failed("find", dir))?;
        if dir.to_str().is_none() {
            return Err(UnixDirError::NotUtf8 { dir: dir.clone() });
        }
        let socket = dir.join(format!("{name}.sock"));
        check_length(&socket)?;
        make_private(dir)?;
        let lock = lock(dir, name)?;
        remove_leftover(dir, name, &socket)?;
        let listener = UnixListener::bind(&socket).map_err(failed("bind", &socket))?;
        let place = Self {
            socket,
            _lock: lock,
        };
        fs::set_permissions(&place.socket, Permissions::from_mode(0o600))
            .map_err(failed("set the permissions of", &place.socket))?;
        Ok((place, listener))
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for UnixDir {
    fn drop(&mut self) {
        // Nothing is to be done about a socket that is gone already.
        let _ = fs::remove_file(&self.socket);
    }
}

/// Where a directory is that need not be there yet, by the shortest path; a link in its own place
/// is not followed.
fn place_of(dir: &Path) -> io::Result<PathBuf> {
    let Some(name) = dir.file_name() else {
        return fs::canonicalize(dir);
    };
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
    Ok(fs::canonicalize(above.unwrap_or(Path::new(".")))?.join(name))
}

fn check_length(socket: &Path) -> Result<(), UnixDirError> {
    let length = socket.as_os_str().len();
    if length > PATH_LIMIT_BYTES {
        return Err(UnixDirError::PathTooLong {
            path: socket.to_owned(),
            length,
        });
    }
    Ok(())
}

/// Makes the directory for its owner alone, or sees to it that it is.
fn make_private(dir: &Path) -> Result<(), UnixDirError> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed("create the directory", dir)(error));
        }
        _ => {}
    }
    let found = fs::symlink_metadata(dir).map_err(failed("look at", dir))?;
    if !found.is_dir() {
        return Err(UnixDirError::NotADirectory {
            path: dir.to_owned(),
        });
    }
    let uid = geteuid().as_raw();
    if found.uid() != uid {
        return Err(UnixDirError::Foreign {
            dir: dir.to_owned(),
            owner: found.uid(),
            uid,
        });
    }
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(UnixDirError::TooWide {
            dir: dir.to_owned(),
            mode,
        });
    }
    Ok(())
}

fn lock(dir: &Path, name: &NodeName) -> Result<File, UnixDirError> {
    let path = dir.join(format!("{name}.lock"));
    let open = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let file = open.map_err(failed("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(duplicate(dir, name)),
        Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
    }
}

/// Removes the socket of a process that is gone; refuses to touch one that somebody answers.
fn remove_leftover(dir: &Path, name: &NodeName, socket: &Path) -> Result<(), UnixDirError> {
    match StdUnixStream::connect(socket) {
        Ok(_answered) => Err(duplicate(dir, name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(socket).map_err(failed("remove the leftover", socket))
        }
        // Something is alive there, of another kind perhaps: it is not ours to remove.
        Err(error) => Err(failed("look for a node at", socket)(error)),
    }
}

fn duplicate(dir: &Path, name: &NodeName) -> UnixDirError {
    UnixDirError::DuplicateNode {
        name: name.clone(),
        dir: dir.to_owned(),
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> UnixDirError {
    let path = path.to_owned();
    move |source| UnixDirError::Io { what, path, source }
}
