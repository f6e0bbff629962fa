//! LATENCY: events that held the server up for longer than `latency-monitor-threshold`, by name, each with its latest
//! samples.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

/// Samples kept of an event.
const SAMPLES_MAX: usize = 160;

/// The longest delay within one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencySample {
    /// When, unix seconds.
    pub time_s: u64,
    /// How long, milliseconds.
    pub ms: u64,
}

/// What is known of one event.
#[derive(Clone, Debug, Default)]
pub struct LatencyEvent {
    /// The latest samples, oldest first.
    pub samples: VecDeque<LatencySample>,
    /// The longest delay ever, milliseconds.
    pub max_ms: u64,
}

/// All events. Behind a lock, which only delays over the threshold and LATENCY take.
#[derive(Debug, Default)]
pub struct LatencyEvents {
    events: Mutex<BTreeMap<&'static str, LatencyEvent>>,
}

impl LatencyEvents {
    /// An event held something up for `ms`. Of those in one second the longest is kept.
    pub fn add(&self, event: &'static str, time_s: u64, ms: u64) {
        let mut events = self.lock();
        let event = events.entry(event).or_default();
        event.max_ms = event.max_ms.max(ms);
        if let Some(last) = event.samples.back_mut()
            && last.time_s == time_s
        {
            last.ms = last.ms.max(ms);
            return;
        }
        if event.samples.len() == SAMPLES_MAX {
            event.samples.pop_front();
        }
        event.samples.push_back(LatencySample { time_s, ms });
    }

    /// All events that happened, by name.
    pub fn all(&self) -> Vec<(&'static str, LatencyEvent)> {
        self.lock().iter().map(|(name, event)| (*name, event.clone())).collect()
    }

    /// One event, by its name in any case.
    pub fn find(&self, name: &[u8]) -> Option<(&'static str, LatencyEvent)> {
        self.all().into_iter().find(|(event, _)| event.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Forgets all events; returns how many there were.
    pub fn reset(&self) -> usize {
        let mut events = self.lock();
        let count = events.len();
        events.clear();
        count
    }

    /// Forgets an event; `false` if it never happened.
    pub fn reset_one(&self, name: &[u8]) -> bool {
        let mut events = self.lock();
        let before = events.len();
        events.retain(|event, _| !event.as_bytes().eq_ignore_ascii_case(name));
        events.len() < before
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, LatencyEvent>> {
        self.events.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_delay_of_a_second_is_kept_and_old_samples_go() {
        let events = LatencyEvents::default();
        events.add("command", 1, 5);
        events.add("command", 1, 9);
        events.add("command", 1, 7);
        let (_, event) = events.find(b"COMMAND").unwrap();
        assert_eq!(event.samples, [LatencySample { time_s: 1, ms: 9 }]);
        for second in 2..400 {
            events.add("command", second, 1);
        }
        let (_, event) = events.find(b"command").unwrap();
        assert_eq!((event.samples.len(), event.max_ms), (SAMPLES_MAX, 9));
        assert!(events.reset_one(b"command") && !events.reset_one(b"command"));
        assert_eq!(events.reset(), 0);
    }
}
