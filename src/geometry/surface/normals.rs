//! Normals of a net: area-weighted means of the triangles' normals, twice averaged with the
//! neighbours' so that the light does not show the slices.
//!
//! Each worker fills the vertices of some spans, in the order of the triangles, whoever has the
//! others: the result does not depend on how many there are.

use super::{Mesh, Part, split};
use rayon::prelude::*;
use std::ops::Range;

/// x, y, z and a zero that fills the processor's vector.
type Wide = [f32; 4];

/// The unit normals of a mesh's vertices, outwards.
pub(super) fn of(mesh: &Mesh, parts: &[Part]) -> Vec<[f32; 3]> {
    let groups = groups(parts);
    let mut first = vec![Wide::default(); mesh.positions.len()];
    let mut second = first.clone();
    let at = |index: u32| mesh.positions[index as usize];
    each(&groups, &mut first, |group, own| {
        group.gather(mesh, own, |[a, b, c]| cross(at(a), at(b), at(c)));
        own.iter_mut().for_each(|normal| *normal = unit(*normal));
    });
    each(&groups, &mut second, |group, own| group.smooth(mesh, &first, own));
    each(&groups, &mut first, |group, own| group.smooth(mesh, &second, own));
    first.par_iter().with_min_len(1 << 14).map(|[x, y, z, _]| [*x, *y, *z]).collect()
}

/// Has each group fill its own of all vertices' normals.
fn each(groups: &[Group], normals: &mut [Wide], fill: impl Fn(&Group, &mut [Wide]) + Sync) {
    let own = split(normals, groups.iter().map(|group| group.vertices.len()));
    own.into_par_iter().zip(groups).for_each(|(own, group)| fill(group, own));
}

/// Neighbouring vertices, and the triangles that have one of them.
struct Group {
    vertices: Range<usize>,
    indices: Range<usize>,
}

/// The vertices of some spans each.
fn groups(parts: &[Part]) -> Vec<Group> {
    const SPANS: usize = 8;
    let mut after = 0;
    parts
        .chunks(SPANS)
        .map(|own| {
            after += own.len();
            // The seam above comes with the next span.
            let seam = parts.get(after).map_or(0, |next| next.seam);
            Group {
                vertices: own[0].vertices.start..own[own.len() - 1].vertices.end,
                indices: own[0].indices.start..own[own.len() - 1].indices.end + seam,
            }
        })
        .collect()
}

impl Group {
    /// Adds to each of the `own` vertices what its triangles have for it.
    fn gather(&self, mesh: &Mesh, own: &mut [Wide], of: impl Fn([u32; 3]) -> Wide) {
        let (triangles, _) = mesh.indices[self.indices.clone()].as_chunks::<3>();
        for triangle in triangles {
            let gift = of(*triangle);
            for index in triangle {
                // Vertices of other groups are beyond the end, by wrapping those before as well.
                if let Some(normal) = own.get_mut((*index as usize).wrapping_sub(self.vertices.start)) {
                    *normal = sum(*normal, gift);
                }
            }
        }
    }

    /// Each normal of `from` with those of its triangles.
    fn smooth(&self, mesh: &Mesh, from: &[Wide], own: &mut [Wide]) {
        own.copy_from_slice(&from[self.vertices.clone()]);
        let at = |index: u32| from[index as usize];
        self.gather(mesh, own, |[a, b, c]| sum(sum(at(a), at(b)), at(c)));
        own.iter_mut().for_each(|normal| *normal = unit(*normal));
    }
}

fn sum(a: Wide, b: Wide) -> Wide {
    std::array::from_fn(|n| a[n] + b[n])
}

fn cross(a: [f32; 3], b: [f32; 3], c: [f32; 3]) -> Wide {
    let [p, q] = [b, c].map(|end| [end[0] - a[0], end[1] - a[1], end[2] - a[2]]);
    [p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0], 0.0]
}

/// Of length 1; along z where there is no direction.
fn unit([x, y, z, _]: Wide) -> Wide {
    let length = (x * x + y * y + z * z).sqrt();
    if length > 1e-20 { [x / length, y / length, z / length, 0.0] } else { [0.0, 0.0, 1.0, 0.0] }
}

#[cfg(test)]
mod tests {
    use super::super::{Plane, Point2, Polygon, Slab, mesh};
    use super::*;

    /// A pole with eight sides.
    fn pole() -> Mesh {
        let side = |n: i32| f64::from(n) * std::f64::consts::FRAC_PI_4;
        let ring = (0..8).map(|n| Point2::new(20.0 * side(n).cos(), 20.0 * side(n).sin())).collect();
        let polygons = [Polygon::from_outer(ring)];
        let slab = |k: i32| Slab {
            plane: Plane::axial(f64::from(k) * 3.0),
            below_mm: 1.5,
            above_mm: 1.5,
            polygons: &polygons,
        };
        mesh(&(0..30).map(slab).collect::<Vec<_>>(), 1.5)
    }

    #[test]
    fn who_has_the_vertices_does_not_matter() {
        let pole = pole();
        let (count, all) = (pole.positions.len(), pole.indices.len());
        assert_eq!(of(&pole, &[Part { vertices: 0..count, indices: 0..all, seam: 0 }]), pole.normals);
        // Each with all triangles, most of which are others'.
        let part =
            |k: usize| Part { vertices: count * k / 40..count * (k + 1) / 40, indices: 0..all, seam: 0 };
        let parts: Vec<Part> = (0..40).map(part).collect();
        assert_eq!(of(&pole, &parts), pole.normals);
    }

    #[test]
    fn they_point_outwards() {
        let pole = pole();
        for (position, normal) in pole.positions.iter().zip(&pole.normals) {
            let length = normal.iter().map(|x| x * x).sum::<f32>().sqrt();
            assert!((length - 1.0).abs() < 1e-5);
            if (10.0..77.0).contains(&position[2]) {
                let out = position[0] * normal[0] + position[1] * normal[1];
                assert!(out / position[0].hypot(position[1]) > 0.85 && normal[2].abs() < 0.05);
            }
        }
    }
}
