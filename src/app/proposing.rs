//! Letting a model contour, and taking in what it proposes.

use super::Workstation;
use super::models::{BODY, MODEL, PROCESSOR};
use super::opening::capitalised;
use super::remedy::InWindow as _;
use super::workstation::Message;
use crate::ai::engine::{self, WgpuSetup};
use crate::ai::workload::Workload;
use crate::ai::{self, ModelPackage, PredictOptions, memory};
use crate::dicom::Library;
use crate::patient::{Roi, Series};
use crate::progress::Progress;
use crate::session::Command;
use crate::session::channels::{self, Base, Given};
use crate::session::suggestion::Fit;
use crate::ui::actions::Action;
use crate::ui::default_series;
use crate::ui::state::{Estimate, Remark};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a model made.
pub(super) struct Proposed {
    /// Its id.
    pub id: String,
    /// Its id and version.
    pub model: String,
    pub rois: Vec<Roi>,
    /// The work of its networks that was thought necessary.
    pub work: Workload,
    /// All of it.
    pub seconds: f64,
    /// The network's part.
    pub network_seconds: f64,
    pub device: String,
    pub warnings: Vec<String>,
}

/// What a model is asked to do.
struct Order {
    id: String,
    series: Arc<Series>,
    opened_from: Option<PathBuf>,
    library: Library,
    /// The organs to contour; all when empty.
    organs: Vec<String>,
    /// The work of its networks that is thought necessary.
    work: Workload,
    channels: Vec<(usize, Given)>,
    /// Whether there is no graphics device: then the memory is known and checked before the run.
    on_cpu: bool,
}

/// Lets networks run on the window's device: a real one only, unless a software driver counts, which
/// is slower than the processor's own engine. `watch` sets the window's callbacks again, which burn has
/// taken for itself.
pub(super) fn share_device(
    state: &eframe::egui_wgpu::RenderState,
    software_counts: bool,
    watch: impl FnOnce() + Send + 'static,
) -> String {
    let info = state.adapter.get_info();
    if info.device_type == wgpu::DeviceType::Cpu && !software_counts {
        return PROCESSOR.to_owned();
    }
    let setup = WgpuSetup {
        instance: state.instance.clone(),
        adapter: state.adapter.clone(),
        device: state.device.clone(),
        queue: state.queue.clone(),
        backend: info.backend,
    };
    let started = std::thread::Builder::new().name("model device".into()).spawn(move || {
        if let Err(error) = engine::share_device(setup) {
            tracing::warn!("models do not run on the window's device: {error}");
        }
        watch();
    });
    if started.is_ok() { info.name } else { PROCESSOR.to_owned() }
}

impl Workstation {
    /// Runs a model on the open series, on a thread of its own; shows its card before its first use.
    pub(super) fn propose(&mut self, model: &str) {
        let Some(session) = &self.session else { return };
        if self.card_is_due(model) {
            self.show_card(model, true);
            return;
        }
        let line = self.desk.models.iter().find(|line| line.id == model);
        let work = line.map_or_else(Workload::default, |line| self.workload(line));
        let (mut organs, mut given) = (Vec::new(), Vec::new());
        if let Some(line) = line {
            let Some(named) = self.state.propose.named(line) else {
                self.state.toasts.attention(format!("No organ of {} is chosen.", line.title));
                return;
            };
            organs = named;
            if line.channels.len() > 1 {
                for channel in 0..line.channels.len() {
                    let own = self.state.propose.channels.get(&(line.id.clone(), channel)).copied();
                    if let Some(index) = own.or_else(|| default_series(&self.desk, line, channel)) {
                        let is_open = self.desk.open_series == Some(index);
                        given.push((channel, if is_open { Given::Own } else { Given::Entry(index) }));
                    }
                }
            }
        }
        let order = Order {
            id: model.to_owned(),
            series: Arc::clone(session.series()),
            opened_from: self.around.opened_from.first().cloned(),
            library: self.around.library.clone(),
            organs,
            work,
            channels: given,
            on_cpu: self.runs_on_cpu(),
        };
        let title = line.map_or_else(|| model.to_owned(), |line| line.title.clone());
        // What the panel said before is where the time left begins.
        let is_chosen = self.state.propose.model.as_deref() == Some(model);
        let expected = match self.desk.estimate {
            Estimate::Known { seconds, .. } if is_chosen => Duration::try_from_secs_f64(seconds).ok(),
            _ => None,
        };
        self.state.overlay = None;
        self.state.propose.model = Some(model.to_owned());
        self.start_for_session(MODEL, format!("Contouring: {title}"), move |progress| {
            let started = Instant::now();
            if let Some(expected) = expected {
                progress.expect_to_take(expected);
            }
            match run(&order, progress) {
                Ok(mut proposed) => {
                    proposed.seconds = started.elapsed().as_secs_f64();
                    Message::Proposed(Ok(Box::new(proposed)))
                }
                Err(why) => Message::Proposed(Err(why)),
            }
        });
    }

    pub(super) fn proposed(&mut self, result: Result<Box<Proposed>, String>) {
        let proposed = match result {
            Ok(proposed) => proposed,
            Err(why) => {
                self.state.toasts.error(capitalised(&why), None);
                return;
            }
        };
        let Proposed { id, model, rois, work, seconds, network_seconds, device, warnings } = *proposed;
        self.keep_speed(&id, &device, work, [network_seconds, (seconds - network_seconds).max(0.0)]);
        let count = rois.len();
        self.state.propose.remarks.retain(|remark| remark.model != model);
        let line = self.desk.models.iter().find(|line| line.id == id);
        let doubt = line.filter(|line| matches!(line.fit, Fit::Doubtful(_)));
        let doubt = doubt.map(|line| format!("{} Look at every contour.", line.fit.why()));
        let mut remarks = Vec::new();
        for warning in doubt.into_iter().chain(warnings) {
            let whole = capitalised(&warning);
            let short = in_short(&whole).unwrap_or_else(|| whole.clone());
            remarks.push(Remark { model: model.clone(), short, whole });
        }
        if count == 0 {
            // There is no list that they could stand above.
            for Remark { short, whole, .. } in remarks {
                if short == whole {
                    self.state.toasts.attention(whole);
                } else {
                    self.state.toasts.attention_in_short(short, whole);
                }
            }
            self.state.toasts.attention(format!("{model} found nothing in this scan."));
            return;
        }
        let remarked = match remarks.len() {
            0 => String::new(),
            1 => ", with a remark".to_owned(),
            count => format!(", with {count} remarks"),
        };
        self.state.propose.remarks.extend(remarks);
        if self.apply(Command::AddProposals { rois, model: model.clone() }) {
            if let Some(session) = &self.session {
                session.record("model", &format!("{model} on {device}"));
            }
            let what = if count == 1 { "1 structure".to_owned() } else { format!("{count} structures") };
            let text = format!(
                "{what} proposed in {} on {device}{remarked}.",
                crate::ui::widgets::duration_text(seconds)
            );
            self.state.toasts.done_with(text, "Review", Action::GoPropose);
            self.state.propose.shows_models = false;
            self.state.propose.arrived = true;
            let first =
                self.session.as_ref().and_then(|session| session.proposals().next().map(|roi| roi.id));
            // What is being drawn goes on; the message leads to the proposals.
            let is_busy = self.state.views.as_ref().is_some_and(|views| views.tools.is_busy());
            if let Some(first) = first.filter(|_| !is_busy) {
                self.select(Some(first));
                self.act(Action::GoToStructure);
            }
        }
    }
}

/// Names of a list that a message shows at once.
const NAMED: usize = 5;

/// A sentence with a long list ("Not found in the image: A, B, ...") with the list's beginning alone;
/// `None` where it is short enough.
fn in_short(text: &str) -> Option<String> {
    let (what, list) = text.split_once(": ")?;
    let names: Vec<&str> = list.split(", ").collect();
    let more = names.len().checked_sub(NAMED).filter(|more| *more > 2)?;
    Some(format!("{what}: {} and {more} more", names[..NAMED].join(", ")))
}

fn run(order: &Order, progress: &Progress) -> Result<Proposed, String> {
    let volume = &order.series.volume;
    if order.id == BODY {
        let roi = ai::body_contour(volume, progress).map_err(|error| error.in_window())?;
        return Ok(Proposed {
            id: BODY.to_owned(),
            model: format!("body {}", env!("CARGO_PKG_VERSION")),
            rois: vec![roi],
            work: Workload::default(),
            seconds: 0.0,
            network_seconds: 0.0,
            device: PROCESSOR.to_owned(),
            warnings: Vec::new(),
        });
    }
    let package = ModelPackage::find(&order.id).map_err(|error| error.in_window())?;
    // The next patient is mostly contoured with the same model.
    let mut options = PredictOptions { rois: order.organs.clone(), keep: true, ..PredictOptions::default() };
    let mut warnings = Vec::new();
    let mut begun = 0.0;
    if let Some(model) = &package.nnunet {
        begun = 0.04;
        progress.set_step("Reading the images");
        let base =
            Base { series: &order.series, path: order.opened_from.as_deref(), library: &order.library };
        let reading = progress.part(0.0, begun);
        let gathered = channels::gather(base, &model.dataset.channels, &order.channels, &reading);
        let gathered = gathered.map_err(|error| error.in_window())?;
        options.channels = gathered.images;
        warnings = gathered.warnings;
        warnings.extend(gathered.contradicted);
    }
    let estimate = if order.on_cpu { memory::estimate_bytes } else { memory::beside_graphics_bytes };
    memory::check(estimate(volume, &package, &options), memory::available_bytes())?;
    let predicted = ai::predict(volume, &package, &options, &progress.part(begun, 1.0));
    let prediction = predicted.map_err(|error| error.in_window())?;
    warnings.extend(prediction.warnings);
    Ok(Proposed {
        id: package.id.clone(),
        model: format!("{} {}", package.id, package.version),
        rois: prediction.rois,
        work: order.work,
        seconds: 0.0,
        network_seconds: prediction.timings.infer,
        device: prediction.device,
        warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_and_a_short_one_is_not() {
        let list = |count: usize| {
            let names: Vec<String> = (0..count).map(|n| format!("Organ{n}")).collect();
            format!("Not found in the image: {}", names.join(", "))
        };
        assert_eq!(in_short(&list(7)), None);
        assert_eq!(in_short("Cancelled"), None);
        let short = in_short(&list(62)).unwrap();
        assert_eq!(short, "Not found in the image: Organ0, Organ1, Organ2, Organ3, Organ4 and 57 more");
    }
}
