//! What an engine does when a graphics device fails: where it only lacked memory one more try on it, else
//! the CPU, where that has the memory.

use super::{Engine, EngineError, Runner, cpu_name, packed};
use crate::ai::cpu::CpuNetwork;
use crate::ai::gpu::{Ensemble, Stop};
use crate::ai::graphics::{Gpu, Noted, forget_failed, quietly};
use crate::ai::kept;
use crate::ai::memory::free_bytes;
use crate::ai::network::Network;
use std::convert::Infallible;
use std::sync::Arc;

/// Whether an engine had to begin anew on its graphics device, which lacked memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecondTry {
    /// No.
    Open,
    /// It is to begin with the next work: the networks are off the device, and whoever holds a sum there
    /// lets go of it first.
    Waits,
    /// Yes: another failure is the last.
    Taken,
}

impl Engine {
    /// Whether the device has told of an error since the engine began: a step may have been left out.
    pub(super) fn is_in_doubt(&self) -> bool {
        Noted::now() != self.noted
    }

    /// The networks on the graphics device, where that goes on.
    pub(super) fn there(&mut self) -> Option<&mut Ensemble> {
        match &mut self.runner {
            Runner::Gpu(ensemble) if self.second_try != SecondTry::Waits => Some(ensemble),
            _ => None,
        }
    }

    /// The networks on the graphics device, for work that begins: where they are to begin anew, they are
    /// put there again.
    pub(super) fn begun(&mut self) -> Option<&mut Ensemble> {
        if self.second_try == SecondTry::Waits {
            self.second_try = SecondTry::Taken;
            let Runner::Gpu(ensemble) = &mut self.runner else { return None };
            ensemble.empty_pools();
            // What the device has told up to here is the first try's.
            self.noted = Noted::now();
            let (networks, patch) = (&self.networks, self.patch);
            if let Err(Stop::Failed(reason)) = stopped(quietly(|| ensemble.put_back(networks, patch))) {
                self.recover(&reason);
            }
        }
        self.there()
    }

    /// Goes on after the device failed: where it lacked memory, once more on it without whatever is kept
    /// there, else on the CPU.
    pub(super) fn recover(&mut self, reason: &str) {
        self.failures += 1;
        let Runner::Gpu(ensemble) = &mut self.runner else { return };
        if self.second_try != SecondTry::Open || !self.noted.lacks_memory(reason) {
            self.leave_gpu(reason);
            return;
        }
        self.second_try = SecondTry::Waits;
        drop(quietly(|| ensemble.take_off()));
        begin_again(self.serial, reason);
    }

    fn leave_gpu(&mut self, reason: &str) {
        tracing::warn!("the graphics device failed: {reason}");
        self.warnings.push(format!(
            "the graphics device failed while the model ran ({}); the rest was computed on the CPU",
            self.device
        ));
        self.device = format!("{} after {} failed", cpu_name(), self.device);
        self.replace_runner();
        if let Some(serial) = self.serial.take() {
            forget_failed(serial);
            kept::forget_failed(serial);
        }
    }

    pub(super) fn go_to_cpu(&mut self) {
        self.device = cpu_name();
        self.replace_runner();
    }

    fn replace_runner(&mut self) {
        // Several tiles may have been under way when the device failed.
        if let Runner::Cpu(_) = &self.runner {
            return;
        }
        let networks = std::mem::take(&mut self.networks);
        let old = std::mem::replace(&mut self.runner, Runner::Cpu(Vec::new()));
        self.has_fallen_back = true;
        // Dropping tensors of a lost device may panic as well.
        drop(quietly(move || drop(old)));
        let mut refused = refusal(&networks, self.patch, free_bytes());
        if refused.is_some() {
            kept::forget_all();
            refused = refusal(&networks, self.patch, free_bytes());
        }
        if refused.is_some() {
            self.refused = refused;
            return;
        }
        let Ok(cpu) = packed(owned(networks).into_iter().map(Ok::<_, Infallible>));
        self.runner = Runner::Cpu(cpu);
    }
}

/// Networks uploaded to a graphics device, and what it had told before. For want of memory they are
/// uploaded a second time, without the networks that were kept there.
pub(super) fn uploaded(
    networks: &Arc<Vec<Network>>,
    gpu: &Gpu,
) -> Result<(Ensemble, Noted, SecondTry), String> {
    let upload = || {
        let Gpu { device, name, software, setup, .. } = gpu;
        quietly(|| Ensemble::new(networks, device, setup.clone(), name, *software))
    };
    let noted = Noted::now();
    match upload() {
        Ok(ensemble) => Ok((ensemble, noted, SecondTry::Open)),
        Err(reason) if noted.lacks_memory(&reason) => {
            begin_again(Some(gpu.serial), &reason);
            drop(quietly(|| gpu.device.memory_cleanup()));
            let noted = Noted::now();
            upload().map(|ensemble| (ensemble, noted, SecondTry::Taken))
        }
        Err(reason) => Err(reason),
    }
}

/// Gives up the networks kept on a device that lacks memory.
fn begin_again(serial: Option<u64>, reason: &str) {
    let freed = serial.map_or(0, kept::make_room);
    tracing::warn!(
        "the graphics device has too little memory ({reason}); networks of {} MB that were kept there from \
         before are given up, and the model begins there once more",
        freed / 1_000_000
    );
}

/// A panic on the device's path is its failure.
pub(super) fn stopped<T>(result: Result<Result<T, Stop>, String>) -> Result<T, Stop> {
    result.unwrap_or_else(|reason| Err(Stop::Failed(reason)))
}

/// Why networks cannot run on the CPU with so much free memory: better now than when the system ends the
/// program.
fn refusal(networks: &[Network], patch: Option<[usize; 3]>, free: Option<u64>) -> Option<EngineError> {
    let (first, patch, free) = (networks.first()?, patch?, free?);
    let threads = rayon::current_num_threads();
    let needed = CpuNetwork::peak_bytes(&first.architecture, patch, threads, networks.len()) as u64;
    (needed > free).then_some(EngineError::Memory { needed, free })
}

/// Networks that nobody else has.
pub(super) fn owned(networks: Arc<Vec<Network>>) -> Vec<Network> {
    Arc::try_unwrap(networks).unwrap_or_else(|shared| shared.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ai::network::Architecture;
    use burn::tensor::Device;

    fn networks() -> Vec<Network> {
        let (strides, kernels) = (vec![[1; 3], [1, 2, 2]], vec![[1, 3, 3], [3; 3]]);
        let architecture = Architecture::plain(1, vec![4, 6], strides, kernels, 1, 2);
        vec![Network::random(architecture, 5).unwrap()]
    }

    #[test]
    fn the_cpu_is_refused_only_where_memory_is_known_to_lack() {
        let (networks, patch) = (networks(), Some([4, 16, 16]));
        assert_eq!(refusal(&networks, patch, None), None);
        assert_eq!(refusal(&networks, None, Some(1)), None);
        assert_eq!(refusal(&networks, patch, Some(1 << 40)), None);
        let refused = refusal(&networks, patch, Some(1)).unwrap();
        assert!(refused.to_string().contains("0 MB are free"), "{refused}");
    }

    #[test]
    fn who_was_refused_says_so_for_every_patch() {
        let mut engine = Engine::on(networks(), &Device::flex(), usize::MAX);
        engine.fail_after(0);
        engine.patch = Some([1 << 14; 3]);
        for _ in 0..2 {
            let result = engine.forward(&[0.0; 16 * 16 * 2], [2, 16, 16]);
            // Some hundred terabytes: refused wherever the system tells what is free.
            match (free_bytes(), result) {
                (Some(_), Err(EngineError::Memory { .. })) | (None, Ok(_)) => {}
                (free, other) => panic!("{free:?} {other:?}"),
            }
        }
        assert!(!engine.is_sound());
    }
}
