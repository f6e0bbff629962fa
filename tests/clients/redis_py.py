"""redis-py against the server on the port given: pipelines, transactions, WATCH, pub/sub, both protocols."""
import sys
import threading

import redis

port = int(sys.argv[1])

for protocol in (2, 3):
    r = redis.Redis(port=port, protocol=protocol, decode_responses=True, socket_timeout=20, client_name="tests")
    assert r.ping() and r.client_getname() == "tests"
    r.flushall()
    assert r.info("server")["redis_mode"] == "standalone"

    # pipeline() sends MULTI and EXEC unless told otherwise.
    for transaction in (True, False):
        with r.pipeline(transaction=transaction) as pipe:
            for i in range(5000):
                pipe.set(f"k{i}", i)
                pipe.incr(f"k{i}")
            replies = pipe.execute()
        assert replies[0::2] == [True] * 5000
        assert replies[1::2] == list(range(1, 5001)), "replies in order"
    assert r.mget([f"k{i}" for i in range(5000)]) == [str(i) for i in range(1, 5001)]
    assert len(set(r.scan_iter(count=100))) == 5000 == r.dbsize()

    # An error inside: the others are done, and it is raised.
    r.set("text", "abc")
    try:
        with r.pipeline() as pipe:
            pipe.set("a", 1).incr("text").set("b", 2).execute()
        raise AssertionError("no error")
    except redis.ResponseError as error:
        assert "not an integer" in str(error), error
    assert r.mget("a", "b") == ["1", "2"]

    # Optimistic locking from several threads: every increment counts.
    r.set("counter", 0)

    def increment():
        own = redis.Redis(port=port, protocol=protocol, decode_responses=True, socket_timeout=20)
        for _ in range(30):
            own.transaction(lambda pipe: (lambda n: (pipe.multi(), pipe.set("counter", n + 1)))(int(pipe.get("counter"))), "counter")

    threads = [threading.Thread(target=increment) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert r.get("counter") == "120", r.get("counter")

    listener = r.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("news")
    listener.get_message(timeout=20)
    assert r.publish("news", "hello") == 1
    message = None
    while message is None:
        message = listener.get_message(timeout=20)
    assert message["data"] == "hello", message
    listener.close()

    r.set("t", "v", px=100000)
    assert 90000 < r.pttl("t") <= 100000
    assert r.dump("text") and r.restore("copy", 0, r.dump("text")) and r.get("copy") == "abc"
    assert r.object("encoding", "counter") == "int"

print("all well")
