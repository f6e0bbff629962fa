"""redis-py's cluster client against a server whose cores have ports of their own."""
import sys

import redis
from redis.cluster import RedisCluster

port = int(sys.argv[1])
r = RedisCluster(host="127.0.0.1", port=port, decode_responses=True, socket_timeout=20)
nodes = r.get_nodes()
assert len(nodes) == 4, nodes
for i in range(2000):
    r.set(f"k{i}", i)
assert [r.get(f"k{i}") for i in range(2000)] == [str(i) for i in range(2000)]
with r.pipeline() as pipe:
    for i in range(2000):
        pipe.incr(f"k{i}")
    assert pipe.execute() == list(range(1, 2001))
# Every core has keys of its own slots, and all of them together have all.
plain = redis.Redis(port=port, decode_responses=True, socket_timeout=20)
assert plain.dbsize() == 2000
assert r.mset_nonatomic({f"{{tag}}{i}": i for i in range(10)})
assert r.cluster_keyslot("foo") == 12182
print("all well")
