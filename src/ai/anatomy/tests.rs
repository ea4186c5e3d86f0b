//! Constructed label maps with answers one can see.

use super::*;
use crate::ai::components::argmax;
use crate::geometry::{Grid, Point3, Vector3};
use half::f16;

fn organ(value: u16, name: &str, side: Option<Side>) -> Label {
    Label { value, name: name.to_owned(), side, ..Label::default() }
}

/// Planes that show the body from left to right, and planes that do not.
const WHOLE: [bool; 60] = [true; 60];
const CUT: [bool; 60] = [false; 60];

fn pair() -> Vec<Label> {
    vec![
        organ(1, "Parotid_R", Some(Side::Right)),
        organ(2, "Parotid_L", Some(Side::Left)),
        organ(3, "SpinalCord", None),
    ]
}

/// A body of columns 2 to 17 of 20, so that its middle lies at 9.5, on planes of 4 rows; turned and
/// stretched in space, which must not matter.
fn image(planes: usize) -> ModelImage {
    let turn = nalgebra::Rotation3::from_euler_angles(0.02, -0.01, 0.04);
    let steps = [Vector3::x() * 4.0, Vector3::y() * 3.0, Vector3::z() * 2.5].map(|step| turn * step);
    let grid = Grid::new([20, 4, planes], Point3::new(5.0, -3.0, 40.0), steps).unwrap();
    ModelImage {
        grid,
        low: [0, 0, 2],
        size: [planes, 4, 16],
        values: vec![0.0; planes * 64],
        body: vec![true; planes * 64],
    }
}

/// Probabilities from column 1 on, so that they begin one column before the body's box: where a
/// label is given it has .5, the other side's label .25, background the rest.
fn field(planes: usize, label_at: impl Fn(usize, usize, usize) -> u16) -> (Probabilities, Vec<u16>) {
    let mut values = Vec::new();
    for at in 0..planes * 4 * 18 {
        let label = label_at(at / 72, at / 18 % 4, at % 18 + 1);
        let mut shares = [0.25_f32, 0.0, 0.0, 0.0];
        match label {
            0 => shares[0] = 1.0,
            3 => shares[3] = 0.75,
            own => {
                shares[usize::from(own)] = 0.5;
                shares[usize::from(3 - own)] = 0.25;
            }
        }
        values.extend(shares.map(f16::from_f32));
    }
    let probabilities = Probabilities { low: [0, 0, 1], size: [planes, 4, 18], classes: 4, values };
    let labels = argmax(&probabilities);
    (probabilities, labels)
}

/// Columns of the grid that carry a label, on all planes and rows.
fn columns(labels: &[u16], label: u16) -> Vec<usize> {
    let mut found: Vec<usize> =
        labels.iter().enumerate().filter(|(_, own)| **own == label).map(|(at, _)| at % 18 + 1).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn a_pair_on_the_wrong_sides_is_exchanged_and_said() {
    let (mut p, mut labels) = field(6, |_, _, x| match x {
        3..=5 => 2,
        14..=16 => 1,
        9 => 3,
        _ => 0,
    });
    let organs = pair();
    let exchanged = put_right(&mut p, &mut labels, &organs, &image(6), &WHOLE);
    assert_eq!((columns(&labels, 1), columns(&labels, 2)), (vec![3, 4, 5], vec![14, 15, 16]));
    assert_eq!(columns(&labels, 3), [9]);
    assert_eq!(labels, argmax(&p), "labels and probabilities say the same");
    // What both had adds up: .5 and .25, so no seam is left where they were mixed.
    assert_eq!(p.values[3 * 4 + 1].to_f32(), 0.75);
    assert_eq!(p.values[3 * 4 + 2].to_f32(), 0.0);
    assert_eq!(exchanged.len(), 1);
    let said = exchanged[0].warning(|name| name == "Parotid_R").unwrap();
    assert!(said.contains("Parotid_L and Parotid_R"), "{said}");
    // Specks of organs that are not in the image say nothing of its sides.
    assert_eq!(exchanged[0].warning(|name| name == "SpinalCord"), None);
}

#[test]
fn a_piece_on_the_wrong_side_is_given_to_the_other_and_all_else_stays() {
    let right = |_: usize, y: usize, x: usize| match (x, y) {
        (3..=4, _) => 1,
        (5, _) => 2,
        (13..=16, _) => 2,
        (9..=10, 1) => 1, // across the midline: not judged
        _ => 0,
    };
    let (mut p, mut labels) = field(5, right);
    assert!(put_right(&mut p, &mut labels, &pair(), &image(5), &WHOLE).is_empty());
    assert_eq!((columns(&labels, 1), columns(&labels, 2)), (vec![3, 4, 5, 9, 10], vec![13, 14, 15, 16]));
    // Alone, without a partner, it is dropped: what comes next is background, as likely as label 1.
    let (mut p, mut labels) = field(5, right);
    let alone = [organ(2, "Parotid_L", Some(Side::Left))];
    put_right(&mut p, &mut labels, &alone, &image(5), &WHOLE);
    assert_eq!((columns(&labels, 2), columns(&labels, 1)), (vec![13, 14, 15, 16], vec![3, 4, 9, 10]));
    // Without a side it stays.
    let (mut p, mut labels) = field(5, right);
    put_right(&mut p, &mut labels, &[organ(2, "Parotid_L", None)], &image(5), &WHOLE);
    assert_eq!(columns(&labels, 2), [5, 13, 14, 15, 16]);
}

#[test]
fn the_middle_is_the_bodys_not_the_pictures() {
    // The body's left half is missing: its middle is at column 5.5, so columns 8 to 9 are left.
    let mut half = image(4);
    half.body.iter_mut().enumerate().for_each(|(at, inside)| *inside = at % 16 < 8);
    let (mut p, mut labels) = field(4, |_, _, x| u16::from((8..=9).contains(&x)));
    let organs = pair();
    let exchanged = put_right(&mut p, &mut labels, &organs, &half, &WHOLE);
    assert_eq!((columns(&labels, 1), columns(&labels, 2)), (vec![], vec![8, 9]));
    // Alone of its pair it changed its name, which is said.
    let said = exchanged[0].warning(|name| name == "Parotid_L").unwrap();
    assert!(exchanged.len() == 1 && said.contains("Parotid_R") && said.contains("Parotid_L now"), "{said}");
    assert_eq!(exchanged[0].warning(|name| name == "Parotid_R"), None);
    // An arm on one slice alone does not move it.
    let mut arm = half;
    arm.body[..64].fill(false);
    arm.body[12..16].fill(true);
    let (mut p, mut labels) = field(4, |_, _, x| u16::from((8..=9).contains(&x)));
    put_right(&mut p, &mut labels, &pair(), &arm, &WHOLE);
    assert_eq!((columns(&labels, 1), columns(&labels, 2)), (vec![], vec![8, 9]));
}

#[test]
fn an_organ_that_takes_a_speck_s_name_is_told_of() {
    let organs = pair();
    let told = |right_to: usize| {
        let place = |_: usize, _: usize, x: usize| match x {
            6..=7 => 2,
            x if (2..right_to).contains(&x) => 1,
            _ => 0,
        };
        let (mut p, mut labels) = field(4, place);
        let exchanged = put_right(&mut p, &mut labels, &organs, &image(4), &WHOLE);
        assert!(columns(&labels, 2).is_empty() && columns(&labels, 1).contains(&7));
        exchanged
    };
    // A left organ on the right with a speck of the right one, and with the right one itself.
    assert_eq!(told(3), [Exchanged::Alone { had: "Parotid_L", is: "Parotid_R" }]);
    assert_eq!(told(5), []);
}

#[test]
fn one_arm_beside_the_trunk_does_not_move_the_middle() {
    // The trunk on columns 4 to 13, its middle at 8.5; a part of an arm on column 17, which would move it to
    // 9.1, and a right organ on column 10.
    let mut arm = image(4);
    arm.body.iter_mut().enumerate().for_each(|(at, inside)| {
        let (x, y) = (at % 16 + 2, at / 16 % 4);
        *inside = (4..=13).contains(&x) || (x == 17 && y < 3);
    });
    let (mut p, mut labels) = field(4, |_, _, x| u16::from(x == 10));
    put_right(&mut p, &mut labels, &pair(), &arm, &WHOLE);
    assert_eq!((columns(&labels, 1), columns(&labels, 2)), (vec![], vec![10]));
    // Two legs both count: their middle is between them, at 9.7, and a left organ of the left one's inner side
    // stays.
    let mut legs = image(4);
    legs.body.iter_mut().enumerate().for_each(|(at, inside)| {
        *inside = matches!(at % 16 + 2, 4..=7 | 11..=15);
    });
    let (mut p, mut labels) = field(4, |_, _, x| if x == 11 { 2 } else { 0 });
    assert!(put_right(&mut p, &mut labels, &pair(), &legs, &WHOLE).is_empty());
    assert_eq!(columns(&labels, 2), [11]);
}

#[test]
fn where_the_scan_cuts_the_body_off_a_lone_organ_keeps_its_side() {
    // Which side of the body is seen nobody can tell: both stay what the model said.
    for label in [1, 2] {
        for own in [2..=4, 12..=14] {
            let (mut p, mut labels) = field(4, |_, _, x| if own.contains(&x) { label } else { 0 });
            let before = labels.clone();
            assert!(put_right(&mut p, &mut labels, &pair(), &image(4), &CUT).is_empty());
            assert_eq!(labels, before);
        }
    }
    // A label without a partner is not dropped either.
    let (mut p, mut labels) = field(4, |_, _, x| if (2..4).contains(&x) { 2 } else { 0 });
    put_right(&mut p, &mut labels, &[organ(2, "Parotid_L", Some(Side::Left))], &image(4), &CUT);
    assert_eq!(columns(&labels, 2), [2, 3]);
}

#[test]
fn a_pair_within_the_body_is_told_by_its_order() {
    let judged = |label_at: &dyn Fn(usize) -> u16| {
        let (mut p, mut labels) = field(4, |_, _, x| label_at(x));
        let organs = pair();
        let exchanged = put_right(&mut p, &mut labels, &organs, &image(4), &CUT).len();
        (columns(&labels, 1), columns(&labels, 2), exchanged)
    };
    let in_order = |x| match x {
        2..=4 => 1,
        12..=14 => 2,
        _ => 0,
    };
    assert_eq!(judged(&in_order), (vec![2, 3, 4], vec![12, 13, 14], 0));
    // The left one to the right of the right one, 32 mm of nothing between them.
    let reversed = |x| match in_order(x) {
        0 => 0,
        own => 3 - own,
    };
    assert_eq!(judged(&reversed), (vec![2, 3, 4], vec![12, 13, 14], 1));
    // Half of one organ with the other's name, beside it, and a speck far off, are no pair.
    let beside = |x| match x {
        2..=4 => 2,
        5..=7 => 1,
        _ => 0,
    };
    assert_eq!(judged(&beside), (vec![5, 6, 7], vec![2, 3, 4], 0));
    let speck = |x| match x {
        2..=8 => 2,
        14 => 1,
        _ => 0,
    };
    assert_eq!(judged(&speck), (vec![14], (2..=8).collect(), 0));
    // Both of them on both sides: nothing says which is which.
    let mixed = |x| match x {
        2 | 14 => 2,
        6 | 10 => 1,
        _ => 0,
    };
    assert_eq!(judged(&mixed), (vec![6, 10], vec![2, 14], 0));
}

#[test]
fn the_middle_is_known_near_slices_that_show_all_of_the_body() {
    // On the first 4 of 60 planes of 2.5 mm.
    let mut is_whole = vec![false; 60];
    is_whole[..4].fill(true);
    let judged = |own: std::ops::Range<usize>| {
        let place = |z: usize, _: usize, x: usize| u16::from(own.contains(&z) && (13..=15).contains(&x));
        let (mut p, mut labels) = field(60, place);
        put_right(&mut p, &mut labels, &pair(), &image(60), &is_whole);
        (columns(&labels, 1).len(), columns(&labels, 2).len())
    };
    assert_eq!(judged(0..4), (0, 3), "a right organ on the left of a body that is seen whole");
    assert_eq!(judged(20..30), (0, 3), "and 65 mm away from it");
    assert_eq!(judged(50..58), (3, 0), "but not 120 mm away");
}

#[test]
fn the_heart_s_chambers_have_no_side_of_the_body() {
    // A right ventricle lies in front, and most of it on the body's left.
    let organs = [
        organ(1, "Ventricle_R", Some(Side::Right)),
        organ(2, "Ventricle_L", Some(Side::Left)),
        organ(3, "Kidney_R", Some(Side::Right)),
    ];
    let heart = |_: usize, _: usize, x: usize| match x {
        11..=13 => 1,
        14..=16 => 2,
        _ => 0,
    };
    for is_whole in [&WHOLE, &CUT] {
        let (mut p, mut labels) = field(4, heart);
        let before = labels.clone();
        assert!(put_right(&mut p, &mut labels, &organs, &image(4), is_whole).is_empty());
        assert_eq!(labels, before);
    }
    assert_eq!(organs[0].opposite(&organs), None);
}

#[test]
fn a_piece_that_one_organ_loses_is_no_second_piece_of_another() {
    // Both organs, and a speck of the second that is nearly the first, which is looked at before it.
    let (mut p, mut labels) = field(4, |z, _, x| match x {
        3..=5 => 1,
        8..=11 => 2,
        16 if z == 0 => 2,
        _ => 0,
    });
    let speck: Vec<usize> = (0..labels.len()).filter(|at| labels[*at] == 2 && at % 18 + 1 == 16).collect();
    for at in &speck {
        p.values[at * 4..][..4].copy_from_slice(&[0.1, 0.4, 0.5, 0.0].map(f16::from_f32));
    }
    let one = |value, name| Label { keep_largest: true, ..organ(value, name, None) };
    assert!(
        put_right(&mut p, &mut labels, &[one(1, "SpinalCord"), one(2, "Esophagus")], &image(4), &WHOLE)
            .is_empty()
    );
    assert_eq!(columns(&labels, 1), [3, 4, 5]);
    assert_eq!(columns(&labels, 2), [8, 9, 10, 11]);
    assert_eq!(argmax(&p), labels);
    assert!(!speck.is_empty() && speck.iter().all(|at| labels[*at] == 0));
}

#[test]
fn only_small_holes_in_one_organ_are_closed() {
    let picture = [
        "11111110222",
        "10111010202",
        "11110010222",
        "11111110000",
        "01003330000",
        "11003030000",
        "00003330000",
    ];
    let mut labels: Vec<u16> =
        picture.iter().flat_map(|row| row.bytes().map(|byte| u16::from(byte - b'0'))).collect();
    close_holes(&mut labels, 11, 4, |label| label != 2);
    let after: Vec<String> = labels.chunks(11).map(|row| row.iter().map(u16::to_string).collect()).collect();
    // Holes of one and of three pixels are closed; label 2 keeps its own; the notch at the
    // border is no hole.
    assert_eq!(
        after,
        [
            "11111110222",
            "11111110202",
            "11111110222",
            "11111110000",
            "01003330000",
            "11003330000",
            "00003330000",
        ]
    );
    let mut large: Vec<u16> = vec![1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1];
    close_holes(&mut large, 4, 2, |_| true);
    assert_eq!(large[5..7], [0, 0], "two pixels are not below two");
    // Between two organs it may be anything.
    let mut between: Vec<u16> = vec![1, 1, 2, 1, 0, 2, 1, 1, 2];
    close_holes(&mut between, 3, 9, |_| true);
    assert_eq!(between[4], 0);
}
