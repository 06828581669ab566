//! Mistakes: what the compiler says, and where it points. The expected output is beside each file in
//! `ui/`; with `TRYBUILD=overwrite` it is written anew.
//!
//! Only messages of the attribute's own are here: those of the compiler differ from version to version.

#[test]
fn each_mistake_is_pointed_at() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
