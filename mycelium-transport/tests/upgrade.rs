//! Nodes of two versions of one program: the newer takes what the older sends.

mod support;

use mycelium_core::{
    Actor, ActorRef, ActorResult, Archived, AskError, Context, SendError, StopReason,
};
use mycelium_registry::{Registry, ResolveError};
use mycelium_transport::Transport;

use crate::support::{Pair, Probe, over_every_transport, probe};

/// What the client was built with.
mod v1 {
    use mycelium_core::{ActorRef, ReplyTo};
    use mycelium_macros::message;

    #[message(crate = mycelium_wire)]
    pub(crate) enum Order {
        Limit { price: i32 },
        Best { reply: ReplyTo<i64> },
    }

    #[message(crate = mycelium_wire)]
    pub(crate) enum Desk {
        Give {
            reply: ReplyTo<ActorRef<Order>>,
        },
        IsMine {
            who: ActorRef<Order>,
            reply: ReplyTo<bool>,
        },
    }
}

/// What the server was built with: orders have a size, prices have grown.
mod v2 {
    use mycelium_core::{ActorRef, ReplyTo};
    use mycelium_macros::message;

    #[message(crate = mycelium_wire, accepts = super::v1::Order)]
    #[derive(Debug)]
    pub(crate) enum Order {
        Limit { price: i64, shares: u32 },
        Best { reply: ReplyTo<i64> },
    }

    /// Price that the older version let through, and that no order can have.
    pub(crate) const NO_PRICE: i32 = i32::MIN;

    impl From<super::v1::Order> for Order {
        fn from(old: super::v1::Order) -> Self {
            use super::v1::Order::{Best, Limit};
            match old {
                Limit { price } => {
                    assert_ne!(price, NO_PRICE, "not a price");
                    let (price, shares) = (price.into(), 1);
                    Self::Limit { price, shares }
                }
                Best { reply } => Self::Best { reply },
            }
        }
    }

    #[message(crate = mycelium_wire)]
    pub(crate) enum Desk {
        Give {
            reply: ReplyTo<ActorRef<Order>>,
        },
        IsMine {
            who: ActorRef<Order>,
            reply: ReplyTo<bool>,
        },
    }
}

/// A version that the server has never heard of.
mod v0 {
    use mycelium_macros::message;

    #[message(crate = mycelium_wire)]
    pub(crate) enum Order {
        Limit { price: i16 },
    }
}

/// Answers with the sum of price times shares of all orders; says how each came.
struct Book {
    sum: i64,
    came: tokio::sync::mpsc::UnboundedSender<(&'static str, i64)>,
}

impl Book {
    fn take(&mut self, how: &'static str, order: v2::Order) {
        match order {
            v2::Order::Limit { price, shares } => {
                self.sum += price * i64::from(shares);
                let _ = self.came.send((how, price));
            }
            v2::Order::Best { reply } => reply.send(self.sum),
        }
    }
}

impl Actor for Book {
    type Message = v2::Order;

    async fn handle(&mut self, order: v2::Order, _: &mut Context<Self>) -> ActorResult {
        self.take("moved", order);
        Ok(())
    }

    async fn handle_archived(
        &mut self,
        order: Archived<v2::Order>,
        _: &mut Context<Self>,
    ) -> ActorResult {
        let _may_be_viewed = order.view();
        self.take("archived", order.decode());
        Ok(())
    }
}

type Came = tokio::sync::mpsc::UnboundedReceiver<(&'static str, i64)>;

/// A book of the server, registered as `book`.
fn book(pair: &Pair) -> (ActorRef<v2::Order>, Came) {
    let (came, orders) = tokio::sync::mpsc::unbounded_channel();
    let book = pair.server.spawn(Book { sum: 0, came });
    pair.server.register("book", &book).expect("it is free");
    (book, orders)
}

async fn resolved(pair: &Pair) -> ActorRef<v1::Order> {
    let book = pair.client.resolve::<v1::Order>("book").await;
    book.expect("the book takes older orders")
}

async fn sum(book: &ActorRef<v1::Order>) -> i64 {
    let sum = book.ask(|reply| v1::Order::Best { reply }).await;
    sum.expect("it answers")
}

/// Has one book, and knows it again.
struct Desk(ActorRef<v2::Order>);

impl Actor for Desk {
    type Message = v2::Desk;

    async fn handle(&mut self, message: v2::Desk, _: &mut Context<Self>) -> ActorResult {
        match message {
            v2::Desk::Give { reply } => reply.send(self.0.clone()),
            v2::Desk::IsMine { who, reply } => {
                reply.send(who == self.0 && matches!(who, ActorRef::Local(_)));
            }
        }
        Ok(())
    }
}

async fn an_older_node_finds_a_newer_actor_and_sends_to_it(transport: Transport) {
    let pair = Pair::over(transport).await;
    let (_book, mut came) = book(&pair);
    let orders = resolved(&pair).await;
    for price in 1..=100 {
        let sent = orders.send(v1::Order::Limit { price }).await;
        sent.expect("the book lives");
    }
    // A reply port passes through the conversion; the answer's type has not changed.
    assert_eq!(sum(&orders).await, 5_050);
    for price in 1..=100 {
        // What was sent as another type is not viewed as this one.
        assert_eq!(came.recv().await, Some(("moved", price)));
    }
    drop(orders);
    pair.shutdown().await;
}

/// Two refs of one node, each with a binding of its own.
async fn older_and_newer_senders_of_one_node_have_one_actor(transport: Transport) {
    let pair = Pair::over(transport).await;
    let (_book, mut came) = book(&pair);
    let older = resolved(&pair).await;
    let newer = pair.client.resolve::<v2::Order>("book").await;
    let newer = newer.expect("it is its own type");
    assert_eq!(older.id(), newer.id());
    for price in 0..50 {
        let sent = older.send(v1::Order::Limit { price }).await;
        sent.expect("the book lives");
        let (price, shares) = (price.into(), 2);
        let sent = newer.send(v2::Order::Limit { price, shares }).await;
        sent.expect("the book lives");
    }
    let (mut moved, mut archived) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        match came.recv().await {
            Some(("moved", price)) => moved.push(price),
            Some((_, price)) => archived.push(price),
            None => panic!("the book is gone"),
        }
    }
    assert_eq!(moved, (0..50).collect::<Vec<_>>());
    assert_eq!(archived, moved);
    drop((older, newer));
    pair.shutdown().await;
}

async fn a_ref_in_a_message_reaches_the_older_node_and_comes_home(transport: Transport) {
    let pair = Pair::over(transport).await;
    let (book, mut came) = book(&pair);
    let desk = pair.server.spawn(Desk(book));
    pair.server.register("desk", &desk).expect("it is free");
    // Desks count their refs by name alone: the type has not changed.
    let desk = pair.client.resolve::<v1::Desk>("desk").await;
    let desk = desk.expect("it is there");
    let orders = desk.ask(|reply| v1::Desk::Give { reply }).await;
    let orders = orders.expect("it gives its book");
    let sent = orders.send(v1::Order::Limit { price: 3 }).await;
    sent.expect("the book takes older orders");
    assert_eq!(came.recv().await, Some(("moved", 3)));
    let who = orders.clone();
    let mine = desk.ask(|reply| v1::Desk::IsMine { who, reply }).await;
    assert_eq!(mine.ok(), Some(true));
    drop((desk, orders));
    pair.shutdown().await;
}

async fn a_newer_node_does_not_send_to_an_older_actor(transport: Transport) {
    let pair = Pair::over(transport).await;
    let (older, mut orders) = probe::<v1::Order>();
    let older = pair.server.spawn(older);
    pair.server.register("book", &older).expect("it is free");
    let refused = pair.client.resolve::<v2::Order>("book").await;
    let Err(ResolveError::WrongType { wanted, found, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((wanted, &*found), ("Order", "Order"));
    older.stop();
    assert!(orders.recv().await.is_none(), "nothing reached the actor");
    pair.shutdown().await;
}

async fn a_version_that_is_not_listed_is_of_the_wrong_type(transport: Transport) {
    let pair = Pair::over(transport).await;
    let (book, _came) = book(&pair);
    let refused = pair.client.resolve::<v0::Order>("book").await;
    assert!(
        matches!(refused, Err(ResolveError::WrongType { .. })),
        "{refused:?}"
    );
    // Who binds all the same is refused by the actor's node.
    let link = pair.client.links().remove(0);
    let described = link.resolve("book").await.expect("the link is up");
    let mut described = described.expect("it is registered");
    described.fingerprint = <v0::Order as mycelium_wire::Wire>::FINGERPRINT;
    let forged = mycelium_core::Node::remote_ref::<v0::Order>(link, described);
    let forged = forged.expect("the link is up");
    let refused = loop {
        // The first may be under way when the refusal comes.
        if let Err(refused) = forged.send(v0::Order::Limit { price: 1 }).await {
            break refused;
        }
    };
    let SendError::WrongType { wanted, found, .. } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((wanted, &*found), ("Order", "Order"));
    assert!(!book.is_closed());
    drop(forged);
    pair.shutdown().await;
}

async fn a_conversion_that_panics_ends_its_actor_and_no_link(transport: Transport) {
    let pair = Pair::over(transport).await;
    let (book, _came) = book(&pair);
    let (other, mut others) = probe();
    let other = pair.server.spawn::<Probe<u64>>(other);
    pair.server.register("other", &other).expect("it is free");
    let orders = resolved(&pair).await;
    let price = v2::NO_PRICE;
    let sent = orders.send(v1::Order::Limit { price }).await;
    sent.expect("the book lives");
    drop(book);
    let ended = orders.ended().await.expect("the link is up");
    assert!(matches!(ended, StopReason::Panicked(_)), "{ended:?}");
    let other = pair.client.resolve::<u64>("other").await;
    let other = other.expect("the link is up");
    other.send(1).await.expect("the actor lives");
    assert_eq!(others.recv().await, Some(1));
    drop((orders, other));
    pair.shutdown().await;
}

async fn an_inbox_receives_older_messages_and_tells_the_asks_that_it_leaves(transport: Transport) {
    let pair = Pair::over(transport).await;
    let mut inbox = pair.server.inbox::<v2::Order>();
    let book = inbox.actor_ref();
    pair.server.register("book", &book).expect("it is free");
    let orders = resolved(&pair).await;
    let sent = orders.send(v1::Order::Limit { price: 3 }).await;
    sent.expect("the inbox lives");
    let received = inbox.recv().await;
    assert!(
        matches!(
            received,
            Ok(v2::Order::Limit {
                price: 3,
                shares: 1
            })
        ),
        "{received:?}"
    );
    let asked = orders.ask(|reply| v1::Order::Best { reply });
    let leave = async {
        while inbox.mailbox_len() == 0 {
            tokio::task::yield_now().await;
        }
        drop(inbox);
    };
    let (asked, ()) = tokio::join!(asked, leave);
    assert!(matches!(asked, Err(AskError::NoReply)), "{asked:?}");
    drop(orders);
    pair.shutdown().await;
}

// The panic came out of the `recv` of the inbox's holder: a peer's message could end its thread.
async fn a_conversion_that_panics_ends_its_inbox_and_not_its_holder(transport: Transport) {
    let pair = Pair::over(transport).await;
    let mut inbox = pair.server.inbox::<v2::Order>();
    let book = inbox.actor_ref();
    pair.server.register("book", &book).expect("it is free");
    let orders = resolved(&pair).await;
    let price = v2::NO_PRICE;
    for price in [3, price, 4] {
        let sent = orders.send(v1::Order::Limit { price }).await;
        sent.expect("the inbox lives");
    }
    let before = inbox.recv().await;
    assert!(
        matches!(before, Ok(v2::Order::Limit { price: 3, .. })),
        "{before:?}"
    );
    let ended = inbox.recv().await.expect_err("it is no price");
    let StopReason::Panicked(text) = &ended else {
        panic!("{ended:?}");
    };
    assert!(text.contains("not a price"), "{text}");
    assert_eq!(inbox.recv().await.expect_err("it has ended"), ended);
    assert_eq!(orders.ended().await, Ok(ended));
    drop((inbox, orders));
    pair.shutdown().await;
}

over_every_transport!(
    an_older_node_finds_a_newer_actor_and_sends_to_it,
    older_and_newer_senders_of_one_node_have_one_actor,
    a_ref_in_a_message_reaches_the_older_node_and_comes_home,
    a_newer_node_does_not_send_to_an_older_actor,
    a_version_that_is_not_listed_is_of_the_wrong_type,
    a_conversion_that_panics_ends_its_actor_and_no_link,
    a_conversion_that_panics_ends_its_inbox_and_not_its_holder,
    an_inbox_receives_older_messages_and_tells_the_asks_that_it_leaves,
);
