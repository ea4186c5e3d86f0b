//! Recipes read, printed and carried out.

use super::*;
use crate::edit::algebra::Region;
use crate::geometry::{Grid, Plane, Point2, Point3, Polygon, Ring, Vector3};
use crate::patient::{Roi, RoiPlane, Slice, Unit, Volume, Voxels};
use crate::progress::Progress;
use proptest::prelude::*;
use std::sync::Arc;

fn id_of(name: &str) -> Option<RoiId> {
    ["CTV", "Skin", "Lung_L", "PTV^Boost", "in"].iter().position(|own| *own == name).map(|n| RoiId(n as u64))
}

fn name_of(id: RoiId) -> Option<String> {
    ["CTV", "Skin", "Lung_L", "PTV^Boost", "in"].get(usize::try_from(id.0).ok()?).map(ToString::to_string)
}

fn read(text: &str) -> Recipe {
    parse(text, &id_of).unwrap().recipe
}

#[test]
fn a_recipe_is_read_and_printed_back() {
    let given = "PTV = CTV + 5 mm - (Skin in 3 mm)";
    let definition = parse(given, &id_of).unwrap();
    assert_eq!(definition.name.as_deref(), Some("PTV"));
    let text = printed(&definition.recipe, &name_of);
    assert_eq!(text, "CTV + 5 mm - (Skin - 3 mm)");
    assert_eq!(read(&text), definition.recipe);
    assert_eq!(definition.recipe.stored(), "{0} + 5 mm - ({1} - 3 mm)");
    assert_eq!(Recipe::from_stored(&definition.recipe.stored()), Some(definition.recipe.clone()));
    assert_eq!(definition.recipe.sources(), [RoiId(0), RoiId(1)].into());
}

#[test]
fn operators_bind_as_said() {
    for (given, printed_back) in [
        ("CTV + Skin + 5 mm", "CTV + Skin + 5 mm"),
        ("CTV + (Skin + 5 mm)", "CTV + (Skin + 5 mm)"),
        ("CTV + Skin out 5 mm", "CTV + (Skin + 5 mm)"),
        ("CTV & Skin in 2.5 mm or Lung_L", "CTV & (Skin - 2.5 mm) + Lung_L"),
        ("CTV + 5 mm & (Skin in 5 mm)", "(CTV + 5 mm) & (Skin - 5 mm)"),
        ("CTV + 5 mm & Skin in 5 mm", "(CTV + 5 mm) & (Skin - 5 mm)"),
        ("CTV + Lung_L - 5 mm and Skin - \"in\"", "(CTV + Lung_L - 5 mm) & Skin - \"in\""),
        ("CTV + 5 mm & Skin & Lung_L + 2 mm", "(CTV + 5 mm) & Skin & Lung_L + 2 mm"),
        ("CTV + Skin & Lung_L", "CTV + Skin & Lung_L"),
        ("CTV - Skin - Lung_L", "CTV - Skin - Lung_L"),
        ("CTV - (Skin - Lung_L)", "CTV - (Skin - Lung_L)"),
        ("(CTV - Skin) xor Lung_L", "CTV - Skin xor Lung_L"),
        ("\"PTV^Boost\" and \"in\"", "\"PTV^Boost\" & \"in\""),
        ("CTV + (left 5, superior 8) mm", "CTV + (left 5, superior 8) mm"),
        (
            "wall(CTV, 2 mm, 1 mm) + ring(Skin, 3 mm, 10 mm)",
            "wall(CTV, 2 mm, 1 mm) + ring(Skin, 3 mm, 10 mm)",
        ),
        ("above(largest(CTV), 0.5 cc)", "above(largest(CTV), 0.5 cc)"),
        ("points(smooth(simple(CTV, 0.3 mm), 2 mm), 500)", "points(smooth(simple(CTV, 0.3 mm), 2 mm), 500)"),
        ("smooth3d( CTV + Skin , 3 mm )", "smooth3d(CTV + Skin, 3 mm)"),
        ("extended(filled(unholed(CTV)), 2)", "extended(filled(unholed(CTV)), 2)"),
        ("resampled(CTV) + 3 mm", "resampled(CTV) + 3 mm"),
    ] {
        assert_eq!(printed(&read(given), &name_of), printed_back);
        assert_eq!(read(printed_back), read(given), "{given}");
    }
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    for (given, at, part) in [
        ("", 0, "name of a structure"),
        ("CTV +", 5, "name of a structure"),
        ("CTV + 5", 7, "Expected mm after 5"),
        ("CTV + 5 cm", 8, "Expected mm"),
        ("CTV + Liver", 6, "no structure named Liver"),
        ("5 mm", 0, "before it"),
        ("(CTV - Skin", 11, "Expected )"),
        ("CTV Skin", 4, "operator"),
        ("CTV + 5 mm Skin", 11, "operator"),
        ("CTV + 5 mm &", 12, "name of a structure"),
        ("CTV in Skin", 7, "distance"),
        ("CTV ^ Skin", 4, "quotation marks"),
        ("\"CTV", 0, "does not end"),
        ("grow(CTV)", 0, "no operation grow"),
        ("points(CTV, 1.5)", 12, "whole number"),
        ("above(CTV, 5 mm)", 13, "Expected cc"),
        ("CTV + (left 5, upwards 3) mm", 15, "direction"),
        ("CTV + 900 mm", 12, "200 mm"),
        ("CTV + 1.2.3 mm", 6, "no number"),
    ] {
        let error = parse(given, &id_of).unwrap_err();
        assert!(error.at == at && error.message.contains(part), "{given}: {error:?}");
    }
    let deep = format!("{}CTV{}", "(".repeat(100), ")".repeat(100));
    assert!(parse(&deep, &id_of).unwrap_err().message.contains("nested"));
}

fn any_recipe() -> impl Strategy<Value = Recipe> {
    let leaf = (0..5_u64).prop_map(|n| Recipe::Roi(RoiId(n)));
    let rule = prop::sample::select(vec![
        SetRule::Union,
        SetRule::Intersection,
        SetRule::Subtraction,
        SetRule::SymmetricDifference,
    ]);
    let number = (1..400_u32).prop_map(|n| f64::from(n) / 8.0);
    let operation =
        (0..13_usize, prop::array::uniform6(number.clone()), number).prop_map(|(n, all, mm)| match n {
            0 => Operation::Expand(Margin::uniform(mm)),
            1 => Operation::Contract(Margin::from_array(all)),
            2 => Operation::Wall { inner_mm: mm, outer_mm: all[0] },
            3 => Operation::Ring { gap_mm: mm, width_mm: all[0] },
            4 => Operation::Largest,
            5 => Operation::Above(mm),
            6 => Operation::Filled,
            7 => Operation::Unholed,
            8 => Operation::Smooth(mm),
            9 => Operation::Simple(mm),
            10 => Operation::Points(7),
            11 => Operation::SmoothInSpace(mm),
            _ => Operation::Expand(Margin { left_mm: mm, ..Margin::uniform(0.0) }),
        });
    leaf.prop_recursive(5, 24, 4, move |inner| {
        prop_oneof![
            (rule.clone(), prop::collection::vec(inner.clone(), 2..4)).prop_map(|(rule, parts)| {
                // A set whose first part is a set of the same rule is one set, as the parser makes it.
                match parts.split_first() {
                    Some((Recipe::Set(same, first), rest)) if *same == rule => {
                        Recipe::Set(rule, first.iter().chain(rest).cloned().collect())
                    }
                    _ => Recipe::Set(rule, parts),
                }
            }),
            (operation.clone(), inner).prop_map(|(operation, part)| Recipe::Apply(operation, Box::new(part))),
        ]
    })
}

proptest! {
    #[test]
    fn every_recipe_comes_back_from_its_text(recipe in any_recipe()) {
        let text = printed(&recipe, &name_of);
        prop_assert_eq!(parse(&text, &id_of).map(|d| d.recipe), Ok(recipe.clone()), "{}", text);
        prop_assert_eq!(Recipe::from_stored(&recipe.stored()), Some(recipe));
    }

    #[test]
    fn no_text_is_too_odd_to_be_refused_or_read(text in "[A-Za-z0-9 +&(),.{}\"=^-]{0,40}") {
        let _ = parse(&text, &id_of);
    }
}

fn volume() -> Volume {
    let steps = [Vector3::x(), Vector3::y(), Vector3::z() * 2.0];
    let grid = Grid::new([4, 4, 30], Point3::origin(), steps).unwrap();
    let slices = (0..30)
        .map(|n| f64::from(n) * 2.0)
        .map(|z| Slice {
            plane: Plane::axial(z),
            origin_mm: Point3::new(0.0, 0.0, z),
            instance: None,
            missing: false,
        })
        .collect();
    Volume { voxels: Voxels::I16(vec![0; grid.len()]), grid, unit: Unit::Hu, slices, native: None }
}

fn block(id: u64, volume: &Volume, slices: std::ops::Range<usize>, x: f64, side: f64) -> Arc<Roi> {
    let mut roi = Roi::new(RoiId(id), 1, format!("R{id}"), [1, 2, 3]);
    let ring =
        [(x, 0.0), (x + side, 0.0), (x + side, side), (x, side)].map(|(x, y)| Point2::new(x, y)).to_vec();
    roi.planes = slices
        .map(|k| {
            Arc::new(RoiPlane::new(volume.slices[k].plane, None, vec![Polygon::from_outer(ring.clone())]))
        })
        .collect();
    Arc::new(roi)
}

/// The same outlines, but for the rounding of sums that begin elsewhere: far below the lattice that
/// vertices are put on.
#[track_caller]
fn same(part: &Region, whole: &Region, of: &str) {
    let rings = |region: &Region| -> Vec<(usize, Vec<Ring>)> {
        let slices = region.slices();
        slices.map(|(slice, own)| (slice, own.iter().flat_map(Polygon::rings).cloned().collect())).collect()
    };
    let (part, whole) = (rings(part), rings(whole));
    assert_eq!(part.len(), whole.len(), "{of}");
    for ((slice, ours), (other, theirs)) in part.iter().zip(&whole) {
        assert_eq!((slice, ours.len()), (other, theirs.len()), "{of}");
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert_eq!(ours.len(), theirs.len(), "{of}, slice {slice}");
            let apart = ours.iter().zip(theirs).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max);
            assert!(apart < 1e-9, "{of}, slice {slice}: {apart} mm");
        }
    }
}

#[test]
fn a_window_of_a_recipe_is_the_whole_one_there() {
    let volume = volume();
    let rois = [block(0, &volume, 8..20, 0.0, 20.0), block(1, &volume, 5..25, 15.0, 12.0)];
    let progress = Progress::new();
    for text in [
        "CTV + 5 mm - (Skin in 3 mm)",
        "wall(CTV, 2 mm, 3 mm) & Skin",
        "largest(CTV + Skin) + 1 mm",
        "smooth3d(CTV + Skin, 1.5 mm)",
    ] {
        let recipe = read(text);
        let whole = evaluate(&recipe, &rois, &volume, (0, usize::MAX), &progress).unwrap();
        assert!(!whole.is_empty());
        for window in [(0, 3), (7, 9), (18, 23), (22, 29)] {
            let part = evaluate(&recipe, &rois, &volume, window, &progress).unwrap();
            same(&part, &whole.within(window.0, window.1), &format!("{text} {window:?}"));
        }
    }
    // Over more lengths than smoothing in space reaches, from side to side on every slice.
    let side = |slice: usize| [20.0, 26.0, 17.0, 24.0, 21.0][slice % 5];
    let mut zigzag = Roi::new(RoiId(0), 1, "R0".to_owned(), [1, 2, 3]);
    zigzag.planes =
        (0..30).map(|k| Arc::clone(&block(0, &volume, k..k + 1, 0.0, side(k)).planes[0])).collect();
    let rois = [Arc::new(zigzag)];
    for text in ["smooth3d(CTV, 1 mm)", "smooth3d(CTV, 1.4 mm)"] {
        let recipe = read(text);
        let whole = evaluate(&recipe, &rois, &volume, (0, usize::MAX), &progress).unwrap();
        assert_ne!(whole.on(15), Region::of_roi(&rois[0], &volume).unwrap().on(15), "{text}");
        for window in [(0, 1), (9, 10), (14, 14), (20, 20), (28, 29)] {
            let part = evaluate(&recipe, &rois, &volume, window, &progress).unwrap();
            same(&part, &whole.within(window.0, window.1), &format!("{text} {window:?}"));
        }
    }
    assert_eq!(
        evaluate(&Recipe::Roi(RoiId(7)), &rois, &volume, (0, 9), &progress),
        Err(EvaluateError::NoSource(RoiId(7)))
    );
}

#[test]
fn smoothing_in_space_is_more_work_the_farther_it_reads() {
    let volume = volume();
    // Squares of 20 mm, four vertices each, on slices 8 to 19, which are 2 mm apart.
    let rois = [block(0, &volume, 8..20, 0.0, 20.0)];
    let of = |text: &str, window| effort(&read(text), &rois, &volume, window);
    let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found} for {wanted}");
    near(of("CTV + 5 mm", (0, 29)), 48.0);
    near(of("CTV + 5 mm", (10, 11)), 8.0);
    near(of("CTV + CTV", (10, 11)), 16.0);
    // Vertices 0.5 mm apart besides, and within 3 mm a slice on either side, looked at twice: a quarter more.
    near(of("smooth3d(CTV, 1 mm)", (0, 29)), 12.0 * (4.0 + 160.0) * 1.25);
    // All of it is within 18 mm of slice 14, but of slice 0 only what lies up to there.
    near(of("smooth3d(CTV, 1 mm)", (14, 14)), of("smooth3d(CTV, 1 mm)", (0, 29)));
    assert!(of("smooth3d(CTV, 1 mm)", (0, 0)) < 3.0 * 164.0 * 1.25 + 1e-9);
    assert!(of("smooth3d(CTV, 3 mm) + 1 mm", (0, 29)) > 12.0 * (4.0 + 80.0 / 1.5) * 1.9);
}

#[test]
fn only_affected_slices_change() {
    let volume = volume();
    let recipe = read("(CTV + 5 mm) & Skin in 1 mm");
    assert!(is_local(&recipe) && !is_local(&read("largest(CTV)")));
    let before = [block(0, &volume, 8..20, 0.0, 20.0), block(1, &volume, 2..28, -9.0, 40.0)];
    let mut after = before.clone();
    let changed = Arc::make_mut(&mut after[0]);
    changed.planes[4] = Arc::clone(&block(9, &volume, 12..13, 0.0, 30.0).planes[0]);
    let progress = Progress::new();
    let of = |rois: &[Arc<Roi>]| evaluate(&recipe, rois, &volume, (0, usize::MAX), &progress).unwrap();
    let (old, new) = (of(&before), of(&after));
    let (from, to) = affected(&recipe, &volume, (12, 12));
    assert!(from > 5 && to < 19, "{from} {to}");
    let differ: Vec<usize> = (0..30).filter(|n| old.on(*n) != new.on(*n)).collect();
    assert!(differ.len() >= 5 && differ.iter().all(|n| (from..=to).contains(n)), "{differ:?}");
}
