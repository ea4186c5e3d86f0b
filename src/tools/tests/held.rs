//! What holds of every gesture, whatever it does: it is one step that can be taken back and done
//! again, the journal brings the same state back, and a locked structure in its place stays.

use super::{Session, check_polygons};
use crate::geometry::Polygon;
use crate::patient::RoiPlane;
use crate::session::fixture::{beside_locked, plain, replayed};
use crate::session::{Change, Command, Overwrite};
use std::sync::Arc;

/// Applies a gesture's command and checks all of that.
pub(super) fn apply(session: &mut Session, command: &Command) {
    let before = session.structures().clone();
    let steps = session.history().done();
    let edit = session.apply(command.clone()).unwrap().edit.expect("a gesture that gives a command changes");
    let after = session.structures().clone();
    assert_eq!(session.history().done(), steps + 1, "one step a gesture");
    for roi in before.rois.iter().filter(|roi| roi.is_locked()) {
        assert!(after.rois.iter().any(|own| Arc::ptr_eq(own, roi)), "{} is locked", roi.name);
    }
    assert_eq!(plain(&replayed(&before, &edit)), plain(&after), "the journal brings another state back");

    session.undo().unwrap();
    assert_eq!(plain(session.structures()), plain(&before), "undo");
    session.redo().unwrap();
    assert_eq!(plain(session.structures()), plain(&after), "redo");

    // Where anything has changed, a locked structure of just that shape.
    let planes = edit.changes.iter().filter_map(|change| match change {
        Change::Planes { planes, .. } => Some(planes),
        _ => None,
    });
    let mut shape: Vec<Arc<RoiPlane>> = Vec::new();
    for plane in planes.flatten().filter_map(|own| own.after.as_ref().or(own.before.as_ref())) {
        if !shape.iter().any(|own| own.plane.coincides(&plane.plane, 0.1)) {
            shape.push(Arc::clone(plane));
        }
    }
    shape.sort_by(|a, b| a.plane.offset_mm().total_cmp(&b.plane.offset_mm()));
    for overwrite in [Overwrite::Overlap, Overwrite::Unlocked] {
        let (mut beside, locked) = beside_locked(session, before.clone(), shape.clone());
        beside.set_overwrite(overwrite);
        let neighbour = Arc::clone(beside.roi(locked).unwrap());
        beside.apply(command.clone()).unwrap();
        assert!(Arc::ptr_eq(beside.roi(locked).unwrap(), &neighbour), "{overwrite:?}: a locked neighbour");
        let own = beside.selected().unwrap();
        own.planes.iter().for_each(|plane| check_polygons(&plane.polygons));
        if [overwrite, session.overwrite()] == [Overwrite::Overlap; 2] {
            let mut rest = beside.structures().clone();
            rest.rois.retain(|roi| roi.id != locked);
            assert_eq!(plain(&rest), plain(&after), "a neighbour that may be overlapped changes nothing");
        }
    }
}

/// The polygons of the selected structure are sound and lie on the lattice.
pub(super) fn check_selected(session: &Session) {
    let roi = session.selected().unwrap();
    for plane in &roi.planes {
        check_polygons(&plane.polygons);
        let mut points = plane.polygons.iter().flat_map(Polygon::rings).flatten();
        assert!(points.all(|p| plane.plane.snap(*p) == *p));
    }
}
