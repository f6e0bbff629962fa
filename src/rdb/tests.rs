use super::*;
use crate::intset::Intset;
use crate::listpack::{Element, Listpack, ListpackError};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

fn seed() -> u64 {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("SEED={seed}");
    seed
}

fn list_of(elements: &[&[u8]]) -> Listpack {
    elements.iter().copied().collect()
}

fn encoded(value: &Value, compress: bool) -> Vec<u8> {
    let mut out = Vec::new();
    value.with_view(|view| Encoder::new(compress).value(&mut out, view));
    out
}

/// A DUMP payload of `version` around a type and its bytes.
fn payload(version: u16, type_byte: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![type_byte];
    bytes.extend(body);
    bytes.extend(version.to_le_bytes());
    let crc = crc::checksum(&bytes);
    bytes.extend(crc.to_le_bytes());
    bytes
}

fn load(type_byte: u8, body: &[u8]) -> Result<Value, Fault> {
    load_version(12, type_byte, body)
}

fn load_version(version: u16, type_byte: u8, body: &[u8]) -> Result<Value, Fault> {
    match parse_dump(&payload(version, type_byte, body)) {
        Ok(value) => Ok(value),
        Err(DumpError::Data(error)) => Err(error.fault),
        Err(error) => panic!("{error}"),
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_len(&mut out, bytes.len() as u64);
    out.extend(bytes);
    out
}

#[test]
fn lengths_have_their_four_forms() {
    for (len, bytes) in [
        (0, &[0][..]),
        (63, &[63]),
        (64, &[0x40, 64]),
        (16_383, &[0x7F, 0xFF]),
        (16_384, &[0x80, 0, 0, 0x40, 0]),
        (u64::from(u32::MAX), &[0x80, 255, 255, 255, 255]),
        (1 << 32, &[0x81, 0, 0, 0, 1, 0, 0, 0, 0]),
        (u64::MAX, &[0x81, 255, 255, 255, 255, 255, 255, 255, 255]),
    ] {
        let mut out = Vec::new();
        write_len(&mut out, len);
        assert_eq!(out, bytes);
        out.insert(0, opcode::RESIZEDB);
        out.push(0);
        let item = Reader::block(&out[..], VERSION, 0, Options::default()).next_item().unwrap();
        assert_eq!(item, Some(Item::ResizeDb { keys: len, expires: 0 }));
    }
}

#[test]
fn strings_take_the_shortest_encoding_that_reads_back() {
    let mut encoder = Encoder::new(true);
    for (text, bytes) in [
        (&b""[..], &[0][..]),
        (b"x", &[1, b'x']),
        (b"0", &[0xC0, 0]),
        (b"-128", &[0xC0, 0x80]),
        (b"128", &[0xC1, 0x80, 0]),
        (b"-32768", &[0xC1, 0, 0x80]),
        (b"32768", &[0xC2, 0, 0x80, 0, 0]),
        (b"-2147483648", &[0xC2, 0, 0, 0, 0x80]),
        (b"2147483648", b"\x0a2147483648"),
        (b"007", b"\x03007"),
        (b"aaaaaaaaaaaaaaaaaaaa", b"\x14aaaaaaaaaaaaaaaaaaaa"),
        (b"aaaaaaaaaaaaaaaaaaaaaaaaa", &[0xC3, 5, 25, 0, b'a', 0xE0, 15, 0]),
    ] {
        let mut out = Vec::new();
        encoder.string(&mut out, text);
        assert_eq!(out, bytes, "{}", text.escape_ascii());
        assert_eq!(load(opcode::STRING, bytes).unwrap(), Value::String(text.to_vec()));
    }
    let mut out = Vec::new();
    encoder.int(&mut out, i64::MIN);
    assert_eq!(out, b"\x14-9223372036854775808");
}

#[test]
fn a_file_has_the_bytes_that_the_format_says() {
    let mut encoder = Encoder::new(true);
    let mut out = Vec::new();
    encoder.header(&mut out, VERSION);
    encoder.aux_standard(&mut out, "7.4.0", 1_700_000_000, 1_048_576, true);
    encoder.select_db(&mut out, 3);
    encoder.resize_db(&mut out, 100, 1);
    encoder.function(&mut out, b"#!lua");
    encoder.encode_key(&mut out, b"k", ValueView::Int(7), Some(0x0102_0304_0506), Access::Idle(70));
    encoder.encode_key(&mut out, b"12", ValueView::String(b"v"), None, Access::Frequency(255));
    encoder.eof(&mut out);
    let crc = crc::checksum(&out);
    encoder.checksum(&mut out, crc);
    let mut expected = b"REDIS0011\xfa\x09redis-ver\x057.4.0\xfa\x0aredis-bits\xc0\x40".to_vec();
    expected.extend(b"\xfa\x05ctime\xc2\x00\xf1\x53\x65\xfa\x08used-mem\xc2\x00\x00\x10\x00\xfa\x08aof-base\xc0\x01");
    expected.extend(b"\xfe\x03\xfb\x40\x64\x01\xf5\x05#!lua\xfc\x06\x05\x04\x03\x02\x01\x00\x00\xf8\x40\x46");
    expected.extend(b"\x00\x01k\xc0\x07\xf9\xff\x00\xc0\x0c\x01v\xff");
    expected.extend(crc::checksum(&expected).to_le_bytes());
    assert_eq!(out, expected);

    let mut reader = Reader::new(&out[..], Options::default()).unwrap();
    let mut items = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        items.push(item);
    }
    assert_eq!(items.len(), 11);
    assert_eq!(items[4], Item::Aux { name: b"aof-base".to_vec(), value: b"1".to_vec() });
    assert_eq!(items[5], Item::SelectDb(3));
    assert_eq!(items[7], Item::Function(b"#!lua".to_vec()));
    assert_eq!(
        items[8],
        Item::Key(KeyRecord {
            key: b"k".to_vec(),
            value: Value::String(b"7".to_vec()),
            expire_ms: Some(0x0102_0304_0506),
            access: Access::Idle(70),
        })
    );
    assert_eq!(items[10], Item::Eof(Checksum::Right));
    assert_eq!(reader.offset(), out.len() as u64);

    let last = out.len() - 1;
    out[last] ^= 1;
    let mut reader = Reader::new(&out[..], Options::default()).unwrap();
    let error = std::iter::from_fn(|| Some(reader.next_item())).find_map(Result::err).unwrap();
    assert!(matches!(error.fault, Fault::Checksum { .. }));
    assert!(reader.next_item().unwrap().is_none());
}

#[test]
fn each_type_has_its_bytes_and_reads_back() {
    let list = list_of(&[b"a", b"1"]);
    let blob = [&[12][..], list.as_bytes()].concat();
    assert_eq!(blob, [12, 12, 0, 0, 0, 2, 0, 0x81, b'a', 2, 1, 1, 0xFF]);
    let intset: Intset = [1i64, 2].into_iter().collect();
    let big = vec![b'p'; 70];
    let field =
        |field: &[u8], value: &[u8], expire_ms| HashField { field: field.into(), value: value.into(), expire_ms };
    let ttl = list_of(&[b"f", b"v", b"500", b"g", b"w", b"0"]);
    for (type_byte, value, bytes) in [
        (opcode::LIST_QUICKLIST_2, Value::List(vec![ListNode::Packed(list.clone())]), [&[1, 2][..], &blob].concat()),
        (
            opcode::LIST_QUICKLIST_2,
            Value::List(vec![ListNode::Plain(big.clone()), ListNode::Packed(list.clone())]),
            [&[2, 1, 0x40, 70][..], &big, &[2], &blob].concat(),
        ),
        (opcode::SET_INTSET, Value::Set(SetValue::Intset(intset)), vec![12, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 2, 0]),
        (opcode::SET_LISTPACK, Value::Set(SetValue::Listpack(list.clone())), blob.clone()),
        (
            opcode::SET,
            Value::Set(SetValue::Members(vec![b"x".to_vec(), b"300".to_vec()])),
            vec![2, 1, b'x', 0xC1, 0x2C, 1],
        ),
        (opcode::HASH_LISTPACK, Value::Hash(HashValue::Listpack(list.clone())), blob.clone()),
        (opcode::HASH, Value::Hash(HashValue::Fields(vec![field(b"f", b"5", None)])), vec![1, 1, b'f', 0xC0, 5]),
        (
            opcode::HASH_METADATA,
            Value::Hash(HashValue::Fields(vec![
                field(b"f", b"5", Some(600)),
                field(b"g", b"", None),
                field(b"h", b"", Some(601)),
            ])),
            vec![0x58, 2, 0, 0, 0, 0, 0, 0, 3, 1, 1, b'f', 0xC0, 5, 0, 1, b'g', 0, 2, 1, b'h', 0],
        ),
        (
            opcode::HASH_LISTPACK_EX,
            Value::Hash(HashValue::ListpackTtl(ttl.clone())),
            [&[0xF4, 1, 0, 0, 0, 0, 0, 0, ttl.as_bytes().len() as u8][..], ttl.as_bytes()].concat(),
        ),
        (opcode::ZSET_LISTPACK, Value::ZSet(ZSetValue::Listpack(list.clone())), blob.clone()),
        (
            opcode::ZSET_2,
            Value::ZSet(ZSetValue::Members(vec![(b"m".to_vec(), 1.5)])),
            vec![1, 1, b'm', 0, 0, 0, 0, 0, 0, 0xF8, 0x3F],
        ),
    ] {
        assert_eq!(value.with_view(|view| view.type_byte()), type_byte);
        assert_eq!(encoded(&value, false), bytes, "{value:?}");
        assert_eq!(load(type_byte, &bytes).unwrap(), value);
    }
}

#[test]
fn forms_that_are_no_longer_written_are_read() {
    let ziplist = string(&[19, 0, 0, 0, 14, 0, 0, 0, 2, 0, 0, 2, b'a', b'b', 4, 0xC0, 0, 1, 0xFF]);
    let list = list_of(&[b"ab", b"256"]);
    assert_eq!(load(opcode::LIST_ZIPLIST, &ziplist).unwrap(), Value::List(vec![ListNode::Packed(list.clone())]));
    assert_eq!(
        load(opcode::LIST_QUICKLIST, &[&[2][..], &ziplist, &ziplist].concat()).unwrap(),
        Value::List(vec![ListNode::Packed(list.clone()), ListNode::Packed(list.clone())])
    );
    assert_eq!(load(opcode::HASH_ZIPLIST, &ziplist).unwrap(), Value::Hash(HashValue::Listpack(list.clone())));
    assert_eq!(load(opcode::ZSET_ZIPLIST, &ziplist).unwrap(), Value::ZSet(ZSetValue::Listpack(list.clone())));
    assert_eq!(
        load(opcode::HASH_ZIPMAP, &string(&[1, 2, b'a', b'b', 3, 0, b'2', b'5', b'6', 0xFF])).unwrap(),
        Value::Hash(HashValue::Listpack(list.clone()))
    );
    assert_eq!(load(opcode::LIST, &[2, 2, b'a', b'b', 0xC1, 0, 1]).unwrap(), Value::List(vec![ListNode::Packed(list)]));
    assert_eq!(
        load(opcode::ZSET, &[3, 1, b'a', 3, b'2', b'.', b'5', 1, b'b', 254, 1, b'c', 255]).unwrap(),
        Value::ZSet(ZSetValue::Members(vec![
            (b"a".to_vec(), 2.5),
            (b"b".to_vec(), f64::INFINITY),
            (b"c".to_vec(), f64::NEG_INFINITY)
        ]))
    );
    assert!(matches!(load(opcode::ZSET, &[1, 1, b'a', 253]), Err(Fault::Score)));
    assert!(matches!(load(opcode::ZSET, &[1, 1, b'a', 1, b'x']), Err(Fault::Score)));
    let big = vec![b'x'; 9000];
    let Value::List(nodes) = load(opcode::LIST, &[&[3, 1, b'a'][..], &string(&big), &[1, b'b']].concat()).unwrap()
    else {
        panic!("not a list")
    };
    assert!(matches!(&nodes[..], [ListNode::Packed(_), ListNode::Plain(_), ListNode::Packed(_)]));
    assert_eq!(nodes[1], ListNode::Plain(big));
}

#[test]
fn field_ttls_of_every_dialect_are_read() {
    let fields = Value::Hash(HashValue::Fields(vec![
        HashField { field: b"a".to_vec(), value: b"1".to_vec(), expire_ms: Some(5) },
        HashField { field: b"b".to_vec(), value: b"2".to_vec(), expire_ms: None },
    ]));
    let pre_ga = [2, 5, 1, b'a', 0xC0, 1, 0, 1, b'b', 0xC0, 2];
    assert_eq!(load(opcode::HASH_METADATA_PRE_GA, &pre_ga).unwrap(), fields);
    let mut valkey = vec![2, 1, b'a', 0xC0, 1, 5, 0, 0, 0, 0, 0, 0, 0, 1, b'b', 0xC0, 2];
    valkey.extend([0xFF; 8]);
    assert_eq!(load_version(VERSION_VALKEY, opcode::VALKEY_HASH_2, &valkey).unwrap(), fields);
    assert!(matches!(load_version(VERSION_VALKEY, opcode::HASH_METADATA, &valkey), Err(Fault::Type(24))));
    // Out of order: put in order.
    let mixed = list_of(&[b"c", b"3", b"0", b"b", b"2", b"9", b"a", b"1", b"4"]);
    let ordered = list_of(&[b"a", b"1", b"4", b"b", b"2", b"9", b"c", b"3", b"0"]);
    assert_eq!(
        load(opcode::HASH_LISTPACK_EX_PRE_GA, &string(mixed.as_bytes())).unwrap(),
        Value::Hash(HashValue::ListpackTtl(ordered))
    );
    let negative = list_of(&[b"c", b"3", b"-1"]);
    assert!(matches!(load(opcode::HASH_LISTPACK_EX_PRE_GA, &string(negative.as_bytes())), Err(Fault::FieldExpire)));
    let late = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 1, 2, 1, b'a', 0];
    assert!(matches!(load(opcode::HASH_METADATA, &late), Err(Fault::FieldExpire)));
}

/// A node of `ids`, of which those with an odd sequence number are deleted.
fn stream_node(master_id: StreamId, ids: &[StreamId]) -> StreamNode {
    let deleted = ids.iter().filter(|id| id.seq % 2 == 1).count() as i64;
    let mut entries = Listpack::new();
    for number in [ids.len() as i64 - deleted, deleted, 1] {
        entries.append(number);
    }
    entries.append(b"field");
    entries.append(0);
    for id in ids {
        let flags = (id.seq % 2) as i64;
        let same = id.ms % 2 == 0;
        entries.append(flags | if same { 2 } else { 0 });
        entries.append(id.ms.wrapping_sub(master_id.ms) as i64);
        entries.append(id.seq.wrapping_sub(master_id.seq) as i64);
        if same {
            entries.append(b"value");
            entries.append(4);
        } else {
            for element in [&b"1"[..], b"other", b"value"] {
                entries.append(element);
            }
            entries.append(6);
        }
    }
    StreamNode { master_id, entries }
}

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId { ms, seq }
}

fn stream() -> StreamData {
    StreamData {
        nodes: vec![
            stream_node(id(10, 7), &[id(10, 7), id(10, 8), id(11, 0)]),
            stream_node(id(12, 0), &[id(12, 0), id(12, 2)]),
        ],
        meta: StreamMeta {
            length: 4,
            last_id: id(13, 0),
            first_id: id(10, 8),
            max_deleted_id: id(10, 7),
            entries_added: 6,
        },
        groups: vec![
            Group {
                name: b"g".to_vec(),
                last_id: id(12, 0),
                entries_read: Some(4),
                pending: vec![
                    Pending { id: id(10, 8), consumer: 1, delivery_ms: 99, delivery_count: 3 },
                    Pending { id: id(12, 0), consumer: 0, delivery_ms: 100, delivery_count: 1 },
                ],
                consumers: vec![
                    Consumer { name: b"one".to_vec(), seen_ms: 5, active_ms: -1 },
                    Consumer { name: b"two".to_vec(), seen_ms: 6, active_ms: 6 },
                ],
            },
            Group { name: b"h".to_vec(), entries_read: None, ..Group::default() },
        ],
    }
}

#[test]
fn a_stream_reads_back_whole() {
    let value = Value::Stream(Box::new(stream()));
    let bytes = encoded(&value, true);
    assert_eq!(load(opcode::STREAM_LISTPACKS_3, &bytes).unwrap(), value);
    let empty = Value::Stream(Box::default());
    assert_eq!(encoded(&empty, false), [0; 10]);
    assert_eq!(load(opcode::STREAM_LISTPACKS_3, &[0; 10]).unwrap(), empty);
}

#[test]
fn streams_of_older_forms_are_completed() {
    let node = stream_node(id(12, 0), &[id(12, 0), id(12, 2)]);
    let mut body = vec![1, 16];
    body.extend(id(12, 0).to_bytes());
    body.extend(string(node.entries.as_bytes()));
    body.extend([2, 12, 2, 1, 1, b'g', 12, 0, 1]);
    body.extend(id(12, 0).to_bytes());
    body.extend([9, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, b'c', 8, 0, 0, 0, 0, 0, 0, 0, 1]);
    body.extend(id(12, 0).to_bytes());
    let Value::Stream(stream) = load(opcode::STREAM_LISTPACKS, &body).unwrap() else { panic!("not a stream") };
    assert_eq!(
        stream.meta,
        StreamMeta { length: 2, last_id: id(12, 2), first_id: id(12, 0), max_deleted_id: id(0, 0), entries_added: 2 }
    );
    assert_eq!(stream.groups[0].entries_read, Some(1));
    assert_eq!(stream.groups[0].consumers, [Consumer { name: b"c".to_vec(), seen_ms: 8, active_ms: 8 }]);
    assert_eq!(stream.groups[0].pending[0].consumer, 0);
}

#[test]
fn a_stream_that_contradicts_itself_is_refused() {
    let good = stream();
    let refused = |change: &dyn Fn(&mut StreamData)| {
        let mut stream = good.clone();
        change(&mut stream);
        let bytes = encoded(&Value::Stream(Box::new(stream)), false);
        load(opcode::STREAM_LISTPACKS_3, &bytes).is_err()
    };
    assert!(!refused(&|_| {}));
    assert!(refused(&|s| s.nodes.swap(0, 1)));
    assert!(refused(&|s| s.nodes.clear()));
    assert!(refused(&|s| s.nodes[0].entries = Listpack::new()));
    assert!(refused(&|s| s.groups[1].name = b"g".to_vec()));
    assert!(refused(&|s| s.groups[0].consumers[0].name = b"two".to_vec()));
    assert!(refused(&|s| s.groups[0].pending[0].id = s.groups[0].pending[1].id));
    for index in 0..5 {
        assert!(
            refused(&|s| {
                let at = s.nodes[0].entries.view().seek(index).unwrap();
                s.nodes[0].entries.replace(at, 77);
            }) || index == 3
        );
    }
}

#[test]
fn broken_values_are_refused_by_name() {
    let twice = list_of(&[b"a", b"1", b"a", b"2"]);
    let odd = list_of(&[b"a", b"1", b"a"]);
    let nan = list_of(&[b"a", b"nan"]);
    let body = |list: &Listpack| string(list.as_bytes());
    assert!(matches!(load(opcode::SET_LISTPACK, &body(&twice)), Err(Fault::Duplicate(_))));
    assert!(matches!(load(opcode::HASH_LISTPACK, &body(&twice)), Err(Fault::Duplicate(_))));
    assert!(matches!(load(opcode::HASH_LISTPACK, &body(&odd)), Err(Fault::Groups { count: 3, group: 2 })));
    assert!(matches!(load(opcode::ZSET_LISTPACK, &body(&nan)), Err(Fault::Score)));
    assert!(matches!(load(opcode::ZSET_LISTPACK, &body(&list_of(&[b"a", b"x"]))), Err(Fault::Score)));
    assert!(matches!(
        load(opcode::HASH_LISTPACK, &string(&[0; 7])),
        Err(Fault::Listpack(ListpackError::TotalBytes { .. }))
    ));
    assert!(matches!(load(opcode::SET_INTSET, &string(&[3; 8])), Err(Fault::Intset(_))));
    assert!(matches!(load(opcode::LIST_QUICKLIST_2, &[1, 3, 1, 0]), Err(Fault::ListNode(3))));
    assert!(matches!(load(8, &[]), Err(Fault::Type(8))));
    assert!(matches!(load(26, &[]), Err(Fault::Type(26))));
    assert!(matches!(load(opcode::SET, &[0]), Err(Fault::Empty)));
    assert!(matches!(load(opcode::STRING, &[0xC4]), Err(Fault::StringEncoding(4))));
    assert!(matches!(load(opcode::STRING, &[0x82]), Err(Fault::Length(0x82))));
    assert!(matches!(load(opcode::SET, &[0xC0, 1]), Err(Fault::Length(0xC0))));
    assert!(matches!(load(opcode::MODULE_PRE_GA, &[]), Err(Fault::ModulePreGa)));
    // "ReJSON-RL" with encoding version 3.
    let mut module = Vec::new();
    write_len(&mut module, 0x11e2_4d39_fa54_b803 & !1023 | 3);
    let Err(Fault::Module(name)) = load(opcode::MODULE_2, &module) else { panic!("a module's value was taken") };
    assert_eq!(name.len(), 9);
    // Members out of order are put in order.
    assert_eq!(
        load(opcode::ZSET_LISTPACK, &body(&list_of(&[b"b", b"2", b"c", b"1", b"a", b"2"]))).unwrap(),
        Value::ZSet(ZSetValue::Listpack(list_of(&[b"c", b"1", b"a", b"2", b"b", b"2"])))
    );
}

#[test]
fn an_announced_length_reserves_nothing() {
    let endless = |type_byte: u8, head: &[u8]| {
        let mut body = head.to_vec();
        body.extend([0x81, 0x7F, 255, 255, 255, 255, 255, 255, 255]);
        load(type_byte, &body).unwrap_err()
    };
    assert!(matches!(endless(opcode::STRING, &[]), Fault::StringTooLong { .. }));
    for type_byte in [opcode::SET, opcode::HASH, opcode::ZSET_2, opcode::LIST, opcode::LIST_QUICKLIST_2] {
        assert!(matches!(endless(type_byte, &[]), Fault::UnexpectedEnd));
    }
    assert!(matches!(endless(opcode::STREAM_LISTPACKS_3, &[0, 0, 0, 0, 0, 0, 0, 0, 0]), Fault::UnexpectedEnd));
    // 400 MB are below the limit, but there is nothing.
    assert!(matches!(load(opcode::STRING, &[0x80, 0x17, 0xD7, 0x84, 0]), Err(Fault::UnexpectedEnd)));
    assert!(matches!(load(opcode::STRING, &[0xC3, 2, 0x80, 0x17, 0xD7, 0x84, 0, 0, 0]), Err(Fault::Lzf(_))));
}

#[test]
fn an_error_names_offset_record_and_key() {
    let mut out = b"REDIS0011".to_vec();
    let mut encoder = Encoder::new(false);
    encoder.encode_key(&mut out, b"good", ValueView::Int(1), None, Access::Unknown);
    let at = out.len() as u64;
    out.extend([opcode::SET_INTSET, 3, b'b', b'a', b'd', 2, 0, 0]);
    let mut reader = Reader::new(&out[..], Options::default()).unwrap();
    assert!(reader.next_item().is_ok());
    let error = reader.next_item().unwrap_err();
    assert_eq!(
        (error.offset, error.record, error.key.as_deref()),
        (at + 5, Some(opcode::SET_INTSET), Some(&b"bad"[..]))
    );
    let text = error.to_string();
    assert!(text.ends_with(&format!("at offset {}, in a record of type 11, key 'bad'", at + 5)), "{text}");
}

#[test]
fn old_and_strange_headers() {
    let open = |bytes: &[u8]| Reader::new(bytes, Options::default()).map(|r| r.version()).map_err(|e| e.fault);
    assert_eq!(open(b"REDIS0001").unwrap(), 1);
    assert_eq!(open(b"REDIS0012").unwrap(), 12);
    assert_eq!(open(b"VALKEY080").unwrap(), VERSION_VALKEY);
    assert!(matches!(open(b"REDIS0013"), Err(Fault::Version(13))));
    assert!(matches!(open(b"REDIS0000"), Err(Fault::Version(0))));
    assert!(matches!(open(b"VALKEY011"), Err(Fault::Version(11))));
    assert!(matches!(open(b"REDIS00x1"), Err(Fault::Magic)));
    assert!(matches!(open(b"RUBIS0011"), Err(Fault::Magic)));
    assert!(matches!(open(b"REDIS"), Err(Fault::UnexpectedEnd)));
    // Version 2: seconds, no checksum. Empty keys are left out; module data is passed over.
    let mut bytes = b"REDIS0002".to_vec();
    bytes.extend([opcode::EXPIRETIME, 10, 0, 0, 0, opcode::STRING, 1, b'a', 1, b'b', opcode::SET, 1, b'e', 0]);
    bytes.extend([opcode::MODULE_AUX, 0, 2, 1, 1, 5, 3, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, b'x', 0]);
    bytes.extend(b"\xff*1\r\n");
    let mut reader = Reader::new(&bytes[..], Options::default()).unwrap();
    let Some(Item::Key(record)) = reader.next_item().unwrap() else { panic!("no key") };
    assert_eq!(record.expire_ms, Some(10_000));
    assert_eq!(reader.next_item().unwrap(), Some(Item::ModuleAux { module: "AAAAAAAAA".into() }));
    assert_eq!(reader.next_item().unwrap(), Some(Item::Eof(Checksum::Absent)));
    assert_eq!(reader.empty_keys(), 1);
    assert_eq!(reader.into_parts().0, b"*1\r\n");
}

#[test]
fn a_dump_payload_with_a_wrong_footer_is_refused() {
    let mut bytes = Vec::new();
    dump(&mut Encoder::new(true), &mut bytes, ValueView::String(b"hello"));
    assert_eq!(bytes[..9], [0, 5, b'h', b'e', b'l', b'l', b'o', 11, 0]);
    assert_eq!(parse_dump(&bytes).unwrap(), Value::String(b"hello".to_vec()));
    for at in 0..bytes.len() {
        let mut broken = bytes.clone();
        broken[at] ^= 0x10;
        assert!(matches!(parse_dump(&broken), Err(DumpError::VersionOrChecksum)));
        assert!(parse_dump(&bytes[..at]).is_err());
    }
    assert!(matches!(parse_dump(&payload(13, 0, &[0])), Err(DumpError::VersionOrChecksum)));
    assert!(parse_dump(&payload(6, 0, &[0])).is_ok());
    let ttl = list_of(&[b"f", b"v", b"500"]);
    bytes.clear();
    let view = ValueView::HashListpackTtl { expire_ms_min: 500, bytes: ttl.as_bytes() };
    dump(&mut Encoder::new(true), &mut bytes, view);
    assert_eq!(bytes[bytes.len() - 10..][..2], [12, 0]);
}

fn random_bytes(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..4) {
        0 => (rng.random::<i64>() >> rng.random_range(0..64)).to_string().into_bytes(),
        1 => vec![b'a' + rng.random_range(0..26); rng.random_range(0..400)],
        _ => {
            let mut bytes = vec![0; rng.random_range(0..60)];
            rng.fill_bytes(&mut bytes);
            bytes
        }
    }
}

fn random_value(rng: &mut StdRng) -> Value {
    let count = rng.random_range(1..20);
    let strings: std::collections::BTreeSet<Vec<u8>> = (0..count).map(|_| random_bytes(rng)).collect();
    let pairs: Listpack = strings.iter().flat_map(|s| [Element::Str(s), Element::Int(s.len() as i64)]).collect();
    match rng.random_range(0..10) {
        0 => Value::String(random_bytes(rng)),
        1 => Value::List(
            strings
                .into_iter()
                .map(|s| if rng.random() { ListNode::Plain(s) } else { ListNode::Packed(list_of(&[&s, &s])) })
                .collect(),
        ),
        2 => Value::Set(SetValue::Intset(
            (0..count).map(|_| rng.random::<i64>() >> rng.random_range(0..64)).collect::<Intset>(),
        )),
        3 => Value::Set(SetValue::Listpack(strings.iter().collect())),
        4 => Value::Set(SetValue::Members(strings.into_iter().collect())),
        5 => Value::Hash(HashValue::Listpack(pairs)),
        6 => Value::Hash(HashValue::Fields(
            strings
                .into_iter()
                .map(|field| HashField {
                    field,
                    value: random_bytes(rng),
                    expire_ms: rng.random::<bool>().then(|| rng.random_range(1..1 << 48)),
                })
                .collect(),
        )),
        7 => Value::ZSet(ZSetValue::Listpack(
            strings.iter().enumerate().flat_map(|(i, s)| [Element::Str(s), Element::Int(i as i64)]).collect(),
        )),
        8 => Value::ZSet(ZSetValue::Members(strings.into_iter().map(|s| (s, rng.random::<f64>())).collect())),
        _ => Value::Stream(Box::new(stream())),
    }
}

/// A file with random records, and what they are.
fn random_file(rng: &mut StdRng, keys: usize) -> (Vec<u8>, Vec<KeyRecord>) {
    let mut encoder = Encoder::new(rng.random());
    let mut out = Vec::new();
    encoder.header(&mut out, VERSION_FIELD_TTL);
    let mut records = Vec::new();
    for index in 0..keys {
        let access = match rng.random_range(0..3) {
            0 => Access::Unknown,
            1 => Access::Idle(rng.random_range(0..100_000)),
            _ => Access::Frequency(rng.random()),
        };
        let expire_ms = rng.random::<bool>().then(|| rng.random_range(0..1 << 50));
        let record = KeyRecord { key: index.to_string().into_bytes(), value: random_value(rng), expire_ms, access };
        record.value.with_view(|view| encoder.encode_key(&mut out, &record.key, view, expire_ms, access));
        records.push(record);
    }
    encoder.eof(&mut out);
    let crc = crc::checksum(&out);
    encoder.checksum(&mut out, crc);
    (out, records)
}

/// Gives a few bytes at a time, as a socket does.
struct Dribble<'a>(&'a [u8], StdRng);

impl std::io::Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.1.random_range(1..50).min(buffer.len());
        self.0.read(&mut buffer[..len])
    }
}

#[test]
fn random_values_come_back_the_same() {
    let mut rng = StdRng::seed_from_u64(seed());
    for _ in 0..50 {
        let (bytes, records) = random_file(&mut rng, 40);
        let source = Dribble(&bytes, StdRng::seed_from_u64(rng.random()));
        let mut reader = Reader::new(source, Options { deep: true, ..Options::default() }).unwrap();
        for record in records {
            let mut payload = Vec::new();
            record.value.with_view(|view| dump(&mut Encoder::new(true), &mut payload, view));
            assert_eq!(parse_dump(&payload).unwrap(), record.value);
            assert_eq!(reader.next_item().unwrap(), Some(Item::Key(record)));
        }
        assert_eq!(reader.next_item().unwrap(), Some(Item::Eof(Checksum::Right)));
    }
}

#[test]
fn a_string_longer_than_the_buffer_comes_whole() {
    let mut rng = StdRng::seed_from_u64(seed());
    let mut big = vec![0; 3_000_000];
    rng.fill_bytes(&mut big);
    let mut out = b"REDIS0011".to_vec();
    let mut encoder = Encoder::new(true);
    let long_run = vec![b'r'; 40_000_000];
    encoder.encode_key(&mut out, b"a", ValueView::String(&big), None, Access::Unknown);
    encoder.encode_key(&mut out, b"b", ValueView::String(&long_run), None, Access::Unknown);
    encoder.eof(&mut out);
    let crc = crc::checksum(&out);
    encoder.checksum(&mut out, crc);
    let mut reader = Reader::new(&out[..], Options::default()).unwrap();
    for expected in [&big, &long_run] {
        let Some(Item::Key(record)) = reader.next_item().unwrap() else { panic!("no key") };
        assert!(record.value == Value::String(expected.clone()));
    }
    assert_eq!(reader.next_item().unwrap(), Some(Item::Eof(Checksum::Right)));
    // The same with the limit below.
    let options = Options { string_bytes_max: 1_000_000, ..Options::default() };
    let error = Reader::new(&out[..], options).unwrap().next_item().unwrap_err();
    assert!(matches!(error.fault, Fault::StringTooLong { announced: 3_000_000, limit: 1_000_000 }));
}

#[test]
fn a_file_cut_anywhere_ends_in_an_error() {
    let mut rng = StdRng::seed_from_u64(seed());
    let (bytes, _) = random_file(&mut rng, 30);
    for cut in 9..bytes.len() {
        let mut reader = Reader::new(&bytes[..cut], Options::default()).unwrap();
        let error = loop {
            match reader.next_item() {
                Ok(Some(Item::Eof(_)) | None) => panic!("cut at {cut} of {} was not noticed", bytes.len()),
                Ok(Some(_)) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error.fault, Fault::UnexpectedEnd), "{error}");
    }
}

#[test]
fn mutated_files_are_read_or_refused_and_what_is_read_can_be_written() {
    let mut rng = StdRng::seed_from_u64(seed());
    let options = Options { checksum: false, string_bytes_max: 1 << 24, deep: false };
    let mut values = 0;
    for _ in 0..40 {
        let (bytes, _) = random_file(&mut rng, 12);
        for _ in 0..100 {
            let mut mutated = bytes.clone();
            for _ in 0..rng.random_range(1..5) {
                let at = rng.random_range(9..mutated.len());
                match rng.random_range(0..4) {
                    0 => mutated[at] = rng.random(),
                    1 => mutated[at] ^= 1 << rng.random_range(0..8),
                    2 => drop(mutated.drain(at..(at + rng.random_range(1..9)).min(mutated.len()))),
                    _ => mutated.insert(at, [0, 0xFF, 0x80, 0x81, 0xC3][rng.random_range(0..5)]),
                }
                if mutated.len() < 20 {
                    break;
                }
            }
            let mut reader = Reader::new(&mutated[..], options).unwrap();
            while let Ok(Some(item)) = reader.next_item() {
                if let Item::Key(record) = item {
                    let bytes = encoded(&record.value, true);
                    let type_byte = record.value.with_view(|view| view.type_byte());
                    let mut framed = vec![type_byte, 0];
                    framed.extend(bytes);
                    let mut again = Reader::block(&framed[..], VERSION_FIELD_TTL, 0, options);
                    let Some(Item::Key(read)) = again.next_item().unwrap() else { panic!("no key") };
                    assert_eq!(read.value, record.value);
                    values += 1;
                }
            }
        }
    }
    assert!(values > 1000);
}
