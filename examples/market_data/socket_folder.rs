//! The folder for the sockets of one job: no other user can enter it, and it is gone after the job.
//!
//! A launcher that is killed cannot remove its folder, so the next one does. Locks tell who lives,
//! because the kernel lets go of them when their holder ends: the launcher holds one on the folder
//! itself, each node one on its `.lock` file in there.

use std::{
    env,
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use rustix::{fs::OFlags, process::geteuid};
use tempfile::TempDir;

const PREFIX: &str = "market-data-";

/// Removed when dropped.
pub(crate) struct SocketFolder {
    folder: TempDir,
    /// Let go of after the folder is gone: fields are dropped in order.
    _lock: File,
}

impl SocketFolder {
    /// Makes the folder, and removes those of this user's dead launchers.
    ///
    /// # Errors
    /// When there can be no folder.
    pub(crate) fn make() -> io::Result<Self> {
        Self::make_in(&env::temp_dir())
    }

    fn make_in(parent: &Path) -> io::Result<Self> {
        sweep(parent);
        loop {
            let folder = tempfile::Builder::new()
                .prefix(PREFIX)
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(parent)?;
            if let Some(claimed) = Self::claim(folder)? {
                return Ok(claimed);
            }
        }
    }

    /// Locks the folder; `None` when another launcher found it first, not yet locked, and swept it.
    fn claim(folder: TempDir) -> io::Result<Option<Self>> {
        let lock = match open_folder(folder.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        // Where folders cannot be locked, nobody takes a lock, and so nobody sweeps.
        lock.lock().ok();
        let is_there = folder.path().exists();
        Ok(is_there.then_some(Self {
            folder,
            _lock: lock,
        }))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Removes it.
    ///
    /// # Errors
    /// When something of it remains.
    pub(crate) fn close(self) -> io::Result<()> {
        self.folder.close()
    }
}

/// Removes the folders of dead launchers. What cannot be opened, locked or removed stays: it
/// belongs to somebody else, or somebody else is at it.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(PREFIX.as_bytes())
        {
            remove_if_dead(&entry.path()).ok();
        }
    }
}

fn remove_if_dead(path: &Path) -> io::Result<()> {
    let folder = open_folder(path)?;
    let is_own = folder.metadata()?.uid() == geteuid().as_raw();
    // Both locks: what a killed launcher started may outlive it for a moment.
    if is_own && folder.try_lock().is_ok() && !has_live_node(path)? {
        fs::remove_dir_all(path)?;
    }
    Ok(())
}

fn has_live_node(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_lock = path
            .extension()
            .is_some_and(|extension| extension == "lock");
        if is_lock && File::open(path)?.try_lock().is_err() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Follows no symbolic link: in a place that all may write to, anyone can put one.
fn open_folder(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::{io::Result, os::unix::fs::symlink};

    use super::*;

    /// A folder as a killed launcher leaves it.
    fn leave(parent: &Path) -> Result<std::path::PathBuf> {
        let left = parent.join("market-data-left");
        fs::create_dir(&left)?;
        fs::write(left.join("book.lock"), "")?;
        fs::write(left.join("book.sock"), "")?;
        Ok(left)
    }

    #[test]
    fn the_folder_of_a_dead_launcher_is_removed_and_that_of_a_live_one_stays() -> Result<()> {
        let parent = tempfile::tempdir()?;
        let live = SocketFolder::make_in(parent.path())?;
        let left = leave(parent.path())?;
        let next = SocketFolder::make_in(parent.path())?;
        assert!(live.path().exists() && next.path().exists() && !left.exists());
        live.close()?;
        next.close()?;
        assert_eq!(fs::read_dir(parent.path())?.count(), 0);
        Ok(())
    }

    #[test]
    fn a_folder_with_a_live_node_stays() -> Result<()> {
        let parent = tempfile::tempdir()?;
        let left = leave(parent.path())?;
        let node = File::open(left.join("book.lock"))?;
        node.lock()?;
        sweep(parent.path());
        assert!(left.exists());
        drop(node);
        sweep(parent.path());
        assert!(!left.exists());
        Ok(())
    }

    #[test]
    fn nothing_else_of_that_name_is_touched() -> Result<()> {
        let parent = tempfile::tempdir()?;
        let elsewhere = tempfile::tempdir()?;
        symlink(elsewhere.path(), parent.path().join("market-data-link"))?;
        fs::write(parent.path().join("market-data-file"), "")?;
        fs::create_dir(parent.path().join("other"))?;
        sweep(parent.path());
        assert_eq!(fs::read_dir(parent.path())?.count(), 3);
        assert!(elsewhere.path().exists());
        Ok(())
    }

    #[test]
    fn a_folder_that_was_swept_before_it_was_locked_is_not_taken() -> Result<()> {
        let folder = tempfile::tempdir()?;
        fs::remove_dir(folder.path())?;
        assert!(SocketFolder::claim(folder)?.is_none());
        Ok(())
    }
}
