use super::*;
use crate::listpack::ListpackError;

#[test]
fn broken_values_are_refused_by_name() {
    let twice = list_of(&[b"a", b"1", b"a", b"2"]);
    let odd = list_of(&[b"a", b"1", b"a"]);
    let nan = list_of(&[b"a", b"nan"]);
    let body = |list: &Listpack| string(list.as_bytes());
    assert!(matches!(load(opcode::SET_LISTPACK, &body(&twice)), Err(Fault::Duplicate(_))));
    assert!(matches!(load(opcode::HASH_LISTPACK, &body(&twice)), Err(Fault::Duplicate(_))));
    assert!(matches!(load(opcode::SET, &[2, 1, b'5', 0xC0, 5]), Err(Fault::Duplicate(_))));
    assert!(matches!(load(opcode::HASH, &[2, 1, b'a', 0, 1, b'a', 0]), Err(Fault::Duplicate(_))));
    let scores = [&[2, 1, b'a'][..], &[0; 8], &[1, b'a'], &[1; 8]].concat();
    assert!(matches!(load(opcode::ZSET_2, &scores), Err(Fault::Duplicate(_))));
    let mut shallow = vec![opcode::SET, 1, b'k', 2, 1, b'5', 0xC0, 5];
    assert!(Reader::block(&shallow[..], VERSION, 0, Options::default()).next_item().is_ok());
    shallow.pop();
    assert!(Reader::block(&shallow[..], VERSION, 0, Options::default()).next_item().is_err());
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
    // Nine letters of 6 bits, then ten bits of the module's own version.
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let number = |letter: u8| LETTERS.iter().position(|l| *l == letter).unwrap() as u64;
    let id = b"ReJSON-RL".iter().fold(0, |id, letter| id << 6 | number(*letter)) << 10 | 3;
    let mut module = Vec::new();
    write_len(&mut module, id);
    let Err(Fault::Module(name)) = load(opcode::MODULE_2, &module) else { panic!("a module's value was taken") };
    assert_eq!(name, "ReJSON-RL");
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
