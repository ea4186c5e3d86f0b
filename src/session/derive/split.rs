//! Splitting a structure into its pieces: each that hangs together in three dimensions becomes a
//! structure of its own, numbered from the largest on.

use super::{Derived, Order, Target};
use crate::edit::algebra::{AlgebraError, Region, pieces};
use crate::edit::recipe::Recipe;
use crate::patient::{Roi, RoiId, Series};
use crate::progress::Progress;
use crate::session::{Command, Refusal, Session};
use std::collections::BTreeSet;
use std::sync::Arc;

/// More pieces than this are crumbs to be removed, not structures to be named.
const MANY_PIECES: usize = 40;

/// Why a structure was not split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// There is one piece, or none.
    #[error("{0} is one piece already.")]
    OnePiece(String),
    /// Too many to make structures of.
    #[error("{name} has {count} pieces. Remove the small ones first (Make from structures).")]
    TooMany {
        /// The structure's name.
        name: String,
        /// How many pieces.
        count: usize,
    },
    /// Its contours cannot be read.
    #[error(transparent)]
    Algebra(#[from] AlgebraError),
}

/// A structure to be split, with what that needs: independent of the session, for a job.
#[derive(Debug, Clone)]
pub struct SplitPlan {
    roi: Arc<Roi>,
    taken: BTreeSet<String>,
    series: Arc<Series>,
}

impl Session {
    /// Takes the copy that a structure is split from; it stays as it is.
    ///
    /// # Errors
    /// [`Refusal::NoRoi`] when it is not there.
    pub fn plan_split(&self, roi: RoiId) -> Result<SplitPlan, Refusal> {
        let roi = Arc::clone(self.roi(roi).ok_or(Refusal::NoRoi)?);
        let taken = self.structures().rois.iter().map(|own| own.name.clone()).collect();
        Ok(SplitPlan { roi, taken, series: Arc::clone(self.series()) })
    }
}

impl SplitPlan {
    /// Finds the pieces; the command puts each in as a structure of the type of the whole, named
    /// after it with the next free number: `Lung_1` is the largest.
    ///
    /// # Errors
    /// [`SplitError`], also when cancelled.
    pub fn run(&self, progress: &Progress) -> Result<Command, SplitError> {
        let volume = &self.series.volume;
        let found = pieces(&Region::of_roi(&self.roi, volume)?, volume);
        progress.check().map_err(AlgebraError::from)?;
        let name = &self.roi.name;
        match found.len() {
            0 | 1 => return Err(SplitError::OnePiece(name.clone())),
            count if count > MANY_PIECES => return Err(SplitError::TooMany { name: name.clone(), count }),
            _ => {}
        }
        // A name holds 64 characters.
        let stem: String = name.chars().take(60).collect();
        let mut names =
            (1_u32..).map(|number| format!("{stem}_{number}")).filter(|name| !self.taken.contains(name));
        let results = found.into_iter().zip(&mut names).map(|(region, name)| {
            let target = Target::New { name, roi_type: self.roi.roi_type.clone() };
            let order = Order { recipe: Recipe::Roi(self.roi.id), target, keep: false };
            Derived { order, region, based_on: vec![(self.roi.id, self.roi.revision)] }
        });
        Ok(Command::PutDerived { gesture: format!("Split {name}"), results: results.collect() })
    }
}
