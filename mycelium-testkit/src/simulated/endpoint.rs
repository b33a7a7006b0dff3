//! [`Endpoint`]: one of two nodes, with both halves of its connection and what outlives it.

use mycelium::wire::{
    ActorId, Bind, BindingId, Check, CloseReason, EndReason, ExportKey, ReplyFailure, SendHalf,
    SendRefused, Window, WireError,
};

use crate::{
    Choices,
    simulated::{
        account::Account,
        actor::{Actor, Bound, Life},
        arrival::{Arrival, Carried, corrupt, filling},
        connection::{Connection, MESSAGE_LIMIT_BYTES, request_of},
    },
};

/// Actors of each node that the other sends to.
pub const ACTORS: usize = 4;

/// What a node expects of its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The peer keeps to the protocol: if it seems not to, one of the halves is at fault, and the
    /// test fails.
    Honest,
    /// The peer may send anything: what it must not send is an error.
    Lying,
}

/// One node: its actors, what it knows of its messages to the peer's, and a connection at a time.
pub struct Endpoint {
    trust: Trust,
    actors: [Actor; ACTORS],
    courses: [Course; ACTORS],
    connection: Option<Connection>,
}

/// What goes to one actor of the peer.
#[derive(Default)]
struct Course {
    /// Of the bindings that are gone.
    settled: Account,
    binding: Option<BindingId>,
    last_number: u64,
}

impl Endpoint {
    /// Makes a node without a connection.
    pub fn new(trust: Trust) -> Self {
        Self {
            trust,
            actors: Default::default(),
            courses: Default::default(),
            connection: None,
        }
    }

    /// From now on the peer may send anything.
    pub fn distrust(&mut self) {
        self.trust = Trust::Lying;
    }

    /// Begins a connection with this nonce, which no other connection of the test may have.
    ///
    /// # Panics
    ///
    /// Where there is one.
    pub fn connect(&mut self, nonce: u128, check: Check) {
        assert!(self.connection.is_none(), "one connection at a time");
        self.connection = Some(Connection::new(nonce, check));
    }

    /// The connection is gone: what was under way on it is unknown from now on.
    pub fn lose(&mut self) {
        self.check_counts();
        for number in 0..ACTORS {
            let account = self.binding_account(number).lost();
            self.courses[number].settled += account;
            self.courses[number].binding = None;
            self.actors[number].lose();
        }
        self.connection = None;
        self.check_counts();
    }

    /// Whether there is a connection, be it up or not.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Whether the peer has closed the connection.
    pub fn is_closed(&self) -> bool {
        self.connection.as_ref().is_some_and(|link| link.is_closed)
    }

    /// Appends what waits to be sent, and says whether there was any.
    pub fn write(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(link) = &mut self.connection else {
            return false;
        };
        let has_more = link.send.poll_transmit(&mut link.spare);
        if has_more {
            out.extend_from_slice(&link.spare);
        }
        has_more
    }

    /// Takes bytes in and handles all that is complete.
    ///
    /// # Errors
    ///
    /// How the peer broke the protocol; the connection must be given up.
    ///
    /// # Panics
    ///
    /// Where an honest peer seems to have broken the protocol by frames that arrived whole, and
    /// where the half holds more than it may.
    pub fn read(
        &mut self,
        mut bytes: &[u8],
        choices: &mut impl Choices,
    ) -> Result<(), CloseReason> {
        while !bytes.is_empty() {
            let Some(link) = &mut self.connection else {
                return Ok(());
            };
            bytes = &bytes[link.take_in(bytes)..];
            while let Some(arrival) = self.next_arrival()? {
                let result = self.handle(arrival, choices);
                self.judge(result)?;
            }
        }
        Ok(())
    }

    /// Binds the peer's actor to an id with this capacity, where neither is bound.
    pub fn bind(&mut self, actor: usize, id: u32, capacity_messages: u32) {
        let id = BindingId::from_u32(id);
        let Some(link) = self.connection.as_mut().filter(|link| link.may_send) else {
            return;
        };
        if self.courses[actor].binding.is_some() || !link.send.is_free(id) {
            return;
        }
        let bind = Bind {
            actor: ActorId::from_u64(actor as u64),
            // The target learns the actor's capacity by its key.
            key: ExportKey::from_u64(capacity_messages.into()),
            fingerprint: 2,
            type_name: "Numbered".into(),
        };
        link.send.bind(id, &bind, capacity_messages);
        self.courses[actor].binding = Some(id);
    }

    /// Sends a message with so many bytes of filling, if it finds room.
    pub fn send(&mut self, actor: usize, filling_bytes: usize) {
        let (Some(link), Some(id)) = (&mut self.connection, self.courses[actor].binding) else {
            return;
        };
        let number = self.courses[actor].last_number + 1;
        let filling = filling(actor as u64, number, filling_bytes);
        let message = (actor as u64, number, filling);
        let before = link.send.pending_bytes();
        let window = link.send.credit_window(id).cloned();
        let sent = link
            .send
            .send(id, &mut (), &mut |encoder| encoder.encode(&message));
        let written = link.send.pending_bytes() - before;
        match sent {
            Ok(()) => {
                let had_room = window.is_some_and(|window| window.has_room(written));
                assert!(had_room, "a message was sent without credit");
                self.courses[actor].last_number = number;
                link.unanswered.insert(request_of(actor, number));
            }
            Err(SendRefused::NoCredit | SendRefused::Wire(WireError::TooLarge { .. })) => {
                assert_eq!(written, 0, "what was refused is not written");
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// Asks the peer's actor to stop after the messages so far.
    pub fn stop(&mut self, actor: usize) {
        self.on_binding(actor, SendHalf::stop);
    }

    /// Ends the peer's actor at once.
    pub fn kill(&mut self, actor: usize) {
        self.on_binding(actor, SendHalf::kill);
    }

    /// Gives the binding to the peer's actor up.
    pub fn unbind(&mut self, actor: usize) {
        self.on_binding(actor, SendHalf::unbind);
    }

    /// Asks the peer for a name.
    pub fn resolve(&mut self) {
        let Some(link) = self.connection.as_mut().filter(|link| link.may_send) else {
            return;
        };
        link.ask_for_a_name();
    }

    /// Lets an actor of this node handle and answer up to so many messages.
    pub fn act(&mut self, actor: usize, most_messages: usize, choices: &mut impl Choices) {
        for number in self.actors[actor].handle(most_messages) {
            self.answer(request_of(actor, number), choices);
        }
        if self.actors[actor].life == Life::Stopping && self.actors[actor].is_idle() {
            self.end(actor, &EndReason::Stopped);
        }
    }

    /// Tells the peer what became of its messages to an actor, and lets its binding go where it was
    /// given up and nothing of it is left.
    pub fn report(&mut self, actor: usize) {
        let lets_go = self.actors[actor].lets_go();
        let (Some(link), Some(bound)) = (&mut self.connection, &mut self.actors[actor].bound)
        else {
            return;
        };
        if bound.credit != bound.reported {
            bound.reported = bound.credit;
            link.send.credit(bound.id, bound.credit);
        }
        if lets_go {
            link.send.unbound(bound.id);
            self.actors[actor].bound = None;
        }
    }

    /// Ends an actor of this node; what its mailbox holds is discarded.
    pub fn end(&mut self, actor: usize, reason: &EndReason) {
        self.actors[actor].life = Life::Ended;
        let asked = self.actors[actor].discard_all();
        let (Some(link), Some(bound)) = (&mut self.connection, &mut self.actors[actor].bound)
        else {
            return;
        };
        for number in asked {
            let request = request_of(actor, number);
            link.send.reply_failed(request, &ReplyFailure::NoReply);
        }
        if !bound.has_ended {
            bound.has_ended = true;
            link.send.ended(bound.id, reason);
        }
    }

    /// What is known of the messages to an actor of the peer.
    pub fn account(&self, actor: usize) -> Account {
        let mut account = self.courses[actor].settled;
        account += self.binding_account(actor);
        account
    }

    /// The messages of the peer that an actor handled, and those that were discarded.
    pub fn fate(&self, actor: usize) -> (u64, u64) {
        (self.actors[actor].handled, self.actors[actor].discarded)
    }

    /// Whether nothing is bound, under way, unanswered or unhandled.
    pub fn is_at_rest(&self) -> bool {
        let idle = |actor: &Actor| actor.is_idle() && actor.bound.is_none();
        let link = self.connection.as_ref();
        self.actors.iter().all(idle)
            && self.courses.iter().all(|course| course.binding.is_none())
            && link.is_some_and(|link| link.may_send && link.unanswered.is_empty())
            && link.is_some_and(|link| link.send.pending_bytes() == 0)
    }

    /// Checks that every message is in one column, for each actor and for the connection.
    ///
    /// # Panics
    ///
    /// Where one is not.
    pub fn check_counts(&self) {
        for number in 0..ACTORS {
            let account = self.account(number);
            account.check();
            assert_eq!(account.accepted, self.courses[number].last_number);
        }
        if let Some(link) = &self.connection {
            let mut account = link.settled;
            for number in 0..ACTORS {
                account += self.binding_account(number);
            }
            assert_eq!(Account::from(link.send.totals()), account);
        }
    }

    fn binding_account(&self, actor: usize) -> Account {
        let window = self.connection.as_ref().and_then(|link| {
            let id = self.courses[actor].binding?;
            link.send.credit_window(id)
        });
        window.map_or_else(Account::default, Account::of)
    }

    fn on_binding(&mut self, actor: usize, call: fn(&mut SendHalf, BindingId)) {
        if let (Some(link), Some(id)) = (&mut self.connection, self.courses[actor].binding) {
            call(&mut link.send, id);
        }
    }

    fn answer(&mut self, request: u64, choices: &mut impl Choices) {
        let Some(link) = &mut self.connection else {
            return;
        };
        if choices.one_in(4) {
            let failure = ReplyFailure::Refused("on purpose".into());
            link.send.reply_failed(request, &failure);
        } else {
            let sent = link
                .send
                .reply(request, &mut (), &mut |encoder| encoder.encode(&request));
            sent.expect("it is short");
        }
    }

    fn next_arrival(&mut self) -> Result<Option<Arrival>, CloseReason> {
        let Some(link) = &mut self.connection else {
            return Ok(None);
        };
        let Some(event) = link.receive.poll_event()? else {
            return Ok(None);
        };
        let arrival = Arrival::of(event);
        self.judge(arrival).map(Some)
    }

    /// An error about a frame that arrived whole is ours where the peer is honest.
    fn judge<T>(&self, result: Result<T, CloseReason>) -> Result<T, CloseReason> {
        if let (Trust::Honest, Err(reason)) = (self.trust, &result) {
            panic!("an honest peer is accused: {reason}");
        }
        result
    }

    fn handle(&mut self, arrival: Arrival, choices: &mut impl Choices) -> Result<(), CloseReason> {
        let link = self.connection.as_mut().ok_or_else(|| corrupt("no link"))?;
        match arrival {
            Arrival::Hello(hello) => link.greet(&hello),
            Arrival::Bind(id, bind) => self.accept(id, &bind, choices)?,
            Arrival::Message(id, message) => self.receive(id, &message)?,
            Arrival::Stop(id) => {
                let actor = self.bound_to(id)?;
                if self.actors[actor].life == Life::Running {
                    self.actors[actor].life = Life::Stopping;
                }
            }
            Arrival::Kill(id) => {
                let actor = self.bound_to(id)?;
                self.end(actor, &EndReason::Killed);
            }
            Arrival::Unbind(id) => {
                let actor = self.bound_to(id)?;
                if let Some(bound) = &mut self.actors[actor].bound {
                    bound.is_unbinding = true;
                }
            }
            Arrival::Bound(id, window) => link.send.handle_bound(id, window)?,
            Arrival::Credit(id, credit) => link.send.handle_credit(id, credit)?,
            Arrival::Ended(id) => drop(link.send.handle_ended(id)?),
            Arrival::Unbound(id) => self.settle(id)?,
            Arrival::Resolve(request, name) => link.look_up(request, &name)?,
            Arrival::Resolved(request, resolved) => link.take_answer(request, resolved.as_ref())?,
            Arrival::Answered(request) => link.take_reply(request)?,
            Arrival::Close => link.is_closed = true,
            Arrival::Up | Arrival::Nothing => {}
        }
        Ok(())
    }

    fn accept(
        &mut self,
        id: BindingId,
        bind: &Bind,
        choices: &mut impl Choices,
    ) -> Result<(), CloseReason> {
        let is_taken = self.bound_to(id).is_ok();
        let number = usize::try_from(bind.actor.as_u64()).unwrap_or(usize::MAX);
        let actor = self.actors.get_mut(number);
        let actor = actor.filter(|actor| actor.bound.is_none() && !is_taken);
        let actor = actor.ok_or_else(|| corrupt("an actor that may not be bound"))?;
        let link = self.connection.as_mut().ok_or_else(|| corrupt("no link"))?;
        let capacity = u32::try_from(bind.key.as_u64()).unwrap_or(u32::MAX);
        if actor.life == Life::Stopping || choices.one_in(6) {
            let mut bound = Bound::new(id, Window::initial(capacity));
            bound.has_ended = true;
            actor.bound = Some(bound);
            link.send.ended(id, &EndReason::NoSuchActor);
        } else {
            let window = Window::full(capacity, MESSAGE_LIMIT_BYTES);
            // Another actor has taken the place of one that ended.
            actor.life = Life::Running;
            actor.bound = Some(Bound::new(id, window));
            link.send.bound(id, window);
        }
        Ok(())
    }

    fn receive(&mut self, id: BindingId, message: &Carried) -> Result<(), CloseReason> {
        let number = self.bound_to(id)?;
        if message.actor != number as u64 {
            return Err(corrupt("a message is for another actor"));
        }
        let discarded = self.actors[number].receive(message).map_err(corrupt)?;
        if let (Some(asked), Some(link)) = (discarded, &mut self.connection) {
            let request = request_of(number, asked);
            link.send.reply_failed(request, &ReplyFailure::NoReply);
        }
        Ok(())
    }

    /// The target let one of our bindings go: its counts are final.
    fn settle(&mut self, id: BindingId) -> Result<(), CloseReason> {
        let bound = self
            .courses
            .iter()
            .position(|course| course.binding == Some(id));
        let account = bound.map(|number| self.binding_account(number));
        if let Some(link) = &mut self.connection {
            link.send.handle_unbound(id)?;
            link.settled += account.unwrap_or_default();
        }
        if let (Some(number), Some(account)) = (bound, account) {
            self.courses[number].settled += account;
            self.courses[number].binding = None;
        }
        Ok(())
    }

    /// The actor that the peer bound with this id.
    fn bound_to(&self, id: BindingId) -> Result<usize, CloseReason> {
        let is_it = |actor: &Actor| actor.bound.as_ref().is_some_and(|bound| bound.id == id);
        let number = self.actors.iter().position(is_it);
        number.ok_or(CloseReason::UnknownBinding(id))
    }
}
