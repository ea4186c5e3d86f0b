//! Where a tool looks, as keys step through it: the structures of this study one after the other, and the
//! images whose values count. Unlike a [`Choice`](super::Choice) these are others in every study.

use super::{Method, Rivals, Second, SegmentSettings, ToolKind, Tools, Within};
use crate::edit::ValueRange;
use crate::patient::{RoiId, Volume};
use crate::session::Session;
use std::sync::Arc;

/// The structure after `now` among those with contours that something can be looked for in, those of the
/// selected one excepted; the first after `None`, `None` after the last.
fn next_place(session: &Session, now: Option<RoiId>) -> Option<RoiId> {
    let own = session.selected().map(|roi| roi.id);
    let rois = session.structures().rois.iter();
    let mut all = rois.filter(|roi| !roi.planes.is_empty() && Some(roi.id) != own).map(|roi| roi.id);
    match now {
        None => all.next(),
        Some(now) => all.skip_while(|id| *id != now).nth(1),
    }
}

impl Tools {
    /// Looks in the next structure with contours, after the last in no structure again: where the
    /// semi-automatic tool looks, or where growing is kept to with that in hand. What it looks in then, for
    /// the cursor; `None` for another tool.
    pub fn look_in_next(&mut self, session: &Session) -> Option<String> {
        let named = |id: Option<RoiId>, else_in: &str| {
            let name = id.and_then(|id| session.roi(id)).map(|roi| roi.name.clone());
            format!("In {}", name.unwrap_or_else(|| else_in.to_owned()))
        };
        match self.kind {
            ToolKind::Grow => {
                let next = next_place(session, self.grow.within());
                self.grow.set_within(session, next);
                Some(named(next, "the whole image"))
            }
            ToolKind::Segment => {
                let mut settings = self.segment.settings();
                let now = match settings.place() {
                    Within::Roi(id) => Some(id),
                    _ => None,
                };
                let next = next_place(session, now);
                let is_uptake = settings.method == Method::Uptake;
                let (place, words) = if is_uptake {
                    (Within::Ball, "a ball")
                } else {
                    (Within::Everything, "the whole image")
                };
                settings.set_place(next.map_or(place, Within::Roi));
                self.segment.set_settings(session, settings);
                Some(named(next, words))
            }
            _ => None,
        }
    }

    /// Has what is filled between pieces keep out of the next one: of no other structure, all visible
    /// ones, each by itself, round and round. What it keeps out of then.
    pub fn next_rival(&mut self, session: &Session) -> String {
        let settings = self.segment.settings();
        let by_itself = |now| next_place(session, now).map_or(Rivals::Nobody, Rivals::Roi);
        let rivals = match settings.rivals {
            Rivals::Nobody => Rivals::Visible,
            Rivals::Visible => by_itself(None),
            Rivals::Roi(id) => by_itself(Some(id)),
        };
        self.segment.set_settings(session, SegmentSettings { rivals, ..settings });
        match rivals {
            Rivals::Nobody => "Regardless of other structures".to_owned(),
            Rivals::Visible => "Not into visible structures".to_owned(),
            Rivals::Roi(id) => {
                let name = session.roi(id).map_or("a structure", |roi| roi.name.as_str());
                format!("Not into {name}")
            }
        }
    }

    /// The second image, in the same frame of reference, that brush, grow, live-wire and the semi-automatic
    /// tool can go by.
    pub fn set_second(&mut self, session: &Session, second: Option<&Arc<Volume>>) {
        self.brush.second.set_image(second);
        self.grow.set_second(session, second);
        if self.live_wire.second.set_image(second) && self.live_wire.second.is_wanted() {
            self.live_wire.rewire(session);
        }
        self.segment.set_second(session, second.map(Arc::clone));
        if self.waits_to_close() {
            self.follow_line(session);
        }
    }

    /// What brush, grow or live-wire, whichever is in hand, makes of a second image; `None` for tools that
    /// go by these images alone, and for the semi-automatic one, which has it in its settings.
    #[must_use]
    pub fn second(&self) -> Option<&Second> {
        match self.kind {
            ToolKind::Brush => Some(&self.brush.second),
            ToolKind::Grow => Some(&self.grow.second),
            ToolKind::LiveWire => Some(&self.live_wire.second),
            _ => None,
        }
    }

    fn second_mut(&mut self) -> Option<&mut Second> {
        match self.kind {
            ToolKind::Brush => Some(&mut self.brush.second),
            ToolKind::Grow => Some(&mut self.grow.second),
            ToolKind::LiveWire => Some(&mut self.live_wire.second),
            _ => None,
        }
    }

    /// Sets whether the tool in hand goes by the second image's values, while there is one: edges and ranges,
    /// what grows (what is suggested follows), the edges followed from the last click on.
    pub fn want_second(&mut self, session: &Session, wanted: bool) {
        if self.second_mut().is_some_and(|second| second.want(wanted)) {
            self.follow_second(session);
        }
    }

    /// Sets the range of the second image's values that the tool in hand goes by; what is suggested follows.
    /// Nothing without a second image.
    pub fn set_second_range(&mut self, session: &Session, range: ValueRange) {
        if self.second_mut().is_some_and(|second| second.set_range(range)) {
            self.follow_second(session);
        }
    }

    /// Has what the tool in hand is at follow other values.
    fn follow_second(&mut self, session: &Session) {
        match self.kind {
            ToolKind::Grow => self.grow.grow_again(session),
            ToolKind::LiveWire => {
                self.live_wire.rewire(session);
                self.follow_line(session);
            }
            _ => {}
        }
    }

    /// Changes between the values of these images and those of the second series, for brush, grow, live-wire
    /// and the semi-automatic tool. Whether they are the second's now; `None` without a second series and
    /// for what goes by these images alone.
    pub fn toggle_second_values(&mut self, session: &Session) -> Option<bool> {
        if self.kind == ToolKind::Segment {
            let settings = self.segment.settings();
            let second = !settings.second;
            return self.segment.offers_second().then(|| {
                self.segment.set_settings(session, SegmentSettings { second, ..settings });
                second
            });
        }
        let wanted = self.second().filter(|second| second.image().is_some())?.is_wanted();
        self.want_second(session, !wanted);
        Some(!wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::fixture::{axial_series, session_with};

    #[test]
    fn structures_to_look_in_follow_one_another() {
        use crate::session::fixture::{draw, square};
        let mut session = session_with(axial_series(), &["Liver", "Empty", "Spleen", "Node"]);
        for name in ["Liver", "Spleen", "Node"] {
            session.apply(draw(&session, name, 3, vec![square(0.0, 0.0, 20.0)])).unwrap();
        }
        let mut tools = Tools::default();
        assert_eq!(tools.look_in_next(&session), None, "the crosshair looks for nothing");
        for kind in [ToolKind::Grow, ToolKind::Segment] {
            tools.choose(kind);
            let round: Vec<_> = (0..4).filter_map(|_| tools.look_in_next(&session)).collect();
            assert_eq!(round, ["In Liver", "In Spleen", "In the whole image", "In Liver"], "{kind:?}");
        }
        let settings = SegmentSettings { method: Method::Uptake, ..tools.segment.settings() };
        tools.segment.set_settings(&session, settings);
        let round: Vec<_> = (0..3).filter_map(|_| tools.look_in_next(&session)).collect();
        assert_eq!(round, ["In Liver", "In Spleen", "In a ball"]);
        let rivals: Vec<_> = (0..5).map(|_| tools.next_rival(&session)).collect();
        let visible = "Not into visible structures";
        let wanted =
            [visible, "Not into Liver", "Not into Spleen", "Regardless of other structures", visible];
        assert_eq!(rivals, wanted);
        assert_eq!(tools.toggle_second_values(&session), None, "there is no second series");
    }
}
