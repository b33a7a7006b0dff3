//! What a sender refuses before anything reaches the wire.

use mycelium_wire::{
    ActorId, Bind, BindingId, Check, ExportKey, Hello, Limits, NodeId, ReceiveHalf, SendHalf,
    SendRefused, TEXT_LIMIT_BYTES, WireError,
};

const BINDING: BindingId = BindingId::from_u32(0);

fn bind() -> Bind {
    Bind {
        actor: ActorId::from_u64(1),
        key: ExportKey::from_u64(2),
        fingerprint: 3,
        type_name: "Vec".into(),
    }
}

fn send(half: &mut SendHalf, payload_bytes: usize) -> Result<(), SendRefused> {
    let message = vec![0_u8; payload_bytes];
    half.send(BINDING, &mut (), &mut |encoder| encoder.encode(&message))
}

#[test]
fn halves_move_between_threads() {
    fn assert_send<T: Send>() {}
    assert_send::<SendHalf>();
    assert_send::<ReceiveHalf>();
}

#[test]
fn the_smaller_message_limit_is_in_force() {
    let mut half = SendHalf::new(Limits::default(), Check::None);
    half.bind(BINDING, &bind(), 16);
    half.set_message_limit(u32::MAX);
    let refused = send(&mut half, 1 << 20);
    assert!(
        matches!(
            refused,
            Err(SendRefused::Wire(WireError::TooLarge { limit_bytes, .. })) if limit_bytes == 1 << 20
        ),
        "{refused:?}"
    );
    half.set_message_limit(100);
    assert!(send(&mut half, 92).is_ok());
    assert!(send(&mut half, 93).is_err());
    assert_eq!(half.totals().accepted, 1);
}

#[test]
fn no_credit_is_spent_on_an_id_that_is_not_bound() {
    let mut half = SendHalf::new(Limits::default(), Check::None);
    assert!(matches!(send(&mut half, 8), Err(SendRefused::NoCredit)));
    half.stop(BINDING);
    half.kill(BINDING);
    half.unbind(BINDING);
    assert_eq!(half.pending_bytes(), 0);

    half.bind(BINDING, &bind(), 16);
    half.unbind(BINDING);
    assert!(!half.is_bound(BINDING));
    assert!(matches!(send(&mut half, 8), Err(SendRefused::NoCredit)));
}

#[test]
fn credit_is_asked_for_before_anything_is_encoded() {
    let mut half = SendHalf::new(Limits::default(), Check::None);
    half.bind(BINDING, &bind(), 1);
    send(&mut half, 8).expect("the first has credit");
    let refused = half.send(BINDING, &mut (), &mut |_| panic!("encoded without credit"));
    assert!(matches!(refused, Err(SendRefused::NoCredit)));
}

#[test]
#[should_panic(expected = "an id is bound once at a time")]
fn binding_an_id_twice_is_a_bug_of_the_caller() {
    let mut half = SendHalf::new(Limits::default(), Check::None);
    half.bind(BINDING, &bind(), 16);
    half.bind(BINDING, &bind(), 16);
}

#[test]
fn names_and_addresses_that_do_not_fit_are_refused() {
    let mut half = SendHalf::new(Limits::default(), Check::None);
    let long = "n".repeat(TEXT_LIMIT_BYTES + 1);
    assert!(half.resolve(1, &long).is_err());
    let hello = Hello {
        node: NodeId::new("node".parse().expect("a valid name"), 1),
        nonce: 2,
        boot_id: 3,
        uid: 4,
        pid: 5,
        message_limit_bytes: 6,
        joins: 0,
        addresses: vec!["unix:/run/book-1.sock".into(); 200],
    };
    assert!(half.hello(&hello).is_err());
    assert_eq!(half.pending_bytes(), 0);
    assert!(half.resolve(1, &long[1..]).is_ok());
}

fn reply(half: &mut SendHalf, payload_bytes: usize) -> Result<(), WireError> {
    let reply = vec![0_u8; payload_bytes];
    half.reply(7, &mut (), &mut |encoder| encoder.encode(&reply))
}

#[test]
fn replies_are_limited_as_messages_are() {
    let mut half = SendHalf::new(Limits::default(), Check::None);
    half.set_message_limit(100);
    assert!(reply(&mut half, 92).is_ok());
    let before = half.pending_bytes();
    let refused = reply(&mut half, 93);
    assert!(
        matches!(
            refused,
            Err(WireError::TooLarge {
                limit_bytes: 100,
                ..
            })
        ),
        "{refused:?}"
    );
    assert_eq!(half.pending_bytes(), before);
}

#[test]
fn replies_need_no_credit_and_take_none() {
    let mut half = SendHalf::new(Limits::default(), Check::None);
    half.bind(BINDING, &bind(), 1);
    send(&mut half, 8).expect("the first has credit");
    for _ in 0..1_000 {
        reply(&mut half, 1_000).expect("below the limit");
    }
    assert_eq!(half.totals().accepted, 1);
    assert_eq!(half.totals().in_flight, 1);
}
