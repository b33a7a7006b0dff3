//! The tasks of a bypass: they move objects, and nothing else.

use std::sync::{Arc, Weak};

use mycelium_core::{InboundObjects, Link, Node};
use mycelium_wire::{CloseReason, ReceiveHalf};
use tokio::{select, time};

use super::{
    Ending, FAREWELL, Joined, Writer, finish_writing, handle_object, linger, read_more,
    say_goodbye, superseded,
};
use crate::{link::PeerLink, socket::Socket};

/// Runs the bypass of a link until it ends, or the connection that it is beside.
pub(crate) async fn drive_bypass(node: &Node, joined: Joined) {
    let Joined {
        link,
        socket,
        receive,
        generation,
        role: _,
    } = joined;
    let failed = link.with_connection(generation, |up| up.failed.clone());
    let Some(failed) = failed else { return };
    let writer = Writer {
        link: Arc::clone(&link),
        socket: Arc::clone(&socket),
        generation,
    };
    let writing = node.runtime().spawn(writer.run());
    link.flush_to(generation);
    let weak: Weak<PeerLink> = Arc::downgrade(&link);
    let mut reader = BypassReader {
        link: &link,
        objects: InboundObjects::new(node.clone(), weak, generation),
        socket: &socket,
        receive,
        generation,
    };
    let ending = select! {
        biased;
        () = failed.cancelled() => {
            let failure = link.with_connection(generation, |up| up.failure.take());
            let failure = failure.flatten().map(Ending::Closed);
            failure.unwrap_or_else(|| Ending::Lost(superseded()))
        }
        ending = reader.read_on() => ending,
        () = node.closing().cancelled() => Ending::Closed(CloseReason::Requested),
    };
    drop(reader);
    socket.limit_farewell();
    if finish_writing(writing, say_goodbye(&link, generation, &ending)).await {
        let _ = time::timeout(FAREWELL, linger(&socket)).await;
    }
    link.close_bypass(generation);
    if let Ending::Closed(reason) = &ending
        && !reason.is_orderly()
    {
        tracing::warn!(peer = %link.peer(), %reason, "a link's connection for objects was closed");
    }
}

/// Reads what comes over a bypass.
struct BypassReader<'a> {
    link: &'a PeerLink,
    objects: InboundObjects,
    socket: &'a Socket,
    receive: ReceiveHalf,
    generation: u32,
}

impl BypassReader<'_> {
    async fn read_on(&mut self) -> Ending {
        loop {
            if let Err(reason) = self.dispatch() {
                return Ending::Closed(reason);
            }
            if let Err(error) = read_more(self.socket, &mut self.receive).await {
                return Ending::Lost(error);
            }
            self.link.hear_bypass();
        }
    }

    fn dispatch(&mut self) -> Result<(), CloseReason> {
        while let Some(event) = self.receive.poll_event()? {
            handle_object(self.link, &mut self.objects, self.generation, event)?;
        }
        self.link.flush_to(self.generation);
        Ok(())
    }
}
