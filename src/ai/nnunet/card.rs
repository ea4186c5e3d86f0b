//! The card of an imported model: what its own files tell, and what nobody has seen here.

use super::model::Model;
use super::package::About;
use crate::ai::package::NOT_CLEARED;
use std::fmt::Write as _;

/// Markdown.
pub(super) fn card(model: &Model, about: &About, version: &str) -> String {
    let known = |text: &str| if text.is_empty() { "not stated".to_owned() } else { text.to_owned() };
    let mut text = format!("# {} (`{}` {version})\n\n{NOT_CLEARED}\n\n", about.title, about.id);
    text.push_str(
        "**This model came without a card: nothing is known here of how well it contours or where it fails.** \
         Try it on patients of yours whose contours you trust, and compare, before you rely on any of its \
         proposals.\n\n",
    );
    if let Some(warning) = model.trainer_warning() {
        let _ = write!(text, "**Warning: {warning}.**\n\n");
    }
    let organs: Vec<&str> = about.labels.iter().map(|label| label.name.as_str()).collect();
    let _ = write!(text, "## What it contours\n{}\n\n", organs.join(", "));
    let _ = write!(
        text,
        "## Images\n{}; channels: {}.\n\nHanded over: {}. The model was trained on images of one orientation and \
         finds organs wrongly in another. Where its training images lay otherwise, import it again with \
         `delineo model import DIR --force --orientation CODE`; CODE names the sides that their axes run to \
         (`LAS` for CT that dcm2niix has made NIfTI of).\n\n",
        known(&about.modality),
        model.dataset.channels.join(", "),
        model.plan.orientation.told(),
    );
    let mirrored = match model.mirror_axes.len() {
        0 => "not mirrored".to_owned(),
        1 => "mirrored along 1 axis".to_owned(),
        axes => format!("mirrored along {axes} axes"),
    };
    let _ = write!(
        text,
        "## How it runs\n{}, trainer {}, folds: {}; {mirrored}.\n\n",
        model.plan.configuration,
        known(&model.trainer),
        model.fold_names().join(", "),
    );
    let _ =
        write!(text, "## Data\n{}\n\n## Licence\n{}\n", known(&about.provenance.data), known(&about.license));
    text
}
