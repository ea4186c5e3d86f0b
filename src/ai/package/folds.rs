//! A package that runs with some of its folds.

use super::ModelPackage;
use crate::ai::nnunet::{FoldError, Model};

impl ModelPackage {
    /// The package with the folds of these names alone (a number, or `all`), in each of its models; as it
    /// is where none is named. Its version tells which.
    ///
    /// # Errors
    /// [`FoldError`] when it has no folds, or one of its models not all of these.
    pub fn with_folds(&self, wanted: &[String]) -> Result<Self, FoldError> {
        if wanted.is_empty() {
            return Ok(self.clone());
        }
        let Some(model) = &self.nnunet else { return Err(FoldError::NoFolds { model: self.id.clone() }) };
        let with = |model: &Model| {
            model.with_folds(wanted).map_err(|(wanted, available)| FoldError::Unknown {
                model: self.id.clone(),
                wanted,
                available,
            })
        };
        let mut package = self.clone();
        package.nnunet = Some(with(model)?);
        for part in package.composition.iter_mut().flat_map(|composition| &mut composition.parts) {
            part.model = with(&part.model)?;
        }
        package.version = format!("{} fold {}", self.version, wanted.join(", "));
        Ok(package)
    }
}
