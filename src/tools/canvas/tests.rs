use super::*;
use crate::edit::{CHORD_MM, Sign, paint};
use crate::geometry::stroke::swept_ball_section;
use crate::geometry::{Rotation3, Vector3};
use crate::session::Overwrite;
use crate::session::fixture::{draw, id, plain, series_along, session_with, square};

/// A session on oblique slices 1.8 to 3.2 mm apart, with a structure and two neighbours that give way.
fn stage() -> Session {
    let turn = Rotation3::from_euler_angles(-0.25, 0.4, 0.1);
    let axes = [turn * Vector3::x(), turn * Vector3::y(), turn * Vector3::z()];
    let mut series = series_along(axes, [80, 80, 24], [1.1, 0.8, 2.5]);
    for (k, slice) in (0..24_u32).zip(&mut Arc::make_mut(&mut series.volume).slices) {
        let by = 0.35 * (f64::from(k) * 2.3).sin();
        slice.plane = slice.plane.at_offset(slice.plane.offset_mm() + by);
        slice.origin_mm += axes[2] * by;
    }
    let mut session = session_with(series, &["Left", "Right", "Node"]);
    let middle = middle(&session);
    for (name, x) in [("Left", -13.0), ("Right", 14.0), ("Node", 0.0)] {
        for slice in 4..20 {
            let on = session.series().volume.slices[slice].plane.project(middle);
            session.apply(draw(&session, name, slice, vec![square(on.x + x, on.y, 12.0)])).unwrap();
        }
    }
    session.set_overwrite(Overwrite::Unlocked);
    session
}

fn middle(session: &Session) -> Point3 {
    session.series().volume.grid.patient_of([40.0, 40.0, 12.0])
}

/// What a ball that runs up through the slices and back a little leaves; with its slices settled on the
/// way, or all at the end.
fn ball(session: &Session, settles: bool) -> Command {
    let roi = session.roi(id(session, "Node")).unwrap();
    let mut canvas = Canvas::new(session, roi);
    let axis = session.series().volume.base_plane().unwrap();
    let (middle, mut early) = (middle(session), 0);
    let at = |step: u32| {
        let way = f64::from(if step < 20 { step } else { 36 - step }) - 9.0;
        middle + axis.normal() * (way * 2.0) + axis.u() * (7.0 * (way * 0.4).sin())
    };
    for step in 0..26 {
        let path = [at(step), at(step + 1)];
        canvas.change_each(session, 0..24, |_, plane, polygons| {
            Some(paint(polygons, &swept_ball_section(&path, 6.0, plane, CHORD_MM), Sign::Add))
        });
        if settles {
            canvas.end_event(session);
            early = early.max(canvas.work.values().filter(|work| work.settled.is_some()).count());
        } else {
            canvas.refresh();
        }
    }
    assert!(!settles || early > 3, "{early} slices settled on the way");
    canvas.into_command("Brush").unwrap()
}

#[test]
fn slices_settled_on_the_way_are_those_settled_at_the_end() {
    let (mut early, mut late) = (stage(), stage());
    let commands = [ball(&early, true), ball(&late, false)];
    assert_eq!(commands[0], commands[1]);
    let [one, other] = commands;
    early.apply(one).unwrap();
    late.apply(other).unwrap();
    assert_eq!(plain(early.structures()), plain(late.structures()));
    let gave_way = |session: &Session| {
        let left = session.structures().roi_named("Left").unwrap();
        left.planes.iter().filter(|plane| plane.area_mm2() < 143.9).count()
    };
    assert!(gave_way(&early) > 2, "{}", gave_way(&early));
}
