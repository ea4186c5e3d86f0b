//! A display for the real window: Xvfb on a number that nobody uses.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Ends the program when the test ends, however it ends.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a server runs on a display: a killed one leaves its lock, which the next takes over.
fn is_taken(number: u32) -> bool {
    let owner = std::fs::read_to_string(format!("/tmp/.X{number}-lock")).unwrap_or_default();
    let owner = owner.trim();
    !owner.is_empty() && Path::new("/proc").join(owner).exists()
}

/// A display of its own; `None` where none can be had.
pub fn display() -> Option<(Running, String)> {
    for number in 90..110 {
        if is_taken(number) {
            continue;
        }
        let name = format!(":{number}");
        let server = Command::new("Xvfb")
            .args([&name, "-screen", "0", "1280x800x24", "-nolisten", "tcp"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut server = Running(server);
        sleep(Duration::from_millis(1500));
        if matches!(server.0.try_wait(), Ok(None)) {
            return Some((server, name));
        }
    }
    None
}
