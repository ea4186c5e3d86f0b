//! What a run trains: a recipe, and the network and images that it means.

use super::TrainError;
use super::graph::Parameters;
use super::patient::{Case, Prepared, prepare_own};
use super::recipe::{Own, Recipe};
use super::tuned::Tuned;
use crate::ai::ModelPackage;
use crate::ai::network::Architecture;
use crate::ai::nnunet::Model;
use crate::progress::Progress;
use std::path::PathBuf;

/// A recipe with the model that it means.
pub(super) struct Task<'a> {
    pub recipe: &'a Recipe,
    pub way: Way<'a>,
    pub architecture: Architecture,
}

/// Whose images and packages.
pub(super) enum Way<'a> {
    /// The program's own layout: CT in Hounsfield units, all outside the body air.
    Own(Own<'a>),
    /// As a model of nnU-Net has it.
    Nnunet(Box<Tuned<'a>>),
}

impl<'a> Task<'a> {
    /// The task of a recipe; `init` is the package to begin with.
    pub(super) fn new(recipe: &'a Recipe, init: Option<&'a ModelPackage>) -> Result<Self, TrainError> {
        if let Some(table) = &recipe.nnunet {
            let tuned = Tuned::new(recipe, table, init)?;
            let architecture = tuned.model.plan.architecture.clone();
            let task = Self { recipe, architecture, way: Way::Nnunet(Box::new(tuned)) };
            return task.checked();
        }
        let Some(own) = recipe.own() else {
            let reason = "it has no network".to_owned();
            return Err(TrainError::Recipe { reason, path: PathBuf::from(&recipe.id) });
        };
        if let Some(package) = init.filter(|package| package.nnunet.is_some()) {
            return Err(TrainError::Package {
                model: package.id.clone(),
                reason: "it is a model of nnU-Net and the recipe is of another network; leave the recipe out, or take \
                         the recipe.toml of a run without one as a pattern"
                    .to_owned(),
            });
        }
        Ok(Self { recipe, architecture: own.architecture(), way: Way::Own(own) })
    }

    fn checked(self) -> Result<Self, TrainError> {
        let most = self.architecture.features.len() - 1;
        if self.recipe.training.heads > most {
            let reason = format!("training.heads is not 1 to {most}");
            return Err(TrainError::Recipe { reason, path: PathBuf::from(&self.recipe.id) });
        }
        Ok(self)
    }

    /// What a person should know of how this model is trained, which begins with these parameters.
    pub(super) fn notes(&self, parameters: &Parameters) -> Vec<String> {
        let Way::Nnunet(tuned) = &self.way else { return Vec::new() };
        let mut notes = Vec::new();
        let all = tuned.package.nnunet.as_ref().map_or(1, Model::folds);
        if all > 1 {
            notes.push(format!(
                "of its {all} folds only fold {} is trained, and the package will have it alone",
                tuned.model.fold_names().join(", ")
            ));
        }
        if parameters.has_statistics() {
            notes.push("the running statistics of its batch normalisation stay as they are".to_owned());
        }
        notes
    }

    /// Puts a patient on the network's grid.
    pub(super) fn prepare(&self, case: &Case, progress: &Progress) -> Result<Prepared, TrainError> {
        match &self.way {
            Way::Own(own) => prepare_own(case, own.input.spacing_mm, progress),
            Way::Nnunet(tuned) => tuned.prepare(case, progress),
        }
    }
}
