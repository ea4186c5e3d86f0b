//! Records survive the way to bytes and back, and damage is told.

use super::*;
use crate::geometry::Point3;
use proptest::prelude::*;

fn image() -> ImageInstance {
    ImageInstance { sop_class_uid: "1.2".into(), sop_instance_uid: "2.25.7".into(), frame: Some(3) }
}

fn derivation() -> Derivation {
    Derivation { recipe: "{3} + 5 mm".to_owned(), sources: vec![(RoiId(3), u64::MAX)], result: 1 << 63 }
}

fn oblique() -> Plane {
    Plane::new(Point3::new(1.0, 2.0, 3.3), Vector3::new(1.0, 0.2, 0.1), Vector3::new(0.0, 1.0, 0.3)).unwrap()
}

/// On no lattice, as what is drawn in a view lies on none.
fn guide(plane: Plane, k: f64) -> Arc<Guide> {
    let ring =
        |k: f64| vec![Point2::new(-k, 0.1 + 0.2), Point2::new(k / 3.0, k.sqrt()), Point2::new(1e-7, -0.0)];
    Arc::new(Guide { plane, polygons: vec![Polygon { outer: ring(10.0 + k), holes: vec![ring(k)] }] })
}

fn rich_roi() -> Roi {
    let mut roi = Roi::new(RoiId(9), -4, "Glnd_Submand_L", [1, 2, 3]);
    roi.roi_type = RoiType::Other("DOSE_REGION".to_owned());
    roi.generation = GenerationAlgorithm::Unknown;
    roi.approval = Approval::Reviewed;
    roi.locked = true;
    roi.visible = false;
    roi.description = "head-neck 0.1.0".to_owned();
    roi.code = AnatomicCode::of_name("Glnd_Submand_L");
    roi.revision = 1 << 40;
    roi.derivation = Some(Arc::new(derivation()));
    roi.density = Some(Density::Mass(1.05));
    roi.exclusive = true;
    roi.guides = vec![guide(oblique(), 1.0), guide(Plane::axial(0.1), 2.0)];
    let triangle = |k: f64| {
        vec![Point2::new(-k, 0.1), Point2::new(k / 3.0, 0.7), Point2::new(1e-4 * (k * 1e4).round(), 9.0)]
    };
    let polygon = Polygon { outer: triangle(10.0), holes: vec![triangle(1.0)] };
    for plane in [Plane::axial(-12.5), oblique()] {
        let mut made = RoiPlane::new(plane, Some(image()), vec![polygon.clone()]);
        made.source = vec![0, 700];
        made.confidence = Some(0.625);
        roi.planes.push(Arc::new(made));
    }
    roi.confidence = Some(Confidence { value: 0.1, calibrated: true, edited: true });
    roi.source = Some(Arc::new(vec![SourceContour {
        geometric_type: GeometricType::OpenNonplanar,
        data: "1.50\\-2\\3e1".into(),
        number: Some(12),
        images: vec![image()],
        bounds_area: true,
    }]));
    roi
}

#[test]
fn every_kind_of_change_comes_back_the_same() {
    let roi = Arc::new(rich_roi());
    let plane = Some(Arc::clone(&roi.planes[1]));
    let id = roi.id;
    let heading = Heading { label: "é".to_owned(), series_uid: Some("1".into()), ..Heading::default() };
    let attribute = |before, after| Change::Attribute { roi: id, before, after };
    let edit = Edit {
        name: "Alles".to_owned(),
        changes: vec![
            Change::Insert { index: 3, roi: Arc::clone(&roi) },
            Change::Remove { index: 0, roi: Arc::clone(&roi) },
            Change::Move { roi: id, from: 2, to: 700 },
            attribute(Attribute::Name("a".to_owned()), Attribute::Name(String::new())),
            attribute(Attribute::Color([1, 2, 3]), Attribute::Color([255, 0, 9])),
            attribute(Attribute::RoiType(RoiType::Ptv), Attribute::RoiType(RoiType::External)),
            attribute(
                Attribute::Generation(GenerationAlgorithm::Automatic),
                Attribute::Generation(GenerationAlgorithm::SemiAutomatic),
            ),
            attribute(Attribute::Approval(Approval::Proposal), Attribute::Approval(Approval::Approved)),
            attribute(Attribute::Locked(true), Attribute::Locked(false)),
            attribute(Attribute::Description("x".to_owned()), Attribute::Description("y".to_owned())),
            attribute(Attribute::Confidence(None), Attribute::Confidence(Some(Confidence::new(0.75, false)))),
            attribute(Attribute::Code(None), Attribute::Code(AnatomicCode::of_name("Liver"))),
            attribute(Attribute::Derivation(None), Attribute::Derivation(Some(Arc::new(derivation())))),
            attribute(Attribute::Density(Some(Density::Electron(0.3))), Attribute::Density(None)),
            attribute(Attribute::Density(None), Attribute::Density(Some(Density::Mass(7.9)))),
            attribute(Attribute::Exclusive(false), Attribute::Exclusive(true)),
            Change::Planes { roi: id, planes: vec![PlaneEdit { before: plane, after: None }] },
            Change::Guide { roi: id, index: 0, before: None, after: Some(guide(oblique(), 3.0)) },
            Change::Guide {
                roi: id,
                index: 700,
                before: Some(guide(Plane::axial(1.0 / 3.0), 4.0)),
                after: Some(guide(oblique(), 5.0)),
            },
            Change::Heading { before: Box::new(heading), after: Box::default() },
        ],
    };
    assert_eq!(decode_edit(&encode_edit(&edit)), Ok(edit));
}

#[test]
fn a_guide_comes_back_bit_by_bit() {
    let bits = |guide: &Guide| -> Vec<u64> {
        let axes = [guide.plane.u(), guide.plane.v(), guide.plane.normal()];
        let points = guide.polygons.iter().flat_map(Polygon::rings).flatten().flat_map(|p| [p.x, p.y]);
        let axes = axes.iter().flat_map(|axis| [axis.x, axis.y, axis.z]);
        axes.chain([guide.plane.offset_mm()]).chain(points).map(f64::to_bits).collect()
    };
    let own = guide(oblique(), 0.7);
    let change = Change::Guide { roi: RoiId(1), index: 2, before: None, after: Some(Arc::clone(&own)) };
    let back = decode_edit(&encode_edit(&Edit { name: String::new(), changes: vec![change] })).unwrap();
    let [Change::Guide { after: Some(back), .. }] = back.changes.as_slice() else { panic!("{back:?}") };
    assert_eq!(bits(back), bits(&own));
}

#[test]
fn a_set_of_the_fifth_version_has_no_guides() {
    let mut roi = rich_roi();
    roi.guides.clear();
    let set = StructureSet { rois: vec![Arc::new(roi)], ..StructureSet::default() };
    // The last thing that a set of the present version says: the last ROI has no guides.
    let mut old = encode_set(&set);
    assert_eq!((u64::from(old[0]), old.pop()), (VERSION, Some(0)));
    old[0] = 5;
    assert_eq!(decode_set(&old), Ok(set));
    old[0] = 6;
    assert_eq!(decode_set(&old), Err(DamagedRecord));
}

#[test]
fn a_record_of_the_first_version_is_still_read() {
    // Insert at 0: ROI 9, number 3, "Cord", one axial plane at 2 mm with a triangle of 1 mm.
    let mut old = vec![1, 1, b'a', 1, 0, 0, 9, 6, 4];
    old.extend(*b"Cord\x01\x02\x03\x05ORGAN\x09AUTOMATIC");
    old.extend([0, 0, 1, 0, 5, 1, 1]);
    old.extend(2.0_f64.to_le_bytes());
    old.extend([0, 0, 1, 1, 3, 0, 0, 0xa0, 0x9c, 1, 0, 0, 0xa0, 0x9c, 1, 0, 0]);
    let edit = decode_edit(&old).unwrap();
    let [Change::Insert { index: 0, roi }] = edit.changes.as_slice() else { panic!("{edit:?}") };
    assert_eq!((roi.name.as_str(), roi.number, roi.revision), ("Cord", 3, 5));
    assert_eq!(roi.planes[0].area_mm2(), 0.5);
    assert_eq!((roi.confidence, roi.planes[0].confidence, &roi.code), (None, None, &None));
    assert!(roi.derivation.is_none() && roi.density.is_none() && !roi.exclusive && roi.guides.is_empty());
    // Written again, it is of the present version; a version to come is refused.
    let new = encode_edit(&edit);
    assert_eq!((u64::from(new[0]), decode_edit(&new)), (VERSION, Ok(edit)));
    old[0] = 7;
    assert_eq!(decode_edit(&old), Err(DamagedRecord));
}

#[test]
fn a_density_of_the_fourth_version_is_one_of_electrons() {
    // The attributes of ROI 9: no density before, 0.3 after.
    let mut old = vec![4, 1, b'a', 1, 3, 9, 10, 0, 10, 1];
    old.extend(0.3_f64.to_le_bytes());
    let edit = decode_edit(&old).unwrap();
    let after = Attribute::Density(Some(Density::Electron(0.3)));
    assert_eq!(edit.changes, [Change::Attribute { roi: RoiId(9), before: Attribute::Density(None), after }]);
}

#[test]
fn a_cut_or_changed_record_is_an_error_and_no_panic() {
    let set = StructureSet { rois: vec![Arc::new(rich_roi())], ..StructureSet::default() };
    let bytes = encode_set(&set);
    assert_eq!(decode_set(&bytes), Ok(set));
    for length in 0..bytes.len() {
        assert_eq!(decode_set(&bytes[..length]), Err(DamagedRecord));
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        let _ = decode_set(&damaged);
    }
}

proptest! {
    #[test]
    fn lattice_rings_are_compact_and_exact(start in -300.0..300.0_f64, steps in prop::collection::vec((-2.0..2.0_f64, -2.0..2.0_f64), 3..40)) {
        let mut at = Point2::new(start, -start);
        let ring: Ring = steps.iter().map(|(x, y)| { at += crate::geometry::Vector2::new(*x, *y); at }).collect();
        let plane = Plane::axial(1.0);
        let snapped: Ring = ring.iter().map(|point| plane.snap(*point)).collect();
        for (ring, bytes_each) in [(ring, 16), (snapped, 7)] {
            let mut w = Writer::default();
            w.ring(&ring);
            prop_assert!(w.bytes.len() <= 12 + bytes_each * ring.len());
            prop_assert_eq!(Reader { bytes: &w.bytes, version: VERSION }.ring(), Ok(ring));
        }
    }
}
