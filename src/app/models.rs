//! The models around the window: which there are and which fit, their cards, getting, importing and
//! removing them, and how long they take on this machine.

use super::Workstation;
use super::opening::capitalised;
use super::remedy::InWindow as _;
use super::workstation::Message;
use crate::ai::catalogue::Purpose;
use crate::ai::nnunet::import::{Again, ImportError, ImportOptions, Imported, import_each, remove};
use crate::ai::package::{Unusable, import_folder, remove_unusable};
use crate::ai::regions::{SeenRegions, seen_regions};
use crate::ai::{ModelPackage, catalogue, kept};
use crate::new_file::sweep;
use crate::patient::BodyRegion;
use crate::progress::Progress;
use crate::session::suggestion::{Fit, ModelFacts, StudyFacts, fit};
use crate::ui::actions::Action;
use crate::ui::already_there;
use crate::ui::markdown::Document;
use crate::ui::state::{Card, CatalogueLine, HandOver, ImportReport, ModelLine, Overlay, UnusableLine};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The classical body contour, which needs no package.
pub(super) const BODY: &str = "body";
/// The job that a model runs in.
pub(super) const MODEL: &str = "model";
/// The job that imports a model.
const IMPORT: &str = "import model";
pub(super) use crate::ui::state::PROCESSOR;

/// What is known of models.
#[derive(Debug, Default)]
pub(super) struct FoundModels {
    pub lines: Vec<ModelLine>,
    pub packages: Vec<ModelPackage>,
    pub cards: BTreeMap<String, Document>,
    pub catalogue: Vec<CatalogueLine>,
    pub unusable: Vec<UnusableLine>,
}

/// How an import has ended.
#[derive(Debug, Default)]
pub(super) struct ImportEnd {
    /// The titles of what was imported.
    pub titles: Vec<String>,
    /// What is left to read and to decide on.
    pub report: ImportReport,
}

/// What the window keeps about models, apart from what it shows.
#[derive(Debug, Default)]
pub(super) struct ModelDesk {
    pub packages: Vec<ModelPackage>,
    pub cards: BTreeMap<String, Document>,
    /// What was seen of the open series.
    pub seen: SeenRegions,
    /// The models whose speed was asked for in this run of the program.
    pub measured: BTreeSet<String>,
}

/// Why something was not fetched into a folder, and what it gave otherwise: a sentence.
type Fetching = dyn Fn(&str, &str, &Path, &Progress) -> Result<String, String> + Send + Sync;

/// Where models that can be fetched come from; another one in tests.
#[derive(Clone)]
pub(super) struct Shop {
    pub entries: Arc<dyn Fn() -> Vec<CatalogueLine> + Send + Sync>,
    /// Fetches a model by its id from a source (empty: its publisher).
    pub fetch: Arc<Fetching>,
    /// Where imported and fetched models are put.
    pub target: PathBuf,
}

impl Default for Shop {
    fn default() -> Self {
        Self { entries: Arc::new(catalogue_lines), fetch: Arc::new(fetch), target: import_folder() }
    }
}

/// What can be fetched, what most patients need first.
fn catalogue_lines() -> Vec<CatalogueLine> {
    let line = |entry: &catalogue::Entry| CatalogueLine {
        id: entry.id.clone(),
        title: entry.title.clone(),
        about: entry.about.clone(),
        modality: entry.modality.clone(),
        regions: match entry.regions.as_slice() {
            [] => BodyRegion::of_organs(entry.organs.iter().map(|organ| organ.name.as_str())),
            own => own.to_vec(),
        },
        fit: Fit::Possible(String::new()),
        is_coarse: entry.purpose == Purpose::Region,
        license: entry.license.clone(),
        license_warning: entry.license_warning.clone(),
        bytes: entry.bytes(),
        partial_bytes: catalogue::partial_bytes(entry),
        organs: entry.organs.iter().map(|organ| organ.name.clone()).collect(),
        installed: false,
        problem: None,
    };
    let mut entries: Vec<&catalogue::Entry> = catalogue::entries().iter().collect();
    entries.sort_by_key(|entry| entry.purpose);
    entries.into_iter().map(line).collect()
}

/// What a model is there for: whole organs, where the catalogue does not know it.
fn purpose(id: &str) -> Purpose {
    catalogue::entry(id).map_or(Purpose::Organs, |entry| entry.purpose)
}

/// The parts of the body that a model is for, where the catalogue tells.
fn told_regions(id: &str) -> &'static [BodyRegion] {
    catalogue::entry(id).map_or(&[], |entry| &entry.regions)
}

fn fetch(id: &str, source: &str, target: &Path, progress: &Progress) -> Result<String, String> {
    let entry = catalogue::entry(id).ok_or_else(|| format!("The catalogue has no model {id}."))?;
    let from = (!source.is_empty()).then(|| source.to_owned());
    let target = Some(target.to_owned());
    let options = catalogue::FetchOptions { from, target, force: false };
    let fetched =
        catalogue::fetch(entry, &options, progress).map_err(|error| capitalised(&error.in_window()))?;
    let notes = fetched.warnings.iter().map(|warning| format!(" {}", capitalised(warning)));
    Ok(format!("{} is ready.{}", entry.title, notes.collect::<String>()))
}

/// Looks for models; `body` is always among them.
pub(super) fn find(shop: &Shop) -> FoundModels {
    let (packages, unusable) = ModelPackage::look_with(&shop.target);
    for one in &unusable {
        tracing::warn!("{}", one.error);
    }
    let cards = packages.iter().map(|package| (package.id.clone(), card(package))).collect();
    let mut lines: Vec<ModelLine> = packages.iter().map(line).collect();
    lines.push(ModelLine {
        id: BODY.to_owned(),
        title: "Body outline".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        modality: "CT".to_owned(),
        modalities: vec!["CT".to_owned()],
        organs: vec!["Body".to_owned()],
        note: "By thresholds, without a network; leaves couch and mask out.".to_owned(),
        license: String::new(),
        source: "built in",
        channels: Vec::new(),
        synthetic: false,
        any_values: false,
        has_card: false,
        trainable: false,
        crops_on: None,
        fit: Fit::Possible(String::new()),
    });
    let mut catalogue = (shop.entries)();
    for entry in &mut catalogue {
        entry.installed = packages.iter().any(|package| package.id == entry.id);
    }
    let unusable = unusable.iter().map(|one| unusable_line(one, &shop.target)).collect();
    FoundModels { lines, packages, cards, catalogue, unusable }
}

fn unusable_line(one: &Unusable, target: &Path) -> UnusableLine {
    let name = one.name();
    UnusableLine {
        name: if name.is_empty() { "A model of the program".to_owned() } else { name },
        why: capitalised(&one.error.in_window()),
        removable: one.folder.clone().filter(|_| one.is_own(target)),
    }
}

fn line(package: &ModelPackage) -> ModelLine {
    ModelLine {
        id: package.id.clone(),
        title: package.title.clone(),
        version: package.version.clone(),
        modality: package.modality.clone(),
        modalities: package.modalities(),
        organs: package.labels.iter().map(|label| label.name.clone()).collect(),
        // What it was trained on stands on its card.
        note: format!("{}, version {}. Not a cleared medical device.", package.title, package.version),
        license: package.license.clone(),
        source: package.source.word(),
        channels: package.nnunet.as_ref().map_or_else(Vec::new, |model| model.dataset.channels.clone()),
        synthetic: package.provenance.synthetic,
        any_values: package.nnunet.is_some(),
        has_card: true,
        trainable: crate::ai::train::refusal(package).is_none(),
        crops_on: package.crops_on().map(str::to_owned),
        fit: Fit::Possible(String::new()),
    }
}

/// A package's card; one without is told of by what its manifest says.
fn card(package: &ModelPackage) -> Document {
    let text = package.card().unwrap_or_else(|| {
        let known = |text: &str| if text.is_empty() { "not stated".to_owned() } else { text.to_owned() };
        let organs: Vec<&str> = package.labels.iter().map(|label| label.name.as_str()).collect();
        format!(
            "# {} (`{}` {})\n\n**This model came without a card: nothing is known here of how well it contours \
             or where it fails.** Try it on patients of yours whose contours you trust, and compare, before you \
             rely on any of its proposals. Not a cleared medical device.\n\n## What it contours\n{}\n\n## Images\n{}\n\n\
             ## Data\n{}\n\n## Licence\n{}\n",
            package.title,
            package.id,
            package.version,
            organs.join(", "),
            known(&package.modality),
            known(&package.provenance.data),
            known(&package.license),
        )
    });
    Document::parse(&text)
}

/// The name under which it is kept that a model's card was read, and how fast it is.
pub(super) fn versioned(model: &ModelLine) -> String {
    format!("{} {}", model.id, model.version).trim().to_owned()
}

impl Workstation {
    /// Takes in which models there are.
    pub(super) fn models_found(&mut self, mut found: FoundModels) {
        for entry in &mut found.catalogue {
            let before = self.desk.catalogue.iter().find(|own| own.id == entry.id);
            entry.problem = before.and_then(|own| own.problem.clone());
        }
        self.desk.models = found.lines;
        self.desk.catalogue = found.catalogue;
        self.desk.unusable = found.unusable;
        self.desk.models_known = true;
        self.models.packages = found.packages;
        self.models.cards = found.cards;
        self.judge_models();
    }

    /// Looks which parts of the body the open series shows, on a thread of its own.
    pub(super) fn look_at_the_body(&mut self) {
        self.models.seen = SeenRegions::default();
        self.desk.regions.clear();
        self.judge_models();
        let Some(session) = &self.session else { return };
        let volume = Arc::clone(&session.series().volume);
        self.start_for_session("regions", String::new(), move |progress| {
            Message::Regions(seen_regions(&volume, progress).unwrap_or_default())
        });
    }

    /// Takes in which parts of the body the open series shows.
    pub(super) fn regions_seen(&mut self, seen: SeenRegions) {
        self.desk.regions.clone_from(&seen.regions);
        self.models.seen = seen;
        self.judge_models();
    }

    /// Says of each model, and of each to get, how it fits the open series; sorts the list.
    fn judge_models(&mut self) {
        let Some(session) = &self.session else { return };
        let series = session.series();
        let study = StudyFacts {
            modality: &series.info.modality,
            description: &series.info.description,
            is_hu: series.volume.unit == crate::patient::Unit::Hu,
            synthetic: series.info.patient.synthetic,
            regions: &self.desk.regions,
        };
        let lacks: Vec<Option<String>> =
            self.desk.models.iter().map(|model| self.desk.lacks(model)).collect();
        for (model, lacks) in self.desk.models.iter_mut().zip(&lacks) {
            model.fit = fit(
                ModelFacts {
                    modalities: &model.modalities,
                    channels: &model.channels,
                    organs: &model.organs,
                    regions: told_regions(&model.id),
                    is_for_findings: purpose(&model.id) == Purpose::Findings,
                    synthetic: model.synthetic,
                    any_values: model.any_values,
                    lacks: lacks.as_deref(),
                },
                study,
            );
        }
        for line in &mut self.desk.catalogue {
            line.fit = fit(
                ModelFacts {
                    modalities: std::slice::from_ref(&line.modality),
                    channels: &[],
                    organs: &line.organs,
                    regions: told_regions(&line.id),
                    is_for_findings: purpose(&line.id) == Purpose::Findings,
                    synthetic: false,
                    any_values: true,
                    lacks: None,
                },
                study,
            );
        }
        let is_sample = study.synthetic;
        // On the sample patient what was made for it comes first.
        self.desk.models.sort_by_key(|model| {
            let is_other = model.synthetic != is_sample;
            (model.fit.rank(), is_other, purpose(&model.id), model.source == "built in", model.id.clone())
        });
    }

    /// Whether a model's card has to be read before it is used.
    pub(super) fn card_is_due(&self, model: &str) -> bool {
        let line = self.desk.models.iter().find(|line| line.id == model);
        line.is_some_and(|line| line.has_card && !self.preferences.cards_read.contains(&versioned(line)))
    }

    /// Shows a model's card; of one that can be fetched the one that it will have.
    pub(super) fn show_card(&mut self, model: &str, before_use: bool) {
        let to_come = || catalogue::entry(model).map(|entry| Document::parse(&catalogue::card(entry)));
        let Some(document) = self.models.cards.get(model).cloned().or_else(to_come) else { return };
        let from_models = self.state.overlay == Some(Overlay::Models);
        let card = Card { model: model.to_owned(), document, before_use, from_models };
        self.state.overlay = Some(Overlay::Card(Arc::new(card)));
    }

    /// A model's card was read, and the model is to be used.
    pub(super) fn use_model(&mut self, model: &str) {
        let line = self.desk.models.iter().find(|line| line.id == model);
        if let Some(name) = line.map(versioned) {
            self.preferences.cards_read.insert(name);
            self.remember_preferences();
        }
        self.propose(model);
    }

    /// Fetches a model of the catalogue.
    pub(super) fn fetch_model(&mut self, id: &str) {
        let Some(entry) = self.desk.catalogue.iter_mut().find(|entry| entry.id == id) else { return };
        entry.problem = None;
        let (title, id, shop) = (format!("Getting {}", entry.title), id.to_owned(), self.shop.clone());
        let source = self.state.model_source.trim().to_owned();
        self.jobs.start(format!("fetch {id}"), title, move |progress| {
            let result = (shop.fetch)(&id, &source, &shop.target, progress);
            Message::Fetched { id, result }
        });
    }

    /// Takes in that a model was fetched, or why not.
    pub(super) fn fetched(&mut self, id: &str, result: Result<String, String>) {
        match result {
            Ok(text) => self.state.toasts.done(text),
            Err(why) => {
                if let Some(entry) = self.desk.catalogue.iter_mut().find(|entry| entry.id == id) {
                    entry.problem = Some(why.clone());
                }
                // Said where the person is; the manager keeps it beside the model.
                if self.state.overlay != Some(Overlay::Models) {
                    self.state.toasts.error(why, None);
                }
            }
        }
        self.look_for_models();
    }

    /// The person has read why a model could not be fetched.
    pub(super) fn forget_problem(&mut self, id: &str) {
        for entry in self.desk.catalogue.iter_mut().filter(|entry| entry.id == id) {
            entry.problem = None;
        }
    }

    /// Imports a training folder of nnU-Net, or an archive of one.
    pub(super) fn import_model(&mut self, path: PathBuf) {
        let way = self.state.import_as.clone();
        self.start_import(path, way, None);
    }

    /// Imports what was there already when it was imported last: beside that, or in its place.
    pub(super) fn import_again(&mut self, beside: bool) {
        let ImportReport { path, import_as, there, .. } = std::mem::take(&mut self.desk.import);
        if !there.is_empty() {
            self.start_import(path, import_as, Some(Again { ids: there, beside }));
        }
    }

    fn start_import(&mut self, path: PathBuf, way: HandOver, again: Option<Again>) {
        let orientation = match way.orientation() {
            Ok(orientation) => orientation,
            Err(why) => {
                self.state.toasts.attention(capitalised(&why));
                return;
            }
        };
        self.state.import_path.hint = None;
        self.desk.import = ImportReport::default();
        let target = self.shop.target.clone();
        self.jobs.start(IMPORT, "Importing a model", move |progress| {
            let options = ImportOptions { orientation, ..ImportOptions::default() };
            let imported = import_each(&path, &target, &options, again.as_ref(), progress);
            Message::Imported(Box::new(import_end((path, way), imported)))
        });
    }

    /// Takes in how an import has ended. What was refused, and what has to be decided on, stays beside
    /// the field for the path; it is pointed to from where the person is.
    pub(super) fn imported(&mut self, end: ImportEnd) {
        let ImportEnd { titles, report } = end;
        let done = match titles.as_slice() {
            [] => String::new(),
            titles => format!("Imported: {}.", titles.join(", ")),
        };
        let in_manager = self.state.overlay == Some(Overlay::Models);
        let toasts = &mut self.state.toasts;
        match (report.refused.as_slice(), titles.len()) {
            ([], 0) => {}
            ([], _) => toasts.done(done),
            // Said beside the field, where the person is.
            (_, 0) if in_manager => {}
            ([only], 0) => toasts.error(only.clone(), None),
            (refused, 0) => {
                let text = format!("None of {} models could be imported.", refused.len());
                toasts.error(text, Some(refused.join("\n")));
            }
            (refused, _) => {
                let count = match refused.len() {
                    1 => "1 model was not imported".to_owned(),
                    count => format!("{count} models were not imported"),
                };
                let text = format!("{done} {count}; Models says why.");
                if in_manager {
                    toasts.attention(text);
                } else {
                    toasts.attention_with(text, "Models", Action::ManageModels);
                }
            }
        }
        if !report.there.is_empty() && !in_manager {
            let text = format!("{}: replace, or keep both?", already_there(&report.there));
            toasts.attention_with(text, "Models", Action::ManageModels);
        }
        if report.refused.is_empty() && report.there.is_empty() {
            self.state.import_path.text.clear();
            // The next model is another one, whose files may have lain otherwise.
            self.state.import_as = HandOver::default();
        }
        self.desk.import = report;
        self.look_for_models();
    }

    /// Removes an imported or fetched model.
    pub(super) fn remove_model(&mut self, id: String) {
        let target = self.shop.target.clone();
        self.jobs.start("remove model", "Removing a model", move |_| {
            let removed = match catalogue::entry(&id) {
                Some(entry) => catalogue::remove(entry, &target),
                None => remove(&id, &target),
            };
            Message::ModelsChanged(match removed {
                Ok(_) => Ok(format!("{id} was removed.")),
                Err(error) => Err(capitalised(&error.in_window())),
            })
        });
    }

    /// Removes a model's folder that cannot be used.
    pub(super) fn remove_unusable(&mut self, folder: PathBuf) {
        let target = self.shop.target.clone();
        self.jobs.start("remove model", "Removing a model", move |_| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Message::ModelsChanged(match remove_unusable(&folder, &target) {
                Ok(()) => Ok(format!("{name} was removed.")),
                Err(error) => Err(capitalised(&error.in_window())),
            })
        });
    }

    /// Takes in that models were removed, or why not.
    pub(super) fn models_changed(&mut self, result: Result<String, String>) {
        match result {
            Ok(text) => self.state.toasts.done(text),
            Err(why) => self.state.toasts.error(why, None),
        }
        self.look_for_models();
    }

    /// Looks for models at the start, once what imports that were killed have left is gone.
    pub(super) fn look_for_models_first(&mut self) {
        let shop = self.shop.clone();
        self.jobs.start("models", "", move |_| {
            sweep(&shop.target, std::time::SystemTime::now());
            Message::Models(Box::new(find(&shop)))
        });
    }

    /// Looks for models again.
    pub(super) fn look_for_models(&mut self) {
        let shop = self.shop.clone();
        self.jobs.start("models", "", move |_| {
            kept::forget_changed();
            Message::Models(Box::new(find(&shop)))
        });
    }
}

/// What an import tells: titles, and what is left to read and to decide on.
fn import_end((path, import_as): (PathBuf, HandOver), imported: Result<Imported, ImportError>) -> ImportEnd {
    let report = ImportReport { path, import_as, ..ImportReport::default() };
    let mut end = ImportEnd { report, ..ImportEnd::default() };
    let refused = match imported {
        Ok(Imported { packages, refused }) => {
            end.titles = packages.into_iter().map(|package| package.title).collect();
            end.report.came = end.titles.len();
            refused
        }
        Err(error) => vec![error],
    };
    for error in refused {
        match error {
            ImportError::Exists { id, .. } => end.report.there.push(id),
            error => end.report.refused.push(capitalised(&error.in_window())),
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_shown_with_the_reason_and_can_be_removed_where_imports_are() {
        let target = tempfile::tempdir().unwrap();
        let folder = target.path().join("clinic-1");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("model.toml"), "id = 3").unwrap();
        let unusable =
            || Unusable { folder: Some(folder.clone()), error: ModelPackage::load(&folder).unwrap_err() };
        let line = unusable_line(&unusable(), target.path());
        assert_eq!((line.name.as_str(), line.removable.as_ref()), ("clinic-1", Some(&folder)));
        assert!(line.why.starts_with("The model's manifest is not usable: "), "{}", line.why);
        let elsewhere = unusable_line(&unusable(), &target.path().join("other"));
        assert_eq!(elsewhere.removable, None);
    }

    #[test]
    fn every_model_has_a_card() {
        let found = find(&Shop::default());
        for model in found.lines.iter().filter(|model| model.has_card) {
            assert!(!found.cards[&model.id].blocks.is_empty(), "{}", model.id);
        }
        assert!(found.lines.iter().any(|model| model.id == BODY && !model.has_card));
    }
}
