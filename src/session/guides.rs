//! Guide outlines of ROIs ([`Guide`]): drawn by hand, yet no contours.
//!
//! They are undone and kept in the journal as contours are. A change of them leaves the ROI's
//! revision, who made its contours, a review and what is derived from it as they are.

use super::apply::Draft;
use super::{Change, Refusal, Session};
use crate::patient::{Guide, Roi, RoiId};
use std::sync::Arc;

impl Session {
    /// Puts a guide in place of the one on its plane, or takes that away.
    pub(super) fn work_out_guide(
        &self,
        roi: RoiId,
        guide: Guide,
        draft: &mut Draft,
    ) -> Result<String, Refusal> {
        let own = self.may_draw(Some(roi), None)?;
        draft.put_guide(own, guide);
        Ok(format!("Guide outline on {}", own.name))
    }

    /// Takes all guides of an ROI away.
    pub(super) fn work_out_clear_guides(&self, roi: RoiId, draft: &mut Draft) -> Result<String, Refusal> {
        let own = self.may_draw(Some(roi), None)?;
        for index in (0..own.guides.len()).rev() {
            draft.change_guide(own, index, None);
        }
        Ok(format!("Clear guide outlines on {}", own.name))
    }
}

impl Draft {
    fn put_guide(&mut self, own: &Roi, guide: Guide) {
        let is_same = |index: &usize| own.guides[*index].is_on(&guide.plane);
        let mut same: Vec<usize> = (0..own.guides.len()).filter(is_same).collect();
        // A plane between two that are just not the same is the same as both. From the last one on,
        // so that those before keep their places.
        for index in same.drain(1.min(same.len())..).rev() {
            self.change_guide(own, index, None);
        }
        let after = (!guide.polygons.is_empty()).then(|| Arc::new(guide));
        let index = same.first().copied().unwrap_or(own.guides.len());
        if own.guides.get(index) != after.as_ref() {
            self.change_guide(own, index, after);
        }
    }

    /// Exchanges the guide at `index`, beyond the last for a new one.
    fn change_guide(&mut self, own: &Roi, index: usize, after: Option<Arc<Guide>>) {
        let before = own.guides.get(index).map(Arc::clone);
        self.make(Change::Guide { roi: own.id, index, before, after });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::{Approval, GenerationAlgorithm};
    use crate::session::derive::{Order, Standing, Target};
    use crate::session::fixture::{axial_series, draw, guide, id, plain, proposals, session_with, square};
    use crate::session::{Command, catalog};

    fn put(session: &mut Session, name: &str, x_mm: f64, side: f64) {
        let command = Command::PutGuide { roi: id(session, name), guide: guide(x_mm, side) };
        session.apply(command).unwrap();
    }

    /// Where the guides of an ROI lie and their areas, in order.
    fn guides(session: &Session, name: &str) -> Vec<(f64, f64)> {
        let roi = session.structures().roi_named(name).unwrap();
        let told = |own: &Arc<Guide>| (own.plane.offset_mm(), own.polygons[0].area_mm2().round());
        roi.guides.iter().map(told).collect()
    }

    #[test]
    fn each_change_is_a_step_by_name_and_comes_back_in_its_place() {
        let mut session = session_with(axial_series(), &["Liver"]);
        let mut states = vec![guides(&session, "Liver")];
        // Drawn, drawn elsewhere, exchanged in its place within the tolerance, taken away.
        let changes = [(0.0, 10.0), (5.0, 20.0), (0.05, 12.0), (0.0, 0.0), (-5.0, 4.0)];
        for (x_mm, side) in changes {
            put(&mut session, "Liver", x_mm, side);
            assert_eq!(session.undo_name(), Some("Guide outline on Liver"));
            states.push(guides(&session, "Liver"));
        }
        assert_eq!(states[3], [(0.05, 144.0), (5.0, 400.0)]);
        assert_eq!(states[5], [(5.0, 400.0), (-5.0, 16.0)]);
        session.apply(Command::ClearGuides { roi: id(&session, "Liver") }).unwrap();
        assert_eq!(session.undo_name(), Some("Clear guide outlines on Liver"));
        states.push(guides(&session, "Liver"));
        assert_eq!((states[6].len(), session.history().done()), (0, states.len()));
        for state in states.iter().rev().skip(1) {
            session.undo().unwrap();
            assert_eq!(guides(&session, "Liver"), *state);
        }
        for state in &states[1..] {
            session.redo().unwrap();
            assert_eq!(guides(&session, "Liver"), *state);
        }
        // The same again, and nothing taken away, is no step.
        session.undo().unwrap();
        let steps = session.history().done();
        put(&mut session, "Liver", 5.0, 20.0);
        put(&mut session, "Liver", 9.0, 0.0);
        assert_eq!((session.history().done(), session.redo_name().is_some()), (steps, true));
    }

    #[test]
    fn a_guide_between_two_planes_takes_the_place_of_both() {
        let mut session = session_with(axial_series(), &["Liver"]);
        for (x_mm, side) in [(0.0, 10.0), (3.0, 5.0), (0.15, 20.0)] {
            put(&mut session, "Liver", x_mm, side);
        }
        assert_eq!(guides(&session, "Liver").len(), 3);
        put(&mut session, "Liver", 0.075, 30.0);
        assert_eq!(guides(&session, "Liver"), [(0.075, 900.0), (3.0, 25.0)]);
        session.undo().unwrap();
        assert_eq!(guides(&session, "Liver"), [(0.0, 100.0), (3.0, 25.0), (0.15, 400.0)]);
    }

    #[test]
    fn it_is_no_contour() {
        let mut session = session_with(axial_series(), &["CTV"]);
        session.apply(draw(&session, "CTV", 7, vec![square(0.0, 0.0, 20.0)])).unwrap();
        let target = Target::New { name: "PTV".to_owned(), roi_type: crate::patient::RoiType::Ptv };
        let order = Order { recipe: session.read_recipe("CTV + 5 mm").unwrap().recipe, target, keep: true };
        let plan = session.plan("Derive", vec![order]).unwrap();
        session.apply(plan.run(&crate::progress::Progress::new()).unwrap()).unwrap();
        let roi = id(&session, "CTV");
        session.apply(Command::SetApproval { roi, approval: Approval::Reviewed }).unwrap();
        let (before, revision) = (session.roi(roi).unwrap().clone(), session.revision());
        let derived = Arc::clone(session.structures().roi_named("PTV").unwrap());
        put(&mut session, "CTV", 0.0, 10.0);
        for _ in 0..2 {
            let own = session.roi(roi).unwrap();
            assert_eq!((own.revision, own.generation), (before.revision, GenerationAlgorithm::Manual));
            assert_eq!((own.approval, &own.planes), (Approval::Reviewed, &before.planes));
            let ptv = session.structures().roi_named("PTV").unwrap();
            assert!(Arc::ptr_eq(ptv, &derived));
            assert_eq!(session.standing(ptv.id), Some(Standing::UpToDate));
            session.undo().unwrap();
        }
        assert!(session.revision() > revision && session.has_unexported_changes(), "it is an edit");
        // The second undo took the review back.
        assert_eq!(session.roi(roi).unwrap().approval, Approval::Accepted);
    }

    #[test]
    fn guides_go_with_their_structure_and_come_back_with_it() {
        let mut session = session_with(axial_series(), &["Liver", "Spleen"]);
        put(&mut session, "Liver", 0.0, 10.0);
        put(&mut session, "Spleen", 1.0, 20.0);
        session.apply(Command::DeleteRoi { roi: id(&session, "Liver") }).unwrap();
        assert_eq!(guides(&session, "Spleen"), [(1.0, 400.0)]);
        session.undo().unwrap();
        assert_eq!(guides(&session, "Liver"), [(0.0, 100.0)]);
        // A proposal with a guide is one that a person has touched.
        let series = crate::patient::Series::clone(session.series());
        session.apply(proposals(&series, &["Heart"])).unwrap();
        put(&mut session, "Heart", 0.0, 5.0);
        session.apply(proposals(&series, &["Heart"])).unwrap();
        assert_eq!(session.proposals().count(), 2);
        assert_eq!(guides(&session, "Heart"), [(0.0, 25.0)]);
    }

    #[test]
    fn the_journal_brings_them_back_with_their_steps() {
        let folder = tempfile::tempdir().unwrap();
        let series = Arc::new(axial_series());
        let mut session = Session::begin(Arc::clone(&series), &[], folder.path());
        for name in ["Liver", "Spleen"] {
            let roi_type = crate::patient::RoiType::Organ;
            session.apply(Command::AddRoi { name: name.to_owned(), color: None, roi_type }).unwrap();
        }
        for (x_mm, side) in [(0.0, 10.0), (5.0, 20.0), (0.0, 12.0), (7.0, 3.0)] {
            put(&mut session, "Liver", x_mm, side);
        }
        session.apply(Command::DeleteRoi { roi: id(&session, "Spleen") }).unwrap();
        session.undo().unwrap();
        session.undo().unwrap();
        // What was before the steps kept stands in the state that they start from.
        session.compact_history(1).unwrap();
        let set = plain(session.structures());
        drop(session);
        let found = catalog(folder.path()).resumable.remove(0);
        let mut again = Session::resume(series, &found.path).unwrap();
        assert_eq!(plain(again.structures()), set);
        assert_eq!(guides(&again, "Liver"), [(0.0, 144.0), (5.0, 400.0)]);
        assert_eq!((again.history().done(), again.redo_name()), (1, Some("Guide outline on Liver")));
        again.redo().unwrap();
        assert_eq!(guides(&again, "Liver").len(), 3);
        again.undo().unwrap();
        again.undo().unwrap();
        assert_eq!(guides(&again, "Liver"), [(0.0, 100.0), (5.0, 400.0)]);
    }
}
