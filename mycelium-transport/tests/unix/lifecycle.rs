//! What senders see when an actor at the other end of a link ends.

use mycelium_core::{Actor, ActorResult, Context, SendError, StopReason};
use mycelium_registry::{Registry, ResolveError};
use tokio::{sync::mpsc, task};

use crate::support::{
    Blob, Pair, Tick, capacity, fill, find, gated, offer, probe, refusal, until, watched,
};

/// Ends in the way that the tick's side says.
struct Fragile(mpsc::UnboundedSender<Tick>);

impl Actor for Fragile {
    type Message = Tick;

    async fn handle(&mut self, tick: Tick, cx: &mut Context<Self>) -> ActorResult {
        match tick.side {
            1 => self.0.send(tick)?,
            2 => return Err("no price".into()),
            3 => panic!("no side"),
            _ => cx.stop(),
        }
        Ok(())
    }
}

fn tick(side: i8) -> Tick {
    Tick {
        side,
        ..Tick::number(7)
    }
}

#[test]
fn a_stop_comes_after_the_messages_before_it() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut gate) = gated::<Tick>();
        let ticks = pair.serve("ticks", actor).await;
        for sequence in 0..100 {
            ticks
                .send(Tick::number(sequence))
                .await
                .expect("the actor lives");
        }
        ticks.stop();
        gate.open();
        for sequence in 0..100 {
            assert_eq!(gate.next().await, Tick::number(sequence));
        }
        assert_eq!(gate.handled.recv().await, None, "the actor is dropped");
        let refused = refusal(&ticks, || Tick::number(100)).await;
        let SendError::ActorDown { message, reason } = refused else {
            panic!("{refused}")
        };
        assert_eq!((message, reason), (Tick::number(100), StopReason::Stopped));
        assert!(ticks.is_closed());
        pair.shutdown().await;
    });
}

#[test]
fn senders_are_told_why_an_actor_ended() {
    watched(async {
        let pair = Pair::start().await;
        let ends = [
            (0, StopReason::Stopped),
            (2, StopReason::Failed("no price".into())),
            (3, StopReason::Panicked("no side".into())),
        ];
        for (side, expected) in ends {
            let (sender, mut handled) = mpsc::unbounded_channel();
            let name = format!("fragile/{side}");
            let fragile = pair.serve(&name, Fragile(sender)).await;
            fragile.send(tick(1)).await.expect("the actor lives");
            assert_eq!(handled.recv().await, Some(tick(1)));
            fragile.send(tick(side)).await.expect("the actor lives");
            let refused = refusal(&fragile, || tick(1)).await;
            let SendError::ActorDown { message, reason } = refused else {
                panic!("{refused}")
            };
            assert_eq!((message, reason), (tick(1), expected));
        }
        pair.shutdown().await;
    });
}

#[test]
fn a_kill_overtakes_what_the_actor_has_not_handled() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut gate) = gated::<Tick>();
        let stuck = pair.serve_with("stuck", capacity(16), actor).await;
        fill(&stuck, 0, Tick::number);
        stuck.kill();
        assert_eq!(gate.handled.recv().await, None, "nothing was handled");
        let refused = refusal(&stuck, || Tick::number(16)).await;
        let SendError::ActorDown { reason, .. } = refused else {
            panic!("{refused}")
        };
        assert_eq!(reason, StopReason::Killed);
        pair.shutdown().await;
    });
}

#[test]
fn waiting_senders_are_released_when_the_actor_ends() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, gate) = gated::<Tick>();
        let stuck = pair.serve_with("stuck", capacity(2), actor).await;
        fill(&stuck, 0, Tick::number);
        let mut waiting = task::JoinSet::new();
        for sequence in 100..110 {
            let stuck = stuck.clone();
            waiting.spawn(async move { (sequence, stuck.send(Tick::number(sequence)).await) });
        }
        task::yield_now().await;
        stuck.kill();
        for (sequence, sent) in waiting.join_all().await {
            let refused = sent.expect_err("the actor never takes one");
            assert!(matches!(refused, SendError::ActorDown { .. }), "{refused}");
            assert_eq!(refused.into_inner(), Tick::number(sequence));
        }
        drop(gate);
        pair.shutdown().await;
    });
}

#[test]
fn an_unknown_name_is_not_found() {
    watched(async {
        let pair = Pair::start().await;
        let resolved = pair.client.resolve::<Tick>("nobody").await;
        assert!(
            matches!(&resolved, Err(ResolveError::NotFound(name)) if **name == *"nobody"),
            "{resolved:?}"
        );
        pair.shutdown().await;
    });
}

#[test]
fn the_wrong_type_is_refused_by_both_names() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, _handled) = probe::<Tick>();
        let _ticks = pair.serve("ticks", actor).await;
        let resolved = pair.client.resolve::<Blob>("ticks").await;
        let Err(ResolveError::WrongType {
            name,
            wanted,
            found,
        }) = resolved
        else {
            panic!("{resolved:?}")
        };
        assert_eq!((&*name, wanted, &*found), ("ticks", "Blob", "Tick"));
        pair.shutdown().await;
    });
}

#[test]
fn a_ref_to_an_actor_that_ended_before_the_first_send_says_so() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut handled) = probe::<Tick>();
        let local = offer(&pair.server, "ticks", capacity(4), actor);
        let ticks = find::<Tick>(&pair.client, "ticks").await;
        local.stop();
        assert_eq!(handled.recv().await, None);
        // The name goes after the actor; its ref can no longer be bound by then.
        until(|| pair.server.names().is_empty()).await;
        let refused = refusal(&ticks, || Tick::number(0)).await;
        let SendError::ActorDown { reason, .. } = refused else {
            panic!("{refused}")
        };
        assert_eq!(reason, StopReason::NoSuchActor);
        pair.shutdown().await;
    });
}

#[test]
fn a_name_goes_with_its_actor_and_can_be_given_again() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, _handled) = probe::<Tick>();
        let first = pair.serve("ticks", actor).await;
        first.send(Tick::number(0)).await.expect("the actor lives");
        first.stop();
        let refused = refusal(&first, || Tick::number(1)).await;
        assert!(matches!(refused, SendError::ActorDown { .. }), "{refused}");
        until(|| pair.server.names().is_empty()).await;
        let resolved = pair.client.resolve::<Tick>("ticks").await;
        assert!(
            matches!(resolved, Err(ResolveError::NotFound(_))),
            "{resolved:?}"
        );

        let (actor, mut handled) = probe::<Tick>();
        let second = pair.serve("ticks", actor).await;
        assert_ne!(first, second);
        second.send(Tick::number(2)).await.expect("the actor lives");
        assert_eq!(handled.recv().await, Some(Tick::number(2)));
        let refused = first.try_send(Tick::number(3)).expect_err("it stays gone");
        assert!(matches!(refused, SendError::ActorDown { .. }), "{refused}");
        pair.shutdown().await;
    });
}

#[test]
fn stop_and_kill_reach_an_actor_that_was_sent_nothing() {
    watched(async {
        let pair = Pair::start().await;
        for (name, is_kill) in [("stopped", false), ("killed", true)] {
            let (actor, mut handled) = probe::<Tick>();
            let quiet = pair.serve(name, actor).await;
            if is_kill {
                quiet.kill();
            } else {
                quiet.stop();
            }
            assert_eq!(handled.recv().await, None, "the actor is dropped");
        }
        pair.shutdown().await;
    });
}
