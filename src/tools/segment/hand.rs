//! What the hand does with the semi-automatic tool, and what it is shown.

use super::super::hint::{self, Hint};
use super::super::{Across, Cursor, CursorShape, Reaction, ToolEvent, ViewPlane, region, stepped};
use super::job::limit_of;
use super::place::{BoxDrag, BoxGrip, CLICK_PIXELS, grip_of};
use super::settings::{Placed, SCRIBBLE_MM};
use super::{KeepPieces, Method, Pressed, SegmentTool, TakeAs, Within};
use crate::edit::Sign;
use crate::edit::segment::{Scribble, SearchArea, Source, level_line};
use crate::geometry::{OrientedBox, Point3};
use crate::session::Session;

impl SegmentTool {
    /// The next state and what comes of it.
    pub fn event(&mut self, session: &Session, view: &ViewPlane, event: ToolEvent, slab_mm: f64) -> Reaction {
        match event {
            ToolEvent::Hover(at, keys) => {
                self.at = Some(at);
                self.keys = keys;
                self.hover(session, view, at);
            }
            ToolEvent::Leave => {
                self.at = None;
                self.grip = None;
                self.level.clear();
            }
            ToolEvent::Escape => {
                if let Some(pressed) = self.pressed.take() {
                    match pressed.places {
                        None if self.settings.method == Method::Scribbles => drop(self.scribbles.pop()),
                        Some(Placed::Ball) => self.area = pressed.before,
                        _ => {}
                    }
                    if let Some(drag) = pressed.boxed {
                        self.put_box(session, drag.before);
                    }
                } else {
                    self.cancel();
                }
            }
            ToolEvent::Press(at, keys) => {
                self.at = Some(at);
                self.keys = keys;
                if let Err(refusal) = region::may_begin(session, view, at) {
                    self.refused = Some(refusal.to_string());
                    return Reaction::message(&refusal);
                }
                let sign = if keys.invert { Sign::Cut } else { Sign::Add };
                let places = self.places_now();
                let boxed = (places == Some(Placed::Box)).then(|| BoxDrag::new(self.search_box(), view, at));
                self.begun_at = session.history().done();
                self.pressed = Some(Pressed { from: at, sign, places, boxed, before: self.area });
                match self.settings.method {
                    Method::Scribbles if places.is_none() => self.scribbles.push(Scribble {
                        path: vec![at],
                        radius_mm: self.settings.scribble_mm,
                        belongs: sign == Sign::Add,
                    }),
                    _ if places == Some(Placed::Ball) && !self.settings.waits_for_click() => {
                        self.area = Some(SearchArea::Ball { center: at, radius_mm: self.settings.ball_mm });
                    }
                    _ => self.hover(session, view, at),
                }
            }
            ToolEvent::Drag(at) => {
                self.at = Some(at);
                if let Some(why) = &self.refused {
                    return Reaction::message(why);
                }
                self.drag(session, view, at);
            }
            ToolEvent::Release(at) => {
                self.refused = None;
                if let Some(pressed) = self.pressed.take() {
                    self.drag_area(session, &pressed, view, at);
                    return self.release(session, view, at, &pressed, slab_mm);
                }
            }
        }
        Reaction::default()
    }

    /// What a drag begun now places: scribbling, only with Shift.
    fn places_now(&self) -> Option<Placed> {
        self.settings.placed().filter(|_| self.settings.method != Method::Scribbles || self.keys.shift)
    }

    fn hover(&mut self, session: &Session, view: &ViewPlane, at: Point3) {
        self.level.clear();
        self.grip = (self.places_now() == Some(Placed::Box)).then(|| grip_of(self.search_box(), view, at));
        if self.settings.method == Method::Level {
            let volume = &session.series().volume;
            let source = match self.second.as_deref().filter(|_| self.settings.second) {
                Some(second) => Source::of_other(volume, second),
                None => Source::own(volume),
            };
            let found = level_line(&source, &view.plane, at);
            let unit = source.image().unit;
            self.note = found.as_ref().map(|found| unit.text(found.level));
            self.level = found.map(|found| found.line).unwrap_or_default();
        }
    }

    fn drag(&mut self, session: &Session, view: &ViewPlane, at: Point3) {
        let Some(pressed) = self.pressed.clone() else { return };
        if self.settings.method == Method::Scribbles && pressed.places.is_none() {
            if let Some(scribble) = self.scribbles.last_mut()
                && scribble.path.last().is_none_or(|last| (at - last).norm() > view.pixel_mm * 0.5)
            {
                scribble.path.push(at);
            }
        } else {
            self.drag_area(session, &pressed, view, at);
        }
    }

    /// A drag of more than a few pixels gives the ball its radius, or the box its sides.
    fn drag_area(&mut self, session: &Session, pressed: &Pressed, view: &ViewPlane, at: Point3) {
        let radius = (at - pressed.from).norm();
        if let Some(drag) = pressed.boxed {
            let volume = &session.series().volume;
            self.put_box(session, drag.boxed(volume, view, at, self.settings.box_depth_mm));
        } else if pressed.places == Some(Placed::Ball) && radius >= view.pixel_mm * CLICK_PIXELS {
            let radius_mm = radius.clamp(1.0, 300.0);
            self.area = Some(SearchArea::Ball { center: pressed.from, radius_mm });
        }
    }

    /// Puts the box there, or takes it away; what is quick is looked for at once.
    fn put_box(&mut self, session: &Session, boxed: Option<OrientedBox>) {
        if self.search_box() == boxed.as_ref() {
            return;
        }
        self.area = boxed.map(SearchArea::Box);
        if self.is_live() {
            self.find(session);
        }
    }

    fn release(
        &mut self,
        session: &Session,
        view: &ViewPlane,
        at: Point3,
        pressed: &Pressed,
        slab_mm: f64,
    ) -> Reaction {
        // A click where a drag would have placed a ball or a box means what it means elsewhere.
        let is_click = (at - pressed.from).norm() < CLICK_PIXELS * view.pixel_mm;
        let has_placed = pressed.places.is_some() && !is_click;
        match self.settings.method {
            Method::Level if has_placed => {}
            Method::Level => {
                let line = std::mem::take(&mut self.level);
                if line.len() < 3 {
                    return Reaction::message(&"Here the values are all alike: no line runs through.");
                }
                let cut = match region::may_begin(session, view, at) {
                    Ok((_, cut)) => cut,
                    Err(refusal) => return Reaction::message(&refusal),
                };
                let (roi, body) = (self.limiting(session), self.known_body(session));
                if body.is_none() && self.settings.place() == Within::Body {
                    return Reaction::message(&"The body is not known yet. Find it first (Body).");
                }
                let rois = (roi.as_deref(), body.as_deref());
                let volume = &session.series().volume;
                let limit = match limit_of(self.settings.place(), volume, rois, self.area.as_ref()) {
                    Ok(limit) => limit,
                    Err(why) => return Reaction::message(&why),
                };
                let across = Across { limit: limit.as_ref(), ..Across::slab(slab_mm) };
                return region::act(session, (view, cut), &line, pressed.sign, across, "Level tracing");
            }
            Method::Scribbles => self.follow_scribbles(session),
            Method::Threshold if self.settings.waits_for_click() && !has_placed => {
                self.clicked = Some(at);
                self.find(session);
            }
            Method::Airways if !has_placed => {
                self.clicked = Some(at);
                self.find(session);
            }
            // They follow by themselves.
            Method::Threshold | Method::Dose if pressed.places != Some(Placed::Ball) => {}
            Method::Uptake if pressed.places.is_some() && self.area.is_none() => {}
            Method::Threshold
            | Method::Uptake
            | Method::Dose
            | Method::Pieces
            | Method::Body
            | Method::Lungs
            | Method::Airways
            | Method::Bones => {
                self.find(session);
            }
        }
        Reaction::default()
    }

    /// Looks for what the scribbles tell apart, or says which are missing.
    fn follow_scribbles(&mut self, session: &Session) {
        let kinds = [true, false].map(|kind| self.scribbles.iter().any(|own| own.belongs == kind));
        if kinds == [true, true] {
            self.find(session);
        } else {
            let other = if kinds[0] { "beside it with Ctrl" } else { "inside the organ" };
            self.note = Some(format!("Now scribble {other}."));
        }
    }

    /// Takes the last scribble back and looks again without it; whether there was one. What cannot be
    /// told from the rest is no longer suggested.
    pub(in crate::tools) fn take_back(&mut self, session: &Session) -> bool {
        if self.settings.method != Method::Scribbles || self.pressed.is_some() {
            return false;
        }
        let Some(last) = self.scribbles.pop() else { return false };
        let rest = std::mem::take(&mut self.scribbles);
        if !rest.iter().any(|own| own.belongs == last.belongs) {
            // Stops what is under way, drops what was found, not where it is looked.
            let (area, keys) = (self.area.take(), self.keys);
            self.cancel();
            (self.area, self.keys) = (area, keys);
        }
        self.scribbles = rest;
        if !self.scribbles.is_empty() {
            self.follow_scribbles(session);
        }
        true
    }

    /// Whether a round tip draws, whose size can be changed: with scribbles.
    pub(in crate::tools) fn has_tip(&self) -> bool {
        self.settings.method == Method::Scribbles
    }

    /// Makes scribbles wider (`steps` > 0) or thinner, the one under way and those to come, within what
    /// can be set.
    pub(in crate::tools) fn resize_tip(&mut self, steps: i32) {
        let radius_mm = stepped(self.settings.scribble_mm, steps);
        self.settings.scribble_mm = radius_mm.clamp(*SCRIBBLE_MM.start(), *SCRIBBLE_MM.end());
        let is_scribbling = self.pressed.as_ref().is_some_and(|pressed| pressed.places.is_none());
        if let Some(scribble) = self.scribbles.last_mut().filter(|_| is_scribbling) {
            scribble.radius_mm = self.settings.scribble_mm;
        }
    }

    /// How the cursor looks now.
    #[must_use]
    pub fn cursor(&self, session: &Session) -> Cursor {
        let roi = session.selected();
        let (Some(at), None) = (self.at, &self.refused) else {
            return match &self.refused {
                Some(why) => Cursor {
                    shape: CursorShape::Forbidden,
                    sign: None,
                    color: None,
                    label: Some(why.clone()),
                },
                None => Cursor::plain(CursorShape::Arrow),
            };
        };
        let shape = match self.settings.method {
            Method::Scribbles if self.places_now().is_none() => {
                CursorShape::Circle { center: at, radius_mm: self.settings.scribble_mm }
            }
            _ => match self.grip {
                Some(BoxGrip::Edges([right, down])) => {
                    CursorShape::Resize { sideways: right.is_some(), upright: down.is_some() }
                }
                Some(BoxGrip::Move) if !self.settings.waits_for_click() => CursorShape::Hand,
                _ => CursorShape::Cross,
            },
        };
        let signed = matches!(self.settings.method, Method::Level | Method::Scribbles);
        let cuts = if signed {
            self.pressed.as_ref().map_or(self.keys.invert, |pressed| pressed.sign == Sign::Cut)
        } else {
            self.settings.takes_as() == TakeAs::Cut
        };
        Cursor {
            shape,
            sign: Some(if cuts { Sign::Cut } else { Sign::Add }),
            color: roi.map(|roi| roi.color),
            label: match (self.settings.method, &self.note) {
                (Method::Level, Some(level)) => Some(level.clone()),
                _ => roi.map(|roi| roi.name.clone()),
            },
        }
    }

    /// What the person can do now.
    #[must_use]
    pub fn hint(&self) -> Hint {
        let is_found = self.offer.suggestion().is_some();
        if is_found && self.search_box().is_some() {
            return Hint { text: "Drag the box's edges in any view; Esc drops it", keys: hint::TAKE };
        }
        if is_found {
            return Hint { text: "", keys: hint::TAKE_OR_DROP };
        }
        let keys = if self.has_tip() && self.places_now().is_none() { hint::SIZE } else { &[] };
        Hint { text: self.wanted(), keys }
    }

    /// What has to be done for something to be found.
    fn wanted(&self) -> &'static str {
        let placed = self.settings.placed();
        match self.settings.method {
            Method::Scribbles if placed == Some(Placed::Box) && self.search_box().is_none() => {
                "Hold Shift and drag from corner to corner to draw the box"
            }
            Method::Scribbles if placed == Some(Placed::Ball) && self.ball().is_none() => {
                "Hold Shift and drag from its middle to place the ball"
            }
            Method::Scribbles => "Scribble inside the organ, and beside it with Ctrl",
            _ if placed == Some(Placed::Box) && self.search_box().is_none() => {
                "Drag from corner to corner to draw the box"
            }
            _ if self.search_box().is_some() && !self.settings.waits_for_click() => {
                "Drag an edge of the box in any view, or the box itself; Esc drops it"
            }
            Method::Uptake if placed == Some(Placed::Ball) => {
                "Drag from the middle of the uptake to place a ball around it"
            }
            _ if placed == Some(Placed::Ball)
                && (self.ball().is_none() || !self.settings.waits_for_click()) =>
            {
                "Drag from its middle to place the ball"
            }
            Method::Threshold if self.settings.keep == KeepPieces::Clicked => {
                "Click the piece that is to be kept"
            }
            Method::Threshold => "Set the range on the histogram; what lies in it is suggested",
            Method::Level => "Click takes the line of equal value under the pointer; Ctrl cuts",
            Method::Uptake => "Click to look for the uptake in the structure",
            Method::Dose if self.waits_for_roi => "Select or make the structure that the isodose is for",
            Method::Dose => "Set the level; the isodose is suggested",
            Method::Airways => "Click into the trachea, or let it be found",
            Method::Pieces => "Click, or Find, to see what lies between the structure's pieces",
            Method::Body | Method::Lungs | Method::Bones => "Click to look for it",
        }
    }
}
