//! Guards the floors of the house: imports go only downward, siblings do not see each other, and
//! foreign types stay in their rooms.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms and their floors, as in `src/lib.rs`.
const FLOORS: &[(&str, u32)] = &[
    ("app", 6),
    ("cli", 6),
    ("ui", 5),
    ("tools", 4),
    ("session", 3),
    ("learn", 3),
    ("dicom", 2),
    ("formats", 2),
    ("ai", 2),
    ("edit", 2),
    ("metrics", 2),
    ("render", 2),
    ("phantom", 2),
    ("patient", 1),
    ("geometry", 0),
    ("progress", 0),
    ("new_file", 0),
    ("device", 0),
    ("data_folder", 0),
];

/// Upward or sideways imports that the design allows, with the reason.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("cli", "app", "`delineo open` hands over to the window"),
    ("geometry", "progress", "both are the ground floor"),
];

/// Foreign crates and the only rooms that may name them.
const FOREIGN: &[(&str, &[&str])] = &[
    ("egui", &["ui", "app"]),
    ("eframe", &["app", "ui"]),
    ("egui_wgpu", &["ui", "app"]),
    ("egui_phosphor", &["ui"]),
    ("egui_plot", &["ui"]),
    ("wgpu", &["render", "app"]),
    ("burn", &["ai"]),
    ("cubecl", &["ai"]),
    ("dicom", &["dicom"]),
    ("dicom_pixeldata", &["dicom"]),
    ("rfd", &["app"]),
    ("rusqlite", &["session"]),
    ("ureq", &["ai"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("i_overlay", &["geometry"]),
    // Above floor 2 the names of `geometry` serve.
    ("nalgebra", &["geometry", "patient", "dicom", "formats", "ai", "edit", "metrics", "render", "phantom"]),
];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    files
}

/// The room a file belongs to: the first part of its path below `src`.
fn room(file: &Path) -> String {
    let below = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    below.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The code of a file without comments and string literals.
fn code(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default();
        let outside_strings: Vec<&str> = line.split('"').step_by(2).collect();
        out.push_str(&outside_strings.join(" "));
        out.push('\n');
    }
    out
}

/// How many modules deep a file's own module lies below the crate's root.
fn depth(file: &Path) -> usize {
    let below = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let parts = below.components().count();
    if below.file_name().is_some_and(|name| name == "mod.rs") { parts - 1 } else { parts }
}

/// How many modules written within the file enclose a place in it.
fn modules_around(code: &str, at: usize) -> usize {
    let mut open = Vec::new();
    for (i, c) in code[..at].char_indices() {
        match c {
            '{' => {
                let mut before = code[..i].split_whitespace().rev();
                open.push(before.next().is_some() && before.next() == Some("mod"));
            }
            '}' => {
                open.pop();
            }
            _ => {}
        }
    }
    open.iter().filter(|is_module| **is_module).count()
}

/// The code with every chain of `super::` that climbs to the crate's root written as `crate::`.
fn with_supers_resolved(code: &str, depth: usize) -> String {
    let mut out = String::new();
    let mut from = 0;
    while let Some(found) = code[from..].find("super::") {
        let start = from + found;
        let mut end = start;
        let mut climbed = 0;
        while code[end..].starts_with("super::") {
            end += "super::".len();
            climbed += 1;
        }
        out.push_str(&code[from..start]);
        let is_root = climbed >= depth + modules_around(code, start);
        out.push_str(if is_root { "crate::" } else { &code[start..end] });
        from = end;
    }
    out.push_str(&code[from..]);
    out
}

/// Every identifier that follows `prefix` in `code`, braces of a `use` group included.
fn names_after(code: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let identifier = |text: &str| -> String {
            text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        if let Some(group) = rest.trim_start().strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (i, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && depth == 0 && !c.is_whitespace() => {
                        names.push(identifier(&group[i..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            names.push(identifier(rest));
        }
    }
    names
}

fn floor(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

#[test]
fn imports_go_only_downward() {
    let mut wrong = Vec::new();
    for file in all_sources() {
        let from = room(&file);
        if from == "lib" || from == "main" {
            continue;
        }
        let own = floor(&from).unwrap_or_else(|| panic!("{} is in no room of the plan", file.display()));
        let code = with_supers_resolved(&code(&fs::read_to_string(&file).unwrap()), depth(&file));
        for prefix in ["crate::", "delineo::"] {
            for to in names_after(&code, prefix) {
                let Some(other) = floor(&to) else { continue };
                let allowed = ALLOWED.iter().any(|(a, b, _)| *a == from && *b == to);
                if to != from && other >= own && !allowed {
                    wrong.push(format!(
                        "{}: {from} (floor {own}) imports {to} (floor {other})",
                        file.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that go up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn foreign_types_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for file in all_sources() {
        let from = room(&file);
        let code = code(&fs::read_to_string(&file).unwrap());
        for (name, rooms) in FOREIGN {
            let path = format!("{name}::");
            let named = code.match_indices(&path).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
            });
            if named && !rooms.contains(&from.as_str()) {
                wrong.push(format!("{} names {name}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "foreign crates outside their rooms:\n{}", wrong.join("\n"));
}

#[test]
fn the_guard_sees_what_it_guards() {
    let code = code(
        "use crate::{geometry, session::{Session, Edit}, ui};\nlet x = crate::render::Gpu; // crate::app\n",
    );
    assert_eq!(names_after(&code, "crate::"), ["geometry", "session", "ui", "render"]);
    assert!(floor("ui") > floor("session"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    assert_eq!(depth(&source.join("ui/views/slice.rs")), 3);
    assert_eq!(depth(&source.join("ui/views/mod.rs")), 2);
    assert_eq!(depth(&source.join("app.rs")), 1);
    let climbing = "use super::pane::Pane;\nuse super::super::super::session::Session;\n\
        mod tests {\n use super::super::super::state;\n use super::super::super::super::ui;\n}\n";
    assert_eq!(names_after(&with_supers_resolved(climbing, 3), "crate::"), ["session", "ui"]);
}

#[test]
fn files_keep_to_one_subject() {
    for file in all_sources() {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 700, "{} has {lines} lines: look for its second subject", file.display());
    }
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders")).into_iter().flatten() {
        let path = entry.unwrap().path();
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < 250, "{} has {lines} lines", path.display());
    }
}
