//! Carrying out what the window asks for: actions of the table and requests of the panels.

use super::Workstation;
use super::dialogs::{Answer, Wanted};
use super::leaving::Leaving;
use super::taking_up::tool_of;
use crate::patient::Approval;
use crate::render::Interpolation;
use crate::session::preferences::{Preferences, Theme};
use crate::session::{Command, Neighbour, Refusal, Session};
use crate::tools::ToolKind;
use crate::ui::Request;
use crate::ui::actions::Action;
use crate::ui::state::{Fold, Naming, Overlay, PathField, Place};
use crate::ui::views::ViewsState;
use std::path::PathBuf;

impl Workstation {
    /// Carries out a request of a view or panel.
    pub(super) fn carry_out(&mut self, request: Request) {
        match request {
            Request::Act(action) => self.act(action),
            Request::Apply(command) => {
                self.apply(command);
            }
            Request::Derive { gesture, orders } => self.derive(gesture, orders),
            Request::Split(roi) => self.split(roi),
            Request::UpdateDerived(rois) => self.update_derived(&rois),
            Request::Select(roi) => self.select(roi),
            Request::Step(steps) => self.step(steps),
            Request::Open(paths) => self.open(paths, None),
            Request::PickFolder => self.ask(Wanted::Folder),
            Request::PickFiles => self.ask(Wanted::Files),
            Request::PickExport => self.ask(Wanted::Export),
            Request::ShowSeries(chosen) => self.show_series(chosen),
            Request::ShowSecond(chosen) => self.show_second(chosen),
            Request::Resume(index) => self.resume(index),
            Request::ResumeFound(yes) => self.answer_resume(yes),
            Request::Leave(answer) => self.answer_leave(answer),
            Request::ReadStructures(path) => self.read_structures(path),
            Request::ReadDose(path) => self.read_dose(path),
            Request::Propose(model) => self.propose(&model),
            Request::ShowCard(model) => self.show_card(&model, false),
            Request::UseModel(model) => self.use_model(&model),
            Request::Fetch(id) => self.fetch_model(&id),
            Request::ForgetProblem(id) => self.forget_problem(&id),
            Request::ImportModel(path) => self.import_model(path),
            Request::ImportAgain { beside } => self.import_again(beside),
            Request::PickModelFolder => self.ask(Wanted::ModelFolder),
            Request::PickModelArchive => self.ask(Wanted::ModelArchive),
            Request::RemoveModel(id) => self.remove_model(id),
            Request::RemoveUnusable(folder) => self.remove_unusable(folder),
            Request::Export { path, replace } => self.export(path, replace),
            Request::Train => self.train(),
            Request::PickTraining(which) => self.ask(Wanted::Training(which)),
            Request::Cancel(job) => self.jobs.cancel(job),
            Request::Notice(text) => self.state.toasts.attention(text),
        }
    }

    fn ask(&mut self, wanted: Wanted) {
        let Some(ctx) = self.ctx.clone() else { return };
        if wanted == Wanted::Export && !self.dialogs.is_open() {
            self.export_asked_for = self.session_number;
        }
        let suggested = (wanted == Wanted::Export).then(|| PathBuf::from(self.state.export_path.text.trim()));
        self.dialogs.ask(wanted, suggested, move || ctx.request_repaint());
    }

    /// Takes the answer of the system's file dialog; without one the path field gets the keyboard.
    pub(super) fn poll_dialogs(&mut self) {
        let Some((wanted, answer)) = self.dialogs.poll() else { return };
        match (wanted, answer) {
            (Wanted::Folder | Wanted::Files, Answer::Chosen(paths)) => self.open(paths, None),
            (Wanted::Export, Answer::Chosen(_)) if self.export_asked_for != self.session_number => {
                self.state.toasts.attention("Nothing was exported: the study was closed meanwhile.");
            }
            (Wanted::Export, Answer::Chosen(paths)) => {
                if let Some(path) = paths.into_iter().next() {
                    self.state.export_path.text = path.display().to_string();
                    // The system's dialog has asked whether to replace.
                    self.export(path, true);
                }
            }
            (Wanted::ModelFolder | Wanted::ModelArchive, Answer::Chosen(paths)) => {
                paths.into_iter().take(1).for_each(|path| self.import_model(path));
            }
            (Wanted::Training(which), Answer::Chosen(paths)) => {
                if let Some(path) = paths.into_iter().next() {
                    *self.state.training.field(which) =
                        PathField { text: path.display().to_string(), ..PathField::default() };
                }
            }
            (_, Answer::Dismissed) => {}
            (wanted, Answer::NoDialog) => {
                let hint = Some("No file chooser of the desktop answered. Type or paste a path.".to_owned());
                let field = match wanted {
                    Wanted::Export => &mut self.state.export_path,
                    Wanted::ModelFolder | Wanted::ModelArchive => &mut self.state.import_path,
                    Wanted::Training(which) => self.state.training.field(which),
                    Wanted::Folder | Wanted::Files => {
                        if self.session.is_some() {
                            self.state.place = Place::Open;
                        }
                        &mut self.state.open_path
                    }
                };
                field.hint = hint;
                field.wants_focus = true;
            }
        }
    }

    /// Changes the structure set; whether it was carried out. A refusal is said at the cursor.
    pub fn apply(&mut self, command: Command) -> bool {
        let Some(session) = self.session.as_mut() else { return false };
        let adds = matches!(command, Command::AddRoi { .. });
        // Work that ends by itself takes no structure out of the hand.
        let is_work = matches!(command, Command::AddProposals { .. } | Command::PutDerived { .. });
        let is_busy = self.state.views.as_ref().is_some_and(|views| views.tools.is_busy());
        let before = session.selected().map(|roi| roi.id);
        match session.apply(command) {
            Ok(applied) => {
                if is_busy && session.selected().map(|roi| roi.id) != before {
                    if is_work {
                        session.select(before);
                    } else if let Some(views) = self.state.views.as_mut() {
                        views.tools.cancel();
                    }
                }
                for note in applied.notes {
                    self.state.toasts.attention(note);
                }
                if adds && let Some(views) = self.state.views.as_mut() {
                    views.reveal_selected();
                    if views.tools.kind() == ToolKind::Navigate {
                        views.choose_tool(ToolKind::Brush);
                    }
                    self.state.place = Place::Correct;
                }
                true
            }
            Err(refusal) => {
                self.refuse(&refusal);
                false
            }
        }
    }

    /// Says why nothing happened: at the pointer while it is in a view, else as a message.
    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        self.say_or_tell(&refusal.to_string());
    }

    /// Says something that must not be missed: at the pointer while it is in a view, else as a message.
    pub(super) fn say_or_tell(&mut self, text: &str) {
        if !self.say_at_pointer(text, 3.0) {
            self.state.toasts.attention(text);
        }
    }

    /// Says at the pointer what a key has chosen, while it is in a view; elsewhere the strip shows it.
    pub(super) fn say_here(&mut self, text: &str) {
        self.say_at_pointer(text, 1.2);
    }

    /// Says something at the pointer for so many seconds, if it is in a view; whether it is.
    fn say_at_pointer(&mut self, text: &str, seconds: f64) -> bool {
        let pointer = self.ctx.as_ref().and_then(|ctx| ctx.input(|input| input.pointer.latest_pos()));
        let now = self.ctx.as_ref().map_or(0.0, |ctx| ctx.input(|input| input.time));
        let (Some(views), Some(at)) = (self.state.views.as_mut(), pointer) else { return false };
        let is_in_view = views.hover.is_some();
        if is_in_view {
            views.message = Some((at, text.to_owned(), now + seconds));
        }
        is_in_view
    }

    /// Carries out an action of the table.
    pub(super) fn act(&mut self, action: Action) {
        let is_covered = self.state.overlay.is_some();
        match action {
            _ if is_covered && !action.works_when_covered() => {}
            // A stroke stays with its tool, structure, slice and picture; nothing drops it by the way.
            _ if self.is_in_stroke() && !action.works_in_stroke() => {
                self.say_here("Let go of the button first, or drop the stroke (Esc).");
            }
            Action::CancelGesture => self.never_mind(),
            Action::Search => {
                let open = matches!(self.state.overlay, Some(Overlay::Palette { .. }));
                self.state.overlay = (!open).then(|| Overlay::Palette { query: String::new(), row: 0 });
            }
            Action::Keys => self.toggle_overlay(Overlay::Keys),
            Action::ToolPictures => self.toggle_overlay(Overlay::ToolPictures),
            Action::About => self.toggle_overlay(Overlay::About),
            Action::ManageModels => self.toggle_overlay(Overlay::Models),
            Action::Quit => self.quit(),
            Action::ToggleTheme => self.toggle_theme(),
            Action::LargerText => self.scale(1.1),
            Action::SmallerText => self.scale(1.0 / 1.1),
            Action::OpenFolder => self.ask(Wanted::Folder),
            Action::OpenFiles => self.ask(Wanted::Files),
            Action::OpenSample => self.open_sample(None),
            Action::TrainModel => self.open_training(),
            _ if self.session.is_none() => {}
            Action::CloseStudy => self.leave(Leaving::Study),
            Action::ChooseSeries => self.state.overlay = Some(Overlay::Series),
            Action::Export | Action::GoExport => {
                self.go(Place::Export);
                self.state.export_path.wants_focus = true;
            }
            Action::GoOpen => self.go(Place::Open),
            Action::GoPropose => self.go(Place::Propose),
            Action::GoCorrect => self.go(Place::Correct),
            Action::GoCheck => self.go(Place::Check),
            Action::Undo => self.undo(),
            Action::Redo => self.step(1),
            Action::ShowHistory => self.toggle_overlay(Overlay::History),
            Action::Segment(method) => {
                self.segment(method);
            }
            Action::ToggleStructurePanel => {
                self.state.structures =
                    if self.state.structures == Fold::Closed { Fold::Auto } else { Fold::Closed };
            }
            Action::ToggleInspector => {
                self.state.inspector = match (self.state.inspector, self.state.place) {
                    (Fold::Open, _) => Fold::Closed,
                    (Fold::Auto, place) if place != Place::Correct => Fold::Closed,
                    _ => Fold::Open,
                };
            }
            other => {
                if !self.act_on_suggestion(other)
                    && !self.act_on_options(other)
                    && !self.act_on_structures(other)
                {
                    self.act_on_views(other);
                }
            }
        }
    }

    fn go(&mut self, place: Place) {
        self.state.place = place;
        if self.state.inspector == Fold::Closed {
            self.state.inspector = Fold::Auto;
        }
    }

    fn toggle_overlay(&mut self, overlay: Overlay) {
        self.state.overlay = if self.state.overlay.as_ref() == Some(&overlay) { None } else { Some(overlay) };
    }

    /// Actions on the structure list; whether it was one.
    fn act_on_structures(&mut self, action: Action) -> bool {
        let Some(session) = self.session.as_ref() else { return false };
        let selected = session.selected().cloned();
        match (action, selected) {
            (Action::AddStructure, _) => {
                self.state.naming =
                    Some(Naming { roi: None, text: String::new(), choice: None, focused: false });
                self.state.structures = Fold::Auto;
            }
            (Action::AcceptAll, _) if session.proposals().next().is_some() => {
                self.state.overlay = Some(Overlay::AcceptAll);
            }
            (Action::AcceptAll, _) => self.refuse(&Refusal::NoProposal),
            (Action::UpdateDerived, _) => self.update_derived(&[]),
            (Action::ShowAll, _) => {
                let all = session.structures().rois.iter().map(|roi| roi.id).collect();
                self.apply(Command::SetVisibility { rois: all, visible: true });
            }
            (Action::NextStructure, _) => self.walk(1),
            (Action::PreviousStructure, _) => self.walk(-1),
            (action, selected) if is_of_selected(action) => match selected {
                Some(roi) => self.act_on_selected(action, &roi),
                None => self.refuse(&Refusal::NoRoi),
            },
            _ => return false,
        }
        true
    }

    /// An action of [`is_of_selected`] on the selected structure.
    fn act_on_selected(&mut self, action: Action, roi: &crate::patient::Roi) {
        match action {
            Action::MakeFromStructures => {
                self.state.place = Place::Correct;
                self.state.inspector = Fold::Open;
                self.state.recipe.wants_focus = true;
            }
            Action::RenameStructure => {
                let text = roi.name.clone();
                self.state.naming = Some(Naming { roi: Some(roi.id), text, choice: None, focused: false });
                self.state.structures = Fold::Auto;
            }
            Action::DeleteStructure if roi.planes.is_empty() => {
                self.apply(Command::DeleteRoi { roi: roi.id });
            }
            Action::DeleteStructure => self.state.overlay = Some(Overlay::Delete(roi.id)),
            Action::ToggleVisible => {
                self.apply(Command::SetVisibility { rois: vec![roi.id], visible: !roi.visible });
            }
            Action::ShowOnly => {
                let rois = self.session.iter().flat_map(|session| &session.structures().rois);
                let others = rois.map(|own| own.id).filter(|own| *own != roi.id).collect();
                self.apply(Command::SetVisibility { rois: others, visible: false });
                self.apply(Command::SetVisibility { rois: vec![roi.id], visible: true });
            }
            Action::ToggleLock => {
                self.apply(Command::SetLock { roi: roi.id, locked: !roi.locked });
            }
            Action::SplitStructure => self.split(roi.id),
            Action::ToggleExclusive => {
                self.apply(Command::SetExclusive { roi: roi.id, exclusive: !roi.exclusive });
            }
            Action::GoToStructure => {
                if let Some(views) = self.state.views.as_mut() {
                    views.navigation.go_to_roi(roi);
                }
            }
            Action::GoToLeastCertain => {
                if let (Some((plane, _)), Some(views)) = (roi.least_confident(), self.state.views.as_mut()) {
                    views.navigation.go_to_plane(plane);
                } else {
                    self.state.toasts.attention(format!("{} has no confidence by slice.", roi.name));
                }
            }
            Action::AcceptProposal if !roi.is_proposal() => self.tell_no_proposal(roi, "accept"),
            Action::RejectProposal if !roi.is_proposal() => self.tell_no_proposal(roi, "reject"),
            Action::AcceptProposal => {
                self.decide(roi, Command::AcceptProposals { rois: vec![roi.id] });
            }
            Action::RejectProposal => {
                self.decide(roi, Command::RejectProposals { rois: vec![roi.id] });
            }
            Action::MarkReviewed => {
                let approval =
                    if roi.approval == Approval::Reviewed { Approval::Accepted } else { Approval::Reviewed };
                self.apply(Command::SetApproval { roi: roi.id, approval });
            }
            Action::DeleteContour => {
                if let Some(slice) = self.slice()
                    && self.apply(Command::ClearSlice { roi: roi.id, slice })
                {
                    self.tell_slice(slice);
                }
            }
            Action::CopyFromAbove => self.copy_from(roi.id, true),
            Action::CopyFromBelow => self.copy_from(roi.id, false),
            Action::CopyToAbove => self.copy_to(roi.id, true),
            Action::CopyToBelow => self.copy_to(roi.id, false),
            Action::CopyContour => self.copy_contour(roi),
            Action::PasteContour => self.paste_contour(roi),
            Action::ThinSlices(n) => self.thin_slices(roi, n),
            _ => {}
        }
    }

    /// Accepts or rejects the selected proposal and goes on to the next one.
    fn decide(&mut self, roi: &crate::patient::Roi, command: Command) {
        let next = self.session.as_ref().and_then(|session| {
            let proposals: Vec<_> = session.proposals().map(|roi| roi.id).collect();
            let at = proposals.iter().position(|id| *id == roi.id)?;
            proposals.get(at + 1).or_else(|| proposals.first().filter(|id| **id != roi.id)).copied()
        });
        if self.apply(command)
            && let Some(next) = next
        {
            self.select(Some(next));
            self.act(Action::GoToStructure);
        }
    }

    /// Selects the next structure of the list, or the one before. The views move no further than they
    /// must to show it: one walks through what is on a slice to compare and correct it there.
    fn walk(&mut self, by: i64) {
        let Some(session) = self.session.as_ref() else { return };
        let rois = &session.structures().rois;
        let count = i64::try_from(rois.len()).unwrap_or(0);
        if count == 0 {
            return;
        }
        let at = session.selected().and_then(|own| rois.iter().position(|roi| roi.id == own.id));
        let at = at.map_or(if by > 0 { -1 } else { 0 }, |at| i64::try_from(at).unwrap_or(0));
        let next = usize::try_from((at + by).rem_euclid(count)).unwrap_or(0);
        let next = std::sync::Arc::clone(&rois[next]);
        self.select(Some(next.id));
        if let Some(views) = self.state.views.as_mut() {
            views.navigation.go_near(&next);
        }
    }

    /// The slice of the series that the crosshair stands on.
    pub(super) fn slice(&self) -> Option<usize> {
        let (session, views) = (self.session.as_ref()?, self.state.views.as_ref()?);
        let normal = session.series().volume.slices.first()?.plane.normal();
        session.nearest_slice(normal.dot(&views.navigation.crosshair_mm().coords)).map(|(index, _)| index)
    }

    /// Says which slice something was done on while no view shows it: the views are turned.
    pub(super) fn tell_slice(&mut self, slice: usize) {
        if self.state.views.as_ref().is_some_and(|views| !views.navigation.shows_slices()) {
            let key = Action::StraightenViews.key_text();
            let key = if key.is_empty() { key } else { format!(" ({key})") };
            self.state.toasts.attention(format!(
                "Done on slice {}, the nearest to the crosshair. No view shows it whole while the views are turned: straighten them{key}.",
                slice + 1
            ));
        }
    }

    /// Copies the contours of the slice above (towards the head, left or front) or below.
    fn copy_from(&mut self, roi: crate::patient::RoiId, above: bool) {
        let Some(slice) = self.slice() else { return };
        let forward = self.state.views.as_ref().is_none_or(|views| views.navigation.slices_run_up());
        let from = if above == forward { Neighbour::Above } else { Neighbour::Below };
        if self.apply(Command::CopyFromSlice { roi, slice, from }) {
            self.tell_slice(slice);
        }
    }

    /// Copies the contours of the slice shown to the one above or below, and goes there.
    fn copy_to(&mut self, roi: crate::patient::RoiId, above: bool) {
        let Some(slice) = self.slice() else { return };
        let forward = self.state.views.as_ref().is_none_or(|views| views.navigation.slices_run_up());
        let (step, from) = if above == forward { (1, Neighbour::Below) } else { (-1, Neighbour::Above) };
        let Some(slice) = slice.checked_add_signed(step) else {
            self.refuse(&Refusal::NoSlice);
            return;
        };
        if self.apply(Command::CopyFromSlice { roi, slice, from })
            && let Some(views) = self.state.views.as_mut()
        {
            views.go_to_slice(slice);
            self.tell_slice(slice);
        }
    }

    fn act_on_views(&mut self, action: Action) {
        if let Some(kind) = tool_of(action) {
            if let Some(said) = self.take_tool(kind) {
                self.say_here(&said);
            }
            return;
        }
        let has_second = self.desk.second.is_some();
        let can_have_second = self.desk.series.iter().any(|line| line.can_be_second);
        let Some(views) = self.state.views.as_mut() else { return };
        let kind = views.navigation.focused_kind();
        match action {
            Action::SmallerBrush | Action::LargerBrush => {
                let steps = if action == Action::LargerBrush { 1 } else { -1 };
                if !views.tools.resize(steps) {
                    self.say_here("This tool has no size.");
                }
            }
            Action::SliceUp => views.navigation.scroll(kind, 1),
            Action::SliceDown => views.navigation.scroll(kind, -1),
            Action::TenSlicesUp => views.navigation.scroll(kind, 10),
            Action::TenSlicesDown => views.navigation.scroll(kind, -10),
            Action::MaximiseView => views.navigation.toggle_maximised(views.navigation.focus),
            Action::NextView => views.navigation.next_view(),
            Action::FitViews => views.navigation.fit(),
            Action::TurnViews(degrees) => views.turn_about(kind, f64::from(degrees).to_radians()),
            Action::StraightenViews => views.straighten(),
            Action::ToggleOverlays => views.display.hidden = !views.display.hidden,
            Action::ToggleInterpolation => {
                views.display.interpolation = match views.display.interpolation {
                    Interpolation::Linear => Interpolation::Nearest,
                    Interpolation::Nearest => Interpolation::Linear,
                };
            }
            Action::ToggleFusion if has_second => {
                views.display.fusion.mode = views.display.fusion.mode.next();
            }
            Action::ToggleFusion if can_have_second => self.state.overlay = Some(Overlay::Series),
            Action::ToggleFusion => {
                self.state.toasts.attention("There is no second series in the same frame of reference.");
            }
            Action::Preset(number) => views.show_preset(number),
            _ => {}
        }
    }

    fn toggle_theme(&mut self) {
        let Some(ctx) = &self.ctx else { return };
        self.preferences.theme = if ctx.theme() == egui::Theme::Dark { Theme::Light } else { Theme::Dark };
        let ctx = ctx.clone();
        self.apply_preferences(&ctx);
    }

    fn scale(&mut self, factor: f64) {
        self.preferences.scale = ((self.preferences.scale * factor) * 20.0).round().clamp(14.0, 50.0) / 20.0;
        if let Some(ctx) = self.ctx.clone() {
            self.apply_preferences(&ctx);
        }
    }

    /// Gives the window the theme and the scale that the person has set.
    pub(super) fn apply_preferences(&self, ctx: &egui::Context) {
        ctx.set_theme(match self.preferences.theme {
            Theme::Dark => egui::ThemePreference::Dark,
            Theme::Light => egui::ThemePreference::Light,
            Theme::System => egui::ThemePreference::System,
        });
        #[expect(clippy::cast_possible_truncation, reason = "a scale near one")]
        ctx.set_zoom_factor(self.preferences.scale as f32);
    }

    /// Gives the views of a series just opened what the person has set.
    pub(super) fn preferences_to_views(&self, views: &mut ViewsState, session: &mut Session) {
        session.set_overwrite(self.preferences.overwrite);
        views.tools.brush.set_radius_mm(self.preferences.brush_radius_mm);
        views.tools.restore_options(session.series().volume.unit, &self.preferences.tools);
        views.tools.freehand.set_thickness_mm(self.preferences.slab_thickness_mm);
        if !self.preferences.smooth_pictures {
            views.display.interpolation = Interpolation::Nearest;
        }
    }

    /// Writes what the person has set.
    pub(super) fn remember_preferences(&mut self) {
        if let Some(views) = &self.state.views {
            self.preferences.brush_radius_mm = views.tools.brush.radius_mm();
            self.preferences.slab_thickness_mm = views.tools.freehand.thickness_mm();
            if let Some(session) = &self.session {
                self.preferences.overwrite = session.overwrite();
                views.tools.keep_options(session.series().volume.unit, &mut self.preferences.tools);
            }
            self.preferences.smooth_pictures = views.display.interpolation == Interpolation::Linear;
        }
        self.preferences.keys = self.state.keys.stored();
        self.preferences.organs.clone_from(&self.state.propose.organs);
        self.preferences.templates.clone_from(&self.state.propose.templates);
        self.state.model_source.trim().clone_into(&mut self.preferences.model_source);
        let unchanged = Preferences::load(&self.data_folder).0 == self.preferences;
        if !unchanged && let Err(error) = self.preferences.save(&self.data_folder) {
            tracing::error!("the preferences could not be written: {error}: {}", self.data_folder.display());
        }
    }

    pub(super) fn quit(&self) {
        if let Some(ctx) = &self.ctx {
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
    }
}

/// Whether an action is one on the selected structure.
fn is_of_selected(action: Action) -> bool {
    matches!(
        action,
        Action::RenameStructure
            | Action::DeleteStructure
            | Action::ToggleVisible
            | Action::ShowOnly
            | Action::ToggleLock
            | Action::ToggleExclusive
            | Action::SplitStructure
            | Action::GoToStructure
            | Action::GoToLeastCertain
            | Action::AcceptProposal
            | Action::RejectProposal
            | Action::MarkReviewed
            | Action::MakeFromStructures
            | Action::DeleteContour
            | Action::CopyFromAbove
            | Action::CopyFromBelow
            | Action::CopyToAbove
            | Action::CopyToBelow
            | Action::CopyContour
            | Action::PasteContour
            | Action::ThinSlices(_)
    )
}
