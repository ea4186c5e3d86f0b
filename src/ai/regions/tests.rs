use super::*;
use crate::geometry::{Grid, Point3, Vector3};
use crate::patient::Voxels;

/// A trunk: an ellipse of soft tissue with a spine, lungs in the upper half, a couch below.
fn trunk(axis: Vector3) -> Volume {
    let dims = [100, 70, 60];
    let side = Vector3::y().cross(&axis);
    let grid = Grid::new(dims, Point3::origin(), [side * 4.0, Vector3::y() * 4.0, axis * 5.0]).unwrap();
    let mut values = Vec::with_capacity(grid.len());
    for at in 0..grid.len() {
        let [i, j, k] = [at % dims[0], at / dims[0] % dims[1], at / (dims[0] * dims[1])];
        let (x, y) = (as_f64(i) - 50.0, as_f64(j) - 30.0);
        let is_upper = (k >= 30) == (axis.z > 0.0);
        values.push(match () {
            () if j == 55 => 100,
            () if (x / 40.0).hypot(y / 24.0) > 1.0 => -1000,
            () if x.abs() < 4.0 && (10.0..17.0).contains(&y) => 400,
            () if is_upper && ((x.abs() - 20.0) / 12.0).hypot(y / 16.0) < 1.0 => -850,
            () => 30,
        });
    }
    Volume { grid, voxels: Voxels::I16(values), unit: Unit::Hu, slices: Vec::new(), native: None }
}

#[test]
fn a_trunk_is_chest_above_and_abdomen_below_whichever_way_it_is_stored() {
    for axis in [Vector3::z(), -Vector3::z()] {
        let seen = seen_regions(&trunk(axis), &Progress::new()).unwrap();
        assert_eq!(seen.regions, [BodyRegion::Chest, BodyRegion::Abdomen], "{axis:?}");
        // 80 and 48 pixels of 4 mm across.
        assert!((seen.body_mm[0] - 320.0).abs() < 12.0 && (seen.body_mm[1] - 192.0).abs() < 12.0, "{seen:?}");
    }
}

#[test]
fn zeros_outside_the_circle_are_not_the_body() {
    let plain = trunk(Vector3::z());
    let mut padded = plain.clone();
    let Voxels::I16(values) = &mut padded.voxels else { unreachable!("made of whole numbers") };
    for (at, value) in values.iter_mut().enumerate() {
        let (x, y) = (as_f64(at % 100) - 49.5, as_f64(at / 100 % 70) - 34.5);
        if (x / 50.0).hypot(y / 35.0) > 1.0 {
            *value = 0;
        }
    }
    let [plain, padded] = [plain, padded].map(|volume| seen_regions(&volume, &Progress::new()).unwrap());
    assert_eq!(padded, plain);
}

#[test]
fn what_is_no_body_or_no_ct_is_unknown() {
    let mut volume = trunk(Vector3::z());
    volume.unit = Unit::Arbitrary;
    assert_eq!(seen_regions(&volume, &Progress::new()).unwrap(), SeenRegions::default());
    volume.unit = Unit::Hu;
    volume.voxels = Voxels::I16(vec![-1000; volume.grid.len()]);
    assert!(seen_regions(&volume, &Progress::new()).unwrap().regions.is_empty());
    volume.voxels = Voxels::I16(vec![2000; volume.grid.len()]);
    assert!(seen_regions(&volume, &Progress::new()).unwrap().regions.is_empty(), "a block of metal");
    let stopped = Progress::new();
    stopped.cancel();
    assert!(seen_regions(&trunk(Vector3::z()), &stopped).is_err());
}

#[test]
fn the_cheapest_way_never_goes_back_up() {
    let mut costs = vec![[5.0; 7]; 6];
    for (slice, look) in [3, 3, 0, 4, 4, 4].into_iter().enumerate() {
        costs[slice][look] = 0.0;
    }
    // The head on the third slice would have to lie below the chest: it stays chest, or abdomen.
    assert_eq!(cheapest(&costs)[..2], [3, 3]);
    assert_eq!(cheapest(&costs)[3..], [4, 4, 4]);
    assert!(cheapest(&[]).is_empty());
}
