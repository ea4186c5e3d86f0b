//! Drag points: single points of an outline are moved, inserted and removed.
//!
//! On a slice the points are the outline's own vertices, thinned where they are dense. A drag moves
//! one of them, with the vertices between it and the points shown beside it, or bends the outline
//! with it over the radius, less with the distance along the outline. Seen across the slices the
//! points are the places where the view meets the outlines: there the outline of the slice bends over
//! the slab that freehand acts on, or, softly, over the radius and with the neighbouring slices;
//! contours keep to their slices, so only the part of a drag along them counts.

use super::canvas::{Canvas, Cut, Tidy, cut_of, cuts_across, slices_between};
use super::gesture::{Hand, Strokes};
use super::hint::{self, Hint};
use super::{Cursor, CursorShape, Modifiers, Preview, Reaction, ToolEvent, ViewPlane, region};
use crate::edit::{OutlinePlace, bent, nearest_on_outline, nearest_vertex, point_removed, pulled};
use crate::geometry::{Plane, Point2, Point3, Polygon, Vector2, Vector3};
use crate::patient::{Roi, RoiId};
use crate::session::{Refusal, Session};

/// How close to a point counts as on it, screen pixels.
const NEAR_PIXELS: f64 = 9.0;
/// How far around the pointer points are shown, screen pixels.
const SHOWN_PIXELS: f64 = 90.0;
/// The least distance between points shown, screen pixels.
const APART_PIXELS: f64 = 11.0;

/// A drag of less is none, screen pixels.
const LEAST_DRAG_PIXELS: f64 = 3.0;

/// Why a drag away from the slice does nothing.
const KEPT_TO_SLICE: &str = "Contours keep to their slices: drag a point sideways, or use Push or Move.";

/// What a press does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Drag,
    Insert,
    Remove,
}

#[derive(Debug)]
pub(super) struct Stroke {
    cut: Cut,
    slice: usize,
    place: OutlinePlace,
    action: Action,
    from: Point3,
    last: Point3,
    view: Plane,
    pixel_mm: f64,
    canvas: Canvas,
}

impl Stroke {
    /// Whether the drag goes more along the slices' normal than along the slices.
    fn is_away_from_slice(&self, session: &Session) -> bool {
        let by = self.last - self.from;
        let normal = session.series().volume.base_plane().map_or_else(Vector3::z, |base| base.normal());
        let rise = normal.dot(&by).abs();
        by.norm() > LEAST_DRAG_PIXELS * self.pixel_mm && rise > (by - normal * normal.dot(&by)).norm()
    }
}

/// Drag points.
#[derive(Debug, Default)]
pub struct PointsTool {
    soft: bool,
    radius_mm: f64,
    thickness_mm: f64,
    /// Whether the pointer is in a view across the slices.
    across: bool,
    shown: Vec<Point3>,
    hand: Hand<Stroke>,
}

impl PointsTool {
    /// Whether the outline bends with the point over the radius, rather than between the points shown.
    #[must_use]
    pub fn is_soft(&self) -> bool {
        self.soft
    }

    /// Bends the outline with the point over the radius, or only between the points shown.
    pub fn set_soft(&mut self, soft: bool) {
        self.soft = soft;
    }

    /// Whether a point is being dragged.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.hand.is_busy()
    }

    /// Puts the point back.
    pub fn cancel(&mut self) {
        self.hand = Hand::Away;
        self.shown.clear();
    }

    /// The contours as they would be if the drag ended now.
    #[must_use]
    pub fn preview(&self) -> Option<&Preview> {
        self.hand.stroke().map(|stroke| stroke.canvas.preview())
    }

    /// The points near the pointer, patient mm.
    #[must_use]
    pub fn anchors(&self) -> &[Point3] {
        &self.shown
    }

    /// The next state and what comes of it. `radius_mm` is how far the outline bends, `thickness_mm`
    /// the slab across the slices.
    pub fn event(
        &mut self,
        session: &Session,
        view: &ViewPlane,
        event: ToolEvent,
        (radius_mm, thickness_mm): (f64, f64),
    ) -> Reaction {
        self.radius_mm = radius_mm;
        self.thickness_mm = thickness_mm;
        self.across = cuts_across(&session.series().volume, view);
        let hand = std::mem::take(&mut self.hand);
        let (hand, reaction) = hand.event(self, session, view, event);
        self.hand = hand;
        self.shown = match &self.hand {
            Hand::Hovering(at, _) if reaction.command.is_none() => points_near(session, view, *at),
            Hand::Working(stroke) if stroke.action != Action::Remove => vec![stroke.last],
            _ => Vec::new(),
        };
        reaction
    }

    /// Moves the point from scratch to where the pointer is.
    fn apply(&self, session: &Session, stroke: &mut Stroke) {
        let Some(roi) = session.selected() else { return };
        let by = stroke.last - stroke.from;
        let alone = stroke.cut != Cut::Across && !self.soft;
        let tidy = match stroke.action {
            Action::Insert if by == Vector3::zeros() => Tidy::Nothing,
            Action::Insert | Action::Remove => Tidy::Slivers,
            Action::Drag => {
                if alone {
                    Tidy::Slivers
                } else {
                    Tidy::All
                }
            }
        };
        let mut canvas = Canvas::new(session, roi).tidying(tidy);
        let in_plane = |plane: &Plane| Vector2::new(plane.u().dot(&by), plane.v().dot(&by));
        let apart = APART_PIXELS * stroke.pixel_mm;
        let place = stroke.place;
        match stroke.action {
            Action::Remove => canvas.change(session, stroke.slice, |_, own| point_removed(own, &place)),
            Action::Insert => {
                canvas.change(session, stroke.slice, |plane, own| {
                    Some(pulled(own, &place, in_plane(plane), apart))
                });
            }
            Action::Drag if by == Vector3::zeros() => {}
            Action::Drag if alone => {
                canvas.change(session, stroke.slice, |plane, own| {
                    Some(pulled(own, &place, in_plane(plane), apart))
                });
            }
            Action::Drag => {
                let reach = self.reach_mm();
                canvas.change(session, stroke.slice, |plane, own| {
                    Some(bent(own, &place, in_plane(plane), reach, |away| falloff(away, 0.0, reach)))
                });
                if self.soft && stroke.cut == Cut::Across {
                    self.bend_neighbours(session, roi, stroke, &mut canvas);
                }
            }
        }
        canvas.refresh();
        stroke.canvas = canvas;
    }

    /// How far along the outline a bend reaches, mm.
    fn reach_mm(&self) -> f64 {
        if self.soft { self.radius_mm } else { self.thickness_mm / 2.0 }
    }

    /// Across the slices a soft drag takes the outlines of neighbouring slices along, less with
    /// their distance.
    fn bend_neighbours(&self, session: &Session, roi: &Roi, stroke: &Stroke, canvas: &mut Canvas) {
        let volume = &session.series().volume;
        let reach = self.radius_mm;
        let middle = volume.slices[stroke.slice].plane.offset_mm();
        let by = stroke.last - stroke.from;
        for slice in slices_between(volume, middle, middle, reach) {
            let Some(own) = roi.plane_at(&volume.slices[slice].plane).filter(|_| slice != stroke.slice)
            else {
                continue;
            };
            let height = volume.slices[slice].plane.offset_mm() - middle;
            let room = (reach * reach - height * height).max(0.0).sqrt();
            let foot = own.plane.project(stroke.from);
            let nearest = met(&own.polygons, &own.plane, &stroke.view)
                .filter(|place| (place.point - foot).norm() < room)
                .min_by(|a, b| (a.point - foot).norm().total_cmp(&(b.point - foot).norm()));
            if let Some(place) = nearest {
                canvas.change(session, slice, |plane, polygons| {
                    let by = Vector2::new(plane.u().dot(&by), plane.v().dot(&by));
                    Some(bent(polygons, &place, by, room, |away| falloff(away, height, reach)))
                });
            }
        }
    }

    /// How the cursor looks now.
    #[must_use]
    pub fn cursor(&self, session: &Session) -> Cursor {
        let roi = session.selected();
        self.hand.plain_cursor().unwrap_or_else(|| {
            let what = match &self.hand {
                Hand::Hovering(_, keys) if self.across && (keys.invert || keys.shift) => "",
                Hand::Hovering(_, keys) if keys.invert => ": insert a point",
                Hand::Hovering(_, keys) if keys.shift => ": remove a point",
                _ => "",
            };
            let label = roi.map(|roi| format!("{}{what}", roi.name));
            Cursor { shape: CursorShape::Cross, sign: None, color: roi.map(|roi| roi.color), label }
        })
    }

    /// What the person can do now.
    #[must_use]
    pub fn hint(&self) -> Hint {
        match (&self.hand, self.soft) {
            (Hand::Working(_), _) => "Release to keep the point there, Esc to put it back".into(),
            (Hand::Refused(_), _) => Hint::default(),
            (_, false) if self.across => {
                "Drag a point sideways: the outline of its slice bends; Push and Move work across slices"
                    .into()
            }
            (_, true) if self.across => Hint {
                text: "Drag a point sideways, outlines of slices beside it bend along",
                keys: hint::REACH,
            },
            (_, false) => "Drag a point of the outline; Ctrl inserts one, Shift removes one".into(),
            (_, true) => Hint {
                text: "Drag a point, the outline bends with it; Ctrl inserts one, Shift removes one",
                keys: hint::REACH,
            },
        }
    }
}

/// One at the point, 0 from `reach` on, smooth: (1 - s^2)^2; `height` is the distance off the slice.
fn falloff(away: f64, height: f64, reach: f64) -> f64 {
    let rest = 1.0 - (away * away + height * height) / (reach * reach).max(1e-12);
    if rest > 0.0 { rest * rest } else { 0.0 }
}

/// The places where a view's plane meets the outlines of a slice.
fn met<'a>(
    polygons: &'a [Polygon],
    own: &'a Plane,
    view: &'a Plane,
) -> impl Iterator<Item = OutlinePlace> + 'a {
    let rings = polygons.iter().enumerate().flat_map(|(piece, polygon)| {
        polygon.rings().enumerate().map(move |(ring, points)| (piece, ring, points))
    });
    rings.flat_map(move |(piece, ring, points)| {
        let height = move |point: &Point2| view.distance_mm(own.lift(*point));
        points.iter().zip(points.iter().cycle().skip(1)).enumerate().filter_map(move |(edge, (a, b))| {
            let (from, to) = (height(a), height(b));
            ((from > 0.0) != (to > 0.0)).then(|| {
                let along = (from / (from - to)).clamp(0.0, 1.0 - 1e-9);
                OutlinePlace { piece, ring, edge, along, point: a + (b - a) * along }
            })
        })
    })
}

/// The points of the selected structure near `at` that can be dragged, patient mm; those further
/// from each other than [`APART_PIXELS`] along the outline.
fn points_near(session: &Session, view: &ViewPlane, at: Point3) -> Vec<Point3> {
    let volume = &session.series().volume;
    let Some(roi) = session.selected() else { return Vec::new() };
    let (shown, apart) = (SHOWN_PIXELS * view.pixel_mm, APART_PIXELS * view.pixel_mm);
    match cut_of(volume, view, at) {
        Ok(Cut::Along(slice)) => {
            let Some(own) = roi.plane_at(&volume.slices[slice].plane) else { return Vec::new() };
            let foot = own.plane.project(at);
            let mut points = Vec::new();
            for ring in own.polygons.iter().flat_map(Polygon::rings) {
                let mut last: Option<Point2> = None;
                for vertex in ring {
                    // From the ring's first vertex on, so that points do not jump with the pointer.
                    if last.is_none_or(|last| (vertex - last).norm() >= apart) {
                        last = Some(*vertex);
                        if (vertex - foot).norm() <= shown {
                            points.push(own.plane.lift(*vertex));
                        }
                    }
                }
            }
            points
        }
        Ok(Cut::Across) => {
            let Some(base) = volume.base_plane() else { return Vec::new() };
            let offset = base.normal().dot(&at.coords);
            slices_between(volume, offset, offset, shown)
                .filter_map(|slice| roi.plane_at(&volume.slices[slice].plane))
                .flat_map(|own| met(&own.polygons, &own.plane, &view.plane).map(|p| own.plane.lift(p.point)))
                .filter(|point| (point - at).norm() <= shown)
                .collect()
        }
        Err(_) => Vec::new(),
    }
}

impl Strokes for PointsTool {
    type Stroke = Stroke;

    fn began_on(stroke: &Stroke) -> (RoiId, u64) {
        stroke.canvas.based_on()
    }

    fn begin(
        &self,
        session: &Session,
        view: &ViewPlane,
        at: Point3,
        keys: Modifiers,
    ) -> Result<Stroke, String> {
        let (roi, cut) = region::may_begin(session, view, at).map_err(|refusal| refusal.to_string())?;
        let volume = &session.series().volume;
        let near = NEAR_PIXELS * view.pixel_mm;
        let action = match keys {
            Modifiers { invert: true, .. } => Action::Insert,
            Modifiers { shift: true, .. } => Action::Remove,
            _ => Action::Drag,
        };
        let (slice, place) = match cut {
            Cut::Along(slice) => {
                let own = roi.plane_at(&volume.slices[slice].plane);
                let found = own.and_then(|own| {
                    let foot = own.plane.project(at);
                    let shown = points_near(session, view, at);
                    let shown = shown.iter().map(|point| own.plane.project(*point));
                    // A point that is shown comes before its hidden neighbours.
                    let handle = shown
                        .filter(|point| (point - foot).norm() <= near)
                        .min_by(|a, b| (a - foot).norm().total_cmp(&(b - foot).norm()));
                    match action {
                        Action::Insert => nearest_on_outline(&own.polygons, foot, near),
                        Action::Drag | Action::Remove => {
                            nearest_vertex(&own.polygons, handle.unwrap_or(foot), near)
                        }
                    }
                });
                // A soft drag may take hold of the outline anywhere.
                let found = found.or_else(|| {
                    let own = own.filter(|_| self.soft && action == Action::Drag)?;
                    nearest_on_outline(&own.polygons, own.plane.project(at), near)
                });
                (slice, found)
            }
            Cut::Across if action != Action::Drag => {
                return Err("Points are inserted and removed on the slices themselves.".to_owned());
            }
            Cut::Across => {
                let offset = volume.base_plane().map_or(0.0, |base| base.normal().dot(&at.coords));
                let found = slices_between(volume, offset, offset, near)
                    .filter_map(|slice| Some((slice, roi.plane_at(&volume.slices[slice].plane)?)))
                    .flat_map(|(slice, own)| {
                        met(&own.polygons, &own.plane, &view.plane)
                            .map(move |place| (slice, place, (own.plane.lift(place.point) - at).norm()))
                    })
                    .filter(|(.., off)| *off <= near)
                    .min_by(|a, b| a.2.total_cmp(&b.2));
                match found {
                    Some((slice, place, _)) => {
                        session.may_draw(Some(roi.id), Some(slice)).map_err(|refusal| refusal.to_string())?;
                        (slice, Some(place))
                    }
                    None => (0, None),
                }
            }
        };
        let place = place.ok_or("There is no point of the outline here. Press on one that is shown.")?;
        let own = roi.plane_at(&volume.slices[slice].plane);
        if action == Action::Remove && own.is_some_and(|own| point_removed(&own.polygons, &place).is_none()) {
            return Err("An outline needs three points. Delete the contour instead.".to_owned());
        }
        let canvas = Canvas::new(session, roi);
        let (view, pixel_mm) = (view.plane, view.pixel_mm);
        let mut stroke = Stroke { cut, slice, place, action, from: at, last: at, view, pixel_mm, canvas };
        self.apply(session, &mut stroke);
        Ok(stroke)
    }

    fn go_on(&self, session: &Session, stroke: &mut Stroke, at: Point3) -> Reaction {
        if at != stroke.last {
            stroke.last = at;
            if stroke.action != Action::Remove {
                self.apply(session, stroke);
            }
        }
        Reaction::default()
    }

    fn finish(&self, session: &Session, mut stroke: Stroke, at: Point3) -> Reaction {
        self.go_on(session, &mut stroke, at);
        if session.selected().is_none() {
            return Reaction::message(&Refusal::NoRoi);
        }
        let is_lost = stroke.cut == Cut::Across && stroke.is_away_from_slice(session);
        let mut reaction = stroke.canvas.into_reaction(match stroke.action {
            Action::Drag => "Drag point",
            Action::Insert => "Insert point",
            Action::Remove => "Remove point",
        });
        if is_lost {
            reaction.message = reaction.message.or(Some(KEPT_TO_SLICE.to_owned()));
        }
        reaction
    }
}
