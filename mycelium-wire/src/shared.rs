//! [`Shared`]: one value with many owners inside a process, a plain value between processes.

use std::{ops::Deref, sync::Arc};

use rkyv::{Archive, Deserialize, Place, Portable, Serialize, bytecheck::CheckBytes};

use crate::{Opener, Wire, WireError, WireSerializer};

/// A value for many receivers: cloning shares it, so that a message to n actors of this process
/// costs one allocation. On the wire it is a plain `T`, written once per receiver there.
///
/// Its archive and its schema are those of `T`: a node that sends a `Shared<T>` and one that takes
/// a `T` understand each other.
///
/// # Examples
///
/// ```
/// use mycelium_wire::Shared;
///
/// let levels = Shared::new(vec![5_853_300_i64, 5_853_200]);
/// let same = levels.clone();
/// assert!(Shared::is_same(&levels, &same));
/// assert_eq!(same.len(), 2);
/// ```
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    /// Shares the value from now on. Costs one allocation.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// Whether both are the same value, not only equal ones.
    pub fn is_same(one: &Self, other: &Self) -> bool {
        Arc::ptr_eq(&one.0, &other.0)
    }

    /// The standard library's handle to the value.
    pub fn into_arc(shared: Self) -> Arc<T> {
        shared.0
    }
}

impl<T> Clone for Shared<T> {
    /// Another owner of the same value.
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T> From<Arc<T>> for Shared<T> {
    fn from(value: Arc<T>) -> Self {
        Self(value)
    }
}

/// A [`Shared`] as it lies in an archive: as its value does.
#[derive(CheckBytes, Portable)]
#[bytecheck(crate = rkyv::bytecheck)]
#[rkyv(crate = rkyv)]
#[repr(transparent)]
pub struct ArchivedShared<A>(A);

impl<A> Deref for ArchivedShared<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.0
    }
}

impl<T: Archive> Archive for Shared<T> {
    type Archived = ArchivedShared<T::Archived>;
    type Resolver = T::Resolver;

    fn resolve(&self, resolver: Self::Resolver, out: Place<Self::Archived>) {
        rkyv::munge::munge!(let ArchivedShared(value) = out);
        T::resolve(self, resolver, value);
    }
}

impl<T: Wire> Serialize<WireSerializer<'_>> for Shared<T> {
    fn serialize(&self, serializer: &mut WireSerializer<'_>) -> Result<Self::Resolver, WireError> {
        T::serialize(self, serializer)
    }
}

impl<T: Wire> Deserialize<Shared<T>, Opener<'_>> for ArchivedShared<T::Archived> {
    fn deserialize(&self, opener: &mut Opener<'_>) -> Result<Shared<T>, WireError> {
        self.0.deserialize(opener).map(Shared::new)
    }
}

impl<T: Wire + Sync> Wire for Shared<T> {
    const NAME: &'static str = T::NAME;
    const NAME_FINGERPRINT: u64 = T::NAME_FINGERPRINT;
    const FINGERPRINT: u64 = T::FINGERPRINT;
}
