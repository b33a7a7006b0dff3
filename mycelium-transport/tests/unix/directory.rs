//! The directory that a node has its socket in.

use std::{
    fs::{self, Permissions},
    io::ErrorKind,
    os::unix::{
        fs::{PermissionsExt, chown},
        net::{UnixDatagram, UnixListener},
    },
    path::Path,
};

use mycelium_core::{Node, Plugin, StartError, Starting};
use mycelium_transport::{BuildTransport, UnixDirError};

use crate::support::{listening, private_dir, shut_down, watched};

async fn refused(dir: impl AsRef<Path>) -> UnixDirError {
    let started = Node::builder("server").unix(dir.as_ref()).start().await;
    let Err(StartError::Plugin(error)) = started else {
        panic!("{started:?}")
    };
    *error.downcast().expect("the directory is to blame")
}

#[test]
fn the_directory_is_made_for_its_owner_alone() {
    watched(async {
        let above = private_dir();
        let dir = above.path().join("fabric");
        let node = Node::builder("server").unix(&dir).start().await;
        let node = node.expect("the node starts");
        let mode = fs::metadata(&dir)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(dir.join("server.sock").exists());
        shut_down(&node).await;
        assert!(!dir.join("server.sock").exists());
    });
}

#[test]
fn a_directory_that_others_may_enter_is_refused() {
    watched(async {
        for wide in [0o755, 0o710, 0o701, 0o770, 0o720] {
            let dir = private_dir();
            fs::set_permissions(dir.path(), Permissions::from_mode(wide)).expect("it is ours");
            let error = refused(dir.path()).await;
            assert!(
                matches!(error, UnixDirError::TooWide { mode, .. } if mode == wide),
                "{error}"
            );
            let left = fs::read_dir(dir.path()).expect("it is ours").count();
            assert_eq!(left, 0, "nothing is left behind");
        }
    });
}

#[test]
fn what_is_no_directory_is_refused() {
    watched(async {
        let dir = private_dir();
        let file = dir.path().join("file");
        fs::write(&file, "content").expect("it is ours");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).expect("it is ours");
        for path in [&file, &link] {
            let error = refused(path).await;
            assert!(
                matches!(&error, UnixDirError::NotADirectory { path: found } if found == path),
                "{error}"
            );
        }
        assert_eq!(fs::read_to_string(&file).expect("it is there"), "content");
    });
}

#[test]
fn a_directory_of_somebody_else_s_is_refused() {
    watched(async {
        let dir = private_dir();
        match chown(dir.path(), Some(65_534), None) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                eprintln!("skipped: only root can give a directory away");
                return;
            }
            given => given.expect("the system gives it away"),
        }
        let error = refused(dir.path()).await;
        assert!(
            matches!(error, UnixDirError::Foreign { owner: 65_534, .. }),
            "{error}"
        );
    });
}

#[test]
fn a_path_that_the_kernel_does_not_take_is_refused_before_anything_is_made() {
    watched(async {
        let above = private_dir();
        let socket_bytes = "/server.sock".len();
        let room = 107 - above.path().as_os_str().len() - 1 - socket_bytes;
        let fits = above.path().join("x".repeat(room));
        let node = Node::builder("server").unix(&fits).start().await;
        shut_down(&node.expect("the node starts")).await;
        let too_long = above.path().join("y".repeat(room + 1));
        let error = refused(&too_long).await;
        assert!(
            matches!(error, UnixDirError::PathTooLong { length: 108, .. }),
            "{error}"
        );
        assert!(!too_long.exists());
    });
}

#[test]
fn two_nodes_of_one_name_cannot_share_a_directory() {
    watched(async {
        let dir = private_dir();
        let first = listening("server", &dir).await;
        let error = refused(dir.path()).await;
        assert!(
            matches!(&error, UnixDirError::DuplicateNode { name, .. } if name.as_str() == "server"),
            "{error}"
        );
        assert!(dir.path().join("server.sock").exists());
        let other = listening("other", &dir).await;
        shut_down(&other).await;
        shut_down(&first).await;
        let again = listening("server", &dir).await;
        shut_down(&again).await;
    });
}

#[test]
fn a_leftover_socket_is_replaced() {
    watched(async {
        let dir = private_dir();
        let socket = dir.path().join("server.sock");
        drop(UnixListener::bind(&socket).expect("the path is free"));
        assert!(socket.exists());
        let node = listening("server", &dir).await;
        shut_down(&node).await;
    });
}

/// A datagram socket answers a connection with another error than a dead one, and was removed.
#[test]
fn a_live_socket_is_never_removed() {
    watched(async {
        let dir = private_dir();
        let socket = dir.path().join("server.sock");
        let listener = UnixListener::bind(&socket).expect("the path is free");
        let error = refused(dir.path()).await;
        assert!(
            matches!(error, UnixDirError::DuplicateNode { .. }),
            "{error}"
        );
        assert!(socket.exists());
        drop(listener);
        fs::remove_file(&socket).expect("it is ours");

        let datagrams = UnixDatagram::bind(&socket).expect("the path is free");
        let error = refused(dir.path()).await;
        assert!(matches!(error, UnixDirError::Io { .. }), "{error}");
        assert!(socket.exists());
        drop(datagrams);
    });
}

/// Fails when its node starts.
#[derive(Default)]
struct Faulty;

impl Plugin for Faulty {
    fn start(self: Box<Self>, _node: &Node) -> Starting<'_> {
        Box::pin(async { Err("a fault".into()) })
    }
}

#[test]
fn a_start_that_fails_half_way_leaves_no_socket() {
    watched(async {
        let dir = private_dir();
        let mut builder = Node::builder("server").unix(dir.path());
        builder.plugin::<Faulty>();
        let error = builder.start().await.expect_err("a part fails");
        // `main` prints the one or the other.
        assert_eq!(error.to_string(), "a fault");
        assert_eq!(format!("{error:?}"), "a fault");
        assert!(!dir.path().join("server.sock").exists());
        let node = listening("server", &dir).await;
        shut_down(&node).await;
    });
}
