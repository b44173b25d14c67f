/** The discovery of an agent that follows everything, and nothing else of it. Talks with its parent by messages. */
import { Discovery } from '@landbridge/agent/discovery/xds-client.ts';
import { pino } from 'pino';

const [address = '', roots = ''] = process.argv.slice(2);
const discovery = new Discovery({ address, rootPem: () => Buffer.from(roots), token: () => 'bench' }, { name: 'agent', namespace: 'landbridge-system', node: 'node-0', cluster: 'bench', ip: '' }, pino({ level: 'warn' }, pino.destination(2)));
const startedMs = performance.now();
const rssMiB = (): number => process.memoryUsage().rss / 2 ** 20;
const beforeMiB = rssMiB();
process.on('disconnect', () => process.exit());
process.on('message', () => process.send?.({ rssMiB: rssMiB(), beforeMiB, ...discovery.registry.count() }));
void discovery.run(new AbortController().signal);
await discovery.ready;
process.send?.({ ms: performance.now() - startedMs });
