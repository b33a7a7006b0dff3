//! Names of other nodes.

use mycelium_core::{Node, SpawnOptions};
use mycelium_registry::{Registry, ResolveError};
use mycelium_transport::{BuildTransport, PeerAddr};

use crate::support::{
    Pair, Tick, find, listening, offer, private_dir, probe, shut_down, until, watched,
};

#[test]
fn a_name_is_found_at_whichever_node_has_it_and_nowhere_twice() {
    watched(async {
        let dir = private_dir();
        let mut servers = Vec::new();
        let mut client = Node::builder("client").unix(dir.path());
        for name in ["east", "west", "north"] {
            servers.push(listening(name, &dir).await);
            client = client.peer(PeerAddr::unix(dir.path(), name));
        }
        let client = client.start().await.expect("the node starts");
        let (actor, mut handled) = probe::<Tick>();
        offer(&servers[0], "only", SpawnOptions::default(), actor);
        let only = find::<Tick>(&client, "only").await;
        only.send(Tick::number(0)).await.expect("the actor lives");
        assert_eq!(handled.recv().await, Some(Tick::number(0)));

        for server in &servers[1..] {
            let (actor, _handled) = probe::<Tick>();
            offer(server, "both", SpawnOptions::default(), actor);
        }
        let found = client.resolve::<Tick>("both").await;
        let Err(ResolveError::Ambiguous { name, nodes }) = found else {
            panic!("{found:?}")
        };
        let mut nodes: Vec<_> = nodes.iter().map(|node| node.name().as_str()).collect();
        nodes.sort_unstable();
        assert_eq!((&*name, &*nodes), ("both", &["north", "west"][..]));

        // A name of one's own comes before all others.
        let (actor, _handled) = probe::<Tick>();
        let own = offer(&client, "both", SpawnOptions::default(), actor);
        assert_eq!(find::<Tick>(&client, "both").await, own);

        assert!(client.unregister("both"));
        assert!(servers[1].unregister("both"));
        let left = find::<Tick>(&client, "both").await;
        assert_ne!(left, own);
        shut_down(&client).await;
        for server in &servers {
            shut_down(server).await;
        }
    });
}

#[test]
fn a_local_name_is_not_found_by_others() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, _handled) = probe::<Tick>();
        let actor = pair.server.spawn(actor);
        pair.server
            .register_local("ticks", &actor)
            .expect("the name is free");
        for name in ["ticks", "nobody"] {
            let found = pair.client.resolve::<Tick>(name).await;
            assert!(matches!(found, Err(ResolveError::NotFound(_))), "{found:?}");
        }
        pair.server.register("public", &actor).expect("it is free");
        let public = find::<Tick>(&pair.client, "public").await;
        assert!(pair.server.unregister("public"));
        let found = pair.client.resolve::<Tick>("public").await;
        assert!(matches!(found, Err(ResolveError::NotFound(_))), "{found:?}");
        // The ref does not need the name any more.
        public.send(Tick::number(0)).await.expect("the actor lives");
        pair.shutdown().await;
    });
}

#[test]
fn a_name_too_long_for_the_wire_is_nobody_s() {
    watched(async {
        let pair = Pair::start().await;
        until(|| !pair.client.links().is_empty()).await;
        for length in [0, 255, 1_024, 1_025, 100_000] {
            let found = pair.client.resolve::<Tick>(&"n".repeat(length)).await;
            assert!(found.is_err(), "{length}: {found:?}");
        }
        let (actor, _handled) = probe::<Tick>();
        pair.serve("ticks", actor).await;
        pair.shutdown().await;
    });
}
