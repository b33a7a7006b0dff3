//! Ledgers that are fine, and what is wrong with those that are not.

use super::*;

const SENDER: u64 = 0xa;
const RECEIVER: u64 = 0xb;

fn record(event: Event) -> Record {
    Record::of(event).between(SENDER, RECEIVER)
}

fn tick(event: Event, sequence: u64) -> Record {
    record(event).sequence(sequence).check(7)
}

fn ready(life: u64) -> Record {
    Record::of(Event::Ready).between(life, life)
}

fn stats(counts: [u64; 6]) -> impl Iterator<Item = Record> {
    let events = [
        Event::LinkAccepted,
        Event::LinkConfirmed,
        Event::LinkRefused,
        Event::LinkUnknown,
        Event::LinkInFlight,
        Event::LinkPending,
    ];
    let with_value = |(event, value)| record(event).value(value);
    events.into_iter().zip(counts).map(with_value)
}

/// Two processes: one sends these numbers with these counts at the end, one handles those.
fn ledgers(sent: &[u64], handled: &[u64], counts: [u64; 6]) -> [Log; 2] {
    let mut sends = vec![ready(SENDER)];
    for number in sent {
        sends.extend([Event::Attempted, Event::Accepted].map(|event| tick(event, *number)));
    }
    sends.extend(stats(counts));
    let handles = handled.iter().map(|number| tick(Event::Handled, *number));
    let handles = [ready(RECEIVER)].into_iter().chain(handles);
    [log("sender", sends), log("sink", handles.collect())]
}

fn log(name: &str, records: Vec<Record>) -> Log {
    Log {
        name: name.to_owned(),
        records,
        ending: Ending::Orderly,
    }
}

fn rejected(logs: &[Log], words: &str) {
    let broken = check(logs).expect_err("the ledgers are bad");
    let told = |broken: &Broken| broken.to_string().contains(words);
    assert!(broken.iter().any(told), "{words}: {broken:?}");
}

#[test]
fn what_was_sent_and_handled_in_order_passes() {
    let totals = check(&ledgers(&[1, 2, 3], &[1, 2, 3], [3, 3, 0, 0, 0, 0])).unwrap();
    assert_eq!((totals.accepted, totals.handled), (3, 3));
}

#[test]
fn unknown_messages_may_be_handled_or_not() {
    for handled in [&[1][..], &[1, 2], &[1, 3], &[1, 2, 3]] {
        check(&ledgers(&[1, 2, 3], handled, [3, 1, 0, 2, 0, 0])).unwrap();
    }
}

#[test]
fn a_message_that_was_handled_twice_is_rejected() {
    let counts = [2, 1, 0, 1, 0, 0];
    rejected(
        &ledgers(&[1, 2], &[1, 1], counts),
        "tick 1 was handled twice",
    );
}

#[test]
fn messages_out_of_order_are_rejected() {
    let counts = [2, 2, 0, 0, 0, 0];
    rejected(
        &ledgers(&[1, 2], &[2, 1], counts),
        "tick 1 was handled after 2",
    );
}

#[test]
fn a_message_that_nobody_sent_is_rejected() {
    rejected(&ledgers(&[1], &[1, 2], [2, 2, 0, 0, 0, 0]), "never sent");
}

#[test]
fn a_message_whose_bytes_changed_is_rejected() {
    let mut logs = ledgers(&[1], &[1], [1, 1, 0, 0, 0, 0]);
    logs[1].records[1].check = 8;
    rejected(&logs, "sent with other bytes");
}

#[test]
fn a_message_that_was_given_back_and_handled_is_rejected() {
    let mut logs = ledgers(&[1], &[1], [1, 1, 0, 0, 0, 0]);
    logs[0].records.push(tick(Event::GivenBack, 1));
    rejected(&logs, "given back");
}

#[test]
fn a_message_that_is_lost_without_a_word_is_rejected() {
    let counts = [3, 3, 0, 0, 0, 0];
    rejected(
        &ledgers(&[1, 2, 3], &[1, 3], counts),
        "2 handled, but 3 to 3",
    );
    let counts = [3, 2, 0, 0, 0, 0];
    rejected(&ledgers(&[1, 2, 3], &[1, 3], counts), "the fate of 2 told");
    let counts = [2, 2, 0, 0, 0, 0];
    rejected(&ledgers(&[1, 2, 3], &[1, 3], counts), "3 sends said so");
}

#[test]
fn more_handled_than_the_sender_knows_is_rejected() {
    let counts = [3, 1, 1, 1, 0, 0];
    rejected(
        &ledgers(&[1, 2, 3], &[1, 2, 3], counts),
        "3 handled, but 1 to 2",
    );
}

#[test]
fn what_is_in_flight_or_pending_at_rest_is_rejected() {
    rejected(
        &ledgers(&[1], &[1], [1, 0, 0, 0, 1, 0]),
        "in flight at rest",
    );
    rejected(&ledgers(&[1], &[1], [1, 1, 0, 0, 0, 1]), "pending at rest");
}

#[test]
fn a_killed_receiver_may_have_one_message_in_its_hands() {
    let mut logs = ledgers(&[1, 2, 3], &[1, 2], [3, 3, 0, 0, 0, 0]);
    rejected(&logs, "2 handled, but 3 to 3");
    logs[1].ending = Ending::Killed;
    check(&logs).unwrap();
    logs[1].records.pop();
    rejected(&logs, "1 handled, but 3 to 3");
}

#[test]
fn the_links_of_a_pairs_epochs_are_counted_together() {
    let mut logs = ledgers(&[1, 2, 3], &[1, 3], [2, 1, 0, 1, 0, 0]);
    rejected(&logs, "3 sends said so");
    logs[0].records.extend(stats([1, 1, 0, 0, 0, 0]));
    let totals = check(&logs).unwrap();
    assert_eq!((totals.accepted, totals.unknown), (3, 1));
}

#[test]
fn each_ask_has_one_outcome_by_its_deadline() {
    let asked = record(Event::Asked).sequence(4).value(100);
    let answered = record(Event::Answered).sequence(4);
    let answered = answered.check(Outcome::NotSent as u32);
    let late = answered.value(101 + GRACE_NS);
    let of = |records: &[Record]| [log("asker", records.to_vec())];
    check(&of(&[asked, answered])).unwrap();
    rejected(&of(&[asked]), "has no outcome");
    rejected(&of(&[asked, answered, answered]), "has a second outcome");
    rejected(&of(&[asked, late]), "after its deadline");
}

#[test]
fn a_process_that_ends_by_itself_is_rejected() {
    let mut logs = ledgers(&[1], &[1], [1, 1, 0, 0, 0, 0]);
    logs[1].ending = Ending::Fault("signal: 6".to_owned());
    rejected(&logs, "I5: sink ended by itself: signal: 6");
}
