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

/// A display of its own; `None` where none can be had.
pub fn display() -> Option<(Running, String)> {
    for number in 90..110 {
        if Path::new(&format!("/tmp/.X{number}-lock")).exists() {
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
