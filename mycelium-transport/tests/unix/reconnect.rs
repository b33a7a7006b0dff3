//! A connection is lost while both nodes live.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use mycelium_core::{ActorRef, LinkEvent, LinkEvents, LinkNotice, Node, SendError, StopReason};
use mycelium_registry::{Registry, ResolveError};
use mycelium_transport::BuildTransport;
use tempfile::TempDir;
use tokio::{runtime::Builder, sync::mpsc, task};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::support::{
    Gate, Tick, capacity, fill, find, gated, listening, offer, poll_once, private_dir, probe,
    proxy::{Pass, Proxy},
    refusal, round_trip, shut_down, until, watched,
};

/// Two nodes with a proxy between them.
pub(crate) struct Proxied {
    pub(crate) server: Node,
    pub(crate) client: Node,
    pub(crate) proxy: Proxy,
    _dir: TempDir,
}

impl Proxied {
    pub(crate) async fn start(pass: Pass) -> Self {
        let dir = private_dir();
        let server = listening("server", &dir).await;
        let target = dir.path().join("server.sock");
        let proxy = Proxy::start(&dir.path().join("proxy"), &target, pass);
        let client = Node::builder("client").unix(dir.path());
        let client = client.peer(proxy.address());
        let client = client.start().await.expect("the node starts");
        Self {
            server,
            client,
            proxy,
            _dir: dir,
        }
    }

    async fn probe(&self) -> (ActorRef<Tick>, mpsc::UnboundedReceiver<Tick>) {
        let (actor, handled) = probe::<Tick>();
        offer(&self.server, "ticks", capacity(1_024), actor);
        (find(&self.client, "ticks").await, handled)
    }

    async fn gated(&self, messages: usize) -> (ActorRef<Tick>, Gate<Tick>) {
        let (actor, gate) = gated::<Tick>();
        offer(&self.server, "gated", capacity(messages), actor);
        (find(&self.client, "gated").await, gate)
    }

    pub(crate) async fn shutdown(self) {
        shut_down(&self.client).await;
        shut_down(&self.server).await;
    }
}

/// Tries until the loss has been noticed; gives the messages that were accepted on the way.
async fn until_down(to: &ActorRef<Tick>, first: u64) -> u64 {
    let mut sequence = first;
    loop {
        match to.try_send(Tick::number(sequence)) {
            Ok(()) => sequence += 1,
            Err(SendError::Full(_)) => {}
            Err(SendError::LinkDown(message)) => {
                assert_eq!(message, Tick::number(sequence));
                return sequence - first;
            }
            Err(refused) => panic!("{refused}"),
        }
        task::yield_now().await;
    }
}

/// The next event of a link, without its peer.
async fn next(events: &mut LinkEvents) -> String {
    match events.next().await {
        Some(LinkNotice::Event(LinkEvent::Lost { unknown, .. })) => format!("lost {unknown}"),
        Some(LinkNotice::Event(LinkEvent::Up { .. })) => "up".into(),
        Some(LinkNotice::Event(LinkEvent::Down { .. })) => "down".into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_happens_to_a_link_is_told_and_counted() {
    watched(async {
        let nodes = Proxied::start(Pass::Plain).await;
        let mut events = nodes.client.link_events();
        let (ticks, mut handled) = nodes.probe().await;
        for sequence in 0..10 {
            ticks.send(Tick::number(sequence)).await.expect("it lives");
            assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
        }
        until(|| nodes.client.stats().sent.in_flight == 0).await;
        nodes.proxy.cut().await;
        assert_eq!(next(&mut events).await, "lost 0");
        nodes.proxy.restore();
        assert_eq!(next(&mut events).await, "up");

        let (stuck, gate) = nodes.gated(16).await;
        let (accepted, _) = fill(&stuck, 0, Tick::number);
        nodes.proxy.cut().await;
        assert_eq!(next(&mut events).await, format!("lost {accepted}"));
        nodes.proxy.restore();
        assert_eq!(next(&mut events).await, "up");
        gate.open();
        shut_down(&nodes.server).await;
        assert_eq!(next(&mut events).await, "lost 0");
        assert_eq!(next(&mut events).await, "down");
        let stats = nodes.client.stats();
        assert_eq!((stats.links, stats.sent.confirmed), (0, 10));
        assert_eq!(stats.sent.unknown, accepted);
        nodes.shutdown().await;
    });
}

// An actor that was watched and never sent to was bound on the first connection only.
#[test]
fn a_watch_outlives_the_connection_it_began_on() {
    watched(async {
        let nodes = Proxied::start(Pass::Plain).await;
        let mut events = nodes.client.link_events();
        let (ticks, _handled) = nodes.probe().await;
        let ended = task::spawn(async move { ticks.ended().await });
        until(|| nodes.server.bounds().remote_messages > 0).await;
        nodes.proxy.cut().await;
        assert_eq!(next(&mut events).await, "lost 0");
        nodes.proxy.restore();
        assert_eq!(next(&mut events).await, "up");
        // Answered after all that the new connection began with.
        round_trip(&nodes.client).await;
        find::<Tick>(&nodes.server, "ticks").await.stop();
        let reason = ended.await.expect("no panic").expect("it was linked");
        assert_eq!(reason, StopReason::Stopped);
        nodes.shutdown().await;
    });
}

#[test]
fn sends_wait_while_the_link_is_down_and_go_on_in_order() {
    watched(async {
        let nodes = Proxied::start(Pass::Plain).await;
        let (ticks, mut handled) = nodes.probe().await;
        for sequence in 0..100 {
            ticks
                .send(Tick::number(sequence))
                .await
                .expect("the actor lives");
            assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
        }
        nodes.proxy.cut().await;
        let unknown = until_down(&ticks, 100).await;
        let first = 100 + unknown;

        let sender = ticks.clone();
        let sending = task::spawn(async move {
            for sequence in first..first + 100 {
                sender
                    .send(Tick::number(sequence))
                    .await
                    .expect("the link comes back");
            }
        });
        // Whoever waits does not change what the others are told.
        until(|| {
            let refused = ticks.try_send(Tick::number(0));
            matches!(refused, Err(SendError::LinkDown(_)))
        })
        .await;
        nodes.proxy.restore();
        sending.await.expect("all were sent");
        for sequence in first..first + 100 {
            assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
        }
        nodes.shutdown().await;
    });
}

#[test]
fn what_arrived_before_a_loss_is_handled_before_what_comes_after() {
    watched(async {
        let nodes = Proxied::start(Pass::Plain).await;
        let (ticks, mut gate) = nodes.gated(64).await;
        let (first, _) = fill(&ticks, 0, Tick::number);
        round_trip(&nodes.client).await;
        let (rest, _) = fill(&ticks, first, Tick::number);
        assert_eq!(first + rest, 64);
        round_trip(&nodes.client).await;
        nodes.proxy.cut().await;
        // The window was used up: nothing is accepted any more.
        until(|| {
            let refused = ticks.try_send(Tick::number(64));
            matches!(refused, Err(SendError::LinkDown(_)))
        })
        .await;
        nodes.proxy.restore();
        // The new connection opens a new window beside the messages of the old one.
        for sequence in 64..80 {
            ticks
                .send(Tick::number(sequence))
                .await
                .expect("the link comes back");
        }
        gate.open();
        for sequence in 80..1_000 {
            ticks
                .send(Tick::number(sequence))
                .await
                .expect("the link is back");
        }
        for sequence in 0..1_000 {
            assert_eq!(gate.next().await, Tick::number(sequence));
        }
        nodes.shutdown().await;
    });
}

#[test]
fn many_losses_neither_reorder_nor_duplicate() {
    watched(async {
        let nodes = Proxied::start(Pass::Plain).await;
        let (ticks, mut handled) = nodes.probe().await;
        let sending = task::spawn(async move {
            for sequence in 0..20_000 {
                ticks
                    .send(Tick::number(sequence))
                    .await
                    .expect("the link comes back");
                if sequence % 100 == 0 {
                    task::yield_now().await;
                }
            }
            ticks
        });
        let mut last = None;
        for _ in 0..10 {
            let upto = last.map_or(0, |last| last + 1_500);
            while last < Some(upto) {
                let tick = handled.recv().await.expect("the actor lives");
                assert!(Some(tick.sequence) > last, "{tick:?} after {last:?}");
                last = Some(tick.sequence);
            }
            nodes.proxy.cut().await;
            nodes.proxy.restore();
        }
        let ticks = sending.await.expect("all were sent");
        ticks
            .send(Tick::number(20_000))
            .await
            .expect("the link is back");
        while last < Some(20_000) {
            let tick = handled.recv().await.expect("the actor lives");
            assert!(Some(tick.sequence) > last, "{tick:?} after {last:?}");
            last = Some(tick.sequence);
        }
        nodes.shutdown().await;
    });
}

#[test]
fn any_cut_of_the_bytes_gives_the_same_messages() {
    watched(async {
        for pass in [Pass::Sliced(1), Pass::Sliced(17), Pass::Glued] {
            let nodes = Proxied::start(pass).await;
            let (ticks, mut handled) = nodes.probe().await;
            let sending = task::spawn(async move {
                for sequence in 0..2_000 {
                    ticks
                        .send(Tick::number(sequence))
                        .await
                        .expect("the actor lives");
                }
            });
            for sequence in 0..2_000 {
                assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
            }
            sending.await.expect("all were sent");
            nodes.shutdown().await;
        }
    });
}

#[test]
fn a_frame_cut_in_half_is_never_delivered() {
    watched(async {
        let nodes = Proxied::start(Pass::Sliced(1)).await;
        let (ticks, mut handled) = nodes.probe().await;
        let mut last = None;
        let mut sequence = 0;
        for _ in 0..20 {
            for _ in 0..50 {
                ticks
                    .send(Tick::number(sequence))
                    .await
                    .expect("the link comes back");
                sequence += 1;
            }
            nodes.proxy.cut().await;
            nodes.proxy.restore();
            while let Ok(tick) = handled.try_recv() {
                assert_eq!(tick, Tick::number(tick.sequence));
                assert!(Some(tick.sequence) > last);
                last = Some(tick.sequence);
            }
        }
        nodes.shutdown().await;
    });
}

#[test]
fn a_link_that_stays_down_fails_what_waits_for_it_on_both_sides() {
    watched(async {
        let nodes = Proxied::start(Pass::Plain).await;
        let (ticks, _handled) = nodes.probe().await;
        let (actor, _answers) = probe::<Tick>();
        offer(&nodes.client, "answers", capacity(8), actor);
        let answers = find::<Tick>(&nodes.server, "answers").await;
        nodes.proxy.cut().await;
        for to in [ticks, answers] {
            let refused = refusal(&to, || Tick::number(9)).await;
            assert!(matches!(refused, SendError::NodeDown(_)), "{refused}");
            assert_eq!(refused.into_inner(), Tick::number(9));
            let refused = to.try_send(Tick::number(9)).expect_err("the end is final");
            assert!(matches!(refused, SendError::NodeDown(_)), "{refused}");
        }
        let resolved = nodes.client.resolve::<Tick>("ticks").await;
        assert!(
            matches!(resolved, Err(ResolveError::NotFound(_))),
            "{resolved:?}"
        );

        // The nodes find each other again; refs are made anew.
        nodes.proxy.restore();
        until(|| !nodes.client.links().is_empty() && !nodes.server.links().is_empty()).await;
        let ticks = find::<Tick>(&nodes.client, "ticks").await;
        ticks
            .send(Tick::number(10))
            .await
            .expect("the actor never went away");
        nodes.shutdown().await;
    });
}

#[test]
fn a_name_cannot_be_asked_for_while_the_link_is_down() {
    watched(async {
        let nodes = Proxied::start(Pass::Plain).await;
        let (ticks, _handled) = nodes.probe().await;
        nodes.proxy.cut().await;
        until_down(&ticks, 0).await;
        let resolved = nodes.client.resolve::<Tick>("ticks").await;
        assert!(
            matches!(resolved, Err(ResolveError::Unreachable { .. })),
            "{resolved:?}"
        );
        nodes.proxy.restore();
        nodes.shutdown().await;
    });
}

/// A stop that was asked for while the link was being dialled again was lost without a word.
#[test]
fn a_stop_waits_for_the_link() {
    watched(async {
        let nodes = Proxied::start(Pass::Plain).await;
        let (ticks, mut handled) = nodes.probe().await;
        ticks.send(Tick::number(0)).await.expect("the actor lives");
        assert_eq!(handled.recv().await, Some(Tick::number(0)));
        nodes.proxy.cut().await;
        let unknown = until_down(&ticks, 1).await;
        ticks.stop();
        drop(ticks);
        nodes.proxy.restore();
        for _ in 0..=unknown {
            if handled.recv().await.is_none() {
                break;
            }
        }
        assert_eq!(handled.recv().await, None, "the actor is dropped");
        nodes.shutdown().await;
    });
}

#[test]
fn a_send_dropped_while_the_link_is_down_has_not_sent() {
    watched(async {
        let nodes = Proxied::start(Pass::Plain).await;
        let (ticks, mut handled) = nodes.probe().await;
        nodes.proxy.cut().await;
        let unknown = until_down(&ticks, 0).await;
        let mut given_up = Box::pin(ticks.send(Tick::number(666)));
        assert!(poll_once(&mut given_up).await.is_none());
        drop(given_up);
        nodes.proxy.restore();
        ticks
            .send(Tick::number(unknown))
            .await
            .expect("the link comes back");
        while let Some(tick) = handled.recv().await {
            assert_ne!(tick, Tick::number(666));
            if tick == Tick::number(unknown) {
                break;
            }
        }
        nodes.shutdown().await;
    });
}

/// The peer's later messages went to a queue of their own, beside the one with its earlier ones.
#[test]
fn order_holds_even_when_the_peer_was_given_up_in_between() {
    watched(async {
        let nodes = Proxied::start(Pass::Plain).await;
        let (old, mut gate) = nodes.gated(16).await;
        let (first, _) = fill(&old, 0, Tick::number);
        assert_eq!(first, 16);
        round_trip(&nodes.client).await;
        nodes.proxy.cut().await;
        let refused = refusal(&old, || Tick::number(666)).await;
        assert!(matches!(refused, SendError::NodeDown(_)), "{refused}");
        until(|| nodes.server.links().is_empty()).await;
        nodes.proxy.restore();
        until(|| !nodes.client.links().is_empty()).await;
        let new = find::<Tick>(&nodes.client, "gated").await;
        let (second, _) = fill(&new, first, Tick::number);
        assert_eq!(second, 16);
        round_trip(&nodes.client).await;
        gate.open();
        for sequence in 0..first + second {
            assert_eq!(gate.next().await, Tick::number(sequence));
        }
        nodes.shutdown().await;
    });
}

/// Each connection brought another window of messages to an actor that stood still.
#[test]
fn an_actor_that_stands_still_keeps_a_window_of_lost_messages_however_often_the_link_is_lost() {
    const CAPACITY: usize = 8;
    watched(async {
        let nodes = Proxied::start(Pass::Plain).await;
        let (actor, mut gate) = gated::<Tick>();
        let ActorRef::Local(local) = offer(&nodes.server, "stuck", capacity(CAPACITY), actor)
        else {
            unreachable!("it was spawned here")
        };
        let stuck = find::<Tick>(&nodes.client, "stuck").await;
        let mut next = 0;
        for _ in 0..10 {
            round_trip(&nodes.client).await;
            while let Err(SendError::LinkDown(_)) = stuck.try_send(Tick::number(next)) {
                task::yield_now().await;
            }
            let (more, _) = fill(&stuck, next + 1, Tick::number);
            next += 1 + more;
            round_trip(&nodes.client).await;
            nodes.proxy.cut().await;
            next += until_down(&stuck, next).await;
            nodes.proxy.restore();
        }
        stuck
            .send(Tick::number(next))
            .await
            .expect("the link comes back");
        gate.open();
        let (mut count, mut last) = (0, None);
        while last < Some(next) {
            let tick = gate.next().await;
            assert!(Some(tick.sequence) > last, "{tick:?} after {last:?}");
            last = Some(tick.sequence);
            count += 1;
        }
        assert!((1..=CAPACITY + 1).contains(&count), "{count}");
        // What was dropped is not counted as waiting.
        assert_eq!(local.mailbox_len(), 0);
        nodes.shutdown().await;
    });
}

/// Notes the field `unknown` of what is traced.
struct Unknowns(Arc<Mutex<Vec<u64>>>);

impl Subscriber for Unknowns {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut UnknownField(&self.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct UnknownField<'a>(&'a Mutex<Vec<u64>>);

impl Visit for UnknownField<'_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "unknown" {
            self.0.lock().expect("no panic").push(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// On one thread, so that all that is traced is seen.
#[test]
fn what_was_in_flight_is_counted_as_unknown() {
    let unknowns = Arc::default();
    let _traced = tracing::subscriber::set_default(Unknowns(Arc::clone(&unknowns)));
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("the system has room").block_on(async {
        let nodes = Proxied::start(Pass::Plain).await;
        let (ticks, gate) = nodes.gated(100).await;
        let (first, _) = fill(&ticks, 0, Tick::number);
        round_trip(&nodes.client).await;
        let (rest, _) = fill(&ticks, first, Tick::number);
        assert_eq!(first + rest, 100);
        nodes.proxy.cut().await;
        until(|| {
            let refused = ticks.try_send(Tick::number(100));
            matches!(refused, Err(SendError::LinkDown(_)))
        })
        .await;
        assert_eq!(*unknowns.lock().expect("no panic"), [100]);
        gate.open();
        nodes.proxy.restore();
        nodes.shutdown().await;
    });
}
