//! [`MemoryListener`]: nodes of this process that can be reached by name, without a socket.

use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use mycelium_wire::NodeName;
use tokio::sync::mpsc;

use crate::{TransportError, pipe::Pipe};

/// Connections that may wait to be accepted, as at a socket.
const BACKLOG: usize = 128;

/// Who listens in this process. Held for a look-up or a change.
static LISTENING: Mutex<BTreeMap<NodeName, mpsc::Sender<Pipe>>> = Mutex::new(BTreeMap::new());

/// A node's place in the table; gives it up when dropped.
pub(crate) struct MemoryListener {
    name: NodeName,
    connections: mpsc::Receiver<Pipe>,
}

impl MemoryListener {
    pub(crate) fn listen(name: &NodeName) -> Result<Self, TransportError> {
        let mut listening = listening();
        if listening.contains_key(name) {
            return Err(TransportError::DuplicateNode { name: name.clone() });
        }
        let (connect, connections) = mpsc::channel(BACKLOG);
        listening.insert(name.clone(), connect);
        Ok(Self {
            name: name.clone(),
            connections,
        })
    }

    /// Waits for a connection.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(crate) async fn accept(&mut self) -> Pipe {
        let accepted = self.connections.recv().await;
        accepted.expect("the table holds a sender for as long as the listener lives")
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        listening().remove(&self.name);
    }
}

/// Connects to the node of this process that listens under `name`.
pub(crate) fn connect(name: &str) -> io::Result<Pipe> {
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
    let name = name.parse().map_err(|_| refused())?;
    let (near, far) = Pipe::pair();
    let listening = listening();
    let connect = listening.get(&name).ok_or_else(refused)?;
    match connect.try_send(far) {
        Ok(()) => Ok(near),
        Err(mpsc::error::TrySendError::Full(_)) => Err(io::ErrorKind::WouldBlock.into()),
        Err(mpsc::error::TrySendError::Closed(_)) => Err(refused()),
    }
}

fn listening() -> MutexGuard<'static, BTreeMap<NodeName, mpsc::Sender<Pipe>>> {
    LISTENING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::{MemoryListener, connect};
    use crate::TransportError;

    #[tokio::test]
    async fn a_name_is_one_listeners_for_as_long_as_it_lives() {
        let name = "memory-once".parse().expect("a name");
        let mut listener = MemoryListener::listen(&name).expect("the name is free");
        let taken = MemoryListener::listen(&name);
        assert!(matches!(taken, Err(TransportError::DuplicateNode { .. })));

        let near = connect("memory-once").expect("it listens");
        let far = listener.accept().await;
        near.try_write(b"x").expect("room");
        far.readable().await;

        drop(listener);
        let refused = connect("memory-once").expect_err("nobody listens any more");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        MemoryListener::listen(&name).expect("the name is free again");
    }
}
