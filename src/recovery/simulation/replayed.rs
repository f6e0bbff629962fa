//! What a start made of the files.

use super::*;

/// What a replay gave.
#[derive(Default)]
pub(crate) struct Recovered {
    pub(super) effects: BTreeMap<(usize, usize), Vec<(String, u16)>>,
    /// For each barrier, how many effects of each life and core came before it.
    pub(super) barriers: HashMap<String, BTreeMap<(usize, usize), usize>>,
}

impl Recovered {
    /// How many records of `core` are there; fails unless they are a prefix of what it logged.
    pub(super) fn cut(&self, number: usize, core: usize, life: &Life) -> usize {
        let found = self.effects.get(&(number, core)).map_or(&[][..], |found| found);
        let mut found = found.iter();
        let mut cut = 0;
        for (index, record) in life.records[core].iter().enumerate().filter(|(_, record)| !record.effects.is_empty()) {
            if found.len() == 0 {
                break;
            }
            for effect in &record.effects {
                assert_eq!(found.next(), Some(effect), "life {number} core {core} record {}", index + 1);
            }
            cut = index + 1;
        }
        assert_eq!(found.next(), None, "life {number} core {core}: more than was logged");
        // A record without effect leaves no trace in what is replayed.
        cut + life.records[core][cut..].iter().take_while(|record| record.effects.is_empty()).count()
    }
}

impl ReplaySink for Recovered {
    fn base_rdb(&mut self, _path: &Path) -> Result<u64, String> {
        Err("the simulation has none".to_string())
    }

    fn command(&mut self, core: Option<u16>, db: u16, args: Args<'_>) -> Result<(), String> {
        let key = String::from_utf8_lossy(args.at(1)).into_owned();
        if args.is(0, "SWAPDB") {
            assert_eq!(db, 3);
            let positions = self.effects.iter().map(|(place, effects)| (*place, effects.len())).collect();
            self.barriers.insert(key, positions);
            return Ok(());
        }
        let mut numbers = key.split(':').map(|number| number.parse::<usize>().expect("keys are made here"));
        let place = (numbers.next().unwrap(), numbers.next().unwrap());
        assert!(core.is_none_or(|core| core as usize == place.1));
        self.effects.entry(place).or_default().push((key, db));
        Ok(())
    }
}
