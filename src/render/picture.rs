//! Pictures to keep: on a GPU or in plain Rust, saying which.

use super::renderer::DrawError;
use super::{DeviceChoice, Gpu, OpenGpuError, Renderer, RgbaImage, SliceScene, ViewKey, VolumeScene};

/// Makes pictures without a window.
#[derive(Debug)]
pub struct Painter {
    renderer: Option<Box<Renderer>>,
    why_cpu: Option<String>,
}

impl Painter {
    /// A painter on the chosen device: `Auto` takes a real GPU if there is one, else the CPU.
    ///
    /// # Errors
    /// When a GPU is asked for and there is none.
    pub fn new(choice: DeviceChoice) -> Result<Self, OpenGpuError> {
        let opened = match choice {
            DeviceChoice::Cpu => return Ok(Self { renderer: None, why_cpu: None }),
            DeviceChoice::Auto => Gpu::headless(false),
            DeviceChoice::Gpu => Gpu::headless(true),
        };
        match opened {
            Ok(gpu) => Ok(Self { renderer: Some(Box::new(Renderer::new(gpu, None))), why_cpu: None }),
            Err(error) if choice == DeviceChoice::Gpu => Err(error),
            Err(error) => {
                tracing::info!("{error}");
                Ok(Self { renderer: None, why_cpu: Some("no graphics driver with a real GPU".to_owned()) })
            }
        }
    }

    /// What makes the pictures, for a person: the GPU's name, or the CPU and why.
    #[must_use]
    pub fn device(&self) -> String {
        match (&self.renderer, &self.why_cpu) {
            (Some(renderer), _) => renderer.gpu().name().to_owned(),
            (None, Some(why)) => format!("CPU ({why})"),
            (None, None) => "CPU".to_owned(),
        }
    }

    /// Whether the pictures come from the CPU renderer.
    #[must_use]
    pub fn is_cpu(&self) -> bool {
        self.renderer.is_none()
    }

    /// The picture of a slice scene.
    ///
    /// # Errors
    /// When the graphics device fails; the CPU never does.
    pub fn render_slice(&mut self, scene: &SliceScene) -> Result<RgbaImage, DrawError> {
        let Some(renderer) = &mut self.renderer else { return Ok(super::cpu::render_slice(scene)) };
        renderer.prepare_slice(ViewKey(0), scene)?;
        renderer.read_picture(ViewKey(0))
    }

    /// The picture of a 3D scene.
    ///
    /// # Errors
    /// When the graphics device fails; the CPU never does.
    pub fn render_volume(&mut self, scene: &VolumeScene) -> Result<RgbaImage, DrawError> {
        let Some(renderer) = &mut self.renderer else { return Ok(super::cpu::render_volume(scene)) };
        renderer.prepare_volume(ViewKey(1), scene)?;
        renderer.read_picture(ViewKey(1))
    }
}
