//! Measuring distances in a view.

use super::{Reaction, ToolEvent, ViewPlane};
use crate::geometry::{Plane, Point3};

/// A measured distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ruler {
    /// One end, patient mm.
    pub from: Point3,
    /// The other end, patient mm.
    pub to: Point3,
    /// The plane it was drawn on; it is shown where that plane is shown.
    pub plane: Plane,
}

impl Ruler {
    /// Its length, mm.
    #[must_use]
    pub fn length_mm(&self) -> f64 {
        (self.to - self.from).norm()
    }
}

/// Drag to measure; rulers stay until cleared. They are no part of the structure set.
#[derive(Debug, Default)]
pub struct RulerTool {
    drawing: Option<Ruler>,
    kept: Vec<Ruler>,
}

impl RulerTool {
    /// All rulers, the one being drawn last.
    pub fn rulers(&self) -> impl Iterator<Item = &Ruler> {
        self.kept.iter().chain(&self.drawing)
    }

    /// Removes all rulers.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.drawing = None;
    }

    /// Whether one is being drawn.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.drawing.is_some()
    }

    /// Drops the one being drawn.
    pub fn cancel(&mut self) {
        self.drawing = None;
    }

    /// The next state.
    pub fn event(&mut self, view: &ViewPlane, event: ToolEvent) -> Reaction {
        match event {
            ToolEvent::Press(at, _) => self.drawing = Some(Ruler { from: at, to: at, plane: view.plane }),
            ToolEvent::Drag(at) => {
                if let Some(ruler) = &mut self.drawing {
                    ruler.to = at;
                }
            }
            ToolEvent::Release(at) => {
                if let Some(mut ruler) = self.drawing.take() {
                    ruler.to = at;
                    // A click without a drag clears.
                    if ruler.length_mm() > view.pixel_mm * 3.0 {
                        self.kept.push(ruler);
                    } else {
                        self.kept.clear();
                    }
                }
            }
            ToolEvent::Escape => self.drawing = None,
            ToolEvent::Hover(..) | ToolEvent::Leave => {}
        }
        Reaction::default()
    }

    /// What the person can do now.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        if self.is_busy() { "Release to keep the ruler" } else { "Drag to measure, click to clear" }
    }
}
