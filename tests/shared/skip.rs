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

/// Whether a network may run on the graphics device although each of its layers is compiled and tuned in
/// turn: a software driver takes minutes for it, so there only where that is asked for
/// (`DELINEO_SLOW_GPU`). Says so where it may not.
#[allow(dead_code, reason = "each test binary uses its own part")]
#[must_use]
pub fn may_compile((device, is_software): &(String, bool)) -> bool {
    let may = !is_software || std::env::var_os("DELINEO_SLOW_GPU").is_some();
    if !may {
        println!("left out on {device}, which takes minutes; DELINEO_SLOW_GPU=1 runs it");
    }
    may
}
