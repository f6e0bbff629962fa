//! Looking for elements that stand twice.

use crate::listpack::Listpack;

/// Whether the keys in a listpack, which are every `stride`th element, differ from each other.
pub(super) fn distinct(list: &Listpack, stride: usize) -> bool {
    let view = list.view();
    if view.len() <= 32 * stride {
        // Few: comparing each with those behind it is faster than anything that allocates.
        let mut next = view.first();
        while let Some(at) = next {
            let mut behind = at;
            for _ in 0..stride {
                behind = view.skip(behind);
            }
            if view.at(at).with_bytes(|key| view.find_from(behind, key, stride - 1).is_some()) {
                return false;
            }
            next = (behind < view.end()).then_some(behind);
        }
        return true;
    }
    let mut seen = std::collections::HashSet::new();
    view.iter().step_by(stride).all(|key| seen.insert(key.to_bytes()))
}
