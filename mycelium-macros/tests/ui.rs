//! What `#[message]` accepts, what it refuses, and what the user then reads.

#[test]
fn errors_say_what_to_use_instead() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
