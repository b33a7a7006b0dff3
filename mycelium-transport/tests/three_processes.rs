//! Three nodes in three processes: ports and refs pass through the one in the middle, which is
//! killed in the end and leaves nothing open on the others.

mod support;

use std::{future::Future, sync::Arc};

use mycelium_core::{
    Actor, ActorRef, ActorResult, AskError, Context, Link, Node, ReplyTo, SendError,
};
use mycelium_macros::message;
use mycelium_registry::Registry;
use mycelium_transport::{BuildTransport, TransportNode};
use tokio::{
    sync::mpsc::{self, UnboundedSender},
    task, time,
};

use crate::support::{
    GRACE,
    child::{Child, User, role, say},
};

#[message(crate = mycelium_wire)]
enum Question {
    Double {
        number: u64,
        reply: ReplyTo<u64>,
    },
    /// Is not answered while its process lives.
    Keep {
        reply: ReplyTo<u64>,
    },
    /// Gives a ref that is found by name.
    Seek {
        name: String,
        reply: ReplyTo<Option<ActorRef<Question>>>,
    },
    /// Gives a ref back.
    Return {
        actor: ActorRef<Question>,
        reply: ReplyTo<ActorRef<Question>>,
    },
    /// Asks another actor, and passes its answer on.
    AskOn {
        to: ActorRef<Question>,
        number: u64,
        reply: ReplyTo<Option<u64>>,
    },
    /// Passes the question inside on, with what is in it.
    Through(ActorRef<Question>, Inside),
}

/// A question that another actor is to answer.
#[message(crate = mycelium_wire)]
enum Inside {
    Double {
        number: u64,
        reply: ReplyTo<u64>,
    },
    Keep {
        reply: ReplyTo<u64>,
    },
    Return {
        actor: ActorRef<Question>,
        reply: ReplyTo<ActorRef<Question>>,
    },
    AskOn {
        to: ActorRef<Question>,
        number: u64,
        reply: ReplyTo<Option<u64>>,
    },
}

impl From<Inside> for Question {
    fn from(inside: Inside) -> Self {
        match inside {
            Inside::Double { number, reply } => Self::Double { number, reply },
            Inside::Keep { reply } => Self::Keep { reply },
            Inside::Return { actor, reply } => Self::Return { actor, reply },
            Inside::AskOn { to, number, reply } => Self::AskOn { to, number, reply },
        }
    }
}

/// Answers, and shows what it keeps.
struct Answers(UnboundedSender<ReplyTo<u64>>);

impl Actor for Answers {
    type Message = Question;

    async fn handle(&mut self, message: Question, cx: &mut Context<Self>) -> ActorResult {
        match message {
            Question::Double { number, reply } => reply.send(2 * number),
            // Whoever does not look at it drops it.
            Question::Keep { reply } => drop(self.0.send(reply)),
            Question::Seek { name, reply } => reply.send(cx.node().resolve(&name).await.ok()),
            Question::Return { actor, reply } => reply.send(actor),
            Question::AskOn { to, number, reply } => {
                let asked = to.ask(|reply| Question::Double { number, reply }).await;
                reply.send(asked.ok());
            }
            Question::Through(to, inside) => to.send(inside.into()).await?,
        }
        Ok(())
    }
}

/// Waits for what other tasks and processes bring about.
async fn until(holds: impl Fn() -> bool) {
    let come = async {
        while !holds() {
            task::yield_now().await;
        }
    };
    let come = time::timeout(GRACE, come).await;
    come.expect("it has not come about");
}

fn is_at_rest(link: &Arc<dyn Link>) -> bool {
    (link.pending_asks(), link.bindings()) == (0, 0)
}

/// The processes beside the test's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    match role() {
        Some((role, _)) if role == "middle" => middle().await,
        Some((_, peer)) => far(&peer).await,
        None => {}
    }
}

/// Keeps what it is asked to keep until it is killed.
async fn middle() {
    let node = Node::builder("middle").tcp("127.0.0.1:0").start().await;
    let node = node.expect("loopback has a free port");
    let (kept, _keeps) = mpsc::unbounded_channel();
    let answers = node.spawn(Answers(kept));
    node.register("middle", &answers).expect("it is free");
    say(node.addresses().remove(0));
    std::future::pending::<()>().await;
}

/// Knows the node in the middle, and waits for its end with an ask of its own under way.
async fn far(peer: &str) {
    let far = Node::builder("far").tcp("127.0.0.1:0");
    let node = far.peer(peer.parse().expect("an address")).start().await;
    let node = node.expect("loopback has a free port");
    let link = node.links().remove(0);
    let (kept, mut keeps) = mpsc::unbounded_channel();
    let answers = node.spawn(Answers(kept));
    node.register("far", &answers).expect("it is free");
    let middle = node.resolve::<Question>("middle").await;
    let middle = middle.expect("it is registered");
    say(node.addresses().remove(0));

    let reply = keeps.recv().await.expect("the test asks for it");
    let asking = {
        let middle = middle.clone();
        task::spawn(async move {
            let ask = middle.ask(|reply| Question::Keep { reply });
            ask.timeout(GRACE).await
        })
    };
    until(|| link.pending_asks() == 1).await;
    say("keeps");
    let outcome = asking.await.expect("it ends");
    assert!(is_lost(&outcome), "{outcome:?}");
    reply.send(0);
    drop(middle);
    until(|| is_at_rest(&link)).await;
    say("is at rest");
    std::future::pending::<()>().await;
}

/// Whether an ask under way learned of the end of a node before its time was up.
fn is_lost<T>(outcome: &Result<T, AskError<Question>>) -> bool {
    matches!(outcome, Err(AskError::LinkDown | AskError::NodeDown))
}

/// The test's node, with the others in processes of their own.
struct Three {
    node: Node,
    middle: Child,
    far: Child,
    /// The node's link to the one in the middle.
    link: Arc<dyn Link>,
    on_middle: ActorRef<Question>,
    /// As the one in the middle knows it.
    on_far: ActorRef<Question>,
}

/// Whom the test's node is linked to.
#[derive(PartialEq)]
enum Linked {
    ToTheMiddle,
    ToBoth,
}

impl Three {
    async fn start(linked: Linked) -> Self {
        let mut middle = Child::run("middle", "", User::Ours);
        let middle_address = middle.hear();
        let mut far = Child::run("far", &middle_address, User::Ours);
        let far_address = far.hear();
        let mut near = Node::builder("near").tcp("127.0.0.1:0");
        near = near.peer(middle_address.parse().expect("an address"));
        if linked == Linked::ToBoth {
            near = near.peer(far_address.parse().expect("an address"));
        }
        let node = near.start().await.expect("loopback has a free port");
        let links = node.links();
        let link = links
            .iter()
            .find(|link| link.peer().name().as_str() == "middle");
        let link = Arc::clone(link.expect("it is linked"));
        let on_middle: ActorRef<Question> = node.resolve("middle").await.expect("it is there");
        let name = "far".to_owned();
        let on_far = on_middle.ask(|reply| Question::Seek { name, reply }).await;
        let on_far = on_far.expect("it answers").expect("it is registered");
        Self {
            node,
            middle,
            far,
            link,
            on_middle,
            on_far,
        }
    }

    /// Asks the actor on the far node through the one in the middle.
    fn ask_through<R: Send + 'static>(
        &self,
        make: impl FnOnce(ReplyTo<R>) -> Inside + Send + 'static,
    ) -> impl Future<Output = Result<R, AskError<Question>>> + Send + 'static {
        let (middle, far) = (self.on_middle.clone(), self.on_far.clone());
        async move {
            let ask = middle.ask(|reply| Question::Through(far, make(reply)));
            ask.timeout(GRACE).await
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_and_a_ref_pass_through_the_middle_until_it_is_killed() {
    let mut three = Three::start(Linked::ToTheMiddle).await;
    let unlinked = three.on_far.ask(|reply| Question::Keep { reply }).await;
    let Err(AskError::NotSent(SendError::Unreachable(_))) = unlinked else {
        panic!("the two never met: {unlinked:?}");
    };

    // The far node answers an asker that it never met.
    for number in 0..100 {
        let answer = three
            .ask_through(move |reply| Inside::Double { number, reply })
            .await;
        assert_eq!(answer.expect("the far node answers"), 2 * number);
    }
    // A ref of this node comes back from there.
    let home = three.node.spawn(Answers(mpsc::unbounded_channel().0));
    let actor = home.clone();
    let returned = three
        .ask_through(move |reply| Inside::Return { actor, reply })
        .await;
    let returned = returned.expect("the far node answers");
    assert!(matches!(returned, ActorRef::Local(_)), "{returned:?}");
    assert_eq!(returned, home);
    assert_eq!(three.link.pending_asks(), 0);

    let asking = task::spawn(three.ask_through(move |reply| Inside::Keep { reply }));
    // It was asked by the far node.
    assert_eq!(three.far.hear(), "keeps");
    assert_eq!(three.link.pending_asks(), 1);
    three.middle.kill();
    let outcome = asking.await.expect("it ends");
    assert!(is_lost(&outcome), "{outcome:?}");
    assert_eq!(three.far.hear(), "is at rest");
    drop((three.on_middle, three.on_far));
    until(|| is_at_rest(&three.link)).await;
    three.node.shutdown(GRACE).await.expect("all actors end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ref_that_was_passed_on_works_after_the_end_of_the_node_that_did() {
    let mut three = Three::start(Linked::ToBoth).await;
    let home = three.node.spawn(Answers(mpsc::unbounded_channel().0));
    let on_far = three.on_far.clone();
    let meet = async |number| {
        let answer = on_far.ask(|reply| Question::Double { number, reply });
        assert_eq!(answer.await.expect("the far node answers"), 2 * number);
    };
    meet(1).await;
    let to = home.clone();
    let answer = three.ask_through(move |reply| Inside::AskOn {
        to,
        number: 2,
        reply,
    });
    assert_eq!(answer.await.expect("the far node answers"), Some(4));

    three.middle.kill();
    meet(3).await;
    let answer = on_far.ask(|reply| Question::AskOn {
        to: home,
        number: 4,
        reply,
    });
    assert_eq!(answer.await.expect("the far node answers"), Some(8));
    let lost = three.ask_through(move |reply| Inside::Double { number: 5, reply });
    lost.await.expect_err("the one in the middle is gone");
    drop(three.on_middle);
    until(|| is_at_rest(&three.link)).await;
    drop((three.on_far, on_far));
    for link in three.node.links() {
        until(|| is_at_rest(&link)).await;
    }
    three.node.shutdown(GRACE).await.expect("all actors end");
}
