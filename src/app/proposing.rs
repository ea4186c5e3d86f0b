//! Letting a model contour, and taking in what it proposes.

use super::Workstation;
use super::opening::capitalised;
use super::workstation::Message;
use crate::ai::engine::{self, WgpuSetup};
use crate::ai::{self, BodyError, ModelPackage, PredictError, PredictOptions};
use crate::patient::{Roi, Volume};
use crate::progress::Progress;
use crate::session::{Command, channels};
use crate::ui::actions::Action;
use crate::ui::state::ModelLine;
use std::path::Path;
use std::time::Instant;

/// The classical body contour, which needs no package.
const BODY: &str = "body";

/// What a model made.
pub(super) struct Proposed {
    pub model: String,
    pub rois: Vec<Roi>,
    pub seconds: f64,
    pub device: String,
    pub warnings: Vec<String>,
}

/// The models that there are; `body` is always among them.
pub(super) fn models() -> Vec<ModelLine> {
    let (packages, errors) = ModelPackage::list();
    for error in errors {
        tracing::warn!("{error}");
    }
    let line = |package: ModelPackage| ModelLine {
        organs: package.labels.iter().map(|label| label.name.clone()).collect(),
        note: format!(
            "Version {}. Trained on: {}. Not a cleared medical device.",
            package.version, package.provenance.data
        ),
        trainable: package.nnunet.is_none(),
        id: package.id,
        title: package.title,
    };
    let body = ModelLine {
        id: BODY.to_owned(),
        title: "Body outline".to_owned(),
        organs: vec!["Body".to_owned()],
        note: "By thresholds, without a network; leaves couch and mask out.".to_owned(),
        trainable: false,
    };
    packages.into_iter().map(line).chain([body]).collect()
}

/// Lets networks run on the window's device: a real one only, a software driver is slower than the
/// processor's own engine.
pub(super) fn share_device(state: &eframe::egui_wgpu::RenderState) -> String {
    let info = state.adapter.get_info();
    if info.device_type == wgpu::DeviceType::Cpu {
        return "the processor".to_owned();
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
    });
    if started.is_ok() { info.name } else { "the processor".to_owned() }
}

impl Workstation {
    /// Runs a model on the open series, on a thread of its own.
    pub(super) fn propose(&mut self, model: &str) {
        let Some(session) = &self.session else { return };
        let volume = std::sync::Arc::clone(&session.series().volume);
        let id = model.to_owned();
        let opened_from = self.around.opened_from.first().cloned();
        self.state.overlay = None;
        self.start_for_session("model", format!("Contour with {model}"), move |progress| {
            let started = Instant::now();
            match run(&id, &volume, opened_from.as_deref(), progress) {
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
        let Proposed { model, rois, seconds, device, warnings } = *proposed;
        let count = rois.len();
        for warning in warnings {
            self.state.toasts.attention(capitalised(&warning));
        }
        if count == 0 {
            self.state.toasts.attention(format!("{model} found nothing in this scan."));
            return;
        }
        if self.apply(Command::AddProposals { rois, model: model.clone() }) {
            if let Some(session) = &self.session {
                session.record("model", &format!("{model} on {device}"));
            }
            let what = if count == 1 { "1 structure".to_owned() } else { format!("{count} structures") };
            let text =
                format!("{what} proposed in {} on {device}.", crate::ui::widgets::duration_text(seconds));
            self.state.toasts.done_with(text, "Review", Action::GoPropose);
            let first =
                self.session.as_ref().and_then(|session| session.proposals().next().map(|roi| roi.id));
            if let (Some(session), Some(first)) = (self.session.as_mut(), first) {
                session.select(Some(first));
                self.act(Action::GoToStructure);
            }
        }
    }
}

fn run(
    id: &str,
    volume: &Volume,
    opened_from: Option<&Path>,
    progress: &Progress,
) -> Result<Proposed, String> {
    if id == BODY {
        let roi = ai::body_contour(volume, progress).map_err(|error: BodyError| error.to_string())?;
        let (model, device) = (format!("body {}", env!("CARGO_PKG_VERSION")), "the processor".to_owned());
        return Ok(Proposed { model, rois: vec![roi], seconds: 0.0, device, warnings: Vec::new() });
    }
    let package = ModelPackage::find(id).map_err(|error| error.to_string())?;
    let mut options = PredictOptions::default();
    if package.nnunet.as_ref().is_some_and(|model| model.dataset.channels.len() == 1) {
        let channel = channels::of_volume(volume, opened_from, progress);
        options.channels.push(channel.map_err(|error| error.to_string())?);
    }
    let predicted = ai::predict(volume, &package, &options, progress);
    let prediction = predicted.map_err(|error: PredictError| error.to_string())?;
    Ok(Proposed {
        model: format!("{} {}", package.id, package.version),
        rois: prediction.rois,
        seconds: 0.0,
        device: prediction.device,
        warnings: prediction.warnings,
    })
}
