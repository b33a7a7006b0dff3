//! A send to an actor of the same process, per message handled, beside a task behind a tokio
//! channel. Closed loop: the sender waits where there is no room.

use std::time::{Duration, Instant};

use benches::{Counter, Tick, Workers, runtime, send_and_count};
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use mycelium::prelude::*;
use tokio::sync::{mpsc, oneshot};

/// The room of both queues.
const CAPACITY_MESSAGES: usize = 1_024;

fn send(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("send");
    group.throughput(Throughput::Elements(1));
    for workers in [Workers::CallingThread, Workers::Two] {
        actor(&mut group, workers);
        channel(&mut group, workers);
    }
    group.finish();
}

fn actor(group: &mut BenchmarkGroup<'_, WallTime>, workers: Workers) {
    let runtime = runtime(workers);
    group.bench_function(format!("mycelium/{}", workers.name()), |bencher| {
        bencher.to_async(&runtime).iter_custom(async |ticks| {
            let node = Node::builder("bench")
                .start()
                .await
                .expect("a runtime is there");
            let counter = node.spawn(Counter::default());
            let start = Instant::now();
            send_and_count(&counter, ticks).await;
            let taken = start.elapsed();
            node.shutdown(Duration::from_secs(5))
                .await
                .expect("the counter ends");
            taken
        });
    });
}

fn channel(group: &mut BenchmarkGroup<'_, WallTime>, workers: Workers) {
    let runtime = runtime(workers);
    group.bench_function(format!("tokio_mpsc/{}", workers.name()), |bencher| {
        bencher.to_async(&runtime).iter_custom(async |ticks| {
            let (sender, receiver) = mpsc::channel(CAPACITY_MESSAGES);
            let counting = tokio::spawn(count(receiver));
            let start = Instant::now();
            for sequence in 0..ticks {
                let tick = Tick {
                    sequence,
                    ..Tick::default()
                };
                sender
                    .send(Question::Tick(tick))
                    .await
                    .expect("the task lives");
            }
            let (reply, total) = oneshot::channel();
            sender
                .send(Question::Total(reply))
                .await
                .expect("the task lives");
            total.await.expect("the task answers");
            let taken = start.elapsed();
            drop(sender);
            counting.await.expect("the task ends");
            taken
        });
    });
}

enum Question {
    Tick(Tick),
    Total(oneshot::Sender<u64>),
}

async fn count(mut questions: mpsc::Receiver<Question>) {
    let mut total = 0;
    while let Some(question) = questions.recv().await {
        match question {
            Question::Tick(tick) => total += u64::from(tick.size != u32::MAX),
            // Whoever asked may have left.
            Question::Total(reply) => drop(reply.send(total)),
        }
    }
}

criterion_group!(benches, send);
criterion_main!(benches);
