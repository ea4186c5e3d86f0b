//! What each tool does, shown by the tool itself: a gesture on a constructed image, with the contours
//! before and after it. The pictures of the help are drawn from these and so cannot be wrong.

mod scene;

pub use scene::Scene;

use super::{FreehandMode, KeepPieces, Method, Modifiers, ShapeKind, ToolEvent, ToolKind, Tools, ViewPlane};
use crate::edit::ValueRange;
use crate::edit::segment::Uptake;
use crate::geometry::{Plane, Point2, Polygon, Vector2, clip, section};
use crate::patient::{Roi, RoiPlane, RoiType};
use crate::session::{Command, Session};
use std::f64::consts::TAU;
use std::sync::Arc;

/// What a lesson is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taught {
    /// A tool in its usual way.
    Tool(ToolKind),
    /// Freehand, replacing a part of an outline.
    Replace,
    /// Push, with a firm tool.
    Firm,
    /// A way of finding by values.
    Find(Method),
    /// Filling between drawn slices.
    Between,
    /// Filling between drawn slices, snapped to edges.
    Snapped,
}

impl Taught {
    /// All lessons, in the order of the tools.
    pub const ALL: [Self; 27] = [
        Self::Tool(ToolKind::Brush),
        Self::Tool(ToolKind::Eraser),
        Self::Tool(ToolKind::Freehand),
        Self::Replace,
        Self::Tool(ToolKind::Shape),
        Self::Tool(ToolKind::LiveWire),
        Self::Tool(ToolKind::Push),
        Self::Firm,
        Self::Tool(ToolKind::Smooth),
        Self::Tool(ToolKind::Points),
        Self::Tool(ToolKind::Knife),
        Self::Tool(ToolKind::Transform),
        Self::Tool(ToolKind::DeleteContour),
        Self::Tool(ToolKind::Grow),
        Self::Find(Method::Threshold),
        Self::Find(Method::Level),
        Self::Find(Method::Scribbles),
        Self::Find(Method::Uptake),
        Self::Find(Method::Dose),
        Self::Find(Method::Pieces),
        Self::Find(Method::Body),
        Self::Find(Method::Lungs),
        Self::Find(Method::Airways),
        Self::Find(Method::Bones),
        Self::Between,
        Self::Snapped,
        Self::Tool(ToolKind::Ruler),
    ];

    fn scene(self) -> Scene {
        match self {
            Self::Between | Self::Snapped => Scene::OrganAcross,
            Self::Find(Method::Dose) => Scene::Dose,
            Self::Find(Method::Airways) => Scene::TrunkAcross,
            Self::Find(Method::Body | Method::Lungs | Method::Bones) => Scene::Trunk,
            _ => Scene::Organ,
        }
    }
}

/// A gesture and what came of it; all coordinates are those of the picture, mm, (0, 0) its middle.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    /// What it is about.
    pub taught: Taught,
    /// What it is given on.
    pub scene: Scene,
    /// The contours before.
    pub before: Vec<Polygon>,
    /// The contours after; for a suggestion what is suggested alone.
    pub after: Vec<Polygon>,
    /// The pointer's way with the button down, one list a stroke; a click is one point. Whether it
    /// marks what does not belong.
    pub strokes: Vec<(Vec<Point2>, bool)>,
    /// The radius of the round tip, mm.
    pub tip_mm: Option<f64>,
    /// The contours after are suggested, to be taken over.
    pub is_suggested: bool,
}

/// Between slices of the organ's image, mm.
const SLICE_MM: f64 = 3.0;

/// Performs the gesture; `None` only where the constructed image cannot be made.
#[must_use]
pub fn lesson(taught: Taught) -> Option<Lesson> {
    let mut hand = Hand::new(taught)?;
    match taught {
        Taught::Tool(kind) => hand.use_tool(kind),
        Taught::Replace => {
            hand.draw(too_far_right());
            hand.tools.freehand.set_mode(FreehandMode::Replace);
            hand.stroke(&[
                (5.0, -17.5),
                (16.0, -14.0),
                (24.0, -7.0),
                (26.0, 0.0),
                (24.0, 7.0),
                (16.0, 14.0),
                (5.0, 17.5),
            ]);
        }
        Taught::Firm => {
            hand.draw(dented());
            hand.tools.mold.set_firm(true);
            hand.tip(9.0);
            // Along the organ's edge, a radius inside of it.
            hand.stroke(&beside_edge(-9.0, 10));
        }
        Taught::Find(method) => hand.find(method),
        Taught::Between => {
            for (slice, part) in [(-6, 0.66), (0, 1.0), (6, 0.66)] {
                hand.draw_on(slice, organ(26.0 * part, 17.0 * part));
            }
            hand.tools.between.set_on(true);
        }
        Taught::Snapped => {
            for slice in [-6, 6] {
                hand.draw_on(slice, organ(26.0 * 0.66, 17.0 * 0.66));
            }
            hand.tools.between.set_snap_reach_mm(12.0);
            hand.tools.between.set_snaps(true);
            hand.tools.between.set_on(true);
        }
    }
    Some(hand.done())
}

/// An ellipse around the middle.
fn organ(a: f64, b: f64) -> Vec<Polygon> {
    vec![round(0.0, 0.0, a, b)]
}

fn round(x: f64, y: f64, a: f64, b: f64) -> Polygon {
    let vertex = |n: u32| {
        let (sine, cosine) = (f64::from(n) / 90.0 * TAU).sin_cos();
        Point2::new(x + a * cosine, y + b * sine)
    };
    Polygon::from_outer((0..90).map(vertex).collect())
}

/// The organ, drawn too far on the right.
fn too_far_right() -> Vec<Polygon> {
    clip::union(&organ(26.0, 17.0), &[round(9.0, 0.0, 26.0, 14.0)])
}

/// The organ with a dent on the right.
fn dented() -> Vec<Polygon> {
    clip::difference(&organ(26.0, 17.0), &[round(28.0, 0.0, 15.0, 12.0)])
}

/// A way along the organ's right edge, `out_mm` outside of it, over so many tenths of a radian to either side.
fn beside_edge(out_mm: f64, tenths: i32) -> Vec<(f64, f64)> {
    (-tenths..=tenths)
        .map(|n| (f64::from(n) * 0.1).sin_cos())
        .map(|(sine, cosine)| {
            let out = Vector2::new(17.0 * cosine, 26.0 * sine).normalize() * out_mm;
            (26.0 * cosine + out.x, 17.0 * sine + out.y)
        })
        .collect()
}

/// The left part of the organ, up to `x`.
fn part_up_to(x: f64) -> Vec<Polygon> {
    let corners = [(-48.0, -32.0), (x, -32.0), (x, 32.0), (-48.0, 32.0)];
    let left = Polygon::from_outer(corners.map(|(x, y)| Point2::new(x, y)).to_vec());
    clip::intersection(&organ(26.0, 17.0), &[left])
}

/// A session on the constructed image and the tools in a hand.
struct Hand {
    taught: Taught,
    scene: Scene,
    session: Session,
    tools: Tools,
    view: ViewPlane,
    before: Option<Vec<Polygon>>,
    strokes: Vec<(Vec<Point2>, bool)>,
    tip_mm: Option<f64>,
}

impl Hand {
    fn new(taught: Taught) -> Option<Self> {
        let scene = taught.scene();
        let mut session = Session::new(Arc::new(scene.series()?));
        let add = Command::AddRoi { name: "Organ".to_owned(), color: None, roi_type: RoiType::Organ };
        session.apply(add).ok()?;
        let mut tools = Tools::default();
        tools.choose(match taught {
            Taught::Tool(kind) => kind,
            Taught::Replace => ToolKind::Freehand,
            Taught::Firm => ToolKind::Push,
            Taught::Find(_) => ToolKind::Segment,
            Taught::Between | Taught::Snapped => ToolKind::Navigate,
        });
        let view = ViewPlane { plane: scene.plane(), pixel_mm: scene.pixel_mm() };
        Some(Self { taught, scene, session, tools, view, before: None, strokes: Vec::new(), tip_mm: None })
    }

    fn use_tool(&mut self, kind: ToolKind) {
        match kind {
            ToolKind::Brush => {
                self.draw(part_up_to(6.0));
                self.tip(9.0);
                self.stroke(&[(6.0, -4.0), (12.0, -2.0), (16.0, 0.0), (14.0, 4.0)]);
            }
            ToolKind::Eraser => {
                self.draw(too_far_right());
                self.tip(9.0);
                // Along the organ's edge, a radius outside of it.
                self.stroke(&beside_edge(9.0, 14));
            }
            ToolKind::Freehand => {
                self.draw(part_up_to(6.0));
                self.stroke(&[
                    (0.0, -8.0),
                    (7.0, -16.0),
                    (16.0, -13.0),
                    (24.0, -6.0),
                    (26.0, 0.0),
                    (24.0, 6.0),
                    (16.0, 13.0),
                    (7.0, 16.0),
                    (0.0, 8.0),
                ]);
            }
            ToolKind::Shape => {
                self.draw(Vec::new());
                self.tools.shape.set_kind(ShapeKind::Spline);
                for n in 0..8 {
                    let (sine, cosine) = (f64::from(n) / 8.0 * TAU).sin_cos();
                    self.stroke(&[(26.0 * cosine, 17.0 * sine)]);
                }
                let closed = self.tools.finish(&self.session).command;
                self.apply(closed);
            }
            ToolKind::LiveWire => {
                self.draw(Vec::new());
                for angle in [0.4_f64, 1.9, 3.4, 4.9] {
                    self.stroke(&[(26.0 * angle.cos(), 17.0 * angle.sin())]);
                }
                let closed = self.tools.finish(&self.session).command;
                self.apply(closed);
            }
            ToolKind::Push => {
                self.draw(dented());
                self.tip(9.0);
                self.stroke(&[(4.0, 0.0), (16.0, 0.0)]);
            }
            ToolKind::Smooth => {
                self.draw(vec![ragged()]);
                self.tip(8.0);
                let way = [(-22.0, -9.0), (-12.0, -15.0), (0.0, -17.0), (12.0, -15.0), (22.0, -9.0)];
                let back: Vec<(f64, f64)> = way.iter().rev().copied().collect();
                // To and fro, as one does.
                self.stroke(&[&way[..], &back, &way, &back, &way].concat());
            }
            ToolKind::Points => {
                let corners =
                    [(-26.0, 0.0), (-13.0, -15.0), (13.0, -15.0), (18.0, 0.0), (13.0, 15.0), (-13.0, 15.0)];
                self.draw(vec![Polygon::from_outer(corners.map(|(x, y)| Point2::new(x, y)).to_vec())]);
                self.stroke(&[(18.0, 0.0), (27.0, 0.0)]);
            }
            ToolKind::Knife => {
                self.draw(organ(26.0, 17.0));
                self.stroke(&[(2.0, -24.0), (10.0, 24.0)]);
            }
            ToolKind::Transform => {
                self.draw(vec![round(12.0, 9.0, 26.0, 17.0)]);
                self.stroke(&[(12.0, 9.0), (0.0, 0.0)]);
            }
            ToolKind::DeleteContour => {
                let mut pieces = organ(26.0, 17.0);
                pieces.push(round(38.0, -20.0, 7.0, 7.0));
                self.draw(pieces);
                self.stroke(&[(38.0, -20.0)]);
            }
            ToolKind::Grow => {
                self.draw(Vec::new());
                self.stroke(&[(8.0, 2.0)]);
                self.tools.grow.settle(&self.session);
            }
            ToolKind::Ruler => self.stroke(&[(-26.0, 0.0), (26.0, 0.0)]),
            ToolKind::Navigate | ToolKind::Segment => {}
        }
    }

    fn find(&mut self, method: Method) {
        if method == Method::Pieces {
            let right = Polygon::from_outer(
                [(12.0, -32.0), (48.0, -32.0), (48.0, 32.0), (12.0, 32.0)]
                    .map(|(x, y)| Point2::new(x, y))
                    .to_vec(),
            );
            let mut pieces = part_up_to(-12.0);
            pieces.extend(clip::intersection(&organ(26.0, 17.0), &[right]));
            self.draw(pieces);
        } else {
            self.draw(Vec::new());
        }
        let mut settings = self.tools.segment.settings();
        settings.method = method;
        self.tools.segment.set_settings(&self.session, settings);
        match method {
            Method::Threshold => {
                settings.range = Some(ValueRange { low: 110.0, high: 3000.0 });
                settings.keep = KeepPieces::Largest;
                self.tools.segment.set_settings(&self.session, settings);
            }
            Method::Level => self.stroke(&[(26.0, 0.0)]),
            Method::Uptake => {
                settings.uptake = Uptake::PartOfMaximum(0.6);
                self.tools.segment.set_settings(&self.session, settings);
                self.stroke(&[(-9.0, 1.0), (-9.0, 11.0)]);
            }
            Method::Pieces => self.stroke(&[(0.0, 0.0)]),
            Method::Scribbles => {
                self.stroke(&[(-16.0, 6.0), (-10.0, -2.0), (0.0, 3.0), (12.0, 0.0)]);
                for line in [[(-30.0, -20.0), (26.0, -23.0)], [(-26.0, 23.0), (30.0, 20.0)]] {
                    self.stroke_with(Modifiers { invert: true, shift: false }, &line);
                }
            }
            Method::Dose => self.tools.set_dose(&self.session, self.scene.dose().as_ref()),
            Method::Body => self.stroke(&[(0.0, -60.0)]),
            Method::Lungs => self.stroke(&[(-80.0, 0.0)]),
            Method::Airways => self.stroke(&[(0.0, -100.0)]),
            Method::Bones => self.stroke(&[(0.0, 68.0)]),
        }
        self.tools.segment.settle(&self.session);
    }

    fn tip(&mut self, radius_mm: f64) {
        self.tools.brush.set_radius_mm(radius_mm);
        self.tip_mm = Some(radius_mm);
    }

    /// Draws on the middle slice: what the lesson begins with.
    fn draw(&mut self, polygons: Vec<Polygon>) {
        self.draw_on(0, polygons);
    }

    /// Draws on the slice so many above the middle.
    fn draw_on(&mut self, slice: i32, polygons: Vec<Polygon>) {
        let plane = RoiPlane::new(Plane::axial(f64::from(slice) * SLICE_MM), None, polygons);
        if let Some(roi) = self.session.selected().filter(|_| !plane.polygons.is_empty()) {
            let (roi, based_on) = (roi.id, roi.revision);
            let command = Command::SetPlanes { roi, gesture: "Draw", based_on, planes: vec![plane] };
            self.apply(Some(command));
        }
        self.before = self.session.selected().map(|roi| self.seen(roi));
    }

    fn apply(&mut self, command: Option<Command>) {
        if let Some(command) = command
            && let Err(refusal) = self.session.apply(command)
        {
            tracing::warn!("a picture of the help is incomplete: {refusal}");
        }
    }

    fn stroke(&mut self, path: &[(f64, f64)]) {
        self.stroke_with(Modifiers::default(), path);
    }

    /// Presses, drags along the path a millimetre at a time, and lets go.
    fn stroke_with(&mut self, keys: Modifiers, path: &[(f64, f64)]) {
        let path: Vec<Point2> = path.iter().map(|(x, y)| Point2::new(*x, *y)).collect();
        let Some(last) = path.last().copied() else { return };
        let at = |point: Point2, hand: &Self| hand.view.plane.lift(point);
        let first = at(path[0], self);
        self.event(ToolEvent::Hover(first, keys));
        self.event(ToolEvent::Press(first, keys));
        for ends in path.windows(2) {
            let along = ends[1] - ends[0];
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few dozen")]
            let steps = along.norm().ceil() as u32;
            for step in 1..=steps {
                let point = ends[0] + along * (f64::from(step) / f64::from(steps));
                self.event(ToolEvent::Drag(at(point, self)));
            }
        }
        self.event(ToolEvent::Release(at(last, self)));
        self.strokes.push((path, keys.invert));
    }

    fn event(&mut self, event: ToolEvent) {
        let reaction = self.tools.event(&self.session, &self.view, event);
        self.apply(reaction.command);
    }

    /// The contours of a structure in the picture.
    fn seen(&self, roi: &Roi) -> Vec<Polygon> {
        match roi.plane_at(&self.view.plane) {
            Some(own) => own.polygons.clone(),
            None => section::cut(&roi.slabs(Some(&self.session.series().volume)), &self.view.plane),
        }
    }

    fn done(mut self) -> Lesson {
        self.tools.update(&self.session);
        self.tools.between.settle(&self.session);
        let suggested = self.tools.suggestion().map(|suggestion| self.seen(suggestion.shown()));
        let is_suggested = suggested.is_some();
        let after = suggested.or_else(|| self.session.selected().map(|roi| self.seen(roi)));
        Lesson {
            taught: self.taught,
            scene: self.scene,
            before: self.before.unwrap_or_default(),
            after: after.unwrap_or_default(),
            strokes: self.strokes,
            tip_mm: self.tip_mm,
            is_suggested,
        }
    }
}

/// The organ, with a ragged upper side.
fn ragged() -> Polygon {
    let vertex = |n: u32| {
        let (sine, cosine) = (f64::from(n) / 120.0 * TAU).sin_cos();
        let out = if sine < -0.3 && n % 4 < 2 { 1.1 } else { 1.0 };
        Point2::new(26.0 * cosine * out, 17.0 * sine * out)
    };
    Polygon::from_outer((0..120).map(vertex).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(polygons: &[Polygon]) -> f64 {
        polygons.iter().map(Polygon::area_mm2).sum()
    }

    /// How far the contours after the gesture are from `wanted`, in parts of its area.
    fn off(lesson: &Lesson, wanted: &[Polygon]) -> f64 {
        area(&clip::xor(&lesson.after, wanted)) / area(wanted)
    }

    /// What is wrong with a lesson's end.
    fn wrong(lesson: &Lesson) -> Option<String> {
        let organ = organ(26.0, 17.0);
        let (after, own) = (off(lesson, &organ), area(&lesson.after));
        let is_right = match lesson.taught {
            Taught::Tool(ToolKind::Knife) => lesson.after.len() == 2 && after < 1e-4,
            Taught::Tool(ToolKind::Transform | ToolKind::DeleteContour) => after < 1e-4,
            // Six corners, and an organ without its bright spot.
            Taught::Tool(ToolKind::Points | ToolKind::Grow) => after < 0.2,
            Taught::Find(Method::Threshold | Method::Uptake) => (own - 113.0).abs() < 10.0,
            // What is off the shortest ways between the two stays out.
            Taught::Find(Method::Pieces) => {
                lesson.before.len() == 2 && lesson.after.len() == 1 && own > 0.75 * area(&organ)
            }
            Taught::Tool(ToolKind::Smooth) => {
                let length = |polygons: &[Polygon]| -> f64 {
                    let ring = &polygons[0].outer;
                    ring.iter().zip(ring.iter().cycle().skip(1)).map(|(a, b)| (b - a).norm()).sum()
                };
                after < 0.12 && length(&lesson.after) < 0.95 * length(&lesson.before)
            }
            Taught::Tool(ToolKind::Ruler) => lesson.strokes.len() == 1,
            Taught::Find(Method::Dose) => off(lesson, &[round(0.0, 0.0, 34.0, 25.0)]) < 0.03,
            Taught::Find(Method::Body) => off(lesson, &[round(0.0, 0.0, 165.0, 103.0)]) < 0.02,
            Taught::Find(Method::Lungs) => {
                let lungs = [-79.0, 79.0].map(|x| round(x, -2.0, 52.0, 70.0));
                lesson.after.len() == 2 && off(lesson, &lungs) < 0.09
            }
            // What is not lung's is one tree from the upper end of the scan down to both lungs.
            Taught::Find(Method::Airways) => {
                let tree = lesson.after.iter().max_by(|a, b| a.area_mm2().total_cmp(&b.area_mm2()));
                let reaches = |x: f64, y: f64| tree.is_some_and(|tree| tree.contains(Point2::new(x, y)));
                reaches(0.0, -100.0) && reaches(-50.0, 8.0) && reaches(50.0, 8.0) && own < 8000.0
            }
            Taught::Find(Method::Bones) => {
                let spine = [round(0.0, 68.0, 21.0, 21.0)];
                let missing = area(&clip::difference(&spine, &lesson.after)) / area(&spine);
                missing < 0.06 && lesson.after.len() > 5
            }
            // The organ's outline between the drawn slices, 33 mm of its 48.
            Taught::Snapped => lesson.is_suggested && (own / 1026.0 - 1.0).abs() < 0.06,
            Taught::Between => {
                lesson.is_suggested && lesson.before.len() == 3 && own > 2.0 * area(&lesson.before)
            }
            // The circle's own rim is the outline then.
            Taught::Firm => after < 0.03,
            // What is drawn, or found, is the organ.
            _ => after < 0.12,
        };
        let changes = lesson.before.is_empty() || lesson.before != lesson.after;
        let [half_width, half_height] = lesson.scene.half_mm();
        let inside = |p: &Point2| p.x.abs() <= half_width && p.y.abs() <= half_height;
        let rings = lesson.before.iter().chain(&lesson.after).flat_map(Polygon::rings).flatten();
        let fits = rings.chain(lesson.strokes.iter().flat_map(|(points, _)| points)).all(inside);
        (!is_right || !changes && lesson.taught != Taught::Tool(ToolKind::Ruler) || !fits).then(|| {
            format!("{:?}: off by {after:.3}, area {own:.0}, changes {changes}, fits {fits}", lesson.taught)
        })
    }

    #[test]
    fn every_lesson_ends_as_its_picture_promises() {
        let wrong: Vec<String> =
            Taught::ALL.into_iter().filter_map(|taught| wrong(&lesson(taught).unwrap())).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
