//! What the 24 access bits of a key mean: when it was last used, or how often.
//!
//! Under the LFU policies they are minutes (16 bits) above a logarithmic counter (8 bits), otherwise the seconds of the last
//! use: the layouts of Redis, whose OBJECT FREQ, OBJECT IDLETIME and RDB files show them.

use crate::config::{MaxmemoryPolicy, Settings};

/// The counter that a new key starts with, so that it is not evicted before it had a chance to be used.
const COUNTER_AT_START: u32 = 5;
const COUNTER_MAX: u32 = 255;

/// The time as access bits have it, and how they are to be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccessClock {
    is_lfu: bool,
    log_factor: u32,
    decay_minutes: u32,
    seconds: u32,
    minutes: u32,
}

impl AccessClock {
    /// By these settings, at unix time `now_ms`.
    pub fn new(settings: &Settings, now_ms: u64) -> AccessClock {
        let is_lfu = matches!(settings.maxmemory_policy, MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu);
        let (log_factor, decay_minutes) = (settings.lfu_log_factor, settings.lfu_decay_minutes);
        let mut clock = AccessClock { is_lfu, log_factor, decay_minutes, ..AccessClock::default() };
        clock.set_now(now_ms);
        clock
    }

    /// Sets the time, unix ms.
    #[inline]
    pub fn set_now(&mut self, now_ms: u64) {
        self.seconds = (now_ms / 1000) as u32 & 0xff_ffff;
        if self.is_lfu {
            self.minutes = (now_ms / 60_000) as u32 & 0xffff;
        }
    }

    /// Whether the bits count uses.
    pub fn is_lfu(&self) -> bool {
        self.is_lfu
    }

    /// The bits of a key that is made now.
    #[inline]
    pub fn initial(&self) -> u32 {
        if self.is_lfu { self.minutes << 8 | COUNTER_AT_START } else { self.seconds }
    }

    /// The bits of a key that is used now and had `bits` before. `random` gives a number from 0 to 1.
    #[inline]
    pub fn used(&self, bits: u32, random: impl FnOnce() -> f64) -> u32 {
        if !self.is_lfu {
            return self.seconds;
        }
        let counter = self.frequency(bits);
        if counter == COUNTER_MAX {
            return self.minutes << 8 | counter;
        }
        let above = f64::from(counter.saturating_sub(COUNTER_AT_START));
        let counted = random() < 1.0 / (above * f64::from(self.log_factor) + 1.0);
        self.minutes << 8 | (counter + u32::from(counted))
    }

    /// Seconds since the last use.
    pub fn idle_s(&self, bits: u32) -> u32 {
        self.seconds.wrapping_sub(bits) & 0xff_ffff
    }

    /// The counter of uses, less one for every `lfu-decay-time` minutes since it was last counted up.
    #[inline]
    pub fn frequency(&self, bits: u32) -> u32 {
        let (counted_at, counter) = (bits >> 8, bits & 0xff);
        let minutes = self.minutes.wrapping_sub(counted_at) & 0xffff;
        counter.saturating_sub(minutes.checked_div(self.decay_minutes).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lfu(minute: u32, decay_minutes: u32) -> AccessClock {
        AccessClock { is_lfu: true, log_factor: 10, decay_minutes, seconds: 0, minutes: minute & 0xffff }
    }

    #[test]
    fn the_counter_falls_with_time_and_not_below_zero() {
        let minute = 0xfffe;
        let bits = minute << 8 | 5;
        assert_eq!(lfu(minute, 1).frequency(bits), 5);
        assert_eq!(lfu(minute + 3, 1).frequency(bits), 2, "also over the end of 16 bits");
        assert_eq!(lfu(minute + 3, 2).frequency(bits), 4);
        assert_eq!(lfu(minute + 300, 1).frequency(bits), 0);
        assert_eq!(lfu(minute + 300, 0).frequency(bits), 5);
    }

    #[test]
    fn the_counter_rises_ever_more_slowly_and_stays_at_its_end() {
        let clock = lfu(7, 1);
        let mut bits = clock.initial();
        assert_eq!(clock.frequency(bits), 5);
        bits = clock.used(bits, || 0.999);
        assert_eq!(clock.frequency(bits), 6, "the first use always counts");
        assert_eq!(clock.used(bits, || 0.5), bits, "then one in eleven");
        assert_eq!(clock.frequency(clock.used(bits, || 0.05)), 7);
        for _ in 0..1000 {
            bits = clock.used(bits, || 0.0);
        }
        assert_eq!(clock.frequency(bits), 255);
    }

    #[test]
    fn idle_time_counts_over_the_end_of_24_bits() {
        let clock = AccessClock { seconds: 2, ..AccessClock::default() };
        assert_eq!(clock.idle_s(0xff_fffe), 4);
        assert_eq!(clock.used(77, || 0.0), 2);
    }
}
