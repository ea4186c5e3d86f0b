//! Structures made from others by recipes: worked out on a snapshot, put in as one step, kept true.
//!
//! A recipe is carried out by a [`Plan`] on a copy of what it reads, so that a job can do it; the
//! result goes in by [`Command::PutDerived`], which refuses it when a source has changed meanwhile.
//! An ROI may keep its recipe ([`Derivation`]). What it was made from is remembered as fingerprints
//! of contours, not as revisions: after undo, redo and resume it is still known whether the ROI
//! agrees with its sources. When an edit changes a source of an ROI that was up to date, the slices
//! that can differ are made again within the same step, unless that may take longer than a frame:
//! then the ROI is out of date until a person asks for it. What a person has drawn into is never
//! overwritten by itself.

mod preview;
mod split;

pub use preview::{PreviewPlan, Previewed};
pub use split::{SplitError, SplitPlan};

use super::apply::{Draft, editable};
use super::overwrite::Overwrite;
use super::{Attribute, Change, Command, Refusal, Session, color_for};
use crate::edit::algebra::Region;
use crate::edit::recipe::{self, EvaluateError, Recipe, Window};
use crate::patient::{Derivation, GenerationAlgorithm, Roi, RoiId, RoiPlane, RoiType, Series};
use crate::progress::Progress;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// More vertices than this are not worked through within an edit ([`recipe::effort`]).
const VERTICES_IN_AN_EDIT: f64 = 30_000.0;

/// Where the result of a recipe goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// In place of the contours of an ROI.
    Roi(RoiId),
    /// Into a new ROI.
    New {
        /// Its name; must not be taken.
        name: String,
        /// Its type.
        roi_type: RoiType,
    },
}

/// A recipe to be carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The recipe.
    pub recipe: Recipe,
    /// Where its result goes.
    pub target: Target,
    /// Whether the ROI keeps the recipe.
    pub keep: bool,
}

/// What a recipe has made.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// What was asked for.
    pub order: Order,
    /// The result, on the series' slices.
    pub region: Region,
    /// The revisions of the ROIs it was made from.
    pub based_on: Vec<(RoiId, u64)>,
}

/// Orders with the structures they read: independent of the session, for a job.
#[derive(Debug, Clone)]
pub struct Plan {
    gesture: String,
    orders: Vec<Order>,
    rois: Vec<Arc<Roi>>,
    series: Arc<Series>,
}

impl Plan {
    /// Carries the orders out; the command puts the results in.
    ///
    /// # Errors
    /// [`EvaluateError`], also when cancelled.
    pub fn run(&self, progress: &Progress) -> Result<Command, EvaluateError> {
        let count = self.orders.len().max(1) as f64;
        let mut results: Vec<Derived> = Vec::new();
        let mut rois = self.rois.clone();
        for (n, order) in self.orders.iter().enumerate() {
            progress.set_step(self.gesture.clone());
            let part = progress.part(n as f64 / count, (n + 1) as f64 / count);
            let volume = &self.series.volume;
            let region = recipe::evaluate(&order.recipe, &rois, volume, (0, usize::MAX), &part)?;
            let revision = |id: &RoiId| self.rois.iter().find(|roi| roi.id == *id).map(|roi| roi.revision);
            let based_on =
                order.recipe.sources().iter().filter_map(|id| Some((*id, revision(id)?))).collect();
            // A later order may read what this one has made.
            if let Target::Roi(id) = &order.target
                && order.keep
                && let Some(own) = rois.iter_mut().find(|roi| roi.id == *id)
            {
                let own = Arc::make_mut(own);
                own.planes = region
                    .slices()
                    .map(|(index, polygons)| {
                        let slice = &volume.slices[index];
                        Arc::new(RoiPlane::new(slice.plane, slice.instance.clone(), polygons.to_vec()))
                    })
                    .collect();
            }
            results.push(Derived { order: order.clone(), region, based_on });
        }
        Ok(Command::PutDerived { gesture: self.gesture.clone(), results })
    }
}

/// How a derived ROI stands to its recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is what the recipe makes.
    UpToDate,
    /// A source has changed since.
    Stale,
    /// A person has changed its contours since.
    Overridden,
    /// A source has been deleted.
    Broken,
}

impl Standing {
    /// The word for a person.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::UpToDate => "up to date",
            Self::Stale => "out of date",
            Self::Overridden => "edited by hand",
            Self::Broken => "a source is missing",
        }
    }

    /// What a person should know of an ROI of that name before it leaves; `None` when it is what its
    /// recipe makes.
    #[must_use]
    pub fn warning(self, name: &str) -> Option<String> {
        match self {
            Self::UpToDate => None,
            Self::Stale => {
                Some(format!("{name} is out of date: what it is made from has changed. Update it."))
            }
            Self::Overridden => {
                Some(format!("{name} was edited by hand and is no longer what its recipe makes."))
            }
            Self::Broken => Some(format!("{name} is made from a structure that has been deleted.")),
        }
    }
}

/// How the derived ROIs of a session stand, kept between frames.
#[derive(Debug, Default)]
pub(super) struct Standings(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The session's revision they are of.
    revision: Option<u64>,
    all: Arc<BTreeMap<RoiId, Standing>>,
    /// Of each ROI its revision and the fingerprint of its contours then.
    marks: BTreeMap<RoiId, (u64, u64)>,
}

/// How a derived ROI among `rois` stands, contours being compared by `mark`; `None` when it has no
/// recipe.
fn standing(roi: &Roi, rois: &[Arc<Roi>], mark: &mut dyn FnMut(&Roi) -> u64) -> Option<Standing> {
    let derivation = roi.derivation.as_ref()?;
    let find = |id: RoiId| rois.iter().find(|own| own.id == id);
    if derivation.sources.iter().any(|(id, _)| find(*id).is_none()) {
        return Some(Standing::Broken);
    }
    if mark(roi) != derivation.result {
        return Some(Standing::Overridden);
    }
    let is_same = |(id, then): &(RoiId, u64)| find(*id).is_some_and(|own| mark(own) == *then);
    Some(if derivation.sources.iter().all(is_same) { Standing::UpToDate } else { Standing::Stale })
}

/// The recipe an ROI keeps.
fn recipe_of(roi: &Roi) -> Option<Recipe> {
    Recipe::from_stored(&roi.derivation.as_ref()?.recipe)
}

impl Session {
    /// How a derived ROI stands to its recipe; `None` when it has none.
    #[must_use]
    pub fn standing(&self, roi: RoiId) -> Option<Standing> {
        standing(self.roi(roi)?, &self.structures().rois, &mut Roi::contours_fingerprint)
    }

    /// How all derived ROIs stand. Worked out once a revision, and of contours only those that have
    /// changed since: cheap enough for every frame.
    #[must_use]
    pub fn standings(&self) -> Arc<BTreeMap<RoiId, Standing>> {
        let mut kept = self.standings.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { revision, all, marks } = &mut *kept;
        if *revision != Some(self.revision()) {
            *revision = Some(self.revision());
            let rois = &self.structures().rois;
            marks.retain(|id, _| rois.iter().any(|own| own.id == *id));
            let mut mark = |roi: &Roi| match marks.get(&roi.id) {
                Some((of, mark)) if *of == roi.revision => *mark,
                _ => {
                    let mark = roi.contours_fingerprint();
                    marks.insert(roi.id, (roi.revision, mark));
                    mark
                }
            };
            let found = rois.iter().filter_map(|own| Some((own.id, standing(own, rois, &mut mark)?)));
            *all = Arc::new(found.collect());
        }
        Arc::clone(all)
    }

    /// The recipe of a text in the names of this session's structures.
    ///
    /// # Errors
    /// [`recipe::ParseError`].
    pub fn read_recipe(&self, text: &str) -> Result<recipe::Definition, recipe::ParseError> {
        recipe::parse(text, &|name| self.structures().roi_named(name).map(|roi| roi.id))
    }

    /// The recipe an ROI keeps, with names; `None` when it has none.
    #[must_use]
    pub fn recipe_text(&self, roi: RoiId) -> Option<String> {
        let recipe = recipe_of(self.roi(roi)?)?;
        Some(recipe::printed(&recipe, &|id| self.roi(id).map(|roi| roi.name.clone())))
    }

    /// Checks orders and takes the copy that a job works on. `gesture` is the name of the step.
    ///
    /// # Errors
    /// A locked target, a name that is taken, a source that is gone, a circle of recipes.
    pub fn plan(&self, gesture: impl Into<String>, orders: Vec<Order>) -> Result<Plan, Refusal> {
        for order in &orders {
            self.check_order(order)?;
        }
        Ok(Plan {
            gesture: gesture.into(),
            orders,
            rois: self.structures().rois.clone(),
            series: Arc::clone(self.series()),
        })
    }

    /// The plan that makes derived ROIs again that are out of date, sources first; those edited by
    /// hand only when named in `also`. `None` when there is nothing to do.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub fn plan_update(&self, also: &[RoiId]) -> Result<Option<Plan>, Refusal> {
        let mut wanted: BTreeSet<RoiId> = BTreeSet::new();
        for roi in in_order(&self.structures().rois) {
            let sources = roi.derivation.iter().flat_map(|own| &own.sources);
            let is_behind = sources.clone().any(|(id, _)| wanted.contains(id));
            let due = match self.standing(roi.id) {
                Some(Standing::Stale) => true,
                Some(Standing::UpToDate) => is_behind,
                Some(Standing::Overridden) => also.contains(&roi.id),
                Some(Standing::Broken) | None => false,
            };
            if due && !roi.is_locked() {
                wanted.insert(roi.id);
            }
        }
        let orders: Vec<Order> = in_order(&self.structures().rois)
            .into_iter()
            .filter(|roi| wanted.contains(&roi.id))
            .filter_map(|roi| {
                Some(Order { recipe: recipe_of(roi)?, target: Target::Roi(roi.id), keep: true })
            })
            .collect();
        if orders.is_empty() { Ok(None) } else { self.plan("Update derived structures", orders).map(Some) }
    }

    fn check_order(&self, order: &Order) -> Result<(), Refusal> {
        if order.recipe.sources().iter().any(|id| self.roi(*id).is_none()) {
            return Err(Refusal::NoRoi);
        }
        match &order.target {
            Target::New { name, .. } => self.free_name(name, None).map(|_| ()),
            Target::Roi(id) => {
                let own = self.roi(*id).ok_or(Refusal::NoRoi)?;
                editable(own)?;
                let circle = order.keep.then(|| self.circle(*id, &order.recipe)).flatten();
                circle.map_or(Ok(()), |names| Err(Refusal::Circle(names)))
            }
        }
    }

    /// The names along a circle that `roi` would close by keeping `recipe`.
    fn circle(&self, roi: RoiId, recipe: &Recipe) -> Option<String> {
        let mut open: Vec<Vec<RoiId>> = recipe.sources().into_iter().map(|id| vec![roi, id]).collect();
        let mut seen = BTreeSet::new();
        while let Some(way) = open.pop() {
            let at = way[way.len() - 1];
            if at == roi {
                let names = way.iter().filter_map(|id| self.roi(*id).map(|own| own.name.as_str()));
                return Some(names.collect::<Vec<_>>().join(" from "));
            }
            if !seen.insert(at) {
                continue;
            }
            let further = self.roi(at).and_then(|own| own.derivation.as_ref());
            for (next, _) in further.iter().flat_map(|own| &own.sources) {
                open.push(way.iter().copied().chain([*next]).collect());
            }
        }
        None
    }

    pub(super) fn work_out_derived(
        &self,
        gesture: String,
        results: Vec<Derived>,
        draft: &mut Draft,
    ) -> Result<String, Refusal> {
        let volume = Arc::clone(&self.series().volume);
        let mut made: BTreeSet<RoiId> = BTreeSet::new();
        for Derived { order, region, based_on } in results {
            self.check_order(&order)?;
            for (id, revision) in &based_on {
                let own = self.roi(*id).ok_or(Refusal::NoRoi)?;
                if own.revision != *revision && !made.contains(id) {
                    return Err(Refusal::SourceChanged(own.name.clone()));
                }
            }
            let id = match order.target {
                Target::Roi(id) => id,
                Target::New { name, roi_type } => {
                    let name = self.free_name(&name, None)?;
                    let color = color_for(&name, &roi_type, &draft.set);
                    let mut roi = Roi::new(RoiId(0), draft.set.free_number(), name, color);
                    roi.roi_type = roi_type;
                    roi.generation = GenerationAlgorithm::SemiAutomatic;
                    let index = draft.set.rois.len();
                    draft.insert(index, roi)
                }
            };
            let own = draft.set.roi(id).ok_or(Refusal::NoRoi)?;
            let own = Arc::clone(own);
            let planes = region.planes_for(&own, &volume);
            let planes = self.through_the_gate(&own, planes, Overwrite::Overlap, draft);
            draft.put_planes_by_hand(id, planes);
            if order.keep {
                // As it was when this was computed: what this step made before, else what it found.
                let seen = |source: &RoiId| {
                    if made.contains(source) { draft.set.roi(*source) } else { self.roi(*source) }
                };
                let mark = |source: &RoiId| Some((*source, seen(source)?.contours_fingerprint()));
                let sources = order.recipe.sources().iter().filter_map(mark).collect();
                draft.keep_recipe(id, &order.recipe, sources);
            }
            made.insert(id);
            draft.select = Some(id);
        }
        Ok(gesture)
    }

    /// Makes those derived ROIs again that were up to date and whose sources the draft changes.
    pub(super) fn follow(&self, draft: &mut Draft) {
        let volume = &self.series().volume;
        let mut changed: BTreeMap<RoiId, Window> = draft.changed_windows(volume);
        if changed.is_empty() {
            return;
        }
        let order: Vec<RoiId> =
            in_order(&draft.set.rois).iter().filter(|r| r.derivation.is_some()).map(|r| r.id).collect();
        for id in order {
            let Some(old) = self.roi(id) else { continue };
            let Some(recipe) = recipe_of(old) else { continue };
            let sources = recipe.sources();
            let windows = sources.iter().filter_map(|source| changed.get(source));
            let Some(window) = windows.copied().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else { continue };
            let is_own = changed.contains_key(&id);
            if is_own || old.is_locked() || self.standing(id) != Some(Standing::UpToDate) {
                continue;
            }
            let (from, to) = recipe::affected(&recipe, volume, window);
            let rois = draft.set.rois.clone();
            if !recipe::is_local(&recipe)
                || recipe::effort(&recipe, &rois, volume, (from, to)) > VERTICES_IN_AN_EDIT
            {
                continue;
            }
            let Ok(part) = recipe::evaluate(&recipe, &rois, volume, (from, to), &Progress::new()) else {
                continue;
            };
            let Some(own) = draft.set.roi(id) else { continue };
            let planes: Vec<RoiPlane> = part
                .planes_for(own, volume)
                .into_iter()
                .filter(|own| volume.slice_of(&own.plane).is_some_and(|n| (from..=to).contains(&n)))
                .collect();
            let own = Arc::clone(own);
            let planes = self.through_the_gate(&own, planes, Overwrite::Overlap, draft);
            draft.put_planes_by_hand(id, planes);
            let mark = |source: &RoiId| Some((*source, draft.set.roi(*source)?.contours_fingerprint()));
            let sources = recipe.sources().iter().filter_map(mark).collect();
            draft.keep_recipe(id, &recipe, sources);
            // With what gave way to it.
            changed = draft.changed_windows(volume);
            changed.insert(id, (from, to));
        }
    }
}

impl Draft {
    fn keep_recipe(&mut self, id: RoiId, recipe: &Recipe, sources: Vec<(RoiId, u64)>) {
        let Some(own) = self.set.roi(id) else { return };
        let derivation = Derivation { recipe: recipe.stored(), sources, result: own.contours_fingerprint() };
        self.set_attribute(id, Attribute::Derivation(Some(Arc::new(derivation))));
    }

    /// The slices of each ROI whose contours the draft has changed so far.
    fn changed_windows(&self, volume: &crate::patient::Volume) -> BTreeMap<RoiId, Window> {
        let mut windows: BTreeMap<RoiId, Window> = BTreeMap::new();
        for change in self.changes() {
            if let Change::Planes { roi, planes } = change {
                let touched = planes.iter().flat_map(|own| [&own.before, &own.after]).flatten();
                for index in touched.filter_map(|own| volume.slice_of(&own.plane)) {
                    let window = windows.entry(*roi).or_insert((index, index));
                    *window = (window.0.min(index), window.1.max(index));
                }
            }
        }
        windows
    }
}

/// The ROIs with sources before what is derived from them.
fn in_order(rois: &[Arc<Roi>]) -> Vec<&Arc<Roi>> {
    let mut done: BTreeSet<RoiId> = BTreeSet::new();
    let mut out = Vec::with_capacity(rois.len());
    let mut left: Vec<&Arc<Roi>> = rois.iter().collect();
    while !left.is_empty() {
        let waits = |roi: &Arc<Roi>| {
            let mut sources = roi.derivation.iter().flat_map(|own| &own.sources);
            sources.any(|(id, _)| !done.contains(id) && rois.iter().any(|other| other.id == *id))
        };
        let (later, ready): (Vec<_>, Vec<_>) = left.into_iter().partition(|roi| waits(roi));
        if ready.is_empty() {
            // A circle, which no command makes: a foreign journal. They stay in the list's order.
            out.extend(later);
            break;
        }
        done.extend(ready.iter().map(|roi| roi.id));
        out.extend(ready);
        left = later;
    }
    out
}

#[cfg(test)]
mod tests;
