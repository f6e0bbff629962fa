// ioredis against the server on the port given: its ready check, pipelines, transactions, pub/sub.
const [port, library] = process.argv.slice(2);
const Redis = require(library);
const assert = require('assert');

async function main() {
  const redis = new Redis({ port: Number(port), commandTimeout: 20000, maxRetriesPerRequest: 1 });
  await redis.flushall();
  assert.strictEqual(await redis.ping(), 'PONG');

  const pipeline = redis.pipeline();
  for (let i = 0; i < 5000; i++) pipeline.set(`k${i}`, i).get(`k${i}`);
  const replies = await pipeline.exec();
  for (let i = 0; i < 5000; i++) {
    assert.deepStrictEqual(replies[2 * i], [null, 'OK']);
    assert.deepStrictEqual(replies[2 * i + 1], [null, String(i)]);
  }

  const done = await redis.multi().set('a', 1).incr('a').mget('a', 'k7').exec();
  assert.deepStrictEqual(done, [[null, 'OK'], [null, 2], [null, ['2', '7']]]);

  await Promise.all(Array.from({ length: 2000 }, () => redis.incr('together')));
  assert.strictEqual(await redis.get('together'), '2000');

  const subscriber = new Redis({ port: Number(port) });
  const heard = new Promise((resolve) => subscriber.on('message', (channel, text) => resolve([channel, text])));
  await subscriber.subscribe('news');
  await redis.publish('news', 'hello');
  assert.deepStrictEqual(await heard, ['news', 'hello']);

  let seen = 0;
  for await (const keys of redis.scanStream({ count: 100 })) seen += keys.length;
  assert.ok(seen >= 5002, String(seen));
  subscriber.disconnect();
  redis.disconnect();
  console.log('all well');
}
main().catch((error) => { console.error(error); process.exit(1); });
