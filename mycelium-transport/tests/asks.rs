//! Asks, reply ports and refs between nodes.

mod support;

use mycelium_core::{Actor, ActorRef, ActorResult, AskError, Context, Node, ReplyTo, SendError};
use mycelium_macros::message;
use mycelium_registry::Registry;
use mycelium_transport::{BuildTransport, PeerAddr};

use tempfile::TempDir;

use crate::support::{GRACE, Pair, listening, private_dir, probe};

#[message(crate = mycelium_wire)]
enum Question {
    Double {
        number: u64,
        reply: ReplyTo<u64>,
    },
    Drop {
        reply: ReplyTo<u64>,
    },
    Long {
        bytes: u32,
        reply: ReplyTo<Vec<u8>>,
    },
    /// Passes the port on to another actor, which answers.
    PassOn {
        to: ActorRef<Question>,
        number: u64,
        reply: ReplyTo<u64>,
    },
    /// Gives a ref back.
    Return {
        actor: ActorRef<Question>,
        reply: ReplyTo<ActorRef<Question>>,
    },
    /// Answers by asking somebody else.
    AskOn {
        to: ActorRef<Question>,
        number: u64,
        reply: ReplyTo<Option<u64>>,
    },
    /// Gives a ref that is found by name.
    Seek {
        name: String,
        reply: ReplyTo<Option<ActorRef<Question>>>,
    },
    /// Has somebody else ask: ref and port travel on.
    AskThrough {
        through: ActorRef<Question>,
        to: ActorRef<Question>,
        number: u64,
        reply: ReplyTo<Option<u64>>,
    },
}

struct Answers;

impl Actor for Answers {
    type Message = Question;

    async fn handle(&mut self, message: Question, cx: &mut Context<Self>) -> ActorResult {
        match message {
            Question::Seek { name, reply } => reply.send(cx.node().resolve(&name).await.ok()),
            Question::Double { number, reply } => reply.send(2 * number),
            Question::Drop { reply } => drop(reply),
            Question::Long { bytes, reply } => reply.send(vec![7; bytes as usize]),
            Question::PassOn { to, number, reply } => {
                to.send(Question::Double { number, reply }).await?;
            }
            Question::Return { actor, reply } => reply.send(actor),
            Question::AskThrough {
                through,
                to,
                number,
                reply,
            } => {
                through.send(Question::AskOn { to, number, reply }).await?;
            }
            Question::AskOn { to, number, reply } => {
                reply.send(
                    to.ask(|reply| Question::Double { number, reply })
                        .await
                        .ok(),
                );
            }
        }
        Ok(())
    }
}

async fn asked(pair: &Pair) -> ActorRef<Question> {
    let actor = pair.server.spawn(Answers);
    pair.server
        .register("answers", &actor)
        .expect("the name is free");
    pair.client
        .resolve("answers")
        .await
        .expect("it is registered")
}

#[tokio::test]
async fn an_ask_brings_the_answer_of_another_node() {
    let pair = Pair::start().await;
    let actor = asked(&pair).await;
    for number in 0..1_000 {
        let doubled = actor.ask(|reply| Question::Double { number, reply }).await;
        assert_eq!(doubled.expect("the actor answers"), 2 * number);
    }
    pair.shutdown().await;
}

#[tokio::test]
async fn a_port_that_is_dropped_on_another_node_fails_the_ask() {
    let pair = Pair::start().await;
    let actor = asked(&pair).await;
    let outcome = actor.ask(|reply| Question::Drop { reply }).await;
    assert!(matches!(outcome, Err(AskError::NoReply)), "{outcome:?}");
    pair.shutdown().await;
}

#[tokio::test]
async fn an_answer_beyond_the_limit_fails_the_ask_and_not_the_link() {
    let pair = Pair::start().await;
    let actor = asked(&pair).await;
    let outcome = actor
        .ask(|reply| Question::Long {
            bytes: 2 << 20,
            reply,
        })
        .await;
    assert!(matches!(outcome, Err(AskError::TooLarge)), "{outcome:?}");
    let long = actor
        .ask(|reply| Question::Long {
            bytes: 1 << 19,
            reply,
        })
        .await;
    assert_eq!(long.expect("the actor answers"), vec![7; 1 << 19]);
    pair.shutdown().await;
}

#[tokio::test]
async fn a_ref_that_comes_home_is_local() {
    let pair = Pair::start().await;
    let actor = asked(&pair).await;
    let home = pair.client.spawn(Answers);
    let sent = home.clone();
    let back = actor
        .ask(|reply| Question::Return { actor: sent, reply })
        .await;
    let back = back.expect("the actor answers");
    assert!(matches!(back, ActorRef::Local(_)), "{back:?}");
    assert_eq!(back, home);
    pair.shutdown().await;
}

#[tokio::test]
async fn a_ref_in_a_message_is_sent_to_across_the_link() {
    let pair = Pair::start().await;
    let actor = asked(&pair).await;
    let to = pair.client.spawn(Answers);
    let answer = actor
        .ask(|reply| Question::AskOn {
            to,
            number: 21,
            reply,
        })
        .await;
    assert_eq!(answer.expect("the actor answers"), Some(42));
    pair.shutdown().await;
}

#[tokio::test]
async fn a_port_that_was_passed_on_answers_its_asker() {
    let pair = Pair::start().await;
    let actor = asked(&pair).await;
    let to = pair.client.spawn(Answers);
    let answer = actor
        .ask(|reply| Question::PassOn {
            to,
            number: 21,
            reply,
        })
        .await;
    assert_eq!(answer.expect("the actor answers"), 42);
    pair.shutdown().await;
}

#[tokio::test]
async fn a_ref_to_an_actor_that_is_gone_decodes_and_fails_when_used() {
    let pair = Pair::start().await;
    let actor = asked(&pair).await;
    let to = pair.client.spawn(Answers);
    to.kill();
    while pair.client.actors_len() > 0 {
        tokio::task::yield_now().await;
    }
    let answer = actor
        .ask(|reply| Question::AskOn {
            to,
            number: 21,
            reply,
        })
        .await;
    assert_eq!(answer.expect("the actor answers"), None);
    pair.shutdown().await;
}

#[tokio::test]
async fn a_port_that_travels_on_to_a_third_node_answers_along_the_chain() {
    let three = Three::start(Link::ByB).await;
    // `c` never meets `a`, which holds a ref to an actor of `c` and could not use it.
    let through = three
        .on_b
        .ask(|reply| Question::Seek {
            name: "c".into(),
            reply,
        })
        .await;
    let through = through
        .expect("b answers")
        .expect("c has an actor of the name");
    let unlinked = through
        .ask(|reply| Question::Double { number: 4, reply })
        .await;
    let Err(AskError::NotSent(SendError::Unreachable(_))) = unlinked else {
        panic!("{unlinked:?}");
    };
    let answer = three
        .on_b
        .ask(|reply| Question::PassOn {
            to: through,
            number: 4,
            reply,
        })
        .await;
    assert_eq!(answer.expect("c answers"), 8);
    three.shutdown().await;
}

#[tokio::test]
async fn a_ref_that_was_passed_on_works_on_a_third_node() {
    let three = Three::start(Link::Directly).await;
    let home = three.a.spawn(Answers);
    let through = three
        .b
        .resolve::<Question>("c")
        .await
        .expect("it is registered");
    let asker = three.b.spawn(Answers);
    three.b.register("asker", &asker).expect("the name is free");
    let asker = three
        .a
        .resolve::<Question>("asker")
        .await
        .expect("it is registered");
    let on_c = asker
        .ask(|reply| Question::Seek {
            name: "c".into(),
            reply,
        })
        .await;
    assert_eq!(on_c.expect("b answers"), Some(through.clone()));
    let ask = |reply| Question::AskThrough {
        through,
        to: home,
        number: 5,
        reply,
    };
    let answer = asker.ask(ask).await;
    assert_eq!(answer.expect("c answers"), Some(10));
    three.shutdown().await;
}

#[tokio::test]
async fn the_end_of_the_node_in_the_middle_fails_the_ask() {
    let three = Three::start(Link::ByB).await;
    let (keeper, mut kept) = probe();
    three
        .c
        .register("keeper", &three.c.spawn(keeper))
        .expect("the name is free");
    let through = three
        .b
        .resolve::<Question>("keeper")
        .await
        .expect("it is registered");
    let passer = three.b.spawn(Passer(through));
    three
        .b
        .register("passer", &passer)
        .expect("the name is free");
    let passer = three
        .a
        .resolve::<Question>("passer")
        .await
        .expect("it is registered");
    let ask = tokio::spawn(async move {
        passer
            .ask(|reply| Question::Double { number: 4, reply })
            .await
            .map_err(|error| error.to_string())
    });
    let Some(Question::Double { reply, .. }) = kept.recv().await else {
        panic!("it was passed on")
    };
    three.b.shutdown(GRACE).await.expect("all actors end");
    let outcome = ask.await.expect("the asker ends");
    assert!(outcome.is_err(), "{outcome:?}");
    reply.send(8);
    for node in [three.a, three.c] {
        node.shutdown(GRACE).await.expect("all actors end");
    }
}

/// Passes every message on.
struct Passer(ActorRef<Question>);

impl Actor for Passer {
    type Message = Question;

    async fn handle(&mut self, message: Question, _: &mut Context<Self>) -> ActorResult {
        Ok(self.0.send(message).await?)
    }
}

/// How `a` and `c` are linked.
#[derive(PartialEq)]
enum Link {
    ByB,
    Directly,
}

/// Three nodes; `a` and `c` are linked to `b`.
struct Three {
    a: Node,
    b: Node,
    c: Node,
    on_b: ActorRef<Question>,
    _dir: TempDir,
}

impl Three {
    async fn start(link: Link) -> Self {
        let dir = private_dir();
        let address = |name: &str| PeerAddr::unix(dir.path(), name);
        let b = listening("b", &dir).await;
        let c = Node::builder("c")
            .unix(dir.path())
            .peer(address("b"))
            .start()
            .await;
        let c = c.expect("the node starts");
        let mut a = Node::builder("a").unix(dir.path()).peer(address("b"));
        if link == Link::Directly {
            a = a.peer(address("c"));
        }
        let a = a.start().await.expect("the node starts");
        for (node, name) in [(&b, "b"), (&c, "c")] {
            node.register(name, &node.spawn(Answers))
                .expect("the name is free");
        }
        let on_b = a.resolve("b").await.expect("it is registered");
        Self {
            a,
            b,
            c,
            on_b,
            _dir: dir,
        }
    }

    async fn shutdown(self) {
        for node in [self.a, self.b, self.c] {
            node.shutdown(GRACE).await.expect("all actors end");
        }
    }
}
