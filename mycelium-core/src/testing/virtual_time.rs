//! [`VirtualTime`]: a clock that stands still until the test moves it.

use std::time::Duration;

use tokio::{task::yield_now, time};

/// Tokio's clock, paused: deadlines of asks, `send_timeout`, `send_after`, `send_interval` and
/// whatever else sleeps by it take no time, in the order in which they are due.
///
/// The clock moves by [`advance`](Self::advance), and by itself whenever every task waits: to the
/// next moment at which something is due. So a test may as well await what takes an hour.
///
/// Moments are exact to the millisecond, as tokio's timers are.
///
/// It knows of what runs on the test's own runtime only. Where a message is under way through a
/// socket, or through another thread, all tasks may wait and the clock run ahead of it: link nodes
/// in memory, and leave threads out. (Tokio's blocking pool is known to it: while work runs there
/// the clock stands.)
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mycelium_core::{Actor, ActorResult, Context, Node, testing::{Probe, VirtualTime}};
///
/// struct Idle;
///
/// impl Actor for Idle {
///     type Message = ();
///
///     async fn handle(&mut self, (): (), cx: &mut Context<Self>) -> ActorResult {
///         cx.stop();
///         Ok(())
///     }
///
///     async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
///         cx.send_after(Duration::from_secs(3_600), ());
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let time = VirtualTime::start();
/// let node = Node::builder("test").start().await?;
/// let idle = node.spawn(Idle);
/// time.advance(Duration::from_secs(3_599)).await;
/// assert!(!idle.is_closed());
/// time.advance(Duration::from_secs(1)).await;
/// assert!(idle.is_closed());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct VirtualTime(());

/// How often [`VirtualTime::advance`] gives way at its end. A message that is passed on takes one
/// or two turns; those that came of the last moment shall have got where they go.
const TURNS: usize = 256;

impl VirtualTime {
    /// Stops the clock of the current runtime, for as long as that lives.
    ///
    /// # Panics
    ///
    /// Outside a runtime of one thread (which `#[tokio::test]` makes), or where the clock is
    /// stopped already (as by `start_paused`).
    #[track_caller]
    pub fn start() -> Self {
        time::pause();
        Self(())
    }

    /// Lets so much time pass. What falls due on the way happens at its own moment and in its
    /// order, and every task runs as far as it can before the next.
    pub async fn advance(&self, duration: Duration) {
        // A sleep, not `tokio::time::advance`: that jumps, and all on the way would be late.
        time::sleep(duration).await;
        for _ in 0..TURNS {
            yield_now().await;
        }
    }
}
