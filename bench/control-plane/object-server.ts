/** A process of its own that serves the objects of so many Services, and changes pods at the rate that it is told. Talks with its parent by messages. */
import { TestObjectServer } from '@landbridge/kubernetes/test-object-server.ts';
import { now } from './clock.ts';
import { meshObjects, PATHS, pod, podUid, PODS_PER_SERVICE } from './mesh-objects.ts';

const services = Number(process.argv[2]);
const server = await TestObjectServer.start();
for (const [path, object] of meshObjects(services)) server.put(path, object);
// None of these changed while anybody watched.
server.forget();

process.on('message', ({ perSecond, count }: { perSecond: number; count: number }) => {
  const started = performance.now();
  let changed = 0;
  const timer = setInterval(() => {
    for (; changed < Math.min(count, ((performance.now() - started) / 1000) * perSecond); changed++) {
      // Far from each other, as pods of different services are.
      const service = (changed * 7919) % services;
      const number = changed % PODS_PER_SERVICE;
      process.send?.({ changed: podUid(service, number), atMs: now() });
      server.put(PATHS.pods, pod(service, number, changed + 1));
    }
    if (changed === count) clearInterval(timer);
  }, 1);
});
process.on('disconnect', () => process.exit());
// As API servers do, so that a watch without changes is not taken for a dead one.
setInterval(() => server.bookmark(), 30_000);
process.send?.({ server: server.access.server.href, roots: server.access.roots().toString() });
