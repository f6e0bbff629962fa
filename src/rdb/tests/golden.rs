use super::*;
use crate::intset::Intset;

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
