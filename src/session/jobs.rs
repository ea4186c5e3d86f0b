//! Work that can outlast a frame: named threads with progress, time left and cancel.
//!
//! Results arrive as messages, polled once a frame. A newer job supersedes the running one of the
//! same key: the old one is cancelled and its result dropped. A panic in a job becomes an error
//! message, not a crash.

use crate::progress::Progress;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How long the end of the program waits for jobs that were asked to stop, at most.
const LEAVING: Duration = Duration::from_secs(2);

/// A job's identity, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(u64);

/// A running job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its identity.
    pub id: JobId,
    /// What it is for; a newer job of the same key supersedes it.
    pub key: String,
    /// Its name for a person ("Reading chest CT").
    pub title: String,
    /// Step, fraction, time left and cancel.
    pub progress: Progress,
}

/// How a job ended.
#[derive(Debug)]
pub enum Outcome<M> {
    /// With its result (which may be an error of its own).
    Finished(M),
    /// By a panic, or because its thread could not be started: a sentence.
    Crashed(String),
    /// After being asked to stop; with what it ended with all the same.
    Cancelled(M),
}

/// A job has ended.
#[derive(Debug)]
pub struct JobEnded<M> {
    /// The job.
    pub job: Job,
    /// How.
    pub outcome: Outcome<M>,
}

type Wake = Arc<dyn Fn() + Send + Sync>;

/// The jobs of a window; `M` is the message a job ends with.
pub struct Jobs<M> {
    sender: Sender<(JobId, Result<M, String>)>,
    receiver: Receiver<(JobId, Result<M, String>)>,
    running: Vec<Job>,
    next: u64,
    wake: Wake,
}

impl<M> std::fmt::Debug for Jobs<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").field("running", &self.running).finish_non_exhaustive()
    }
}

impl<M: Send + 'static> Default for Jobs<M> {
    fn default() -> Self {
        Self::new(|| {})
    }
}

impl<M: Send + 'static> Jobs<M> {
    /// No jobs yet. `wake` is called from a job's thread when a result waits to be polled (to ask
    /// for a frame).
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        Self { sender, receiver, running: Vec::new(), next: 1, wake: Arc::new(wake) }
    }

    /// Starts `work` on a thread of its own, named after `key`, and cancels the running job of the
    /// same key. The work should return soon after its progress says cancelled.
    pub fn start(
        &mut self,
        key: impl Into<String>,
        title: impl Into<String>,
        work: impl FnOnce(&Progress) -> M + Send + 'static,
    ) -> JobId {
        let (key, title) = (key.into(), title.into());
        self.supersede(&key);
        let id = JobId(self.next);
        self.next += 1;
        let progress = Progress::new();
        self.running.push(Job { id, key: key.clone(), title, progress: progress.clone() });
        let (sender, wake) = (self.sender.clone(), Arc::clone(&self.wake));
        let name: String = format!("job {key}").chars().filter(|c| *c != '\0').collect();
        let started = thread::Builder::new().name(name).spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(|| work(&progress)));
            // The window may be gone.
            let _ = sender.send((id, result.map_err(|panic| panic_text(panic.as_ref()))));
            wake();
        });
        if let Err(error) = started {
            let _ = self.sender.send((id, Err(format!("its thread could not be started: {error}"))));
        }
        id
    }

    /// Jobs that have not ended, oldest first.
    #[must_use]
    pub fn running(&self) -> &[Job] {
        &self.running
    }

    /// The running job of this key.
    #[must_use]
    pub fn running_for(&self, key: &str) -> Option<&Job> {
        self.running.iter().find(|job| job.key == key)
    }

    /// Asks a job to stop. It stays among the running until it has ended.
    pub fn cancel(&self, id: JobId) {
        if let Some(job) = self.running.iter().find(|job| job.id == id) {
            job.progress.cancel();
        }
    }

    /// Asks the job of this key to stop, if one is running.
    pub fn cancel_for(&self, key: &str) {
        self.running.iter().filter(|job| job.key == key).for_each(|job| job.progress.cancel());
    }

    /// Asks every job to stop but the one of this key (the window closes).
    pub fn cancel_all_but(&self, key: &str) {
        self.running.iter().filter(|job| job.key != key).for_each(|job| job.progress.cancel());
    }

    /// The jobs that have ended since the last call, in order. Superseded ones are not among them.
    pub fn poll(&mut self) -> Vec<JobEnded<M>> {
        let mut ended = Vec::new();
        while let Ok((id, result)) = self.receiver.try_recv() {
            ended.extend(self.end(id, result));
        }
        ended
    }

    /// Waits for the running job of this key, if there is one. What other jobs end with meanwhile is
    /// dropped: for when the window closes.
    pub fn wait_for(&mut self, key: &str) -> Option<JobEnded<M>> {
        let wanted = self.running_for(key)?.id;
        while let Ok((id, result)) = self.receiver.recv() {
            let ended = self.end(id, result);
            if id == wanted {
                return ended;
            }
        }
        None
    }

    /// Takes a job from the running; `None` when it was superseded.
    fn end(&mut self, id: JobId, result: Result<M, String>) -> Option<JobEnded<M>> {
        let index = self.running.iter().position(|job| job.id == id)?;
        let job = self.running.remove(index);
        let outcome = match result {
            Err(why) => Outcome::Crashed(format!("{} stopped unexpectedly: {why}", job.title)),
            Ok(message) if job.progress.is_cancelled() => Outcome::Cancelled(message),
            Ok(message) => Outcome::Finished(message),
        };
        Some(JobEnded { job, outcome })
    }

    fn supersede(&mut self, key: &str) {
        self.running.retain(|job| {
            let stays = job.key != key;
            if !stays {
                job.progress.cancel();
            }
            stays
        });
    }
}

impl<M> Drop for Jobs<M> {
    /// Asks all jobs to stop, and waits a little for their threads: one that is just loading a graphics
    /// driver while the program ends takes it down in the driver's own code.
    fn drop(&mut self) {
        self.running.iter().for_each(|job| job.progress.cancel());
        // Each thread has a sender until it ends.
        self.sender = mpsc::channel().0;
        let end = Instant::now() + LEAVING;
        while self.receiver.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok() {}
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown cause".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Jobs and a channel that hears of every wake.
    fn jobs() -> (Jobs<u32>, Receiver<()>) {
        let (sender, woken) = mpsc::channel();
        let wake = move || {
            let _ = sender.send(());
        };
        (Jobs::new(wake), woken)
    }

    #[test]
    fn a_result_arrives_as_a_message() {
        let (mut jobs, woken) = jobs();
        let id = jobs.start("read", "Reading", |progress| {
            progress.set_step("half");
            42
        });
        assert_eq!(jobs.running_for("read").map(|job| job.id), Some(id));
        woken.recv().unwrap();
        let ended = jobs.poll();
        assert!(
            matches!(ended.as_slice(), [JobEnded { outcome: Outcome::Finished(42), job }] if job.id == id)
        );
        assert!(jobs.running().is_empty());
    }

    #[test]
    fn a_panic_is_a_message_too() {
        let (mut jobs, woken) = jobs();
        jobs.start("model", "Head-neck model", |_| panic!("no memory"));
        woken.recv().unwrap();
        let ended = jobs.poll();
        let Outcome::Crashed(text) = &ended[0].outcome else { panic!("{ended:?}") };
        assert_eq!(text, "Head-neck model stopped unexpectedly: no memory");
    }

    #[test]
    fn the_end_waits_for_jobs_that_stop_and_not_long_for_those_that_do_not() {
        let (mut jobs, _woken) = jobs();
        let (done, heard) = mpsc::channel();
        let work = |done: Sender<u32>, number| {
            move |progress: &Progress| {
                while !progress.is_cancelled() {
                    thread::sleep(Duration::from_millis(5));
                }
                thread::sleep(Duration::from_millis(50));
                done.send(number).unwrap();
                number
            }
        };
        // One of them superseded by the other: it has not ended either.
        jobs.start("mesh", "Surface", work(done.clone(), 1));
        jobs.start("mesh", "Surface", work(done, 2));
        drop(jobs);
        let mut ended: Vec<u32> = heard.try_iter().collect();
        ended.sort_unstable();
        assert_eq!(ended, [1, 2]);
        let (mut jobs, _woken) = self::jobs();
        let (release, hold) = mpsc::channel::<()>();
        jobs.start("model", "Model", move |_| u32::from(hold.recv().is_ok()));
        let started = Instant::now();
        drop(jobs);
        assert!((LEAVING..LEAVING * 5).contains(&started.elapsed()));
        drop(release);
    }

    #[test]
    fn the_newer_supersedes_the_older() {
        let (mut jobs, woken) = jobs();
        let (release, hold) = mpsc::channel::<()>();
        jobs.start("mesh", "Surface", move |progress| {
            hold.recv().unwrap();
            assert!(progress.is_cancelled());
            1
        });
        jobs.start("mesh", "Surface", |_| 2);
        woken.recv().unwrap();
        release.send(()).unwrap();
        woken.recv().unwrap();
        let ended = jobs.poll();
        assert!(matches!(ended.as_slice(), [JobEnded { outcome: Outcome::Finished(2), .. }]), "{ended:?}");
    }

    #[test]
    fn a_cancelled_job_says_so() {
        let (mut jobs, woken) = jobs();
        let (release, hold) = mpsc::channel::<()>();
        let id = jobs.start("model", "Model", move |_| {
            hold.recv().unwrap();
            7
        });
        jobs.cancel(id);
        assert_eq!(jobs.running().len(), 1, "until it has ended");
        release.send(()).unwrap();
        woken.recv().unwrap();
        assert!(matches!(jobs.poll()[0].outcome, Outcome::Cancelled(7)));
    }

    #[test]
    fn one_can_be_waited_for_while_the_others_stop() {
        let (mut jobs, _woken) = jobs();
        jobs.start("model", "Model", |progress| {
            while !progress.is_cancelled() {
                thread::yield_now();
            }
            1
        });
        let (release, hold) = mpsc::channel::<()>();
        jobs.start("export", "Export", move |progress| {
            hold.recv().unwrap();
            if progress.is_cancelled() { 0 } else { 2 }
        });
        jobs.cancel_all_but("export");
        release.send(()).unwrap();
        let ended = jobs.wait_for("export").unwrap();
        assert!(matches!(ended.outcome, Outcome::Finished(2)), "{ended:?}");
        assert!(jobs.wait_for("export").is_none());
    }
}
