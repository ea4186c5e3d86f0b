//! Small series and ROIs for tests of session and tools.

use super::{Command, Edit, Session, codec};
use crate::geometry::{Grid, Plane, Point2, Point3, Polygon, Vector3};
use crate::patient::{
    Guide, ImageInstance, Modality, PatientInfo, Roi, RoiId, RoiPlane, RoiType, Series, SeriesInfo, Slice,
    StructureSet, StudyInfo, Unit, Volume, Voxels,
};
use std::sync::Arc;

/// A CT of `dims` voxels of `spacing_mm` along `axes`, first voxel at (-50, -50, 0), without values.
pub(crate) fn series_along(axes: [Vector3; 3], dims: [usize; 3], spacing_mm: [f64; 3]) -> Series {
    let origin = Point3::new(-50.0, -50.0, 0.0);
    let steps = [axes[0] * spacing_mm[0], axes[1] * spacing_mm[1], axes[2] * spacing_mm[2]];
    let grid = Grid::new(dims, origin, steps).unwrap();
    let slices = (0..dims[2])
        .map(|k| {
            #[expect(clippy::cast_precision_loss, reason = "a few slices")]
            let origin_mm = grid.patient_of([0.0, 0.0, k as f64]);
            Slice {
                plane: Plane::new(origin_mm, axes[0], axes[1]).unwrap(),
                origin_mm,
                instance: Some(ImageInstance {
                    sop_class_uid: "1.2.840.10008.5.1.4.1.1.2".into(),
                    sop_instance_uid: format!("2.25.{k}").into(),
                    frame: None,
                }),
                missing: false,
            }
        })
        .collect();
    let voxels = Voxels::I16(vec![0; grid.len()]);
    let volume = Volume { grid, voxels, unit: Unit::Hu, slices, native: None };
    let patient = PatientInfo { id: "P1".to_owned(), name: "Test^Anna".to_owned(), ..PatientInfo::default() };
    let info = SeriesInfo {
        patient,
        study: StudyInfo::default(),
        uid: "2.25.1000".into(),
        modality: Modality::Ct,
        description: "Test".to_owned(),
        number: None,
        frame_of_reference_uid: Some("2.25.1001".into()),
        patient_position: None,
        equipment: String::new(),
    };
    Series { info, volume: Arc::new(volume) }
}

/// An axial CT of 100 x 100 x 20 voxels of 1 x 1 x 3 mm, from (-50, -50, 0) to (49, 49, 57).
pub(crate) fn axial_series() -> Series {
    series_along([Vector3::x(), Vector3::y(), Vector3::z()], [100, 100, 20], [1.0, 1.0, 3.0])
}

/// The same, with one slice missing.
pub(crate) fn series_without(slice: usize) -> Series {
    let mut series = axial_series();
    let volume = Arc::make_mut(&mut series.volume);
    volume.slices[slice].missing = true;
    volume.slices[slice].instance = None;
    series
}

/// A square of `side` mm around a centre.
pub(crate) fn square(x: f64, y: f64, side: f64) -> Polygon {
    let h = side / 2.0;
    let corners = [(x - h, y - h), (x + h, y - h), (x + h, y + h), (x - h, y + h)];
    Polygon::from_outer(corners.map(|(x, y)| Point2::new(x, y)).to_vec())
}

/// A plane with contours on a slice of the series.
pub(crate) fn plane_on(series: &Series, slice: usize, polygons: Vec<Polygon>) -> RoiPlane {
    let slice = &series.volume.slices[slice];
    RoiPlane::new(slice.plane, slice.instance.clone(), polygons)
}

/// A session with ROIs of these names, the last one selected.
pub(crate) fn session_with(series: Series, names: &[&str]) -> Session {
    let mut session = Session::new(Arc::new(series));
    for name in names {
        let roi_type = RoiType::Organ;
        session.apply(Command::AddRoi { name: (*name).to_owned(), color: None, roi_type }).unwrap();
    }
    session
}

/// The first ROI of this name.
pub(crate) fn id(session: &Session, name: &str) -> RoiId {
    session.structures().roi_named(name).unwrap().id
}

/// The command of a hand gesture that leaves `polygons` on a slice.
pub(crate) fn draw(session: &Session, name: &str, slice: usize, polygons: Vec<Polygon>) -> Command {
    let roi = session.structures().roi_named(name).unwrap();
    let planes = vec![plane_on(session.series(), slice, polygons)];
    Command::SetPlanes { roi: roi.id, gesture: "Brush", based_on: roi.revision, planes }
}

/// A guide on the sagittal plane at `x_mm`: a square of `side` mm, on no lattice; none for a side of 0.
pub(crate) fn guide(x_mm: f64, side: f64) -> Guide {
    let plane = Plane::new(Point3::new(x_mm, 0.0, 0.0), Vector3::y(), Vector3::z()).unwrap();
    let polygons = if side > 0.0 { vec![square(1.0 / 3.0, 30.1, side)] } else { Vec::new() };
    Guide { plane, polygons }
}

/// A model's result: one ROI a name, a square of 10 mm on slices 2 to 4.
pub(crate) fn proposals(series: &Series, names: &[&str]) -> Command {
    let rois = names
        .iter()
        .map(|name| {
            let mut roi = Roi::new(RoiId(0), 0, *name, [200, 100, 0]);
            roi.planes =
                (2..5).map(|k| Arc::new(plane_on(series, k, vec![square(0.0, 0.0, 10.0)]))).collect();
            roi
        })
        .collect();
    Command::AddProposals { rois, model: "head-neck 0.1.0".to_owned() }
}

/// The set without what undo does not bring back: revisions and visibility.
pub(crate) fn plain(set: &StructureSet) -> StructureSet {
    let mut set = set.clone();
    for roi in &mut set.rois {
        let roi = Arc::make_mut(roi);
        roi.revision = 0;
        roi.visible = true;
    }
    set
}

/// The same session with `set` for its structures and, last of them, a locked one with these planes;
/// without history and journal. The locked one's identity.
pub(crate) fn beside_locked(
    session: &Session,
    mut set: StructureSet,
    planes: Vec<Arc<RoiPlane>>,
) -> (Session, RoiId) {
    let locked = RoiId(u64::MAX);
    let mut neighbour = Roi::new(locked, i32::MAX, "Locked neighbour", [9, 9, 9]);
    neighbour.locked = true;
    neighbour.planes = planes;
    set.rois.push(Arc::new(neighbour));
    let mut own = Session::new(Arc::clone(&session.series));
    own.selected = session.selected;
    own.revision = session.revision;
    own.next_roi = session.next_roi;
    own.overwrite = session.overwrite;
    own.set = set;
    (own, locked)
}

/// What a journal that began with `set` brings back after this step: both written and read again.
pub(crate) fn replayed(set: &StructureSet, edit: &Edit) -> StructureSet {
    let mut set = codec::decode_set(&codec::encode_set(set)).unwrap();
    let edit = codec::decode_edit(&codec::encode_edit(edit)).unwrap();
    edit.apply(&mut set, 1).unwrap();
    set
}
