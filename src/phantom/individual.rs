//! One individual: the anatomy with a seed's own sizes, places and bends.

use super::SampleOrgan;
use super::anatomy::{Anatomy, Join, PartText, Step, Texture};
use super::noise::{GREATEST, NoiseTile, Random};
use super::shape::{Ball, Bounds, Section, Shape, V3, section_at, smooth_min};
use crate::patient::RoiType;
use nalgebra::Rotation3;

/// How far from a painted part its distance still matters to the pixels beside it, mm.
const SEEN_MM: f32 = 12.0;

/// A resolved step of a part's shape.
#[derive(Debug, Clone)]
enum Op {
    Shape(Join, f32, Shape),
    Part(Join, f32, usize, f32),
    Shell(f32),
    Grow(f32),
}

impl Op {
    /// Whether it joins something to the shape so far.
    fn joins(&self) -> bool {
        matches!(self, Self::Shape(Join::Add, ..) | Self::Part(Join::Add, ..))
    }

    /// Within how many mm of each other the shape so far and what is joined to it are rounded.
    fn fillet(&self) -> f32 {
        match self {
            Self::Shape(_, k, _) | Self::Part(_, k, ..) => k.max(0.0),
            Self::Shell(_) | Self::Grow(_) => 0.0,
        }
    }
}

/// A part of this individual, one side of a pair.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) text: PartText,
    /// Label value; 0 for a part that is not an organ.
    pub(super) label: u16,
    ops: Vec<Op>,
    /// Where it lies in atlas space, after its own variation.
    pub(super) bounds: Bounds,
    center: V3,
    shift: V3,
    inverse_size: V3,
    mean_size: f32,
    /// How much nearer than its nearest shape the part can be by growth, and by roughness, mm.
    growth: f32,
    roughness: f32,
    /// The HU of this individual's organ.
    pub(super) hu: f32,
    /// Gas fills the inside in front of this y (patient mm), if it holds any.
    pub(super) gas_y: Option<f32>,
    noise_offset: V3,
}

/// Everything that painting needs to know of one person.
#[derive(Debug)]
pub(super) struct Individual {
    pub(super) parts: Vec<Part>,
    pub(super) noise: NoiseTile,
    scale: V3,
    position: V3,
    waves: Vec<Wave>,
    warp_mm: f32,
    z_range: [f32; 2],
    shoulder_z: f32,
}

#[derive(Debug)]
struct Wave {
    direction: V3,
    phase: f32,
    amplitude: V3,
}

impl Individual {
    pub(super) fn new(anatomy: &Anatomy, seed: u64) -> Result<Self, String> {
        let mut random = Random::named(seed, "whole body");
        let variation = &anatomy.variation;
        let scale = V3::from(variation.scale.map(|sd| 1.0 + sd * random.normal()));
        let position = V3::from(variation.position_mm.map(|sd| sd * random.normal()));
        let fat_mm = variation.fat_mm * random.normal();
        let waves = (0..8)
            .map(|_| {
                let wavelength = 220.0 + 420.0 * random.uniform();
                let direction = V3::new(random.normal(), random.normal(), random.normal() * 1.5)
                    .try_normalize(1e-3)
                    .unwrap_or_else(V3::z);
                Wave {
                    direction: direction * (std::f32::consts::TAU / wavelength),
                    phase: random.uniform() * std::f32::consts::TAU,
                    // Eight sines of variance 1/2 each add up to the wanted standard deviation.
                    amplitude: V3::new(random.normal(), random.normal(), random.normal())
                        * (variation.warp_mm / 2.0),
                }
            })
            .collect();
        let mut individual = Self {
            parts: Vec::new(),
            noise: NoiseTile::new(seed ^ 0x5eed),
            scale,
            position,
            waves,
            warp_mm: variation.warp_mm,
            z_range: anatomy.z_range,
            shoulder_z: anatomy.shoulder_z,
        };
        for text in &anatomy.part {
            individual.add_part(anatomy, text, seed, fat_mm)?;
        }
        Ok(individual)
    }

    fn add_part(&mut self, anatomy: &Anatomy, text: &PartText, seed: u64, fat_mm: f32) -> Result<(), String> {
        let sides: &[(&str, f32)] = if text.pair { &[("_L", 1.0), ("_R", -1.0)] } else { &[("", 1.0)] };
        for (suffix, side) in sides {
            let name = format!("{}{suffix}", text.name);
            let mut random = Random::named(seed, &name);
            let thickness = 1.0 + text.thick * random.normal();
            let mut ops = Vec::new();
            for step in &text.shape {
                ops.push(self.resolve(step, suffix, *side, thickness).map_err(|e| format!("{name}: {e}"))?);
            }
            if let Some(rule) = &text.generate {
                let shapes = self.generate(anatomy, rule, thickness).map_err(|e| format!("{name}: {e}"))?;
                ops.extend(shapes.into_iter().map(|shape| Op::Shape(Join::Add, 1.5, shape)));
            }
            if text.external {
                ops.push(Op::Grow(fat_mm));
            }
            let growth = ops.iter().map(|op| if let Op::Grow(by) = op { by.max(0.0) } else { 0.0 }).sum();
            let own = self.bounds_of(&ops);
            let center = own.center();
            let shift = V3::from_fn(|_, _| text.shift * random.normal());
            let size = V3::from_fn(|_, _| (text.size * random.normal()).exp());
            let half = (own.high - own.low) * 0.5;
            let grown = half.component_mul(&size);
            let gas_y = text.gas_above.map(|y| center.y + shift.y + y);
            let label = if text.color.is_some() {
                self.parts.iter().map(|part| part.label).max().unwrap_or(0) + 1
            } else {
                0
            };
            self.parts.push(Part {
                name,
                label,
                ops,
                bounds: Bounds { low: center + shift - grown, high: center + shift + grown }
                    .grown(text.rough.map_or(0.0, |rough| rough[0] * 2.0)),
                center,
                shift,
                inverse_size: size.map(|s| 1.0 / s),
                mean_size: size.product().cbrt(),
                growth,
                roughness: text.rough.map_or(0.0, |[amplitude, _]| amplitude.abs() * GREATEST),
                hu: text.hu + random.normal() * 0.04 * text.hu.abs().min(150.0),
                gas_y: gas_y.map(|y| y * self.scale.y + self.position.y),
                noise_offset: V3::from_fn(|_, _| random.uniform() * 64.0),
                text: text.clone(),
            });
        }
        Ok(())
    }

    fn resolve(&self, step: &Step, suffix: &str, side: f32, thickness: f32) -> Result<Op, String> {
        let mirror = |[x, y, z]: [f32; 3]| V3::new(x * side, y, z);
        let shape = if let Some([x, y, z, rx, ry, rz]) = step.ellipsoid {
            let [ax, ay, az] = step.turn.map(f32::to_radians);
            // Mirroring in x turns the sense of rotations about y and z.
            let turn = Rotation3::from_euler_angles(ax, ay * side, az * side).inverse();
            Shape::Ellipsoid {
                center: mirror([x, y, z]),
                radii: V3::new(rx, ry, rz),
                turn,
                exponent: step.n.unwrap_or(2.0),
            }
        } else if let Some(points) = &step.tube {
            let points: Vec<[f32; 4]> =
                points.iter().map(|[x, y, z, r]| [x * side, *y, *z, r * thickness]).collect();
            let [fx, fy, fz, squash] = step.flat.unwrap_or([1.0, 0.0, 0.0, 1.0]);
            let flat = mirror([fx, fy, fz]).try_normalize(1e-6).ok_or("flat needs a direction")?;
            Shape::tube(&points, flat, squash)
        } else if let Some(sections) = &step.loft {
            let mut sections: Vec<Section> = sections
                .iter()
                .map(|[z, x, y, w, f, b, n]| Section {
                    z: *z,
                    center: [x * side, *y],
                    half_width: *w,
                    front: *f,
                    back: *b,
                    exponent: *n,
                })
                .collect();
            sections.sort_by(|a, b| a.z.total_cmp(&b.z));
            Shape::Loft(sections)
        } else if let Some([x, y, z, offset]) = step.half {
            Shape::Half { direction: mirror([x, y, z]), offset }
        } else if let Some(name) = &step.part {
            let found = |wanted: &str| self.parts.iter().position(|part| part.name == wanted);
            let index = found(&format!("{name}{suffix}"))
                .or_else(|| found(name))
                .ok_or_else(|| format!("no part {name} before it"))?;
            return Ok(Op::Part(step.op, step.k, index, step.grow));
        } else if let Some(thickness_mm) = step.shell {
            return Ok(Op::Shell(thickness_mm));
        } else {
            return Err("a step without a shape".to_owned());
        };
        Ok(Op::Shape(step.op, step.k, shape))
    }

    fn generate(&self, anatomy: &Anatomy, rule: &str, thickness: f32) -> Result<Vec<Shape>, String> {
        let [canal_back, canal_radius] = anatomy.spine.canal;
        let levels = &anatomy.spine.levels;
        let canal_point = |level: &[f32; 5]| [0.0, level[1] + level[3] + canal_back, level[0]];
        let boxy = |center: V3, radii: V3, exponent: f32| Shape::Ellipsoid {
            center,
            radii,
            turn: Rotation3::identity(),
            exponent,
        };
        match rule {
            "vertebrae" => Ok(levels.iter().flat_map(vertebra).collect()),
            "discs" => Ok(levels
                .windows(2)
                .map(|pair| {
                    let ([z0, y0, w0, d0, h0], [z1, y1, _, _, h1]) = (pair[0], pair[1]);
                    let z = ((z0 + h0) + (z1 - h1)) * 0.5;
                    let half = (((z1 - h1) - (z0 + h0)) * 0.5).max(1.5) + 1.0;
                    boxy(V3::new(0.0, (y0 + y1) * 0.5, z), V3::new(w0 * 0.96, d0 * 0.96, half), 3.0)
                })
                .collect()),
            "canal" | "cord" => {
                let lowest = if rule == "canal" { 0 } else { levels.len().saturating_sub(20) };
                let points: Vec<[f32; 4]> = levels[lowest..]
                    .iter()
                    .map(|level| {
                        let [x, y, z] = canal_point(level);
                        let radius = if rule == "canal" { canal_radius } else { canal_radius * 0.56 };
                        [x, y, z, radius * thickness]
                    })
                    .collect();
                Ok(vec![Shape::tube(&points, V3::y(), 1.25)])
            }
            "ribs" => {
                let wall = self
                    .parts
                    .iter()
                    .find(|part| part.name == anatomy.ribs.wall)
                    .and_then(|part| {
                        part.ops.iter().find_map(|op| match op {
                            Op::Shape(_, _, Shape::Loft(sections)) => Some(sections),
                            _ => None,
                        })
                    })
                    .ok_or("the ribs' wall is no loft")?;
                Ok(anatomy
                    .ribs
                    .levels
                    .iter()
                    .flat_map(|level| {
                        [1.0, -1.0].map(|side| rib(wall, *level, anatomy.ribs.radius * thickness, side))
                    })
                    .collect())
            }
            other => Err(format!("no rule named {other}")),
        }
    }

    fn bounds_of(&self, ops: &[Op]) -> Bounds {
        let mut all = Bounds::empty();
        for op in ops {
            let (join, bounds) = match op {
                Op::Shape(join, _, shape) => (*join, shape.bounds()),
                Op::Part(join, _, index, grow) => (*join, self.parts[*index].bounds.grown(*grow)),
                Op::Shell(_) => continue,
                Op::Grow(by) => {
                    all = all.grown(*by);
                    continue;
                }
            };
            match join {
                Join::Add => all = all.join(&bounds),
                Join::And => all = all.meet(&bounds),
                Join::Cut => {}
            }
        }
        all
    }

    /// The part's shape with only what can matter between two heights (atlas z).
    pub(super) fn slab<'a>(&'a self, part: &'a Part, low_z: f32, high_z: f32) -> SlabPart<'a> {
        let ops: Vec<Op> = part
            .ops
            .iter()
            .filter_map(|op| match op {
                Op::Shape(join, k, shape) => {
                    let shape = part.in_slab(shape, low_z, high_z);
                    // Nothing joined to something changes nothing.
                    (*join != Join::Add || !shape.is_empty()).then_some(Op::Shape(*join, *k, shape))
                }
                other => Some(other.clone()),
            })
            .collect();
        // Only what is joined to something can be passed over.
        let begins = ops.first().is_some_and(Op::joins);
        // A fillet reaches from what is seen to what is joined there.
        let fillet = ops.iter().map(Op::fillet).fold(0.0, f32::max);
        let far_mm = if begins { part.beyond(SEEN_MM) + fillet } else { f32::INFINITY };
        SlabPart { individual: self, part, ops, far_mm }
    }

    /// The distance of a part that others refer to, kept for the next one who asks.
    fn shared_distance(&self, index: usize, atlas: V3, node: usize, known: &mut Known) -> f32 {
        if known.of_part[index].is_empty() {
            known.of_part[index] = vec![f32::NAN; known.nodes];
        }
        let kept = known.of_part[index][node];
        if !kept.is_nan() {
            return kept;
        }
        let part = &self.parts[index];
        let distance = self.distance(part, part.ops.iter(), f32::INFINITY, (atlas, node), known);
        known.of_part[index][node] = distance;
        distance
    }

    /// Whether a part's distance is surely more than `limit` everywhere in a ball of atlas space.
    fn is_beyond(&self, part: &Part, ball: Ball, limit: f32) -> bool {
        let (own, limit) = (part.own_ball(ball), part.beyond(limit));
        part.ops.iter().all(|op| self.adds_nothing(op, ball, own, limit))
    }

    /// Whether a step of a part adds nothing nearer than `limit` in a ball of atlas space, which is
    /// `own` to the part's shapes. Cuts and meets only take away.
    fn adds_nothing(&self, op: &Op, ball: Ball, own: Ball, limit: f32) -> bool {
        match op {
            Op::Shape(Join::Add, _, shape) => shape.is_beyond(own, limit + op.fillet()),
            Op::Part(Join::Add, _, index, grow) => {
                self.is_beyond(&self.parts[*index], ball, limit + op.fillet() + grow)
            }
            _ => true,
        }
    }

    /// The distance at a node of the slice, beginning with `far`: what is farther counts as that.
    fn distance<'o>(
        &self,
        part: &Part,
        ops: impl Iterator<Item = &'o Op>,
        far: f32,
        (atlas, node): (V3, usize),
        known: &mut Known,
    ) -> f32 {
        let p = part.own_place(atlas);
        let mut d = far;
        for op in ops {
            // What lies behind the nearest by more than the fillet changes nothing.
            if op.joins() && self.adds_nothing(op, Ball::point(atlas), Ball::point(p), d) {
                continue;
            }
            let (join, k, other) = match op {
                Op::Shape(join, k, shape) => (*join, *k, shape.distance(p)),
                Op::Part(join, k, index, grow) => {
                    // Another organ keeps its own place: it is met at the point itself.
                    (*join, *k, self.shared_distance(*index, atlas, node, known) - grow)
                }
                Op::Shell(thickness) => {
                    d = d.max(-(d + thickness));
                    continue;
                }
                Op::Grow(by) => {
                    d -= by;
                    continue;
                }
            };
            d = match join {
                Join::Add => smooth_min(d, other, k),
                Join::And => -smooth_min(-d, -other, k),
                Join::Cut => -smooth_min(-d, other, k),
            };
        }
        d *= part.mean_size;
        if let Some([amplitude, grain]) = part.text.rough {
            let q = atlas / grain + part.noise_offset;
            d += amplitude * self.noise.at([q.x, q.y, q.z]);
        }
        d
    }

    /// The atlas position of a patient position (mm, before the couch's own origin).
    pub(super) fn atlas_of(&self, patient: V3) -> V3 {
        let p = patient - self.position;
        let bend = self.waves.iter().fold(V3::zeros(), |sum, wave| {
            sum + wave.amplitude * (wave.direction.dot(&p) + wave.phase).sin()
        });
        p.component_div(&self.scale) + bend
    }

    /// A box in patient space that surely holds an atlas box.
    pub(super) fn patient_bounds(&self, atlas: &Bounds) -> Bounds {
        let bend = self.warp_mm * 3.0;
        let corner = |v: V3| v.component_mul(&self.scale) + self.position;
        Bounds { low: corner(atlas.low), high: corner(atlas.high) }.grown(bend * self.scale.max())
    }

    pub(super) fn z_range_mm(&self) -> [f64; 2] {
        self.z_range.map(|z| f64::from(z * self.scale.z + self.position.z))
    }

    pub(super) fn shoulder_mm(&self) -> f64 {
        f64::from(self.shoulder_z * self.scale.z + self.position.z)
    }

    pub(super) fn organs(&self) -> Vec<SampleOrgan> {
        self.parts
            .iter()
            .filter_map(|part| {
                Some(SampleOrgan {
                    label: part.label,
                    name: part.name.clone(),
                    roi_type: if part.text.external { RoiType::External } else { RoiType::Organ },
                    color: part.text.color?,
                    sentence: part.text.sentence.clone(),
                })
            })
            .collect()
    }
}

impl Part {
    /// How far its shapes must be for the part to be farther than `limit`. Fillets bring nothing
    /// nearer as long as each shape is farther by its fillet.
    fn beyond(&self, limit: f32) -> f32 {
        (limit + self.roughness) / self.mean_size + self.growth
    }

    fn own_ball(&self, ball: Ball) -> Ball {
        Ball { center: self.own_place(ball.center), radius: ball.radius * self.inverse_size.max() }
    }

    /// An atlas position as the part's own shapes know it, before their variation.
    fn own_place(&self, atlas: V3) -> V3 {
        self.center + (atlas - self.shift - self.center).component_mul(&self.inverse_size)
    }

    fn in_slab(&self, shape: &Shape, low_z: f32, high_z: f32) -> Shape {
        let into = |z: f32| self.center.z + (z - self.shift.z - self.center.z) * self.inverse_size.z;
        shape.between(into(low_z), into(high_z))
    }

    /// The texture's coordinates: an organ's own piece of the noise.
    pub(super) fn texture_at(&self, p: V3) -> V3 {
        p + self.noise_offset * 10.0
    }

    pub(super) fn texture(&self) -> Texture {
        self.text.texture
    }
}

/// The distances of referred parts at the nodes of one slice, as far as they have been asked for.
#[derive(Debug)]
pub(super) struct Known {
    nodes: usize,
    /// For each part: empty, or the distance at each node, NaN where not yet known.
    of_part: Vec<Vec<f32>>,
}

impl Known {
    pub(super) fn new(individual: &Individual, nodes: usize) -> Self {
        Self { nodes, of_part: vec![Vec::new(); individual.parts.len()] }
    }
}

/// A part prepared for one slice.
#[derive(Debug)]
pub(super) struct SlabPart<'a> {
    individual: &'a Individual,
    part: &'a Part,
    ops: Vec<Op>,
    /// What is farther counts as that.
    far_mm: f32,
}

impl SlabPart<'_> {
    /// The part prepared for a ball of atlas space; none where it is not seen.
    pub(super) fn within(&self, ball: Ball) -> Option<LocalPart<'_>> {
        let own = self.part.own_ball(ball);
        let mut adds = self.far_mm.is_infinite();
        let mut ops = Vec::with_capacity(self.ops.len());
        for op in &self.ops {
            if op.joins() && self.individual.adds_nothing(op, ball, own, self.far_mm) {
                continue;
            }
            adds |= op.joins();
            ops.push(op);
        }
        adds.then_some(LocalPart { slab: self, ops })
    }
}

/// A part prepared for a piece of a slice.
#[derive(Debug)]
pub(super) struct LocalPart<'a> {
    slab: &'a SlabPart<'a>,
    ops: Vec<&'a Op>,
}

impl LocalPart<'_> {
    /// The distance at `atlas`, which is the slice's node `node`; exact as far as it is seen.
    pub(super) fn distance(&self, atlas: V3, node: usize, known: &mut Known) -> f32 {
        let SlabPart { individual, part, far_mm, .. } = self.slab;
        individual.distance(part, self.ops.iter().copied(), *far_mm, (atlas, node), known)
    }
}

/// Body, arch and processes of one vertebra.
fn vertebra(&[z, y, w, d, h]: &[f32; 5]) -> Vec<Shape> {
    let boxy = |x: f32, y: f32, z: f32, rx: f32, ry: f32, rz: f32| Shape::Ellipsoid {
        center: V3::new(x, y, z),
        radii: V3::new(rx, ry, rz),
        turn: Rotation3::identity(),
        exponent: 2.6,
    };
    let back = y + d;
    let tip = back + 20.0 + w * 0.9;
    let mut shapes = vec![boxy(0.0, y, z, w, d, h)];
    // The cut-out waist of a real vertebral body is left to the cortex; the arch follows.
    for side in [1.0, -1.0] {
        let x = side * (w * 0.55 + 3.0);
        shapes.push(Shape::tube(
            &[[x, back - 2.0, z + h * 0.3, 4.2], [x * 1.05, back + 9.0, z + h * 0.1, 4.2]],
            V3::x(),
            1.2,
        ));
        shapes.push(Shape::tube(
            &[[x, back + 9.0, z, 4.5], [0.0, back + 19.0, z - h * 0.4, 4.0]],
            V3::z(),
            0.6,
        ));
        shapes.push(Shape::tube(
            &[[x, back + 6.0, z, 4.5], [side * (w + 15.0), back + 11.0, z + 1.0, 3.4]],
            V3::z(),
            0.8,
        ));
    }
    shapes.push(Shape::tube(
        &[[0.0, back + 17.0, z - h * 0.3, 3.6], [0.0, tip, z - h * 0.8 - 4.0, 3.4]],
        V3::z(),
        0.45,
    ));
    shapes
}

/// One rib along the chest wall, from the spine round to where its cartilage begins.
fn rib(wall: &[Section], [back_z, side_z, front_z, round]: [f32; 4], radius: f32, side: f32) -> Shape {
    let count = 14;
    let points: Vec<[f32; 4]> = (0..=count)
        .map(|i| {
            #[expect(clippy::cast_precision_loss, reason = "a dozen points")]
            let t = i as f32 / count as f32;
            let angle = (0.16 + (round - 0.16) * t) * std::f32::consts::PI;
            // A quadratic through the three given heights.
            let z = back_z * (1.0 - t) * (1.0 - 2.0 * t)
                + side_z * 4.0 * t * (1.0 - t)
                + front_z * t * (2.0 * t - 1.0);
            let s = section_at(wall, z);
            let depth = if angle.cos() > 0.0 { s.back } else { s.front };
            let power = 2.0 / s.exponent;
            let bent = |v: f32| v.signum() * v.abs().powf(power);
            [
                s.center[0] + side * (s.half_width + 4.0) * bent(angle.sin()),
                s.center[1] + (depth + 4.0) * bent(angle.cos()),
                z,
                radius,
            ]
        })
        .collect();
    Shape::tube(&points, V3::z(), 0.6)
}
