//! Questions with typed answers, deadlines and failures. Run: `cargo run --bin ask`

use std::{error::Error, time::Duration};

use mycelium::prelude::*;

enum Account {
    Deposit(u64),
    /// Each question types its own answer.
    Balance {
        reply: ReplyTo<u64>,
    },
    Withdraw {
        amount: u64,
        reply: ReplyTo<Result<u64, String>>,
    },
    Close {
        reply: ReplyTo<()>,
    },
}

#[derive(Default)]
struct AccountActor {
    balance: u64,
    /// Ports can be kept and answered later.
    closers: Vec<ReplyTo<()>>,
}

impl Actor for AccountActor {
    type Message = Account;

    async fn handle(&mut self, message: Account, _cx: &mut Context<Self>) -> ActorResult {
        match message {
            Account::Deposit(amount) => self.balance += amount,
            Account::Balance { reply } => reply.send(self.balance),
            Account::Withdraw { amount, reply } => reply.send(self.withdraw(amount)),
            Account::Close { reply } => self.closers.push(reply),
        }
        Ok(())
    }
}

impl AccountActor {
    fn withdraw(&mut self, amount: u64) -> Result<u64, String> {
        let left = self.balance.checked_sub(amount);
        self.balance = left.ok_or(format!("only {} left", self.balance))?;
        Ok(self.balance)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::builder("bank").start().await?;
    let account = node.spawn(AccountActor::default());

    account.send(Account::Deposit(100)).await?;
    let balance = account.ask(|reply| Account::Balance { reply }).await?;
    println!("balance: {balance}");

    for amount in [30, 500] {
        let withdraw = account.ask(|reply| Account::Withdraw { amount, reply });
        match withdraw.await? {
            Ok(left) => println!("withdrew {amount}, {left} left"),
            Err(refused) => println!("cannot withdraw {amount}: {refused}"),
        }
    }

    let close = account.ask(|reply| Account::Close { reply });
    match close.timeout(Duration::from_millis(20)).await {
        Ok(()) => println!("closed"),
        Err(error) => println!("not closed: {error}"),
    }

    account.stop();
    Ok(node.shutdown(Duration::from_secs(5)).await?)
}
