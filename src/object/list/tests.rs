use std::collections::VecDeque;

use rand::RngExt;
use rand::rngs::StdRng;

use super::*;
use crate::object::testing::{seeded, thread_bytes};

fn by(listpack_size_max: i32) -> Thresholds {
    Thresholds { listpack_size_max }
}

fn check(list: &List, model: &VecDeque<Vec<u8>>) {
    assert_eq!(list.len(), model.len());
    if let Repr::Quicklist(list) = &list.repr
        && list.len > 0
    {
        let (len, bytes, _) = list.tree.check();
        assert_eq!((len, bytes), (list.len, list.bytes));
    }
    assert!(list.iter().map(|element| element.to_bytes().into_owned()).eq(model.iter().cloned()));
    if let Some(last) = model.len().checked_sub(1) {
        assert!(
            list.iter_back_from(last).map(|element| element.to_bytes().into_owned()).eq(model.iter().rev().cloned())
        );
    }
    let nodes: usize = list.nodes_from(0).0.map(|node| node.len()).sum();
    assert_eq!(nodes, model.len());
}

fn value(rng: &mut StdRng, long: usize) -> Vec<u8> {
    match rng.random_range(0..30) {
        0 => vec![b'x'; rng.random_range(0..long)],
        1..10 => rng.random_range(-50..50i32).to_string().into_bytes(),
        _ => vec![b'a' + rng.random_range(0..3u8); rng.random_range(0..20)],
    }
}

#[test]
fn random_changes_agree_with_a_deque() {
    let mut rng = seeded();
    for round in 0..120 {
        let thresholds = by([-1, 1, 3, 20, -2, 128][round % 6]);
        let long = [20, 300, 10_000][round % 3];
        let mut list = List::new();
        let mut model: VecDeque<Vec<u8>> = VecDeque::new();
        for step in 0..1_500 {
            let new = value(&mut rng, long);
            let grow = step % 500 < 400;
            let index = rng.random_range(0..model.len() + 2);
            let op = rng.random_range(0..100);
            match op {
                0..20 if grow => {
                    list.push(End::Back, [&new[..], b"", &new[..]], &thresholds);
                    model.extend([new.clone(), vec![], new]);
                }
                20..40 if grow => {
                    list.push(End::Front, [&new[..]], &thresholds);
                    model.push_front(new);
                }
                40..70 if grow => {
                    assert_eq!(list.insert(index, &new, &thresholds), index <= model.len());
                    if index <= model.len() {
                        model.insert(index, new);
                    }
                }
                70..80 => {
                    assert_eq!(list.set(index, &new, &thresholds), index < model.len());
                    if index < model.len() {
                        model[index] = new;
                    }
                }
                80..83 => {
                    let count = rng.random_range(0..20);
                    let end = (index + count).min(model.len());
                    let removed = if index < end { model.drain(index..end).count() } else { 0 };
                    assert_eq!(list.remove_range(index, count, &thresholds), removed);
                }
                83 if rng.random_range(0..5) == 0 => {
                    let count = model.len() * 2 / 3;
                    let start = rng.random_range(0..=model.len() / 3);
                    list.trim(start, count, &thresholds);
                    model = model.into_iter().skip(start).take(count).collect();
                }
                84 => {
                    let (limit, from) = (rng.random_range(0..6), if rng.random() { End::Front } else { End::Back });
                    let mut indexes: Vec<usize> = (0..model.len()).filter(|&at| model[at] == new).collect();
                    if from == End::Back {
                        indexes.reverse();
                    }
                    indexes.truncate(limit);
                    indexes.sort_unstable();
                    assert_eq!(list.remove_equal(&new, limit, from, &thresholds), indexes.len());
                    for at in indexes.into_iter().rev() {
                        model.remove(at);
                    }
                }
                85..92 => {
                    let popped = list.pop(End::Front, &thresholds, |element| element.to_bytes().into_owned());
                    assert!(popped == model.pop_front());
                }
                92.. => {
                    let popped = list.pop(End::Back, &thresholds, |element| element.to_bytes().into_owned());
                    assert!(popped == model.pop_back());
                }
                _ => {}
            }
            let found = list.get(index).map(|element| element.to_bytes().into_owned());
            assert!(found.as_ref() == model.get(index), "round {round} step {step} index {index} op {op}");
            if step % 100 == 0 {
                check(&list, &model);
                let from = rng.random_range(0..=model.len());
                assert!(
                    list.iter_from(from)
                        .map(|element| element.to_bytes().into_owned())
                        .eq(model.iter().skip(from).cloned())
                );
            }
        }
        check(&list, &model);
        list.trim(0, 0, &thresholds);
        assert!(list.is_empty() && list.iter().next().is_none());
    }
}

#[test]
fn encodings_change_where_redis_changes_them() {
    let thresholds = by(4);
    let mut list = List::new();
    list.push(End::Back, [&b"a"[..]; 4], &thresholds);
    assert_eq!(list.encoding_name(), "listpack");
    list.push(End::Back, [&b"a"[..]], &thresholds);
    assert_eq!(list.encoding_name(), "quicklist");
    list.pop(End::Back, &thresholds, |_| ());
    list.pop(End::Back, &thresholds, |_| ());
    assert_eq!((list.len(), list.encoding_name()), (3, "quicklist"));
    list.pop(End::Back, &thresholds, |_| ());
    assert_eq!((list.len(), list.encoding_name()), (2, "listpack"));

    // By bytes: the limit counts the listpack's bytes and the bare bytes of what is added.
    let thresholds = by(-1);
    let mut list = List::new();
    list.push(End::Back, [&vec![b'x'; 4096 - 7][..]], &thresholds);
    assert_eq!(list.encoding_name(), "listpack");
    let mut list = List::new();
    list.push(End::Back, [&vec![b'x'; 4096 - 6][..]], &thresholds);
    assert_eq!(list.encoding_name(), "quicklist");
    list.set(0, b"small", &thresholds);
    assert_eq!(list.encoding_name(), "listpack");
    list.push(End::Back, [&vec![b'x'; 5000][..]], &thresholds);
    list.remove_equal(b"small", 1, End::Front, &thresholds);
    assert_eq!((list.len(), list.encoding_name()), (1, "quicklist"));
    assert!(matches!(list.nodes_from(0).0.next(), Some(NodeRef::Plain(_))));
}

#[test]
fn a_list_loaded_node_by_node_gets_the_encoding_of_its_size() {
    let pack = |elements: std::ops::Range<i64>| elements.collect::<Listpack>();
    let load = |nodes: Vec<Listpack>, thresholds: &Thresholds| {
        let mut list = List::new();
        for node in nodes {
            list.push_node(node, thresholds);
        }
        list.finish_loading(thresholds);
        list
    };
    assert_eq!(load(vec![pack(0..10)], &by(-2)).encoding_name(), "listpack");
    assert_eq!(load(vec![pack(0..10), pack(10..20)], &by(-2)).encoding_name(), "quicklist");
    let list = load(vec![pack(0..10), pack(10..20)], &by(3));
    assert!(list.iter().map(|element| element.as_int().unwrap()).eq(0..20));
    assert!(list.nodes_from(0).0.all(|node| node.len() <= 3));
    assert_eq!(List::from_listpack(pack(0..10), &by(-2)).encoding_name(), "listpack");
    assert_eq!(List::from_listpack(pack(0..10), &by(5)).encoding_name(), "quicklist");
}

#[test]
fn a_long_list_finds_any_index_and_gives_its_memory_back() {
    let thresholds = Thresholds::default();
    let before = thread_bytes();
    let mut list = List::new();
    let count = 1_000_000usize;
    for n in 0..count {
        let value = format!("value:{n:010}");
        list.push(if n % 2 == 0 { End::Back } else { End::Front }, [value.as_bytes()], &thresholds);
    }
    let (held, told) = (thread_bytes() - before, list.memory() as i64);
    let first = told as f64 / count as f64;
    assert!((held - told).abs() * 100 < held, "allocator {held}, own account {told}");
    assert!(told < 19 * count as i64, "{told}");
    for index in [0, 1, 499_999, 500_000, 999_999] {
        let n = if index < count / 2 { count - 1 - 2 * index } else { 2 * (index - count / 2) };
        assert_eq!(list.get(index), Some(Element::Str(format!("value:{n:010}").as_bytes())));
    }
    let copied_from = thread_bytes();
    let copy = list.clone();
    assert_eq!(thread_bytes() - copied_from, copy.memory() as i64);
    assert!(copy == list);
    drop(copy);
    list.trim(400_000, 1_000, &thresholds);
    assert_eq!(list.len(), 1_000);
    assert!(list.memory() < 40_000, "{}", list.memory());
    assert_eq!(thread_bytes() - before, list.memory() as i64);
    drop(list);
    assert_eq!(thread_bytes(), before);

    let mut list = List::new();
    for n in 0..8 {
        list.push(End::Back, [format!("member:{n}").as_bytes()], &thresholds);
    }
    let second = list.memory() as f64 / 8.0;
    assert_eq!(thread_bytes() - before, list.memory() as i64);
    // Printed last: the harness keeps the text on this thread's account.
    eprintln!("bytes per element of 16 bytes, of a million: {first}");
    eprintln!("bytes per element of 8 bytes, of eight: {second}");
}

#[test]
fn freeing_in_steps_frees_all_and_leaves_a_usable_list() {
    let thresholds = by(2);
    let before = thread_bytes();
    let mut list = List::new();
    for _ in 0..10_000 {
        list.push(End::Back, [&b"abc"[..]], &thresholds);
    }
    let mut steps = 0;
    while !list.free_some(100) {
        assert!(list.is_empty() && list.get(0).is_none());
        if steps == 0 {
            list.push(End::Back, [&b"new"[..]], &thresholds);
            assert_eq!(list.pop(End::Front, &thresholds, |_| ()), Some(()));
        }
        steps += 1;
    }
    assert!(steps > 40, "{steps}");
    list.push(End::Back, [&b"new"[..]], &thresholds);
    assert_eq!((list.len(), list.encoding_name()), (1, "listpack"));
    drop(list);
    assert_eq!(thread_bytes(), before);
}
