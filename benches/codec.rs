//! What encoding, validating and decoding a message of 56 bytes costs, beside a layout written by
//! hand.

use std::hint::black_box;

use benches::Tick;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use mycelium::wire::{
    Encoder, Wire, decode, open,
    rkyv::{ser::allocator::Arena, util::AlignedVec},
};

/// Bytes of a tick under the hand-written layout.
const LAID_OUT_BYTES: usize = 45;

fn codec(criterion: &mut Criterion) {
    let tick = Tick {
        sequence: 1,
        time_ns: 2,
        order_id: 3,
        price: 4,
        size: 5,
        side: 1,
        symbol: *b"AAPL\0\0\0\0",
    };
    let mut arena = Arena::new();
    // Aligned, as frames are: another one would be copied before it is decoded.
    let mut buffer = AlignedVec::<16>::new();
    encode(&tick, &mut buffer, &mut arena);
    let frame = Bytes::from_owner(buffer.clone());
    let mut group = criterion.benchmark_group("codec");
    group.bench_function("encode", |bencher| {
        bencher.iter(|| encode(black_box(&tick), &mut buffer, &mut arena));
    });
    group.bench_function("validate", |bencher| {
        bencher.iter(|| {
            let tick = open::<Tick>(black_box(&frame), Tick::FINGERPRINT);
            tick.expect("it is a tick").price
        });
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let tick = decode::<Tick>(black_box(&frame), Tick::FINGERPRINT, &());
            tick.expect("it is a tick")
        });
    });
    group.bench_function("by_hand/encode", |bencher| {
        bencher.iter(|| lay_out(black_box(&tick)));
    });
    let bytes = lay_out(&tick);
    group.bench_function("by_hand/decode", |bencher| {
        bencher.iter(|| read(black_box(&bytes)));
    });
    group.finish();
}

fn encode(tick: &Tick, buffer: &mut AlignedVec<16>, arena: &mut Arena) {
    buffer.clear();
    Encoder::new(buffer, arena, &mut (), 1 << 20)
        .encode(tick)
        .expect("it is below the limit");
}

fn lay_out(tick: &Tick) -> [u8; LAID_OUT_BYTES] {
    let mut bytes = [0; LAID_OUT_BYTES];
    bytes[0..8].copy_from_slice(&tick.sequence.to_le_bytes());
    bytes[8..16].copy_from_slice(&tick.time_ns.to_le_bytes());
    bytes[16..24].copy_from_slice(&tick.order_id.to_le_bytes());
    bytes[24..32].copy_from_slice(&tick.price.to_le_bytes());
    bytes[32..40].copy_from_slice(&tick.symbol);
    bytes[40..44].copy_from_slice(&tick.size.to_le_bytes());
    bytes[44..].copy_from_slice(&tick.side.to_le_bytes());
    bytes
}

fn read(bytes: &[u8; LAID_OUT_BYTES]) -> Tick {
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    Tick {
        sequence: word(0),
        time_ns: word(8),
        order_id: word(16),
        price: word(24).cast_signed(),
        symbol: std::array::from_fn(|byte| bytes[32 + byte]),
        size: u32::from_le_bytes(std::array::from_fn(|byte| bytes[40 + byte])),
        side: bytes[44].cast_signed(),
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
