use super::*;
use crate::listpack::Listpack;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn seed() -> u64 {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("SEED={seed}");
    seed
}

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId::new(ms, seq)
}

fn add(stream: &mut Stream, request: IdRequest) -> Result<StreamId, AppendError> {
    stream.log_mut().append(request, &[b"field", b"value"], 1_000, StreamLimits::default())
}

fn exact(ms: u64, seq: u64) -> IdRequest {
    IdRequest::Exact(id(ms, seq))
}

/// ID and spelled-out fields and values.
type Plain = (StreamId, Vec<Vec<u8>>);

fn plain(entry: Entry<'_>) -> Plain {
    let fields =
        entry.fields().flat_map(|(field, value)| [field.to_bytes().into_owned(), value.to_bytes().into_owned()]);
    let fields: Vec<_> = fields.collect();
    assert_eq!(fields.len(), 2 * entry.len());
    (entry.id, fields)
}

/// What a stream is, plainly.
#[derive(Default)]
struct Model {
    entries: BTreeMap<StreamId, Vec<Vec<u8>>>,
    meta: StreamMeta,
}

fn agree(log: &EntryLog, model: &Model, rng: &mut StdRng) {
    assert_eq!((log.len(), log.meta()), (model.entries.len() as u64, model.meta));
    assert_eq!(log.first_id(), model.entries.keys().next().copied().unwrap_or(StreamId::MIN));
    assert_eq!(log.last_entry_id(), model.entries.keys().next_back().copied());
    let bytes = log.counted_bytes();
    assert_eq!(log.memory() - log.node_count() * 60, bytes);
    for (id, list) in log.nodes(StreamId::MIN) {
        node::validate(id, list).unwrap();
    }
    let top = model.meta.last_id.ms + 3;
    let (start, end) =
        (id(rng.random_range(0..=top), rng.random_range(0..3)), id(rng.random_range(0..=top), rng.random_range(0..3)));
    for (start, end) in [(StreamId::MIN, StreamId::MAX), (start, end), (start, StreamId::MAX), (StreamId::MIN, end)] {
        let inside = |id: &StreamId| start <= *id && *id <= end;
        let expected: Vec<Plain> =
            model.entries.iter().filter(|(id, _)| inside(id)).map(|(&id, fields)| (id, fields.clone())).collect();
        assert_eq!(log.range(start, end).map(plain).collect::<Vec<_>>(), expected);
        let mut backwards: Vec<Plain> = log.range(start, end).rev().map(plain).collect();
        backwards.reverse();
        assert_eq!(backwards, expected);
    }
    assert_eq!(log.get(start).map(plain).map(|(_, fields)| fields), model.entries.get(&start).cloned());
}

#[test]
fn a_log_and_a_plain_map_never_differ() {
    let mut rng = StdRng::seed_from_u64(seed());
    for limits in [
        StreamLimits::default(),
        StreamLimits { node_max_bytes: 200, node_max_entries: 0 },
        StreamLimits { node_max_bytes: 0, node_max_entries: 7 },
    ] {
        let (mut stream, mut model) = (Stream::new(), Model::default());
        let mut now = 0;
        for step in 0..10_000 {
            match rng.random_range(0..100) {
                0..75 => {
                    now += rng.random_range(0..2);
                    let request = match rng.random_range(0..3) {
                        0 => IdRequest::Auto,
                        1 => IdRequest::AutoSeq(now),
                        _ => exact(now, rng.random_range(0..4)),
                    };
                    let same = rng.random_bool(0.7);
                    let pairs = if same { 2 } else { rng.random_range(1..5) };
                    let fields: Vec<Vec<u8>> = (0..2 * pairs)
                        .map(|at| match at % 2 {
                            0 if same => format!("field{at}").into_bytes(),
                            _ if rng.random_bool(0.5) => {
                                rng.random_range(-200_000..200_000i64).to_string().into_bytes()
                            }
                            _ => vec![b'v'; rng.random_range(0..30)],
                        })
                        .collect();
                    let slices: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
                    let result = stream.log_mut().append(request, &slices, now, limits);
                    if let Ok(id) = result {
                        assert!(id > model.meta.last_id);
                        model.meta.last_id = id;
                        model.meta.entries_added += 1;
                        model.entries.insert(id, fields);
                    } else if let IdRequest::Exact(id) = request {
                        assert!(id <= model.meta.last_id);
                    }
                }
                75..95 => {
                    let Some(&last) = model.entries.keys().next_back() else { continue };
                    let first = model.entries.keys().next().map_or(0, |id| id.ms);
                    let id = id(rng.random_range(first..=last.ms), rng.random_range(0..3));
                    let there = model.entries.remove(&id).is_some();
                    assert_eq!(stream.log_mut().delete(id), there);
                    if there {
                        model.meta.max_deleted_id = model.meta.max_deleted_id.max(id);
                    }
                }
                95 => {
                    let len = model.entries.len() as u64;
                    let keep = rng.random_range(len / 2..=len + 1);
                    let removed = stream.log_mut().trim(Trim::MaxLen(keep), false, 0);
                    assert_eq!(removed, len.saturating_sub(keep));
                    (0..removed).for_each(|_| drop(model.entries.pop_first()));
                }
                96 => {
                    let Some(&first) = model.entries.keys().next() else { continue };
                    let min = id(first.ms + rng.random_range(0..20), rng.random_range(0..3));
                    let keep = model.entries.split_off(&min);
                    assert_eq!(stream.log_mut().trim(Trim::MinId(min), false, 0), model.entries.len() as u64);
                    model.entries = keep;
                }
                97 => {
                    // Approximate: whole nodes, never too much.
                    let len = model.entries.len() as u64;
                    let keep = rng.random_range(len / 2..=len + 1);
                    let limit = rng.random_range(0..300);
                    let removed = stream.log_mut().trim(Trim::MaxLen(keep), true, limit);
                    assert!(removed <= len.saturating_sub(keep) && (limit == 0 || removed <= limit));
                    (0..removed).for_each(|_| drop(model.entries.pop_first()));
                }
                _ => {}
            }
            if step % 250 == 0 {
                agree(stream.log(), &model, &mut rng);
            }
        }
        agree(stream.log(), &model, &mut rng);
        // Through an RDB file and back.
        let mut copy = Stream::new();
        for (id, list) in stream.log().nodes(StreamId::MIN) {
            copy.log_mut().push_node(id, Listpack::from_bytes(list.as_bytes()).unwrap()).unwrap();
        }
        copy.log_mut().set_meta(stream.log().meta());
        agree(copy.log(), &model, &mut rng);
        assert_eq!(copy, stream);
        while !stream.free_some(3) {}
        assert_eq!(stream.memory(), 0);
    }
}

#[test]
fn ids_only_rise() {
    let mut stream = Stream::new();
    assert_eq!(add(&mut stream, exact(0, 0)), Err(AppendError::Zero));
    assert_eq!(add(&mut stream, IdRequest::AutoSeq(0)), Ok(id(0, 1)));
    assert_eq!(add(&mut stream, IdRequest::Auto), Ok(id(1_000, 0)));
    assert_eq!(add(&mut stream, IdRequest::Auto), Ok(id(1_000, 1)));
    assert_eq!(add(&mut stream, exact(1_000, 1)), Err(AppendError::NotAbove));
    assert_eq!(add(&mut stream, IdRequest::AutoSeq(999)), Err(AppendError::NotAbove));
    assert_eq!(add(&mut stream, IdRequest::AutoSeq(1_000)), Ok(id(1_000, 2)));
    assert_eq!(add(&mut stream, exact(2_000, u64::MAX)), Ok(id(2_000, u64::MAX)));
    assert_eq!(add(&mut stream, IdRequest::AutoSeq(2_000)), Err(AppendError::NotAbove));
    assert_eq!(add(&mut stream, IdRequest::Auto), Ok(id(2_001, 0)));
    assert_eq!(add(&mut stream, exact(u64::MAX, u64::MAX)), Ok(StreamId::MAX));
    assert_eq!(add(&mut stream, IdRequest::Auto), Err(AppendError::Exhausted));
}

#[test]
fn nodes_have_redis_bytes() {
    let mut stream = Stream::new();
    let limits = StreamLimits::default();
    let log = stream.log_mut();
    log.append(exact(5, 1), &[b"a", b"1", b"b", b"x"], 0, limits).unwrap();
    log.append(exact(6, 0), &[b"a", b"2", b"b", b"y"], 0, limits).unwrap();
    log.append(exact(6, 3), &[b"c", b"z"], 0, limits).unwrap();
    log.delete(id(6, 0));
    let mut expected = Listpack::new();
    for element in "2 1 2 a b 0  2 0 0 1 x 5  3 1 -1 2 y 5  0 1 2 1 c z 6".split_whitespace() {
        expected.append(element.as_bytes());
    }
    let nodes: Vec<_> = log.nodes(StreamId::MIN).collect();
    assert_eq!(nodes.len(), 1);
    assert_eq!((nodes[0].0, nodes[0].1.as_bytes()), (id(5, 1), expected.as_bytes()));
}

#[test]
fn hostile_nodes_are_refused() {
    let mut rng = StdRng::seed_from_u64(seed());
    let load = |text: &str| {
        let list: Listpack = text.split_whitespace().map(str::as_bytes).collect();
        EntryLog::default().push_node(id(5, 1), list)
    };
    assert_eq!(load("1 0 1 a 0  2 0 0 1 4"), Ok(()));
    assert_eq!(load(""), Err(NodeError::Cut));
    assert_eq!(load("0 0 1 a 0"), Err(NodeError::Counts { count: 0, deleted: 0 }));
    assert_eq!(load("1 0 1 a 0  2 0 0 1 5"), Err(NodeError::BackCount(27)));
    assert!(matches!(load("1 0 1 a 0  2 0 -1 1 4"), Err(NodeError::Order(_))));
    assert!(matches!(load("1 0 9223372036854775807 a 0"), Err(NodeError::Cut)));
    assert!(matches!(load("1 0 1 a 0  0 0 0 9223372036854775807 4"), Err(NodeError::Number(_))));
    // Anything that passes can be read and changed without a panic.
    let good = "2 1 2 a b 0  2 0 0 1 x 5  3 1 -1 2 y 5  0 1 2 1 c z 6";
    for _ in 0..20_000 {
        let mut words: Vec<String> = good.split_whitespace().map(String::from).collect();
        for _ in 0..rng.random_range(1..3) {
            let at = rng.random_range(0..words.len());
            match rng.random_range(0..3) {
                0 => words[at] = rng.random_range(-2..9).to_string(),
                1 => drop(words.remove(at)),
                _ => words.insert(at, rng.random_range(-1..7).to_string()),
            }
        }
        let mut log = EntryLog::default();
        if log.push_node(id(5, 1), words.iter().map(|word| word.as_bytes()).collect()).is_ok() {
            let forwards: Vec<_> = log.range(StreamId::MIN, StreamId::MAX).map(plain).collect();
            assert_eq!(log.range(StreamId::MIN, StreamId::MAX).rev().count(), forwards.len());
            log.trim(Trim::MaxLen(1), false, 0);
            assert_eq!(log.len(), 1);
        }
    }
}

#[test]
fn lag_is_known_exactly_when_redis_knows_it() {
    let mut stream = Stream::new();
    for seq in 1..=5 {
        add(&mut stream, exact(1, seq)).unwrap();
    }
    stream.create_group(b"g", StreamId::MIN, Some(0));
    let read = |stream: &mut Stream, count: usize| {
        let (log, groups) = stream.parts_mut();
        let group = groups.get_mut(&b"g"[..]).unwrap();
        let start = group.last_id.next().unwrap();
        let ids: Vec<_> = log.range(start, StreamId::MAX).take(count).map(|entry| entry.id).collect();
        ids.into_iter().for_each(|id| group.advance(log, id));
        (group.lag(log), group.entries_read)
    };
    assert_eq!(read(&mut stream, 0), (Some(5), Some(0)));
    assert_eq!(read(&mut stream, 2), (Some(3), Some(2)));
    // A hole before the group makes no difference, one behind it does until it is read past.
    stream.log_mut().delete(id(1, 1));
    assert_eq!(read(&mut stream, 0), (Some(3), Some(2)));
    stream.log_mut().delete(id(1, 4));
    assert_eq!(read(&mut stream, 0), (None, Some(2)));
    assert_eq!(read(&mut stream, 1), (None, None));
    assert_eq!(read(&mut stream, 1), (Some(0), Some(5)));
    stream.log_mut().trim(Trim::MaxLen(0), false, 0);
    assert_eq!(read(&mut stream, 0), (Some(0), Some(5)));
}

#[test]
fn pending_entries_belong_to_one_consumer_and_go_when_acknowledged() {
    let mut stream = Stream::new();
    for seq in 1..=6 {
        add(&mut stream, exact(1, seq)).unwrap();
    }
    assert!(stream.create_group(b"g", StreamId::MIN, Some(0)));
    assert!(!stream.create_group(b"g", StreamId::MIN, Some(0)));
    stream.log_mut().delete(id(1, 2));
    let before = stream.clone();
    let (log, groups) = stream.parts_mut();
    let group = groups.get_mut(&b"g"[..]).unwrap();
    let (alice, created) = group.find_or_create(b"alice", 10);
    assert!(created && !group.find_or_create(b"alice", 11).1);
    let (bob, _) = group.find_or_create(b"bob", 10);
    for seq in 1..=4 {
        group.deliver(id(1, seq), alice, 100);
    }
    assert_eq!(group.pending_bounds(), Some((id(1, 1), id(1, 4))));
    let options =
        ClaimOptions { min_idle_ms: 50, delivery_time_ms: None, delivery_count: None, force: false, just_id: false };
    assert_eq!(group.claim(log, id(1, 1), bob, options, 120), Claim::Left);
    assert_eq!(group.claim(log, id(1, 1), bob, options, 150), Claim::Claimed);
    assert_eq!(group.pending(id(1, 1)), Some(&Pending { consumer: bob, delivery_time_ms: 150, delivery_count: 2 }));
    assert!(matches!(group.claim(log, id(1, 2), bob, options, 150), Claim::Deleted(old) if old.consumer == alice));
    assert_eq!(group.claim(log, id(1, 5), bob, options, 150), Claim::Left);
    let force = ClaimOptions { force: true, just_id: true, delivery_time_ms: Some(9_999), ..options };
    assert_eq!(group.claim(log, id(1, 5), bob, force, 150), Claim::Claimed);
    assert_eq!(group.pending(id(1, 5)).map(|one| (one.delivery_time_ms, one.delivery_count)), Some((150, 1)));
    assert_eq!(group.pending_len(), 4);
    let of = |group: &Group, consumer| {
        group.pending_of(consumer, StreamId::MIN..=StreamId::MAX).map(|(id, _)| id.seq).collect::<Vec<_>>()
    };
    assert_eq!((of(group, alice), of(group, bob)), (vec![3, 4], vec![1, 5]));
    let auto = group.auto_claim(log, bob, StreamId::MIN, 1, options, 160);
    assert_eq!((auto.claimed, auto.next), (vec![id(1, 3)], id(1, 4)));
    let auto = group.auto_claim(log, bob, id(1, 4), 10, options, 160);
    assert_eq!((auto.claimed, auto.next), (vec![id(1, 4)], StreamId::MIN));
    assert!(group.acknowledge(id(1, 3)).is_some());
    assert!(group.acknowledge(id(1, 3)).is_none());
    assert_eq!(of(group, bob), vec![1, 4, 5]);
    assert_eq!(group.delete_consumer(b"bob"), Some(3));
    assert_eq!((group.pending_len(), group.delete_consumer(b"bob")), (0, None));
    assert_eq!(group.consumers().count(), 1);
    assert_ne!(stream, before);
    assert!(stream.destroy_group(b"g") && !stream.destroy_group(b"g"));
}
