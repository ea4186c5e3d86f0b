//! A display for the real window: Xvfb on a number of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Ends the program when the test ends, however it ends.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A display of its own; `None` where none can be had. The server itself looks for a free number, so
/// that two tests that begin at once never get the same, and says which once it can be connected to.
/// It does not start over when its last client leaves, since it turns away whoever comes meanwhile.
pub fn display() -> Option<(Running, String)> {
    let server = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-noreset"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut server = Running(server);
    let mut number = String::new();
    BufReader::new(server.0.stdout.as_mut()?).read_line(&mut number).ok()?;
    let number: u32 = number.trim().parse().ok()?;
    Some((server, format!(":{number}")))
}
