//! An ask to an actor of the same process, beside a tokio channel with a oneshot for the answer.
//! Closed loop: one question at a time.

use std::time::{Duration, Instant};

use benches::{Count, Counter, Workers, runtime};
use criterion::{Criterion, criterion_group, criterion_main};
use mycelium::prelude::*;
use tokio::sync::{mpsc, oneshot};

fn ask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ask");
    for workers in [Workers::CallingThread, Workers::Two] {
        let runtime = runtime(workers);
        group.bench_function(format!("mycelium/{}", workers.name()), |bencher| {
            bencher.to_async(&runtime).iter_custom(async |asks| {
                let node = Node::builder("bench")
                    .start()
                    .await
                    .expect("a runtime is there");
                let counter = node.spawn(Counter::default());
                let start = Instant::now();
                for _ in 0..asks {
                    let total = counter.ask(Count::Total).await;
                    total.expect("the counter answers");
                }
                let taken = start.elapsed();
                node.shutdown(Duration::from_secs(5))
                    .await
                    .expect("the counter ends");
                taken
            });
        });
        group.bench_function(
            format!("tokio_mpsc_oneshot/{}", workers.name()),
            |bencher| {
                bencher.to_async(&runtime).iter_custom(async |asks| {
                    let (sender, mut questions) = mpsc::channel::<oneshot::Sender<u64>>(1_024);
                    let answering = tokio::spawn(async move {
                        while let Some(question) = questions.recv().await {
                            // Whoever asked may have left.
                            let _ = question.send(0);
                        }
                    });
                    let start = Instant::now();
                    for _ in 0..asks {
                        let (reply, answer) = oneshot::channel();
                        sender.send(reply).await.expect("the task lives");
                        answer.await.expect("the task answers");
                    }
                    let taken = start.elapsed();
                    drop(sender);
                    answering.await.expect("the task ends");
                    taken
                });
            },
        );
    }
    group.finish();
}

criterion_group!(benches, ask);
criterion_main!(benches);
