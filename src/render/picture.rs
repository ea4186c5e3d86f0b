//! Pictures to keep: on a GPU or in plain Rust, saying which.

use super::renderer::DrawError;
use super::{Gpu, OpenGpuError, Renderer, RgbaImage, SliceScene, ViewKey, VolumeScene};
use crate::device::DeviceChoice;

/// Makes pictures without a window.
#[derive(Debug)]
pub struct Painter {
    renderer: Option<Box<Renderer>>,
    /// Whether the CPU may take over when the graphics device fails.
    may_fall_back: bool,
    why_cpu: Option<String>,
}

impl Painter {
    /// A painter on the chosen device: `Auto` takes a real GPU if there is one, else the CPU.
    ///
    /// # Errors
    /// When a GPU is asked for and there is none.
    pub fn new(choice: DeviceChoice) -> Result<Self, OpenGpuError> {
        let opened = match choice {
            DeviceChoice::Cpu => return Ok(Self { renderer: None, may_fall_back: true, why_cpu: None }),
            DeviceChoice::Auto => Gpu::headless(false),
            DeviceChoice::Gpu => Gpu::headless(true),
        };
        let may_fall_back = choice == DeviceChoice::Auto;
        match opened {
            Ok(gpu) => {
                let renderer = Some(Box::new(Renderer::new(gpu, None)));
                Ok(Self { renderer, may_fall_back, why_cpu: None })
            }
            Err(error) if !may_fall_back => Err(error),
            Err(error) => {
                tracing::info!("{error}");
                let why_cpu = Some("there is no driver for a real GPU".to_owned());
                Ok(Self { renderer: None, may_fall_back, why_cpu })
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

    /// Whether a real GPU makes the pictures, so that quality costs little.
    #[must_use]
    pub fn is_fast(&self) -> bool {
        self.renderer.as_ref().is_some_and(|renderer| !renderer.gpu().is_software())
    }

    /// The picture of a slice scene.
    ///
    /// # Errors
    /// When the graphics device that was asked for fails; with `Auto` the CPU takes over.
    pub fn render_slice(&mut self, scene: &SliceScene) -> Result<RgbaImage, DrawError> {
        let drawn = self.renderer.as_mut().map(|renderer| {
            renderer.prepare_slice(ViewKey(0), scene)?;
            renderer.read_picture(ViewKey(0))
        });
        self.or_on_cpu(drawn, || super::cpu::render_slice(scene))
    }

    /// The picture of a 3D scene.
    ///
    /// # Errors
    /// When the graphics device that was asked for fails; with `Auto` the CPU takes over.
    pub fn render_volume(&mut self, scene: &VolumeScene) -> Result<RgbaImage, DrawError> {
        let drawn = self.renderer.as_mut().map(|renderer| {
            renderer.prepare_volume(ViewKey(1), scene)?;
            renderer.read_picture(ViewKey(1))
        });
        self.or_on_cpu(drawn, || super::cpu::render_volume(scene))
    }

    fn or_on_cpu(
        &mut self,
        drawn: Option<Result<RgbaImage, DrawError>>,
        on_cpu: impl FnOnce() -> RgbaImage,
    ) -> Result<RgbaImage, DrawError> {
        match drawn {
            None => Ok(on_cpu()),
            Some(Err(error)) if self.may_fall_back => {
                self.renderer = None;
                self.why_cpu = Some(error.to_string());
                Ok(on_cpu())
            }
            Some(done) => done,
        }
    }
}
