//! Two nodes linked by TCP, and a ref that travels from one to the other. Run: `cargo run --bin two_nodes`
//!
//! Both run in this process to keep the example short; the code is the same for two hosts' worth
//! of processes (beyond loopback with `.tls(..)` on both).

use std::{error::Error, time::Duration};

use mycelium::prelude::*;
use tokio::sync::oneshot;

#[message]
enum Book {
    /// Refs travel; on arrival they choose their transport again.
    Follow {
        who: ActorRef<Quote>,
    },
    Bid(i64),
}

#[message]
struct Quote {
    bid: i64,
}

#[derive(Default)]
struct BookActor {
    followers: Vec<ActorRef<Quote>>,
}

impl Actor for BookActor {
    type Message = Book;

    async fn handle(&mut self, message: Book, _cx: &mut Context<Self>) -> ActorResult {
        match message {
            Book::Follow { who } => {
                println!(
                    "book: a follower by TCP: {}",
                    matches!(who, ActorRef::Tcp(_))
                );
                self.followers.push(who);
            }
            Book::Bid(bid) => {
                for follower in &self.followers {
                    follower.send(Quote { bid }).await?;
                }
            }
        }
        Ok(())
    }
}

struct Strategy {
    first_quote: Option<oneshot::Sender<i64>>,
}

impl Actor for Strategy {
    type Message = Quote;

    async fn handle(&mut self, quote: Quote, _cx: &mut Context<Self>) -> ActorResult {
        if let Some(first) = self.first_quote.take() {
            let _ = first.send(quote.bid);
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let book_node = Node::builder("book").tcp("127.0.0.1:0").start().await?;
    book_node.register("book/AAPL", &book_node.spawn(BookActor::default()))?;
    let address = book_node.addresses().remove(0);

    let strategy_node = Node::builder("strategy").peer(address).start().await?;
    let (tell, first_quote) = oneshot::channel();
    let strategy = strategy_node.spawn(Strategy {
        first_quote: Some(tell),
    });
    let book = strategy_node.resolve::<Book>("book/AAPL").await?;
    println!(
        "strategy: the book by TCP: {}",
        matches!(book, ActorRef::Tcp(_))
    );
    book.send(Book::Follow { who: strategy }).await?;
    book.send(Book::Bid(5_853_300)).await?;
    println!("strategy: bid {}", first_quote.await?);

    strategy_node.shutdown(Duration::from_secs(5)).await?;
    Ok(book_node.shutdown(Duration::from_secs(5)).await?)
}
