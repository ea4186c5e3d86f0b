//! Leaving a test out.

/// Says that a test is left out for want of a program or a driver. Where `tests/run` has installed
/// them all (`DELINEO_NO_SKIP`) that is a failure: a test that does not run proves nothing.
///
/// # Panics
/// When nothing may be missing.
pub fn skipped(missing: &str) {
    assert!(std::env::var_os("DELINEO_NO_SKIP").is_none(), "{missing}, and nothing may be missing here");
    println!("skipped: {missing}");
}
