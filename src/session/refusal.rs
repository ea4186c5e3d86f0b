//! Why a command was not carried out, as sentences for the cursor.

/// A command that was not carried out; nothing has changed. Each variant prints as one sentence
/// that says why and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The ROI is locked by the person.
    #[error("{0} is locked. Unlock it to change it.")]
    Locked(String),
    /// The ROI is hidden: what is drawn on it would not be seen.
    #[error("{0} is hidden. {show}", show = Self::SHOW_IT)]
    Hidden(String),
    /// The ROI is approved.
    #[error("{0} is approved. Take back the approval to change it.")]
    Approved(String),
    /// No ROI is selected, or it is gone.
    #[error("No structure is selected. Select or add one.")]
    NoRoi,
    /// The slice is missing from the series.
    #[error("This slice is missing from the series and cannot be drawn on.")]
    MissingSlice,
    /// There is no image slice at the plane of the contour.
    #[error("There is no image slice here to draw on.")]
    NoSlice,
    /// There is nothing to copy.
    #[error("{0} has no contour on the slice {1}.")]
    NothingToCopy(String, &'static str),
    /// There is no contour under the cursor.
    #[error("There is no contour of {0} here.")]
    NoContourHere(String),
    /// The ROI changed while the gesture was under way.
    #[error("{0} changed during the stroke. Draw it again.")]
    Stale(String),
    /// A source of a recipe changed while it was carried out.
    #[error("{0} changed meanwhile. Do it again.")]
    SourceChanged(String),
    /// The recipe would make a structure from itself.
    #[error("A structure cannot be made from itself: {0}. Use another source, or do not keep the recipe.")]
    Circle(String),
    /// No density of matter.
    #[error("A density relative to water lies between 0 and 25.")]
    BadDensity,
    /// The name is empty or too long for a file (64 characters).
    #[error("A structure needs a name of 1 to 64 characters.")]
    BadName,
    /// Another ROI has the name.
    #[error("There is already a structure named {0}.")]
    NameTaken(String),
    /// The ROI is no proposal.
    #[error("{0} is not a proposal.")]
    NotAProposal(String),
    /// The ROI is a proposal and must be accepted first.
    #[error("{0} is a proposal. Accept it first.")]
    StillAProposal(String),
    /// There are no proposals.
    #[error("There is no proposal.")]
    NoProposal,
    /// The structure set is of another patient.
    #[error(
        "The structure set belongs to patient {theirs}, the images to {ours}. It was not opened. Open the images it was drawn on, or, if both are one person, correct the patient in the file."
    )]
    OtherPatient {
        /// ID and name of the structure set's patient.
        theirs: String,
        /// ID and name of the images' patient.
        ours: String,
    },
    /// No contour that a model proposed lies on the open images.
    #[error("What {0} proposed lies on no slice of these images. Nothing was added; run it again on them.")]
    OtherImages(String),
    /// The structure set is in another frame of reference.
    #[error("The structure set is in another frame of reference than the images. It was not opened.")]
    OtherFrameOfReference,
    /// The history is empty.
    #[error("There is nothing to undo.")]
    NothingToUndo,
    /// Nothing was undone.
    #[error("There is nothing to redo.")]
    NothingToRedo,
    /// An older step cannot be read from the journal.
    #[error("The step cannot be read from the journal: {0}")]
    Journal(String),
}

impl Refusal {
    /// What helps against [`Self::Hidden`]: where keys are known, the one for it is named in it.
    pub const SHOW_IT: &'static str = "Show it to change it.";
}
