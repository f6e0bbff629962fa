//! CLIENT PAUSE: commands wait until it is over.

use crate::command::Command;
use crate::command::spec::Flags;

/// Until when commands of this core's clients wait, and which.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pause {
    until_ms: u64,
    writes_only: bool,
}

impl Pause {
    /// Begins a pause until `until_ms`, or prolongs one; the stricter kind wins while one is on.
    pub fn begin(&mut self, until_ms: u64, writes_only: bool, now_ms: u64) {
        if self.until_ms > now_ms {
            self.until_ms = self.until_ms.max(until_ms);
            self.writes_only &= writes_only;
        } else {
            *self = Pause { until_ms, writes_only };
        }
    }

    /// Ends it.
    pub fn end(&mut self) {
        self.until_ms = 0;
    }

    /// Whether any pause is on.
    pub fn is_active(&self, now_ms: u64) -> bool {
        self.until_ms > now_ms
    }

    /// Whether `command` waits.
    pub fn is_on(&self, now_ms: u64, command: &Command) -> bool {
        let flags = command.spec.flags;
        // CLIENT UNPAUSE must get through.
        self.is_active(now_ms)
            && !command.spec.name.starts_with("client")
            && (!self.writes_only
                || flags.any(Flags(Flags::WRITE.0 | Flags::MAY_REPLICATE.0))
                || command.spec.name == "exec")
    }
}
