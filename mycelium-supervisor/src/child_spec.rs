//! [`ChildSpec`]: what a supervisor has to know of a child.

use std::{sync::Arc, time::Duration};

use mycelium_core::{Actor, SpawnOptions};

use crate::{Backoff, Restart, Shutdown, tree::Tree};

/// How long a child may take to start unless chosen.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// A child: its name, how its actor is made for each life, and what becomes of it when it ends.
///
/// # Examples
///
/// ```
/// use std::{num::NonZeroUsize, time::Duration};
/// use mycelium_core::{Actor, ActorResult, Context, SpawnOptions};
/// use mycelium_supervisor::{Backoff, ChildSpec, Restart, Shutdown};
///
/// struct Feed {
///     port: u16,
/// }
///
/// impl Actor for Feed {
///     type Message = String;
///
///     async fn handle(&mut self, line: String, _: &mut Context<Self>) -> ActorResult {
///         println!("{}: {line}", self.port);
///         Ok(())
///     }
/// }
///
/// let feed = ChildSpec::new("feed", || Feed { port: 26_400 })
///     .restart(Restart::Transient)
///     .start_timeout(Duration::from_secs(1))
///     .shutdown(Shutdown::Within(Duration::from_millis(500)))
///     .backoff(Backoff::new(Duration::from_millis(50), Duration::from_secs(5)))
///     .options(SpawnOptions::default().capacity(NonZeroUsize::new(64).ok_or("no room")?));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct ChildSpec<A: Actor> {
    pub(crate) name: Arc<str>,
    pub(crate) make: Box<dyn FnMut() -> A + Send>,
    pub(crate) options: SpawnOptions,
    pub(crate) terms: Terms,
    /// Of a child that is a supervisor.
    pub(crate) subtree: Option<Arc<Tree>>,
}

/// What becomes of a child when it ends, and how it is started and ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) start_timeout: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) is_significant: bool,
}

impl Terms {
    /// As OTP has them for supervisors: they may take their time, since their children may not.
    pub(crate) fn of_a_supervisor() -> Self {
        Self {
            shutdown: Shutdown::Infinity,
            start_timeout: Duration::MAX,
            ..Self::default()
        }
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            restart: Restart::default(),
            shutdown: Shutdown::default(),
            start_timeout: START_TIMEOUT,
            backoff: Backoff::NONE,
            is_significant: false,
        }
    }
}

impl<A: Actor> ChildSpec<A> {
    /// A permanent child; `make` makes the actor of each life. What it needs for that it holds itself:
    /// configuration, and refs, which outlive restarts. What may fail or takes time belongs into the
    /// actor's [`started`](Actor::started).
    pub fn new(name: impl Into<Arc<str>>, make: impl FnMut() -> A + Send + 'static) -> Self {
        Self {
            name: name.into(),
            make: Box::new(make),
            options: SpawnOptions::default(),
            terms: Terms::default(),
            subtree: None,
        }
    }

    /// Whether it is restarted. Default [`Restart::Permanent`].
    pub fn restart(mut self, restart: Restart) -> Self {
        self.terms.restart = restart;
        self
    }

    /// How it is ended. Default 5 s in good order, then by a kill; supervisors have all the time they
    /// want.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.terms.shutdown = shutdown;
        self
    }

    /// How long its `started` may take; longer is a failure. The children after it, and whoever starts
    /// it, wait so long. Default 5 s; supervisors have all the time they want.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.terms.start_timeout = timeout;
        self
    }

    /// How long it waits before it is restarted. Default [`Backoff::NONE`].
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.terms.backoff = backoff;
        self
    }

    /// Its end may end its supervisor: see [`AutoShutdown`](crate::AutoShutdown). A permanent child
    /// never ends by itself for good, so there it has no effect.
    pub fn significant(mut self) -> Self {
        self.terms.is_significant = true;
        self
    }

    /// Its mailbox.
    pub fn options(mut self, options: SpawnOptions) -> Self {
        self.options = options;
        self
    }
}
