//! What recipes would make, before they are carried out: for dashed lines and numbers.

use crate::edit::recipe::{self, EvaluateError, Recipe};
use crate::patient::{Approval, Roi, RoiId, RoiPlane, Series};
use crate::progress::Progress;
use crate::session::Session;
use std::sync::Arc;

/// Recipes with the structures they read: independent of the session, for a job.
#[derive(Debug, Clone)]
pub struct PreviewPlan {
    recipes: Vec<Recipe>,
    rois: Vec<Arc<Roi>>,
    series: Arc<Series>,
}

/// What a recipe would make.
#[derive(Debug, Clone, PartialEq)]
pub struct Previewed {
    /// The contours as a proposal, in the colour of the first source and under an identity that no
    /// structure has.
    pub shown: Arc<Roi>,
    /// The volume of the recipe's first source, cubic centimetres.
    pub source_cc: f64,
    /// The volume of what it makes, cubic centimetres.
    pub made_cc: f64,
    /// The vertices of what it makes.
    pub points: usize,
}

impl Session {
    /// Takes the copy that previews of recipes are made from.
    #[must_use]
    pub fn plan_preview(&self, recipes: Vec<Recipe>) -> PreviewPlan {
        PreviewPlan { recipes, rois: self.structures().rois.clone(), series: Arc::clone(self.series()) }
    }
}

impl PreviewPlan {
    /// Works the recipes out, in order. `stamp` tells one preview from another: it is the revision of
    /// what is shown.
    ///
    /// # Errors
    /// [`EvaluateError`], also when cancelled.
    pub fn run(&self, stamp: u64, progress: &Progress) -> Result<Vec<Previewed>, EvaluateError> {
        let volume = &self.series.volume;
        let mut previews = Vec::with_capacity(self.recipes.len());
        for (number, recipe) in self.recipes.iter().enumerate() {
            let region = recipe::evaluate(recipe, &self.rois, volume, (0, usize::MAX), progress)?;
            let first = first_source(recipe).and_then(|id| self.rois.iter().find(|roi| roi.id == id));
            // Identities are given from 1 upwards.
            let id = RoiId(u64::MAX - number as u64);
            let mut shown = Roi::new(id, 0, "Preview", first.map_or([200; 3], |roi| roi.color));
            shown.approval = Approval::Proposal;
            shown.revision = stamp;
            shown.planes = region
                .slices()
                .map(|(index, polygons)| {
                    let slice = &volume.slices[index];
                    Arc::new(RoiPlane::new(slice.plane, slice.instance.clone(), polygons.to_vec()))
                })
                .collect();
            previews.push(Previewed {
                source_cc: first.map_or(0.0, |roi| roi.volume_cc(volume)),
                made_cc: shown.volume_cc(volume),
                points: shown.vertex_count(),
                shown: Arc::new(shown),
            });
        }
        Ok(previews)
    }
}

/// The structure that a recipe begins with.
fn first_source(recipe: &Recipe) -> Option<RoiId> {
    match recipe {
        Recipe::Roi(id) => Some(*id),
        Recipe::Set(_, parts) => parts.first().and_then(first_source),
        Recipe::Apply(_, part) => first_source(part),
    }
}
