use super::*;

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
