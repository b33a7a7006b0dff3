//! Files that hold a whole report or are not there: one that a failed job leaves half written, or
//! that an earlier job left, would be taken for this one's.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

/// Proves that [`put`] can write to `path`, and removes what an earlier job left there.
pub(super) fn clear(path: &Path) -> io::Result<()> {
    let is_replaced = is_replaced(path)?;
    File::create(path)?;
    if is_replaced {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Writes `text` to `path`; whoever looks there meanwhile sees nothing or all of it.
pub(super) fn put(path: &Path, text: &str) -> io::Result<()> {
    if !is_replaced(path)? {
        return fs::write(path, text);
    }
    let mut file = tempfile::Builder::new()
        .prefix(".market-data-")
        // What any new file gets: the mask of the process takes from it.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder_of(path))?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

/// A plain file is replaced. A device, a pipe or a link stays what it is and is written through.
fn is_replaced(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(found.is_file()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Result,
        os::unix::fs::{MetadataExt as _, symlink},
    };

    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("out.json");
        fs::write(&path, "of an earlier job")?;
        clear(&path)?;
        assert!(!path.exists());
        put(&path, "whole")?;
        assert_eq!(fs::read_to_string(&path)?, "whole");
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }

    #[test]
    fn others_may_read_a_report_as_they_may_any_new_file() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let [report, other] = ["report", "other"].map(|name| folder.path().join(name));
        put(&report, "")?;
        File::create(&other)?;
        assert_eq!(report.metadata()?.mode(), other.metadata()?.mode());
        Ok(())
    }

    #[test]
    fn a_link_stays_and_leads_to_the_report() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let [link, target] = ["link", "target"].map(|name| folder.path().join(name));
        fs::write(&target, "of an earlier job")?;
        symlink(&target, &link)?;
        clear(&link)?;
        assert_eq!(fs::read_to_string(&target)?, "");
        put(&link, "whole")?;
        assert_eq!(fs::read_to_string(&target)?, "whole");
        assert!(link.is_symlink());
        Ok(())
    }

    #[test]
    fn a_path_that_can_be_no_file_is_found_at_once() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("file");
        fs::write(&file, "")?;
        for path in [
            folder.path(),
            &file.join("below"),
            &folder.path().join("no/such"),
        ] {
            assert!(clear(path).is_err(), "{}", path.display());
        }
        Ok(())
    }

    #[test]
    fn a_bare_name_lies_in_the_current_folder() {
        assert_eq!(folder_of(Path::new("out.json")), Path::new("."));
        assert_eq!(folder_of(Path::new("a/out.json")), Path::new("a"));
    }
}
