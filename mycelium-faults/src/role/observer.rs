//! [`Observer`]: reports how the links of a node are.

use std::{sync::Arc, time::Duration};

use mycelium::{Link, LinkState, Node};
use tokio::time;

use super::{life, pipe::Pipe};
use crate::{
    clock::now_ns,
    record::{Event, Record},
};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Reports how the links of a node are, until each has ended.
pub(super) struct Observer {
    node: Node,
    pipe: Arc<Pipe>,
    links: Vec<(Arc<dyn Link>, LinkState)>,
}

impl Observer {
    pub(super) fn new(node: Node, pipe: Arc<Pipe>) -> Self {
        Self {
            node,
            pipe,
            links: Vec::new(),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.look();
            time::sleep(LOOK_EVERY).await;
        }
    }

    fn look(&mut self) {
        for link in self.node.links() {
            let is_known = |(known, _): &(Arc<dyn Link>, _)| Arc::ptr_eq(known, &link);
            if !self.links.iter().any(is_known) {
                self.links.push((link, LinkState::Up));
            }
        }
        let me = life(self.node.id());
        for (link, before) in &mut self.links {
            let state = link.state();
            let event = match (std::mem::replace(before, state), state) {
                (LinkState::Suspected, LinkState::Up) => Event::Revived,
                (before, LinkState::Suspected) if before != state => Event::Suspected,
                (before, LinkState::Down) if before != state => Event::PeerDown,
                _ => continue,
            };
            let record = Record::of(event).between(me, life(link.peer()));
            self.pipe.write(&[record.value(now_ns())]);
        }
        self.links.retain(|(_, state)| *state != LinkState::Down);
    }
}
