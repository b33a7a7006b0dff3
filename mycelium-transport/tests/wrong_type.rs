//! Types of one name and two schemas, on two nodes: refs and ports say so, and nothing breaks.

mod support;

use mycelium_core::{Actor, ActorRef, ActorResult, AskError, Context, ReplyTo, SendError};
use mycelium_macros::message;
use mycelium_registry::Registry;
use mycelium_transport::Transport;

use crate::support::{GRACE, Pair, Probe, over_every_transport, probe};

/// What the client was built with.
mod old {
    use mycelium_core::{ActorRef, ReplyTo};
    use mycelium_macros::message;

    #[message(crate = mycelium_wire)]
    pub(crate) struct Top {
        pub(crate) price: u32,
    }

    #[message(crate = mycelium_wire)]
    pub(crate) enum Feed {
        Tick(u32),
    }

    #[message(crate = mycelium_wire)]
    pub(crate) enum Question {
        Top { reply: ReplyTo<Top> },
        Feed { reply: ReplyTo<ActorRef<Feed>> },
        Follow { who: ActorRef<Feed> },
        Name { reply: ReplyTo<String> },
    }
}

/// What the server was built with: prices have grown.
mod new {
    use mycelium_core::{ActorRef, ReplyTo};
    use mycelium_macros::message;

    #[message(crate = mycelium_wire)]
    pub(crate) struct Top {
        pub(crate) price: u64,
    }

    #[message(crate = mycelium_wire)]
    pub(crate) enum Feed {
        Tick(u64),
    }

    #[message(crate = mycelium_wire)]
    pub(crate) enum Question {
        Top { reply: ReplyTo<Top> },
        Feed { reply: ReplyTo<ActorRef<Feed>> },
        Follow { who: ActorRef<Feed> },
        Name { reply: ReplyTo<String> },
    }
}

/// A type of another module with the name and the schema of an old feed.
mod twin {
    use mycelium_macros::message;

    #[message(crate = mycelium_wire)]
    pub(crate) enum Feed {
        Tick(u32),
    }
}

/// What the client takes for [`Return`]: the refs in it have the same names and schemas.
mod mirror {
    use mycelium_core::{ActorRef, ReplyTo};
    use mycelium_macros::message;

    use super::{old, twin};

    #[message(crate = mycelium_wire)]
    pub(crate) struct Return {
        pub(crate) feed: ActorRef<old::Feed>,
        pub(crate) reply: ReplyTo<ActorRef<twin::Feed>>,
    }
}

#[message(crate = mycelium_wire)]
struct Return {
    feed: ActorRef<twin::Feed>,
    reply: ReplyTo<ActorRef<twin::Feed>>,
}

/// Gives refs back.
struct Returns;

impl Actor for Returns {
    type Message = Return;

    async fn handle(&mut self, message: Return, _: &mut Context<Self>) -> ActorResult {
        message.reply.send(message.feed);
        Ok(())
    }
}

/// Answers with its own types, or passes the port on to another node first.
struct Book {
    feed: ActorRef<new::Feed>,
    pass_on_to: Option<ActorRef<new::Question>>,
    followed: Option<ActorRef<new::Feed>>,
}

impl Actor for Book {
    type Message = new::Question;

    async fn handle(&mut self, message: new::Question, _: &mut Context<Self>) -> ActorResult {
        match (message, &self.pass_on_to) {
            (message @ new::Question::Top { .. }, Some(to)) => to.send(message).await?,
            (new::Question::Top { reply }, None) => reply.send(new::Top { price: 1 << 40 }),
            (new::Question::Feed { reply }, _) => reply.send(self.feed.clone()),
            (new::Question::Follow { who }, _) => self.followed = Some(who),
            (new::Question::Name { reply }, _) => {
                let outcome = match &self.followed {
                    Some(feed) => feed.send(new::Feed::Tick(1)).await,
                    None => Ok(()),
                };
                reply.send(format!("{outcome:?}"));
            }
        }
        Ok(())
    }
}

/// The client's ref to the server's book; its answers go to `pass_on_to` first.
async fn book(pair: &Pair, pass_on_to: Option<ActorRef<new::Question>>) -> ActorRef<old::Question> {
    let (feed, _) = probe();
    let book = pair.server.spawn(Book {
        feed: pair.server.spawn(feed),
        pass_on_to,
        followed: None,
    });
    pair.server.register("book", &book).expect("it is free");
    let book = pair.client.resolve("book").await;
    book.expect("refs and ports count by their names alone")
}

async fn a_port_whose_answer_has_another_schema_tells_its_asker(transport: Transport) {
    let pair = Pair::over(transport).await;
    let book = book(&pair, None).await;
    let answer = book.ask(|reply| old::Question::Top { reply }).await;
    let Err(AskError::WrongType { wanted, found }) = answer.map(|top| top.price) else {
        panic!("the answer is of another type");
    };
    assert!(wanted.ends_with("old::Top"), "{wanted}");
    assert_eq!(&*found, "Top");
    // The actor and its link are none the worse.
    let name = book.ask(|reply| old::Question::Name { reply }).await;
    assert_eq!(name.expect("it answers"), "Ok(())");
    drop(book);
    pair.shutdown().await;
}

// A port that leads nowhere was taken for one that was answered, and passing it on panicked.
async fn a_port_of_another_schema_may_be_passed_on_and_leads_nowhere(transport: Transport) {
    let pair = Pair::over(transport).await;
    let (third, mut passed_on) = probe();
    let third = pair.client.spawn::<Probe<new::Question>>(third);
    pair.client.register("third", &third).expect("it is free");
    let third = pair.server.resolve("third").await.expect("it is there");
    let book = book(&pair, Some(third)).await;
    let answer = book.ask(|reply| old::Question::Top { reply }).await;
    assert!(matches!(answer, Err(AskError::WrongType { .. })));
    let passed_on = tokio::time::timeout(GRACE, passed_on.recv()).await;
    let Ok(Some(new::Question::Top { reply })) = passed_on else {
        panic!("it was passed on");
    };
    reply.send(new::Top { price: 1 });
    let name = book.ask(|reply| old::Question::Name { reply }).await;
    assert_eq!(name.expect("it answers"), "Ok(())");
    for link in pair.client.links().iter().chain(&pair.server.links()) {
        assert_eq!(link.pending_asks(), 0);
    }
    drop(book);
    pair.shutdown().await;
}

async fn a_ref_to_an_actor_of_another_schema_fails_when_it_is_used(transport: Transport) {
    let pair = Pair::over(transport).await;
    let book = book(&pair, None).await;
    let feed = book.ask(|reply| old::Question::Feed { reply }).await;
    let feed = feed.expect("the ref itself arrives");
    let refused = feed.send(old::Feed::Tick(1)).await;
    let Err(SendError::WrongType { wanted, found, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((wanted, &*found), ("Feed", "Feed"));

    // The same the other way round.
    let (mine, mut ticks) = probe::<old::Feed>();
    let who = pair.client.spawn(mine);
    let told = book.send(old::Question::Follow { who: who.clone() }).await;
    told.expect("the book lives");
    let outcome = book.ask(|reply| old::Question::Name { reply }).await;
    let outcome = outcome.expect("it answers");
    assert!(outcome.contains("Feed"), "{outcome}");
    who.stop();
    assert!(ticks.recv().await.is_none(), "nothing reached the actor");
    drop((book, feed));
    pair.shutdown().await;
}

// Said that there was no such actor, though it lived.
async fn a_ref_that_comes_home_as_anothers_type_of_one_schema_is_of_the_wrong_type(
    transport: Transport,
) {
    let pair = Pair::over(transport).await;
    let returns = pair.server.spawn(Returns);
    pair.server
        .register("returns", &returns)
        .expect("it is free");
    let returns: ActorRef<mirror::Return> =
        pair.client.resolve("returns").await.expect("it is there");
    let (feed, _ticks) = probe::<old::Feed>();
    let feed = pair.client.spawn(feed);
    let sent = feed.clone();
    let home = returns
        .ask(|reply| mirror::Return { feed: sent, reply })
        .await;
    let home = home.expect("it gives it back");
    assert_eq!(home.id(), feed.id());
    let refused = home.send(twin::Feed::Tick(1)).await;
    assert!(
        matches!(refused, Err(SendError::WrongType { .. })),
        "{refused:?}"
    );
    feed.send(old::Feed::Tick(1))
        .await
        .expect("the actor lives");
    drop((home, returns));
    pair.shutdown().await;
}

over_every_transport!(
    a_port_whose_answer_has_another_schema_tells_its_asker,
    a_port_of_another_schema_may_be_passed_on_and_leads_nowhere,
    a_ref_to_an_actor_of_another_schema_fails_when_it_is_used,
    a_ref_that_comes_home_as_anothers_type_of_one_schema_is_of_the_wrong_type,
);
