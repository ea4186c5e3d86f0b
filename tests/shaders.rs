//! Every shader is valid WGSL and short, proved without a graphics driver.

use delineo::render::SHADERS;

#[test]
fn every_shader_is_valid() {
    for (name, source) in SHADERS {
        let module = naga::front::wgsl::parse_str(source)
            .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(source)));
        let flags = naga::valid::ValidationFlags::all();
        naga::valid::Validator::new(flags, naga::valid::Capabilities::default())
            .validate(&module)
            .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(source)));
    }
}

#[test]
fn every_shader_file_is_compiled_and_short() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.lines().count() <= 250, "{name} is longer than 250 lines");
        assert!(SHADERS.iter().any(|(_, source)| source.contains(&text)), "{name} is never compiled");
    }
}
