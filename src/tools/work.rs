//! Work on a thread of its own whose result is looked for once a frame.

use crate::progress::Progress;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

/// The work ended without a result.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed;

/// At most one piece of work under way.
#[derive(Debug)]
pub(super) struct Work<T> {
    running: Option<(Receiver<T>, Progress)>,
}

impl<T> Default for Work<T> {
    fn default() -> Self {
        Self { running: None }
    }
}

impl<T: Send + 'static> Work<T> {
    /// Starts work in place of what is under way, which is asked to stop and whose result is dropped.
    ///
    /// # Errors
    /// Why there is no thread.
    pub(super) fn start(
        &mut self,
        name: &str,
        work: impl FnOnce(&Progress) -> T + Send + 'static,
    ) -> std::io::Result<()> {
        self.stop();
        let (sender, receiver) = channel();
        let progress = Progress::new();
        let own = progress.clone();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Nobody listens any more when it was stopped.
            let _ = sender.send(work(&own));
        })?;
        self.running = Some((receiver, progress));
        Ok(())
    }

    /// Asks what is under way to stop; its result is dropped.
    pub(super) fn stop(&mut self) {
        if let Some((_, progress)) = self.running.take() {
            progress.cancel();
        }
    }

    /// Step and fraction of what is under way.
    pub(super) fn progress(&self) -> Option<&Progress> {
        self.running.as_ref().map(|(_, progress)| progress)
    }

    /// What has come of it: `None` while it runs or when there is none.
    pub(super) fn poll(&mut self) -> Option<Result<T, Failed>> {
        let result = match self.running.as_ref()?.0.try_recv() {
            Ok(result) => Ok(result),
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Err(Failed),
        };
        self.running = None;
        Some(result)
    }

    /// Waits for what is under way.
    pub(super) fn wait(&mut self) -> Option<Result<T, Failed>> {
        let (receiver, _) = self.running.take()?;
        Some(receiver.recv().map_err(|_| Failed))
    }
}
