//! Drawing several elements of a collection at random, each at most once.

use rand::{Rng, RngExt};
use std::collections::HashSet;

/// From this share of the elements on, one pass over all of them is cheaper than drawing one by one.
const PASS_FROM: usize = 3;

/// Whether `count` of `len` elements are better chosen in one pass.
pub fn in_one_pass(len: usize, count: usize) -> bool {
    count.saturating_mul(PASS_FROM) > len
}

/// Gives `with` exactly `count` of the `len` elements, every choice of them equally likely, in one pass.
pub fn pass<T>(
    elements: impl Iterator<Item = T>,
    len: usize,
    count: usize,
    random: &mut impl Rng,
    mut with: impl FnMut(T),
) {
    let mut wanted = count.min(len);
    for (element, left) in elements.zip((1..=len).rev()) {
        if wanted == 0 {
            return;
        }
        if random.random_range(0..left) < wanted {
            wanted -= 1;
            with(element);
        }
    }
}

/// Gives `with` exactly `count` different elements, drawing until there are as many. `identity` tells elements apart.
/// Expected time linear in `count` while that is no large share of the elements.
pub fn draw<T>(
    count: usize,
    mut element: impl FnMut() -> Option<T>,
    identity: impl Fn(&T) -> usize,
    mut with: impl FnMut(T),
) {
    let mut drawn = HashSet::with_capacity(count);
    while drawn.len() < count {
        let Some(element) = element() else { return };
        if drawn.insert(identity(&element)) {
            with(element);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    #[test]
    fn a_pass_takes_exactly_as_many_and_each_element_as_often() {
        let mut random = SmallRng::seed_from_u64(7);
        let mut taken = [0; 10];
        for _ in 0..10_000 {
            let mut count = 0;
            pass(0..10, 10, 4, &mut random, |element: usize| {
                taken[element] += 1;
                count += 1;
            });
            assert_eq!(count, 4);
        }
        assert!(taken.iter().all(|&times| (3700..4300).contains(&times)), "{taken:?}");
    }

    #[test]
    fn what_is_drawn_twice_is_given_once() {
        let mut next = 0;
        let mut given = Vec::new();
        draw(
            3,
            || {
                next += 1;
                Some(next / 2)
            },
            |&element| element,
            |element| given.push(element),
        );
        assert_eq!(given, [0, 1, 2]);
    }
}
