//! Undo and redo: unlimited by count, bounded in memory.
//!
//! Every step keeps its name. The contours of old steps are let go once the journal holds them and
//! the memory limit is reached; the session reads them back from the journal when they are undone.

use super::Edit;
use std::collections::VecDeque;
use std::sync::Arc;

/// How much memory undo steps may hold on to before the oldest are left to the journal, bytes.
pub const HISTORY_MEMORY: usize = 256 << 20;

/// One step.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// The name in the edit menu.
    pub name: String,
    /// The edit; `None` where only the journal has it.
    pub edit: Option<Arc<Edit>>,
}

/// The steps done and undone, in order. Step `i` has the journal's sequence number `first + i`.
#[derive(Debug)]
pub struct History {
    steps: VecDeque<Step>,
    /// The number of steps done; those after are undone and can be redone.
    done: usize,
    /// Sequence number of the first step.
    first: u64,
    bytes: usize,
    memory: usize,
    /// Steps before this index have been let go already.
    let_go: usize,
}

impl Default for History {
    fn default() -> Self {
        Self { steps: VecDeque::new(), done: 0, first: 1, bytes: 0, memory: HISTORY_MEMORY, let_go: 0 }
    }
}

impl History {
    /// An empty history whose first step will have sequence number `first`.
    pub(super) fn starting_at(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    /// Appends a step read from the journal, done or undone.
    pub(super) fn restore(&mut self, step: Step, done: bool) {
        self.bytes += step.edit.as_ref().map_or(0, |edit| edit.bytes());
        self.steps.push_back(step);
        self.done += usize::from(done);
        self.let_go();
    }

    /// The edit of step `seq`, where in memory.
    pub(super) fn edit(&self, seq: u64) -> Option<Arc<Edit>> {
        let at = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.steps.get(at)?.edit.clone()
    }

    /// Sets the memory limit, bytes.
    #[cfg(test)]
    pub(super) fn set_memory(&mut self, bytes: usize) {
        self.memory = bytes;
    }

    /// Names of the steps that can be undone, the latest first.
    pub fn undo_names(&self) -> impl Iterator<Item = &str> {
        self.steps.range(..self.done).rev().map(|step| step.name.as_str())
    }

    /// Names of the steps that can be redone, the next first.
    pub fn redo_names(&self) -> impl Iterator<Item = &str> {
        self.steps.range(self.done..).map(|step| step.name.as_str())
    }

    /// The number of steps done.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done
    }

    /// The number of steps, done and undone.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is no step.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The memory that steps hold on to, bytes (an estimate, from above).
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The sequence number of the last step done; `first - 1` when none is.
    pub(super) fn cursor(&self) -> u64 {
        self.first + self.done as u64 - 1
    }

    /// Appends a step that has been done; what could be redone is gone. Its sequence number is
    /// [`Self::cursor`] afterwards.
    pub(super) fn push(&mut self, edit: Arc<Edit>) {
        self.let_go = self.let_go.min(self.done);
        for undone in self.steps.drain(self.done..) {
            self.bytes -= undone.edit.map_or(0, |edit| edit.bytes());
        }
        self.bytes += edit.bytes();
        self.steps.push_back(Step { name: edit.name.clone(), edit: Some(edit) });
        self.done += 1;
    }

    /// The step to undo next: its sequence number and, where in memory, its edit.
    pub(super) fn to_undo(&self) -> Option<(u64, Option<Arc<Edit>>)> {
        let at = self.done.checked_sub(1)?;
        Some((self.first + at as u64, self.steps[at].edit.clone()))
    }

    /// The step to redo next: its sequence number and, where in memory, its edit.
    pub(super) fn to_redo(&self) -> Option<(u64, Option<Arc<Edit>>)> {
        let step = self.steps.get(self.done)?;
        Some((self.first + self.done as u64, step.edit.clone()))
    }

    /// One step less is done.
    pub(super) fn undone(&mut self) {
        self.done = self.done.saturating_sub(1);
    }

    /// One step more is done.
    pub(super) fn redone(&mut self) {
        self.done = (self.done + 1).min(self.steps.len());
    }

    /// Lets go of the contours of the oldest steps until the rest fits in memory. Only for steps
    /// that the journal holds.
    pub(super) fn let_go(&mut self) {
        while self.bytes > self.memory && self.let_go < self.steps.len() {
            if let Some(edit) = self.steps[self.let_go].edit.take() {
                self.bytes -= edit.bytes();
            }
            self.let_go += 1;
        }
    }

    /// Forgets all but the latest `keep` steps done. Returns the new first sequence number.
    pub(super) fn forget_before(&mut self, keep: usize) -> u64 {
        for _ in 0..self.done.saturating_sub(keep) {
            if let Some(step) = self.steps.pop_front() {
                self.bytes -= step.edit.map_or(0, |edit| edit.bytes());
                self.first += 1;
                self.done -= 1;
                self.let_go = self.let_go.saturating_sub(1);
            }
        }
        self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str) -> Arc<Edit> {
        Arc::new(Edit { name: name.to_owned(), changes: Vec::new() })
    }

    #[test]
    fn a_new_step_drops_what_could_be_redone() {
        let mut history = History::default();
        history.push(step("a"));
        history.push(step("b"));
        history.undone();
        assert_eq!(history.redo_names().collect::<Vec<_>>(), ["b"]);
        history.push(step("c"));
        assert_eq!(history.undo_names().collect::<Vec<_>>(), ["c", "a"]);
        assert_eq!(history.redo_names().count(), 0);
        assert_eq!(history.cursor(), 2);
    }

    #[test]
    fn old_steps_are_let_go_but_keep_their_names() {
        let mut history = History::default();
        for name in ["a", "b", "c"] {
            history.push(step(name));
        }
        history.set_memory(1);
        history.let_go();
        assert!(history.bytes() <= 1);
        assert_eq!(history.undo_names().collect::<Vec<_>>(), ["c", "b", "a"]);
        assert_eq!(history.to_undo().map(|(seq, _)| seq), Some(3));
        assert_eq!(history.forget_before(1), 3);
        assert_eq!(history.undo_names().collect::<Vec<_>>(), ["c"]);
    }
}
