//! Implicit shapes: a function of position that is negative inside and about the distance to the
//! surface in millimetres near it. Atlas space: mm, x to the patient's left, y to the back, z to
//! the head.

pub(super) type V3 = nalgebra::Vector3<f32>;

/// An axis-aligned box (least, greatest corner) that holds a shape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) low: V3,
    pub(super) high: V3,
}

impl Bounds {
    pub(super) fn empty() -> Self {
        Self { low: V3::repeat(f32::INFINITY), high: V3::repeat(f32::NEG_INFINITY) }
    }

    pub(super) fn around(center: V3, radius: f32) -> Self {
        Self { low: center.add_scalar(-radius), high: center.add_scalar(radius) }
    }

    pub(super) fn join(&self, other: &Self) -> Self {
        Self { low: self.low.inf(&other.low), high: self.high.sup(&other.high) }
    }

    pub(super) fn meet(&self, other: &Self) -> Self {
        Self { low: self.low.sup(&other.low), high: self.high.inf(&other.high) }
    }

    pub(super) fn grown(&self, by: f32) -> Self {
        Self { low: self.low.add_scalar(-by), high: self.high.add_scalar(by) }
    }

    pub(super) fn center(&self) -> V3 {
        (self.low + self.high) * 0.5
    }
}

/// A place to ask about at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ball {
    pub(super) center: V3,
    pub(super) radius: f32,
}

impl Ball {
    pub(super) fn point(center: V3) -> Self {
        Self { center, radius: 0.0 }
    }
}

/// A piece of a tube: a rounded cone between two balls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    from: V3,
    along: V3,
    inverse_length2: f32,
    radius: [f32; 2],
    /// The middle of its axis, and half the axis' length: what is far from it is passed over.
    middle: V3,
    half_length: f32,
}

impl Segment {
    fn new(from: V3, to: V3, radius: [f32; 2]) -> Self {
        let along = to - from;
        let inverse_length2 = 1.0 / along.norm_squared().max(1e-6);
        Self {
            from,
            along,
            inverse_length2,
            radius,
            middle: from + along * 0.5,
            half_length: along.norm() * 0.5,
        }
    }
}

/// One cross section of a loft: a superellipse whose front (-y) and back (+y) half axes differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    pub(super) z: f32,
    pub(super) center: [f32; 2],
    pub(super) half_width: f32,
    pub(super) front: f32,
    pub(super) back: f32,
    pub(super) exponent: f32,
}

#[derive(Debug, Clone)]
pub(super) enum Shape {
    Ellipsoid {
        center: V3,
        radii: V3,
        /// Turns patient axes into the ellipsoid's.
        turn: nalgebra::Rotation3<f32>,
        exponent: f32,
    },
    Tube {
        segments: Vec<Segment>,
        /// The box of the axis, and the greatest radius.
        axis: Bounds,
        widest: f32,
        /// Distances along this unit vector count `squash` times: flattens the tube.
        flat: V3,
        squash: f32,
        /// The reciprocal of how many times a distance from the axis counts at least.
        inverse_least: f32,
    },
    Loft(Vec<Section>),
    /// The half space below (towards -direction) a plane: `direction . p < offset`.
    Half {
        direction: V3,
        offset: f32,
    },
}

impl Shape {
    /// A tube through `points` (x, y, z, radius), joined by a Catmull-Rom spline.
    pub(super) fn tube(points: &[[f32; 4]], flat: V3, squash: f32) -> Self {
        let steps = 5;
        let mut path = Vec::new();
        for i in 0..points.len().saturating_sub(1) {
            let at = |n: usize| nalgebra::Vector4::from(points[n.min(points.len() - 1)]);
            for step in 0..steps {
                let t = step as f32 / steps as f32;
                path.push(catmull_rom([at(i.saturating_sub(1)), at(i), at(i + 1), at(i + 2)], t));
            }
        }
        path.extend(points.last().map(|p| nalgebra::Vector4::from(*p)));
        let segments = path
            .windows(2)
            .map(|pair| Segment::new(pair[0].xyz(), pair[1].xyz(), [pair[0].w, pair[1].w]))
            .collect();
        Self::of_segments(segments, flat, squash)
    }

    fn of_segments(segments: Vec<Segment>, flat: V3, squash: f32) -> Self {
        let axis = segments.iter().fold(Bounds::empty(), |all, s| {
            all.join(&Bounds::around(s.from, 0.0)).join(&Bounds::around(s.from + s.along, 0.0))
        });
        let widest = segments.iter().flat_map(|s| s.radius).fold(0.0, f32::max);
        Self::Tube { segments, axis, widest, flat, squash, inverse_least: 1.0 / squash.clamp(1e-3, 1.0) }
    }

    /// Whether it is nowhere: its distance is infinite everywhere.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Tube { segments, .. } => segments.is_empty(),
            Self::Loft(sections) => sections.is_empty(),
            Self::Ellipsoid { .. } | Self::Half { .. } => false,
        }
    }

    /// Whether the distance is surely more than `limit` everywhere in a ball, or at a point if its
    /// radius is 0: told without the distance itself.
    pub(super) fn is_beyond(&self, ball: Ball, limit: f32) -> bool {
        let Ball { center: p, radius } = ball;
        match self {
            Self::Tube { axis, widest, inverse_least, .. } => {
                let reach = (limit + widest).max(0.0) * inverse_least + radius + 1e-3;
                let away = (axis.low - p).sup(&(p - axis.high)).sup(&V3::zeros());
                away.norm_squared() > reach * reach
            }
            Self::Ellipsoid { center, radii, exponent, .. } => {
                let reach = if *exponent == 2.0 {
                    radii.max() * (1.0 + limit.max(0.0) / radii.min())
                } else {
                    // Measured along the ray from the middle, which leaves the box of the radii in time.
                    (limit + radii.norm()).max(0.0)
                };
                (p - center).norm_squared() > (reach * 1.001 + radius + 1e-2).powi(2)
            }
            Self::Loft(sections) => match (sections.first(), sections.last()) {
                (Some(first), Some(last)) => (first.z - p.z).max(p.z - last.z) > limit + radius,
                _ => true,
            },
            Self::Half { .. } => false,
        }
    }

    pub(super) fn bounds(&self) -> Bounds {
        match self {
            Self::Ellipsoid { center, radii, .. } => Bounds::around(*center, radii.max()),
            Self::Tube { segments, .. } => segments.iter().fold(Bounds::empty(), |all, s| {
                all.join(&Bounds::around(s.from, s.radius[0]))
                    .join(&Bounds::around(s.from + s.along, s.radius[1]))
            }),
            Self::Loft(sections) => sections.iter().fold(Bounds::empty(), |all, s| {
                all.join(&Bounds {
                    low: V3::new(s.center[0] - s.half_width, s.center[1] - s.front, s.z),
                    high: V3::new(s.center[0] + s.half_width, s.center[1] + s.back, s.z),
                })
            }),
            Self::Half { .. } => {
                Bounds { low: V3::repeat(f32::NEG_INFINITY), high: V3::repeat(f32::INFINITY) }
            }
        }
    }

    /// The shape with only the segments that can be nearest between two heights.
    pub(super) fn between(&self, low_z: f32, high_z: f32) -> Self {
        let Self::Tube { segments, flat, squash, .. } = self else { return self.clone() };
        // Beyond this distance a tube's exact distance no longer matters to a picture.
        let reach = 8.0;
        let near = |s: &Segment| {
            let radius = s.radius[0].max(s.radius[1]) + reach;
            let (a, b) = (s.from.z, s.from.z + s.along.z);
            a.min(b) - radius <= high_z && a.max(b) + radius >= low_z
        };
        Self::of_segments(segments.iter().copied().filter(near).collect(), *flat, *squash)
    }

    pub(super) fn distance(&self, p: V3) -> f32 {
        match self {
            Self::Ellipsoid { center, radii, turn, exponent } => {
                let q = turn * (p - center);
                superellipsoid(q, *radii, *exponent)
            }
            Self::Tube { segments, flat, squash, inverse_least, .. } => {
                tube(segments, *flat, *squash, *inverse_least, p)
            }
            Self::Loft(sections) => loft(sections, p),
            Self::Half { direction, offset } => direction.dot(&p) - offset,
        }
    }
}

fn tube(segments: &[Segment], flat: V3, squash: f32, inverse_least: f32, p: V3) -> f32 {
    // A segment that lies behind the nearest one so far need not be looked at.
    let mut nearest = f32::INFINITY;
    for s in segments {
        let widest = s.radius[0].max(s.radius[1]);
        let reach = (nearest + widest).max(0.0) * inverse_least + s.half_length + 1e-3;
        if (p - s.middle).norm_squared() > reach * reach {
            continue;
        }
        let t = ((p - s.from).dot(&s.along) * s.inverse_length2).clamp(0.0, 1.0);
        let mut away = p - s.from - s.along * t;
        if squash != 1.0 {
            away += flat * (away.dot(&flat) * (squash - 1.0));
        }
        nearest = nearest.min(away.norm() - (s.radius[0] + (s.radius[1] - s.radius[0]) * t));
    }
    nearest
}

fn superellipsoid(q: V3, radii: V3, exponent: f32) -> f32 {
    let scaled = q.component_div(&radii);
    if exponent == 2.0 {
        let k0 = scaled.norm();
        let k1 = scaled.component_div(&radii).norm();
        return if k1 > 1e-9 { k0 * (k0 - 1.0) / k1 } else { -radii.min() };
    }
    let k = scaled.map(|s| s.abs().powf(exponent)).sum().powf(1.0 / exponent);
    if k > 1e-6 { q.norm() * (1.0 - 1.0 / k) } else { -radii.min() }
}

fn loft(sections: &[Section], p: V3) -> f32 {
    let (Some(first), Some(last)) = (sections.first(), sections.last()) else { return f32::INFINITY };
    let s = section_at(sections, p.z);
    let d = [p.x - s.center[0], p.y - s.center[1]];
    let half_depth = if d[1] < 0.0 { s.front } else { s.back };
    let k = ((d[0] / s.half_width).abs().powf(s.exponent) + (d[1] / half_depth).abs().powf(s.exponent))
        .powf(1.0 / s.exponent);
    let across = if k > 1e-6 { d[0].hypot(d[1]) * (1.0 - 1.0 / k) } else { -s.half_width.min(half_depth) };
    across.max(first.z - p.z).max(p.z - last.z)
}

/// The interpolated cross section at height `z`, held constant beyond the ends.
pub(super) fn section_at(sections: &[Section], z: f32) -> Section {
    let after = sections.partition_point(|s| s.z <= z);
    let at = |n: usize| sections[n.min(sections.len() - 1)];
    let (a, b) = (at(after.saturating_sub(1)), at(after));
    let t = if b.z > a.z { ((z - a.z) / (b.z - a.z)).clamp(0.0, 1.0) } else { 0.0 };
    let pack = |s: Section| {
        nalgebra::Vector6::new(s.center[0], s.center[1], s.half_width, s.front, s.back, s.exponent)
    };
    let v = catmull_rom([pack(at(after.saturating_sub(2))), pack(a), pack(b), pack(at(after + 1))], t);
    Section {
        z,
        center: [v[0], v[1]],
        half_width: v[2].max(0.5),
        front: v[3].max(0.5),
        back: v[4].max(0.5),
        exponent: v[5].max(1.2),
    }
}

fn catmull_rom<const N: usize>(
    [a, b, c, d]: [nalgebra::SVector<f32, N>; 4],
    t: f32,
) -> nalgebra::SVector<f32, N> {
    (b * 2.0
        + (c - a) * t
        + (a * 2.0 - b * 5.0 + c * 4.0 - d) * (t * t)
        + (b * 3.0 - a - c * 3.0 + d) * (t * t * t))
        * 0.5
}

/// The union of two distances with a fillet of about `k` mm.
pub(super) fn smooth_min(a: f32, b: f32, k: f32) -> f32 {
    if k <= 0.0 {
        return a.min(b);
    }
    let h = (k - (a - b).abs()).max(0.0) / k;
    a.min(b) - h * h * k * 0.25
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tube_of_constant_radius_is_at_its_distance() {
        let tube = Shape::tube(&[[0.0, 0.0, 0.0, 5.0], [0.0, 0.0, 100.0, 5.0]], V3::x(), 1.0);
        assert!((tube.distance(V3::new(8.0, 0.0, 50.0)) - 3.0).abs() < 1e-4);
        assert!((tube.distance(V3::new(0.0, 1.0, 50.0)) + 4.0).abs() < 1e-4);
    }

    #[test]
    fn what_is_passed_over_changes_no_distance() {
        let points =
            [[0.0, 0.0, 0.0, 5.0], [30.0, 5.0, 20.0, 9.0], [10.0, 40.0, 60.0, 2.0], [0.0, 0.0, 100.0, 7.0]];
        for squash in [0.45, 1.0, 1.6] {
            let whole = Shape::tube(&points, V3::new(0.6, 0.0, 0.8), squash);
            let Shape::Tube { segments, flat, inverse_least, .. } = &whole else { panic!() };
            for n in 0..2000_u16 {
                let f = f32::from(n);
                let p = V3::new((f * 0.37).sin() * 60.0, (f * 0.61).cos() * 60.0, (f * 0.05) % 130.0 - 15.0);
                let one_by_one =
                    segments.iter().map(|s| tube(std::slice::from_ref(s), *flat, squash, *inverse_least, p));
                let distance = whole.distance(p);
                assert_eq!(distance, one_by_one.fold(f32::INFINITY, f32::min), "{p}");
                let at = Ball::point(p);
                assert!(!whole.is_beyond(at, distance) && (distance < 90.0 || whole.is_beyond(at, 1.0)));
            }
        }
    }

    #[test]
    fn what_is_told_to_be_beyond_is_farther() {
        let turn = nalgebra::Rotation3::from_euler_angles(0.4, 1.0, -0.7);
        let section = |z, half_width, exponent| Section {
            z,
            center: [3.0, -4.0],
            half_width,
            front: 9.0,
            back: 14.0,
            exponent,
        };
        let mut shapes = vec![Shape::Loft(vec![section(0.0, 12.0, 2.0), section(20.0, 18.0, 3.0)])];
        for exponent in [1.5, 2.0, 2.6, 4.0] {
            let (center, radii) = (V3::new(5.0, -2.0, 8.0), V3::new(6.0, 11.0, 17.0));
            shapes.push(Shape::Ellipsoid { center, radii, turn, exponent });
        }
        for shape in shapes {
            let mut passed_over = 0;
            for n in 1..4000_u16 {
                let f = f32::from(n);
                let p = V3::new((f * 0.37).sin() * 60.0, (f * 0.61).cos() * 60.0, (f * 0.05) % 130.0 - 50.0);
                let inside = V3::new(f.sin(), (f * 1.3).sin(), (f * 1.7).sin()).normalize() * 6.0;
                for limit in [-4.0, 0.0, 5.0, 20.0] {
                    if shape.is_beyond(Ball { center: p, radius: 6.1 }, limit) {
                        passed_over += 1;
                        assert!(shape.distance(p + inside) > limit, "{shape:?} at {p}, {limit}");
                    }
                }
            }
            assert!(passed_over > 1000, "{shape:?}: {passed_over}");
        }
    }

    #[test]
    fn a_sphere_is_exact() {
        let ball = Shape::Ellipsoid {
            center: V3::zeros(),
            radii: V3::repeat(10.0),
            turn: nalgebra::Rotation3::identity(),
            exponent: 2.0,
        };
        assert!((ball.distance(V3::new(0.0, 13.0, 0.0)) - 3.0).abs() < 1e-4);
    }
}
