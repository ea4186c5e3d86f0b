//! The tools without a preview: crosshair, delete contour.

use super::canvas::on_nearest_slice;
use super::{Cursor, CursorShape, Reaction, ToolEvent};
use crate::edit;
use crate::geometry::Point3;
use crate::patient::RoiId;
use crate::session::{Command, Session};

/// Moves the crosshair by click and drag.
#[derive(Debug, Default)]
pub struct NavigateTool {
    dragging: bool,
}

impl NavigateTool {
    /// Whether the crosshair is being dragged.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.dragging
    }

    /// Lets the crosshair go where it is.
    pub fn cancel(&mut self) {
        self.dragging = false;
    }

    /// The next state and where the crosshair goes.
    pub fn event(&mut self, event: ToolEvent) -> Reaction {
        let at = match event {
            ToolEvent::Press(at, _) => {
                self.dragging = true;
                Some(at)
            }
            ToolEvent::Drag(at) if self.dragging => Some(at),
            ToolEvent::Release(_) | ToolEvent::Escape => {
                self.dragging = false;
                None
            }
            _ => None,
        };
        Reaction { crosshair: at, ..Reaction::default() }
    }
}

/// Deletes the contour of the selected structure under the cursor, on the slice nearest to it: a piece, or
/// a hole of one.
#[derive(Debug, Default)]
pub struct DeleteContourTool {
    at: Option<Point3>,
    pressed: Option<RoiId>,
}

impl DeleteContourTool {
    /// Whether the button is down over what a release would delete.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.pressed.is_some()
    }

    /// Lets the contour be.
    pub fn cancel(&mut self) {
        self.pressed = None;
    }

    /// The next state and what comes of it: a press on a contour and a release delete it.
    pub fn event(&mut self, session: &Session, event: ToolEvent) -> Reaction {
        match event {
            ToolEvent::Hover(at, _) | ToolEvent::Drag(at) => self.at = Some(at),
            ToolEvent::Leave => self.at = None,
            ToolEvent::Escape => self.pressed = None,
            ToolEvent::Press(at, _) => {
                self.at = Some(at);
                // A press that is refused leaves none of an earlier one.
                self.pressed = None;
                let selected = session.selected().map(|roi| roi.id);
                match session.may_draw(selected, None) {
                    Ok(roi) => self.pressed = Some(roi.id),
                    Err(refusal) => return Reaction::message(&refusal),
                }
            }
            ToolEvent::Release(at) => {
                self.at = Some(at);
                let pressed = self.pressed.take();
                if let Some(roi) = pressed.filter(|id| session.selected().is_some_and(|own| own.id == *id)) {
                    return Reaction::command(Command::DeleteContour { roi, at });
                }
            }
        }
        Reaction::default()
    }

    /// The contour that a click would delete, and what is said of it.
    fn meant(&self, session: &Session) -> Option<(Vec<Point3>, &'static str)> {
        let roi = session.selected()?;
        let (own, at) = on_nearest_slice(&session.series().volume, roi, self.at?)?;
        let meant = edit::contour_at(&own.polygons, at)?;
        let ring = meant.ring(&own.polygons)?.iter().map(|point| own.plane.lift(*point)).collect();
        Some((ring, if meant.hole.is_some() { "delete hole" } else { "delete contour" }))
    }

    /// The ring that a click would delete, patient mm; empty where it deletes nothing.
    #[must_use]
    pub fn doomed(&self, session: &Session) -> Vec<Point3> {
        self.meant(session).map_or_else(Vec::new, |(ring, _)| ring)
    }

    /// How the cursor looks now: a minus over a contour that a click would delete, with what it is.
    #[must_use]
    pub fn cursor(&self, session: &Session) -> Cursor {
        let roi = session.selected();
        let meant = self.meant(session);
        let label = roi.map(|roi| match &meant {
            Some((_, what)) => format!("{}: {what}", roi.name),
            None => roi.name.clone(),
        });
        Cursor {
            shape: CursorShape::Cross,
            sign: meant.map(|_| edit::Sign::Cut),
            color: roi.map(|roi| roi.color),
            label,
        }
    }
}
