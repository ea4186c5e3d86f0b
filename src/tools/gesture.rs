//! What all tools of one stroke share: the hand hovers, presses, drags, lets go, or is told why not.
//!
//! A tool says how a stroke begins, goes on and ends; everything else (Esc, leaving the view, a
//! refusal that stays until the button is up) is the same for all of them and stands here.
//!
//! A stroke belongs to the ROI, and to the state of it, that it began on. When work that ends
//! meanwhile changes that ROI or selects another, the stroke is dropped and the person told.

use super::{Cursor, CursorShape, Modifiers, Reaction, ToolEvent, ViewPlane};
use crate::geometry::Point3;
use crate::patient::RoiId;
use crate::session::{Refusal, Session};

/// Where the hand is.
#[derive(Debug, Default)]
pub(super) enum Hand<S> {
    /// In no view.
    #[default]
    Away,
    /// Over a view with no button down.
    Hovering(Point3, Modifiers),
    /// In a stroke.
    Working(Box<S>),
    /// The button is down, but the stroke was refused.
    Refused(String),
}

/// A tool of one stroke.
pub(super) trait Strokes {
    /// What is kept of a stroke under way.
    type Stroke;

    /// The ROI that a stroke began on, and its revision then.
    fn began_on(stroke: &Self::Stroke) -> (RoiId, u64);

    /// Starts a stroke, or says why it may not be.
    fn begin(
        &self,
        session: &Session,
        view: &ViewPlane,
        at: Point3,
        keys: Modifiers,
    ) -> Result<Self::Stroke, String>;

    /// The pointer is at `at`; also called once right after [`Self::begin`].
    fn go_on(&self, session: &Session, stroke: &mut Self::Stroke, at: Point3) -> Reaction;

    /// The button goes up at `at`.
    fn finish(&self, session: &Session, stroke: Self::Stroke, at: Point3) -> Reaction;
}

/// Why a stroke that began on this revision of this ROI cannot go on; `None` when it can.
fn interrupted(session: &Session, (id, revision): (RoiId, u64)) -> Option<String> {
    let Some(roi) = session.roi(id) else { return Some(Refusal::NoRoi.to_string()) };
    if roi.revision != revision {
        return Some(Refusal::Stale(roi.name.clone()).to_string());
    }
    let is_selected = session.selected().is_some_and(|own| own.id == id);
    (!is_selected).then(|| {
        let name = &roi.name;
        format!("{name} is no longer selected, the stroke was dropped. Select {name} and draw it again.")
    })
}

impl<S> Hand<S> {
    /// Whether the button is down.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Working(_) | Self::Refused(_))
    }

    /// The stroke under way.
    pub(super) fn stroke(&self) -> Option<&S> {
        match self {
            Self::Working(stroke) => Some(stroke),
            _ => None,
        }
    }

    /// The next state and what comes of it.
    pub(super) fn event<T: Strokes<Stroke = S>>(
        self,
        tool: &T,
        session: &Session,
        view: &ViewPlane,
        event: ToolEvent,
    ) -> (Self, Reaction) {
        if let (Self::Working(stroke), ToolEvent::Drag(_) | ToolEvent::Hover(..) | ToolEvent::Release(_)) =
            (&self, event)
            && let Some(why) = interrupted(session, T::began_on(stroke))
        {
            let reaction = Reaction::message(&why);
            let hand = match event {
                ToolEvent::Release(at) => Self::Hovering(at, Modifiers::default()),
                _ => Self::Refused(why),
            };
            return (hand, reaction);
        }
        match (self, event) {
            (Self::Working(stroke), ToolEvent::Leave) => (Self::Working(stroke), Reaction::default()),
            (_, ToolEvent::Escape | ToolEvent::Leave) => (Self::Away, Reaction::default()),
            (_, ToolEvent::Press(at, keys)) => match tool.begin(session, view, at, keys) {
                Ok(mut stroke) => {
                    let reaction = tool.go_on(session, &mut stroke, at);
                    (Self::Working(Box::new(stroke)), reaction)
                }
                Err(why) => {
                    let reaction = Reaction::message(&why);
                    (Self::Refused(why), reaction)
                }
            },
            (Self::Working(mut stroke), ToolEvent::Drag(at) | ToolEvent::Hover(at, _)) => {
                let reaction = tool.go_on(session, &mut stroke, at);
                (Self::Working(stroke), reaction)
            }
            (Self::Working(stroke), ToolEvent::Release(at)) => {
                let reaction = tool.finish(session, *stroke, at);
                (Self::Hovering(at, Modifiers::default()), reaction)
            }
            (Self::Refused(why), ToolEvent::Drag(_)) => {
                let reaction = Reaction::message(&why);
                (Self::Refused(why), reaction)
            }
            (_, ToolEvent::Release(at) | ToolEvent::Drag(at)) => {
                (Self::Hovering(at, Modifiers::default()), Reaction::default())
            }
            (_, ToolEvent::Hover(at, keys)) => (Self::Hovering(at, keys), Reaction::default()),
        }
    }

    /// The cursor where the tool itself has nothing to say: away from views, and refused.
    pub(super) fn plain_cursor(&self) -> Option<Cursor> {
        match self {
            Self::Away => Some(Cursor::plain(CursorShape::Arrow)),
            Self::Refused(why) => Some(Cursor {
                shape: CursorShape::Forbidden,
                sign: None,
                color: None,
                label: Some(why.clone()),
            }),
            _ => None,
        }
    }
}
