//! Every behaviour over every transport: each case is a test of its own.

mycelium_testkit::conformance!(local);
mycelium_testkit::conformance!(memory);
mycelium_testkit::conformance!(unix);
mycelium_testkit::conformance!(tcp);
mycelium_testkit::conformance!(tls);
mycelium_testkit::conformance!(tcp_sliced);
mycelium_testkit::conformance!(tcp_glued);
