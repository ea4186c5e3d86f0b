//! Voxels to polygons: sub-voxel outlines that hold exactly the voxel centres they are made from.
//!
//! All tracers work on one slice of `nx * ny` values, i fastest, and give polygons in voxel-index
//! coordinates (a centre lies at whole (i, j)); [`Frame::map`](super::rasterise::Frame::map) takes
//! them to a plane. Every vertex lies on the line between two neighbouring centres of different
//! label, at least [`CLEARANCE`] of their distance from either, or inside the square of four
//! centres; so rounding to the 1e-4 mm lattice never moves an outline across a centre as long as
//! pixels are larger than 0.03 mm, and rasterising gives the very same voxels back.
//!
//! Outside the slice lies the background; an outline at the border runs half a voxel beyond it.

mod labels;
mod smooth;

pub use labels::labels_slice;

use super::Polygon;

/// How close to a voxel centre an outline may come, in distances between neighbouring centres.
pub const CLEARANCE: f64 = 0.01;

/// Outlines of `values >= level` (NaN is outside), linearly interpolated between voxel centres;
/// in voxel-index coordinates.
///
/// Where four centres alternate, the mean of the four decides whether the inside joins (joined
/// when it is `>= level`). Two callers who trace `f` and its exact negative at level 0 get the
/// same boundary to the bit, except that a centre with `f == 0` belongs to both: for several
/// classes use [`labels_slice`], where the label map decides and every tie has one owner.
///
/// # Panics
/// When there are not `nx * ny` values.
#[must_use]
pub fn field_slice(values: &[f32], nx: usize, ny: usize, level: f32) -> Vec<Polygon> {
    let labels: Vec<u16> = values.iter().map(|value| u16::from(*value >= level)).collect();
    let score = |label: u16, at: usize| if label == 1 { values[at] - level } else { 0.0 };
    labels_slice(&labels, nx, ny, score).remove(&1).unwrap_or_default()
}

/// Smooth outlines of the voxels that are `true`, in voxel-index coordinates.
///
/// Pieces that touch only diagonally stay apart. Every outline starts half way between inside and
/// outside centres and is smoothed without crossing any centre (Taubin, "A signal processing
/// approach to fair surface design", SIGGRAPH 1995), then widened or narrowed evenly until the
/// area of every piece is its number of voxels; within 1 % above 100 voxels.
///
/// # Panics
/// When there are not `nx * ny` values.
#[must_use]
pub fn mask_slice(inside: &[bool], nx: usize, ny: usize) -> Vec<Polygon> {
    let labels: Vec<u16> = inside.iter().map(|inside| u16::from(*inside)).collect();
    // Scores that meet half way and whose mean over a saddle is below zero: corners do not join.
    let score = |label: u16, at: usize| match (label, labels[at]) {
        (1, 1) => 1.0,
        (1, 0) => -1.0,
        _ => 0.0,
    };
    let mut polygons =
        labels::trace(&labels, nx, ny, score, labels::Saddle::Apart).remove(&1).unwrap_or_default();
    for polygon in &mut polygons {
        smooth::smooth(&mut polygon.outer);
        for hole in &mut polygon.holes {
            smooth::smooth(hole);
        }
    }
    polygons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::rasterise::{self, Frame};
    use crate::geometry::{Plane, Point2, Point3, Ring, Vector2, Vector3};
    use proptest::prelude::*;

    fn index_frame(nx: usize, ny: usize) -> Frame {
        Frame::new(Point2::origin(), Vector2::x(), Vector2::y(), [nx, ny]).unwrap()
    }

    fn area(polygons: &[Polygon]) -> f64 {
        polygons.iter().map(Polygon::area_mm2).sum()
    }

    fn disc(n: usize, center: f64, radius: f64) -> Vec<bool> {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let d = |a: usize| a as f64 - center;
        (0..n * n).map(|at| d(at % n).hypot(d(at / n)) <= radius).collect()
    }

    /// Traces, snaps to the lattice on an oblique plane with odd pixels, and rasterises.
    fn through_an_oblique_plane(polygons: &[Polygon], nx: usize, ny: usize) -> Vec<bool> {
        let plane = Plane::new(
            Point3::new(-210.3, 99.9, 1234.5),
            Vector3::new(1.0, 0.3, -0.2),
            Vector3::new(0.1, 1.0, 0.4),
        )
        .unwrap();
        let frame = Frame::new(
            Point2::new(-250.123, 77.7),
            Vector2::new(0.9765, 0.0),
            Vector2::new(0.013, 0.4231),
            [nx, ny],
        )
        .unwrap();
        let snapped: Vec<Polygon> = frame
            .map(polygons, [0, 0])
            .into_iter()
            .map(|polygon| {
                let snap = |ring: &Ring| -> Ring { ring.iter().map(|p| plane.snap(*p)).collect() };
                Polygon { outer: snap(&polygon.outer), holes: polygon.holes.iter().map(snap).collect() }
            })
            .collect();
        rasterise::polygons(&snapped, &frame)
    }

    #[test]
    fn one_voxel_a_ring_and_a_border() {
        let (nx, ny) = (5, 5);
        let mut ring = vec![true; 25];
        ring[12] = false;
        let polygons = mask_slice(&ring, nx, ny);
        assert_eq!((polygons.len(), polygons[0].holes.len()), (1, 1));
        assert_eq!(rasterise::polygons(&polygons, &index_frame(nx, ny)), ring);
        let mut one = vec![false; 25];
        one[12] = true;
        assert_eq!(rasterise::polygons(&mask_slice(&one, nx, ny), &index_frame(nx, ny)), one);
        assert!(mask_slice(&[false; 25], nx, ny).is_empty());
    }

    #[test]
    fn diagonal_pieces_stay_apart() {
        let inside = [true, false, false, true];
        let polygons = mask_slice(&inside, 2, 2);
        assert_eq!(polygons.len(), 2);
        assert_eq!(rasterise::polygons(&polygons, &index_frame(2, 2)), inside);
    }

    #[test]
    fn discs_keep_their_area_and_are_round() {
        for radius in [5.8, 7.3, 12.5, 30.2] {
            let inside = disc(70, 34.7, radius);
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let count = inside.iter().filter(|v| **v).count() as f64;
            let polygons = mask_slice(&inside, 70, 70);
            assert!(
                (area(&polygons) / count - 1.0).abs() < 0.005,
                "radius {radius}: {} of {count}",
                area(&polygons)
            );
            let center = Point2::new(34.7, 34.7);
            let off: f64 =
                polygons[0].outer.iter().map(|p| ((p - center).norm() - radius).abs()).fold(0.0, f64::max);
            assert!(off < 0.5, "radius {radius}: {off} voxels off the circle");
        }
    }

    #[test]
    fn a_slanted_edge_has_no_staircase() {
        // Half plane of slope 1/5: the digital stairs are one voxel high every five, their middles on
        // y = (x + 100) / 5 - 0.1.
        let n = 60;
        let inside: Vec<bool> = (0..n * n).map(|at| (at / n) * 5 < (at % n) + 100).collect();
        let polygons = mask_slice(&inside, n, n);
        let off = polygons[0]
            .outer
            .iter()
            .filter(|p| p.x > 12.0 && p.x < 48.0 && p.y > 10.0)
            .map(|p| (p.y - (p.x + 100.0) / 5.0 + 0.1).abs())
            .fold(0.0, f64::max);
        assert!(off < 0.15, "{off} voxels off the line");
    }

    #[test]
    fn a_linear_field_gives_the_exact_line() {
        let values: Vec<f32> = (0..100_u8).map(|at| f32::from(at % 10) - 4.25).collect();
        let polygons = field_slice(&values, 10, 10, 0.0);
        assert!(
            polygons[0]
                .outer
                .iter()
                .filter(|p| p.y >= 0.0 && p.y <= 9.0 && p.x < 9.0)
                .all(|p| (p.x - 4.25).abs() < 1e-9)
        );
        // The four corners of the slice are cut: two triangles of 1/8, two of 0.75 x 0.5 / 2.
        assert!((area(&polygons) - (52.5 - 0.25 - 0.375)).abs() < 1e-9);
    }

    #[test]
    fn a_saddle_goes_by_its_centre_for_both_sides() {
        let f = [1.0, -2.0, -2.0, 1.5];
        assert_eq!(field_slice(&f, 2, 2, 0.0).len(), 2);
        assert_eq!(field_slice(&f.map(|v| -v), 2, 2, 0.0).len(), 1);
        let f = [2.0, -1.0, -1.0, 2.5];
        assert_eq!(field_slice(&f, 2, 2, 0.0).len(), 1);
        assert_eq!(field_slice(&f.map(|v| -v), 2, 2, 0.0).len(), 2);
    }

    #[test]
    fn labels_share_every_boundary() {
        // Three classes with smooth scores meet: together they cover the slice once.
        let (nx, ny) = (24, 20);
        let score = |label: u16, at: usize| -> f32 {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let (x, y) = ((at % nx) as f32, (at / nx) as f32);
            match label {
                0 => 0.0,
                1 => 8.0 - (x - 8.0).hypot(y - 7.0),
                2 => 7.0 - (x - 16.0).hypot(y - 8.0),
                _ => 6.0 - (x - 11.0).hypot(y - 14.0),
            }
        };
        let labels: Vec<u16> = (0..nx * ny)
            .map(|at| (0..4).reduce(|a, b| if score(b, at) > score(a, at) { b } else { a }).unwrap())
            .collect();
        let traced = labels_slice(&labels, nx, ny, score);
        let frame = index_frame(nx, ny);
        let mut all: Vec<Polygon> = Vec::new();
        for (label, polygons) in &traced {
            let wanted: Vec<bool> = labels.iter().map(|own| own == label).collect();
            assert_eq!(rasterise::polygons(polygons, &frame), wanted);
            all.extend(polygons.iter().cloned());
        }
        assert_eq!(traced.len(), 3);
        let united = crate::geometry::clip::union_all(all.clone());
        assert!((area(&all) - area(&united)).abs() < 1e-5, "overlap");
        assert_eq!((united.len(), united[0].holes.len()), (1, 0), "gap");
    }

    proptest! {
        #[test]
        fn mask_to_contours_to_mask_is_the_identity(
            (nx, ny, inside) in (1_usize..14, 1_usize..14).prop_flat_map(|(nx, ny)| {
                (Just(nx), Just(ny), prop::collection::vec(prop::bool::weighted(0.55), nx * ny))
            }),
        ) {
            let polygons = mask_slice(&inside, nx, ny);
            prop_assert_eq!(through_an_oblique_plane(&polygons, nx, ny), inside);
        }

        #[test]
        fn a_field_is_inside_exactly_where_it_reaches_the_level(
            (nx, ny, values) in (1_usize..12, 1_usize..12).prop_flat_map(|(nx, ny)| {
                // Many exact ties with the level, and NaN.
                let value = prop_oneof![
                    5 => (-3_i8..4).prop_map(f32::from),
                    5 => -1.0..1.0_f32,
                    1 => Just(f32::NAN),
                    1 => Just(1e-30_f32),
                ];
                (Just(nx), Just(ny), prop::collection::vec(value, nx * ny))
            }),
        ) {
            let polygons = field_slice(&values, nx, ny, 0.0);
            let wanted: Vec<bool> = values.iter().map(|v| *v >= 0.0).collect();
            prop_assert_eq!(through_an_oblique_plane(&polygons, nx, ny), wanted);
        }

        #[test]
        fn random_labels_cover_the_slice_once(
            (nx, ny, labels) in (2_usize..9, 2_usize..9).prop_flat_map(|(nx, ny)| {
                (Just(nx), Just(ny), prop::collection::vec(0_u16..4, nx * ny))
            }),
        ) {
            let score = |label: u16, at: usize| if labels[at] == label { 1.0 } else { 0.25 * f32::from(label) };
            let traced = labels_slice(&labels, nx, ny, score);
            let frame = index_frame(nx, ny);
            let mut areas = 0.0;
            let mut all = Vec::new();
            for label in 1..4 {
                let polygons = traced.get(&label).cloned().unwrap_or_default();
                let wanted: Vec<bool> = labels.iter().map(|own| *own == label).collect();
                prop_assert_eq!(rasterise::polygons(&polygons, &frame), wanted);
                areas += area(&polygons);
                all.extend(polygons);
            }
            let united = crate::geometry::clip::union_all(all);
            prop_assert!((areas - area(&united)).abs() < 1e-4);
        }
    }
}
