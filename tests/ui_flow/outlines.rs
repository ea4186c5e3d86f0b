//! Outlines drawn by clicks in the window: where they are seen, and what a right click offers.

use super::hands::{opened, right_click, views, wheel};
use super::name_structure;
use super::shared::{Window, clicks, key};
use egui::{Event, Key, Modifiers, Pos2, Rect, Shape, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;

/// The radius of the ground of the larger dot at an outline's first point.
const FIRST_POINT: f32 = 6.0;

/// The radius of the dots of one that waits.
const WAITING_POINT: f32 = 2.5;

/// How many circles of a radius were drawn within a rectangle in the last frame.
fn circles_in(harness: &Harness<'_, Window>, rect: Rect, radius: f32) -> usize {
    fn count(shape: &Shape, rect: Rect, radius: f32) -> usize {
        match shape {
            Shape::Circle(circle) => {
                usize::from((circle.radius - radius).abs() < 1e-3 && rect.contains(circle.center))
            }
            Shape::Vec(shapes) => shapes.iter().map(|shape| count(shape, rect, radius)).sum(),
            _ => 0,
        }
    }
    harness.output().shapes.iter().map(|clipped| count(&clipped.shape, rect, radius)).sum()
}

/// How many first points of outlines were drawn within a rectangle in the last frame.
fn first_points_in(harness: &Harness<'_, Window>, rect: Rect) -> usize {
    circles_in(harness, rect, FIRST_POINT)
}

fn rect(harness: &Harness<'_, Window>, label: &str) -> Rect {
    harness.get_by_label(label).rect()
}

fn point_at(harness: &mut Harness<'_, Window>, at: Pos2) {
    harness.event(Event::PointerMoved(at));
    harness.step();
    harness.step();
}

/// A polygon of three clicks in the axial view.
fn begun<'a>(folder: &std::path::Path) -> Harness<'a, Window> {
    let mut harness = opened(folder);
    name_structure(&mut harness, "Heart");
    key(&mut harness, Modifiers::NONE, Key::S);
    let center = rect(&harness, "Axial view").center();
    for by in [vec2(-40.0, -30.0), vec2(40.0, -30.0), vec2(40.0, 40.0)] {
        clicks(&mut harness, center + by, 1);
    }
    assert_eq!(views(&harness).tools.anchors().len(), 3);
    harness
}

#[test]
fn an_outline_is_seen_on_its_plane_wherever_the_pointer_is_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = begun(folder.path());
    let axial = rect(&harness, "Axial view");
    let strip = Pos2::new(axial.center().x, harness.ctx.content_rect().bottom() - 30.0);
    for at in
        [axial.center(), strip, rect(&harness, "Coronal view").center(), rect(&harness, "3D view").center()]
    {
        point_at(&mut harness, at);
        assert_eq!(first_points_in(&harness, axial), 1, "with the pointer at {at}");
        for label in ["Coronal view", "Sagittal view"] {
            assert_eq!(
                first_points_in(&harness, rect(&harness, label)),
                0,
                "{label} with the pointer at {at}"
            );
        }
    }
    // On the next slice it is not, and a click where its first point was says where it is.
    wheel(&mut harness, axial.center(), 1.0, Modifiers::NONE);
    assert_eq!(first_points_in(&harness, axial), 0);
    clicks(&mut harness, axial.center() + vec2(-40.0, -30.0), 1);
    let (_, told, _) = views(&harness).message.clone().expect("a sentence");
    assert!(told.starts_with("The outline is on slice "), "{told}");
    assert!(views(&harness).tools.waits_to_close());
    wheel(&mut harness, axial.center(), -1.0, Modifiers::NONE);
    assert_eq!(first_points_in(&harness, axial), 1);
    clicks(&mut harness, axial.center() + vec2(-40.0, -30.0), 1);
    assert!(!views(&harness).tools.waits_to_close());
    assert_eq!(harness.state().0.session().unwrap().selected().unwrap().planes.len(), 1);
}

#[test]
fn a_right_click_offers_to_close_to_take_back_and_to_drop_an_outline() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = begun(folder.path());
    let center = rect(&harness, "Axial view").center();
    let choose = |harness: &mut Harness<'_, Window>, label: &str| {
        right_click(harness, center);
        assert!(harness.query_by_label_contains("Move the crosshair here").is_none());
        harness.get_by_label_contains(label).click();
        harness.step();
        harness.step();
    };
    clicks(&mut harness, center + vec2(-40.0, 40.0), 1);
    choose(&mut harness, "Take back the last point");
    assert_eq!(views(&harness).tools.anchors().len(), 3);
    choose(&mut harness, "Drop the outline");
    assert!(!views(&harness).tools.waits_to_close());
    // Undo has it back, and it can be closed.
    key(&mut harness, Modifiers::COMMAND, Key::Z);
    assert_eq!(views(&harness).tools.anchors().len(), 3);
    choose(&mut harness, "Close the outline");
    assert!(!views(&harness).tools.waits_to_close());
    assert_eq!(harness.state().0.session().unwrap().selected().unwrap().planes.len(), 1);
    // Without an outline the menu is the structure's again.
    right_click(&mut harness, center);
    assert!(harness.query_by_label_contains("Move the crosshair here").is_some());
}

#[test]
fn an_outline_waits_pale_on_its_plane_while_another_tool_or_structure_is_in_hand() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = begun(folder.path());
    let (axial, coronal) = (rect(&harness, "Axial view"), rect(&harness, "Coronal view"));
    let waiting = |harness: &Harness<'_, Window>, rect: Rect| circles_in(harness, rect, WAITING_POINT);
    let before = [waiting(&harness, axial), waiting(&harness, coronal)];
    key(&mut harness, Modifiers::NONE, Key::B);
    point_at(&mut harness, axial.center());
    assert_eq!(first_points_in(&harness, axial), 0);
    assert_eq!([waiting(&harness, axial), waiting(&harness, coronal)], [before[0] + 3, before[1]]);
    wheel(&mut harness, axial.center(), 1.0, Modifiers::NONE);
    assert_eq!(waiting(&harness, axial), before[0]);
    wheel(&mut harness, axial.center(), -1.0, Modifiers::NONE);
    // A stroke of the brush, taken back, is nothing to it.
    clicks(&mut harness, axial.center(), 1);
    key(&mut harness, Modifiers::COMMAND, Key::Z);
    key(&mut harness, Modifiers::NONE, Key::S);
    point_at(&mut harness, axial.center());
    assert_eq!((views(&harness).tools.anchors().len(), first_points_in(&harness, axial)), (3, 1));
    assert_eq!(waiting(&harness, axial), before[0]);
    // Another structure, and back; on another slice that is said.
    name_structure(&mut harness, "Lung_L");
    assert!(views(&harness).tools.anchors().is_empty());
    wheel(&mut harness, axial.center(), 1.0, Modifiers::NONE);
    key(&mut harness, Modifiers::NONE, Key::P);
    assert_eq!(views(&harness).tools.anchors().len(), 3);
    let (_, told, _) = views(&harness).message.clone().expect("a sentence");
    assert!(told.contains("goes on"), "{told}");
}
